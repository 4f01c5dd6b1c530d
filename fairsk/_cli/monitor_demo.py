"""The demo of monitoring: a simulated year of decisions that drift in the middle, and the alarms then."""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fairsk import GroupThresholdOptimizer
from fairsk._cli.monitor_demo_services import Prometheus, interruptible, prometheus, service, take_pictures
from fairsk._core.columns import drop_columns
from fairsk._core.counts import GroupCounts
from fairsk._core.results import Table
from fairsk.datasets import load_adult
from fairsk.monitoring import (
    Cohorts,
    ConcernLog,
    FairnessMonitor,
    app,
    create_monitor,
    monitors_page,
    open_monitor,
    read_monitor,
)

__all__ = ["run"]

_N_WEEKS = 52
_N_DAILY = 150
#: The week from which on decisions drift.
_DRIFT = 26
#: From then on this share of the approvals of women is lost.
_LOST = 0.4
_DRIFTING = "Female"
#: Labels come in two halves, so many days after the decision.
_DELAYS = (14, 28)
#: How often somebody who was refused says so, and somebody whose approval was lost.
_CONCERNS, _CONCERNS_OF_LOST = 0.02, 0.5
#: In this week, long before the drift, so many concerns without a ticket come at once.
_FLOOD, _FLOOD_WEEK = 300, 14
#: At the end, for how many seconds to wait until Prometheus sees all alarms.
_WAIT = 15.0
_APPROVALS, _POSITIVES, _CONCERNED = "approvals", "true-positives", "concerns"
_TITLE = "Loans: a simulated year"


@dataclass(frozen=True)
class _Day:
    """The decisions of a day, and what comes of them later."""

    batch: str
    decided: GroupCounts
    labelled: tuple[GroupCounts, ...]
    groups_of_concerns: tuple[str, ...]


@dataclass(frozen=True)
class _Event:
    """An alarm: which one, at which batch, and when that batch could be counted."""

    monitor: str
    kind: str
    batch: str
    known: str


@dataclass
class _Year:
    """The files of the demo, and the alarms so far."""

    folder: Path
    log: ConcernLog
    groups: dict[str, str]
    cohorts: Cohorts = field(default_factory=lambda: Cohorts(constraint="equal_opportunity"))
    days: list[_Day] = field(default_factory=list)
    alarms: list[_Event] = field(default_factory=list)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    @property
    def paths(self) -> list[Path]:
        return [self.path(name) for name in (_APPROVALS, _POSITIVES, _CONCERNED)]

    def count(self, name: str, batches: Iterable[tuple[str, str, GroupCounts]]) -> None:
        """Add batches to a monitor's file, and remember what alarmed: (when, batch, counts)."""
        with open_monitor(self.path(name)) as monitor:
            for known, batch, counts in batches:
                before = monitor.alarm, monitor.change
                monitor.update(counts, batch=batch)
                for kind, was, now in zip(
                    ("test", "change"), before, (monitor.alarm, monitor.change), strict=True
                ):
                    if was is None and now is not None:
                        self.alarms.append(_Event(name, kind, batch, known))

    def add(self, weeks: Sequence[Sequence[_Day]]) -> list[_Event]:
        """Count closed weeks, as jobs at night would; return the alarms that they raised."""
        n_before = len(self.alarms)
        days = [day for week in weeks for day in week]
        self.count(_APPROVALS, ((day.batch, day.batch, day.decided) for day in days))
        self.count(_POSITIVES, self._cohorts_closed_by(days))
        self.count(_CONCERNED, (self._concerns_of(week) for week in weeks))
        return sorted(self.alarms[n_before:], key=lambda event: event.known)

    def _cohorts_closed_by(self, days: Sequence[_Day]) -> Iterator[tuple[str, str, GroupCounts]]:
        for day in days:
            self.days.append(day)
            self.cohorts.decided(day.batch, day.decided)
            for place, delay in enumerate(_DELAYS):
                if len(self.days) > delay:
                    then = self.days[-1 - delay]
                    self.cohorts.labelled(then.batch, then.labelled[place])
            for batch, counts in self.cohorts.closed():
                yield day.batch, batch, counts

    def _concerns_of(self, week: Sequence[_Day]) -> tuple[str, str, GroupCounts]:
        """Store the concerns of a week, and count those that have a ticket."""
        batch = week[0].batch
        bodies = []
        for day in week:
            for place, group in enumerate(day.groups_of_concerns):
                decision = f"{day.batch}.{place}"
                self.groups[decision] = group
                ticket = self.log.ticket(decision, batch=batch)
                bodies.append({"key": decision, "category": "wrong decision", "ticket": ticket})
        self.log.submit(*bodies)
        decided = sum((day.decided for day in week[1:]), start=week[0].decided)
        return week[-1].batch, batch, self.log.counts(decided, batch=batch)


