"""The path over bounds: a model per bound from loose to tight, each starting from the one before."""

from __future__ import annotations

from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from toy_data import logistic, people

from fairsk import ConstrainedClassifier
from fairsk.metrics import demographic_parity_difference
from fairsk.plotting import TradeoffDisplay, TrainingDisplay
from fairsk.rates import get_constraint
from fairsk.reductions._path import path_bounds, trace_path
from fairsk.reductions._problem import Start

DP = get_constraint("demographic_parity")


class Fits:
    """Fits models that reach their bound but for .25 of a difference (a ratio of .5), and cost accuracy."""

    def __init__(self, mixture=None):
        self.calls = []
        self.mixture = mixture

    def __call__(self, bound, start):
        self.calls.append((bound.value, start))
        if bound.comparison == "difference":
            reached = min(bound.value, 0.25)
            interval, value = (max(0.0, reached - 0.01), reached + 0.02), 0.8 + reached / 10
        else:
            reached = max(bound.value, 0.5)
            interval, value = (reached - 0.05, min(1.0, reached + 0.05)), 0.9 - reached / 10
        report = SimpleNamespace(
            disparity=reached,
            value=value,
            interval=interval,
            objective="accuracy",
            best_mixture=self.mixture,
        )
        model = SimpleNamespace(report_=report, bound=bound)
        return model, Start(np.array([[bound.value]]), seen=model)


def path_of(fits, comparison="difference", bounds=None, n_points=5):
    return trace_path(fits, DP, comparison, bounds=bounds, n_points=n_points)


def test_steps_lead_from_no_bound_to_near_parity_each_from_the_one_before():
    fits = Fits()
    path = path_of(fits)
    assert [value for value, _ in fits.calls] == pytest.approx([np.inf, 0.2, 0.15, 0.1, 0.05])
    assert fits.calls[0][1] is None
    for (before, _), (_, start) in zip(fits.calls, fits.calls[1:], strict=False):
        assert start.multipliers == [[before]]
        assert start.seen.bound.value == before
    assert path.bounds == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.25])
    assert path.disparity == pytest.approx(path.bounds)
    assert path.value == pytest.approx(0.8 + path.bounds / 10)
    assert path.low == pytest.approx(path.bounds - 0.01)
    assert path.high == pytest.approx(path.bounds + 0.02)
    assert np.isnan(path.best_mixture).all()
    assert [model.report_.disparity for model in path.models] == path.disparity.tolist()
    assert str(path).splitlines()[:2] == [
        "accuracy under bounds on demographic_parity",
        "max_difference  difference  accuracy  best_mixture    low   high",
    ]
    assert path.frame("pandas").shape == (5, 6)
    assert "models" not in path.to_dict()


def test_ratios_fall_from_near_parity():
    fits = Fits(mixture=0.9)
    path = path_of(fits, "ratio")
    assert [value for value, _ in fits.calls] == pytest.approx([0.0, 0.6, 0.7, 0.8, 0.9])
    assert path.bounds == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5])
    assert path.comparison == "ratio"
    assert (path.best_mixture == 0.9).all()
    assert str(path).splitlines()[1].startswith("min_ratio  ratio  accuracy")


def test_bounds_that_are_asked_for_are_the_only_ones():
    fits = Fits()
    asked = path_bounds("demographic_parity", "difference", (0.1, 0.02, 0.1), 5)
    path = path_of(fits, bounds=asked)
    assert [value for value, _ in fits.calls] == [0.1, 0.02]
    assert path.bounds.tolist() == [0.02, 0.1]
    ratios = path_bounds("demographic_parity", "ratio", np.array([0.8, 0.9]), 5)
    assert path_of(Fits(), "ratio", bounds=ratios).bounds.tolist() == [0.9, 0.8]
    assert path_bounds("demographic_parity", "ratio", 0.8, 5) == [0.8]
    assert path_bounds("demographic_parity", "ratio", None, 5) is None


def test_rounding_sets_no_mixture_below_its_model():
    path = path_of(Fits(mixture=0.81 - 1e-16), bounds=[0.1])
    assert path.best_mixture.tolist() == path.value.tolist() == [0.81]


def test_where_groups_agree_already_there_is_one_point():
    def fit(bound, start):
        model, start = Fits()(bound, start)
        model.report_.disparity = 0.0
        return model, start

    assert path_of(fit).bounds.tolist() == [0.0]


