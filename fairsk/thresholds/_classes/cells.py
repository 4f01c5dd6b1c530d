"""All decisions that offsets can make of a few rows: the cells of an arrangement, each with offsets inside.

The offsets under which every row has a given decision satisfy difference constraints: if a row is decided as
d, ``offset[k] - offset[d] <= score[d] - score[k]`` for every class k. The least right-hand sides over the
rows, closed under shortest paths, tell whether there are such offsets, give a point inside, and show which
row turns first when the offset of one class rises against another's: so all cells are reached from the
first one, neighbour by neighbour. In general position, rows of n samples and K classes have
``(n + K - 1 choose K - 1)`` of them: one for each way to give n rows to K classes.
"""

from __future__ import annotations

from math import comb

import numpy as np

from fairsk._core.typing import Floats, Ints
from fairsk.thresholds._classes.rows import GroupRows, normalised

__all__ = ["all_offsets", "number_of_cells"]


def number_of_cells(n_rows: int, n_classes: int) -> int:
    """Return how many cells there are at the most."""
    return comb(n_rows + n_classes - 1, n_classes - 1)


def all_offsets(rows: GroupRows) -> Floats:
    """Return offsets in every cell, of shape (n_cells, n_classes).

    Rows of weight 0 are passed over.
    """
    rows = rows.take(np.flatnonzero(rows.weights > 0))
    if rows.n_classes == 2:
        line = rows.line(np.zeros(2), 1)
        return np.column_stack([np.zeros(len(line.stops)), line.stops])
    return _walk(rows)


def _walk(rows: GroupRows) -> Floats:
    """Return offsets in every cell, found from neighbour to neighbour, breadth first."""
    n_classes, n = rows.n_classes, len(rows)
    #: What a row that is decided d gives up by being decided k: of shape (d, k, row).
    margins = rows.scores[:, None, :] - rows.scores[None, :, :]
    # No pair of offsets needs to lie further apart than this.
    cap = float(np.abs(margins).max(initial=0.0)) + 1.0
    radix = (n + 1) ** np.arange(n_classes) if n_classes * np.log2(n + 1) < 62 else None
    front = np.zeros((1, n), dtype=np.int8)
    seen = {_key(front[0], n_classes, radix)}
    found = []
    while len(front):
        limits = _limits(front, margins, cap)
        offsets, direct = _inside(limits)
        found.append(offsets)
        following = []
        for d in range(n_classes):
            for k in range(n_classes):
                if d == k:
                    continue
                # The rows that turn from d to k first; only if nothing else turns before.
                at = np.flatnonzero(direct[:, d, k] & (limits[:, d, k] < cap))
                if not len(at):
                    continue
                is_first = (front[at] == d) & (margins[d, k] <= limits[at, d, k, None] + rows.tie)
                following.append(np.where(is_first, np.int8(k), front[at]))
        fresh = []
        for decisions in np.concatenate(following) if following else ():
            key = _key(decisions, n_classes, radix)
            if key not in seen:
                seen.add(key)
                fresh.append(decisions)
        front = np.array(fresh, dtype=np.int8).reshape(-1, n)
        if len(front):  # what has no inside, for rows that are tied but for rounding
            front = front[_has_inside(_limits(front, margins, cap), rows.tie)]
    return normalised(np.concatenate(found))


def _key(decisions: Ints, n_classes: int, radix: Ints | None) -> int | bytes:
    """Return what tells a cell from others: the number of rows of each class."""
    if radix is None:
        return decisions.tobytes()
    return int(np.bincount(decisions, minlength=n_classes) @ radix)


def _limits(front: Ints, margins: Floats, cap: float) -> Floats:
    """Return by how much the offset of k may exceed that of d in each cell, of shape (n_cells, d, k)."""
    n_classes = len(margins)
    limits = np.full((len(front), n_classes, n_classes), cap)
    for d in range(n_classes):
        of_class = front == d
        for k in range(n_classes):
            if k != d:
                limits[:, d, k] = np.where(of_class, margins[d, k], cap).min(1)
    limits[:, np.arange(n_classes), np.arange(n_classes)] = 0.0
    return limits


def _closed(limits: Floats) -> Floats:
    """Return the least sums of limits along any path (Floyd and Warshall's algorithm)."""
    closed = limits.copy()
    for j in range(limits.shape[1]):
        np.minimum(closed, closed[:, :, [j]] + closed[:, [j], :], out=closed)
    return closed


def _has_inside(limits: Floats, tie: float) -> Ints:
    """Return which cells hold offsets with some room around them: no cycle of limits is (nearly) empty."""
    n_classes = limits.shape[1]
    closed = _closed(limits)
    both_ways = closed + closed.transpose(0, 2, 1) + 2 * tie * np.eye(n_classes)
    return np.asarray((both_ways > tie).all((1, 2)) & (limits.diagonal(axis1=1, axis2=2) >= 0).all(1))


def _inside(limits: Floats) -> tuple[Floats, Floats]:
    """Return offsets inside each cell, and which limits are reached before any path reaches them.

    The paths from one class, and those to one, are offsets at corners of the cell; their mean is inside, for
    every limit is not reached at one of the corners.
    """
    n_classes = limits.shape[1]
    closed = _closed(limits)
    direct = np.ones_like(limits, dtype=bool)
    for j in range(n_classes):
        via = closed[:, :, [j]] + closed[:, [j], :]
        via[:, j, :] = via[:, :, j] = np.inf
        direct &= limits < via
    outward, inward = closed, -closed.transpose(0, 2, 1)  # (cell, from, k) and (cell, to, k)
    corners = np.concatenate([outward - outward[:, :, :1], inward - inward[:, :, :1]], axis=1)
    return corners.mean(1), direct
