"""The README and the docs say what is true: their examples run, and every public name is listed."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import fairsk
from fairsk.audit._report.results import CODES
from fairsk.statistics._verdicts import _OUTCOMES

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


#: The modules of docs/api.md: every public one.
MODULES = ["fairsk", *(f"fairsk.{name}" for name in fairsk.__all__ if name.islower())]


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_listed(module):
    """In a row that begins with its module; differences and ratios may be listed by their stem."""
    text = (ROOT / "docs" / "api.md").read_text()
    listed = "\n".join(row for row in text.splitlines() if row.startswith(f"| `{module}`"))
    for name in importlib.import_module(module).__all__:
        if module == "fairsk" and name.islower():
            assert f"`fairsk.{name}`" in text, f"the subpackage {name} is not in docs/api.md"
            continue
        stem = name.removesuffix("_difference").removesuffix("_ratio")
        assert f"`{stem}`" in listed or f"`{name}`" in listed, f"{name} is not listed under {module}"


def test_the_codes_of_reports_are_all_listed():
    text = (ROOT / "docs" / "reports.md").read_text()
    rows = re.findall(r"^\| (FSK\d+) \| ([A-Z ]+|none) \| (.*) \|$", text, flags=re.MULTILINE)
    assert rows == [(code, _OUTCOMES.get(name, "none"), why) for name, (code, why) in CODES.items()]
