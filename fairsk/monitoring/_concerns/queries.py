"""What a log of concerns looks up in its file."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Any

from fairsk._core.messages import show
from fairsk._core.validation import plain_labels
from fairsk.monitoring._concerns.chain import as_label, text_digest
from fairsk.monitoring._concerns.concern import Concern, ConcernStatus, Receipt, State
from fairsk.monitoring._concerns.tables import Cell

__all__ = ["count_cells", "earlier_receipt", "event_of", "list_rows", "state_of", "status_of"]

#: Each concern that came in (r), and the last change of its state (s).
_WITH_STATE = (
    "event AS r JOIN event AS s ON s.number = "
    "(SELECT max(number) FROM event WHERE concern = r.concern AND state IS NOT NULL)"
)
_KEY_TAKEN = "The key had come with another concern, and this one was not stored: send it with a new key."
_TICKET_TAKEN = "There is a concern with this ticket already, and this one was not stored."


def event_of(concern: Concern) -> dict[str, Any]:
    """Return what of a concern goes into its line."""
    return {
        "event": "received",
        "key": concern.key,
        "decision": concern.decision,
        "batch": concern.batch,
        "category": concern.category,
        "group": None if concern.group is None else plain_labels([concern.group])[0],
        "source": concern.source,
        "state": "received",
    }


def earlier_receipt(connection: sqlite3.Connection, concern: Concern) -> Receipt | None:
    """Return the receipt of a concern whose key or ticket has come before; None if it is new."""
    found = connection.execute(
        "SELECT concern, decision, batch, category, source, label, line FROM event WHERE key = ?",
        (concern.key,),
    ).fetchone()
    if found is not None:
        number, *stored, source, label, _ = found
        is_same = stored == [concern.decision, concern.batch, concern.category]
        if "ticket" not in (source, concern.source):  # what a ticket tells may have become known since
            is_same = is_same and as_label(label) == concern.group
        is_same = is_same and _has_the_text(connection, number, concern.text)
        return Receipt(number, False, "" if is_same else _KEY_TAKEN)
    if concern.decision is None:
        return None
    found = connection.execute(
        "SELECT concern FROM event WHERE decision = ? AND batch = ?", (concern.decision, concern.batch)
    ).fetchone()
    return None if found is None else Receipt(found[0], False, _TICKET_TAKEN)


def _has_the_text(connection: sqlite3.Connection, number: int, text: str | None) -> bool:
    """Return whether that is the text of a concern; of one that was erased nobody knows."""
    found = connection.execute("SELECT salt, text FROM note WHERE concern = ?", (number,)).fetchone()
    if found is not None:
        return text is not None and text_digest(found[0], text) == text_digest(*found)
    erased = connection.execute("SELECT 1 FROM event WHERE concern = ? AND event = 'erased'", (number,))
    return text is None or erased.fetchone() is not None


def state_of(connection: sqlite3.Connection, number: Any) -> ConcernStatus:
    """Return how far a concern has come.

    Raises
    ------
    ValueError
        If there is no such concern.
    """
    is_number = isinstance(number, int) and not isinstance(number, bool) and 0 < number < 2**63
    found = None
    if is_number:
        found = connection.execute(
            "SELECT concern, state, reason, hour FROM event WHERE concern = ? AND state IS NOT NULL "
            "ORDER BY number DESC LIMIT 1",
            (number,),
        ).fetchone()
    if found is None:
        raise ValueError(f"There is no concern {show(number)}.")
    return ConcernStatus(*found)


def status_of(connection: sqlite3.Connection, decision: str, batch: str) -> ConcernStatus | None:
    """Return how far the concern about a decision has come; None if there is none."""
    found = connection.execute(
        "SELECT concern FROM event WHERE decision = ? AND batch = ?", (decision, batch)
    ).fetchone()
    return None if found is None else state_of(connection, found[0])


def count_cells(connection: sqlite3.Connection) -> dict[Cell, int]:
    """Return how many concerns there are by group, source and state."""
    rows = connection.execute(
        f"SELECT r.label, r.source, s.state, count(*) FROM {_WITH_STATE} "
        "WHERE r.event = 'received' GROUP BY 1, 2, 3"
    )
    return {(as_label(label), source, state): n for label, source, state, n in rows}


def list_rows(connection: sqlite3.Connection, states: Collection[State]) -> list[tuple[Any, ...]]:
    """Return the columns of a :class:`ConcernList`, of concerns in these states, one after another."""
    rows = connection.execute(
        "SELECT r.concern, r.hour, r.batch, r.decision, r.label, r.category, r.source, s.state, s.reason, "
        f"s.hour, note.text FROM {_WITH_STATE} LEFT JOIN note ON note.concern = r.concern "
        f"WHERE r.event = 'received' AND s.state IN ({', '.join('?' * len(states))}) ORDER BY r.concern",
        tuple(states),
    ).fetchall()
    return list(zip(*rows, strict=True)) if rows else [()] * 11
