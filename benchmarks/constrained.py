"""ConstrainedClassifier on unseen rows beside other ways to a bound without the attribute at prediction.

Run: OMP_NUM_THREADS=1 python benchmarks/constrained.py [--compas FILE] [--fairgbm PYTHON] [--cache FILE]

What to mind:

- Nobody sees the sensitive attribute (Adult: sex; COMPAS: race) at prediction, nor in X. Of Adult all other
  columns are used, the sampling weight too, which is noise to a learner.
- "Floor" is the mean gap that sampling alone makes: the groups of the rows judged are shuffled (within the
  labels for the two constraints that condition on them), the decisions stay. A method whose gap is its floor
  treats the groups alike, as far as these rows can tell. "Beyond" is by how many standard errors of the mean
  gap that gap exceeds the larger of bound and floor. Below a table stands what chance in the rows to fit adds
  to the floor: the mean unseen gap of a rule that has none at all on the rows to fit.
- The bound of fairlearn's ExponentiatedGradient (EG) is taken as it is asked for, as ``difference_bound``. It
  bounds the distance of a group to all rows. So two groups may differ by more: by up to 1.48 times as much on
  Adult (DP), by up to twice as much in general. Its predictions are drawn, with the seed of the split.
- FairGBM has no demographic parity. It runs in an environment of its own, whose interpreter is PYTHON
  (benchmarks/requirements-fairgbm.txt); without it, there is none in the tables.
- Seconds are of the processor, of the fit alone. "Fits" counts the models that were trained, "rows" the rows
  that they were trained on, in multiples of the rows given. What a plain learner or a ReweightedClassifier
  does depends on neither constraint nor bound.
- Standard errors are over splits. Those of differences between two methods are of their differences on the
  same splits.

FILE of --cache keeps the results of all methods but ConstrainedClassifier, one JSON object a line, so that it
can be run again beside them; rows of a table that come from there have a star. COMPAS is ProPublica's
two-year data, filtered as usual, as a CSV file; it is not bundled.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import xgboost
from fairlearn.reductions import (
    DemographicParity,
    EqualizedOdds,
    ExponentiatedGradient,
    TruePositiveRateParity,
)
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from fairsk import GroupThresholdOptimizer, ReweightedClassifier
from fairsk.datasets import load_adult

Array = NDArray[Any]
#: A function of unseen rows that returns labels.
Predict = Callable[[Any], Any]

SEEDS = (0, 1, 2, 3, 4)
#: Equalized odds on as many splits: whether the accuracy ever falls below what a rule of thumb reaches.
COLLAPSE_SEEDS = range(20)
COLLAPSE_BELOW = 0.84
CONSTRAINTS = ("demographic_parity", "equal_opportunity", "equalized_odds")
SHORT = dict(zip(CONSTRAINTS, ("DP", "EOpp", "EOdds"), strict=True))
#: The labels of the rows that count in each rate; None: all rows.
EVENTS: dict[str, tuple[int | None, ...]] = dict(zip(CONSTRAINTS, ((None,), (1,), (1, 0)), strict=True))
MOMENTS = dict(zip(CONSTRAINTS, (DemographicParity, TruePositiveRateParity, EqualizedOdds), strict=True))
BOUNDS = (0.02, 0.05, 0.10)
#: More points for the frontier of blind thresholds, so that others can be placed between them.
FRONTIER_BOUNDS = (0.01, 0.02, 0.03, 0.05, 0.10)
ADULT_ROWS = 8_400
SHUFFLES = 2_000
TREES, LEAVES = 100, 31

PLAIN, REWEIGHTED, EG, FAIRGBM, BLIND, OURS, OURS_MARGIN = (
    "plain",
    "ReweightedClassifier",
    "EG",
    "FairGBM",
    "blind thresholds",
    "ConstrainedClassifier",
    'the same, margin="1se"',
)


# --- Rows, learners, methods


@dataclass(frozen=True)
class Split:
    """Rows to fit and rows to judge."""

    data: str
    seed: int
    X: Any
    y: Array
    codes: Array
    unseen: Any
    actual: Array
    unseen_codes: Array


@dataclass(frozen=True)
class Method:
    """A way to a bound: ``fit(learner, split, constraint, bound)`` returns how to predict."""

    name: str
    fit: Callable[[Any, Split, str, float], Predict]
    bounded: bool = True
    constraints: Sequence[str] = CONSTRAINTS


@dataclass
class Table:
    """Results per method, constraint, bound and seed."""

    data: str
    learner: str
    results: dict[tuple[str, str, float], list[dict[str, Any]]] = field(default_factory=dict)
    reach: dict[str, float] = field(default_factory=dict)

    def column(self, method: str, constraint: str, bound: float, what: str) -> Array:
        """Return a number per seed."""
        rows = self.results[method, constraint, bound]
        if what in ("gap", "floor"):
            return np.array([row[what][constraint] for row in rows])
        return np.array([row[what] for row in rows], dtype=float)

    def has(self, method: str, constraint: str, bound: float) -> bool:
        """Return whether there are results."""
        return (method, constraint, bound) in self.results


def mean_and_error(values: Array) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def adult(*, text: bool = False) -> tuple[pd.DataFrame, Array, Array]:
    """Return columns without sex, labels and sexes; with ``text``, all categories of a row in one column."""
    X, labels = load_adult(return_X_y=True, backend="pandas")
    sex = np.asarray(X["sex"], dtype=str)
    X = X.drop(columns="sex")
    if text:
        categories = X.select_dtypes(exclude="number")
        words = categories.apply(lambda column: column.str.replace("-", "", regex=False)).agg(
            " ".join, axis=1
        )
        X = X.select_dtypes("number").assign(words=words.astype(object))
    return X, np.asarray(labels == ">50K").astype(int), np.unique(sex, return_inverse=True)[1]


def compas(path: str) -> tuple[pd.DataFrame, Array, Array]:
    """Return columns, labels and races, without race, COMPAS's own score and the charge in words."""
    frame = pd.read_csv(path)
    X = frame.filter(regex="^(?!two-year-recid|race|decile-score|score-text|c-charge-desc)")
    return X, frame["two-year-recid"].to_numpy(), np.unique(frame["race"], return_inverse=True)[1]


