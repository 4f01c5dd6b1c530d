"""Warnings that point at the line of the user, however deep inside the package they arise."""

from __future__ import annotations

import os
import sys
import warnings

__all__ = ["warn_user"]

#: Where the modules of this package lie.
_PACKAGE = os.path.dirname(__file__) + os.sep


def warn_user(message: str) -> None:
    """Warn, at the innermost line that is not one of this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)
