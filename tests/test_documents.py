"""The README and the docs say what is true: their examples run, and every public name is listed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fairsk
import fairsk.audit
import fairsk.calibration
import fairsk.metrics
import fairsk.plotting
import fairsk.rates
import fairsk.scoring
import fairsk.statistics
import fairsk.thresholds

ROOT = Path(__file__).parents[1]


def test_the_readme_examples_run_as_pasted(capsys):
    text = (ROOT / "README.md").read_text()
    namespace: dict = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(block, namespace)
    printed = capsys.readouterr().out
    promised = re.search(r"how surely:\n\n```\n(.*?)```", text, flags=re.DOTALL)[1]
    assert promised in printed
    assert "{'max_difference': 0.04}" in printed
    assert namespace["net"].estimator_[-1].report_.disparity <= 0.05 + 1e-3


@pytest.mark.parametrize(
    "module",
    [
        fairsk,
        fairsk.metrics,
        fairsk.scoring,
        fairsk.rates,
        fairsk.thresholds,
        fairsk.calibration,
        fairsk.plotting,
        fairsk.statistics,
        fairsk.audit,
    ],
)
def test_every_public_name_is_listed(module):
    listed = (ROOT / "docs" / "api.md").read_text()
    for name in module.__all__:
        stem = name.removesuffix("_difference").removesuffix("_ratio")
        assert f"`{stem}`" in listed or f"`{name}`" in listed, f"{name} is not in docs/api.md"
