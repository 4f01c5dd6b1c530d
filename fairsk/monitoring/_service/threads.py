"""Threads in which work is done that would hold up the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["OneThread"]

_Found = TypeVar("_Found")


class OneThread:
    """A thread that does one thing after another, so that a flood of requests takes no more than one.

    Parameters
    ----------
    name : str
        What it is called.
    """

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"fairsk-{name}")

    def start(self, work: Callable[[], None]) -> None:
        """Have something done, and do not wait for it."""
        self._executor.submit(work)

    async def run(self, work: Callable[[], _Found]) -> _Found:
        """Have something done, and return what it returns."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)
