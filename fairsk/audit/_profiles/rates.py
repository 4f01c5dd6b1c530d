"""Selection rates of groups as exact fractions, and the test of two of them: what profiles share."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk.audit._small_groups import is_merged
from fairsk.rates import get_rate
from fairsk.statistics._tests import TwoGroupMethod, two_group_test

__all__ = ["Selection", "as_whole", "compare_with", "is_merged", "is_weighted", "selections"]


#: The digits of sums of weights that are told from rounding; reports keep as many.
_DIGITS = 12


@dataclass(frozen=True)
class Selection:
    """How many rows of a group there are, and how many of them are selected, exactly."""

    group: Hashable
    n: Fraction
    selected: Fraction

    @property
    def rate(self) -> Fraction:
        """The selection rate."""
        return self.selected / self.n


def selections(counts: GroupCounts) -> list[Selection]:
    """Return the selection of every group that has rows.

    Numbers of rows are whole. Sums of weights are taken to 12 digits: in floats, four weights of .3 are less
    than 4/5 of five by rounding alone.
    """
    rate = get_rate("selection_rate")
    part, whole = rate.part(counts.cells).tolist(), rate.support(counts.cells).tolist()
    return [
        Selection(group, _as_fraction(n), _as_fraction(selected))
        for group, n, selected in zip(counts.groups, whole, part, strict=True)
        if n > 0
    ]


def _as_fraction(total: float) -> Fraction:
    return Fraction(total) if total.is_integer() else Fraction(f"{total:.{_DIGITS}g}")


def as_whole(number: Fraction) -> float | int:
    """Return a fraction as JSON holds it: whole numbers as integers."""
    return int(number) if number.denominator == 1 else float(number)


def is_weighted(counts: GroupCounts) -> bool:
    """Whether rows have weights other than 1."""
    return any(not np.array_equal(counts.cells[cell], counts.squares[cell]) for cell in counts.cells)


def compare_with(
    counts: GroupCounts, group: Hashable, reference: Hashable, method: TwoGroupMethod
) -> tuple[float, float]:
    """Return z of two selection rates, and the p-value of a test."""
    test = two_group_test(counts, "selection_rate", groups=[group, reference], method=method)
    return float(test.z), float(test.p_value)
