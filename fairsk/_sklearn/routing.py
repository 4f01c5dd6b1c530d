"""Metadata routing: how sensitive values and weights travel inside scikit-learn. Two ideas live here:

* **Asking.** Whether an estimator (or a step deep inside it) wants a piece of metadata is asked in
  scikit-learn's own language, metadata routing, whose requests can be read in either mode. Where a
  router must pass something on, routing is switched on for that one call, in this thread only; the user's
  setting is never touched.
* **Weights.** A ``Pipeline`` cannot hand weights to its last step unless somebody requested them;
  :func:`fit_weighted` makes that request on the user's behalf, on a clone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context, get_config
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import (
    MetadataRequest,
    MetadataRouter,
    get_routing_for_object,
)
from sklearn.utils.validation import has_fit_parameter

from fairsk._sklearn.compat import MethodMetadataRequest, simple_methods
from fairsk._sklearn.rows import take_fit_params, take_rows

__all__ = ["RESPONSES", "asks_for", "call", "fit_weighted", "positive_scores", "response_of"]


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
    except (
        NotImplementedError
    ):  # scikit-learn's way to say that a meta-estimator (AdaBoost) does not route yet
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
        except NotImplementedError:  # so does an inner one say it; what cannot be passed on is not asked for
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
        setter = getattr(estimator, f"set_{method}_request", None)
        if setter is None or "sample_weight" not in _requestable(estimator, method):
            continue
        if _requestable(estimator, method)["sample_weight"] is None:
            setter(sample_weight=wanted and method == "fit")
            estimator._metadata_request = _LastingRequest.of(estimator._metadata_request)


class _LastingRequest(MetadataRequest):
    """Requests that outlive their session.

    imbalanced-learn adds a method to those of scikit-learn when it is imported. scikit-learn's own requests
    fail in a session with more methods than the one (such as a worker process) that they were made in.
    """

    @classmethod
    def of(cls, request: MetadataRequest) -> _LastingRequest:
        lasting = cls(owner=request.owner)
        for method in simple_methods():
            own = MethodMetadataRequest(request.owner, method, dict(getattr(request, method).requests))
            setattr(lasting, method, own)
        return lasting

    def __sklearn_clone__(self) -> _LastingRequest:
        return self.of(self)

    def __getattr__(self, name: str) -> Any:
        if name in simple_methods() and "owner" in vars(self):
            return MethodMetadataRequest(self.owner, name)
        return super().__getattr__(name)


def _requestable(estimator: Any, method: str) -> dict[str, Any]:
    request = getattr(estimator, "_get_metadata_request", None)
    return getattr(request(), method).requests if request is not None else {}


def fit_weighted(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: NDArray[np.float64] | None,
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
        The caller's own clone: weight requests are set on it and on its inner estimators.
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


def response_of(estimator: Any, response_method: str) -> str | None:
    """Return the response method that scores come from, None if the estimator does not have it."""
    methods = ("predict_proba", "decision_function") if response_method == "auto" else (response_method,)
    return next((method for method in methods if hasattr(estimator, method)), None)


def positive_scores(
    estimator: Any,
    X: Any,
    response_method: str,
    positive: Any,
    sensitive_features: Any = None,
) -> NDArray[np.float64]:
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
