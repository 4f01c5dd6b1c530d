"""Coverage of intervals, and levels of tests.

Run: OMP_NUM_THREADS=1 python benchmarks/coverage.py [--repeats N]

Two groups of fixed sizes have so few outcomes that all are visited and weighted by their probabilities: those
lines are exact. The others are simulated, with N repeats. A line sums up its settings: the mean, the least
and the greatest share, and how many settings lie within the target.
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from fairsk._core.counts import GroupCounts
from fairsk.rates import CELLS, CONSTRAINTS, RATES
from fairsk.statistics import (
    contrasts,
    difference_interval,
    max_z_test,
    omnibus_test,
    rate_intervals,
    ratio_interval,
    two_group_test,
)
from fairsk.statistics._changes import disparity_change
from fairsk.statistics._verdicts import measure_disparity

Array = NDArray[Any]
RATE_GRID = (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95)
#: Interval ends and true values that differ by less are equal.
ROUNDING = 1e-12
COVERS = (0.93, 0.97)
COVERS_AT_LEAST = (0.93, 1.0)
REJECTS = (0.03, 0.07)
REJECTS_AT_MOST = (0.0, 0.07)


@dataclass
class Line:
    """The shares of one quantity over its settings."""

    name: str
    target: tuple[float, float]
    remark: str = ""
    shares: dict[str, float] = field(default_factory=dict)

    def markdown(self) -> str:
        """Return a line of a Markdown table."""
        values = np.array(list(self.shares.values()))
        low, high = self.target
        within = np.sum((np.round(values, 3) >= low) & (np.round(values, 3) <= high))
        lower, upper = (list(self.shares)[int(index)] for index in (values.argmin(), values.argmax()))
        return (
            f"| {self.name} | {low:.0%} to {high:.0%} | {values.mean():.3f} | {values.min():.3f} ({lower}) | "
            f"{values.max():.3f} ({upper}) | {within} of {len(values)} | {self.remark} |"
        )


def selections(selected: Any, n: Any, labels: Sequence[Any] | None = None) -> GroupCounts:
    """Return counts of groups of n of whom some are selected."""
    selected = np.asarray(selected, dtype=float)
    zeros = np.zeros_like(selected)
    cells = {"tp": selected, "fp": zeros, "fn": zeros, "tn": n - selected}
    return GroupCounts(range(len(selected)) if labels is None else labels, cells)


def covered(low: Any, truth: Any, high: Any) -> Any:
    """Return which intervals cover the true value."""
    return (low <= truth + ROUNDING) & (truth - ROUNDING <= high)


# --- exact: one group, two groups ---------------------------------------------------------------------


def one_rate(sizes: Sequence[int]) -> dict[str, float]:
    shares = {}
    for n in sizes:
        low, high = rate_intervals(selections(np.arange(n + 1), n), "selection_rate")
        for p in RATE_GRID:
            probabilities = binom.pmf(np.arange(n + 1), n, p)
            shares[f"n {n}, rate {p}"] = float(probabilities[covered(low, p, high)].sum())
    return shares


def outcome_probabilities(n: int, m: int, p: float, q: float) -> Array:
    """Return the probabilities of all pairs of outcomes of two groups."""
    return np.outer(binom.pmf(np.arange(n + 1), n, p), binom.pmf(np.arange(m + 1), m, q))


def two_contrasts(sizes: Sequence[tuple[int, int]], comparison: str) -> dict[str, float]:
    """All outcomes of the first group are the groups of one table, against each outcome of the second."""
    shares = {}
    for n, m in sizes:
        low, high = np.empty((2, n + 1, m + 1))
        for k in range(m + 1):
            table = selections(
                [*range(n + 1), k], np.repeat([n, m], [n + 1, 1]), [*range(n + 1), "reference"]
            )
            result = contrasts(
                table,
                "selection_rate",
                method="to_reference",
                reference="reference",
                comparison=comparison,
                adjust=None,
            )
            low[:, k], high[:, k] = result.low, result.high
        for p, q in itertools.product(RATE_GRID, repeat=2):
            truth = p - q if comparison == "difference" else p / q
            probabilities = outcome_probabilities(n, m, p, q)
            shares[f"n {n} and {m}, rates {p} and {q}"] = float(
                probabilities[covered(low, truth, high)].sum()
            )
    return shares


def every_pair(n: int, m: int, function: Callable[[GroupCounts], Any]) -> Array:
    """Return the results of a function for all outcomes of two groups."""
    values = [
        function(selections([j, k], np.array([n, m])))
        for j, k in itertools.product(range(n + 1), range(m + 1))
    ]
    return np.array(values).reshape(n + 1, m + 1, -1)


def two_disparities(sizes: Sequence[tuple[int, int]], interval: Callable[..., Any]) -> dict[str, float]:
    shares = {}
    for n, m in sizes:
        low, high = np.moveaxis(every_pair(n, m, lambda table: interval(table, "demographic_parity")), -1, 0)
        for p, q in itertools.product(RATE_GRID, repeat=2):
            truth = abs(p - q) if interval is difference_interval else min(p, q) / max(p, q)
            probabilities = outcome_probabilities(n, m, p, q)
            shares[f"n {n} and {m}, rates {p} and {q}"] = float(
                probabilities[covered(low, truth, high)].sum()
            )
    return shares


def two_group_size(sizes: Sequence[tuple[int, int]], method: str) -> dict[str, float]:
    shares = {}
    for n, m in sizes:
        p_values = every_pair(
            n, m, lambda table: two_group_test(table, "selection_rate", method=method).p_value
        )
        for p in RATE_GRID[:5]:
            shares[f"n {n} and {m}, rate {p}"] = float(
                outcome_probabilities(n, m, p, p)[p_values[..., 0] <= 0.05].sum()
            )
    return shares


# --- simulated: several groups, weights ---------------------------------------------------------------

SIZES = {
    "20, 20, 20": [20, 20, 20],
    "100, 100, 100": [100, 100, 100],
    "20, 40, 80, 160": [20, 40, 80, 160],
    "50 (5 groups)": [50] * 5,
    "30 to 100 (8 groups)": [30, 40, 50, 60, 70, 80, 90, 100],
}
PATTERNS: dict[str, Callable[[int], Array]] = {
    "equal, .05": lambda k: np.full(k, 0.05),
    "equal, .2": lambda k: np.full(k, 0.2),
    "equal, .5": lambda k: np.full(k, 0.5),
    ".2 to .5": lambda k: np.linspace(0.2, 0.5, k),
    ".5 to .9": lambda k: np.linspace(0.5, 0.9, k),
}


def settings(names: Sequence[str] = tuple(PATTERNS)) -> Iterator[tuple[str, Array, Array]]:
    """Yield a name, the sizes and the true rates of some groups."""
    for (size, n), name in itertools.product(SIZES.items(), names):
        yield f"n {size}, rates {name}", np.array(n), PATTERNS[name](len(n))


def many_contrasts(repeats: int, method: str, comparison: str, rng: np.random.Generator) -> dict[str, float]:
    shares = {}
    for name, n, p in settings():
        rest = (np.sum(n * p) - n * p) / (n.sum() - n)
        base = np.sum(n * p) / n.sum() if method == "to_overall" else rest
        truth = p - base if comparison == "difference" else p / base
        hits = []
        for selected in rng.binomial(n, p, (repeats, len(n))):
            result = contrasts(
                selections(selected, n), "selection_rate", method=method, comparison=comparison, adjust=None
            )
            hits.append(covered(result.low, truth, result.high))
        for group, share in enumerate(np.mean(hits, axis=0)):
            shares[f"{name}, group {group + 1}"] = float(share)
    return shares


def random_supports(repeats: int, rng: np.random.Generator) -> dict[str, float]:
    """Contrasts to the overall rate where the denominators are random too: truths take their expectation."""
    shares = {}
    probabilities = np.array([[0.2, 0.1, 0.2, 0.5], [0.3, 0.1, 0.1, 0.5], [0.1, 0.2, 0.2, 0.5]])
    for rate, size in itertools.product(("true_positive_rate", "precision", "f1"), (60, 200)):
        expected = dict(zip(CELLS, size * probabilities.T, strict=True))
        value = RATES[rate](expected)
        truth = value - RATES[rate]({cell: values.sum() for cell, values in expected.items()})
        hits = []
        for _ in range(repeats):
            cells = rng.multinomial(size, probabilities).T
            counts = GroupCounts(range(3), dict(zip(CELLS, cells, strict=True)))
            result = contrasts(counts, rate, method="to_overall", adjust=None)
            hits.append(covered(result.low, truth, result.high))
        for group, share in enumerate(np.mean(hits, axis=0)):
            shares[f"{rate}, n {size}, group {group + 1}"] = float(share)
    return shares


def many_disparities(
    repeats: int, interval: Callable[..., Any], rng: np.random.Generator
) -> dict[str, float]:
    shares = {}
    for name, n, p in settings():
        truth = np.ptp(p) if interval is difference_interval else p.min() / p.max()
        hits = [
            covered(low, truth, high)
            for low, high in (
                interval(selections(selected, n), "demographic_parity")
                for selected in rng.binomial(n, p, (repeats, len(n)))
            )
        ]
        shares[name] = float(np.mean(hits))
    return shares


CHANGES = [
    (earlier, later)
    for earlier, later in itertools.product(
        [(0.2, 0.2), (0.2, 0.35), (0.5, 0.5), (0.5, 0.8), (0.8, 0.9)], repeat=2
    )
]


def two_disparity_changes(
    sizes: Sequence[tuple[int, int]], comparison: str, *, reported: bool
) -> dict[str, float]:
    """Changes of the disparity of two groups, all of whose outcomes are visited.

    ``reported`` takes the intervals of both disparities as they are, which stop at parity.
    """

    def ends(table: GroupCounts) -> Any:
        measured = measure_disparity(table, CONSTRAINTS["demographic_parity"], comparison)
        return (measured.value, measured.low, measured.high) if reported else measured.unfolded()

    tables = {n: every_pair(n, n, ends).reshape(-1, 3).T for n in {n for pair in sizes for n in pair}}
    shares = {}
    for (n, m), (earlier, later) in itertools.product(sizes, CHANGES):
        truth = true_disparity(np.array(later), comparison) - true_disparity(np.array(earlier), comparison)
        (x, lx, ux), (y, ly, uy) = tables[m][:, :, None], tables[n][:, None, :]
        hits = covered(x - y - np.hypot(x - lx, uy - y), truth, x - y + np.hypot(ux - x, y - ly))
        share = (
            outcome_probabilities(m, m, *later).ravel() @ hits @ outcome_probabilities(n, n, *earlier).ravel()
        )
        shares[f"n {n} then {m}, rates {earlier} then {later}"] = float(share)
    return shares


def many_disparity_changes(repeats: int, comparison: str, rng: np.random.Generator) -> dict[str, float]:
    patterns = [("equal, .2", "equal, .5"), ("equal, .5", ".2 to .5"), (".2 to .5", ".5 to .9")]
    shares = {}
    for (size, n), names in itertools.product(SIZES.items(), patterns):
        rates = [PATTERNS[name](len(n)) for name in names]
        then, now = (true_disparity(p, comparison) for p in rates)
        hits = []
        for _ in range(repeats):
            earlier, later = (
                measure_disparity(
                    selections(rng.binomial(n, p), np.array(n)),
                    CONSTRAINTS["demographic_parity"],
                    comparison,
                )
                for p in rates
            )
            change = disparity_change(later, earlier)
            hits.append(covered(change.low, now - then, change.high))
        shares[f"n {size}, rates {names[0]} then {names[1]}"] = float(np.mean(hits))
    return shares


def true_disparity(p: Array, comparison: str) -> float:
    """Return the disparity of known rates."""
    return float(np.ptp(p) if comparison == "difference" else p.min() / p.max())


def weighted_tables(repeats: int, n: int, p: float, kind: str, rng: np.random.Generator) -> tuple[Any, float]:
    """Return one table whose groups are the repeats, and the true weighted rate."""
    selected = rng.random((repeats, n)) < p
    heavy = {"selected 3 to 1": 3.0, "selected 1 to 3": 1 / 3}.get(kind, 1.0)
    spread = {
        "exponential": rng.exponential(size=(repeats, n)),
        "lognormal": rng.lognormal(0, 0.5, (repeats, n)),
    }.get(kind, np.ones((repeats, n)))
    weights = spread * np.where(selected, heavy, 1.0)
    nothing = np.zeros(repeats)

    def table(values: Array) -> dict[str, Array]:
        return {
            "tp": (values * selected).sum(1),
            "fp": nothing,
            "fn": nothing,
            "tn": (values * ~selected).sum(1),
        }

    counts = GroupCounts(range(repeats), table(weights), table(weights**2))
    return counts, heavy * p / (heavy * p + 1 - p)


def weighted_rates(repeats: int, kinds: Sequence[str], rng: np.random.Generator) -> dict[str, float]:
    shares = {}
    for kind, n, p in itertools.product(kinds, (50, 200), (0.1, 0.3, 0.5, 0.9)):
        counts, truth = weighted_tables(repeats, n, p, kind, rng)
        low, high = rate_intervals(counts, "selection_rate")
        shares[f"{kind}, n {n}, rate {p}"] = float(covered(low, truth, high).mean())
    return shares


def weighted_pairs(
    repeats: int, rng: np.random.Generator
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Return the coverage of differences and ratios, and the size of the test, of two weighted groups."""
    differences, ratios, sizes = dict[str, float](), dict[str, float](), dict[str, float]()
    for kind, n, (p, q) in itertools.product(
        ("exponential", "lognormal"), (50, 200), ((0.1, 0.1), (0.5, 0.5), (0.2, 0.4), (0.9, 0.8))
    ):
        first, first_rate = weighted_tables(repeats, n, p, kind, rng)
        second, second_rate = weighted_tables(repeats, 2 * n, q, kind, rng)
        hits = []
        for i in range(repeats):
            pair = GroupCounts(
                ["a", "b"],
                *(
                    {cell: [first_table[cell][i], second_table[cell][i]] for cell in CELLS}
                    for first_table, second_table in (
                        (first.cells, second.cells),
                        (first.squares, second.squares),
                    )
                ),
            )
            results = [
                contrasts(pair, "selection_rate", method="between_groups", comparison=comparison)
                for comparison in ("difference", "ratio")
            ]
            hits.append(
                (
                    covered(results[0].low[0], first_rate - second_rate, results[0].high[0]),
                    covered(results[1].low[0], first_rate / second_rate, results[1].high[0]),
                    results[0].p_values[0] <= 0.05,
                )
            )
        name = f"{kind}, n {n} and {2 * n}, rates {p} and {q}"
        differences[name], ratios[name], rejected = map(float, np.mean(hits, axis=0))
        if p == q:
            sizes[name] = rejected
    return differences, ratios, sizes


