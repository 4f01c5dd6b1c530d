"""The hash chain: each event as a line of canonical JSON, and the link that ties it to all before it."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Hashable, Mapping
from typing import Any, TypeAlias

from fairsk._core.canonical import canonical
from fairsk._core.validation import read_labels

__all__ = [
    "COLUMNS",
    "EVENTS",
    "Head",
    "add",
    "as_label",
    "columns_of",
    "head_of",
    "link_of",
    "new_salt",
    "text_digest",
]

#: The number of links, and the last one of them.
Head: TypeAlias = tuple[int, str]

#: What may happen: a concern comes in, its state changes, its text is erased, a batch is counted.
EVENTS = ("received", "state", "erased", "counted")

#: What of a line stands in columns as well, so that it can be looked up; "label" is the group as JSON.
COLUMNS = (
    "number",
    "event",
    "concern",
    "hour",
    "key",
    "decision",
    "batch",
    "category",
    "label",
    "source",
    "state",
    "reason",
)

_INSERT = (
    f"INSERT INTO event({', '.join(COLUMNS)}, line, link) VALUES ({', '.join('?' * (len(COLUMNS) + 2))})"
)


def head_of(connection: sqlite3.Connection) -> Head:
    """Return the number and the link of the last event; 0 and nothing if there is none."""
    found = connection.execute("SELECT number, link FROM event ORDER BY number DESC LIMIT 1").fetchone()
    return (0, "") if found is None else (found[0], found[1])


def add(connection: sqlite3.Connection, head: Head, event: Mapping[str, Any]) -> Head:
    """Append an event to the chain, and return its new head.

    Parameters
    ----------
    connection : sqlite3.Connection
        Within a transaction.
    head : tuple of int and str
        The head of the chain in that transaction.
    event : mapping
        Plain values; what is None is left out.
    """
    number = head[0] + 1
    document = {"number": number} | {name: value for name, value in event.items() if value is not None}
    line = canonical(document)
    link = link_of(head[1], line)
    connection.execute(_INSERT, (*columns_of(document), line, link))
    return number, link


def link_of(previous: str, line: str) -> str:
    """Return the link of a line: the SHA-256 of the link before it, a line break and the line."""
    return hashlib.sha256(f"{previous}\n{line}".encode()).hexdigest()


def columns_of(document: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the columns that belong to a line."""
    group = document.get("group")
    found = {**document, "label": None if group is None else canonical(group)}
    return tuple(found.get(name) for name in COLUMNS)


def as_label(text: str | None) -> Hashable | None:
    """Return the label that a column holds."""
    return None if text is None else read_labels([json.loads(text)])[0]


def new_salt() -> str:
    """Return 128 random bits: without them a short text could be found by trying."""
    return secrets.token_hex(16)


def text_digest(salt: str, text: str) -> str:
    """Return what a line holds of a text: nothing follows from it once the salt is erased, too."""
    return hashlib.sha256(f"{salt}\n{text}".encode()).hexdigest()
