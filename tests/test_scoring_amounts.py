"""Scorers of regressors: means of amounts and distances of predictions by group, beside numpy by hand."""

from __future__ import annotations

import pickle
import warnings
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, RepeatedKFold, cross_val_predict, cross_validate
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from fairsk.metrics import GroupAmounts, ks_distance, wasserstein_distance
from fairsk.rates import MeanRate
from fairsk.scoring import (
    GroupScoring,
    cv_disparities,
    make_fair_scorer,
    make_group_scorer,
    make_tradeoff_scorer,
    pareto_front,
)
from fairsk.statistics import difference_interval

RNG = np.random.default_rng(3)
N = 150
X = pd.DataFrame(
    {"years": RNG.integers(0, 20, N), "skill": RNG.normal(size=N), "sex": RNG.choice(["f", "m"], N)}
).assign(old=lambda frame: frame["years"] > 9)
Y = (2000 + 90 * X["years"] + 400 * X["skill"] + 500 * (X["sex"] == "m") + RNG.normal(0, 300, N)).to_numpy()
NUMBERS = X[["years", "skill"]].assign(man=(X["sex"] == "m").astype(int))
FOLDS = KFold(3)
COSTLY = MeanRate("cost", "4*under+over", lower_is_better=True)

#: What is averaged over the rows of a group.
MEANS: dict[str, Any] = {
    "mean_parity": lambda y, p: p,
    "mean_error_parity": lambda y, p: p - y,
    "error_parity": lambda y, p: (p - y) ** 2,
    "absolute_error_parity": lambda y, p: np.abs(p - y),
    "cost": lambda y, p: np.where(p < y, 4 * (y - p), p - y),
}


class Says(RegressorMixin, BaseEstimator):
    """Predicts the first column of X."""

    def fit(self, X: Any, y: Any) -> Says:
        return self

    def predict(self, X: Any) -> Any:
        return np.asarray(X)[:, 0].astype(float)


def by_hand(name: str, comparison: str, y: Any, p: Any, group: Any, weight: Any) -> float:
    rows = MEANS[name](y, p)
    means = [np.average(rows[group == g], weights=weight[group == g]) for g in sorted(set(group))]
    if comparison == "worst_group":
        return float(min(means) if name in ("mean_parity", "mean_error_parity") else -max(means))
    if comparison == "ratio":
        return float(min(means) / max(means))
    gaps = [abs(a - b) for a, b in combinations(means, 2)]
    return -float(max(gaps) if comparison == "difference" else np.mean(gaps))


def test_a_score_is_that_of_the_means_of_hundreds_of_small_problems() -> None:
    rng = np.random.default_rng(0)
    for trial in range(300):
        n, k = int(rng.integers(6, 25)), int(rng.integers(2, 4))
        group = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
        y, p, weight = rng.gamma(2, 1000, n), rng.gamma(2, 1000, n), rng.random(n) + 0.1
        name = list(MEANS)[trial % len(MEANS)]
        comparisons = ["difference", "mean_difference", "worst_group"] + ["ratio"] * (
            name != "mean_error_parity"
        )
        comparison: Any = comparisons[int(rng.integers(len(comparisons)))]
        scorer = make_fair_scorer(COSTLY if name == "cost" else name, comparison=comparison)
        found = scorer(Says(), p[:, None], y, sensitive_features=group, sample_weight=weight)
        assert found == pytest.approx(by_hand(name, comparison, y, p, group, weight))


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_predictions_of_groups_are_compared_as_distributions(library: Any) -> None:
    frame = library(NUMBERS.assign(sex=X["sex"]).to_dict("list"))
    rows = frame[["man", "years", "skill"]]
    model = LinearRegression().fit(np.asarray(rows), Y)
    scored = library({"man": frame["man"], "years": frame["years"], "skill": frame["skill"]})
    predicted = model.predict(np.asarray(scored))
    man = np.asarray(frame["man"]) == 1
    expected = {
        "ks_distance": stats.ks_2samp(predicted[man], predicted[~man]).statistic,
        "wasserstein_distance": stats.wasserstein_distance(predicted[man], predicted[~man]),
    }
    for name, distance in expected.items():
        scorer = make_fair_scorer(name, sensitive_features="man")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names of columns, which the model has not seen
            assert scorer(model, scored, Y) == pytest.approx(-distance)


