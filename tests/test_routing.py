"""SensitiveRouter: the column of raw X reaches every step that asks, in both routing modes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from toy_data import logistic, people, prepare

from fairsk import GroupThresholdOptimizer, ReweightedClassifier, SensitiveRouter


class Witness(TransformerMixin, BaseEstimator):
    """A transformer that asks for the sensitive values and writes down what it saw."""

    __metadata_request__fit = {"sensitive_features": True}
    __metadata_request__transform = {"sensitive_features": True}

    def fit(self, X, y=None, sensitive_features=None):
        self.fitted_on_ = None if sensitive_features is None else list(sensitive_features)
        return self

    def fit_transform(self, X, y=None, sensitive_features=None):
        return self.fit(X, y, sensitive_features).transform(X, sensitive_features)

    def transform(self, X, sensitive_features=None):
        self.transformed_ = None if sensitive_features is None else list(sensitive_features)
        self.columns_ = list(X.columns)
        return X


class AsksAtPredict(ClassifierMixin, BaseEstimator):
    """A classifier that predicts by group alone."""

    __metadata_request__fit = {"sensitive_features": True}
    __metadata_request__predict = {"sensitive_features": True}

    def fit(self, X, y, sensitive_features=None):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X, sensitive_features=None):
        return self.classes_[(np.asarray(sensitive_features) == "F").astype(int)]


@pytest.mark.parametrize("wrap", [lambda pipe: pipe, make_pipeline], ids=["pipeline", "nested pipeline"])
def test_every_step_that_asks_is_reached_at_fit_and_at_predict(wrap, routing, library):
    X, y = people(library)
    witness = Witness()
    model = SensitiveRouter(
        wrap(make_pipeline(witness, prepare(), AsksAtPredict())), sensitive_features="sex"
    )
    model.fit(X, y)
    inner = model.estimator_
    while not isinstance(inner[0], Witness):
        inner = inner[0]
    assert inner[0].fitted_on_ == list(X["sex"])
    np.testing.assert_array_equal(model.predict(X), np.where(np.asarray(X["sex"]) == "F", "yes", "no"))
    assert inner[0].transformed_ == list(X["sex"])
    assert inner[0].columns_ == ["age", "skill", "town", "race"]  # dropped before the steps see X
    assert list(model.feature_names_in_) == list(X.columns)
    assert model.n_features_in_ == 5


def test_kept_if_asked(routing):
    X, y = people()
    model = SensitiveRouter(make_pipeline(Witness(), prepare(), AsksAtPredict()), sensitive_features="sex")
    model.set_params(keep_sensitive=True).fit(X, y).predict(X)
    assert "sex" in model.estimator_[0].columns_


def test_an_intersection_travels_as_two_columns(routing):
    X, y = people()
    inner = make_pipeline(prepare(), ReweightedClassifier(LogisticRegression()))
    model = SensitiveRouter(inner, sensitive_features=["sex", "race"]).fit(X, y)
    assert model.estimator_[-1].reweigher_.groups_ == (("F", "b"), ("F", "w"), ("M", "b"), ("M", "w"))


def test_router_equals_the_outermost_placement(routing):
    X, y = people()
    outermost = ReweightedClassifier(logistic(), sensitive_features="sex").fit(X, y)
    routed = SensitiveRouter(
        make_pipeline(prepare(), ReweightedClassifier(LogisticRegression())), sensitive_features="sex"
    ).fit(X, y)
    np.testing.assert_allclose(outermost.predict_proba(X), routed.predict_proba(X))


def test_thresholds_last_in_a_pipeline_get_the_values_at_predict(routing):
    X, y = people(n=800)
    inner = make_pipeline(prepare(), GroupThresholdOptimizer(LogisticRegression(), max_difference=0.02))
    model = SensitiveRouter(inner, sensitive_features="sex").fit(X, y)
    assert model.estimator_[-1].report_.disparity <= 0.02 + 1e-9
    assert 0.6 < model.score(X, y) < 1
    assert cross_val_predict(model, X, y, cv=3).shape == (800,)


def test_sample_weights_reach_the_last_step(routing):
    X, y = people()
    weights = np.random.default_rng(0).random(len(y))
    model = SensitiveRouter(
        make_pipeline(prepare(), ReweightedClassifier(LogisticRegression())), sensitive_features="sex"
    )
    weighted = model.fit(X, y, sample_weight=weights).predict_proba(X)
    direct = ReweightedClassifier(logistic(), sensitive_features="sex").fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(weighted, direct.predict_proba(X))
    assert not np.allclose(weighted, model.fit(X, y).predict_proba(X))


def test_in_a_search_over_the_innermost_parameters(routing):
    X, y = people()
    model = SensitiveRouter(
        make_pipeline(prepare(), ReweightedClassifier(LogisticRegression())), sensitive_features="sex"
    )
    name = "estimator__reweightedclassifier__estimator__C"
    search = GridSearchCV(model, {name: [0.01, 1]}, cv=3, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.6


def test_metadata_overrides_the_column(routing):
    X, y = people()
    model = SensitiveRouter(make_pipeline(prepare(), AsksAtPredict()), sensitive_features="sex").fit(X, y)
    nobody = model.predict(X, sensitive_features=["M"] * len(y))
    assert set(nobody) == {"no"}


def test_a_fresh_thread_gives_the_same_answer(routing):
    """scikit-learn's routing flag is per thread: a web server's worker does not see the main thread's."""
    X, y = people(n=800)
    inner = make_pipeline(prepare(), GroupThresholdOptimizer(LogisticRegression()))
    model = SensitiveRouter(inner, sensitive_features="sex").fit(X, y)
    with ThreadPoolExecutor(1) as pool:
        elsewhere = pool.submit(model.predict, X).result()
    np.testing.assert_array_equal(model.predict(X), elsewhere)


