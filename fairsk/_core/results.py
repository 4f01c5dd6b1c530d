"""Results: values that print as text, render as escaped HTML, become a frame, and say all they hold as JSON.

A result class derives from :class:`Result` and is a frozen dataclass (``eq=False, repr=False``)::

    @dataclass(frozen=True, eq=False, repr=False)
    class Gap(Result):
        rate: str
        groups: tuple[Hashable, ...]
        values: NDArray[np.float64]
        library: Backend | None = None

        def _tables(self) -> list[Table]:
            return [Table({"group": list(map(format_group, self.groups)), self.rate: self.values.tolist()})]

``repr`` is what ``print`` shows. ``to_dict`` returns every public field and property; a field that only the
result itself needs has a leading underscore, or ``field(repr=False)`` if users may read it but a record would
be no better for it (such as thousands of draws). ``frame`` returns the first table, in the library of the
data if ``library`` says which. Arrays and mappings become read-only when they are stored. A class that takes
other types than it keeps writes its own ``__init__`` (``@dataclass(init=False, ...)``) and ends it with
``self._set(field=value, ...)``. A part of a result that is no table itself, such as what was measured of one
attribute, is a :class:`Record`.

Results are equal only if they are the same object, for arrays of numbers with NaN have no one truth value.
Two kinds of table that add up, :class:`GroupCounts` and :class:`ScoreHistograms`, compare by their counts
instead, and so cannot be hashed. What restores an object is ``to_state`` and ``from_state``, and they alone
have it; ``to_dict`` is a record for people and other programs.
"""

from __future__ import annotations

import importlib.util
import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import narwhals as nw
import numpy as np

from fairsk._core.groups import format_group
from fairsk._core.markup import SCOPE, TABLE_STYLE, align_numbers, escape, outcome_markup, words_markup
from fairsk._core.messages import shorten, show
from fairsk.rates import Constraint, Rate, check_choice

__all__ = [
    "MOST_LINES",
    "Backend",
    "Entries",
    "Record",
    "Result",
    "Table",
    "amount",
    "amount_with_interval",
    "library_of",
    "number",
    "p_value",
    "percent",
    "plain",
    "printable",
    "read_only",
    "row_count",
    "with_interval",
]

