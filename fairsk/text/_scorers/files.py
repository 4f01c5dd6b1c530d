"""SQLite file of answers, safe for threads, processes, and those that are killed."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from fairsk._core.messages import shorten

__all__ = ["FileStore"]

#: "fskt", by which a file says what it is, and the version of its schema.
_APPLICATION, _VERSION = 0x66736B74, 1
#: How many seconds a process waits for another one that writes.
_PATIENCE = 30.0
#: How many keys one query asks for: SQLite allows 999 in its oldest versions.
_CHUNK = 500
#: A longer path is shortened in a message.
_LONGEST_PATH = 300

_SCHEMA = (
    "CREATE TABLE answer(key TEXT PRIMARY KEY, value TEXT NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE claim(key TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID",
)


class FileStore:
    """Values in a file; each operation has a connection of its own, which no fork or thread can disturb.

    Parameters
    ----------
    path : path-like
        The file; it is made when it is first used.
    """

    #: Whoever kills a process loses no more than the answers of so many seconds.
    pause = 0.25

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.fsdecode(path)).absolute()

    def check(self) -> None:
        """Make the file if it is missing, and look whether it is one of ours.

        Raises
        ------
        ValueError
            If the file is something else, damaged, or of a later version.
        OSError
            If it cannot be opened.
        """
        self.count()

    def count(self) -> int:
        """Return how many values there are."""
        with self._transaction("BEGIN") as connection:
            return int(connection.execute("SELECT count(*) FROM answer").fetchone()[0])

    def read(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the values that are there, of some keys."""
        with self._transaction("BEGIN") as connection:
            return self._read(connection, keys)

    def claim(self, owner: str, keys: Sequence[str], seconds: float) -> tuple[dict[str, str], list[str]]:
        """Return the values that are there, and of the other keys those that are the owner's from now on."""
        with self._transaction("BEGIN IMMEDIATE") as connection:  # one writer, of all processes
            found = self._read(connection, keys)
            missing = [key for key in keys if key not in found]
            now = time.time()
            connection.execute("DELETE FROM claim WHERE until < ?", (now,))
            connection.executemany(
                "INSERT OR IGNORE INTO claim VALUES (?, ?, ?)",
                [(key, owner, now + seconds) for key in missing],
            )
            owned = connection.execute("SELECT key FROM claim WHERE owner = ?", (owner,))
            mine = {row[0] for row in owned}
        return found, [key for key in missing if key in mine]

    def renew(self, owner: str, seconds: float) -> None:
        """Prolong the claims of an owner."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            connection.execute("UPDATE claim SET until = ? WHERE owner = ?", (time.time() + seconds, owner))

    def write(self, values: Mapping[str, str]) -> None:
        """Keep values, for good, and end the claims to them."""
        rows = [(key, value, _checksum(key, value)) for key, value in values.items()]
        with self._transaction("BEGIN IMMEDIATE") as connection:
            connection.executemany("INSERT OR REPLACE INTO answer VALUES (?, ?, ?)", rows)
            connection.executemany("DELETE FROM claim WHERE key = ?", [(key,) for key in values])

    def release(self, owner: str) -> None:
        """End the claims of an owner, answered or not."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            connection.execute("DELETE FROM claim WHERE owner = ?", (owner,))

    def wait(self, seconds: float) -> None:
        """Wait for others, for that long."""
        time.sleep(seconds)

    def _read(self, connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            marks = ", ".join("?" * len(chunk))
            query = f"SELECT key, value, checksum FROM answer WHERE key IN ({marks})"
            for key, value, checksum in connection.execute(query, chunk):
                if not isinstance(value, str) or _checksum(key, value) != checksum:
                    raise ValueError(self._says("is damaged: an answer is not the one that was written"))
                found[key] = value
        return found

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        """Yield a connection within a transaction, which is on the disk at the end or undone."""
        try:
            with closing(self._connect()) as connection:
                self._prepare(connection)
                connection.execute(begin)
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):  # what failed says why; closing undoes it in any case
                        connection.execute("ROLLBACK")
                    raise
        except sqlite3.OperationalError as error:
            raise OSError(errno.EIO, self._says(f"cannot be used: {error}")) from None
        except sqlite3.DatabaseError as error:
            raise ValueError(self._says(f"is no cache of answers, or damaged: {error}")) from None

    def _connect(self) -> sqlite3.Connection:
        if self.path.is_dir():
            raise IsADirectoryError(errno.EISDIR, self._says("is a directory: a cache is a file"))
        if not self.path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, self._says("cannot be made: its directory does not exist"))
        # An empty file that nobody else may read; SQLite gives its companions the same rights.
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        return sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """See whether the file is one of ours, and make one of an empty file."""
        connection.execute("PRAGMA trusted_schema = OFF")
        # What a loss of power takes is asked again; a file that is written halfway is undone all the same.
        connection.execute("PRAGMA synchronous = NORMAL")
        application, version = _identity(connection)
        if application == 0:
            connection.execute("BEGIN IMMEDIATE")
            # Another process may have made it meanwhile.
            application, version = _identity(connection)
            if (
                application == 0
                and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            ):
                for statement in _SCHEMA:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                connection.execute(f"PRAGMA user_version = {_VERSION}")
                application, version = _APPLICATION, _VERSION
            connection.execute("COMMIT")
        if application != _APPLICATION:
            raise ValueError(self._says("is a database of something else"))
        if version != _VERSION:
            raise ValueError(
                self._says(f"has version {version} of the cache, and this version of fairsk reads {_VERSION}")
            )

    def _says(self, what: str) -> str:
        path = shorten(str(self.path), _LONGEST_PATH)
        return f"cache={path!r} {what}. Give the path of another file, or of none that exists."


def _identity(connection: sqlite3.Connection) -> tuple[int, int]:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    return int(application), int(connection.execute("PRAGMA user_version").fetchone()[0])


def _checksum(key: str, value: str) -> int:
    """Tell an answer whose bytes have changed, or that stands beside another key."""
    return zlib.crc32(f"{key} {value}".encode())
