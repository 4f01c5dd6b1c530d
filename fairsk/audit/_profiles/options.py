"""Options of profiles, read from values or from the text that a command line hands over."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from fairsk._core.messages import show

__all__ = ["read_flag", "read_share", "read_shares", "read_text"]

_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_flag(options: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """Return an option that is true or false."""
    value = options.get(name, default)
    # The text "false" is true to Python, and would turn an option on that somebody turned off.
    flag = _FLAGS.get(str(value).strip().lower())
    if flag is None:
        raise ValueError(f"{name} must be true or false; got {show(value)}.")
    return flag


def read_share(options: Mapping[str, Any], name: str) -> Fraction:
    """Return an option that is a share, from 0 (its default) to below 1, exactly as it is written."""
    share = _fraction(options.get(name, 0))
    if share is None or not 0 <= share < 1:
        raise ValueError(f"{name} must be a share, from 0 to below 1; got {show(options[name])}.")
    return share


def read_shares(options: Mapping[str, Any], name: str, default: tuple[float, ...]) -> list[float]:
    """Return an option that is a list of shares between 0 and 1, or a text of them with commas between."""
    given = options.get(name, default)
    if isinstance(given, str):
        parts: list[Any] = given.split(",")
    else:
        parts = list(given) if isinstance(given, Iterable) else [given]
    shares = [_fraction(part) for part in parts]
    if not shares or not all(share is not None and 0 < share < 1 for share in shares):
        raise ValueError(f"{name} must be shares between 0 and 1, such as 0.1,0.5; got {show(given)}.")
    return [float(share) for share in shares if share is not None]


def read_text(options: Mapping[str, Any], name: str) -> str | None:
    """Return an option that is a text; None if it is empty or not given."""
    value = options.get(name)
    return None if value is None or not str(value).strip() else str(value).strip()


def _fraction(value: Any) -> Fraction | None:
    """Return a number as it is written in decimals, so that 0.02 is 2 in 100; None if it is none."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
        # 1e999999999 would be a whole number of a billion digits.
        return Fraction(str(value).strip()) if math.isfinite(number) and abs(number) < 1e9 else None
    except (TypeError, ValueError, OverflowError):
        return None
