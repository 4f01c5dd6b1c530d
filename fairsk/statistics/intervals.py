"""Confidence intervals for group rates and for the disparity between groups, from counts alone.

A rate that counts a part of a whole gets the Wilson interval [1]_, and so does one that is a function of
such a part, as F1 and odds are; any other rate gets the normal interval by linearisation. Differences of
two groups combine the limits of both, as Newcombe's hybrid method does [2]_. The largest difference over
all pairs of groups (and all rates of a constraint) gets simultaneous pairwise intervals: a bootstrap
percentile interval of max - min would be wrong, for that statistic is biased upwards when groups are small.

Weighted rows count by their effective number, (sum of w)^2 / (sum of w^2) [3]_, or by fewer where weights
depend on what the rate counts.

References
----------
.. [1] Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22, 1927.
.. [2] Newcombe, Interval Estimation for the Difference Between Independent Proportions, Statistics in
   Medicine 17, 1998.
.. [3] Kish, Survey Sampling, Wiley, 1965.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from fairsk.counts import GroupCounts
from fairsk.rates import Constraint, Rate, get_rate
from fairsk.statistics.pairs import Estimate, Limits, difference_limits, ratio_limits
from fairsk.statistics.shares import as_constraint, rate_variances, refuse_strata, share_behind

__all__ = [
    "check_confidence",
    "difference_interval",
    "joint_confidence",
    "rate_intervals",
    "rate_standard_errors",
    "ratio_interval",
]


def check_confidence(confidence: float) -> None:
    """Refuse a confidence that is no probability between 0 and 1."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, such as 0.95; got {confidence!r}.")


def rate_standard_errors(counts: GroupCounts, rate: Rate | str) -> NDArray[np.float64]:
    """Return the standard error of a rate in every group, by linearisation.

    Parameters
    ----------
    counts : GroupCounts
        The table of counts.
    rate : str or Rate
        Which rate.

    Returns
    -------
    array
        Standard errors, shaped like the counts; NaN where the rate has an empty denominator.

    Examples
    --------
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.statistics import rate_standard_errors
    >>> counts = GroupCounts.from_predictions([1] * 10, [1] * 8 + [0] * 2, sensitive_features=["a"] * 10)
    >>> rate_standard_errors(counts, "selection_rate").round(4)  # sqrt(.8 * .2 / 10)
    array([0.1265])
    """
    rate = get_rate(rate)
    return np.sqrt(rate_variances(counts, rate, rate(counts.cells)))


def rate_intervals(counts: GroupCounts, rate: Rate | str, confidence: float = 0.95) -> Limits:
    """Return the lower and upper confidence limit of a rate in every group.

    Parameters
    ----------
    counts : GroupCounts
        The table of counts.
    rate : str or Rate
        Which rate.
    confidence : float in (0, 1), default=0.95
        The coverage probability.

    Returns
    -------
    tuple of two arrays
        Limits, shaped like the counts; NaN where the rate has an empty denominator.

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
    rate = get_rate(rate)
    z = float(ndtri(0.5 + confidence / 2))
    value = rate(counts.cells)
    share = share_behind(rate)
    if share is None:
        half = z * rate_standard_errors(counts, rate)
        return value - half, value + half
    p, n = share.effective(counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        center = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # A share of exactly 0 or 1 touches its end of the interval; rounding must not exclude it.
    ends = np.minimum(center - half, p), np.maximum(center + half, p)
    low, high = (np.where(np.isnan(value), value, share.rate_at(end)) for end in ends)
    return low, high


def difference_interval(
    counts: GroupCounts, criterion: Constraint | Rate | str, confidence: float = 0.95
) -> tuple[float, float]:
    """Return a confidence interval for the difference of a rate between groups (max - min over groups).

    Parameters
    ----------
    counts : GroupCounts
        The table of counts, without strata.
    criterion : str, Constraint or Rate
        The rate, or the rates that should agree.
    confidence : float in (0, 1), default=0.95
        The coverage probability, held simultaneously over all pairs of groups and all rates (Bonferroni),
        and therefore at least this for their maximum.

    Returns
    -------
    tuple of two floats
        Lower and upper limit; NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If ``confidence`` does not lie between 0 and 1, or the counts have strata.

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
    lows, highs = list[float](), list[float]()
    for first, second in _simultaneous_pairs(counts, criterion, confidence):
        below, above = difference_limits(first, second)
        lows.extend(np.maximum(0, np.maximum(below, -above)))
        highs.extend(np.maximum(np.abs(below), np.abs(above)))
    return (float(max(lows)), float(max(highs))) if lows else (float("nan"), float("nan"))


def ratio_interval(
    counts: GroupCounts, criterion: Constraint | Rate | str, confidence: float = 0.95
) -> tuple[float, float]:
    """Return a confidence interval for the ratio of a rate between groups (min / max over groups).

    The ratio of two groups combines the limits of both, by the method of variance estimates recovery
    (MOVER-R) [1]_.

    Parameters
    ----------
    counts : GroupCounts
        The table of counts, without strata.
    criterion : str, Constraint or Rate
        The rate, or the rates that should agree; none that can be negative.
    confidence : float in (0, 1), default=0.95
        The coverage probability, held simultaneously over all pairs of groups and all rates (Bonferroni),
        and therefore at least this for their minimum.

    Returns
    -------
    tuple of two floats
        Lower and upper limit, between 0 and 1; NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If ``confidence`` does not lie between 0 and 1, or the counts have strata.

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
    lows, highs = list[float](), list[float]()
    for first, second in _simultaneous_pairs(counts, criterion, confidence):
        # The smaller rate may be either of the two.
        for below, above in (ratio_limits(first, second), ratio_limits(second, first)):
            lows.extend(np.clip(below, 0, 1))
            highs.extend(np.clip(above, 0, 1))
    return (float(min(lows)), float(min(highs))) if lows else (float("nan"), float("nan"))


def joint_confidence(confidence: float, n_intervals: int) -> float:
    """Return the confidence of each of some intervals that hold together with this one (Bonferroni)."""
    check_confidence(confidence)
    return 1 - (1 - confidence) / max(1, n_intervals)


def _simultaneous_pairs(
    counts: GroupCounts, criterion: Constraint | Rate | str, confidence: float
) -> Iterator[tuple[Estimate, Estimate]]:
    """Yield for each rate both sides of all pairs of groups that have it.

    The limits are such that intervals for all pairs and rates hold together.
    """
    refuse_strata(counts, "An interval")
    constraint = as_constraint(criterion)
    n_pairs = len(counts.groups) * (len(counts.groups) - 1) // 2
    level = joint_confidence(confidence, n_pairs * len(constraint.rates))
    for rate in constraint.rates:
        value = rate(counts.cells)
        limits = (value, *rate_intervals(counts, rate, level))
        pairs = np.triu_indices(len(value), 1)
        defined = ~np.isnan(value[pairs[0]] - value[pairs[1]])
        first, second = (Estimate(*(part[side[defined]] for part in limits)) for side in pairs)
        yield first, second
