"""Warnings point at the line of the user, and name what cannot be measured."""

from __future__ import annotations

import inspect
import linecache
import re
import threading
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn.utils.parallel
from imblearn.pipeline import make_pipeline as make_resampling_pipeline
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import fairsk.repair
from fairsk import (
    ConstrainedClassifier,
    ConstrainedRegressor,
    FairClassifier,
    FairResampler,
    GroupCalibratedClassifier,
    GroupThresholdOptimizer,
    PredictionRepair,
    Reweigher,
    ReweightedClassifier,
    ScoreRepair,
    SensitiveRouter,
    metrics,
    statistics,
)
from fairsk._core.warnings import warn_user
from fairsk.metrics import GroupCounts
from fairsk.repair import ConceptEraser, DistributionRepairer, GaussianRepairer
from fairsk.scoring import best_under, make_fair_scorer, make_group_scorer

LABELS: dict[str, Any] = {"y_true": [1, 0, 0], "y_pred": [1, 0, 1], "sensitive_features": ["a", "a", "b"]}
WEIGHTED = LABELS | {"sample_weight": [1, 1, 0]}
SCORES: dict[str, Any] = {
    "y_true": [1, 0, 0],
    "y_score": [0.1, 0.5, 0.3],
    "sensitive_features": ["a", "a", "b"],
}
RIGHT = LABELS | {"y_pred": LABELS["y_true"]}
STRATA = LABELS | {"strata": ["x", "y", "x"]}
COUNTS = GroupCounts.from_predictions(**WEIGHTED)
NOBODY = GroupCounts(["a"], {"tp": [0], "fp": [0], "fn": [3], "tn": [0]})

CASES: dict[str, Callable[[], Any]] = {
    "difference": lambda: metrics.equal_opportunity_difference(**LABELS),
    "average": lambda: metrics.average_odds_difference(**LABELS),
    "strata": lambda: metrics.demographic_parity_difference(**STRATA),
    "disparity": lambda: metrics.disparity(**LABELS, constraint="equalized_odds"),
    "functions": lambda: metrics.group_metrics(**LABELS, metrics=roc_auc_score),
    "resamples": lambda: metrics.group_metrics(**RIGHT, metrics=accuracy_score, n_resamples=9),
    "worst group": lambda: metrics.worst_group(**LABELS, rate="true_positive_rate"),
    "worst accuracy": lambda: metrics.worst_group(**WEIGHTED),
    "table": lambda: metrics.group_metrics(**LABELS),
    "classes": lambda: metrics.multiclass_disparity(**LABELS, constraint="equal_opportunity"),
    "Theil": lambda: metrics.generalized_entropy([1, 1], [0, 0], alpha=1),
    "benefits": lambda: metrics.generalized_entropy(benefits=[0, 0]),
    "entropy of counts": lambda: metrics.GeneralizedEntropy.from_counts(NOBODY),
    "epsilon": lambda: metrics.differential_fairness(**WEIGHTED),
    "epsilon of counts": lambda: metrics.DifferentialFairness.from_counts(COUNTS),
    "amplification": lambda: metrics.bias_amplification(**WEIGHTED),
    "demographic disparity": lambda: metrics.conditional_demographic_disparity(**STRATA),
    "odds": lambda: metrics.mantel_haenszel_odds_ratio(**STRATA, reference="a"),
    "amounts": lambda: metrics.regression_metrics(**WEIGHTED),
    "amounts apart": lambda: metrics.amount_disparity(**WEIGHTED),
    "scores": lambda: metrics.score_metrics(**SCORES),
    "area": lambda: metrics.auc_difference(**SCORES),
    "between curves": lambda: metrics.abroca_test(**SCORES),
    "distance": lambda: metrics.score_metrics(**SCORES, metrics="base_rate").ks_distance(given="positives"),
    "contrasts": lambda: statistics.contrasts(COUNTS, "selection_rate"),
    "verdict": lambda: statistics.verdict(COUNTS, "selection_rate", max_difference=0.1),
    "bootstrap": lambda: statistics.bootstrap(COUNTS, "selection_rate", n_resamples=9),
}


