"""The search for thresholds: which groups and thresholds are eligible, which solver and policy answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from fairsk._core.bounds import ROUNDING, Bound, BoundedConstraint, bounded_rates
from fairsk._core.counts import GroupCounts
from fairsk._core.curves import Curve
from fairsk._core.results import number
from fairsk._core.typing import Bools, Floats
from fairsk._held_out.objective import (
    MAX_DINKELBACH,
    AnyObjective,
    FreeObjective,
    Objective,
    WorstGroupObjective,
)
from fairsk._held_out.safety_margin import KeptMargin, SafetyMargin
from fairsk._held_out.single_threshold import (
    SingleThreshold,
    best_threshold_on_curves,
    reachable_positions,
)
from fairsk.rates import CELLS, Rate, get_rate
from fairsk.thresholds._group_curves import GroupCurves
from fairsk.thresholds._participants import Participants, find_participants, warn_of_small_groups
from fairsk.thresholds._refusals import explain_inadmissible, explain_infeasible
from fairsk.thresholds._rules import Mixture, ThresholdRule
from fairsk.thresholds._solvers.linear_program import LinearProgramSolver
from fairsk.thresholds._solvers.problem import Clearance, OperatingPoints, Problem, as_mixtures
from fairsk.thresholds._solvers.separate import SeparateSolver
from fairsk.thresholds._solvers.single_rate import WindowSolver
from fairsk.thresholds._spec import Requirements, ThresholdSpec
from fairsk.thresholds._strata import (
    ComparedStrata,
    rates_within,
)
from fairsk.thresholds._worst_group import WorstGroupSearch, objective_among

__all__ = ["PointsOf", "Search", "Solution", "observed_points"]

Solver: TypeAlias = WindowSolver | LinearProgramSolver | SeparateSolver
#: What a solver is asked for.
Kind: TypeAlias = Literal["thresholds", "mixtures"]
#: What a group may choose from: the curve that its points stand on, and the points.
PointsOf: TypeAlias = "Callable[[Search, int], tuple[Curve, OperatingPoints]]"

#: With ``policy="auto"``, mix thresholds if that gains more than this share of the objective's range.
WORTH_MIXING = 0.005
#: What a capacity limits.
_SELECTION = get_rate("selection_rate")


@dataclass(frozen=True)
class Solution:
    """A decision rule per group, and what the rules reach.

    Parameters
    ----------
    rules : list of ThresholdRule
        One per group; those that take no part have the overall threshold.
    cells : mapping of str to float
        The (expected) confusion cells of all rows.
    value : float
        The objective's value over all rows.
    solver : str
        The algorithm.
    constraints : tuple of BoundedConstraint
        The bounds that it kept.
    margin : KeptMargin
        The margin that it kept to them.
    reason : str
        Why this policy.
    upper_bound : float or None
        The value that no mixtures of thresholds exceed under the bounds; None where it is not known.
    """

    rules: list[ThresholdRule]
    cells: Mapping[str, float]
    value: float
    solver: str
    constraints: tuple[BoundedConstraint, ...]
    margin: KeptMargin = field(default_factory=KeptMargin.none)
    reason: str = ""
    upper_bound: float | None = None


def observed_points(search: Search, group: int) -> tuple[Curve, OperatingPoints]:
    """Return a group's curve, and the points on it that meet all requirements of one group.

    Utilities are filled in later, for one objective after another.
    """
    curve, spec = search.own_curve(group), search.spec
    cells = curve.cells
    is_open = _is_admissible(search, group, curve)
    if search.strata is None:
        rated = search.pooled.weighted[group].cells
        rates = np.array([rate(rated) for rate in spec.rates])
        is_open &= ~np.isnan(rates).any(0)
    else:
        rates, is_measured = rates_within(
            search.curves, search.strata, group, spec.rates, spec.min_group_size
        )
        is_open &= is_measured
    selected = _SELECTION.part(cells)
    points = OperatingPoints(np.arange(len(curve)), rates, selected, selected)
    return curve, points if is_open.all() else points.take(np.flatnonzero(is_open))


def _is_admissible(search: Search, group: int, curve: Curve) -> Bools:
    """Return which positions on a group's curve meet the requirements."""
    curves, least_rows, cells = search.curves, search.spec.min_group_size, curve.cells
    admissible = reachable_positions(curve, search.requirements.highest)
    for rate, least in search.requirements.min_rates.items():
        if curves.most_rows(rate)[group] >= least_rows:
            admissible &= rate(cells) >= least - ROUNDING
    for rate in search.spec.rates if search.strata is None else ():
        if not rate.has_fixed_denominator:  # how many rows it is measured on depends on the threshold
            admissible &= rate.support(search.pooled.unweighted[group].cells) >= least_rows
    if isinstance(search.objective, WorstGroupObjective) and group in search.objective.counted:
        for _, rate in search.objective.terms:
            if not rate.has_fixed_denominator:
                admissible &= rate.support(curves.unweighted[group].cells) >= least_rows
    return admissible


