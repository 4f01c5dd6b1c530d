"""Labels that arrive late, persons decided on several times, and fleets of monitors, as Markdown tables.

Run: OMP_NUM_THREADS=1 python benchmarks/monitor_labels.py [RUNS]

Streams of decisions of two groups, 140 and 60 a batch, under the tolerance ``min_ratio=0.8`` of the true
positive rate or of precision. Labels arrive after exponential delays that depend on the group and on the
cell (tp, fp, fn, tn). Every stream keeps the tolerance, so each alarm within 120 batches is a false one; of
a test at 5%, 5% of streams may have one, ever. What is counted differs from row to row of the table: labels
as they arrive, or of cohorts by the day of the decision, closed by age or by completeness.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fairsk._core.bounds import Bound
from fairsk.metrics import GroupCounts
from fairsk.monitoring._cohorts.cohorts import Cohorts
from fairsk.monitoring._evidence.bands import Band
from fairsk.monitoring._evidence.e_process import EProcess
from fairsk.monitoring._evidence.fleet import e_bh
from fairsk.rates import CELLS, get_rate

Floats = NDArray[np.float64]
BAND = Band(Bound(ratio=0.8))
SIZES = (140, 60)
N_BATCHES = 120
#: Batches after which everything has arrived but for one label in a thousand of the slowest.
N_WAIT = 280
COMPLETE = 0.95
#: The test alarms at this evidence.
LINE = -np.log(0.05)


@dataclass(frozen=True)
class Stream:
    """What is true of a stream: shares of the cells and mean delays of labels, by group."""

    name: str
    rate: str
    shares: tuple[tuple[float, ...], tuple[float, ...]]
    delays: tuple[tuple[float, ...], tuple[float, ...]]


def cells(base_rate: float, tpr: float, fpr: float) -> tuple[float, ...]:
    return (base_rate * tpr, (1 - base_rate) * fpr, base_rate * (1 - tpr), (1 - base_rate) * (1 - fpr))


ALIKE = (10.0, 10.0, 10.0, 10.0)
STREAMS = (
    Stream(
        "TPR .8 and .8; tp of the second group late",
        "true_positive_rate",
        (cells(0.5, 0.8, 0.2), cells(0.5, 0.8, 0.2)),
        (ALIKE, (40.0, 10.0, 10.0, 10.0)),
    ),
    Stream(
        "TPR .8 and .64; all labels of the second group late",
        "true_positive_rate",
        (cells(0.5, 0.8, 0.2), cells(0.5, 0.64, 0.2)),
        (ALIKE, (40.0,) * 4),
    ),
    Stream(
        "TPR .8 and .64; labels of its selected late",
        "true_positive_rate",
        (cells(0.5, 0.8, 0.2), cells(0.5, 0.64, 0.2)),
        (ALIKE, (40.0, 40.0, 10.0, 10.0)),
    ),
    Stream(
        "the same, 12% positive",
        "true_positive_rate",
        (cells(0.12, 0.8, 0.02), cells(0.12, 0.64, 0.02)),
        (ALIKE, (40.0, 40.0, 10.0, 10.0)),
    ),
    Stream(
        "precision .5 and .4; tp of the second group late",
        "precision",
        ((0.25, 0.25, 0.1, 0.4), (0.2, 0.3, 0.1, 0.4)),
        (ALIKE, (40.0, 10.0, 10.0, 10.0)),
    ),
)


def simulate(stream: Stream, runs: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return decisions (runs, cohorts, groups, 4) and arrivals by day (days, runs, cohorts, groups, 4)."""
    decided = np.stack(
        [rng.multinomial(n, p, (runs, N_BATCHES)) for n, p in zip(SIZES, stream.shares, strict=True)], 2
    )
    arrives = 1 - np.exp(-1 / np.array(stream.delays))
    left, days = decided.copy(), []
    for day in range(N_BATCHES + N_WAIT):
        today = np.zeros_like(decided, dtype=np.int16)
        known = slice(0, min(day + 1, N_BATCHES))
        today[:, known] = rng.binomial(left[:, known], arrives)
        left -= today
        days.append(today)
    return decided, np.array(days)


def pairs(counts: Floats) -> Floats:
    """Return what is selected and what is rejected, from the cells on the last axis."""
    return np.stack([counts[..., 0] + counts[..., 1], counts[..., 2] + counts[..., 3]], -1)