def encode(kind: str) -> Any:
    """Return what makes columns of numbers: codes for trees, indicators for linear models."""
    text = make_column_selector(dtype_exclude="number")
    if kind == "codes":
        codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        return make_column_transformer((codes, text), remainder="passthrough")
    indicators = OneHotEncoder(handle_unknown="ignore", sparse_output=False, min_frequency=10)
    return make_column_transformer((indicators, text), remainder=StandardScaler())


def splits(
    data: str,
    table: tuple[pd.DataFrame, Array, Array],
    kind: str,
    seeds: Sequence[int],
    rows: int | None = None,
) -> Iterator[Split]:
    """Yield splits: so many random rows to fit, or 70%, and all others to judge."""
    X, y, codes = table
    for seed in seeds:
        if rows is None:
            train, test = train_test_split(np.arange(len(y)), test_size=0.3, stratify=y, random_state=seed)
        else:
            order = np.random.default_rng(seed).permutation(len(y))
            train, test = order[:rows], order[rows:]
        known, unseen = X.iloc[train].reset_index(drop=True), X.iloc[test].reset_index(drop=True)
        if kind != "frame":
            encoder = encode(kind).fit(known)
            known, unseen = (
                np.asarray(encoder.transform(known), float),
                np.asarray(encoder.transform(unseen), float),
            )
        yield Split(data, seed, known, y[train], codes[train], unseen, y[test], codes[test])


def make_lightgbm() -> Any:
    return lightgbm.LGBMClassifier(
        n_estimators=TREES, num_leaves=LEAVES, n_jobs=1, random_state=0, verbose=-1
    )


def make_xgboost() -> Any:
    return xgboost.XGBClassifier(
        n_estimators=TREES,
        max_leaves=LEAVES,
        max_depth=0,
        grow_policy="lossguide",
        learning_rate=0.1,
        tree_method="hist",
        n_jobs=1,
        random_state=0,
    )


def make_text_pipeline() -> Any:
    columns = make_column_transformer((CountVectorizer(), "words"), remainder=StandardScaler())
    return make_pipeline(columns, LogisticRegression(max_iter=500))


