"""Private scikit-learn names under public ones: the only module that imports or reads them.

What fairsk relies on of each is pinned by ``tests/test_compat.py``, which says what broke when a new version
of scikit-learn changes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from sklearn.base import _fit_context
from sklearn.metrics._scorer import _BaseScorer, _cached_call
from sklearn.utils import _safe_indexing
from sklearn.utils._metadata_requests import SIMPLE_METHODS, MethodMetadataRequest
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.validation import _check_feature_names, _check_n_features, _num_samples

__all__ = [
    "BaseScorer",
    "HasMethods",
    "Interval",
    "LastingRequest",
    "ScorerParts",
    "StrOptions",
    "cached_call",
    "check_feature_names",
    "check_n_features",
    "fit_context",
    "is_regression_metric",
    "num_samples",
    "own_requests",
    "request_lastingly",
    "safe_indexing",
    "score_by",
    "scorer_parts",
    "validate_parameters",
]

Method = TypeVar("Method", bound=Callable[..., Any])

BaseScorer = _BaseScorer
cached_call = _cached_call
check_feature_names = _check_feature_names
check_n_features = _check_n_features
num_samples: Callable[[Any], int] = _num_samples
safe_indexing = _safe_indexing
validate_parameters: Callable[[dict[str, Any], dict[str, Any], str], None] = validate_parameter_constraints


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Method], Method]:
    """Return the decorator of ``fit`` that validates parameters; the method keeps its type."""
    return _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)


class ScorerParts(NamedTuple):
    """What a scorer of scikit-learn is made of: greater is better after ``sign``."""

    function: Callable[..., float]
    sign: int
    options: dict[str, Any]
    response_method: Any


def scorer_parts(scorer: Any) -> ScorerParts:
    """Take apart a scorer made by ``make_scorer``."""
    return ScorerParts(scorer._score_func, scorer._sign, dict(scorer._kwargs), scorer._response_method)


def score_by(
    scorer: Any, respond: Callable[..., Any], estimator: Any, X: Any, y_true: Any, **weights: Any
) -> float:
    """Return a scorer's score; ``respond(estimator, method, X, pos_label=)`` shares predictions."""
    return float(scorer._score(respond, estimator, X, y_true, **weights))


def is_regression_metric(function: Callable[..., Any]) -> bool:
    """Whether it is one of scikit-learn's metrics of amounts, which subtract labels from predictions."""
    return getattr(function, "__module__", "") == "sklearn.metrics._regression"


def own_requests(estimator: Any, method: str) -> dict[str, Any]:
    """Return the metadata that an estimator itself can request for a method, with what it requests.

    Parameters
    ----------
    estimator : estimator
        Need not have any requests.
    method : str
        Such as ``"fit"``.

    Returns
    -------
    dict
        By the name of the metadata True, False, None (not said) or an alias.
    """
    request = getattr(estimator, "_get_metadata_request", None)
    return getattr(request(), method).requests if request is not None else {}


def request_lastingly(estimator: Any, method: str, **requests: Any) -> None:
    """Set requests of an estimator's method, so that they outlive the session (:class:`LastingRequest`)."""
    getattr(estimator, f"set_{method}_request")(**requests)
    estimator._metadata_request = LastingRequest.of(estimator._metadata_request)


class LastingRequest(MetadataRequest):
    """Metadata requests that can be loaded in a session where more methods request metadata.

    imbalanced-learn adds a method to those of scikit-learn when it is imported. scikit-learn's own requests
    fail in a session with more methods than the one (such as a worker process) that they were made in.
    """

    @classmethod
    def of(cls, request: MetadataRequest) -> LastingRequest:
        """Copy scikit-learn's requests."""
        lasting = cls(owner=request.owner)
        for method in SIMPLE_METHODS:  # looked up on every call: imbalanced-learn extends this list
            requests = dict(getattr(request, method).requests)
            setattr(lasting, method, MethodMetadataRequest(request.owner, method, requests))
        return lasting

    def __sklearn_clone__(self) -> LastingRequest:
        return self.of(self)

    def __getattr__(self, name: str) -> Any:
        if name in SIMPLE_METHODS and "owner" in vars(self):
            return MethodMetadataRequest(self.owner, name)
        return super().__getattr__(name)
