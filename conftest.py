"""The options of the command line, and the choice of tests that they make: see ``tests/schedule.py``.

The import of the package comes before the doctests of its modules, so that all share one copy of every class.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from schedule import NEWEST_ONLY, NOT_MEASURED, stands_in

import fairsk  # noqa: F401


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that the Makefile uses."""
    parser.addoption("--full-matrix", action="store_true", help="run every cell of the composition matrix")
    parser.addoption(
        "--by-version", action="store_true", help="run only tests that a version of a library can break"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out whole files that no version can break."""
    return True if config.getoption("by_version") and collection_path.name in NEWEST_ONLY else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out single tests that no version can break; mark those whose coverage is not measured."""
    kept, left_out = [], []
    for item in items:
        place = item.path.name, getattr(item, "originalname", item.name)
        if config.getoption("by_version") and stands_in(*place, NEWEST_ONLY):
            left_out.append(item)
            continue
        if stands_in(*place, NOT_MEASURED):
            item.add_marker("no_cover")
        kept.append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept
