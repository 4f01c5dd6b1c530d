"""Warnings that point at the line of the user, however deep inside the package they arise."""

from __future__ import annotations

import os
import sys
import warnings

import sklearn

__all__ = ["warn_user"]

#: Where the modules of this package lie, and those of scikit-learn, whose pipelines and searches call it.
_OURS = tuple(os.path.dirname(path) + os.sep for path in (os.path.dirname(__file__), sklearn.__file__))


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, at the innermost line that is neither in this package nor in scikit-learn."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
