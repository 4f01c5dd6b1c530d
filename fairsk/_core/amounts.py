"""Amounts: numbers to be predicted, as a column without missing ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import column_or_1d

from fairsk._core.columns import as_array
from fairsk._core.messages import show
from fairsk._core.typing import Floats

__all__ = ["amounts_column"]


def amounts_column(name: str, values: Any, *, warn: bool = False) -> Floats:
    """Return amounts as a 1-D array of floats.

    Parameters
    ----------
    name : str
        What an error calls them.
    values : array-like of shape (n_samples,) or (n_samples, 1)
        The amounts.
    warn : bool, default=False
        Whether to warn of an array that is a column, as scikit-learn does in ``fit``.

    Raises
    ------
    ValueError
        If there are none, they are no numbers, or one is missing or infinite.
    """
    if values is None:
        raise ValueError(f"{name} is None: give a number per row.")
    column = column_or_1d(as_array(values), warn=warn)
    # NumPy reads numbers out of texts, and days since 1970 out of dates: neither is an amount.
    texts = [value for value in column if isinstance(value, str | bytes)] if column.dtype.kind == "O" else []
    if texts or (len(column) and column.dtype.kind in "US"):
        raise ValueError(
            f"{name} holds text, such as {show((texts or column)[0])}: amounts are numbers. Convert it, as "
            f"in pandas.to_numeric({name})."
        )
    if len(column) and column.dtype.kind in "Mm":
        raise ValueError(f"{name} must hold numbers, got values such as {show(column[0])}.")
    try:
        amounts = column.astype(float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold numbers, got values such as {show(column[0])}.") from None
    _refuse_missing(name, amounts)
    return amounts


def _refuse_missing(name: str, amounts: Floats) -> None:
    n_missing, n_infinite = int(np.isnan(amounts).sum()), int(np.isinf(amounts).sum())
    if len(amounts) and not n_missing and not n_infinite:
        return
    found = [f"{n:,} {word}" for n, word in ((n_missing, "missing"), (n_infinite, "infinite")) if n]
    what = ""
    if found:
        what = f": {' and '.join(found)} of {len(amounts):,}. Drop these rows, or impute what is missing"
    raise ValueError(f"{name} must hold at least one number, and no missing or infinite ones{what}.")
