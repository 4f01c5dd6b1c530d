"""Calibration per group of three classes and more: scikit-learn's maps, and direct minimisation."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sklearn
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier

from fairsk import GroupCalibratedClassifier
from fairsk.calibration import IsotonicMap, OneVsRestMap, SigmoidMap, TemperatureMap

METHODS = ["isotonic", "sigmoid", "temperature"]
SIZES = (400, 250, 90)


class Columns(ClassifierMixin, BaseEstimator):
    """A classifier whose decision scores, or logarithms of probabilities, are the columns of X."""

    def __init__(self, classes=None):
        self.classes = classes

    def fit(self, X, y):
        self.classes_ = np.unique(y) if self.classes is None else np.array(self.classes)
        return self

    def decision_function(self, X):
        return np.asarray(X, dtype=float)

    def predict(self, X):
        return self.classes_[self.decision_function(X).argmax(axis=1)]


class Chances(Columns):
    def predict_proba(self, X):
        return softmax(self.decision_function(X), axis=1)


def problem(seed=0, sizes=SIZES, n_classes=3, strength=1.0):
    """Return scores of classes, labels that follow them, groups that they are wrong about, and the truth."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    scores = rng.normal(size=(len(groups), n_classes)) * 1.5
    slopes = np.exp(strength * rng.normal(0, 0.25, len(sizes)))
    shifts = strength * rng.normal(0, 0.5, (len(sizes), n_classes))
    truth = softmax(slopes[groups, None] * scores + shifts[groups], axis=1)
    labels = (truth.cumsum(axis=1) < rng.random((len(groups), 1))).sum(axis=1)
    return scores, labels, groups, truth


def prefit(scores, labels, groups, *, inner=Columns, weights=None, **params):
    model = GroupCalibratedClassifier(FrozenEstimator(inner().fit(scores, labels)), **params)
    return model.fit(scores, labels, sensitive_features=groups, sample_weight=weights)


def probabilities(model, scores, groups):
    return model.predict_proba(scores, sensitive_features=groups)


@pytest.mark.filterwarnings("ignore:Since FrozenEstimator does not appear to accept sample_weight")
@pytest.mark.parametrize("method", METHODS)
def test_every_group_has_the_map_of_scikit_learn(method):
    if method == "temperature" and tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 8):
        pytest.skip("scikit-learn has temperatures from 1.8 on")
    scores, labels, groups, _ = problem()
    frozen = FrozenEstimator(Columns().fit(scores, labels))
    far = np.array([[9.0, -9.0, 0.0], [-9.0, -9.0, -9.0], [30.0, 30.0, 30.0]])
    for weights in (None, np.random.default_rng(1).random(len(labels))):
        if weights is not None and method == "sigmoid":
            continue  # Platt's targets count effective rows here
        model = prefit(scores, labels, groups, method=method, shrinkage=0, weights=weights)
        for group in range(3):
            own = groups == group
            theirs = CalibratedClassifierCV(frozen, method=method)
            theirs.fit(scores[own], labels[own], sample_weight=None if weights is None else weights[own])
            new = np.concatenate([scores, far])
            found = probabilities(model, new, [group] * len(new))
            atol = 1e-12 if method == "isotonic" else 1e-5
            np.testing.assert_allclose(found, theirs.predict_proba(new), atol=atol)


def test_the_temperature_has_the_least_log_loss():
    """Of decision scores and of probabilities, with weights and without, from two classes to six."""
    rng = np.random.default_rng(0)
    for seed in range(15):
        n_classes = 2 + seed % 5
        scores, labels, _, _ = problem(seed, (60,), n_classes)
        actual = labels[:, None] == np.arange(n_classes)
        weights = rng.random(60) if seed % 2 else np.ones(60)

        def loss(log_inverse, scores=scores, labels=labels, n_classes=n_classes, weights=weights):
            chances = softmax(np.exp(log_inverse) * scores, axis=1)
            return log_loss(labels, chances, sample_weight=weights, labels=np.arange(n_classes))

        best = minimize_scalar(loss, bounds=(-5, 5), method="bounded", options={"xatol": 1e-10})
        found = TemperatureMap.fit(scores, actual, weights).temperature
        assert found == pytest.approx(np.exp(-best.x), rel=1e-5)
        assert loss(-np.log(found)) <= best.fun + 1e-12
        # What the scores of a row have in common says nothing: so log-probabilities do for scores.
        common = rng.normal(size=(60, 1)) * 1e6
        for same in (log_softmax(scores, axis=1), scores + common):
            assert TemperatureMap.fit(same, actual, weights).temperature == pytest.approx(found, rel=1e-6)
        if n_classes == 2:
            alone = TemperatureMap.fit(scores[:, 1] - scores[:, 0], actual[:, 1], weights)
            assert alone.temperature == pytest.approx(found, rel=1e-9)


