"""The linear program for several rates, or a capacity: mixtures of thresholds, and dual values.

A group may follow one threshold with some probability and another one otherwise. In the linear program each
threshold is a column with a probability; it is solved over few columns, and those of negative reduced cost
are added, until there are none (column generation). The optimum is that of Hardt, Price & Srebro
(NeurIPS 2016), with a tolerance and for any rates; where all rates have fixed denominators it can be
realised by mixing, and in any case it bounds from above what thresholds without mixing can reach.

Groups may have to reach a level of a rate of their own, on average: each is one more row of the program. The
highest level that all of them can reach together is the optimum of the program with the level as its
objective.

The reduced cost of a threshold is how much a choice that contains it must at least fall short of that
optimum. So once a good choice is known, most thresholds can be struck out before the exact search begins,
and the search is pruned by the same dual values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np
from scipy.optimize import linprog

from fairsk._core.typing import Bools, Floats, Ints
from fairsk.thresholds._rules import Mixture
from fairsk.thresholds._solvers.branch_and_bound import BranchAndBound, Duals
from fairsk.thresholds._solvers.group_search import GroupSearch
from fairsk.thresholds._solvers.problem import OperatingPoints, Problem

__all__ = ["LinearProgramSolver"]


#: What the linear program optimises: the utility, the least surplus of a group, or by how much bounds are
#: exceeded.
_Goal: TypeAlias = Literal["utility", "surplus", "excess"]

_MAX_ROUNDS = 200
#: Into how many stretches a group's thresholds are cut, of each of which the best column may enter at a time.
_STRETCHES = 8
#: How many thresholds of each group take part in the first, small search.
_TRIED_FIRST = 64
#: By how much bounds may be exceeded at the optimum.
_EXCESS = 1e-10


@dataclass(frozen=True)
class _Optimum:
    """The optimum of the linear program: the best mixtures, and the dual values."""

    mixtures: list[Mixture]
    duals: Duals


class LinearProgramSolver:
    """The solution of any problem: mixtures by linear programming, thresholds by search under its duals.

    Parameters
    ----------
    problem : Problem
        What to choose from, under which bounds.
    """

    name = "branch and bound"
    mixing_name = "a linear program (HiGHS)"

    def __init__(self, problem: Problem) -> None:
        self._problem = problem

    @cached_property
    def _optimum(self) -> _Optimum | None:
        """The optimum; None if nothing meets the bounds."""
        if self._problem.is_empty or (self._problem.capacity or 0.0) < 0:
            return None
        return _ColumnGeneration(self._problem).optimum()

    @property
    def upper_bound(self) -> float:
        """The greatest utility that mixtures reach; minus infinity if nothing meets the bounds."""
        return -np.inf if self._optimum is None else self._optimum.duals.value

    def mixtures(self) -> list[Mixture] | None:
        """Return the best mixture of thresholds per group; None if nothing meets the bounds."""
        return None if self._optimum is None else self._optimum.mixtures

    def greatest_surplus(self) -> tuple[float, list[Mixture]] | None:
        """Return the greatest surplus that mixtures give to every group that has one, and such mixtures.

        None if nothing meets the bounds.
        """
        if self._problem.is_empty or (self._problem.capacity or 0.0) < 0:
            return None
        return _ColumnGeneration(self._problem).greatest_surplus()

    def thresholds(self) -> list[int] | None:
        """Return the position of each group's best threshold; None if no choice meets the bounds."""
        if self._optimum is None:
            return None
        duals = self._optimum.duals
        costs = duals.reduced_cost
        # Search among thresholds of small reduced cost, and widen that until no other can be part of a
        # better choice: a choice that has a threshold is at least its reduced cost below the optimum.
        max_cost = max(_smallest(cost, _TRIED_FIRST) for cost in costs)
        best: tuple[list[int], float] | None = None
        while True:
            best = self._search(duals, [np.flatnonzero(cost <= max_cost) for cost in costs], best)
            gap = np.inf if best is None else duals.value - best[1] + self._problem.dual_rounding
            if gap <= max_cost or max_cost >= max(float(cost.max()) for cost in costs):
                break
            max_cost = min(gap, 16 * max_cost + self._problem.dual_rounding)
        if best is None:
            return None
        return [int(group.position[i]) for group, i in zip(self._problem.groups, best[0], strict=True)]

    def _search(
        self, duals: Duals, index: list[Ints], incumbent: tuple[list[int], float] | None
    ) -> tuple[list[int], float] | None:
        """Return the best choice among some of the thresholds, or the incumbent."""
        groups = [group.take(i) for group, i in zip(self._problem.groups, index, strict=True)]
        problem = replace(self._problem, groups=groups)
        reached = -np.inf if incumbent is None else incumbent[1]
        search = GroupSearch if problem.has_strata else BranchAndBound
        better = search(problem, duals.take(index)).search(reached)
        if better is None:
            return incumbent
        return [int(i[point]) for i, point in zip(index, better[0], strict=True)], better[1]


