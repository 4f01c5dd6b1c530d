"""Thresholds per group on Adult: cost in accuracy and disparity on unseen rows, beside targets.

Run: python benchmarks/thresholds_adult.py [SEEDS]
"""

from __future__ import annotations

import sys
import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from fairsk import GroupThresholdOptimizer
from fairsk.datasets import load_adult
from fairsk.metrics import GroupCounts


@dataclass(frozen=True)
class Case:
    """Settings of the optimizer, and the target for its cost in accuracy (mean over seeds)."""

    name: str
    constraint: str
    bound: float
    max_cost: float | None = None
    groups: str | list[str] = "sex"
    params: dict[str, Any] = field(default_factory=dict)


_N_CATEGORIES = load_adult().data.select_dtypes(exclude="number").shape[1]

CASES = [
    Case("DP .01", "demographic_parity", 0.01, 0.019),
    Case("DP .05", "demographic_parity", 0.05, 0.012),
    Case("EOpp .02", "equal_opportunity", 0.02, 0.001),
    Case("EOdds .05", "equalized_odds", 0.05, 0.001),
    Case("DP .01, margin 1se", "demographic_parity", 0.01, params={"margin": "1se"}),
    Case("DP .05, margin 1se", "demographic_parity", 0.05, params={"margin": "1se"}),
    Case("EOpp .02, margin 1se", "equal_opportunity", 0.02, params={"margin": "1se"}),
    Case("EOdds .05, margin 1se", "equalized_odds", 0.05, params={"margin": "1se"}),
    Case("DP .01, blind", "demographic_parity", 0.01, 0.024, params={"policy": "blind"}),
    Case("EOpp .02, race x sex", "equal_opportunity", 0.02, groups=["race", "sex"]),
]


def make_model() -> Any:
    """Return boosted trees that know which columns are categories; the survey weight is left out."""
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    text = make_column_selector(dtype_exclude="number")
    prepare = make_column_transformer((encode, text), ("drop", ["fnlwgt"]), remainder="passthrough")
    categories = list(range(_N_CATEGORIES))  # the encoder puts them first
    return make_pipeline(
        prepare, HistGradientBoostingClassifier(categorical_features=categories, random_state=0)
    )


def run(case: Case, X_train: Any, y_train: Any, X_test: Any, y_test: Any) -> tuple[float, float, float, Any]:
    model = GroupThresholdOptimizer(
        make_model(),
        sensitive_features=case.groups,
        constraint=case.constraint,
        max_difference=case.bound,
        **case.params,
    )
    start = time.perf_counter()
    model.fit(X_train, y_train)
    seconds = time.perf_counter() - start
    predicted = model.predict(X_test)
    counts = GroupCounts.from_predictions(
        y_test, predicted, sensitive_features=X_test[case.groups], pos_label=">50K"
    )
    return accuracy_score(y_test, predicted), counts.compare(case.constraint), seconds, model.report_


def main(n_seeds: int = 5) -> None:
    # Race x sex: small groups, which the table counts.
    for message in ("Fewer than min_group_size", "true_positive_rate cannot be measured", "These rows say"):
        warnings.filterwarnings("ignore", message=message, category=UserWarning)
    X, y = load_adult(return_X_y=True)
    plain: list[float] = []
    results: dict[str, list[tuple[float, float, float]]] = {case.name: [] for case in CASES}
    exempt: list[str] = []
    for seed in range(n_seeds):
        split = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
        X_train, X_test, y_train, y_test = split
        plain.append(accuracy_score(y_test, clone(make_model()).fit(X_train, y_train).predict(X_test)))
        for case in CASES:
            accuracy, disparity, seconds, report = run(case, X_train, y_train, X_test, y_test)
            results[case.name].append((plain[-1] - accuracy, disparity, seconds))
            if len(case.groups) == 2:
                exempt.append(f"{len(report.exempt)} exempt, {len(report.uncertain)} uncertain")
    print(f"Adult, 70/30, mean (standard deviation) of {n_seeds} seeds; unconstrained {np.mean(plain):.4f}")
    print("| | cost in accuracy | allowed | unseen disparity | bound | fit s |")
    print("|---|---|---|---|---|---|")
    for case in CASES:
        cost, disparity, seconds = np.array(results[case.name]).T
        max_cost = "-" if case.max_cost is None else f"{case.max_cost:.3f}"
        print(
            f"| {case.name} | {cost.mean():.4f} ({cost.std():.4f}) | {max_cost} | "
            f"{disparity.mean():.4f} ({disparity.std():.4f}) | {case.bound:g} | {seconds.mean():.1f} |"
        )
    print("Race x sex, by seed:", "; ".join(exempt))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
