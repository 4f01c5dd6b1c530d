"""Inner estimators: what a wrapper is around, told before anything is fitted."""

from __future__ import annotations

from typing import Any

from sklearn.base import is_classifier, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from fairsk._sklearn.routing import ScoreMethod, response_of

__all__ = ["check_scored", "refuse_classifier", "refuse_regressor"]


def _name(estimator: Any) -> str:
    """Return what predicts: the last step of pipelines, frozen or not."""
    while isinstance(estimator, Pipeline | FrozenEstimator):
        estimator = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator.estimator
    return type(estimator).__name__


def refuse_regressor(wrapper: Any, instead: str) -> None:
    """Refuse a regressor where a classifier is needed, also in a pipeline, and frozen.

    Parameters
    ----------
    wrapper : estimator
        With the parameter ``estimator``.
    instead : str
        What to use instead, as sentences.

    Raises
    ------
    ValueError
        If its ``estimator`` is a regressor.
    """
    if not isinstance(wrapper.estimator, type) and is_regressor(wrapper.estimator):
        raise ValueError(
            f"{type(wrapper).__name__} is for classifiers, and {_name(wrapper.estimator)} is a regressor. "
            f"{instead}"
        )


def refuse_classifier(wrapper: Any, instead: str) -> None:
    """Refuse a classifier where a regressor is needed, also in a pipeline, and frozen.

    Parameters
    ----------
    wrapper : estimator
        With the parameter ``estimator``.
    instead : str
        What to use instead, as sentences.

    Raises
    ------
    ValueError
        If its ``estimator`` is a classifier.
    """
    if not isinstance(wrapper.estimator, type) and is_classifier(wrapper.estimator):
        raise ValueError(
            f"{type(wrapper).__name__} is for regressors, and {_name(wrapper.estimator)} is a classifier. "
            f"{instead}"
        )


def check_scored(wrapper: Any, response_method: ScoreMethod, instead: str) -> None:
    """Refuse an estimator without the scores that are to be read off it.

    Parameters
    ----------
    wrapper : estimator
        With the parameter ``estimator``.
    response_method : {"auto", "predict_proba", "decision_function", "predict"}
        Where scores come from; ``"predict"`` is for a regressor.
    instead : str
        What to use for a regressor instead, as sentences.

    Raises
    ------
    ValueError
        If its ``estimator`` is a regressor where a classifier is needed, or the other way round; or a
        classifier without scores.
    """
    if isinstance(wrapper.estimator, type):  # of a class in the place of an estimator scikit-learn says more
        return
    if response_method == "predict":
        if is_classifier(wrapper.estimator):
            raise ValueError(
                f"response_method='predict' thresholds what a regressor predicts, and "
                f"{_name(wrapper.estimator)} is a classifier: leave response_method out."
            )
        return
    refuse_regressor(wrapper, instead)
    if response_of(wrapper.estimator, "auto") is None:
        raise ValueError(
            f"{type(wrapper).__name__} needs scores, and {_name(wrapper.estimator)} has none of the methods "
            "predict_proba, decision_function."
        )
