"""Section of a monitor on a page: what was found, charts over batches, groups, pairs, and how to check it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.messages import in_words
from fairsk._core.results import Entries, Table, number, p_value, percent, row_count, with_interval
from fairsk._core.sections import Block, Chart, Limit, Mark, Section, Series
from fairsk._core.timelines import furthest_apart, timeline
from fairsk._core.typing import Floats
from fairsk.monitoring._words import Found, label, limit, sentences
from fairsk.rates import Rate
from fairsk.statistics import rate_intervals

if TYPE_CHECKING:
    from fairsk.monitoring._cohorts.cohorts import Cohorts
    from fairsk.monitoring._monitor import FairnessMonitor

__all__ = ["Room", "monitor_section"]

#: Rates of single batches are mostly noise: each point of a chart is of the batches of this share before it.
_WINDOW = 1 / 13  # four weeks of a year of days
#: The measures of scores that are drawn, and what they are called.
_MEASURES = {
    "mean_score": "mean score",
    "base_rate": "share of positive labels",
    "auc": "AUC",
    "calibration_error": "calibration error",
}
#: How many pairs of groups are listed, those with the most evidence.
_MOST_PAIRS = 10
#: The evidence that is drawn at least: far below 1 there is nothing to see.
_LEAST_EVIDENCE = math.log(1e-3)


@dataclass(frozen=True)
class Room:
    """How much of a page a monitor has: many monitors have less each.

    Parameters
    ----------
    n_charts : int
        How many charts.
    n_batches : int
        How many of the last batches are listed.
    n_groups : int
        How many groups are listed.
    is_folded : bool
        Whether charts and tables are shown only when they are asked for.
    """

    n_charts: int
    n_batches: int
    n_groups: int
    is_folded: bool


def monitor_section(
    heading: str, monitor: FairnessMonitor, known: Found, room: Room, waiting: Cohorts | None = None
) -> Section:
    """Return the section of a monitor.

    Parameters
    ----------
    heading : str
        What the monitor is called on the page.
    monitor : FairnessMonitor
        The monitor.
    known : Found
        Its outcome and the pair furthest apart.
    room : Room
        How much is shown.
    waiting : Cohorts, optional
        The batches that wait for labels.
    """
    blocks: list[Block] = []
    if monitor.n_batches:
        charts = _charts(monitor, known)
        blocks += [chart for chart, _ in zip(charts, range(room.n_charts), strict=False)]
        blocks += [_groups_table(monitor, room.n_groups), *_named_table(monitor)]
        blocks.append(_batches_table(monitor, known, room.n_batches))
        blocks += _scores_table(monitor, room.n_groups)
    if waiting is not None and waiting.open:
        blocks += waiting.incomplete()._tables()
    blocks.append(_checks(monitor))
    return Section(heading, sentences(monitor, known), blocks, folded=room.is_folded)


def _charts(monitor: FairnessMonitor, known: Found) -> Iterator[Chart]:
    """Yield the charts of a monitor, the first of which say most."""
    first, *others = monitor.rates
    yield _rates_chart(monitor, first)
    yield _evidence_chart(monitor, known)
    if known.pair is not None:
        yield _sequence_chart(monitor, known)
    yield from (_rates_chart(monitor, rate) for rate in others)
    scores = monitor.scores
    if scores is None:
        return
    window = _window(monitor)
    for measure, title in _MEASURES.items():
        values = scores.measures.get(measure)
        if values is None or not np.isfinite(values).any():
            continue
        means = _moving_means(np.asarray(values, float), window)
        series: dict[Hashable, Series] = {group: Series(means[:, j]) for j, group in enumerate(scores.groups)}
        over = "of each batch" if window == 1 else f"mean of {window} batches"
        heading = f"{title[0].upper()}{title[1:]}, {over}: shown, not tested"
        yield timeline(heading, scores.batches, series, axis=title, marks=_marks(monitor))


def _window(monitor: FairnessMonitor) -> int:
    """Return over how many batches a chart looks back."""
    return max(1, round(monitor.n_batches * _WINDOW))


def _moving_means(values: Floats, window: int) -> Floats:
    """Return the means over the last batches that were measured; NaN where none was."""
    measured = np.isfinite(values)
    sums, numbers = np.where(measured, values, 0.0).cumsum(0), measured.astype(float).cumsum(0)
    for table in (sums, numbers):
        table[window:] -= table[:-window].copy()
    return np.divide(sums, numbers, out=np.full(values.shape, np.nan), where=numbers > 0)


def _marks(monitor: FairnessMonitor) -> list[Mark]:
    """Return the batches at which something began or was reported."""
    found = (
        (monitor.since, "evidence grows"),
        (monitor.change, "change alarm"),
        (monitor.alarm, "test alarm"),
    )
    return [Mark(batch, f"{name} {label(batch)}") for batch, name in found if batch is not None]


def _rates_chart(monitor: FairnessMonitor, rate: Rate) -> Chart:
    """Return the rates of the groups over a moving window of batches."""
    parts, sizes = (np.asarray(table, float).cumsum(0) for table in monitor.shares(rate))
    window = _window(monitor)
    for table in (parts, sizes):
        table[window:] -= table[:-window].copy()
    low, high = _intervals(parts, sizes, monitor.alpha)
    values = np.divide(parts, sizes, out=np.full(parts.shape, np.nan), where=sizes > 0)
    series = {group: Series(values[:, j], low[:, j], high[:, j]) for j, group in enumerate(monitor.groups)}
    name = in_words(rate.name)
    over = "of each batch" if window == 1 else f"over {window} batches"
    return timeline(
        f"{name[0].upper()}{name[1:]} {over}",
        monitor.batches,
        series,
        axis=name,
        confidence=1 - monitor.alpha,
        marks=_marks(monitor),
        reference=monitor.reference,
    )


def _intervals(parts: Floats, sizes: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Return Wilson's intervals of shares, shaped like the counts."""
    none = np.zeros(parts.size)
    cells = {"fp": parts.ravel(), "tn": (sizes - parts).ravel(), "tp": none, "fn": none}
    low, high = rate_intervals(GroupCounts(range(parts.size), cells), "selection_rate", 1 - alpha)
    return low.reshape(parts.shape), high.reshape(parts.shape)


