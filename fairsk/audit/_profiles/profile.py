"""Profiles: their form, the tables that they make, and the list of those that are built in."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import narwhals as nw

from fairsk._core.groups import format_group
from fairsk._core.messages import did_you_mean, list_texts, show
from fairsk._core.results import Result, Table, number, p_value, plain, row_count
from fairsk._core.validation import plain_labels
from fairsk.audit._evidence import Evidence
from fairsk.audit._small_groups import name_merged
from fairsk.metrics._functions import function_name

__all__ = ["PROFILES", "Column", "Profile", "ProfileTable", "as_profile", "attributes_of"]


Kind: TypeAlias = Literal["group", "words", "remark", "rows", "percent", "number", "p"]


@dataclass(frozen=True)
class Column:
    """A column of a profile's table.

    Parameters
    ----------
    name : str
        What programs call it.
    title : str
        What people read.
    kind : {"group", "words", "remark", "rows", "percent", "number", "p"}, default="number"
        How its values are written; a remark stands below its line.
    digits : int, default=3
        How many digits stand behind the point, of numbers and percent.
    """

    name: str
    title: str
    kind: Kind = "number"
    digits: int = 3

    def write(self, value: Any) -> str:
        """Write a value; what is not there is a dash."""
        if value is None:
            return "-"
        if self.kind in ("group", "words", "remark"):
            return name_merged(value)
        if self.kind == "rows":
            return row_count(value)
        if self.kind == "percent":
            return f"{value:.{self.digits}%}"
        return p_value(value) if self.kind == "p" else number(value, self.digits)


@dataclass(frozen=True, eq=False, repr=False)
class ProfileTable(Result):
    """A table of a profile: one line per group, and what is to be said of them.

    Parameters
    ----------
    profile : str
        The name of the profile.
    name : str
        What the table shows.
    columns : tuple of Column
        Its columns; the first one is the group.
    rows : tuple of mapping
        A value for each column.
    notes : tuple of str
        What is to be said.
    model : str, default=""
        The model, if there are several.
    """

    profile: str
    name: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...] = ()
    model: str = ""

    def of(self, model: str) -> ProfileTable:
        """Return it as that of a model."""
        return replace(self, model=model)

    def to_state(self) -> dict[str, Any]:
        """Return it as plain values; labels of groups keep their kind."""
        rows = [
            {
                name: plain_labels([value])[0]
                if name in ("group", "reference") and value is not None
                else value
                for name, value in row.items()
            }
            for row in self.rows
        ]
        return {
            "profile": self.profile,
            "model": self.model,
            "name": self.name,
            "rows": rows,
            "notes": list(self.notes),
        }

    def _tables(self) -> list[Table]:
        values = {column.name: [row[column.name] for row in self.rows] for column in self.columns}
        text = {column.title: list(map(column.write, values[column.name])) for column in self.columns}
        remarks = [
            said for column in self.columns if column.kind == "remark" for said in text.pop(column.title)
        ]
        for column in self.columns:
            values[column.name] = _of_one_kind(column, values[column.name])
        caption = f"{self.name}{', ' + self.model if self.model else ''}"
        words = [column.title for column in self.columns if column.kind in ("group", "words")]
        return [Table(values, text, caption, self.notes, words=words, remarks=remarks)]


def _of_one_kind(column: Column, values: list[Any]) -> list[Any]:
    """Return the values of a column as a frame takes them: groups as text, numbers as floats."""
    if column.kind == "group":
        return list(map(name_merged, values))
    if column.kind in ("words", "remark") or any(isinstance(value, bool) for value in values):
        return values
    return [float("nan") if value is None else float(value) for value in values]


@dataclass(frozen=True, eq=False)
class Profile:
    """A named and dated calculation, from the evidence of a report to tables.

    Parameters
    ----------
    name : str
        What it is called in ``profiles=``.
    title : str
        What the section of a report is called.
    as_of : str
        The date, such as ``"2026-09-30"``, on which its status was looked up.
    status : str
        What was known of the rule or practice on that date.
    source : str
        Where it is written.
    options : mapping of str to str, or None
        The options that it takes, and what each means; None where it refuses by itself what it does not know.
    calculate : callable
        Makes tables of :class:`Evidence` and a mapping of options.
    needs_median : bool, default=True
        Whether it looks at who scores above the median of all, which takes further queries of a frame.

    See Also
    --------
    audit_predictions : Takes profiles by name, with their options; and functions of your own.

    Notes
    -----
    A profile repeats a calculation that others describe. It does not say whether a use is lawful, and the
    rules change: look at ``as_of`` and ``status``.

    Examples
    --------
    >>> from fairsk.audit import PROFILES
    >>> sorted(PROFILES)
    ['air_smd', 'four_fifths', 'll144']
    >>> PROFILES["four_fifths"].source
    '29 CFR 1607.4(D), Uniform Guidelines on Employee Selection Procedures'
    """

    name: str
    title: str
    as_of: str
    status: str
    source: str
    options: Mapping[str, str] | None
    calculate: Callable[[Evidence, Mapping[str, Any]], Sequence[ProfileTable]]
    needs_median: bool = True

    def compute(self, evidence: Evidence, options: Mapping[str, Any] | None = None) -> list[ProfileTable]:
        """Return the tables of the profile.

        Parameters
        ----------
        evidence : Evidence
            The tables of a report.
        options : mapping of str to value, optional
            Its options.

        Returns
        -------
        list of ProfileTable
            The tables.

        Raises
        ------
        ValueError
            If there is no such option, one is missing, or the evidence lacks what the profile needs.
        """
        given = dict(options or {})
        known = self.options
        unknown = [name for name in given if known is not None and name not in known]
        if known is not None and unknown:
            raise ValueError(
                f"The profile {self.name} has no option {show(unknown[0])}; it takes "
                f"{list_texts(known, 20)}.{did_you_mean(unknown[0], known)}"
            )
        tables = self.calculate(evidence, given)
        if not isinstance(tables, list | tuple) or not all(
            isinstance(table, ProfileTable) for table in tables
        ):
            raise TypeError(
                f"calculate of the profile {self.name} must return a list of ProfileTable; got "
                f"{_kinds(tables)}. A function that returns rows needs no Profile: give it to profiles=."
            )
        return list(tables)

    @property
    def paragraphs(self) -> list[str]:
        """What stands above the tables."""
        when = f" as of {self.as_of}" if self.as_of else ""
        return [f"Source: {self.source}. Status{when}: {self.status}"]


class _BuiltIn(Mapping[str, Profile]):
    """The built-in profiles by name, each imported when it is asked for."""

    _NAMES = ("air_smd", "four_fifths", "ll144")

    def __getitem__(self, name: str) -> Profile:
        if name not in self._NAMES:
            raise KeyError(name)
        profile: Profile = importlib.import_module(f"fairsk.audit._profiles.{name}").PROFILE
        return profile

    def __iter__(self) -> Iterator[str]:
        return iter(self._NAMES)

    def __len__(self) -> int:
        return len(self._NAMES)


#: The built-in profiles by name.
PROFILES: Mapping[str, Profile] = _BuiltIn()


def as_profile(profile: str | Profile | Callable[..., Any]) -> Profile:
    """Return a profile by its name, as it is, or made of a function from evidence to rows.

    Parameters
    ----------
    profile : str, Profile or callable
        The name of a built-in one; or one of your own, perhaps a function that is given :class:`Evidence`
        (``evidence.counts`` is the :class:`GroupCounts` of all attributes), and options as keywords if there
        are any. It returns rows: mappings from the name of a column to a value, or a frame.

    Raises
    ------
    ValueError
        If no built-in profile has the name.
    TypeError
        If it is none of these.
    """
    if isinstance(profile, Profile):
        return profile
    if callable(profile):
        return _from_function(profile)
    if not isinstance(profile, str):
        raise TypeError(f"A profile is a name, a Profile or a function of the evidence; got {show(profile)}.")
    if profile not in PROFILES:
        raise ValueError(
            f"There is no profile {show(profile)}; built in are {list_texts(PROFILES)}."
            f"{did_you_mean(profile, PROFILES)}"
        )
    return PROFILES[profile]


def _from_function(function: Callable[..., Any]) -> Profile:
    name = function_name(function)

    def calculate(evidence: Evidence, options: Mapping[str, Any]) -> list[ProfileTable]:
        return [_stated_table(name, _rows_of(name, function(evidence, **options)))]

    return Profile(
        name=name,
        title=name,
        as_of="",
        status="a function of the user's own, whose rows cannot be computed again from the report.",
        source="stated",
        options=None,
        calculate=calculate,
    )


def _rows_of(name: str, returned: Any) -> list[Mapping[Any, Any]]:
    """Return what a function returned as rows: those of a frame, or a list of mappings."""
    frame = nw.from_native(returned, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        index = nw.maybe_get_index(frame)
        # Groups stand in the index of a frame that was grouped, and rows do not have it.
        if index is not None and (
            index.dtype.kind not in "iu" or any(each is not None for each in index.names)
        ):
            raise TypeError(
                f"The profile {name} returned a frame whose index has values that rows would lack: return "
                "frame.reset_index()."
            )
        return list(frame.rows(named=True))
    wanted = f"The profile {name} must return rows: a list of mappings such as {_A_ROW}, or a frame"
    if isinstance(frame, nw.LazyFrame):
        raise TypeError(f"{wanted}; got a lazy frame: return frame.collect().")
    if isinstance(returned, str | Mapping) or not isinstance(returned, Iterable):
        raise TypeError(f"{wanted}; got {show(returned)}.")
    rows = list(returned)
    for row in rows:
        if not isinstance(row, Mapping):
            raise TypeError(f"{wanted}; a row of its {type(returned).__name__} is {show(row)}.")
    return rows


#: A row, where a message says what one is.
_A_ROW = '{"group": "a", "share": 0.5}'


def _kinds(tables: Any) -> str:
    """Name what came in place of a list of tables."""
    kind = type(tables).__name__
    if isinstance(tables, list | tuple):
        return f"{kind} of {list_texts(sorted({type(table).__name__ for table in tables}))}"
    return kind


def _stated_table(name: str, rows: list[Mapping[Any, Any]]) -> ProfileTable:
    names = list(dict.fromkeys(str(key) for row in rows for key in row))
    texts = [{str(key): value for key, value in row.items()} for row in rows]
    # Plain values alone: rows go into a file as they are.
    plain_rows = tuple({key: _leaf(row.get(key)) for key in names} for row in texts)
    columns = tuple(_column_of(key, [row[key] for row in plain_rows]) for key in names)
    return ProfileTable(name, name, columns, plain_rows)


def _column_of(name: str, values: list[Any]) -> Column:
    words = any(isinstance(value, str | dict) for value in values)
    return Column(name, name, "group" if name == "group" else "words" if words else "number")


def _leaf(value: Any) -> Any:
    """Return a value as a row holds it: a number, a text, None, or a label of several parts as text."""
    value = plain(value)
    return format_group(tuple(value)) if isinstance(value, list) else value


def attributes_of(evidence: Evidence, *, intersections: bool = True) -> list[tuple[str, ...]]:
    """Return the attributes of evidence, and their intersection."""
    names = evidence.counts.names
    singles: list[tuple[str, ...]] = [(name,) for name in names]
    return [*singles, tuple(names)] if intersections and len(names) > 1 else singles