def test_distances_of_probabilities_references_and_weights() -> None:
    y = np.where(np.median(Y) < Y, "high", "low")
    model = LogisticRegression(max_iter=500).fit(NUMBERS, y)
    proba = model.predict_proba(NUMBERS)
    scorer = make_fair_scorer("ks_distance", sensitive_features="man", response_method="predict_proba")
    expected = ks_distance(proba[:, 1], sensitive_features=NUMBERS["man"])
    assert scorer(model, NUMBERS, y) == pytest.approx(-expected)
    bands = np.array(["low", "mid", "top"])[np.digitize(Y, np.quantile(Y, [0.3, 0.7]))]
    of_bands = DecisionTreeClassifier(max_depth=3, random_state=0).fit(NUMBERS, bands)
    proba, options = of_bands.predict_proba(NUMBERS), {"sensitive_features": NUMBERS["man"]}
    by_class = [wasserstein_distance(proba[:, k], **options) for k in range(3)]
    scorer = make_fair_scorer(
        "wasserstein_distance", sensitive_features="man", response_method="predict_proba"
    )
    assert scorer(of_bands, NUMBERS, bands) == pytest.approx(-max(by_class))
    at_least_mid = make_fair_scorer(
        "wasserstein_distance",
        sensitive_features="man",
        response_method="predict_proba",
        grades=["low", "mid", "top"],
        pos_label="mid",
    )
    expected = wasserstein_distance(proba[:, 1] + proba[:, 2], **options)
    assert at_least_mid(of_bands, NUMBERS, bands) == pytest.approx(-expected)
    weight = np.linspace(0.5, 2, N)
    to_old = make_fair_scorer("ks_distance", method="to_reference", reference=True)
    found = to_old(Says(), Y[:, None], Y, sensitive_features=X["old"], sample_weight=weight)
    expected = ks_distance(Y, sensitive_features=X["old"], sample_weight=weight, reference=True)
    assert found == pytest.approx(-expected)
    one_group = np.zeros(N)
    with pytest.warns(UserWarning, match="Fewer than two groups"):
        assert np.isnan(make_fair_scorer("ks_distance")(Says(), Y[:, None], Y, sensitive_features=one_group))


def test_the_worst_group_of_a_regressor_by_any_score() -> None:
    model = DecisionTreeRegressor(max_depth=2).fit(NUMBERS, Y)
    error = model.predict(NUMBERS) - Y
    mse = [np.mean(error[(NUMBERS["man"] == g).to_numpy()] ** 2) for g in (0, 1)]
    worst = make_group_scorer("neg_root_mean_squared_error", sensitive_features="man")
    assert worst(model, NUMBERS, Y) == pytest.approx(-np.sqrt(max(mse)))
    as_rate = make_fair_scorer("error_parity", sensitive_features="man", comparison="worst_group")
    assert as_rate(model, NUMBERS, Y) == pytest.approx(-max(mse))
    gap = make_group_scorer("neg_mean_squared_error", sensitive_features="man", comparison="difference")
    assert gap(model, NUMBERS, Y) == pytest.approx(-abs(mse[0] - mse[1]))
    traded = make_tradeoff_scorer("r2", "mean_parity", weight=0.001, sensitive_features="man")
    means = [model.predict(NUMBERS)[(NUMBERS["man"] == g).to_numpy()].mean() for g in (0, 1)]
    expected = model.score(NUMBERS, Y) - 0.001 * abs(means[0] - means[1])
    assert traded(model, NUMBERS, Y) == pytest.approx(expected)
    apart = make_tradeoff_scorer("r2", "ks_distance", weight=0.5, sensitive_features="man")
    ks = ks_distance(model.predict(NUMBERS), sensitive_features=NUMBERS["man"])
    assert apart(model, NUMBERS, Y) == pytest.approx(model.score(NUMBERS, Y) - 0.5 * ks)


# --- pooled moments -----------------------------------------------------------------------------------


def own_scoring(**options: Any) -> GroupScoring:
    scores = {
        "r2": "r2",
        "mean": "mean_parity",
        "error": make_fair_scorer("absolute_error_parity", comparison="ratio"),
        "cost": COSTLY,
        "ks": "ks_distance",
        "rmse": make_group_scorer("neg_root_mean_squared_error"),
    }
    return GroupScoring(scores, sensitive_features="man", **options).of(NUMBERS, Y)


