"""Batches: tables in files, and counts from elsewhere, as monitors take them."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from fairsk._cli.columns import Columns, Rows, rows_in, split_names
from fairsk._cli.labels import read_value
from fairsk._cli.tables import are_labels, explain_missing, first_of_each, values_in
from fairsk._core.messages import did_you_mean, list_labels, shorten, show

__all__ = ["Batch", "Reading", "add_reading", "count_tables", "like_known", "read_counts", "read_prior"]

#: More values of a column than this are no days: a century of them has fewer.
_MOST_BATCHES = 40_000
#: Dates whose texts are not in the order of time.
_UNSORTED_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}")
#: A table of counts of 10,000 groups has 1 MB.
_LARGEST_COUNTS = 64 * 2**20


@dataclass(frozen=True)
class Batch:
    """The counts of a batch.

    Parameters
    ----------
    name : str
        What the batch is called.
    value : hashable
        What they are put in order by: the value of the column that tells them apart, or else the name.
    counts : GroupCounts
        Its decisions by group, of all groups that are known.
    histograms : ScoreHistograms or None
        Its scores.
    n_unknown : int
        How many more decisions there were, of people whose group is unknown.
    """

    name: str
    value: Any
    counts: Any
    histograms: Any
    n_unknown: int


@dataclass(frozen=True)
class Reading:
    """How tables are read, which the file of a monitor remembers.

    Parameters
    ----------
    columns : Columns
        Which columns are what.
    pos_label : str, optional
        The positive label.
    missing : tuple of str, default=()
        Texts that stand for a missing value.
    labels : tuple, default=()
        The labels that were seen so far, where the positive one is named: on a day without a positive one,
        the others must be known from before, or the name could be a mistake.
    """

    columns: Columns
    pos_label: str | None = None
    missing: tuple[str, ...] = ()
    labels: tuple[Hashable, ...] = ()

    @classmethod
    def from_options(cls, options: argparse.Namespace, remembered: Mapping[str, Any] | None) -> Reading:
        """Return what a command line names, and for the rest what was remembered.

        Raises
        ------
        ValueError
            If what was remembered cannot be read.
        """
        reading = cls._remembered(remembered or {})
        named = {
            "y_pred": options.y_pred,
            "y_true": options.y_true,
            "y_score": options.y_score,
            "sensitive": tuple(split_names(options.sensitive)) or None,
            "strata": tuple(split_names(options.strata)) or None,
            "unit": options.unit,
        }
        columns = replace(reading.columns, **{key: name for key, name in named.items() if name is not None})
        pos_label = reading.pos_label if options.pos_label is None else options.pos_label
        return cls(
            columns,
            pos_label,
            tuple(options.missing) or reading.missing,
            reading.labels if pos_label == reading.pos_label else (),
        )

    @classmethod
    def _remembered(cls, said: Mapping[str, Any]) -> Reading:
        several = [said.get(key, []) for key in ("sensitive", "strata", "missing", "labels")]
        single = [said.get(key) for key in ("y_true", "y_pred", "y_score", "unit", "pos_label")]
        is_read = (
            all(isinstance(names, list) for names in several)
            and all(isinstance(name, str) for names in several[:3] for name in names)
            and all(isinstance(label, str | int | float) for label in several[3])
            and all(name is None or isinstance(name, str) for name in single)
        )
        if not is_read:
            raise ValueError("What the file of the monitor says of columns cannot be read.")
        sensitive, strata, missing, labels = map(tuple, several)
        y_true, y_pred, y_score, unit, pos_label = single
        return cls(
            Columns(y_true, y_pred, y_score, None, sensitive, strata, unit=unit), pos_label, missing, labels
        )

    def to_state(self) -> dict[str, Any]:
        """Return what is to be remembered, as plain values."""
        columns = {field.name: getattr(self.columns, field.name) for field in fields(Columns)}
        columns |= {"pos_label": self.pos_label, "missing": self.missing, "labels": self.labels}
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in columns.items()}
        # The column of batches belongs to one file of history, not to those of the days that follow.
        return {key: value for key, value in plain.items() if value and key not in ("batch", "weight")}


def add_reading(parser: argparse.ArgumentParser, title: str) -> None:
    """Add the options that say how tables are read."""
    columns = parser.add_argument_group(title)
    columns.add_argument("--y-pred", metavar="COLUMN", help="the decisions")
    columns.add_argument("--y-true", metavar="COLUMN", help="the labels, if what is tested depends on them")
    columns.add_argument("--y-score", metavar="COLUMN", help="scores, which are shown and not tested")
    columns.add_argument(
        "--sensitive",
        action="append",
        metavar="COLUMN[,COLUMN]",
        help="the groups; several columns are tested as their intersection. Rows with an empty cell are "
        "counted in no group",
    )
    columns.add_argument(
        "--strata",
        action="append",
        metavar="COLUMN[,COLUMN]",
        help="columns to hold constant: the tolerance is tested within each of their values",
    )
    columns.add_argument(
        "--unit", metavar="COLUMN", help="who is decided about: of several rows of one, the first is counted"
    )
    columns.add_argument(
        "--pos-label",
        metavar="VALUE",
        help="the positive label, unless labels are 0 and 1, or true and false",
    )
    columns.add_argument(
        "--missing",
        action="append",
        default=[],
        metavar="TEXT",
        help="a text that stands for a missing value, besides an empty cell: NA, or ?",
    )


def count_tables(files: Sequence[str], reading: Reading, batch: str | None) -> tuple[list[Batch], Reading]:
    """Count files, as one batch or by a column as one for each of its values.

    Parameters
    ----------
    files : sequence of str
        Names of files, or patterns.
    reading : Reading
        How they are read.
    batch : str or None
        What the batch is called. None, if ``reading.columns.batch`` names the column that says so.

    Returns
    -------
    batches : list of Batch
        In their order; none if there are no rows.
    reading : Reading
        With the labels that have been seen by now.

    Raises
    ------
    ValueError
        If a file cannot be read, or not as columns and labels are said to be.
    """
    columns = reading.columns
    if columns.y_pred is None:
        raise ValueError("name the column of decisions with --y-pred.")
    if not columns.sensitive:
        raise ValueError("name the columns of groups with --sensitive.")
    if columns.batch in columns.sensitive:
        raise ValueError(
            f"--by-column {show(columns.batch)} must be another column than those of --sensitive."
        )
    with rows_in(files, columns, reading.missing) as rows:
        from fairsk.audit._evidence import Evidence

        relation = rows.relation
        if columns.unit is not None:
            relation = _of_units(rows, columns)
        relation, labels = _read_labels(relation, reading, rows)
        arguments = columns.arguments()
        if columns.batch is not None:
            arguments["sensitive_features"] = [columns.batch, *columns.sensitive]
        try:
            evidence = Evidence.from_frame(relation, **arguments, with_median=False)
        except ValueError:
            if relation.aggregate("count(*)").fetchall() == [(0,)]:
                return [], reading
            raise
    if columns.batch is None:
        batches = [_batch(batch, evidence.counts, evidence.histograms)]
    else:
        batches = list(_by_column(evidence, columns.batch, columns.sensitive))
    return batches, replace(reading, labels=labels)


def _of_units(rows: Rows, columns: Columns) -> Any:
    """Return the first row of every person, in every batch.

    Raises
    ------
    ValueError
        If it is not said whose row one is.
    """
    assert columns.unit is not None
    said = explain_missing(rows.relation, columns.others, rows.name)
    if said is not None:
        raise ValueError(said)
    keys = [columns.unit] if columns.batch is None else [columns.batch, columns.unit]
    return first_of_each(rows.relation, rows.connection, keys)


def _read_labels(relation: Any, reading: Reading, rows: Rows) -> tuple[Any, tuple[Hashable, ...]]:
    """Return the rows with labels that are true or false, where a positive label is named; and the labels.

    On a day on which nobody was selected the positive label does not occur, and that is no mistake, if the
    labels that do occur are those of other days.

    Raises
    ------
    ValueError
        If it does not occur, and was not seen before.
    """
    if reading.pos_label is None:
        return relation, ()
    columns = reading.columns.labels
    label = {name: read_value(reading.pos_label, rows.kinds[name]) for name in columns.values()}
    found = {name: values_in(relation, name) for name in columns.values()}
    known = set(reading.labels) if set(label.values()) & set(reading.labels) else set()
    known = known.union(*(values for name, values in found.items() if label[name] in values))
    for option, name in columns.items():
        if not known.issuperset(found[name]):
            hint = did_you_mean(reading.pos_label, map(str, found[name]))
            raise ValueError(
                f"--pos-label {show(reading.pos_label)} does not occur in {show(name)} ({option}) of "
                f"{rows.name}, whose labels are {list_labels(found[name])}, and did not occur "
                f"beside them before: add a file in which it does first.{hint}"
            )
    return are_labels(relation, label), tuple(sorted(known, key=repr))


def _by_column(evidence: Any, column: str, sensitive: Sequence[str]) -> Iterator[Batch]:
    """Yield the batches that stand in one table, in the order of the values that tell them apart.

    Raises
    ------
    ValueError
        If they cannot be told apart, or not be put in order.
    """
    from fairsk._core.groups import sort_labels
    from fairsk.audit._unknown import UNKNOWN

    counts, histograms = evidence.counts, evidence.histograms
    groups = dict[Hashable, list[Any]]()
    for group in counts.groups:
        groups.setdefault(group[0], []).append(group)
    if UNKNOWN in groups:
        n = evidence.n_unknown[column]
        raise ValueError(
            f"The column {show(column)} (--by-column) is empty in {n:,.0f} rows: which batch is theirs?"
        )
    if len(groups) > _MOST_BATCHES:
        raise ValueError(
            f"The column {show(column)} (--by-column) holds {len(groups):,} values: a batch is a day or "
            "a week, not an instant."
        )
    unsorted = next((name for name in groups if _UNSORTED_DATE.fullmatch(str(name))), None)
    if unsorted is not None:
        raise ValueError(
            f"The column {show(column)} (--by-column) holds {show(unsorted)}, and such dates are not in "
            "the order of time: write 2026-01-31."
        )
    for name in sort_labels(groups):
        labels = [group[1] if len(sensitive) == 1 else group[1:] for group in groups[name]]
        tables = (
            None
            if table is None
            else table.take(groups[name]).regroup(labels, names=sensitive, orders=table.orders[1:])
            for table in (counts, histograms)
        )
        yield _batch(name, *tables)


def _batch(value: Any, counts: Any, histograms: Any) -> Batch:
    """Return a batch of the groups that are known."""
    from fairsk.audit._unknown import is_known

    known = list(filter(is_known, counts.groups))
    if len(known) == len(counts.groups):
        return Batch(str(value), value, counts, histograms, 0)
    kept = counts.take(known)
    n = counts.without_strata().n.sum() - kept.without_strata().n.sum()
    histograms = None if histograms is None else histograms.take(known)
    return Batch(str(value), value, kept, histograms, int(n))


def read_counts(path: str, batch: str) -> Batch:
    """Read counts that another engine has made, as JSON of ``GroupCounts.to_state()``.

    Parameters
    ----------
    path : str
        A file, or ``"-"`` for the standard input.
    batch : str
        What the batch is called.

    Raises
    ------
    ValueError
        If it holds no counts.
    """
    return _batch(batch, _counts(_document(path), path), None)


def _document(path: str) -> Any:
    """Return what JSON says, in a file or on the standard input."""
    from fairsk._core.canonical import parse

    if path == "-":
        data = sys.stdin.buffer.read(_LARGEST_COUNTS + 1)
    else:
        with open(path, "rb") as file:
            data = file.read(_LARGEST_COUNTS + 1)
    document, findings = parse(data)
    if findings:
        raise ValueError(f"{show(path)} cannot be read: {findings[0].sentence.partition(': ')[2]}")
    return document


def _counts(document: Any, path: str) -> Any:
    from fairsk._core.counts import GroupCounts
    from fairsk.audit._evidence import Evidence

    try:
        return Evidence.from_counts(GroupCounts.from_state(document)).counts
    # JSON from elsewhere may hold anything, and whatever is wrong with it, the file must be said.
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        reason = f"{type(error).__name__} {error}" if isinstance(error, LookupError) else str(error)
        raise ValueError(
            f"{show(path)} holds no counts, as json.dumps(counts.to_state()) writes them: "
            f"{shorten(reason, 300)}"
        ) from None


def read_prior(files: Sequence[str], reading: Reading) -> tuple[Any, Reading]:
    """Return the counts of an audit before deployment.

    Parameters
    ----------
    files : sequence of str
        The JSON of a report of ``fairsk audit``, or of counts; or tables.
    reading : Reading
        How tables are read. Of a report, its sensitive columns are taken, in their order.

    Returns
    -------
    counts : GroupCounts
        The counts of the groups that can be compared.
    reading : Reading
        With what has been seen.

    Raises
    ------
    ValueError
        If they cannot be read.
    """
    (path, *others) = files
    if not path.casefold().endswith(".json"):
        batches, reading = count_tables(files, reading, "prior")
        if not batches:
            raise ValueError(f"--prior {show(path)} has no rows.")
        return batches[0].counts, reading
    if others:
        raise ValueError("--prior: give one report, or tables.")
    document = _document(path)
    if not isinstance(document, dict) or "evidence" not in document:
        return _batch("prior", _counts(document, path), None).counts, reading
    from fairsk.audit import AuditReport

    evidence = list(AuditReport.from_json(Path(path).read_bytes()).evidence.values())
    if len(evidence) != 1:
        raise ValueError(
            f"--prior {show(path)} is a report of {len(evidence)} models: give the counts of one."
        )
    names = reading.columns.sensitive or evidence[0].counts.names
    return evidence[0].by(*names).comparable().counts.without_strata(), reading


def like_known(batch: Batch, groups: Iterable[Hashable], strata: Iterable[Hashable]) -> Batch:
    """Return a batch whose groups are called as those that a monitor knows.

    A CSV file has no types: a column that holds ``1`` and ``2`` on one day holds numbers, and one that holds
    ``1`` and ``none`` on the next holds text. The group is the same.

    Parameters
    ----------
    batch : Batch
        A batch.
    groups, strata : iterable of labels
        What the monitor knows.
    """
    counts, histograms = batch.counts, batch.histograms
    names = _Names(groups)
    counts = counts.regroup([names.known(group) for group in counts.groups])
    if histograms is not None:
        histograms = histograms.regroup([names.known(group) for group in histograms.groups])
    if counts.strata is not None:
        from fairsk.audit._small_groups import merge_strata

        names = _Names(strata)
        counts = merge_strata(counts, [names.known(stratum) for stratum in counts.strata])
    return replace(batch, counts=counts, histograms=histograms)


class _Names:
    """The values of each attribute that are known, and how they are written."""

    def __init__(self, labels: Iterable[Hashable]) -> None:
        self._values: list[dict[str, set[Hashable]]] = []
        for label in labels:
            parts = label if isinstance(label, tuple) else (label,)
            self._values += [{} for _ in range(len(parts) - len(self._values))]
            for values, part in zip(self._values, parts, strict=False):
                values.setdefault(_written(part), set()).add(part)

    def known(self, label: Hashable) -> Hashable:
        """Return a label with the values that are written like its own, and are of another type."""
        if isinstance(label, tuple):
            return tuple(self._value(i, part) for i, part in enumerate(label))
        return self._value(0, label)

    def _value(self, place: int, value: Hashable) -> Hashable:
        same = self._values[place].get(_written(value), set()) if place < len(self._values) else set()
        others = {one for one in same if type(one) is not type(value)}
        # True == 1 in Python, but no text that stands for the one stands for the other.
        return others.pop() if len(others) == 1 and len(same) == 1 else value


def _written(value: Hashable) -> str:
    """Return the text of a value in a file, of which true and false are written in any case."""
    text = str(value)
    return text.casefold() if text.casefold() in ("true", "false") else text
