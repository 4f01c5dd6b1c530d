"""Dashboard of monitors, as a page or a mail: first what is wrong, since when, and how sure it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fairsk._core.messages import in_words, list_texts
from fairsk._core.results import Table, number, p_value, percent, with_interval
from fairsk._core.sections import Card, Cards, Section
from fairsk.monitoring._dashboard.monitor_section import Room, monitor_section
from fairsk.monitoring._evidence.fleet import e_bh
from fairsk.monitoring._words import (
    Found,
    between,
    evidence_words,
    finding,
    found,
    label,
    limit,
    sentences,
    shown_name,
)

if TYPE_CHECKING:
    from fairsk.monitoring._cohorts.cohorts import Cohorts
    from fairsk.monitoring._concerns import ConcernLog
    from fairsk.monitoring._monitor import FairnessMonitor

__all__ = ["monitors_markdown", "monitors_page"]

#: Outcomes, the worst first.
_ORDER = ("FAIL", "CHANGED", "INCONCLUSIVE", "PASS")
#: Monitors whose charts and tables are shown at once; those of the others when they are asked for.
_OPEN = 3
#: Charts: of a page, of its only monitor, of each that is shown at once. Others have one while any is left.
_CHARTS, _MOST_CHARTS, _FEWEST_CHARTS = 12, 9, 3
#: Batches and groups that are listed: of a single monitor, which many share, and of each at least.
_BATCHES, _FEWEST_BATCHES, _GROUPS, _FEWEST_GROUPS = 30, 5, 200, 10

_READING = (
    "FAIL: the test says that the tolerance was not kept since the start. CHANGED: the change detector says "
    "that it is not kept lately. PASS: the confidence sequence of every pair of groups lies within the "
    "tolerance. INCONCLUSIVE: these batches settle neither. No outcome says that a model is fair, or that "
    "its use is lawful.",
    "p is valid at all times: while a tolerance is kept, p ever falls to x with a probability of at most x, "
    "however often one looks. Evidence in words is Jeffreys' scale of e-values, here 1/p: above 3.2 "
    "substantial, 10 strong, 32 very strong, 100 decisive.",
    "A confidence sequence is an interval that holds after all batches at once.",
    "A monitor of a model with a threshold per group tests these thresholds, too.",
    "Every number follows from the log of counts in a monitor's file: loading it computes all of them again "
    "and refuses what does not follow. Where the head of the log was published before, it shows that nothing "
    "up to there was changed since.",
)
_CONCERNS = (
    "How often people report differs by group. Concerns are a reason to look, and prove nothing: neither "
    "many of a group, nor few.",
    "Only concerns with a ticket, of which each decision has one, can be counted against decisions, by a "
    "monitor of their own. Those that declare a group are shown, and tested nowhere.",
)


@dataclass(frozen=True)
class _Entry:
    """A monitor on the page: what it is called there, and what takes time to find out."""

    name: str
    monitor: FairnessMonitor
    known: Found

    @property
    def severity(self) -> tuple[int, float]:
        """What monitors are ordered by: the outcome, then the evidence, the worst first."""
        monitor = self.monitor
        evidence = monitor.log_change_value if self.known.outcome == "CHANGED" else monitor.log_e_value
        return _ORDER.index(self.known.outcome), -float(evidence)


def monitors_page(
    monitors: Sequence[FairnessMonitor] | Mapping[str, FairnessMonitor],
    *,
    title: str = "Fairness monitors",
    concerns: ConcernLog | None = None,
    cohorts: Mapping[str, Cohorts] | None = None,
    alpha: float = 0.05,
) -> str:
    """Write the dashboard of some monitors as one page that needs no script and no network.

    What is wrong stands first: the monitors in the order of what they found, since when, how sure it is, and
    of how many decisions. A section follows for each, with charts over batches, groups, the last batches, and
    the head of its log; then the concerns. The page is as long for a million decisions as for a thousand.

    Parameters
    ----------
    monitors : sequence of FairnessMonitor, or mapping of str to FairnessMonitor
        The monitors; the keys of a mapping are what they are called on the page.
    title : str, default="Fairness monitors"
        The heading.
    concerns : ConcernLog, optional
        A log whose summary is shown.
    cohorts : mapping of str to Cohorts, optional
        By the name of a monitor: the batches that wait for labels before it counts them.
    alpha : float, default=0.05
        Of monitors that are named by all together (e-BH), the expected share that is named wrongly.

    Returns
    -------
    str
        HTML. Names, groups and batches in it are text, whatever they are.

    Raises
    ------
    TypeError
        If a monitor is none.

    See Also
    --------
    monitors_markdown : What is wrong, for a mail or the summary of a job.
    e_bh : Which of several monitors are named together.

    Notes
    -----
    Of many monitors, those further down have their charts and tables folded, and fewer of them. Batches are
    compared by name where the latest one is told.

    Examples
    --------
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.monitoring import FairnessMonitor, monitors_page
    >>> monitor = FairnessMonitor("demographic_parity", min_ratio=0.8, name="loans")
    >>> cells = {"tp": [0, 0], "fp": [50, 25], "fn": [0, 0], "tn": [50, 75]}
    >>> for day in range(1, 6):
    ...     counts = GroupCounts(["a", "b"], cells, labelled=False)
    ...     step = monitor.update(counts, batch=f"2026-01-0{day}")
    >>> page = monitors_page([monitor])
    >>> "The tolerance was not kept" in page, "<script" in page
    (True, False)
    """
    from fairsk._pages.html import render_page

    entries = _entries(monitors)
    sections = [_overview(entries, alpha)]
    for entry, room in zip(entries, _rooms(len(entries)), strict=True):
        waiting = (cohorts or {}).get(entry.name)
        sections.append(monitor_section(entry.name, entry.monitor, entry.known, room, waiting))
    sections += _concerns_sections(concerns)
    sections.append(Section("How to read this page", _READING))
    return render_page(title, sections, lead=_lead(entries))


def monitors_markdown(
    monitors: Sequence[FairnessMonitor] | Mapping[str, FairnessMonitor],
    *,
    title: str = "Fairness monitors",
    concerns: ConcernLog | None = None,
    alpha: float = 0.05,
) -> str:
    """Write what some monitors found as Markdown: the overview, and sentences of each.

    Parameters
    ----------
    monitors : sequence of FairnessMonitor, or mapping of str to FairnessMonitor
        The monitors; the keys of a mapping are what they are called.
    title : str, default="Fairness monitors"
        The heading.
    concerns : ConcernLog, optional
        A log whose summary is shown.
    alpha : float, default=0.05
        Of monitors that are named by all together (e-BH), the expected share that is named wrongly.

    Returns
    -------
    str
        Markdown, in which names, groups and batches are text.

    Raises
    ------
    TypeError
        If a monitor is none.

    See Also
    --------
    monitors_page : The same with charts and tables, as a page.

    Examples
    --------
    >>> from fairsk.monitoring import FairnessMonitor, monitors_markdown
    >>> print(monitors_markdown([FairnessMonitor("demographic_parity", min_ratio=0.8)]).splitlines()[0])
    # Fairness monitors
    """
    from fairsk._pages.markdown import render_markdown

    entries = _entries(monitors)
    sections = [_overview(entries, alpha)]
    sections += [Section(entry.name, sentences(entry.monitor, entry.known)) for entry in entries]
    sections += _concerns_sections(concerns)
    return render_markdown(title, sections, lead=_lead(entries))


def _entries(monitors: Any) -> list[_Entry]:
    """Return the monitors with the names they have on the page, the worst first."""
    if isinstance(monitors, Mapping):
        named = [(label(name), monitor) for name, monitor in monitors.items()]
    else:
        monitors = list(monitors)
        named = [(shown_name(monitor), monitor) for monitor in monitors]
    often = Counter(name for name, _ in named)
    entries = [
        _Entry(name if often[name] == 1 else f"{name} ({place})", monitor, found(monitor))
        for place, (name, monitor) in enumerate(named, 1)
    ]
    return sorted(entries, key=lambda entry: entry.severity)


def _rooms(n_monitors: int) -> Iterator[Room]:
    """Yield what each of so many monitors has room for, the worst first."""
    n, left = max(1, n_monitors), _CHARTS
    for place in range(n_monitors):
        is_folded = place >= _OPEN
        charts = min(left, 1 if is_folded else max(_FEWEST_CHARTS, _MOST_CHARTS // n))
        left -= charts
        batches, groups = max(_FEWEST_BATCHES, _BATCHES // n), max(_FEWEST_GROUPS, _GROUPS // n)
        yield Room(charts, batches, groups, is_folded)


def _lead(entries: Sequence[_Entry]) -> list[str]:
    """Say how many monitors there are and until when they have counted."""
    last = [entry.monitor.batches[-1] for entry in entries if entry.monitor.n_batches]
    if not last:
        return ["No batch has been counted."]
    monitors = "1 monitor" if len(entries) == 1 else f"{len(entries):,} monitors"
    return [f"{monitors}; the latest batch is {label(max(last))}."]


def _overview(entries: Sequence[_Entry], alpha: float) -> Section:
    """Return what is wrong, in all monitors."""
    if not entries:
        return Section("What was found", ["There is no monitor."])
    said = [*_findings(entries), *_together(entries, alpha)]
    tables = [_table(entries)] if len(entries) > 1 else []
    return Section("What was found", said, [_cards(entries), *tables])


def _findings(entries: Sequence[_Entry]) -> Iterator[str]:
    """Say what is wrong, and what no alarm says."""
    if len(entries) == 1:
        yield finding(entries[0].monitor, entries[0].known.outcome)
        return
    for outcome, said in (("FAIL", "The tolerance was not kept"), ("CHANGED", "It is not kept lately")):
        names = [entry.name for entry in entries if entry.known.outcome == outcome]
        if names:
            yield f"{said}: {list_texts(names)}."
    if not any(entry.known.outcome in ("FAIL", "CHANGED") for entry in entries):
        yield "No monitor has alarmed. That does not mean that every tolerance is kept."


def _together(entries: Sequence[_Entry], alpha: float) -> Iterator[str]:
    """Say what several monitors mean together."""
    if len(entries) < 2:
        return
    wrong = sum(entry.monitor.alpha for entry in entries)
    yield (
        f"alpha is per monitor: while all {len(entries):,} tolerances are kept, up to {wrong:.3g} of these "
        "monitors are expected to say FAIL wrongly, one day."
    )
    named = e_bh({entry.name: entry.monitor.log_e_value for entry in entries}, alpha).alarms
    yield (
        f"All together, such that of those listed {percent(alpha)} are wrong at most, in expectation (e-BH, "
        f"by the evidence of now): {list_texts(named) or 'none'}."
    )


def _cards(entries: Sequence[_Entry]) -> Cards:
    """Return what is seen at first sight."""
    worst = entries[0]
    outcomes = Counter(entry.known.outcome for entry in entries)
    decisions = sum(entry.known.n_decisions for entry in entries)
    batches = sum(entry.monitor.n_batches for entry in entries)
    cards = []
    if len(entries) == 1:
        monitor = worst.monitor
        since = "" if monitor.since is None else f"evidence grows since {label(monitor.since)}"
        cards.append(Card("Outcome", worst.known.outcome, since))
        cards.append(Card("p, at all times", p_value(monitor.p_value), f"evidence: {_evidence(worst)}"))
    else:
        counted = ", ".join(f"{outcomes[outcome]} {outcome}" for outcome in _ORDER if outcomes[outcome])
        cards.append(Card("Worst outcome", worst.known.outcome, counted))
    pair = worst.known.pair
    if pair is not None:
        comparison = worst.monitor.bound.comparison
        sequence = f"confidence sequence: {between(pair.low, pair.high)}; asked: {limit(worst.monitor)}"
        of = "" if len(entries) == 1 else f" in {worst.name}"
        cards.append(
            Card(f"Furthest apart{of}", f"{comparison} {pair.value:.2f}", f"{pair.ends}; {sequence}")
        )
    cards.append(Card("Decisions", number(decisions), f"in {batches:,} batches"))
    return Cards(cards)


def _evidence(entry: _Entry) -> str:
    """Write the evidence of a monitor in words."""
    if entry.known.outcome == "CHANGED":
        return "lately"
    return evidence_words(-float(np.log(entry.monitor.p_value)) if entry.monitor.p_value > 0 else np.inf)


def _table(entries: Sequence[_Entry]) -> Table:
    """Return a line per monitor."""
    monitors = [entry.monitor for entry in entries]
    pairs = [entry.known.pair for entry in entries]
    columns: dict[str, list[Any]] = {
        "monitor": [entry.name for entry in entries],
        "outcome": [entry.known.outcome for entry in entries],
        "since": ["" if m.since is None else label(m.since) for m in monitors],
        "p": [m.p_value for m in monitors],
        "evidence": list(map(_evidence, entries)),
        "tested": [in_words(m.constraint.name) for m in monitors],
        "asked": [f"{m.bound.comparison} {limit(m)}" for m in monitors],
        "found": [np.nan if pair is None else pair.value for pair in pairs],
        "low": [np.nan if pair is None else pair.low for pair in pairs],
        "high": [np.nan if pair is None else pair.high for pair in pairs],
        "furthest apart": ["-" if pair is None else pair.ends for pair in pairs],
        "decisions": [entry.known.n_decisions for entry in entries],
        "batches": [m.n_batches for m in monitors],
        "last batch": [label(m.batches[-1]) if m.n_batches else "-" for m in monitors],
    }
    shown = {name: list(map(str, values)) for name, values in columns.items() if name not in ("low", "high")}
    if len(set(columns["tested"])) == 1:  # the sections say it
        del shown["tested"]
    shown["p"] = list(map(p_value, columns["p"]))
    ends = zip(columns["found"], columns["low"], columns["high"], strict=True)
    shown["found"] = [with_interval(*one) for one in ends]
    for name in ("decisions", "batches"):
        shown[name] = list(map(number, columns[name]))
    confidences = sorted({round(1 - m.alpha, 12) for m in monitors})
    notes = [
        "Found: the ratio, or the difference, of the two groups furthest apart, with its confidence "
        f"sequence ({', '.join(map(percent, confidences))})."
    ]
    words = ("since", "evidence", "tested", "furthest apart", "last batch")
    return Table(
        columns,
        shown,
        "All monitors, the worst first",
        notes,
        words=words,
        outcomes=("outcome",),
        most_lines=len(entries),
    )


def _concerns_sections(concerns: ConcernLog | None) -> Iterator[Section]:
    """Yield the section of the concerns."""
    if concerns is None:
        return
    links, head = concerns.head()
    said = [*_CONCERNS, f"Head of the log of concerns, after {links:,} entries: {head}."]
    yield Section("Concerns", said, list(concerns.summary()._tables()))
