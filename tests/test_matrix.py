"""Every model in every tool, in every way: the numbers of a loop by hand, or an error that helps."""

from __future__ import annotations

import itertools
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any

import matrix
import numpy as np
import pytest
import sklearn
from matrix import (
    BACKENDS,
    CHANNELS,
    FAILURES,
    LIBRARIES,
    MODELS,
    PAGE,
    ROUTING,
    TOOLS,
    Cell,
    Setting,
    failure_of,
    run,
    setting,
    takes_its_turn,
)
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.validation import check_is_fitted

from fairsk import FairResampler

CELLS = list(matrix.cells())
CHOSEN = list(matrix.chosen_cells())


#: Before scikit-learn 1.7 the default score of a search hands metadata to the model only, not into it.
UNTIL_1_7 = {
    cell
    for cell in CELLS
    if tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 7)
    and MODELS[cell.model].at_scores
    and "default" in TOOLS[cell.tool].traits
    and cell.channel == "metadata"
    and cell.routing
}


def pytest_generate_tests(metafunc):
    """Run the cells that are chosen for continuous integration, or as the command line says.

    On the oldest versions pandas stands for all libraries: other tests read frames of each. And there each
    tool runs half of the models, taken in turns: how a version of scikit-learn hands on metadata shows in any
    of them, and what models do with it, in the tests of single estimators.
    """
    if "cell" in metafunc.fixturenames:
        cells = CELLS if metafunc.config.getoption("full_matrix") else CHOSEN
        if metafunc.config.getoption("by_version"):
            cells = [
                cell for cell in cells if cell.library == "pandas" and takes_its_turn(cell.model, cell.tool)
            ]
        metafunc.parametrize("cell", cells, ids=str)


# Few rows in halving, and labels that are shuffled, leave a bound nothing but one decision for all.
@pytest.mark.filterwarnings("ignore:.*The model selects (nobody|everybody)")
def test_cell(cell):
    failure = failure_of(cell)
    if failure is not None:
        with pytest.raises(failure.exception, match=failure.match):
            run(cell)
        return
    if cell in UNTIL_1_7:
        with pytest.raises(ValueError, match="Name the column"):
            run(cell)
        return
    plain = plainest(cell)
    result = plain_result(cell) if cell == plain else run(cell)
    check_sense(cell, result)
    if plain != cell:
        check_same(result, plain_result(plain))
    if cell.tool in BY_HAND:
        expected = by_hand(cell.model, cell.tool)
        check_same({name: result[name] for name in expected}, expected)


def test_no_cell_is_left_out():
    serial = {
        Cell(model, tool, routing, channel, library)
        for model in MODELS
        for tool in TOOLS
        for routing in (False, True)
        for channel in ("column", "metadata")
        for library in ("pandas", "polars", "numpy")
    }
    parallel = {
        Cell(model, tool, routing=True, jobs=jobs)
        for model in MODELS
        for tool in TOOLS
        if "n_jobs" in TOOLS[tool].run.__code__.co_names or "_grid" in TOOLS[tool].run.__code__.co_names
        for jobs in ("2 loky", "2 threading")
    }
    assert len(CELLS) == len(set(CELLS))
    assert set(CELLS) == serial | parallel


def rows_of(model, tool):
    """Return the rows that continuous integration runs of a model in a tool, one at a time."""
    here = [cell for cell in CHOSEN if (cell.model, cell.tool) == (model, tool) and cell.jobs == "1"]
    return {(cell.routing, cell.channel, cell.library) for cell in here}


def test_the_cells_of_continuous_integration_cover_every_way_and_library():
    assert set(CHOSEN) <= set(CELLS)
    for model, tool in itertools.product(MODELS, TOOLS):
        rows = rows_of(model, tool)
        assert sorted((routing, channel) for routing, channel, _ in rows) == sorted(
            itertools.product(ROUTING, CHANNELS)
        )
        assert {library for _, _, library in rows} == set(LIBRARIES), f"{model} in {tool}"


