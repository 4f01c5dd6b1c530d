"""Making monitors, and adding batches to them."""

from __future__ import annotations

import argparse
import os
import re
import warnings
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from fairsk._cli.batches import Batch, Reading, count_tables, like_known, read_counts, read_prior
from fairsk._cli.labels import read_references
from fairsk._cli.showing import exit_status, is_alarm, say, sentences_of
from fairsk._core.messages import did_you_mean, list_texts, show

__all__ = ["add", "create"]

#: Whole numbers as programs write them: with a leading zero, a name is a code.
_WHOLE = re.compile(r"-?[1-9]\d{0,17}|0")


def create(options: argparse.Namespace) -> int:
    """Make a monitor."""
    from fairsk.monitoring import FairnessMonitor
    from fairsk.monitoring._files import MonitorFile, create_file

    if os.path.lexists(options.state):  # before an hour of counting
        raise FileExistsError(f"There is a file {show(options.state)}: name another one.")
    reading, prior = Reading.from_options(options, None), None
    if options.prior is not None:
        prior, reading = read_prior(options.prior, reading)
    settings = {
        "max_difference": options.max_difference,
        "min_ratio": options.min_ratio,
        "alpha": options.alpha,
        "mean_batches_between_false_alarms": options.mean_batches_between_false_alarms,
    }
    monitor = FairnessMonitor(
        options.constraint,
        reference=_reference(options.reference, reading.columns.sensitive, prior),
        prior=prior,
        name=options.name,
        **{name: value for name, value in settings.items() if value is not None},
    )
    create_file(options.state, MonitorFile(monitor, reading.to_state() or None))
    say([f"made {options.state}", "", *sentences_of(monitor)])
    return 0


def _reference(texts: Sequence[str] | None, sensitive: Sequence[str], prior: Any) -> Hashable:
    """Return the label of the reference group: a value, or one of each sensitive column.

    Raises
    ------
    ValueError
        If it is not said of every column, or the audit before deployment has no such group.
    """
    if not texts:
        return None
    if not sensitive and len(texts) == 1:
        parts: list[Hashable] = [_guessed(texts[0])]
    else:
        said = read_references(texts, sensitive, dict.fromkeys(sensitive, "VARCHAR")) or {}
        lacking = [name for name in sensitive if name not in said]
        if lacking or not sensitive:
            raise ValueError(
                f"--reference must name a group of each column of --sensitive; {list_texts(lacking)} lacks."
                if sensitive
                else "--reference: name the columns with --sensitive."
            )
        parts = [_guessed(said[name]) for name in sensitive]
    label = parts[0] if len(parts) == 1 else tuple(parts)
    if prior is None:
        return label
    alike = [group for group in prior.groups if str(group) == str(label)]
    if not alike:
        hint = did_you_mean(str(label), map(str, prior.groups))
        raise ValueError(f"--reference {show(label)} is no group of --prior.{hint}")
    return alike[0]


def _guessed(text: str) -> Hashable:
    """Return what a text means in a file whose other groups are written alike."""
    return int(text) if _WHOLE.fullmatch(text) else {"true": True, "false": False}.get(text.casefold(), text)


def add(options: argparse.Namespace) -> int:
    """Add batches to a monitor."""
    from fairsk.monitoring._files import change_file, read_columns

    _check_source(options)
    reading = Reading.from_options(options, read_columns(options.state))
    with _silent(options.quiet):
        batches, reading = _batches(options, reading)
        with change_file(options.state, timeout=options.timeout) as file:
            is_first = file.monitor.n_batches == 0
            added, known = _update(file.monitor, batches, skip_known=options.skip_known)
            if options.counts is None and added:
                if is_first or options.remember:
                    file.columns = reading.to_state()
                elif file.columns is not None and file.columns.get("pos_label") == reading.pos_label:
                    file.columns = {**file.columns, **_labels(reading)}
        monitor = file.monitor
    if not options.quiet or is_alarm(monitor):
        lines = [] if options.quiet else [*_said(options, added, known), ""]
        say([*lines, *sentences_of(monitor)])
    return exit_status([monitor], strict=options.strict)


def _labels(reading: Reading) -> dict[str, Any]:
    return {"labels": list(reading.labels)} if reading.labels else {}


def _check_source(options: argparse.Namespace) -> None:
    """Refuse, before anything is read, what cannot be asked.

    Raises
    ------
    ValueError
        If options contradict each other.
    """
    if bool(options.files) == (options.counts is not None):
        raise ValueError("name the files to count, or counts that are there with --counts.")
    if options.counts is not None and options.by_column is not None:
        raise ValueError("--counts is one batch: name it with --batch.")
    if options.by_column is None and (options.before is not None or options.last_too):
        raise ValueError("--before and --last-too go with --by-column.")
    if options.batch is not None and not options.batch.strip():
        raise ValueError("--batch must not be blank.")