def test_temperatures_of_several_classes_have_bounds():
    scores = np.repeat(np.eye(3), 10, axis=0)
    assert TemperatureMap.fit(scores, scores == 1, np.ones(30)).temperature == pytest.approx(np.exp(-10))
    reversed_ = TemperatureMap.fit(scores, np.roll(scores, 1, axis=1) == 1, np.ones(30))
    assert reversed_.temperature == pytest.approx(np.exp(10))


def test_probabilities_are_read_as_logarithms_or_log_odds():
    scores, labels, groups, _ = problem()
    chances = softmax(scores, axis=1)
    rows = groups == 1
    actual, ones = labels[rows, None] == np.arange(3), np.ones(rows.sum())
    read = {"temperature": np.log(chances), "sigmoid": logit(chances), "isotonic": chances}
    for method, values in read.items():
        model = prefit(scores, labels, groups, inner=Chances, method=method, shrinkage=0)
        if method == "temperature":
            expected = TemperatureMap.fit(values[rows], actual, ones)(values)
        else:
            kind = {"sigmoid": SigmoidMap, "isotonic": IsotonicMap}[method]
            columns = [kind.fit(values[rows, c], actual[:, c], ones)(values[:, c]) for c in range(3)]
            expected = np.transpose(columns) / np.sum(columns, axis=0)[:, None]
        np.testing.assert_allclose(probabilities(model, scores, [1] * len(scores)), expected, atol=1e-12)
    certain = np.repeat([[0.0, -2e4, -3e4]], 90, axis=0)  # probabilities of exactly 1 and 0
    for method in METHODS:
        model = prefit(certain, np.arange(90) % 3, [0, 1] * 45, inner=Chances, method=method)
        found = probabilities(model, certain, [0] * 90)
        np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("method", METHODS)
