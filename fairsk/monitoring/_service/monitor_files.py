"""State files of monitors, read again when they change; a broken one leaves the others as they are."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fairsk._core.messages import shorten, show
from fairsk._core.results import printable

if TYPE_CHECKING:
    from fairsk.monitoring import FairnessMonitor

__all__ = ["MonitorFiles", "Readings"]

_LONGEST_SENTENCE = 500
#: What tells one version of a file from the next: when it was written, its size, and which file it is.
_Version: TypeAlias = tuple[int, int, int] | None  # None: there is no file


@dataclass(frozen=True)
class Readings:
    """What the files say.

    Parameters
    ----------
    names : tuple of str
        The names of all files, without their folders.
    versions : tuple
        Which versions of the files were read; equal only if nothing has changed.
    monitors : tuple of FairnessMonitor
        Those that could be read, in the order of the files.
    failures : tuple of (str, str)
        The others: the file's name, without its folder, and why it could not be read.
    """

    names: tuple[str, ...]
    versions: tuple[_Version, ...]
    monitors: tuple[FairnessMonitor, ...]
    failures: tuple[tuple[str, str], ...]


class MonitorFiles:
    """The state files of monitors.

    Parameters
    ----------
    paths : path, or sequence of paths
        Where they are.
    """

    def __init__(self, paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> None:
        listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        for path in listed:
            if not isinstance(path, str | os.PathLike):
                raise TypeError(f"monitors must hold paths of state files, but holds {show(path)}.")
        self.paths = tuple(Path(path) for path in listed)
        self.names = _names(self.paths)
        self._lock = threading.Lock()
        self._read: dict[Path, tuple[_Version, FairnessMonitor | str]] = {}

    def read(self) -> Readings:
        """Return what the files say now; those that have not changed are not read again."""
        with self._lock:
            found = [self._read_one(path) for path in self.paths]
        monitors: dict[str, FairnessMonitor] = {}
        failures = []
        for name, (_, monitor) in zip(self.names, found, strict=True):
            if isinstance(monitor, str):
                failures.append((name, monitor))
            elif (called := monitor.name or monitor.constraint.name) in monitors:
                failures.append((name, f"There is another monitor that is called {show(called)}."))
            else:
                monitors[called] = monitor
        versions = tuple(version for version, _ in found)
        return Readings(self.names, versions, tuple(monitors.values()), tuple(failures))

    def _read_one(self, path: Path) -> tuple[_Version, FairnessMonitor | str]:
        # The version is taken before the file is read: what is written meanwhile is read the next time.
        version = _version(path)
        before = self._read.get(path)
        if before is not None and before[0] == version and version is not None:
            return before
        self._read[path] = (version, _monitor(path))
        return self._read[path]


def _names(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return what files are called without their folders; of two that are called the same, with a number."""
    plain = [shorten(printable(path.name)) for path in paths]
    return tuple(
        name if plain.count(name) == 1 else f"{name} ({plain[: i + 1].count(name)})"
        for i, name in enumerate(plain)
    )


def _version(path: Path) -> _Version:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _monitor(path: Path) -> FairnessMonitor | str:
    """Return the monitor of a state file, or why there is none."""
    from fairsk.monitoring._files import read_monitor

    try:
        return read_monitor(path)
    except Exception as error:  # anything may stand in a file, and the other monitors must still be shown
        reason = str(error) if isinstance(error, ValueError | FileNotFoundError) else _kind(error)
        # Where it lies is nothing for the public.
        return shorten(printable(reason.replace(show(os.fspath(path)), show(path.name))), _LONGEST_SENTENCE)


def _kind(error: Exception) -> str:
    return f"It cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}."
