"""Metadata routing: sensitive values and weights on their way through scikit-learn's pipelines and searches.

* **Requests.** :func:`asks_for` reads in the metadata requests of an estimator (and of the steps inside it)
  whether it wants a piece of metadata: they can be read with routing on or off. Where a router must pass
  something on, :func:`call` switches routing on for that one call, in this thread only; the user's
  setting is never touched.
* **Weights.** A ``Pipeline`` cannot hand weights to its last step unless that step requests them;
  :func:`fit_weighted` makes that request on the user's behalf, on a clone.
* **Scores.** :func:`positive_scores` reads the score of the positive class off any binary classifier,
  :func:`predicted_amounts` the predictions off any regressor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from sklearn import config_context, get_config
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, get_routing_for_object
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from fairsk._core.messages import list_labels, show
from fairsk._core.texts import per_column
from fairsk._core.typing import Floats
from fairsk._sklearn.compat import num_samples, own_requests, request_lastingly
from fairsk._sklearn.rows import take_fit_params, take_rows

__all__ = [
    "RESPONSES",
    "ResponseMethod",
    "ScoreMethod",
    "asks_for",
    "call",
    "check_frozen",
    "class_scores",
    "fit_weighted",
    "metadata_for",
    "positive_scores",
    "predicted_amounts",
    "response_of",
    "share_metadata",
]

#: Where the scores of a classifier come from; ``"auto"`` takes the first of the two that it has.
ResponseMethod: TypeAlias = Literal["auto", "predict_proba", "decision_function"]
#: The same, or what a regressor predicts.
ScoreMethod: TypeAlias = Literal["auto", "predict_proba", "decision_function", "predict"]

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
    except NotImplementedError:
        # What scikit-learn's meta-estimators without routing, such as AdaBoost, raise: they pass nothing on.
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
        except NotImplementedError:
            # The same from a step inside: it can be handed nothing, and so it asks for nothing. To fail here
            # would refuse every pipeline with such a step, although it needs no metadata.
            return False


def call(estimator: Any, method: str, *args: Any, **metadata: Any) -> Any:
    """Call a method with those metadata that the estimator, or a step inside it, asks for."""
    wanted = {k: v for k, v in metadata.items() if v is not None and asks_for(estimator, method, k)}
    if not wanted:
        return getattr(estimator, method)(*args)
    with config_context(enable_metadata_routing=True):
        return getattr(estimator, method)(*args, **wanted)


def metadata_for(consumer: Any, method: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return those metadata that a consumer asks for, such as a splitter, by the names of its parameters."""
    wanted = {name: value for name, value in metadata.items() if asks_for(consumer, method, name)}
    if not wanted:
        return {}
    mapping = MethodMapping().add(caller="fit", callee=method)
    router = MetadataRouter(owner="fit").add(consumer=consumer, method_mapping=mapping)
    with config_context(enable_metadata_routing=True):
        return dict(router.route_params(caller="fit", params=wanted)["consumer"][method])


