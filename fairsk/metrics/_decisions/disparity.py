"""One difference and one ratio for every built-in constraint, and the groups that are worst and best off.

Every disparity is ``metric(y_true, y_pred, *, sensitive_features, sample_weight=None, pos_label=None,
strata=None, method="between_groups", reference=None)`` and reads its rates from
:data:`fairsk.rates.CONSTRAINTS`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.counts import GroupCounts
from fairsk.metrics._decisions.strata import disparity_within_strata
from fairsk.rates import CONSTRAINTS, Comparison, Constraint, Method, Rate, get_rate

__all__ = [
    "GroupRate",
    "accuracy_difference",
    "accuracy_ratio",
    "average_odds_difference",
    "average_odds_ratio",
    "best_group",
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "error_rate_difference",
    "error_rate_ratio",
    "f1_difference",
    "f1_ratio",
    "false_negative_difference",
    "false_negative_ratio",
    "false_omission_difference",
    "false_omission_ratio",
    "predictive_equality_difference",
    "predictive_equality_ratio",
    "predictive_parity_difference",
    "predictive_parity_ratio",
    "treatment_equality_difference",
    "treatment_equality_ratio",
    "worst_group",
    "worst_group_accuracy",
]


class FairnessMetric(Protocol):
    """The signature that all fairness metrics share."""

    __name__: str

    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sensitive_features: Any,
        sample_weight: ArrayLike | None = None,
        pos_label: Any = None,
        strata: Any = None,
        method: Method = "between_groups",
        reference: Hashable = None,
    ) -> float:
        """Return the disparity between the groups."""


_PARAMETERS = """
    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Labels, and predicted labels (not scores).
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
    strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
        What is held constant: the disparity is measured inside every stratum, and averaged over the strata
        by their size.
    method : {{"between_groups", "to_overall", "to_reference"}}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        {returned} NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator), or a stratum nothing to compare; it is
        passed over, and named.

    Notes
    -----
    {formula}

    References
    ----------
    {source}.

    Examples
    --------
    >>> from fairsk.metrics import {name}
    >>> y_true = [1, 1, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 1, 0, 1, 0]
    >>> round({name}(y_true, y_pred, sensitive_features=list("aaaabbbb")), 3)
    {value}
