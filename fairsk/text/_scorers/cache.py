"""Cache of answers: each distinct question is asked once, by all threads and processes that share it.

A key is a digest (:func:`key_of`), so what was asked does not stand in the cache; a value is anything that
JSON can hold. Whoever asks claims its keys first, and others that need them wait for the answers. A claim in
a file lapses unless it is renewed, so that a process that was killed holds nobody up.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from fairsk._core.messages import show
from fairsk.text._scorers.files import FileStore

__all__ = ["AnswerCache", "as_cache", "key_of"]

#: A claim in a file lapses after so many seconds; it is renewed three times within them.
LEASE = 30.0
#: So many seconds pass before those who wait for others look again.
_PAUSE = 0.05


def key_of(**parts: Any) -> str:
    """Return the digest of what an answer depends on.

    Parameters
    ----------
    **parts : value
        Model, options, prompt and whatever else matters: anything that JSON can hold.

    Returns
    -------
    str
        SHA-256 in hexadecimal. Whoever guesses all parts can tell that they were asked; nobody can read them.
    """
    # Escaped as ASCII, because a text may hold half characters, which UTF-8 does not have.
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


class Store(Protocol):
    """Where values stand, as text, and who is about to ask for those that are missing.

    Attributes
    ----------
    pause : float
        So many seconds pass between two writes, if answers come one after the other.
    """

    pause: float

    def read(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the values that are there, of some keys."""

    def claim(self, owner: str, keys: Sequence[str], seconds: float) -> tuple[dict[str, str], list[str]]:
        """Return the values that are there, and of the other keys those that are the owner's from now on."""

    def renew(self, owner: str, seconds: float) -> None:
        """Prolong the claims of an owner."""

    def write(self, values: Mapping[str, str]) -> None:
        """Keep values, for good, and end the claims to them."""

    def release(self, owner: str) -> None:
        """End the claims of an owner, answered or not."""

    def wait(self, seconds: float) -> None:
        """Wait for others; no longer than that."""

    def count(self) -> int:
        """Return how many values there are."""


