"""Pipelines that end in a booster: transformers are fitted per fold, as if done by hand."""

import pickle

import numpy as np
import pytest
from scipy.special import expit
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from fairsk import FairResampler
from fairsk.reductions._boosting.booster import find_backend
from fairsk.reductions._boosting.stages import StagedBackend

xgboost = pytest.importorskip("xgboost")
pd = pytest.importorskip("pandas")

N_ROUNDS = 5
N_ROWS = 240
SPLITS = [
    (np.flatnonzero(np.arange(N_ROWS) % 3 != f), np.flatnonzero(np.arange(N_ROWS) % 3 == f)) for f in range(3)
]


def make_xgboost(**params):
    return xgboost.XGBClassifier(**{"n_estimators": N_ROUNDS, "n_jobs": 1, "max_depth": 3} | params)


def make_lightgbm(**params):
    lightgbm = pytest.importorskip("lightgbm")
    small = {"min_child_samples": 5, "min_data_per_group": 5, "cat_smooth": 1.0, "verbose": -1}
    return lightgbm.LGBMClassifier(**{"n_estimators": N_ROUNDS, "n_jobs": 1} | small | params)


def check_equals_plain(booster, estimator, Z, actual, Z_test, X_test):
    """Compare a fold with its learner, fitted to rows that were transformed by hand."""
    plain = clone(estimator)
    if isinstance(plain, xgboost.XGBClassifier):
        plain.set_params(base_score=float(actual.mean())).fit(Z, actual.astype(int))
        expected = plain.predict(Z_test, output_margin=True)
    else:
        expected = plain.fit(Z, actual.astype(int)).booster_.predict(Z_test, raw_score=True)
    assert np.ptp(expected) > 0.5
    np.testing.assert_allclose(booster.test_scores, expected, rtol=1e-4, atol=1e-4)
    model = pickle.loads(pickle.dumps(booster.finish(N_ROUNDS)))
    np.testing.assert_allclose(model.raw_scores(X_test), expected, rtol=1e-4, atol=1e-4)


def make_rows(seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(N_ROWS, 3)), columns=list("abc"))
    X["town"] = rng.choice(["north", "south", "east", "west"], N_ROWS)
    X.loc[rng.random(N_ROWS) < 0.1, "b"] = np.nan
    noise = rng.normal(size=N_ROWS)
    actual = (X["a"] + 2 * (X["town"] == "north") + noise > 0.5).to_numpy().astype(float)
    return X, actual


def boost(backend, actual, splits=SPLITS, n_rounds=N_ROUNDS):
    """Boost all folds in lockstep by the gradient of the cross-entropy alone."""
    boosters = [backend.fold(train, test) for train, test in splits]
    for _ in range(n_rounds):
        for booster, (train, _) in zip(boosters, splits, strict=True):
            p = expit(booster.train_scores)
            booster.step(p - actual[train], p * (1 - p))
    return boosters


def make_backend(estimator, X, actual, weights=None, classes=(0, 1), **fit_params):
    weights = np.ones(len(actual)) if weights is None else weights
    return StagedBackend(estimator, X, actual, weights, fit_params, classes=classes)


def make_encoder():
    return make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["town"]),
        remainder="passthrough",
        verbose_feature_names_out=False,
    )


class LeaveOneOutMeans(TransformerMixin, BaseEstimator):
    """Mean label of the other rows of a town; of new rows, that of all. So fit_transform is not transform."""

    def fit(self, X, y):
        self.means_ = pd.Series(y).groupby(X["town"].to_numpy()).mean()
        return self

    def fit_transform(self, X, y):
        towns = self.fit(X, y) and X["town"].to_numpy()
        groups = pd.Series(y).groupby(towns)
        others = (groups.transform("sum") - y) / (groups.transform("size") - 1)
        return np.column_stack([X["a"], others])

    def transform(self, X):
        return np.column_stack([X["a"], self.means_[X["town"]]])


PREPARATIONS = {
    "one": [make_encoder()],
    "several": [make_encoder(), StandardScaler()],
    "passthrough": [make_encoder(), "passthrough", StandardScaler(), None],
    "nested_head": [make_pipeline(make_encoder(), StandardScaler())],
    "supervised": [LeaveOneOutMeans()],
    "frames": [make_encoder().set_output(transform="pandas")],
    "sparse": [make_column_transformer((OneHotEncoder(), ["town"]), sparse_threshold=1)],
}


