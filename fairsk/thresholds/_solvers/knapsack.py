"""The knapsack of groups that share a capacity: the best choice of one threshold each, exactly.

What all groups select adds up, as weights in a multiple-choice knapsack do. So groups are taken in one after
another, and of the partial choices those are kept that no other one dominates: selecting less, and gaining
more. Those whose upper bound does not exceed the incumbent are pruned.
"""

from __future__ import annotations

import numpy as np

from fairsk._core.bounds import ROUNDING
from fairsk._core.typing import Ints
from fairsk.thresholds._solvers.problem import OperatingPoints

__all__ = ["best_within_capacity"]


def best_within_capacity(
    groups: list[OperatingPoints], capacity: float, dual: float, incumbent: float
) -> tuple[list[int], float] | None:
    """Return the best choice with a total utility above the incumbent's that selects no more than allowed.

    Parameters
    ----------
    groups : list of OperatingPoints
        Any combination of them is allowed, but for the capacity.
    capacity : float
        How much all groups together may select.
    dual : float
        The dual value of the capacity, what a selected row costs, not negative: the search is right for any,
        and fast for that of the linear program.
    incumbent : float
        The utility of the best choice so far.
    """
    # Of each group, its greatest utility less the cost of what is selected, and its least selection; then the
    # sums of these over all groups that come after it.
    gains = [float((group.utility - dual * group.selected).max()) for group in groups]
    least = [float(group.selected.min()) for group in groups]
    later_gain = np.append(np.cumsum(gains[::-1])[::-1], 0.0)[1:]
    later_least = np.append(np.cumsum(least[::-1])[::-1], 0.0)[1:]
    limit = capacity * (1 + ROUNDING)
    selected, utility = np.zeros(1), np.zeros(1)
    steps: list[tuple[Ints, Ints]] = []
    for group, gain, fewest in zip(groups, later_gain, later_least, strict=True):
        total = (selected[:, None] + group.selected).ravel()
        gained = (utility[:, None] + group.utility).ravel()
        # Lagrangian relaxation of the capacity: weak duality makes this an upper bound for any dual value.
        upper_bound = gained + gain + dual * (capacity - total)
        kept = np.flatnonzero((upper_bound > incumbent) & (total + fewest <= limit))
        # By rising selection, a partial choice is dominated if an earlier one has gained as much.
        kept = kept[np.lexsort((-gained[kept], total[kept]))]
        best_before = np.maximum.accumulate(np.append(-np.inf, gained[kept]))[:-1]
        kept = kept[gained[kept] > best_before]
        if not len(kept):
            return None
        selected, utility = total[kept], gained[kept]
        steps.append((kept // len(group), kept % len(group)))
    best = int(np.argmax(utility))
    if utility[best] <= incumbent:
        return None
    choice, at = [], best
    for previous, point in reversed(steps):
        choice.append(int(point[at]))
        at = int(previous[at])
    return choice[::-1], float(utility[best])
