"""Rows of any container: indexing and validation of X and y, as scikit-learn does it, without conversion."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite, column_or_1d, indexable
from sklearn.utils.multiclass import check_classification_targets

from fairsk._core.columns import column_of, pyarrow_rows
from fairsk._core.factorize import Coded, is_missing
from fairsk._core.typing import Ints
from fairsk._sklearn.compat import check_feature_names, check_n_features, num_samples, safe_indexing

__all__ = ["check_rows", "check_same_features", "label_array", "take_fit_params", "take_rows"]


def take_rows(data: Any, rows: Ints) -> Any:
    """Index the rows of an array, frame, list or sparse matrix; None stays None."""
    if data is None:
        return None
    taken = pyarrow_rows(data, rows)  # scikit-learn 1.6 cannot index these
    return safe_indexing(data, rows) if taken is None else taken


def label_array(y: Any, *, warn: bool = False) -> NDArray[Any]:
    """Return labels of any container as a 1-D array: a column counts as such, missing labels are refused.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, 1)
        The labels: an array, list, series, or a frame of one column.
    warn : bool, default=False
        Whether to warn of a column, as scikit-learn does in ``fit``.

    Raises
    ------
    ValueError
        If labels are missing, by whatever sign their container has for that, or have several columns.
    """
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    if np.ma.isMaskedArray(y) and np.ma.is_masked(y):  # NumPy's conversions drop the mask
        raise ValueError(f"y has missing labels: {np.ma.count_masked(y)} are masked. Drop those rows.")
    native = nw.from_native(y, pass_through=True, allow_series=True)
    if isinstance(native, nw.DataFrame) and native.shape[1] == 1:
        labels = column_or_1d(_series_labels(native[:, 0]).reshape(-1, 1), warn=warn)
    elif isinstance(native, nw.Series):
        labels = _series_labels(native)
    else:
        labels = column_or_1d(y, warn=warn)
    assert_all_finite(labels, input_name="y")  # of objects it finds NaN, but not None
    return _unboxed(labels) if labels.dtype.kind == "O" else labels


def _series_labels(series: nw.Series[Any]) -> NDArray[Any]:
    values = column_of(series)
    return values.to_array() if isinstance(values, Coded) else values


def _unboxed(labels: NDArray[Any]) -> NDArray[Any]:
    """Return objects that are all numbers or booleans as an array of those; missing ones are refused."""
    kinds = {type(label): label for label in labels}
    if any(map(is_missing, kinds.values())):
        raise ValueError("Input y contains NaN, None or NA: labels are missing. Drop those rows.")
    is_plain = all(issubclass(kind, bool | int | float | np.number | np.bool_) for kind in kinds)
    return np.array(labels.tolist()) if kinds and is_plain else labels


def check_rows(X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
    """Return X made indexable but not converted, and the labels as a 1-D array without missing ones."""
    labels = label_array(y, warn=True)
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