def test_a_search_over_regressors_judges_pooled_amounts(routing: bool) -> None:
    scoring = own_scoring()
    assert scoring.classes is None
    grid = {"max_depth": [1, 2, 4], "max_features": [1, 3]}
    model = DecisionTreeRegressor(random_state=0)
    rule = scoring.best_under(
        "r2", mean=400.0, min_ratio={"error": 0.5}, min_score={"ks": -0.9}, require="value"
    )
    search = GridSearchCV(model, grid, scoring=scoring, refit=rule, cv=FOLDS).fit(NUMBERS, Y)
    table = cv_disparities(search)
    man, weight = NUMBERS["man"].to_numpy(), np.ones(N)
    means, ratios = [], []
    for i, params in enumerate(search.cv_results_["params"]):
        predicted = cross_val_predict(clone(model).set_params(**params), NUMBERS, Y, cv=FOLDS)
        means.append(-by_hand("mean_parity", "difference", Y, predicted, man, weight))
        ratios.append(by_hand("absolute_error_parity", "ratio", Y, predicted, man, weight))
        cost = -by_hand("cost", "difference", Y, predicted, man, weight)
        np.testing.assert_allclose(table.values[i], [means[-1], ratios[-1], cost])
        pooled = table.counts[i]
        assert isinstance(pooled, GroupAmounts)
        at_once = GroupAmounts.from_predictions(Y, predicted, sensitive_features=man)
        np.testing.assert_allclose(pooled.scatter, at_once.scatter, rtol=1e-9)
        for fold, (_, rows) in enumerate(FOLDS.split(NUMBERS)):
            ks = ks_distance(predicted[rows], sensitive_features=man[rows])
            assert search.cv_results_[f"split{fold}_test_ks"][i] == pytest.approx(-ks)
            rmse = max(np.sqrt(np.mean((predicted - Y)[rows][man[rows] == g] ** 2)) for g in (0, 1))
            assert search.cv_results_[f"split{fold}_test_rmse"][i] == pytest.approx(-rmse)
    keeps = (
        (np.array(means) <= 400) & (np.array(ratios) >= 0.5) & (search.cv_results_["mean_test_ks"] >= -0.9)
    )
    assert 0 < keeps.sum() < len(keeps)
    assert search.best_index_ == np.where(keeps, search.cv_results_["mean_test_r2"], -np.inf).argmax()
    by_hand_front = pareto_front(
        {"mean_test_r2": search.cv_results_["mean_test_r2"], "mean_test_mean": -np.array(means)}, "r2", "mean"
    )
    assert pareto_front(search, "r2", "mean").tolist() == by_hand_front.tolist()
    assert "Of amounts pooled over the folds" in str(table)


def test_pooled_amounts_have_the_intervals_of_predictions_out_of_fold() -> None:
    scoring = own_scoring()
    found = cross_validate(Ridge(), NUMBERS, Y, scoring=scoring, cv=FOLDS, error_score="raise")
    table = cv_disparities(found, scoring)
    predicted = cross_val_predict(Ridge(), NUMBERS, Y, cv=FOLDS)
    at_once = GroupAmounts.from_predictions(Y, predicted, sensitive_features=NUMBERS["man"])
    low, high = difference_interval(at_once, "mean_parity")
    assert table.low[0, 0] == pytest.approx(low)
    assert table.high[0, 0] == pytest.approx(high)
    assert 0 < table.low[0, 0] < table.values[0, 0] < table.high[0, 0]


def test_rows_that_are_tested_again_are_no_more_rows_and_weights_reach_all_numbers() -> None:
    repeated = RepeatedKFold(n_splits=3, n_repeats=2, random_state=0)
    options: dict[str, Any] = {"cv": repeated, "error_score": "raise"}
    scoring = own_scoring(n_repeats=2)
    table = cv_disparities(cross_validate(Ridge(), NUMBERS, Y, scoring=scoring, **options), scoring)
    assert table.n == pytest.approx([N])
    once = own_scoring()
    found = cross_validate(Ridge(), NUMBERS, Y, scoring=once, **options)
    with pytest.warns(UserWarning, match=r"about 2\.0 times, and n_repeats=1.*too narrow"):
        wrong = cv_disparities(found, once)
    np.testing.assert_allclose(table.values, wrong.values)
    assert (table.high - table.low > wrong.high - wrong.low).all()
    weight = np.linspace(0.5, 2, N)
    model, predicted = Says(), Y[::-1]
    frame = pd.DataFrame({"said": predicted, "man": NUMBERS["man"]})
    weighted = own_scoring().__class__({"mean": "mean_parity"}, sensitive_features="man", groups=[0, 1])
    scores = weighted(model, frame, Y, sample_weight=weight)
    expected = by_hand("mean_parity", "difference", Y, predicted, NUMBERS["man"].to_numpy(), weight)
    assert scores["mean"] == pytest.approx(expected)
    rows = (NUMBERS["man"] == 1).to_numpy()
    assert scores["amounts_1_n"] == pytest.approx(weight[rows].sum())
    assert scores["amounts_1_mean_over"] == pytest.approx(
        np.average(np.maximum(predicted - Y, 0)[rows], weights=weight[rows])
    )


