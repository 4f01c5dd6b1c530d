"""Disparities that small groups have on unseen rows, at several margins: Adult, COMPAS and a simulation.

Run: OMP_NUM_THREADS=1 python benchmarks/thresholds_small_groups.py [--compas FILE] [--splits 50]
         [--save FILE] [--beside FILE] [--cache FOLDER]

FILE of --compas is ProPublica's two-year COMPAS data as a CSV file with the columns "race", "sex", "age-cat"
and "two-year-recid"; it is not bundled, and without it there are no rows for COMPAS. --save keeps the figures
of every split as JSON, and --beside prints them beside those of another run. --cache keeps the scores of the
base models, which take most of the time.

Each split has 8,400 training rows of Adult (boosted trees; all other rows are unseen), or 70% of COMPAS
(logistic regression, without COMPAS's own score). The base model is fitted once per split: thresholds are
chosen on its out-of-fold scores of the training rows, and judged on its scores of the unseen ones. The
simulation has 20 groups (five by four values of two attributes) of 15 to 800 rows, whose calibrated scores
have beta distributions; the rates of its population are exact.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Memory
from numpy.typing import NDArray
from scipy.special import betainc, expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from fairsk import GroupThresholdOptimizer
from fairsk.datasets import load_adult

Array = NDArray[Any]

BOUNDS: tuple[dict[str, float], ...] = ({"min_ratio": 0.8}, {"max_difference": 0.05})
MARGINS: tuple[Any, ...] = (0.0, "1se", 0.95)
#: Of how many unseen rows a group must have to be judged.
LEAST_ROWS = 30
_TRAINING_ROWS = 8400


class ScoreColumn(ClassifierMixin, BaseEstimator):
    """A classifier whose score is its only column."""

    classes_ = np.array([0, 1])

    def fit(self, X: Any, y: Any) -> ScoreColumn:
        """Learn nothing."""
        return self

    def decision_function(self, X: Any) -> Array:
        """Return the column."""
        return np.asarray(X)[:, 0]


@dataclass
class Judged:
    """The rate of every group and the accuracy that decisions have on rows that were not seen."""

    rates: Array
    accuracy: float


@dataclass
class UnseenRows:
    """Rows that decisions are judged on."""

    scores: Array
    labels: Array
    groups: pd.DataFrame

    def judge(self, model: Any) -> Judged:
        """Return what a fitted optimizer's decisions amount to on these rows."""
        decided = model.decided_rows(self.scores[:, None], sensitive_features=self.groups)
        chance = decided.selection_probability
        codes = self.groups.groupby(list(self.groups), sort=True).ngroup().to_numpy()
        n = np.bincount(codes)
        rates = np.bincount(codes, chance) / n
        return Judged(rates[n >= LEAST_ROWS], float(np.mean(np.where(self.labels == 1, chance, 1 - chance))))


@dataclass
class Population:
    """Calibrated scores with a beta distribution per group: everything follows in closed form."""

    labels: list[tuple[str, str]]
    shares: Array
    a: Array
    b: Array

    def judge(self, model: Any) -> Judged:
        """Return what a fitted optimizer's decisions amount to in the population."""
        rates, accuracy = [], 0.0
        for label, share, a, b in zip(self.labels, self.shares, self.a, self.b, strict=True):
            rule = model.thresholds_.get(label, model.overall_threshold_)
            rate = 0.0
            for threshold, chance in rule if isinstance(rule, list) else [(rule, 1.0)]:
                at, mean = np.clip(threshold, 0, 1), a / (a + b)
                selected, positive = 1 - betainc(a, b, at), mean * (1 - betainc(a + 1, b, at))
                rate += chance * selected
                # Right are the selected positives, and the negatives that are not selected.
                accuracy += share * chance * (positive + (1 - mean) - (selected - positive))
            rates.append(rate)
        return Judged(np.array(rates), float(accuracy))


@dataclass
class Split:
    """Training rows as scored out of fold, and what decisions are judged on."""

    scores: Array
    labels: Array
    groups: pd.DataFrame
    unseen: UnseenRows | Population


