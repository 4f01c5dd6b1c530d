"""Several rates at once, or a capacity: a linear program for mixtures, and the prices that it sets.

A group may follow one threshold with some probability and another one otherwise. In the linear program each
threshold is a column with a probability; it is solved over few columns, and those that its prices show to be
worth more are added, until there are none (column generation). The optimum is that of Hardt, Price & Srebro
(NeurIPS 2016), with a tolerance and for any rates; where all rates have fixed denominators it can be
realised by mixing, and in any case it bounds from above what thresholds without mixing can reach.

The prices also tell how much a choice of thresholds that contains a given one must at least fall short of
that optimum. So once a good choice is known, most thresholds can be struck out before the exact search
begins, and the search is cut short by the same prices.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from fairsk.thresholds._rules import Mixture
from fairsk.thresholds._solvers.branch_and_bound import Branching, Prices
from fairsk.thresholds._solvers.problem import Choices, Problem

__all__ = ["ProgramSolver"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_MAX_ROUNDS = 200
#: Into how many stretches a group's thresholds are cut, of each of which the best column may enter at a time.
_STRETCHES = 8
#: How many thresholds of each group take part in the first, small search.
_TRIED_FIRST = 64


@dataclass
class ProgramSolver:
    """Solve a problem by linear programming (mixtures), and by search under its prices (thresholds).

    ``upper`` is the greatest utility that mixtures reach; minus infinity if nothing meets the bounds.
    """

    problem: Problem
    upper: float = field(init=False)
    method = "branch and bound"
    mixing_method = "a linear program (HiGHS)"

    def __post_init__(self) -> None:
        self.upper = -np.inf
        if not all(map(len, self.problem.groups)) or (self.problem.capacity or 0.0) < 0:
            return
        program = _Program(self.problem)
        if not program.maximise() and not (program.become_feasible() and program.maximise()):
            return
        self.upper = program.value
        self._mixtures = program.mixtures()
        self._prices = program.prices()

    def mixtures(self) -> list[Mixture]:
        """Return the best mixture of thresholds per group; ``upper`` must be finite."""
        return self._mixtures

    def thresholds(self) -> list[int] | None:
        """Return the position of each group's best threshold; None if no choice meets the bounds."""
        if not np.isfinite(self.upper):
            return None
        # A choice that has a threshold of some shortfall is at least that far below the optimum of mixtures.
        shortfall = self._prices.shortfall
        allowed = max(
            float(np.partition(s, min(_TRIED_FIRST, len(s)) - 1)[min(_TRIED_FIRST, len(s)) - 1])
            for s in shortfall
        )
        found: tuple[list[int], float] | None = None
        while True:
            found = self._search([np.flatnonzero(s <= allowed) for s in shortfall], found)
            needed = np.inf if found is None else self.upper - found[1] + self._rounding
            if needed <= allowed or allowed >= max(float(s.max()) for s in shortfall):
                break
            allowed = min(needed, 16 * allowed + self._rounding)
        if found is None:
            return None
        return [int(group.position[i]) for group, i in zip(self.problem.groups, found[0], strict=True)]

    @property
    def _rounding(self) -> float:
        return 1e-9 * max(float(np.abs(group.utility).max()) for group in self.problem.groups)

    def _search(
        self, kept: list[Ints], found: tuple[list[int], float] | None
    ) -> tuple[list[int], float] | None:
        """Return the best choice among the thresholds that are kept, or what was found before."""
        groups = [group.take(k) for group, k in zip(self.problem.groups, kept, strict=True)]
        problem = Problem(groups, self.problem.bounds, self.problem.capacity)
        incumbent = -np.inf if found is None else found[1]
        better = Branching(problem, self._prices.take(kept)).search(incumbent)
        if better is None:
            return found
        return [int(k[i]) for k, i in zip(kept, better[0], strict=True)], better[1]


