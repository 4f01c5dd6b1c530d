"""Disparity: the comparison of groups under any constraint, and the worst and the best group of a rate."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.counts import GroupCounts
from fairsk.metrics._decisions.strata import OverStrata, disparity_within_strata, require_strata_for
from fairsk.rates import Comparison, Constraint, Method, Norm, Rate, get_constraint, get_rate

__all__ = ["GroupRate", "best_group", "disparity", "extreme_group", "mean_disparity", "worst_group"]


def disparity(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    *,
    constraint: str | Constraint,
    comparison: Comparison = "difference",
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    strata: Any = None,
    method: Method = "between_groups",
    reference: Hashable = None,
    norm: Norm = "max",
    over_strata: OverStrata = "mean",
) -> float:
    """Measure how far apart groups are under a constraint, a built-in one or your own.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or None
        Labels. None where there are none, which is enough for constraints on the selection alone.
    y_pred : array-like of shape (n_samples,)
        Predicted labels (not scores).
    constraint : str or Constraint
        Which rates should agree: a name of :data:`fairsk.rates.CONSTRAINTS`, such as
        ``"equalized_odds"``, or a :class:`fairsk.Constraint`. With several rates the one on which the groups
        differ most counts.
    comparison : {"difference", "ratio", "worst_group", "mean_difference"}, default="difference"
        The largest difference, the smallest ratio, the rate of the group that is worst off, or the mean
        difference over all pairs of groups.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
    strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
        What is held constant: the disparity is measured inside every stratum, and summed up as
        ``over_strata`` says: **averaged**, unless that is ``"worst"``.
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.
    norm : {"max", "l1", "l2"}, default="max"
        What the differences of two groups in several rates become: the largest, their sum, or the root of the
        sum of squares.
    over_strata : {"mean", "worst"}, default="mean"
        What the disparities inside the strata become: their average by the strata's sizes, or that of the
        stratum that is furthest from parity, which is what a bound of
        :class:`~fairsk.thresholds.GroupThresholdOptimizer` or :class:`~fairsk.neural.FairClassifier` with
        ``strata=`` is about.

    Returns
    -------
    float
        The disparity: 0 is parity for a difference, 1 for a ratio. NaN if too few groups can be measured.

    Raises
    ------
    ValueError
        If the constraint is unknown, it does not have this comparison, lengths differ, a group value is
        missing, the positive label cannot be told, there are no labels for a rate that depends on them, or
        ``over_strata`` is not the default and there are no strata.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator), or a stratum nothing to compare; it is
        passed over, and named.

    See Also
    --------
    demographic_parity_difference : One of the differences and ratios that have a name of their own.
    group_metrics : The rates behind it, with intervals.
    multiclass_disparity : The same for more than two classes.
    fairsk.statistics.verdict : Whether a bound on it is kept, broken, or neither can be told.

    Notes
    -----
    The difference is ``max - min`` of the rate over the groups (``max |rate - baseline|`` with the other
    methods), the ratio ``min / max``, and the mean difference the mean of ``|rate_a - rate_b|`` over the
    pairs of groups. Of several rates, the differences of a and b in all of them make one number by the norm,
    before the largest or the mean over the pairs is taken: ``max <= l2 <= l1``. Equalized odds in the
    ``"l1"`` norm, halved, is the average odds difference of the pair in which it is largest;
    :func:`average_odds_difference` takes the largest difference of either rate by itself.

    With strata it is ``sum_r n_r d_r / sum_r n_r`` over the strata r that have a disparity ``d_r``, or the
    worst ``d_r``: the largest difference, the smallest ratio. An average can hide a stratum, however far its
    groups are apart, and one that is small most of all; but the worst of many small strata is far from parity
    by chance. Counts
    from a database are compared by :meth:`GroupCounts.compare <fairsk.metrics.GroupCounts>`, which returns
    the disparity of each stratum.

    References
    ----------
    Cruz & Hardt, Unprocessing Seven Years of Algorithmic Fairness, ICLR 2024, for the norms.

    Examples
    --------
    Of the three selected in a one is negative, and of the two in b one: 1/2 - 1/3.

    >>> from fairsk import Constraint, Rate
    >>> from fairsk.metrics import disparity
    >>> y_true = [1, 1, 0, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 0, 1, 0, 1, 0]
    >>> group = list("aaaaabbbb")
    >>> fdr_parity = Constraint(
    ...     "fdr_parity", Rate("false_discovery_rate", "fp", "tp+fp", lower_is_better=True))
    >>> round(disparity(y_true, y_pred, constraint=fdr_parity, sensitive_features=group), 3)
    0.167

    Selection needs no labels; of five rows three are selected, and of four two: 2/4 over 3/5.

    >>> round(disparity(None, y_pred, constraint="disparate_impact", comparison="ratio",
    ...                 sensitive_features=group), 3)
    0.833

    Every third row of c is selected; the three pairs differ by 3/5 - 2/4, 3/5 - 1/3 and 2/4 - 1/3:

    >>> round(disparity(None, y_pred + [1, 0, 0], constraint="demographic_parity",
    ...                 comparison="mean_difference", sensitive_features=group + list("ccc")), 3)
    0.178

    Half of a and none of b are selected in x, and in y all of both:

    >>> x_and_y = dict(sensitive_features=list("aabbab"), strata=list("xxxxyy"))
    >>> for over_strata in ("mean", "worst"):
    ...     print(round(disparity(None, [1, 0, 0, 0, 1, 1], constraint="demographic_parity", **x_and_y,
    ...                           over_strata=over_strata), 3))
    0.333
    0.5
    """
    if strata is None:
        require_strata_for(over_strata)
    counts = GroupCounts.from_predictions(
        y_true,
        y_pred,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
    )
    options: dict[str, Any] = {"method": method, "reference": reference, "norm": norm}
    if strata is None:
        return counts.compare(constraint, comparison, **options)
    return disparity_within_strata(counts, constraint, comparison, **options, over_strata=over_strata)


def mean_disparity(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    constraint: str | Constraint,
    comparison: Comparison,
    sensitive_features: Any,
    sample_weight: ArrayLike | None,
    pos_label: Any,
    strata: Any,
    method: Method,
    reference: Hashable,
) -> float:
    """Return the mean over the rates of a constraint of each rate's disparity."""
    counts = GroupCounts.from_predictions(
        y_true,
        y_pred,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
    )
    compare = GroupCounts.compare if strata is None else disparity_within_strata
    single_rates = [Constraint(rate.name, rate) for rate in get_constraint(constraint).rates]
    values = [
        compare(counts, single, comparison, method=method, reference=reference) for single in single_rates
    ]
    return sum(values) / len(values)