def _evidence_chart(monitor: FairnessMonitor, known: Found) -> Chart:
    """Return the evidence of the test and of the change detector after each batch, on a logarithmic axis."""
    series: dict[Hashable, Series] = {}
    for name in ("test", "change"):
        values = [step.log_e_value if name == "test" else step.log_change_value for step in known.steps]
        series[name] = Series(np.maximum(np.array(values, float), _LEAST_EVIDENCE))
    change = f"{monitor.mean_batches_between_false_alarms:,.0f}"
    return timeline(
        "Evidence that the tolerance is not kept",
        monitor.batches,
        series,
        axis="evidence (e-value)",
        log=True,
        limits=[
            Limit(monitor.log_alarm_line, f"test alarms at {1 / monitor.alpha:,.4g}"),
            Limit(monitor.log_change_line, f"change alarms at {change}"),
        ],
        marks=_marks(monitor),
    )


def _sequence_chart(monitor: FairnessMonitor, known: Found) -> Chart:
    """Return the confidence sequence of the two groups furthest apart, with the tolerance."""
    pair = known.pair
    assert pair is not None
    sequence = pair.sequence
    low, high = map(float, sequence.tolerance)
    values = Series(*(np.asarray(part, float) for part in (sequence.estimate, sequence.low, sequence.high)))
    a, b = map(label, sequence.groups)
    sign = "/" if monitor.bound.comparison == "ratio" else "-"
    return timeline(
        f"Confidence sequence of {a} {sign} {b} in {in_words(pair.rate.name)}",
        monitor.batches,
        {f"{a} {sign} {b}": values},
        axis=monitor.bound.comparison,
        confidence=float(sequence.confidence),
        band=(low, high),
        limits=[Limit(end, f"{end:.3g}") for end in (low, high) if math.isfinite(end)],
        marks=_marks(monitor),
    )


def _groups_table(monitor: FairnessMonitor, most: int) -> Table:
    """Return the rates of the groups over all batches."""
    columns: dict[str, list[Any]] = {"group": list(map(label, monitor.groups))}
    shown: dict[str, list[str]] = {"group": columns["group"]}
    for rate in monitor.rates:
        parts, sizes = (np.asarray(table, float).sum(0, keepdims=True) for table in monitor.shares(rate))
        low, high = _intervals(parts, sizes, monitor.alpha)
        with np.errstate(invalid="ignore"):
            values = parts / sizes
        name = in_words(rate.name)
        of = "n" if len(monitor.rates) == 1 else f"n of {name}"
        columns |= {of: sizes[0].tolist(), name: values[0].tolist()}
        shown[of] = list(map(row_count, sizes[0]))
        shown[name] = [with_interval(*ends) for ends in zip(values[0], low[0], high[0], strict=True)]
    notes = [
        f"{percent(round(1 - monitor.alpha, 12))} intervals of each group alone (Wilson), for one look. "
        "What holds at all times are confidence sequences."
    ]
    if monitor.reference is not None:
        notes.append(f"Reference: {label(monitor.reference)}.")
    return Table(columns, shown, "Groups, all batches", notes, most_lines=most)


