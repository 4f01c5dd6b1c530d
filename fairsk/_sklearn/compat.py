"""Private scikit-learn names under public ones: the only module that imports them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
from sklearn.utils.validation import _check_feature_names, _check_n_features, _num_samples

__all__ = [
    "BaseScorer",
    "HasMethods",
    "Interval",
    "MethodMetadataRequest",
    "StrOptions",
    "cached_call",
    "check_feature_names",
    "check_n_features",
    "fit_context",
    "num_samples",
    "safe_indexing",
    "simple_methods",
    "validate_parameters",
]

BaseScorer = _BaseScorer
cached_call = _cached_call
check_feature_names = _check_feature_names
check_n_features = _check_n_features
fit_context = _fit_context
num_samples: Callable[[Any], int] = _num_samples
safe_indexing = _safe_indexing
validate_parameters: Callable[[dict[str, Any], dict[str, Any], str], None] = validate_parameter_constraints


def simple_methods() -> tuple[str, ...]:
    """Return the methods that can request metadata; imbalanced-learn adds one when it is imported."""
    return tuple(SIMPLE_METHODS)
