"""``score``: scikit-learn's accuracy, and R2 of regressors, of labels and weights in any container."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import r2_score

from fairsk import (
    ConstrainedClassifier,
    ConstrainedRegressor,
    FairClassifier,
    GroupCalibratedClassifier,
    GroupThresholdOptimizer,
    PredictionRepair,
    ReweightedClassifier,
    ScoreRepair,
    SensitiveRouter,
)

N = 200
RNG = np.random.default_rng(0)
SEX = RNG.integers(0, 2, N)
SKILL = RNG.normal(size=N) + SEX
X = pd.DataFrame({"skill": SKILL, "sex": SEX})
Y = (SKILL + RNG.normal(size=N) > 0.5).astype(int)

MODELS = [
    GroupThresholdOptimizer(LogisticRegression(), sensitive_features="sex", max_difference=0.2),
    ConstrainedClassifier(LogisticRegression(), sensitive_features="sex", max_difference=0.5, cv=2),
    ReweightedClassifier(LogisticRegression(), sensitive_features="sex"),
    ScoreRepair(LogisticRegression(), sensitive_features="sex"),
    GroupCalibratedClassifier(LogisticRegression(), sensitive_features="sex"),
    SensitiveRouter(ReweightedClassifier(LogisticRegression()), sensitive_features="sex"),
    FairClassifier(
        sensitive_features="sex", penalty_weight=1.0, max_epochs=2, hidden_layer_sizes=(), random_state=0
    ),
]
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)

#: Containers of one label per row, by how they are made of an array of whole numbers.
CONTAINERS = {
    "array": np.asarray,
    "column": lambda y: np.reshape(y, (-1, 1)),
    "floats": lambda y: y.astype(float),
    "objects": lambda y: y.astype(object),
    "booleans": lambda y: y == 1,
    "masked array without a mask": lambda y: np.ma.masked_array(y, mask=np.zeros(len(y), bool)),
    "list": lambda y: y.tolist(),
    "pandas": pd.Series,
    "pandas column": lambda y: pd.DataFrame({"y": y}),
    "pandas Int64": lambda y: pd.Series(y, dtype="Int64"),
    "pandas boolean": lambda y: pd.Series(y == 1, dtype="boolean"),
    "pandas objects": lambda y: pd.Series(y, dtype=object),
    "pandas categorical": lambda y: pd.Series(pd.Categorical(y)),
    "pandas on Arrow": lambda y: pd.Series(y).convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda y: pl.Series(y),
    "polars column": lambda y: pl.DataFrame({"y": y}),
    "pyarrow": lambda y: pa.array(y),
    "pyarrow chunks": lambda y: pa.chunked_array([y[:3], y[3:]]),
    "pyarrow column": lambda y: pa.table({"y": y}),
}

#: Containers with missing labels, by how they are made of an array of whole numbers.
MISSING = {
    "NaN": lambda y: np.where(np.arange(N) < 3, np.nan, y),
    "None": lambda y: [None, *y.tolist()[1:]],
    "masked": lambda y: np.ma.masked_array(y, mask=np.arange(N) < 3),
    "pandas NA": lambda y: pd.Series(y, dtype="Int64").where(np.arange(N) > 2),
    "pandas categorical": lambda y: pd.Series(pd.Categorical(y)).where(np.arange(N) > 2),
    "polars": lambda y: pl.Series([None, *y.tolist()[1:]]),
    "pyarrow": lambda y: pa.array([None, *y.tolist()[1:]]),
}


@pytest.fixture(scope="module", autouse=True)
def fitted():
    for model in MODELS:
        model.fit(X, Y)


@each_model
@given(
    container=st.sampled_from(sorted(CONTAINERS)), labels=st.lists(st.integers(0, 1), min_size=N, max_size=N)
)
@settings(max_examples=25)
def test_score_is_the_share_of_hits_in_any_container(model, container, labels):
    labels = np.array(labels)
    hits, weights = model.predict(X) == labels, np.arange(N) % 7
    held = CONTAINERS[container](labels)
    assert model.score(X, held) == pytest.approx(hits.mean())
    assert model.score(X, held, sample_weight=weights) == pytest.approx(hits @ weights / weights.sum())


@each_model
@pytest.mark.parametrize("container", MISSING)
def test_missing_labels_are_refused(model, container):
    with pytest.raises(ValueError, match=r"missing|contains NaN"):
        model.score(X, MISSING[container](Y))


@each_model
def test_labels_of_another_kind_are_refused(model):
    for labels in (Y.astype(str), pd.Series(Y.astype(str)), pl.Series(Y.astype(str)), list(Y.astype(str))):
        with pytest.raises(
            ValueError, match=r"y holds texts \('[01]', '[01]'\), and fit had numbers \(0, 1\)"
        ):
            model.score(X, labels)
    with pytest.raises(ValueError, match="continuous"):
        model.score(X, Y + 0.5)


def test_numbers_where_fit_had_text():
    model = ReweightedClassifier(LogisticRegression(), sensitive_features="sex").fit(X, Y.astype(str))
    assert model.score(X, Y.astype(str)) > 0.5
    with pytest.raises(ValueError, match=r"y holds numbers \([01], [01]\), and fit had texts \('0', '1'\)"):
        model.score(X, Y)


class Bare(ClassifierMixin, BaseEstimator):
    """A classifier that predicts a column, and does not tell its classes."""

    def fit(self, X, y, sample_weight=None):
        return self

    def predict(self, X):
        return np.asarray(X)[:, :1] > 0.5


def test_predictions_in_a_column_and_no_classes():
    model = ReweightedClassifier(Bare(), sensitive_features="sex").fit(X, Y == 1)
    assert model.score(X, Y == 1) == pytest.approx(np.mean((SKILL > 0.5) == (Y == 1)))


@each_model
def test_labels_that_are_not_one_per_row_are_refused(model):
    for labels in ([1], Y[:-1]):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            model.score(X, labels)
    for labels in (1, np.column_stack([Y, Y])):
        with pytest.raises(ValueError, match="1d array"):
            model.score(X, labels)
    with pytest.raises(ValueError, match="requires y"):
        model.score(X, None)


@each_model
def test_weights_that_cannot_be_used_are_refused(model):
    for bad in (np.full(N, np.nan), -np.ones(N), np.zeros(N), np.full(N, np.inf)):
        with pytest.raises(ValueError, match="sample_weight must be finite, not negative, and not all zero"):
            model.score(X, Y, sample_weight=bad)
    for bad in (np.ones(N - 1), np.ones((N, 1)), 1.0):
        with pytest.raises(ValueError, match=r"sample_weight has shape .* where \(200,\) is expected"):
            model.score(X, Y, sample_weight=bad)


@pytest.mark.parametrize("container", CONTAINERS)
def test_fit_takes_labels_in_any_container(container):
    model = ReweightedClassifier(LogisticRegression(), sensitive_features="sex")
    wanted = model.fit(X, Y).predict_proba(X)
    labels = CONTAINERS[container](Y)
    if container == "column":  # an array; a frame of one column is taken for its column
        with pytest.warns(match="column-vector"):
            model.fit(X, labels)
    else:
        model.fit(X, labels)
    np.testing.assert_allclose(model.predict_proba(X), wanted)


@pytest.mark.parametrize(
    "regressor",
    [
        PredictionRepair(LinearRegression(), sensitive_features="sex"),
        ConstrainedRegressor(LinearRegression(), sensitive_features="sex", max_difference=0.5, cv=2),
    ],
)
def test_the_score_of_a_regressor_is_r2_in_any_container(regressor):
    regressor.fit(X, 10 * SKILL + Y)
    predicted, weights = regressor.predict(X), np.arange(N) % 7
    amounts = np.arange(N) % 5  # whole numbers, of which each container can be made
    for container in sorted(CONTAINERS):
        if "boolean" not in container:
            held = CONTAINERS[container](amounts)
            assert regressor.score(X, held) == pytest.approx(r2_score(amounts, predicted)), container
            found = regressor.score(X, held, sample_weight=weights)
            assert found == pytest.approx(r2_score(amounts, predicted, sample_weight=weights)), container
    for container in sorted(set(MISSING) - {"pandas categorical"}):
        with pytest.raises(ValueError, match=r"missing|contains NaN"):
            regressor.score(X, MISSING[container](amounts))
    for bad in (-np.ones(N), np.zeros(N)):
        with pytest.raises(ValueError, match="sample_weight must be finite, not negative, and not all zero"):
            regressor.score(X, amounts, sample_weight=bad)