def _batches(options: argparse.Namespace, reading: Reading) -> tuple[list[Batch], Reading]:
    """Return the batches that a command line names, those of them that are closed."""
    if options.counts is not None:
        return [read_counts(options.counts, options.batch)], reading
    reading = replace(reading, columns=replace(reading.columns, batch=options.by_column))
    batches, reading = count_tables(options.files, reading, options.batch)
    if options.before is not None:
        before = _guessed(options.before)
        numbers = all(isinstance(batch.value, int | float) for batch in batches)
        if numbers and not isinstance(before, int | float):
            raise ValueError(f"--before {show(options.before)}: the values of --by-column are numbers.")
        batches = [one for one in batches if (one.value < before if numbers else one.name < options.before)]
    elif options.by_column is not None and not options.last_too and batches:
        from fairsk._core.warnings import warn_user

        *batches, last = batches
        warn_user(
            f"The last batch, {show(last.name)}, may still grow and is left out: --last-too adds it, and "
            "--before says which ones are closed."
        )
    return batches, reading


def _update(monitor: Any, batches: Sequence[Batch], *, skip_known: bool) -> tuple[list[Batch], list[str]]:
    """Add batches to a monitor; return those that were added, and the names of those that were there.

    Raises
    ------
    ValueError
        If one was there, unless such are passed over; if one cannot be added.
    """
    there = {name: place for place, name in enumerate(monitor.batches)}
    added, known, grown = list[Batch](), list[str](), list[str]()
    for batch in batches:
        if batch.name in there:
            known.append(batch.name)
            if _size(monitor, batch) != int(monitor.shares()[1][there[batch.name]].sum()):
                grown.append(batch.name)
            continue
        batch = like_known(batch, monitor.groups, monitor.strata or ())
        if monitor.reference is not None and not monitor.n_batches:
            _refuse_other_reference(monitor, batch)
        try:
            monitor.update(batch.counts, batch=batch.name, histograms=batch.histograms)
        except ValueError as error:
            if len(batches) == 1:
                raise
            raise ValueError(f"Batch {show(batch.name)}: {error} Nothing was added.") from None
        added.append(batch)
    if known and not skip_known:
        raise ValueError(
            f"The batch {show(known[0])} was added before, and a batch is counted once: --skip-known passes "
            "over it. Rows that come late are a batch of their own. Nothing was added."
        )
    if grown:
        from fairsk._core.warnings import warn_user

        warn_user(
            f"There are more or fewer decisions now than when these batches were counted: "
            f"{list_texts(grown)}. They stay as they are: add rows that come late as a batch of their own."
        )
    return added, known


def _size(monitor: Any, batch: Batch) -> int:
    """Return how many decisions of a batch the first rate of a monitor is a share of."""
    return int(monitor.rates[0].support(batch.counts.cells).sum())


def _refuse_other_reference(monitor: Any, batch: Batch) -> None:
    """Refuse a first batch without the reference: the group may be written otherwise.

    Raises
    ------
    ValueError
        If it is not there.
    """
    if monitor.reference not in batch.counts.groups:
        hint = did_you_mean(str(monitor.reference), map(str, batch.counts.groups))
        raise ValueError(
            f"The reference group {show(monitor.reference)} is not in the first batch, whose groups are "
            f"{list_texts(map(show, batch.counts.groups))}.{hint}"
        )


def _said(options: argparse.Namespace, added: Sequence[Batch], known: Sequence[str]) -> Iterator[str]:
    """Say what was added."""
    n = sum(int(batch.counts.without_strata().n.sum()) for batch in added)
    names = [batch.name for batch in added]
    if len(added) > 1:
        yield f"added {len(added):,} batches to {options.state}, {names[0]} to {names[-1]}: {n:,} decisions"
    elif added:
        yield f"added {names[0]} to {options.state}: {n:,} decisions"
    else:
        yield f"added nothing to {options.state}" + ("" if known else ": there are no decisions to add")
    if known:
        yield f"passed over {len(known):,} that {'was' if len(known) == 1 else 'were'} there"
    unknown = sum(batch.n_unknown for batch in added)
    if unknown:
        yield f"left out {unknown:,} decisions about people whose group is unknown"


@contextmanager
def _silent(quiet: bool) -> Iterator[None]:
    """Pass over warnings, which are printed as notes else."""
    with warnings.catch_warnings():
        if quiet:
            warnings.simplefilter("ignore")
        yield
