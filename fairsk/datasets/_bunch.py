"""Columns as a Bunch: the features in a frame of the user's library, the labels as its named series."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
from sklearn.utils import Bunch

from fairsk._core.results import Backend
from fairsk._core.validation import check_choice

__all__ = ["make_bunch"]


def _library(backend: Backend | None) -> Backend:
    """Return the dataframe library that was asked for, or the first that is installed."""
    libraries: tuple[Backend, ...] = ("pandas", "polars", "pyarrow")
    for name in libraries if backend is None else (backend,):
        check_choice("backend", name, Backend)
        if importlib.util.find_spec(name) is not None:
            return name
    raise ImportError(
        "The data come as a dataframe, which needs pandas, polars or pyarrow: "
        'pip install "fairsk[demo]" brings pandas.'
    )


def make_bunch(
    columns: Mapping[str, Any],
    *,
    target: str,
    sensitive_features: Sequence[str],
    description: str,
    backend: Backend | None,
    return_X_y: bool,
) -> Any:
    """Return columns as scikit-learn's data sets come.

    Parameters
    ----------
    columns : mapping
        By name a list of text, or an array of numbers; the target among them.
    target : str
        The column of the labels.
    sensitive_features : sequence of str
        Columns that make groups.
    description : str
        With source and licence.
    backend : {"pandas", "polars", "pyarrow"} or None
        The library of the frame; None for the first that is installed.
    return_X_y : bool
        Whether to return the data and the labels alone.

    Returns
    -------
    Bunch or tuple
        The labels are a series named as the target; for pyarrow, which has no series that scikit-learn can
        index, an array.
    """
    library = _library(backend)
    features = {name: values for name, values in columns.items() if name != target}
    X = nw.from_dict(features, backend=library).to_native()
    labels: Any = columns[target]
    if library == "pyarrow":
        y: Any = np.array(labels, dtype=object)
    else:
        y = nw.new_series(target, labels, backend=library).to_native()
    if return_X_y:
        return X, y
    return Bunch(
        data=X,
        target=y,
        target_name=target,
        feature_names=list(features),
        sensitive_features=list(sensitive_features),
        DESCR=description,
    )
