"""Warnings that point at the user's line, or name the estimator where that line is out of sight.

:func:`warn_user` is the only way to warn in this package. It looks for the innermost frame that is not of the
machinery: this package, the libraries that call it back (pipelines, searches, worker pools, training loops)
and the standard library. What is left is the user's script, notebook, package or test, however many layers
lie between. In a worker process or thread there is no such frame; the message then begins with the estimator
(or scorer, or function) that warns, and since every message names the parameter that it is about, the user
knows where to look.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from types import FrameType

from sklearn.base import BaseEstimator

__all__ = ["warn_user"]

_PACKAGE = __name__.partition(".")[0]
#: Packages that stand between the user and this one: their lines say nothing to the user.
_MACHINERY = frozenset(
    {_PACKAGE, "sklearn", "joblib", "loky", "skorch", "imblearn", "torch", "numpy", "scipy", "narwhals"}
    | {"dask", "distributed", "ray"}  # as backends of joblib
)
_STANDARD_LIBRARY = sysconfig.get_path("stdlib") + os.sep
#: Directories of installed packages, which may lie inside that of the standard library.
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
#: A longer description than this does not stand before a message.
_LONGEST_NAME = 100


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, at the user's line; where there is none on the stack, in the name of the estimator.

    Parameters
    ----------
    message : str
        What is wrong and what to do; it names the parameter that it is about.
    category : type of warning, default=UserWarning
        Which kind of warning.
    """
    frames = list(_outwards(sys._getframe(1)))
    user = next((frame for frame in frames if not _is_machinery(frame)), None)
    if user is None:
        user, name = _spokesman(frames)
        if not name.startswith("<"):  # a program of ours, such as the command line, has no name to give
            message = f"{name}: {message}"
    # As warnings.warn does, but for a frame instead of a number of levels, which would have to be counted
    # past frames that it leaves out. The registry is what shows a warning once per line.
    warnings.warn_explicit(
        message,
        category,
        filename=user.f_code.co_filename,
        lineno=user.f_lineno,
        module=user.f_globals.get("__name__") or "<unknown>",
        registry=user.f_globals.setdefault("__warningregistry__", {}),
    )


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield a frame and those that called it, the innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def _package(frame: FrameType) -> str:
    """Return the package whose code a frame runs, also of one that is run by ``python -m``."""
    spec = frame.f_globals.get("__spec__")
    name = getattr(spec, "name", None) or frame.f_globals.get("__name__") or ""
    return str(name).partition(".")[0]


def _is_machinery(frame: FrameType) -> bool:
    """Tell whether a frame is none of the user's."""
    path = frame.f_code.co_filename
    if path == "<string>":
        # Generated code, such as the __init__ of a dataclass; or what started a worker process.
        return frame.f_code.co_name != "<module>" or multiprocessing.parent_process() is not None
    standard = path.startswith(_STANDARD_LIBRARY) and not any(part in path for part in _INSTALLED)
    return standard or path.startswith("<frozen ") or _package(frame) in _MACHINERY


def _spokesman(frames: list[FrameType]) -> tuple[FrameType, str]:
    """Return the frame and the name in which to warn: of the nearest estimator, else of what was called."""
    ours = [frame for frame in frames if _package(frame) == _PACKAGE]
    for frame in ours:
        owner = frame.f_locals.get("self")
        # A private method may be that of a helper, which another estimator made for itself.
        if isinstance(owner, BaseEstimator) and not frame.f_code.co_name.startswith("_"):
            return frame, type(owner).__name__
    outermost = ours[-1]
    owner = outermost.f_locals.get("self")
    if owner is None:
        return outermost, outermost.f_code.co_name
    shown = repr(owner)  # scorers and rules of refitting print the call that makes them
    short = len(shown) <= _LONGEST_NAME and "\n" not in shown
    return outermost, shown if short else type(owner).__name__
