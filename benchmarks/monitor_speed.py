"""Time what a monitor does with a batch, and what it is asked.

Run: OMP_NUM_THREADS=1 python benchmarks/monitor_speed.py

Medians over batches, in milliseconds: of the evidence alone, and of `FairnessMonitor.update`, which also
reads the counts, writes the log and links it. Without a bet: forecasts keep the tolerance. Betting: they do
not, batch after batch. Bars: .25 ms without a bet, and 1, 1.5 and 3 ms with one, at 2, 20 and 200 groups.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fairsk._core.bounds import Bound
from fairsk.metrics import GroupCounts
from fairsk.monitoring import FairnessMonitor
from fairsk.monitoring._evidence.bands import Band
from fairsk.monitoring._evidence.e_process import EProcess

N_BATCHES = 150
QUIET_BAR = 0.25
BARS = {2: 1.0, 20: 1.5, 200: 3.0}


def batches(n_groups: int, rates: Any) -> list[tuple[Any, Any]]:
    """Return batches of 100 decisions or more, k of n by group."""
    rng = np.random.default_rng(0)
    size = np.full(n_groups, max(10, 100 // n_groups))
    return [(rng.binomial(size, rates), size) for _ in range(N_BATCHES)]


def milliseconds(job: Callable[[Any], Any], inputs: list[Any]) -> float:
    """Return the median time of a job over its inputs."""
    times = []
    for one in inputs:
        start = time.perf_counter()
        job(one)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def evidence(n_groups: int, rates: Any, ratio: float) -> float:
    """Return the time of an update of the evidence."""
    process = EProcess(Band(Bound(ratio=ratio)), (1, 1, n_groups))
    tables = [(k[None, None].astype(float), n[None, None].astype(float)) for k, n in batches(n_groups, rates)]
    return milliseconds(lambda table: (process.update(*table), process.log_e_value), tables)


def monitor(n_groups: int, rates: Any, ratio: float) -> tuple[float, FairnessMonitor]:
    """Return the time of an update of a monitor, and the monitor."""
    watch, groups = FairnessMonitor("demographic_parity", min_ratio=ratio), [f"g{g}" for g in range(n_groups)]
    zero, tables = np.zeros(n_groups), []
    for day, (k, n) in enumerate(batches(n_groups, rates)):
        cells = {"tp": zero, "fp": k, "fn": zero, "tn": n - k}
        tables.append((GroupCounts(groups, cells, labelled=False), f"{day:04}"))
    return milliseconds(lambda table: watch.update(table[0], batch=table[1]), tables), watch


def once(job: Callable[[], Any]) -> float:
    """Return the time of a job."""
    start = time.perf_counter()
    job()
    return 1e3 * (time.perf_counter() - start)


def main() -> None:
    evidence(2, 0.5, 0.8)  # imports and caches
    print("| groups | evidence: no bet | betting | a monitor's update: no bet | betting | bars |")
    print("|---|---|---|---|---|---|")
    watches = {}
    for n_groups, bar in BARS.items():
        equal, apart = np.full(n_groups, 0.5), np.where(np.arange(n_groups) % 2, 0.5, 0.3)
        alone = evidence(n_groups, equal, 0.3), evidence(n_groups, apart, 0.8)
        quiet, _ = monitor(n_groups, equal, 0.3)
        betting, watches[n_groups] = monitor(n_groups, apart, 0.8)
        is_met = quiet <= QUIET_BAR and betting <= bar
        cells = " | ".join(f"{value:.2f}" for value in (*alone, quiet, betting))
        print(f"| {n_groups} | {cells} | <= {QUIET_BAR:g}, {bar:g}: {'met' if is_met else '**missed**'} |")

    print(f"\nAsked after {N_BATCHES} batches, ms")
    print("| groups | pairs | confidence sequence | whether all pairs pass | state | from state |")
    print("|---|---|---|---|---|---|")
    for n_groups, watch in watches.items():
        passing = monitor(n_groups, np.full(n_groups, 0.5), 0.6)[1]
        watch.frame()  # imports
        state = watch.to_state()
        times = (
            once(watch.pairs),
            once(lambda watch=watch: watch.confidence_sequence("g0", "g1")),
            once(lambda passing=passing: passing.outcome),
            once(watch.to_state),
            once(lambda state=state: FairnessMonitor.from_state(state)),
        )
        assert passing.outcome == "PASS"
        print(f"| {n_groups} | {' | '.join(f'{value:.0f}' for value in times)} |")


if __name__ == "__main__":
    main()
