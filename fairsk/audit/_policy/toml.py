"""The TOML file of a policy: read with its size limited, written, and searched for the line of a problem."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from fairsk._core.messages import shorten, show

__all__ = ["MOST_CHARACTERS", "find_line", "read_toml", "write_toml"]

#: A longer file than this is no policy.
MOST_CHARACTERS = 200_000

_HEADER = re.compile(r"\s*\[")
_WHERE = re.compile(r"(?:(?P<table>criteria|scenarios)\[(?P<index>\d+)\])?\.?(?P<key>[^.\[]*)")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def read_toml(source: str | Path) -> tuple[dict[str, Any], str, str]:
    """Return what a file, or the text of one, says; its text; and what messages call it.

    A text without a line break is a path: no policy fits on one line.
    """
    if isinstance(source, str) and "\n" in source:
        text, called = source, "The policy"
    else:
        text, called = _read_file(Path(source)), shorten(str(source), 200)
    if len(text) > MOST_CHARACTERS:
        raise ValueError(
            f"{called} has {len(text):,} characters, more than the {MOST_CHARACTERS:,} of a policy."
        )
    try:
        return tomllib.loads(text.removeprefix("\ufeff")), text, called
    except ValueError as error:  # TOMLDecodeError, or a number with thousands of digits
        raise ValueError(f"{called} is no TOML: {shorten(str(error), 300)}.") from None
    except RecursionError:
        raise ValueError(f"{called} is nested too deeply for a policy.") from None


def _read_file(path: Path) -> str:
    """Return the text of a file, no more of it than a policy may have, and one character."""
    with path.open("rb") as file:
        data = file.read(4 * MOST_CHARACTERS + 1)  # a character has four bytes at most
    try:
        return data.decode()
    except UnicodeDecodeError:
        if len(data) > MOST_CHARACTERS:  # cut within a character, or no text at all
            raise ValueError(f"{shorten(str(path), 200)} is too long for a policy.") from None
        raise ValueError(f"{shorten(str(path), 200)} is not UTF-8 text, as TOML is.") from None


def find_line(text: str, where: str, values: Mapping[str, Any]) -> int | None:
    """Return the number of the line that a problem is about, or of the table that it is in; None if unsure.

    Parameters
    ----------
    text : str
        The file.
    where : str
        The place, such as ``"criteria[1].min_ratio"``.
    values : mapping
        What the file says. A line of a multi-line text may look like the head of a table: if the heads do
        not add up to the tables that there are, no line is named.
    """
    match = _WHERE.match(where)
    if match is None:
        return None
    lines = text.splitlines()
    heads = [n for n, line in enumerate(lines) if _HEADER.match(line)]
    start, line_of_table = 0, None
    if match["table"]:
        head = re.compile(rf"\s*\[\[\s*{match['table']}\s*\]\]")
        tables, read = [n for n in heads if head.match(lines[n])], values.get(match["table"])
        if not isinstance(read, Sequence) or len(tables) != len(read):
            return None
        line_of_table = tables[int(match["index"])] + 1
        start = line_of_table
    end = next((n for n in heads if n >= start), len(lines))
    key = re.compile(rf"\s*[\"']?{re.escape(match['key'])}[\"']?\s*[=.]")
    found = [n + 1 for n in range(start, end) if match["key"] and key.match(lines[n])]
    return found[0] if len(found) == 1 else line_of_table


def write_toml(values: Mapping[str, Any]) -> str:
    """Write a policy: what is said in a line first, then tables; None is left out."""
    plain = {key: value for key, value in values.items() if value is not None and not _is_table(value)}
    blocks = ["".join(f"{_key(key)} = {_value(value)}\n" for key, value in plain.items())]
    for key, value in values.items():
        if not _is_table(value):
            continue
        if isinstance(value, Mapping):
            parts = [(f"[{_key(key)}.{_key(name)}]", part) for name, part in value.items()]
        else:
            parts = [(f"[[{_key(key)}]]", part) for part in value]
        for head, part in parts:
            lines = "".join(f"{_key(name)} = {_value(entry)}\n" for name, entry in part.items())
            blocks.append(f"{head}\n{lines}")
    return "\n".join(blocks)


def _is_table(value: Any) -> bool:
    """Return whether a value is written as tables of their own: a table of tables, or a list of tables."""
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return bool(inner) and all(isinstance(part, Mapping) for part in inner)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    # A basic string of TOML is one of JSON, but for the character DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    raise TypeError(f"{show(value)} does not fit into TOML.")
