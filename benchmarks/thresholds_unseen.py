"""Accuracy and disparity on unseen rows, Adult (sex) and COMPAS (race), beside fairlearn's two main methods.

Run: OMP_NUM_THREADS=1 python benchmarks/thresholds_unseen.py [--compas FILE]

FILE is ProPublica's two-year COMPAS data as a CSV file with the columns "race" and "two-year-recid"; it is
not bundled, and without it there is no table for COMPAS. All methods get the same encoded columns, splits
(70/30) and base model: gradient boosted trees on Adult, logistic regression on COMPAS. Randomised
predictions are drawn with a fixed seed. Three differences to mind: fairlearn's ThresholdOptimizer takes no
tolerance for equalized odds, so it aims at 0 there; its ExponentiatedGradient bounds the distance of a
group to all rows, hence its bound is scaled such that two groups differ by at most ours; and it needs no
sensitive features to predict.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from fairlearn.postprocessing import ThresholdOptimizer
from fairlearn.reductions import (
    DemographicParity,
    EqualizedOdds,
    ExponentiatedGradient,
    TruePositiveRateParity,
)
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from fairsk import GroupThresholdOptimizer
from fairsk.datasets import load_adult
from fairsk.metrics import GroupCounts

Array = NDArray[Any]
#: A function of unseen rows and their groups that returns labels.
Predict = Callable[[Array, Array], Array]

SEEDS = (0, 1, 2, 3, 4)
#: ExponentiatedGradient ends on its own before that on Adult.
MAX_ITER = 25
#: Constraint, bound, and its two names in fairlearn.
CASES = (
    ("demographic_parity", 0.05, "demographic_parity", DemographicParity),
    ("equal_opportunity", 0.02, "true_positive_rate_parity", TruePositiveRateParity),
    ("equalized_odds", 0.05, "equalized_odds", EqualizedOdds),
)


def scaled_bound(constraint: str, bound: float, y: Array, groups: Array) -> float:
    """Return the distance to the rate of all rows that two groups have when they differ by the bound."""
    conditions = {
        "demographic_parity": [y >= 0],
        "equal_opportunity": [y == 1],
        "equalized_odds": [y == 1, y == 0],
    }
    shares = [np.unique(groups[rows], return_counts=True)[1] / rows.sum() for rows in conditions[constraint]]
    return bound * min(share.max() for share in shares)


def make_methods(model: Any, case: tuple[Any, ...]) -> dict[str, Callable[[Array, Array, Array], Predict]]:
    """Return each method as a function of training rows, labels and groups."""
    constraint, bound, name, moment = case
    tol = None if constraint == "equalized_odds" else bound

    def fairsk_method(**settings: Any) -> Callable[[Array, Array, Array], Predict]:
        def fit(X: Array, y: Array, groups: Array) -> Predict:
            optimizer = GroupThresholdOptimizer(
                clone(model), constraint=constraint, max_difference=bound, cv=5, **settings
            ).fit(X, y, sensitive_features=groups)
            return lambda X, groups: optimizer.predict(X, sensitive_features=groups)

        return fit

    def unconstrained(X: Array, y: Array, groups: Array) -> Predict:
        fitted = clone(model).fit(X, y)
        return lambda X, groups: fitted.predict(X)

    def same_rows(X: Array, y: Array, groups: Array) -> Predict:
        optimizer = ThresholdOptimizer(estimator=clone(model), constraints=name, tol=tol)
        optimizer.fit(X, y, sensitive_features=groups)
        return lambda X, groups: optimizer.predict(X, sensitive_features=groups, random_state=0)

    def held_out(X: Array, y: Array, groups: Array) -> Predict:
        first, second = train_test_split(np.arange(len(y)), test_size=0.5, stratify=y, random_state=0)
        fitted = clone(model).fit(X[first], y[first])
        optimizer = ThresholdOptimizer(estimator=fitted, constraints=name, tol=tol, prefit=True)
        optimizer.fit(X[second], y[second], sensitive_features=groups[second])
        return lambda X, groups: optimizer.predict(X, sensitive_features=groups, random_state=0)

    def gradient(X: Array, y: Array, groups: Array) -> Predict:
        bounded = moment(difference_bound=scaled_bound(constraint, bound, y, groups))
        reduction = ExponentiatedGradient(clone(model), bounded, max_iter=MAX_ITER)
        reduction.fit(X, y, sensitive_features=groups)
        return lambda X, groups: reduction.predict(X, random_state=0)

    return {
        "unconstrained": unconstrained,
        "fairsk GroupThresholdOptimizer": fairsk_method(),
        'the same, margin="1se"': fairsk_method(margin="1se"),
        "fairlearn ThresholdOptimizer, training rows": same_rows,
        "fairlearn ThresholdOptimizer, held-out half": held_out,
        "fairlearn ExponentiatedGradient": gradient,
    }


def compare(X: pd.DataFrame, y: Array, groups: Array, prepare: Any, model: Any, title: str) -> None:
    """Print a table: the mean over splits (and the standard deviation), and the median seconds of a fit."""
    print(f"\n{title}, {len(y):,} rows, 70/30, {len(SEEDS)} seeds\n")
    print("| constraint | bound | method | unseen accuracy | unseen disparity | fit s |")
    print("|---|---|---|---|---|---|")
    for case in CASES:
        constraint, bound = case[:2]
        for method, fit in make_methods(model, case).items():
            numbers = []
            for seed in SEEDS:
                train, test = train_test_split(
                    np.arange(len(y)), test_size=0.3, stratify=y, random_state=seed
                )
                encoder = clone(prepare).fit(X.iloc[train])
                training, unseen = encoder.transform(X.iloc[train]), encoder.transform(X.iloc[test])
                start = time.perf_counter()
                predict = fit(training, y[train], groups[train])
                seconds = time.perf_counter() - start
                predicted = np.asarray(predict(unseen, groups[test])).astype(int)
                counts = GroupCounts.from_predictions(y[test], predicted, sensitive_features=groups[test])
                numbers.append((np.mean(predicted == y[test]), counts.compare(constraint), seconds))
            accuracy, gap, seconds = zip(*numbers, strict=True)
            cells = [
                constraint,
                bound,
                method,
                f"{np.mean(accuracy):.4f} ({np.std(accuracy, ddof=1):.4f})",
                f"{np.mean(gap):.4f} ({np.std(gap, ddof=1):.4f})",
                f"{np.median(seconds):.2f}",
            ]
            print(f"| {' | '.join(map(str, cells))} |", flush=True)


def compare_adult() -> None:
    X, labels = load_adult(return_X_y=True)
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    text = make_column_selector(dtype_exclude="number")
    prepare = make_column_transformer((encode, text), ("drop", ["fnlwgt"]), remainder="passthrough")
    y = np.asarray(labels == ">50K").astype(int)
    model = HistGradientBoostingClassifier(random_state=0)
    compare(X, y, np.asarray(X["sex"], dtype=str), prepare, model, "Adult, sex")


def compare_compas(path: str) -> None:
    frame = pd.read_csv(path)
    y, groups = frame["two-year-recid"].to_numpy(), frame["race"].to_numpy()
    # COMPAS's own score, which predicts the same, is left out; so is the charge in words.
    X = frame.filter(regex="^(?!two-year-recid|decile-score|score-text|c-charge-desc)")
    numbers = make_column_selector(dtype_include="number")
    prepare = make_column_transformer((StandardScaler(), numbers), remainder=OneHotEncoder(drop="if_binary"))
    compare(X, y, groups, prepare, LogisticRegression(max_iter=500), "COMPAS, race")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--compas", metavar="FILE", help="the COMPAS data, a CSV file")
    path = parser.parse_args().compas
    if path:
        compare_compas(path)
    compare_adult()


if __name__ == "__main__":
    main()