def test_side_by_side_they_cover_all_rows_and_backends():
    every, models, tools = set(itertools.product(ROUTING, CHANNELS, LIBRARIES)), list(MODELS), list(TOOLS)
    for model, i in itertools.product(models, range(len(tools) - 2)):
        assert set().union(*(rows_of(model, tool) for tool in tools[i : i + 3])) == every
    for tool, i in itertools.product(tools, range(len(models) - 2)):
        assert set().union(*(rows_of(model, tool) for model in models[i : i + 3])) == every
    for tool in TOOLS:
        backends = {cell.jobs for cell in CHOSEN if cell.tool == tool} - {"1"}
        assert backends == (set(BACKENDS) if TOOLS[tool].parallel else set())
    for model in MODELS:
        assert {cell.jobs for cell in CHOSEN if cell.model == model} == {"1", *BACKENDS}


def test_the_oldest_versions_meet_every_way_in_every_tool():
    for tool in TOOLS:
        rows = [rows_of(model, tool) for model in MODELS if takes_its_turn(model, tool)]
        ways = {(routing, channel) for routing, channel, library in set().union(*rows) if library == "pandas"}
        assert ways == set(itertools.product(ROUTING, CHANNELS))


def test_the_cells_of_continuous_integration_meet_every_error_of_every_tool():
    def met(cells):
        return {(MODELS[cell.model].at_predict, cell.tool, id(failure_of(cell))) for cell in cells}

    assert met(CHOSEN) == met(CELLS)


def test_every_reason_is_needed():
    met = {id(failure_of(cell)) for cell in CELLS}
    assert [failure.reason for failure in FAILURES if id(failure) not in met] == []


def test_the_column_works_everywhere_but_in_a_few_places():
    failing = {cell.tool for cell in CELLS if cell.channel == "column" and failure_of(cell)}
    assert failing == {
        "permutation_importance",  # with polars
        "TunedThresholdClassifierCV, fair scorer",
        "RFE around the model",
        "RFE as a step inside the model",  # in a plain pipeline
        "imbalanced-learn Pipeline with RandomUnderSampler",  # with polars
    }


def test_the_page_is_what_the_spec_says():
    assert PAGE.read_text() == matrix.render(), "run: python tests/matrix.py"


# --- what a result must be ------------------------------------------------------------------------------


def check_sense(cell: Cell, result: dict[str, Any]) -> None:
    """Check that all numbers are finite and in range, labels are labels, and members are fitted."""
    labels = {
        "OneVsRestClassifier": {"high", "low", "middle"},
        "SelfTrainingClassifier": {0, 1},
    }.get(cell.tool, {"no", "yes"})
    assert result
    for name, value in result.items():
        if name == "members":
            assert len(value) > 0
            for member in value:
                check_is_fitted(member)
        elif name in ("labels", "again", "over"):
            assert value.shape == (144,)
            assert set(value.tolist()) <= labels
        elif name == "probabilities":
            assert value.shape == (144, 2)
            np.testing.assert_allclose(value.sum(1), 1)
        else:
            assert np.isfinite(value).all(), name
        if "dp" in name:
            assert np.all((np.asarray(value) <= 0) & (np.asarray(value) >= -1))
    if "again" in result:
        np.testing.assert_array_equal(result["again"], result["labels"])


def check_same(result: dict[str, Any], expected: dict[str, Any]) -> None:
    assert result.keys() == expected.keys()
    for name, value in expected.items():
        if name == "members":
            assert len(result[name]) == len(value)
        elif np.asarray(value).dtype.kind in "fi":
            np.testing.assert_allclose(result[name], value, atol=1e-6, err_msg=name)
        else:
            np.testing.assert_array_equal(result[name], value, err_msg=name)