#: Learners of the reduction, with the kind of columns that they get.
LEARNERS: dict[str, tuple[Callable[[], Any], str]] = {
    "LogisticRegression": (lambda: LogisticRegression(max_iter=500), "indicators"),
    "HistGradientBoosting": (
        lambda: HistGradientBoostingClassifier(
            max_iter=TREES, max_leaf_nodes=LEAVES, early_stopping=False, random_state=0
        ),
        "codes",
    ),
    # Leaves of single rows would know their training rows by heart, so that training rates say nothing.
    "RandomForest": (
        lambda: RandomForestClassifier(TREES, min_samples_leaf=10, n_jobs=1, random_state=0),
        "codes",
    ),
    "Pipeline with text": (make_text_pipeline, "frame"),
}


def fit_plain(learner: Any, split: Split, constraint: str, bound: float) -> Predict:
    return clone(learner).fit(split.X, split.y).predict


def fit_reweighted(learner: Any, split: Split, constraint: str, bound: float) -> Predict:
    model = ReweightedClassifier(clone(learner))
    return model.fit(split.X, split.y, sensitive_features=split.codes).predict


def fit_gradient(learner: Any, split: Split, constraint: str, bound: float) -> Predict:
    step = f"{learner.steps[-1][0]}__" if isinstance(learner, Pipeline) else ""
    moment = MOMENTS[constraint](difference_bound=bound)
    model = ExponentiatedGradient(clone(learner), moment, sample_weight_name=f"{step}sample_weight")
    model.fit(split.X, split.y, sensitive_features=split.codes)
    return lambda X: model.predict(X, random_state=split.seed)


def fit_blind(learner: Any, split: Split, constraint: str, bound: float) -> Predict:
    model = GroupThresholdOptimizer(
        clone(learner), constraint=constraint, max_difference=bound, policy="blind", random_state=0
    )
    return model.fit(split.X, split.y, sensitive_features=split.codes).predict


def fit_constrained(learner: Any, split: Split, constraint: str, bound: float, margin: Any = 0.0) -> Predict:
    from fairsk import ConstrainedClassifier

    model = ConstrainedClassifier(
        clone(learner), constraint=constraint, max_difference=bound, margin=margin, random_state=0
    )
    return model.fit(split.X, split.y, sensitive_features=split.codes).predict


OUR_METHODS = (
    Method(OURS, fit_constrained),
    Method(OURS_MARGIN, functools.partial(fit_constrained, margin="1se")),
)
METHODS = (
    Method(PLAIN, fit_plain, bounded=False),
    Method(REWEIGHTED, fit_reweighted, bounded=False),
    Method(EG, fit_gradient),
    Method(FAIRGBM, fit_plain, constraints=CONSTRAINTS[1:]),  # measure() runs it in its own environment
    Method(BLIND, fit_blind),
    *OUR_METHODS,
)


# --- One result


def gap(selected: Array, actual: Array, codes: Array, constraint: str) -> float:
    """Return the largest gap between groups in the rates of the constraint."""
    return max(
        float(np.ptp([selected[rows & (codes == code)].mean() for code in np.unique(codes)]))
        for rows in (
            np.ones(len(actual), bool) if event is None else actual == event for event in EVENTS[constraint]
        )
    )


def floor(selected: Array, actual: Array, codes: Array, constraint: str) -> float:
    """Return the mean gap if groups are shuffled among the rows that count in a rate.

    How many of a group's rows are then selected is hypergeometric: numbers are drawn instead of rows.
    """
    random = np.random.default_rng(0)
    gaps = np.zeros(SHUFFLES)
    for event in EVENTS[constraint]:
        rows = np.ones(len(actual), bool) if event is None else actual == event
        sizes = np.bincount(codes[rows])
        drawn = random.multivariate_hypergeometric(sizes, int(selected[rows].sum()), size=SHUFFLES)
        gaps = np.maximum(gaps, np.ptp(drawn / sizes, axis=1))
    return float(gaps.mean())


