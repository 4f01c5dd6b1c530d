"""Tables in files: CSV and Parquet as DuckDB relations, which are read while they are counted."""

from __future__ import annotations

import contextlib
import csv
import glob
import gzip
import io
import math
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fairsk._core.messages import did_you_mean, list_texts, shorten, show

__all__ = [
    "Table",
    "are_labels",
    "explain_missing",
    "first_of_each",
    "open_table",
    "reading",
    "select_columns",
    "values_in",
]

#: A Parquet file begins with these bytes, whatever it is called.
_PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
#: What begins like this holds no text, and no Parquet either.
_OTHER_KINDS = {
    b"PK\x03\x04": "a zip archive or an Excel file",
    b"ARROW1": "an Arrow or Feather file",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"BZh": "compressed by bzip2",
    b"SQLite": "a database",
    b"\x89HDF": "an HDF5 file",
}
#: What may stand between two cells; the first of those that make as many columns is taken.
_DELIMITERS = ",;\t|"
#: The header of a CSV file is looked for in so many bytes.
_LONGEST_HEADER = 1 << 20
#: More combinations of labels and groups than this are no labels and groups: their kinds do not matter.
_MOST_COMBINATIONS = 100_000

#: A number with a decimal comma, and one whose comma may part thousands as well.
_COMMA_NUMBER = r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*"
_THOUSANDS = r"\s*[+-]?[1-9]\d{0,2},\d{3}\s*"
#: What a cell of blanks alone may hold: spaces, tabs, no-break spaces.
_BLANKS = " \t\u00a0"

_WHOLE = re.compile(r"\s*[+-]?\d{1,18}\s*")
#: Whole numbers as programs write them. With a leading zero a text is a code, not a number.
_WHOLE_NAME = re.compile(r"(-?[1-9]\d{0,17}|0)(\.0)?")


@dataclass(frozen=True)
class Table:
    """An open table: nothing of it has been read but the names of its columns.

    Parameters
    ----------
    relation : DuckDBPyRelation
        The rows.
    connection : DuckDBPyConnection
        The database in which it lives.
    columns : mapping of str to str
        The names, as the file has them, and what they are called in the relation.
    paths : tuple of str
        The files.
    is_text : bool
        Whether every cell is still text, because the format has no types.
    """

    relation: Any
    connection: Any
    columns: Mapping[str, str]
    paths: tuple[str, ...]
    is_text: bool

    @property
    def name(self) -> str:
        """What messages call the table: its file, or the first of them."""
        others = len(self.paths) - 1
        name = shorten(os.path.basename(self.paths[0]))
        return f"{name} and {others} more {'file' if others == 1 else 'files'}" if others else name


def open_table(paths: Sequence[str]) -> Table:
    """Open CSV files (also compressed by gzip, or separated by tabs) or Parquet files as one table.

    Parameters
    ----------
    paths : sequence of str
        Files, or patterns such as ``predictions-*.parquet``.

    Raises
    ------
    ImportError
        If the extra ``fairsk[cli]`` is not installed.
    ValueError
        If a file is missing, or is neither CSV nor Parquet, or the files do not fit together.
    """
    try:
        import duckdb
        import pyarrow  # noqa: F401  (what DuckDB hands small tables over in)
    except ImportError as error:
        raise ImportError(
            f"Files are counted by DuckDB, and {error.name or 'it'} is not installed: "
            'pip install "fairsk[cli]" brings it.'
        ) from None
    files = _files(paths)
    kinds = {file: _kind(file) for file in files}
    if len(set(kinds.values())) > 1:
        raise ValueError("The files must be of one kind, all CSV or all Parquet.")
    # The database is in memory and empty; nothing is downloaded, whatever a file asks for.
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    connection.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
    connection.execute("SET preserve_insertion_order = false")
    # DuckDB expands patterns in names of files, too: what is in this list is meant as it is written.
    literal = [glob.escape(file) for file in files]
    is_text = kinds[files[0]] == "csv"
    with reading():
        if is_text:
            delimiter, names = _header(files)
            # Numbered, for DuckDB does not tell names that differ in case alone.
            columns = {name: f"c{i}" for i, name in enumerate(names)}
            relation = connection.read_csv(
                literal,  # type: ignore[arg-type]  # a list is fine, says the documentation
                header=True,
                sep=delimiter,
                quotechar='"',
                escapechar='"',
                auto_detect=False,
                columns=dict.fromkeys(columns.values(), "VARCHAR"),
            )
        else:
            relation = connection.read_parquet(literal, binary_as_string=True, union_by_name=len(files) > 1)
            columns = {name: name for name in relation.columns}
    return Table(relation, connection, columns, tuple(files), is_text)


