"""The tables of which tests run when name tests that there are."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from schedule import NEWEST_ONLY, NOT_MEASURED, count_measured_lines, measure_until_exhausted


@pytest.mark.parametrize("place", sorted({*NEWEST_ONLY, *NOT_MEASURED}))
def test_the_tables_name_tests_that_there_are(place):
    file, _, test = place.partition("::")
    if file.endswith(".md"):
        assert (Path(__file__).parents[1] / "docs" / file).exists()
        return
    tree = ast.parse((Path(__file__).parent / file).read_text())
    assert test in {"", *(node.name for node in tree.body if isinstance(node, ast.FunctionDef))}


def test_a_test_is_not_named_beside_its_file():
    for table in (NEWEST_ONLY, NOT_MEASURED):
        assert [place for place in table if "::" in place and place.partition("::")[0] in table] == []


def test_a_parametrised_test_is_measured_until_several_in_a_row_bring_no_new_line():
    lines, barren, unmeasured = {1}, Counter(), []

    def run(name, parameter, *new):
        marks = []
        item = SimpleNamespace(path=Path("test_it.py"), name=name, add_marker=marks.append)
        if parameter is not None:
            item.callspec = parameter
        steps = measure_until_exhausted(item, barren, lambda: len(lines))
        next(steps)
        lines.update(new)
        with pytest.raises(StopIteration):
            steps.send(None)
        if marks == ["no_cover"]:
            unmeasured.append((name, parameter))

    for parameter, new in enumerate([[2], [], [], [3], [], [], [], [], []]):
        run("test_a", parameter, *new)
    run("test_b", 0)
    for _ in range(9):
        run("test_c", None)
    assert unmeasured == [("test_a", 7), ("test_a", 8)]


def test_measured_lines_can_be_told_wherever_coverage_is_measured(request):
    measures = bool(request.config.getoption("cov_source", []))
    assert (count_measured_lines(request.config) is not None) == measures
