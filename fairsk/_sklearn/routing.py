"""Metadata routing: sensitive values and weights on their way through scikit-learn's pipelines and searches.

* **Requests.** :func:`asks_for` reads in the metadata requests of an estimator (and of the steps inside it)
  whether it wants a piece of metadata: they can be read with routing on or off. Where a router must pass
  something on, :func:`call` switches routing on for that one call, in this thread only; the user's
  setting is never touched.
* **Weights.** A ``Pipeline`` cannot hand weights to its last step unless that step requests them;
  :func:`fit_weighted` makes that request on the user's behalf, on a clone.
* **Scores.** :func:`positive_scores` reads the score of the positive class off any binary classifier.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import numpy as np
from sklearn import config_context, get_config
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import MetadataRouter, get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from fairsk._core.typing import Floats
from fairsk._sklearn.compat import own_requests, request_lastingly
from fairsk._sklearn.rows import take_fit_params, take_rows

__all__ = [
    "RESPONSES",
    "ResponseMethod",
    "asks_for",
    "call",
    "fit_weighted",
    "positive_scores",
    "response_of",
]

#: Where the scores of a classifier come from; ``"auto"`` takes the first of the two that it has.
ResponseMethod: TypeAlias = Literal["auto", "predict_proba", "decision_function"]

#: The methods that return something for each row.
RESPONSES = ("predict", "predict_proba", "predict_log_proba", "decision_function")


def _routing_enabled() -> bool:
    """Whether the user has switched metadata routing on (in this thread)."""
    return bool(get_config()["enable_metadata_routing"])


def _is_router(estimator: Any) -> bool:
    """Whether the estimator passes metadata on to inner estimators."""
    if not hasattr(estimator, "get_metadata_routing"):
        return False
    try:
        return isinstance(estimator.get_metadata_routing(), MetadataRouter)
    except NotImplementedError:  # a meta-estimator of scikit-learn (AdaBoost) that does not route yet
        return False


def asks_for(estimator: Any, method: str, name: str) -> bool:
    """Whether the estimator, or an inner step that it passes metadata to, requests ``name``."""
    while isinstance(estimator, FrozenEstimator):  # it hides its inner estimator's requests
        estimator = estimator.estimator
    if not hasattr(estimator, "get_metadata_routing"):
        return False
    with config_context(enable_metadata_routing=True):
        try:
            return name in get_routing_for_object(estimator).consumes(method, [name])
        except NotImplementedError:  # an inner one does not route; what cannot be passed on is not asked for
            return False


def call(estimator: Any, method: str, *args: Any, **metadata: Any) -> Any:
    """Call a method with those metadata that the estimator, or a step inside it, asks for."""
    wanted = {k: v for k, v in metadata.items() if v is not None and asks_for(estimator, method, k)}
    if not wanted:
        return getattr(estimator, method)(*args)
    with config_context(enable_metadata_routing=True):
        return getattr(estimator, method)(*args, **wanted)


def _children(estimator: Any) -> Iterator[Any]:
    """Yield the estimators directly inside a meta-estimator or composition."""
    for value in estimator.get_params(deep=False).values():
        candidates = [value]
        if isinstance(value, list):
            candidates = [part for item in value if isinstance(item, tuple) for part in item]
        for candidate in candidates:
            if hasattr(candidate, "fit") and not isinstance(candidate, type):
                yield candidate


def _request_weights(estimator: Any, wanted: bool) -> None:
    """Request ``sample_weight`` for the final estimators, and not for the steps before them.

    A request that the user has made stands.
    """
    if isinstance(estimator, Pipeline):
        *head, last = [step for _, step in estimator.steps]
        for step in head:
            _request_weights(step, False)
        _request_weights(last, wanted)
        return
    if _is_router(estimator):
        for child in _children(estimator):
            _request_weights(child, wanted)
    for method in ("fit", "score"):
        requests = own_requests(estimator, method) if hasattr(estimator, f"set_{method}_request") else {}
        if "sample_weight" in requests and requests["sample_weight"] is None:
            request_lastingly(estimator, method, sample_weight=wanted and method == "fit")


def fit_weighted(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Floats | None,
    *,
    random_state: Any = None,
    sensitive_features: Any = None,
    **fit_params: Any,
) -> Any:
    """Fit an estimator with weights, in either routing mode, without the user requesting anything.

    In a pipeline the weights reach the last step, through nested pipelines and meta-estimators. An
    estimator that takes no weights is fitted on rows drawn with probability proportional to them.

    Parameters
    ----------
    estimator : estimator
        A clone that belongs to the caller: weight requests are set on it and on its inner estimators.
    X, y : array-like
        Training data.
    sample_weight : array of shape (n_samples,) or None
        The weights; None fits without.
    random_state : int, RandomState instance or None
        Draws the rows, if it must.
    sensitive_features : array-like, optional
        Passed on to those that ask for it.
    **fit_params
        Passed on as they are.
    """
    router = _is_router(estimator)
    if sensitive_features is not None and asks_for(estimator, "fit", "sensitive_features"):
        fit_params["sensitive_features"] = sensitive_features
    if sample_weight is not None:
        if router:
            with config_context(enable_metadata_routing=True):
                _request_weights(estimator, True)
        takes = (
            asks_for(estimator, "fit", "sample_weight")
            if router
            else has_fit_parameter(estimator, "sample_weight")
        )
        if takes:
            fit_params["sample_weight"] = sample_weight
        elif not isinstance(estimator, FrozenEstimator):
            rng = check_random_state(random_state)
            rows = rng.choice(len(sample_weight), len(sample_weight), p=sample_weight / sample_weight.sum())
            X, y = take_rows(X, rows), take_rows(y, rows)
            fit_params = take_fit_params(fit_params, rows, len(rows))
    routed = {"sensitive_features", "sample_weight"} & set(fit_params)
    # What we add is routed on by routers; others take it as it is, and some refuse it in the other mode.
    try:
        with config_context(enable_metadata_routing=router if routed else _routing_enabled()):
            return estimator.fit(X, y, **fit_params)
    except UnsetMetadataPassedError as error:
        raise ValueError(
            f"{type(estimator).__name__} cannot hand sample weights to everything inside it: {error} "
            "If it is a search over parameters, put the fair estimator inside the search instead."
        ) from error


def response_of(estimator: Any, response_method: ResponseMethod) -> str | None:
    """Return the response method that scores come from, None if the estimator lacks it."""
    methods = ("predict_proba", "decision_function") if response_method == "auto" else (response_method,)
    return next((method for method in methods if hasattr(estimator, method)), None)


def positive_scores(
    estimator: Any,
    X: Any,
    response_method: ResponseMethod,
    positive: Any,
    sensitive_features: Any = None,
) -> Floats:
    """Return a score per row that grows with the chance of the positive class.

    Parameters
    ----------
    estimator : fitted classifier
        Has ``classes_`` and at least one response method.
    X : array-like
        Rows.
    response_method : {"auto", "predict_proba", "decision_function"}
        What to ask it for; ``"auto"`` takes the first one that it has.
    positive : label
        The positive class.
    sensitive_features : array-like, optional
        Passed on if the estimator asks for it.
    """
    method = response_of(estimator, response_method)
    if method is None:
        wanted = "predict_proba, decision_function" if response_method == "auto" else response_method
        raise ValueError(f"{type(estimator).__name__} has none of the methods {wanted}.")
    scores = np.asarray(call(estimator, method, X, sensitive_features=sensitive_features), dtype=float)
    position = estimator.classes_.tolist().index(positive)
    if scores.ndim == 2:
        scores = scores[:, position]
    elif position == 0:
        scores = -scores
    if not np.all(np.isfinite(scores)):
        raise ValueError(f"{type(estimator).__name__}.{method} returned NaN or infinite scores.")
    return scores