def select_columns(
    table: Table,
    *,
    labels: Mapping[str, str],
    groups: Mapping[str, Sequence[str]],
    numbers: Mapping[str, str],
    others: Mapping[str, str] | None = None,
    missing: Collection[str] = (),
) -> Any:
    """Return the relation of the columns that are asked for, each of the kind that its values have.

    Cells of text that hold whole numbers, numbers or true and false everywhere become these; labels are
    read in any spelling (``1.0`` is 1), the names of groups only where nothing is lost (``01`` stays a text).
    Empty cells are missing.

    Parameters
    ----------
    table : Table
        An open table.
    labels : mapping of str to str
        The columns of labels, by the option that names each.
    groups : mapping of str to sequence of str
        The columns of groups and strata, by option.
    numbers : mapping of str to str
        The columns of scores and weights, by option.
    others : mapping of str to str, optional
        Columns that are kept as they are, by option.
    missing : collection of str
        Texts that stand for a missing value, besides an empty cell.

    Returns
    -------
    DuckDBPyRelation
        These columns, under their names.

    Raises
    ------
    ValueError
        If a column is not in the table, or labels, scores or weights are missing.
    """
    asked = [(option, name) for option, name in labels.items()]
    asked += [(option, name) for option, names in groups.items() for name in names]
    asked += [*numbers.items(), *(others or {}).items()]
    _refuse_absent(table, asked)
    names = list(dict.fromkeys(name for _, name in asked))
    if len({name.casefold() for name in names}) < len(names):
        raise ValueError("Two of the columns that are named differ in case alone: rename one of them.")
    types = dict(zip(table.relation.columns, map(str, table.relation.types), strict=True))
    cells = dict[str, str]()
    for name in names:
        column = table.columns[name]
        cells[name] = _cell(column, missing) if types[column] == "VARCHAR" else _quoted(column)
    kinds = _kinds(table, cells, labels, groups, numbers) if table.is_text else {}
    columns = [f"{_cast(cells[name], kinds.get(name))} AS {_quoted(name)}" for name in names]
    return table.relation.project(", ".join(columns))


def explain_missing(relation: Any, columns: Mapping[str, str], name: str) -> str | None:
    """Say how many values of columns, by option, are missing in a relation; None if none is."""
    counts = ", ".join(f"count({_quoted(column)}) AS n{i}" for i, column in enumerate(columns.values()))
    with reading():
        ((rows, *present),) = relation.aggregate(f"count(*) AS n, {counts}").fetchall()
    for (option, column), n in zip(columns.items(), present, strict=True):
        if n < rows:
            return _missing(option, column, rows - n, rows, name)
    return None


def values_in(relation: Any, name: str) -> list[Any]:
    """Return the values that occur in a column of a relation, the first of them if there are very many."""
    with reading():
        rows = relation.project(_quoted(name)).distinct().limit(_MOST_COMBINATIONS).fetchall()
    return sorted((value for (value,) in rows if value is not None), key=repr)


def are_labels(relation: Any, labels: Mapping[str, Any]) -> Any:
    """Return a relation in which some columns say whether they held a label.

    Parameters
    ----------
    relation : DuckDBPyRelation
        The rows.
    labels : mapping of str to value
        The label that is looked for, by column; a value of the type of the column.
    """
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    columns = [
        f"{_quoted(name)} = CAST({_text(str(labels[name]))} AS {types[name]}) AS {_quoted(name)}"
        if name in labels
        else _quoted(name)
        for name in relation.columns
    ]
    return relation.project(", ".join(columns))