def plainest(cell: Cell) -> Cell:
    """Return the plainest cell of the same model and tool that works, whose result is the same.

    Bagging draws rows by weights with routing off and by index with routing on, so it is compared within.
    """
    for routing, channel in ((False, "column"), (cell.routing, "column"), (cell.routing, cell.channel)):
        plain = Cell(cell.model, cell.tool, routing, channel)
        if failure_of(plain) is None and (cell.tool != "BaggingClassifier" or routing == cell.routing):
            return plain
    raise AssertionError(f"{cell} works, but not with pandas")


@cache
def plain_result(cell: Cell) -> dict[str, Any]:
    return run(cell)


# --- the same by hand, with nothing but fit and predict -------------------------------------------------


@cache
def plain_setting(model: str) -> Setting:
    return setting(Cell(model, "cross_val_predict"))


@cache
def fitted(model: str, value: float | None = None, fold: int | None = None) -> tuple[Any, np.ndarray]:
    """Fit a model to the training rows of a fold (or to all); return the others, and predictions for them."""
    s = plain_setting(model)
    train = test = np.arange(len(s.y))
    if fold is not None:
        train, test = list(StratifiedKFold(2).split(s.X, s.y))[fold]
    estimator = clone(s.model) if value is None else s.with_parameter(value)
    estimator.fit(s.X.iloc[train], s.y[train])
    return test, estimator.predict(s.X.iloc[test])


def measured(model: str, value: float | None, fold: int) -> dict[str, float]:
    s = plain_setting(model)
    rows, labels = fitted(model, value, fold)
    right, selected, men = labels == s.y[rows], labels == "yes", s.people.sex[rows] == "M"
    return {
        "accuracy": right.mean(),
        "worst": min(right[men].mean(), right[~men].mean()),
        "dp": -abs(selected[men].mean() - selected[~men].mean()),
    }


def per_fold(model: str, metric: str, value: float | None = None) -> np.ndarray:
    return np.array([measured(model, value, fold)[metric] for fold in (0, 1)])


def search(*names: str, best: str | None, single: bool = False) -> Callable[[str], dict[str, Any]]:
    """Return what a grid search finds: scores by fold, the candidate that is best on ``best``, its labels."""

    def find(model: str) -> dict[str, Any]:
        values = MODELS[model].values
        found: dict[str, Any] = {}
        for name in names:
            scores = np.array([per_fold(model, name, value) for value in values])
            key = "score" if single else name
            found |= {f"split{fold}_test_{key}": scores[:, fold] for fold in (0, 1)}
            found[f"mean_test_{key}"] = scores.mean(1)
        if best is not None:
            winner = values[int(np.argmax(found["mean_test_score" if single else f"mean_test_{best}"]))]
            found |= {"best": winner, "labels": fitted(model, winner)[1]}
        return found

    return find


def pooled_by_hand(model: str) -> dict[str, Any]:
    found = search("accuracy", "dp", best="accuracy")(model)
    men, gaps = plain_setting(model).people.sex == "M", []
    for value in MODELS[model].values:
        selected = np.empty(144, dtype=bool)
        for fold in (0, 1):
            rows, predicted = fitted(model, value, fold)
            selected[rows] = predicted == "yes"
        gaps.append(abs(selected[men].mean() - selected[~men].mean()))
    return found | {"pooled": np.array(gaps)}


def out_of_fold_by_hand(model: str) -> dict[str, Any]:
    labels = np.empty(144, dtype="<U3")
    for fold in (0, 1):
        rows, predicted = fitted(model, None, fold)
        labels[rows] = predicted
    return {"labels": labels}


def voted_by_hand(model: str) -> dict[str, Any]:
    s = plain_setting(model)
    plain = matrix.logistic(s.people.keys).fit(s.X, s.y).predict(s.X)
    votes = [fitted(model, s.values[0])[1], fitted(model, s.values[1])[1], plain]
    return {"labels": np.where(np.sum([v == "yes" for v in votes], axis=0) >= 2, "yes", "no")}


def resampled_by_hand(model: str) -> dict[str, Any]:
    s = plain_setting(model)
    X, y = FairResampler(sensitive_features="sex", random_state=0).fit_resample(s.X, s.y)
    return {"labels": clone(s.model).fit(X, y).predict(s.X)}