def test_the_best_model_within_a_limit_is_chosen():
    path = path_of(Fits())
    assert path.model_within(0.21) is path.models[3]
    assert path.model_within(0.21, surely=True) is path.models[2]
    assert path.model_within(1.0) is path.models[4]
    with pytest.raises(ValueError, match=r"within 0\.01; the nearest has 0\.0500\. Trace"):
        path.model_within(0.01)
    with pytest.raises(ValueError, match=r"nearest has 0\.0700 at the end of its interval"):
        path.model_within(0.06, surely=True)
    ratios = path_of(Fits(), "ratio")
    assert ratios.model_within(0.75) is ratios.models[1]
    assert ratios.model_within(0.75, surely=True) is ratios.models[1]
    assert ratios.model_within(0.8, surely=True) is ratios.models[0]
    better = path_of(_better_if_tight)
    assert better.model_within(0.21) is better.models[0]  # a tighter bound may err less by chance


def _better_if_tight(bound, start):
    model, start = Fits()(bound, start)
    model.report_.value = 1 - model.report_.value
    return model, start


def test_what_no_path_can_be_traced_over_is_refused():
    for bounds in ([], [[0.1]], [0.1, np.nan]):
        with pytest.raises(ValueError, match=r"bounds must be some numbers, such as \(0\.02, 0\.05, 0\.1\)"):
            path_bounds("demographic_parity", "difference", bounds, 5)
    with pytest.raises(ValueError, match="max_difference must lie between 0 and inf"):
        path_bounds("demographic_parity", "difference", [-0.1], 5)
    with pytest.raises(ValueError, match="min_ratio must lie between 0 and 1"):
        path_bounds("demographic_parity", "ratio", [1.5], 5)
    with pytest.raises(ValueError, match="n_points must be at least 2, got 1"):
        path_bounds("demographic_parity", "ratio", None, 1)


# --- of a classifier -----------------------------------------------------------------------------------


class Counting(LogisticRegression):
    """Counts how often it is fitted."""

    fits = 0

    def fit(self, X, y, sample_weight=None):
        Counting.fits += 1
        return super().fit(X, y, sample_weight)


def constrained(**params):
    return ConstrainedClassifier(logistic(), **{"sensitive_features": "sex", "cv": 2, **params})


@pytest.fixture(scope="module")
def applicants():
    return people(n=600)


@pytest.fixture(scope="module")
def traced(applicants):
    model = constrained()
    path = model.pareto_path(*applicants, n_points=3)
    with pytest.raises(NotFittedError):
        model.predict(applicants[0])
    return path


def test_a_path_has_fitted_models_that_say_what_they_reach(traced, applicants):
    X, y = applicants
    free = traced.models[-1]
    assert free.max_difference == np.inf
    assert traced.bounds == pytest.approx(free.report_.disparity * np.array([1, 2, 3]) / 3)
    assert (traced.disparity <= traced.bounds + 1e-12).all()
    assert (np.diff(traced.value) >= 0).all()
    assert (traced.best_mixture >= traced.value).all()
    gaps = []
    for model, bound, low, high in zip(traced.models, traced.bounds, traced.low, traced.high, strict=True):
        assert model.max_difference in (np.inf, pytest.approx(bound))
        assert model.report_.interval == (low, high)
        assert model.history_[0]["model"] == 1
        predicted = model.predict(X.drop(columns="sex"))
        gaps.append(demographic_parity_difference(y, predicted, sensitive_features=X["sex"], pos_label="yes"))
    assert gaps[0] < min(gaps[1:])
    assert type(traced.frame()).__module__.startswith("pandas")


def test_models_serve_the_next_bound(applicants):
    X, y = applicants
    X = X[["age", "skill", "sex"]]
    bounds = (0.03, 0.1)
    model = ConstrainedClassifier(Counting(), sensitive_features="sex", cv=2)
    Counting.fits = 0
    path = model.pareto_path(X, y, bounds=bounds)
    together = Counting.fits
    assert together == sum(each.report_.n_models for each in path.models)
    Counting.fits = 0
    alone = [clone(model).set_params(max_difference=bound).fit(X, y) for bound in bounds]
    assert together < Counting.fits
    assert (path.bounds == bounds).all()
    # The loosest is what a fit alone finds, and what others find in addition helps the tighter ones.
    assert path.value[-1] == alone[-1].report_.value
    assert path.disparity[-1] == alone[-1].report_.disparity
    assert (path.value >= [each.report_.value - 0.005 for each in alone]).all()


def test_a_path_over_ratios_weights_and_strata(applicants):
    X, y = applicants
    weights = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    model = constrained(min_ratio=0.9)
    path = model.pareto_path(X, y, sample_weight=weights, bounds=[0.6, 0.9])
    assert path.bounds.tolist() == [0.9, 0.6]
    assert [each.min_ratio for each in path.models] == [0.9, 0.6]
    assert {each.max_difference for each in path.models} == {None}
    alone = constrained(min_ratio=0.6).fit(X, y, sample_weight=weights)
    assert path.value[-1] == alone.report_.value
    np.testing.assert_array_equal(path.models[-1].predict(X), alone.predict(X))
    strata = np.where(X["age"] > X["age"].median(), "old", "young")
    by = constrained().pareto_path(X, y, strata=strata, bounds=[0.2])
    assert by.models[0].strata_ == ("old", "young")
    assert by.models[0].report_.within


