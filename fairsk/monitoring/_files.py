"""Files of monitors: processes change a state one after another, and readers never see half of it."""

from __future__ import annotations

import math
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fairsk._core.canonical import canonical, parse
from fairsk._core.messages import shorten, show
from fairsk.monitoring._monitor import FairnessMonitor

__all__ = [
    "MonitorFile",
    "change_file",
    "create_file",
    "create_monitor",
    "open_monitor",
    "read_columns",
    "read_file",
    "read_monitor",
    "replace_file",
]

#: Ten years of days with 200 groups are 7 MB: what is larger is no file of ours, or one that was attacked.
_LARGEST = 64 * 2**20
#: The key beside those of the state under which a file keeps what the command line reads of tables.
_COLUMNS = "columns"
#: An error of a state may quote what it found; the path must stay in sight.
_LONGEST_REASON = 1_500
#: Whoever may read and write a new file is decided by the umask; a copy of an old one is secret at first.
_NEW, _SECRET = 0o666, 0o600


@dataclass
class MonitorFile:
    """What a file of a monitor holds.

    Parameters
    ----------
    monitor : FairnessMonitor
        The monitor.
    columns : mapping of str to value, optional
        What ``fairsk monitor add`` reads of tables. It is no part of the evidence, and no hash covers it.
    """

    monitor: FairnessMonitor
    columns: Mapping[str, Any] | None = None

    @property
    def text(self) -> str:
        """The text of the file."""
        state = self.monitor.to_state()
        return canonical(state if self.columns is None else {**state, _COLUMNS: self.columns}) + "\n"


@contextmanager
def open_monitor(path: str | os.PathLike[str], *, timeout: float = 60.0) -> Iterator[FairnessMonitor]:
    """Open the file of a monitor, and write it when the block ends, if the monitor was changed.

    Processes and threads that open the same file wait for each other, so that none overwrites what another
    one has added. The lock is a file of the same name and ``.lock`` beside it, which stays there. The new
    state replaces the old one as a whole: who reads meanwhile, or after a loss of power, finds the one or
    the other. If the block raises an error, nothing is written.

    Parameters
    ----------
    path : path
        A file that :func:`create_monitor` made; what a symbolic link points to.
    timeout : float, default=60.0
        For how many seconds to wait for others.

    Yields
    ------
    FairnessMonitor
        The monitor.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TimeoutError
        If others keep it locked.
    ValueError
        If it holds no monitor, or one that does not follow from its log.
    OSError
        If it cannot be locked, read or written.

    See Also
    --------
    read_monitor : Without a lock, for those who do not change it.

    Examples
    --------
    >>> import os, tempfile
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.monitoring import FairnessMonitor, create_monitor, open_monitor, read_monitor
    >>> monday = GroupCounts.from_predictions(None, [1, 0, 1, 0], sensitive_features=["a", "a", "b", "b"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "loans.json")
    ...     create_monitor(path, FairnessMonitor("demographic_parity", min_ratio=0.8))
    ...     with open_monitor(path) as monitor:
    ...         step = monitor.update(monday, batch="2026-11-23")
    ...     read_monitor(path).batches
    ('2026-11-23',)
    """
    with change_file(path, timeout=timeout) as file:
        yield file.monitor


def create_monitor(path: str | os.PathLike[str], monitor: FairnessMonitor) -> None:
    """Write a monitor to a new file.

    Parameters
    ----------
    path : path
        A file that is not there yet, in a folder that is.
    monitor : FairnessMonitor
        The monitor.

    Raises
    ------
    FileExistsError
        If there is a file: the evidence of a monitor is not overwritten.
    OSError
        If it cannot be written.

    See Also
    --------
    open_monitor : To add batches to it.

    Examples
    --------
    >>> import os, tempfile
    >>> from fairsk.monitoring import FairnessMonitor, create_monitor, read_monitor
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "loans.json")
    ...     create_monitor(path, FairnessMonitor("demographic_parity", min_ratio=0.8, name="loans"))
    ...     read_monitor(path).name
    'loans'
    """
    create_file(path, MonitorFile(monitor))


def read_monitor(path: str | os.PathLike[str]) -> FairnessMonitor:
    """Read the monitor in a file, without a lock, for whoever does not change it.

    Parameters
    ----------
    path : path
        A file that :func:`create_monitor` made.

    Returns
    -------
    FairnessMonitor
        The monitor as it was written last; a change of it stays out of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds no monitor, or one that does not follow from its log.
    OSError
        If it cannot be read.

    See Also
    --------
    open_monitor : To change it.

    Examples
    --------
    >>> import os, tempfile
    >>> from fairsk.monitoring import FairnessMonitor, create_monitor, read_monitor
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "loans.json")
    ...     create_monitor(path, FairnessMonitor("demographic_parity", min_ratio=0.8))
    ...     read_monitor(path).n_batches
    0
    """
    return read_file(path).monitor


