"""Time metrics, tables, the bootstrap and scorers beside fairlearn and beside bare counting.

Run: OMP_NUM_THREADS=1 python benchmarks/metrics_speed.py

Times are the least of several repetitions in one run (one repetition where it takes long); compare them
within a run only. The limit is what any tool must do: find the distinct groups (pandas' factorize) and count
(NumPy's bincount).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Self

import fairlearn.metrics as fairlearn
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score

from fairsk.metrics import GroupCounts, demographic_parity_difference, group_metrics
from fairsk.scoring import make_fair_scorer
from fairsk.statistics import bootstrap

RATES = ("accuracy", "selection_rate", "true_positive_rate", "false_positive_rate")
FAIRLEARN_METRICS = {
    "accuracy": accuracy_score,
    "selection_rate": fairlearn.selection_rate,
    "true_positive_rate": fairlearn.true_positive_rate,
    "false_positive_rate": fairlearn.false_positive_rate,
}


class ScoreColumn(ClassifierMixin, BaseEstimator):
    """A classifier that predicts the column "p" of X, so that predicting costs nothing."""

    def fit(self, X: Any, y: Any) -> Self:
        """Learn nothing."""
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X: Any) -> Any:
        """Return the column."""
        return X["p"].to_numpy()


def seconds(job: Callable[[], Any], repetitions: int = 7) -> float:
    """Return the least time of a job."""
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def make_rows(n: int, n_groups: int, seed: int = 0) -> tuple[Any, Any, pd.Series]:
    """Return labels, predictions and groups that are called by text."""
    rng = np.random.default_rng(seed)
    code = rng.integers(0, n_groups, n)
    y = (rng.random(n) < 0.3 + 0.2 * code / n_groups).astype(int)
    p = np.where(rng.random(n) < 0.8, y, 1 - y)
    names = np.array([f"group number {g}" for g in range(n_groups)], dtype=object)
    return y, p, pd.Series(names[code], name="group")


def frame(y: Any, p: Any, group: Any, **options: Any) -> fairlearn.MetricFrame:
    """Return fairlearn's table."""
    return fairlearn.MetricFrame(
        metrics=FAIRLEARN_METRICS, y_true=y, y_pred=p, sensitive_features=group, **options
    )


def report(what: str, ours: float, peer: float, target: str) -> None:
    """Print a line of the table."""
    print(f"| {what} | {ours * 1e3:,.2f} ms | {peer * 1e3:,.1f} ms | {peer / ours:,.3g}x | {target} |")


def main() -> None:
    """Print the table."""
    print("| what | fairsk | beside | ratio | target |\n|---|---|---|---|---|")
    y, p, group = make_rows(1_000_000, 20)
    assert np.isclose(
        demographic_parity_difference(y, p, sensitive_features=group),
        fairlearn.demographic_parity_difference(y, p, sensitive_features=group),
    )
    for kind, values in {"pandas": group, "NumPy objects": group.to_numpy(dtype=object)}.items():
        fairsk_seconds = seconds(
            lambda values=values: demographic_parity_difference(y, p, sensitive_features=values)
        )
        peer_seconds = seconds(
            lambda values=values: fairlearn.demographic_parity_difference(y, p, sensitive_features=values), 2
        )
        report(
            f"a disparity, 1M rows, 20 text groups ({kind}); fairlearn",
            fairsk_seconds,
            peer_seconds,
            ">= 40x",
        )
        table_seconds = seconds(
            lambda values=values: group_metrics(y, p, sensitive_features=values, metrics=RATES)
        )
        peer_seconds = seconds(lambda values=values: frame(y, p, values), 1)
        report(
            f"four metrics with intervals ({kind}); fairlearn's MetricFrame",
            table_seconds,
            peer_seconds,
            ">= 100x",
        )
        count_seconds = seconds(lambda values=values: np.bincount(4 * pd.factorize(values)[0] + 2 * y + p))
        report(f"four metrics ({kind}); factorize + bincount", table_seconds, count_seconds, ">= 0.333x")

    y, p, group = make_rows(30_000, 2)
    counts = GroupCounts.from_predictions(y, p, sensitive_features=group)
    fairsk_seconds = seconds(
        lambda: [bootstrap(counts, rate, n_resamples=100, random_state=0) for rate in RATES]
    )
    start = time.perf_counter()
    fairlearn_frame = frame(y, p, group, n_boot=100, ci_quantiles=[0.1587, 0.8413], random_state=0)
    peer_bootstrap = time.perf_counter() - start
    report(
        "100 bootstraps of four metrics, 30k rows; fairlearn's MetricFrame",
        fairsk_seconds,
        peer_bootstrap,
        ">= 1,000x",
    )
    model, X = ScoreColumn().fit(None, None), pd.DataFrame({"p": p[:1000], "group": group[:1000]})
    scorer = make_fair_scorer("equalized_odds", sensitive_features="group")
    few = seconds(lambda: scorer(model, X, y[:1000]), 200)
    bare = seconds(
        lambda: fairlearn.equalized_odds_difference(y[:1000], p[:1000], sensitive_features=X["group"])
    )
    report("a scorer call on 1,000 rows; fairlearn's bare metric", few, bare, "< 1 ms")

    low, high = fairlearn_frame.by_group_ci
    errors = {rate: bootstrap(counts, rate, random_state=0).standard_error for rate in RATES}
    ratios = [errors[rate] / ((high[rate] - low[rate]) / 2).to_numpy() for rate in RATES]
    print(
        f"\nstandard errors over fairlearn's: {np.mean(ratios):.2f} on average, {np.min(ratios):.2f} to "
        f"{np.max(ratios):.2f}; 100 repetitions know them to a tenth"
    )
    y, p, group = make_rows(3_000, 8)
    counts = GroupCounts.from_predictions(y, p, sensitive_features=group)
    many = seconds(lambda: bootstrap(counts, "selection_rate", random_state=0))
    print(f"2,000 bootstraps of 32 cells: {many * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
