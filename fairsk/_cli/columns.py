"""Columns of a file: the options that name them, and the rows that they select."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fairsk._core.messages import show

__all__ = ["Columns", "Rows", "add_columns", "rows_in", "split_names"]


@dataclass(frozen=True)
class Columns:
    """The names of columns, by what they hold."""

    y_true: str | None
    y_pred: str | None
    y_score: str | None
    weight: str | None
    sensitive: tuple[str, ...]
    strata: tuple[str, ...]
    #: Where rows of several batches stand in one table: what tells them apart.
    batch: str | None = None
    #: Who is decided about, where rows are more than one of a person.
    unit: str | None = None

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Columns:
        """Return the columns that a command line names."""
        return cls(
            options.y_true,
            options.y_pred,
            options.y_score,
            options.weight,
            tuple(split_names(options.sensitive)),
            tuple(split_names(options.strata)),
        )

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Columns:
        """Return the columns that a report says it was made of.

        Raises
        ------
        ValueError
            If it does not say so by text.
        """
        single = [settings.get(name) for name in ("y_true", "y_pred", "y_score", "sample_weight")]
        several = [settings.get(name) or [] for name in ("sensitive_features", "strata")]
        if (
            not several[0]
            or not all(isinstance(names, list) for names in several)
            or not all(isinstance(name, str) for names in several for name in names)
            or not all(name is None or isinstance(name, str) for name in single)
        ):
            raise ValueError(
                "The report does not say of which columns it was made: name them, as in fairsk audit."
            )
        y_true, y_pred, y_score, weight = single
        return cls(y_true, y_pred, y_score, weight, tuple(several[0]), tuple(several[1]))

    def arguments(self) -> dict[str, Any]:
        """Return them as the arguments of ``audit_predictions`` that name columns."""
        return {
            "y_true": self.y_true,
            "y_pred": self.y_pred,
            "y_score": self.y_score,
            "sample_weight": self.weight,
            "sensitive_features": list(self.sensitive),
            "strata": list(self.strata) or None,
        }

    @property
    def labels(self) -> dict[str, str]:
        """The columns of labels, by option."""
        return _given({"--y-true": self.y_true, "--y-pred": self.y_pred})

    @property
    def numbers(self) -> dict[str, str]:
        """The columns of numbers, by option."""
        return _given({"--y-score": self.y_score, "--weight": self.weight})

    @property
    def groups(self) -> dict[str, Sequence[str]]:
        """The columns of groups, by option."""
        groups: dict[str, Sequence[str]] = {"--sensitive": self.sensitive, "--strata": self.strata}
        return groups if self.batch is None else groups | {"--by-column": (self.batch,)}

    @property
    def others(self) -> dict[str, str]:
        """The columns that are read as they are, by option."""
        return _given({"--unit": self.unit})


@dataclass(frozen=True)
class Rows:
    """The rows of files, and the columns of them that are asked for.

    Parameters
    ----------
    name : str
        What messages call the files.
    relation : DuckDBPyRelation
        The columns.
    connection : DuckDBPyConnection
        The database in which it lives.
    """

    name: str
    relation: Any
    connection: Any

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The DuckDB type of each column."""
        return dict(zip(self.relation.columns, map(str, self.relation.types), strict=True))


@contextmanager
def rows_in(files: Sequence[str], columns: Columns, missing: Collection[str]) -> Iterator[Rows]:
    """Open files for as long as their rows are counted, and show how far that is.

    Parameters
    ----------
    files : sequence of str
        Names of files, or patterns.
    columns : Columns
        What is read of them.
    missing : collection of str
        Texts that stand for a missing value.

    Raises
    ------
    ImportError
        If the extra ``fairsk[cli]`` is not installed.
    ValueError
        If a file cannot be read, or values are missing that must not be; also for what is raised by the
        caller because of that.
    """
    from fairsk._cli.progress import showing_progress
    from fairsk._cli.tables import explain_missing, open_table, reading, select_columns

    table = open_table(files)
    with showing_progress(table.connection, f"counting {table.name}"):
        relation = select_columns(
            table,
            labels=columns.labels,
            groups=columns.groups,
            numbers=columns.numbers,
            others=columns.others,
            missing=missing,
        )
        try:
            with reading():
                yield Rows(table.name, relation, table.connection)
        except ValueError:
            said = explain_missing(relation, columns.labels | columns.numbers, table.name)
            if said is None:
                raise
            raise ValueError(said) from None


def split_names(values: Iterable[str] | None) -> list[str]:
    """Return names that stand in one text, separated by commas, or in several; quotes hide a comma."""
    names = list[str]()
    for value in values or ():
        try:
            records = list(csv.reader([value], skipinitialspace=True, strict=True))
        except csv.Error:
            raise ValueError(f"The names in {show(value)} are not quoted as they should.") from None
        names += [name for record in records for name in record if name]
    return list(dict.fromkeys(names))


def _given(columns: Mapping[str, str | None]) -> dict[str, str]:
    return {option: name for option, name in columns.items() if name is not None}


def add_columns(parser: argparse.ArgumentParser, title: str = "columns") -> argparse._ArgumentGroup:
    """Add the options that say which columns are what; return their group."""
    columns = parser.add_argument_group(title)
    columns.add_argument("--y-pred", metavar="COLUMN", help="the decisions, or predicted labels")
    columns.add_argument("--y-true", metavar="COLUMN", help="the labels, if they are known")
    columns.add_argument(
        "--y-score",
        metavar="COLUMN",
        help="scores, for calibration; without --y-pred, those above the median are selected",
    )
    columns.add_argument(
        "--sensitive",
        action="append",
        metavar="COLUMN[,COLUMN]",
        help="the groups; of several columns, each is audited, and their intersection. An empty cell is the "
        "group (unknown). A policy may name them",
    )
    columns.add_argument("--weight", metavar="COLUMN", help="weights of the rows")
    columns.add_argument(
        "--strata", action="append", metavar="COLUMN[,COLUMN]", help="columns to hold constant"
    )
    columns.add_argument(
        "--missing",
        action="append",
        default=[],
        metavar="TEXT",
        help="a text that stands for a missing value, besides an empty cell: NA, or ?",
    )
    return columns
