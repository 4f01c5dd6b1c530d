"""Functions of X that say who is sensitive, or whom a text mentions: what their columns are called."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

__all__ = [
    "MENTIONS",
    "NO_GROUP",
    "column_name",
    "listed_terms",
    "says_mentions",
    "set_aside",
    "text_column",
]

#: What the attribute of who is mentioned is called.
MENTIONS = "mentions"
#: Said of texts that mention no group, and of those that mention several: no groups to compare.
NO_GROUP = ("none", "several")


def says_mentions(function: Any) -> bool:
    """Whether this is the method of a term swapper that says who is mentioned, or a partial of it."""
    owner = _owner(function)
    return hasattr(owner, "group_names") and hasattr(owner, "terms")


def listed_terms(function: Any) -> tuple[str, ...]:
    """Return the terms of the groups that a function of texts looks for, if it says so."""
    return tuple(getattr(_owner(function), "terms", ()))


def text_column(function: Any) -> str | int | None:
    """Return the column of a frame whose texts a partial of a function reads, if it says so."""
    column: str | int | None = getattr(function, "keywords", {}).get("text")
    return column


def column_name(function: Any) -> str | None:
    """Return what to call the column that a function of X returns; None if the function has no name."""
    if says_mentions(function):
        return MENTIONS
    name = getattr(_without_arguments(function), "__name__", "")
    return name if isinstance(name, str) and name.isidentifier() else None  # a lambda is no name


def set_aside(names: Sequence[str], labels: Iterable[Hashable]) -> frozenset[Hashable]:
    """Return the groups of texts that mention none or several, also within an intersection."""
    if MENTIONS not in names:
        return frozenset()
    place = names.index(MENTIONS)
    parts: dict[Hashable, Any] = {
        label: label[place] if isinstance(label, tuple) and len(names) > 1 else label for label in labels
    }
    return frozenset(label for label, mention in parts.items() if mention in NO_GROUP)


def _owner(function: Any) -> Any:
    return getattr(_without_arguments(function), "__self__", None)


def _without_arguments(function: Any) -> Any:
    """Return the function of a ``functools.partial``."""
    return getattr(function, "func", function)