class _Program:
    """The linear program over a growing set of columns.

    Variables: a probability per column; the lowest value of each rate; by how much the bounds are exceeded,
    which must come out as 0.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._groups, self._bounds = problem.groups, problem.bounds
        self._scale = max(float(np.abs(group.utility).max()) for group in self._groups) or 1.0
        self._room = 1.0 if not problem.capacity else problem.capacity
        self._columns = [_first_columns(group) for group in self._groups]
        self.value = -np.inf

    def become_feasible(self) -> bool:
        """Generate columns until the bounds can be met; say whether they can."""
        for _ in range(_MAX_ROUNDS):
            if self._solve_once(feasible_only=True) and self._excess <= 1e-10:
                return True
            if not self._generate(feasible_only=True):
                break
        return False

    def maximise(self) -> bool:
        """Generate columns until none is worth more; say whether there is a solution over those so far."""
        for _ in range(_MAX_ROUNDS):
            if not self._solve_once(feasible_only=False):
                return False
            if not self._generate(feasible_only=False):
                break
        for shortfall in self._shortfall:  # whatever is left below 0 is what the optimum may still rise by
            below = min(0.0, float(shortfall.min()))
            shortfall -= below
            self.value -= below * self._scale
        return True

    def _generate(self, *, feasible_only: bool) -> bool:
        """Add the columns that are worth more than they cost; say whether there are any."""
        self._shortfall = self._priced(feasible_only)
        pairs = zip(self._shortfall, self._columns, strict=True)
        fresh = [_most_wanted(shortfall, columns) for shortfall, columns in pairs]
        self._columns = [np.union1d(old, new) for old, new in zip(self._columns, fresh, strict=True)]
        return any(map(len, fresh))

    def _solve_once(self, *, feasible_only: bool) -> bool:
        """Solve over the columns so far; say whether there is a solution."""
        sizes = [len(columns) for columns in self._columns]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        n_columns, n_rates = int(starts[-1]), len(self._bounds)
        excess = n_columns + n_rates
        n_rows = 2 * n_rates * len(self._groups) + (self._problem.capacity is not None)
        table, limits = np.zeros((n_rows, excess + 1)), np.zeros(n_rows)
        each_is_one = np.zeros((len(self._groups), excess + 1))
        cost = np.zeros(excess + 1)
        row = 0
        for g, (group, columns) in enumerate(zip(self._groups, self._columns, strict=True)):
            own = slice(starts[g], starts[g + 1])
            each_is_one[g, own] = 1
            if not feasible_only:
                cost[own] = -group.utility[columns] / self._scale
            for j, bound in enumerate(self._bounds):
                factor, room = bound.line
                table[row, own], table[row, n_columns + j] = -group.rates[j, columns], 1
                table[row + 1, own], table[row + 1, n_columns + j] = factor * group.rates[j, columns], -1
                limits[row + 1] = room
                row += 2
            if self._problem.capacity is not None:
                table[-1, own] = group.selected[columns] / self._room
        if self._problem.capacity is not None:
            limits[-1] = 1.0 if self._problem.capacity else 0.0
        table[:, excess] = -1
        if feasible_only:
            cost[excess] = 1
        solution = linprog(
            cost,
            A_ub=table,
            b_ub=limits,
            A_eq=each_is_one,
            b_eq=np.ones(len(self._groups)),
            bounds=[(0, None)] * n_columns
            + [(None, None)] * n_rates
            + [(0, None if feasible_only else 1e-10)],
            method="highs",
        )
        if solution.status == 2:  # infeasible
            return False
        if not solution.success:
            raise RuntimeError(f"The linear program failed: {solution.message}")
        self._probabilities = np.split(np.clip(solution.x[:n_columns], 0, None), starts[1:-1])
        self._excess = float(solution.x[excess])
        self._row_prices = solution.ineqlin.marginals
        self._group_prices = solution.eqlin.marginals
        self.value = -float(solution.fun) * self._scale
        return True

    def _priced(self, feasible_only: bool) -> list[Floats]:
        """Return how much more every threshold costs than the prices pay for it: at the end, never less."""
        shortfall = []
        for group, prices, base in zip(self._groups, self._rate_prices, self._group_prices, strict=True):
            cost = prices @ group.rates - base
            if not feasible_only:
                cost -= group.utility / self._scale
            if self._problem.capacity is not None:
                cost += self._capacity_price * group.selected
            shortfall.append(cost)
        return shortfall

    @property
    def _capacity_price(self) -> float:
        """What a selected row costs."""
        return 0.0 if self._problem.capacity is None else float(-self._row_prices[-1] / self._room)

    @property
    def _rate_prices(self) -> Floats:
        """What a unit of each rate costs in each group."""
        n_rates = len(self._bounds)
        above, below = (
            self._row_prices[start : 2 * n_rates * len(self._groups) : 2].reshape(-1, n_rates)
            for start in (0, 1)
        )
        factors = np.array([bound.line[0] for bound in self._bounds])
        return above - factors * below

    def mixtures(self) -> list[Mixture]:
        found = []
        for group, columns, probability in zip(self._groups, self._columns, self._probabilities, strict=True):
            used = probability > 1e-7  # as much as HiGHS allows rows to be exceeded by
            found.append(Mixture(group.position[columns[used]], probability[used] / probability[used].sum()))
        return found

    def prices(self) -> Prices:
        """Return what the bounds are worth at the optimum, in units of the utility."""
        n_rates = len(self._bounds)
        below = self._row_prices[1 : 2 * n_rates * len(self._groups) : 2].reshape(-1, n_rates)
        rooms = np.array([bound.line[1] for bound in self._bounds])
        return Prices(
            [shortfall * self._scale for shortfall in self._shortfall],
            self._rate_prices * self._scale,
            below.sum(0) * rooms * self._scale,
            self._capacity_price * self._scale,
            self.value,
        )


def _first_columns(group: Choices) -> Ints:
    """Return thresholds to begin with: extremes of what counts, and some in between."""
    extremes = [np.argmax(group.utility), np.argmin(group.selected), np.argmax(group.selected)]
    extremes += [*np.argmin(group.rates, axis=1), *np.argmax(group.rates, axis=1)]
    spread = np.linspace(0, len(group) - 1, min(len(group), 4 * _STRETCHES)).astype(np.intp)
    return np.union1d(np.array(extremes, dtype=np.intp), spread)


def _most_wanted(shortfall: Floats, present: Ints) -> Ints:
    """Return the threshold of least shortfall in each stretch, where that is negative."""
    edges = np.linspace(0, len(shortfall), min(len(shortfall), _STRETCHES) + 1).astype(np.intp)
    found = np.array([a + np.argmin(shortfall[a:b]) for a, b in pairwise(edges)], dtype=np.intp)
    return np.setdiff1d(found[shortfall[found] < -1e-9], present)
