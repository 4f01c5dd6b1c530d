"""The store: a SQLite file that is only added to, safe for threads, processes, and those that are killed."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, TypeAlias

from fairsk._core.messages import show
from fairsk._core.validation import check_choice

__all__ = ["SCHEMA", "VERSION", "Mode", "Store"]

Mode: TypeAlias = Literal["create", "write", "read"]

#: "fskc", by which a file says what it is, and the version of its schema.
_APPLICATION, VERSION = 0x66736B63, 1
#: How many seconds a process waits for another one that writes.
_PATIENCE = 30.0
_NOT_A_DATABASE, _CANNOT_OPEN = 26, 14  # result codes of SQLite

#: AUTOINCREMENT keeps the largest number that there ever was, which shows a chain that lost its end.
SCHEMA = {
    "event": "CREATE TABLE event(number INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, "
    "concern INTEGER, hour TEXT NOT NULL, key TEXT UNIQUE, decision TEXT, batch TEXT, category TEXT, "
    "label TEXT, source TEXT, state TEXT, reason TEXT, line TEXT NOT NULL, link TEXT NOT NULL)",
    "note": "CREATE TABLE note(concern INTEGER PRIMARY KEY, salt TEXT NOT NULL, text TEXT NOT NULL)",
    "one_number": "CREATE UNIQUE INDEX one_number ON event(concern) WHERE event = 'received'",
    "one_per_ticket": "CREATE UNIQUE INDEX one_per_ticket ON event(decision, batch) "
    "WHERE decision IS NOT NULL",
    "counted_once": "CREATE UNIQUE INDEX counted_once ON event(batch) WHERE event = 'counted'",
    "of_concern": "CREATE INDEX of_concern ON event(concern, number)",
    "no_update": "CREATE TRIGGER no_update BEFORE UPDATE ON event "
    "BEGIN SELECT RAISE(ABORT, 'events are only added'); END",
    "no_delete": "CREATE TRIGGER no_delete BEFORE DELETE ON event "
    "BEGIN SELECT RAISE(ABORT, 'events are only added'); END",
    "no_note_update": "CREATE TRIGGER no_note_update BEFORE UPDATE ON note "
    "BEGIN SELECT RAISE(ABORT, 'texts are erased, not changed'); END",
}


class Store:
    """A file of events, and the connection of this process to it.

    Parameters
    ----------
    path : path-like
        The file.
    mode : {"create", "write", "read"}
        Whether a missing file is made, an existing one is written to, or only read.
    """

    def __init__(self, path: str | os.PathLike[str], mode: Mode) -> None:
        check_choice("mode", mode, Mode)
        self.path = Path(os.fsdecode(path)).absolute()
        self.mode = mode
        if mode == "create":
            self._create()
        if not self.path.exists():
            raise FileNotFoundError(
                errno.ENOENT,
                "There is no log of concerns (ConcernLog and fairsk monitor serve make one)",
                str(self.path),
            )
        if self.path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "A log of concerns is a file", str(self.path))
        self._of_parents: list[sqlite3.Connection] = []
        self._connect()

    def _create(self) -> None:
        """Make an empty file that nobody else may read; SQLite gives its companions the same rights."""
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))

    def _connect(self) -> None:
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._open: sqlite3.Connection | None = _connection(self.path, self.mode)

    def connection(self) -> sqlite3.Connection:
        """Return the connection; a process that was forked gets one of its own.

        Raises
        ------
        ValueError
            If the log is closed.
        """
        if self._process != os.getpid() and self._open is not None:
            # To close what the parent has opened could undo the parent's locks: it is kept, and not used.
            self._of_parents.append(self._open)
            self._connect()
        if self._open is None:
            raise ValueError("This log of concerns is closed.")
        return self._open

    def close(self) -> None:
        """Close the file; what has been submitted is in it."""
        with self._lock:
            if self._open is not None and self._process == os.getpid():
                self._open.close()
            self._open = None

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection within a transaction, which is on the disk at the end or undone.

        Raises
        ------
        PermissionError
            If the file was opened to be read.
        """
        if self.mode == "read":
            raise PermissionError(errno.EACCES, 'The log was opened with mode="read"', str(self.path))
        with self._transaction("BEGIN IMMEDIATE") as connection:  # one writer, of all processes
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection within a transaction that sees the file as it is now."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        self.connection()  # a process that was forked gets a lock of its own
        with self._lock:
            connection = self.connection()  # which another thread may have closed meanwhile
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # A full disk has undone it already, and a damaged one cannot: an error here would hide why.
                if connection.in_transaction:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                raise

    def clear_log(self) -> bool:
        """Write what the companion file holds into the file and cut it to nothing.

        Returns
        -------
        bool
            Whether that was done: as long as another process reads, it cannot be.
        """
        deadline = time.monotonic() + _PATIENCE
        self.connection()
        with self._lock:
            connection = self.connection()
            while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.05)
        return True


def _connection(path: Path, mode: Mode) -> sqlite3.Connection:
    """Return a connection to a log of concerns; an empty file becomes one."""
    try:
        return _prepared(_connect(path, "mode=ro" if mode == "read" else "mode=rw"), path, mode)
    except sqlite3.OperationalError as error:
        wal = path.with_name(path.name + "-wal")
        if mode != "read" or _code(error) != _CANNOT_OPEN or wal.exists():
            raise
    # Nobody has it open, and its directory cannot be written to, such as that of an auditor's copy.
    return _prepared(_connect(path, "mode=ro&immutable=1"), path, mode)


def _connect(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.as_uri()}?{how}", uri=True, isolation_level=None, check_same_thread=False, timeout=_PATIENCE
    )


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _prepared(connection: sqlite3.Connection, path: Path, mode: Mode) -> sqlite3.Connection:
    try:
        if _is_empty(connection, path):
            if mode == "read":
                raise ValueError(f"{show(str(path))} is empty: it is no log of concerns.")
            _make_schema(connection)
            _is_empty(connection, path)
        # What is erased is overwritten; a commit returns when the disk has it; nothing that a file from
        # elsewhere defines is trusted.
        for setting in ("secure_delete=ON", "synchronous=FULL", "trusted_schema=OFF"):
            connection.execute(f"PRAGMA {setting}")
        return connection
    except BaseException:
        connection.close()
        raise


def _pragma(connection: sqlite3.Connection, name: str) -> Any:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def _is_empty(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether a file holds nothing; refuse one that is not ours before anything is changed in it."""
    try:
        application, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
        (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        if _code(error) != _NOT_A_DATABASE:
            raise
        raise ValueError(f"{show(str(path))} is no log of concerns: it is not a SQLite file.") from error
    if not (application or version or n_tables):
        return True
    if application != _APPLICATION:
        raise ValueError(f"{show(str(path))} is no log of concerns: another program has made this database.")
    if version != VERSION:
        raise ValueError(
            f"{show(str(path))} has version {version} of the schema, and this version of fairsk reads "
            f"{VERSION}: update fairsk."
        )
    return False


def _make_schema(connection: sqlite3.Connection) -> None:
    """Make the tables, unless another process has just done so."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            (journal,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
            break
        except sqlite3.OperationalError:  # locked: another process does the same, and SQLite does not wait
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    if journal != "wal":
        raise ValueError(
            "A log of concerns needs a local disk: here SQLite cannot write ahead (journal_mode=WAL), as on "
            "most network shares."
        )
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not _pragma(connection, "application_id"):
            for statement in SCHEMA.values():
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id={_APPLICATION}")
            connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
