"""Everything that leans on scikit-learn's internals, and how metadata and weights travel inside it.

The only module that may import private scikit-learn names. Two ideas live here:

* **Asking.** Whether an estimator (or a step deep inside it) wants a piece of metadata is asked in
  scikit-learn's own language, metadata routing, whose requests can be read in either mode. Where a
  router must pass something on, routing is switched on for that one call, in this thread only; the user's
  setting is never touched.
* **Weights.** A ``Pipeline`` cannot hand weights to its last step unless somebody requested them;
  :func:`fit_weighted` makes that request on the user's behalf, on a clone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial, wraps
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context, get_config
from sklearn.base import _fit_context
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import get_scorer
from sklearn.metrics._scorer import _BaseScorer, _cached_call
from sklearn.pipeline import Pipeline
from sklearn.utils import (
    _metadata_requests,
    _safe_indexing,
    assert_all_finite,
    check_random_state,
    column_or_1d,
    indexable,
)
from sklearn.utils._metadata_requests import MethodMetadataRequest
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.metadata_routing import (
    MetadataRequest,
    MetadataRouter,
    get_routing_for_object,
)
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _num_samples,
    has_fit_parameter,
)

from fairsk.groups import pyarrow_rows, sensitive_columns

__all__ = [
    "RESPONSES",
    "HasMethods",
    "Interval",
    "Performance",
    "SensitiveScorer",
    "StrOptions",
    "asks_for",
    "call",
    "check_rows",
    "check_same_features",
    "fit_context",
    "fit_weighted",
    "n_rows",
    "positive_scores",
    "response_of",
    "take_fit_params",
    "take_rows",
    "validate_parameters",
]

fit_context = _fit_context
validate_parameters: Callable[[dict[str, Any], dict[str, Any], str], None] = validate_parameter_constraints
n_rows: Callable[[Any], int] = _num_samples

RESPONSES = ("predict", "predict_proba", "predict_log_proba", "decision_function")


def take_rows(data: Any, rows: NDArray[np.intp]) -> Any:
    """Index the rows of an array, frame, list or sparse matrix; None stays None."""
    if data is None:
        return None
    taken = pyarrow_rows(data, rows)  # scikit-learn 1.6 cannot index these
    return _safe_indexing(data, rows) if taken is None else taken


def check_rows(X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
    """Return X made indexable but not converted, and the labels as a 1-D array without missing ones."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    labels = column_or_1d(y, warn=True)
    assert_all_finite(labels, input_name="y")
    if labels.dtype.kind not in "biu":  # whole numbers always are classes; to look at all of them takes time
        check_classification_targets(labels)
    X, labels = indexable(X, labels)
    if n_rows(X) == 0:
        raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
    return X, labels


def check_same_features(estimator: Any, X: Any, *, reset: bool) -> None:
    """Record, or compare with the record, the number and names of the columns of X; texts have none."""
    if hasattr(X, "shape") and len(X.shape) == 2:
        _check_feature_names(estimator, X, reset=reset)
        _check_n_features(estimator, X, reset=reset)


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
        for method in _metadata_requests.SIMPLE_METHODS:
            own = MethodMetadataRequest(request.owner, method, dict(getattr(request, method).requests))
            setattr(lasting, method, own)
        return lasting

    def __sklearn_clone__(self) -> _LastingRequest:
        return self.of(self)

    def __getattr__(self, name: str) -> Any:
        if name in _metadata_requests.SIMPLE_METHODS and "owner" in vars(self):
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
    sample_weight : array of shape (n_rows,) or None
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


def take_fit_params(params: dict[str, Any], rows: NDArray[np.intp], length: int) -> dict[str, Any]:
    """Index the rows of those fit parameters that have one value per row."""

    def take(value: Any) -> Any:
        try:
            return take_rows(value, rows) if n_rows(value) == length else value
        except TypeError:  # a scalar parameter
            return value

    return {name: take(value) for name, value in params.items()}


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


@dataclass(frozen=True)
class Performance:
    """One of scikit-learn's scorers, taken apart: greater is better after ``sign``."""

    function: Callable[..., float]
    sign: int
    options: Mapping[str, Any]
    response_method: Any

    @classmethod
    def of(cls, scoring: Any) -> Performance:
        """Take apart a scorer, or the one of that name."""
        scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring
        if not isinstance(scorer, _BaseScorer) or isinstance(scorer, SensitiveScorer):
            raise TypeError(
                "scoring must be the name of a scikit-learn scorer or made by make_scorer, such as "
                f"'accuracy' for the accuracy of the worst group; got {scoring!r}."
            )
        return cls(scorer._score_func, scorer._sign, dict(scorer._kwargs), scorer._response_method)

    def takes(self, name: str) -> bool:
        """Whether the function has a parameter of that name."""
        return name in signature(self.function).parameters