def reach(learner: Any, split: Split) -> dict[str, float]:
    """Return the mean unseen gap, per constraint, of a rule without any gap on the rows to fit.

    Rates on the rows to fit and on those to judge both differ from the true ones by chance. The true ones are
    taken from the plain learner, alike in all groups.
    """
    selected = np.asarray(fit_plain(learner, split, "", 0.0)(split.unseen)) == 1
    random = np.random.default_rng(0)
    found = {}
    for constraint, events in EVENTS.items():
        gaps = np.zeros(SHUFFLES)
        for event in events:
            known, judged = (
                np.ones(len(labels), bool) if event is None else labels == event
                for labels in (split.y, split.actual)
            )
            rate = selected[judged].mean()
            sizes = np.bincount(split.codes[known]), np.bincount(split.unseen_codes[judged])
            deviation = np.sqrt(rate * (1 - rate) * (1 / sizes[0] + 1 / sizes[1]))
            gaps = np.maximum(
                gaps, np.ptp(random.normal(size=(SHUFFLES, len(deviation))) * deviation, axis=1)
            )
        found[constraint] = float(gaps.mean())
    return found


@contextmanager
def counted(learner: Any) -> Iterator[list[int]]:
    """Collect the rows of each model trained, in calls of fit, or by boosters that were given rows."""
    sizes: list[int] = []
    last = learner.steps[-1][1] if isinstance(learner, Pipeline) else learner
    owner, name = type(last), "fit"
    if isinstance(last, lightgbm.LGBMModel):
        owner, name = lightgbm.Booster, "__init__"
    elif isinstance(last, xgboost.XGBModel):
        owner, name = xgboost.Booster, "__init__"
    original = getattr(owner, name)

    @functools.wraps(original)
    def count(self: Any, *given: Any, **named: Any) -> Any:
        result = original(self, *given, **named)
        if isinstance(self, lightgbm.Booster):
            rows = named.get("train_set", given[1] if len(given) > 1 else None)
            sizes.extend([] if rows is None else [rows.num_data()])
        elif isinstance(self, xgboost.Booster):
            sizes.extend(
                rows.num_row() for rows in (named.get("cache", given[1] if len(given) > 1 else ()) or ())[:1]
            )
        else:
            sizes.append(len(named.get("y", given[1] if len(given) > 1 else ())))
        return result

    setattr(owner, name, count)
    try:
        yield sizes
    finally:
        setattr(owner, name, original)


def cpu_seconds() -> float:
    """Return the processor seconds of this process and of those that it waited for."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def run_fairgbm(python: str, split: Split, constraint: str, bound: float) -> tuple[Array, float]:
    """Return what FairGBM decides on unseen rows, and the processor seconds of its fit."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "rows.npz"), Path(folder, "labels.npz")
        arrays = {"X": split.X, "y": split.y, "codes": split.codes, "unseen": split.unseen}
        np.savez(source, constraint=constraint, bound=bound, n_estimators=TREES, num_leaves=LEAVES, **arrays)
        script = str(Path(__file__).with_name("constrained_fairgbm.py"))
        subprocess.run([python, script, str(source), str(target)], check=True, stdout=subprocess.DEVNULL)
        answer = np.load(target)
        return answer["predicted"], float(answer["seconds"])


def measure(
    method: Method, learner: Any, split: Split, case: tuple[str, float], python: str
) -> dict[str, Any]:
    """Fit and judge a method; its gaps and floors are those of all constraints."""
    if method.name == FAIRGBM:
        predicted, seconds = run_fairgbm(python, split, *case)
        sizes = [len(split.y)]
    else:
        with counted(learner) as sizes:
            start = cpu_seconds()
            predict = method.fit(learner, split, *case)
            seconds = cpu_seconds() - start
        predicted = np.asarray(predict(split.unseen))
    selected = np.asarray(predicted).ravel().astype(int) == 1
    judged = selected, split.actual, split.unseen_codes
    return {
        "accuracy": float(np.mean(selected == split.actual)),
        "gap": {constraint: gap(*judged, constraint) for constraint in CONSTRAINTS},
        "floor": {constraint: floor(*judged, constraint) for constraint in CONSTRAINTS},
        "seconds": seconds,
        "fits": len(sizes),
        "rows": sum(sizes) / len(split.y),
    }


