"""The best choice of one offset vector per group among those looked at: branch and bound over groups.

Two vectors of different groups are compatible if no rate lies further apart than its bound; a choice in
which all are compatible in pairs meets the bounds. The reduced cost of a vector is how much a choice that
has it falls short of the linear program's optimum at least: so most vectors are struck out at once, and the
others are tried from the greatest upper bound on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fairsk._core.bounds import ROUNDING, Bound
from fairsk._core.typing import Bools, Floats, Ints
from fairsk.thresholds._classes.master import Windows
from fairsk.thresholds._classes.pool import GroupPool

__all__ = ["Choice", "choose"]

#: How many vectors of each group take part in the first, small search.
_TRIED_FIRST = 48
#: How many take part at the most; how many pairs of vectors are looked at in one search.
_MOST_VECTORS, _MOST_PAIRS = 2_000, 30_000_000
#: By how much the linear program's value may be too small, for rounding alone, in units of the value's range.
_DUAL_ROUNDING = 1e-8


@dataclass(frozen=True)
class Choice:
    """One vector per group.

    Parameters
    ----------
    places : list of int
        Where each group's vector stands in its pool.
    value : float
        What they are worth together.
    is_best : bool
        Whether no other choice among the pools is worth more.
    """

    places: list[int]
    value: float
    is_best: bool


def choose(
    windows: Windows,
    pools: list[GroupPool],
    bounds: tuple[Bound, ...],
    reduced_costs: list[Floats],
    value: float,
    incumbent: list[int] | None = None,
) -> Choice | None:
    """Return the best choice among pools; None if no choice that was looked at meets the bounds.

    Parameters
    ----------
    windows : Windows
        The bounds.
    pools : list of GroupPool
        What each group may choose from.
    bounds : tuple of Bound
        The bound of each rate.
    reduced_costs : list of arrays
        By how much a choice with a vector falls short of the value at least.
    value : float
        The optimum of the linear program.
    incumbent : list of int, optional
        A choice that meets the bounds.
    """
    span = max(float(np.ptp(pool.worth)) for pool in pools) or 1.0
    rounding = _DUAL_ROUNDING * span
    floors = [_meets_floors(windows, pool) for pool in pools]
    costs = [
        np.where(ok, np.maximum(cost, 0.0), np.inf) for ok, cost in zip(floors, reduced_costs, strict=True)
    ]
    most_cost = max(float(cost[np.isfinite(cost)].max(initial=-np.inf)) for cost in costs)
    limit = max(_smallest(cost, _TRIED_FIRST) for cost in costs)
    best: tuple[list[int], float] | None = None
    if incumbent is not None:
        best = incumbent, sum(float(pool.worth[i]) for pool, i in zip(pools, incumbent, strict=True))
    is_best = True
    while True:
        kept = [_cheapest(cost, limit) for cost in costs]
        is_best = all(int((cost <= limit).sum()) == len(k) for cost, k in zip(costs, kept, strict=True))
        search = _Search(windows, pools, bounds, costs, kept, value + rounding)
        found = search.run(-np.inf if best is None else best[1])
        is_best &= search.pairs_left > 0
        if found is not None:
            best = found
        gap = np.inf if best is None else value - best[1] + rounding
        if not is_best or gap <= limit or limit >= most_cost:
            break
        limit = min(gap, 16 * limit + rounding)
    return None if best is None else Choice(best[0], best[1], is_best)


def _meets_floors(windows: Windows, pool: GroupPool) -> Bools:
    """Return which vectors of a pool meet the floors."""
    has_floor = pool.terms.has_floor(pool.tables)
    return np.asarray((pool.floors[has_floor] >= windows.least[has_floor, None] - ROUNDING).all(0))


def _smallest(costs: Floats, k: int) -> float:
    """Return the k-th smallest of the finite costs, or the largest of them."""
    finite = np.sort(costs[np.isfinite(costs)])
    return float(finite[min(k, len(finite)) - 1]) if len(finite) else -np.inf


def _cheapest(costs: Floats, limit: float) -> Ints:
    """Return the vectors of costs up to a limit, as many as may take part."""
    within = np.flatnonzero(costs <= limit)
    if len(within) <= _MOST_VECTORS:
        return within
    return np.sort(within[np.argsort(costs[within], kind="stable")[:_MOST_VECTORS]])


@dataclass
class _Search:
    """A search among some vectors of each group."""

    windows: Windows
    pools: list[GroupPool]
    bounds: tuple[Bound, ...]
    costs: list[Floats]
    kept: list[Ints]
    value: float
    pairs_left: int = _MOST_PAIRS
    _pairs: dict[tuple[int, int], Bools] = field(default_factory=dict)

    def run(self, incumbent: float) -> tuple[list[int], float] | None:
        """Return the best choice that is worth more than the incumbent, and what it is worth."""
        groups = range(len(self.pools))
        self._worth = [self.pools[g].worth[self.kept[g]] for g in groups]
        self._cost = [self.costs[g][self.kept[g]] for g in groups]
        limited = np.isfinite(self.windows.capacity)
        self._shares = [self.pools[g].shares[:, self.kept[g]][limited] for g in groups]
        self._capacity = self.windows.capacity[limited] + ROUNDING
        rates = [self.pools[g].rates[:, self.kept[g]] for g in groups]
        self._high = [self.windows.high(rates[g], g) for g in groups]
        low = [self.windows.low(rates[g], g) for g in groups]
        self._most = [
            np.array([bound.upper(ends) for bound, ends in zip(self.bounds, of_group, strict=True)])
            for of_group in low
        ]
        # With room to keep to the ends, a rate's own interval may be too long.
        left = {g: np.flatnonzero((self._high[g] <= self._most[g]).all(0)) for g in groups}
        none = np.zeros(len(self._capacity))
        found = self._branch({}, left, 0.0, 0.0, none, incumbent)
        if found is None:
            return None
        chosen, total = found
        return [int(self.kept[g][chosen[g]]) for g in groups], total

    def _branch(
        self,
        chosen: dict[int, int],
        left: dict[int, Ints],
        worth: float,
        cost: float,
        shares: Floats,
        incumbent: float,
    ) -> tuple[dict[int, int], float] | None:
        """Search the choices that a partial one can become."""
        group = min(left, key=lambda g: len(left[g]))
        points, others = left[group], {g: rest for g, rest in left.items() if g != group}
        self.pairs_left -= len(points) * (1 + sum(map(len, others.values())))
        total, spent = worth + self._worth[group][points], cost + self._cost[group][points]
        used = shares[:, None] + self._shares[group][:, points]
        primal, dual, fewest = total.copy(), self.value - spent, used.copy()
        for other, rest in others.items():
            together = self._compatible(group, other)[np.ix_(points, rest)]
            if not len(rest):
                return None
            primal += np.where(together, self._worth[other][rest], -np.inf).max(1)
            dual -= np.where(together, self._cost[other][rest], np.inf).min(1)
            for e, share in enumerate(self._shares[other]):
                fewest[e] += np.where(together, share[rest], np.inf).min(1)
        fits = (fewest <= self._capacity[:, None]).all(0)
        upper_bound = np.where(fits, np.minimum(primal, dual), -np.inf)
        best = None
        for i in np.argsort(-upper_bound, kind="stable"):
            if upper_bound[i] <= incumbent or self.pairs_left <= 0:
                break  # no later one can reach more
            point = int(points[i])
            if others:
                beside = {g: rest[self._compatible(group, g)[point, rest]] for g, rest in others.items()}
                step = ({**chosen, group: point}, beside, float(total[i]), float(spent[i]), used[:, i])
                better = self._branch(*step, incumbent)
            else:
                better = ({**chosen, group: point}, float(total[i]))
            if better is not None and better[1] > incumbent:
                best, incumbent = better, better[1]
        return best

    def _compatible(self, group: int, other: int) -> Bools:
        """Return which pairs of vectors lie no further apart than the bounds, of shape (n_own, n_other)."""
        pair = self._pairs.get((group, other))
        if pair is None:
            pair = np.ones((len(self.kept[group]), len(self.kept[other])), dtype=bool)
            for j in np.flatnonzero(self.windows.is_bounded[:, group] & self.windows.is_bounded[:, other]):
                pair &= self._high[group][j, :, None] <= self._most[other][j]
                pair &= self._high[other][j] <= self._most[group][j, :, None]
            self._pairs[group, other], self._pairs[other, group] = pair, pair.T
        return pair
