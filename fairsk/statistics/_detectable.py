"""Power: the smallest detectable disparity between groups of some sizes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from scipy.special import ndtri

from fairsk._core.amount_sums import GroupAmounts
from fairsk._core.messages import list_labels
from fairsk._core.typing import Bools, Floats, Ints
from fairsk.rates import Constraint, MeanRate, Rate
from fairsk.statistics._intervals import joint_confidence
from fairsk.statistics._measures import GroupTable, Measure, measures_of
from fairsk.statistics._pairs import PairComparison, check_comparison
from fairsk.statistics._proportions import constraint_on, refuse_strata, share_behind, takes_tables

__all__ = ["smallest_detectable", "smallest_detectable_between"]


@takes_tables
def smallest_detectable(
    counts: GroupTable,
    constraint: Constraint | Rate | MeanRate | str,
    *,
    comparison: PairComparison = "difference",
    groups: Sequence[Hashable] | None = None,
    power: float = 0.8,
    confidence: float = 0.95,
) -> float:
    """Return the smallest disparity that groups of these sizes would let us tell from parity.

    Parameters
    ----------
    counts : GroupCounts or GroupAmounts
        The table of counts, without strata, or of amounts. Of rates, only the one of all groups together is
        used; of means, how far rows scatter.
    constraint : str, Constraint, Rate or MeanRate
        The rate, or the rates that should agree.
    comparison : {"difference", "ratio"}, default="difference"
        Which disparity.
    groups : sequence of two labels, optional
        The two groups that it lies between; by default any two, so that the smallest groups decide.
    power : float in (0, 1), default=0.8
        The probability that such a disparity is told from parity.
    confidence : float in (0, 1), default=0.95
        That of the test, held over all pairs of groups and all rates together (Bonferroni).

    Returns
    -------
    float
        A difference of at least this, or a ratio of at most this, is found with that power; NaN if no
        disparity would be, or fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If the counts have strata, the groups are unknown, or ``power`` or ``confidence`` is no probability.

    See Also
    --------
    noise_floor : The disparity that equal groups show on average.
    verdict : A disparity against a tolerance.

    Notes
    -----
    With n and m the (effective) sizes, P the rate of all groups together, and p - q = d two rates whose
    mean, weighted by size, is P, it is the d that solves

        d = z_(1 - alpha / 2) sqrt(P (1 - P) (1 / n + 1 / m)) + z_power sqrt(p (1 - p) / n + q (1 - q) / m)

    for the group that makes d larger when it has the higher rate [1]_.

    References
    ----------
    .. [1] Fleiss, Levin & Paik, Statistical Methods for Rates and Proportions, 3rd edition, Wiley, 2003,
       section 4.2.

    Examples
    --------
    Some 390 rows per group are needed to see that one is selected 40% of the time and the other 50%:

    >>> import numpy as np
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.statistics import smallest_detectable
    >>> y_pred = np.tile([1, 0], 390)
    >>> counts = GroupCounts.from_predictions(y_pred, y_pred, sensitive_features=np.repeat(["a", "b"], 390))
    >>> print(f"{smallest_detectable(counts, 'demographic_parity'):.3f}")
    0.100
    """
    refuse_strata(counts, "A smallest disparity")
    if not 0 < power < 1:
        raise ValueError(f"power must lie between 0 and 1, such as 0.8; got {power!r}.")
    constraint = constraint_on(counts, constraint)
    check_comparison(comparison, *constraint.rates)
    if groups is not None and (len(set(groups)) != 2 or not set(groups) <= set(counts.groups)):
        raise ValueError(f"Name two of the groups with groups=: {list_labels(counts.groups)}.")
    level = _joint(counts, constraint, confidence)
    smallest = []
    counts.warn_undefined(*constraint.rates, fewest=2)
    for measure in measures_of(counts, constraint):
        if groups is None:
            measured = np.flatnonzero(measure.has_rows)
            pairs = tuple(measured[side] for side in np.triu_indices(len(measured), 1))
        else:
            pairs = tuple(np.array([counts.groups.index(group)]) for group in groups)
        smallest.append(_detectable(measure, pairs, comparison, level, power))
    if not all(map(len, smallest)):  # of what cannot be compared nothing is ever told
        return float("nan")
    of_all_rates = np.concatenate(smallest)
    return float(of_all_rates.max() if comparison == "difference" else of_all_rates.min())


def smallest_detectable_between(
    measure: Measure, pair: tuple[int, int], comparison: PairComparison, level: float
) -> float:
    """Return the smallest disparity between two groups that has 80% power in a test at this confidence."""
    positions = (np.array([pair[0]]), np.array([pair[1]]))
    return float(_detectable(measure, positions, comparison, level, power=0.8)[0])


def _joint(counts: GroupTable, constraint: Constraint, confidence: float) -> float:
    """Return the confidence of one pair and rate, if all hold together with this one."""
    n_pairs = len(counts.groups) * (len(counts.groups) - 1) // 2
    return joint_confidence(confidence, n_pairs * len(constraint.rates))


def _detectable(
    measure: Measure,
    pairs: tuple[Ints, ...],
    comparison: PairComparison,
    confidence: float,
    power: float,
) -> Floats:
    """Return each pair's smallest disparity of one rate that the test tells from parity with this power."""
    z = float(ndtri(0.5 + confidence / 2)), float(ndtri(power))
    share = share_behind(measure.rate) if isinstance(measure.rate, Rate) else None
    if share is None or isinstance(measure.table, GroupAmounts):
        # The variance of such a rate is estimated at its pooled value only, that of a mean by its rows.
        variance, support = measure.variances(), measure.rows()
        gap = sum(z) * np.sqrt(variance[pairs[0]] + variance[pairs[1]])
        high, low = (support[side] for side in pairs)
        return _disparity_around(measure.pooled(), gap, high, low, lambda value: value, comparison)
    p, n = share.effective(measure.table)
    measured = n > 0
    pooled = np.average(p[measured], weights=n[measured]) if measured.any() else float("nan")
    # Only sizes matter, and many pairs of many groups have the same: each pair of sizes is looked at once.
    distinct, place = np.unique(n, return_inverse=True)
    pair_of_sizes, of_pair = np.unique(place[pairs[0]] * len(distinct) + place[pairs[1]], return_inverse=True)
    sizes = [distinct[side] for side in np.divmod(pair_of_sizes, len(distinct))]
    # Either of the two may have the higher rate: both ways are looked at at once.
    high, low = np.concatenate(sizes), np.concatenate(sizes[::-1])
    disparity = _disparity_around(
        pooled, _gap(pooled, high, low, z), high, low, share.rate_at, comparison
    ).reshape(2, -1)
    return (disparity.max(0) if comparison == "difference" else disparity.min(0))[of_pair]


