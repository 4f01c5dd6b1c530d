"""Branch and bound over windows: the best threshold per group under bounds on several rates, exactly.

Branch on the lowest value t of one rate: its window holds some of each group's thresholds, and the other
rates are searched among those. An upper bound of a window follows from its own range maxima, and from the
dual values of the linear program, at which the other rates are paid for; windows are visited from the
greatest upper bound on, until none exceeds the incumbent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fairsk._core.bounds import ROUNDING, Bound
from fairsk._core.typing import Bools, Floats, Ints
from fairsk.thresholds._solvers.knapsack import best_within_capacity
from fairsk.thresholds._solvers.problem import OperatingPoints, Problem
from fairsk.thresholds._solvers.single_rate import range_argmax, slide

__all__ = ["BranchAndBound", "Duals"]


@dataclass(frozen=True)
class Duals:
    """The dual values of the linear program, in units of the utility.

    Parameters
    ----------
    reduced_cost : list of arrays
        Per group, how far a choice that has this threshold is at least below the optimum.
    rates : array of shape (n_groups, n_rates)
        What a unit of each rate costs.
    slack : array of shape (n_rates,)
        What the right-hand sides of each bound are worth: its slack, less what groups keep clear of.
    capacity : float
        What a selected row costs, if there is a capacity.
    value : float
        The optimum.
    """

    reduced_cost: list[Floats]
    rates: Floats
    slack: Floats
    capacity: float
    value: float

    def take(self, index: list[Ints]) -> Duals:
        """Return the dual values of some of the thresholds."""
        parts = [cost[i] for cost, i in zip(self.reduced_cost, index, strict=True)]
        return replace(self, reduced_cost=parts)


@dataclass(frozen=True)
class _Node:
    """What is left of each group: its points, and their reduced costs."""

    groups: list[OperatingPoints]
    reduced_cost: list[Floats]

    def take(self, index: list[Ints]) -> _Node:
        return _Node(
            [group.take(i) for group, i in zip(self.groups, index, strict=True)],
            [cost[i] for cost, i in zip(self.reduced_cost, index, strict=True)],
        )


class BranchAndBound:
    """A search for the best choice of one threshold per group.

    Parameters
    ----------
    problem : Problem
        What to choose from, under which bounds.
    duals : Duals
        From the linear program over these points, or over more.
    """

    def __init__(self, problem: Problem, duals: Duals) -> None:
        self._bounds = problem.bounds
        self._capacity = problem.capacity
        self._duals = duals
        # Positions become indices here: they identify the points after groups have been cut and sorted.
        groups = [replace(group, position=np.arange(len(group))) for group in problem.groups]
        self._root = _Node(groups, duals.reduced_cost)

    def search(self, incumbent: float) -> tuple[list[int], float] | None:
        """Return the best choice with a total utility above the incumbent's, and that total."""
        if not all(map(len, self._root.groups)):
            return None
        return self._branch(self._root, list(range(len(self._bounds))), incumbent)

    def _branch(self, node: _Node, rates: list[int], incumbent: float) -> tuple[list[int], float] | None:
        """Search a node under the bounds on some rates."""
        if len(rates) == 1:
            return self._leaf(node, rates[0], incumbent)
        upper_bounds = {rate: self._upper_bounds(node, rate) for rate in rates}
        # Branch on the rate that leaves the fewest windows open.
        branch = min(upper_bounds, key=lambda rate: int((upper_bounds[rate][1] > incumbent).sum()))
        lowest, upper_bound = upper_bounds[branch]
        others = [rate for rate in rates if rate != branch]
        order = [np.argsort(group.rates[branch], kind="stable") for group in node.groups]
        node = node.take(order)
        is_open = upper_bound > incumbent
        lowest, upper_bound = lowest[is_open], upper_bound[is_open]
        highest = self._bounds[branch].upper(lowest)
        starts, stops = [], []
        for group in node.groups:
            values, room = group.rates[branch], group.room
            starts.append(np.searchsorted(values, room.least(lowest, branch) - ROUNDING))
            stops.append(np.searchsorted(values, room.most(highest, branch), "right"))
        can_meet = np.all([self._can_meet(node.groups, starts, stops, rate) for rate in others], axis=0)
        best = None
        for i in np.flatnonzero(can_meet)[np.argsort(-upper_bound[can_meet], kind="stable")]:
            if upper_bound[i] <= incumbent:
                break  # no later window can reach more
            inside = [np.arange(a[i], b[i]) for a, b in zip(starts, stops, strict=True)]
            better = self._branch(node.take(inside), others, incumbent)
            if better is not None:
                best, incumbent = better, better[1]
        return best

    def _can_meet(
        self, groups: list[OperatingPoints], starts: list[Ints], stops: list[Ints], rate: int
    ) -> Bools:
        """Return in which stretches of the groups another rate can come close enough for its bound."""
        least, most = np.full(len(starts[0]), -np.inf), np.full(len(starts[0]), np.inf)
        some = np.all([start < stop for start, stop in zip(starts, stops, strict=True)], axis=0)
        for group, start, stop in zip(groups, starts, stops, strict=True):
            first, last, values, room = start[some], stop[some] - 1, group.rates[rate], group.room
            smallest, largest = (values[range_argmax(sign * values, first, last)] for sign in (-1, 1))
            least[some] = np.maximum(least[some], room.high(smallest, rate))
            most[some] = np.minimum(most[some], room.low(largest, rate))
        return some & (self._bounds[rate].lower(least) <= most + ROUNDING)

    def _leaf(self, node: _Node, rate: int, incumbent: float) -> tuple[list[int], float] | None:
        """Search under the bound on the one rate that is left."""
        max_gap = self._duals.value - incumbent
        node = node.take([np.flatnonzero(cost <= max_gap) for cost in node.reduced_cost])  # others fall short
        if not all(map(len, node.groups)):
            return None
        if self._capacity is not None:
            return self._leaf_with_capacity(node, rate, incumbent)
        groups = [group.sorted_by(rate) for group in node.groups]
        windows = slide(groups, self._bounds[rate], rate, _lowest_rates(groups, self._bounds[rate], rate))
        best = windows.best()
        if best is None or best[1] <= incumbent:
            return None
        return [int(group.position[i]) for group, i in zip(groups, best[0], strict=True)], best[1]

    def _leaf_with_capacity(self, node: _Node, rate: int, incumbent: float) -> tuple[list[int], float] | None:
        """Search the windows of the last rate, in each of which the groups share the capacity."""
        lowest, upper_bound = self._upper_bounds(node, rate)
        highest = self._bounds[rate].upper(lowest)
        groups = [group.sorted_by(rate) for group in node.groups]
        best = None
        for i in np.argsort(-upper_bound, kind="stable"):
            if upper_bound[i] <= incumbent:
                break
            inside = []
            for group in groups:
                values, room = group.rates[rate], group.room
                start = np.searchsorted(values, room.least(lowest[i], rate) - ROUNDING)
                stop = np.searchsorted(values, room.most(highest[i], rate), "right")
                inside.append(group.take(slice(start, stop)))
            better = best_within_capacity(inside, self._capacity or 0.0, self._duals.capacity, incumbent)
            if better is not None:
                incumbent = better[1]
                best = [int(group.position[i]) for group, i in zip(inside, better[0], strict=True)]
        return None if best is None else (best, incumbent)

    def _upper_bounds(self, node: _Node, rate: int) -> tuple[Floats, Floats]:
        """Return the lowest values of a rate, and the upper bound of the window above each of them."""
        plain, priced = [], []
        for group, cost, duals in zip(node.groups, node.reduced_cost, self._duals.rates, strict=True):
            # What a point adds, after paying for all rates but this one.
            after_duals = duals[rate] * group.rates[rate] - cost
            order = np.argsort(group.rates[rate], kind="stable")
            plain.append(group.take(order))
            priced.append(replace(plain[-1], utility=after_duals[order]))
        lowest = _lowest_rates(plain, self._bounds[rate], rate)
        primal = slide(plain, self._bounds[rate], rate, lowest).total
        dual = slide(priced, self._bounds[rate], rate, lowest).total
        return lowest, np.minimum(primal, dual + self._duals.value + self._duals.slack[rate])


def _lowest_rates(groups: list[OperatingPoints], bound: Bound, rate: int) -> Floats:
    """Return the lowest values that a rate can have: no less than what every group can come up to."""
    values = np.unique(np.concatenate([group.room.low(group.rates[rate], rate) for group in groups]))
    start = bound.lower(max(group.room.high(group.rates[rate, 0], rate) for group in groups))
    stop = min(group.room.low(group.rates[rate, -1], rate) for group in groups)
    return values[(values >= start - ROUNDING) & (values <= stop + ROUNDING)]
