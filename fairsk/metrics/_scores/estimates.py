"""Estimates from sorted scores, with confidence intervals: means of losses, and the area under the ROC."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit, ndtri, stdtrit

from fairsk._core.typing import Floats
from fairsk.metrics._scores.grouped import SortedScores
from fairsk.rates import RATES
from fairsk.statistics._intervals import mean_half_widths
from fairsk.statistics._pairs import Estimate

__all__ = ["auc", "auc_error", "brier", "log_loss", "mean_score"]


def _without_interval(value: float) -> Estimate[float]:
    return Estimate(value, float("nan"), float("nan"))


def mean_score(part: SortedScores, confidence: float | None) -> Estimate[float]:
    """Return the mean score."""
    return _mean(part, part.scores, part.scores, confidence, lowest=-np.inf)


def brier(part: SortedScores, confidence: float | None) -> Estimate[float]:
    """Return the mean squared distance of scores from labels."""
    return _mean(part, (1 - part.scores) ** 2, part.scores**2, confidence, highest=1.0)


def log_loss(part: SortedScores, confidence: float | None) -> Estimate[float]:
    """Return the mean negative logarithm of the probability that the score gave to the label."""
    # A score of exactly 0 or 1 that is wrong would cost infinitely much.
    tiny = np.finfo(float).eps
    probability = np.clip(part.scores, tiny, 1 - tiny)
    return _mean(part, -np.log(probability), -np.log1p(-probability), confidence)


def _mean(
    part: SortedScores,
    of_positive: Floats,
    of_negative: Floats,
    confidence: float | None,
    *,
    lowest: float = 0.0,
    highest: float = np.inf,
) -> Estimate[float]:
    """Return the weighted mean, with a t interval, of a value of positives and negatives at each step."""
    if not part.n:
        return _without_interval(np.nan)
    # Bins that hold no rows may have no score: NaN times 0 would make the sums NaN.
    has_score = slice(None) if not np.isnan(of_positive).any() else ~np.isnan(of_positive)
    at_positive, at_negative = of_positive[has_score], of_negative[has_score]
    value = float(part.positives[has_score] @ at_positive + part.negatives[has_score] @ at_negative) / part.n
    if confidence is None:
        return _without_interval(value)
    squares = part.squared_positives[has_score], part.squared_negatives[has_score]
    spread = squares[0] @ (at_positive - value) ** 2 + squares[1] @ (at_negative - value) ** 2
    half_width = float(mean_half_widths(spread, part.n, squares[0].sum() + squares[1].sum(), confidence))
    if np.isnan(half_width):
        return _without_interval(value)
    return Estimate(value, max(value - half_width, lowest), min(value + half_width, highest))


def auc(part: SortedScores, confidence: float | None) -> Estimate[float]:
    """Return the area under the ROC curve, with DeLong's interval on the scale of its logit.

    A positive's placement is the share of the negatives below it, ties counted half; the area is the mean
    placement. Where placements do not vary (perfect separation, one row of a label), DeLong's variance says
    nothing, and the score interval of Hanley and McNeil's variance takes its place.
    """
    if not part.has_both_labels:
        return _without_interval(np.nan)
    cells = part.curve.cells
    tpr, fpr = RATES["true_positive_rate"](cells), RATES["false_positive_rate"](cells)
    of_positive, of_negative = 1 - (fpr[1:] + fpr[:-1]) / 2, (tpr[1:] + tpr[:-1]) / 2
    value = float(np.clip(part.positives @ of_positive / cells["fn"][0], 0, 1))
    if confidence is None:
        return _without_interval(value)
    sizes, variances = np.empty(2), np.empty(2)
    for i, (weights, squares, placement) in enumerate(
        (
            (part.positives, part.squared_positives, of_positive),
            (part.negatives, part.squared_negatives, of_negative),
        )
    ):
        total = weights.sum()
        size = sizes[i] = total**2 / squares.sum()
        spread = squares @ (placement - value) ** 2 / total**2
        variances[i] = spread * size / (size - 1) if size > 1 else np.inf
    variance = variances.sum()
    if 0 < variance < np.inf and 0 < value < 1:
        # Satterthwaite's degrees of freedom: few positives make the variance itself uncertain.
        df = variance**2 / (variances**2 / (sizes - 1)).sum()
        half_width = stdtrit(df, 0.5 + confidence / 2) * np.sqrt(variance) / (value * (1 - value))
        # On the logit scale the interval stays within 0 and 1; the delta method divides by A (1 - A).
        low, high = expit(logit(value) - half_width), expit(logit(value) + half_width)
    else:
        low, high = _hanley_mcneil_interval(value, sizes, float(ndtri(0.5 + confidence / 2)))
    error = auc_error(part)
    return Estimate(value, max(float(low) - error, 0.0), min(float(high) + error, 1.0))


def auc_error(part: SortedScores) -> float:
    """Return how far the area can lie from that of the scores before they were binned: 0 if they were not.

    A positive and a negative of one bin count half; in truth they count 0 or 1.
    """
    if not part.has_both_labels:
        return float("nan")
    pairs = part.positives @ part.negatives if part.binned else 0.0
    return float(pairs / (2 * part.curve.tp[-1] * part.curve.fp[-1]))


def _hanley_mcneil_interval(value: float, sizes: Floats, z: float) -> tuple[float, float]:
    """Return the score interval: the areas that lie z of their own standard errors from the value."""
    mean_size_less_one = sizes.mean() - 1

    def distance_beyond_z(area: Floats) -> Floats:
        spread = 1 + mean_size_less_one * ((1 - area) / (2 - area) + area / (1 + area))
        return np.abs(area - value) - z * np.sqrt(area * (1 - area) * spread / sizes.prod())

    # Bisection of both ends at once: from the value, which is inside the interval, to 0 and to 1.
    inner, outer = np.full(2, value), np.array([0.0, 1.0])
    for _ in range(60):
        middle = (inner + outer) / 2
        inside = distance_beyond_z(middle) <= 0
        inner, outer = np.where(inside, middle, inner), np.where(inside, outer, middle)
    return float(inner[0]), float(inner[1])