Backend: TypeAlias = Literal["pandas", "polars", "pyarrow"]
_BACKENDS: tuple[Backend, ...] = ("pandas", "polars", "pyarrow")
#: Longer tables are cut where they are printed: a thousand groups make half a million pairs.
MOST_LINES = 200
#: Longer cells and longer sentences are shortened: a label may be as long as a book.
_LONGEST_CELL, _LONGEST_NOTE = 160, 2_000
_FLUSH_LEFT = ' class="fsk-w"'


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of values, and what is shown of them.

    Parameters
    ----------
    columns : mapping of str to sequence
        The values, for :meth:`frame`; all columns are of one length.
    shown : mapping of str to sequence of str, optional
        The columns as they are printed; by default the values are. No more than the first ``most_lines``
        are looked at, and these are enough.
    caption : str, default=""
        What stands above the table.
    notes : sequence of str, default=()
        What stands below it.
    words : collection of str, default=()
        Shown columns, beside the first, that hold words: they are set flush left.
    outcomes : collection of str, default=()
        Shown columns of outcomes, such as PASS, or of severities, such as WARNING: words that HTML shows with
        a sign and a colour.
    remarks : sequence of str, default=()
        What there is to say of each line, which stands below it in full width; empty where there is nothing.
    most_lines : int, default=200
        How many lines are shown: a thousand groups make half a million pairs.
    """

    columns: Mapping[str, Sequence[Any]]
    shown: Mapping[str, Sequence[str]] | None = None
    caption: str = ""
    notes: Sequence[str] = ()
    words: Collection[str] = ()
    outcomes: Collection[str] = ()
    remarks: Sequence[str] = ()
    most_lines: int = MOST_LINES

    @property
    def _n_shown(self) -> int:
        """How many lines are shown."""
        shown = self.columns if self.shown is None else self.shown
        return min([self.most_lines, *map(len, shown.values())])

    def cells(self) -> list[list[str]]:
        """Return the head and the body as text that cannot break a line, nor fill a page."""
        shown = self.shown
        if shown is None:
            shown = {
                name: list(map(number, values[: self._n_shown])) for name, values in self.columns.items()
            }
        columns = [[_cell(cell) for cell in (name, *cells[: self._n_shown])] for name, cells in shown.items()]
        return [list(row) for row in zip(*columns, strict=True)]

    @property
    def is_left(self) -> list[bool]:
        """Whether each column that is shown is set flush left: the first one, and those of words."""
        names = self.columns if self.shown is None else self.shown
        return [j == 0 or name in self.words or name in self.outcomes for j, name in enumerate(names)]

    @property
    def all_notes(self) -> list[str]:
        """What stands below the table, and first of all how much of it is not shown."""
        # Fewer lines than were allowed are all: some tables have one line for several values.
        is_cut = self._n_shown >= min(self.most_lines, MOST_LINES)
        hidden = max(map(len, self.columns.values()), default=0) - self._n_shown if is_cut else 0
        cut = [f"... and {hidden:,} more lines, which .frame() has"] if hidden > 0 else []
        return [shorten(printable(note), _LONGEST_NOTE) for note in (*cut, *self.notes)]

    def remark(self, line: int) -> str:
        """Return what stands below a line of the body; nothing if there is nothing to say."""
        return shorten(printable(self.remarks[line]), _LONGEST_NOTE) if line < len(self.remarks) else ""

    def text(self) -> str:
        """Return the table as aligned text."""
        cells = self.cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if left else cell.rjust(width)
                for left, cell, width in zip(self.is_left, row, widths, strict=True)
            ).rstrip()
            for row in cells
        ]
        body = [lines[0], "-" * max(map(len, lines))]
        for i, line in enumerate(lines[1:]):
            body += [line, *(f"    {said}" for said in [self.remark(i)] if said)]
        return "\n".join([*filter(None, [printable(self.caption)]), *body, *self.all_notes])

    def html(self, caption: str = "", identity: str = "") -> str:
        """Return the table as HTML, in which everything that comes from data is escaped.

        Parameters
        ----------
        caption : str, default=""
            What stands above a table that has no caption of its own.
        identity : str, default=""
            The id of the caption on a page, where the table is a region that the keyboard can scroll.
        """
        # Labels are untrusted: whatever is shown goes through here.
        head, *body = self.cells()
        columns = [self._column_html(j, [row[j] for row in body]) for j in range(len(head))]
        titles = "".join(
            f'<th scope="col"{_FLUSH_LEFT if left else ""}>{escape(cell)}</th>'
            for left, cell in zip(self.is_left, head, strict=True)
        )
        rows = []
        for i in range(len(body)):
            rows.append(f"<tr>{''.join(column[i] for column in columns)}</tr>")
            if said := self.remark(i):
                below = f'<td colspan="{len(head)}"><div>{escape(said)}</div></td>'
                rows.append(f'<tr class="fsk-below">{below}</tr>')
        said = shorten(printable(self.caption or caption), _LONGEST_CELL)
        region = f' role="region" aria-labelledby="{identity}" tabindex="0"' if identity else ""
        above = f"<caption{f' id={chr(34)}{identity}{chr(34)}' if identity else ''}>{escape(said)}</caption>"
        notes = "".join(f'<p class="fsk-note">{escape(note)}</p>' for note in self.all_notes if note)
        return (
            f'<div class="fsk-box"{region}><table>{above if said else ""}'
            f"<thead><tr>{titles}</tr></thead>\n<tbody>{chr(10).join(rows)}</tbody></table></div>\n{notes}"
        )

    def _column_html(self, place: int, cells: list[str]) -> list[str]:
        """Return the cells of the body of a column as HTML."""
        name = list(self.columns if self.shown is None else self.shown)[place]
        left = self.is_left[place]
        if name in self.outcomes:
            marked = list(map(outcome_markup, cells))
        else:
            marked = list(map(words_markup, cells)) if left else align_numbers(cells)
        if place == 0:
            return [f'<th scope="row">{cell}</th>' for cell in marked]
        return [f"<td{_FLUSH_LEFT if left else ''}>{cell}</td>" for cell in marked]

    def frame(self, backend: Backend | None = None) -> Any:
        """Return the values as a frame of that library, or of the first one that is installed."""
        for name in _BACKENDS if backend is None else (backend,):
            check_choice("backend", name, Backend)
            if importlib.util.find_spec(name) is not None:
                data = {title: list(values) for title, values in self.columns.items()}
                return nw.from_dict(data, backend=name).to_native()
        raise ImportError(
            "A frame needs pandas, polars or pyarrow, and none is installed; to_dict() needs nothing."
            if backend is None
            else f"backend={show(backend)} is not installed."
        )


@dataclass(frozen=True)
class Entries:
    """Lines of a name and what there is to say under it."""

    lines: Sequence[tuple[str, str]]

    def text(self) -> str:
        """Return a line per entry."""
        lines = [(_cell(name), _entry(text)) for name, text in self.lines]
        width = max(12, *(len(name) + 1 for name, _ in lines))
        return "\n".join(f"{name + ':':<{width}} {text}" for name, text in lines)

    def html(self) -> str:
        """Return the entries as HTML, in which everything that comes from data is escaped."""
        cells = ((escape(_cell(name)), escape(_entry(text))) for name, text in self.lines)
        return f"<dl>{''.join(f'<dt>{name}</dt><dd>{text}</dd>' for name, text in cells)}</dl>"


class Record:
    """A frozen dataclass whose arrays and mappings are read-only: a part of a result, or a result."""

    def __post_init__(self) -> None:
        self._set(**{field.name: getattr(self, field.name) for field in fields(self)})  # type: ignore[arg-type]

    def _set(self, **values: Any) -> None:
        """Store fields, for the instance is frozen; arrays and mappings are stored read-only."""
        for name, value in values.items():
            object.__setattr__(self, name, read_only(value))

    def __getstate__(self) -> dict[str, Any]:
        return {name: _writable(value) for name, value in vars(self).items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set(**state)


class Result(Record, ABC):
    """A result made of tables, the first of which is the one that :meth:`frame` returns."""

    #: The library of the user's own data, if they came in a frame.
    library: Backend | None = None

    @abstractmethod
    def _tables(self) -> Sequence[Table | Entries]:
        """Return the tables, and entries between them."""

    def _for_report(self) -> Result:
        """Return what a report states of the result: all of it, but for texts that people wrote."""
        return self

    def _first(self) -> Table:
        return next(table for table in self._tables() if isinstance(table, Table))

    def to_dict(self) -> dict[str, Any]:
        """Return all that the result says as plain values, fit for JSON.

        Returns
        -------
        dict of str to value
            Every public attribute: numbers, text, lists and dictionaries. NaN is None, infinity is ``"inf"``
            or ``"-inf"``, and the keys of a mapping from groups are the groups as tables show them. Only if
            two groups read alike, such as 1 and ``"1"``, the mapping is a list of pairs ``[group, value]``.
        """
        return {name: plain(value) for name, value in self._content().items()}

    def _content(self) -> dict[str, Any]:
        """Return what :meth:`to_dict` says, before it is made plain: public fields, then properties."""
        return {name: getattr(self, name) for name in _public_names(self)}

    def frame(self, backend: Backend | None = None) -> Any:
        """Return the (first) table as a frame.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}, optional
            The library; by default that of the data, else the first one that is installed.

        Returns
        -------
        frame
            A line per group, pair of groups, or whatever else the table lists.

        Raises
        ------
        ImportError
            If the library, or any of them, is not installed.
        """
        return self._first().frame(self.library if backend is None else backend)

    def __str__(self) -> str:
        return "\n\n".join(table.text() for table in self._tables())

    def __repr__(self) -> str:
        return str(self)

    def _rendered(self) -> str:
        """Return what a notebook shows, without the style."""
        return "".join(table.html() for table in self._tables())

    def _repr_html_(self) -> str:
        return f'<div class="{SCOPE}"><style>{TABLE_STYLE}</style>{self._rendered()}</div>'


def read_only(value: Any) -> Any:
    """Return arrays and mappings, also those inside of tuples and mappings, such that they cannot be changed.

    An array becomes a view, so that one that the caller still holds stays writable for the caller.
    """
    if isinstance(value, np.ndarray):
        view = value.view()
        view.flags.writeable = False
        return view
    if type(value) is tuple:
        return tuple(map(read_only, value))
    if type(value) in (dict, MappingProxyType):
        return MappingProxyType({key: read_only(item) for key, item in value.items()})
    return value


def _writable(value: Any) -> Any:
    """Return mappings as dictionaries, which unlike read-only ones can be pickled and copied."""
    if type(value) is tuple:
        return tuple(map(_writable, value))
    if isinstance(value, MappingProxyType):
        return {key: _writable(item) for key, item in value.items()}
    return value


def _public_names(value: Any) -> Iterator[str]:
    """Yield the names of the public fields (or attributes) and properties of a result."""
    if is_dataclass(value):
        names = [field.name for field in fields(value) if field.repr]
    else:
        names = [name for name in vars(value) if not name.endswith("_")]
    for parent in reversed(type(value).__mro__):
        names += [key for key, kind in vars(parent).items() if isinstance(kind, property | cached_property)]
    yield from (name for name in dict.fromkeys(names) if not name.startswith("_") and name != "library")


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: see :meth:`Result.to_dict`.

    A mapping becomes a dictionary whose keys are text. Where two keys read alike, such as the groups 1 and
    ``"1"``, it becomes a list of pairs ``[key, value]`` instead, so that none is lost.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        return None if math.isnan(value) else str(value)
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist()) if value.dtype.kind not in "mM" else plain(value.astype(str).tolist())
    if isinstance(value, Result):
        return value.to_dict()
    if isinstance(value, Rate | Constraint):
        return value.name
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in _public_names(value)}
    if isinstance(value, Mapping):
        keys = [key if isinstance(key, str) else format_group(key) for key in value]
        items = list(map(plain, value.values()))
        if len(set(keys)) < len(keys):  # such as 1 and "1": no keys of one dictionary
            return [[plain(key), item] for key, item in zip(value, items, strict=True)]
        return dict(zip(keys, items, strict=True))
    if isinstance(value, list | tuple | set | frozenset | range):
        return list(map(plain, value))
    return str(value)


def library_of(*data: Any) -> Backend | None:
    """Return the library of the first frame or series among some data, if it is one that we can make."""
    for values in data:
        native = nw.from_native(values, pass_through=True, allow_series=True)
        if isinstance(native, nw.DataFrame | nw.LazyFrame | nw.Series):
            name = native.implementation.value
            return name if name in _BACKENDS else None
    return None


def printable(text: str) -> str:
    """Replace what would break a line or hide in it."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def number(value: Any, digits: int = 3) -> str:
    """Write a value: whole numbers with commas, others with that many digits, NaN as a dash."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if value is None:
        return "-"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        return "-" if np.isnan(value) else f"{round(float(value), digits) + 0.0:.{digits}f}"  # never a -0.000
    return str(value)


#: How many digits an amount shows at least, its whole part always being complete.
_AMOUNT_DIGITS = 4
#: Two digits of half the width of an interval say what is known of an amount; more of it is noise.
_WIDTH_DIGITS = 2
#: A number holds no more digits than these.
_MOST_DIGITS = 15


def amount(value: Any, half_width: float | None = None) -> str:
    """Write an amount with its significant digits: whole thousands with commas, NaN as a dash.

    Parameters
    ----------
    value : float or any other
        The amount; what is no float is written as :func:`number` writes it.
    half_width : float, optional
        Half the width of its interval, whose first two digits are the last ones that are shown. Without it,
        or if it is 0 or not finite, at least four digits are.
    """
    if not isinstance(value, float | np.floating) or not math.isfinite(value):
        return number(value)
    size = abs(float(value))
    exponent = math.floor(math.log10(size)) if size else 0
    if half_width is not None and 0 < half_width < math.inf:
        decimals = _WIDTH_DIGITS - 1 - math.floor(math.log10(half_width))
        decimals = min(decimals, _MOST_DIGITS - 1 - exponent)
    else:
        decimals = _AMOUNT_DIGITS - 1 - exponent
    if size and (exponent >= _MOST_DIGITS or decimals > _MOST_DIGITS):
        return f"{value:.{_AMOUNT_DIGITS - 1}e}"  # beyond what people read digit by digit
    decimals = max(decimals, 0)
    return f"{round(float(value), decimals) + 0.0:,.{decimals}f}"  # never a -0.0


def amount_with_interval(value: float, low: float, high: float) -> str:
    """Write an amount with its interval, all with the digits of its width; or alone, without limits."""
    if np.isnan(low) and np.isnan(high):
        return amount(value)
    half_width = (high - low) / 2
    return f"{amount(value, half_width)} [{amount(low, half_width)}, {amount(high, half_width)}]"


def _cell(text: str) -> str:
    """Write a cell so that no label, however long, widens its table beyond reason."""
    return shorten(printable(text), _LONGEST_CELL)


def _entry(text: str) -> str:
    return shorten(printable(text), _LONGEST_NOTE)


def row_count(n: float) -> str:
    """Write a (weighted) number of rows: whole ones without decimals."""
    n = round(float(n), 6)  # sums of weights such as 1.1 miss whole numbers by rounding
    return f"{n:,.0f}" if n.is_integer() else f"{n:,.1f}"


def with_interval(value: float, low: float, high: float, digits: int = 3) -> str:
    """Write a value with its interval; without limits, the value alone."""
    if np.isnan(low) and np.isnan(high):
        return number(value, digits)
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"


def percent(share: float) -> str:
    """Write a share in percent, as it is: .995 is not 100%."""
    return f"{100 * share:g}%"


def p_value(p: float) -> str:
    """Write a p-value: two digits where it matters."""
    if np.isnan(p):
        return "-"
    if p < 1e-99:
        return "<1e-99"
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1e}"
