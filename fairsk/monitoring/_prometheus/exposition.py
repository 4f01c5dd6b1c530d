"""Metrics for Prometheus: what monitors have counted and found, in the text format that it scrapes."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Hashable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fairsk._core.groups import attribute_name, format_group
from fairsk._core.messages import list_labels, shorten, show
from fairsk._core.results import printable
from fairsk.monitoring._prometheus.released import released_counts

if TYPE_CHECKING:
    from fairsk.monitoring._concerns import ConcernLog
    from fairsk.monitoring._monitor import FairnessMonitor

__all__ = ["CONTENT_TYPE", "OTHER", "escaped", "exposition"]

#: What the text is served as; without the version, newer Prometheus refuses it.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: What groups beyond the first so many are called together.
OTHER = "(other)"
#: Longer names are shortened: every sample repeats them.
_LONGEST_NAME = 100
#: Evidence is rounded down to a tenth. In full it is a fingerprint of all counts, also of those in batches
#: that were released together: whoever tries all counts that are possible would find the one that fits.
_TENTHS = 10

#: Every metric: its type, and what it is.
_METRICS = {
    "fairsk_decisions_total": (
        "counter",
        "Decisions in released batches, by whether the rate counts them. Every rate counts them anew.",
    ),
    "fairsk_monitor_batches_total": ("counter", "Batches that were counted."),
    "fairsk_monitor_batches_held_back": (
        "gauge",
        "Batches that are counted but not in fairsk_decisions_total yet, for they have few of some group.",
    ),
    "fairsk_monitor_groups_left_out": (
        "gauge",
        f"Groups without series of their own, added up as {OTHER}.",
    ),
    "fairsk_monitor_log_e_value": (
        "gauge",
        "Natural logarithm of the evidence that the tolerance was not kept since the start, in tenths.",
    ),
    "fairsk_monitor_log_change_value": (
        "gauge",
        "Natural logarithm of the evidence that the tolerance is not kept lately, in tenths.",
    ),
    "fairsk_monitor_log_alarm_line": ("gauge", "Where that logarithm raises the alarm."),
    "fairsk_monitor_alarm": ("gauge", "1 from the batch of the alarm on, for good; 0 before."),
    "fairsk_monitor_last_batch_timestamp_seconds": (
        "gauge",
        "When the latest batch began, where batches are named by dates or times.",
    ),
    "fairsk_concerns_total": ("counter", "Concerns received, in whole multiples of the least number shown."),
}


class _Sample(NamedTuple):
    """One number of a metric."""

    metric: str
    labels: dict[str, str]
    value: float


def exposition(
    monitors: FairnessMonitor | Iterable[FairnessMonitor],
    *,
    min_cell: int = 10,
    concerns: ConcernLog | None = None,
) -> str:
    """Write what monitors have counted and found in Prometheus' text format.

    Parameters
    ----------
    monitors : FairnessMonitor or iterable of FairnessMonitor
        The monitors, each with a name of its own. One without a name is called by its constraint.
    min_cell : int, default=10
        The least number of decisions of a group by which two texts differ, if they differ. Batches with fewer
        are held back until they add up to so many. Keep it for as long as a monitor runs: differences of
        texts that were made with two of them may show fewer. With 1, nothing is held back.
    concerns : ConcernLog, default=None
        Concerns to be counted as well, in whole multiples of ``min_cell``.

    Returns
    -------
    str
        Version 0.0.4 of the format, to be served as ``text/plain; version=0.0.4; charset=utf-8``.

    Raises
    ------
    ValueError
        If two monitors have the same name, or ``min_cell`` is not a whole number of at least 1.
    TypeError
        If something among the monitors is none.

    See Also
    --------
    FairnessMonitor : What counts decisions and tests whether a tolerance is kept.

    Notes
    -----
    Counters are read from the monitors' logs, which hold closed batches only; so every process that reads the
    same log shows the same numbers, and they never fall. They are for looking: a ratio of rates in a window
    that is compared with a tolerance every day passes it sooner or later, also on models that keep it. What
    to alert on is ``fairsk_monitor_alarm``.

    Held back are the counts, and the evidence with them, for it follows from the counts. An alarm is not:
    it is one bit, once in a monitor's life, and must not wait.

    Groups beyond the first 200 that appeared are added up as ``"(other)"``. Names are shortened to 100
    characters, what is not printable in them is replaced; a name that was changed ends in a part of its
    SHA-256.

    Examples
    --------
    >>> from fairsk.monitoring import FairnessMonitor, exposition
    >>> monitor = FairnessMonitor("demographic_parity", min_ratio=0.8, name="loans")
    >>> step = monitor.update_predictions([1, 0] * 20, batch="2026-11-26", sensitive_features=["a", "b"] * 20)
    >>> lines = exposition(monitor).splitlines()
    >>> for line in lines:
    ...     if line.startswith("fairsk_monitor_alarm"):
    ...         print(line)
    fairsk_monitor_alarm{monitor="loans",kind="test"} 0
    fairsk_monitor_alarm{monitor="loans",kind="change"} 0
    """
    if isinstance(min_cell, bool) or not isinstance(min_cell, int | np.integer) or min_cell < 1:
        raise ValueError(f"min_cell must be a whole number of decisions, at least 1; got {show(min_cell)}.")
    lines: dict[str, list[str]] = {metric: [] for metric in _METRICS}
    for name, monitor in _by_name(monitors).items():
        for sample in _samples(monitor, int(min_cell)):
            labels = {"monitor": name, **sample.labels}
            lines[sample.metric].append(_line(sample.metric, labels, sample.value))
    if concerns is not None:
        for source, n in _concerns_by_source(concerns).items():
            shown = n // int(min_cell) * int(min_cell)
            lines["fairsk_concerns_total"].append(_line("fairsk_concerns_total", {"source": source}, shown))
    return "".join(
        f"# HELP {metric} {_METRICS[metric][1]}\n# TYPE {metric} {_METRICS[metric][0]}\n" + "".join(written)
        for metric, written in lines.items()
        if written
    )


def _by_name(monitors: Any) -> dict[str, FairnessMonitor]:
    several = list(monitors) if isinstance(monitors, Iterable) else [monitors]
    wrong = [one for one in several if not hasattr(one, "shares")]
    if wrong:
        raise TypeError(f"monitors must be a FairnessMonitor, or several of them; got {show(wrong[0])}.")
    names = [_text(monitor.name or monitor.constraint.name) for monitor in several]
    twice = list(dict.fromkeys(name for name in names if names.count(name) > 1))
    if twice:
        raise ValueError(
            f"monitors: several have the same name ({list_labels(twice)}), so that their series could not be "
            "told apart. Give every FairnessMonitor a name of its own (name=...)."
        )
    return dict(zip(names, several, strict=True))


def _samples(monitor: FairnessMonitor, min_cell: int) -> Iterator[_Sample]:
    """Yield the numbers of one monitor, without its name."""
    released = released_counts(monitor, min_cell)
    attribute = _text(attribute_name(monitor.names))
    names = _distinct(released.groups)
    for rate in monitor.rates:
        counts = list(zip(names, released.part[rate.name], released.size[rate.name], strict=True))
        if released.n_others:
            counts.append((OTHER, *released.others[rate.name]))
        for group, part, size in counts:
            for outcome, n in (("yes", part), ("no", size - part)):
                labels = {
                    "attribute": attribute,
                    "group": group,
                    "rate": _text(rate.name),
                    "outcome": outcome,
                }
                yield _Sample("fairsk_decisions_total", labels, int(n))
    yield _Sample("fairsk_monitor_batches_total", {}, monitor.n_batches)
    yield _Sample("fairsk_monitor_batches_held_back", {}, monitor.n_batches - released.n_batches)
    yield _Sample("fairsk_monitor_groups_left_out", {}, released.n_others)
    # Before its first batch, a product is 1 and a sum is 0.
    evidence, change = 0.0, -math.inf
    if released.n_batches:
        last = monitor.steps[released.n_batches - 1]
        evidence, change = last.log_e_value, last.log_change_value
    yield _Sample("fairsk_monitor_log_e_value", {}, _in_tenths(evidence))
    yield _Sample("fairsk_monitor_log_change_value", {}, _in_tenths(change))
    yield _Sample("fairsk_monitor_log_alarm_line", {"kind": "test"}, monitor.log_alarm_line)
    yield _Sample("fairsk_monitor_log_alarm_line", {"kind": "change"}, monitor.log_change_line)
    yield _Sample("fairsk_monitor_alarm", {"kind": "test"}, int(monitor.alarm is not None))
    yield _Sample("fairsk_monitor_alarm", {"kind": "change"}, int(monitor.change is not None))
    times = [time for time in map(_time_of, monitor.batches) if time is not None]
    if times:
        yield _Sample("fairsk_monitor_last_batch_timestamp_seconds", {}, max(times))


def _concerns_by_source(concerns: ConcernLog) -> dict[str, int]:
    """Return how many concerns there are of each source."""
    summary = concerns.summary(1)
    totals = {"ticket": 0, "declared": 0, "unknown": 0}
    for source, n in zip(summary.sources, summary.n, strict=True):
        totals[source] += int(n)
    return totals


def _distinct(groups: Iterable[Hashable]) -> list[str]:
    """Write groups so that no two are written alike, as 1 and "1" would be, or one called "(other)"."""
    taken, names = {OTHER}, list[str]()
    for group in groups:
        text = _text(format_group(group))
        name, number = text, 1
        while name in taken:
            number += 1
            name = f"{text} ({number})"
        taken.add(name)
        names.append(name)
    return names


def _text(text: str) -> str:
    """Return a name as the value of a label: printable and short; its digest tells changed ones apart."""
    readable = shorten(printable(text), _LONGEST_NAME)
    if readable == text:
        return text
    return f"{readable} #{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def _line(metric: str, labels: dict[str, str], value: float) -> str:
    written = ",".join(f'{label}="{escaped(text)}"' for label, text in labels.items())
    return f"{metric}{{{written}}} {_number(value)}\n"


def escaped(text: str) -> str:
    r"""Write the value of a label: quotes, backslashes and line breaks are escaped."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    if math.isfinite(value):
        return repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _in_tenths(value: float) -> float:
    """Round down, so that no line is reached before the evidence reaches it."""
    return math.floor(value * _TENTHS) / _TENTHS if math.isfinite(value) else float(value)


#: A day or a time as ISO 8601 writes it, with hyphens: a number of eight digits may be anything.
_DAY = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?", re.ASCII)
_MONTH = re.compile(r"\d{4}-\d\d", re.ASCII)


def _time_of(batch: str) -> float | None:
    """Return the seconds since 1970 at which a month, a day or a time begins; None of other names.

    A time without a zone is UTC.
    """
    if _MONTH.fullmatch(batch):
        batch += "-01"
    if not _DAY.fullmatch(batch):
        return None
    try:
        time = datetime.fromisoformat(batch)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
