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
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from fairsk._core.histograms import ScoreHistograms
from fairsk.metrics._scores.abroca import abroca
from fairsk.metrics._scores.distances import ks_distance, wasserstein_distance
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


if __name__ == "__main__":
    main()
