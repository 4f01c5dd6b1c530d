"""What users request in scikit-learn's metadata routing is heard: by inner models, and by splitters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV, GroupKFold, LeaveOneGroupOut, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fairsk import (
    ConstrainedClassifier,
    ConstrainedRegressor,
    GroupCalibratedClassifier,
    GroupThresholdOptimizer,
    PredictionRepair,
    ReweightedClassifier,
    ScoreRepair,
    SensitiveRouter,
)
from fairsk.model_selection import GroupStratifiedKFold
from fairsk.scoring import make_group_scorer

N = 300
RNG = np.random.default_rng(0)
SEX = RNG.integers(0, 2, N)
SKILL = RNG.normal(size=N) + SEX
X = np.column_stack([SKILL, RNG.normal(size=N)])
FRAME = pd.DataFrame(X, columns=["skill", "luck"]).assign(sex=SEX)
Y = (SKILL + RNG.normal(size=N) > 0.5).astype(int)
WEIGHTS = RNG.random(N) * 5
SITE = np.arange(N) % 4

CROSS_FITTED = [GroupThresholdOptimizer, ScoreRepair, GroupCalibratedClassifier]
each = pytest.mark.parametrize("kind", CROSS_FITTED)


def told(estimator, **requests):
    """Return an estimator with fit requests, which can be made with routing enabled only."""
    with sklearn.config_context(enable_metadata_routing=True):
        return estimator.set_fit_request(**requests)


# --- weights that an inner model is not to get -----------------------------------------------------------


@each
def test_a_model_that_declines_weights_is_fitted_without(kind, routing):
    inner = told(LogisticRegression(), sample_weight=False)
    model = kind(inner).fit(X, Y, sensitive_features=SEX, sample_weight=WEIGHTS)
    np.testing.assert_allclose(model.estimator_.coef_, LogisticRegression().fit(X, Y).coef_)
    by_pipeline = kind(make_pipeline(StandardScaler(), inner))
    by_pipeline.fit(X, Y, sensitive_features=SEX, sample_weight=WEIGHTS)
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    np.testing.assert_allclose(by_pipeline.estimator_[-1].coef_, plain[-1].coef_)


@each
def test_a_model_of_which_nothing_is_said_is_weighted(kind, routing):
    for inner in (LogisticRegression(), told(LogisticRegression(), sample_weight=True)):
        model = kind(inner).fit(X, Y, sensitive_features=SEX, sample_weight=WEIGHTS)
        wanted = LogisticRegression().fit(X, Y, WEIGHTS)
        np.testing.assert_allclose(model.estimator_.coef_, wanted.coef_)


def test_thresholds_are_weighed_all_the_same():
    """All the weight on the rows of one half: the thresholds are those of that half."""
    half = np.arange(N) < N // 2
    fitted = LogisticRegression().fit(X, Y)
    inner = told(LogisticRegression(), sample_weight=False)
    weighted = GroupThresholdOptimizer(inner).fit(
        X, Y, sensitive_features=SEX, sample_weight=half.astype(float)
    )
    np.testing.assert_allclose(weighted.estimator_.coef_, fitted.coef_)
    assert weighted.report_.counts.n.sum() == half.sum()


def test_of_two_models_the_one_that_declines_is_left_out(routing):
    declines = told(LogisticRegression(), sample_weight=False)
    vote = VotingClassifier([("plain", declines), ("weighted", LogisticRegression())], voting="soft")
    model = GroupThresholdOptimizer(vote).fit(X, Y, sensitive_features=SEX, sample_weight=WEIGHTS)
    plain, weighted = model.estimator_.estimators_
    np.testing.assert_allclose(plain.coef_, LogisticRegression().fit(X, Y).coef_)
    np.testing.assert_allclose(weighted.coef_, LogisticRegression().fit(X, Y, WEIGHTS).coef_)


def test_a_model_under_a_bound_that_declines_weights_is_refused(routing):
    """Prices reach it as weights; without them it would be fitted to flipped labels alone."""
    inner = told(LogisticRegression(), sample_weight=False)
    for estimator in (inner, make_pipeline(StandardScaler(), inner)):
        model = ConstrainedClassifier(estimator, cv=2, max_difference=0.1)
        with pytest.raises(ValueError, match=r"Weights cannot change .* says set_fit_request\(sample_weight"):
            model.fit(X, Y, sensitive_features=SEX, sample_weight=WEIGHTS)


def test_reweighting_a_model_that_declines_weights_is_refused(routing):
    inner = told(LogisticRegression(), sample_weight=False)
    for model in (
        ReweightedClassifier(inner),
        ReweightedClassifier(make_pipeline(StandardScaler(), inner)),
        GroupThresholdOptimizer(ReweightedClassifier(inner)),
    ):
        with pytest.raises(ValueError, match=r"Weights cannot change .* says set_fit_request\(sample_weight"):
            model.fit(X, Y, sensitive_features=SEX, sample_weight=WEIGHTS)


def test_a_router_leaves_the_weights_out_of_a_model_that_declines_them(routing):
    inner = told(SGDClassifier(random_state=0), sample_weight=False)
    asks = ReweightedClassifier(KNeighborsClassifier())
    vote = VotingClassifier([("asks", asks), ("declines", inner)])
    model = SensitiveRouter(vote).fit(X, Y, sensitive_features=SEX, sample_weight=WEIGHTS)
    plain = SGDClassifier(random_state=0).fit(X, Y)
    np.testing.assert_allclose(model.estimator_.estimators_[1].coef_, plain.coef_)


class AmountWitness(LinearRegression):
    """A regressor whose predictions are made for sites that it was not fitted to."""

    def fit(self, X, y, sample_weight=None):
        self.sites_ = set(X[:, -1].astype(int))
        self.weighted_ = sample_weight is not None
        return super().fit(X, y, sample_weight)

    def predict(self, X):
        assert not self.sites_ & set(X[:, -1].astype(int))
        return super().predict(X)


def test_regressors_hear_the_same_requests(routing):
    """The splitter gets its groups, and a model that declines weights is fitted without."""
    rows, y = np.column_stack([X, SITE]), SKILL + Y
    repair = PredictionRepair(told(AmountWitness(), sample_weight=False), cv=GroupKFold(4))
    repair.fit(rows, y, sensitive_features=SEX, groups=SITE, sample_weight=WEIGHTS)
    assert len(repair.estimator_.models) == 4
    for model in repair.estimator_.models:
        assert not model.weighted_
        seen = np.isin(SITE, list(model.sites_))
        np.testing.assert_allclose(model.coef_, LinearRegression().fit(rows[seen], y[seen]).coef_)
    for kind in (PredictionRepair, lambda inner, cv: ConstrainedRegressor(inner, max_difference=9.0, cv=cv)):
        with pytest.raises(ValueError, match="groups"):
            kind(AmountWitness(), cv=GroupKFold(4)).fit(rows, y, sensitive_features=SEX)
        kind(AmountWitness(), cv=GroupKFold(4)).fit(rows, y, sensitive_features=SEX, groups=SITE)


# --- frozen models ----------------------------------------------------------------------------------------


@each
@pytest.mark.parametrize(
    "inner", [LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression())]
)
def test_a_frozen_model_that_was_never_fitted(kind, inner):
    with pytest.raises(NotFittedError, match=f"The {type(inner).__name__} inside FrozenEstimator is not fit"):
        kind(FrozenEstimator(inner)).fit(X, Y, sensitive_features=SEX)
    with pytest.raises(NotFittedError, match="not fitted"):
        kind(FrozenEstimator(FrozenEstimator(inner))).fit(X, Y, sensitive_features=SEX)


def test_a_frozen_model_that_was_never_fitted_in_all_the_others():
    frozen = FrozenEstimator(LogisticRegression())
    for model in (
        ReweightedClassifier(frozen),
        GroupThresholdOptimizer(frozen, policy="blind"),
        SensitiveRouter(FrozenEstimator(ReweightedClassifier(LogisticRegression()))),
    ):
        with pytest.raises(NotFittedError, match="inside FrozenEstimator is not fitted"):
            model.fit(X, Y, sensitive_features=SEX)


def test_weights_do_not_change_a_frozen_model():
    frozen = FrozenEstimator(LogisticRegression().fit(X, Y))
    with pytest.raises(ValueError, match="Weights cannot change FrozenEstimator: it is not fitted again"):
        ReweightedClassifier(frozen).fit(X, Y, sensitive_features=SEX)


def test_a_frozen_model_without_classes():
    frozen = FrozenEstimator(StandardScaler().fit(X))
    frozen.predict = frozen.predict_proba = lambda X: X  # has the methods, but is no classifier
    model = GroupThresholdOptimizer(frozen)
    with pytest.raises(ValueError, match="StandardScaler inside FrozenEstimator has no classes_"):
        model.fit(X, Y, sensitive_features=SEX)


# --- splitters --------------------------------------------------------------------------------------------


class Witness(LogisticRegression):
    """A classifier whose scores say which sites it was fitted to."""

    def fit(self, X, y, sample_weight=None):
        self.sites_ = set(X[:, -1].astype(int))
        return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        assert not self.sites_ & set(X[:, -1].astype(int)) or len(self.sites_) == 4
        return super().predict_proba(X)


def test_metadata_of_the_splitter_reach_a_model_under_a_bound(routing):
    rows = np.column_stack([X, SITE])
    model = ConstrainedClassifier(Witness(), cv=GroupKFold(4), max_difference=0.5)
    model.fit(rows, Y, sensitive_features=SEX, groups=SITE)
    assert all(len(fold.sites_) == 3 for fold in model.estimator_.scorer.models)
    with pytest.raises(ValueError, match="groups"):
        model.fit(rows, Y, sensitive_features=SEX)


@each
def test_groups_reach_the_splitter(kind, routing):
    rows = np.column_stack([X, SITE])
    model = kind(Witness(), cv=GroupKFold(4)).fit(rows, Y, sensitive_features=SEX, groups=SITE)
    assert model.estimator_.sites_ == {0, 1, 2, 3}
    with pytest.raises(ValueError, match="groups"):
        kind(Witness(), cv=GroupKFold(4)).fit(rows, Y, sensitive_features=SEX)


@pytest.mark.parametrize("kind", [*CROSS_FITTED, "blind", ConstrainedClassifier])
@pytest.mark.parametrize("column", [False, True])
def test_sensitive_values_reach_the_splitter(kind, column, routing):
    """The splitter that names no column gets the values that the estimator uses, wherever they are from."""
    params = {"cv": GroupStratifiedKFold(3), "sensitive_features": "sex" if column else None}
    if kind == "blind":
        kind, params = GroupThresholdOptimizer, {"policy": "blind", **params}
    metadata = {} if column else {"sensitive_features": SEX}
    model = kind(LogisticRegression(), **params).fit(FRAME if column else X, Y, **metadata)
    same = kind(LogisticRegression(), **{**params, "cv": 3}).fit(FRAME if column else X, Y, **metadata)
    rows = FRAME if column else X
    at_predict = {} if column else {"sensitive_features": SEX}
    assert model.predict(rows, **at_predict).tolist() == same.predict(rows, **at_predict).tolist()


def test_a_splitter_that_names_its_own_column_keeps_it():
    seen = []

    class Records(GroupStratifiedKFold):
        def split(self, X, y, groups=None):
            seen.append(groups)
            return super().split(X, y, groups)

    people = FRAME.assign(site=SITE)
    cv = Records(3, sensitive_features="site")
    GroupThresholdOptimizer(LogisticRegression(), sensitive_features="sex", cv=cv).fit(people, Y)
    assert seen == [None]
    # The blind policy keeps the column from the models, but not from the splitter.
    cv = Records(3, sensitive_features="sex")
    GroupThresholdOptimizer(LogisticRegression(), sensitive_features="sex", cv=cv, policy="blind").fit(
        people, Y
    )
    assert seen == [None, None]


def test_a_splitter_by_the_sensitive_values_under_another_name():
    with sklearn.config_context(enable_metadata_routing=True):
        cv = LeaveOneGroupOut().set_split_request(groups="sensitive_features")
    model = ScoreRepair(LogisticRegression(), cv=cv).fit(X, Y, sensitive_features=SEX)
    assert model.groups_ == (0, 1)


def test_metadata_of_the_splitter_come_through_scikit_learns_tools():
    model = GroupThresholdOptimizer(LogisticRegression(), cv=GroupKFold(2))
    with sklearn.config_context(enable_metadata_routing=True):
        scores = cross_validate(
            model,
            X,
            Y,
            params={"sensitive_features": SEX, "groups": SITE},
            scoring=make_group_scorer("accuracy", comparison="overall"),
            cv=GroupKFold(2),
            error_score="raise",
        )
    assert (scores["test_score"] > 0.5).all()


def test_an_inner_search_by_groups_gets_them_too(routing):
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=GroupKFold(3), error_score="raise")
    model = GroupThresholdOptimizer(search, cv=GroupKFold(4))
    model.fit(X, Y, sensitive_features=SEX, groups=SITE)
    assert model.estimator_.n_splits_ == 3


def test_what_the_splitter_does_not_ask_for_goes_to_the_model(routing):
    model = GroupThresholdOptimizer(SGDClassifier(loss="log_loss", random_state=0), cv=GroupKFold(4))
    model.fit(X, Y, sensitive_features=SEX, groups=SITE, coef_init=np.zeros((1, 2)))
    assert model.estimator_.coef_.shape == (1, 2)