def first_of_each(relation: Any, connection: Any, keys: Sequence[str]) -> Any:
    """Return of every combination of values the row that stands first in the files.

    Parameters
    ----------
    relation : DuckDBPyRelation
        The rows.
    connection : DuckDBPyConnection
        Its database, which reads rows in their order from now on.
    keys : sequence of str
        The columns whose values are combined.
    """
    connection.execute("SET preserve_insertion_order = true")
    columns, by = (", ".join(map(_quoted, names)) for names in (relation.columns, keys))
    place = _quoted(_free_name("place", relation.columns))
    numbered = relation.project(f"*, row_number() OVER () AS {place}")
    first = numbered.query(
        "numbered",
        f"SELECT * FROM numbered QUALIFY row_number() OVER (PARTITION BY {by} ORDER BY {place}) = 1",
    )
    return first.project(columns)


def _free_name(name: str, taken: Collection[str]) -> str:
    while name.casefold() in {one.casefold() for one in taken}:
        name += "_"
    return name


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Turn an error of DuckDB, which may come at any time while a file is read, into a sentence.

    Raises
    ------
    ValueError
        If DuckDB reports an error.
    """
    import duckdb

    try:
        yield
    except RuntimeError as error:  # what DuckDB makes of Ctrl-C
        if "interrupted" not in str(error):
            raise
        raise KeyboardInterrupt from None
    except duckdb.Error as error:
        raise ValueError(_sentence(str(error))) from None


def _sentence(message: str) -> str:
    """Say in a sentence what DuckDB says in a page, without the line of data that it quotes."""
    line = re.search(r"CSV Error on Line: (\d+)", message)
    files = re.findall(r"^\s*file = (.*)$", message, flags=re.MULTILINE)
    name = shorten(os.path.basename(files[-1].strip())) if files else "the file"
    place = f"line {int(line[1]):,} of {name}" if line else name
    columns = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message)
    if re.search(r"utf-8|unicode", message, flags=re.IGNORECASE):
        return f"{place} is not UTF-8 text: save it as CSV UTF-8."
    if columns:
        return f"{place} cannot be read: it has {columns[2]} cells, and the header {columns[1]}."
    if "unterminated quote" in message:
        return f"{place} cannot be read: a quoted cell does not end."
    if line or "state machine" in message:
        return (
            f"{place} cannot be read as CSV: cells are not quoted alike, a line is too long, or some lines "
            "end as on Windows and others as on Unix."
        )
    first = re.sub(r"^[A-Za-z /]*Error: ", "", (message.strip() or "unknown error").splitlines()[0])
    return f"{name} cannot be read: {shorten(first, 300)}"


def _files(paths: Sequence[str]) -> list[str]:
    """Return the files that are named, or fit a pattern."""
    files = list[str]()
    for path in paths:
        if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
            raise ValueError(f"{show(path)} is a pipe: what is read more than once must be a file.")
        if os.path.isdir(path):
            raise ValueError(
                f"{show(path)} is a directory: name its files, such as '{shorten(path)}/*.parquet'."
            )
        found = [path] if os.path.exists(path) else sorted(glob.glob(path, recursive=True))
        if not found:
            near = (
                os.listdir(os.path.dirname(path) or ".")
                if os.path.isdir(os.path.dirname(path) or ".")
                else ()
            )
            raise ValueError(f"There is no file {show(path)}.{did_you_mean(os.path.basename(path), near)}")
        files += [file for file in found if not os.path.isdir(file)]
    return list(dict.fromkeys(files))


def _kind(path: str) -> str:
    """Return whether a file is Parquet or CSV, by how it begins."""
    with open(path, "rb") as file:
        start = file.read(8)
    if start.startswith(_PARQUET):
        return "parquet"
    for magic, what in _OTHER_KINDS.items():
        if start.startswith(magic):
            raise ValueError(f"{show(path)} is {what}: CSV and Parquet files can be read.")
    if Path(path).suffix.lower() in (".parquet", ".pq"):
        raise ValueError(f"{show(path)} is no Parquet file, although its name says so.")
    return "csv"


def _header(paths: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return what separates the cells of CSV files, and the names of their columns."""
    first, *others = paths
    delimiter, names = _header_of(first)
    for path in others:
        if _header_of(path) != (delimiter, names):
            raise ValueError(
                f"The columns of {show(path)} are not those of {show(first)}: several CSV files must have "
                "the same header."
            )
    return delimiter, names


