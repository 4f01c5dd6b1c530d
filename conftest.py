"""Import the package before the doctests of its modules, so that all share one copy of every class."""

from __future__ import annotations

import pytest

import fairsk  # noqa: F401


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what the Makefile asks for: every cell of the matrix, or only what library versions can break."""
    parser.addoption(
        "--full-matrix",
        action="store_true",
        help="run every cell of the composition matrix (tests/matrix.py)",
    )
