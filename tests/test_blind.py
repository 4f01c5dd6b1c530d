"""Decisions without the attribute: within the bound, and as good as any rule of their form on small cases."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit, StratifiedShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from toy_data import people, prepare

from fairsk import GroupThresholdOptimizer
from fairsk._core.bounds import Bound
from fairsk._held_out.objective import make_objective
from fairsk.metrics import GroupCounts, demographic_parity_difference
from fairsk.rates import get_constraint, get_rate
from fairsk.scoring import make_fair_scorer
from fairsk.thresholds._blind import BlindRows, BlindRule, best_blind_rule


def logistic():
    return make_pipeline(prepare(), LogisticRegression())


def blind(**params):
    return GroupThresholdOptimizer(logistic(), sensitive_features="sex", policy="blind", **params)


def make_rows(seed, n, n_groups=2):
    """Return rows whose groups can be guessed, but not told."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_groups, n)
    chances = rng.dirichlet(np.ones(n_groups), n) + np.eye(n_groups)[codes]
    chances /= chances.sum(1, keepdims=True)
    scores = np.clip(rng.beta(2 + codes, 3), 0.01, 0.99)
    return BlindRows(scores, chances, rng.random(n) < scores, codes, np.ones(n))


@pytest.mark.parametrize("constraint", ["demographic_parity", "equal_opportunity"])
@pytest.mark.parametrize("seed", range(4))
def test_the_rule_is_about_as_good_as_any_of_its_form(seed, constraint):
    """Every base and price on a fine grid, for two groups and one rate."""
    rows = make_rows(seed, 300)
    (rate,) = get_constraint(constraint).rates
    bound = Bound(difference=0.03)
    objective = make_objective("accuracy", rows.actual.sum(), (~rows.actual).sum())
    found = best_blind_rule(rows, [rate], (bound,), objective, 0.5)

    counted = rows.actual if constraint == "equal_opportunity" else np.ones(300, dtype=bool)
    first, second = counted & (rows.codes == 0), counted & (rows.codes == 1)

    def judge(rule):
        selected = rule.excess(rows.scores, rows.groups) > 0
        return abs(selected[first].mean() - selected[second].mean()), np.mean(selected == rows.actual)

    disparity, accuracy = judge(found)
    assert disparity <= 0.03 + 1e-9
    best = 0.0
    for base, price in itertools.product(np.linspace(0.2, 0.9, 36), np.linspace(-0.6, 0.6, 61)):
        rule = BlindRule(base, np.array([[-price], [price]]), found.steps)
        gap, value = judge(rule)
        if gap <= 0.03:
            best = max(best, value)
    assert accuracy >= best - 0.01


@pytest.mark.parametrize("seed", range(3))
def test_several_groups_and_rates_meet_their_bounds(seed):
    rows = make_rows(seed, 900, n_groups=4)
    rates = [get_rate("true_positive_rate"), get_rate("false_positive_rate")]
    objective = make_objective("f1", rows.actual.sum(), (~rows.actual).sum())
    rule = best_blind_rule(rows, rates, (Bound(difference=0.06), Bound(ratio=0.6)), objective, 0.4)
    selected = rule.excess(rows.scores, rows.groups) > 0
    counts = GroupCounts.from_predictions(rows.actual, selected, sensitive_features=rows.codes)
    values = [counts.rate(rate) for rate in rates]
    assert np.ptp(values[0]) <= 0.06 + 1e-9
    assert values[1].min() >= 0.6 * values[1].max() - 1e-9
    assert 0 < selected.mean() < 1


def test_capacity_and_minimum_rates_hold():
    rows = make_rows(0, 800)
    objective = make_objective("accuracy", rows.actual.sum(), (~rows.actual).sum())
    rates = [get_rate("selection_rate")]
    least = ((get_rate("true_positive_rate"), 0.55),)
    rule = best_blind_rule(rows, rates, (Bound(difference=0.1),), objective, 0.5, 0.45, least)
    selected = rule.excess(rows.scores, rows.groups) > 0
    counts = GroupCounts.from_predictions(rows.actual, selected, sensitive_features=rows.codes)
    assert selected.mean() <= 0.45
    assert counts.rate(get_rate("true_positive_rate")).min() >= 0.55
    nothing = best_blind_rule(rows, rates, (Bound(difference=0.1),), objective, 0.5, 0.05, least)
    assert nothing is None


def test_the_attribute_is_not_needed_to_predict(library):
    X, y = people(library, n=1500)
    model = blind(max_difference=0.03).fit(X, y)
    report = model.report_
    assert report.policy == "blind"
    assert report.disparity <= 0.03 + 1e-9
    assert report.blindness_cost >= 0
    assert "thresholds per group would reach" in str(report)
    assert model.thresholds_ == {}
    without = X.drop(columns="sex") if library == "pandas" else X.drop("sex")
    np.testing.assert_array_equal(model.predict(without), model.predict(X))
    np.testing.assert_array_equal(model.predict_proba(without), model.predict_proba(X))
    # The column is there, and says nothing: no model saw it.
    hidden = X.assign(sex="F") if library == "pandas" else X.with_columns(sex=X["sex"].reverse())
    np.testing.assert_array_equal(model.predict(hidden), model.predict(X))


def test_the_gap_shrinks_on_unseen_rows():
    X, y = people(n=4000)
    plain = logistic().fit(X[:2500], y[:2500])
    model = blind(max_difference=0.02).fit(X[:2500], y[:2500])
    gaps = [
        demographic_parity_difference(
            y[2500:], m.predict(X[2500:]), sensitive_features=X["sex"][2500:], pos_label="yes"
        )
        for m in (plain, model)
    ]
    assert gaps[1] < 0.07 < gaps[0]


