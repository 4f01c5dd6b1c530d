r"""Largest distances over pairs of groups: exact, though most pairs are never looked at.

A thousand groups make half a million pairs. The distance of two groups is the integral of the absolute
difference of two monotone curves; over a few bins, it lies between two numbers that are cheap to have:

.. math:: \sum_b |A_b - B_b| \le \int |a - b| \le \sum_b |A_b - B_b| + v_a + v_b,

where :math:`A_b` is the integral of a curve over a bin, and :math:`v_a = \sum_b w_b \Delta_b / 2` is how far
a monotone curve that changes by :math:`\Delta_b` in a bin of width :math:`w_b` can lie from its mean there.
Pairs whose upper number lies below the largest lower one cannot be the largest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np

from fairsk._core.typing import Floats, Ints
from fairsk._core.warnings import warn_user

__all__ = ["MonotoneCurve", "largest_of_pairs"]

#: So few pairs are compared faster one by one.
_FEW_PAIRS = 100
#: Bins in which curves are compared roughly; more of them while too many pairs are left.
_BINS = (64, 1024)
_ENOUGH_STRUCK_OUT = 1000
#: How many pairs tell how long one takes, and after how many seconds of waiting a user is told.
_TIMED = 100
_PATIENCE = 10.0
#: Pairs are compared roughly in blocks, so that they fit into memory.
_BLOCK = 8192
#: Sums that differ by less are equal, up to rounding.
_ROUNDING = 1e-9


class MonotoneCurve(Protocol):
    """A monotone function, integrated over bins."""

    def over_bins(self, edges: Floats) -> tuple[Floats, Floats]:
        """Return the integral over each bin, and by how much the function changes inside of it at most."""


Part = TypeVar("Part", bound=MonotoneCurve)


def largest_of_pairs(
    parts: Sequence[Part],
    distance: Callable[[Part, Part], float],
    edges_of: Callable[[int], Floats],
    *,
    name: str,
) -> float:
    """Return the largest distance of two parts.

    Parameters
    ----------
    parts : sequence of MonotoneCurve
        A curve of each group.
    distance : callable
        Returns the integral of the absolute difference of two curves.
    edges_of : callable
        Returns the edges of that many bins, which cover all curves.
    name : str
        What the distance is called, for a warning.

    Returns
    -------
    float
        The largest distance; NaN if there are fewer than two parts.

    Warns
    -----
    UserWarning
        If so many pairs are nearly as far apart as the furthest that comparing them takes long.
    """
    first, second = np.triu_indices(len(parts), 1)
    if len(first) <= _FEW_PAIRS:
        pairs = zip(first.tolist(), second.tolist(), strict=True)
        return max((distance(parts[i], parts[j]) for i, j in pairs), default=float("nan"))
    upper = np.empty(0)
    for n_bins in _BINS:
        edges = edges_of(n_bins)
        integrals, changes = (
            np.stack(each) for each in zip(*(p.over_bins(edges) for p in parts), strict=True)
        )
        slack = changes @ np.diff(edges) / 2
        lower = np.empty(len(first))
        for start in range(0, len(first), _BLOCK):
            block = slice(start, start + _BLOCK)
            lower[block] = np.abs(integrals[first[block]] - integrals[second[block]]).sum(1)
        upper = lower + slack[first] + slack[second]
        left = upper >= lower.max() * (1 - _ROUNDING)
        first, second, upper = first[left], second[left], upper[left]
        if len(first) <= _ENOUGH_STRUCK_OUT:
            break
    return _largest_of_candidates(parts, distance, first, second, upper, name)


def _largest_of_candidates(
    parts: Sequence[Part],
    distance: Callable[[Part, Part], float],
    first: Ints,
    second: Ints,
    upper: Floats,
    name: str,
) -> float:
    """Compare pairs one by one, from the highest upper bound down, until none can be larger."""
    largest, start = 0.0, time.perf_counter()
    for done, pair in enumerate(np.argsort(-upper)):
        if upper[pair] <= largest:
            break
        largest = max(largest, distance(parts[first[pair]], parts[second[pair]]))
        if done + 1 == _TIMED:
            n_left = int((upper >= largest).sum()) - _TIMED
            seconds = n_left * (time.perf_counter() - start) / _TIMED
            if seconds > _PATIENCE:
                warn_user(
                    f"{name} compares up to {n_left:,} more pairs of groups one by one, which takes up to "
                    f"{seconds:,.0f} seconds. reference= compares each group with one only, and method="
                    '"to_overall" with all rows.'
                )
    return largest
