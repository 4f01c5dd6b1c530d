"""Values in messages: shortened, so that no message is longer than people read, whatever comes in."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["did_you_mean", "in_words", "list_labels", "list_texts", "shorten", "show"]

#: A longer text than this is shortened in a message.
_LONGEST = 60
#: How many values a message lists.
_MOST = 10
#: How many of the last characters of a shortened text are kept: long names often differ at the end.
_LAST = 20

_REPR = reprlib.Repr()
_REPR.maxlevel = 2
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = _LONGEST


def shorten(text: str, most: int = _LONGEST) -> str:
    """Return a text with its middle left out if it has more characters than that."""
    return text if len(text) <= most else f"{text[: most - _LAST - 3]}...{text[-_LAST:]}"


def in_words(name: str) -> str:
    """Write the name of a rate, a criterion or a metric as people read it."""
    return name.replace("_", " ")


def show(value: Any) -> str:
    """Write any value that came in: its shortened repr; of tables and arrays, kind and shape."""
    shape = getattr(value, "shape", ())
    if isinstance(shape, tuple) and shape:
        return f"{type(value).__name__} of shape {shape}"
    plain = value.item() if isinstance(value, np.generic) else value
    text = repr(plain) if isinstance(plain, str) else _REPR.repr(plain)
    return shorten(" ".join(text.split()) if "\n" in text else text, 2 * _LONGEST)


def list_texts(texts: Iterable[str], most: int = _MOST, *, longest: int = _LONGEST) -> str:
    """Write texts one after another, the first of them if there are many, each shortened."""
    texts = list(texts)
    shown = ", ".join(shorten(text, longest) for text in texts[:most])
    return f"{shown} and {len(texts) - most:,} more" if len(texts) > most else shown


def did_you_mean(name: Any, names: Iterable[str]) -> str:
    """Return " Did you mean" the name that is most like an unknown one; nothing if none is.

    Names that differ in case and blanks alone come first: 'male' is meant by 'Male', not by 'Female'.
    """
    if not isinstance(name, str):
        return ""
    names = list(names)
    close = [one for one in names if _without_case(one) == _without_case(name)]
    close = close or difflib.get_close_matches(name[:100], names, n=1)
    return f" Did you mean {close[0]!r:.200}?" if close else ""


def _without_case(name: str) -> str:
    return "".join(name.split()).casefold()


def list_labels(labels: Iterable[Any], most: int = _MOST) -> str:
    """Write labels as Python does, so that the text '0' is told from the number 0."""
    return list_texts(map(show, labels), most)
