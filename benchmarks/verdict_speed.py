"""Time verdicts over all pairs of groups beside bare NumPy.

Run: OMP_NUM_THREADS=1 python benchmarks/verdict_speed.py

The least of several repetitions, in milliseconds. The lower limit is the arithmetic that any tool must do for
the interval of every pair: take the rates of both groups and the distances to the ends of their intervals,
and combine these (Newcombe's for differences, MOVER-R in both directions for ratios); no labels, no verdicts,
no smallest detectable disparity. The target is a report's five criteria at 200 groups within a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fairsk.audit import audit_predictions, compare
from fairsk.metrics import GroupCounts
from fairsk.rates import get_constraint
from fairsk.statistics import rate_intervals, verdict

CRITERIA: tuple[tuple[str, dict[str, float]], ...] = (
    ("demographic_parity", {"min_ratio": 0.8}),
    ("equal_opportunity", {"max_difference": 0.1}),
    ("equalized_odds", {"max_difference": 0.1}),
    ("predictive_parity", {"max_difference": 0.1}),
    ("equalized_odds", {"min_ratio": 0.8}),
)
GROUPS = (8, 50, 200, 1000)


def milliseconds(job: Callable[[], Any], repetitions: int = 5) -> float:
    """Return the least time of a job."""
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def make_counts(n_groups: int) -> GroupCounts:
    """Return counts of groups of 200 to 2,000 rows."""
    rng = np.random.default_rng(0)
    n = rng.integers(200, 2000, n_groups)
    positives = rng.binomial(n, 0.4)
    tp, fp = rng.binomial(positives, 0.6), rng.binomial(n - positives, rng.uniform(0.2, 0.5, n_groups))
    cells = {"tp": tp, "fp": fp, "fn": positives - tp, "tn": n - positives - fp}
    return GroupCounts([f"group {g}" for g in range(n_groups)], cells)


def bare(counts: GroupCounts) -> None:
    """Combine the intervals of all pairs of groups, in every rate of every criterion."""
    first, second = np.triu_indices(len(counts.groups), 1)
    for name, tolerance in CRITERIA:
        for rate in get_constraint(name).rates:
            value, (low, high) = counts.rate(rate), rate_intervals(counts, rate, 0.9999)
            if "max_difference" in tolerance:
                gap, below, above = value[first] - value[second], value - low, high - value
                np.hypot(below[first], above[second]), np.hypot(above[first], below[second]), abs(gap)
                continue
            product, lower, upper = (
                value[first] * value[second],
                low * (2 * value - low),
                high * (2 * value - high),
            )
            for one, other in ((first, second), (second, first)):
                lower[one] / (product + np.sqrt(product**2 - lower[one] * upper[other]))
                (product + np.sqrt(np.maximum(0, product**2 - upper[one] * lower[other]))) / lower[other]


def main() -> None:
    print(f"{'groups':>6}  {'pairs x rates':>13}  {'fairsk':>8}  {'limit':>8}  ratio  labels")
    for n_groups in GROUPS:
        counts = make_counts(n_groups)
        ours = milliseconds(lambda counts=counts: [verdict(counts, name, **tol) for name, tol in CRITERIA])
        limit = milliseconds(lambda counts=counts: bare(counts))
        results = [verdict(counts, name, **tol) for name, tol in CRITERIA]
        n_pairs = sum(map(len, (result.pairs for result in results)))
        labels = milliseconds(
            lambda results=results: [
                (r.pairs.rates, r.pairs.lowest, r.pairs.highest, r.pairs.outcomes) for r in results
            ],
            1,  # they are kept once they have been read
        )
        print(
            f"{n_groups:>6,}  {n_pairs:>13,}  {ours:>8.1f}  {limit:>8.1f}  {ours / limit:>5.1f}  {labels:.1f}"
        )

    print("\nA report of five criteria, without charts")
    print(f"{'groups':>6}  {'built':>8}  {'JSON':>8}  {'page':>8}  {'KB of page':>10}  {'compared':>8}")
    for n_groups in GROUPS:
        counts = make_counts(n_groups)
        names = [*dict(CRITERIA), "error_rate_parity"]
        job = lambda counts=counts, names=names: audit_predictions(  # noqa: E731
            counts=counts, constraint=names, max_difference=0.1
        )
        report = job()
        built = milliseconds(job, 3)
        as_json = milliseconds(lambda job=job: job().to_json(), 3) - built
        as_page = milliseconds(lambda job=job: job().to_html(charts=False), 3) - built
        size = len(report.to_html(charts=False).encode()) / 1e3
        compared = milliseconds(lambda report=report: compare(report, report), 3)
        times = f"{built:>8.1f}  {as_json:>8.1f}  {as_page:>8.1f}"
        print(f"{n_groups:>6,}  {times}  {size:>10.0f}  {compared:>8.1f}")


if __name__ == "__main__":
    main()
