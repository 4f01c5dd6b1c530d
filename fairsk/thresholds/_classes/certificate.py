"""An upper bound on what any offsets of one group are worth at given payoffs: branch and bound over boxes.

In a box of offsets most rows have one decision. Rows that may have one of two depend on the difference of two
offsets alone: over all differences, the best of their cumulative sums bounds them together, so that what is
won and lost among them cancels. Other rows count with the best of their decisions. Boxes are halved from the
greatest bound on.
"""

from __future__ import annotations

import heapq

import numpy as np

from fairsk._core.typing import Bools, Floats, Ints
from fairsk.thresholds._classes.rows import GroupRows

__all__ = ["greatest_worth"]

#: What a box costs beside its rows, in visits of rows.
_A_BOX = 1_000


def greatest_worth(rows: GroupRows, payoffs: Floats, enough: float, most_visits: int) -> float:
    """Return what no offsets exceed.

    Parameters
    ----------
    rows : GroupRows
        The rows.
    payoffs : array of shape (n_classes, n_samples)
        What each row is worth under each decision.
    enough : float
        No bound below this is looked for.
    most_visits : int
        How many rows of boxes may be looked at: what is left then is bounded as it is.
    """
    n_classes = rows.n_classes
    # No pair of offsets needs to lie further apart than scores do, so none further from the first class's 0.
    reach = float(
        max(np.abs(rows.scores[k] - rows.scores[j]).max() for k in range(n_classes) for j in range(k))
    )
    low, high = np.full(n_classes, -reach - 1.0), np.full(n_classes, reach + 1.0)
    low[0] = high[0] = 0.0
    visits, n_boxes = 0, 0
    bound, sure, left = _bound(rows, payoffs, np.arange(len(rows)), low, high)
    waiting: list[tuple[float, int, float, Ints, Floats, Floats]] = [(-bound, 0, sure, left, low, high)]
    while -waiting[0][0] > enough and visits < most_visits:
        negative, _, sure, left, low, high = heapq.heappop(waiting)
        if not len(left):  # the bound of this box is reached in it
            return -negative
        axis = int(np.argmax(high - low))
        middle = (low[axis] + high[axis]) / 2
        for ends, at in ((high, 1), (low, 0)):
            half = ends.copy()
            half[axis] = middle
            box = (low, half) if at else (half, high)
            total, more, rest = _bound(rows, payoffs, left, *box)
            n_boxes += 1
            visits += len(left) + _A_BOX
            heapq.heappush(waiting, (-min(-negative, sure + total), n_boxes, sure + more, rest, *box))
    return max(enough, -waiting[0][0])


def _bound(
    rows: GroupRows, payoffs: Floats, index: Ints, low: Floats, high: Floats
) -> tuple[float, float, Ints]:
    """Return a bound for some rows in a box, what is sure of it, and the rows that are not."""
    scores, gains = rows.scores[:, index], payoffs[:, index]
    # A class is possible where its greatest value is not below the least value of some other one.
    best = (scores + low[:, None]).max(0)
    possible: Bools = scores + high[:, None] >= best - rows.tie
    n_possible = possible.sum(0)
    best_gain = np.where(possible, gains, -np.inf).max(0)
    is_sure = n_possible == 1
    sure = float(best_gain[is_sure].sum())
    total = sure + float(best_gain[n_possible > 2].sum())
    is_pair = n_possible == 2
    for p in range(rows.n_classes):
        for q in range(p):
            at = np.flatnonzero(is_pair & possible[p] & possible[q])
            if len(at):
                order = at[np.argsort(scores[q, at] - scores[p, at], kind="stable")]
                turned = np.cumsum(gains[p, order] - gains[q, order])
                total += float(gains[q, at].sum()) + max(0.0, float(turned.max()))
    return total, sure, index[~is_sure]
