"""Branch and bound over groups: the best threshold per group where many rates are bounded, exactly.

Within strata every stratum has its own rates, and windows of one rate after another would be many. So the
branches are the thresholds of one group after another. Two thresholds of different groups are compatible if
no rate lies further apart than its bound; a choice in which all are compatible in pairs meets the bounds. Of
each threshold, what the other groups can reach beside it bounds from above what a choice that has it can
reach; the dual values of the linear program give a second upper bound.

Most rates rise, or fall, along a group's thresholds. If all do, the thresholds that are compatible with one
of another group form a stretch, and what can be reached in it is a range-maximum query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fairsk._core.bounds import ROUNDING
from fairsk._core.typing import Bools, Floats, Ints
from fairsk.thresholds._solvers.branch_and_bound import Duals
from fairsk.thresholds._solvers.problem import Problem
from fairsk.thresholds._solvers.single_rate import range_argmax

__all__ = ["GroupSearch"]

#: How many pairs of thresholds are compared at a time, so that memory stays small.
_PAIRS_AT_A_TIME = 1_000_000


@dataclass(frozen=True)
class _Partial:
    """A partial choice: one point for some groups, and what is left of the other ones."""

    chosen: Mapping[int, int]
    left: Mapping[int, Ints]
    utility: float = 0.0
    cost: float = 0.0
    selected: float = 0.0


class GroupSearch:
    """A search for the best choice of one threshold per group; groups may lack some of the rates (NaN).

    Parameters
    ----------
    problem : Problem
        What to choose from, under which bounds.
    duals : Duals
        From the linear program over these points, or over more.
    """

    def __init__(self, problem: Problem, duals: Duals) -> None:
        self._groups, self._duals = problem.groups, duals
        self._capacity = np.inf if problem.capacity is None else problem.capacity * (1 + ROUNDING)
        self._rounding = problem.dual_rounding
        # A group that lacks a rate is compatible with any in it: its interval is from infinity to minus that.
        self._high, self._most = list[Floats](), list[Floats]()
        for group in problem.groups:
            pairs = [(rates, j) for j, rates in enumerate(group.rates)]
            low = np.array([np.nan_to_num(group.room.low(rates, j), nan=np.inf) for rates, j in pairs])
            high = np.array([np.nan_to_num(group.room.high(rates, j), nan=-np.inf) for rates, j in pairs])
            self._high.append(high)
            self._most.append(
                np.array([bound.upper(ends) for bound, ends in zip(problem.bounds, low, strict=True)])
            )

        self._directions = [_directions(group.rates) for group in problem.groups]

    def search(self, incumbent: float) -> tuple[list[int], float] | None:
        """Return the best choice with a total utility above the incumbent's, and that total."""
        # With a clearance, a rate's own interval may be too long.
        own = [(high <= most).all(0) for high, most in zip(self._high, self._most, strict=True)]
        root = _Partial({}, {g: np.flatnonzero(fits) for g, fits in enumerate(own)})
        found = self._branch(root, incumbent)
        if found is None:
            return None
        choice, total = found
        return [choice[g] for g in range(len(self._groups))], total

    def _branch(self, node: _Partial, incumbent: float) -> tuple[dict[int, int], float] | None:
        """Search the choices that a partial one can become."""
        group = min(node.left, key=lambda g: len(node.left[g]))
        points, others = node.left[group], {g: left for g, left in node.left.items() if g != group}
        utility = node.utility + self._groups[group].utility[points]
        cost = node.cost + self._duals.reduced_cost[group][points]
        selected = node.selected + self._groups[group].selected[points]
        primal, dual, fewest = utility.copy(), self._duals.value + self._rounding - cost, selected.copy()
        for other, left in others.items():
            most, least, fewest_there = self._reach(group, points, other, left)
            primal += most
            dual -= least
            fewest += fewest_there
        upper_bound = np.where(fewest <= self._capacity, np.minimum(primal, dual), -np.inf)
        best = None
        for i in np.argsort(-upper_bound, kind="stable"):
            if upper_bound[i] <= incumbent:
                break  # no later one can reach more
            beside = {g: self._beside(group, points[[i]], g, rest) for g, rest in others.items()}
            chosen = {**node.chosen, group: int(points[i])}
            if beside:
                partial = _Partial(chosen, beside, float(utility[i]), float(cost[i]), float(selected[i]))
                better = self._branch(partial, incumbent)
            else:
                better = (chosen, float(utility[i])) if utility[i] > incumbent else None
            if better is not None:
                best, incumbent = better, better[1]
        return best

    def _reach(self, group: int, points: Ints, other: int, left: Ints) -> tuple[Floats, Floats, Floats]:
        """Return what another group can reach beside each point.

        The greatest utility, the least reduced cost and the fewest selected of its compatible points; minus
        infinity, infinity and infinity where there is none.
        """
        utility = self._groups[other].utility[left]
        cost, selected = self._duals.reduced_cost[other][left], self._groups[other].selected[left]
        most, least, fewest = (np.full(len(points), end) for end in (-np.inf, np.inf, np.inf))
        if not len(left):
            return most, least, fewest
        if self._directions[other] is not None:
            start, stop = self._stretches(group, points, other, left)
            some = start < stop
            first, last = start[some], stop[some] - 1
            most[some] = utility[range_argmax(utility, first, last)]
            least[some] = cost[range_argmax(-cost, first, last)]
            fewest[some] = selected[range_argmax(-selected, first, last)]
            return most, least, fewest
        size = max(1, _PAIRS_AT_A_TIME // len(left))
        for begin in range(0, len(points), size):
            part = slice(begin, begin + size)
            compatible = self._compatible(group, points[part], other, left)
            most[part] = np.where(compatible, utility, -np.inf).max(1)
            least[part] = np.where(compatible, cost, np.inf).min(1)
            fewest[part] = np.where(compatible, selected, np.inf).min(1)
        return most, least, fewest

    def _beside(self, group: int, point: Ints, other: int, left: Ints) -> Ints:
        """Return which points of another group are compatible with one point."""
        if self._directions[other] is None:
            return left[self._compatible(group, point, other, left)[0]]
        start, stop = self._stretches(group, point, other, left)
        return left[start[0] : stop[0]]

    def _stretches(self, group: int, points: Ints, other: int, left: Ints) -> tuple[Ints, Ints]:
        """Return where the points of another group begin and end that are compatible with each point."""
        start, stop = np.zeros(len(points), dtype=np.intp), np.full(len(points), len(left), dtype=np.intp)
        directions = self._directions[other]
        assert directions is not None
        for j in np.flatnonzero(directions):
            order = slice(None, None, int(directions[j]))  # rising
            # high of the other one <= most of this one, and high of this one <= most of the other one
            before = np.searchsorted(self._high[other][j, left][order], self._most[group][j, points], "right")
            after = np.searchsorted(self._most[other][j, left][order], self._high[group][j, points], "left")
            if directions[j] < 0:
                before, after = len(left) - after, len(left) - before
            start, stop = np.maximum(start, after), np.minimum(stop, before)
        return start, stop

    def _compatible(self, group: int, points: Ints, other: int, left: Ints) -> Bools:
        """Return which pairs of points lie no further apart than the bounds, of shape (n_points, n_left)."""
        compatible = np.ones((len(points), len(left)), dtype=bool)
        for j in range(len(self._high[group])):
            compatible &= self._high[group][j, points, None] <= self._most[other][j, left]
            compatible &= self._high[other][j, left] <= self._most[group][j, points, None]
        return compatible


def _directions(rates: Floats) -> Ints | None:
    """Return 1 for rates that rise along the points, -1 for those that fall, 0 for missing ones.

    None if there is a rate that does neither.
    """
    directions = np.zeros(len(rates), dtype=np.intp)
    for j, values in enumerate(rates):
        steps = np.diff(values)
        if np.isnan(values).any():
            continue
        if (steps >= 0).all():
            directions[j] = 1
        elif (steps <= 0).all():
            directions[j] = -1
        else:
            return None
    return directions
