"""Cells of CSV files that no spreadsheet takes for a formula."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["safe_cell", "write_csv"]

#: What a formula, or the name of a program in one, begins with, in the form that NFKC gives.
_FORMULA = frozenset("=+-@|%\N{MINUS SIGN}")
#: Where a spreadsheet that expects other separators would begin another cell.
_SEPARATORS = frozenset(';,\t"')
#: Makes the cell text, in every spreadsheet.
_TEXT = "'"


def safe_cell(value: Any) -> str:
    """Return a cell, in quotes, that is text wherever it is opened.

    Parameters
    ----------
    value : value
        Whatever is to be shown; None is an empty cell.

    Returns
    -------
    str
        Line breaks, tabs and control characters are spaces. An apostrophe stands before each sign that could
        begin a formula: the first sign of the cell, or the first one after ``; ,`` or a quotation mark, at
        which a spreadsheet with other separators would begin a cell. Signs of full width count, and blanks
        and invisible characters before them do not help.
    """
    written: list[str] = []
    at_start = True
    for char in "" if value is None else str(value):
        shown = " " if unicodedata.category(char) in _BREAKS else char
        if at_start and unicodedata.normalize("NFKC", shown)[:1] in _FORMULA:
            written.append(_TEXT)
        written.append(shown)
        if shown in _SEPARATORS:
            at_start = True
        elif not (shown.isspace() or not shown.isprintable()):
            at_start = False
    text = "".join(written).replace('"', '""')
    return f'"{text}"'


#: Control characters, line and paragraph separators, half characters.
_BREAKS = frozenset({"Cc", "Zl", "Zp", "Cs"})


def write_csv(path: str | os.PathLike[str], titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Write a file of safe cells that only its owner may read, and return how many rows it has.

    Parameters
    ----------
    path : path-like
        The file; one that is there is replaced at the end, never in part.
    titles : sequence of str
        The first line.
    rows : iterable of sequences
        The others.
    """
    path = os.fsdecode(path)
    draft = f"{path}.{os.getpid()}.part"
    n_rows = 0
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8", newline="") as file:
            file.write(",".join(map(safe_cell, titles)) + "\r\n")
            for row in rows:
                file.write(",".join(map(safe_cell, row)) + "\r\n")
                n_rows += 1
        os.replace(draft, path)
    except BaseException:
        if os.path.exists(draft):
            os.unlink(draft)
        raise
    return n_rows