def test_prefit_margin_pickle_and_another_group_model():
    X, y = people(n=1600)
    hidden = X.drop(columns="sex")
    fitted = FrozenEstimator(logistic().fit(hidden[:800], y[:800]))
    model = GroupThresholdOptimizer(
        fitted,
        policy="blind",
        group_estimator=make_pipeline(prepare(), HistGradientBoostingClassifier(max_iter=20, random_state=0)),
        max_difference=0.05,
        margin="1se",
    ).fit(hidden[800:], y[800:], sensitive_features=X["sex"][800:])
    assert model.report_.margin == 1
    assert model.report_.disparity < 0.05
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(hidden), model.predict(hidden))
    assert clone(model).group_estimator is not model.group_estimator
    by_default = clone(model).set_params(group_estimator=None)
    by_default.fit(hidden[800:], y[800:], sensitive_features=X["sex"][800:])
    assert list(by_default.group_estimator_.classes_) == [0, 1]


def test_both_models_are_fitted_on_the_same_folds():
    """A generator as random state is drawn from once: scores and chances must be those of the same rows."""
    X, y = people(n=900)
    params = {"cv": 3, "max_difference": 0.03}
    drawn = blind(random_state=np.random.RandomState(5), **params).fit(X, y)
    assert drawn.report_.disparity <= 0.03 + 1e-9
    model = blind(cv=0.4, refit=False, random_state=0, max_difference=0.1).fit(X, y)
    assert model.report_.counts.n.sum() == 360
    # Splitters that split differently each time they are asked: as if their first answer had been given.
    for splitter in (ShuffleSplit, KFold):
        params = {"n_splits": 2} | ({"shuffle": True} if splitter is KFold else {"test_size": 0.5})
        fresh = [splitter(**params, random_state=np.random.RandomState(3)) for _ in range(2)]
        once = blind(cv=list(fresh[0].split(X)), max_difference=0.1).fit(X, y).report_.to_dict()
        assert blind(cv=fresh[1], max_difference=0.1).fit(X, y).report_.to_dict() == once
        assert (
            blind(
                cv=iter(list(splitter(**params, random_state=np.random.RandomState(3)).split(X))),
                max_difference=0.1,
            )
            .fit(X, y)
            .report_.to_dict()
            == once
        )
    first = next(StratifiedShuffleSplit(1, test_size=0.4, random_state=np.random.RandomState(3)).split(X, y))
    share = blind(cv=0.4, random_state=np.random.RandomState(3), max_difference=0.1).fit(X, y).report_
    assert share.to_dict() == blind(cv=[first], max_difference=0.1).fit(X, y).report_.to_dict()


def test_it_is_searched_and_cross_validated_like_any_other(routing):
    X, y = people(n=700)
    search = GridSearchCV(
        blind(cv=2), {"max_difference": [0.02, 0.2]}, scoring=make_fair_scorer(
            "demographic_parity", sensitive_features="sex"
        ), cv=2
    )  # fmt: skip
    assert search.fit(X, y).best_params_ == {"max_difference": 0.02}
    assert cross_val_score(blind(cv=2, max_difference=0.1), X, y, cv=2).mean() > 0.6


def test_groups_that_cannot_be_compared_leave_the_overall_threshold():
    X, y = people(n=300)
    X = X.assign(sex="F")
    with pytest.warns(UserWarning, match="Fewer than two groups"):
        model = blind().fit(X, y)
    scores = model.predict_proba(X)[:, 1]
    np.testing.assert_array_equal(model.predict(X) == "yes", scores > model.overall_threshold_)


def test_what_blind_policies_cannot_do_is_said():
    X, y = people(n=300)
    with pytest.raises(ValueError, match="fixed denominators"):
        blind(constraint="predictive_parity").fit(X, y)
    with pytest.raises(ValueError, match="no thresholds to level"):
        blind(level_up=True).fit(X, y)
    with pytest.raises(ValueError, match="needs predict_proba"):
        blind(response_method="decision_function").fit(X, y)
    with pytest.raises(ValueError, match="needs predict_proba"):
        GroupThresholdOptimizer(
            make_pipeline(prepare(), LinearSVC()), sensitive_features="sex", policy="blind"
        ).fit(X, y)
    with pytest.raises(ValueError, match=r"No blind rule was found that meets max_difference=0\.05"):
        blind(min_rates={"true_positive_rate": 1.0}, capacity=0.1).fit(X, y)
    with pytest.raises(ValueError, match="skill") as error:
        GroupThresholdOptimizer(
            make_pipeline(prepare().set_params(standardscaler="passthrough"), LogisticRegression()),
            sensitive_features="skill",
            policy="blind",
        ).fit(X.assign(skill=(X["skill"] > 0).astype(int)), y)
    assert "had taken the sensitive column ('skill') out of X" in error.value.__notes__[0]


def test_large_worths_extra_parameters_and_refits():
    X, y = people(n=700)
    worths = {"fn": -1e11, "fp": -1e10}
    assert blind(objective=worths, max_difference=0.1).fit(X, y).report_.value < 0
    weights = np.ones(700)
    model = blind(group_estimator=logistic(), cv=2, max_difference=0.1)
    model.fit(X, y, logisticregression__sample_weight=weights)  # meant for the classifier alone
    assert hasattr(model, "group_estimator_")
    model.set_params(policy="threshold").fit(X, y)
    assert not hasattr(model, "group_estimator_")
    with pytest.raises(ValueError, match="must not be a prefit one"):
        blind(group_estimator=FrozenEstimator(logistic().fit(X, X["sex"]))).fit(X, y)