class Cache:
    """Results of earlier runs, one JSON object a line; without a path, those of this run."""

    def __init__(self, path: str | None) -> None:
        self.path = None if path is None else Path(path)
        self.kept: dict[tuple[Any, ...], dict[str, Any]] = {}
        if self.path is not None and self.path.exists():
            for line in self.path.read_text().splitlines():
                record = json.loads(line)
                self.kept[tuple(record["key"])] = {**record["result"], "cached": True}

    def get(
        self, key: tuple[Any, ...], compute: Callable[[], dict[str, Any]], *, keep: bool
    ) -> dict[str, Any]:
        """Return what is kept, or else computed."""
        if key not in self.kept:
            self.kept[key] = compute()
            if keep and self.path is not None:
                with self.path.open("a") as lines:
                    lines.write(json.dumps({"key": key, "result": self.kept[key]}) + "\n")
        return self.kept[key]


# --- Tables


@dataclass(frozen=True)
class Run:
    """What the arguments say."""

    cache: Cache
    fairgbm: str | None
    compas: str | None
    rows: int
    peers_only: bool

    def skips(self, method: Method, learner: str) -> bool:
        """Return whether the method has no part in this run, or none with this learner."""
        ours = method in OUR_METHODS
        return (ours and self.peers_only) or (
            method.name == FAIRGBM and (self.fairgbm is None or learner != "LightGBM")
        )

    def fill(
        self,
        table: Table,
        source: Iterator[Split],
        make: Callable[[], Any],
        cases: Callable[[str], Sequence[tuple[str, float]]],
        methods: Sequence[Method] = METHODS,
    ) -> Table:
        """Run each method on each split under the cases of its name; without a bound once for all cases."""
        for split in source:
            table.reach = table.reach or reach(make(), split)
            for method in methods:
                if self.skips(method, table.learner):
                    continue
                for constraint, bound in cases(method.name):
                    if constraint not in method.constraints:
                        continue
                    case = (constraint, bound) if method.bounded else (None, None)
                    compute = functools.partial(
                        measure, method, make(), split, (constraint, bound), self.fairgbm or ""
                    )
                    key = (table.data, table.learner, split.seed, method.name, *case)
                    result = self.cache.get(key, compute, keep=method not in OUR_METHODS)
                    table.results.setdefault((method.name, constraint, bound), []).append(result)
        return table


def print_table(table: Table, title: str) -> None:
    print(f"\n{title}\n")
    heads = (
        "constraint | bound | method | accuracy (se) | unseen gap (se) | floor | beyond | CPU s | fits | rows"
    )
    print(f"| {heads} |\n|{'---|' * 10}")
    names = [method.name for method in METHODS]
    order = {constraint: position for position, constraint in enumerate(CONSTRAINTS)}
    for method, constraint, bound in sorted(
        table.results, key=lambda key: (order[key[1]], key[2], names.index(key[0]))
    ):
        column = functools.partial(table.column, method, constraint, bound)
        beyond = overshoot(table, method, constraint, bound)
        cached = all(row.get("cached") for row in table.results[method, constraint, bound])
        cells = [
            SHORT[constraint],
            f"{bound:.2f}",
            method + " *" * cached,
            "{:.4f} ({:.4f})".format(*mean_and_error(column("accuracy"))),
            "{:.4f} ({:.4f})".format(*mean_and_error(column("gap"))),
            f"{column('floor').mean():.4f}",
            f"{beyond:.1f}" if beyond > 0 else "-",
            f"{column('seconds').mean():.2f}",
            f"{column('fits').mean():.0f}",
            f"{column('rows').mean():.1f}",
        ]
        print(f"| {' | '.join(cells)} |")
    reached = ", ".join(f"{SHORT[constraint]} {value:.3f}" for constraint, value in table.reach.items())
    print(
        f"\nMean unseen gap of a rule without any gap on the rows to fit, by chance: {reached}.\n", flush=True
    )


def overshoot(table: Table, method: str, constraint: str, bound: float) -> float:
    """Return by how many standard errors the mean gap exceeds the larger of bound and floor."""
    mean, error = mean_and_error(table.column(method, constraint, bound, "gap"))
    allowed = max(bound, table.column(method, constraint, bound, "floor").mean())
    return (mean - allowed) / max(error, 1e-12)


