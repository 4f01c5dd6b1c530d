"""Differences of score metrics between groups, one function for each metric."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairsk.metrics._scores.calibration_error import Strategy
from fairsk.metrics._scores.grouped import GroupedScores
from fairsk.metrics._scores.table import ScoreMetric, ScoreMetrics, warn_missing

__all__ = [
    "auc_difference",
    "brier_difference",
    "calibration_error_difference",
    "log_loss_difference",
    "worst_group_calibration_error",
]


def auc_difference(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    reference: Hashable = None,
) -> float:
    """Largest difference between groups in the area under the ROC curve: 0 is parity.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels.
    y_score : array-like of shape (n_samples,)
        Finite scores that grow with the probability of the positive label.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
    reference : hashable, optional
        Compare every group with this one only; by default all pairs are compared.

    Returns
    -------
    float
        The largest difference, not negative: 0 is parity. NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, labels or a group value are missing, the positive label cannot be told, or scores
        are not finite.

    Warns
    -----
    UserWarning
        If a group cannot be measured (one label only); it is passed over, and named.

    See Also
    --------
    abroca : The area between ROC curves, which also sees curves that cross.
    score_metrics : The area of every group, with its interval.

    Notes
    -----
    ``max - min`` over the groups of the probability that a positive scores higher than a negative of its
    group, ties counted half. Where it is large, scores rank the people of one group better than those of
    another. Curves that cross can have the same area: :func:`fairsk.metrics.abroca` looks between them.

    References
    ----------
    Hanley & McNeil, The Meaning and Use of the Area under a Receiver Operating Characteristic (ROC)
    Curve, Radiology 143, 1982.

    Examples
    --------
    Of the four pairs of a positive and a negative, three are ranked right in a, and all in b: 1 - 3/4.

    >>> from fairsk.metrics import auc_difference
    >>> y_true = [0, 0, 1, 1, 0, 1, 0, 1]
    >>> y_score = [0.1, 0.4, 0.35, 0.8, 0.2, 0.9, 0.5, 0.7]
    >>> round(auc_difference(y_true, y_score, sensitive_features=list("aaaabbbb")), 3)
    0.25
    """
    return _difference(
        "auc",
        y_true,
        y_score,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        reference=reference,
    )


def brier_difference(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    reference: Hashable = None,
) -> float:
    """Largest difference between groups in the Brier score: 0 is parity.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels.
    y_score : array-like of shape (n_samples,)
        Probability of the positive label, from 0 to 1.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
    reference : hashable, optional
        Compare every group with this one only; by default all pairs are compared.

    Returns
    -------
    float
        The largest difference, not negative: 0 is parity. NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, labels or a group value are missing, the positive label cannot be told, or scores
        are no probabilities.

    Warns
    -----
    UserWarning
        If a group cannot be measured (no rows with weight); it is passed over, and named.

    See Also
    --------
    log_loss_difference : The same for the log loss.
    calibration_error_difference : Whether probabilities can be taken at their word.
    score_metrics : The Brier score of every group, with its interval.

    Notes
    -----
    ``max - min`` over the groups of the mean of ``(score - label)^2``. Where it is large,
    probabilities are further from what happens in one group than in another; groups with base rates near a
    half have larger ones in any case.

    References
    ----------
    Brier, Verification of Forecasts Expressed in Terms of Probability, Monthly Weather Review 78,
    1950.

    Examples
    --------
    The squared errors of a are .01, .16, .4225 and .04, those of b .04, .01, .25 and .09: .158 - .0975.

    >>> from fairsk.metrics import brier_difference
    >>> y_true = [0, 0, 1, 1, 0, 1, 0, 1]
    >>> y_score = [0.1, 0.4, 0.35, 0.8, 0.2, 0.9, 0.5, 0.7]
    >>> round(brier_difference(y_true, y_score, sensitive_features=list("aaaabbbb")), 3)
    0.061
    """
    return _difference(
        "brier",
        y_true,
        y_score,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        reference=reference,
    )


def log_loss_difference(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    reference: Hashable = None,
) -> float:
    """Largest difference between groups in the log loss: 0 is parity.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels.
    y_score : array-like of shape (n_samples,)
        Probability of the positive label, from 0 to 1.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
    reference : hashable, optional
        Compare every group with this one only; by default all pairs are compared.

    Returns
    -------
    float
        The largest difference, not negative: 0 is parity. NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, labels or a group value are missing, the positive label cannot be told, or scores
        are no probabilities.

    Warns
    -----
    UserWarning
        If a group cannot be measured (no rows with weight); it is passed over, and named.

    See Also
    --------
    brier_difference : The same for the Brier score.
    score_metrics : The log loss of every group, with its interval.

    Notes
    -----
    ``max - min`` over the groups of the mean of ``-log(probability of the label)``, in which a
    score of exactly 0 or 1 is moved by 2.2e-16. Where it is large, labels surprise the scores more in one
    group than in another; a few rows that were all but ruled out can make it so.

    References
    ----------
    Good, Rational Decisions, Journal of the Royal Statistical Society B 14, 1952.

    Examples
    --------
    The labels got the probabilities .9, .6, .35, .8 in a, and .8, .9, .5, .7 in b: the means of -log of these
    are .472 and .345.

    >>> from fairsk.metrics import log_loss_difference
    >>> y_true = [0, 0, 1, 1, 0, 1, 0, 1]
    >>> y_score = [0.1, 0.4, 0.35, 0.8, 0.2, 0.9, 0.5, 0.7]
    >>> round(log_loss_difference(y_true, y_score, sensitive_features=list("aaaabbbb")), 3)
    0.128
    """
    return _difference(
        "log_loss",
        y_true,
        y_score,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        reference=reference,
    )


def _difference(
    metric: ScoreMetric,
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None,
    pos_label: Any,
    reference: Hashable,
    n_bins: int = 10,
    strategy: Strategy = "uniform",
) -> float:
    """Return the largest difference between groups in one of the metrics of the table."""
    scores = GroupedScores.of_rows(
        y_true,
        y_score,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        name=f"{metric}_difference",
    )
    table = ScoreMetrics(scores, metric, confidence=None, n_bins=n_bins, strategy=strategy)
    warn_missing(table, fewest=2)
    return table.difference(metric, reference=reference)


def calibration_error_difference(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    reference: Hashable = None,
    n_bins: int = 10,
    strategy: Strategy = "uniform",
) -> float:
    """Largest difference between groups in the calibration error: 0 is parity.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels.
    y_score : array-like of shape (n_samples,)
        Probability of the positive label, from 0 to 1.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
    reference : hashable, optional
        Compare every group with this one only; by default all pairs are compared.
    n_bins : int, default=10
        How many bins.
    strategy : {"uniform", "quantile"}, default="uniform"
        Bins of equal width, or bins that hold about equally many of all rows. Groups share the bins.

    Returns
    -------
    float
        The largest difference, from 0 to 1. NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, labels or a group value are missing, the positive label cannot be told, or scores
        are no probabilities.

    See Also
    --------
    worst_group_calibration_error : The largest error of any group.
    calibration_curves : Where the errors lie.

    Notes
    -----
    ``max - min`` over the groups of ``sum over bins of n_b / n |label rate - mean score|``. Where it is
    large, probabilities can be taken at their word in one group and not in another. Noise adds to the error
    of small groups: :func:`fairsk.metrics.score_metrics` shows beside each that of calibrated scores.

    References
    ----------
    Naeini, Cooper & Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015.

    Examples
    --------
    >>> from fairsk.metrics import calibration_error_difference
    >>> y_true = [0, 0, 1, 1, 0, 1, 0, 1]
    >>> y_score = [0.1, 0.4, 0.35, 0.8, 0.2, 0.9, 0.5, 0.7]
    >>> round(calibration_error_difference(y_true, y_score, sensitive_features=list("aaaabbbb"), n_bins=2), 3)
    0.012
    """
    return _difference(
        "calibration_error",
        y_true,
        y_score,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        reference=reference,
        n_bins=n_bins,
        strategy=strategy,
    )


def worst_group_calibration_error(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    n_bins: int = 10,
    strategy: Strategy = "uniform",
) -> float:
    """Largest calibration error of any group: how far probabilities are from being calibrated within groups.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels.
    y_score : array-like of shape (n_samples,)
        Probability of the positive label, from 0 to 1.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
    n_bins : int, default=10
        How many bins.
    strategy : {"uniform", "quantile"}, default="uniform"
        Bins of equal width, or bins that hold about equally many of all rows. Groups share the bins.

    Returns
    -------
    float
        The calibration error of the group with the largest one, from 0 to 1.

    Raises
    ------
    ValueError
        If lengths differ, labels or a group value are missing, the positive label cannot be told, or scores
        are no probabilities.

    See Also
    --------
    calibration_error_difference : How far the errors of groups are apart.
    calibration_curves : Where the errors lie.

    Notes
    -----
    ``max`` over the groups of ``sum over bins of n_b / n |label rate - mean score|``. At 0, a score means
    what it says in every group. Noise adds to it, most in small groups.

    References
    ----------
    Kleinberg, Mullainathan & Raghavan, Inherent Trade-Offs in the Fair Determination of Risk Scores, ITCS
    2017.

    Examples
    --------
    >>> from fairsk.metrics import worst_group_calibration_error
    >>> y_true = [0, 0, 1, 1, 0, 1, 0, 1]
    >>> y_score = [0.1, 0.4, 0.35, 0.8, 0.2, 0.9, 0.5, 0.7]
    >>> group = list("aaaabbbb")
    >>> round(worst_group_calibration_error(y_true, y_score, sensitive_features=group, n_bins=2), 3)
    0.087
    """
    scores = GroupedScores.of_rows(
        y_true,
        y_score,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        name="worst_group_calibration_error",
    )
    table = ScoreMetrics(scores, "calibration_error", confidence=None, n_bins=n_bins, strategy=strategy)
    warn_missing(table)
    errors = table.values["calibration_error"]
    return float(np.nanmax(errors)) if not np.isnan(errors).all() else float("nan")