@pytest.mark.parametrize(
    ("make_last", "name"),
    [(make_xgboost, name) for name in [*PREPARATIONS, "nested_end"]]
    + [(make_lightgbm, name) for name in ("one", "frames", "sparse", "nested_end")],
    ids=lambda each: each if isinstance(each, str) else each.__name__.removeprefix("make_"),
)
def test_equals_transforming_by_hand(make_last, name):
    X, actual = make_rows()
    last = make_last()
    if name == "nested_end":
        preparation = PREPARATIONS["several"]
        pipeline = make_pipeline(preparation[0], make_pipeline(preparation[1], last))
    else:
        preparation = PREPARATIONS[name]
        pipeline = make_pipeline(*preparation, last)
    before = pickle.dumps(pipeline)
    assert find_backend(pipeline) is StagedBackend
    boosters = boost(make_backend(pipeline, X, actual), actual)
    for booster, (train, test) in zip(boosters, SPLITS, strict=True):
        Z, Z_test = X.iloc[train], X.iloc[test]
        for step in preparation:
            if step not in (None, "passthrough"):
                fitted = clone(step)
                Z = fitted.fit_transform(Z, actual[train].astype(int))
                Z_test = fitted.transform(Z_test)
        check_equals_plain(booster, last, Z, actual[train], Z_test, X.iloc[test])
    assert pickle.dumps(pipeline) == before


class ToCategories(TransformerMixin, BaseEstimator):
    """Makes the towns seen in fit a categorical column; another one is a missing value."""

    def fit(self, X, y=None):
        self.towns_ = sorted(set(X["town"]))
        return self

    def transform(self, X):
        return X.assign(
            town=pd.Categorical(X["town"].where(X["town"].isin(self.towns_)), categories=self.towns_)
        )


@pytest.mark.parametrize("make_last", [make_xgboost, make_lightgbm], ids=["xgboost", "lightgbm"])
def test_categories_of_a_transformer(make_last):
    X, actual = make_rows()
    train, test = SPLITS[0]
    X.loc[test[:15], "town"] = "abroad"  # sorted before all others, and in no training row
    last = make_last(enable_categorical=True) if make_last is make_xgboost else make_last()
    (booster,) = boost(make_backend(make_pipeline(ToCategories(), last), X, actual), actual, SPLITS[:1])
    by_hand = ToCategories().fit(X.iloc[train])
    Z, Z_test = by_hand.transform(X.iloc[train]), by_hand.transform(X.iloc[test])
    check_equals_plain(booster, last, Z, actual[train], Z_test, X.iloc[test])


class Recorder(TransformerMixin, BaseEstimator):
    """Notes the rows, labels and metadata that each of its clones is fitted to."""

    seen: list = []

    def fit(self, X, y, sensitive_features=None, sample_weight=None, extra=None):
        self.seen.append(
            {
                "rows": np.asarray(X)[:, 0].astype(int),
                "labels": np.asarray(y),
                "groups": sensitive_features,
                "weights": sample_weight,
                "extra": extra,
            }
        )
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X


@pytest.fixture
def seen():
    Recorder.seen.clear()
    return Recorder.seen


def make_numbered():
    """Make rows whose first column is their number."""
    rng = np.random.default_rng(0)
    X = np.column_stack([np.arange(N_ROWS), rng.normal(size=(N_ROWS, 2))])
    return X, (X[:, 1] + rng.normal(size=N_ROWS) > 0).astype(float)


def test_transformers_see_the_rows_of_their_fold_only(seen):
    X, actual = make_numbered()
    boost(make_backend(make_pipeline(Recorder(), make_xgboost()), X, actual), actual)
    assert len(seen) == 3
    for record, (train, _) in zip(seen, SPLITS, strict=True):
        np.testing.assert_array_equal(record["rows"], train)
        np.testing.assert_array_equal(record["labels"], actual[train])
        assert record["groups"] is None
        assert record["weights"] is None


def test_transformers_of_a_fold_serve_all_of_its_boosters(seen):
    X, actual = make_numbered()
    pipeline = make_pipeline(Recorder(), StandardScaler(), make_xgboost(subsample=0.5))
    backend = make_backend(pipeline, X, actual)
    *_, again = boost(backend, actual, [*SPLITS, *SPLITS[1:]])
    assert len(seen) == 3
    alone = boost(make_backend(pipeline, X, actual), actual, SPLITS[2:])[0]
    np.testing.assert_array_equal(again.test_scores, alone.test_scores)


def test_transformers_see_the_users_labels(seen):
    X, actual = make_numbered()
    pipeline = make_pipeline(Recorder(), make_xgboost())
    boost(make_backend(pipeline, X, actual, classes=("no", "yes")), actual)
    np.testing.assert_array_equal(seen[0]["labels"], np.where(actual == 1, "yes", "no")[SPLITS[0][0]])


