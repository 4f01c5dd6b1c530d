"""Labels on the command line: what a text means in a column of some type."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fairsk._cli.columns import Columns
from fairsk._core.messages import did_you_mean, list_texts, show

__all__ = ["read_pos_label", "read_references", "read_value"]


def read_pos_label(label: Any, columns: Columns, kinds: Mapping[str, str]) -> Any:
    """Return the positive label as the columns of labels have it: the text 1 is the number 1 there."""
    # If predictions and labels are of different kinds, the counts refuse both.
    name = columns.y_true if columns.y_pred is None else columns.y_pred
    return label if name is None or not isinstance(label, str) else read_value(label, kinds[name])


def read_value(text: str, kind: str) -> Any:
    """Return what a text means in a column of a DuckDB type; the text itself, if nothing."""
    if kind == "BOOLEAN":
        return {"true": True, "1": True, "false": False, "0": False}.get(text.strip().casefold(), text)
    if re.fullmatch(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL\(.*\)", kind):
        truth = {"true": 1, "false": 0}.get(text.strip().casefold())
        try:
            number = float(text) if truth is None else truth
        except ValueError:
            return text
        return int(number) if number == number // 1 else number
    return text


def read_references(
    texts: Sequence[str] | None, sensitive: Sequence[str], kinds: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return the reference group of each attribute that has one.

    Raises
    ------
    ValueError
        If a group is given without its column, where there are several.
    """
    if not texts:
        return None
    names = "|".join(re.escape(name) for name in sorted(sensitive, key=len, reverse=True))
    references = dict[str, Any]()
    for text in texts:
        # Groups may hold commas: only one before the name of a column divides.
        for part in re.split(rf",\s*(?=(?:{names})=)", text):
            named = re.fullmatch(rf"({names})=(.*)", part, flags=re.DOTALL)
            if named is None and len(sensitive) > 1:
                column = part.partition("=")[0]
                hint = did_you_mean(column, sensitive) if "=" in part else ""
                raise ValueError(
                    f"--reference {show(part)}: of which column? Write COLUMN=GROUP, with a column of "
                    f"--sensitive: {list_texts(sensitive)}.{hint}"
                )
            column, group = (sensitive[0], part) if named is None else (named[1], named[2])
            references[column] = read_value(group, kinds[column])
    return references
