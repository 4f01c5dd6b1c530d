"""Several sensitive columns after ``fit``: matched by name in frames, by position in arrays."""

from __future__ import annotations

import pickle
import warnings
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from fairsk import (
    ConstrainedClassifier,
    ConstrainedRegressor,
    FairClassifier,
    GroupCalibratedClassifier,
    GroupThresholdOptimizer,
    PredictionRepair,
    Reweigher,
    ReweightedClassifier,
    ScoreRepair,
    SensitiveRouter,
)
from fairsk._core.columns import sensitive_columns
from fairsk.repair import ConceptEraser, DistributionRepairer, GaussianRepairer

N = 300
RNG = np.random.default_rng(0)
#: Columns with the same values 0 and 1, so that a swapped pair is not seen by its values.
WHO = {"sex": RNG.integers(0, 2, N), "race": RNG.integers(0, 2, N), "old": RNG.integers(0, 2, N)}
ORDER = list(WHO)
SKILL = RNG.normal(size=N) + WHO["sex"] - 2 * WHO["race"]
X = np.column_stack([SKILL, RNG.normal(size=N)])
Y = (SKILL + RNG.normal(size=N) > 0).astype(int)
VALUES = np.column_stack(list(WHO.values()))

#: Frames of columns that have names.
FRAMES = {
    "pandas": pd.DataFrame,
    "pandas categories": lambda columns: pd.DataFrame(columns).astype("category"),
    "pandas Int64": lambda columns: pd.DataFrame(columns).astype("Int64"),
    "pandas on Arrow": lambda columns: pd.DataFrame(columns).convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
}
#: Values without names: what stands where is all that is known.
UNNAMED = {
    "array": lambda values: values,
    "objects": lambda values: values.astype(object),
    "masked array without a mask": np.ma.masked_array,
    "rows": lambda values: values.tolist(),
    "pandas without names": pd.DataFrame,
    "polars without names": lambda values: pl.DataFrame(values, schema=[f"column_{j}" for j in range(3)]),
}


def frame(kind, names):
    return FRAMES[kind]({name: WHO[name] for name in names})


class ByFirst(ClassifierMixin, BaseEstimator):
    """Predicts the first sensitive column, which it asks for."""

    __metadata_request__fit = {"sensitive_features": True}
    __metadata_request__predict = {"sensitive_features": True}

    def fit(self, X, y, sensitive_features=None):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X, sensitive_features=None):
        return self.classes_[np.asarray(sensitive_features)[:, 0].astype(int)]


MODELS = {
    "thresholds": lambda: GroupThresholdOptimizer(LogisticRegression(), min_group_size=5, max_difference=0.3),
    "mixtures": lambda: GroupThresholdOptimizer(
        LogisticRegression(), min_group_size=5, max_difference=0.3, policy="randomized"
    ),
    "classes": lambda: GroupThresholdOptimizer(LogisticRegression(), min_group_size=5, max_difference=0.5),
    "repair": lambda: ScoreRepair(LogisticRegression()),
    "amounts": lambda: PredictionRepair(LinearRegression()),
    "calibration": lambda: GroupCalibratedClassifier(LogisticRegression(), shrinkage=5),
    "router": lambda: SensitiveRouter(ByFirst()),
    "reweighted": lambda: ReweightedClassifier(ByFirst()),
}
each_model = pytest.mark.parametrize("name", MODELS)
#: What they are fitted to, where it is not the labels.
TARGETS = {"classes": np.digitize(SKILL, [-1, 1]), "amounts": SKILL}


