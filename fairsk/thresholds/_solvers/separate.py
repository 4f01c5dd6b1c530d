"""The solver without bounds: every group's best threshold by itself, within a capacity if there is one.

Nothing ties the groups together but the capacity. Where their best thresholds together select more than
that, a selected row is given a price, at which each group again takes its best threshold: the least price
that keeps the capacity (found by bisection, for what is selected falls as it rises) gives a good choice and,
by weak duality, an upper bound for all others. The exact knapsack starts from both, where groups are few.
"""

from __future__ import annotations

import numpy as np

from fairsk._core.bounds import ROUNDING
from fairsk._core.typing import Ints
from fairsk.thresholds._rules import Mixture
from fairsk.thresholds._solvers.knapsack import best_within_capacity
from fairsk.thresholds._solvers.problem import Problem, as_mixtures

__all__ = ["SeparateSolver"]

#: Of more groups the good choice is taken as it is: the capacity that it leaves unused is less than what one
#: threshold of one group selects, and so the smaller a share of all rows the more groups there are.
_SEARCHED_GROUPS = 30
#: How often the interval of prices is halved: to the last bit of a float.
_HALVINGS = 60


class SeparateSolver:
    """The exact solution of a problem without bounds.

    Parameters
    ----------
    problem : Problem
        What to choose from; its bounds, if there are any, are not looked at.
    """

    name = mixing_name = "each group's best threshold"

    def __init__(self, problem: Problem) -> None:
        self._groups = problem.groups
        self._capacity = np.inf if problem.capacity is None else problem.capacity
        self._is_empty = problem.is_empty

    def mixtures(self) -> list[Mixture] | None:
        """Return the same thresholds: but for the last rows of a capacity, mixing gains nothing."""
        thresholds = self.thresholds()
        return None if thresholds is None else as_mixtures(thresholds)

    def thresholds(self) -> list[int] | None:
        """Return the position of each group's best threshold; None if no choice has the capacity."""
        limit = self._capacity * (1 + ROUNDING)  # sums of weights round
        if self._is_empty or sum(float(group.selected.min()) for group in self._groups) > limit:
            return None
        best = self._at_price(0.0)
        if self._selected(best) > limit:
            best = self._within_capacity(limit)
        return [int(group.position[i]) for group, i in zip(self._groups, best, strict=True)]

    def _within_capacity(self, limit: float) -> Ints:
        """Return the best choice that keeps a capacity which the best choice without it exceeds."""
        # At some price no group selects more than it must.
        low, high = 0.0, 1.0
        while self._selected(self._at_price(high)) > limit:
            high *= 2
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            if self._selected(self._at_price(middle)) > limit:
                low = middle
            else:
                high = middle
        good = self._at_price(high)
        if len(self._groups) > _SEARCHED_GROUPS:
            return good
        reached = sum(float(group.utility[i]) for group, i in zip(self._groups, good, strict=True))
        better = best_within_capacity(self._groups, self._capacity, high, reached)
        return good if better is None else np.array(better[0])

    def _at_price(self, price: float) -> Ints:
        """Return each group's best point if a selected row costs so much; of equals, what selects least."""
        chosen = []
        for group in self._groups:
            gain = group.utility - price * group.selected
            best = np.flatnonzero(gain == gain.max())
            chosen.append(int(best[np.argmin(group.selected[best])]))
        return np.array(chosen, dtype=np.intp)

    def _selected(self, choice: Ints) -> float:
        return sum(float(group.selected[i]) for group, i in zip(self._groups, choice, strict=True))