def test_shrinkage_mixes_whole_rows_of_probabilities(method):
    scores, labels, groups, _ = problem()
    weights = np.random.default_rng(0).exponential(size=len(labels))
    model = prefit(scores, labels, groups, method=method, shrinkage=70, weights=weights)
    kind = TemperatureMap if method == "temperature" else OneVsRestMap
    found = probabilities(model, scores, groups)
    for group in range(3):
        rows, own_map = groups == group, model.maps_[group]
        kish = weights[rows].sum() ** 2 / (weights[rows] ** 2).sum()
        assert model.own_weights_[group] == pytest.approx(kish / (kish + 70))
        assert type(own_map) is kind
        own, overall = own_map(scores[rows]), model.overall_map_(scores[rows])
        np.testing.assert_allclose(found[rows], (kish * own + 70 * overall) / (kish + 70), atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert not hasattr(model, "decision_function")
    np.testing.assert_array_equal(
        model.predict(scores, sensitive_features=groups), model.classes_[found.argmax(axis=1)]
    )
    np.testing.assert_allclose(
        np.exp(model.predict_log_proba(scores, sensitive_features=groups)), found, atol=1e-15
    )
    tiny = prefit(scores, labels, groups, method=method, shrinkage=70, weights=weights / 1e6)
    np.testing.assert_allclose(probabilities(tiny, scores, groups), found, atol=1e-8)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(probabilities(loaded, scores, groups), found)


def test_a_temperature_changes_no_prediction_of_several_classes():
    scores, labels, groups, _ = problem(n_classes=5)
    model = prefit(scores, labels, groups, method="temperature")
    np.testing.assert_array_equal(model.predict(scores, sensitive_features=groups), scores.argmax(axis=1))


def test_rows_that_all_maps_hold_for_impossible_are_uniform():
    never, rising = (IsotonicMap(np.array([0.0, 1.0]), np.array(at)) for at in ([0.0, 0.0], [0.0, 0.6]))
    found = OneVsRestMap((rising, never, rising))(np.array([[0.0, 5.0, -1.0], [1.0, 5.0, 0.5]]))
    np.testing.assert_allclose(found, [[1 / 3] * 3, [2 / 3, 0, 1 / 3]])


@pytest.mark.parametrize("method", METHODS)
def test_small_unknown_and_one_label_groups_get_the_map_of_all_rows(method):
    scores, labels, groups, _ = problem()
    names = np.array(["big", "lacks a class", "one label"], dtype=object)[groups]
    labels = np.where(names == "one label", 2, labels)
    labels = np.where((names == "lacks a class") & (labels == 0), 1, labels)
    names[:9] = "nine rows"
    with pytest.warns(UserWarning, match="in: nine rows, one label. These groups get the map of all rows"):
        model = prefit(scores, labels, names, method=method, shrinkage=0, unknown_group="overall")
    overall = model.overall_map_(scores)
    for name in ("nine rows", "one label"):
        assert model.own_weights_[name] == 0
        np.testing.assert_array_equal(probabilities(model, scores, [name] * len(scores)), overall)
    with pytest.warns(UserWarning, match="None of 740 rows has a group"):
        np.testing.assert_array_equal(probabilities(model, scores, ["new"] * len(scores)), overall)
    lacking = probabilities(model, scores, ["lacks a class"] * len(scores))[:, 0]
    if method == "isotonic":
        assert lacking.max() == 0
    elif method == "sigmoid":  # Platt's target for rows that are not of the class
        assert lacking.max() < 0.01
    shrunk = prefit(scores, labels, names == "lacks a class", method=method)
    assert probabilities(shrunk, scores, [True] * len(scores))[:, 0].max() > 0


def test_the_default_shrinkage_beats_both_extremes():
    """By the squared error of the true probabilities of a small group, which may differ or not."""
    for method in METHODS:
        errors = {0: 0.0, 50: 0.0, 1e12: 0.0}
        for seed in range(12):
            sizes, strength = (300, 300, (20, 60, 200)[seed % 3]), (0, 0.5, 1, 2)[seed % 4]
            scores, labels, groups, truth = problem(seed, sizes, strength=strength)
            few = groups == 2
            for shrinkage in errors:
                model = prefit(scores, labels, groups, method=method, shrinkage=shrinkage)
                found = probabilities(model, scores[few], groups[few])
                errors[shrinkage] += np.mean((found - truth[few]) ** 2)
        assert errors[50] < errors[0]
        assert errors[50] < errors[1e12]


def test_names_and_order_of_classes_permute_columns():
    scores, labels, groups, _ = problem()
    for method in METHODS:
        expected = probabilities(prefit(scores, labels, groups, method=method), scores, groups)
        names = np.array(["z", "a", "k"])  # sorted: a, k, z
        model = prefit(scores[:, [1, 2, 0]], names[labels], groups, method=method)
        assert model.classes_.tolist() == ["a", "k", "z"]
        found = probabilities(model, scores[:, [1, 2, 0]], groups)
        np.testing.assert_allclose(found, expected[:, [1, 2, 0]], atol=1e-7)
        # A classifier that has its classes in another order than the sorted one.
        inner = FrozenEstimator(Columns(["z", "a", "k"]).fit(scores, labels))
        model = GroupCalibratedClassifier(inner, method=method)
        model.fit(scores, names[labels], sensitive_features=groups)
        assert model.classes_.tolist() == ["z", "a", "k"]
        np.testing.assert_allclose(probabilities(model, scores, groups), expected, atol=1e-7)


def test_scores_are_out_of_fold_and_folds_have_every_class():
    rng = np.random.default_rng(0)
    X, labels, groups = rng.normal(size=(600, 2)), rng.integers(0, 3, 600), rng.integers(0, 2, 600)
    model = GroupCalibratedClassifier(DecisionTreeClassifier(random_state=0), sensitive_features=2)
    X = np.column_stack([X, groups])
    assert (
        np.abs(model.fit(X, labels).predict_proba(X) - 1 / 3).max() < 0.1
    )  # it remembers, and knows nothing
    assert cross_val_score(model, X, labels, cv=2, scoring="neg_log_loss").mean() > -1.2
    labels[labels == 2] = 1
    labels[0] = 2
    with (
        pytest.warns(UserWarning, match="least populated class"),
        pytest.raises(ValueError, match="have no row of 2"),
    ):
        model.fit(X, labels)


def test_a_positive_label_is_one_of_two():
    scores, labels, groups, _ = problem()
    with pytest.raises(ValueError, match=r"y has 3 classes, each of which is calibrated, and pos_label=1"):
        prefit(scores, labels, groups, pos_label=1)
    model = GroupCalibratedClassifier(FrozenEstimator(Columns().fit(scores, labels)))
    with pytest.raises(ValueError, match=r"prefit estimator has the classes \[0, 1, 2\], and y \[0, 1\]"):
        model.fit(scores, labels % 2, sensitive_features=groups)
