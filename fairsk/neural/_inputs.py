"""What a net is fed: arrays, sparse matrices, or dicts of arrays, checked and cast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.validation import validate_data
from skorch.helper import SliceDict

__all__ = ["check_inputs", "rows_of"]


def rows_of(X: Any) -> Any:
    """Return X as something that has rows: a mapping of arrays becomes one dict of them, sliced together.

    Tensors become arrays, wherever they are, and of whatever precision.

    Raises
    ------
    ValueError
        If a mapping is empty, or its entries have different lengths.
    """
    if not isinstance(X, Mapping) or sparse.issparse(X):  # a dok_matrix is a dict, too
        return _from_tensor(X)
    entries = {str(name): _as_rows(name, values) for name, values in X.items()}
    if not entries:
        raise ValueError("X is an empty dict: give at least one array of inputs.")
    lengths = {name: values.shape[0] for name, values in entries.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"The entries of X have different numbers of rows: {found}.")
    return SliceDict(**entries)


def _from_tensor(values: Any) -> Any:
    if not isinstance(values, torch.Tensor):
        return values
    values = values.detach().cpu()
    return (values.float() if values.dtype is torch.bfloat16 else values).numpy()  # NumPy has no bfloat16


def _as_rows(name: Any, values: Any) -> Any:
    array = values.tocsr() if sparse.issparse(values) else np.asarray(_from_tensor(values))
    if not array.ndim:
        raise ValueError(f"The entry {name!r} of X must have one value per row, got {values!r}.")
    return array


def check_inputs(estimator: Any, X: Any, *, dtype: str, reset: bool, any_shape: bool) -> Any:
    """Return what the net is fed, and record (or compare with the record) what it looks like.

    Parameters
    ----------
    estimator : FairClassifier
        Whose ``n_features_in_`` and ``feature_names_in_``, or ``input_names_`` for a dict, are recorded.
    X : array-like, sparse matrix, or SliceDict
        The rows.
    dtype : {"float32", "float64", "int64"}
        What an array is cast to. In a dict, numbers with fractions are cast to it (to float32, if it is of
        whole numbers), whole numbers to int64, and booleans are left.
    reset : bool
        Whether to record rather than compare.
    any_shape : bool
        Whether rows may have more dimensions than one.
    """
    if reset:  # nothing is left of an earlier fit to another kind of inputs
        for name in ("input_names_", "n_features_in_", "feature_names_in_"):
            estimator.__dict__.pop(name, None)
    if not isinstance(X, Mapping) or sparse.issparse(X):
        if not reset and hasattr(estimator, "input_names_"):
            names = ", ".join(estimator.input_names_)
            raise ValueError(
                f"The net was fitted with a dict of {names}, and needs the same now; got {type(X)}."
            )
        kept = "numeric" if dtype == "int64" else dtype
        found = validate_data(estimator, X, dtype=kept, accept_sparse="csr", allow_nd=any_shape, reset=reset)
        return _whole(found) if dtype == "int64" else found
    if reset:
        estimator.input_names_ = tuple(X)
    elif set(X) != set(getattr(estimator, "input_names_", ())):
        known = getattr(estimator, "input_names_", None)
        expected = "an array" if known is None else f"the entries {', '.join(known)}"
        raise ValueError(f"The net was fitted with {expected}; X has the entries {', '.join(X)}.")
    if not len(X):
        raise ValueError("Found X with 0 rows while a minimum of 1 is required.")
    floats = "float32" if dtype == "int64" else dtype
    return {name: _cast(name, values, floats) for name, values in X.items()}


def _whole(values: Any) -> Any:
    whole = values.astype(np.int64)
    if values.dtype.kind == "f" and abs(values - whole).max() > 0:
        raise ValueError("dtype='int64' is for whole numbers, such as token ids, but X has fractions.")
    return whole


def _cast(name: str, values: Any, floats: str) -> Any:
    kind = values.dtype.kind
    if kind == "b":
        return values
    if kind in "iu" and not sparse.issparse(values):
        return values.astype(np.int64, copy=False)
    if kind not in "fiu":
        raise ValueError(f"The entry {name!r} of X must hold numbers, not {values.dtype}: encode it first.")
    held: NDArray[Any] = values.data if sparse.issparse(values) else values
    if not np.isfinite(held).all():
        raise ValueError(f"The entry {name!r} of X contains NaN or infinite values: impute or drop them.")
    return values.astype(floats, copy=False)
