"""The log of concerns: takes them in, keeps them whole, and follows them until they are answered."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from sqlite3 import DatabaseError
from types import TracebackType
from typing import Any

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.messages import list_texts, show
from fairsk._core.results import Backend
from fairsk._core.validation import check_choice
from fairsk.monitoring._concerns import queries
from fairsk.monitoring._concerns.batches import check_decisions, concern_counts, count_batch
from fairsk.monitoring._concerns.chain import Head, add, as_label, head_of, new_salt, text_digest
from fairsk.monitoring._concerns.concern import (
    CATEGORIES,
    REASONS,
    STATES,
    Concern,
    ConcernStatus,
    Form,
    Reason,
    Receipt,
    Source,
    State,
    check_group,
    refusal,
)
from fairsk.monitoring._concerns.spreadsheet import write_csv
from fairsk.monitoring._concerns.store import Mode, Store
from fairsk.monitoring._concerns.tables import ConcernList, ConcernSummary, summarise
from fairsk.monitoring._concerns.tickets import Tickets, as_secret
from fairsk.monitoring._concerns.verification import ConcernFinding, check_anchor, damage, findings_of

__all__ = ["ConcernLog"]

_HOUR = 3600


class ConcernLog:
    r"""A log of concerns about decisions: a file that is only added to, and shows if it was changed.

    What is submitted is on the disk when :meth:`submit` returns. Everything that happens, a concern, a change
    of its state, the erasure of a text, is a link of a hash chain, which :meth:`verify` checks. A *ticket*,
    made by :meth:`ticket` and handed out with a decision, entitles to one concern about it, tells its group
    without asking the sender, and lets the sender look up the answer.

    Parameters
    ----------
    path : path-like
        The SQLite file; on a local disk. It is made so that only its owner may read it.
    secret : str or bytes, optional
        What tickets are made with, 16 bytes or more; keep it apart from the file. Without it there are no
        tickets.
    groups : sequence of hashable, default=()
        The groups that a sender may declare; without any, none may be declared.
    categories : sequence of str, optional
        What a concern may be about.
    store_text : bool, default=False
        Whether texts are taken and kept. By default a text is refused, so that nobody believes that it was
        read. Addresses of e-mail, and numbers of seven digits or more, are removed from texts; names and much
        else remain.
    group_of : callable, optional
        Returns the group of a decision, such as the ``get`` of a dictionary; None if it is not known. It is
        called by :meth:`check`; what it raises is raised there.
    most_text : int, default=2000
        How many characters a text may have.
    mode : {"create", "write", "read"}, default="create"
        Whether a missing file is made, must be there, or is only read.

    Attributes
    ----------
    groups, categories : tuple
        Those that are offered to a sender.
    store_text : bool
        Whether texts are taken.
    most_text : int
        How many characters a text may have.
    takes_tickets : bool
        Whether there is a secret, so that tickets can be made and read.

    Raises
    ------
    ValueError
        If the file is no log of concerns, or was made by a newer version; if the secret is too short, or
        groups, categories or ``most_text`` are not as described.
    FileNotFoundError
        If the file is missing and may not be made, or its directory is.

    See Also
    --------
    FairnessMonitor : Tests whether some groups have more concerns with tickets: see :meth:`counts`.
    fairsk.audit.audit_dataset : Audits rows, such as those of :meth:`frame`.

    Notes
    -----
    Reporting differs by group: who knows of the channel, trusts it and has the time. Concerns are a reason to
    look at decisions, and prove nothing about them.

    The chain: a line is canonical JSON, and ``link = sha256(previous link + "\n" + line)``. Whoever can
    write to the file can write all of it anew; only a :meth:`head` that was published earlier shows that.

    A log may be used by several threads, and the same file by several processes, also forked ones.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fairsk.monitoring import ConcernLog
    >>> path = Path(tempfile.mkdtemp()) / "concerns.db"
    >>> groups = {"loan-1": "women", "loan-2": "men"}
    >>> log = ConcernLog(path, secret="kept elsewhere, not here", group_of=groups.get)
    >>> ticket = log.ticket("loan-1", batch="2026-11")
    >>> log.submit({"key": "k1", "category": "wrong data", "ticket": ticket})
    [Receipt(number=1, is_new=True, note='')]
    >>> log.answer(1, "answered", reason="data corrected").state
    'answered'
    >>> log.status(ticket).reason
    'data corrected'
    >>> log.verify()
    []
    >>> log.close()
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        secret: str | bytes | None = None,
        groups: Sequence[Hashable] = (),
        categories: Sequence[str] = CATEGORIES,
        store_text: bool = False,
        group_of: Callable[[str], Hashable | None] | None = None,
        most_text: int = 2000,
        mode: Mode = "create",
    ) -> None:
        self._form = Form(groups, categories, store_text=store_text, most_text=most_text)
        known = as_secret(secret)
        self._tickets = None if known is None else Tickets(known)
        if group_of is not None and not callable(group_of):
            raise ValueError(
                f"group_of must be callable, such as the get of a dictionary; got {show(group_of)}."
            )
        self._group_of = group_of
        self._store = Store(path, mode)

    @property
    def groups(self) -> tuple[Hashable, ...]:
        """The groups that a sender may declare."""
        return tuple(self._form.groups.values())

    @property
    def categories(self) -> tuple[str, ...]:
        """What a concern may be about."""
        return self._form.categories

    @property
    def store_text(self) -> bool:
        """Whether texts are taken."""
        return self._form.store_text

    @property
    def most_text(self) -> int:
        """How many characters a text may have."""
        return self._form.most_text

    @property
    def takes_tickets(self) -> bool:
        """Whether there is a secret, so that tickets can be made and read."""
        return self._tickets is not None

    def __repr__(self) -> str:
        return f"ConcernLog({str(self._store.path)!r})"

    def __enter__(self) -> ConcernLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was submitted is in it."""
        self._store.close()

    def ticket(self, decision: str, *, batch: str = "") -> str:
        """Return the ticket of a decision, to be handed out with it.

        Parameters
        ----------
        decision : str
            What names the decision: 1 to 64 letters, digits and ``_ . : -``. It is stored with the concern:
            use a name that tells nothing to others, such as a random one.
        batch : str, default=""
            The batch in which the decision is counted by a monitor; needed for :meth:`counts`.

        Returns
        -------
        str
            A text of at most 200 characters that can stand in addresses and forms as it is.

        Raises
        ------
        ValueError
            If there is no secret, or the decision or the batch is not of that form.
        """
        if self._tickets is None:
            raise ValueError("A ticket needs secret=: without it anybody could make one.")
        return self._tickets.make(decision, batch)

    def check(self, body: Mapping[str, Any]) -> Concern:
        """Return the concern that a body says; nothing is written.

        Parameters
        ----------
        body : mapping
            ``key`` (the sender's idempotency key, 1 to 64 letters, digits and ``_ . : -``), ``category``, and
            if there are any ``ticket``, ``group`` and ``text``; empty texts are none.

        Returns
        -------
        Concern
            What :meth:`submit` takes. The group is that of the ticket if that is known; only otherwise it is
            the one that was declared.

        Raises
        ------
        ValueError
            If a field is not of its form, or there is another one. The message has at most 200 characters,
            repeats nothing of what came, and may be shown to the sender.
        """
        fields = self._form.read(body)
        decision, batch, known = None, None, None
        if fields.ticket is not None:
            if self._tickets is None:
                raise refusal("ticket: none is taken here, so leave it out; nothing was stored")
            named = self._tickets.read(fields.ticket)
            if named is None:
                raise refusal("ticket: not one of ours; copy all of it, or leave it out")
            decision, batch = named
            if self._group_of is not None:
                known = self._group_of(decision)
        source: Source = "unknown"
        if known is not None:
            source, group = "ticket", check_group(known, "group_of")
        else:
            group = fields.group
            source = "unknown" if group is None else "declared"
        return Concern(fields.key, fields.category, source, group, decision, batch, fields.text)

    def submit(self, *concerns: Concern | Mapping[str, Any]) -> list[Receipt]:
        """Store concerns, all of them or none; they are on the disk when it returns.

        Parameters
        ----------
        *concerns : Concern or mapping
            What :meth:`check` returned, or bodies that are checked now.

        Returns
        -------
        list of Receipt
            One of each, in order. What came before, with the same key or the same ticket, is not stored
            again: it has the number that it got then.

        Raises
        ------
        ValueError
            If a body is refused; nothing is stored then.
        sqlite3.Error
            If the disk is full, or another process has kept the file for half a minute; nothing is stored
            then, and it can be sent again with the same key.
        """
        checked = [one if isinstance(one, Concern) else self.check(one) for one in concerns]
        rows = [
            (one, queries.event_of(one)) for one in checked
        ]  # what cannot be written fails before it begins
        receipts = []
        with self._store.writing() as connection:
            head = head_of(connection)
            (last,) = connection.execute("SELECT max(concern) FROM event").fetchone()
            number = last or 0
            for concern, event in rows:
                found = queries.earlier_receipt(connection, concern)
                if found is not None:
                    receipts.append(found)
                    continue
                number += 1
                digest = None
                if concern.text is not None:
                    salt = new_salt()
                    digest = text_digest(salt, concern.text)
                    connection.execute("INSERT INTO note VALUES (?, ?, ?)", (number, salt, concern.text))
                head = add(connection, head, {**event, "concern": number, "hour": _hour(), "text": digest})
                receipts.append(Receipt(number, True))
        return receipts

    def status(self, ticket: str) -> ConcernStatus | None:
        """Return how far the concern of a ticket has come.

        Parameters
        ----------
        ticket : str
            The ticket.

        Returns
        -------
        ConcernStatus or None
            None if there is no concern with it, or it is no ticket of this log.
        """
        named = None if self._tickets is None or not isinstance(ticket, str) else self._tickets.read(ticket)
        if named is None:
            return None
        with self._store.reading() as connection:
            return queries.status_of(connection, *named)

    def answer(self, number: int, state: State, *, reason: Reason | None = None) -> ConcernStatus:
        """Change the state of a concern, as a link of the chain.

        Parameters
        ----------
        number : int
            The number of the concern.
        state : {"in review", "answered"}
            The new state. What was answered can be reviewed, and answered, again.
        reason : {"decision corrected", "decision confirmed", "data corrected", "system changed", \
"explanation given", "passed on", "not about this system", "not enough information", "duplicate", \
"withdrawn"}, optional
            What the answer says; needed with "answered", and with nothing else.

        Returns
        -------
        ConcernStatus
            The new state; if it was the state already, nothing is written.

        Raises
        ------
        ValueError
            If there is no such concern or state, or a reason is missing or too many.
        """
        check_choice("state", state, State)
        if state == "received":
            raise ValueError('state must be "in review" or "answered": "received" is how a concern begins.')
        if state == "answered" and reason is None:
            raise ValueError(f"An answer needs reason=, one of {list_texts(REASONS)}.")
        if state != "answered" and reason is not None:
            raise ValueError('reason= belongs to state="answered" only.')
        if reason is not None:
            check_choice("reason", reason, Reason)
        with self._store.writing() as connection:
            found = queries.state_of(connection, number)
            if (found.state, found.reason) == (state, reason):
                return found
            event = {"event": "state", "concern": found.number, "state": state, "reason": reason}
            now = _hour()
            add(connection, head_of(connection), {**event, "hour": now})
        return ConcernStatus(found.number, state, reason, now)

    def erase(self, number: int) -> bool:
        """Erase the text of a concern, so that its bytes are gone from the files; the chain remains whole.

        Parameters
        ----------
        number : int
            The number of the concern.

        Returns
        -------
        bool
            Whether there was a text. Copies elsewhere, such as backups, are not reached.

        Raises
        ------
        ValueError
            If there is no such concern.
        TimeoutError
            If another process has read the file for half a minute: the text is deleted then, and its bytes
            may still be in the file that ends in "-wal". Call it again.
        """
        with self._store.writing() as connection:
            concern = queries.state_of(connection, number).number
            had_text = connection.execute("DELETE FROM note WHERE concern = ?", (concern,)).rowcount > 0
            if had_text:
                event = {"event": "erased", "concern": concern, "hour": _hour()}
                add(connection, head_of(connection), event)
        # secure_delete overwrites the text in the file, but the file written ahead has a copy of it.
        if not self._store.clear_log():
            raise TimeoutError(
                "The text is deleted, but another process reads the file, and its bytes may still be in "
                f"{self._store.path.name}-wal: erase it again."
            )
        return had_text

    def head(self) -> Head:
        """Return the number of links of the chain and the last link: publish it, and verify against it later.

        Returns
        -------
        number : int
            How many links there are; 0 at the beginning.
        link : str
            64 hexadecimal digits; nothing at the beginning.
        """
        with self._store.reading() as connection:
            return head_of(connection)

    def verify(self, anchor: Head | None = None) -> list[ConcernFinding]:
        """Return what does not hold: what was edited, removed, moved, cut off, or written anew.

        Parameters
        ----------
        anchor : tuple of int and str, optional
            What :meth:`head` returned earlier, kept where nobody could change it. Without it a log that was
            written anew as a whole cannot be told from the right one.

        Returns
        -------
        list of ConcernFinding
            Nothing if everything holds; each prints as a sentence.

        Raises
        ------
        ValueError
            If the anchor is none.
        """
        head = check_anchor(anchor)
        try:
            with self._store.reading() as connection:
                return findings_of(connection, head)
        except DatabaseError as error:  # too damaged to be read at all
            return [damage(error)]

    def summary(self, fewest: int = 5) -> ConcernSummary:
        """Return how many concerns there are by group, source and state, without small counts.

        Parameters
        ----------
        fewest : int, default=5
            Counts below it are hidden, and one or more others with them, so that none follows by subtraction.
            1 hides nothing; 2 could not hide anything, for hidden counts would be known to be 1 each.

        Returns
        -------
        ConcernSummary
            A table that can be published.

        Raises
        ------
        ValueError
            If ``fewest`` is no positive whole number, or 2.
        """
        if (
            isinstance(fewest, bool)
            or not isinstance(fewest, int | np.integer)
            or fewest in (0, 2)
            or fewest < 0
        ):
            raise ValueError(f"fewest must be 3 or more, or 1 to hide nothing; got {show(fewest)}.")
        with self._store.reading() as connection:
            return summarise(queries.count_cells(connection), int(fewest))

    def concerns(self, *, states: Collection[State] = STATES) -> ConcernList:
        """Return concerns, one a line, for those who answer them.

        Parameters
        ----------
        states : collection of {"received", "in review", "answered"}
            Which of them; by default all.

        Returns
        -------
        ConcernList
            A table in the order of their numbers; it is not for publication.

        Raises
        ------
        ValueError
            If there is no such state.
        """
        wanted: tuple[Any, ...] = (states,) if isinstance(states, str) else tuple(states)
        for state in wanted:
            check_choice("states", state, State)
        with self._store.reading() as connection:
            columns = queries.list_rows(connection, wanted)
        numbers, hours, batches, decisions, labels, categories, sources, found, reasons, since, texts = (
            columns
        )
        return ConcernList(
            numbers=np.array(numbers, dtype=np.intp),
            hours=hours,
            batches=batches,
            decisions=decisions,
            groups=tuple(map(as_label, labels)),
            categories=categories,
            sources=sources,
            states=found,
            reasons=reasons,
            since=since,
            texts=texts if any(text is not None for text in texts) else None,
        )

    def frame(
        self, backend: Backend | None = None, *, states: Collection[State] = ("in review", "answered")
    ) -> Any:
        """Return concerns as rows for the next audit of the data.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}, optional
            The library; by default the first one that is installed.
        states : collection of {"received", "in review", "answered"}
            Which of them; by default those that somebody has looked at.

        Returns
        -------
        frame
            A line per concern: number, hour, batch, decision, group, category, source, state, reason, the
            hour since which that is so, and the text if any is kept. Texts come from outside.

        Raises
        ------
        ImportError
            If the library is not installed.
        """
        return self.concerns(states=states).frame(backend)

    def to_csv(self, path: str | os.PathLike[str], *, states: Collection[State] = STATES) -> int:
        """Write concerns into a CSV file whose cells no spreadsheet takes for formulas.

        Parameters
        ----------
        path : path-like
            The file, in UTF-8; only its owner may read it.
        states : collection of {"received", "in review", "answered"}
            Which concerns; by default all.

        Returns
        -------
        int
            How many concerns were written. Every cell is in quotes; an apostrophe stands before signs that
            begin a formula, also after blanks, and line breaks are spaces.
        """
        columns = self.concerns(states=states).by_column()
        return write_csv(path, tuple(columns), zip(*columns.values(), strict=True))

    def counts(self, decisions: GroupCounts, *, batch: str) -> GroupCounts:
        """Return how many decisions of a batch had a concern with a ticket, and close the batch.

        Parameters
        ----------
        decisions : GroupCounts
            The decisions of the batch by group; their number is all that is looked at.
        batch : str
            The batch, as in the tickets.

        Returns
        -------
        GroupCounts
            A table without labels in which "selected" are the decisions with a concern: the selection rate is
            the rate of concerns. Only concerns whose group is known by their ticket count.

        Raises
        ------
        ValueError
            If a group has more concerns than decisions, or concerns and no decisions; if decisions are
            weighted, or have strata.
        PermissionError
            If the batch has not been counted yet and the log was opened to be read.

        Warns
        -----
        UserWarning
            If concerns of the batch are not counted, for they came after it was closed, or ``group_of`` did
            not know their decisions.

        Notes
        -----
        Concerns come late. Wait for as long after each batch (such as 30 days), then count it: a batch is
        counted as it was when this was first called, which is a link of the chain. The same call gives the
        same counts again.
        """
        check_decisions(decisions, batch)
        may_close = self._store.mode != "read"
        with self._store.writing() if may_close else self._store.reading() as connection:
            counted = count_batch(connection, batch, _hour(), may_close=may_close)
        return concern_counts(decisions, counted, batch)


def _hour() -> str:
    """Return the hour in UTC: of when something came no more is kept."""
    return time.strftime("%Y-%m-%dT%H:00Z", time.gmtime(time.time() // _HOUR * _HOUR))
