"""Reweighting: exactly equal weighted label rates, delivered wherever the weights have to go."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn.pipeline import make_pipeline as make_imblearn_pipeline
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostClassifier, RandomForestClassifier, VotingClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from toy_data import logistic, make_people, people, prepare

from fairsk import FairResampler, Reweigher, ReweightedClassifier
from fairsk.metrics import demographic_parity_difference


def weighted_label_rates(y, groups, weights, label="yes"):
    return [np.average(y[groups == g] == label, weights=weights[groups == g]) for g in np.unique(groups)]


@pytest.mark.parametrize("given", [None, "weights"])
def test_weighted_label_rates_are_equal_in_all_groups_exactly(given):
    columns, y = make_people(n=997)
    groups = np.char.add(columns["sex"], columns["race"])
    start = None if given is None else np.random.default_rng(0).random(997)
    reweigher = Reweigher().fit(np.zeros((997, 1)), y, sensitive_features=groups, sample_weight=start)
    weights = reweigher.sample_weight(y, sensitive_features=groups, sample_weight=start)
    rates = weighted_label_rates(y, groups, weights)
    np.testing.assert_allclose(rates, rates[0], rtol=1e-13)
    mass = np.ones(997) if start is None else start
    assert weights.sum() == pytest.approx(mass.sum())
    for g in np.unique(groups):  # every group keeps its total weight
        assert weights[groups == g].sum() == pytest.approx(mass[groups == g].sum())


def test_the_formula_of_kamiran_and_calders_by_hand():
    sex = np.array(["f"] * 4 + ["m"] * 6)
    y = np.array([1, 0, 0, 0, 1, 1, 1, 1, 0, 0])
    reweigher = Reweigher().fit(sex.reshape(-1, 1), y, sensitive_features=sex)
    # W(f, 0) = P(f) P(0) / P(f, 0) = .4 * .5 / .3
    np.testing.assert_allclose(reweigher.weights_, [[0.4 * 0.5 / 0.3, 0.4 * 0.5 / 0.1], [1.5, 0.75]])
    assert reweigher.groups_ == ("f", "m")


def test_more_than_two_labels():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 3, 300)
    y = (rng.integers(0, 3, 300) + groups) % 3 + 10
    reweigher = Reweigher().fit(groups.reshape(-1, 1), y, sensitive_features=groups)
    weights = reweigher.sample_weight(y, sensitive_features=groups)
    for label in (10, 11, 12):
        rates = weighted_label_rates(y, groups, weights, label)
        np.testing.assert_allclose(rates, rates[0])


def test_transform_gives_back_the_same_object_and_stands_in_a_pipeline():
    X, y = people()
    reweigher = Reweigher(sensitive_features="sex").fit(X, y)
    assert reweigher.transform(X) is X
    assert list(reweigher.get_feature_names_out()) == list(X.columns)
    assert make_pipeline(Reweigher(sensitive_features="sex"), logistic()).fit(X, y).score(X, y) > 0.6


def test_a_group_that_lacks_a_label_is_named():
    with pytest.warns(UserWarning, match="Group b has no rows with the label 1"):
        reweigher = Reweigher().fit(np.zeros((4, 1)), [0, 1, 0, 0], sensitive_features=list("aabb"))
    with pytest.raises(ValueError, match="Group b has rows with a label that it did not have in fit"):
        reweigher.sample_weight([1], sensitive_features=["b"])
    with pytest.raises(ValueError, match=r"groups that did not occur in fit: c\. They have no weight"):
        reweigher.sample_weight([1], sensitive_features=["c"])


def by_hand(X, y):
    """Fit the logistic pipeline with fair weights in its last step."""
    weights = Reweigher().fit(X, y, sensitive_features=X["sex"]).sample_weight(y, sensitive_features=X["sex"])
    return logistic().fit(X, y, logisticregression__sample_weight=weights)


def last_coefficients(model):
    while hasattr(model, "steps"):
        model = model.steps[-1][1]
    return model.coef_


@pytest.mark.parametrize(
    "wrap",
    [lambda pipe: pipe, make_pipeline, lambda pipe: make_pipeline(make_pipeline("passthrough", pipe))],
    ids=["pipeline", "nested", "nested twice"],
)
def test_weights_reach_the_last_step_and_no_other(wrap, routing):
    X, y = people()
    expected = make_pipeline(prepare(), LogisticRegression())
    weights = Reweigher().fit(X, y, sensitive_features=X["sex"]).sample_weight(y, sensitive_features=X["sex"])
    features = prepare().fit_transform(X)  # StandardScaler inside takes no weights
    expected = LogisticRegression().fit(features, y, sample_weight=weights)
    model = ReweightedClassifier(wrap(logistic()), sensitive_features="sex").fit(X, y)
    np.testing.assert_allclose(last_coefficients(model.estimator_), expected.coef_)
    # the user's own pipeline carries no request afterwards
    assert not hasattr(model.estimator, "_metadata_request")


def test_a_pipeline_with_memory_gives_the_same(tmp_path, routing):
    X, y = people()
    expected = ReweightedClassifier(logistic(), sensitive_features="sex").fit(X, y)
    cached = make_pipeline(prepare(), LogisticRegression(), memory=str(tmp_path))
    for _ in range(2):
        model = ReweightedClassifier(cached, sensitive_features="sex").fit(X, y)
        np.testing.assert_allclose(model.predict_proba(X), expected.predict_proba(X))


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(10, max_depth=4, random_state=0),
        CalibratedClassifierCV(LogisticRegression(), cv=3),
        VotingClassifier([("a", LogisticRegression()), ("b", RandomForestClassifier(5, random_state=0))]),
        KNeighborsClassifier(15),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_weights_change_what_any_estimator_learns(estimator, routing):
    X, y = people(n=1500)
    numbers = X[["age", "skill"]].assign(male=(X["sex"] == "M").astype(int))
    model = ReweightedClassifier(estimator, sensitive_features="male", random_state=0).fit(numbers, y)
    plain = estimator.fit(numbers, y)

    def gap(fitted):
        return demographic_parity_difference(
            y, fitted.predict(numbers), sensitive_features=numbers["male"], pos_label="yes"
        )

    assert gap(model) < gap(plain) - 0.03


def test_an_estimator_that_refuses_routing_gets_its_weights(routing):
    """AdaBoost raises on any metadata while routing is on; the weights are handed over all the same."""
    X, y = people()
    numbers = X[["age", "skill"]]
    boost = AdaBoostClassifier(n_estimators=5, random_state=0)
    model = ReweightedClassifier(boost).fit(numbers, y, sensitive_features=X["sex"])
    weights = Reweigher().fit(X, y, sensitive_features=X["sex"]).sample_weight(y, sensitive_features=X["sex"])
    with sklearn.config_context(enable_metadata_routing=False):
        boost.fit(numbers, y, sample_weight=weights)
    np.testing.assert_array_equal(model.predict_proba(numbers), boost.predict_proba(numbers))


def test_an_estimator_without_weights_is_resampled_reproducibly():
    X, y = people()
    model = ReweightedClassifier(
        make_pipeline(prepare(), KNeighborsClassifier()), sensitive_features="sex", random_state=3
    )
    once, again = model.fit(X, y).predict_proba(X), model.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, model.set_params(random_state=4).fit(X, y).predict_proba(X))


def test_the_weights_that_rows_come_with_are_multiplied(routing):
    X, y = people()
    given = np.random.default_rng(0).integers(1, 4, len(y))
    model = ReweightedClassifier(logistic(), sensitive_features="sex")
    weighted = model.fit(X, y, sample_weight=given).estimator_[-1].coef_
    rows = np.repeat(np.arange(len(y)), given)
    features = prepare().fit(X)  # the scaler sees every row once, weights or not
    weights = Reweigher().fit(X, y, sensitive_features=X["sex"], sample_weight=given)
    fair = weights.sample_weight(y, sensitive_features=X["sex"], sample_weight=given)
    expected = LogisticRegression().fit(features.transform(X), y, sample_weight=fair)
    np.testing.assert_allclose(weighted, expected.coef_)
    repeated = Reweigher().fit(X.iloc[rows], y[rows], sensitive_features=X["sex"].iloc[rows])
    np.testing.assert_allclose(weights.weights_, repeated.weights_)


@pytest.mark.skipif(sklearn.__version__ < "1.7", reason="its scorers take no weights unasked yet")
def test_a_search_inside_that_cannot_pass_weights_on_is_sent_outside():
    X, y = people()
    search = GridSearchCV(logistic(), {"logisticregression__C": [0.1, 1]}, scoring="accuracy", cv=2)
    model = ReweightedClassifier(search, sensitive_features="sex")
    with pytest.raises(ValueError, match="put the fair estimator inside the search instead") as caught:
        model.fit(X, y)
    assert isinstance(caught.value.__cause__, UnsetMetadataPassedError)


def test_metadata_overrides_the_column(routing):
    X, y = people()
    by_race = ReweightedClassifier(logistic(), sensitive_features="race").fit(X, y)
    given = ReweightedClassifier(logistic(), sensitive_features="sex").fit(X, y, sensitive_features=X["race"])
    np.testing.assert_array_equal(given.predict_proba(X), by_race.predict_proba(X))


def test_texts_pass_through_untouched():
    from sklearn.feature_extraction.text import CountVectorizer

    texts = ["good work", "bad work", "good day", "bad day"] * 10
    y, groups = np.array([1, 0, 1, 0] * 10), ["a", "a", "b", "b"] * 10
    model = ReweightedClassifier(make_pipeline(CountVectorizer(), LogisticRegression()))
    assert model.fit(texts, y, sensitive_features=groups).score(texts, y) == 1.0


# --- FairResampler --------------------------------------------------------------------------------------


def test_resampled_label_rates_are_equal_up_to_rounding(library):
    X, y = people(library, n=1000)
    X_fair, y_fair = FairResampler(sensitive_features="sex", random_state=0).fit_resample(X, y)
    assert type(X_fair) is type(X)
    assert len(X_fair) == len(y_fair) == pytest.approx(1000, abs=2)
    rates = weighted_label_rates(y_fair, np.asarray(X_fair["sex"]), np.ones(len(y_fair)))
    assert abs(rates[0] - rates[1]) < 0.005


def test_resampling_repeats_no_row_needlessly_and_keeps_their_order():
    X, y = people(n=1000)
    sampler = FairResampler(sensitive_features="sex", random_state=0)
    X_fair, _ = sampler.fit_resample(X, y)
    rows = sampler.sample_indices_
    assert np.all(np.diff(rows) >= 0)
    pd.testing.assert_frame_equal(X_fair, X.iloc[rows])
    copies = np.bincount(rows, minlength=1000)
    for sex in ("F", "M"):
        for label in ("yes", "no"):
            own = copies[(X["sex"] == sex) & (y == label)]
            assert own.max() - own.min() <= 1
    again = FairResampler(sensitive_features="sex", random_state=0)
    again.fit_resample(X, y)
    np.testing.assert_array_equal(rows, again.sample_indices_)


def test_in_an_imbalanced_learn_pipeline():
    X, y = people(n=1000)
    numbers = X[["age", "skill"]].assign(male=(X["sex"] == "M").astype(int))
    sampler = FairResampler(sensitive_features="male", random_state=0)
    pipe = make_imblearn_pipeline(sampler, StandardScaler(), LogisticRegression())
    assert cross_val_score(pipe, numbers, y, cv=3, error_score="raise").mean() > 0.6
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(numbers, y)

    def gap(model):
        return demographic_parity_difference(
            y, model.predict(numbers), sensitive_features=X["sex"], pos_label="yes"
        )

    assert gap(pipe.fit(numbers, y)) < gap(plain) - 0.1


def test_arrays_and_scalers_before_it():
    columns, y = make_people()
    X = np.column_stack([columns["age"], columns["skill"], columns["sex"] == "F"])
    model = ReweightedClassifier(make_pipeline(StandardScaler(), LogisticRegression()), sensitive_features=2)
    assert model.fit(X, y).n_features_in_ == 3
    with pytest.raises(ValueError, match="The sensitive column 3 is not in X, which has 3 columns"):
        model.set_params(sensitive_features=3).fit(X, y)
    with pytest.raises(ValueError, match="X is an array without column names"):
        model.set_params(sensitive_features="sex").fit(X, y)


class Custom(Reweigher):
    """A reweigher of the user's own, which returns what it is told."""

    def __init__(self, answer=None):
        super().__init__()
        self.answer = answer

    def sample_weight(self, y, sensitive_features, sample_weight=None):
        return self.answer


def test_weights_of_a_reweigher_of_ones_own_are_checked():
    X, y = people()
    for answer in (np.ones(3), np.full(len(y), np.nan), -np.ones(len(y)), "ones"):
        model = ReweightedClassifier(logistic(), sensitive_features="sex", reweigher=Custom(answer))
        with pytest.raises(
            ValueError, match=r"reweigher.sample_weight returned weights that cannot be used: s"
        ):
            model.fit(X, y)
    with pytest.raises(ValueError, match=r"reweigher.sample_weight returned None"):
        ReweightedClassifier(logistic(), sensitive_features="sex", reweigher=Custom()).fit(X, y)
    plain = ReweightedClassifier(logistic(), sensitive_features="sex", reweigher=Custom([1] * len(y))).fit(
        X, y
    )
    np.testing.assert_allclose(plain.predict_proba(X), logistic().fit(X, y).predict_proba(X))