@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
@pytest.mark.parametrize("routing", [False, True], ids=["routing_off", "routing_on"])
def test_groups_and_weights_reach_those_that_ask(seen, nested, routing):
    X, actual = make_numbered()
    groups = np.where(np.arange(N_ROWS) % 5 > 1, "a", "b")
    weights = 1.0 + np.arange(N_ROWS) % 4
    with config_context(enable_metadata_routing=True):
        asking = Recorder().set_fit_request(sensitive_features=True, sample_weight=True)
        other = Recorder().set_fit_request(sensitive_features=False)
        pipeline = make_pipeline(asking, other, make_xgboost())
        if nested:
            pipeline = make_pipeline(asking, make_pipeline(other, make_xgboost()))
    with config_context(enable_metadata_routing=routing):
        backend = make_backend(pipeline, X, actual, weights, sensitive_features=groups)
        boosters = boost(backend, actual)
    assert len(seen) == 6
    for (asked, unasked), (train, _) in zip(zip(seen[::2], seen[1::2], strict=True), SPLITS, strict=True):
        np.testing.assert_array_equal(asked["groups"], groups[train])
        np.testing.assert_array_equal(asked["weights"], weights[train])
        assert unasked["groups"] is None
        assert unasked["weights"] is None
    train, test = SPLITS[0]
    prior = float(weights[train] @ actual[train] / weights[train].sum())
    plain = make_xgboost(base_score=prior).fit(
        X[train], actual[train].astype(int), sample_weight=weights[train]
    )
    expected = plain.predict(X[test], output_margin=True)
    np.testing.assert_allclose(boosters[0].test_scores, expected, rtol=1e-4, atol=1e-4)


def test_without_weights_nobody_gets_any(seen):
    X, actual = make_numbered()
    with config_context(enable_metadata_routing=True):
        asking = Recorder().set_fit_request(sample_weight=True)
    make_backend(make_pipeline(asking, make_xgboost()), X, actual).fold(*SPLITS[0])
    assert seen[0]["weights"] is None


def test_the_seed_reaches_the_booster():
    X, actual = make_numbered()
    pipeline = make_pipeline(StandardScaler(), make_xgboost(subsample=0.5))

    def scores(random_state):
        backend = StagedBackend(pipeline, X, actual, np.ones(N_ROWS), {}, random_state=random_state)
        return boost(backend, actual, SPLITS[:1])[0].test_scores

    np.testing.assert_array_equal(scores(3), scores(3))
    assert (scores(3) != scores(4)).any()


@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
def test_fit_params_by_the_names_of_steps(seen, nested):
    X, actual = make_numbered()
    last = ("model", make_xgboost(colsample_bytree=0.3, tree_method="hist"))
    prefix = "inner__model" if nested else "model"
    steps = [("inner", Pipeline([("pass", "passthrough"), last]))] if nested else [last]
    pipeline = Pipeline([("note", Recorder()), *steps])
    extra = np.arange(N_ROWS) * 10.0
    params = {"note__extra": extra, f"{prefix}__feature_weights": np.array([0.0, 1.0, 0.0])}
    weights = 1.0 + np.arange(N_ROWS) % 4  # with weights, too, names of steps can be used
    model = boost(make_backend(pipeline, X, actual, weights, **params), actual)[0].finish(N_ROUNDS)
    np.testing.assert_array_equal(seen[0]["extra"], extra[SPLITS[0][0]])
    np.testing.assert_array_equal(model.booster.estimator.feature_importances_, [0, 1, 0])


def test_fit_params_that_are_requested():
    X, actual = make_numbered()
    with config_context(enable_metadata_routing=True):
        last = make_xgboost(colsample_bytree=0.3, tree_method="hist").set_fit_request(
            feature_weights="columns"
        )
        backend = make_backend(
            make_pipeline(StandardScaler(), last), X, actual, columns=np.array([0.0, 1.0, 0.0])
        )
        model = boost(backend, actual)[0].finish(N_ROUNDS)
    np.testing.assert_array_equal(model.booster.estimator.feature_importances_, [0, 1, 0])


def test_fit_params_of_the_booster_are_checked_before_anything_is_fitted(seen):
    X, actual = make_numbered()
    pipeline = make_pipeline(Recorder(), make_xgboost())
    with pytest.raises(ValueError, match="eval_set is not needed"):
        make_backend(pipeline, X, actual, xgbclassifier__eval_set=[(X, actual)])
    with pytest.raises(ValueError, match="sample_weight is for fit itself"):
        make_backend(pipeline, X, actual, xgbclassifier__sample_weight=actual + 1)
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(Recorder(), make_xgboost().set_fit_request(eval_set="others"))
        with pytest.raises(ValueError, match="eval_set is not needed"):
            make_backend(pipeline, X, actual, others=[(X, actual)])
    assert not seen


