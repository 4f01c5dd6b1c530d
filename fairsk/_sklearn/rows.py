"""Rows of any container: indexing and validation of X and y, as scikit-learn does it, without conversion."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from sklearn.utils import assert_all_finite, column_or_1d, indexable
from sklearn.utils.multiclass import check_classification_targets

from fairsk._core.columns import pyarrow_rows
from fairsk._core.typing import Ints
from fairsk._sklearn.compat import check_feature_names, check_n_features, num_samples, safe_indexing

__all__ = ["check_rows", "check_same_features", "take_fit_params", "take_rows"]


def take_rows(data: Any, rows: Ints) -> Any:
    """Index the rows of an array, frame, list or sparse matrix; None stays None."""
    if data is None:
        return None
    taken = pyarrow_rows(data, rows)  # scikit-learn 1.6 cannot index these
    return safe_indexing(data, rows) if taken is None else taken


def check_rows(X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
    """Return X made indexable but not converted, and the labels as a 1-D array without missing ones."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    labels = column_or_1d(y, warn=True)
    assert_all_finite(labels, input_name="y")
    if labels.dtype.kind not in "biu":  # whole numbers always are classes; to look at all of them takes time
        check_classification_targets(labels)
    X, labels = indexable(X, labels)
    if num_samples(X) == 0:
        raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
    return X, labels


def check_same_features(estimator: Any, X: Any, *, reset: bool) -> None:
    """Record, or compare with the record, the number and names of the columns of X; texts have none."""
    if hasattr(X, "shape") and len(X.shape) == 2:
        check_feature_names(estimator, X, reset=reset)
        check_n_features(estimator, X, reset=reset)


def take_fit_params(params: dict[str, Any], rows: Ints, length: int) -> dict[str, Any]:
    """Index the rows of those fit parameters that have one value per row."""

    def take(value: Any) -> Any:
        try:
            return take_rows(value, rows) if num_samples(value) == length else value
        except TypeError:  # a scalar parameter
            return value

    return {name: take(value) for name, value in params.items()}
