"""Comparisons of two groups: intervals of their difference and ratio, and the test that they are equal.

Every interval for a pair of groups in this package comes from here. Both combine the intervals of the two
rates, by the method of variance estimates recovery (MOVER): for differences of proportions it is Newcombe's
hybrid method [1]_, for ratios that of Donner and Zou [2]_. Means of amounts that may be negative have about
normal estimates, and their differences Welch's interval [3]_.

References
----------
.. [1] Newcombe, Interval Estimation for the Difference Between Independent Proportions, Statistics in
   Medicine 17, 1998.
.. [2] Donner & Zou, Closed-Form Confidence Intervals for Functions of the Normal Mean and Standard
   Deviation, Statistical Methods in Medical Research 21, 2012.
.. [3] Welch, The Generalization of "Student's" Problem when Several Different Population Variances are
   Involved, Biometrika 34, 1947.
"""

from __future__ import annotations

from typing import Generic, Literal, NamedTuple, TypeAlias, TypeVar

import numpy as np
from scipy.special import ndtr, stdtr, stdtrit

from fairsk._core.counts import GroupCounts
from fairsk._core.typing import Floats
from fairsk._core.validation import check_choice
from fairsk.rates import CELLS, Constraint, MeanRate, Rate
from fairsk.statistics._proportions import rate_variances, share_behind

__all__ = [
    "Estimate",
    "Interval",
    "PairComparison",
    "check_comparison",
    "equality_z",
    "mover_r_interval",
    "newcombe_interval",
    "two_sided",
    "welch_interval",
    "welch_t",
]

#: The lower and the upper end of confidence intervals.
Interval: TypeAlias = tuple[Floats, Floats]
PairComparison: TypeAlias = Literal["difference", "ratio"]
Values = TypeVar("Values", float, Floats)
#: Means, their standard errors, and how many (effective) rows they are of.
_Mean: TypeAlias = tuple[Floats, Floats, Floats]


def check_comparison(comparison: PairComparison, *rates: Rate | MeanRate) -> None:
    """Refuse an unknown comparison, and the ratio of a rate that can be negative."""
    hint = ""
    if isinstance(comparison, str) and comparison == "mean_difference":
        hint = " The mean over pairs has no interval here: disparity and make_fair_scorer measure it."
    check_choice("comparison", comparison, PairComparison, hint)
    for rate in rates:
        if comparison == "ratio":
            Constraint(rate.name, rate).check_ratio()


class Estimate(NamedTuple, Generic[Values]):
    """A number, or the rates of some groups, with the confidence interval; NaN where there is none."""

    value: Values
    low: Values
    high: Values


def newcombe_interval(
    first: Estimate[Floats], second: Estimate[Floats], *, correlation: float = 0.0
) -> Interval:
    """Return the interval of the first rate minus the second, of other rows or of correlated ones."""
    gap = first.value - second.value
    low = gap - _combined(first.value - first.low, second.high - second.value, correlation)
    high = gap + _combined(first.high - first.value, second.value - second.low, correlation)
    return low, high


def _combined(first: Floats, second: Floats, correlation: float) -> Floats:
    """Return the root of a^2 - 2 r a b + b^2, which cannot be negative this way, nor inexact for r = 0."""
    return np.hypot(first - correlation * second, np.sqrt(1 - correlation**2) * second)


def mover_r_interval(first: Estimate[Floats], second: Estimate[Floats]) -> Interval:
    """Return the interval of the first rate divided by the second; its upper end may be infinite."""
    product = first.value * second.value
    lower_a, upper_a = (end * (2 * first.value - end) for end in (first.low, first.high))
    lower_b, upper_b = (end * (2 * second.value - end) for end in (second.low, second.high))
    with np.errstate(divide="ignore", invalid="ignore"):
        low = lower_a / (product + np.sqrt(np.maximum(0, product**2 - lower_a * upper_b)))
        high = (product + np.sqrt(np.maximum(0, product**2 - upper_a * lower_b))) / lower_b
    undefined = np.isnan(product)
    # If the first interval reaches 0, so does the ratio's; if the second does, the ratio has no upper end.
    # An undefined rate leaves both ends undefined.
    low = np.where(lower_a > 0, low, np.where(undefined, np.nan, 0.0))
    high = np.where(lower_b > 0, high, np.where(undefined, np.nan, np.inf))
    return low, high


def welch_interval(first: _Mean, second: _Mean, confidence: float) -> Interval:
    """Return Welch's interval of the first mean minus the second; without end where a spread is not known.

    Each is given as its value, its standard error and the effective number of rows behind it.
    """
    gap, error, df = _welch(first, second)
    with np.errstate(invalid="ignore"):
        half = np.where(error > 0, stdtrit(df, 0.5 + confidence / 2) * error, 0.0)
    half = np.where(np.isnan(error) & ~np.isnan(gap), np.inf, half)
    return gap - half, gap + half


def welch_t(first: _Mean, second: _Mean) -> tuple[Floats, Floats]:
    """Return Welch's t of the first mean minus the second, and its two-sided p-value."""
    gap, error, df = _welch(first, second)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(gap == 0, 0.0, gap / error)
    return t, np.where(np.isinf(t), 0.0, 2 * stdtr(df, -np.abs(t)))


def _welch(first: _Mean, second: _Mean) -> tuple[Floats, Floats, Floats]:
    """Return the difference of means, its standard error, and the degrees of freedom by Satterthwaite."""
    variances = [side[1] ** 2 for side in (first, second)]
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [v**2 / (side[2] - 1) for v, side in zip(variances, (first, second), strict=True)]
        df = sum(variances) ** 2 / sum(parts)
    return first[0] - second[0], np.sqrt(sum(variances)), np.where(df > 0, df, 1.0)


def equality_z(first: GroupCounts, second: GroupCounts, rate: Rate) -> Floats:
    """Return z for the groups of two tables pair by pair: about normal if the two rates are equal.

    It is the difference divided by its standard error at the pooled rate, of the proportions behind the
    rates if there are such. Two groups that do not differ at all have z = 0.
    """
    share = share_behind(rate)
    with np.errstate(divide="ignore", invalid="ignore"):
        if share is not None:
            (p, n), (q, m) = share.effective(first), share.effective(second)
            gap, pooled = p - q, (n * p + m * q) / (n + m)
            variance = pooled * (1 - pooled) * (1 / n + 1 / m)
        else:
            gap = rate(first.cells) - rate(second.cells)
            pooled = rate({cell: first.cells[cell] + second.cells[cell] for cell in CELLS})
            variance = rate_variances(first, rate, pooled) + rate_variances(second, rate, pooled)
        return np.where(gap == 0, 0.0, gap / np.sqrt(variance))


def two_sided(z: Floats) -> Floats:
    """Return two-sided p-values: the probability that a normal z lies further from 0."""
    return 2 * ndtr(-np.abs(z))