class MemoryStore:
    """Values in this process.

    Parameters
    ----------
    values : mapping of str to str, default={}
        What is known to begin with.
    """

    pause = 0.0

    def __init__(self, values: Mapping[str, str] = {}) -> None:
        self.values = dict(values)
        self._owners: dict[str, str] = {}
        self._changed = threading.Condition()

    def read(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the values that are there, of some keys."""
        with self._changed:
            return {key: self.values[key] for key in keys if key in self.values}

    def claim(self, owner: str, keys: Sequence[str], seconds: float) -> tuple[dict[str, str], list[str]]:
        """Return the values that are there, and of the other keys those that are the owner's from now on."""
        with self._changed:
            found = {key: self.values[key] for key in keys if key in self.values}
            mine = [key for key in keys if key not in found and self._owners.setdefault(key, owner) == owner]
            return found, mine

    def renew(self, owner: str, seconds: float) -> None:
        """Do nothing: claims within a process end with the call that made them."""

    def write(self, values: Mapping[str, str]) -> None:
        """Keep values, and end the claims to them."""
        with self._changed:
            self.values.update(values)
            for key in values:
                self._owners.pop(key, None)
            self._changed.notify_all()

    def release(self, owner: str) -> None:
        """End the claims of an owner, answered or not."""
        with self._changed:
            self._owners = {key: other for key, other in self._owners.items() if other != owner}
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Wait until others have written something; no longer than that."""
        with self._changed:
            self._changed.wait(seconds)

    def count(self) -> int:
        """Return how many values there are."""
        return len(self.values)

    def copy(self) -> dict[str, str]:
        """Return all values as they are now."""
        with self._changed:
            return dict(self.values)


class AnswerCache:
    """Answers by the digest of the question, in memory or in a file.

    Copies and clones are the cache itself. A pickle takes what is in memory along, and of a file its path:
    processes share what stands in a file, and each distinct question is asked once by all of them.

    Parameters
    ----------
    path : path-like, optional
        A SQLite file, made if it is missing, which only its owner may read; in memory by default.

    Raises
    ------
    ValueError
        If the file is something else, or damaged.
    OSError
        If it cannot be opened.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._store: Store = MemoryStore() if path is None else FileStore(path)
        if isinstance(self._store, FileStore):
            self._store.check()

    @property
    def path(self) -> str | None:
        """Path of the file, None in memory."""
        return str(self._store.path) if isinstance(self._store, FileStore) else None

    def __len__(self) -> int:
        return self._store.count()

    def __bool__(self) -> bool:
        return True  # an empty cache is one

    def __repr__(self) -> str:
        return f"AnswerCache({'' if self.path is None else show(self.path)})"

    def __copy__(self) -> AnswerCache:
        return self

    def __deepcopy__(self, memo: Any) -> AnswerCache:
        return self

    def __sklearn_clone__(self) -> AnswerCache:
        return self

    def __getstate__(self) -> dict[str, Any]:
        if isinstance(self._store, MemoryStore):
            return {"values": self._store.copy()}
        return {"path": self.path}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self._store = FileStore(state["path"]) if "path" in state else MemoryStore(state["values"])

    def known(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return what is kept of some keys.

        Parameters
        ----------
        keys : iterable of str
            Digests.

        Returns
        -------
        dict of str to value
            The answers that are there.
        """
        return _parsed(self._store.read(list(dict.fromkeys(keys))))

    def answers(
        self, keys: Sequence[str], ask: Callable[[list[str]], Iterable[Mapping[str, Any]]]
    ) -> list[Any]:
        """Return the answers to all keys, of which the missing ones are asked for.

        Parameters
        ----------
        keys : sequence of str
            Digests; the same one may stand in it many times.
        ask : callable
            It gets the distinct keys that neither the cache has nor another thread or process is asking for,
            and yields mappings from keys to answers, as they arrive. Each is kept, also where an error (which
            goes on to the caller) or an interruption follows; what kills the process loses those of a last
            moment. It may be called again, for keys that others gave up.

        Returns
        -------
        list of value
            An answer per key.
        """
        wanted = list(dict.fromkeys(keys))
        found = self._store.read(wanted)
        owner = uuid.uuid4().hex
        while missing := [key for key in wanted if key not in found]:
            others, mine = self._store.claim(owner, missing, LEASE)
            found |= others
            if mine:
                found |= self._asked(owner, mine, ask)
            elif not others:
                self._store.wait(_PAUSE)
        parsed = _parsed(found)
        return [parsed[key] for key in keys]

    def _asked(
        self, owner: str, mine: list[str], ask: Callable[[list[str]], Iterable[Mapping[str, Any]]]
    ) -> dict[str, str]:
        """Ask for keys that were claimed, and keep what comes as soon as it is there."""
        found: dict[str, str] = {}
        unwritten: dict[str, str] = {}
        written = -math.inf

        def write() -> None:
            nonlocal unwritten, written
            self._store.write(unwritten)
            unwritten, written = {}, time.monotonic()

        try:
            # An error while answers are written must end the asking at once, and not when it is collected.
            with self._renewing(owner), _closing(iter(ask(mine))) as arriving:
                for arrived in arriving:
                    values = {key: json.dumps(value, allow_nan=False) for key, value in arrived.items()}
                    found |= values
                    unwritten |= values
                    # A disk takes longer to be sure of a write than many an endpoint for an answer.
                    if time.monotonic() - written >= self._store.pause:
                        write()
        finally:
            try:
                if unwritten:
                    write()
            finally:
                self._store.release(owner)
        if lost := [key for key in mine if key not in found]:
            raise RuntimeError(f"{len(lost):,} of {len(mine):,} questions were asked and not answered.")
        return found

    @contextmanager
    def _renewing(self, owner: str) -> Iterator[None]:
        """Renew the claims to a file while they are being answered, however long a single answer takes."""
        if not isinstance(self._store, FileStore):
            yield
            return
        done = threading.Event()
        thread = threading.Thread(target=_renew, args=(self._store, owner, done), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@contextmanager
def _closing(iterator: Iterator[Any]) -> Iterator[Iterator[Any]]:
    """Close what a generator holds open; a list has nothing of that kind."""
    try:
        yield iterator
    finally:
        if isinstance(iterator, Generator):
            iterator.close()


def _renew(store: Store, owner: str, done: threading.Event) -> None:
    while not done.wait(LEASE / 3):
        try:
            store.renew(owner, LEASE)
        except (OSError, ValueError):  # whoever writes the answers meets the same, and can say so
            return


def _parsed(values: Mapping[str, str]) -> dict[str, Any]:
    return {key: json.loads(value) for key, value in values.items()}


def as_cache(cache: Any) -> AnswerCache:
    """Return the cache that a parameter ``cache`` stands for: None, a path, or a cache that others use too.

    Raises
    ------
    TypeError
        If it is none of these.
    """
    if isinstance(cache, AnswerCache):
        return cache
    if cache is not None and not isinstance(cache, str | os.PathLike):
        raise TypeError(
            f"cache must be the path of a file, the cache of another scorer, or None for a cache in memory; "
            f"got {show(cache)}."
        )
    return AnswerCache(cache)