"""
_EXAMPLE = GroupCounts(("a", "b"), {"tp": [2.0, 1.0], "fp": [1.0, 1.0], "fn": [0.0, 1.0], "tn": [1.0, 1.0]})


def _metric(
    name: str, constraint: Constraint, comparison: Comparison, *, average: bool = False
) -> FairnessMetric:
    """Return the metric of a constraint: the worst over its rates, or their average."""
    parts = [Constraint(rate.name, rate) for rate in constraint.rates] if average else [constraint]

    def metric(
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sensitive_features: Any,
        sample_weight: ArrayLike | None = None,
        pos_label: Any = None,
        strata: Any = None,
        method: Method = "between_groups",
        reference: Hashable = None,
    ) -> float:
        counts = GroupCounts.from_predictions(
            y_true,
            y_pred,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            pos_label=pos_label,
            strata=strata,
        )
        compare = GroupCounts.compare if strata is None else disparity_within_strata
        values = [compare(counts, part, comparison, method=method, reference=reference) for part in parts]
        return sum(values) / len(values)

    formulas = [f"{rate.name} = ({rate.numerator}) / ({rate.denominator})" for rate in constraint.rates]
    kind = "average" if average else "largest" if comparison == "difference" else "smallest"
    if comparison == "difference":
        summary = f"{kind.title()} difference between groups in {_and(constraint.rates)}: 0 is parity."
        over, returned = "max - min", f"The {kind} difference, not negative: 0 is parity."
    else:
        summary = f"{kind.title()} ratio between groups in {_and(constraint.rates)}: 1 is parity."
        over, returned = "min / max", f"The {kind} ratio, from 0 to 1: 1 is parity."
    several = len(constraint.rates) > 1
    over_rates = f", {'the mean' if average else 'the worst'} over the rates" if several else ""
    example = [float(part.compare(_EXAMPLE.cells, comparison)) for part in parts]
    metric.__name__ = metric.__qualname__ = name
    metric.__doc__ = f"{summary}\n\n    {constraint.description}\n" + _PARAMETERS.format(
        name=name,
        returned=returned,
        formula=f"``{over}`` over the groups of ``{'``, ``'.join(formulas)}``{over_rates}.",
        source=constraint.source,
        value=round(sum(example) / len(example), 3),
    )
    return metric


def _and(rates: Iterable[Rate]) -> str:
    return " and ".join(rate.name.replace("_", " ") for rate in rates)


def _family(constraint: str, name: str | None = None) -> tuple[FairnessMetric, FairnessMetric]:
    """Return the difference and the ratio metric of a constraint."""
    stem = name or constraint
    return (
        _metric(f"{stem}_difference", CONSTRAINTS[constraint], "difference"),
        _metric(f"{stem}_ratio", CONSTRAINTS[constraint], "ratio"),
    )


demographic_parity_difference, demographic_parity_ratio = _family("demographic_parity")
equal_opportunity_difference, equal_opportunity_ratio = _family("equal_opportunity")
predictive_equality_difference, predictive_equality_ratio = _family("predictive_equality")
equalized_odds_difference, equalized_odds_ratio = _family("equalized_odds")
predictive_parity_difference, predictive_parity_ratio = _family("predictive_parity")
treatment_equality_difference, treatment_equality_ratio = _family("treatment_equality")
error_rate_difference, error_rate_ratio = _family("error_rate_parity", "error_rate")
accuracy_difference, accuracy_ratio = _family("accuracy_parity", "accuracy")
false_omission_difference, false_omission_ratio = _family("false_omission_parity", "false_omission")
false_negative_difference, false_negative_ratio = _family("false_negative_parity", "false_negative")
f1_difference, f1_ratio = _family("f1_parity", "f1")

_AVERAGE_ODDS = Constraint(
    "average_odds",
    CONSTRAINTS["equalized_odds"].rates,
    "Both rates of equalized odds agree between groups, judged by the average gap and not by the worst.",
    "Bellamy et al., AI Fairness 360, IBM Journal of Research and Development 63(4/5), 2019, for two groups",
)
average_odds_difference = _metric("average_odds_difference", _AVERAGE_ODDS, "difference", average=True)
average_odds_ratio = _metric("average_odds_ratio", _AVERAGE_ODDS, "ratio", average=True)


def worst_group_accuracy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Smallest accuracy of any group: the accuracy that everybody gets at least.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Labels, and predicted labels (not scores).
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.

    Returns
    -------
    float
        The accuracy of the group with the lowest one, from 0 to 1.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    References
    ----------
    Sagawa et al., Distributionally Robust Neural Networks for Group Shifts, ICLR 2020.

    Examples
    --------
    >>> from fairsk.metrics import worst_group_accuracy
    >>> worst_group_accuracy([1, 1, 0, 0], [1, 1, 1, 0], sensitive_features=["a", "a", "b", "b"])
    0.5
    """
    counts = GroupCounts.from_predictions(
        y_true,
        y_pred,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
    )
    return counts.compare("accuracy_parity", "worst_group")


class GroupRate(NamedTuple):
    """A group and its rate.

    Parameters
    ----------
    group : hashable
        The group's label; None if no group can be measured.
    value : float
        Its rate; NaN if no group can be measured.

    Examples
    --------
    >>> from fairsk.metrics import GroupRate
    >>> GroupRate("b", 0.5).group
    'b'
    """

    group: Hashable
    value: float


def worst_group(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    rate: Rate | str = "accuracy",
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> GroupRate:
    """Return the group that is worst off in a rate, and its rate: who needs help first.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Labels, and predicted labels (not scores).
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
    return _extreme_group(counts, get_rate(rate), worst=True)


def best_group(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    rate: Rate | str = "accuracy",
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> GroupRate:
    """Return the group that is best off in a rate, and its rate: what is reached for somebody.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Labels, and predicted labels (not scores).
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
    return _extreme_group(counts, get_rate(rate), worst=False)


def _extreme_group(counts: GroupCounts, rate: Rate, *, worst: bool) -> GroupRate:
    counts.warn_undefined(rate, fewest=1)
    values = counts.rate(rate)
    if np.isnan(values).all():
        return GroupRate(None, float("nan"))
    place = int(np.nanargmax(values) if worst == rate.lower_is_better else np.nanargmin(values))
    return GroupRate(counts.groups[place], float(values[place]))