def _smallest(values: Floats, k: int) -> float:
    """Return the k-th smallest of the values, or the largest if there are fewer."""
    place = min(k, len(values)) - 1
    return float(np.partition(values, place)[place])


@dataclass(frozen=True)
class _Master:
    """The solution of the linear program over the columns so far, with utilities divided by the scale.

    Parameters
    ----------
    columns : list of arrays
        Of each group, the positions of its columns among its points.
    probabilities : list of arrays
        The probability of each column.
    excess : float
        By how much bounds are exceeded.
    row_duals, group_duals : arrays
        The dual values of the bounds (then the surpluses, and the capacity last), and of "probabilities sum
        to one".
    value : float
        The optimum.
    """

    columns: list[Ints]
    probabilities: list[Floats]
    excess: float
    row_duals: Floats
    group_duals: Floats
    value: float


class _ColumnGeneration:
    """The linear program over a growing set of columns.

    Variables: a probability per column; the lowest value of each rate; by how much the bounds are exceeded,
    which must come out as 0; and the least surplus, which is 0 unless it is the objective.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._bounds = problem.bounds
        # A group without a rate has rows of zeros for it.
        self._takes_part: list[Bools] = [~np.isnan(group.rates[:, 0]) for group in problem.groups]
        self._groups = [
            group if taking.all() else replace(group, rates=np.where(taking[:, None], group.rates, 0.0))
            for group, taking in zip(problem.groups, self._takes_part, strict=True)
        ]
        self._scale = max(float(np.abs(group.utility).max()) for group in self._groups) or 1.0
        self._capacity_unit = 1.0 if not problem.capacity else problem.capacity
        self._columns = [_first_columns(group) for group in self._groups]
        self._with_surplus = [g for g, group in enumerate(self._groups) if group.surplus is not None]

    def optimum(self) -> _Optimum | None:
        """Return the optimum over all columns; None if the bounds cannot be met."""
        best = self._reach("utility")
        if best is None:
            return None
        master, reduced_costs, value = best
        return _Optimum(self._mixtures(master), self._duals(master, reduced_costs, value * self._scale))

    def greatest_surplus(self) -> tuple[float, list[Mixture]] | None:
        """Return the greatest surplus of all groups together, and mixtures; None if bounds cannot be met."""
        best = self._reach("surplus")
        if best is None:
            return None
        master, _, value = best
        return value, self._mixtures(master)

    def _reach(self, goal: _Goal) -> tuple[_Master, list[Floats], float] | None:
        """Maximise, after columns have been found that meet the bounds; None if there are none."""
        best = self._maximise(goal)
        if best is None and self._become_feasible(goal):
            best = self._maximise(goal)
        return best

    def _become_feasible(self, goal: _Goal) -> bool:
        """Generate columns until the bounds can be met; say whether they can."""
        free_surplus = goal == "surplus"
        for _ in range(_MAX_ROUNDS):
            master = self._solve("excess", free_surplus=free_surplus)
            if master is None:
                return False
            if master.excess <= _EXCESS:
                return True
            if not self._add_columns(self._reduced_costs(master, "excess")):
                return False
        return False

    def _maximise(self, goal: _Goal) -> tuple[_Master, list[Floats], float] | None:
        """Generate columns until none has a negative reduced cost; return the reduced costs and the value.

        The value is in units of the scale. None if there is no solution over the columns so far.
        """
        n_rounds = 0
        while True:
            master = self._solve(goal)
            if master is None:
                return None
            reduced_costs = self._reduced_costs(master, goal)
            n_rounds += 1
            if n_rounds == _MAX_ROUNDS or not self._add_columns(reduced_costs):
                break
        # Whatever is left below 0 is what the optimum may still rise by: so the value bounds it from above.
        value = master.value
        for cost in reduced_costs:
            below = min(0.0, float(cost.min()))
            cost -= below
            value -= below
        return master, reduced_costs, value

    def _add_columns(self, reduced_costs: list[Floats]) -> bool:
        """Add columns of negative reduced cost; say whether there are any."""
        pairs = zip(reduced_costs, self._columns, strict=True)
        entering = [_price_columns(cost, columns) for cost, columns in pairs]
        self._columns = [np.union1d(old, new) for old, new in zip(self._columns, entering, strict=True)]
        return any(map(len, entering))

    def _solve(self, goal: _Goal, *, free_surplus: bool = False) -> _Master | None:
        """Solve over the columns so far; None if there is no solution."""
        sizes = [len(columns) for columns in self._columns]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        n_columns, n_rates = int(starts[-1]), len(self._bounds)
        excess, least = n_columns + n_rates, n_columns + n_rates + 1
        table, rhs = self._inequalities(starts)
        each_is_one = np.zeros((len(self._groups), least + 1))
        cost = np.zeros(least + 1)
        for g, (group, columns) in enumerate(zip(self._groups, self._columns, strict=True)):
            of_group = slice(starts[g], starts[g + 1])
            each_is_one[g, of_group] = 1
            if goal == "utility":
                cost[of_group] = -group.utility[columns] / self._scale
        if goal == "excess":
            cost[excess] = 1
        elif goal == "surplus":
            cost[least] = -1
        solution = linprog(
            cost,
            A_ub=table,
            b_ub=rhs,
            A_eq=each_is_one,
            b_eq=np.ones(len(self._groups)),
            bounds=[(0, None)] * n_columns
            + [(None, None)] * n_rates
            + [(0, None if goal == "excess" else _EXCESS)]
            + [(None, None) if goal == "surplus" or free_surplus else (0, 0)],
            method="highs",
        )
        if solution.status == 2:  # infeasible
            return None
        if not solution.success:
            raise RuntimeError(f"The linear program failed: {solution.message}")
        return _Master(
            self._columns,
            np.split(np.clip(solution.x[:n_columns], 0, None), starts[1:-1]),
            float(solution.x[excess]),
            solution.ineqlin.marginals,
            solution.eqlin.marginals,
            -float(solution.fun),
        )

    def _inequalities(self, starts: Ints) -> tuple[Floats, Floats]:
        """Return the rows of the bounds, the surpluses and the capacity, and what each may be at the most.

        The variables are a share per column, from ``starts`` on for each group; the low end of each rate's
        window; the excess over all of these rows; and the least surplus.
        """
        n_columns, n_rates = int(starts[-1]), len(self._bounds)
        excess, least = n_columns + n_rates, n_columns + n_rates + 1
        n_rows = 2 * n_rates * len(self._groups) + len(self._with_surplus)
        n_rows += self._problem.capacity is not None
        table, rhs = np.zeros((n_rows, least + 1)), np.zeros(n_rows)
        row = 0
        for g, (group, columns) in enumerate(zip(self._groups, self._columns, strict=True)):
            of_group = slice(starts[g], starts[g + 1])
            for j, bound in enumerate(self._bounds):
                if not self._takes_part[g][j]:
                    row += 2
                    continue
                # lowest <= low end of the rate, and factor * high end <= lowest + slack
                (factor, slack), rates = bound.line, group.rates[j, columns]
                shift, stretch = group.room.shift[j], group.room.factor[j]
                table[row, of_group], table[row, n_columns + j] = -rates, stretch
                table[row + 1, of_group], table[row + 1, n_columns + j] = factor * stretch * rates, -1
                rhs[row : row + 2] = -shift, slack - factor * shift
                row += 2
            if self._problem.capacity is not None:
                table[-1, of_group] = group.selected[columns] / self._capacity_unit
        for g in self._with_surplus:  # least <= surplus
            table[row, starts[g] : starts[g + 1]] = -self._surplus(g)[self._columns[g]]
            table[row, least] = 1
            row += 1
        if self._problem.capacity is not None:
            rhs[-1] = 1.0 if self._problem.capacity else 0.0
        table[:, excess] = -1
        return table, rhs

    def _surplus(self, group: int) -> Floats:
        """Return the surpluses of a group that has them."""
        surplus = self._groups[group].surplus
        assert surplus is not None
        return surplus

    def _reduced_costs(self, master: _Master, goal: _Goal) -> list[Floats]:
        """Return by how much every threshold costs more than it gains: at the end, never less."""
        reduced_costs = []
        rate_duals = self._rate_duals(master)
        for group, duals, base in zip(self._groups, rate_duals, master.group_duals, strict=True):
            cost = duals @ group.rates - base
            if goal == "utility":
                cost -= group.utility / self._scale
            if self._problem.capacity is not None:
                cost += self._capacity_dual(master) * group.selected
            reduced_costs.append(cost)
        start = 2 * len(self._bounds) * len(self._groups)
        for i, g in enumerate(self._with_surplus):
            reduced_costs[g] += master.row_duals[start + i] * self._surplus(g)
        return reduced_costs

    def _capacity_dual(self, master: _Master) -> float:
        """Return what a selected row costs."""
        if self._problem.capacity is None:
            return 0.0
        return float(-master.row_duals[-1] / self._capacity_unit)

    def _bound_duals(self, master: _Master) -> tuple[Floats, Floats]:
        """Return the dual values of "not below the lowest", and of "not above it by too much"."""
        n_rates = len(self._bounds)
        stop = 2 * n_rates * len(self._groups)
        above, below = (master.row_duals[start:stop:2].reshape(-1, n_rates) for start in (0, 1))
        return above, below

    def _rate_duals(self, master: _Master) -> Floats:
        """Return what a unit of each rate costs in each group."""
        above, below = self._bound_duals(master)
        factors = np.array([bound.line[0] for bound in self._bounds])
        return above - factors * np.array([group.room.factor for group in self._groups]) * below

    def _mixtures(self, master: _Master) -> list[Mixture]:
        """Return the columns that are used, with their probabilities."""
        mixtures = []
        for group, columns, probability in zip(
            self._groups, master.columns, master.probabilities, strict=True
        ):
            used = probability > 1e-7  # as much as HiGHS allows rows to be exceeded by
            shares = probability[used] / probability[used].sum()
            mixtures.append(Mixture(group.position[columns[used]], shares))
        return mixtures

    def _duals(self, master: _Master, reduced_costs: list[Floats], value: float) -> Duals:
        """Return the dual values in units of the utility."""
        above, below = self._bound_duals(master)
        factor, slack = np.array([bound.line for bound in self._bounds]).T
        shift = np.array([group.room.shift for group in self._groups])
        rhs = below * (slack - factor * shift) - above * shift
        return Duals(
            [cost * self._scale for cost in reduced_costs],
            self._rate_duals(master) * self._scale,
            rhs.sum(0) * self._scale,
            self._capacity_dual(master) * self._scale,
            value,
        )


def _first_columns(group: OperatingPoints) -> Ints:
    """Return thresholds to begin with: extremes of what counts, and some in between."""
    extremes = [np.argmax(group.utility), np.argmin(group.selected), np.argmax(group.selected)]
    extremes += [*np.argmin(group.rates, axis=1), *np.argmax(group.rates, axis=1)]
    if group.surplus is not None:
        extremes.append(np.argmax(group.surplus))
    spread = np.linspace(0, len(group) - 1, min(len(group), 4 * _STRETCHES)).astype(np.intp)
    return np.union1d(np.array(extremes, dtype=np.intp), spread)


def _price_columns(reduced_cost: Floats, present: Ints) -> Ints:
    """Return the threshold of least reduced cost in each stretch, where that is negative."""
    edges = np.linspace(0, len(reduced_cost), min(len(reduced_cost), _STRETCHES) + 1).astype(np.intp)
    least = np.array([a + np.argmin(reduced_cost[a:b]) for a, b in pairwise(edges)], dtype=np.intp)
    return np.setdiff1d(least[reduced_cost[least] < -1e-9], present)
