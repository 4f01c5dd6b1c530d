"""How often searches refuse a candidate: by the mean over folds, and by counts summed over the folds.

Run: OMP_NUM_THREADS=1 python benchmarks/pooled_scoring.py [RUNS] [RATE]

Groups of equal size, rows spread over the folds at random, decisions drawn at one rate, .45 by default. A
candidate without disparity, or with one at the bound, is fair; one group of another has twice the disparity
that the bound allows. Each run is a search over that candidate and one in perfect parity that scores worse,
and it is the package's own rules that choose, from the results that such a search would have.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairsk.scoring import GroupScoring, best_under, cv_disparities, make_fair_scorer

RATE = float(sys.argv[2]) if len(sys.argv) > 2 else 0.45
GROUPS, ROWS, FOLDS = (2, 5, 8, 20), (200, 1000, 5000), (3, 5, 10, 20)
#: The bound, and the rate of one group that is at the bound, and at twice of what it allows.
BOUNDS: dict[str, tuple[float, float, float]] = {
    "difference": (0.05, RATE - 0.05, max(0.0, RATE - 0.10)),
    "ratio": (0.8, RATE * 0.8, RATE * 0.6),
}
CELLS = ("tp", "fp", "fn", "tn")


def draw(
    n_groups: int, n_rows: int, n_folds: int, last_rate: float, rng: np.random.Generator
) -> NDArray[Any]:
    """Return how many rows of each group are in each fold, and how many of them are selected."""
    group = np.arange(n_rows) % n_groups
    fold = rng.permutation(n_rows) % n_folds
    selected = rng.random(n_rows) < np.where(group == n_groups - 1, last_rate, RATE)
    place = group * n_folds + fold
    size = n_groups * n_folds
    counts = [np.bincount(place, minlength=size), np.bincount(place, selected, minlength=size)]
    return np.array(counts, dtype=float).reshape(2, n_groups, n_folds)


def disparity(rows: NDArray[Any], selected: NDArray[Any], comparison: str) -> NDArray[Any]:
    """Return the disparity of groups along the first axis, passing over those without rows."""
    with np.errstate(invalid="ignore"):
        rates = selected / rows
    low, high = np.nanmin(rates, axis=0), np.nanmax(rates, axis=0)
    if comparison == "difference":
        return high - low
    return np.divide(low, high, out=np.ones_like(low), where=high > 0)


def search_results(candidates: list[NDArray[Any]], comparison: str) -> dict[str, Any]:
    """Return what a search over these candidates, and one in parity, would have as ``cv_results_``."""
    rows = candidates[0][0]
    everybody = np.stack([rows, rows])
    tables = np.array([*candidates, everybody])  # candidate, rows or selected, group, fold
    results: dict[str, Any] = {}
    for (g, fold), _ in np.ndenumerate(rows):
        n, selected = tables[:, 0, g, fold], tables[:, 1, g, fold]
        for cell, values in zip(CELLS, (0 * n, selected, 0 * n, n - selected), strict=True):
            results[f"split{fold}_test_counts_{g}_{cell}"] = values
    sign = -1 if comparison == "difference" else 1
    means = [disparity(table[0], table[1], comparison).mean() for table in tables]
    results["mean_test_gap"] = sign * np.array(means)
    results["mean_test_acc"] = np.array([0.9] * len(candidates) + [0.8])
    return results


def rules(n_groups: int, comparison: str, bound: float) -> tuple[Any, Any, GroupScoring]:
    """Return the rule on pooled counts, the one on means over folds, and the scoring."""
    scorer = make_fair_scorer("demographic_parity", comparison=comparison)  # type: ignore[arg-type]
    scoring = GroupScoring({"acc": "accuracy", "gap": scorer}, groups=range(n_groups))
    if comparison == "difference":
        return scoring.best_under("acc", gap=bound), best_under("acc", gap=bound), scoring
    bounds = {"min_ratio": {"gap": bound}}
    return scoring.best_under("acc", **bounds), best_under("acc", **bounds), scoring


def refusals(
    n_groups: int, n_rows: int, n_folds: int, comparison: str, last_rate: float, runs: int, seed: int
) -> tuple[float, float]:
    """Return in which share of runs the pooled rule, and that of means, refuse the candidate."""
    rng = np.random.default_rng([seed, n_groups, n_rows, n_folds])
    pooled, mean, _ = rules(n_groups, comparison, BOUNDS[comparison][0])
    refused = np.zeros(2)
    for _ in range(runs):
        candidate = draw(n_groups, n_rows, n_folds, last_rate, rng)
        results = search_results([candidate], comparison)
        refused += [pooled(results), mean(results)]
    first, second = refused / runs
    return float(first), float(second)


def main_table(runs: int) -> Iterator[str]:
    """Yield a line per comparison, number of groups and number of rows."""
    for comparison, (bound, at_bound, twice) in BOUNDS.items():
        for n_groups in GROUPS:
            for n_rows in ROWS:
                cells: list[str] = []
                for seed, rate in enumerate((RATE, at_bound, twice)):
                    shares = np.array(
                        [refusals(n_groups, n_rows, k, comparison, rate, runs, seed) for k in FOLDS]
                    )
                    # The sums do not depend on the folds: all runs are of one kind.
                    cells.append(f"{shares[:, 0].mean():.3f}")
                    if rate != at_bound:
                        cells.append(" / ".join(f"{share:.2f}" for share in shares[:, 1]))
                yield f"| {comparison} {bound:g} | {n_groups} | {n_rows:,} | {' | '.join(cells)} |"


def many_candidates(runs: int) -> Iterator[str]:
    """Yield in which share of runs any of ten candidates without disparity is refused."""
    for comparison, (bound, *_) in BOUNDS.items():
        for n_groups in GROUPS:
            shares = []
            for n_rows in ROWS:
                rng = np.random.default_rng([n_groups, n_rows])
                *_, scoring = rules(n_groups, comparison, bound)
                hits = 0
                for _ in range(runs):
                    first = draw(n_groups, n_rows, 5, RATE, rng)
                    others = [
                        np.stack([first[0], rng.binomial(first[0].astype(int), RATE)]) for _ in range(9)
                    ]
                    table = cv_disparities(search_results([first, *others], comparison), scoring)
                    beyond = table.low > bound if comparison == "difference" else table.high < bound
                    hits += bool(beyond.any())
                shares.append(f"{hits / runs:.3f}")
            yield f"| {comparison} {bound:g} | {n_groups} | {' | '.join(shares)} |"


def eight_groups(runs: int) -> str:
    """Return the mean ratio of eight groups of 500 in parity, by folds and pooled."""
    rng = np.random.default_rng(0)
    shown = []
    for n_folds in (3, 5, 10):
        tables = [draw(8, 4000, n_folds, RATE, rng) for _ in range(runs)]
        mean = np.mean([disparity(rows, selected, "ratio") for rows, selected in tables])
        shown.append(f"{mean:.2f} at cv={n_folds}")
    pooled = np.mean([disparity(rows.sum(1), selected.sum(1), "ratio") for rows, selected in tables])
    return f"Eight groups of 500, no disparity, mean ratio: {', '.join(shown)}; pooled {pooled:.2f}."


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    print(eight_groups(runs) + "\n")
    head = ["bound", "groups", "rows", "no disparity: pooled", "mean, cv = 3 / 5 / 10 / 20"]
    head += ["at the bound: pooled", "twice the bound: pooled", "mean, cv = 3 / 5 / 10 / 20"]
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for line in main_table(runs):
        print(line, flush=True)
    head = ["bound", "groups", *(f"{n:,} rows" for n in ROWS)]
    print("\nAny of ten candidates without disparity, pooled:\n")
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for line in many_candidates(runs):
        print(line, flush=True)


if __name__ == "__main__":
    main()
