"""Factorized columns: the distinct values, and an integer code per row, the value's position among them.

Sorting a million texts takes seconds; hashing them takes a tenth of one, and a dataframe library that
hashes its columns itself a hundredth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from fairsk._core.typing import Bools, Ints

__all__ = [
    "Coded",
    "category_order",
    "code_array",
    "code_in_order",
    "code_series",
    "distinct_numbers",
    "is_missing",
]


@dataclass(frozen=True)
class Coded:
    """A column by its distinct values and every row's position among them.

    Values are Python objects. All that is missing (None, NaN, NA) may be several values, or one. They are in
    no particular order, unless ``is_ordered`` says that they have one of their own, as the categories of an
    ordered column do: groups keep that, and are sorted otherwise.
    """

    values: list[Any]
    codes: Ints
    is_ordered: bool = False

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Ints) -> Coded:
        return Coded(self.values, self.codes[rows], self.is_ordered)

    def equals(self, value: Any) -> Bools:
        """Return which rows hold a value."""
        return np.array([bool(each == value) for each in self.values], dtype=bool)[self.codes]

    def to_array(self) -> NDArray[Any]:
        """Return the rows' values."""
        values = np.empty(len(self.values), dtype=object)
        values[:] = self.values
        return values[self.codes]


def code_array(column: NDArray[Any]) -> Coded:
    """Code an array of any kind.

    Raises
    ------
    TypeError
        If a value is not hashable.
    """
    if column.dtype.kind in "biuf":
        values, codes = distinct_numbers(column)
        return Coded(values.tolist(), codes)
    if column.dtype.kind == "M":
        column = column.astype("datetime64[us]")  # of nanoseconds, tolist() makes integers
    rows, position = column.tolist(), _Positions()
    codes = np.fromiter(map(position.__getitem__, rows), np.intp, len(rows))
    scalars = np.str_ | np.number | np.bool_  # in an array of objects these stay what they are
    return Coded([value.item() if isinstance(value, scalars) else value for value in position], codes)


class _Positions(dict[Any, int]):
    """A dictionary that numbers its keys in the order of their first look-up: one pass finds and codes."""

    def __missing__(self, value: Any) -> int:
        self[value] = number = len(self)
        return number


def distinct_numbers(column: NDArray[Any]) -> tuple[NDArray[Any], Ints]:
    """Return the sorted distinct numbers of an array, and every row's position among them."""
    if column.dtype.kind == "b":
        column = column.view(np.uint8)
        numbers, codes = distinct_numbers(column)
        return numbers.astype(bool), codes
    if column.dtype.kind in "iu" and len(column):
        low, high = int(column.min()), int(column.max())
        if high - low < max(1024, len(column)):  # counting beats sorting
            # Small integers are widened first: 127 - (-128) does not fit into 8 bits.
            wide = column if column.dtype.kind == "u" else column.astype(np.int64)
            offsets = (wide - wide.dtype.type(low)).astype(np.intp)
            places = np.flatnonzero(np.bincount(offsets))
            numbers = (places.astype(wide.dtype) + wide.dtype.type(low)).astype(column.dtype)
            if len(places) == high - low + 1:
                return numbers, offsets
            position = np.zeros(high - low + 1, dtype=np.intp)
            position[places] = np.arange(len(places))
            return numbers, position[offsets]
    numbers, codes = np.unique(column, return_inverse=True)
    return numbers, codes.astype(np.intp, copy=False)


def code_series(series: nw.Series[Any]) -> Coded:
    """Code a column of a frame, by the hashing of its library where there is one."""
    coded, order = _code_series(series), category_order(series)
    return coded if order is None else _put_in_order(coded, order)


def _code_series(series: nw.Series[Any]) -> Coded:
    native: Any = series.to_native()
    if series.implementation.is_pandas():
        codes, values = native.factorize()
        return _with_missing(values.tolist(), np.asarray(codes, dtype=np.intp))
    is_text = series.dtype in (nw.String, nw.Categorical, nw.Enum)
    if series.implementation.is_pyarrow() and is_text:
        whole = native.combine_chunks()
        encoded = whole if hasattr(whole, "dictionary") else whole.dictionary_encode()
        return _with_missing(
            encoded.dictionary.to_pylist(), encoded.indices.fill_null(-1).to_numpy().astype(np.intp)
        )
    if series.implementation.is_polars() and is_text:
        category = series.cast(nw.Categorical) if series.dtype == nw.String else series
        keys: Any = category.to_native().to_physical().cast(int).fill_null(-1)
        numbers, codes = distinct_numbers(keys.to_numpy())
        first = np.empty(len(numbers), dtype=np.intp)
        first[codes] = np.arange(len(codes))
        return Coded([native[int(row)] for row in first], codes)
    rows = np.empty(len(series), dtype=object)
    rows[:] = series.to_list()
    return code_array(rows)


def category_order(series: nw.Series[Any]) -> list[Any] | None:
    """Return the categories of an ordered column, used or not, in their order; None for any other column.

    These are ordered categoricals of pandas, enumerations of polars and ordered dictionaries of pyarrow,
    those inside of pandas among them. A plain categorical of polars has no order.
    """
    native: Any = series.to_native()
    kind = getattr(native, "dtype", None)
    if series.implementation.is_pandas() and getattr(kind, "ordered", False):
        return native.cat.categories.tolist()
    if series.implementation.is_polars() and series.dtype == nw.Enum:
        return native.dtype.categories.to_list()
    if getattr(getattr(kind, "pyarrow_dtype", None), "ordered", False):
        native = native.array.__arrow_array__()
    if getattr(getattr(native, "type", None), "ordered", False):
        whole = native.combine_chunks() if hasattr(native, "combine_chunks") else native
        return whole.dictionary.to_pylist()
    return None


def code_in_order(column: NDArray[Any], order: Sequence[Any]) -> Coded:
    """Code an array whose values have an order; if it holds any other value, it has none."""
    return _put_in_order(code_array(column), order)


def _put_in_order(coded: Coded, order: Sequence[Any]) -> Coded:
    position = {value: i for i, value in enumerate(order)}
    if not all(value in position for value in coded.values if not is_missing(value)):
        return coded
    # What is missing comes last; NaN is not equal to itself, so that it is placed by its turn.
    places, values = [], list(order)
    for value in coded.values:
        places.append(len(values) if is_missing(value) else position[value])
        if is_missing(value):
            values.append(value)
    return Coded(values, np.array(places, dtype=np.intp)[coded.codes], is_ordered=True)


def _with_missing(values: list[Any], codes: Ints) -> Coded:
    """Let the code -1 stand for one more value, None."""
    missing = codes < 0
    if missing.any():
        return Coded([*values, None], np.where(missing, len(values), codes))
    return Coded(values, codes)


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, NaT or NA."""
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas.NA refuses to be a boolean
        return True
