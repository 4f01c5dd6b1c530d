"""Thresholds of several classes beside holisticai's multiclass debiasers, at an equal gap.

Run, in this order:
    python benchmarks/classes_peers.py dump scores.npz
    PEERS/bin/python benchmarks/classes_peers.py peers scores.npz peers.npz
    python benchmarks/classes_peers.py compare scores.npz peers.npz

PEERS is an environment with benchmarks/requirements-classes.txt; it needs no fairsk. Adult: three bands of
a made-up score (years of education, age, hours and the true label, plus noise; seeded), by sex. German
credit in three grades: bad, good for a loan of more than 18 months, and good for a shorter one; the
duration is taken out of X; by sex. Both are split in halves: probabilities of the first half are out of
fold, and what is chosen there is applied to the second half. holisticai's MLDebiaser (demographic parity;
it has a regularisation, and no bound) and LPDebiaserMulticlass (equalized opportunity and odds of predicted
labels, exactly equal or not at all) are run at their defaults and at other strengths; fairsk gets the gap
that each of them has on the rows of the fit as its bound. fairlearn has no post-processing of three
classes: its ThresholdOptimizer refuses them.
"""

from __future__ import annotations

import sys
import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
#: Which constraint is looked at beside each method of a peer.
CONSTRAINTS = {"MLDebiaser": "demographic_parity", "EqualizedOpportunity": "equal_opportunity"}
CONSTRAINTS["EqualizedOdds"] = "equalized_odds"


def adult() -> tuple[Any, Array]:
    """Return Adult, and three bands of a made-up score."""
    from fairsk.datasets import load_adult

    X, y = load_adult(return_X_y=True)
    rng = np.random.default_rng(0)
    score = 2.0 * (np.asarray(y) == np.unique(y)[1]) + X["education-num"].to_numpy() / 4
    score = score + X["age"].to_numpy() / 30 + X["hours-per-week"].to_numpy() / 20 + rng.normal(0, 1, len(X))
    return X, np.digitize(score, np.quantile(score, [1 / 3, 2 / 3]))


def german_credit() -> tuple[Any, Array]:
    """Return German credit, and three grades."""
    from fairsk.datasets import load_german_credit

    X, y = load_german_credit(return_X_y=True)
    duration = next(name for name in X.columns if "duration" in name)
    good = np.asarray(y) == "good"
    return X.drop(columns=duration), good.astype(int) + (good & (X[duration].to_numpy() <= 18))


def dump(path: str) -> None:
    """Save probabilities of both halves."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict, train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    saved = {}
    for name, (X, y) in {"adult": adult(), "german": german_credit()}.items():
        group = (X["sex"] == np.unique(X["sex"])[0]).to_numpy()
        numbers = make_column_selector(dtype_include="number")
        encode = OneHotEncoder(handle_unknown="ignore")
        model = make_pipeline(
            make_column_transformer((StandardScaler(), numbers), remainder=encode),
            LogisticRegression(max_iter=1000),
        )
        fit, test = train_test_split(np.arange(len(y)), test_size=0.5, random_state=0, stratify=y)
        saved[f"{name}_proba_fit"] = cross_val_predict(
            model, X.iloc[fit], y[fit], cv=5, method="predict_proba"
        )
        saved[f"{name}_proba_test"] = model.fit(X.iloc[fit], y[fit]).predict_proba(X.iloc[test])
        for part, rows in (("fit", fit), ("test", test)):
            saved[f"{name}_y_{part}"], saved[f"{name}_group_{part}"] = y[rows], group[rows]
    np.savez(path, **saved)


def run_peers(path: str, out: str) -> None:
    """Save the decisions of holisticai's debiasers."""
    from holisticai.bias.mitigation import LPDebiaserMulticlass, MLDebiaser

    data, saved = dict(np.load(path)), {}
    for name in ("adult", "german"):
        fit, test = ((data[f"{name}_proba_{p}"], data[f"{name}_group_{p}"]) for p in ("fit", "test"))
        for gamma in (1.0, 0.1, 0.01):
            np.random.seed(0)  # noqa: NPY002 (it draws from the global generator)
            debiaser = MLDebiaser(gamma=gamma, verbose=False)
            start = time.process_time()
            debiaser.fit(fit[0], fit[1], ~fit[1])
            decisions = [debiaser.transform(proba, group, ~group)["y_pred"] for proba, group in (fit, test)]
            save(saved, f"{name}|MLDebiaser|gamma={gamma:g}", decisions, time.process_time() - start)
        for constraint in ("EqualizedOpportunity", "EqualizedOdds"):
            for loss in ("macro", "micro"):
                debiaser = LPDebiaserMulticlass(constraint=constraint, loss=loss)
                start = time.process_time()
                try:
                    debiaser.fit(data[f"{name}_y_fit"], fit[0].argmax(1), fit[1], ~fit[1])
                    decisions = [
                        debiaser.transform(proba.argmax(1), group, ~group)["y_pred"]
                        for proba, group in (fit, test)
                    ]
                except Exception as error:
                    print(f"{name}: LPDebiaserMulticlass({constraint!r}, {loss!r}) fails: {error!r:.150}")
                    continue
                save(saved, f"{name}|{constraint}|loss={loss}", decisions, time.process_time() - start)
    np.savez(out, **saved)