def bar(what: str, value: float, limit: float, *, least: bool = False, digits: int = 4) -> None:
    """Print whether a bar is met, and by how much it is missed."""
    short = limit - value if least else value - limit
    verdict = "met" if short <= 0 else f"MISSED by {short:.{digits}f}"
    sign = "at least" if least else "at most"
    print(f"- {what}: {value:.{digits}f}, {sign} {limit:.{digits}f}: {verdict}", flush=True)


def bars_of_overshoot(table: Table) -> None:
    for method, limit in ((OURS, 1.0), (OURS_MARGIN, 0.0)):
        for constraint in CONSTRAINTS:
            for bound in BOUNDS:
                if table.has(method, constraint, bound):
                    what = (
                        f"{SHORT[constraint]} {bound:.2f}, {method}: standard errors beyond bound and floor"
                    )
                    bar(what, overshoot(table, method, constraint, bound), limit, digits=1)


def bars_of_small_adult(table: Table) -> None:
    bound = BOUNDS[0]
    parity, opportunity, odds = CONSTRAINTS
    of = functools.partial(table.column, bound=bound)

    def column(method: str, constraint: str, what: str) -> Array:
        return of(method=method, constraint=constraint, what=what)

    def difference(constraint: str, other: str, what: str) -> tuple[float, float]:
        return mean_and_error(column(OURS, constraint, what) - column(other, constraint, what))

    bar("DP .02, accuracy less EG's", difference(parity, EG, "accuracy")[0], -0.001, least=True)
    bar("DP .02, mean unseen gap", column(OURS, parity, "gap").mean(), bound)
    bar("EOpp .02, accuracy less EG's", difference(opportunity, EG, "accuracy")[0], 0, least=True)
    bar("EOpp .02, mean unseen gap", column(OURS, opportunity, "gap").mean(), bound)
    mean, error = difference(odds, BLIND, "accuracy")
    bar("EOdds .02, accuracy less blind's (least: minus a standard error)", mean, -error, least=True)
    mean, error = difference(odds, BLIND, "gap")
    bar("EOdds .02, gap less blind's (most: a standard error)", mean, error)
    for constraint in CONSTRAINTS:
        seconds = column(OURS, constraint, "seconds").mean()
        for other, limit in ((EG, 1 / 6), (BLIND, 1.0)):
            ratio = seconds / column(other, constraint, "seconds").mean()
            bar(f"{SHORT[constraint]} .02, CPU over that of {other}", ratio, limit, digits=2)


def slope(left: tuple[Array, Array], right: tuple[Array, Array]) -> float:
    """Return the rise of the mean accuracy per rise of the mean gap."""
    return float((right[1].mean() - left[1].mean()) / (right[0].mean() - left[0].mean()))


def beside_frontier(table: Table, method: str, constraint: str, bound: float) -> tuple[float, float]:
    """Return the accuracy above what blind thresholds reach at the same mean gap, and its standard error.

    The frontier is the upper concave hull of the means over the bounds and of the plain learner; before its
    first point and after its last one it is level. The gap of a split counts at the slope of the frontier.
    """
    cases = [(BLIND, b) for b in FRONTIER_BOUNDS] + [(PLAIN, bound)]
    points = [
        tuple(table.column(name, constraint, b, what) for what in ("gap", "accuracy")) for name, b in cases
    ]
    hull: list[Any] = []
    for point in sorted(points, key=lambda point: point[0].mean()):
        while len(hull) > 1 and slope(hull[-2], hull[-1]) <= slope(hull[-2], point):
            hull.pop()
        hull.append(point)
    x, y = (table.column(method, constraint, bound, what) for what in ("gap", "accuracy"))
    means = np.array([point[0].mean() for point in hull])
    if not means[0] < x.mean() < means[-1]:
        return mean_and_error(y - hull[0 if x.mean() <= means[0] else -1][1])
    right = int(np.searchsorted(means, x.mean()))
    low, high = hull[right - 1], hull[right]
    share = (x.mean() - means[right - 1]) / (means[right] - means[right - 1])
    gaps, heights = ((1 - share) * low[i] + share * high[i] for i in (0, 1))
    return mean_and_error(y - heights - slope(low, high) * (x - gaps))


