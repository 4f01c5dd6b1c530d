"""Pareto path of several classes: the best single offsets at one bound after another."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from fairsk._core.bounds import Bound, BoundedConstraint
from fairsk._core.groups import format_group
from fairsk._core.typing import Floats
from fairsk._held_out.tradeoff_path import TradeoffPath
from fairsk.thresholds._classes.problem import OffsetProblem, OffsetSolution
from fairsk.thresholds._classes.solve import best_overall, solve

__all__ = ["ClassParetoPath", "trace_class_path"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ClassParetoPath(TradeoffPath):
    """The best offsets per class and group at one bound after another, on the rows that they were chosen on.

    Parameters
    ----------
    constraint : str
        What is bounded, for each class.
    comparison : {"difference", "ratio"}
        Whether the difference is bounded from above, or the ratio from below.
    objective : str
        What is maximised.
    bounds : array of shape (n_points,)
        From parity to where the bound no longer matters.
    disparity : array of shape (n_points,)
        What the offsets reach, for the class where it is worst; NaN where no single offsets were found that
        meet the bound.
    value : array of shape (n_points,)
        The objective; NaN likewise.
    best_mixture : array of shape (n_points,)
        The objective of the best mixtures of offsets that were found; NaN where it is not known.
    classes : tuple of labels
        The classes, in the order of the offsets.
    offsets : dict
        Each group's offsets, an array of shape (n_points, n_classes).
    """

    classes: tuple[Hashable, ...]
    offsets: Mapping[Hashable, Floats]

    def _more_columns(self) -> dict[str, list[Any]]:
        return {
            f"offset of {label} in {format_group(group)}": offsets[:, k].tolist()
            for group, offsets in self.offsets.items()
            for k, label in enumerate(self.classes)
        }


def trace_class_path(
    problem: OffsetProblem, groups: tuple[Hashable, ...], objective: str, n_points: int
) -> ClassParetoPath:
    """Follow the best single offsets from parity to where the bound no longer matters.

    Parameters
    ----------
    problem : OffsetProblem
        The problem with one constraint, whose bound is not looked at.
    groups : tuple of labels
        The groups.
    objective : str
        What the objective is called.
    n_points : int
        How many bounds to try.
    """
    if len(problem.constraints) != 1:
        raise ValueError("A path varies the bound of one constraint: give one, not a list.")
    if not problem.measured:
        raise ValueError("There is no trade-off to follow: fewer than two groups can be compared.")
    (bounded,) = problem.constraints
    comparison = bounded.bound.comparison
    overall = best_overall(problem)

    def under(bound: Bound) -> OffsetProblem:
        return replace(problem, constraints=(BoundedConstraint(bounded.constraint, bound),))

    nearest: OffsetSolution | None = None

    def best(bound: Bound, policy: Literal["threshold", "randomized"] = "threshold") -> OffsetSolution | None:
        try:  # a path says what was found, and proves nothing
            return solve(under(bound), policy, overall, near=nearest, prove=False)
        except ValueError:  # nothing meets it
            return None

    def best_mixture(bound: Bound, single: OffsetSolution | None) -> float:
        if single is None and problem.can_mix:
            single = best(bound, "randomized")
        return np.nan if single is None or single.upper_bound is None else single.upper_bound

    def disparity_of(solution: OffsetSolution | None) -> float:
        return float("nan") if solution is None else worst_disparity(problem, solution.tables)

    by_difference = comparison == "difference"
    unbounded = best(Bound(difference=np.inf) if by_difference else Bound(ratio=0.0))
    if unbounded is None:
        raise ValueError("No offsets meet what is asked for, even without a bound on the disparity.")
    bounds = np.linspace(0.0 if by_difference else 1.0, disparity_of(unbounded), n_points)
    tried = [Bound(difference=at) if by_difference else Bound(ratio=at) for at in bounds.tolist()]
    points: list[OffsetSolution | None] = []
    for each in tried:  # from the tightest on, so that what one bound allows serves the next ones
        points.append(best(each))
        nearest = points[-1] or nearest
    nothing = np.full(problem.n_classes, np.nan)
    return ClassParetoPath(
        constraint=bounded.constraint.name,
        comparison=comparison,
        objective=objective,
        bounds=bounds,
        disparity=np.array(list(map(disparity_of, points))),
        value=np.array([np.nan if point is None else point.value for point in points]),
        best_mixture=np.array(list(map(best_mixture, tried, points))),
        classes=problem.events.classes,
        offsets={
            groups[g]: np.array([nothing if p is None else p.mixtures[g].offsets[0] for p in points])
            for g in problem.measured
        },
    )


def worst_disparity(problem: OffsetProblem, tables: Floats) -> float:
    """Return the disparity of the first constraint, for the event where it is worst."""
    bound = problem.constraints[0].bound
    n = problem.n_events * len(problem.constraints[0].constraint.rates)
    values = np.where(problem.covered[:n].T, problem.values(tables)[:, :n], np.nan)
    compared = np.isfinite(values).sum(0) > 1
    lowest, highest = np.nanmin(values[:, compared], axis=0), np.nanmax(values[:, compared], axis=0)
    worst = float(bound.disparity(lowest, highest).max())
    return worst if bound.comparison == "difference" else -worst
