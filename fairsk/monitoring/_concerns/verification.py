"""Verification of a log of concerns: what was edited, removed, moved, cut off, or written anew."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from fairsk._core.messages import list_texts, shorten
from fairsk._core.results import printable
from fairsk.monitoring._concerns.chain import COLUMNS, Head, columns_of, link_of, text_digest
from fairsk.monitoring._concerns.store import SCHEMA

__all__ = ["ConcernFinding", "check_anchor", "damage", "findings_of"]

ConcernFindingKind: TypeAlias = Literal[
    "changed", "missing", "moved", "column", "text", "counts", "cut", "anchor", "schema", "unreadable"
]


@dataclass(frozen=True)
class ConcernFinding:
    """What does not hold in a log of concerns, and where.

    Parameters
    ----------
    kind : {"changed", "missing", "moved", "column", "text", "counts", "cut", "anchor", "schema", \
"unreadable"}
        Changed: a line is not the one that was linked. Missing: links were removed. Moved: a line stands in
        another place. Column: a column says other than its line. Text: a text was changed, removed or added.
        Counts: a batch was counted with other concerns than were there. Cut: the end is missing. Anchor: a
        head that was noted earlier does not stand in the chain. Schema: tables or triggers are not those of a
        log. Unreadable: the file is damaged.
    number : int or None
        The number of the link; None if it is about the whole.
    sentence : str
        What is wrong, in words.

    See Also
    --------
    ConcernLog : ``verify`` lists findings.
    """

    kind: ConcernFindingKind
    number: int | None
    sentence: str

    def __str__(self) -> str:
        return self.sentence


def check_anchor(anchor: Any) -> Head | None:
    """Return an anchor: an earlier head.

    Raises
    ------
    ValueError
        If it is not a number of links and a link.
    """
    if anchor is None:
        return None
    try:
        number, link = anchor
        right = (
            isinstance(number, int) and number >= 0 and isinstance(link, str) and bool(link) == (number > 0)
        )
    except (TypeError, ValueError):
        right = False
    if not right:
        raise ValueError("anchor must be what head() returned earlier: a number of links, and the last link.")
    return int(number), link


@dataclass
class _Seen:
    """What the events before one tell about it."""

    link: str = ""
    number: int = 0
    concerns: set[int] = field(default_factory=set)
    texts: dict[int, str] = field(default_factory=dict)
    ticketed: Counter[tuple[str, str]] = field(default_factory=Counter)


def findings_of(connection: sqlite3.Connection, anchor: Head | None) -> list[ConcernFinding]:
    """Return all that does not hold, link by link.

    Parameters
    ----------
    connection : sqlite3.Connection
        Within a transaction.
    anchor : tuple of int and str or None
        An earlier head.
    """
    try:
        return list(_findings(connection, anchor))
    except (sqlite3.Error, TypeError) as error:
        return [damage(error)]


def damage(error: Exception) -> ConcernFinding:
    """Return the finding that a file cannot be read."""
    return ConcernFinding("unreadable", None, f"The file is damaged: {shorten(printable(str(error)), 200)}.")


def _findings(connection: sqlite3.Connection, anchor: Head | None) -> Iterator[ConcernFinding]:
    yield from _of_the_schema(connection)
    seen = _Seen()
    rows = connection.execute(f"SELECT {', '.join(COLUMNS)}, line, link FROM event ORDER BY number")
    for *columns, line, link in rows:
        yield from _of_an_event(seen, tuple(columns), line, link)
        if anchor is not None and seen.number == anchor[0] and link != anchor[1]:
            yield ConcernFinding(
                "anchor",
                seen.number,
                f"Link {seen.number:,} is not the one that was noted: it, or what comes before it, was "
                "written anew.",
            )
    yield from _of_the_texts(connection, seen)
    (last,) = connection.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = 'event'").fetchone()
    most = max(last or 0, 0 if anchor is None else anchor[0])
    if most > seen.number:
        yield ConcernFinding(
            "cut", None, f"The end is missing: there were {most:,} links, and {seen.number:,} are there."
        )


def _of_the_schema(connection: sqlite3.Connection) -> Iterator[ConcernFinding]:
    (state,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if state != "ok":
        yield ConcernFinding(
            "unreadable", None, f"SQLite finds the file damaged: {shorten(printable(str(state)), 200)}."
        )
    found = dict(
        connection.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'")
    )
    different = sorted(
        name for name in {*found, *SCHEMA} if found.get(name, "missing") != SCHEMA.get(name, "unknown")
    )
    if different:
        names = list_texts(map(printable, different))
        yield ConcernFinding(
            "schema",
            None,
            f"Tables or triggers are missing, changed or added: {names}. They keep a log whole.",
        )


def _of_an_event(seen: _Seen, columns: tuple[Any, ...], line: Any, link: Any) -> Iterator[ConcernFinding]:
    """Yield what is wrong with an event, and go on from the link that it has: each fault is told once."""
    number = columns[0]
    if number != seen.number + 1:
        missing = (
            f"Links {seen.number + 1:,} to {number - 1:,} are"
            if number > seen.number + 2
            else (f"Link {seen.number + 1:,} is")
        )
        yield ConcernFinding("missing", seen.number + 1, f"{missing} missing.")
    document = _parsed(line)
    if document is None:
        yield ConcernFinding("changed", number, f"Link {number:,}: its line is no JSON.")
    elif document.get("number") != number:
        yield ConcernFinding("moved", number, f"Link {number:,} holds the line of another one.")
    elif number == seen.number + 1 and link != link_of(seen.link, line):
        yield ConcernFinding(
            "changed", number, f"Link {number:,} does not follow from its line and the link before it."
        )
    else:
        yield from _of_the_columns(columns, document)
        yield from _of_the_counts(seen, document)
    seen.number, seen.link = number, link
    if document is not None:
        _remember(seen, document)


def _parsed(line: Any) -> Mapping[str, Any] | None:
    try:
        document = json.loads(line)
        columns_of(document)  # a group that is no JSON, such as infinity
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _of_the_columns(columns: tuple[Any, ...], document: Mapping[str, Any]) -> Iterator[ConcernFinding]:
    pairs = zip(COLUMNS, columns, columns_of(document), strict=True)
    if wrong := [name for name, said, follows in pairs if said != follows]:
        yield ConcernFinding(
            "column",
            columns[0],
            f"Link {columns[0]:,}: {', '.join(wrong)} in the table is not what its line says.",
        )


def _of_the_counts(seen: _Seen, document: Mapping[str, Any]) -> Iterator[ConcernFinding]:
    """Compare the concerns of a batch that was counted with those that had come by then."""
    if document.get("event") != "counted":
        return
    batch = document.get("batch")
    came = {label: n for (of, label), n in seen.ticketed.items() if of == batch}
    said = document.get("selected")
    try:
        counted = {json.dumps(label): n for label, n in said} if isinstance(said, list) else None
    except (TypeError, ValueError):
        counted = None
    if counted != came:
        yield ConcernFinding(
            "counts",
            document["number"],
            f"Link {document['number']:,}: a batch was counted with other concerns than there were.",
        )


def _remember(seen: _Seen, document: Mapping[str, Any]) -> None:
    event, concern = document.get("event"), document.get("concern")
    if not isinstance(concern, int):
        return
    if event == "received":
        seen.concerns.add(concern)
        if isinstance(document.get("text"), str):
            seen.texts[concern] = document["text"]
        if document.get("source") == "ticket":
            seen.ticketed[str(document.get("batch")), json.dumps(document.get("group"))] += 1
    elif event == "erased":
        seen.texts.pop(concern, None)


def _of_the_texts(connection: sqlite3.Connection, seen: _Seen) -> Iterator[ConcernFinding]:
    """Compare the texts with what the lines hold of them."""
    expected = dict(seen.texts)
    for concern, salt, text in connection.execute("SELECT concern, salt, text FROM note ORDER BY concern"):
        digest = expected.pop(concern, None)
        if digest is None:
            yield ConcernFinding("text", None, f"Concern {concern:,} has a text that did not come with it.")
        elif digest != text_digest(salt, text):
            yield ConcernFinding("text", None, f"The text of concern {concern:,} was changed.")
    for concern in expected:
        yield ConcernFinding(
            "text", None, f"The text of concern {concern:,} is missing, and no link says that it was erased."
        )
