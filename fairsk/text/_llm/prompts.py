"""Prompt templates: a text with fields, each of which stands for the text or for a column of X.

Fields are looked up as names, and texts are put in as they are: nothing in either is ever evaluated or
formatted, so that a text with braces in it is a text with braces in it.
"""

from __future__ import annotations

import math
import string
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairsk._core.factorize import is_missing
from fairsk._core.messages import did_you_mean, list_labels, show
from fairsk._core.texts import column_names, column_values, read_texts

__all__ = ["TEXT_FIELD", "Prompt", "parse_prompt"]

#: The field that stands for the text where X is texts, or a table of one column.
TEXT_FIELD = "text"
#: What no field begins with: in braces that is rather a piece of JSON, which belongs to the text.
_OPENS_JSON = ('"', "'", "\u2018", "\u201c", "[")
_BRACES_TWICE = "A brace that is no field is written twice, {{ and }}."
#: Whole numbers up to here are written without a decimal point: a column of ages is one of floats as soon as
#: one age is missing, and the prompts of all other rows must not change by that.
_LARGEST_WHOLE = 1e15


@dataclass(frozen=True)
class Prompt:
    """A template taken apart: a literal text before each field, and one after the last.

    Parameters
    ----------
    literals : tuple of str of length n_fields + 1
        What stands between the fields.
    fields : tuple of str
        The fields, in the order in which they stand; one may come several times.
    """

    literals: tuple[str, ...]
    fields: tuple[str, ...]

    def render(self, X: Any) -> list[str]:
        """Return the prompt of each row.

        Raises
        ------
        ValueError
            If X does not have a column that a field names, or misses a value in it.
        TypeError
            If X is no table and holds something else than texts, or a cell holds neither text nor number.
        """
        names = column_names(X)
        values: dict[str, list[str]] = {}
        for field in dict.fromkeys(self.fields):
            if names is None or (len(names) == 1 and field == TEXT_FIELD and str(names[0]) != field):
                if field != TEXT_FIELD:
                    raise ValueError(_no_columns(field))
                values[field] = read_texts(X)
            else:
                values[field] = _column(X, field, names)
        return list(map(self._join, zip(*(values[field] for field in self.fields), strict=True)))

    def fill(self, text: str) -> str:
        """Return the prompt with the same text in every field."""
        return self._join((text,) * len(self.fields))

    def _join(self, values: tuple[str, ...]) -> str:
        parts = [self.literals[0]]
        for value, literal in zip(values, self.literals[1:], strict=True):
            parts += (value, literal)
        return "".join(parts)


def parse_prompt(prompt: str) -> Prompt:
    """Take a template apart.

    Parameters
    ----------
    prompt : str
        Text in which ``{name}`` is a field; ``{{`` and ``}}`` are braces that belong to the text.

    Raises
    ------
    ValueError
        If a brace has no partner, a field is more than a name or looks like a part of the text, or there is
        no field. Whether X has a column of that name is seen when there is an X.
    """
    try:
        parts = list(string.Formatter().parse(prompt))
    except ValueError as error:
        raise ValueError(
            f"prompt={show(prompt)} cannot be read ({error}). Write braces that belong to the text twice: "
            "{{ and }}."
        ) from None
    literals, fields = [""], []
    for literal, field, specification, conversion in parts:
        literals[-1] += literal
        if field is None:
            continue
        if not field.strip() or specification or conversion or set(field) & set("{}"):
            raise ValueError(
                f"prompt={show(prompt)} has a field that is more, or less, than a name: a field is the name "
                "of a column in braces, such as {comment}, without a format; braces that belong to the text "
                "are written twice, {{ and }}."
            )
        if field.lstrip().startswith(_OPENS_JSON) or "\n" in field:
            raise ValueError(
                f"prompt={show(prompt)} has {show('{' + field + '}')}, which looks like a part of the text: "
                "a brace that is no field is written twice, {{ and }}; a field is the name of a column, "
                "without quotes."
            )
        fields.append(field)
        literals.append("")
    if not fields:
        raise ValueError(
            f"prompt={show(prompt)} has no field, so that it would be the same for every row: put {{text}} "
            "where the text goes, or the names of columns in braces."
        )
    return Prompt(tuple(literals), tuple(fields))


def _column(X: Any, field: str, names: list[Any]) -> list[str]:
    """Return the column of a table that a field names, as texts."""
    name = next((name for name in names if str(name) == field), None)
    if name is None:
        raise ValueError(
            f"prompt has a field {show('{' + field + '}')}, and X no such column: its columns are "
            f"{list_labels(names)}.{did_you_mean(field, map(str, names))} {_BRACES_TWICE}"
        )
    values = column_values(X, name)
    missing = [row for row, value in enumerate(values) if not isinstance(value, str) and is_missing(value)]
    if missing:
        raise ValueError(
            f"The column {show(name)}, which prompt names, has no value in {len(missing):,} of "
            f"{len(values):,} rows, the first is row {missing[0]}: leave these rows out, or fill in a "
            "word such as 'unknown'."
        )
    return [_written(value, name) for value in values]


def _written(value: Any, name: Any) -> str:
    """Write a cell into a prompt."""
    if isinstance(value, str):
        return str(value)
    plain = value.item() if isinstance(value, np.generic) else value
    if (
        isinstance(plain, float)
        and math.isfinite(plain)
        and plain.is_integer()
        and abs(plain) < _LARGEST_WHOLE
    ):
        return str(int(plain))
    if isinstance(plain, bytes) or hasattr(plain, "__len__"):
        raise TypeError(
            f"The column {show(name)}, which prompt names, must hold texts or numbers, and has "
            f"{show(plain)}, of type {type(plain).__name__}."
        )
    return str(plain)


def _no_columns(field: str) -> str:
    return (
        f"prompt has a field {show('{' + field + '}')}, but X is texts and has no columns: in prompt, "
        f"{{text}} stands for the text; or give a frame that has this column. {_BRACES_TWICE}"
    )
