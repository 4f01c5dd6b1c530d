"""Strata of rows: columns within whose values groups are compared, named and read as sensitive ones are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fairsk._core.columns import Selector, SensitiveColumns, sensitive_columns
from fairsk._core.groups import Grouping, encode_groups

__all__ = ["messages_of_strata", "read_strata", "refuse_groups_as_strata", "strata_columns"]

#: What messages about sensitive columns say, and what they say of strata.
_IN_WORDS = {
    "wrap the pipeline in SensitiveRouter": "wrap the pipeline in SensitiveRouter(..., strata=)",
    "sensitive_features": "strata",
    "sensitive column": "column of strata",
    "sensitive entry": "entry of strata",
    "sensitive feature": "column of strata",
    "Which column is sensitive?": "Which column has the strata?",
}


def read_strata(X: Any, selector: Selector, values: Any, *, n_samples: int) -> Grouping | None:
    """Return the stratum of every row: the values passed to the method, else the columns selected from X.

    Parameters
    ----------
    X : array-like, frame, sparse matrix or list
        The X of the estimator's method.
    selector : str, int, list of these, callable or None
        The constructor's ``strata``.
    values : array-like of shape (n_samples,) or (n_samples, n_columns), optional
        The method's ``strata``; overrides the selector.
    n_samples : int
        How many rows there must be.

    Returns
    -------
    Grouping or None
        The strata; None without either.

    Raises
    ------
    ValueError
        If a column is missing, lengths differ, values are missing, or a column looks continuous.
    TypeError
        If ``values`` is a string or a dict.
    """
    with messages_of_strata():
        columns = strata_columns(X, selector, values, n_samples=n_samples)
        return None if columns is None else encode_groups(columns)


def strata_columns(X: Any, selector: Selector, values: Any, *, n_samples: int) -> SensitiveColumns | None:
    """Return the columns of strata, as :func:`read_strata` reads them, before they are encoded.

    Parameters
    ----------
    X, selector, values, n_samples
        As in :func:`read_strata`.

    Returns
    -------
    SensitiveColumns or None
        The columns; None without either.

    Raises
    ------
    ValueError
        If a column is missing, or lengths differ.
    TypeError
        If ``values`` is a string or a dict.
    """
    if values is None and selector is None:
        return None
    with messages_of_strata():
        return sensitive_columns(X, selector, values, n_samples=n_samples)


def refuse_groups_as_strata(groups: Grouping, strata: Grouping) -> None:
    """Refuse strata that are the groups themselves: within each there is one group, and nothing to compare.

    Raises
    ------
    ValueError
        If every row's stratum is its group.
    """
    if groups.labels == strata.labels and np.array_equal(groups.codes, strata.codes):
        raise ValueError(
            "strata and sensitive_features are the same values: within each stratum there is one group only, "
            "and nothing to compare. Name another column for strata, or leave them out."
        )


@contextmanager
def messages_of_strata() -> Iterator[None]:
    """Let errors about columns, which are read as sensitive ones are, speak of strata."""
    try:
        yield
    except (ValueError, TypeError) as error:
        message = str(error)
        for words, own in _IN_WORDS.items():
            message = message.replace(words, own)
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(message) from None
