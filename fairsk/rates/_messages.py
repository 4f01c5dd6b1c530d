"""Messages about names that do not exist, and choices that are none."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, get_args

__all__ = ["brief", "check_choice", "closest"]


def closest(name: str, names: Iterable[str]) -> str:
    names = list(names)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{hint} Built in: {', '.join(names)}."


def check_choice(name: str, value: Any, choices: Any, hint: str = "") -> None:
    """Refuse a value that is not among those of a ``Literal``, or a ``Literal`` or None; whatever it is."""
    allowed = _allowed(choices)
    # An array has no truth value, so that it must not be compared with a text.
    if not isinstance(value, tuple(map(type, allowed))) or value not in allowed:
        listed = ", ".join(map(repr, allowed))
        raise ValueError(f"{name} must be one of {listed}; got {brief(value)}.{hint}")


def _allowed(choices: Any) -> list[Any]:
    """Return the values of a ``Literal``, or of a union of it and None."""
    if choices is type(None):
        return [None]
    parts = get_args(choices)
    return [value for part in parts for value in _allowed(part)] if parts else [choices]


def brief(value: Any) -> str:
    """Write a value in a message, its first characters if it is long."""
    return f"{type(value).__name__}" if getattr(value, "shape", ()) else f"{value!r:.100}"
