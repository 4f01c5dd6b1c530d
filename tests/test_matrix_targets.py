"""Models of amounts and of several classes in scikit-learn's tools: numbers by hand, or a helpful error."""

from __future__ import annotations

from functools import cache
from typing import Any

import matrix_targets
import numpy as np
import pytest
from matrix_targets import AMOUNTS, CLASSES, MODELS, TOOLS, Cell, failure_of, run, setting
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold

CELLS = list(matrix_targets.cells())
CHOSEN = list(matrix_targets.chosen_cells())


def pytest_generate_tests(metafunc):
    """Run the cells that are chosen for continuous integration, or all, as the command line says."""
    if "cell" in metafunc.fixturenames:
        cells = CELLS if metafunc.config.getoption("full_matrix") else CHOSEN
        metafunc.parametrize("cell", cells, ids=str)


@pytest.mark.filterwarnings("ignore:After the blind repair two groups lie")  # half of few rows
def test_cell(cell):
    failure = failure_of(cell)
    if failure is not None:
        with pytest.raises(failure.exception, match=failure.match):
            run(cell)
        return
    result = run(cell)
    check_sense(cell, result)
    expected = by_hand(cell.model, cell.tool)
    if not expected:  # nothing by hand: the numbers are those of the plainest cell
        plain = Cell(cell.model, cell.tool, routing=cell.routing)
        expected = {} if plain == cell else plain_result(plain)
    for name, value in expected.items():
        if np.asarray(value).dtype.kind == "f":
            np.testing.assert_allclose(result[name], value, rtol=1e-6, atol=1e-9, err_msg=name)
        else:
            np.testing.assert_array_equal(result[name], value, err_msg=name)


def check_sense(cell: Cell, result: dict[str, Any]) -> None:
    """Check that all numbers are finite, and labels are labels."""
    assert result
    for name, value in result.items():
        if name == "labels" and cell.model not in AMOUNTS:
            assert set(value.tolist()) <= set(CLASSES)
        else:
            assert np.isfinite(value).all(), name
        if name == "labels":
            assert value.shape == (144,)


@cache
def plain_result(cell: Cell) -> dict[str, Any]:
    return run(cell)


# --- the same by hand, with nothing but fit and predict -------------------------------------------------


@cache
def folds(model: str, value: float | None = None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the test rows of both folds, and what a model that was fitted to the others predicts."""
    s = setting(Cell(model, "cross_val_predict"))
    found = []
    for train, test in (KFold if s.amounts else StratifiedKFold)(2).split(s.X, s.y):
        estimator = clone(s.model) if value is None else s.with_parameter(value)
        with config_context(enable_metadata_routing=False):
            found.append((test, estimator.fit(s.X.iloc[train], s.y[train]).predict(s.X.iloc[test])))
    return found


def measured(model: str, value: float | None = None) -> dict[str, np.ndarray]:
    """Return the score, that of the worst group, and minus the disparity, per fold."""
    s = setting(Cell(model, "cross_val_predict"))
    score = r2_score if s.amounts else accuracy_score
    found: dict[str, list[float]] = {"score": [], "worst": [], "dp": []}
    for rows, predicted in folds(model, value):
        men, y = s.people.sex[rows] == "M", s.y[rows]
        found["score"].append(score(y, predicted))
        found["worst"].append(min(score(y[men], predicted[men]), score(y[~men], predicted[~men])))
        found["dp"].append(-gap(predicted, men))
    return {name: np.array(values) for name, values in found.items()}


def gap(predicted: np.ndarray, men: np.ndarray) -> float:
    """Return the difference of mean amounts, or that of the shares of the class that differ most."""
    events = [predicted] if predicted.dtype.kind == "f" else [predicted == label for label in CLASSES]
    return max(abs(event[men].mean() - event[~men].mean()) for event in events)


def by_hand(model: str, tool: str) -> dict[str, Any]:
    """Return what a loop finds; nothing for tools that are more than a loop."""
    if tool == "cross_validate, fair scorers":
        return {f"test_{name}": measured(model)[name] for name in ("worst", "dp")}
    if tool.startswith("cross_val_score"):
        return {"score": measured(model)["score"]}
    if tool == "GridSearchCV, default score":
        scores = [measured(model, value)["score"] for value in MODELS[model].values]
        return {"mean_test_score": np.mean(scores, axis=1)}
    s = setting(Cell(model, "cross_val_predict"))
    if tool == "GridSearchCV, GroupScoring and its best_under":
        gaps = []
        for value in MODELS[model].values:
            rows, predicted = (np.concatenate(parts) for parts in zip(*folds(model, value), strict=True))
            gaps.append(gap(predicted, s.people.sex[rows] == "M"))
        return {"pooled": np.array(gaps)}
    if tool == "cross_val_predict":
        (first, left), (second, right) = folds(model)
        labels = np.concatenate([left, right])
        return {"labels": labels[np.argsort(np.concatenate([first, second]))]}
    return {}


# --- which cells there are ------------------------------------------------------------------------------


def test_the_chosen_cells_meet_every_way_and_library():
    assert set(CHOSEN) <= set(CELLS)
    assert len(CELLS) == len(MODELS) * len(TOOLS) * 12
    for model in MODELS:
        ways = {(cell.routing, cell.channel) for cell in CHOSEN if cell.model == model}
        assert len(ways) == 4
        assert {cell.library for cell in CHOSEN if cell.model == model} == {"pandas", "polars", "numpy"}
    for tool in TOOLS:
        here = [cell for cell in CHOSEN if cell.tool == tool]
        assert {cell.channel for cell in here} == {"column", "metadata"}
        assert {cell.routing for cell in here} == {False, True}
        assert any(failure_of(cell) is None for cell in here)
