"""Selectors: what reads the sensitive attribute off X where naming a column is not enough."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from numbers import Real
from typing import Any

import narwhals as nw
import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator

from fairsk._core.columns import SensitiveColumns, sensitive_columns
from fairsk._core.factorize import Coded, code_array, is_missing
from fairsk._core.typing import Floats, Ints

__all__ = ["AgeBands"]


class AgeBands(BaseEstimator):
    """Bin an age, or any other number, into bands that are groups in their order.

    An instance is given as ``sensitive_features`` to an estimator, scorer or splitter. It is a callable of X,
    but unlike a lambda it can be pickled, cloned, printed and searched over, as
    ``sensitive_features__edges``. In a list with other columns, ``["sex", AgeBands([25, 40])]``, it makes an
    intersection. Called on values, it bins them.

    Parameters
    ----------
    edges : sequence of float
        Where bands begin, rising: ``[25, 40, 60]`` makes the bands under 25, 25-39, 40-59, and 60 and over.
    column : str or int, default="age"
        The column of X, by name or position; a position counts for arrays as well as frames.

    See Also
    --------
    fairsk.GroupThresholdOptimizer : Takes it as ``sensitive_features``, as all estimators and scorers do.
    fairsk.metrics.group_metrics : Takes the bands themselves, ``bands(X)``.
    pandas.cut : Makes an ordered column beforehand, whose order groups keep as well.

    Notes
    -----
    A band holds its lower edge and not its upper one. A missing age stays missing: what becomes of such rows
    is up to whoever reads the groups. Bands that no row is in are no groups. The column stays in X: an age
    may be a feature, of which the band is protected.

    Examples
    --------
    >>> import pandas as pd
    >>> from fairsk.selectors import AgeBands
    >>> bands = AgeBands([25, 40, 60])
    >>> bands
    AgeBands(edges=[25, 40, 60])
    >>> bands.labels
    ('under 25', '25-39', '40-59', '60 and over')
    >>> bands(pd.DataFrame({"age": [31, 17, 60, 39]})).tolist()
    ['25-39', 'under 25', '60 and over', '25-39']

    As a selector, and its groups in their order:

    >>> from fairsk import GroupThresholdOptimizer
    >>> from fairsk.datasets import load_german_credit
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_german_credit(return_X_y=True)
    >>> X = X.select_dtypes("number")
    >>> model = GroupThresholdOptimizer(
    ...     LogisticRegression(max_iter=1000), max_difference=0.2,
    ...     sensitive_features=AgeBands([25, 40], column="age_in_years"))
    >>> model.fit(X, y).groups_
    ('under 25', '25-39', '40 and over')
    """

    def __init__(self, edges: Sequence[float], *, column: str | int = "age") -> None:
        self.edges = edges
        self.column = column

    @property
    def labels(self) -> tuple[str, ...]:
        """What the bands are called, in their order."""
        edges = self._checked_edges()
        inner = [_between(low, high) for low, high in pairwise(edges)]
        return (f"under {edges[0]:g}", *inner, f"{edges[-1]:g} and over")

    def __call__(self, X: Any) -> Any:
        """Return the band of each row.

        Parameters
        ----------
        X : frame, array-like of shape (n_samples, n_features), mapping, or values of shape (n_samples,)
            What has the column, or the numbers themselves.

        Returns
        -------
        array-like of shape (n_samples,)
            An ordered categorical of pandas or an enumeration of polars where X is of these libraries; else
            an array of labels that knows their order where fairsk reads it.

        Raises
        ------
        ValueError
            If the edges do not rise, or the column is not in X or holds no numbers.
        TypeError
            If the edges are no numbers.
        """
        edges, labels = self._checked_edges(), self.labels
        found = sensitive_columns(X, None, X) if _is_column(X) else sensitive_columns(X, self.column)
        numbers = _as_numbers(found)
        # A number equal to an edge belongs to the band above it.
        codes = np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers, side="right"))
        return _ordered_column(X, found.names[0], codes, labels)

    def _checked_edges(self) -> list[float]:
        """Return the edges, validated."""
        edges = self.edges
        if isinstance(edges, str) or not hasattr(edges, "__len__") or not len(edges):
            raise TypeError(
                f"edges must be a list of rising numbers, such as [25, 40, 60]; got {reprlib.repr(edges)}."
            )
        if not all(isinstance(edge, Real) and not isinstance(edge, bool | np.bool_) for edge in edges):
            raise TypeError(f"edges must be numbers, such as [25, 40, 60]; got {reprlib.repr(edges)}.")
        values = [float(edge) for edge in edges]
        if not np.isfinite(values).all() or not all(low < high for low, high in pairwise(values)):
            raise ValueError(
                f"edges must be finite and rise, such as [25, 40, 60]; got {reprlib.repr(edges)}."
            )
        return values


def _between(low: float, high: float) -> str:
    """Write a band: whole numbers that are not negative by the first and last one in it."""
    if low.is_integer() and high.is_integer() and low >= 0:
        return f"{low:g}-{high - 1:g}" if high - low > 1 else f"{low:g}"
    return f"{low:g} to under {high:g}"


def _is_column(X: Any) -> bool:
    """Whether X is a column of values itself, and no table of columns."""
    wrapped = nw.from_native(X, allow_series=True, pass_through=True)
    if isinstance(wrapped, nw.DataFrame | nw.LazyFrame | Mapping) or sparse.issparse(X):
        return False
    return isinstance(wrapped, nw.Series) or np.ndim(X) == 1


def _as_numbers(sensitive: SensitiveColumns) -> Floats:
    """Return a column of numbers as floats, NaN where they are missing.

    Raises
    ------
    ValueError
        If it holds anything else.
    """
    (column,) = sensitive.columns
    if isinstance(column, np.ndarray):
        if column.dtype.kind in "iuf":
            return column.astype(float)
        column = code_array(column)
    other = [v for v in column.values if not is_missing(v) and not _is_number(v)]
    if other:
        raise ValueError(
            f"AgeBands bins numbers, but the column {sensitive.names[0]!r} holds {reprlib.repr(other[0])} "
            f"({type(other[0]).__name__}). Make it a number first, such as an age in years."
        )
    values = [np.nan if is_missing(value) else float(value) for value in column.values]
    return np.array(values, dtype=float)[column.codes]


def _is_number(value: Any) -> bool:
    return isinstance(value, Real | Decimal) and not isinstance(value, bool | np.bool_)


def _ordered_column(X: Any, name: str, codes: Ints, labels: Sequence[str]) -> Any:
    """Return ordered labels in the library of X; a code of -1 stands for a missing one."""
    wrapped = nw.from_native(X, allow_series=True, pass_through=True)
    if isinstance(wrapped, nw.DataFrame | nw.Series):
        library, native = wrapped.implementation, wrapped.implementation.to_native_namespace()
        if library.is_pandas():
            bands = native.Categorical.from_codes(codes, categories=list(labels), ordered=True)
            return native.Series(bands, index=X.index, name=name)
        if library.is_polars():
            texts = [None if code < 0 else labels[code] for code in codes]
            return native.Series(name, texts, dtype=native.Enum(labels))
        if library.is_pyarrow():
            indices = native.array(codes, mask=codes < 0)
            bands = native.DictionaryArray.from_arrays(indices, native.array(labels), ordered=True)
            return native.chunked_array([bands])
    coded = Coded([*labels, None], np.where(codes < 0, len(labels), codes), is_ordered=True)
    return SensitiveColumns((name,), (coded,)).to_metadata()
