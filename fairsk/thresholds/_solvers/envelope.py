"""Concave envelopes of operating points: what mixtures of thresholds can reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fairsk._core.bounds import ROUNDING
from fairsk._core.typing import Floats, Ints

__all__ = ["Envelope", "upper_hull"]


#: A threshold with a smaller share in a mixture is there for rounding only.
_LEAST_SHARE = 1e-10


def upper_hull(x: Floats, y: Floats) -> Ints:
    """Return the vertices of the upper hull of points with rising, distinct x.

    A point on or below the line between its neighbours is no vertex, whatever becomes of the neighbours. So
    all such points are struck out at once, again and again; a chain without one is the hull.
    """
    chain = np.arange(len(x))
    while len(chain) > 2:
        run, rise = np.diff(x[chain]), np.diff(y[chain])
        vertex = np.concatenate([[True], run[1:] * rise[:-1] > run[:-1] * rise[1:], [True]])
        if vertex.all():
            break
        chain = chain[vertex]
    return chain


def _highest_of_each(x: Floats, y: Floats) -> Ints:
    """Return, for each distinct value of the rising x, the first position of the greatest y."""
    starts = np.flatnonzero(np.concatenate([[True], x[1:] != x[:-1]]))
    if len(starts) == len(x):
        return starts
    highest = np.maximum.reduceat(y, starts)
    is_highest = np.flatnonzero(y == np.repeat(highest, np.diff(np.append(starts, len(x)))))
    first = np.searchsorted(is_highest, starts)
    return is_highest[first]


@dataclass(frozen=True)
class Envelope:
    """The least concave function above a group's points (rate, utility).

    What a group gains if its rate must be a given number, and thresholds may be mixed for it.

    Parameters
    ----------
    rate, utility : arrays of shape (n_vertices,)
        The vertices, by rising rate.
    vertices : integer array of shape (n_vertices,)
        Their positions among the points.
    """

    rate: Floats
    utility: Floats
    vertices: Ints

    @classmethod
    def over(cls, rate: Floats, utility: Floats) -> Envelope:
        """Return the envelope of points that are sorted by rate; there must be one."""
        top = _highest_of_each(rate, utility)
        vertices = top[upper_hull(rate[top], utility[top])]
        return cls(rate[vertices], utility[vertices], vertices)

    @property
    def peak(self) -> float:
        """The rate at which the utility is greatest."""
        return float(self.rate[np.argmax(self.utility)])

    def best_within(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """Return the best rate within each range, and its utility; minus infinity if none is there."""
        rate = np.clip(self.peak, low, high)
        reached = np.interp(rate, self.rate, self.utility)
        outside = (low > self.rate[-1] + ROUNDING) | (high < self.rate[0] - ROUNDING)
        return rate, np.where(outside, -np.inf, reached)

    def mixture(self, rate: float) -> tuple[Ints, Floats]:
        """Return the vertices that are mixed to reach a rate on the envelope, and their probabilities."""
        right = int(np.clip(np.searchsorted(self.rate, rate), 0, len(self.rate) - 1))
        if right == 0 or self.rate[right] <= rate:
            return self.vertices[[right]], np.ones(1)
        left = right - 1
        share = (rate - self.rate[left]) / (self.rate[right] - self.rate[left])
        if not _LEAST_SHARE < share < 1 - _LEAST_SHARE:
            return self.vertices[[right if share > 0.5 else left]], np.ones(1)
        return self.vertices[[left, right]], np.array([1 - share, share])