def run(*, folder: str | None, seconds: float, seed: int, services: bool, pictures: str | None) -> int:
    """Simulate the year, print what happens, and say whether the alarms came when they should.

    Parameters
    ----------
    folder : str or None
        Where the files are kept: a new or an empty folder; None for a new temporary one.
    seconds : float
        How long the year takes.
    seed : int
        Seeds the year.
    services : bool
        Whether to start the service and Prometheus, where they are installed.
    pictures : str or None
        A folder for pictures of the pages, which Chromium makes.

    Returns
    -------
    int
        0 if every monitor alarmed after the drift and none before, else 1.

    Raises
    ------
    ValueError
        If the folder is not empty, or ``seconds`` is not from 0 to 3,600.
    ImportError
        If the extra ``fairsk[demo]`` is not installed.
    """
    if not 0 <= seconds <= 3600:
        raise ValueError(f"--seconds must lie between 0 and 3600; got {seconds:g}.")
    place = Path(tempfile.mkdtemp(prefix="fairsk-monitors-") if folder is None else folder)
    place.mkdir(parents=True, exist_ok=True)
    if any(place.iterdir()):
        raise ValueError(f"--folder must be new or empty; {str(place)!r} holds files.")
    first = date.today() - timedelta(days=7 * _N_WEEKS)
    _say("Fitting fair thresholds on bundled census data, and simulating a year of their decisions ...")
    weeks = _simulate(seed, first)
    groups = dict[str, str]()
    with ExitStack() as stack:
        stack.enter_context(interruptible())
        log = ConcernLog(
            place / "concerns.db", secret=secrets.token_hex(), groups=("Female", "Male"), group_of=groups.get
        )
        year = _Year(place, stack.enter_context(log), groups)
        _create_monitors(year)
        prom, address = _start(stack, year) if services else (None, None)
        _say_where(year, weeks)
        _play(year, weeks, seconds, prom)
        _write_pages(year)
        if prom is not None:
            _wait_for(prom, year)
        if pictures is not None:
            _say_pictures(pictures, year, address, prom)
    return _conclude(year, weeks[_DRIFT][0].batch)


def _simulate(seed: int, first: date) -> list[list[_Day]]:
    """Return the weeks of a year that begins at a day: decisions on rows that the model has not seen."""
    adult = load_adult(backend="pandas")
    X = drop_columns(adult.data, ["fnlwgt"]).select_dtypes("number")
    y, sex = (adult.target == ">50K").to_numpy(), adult.data["sex"]
    is_training = np.arange(len(y)) % 2 == 0
    # Stricter than what is monitored, and balanced, so that many are approved and a year shows much.
    model = GroupThresholdOptimizer(
        make_pipeline(StandardScaler(), LogisticRegression()),
        constraint="demographic_parity",
        min_ratio=0.9,
        objective="balanced_accuracy",
        cv=3,
    )
    model.fit(X[is_training], y[is_training], sensitive_features=sex[is_training])
    y, sex = y[~is_training], sex[~is_training]
    approved = np.asarray(model.predict(X[~is_training], sensitive_features=sex)).astype(bool)
    people = np.random.default_rng(seed).integers(0, len(y), 7 * _N_WEEKS * _N_DAILY)
    days = _days(np.random.default_rng(seed + 1), first, approved[people], y[people], sex.iloc[people])
    return [days[7 * week : 7 * week + 7] for week in range(_N_WEEKS)]


