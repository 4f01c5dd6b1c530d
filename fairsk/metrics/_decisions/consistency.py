"""Consistency: the agreement of each decision with those of its nearest neighbours (individual fairness)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array

from fairsk._core.columns import drop_columns, refuse_shuffled, sensitive_columns
from fairsk._core.labels import binary_labels
from fairsk._core.messages import shorten

__all__ = ["consistency"]


def consistency(
    X: Any,
    y_pred: ArrayLike,
    *,
    n_neighbors: int = 5,
    scale: bool = True,
    sensitive_features: str | int | Sequence[str] | Sequence[int] | None = None,
    pos_label: Any = None,
) -> float:
    """Measure how much each decision agrees with those of the rows that are most like it.

    Parameters
    ----------
    X : array-like, sparse matrix or frame of shape (n_samples, n_columns)
        What makes rows alike: numbers, with categories encoded.
    y_pred : array-like of shape (n_samples,)
        Predicted labels (not scores), or labels, to measure the data.
    n_neighbors : int, default=5
        How many neighbours each row is compared with. A row is not its own neighbour, however many equal
        ones there are.
    scale : bool, default=True
        Bring the columns to a standard deviation of one first, so that none counts more for its unit.
    sensitive_features : str, int, or sequence of these, optional
        The columns of X that hold the sensitive attributes, by name or position. They are left out, so that
        people count as alike without them.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.

    Returns
    -------
    float
        From 0 to 1: 1 if all neighbours are treated alike. Compare it with the chance level, that of
        decisions at random: ``1 - 2 p (1 - p)`` for a selection rate of p.

    Raises
    ------
    ValueError
        If X holds text or missing values, lengths differ, a sensitive column is not in X, there are too few
        rows for so many neighbours, or the positive label cannot be told.

    See Also
    --------
    generalized_entropy : How unequally decisions benefit individuals.

    Notes
    -----
    ``1 - mean_i |d_i - mean of d_j over the nearest neighbours j of i|``, where d is 1 for a positive
    decision and 0 otherwise; Euclidean distance. Among rows equally far away, which ones are neighbours
    depends on their order.

    References
    ----------
    Zemel et al., Learning Fair Representations, ICML 2013.

    Examples
    --------
    >>> from fairsk.metrics import consistency
    >>> X = [[0], [1], [2], [10], [11], [12]]
    >>> consistency(X, [0, 0, 0, 1, 1, 1], n_neighbors=2)
    1.0
    >>> round(consistency(X, [0, 0, 1, 1, 1, 1], n_neighbors=2), 3)
    0.667
    """
    refuse_shuffled(X=X, y_pred=y_pred)
    positive, _ = binary_labels(y_pred, y_pred, pos_label)
    if sensitive_features is not None:
        sensitive_columns(X, sensitive_features)  # refuses a column that is not there
        X = drop_columns(X, sensitive_features)
    try:
        features: Any = check_array(X, accept_sparse="csr", dtype=float)
    except ValueError as error:
        raise ValueError(
            f"X must be a table of numbers: {shorten(str(error), 500)} Encode categories (a OneHotEncoder "
            "in a ColumnTransformer) and fill in missing values first, or leave out the columns that "
            "sensitive_features names."
        ) from error
    n_samples = features.shape[0]
    if n_samples != len(positive):
        raise ValueError(
            f"X has {n_samples} rows and y_pred {len(positive)}: inconsistent numbers of samples."
        )
    if not 0 < n_neighbors < n_samples:
        raise ValueError(
            f"n_neighbors={n_neighbors!r}, but X has {n_samples} rows: every row needs that many others, and "
            "at least one."
        )
    if scale:
        features = StandardScaler(with_mean=False).fit_transform(features)  # where zero lies does not matter
    # Called without X, kneighbors leaves out the row itself.
    neighbors = NearestNeighbors(n_neighbors=n_neighbors).fit(features).kneighbors(return_distance=False)
    decisions = positive.astype(float)
    return float(1 - np.mean(np.abs(decisions - decisions[neighbors].mean(1))))
