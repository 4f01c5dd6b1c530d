"""ConstrainedClassifier around LightGBM and XGBoost: which road is taken, in searches and pipelines too."""

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from toy_data import people

from fairsk import ConstrainedClassifier

LEARNERS = ["lightgbm", "xgboost"]


def make_learner(library, **params):
    module = pytest.importorskip(library)
    if library == "xgboost":
        return module.XGBClassifier(**{"n_estimators": 8, "max_depth": 3, "n_jobs": 1} | params)
    return module.LGBMClassifier(**{"n_estimators": 8, "num_leaves": 6, "n_jobs": 1, "verbose": -1} | params)


def encode():
    texts = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    selected = make_column_selector(dtype_exclude="number")
    return make_column_transformer((texts, selected), remainder="passthrough")


def constrained(estimator, **params):
    defaults = {"sensitive_features": "sex", "cv": 3, "max_difference": 0.1, "random_state": 0}
    return ConstrainedClassifier(estimator, **defaults | params)


@pytest.fixture(scope="module")
def applicants():
    return people(n=600)


@pytest.fixture(scope="module")
def numbers(applicants):
    """Rows whose labels are numbers, which XGBoost itself needs."""
    X, y = applicants
    return X[["age", "skill", "sex"]], (np.asarray(y) == "yes").astype(int)


def check_decisions(model, X):
    """See that pickled models decide alike, without the attribute, and that scores are on the right side."""
    labels = model.predict(X)
    assert len(set(labels)) == 2
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X.drop(columns="sex")), labels)
    np.testing.assert_array_equal(labels == model.classes_[1], model.decision_function(X) >= 0)
    np.testing.assert_array_equal(labels == model.classes_[1], model.predict_proba(X)[:, 1] >= 0.5)


@pytest.mark.parametrize("library", LEARNERS)
@pytest.mark.parametrize("place", ["alone", "pipeline", "nested"])
def test_auto_boosts(library, place, applicants):
    X, y = applicants
    learner = make_learner(library)
    if place == "alone":
        X, estimator = X[["age", "skill", "sex"]], learner
    elif place == "pipeline":
        estimator = make_pipeline(encode(), learner)
    else:
        estimator = make_pipeline(encode(), make_pipeline("passthrough", learner))
    model = constrained(estimator).fit(X, y)
    assert model.engine_ == "boosting"
    assert model.report_.disparity <= 0.1
    check_decisions(model, X)


@pytest.mark.parametrize(
    ("make_estimator", "reason"),
    [
        (lambda: CalibratedClassifierCV(make_learner("lightgbm"), cv=2), "open to any classifier"),
        (lambda: make_learner("xgboost", booster="dart"), "booster='dart' cannot"),
        (lambda: make_learner("lightgbm", boosting_type="dart"), "boosting_type='dart' cannot"),
        (
            lambda: pytest.importorskip("xgboost").XGBRFClassifier(n_estimators=5, max_depth=3, n_jobs=1),
            "open",
        ),
    ],
    ids=["calibrated", "xgboost_dart", "lightgbm_dart", "forest"],
)
def test_auto_reduces_what_cannot_be_boosted(make_estimator, reason, numbers):
    X, y = numbers
    model = constrained(make_estimator(), max_models=2).fit(X, y)
    assert model.engine_ == "reduction"
    assert reason in model.report_.reason
    check_decisions(model, X)


@pytest.mark.parametrize("library", LEARNERS)
def test_boosting_is_refused_with_the_reason(library, numbers):
    name = "booster" if library == "xgboost" else "boosting_type"
    model = constrained(make_learner(library, **{name: "dart"}), engine="boosting")
    with pytest.raises(ValueError, match=f"{name}='dart' cannot be boosted under a bound"):
        model.fit(*numbers)


