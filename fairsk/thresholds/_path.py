"""ParetoPath: what the objective costs as the bound is tightened."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairsk._core.bounds import Bound, BoundedConstraint
from fairsk._core.groups import format_group
from fairsk._core.typing import Floats
from fairsk._held_out.objective import FreeObjective
from fairsk._held_out.tradeoff_path import TradeoffPath
from fairsk.thresholds._group_curves import GroupCurves
from fairsk.thresholds._search import Search, Solution
from fairsk.thresholds._spec import ThresholdSpec

__all__ = ["ParetoPath", "trace_path"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ParetoPath(TradeoffPath):
    """The best thresholds at one bound after another, on the rows that they were chosen on.

    Parameters
    ----------
    constraint : str
        What is bounded.
    comparison : {"difference", "ratio"}
        Whether the difference is bounded from above, or the ratio from below.
    objective : str
        What is maximised.
    bounds : array of shape (n_points,)
        From parity to where the bound no longer matters.
    disparity : array of shape (n_points,)
        What the thresholds reach; NaN where single thresholds cannot meet the bound.
    value : array of shape (n_points,)
        The objective; NaN likewise.
    best_mixture : array of shape (n_points,)
        The objective that no thresholds, mixed or not, can exceed at this bound; NaN where it is not known.
    thresholds : dict
        Each group's thresholds, an array of shape (n_points,).
    """

    thresholds: Mapping[Hashable, Floats]

    def _more_columns(self) -> dict[str, list[Any]]:
        return {
            f"threshold of {format_group(label)}": thresholds.tolist()
            for label, thresholds in self.thresholds.items()
        }


def trace_path(curves: GroupCurves, spec: ThresholdSpec, n_points: int) -> ParetoPath:
    """Follow the best single thresholds from parity to where the bound no longer matters."""
    if len(spec.constraints) != 1:
        raise ValueError("A path varies the bound of one constraint: give one, not a list.")
    (bounded,) = spec.constraints
    search = Search.prepare(curves, spec)
    if not search.measured:
        raise ValueError("There is no trade-off to follow: fewer than two groups can be compared.")
    constraint, comparison = bounded.constraint, bounded.bound.comparison

    def best(bound: Bound) -> tuple[Solution | None, Solution | None]:
        return search.best((BoundedConstraint(constraint, bound),))

    def disparity_of(solution: Solution | None) -> float:
        return float("nan") if solution is None else search.disparity(solution, bounded)

    unbounded, _ = best(search.loosest(bounded.bound))
    if unbounded is None:
        raise ValueError("No thresholds meet what is asked for, even without a bound on the disparity.")
    by_difference = comparison == "difference"
    bounds = np.linspace(0.0 if by_difference else 1.0, disparity_of(unbounded), n_points)
    points = [best(Bound(difference=at) if by_difference else Bound(ratio=at)) for at in bounds.tolist()]
    singles = [single for single, _ in points]
    is_exact = not isinstance(search.objective, FreeObjective)  # else nothing is known of what can be reached
    return ParetoPath(
        constraint=constraint.name,
        comparison=comparison,
        objective=search.objective.name,
        bounds=bounds,
        disparity=np.array([disparity_of(single) for single in singles]),
        value=np.array([np.nan if single is None else single.value for single in singles]),
        best_mixture=np.array([mixed.value if is_exact and mixed else np.nan for _, mixed in points]),
        thresholds={
            curves.labels[g]: np.array([np.nan if s is None else s.rules[g].thresholds[0] for s in singles])
            for g in search.measured
        },
    )
