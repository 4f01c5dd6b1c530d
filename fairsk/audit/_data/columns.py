"""Columns of a data set: missing values, groups, and coarse bins."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairsk._core.columns import SensitiveColumns, all_columns, single_column
from fairsk._core.factorize import Coded, code_array, is_missing
from fairsk._core.groups import MISSING, Grouping, encode_groups
from fairsk._core.typing import Bools, Floats, Ints

__all__ = [
    "Bins",
    "Column",
    "bin_column",
    "is_free_text",
    "is_texts",
    "is_unknown",
    "label_rows",
    "missing_rows",
    "name_groups",
    "read_columns",
    "same_values",
]

#: Numbers fall into at most this many bins.
_MOST_BINS = 32
#: Texts with so many words, or characters where a script has no blanks, are sentences and not names of kinds.
_FEWEST_WORDS, _FEWEST_CHARACTERS = 4, 40
#: Of more distinct texts than this, or as many as half of the rows have, none is a kind of its own.
_MOST_KINDS = 100
#: A column of labels with more distinct numbers than this is a measurement.
_MOST_LABELS = 20

Column = NDArray[Any] | Coded


def is_texts(frame: Any) -> bool:
    """Whether these are texts, one per row, in a list, a series or an array, and no table."""
    if isinstance(frame, list | tuple):
        return bool(frame) and all(isinstance(value, str) or is_missing(value) for value in frame)
    if getattr(frame, "ndim", len(getattr(frame, "shape", ()))) != 1 or not len(frame):
        return False
    values = frame.to_list() if hasattr(frame, "to_list") else frame.tolist()
    return all(isinstance(value, str) or is_missing(value) for value in values)


def read_columns(frame: Any) -> SensitiveColumns:
    """Return all columns of a frame or 2-D array, read by the rules that hold for sensitive ones.

    Texts are a table of one column.
    """
    if is_texts(frame):
        name = str(getattr(frame, "name", None) or "text")
        column = single_column(np.array(frame, dtype=object) if isinstance(frame, list | tuple) else frame)
        return SensitiveColumns((name,), (column,))
    if isinstance(frame, list | tuple):
        frame = np.asarray(frame)
    if isinstance(frame, Iterator):
        raise TypeError(
            "The audit needs all rows, and this is an iterator: collect the rows, or count texts that come "
            "in batches, CorpusCounts.from_texts(...), and audit the counts."
        )
    if not hasattr(frame, "shape"):
        raise TypeError(
            f"The audit needs the rows, as a frame or a 2-D array; got {type(frame).__name__}. Collect a "
            "lazy frame first."
        )
    if len(frame.shape) != 2:
        raise ValueError(
            f"The audit needs a table, a frame or a 2-D array; this is {len(frame.shape)}-D. Of one column "
            "alone make one by values.to_frame() or values.reshape(-1, 1)."
        )
    if 0 in frame.shape:
        raise ValueError("The table has {} rows and {} columns: nothing to audit.".format(*frame.shape))
    return all_columns(frame)


def is_free_text(column: Column) -> bool:
    """Whether a column holds texts that people wrote, and not the names of a few kinds of rows."""
    if isinstance(column, np.ndarray) and column.dtype.kind not in "OUS":
        return False
    coded = _code(column)
    texts = [value for value in coded.values if isinstance(value, str)]
    n_missing = sum(map(is_missing, coded.values))
    if not texts or len(texts) + n_missing < len(coded.values):
        return False
    if len(texts) <= min(_MOST_KINDS, len(coded) / 2):
        return False
    many_words = float(np.mean([len(text.split()) for text in texts])) >= _FEWEST_WORDS
    return many_words or float(np.mean(list(map(len, texts)))) >= _FEWEST_CHARACTERS


def missing_rows(column: Column) -> Bools:
    """Return which rows are None, NaN, NaT or NA."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "biuf":
        return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), dtype=bool)
    coded = _code(column)
    is_absent = np.array([is_missing(value) for value in coded.values], dtype=bool)
    return is_absent[coded.codes]


def _code(column: Column) -> Coded:
    """Return the distinct values of a column; of values that cannot be hashed, their text."""
    if isinstance(column, Coded):
        return column
    try:
        return code_array(column)
    except TypeError:
        return code_array(np.array([None if v is None else repr(v) for v in column], dtype=object))


def same_values(first: Column, second: Column) -> bool:
    """Whether two columns hold the same values, row by row, and more than one of them."""
    first_coded, second_coded = _code(first), _code(second)
    position = {value: i for i, value in enumerate(second_coded.values)}
    recode = np.array([position.get(value, -1) for value in first_coded.values], dtype=np.intp)
    return np.array_equal(recode[first_coded.codes], second_coded.codes) and bool(np.ptp(second_coded.codes))