@dataclass(frozen=True)
class Search:
    """The search for the best rules of the groups that can be measured; :meth:`prepare` makes one.

    Parameters
    ----------
    curves : GroupCurves
        Every group's curve.
    spec : ThresholdSpec
        What is asked for.
    objective : Objective, FreeObjective or WorstGroupObjective
        What to maximise over all rows, or in the worst group.
    requirements : Requirements
        Those of the specification; ``level_up`` is a number, or False.
    overall : SingleThreshold
        The best threshold for all rows alike, without a bound.
    participants : Participants
        The groups that take part.
    points_of : callable
        Returns what a group may choose from: by default its observed thresholds.
    distances : array of shape (n_rates, n_measured), optional
        How far the rates of the groups stay away from the ends of their windows; by default not at all.
    """

    curves: GroupCurves
    spec: ThresholdSpec
    objective: AnyObjective
    requirements: Requirements
    overall: SingleThreshold
    participants: Participants
    points_of: PointsOf = observed_points
    distances: Floats | None = None

    @classmethod
    def prepare(cls, curves: GroupCurves, spec: ThresholdSpec) -> Search:
        """Find the overall threshold and the groups that can be measured; warn of those that cannot."""
        groups, requirements = find_participants(curves, spec), spec.requirements
        objective = objective_among(curves, spec, groups.covered)
        overall = best_threshold_on_curves(
            curves.everyone,
            objective,
            groups=curves.weighted,
            capacity=requirements.capacity,
            highest=requirements.highest,
        )
        if requirements.level_up is True:
            requirements = replace(requirements, level_up=overall.threshold)
        warn_of_small_groups(curves, spec, groups)
        return cls(curves, spec, objective, requirements, overall, groups)

    @property
    def margin(self) -> SafetyMargin:
        """The margin that the bounds are to be kept with."""
        return SafetyMargin.from_parameter(self.spec.margin, self.spec.constraints, len(self.measured))

    @property
    def measured(self) -> list[int]:
        """The groups that take part."""
        return self.participants.measured

    @property
    def strata(self) -> ComparedStrata | None:
        """Within which strata the groups are compared, if within any."""
        return self.participants.strata

    def covered(self, counts: GroupCounts) -> GroupCounts:
        """Return the counts of the groups that the bounds cover by their own rows."""
        return counts.take([counts.groups[g] for g in self.participants.covered])

    @property
    def pooled(self) -> GroupCurves:
        """The curves that the bounded rates are read off: with the rows that are borrowed."""
        borrowing = self.participants.borrowing
        return self.curves if borrowing is None else borrowing.pooled

    def own_curve(self, group: int) -> Curve:
        """Return the curve of a group's own rows, at the thresholds that it may choose from."""
        borrowing = self.participants.borrowing
        own = {} if borrowing is None else borrowing.own
        return own.get(group, self.curves.weighted[group])

    def tables(self, counts: GroupCounts) -> dict[Hashable, GroupCounts]:
        """Return, of each compared stratum, the counts of the groups that are compared in it."""
        assert self.strata is not None
        tables = {}
        for s in self.strata.positions:
            label, covered = self.strata.labels[s], np.flatnonzero(self.strata.covered[:, s])
            tables[label] = counts.stratum(label).take([counts.groups[g] for g in covered])
        return tables

    def choose(self) -> Solution:
        """Return the rules under the loosest bounds that keep the margin, by the policy asked for."""
        if not self.measured:
            rules = self._with_overall([])
            return Solution(
                rules,
                self._fixed,
                self.objective.of_groups(self.curves.counts(rules).cells),
                "the unconstrained optimum",
                self.spec.constraints,
                reason="nothing can be compared",
            )
        solution, kept = self.margin.choose(
            lambda distances: self.keeping(distances).solve(self.spec.constraints),
            self._pooled_counts,
            fits=self._can_keep,
            steps=self._steps,
        )
        return replace(solution, margin=kept)

    def _pooled_counts(self, solution: Solution) -> GroupCounts:
        """Return the counts of the groups that take part, with the rows that they borrow."""
        return self.pooled.counts(solution.rules).take([self.pooled.labels[g] for g in self.measured])

    def keeping(self, distances: Floats | None) -> Search:
        """Return the search for what keeps some distances to the ends of the windows."""
        if distances is None:
            return self
        candidates = dict(zip(self.measured, self.candidates, strict=True))  # looked up once
        return replace(self, distances=distances, points_of=lambda _, group: candidates[group])

    def _can_keep(self, solution: Solution, distances: Floats) -> bool:
        """Tell whether rules that the policy allows can keep some distances, close to a solution.

        Selecting nobody keeps any distance. So the windows must hold the rates that all groups together have
        under the solution.
        """
        search, objective = self.keeping(distances), self.of_all_rows
        if isinstance(objective, FreeObjective):
            objective = next(iter(objective.directions()))
        cells = self._pooled_counts(solution).overall().cells
        rates = np.array([rate(cells) for rate in self.spec.rates])
        everyone = OperatingPoints(np.zeros(1, dtype=np.intp), rates, np.zeros(1), np.zeros(1))
        solver = search.solver(self.spec.constraints, objective, objective.start, beside=[everyone])
        if self.spec.policy == "threshold" or not self.spec.can_mix:
            return solver.thresholds() is not None
        return solver.mixtures() is not None

    def _steps(self, counts: GroupCounts) -> Floats:
        """Return how far apart the rates are that each group can reach, where the bounds allow rates.

        Those are the rates that may stand beside all of the counts' rates; by a ratio, logarithms are meant.
        """
        steps = np.zeros((len(self.spec.rates), len(self.measured)))
        for j, (rate, bound) in enumerate(bounded_rates(self.spec.constraints)):
            values = rate(counts.cells)
            low, high = bound.lower(values.max()), bound.upper(values.min())
            for g, points in enumerate(self.points):
                reachable = np.unique(points.rates[j])
                first = max(0, int(np.searchsorted(reachable, low, "right")) - 1)
                near = reachable[first : int(np.searchsorted(reachable, high)) + 1]
                if bound.difference is None:
                    near = np.log(np.maximum(near, np.finfo(float).tiny))
                steps[j, g] = np.diff(near).max(initial=0.0)
        return steps

    # --- one policy ------------------------------------------------------------------------------------

    def solve(self, constraints: tuple[BoundedConstraint, ...]) -> Solution:
        """Return the rules under these bounds, by the policy asked for.

        Raises
        ------
        ValueError
            If nothing meets them, or the policy is not open to a rate.
        """
        policy, can_mix = self.spec.policy, self.spec.can_mix
        if policy == "randomized" and not can_mix:
            raise ValueError(
                f"policy='randomized' is not open to {self.spec.constraint_names}, whose rates do not have "
                "fixed denominators; use policy='threshold'."
            )
        single, mixed = self.best(constraints, only_mixtures=policy == "randomized")
        if mixed is None or (single is None and (policy == "threshold" or not can_mix)):
            raise ValueError(explain_infeasible(self, constraints))
        gain = np.inf if single is None else float(self.objective.better(mixed.value, single.value))
        upper_bound = None
        if not isinstance(self.objective, FreeObjective):
            # Mixtures reach what single thresholds do, but for what the linear program rounds.
            upper_bound = single.value if single is not None and gain < 0 else mixed.value
        worth_mixing = gain > WORTH_MIXING * self.objective.span(mixed.value)
        if policy != "auto":
            reason = "as asked for"
        elif not can_mix:
            reason = "a mixture cannot hold a rate without a fixed denominator"
        elif single is None:
            reason = (
                f"no single thresholds {'meet the bound' if self.distances is None else 'keep the margin'}"
            )
        elif not worth_mixing:
            reason = f"mixing would gain {number(gain, 4)}"
        else:
            keeping = "" if self.distances is None else " that keep the margin"
            reason = f"single thresholds{keeping} would lose {number(gain, 4)}"
        if single is not None and (policy == "threshold" or not can_mix or not worth_mixing):
            return replace(single, reason=reason, upper_bound=upper_bound)
        return replace(mixed, reason=reason, upper_bound=upper_bound)

    def best(
        self, constraints: tuple[BoundedConstraint, ...], *, only_mixtures: bool = False
    ) -> tuple[Solution | None, Solution | None]:
        """Return the best single thresholds under the bounds, and the best mixtures of thresholds.

        Each is None where nothing meets the bounds. Mixtures of rates without fixed denominators cannot be
        realised, but bound from above what single thresholds can reach.
        """
        objective = self.objective
        if isinstance(objective, WorstGroupObjective):
            worst_group = WorstGroupSearch(self, objective)
            mixed, ceiling = worst_group.best_mixtures(constraints)
            if mixed is None or only_mixtures:
                return None, mixed
            return worst_group.best_thresholds(constraints, ceiling), mixed
        first = None  # one solver answers for both, at the first step
        if isinstance(objective, Objective):
            first = self.solver(constraints, objective, objective.start)
        mixed = self.maximise(constraints, "mixtures", first)
        if mixed is None or only_mixtures:
            return None, mixed
        return self.maximise(constraints, "thresholds", first), mixed

    def group_value_without_bound(self) -> float | None:
        """Return what the best threshold of each group reaches without a bound; None if none takes part.

        All else that is asked for holds, and groups that take no part keep the overall threshold.
        """
        if not self.measured:
            return None
        objective = self.objective
        if isinstance(objective, WorstGroupObjective):
            solution = WorstGroupSearch(self, objective).best_thresholds(())
        else:
            solution = self.maximise((), "thresholds")
        return None if solution is None else solution.value

    def counts_under_one_threshold(self) -> GroupCounts:
        """Return the counts of all groups under the overall threshold."""
        return self.curves.counts([ThresholdRule.single(self.overall.threshold)] * len(self.curves.labels))

    def loosest(self, bound: Bound) -> Bound:
        """Return the bound of the same kind that restricts nothing."""
        if bound.difference is None:
            return Bound(ratio=0.0)
        values = [points.rates for points in self.points]
        return Bound(difference=float(max(map(np.nanmax, values)) - min(map(np.nanmin, values))))

    def disparity(self, solution: Solution, bounded: BoundedConstraint) -> float:
        """Return the disparity under a constraint: within strata, the worst of any stratum."""
        constraint, comparison = bounded.constraint, bounded.bound.comparison
        counts = self.curves.counts_within(solution.rules)
        tables = [self.covered(counts)] if self.strata is None else list(self.tables(counts).values())
        disparities = [float(constraint.compare(table.cells, comparison)) for table in tables]
        return min(disparities) if comparison == "ratio" else max(disparities)

    # --- one objective after another -------------------------------------------------------------------

    def maximise(
        self, constraints: tuple[BoundedConstraint, ...], kind: Kind, first: Solver | None = None
    ) -> Solution | None:
        """Return the best of its kind over all rows: from one linear objective, or from several in turn.

        ``first`` is a solver of the first one, if there is one already.
        """
        objective = self.of_all_rows
        if isinstance(objective, FreeObjective):
            return self._explore(constraints, kind, objective)
        solver = first or self.solver(constraints, objective, objective.start)
        solution = self._solution(solver, kind, constraints)
        # Dinkelbach: maximise numerator - value * denominator at the value reached, until it stays.
        for _ in range(MAX_DINKELBACH):
            if solution is None or objective.is_linear or np.isnan(solution.value):
                return solution
            better = self._solution(self.solver(constraints, objective, solution.value), kind, constraints)
            if better is None or not objective.better(better.value, solution.value) > 1e-14:
                return solution
            solution = better
        return solution

    def _explore(
        self, constraints: tuple[BoundedConstraint, ...], kind: Kind, objective: FreeObjective
    ) -> Solution | None:
        """Return the best over linear objectives in many directions, then uphill from there."""

        def along(direction: Objective) -> Solution | None:
            return self._solution(self.solver(constraints, direction, 0.0), kind, constraints)

        best: Solution | None = None
        for direction in objective.directions():
            solution = along(direction)
            if solution is not None and (best is None or not solution.value <= best.value):
                best = solution
        for _ in range(MAX_DINKELBACH):
            steepest = None if best is None else objective.steepest(best.cells)
            solution = None if steepest is None else along(steepest)
            if best is None or solution is None or not solution.value > best.value:
                return best
            best = solution
        return best

    def solver(
        self,
        constraints: tuple[BoundedConstraint, ...],
        objective: Objective,
        value: float,
        beside: Sequence[OperatingPoints] = (),
    ) -> Solver:
        """Return the solver of the problem with the utilities of a linear objective.

        ``beside`` are more groups that must lie in the same windows.
        """
        bounds = tuple(
            self.loosest(bound) if np.isinf(bound.value) else bound
            for _, bound, _ in self.compared_rates(constraints)
        )
        groups = [
            replace(points, utility=objective.utility(curve.cells, value)[points.position])
            for curve, points in zip(self._curves, self.points, strict=True)
        ]
        if self.distances is not None:
            groups = [
                replace(group, clearance=Clearance.keeping(distances, bounds))
                for group, distances in zip(groups, self.distances.T, strict=True)
            ]
        capacity = None
        if self.requirements.capacity is not None:
            total = _SELECTION.support(self.curves.everyone.at(-1))
            left = float(self.requirements.capacity * total - _SELECTION.part(self._fixed))
            capacity = left if abs(left) > ROUNDING * total else 0.0
        problem = Problem([*groups, *beside], bounds, capacity, has_strata=self.strata is not None)
        if not bounds:
            return SeparateSolver(problem)
        is_plain = all(points.surplus is None for points in groups)
        if len(bounds) == 1 and capacity is None and is_plain:
            return WindowSolver(problem)
        return LinearProgramSolver(problem)

    def _solution(
        self, solver: Solver, kind: Kind, constraints: tuple[BoundedConstraint, ...]
    ) -> Solution | None:
        """Return what a solver answers, as rules for all groups; None if nothing meets the bounds."""
        if kind == "mixtures":
            mixtures, name = solver.mixtures(), solver.mixing_name
        else:
            positions = solver.thresholds()
            mixtures, name = None if positions is None else as_mixtures(positions), solver.name
        return None if mixtures is None else self.as_solution(mixtures, name, constraints)

    def as_solution(
        self, mixtures: list[Mixture], name: str, constraints: tuple[BoundedConstraint, ...]
    ) -> Solution:
        """Return mixtures as rules for all groups."""
        objective, cells = self.of_all_rows, self._total(mixtures)
        rules = [
            ThresholdRule.on(curve, mixture).capped(self.requirements.highest)
            for curve, mixture in zip(self._curves, mixtures, strict=True)
        ]
        if isinstance(objective, FreeObjective):
            name += ", over linear objectives in many directions"
        elif not objective.is_linear:
            name += " inside Dinkelbach's iteration"
        value = float(objective.value(cells))
        return Solution(self._with_overall(rules), cells, value, name, constraints)

    def _total(self, mixtures: Sequence[Mixture]) -> dict[str, float]:
        """Return the (expected) cells of all rows."""
        total = {cell: float(self._fixed.get(cell, 0.0)) for cell in CELLS}
        for curve, mixture in zip(self._curves, mixtures, strict=True):
            for cell, values in curve.at(mixture.positions).items():
                total[cell] += float(values @ mixture.probabilities)
        return total

    def _with_overall(self, rules: Sequence[ThresholdRule]) -> list[ThresholdRule]:
        """Return one rule per group: those of the measured groups, and the overall threshold for others."""
        by_group = dict(zip(self.measured, rules, strict=True))
        overall = ThresholdRule.single(self.overall.threshold)
        return [by_group.get(g, overall) for g in range(len(self.curves.labels))]

    @property
    def of_all_rows(self) -> Objective | FreeObjective:
        """The objective, over all rows."""
        return self.objective.overall if isinstance(self.objective, WorstGroupObjective) else self.objective

    # --- what the groups may choose from ---------------------------------------------------------------

    @cached_property
    def _fixed(self) -> Mapping[str, float]:
        """The cells of the groups that take no part, under the overall threshold."""
        fixed = dict.fromkeys(CELLS, 0.0)
        overall = ThresholdRule.single(self.overall.threshold)
        for g, curve in enumerate(self.curves.weighted):
            if g not in self.measured:
                for cell, value in overall.cells(curve).items():
                    fixed[cell] += value
        return fixed

    @cached_property
    def candidates(self) -> list[tuple[Curve, OperatingPoints]]:
        """What each of the groups that take part may choose from."""
        candidates = [self.points_of(self, g) for g in self.measured]
        for g, (_, points) in zip(self.measured, candidates, strict=True):
            if not len(points):
                raise ValueError(explain_inadmissible(self, g))
        return candidates

    def compared_rates(
        self, constraints: tuple[BoundedConstraint, ...]
    ) -> list[tuple[Rate, Bound, Hashable]]:
        """Return every rate that is compared, with its bound and, within strata, the stratum."""
        pairs = bounded_rates(constraints)
        if self.strata is None:
            return [(rate, bound, None) for rate, bound in pairs]
        labels = [self.strata.labels[s] for s in self.strata.positions]
        return [(rate, bound, label) for rate, bound in pairs for label in labels]

    @property
    def _curves(self) -> list[Curve]:
        return [curve for curve, _ in self.candidates]

    @property
    def points(self) -> list[OperatingPoints]:
        """The points of the groups that take part."""
        return [points for _, points in self.candidates]