def test_rounds_are_those_of_the_booster():
    pipeline = make_pipeline(StandardScaler(), make_xgboost(learning_rate=0.2, early_stopping_rounds=3))
    settings = StagedBackend.settings(make_pipeline("passthrough", pipeline), {})
    assert (settings.n_rounds, settings.learning_rate, settings.patience) == (N_ROUNDS, 0.2, 3)


def test_early_stopping_by_a_callback_of_a_step():
    lightgbm = pytest.importorskip("lightgbm")
    callbacks = [lightgbm.early_stopping(4, verbose=False)]
    pipeline = Pipeline([("scale", StandardScaler()), ("model", make_lightgbm(learning_rate=0.05))])
    settings = StagedBackend.settings(pipeline, {"model__callbacks": callbacks})
    assert (settings.n_rounds, settings.learning_rate, settings.patience) == (N_ROUNDS, 0.05, 4)


def test_categorical_columns_by_the_name_of_a_step():
    X, actual = make_numbered()
    X[:, 2] = np.arange(N_ROWS) % 4
    actual = np.where(X[:, 2] % 2 == 0, actual, 1.0)
    train, test = SPLITS[0]
    pipeline = Pipeline([("pass", "passthrough"), ("model", make_lightgbm())])
    backend = make_backend(pipeline, X, actual, model__categorical_feature=[2])
    model = boost(backend, actual, SPLITS[:1])[0].finish(N_ROUNDS)
    plain = make_lightgbm().fit(X[train], actual[train].astype(int), categorical_feature=[2])
    expected = plain.booster_.predict(X[test], raw_score=True)
    np.testing.assert_allclose(model.raw_scores(X[test]), expected)
    as_numbers = make_lightgbm().fit(X[train], actual[train].astype(int))
    assert np.abs(as_numbers.booster_.predict(X[test], raw_score=True) - expected).max() > 0.01


def test_cached_transformers_are_those_of_their_fold(tmp_path):
    X, actual = make_numbered()
    cached = make_pipeline(StandardScaler(), make_xgboost(), memory=str(tmp_path))
    scores = [
        [booster.test_scores for booster in boost(make_backend(pipeline, X, actual), actual)]
        for pipeline in (make_pipeline(StandardScaler(), make_xgboost()), cached, cached)
    ]
    assert list(tmp_path.iterdir())
    np.testing.assert_array_equal(scores[1], scores[0])
    np.testing.assert_array_equal(scores[2], scores[0])


def test_the_users_pipeline_is_not_fitted():
    X, actual = make_numbered()
    pipeline = make_pipeline(StandardScaler(), make_xgboost())
    boost(make_backend(pipeline, X, actual), actual)
    for step in pipeline:
        with pytest.raises(NotFittedError):
            check_is_fitted(step)


class RowDropper(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X[1:]


def test_transformers_that_drop_rows_are_refused():
    X, actual = make_numbered()
    backend = make_backend(make_pipeline(RowDropper(), make_xgboost()), X, actual)
    with pytest.raises(ValueError, match=r"159 rows for 160: .*engine='reduction'"):
        backend.fold(*SPLITS[0])


class AsksToTransform(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X, sensitive_features=None):
        return X


def test_transformers_that_need_groups_to_predict_are_refused():
    X, actual = make_numbered()
    with config_context(enable_metadata_routing=True):
        asking = AsksToTransform().set_transform_request(sensitive_features=True)
    with pytest.raises(ValueError, match="The step 'askstotransform' asks for sensitive_features"):
        make_backend(make_pipeline(asking, make_xgboost()), X, actual)
    make_backend(make_pipeline(AsksToTransform(), make_xgboost()), X, actual)


def test_refusals_are_those_of_the_booster():
    X, actual = make_numbered()
    with pytest.raises(ValueError, match="booster='dart'"):
        make_backend(make_pipeline(StandardScaler(), make_xgboost(booster="dart")), X, actual)


def test_which_pipelines_are_boosted():
    assert find_backend(make_pipeline(make_xgboost())) is StagedBackend
    for last in (LogisticRegression(), xgboost.XGBRFClassifier(), "passthrough", None):
        assert find_backend(make_pipeline(StandardScaler(), last)) is None
    # Rows that a step draws have no place among the rows that prices are for.
    assert find_backend(make_pipeline(FairResampler(), make_xgboost())) is None
