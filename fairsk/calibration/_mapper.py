"""Responses made of mapped scores: labels, probabilities or decision scores after a map per group."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fairsk._core.typing import Floats

__all__ = ["Output", "as_response", "offers_response"]

#: What mapped scores are: probabilities, decision scores, or nothing that the inner estimator has.
Output: TypeAlias = Literal["predict_proba", "decision_function"] | None


def offers_response(method: str, output: Output) -> bool:
    """Whether a response method can be made of mapped scores.

    Parameters
    ----------
    method : {"predict", "predict_proba", "predict_log_proba", "decision_function"}
        The response method.
    output : {"predict_proba", "decision_function"} or None
        What the mapped scores are.
    """
    return method == "predict" or output == ("predict_proba" if method == "predict_log_proba" else method)


def as_response(
    method: str, scores: Floats, output: Output, classes: NDArray[Any], positive: Any
) -> NDArray[Any]:
    """Return the response of a method, made of mapped scores.

    Parameters
    ----------
    method : {"predict", "predict_proba", "predict_log_proba", "decision_function"}
        A response method that the scores make (:func:`offers_response`).
    scores : array of shape (n_samples,) or (n_samples, n_classes)
        Mapped scores of the positive class; of several classes the probability of each, in their order.
    output : {"predict_proba", "decision_function"}
        What they are.
    classes : array of shape (n_classes,)
        The labels.
    positive : label or None
        The positive one of two classes.

    Returns
    -------
    array of shape (n_samples,) or (n_samples, n_classes)
        Labels (the more probable class, or that on its side of a decision of 0), decision scores of the
        second class, or probabilities in the order of the classes.
    """
    if scores.ndim == 2:
        probabilities = scores
    else:
        positive_is_second = classes.tolist()[1] == positive
        if output == "decision_function":
            decisions = scores if positive_is_second else -scores
            return decisions if method == "decision_function" else classes[(decisions > 0).astype(int)]
        columns = [1 - scores, scores]
        probabilities = np.column_stack(columns if positive_is_second else columns[::-1])
    if method == "predict":
        return classes[probabilities.argmax(axis=1)]
    if method == "predict_log_proba":
        with np.errstate(divide="ignore"):  # the logarithm of 0 is minus infinity
            return np.log(probabilities)
    return probabilities