class NeedsStrata(ClassifierMixin, BaseEstimator):
    """A classifier that asks for groups and strata and writes down what it saw."""

    __metadata_request__fit = {"sensitive_features": True, "strata": True}

    def __init__(self, strata=None):
        self.strata = strata

    def fit(self, X, y, sensitive_features=None, strata=None):
        self.classes_ = np.unique(y)
        self.saw_ = list(sensitive_features), None if strata is None else np.asarray(strata).tolist()
        return self

    def predict(self, X):
        return np.repeat(self.classes_[:1], len(X))


@pytest.mark.parametrize("wrap", [lambda pipe: pipe, make_pipeline], ids=["pipeline", "nested pipeline"])
def test_strata_reach_the_steps_that_ask_and_stay_in_X(wrap, routing, library):
    X, y = people(library)
    model = SensitiveRouter(
        wrap(make_pipeline(Witness(), prepare(), NeedsStrata())), sensitive_features="sex", strata="town"
    ).fit(X, y)
    inner = model.estimator_
    while not isinstance(inner[-1], NeedsStrata):
        inner = inner[-1]
    assert inner[-1].saw_ == (list(X["sex"]), list(X["town"]))
    assert inner[0].columns_ == ["age", "skill", "town", "race"]
    assert len(model.predict(X)) == len(y)


def test_strata_by_list_callable_and_values(routing):
    X, y = people()

    def seen(strata=None, **passed):
        pipeline = make_pipeline(prepare(), NeedsStrata())
        model = SensitiveRouter(pipeline, sensitive_features="sex", strata=strata).fit(X, y, **passed)
        return model.estimator_[-1].saw_[1]

    town, race = X["town"].tolist(), X["race"].tolist()
    assert seen() is None
    assert seen(["town", "race"]) == [list(pair) for pair in zip(town, race, strict=True)]
    assert seen(lambda X: X["town"]) == seen(X.columns.get_loc("town")) == town
    assert seen("race") == race
    model = SensitiveRouter(make_pipeline(prepare(), NeedsStrata()), sensitive_features="sex", strata="race")
    assert model.fit(X, y, strata=X["town"]).estimator_[-1].saw_[1] == town  # values override the column


def test_routed_strata_bound_thresholds_in_each_as_values_do(routing):
    X, y = people(n=800)
    thresholds = GroupThresholdOptimizer(LogisticRegression(), max_difference=0.05, pos_label="yes")
    model = SensitiveRouter(make_pipeline(prepare(), thresholds), sensitive_features="sex", strata="town")
    routed = model.fit(X, y).estimator_[-1]
    direct = clone(thresholds).fit(
        prepare().fit_transform(X), y, sensitive_features=X["sex"], strata=X["town"]
    )
    assert routed.strata_ == direct.strata_ == tuple(sorted(set(X["town"])))
    assert routed.thresholds_ == direct.thresholds_
    search = GridSearchCV(model, {"strata": [None, "town"]}, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["mean_test_score"]) == 2


def test_strata_that_cannot_be_handed_on_are_refused(routing):
    X, y = people()
    compares = make_pipeline(prepare(), NeedsStrata())
    with pytest.raises(ValueError, match=r"asks for strata in fit\. Wrap .* within strata \(FairClassifier"):
        SensitiveRouter(
            make_pipeline(prepare(), AsksAtPredict()), sensitive_features="sex", strata="town"
        ).fit(X, y)
    with pytest.raises(ValueError, match=r"The column of strata 'twon' is not in X.* Did you mean 'town'"):
        SensitiveRouter(compares, sensitive_features="sex", strata="twon").fit(X, y)
    gaps = X.assign(race=X["race"].where(X["race"] != "b"))
    with pytest.raises(ValueError, match="column of strata 'race' is missing"):
        SensitiveRouter(compares, sensitive_features="sex", strata="race").fit(gaps, y)
    inner = make_pipeline(prepare(), GroupThresholdOptimizer(LogisticRegression(), strata="race"))
    with pytest.raises(ValueError, match=r"wrap the pipeline in SensitiveRouter\(\.\.\., strata=\)"):
        SensitiveRouter(inner, sensitive_features="sex").fit(X.rename(columns={"race": "origin"}), y)


