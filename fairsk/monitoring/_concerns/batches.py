"""Concerns as an outcome of decisions: how many decisions of a batch had one, counted once."""

from __future__ import annotations

import errno
import json
import sqlite3
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, list_groups
from fairsk._core.messages import show
from fairsk._core.validation import read_labels
from fairsk._core.warnings import warn_user
from fairsk.monitoring._concerns.chain import add, head_of
from fairsk.monitoring._concerns.concern import is_word
from fairsk.rates import CELLS

__all__ = ["CountedBatch", "check_decisions", "concern_counts", "count_batch"]


@dataclass(frozen=True)
class CountedBatch:
    """How many decisions of a batch had a concern with a ticket when it was counted."""

    selected: dict[Hashable, int]
    #: Concerns that came later, and concerns whose group their ticket does not tell.
    n_late: int
    n_unknown: int


def check_decisions(decisions: Any, batch: Any) -> None:
    """Refuse what cannot be the decisions of a batch.

    Raises
    ------
    ValueError
        If it is no table of whole counts without strata, or the batch cannot stand in a ticket.
    """
    if not is_word(batch):
        raise ValueError(f"batch must be one that stands in tickets; got {show(batch)}.")
    if not isinstance(decisions, GroupCounts):
        raise ValueError(f"decisions must be a GroupCounts; got {show(decisions)}.")
    if decisions.strata is not None:
        raise ValueError("Concerns have no strata: give decisions.without_strata().")
    whole = all(np.array_equal(decisions.cells[cell], decisions.squares[cell]) for cell in CELLS)
    if not whole or not np.array_equal(decisions.n, np.round(decisions.n)):
        raise ValueError("decisions must be counted without weights: a concern is about one decision.")


def count_batch(connection: sqlite3.Connection, batch: str, hour: str, *, may_close: bool) -> CountedBatch:
    """Return the concerns of a batch as they were when it was first counted; that is now, if it was not.

    Parameters
    ----------
    connection : sqlite3.Connection
        Within a transaction.
    batch : str
        The batch.
    hour : str
        What the link of the chain says of when it was counted.
    may_close : bool
        Whether it may be counted for the first time.

    Raises
    ------
    PermissionError
        If it has not been counted, and may not be.
    """
    found = connection.execute(
        "SELECT number, line FROM event WHERE event = 'counted' AND batch = ?", (batch,)
    ).fetchone()
    if found is None:
        if not may_close:
            raise PermissionError(errno.EACCES, f"Batch {batch} is not counted yet, and the log is only read")
        rows = connection.execute(
            "SELECT label, count(*) FROM event WHERE event = 'received' AND source = 'ticket' AND batch = ? "
            "GROUP BY label ORDER BY label",
            (batch,),
        ).fetchall()
        selected = [[json.loads(label), n] for label, n in rows]
        event = {"event": "counted", "batch": batch, "hour": hour, "selected": selected}
        number, _ = add(connection, head_of(connection), event)
    else:
        number, selected = found[0], json.loads(found[1])["selected"]
    n_late, n_unknown = (
        connection.execute(
            f"SELECT count(*) FROM event WHERE event = 'received' AND batch = ? AND {which}", (batch, *value)
        ).fetchone()[0]
        for which, value in (("source = 'ticket' AND number > ?", (number,)), ("source != 'ticket'", ()))
    )
    labels = read_labels([label for label, _ in selected])
    return CountedBatch(
        dict(zip(labels, (int(n) for _, n in selected), strict=True)), n_late=n_late, n_unknown=n_unknown
    )


def concern_counts(decisions: GroupCounts, counted: CountedBatch, batch: str) -> GroupCounts:
    """Return the table of decisions in which those with a concern are selected.

    Raises
    ------
    ValueError
        If a group has more concerns than decisions, or is not among the groups of the decisions.

    Warns
    -----
    UserWarning
        If concerns of the batch are not counted.
    """
    unknown = [group for group in counted.selected if group not in decisions.groups]
    if unknown:
        raise ValueError(
            f"decisions has no group {list_groups(unknown)}, which has concerns in batch {batch}: count all "
            "decisions of the batch, by what group_of returns."
        )
    selected = np.array([counted.selected.get(group, 0) for group in decisions.groups], dtype=float)
    if more := [
        f"{format_group(group)} ({int(k):,} of {int(n):,})"
        for group, k, n in zip(decisions.groups, selected, decisions.n, strict=True)
        if k > n
    ]:
        raise ValueError(
            f"There are more concerns than decisions in batch {batch}: {list_groups(more)}. decisions must "
            "hold all decisions that got a ticket of this batch."
        )
    if counted.n_late:
        warn_user(
            f"{counted.n_late:,} concerns of batch {batch} came after it was counted, and are not in it: a "
            "batch is counted once. Wait longer before it is."
        )
    if counted.n_unknown:
        warn_user(
            f"{counted.n_unknown:,} concerns with a ticket of batch {batch} are not counted: group_of did "
            "not know the group of their decisions."
        )
    none = np.zeros(len(decisions.groups))
    return GroupCounts(
        decisions.groups,
        {"tp": none, "fp": selected, "fn": none, "tn": decisions.n - selected},
        names=decisions.names,
        labelled=False,
        library=decisions.library,
        orders=decisions.orders,
    )
