"""The README and the docs say what is true: their examples run, and every public name is listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fairsk
import fairsk.metrics
import fairsk.rates
import fairsk.scoring

ROOT = Path(__file__).parents[1]


def test_the_readme_examples_run_as_pasted(capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert len(blocks) == 3
    namespace: dict = {}
    for block in blocks:
        exec(block, namespace)
    printed = capsys.readouterr().out
    assert "{'max_difference': 0.04}" in printed
    assert "disparity:   0.0400" in printed
    assert namespace["search"].best_estimator_.report_.disparity <= 0.04 + 1e-9


@pytest.mark.parametrize("module", [fairsk, fairsk.metrics, fairsk.scoring, fairsk.rates])
def test_every_public_name_is_listed(module):
    listed = (ROOT / "docs" / "api.md").read_text()
    for name in module.__all__:
        stem = name.removesuffix("_difference").removesuffix("_ratio")
        assert f"`{stem}`" in listed, f"{name} is not in docs/api.md"