def _header_of(path: str) -> tuple[str, tuple[str, ...]]:
    with open(path, "rb") as file:
        is_compressed = file.read(2) == _GZIP
    try:
        with gzip.open(path, "rb") if is_compressed else open(path, "rb") as stream:
            text = stream.read(_LONGEST_HEADER).decode("utf-8-sig", errors="replace")
    except (EOFError, gzip.BadGzipFile, OSError) as error:
        raise ValueError(f"{show(path)} cannot be read: {shorten(str(error), 200)}") from None
    if "\0" in text:
        raise ValueError(f"{show(path)} is neither CSV (in UTF-8) nor Parquet.")
    if not text.strip():
        raise ValueError(f"{show(path)} is empty: its first line must name the columns.")
    candidates = "\t" if path.lower().endswith((".tsv", ".tsv.gz")) else _DELIMITERS
    records = {mark: next(csv.reader(io.StringIO(text, newline=""), delimiter=mark)) for mark in candidates}
    delimiter = max(records, key=lambda mark: len(records[mark]))
    if not records[delimiter]:
        raise ValueError(f"The first line of {show(path)} is blank: it must name the columns.")
    names = list[str]()
    for position, name in enumerate(records[delimiter], 1):
        name = name or f"column {position}"
        while name in names:  # nobody can mean the second of two columns of one name
            name = f"{name} (again)"
        names.append(name)
    return delimiter, tuple(names)


def _refuse_absent(table: Table, asked: Sequence[tuple[str, str]]) -> None:
    for option, name in asked:
        if name not in table.columns:
            shown = list_texts(map(repr, table.columns), most=20)
            raise ValueError(
                f"There is no column {show(name)} ({option}) in {table.name}, whose columns are: {shown}."
                f"{did_you_mean(name, table.columns)}"
            )


def _quoted(name: str) -> str:
    """Write a name as SQL quotes it, so that no character of it means anything."""
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _cell(name: str, missing: Collection[str]) -> str:
    """Write the value of a column of text, in which a text without a visible character is missing."""
    cell = f"CASE WHEN trim({_quoted(name)}, {_text(_BLANKS)}) <> '' THEN {_quoted(name)} END"
    for text in missing:
        cell = f"nullif({cell}, {_text(text)})"
    return cell


def _cast(cell: str, kind: str | None) -> str:
    if kind is None:
        return cell
    if kind == "COMMA":  # a number with a decimal comma
        return f"TRY_CAST(replace({cell}, ',', '.') AS DOUBLE)"
    number = f"TRY_CAST({cell} AS DOUBLE)" if kind in ("WHOLE", "DOUBLE") else cell
    return f"CAST({number} AS BIGINT)" if kind == "WHOLE" else f"TRY_CAST({number} AS {kind})"


def _kinds(
    table: Table,
    cells: Mapping[str, str],
    labels: Mapping[str, str],
    groups: Mapping[str, Sequence[str]],
    numbers: Mapping[str, str],
) -> dict[str, str]:
    """Look through a table of text, once, for what its columns hold."""
    keys = list(dict.fromkeys([*labels.values(), *(name for names in groups.values() for name in names)]))
    measured = list(numbers.values())
    columns = [f"{cells[name]} AS k{i}" for i, name in enumerate(keys)]
    columns += [f"{cells[name]} AS n{i}" for i, name in enumerate(measured)]
    sums = ["count(*) AS size"]
    for i in range(len(measured)):
        sums += _Numbers.sums(f"n{i}")
    by = [f"k{i}" for i in range(len(keys))]
    with reading():
        combinations = table.relation.project(", ".join(columns)).aggregate(
            ", ".join([*by, *sums]), ", ".join(by)
        )
        found = combinations.limit(_MOST_COMBINATIONS + 1).fetchall()
    if len(found) > _MOST_COMBINATIONS:
        return dict.fromkeys(measured, "DOUBLE")  # whoever counts them will say so
    size = len(keys)
    rows = sum(row[size] for row in found)
    for option, name in labels.items():
        position = keys.index(name)
        n = sum(row[size] for row in found if row[position] is None)
        if n:
            raise ValueError(_missing(option, name, n, rows, table.name))
    kinds_of_numbers = dict[str, str]()
    n_sums = len(fields(_Numbers))
    for i, (option, name) in enumerate(numbers.items()):
        start = size + 1 + n_sums * i
        cells_found = _Numbers.together([row[start : start + n_sums] for row in found])
        kinds_of_numbers[name] = cells_found.kind(f"{show(name)} ({option}) of {table.name}", rows)
        if cells_found.given < rows:
            raise ValueError(_missing(option, name, rows - cells_found.given, rows, table.name))
    values = {name: {row[i] for row in found} - {None} for i, name in enumerate(keys)}
    kinds = {name: _kind_of_names(values[name]) for name in keys}
    kinds |= {name: _kind_of_labels(values[name]) for name in labels.values()}
    kinds |= kinds_of_numbers
    return {name: kind for name, kind in kinds.items() if kind is not None}


