"""Progress of a query that takes a while, on a terminal."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from fairsk._core.progress import drawn_bar

__all__ = ["showing_progress"]

#: Who waits less than this needs no bar, in seconds.
_PATIENCE = 2.0
#: The bar is drawn anew after so many seconds.
_PAUSE = 0.2


@contextlib.contextmanager
def showing_progress(connection: Any, what: str) -> Iterator[None]:
    """Show how far the queries of a DuckDB connection are, on a terminal, when they take more than a moment.

    Parameters
    ----------
    connection : DuckDBPyConnection
        It is asked from a thread of its own.
    what : str
        What is going on.
    """
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_draw, args=(connection, what, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _draw(connection: Any, what: str, done: threading.Event) -> None:
    start = time.monotonic()
    shown, query, last = False, 1, 0.0
    # A file is read several times if there are scores; every time the share begins at 0 again.
    while not done.wait(_PAUSE):
        share = _share(connection)
        query += share < last - 0.05
        last = share
        seconds = time.monotonic() - start
        if seconds < _PATIENCE:
            continue
        sys.stderr.write(f"\r{what} {drawn_bar(share)} of query {query}, {seconds:,.0f} s ")
        sys.stderr.flush()
        shown = True
    if shown:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _share(connection: Any) -> float:
    """Return the share of the query that is done, as far as DuckDB knows (the oldest versions do not say)."""
    progress = getattr(connection, "query_progress", None)
    share = float(progress()) / 100 if progress is not None else 0.0
    return min(max(share, 0.0), 1.0)