@cache
def fitted(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of small groups
        return MODELS[name]().fit(X, TARGETS.get(name, Y), sensitive_features=frame("pandas", ORDER))


@each_model
@given(kind=st.sampled_from(sorted(FRAMES)), order=st.permutations(ORDER))
@settings(max_examples=12)
def test_frames_are_matched_by_name(name, kind, order):
    model, wanted = fitted(name), frame("pandas", ORDER)
    who = frame(kind, order)
    for method in ("predict", "predict_proba"):
        if hasattr(model, method):
            respond = getattr(model, method)
            expected = respond(X, sensitive_features=wanted)
            np.testing.assert_array_equal(respond(X, sensitive_features=who), expected)
    score = model.score(X, TARGETS.get(name, Y), sensitive_features=wanted)
    assert model.score(X, TARGETS.get(name, Y), sensitive_features=who) == score
    if hasattr(model, "decided_rows"):
        decided = model.decided_rows(X, sensitive_features=who)
        assert decided.names == tuple(ORDER)
        assert decided.codes.tolist() == (VALUES @ [4, 2, 1]).tolist()


@each_model
@pytest.mark.parametrize("kind", UNNAMED)
def test_values_without_names_are_matched_by_position(name, kind):
    model = fitted(name)
    expected = model.predict(X, sensitive_features=frame("pandas", ORDER))
    who = UNNAMED[kind](VALUES)
    np.testing.assert_array_equal(model.predict(X, sensitive_features=who), expected)


def test_a_fit_without_names_takes_any_names_later():
    model = ScoreRepair(LogisticRegression()).fit(X, Y, sensitive_features=VALUES)
    expected = model.predict_proba(X, sensitive_features=VALUES)
    for who in (frame("pandas", ORDER), frame("polars", ORDER)):
        np.testing.assert_array_equal(model.predict_proba(X, sensitive_features=who), expected)


@each_model
def test_other_columns_are_refused(name):
    model = pickle.loads(pickle.dumps(fitted(name)))
    who = frame("pandas", ORDER).rename(columns={"sex": "gender"})
    with pytest.raises(
        ValueError, match="columns 'gender', 'race', 'old', and had 'sex', 'race', 'old' in fit"
    ):
        model.predict(X, sensitive_features=who)
    with pytest.raises(ValueError, match="the columns 'sex', 'race', and had 'sex', 'race', 'old' in fit"):
        model.predict(X, sensitive_features=who.assign(sex=WHO["sex"])[["sex", "race"]])
    with pytest.raises(ValueError, match="had 'sex', 'race', 'old' in fit: give the same columns"):
        model.predict(X, sensitive_features=VALUES[:, :2])


def test_the_message_stays_short():
    who = {f"{'very ' * 500}long name {j}": WHO["sex"] for j in range(30)}
    sensitive = sensitive_columns(None, None, pd.DataFrame(who))
    with pytest.raises(ValueError, match="has the columns") as caught:
        sensitive.in_order(tuple(name + "!" for name in who))
    assert len(str(caught.value)) < 2000


def test_one_column_needs_no_name():
    model = ScoreRepair(LogisticRegression()).fit(X, Y, sensitive_features=pd.Series(WHO["sex"], name="sex"))
    expected = model.predict_proba(X, sensitive_features=WHO["sex"])
    for who in (pd.Series(WHO["sex"], name="gender"), pl.DataFrame({"Sex": WHO["sex"]}), WHO["sex"].tolist()):
        np.testing.assert_array_equal(model.predict_proba(X, sensitive_features=who), expected)


def test_a_position_that_means_another_column_is_refused():
    people = pd.DataFrame(X, columns=["skill", "luck"]).assign(**WHO)
    inner = make_pipeline(make_column_transformer(("passthrough", ["skill", "luck"])), LogisticRegression())
    amounts = make_pipeline(make_column_transformer(("passthrough", ["skill", "luck"])), LinearRegression())
    for selector in (2, [2, 3]):
        model = GroupThresholdOptimizer(inner, sensitive_features=selector, max_difference=0.3).fit(people, Y)
        assert len(model.predict(people)) == N
        swapped = people[["skill", "luck", "old", "race", "sex"]]
        with pytest.raises(
            ValueError, match=r"has the columns 'old'(, 'race')?, and had 'sex'(, 'race')? in fit"
        ):
            model.predict(swapped)
    for selector in (2, [2, 3]):  # whose values take no part in predictions, but which are taken out
        options = {"sensitive_features": selector, "max_difference": 0.3, "cv": 2, "min_group_size": 5}
        for model in (
            GroupThresholdOptimizer(inner, policy="blind", **options),
            ConstrainedClassifier(inner, **options),
            ConstrainedRegressor(amounts, **options),
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of intervals
                model.fit(people, Y)
            assert len(model.predict(people)) == N
            with pytest.raises(ValueError, match=r"'old'(, 'race')?, and had 'sex'(, 'race')? in fit"):
                model.predict(swapped)
            model.predict(people[["skill", "luck", "old"] + (["race"] if selector == 2 else [])])
    by_name = GroupThresholdOptimizer(inner, sensitive_features="sex", max_difference=0.3).fit(people, Y)
    assert by_name.predict(swapped).tolist() == by_name.predict(people).tolist()


@pytest.mark.parametrize("make", [lambda: ConceptEraser(aware=True), GaussianRepairer, DistributionRepairer])
@given(kind=st.sampled_from(sorted(FRAMES)), order=st.permutations(ORDER))
@settings(max_examples=12)
def test_repaired_by_name(make, kind, order):
    model = make().fit(X, sensitive_features=frame("polars", ORDER))
    expected = model.transform(X, sensitive_features=VALUES)
    np.testing.assert_array_equal(model.transform(X, sensitive_features=frame(kind, order)), expected)
    with pytest.raises(ValueError, match="had 'sex', 'race', 'old' in fit"):
        model.transform(X, sensitive_features=frame(kind, order[:2]))
    people = pd.DataFrame(X, columns=["skill", "luck"]).assign(**WHO)
    by_position = make().set_params(sensitive_features=[2, 3, 4]).fit(people)
    np.testing.assert_allclose(by_position.transform(people), expected, rtol=1e-9)
    if order != ORDER:
        with pytest.raises(ValueError, match="names should match"):
            by_position.transform(people[["skill", "luck", *order]])


@pytest.mark.filterwarnings("ignore:All .* directions of the features")  # of few features
def test_an_eraser_goes_on_by_name():
    """Batches whose columns stand in another order add up by name."""
    whole = ConceptEraser().fit(X, sensitive_features=frame("pandas", ORDER))
    batches = ConceptEraser().partial_fit(X[:100], sensitive_features=frame("pandas", ORDER).iloc[:100])
    batches.partial_fit(X[100:], sensitive_features=frame("pandas", ORDER[::-1]).iloc[100:])
    assert batches.groups_ == whole.groups_
    np.testing.assert_allclose(batches.transform(X), whole.transform(X), rtol=1e-9)
    with pytest.raises(ValueError, match="had 'sex', 'race', 'old' in fit"):
        batches.partial_fit(X, sensitive_features=frame("pandas", ["sex", "race"]))


@given(kind=st.sampled_from(sorted(FRAMES)), order=st.permutations(ORDER))
@settings(max_examples=12)
def test_weights_by_name(kind, order):
    reweigher = Reweigher().fit(X, Y, sensitive_features=frame("polars", ORDER))
    expected = reweigher.sample_weight(Y, VALUES)
    np.testing.assert_array_equal(reweigher.sample_weight(Y, frame(kind, order)), expected)
    with pytest.raises(ValueError, match="had 'sex', 'race', 'old' in fit"):
        reweigher.sample_weight(Y, frame(kind, order[:2]))


@pytest.mark.parametrize("combine", ["intersection", "separate"])
def test_a_net_goes_on_by_name(combine):
    def train(**later):
        net = FairClassifier(
            combine=combine,
            penalty_weight=1.0,
            hidden_layer_sizes=(),
            min_group_size=5,
            max_epochs=1,
            batch_size=-1,
            random_state=0,
            warm_start=True,
        )
        net.fit(X, Y, sensitive_features=frame("pandas", ORDER))
        net.fit(X, Y, **later)
        return net.partial_fit(X, Y, **later)

    expected = train(sensitive_features=frame("pandas", ORDER))
    for who in (frame("polars", ORDER[::-1]), VALUES):
        net = train(sensitive_features=who)
        assert net.groups_ == expected.groups_
        np.testing.assert_array_equal(net.predict_proba(X), expected.predict_proba(X))
    with pytest.raises(ValueError, match="'x', and had 'sex', 'race', 'old' in fit"):
        train(sensitive_features=frame("pandas", ORDER).rename(columns={"old": "x"}))


@pytest.mark.parametrize("column", ["sex", None])
def test_columns_of_one_name_are_refused_in_words(column):
    people = pd.DataFrame({"skill": SKILL, "sex": WHO["sex"]})[["skill", "skill", "sex"]]
    given = {} if column else {"sensitive_features": people["sex"]}
    for model in (ReweightedClassifier(LogisticRegression()), Reweigher()):
        model = model.set_params(sensitive_features=column)
        with pytest.raises(ValueError, match="Several columns of a DataFrame are called 'skill'"):
            model.fit(people, Y, **given)