def name_groups(sensitive: SensitiveColumns) -> Grouping:
    """Assign rows to groups, those with a missing value to one that is called "(missing)"."""
    columns = tuple(
        _name_missing(_code(column)) if missing_rows(column).any() else column for column in sensitive.columns
    )
    return encode_groups(SensitiveColumns(sensitive.names, columns))


def _name_missing(coded: Coded) -> Coded:
    present = [value for value in coded.values if not is_missing(value)]
    # Whole numbers with gaps arrive as 1.0, 2.0, nan; their names are 1 and 2.
    whole = all(isinstance(value, float) and value.is_integer() for value in present)
    values = [MISSING if is_missing(v) else int(v) if whole else v for v in coded.values]
    position = {value: i for i, value in enumerate(dict.fromkeys(values))}
    recode = np.array([position[value] for value in values], dtype=np.intp)
    return Coded(list(position), recode[coded.codes], coded.is_ordered)


def is_unknown(group: Hashable) -> bool:
    """Whether a group (or a part of an intersection) is the one of missing values."""
    return MISSING in group if isinstance(group, tuple) else group == MISSING


def label_rows(name: str, column: Column) -> Grouping:
    """Return the distinct labels and every row's position among them.

    Raises
    ------
    ValueError
        If the labels look like measurements.
    """
    coded = _code(column)
    used = np.bincount(coded.codes, minlength=len(coded.values))
    distinct: list[Hashable] = [v for v, count in zip(coded.values, used, strict=True) if count]
    numbers = [value for value in distinct if isinstance(value, int | float)]
    if len(numbers) == len(distinct) and (
        len(numbers) > _MOST_LABELS or any(isinstance(v, float) and v % 1 for v in numbers)
    ):
        raise ValueError(
            f"{name} has {len(numbers)} distinct numbers, such as {numbers[0]}: the audit compares labels. "
            "Bin it first, for example y=frame['income'] > 50_000."
        )
    return encode_groups(SensitiveColumns((name,), (coded,)))


@dataclass(frozen=True, eq=False)
class Bins:
    """A column in coarse codes.

    Parameters
    ----------
    codes : array of shape (n_samples,)
        The bin of each row, from 0. Missing values have a bin of their own.
    n_bins : int
        How many bins there are.
    ordered : bool
        Whether bins are ranges of numbers, in their order; else they are values, the most frequent first.
    """

    codes: Ints
    n_bins: int
    ordered: bool


def bin_column(column: Column) -> Bins:
    """Sort the values of a column into bins, of about equally many rows each if they are numbers."""
    numbers = _numbers(column)
    if numbers is None:
        coded = _code(column)
        ranks = np.empty(len(coded.values), dtype=np.intp)
        frequency = np.bincount(coded.codes, minlength=len(coded.values))
        ranks[np.argsort(-frequency, kind="stable")] = np.arange(len(ranks))
        return Bins(ranks[coded.codes], len(ranks), ordered=False)
    is_absent = np.isnan(numbers)
    measured = np.sort(numbers[~is_absent])
    max_bins = min(_MOST_BINS, max(2, round(len(measured) ** (1 / 3))))  # more would blur what each bin says
    edges = np.unique(measured)
    if len(edges) > max_bins:
        edges = np.unique(measured[np.arange(max_bins) * len(measured) // max_bins])
    codes = np.searchsorted(edges, numbers, side="right").astype(np.intp)
    codes[is_absent] = 0  # no other row lies below every edge
    return Bins(codes, len(edges) + 1, ordered=True)


def _numbers(column: Column) -> Floats | None:
    """Return the numbers (or times) of a column, NaN where missing; None if it holds anything else."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "iuf":
        return column.astype(float)
    if isinstance(column, np.ndarray) and column.dtype.kind == "b":
        return None
    coded = _code(column)
    is_absent = [is_missing(value) for value in coded.values]
    present = [value for value, absent in zip(coded.values, is_absent, strict=True) if not absent]
    if present and all(isinstance(value, int | float) and not isinstance(value, bool) for value in present):
        numbers = np.array(present, dtype=float)
    elif present and all(isinstance(value, date) for value in present):
        # NumPy knows no time zones: all values of a column share theirs.
        plain = [v.replace(tzinfo=None) if getattr(v, "tzinfo", None) is not None else v for v in present]
        numbers = np.array(plain, dtype="datetime64[us]").astype(float)
    else:
        return None
    values = np.full(len(is_absent), np.nan)
    values[~np.array(is_absent, dtype=bool)] = numbers
    return values[coded.codes]
