"""Released counts: the batches of a log that may be published without showing few people.

Whoever sees cumulated counts twice sees what came between. So counts are published batch by batch at most,
and a batch in which some group has few decisions is held back, with all that follow, until what is held back
has enough of every group that occurs in it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from fairsk._core.counts import sum_rows
from fairsk._core.typing import Floats, Ints
from fairsk.rates import Rate

__all__ = ["MOST_GROUPS", "ReleasedCounts", "count_released", "released_counts"]

#: Groups with series of their own; those that appeared later are added up. A series costs the reader memory.
MOST_GROUPS = 200


@dataclass(frozen=True)
class ReleasedCounts:
    """What of a monitor's log may be published.

    Parameters
    ----------
    n_batches : int
        How many of the first batches are released.
    groups : list of hashable
        Labels of the groups that occur in them, in the order in which they appeared.
    part, size : dict of str to array of shape (n_groups,)
        By rate: how many decisions the rate counts, and of how many.
    others : dict of str to (int, int)
        The same of all groups beyond the first :data:`MOST_GROUPS`, together.
    n_others : int
        How many groups these are.
    """

    n_batches: int
    groups: list[Hashable]
    part: dict[str, Ints]
    size: dict[str, Ints]
    others: dict[str, tuple[int, int]]
    n_others: int


def released_counts(monitor: Any, min_cell: int) -> ReleasedCounts:
    """Return the counts of a monitor's log that may be published.

    Parameters
    ----------
    monitor : FairnessMonitor
        What holds the log.
    min_cell : int
        The least number of decisions of a group by which two released counts differ, if they differ.

    Notes
    -----
    What is released of a log is released of every longer log as well: the order of groups, and where what is
    held back ends, follow from the batches up to there. Otherwise an earlier count could be subtracted that
    was put together in another way.
    """
    shares = {rate.name: tuple(map(np.asarray, monitor.shares(rate))) for rate in monitor.rates}
    order = _by_appearance([size for _, size in shares.values()])
    # Every group's column; those beyond the first so many share the last one.
    n_own = min(len(order), MOST_GROUPS)
    columns = np.full(len(monitor.groups), n_own, dtype=np.intp)
    columns[order[:n_own]] = np.arange(n_own)

    def joined(table: Any) -> Ints:
        return sum_rows(table.T.astype(float), columns, n_own + 1).T.astype(np.intp)

    part = {name: joined(table) for name, (table, _) in shares.items()}
    size = {name: joined(table) for name, (_, table) in shares.items()}
    shown = [*size.values(), *_remainders(monitor.rates, size)]
    n_batches = count_released(np.concatenate(shown, axis=1), min_cell)
    part = {name: table[:n_batches].sum(0) for name, table in part.items()}
    size = {name: table[:n_batches].sum(0) for name, table in size.items()}
    occurs = np.any(list(size.values()), axis=0)[:-1]
    places = np.flatnonzero(occurs)
    late = [table[:n_batches, order[n_own:]] for _, table in shares.values()]
    return ReleasedCounts(
        n_batches,
        [monitor.groups[order[place]] for place in places],
        {name: total[places] for name, total in part.items()},
        {name: total[places] for name, total in size.items()},
        {name: (int(part[name][-1]), int(size[name][-1])) for name in size},
        int(np.any(late, axis=(0, 1)).sum()),
    )


def count_released(sizes: Ints, min_cell: int) -> int:
    """Return how many of the first batches are released.

    Parameters
    ----------
    sizes : array of shape (n_batches, n_sizes)
        How many decisions each batch has of whatever may not be few.
    min_cell : int
        The least number of decisions that is not few; none at all are not few, either.

    Returns
    -------
    int
        Batches are added up until no sum is small; then they are released together.
    """
    released, held = 0, np.zeros(sizes.shape[1], dtype=np.intp)
    for batch, size in enumerate(sizes, start=1):
        held += size
        if not ((held > 0) & (held < min_cell)).any():
            released = batch
            held[:] = 0
    return released


def _by_appearance(sizes: Sequence[Ints]) -> Ints:
    """Return the places of groups that occur, by the first batch that has them.

    A monitor's groups begin with its reference even if that appears late: their order may change, this not.
    """
    occurs = np.any(sizes, axis=0)
    (places,) = np.nonzero(occurs.any(0))
    return places[np.argsort(occurs[:, places].argmax(0), kind="stable")] if len(occurs) else places


def _remainders(rates: Sequence[Rate], sizes: dict[str, Ints]) -> Iterator[Floats | Ints]:
    """Yield what is left of one rate's decisions without another's: a reader can subtract them.

    All decisions without those on positives are those on negatives, of which there may be few.
    """
    for whole, inner in permutations(rates, 2):
        pairs = zip(whole.denominator_coefficients, inner.denominator_coefficients, strict=True)
        if all(large >= small for large, small in pairs):
            yield sizes[whole.name] - sizes[inner.name]