def the_model_itself(model: str) -> dict[str, Any]:
    return {"labels": fitted(model)[1]}


BY_HAND: dict[str, Callable[[str], dict[str, Any]]] = {
    "GridSearchCV, default score": search("accuracy", best="accuracy", single=True),
    "GridSearchCV, one fair scorer": search("dp", best="dp", single=True),
    "GridSearchCV, accuracy and a fair scorer, refit by name": search("accuracy", "dp", best="dp"),
    "GridSearchCV, accuracy and a fair scorer, best_under": search("accuracy", "dp", best="accuracy"),
    "GridSearchCV, fair scorers only, best_under": search("worst", "dp", best="worst"),
    "GridSearchCV, GroupScoring and its best_under": pooled_by_hand,
    "GridSearchCV, fair scorers only, refit=False": search("worst", "dp", best=None),
    "cross_validate, fair scorers": lambda model: {
        "test_worst": per_fold(model, "worst"),
        "test_dp": per_fold(model, "dp"),
    },
    "cross_val_score, default score": lambda model: {"accuracy": per_fold(model, "accuracy")},
    'cross_val_score, "accuracy"': lambda model: {"accuracy": per_fold(model, "accuracy")},
    "cross_val_score, fair scorer": lambda model: {"dp": per_fold(model, "dp")},
    "cross_val_predict": out_of_fold_by_hand,
    "validation_curve": lambda model: {
        "dp": np.array([per_fold(model, "dp", value) for value in MODELS[model].values])
    },
    "permutation_test_score": lambda model: {"score": per_fold(model, "dp").mean()},
    "VotingClassifier": voted_by_hand,
    "FrozenEstimator inside GroupThresholdOptimizer": the_model_itself,
    "Pipeline with memory": the_model_itself,
    "ColumnTransformer before it": the_model_itself,
    "imbalanced-learn Pipeline with FairResampler": resampled_by_hand,
}


@cache
def by_hand(model: str, tool: str) -> dict[str, Any]:
    with config_context(enable_metadata_routing=False):
        return BY_HAND[tool](model)


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if "probabilities" in TOOLS[tool].traits])
@pytest.mark.parametrize("model", [model for model in MODELS if model.startswith("thresholds")])
def test_tools_that_ask_for_probabilities_leave_the_thresholds_out(model, tool):
    cell = Cell(model, tool, routing=True, channel="metadata" if "fair scorer" in tool else "column")
    with config_context(enable_metadata_routing=True):
        s = setting(cell)
        inside = TOOLS[tool].run(replace(s, model=s.model.estimator))
    np.testing.assert_array_equal(plain_result(cell)["labels"], inside["labels"])


# --- threads and processes ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


def fitted_both_ways(model: str) -> Iterator[tuple[Any, Setting]]:
    for channel in ("column", "metadata"):
        s = setting(Cell(model, "cross_val_predict", routing=True, channel=channel))
        with config_context(enable_metadata_routing=True):
            yield clone(s.model).fit(s.X, s.y, **s.metadata), s


@pytest.mark.parametrize("model", MODELS)
def test_a_fresh_thread_predicts_the_same(model, routing):
    """scikit-learn's switch for metadata routing is thread-local: a new thread sees it off."""
    for estimator, s in fitted_both_ways(model):
        expected = s.predict(estimator)
        answers = []
        thread = threading.Thread(target=lambda s=s, e=estimator, a=answers: a.append(s.predict(e)))
        thread.start()
        thread.join()
        assert len(answers) == 1
        np.testing.assert_array_equal(answers[0], expected)


@pytest.mark.parametrize("model", MODELS)
def test_a_process_pool_predicts_the_same(model, routing, pool):
    for estimator, s in fitted_both_ways(model):
        answer = pool.submit(estimator.predict, s.X, **s.at_predict).result(timeout=120)
        np.testing.assert_array_equal(answer, s.predict(estimator))
