"""The best threshold per group under bounds on several rates, exactly: branch and bound over windows.

Branch on the lowest value t of one rate: its window holds some of each group's thresholds, and the other
rates are searched among those. What a window can give at most follows from its own range maxima, with the
other rates paid for at the prices that the linear program sets; windows are visited from the most promising
on, until none promises more than has been found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fairsk._core.bounds import ROUNDING, Bound
from fairsk.thresholds._solvers.knapsack import best_sharing
from fairsk.thresholds._solvers.problem import Choices, Problem
from fairsk.thresholds._solvers.single_rate import range_argmax, slide

__all__ = ["Branching", "Prices"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Prices:
    """What the linear program says of every threshold and rate, in units of the utility.

    Parameters
    ----------
    shortfall : list of arrays
        Per group, how far a choice that has this threshold is at least below the optimum.
    rates : array of shape (n_groups, n_rates)
        What a unit of each rate costs.
    rooms : array of shape (n_rates,)
        What the room that each bound leaves is worth, at the least (a negative number).
    selected : float
        What a selected row costs, if there is a capacity.
    value : float
        The optimum.
    """

    shortfall: list[Floats]
    rates: Floats
    rooms: Floats
    selected: float
    value: float

    def take(self, kept: list[Ints]) -> Prices:
        """Return the prices of some of the thresholds."""
        parts = [s[k] for s, k in zip(self.shortfall, kept, strict=True)]
        return replace(self, shortfall=parts)


@dataclass(frozen=True)
class _Node:
    """What is left of each group: its choices, and what the prices say of them."""

    groups: list[Choices]
    shortfall: list[Floats]

    def take(self, chosen: list[Ints]) -> _Node:
        return _Node(
            [group.take(c) for group, c in zip(self.groups, chosen, strict=True)],
            [part[c] for part, c in zip(self.shortfall, chosen, strict=True)],
        )


class Branching:
    """A search for the best choice of one threshold per group.

    Parameters
    ----------
    problem : Problem
        What to choose from, under which bounds.
    prices : Prices
        From the linear program over these choices, or over more.
    """

    def __init__(self, problem: Problem, prices: Prices) -> None:
        self._bounds = problem.bounds
        self._capacity = problem.capacity
        self._prices = prices
        # Positions become indices here, so that the choice can be told after groups have been cut and sorted.
        groups = [
            Choices(np.arange(len(group)), group.rates, group.utility, group.selected)
            for group in problem.groups
        ]
        self._root = _Node(groups, prices.shortfall)

    def search(self, incumbent: float) -> tuple[list[int], float] | None:
        """Return the best choice with a total utility above the incumbent's, and that total."""
        if not all(map(len, self._root.groups)):
            return None
        return self._search(self._root, list(range(len(self._bounds))), incumbent)

    def _search(self, node: _Node, remaining: list[int], incumbent: float) -> tuple[list[int], float] | None:
        if len(remaining) == 1:
            return self._last(node, remaining[0], incumbent)
        promises = {rate: self._promise(node, rate) for rate in remaining}
        branch = min(promises, key=lambda rate: int((promises[rate][1] > incumbent).sum()))
        lowest, promised = promises[branch]
        rest = [rate for rate in remaining if rate != branch]
        order = [np.argsort(group.rates[branch], kind="stable") for group in node.groups]
        node = node.take(order)
        hopeful = promised > incumbent
        lowest, promised = lowest[hopeful], promised[hopeful]
        highest = self._bounds[branch].upper(lowest)
        starts = [np.searchsorted(g.rates[branch], lowest - ROUNDING) for g in node.groups]
        stops = [np.searchsorted(g.rates[branch], highest, "right") for g in node.groups]
        can_meet = np.all([self._can_meet(node.groups, starts, stops, rate) for rate in rest], axis=0)
        winner = None
        for i in np.flatnonzero(can_meet)[np.argsort(-promised[can_meet], kind="stable")]:
            if promised[i] <= incumbent:
                break  # no later window promises more
            inside = [np.arange(a[i], b[i]) for a, b in zip(starts, stops, strict=True)]
            found = self._search(node.take(inside), rest, incumbent)
            if found is not None:
                winner, incumbent = found, found[1]
        return winner

    def _can_meet(
        self, groups: list[Choices], starts: list[Ints], stops: list[Ints], rate: int
    ) -> NDArray[np.bool_]:
        """Return in which stretches of the groups another rate can come close enough for its bound."""
        least, most = np.full(len(starts[0]), -np.inf), np.full(len(starts[0]), np.inf)
        some = np.all([start < stop for start, stop in zip(starts, stops, strict=True)], axis=0)
        for group, start, stop in zip(groups, starts, stops, strict=True):
            first, last, values = start[some], stop[some] - 1, group.rates[rate]
            least[some] = np.maximum(least[some], values[range_argmax(-values, first, last)])
            most[some] = np.minimum(most[some], values[range_argmax(values, first, last)])
        return some & (self._bounds[rate].lower(least) <= most + ROUNDING)

    def _last(self, node: _Node, rate: int, incumbent: float) -> tuple[list[int], float] | None:
        """Search the one rate that is left."""
        room = self._prices.value - incumbent
        node = node.take([np.flatnonzero(s <= room) for s in node.shortfall])  # others cannot do better
        if not all(map(len, node.groups)):
            return None
        if self._capacity is not None:
            return self._share(node, rate, incumbent)
        groups = [group.sorted_by(rate) for group in node.groups]
        windows = slide(groups, self._bounds[rate], rate, _levels(groups, self._bounds[rate], rate))
        best = windows.best()
        if best is None or best[1] <= incumbent:
            return None
        return [int(group.position[i]) for group, i in zip(groups, best[0], strict=True)], best[1]

    def _share(self, node: _Node, rate: int, incumbent: float) -> tuple[list[int], float] | None:
        """Search the windows of the last rate, in each of which the groups share the capacity."""
        lowest, promised = self._promise(node, rate)
        highest = self._bounds[rate].upper(lowest)
        groups = [group.sorted_by(rate) for group in node.groups]
        winner = None
        for i in np.argsort(-promised, kind="stable"):
            if promised[i] <= incumbent:
                break
            inside = []
            for group in groups:
                values = group.rates[rate]
                start = np.searchsorted(values, lowest[i] - ROUNDING)
                inside.append(group.take(slice(start, np.searchsorted(values, highest[i], "right"))))
            found = best_sharing(inside, self._capacity or 0.0, self._prices.selected, incumbent)
            if found is not None:
                incumbent = found[1]
                winner = [int(group.position[i]) for group, i in zip(inside, found[0], strict=True)]
        return None if winner is None else (winner, incumbent)

    def _promise(self, node: _Node, rate: int) -> tuple[Floats, Floats]:
        """Return the lowest values of a rate, and what the window above each of them can give at most."""
        plain, priced = [], []
        for group, shortfall, prices in zip(node.groups, node.shortfall, self._prices.rates, strict=True):
            # What a choice adds, after paying for all rates but this one.
            after_prices = prices[rate] * group.rates[rate] - shortfall
            order = np.argsort(group.rates[rate], kind="stable")
            plain.append(group.take(order))
            priced.append(replace(plain[-1], utility=after_prices[order]))
        lowest = _levels(plain, self._bounds[rate], rate)
        own = slide(plain, self._bounds[rate], rate, lowest).total
        dual = slide(priced, self._bounds[rate], rate, lowest).total
        return lowest, np.minimum(own, dual + self._prices.value + self._prices.rooms[rate])


def _levels(groups: list[Choices], bound: Bound, rate: int) -> Floats:
    """Return the lowest values that a rate can have: no less than what every group can come up to."""
    values = np.unique(np.concatenate([group.rates[rate] for group in groups]))
    start = bound.lower(max(group.rates[rate, 0] for group in groups))
    stop = min(group.rates[rate, -1] for group in groups)
    return values[(values >= start - ROUNDING) & (values <= stop + ROUNDING)]
