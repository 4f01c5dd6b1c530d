"""Random audit reports, and changes of them, for tests and benchmarks of verification."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

from fairsk.audit import AuditReport, audit_models, audit_predictions

# Labels that break what takes no care: markup, formulas, directions, letters that look alike, long texts.
HOSTILE = [
    "<script>alert(1)</script>",
    "</pre><!--fairsk:chart -->",
    "$x_{1}$",
    "\u202egnp.exe",
    "caf\u00e9",  # composed
    "cafe\u0301",  # decomposed
    "a/b~c",
    "x" * 10_000,
    'quote"\\back\nslash',
    "\x00\x1b[31m",
    "(small groups together)",
    "=1+1",
    "",
    " ",
    "\U0001f600",
]
KINDS: tuple[list[Any], ...] = (
    ["f", "m"],
    HOSTILE,
    [1, "1", 2, "2"],
    [True, False],
    [0, 1, 2],
    ["a", "b", None],
    ["1", "01", "1.0"],
    [0.5, 1.5],
)
CRITERIA: tuple[dict[str, Any], ...] = (
    {},
    {"min_ratio": 0.8},
    {"max_difference": 0.1},
    {"constraint": ["equal_opportunity", "demographic_parity"], "max_difference": [0.1, 0.2]},
    {"constraint": "equalized_odds"},
    {"constraint": "predictive_parity", "min_ratio": 0.9},
)


class Told(ClassifierMixin, BaseEstimator):
    """A model that was told what to predict."""

    def __init__(self, y_pred: Any = None, y_score: Any = None) -> None:
        self.y_pred, self.y_score = y_pred, y_score
        self.classes_ = np.array([0, 1])

    def fit(self, X: Any, y: Any = None) -> Told:
        return self

    def predict(self, X: Any) -> Any:
        return self.y_pred

    def predict_proba(self, X: Any) -> Any:
        return np.column_stack([1 - self.y_score, self.y_score])


def mean_prediction(y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
    return float(np.average(y_pred, weights=sample_weight))


def column(rng: np.random.Generator, n: int, kind: list[Any]) -> Any:
    values = np.empty(len(kind), dtype=object)
    values[:] = kind
    chosen = values[rng.integers(0, len(kind), n)]
    # Some groups have a row or two, so that their rates have empty denominators.
    return np.where(rng.random(n) < 0.8, values[0], chosen) if rng.random() < 0.3 else chosen


def random_rows(rng: np.random.Generator) -> dict[str, Any]:
    """Return what audit_predictions takes: rows of any kind."""
    n = int(rng.integers(30, 400))
    kinds = [KINDS[i] for i in rng.integers(0, len(KINDS), int(rng.integers(1, 4)))]
    if rng.random() < 0.04:
        n, kinds = 1500, [[f"group {i}" for i in range(200)]]
    people = pd.DataFrame({f"attribute {i}": column(rng, n, kind) for i, kind in enumerate(kinds)})
    rows: dict[str, Any] = {"sensitive_features": people, "y_pred": rng.integers(0, 2, n)}
    rows["y_true"] = rng.integers(0, 2, n) if rng.random() < 0.7 else None
    if rng.random() < 0.4:
        rows["y_score"] = rng.random(n) if rng.random() < 0.7 else rng.normal(size=n) * 10
    if rng.random() < 0.4:
        rows["sample_weight"] = rng.exponential(size=n) * (rng.random(n) < 0.9) + 1e-3
    if rng.random() < 0.2:
        rows["strata"] = rng.choice(["low", "high"], n)
    return rows


def random_options(
    rng: np.random.Generator, *, strata: bool = False, labelled: bool = True
) -> dict[str, Any]:
    """Return options of audit_predictions."""
    options = dict(CRITERIA[rng.integers(0, len(CRITERIA) if labelled else 3)])
    if rng.random() < 0.2:
        options["confidence"] = float(rng.choice([0.9, 0.99]))
    if rng.random() < 0.2:
        options["min_cell"] = int(rng.choice([5, 11]))
    if rng.random() < 0.3:
        options["provenance"] = {"model": "m<1>", "data": HOSTILE[rng.integers(0, len(HOSTILE))], "rows": 3}
    if rng.random() < 0.3:
        options["title"] = HOSTILE[rng.integers(0, len(HOSTILE))]
    if rng.random() < 0.2 and not strata:
        options["profiles"] = "four_fifths"
    return options


def random_report(seed: int) -> AuditReport:
    """Return an audit of random rows by random settings."""
    rng = np.random.default_rng(seed)
    rows = random_rows(rng)
    options = random_options(rng, strata="strata" in rows, labelled=rows["y_true"] is not None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if rng.random() < 0.15 and rows["y_true"] is not None:
            n = len(rows["y_true"])
            X = np.zeros((n, 1))
            models = {
                name: Told(rng.integers(0, 2, n), rng.random(n)) for name in ("z plain", "bounded/2", "a<b>")
            }
            given = {
                name: rows[name] for name in ("sensitive_features", "sample_weight", "strata") if name in rows
            }
            return audit_models(models, X, rows["y_true"], **given, **options)
        if rng.random() < 0.1 and "min_cell" not in options and rows["y_true"] is not None:
            rows["metrics"] = {"mean": mean_prediction}
        return audit_predictions(**rows, **options)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every leaf."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from leaves(item, (*path, place))
    else:
        yield path


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy in which one leaf is another."""
    copied = json.loads(json.dumps(document))
    at(copied, path[:-1])[path[-1]] = value
    return copied


def other_values(value: Any) -> list[Any]:
    """Return what a leaf could be changed to: near, far, of another kind."""
    if isinstance(value, bool):
        return [not value, int(value), None, str(value)]
    if value is None:
        return [0, "", False, 0.5]
    if isinstance(value, str):
        return [value + "x", value[:-1] if value else "y", None, 1]
    near = [value * 1.001] if value else []
    return [value + 1, -value - 1, *near, str(value), None, True]


def other_shapes(document: Any, path: tuple[Any, ...]) -> list[Any]:
    """Return copies in which a leaf is left out, and in which one is added beside it."""
    copies = [copy.deepcopy(document), copy.deepcopy(document)]
    for which, copied in enumerate(copies):
        parent = at(copied, path[:-1])
        if which == 0:
            del parent[path[-1]]
        elif isinstance(parent, dict):
            parent["one more"] = 0
        else:
            parent.append(0)
    return copies