def test_a_path_warns_of_nothing_that_its_columns_say(applicants):
    X, y = applicants
    X, y = X[:200], y[:200]
    with pytest.warns(UserWarning, match="say little about"):
        constrained(max_difference=0.02, max_models=2).fit(X, y)
    path = constrained(max_models=2).pareto_path(X, y, bounds=[0.02])
    assert path.high[0] > 0.04


def test_the_path_and_a_fit_are_drawn(traced):
    matplotlib.use("Agg", force=True)
    display = TradeoffDisplay(traced).plot()
    assert display.points_ is not None
    assert display.ax_.get_xlabel() == "Demographic parity difference, held out"
    training = TrainingDisplay.from_estimator(traced.models[0])
    assert training.bound_lines_["demographic_parity"].get_ydata() == [pytest.approx(traced.bounds[0])] * 2
    assert list(training.multiplier_lines_["selection_rate"]) == ["F", "M"]
    history = traced.models[0].history_
    decides = [record["model"] for record in history if record["weight"]]
    assert {*training.best_lines_["accuracy"].get_xdata()[::3]} == {*decides}
    assert sum(record["weight"] for record in history) == pytest.approx(1)
    matplotlib.pyplot.close("all")


def test_progress_is_shown_if_it_is_asked_for(applicants, capsys):
    X, y = applicants
    model = constrained(max_models=2)
    model.fit(X, y)
    assert capsys.readouterr().err == ""
    model.set_params(verbose=1).fit(X, y)
    printed = capsys.readouterr().err
    assert printed.startswith("\rConstrainedClassifier [")
    assert "] 100%" in printed
    model.pareto_path(X, y, bounds=[0.1, 0.2])
    printed = capsys.readouterr().err
    assert printed.startswith("\rConstrainedClassifier.pareto_path [")
    assert printed.count("] 100%") == 1


def test_what_a_path_cannot_do_is_said(applicants):
    X, y = applicants
    with pytest.raises(ValueError, match="one constraint: give one, not a list"):
        constrained(constraint=["demographic_parity", "equal_opportunity"]).pareto_path(X, y)
    with pytest.raises(ValueError, match="n_points must be at least 2"):
        constrained().pareto_path(X, y, n_points=1)
    with (
        pytest.warns(UserWarning, match="Fewer than two groups"),
        pytest.raises(ValueError, match="no trade-off to follow"),
    ):
        constrained().pareto_path(X.assign(sex="F"), y)


def boosted(**params):
    lightgbm = pytest.importorskip("lightgbm")
    trees = lightgbm.LGBMClassifier(n_estimators=15, num_leaves=7, n_jobs=1, verbose=-1)
    return ConstrainedClassifier(trees, **{"sensitive_features": "sex", "cv": 2, **params})


@pytest.mark.parametrize("comparison", ["difference", "ratio"])
def test_every_point_of_boosted_trees_is_a_fit_at_its_bound(applicants, comparison):
    X, y = applicants
    X = X[["age", "skill", "sex"]]
    model = boosted(**({} if comparison == "difference" else {"min_ratio": 0.8}))
    path = model.pareto_path(X, y, n_points=2)
    bound, _ = path.bounds.tolist()
    name = "max_difference" if comparison == "difference" else "min_ratio"
    alone = clone(model).set_params(**{name: bound}).fit(X, y)
    assert repr(alone.history_) == repr(path.models[0].history_)  # NaN among it
    assert alone.report_.value == path.value[0]
    assert alone.report_.disparity == path.disparity[0]
    assert alone.report_.value_without_bound == path.models[0].report_.value_without_bound
    np.testing.assert_array_equal(alone.decision_function(X), path.models[0].decision_function(X))
    # The boosters without prices, to compare with, are the same at every bound.
    assert [each.report_.n_models for each in (alone, *path.models)] == [4, 2, 4]
    assert [record["round"] for record in alone.history_] == [*range(1, 16)]
    assert sum(record["weight"] for record in alone.history_) == 1


@pytest.mark.parametrize("margin", [0.0, "1se"])
def test_without_a_bound_nothing_has_a_price(applicants, margin):
    X, y = applicants
    X = X[["age", "skill", "sex"]]
    model = boosted(max_difference=np.inf, margin=margin).fit(X, y)
    with pytest.warns(UserWarning, match="Fewer than two groups"):
        free = boosted(min_group_size=len(y)).fit(X, y)
    assert [each["valid_acc"] for each in model.history_] == [each["valid_acc"] for each in free.history_]
    assert all(record["multipliers"] == {} for record in model.history_)
    display = TrainingDisplay.from_estimator(model)
    assert list(display.axes_) == ["accuracy", "difference"]
    matplotlib.pyplot.close("all")