def save(saved: dict[str, Array], key: str, decisions: list[Array], seconds: float) -> None:
    """Keep the decisions of both halves."""
    saved[f"{key}|fit"], saved[f"{key}|test"] = (np.asarray(each).ravel().astype(int) for each in decisions)
    saved[f"{key}|seconds"] = np.array(seconds)


def measure(y: Array, decided: Array, group: Array, constraint: str) -> tuple[float, float]:
    """Return the accuracy, and the gap of the class that has the largest."""
    from fairsk.metrics import multiclass_disparity

    gap = multiclass_disparity(y, decided, sensitive_features=group, constraint=constraint)
    return float(np.mean(y == decided)), float(gap)


def compare(path: str, peers: str) -> int:
    """Print both at an equal gap; return how often fairsk is less accurate on the rows of the fit."""
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.frozen import FrozenEstimator

    from fairsk import GroupThresholdOptimizer

    class Given(ClassifierMixin, BaseEstimator):
        """A classifier whose probabilities are X."""

        classes_ = np.arange(3)

        def fit(self, X: Array, y: Array) -> Given:
            return self

        def predict_proba(self, X: Array) -> Array:
            return X

    data, saved = dict(np.load(path)), dict(np.load(peers))
    print(
        "| data | peer | constraint | peer: gap, accuracy (fit) | fairsk | peer (new rows) | fairsk | CPU s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    n_worse = 0
    for key in sorted(each.removesuffix("|fit") for each in saved if each.endswith("|fit")):
        name, method, how = key.split("|")
        constraint = CONSTRAINTS[method]
        fit, test = (
            (data[f"{name}_y_{p}"], data[f"{name}_proba_{p}"], data[f"{name}_group_{p}"])
            for p in ("fit", "test")
        )
        theirs = [
            measure(part[0], saved[f"{key}|{p}"], part[2], constraint)
            for p, part in (("fit", fit), ("test", test))
        ]
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = GroupThresholdOptimizer(
                FrozenEstimator(Given()),
                constraint=constraint,
                max_difference=max(theirs[0][1], 0.0),
                policy="threshold",  # so that the bound holds to the last row, as that of a peer is counted
                min_group_size=1,  # the peers know no small groups
            ).fit(fit[1], fit[0], sensitive_features=fit[2])
        seconds = time.process_time() - start
        ours = [
            measure(y, model.predict(proba, sensitive_features=group), group, constraint)
            for y, proba, group in (fit, test)
        ]
        # A bound met to the last bit is met in both: what is left is accuracy.
        n_worse += ours[0][0] < theirs[0][0] - 1e-12
        cells = [f"{gap:.4f}, {accuracy:.4f}" for accuracy, gap in (theirs[0], ours[0], theirs[1], ours[1])]
        took = f"{float(saved[f'{key}|seconds']):.2f}, {seconds:.2f}"
        print(f"| {name} | {method} {how} | {constraint} | {' | '.join(cells)} | {took} |")
    return n_worse


def main() -> None:
    """Do what the first argument says."""
    what, *paths = sys.argv[1:]
    {"dump": dump, "peers": run_peers, "compare": compare}[what](*paths)


if __name__ == "__main__":
    main()
