"""LightGBM in lockstep folds: without prices each fold is what LGBMClassifier makes of its rows."""

import pickle

import numpy as np
import pytest
from scipy.sparse import coo_matrix, csc_matrix, csr_array, csr_matrix
from scipy.special import expit
from sklearn.base import clone
from sklearn.utils.class_weight import compute_class_weight

from fairsk.reductions._boosting.booster import find_backend
from fairsk.reductions._boosting.lightgbm import LightGBMBackend

lightgbm = pytest.importorskip("lightgbm")
pd = pytest.importorskip("pandas")

N_ROUNDS = 12


def make_classifier(**params):
    defaults = {"n_estimators": N_ROUNDS, "n_jobs": 1, "num_leaves": 6, "verbose": -1}
    return lightgbm.LGBMClassifier(**defaults | params)


def make_numbers(n=900, seed=0):
    """Rows of whole numbers: each is a bin of its own, so that bins of all rows are those of each fold."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 40, (n, 5)).astype(float)
    actual = (X[:, 0] + X[:, 1] * X[:, 2] / 20 + rng.normal(0, 10, n) > 45).astype(float)
    return X, actual


def make_frame(n=900, seed=0):
    X, actual = make_numbers(n, seed)
    rng = np.random.default_rng(seed + 1)
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame["color"] = pd.Categorical(rng.choice(["red", "green", "blue"], n))
    frame.loc[rng.random(n) < 0.2, "a"] = np.nan
    actual = np.where(frame["color"] == "red", 1 - actual, actual)
    return frame, actual


def folds(n, k=3):
    return [(np.flatnonzero(np.arange(n) % k != f), np.flatnonzero(np.arange(n) % k == f)) for f in range(k)]


def make_backend(estimator, X, actual, weights=None, classes=(0, 1), **fit_params):
    weights = np.ones(len(actual)) if weights is None else weights
    return LightGBMBackend(estimator, X, actual, weights, fit_params, classes=classes)


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
    """Compare log odds of all folds with those of clones of the estimator that are fitted to their rows."""
    splits = folds(len(actual))
    boosters = boost(make_backend(estimator, X, actual, weights, **fit_params), splits, actual)
    for booster, (train, test) in zip(boosters, splits, strict=True):
        plain = clone(estimator).fit(
            take(X, train),
            actual[train],
            sample_weight=None if weights is None else weights[train],
            **fit_params,
        )
        assert plain.booster_.current_iteration() == N_ROUNDS
        expected = plain.booster_.predict(take(X, test), raw_score=True) - offset
        np.testing.assert_allclose(booster.test_scores, expected, rtol=1e-9, atol=1e-9)
        own = plain.booster_.predict(take(X, train), raw_score=True)
        np.testing.assert_allclose(booster.train_scores, own, rtol=1e-9, atol=1e-9)
        model = pickle.loads(pickle.dumps(booster.finish(N_ROUNDS)))
        np.testing.assert_allclose(model.raw_scores(take(X, test)), expected, rtol=1e-9, atol=1e-9)
    assert np.ptp(booster.test_scores) > 0.5


PARAMS = {
    "defaults": {},
    "rate_and_leaves": {"learning_rate": 0.3, "num_leaves": 15, "min_child_samples": 5, "max_depth": 4},
    "bagging": {"subsample": 0.6, "subsample_freq": 2, "random_state": 7},
    "regularised": {"reg_alpha": 0.5, "reg_lambda": 5.0, "min_split_gain": 0.2, "min_child_weight": 4.0},
    "monotone": {"monotone_constraints": [1, -1, 0, 0, 0]},
    "goss": {"boosting_type": "goss", "random_state": 2},
    "strategy": {"data_sample_strategy": "goss", "top_rate": 0.3},
    "few_bins": {"max_bin": 255, "path_smooth": 2.0},
    "from_zero": {"boost_from_average": False},
    "alias": {"min_data_in_leaf": 40, "lambda_l2": 3.0},
    "generator": {"subsample": 0.6, "subsample_freq": 1, "random_state": np.random.RandomState(5)},
}


@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS.keys())
def test_parameters_are_kept(params):
    estimator = make_classifier(**params)
    X, actual = make_numbers()
    splits = folds(len(actual))
    if "random_state" not in params or isinstance(params["random_state"], int):
        check_equals_plain_fits(estimator, X, actual)
        return
    # All folds draw from one seed, that a clone would draw first.
    backend = make_backend(estimator, X, actual)
    first = boost(backend, splits, actual)[0]
    plain = clone(estimator).fit(X[splits[0][0]], actual[splits[0][0]])
    expected = plain.booster_.predict(X[splits[0][1]], raw_score=True)
    np.testing.assert_allclose(first.test_scores, expected, rtol=1e-9)


def test_columns_are_drawn_as_for_an_objective_of_the_users_own():
    """LightGBM draws columns once more where the objective is not its own."""
    X, actual = make_numbers()
    (train, test), *_ = splits = folds(len(actual))
    estimator = make_classifier(random_state=3, colsample_bytree=0.6)
    (booster, *_) = boost(make_backend(estimator, X, actual), splits, actual)

    def cross_entropy(labels, scores):
        p = expit(scores)
        return p - labels, p * (1 - p)

    prior = np.log(actual[train].mean() / (1 - actual[train].mean()))
    own = clone(estimator).set_params(objective=cross_entropy)
    own.fit(X[train], actual[train], init_score=np.full(len(train), prior))
    expected = prior + own.booster_.predict(X[test], raw_score=True)
    np.testing.assert_allclose(booster.test_scores, expected, rtol=1e-9)


def test_weights():
    X, actual = make_numbers()
    check_equals_plain_fits(
        make_classifier(), X, actual, np.random.default_rng(1).uniform(0.5, 3, len(actual))
    )


@pytest.mark.parametrize(
    ("params", "factor"),
    [
        ({"class_weight": {0: 1.0, 1: 3.0}}, 3.0),
        ({"class_weight": {1: 2.0}, "scale_pos_weight": 2.0}, 4.0),
        ({"scale_pos_weight": 0.5}, 0.5),
    ],
    ids=["by_label", "both", "positives"],
)
def test_weights_of_classes_are_taken_off_held_out_scores(params, factor):
    check_equals_plain_fits(make_classifier(**params), *make_numbers(), offset=np.log(factor))


@pytest.mark.parametrize("params", [{"class_weight": "balanced"}, {"is_unbalance": True}], ids=["sk", "lgb"])
def test_balanced_classes(params):
    X, actual = make_numbers()
    (train, test), *_ = folds(len(actual))
    scale = np.divide(*compute_class_weight("balanced", classes=np.array([0.0, 1.0]), y=actual)[::-1])
    factors = (make_classifier(**params), make_classifier(class_weight={0: 1.0, 1: scale}))
    given, expected = (make_backend(each, X, actual).fold(train, test) for each in factors)
    for booster in (given, expected):
        p = expit(booster.train_scores)
        booster.step(p - actual[train], p * (1 - p))
    # LightGBM starts from the prior without is_unbalance, and from that with class_weight.
    shift = given.train_scores.mean() - expected.train_scores.mean()
    assert (abs(shift) > 0.1) == ("is_unbalance" in params)
    if "class_weight" in params:
        np.testing.assert_allclose(given.test_scores, expected.test_scores, rtol=1e-6)


def test_weights_of_classes_by_the_users_labels():
    X, actual = make_numbers()
    estimator = make_classifier(class_weight={"no": 2.0, "yes": 6.0})
    for classes, factor in ((("no", "yes"), 3.0), (("yes", "no"), 1 / 3)):
        backend = make_backend(estimator, X, actual, classes=classes)
        assert backend.offset == pytest.approx(np.log(factor))
        assert set(backend.weights[actual > 0]) == {6.0 if factor > 1 else 2.0}


def test_categories_and_missing_values():
    check_equals_plain_fits(make_classifier(min_child_samples=10), *make_frame())


def test_categorical_columns_by_position_and_by_name():
    X, actual = make_numbers()
    X[:, 4] %= 7
    check_equals_plain_fits(make_classifier(), X, actual, categorical_feature=[4])
    frame = pd.DataFrame(X, columns=list("abcde"))
    check_equals_plain_fits(make_classifier(), frame, actual, categorical_feature=["e"])


def test_categories_in_another_order_are_matched_at_prediction():
    frame, actual = make_frame()
    (booster, *_) = boost(make_backend(make_classifier(), frame, actual), folds(len(actual)), actual)
    model = booster.finish(N_ROUNDS)
    turned = frame.assign(color=frame["color"].cat.reorder_categories(["red", "green", "blue"]))
    np.testing.assert_array_equal(model.raw_scores(turned), model.raw_scores(frame))


def test_sparse_rows():
    X, actual = make_numbers()
    X[X < 20] = 0
    check_equals_plain_fits(make_classifier(), csr_matrix(X), actual)
    splits = folds(len(actual))
    expected, *_ = boost(make_backend(make_classifier(), csr_matrix(X), actual), splits, actual)
    for kind in (csc_matrix, coo_matrix, csr_array):  # LightGBM warns of the last, and cannot predict with it
        given, *_ = boost(make_backend(make_classifier(), kind(X), actual), splits, actual)
        np.testing.assert_array_equal(given.finish(5).raw_scores(kind(X)), expected.finish(5).raw_scores(X))


def test_rows_that_no_column_can_split():
    X, actual = np.zeros((300, 2)), np.arange(300) % 3 == 0
    check = make_backend(make_classifier(), X, actual.astype(float))
    for booster in boost(check, [(np.arange(200), np.arange(200, 300))], actual, n_rounds=2):
        expected = make_classifier().fit(X[:200], actual[:200]).booster_.predict(X[:3], raw_score=True)
        np.testing.assert_allclose(booster.test_scores, np.full(100, expected[0]))
        np.testing.assert_allclose(booster.finish(2).raw_scores(X[:3]), expected)


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_other_frames(library):
    module = pytest.importorskip(library)
    X, actual = make_numbers()
    columns = {name: X[:, i] for i, name in enumerate("abcde")}
    frame = module.DataFrame(columns) if library == "polars" else module.table(columns)
    splits = folds(len(actual))
    (given, *_), (expected, *_) = (
        boost(make_backend(make_classifier(), rows, actual), splits, actual) for rows in (frame, X)
    )
    np.testing.assert_array_equal(given.test_scores, expected.test_scores)
    np.testing.assert_array_equal(given.finish(3).raw_scores(frame), expected.finish(3).raw_scores(X))


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_categories_of_other_frames_are_refused(library):
    """LightGBM 4.7 ends the process where it meets them."""
    module = pytest.importorskip(library)
    X, actual = make_numbers(n=60)
    texts = np.where(actual > 0, "much", "little").tolist()
    if library == "polars":
        column = module.Series(texts, dtype=module.Categorical)
        frame = module.DataFrame({"a": X[:, 0], "b": column})
    else:
        frame = module.table({"a": X[:, 0], "b": module.array(texts).dictionary_encode()})
    with pytest.raises(ValueError, match=rf"frame of {library} with categories or texts in 'b'"):
        make_backend(make_classifier(), frame, actual)


def test_lists_of_numbers():
    X, actual = make_numbers(n=300)
    backend = make_backend(make_classifier(), X.tolist(), actual)
    (booster, *_) = boost(backend, folds(300), actual)
    np.testing.assert_array_equal(booster.finish(4).raw_scores(X.tolist()), booster.finish(4).raw_scores(X))


def test_rows_in_any_order():
    X, actual = make_numbers()
    train, test = np.random.default_rng(0).permutation(len(actual)).reshape(2, -1)
    ((shuffled,), (in_order,)) = (
        boost(make_backend(make_classifier(), X, actual), [split], actual)
        for split in ((train, test), (np.sort(train), np.sort(test)))
    )
    np.testing.assert_allclose(shuffled.test_scores[np.argsort(test)], in_order.test_scores, rtol=1e-9)
    np.testing.assert_allclose(shuffled.train_scores[np.argsort(train)], in_order.train_scores, rtol=1e-9)


def test_rows_that_are_none_of_the_training_data():
    X, actual = make_numbers()
    (train, test), *_ = folds(len(actual))
    backend = make_backend(make_classifier(), X[train], actual[train])
    booster = backend.fold(np.arange(len(train)), np.arange(0), X_test=X[test])
    for _ in range(N_ROUNDS):
        p = expit(booster.train_scores)
        booster.step(p - actual[train], p * (1 - p))
    expected = make_classifier().fit(X[train], actual[train]).booster_.predict(X[test], raw_score=True)
    np.testing.assert_allclose(booster.test_scores, expected, rtol=1e-9)


def test_a_model_is_cut_off_at_a_round():
    X, actual = make_numbers()
    splits = folds(len(actual))
    short = boost(make_backend(make_classifier(), X, actual), splits, actual, n_rounds=5)
    long = boost(make_backend(make_classifier(), X, actual), splits, actual)
    for one, other, (_, test) in zip(short, long, splits, strict=True):
        np.testing.assert_allclose(other.finish(5).raw_scores(X[test]), one.test_scores, rtol=1e-9)
        assert np.abs(other.finish(5).raw_scores(X) - other.finish(N_ROUNDS).raw_scores(X)).max() > 0.1


def test_rounds_without_a_split_are_counted():
    """Where no split gains, LightGBM adds no tree; the trees after that belong to later rounds."""
    X, actual = make_numbers()
    (train, test), *_ = folds(len(actual))
    booster = make_backend(make_classifier(), X, actual).fold(train, test)
    prior = np.log(actual[train].mean() / (1 - actual[train].mean()))
    nothing, slopes = np.zeros(len(train)), np.full(len(train), 0.25)
    for gradient in (nothing, 0.5 - actual[train], nothing, 0.5 - actual[train]):
        booster.step(gradient, slopes)
    scores = [booster.finish(n).raw_scores(X[test]) for n in range(5)]
    np.testing.assert_allclose(scores[0], prior)
    np.testing.assert_allclose(scores[1], prior)
    np.testing.assert_array_equal(scores[2], scores[3])
    assert np.ptp(scores[2]) > 0.05
    assert np.abs(scores[4] - scores[3]).max() > 0.05
    np.testing.assert_allclose(scores[4], booster.test_scores)


def test_the_estimator_is_left_as_it_is():
    X, actual = make_numbers(n=300)
    generator = np.random.RandomState(3)
    before = generator.get_state()[1].copy()
    estimator = make_classifier(random_state=generator)
    params = estimator.get_params()
    boost(make_backend(estimator, X, actual), folds(300), actual)
    assert estimator.get_params() == params
    np.testing.assert_array_equal(generator.get_state()[1], before)
    assert not estimator.__sklearn_is_fitted__()


def test_models_hold_no_rows():
    sizes = []
    for n in (900, 9000):
        X, actual = make_numbers(n)
        (booster, *_) = boost(make_backend(make_classifier(), X, actual), folds(n), actual)
        sizes.append(len(pickle.dumps(booster.finish(N_ROUNDS))))
    assert sizes[1] < 1.2 * sizes[0] < 9000 * 8  # less than one number per row


@pytest.mark.parametrize(
    ("params", "fit_params", "expected"),
    [
        ({}, {}, (N_ROUNDS, 0.1, None)),
        ({"learning_rate": 0.3, "early_stopping_round": 7}, {}, (N_ROUNDS, 0.3, 7)),
        ({"early_stopping_rounds": 0}, {}, (N_ROUNDS, 0.1, None)),
        ({"num_boost_round": 33}, {}, (33, 0.1, None)),
        ({}, {"callbacks": [lightgbm.early_stopping(5, verbose=False)]}, (N_ROUNDS, 0.1, 5)),
    ],
    ids=["plain", "stopping", "no_stopping", "alias", "callback"],
)
def test_rounds_rate_and_patience(params, fit_params, expected):
    settings = LightGBMBackend.settings(make_classifier(**params), fit_params)
    assert (settings.n_rounds, settings.learning_rate, settings.patience) == expected


def test_all_names_of_parameters_that_are_read():
    """LightGBM's own list of other names is private; here it says which ones are missing."""
    aliases = pytest.importorskip("lightgbm.basic")._ConfigAliases
    for alias in aliases.get("num_iterations") - {"n_estimators"}:
        assert LightGBMBackend.settings(make_classifier(**{alias: 21}), {}).n_rounds == 21
    for alias in aliases.get("early_stopping_round"):
        assert LightGBMBackend.settings(make_classifier(**{alias: 4}), {}).patience == 4
    for alias in aliases.get("objective") - {"objective"}:
        assert "objective='l2'" in LightGBMBackend.refusal(make_classifier(**{alias: "l2"}))
    for alias in aliases.get("boosting"):
        assert "'dart'" in LightGBMBackend.refusal(make_classifier(**{alias: "dart"}))
    for name in ("pos_bagging_fraction", "neg_bagging_fraction"):
        for alias in aliases.get(name):
            assert alias in LightGBMBackend.refusal(make_classifier(**{alias: 0.5}))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"boosting_type": "rf"}, "boosting_type='rf' cannot be boosted"),
        ({"objective": "cross_entropy"}, "gradient of its own"),
        ({"objective": lambda y, p: (p - y, p)}, "gradient of its own"),
        ({"sigmoid": 2.0}, "sigmoid cannot be had"),
    ],
    ids=["forest", "objective", "function", "sigmoid"],
)
def test_parameters_that_are_refused(params, message):
    assert message in LightGBMBackend.refusal(make_classifier(**params))
    X, actual = make_numbers(n=60)
    with pytest.raises(ValueError, match=message):
        make_backend(make_classifier(**params), X, actual)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("eval_set", ValueError, "is not needed"),
        ("eval_metric", ValueError, "is not needed"),
        ("init_score", ValueError, "predictions would not have it"),
        ("init_model", ValueError, "known to it"),
        ("colour", TypeError, "unexpected argument 'colour'"),
        ("callbacks", ValueError, "early_stopping only"),
    ],
)
def test_arguments_of_fit_that_are_refused(name, kind, message):
    X, actual = make_numbers(n=60)
    with pytest.raises(kind, match=message):
        make_backend(make_classifier(), X, actual, **{name: [print]})