def bars_of_frontier(table: Table) -> None:
    for constraint in CONSTRAINTS:
        for bound in BOUNDS:
            excess, error = beside_frontier(table, OURS, constraint, bound)
            name = f"{SHORT[constraint]} {bound:.2f}"
            bar(
                f"{name}, accuracy above blind's frontier (least: minus its error)",
                excess,
                -error,
                least=True,
            )
            seconds = [table.column(method, constraint, bound, "seconds").mean() for method in (OURS, BLIND)]
            bar(f"{name}, CPU over blind's", seconds[0] / seconds[1], 0.25, digits=2)


def all_cases(method: str) -> list[tuple[str, float]]:
    return [(constraint, bound) for constraint in CONSTRAINTS for bound in BOUNDS]


def small_adult(run: Run, learner: str = "LightGBM") -> None:
    make = make_lightgbm if learner == "LightGBM" else make_xgboost
    source = splits("adult", adult(), "codes", SEEDS, ADULT_ROWS)
    cases = [case for case in all_cases("") if learner == "LightGBM" or case[1] == BOUNDS[0]]
    table = run.fill(Table("adult", learner), source, make, lambda method: cases)
    title = (
        f"Adult, sex, {ADULT_ROWS:,} random rows to fit, all others to judge, {len(SEEDS)} seeds, {learner}"
    )
    print_table(table, title)
    if not run.peers_only:
        bars_of_small_adult(table)
        bars_of_overshoot(table)


def collapse(run: Run) -> None:
    case = (CONSTRAINTS[2], BOUNDS[0])
    source = splits("adult", adult(), "codes", COLLAPSE_SEEDS, ADULT_ROWS)
    table = run.fill(
        Table("adult", "LightGBM"), source, make_lightgbm, lambda method: [case], OUR_METHODS[:1]
    )
    if run.peers_only:
        return
    accuracy, gaps = (table.column(OURS, *case, what) for what in ("accuracy", "gap"))
    print(f"\nAdult, {ADULT_ROWS:,} rows, EOdds .02, {len(accuracy)} splits, LightGBM\n")
    print(f"accuracy: mean {accuracy.mean():.4f}, least {accuracy.min():.4f}; gap: mean {gaps.mean():.4f}, "
          f"most {gaps.max():.4f}\n")  # fmt: skip
    bar("EOdds .02, least accuracy of all splits", accuracy.min(), COLLAPSE_BELOW, least=True)


def all_adult(run: Run) -> None:
    def cases(method: str) -> list[tuple[str, float]]:
        bounds = {BLIND: FRONTIER_BOUNDS, EG: BOUNDS[:1]}.get(method, BOUNDS)
        return [(constraint, bound) for constraint in CONSTRAINTS for bound in bounds]

    source = splits("all of adult", adult(), "codes", SEEDS)
    table = run.fill(Table("all of adult", "LightGBM"), source, make_lightgbm, cases)
    title = f"Adult, sex, all rows, 70/30, {len(SEEDS)} seeds, LightGBM (EG under one bound: it is slow)"
    print_table(table, title)
    if not run.peers_only:
        bars_of_frontier(table)
        bars_of_overshoot(table)


def all_compas(run: Run) -> None:
    if run.compas is None:
        print("\nNo table of COMPAS: --compas names no file.")
        return
    source = splits("compas", compas(run.compas), "codes", SEEDS)
    table = run.fill(Table("compas", "LightGBM"), source, make_lightgbm, all_cases)
    print_table(table, f"COMPAS, race, 70/30, {len(SEEDS)} seeds, LightGBM")
    if not run.peers_only:
        bars_of_overshoot(table)