def _days(rng: np.random.Generator, first: date, approved: Any, label: Any, sex: Any) -> list[_Day]:
    """Return days of decisions about people, as many on each, of which some are lost from the drift on."""
    batches = [(first + timedelta(days=place)).isoformat() for place in range(7 * _N_WEEKS)]
    day = np.repeat(batches, _N_DAILY)
    may_be_lost = (day >= batches[7 * _DRIFT]) & (sex == _DRIFTING).to_numpy()
    lost = approved & may_be_lost & (rng.random(len(day)) < _LOST)
    decision = approved & ~lost
    speaks = ~decision & (rng.random(len(day)) < np.where(lost, _CONCERNS_OF_LOST, _CONCERNS))
    half = np.where(rng.random(len(day)) < 0.5, " a", " b")
    # Counted in one go, with a stratum for each day, or half of its labels.
    decided = _by_stratum(
        GroupCounts.from_predictions(None, decision, sensitive_features=sex, strata=day), labelled=False
    )
    labelled = _by_stratum(
        GroupCounts.from_predictions(label, decision, sensitive_features=sex, strata=np.char.add(day, half)),
        labelled=True,
    )
    return [
        _Day(
            batch=batch,
            decided=decided[batch],
            labelled=(labelled[f"{batch} a"], labelled[f"{batch} b"]),
            groups_of_concerns=tuple(sex[speaks & (day == batch)]),
        )
        for batch in batches
    ]


def _by_stratum(counts: GroupCounts, *, labelled: bool) -> dict[Any, GroupCounts]:
    """Return the table of each stratum."""
    return {
        stratum: GroupCounts(
            counts.groups,
            {cell: sums[:, place] for cell, sums in counts.cells.items()},
            names=counts.names,
            labelled=labelled,
        )
        for place, stratum in enumerate(counts.strata or ())
    }


def _create_monitors(year: _Year) -> None:
    """Make the files of three monitors."""
    for monitor in (
        FairnessMonitor("demographic_parity", min_ratio=0.8, name=_APPROVALS),
        FairnessMonitor("equal_opportunity", min_ratio=0.8, name=_POSITIVES),
        FairnessMonitor("selection_rate", max_difference=0.02, name=_CONCERNED),
    ):
        create_monitor(year.path(monitor.name), monitor)


def _start(stack: ExitStack, year: _Year) -> tuple[Prometheus | None, str | None]:
    """Start the service and Prometheus, where they are installed, until the demo ends."""
    application = app(year.paths, concerns=year.log, title=_TITLE)
    address = stack.enter_context(service(application, _say))
    if address is None:
        return None, None
    _say(f"The dashboard:         {address}/")
    _say(f"Metrics:               {address}/metrics")
    _say(f"A form for concerns:   {address}/concerns/form")
    prom = stack.enter_context(prometheus(year.folder, address, _say))
    if prom is not None:
        _say(f"Prometheus:            {prom.page}")
    return prom, address


def _say_where(year: _Year, weeks: Sequence[Sequence[_Day]]) -> None:
    _say(f"Files:                 {year.folder}")
    _say(
        f"A year of {_N_DAILY} decisions a day begins, {weeks[0][0].batch} to {weeks[-1][-1].batch}. "
        f"Three monitors, of women and men:"
    )
    _say(f"  {_APPROVALS:15s} the lower rate of approvals is at least .8 of the higher one")
    _say(
        f"  {_POSITIVES:15s} the same, of those who were right to be approved; known {_DELAYS[-1]} days later"
    )
    _say(f"  {_CONCERNED:15s} the share of people with a concern differs by at most .02, week by week")


def _play(year: _Year, weeks: list[list[_Day]], seconds: float, prom: Prometheus | None) -> None:
    """Count the weeks, at the pace that was asked for."""
    start, drift = time.monotonic(), weeks[_DRIFT][0].batch
    # A file is read anew each time: all at once is quicker where nobody looks.
    chunk = 1 if seconds else _N_WEEKS
    for week in range(0, _N_WEEKS, chunk):
        among = range(week, week + chunk)
        lines = []
        if _FLOOD_WEEK in among:
            day = weeks[_FLOOD_WEEK][0].batch
            _flood(year.log, day)
            lines.append((day, f"{_FLOOD} concerns without a ticket in an hour: kept, and not counted"))
        if _DRIFT in among:
            lines.append((drift, f"--- drift begins: {_LOST:.0%} of the approvals of women are lost ---"))
        lines += [(event.known, _sentence(event, drift)) for event in year.add(weeks[week : week + chunk])]
        for day, line in sorted(lines, key=lambda line: line[0]):
            _say(f"{day}  {line}")
        if prom is not None:
            _say_firing(prom)
        time.sleep(max(0.0, start + seconds * (week + chunk) / _N_WEEKS - time.monotonic()))


