"""The trade-off as a path: what the objective costs as the bound is tightened."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fairsk._core.bounds import Bound
from fairsk._held_out.objective import Objective
from fairsk.thresholds._choose import prepare_search, replaced
from fairsk.thresholds._group_curves import Evidence
from fairsk.thresholds._search import Candidate
from fairsk.thresholds._spec import Wishes

__all__ = ["ParetoPath", "trace_path"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ParetoPath:
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

    constraint: str
    comparison: str
    objective: str
    bounds: Floats
    disparity: Floats
    value: Floats
    best_mixture: Floats
    thresholds: Mapping[Hashable, Floats]


def trace_path(evidence: Evidence, wishes: Wishes, n_points: int, *, stacklevel: int = 2) -> ParetoPath:
    """Follow the best single thresholds from parity to where the bound no longer matters."""
    if len(wishes.limits) != 1:
        raise ValueError("A path varies the bound of one constraint: give one, not a list.")
    (limit,) = wishes.limits
    search, overall, _ = prepare_search(
        evidence, replace(wishes, policy="threshold"), stacklevel=stacklevel + 1
    )
    if not search.measured:
        raise ValueError("There is no trade-off to follow: fewer than two groups can be compared.")
    n_rates = len(limit.constraint.rates)

    def disparity_of(found: Candidate | None) -> float:
        if found is None:
            return float("nan")
        rules = replaced([overall] * len(evidence.labels), search.measured, found.rules)
        cells = {cell: values[search.measured] for cell, values in evidence.counts(rules).cells.items()}
        return float(limit.constraint.compare(cells, limit.bound.comparison))

    free = search.best((search.loosest(limit.bound),) * n_rates).single
    if free is None:
        raise ValueError("No thresholds meet what is asked for, even without a bound on the disparity.")
    by_difference = limit.bound.difference is not None
    bounds = np.linspace(0.0 if by_difference else 1.0, disparity_of(free), n_points)
    points = []
    for at in bounds:
        bound = Bound(difference=float(at)) if by_difference else Bound(ratio=float(at))
        points.append(search.best((bound,) * n_rates))
    singles = [point.single for point in points]
    bounded = isinstance(search.objective, Objective)
    return ParetoPath(
        constraint=limit.constraint.name,
        comparison=limit.bound.comparison,
        objective=search.objective.name,
        bounds=bounds,
        disparity=np.array([disparity_of(single) for single in singles]),
        value=np.array([np.nan if single is None else single.value for single in singles]),
        best_mixture=np.array([p.mixed.value if bounded and p.mixed else np.nan for p in points]),
        thresholds={
            evidence.labels[g]: np.array([np.nan if s is None else s.rules[i].thresholds[0] for s in singles])
            for i, g in enumerate(search.measured)
        },
    )
