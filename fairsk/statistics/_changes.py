"""Changes between two tables of counts: of the rate of each group, and of a disparity, with intervals.

Both tables are taken as independent: no row is in both, and no person either. The interval of a change
combines those of the two numbers by the method of variance estimates recovery (MOVER), which for rates is
Newcombe's hybrid method [1]_ [2]_.

References
----------
.. [1] Newcombe, Interval Estimation for the Difference Between Independent Proportions, Statistics in
   Medicine 17, 1998.
.. [2] Zou & Donner, Construction of Confidence Limits about Effect Measures: A General Approach, Statistics
   in Medicine 27, 2008.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.typing import Floats
from fairsk.rates import Rate
from fairsk.statistics._intervals import joint_confidence, rate_intervals
from fairsk.statistics._pairs import Estimate, PairComparison, newcombe_interval
from fairsk.statistics._proportions import refuse_strata, rows_counted
from fairsk.statistics._verdicts import MeasuredDisparity

__all__ = [
    "Direction",
    "Movement",
    "RateChanges",
    "disparity_change",
    "disparity_direction",
    "movement",
    "rate_changes",
]

#: What became of a rate.
Movement: TypeAlias = Literal["higher", "lower", "not told apart", "not known"]
#: What became of a disparity.
Direction: TypeAlias = Literal["worse", "better", "not told apart", "not known"]


@dataclass(frozen=True, eq=False)
class RateChanges:
    """How the rate of each group changed between two tables.

    Parameters
    ----------
    rate : Rate
        The rate.
    groups : tuple of labels
        The groups that are in both tables, in the order of the later one.
    now, then : array of shape (n_groups,)
        Their rates; NaN where there is nothing to measure.
    n_now, n_then : array of shape (n_groups,)
        The (weighted) numbers of rows that they are measured on.
    change : Estimate
        The later rate minus the earlier one, with its interval; NaN where one of them is not measured.
    level : float
        The confidence of each interval, such that all hold together.
    """

    rate: Rate
    groups: tuple[Hashable, ...]
    now: Floats
    then: Floats
    n_now: Floats
    n_then: Floats
    change: Estimate[Floats]
    level: float


def rate_changes(
    now: GroupCounts, then: GroupCounts, rate: Rate, confidence: float = 0.95, *, n_rates: int = 1
) -> RateChanges:
    """Compare each group's rate in two tables of different rows.

    The intervals of all groups in both tables hold together (Bonferroni), and those of ``n_rates`` rates that
    are looked at in the same way.
    """
    refuse_strata(now, "A change")
    refuse_strata(then, "A change")
    both = {*now.groups} & {*then.groups}
    groups = tuple(group for group in now.groups if group in both)
    later, earlier = now.take(groups), then.take(groups)
    level = joint_confidence(confidence, len(groups) * n_rates)
    estimates = [
        Estimate(counts.rate(rate), *rate_intervals(counts, rate, level)) for counts in (later, earlier)
    ]
    return RateChanges(
        rate=rate,
        groups=groups,
        now=estimates[0].value,
        then=estimates[1].value,
        n_now=rows_counted(later.cells, rate),
        n_then=rows_counted(earlier.cells, rate),
        change=Estimate(estimates[0].value - estimates[1].value, *newcombe_interval(*estimates)),
        level=level,
    )


def disparity_change(now: MeasuredDisparity, then: MeasuredDisparity) -> Estimate[float]:
    """Return the later disparity minus the earlier one, with its interval; NaN where one is not known.

    Both are measured in the same comparison and with the same confidence, which is that of the interval.

    Notes
    -----
    With [l, u] the interval of the later disparity x and [L, U] that of the earlier one y, it reaches from
    x - y - sqrt((x - l)^2 + (U - y)^2) to x - y + sqrt((u - x)^2 + (y - L)^2). The ends on the side of parity
    are taken as if disparities went on there. For a disparity of groups that are equal is never negative and
    so lies above the true one: an interval that stops at parity would seem to know it better than it does,
    and that of the change would cover too rarely.
    """
    ends = [Estimate(*map(np.asarray, measured.unfolded())) for measured in (now, then)]
    low, high = map(float, newcombe_interval(*ends))
    if now.comparison == "ratio":  # of which both lie between 0 and 1
        low, high = max(-1.0, low), min(1.0, high)
    return Estimate(float(now.value - then.value), low, high)


def disparity_direction(change: Estimate[float], comparison: PairComparison) -> Direction:
    """Say what became of a disparity: a larger difference is worse, and so is a smaller ratio."""
    moved = movement(change.low, change.high)
    if moved in ("not told apart", "not known"):
        return moved
    return "worse" if (moved == "higher") == (comparison == "difference") else "better"


def movement(low: float, high: float) -> Movement:
    """Say on which side of 0 an interval lies."""
    if np.isnan(low) or np.isnan(high):
        return "not known"
    return "higher" if low > 0 else "lower" if high < 0 else "not told apart"