def _named_table(monitor: FairnessMonitor) -> Iterator[Table]:
    """Yield the pairs of groups that are named by evidence of their own, if the test has alarmed."""
    if monitor.alarm is None:
        return
    lines = [
        (rate, pairs, i)
        for rate in monitor.rates
        for pairs in [monitor.pairs(rate)]
        for i in np.flatnonzero(pairs.named)
    ]
    if not lines:
        return
    comparison = monitor.bound.comparison
    columns: dict[str, list[Any]] = {
        "group": [label(pairs.groups[i][0]) for _, pairs, i in lines],
        "other": [label(pairs.groups[i][1]) for _, pairs, i in lines],
        "in": [in_words(rate.name) for rate, _, _ in lines],
        "its rate": [float(pairs.rates[i]) for _, pairs, i in lines],
        "other's rate": [float(pairs.other_rates[i]) for _, pairs, i in lines],
        comparison: [float(pairs.values[i]) for _, pairs, i in lines],
        "p": [float(pairs.p_values[i]) for _, pairs, i in lines],
    }
    shown = {name: list(map(number, values)) for name, values in columns.items()}
    shown["p"] = list(map(p_value, columns["p"]))
    note = f"p is valid at all times, and for all {lines[0][1].n_pairs:,} pairs together."
    yield Table(
        columns,
        shown,
        "Pairs of groups whose evidence suffices alone",
        [note],
        words=("other", "in"),
        most_lines=_MOST_PAIRS,
    )


def _batches_table(monitor: FairnessMonitor, known: Found, most: int) -> Table:
    """Return the last batches, latest first: decisions, the rates of groups, and the evidence until then."""
    first = max(0, monitor.n_batches - most)
    places = list(range(first, monitor.n_batches))[::-1]
    steps = [known.steps[i] for i in places]
    columns: dict[str, list[Any]] = {
        "batch": [label(step.batch) for step in steps],
        "decisions": [step.n for step in steps],
        "p": [step.p_value for step in steps],
    }
    shown: dict[str, list[str]] = {
        "batch": columns["batch"],
        "decisions": [row_count(float(n)) for n in columns["decisions"]],
    }
    rate = monitor.rates[0]
    parts, sizes = (np.asarray(table, float) for table in monitor.shares(rate))
    with np.errstate(invalid="ignore"):
        values, overall = parts / sizes, parts.sum(0) / sizes.sum(0)
    groups = _listed(monitor, overall)
    for j in groups:
        name = label(monitor.groups[j])
        name = name if name not in columns else f"{name} ({j + 1})"  # 1 and "1" read alike
        columns[name] = values[places, j].tolist()
        shown[name] = list(map(number, columns[name]))
    shown["p"] = list(map(p_value, columns["p"]))
    columns["alarm"] = [_alarm_words(monitor, step.batch) for step in steps]
    if any(columns["alarm"]):
        shown["alarm"] = columns["alarm"]
    notes = [f"Of groups, the {in_words(rate.name)} in the batch; p, of the test until then, never rises."]
    if len(groups) < len(monitor.groups):
        notes.append(f"The {len(groups)} furthest apart of {len(monitor.groups):,} groups.")
    if first:
        notes.append(f"Of {monitor.n_batches:,} batches in all.")
    return Table(columns, shown, "Last batches", notes, words=("alarm",))


def _listed(monitor: FairnessMonitor, overall: Floats) -> list[int]:
    """Return the places of the groups that have a column: those furthest apart."""
    series: dict[Hashable, Series] = {j: Series(np.array([value])) for j, value in enumerate(overall)}
    reference = None if monitor.reference is None else monitor.groups.index(monitor.reference)
    drawn = set(furthest_apart(series, always=reference))
    return [j for j in range(len(overall)) if j in drawn]


def _alarm_words(monitor: FairnessMonitor, batch: str) -> str:
    found = (("test alarm", monitor.alarm), ("change alarm", monitor.change), ("grows since", monitor.since))
    return ", ".join(name for name, at in found if at == batch)


def _scores_table(monitor: FairnessMonitor, most: int) -> Iterator[Table]:
    """Yield the last measures of scores by group, which no test looks at."""
    scores = monitor.scores
    if scores is None or not len(scores.batches):
        return
    columns: dict[str, list[Any]] = {"group": list(map(label, scores.groups))}
    shown = {"group": columns["group"]}
    for measure, title in _MEASURES.items():
        if measure in scores.measures:
            columns[measure] = np.asarray(scores.measures[measure], float)[-1].tolist()
            shown[title] = list(map(number, columns[measure]))
    caption = f"Scores of the last batch, {label(scores.batches[-1])}"
    yield Table(columns, shown, caption, ["Shown, not tested: no alarm depends on them."], most_lines=most)


def _checks(monitor: FairnessMonitor) -> Entries:
    """Return what a reader needs to check the numbers, or to run the same monitor again."""
    between_alarms = f"{monitor.mean_batches_between_false_alarms:,.0f}"
    lines = [
        ("Tolerance", f"{in_words(monitor.constraint.name)}, {monitor.bound.comparison} {limit(monitor)}"),
        ("alpha", f"{monitor.alpha:g}: the chance that the test ever alarms while the tolerance is kept"),
        ("Batches between false alarms", f"{between_alarms} or more on average, of the change detector"),
    ]
    if monitor.strata:
        lines.append(("Strata", f"{len(monitor.strata):,}; tested within each"))
    lines.append(("Head of the log", monitor.head))
    return Entries(lines)