class GroupRate(NamedTuple):
    """A group and its rate: a pair, which unpacks as ``group, value``.

    Parameters
    ----------
    group : hashable
        The group's label; None if no group can be measured.
    value : float
        Its rate; NaN if no group can be measured.

    See Also
    --------
    worst_group, best_group : What returns it.

    Examples
    --------
    >>> from fairsk.metrics import GroupRate
    >>> GroupRate("b", 0.5).group
    'b'
    """

    group: Hashable
    value: float


def worst_group(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    rate: Rate | str = "accuracy",
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> GroupRate:
    """Return the group that is worst off in a rate, and its rate.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Labels, and predicted labels (not scores). ``y_true=None`` is enough for the selection rate.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    rate : str or Rate, default="accuracy"
        Which rate; the worst one is the highest if ``rate.lower_is_better``, as with error rates.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.

    Returns
    -------
    GroupRate
        The pair ``group, value``; the first of several groups with the same rate.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator); it is passed over, and named.

    See Also
    --------
    best_group : The other end.
    group_metrics : The rates of all groups.
    disparity : How far the groups are apart; ``comparison="worst_group"`` is the value alone.

    Notes
    -----
    ``min over groups of rate(group)``, or ``max`` if a lower rate is better.

    References
    ----------
    Sagawa et al., Distributionally Robust Neural Networks for Group Shifts, ICLR 2020.

    Examples
    --------
    >>> from fairsk.metrics import worst_group
    >>> group, value = worst_group([1, 1, 0, 0], [1, 1, 1, 0], sensitive_features=["a", "a", "b", "b"])
    >>> print(group, value)
    b 0.5
    """
    counts = GroupCounts.from_predictions(
        y_true,
        y_pred,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
    )
    measured = get_rate(rate)
    counts.warn_undefined(measured, fewest=1)
    return extreme_group(counts, measured, largest=measured.lower_is_better)


def best_group(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    rate: Rate | str = "accuracy",
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> GroupRate:
    """Return the group that is best off in a rate, and its rate.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Labels, and predicted labels (not scores). ``y_true=None`` is enough for the selection rate.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    rate : str or Rate, default="accuracy"
        Which rate; the best one is the lowest if ``rate.lower_is_better``, as with error rates.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.

    Returns
    -------
    GroupRate
        The pair ``group, value``; the first of several groups with the same rate.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator); it is passed over, and named.

    See Also
    --------
    worst_group : The other end.
    group_metrics : The rates of all groups.

    Notes
    -----
    ``max over groups of rate(group)``, or ``min`` if a lower rate is better.

    References
    ----------
    Sagawa et al., Distributionally Robust Neural Networks for Group Shifts, ICLR 2020, for the worst group.

    Examples
    --------
    >>> from fairsk.metrics import best_group
    >>> best_group([1, 1, 0, 0], [1, 1, 1, 0], sensitive_features=["a", "a", "b", "b"], rate="error_rate")
    GroupRate(group='a', value=0.0)
    """
    counts = GroupCounts.from_predictions(
        y_true,
        y_pred,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
    )
    measured = get_rate(rate)
    counts.warn_undefined(measured, fewest=1)
    return extreme_group(counts, measured, largest=not measured.lower_is_better)


def extreme_group(counts: GroupCounts, rate: Rate, *, largest: bool) -> GroupRate:
    """Return the group with the largest or smallest rate; of several the first."""
    values = counts.rate(rate)
    if np.isnan(values).all():
        return GroupRate(None, float("nan"))
    index = int(np.nanargmax(values) if largest else np.nanargmin(values))
    return GroupRate(counts.groups[index], float(values[index]))
