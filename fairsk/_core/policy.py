"""Policies for group values: missing ones, measurements, and groups that did not occur in ``fit``.

Each is stated here once: what is refused, what is warned of, and in which words.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from fairsk._core.factorize import Coded, is_missing
from fairsk._core.warnings import warn_user

__all__ = ["refuse_measurements", "refuse_missing"]

#: More distinct values than this, some of them fractions, look like measurements.
_MAX_CONTINUOUS_LEVELS = 10
#: More groups than this that are called by numbers look like measurements.
_MAX_NUMBERS = 30


def refuse_missing(name: str, coded: Coded, used: NDArray[Any]) -> None:
    """Refuse rows whose group is missing."""
    missing = used[[is_missing(value) for value in coded.values]].sum()
    raise ValueError(
        f"The sensitive feature {name!r} is missing (NaN or None) in {missing:.0f} of {used.sum():.0f} rows. "
        "Make the missing ones a group of their own (fill them with a value such as 'unknown') or drop "
        "those rows; fairsk does not guess."
    )


def refuse_measurements(name: str, values: list[Any]) -> None:
    """Refuse fractions as group names, and warn of very many numbers."""
    example = "first: X['age'] >= 40 (in a constructor, a callable: lambda X: X['age'] >= 40)."
    if len(values) > _MAX_CONTINUOUS_LEVELS and any(isinstance(v, float) and v % 1 > 0 for v in values):
        raise ValueError(
            f"The sensitive feature {name!r} looks continuous: it has {len(values)} distinct values, some of "
            f"them fractions. Bin it {example}"
        )
    if len(values) > _MAX_NUMBERS and all(isinstance(v, int | float) for v in values):
        warn_user(
            f"The sensitive feature {name!r} has {len(values)} distinct numbers, each a group of its own. If "
            f"it measures something, bin it {example}"
        )
