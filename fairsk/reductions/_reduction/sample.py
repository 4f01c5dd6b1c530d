"""A sample of many rows for the search, in which no group is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.utils import check_random_state

from fairsk._core.typing import Floats, Ints
from fairsk.reductions._bounded_rows import BoundedRows
from fairsk.reductions._problem import Problem

__all__ = ["sample_problem"]

#: The search runs on no more rows: its multipliers need rates, which 20,000 rows tell to a percent.
_SEARCH_ROWS = 20_000


def sample_problem(problem: Problem, most: int = _SEARCH_ROWS) -> Problem:
    """Return the problem of some of the rows, with the same folds; the same problem if there are few.

    Half of the rows are shared out among groups and labels by their size, half of them evenly, so that small
    groups have rates; weights are raised so that every group with a label weighs as much as before.
    """
    rows = problem.rows
    if len(rows) <= most:
        return problem
    positions, factors = _sample(rows, most, problem.random_state)
    place = np.full(len(rows), -1)
    place[positions] = np.arange(len(positions))
    splits = [tuple(place[part][place[part] >= 0] for part in split) for split in problem.splits]
    if not all(len(part) for split in splits for part in split):  # a fold of a few rows
        return problem
    taken = rows.take(positions)
    return replace(
        problem,
        training=problem.training.take(positions),
        splits=[(train, test) for train, test in splits],
        rows=replace(taken, weights=taken.weights * factors),
    )


def _sample(rows: BoundedRows, most: int, random_state: int | None) -> tuple[Ints, Floats]:
    """Return the rows of the sample, sorted, and by how much more each counts."""
    rng = check_random_state(0 if random_state is None else random_state)
    cells = rows.codes * 2 + rows.actual
    sizes = np.bincount(cells, minlength=2 * rows.n_codes)
    even, by_size = most / 2 / np.count_nonzero(sizes), sizes * (most / 2 / len(rows))
    kept = np.minimum(sizes, np.ceil(even + by_size)).astype(np.intp)
    order = rng.permutation(len(rows))
    order = order[np.argsort(cells[order], kind="stable")]
    starts = np.cumsum(sizes) - sizes
    rank = np.arange(len(rows)) - np.repeat(starts, sizes)
    positions = np.sort(order[rank < np.repeat(kept, sizes)])
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = sizes / kept
    return positions, factors[cells[positions]]