@dataclass(frozen=True)
class _Numbers:
    """What the cells of a column of numbers hold: how many are given, can be read, and have a comma."""

    given: int
    read: int
    with_comma: int
    #: Those whose comma cannot part thousands.
    with_decimal_comma: int
    with_point: int
    #: One that cannot be read as it stands.
    odd: str | None

    @staticmethod
    def sums(cell: str) -> list[str]:
        """Return what DuckDB counts, in the order of the fields."""
        number = f"TRY_CAST({cell} AS DOUBLE)"
        # Patterns are slow, and only cells with a comma need them.
        with_comma, thousands = (
            f"CASE WHEN contains({cell}, ',') THEN regexp_full_match({cell}, {_text(pattern)}) ELSE false END"
            for pattern in (_COMMA_NUMBER, _THOUSANDS)
        )
        conditions = [with_comma, f"({with_comma}) AND NOT ({thousands})", f"contains({cell}, '.')"]
        return [
            f"count({cell})",
            f"count({number})",
            *(f"count(*) FILTER ({condition})" for condition in conditions),
            f"min(CASE WHEN {number} IS NULL THEN {cell} END)",
        ]

    @classmethod
    def together(cls, parts: Sequence[Sequence[Any]]) -> _Numbers:
        """Return what several parts of a column hold together."""
        counts = [sum(part[j] for part in parts) for j in range(5)]
        odd = [part[5] for part in parts if part[5] is not None]
        return cls(counts[0], counts[1], counts[2], counts[3], counts[4], min(odd, default=None))

    def kind(self, column: str, rows: int) -> str:
        """Return how the column is read.

        Raises
        ------
        ValueError
            If not all of its cells are numbers.
        """
        if self.read == self.given:
            return "DOUBLE"
        only_commas = self.read + self.with_comma == self.given
        if only_commas and self.with_decimal_comma and not self.with_point:
            return "COMMA"
        hint = ""
        if self.with_comma:
            hint = (
                " A comma is read as a decimal point if no cell of the column has a point, and at least one "
                "of the commas cannot part thousands, as in 0,5."
            )
        raise ValueError(
            f"The column {column} must hold numbers: {self.given - self.read:,} of {rows:,} rows hold other "
            f"text, such as {show(self.odd)}.{hint}"
        )


def _missing(option: str, column: str, n: int, rows: int, name: str) -> str:
    return (
        f"The column {show(column)} ({option}) of {name} is empty in {n:,} of {rows:,} rows: leave these "
        "rows out of the file, or fill them in."
    )


def _kind_of_names(values: Collection[str]) -> str | None:
    """Return the type of names of groups: another than text only if no name is lost by it."""
    if values and all(value.casefold() in ("true", "false") for value in values):
        return "BOOLEAN"
    return "WHOLE" if values and all(map(_WHOLE_NAME.fullmatch, values)) else None


def _kind_of_labels(values: Collection[str]) -> str | None:
    """Return the type of labels, in whatever spelling."""
    if values and all(value.strip().casefold() in ("true", "false") for value in values):
        return "BOOLEAN"
    if not values or all(map(_WHOLE.fullmatch, values)):
        return "WHOLE"
    try:
        numbers = list(map(float, values))
    except ValueError:
        return None
    if not all(map(math.isfinite, numbers)):
        return None
    return "WHOLE" if all(number.is_integer() and abs(number) < 2**53 for number in numbers) else "DOUBLE"