def test_nobody_asks():
    X, y = people()
    with pytest.raises(
        ValueError, match=r"No step inside SensitiveRouter\(Pipeline\) asks for sensitive_features"
    ):
        SensitiveRouter(logistic(), sensitive_features="sex").fit(X, y)


def test_a_missing_column():
    X, y = people()
    model = SensitiveRouter(make_pipeline(prepare(), AsksAtPredict()), sensitive_features="gender")
    with pytest.raises(ValueError, match="'gender' is not in X, whose columns are: age, skill, town, sex"):
        model.fit(X, y)


def test_the_column_may_be_absent_at_predict_if_nobody_asks_then(routing, library):
    X, y = people(library)
    inner = make_pipeline(prepare(), ReweightedClassifier(LogisticRegression()))
    model = SensitiveRouter(inner, sensitive_features="sex").fit(X, y)
    without = X.drop(columns="sex") if library == "pandas" else X.drop("sex")
    np.testing.assert_array_equal(model.predict(without), model.predict(X))
    numbers = np.column_stack([X["age"], X["skill"], np.asarray(X["sex"]) == "F"])
    by_index = SensitiveRouter(ReweightedClassifier(LogisticRegression()), sensitive_features=2)
    by_index.fit(numbers, y)
    np.testing.assert_array_equal(by_index.predict(numbers[:, :2]), by_index.predict(numbers))
    asks = SensitiveRouter(make_pipeline(prepare(), AsksAtPredict()), sensitive_features="sex").fit(X, y)
    with pytest.raises(ValueError, match="The sensitive column 'sex' is not in X"):
        asks.predict(without)


class Refuses(ClassifierMixin, BaseEstimator):
    """A classifier that fails with an error of its own."""

    __metadata_request__fit = {"sensitive_features": True}

    def __init__(self, error=None):
        self.error = error

    def fit(self, X, y, sensitive_features=None):
        raise self.error


@pytest.mark.parametrize(
    ("error", "is_explained"),
    [
        (KeyError("sex"), True),
        (ValueError("A column ('sex') is gone"), True),
        (ValueError("columns are missing: {'gender'}"), True),
        (KeyError("['gender'] not in index"), True),
        (IndexError("index 4 is out of bounds for axis 1 with size 4"), True),
        (ValueError("X has 5 features, but StandardScaler is expecting 4 features as input."), True),
        (TypeError("Adam.__init__() got an unexpected keyword argument 'wd'"), False),
        (KeyError("Key 'valid_acc' was not found in history."), False),
        (ValueError("essex sexes: no word of the column"), False),
        (ValueError("n_estimators must be positive"), False),
    ],
    ids=lambda value: str(value)[:30],
)
def test_only_errors_about_columns_are_said_to_be_about_the_dropped_one(error, is_explained):
    X, y = people()
    model = SensitiveRouter(make_pipeline(prepare(), Refuses(error)), sensitive_features="sex")
    with pytest.raises(type(error)) as caught:
        model.fit(X, y)
    notes = [note for note in getattr(caught.value, "__notes__", []) if "sensitive column" in note]
    assert bool(notes) == is_explained


@pytest.mark.parametrize("columns", [["sex", "town"], [3, 4]], ids=["names", "positions"])
def test_a_blind_policy_says_it_of_columns_that_the_transformer_asks_for(columns, library):
    X, y = people(library)
    greedy = make_pipeline(make_column_transformer((OneHotEncoder(), columns)), LogisticRegression())
    model = GroupThresholdOptimizer(greedy, sensitive_features="sex", policy="blind")
    with pytest.raises((ValueError, IndexError)) as caught:
        model.fit(X, y)
    assert "had taken the sensitive column ('sex') out of X" in caught.value.__notes__[0]


def test_a_step_that_wants_the_dropped_column_is_told_who_took_it():
    X, y = people()
    greedy = make_column_transformer((OneHotEncoder(), ["sex", "town"]))
    model = SensitiveRouter(make_pipeline(greedy, AsksAtPredict()), sensitive_features="sex")
    with pytest.raises(ValueError, match="sex") as caught:
        model.fit(X, y)
    assert "had taken the sensitive column ('sex') out of X" in caught.value.__notes__[0]
    model.set_params(keep_sensitive=True).fit(X, y)