@dataclass(frozen=True)
class _OnLabels:
    """A measure as a function of labels and predicted labels, as scikit-learn's threshold tuning calls it."""

    measure: Any

    def __call__(
        self, y_true: Any, y_pred: Any, *, sensitive_features: Any = None, sample_weight: Any = None
    ) -> float:
        def respond(method: Any, pos_label: Any = None) -> Any:
            if method != "predict":
                raise ValueError(f"A scorer of {method} does not depend on a threshold: it cannot tune one.")
            return y_pred

        if sensitive_features is None:
            raise ValueError(
                "This scorer was called without X and without groups, as TunedThresholdClassifierCV does. "
                "Pass sensitive_features= to fit as metadata, with metadata routing enabled, or use "
                "GroupThresholdOptimizer, which reads the column."
            )
        return self.measure(
            y_true, respond, sensitive=sensitive_features, sample_weight=sample_weight, classes=None
        )


class _WithMetadata:
    """A fitted estimator whose response methods are handed the sensitive values that they ask for."""

    def __init__(self, estimator: Any, values: Any) -> None:
        self._estimator, self._values = estimator, values

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._estimator, name)
        if name not in RESPONSES:
            return found

        @wraps(found)
        def respond(X: Any) -> Any:
            return call(self._estimator, name, X, sensitive_features=self._values)

        return respond


class SensitiveScorer(_BaseScorer):
    """A scorer that knows the sensitive attribute: from the metadata it is given, else from X.

    scikit-learn's own scorers never pass metadata to ``predict``; this one does if the estimator asks for
    it. It requests ``sensitive_features`` by default, so nobody calls ``set_score_request``. Being one of
    scikit-learn's scorers, it shares predictions with the others in multimetric scoring.

    Parameters
    ----------
    measure : callable
        Called as ``measure(y_true, respond, sensitive=, sample_weight=, classes=)``, where
        ``respond(method, pos_label)`` returns predictions. Greater is better. Has the attributes
        ``pos_label`` and ``response_method``.
    sensitive_features : selector
        Names the column of X.
    shown : str
        The scorer's repr.
    """

    def __init__(self, measure: Any, sensitive_features: Any, shown: str) -> None:
        super().__init__(_OnLabels(measure), 1, {}, response_method=measure.response_method)
        self._measure = measure
        self._sensitive_features = sensitive_features
        self._shown = shown

    def __repr__(self) -> str:
        return self._shown

    def _get_pos_label(self) -> Any:
        return self._measure.pos_label

    def _get_metadata_request(self) -> MetadataRequest:
        request = getattr(self, "_metadata_request", None)
        request = MetadataRequest(owner=self) if request is None else get_routing_for_object(request)
        for name, default in {"sensitive_features": True, "sample_weight": None}.items():
            if name not in request.score.requests:
                request.score.add_request(param=name, alias=default)
        return request

    def __call__(
        self,
        estimator: Any,
        X: Any,
        y_true: Any,
        *,
        sensitive_features: Any = None,
        sample_weight: Any = None,
    ) -> float:
        """Score a fitted estimator: greater is better.

        Parameters
        ----------
        estimator : fitted classifier
            What to score.
        X : array-like of shape (n_rows, n_features)
            Rows to predict.
        y_true : array-like of shape (n_rows,)
            Their labels.
        sensitive_features : array-like of shape (n_rows,) or (n_rows, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_rows,), optional
            Weight of each row.

        Returns
        -------
        float
            The score.
        """
        metadata = {"sensitive_features": sensitive_features, "sample_weight": sample_weight}
        return self._score(partial(_cached_call, None), estimator, X, y_true, **metadata)

    def _score(
        self,
        method_caller: Callable[..., Any],
        estimator: Any,
        X: Any,
        y_true: Any,
        sensitive_features: Any = None,
        sample_weight: Any = None,
    ) -> float:
        if sensitive_features is None and self._sensitive_features is None:
            raise ValueError(
                f"{self!r} was given no groups. Name the column in the scorer, sensitive_features='sex'; or "
                "pass the values as metadata with routing enabled "
                "(sklearn.set_config(enable_metadata_routing=True)): without it, scikit-learn hands metadata "
                "to fit, but not to scorers."
            )
        sensitive = sensitive_columns(X, self._sensitive_features, sensitive_features, n_rows=n_rows(X))
        if sensitive_features is not None and any(
            asks_for(estimator, method, "sensitive_features") for method in RESPONSES
        ):
            # Predictions that other scorers share were made without the values.
            method_caller = partial(_cached_call, None)
            estimator = _WithMetadata(estimator, sensitive_features)

        def respond(method: Any, pos_label: Any = None) -> Any:
            return method_caller(estimator, method, X, pos_label=pos_label)

        return self._measure(
            y_true,
            respond,
            sensitive=sensitive,
            sample_weight=sample_weight,
            classes=getattr(estimator, "classes_", None),
        )
