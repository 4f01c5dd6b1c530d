"""Confidence intervals for group rates and for the disparity between groups, from counts alone.

A rate that counts a part of a whole gets the Wilson interval [1]_, and so does one that is a function of
such a part, as F1 and odds are; any other rate gets the normal interval by linearisation. Differences of
two groups combine the limits of both, as Newcombe's hybrid method does [2]_. The largest difference over
all pairs of groups (and all rates of a constraint) gets simultaneous pairwise intervals: a bootstrap
percentile interval of max - min would be wrong, for that statistic is biased upwards when groups are small.

Weighted rows count by their effective number, (sum of w)^2 / (sum of w^2) [3]_.

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
from fairsk.rates import CELLS, Constraint, Rate, get_constraint, get_rate

__all__ = ["difference_interval", "rate_intervals", "rate_standard_errors", "ratio_interval"]

Limits = tuple[NDArray[np.float64], NDArray[np.float64]]


def _check_confidence(confidence: float) -> None:
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
    value, support = rate(counts.cells), rate.support(counts.cells)
    terms = zip(rate.numerator_coefficients, rate.denominator_coefficients, CELLS, strict=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = sum(
            counts.squares[cell] * ((above - value * below) / support) ** 2 for above, below, cell in terms
        )
    return np.sqrt(variance)


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
    _check_confidence(confidence)
    rate = get_rate(rate)
    z = float(ndtri(0.5 + confidence / 2))
    value = rate(counts.cells)
    share = _share(rate)
    if share is None:
        half = z * rate_standard_errors(counts, rate)
        return value - half, value + half
    proportion, a, b, c = share
    p, support = proportion(counts.cells), proportion.support(counts.cells)
    with np.errstate(divide="ignore", invalid="ignore"):
        n = support**2 / proportion.support(counts.squares)
        center = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
        # A share of exactly 0 or 1 touches its end of the interval; rounding must not exclude it.
        ends = np.minimum(center - half, p), np.maximum(center + half, p)
        low, high = (np.where(np.isnan(value), value, a * q / (b * q + c * (1 - q))) for q in ends)
    return low, high


def _share(rate: Rate) -> tuple[Rate, float, float, float] | None:
    """Return the proportion p and the a, b, c with which the rate is a p / (b p + c (1 - p)), if it is one.

    A proportion is its own; F1 is one of tp / (tp + fp + fn); the odds fn / fp are one of fn / (fn + fp).
    """
    pairs = dict(
        zip(CELLS, zip(rate.numerator_coefficients, rate.denominator_coefficients, strict=True), strict=True)
    )
    parts = {(above, below) for above, below in pairs.values() if above}
    rests = {(above, below) for above, below in pairs.values() if below and not above}
    if len(parts) != 1 or len(rests) != 1:
        return None
    ((a, b),), ((_, c),) = parts, rests
    part = "+".join(cell for cell, pair in pairs.items() if pair in parts)
    whole = "+".join(cell for cell, pair in pairs.items() if pair in parts | rests)
    return (Rate(rate.name, part, whole), a, b, c) if a > 0 else None


def difference_interval(
    counts: GroupCounts, constraint: Constraint | str, confidence: float = 0.95
) -> tuple[float, float]:
    """Return a confidence interval for a constraint's difference (max - min over groups).

    Parameters
    ----------
    counts : GroupCounts
        The table of counts, without strata.
    constraint : str or Constraint
        Which rates should agree.
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
    for value, low, high, first, second in _simultaneous_pairs(counts, constraint, confidence):
        gap = value[first] - value[second]
        below = gap - np.hypot(value[first] - low[first], high[second] - value[second])
        above = gap + np.hypot(high[first] - value[first], value[second] - low[second])
        lows.extend(np.maximum(0, np.maximum(below, -above)))
        highs.extend(np.maximum(np.abs(below), np.abs(above)))
    return (float(max(lows)), float(max(highs))) if lows else (float("nan"), float("nan"))


def ratio_interval(
    counts: GroupCounts, constraint: Constraint | str, confidence: float = 0.95
) -> tuple[float, float]:
    """Return a confidence interval for a constraint's ratio (min / max over groups).

    The ratio of two groups combines the limits of both, by the method of variance estimates recovery
    (MOVER-R) [1]_.

    Parameters
    ----------
    counts : GroupCounts
        The table of counts, without strata.
    constraint : str or Constraint
        Which rates should agree; they cannot be negative.
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
    for value, low, high, first, second in _simultaneous_pairs(counts, constraint, confidence):
        for top, bottom in ((first, second), (second, first)):
            a, b = value[top], value[bottom]
            square = (a * b) ** 2
            lower_a, upper_a = low[top] * (2 * a - low[top]), high[top] * (2 * a - high[top])
            lower_b, upper_b = low[bottom] * (2 * b - low[bottom]), high[bottom] * (2 * b - high[bottom])
            with np.errstate(divide="ignore", invalid="ignore"):
                below = (a * b - np.sqrt(np.maximum(0, square - lower_a * upper_b))) / upper_b
                above = (a * b + np.sqrt(np.maximum(0, square - upper_a * lower_b))) / lower_b
            # Where a limit is undefined, the group below may be at 0: nothing is ruled out.
            lows.extend(np.where(upper_b != 0, np.clip(below, 0, 1), 0.0))
            highs.extend(np.where(lower_b > 0, np.clip(above, 0, 1), 1.0))
    return (float(min(lows)), float(min(highs))) if lows else (float("nan"), float("nan"))


def _simultaneous_pairs(
    counts: GroupCounts, constraint: Constraint | str, confidence: float
) -> Iterator[tuple[NDArray[np.float64], ...]]:
    """Yield for each rate its values, their limits, and the pairs of groups that have it.

    The limits are such that intervals for all pairs and rates hold together.
    """
    _check_confidence(confidence)
    if counts.strata is not None:
        raise ValueError("An interval needs counts without strata: sum them out with counts.margin.")
    constraint = get_constraint(constraint)
    n_pairs = len(counts.groups) * (len(counts.groups) - 1) // 2
    simultaneous = 1 - (1 - confidence) / max(1, n_pairs * len(constraint.rates))
    for rate in constraint.rates:
        value = rate(counts.cells)
        low, high = rate_intervals(counts, rate, simultaneous)
        first, second = np.triu_indices(len(value), 1)
        defined = ~np.isnan(value[first] - value[second])
        yield value, low, high, first[defined], second[defined]
