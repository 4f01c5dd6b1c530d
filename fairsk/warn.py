"""Warnings that point at the line of the user, however deep inside the package they arise."""

from __future__ import annotations

import os
import sys
import warnings

import sklearn.base

__all__ = ["warn_user"]

#: Where the modules of this package lie.
_PACKAGE = os.path.dirname(__file__) + os.sep


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, at the innermost line that is neither in this package nor in what scikit-learn puts around it."""
    level, frame, ours = 1, sys._getframe(), (_PACKAGE, sklearn.base.__file__)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(ours):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
