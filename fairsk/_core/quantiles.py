"""Quantiles of weighted values: the level of each distinct value, and rising functions between corners."""

from __future__ import annotations

import numpy as np

from fairsk._core.typing import Floats

__all__ = ["interpolated", "value_levels"]


def value_levels(values: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the distinct values, rising, and the share of the weight that lies at each of them or below.

    The last level is 1. Values without weight do not occur, and neither do those whose weight is lost in
    rounding, so levels rise.

    Parameters
    ----------
    values : array of shape (n_samples,)
        Finite numbers.
    weights : array of shape (n_samples,)
        The weight of each, not all of them 0.

    Returns
    -------
    values, levels : arrays of shape (n_values,)
        The distribution function: where it jumps, and how high it is there.
    """
    distinct, places = np.unique(values, return_inverse=True)
    sums = np.cumsum(np.bincount(places, weights), dtype=np.float64)
    levels = sums / sums[-1]
    rises = np.diff(levels, prepend=0) > 0
    return distinct[rises], levels[rises]


def interpolated(x: Floats, at: Floats, values: Floats) -> Floats:
    """Interpolate rising values linearly, never past the neighbouring ones: order survives rounding.

    Parameters
    ----------
    x : array of shape (n_points,)
        Where to interpolate; beyond ``at`` the first and the last value hold on.
    at : array of shape (n_corners,)
        Where the values stand, never falling; at a place that occurs twice, the last of its values counts.
    values : array of shape (n_corners,)
        Numbers that never fall.

    Returns
    -------
    array of shape (n_points,)
        Numbers that never fall with x.
    """
    after = np.searchsorted(at, x, side="right")
    before, after = np.maximum(after - 1, 0), np.minimum(after, len(at) - 1)
    start, lower, upper = at[before], values[before], values[after]
    length = at[after] - start
    length[length == 0] = 1  # beyond the corners, where both neighbours are the same
    # Each step keeps order in rounded arithmetic, up to the addition, which may pass the upper value.
    return np.minimum(lower + (np.maximum(x, start) - start) / length * (upper - lower), upper)