def several_groups_size(repeats: int, test: Callable[[GroupCounts], float], rng: Any) -> dict[str, float]:
    return {
        name: float(
            np.mean(
                [test(selections(selected, n)) <= 0.05 for selected in rng.binomial(n, p, (repeats, len(n)))]
            )
        )
        for name, n, p in settings([name for name in PATTERNS if name.startswith("equal")])
    }


def equalized_odds_size(repeats: int, rng: np.random.Generator) -> dict[str, float]:
    shares = {}
    for size in (50, 200):
        rejected = []
        for _ in range(repeats):
            cells = rng.multinomial(size, [0.3, 0.1, 0.1, 0.5], 4).T
            counts = GroupCounts(range(4), dict(zip(CELLS, cells, strict=True)))
            rejected.append(omnibus_test(counts, CONSTRAINTS["equalized_odds"]).p_value <= 0.05)
        shares[f"4 groups of {size}"] = float(np.mean(rejected))
    return shares


def lines(repeats: int, rng: np.random.Generator) -> Iterator[Line]:
    """Yield the lines of the table."""
    pairs = [(20, 20), (20, 80), (50, 50), (50, 200), (100, 100), (200, 200)]
    discrete = "exact; at n 20 and .05 one outcome more would make it .984"
    yield Line("interval of a rate", COVERS, discrete, one_rate([20, 30, 50, 100, 200, 500]))
    for comparison in ("difference", "ratio"):
        remark = "exact"
        yield Line(f"{comparison} to a reference", COVERS, remark, two_contrasts(pairs, comparison))
    for method, comparison in itertools.product(("to_rest", "to_overall"), ("difference", "ratio")):
        name = f"{comparison} {method.replace('_', ' the ')}"
        yield Line(name, COVERS, "", many_contrasts(repeats, method, comparison, rng))
    yield Line("difference to the overall, random sizes", COVERS, "", random_supports(repeats, rng))
    kinds = ("exponential", "lognormal")
    yield Line("rate, weighted", COVERS, "", weighted_rates(4 * repeats, kinds, rng))
    kinds = ("selected 3 to 1", "selected 1 to 3")
    remark = "conservative where the rare outcome is the light one"
    yield Line("rate, weights by outcome", COVERS_AT_LEAST, remark, weighted_rates(4 * repeats, kinds, rng))
    differences, ratios, sizes = weighted_pairs(repeats, rng)
    yield Line("difference of two, weighted", COVERS, "", differences)
    yield Line("ratio of two, weighted", COVERS, "", ratios)
    for interval in (difference_interval, ratio_interval):
        name = interval.__name__
        remark = "exact; one-sided at parity, so conservative there"
        yield Line(f"`{name}`, 2 groups", COVERS_AT_LEAST, remark, two_disparities(pairs[:3], interval))
        remark = "simultaneous, so conservative"
        yield Line(f"`{name}`, 3 to 8", COVERS_AT_LEAST, remark, many_disparities(repeats, interval, rng))
    for comparison in ("difference", "ratio"):
        sizes_of_changes = [(20, 20), (20, 50), (50, 20), (50, 50)]
        for reported, remark in ((False, "exact"), (True, "exact; not used: intervals that stop at parity")):
            exact = two_disparity_changes(sizes_of_changes, comparison, reported=reported)
            yield Line(f"change of a {comparison}, 2 groups", COVERS_AT_LEAST, remark, exact)
        remark, simulated = (
            "simultaneous, so conservative",
            many_disparity_changes(repeats // 4, comparison, rng),
        )
        yield Line(f"change of a {comparison}, 3 to 8", COVERS_AT_LEAST, remark, simulated)
    for method, remark in (("pooled_z", "exact"), ("mid_p", "exact"), ("fisher", "exact; conservative")):
        target = REJECTS_AT_MOST
        sizes_of = two_group_size([(20, 20), (20, 80), (50, 50)], method)
        yield Line(f"`two_group_test`, {method}", target, remark, sizes_of)
    yield Line("`contrasts` p, weighted", REJECTS, "", sizes)
    yield Line(
        "`omnibus_test`",
        REJECTS,
        "",
        several_groups_size(repeats, lambda c: omnibus_test(c, "selection_rate").p_value, rng),
    )
    yield Line("`omnibus_test`, equalized odds", REJECTS, "", equalized_odds_size(repeats, rng))
    yield Line(
        "`max_z_test`",
        REJECTS_AT_MOST,
        "exact given the total, conservative where counts are few",
        several_groups_size(
            repeats,
            lambda c: max_z_test(c, "selection_rate", n_resamples=499, random_state=rng).p_value,
            rng,
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2000)
    repeats, start = parser.parse_args().repeats, time.perf_counter()
    print("| at 95% confidence, or level 5% | target | mean | least | greatest | within | |")
    print("|---|---|---|---|---|---|---|")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for line in lines(repeats, np.random.default_rng(0)):
            print(line.markdown(), flush=True)
    error = np.sqrt(0.95 * 0.05 / repeats)
    print(f"\n{repeats} repeats (standard error {error:.4f}), {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