def test_some_of_the_columns_and_groups_that_a_fold_lacks() -> None:
    frame = NUMBERS.assign(old=X["old"]).sort_values("old", ignore_index=True)
    by_sex = make_fair_scorer("mean_parity", sensitive_features="man")
    scoring = GroupScoring({"all": "mean_parity", "sex": by_sex}, sensitive_features=["man", "old"]).of(frame)
    y = np.linspace(1000, 2000, N)
    found = cross_validate(LinearRegression(), frame, y, scoring=scoring, cv=FOLDS, error_score="raise")
    table = cv_disparities(found, scoring)
    predicted = cross_val_predict(LinearRegression(), frame, y, cv=FOLDS)
    both = frame["man"].to_numpy() + 2 * frame["old"].to_numpy()
    expected = [
        -by_hand("mean_parity", "difference", y, predicted, group, np.ones(N))
        for group in (both, frame["man"].to_numpy())
    ]
    np.testing.assert_allclose(table.values[0], expected)
    assert found["test_amounts_1_n"][0] == 0  # the first fold has nobody who is old


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_a_fold_that_failed_and_results_of_others() -> None:
    scoring = own_scoring(error_score=np.nan)
    frame = NUMBERS.copy()
    frame.loc[:9, "man"] = 2
    with pytest.warns(UserWarning, match="Scoring failed"):
        found = cross_validate(Ridge(), frame, Y, scoring=scoring, cv=FOLDS)
    table = cv_disparities(found, scoring)
    assert table.counts == (None,)
    assert np.isnan(table.values).all()
    decisions = GroupScoring({"dp": "demographic_parity"}, groups=[0, 1])
    with pytest.raises(ValueError, match="do not hold the counts of 2 groups"):
        cv_disparities(found, decisions)
    with pytest.raises(ValueError, match="do not hold the moments of predicted amounts of 1 group"):
        cv_disparities(found, GroupScoring({"mean": "mean_parity"}, groups=[0]))


def test_a_missed_bound_is_told_in_the_unit_of_the_amounts() -> None:
    scoring = own_scoring()
    rule = scoring.best_under("r2", mean=10.0)
    search = GridSearchCV(Ridge(), {"alpha": [1.0]}, scoring=scoring, refit=rule, cv=FOLDS)
    with pytest.warns(UserWarning, match=r"Its 'mean' is \d{3} \[\d+, \d+\], .* beyond the bound 10"):
        search.fit(NUMBERS, Y)
    shown = str(cv_disparities(search))
    assert "10.00" in shown
    rows = GroupScoring({"r2": "r2", "rmse": make_group_scorer("r2")}, sensitive_features="man").of(
        NUMBERS, Y
    )
    scores = rows(Ridge().fit(NUMBERS, Y), NUMBERS, Y)
    assert set(scores) == {"r2", "rmse"}  # nothing that is compared, nothing to pool


def test_scorers_of_amounts_are_shown_and_pickled() -> None:
    scorer = make_fair_scorer("mean_parity", sensitive_features="man", comparison="ratio")
    assert repr(scorer) == "make_fair_scorer('mean_parity', sensitive_features='man', comparison='ratio')"
    assert repr(make_fair_scorer(COSTLY)) == "make_fair_scorer(cost)"
    model = Ridge().fit(NUMBERS, Y)
    for own in (scorer, make_fair_scorer("ks_distance", sensitive_features="man"), own_scoring()):
        assert pickle.loads(pickle.dumps(own))(model, NUMBERS, Y) == own(model, NUMBERS, Y)


