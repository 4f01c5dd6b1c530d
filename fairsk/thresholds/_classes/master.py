"""The linear program over mixtures of offset vectors, and the prices that it puts on rates.

Every offset vector of a group is a column with a probability. The program is solved over the columns that
have been looked at; its dual values price the rates, so that the search for a better column is one for
offsets that are worth most after the rates have been paid for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.optimize import linprog

from fairsk._core.typing import Bools, Floats, Ints
from fairsk.thresholds._classes.pool import GroupPool
from fairsk.thresholds._classes.problem import OffsetProblem

__all__ = ["Master", "Prices", "Windows"]

#: By how much bounds may be exceeded at the optimum.
_EXCESS = 1e-10
#: How exactly HiGHS keeps rows and prices: the most exact that it offers.
_EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@dataclass(frozen=True)
class Windows:
    """The bounds as the solvers see them, and what is left of the capacity.

    Parameters
    ----------
    factor, slack : arrays of shape (n_rates,)
        The bounds as ``factor * largest <= smallest + slack``.
    shift, stretch : arrays of shape (n_rates, n_groups)
        How far the rates of the measured groups stay away from the ends: a rate r stands for the interval
        from ``(r - shift) / stretch`` to ``stretch * r + shift``.
    is_bounded : bool array of shape (n_rates, n_groups)
        Which rates of which measured groups are compared.
    least : array of shape (n_floors,)
        The floors.
    capacity : array of shape (n_events,)
        Which share of all rows the measured groups may give to each event; infinite where there is none.
    """

    factor: Floats
    slack: Floats
    shift: Floats
    stretch: Floats
    is_bounded: Bools
    least: Floats
    capacity: Floats

    @classmethod
    def of(cls, problem: OffsetProblem, fixed_shares: Floats) -> Windows:
        """Return the windows of a problem, beside what is decided in the groups that take no part."""
        lines = [bound.line for bound in problem.bounds]
        is_open = np.array([np.isinf(bound.value) or bound.line[0] == 0 for bound in problem.bounds])
        measured = problem.measured
        compared = problem.compared[:, measured]
        room = problem.clearance
        capacity = np.full(problem.n_events, np.inf) if problem.capacity is None else problem.capacity
        least = [least for _, least in problem.floors for _ in range(problem.n_events)]
        return cls(
            np.array([factor for factor, _ in lines]),
            np.array([0.0 if is_open[j] else slack for j, (_, slack) in enumerate(lines)]),
            room.shift[:, measured],
            room.factor[:, measured],
            compared & ~is_open[:, None],
            np.array(least, dtype=float),
            np.asarray(capacity, dtype=float) - fixed_shares,
        )

    def low(self, rates: Floats, group: int) -> Floats:
        """Return the lower ends of the intervals of rates of shape (n_rates, n); infinite if not compared."""
        ends = (rates - self.shift[:, [group]]) / self.stretch[:, [group]]
        return np.where(self.is_bounded[:, [group]], ends, np.inf)

    def high(self, rates: Floats, group: int) -> Floats:
        """Return the upper ends; minus infinity if not compared."""
        ends = rates * self.stretch[:, [group]] + self.shift[:, [group]]
        return np.where(self.is_bounded[:, [group]], ends, -np.inf)


@dataclass(frozen=True)
class Prices:
    """The dual values: what a unit of a rate, of a floor's rate and of a share costs in each group.

    Parameters
    ----------
    rates : array of shape (n_rates, n_groups)
        Of the bounded rates.
    floors : array of shape (n_floors, n_groups)
        Of the rates with a floor; negative where more of it is wanted.
    shares : array of shape (n_events,)
        Of what is decided within an event.
    base : array of shape (n_groups,)
        What a column must cost less than for the program to gain by it.
    constant : float
        What the right-hand sides of all bounds cost.
    """

    rates: Floats
    floors: Floats
    shares: Floats
    base: Floats
    constant: float = 0.0

    def towards(self, other: Prices, part: float) -> Prices:
        """Return prices between these and others: a part of the way."""
        names = ("rates", "floors", "shares", "base", "constant")
        mean = [(1 - part) * getattr(self, name) + part * getattr(other, name) for name in names]
        return Prices(*mean)

    def reduced_costs(self, pool: GroupPool, group: int, goal: Literal["worth", "excess"]) -> Floats:
        """Return by how much each vector of a pool costs more than it gains."""
        cost = self.rates[:, group] @ np.nan_to_num(pool.rates) - self.base[group]
        cost += self.floors[:, group] @ np.nan_to_num(pool.floors) + self.shares @ pool.shares
        return np.asarray(cost - pool.worth if goal == "worth" else cost)

    def payoff(self, pool: GroupPool, group: int, table: Floats, goal: Literal["worth", "excess"]) -> Floats:
        """Return what a row of each label gains by each decision, near a table: its slopes."""
        gain = pool.terms.worth_form() if goal == "worth" else np.zeros_like(table)
        gain = gain - np.tensordot(self.rates[:, group], pool.terms.rate_forms(table), 1)
        gain -= np.tensordot(self.floors[:, group], pool.terms.floor_forms(table), 1)
        return np.asarray(gain - np.tensordot(self.shares, pool.terms.share_forms(), 1))


@dataclass(frozen=True)
class Master:
    """The optimum of the program over some columns.

    Parameters
    ----------
    columns : list of integer arrays
        Of each group, which vectors of its pool.
    probabilities : list of arrays
        The probability of each.
    value : float
        The worth, or the excess.
    excess : float
        By how much bounds are exceeded.
    prices : Prices
        The dual values.
    """

    columns: list[Ints]
    probabilities: list[Floats]
    value: float
    excess: float
    prices: Prices

    @classmethod
    def solve(
        cls,
        windows: Windows,
        pools: list[GroupPool],
        columns: list[Ints],
        goal: Literal["worth", "excess"],
    ) -> Master | None:
        """Solve over some columns; None if nothing meets the bounds."""
        starts = np.concatenate([[0], np.cumsum([len(c) for c in columns])])
        n_columns, n_rates = int(starts[-1]), len(windows.factor)
        n_variables = n_columns + n_rates + 1
        cost = np.zeros(n_variables)
        rows: list[Floats] = []
        rhs: list[float] = []
        #: What each row is about: its kind, and where its dual value belongs.
        about: list[tuple[str, int, int]] = []
        each_is_one = np.zeros((len(pools), n_variables))
        has_capacity = np.flatnonzero(np.isfinite(windows.capacity))
        shares = np.zeros((len(has_capacity), n_variables))
        for g, (pool, chosen) in enumerate(zip(pools, columns, strict=True)):
            of_group = slice(starts[g], starts[g + 1])
            each_is_one[g, of_group] = 1
            if goal == "worth":
                cost[of_group] = -pool.worth[chosen]
            rates, floors = pool.rates[:, chosen], pool.floors[:, chosen]
            for j in np.flatnonzero(windows.is_bounded[:, g]):
                factor, stretch, shift = windows.factor[j], windows.stretch[j, g], windows.shift[j, g]
                row = np.zeros((2, n_variables))
                row[0, of_group], row[0, n_columns + j] = -rates[j], stretch
                row[1, of_group], row[1, n_columns + j] = factor * stretch * rates[j], -1
                rows += list(row)
                rhs += [-shift, windows.slack[j] - factor * shift]
                about += [("low", int(j), g), ("high", int(j), g)]
            for j in np.flatnonzero(pool.terms.has_floor(pool.tables[chosen])):
                row = np.zeros((1, n_variables))
                row[0, of_group] = -floors[j]
                rows += list(row)
                rhs.append(-windows.least[j])
                about.append(("floor", int(j), g))
            shares[:, of_group] = pool.shares[:, chosen][has_capacity]
        rows += list(shares)
        rhs += windows.capacity[has_capacity].tolist()
        about += [("capacity", int(e), 0) for e in has_capacity]
        table = np.array(rows).reshape(len(rows), n_variables)
        table[:, -1] = -1
        if goal == "excess":
            cost[-1] = 1
        program = {
            "A_ub": table if len(rows) else None,
            "b_ub": np.array(rhs) if len(rows) else None,
            "A_eq": each_is_one,
            "b_eq": np.ones(len(pools)),
            "bounds": [(0, None)] * n_columns
            + [(None, None)] * n_rates
            + [(0, None if goal == "excess" else _EXCESS)],
            "method": "highs",
        }
        solution = linprog(cost, **program, options=_EXACT)
        if not solution.success and solution.status != 2:  # more exact than the numbers allow
            solution = linprog(cost, **program)
        if solution.status == 2:  # infeasible
            return None
        if not solution.success:
            raise RuntimeError(f"The linear program failed: {solution.message}")
        prices = Prices(
            np.zeros((n_rates, len(pools))),
            np.zeros((len(windows.least), len(pools))),
            np.zeros(len(windows.capacity)),
            np.asarray(solution.eqlin.marginals),
        )
        duals = solution.ineqlin.marginals if len(rows) else np.zeros(0)
        prices = replace(prices, constant=float(-duals @ np.array(rhs)))
        for (kind, at, g), dual in zip(about, duals, strict=True):
            if kind == "low":
                prices.rates[at, g] += dual
            elif kind == "high":
                prices.rates[at, g] -= windows.factor[at] * windows.stretch[at, g] * dual
            elif kind == "floor":
                prices.floors[at, g] += dual
            else:
                prices.shares[at] -= dual
        return cls(
            list(columns),  # the caller's list goes on to grow
            np.split(np.clip(solution.x[:n_columns], 0, None), starts[1:-1]),
            -float(solution.fun) if goal == "worth" else float(solution.fun),
            float(solution.x[-1]),
            prices,
        )

    def used(self) -> list[tuple[Ints, Floats]]:
        """Return the vectors of each group that are used, with their probabilities."""
        mixtures = []
        for columns, probability in zip(self.columns, self.probabilities, strict=True):
            used = probability > 1e-12
            mixtures.append((columns[used], probability[used] / probability[used].sum()))
        return mixtures
