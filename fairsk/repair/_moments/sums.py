"""Sums over rows: the mean, the scatter about it, and deviations times other columns, in one precision."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from fairsk._core.typing import Floats, Ints

__all__ = ["code_labels", "deviations", "effective_rows", "mean_of", "recentred", "rows_counted", "spread"]

#: Rows are looked at in blocks of so many numbers in double precision (4 MiB), which caches hold.
_BLOCK = 2**19


def deviations(features: NDArray[Any], weights: Floats | None, design: Any) -> tuple[Floats, Floats, Floats]:
    """Return the mean, the scatter about it, and the sums of deviations times the columns of a design.

    Parameters
    ----------
    features : array of shape (n_samples, n_features)
        Numbers, in single or double precision.
    weights : array of shape (n_samples,) or None
        How much each row counts.
    design : sparse array of shape (n_samples, n_columns)
        Indicators of cells, or other values per row.

    Returns
    -------
    tuple of three arrays
        Of shapes (n_features,), (n_features, n_features) and (n_columns, n_features), in double precision
        whatever the features have.
    """
    n_samples, n_features = features.shape
    length = max(1, _BLOCK // n_features)
    blocks = [slice(start, start + length) for start in range(0, n_samples, length)]
    counted = np.ones(n_samples) if weights is None else weights
    total = counted.sum()
    mean = np.zeros(n_features)
    for block in blocks:
        mean += counted[block] @ features[block].astype(float, copy=False)
    mean /= total
    scatter = np.zeros((n_features, n_features), order="F")
    sums = np.zeros((design.shape[1], n_features))
    rest = np.zeros(n_features)
    for block in blocks:
        centred = features[block] - mean
        times = centred if weights is None else centred * counted[block, None]
        sums += design[block].T @ times
        rest += times.sum(0)
        roots = centred if weights is None else centred * np.sqrt(counted[block])[:, None]
        # One triangle is half of the work; the transpose of the block is what BLAS takes without a copy.
        linalg.blas.dsyrk(1.0, roots.T, beta=1.0, c=scatter, overwrite_c=1)
    # What the mean lacks by rounding: sums of deviations are to be as exact as the deviations.
    rest /= total
    sums -= np.outer(design.T @ counted, rest)
    scatter = np.triu(scatter) + np.triu(scatter, 1).T - total * np.outer(rest, rest)
    return mean + rest, scatter, sums


def recentred(mean: Floats, centred: Floats, counted: Floats) -> tuple[Floats, Floats]:
    """Take out of deviations what their mean lacks by rounding."""
    rest = counted @ centred / counted.sum()
    return mean + rest, centred - rest


def effective_rows(weight: Any, weight_squares: Any) -> Any:
    """Return Kish's effective number of rows, given the sums of their weights and squared weights."""
    return weight**2 / weight_squares


def rows_counted(weight: Any, weight_squares: Any) -> Any:
    """Return how many rows stand behind estimates, given the sums of their weights and squared weights.

    A row counts as many times as its weight says. If weights are scaled down, to a sum of 1, say, then
    Kish's effective number counts, which is below the sum wherever weights are numbers of repetitions.
    """
    return np.maximum(weight, effective_rows(weight, weight_squares))


def code_labels(labels: NDArray[Any] | None, n_samples: int) -> tuple[tuple[Hashable, ...], Ints]:
    """Return the distinct labels and each row's place among them; None is the label of rows without."""
    if labels is None:
        return (None,), np.zeros(n_samples, dtype=np.intp)
    classes, codes = np.unique(labels, return_inverse=True)
    return tuple(classes.tolist()), codes


def spread(values: Floats, places: Ints, length: int, axis: int) -> Floats:
    """Return an array with a longer axis, on which its entries stand at these places, and 0 elsewhere."""
    shape = list(values.shape)
    shape[axis] = length
    spread = np.zeros(shape)
    index: list[Any] = [slice(None)] * values.ndim
    index[axis] = places
    spread[tuple(index)] = values
    return spread


def mean_of(sums: Floats, weights: Floats) -> Floats:
    """Return means; 0 where there is no weight."""
    return np.divide(sums, weights[:, None], out=np.zeros_like(sums), where=weights[:, None] > 0)
