"""Differences of score metrics between groups: functions of labels, scores and the group of each row."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from fairsk.metrics._scores.calibration_error import Strategy
from fairsk.metrics._scores.grouped import GroupedScores
from fairsk.metrics._scores.table import ScoreMetrics

__all__ = [
    "auc_difference",
    "brier_difference",
    "calibration_error_difference",
    "log_loss_difference",
    "worst_group_calibration_error",
]


class ScoreDifference(Protocol):
    """The signature that differences of score metrics share."""

    __name__: str

    def __call__(
        self,
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
        sensitive_features: Any,
        sample_weight: ArrayLike | None = None,
        pos_label: Any = None,
        reference: Hashable = None,
    ) -> float:
        """Return the difference between the groups."""


_DOCUMENTATION = """Largest difference between groups in {what}: 0 is parity.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels.
    y_score : array-like of shape (n_samples,)
        {scores}
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
        If lengths differ, a group value is missing, the positive label cannot be told, or scores are {wrong}.

    Warns
    -----
    UserWarning
        If a group cannot be measured ({without}); it is passed over, and named.

    Notes
    -----
    {notes}

    References
    ----------
    {source}.

    Examples
    --------
    >>> from fairsk.metrics import {name}
    >>> y_true = [0, 0, 1, 1, 0, 1, 0, 1]
    >>> y_score = [0.1, 0.4, 0.35, 0.8, 0.2, 0.9, 0.5, 0.7]
    >>> round({name}(y_true, y_score, sensitive_features=list("aaaabbbb")), 3)
    {value}
"""
_PROBABILITY = "Probability of the positive label, from 0 to 1."
_EXAMPLE = GroupedScores.of_rows(
    [0, 0, 1, 1, 0, 1, 0, 1],
    [0.1, 0.4, 0.35, 0.8, 0.2, 0.9, 0.5, 0.7],
    sensitive_features=list("aaaabbbb"),
)


def _difference(metric: str, **documentation: str) -> ScoreDifference:
    def difference(
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
        sensitive_features: Any,
        sample_weight: ArrayLike | None = None,
        pos_label: Any = None,
        reference: Hashable = None,
    ) -> float:
        scores = GroupedScores.of_rows(
            y_true,
            y_score,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            pos_label=pos_label,
        )
        made = ScoreMetrics(scores, metric, confidence=None)
        made.warn(fewest=2)
        return made.difference(metric, reference=reference)

    name = f"{metric}_difference"
    difference.__name__ = difference.__qualname__ = name
    value = round(ScoreMetrics(_EXAMPLE, metric, confidence=None).difference(metric), 3)
    difference.__doc__ = _DOCUMENTATION.format(name=name, value=value, **documentation)
    return difference


auc_difference = _difference(
    "auc",
    what="the area under the ROC curve",
    scores="Finite scores that grow with the chance of the positive label.",
    wrong="not finite",
    without="one label only",
    notes="""``max - min`` over the groups of the chance that a positive scores higher than a negative of its
    group, ties counted half. Where it is large, scores rank the people of one group better than those of
    another. Curves that cross can have the same area: :func:`fairsk.metrics.abroca` looks between them.""",
    source="""Hanley & McNeil, The Meaning and Use of the Area under a Receiver Operating Characteristic (ROC)
    Curve, Radiology 143, 1982""",
)
brier_difference = _difference(
    "brier",
    what="the Brier score",
    scores=_PROBABILITY,
    wrong="no probabilities",
    without="no rows with weight",
    notes="""``max - min`` over the groups of the mean of ``(score - label)^2``. Where it is large,
    probabilities are further from what happens in one group than in another; groups with base rates near a
    half have larger ones in any case.""",
    source="""Brier, Verification of Forecasts Expressed in Terms of Probability, Monthly Weather Review 78,
    1950""",
)
log_loss_difference = _difference(
    "log_loss",
    what="the log loss",
    scores=_PROBABILITY,
    wrong="no probabilities",
    without="no rows with weight",
    notes="""``max - min`` over the groups of the mean of ``-log(chance given to the label)``, in which a
    score of exactly 0 or 1 is moved by 2.2e-16. Where it is large, labels surprise the scores more in one
    group than in another; a few rows that were all but ruled out can make it so.""",
    source="Good, Rational Decisions, Journal of the Royal Statistical Society B 14, 1952",
)


def calibration_error_difference(
    y_true: ArrayLike,
    y_prob: ArrayLike,
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
    y_prob : array-like of shape (n_samples,)
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
        If lengths differ, a group value is missing, the positive label cannot be told, or scores are no
        probabilities.

    Notes
    -----
    ``max - min`` over the groups of ``sum over bins of n_b / n |label rate - mean score|``. Where it is
    large, probabilities can be taken at their word in one group and not in another. Noise adds to the error
    of small groups: :func:`fairsk.metrics.score_metrics` shows beside each what chance alone would give.

    References
    ----------
    Naeini, Cooper & Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015.

    Examples
    --------
    >>> from fairsk.metrics import calibration_error_difference
    >>> y_true = [0, 0, 1, 1, 0, 1, 0, 1]
    >>> y_prob = [0.1, 0.4, 0.35, 0.8, 0.2, 0.9, 0.5, 0.7]
    >>> round(calibration_error_difference(y_true, y_prob, sensitive_features=list("aaaabbbb"), n_bins=2), 3)
    0.012
    """
    scores = GroupedScores.of_rows(
        y_true,
        y_prob,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
    )
    made = ScoreMetrics(scores, "calibration_error", confidence=None, n_bins=n_bins, strategy=strategy)
    made.warn(fewest=2)
    return made.difference("calibration_error", reference=reference)


def worst_group_calibration_error(
    y_true: ArrayLike,
    y_prob: ArrayLike,
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
    y_prob : array-like of shape (n_samples,)
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
        If lengths differ, a group value is missing, the positive label cannot be told, or scores are no
        probabilities.

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
    >>> y_prob = [0.1, 0.4, 0.35, 0.8, 0.2, 0.9, 0.5, 0.7]
    >>> round(worst_group_calibration_error(y_true, y_prob, sensitive_features=list("aaaabbbb"), n_bins=2), 3)
    0.087
    """
    scores = GroupedScores.of_rows(
        y_true,
        y_prob,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
    )
    made = ScoreMetrics(scores, "calibration_error", confidence=None, n_bins=n_bins, strategy=strategy)
    made.warn()
    errors = made.values["calibration_error"]
    return float(np.nanmax(errors)) if not np.isnan(errors).all() else float("nan")