class AsksForGroups(LinearRegression):
    """Predicts more for men, whom it must be told of."""

    def predict(self, X: Any, sensitive_features: Any = None) -> Any:
        return super().predict(X) + 100.0 * np.asarray(sensitive_features)


def test_groups_as_metadata_reach_a_regressor_that_asks_for_them() -> None:
    rows, man = NUMBERS[["years", "skill"]], NUMBERS["man"].to_numpy()
    with sklearn.config_context(enable_metadata_routing=True):
        model = AsksForGroups().set_predict_request(sensitive_features=True)
        scores: dict[str, Any] = {"mean": make_fair_scorer("mean_parity"), "r2": make_group_scorer("r2")}
        scoring = GroupScoring(scores).of(rows, sensitive_features=man)
        found = cross_validate(
            model, rows, Y, scoring=scoring, cv=FOLDS, params={"sensitive_features": man}, error_score="raise"
        )
        pooled = cv_disparities(found, scoring)
    predicted = cross_val_predict(LinearRegression(), rows, Y, cv=FOLDS) + 100 * man
    expected = -by_hand("mean_parity", "difference", Y, predicted, man, np.ones(N))
    assert pooled.values[0, 0] == pytest.approx(expected)


LABELS = np.where(Y > 3000, "high", "low")
CLASSIFIER = DecisionTreeClassifier(max_depth=1).fit(NUMBERS, LABELS)
REGRESSOR = Ridge().fit(NUMBERS, Y)


def scored(model: Any, y: Any, constraint: Any, **options: Any) -> Any:
    return make_fair_scorer(constraint, sensitive_features="man", **options)(model, NUMBERS, y)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: scored(CLASSIFIER, LABELS, "mean_parity"),
            "'mean_parity' compares predicted amounts, and DecisionTreeClassifier predicts labels, 'high'",
        ),
        (lambda: scored(CLASSIFIER, LABELS, "ks_distance"), "set response_method='predict_proba'"),
        (
            lambda: scored(REGRESSOR, Y, "demographic_parity"),
            "'demographic_parity' compares decisions, and Ridge predicts amounts. Those have mean_parity",
        ),
        (
            lambda: make_group_scorer("r2", sensitive_features="man")(CLASSIFIER, NUMBERS, LABELS),
            "This score is of predicted amounts, and DecisionTreeClassifier predicts labels, 'high', 'low'",
        ),
        (
            lambda: make_tradeoff_scorer("accuracy", "mean_parity", sensitive_features="man")(
                CLASSIFIER, NUMBERS, LABELS
            ),
            "compares predicted amounts",
        ),
        (
            lambda: own_scoring()(CLASSIFIER, NUMBERS, LABELS),
            "'mean' compares predicted amounts, and DecisionTreeClassifier predicts labels",
        ),
        (
            lambda: GroupScoring({"dp": "demographic_parity"}, sensitive_features="man", groups=[0, 1])(
                REGRESSOR, NUMBERS, Y
            ),
            "'dp' compares decisions, and Ridge predicts amounts",
        ),
        (
            lambda: GroupScoring({"dp": "demographic_parity", "mean": "mean_parity"}),
            "'dp' compares decisions, and 'mean' predicted amounts",
        ),
        (lambda: make_fair_scorer("mean_parity", pos_label=1), "have no pos_label"),
        (lambda: make_fair_scorer("mean_parity", grades=[1, 2]), "have no grades"),
        (lambda: make_fair_scorer("mean_parity", response_method="predict_proba"), "what predict returns"),
        (lambda: make_fair_scorer("mean_parity", strata="old"), "over all rows: leave out strata"),
        (lambda: make_fair_scorer("ks_distance", over_strata="worst"), "over all rows: leave out strata"),
        (lambda: make_fair_scorer("ks_distance", comparison="ratio"), "a distance between groups"),
        (lambda: make_fair_scorer("mean_error_parity", comparison="ratio"), "can be negative"),
        (lambda: make_fair_scorer("mean_party"), "Did you mean 'mean_parity'"),
        (lambda: GroupScoring({"ks": "ks_distanc"}), "Did you mean 'ks_distance'"),
        (lambda: own_scoring().best_under("r2", ks=0.1), "write min_score="),
        (lambda: own_scoring().best_under("r2", error=0.1), r"min_ratio=\{'error': 0.1\}"),
    ],
)
def test_amounts_and_labels_are_not_taken_for_each_other(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