def out_of_fold(model: Any, X: pd.DataFrame, y: Array, train: Array, test: Array) -> tuple[Array, Array]:
    """Return the out-of-fold scores of the training rows, and the model's scores of the others."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    own = cross_val_predict(model, X.iloc[train], y[train], cv=folds, method="predict_proba")[:, 1]
    return own, model.fit(X.iloc[train], y[train]).predict_proba(X.iloc[test])[:, 1]


def adult_splits(n: int, groupings: dict[str, list[str]], memory: Memory) -> Iterator[dict[str, Split]]:
    X, labels = load_adult(return_X_y=True)
    y = np.asarray(labels == ">50K").astype(int)
    table = X[["sex", "race"]].astype(str)
    table["age band"] = np.array(["-24", "25-39", "40-59", "60-"])[np.digitize(X["age"], [25, 40, 60])]
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    text = make_column_selector(dtype_exclude="number")
    prepare = make_column_transformer((encode, text), ("drop", ["fnlwgt"]), remainder="passthrough")
    model = make_pipeline(prepare, HistGradientBoostingClassifier(random_state=0))
    yield from splits_of(model, X, y, table, n, groupings, memory, train_size=_TRAINING_ROWS)


def compas_splits(
    path: str, n: int, groupings: dict[str, list[str]], memory: Memory
) -> Iterator[dict[str, Split]]:
    frame = pd.read_csv(path)
    y = frame["two-year-recid"].to_numpy()
    X = frame.filter(regex="^(?!two-year-recid|decile-score|score-text|c-charge-desc)")
    numbers = make_column_selector(dtype_include="number")
    prepare = make_column_transformer((StandardScaler(), numbers), remainder=OneHotEncoder(drop="if_binary"))
    model = make_pipeline(prepare, LogisticRegression(max_iter=500))
    table = frame[["race", "sex", "age-cat"]].astype(str)
    yield from splits_of(model, X, y, table, n, groupings, memory, train_size=0.7)


def splits_of(
    model: Any, X: pd.DataFrame, y: Array, table: pd.DataFrame, n: int, groupings: dict[str, list[str]],
    memory: Memory, train_size: float,
) -> Iterator[dict[str, Split]]:  # fmt: skip
    score = memory.cache(out_of_fold)
    for seed in range(n):
        train, test = train_test_split(
            np.arange(len(y)), train_size=train_size, stratify=y, random_state=seed
        )
        own, other = score(model, X, y, train, test)
        yield {
            name: Split(
                own,
                y[train],
                table.iloc[train][columns],
                UnseenRows(other, y[test], table.iloc[test][columns]),
            )
            for name, columns in groupings.items()
        }


def simulated_splits(n: int) -> Iterator[dict[str, Split]]:
    for seed in range(n):
        rng = np.random.default_rng(seed)
        labels = [(one, two) for one in "abcde" for two in "wxyz"]
        sizes = rng.permutation(np.geomspace(15, 800, 20).astype(int))
        # Both attributes move the mean score, and every group a little by itself.
        effects = rng.normal(0, 0.5, 5)[:, None] + rng.normal(0, 0.5, 4) + rng.normal(0, 0.2, (5, 4))
        mean = expit(-1 + effects.ravel())
        a, b = 4 * mean, 4 * (1 - mean)
        codes = np.repeat(np.arange(20), sizes)
        scores = rng.beta(a[codes], b[codes])
        y = (rng.random(len(codes)) < scores).astype(int)
        groups = pd.DataFrame([labels[code] for code in codes], columns=["one", "two"])
        yield {
            "simulated, 20 groups": Split(scores, y, groups, Population(labels, sizes / sizes.sum(), a, b))
        }


def figures(split: Split, bound: dict[str, float], margin: Any) -> dict[str, float]:
    model = GroupThresholdOptimizer(
        FrozenEstimator(ScoreColumn()), margin=margin, unknown_group="overall", **bound
    )
    start = time.perf_counter()
    model.fit(split.scores[:, None], split.labels, sensitive_features=split.groups)
    seconds = time.perf_counter() - start
    judged, report = split.unseen.judge(model), model.report_
    low, high = judged.rates.min(), judged.rates.max()
    return {
        "unseen": float(low / high if "min_ratio" in bound else high - low),
        "accuracy": judged.accuracy,
        "in sample": float(report.disparity),
        "exempt": len(report.exempt),
        "borrowed": len(getattr(report, "borrowed", ())),
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--compas", metavar="FILE", help="the COMPAS data, a CSV file")
    parser.add_argument("--splits", type=int, default=50)
    parser.add_argument("--save", metavar="FILE", help="keep the figures of every split")
    parser.add_argument("--beside", metavar="FILE", help="figures of another run to print beside")
    parser.add_argument("--cache", metavar="FOLDER", help="keep the scores of the base models")
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    memory = Memory(options.cache, verbose=0)
    adult = {"Adult, sex x race": ["sex", "race"], "Adult, sex x age band": ["sex", "age band"]}
    sources = [
        partial(adult_splits, options.splits, adult, memory),
        partial(simulated_splits, options.splits),
    ]
    if options.compas:
        compas = {"COMPAS, race x sex x age": ["race", "sex", "age-cat"]}
        sources.insert(1, partial(compas_splits, options.compas, options.splits, compas, memory))
    results: dict[str, list[dict[str, float]]] = {}
    for source in sources:
        for splits in source():
            for name, split in splits.items():
                for bound in BOUNDS:
                    for margin in MARGINS:
                        ((kind, value),) = bound.items()
                        key = f"{name} | {kind}={value:g} | {margin}"
                        results.setdefault(key, []).append(figures(split, bound, margin))
    if options.save:
        Path(options.save).write_text(json.dumps(results))
    show(results, json.loads(Path(options.beside).read_text()) if options.beside else None)


def mean_and_error(values: list[float]) -> str:
    return f"{np.mean(values):.4f} ({np.std(values, ddof=1) / np.sqrt(len(values)):.4f})"


def show(results: dict[str, list[dict[str, float]]], beside: dict[str, Any] | None) -> None:
    """Print the means over splits, with their standard errors."""
    names = ["unseen", "accuracy"]
    head = ["data | bound | margin", *names, "in sample", "exempt", "borrowed", "ms"]
    if beside:
        head[1:1] = [f"{name} before" for name in names]
    print("|", " | ".join(head), "|")
    print("|---" * (len(head) + 2) + "|")
    for key, rows in results.items():
        cells = [key]
        if beside:
            cells += [mean_and_error([row[name] for row in beside[key]]) for name in names]
        cells += [mean_and_error([row[name] for row in rows]) for name in names]
        cells.append(f"{np.mean([row['in sample'] for row in rows]):.3f}")
        cells += [f"{np.mean([row[name] for row in rows]):.1f}" for name in ("exempt", "borrowed")]
        cells.append(f"{1000 * np.median([row['seconds'] for row in rows]):.0f}")
        print("|", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
