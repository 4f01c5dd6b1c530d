"""XGBoost in lockstep folds: without prices each fold is what XGBClassifier makes of its rows."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.sparse import csc_matrix, csr_array, csr_matrix, lil_matrix
from scipy.special import expit
from sklearn.base import clone

from fairsk.reductions._boosting.booster import find_backend
from fairsk.reductions._boosting.xgboost import XGBoostBackend

xgboost = pytest.importorskip("xgboost")
pd = pytest.importorskip("pandas")

#: Scores are sums of float32 leaves; the gradients that make these are float64 here, float32 in XGBoost.
ROUNDING = {"rtol": 1e-4, "atol": 1e-4}
N_ROUNDS = 12


def make_classifier(**params):
    return xgboost.XGBClassifier(**{"n_estimators": N_ROUNDS, "n_jobs": 1, "max_depth": 3} | params)


def make_numbers(n=600, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    actual = (X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=n) > 0.7).astype(float)
    return X, actual


def make_frame(n=600, seed=0):
    X, actual = make_numbers(n, seed)
    rng = np.random.default_rng(seed + 1)
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame["color"] = pd.Categorical(rng.choice(["red", "green", "blue"], n))
    frame.loc[rng.random(n) < 0.2, "a"] = np.nan
    actual = np.where(frame["color"] == "red", 1 - actual, actual)
    return frame, actual


def folds(n, k=3):
    return [(np.flatnonzero(np.arange(n) % k != f), np.flatnonzero(np.arange(n) % k == f)) for f in range(k)]


def boost(backend, splits, actual, n_rounds=N_ROUNDS):
    """Boost all folds in lockstep by the gradient of the cross-entropy alone."""
    boosters = [backend.fold(train, test) for train, test in splits]
    for _ in range(n_rounds):
        for booster, (train, _) in zip(boosters, splits, strict=True):
            p = expit(booster.train_scores)
            booster.step(p - actual[train], p * (1 - p))
    return boosters


def take(X, rows):
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def check_equals_plain_fits(estimator, X, actual, weights=None, offset=0.0, **fit_params):
    """Compare with XGBClassifier, fitted to each fold from the prior of its rows."""
    n = len(actual)
    backend = XGBoostBackend(
        clone(estimator), X, actual, np.ones(n) if weights is None else weights, fit_params, random_state=0
    )
    splits = folds(n)
    for booster, (train, test) in zip(boost(backend, splits, actual), splits, strict=True):
        plain = clone(estimator)
        kept = None if weights is None else weights[train]
        if plain.base_score is None:
            counted = np.ones(len(train)) if kept is None else kept
            counted = counted * np.where(actual[train] == 1, estimator.scale_pos_weight or 1, 1)
            plain.set_params(base_score=float((counted @ actual[train]) / counted.sum()))
        plain.set_params(seed_per_iteration=True)
        plain.fit(take(X, train), actual[train].astype(int), sample_weight=kept)
        expected = plain.predict(take(X, test), output_margin=True)
        assert np.ptp(expected) > 0.5
        np.testing.assert_allclose(booster.test_scores, expected - offset, **ROUNDING)
        np.testing.assert_allclose(
            booster.train_scores, plain.predict(take(X, train), output_margin=True), **ROUNDING
        )
        model = pickle.loads(pickle.dumps(booster.finish(N_ROUNDS)))
        np.testing.assert_allclose(model.raw_scores(take(X, test)), booster.test_scores, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"learning_rate": 0.1, "max_leaves": 6, "grow_policy": "lossguide", "reg_lambda": 3.0, "gamma": 0.1},
        {"tree_method": "exact", "min_child_weight": 4},
        {"tree_method": "approx", "reg_alpha": 0.5},
        {"subsample": 0.6, "colsample_bytree": 0.5, "random_state": 3},
        {"subsample": 0.6, "colsample_bynode": 0.5},
        {"num_parallel_tree": 2, "subsample": 0.7, "random_state": 1},
        {"monotone_constraints": (1, 0, 0, 0, -1), "max_bin": 20},
        {"interaction_constraints": "[[0, 1], [2, 3, 4]]", "max_delta_step": 0.3},
        {"base_score": 0.3},
        {"missing": 0.0},
        {"verbosity": 0, "eta": 0.2},
    ],
    ids=lambda params: "-".join(params) or "defaults",
)
def test_parameters_are_kept(params):
    X, actual = make_numbers()
    if "missing" in params:
        X = np.where(X > 1, 0.0, X)
    check_equals_plain_fits(make_classifier(**params), X, actual)


def test_weights():
    X, actual = make_numbers()
    weights = np.random.default_rng(2).exponential(size=len(actual))
    check_equals_plain_fits(make_classifier(), X, actual, weights)


def test_scale_pos_weight_is_taken_off_held_out_scores():
    X, actual = make_numbers()
    check_equals_plain_fits(make_classifier(scale_pos_weight=4.0), X, actual, offset=np.log(4))


@pytest.mark.parametrize("seed", [0, 1])
def test_categories_and_missing_values(seed):
    X, actual = make_frame(seed=seed)
    estimator = make_classifier(enable_categorical=True, max_cat_to_onehot=1)
    check_equals_plain_fits(estimator, X, actual)


def test_constraints_by_name():
    X, actual = make_frame()
    check_equals_plain_fits(make_classifier(monotone_constraints={"b": 1}), X.drop(columns="color"), actual)


@pytest.mark.parametrize("make_sparse", [csr_matrix, csc_matrix, lil_matrix, csr_array])
def test_sparse_rows(make_sparse):
    X, actual = make_numbers()
    X[np.abs(X) < 0.5] = 0
    train, test = folds(len(actual))[0]
    sparse = make_sparse(X)
    booster = boost(
        XGBoostBackend(make_classifier(), sparse, actual, np.ones(len(X)), {}), [(train, test)], actual
    )[0]
    plain = make_classifier(base_score=float(actual[train].mean()))
    plain.fit(csr_matrix(X[train]), actual[train].astype(int))
    expected = plain.predict(csr_matrix(X[test]), output_margin=True)
    np.testing.assert_allclose(booster.test_scores, expected, **ROUNDING)
    np.testing.assert_allclose(booster.finish(N_ROUNDS).raw_scores(sparse[test]), expected, **ROUNDING)


def test_codes_of_categories_in_an_array():
    X, actual = make_numbers()
    X[:, 4] = np.arange(len(X)) % 4
    actual = np.where(X[:, 4] % 2 == 0, 1 - actual, actual)
    kinds = ["q", "q", "q", "q", "c"]
    estimator = make_classifier(enable_categorical=True, feature_types=kinds, max_cat_to_onehot=1)
    check_equals_plain_fits(estimator, X, actual)
    train, _ = folds(len(actual))[0]
    booster = boost(XGBoostBackend(estimator, X, actual, np.ones(len(X)), {}), folds(len(X)), actual)[0]
    as_numbers = make_classifier(base_score=float(actual[train].mean())).fit(
        X[train], actual[train].astype(int)
    )
    assert np.abs(as_numbers.predict(X[train], output_margin=True) - booster.train_scores).max() > 0.01


def test_polars_frames():
    pl = pytest.importorskip("polars")
    X, actual = make_numbers()
    frame = pl.DataFrame({f"x{j}": X[:, j] for j in range(X.shape[1])})
    check_equals_plain_fits(make_classifier(), frame, actual)


def test_a_category_that_only_held_out_rows_have():
    """It goes where XGBoost sends a category that it never saw, not where its neighbour goes."""
    X, actual = make_frame()
    splits = folds(len(actual))
    X["color"] = X["color"].cat.add_categories("violet")
    X.loc[splits[0][1][:20], "color"] = "violet"
    backend = XGBoostBackend(
        make_classifier(enable_categorical=True, max_cat_to_onehot=1), X, actual, np.ones(len(actual)), {}
    )
    booster = boost(backend, splits[:1], actual)[0]
    train, test = splits[0]
    base_score = float(actual[train].mean())
    plain = make_classifier(enable_categorical=True, max_cat_to_onehot=1, base_score=base_score)
    plain.fit(X.iloc[train], actual[train].astype(int))
    expected = plain.predict(X.iloc[test], output_margin=True)
    np.testing.assert_allclose(booster.test_scores, expected, **ROUNDING)


@pytest.mark.skipif(
    tuple(map(int, xgboost.__version__.split(".")[:2])) < (3, 1), reason="codes are matched since XGBoost 3.1"
)
def test_categories_in_another_order_are_matched_at_prediction():
    X, actual = make_frame()
    splits = folds(len(actual))
    estimator = make_classifier(enable_categorical=True)
    booster = boost(XGBoostBackend(estimator, X, actual, np.ones(len(actual)), {}), splits[:1], actual)[0]
    Z = X.assign(color=X["color"].cat.reorder_categories(["red", "green", "blue"]))
    assert (Z["color"].cat.codes != X["color"].cat.codes).any()
    for n_rounds in (5, N_ROUNDS):
        model = pickle.loads(pickle.dumps(booster.finish(n_rounds)))
        np.testing.assert_array_equal(model.raw_scores(Z), model.raw_scores(X))


def test_a_model_is_cut_off_at_a_round():
    X, actual = make_numbers()
    splits = folds(len(actual))
    backend = XGBoostBackend(make_classifier(), X, actual, np.ones(len(actual)), {})
    long = boost(backend, splits[:1], actual)[0]
    short = boost(backend, splits[:1], actual, n_rounds=4)[0]
    model = long.finish(4)
    np.testing.assert_allclose(model.raw_scores(X[splits[0][1]]), short.test_scores, rtol=0, atol=1e-6)
    np.testing.assert_allclose(model.estimator.predict_proba(X)[:, 1], expit(model.raw_scores(X)), rtol=1e-5)


def test_a_model_of_no_round_is_the_prior():
    X, actual = make_frame()
    train, test = folds(len(actual))[0]
    backend = XGBoostBackend(make_classifier(enable_categorical=True), X, actual, np.ones(len(actual)), {})
    model = boost(backend, [(train, test)], actual)[0].finish(0)
    share = actual[train].mean()
    np.testing.assert_allclose(model.raw_scores(X), np.log(share / (1 - share)), rtol=0, atol=1e-6)


def test_scores_start_at_the_prior():
    X, actual = make_numbers()
    train, test = folds(len(actual))[0]
    weights = 1.0 + actual
    booster = XGBoostBackend(make_classifier(), X, actual, weights, {}).fold(train, test)
    positive, negative = 2 * actual[train].sum(), (1 - actual[train]).sum()
    np.testing.assert_allclose(booster.train_scores, np.log(positive / negative), rtol=0, atol=1e-6)
    np.testing.assert_allclose(booster.test_scores, np.log(positive / negative), rtol=0, atol=1e-6)


def test_draws_of_a_fold_depend_on_no_other_fold_and_no_thread():
    X, actual = make_numbers()
    splits = folds(len(actual))
    estimator = make_classifier(subsample=0.5, random_state=4)
    backend = XGBoostBackend(estimator, X, actual, np.ones(len(actual)), {})
    together = [booster.test_scores for booster in boost(backend, splits, actual)]
    alone = [boost(backend, [split], actual)[0].test_scores for split in splits]
    with ThreadPoolExecutor(len(splits)) as pool:
        boosters = pool.map(lambda split: boost(backend, [split], actual)[0], splits)
        in_threads = [booster.test_scores for booster in boosters]
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(in_threads, together)


def test_seed_of_the_estimator_comes_first():
    X, actual = make_numbers()
    splits = folds(len(actual))[:1]

    def scores(seed, random_state):
        estimator = make_classifier(subsample=0.5, random_state=seed)
        backend = XGBoostBackend(estimator, X, actual, np.ones(len(actual)), {}, random_state=random_state)
        return boost(backend, splits, actual, n_rounds=3)[0].test_scores

    np.testing.assert_array_equal(scores(1, 2), scores(1, 3))
    np.testing.assert_array_equal(scores(None, 2), scores(2, None))
    assert (scores(None, 2) != scores(None, 3)).any()
    drawn = [scores(None, np.random.RandomState(seed)) for seed in (5, 5, 6)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()


def test_the_estimator_is_left_as_it_is():
    X, actual = make_numbers(200)
    state = np.random.RandomState(0)
    estimator = make_classifier(random_state=state, base_score=None)
    before = pickle.dumps(estimator)
    boost(XGBoostBackend(estimator, X, actual, np.ones(200), {}), folds(200), actual, n_rounds=1)[0].finish(1)
    assert pickle.dumps(estimator) == before


def test_models_hold_no_rows():
    small, large = (
        len(
            pickle.dumps(
                boost(
                    XGBoostBackend(make_classifier(max_depth=1), X, actual, np.ones(len(actual)), {}),
                    folds(len(actual))[:1],
                    actual,
                )[0].finish(N_ROUNDS)
            )
        )
        for X, actual in (make_numbers(200), make_numbers(5_000))
    )
    assert large < small + 2_000  # 4,800 rows more of five numbers are 192,000 bytes


def test_rounds_rate_and_patience():
    settings = XGBoostBackend.settings(make_classifier(learning_rate=0.2, early_stopping_rounds=7), {})
    assert (settings.n_rounds, settings.learning_rate, settings.patience) == (N_ROUNDS, 0.2, 7)
    settings = XGBoostBackend.settings(xgboost.XGBClassifier(), {})
    assert (settings.n_rounds, settings.learning_rate, settings.patience) == (100, 0.3, None)
    assert XGBoostBackend.settings(xgboost.XGBClassifier(eta=0.05), {}).learning_rate == 0.05
    stopping = xgboost.callback.EarlyStopping(rounds=9)
    assert XGBoostBackend.settings(xgboost.XGBClassifier(callbacks=[stopping]), {}).patience == 9


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"booster": "dart"}, "booster='dart'.*engine='reduction'"),
        ({"booster": "gblinear"}, "booster='gblinear'"),
        ({"objective": "binary:hinge"}, "objective='binary:hinge'.*leave objective out"),
        ({"callbacks": ["LearningRateScheduler"]}, "callbacks may hold .*EarlyStopping only"),
    ],
    ids=["dart", "gblinear", "objective", "callbacks"],
)
def test_parameters_that_are_refused(params, message):
    X, actual = make_numbers(50)
    with pytest.raises(ValueError, match=message):
        XGBoostBackend(make_classifier(**params), X, actual, np.ones(50), {})


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("eval_set", ValueError, "eval_set is not needed.*early_stopping_rounds"),
        ("base_margin", ValueError, "base_margin cannot be passed"),
        ("xgb_model", ValueError, "xgb_model cannot be passed"),
        ("sample_weight", ValueError, "sample_weight is for fit itself"),
        ("sample_wait", TypeError, "unexpected argument 'sample_wait'"),
    ],
)
def test_arguments_of_fit_that_are_refused(name, kind, message):
    X, actual = make_numbers(50)
    with pytest.raises(kind, match=message):
        XGBoostBackend(make_classifier(), X, actual, np.ones(50), {name: None})


def test_columns_are_drawn_by_their_weights():
    X, actual = make_numbers()
    estimator = make_classifier(colsample_bytree=0.2, random_state=0, tree_method="hist")
    backend = XGBoostBackend(
        estimator, X, actual, np.ones(len(actual)), {"feature_weights": [1, 0, 0, 0, 0], "verbose": False}
    )
    model = boost(backend, folds(len(actual))[:1], actual)[0].finish(N_ROUNDS)
    np.testing.assert_array_equal(model.estimator.feature_importances_, [1, 0, 0, 0, 0])


class OwnFit(xgboost.XGBClassifier):
    def fit(self, X, y):
        return super().fit(X, y)


class OwnDefaults(xgboost.XGBClassifier):
    def __init__(self, n_estimators=5):
        super().__init__(n_estimators=n_estimators)


def test_which_estimators_are_boosted():
    assert find_backend(xgboost.XGBClassifier()) is XGBoostBackend
    assert find_backend(OwnDefaults()) is XGBoostBackend
    for other in (OwnFit(), xgboost.XGBRFClassifier(), xgboost.XGBRegressor(), "xgboost"):
        assert find_backend(other) is None
