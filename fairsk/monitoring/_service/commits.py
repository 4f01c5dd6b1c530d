"""Group commits: concerns that come within a moment of each other share one transaction."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fairsk.monitoring._service.answers import Refusal
from fairsk.monitoring._service.threads import OneThread

if TYPE_CHECKING:
    from fairsk.monitoring._concerns import Concern, ConcernLog, Receipt

__all__ = ["GroupCommits"]

_LOGGER = logging.getLogger("fairsk.monitoring")

#: Seconds for which a concern waits for others. A commit to disk takes about as long.
_WAIT = 0.002
#: How many concerns one transaction takes, and how many may wait.
_MOST_TOGETHER, _MOST_WAITING = 512, 4_096
#: Failures of the disk, which meet all concerns alike; any other is the fault of one.
_DISK = (sqlite3.OperationalError, OSError)


class GroupCommits:
    """Concerns that wait to be stored, and the one thread that stores them.

    Parameters
    ----------
    log : ConcernLog
        Where they are stored.
    """

    def __init__(self, log: ConcernLog) -> None:
        self.log = log
        self._waiting: deque[_Waiting] = deque()
        self._lock = threading.Lock()
        self._busy = False
        self._thread = OneThread("concerns")

    async def add(self, body: Any) -> Receipt:
        """Check a body, and store the concern that it says; return when it is on disk.

        Raises
        ------
        ValueError
            If the body is no concern; the message may be shown to the sender.
        Refusal
            If it could not be stored.
        """
        waiting = _Waiting(body, Future())
        with self._lock:
            if len(self._waiting) >= _MOST_WAITING:
                raise _not_stored()
            self._waiting.append(waiting)
            start, self._busy = not self._busy, True
        if start:
            self._thread.start(self._commit)
        return await asyncio.wrap_future(waiting.receipt)

    def _commit(self) -> None:
        """Store what waits, until nothing does."""
        time.sleep(_WAIT)
        while True:
            with self._lock:
                if not self._waiting:
                    self._busy = False
                    return
                taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_TOGETHER))]
            # Whoever has gone before the commit gets no answer, so nothing need be stored.
            self._store(
                [one for one in taken if one.receipt.set_running_or_notify_cancel() and self._check(one)]
            )

    def _check(self, waiting: _Waiting) -> bool:
        """Check a body by itself, before it meets any other: what is wrong with it is no matter of theirs."""
        try:
            waiting.concern = self.log.check(waiting.body)
        except ValueError as error:
            waiting.receipt.set_exception(error)
        except Exception as error:  # whatever looks up the group of a decision may fail in its own ways
            _LOGGER.error("A concern could not be checked: %s: %s", type(error).__name__, error)
            waiting.receipt.set_exception(_not_stored())
        return waiting.concern is not None

    def _store(self, several: list[_Waiting]) -> None:
        if not several:
            return
        try:
            receipts = self.log.submit(*(one.concern for one in several if one.concern is not None))
        except Exception as error:
            if len(several) > 1 and not isinstance(error, _DISK):
                for one in several:  # each alone, so that no concern changes the answer to another
                    self._store([one])
                return
            kind = type(error).__name__
            _LOGGER.error("Concerns that could not be stored: %d. %s: %s", len(several), kind, error)
            for one in several:
                one.receipt.set_exception(_not_stored())
        else:
            for one, receipt in zip(several, receipts, strict=True):
                one.receipt.set_result(receipt)


@dataclass(eq=False)
class _Waiting:
    """A body that waits to be checked and stored, and what its sender waits for."""

    body: Any
    receipt: Future[Receipt]
    concern: Concern | None = None


def _not_stored() -> Refusal:
    sentence = "The concern could not be stored. Send it again with the same key."
    return Refusal(503, sentence, "not_stored", {"retry-after": "5"})
