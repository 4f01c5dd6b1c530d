"""A progress bar on standard error, without a library."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["drawn_bar", "progress_bar"]

_WIDTH = 30
#: The bar is drawn anew after so many seconds, at the earliest: rounds may take less than a millisecond.
_PAUSE = 0.1


def drawn_bar(share: float) -> str:
    """Return a bar of which a share is full."""
    full = round(_WIDTH * share)
    return f"[{'#' * full}{'.' * (_WIDTH - full)}] {share:4.0%}"


@contextlib.contextmanager
def progress_bar(what: str, *, verbose: int = 0) -> Iterator[Callable[[int, int], None]]:
    """Show how far something is.

    Parameters
    ----------
    what : str
        What is going on.
    verbose : int, default=0
        Whether to show anything.

    Yields
    ------
    callable
        To be called with (done, of) as work goes on.
    """
    bar = _Bar(what)
    try:
        yield bar.show if verbose else _show_nothing
    finally:
        bar.close()


def _show_nothing(done: int, of: int) -> None:
    pass


class _Bar:
    """A line that is drawn again and again."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.start = time.monotonic()
        self.last_drawn = -float("inf")
        self.share = 0.0
        self.width = 0

    def show(self, done: int, of: int) -> None:
        """Draw the line, unless it was drawn just now."""
        now = time.monotonic()
        share = min(max(done / of, 0.0), 1.0) if of else 1.0
        if self.share == 1 or (now - self.last_drawn < _PAUSE and share < 1):
            return
        self.last_drawn, self.share = now, share
        passed = now - self.start
        left = f", about {_seconds(passed * (1 - share) / share)} left" if 0 < share < 1 else ""
        line = f"{self.what} {drawn_bar(share)}, {_seconds(passed)}{left}"
        sys.stderr.write("\r" + line.ljust(self.width))
        sys.stderr.flush()
        self.width = len(line)

    def close(self) -> None:
        """Leave the line as it is, and go on below it."""
        if self.width:
            sys.stderr.write("\n")
            sys.stderr.flush()


def _seconds(passed: float) -> str:
    return f"{passed:,.0f} s"