@pytest.mark.parametrize("library", LEARNERS)
def test_in_a_search_and_in_cross_validation(library, applicants):
    X, y = applicants
    estimator = make_pipeline(encode(), make_learner(library, n_estimators=6))
    (name, _) = estimator.steps[-1]
    grid = {f"estimator__{name}__max_depth": [2], "max_difference": [0.2]}
    search = GridSearchCV(constrained(estimator), grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_estimator_.engine_ == "boosting"
    check_decisions(search.best_estimator_, X)
    results = cross_validate(search.best_estimator_, X, y, cv=2, error_score="raise")
    assert np.isfinite(results["test_score"]).all()


@pytest.mark.parametrize("library", LEARNERS)
def test_threads_change_nothing(library, numbers):
    X, y = numbers
    learner = make_learner(library, subsample=0.7, **({"subsample_freq": 1} if library == "lightgbm" else {}))
    one, two = (constrained(learner, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2))
    np.testing.assert_array_equal(one.decision_function(X), two.decision_function(X))


class AsksForGroups(TransformerMixin, BaseEstimator):
    """Keeps the groups that it is fitted to."""

    def fit(self, X, y=None, sensitive_features=None):
        self.groups_ = sensitive_features
        return self

    def transform(self, X):
        return X


@pytest.mark.parametrize("routing", [False, True], ids=["routing_off", "routing_on"])
@pytest.mark.parametrize("library", LEARNERS)
def test_transformers_get_the_groups_that_they_ask_for(library, routing, numbers):
    X, y = numbers
    with config_context(enable_metadata_routing=True):
        asking = AsksForGroups().set_fit_request(sensitive_features=True)
    with config_context(enable_metadata_routing=routing):
        model = constrained(make_pipeline(asking, make_learner(library))).fit(X, y)
    fitted = [fold.transformers[0].groups_ for fold in model.estimator_.scorer.models]
    assert sorted(np.concatenate(fitted)) == sorted([*X["sex"], *X["sex"]])  # two folds of three see a row
    check_decisions(model, X)


@pytest.mark.parametrize("library", LEARNERS)
def test_eval_set_is_not_needed(library, numbers):
    X, y = numbers
    learner = make_learner(library)
    with pytest.raises(ValueError, match="eval_set is not needed"):
        constrained(learner).fit(X, y, eval_set=[(X, y)])
    pipeline = make_pipeline("passthrough", learner)
    with pytest.raises(ValueError, match="eval_set is not needed"):
        constrained(pipeline).fit(X, y, **{f"{pipeline.steps[-1][0]}__eval_set": [(X, y)]})


# --- parameters that speak of the second label ------------------------------------------------------------


@pytest.mark.parametrize("pos_label", ["no", "yes"])
@pytest.mark.parametrize("library", LEARNERS)
def test_monotone_constraints_are_about_the_second_label(library, pos_label, applicants):
    """Whichever label is the positive one: chances of "yes" fall with age."""
    X, y = applicants
    X = X[["age", "skill", "sex"]]
    learner = make_learner(library, monotone_constraints=(-1, 0), n_estimators=20)
    model = constrained(learner, pos_label=pos_label, max_difference=0.5).fit(X, y)
    ages = np.arange(20, 65)
    moves = [
        np.diff(model.predict_proba(X.iloc[: len(ages)].assign(age=ages, skill=skill))[:, 1])
        for skill in (-1.0, 0.0, 1.0)
    ]
    assert np.max(moves) <= 1e-6
    assert np.min(moves) < -1e-3


@pytest.mark.parametrize("constraint", ["demographic_parity", "equalized_odds"])
@pytest.mark.parametrize("library", LEARNERS)
def test_boosters_without_prices_learn_the_same_whichever_label_is_positive(library, constraint, numbers):
    """With nothing to bound, prices are 0, and the scores of one are those of the other, negated."""
    X, y = numbers
    learner = make_learner(library, scale_pos_weight=3.0)
    one, other = (
        constrained(learner, constraint=constraint, pos_label=label, max_difference=1.0)
        .fit(X, y)
        .estimator_.scorer.scores(X.drop(columns="sex"))
        for label in (0, 1)
    )
    assert np.ptp(one) > 0.5
    np.testing.assert_allclose(one, -other, rtol=1e-4, atol=1e-4)
