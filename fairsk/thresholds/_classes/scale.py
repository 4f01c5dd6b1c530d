"""The scale of class scores on which offsets are added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from fairsk._core.typing import Floats
from fairsk._sklearn.routing import ScoreMethod, class_scores, response_of
from fairsk.rates import Rate
from fairsk.thresholds._spec import Policy

__all__ = ["ClassScale", "choose_scale", "scaled_scores"]

#: What offsets are added to.
ClassScale: TypeAlias = Literal["probability", "log_probability", "decision"]

#: A probability that is smaller counts as this one, so that its logarithm is finite.
LEAST_PROBABILITY = 1e-12


def choose_scale(
    estimator: Any, response_method: ScoreMethod, rates: Sequence[Rate], policy: Policy
) -> ClassScale:
    """Return the scale for the bounded rates, of an estimator that need not be fitted.

    Where all rates depend on decisions alone, the best rule adds a price per class to the probabilities. A
    price on decisions of one label multiplies its probability, and adds to the logarithm.

    Parameters
    ----------
    estimator : classifier
        What scores the rows.
    response_method : {"auto", "predict_proba", "decision_function"}
        What it is asked for.
    rates : sequence of Rate
        The bounded rates.
    policy : {"auto", "threshold", "randomized", "blind"}
        A blind one adds prices to what decisions are expected to be worth: to probabilities.
    """
    if policy == "blind":
        return "probability"
    if response_of(estimator, response_method) != "predict_proba":
        return "decision"
    return "log_probability" if any(rate.needs_labels for rate in rates) else "probability"


def scaled_scores(
    estimator: Any,
    X: Any,
    response_method: ScoreMethod,
    classes: Sequence[Any],
    scale: ClassScale,
    sensitive_features: Any = None,
) -> Floats:
    """Return the score of each row and class on a scale; the rest is as in ``class_scores``."""
    scores = class_scores(estimator, X, response_method, classes, sensitive_features)
    if scale == "log_probability":
        return np.log(np.maximum(scores, LEAST_PROBABILITY))
    return scores