def _flood(log: ConcernLog, day: str) -> None:
    """Store concerns of one who wants a monitor to alarm."""
    body = {"category": "unequal treatment", "group": _DRIFTING}
    log.submit(*({**body, "key": f"flood-{day}-{place}"} for place in range(_FLOOD)))


def _sentence(event: _Event, drift: str) -> str:
    what = "the detector of changes" if event.kind == "change" else "the test since the start"
    of = f", of decisions of {event.batch}" if event.batch != event.known else ""
    return f"{event.monitor}: {what} alarmed{of} ({_after(event.known, drift)})"


def _after(day: str, drift: str) -> str:
    n_days = (date.fromisoformat(day) - date.fromisoformat(drift)).days
    return f"{n_days} days after the drift" if n_days >= 0 else f"{-n_days} days BEFORE the drift"


def _say_firing(prom: Prometheus) -> None:
    for name, monitor in prom.newly_firing():
        _say(f"            Prometheus: alert {name} of {monitor} fires")


def _wait_for(prom: Prometheus, year: _Year) -> None:
    """Wait until Prometheus has seen every alarm."""
    until = time.monotonic() + _WAIT
    while prom.n_firing < len(year.alarms) and time.monotonic() < until:
        time.sleep(0.2)
        _say_firing(prom)
    if prom.n_firing < len(year.alarms):
        _say(f"Prometheus shows {prom.n_firing} of {len(year.alarms)} alarms; {prom.log} says more.")


def _write_pages(year: _Year) -> None:
    """Write the page of all monitors, and one of the first alone."""
    monitors = [read_monitor(path) for path in year.paths]
    text = monitors_page(monitors, title=_TITLE, concerns=year.log, cohorts={_POSITIVES: year.cohorts})
    (year.folder / "page.html").write_text(text, encoding="utf-8")
    (year.folder / "approvals.html").write_text(monitors_page(monitors[:1], title=_TITLE), encoding="utf-8")


def _say_pictures(folder: str, year: _Year, address: str | None, prom: Prometheus | None) -> None:
    pages = {
        name: ((year.folder / f"{name}.html").resolve().as_uri(), (1000, height))
        for name, height in {"page": 980, "approvals": 1600}.items()
    }
    if address is not None:
        pages["form"] = (f"{address}/concerns/form", (700, 900))
    if prom is not None:
        pages["prometheus"] = (prom.page, (1000, 600))
    for path in take_pictures(Path(folder), pages, _say):
        _say(f"Wrote {path}")


def _conclude(year: _Year, drift: str) -> int:
    """Say when alarms came, and where to look; return the exit status."""
    found = {(event.monitor, event.kind): event for event in year.alarms}
    names = (_APPROVALS, _POSITIVES, _CONCERNED)
    changes = [found.get((name, "change")) for name in names]
    rows = {
        "monitor": list(names),
        "drift": [drift] * len(names),
        "alarm of the detector": ["none" if event is None else event.known for event in changes],
        "": ["" if event is None else _after(event.known, drift) for event in changes],
    }
    _say(f"\n{Table(rows).text()}\n")
    early = [event for event in year.alarms if event.batch < drift]
    late = [name for name, event in zip(names, changes, strict=True) if event is None]
    if not early and not late:
        _say("Every monitor alarmed after the drift, and none before it.")
    for event in early:
        _say(f"A false alarm: {_sentence(event, drift)}")
    if late:
        _say(f"No alarm of {', '.join(late)}, although decisions drifted.")
    _say(f"The page:              {year.folder / 'page.html'}")
    _say(f"One monitor in words:  fairsk monitor show {year.path(_APPROVALS)}")
    _say(f"Serve it again:        fairsk monitor serve {year.folder}/*.json")
    _say(f"The concerns:          fairsk concerns list {year.folder / 'concerns.db'}")
    return int(bool(early or late))


def _say(line: str) -> None:
    """Print a line at once: somebody is watching, perhaps through a pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