def _gap(pooled: float, high: Floats, low: Floats, z: tuple[float, float]) -> Floats:
    """Return the difference of two shares at which the test has its power, by bisection.

    The sizes are those of the groups with the higher and with the lower share. It is NaN where even the
    largest difference that leaves the mean as it is falls short.
    """
    part = low / (high + low)  # how much of the difference lies above the mean
    at_parity = z[0] * np.sqrt(pooled * (1 - pooled) * (1 / high + 1 / low))

    def enough(gap: Floats) -> Bools:
        p, q = np.clip((pooled + gap * part, pooled - gap * (1 - part)), 0, 1)
        return gap >= at_parity + z[1] * np.sqrt(p * (1 - p) / high + q * (1 - q) / low)

    below, above = np.zeros_like(part), np.minimum((1 - pooled) / part, pooled / (1 - part))
    possible = enough(above) & (above > 0)
    for _ in range(60):  # halvings: up to the rounding of a float
        middle = (below + above) / 2
        suffices = enough(middle)
        below, above = np.where(suffices, below, middle), np.where(suffices, middle, above)
    return np.where(possible, above, np.nan)


def _disparity_around(
    pooled: float,
    gap: Floats,
    high: Floats,
    low: Floats,
    rate_at: Callable[[Floats], Floats],
    comparison: PairComparison,
) -> Floats:
    """Return the disparity of rates this far apart, in groups of these sizes, around a common mean."""
    part = low / (high + low)
    higher, lower = rate_at(pooled + gap * part), rate_at(pooled - gap * (1 - part))
    if comparison == "difference":
        return higher - lower
    return np.where(lower < 0, np.nan, lower / higher)  # so far apart are no rates that cannot be negative
