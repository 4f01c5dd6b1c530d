"""The exact search for the best single threshold for all rows alike, under bounds on disparities.

One sort of the scores gives the confusion cells of all rows, and of each group, at every threshold that can
be told apart; objective, rates and bounds are then read off for all of them at once. That costs O(n log n)
for any one number of groups, and no candidate is left out: every distinct score is one, and so is selecting
no row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairsk._core.bounds import ROUNDING, Bound, BoundedConstraint, bounded_rates
from fairsk._core.curves import Curve, sorted_curves
from fairsk._core.typing import Bools, Floats, Ints
from fairsk._held_out.objective import (
    AnyObjective,
    ObjectiveLike,
    WorstGroupObjective,
    objective_of_rows,
)
from fairsk.rates import Rate, get_rate

__all__ = ["SingleThreshold", "best_single_threshold", "best_threshold_on_curves", "reachable_positions"]


#: What a capacity limits.
_SELECTION = get_rate("selection_rate")


@dataclass(frozen=True)
class SingleThreshold:
    """A threshold for all rows alike: those with a score of at least this are selected.

    Parameters
    ----------
    threshold : float
        Infinity selects no row, and minus infinity every row.
    value : float
        The objective's value over all rows; NaN where it is not defined (a precision of no selected rows).
    violation : float
        By how much the most violated bound is exceeded, in units of its disparity; 0 if all bounds hold,
        infinity if some rate is not defined at any threshold.
    """

    threshold: float
    value: float
    violation: float = 0.0

    @property
    def meets_bounds(self) -> bool:
        """Whether all bounds hold."""
        return self.violation == 0


def best_single_threshold(
    scores: Floats,
    actual: Bools,
    codes: Ints,
    *,
    objective: ObjectiveLike = "accuracy",
    constraints: Sequence[BoundedConstraint] = (),
    covered: Sequence[int] | None = None,
    weights: Floats | None = None,
    capacity: float | None = None,
    highest: float = np.inf,
) -> SingleThreshold:
    """Return the best threshold for all rows alike that meets the bounds, or else the least violating one.

    Parameters
    ----------
    scores : array of shape (n_samples,)
        Finite scores.
    actual : boolean array of shape (n_samples,)
        Whether the label is the positive one.
    codes : integer array of shape (n_samples,)
        The group of each row, from 0.
    objective : str, Rate, mapping or callable, default="accuracy"
        What to maximise over all rows, as in :func:`~fairsk._held_out.objective.make_objective`.
    constraints : sequence of BoundedConstraint
        Bounds on the disparities between the covered groups.
    covered : sequence of int, optional
        The groups that the bounds cover; by default all that have rows for every bounded rate.
    weights : array of shape (n_samples,), optional
        Weight of each row.
    capacity : float, optional
        The largest share of all rows that may be selected.
    highest : float, default=inf
        What the threshold may not exceed.

    Returns
    -------
    SingleThreshold
        The threshold, what it reaches, and by how much it violates the bounds.

    Raises
    ------
    ValueError
        If all rows are of one class, the objective is NaN at every threshold, or no threshold has the
        capacity and is as low as required.
    """
    n_groups = int(codes.max(initial=-1)) + 1
    ((curves, everyone),) = sorted_curves(scores, actual, codes, n_groups, [weights])
    if covered is None:
        rates = [rate for rate, _ in bounded_rates(constraints)]
        covered = [g for g, curve in enumerate(curves) if all(_is_measurable(curve, rate) for rate in rates)]
    return best_threshold_on_curves(
        everyone,
        objective_of_rows(objective, everyone),
        [curves[g] for g in covered],
        constraints,
        capacity=capacity,
        highest=highest,
    )


def best_threshold_on_curves(
    everyone: Curve,
    objective: AnyObjective,
    curves: Sequence[Curve] = (),
    constraints: Sequence[BoundedConstraint] = (),
    *,
    groups: Sequence[Curve] = (),
    capacity: float | None = None,
    highest: float = np.inf,
) -> SingleThreshold:
    """Return what :func:`best_single_threshold` does, from the curves of all rows and of the covered groups.

    Parameters
    ----------
    everyone : Curve
        Of all rows together: its thresholds are the candidates.
    objective : Objective, FreeObjective or WorstGroupObjective
        What to maximise over all rows, or in the worst group.
    curves : sequence of Curve
        Of the groups that the bounds cover.
    constraints : sequence of BoundedConstraint
        Bounds on the disparities between them.
    groups : sequence of Curve
        Of every group, for the objective of the worst one.
    capacity : float, optional
        The largest share of all rows that may be selected.
    highest : float, default=inf
        What the threshold may not exceed.
    """
    cells = everyone.cells
    if isinstance(objective, WorstGroupObjective):
        values = objective.along(everyone.thresholds, groups)
    else:
        values = np.asarray(objective.value(cells), dtype=float)
    loss = np.asarray(objective.better(0.0, values))
    if np.isnan(loss).all():
        raise ValueError(
            f"The objective {objective.name!r} is NaN for every threshold: nothing can be chosen."
        )
    is_open = reachable_positions(everyone, highest)
    if capacity is not None:
        is_open &= ~(_SELECTION(cells) > capacity + ROUNDING)
    if not is_open.any():
        raise ValueError(
            f"No threshold for all rows alike has at most {capacity:.4g} of all rows selected and no group's "
            f"threshold above {highest:g}. Ask for less."
        )
    violation = _violation(everyone.thresholds, curves, constraints)
    least = violation[is_open].min()
    is_open &= violation <= least + (ROUNDING if least > 0 else 0.0)  # equally bad ones differ by rounding
    # A NaN (a precision where no row is selected) is worse than any value, but open.
    loss = np.where(is_open, np.where(np.isnan(loss), np.finfo(float).max, loss), np.inf)
    if isinstance(objective, WorstGroupObjective):  # among equals, the best for all rows
        overall = np.asarray(objective.overall.better(0.0, objective.overall.value(cells)))
        loss = np.where(
            loss <= loss.min() + ROUNDING, np.nan_to_num(overall, nan=np.finfo(float).max), np.inf
        )
    best = int(np.argmin(loss))
    threshold = float(everyone.threshold(np.array([best]))[0])
    # Between two scores the threshold may be lowered to the highest one allowed: that selects the same rows.
    return SingleThreshold(min(threshold, highest), float(values[best]), float(violation[best]))


def reachable_positions(curve: Curve, highest: float) -> Bools:
    """Return which positions a threshold can reach that is not above the highest one allowed."""
    if not curve.between:
        return curve.thresholds <= highest
    return np.append(curve.steps < highest, True)  # the first score that is left out lies below it


def _violation(
    thresholds: Floats, curves: Sequence[Curve], constraints: Sequence[BoundedConstraint]
) -> Floats:
    """Return by how much the most violated bound is exceeded at each threshold."""
    worst = np.zeros(len(thresholds))
    if len(curves) < 2:  # nothing can be compared
        return worst
    bounds = bounded_rates(constraints)
    lowest = np.full((len(bounds), len(thresholds)), np.inf)
    highest = np.full((len(bounds), len(thresholds)), -np.inf)
    for curve in curves:  # one group at a time: memory does not grow with their number
        cells = curve.at(curve.positions(thresholds))
        for j, (rate, _) in enumerate(bounds):
            values = rate(cells)  # NaN where it is not defined, and NaN is passed on
            lowest[j], highest[j] = np.minimum(lowest[j], values), np.maximum(highest[j], values)
    for j, (_, bound) in enumerate(bounds):
        worst = np.maximum(worst, _bound_violation(bound, lowest[j], highest[j]))
    return worst


def _bound_violation(bound: Bound, lowest: Floats, highest: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        violation = bound.violation(lowest, highest)
    return np.where(np.isnan(lowest), np.inf, violation)


def _is_measurable(curve: Curve, rate: Rate) -> bool:
    return max(float(rate.support(curve.at(end))) for end in (0, -1)) > 0