def test_no_rounds_are_refused():
    with pytest.raises(ValueError, match="n_estimators must be at least 1"):
        LightGBMBackend.settings(make_classifier(n_estimators=0), {})


@pytest.mark.parametrize("weights", ["heavy", {0: 0.0, 1: 1.0}], ids=["word", "zero"])
def test_weights_of_classes_that_are_refused(weights):
    X, actual = make_numbers(n=60)
    with pytest.raises(ValueError, match="class_weight"):
        make_backend(make_classifier(class_weight=weights), X, actual)


def test_nothing_is_printed_unless_asked_for(capfd):
    X, actual = make_numbers(n=300)
    for params in ({}, {"verbose": 1}):
        estimator = lightgbm.LGBMClassifier(n_estimators=2, n_jobs=1, **params)
        boost(make_backend(estimator, X, actual), folds(300), actual, n_rounds=2)
        assert bool("".join(capfd.readouterr())) == bool(params)


def test_which_estimators_are_boosted():
    class Own(lightgbm.LGBMClassifier):
        def fit(self, X, y, **params):
            return super().fit(X, y, **params)

    class Renamed(lightgbm.LGBMClassifier):
        pass

    assert find_backend(make_classifier()) is LightGBMBackend
    assert find_backend(Renamed()) is LightGBMBackend
    assert find_backend(Own()) is None
    assert find_backend(lightgbm.LGBMRegressor()) is None