def by_age(days: Floats, window: int) -> Floats:
    """Return the counts of each cohort when it is that old; of today's cohort the labels of today count."""
    arrived = np.zeros_like(days[0], dtype=int)
    for t in range(N_BATCHES):
        arrived[:, t] = days[t : t + window, :, t].sum(0)
    return arrived


def on_completeness(
    decided: Floats,
    days: Floats,
    is_complete: Callable[[Floats, Floats], NDArray[np.bool_]],
    *,
    ordered: bool,
) -> tuple[Floats, NDArray[np.int64]]:
    """Return the counts of each cohort when it is closed, and its day (that of the last if never)."""
    runs = decided.shape[0]
    arrived, frozen = np.zeros_like(decided), np.zeros_like(decided)
    closed = np.full((runs, N_BATCHES), len(days))
    for day, today in enumerate(days):
        arrived = arrived + today
        ready = is_complete(arrived, decided)
        ready[:, day + 1 :] = False
        if ordered:
            ready = np.logical_and.accumulate(ready | (closed <= day), 1)
        new = ready & (closed == len(days))
        closed[new], frozen[new] = day, arrived[new]
    return frozen, closed


def log_evidence(part: Floats, size: Floats) -> Floats:
    """Return the evidence after each batch, of counts (runs, batches, groups): (runs, batches)."""
    process, logs = EProcess(BAND, (len(part), 1, 1, part.shape[-1])), []
    for t in range(part.shape[1]):
        process.update(part[:, t, None, None].astype(float), size[:, t, None, None].astype(float))
        logs.append(process.log_e_value)
    return np.stack(logs, 1)


def ever(counts: Floats, rate: str) -> float:
    """Return the share of runs in which the test ever alarms on counts (runs, batches, groups, 4)."""
    table = {cell: counts[..., i].astype(float) for i, cell in enumerate(CELLS)}
    part, size = get_rate(rate).part(table), get_rate(rate).support(table)
    return float((log_evidence(part, size) >= LINE).any(1).mean())


def in_all(arrived: Floats, decided: Floats) -> NDArray[np.bool_]:
    return arrived.sum((-1, -2)) >= COMPLETE * decided.sum((-1, -2))


def in_groups(arrived: Floats, decided: Floats) -> NDArray[np.bool_]:
    return (arrived.sum(-1) >= COMPLETE * decided.sum(-1)).all(-1)


def by_decision(arrived: Floats, decided: Floats) -> NDArray[np.bool_]:
    return (pairs(arrived) >= COMPLETE * pairs(decided) - 1e-9).all((-1, -2))


def policies(decided: Floats, days: Floats) -> Iterator[tuple[str, Floats, NDArray[np.int64] | None]]:
    """Yield what may be counted, in the order in which it is, and the day on which each cohort is closed."""
    yield "every label, known at once", decided, None
    yield "labels of the day, as they arrive", days.sum(2)[:N_BATCHES].swapaxes(0, 1), None
    for window in (10, 30, 120):
        yield f"cohorts, closed when {window} batches old", by_age(days, window), None
    rules = (("of all decisions", in_all), ("of every group", in_groups))
    for name, rule in rules:
        yield f"closed at 95% {name}, in order", *on_completeness(decided, days, rule, ordered=True)
    counts, closed = on_completeness(decided, days, by_decision, ordered=False)
    order = np.argsort(closed, 1, kind="stable")
    first = np.take_along_axis(counts, order[..., None, None], 1)
    yield "closed at 95% of every group and decision, as they are ready", first, closed
    ordered = on_completeness(decided, days, by_decision, ordered=True)
    yield "closed at 95% of every group and decision, in order: `Cohorts`", *ordered


def check_cohorts(decided: Floats, days: Floats, counts: Floats, closed: NDArray[np.int64]) -> None:
    """Compare the loop over arrays with ``Cohorts`` itself, on one run."""
    cohorts, found = Cohorts(COMPLETE), {}
    for day, today in enumerate(days):
        if day < N_BATCHES:
            selected, rejected = pairs(decided[day]).T
            none = np.zeros(2)
            table = {"tp": none, "fp": selected, "fn": none, "tn": rejected}
            cohorts.decided(f"{day:03d}", GroupCounts(["a", "b"], table, labelled=False))
        for batch in np.flatnonzero(today.any((-1, -2))):
            arrived = dict(zip(CELLS, today[batch].T, strict=True))
            cohorts.labelled(f"{batch:03d}", GroupCounts(["a", "b"], arrived))
        for batch, table in cohorts.closed():
            found[int(batch)] = (day, np.stack([table.cells[cell] for cell in CELLS], -1))
    for batch in range(N_BATCHES):
        if closed[batch] == len(days):
            assert batch not in found
        else:
            assert found[batch][0] == closed[batch]
            assert (found[batch][1] == counts[batch]).all()