def reduction(run: Run) -> None:
    methods = [method for method in METHODS if method.name in (PLAIN, EG, OURS)]
    parity, odds = CONSTRAINTS[0], CONSTRAINTS[2]
    bound = BOUNDS[0]
    cases = [(parity, bound), (odds, bound)]
    for learner, (make, kind) in LEARNERS.items():
        source = splits("adult", adult(text=kind == "frame"), kind, SEEDS, ADULT_ROWS)
        table = run.fill(Table("adult", learner), source, make, lambda method: cases, methods)
        print_table(table, f"Adult, sex, {ADULT_ROWS:,} random rows to fit, {len(SEEDS)} seeds, {learner}")
        if run.peers_only:
            continue
        for what, least, margin in (("accuracy", True, 0.003), ("gap", False, 0.0), ("rows", False, 0.0)):
            ours, theirs = (table.column(method, parity, bound, what) for method in (OURS, EG))
            mean, error = mean_and_error(ours - theirs)
            bar(f"{learner}, DP .02, {what} less EG's (se {error:.4f})", mean, -margin, least=least)


# --- Many rows


def many_rows(n: int) -> tuple[Array, Array, Array]:
    """Return 20 columns, labels and four groups whose rates differ."""
    random = np.random.default_rng(0)
    X = random.normal(size=(n, 20))
    codes = random.choice(4, size=n, p=[0.4, 0.3, 0.2, 0.1])
    X[:, 0] += 0.4 * codes
    logits = X[:, 0] + X[:, 1] * X[:, 2] + np.abs(X[:, 3]) + 0.5 * X[:, 4] - 2.0
    return X, (random.random(n) < 1 / (1 + np.exp(-logits))).astype(int), codes


def fit_many(name: str, n: int) -> None:
    """Fit one method, in a process of its own, and print seconds and peak memory as JSON."""
    X, y, codes = many_rows(n)
    split = Split("simulated", 0, X, y, codes, None, y, codes)
    start = cpu_seconds()
    if name != "rows alone":
        method = next(method for method in METHODS if method.name == name)
        method.fit(make_lightgbm(), split, CONSTRAINTS[0], BOUNDS[0])
    seconds = cpu_seconds() - start
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def scale(run: Run) -> None:
    names = ["rows alone", PLAIN] if run.peers_only else ["rows alone", PLAIN, OURS]
    print(f"\n{run.rows:,} rows x 20 columns, 4 groups, LightGBM, DP .02, each in a process of its own\n")
    print("| method | CPU s | times plain | peak MiB of the process | times plain |")
    print("|---|---|---|---|---|")
    found: dict[str, list[float]] = {}
    for name in names:
        command = [sys.executable, __file__, "--child", name, "--rows", str(run.rows)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds, peak = found[name] = json.loads(answer.stdout.splitlines()[-1])
        plain = found.get(PLAIN, [np.nan, np.nan])
        cells = f"{seconds:.1f} | {seconds / plain[0]:.1f} | {peak:.0f} | {peak / plain[1]:.1f}"
        print(f"| {name} | {cells} |", flush=True)
    print()
    if OURS in found:
        bar("CPU over that of a plain fit", found[OURS][0] / found[PLAIN][0], 6, digits=1)
        bar("peak memory over that of a plain fit", found[OURS][1] / found[PLAIN][1], 3, digits=1)


TABLES: dict[str, Callable[[Run], None]] = {
    "rows": scale,  # first: a process inherits the peak memory of the one that starts it
    "adult": small_adult,
    "collapse": collapse,
    "xgboost": functools.partial(small_adult, learner="XGBoost"),
    "compas": all_compas,
    "reduction": reduction,
    "all": all_adult,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--compas", metavar="FILE", help="the COMPAS data, a CSV file")
    parser.add_argument("--fairgbm", metavar="PYTHON", help="the interpreter of an environment with FairGBM")
    parser.add_argument("--cache", metavar="FILE", help="where results of other methods are kept")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES), help="which tables")
    parser.add_argument("--peers-only", action="store_true", help="leave ConstrainedClassifier out")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the table of many rows")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    if given.child:
        fit_many(given.child, given.rows)
        return
    if given.fairgbm is None:
        print("FairGBM is left out: --fairgbm names no interpreter of its environment.")
    run = Run(Cache(given.cache), given.fairgbm, given.compas, given.rows, given.peers_only)
    for name in given.only:
        TABLES[name](run)


if __name__ == "__main__":
    main()