@pytest.mark.parametrize("name", CASES)
def test_warnings_point_at_the_line_of_the_user(name: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CASES[name]()
    assert caught
    line = inspect.getsourcelines(CASES[name])[1]
    assert all(warning.filename == __file__ and line <= warning.lineno <= line + 1 for warning in caught)


def test_the_table_of_rates_names_the_groups_that_lack_one() -> None:
    with pytest.warns(UserWarning, match=r"true_positive_rate cannot be measured for: b \(its denominator"):
        metrics.group_metrics(**LABELS, metrics="true_positive_rate")


# --- estimators -------------------------------------------------------------------------------------------

#: 240 rows of two large groups and a small one that has no positives, and a column of one value.
CODES = np.random.default_rng(0).permutation([0] * 114 + [1] * 114 + [2] * 12)
PEOPLE = pd.DataFrame(
    {
        "score": np.tile(np.linspace(-1, 1, 24), 10),
        "group": CODES,
        "site": np.zeros(240, dtype=int),
    }
)
HIRED = np.where(CODES == 2, 0, (np.arange(240) % 5 < 2 + CODES).astype(int))

#: An estimator without its column, the column that makes it warn, and the parameter that warnings name.
ESTIMATORS: dict[str, tuple[Any, str, str]] = {
    "Reweigher": (Reweigher(), "group", "sensitive_features"),
    "ReweightedClassifier": (ReweightedClassifier(LogisticRegression()), "group", "sensitive_features"),
    "FairResampler": (FairResampler(random_state=0), "group", "sensitive_features"),
    "GroupThresholdOptimizer": (
        GroupThresholdOptimizer(LogisticRegression(), cv=2),
        "group",
        "min_group_size",
    ),
    "ScoreRepair": (ScoreRepair(LogisticRegression(), cv=2), "site", "sensitive_features"),
    "PredictionRepair": (PredictionRepair(LinearRegression(), cv=2), "site", "sensitive_features"),
    "GroupCalibratedClassifier": (
        GroupCalibratedClassifier(LogisticRegression(), cv=2),
        "group",
        "sensitive_features",
    ),
    "ConstrainedClassifier": (
        ConstrainedClassifier(LogisticRegression(), cv=2, max_models=2),
        "group",
        "min_group_size|selects nobody",  # the score tells nothing of the labels
    ),
    "ConstrainedRegressor": (
        ConstrainedRegressor(LinearRegression(), max_difference=1, cv=2),
        "group",
        "min_group_size",
    ),
    "FairClassifier": (
        FairClassifier(hidden_layer_sizes=(), max_epochs=2, random_state=0),
        "group",
        "min_group_size|max_epochs",
    ),
    "ConceptEraser": (ConceptEraser(), "site", "sensitive_features"),
    "GaussianRepairer": (GaussianRepairer(), "site", "sensitive_features"),
    "DistributionRepairer": (DistributionRepairer(), "site", "sensitive_features"),
}


def predicts(estimator: Any) -> bool:
    return is_classifier(estimator) or is_regressor(estimator)


def with_column(name: str) -> Any:
    """Return the estimator, its column named; what does not predict, before a classifier."""
    estimator, column, _ = ESTIMATORS[name]
    named = clone(estimator).set_params(sensitive_features=column)
    if name == "FairResampler":
        return make_resampling_pipeline(named, LogisticRegression())
    return named if predicts(named) else make_pipeline(named, LogisticRegression())


def in_the_name_of(name: str) -> str:
    """Return the pattern of warnings where no line of this file is on the stack."""
    speaker = {"ReweightedClassifier": "Reweigher"}.get(name, name)  # its own transformer, ``reweigher_``
    return f"^{speaker}: .*({ESTIMATORS[name][2]})"


def assert_this_file_is_pointed_at(caught: list[warnings.WarningMessage]) -> None:
    assert caught
    for warning in caught:
        assert warning.filename == __file__
        assert "point here" in linecache.getline(__file__, warning.lineno), str(warning.message)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_warnings_of_estimators_point_at_the_line_of_the_user(name: str) -> None:
    estimator, column, parameter = ESTIMATORS[name]
    named = clone(estimator).set_params(sensitive_features=column)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if name == "FairResampler":
            named.fit_resample(PEOPLE, HIRED)  # point here
        else:
            named.fit(PEOPLE, HIRED)  # point here
    assert_this_file_is_pointed_at(caught)
    assert not any(str(warning.message).startswith(name) for warning in caught)
    assert any(re.search(parameter, str(warning.message)) for warning in caught)


#: What a router does not take: a sampler, and regressors.
NOT_ROUTED = {"FairResampler", "PredictionRepair", "ConstrainedRegressor"}


@pytest.mark.parametrize("name", sorted(set(ESTIMATORS) - NOT_ROUTED))
def test_they_do_so_inside_a_router(name: str) -> None:
    estimator, column, _ = ESTIMATORS[name]
    inner = estimator if predicts(estimator) else make_pipeline(estimator, LogisticRegression())
    router = SensitiveRouter(inner, sensitive_features=column)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        router.fit(PEOPLE, HIRED)  # point here
    assert_this_file_is_pointed_at(caught)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_they_do_so_inside_pipelines_searches_and_cross_validation(name: str) -> None:
    make = make_resampling_pipeline if name == "FairResampler" else make_pipeline
    search = GridSearchCV(make(FunctionTransformer(), with_column(name)), {"memory": [None]}, cv=2)
    if name == "FairResampler":  # its pipelines do not nest
        search = GridSearchCV(with_column(name), {"memory": [None]}, cv=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cross_val_score(search, PEOPLE, HIRED, cv=2)  # point here
    assert_this_file_is_pointed_at(caught)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_in_threads_they_name_the_estimator_and_the_parameter(name: str) -> None:
    with warnings.catch_warnings(record=True) as caught, joblib.parallel_backend("threading"):
        warnings.simplefilter("always")
        cross_val_score(with_column(name), PEOPLE, HIRED, cv=2, n_jobs=2)
    assert caught
    for warning in caught:
        assert re.match(in_the_name_of(name), str(warning.message))


@pytest.mark.skipif(
    "warning_filters" not in inspect.getsource(sklearn.utils.parallel),
    reason="this scikit-learn does not tell its worker processes that warnings are errors",
)
# Of each kind one: joblib starts new processes after an error, which import everything again.
@pytest.mark.parametrize("name", ["ReweightedClassifier", "GroupThresholdOptimizer", "FairClassifier"])
def test_in_worker_processes_they_name_the_estimator_and_the_parameter(name: str) -> None:
    with pytest.raises(UserWarning, match=in_the_name_of(name)):
        cross_val_score(with_column(name), PEOPLE, HIRED, cv=2, n_jobs=2, error_score="raise")


def test_nothing_else_warns() -> None:
    for path in Path(fairsk.__file__).parent.rglob("*.py"):
        text = path.read_text()
        assert "stacklevel" not in text, path
        assert "warnings.warn(" not in text, path


def test_every_estimator_is_among_these() -> None:
    rooms = (fairsk, fairsk.repair)
    public = {name: getattr(room, name) for room in rooms for name in room.__all__}
    estimators = {
        name for name, item in public.items() if isinstance(item, type) and issubclass(item, BaseEstimator)
    }
    assert estimators - {"SensitiveRouter"} == set(ESTIMATORS)  # the router has no warning of its own


# --- scorers, functions, the registry ---------------------------------------------------------------------


def in_a_thread(function: Callable[[], Any]) -> list[str]:
    """Run a function that is none of this file's where no line of it is on the stack; return its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()
    return [str(warning.message) for warning in caught]


def test_warnings_of_scorers_point_at_the_line_of_the_user_or_name_the_scorer() -> None:
    model = LogisticRegression().fit(PEOPLE, HIRED)
    fair = make_fair_scorer("equal_opportunity", sensitive_features="group")
    worst = make_group_scorer("roc_auc", sensitive_features="group")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fair(model, PEOPLE, HIRED)  # point here
        cross_val_score(model, PEOPLE, HIRED, scoring=worst, cv=2)  # point here
    assert_this_file_is_pointed_at(caught)
    assert len(caught) == 3
    for scorer in (fair, worst):
        (message,) = in_a_thread(partial(scorer, model, PEOPLE, HIRED))
        assert message.startswith(f"{scorer!r}: ")


def test_a_rule_of_refitting_points_at_the_line_of_the_user() -> None:
    rule = best_under("accuracy", equal_opportunity=0.0)
    results = {
        "mean_test_accuracy": np.array([0.9, 0.8]),
        "mean_test_equal_opportunity": np.array([-0.5, -0.4]),
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert rule(results) == 1  # point here
    assert_this_file_is_pointed_at(caught)
    (message,) = in_a_thread(partial(rule, results))
    assert message.startswith(f"{rule!r}: No candidate meets")


def test_functions_are_named_where_no_line_of_the_user_is_on_the_stack() -> None:
    (message,) = in_a_thread(partial(metrics.group_metrics, **LABELS, metrics="true_positive_rate"))
    assert message.startswith("group_metrics: true_positive_rate cannot be measured for: b")


def test_a_line_warns_once_and_another_line_warns_again() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            warn_user("Few rows.")  # point here
        warn_user("Few rows.")  # point here
    assert_this_file_is_pointed_at(caught)
    assert len(caught) == 2
