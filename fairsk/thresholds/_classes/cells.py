"""All decisions that offsets can make of a few rows: the cells of an arrangement, each with offsets inside.

The offsets under which every row has a given decision satisfy difference constraints: if a row is decided as
d, ``offset[k] - offset[d] <= score[d] - score[k]`` for every class k. The least right-hand sides over the
rows, closed under shortest paths, tell whether there are such offsets, give a point inside, and show which
row turns first when the offset of one class rises against another's: so all cells are reached from the
first one, neighbour by neighbour. In general position, rows of n samples and K classes have
``(n + K - 1 choose K - 1)`` of them: one for each way to give n rows to K classes.
"""

from __future__ import annotations

import heapq
from math import comb
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fairsk._core.typing import Bools, Floats
from fairsk.thresholds._classes.rows import GroupRows, normalised

__all__ = ["all_offsets", "number_of_cells", "offsets_near"]

#: Decisions of rows, small: cells are many.
Decisions: TypeAlias = NDArray[np.int16]
#: How many cells are left for their neighbours at a time.
_AT_A_TIME = 64


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
    return _walk(rows, np.zeros(len(rows), dtype=np.int16))


def offsets_near(rows: GroupRows, start: Floats, most: int, payoffs: Floats) -> Floats:
    """Return offsets in cells that are worth most, found from neighbour to neighbour.

    Parameters
    ----------
    rows : GroupRows
        The rows.
    start : array of shape (n_classes,)
        Offsets in the cell to begin with.
    most : int
        About how many cells are wanted.
    payoffs : array of shape (n_classes, n_samples)
        What each row is worth under each decision.
    """
    return _walk(rows, rows.decide(start).astype(np.int16), most, payoffs)


def _walk(
    rows: GroupRows, start: Decisions, most: int | None = None, payoffs: Floats | None = None
) -> Floats:
    """Return offsets in cells: in all of them, or in those on a walk to the ones that are worth most."""
    n_classes, n = rows.n_classes, len(rows)
    # What a row that is decided d gives up by being decided k: of shape (d, k, row).
    margins = rows.scores[:, None, :] - rows.scores[None, :, :]
    # No pair of offsets needs to lie further apart than this.
    cap = float(np.abs(margins).max(initial=0.0)) + 1.0
    # In general position a cell is known by how many rows each class has, so by the sum of these numbers over
    # the rows. They are random, since powers of n + 1 may not fit; of 44 bits, so that no two cells meet.
    codes = np.random.default_rng(0).integers(1, 1 << 44, n_classes)
    worth = np.zeros((n_classes, n)) if payoffs is None else payoffs
    waiting: list[tuple[float, int, int, Decisions]] = [(0.0, 0, int(codes[start].sum()), start)]
    seen = {waiting[0][2]}
    found: list[Floats] = []
    n_found = 0
    while waiting and (most is None or n_found < most):
        nodes = [heapq.heappop(waiting) for _ in range(min(len(waiting), _AT_A_TIME))]
        front = np.array([node[3] for node in nodes])
        losses, keys = np.array([node[0] for node in nodes]), np.array([node[2] for node in nodes])
        limits = _limits(front, margins, cap)
        inside = _has_inside(limits, rows.tie)  # none where rows are tied but for rounding
        front, limits, losses, keys = front[inside], limits[inside], losses[inside], keys[inside]
        if not len(front):
            continue
        offsets, is_direct = _inside(limits)
        found.append(offsets)
        n_found += len(offsets)
        for d in range(n_classes):
            for k in range(n_classes):
                # The rows that turn from d to k first; only if nothing else turns before.
                at = np.flatnonzero(is_direct[:, d, k] & (limits[:, d, k] < cap)) if d != k else ()
                if not len(at):
                    continue
                is_first = (front[at] == d) & (margins[d, k] <= limits[at, d, k, None] + rows.tie)
                following = keys[at] + is_first.sum(1) * (codes[k] - codes[d])
                loss = losses[at] - is_first @ (worth[k] - worth[d])
                for i, key in enumerate(following.tolist()):
                    if key not in seen:
                        seen.add(key)
                        decisions = np.where(is_first[i], np.int16(k), front[at[i]])
                        heapq.heappush(waiting, (float(loss[i]), len(seen), key, decisions))
    return normalised(np.concatenate(found)) if found else np.zeros((0, n_classes))


def _limits(front: Decisions, margins: Floats, cap: float) -> Floats:
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


def _has_inside(limits: Floats, tie: float) -> Bools:
    """Return which cells hold offsets with some room around them: no cycle of limits is (nearly) empty."""
    closed = _closed(limits)
    both_ways = closed + closed.transpose(0, 2, 1)
    both_ways[:, np.arange(limits.shape[1]), np.arange(limits.shape[1])] = np.inf
    no_cycle = (closed.diagonal(axis1=1, axis2=2) >= 0).all(1)
    return np.asarray((both_ways > tie).all((1, 2)) & no_cycle)


def _inside(limits: Floats) -> tuple[Floats, Bools]:
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
