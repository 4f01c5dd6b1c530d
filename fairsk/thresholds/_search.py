"""From curves to a rule per group: which thresholds are open, and which solver and policy answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fairsk._core.bounds import ROUNDING, Bound, BoundedConstraint
from fairsk._core.curves import Curve
from fairsk._core.groups import format_group
from fairsk._held_out.objective import FreeObjective, Objective
from fairsk._held_out.single_threshold import reachable_positions
from fairsk.rates import CELLS, Rate, get_rate
from fairsk.thresholds._group_curves import Evidence
from fairsk.thresholds._rules import Mixture, Rule
from fairsk.thresholds._solvers.linear_program import ProgramSolver
from fairsk.thresholds._solvers.problem import Choices, Problem, single
from fairsk.thresholds._solvers.single_rate import WindowSolver, least_disparity
from fairsk.thresholds._spec import Requirements

__all__ = ["Best", "Candidate", "Search", "Solution"]

Floats = NDArray[np.float64]
Solver = WindowSolver | ProgramSolver
Pick = Callable[[Solver], list[Mixture] | None]

#: With ``policy="auto"``, mix thresholds if that gains more than this share of the objective's range.
WORTH_MIXING = 0.005
_MAX_DINKELBACH = 100
#: What a capacity limits.
_SELECTION = get_rate("selection_rate")


@dataclass(frozen=True)
class Solution:
    """A rule per measured group, how it was found, and what the best mixture of thresholds reaches."""

    rules: list[Rule]
    value: float
    method: str
    reason: str
    upper: float | None


@dataclass(frozen=True)
class Candidate:
    """A rule per measured group, its total cells and value, and the solver that gave it."""

    rules: list[Rule]
    cells: dict[str, float]
    value: float
    solver: Solver


@dataclass(frozen=True)
class Best:
    """The best single thresholds and the best mixtures; None where nothing meets the bounds.

    Mixtures of rates without fixed denominators cannot be realised, but bound from above what single
    thresholds can reach.
    """

    single: Candidate | None
    mixed: Candidate | None


@dataclass(frozen=True)
class Search:
    """The search for the best rules of the groups that can be measured.

    Parameters
    ----------
    evidence : Evidence
        Every group's curve.
    measured : list of int
        The groups that take part.
    limits : tuple of BoundedConstraint
        Bounds on disparities.
    objective : Objective or FreeObjective
        What to maximise over all rows.
    requirements : Requirements
        What else is asked of the thresholds; ``level_up`` is a number, or False.
    policy : {"auto", "threshold", "randomized"}
        One threshold per group, or a mixture.
    fixed : mapping of str to float
        The cells of the groups that do not take part.
    min_group_size : int
        The fewest rows that a rate may be measured on.
    """

    evidence: Evidence
    measured: list[int]
    limits: tuple[BoundedConstraint, ...]
    objective: Objective | FreeObjective
    requirements: Requirements
    policy: str
    fixed: Mapping[str, float]
    min_group_size: int

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """The bound of each rate, as they were asked for."""
        return tuple(limit.bound for limit in self.limits for _ in limit.constraint.rates)

    @property
    def rates(self) -> list[Rate]:
        """The bounded rates."""
        return [rate for limit in self.limits for rate in limit.constraint.rates]

    @cached_property
    def _curves(self) -> list[Curve]:
        return [self.evidence.curves[g] for g in self.measured]

    @cached_property
    def _choices(self) -> list[Choices]:
        """The thresholds that each group may choose from; their utilities are filled in later."""
        found = []
        for g, curve in zip(self.measured, self._curves, strict=True):
            cells = curve.cells
            rates = np.array([rate(cells) for rate in self.rates])
            is_open = self._open(g, cells) & ~np.isnan(rates).any(0)
            selected = _SELECTION.part(cells)
            every = Choices(np.arange(len(curve)), rates, selected, selected)
            chosen = every if is_open.all() else every.take(np.flatnonzero(is_open))
            if not len(chosen):
                raise ValueError(self._closed(g))
            found.append(chosen)
        return found

    def _open(self, group: int, cells: Mapping[str, Floats]) -> NDArray[np.bool_]:
        curve = self.evidence.curves[group]
        is_open = reachable_positions(curve, self.requirements.highest)
        for rate, least in self.requirements.min_rates.items():
            if self.evidence.most_rows(rate)[group] >= self.min_group_size:
                is_open &= rate(cells) >= least - ROUNDING
        for rate in self.rates:
            if not rate.has_fixed_denominator:  # how many rows it is measured on depends on the threshold
                is_open &= rate.support(self.evidence.rows[group].cells) >= self.min_group_size
        return is_open

    def _closed(self, group: int) -> str:
        asked = list(replace(self.requirements, capacity=None).in_words())
        asked += [
            f"at least {self.min_group_size} rows to measure {rate.name} on (min_group_size)"
            for rate in self.rates
            if not rate.has_fixed_denominator
        ]
        return (
            f"No threshold of the group {format_group(self.evidence.labels[group])} has all that is asked "
            f"for: {'; '.join(asked)}. Ask for less."
        )

    # --- one objective after another -------------------------------------------------------------------

    def _solver(self, bounds: tuple[Bound, ...], objective: Objective, value: float) -> Solver:
        groups = [
            replace(choices, utility=objective.utility(curve.cells, value)[choices.position])
            for curve, choices in zip(self._curves, self._choices, strict=True)
        ]
        capacity = None
        if self.requirements.capacity is not None:
            total = _SELECTION.support(self.evidence.everyone.at(-1))
            left = float(self.requirements.capacity * total - _SELECTION.part(self.fixed))
            capacity = left if abs(left) > ROUNDING * total else 0.0
        problem = Problem(groups, bounds, capacity)
        return WindowSolver(problem) if len(bounds) == 1 and capacity is None else ProgramSolver(problem)

    def _total(self, mixtures: list[Mixture]) -> dict[str, float]:
        total = {cell: float(self.fixed.get(cell, 0.0)) for cell in CELLS}
        for curve, mixture in zip(self._curves, mixtures, strict=True):
            for cell, at in curve.at(mixture.positions).items():
                total[cell] += float(at @ mixture.probabilities)
        return total

    def _maximise(self, bounds: tuple[Bound, ...], pick: Pick, first: Solver | None) -> Candidate | None:
        """Return the best of what is picked from the solvers for one linear objective, or several in turn."""
        objective = self.objective
        if isinstance(objective, FreeObjective):
            return self._explore(bounds, objective, pick)
        found = self._found(first or self._solver(bounds, objective, objective.start), pick)
        for _ in range(_MAX_DINKELBACH):
            if found is None or objective.is_linear or np.isnan(found.value):
                return found
            better = self._found(self._solver(bounds, objective, found.value), pick)
            if better is None or not objective.better(better.value, found.value) > 1e-14:
                return found
            found = better
        return found

    def _explore(self, bounds: tuple[Bound, ...], objective: FreeObjective, pick: Pick) -> Candidate | None:
        best: Candidate | None = None
        for direction in objective.directions():
            found = self._found(self._solver(bounds, direction, 0.0), pick)
            if found is not None and (best is None or not found.value <= best.value):
                best = found
        for _ in range(_MAX_DINKELBACH):
            steepest = None if best is None else objective.steepest(best.cells)
            found = None if steepest is None else self._found(self._solver(bounds, steepest, 0.0), pick)
            if best is None or found is None or not found.value > best.value:
                return best
            best = found
        return best

    def _found(self, solver: Solver, pick: Pick) -> Candidate | None:
        mixtures = pick(solver)
        if mixtures is None:
            return None
        cells = self._total(mixtures)
        rules = [
            Rule.on(curve, mixture).capped(self.requirements.highest)
            for curve, mixture in zip(self._curves, mixtures, strict=True)
        ]
        return Candidate(rules, cells, float(self.objective.value(cells)), solver)

    # --- one policy ------------------------------------------------------------------------------------

    def loosest(self, bound: Bound) -> Bound:
        """Return the bound of the same kind that restricts nothing."""
        if bound.difference is None:
            return Bound(ratio=0.0)
        values = [choices.rates for choices in self._choices]
        return Bound(difference=float(max(v.max() for v in values) - min(v.min() for v in values)))

    def best(self, bounds: tuple[Bound, ...]) -> Best:
        """Return the best single thresholds under the bounds, and the best mixtures of thresholds."""
        mixed = self._maximise(bounds, _mixtures, None)
        single = None
        if mixed is not None and self.policy != "randomized":
            is_linear = isinstance(self.objective, Objective) and self.objective.is_linear
            single = self._maximise(bounds, _thresholds, mixed.solver if is_linear else None)
        return Best(single, mixed)

    def solve(self, bounds: tuple[Bound, ...]) -> Solution:
        """Return each group's rule under the bounds, by the policy that was asked for."""
        can_mix = all(rate.has_fixed_denominator for rate in self.rates)
        if self.policy == "randomized" and not can_mix:
            raise ValueError(
                f"policy='randomized' is not open to {self._named}, whose rates do not have fixed "
                "denominators; use policy='threshold'."
            )
        best = self.best(bounds)
        single, mixed = best.single, best.mixed
        if mixed is None or (single is None and (self.policy == "threshold" or not can_mix)):
            raise ValueError(self._infeasible(bounds))
        gain = np.inf if single is None else max(0.0, self.objective.better(mixed.value, single.value))
        upper = mixed.value if isinstance(self.objective, Objective) else None
        worth_mixing = gain > WORTH_MIXING * self.objective.span(mixed.value)
        if self.policy != "auto":
            reason = "as asked for"
        elif not can_mix:
            reason = "a mixture cannot hold a rate without a fixed denominator"
        elif single is None:
            reason = "no single thresholds meet the bound"
        elif not worth_mixing:
            reason = f"mixing would gain {gain:.4f}"
        else:
            reason = f"single thresholds would lose {gain:.4f}"
        if single is not None and (self.policy == "threshold" or not can_mix or not worth_mixing):
            return self._solution(single, single.solver.method, upper, reason)
        return self._solution(mixed, mixed.solver.mixing_method, upper, reason)

    def _solution(self, found: Candidate, method: str, upper: float | None, reason: str) -> Solution:
        if isinstance(self.objective, FreeObjective):
            method += ", over linear objectives in many directions"
        elif not self.objective.is_linear:
            method += " inside Dinkelbach's iteration"
        return Solution(found.rules, found.value, method, reason, upper)

    @property
    def _named(self) -> str:
        return " and ".join(limit.constraint.name for limit in self.limits)

    def _infeasible(self, bounds: tuple[Bound, ...]) -> str:
        reached = []
        for j, (rate, bound) in enumerate(zip(self.rates, bounds, strict=True)):
            least = least_disparity(self._choices, bound, j)
            alone = f" of {rate.name} alone" if len(bounds) > 1 else ""
            if bound.difference is not None:
                reached.append(f"the least difference{alone} is {least:.4f}")
            else:
                reached.append(f"the largest ratio{alone} is {-least:.4f}")
        asked = ", ".join(dict.fromkeys(map(str, bounds)))
        also = self.requirements.in_words()
        if also:
            return (
                f"No thresholds meet {asked} for {self._named} together with what else is asked for "
                f"({'; '.join(also)}). Loosen one of them."
            )
        return (
            f"No thresholds meet {asked} for {self._named}: {' and '.join(reached)}. Loosen the bound, or "
            "choose a constraint that thresholds can always meet: demographic_parity, equal_opportunity or "
            "equalized_odds."
        )


def _mixtures(solver: Solver) -> list[Mixture] | None:
    return solver.mixtures() if np.isfinite(solver.upper) else None


def _thresholds(solver: Solver) -> list[Mixture] | None:
    positions = solver.thresholds()
    return None if positions is None else single(positions)
