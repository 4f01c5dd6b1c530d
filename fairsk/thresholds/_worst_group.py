"""The objective of the worst group: the search for what lifts the group that is worst off the most.

The level of a group is its rate, negated where a lower one is better. That of the worst group is no sum over
rows, so it is raised as a requirement on every group, and all rows together are the objective under it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fairsk._core.bounds import ROUNDING, BoundedConstraint
from fairsk._core.curves import Curve
from fairsk._core.groups import list_groups
from fairsk._core.typing import Floats
from fairsk._core.warnings import warn_user
from fairsk._held_out.objective import (
    MAX_DINKELBACH,
    AnyObjective,
    WorstGroupObjective,
    is_of_worst_group,
    objective_of_rows,
    terms_of_worst_group,
    worst_group_objective,
)
from fairsk.thresholds._group_curves import GroupCurves
from fairsk.thresholds._rules import Mixture
from fairsk.thresholds._solvers.linear_program import LinearProgramSolver
from fairsk.thresholds._solvers.problem import OperatingPoints
from fairsk.thresholds._spec import ThresholdSpec

if TYPE_CHECKING:
    from fairsk.thresholds._search import Kind, Search, Solution

__all__ = ["WorstGroupSearch", "objective_among"]

#: How exactly a linear program finds the level of the worst group.
_LEVEL_ROUNDING = 1e-8


def objective_among(curves: GroupCurves, spec: ThresholdSpec, measured: Sequence[int]) -> AnyObjective:
    """Return what is maximised; for the worst group, among the groups that it can be measured in.

    Parameters
    ----------
    curves : GroupCurves
        Every group's curve.
    spec : ThresholdSpec
        What is asked for.
    measured : sequence of int
        The groups that take part; all of them if none does.

    Raises
    ------
    ValueError
        If no group has enough rows.

    Warns
    -----
    UserWarning
        If a group that takes part has too few rows.
    """
    if not is_of_worst_group(spec.objective):
        return objective_of_rows(spec.objective, curves.everyone)
    least, candidates = spec.min_group_size, list(measured) or range(len(curves.labels))
    rates = [rate for _, rate in terms_of_worst_group(spec.objective)]
    most = np.min([curves.most_rows(rate) for rate in rates], axis=0)
    counted = [g for g in candidates if most[g] >= least]
    if not counted:
        raise ValueError(
            f"objective={spec.objective!r} needs a group with min_group_size={least} rows to measure it on: "
            "there is none."
        )
    if len(counted) < len(candidates):
        passed_over = list_groups(curves.labels[g] for g in candidates if most[g] < least)
        warn_user(
            f"Fewer than min_group_size={least} rows to measure objective={spec.objective!r} on in: "
            f"{passed_over}. The worst group is looked for among the others."
        )
    return worst_group_objective(spec.objective, curves.everyone, counted)


@dataclass(frozen=True)
class WorstGroupSearch:
    """The search for the rules that lift the worst group the most; among equals, the best for all rows.

    Parameters
    ----------
    search : Search
        What the groups may choose from, and under which requirements.
    objective : WorstGroupObjective
        Whose level is raised.
    """

    search: Search
    objective: WorstGroupObjective

    def best_thresholds(
        self, constraints: tuple[BoundedConstraint, ...], ceiling: float = np.inf
    ) -> Solution | None:
        """Return the best single thresholds under the bounds; None if nothing meets them.

        The level of the worst group is one of the observed ones, and what can be reached at one can be
        reached at every lower one. So the highest is found by bisection, which begins close to the ceiling,
        a level that is not exceeded: there few thresholds are left.
        """
        overall, levels = self.objective.overall, self._levels
        ceiling = min(ceiling, *(float(level.max()) for level in levels))
        open_levels = np.unique(np.concatenate(levels))
        open_levels = open_levels[open_levels <= ceiling + ROUNDING]

        def is_reachable(place: int) -> bool:
            search = self._from_level(float(open_levels[place]), "thresholds")
            return search.solver(constraints, overall, overall.start).thresholds() is not None

        too_high, step = len(open_levels), 1
        while not is_reachable(reached := max(0, too_high - step)):
            if reached == 0:
                return None
            too_high, step = reached, 2 * step
        while too_high - reached > 1:
            middle = (reached + too_high) // 2
            if is_reachable(middle):
                reached = middle
            else:
                too_high = middle
        level = float(open_levels[reached])
        best = self._from_level(level, "thresholds").maximise(constraints, "thresholds")
        assert best is not None
        solver = f"{best.solver}, repeated for higher and higher values of the worst group"
        return replace(best, value=self.objective.value_at(level), solver=solver)

    def best_mixtures(self, constraints: tuple[BoundedConstraint, ...]) -> tuple[Solution | None, float]:
        """Return the best mixtures under the bounds, and a level that no mixtures exceed.

        Rates with fixed denominators take one linear program; for others the level is raised by what the
        worst group has to spare at the last one, until that is nothing (Crouzeix, Ferland & Schaible, An
        Algorithm for Generalized Fractional Programs, JOTA 47, 1985).
        """
        overall = self.objective.overall
        level = min(float(levels.min()) for levels in self._levels)
        for _ in range(MAX_DINKELBACH):
            search = self._from_level(level, "mixtures")
            solver = search.solver(constraints, overall, overall.start)
            assert isinstance(solver, LinearProgramSolver)
            answer = solver.greatest_surplus()
            if answer is None:
                return None, level
            surplus, mixtures = answer
            if all(rate.has_fixed_denominator for _, rate in self.objective.terms):
                level += surplus
                break
            reached = self._level(mixtures)
            if not reached > level + ROUNDING:
                level = max(level, reached)
                break
            level = reached
        # A little below, for the linear program rounds too.
        search = self._from_level(level - _LEVEL_ROUNDING, "mixtures")
        best = search.maximise(constraints, "mixtures")
        if best is None:
            best = search.as_solution(mixtures, LinearProgramSolver.mixing_name, constraints)
        return replace(best, value=self.objective.value_at(level)), level + _LEVEL_ROUNDING

    def _from_level(self, level: float, kind: Kind) -> Search:
        """Return the search for the best over all rows, where no counted group is below a level.

        Thresholds must be at least there themselves, mixtures on average.
        """
        candidates = dict(zip(self.search.measured, self.search.candidates, strict=True))

        def points_of(_: Search, group: int) -> tuple[Curve, OperatingPoints]:
            curve, points = candidates[group]
            if group not in self.objective.counted:
                return curve, points
            part, whole = self.objective.parts(curve.at(points.position))
            if kind == "thresholds":
                return curve, points.take(part >= (level - ROUNDING) * whole)
            return curve, replace(points, surplus=(part - level * whole) / whole.max())

        return replace(self.search, objective=self.objective.overall, points_of=points_of)

    @property
    def _levels(self) -> list[Floats]:
        """The levels of every counted group's points."""
        levels = []
        for g, (curve, points) in zip(self.search.measured, self.search.candidates, strict=True):
            if g in self.objective.counted:
                part, whole = self.objective.parts(curve.at(points.position))
                levels.append(part / whole)
        return levels

    def _level(self, mixtures: Sequence[Mixture]) -> float:
        """Return the level of the worst group under mixtures."""
        levels = []
        for g, (curve, _), mixture in zip(
            self.search.measured, self.search.candidates, mixtures, strict=True
        ):
            if g in self.objective.counted:
                part, whole = self.objective.parts(curve.at(mixture.positions))
                levels.append(float(part @ mixture.probabilities) / float(whole @ mixture.probabilities))
        return min(levels)
