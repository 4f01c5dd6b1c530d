"""Time the metrics of scores per group, beside one sort of the scores and scikit-learn's metrics in a loop.

Run: OMP_NUM_THREADS=1 python benchmarks/score_metrics_speed.py

One million rows, 20 groups. Times are the least of several repetitions in one run; compare them within a run
only. What scikit-learn computes in the loop is the area under the ROC curve, the Brier score and the log
loss; fairsk's table has three more metrics, all intervals and the overall row.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from fairsk._core.histograms import ScoreHistograms
from fairsk.metrics._scores.abroca import _area, _Roc, abroca
from fairsk.metrics._scores.distances import _ks, _Shares, _wasserstein, ks_distance, wasserstein_distance
from fairsk.metrics._scores.grouped import GroupedScores
from fairsk.metrics._scores.table import ScoreMetrics, score_metrics

Array = NDArray[Any]


def least_seconds(job: Callable[[], Any], repeats: int = 5) -> float:
    """Return the least time that a job takes."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def scikit_learn(y: Array, scores: Array, codes: Array, weights: Array | None) -> list[list[float]]:
    """Return three metrics of each group, as one would write it without fairsk."""
    values = []
    for group in range(20):
        in_group = codes == group
        weight = None if weights is None else weights[in_group]
        metrics = (roc_auc_score, brier_score_loss, log_loss)
        values.append([metric(y[in_group], scores[in_group], sample_weight=weight) for metric in metrics])
    return values


def main() -> None:
    rng = np.random.default_rng(0)
    n = 1_000_000
    codes = rng.integers(0, 20, n)
    scores = rng.beta(1 + codes / 20, 2)
    y = (rng.random(n) < scores).astype(int)
    text, weights = np.char.add("group ", codes.astype(str)), rng.random(n) + 0.1
    quick, stable = (
        least_seconds(partial(np.argsort, scores, kind=kind)) for kind in ("quicksort", "stable")
    )
    print(f"one argsort: {1e3 * quick:.0f} ms (it may use SIMD instructions), stable {1e3 * stable:.0f} ms\n")
    plain, weighted = (
        least_seconds(partial(scikit_learn, y, scores, codes, kind), 2) for kind in (None, weights)
    )
    print("| | ms | argsorts | stable argsorts | times as fast as scikit-learn in a loop |")
    print("|---|---|---|---|---|")
    jobs: list[tuple[str, Callable[[], Any], float]] = [
        (
            "score_metrics, groups are integers",
            partial(score_metrics, y, scores, sensitive_features=codes),
            plain,
        ),
        ("score_metrics, groups are text", partial(score_metrics, y, scores, sensitive_features=text), plain),
        (
            "score_metrics, weighted",
            partial(score_metrics, y, scores, sensitive_features=codes, sample_weight=weights),
            weighted,
        ),
        ("ks_distance, 190 pairs", partial(ks_distance, scores, sensitive_features=codes), np.nan),
        (
            "wasserstein_distance, 190 pairs",
            partial(wasserstein_distance, scores, sensitive_features=codes),
            np.nan,
        ),
        ("abroca, 190 pairs", partial(abroca, y, scores, sensitive_features=codes), np.nan),
    ]
    table = ScoreHistograms.from_scores(y, scores, sensitive_features=codes)
    jobs.append(("from 1,024 bins", partial(ScoreMetrics.from_histograms, table), plain))
    for name, job, rival in jobs:
        seconds = least_seconds(job)
        ratio = "-" if np.isnan(rival) else f"{rival / seconds:.0f}"
        print(f"| {name} | {1e3 * seconds:.0f} | {seconds / quick:.1f} | {seconds / stable:.1f} | {ratio} |")
    exact = np.array(scikit_learn(y, scores, codes, weights))
    values = score_metrics(y, scores, sensitive_features=codes, sample_weight=weights).values
    gap = max(np.abs(exact[:, i] - values[name]).max() for i, name in enumerate(("auc", "brier", "log_loss")))
    print(f"\nlargest difference from scikit-learn's values, weighted: {gap:.1e}")
    binned = ScoreMetrics.from_histograms(table)
    error = np.abs(
        binned.values["auc"] - score_metrics(y, scores, sensitive_features=codes).values["auc"]
    ).max()
    print(f"area under the ROC curve from 1,024 bins: off by {error:.1e}, bound {binned.auc_error.max():.1e}")
    many_groups()


def many_groups() -> None:
    """Time distances over all pairs of many groups, beside a loop over the pairs by the same code."""
    print("\n| all pairs | times as fast as a loop, 300 groups | s, 1,000 groups of 100 rows |")
    print("|---|---|---|")
    (y, scores, codes), (large_y, large_scores, large_codes) = (
        make_groups(n_groups) for n_groups in (300, 1000)
    )
    sorted_scores = GroupedScores.of_rows(y, scores, sensitive_features=codes)
    shares = [
        _Shares(part.scores[::-1], (part.curve.tp + part.curve.fp)[:0:-1] / part.n)
        for part in sorted_scores.parts
    ]
    curves = [_Roc.of(part.curve) for part in sorted_scores.parts]

    def loop(distance: Callable[[Any, Any], float], parts: list[Any]) -> float:
        return max(distance(one, other) for one, other in combinations(parts, 2))

    def two_shares(one: _Shares, other: _Shares) -> float:
        return _ks([one, other], None)

    jobs: list[tuple[str, Callable[..., float], tuple[Any, ...], tuple[Any, ...], Callable[[], float]]] = [
        ("ks_distance", ks_distance, (scores,), (large_scores,), partial(loop, two_shares, shares)),
        (
            "wasserstein_distance",
            wasserstein_distance,
            (scores,),
            (large_scores,),
            partial(loop, _wasserstein, shares),
        ),
        ("abroca", abroca, (y, scores), (large_y, large_scores), partial(loop, _area, curves)),
    ]
    for name, function, rows, large_rows, slow in jobs:
        quick = partial(function, *rows, sensitive_features=codes)
        assert np.isclose(quick(), slow())
        ratio = least_seconds(slow, 1) / least_seconds(quick, 3)
        seconds = least_seconds(partial(function, *large_rows, sensitive_features=large_codes), 3)
        print(f"| {name} | {ratio:.0f} | {seconds:.2f} |")


def make_groups(n_groups: int) -> tuple[Array, Array, Array]:
    """Return labels, scores and groups of 100 rows each, on average."""
    rng = np.random.default_rng(0)
    codes, scores = rng.integers(0, n_groups, 100 * n_groups), rng.random(100 * n_groups)
    return (rng.random(len(scores)) < scores).astype(int), scores, np.char.add("group ", codes.astype(str))


if __name__ == "__main__":
    main()
