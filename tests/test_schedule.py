"""The tables of which tests run when name tests that there are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from schedule import NEWEST_ONLY, NOT_MEASURED


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
