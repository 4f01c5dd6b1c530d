"""Class offsets under bounds: columns from priced searches, a linear program, and the best single vectors.

1. The linear program over mixtures of offset vectors (:mod:`.master`) prices the rates; the vectors that are
   worth most at those prices become new columns, until none gains. Where a group has few rows, all decisions
   that offsets can make of them are columns from the start (:mod:`.cells`), and nothing is left out.
2. One vector per group: the best choice among the columns by branch and bound (:mod:`.choice`), after the
   vectors of the mixtures were moved, all groups together, to where they meet the bounds alone
   (:mod:`.descent`).
3. How far the program's value may lie below that over all offset vectors there are: from upper bounds of the
   priced searches (:mod:`.certificate`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np

from fairsk._core.bounds import ROUNDING, bounded_rates
from fairsk._core.results import number
from fairsk._core.typing import Floats
from fairsk.thresholds._classes.cells import all_offsets, number_of_cells, offsets_near
from fairsk.thresholds._classes.certificate import greatest_worth
from fairsk.thresholds._classes.choice import choose
from fairsk.thresholds._classes.descent import Descent
from fairsk.thresholds._classes.master import Master, Prices, Windows
from fairsk.thresholds._classes.pool import GroupPool, Terms
from fairsk.thresholds._classes.problem import OffsetMixture, OffsetProblem, OffsetSolution, decide
from fairsk.thresholds._classes.rows import GroupRows

__all__ = ["MixPolicy", "best_overall", "solve"]

#: With ``policy="auto"``, mix vectors if that gains more than this share of the value's range.
WORTH_MIXING = 0.005
#: Up to how many cells a group's decisions are listed in full.
_MOST_CELLS = 4_000
#: On how many rows of a group searches begin.
_FEW_ROWS = 4_000
#: How many rounds of new columns there are at the most, on few rows and then on all.
_MAX_ROUNDS, _MAX_FULL_ROUNDS = 60, 12
#: What a round of new columns must gain, as a part of that range, on all rows and on few.
_GAIN_ON_ALL, _GAIN_ON_FEW = 1e-5, 3e-4
#: How far the prices that columns are looked for at lie from those of the program, towards the best so far.
_SMOOTHING = 0.6
#: Up to what part of the value's range the bound for all offset vectors may lie above that of those looked at
#: for it to be reported as proven; up to how many rows of more than three classes it is looked for, and how
#: many visits of rows that may take.
_PROVEN, _FEW_FOR_PROOF, _MOST_VISITS = 5e-4, 300, 2_000_000
#: Up to how many rows all decisions near the best ones are looked at, and how many of these: as a rule, and
#: where no single vectors among them come close to the mixtures.
_WALKED_ROWS, _WALKED_CELLS, _WIDELY_WALKED_CELLS = 1_000, 600, 2_000
#: Into how many stretches a pool is cut, of each of which the best column may enter at a time.
_STRETCHES = 8
#: What a column must gain, as a part of the value's range, to enter.
_GAIN = 1e-9

#: Whether groups have one vector each, or may mix several.
MixPolicy: TypeAlias = Literal["auto", "threshold", "randomized"]


def solve(
    problem: OffsetProblem,
    policy: MixPolicy = "auto",
    overall: Floats | None = None,
    *,
    near: OffsetSolution | None = None,
    prove: bool = True,
) -> OffsetSolution:
    """Return the best offsets per group under the bounds.

    Parameters
    ----------
    problem : OffsetProblem
        What to choose from, under which bounds.
    policy : {"auto", "threshold", "randomized"}
        Whether groups have one vector each or may mix several; ``"auto"`` mixes if that gains more than half
        a percent of the value's range, or no single vectors meet the bounds.
    overall : array of shape (n_classes,), optional
        The best offsets for all rows alike, if they are known.
    near : OffsetSolution, optional
        The answer to the same problem under other bounds, from whose vectors the search begins. Single ones
        that meet these bounds too are bettered or returned.
    prove : bool, default=True
        Whether to bound what all offset vectors could reach, and not only those looked at.

    Raises
    ------
    ValueError
        If nothing meets the bounds, or mixtures are asked for that cannot hold a rate.
    """
    return _Solver(problem, overall, near, prove=prove).solve(policy)


def best_overall(problem: OffsetProblem) -> Floats:
    """Return the best offsets for all rows alike, without a bound; the first class has 0.

    They keep the capacity, unless no single vector does.
    """
    found = _best_without_capacity(problem)
    if keeps_capacity(problem, found):
        return found
    n_rates = len(problem.bounds)
    alike = replace(
        problem,
        codes=np.zeros_like(problem.codes),
        n_groups=1,
        covered=np.zeros((n_rates, 1), dtype=bool),
        distances=None,
        floors=(),
        has_floor=None,
        is_one_group=True,
    )
    try:
        (mixture,) = _Solver(alike, found).solve("threshold").mixtures
    except ValueError:
        return found
    return mixture.offsets[0]


def keeps_capacity(problem: OffsetProblem, offsets: Floats) -> bool:
    """Return whether offsets for all rows alike keep the capacity."""
    if problem.capacity is None:
        return True
    decided = np.bincount(decide(problem.scores, offsets), problem.weights, problem.n_classes)
    shares = problem.events.members @ decided / problem.weights.sum()
    return bool((shares <= problem.capacity + ROUNDING).all())


def _best_without_capacity(problem: OffsetProblem) -> Floats:
    """Return the best offsets for all rows alike, with no bound and no capacity."""
    rows = _rows(problem, np.arange(len(problem.labels)))
    if rows.n_classes == 2 or number_of_cells(len(rows), rows.n_classes) <= _MOST_CELLS:
        if rows.n_classes == 2:
            line = rows.line(np.zeros(2), 1)
            return np.array([0.0, rows.best_on_line(line, rows.payoffs(problem.worth))[0]])
        found = all_offsets(rows)
        return found[int(np.argmax([(rows.table(each) * problem.worth).sum() for each in found]))]
    start = [np.zeros(rows.n_classes)]
    few = rows.thinned(2 * _FEW_ROWS)
    return rows.best_offsets(problem.worth, [few.best_offsets(problem.worth, start), *start])


def _rows(problem: OffsetProblem, index: np.ndarray) -> GroupRows:
    scores = np.ascontiguousarray(problem.scores[index].T, dtype=float)
    return GroupRows(scores, problem.labels[index], problem.weights[index].astype(float))


class _Solver:
    """The search for one problem."""

    def __init__(
        self,
        problem: OffsetProblem,
        overall: Floats | None = None,
        near: OffsetSolution | None = None,
        *,
        prove: bool = True,
    ) -> None:
        self._problem, self._near, self._prove = problem, near, prove
        self._total = float(problem.weights.sum())
        self._overall = best_overall(problem) if overall is None else overall
        self._measured = problem.measured
        k = problem.n_classes
        self._tables = np.zeros((problem.n_groups, k, k))
        order = np.argsort(problem.codes, kind="stable")
        ends = np.cumsum(np.bincount(problem.codes, minlength=problem.n_groups))
        self._pools: list[GroupPool] = []
        fixed_shares = np.zeros(problem.n_events)
        for g, index in enumerate(np.split(order, ends[:-1])):
            rows, terms = _rows(problem, index), Terms(problem, g, self._total)
            if g in self._measured:
                self._pools.append(_begin(rows, terms, self._overall, can_mix=problem.can_mix))
                if near is not None:
                    self._pools[-1].add(near.mixtures[g].offsets)
            else:
                self._tables[g] = rows.table(self._overall)
                fixed_shares += terms.shares(self._tables[[g]])[:, 0]
        self._fixed = problem.value(self._tables)
        self._windows = Windows.of(problem, fixed_shares)
        worth = problem.worth
        shares = np.bincount(problem.labels, problem.weights, k) / self._total
        self._span = float(shares @ np.ptp(worth, axis=1)) or 1.0
        self._certified: tuple[Master, float, float | None] | None = None

    def solve(self, policy: MixPolicy) -> OffsetSolution:
        """Return the best by a policy."""
        problem = self._problem
        if policy == "randomized" and not problem.can_mix:
            raise ValueError(
                f"policy='randomized' is not open to {self._names}, whose rates do not have fixed "
                "denominators; use policy='threshold'."
            )
        if not self._measured:
            if not keeps_capacity(problem, self._overall):
                raise ValueError("No offsets for all rows alike keep the capacity: raise that of some class.")
            return self._solution([], "the unconstrained optimum", "nothing can be compared", self._fixed)
        if not all(map(len, self._pools)):
            raise ValueError(
                f"No offsets let {self._names} be measured for every class in every group. Choose a "
                "constraint whose rates have fixed denominators, or name fewer classes."
            )
        master = self._generate()
        if master is None:
            raise ValueError(self._explain_infeasible())
        choice, is_best = (None, False) if policy == "randomized" else self._single(master)
        if choice is not None and not is_best:  # so that no single vectors are worth more than mixtures
            for g, (pool, offsets) in enumerate(zip(self._pools, choice, strict=True)):
                self._columns[g] = np.union1d(self._columns[g], pool.add([offsets]))
            master = Master.solve(self._windows, self._pools, self._columns, "worth") or master
            master = self._enter_all(master, self._least_gain(on_all=True))
        mixed = self._from_master(master)
        single = None if choice is None else self._from_choice(choice, is_best, master)
        if single is None and (policy == "threshold" or not problem.can_mix):
            raise ValueError(self._explain_infeasible(single=True))
        gain = np.inf if single is None else mixed.value - single.value
        if policy != "auto":
            reason = "as asked for"
        elif not problem.can_mix:
            reason = "a mixture cannot hold a rate without a fixed denominator"
        elif single is None:
            reason = "no single offsets meet the bound"
        elif gain > WORTH_MIXING * self._span:
            reason = f"single offsets would lose {number(gain, 4)}"
        else:
            reason = f"mixing would gain {number(gain, 4)}"
        is_single = single is not None and (
            policy == "threshold" or not problem.can_mix or gain <= WORTH_MIXING * self._span
        )
        answer = single if is_single else mixed
        assert answer is not None
        return replace(answer, reason=reason)

    # --- mixtures -------------------------------------------------------------------------------------

    def _generate(self) -> Master | None:
        """Return the optimum over mixtures; None if nothing meets the bounds."""
        self._columns = [_first_columns(pool) for pool in self._pools]
        self._few = [pool.rows.thinned(_FEW_ROWS) for pool in self._pools]
        master = self._maximise("worth")
        if master is None and self._maximise("excess") is not None:
            master = self._maximise("worth")
        if master is None and not all(pool.is_complete for pool in self._pools):
            # Slopes of rates without fixed denominators mislead the program: steps measure them anew.
            descent = Descent(self._windows, self._pools, self._span)
            starts = [np.array([pool.rows.matching_shares() for pool in self._pools])]
            nearest = Master.solve(self._windows, self._pools, self._columns, "excess")
            if nearest is not None:
                starts.append(self._means(nearest))
            for start in starts:
                found = descent.run(start)
                if found is not None:
                    for pool, offsets in zip(self._pools, found, strict=True):
                        pool.add([offsets])
                    break
            self._columns = [np.arange(len(pool)) for pool in self._pools]
            master = Master.solve(self._windows, self._pools, self._columns, "worth")
        return master if master is None else self._look_around(master, _WALKED_CELLS)

    def _look_around(self, master: Master, n_cells: int) -> Master:
        """Return the optimum with decisions near those of the mixtures, in groups of few rows."""
        for g, (pool, (used, probabilities)) in enumerate(zip(self._pools, master.used(), strict=True)):
            if not _can_walk(pool):
                continue
            table = np.tensordot(probabilities, pool.tables[used], 1)
            payoffs = pool.rows.payoffs(master.prices.payoff(pool, g, table, "worth"))
            start = pool.offsets[used[np.argmax(probabilities)]]
            pool.add(offsets_near(pool.rows, start, n_cells, payoffs))
        return self._enter_all(master, _GAIN * self._span)

    def _enter_all(self, master: Master, least: float) -> Master:
        """Return the optimum over all that has been looked at, but for what gains less."""
        for _ in range(_MAX_ROUNDS):
            if not self._enter(master, "worth", -least):
                break
            master = Master.solve(self._windows, self._pools, self._columns, "worth") or master
        return master

    def _maximise(self, goal: Literal["worth", "excess"]) -> Master | None:
        """Generate columns until none gains.

        New columns are the best at prices between those of the program and the best ones so far, which move
        less from round to round (Pessoa et al. 2018).
        """
        self._best_prices: tuple[Prices, float] | None = None
        is_complete = all(pool.is_complete for pool in self._pools)
        on_all, rounds_on_all, previous = False, 0, -np.inf
        for _ in range(_MAX_ROUNDS):
            master = Master.solve(self._windows, self._pools, self._columns, goal)
            if master is None:
                return None
            if goal == "excess" and master.excess <= 1e-10:
                return master
            entered, left = self._add_columns(master, goal, on_all=on_all)
            gained, previous = master.value - previous, master.value
            rounds_on_all += on_all
            # What few rows say is worth no more than their noise. A round that gains nothing while the prices
            # promise much is no end: under tight bounds it takes columns of several groups together to gain.
            is_done = not entered or (
                not is_complete
                and goal == "worth"
                and gained < self._least_gain(on_all)
                and left < WORTH_MIXING * self._span
            )
            if is_done or rounds_on_all >= _MAX_FULL_ROUNDS:
                if on_all or is_complete:
                    break
                on_all, self._best_prices, previous = True, None, -np.inf
        return None if goal == "excess" else Master.solve(self._windows, self._pools, self._columns, goal)

    def _least_gain(self, on_all: bool) -> float:
        """Return what a round of new columns must gain for one more to be worth its time."""
        return self._span * (_GAIN_ON_ALL if on_all else _GAIN_ON_FEW)

    def _add_columns(
        self, master: Master, goal: Literal["worth", "excess"], *, on_all: bool
    ) -> tuple[bool, float]:
        """Add the columns that gain most; say whether there are any, and what they promise at the most."""
        least = -_GAIN * (self._span if goal == "worth" else 1.0)
        prices = master.prices
        if self._best_prices is not None:
            prices = prices.towards(self._best_prices[0], _SMOOTHING)
        found = self._search(master, prices, goal, on_all=on_all)
        entered = self._enter(master, goal, least)
        if not entered and prices is not master.prices:  # misled by the mean of prices
            found = self._search(master, master.prices, goal, on_all=on_all)
            prices = master.prices
            entered = self._enter(master, goal, least)
        bound = prices.constant + sum(found)
        if self._best_prices is None or bound < self._best_prices[1]:
            self._best_prices = prices, bound
        return entered, self._best_prices[1] - master.value

    def _search(
        self, master: Master, prices: Prices, goal: Literal["worth", "excess"], *, on_all: bool
    ) -> list[float]:
        """Look for the best vectors of each group at some prices; return what they are worth after these."""
        values = []
        for g, (pool, (used, probabilities)) in enumerate(zip(self._pools, master.used(), strict=True)):
            gains = -prices.reduced_costs(pool, g, goal) - prices.base[g]
            if not pool.is_complete:
                rows = pool.rows if on_all else self._few[g]
                table = np.tensordot(probabilities, pool.tables[used], 1)
                payoffs = rows.payoffs(prices.payoff(pool, g, table, goal))
                starts = [pool.offsets[int(np.argmax(gains))]]
                if not on_all:
                    starts.append(self._overall)
                pool.add([rows.ascend(start, payoffs) for start in starts])
                gains = -prices.reduced_costs(pool, g, goal) - prices.base[g]
            values.append(float(gains.max()))
        return values

    def _enter(self, master: Master, goal: Literal["worth", "excess"], least: float) -> bool:
        """Let the columns of the least reduced costs enter; say whether there are any."""
        entered = False
        for g, pool in enumerate(self._pools):
            cost = master.prices.reduced_costs(pool, g, goal)
            cost[self._columns[g]] = np.inf
            # The best of each stretch of the pool: the very best ones are often nearly alike.
            parts = np.array_split(np.arange(len(cost)), min(len(cost), _STRETCHES))
            entering = np.array([part[np.argmin(cost[part])] for part in parts])
            entering = entering[cost[entering] < least]
            self._columns[g] = np.union1d(self._columns[g], entering)
            entered |= bool(len(entering))
        return entered

    def _from_master(self, master: Master) -> OffsetSolution:
        """Return the mixtures of the linear program."""
        mixtures = [
            OffsetMixture(pool.offsets[used], probabilities)
            for pool, (used, probabilities) in zip(self._pools, master.used(), strict=True)
        ]
        return self._solution(mixtures, "a linear program over mixtures of offsets (HiGHS)", "", None, master)

    # --- single vectors -------------------------------------------------------------------------------

    def _single(self, master: Master) -> tuple[Floats | None, bool]:
        """Return the best choice of one vector per group, if any, and whether none is better."""
        choice, is_best = None, False
        if all(pool.is_complete for pool in self._pools):
            choice, is_best = self._choose(master)
        return (choice, True) if is_best else (self._choose_after_descent(master, choice), False)

    def _from_choice(self, choice: Floats, is_best: bool, master: Master) -> OffsetSolution:
        """Return the answer of one vector per group."""
        mixtures = [OffsetMixture(offsets[None]) for offsets in choice]
        name = "branch and bound over offsets" if is_best else "steps by linear programs, then along lines"
        return self._solution(mixtures, name, "", None, master)

    def _choose(self, master: Master, start: Floats | None = None) -> tuple[Floats | None, bool]:
        """Return the best choice among the vectors that have been looked at, and whether it is surely that.

        ``start`` is a choice that meets the bounds.
        """
        incumbent = None
        if start is not None:
            incumbent = [pool.add([offsets])[0] for pool, offsets in zip(self._pools, start, strict=True)]
        costs = [master.prices.reduced_costs(pool, g, "worth") for g, pool in enumerate(self._pools)]
        bounds = self._problem.bounds
        choice = choose(self._windows, self._pools, bounds, costs, master.value, incumbent)
        if choice is None:
            return None, False
        chosen = [pool.offsets[i] for pool, i in zip(self._pools, choice.places, strict=True)]
        return np.array(chosen), choice.is_best

    def _means(self, master: Master) -> Floats:
        """Return the mean vector of each group's mixture."""
        pairs = zip(self._pools, master.used(), strict=True)
        return np.array([probabilities @ pool.offsets[used] for pool, (used, probabilities) in pairs])

    def _choose_after_descent(self, master: Master, start: Floats | None = None) -> Floats | None:
        """Return the best choice after all groups have been moved from the means of their mixtures on."""
        descent = Descent(self._windows, self._pools, self._span)
        pairs = list(zip(self._pools, master.used(), strict=True))
        likeliest = [pool.offsets[used[np.argmax(probabilities)]] for pool, (used, probabilities) in pairs]
        found = descent.run(self._means(master))
        if found is None:
            found = descent.run(np.array(likeliest))
        if found is None:  # one class for all, which meets every bound but floors and a capacity
            found = descent.best_constant()
        for known in (start, self._single_nearby(descent)):
            if known is not None and (found is None or descent.value(known) > descent.value(found)):
                found = known
        better, _ = self._choose(master, found)
        reached = -np.inf if better is None else descent.value(better)
        is_far = master.value - reached > WORTH_MIXING * self._span
        if is_far and any(map(_can_walk, self._pools)):
            master = self._look_around(master, _WIDELY_WALKED_CELLS)
            better, _ = self._choose(master, better)
        return better if better is None else descent.polish(better)

    def _single_nearby(self, descent: Descent) -> Floats | None:
        """Return the single vectors of the answer under other bounds, if they meet these."""
        if self._near is None or not all(self._near.mixtures[g].is_single for g in self._measured):
            return None
        offsets = np.array([self._near.mixtures[g].offsets[0] for g in self._measured])
        return offsets if descent.meets_bounds(offsets) else None

    # --- answers --------------------------------------------------------------------------------------

    def _solution(
        self,
        mixtures: list[OffsetMixture],
        solver: str,
        reason: str,
        upper_bound: float | None,
        master: Master | None = None,
    ) -> OffsetSolution:
        """Return the answer for all groups."""
        tables = self._tables.copy()
        by_group = [OffsetMixture(self._overall[None])] * self._problem.n_groups
        for g, pool, mixture in zip(self._measured, self._pools, mixtures, strict=True):
            each = np.array([pool.rows.table(offsets) for offsets in mixture.offsets])
            tables[g] = np.tensordot(mixture.probabilities, each, 1)
            by_group[g] = mixture
        value = self._problem.value(tables)
        is_proven, proven_bound = True, upper_bound
        if master is not None:
            found, proven = self._bounds(master)
            is_proven = proven is not None and proven <= found + _PROVEN * self._span
            proven_bound = None if proven is None else max(value, self._fixed + proven)
            upper_bound = proven_bound if is_proven else max(value, self._fixed + found)
        return OffsetSolution(
            by_group,
            tables,
            value,
            upper_bound,
            is_proven,
            self._overall,
            solver,
            reason,
            proven_bound,
        )

    def _bounds(self, master: Master) -> tuple[float, float | None]:
        """Return what no mixtures exceed, by the prices: of what was looked at, and of all offset vectors.

        The latter is None where it was not looked for: of rates without fixed denominators, of many rows of
        more than three classes, and where nobody asked.
        """
        if self._certified is not None and self._certified[0] is master:
            return self._certified[1:]
        found, proven = master.value, master.value
        is_known = True
        for g, (pool, (used, probabilities)) in enumerate(zip(self._pools, master.used(), strict=True)):
            costs = master.prices.reduced_costs(pool, g, "worth")
            # Whatever is left below 0 is what the program's value may still rise by.
            left = -min(0.0, float(costs.min()))
            found += left
            is_small = pool.rows.n_classes == 3 or len(pool.rows) <= _FEW_FOR_PROOF
            if pool.is_complete or not (self._prove and self._problem.can_mix and is_small):
                is_known &= pool.is_complete
                proven += left
                continue
            payoff = master.prices.payoff(pool, g, np.tensordot(probabilities, pool.tables[used], 1), "worth")
            # With fixed denominators, a vector's reduced cost is a constant less its payoff.
            payoffs = np.einsum("nak,ak->n", pool.tables, payoff)
            constant = float(costs[0] + payoffs[0])
            enough = float(payoffs.max()) + _PROVEN * self._span / (2 * len(self._pools))
            most = greatest_worth(pool.rows, pool.rows.payoffs(payoff), enough, _MOST_VISITS)
            proven += max(left, most - constant)
        self._certified = master, found, proven if is_known else None
        return self._certified[1:]

    @property
    def _names(self) -> str:
        return " and ".join(each.constraint.name for each in self._problem.constraints)

    def _explain_infeasible(self, *, single: bool = False) -> str:
        """Say that nothing meets the bounds, and what could be reached."""
        required = ", ".join(
            dict.fromkeys(str(bound) for _, bound in bounded_rates(self._problem.constraints))
        )
        what = "single offsets" if single else "offsets"
        also = ""
        if self._problem.floors or self._problem.capacity is not None:
            also = " together with what else is asked for"
        master = Master.solve(self._windows, self._pools, self._columns, "excess")
        reached = ""
        if master is not None and master.excess > ROUNDING:
            reached = f": the closest that was found exceeds some of them by {number(master.excess, 4)}"
        advice = (
            "Loosen one of them." if not single else "Loosen the bound, or use policy='auto' to mix them."
        )
        if not self._problem.can_mix:
            advice = "Loosen the bound, or choose a constraint whose rates have fixed denominators."
        return f"No {what} meet {required} for {self._names}{also}{reached}. {advice}"


