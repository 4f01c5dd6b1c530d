"""Pool of requests: several at a time, what arrives is handed on at once, the first failure ends the run."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from fairsk.text._scorers.endpoint import Interrupted

__all__ = ["in_parallel"]

Task = TypeVar("Task")


def in_parallel(
    tasks: Mapping[str, Task],
    do: Callable[[Task, threading.Event], Any],
    *,
    concurrency: int,
    progress: bool,
    unit: str,
) -> Iterator[dict[str, Any]]:
    """Yield what tasks give, by their keys, as it arrives.

    Parameters
    ----------
    tasks : mapping
        What is to be done, by key; no more of them are begun at a time than ``concurrency``.
    do : callable
        It gets a task, and an event that is set when the run is to end.
    concurrency : int
        How many threads.
    progress : bool
        Whether a bar is shown, on stderr.
    unit : str
        What the bar counts.

    Raises
    ------
    Exception
        The first one that a task raises, once those that have begun are done and handed on.
    """
    stop = threading.Event()
    waiting = iter(tasks)
    running: dict[Future[Any], str] = {}
    failures: list[BaseException] = []
    pool = ThreadPoolExecutor(min(concurrency, max(len(tasks), 1)), thread_name_prefix="fairsk-scorer")

    def begin() -> None:
        """Send as many requests as there is room for."""
        while not stop.is_set() and len(running) < concurrency:
            key = next(waiting, None)
            if key is None:
                return
            running[pool.submit(do, tasks[key], stop)] = key

    try:
        with _bar(len(tasks), unit, is_shown=progress) as bar:
            begin()
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                arrived, failed = _sorted_out({future: running.pop(future) for future in done})
                failures += failed
                if failures:
                    stop.set()
                begin()  # before the answers are written somewhere
                if arrived:
                    bar.update(len(arrived))
                    yield arrived
    finally:
        # Also where the user interrupts: what sleeps wakes up, and what has been sent is not waited for.
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
    if failures:
        raise next((one for one in failures if not isinstance(one, Interrupted)), failures[0])


def _sorted_out(done: Mapping[Future[Any], str]) -> tuple[dict[str, Any], list[BaseException]]:
    arrived, failed = {}, []
    for future, key in done.items():
        error = future.exception()
        if error is None:
            arrived[key] = future.result()
        else:
            failed.append(error)
    return arrived, failed


class _NoBar:
    """What is shown where nothing is."""

    def __enter__(self) -> _NoBar:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def update(self, n: int) -> None:
        """Show nothing."""


def _bar(total: int, unit: str, *, is_shown: bool) -> Any:
    if not is_shown or not total:
        return _NoBar()
    from tqdm import tqdm  # comes with skorch

    return tqdm(total=total, unit=f" {unit}", file=sys.stderr, dynamic_ncols=True)
