"""Named fairness metrics: differences and ratios of decisions under built-in constraints.

Each is :func:`fairsk.metrics.disparity` of a built-in constraint, or (average odds) the mean over its rates.
Any other constraint, and one of your own, is measured by ``disparity(constraint=...)``.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from numpy.typing import ArrayLike

from fairsk.metrics._decisions.disparity import disparity, mean_disparity
from fairsk.rates import Method

__all__ = [
    "average_odds_difference",
    "average_odds_ratio",
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "disparate_impact_ratio",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "error_rate_difference",
    "error_rate_ratio",
    "predictive_equality_difference",
    "predictive_equality_ratio",
    "predictive_parity_difference",
    "predictive_parity_ratio",
]


def demographic_parity_difference(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    strata: Any = None,
    method: Method = "between_groups",
    reference: Hashable = None,
) -> float:
    """Largest difference between groups in the selection rate: 0 is parity.

    Every group is selected (predicted positive) equally often.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Labels, and predicted labels (not scores). ``y_true=None`` where there are no labels:
        they are not used.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
    strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
        What is held constant: the disparity is measured inside every stratum, and averaged over the strata
        by their size.
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        The largest difference, not negative: 0 is parity. NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator), or a stratum nothing to compare; it is
        passed over, and named.

    See Also
    --------
    demographic_parity_ratio : The ratio of the same rate.
    disparity : Any constraint, also one of your own.
    conditional_demographic_disparity : The same question within strata, for each group.
    fairsk.statistics.difference_interval : How sure the number is.

    Notes
    -----
    ``max - min`` over the groups of ``selection rate = (tp + fp) / n``.

    References
    ----------
    Calders, Kamiran & Pechenizkiy, Building Classifiers with Independency Constraints, ICDMW 2009.

    Examples
    --------
    Of five rows of a three are selected, and of four rows of b two: 3/5 - 2/4.

    >>> from fairsk.metrics import demographic_parity_difference
    >>> y_true = [1, 1, 0, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 0, 1, 0, 1, 0]
    >>> round(demographic_parity_difference(y_true, y_pred, sensitive_features=list("aaaaabbbb")), 3)
    0.1
    """
    return disparity(
        y_true,
        y_pred,
        constraint="demographic_parity",
        comparison="difference",
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
        method=method,
        reference=reference,
    )


def demographic_parity_ratio(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    strata: Any = None,
    method: Method = "between_groups",
    reference: Hashable = None,
) -> float:
    """Smallest ratio between groups in the selection rate: 1 is parity.

    Every group is selected (predicted positive) equally often.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Labels, and predicted labels (not scores). ``y_true=None`` where there are no labels:
        they are not used.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
    strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
        What is held constant: the disparity is measured inside every stratum, and averaged over the strata
        by their size.
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        The smallest ratio, from 0 to 1: 1 is parity. NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator), or a stratum nothing to compare; it is
        passed over, and named.

    See Also
    --------
    demographic_parity_difference : The difference of the same rate.
    disparity : Any constraint, also one of your own.
    disparate_impact_ratio : The same number under its legal name.
    fairsk.statistics.ratio_interval : How sure the number is.

    Notes
    -----
    ``min / max`` over the groups of ``selection rate = (tp + fp) / n``. Two rates of 0 have the ratio 1.

    References
    ----------
    Calders, Kamiran & Pechenizkiy, Building Classifiers with Independency Constraints, ICDMW 2009.

    Examples
    --------
    Of five rows of a three are selected, and of four rows of b two: 2/4 over 3/5.

    >>> from fairsk.metrics import demographic_parity_ratio
    >>> y_true = [1, 1, 0, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 0, 1, 0, 1, 0]
    >>> round(demographic_parity_ratio(y_true, y_pred, sensitive_features=list("aaaaabbbb")), 3)
    0.833
    """
    return disparity(
        y_true,
        y_pred,
        constraint="demographic_parity",
        comparison="ratio",
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
        method=method,
        reference=reference,
    )


def disparate_impact_ratio(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    strata: Any = None,
    method: Method = "between_groups",
    reference: Hashable = None,
) -> float:
    """Disparate impact: the lowest selection rate of a group divided by the highest; 1 is parity.

    The four-fifths rule of the US agencies takes a value below 0.8 for evidence of adverse impact.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Labels, and predicted labels (not scores). ``y_true=None`` where there are no labels:
        they are not used.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
    strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
        What is held constant: the disparity is measured inside every stratum, and averaged over the strata
        by their size.
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other: the group with the highest rate is the reference, as in the
        four-fifths rule. Or compare each with the overall rate, or with a named group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        The smaller rate over the larger, from 0 to 1: 1 is parity. NaN if fewer than two groups can be
        measured.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator), or a stratum nothing to compare; it is
        passed over, and named.

    See Also
    --------
    demographic_parity_ratio : The same number under the name of the criterion.
    disparity : Any constraint, also one of your own.
    fairsk.statistics.ratio_interval : How sure the number is.
    fairsk.statistics.verdict : Whether a ratio of four fifths is broken, by the interval.

    Notes
    -----
    ``min / max`` over the groups of ``selection rate = (tp + fp) / n``. The rule compares every group
    with the one selected most, whichever it is; so does the default. With ``method="to_reference"`` the ratio
    to the named group is the smaller over the larger rate, so that a group selected more often than the
    reference counts as a disparity, too: the value is never above 1, where a plain quotient would be.

    References
    ----------
    Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4(D), 1978. Feldman et al., Certifying
    and Removing Disparate Impact, KDD 2015.

    Examples
    --------
    Of five rows of a three are selected, and of four rows of b two: 2/4 over 3/5, which keeps the four-fifths
    rule.

    >>> from fairsk.metrics import disparate_impact_ratio
    >>> y_true = [1, 1, 0, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 0, 1, 0, 1, 0]
    >>> round(disparate_impact_ratio(y_true, y_pred, sensitive_features=list("aaaaabbbb")), 3)
    0.833
    """
    return disparity(
        y_true,
        y_pred,
        constraint="demographic_parity",
        comparison="ratio",
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
        method=method,
        reference=reference,
    )


def equal_opportunity_difference(
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
    """Largest difference between groups in the true positive rate: 0 is parity.

    Those who merit the positive outcome receive it equally often in every group.

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
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        The largest difference, not negative: 0 is parity. NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator), or a stratum nothing to compare; it is
        passed over, and named.

    See Also
    --------
    equal_opportunity_ratio : The ratio of the same rate.
    disparity : Any constraint, also one of your own.
    equalized_odds_difference : Asks the same of those who do not merit it, too.
    fairsk.statistics.difference_interval : How sure the number is.

    Notes
    -----
    ``max - min`` over the groups of ``true positive rate = tp / (tp + fn)``.

    References
    ----------
    Hardt, Price & Srebro, Equality of Opportunity in Supervised Learning, NeurIPS 2016.

    Examples
    --------
    Both positives of a are selected, and one of the two of b: 2/2 - 1/2.

    >>> from fairsk.metrics import equal_opportunity_difference
    >>> y_true = [1, 1, 0, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 0, 1, 0, 1, 0]
    >>> round(equal_opportunity_difference(y_true, y_pred, sensitive_features=list("aaaaabbbb")), 3)
    0.5
    """
    return disparity(
        y_true,
        y_pred,
        constraint="equal_opportunity",
        comparison="difference",
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
        method=method,
        reference=reference,
    )


def equal_opportunity_ratio(
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
    """Smallest ratio between groups in the true positive rate: 1 is parity.

    Those who merit the positive outcome receive it equally often in every group.

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
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        The smallest ratio, from 0 to 1: 1 is parity. NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator), or a stratum nothing to compare; it is
        passed over, and named.

    See Also
    --------
    equal_opportunity_difference : The difference of the same rate.
    disparity : Any constraint, also one of your own.
    equalized_odds_ratio : Asks the same of those who do not merit it, too.
    fairsk.statistics.ratio_interval : How sure the number is.

    Notes
    -----
    ``min / max`` over the groups of ``true positive rate = tp / (tp + fn)``. Two rates of 0 have the ratio 1.

    References
    ----------
    Hardt, Price & Srebro, Equality of Opportunity in Supervised Learning, NeurIPS 2016.

    Examples
    --------
    Both positives of a are selected, and one of the two of b: 1/2 over 2/2.

    >>> from fairsk.metrics import equal_opportunity_ratio
    >>> y_true = [1, 1, 0, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 0, 1, 0, 1, 0]
    >>> round(equal_opportunity_ratio(y_true, y_pred, sensitive_features=list("aaaaabbbb")), 3)
    0.5
    """
    return disparity(
        y_true,
        y_pred,
        constraint="equal_opportunity",
        comparison="ratio",
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
        method=method,
        reference=reference,
    )


def equalized_odds_difference(
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
    """Largest difference between groups in the true and the false positive rate: 0 is parity.

    Both the true and the false positive rate agree between groups; the worse of the two counts.

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
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        The largest difference, not negative: 0 is parity. NaN if fewer than two groups
        can be measured in one of the two rates.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator), or a stratum nothing to compare; it is
        passed over, and named.

    See Also
    --------
    equalized_odds_ratio : The ratio of the same rates.
    disparity : Any constraint, also one of your own.
    average_odds_difference : The mean over the two rates, not the worse.
    fairsk.statistics.difference_interval : How sure the number is.

    Notes
    -----
    ``max - min`` over the groups of ``true positive rate = tp / (tp + fn)`` and ``false positive rate = fp /
    (fp + tn)``, the worst over the rates.

    References
    ----------
    Hardt, Price & Srebro, Equality of Opportunity in Supervised Learning, NeurIPS 2016.

    Examples
    --------
    True positive rates are 2/2 and 1/2, false positive rates 1/3 and 1/2: the larger of 1/2 and 1/6.

    >>> from fairsk.metrics import equalized_odds_difference
    >>> y_true = [1, 1, 0, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 0, 1, 0, 1, 0]
    >>> round(equalized_odds_difference(y_true, y_pred, sensitive_features=list("aaaaabbbb")), 3)
    0.5
    """
    return disparity(
        y_true,
        y_pred,
        constraint="equalized_odds",
        comparison="difference",
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
        method=method,
        reference=reference,
    )


def equalized_odds_ratio(
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
    """Smallest ratio between groups in the true and the false positive rate: 1 is parity.

    Both the true and the false positive rate agree between groups; the worse of the two counts.

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
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        The smallest ratio, from 0 to 1: 1 is parity. NaN if fewer than two groups
        can be measured in one of the two rates.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator), or a stratum nothing to compare; it is
        passed over, and named.

    See Also
    --------
    equalized_odds_difference : The difference of the same rates.
    disparity : Any constraint, also one of your own.
    average_odds_ratio : The mean over the two rates, not the worse.
    fairsk.statistics.ratio_interval : How sure the number is.

    Notes
    -----
    ``min / max`` over the groups of ``true positive rate = tp / (tp + fn)`` and ``false positive rate = fp /
    (fp + tn)``, the worst over the rates. Two rates of 0 have the ratio 1.

    References
    ----------
    Hardt, Price & Srebro, Equality of Opportunity in Supervised Learning, NeurIPS 2016.

    Examples
    --------
    True positive rates are 2/2 and 1/2, false positive rates 1/3 and 1/2: the smaller of 1/2 and 2/3.

    >>> from fairsk.metrics import equalized_odds_ratio
    >>> y_true = [1, 1, 0, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 0, 1, 0, 1, 0]
    >>> round(equalized_odds_ratio(y_true, y_pred, sensitive_features=list("aaaaabbbb")), 3)
    0.5
    """
    return disparity(
        y_true,
        y_pred,
        constraint="equalized_odds",
        comparison="ratio",
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
        method=method,
        reference=reference,
    )


def average_odds_difference(
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
    """Average over both rates of equalized odds of the largest difference: 0 is parity.

    Both rates of equalized odds agree between groups, by the average gap and not by the worst.

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
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        The average difference, not negative: 0 is parity. NaN if fewer than two groups
        can be measured in one of the two rates.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator), or a stratum nothing to compare; it is
        passed over, and named.

    See Also
    --------
    average_odds_ratio : The ratio of the same rates.
    disparity : Any constraint, also one of your own.
    equalized_odds_difference : The worse of the two rates, not their mean.
    fairsk.statistics.difference_interval : How sure the number is.

    Notes
    -----
    ``max - min`` over the groups of ``true positive rate = tp / (tp + fn)`` and ``false positive rate = fp /
    (fp + tn)``, the mean over the rates.

    References
    ----------
    Bellamy et al., AI Fairness 360, IBM Journal of Research and Development 63(4/5), 2019, for two groups.

    Examples
    --------
    True positive rates are 2/2 and 1/2, false positive rates 1/3 and 1/2: the mean of 1/2 and 1/6.

    >>> from fairsk.metrics import average_odds_difference
    >>> y_true = [1, 1, 0, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 0, 1, 0, 1, 0]
    >>> round(average_odds_difference(y_true, y_pred, sensitive_features=list("aaaaabbbb")), 3)
    0.333
    """
    return mean_disparity(
        y_true,
        y_pred,
        constraint="equalized_odds",
        comparison="difference",
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
        method=method,
        reference=reference,
    )


def average_odds_ratio(
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
    """Average over both rates of equalized odds of the smallest ratio: 1 is parity.

    Both rates of equalized odds agree between groups, by the average gap and not by the worst.

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
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        The average ratio, from 0 to 1: 1 is parity. NaN if fewer than two groups
        can be measured in one of the two rates.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator), or a stratum nothing to compare; it is
        passed over, and named.

    See Also
    --------
    average_odds_difference : The difference of the same rates.
    disparity : Any constraint, also one of your own.
    equalized_odds_ratio : The worse of the two rates, not their mean.
    fairsk.statistics.ratio_interval : How sure the number is.

    Notes
    -----
    ``min / max`` over the groups of ``true positive rate = tp / (tp + fn)`` and ``false positive rate = fp /
    (fp + tn)``, the mean over the rates. Two rates of 0 have the ratio 1.

    References
    ----------
    Bellamy et al., AI Fairness 360, IBM Journal of Research and Development 63(4/5), 2019, for two groups.

    Examples
    --------
    True positive rates are 2/2 and 1/2, false positive rates 1/3 and 1/2: the mean of 1/2 and 2/3.

    >>> from fairsk.metrics import average_odds_ratio
    >>> y_true = [1, 1, 0, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 0, 1, 0, 1, 0]
    >>> round(average_odds_ratio(y_true, y_pred, sensitive_features=list("aaaaabbbb")), 3)
    0.583
    """
    return mean_disparity(
        y_true,
        y_pred,
        constraint="equalized_odds",
        comparison="ratio",
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
        method=method,
        reference=reference,
    )


def predictive_equality_difference(
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
    """Largest difference between groups in the false positive rate: 0 is parity.

    Those who do not merit the positive outcome receive it equally often in every group.

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
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        The largest difference, not negative: 0 is parity. NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator), or a stratum nothing to compare; it is
        passed over, and named.

    See Also
    --------
    predictive_equality_ratio : The ratio of the same rate.
    disparity : Any constraint, also one of your own.
    equalized_odds_difference : Asks the same of the true positive rate, too.
    fairsk.statistics.difference_interval : How sure the number is.

    Notes
    -----
    ``max - min`` over the groups of ``false positive rate = fp / (fp + tn)``.

    References
    ----------
    Corbett-Davies et al., Algorithmic Decision Making and the Cost of Fairness, KDD 2017.

    Examples
    --------
    Of three negatives of a one is selected, and of two of b one: 1/2 - 1/3.

    >>> from fairsk.metrics import predictive_equality_difference
    >>> y_true = [1, 1, 0, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 0, 1, 0, 1, 0]
    >>> round(predictive_equality_difference(y_true, y_pred, sensitive_features=list("aaaaabbbb")), 3)
    0.167
    """
    return disparity(
        y_true,
        y_pred,
        constraint="predictive_equality",
        comparison="difference",
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
        method=method,
        reference=reference,
    )


def predictive_equality_ratio(
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
    """Smallest ratio between groups in the false positive rate: 1 is parity.

    Those who do not merit the positive outcome receive it equally often in every group.

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
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        The smallest ratio, from 0 to 1: 1 is parity. NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator), or a stratum nothing to compare; it is
        passed over, and named.

    See Also
    --------
    predictive_equality_difference : The difference of the same rate.
    disparity : Any constraint, also one of your own.
    equalized_odds_ratio : Asks the same of the true positive rate, too.
    fairsk.statistics.ratio_interval : How sure the number is.

    Notes
    -----
    ``min / max`` over the groups of ``false positive rate = fp / (fp + tn)``. Two rates of 0 have the ratio
    1.

    References
    ----------
    Corbett-Davies et al., Algorithmic Decision Making and the Cost of Fairness, KDD 2017.

    Examples
    --------
    Of three negatives of a one is selected, and of two of b one: 1/3 over 1/2.

    >>> from fairsk.metrics import predictive_equality_ratio
    >>> y_true = [1, 1, 0, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 0, 1, 0, 1, 0]
    >>> round(predictive_equality_ratio(y_true, y_pred, sensitive_features=list("aaaaabbbb")), 3)
    0.667
    """
    return disparity(
        y_true,
        y_pred,
        constraint="predictive_equality",
        comparison="ratio",
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
        method=method,
        reference=reference,
    )


def predictive_parity_difference(
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
    """Largest difference between groups in the precision: 0 is parity.

    A positive prediction is right equally often in every group.

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
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        The largest difference, not negative: 0 is parity. NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator), or a stratum nothing to compare; it is
        passed over, and named.

    See Also
    --------
    predictive_parity_ratio : The ratio of the same rate.
    disparity : Any constraint, also one of your own.
    calibration_error_difference : Whether scores mean the same in every group.
    fairsk.statistics.difference_interval : How sure the number is.

    Notes
    -----
    ``max - min`` over the groups of ``precision = tp / (tp + fp)``.

    References
    ----------
    Chouldechova, Fair Prediction with Disparate Impact, Big Data 5(2), 2017.

    Examples
    --------
    Of the three selected of a two are positive, and of the two of b one: 2/3 - 1/2.

    >>> from fairsk.metrics import predictive_parity_difference
    >>> y_true = [1, 1, 0, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 0, 1, 0, 1, 0]
    >>> round(predictive_parity_difference(y_true, y_pred, sensitive_features=list("aaaaabbbb")), 3)
    0.167
    """
    return disparity(
        y_true,
        y_pred,
        constraint="predictive_parity",
        comparison="difference",
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
        method=method,
        reference=reference,
    )


def predictive_parity_ratio(
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
    """Smallest ratio between groups in the precision: 1 is parity.

    A positive prediction is right equally often in every group.

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
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        The smallest ratio, from 0 to 1: 1 is parity. NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator), or a stratum nothing to compare; it is
        passed over, and named.

    See Also
    --------
    predictive_parity_difference : The difference of the same rate.
    disparity : Any constraint, also one of your own.
    calibration_error_difference : Whether scores mean the same in every group.
    fairsk.statistics.ratio_interval : How sure the number is.

    Notes
    -----
    ``min / max`` over the groups of ``precision = tp / (tp + fp)``. Two rates of 0 have the ratio 1.

    References
    ----------
    Chouldechova, Fair Prediction with Disparate Impact, Big Data 5(2), 2017.

    Examples
    --------
    Of the three selected of a two are positive, and of the two of b one: 1/2 over 2/3.

    >>> from fairsk.metrics import predictive_parity_ratio
    >>> y_true = [1, 1, 0, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 0, 1, 0, 1, 0]
    >>> round(predictive_parity_ratio(y_true, y_pred, sensitive_features=list("aaaaabbbb")), 3)
    0.75
    """
    return disparity(
        y_true,
        y_pred,
        constraint="predictive_parity",
        comparison="ratio",
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
        method=method,
        reference=reference,
    )


def error_rate_difference(
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
    """Largest difference between groups in the error rate: 0 is parity.

    Decisions are wrong equally often in every group.

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
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        The largest difference, not negative: 0 is parity. NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator), or a stratum nothing to compare; it is
        passed over, and named.

    See Also
    --------
    error_rate_ratio : The ratio of the same rate.
    disparity : Any constraint, also one of your own.
    worst_group : The group with the lowest accuracy, and that accuracy.
    fairsk.statistics.difference_interval : How sure the number is.

    Notes
    -----
    ``max - min`` over the groups of ``error rate = (fp + fn) / n``.

    References
    ----------
    Berk et al., Fairness in Criminal Justice Risk Assessments, Sociological Methods & Research 50(1), 2021.

    Examples
    --------
    One of five decisions on a is wrong, and two of four on b: 2/4 - 1/5.

    >>> from fairsk.metrics import error_rate_difference
    >>> y_true = [1, 1, 0, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 0, 1, 0, 1, 0]
    >>> round(error_rate_difference(y_true, y_pred, sensitive_features=list("aaaaabbbb")), 3)
    0.3
    """
    return disparity(
        y_true,
        y_pred,
        constraint="error_rate_parity",
        comparison="difference",
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
        method=method,
        reference=reference,
    )


def error_rate_ratio(
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
    """Smallest ratio between groups in the error rate: 1 is parity.

    Decisions are wrong equally often in every group.

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
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        The smallest ratio, from 0 to 1: 1 is parity. NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator), or a stratum nothing to compare; it is
        passed over, and named.

    See Also
    --------
    error_rate_difference : The difference of the same rate.
    disparity : Any constraint, also one of your own.
    worst_group : The group with the lowest accuracy, and that accuracy.
    fairsk.statistics.ratio_interval : How sure the number is.

    Notes
    -----
    ``min / max`` over the groups of ``error rate = (fp + fn) / n``. Two rates of 0 have the ratio 1.

    References
    ----------
    Berk et al., Fairness in Criminal Justice Risk Assessments, Sociological Methods & Research 50(1), 2021.

    Examples
    --------
    One of five decisions on a is wrong, and two of four on b: 1/5 over 2/4.

    >>> from fairsk.metrics import error_rate_ratio
    >>> y_true = [1, 1, 0, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 0, 1, 0, 1, 0]
    >>> round(error_rate_ratio(y_true, y_pred, sensitive_features=list("aaaaabbbb")), 3)
    0.4
    """
    return disparity(
        y_true,
        y_pred,
        constraint="error_rate_parity",
        comparison="ratio",
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
        method=method,
        reference=reference,
    )
