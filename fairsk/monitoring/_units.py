"""Units of a batch: one decision per person, for several of the same person are no independent evidence."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairsk._core.columns import refuse_shuffled, value_columns
from fairsk._core.factorize import Coded, code_array, is_missing
from fairsk._core.messages import show
from fairsk._core.typing import Ints
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.rows import take_rows

__all__ = ["first_of_each", "one_per_unit"]


def first_of_each(
    unit: Any, y_pred: Any, sensitive_features: Any, y_true: Any, y_score: Any, strata: Any
) -> tuple[Any, ...]:
    """Return the first row of each unit of everything that has a value per row; None stays None.

    Parameters
    ----------
    unit : array-like of shape (n_samples,) or (n_samples, n_columns)
        Who each decision is about.
    y_pred, sensitive_features, y_true, y_score, strata : array-like with n_samples rows, or None
        The rows.

    Returns
    -------
    tuple of array-like
        The same five, a row per unit.

    Raises
    ------
    ValueError
        If lengths differ, pandas indexes are in different orders, or a unit is missing.
    """
    per_row = {
        "y_pred": y_pred,
        "sensitive_features": sensitive_features,
        "y_true": y_true,
        "y_score": y_score,
        "strata": strata,
    }
    refuse_shuffled(unit=unit, **per_row)
    n_samples = num_samples(y_pred)
    for name, values in per_row.items():
        if values is not None:
            value_columns(name, values, n_samples)  # of longer ones the last rows would be dropped in silence
    rows = one_per_unit(unit, n_samples)
    return tuple(take_rows(values, rows) for values in per_row.values())


def one_per_unit(unit: Any, n_samples: int) -> Ints:
    """Return the first row of each unit, such as a person, in the order of the rows.

    Which decision of a person counts may not depend on how it turned out: the first one does not, if rows
    stand in the order in which they were decided.

    Parameters
    ----------
    unit : array-like of shape (n_samples,) or (n_samples, n_columns)
        Who each decision is about; of several columns, each combination of values is a unit.
    n_samples : int
        How many rows there must be.

    Returns
    -------
    array of shape (n_units,)
        The places of the rows to keep, rising.

    Raises
    ------
    ValueError
        If there are too few or too many rows, or a unit is missing.
    TypeError
        If ``unit`` is a string or a dict, or a value cannot be compared.
    """
    first = np.zeros(n_samples, dtype=np.intp)
    for name, column in zip(*_columns(unit, n_samples), strict=True):
        coded = _coded(column, name)
        missing = [is_missing(value) for value in coded.values]
        n_missing = int(np.bincount(coded.codes, minlength=len(missing))[missing].sum())
        if n_missing:
            raise ValueError(
                f"unit is missing in {n_missing:,} of {n_samples:,} rows: whoever is not known may stand in "
                "several. Give these rows ids of their own, or leave them out."
            )
        # Two columns are digits of one number; numbered anew after each, so that it stays small.
        _, first = np.unique(first * max(len(missing), 1) + coded.codes, return_inverse=True)
    _, rows = np.unique(first, return_index=True)
    return np.sort(rows)


def _columns(unit: Any, n_samples: int) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    columns = value_columns("unit", unit, n_samples)
    return tuple(columns.names), tuple(columns.columns)


def _coded(column: Any, name: str) -> Coded:
    if isinstance(column, Coded):
        return column
    try:
        return code_array(column)
    except TypeError:
        raise TypeError(
            f"unit holds values that name nobody, in column {show(name)}: use text or numbers."
        ) from None