@contextmanager
def change_file(path: str | os.PathLike[str], *, timeout: float = 60.0) -> Iterator[MonitorFile]:
    """Do what :func:`open_monitor` does, with all that the file holds."""
    _refuse_absent(path)
    with _locked(path, timeout):
        file = read_file(path)
        before = file.text
        yield file
        after = file.text
        if after != before:
            replace_file(path, after.encode())


def create_file(path: str | os.PathLike[str], file: MonitorFile) -> None:
    """Do what :func:`create_monitor` does, with all that a file holds."""
    with _locked(path, timeout=60.0):  # two who create it at once: the second one finds it
        if os.path.lexists(path):
            raise FileExistsError(
                f"There is a file {_name(path)}: name another one, for the evidence in it is not overwritten."
            )
        replace_file(path, file.text.encode())


def read_file(path: str | os.PathLike[str]) -> MonitorFile:
    """Read all that the file of a monitor holds."""
    document, columns = _read(path)
    try:
        return MonitorFile(FairnessMonitor.from_state(document), columns)
    # A file from elsewhere may hold anything, and whatever is wrong with it, the path must be said.
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        reason = shorten(str(error) or type(error).__name__, _LONGEST_REASON)
        raise ValueError(f"{_name(path)} holds no monitor that can be read: {reason}") from None


def read_columns(path: str | os.PathLike[str]) -> Mapping[str, Any] | None:
    """Read what the file of a monitor says of tables, without looking at the evidence."""
    return _read(path)[1]


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Mapping[str, Any] | None]:
    """Return the state in a file, and the columns."""
    _refuse_absent(path)
    with open(path, "rb") as stream:
        data = stream.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ValueError(f"{_name(path)} is no monitor: it has more than {_LARGEST / 2**20:g} MB.")
    document, findings = parse(data.removeprefix(b"\xef\xbb\xbf"))
    if findings:
        reason = findings[0].sentence.partition(": ")[2] if data.strip() else "it is empty."
        raise ValueError(f"{_name(path)} cannot be read: {shorten(reason, _LONGEST_REASON)}")
    if not isinstance(document, dict):
        raise ValueError(f"{_name(path)} holds no monitor, but other JSON.")
    columns = document.pop(_COLUMNS, None)
    if not isinstance(columns, dict | None):
        raise ValueError(f"{_name(path)} holds no monitor that can be read: its columns are no object.")
    return document, columns


def replace_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file as a whole: whoever opens it finds all of the new, or all of the old one.

    Parameters
    ----------
    path : path
        The file; of a symbolic link, what it points to is replaced. Permissions stay as they are, and the
        owner as far as the system allows.
    data : bytes
        What it is to hold.
    """
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(6)}.part")
    there = os.path.exists(target)

    def opener(file: str, flags: int) -> int:
        return os.open(file, flags, _SECRET if there else _NEW)

    try:
        with open(temporary, "xb", opener=opener) as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if there:
            _copy_permissions(target, temporary)
        os.replace(temporary, target)
    except BaseException:  # a full disk, or Ctrl-C: nothing is left behind
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _copy_permissions(source: str, target: str) -> None:
    old = os.stat(source)
    if hasattr(os, "chown"):
        with suppress(OSError):  # only the owner of a system may give files away
            os.chown(target, old.st_uid, old.st_gid)
    os.chmod(target, stat.S_IMODE(old.st_mode))


def _sync_folder(folder: str) -> None:
    """Make a new name in a folder last, where folders can be opened."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _locked(path: str | os.PathLike[str], timeout: float) -> Iterator[None]:
    """Hold the lock of a file, whatever it is called: links to it share its lock."""
    from filelock import FileLock, Timeout

    if not (isinstance(timeout, int | float) and 0 <= timeout < math.inf):
        raise ValueError(f"timeout must be a number of seconds that is not negative; got {show(timeout)}.")
    target = os.path.realpath(path)
    if not os.path.isdir(os.path.dirname(target)):
        raise FileNotFoundError(f"{_name(path)}: there is no such folder to write a file in.")
    lock = FileLock(f"{target}.lock")
    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        raise TimeoutError(
            f"{_name(path)} is being changed by another process, and was so for {timeout:g} seconds. Try "
            "again, or give it more time with timeout=."
        ) from None
    except (OSError, NotImplementedError) as error:  # the second from filelock, of folders without locks
        reason = getattr(error, "strerror", None) or str(error)
        raise PermissionError(
            f"{_name(path)} cannot be locked, which takes a file beside it, {show(target + '.lock')}: "
            f"{shorten(reason, 200)}. Who only reads it needs no lock."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _refuse_absent(path: str | os.PathLike[str]) -> None:
    """Refuse what is no file, before it is opened: a pipe would block for ever."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {_name(path)}: make one with create_monitor.") from None
    if not stat.S_ISREG(mode):
        raise ValueError(f"{_name(path)} is no file of a monitor, but {_kind(mode)}.")


def _kind(mode: int) -> str:
    return "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"


def _name(path: str | os.PathLike[str]) -> str:
    return show(os.fspath(path))
