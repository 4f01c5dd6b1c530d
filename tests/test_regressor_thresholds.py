"""Thresholds over what a regressor predicts, and what wrappers of classifiers say of regressors."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone, is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from toy_data import ScoreColumn, people, prepare

from fairsk import (
    ConstrainedClassifier,
    GroupCalibratedClassifier,
    GroupThresholdOptimizer,
    ReweightedClassifier,
    ScoreRepair,
    SensitiveRouter,
)
from fairsk.model_selection import GroupStratifiedKFold
from fairsk.repair import ConceptEraser


class AmountColumn(RegressorMixin, BaseEstimator):
    """A regressor that predicts the first column of X, and keeps what it was fitted to."""

    fits: list = []

    def fit(self, X, y, sample_weight=None):
        AmountColumn.fits.append((np.asarray(X)[:, 0], y, sample_weight))
        self.fitted_ = True
        return self

    def predict(self, X):
        return np.asarray(X)[:, 0].astype(float)


class ChanceColumn(ScoreColumn):
    def predict_proba(self, X):
        chance = self.decision_function(X)
        return np.column_stack([1 - chance, chance])


def problem(seed, n=120, n_groups=3):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, n_groups, n)
    chance = np.round(rng.beta(2 + groups, 3), 2)
    labels = np.where(rng.random(n) < chance, "yes", "no")
    return chance.reshape(-1, 1), labels, groups, rng.random(n) + 0.1


def prefit(kind=AmountColumn):
    return FrozenEstimator(kind().fit(np.zeros((1, 1)), None))


def optimizer(inner, **params):
    return GroupThresholdOptimizer(inner, min_group_size=2, **params)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of so few rows
def test_predictions_are_thresholded_as_the_same_scores_of_a_classifier_are():
    for seed in range(8):
        scores, labels, groups, weights = problem(seed)
        positive = ("yes", "no")[seed % 2]
        params = {
            "constraint": ("demographic_parity", "equalized_odds", "accuracy_parity")[seed % 3],
            "policy": ("threshold", "auto")[seed % 2],
            "max_difference": 0.2,
            "objective": ("accuracy", "f1")[seed // 4],
            "pos_label": positive,
            "unknown_group": "overall",
        }
        # A classifier turns its scores round for the first class; a regressor predicts what speaks for it.
        turned = scores if positive == "yes" else -scores
        by_classifier = optimizer(FrozenEstimator(ScoreColumn().fit(turned, labels)), **params)
        by_regressor = optimizer(prefit(), response_method="predict", **params)
        rows = {"sensitive_features": groups, "sample_weight": weights}
        expected, found = by_classifier.fit(turned, labels, **rows), by_regressor.fit(scores, labels, **rows)
        assert found.thresholds_ == expected.thresholds_
        assert found.overall_threshold_ == expected.overall_threshold_
        assert str(found.report_) == str(expected.report_)
        assert found.report_.measured_on == "held out"
        assert found.classes_.tolist() == ["no", "yes"]
        new = np.where(np.arange(120) % 7, groups, 99)
        np.testing.assert_array_equal(
            found.predict(scores, sensitive_features=new), expected.predict(turned, sensitive_features=new)
        )
        np.testing.assert_array_equal(
            found.decision_function(scores), scores[:, 0] if positive == "yes" else -scores[:, 0]
        )
        paths = [
            model.pareto_path(X, labels, n_points=4, **rows).frame()
            for model, X in ((by_classifier, turned), (by_regressor, scores))
        ]
        assert paths[0].equals(paths[1])
        loaded = pickle.loads(pickle.dumps(found))
        np.testing.assert_array_equal(
            loaded.predict(scores, sensitive_features=groups),
            found.predict(scores, sensitive_features=groups),
        )


def test_a_regressor_is_fitted_to_the_positive_label():
    scores, labels, groups, weights = problem(0)
    numbered = np.column_stack([np.arange(120), scores[:, 0]])
    for positive in ("yes", "no"):
        AmountColumn.fits = []
        model = optimizer(
            AmountColumn(), response_method="predict", pos_label=positive, cv=3, max_difference=1
        )
        model.fit(numbered, labels, sensitive_features=groups, sample_weight=weights)
        assert [len(y) for _, y, _ in AmountColumn.fits] == [80, 80, 80, 120]
        for rows, target, weight in AmountColumn.fits:
            at = rows.astype(int)
            np.testing.assert_array_equal(target, (labels[at] == positive).astype(float))
            np.testing.assert_array_equal(weight, weights[at])
        assert isinstance(model.estimator_, AmountColumn)


def test_predictions_are_out_of_fold():
    X, y = people(n=300)
    cv = GroupStratifiedKFold(3, sensitive_features="sex")
    inner = make_pipeline(prepare(), Ridge())
    model = GroupThresholdOptimizer(inner, sensitive_features="sex", response_method="predict", cv=cv)
    predicted = cross_val_predict(inner, X, y == "yes", cv=list(cv.split(X, y)))
    by_hand = GroupThresholdOptimizer(prefit(), response_method="predict")
    by_hand.fit(predicted.reshape(-1, 1), y, sensitive_features=X["sex"])
    assert model.fit(X, y).thresholds_ == pytest.approx(by_hand.thresholds_, rel=1e-12)
    assert model.report_.measured_on == "out of fold"
    assert model.n_features_in_ == 5
    assert is_classifier(model)
    assert model.score(X, y) > 0.65
    assert not hasattr(model, "predict_proba")
    assert cross_val_score(model, X, y, cv=2, scoring="roc_auc").mean() > 0.6  # by decision_function
    split = clone(model).set_params(cv=0.3, refit=False, random_state=0).fit(X, y)
    assert set(split.predict(X)) == {"yes", "no"}


@pytest.mark.filterwarnings("ignore::UserWarning")  # of so few rows
def test_a_blind_policy_takes_a_regressor_that_predicts_chances():
    scores, labels, groups, _ = problem(3, n_groups=2)
    X = np.column_stack([scores, groups + 0.1 * np.arange(120) % 1])
    group_model = LogisticRegression()
    params = {"policy": "blind", "group_estimator": group_model, "max_difference": 0.1, "cv": 3}
    expected = optimizer(FrozenEstimator(ChanceColumn().fit(X, labels)), **params)
    found = optimizer(prefit(), response_method="predict", **params)
    for model in (expected, found):
        model.fit(X, labels, sensitive_features=groups)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    assert str(found.report_) == str(expected.report_)
    assert set(found.predict(X)) == {"yes", "no"}
    assert found.classes_.tolist() == ["no", "yes"]
    fitted = optimizer(LinearRegression(), response_method="predict", **params)
    assert fitted.fit(X, labels, sensitive_features=groups).report_.disparity <= 0.1
    with pytest.raises(ValueError, match=r"guesses the groups, which a regressor cannot.*group_estimator="):
        clone(found).set_params(group_estimator=None).fit(X, labels, sensitive_features=groups)
    with pytest.raises(ValueError, match=r"weighs chances, .* predicts numbers from 8 to 84\. Leave out"):
        found.fit(X * 100, labels, sensitive_features=groups)


class Asking(AmountColumn):
    """A regressor that adds to its predictions what it is told of the groups."""

    __metadata_request__predict = {"sensitive_features": True}

    def predict(self, X, sensitive_features=None):
        return super().predict(X) + np.asarray(sensitive_features, dtype=float)


def test_a_regressor_that_asks_for_groups_gets_them(routing):
    scores, labels, groups, _ = problem(1)
    model = optimizer(prefit(Asking), response_method="predict", max_difference=1)
    model.fit(scores, labels, sensitive_features=groups)
    told = model.decision_function(scores, sensitive_features=groups)
    np.testing.assert_array_equal(told, scores[:, 0] + groups)
    assert model.thresholds_[2] > 2
    assert set(model.predict(scores[groups == 2], sensitive_features=[2] * sum(groups == 2))) == {"no", "yes"}


def test_thresholds_on_amounts_are_printed_as_amounts():
    scores, labels, groups, _ = problem(0)
    for unit, shown in ((1.0, r"0\.\d{4}"), (1e5, r"\d\d,\d{3}"), (1e-5, r"0\.0{4,5}\d{4}")):
        model = optimizer(prefit(), response_method="predict", max_difference=1)
        text = str(model.fit(scores * unit, labels, sensitive_features=groups).report_)
        assert len(re.findall(rf"^[012] +{shown} ", text, re.MULTILINE)) == 3, text


def test_what_cannot_be_thresholded():
    scores, labels, groups, _ = problem(0)
    rows = {"sensitive_features": groups}
    with pytest.raises(
        ValueError, match=r"response_method='predict' thresholds .* DummyClassifier is a class"
    ):
        optimizer(DummyClassifier(), response_method="predict").fit(scores, labels, **rows)
    regressor = optimizer(AmountColumn(), response_method="predict")
    with pytest.raises(ValueError, match=r"two classes apart; y has 3: 0, 1, 2"):
        regressor.fit(scores, np.arange(120) % 3, **rows)
    for bad, message in (
        (scores * np.nan, "AmountColumn.predict returned NaN or infinite numbers"),
        (scores * np.inf, "AmountColumn.predict returned NaN or infinite numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            clone(regressor).fit(bad, labels, **rows)
    two = TransformedTargetRegressor(
        LinearRegression(), func=lambda y: np.column_stack([y, y]), check_inverse=False
    )
    two.set_params(inverse_func=lambda y: y)
    with pytest.raises(ValueError, match=r"predict returned an array of shape \(24, 2\) for 24 rows"):
        optimizer(two, response_method="predict").fit(scores, labels, **rows)


#: Wrappers of classifiers, and what each advises for a regressor.
WRAPPERS = {
    "thresholds": (
        GroupThresholdOptimizer,
        "response_method='predict'.*ConstrainedRegressor .*PredictionRepair",
    ),
    "repair": (ScoreRepair, "PredictionRepair repairs"),
    "calibrated": (GroupCalibratedClassifier, "PredictionRepair .*ConstrainedRegressor"),
    "constrained": (ConstrainedClassifier, "ConstrainedRegressor holds"),
    "reweighted": (ReweightedClassifier, "ConstrainedRegressor and PredictionRepair"),
    "router": (
        SensitiveRouter,
        r"ConstrainedRegressor\(make_pipeline\(\.\.\.\), sensitive_features='sex'\).*"
        r"ConceptEraser\(sensitive_features='sex'\)",
    ),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_regressor_in_the_place_of_a_classifier_is_told_kindly(name):
    wrapper, advice = WRAPPERS[name]
    X, y, groups, _ = problem(0)
    piped = make_pipeline(ConceptEraser(), Ridge())
    for inner in (
        Ridge(),
        piped,
        FrozenEstimator(Ridge().fit(X, y == "yes")),
        FrozenEstimator(make_pipeline(FrozenEstimator(Ridge().fit(X, y == "yes")))),
        make_pipeline(make_pipeline(Ridge())),
    ):
        for target in (y, np.arange(120) / 7):  # amounts for labels are no better explained by the labels
            with pytest.raises(
                ValueError, match=rf"^{wrapper.__name__} is for classifiers, and Ridge is a"
            ) as told:
                wrapper(inner, sensitive_features=0).fit(X, target, sensitive_features=groups)
            assert re.search(advice, str(told.value))
            assert len(str(told.value)) < 500
    if wrapper is not SensitiveRouter:
        with pytest.raises(TypeError, match="estimator instead of a class"):
            wrapper(Ridge).fit(X, y, sensitive_features=groups)
    with pytest.raises(ValueError, match="GridSearchCV is a regressor"):
        wrapper(GridSearchCV(Ridge(), {}), sensitive_features=0).fit(X, y)


@pytest.mark.parametrize("cls", [GroupThresholdOptimizer, ScoreRepair, GroupCalibratedClassifier])
def test_an_estimator_without_scores_is_told_by_its_name(cls):
    class Labels(BaseEstimator):
        def fit(self, X, y): ...

        def predict(self, X): ...

    X, y, groups, _ = problem(0)
    with pytest.raises(ValueError, match=f"{cls.__name__} needs scores, and Labels has none of the methods"):
        cls(make_pipeline(Labels())).fit(X, y, sensitive_features=groups)
