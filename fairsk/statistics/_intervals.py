"""Confidence intervals of group rates, of the disparity between groups, and of means.

A rate that counts a part of a whole gets the Wilson interval [1]_, and so does one that is a function of
such a part, as F1 and odds are; any other rate gets the normal interval by linearisation. Differences of
two groups combine the intervals of both, as Newcombe's hybrid method does [2]_. The largest difference over
all pairs of groups (and all rates of a constraint) gets simultaneous pairwise intervals: a bootstrap
percentile interval of max - min would be wrong, for that statistic is biased upwards when groups are small.

Weighted rows count by their effective number, (sum of w)^2 / (sum of w^2) [3]_, or by fewer where weights
depend on what the rate counts. Means (of scores, of amounts) have Student's interval.

References
----------
.. [1] Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22, 1927.
.. [2] Newcombe, Interval Estimation for the Difference Between Independent Proportions, Statistics in
   Medicine 17, 1998.
.. [3] Kish, Survey Sampling, Wiley, 1965.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from fairsk._core.amount_sums import GroupAmounts
from fairsk._core.groups import position_of
from fairsk._core.means import mean_half_widths
from fairsk._core.typing import Floats, Ints
from fairsk._core.validation import check_confidence
from fairsk.rates import Constraint, MeanRate, Rate
from fairsk.statistics._measures import GroupTable, Measure, measures_of
from fairsk.statistics._pairs import (
    Estimate,
    Interval,
    PairComparison,
    mover_r_interval,
)
from fairsk.statistics._proportions import (
    constraint_on,
    mean_on,
    rate_on,
    rate_variances,
    share_behind,
    takes_tables,
)

__all__ = [
    "PairDisparities",
    "check_confidence",
    "complete",
    "difference_interval",
    "joint_confidence",
    "mean_half_widths",
    "pair_disparities",
    "rate_intervals",
    "rate_standard_errors",
    "ratio_interval",
    "wilson_interval",
    "worst_interval",
]


@takes_tables
def rate_standard_errors(counts: GroupTable, rate: Rate | MeanRate | str) -> Floats:
    """Return the standard error of a rate in every group, by linearisation.

    Parameters
    ----------
    counts : GroupCounts or GroupAmounts
        The table of counts, or of amounts.
    rate : str, Rate or MeanRate
        Which rate, or mean of amounts.

    Returns
    -------
    array
        Standard errors, shaped like the counts; NaN where the rate has an empty denominator.

    See Also
    --------
    rate_intervals : Intervals, which also hold for few rows.
    bootstrap : The standard error of any function of counts.

    Examples
    --------
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.statistics import rate_standard_errors
    >>> counts = GroupCounts.from_predictions([1] * 10, [1] * 8 + [0] * 2, sensitive_features=["a"] * 10)
    >>> rate_standard_errors(counts, "selection_rate").round(4)  # sqrt(.8 * .2 / 10)
    array([0.1265])
    """
    if isinstance(counts, GroupAmounts):
        return counts.standard_errors(mean_on(rate))
    rate = rate_on(rate)
    return np.sqrt(rate_variances(counts, rate, rate(counts.cells)))


@takes_tables
def rate_intervals(counts: GroupTable, rate: Rate | MeanRate | str, confidence: float = 0.95) -> Interval:
    """Return the confidence interval of a rate in every group.

    Parameters
    ----------
    counts : GroupCounts or GroupAmounts
        The table of counts, or of amounts.
    rate : str, Rate or MeanRate
        Which rate, or mean of amounts.
    confidence : float in (0, 1), default=0.95
        The coverage probability.

    Returns
    -------
    tuple of two arrays
        Lower and upper ends, shaped like the counts; NaN where the rate has an empty denominator.

    See Also
    --------
    rate_standard_errors : Standard errors by linearisation.
    shrunken_rates : Rates of many small groups.
    difference_interval : The interval of the difference between groups.

    Examples
    --------
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.statistics import rate_intervals
    >>> counts = GroupCounts.from_predictions([1] * 10, [1] * 8 + [0] * 2, sensitive_features=["a"] * 10)
    >>> low, high = rate_intervals(counts, "selection_rate")
    >>> print(f"{low[0]:.3f} to {high[0]:.3f}")
    0.490 to 0.943
    """
    check_confidence(confidence)
    if isinstance(counts, GroupAmounts):
        return counts.intervals(mean_on(rate), confidence)
    rate = rate_on(rate)
    value = counts.rate(rate)
    share = share_behind(rate)
    if share is None:
        half = float(ndtri(0.5 + confidence / 2)) * rate_standard_errors(counts, rate)
        return value - half, value + half
    ends = wilson_interval(*share.effective(counts), confidence)
    low, high = (np.where(np.isnan(value), value, share.rate_at(end)) for end in ends)
    return low, high


def wilson_interval(p: Floats, n: Floats, confidence: float) -> Interval:
    """Return Wilson's interval of shares ``p`` of ``n`` rows; NaN where there are none."""
    z = float(ndtri(0.5 + confidence / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        center = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # A share of exactly 0 or 1 touches its end of the interval; rounding must not exclude it.
    return np.minimum(center - half, p), np.maximum(center + half, p)


@takes_tables
def difference_interval(
    counts: GroupTable, constraint: Constraint | Rate | MeanRate | str, confidence: float = 0.95
) -> tuple[float, float]:
    """Return a confidence interval for the difference of a rate between groups (max - min over groups).

    Parameters
    ----------
    counts : GroupCounts or GroupAmounts
        The table of counts, or of amounts. Within strata (or classes, each against the rest) groups are
        compared in each.
    constraint : str, Constraint, Rate or MeanRate
        The rate, or the rates that should agree.
    confidence : float in (0, 1), default=0.95
        The coverage probability, held simultaneously over all pairs of groups, rates and strata (Bonferroni),
        and therefore at least this for their maximum.

    Returns
    -------
    tuple of two floats
        Its lower and upper end; NaN if fewer than two groups can be measured, in one of the
        rates if there are several.

    Raises
    ------
    ValueError
        If ``confidence`` does not lie between 0 and 1.

    See Also
    --------
    ratio_interval : The same for the smallest ratio.
    rate_intervals : Intervals of the rates themselves.
    verdict : A disparity against a tolerance.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.statistics import difference_interval
    >>> y_pred = np.repeat([1, 0, 1, 0], [60, 40, 45, 55])
    >>> counts = GroupCounts.from_predictions(y_pred, y_pred, sensitive_features=np.repeat(["a", "b"], 100))
    >>> low, high = difference_interval(counts, "demographic_parity")
    >>> print(f"{low:.3f} to {high:.3f}")
    0.012 to 0.280
    """
    return worst_interval(pair_disparities(counts, constraint, "difference", confidence), "difference")


@takes_tables
def ratio_interval(
    counts: GroupTable, constraint: Constraint | Rate | MeanRate | str, confidence: float = 0.95
) -> tuple[float, float]:
    """Return a confidence interval for the ratio of a rate between groups (min / max over groups).

    The ratio of two groups combines the intervals of both, by the method of variance estimates recovery
    (MOVER-R) [1]_.

    Parameters
    ----------
    counts : GroupCounts or GroupAmounts
        The table of counts, or of amounts. Within strata (or classes, each against the rest) groups are
        compared in each.
    constraint : str, Constraint, Rate or MeanRate
        The rate, or the rates that should agree; none that can be negative.
    confidence : float in (0, 1), default=0.95
        The coverage probability, held simultaneously over all pairs of groups, rates and strata (Bonferroni),
        and therefore at least this for their minimum.

    Returns
    -------
    tuple of two floats
        Its lower and upper end, between 0 and 1; NaN if fewer than two groups can be measured, in one of the
        rates if there are several.

    Raises
    ------
    ValueError
        If ``confidence`` does not lie between 0 and 1.

    See Also
    --------
    difference_interval : The same for the largest difference.
    rate_intervals : Intervals of the rates themselves.
    verdict : A disparity against a tolerance.

    References
    ----------
    .. [1] Donner & Zou, Closed-Form Confidence Intervals for Functions of the Normal Mean and Standard
       Deviation, Statistical Methods in Medical Research 21, 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.statistics import ratio_interval
    >>> y_pred = np.repeat([1, 0, 1, 0], [60, 40, 45, 55])
    >>> counts = GroupCounts.from_predictions(y_pred, y_pred, sensitive_features=np.repeat(["a", "b"], 100))
    >>> low, high = ratio_interval(counts, "demographic_parity")
    >>> print(f"{low:.3f} to {high:.3f}")
    0.571 to 0.978
    """
    return worst_interval(pair_disparities(counts, constraint, "ratio", confidence), "ratio")


def joint_confidence(confidence: float, n_intervals: int) -> float:
    """Return the confidence of each of some intervals that hold together with this one (Bonferroni)."""
    check_confidence(confidence)
    return 1 - (1 - confidence) / max(1, n_intervals)


@dataclass(frozen=True, eq=False)
class PairDisparities:
    """How far pairs of groups lie apart in a rate, whichever of the two has the higher one.

    Parameters
    ----------
    measure : Measure
        The rate, and in which stratum.
    first, second : integer array of shape (n_pairs,)
        The positions of the groups of each pair that have the rate.
    value, low, high : array of shape (n_pairs,)
        The absolute difference, or the smaller over the larger rate, and its interval.
    past_parity : array of shape (n_pairs,)
        The end of the interval on the side of parity, as if disparities went on there: below 0 for
        differences. A ratio r above 1 stands as 2 - 1 / r, so that it goes on up to 2.
    level : float
        The confidence of each interval, such that all hold together with the one asked for.
    rates : array of shape (n_groups,)
        The rate of every group.
    """

    measure: Measure
    first: Ints
    second: Ints
    value: Floats
    low: Floats
    high: Floats
    past_parity: Floats
    level: float
    rates: Floats

    @property
    def name(self) -> str:
        """What is compared."""
        return self.measure.name

    @property
    def rate(self) -> Rate | MeanRate:
        """The rate."""
        return self.measure.rate

    def lowest_first(self, pair: int) -> tuple[int, int]:
        """Return the positions of the groups of a pair, the one with the lower rate first."""
        first, second = int(self.first[pair]), int(self.second[pair])
        return (first, second) if self.rates[first] <= self.rates[second] else (second, first)


def pair_disparities(
    counts: GroupTable,
    constraint: Constraint | Rate | MeanRate | str,
    comparison: PairComparison,
    confidence: float,
    reference: Hashable = None,
) -> list[PairDisparities]:
    """Compare all pairs of groups, or all groups with a reference, in every rate (and stratum).

    Confidence is such that the intervals of all pairs, rates and strata hold together (Bonferroni): it needs
    no independence, so that strata may be classes, of each of which every row is counted.
    """
    constraint = constraint_on(counts, constraint)
    n = len(counts.groups)
    pairs = np.triu_indices(n, 1)
    if reference is not None:
        base = position_of(reference, counts.groups)
        pairs = (np.delete(np.arange(n), base), np.full(n - 1, base))
    measures = measures_of(counts, constraint)
    level = joint_confidence(confidence, len(pairs[0]) * len(measures))
    disparities = []
    for measure in measures:
        rates, rate = measure.values, measure.rate
        estimate = measure.estimate(*rate_intervals(measure.table, rate, level))
        defined = ~np.isnan(rates[pairs[0]] - rates[pairs[1]])
        positions = pairs[0][defined], pairs[1][defined]
        value = _compared(measure, positions, comparison)
        if comparison == "difference":
            signed_low, signed_high = measure.differences(estimate, positions, level)
            # Of the absolute difference: 0 if the signed interval holds it, else the end that is nearer.
            past_parity = np.maximum(signed_low, -signed_high)
            low = np.maximum(0, past_parity)
            high = np.maximum(np.abs(signed_low), np.abs(signed_high))
        else:  # the smaller rate may be either of the two
            first, second = (Estimate(*(part[side] for part in estimate)) for side in positions)
            directions = mover_r_interval(first, second), mover_r_interval(second, first)
            low, high = (
                np.minimum(*(np.clip(direction[end], 0, 1) for direction in directions)) for end in (0, 1)
            )
            nearest = np.minimum(directions[0][1], directions[1][1])
            past_parity = np.where(nearest > 1, 2 - 1 / np.maximum(nearest, 1), nearest)
        disparities.append(
            PairDisparities(measure, positions[0], positions[1], value, low, high, past_parity, level, rates)
        )
    return disparities


def _compared(measure: Measure, positions: tuple[Ints, Ints], comparison: PairComparison) -> Floats:
    """Return the disparity of each pair of groups in one measure."""
    table = measure.table
    sums = table.moments if isinstance(table, GroupAmounts) else table.cells
    of_pairs = {name: np.stack([values[side] for side in positions]) for name, values in sums.items()}
    return Constraint(measure.rate.name, measure.rate).compare(of_pairs, comparison)


def complete(disparities: Iterable[PairDisparities]) -> list[PairDisparities]:
    """Return those of strata in which groups can be compared in every rate.

    The disparity of several rates is not known where one of them cannot be compared; a stratum of which that
    is so is passed over.
    """
    parts = list(disparities)
    lacking = [part.measure.stratum for part in parts if not len(part.value)]
    return [part for part in parts if part.measure.stratum not in lacking]


def worst_interval(disparities: Iterable[PairDisparities], comparison: PairComparison) -> tuple[float, float]:
    """Return the interval of the largest difference, or smallest ratio; NaN if none is known."""
    parts = complete(disparities)
    if not parts:
        return float("nan"), float("nan")
    worst = np.max if comparison == "difference" else np.min
    low, high = (worst([worst(getattr(part, end)) for part in parts]) for end in ("low", "high"))
    return float(low), float(high)
