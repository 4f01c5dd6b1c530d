"""Selection rates of groups, their highest one, and exact comparisons of ratios: what profiles share."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk.rates import get_rate
from fairsk.statistics._tests import TwoGroupMethod, two_group_test

__all__ = ["Selection", "as_whole", "compare_with", "selections"]


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

    Floats are fractions: sums of weights are compared as they are, without another rounding.
    """
    rate = get_rate("selection_rate")
    part, whole = rate.part(counts.cells).tolist(), rate.support(counts.cells).tolist()
    return [
        Selection(group, Fraction(n), Fraction(selected))
        for group, n, selected in zip(counts.groups, whole, part, strict=True)
        if n > 0
    ]


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
