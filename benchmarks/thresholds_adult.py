"""Accuracy and unseen disparity of group thresholds on Adult, beside the unconstrained model.

Run: python benchmarks/thresholds_adult.py
"""

from __future__ import annotations

import time

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

SEEDS = (0, 1, 2)
#: Constraint, bound, and the accuracy that it may cost (mean over seeds); the unseen disparity may exceed
#: the bound by at most MAX_EXCESS.
TARGETS = (
    ("demographic_parity", 0.01, 0.020),
    ("demographic_parity", 0.05, 0.013),
    ("equal_opportunity", 0.02, 0.002),
    ("equalized_odds", 0.05, None),
)
MAX_EXCESS = 0.006


def make_model() -> object:
    text = make_column_selector(dtype_exclude="number")
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepare = make_column_transformer((encode, text), ("drop", ["fnlwgt"]), remainder="passthrough")
    return make_pipeline(prepare, HistGradientBoostingClassifier(random_state=0))


def main() -> None:
    X, y = load_adult(return_X_y=True)
    plain, rows = [], {target[:2]: [] for target in TARGETS}
    for seed in SEEDS:
        X_train, X_test, y_train, y_test = train_test_split(
            X, y, test_size=0.3, stratify=y, random_state=seed
        )
        base = clone(make_model()).fit(X_train, y_train)
        plain.append(accuracy_score(y_test, base.predict(X_test)))
        for constraint, bound, _ in TARGETS:
            start = time.perf_counter()
            model = GroupThresholdOptimizer(
                make_model(), sensitive_features="sex", constraint=constraint, max_difference=bound, cv=5
            ).fit(X_train, y_train)
            seconds = time.perf_counter() - start
            predicted = model.predict(X_test)
            counts = GroupCounts.from_predictions(
                y_test, predicted, sensitive_features=X_test["sex"], pos_label=">50K"
            )
            disparity = counts.compare(constraint)
            rows[constraint, bound].append((accuracy_score(y_test, predicted), disparity, seconds))
    print(f"Adult, sex, 70/30, mean of {len(SEEDS)} seeds; unconstrained accuracy {np.mean(plain):.4f}")
    print(
        f"{'constraint':<20}{'bound':>6}{'accuracy':>10}{'cost':>8}{'allowed':>9}"
        f"{'unseen':>8}{'excess':>8}{'fit s':>7}"
    )
    for constraint, bound, allowed in TARGETS:
        accuracy, disparity, seconds = np.mean(rows[constraint, bound], axis=0)
        limit = "-" if allowed is None else f"{allowed:.3f}"
        print(
            f"{constraint:<20}{bound:>6.2f}{accuracy:>10.4f}{np.mean(plain) - accuracy:>8.4f}{limit:>9}"
            f"{disparity:>8.4f}{disparity - bound:>8.4f}{seconds:>7.1f}"
        )
    print(f"Allowed excess of the unseen disparity over the bound: {MAX_EXCESS}")


if __name__ == "__main__":
    main()