def _begin(rows: GroupRows, terms: Terms, overall: Floats, *, can_mix: bool) -> GroupPool:
    """Return the pool of a group: all that offsets can decide if that is little, else where to begin."""
    k = rows.n_classes
    spread = float(np.ptp(rows.scores)) + 1.0
    constant = [np.where(np.arange(k) == c, spread, 0.0) - (spread if c == 0 else 0.0) for c in range(k)]
    first = [overall, np.zeros(k), *constant]
    if not can_mix:  # some class may have no decisions under all of these, and so no rate
        first.append(rows.thinned(_FEW_ROWS).matching_shares())
    positive = int((rows.weights > 0).sum())
    if k == 2 or number_of_cells(positive, k) <= _MOST_CELLS:
        return GroupPool(rows, terms, all_offsets(rows), is_complete=True)
    return GroupPool(rows, terms, first, is_complete=False)


def _can_walk(pool: GroupPool) -> bool:
    """Return whether decisions of a group can be looked at one row after another."""
    return not pool.is_complete and len(pool.rows) <= _WALKED_ROWS


def _first_columns(pool: GroupPool) -> np.ndarray:
    """Return columns to begin with: all of a few, else extremes of what counts and some in between."""
    if len(pool) <= 64:
        return np.arange(len(pool))
    extremes = [np.argmax(pool.worth), *np.argmin(np.nan_to_num(pool.rates), 1)]
    extremes += list(np.argmax(np.nan_to_num(pool.rates), 1))
    spread = np.linspace(0, len(pool) - 1, 32).astype(np.intp)
    return np.union1d(np.array(extremes, dtype=np.intp), spread)