def late_labels(runs: int, rng: np.random.Generator) -> None:
    rows: dict[str, list[str]] = {}
    for stream in STREAMS:
        decided, days = simulate(stream, runs, rng)
        for name, counts, closed in policies(decided, days):
            table = {cell: counts[..., i].sum((0, 1)) for i, cell in enumerate(CELLS)}
            seen = get_rate(stream.rate)(table)
            age = "" if closed is None else f", {np.median(closed - np.arange(N_BATCHES)):.0f}"
            rows.setdefault(name, []).append(
                f"{ever(counts, stream.rate):.0%} ({seen[1] / seen[0]:.2f}{age})"
            )
        check_cohorts(decided[0], days[:, 0], counts[0], closed[0])
    print("| what is counted |" + "".join(f" {stream.name} |" for stream in STREAMS))
    print("|---" * (1 + len(STREAMS)) + "|")
    for name, cells_of_row in rows.items():
        print(f"| {name} | {' | '.join(cells_of_row)} |")


def several_decisions(runs: int, rng: np.random.Generator) -> None:
    print("\n| decisions per person and batch, all alike | every one counted | the first of each person |")
    print("|---|---|---|")
    for copies in (1, 2, 5):
        sizes = np.broadcast_to([70, 30], (runs, 365, 2))
        part = rng.binomial(sizes, [0.5, 0.4])
        shares = [(log_evidence(c * part, c * sizes) >= LINE).any(1).mean() for c in (copies, 1)]
        print(f"| {copies} | {shares[0]:.0%} | {shares[1]:.0%} |")


N_FAIR, N_FLEET, FLEET_BATCHES = 380, 400, 60


def fleet_evidence(runs: int, rng: np.random.Generator) -> Floats:
    """Return the evidence of monitors (runs, monitors, batches), five of which see the same decisions."""
    low = np.where(np.arange(N_FLEET) < N_FAIR, 0.4, 0.33)[:, None]
    draws = np.repeat(rng.random((runs, FLEET_BATCHES, N_FLEET // 5, 100)), 5, 2)
    part = np.stack([(draws[..., :70] < 0.5).sum(-1), (draws[..., 70:] < low).sum(-1)], -1)
    part = np.moveaxis(part, 2, 1).reshape(-1, FLEET_BATCHES, 2)
    size = np.broadcast_to([70, 30], part.shape)
    return log_evidence(part, size).reshape(runs, N_FLEET, FLEET_BATCHES)


def fleets(runs: int, rng: np.random.Generator) -> None:
    """Compare lists of alarms at a fixed time, and at the worst one: when the first false alarm is listed."""
    logs = np.concatenate([fleet_evidence(10, rng) for _ in range(max(runs // 10, 1))])
    names = list(map(str, range(N_FLEET)))

    def listed(values: Floats, how: str) -> tuple[int, int]:
        if how.startswith("each"):
            alarms = np.flatnonzero(values >= LINE).tolist()
        else:
            alarms = [int(name) for name in e_bh(dict(zip(names, values.tolist(), strict=True))).alarms]
        return sum(i < N_FAIR for i in alarms), len(alarms)

    print(f"\n| of {N_FLEET} monitors, {N_FAIR} at the bound | when | false | of {N_FLEET - N_FAIR} found |")
    print("|---|---|---|---|")
    for how in ("each at 5%, latched", "each at 5%, now", "`e_bh` at 5%, now"):
        evidence = np.maximum.accumulate(logs, 2) if "latched" in how else logs
        table = np.array([[listed(run[:, t], how) for t in range(FLEET_BATCHES)] for run in evidence])
        false, total = table[..., 0], table[..., 1]
        share, last = false / np.maximum(total, 1), np.full(len(logs), FLEET_BATCHES - 1)
        first = np.where((false > 0).any(1), (false > 0).argmax(1), last)
        for when, t in (("batch 60", last), ("the first false alarm, or batch 60", first)):
            at = np.arange(len(logs)), t
            print(f"| {how} | {when} | {share[at].mean():.1%} | {(total - false)[at].mean():.1f} |")


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    rng = np.random.default_rng(0)
    late_labels(runs, rng)
    several_decisions(runs, rng)
    fleets(min(runs, 200), rng)


if __name__ == "__main__":
    main()
