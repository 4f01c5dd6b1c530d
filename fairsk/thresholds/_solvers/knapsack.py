"""Groups that share a capacity: the best choice of one threshold each, exactly.

What all groups select adds up, as weights in a knapsack do. So groups are taken in one after another, and of
the choices made so far those are kept that no other one beats in both respects: selecting less, and gaining
more. Those that could not make up for what the best choice known has gained are dropped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fairsk.thresholds._solvers.problem import Choices

__all__ = ["best_sharing"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


def best_sharing(
    groups: list[Choices], capacity: float, price: float, incumbent: float
) -> tuple[list[int], float] | None:
    """Return the best choice with a total utility above the incumbent's that selects no more than allowed.

    Parameters
    ----------
    groups : list of Choices
        Any combination of them is allowed, but for the capacity.
    capacity : float
        How much all groups together may select.
    price : float
        What a selected row costs, not negative: the search is right for any price, and fast for that of the
        linear program.
    incumbent : float
        What has been reached.
    """
    # Of each group, what it gains at most, paying for what it selects, and what it selects at least; then the
    # same of all groups that come after it.
    gains = [float((group.utility - price * group.selected).max()) for group in groups]
    least = [float(group.selected.min()) for group in groups]
    later_gain = np.append(np.cumsum(gains[::-1])[::-1], 0.0)[1:]
    later_least = np.append(np.cumsum(least[::-1])[::-1], 0.0)[1:]
    room = capacity * (1 + 1e-12)
    selected, utility = np.zeros(1), np.zeros(1)
    steps: list[tuple[Ints, Ints]] = []
    for group, gain, fewest in zip(groups, later_gain, later_least, strict=True):
        total = (selected[:, None] + group.selected).ravel()
        gained = (utility[:, None] + group.utility).ravel()
        promise = gained + gain + price * (capacity - total)
        kept = np.flatnonzero((promise > incumbent) & (total + fewest <= room))
        kept = kept[np.lexsort((-gained[kept], total[kept]))]
        ahead = np.maximum.accumulate(np.append(-np.inf, gained[kept]))[:-1]
        kept = kept[gained[kept] > ahead]
        if not len(kept):
            return None
        selected, utility = total[kept], gained[kept]
        steps.append((kept // len(group), kept % len(group)))
    best = int(np.argmax(utility))
    if utility[best] <= incumbent:
        return None
    chosen, at = [], best
    for before, own in reversed(steps):
        chosen.append(int(own[at]))
        at = int(before[at])
    return chosen[::-1], float(utility[best])
