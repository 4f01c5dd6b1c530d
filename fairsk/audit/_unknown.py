"""Unknown groups: rows whose value of an attribute is missing are a group of that name, and no error."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairsk._core.columns import SensitiveColumns
from fairsk._core.factorize import Coded, code_array, is_missing
from fairsk._core.policy import refuse_measurements

__all__ = ["UNKNOWN", "group_value", "is_known", "with_unknown"]

#: The group of rows whose value of an attribute is missing; a text of that name is the same thing.
UNKNOWN = "(unknown)"


def with_unknown(columns: SensitiveColumns) -> SensitiveColumns:
    """Return columns in which what is missing is :data:`UNKNOWN`, and every value is fit for JSON.

    Dates, intervals and the like become their text. Whole numbers that missing values have made floats, as
    pandas does, are whole again.

    Parameters
    ----------
    columns : SensitiveColumns
        The attribute of some rows.

    Raises
    ------
    ValueError
        If a column with missing values looks continuous, as others are refused when they are encoded.
    """
    pairs = zip(columns.names, columns.columns, strict=True)
    return SensitiveColumns(columns.names, tuple(_complete(name, column) for name, column in pairs))


def _complete(name: str, column: NDArray[Any] | Coded) -> NDArray[Any] | Coded:
    if isinstance(column, np.ndarray) and (
        column.dtype.kind in "biu" or (column.dtype.kind == "f" and np.isfinite(column).all())
    ):
        return column
    try:
        coded = column if isinstance(column, Coded) else code_array(column)
    except TypeError:  # unhashable: refused, with the column's name, where groups are encoded
        return column
    used = np.bincount(coded.codes, minlength=len(coded.values)) > 0
    missing = np.array([is_missing(value) for value in coded.values], dtype=bool)
    known = [value for value, no, yes in zip(coded.values, missing, used, strict=True) if yes and not no]
    lacking = bool((missing & used).any())
    if lacking:
        refuse_measurements(name, known)  # the text among them would hide that the others are numbers
    whole = lacking and all(isinstance(value, float) and value % 1 == 0 for value in known)
    position: dict[Hashable, int] = {}
    places = np.zeros(len(coded.values), dtype=np.intp)
    # Values first, in their order, so that an ordered column ends with what is unknown.
    for i in [*np.flatnonzero(~missing), *np.flatnonzero(missing)]:
        value = group_value(coded.values[i], whole=whole)
        if used[i] or not missing[i]:
            places[i] = position.setdefault(value, len(position))
    return Coded(list(position), places[coded.codes], coded.is_ordered)


def group_value(value: Any, *, whole: bool = False) -> Hashable:
    """Return a value of an attribute as reports hold it: text, a number, or :data:`UNKNOWN`.

    Parameters
    ----------
    value : object
        As it came.
    whole : bool, default=False
        Whether floats are to be whole numbers.
    """
    if is_missing(value):
        return UNKNOWN
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if whole else value
    if isinstance(value, bool | int):
        return value
    # Half of a surrogate pair is no character, and no file can hold it.
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def is_known(label: Hashable) -> bool:
    """Whether no part of a group's label is :data:`UNKNOWN`."""
    return UNKNOWN not in (label if isinstance(label, tuple) else (label,))