def share_metadata(
    params: Mapping[str, Any], estimator: Any, splitter: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Share out what else was passed to ``fit``, between the inner estimator and the splitter.

    What the splitter asks for, such as the ``groups`` of a ``GroupKFold``, goes there, and to the estimator
    only if it takes that too. The estimator gets everything else, whether it asks or not.

    Returns
    -------
    tuple of two dicts
        For ``estimator.fit``, and for ``splitter.split``.
    """
    routed = metadata_for(splitter, "split", params)
    taken = {name for name in params if asks_for(splitter, "split", name)}
    by_signature = not _routing_enabled() and estimator is not None

    def takes(name: str) -> bool:
        return asks_for(estimator, "fit", name) or (by_signature and has_fit_parameter(estimator, name))

    return {name: value for name, value in params.items() if name not in taken or takes(name)}, routed


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


def _declines_weights(estimator: Any) -> bool:
    """Whether the user said of a final estimator that it gets no weights, by a request of False."""
    if isinstance(estimator, Pipeline):
        return _declines_weights(estimator.steps[-1][1])
    if own_requests(estimator, "fit").get("sample_weight") is False:
        return True
    return _is_router(estimator) and any(map(_declines_weights, _children(estimator)))


def check_frozen(estimator: FrozenEstimator, *, classifier: bool = True) -> None:
    """Refuse a frozen estimator that was never fitted, or is no classifier where one is needed.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    ValueError
        If it has no classes.
    """
    if classifier and hasattr(estimator, "classes_"):
        return
    inner = type(estimator.estimator).__name__
    try:
        check_is_fitted(estimator.estimator)
    except NotFittedError:
        raise NotFittedError(
            f"The {inner} inside FrozenEstimator is not fitted: fit it, to other rows than these, before you "
            "freeze it; or leave out FrozenEstimator."
        ) from None
    if classifier:
        raise ValueError(f"The {inner} inside FrozenEstimator has no classes_: it must be a classifier.")


def fit_weighted(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Floats | None,
    *,
    needs_weights: bool = False,
    random_state: Any = None,
    sensitive_features: Any = None,
    **fit_params: Any,
) -> Any:
    """Fit an estimator with weights, in either routing mode, without the user requesting anything.

    In a pipeline the weights reach the last step, through nested pipelines and meta-estimators. An
    estimator that takes no weights is fitted on rows drawn with probability proportional to them. One of
    which the user said that it gets none, ``set_fit_request(sample_weight=False)``, is fitted without.

    Parameters
    ----------
    estimator : estimator
        A clone that belongs to the caller: weight requests are set on it and on its inner estimators.
    X, y : array-like
        Training data.
    sample_weight : array of shape (n_samples,) or None
        The weights; None fits without.
    needs_weights : bool, default=False
        Whether fitting without the weights is pointless.
    random_state : int, RandomState instance or None
        Draws the rows, if it must.
    sensitive_features : array-like, optional
        Passed on to those that ask for it.
    **fit_params
        Passed on as they are.

    Raises
    ------
    ValueError
        If weights cannot be handed to everything inside, or are needed and cannot have any effect.
    NotFittedError
        If the estimator is frozen and was never fitted.
    """
    if isinstance(estimator, FrozenEstimator):
        check_frozen(estimator)
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
        declines = _declines_weights(estimator)
        if takes and (router or not declines):
            fit_params["sample_weight"] = sample_weight
        elif needs_weights and (declines or isinstance(estimator, FrozenEstimator)):
            why = (
                "it (or a step inside it) says set_fit_request(sample_weight=False). Take that back"
                if declines
                else "it is not fitted again. Wrap the estimator without freezing it"
            )
            raise ValueError(f"Weights cannot change {type(estimator).__name__}: {why}.")
        elif not declines and not isinstance(estimator, FrozenEstimator):
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


def response_of(estimator: Any, response_method: ScoreMethod) -> str | None:
    """Return the response method that scores come from, None if the estimator lacks it."""
    methods = ("predict_proba", "decision_function") if response_method == "auto" else (response_method,)
    return next((method for method in methods if hasattr(estimator, method)), None)


def positive_scores(
    estimator: Any,
    X: Any,
    response_method: ScoreMethod,
    positive: Any,
    sensitive_features: Any = None,
    *,
    may_be_missing: bool = False,
) -> Floats:
    """Return a score per row that grows with the chance of the positive class.

    Parameters
    ----------
    estimator : fitted classifier, or regressor
        Has ``classes_`` and at least one response method; a regressor need not have them.
    X : array-like
        Rows.
    response_method : {"auto", "predict_proba", "decision_function", "predict"}
        What to ask it for; ``"auto"`` takes the first of the next two that it has. ``"predict"`` is for a
        regressor, whose predictions are scores as they are.
    positive : label
        The positive class.
    sensitive_features : array-like, optional
        Passed on if the estimator asks for it.
    may_be_missing : bool, default=False
        Whether NaN is accepted: a row that the estimator gives no answer to.
    """
    method = _require_response(estimator, response_method)
    scores = np.asarray(call(estimator, method, X, sensitive_features=sensitive_features), dtype=float)
    if method == "predict":
        return _amounts(estimator, X, scores)
    classes = np.asarray(estimator.classes_).tolist()
    if positive not in classes:
        raise ValueError(
            f"{type(estimator).__name__} knows the classes {classes} only, and cannot score {positive!r}: "
            "were there rows of every class among those that it was fitted to?"
        )
    n_classes, position = len(classes), classes.index(positive)
    n_rows = num_samples(X)
    if method == "decision_function" and scores.shape in ((n_rows,), (n_rows, 1)):
        scores = scores.ravel() if position == 1 else -scores.ravel()
    elif scores.shape == (n_rows, n_classes):
        scores = scores[:, position]
    else:
        raise ValueError(
            f"{type(estimator).__name__}.{method} returned an array of shape {scores.shape} for "
            f"{n_rows} rows and {n_classes} classes."
            f"{per_column(X, None, scores.shape, n_rows)}"
        )
    if np.isinf(scores).any() or (np.isnan(scores).any() and not may_be_missing):
        raise ValueError(f"{type(estimator).__name__}.{method} returned NaN or infinite scores.")
    return scores


def _amounts(estimator: Any, X: Any, predicted: Floats) -> Floats:
    """Return the predictions of a regressor, one finite number per row."""
    n_rows = num_samples(X)
    if predicted.shape not in ((n_rows,), (n_rows, 1)):
        raise ValueError(
            f"{type(estimator).__name__}.predict returned an array of shape {predicted.shape} for {n_rows} "
            f"rows: it must return a number per row.{per_column(X, None, predicted.shape, n_rows)}"
        )
    if not np.isfinite(predicted).all():
        raise ValueError(f"{type(estimator).__name__}.predict returned NaN or infinite numbers.")
    return predicted.ravel()


def class_scores(
    estimator: Any,
    X: Any,
    response_method: ScoreMethod,
    classes: Sequence[Any],
    sensitive_features: Any = None,
) -> Floats:
    """Return a score per row and class that grows with the chance of the class.

    Parameters
    ----------
    estimator : fitted classifier
        Has ``classes_`` and at least one response method.
    X : array-like
        Rows.
    response_method : {"auto", "predict_proba", "decision_function"}
        What to ask it for; ``"auto"`` takes the first one that it has.
    classes : sequence of labels
        Three classes or more, in the order in which their scores are wanted.
    sensitive_features : array-like, optional
        Passed on if the estimator asks for it.

    Returns
    -------
    array of shape (n_samples, n_classes)
        The scores.
    """
    method = _require_response(estimator, response_method)
    scores = np.asarray(call(estimator, method, X, sensitive_features=sensitive_features), dtype=float)
    known = np.asarray(estimator.classes_).tolist()
    unknown = [label for label in classes if label not in known]
    if unknown:
        raise ValueError(
            f"{type(estimator).__name__} knows the classes {list_labels(known)} only, and cannot score "
            f"{list_labels(unknown)}: were there rows of every class among those that it was fitted to?"
        )
    n_rows = num_samples(X)
    if scores.shape != (n_rows, len(known)):
        raise ValueError(
            f"{type(estimator).__name__}.{method} returned an array of shape {scores.shape} for "
            f"{n_rows} rows and {len(known)} classes."
            f"{per_column(X, None, scores.shape, n_rows)}"
        )
    if not np.isfinite(scores).all():
        raise ValueError(f"{type(estimator).__name__}.{method} returned NaN or infinite scores.")
    return scores[:, [known.index(label) for label in classes]]


def predicted_amounts(estimator: Any, X: Any, sensitive_features: Any = None) -> Floats:
    """Return what a regressor predicts: one finite number per row.

    Parameters
    ----------
    estimator : fitted regressor
        Has ``predict``.
    X : array-like
        Rows.
    sensitive_features : array-like, optional
        Passed on if the estimator asks for it.

    Returns
    -------
    array of shape (n_samples,)
        The amounts.
    """
    predicted = np.asarray(call(estimator, "predict", X, sensitive_features=sensitive_features))
    name, n_rows = type(estimator).__name__, num_samples(X)
    if predicted.shape not in ((n_rows,), (n_rows, 1)):
        raise ValueError(
            f"{name}.predict returned an array of shape {predicted.shape} for {n_rows} rows: one amount per "
            f"row is needed.{per_column(X, None, predicted.shape, n_rows)}"
        )
    try:
        amounts = predicted.ravel().astype(float)
    except (TypeError, ValueError):
        raise ValueError(f"{name}.predict returned no numbers, but {show(predicted.flat[0])}.") from None
    if not np.isfinite(amounts).all():
        raise ValueError(f"{name}.predict returned NaN or infinite amounts.")
    return amounts


def _require_response(estimator: Any, response_method: ScoreMethod) -> str:
    """Return the response method that scores come from; refuse an estimator that lacks it."""
    method = response_of(estimator, response_method)
    if method is None:
        wanted = "predict_proba, decision_function" if response_method == "auto" else response_method
        raise ValueError(f"{type(estimator).__name__} has none of the methods {wanted}.")
    return method
