"""Repair and calibration of scores: equal to independent computations, and what is promised of both."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV, _SigmoidCalibration
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from toy_data import ScoreColumn, logistic, people, prepare

from fairsk import GroupCalibratedClassifier, GroupThresholdOptimizer, ScoreRepair
from fairsk._core.quantiles import interpolated
from fairsk.calibration import IsotonicMap, SigmoidMap, TemperatureMap
from fairsk.metrics import demographic_parity_difference
from fairsk.scoring import best_under, make_fair_scorer

BOTH = [ScoreRepair, GroupCalibratedClassifier]
METHODS = ["isotonic", "sigmoid", "temperature"]
LEVELS = np.linspace(0, 1, 1001)


class ChanceColumn(ClassifierMixin, BaseEstimator):
    """A classifier whose probability of the second class is the first column of X."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        chance = np.asarray(X)[:, 0].astype(float)
        return np.column_stack([1 - chance, chance])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def scored(sizes, seed=0, bounded=False):
    """Return continuous scores, labels that follow them, and groups of these sizes that score differently."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    scores = rng.normal(0.7 * groups, 1 + 0.3 * groups)
    actual = (rng.random(len(scores)) < expit(scores)).astype(int)
    order = rng.permutation(len(scores))
    return (expit(scores) if bounded else scores)[order], actual[order], groups[order]


def prefit(cls, scores, actual, groups, *, bounded=False, weights=None, **params):
    """Fit on given scores, without a model to learn."""
    X = np.asarray(scores, dtype=float).reshape(-1, 1)
    inner = (ChanceColumn if bounded else ScoreColumn)().fit(X, actual)
    model = cls(FrozenEstimator(inner), **params)
    return model.fit(X, actual, sensitive_features=groups, sample_weight=weights)


def mapped(model, scores, groups):
    """Return what scores become, for the second class."""
    X = np.asarray(scores, dtype=float).reshape(-1, 1)
    if hasattr(model, "decision_function"):
        return model.decision_function(X, sensitive_features=groups)
    return model.predict_proba(X, sensitive_features=groups)[:, 1]


def largest_gap(scores, groups):
    """Return the largest demographic parity difference over many thresholds."""
    thresholds = np.quantile(scores, np.linspace(0.002, 0.998, 250))
    return max(
        demographic_parity_difference(np.zeros(len(scores)), scores >= t, sensitive_features=groups)
        for t in thresholds
    )


# --- ScoreRepair: parity -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("sizes", [(400, 1600), (150, 3000, 700, 250, 1200)])
def test_every_threshold_is_at_parity(sizes, bounded):
    scores, actual, groups = scored(sizes, bounded=bounded)
    repaired = mapped(prefit(ScoreRepair, scores, actual, groups, bounded=bounded), scores, groups)
    assert largest_gap(scores, groups) > 0.2
    assert largest_gap(repaired, groups) <= 2 / 1000 + 1 / min(sizes)


def test_new_rows_are_at_parity_up_to_sampling():
    X, y = people(n=4000)
    unseen, _ = people(n=4000, seed=1)
    plain = logistic().fit(X, y).predict_proba(unseen)[:, 1]
    repaired = ScoreRepair(logistic(), sensitive_features="sex").fit(X, y).predict_proba(unseen)[:, 1]
    assert largest_gap(plain, unseen["sex"]) > 0.13
    # The largest of 250 differences between two samples of 2,000: Kolmogorov and Smirnov's 1 % point is .052.
    assert largest_gap(repaired, unseen["sex"]) < 0.06


@pytest.mark.parametrize("n", [50, 100, 500])
def test_equals_the_sorted_average_of_groups_of_one_size(n):
    """The barycentre of equally many points each is the average of the sorted points."""
    rng = np.random.default_rng(n)
    parts = [rng.normal(size=n), rng.exponential(size=n), rng.uniform(-3, 0, n)]
    scores, groups = np.concatenate(parts), np.repeat(["a", "b", "c"], n)
    average = np.mean([np.sort(part) for part in parts], axis=0)
    expected = np.concatenate([average[part.argsort().argsort()] for part in parts])
    model = prefit(ScoreRepair, scores, rng.integers(0, 2, 3 * n), groups)
    np.testing.assert_allclose(mapped(model, scores, groups), expected, atol=1e-12)


def test_quantiles_are_hazens_and_the_barycentre_their_average():
    scores, actual, groups = scored((37, 1210, 300))
    model = prefit(ScoreRepair, scores, actual, groups)
    assert model.groups_ == (0, 1, 2)
    expected = [np.quantile(scores[groups == g], LEVELS, method="hazen") for g in range(3)]
    for g in range(3):
        np.testing.assert_allclose(model.quantiles_[g], expected[g], atol=1e-12)
        assert model.shares_[g] == pytest.approx(np.mean(groups == g))
    np.testing.assert_allclose(
        model.barycenter_, np.average(expected, axis=0, weights=np.bincount(groups)), atol=1e-12
    )
    np.testing.assert_allclose(
        model.overall_quantiles_, np.quantile(scores, LEVELS, method="hazen"), atol=1e-12
    )


# --- ScoreRepair: the shape of the map --------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("strength", [0.3, 1.0])
@pytest.mark.parametrize("bounded", [False, True])
def test_nobody_changes_places_within_a_group(bounded, strength, seed):
    sizes = [(5, 8), (30, 2500), (1, 400, 77), (3000, 3000)][seed % 4]
    scores, actual, groups = scored(sizes, seed=seed, bounded=bounded)
    model = prefit(ScoreRepair, scores, actual, groups, bounded=bounded, strength=strength)
    wide = np.linspace(0, 1, 5001) if bounded else np.linspace(-30, 30, 5001)  # far beyond those of fit
    for group in model.groups_:
        own = np.sort(scores[groups == group])
        assert np.all(np.diff(mapped(model, own, np.full(len(own), group))) > 0)
        everywhere = np.sort(np.concatenate([own, wide]))
        moved = mapped(model, everywhere, np.full(len(everywhere), group))
        assert np.all(np.diff(moved) >= 0)
        if bounded:
            assert moved[0] == pytest.approx(0, abs=1e-15)
            assert moved[-1] == pytest.approx(1, abs=1e-15)
            assert np.all((moved >= 0) & (moved <= 1))
        else:
            outside = (everywhere < own[0]) | (everywhere > own[-1])
            assert np.all(np.diff(moved[outside]) > 0)


def test_order_survives_rounding():
    """Between -1 and a billionth, np.interp alone overshoots in about half of these cases."""
    for seed in range(300):
        rng = np.random.default_rng(seed)
        at, values = (np.sort(np.append(-rng.random(3), rng.random(3) / 1e9)) for _ in range(2))
        x = np.sort(np.concatenate([at, np.nextafter(at, -np.inf), np.nextafter(at, np.inf)]))
        assert np.all(np.diff(interpolated(x, at, values)) >= 0)


def test_strength_is_how_far_scores_move():
    scores, actual, groups = scored((300, 500, 200))
    untouched, halfway, repaired = (
        mapped(prefit(ScoreRepair, scores, actual, groups, strength=strength), scores, groups)
        for strength in (0, 0.5, 1)
    )
    np.testing.assert_array_equal(untouched, scores)
    np.testing.assert_allclose(halfway, (scores + repaired) / 2)
    gaps = [
        np.ptp([values[groups == g].mean() for g in range(3)]) for values in (untouched, halfway, repaired)
    ]
    assert gaps[1] == pytest.approx(gaps[0] / 2, abs=0.01)
    assert gaps[2] == pytest.approx(0, abs=0.01)


def test_strength_needs_no_new_fit():
    scores, actual, groups = scored((300, 500))
    model = prefit(ScoreRepair, scores, actual, groups).set_params(strength=0.25)
    fresh = prefit(ScoreRepair, scores, actual, groups, strength=0.25)
    np.testing.assert_array_equal(mapped(model, scores, groups), mapped(fresh, scores, groups))


def test_ties_stay_tied_and_stand_in_the_middle():
    scores = np.array([0.0, 0.0, 0.0, 1.0, 5.0, 6.0, 7.0, 8.0])
    groups = np.repeat(["a", "b"], 4)
    model = prefit(ScoreRepair, scores, [0, 1] * 4, groups)
    # In a, 0 holds the ranks 0 to .75 and stands at .375, where b is at 6; 1 stands at .875, where b is at 8.
    np.testing.assert_allclose(mapped(model, scores, groups)[:4], [3.0, 3.0, 3.0, 4.5])
    constant = prefit(ScoreRepair, [2.0] * 4 + [5.0, 6.0, 7.0, 8.0], [0, 1] * 4, groups)
    np.testing.assert_allclose(mapped(constant, [2.0], ["a"]), [(2 + 6.5) / 2])


def test_order_of_rows_and_names_change_nothing():
    scores, actual, groups = scored((300, 500, 40))
    order = np.random.default_rng(0).permutation(len(scores))
    names = np.array(["z", "a", "k"])[groups]
    expected = mapped(prefit(ScoreRepair, scores, actual, groups), scores, groups)
    shuffled = prefit(ScoreRepair, scores[order], actual[order], names[order])
    np.testing.assert_allclose(mapped(shuffled, scores, names), expected, atol=1e-12)


# --- ScoreRepair: weights, one group, nobody --------------------------------------------------------------


def test_weights_equal_repetition_and_zero_is_absent():
    scores, actual, groups = scored((60, 90))
    counts = np.random.default_rng(0).integers(0, 4, len(scores))
    weighted = prefit(ScoreRepair, scores, actual, groups, weights=counts)
    repeated = prefit(ScoreRepair, *(np.repeat(values, counts) for values in (scores, actual, groups)))
    np.testing.assert_allclose(mapped(weighted, scores, groups), mapped(repeated, scores, groups), atol=1e-12)
    tiny = prefit(ScoreRepair, scores, actual, groups, weights=counts / 1e6)
    np.testing.assert_allclose(mapped(tiny, scores, groups), mapped(weighted, scores, groups), atol=1e-12)


@pytest.mark.parametrize("bounded", [False, True])
def test_one_group_stays_as_it_is(bounded):
    scores, actual, _ = scored((500,), bounded=bounded)
    with pytest.warns(UserWarning, match="only one group, everybody"):
        model = prefit(ScoreRepair, scores, actual, ["everybody"] * 500, bounded=bounded)
    new = np.linspace(0, 1, 100)
    np.testing.assert_allclose(mapped(model, new, ["everybody"] * 100), new, atol=1e-12)


def test_a_group_without_weight_is_named_and_treated_as_all_rows():
    scores, actual, groups = scored((50, 60, 10))
    with pytest.warns(UserWarning, match="No held-out row with a weight belongs to: 2"):
        model = prefit(ScoreRepair, scores, actual, groups, weights=groups < 2, unknown_group="overall")
    with pytest.warns(UserWarning, match="None of 120 rows has a group that occurred in fit"):
        overall = mapped(model, scores, [None] * 120)
    np.testing.assert_array_equal(mapped(model, scores, [2] * 120), overall)


# --- calibration: the maps ---------------------------------------------------------------------------------


def calibration_problem(bounded=False, seed=0):
    scores, _, groups = scored((700, 400, 150), seed=seed)
    chance = expit(np.array([0.5, 1.0, 1.5])[groups] * scores + np.array([-1.0, 0.0, 1.0])[groups])
    actual = (np.random.default_rng(seed).random(len(scores)) < chance).astype(int)
    return (expit(scores) if bounded else scores), actual, groups


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_isotonic_equals_scikit_learn_per_group(bounded, weighted):
    scores, actual, groups = calibration_problem(bounded)
    weights = np.random.default_rng(1).random(len(scores)) if weighted else None
    model = prefit(
        GroupCalibratedClassifier, scores, actual, groups, bounded=bounded, weights=weights, shrinkage=0
    )
    found = mapped(model, scores, groups)
    for group in range(3):
        own = groups == group
        theirs = IsotonicRegression(out_of_bounds="clip")
        theirs.fit(scores[own], actual[own], sample_weight=None if weights is None else weights[own])
        np.testing.assert_allclose(found[own], theirs.predict(scores[own]), atol=1e-12)
        far = np.array([0.0, 1.0]) if bounded else np.array([-99.0, 99.0])
        np.testing.assert_allclose(mapped(model, far, [group] * 2), theirs.predict(far), atol=1e-12)


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("scale", [1.0, 500.0])
def test_sigmoid_equals_scikit_learn_per_group(bounded, scale):
    scores, actual, groups = calibration_problem(bounded)
    if not bounded:
        scores = scores * scale
    model = prefit(
        GroupCalibratedClassifier, scores, actual, groups, bounded=bounded, method="sigmoid", shrinkage=0
    )
    read = logit(scores) if bounded else scores
    found = mapped(model, scores, groups)
    for group in range(3):
        own = groups == group
        theirs = _SigmoidCalibration().fit(read[own], actual[own])
        np.testing.assert_allclose(found[own], theirs.predict(read[own]), atol=2e-5)


def test_sigmoid_of_one_group_equals_calibrated_classifier_cv():
    X, y = people(n=600)
    X_other, y_other = people(n=600, seed=1)
    frozen = FrozenEstimator(logistic().fit(X, y))
    theirs = CalibratedClassifierCV(frozen, method="sigmoid").fit(X_other, y_other)
    ours = GroupCalibratedClassifier(frozen, sensitive_features=lambda X: np.ones(len(X)), method="sigmoid")
    found = ours.fit(X_other, y_other).predict_proba(X)
    np.testing.assert_allclose(found, theirs.predict_proba(X), atol=2e-5)


def test_platt_targets_count_the_weights():
    """Constant scores: the map is the mean of the targets."""
    model = prefit(
        GroupCalibratedClassifier, [1.0] * 40, [0, 0, 0, 1] * 10, ["a"] * 40, method="sigmoid", shrinkage=0
    )
    expected = 0.25 * (10 + 1) / (10 + 2) + 0.75 / (30 + 2)
    np.testing.assert_allclose(mapped(model, [1.0], ["a"]), expected, atol=1e-7)


@pytest.mark.parametrize("weighted", [False, True])
def test_temperature_has_the_least_log_loss(weighted):
    scores, actual, groups = calibration_problem()
    weights = np.random.default_rng(1).random(len(scores)) if weighted else None
    model = prefit(
        GroupCalibratedClassifier,
        scores,
        actual,
        groups,
        method="temperature",
        shrinkage=0,
        weights=weights,
    )
    for group in range(3):
        own = groups == group
        share = None if weights is None else weights[own]

        def loss(temperatures, own=own, share=share):
            logits = scores[own] / np.reshape(temperatures, (-1, 1))
            return np.average(np.logaddexp(0, logits) - actual[own] * logits, axis=1, weights=share)

        grid = np.geomspace(0.2, 5, 801)
        losses = loss(grid)
        np.testing.assert_allclose(
            losses[400], log_loss(actual[own], expit(scores[own]), sample_weight=share), rtol=1e-12
        )
        found = model.maps_[group].temperature
        assert found == pytest.approx(grid[np.argmin(losses)], rel=4e-3)
        assert loss(found)[0] <= min(losses) + 1e-12


def test_temperatures_have_bounds():
    scores = np.linspace(-1, 1, 40)
    separated = TemperatureMap.fit(scores, scores > 0, np.ones(40))
    reversed_ = TemperatureMap.fit(scores, scores < 0, np.ones(40))
    assert separated.temperature == pytest.approx(np.exp(-10))
    assert reversed_.temperature == pytest.approx(np.exp(10))


@pytest.mark.parametrize("bounded", [False, True])
def test_a_temperature_changes_no_prediction(bounded):
    scores, actual, groups = calibration_problem(bounded)
    model = prefit(GroupCalibratedClassifier, scores, actual, groups, bounded=bounded, method="temperature")
    predicted = model.predict(scores.reshape(-1, 1), sensitive_features=groups)
    np.testing.assert_array_equal(predicted, scores > (0.5 if bounded else 0))


def test_probabilities_of_0_and_1_have_log_odds():
    scores = np.repeat([0.0, 0.5, 1.0], 20)
    actual = np.tile([0, 1, 1, 0, 1], 12)
    for method in ("sigmoid", "temperature"):
        model = prefit(
            GroupCalibratedClassifier, scores, actual, ["a", "b"] * 30, bounded=True, method=method
        )
        assert np.all(np.isfinite(mapped(model, scores, ["a", "b"] * 30)))


# --- calibration: shrinkage -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_shrinkage_goes_from_the_own_map_to_that_of_all_rows(method):
    scores, actual, groups = calibration_problem()
    kinds = {"isotonic": IsotonicMap, "sigmoid": SigmoidMap, "temperature": TemperatureMap}

    def fitted(shrinkage):
        return prefit(GroupCalibratedClassifier, scores, actual, groups, method=method, shrinkage=shrinkage)

    own, mixed, overall = fitted(0), fitted(100), fitted(1e12)
    assert all(type(own.maps_[g]) is kinds[method] for g in range(3))
    alone = prefit(GroupCalibratedClassifier, scores, actual, ["all"] * len(scores), method=method)
    np.testing.assert_allclose(
        mapped(overall, scores, groups), mapped(alone, scores, ["all"] * len(scores)), atol=1e-8
    )
    np.testing.assert_array_equal(overall.overall_map_(scores), own.overall_map_(scores))
    for group, size in enumerate((700, 400, 150)):
        rows = groups == group
        np.testing.assert_allclose(
            mapped(own, scores, groups)[rows], own.maps_[group](scores[rows]), atol=1e-12
        )
        weight = size / (size + 100)
        assert mixed.own_weights_[group] == pytest.approx(weight)
        expected = weight * own.maps_[group](scores[rows]) + (1 - weight) * own.overall_map_(scores[rows])
        np.testing.assert_allclose(mapped(mixed, scores, groups)[rows], expected, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_weights_count_as_effective_rows(method):
    scores, actual, groups = calibration_problem()
    weights = np.random.default_rng(0).exponential(size=len(scores))
    model = prefit(GroupCalibratedClassifier, scores, actual, groups, weights=weights, method=method)
    for group in range(3):
        own = weights[groups == group]
        kish = own.sum() ** 2 / (own**2).sum()
        assert model.own_weights_[group] == pytest.approx(kish / (kish + 50))
    tiny = prefit(GroupCalibratedClassifier, scores, actual, groups, weights=weights / 1e6, method=method)
    np.testing.assert_allclose(mapped(tiny, scores, groups), mapped(model, scores, groups), atol=1e-9)
    equal = prefit(
        GroupCalibratedClassifier, scores, actual, groups, weights=np.full(1250, 0.1), method=method
    )
    none = prefit(GroupCalibratedClassifier, scores, actual, groups, method=method)
    np.testing.assert_allclose(mapped(equal, scores, groups), mapped(none, scores, groups), atol=1e-9)


@pytest.mark.parametrize("method", ["isotonic", "temperature"])
def test_without_shrinkage_weights_equal_repetition(method):
    scores, actual, groups = calibration_problem()
    counts = np.random.default_rng(0).integers(0, 4, len(scores))
    params = {"method": method, "shrinkage": 0}
    weighted = prefit(GroupCalibratedClassifier, scores, actual, groups, weights=counts, **params)
    rows = (np.repeat(values, counts) for values in (scores, actual, groups))
    repeated = prefit(GroupCalibratedClassifier, *rows, **params)
    np.testing.assert_allclose(mapped(weighted, scores, groups), mapped(repeated, scores, groups), atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_groups_that_cannot_be_calibrated_get_the_map_of_all_rows(method):
    scores, actual, groups = calibration_problem()
    names = np.array(["big", "also big", "one label"], dtype=object)[groups]
    actual = np.where(names == "one label", 1, actual)
    few = np.flatnonzero(names == "big")[:19]
    actual[few] = np.arange(19) % 2
    names[few] = ["nine rows"] * 9 + ["ten rows"] * 10
    with pytest.warns(UserWarning, match="in: nine rows, one label. These groups get the map of all rows"):
        model = prefit(
            GroupCalibratedClassifier,
            scores,
            actual,
            names,
            method=method,
            shrinkage=0,
            unknown_group="overall",
        )
    with pytest.warns(UserWarning, match="None of 1250 rows has a group that occurred in fit"):
        overall = mapped(model, scores, [None] * len(scores))
    for name in ("nine rows", "one label"):
        assert model.own_weights_[name] == 0
        assert model.maps_[name] is model.overall_map_
        np.testing.assert_array_equal(mapped(model, scores, [name] * len(scores)), overall)
    assert model.own_weights_["big"] == model.own_weights_["ten rows"] == 1


def test_intersections_are_named_in_warnings():
    X, y = people(n=200)
    X.loc[:3, "race"] = "x"
    with pytest.warns(UserWarning, match="in: F & x, M & x. These"):
        GroupCalibratedClassifier(logistic(), sensitive_features=["sex", "race"]).fit(X, y)


def simulated(rng, n, h, slope=0.25, shift=0.5):
    """Return scores, labels and their true probabilities in a group that the scores are wrong about."""
    a, b = np.exp(slope * h * rng.normal()), shift * h * rng.normal()
    z = rng.normal(rng.normal(0, 0.5), 1.5, n)
    chance = expit(a * z + b)
    return z, rng.random(n) < chance, chance


@pytest.mark.parametrize("method", METHODS)
def test_every_group_is_better_calibrated_than_by_one_map(method):
    """Scores that are off by a slope and (where the method can mend it) a shift in each group."""
    rng = np.random.default_rng(0)
    shift = 0 if method == "temperature" else 1

    def draw(n):
        groups = rng.integers(0, 3, n)
        z = rng.normal(size=n) * 1.5
        chance = expit(np.array([0.4, 1.0, 2.0])[groups] * z + shift * np.array([-1.0, 0.0, 1.0])[groups])
        return z, (rng.random(n) < chance).astype(int), groups, chance

    scores, actual, groups, _ = draw(6000)
    new, _, new_groups, chance = draw(6000)
    model = prefit(GroupCalibratedClassifier, scores, actual, groups, method=method)
    errors = (mapped(model, new, new_groups) - chance) ** 2
    pooled = (model.overall_map_(new) - chance) ** 2
    for group in range(3):
        own = new_groups == group
        floor = 0.003 if method == "isotonic" else 0.001
        assert errors[own].mean() < max(0.2 * pooled[own].mean(), floor)
    assert errors.mean() < 0.15 * pooled.mean()


@pytest.mark.parametrize("method", METHODS)
def test_the_default_shrinkage_beats_both_extremes(method):
    """A small version of the simulation that the docstring tells of."""
    rng = np.random.default_rng(0)
    total = np.zeros(3)
    for trial in range(24):
        h = [0, 0.5, 1, 2][trial % 4]
        many = [simulated(rng, 1500, h) for _ in range(2)]
        few = simulated(rng, [30, 100, 300][trial % 3], h)
        z, actual, _ = (np.concatenate(parts) for parts in zip(*many, few, strict=True))
        groups = np.repeat([0, 1, 2], [1500, 1500, len(few[0])])
        model = prefit(GroupCalibratedClassifier, z, actual.astype(int), groups, method=method)
        own, overall = model.maps_[2](few[0]), model.overall_map_(few[0])
        mixed = mapped(model, few[0], [2] * len(few[0]))
        total += [np.mean((found - few[2]) ** 2) for found in (own, mixed, overall)]
    assert total[1] < total[0]
    assert total[1] < total[2]


# --- both: what comes out ----------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("pos_label", [None, "no", "yes"])
def test_labels_and_columns_follow_the_classes(cls, pos_label):
    X, y = people(n=500)
    model = cls(logistic(), sensitive_features="sex", pos_label=pos_label).fit(X, y)
    assert model.classes_.tolist() == ["no", "yes"]
    chances = model.predict_proba(X)
    assert chances.shape == (500, 2)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_array_equal(model.predict(X), model.classes_[chances.argmax(axis=1)])
    assert set(model.predict(X)) == {"no", "yes"}
    assert model.score(X, y) > 0.6
    # Both are symmetric: seen from the other class, they do the same.
    other = cls(logistic(), sensitive_features="sex").fit(X, y).predict_proba(X)
    np.testing.assert_allclose(chances, other, atol=1e-9)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), chances, atol=1e-15)


@pytest.mark.parametrize("pos_label", [0, 1])
def test_repaired_decisions_follow_the_classes(pos_label):
    scores, actual, groups = scored((300, 300))
    model = prefit(ScoreRepair, scores, actual, groups, pos_label=pos_label)
    expected = mapped(prefit(ScoreRepair, scores, actual, groups), scores, groups)
    decisions = mapped(model, scores, groups)
    np.testing.assert_allclose(decisions, expected, atol=1e-12)
    predicted = model.predict(scores.reshape(-1, 1), sensitive_features=groups)
    np.testing.assert_array_equal(predicted, decisions > 0)


def test_what_repair_offers_is_what_it_repairs():
    X, y = people(n=200)
    margins = make_pipeline(prepare(), SVC())
    cases = [
        (logistic(), "auto", "predict_proba"),
        (logistic(), "decision_function", "decision_function"),
        (margins, "auto", "decision_function"),
        (margins, "predict_proba", None),
    ]
    for inner, response_method, offered in cases:
        model = ScoreRepair(inner, sensitive_features="sex", response_method=response_method)
        for _ in ("before fit", "after fit"):
            for method in ("predict_proba", "predict_log_proba", "decision_function"):
                assert hasattr(model, method) == (method.replace("_log", "") == offered)
            if offered is None:
                with pytest.raises(NotFittedError):
                    model.predict(X)
                with pytest.raises(ValueError, match="has none of the methods predict_proba"):
                    model.fit(X, y)
            else:
                model.fit(X, y)
                assert model.score(X, y) > 0.6


def test_calibration_makes_probabilities_of_anything():
    X, y = people(n=400)
    for inner in (logistic(), make_pipeline(prepare(), SVC())):
        for method in METHODS:
            model = GroupCalibratedClassifier(inner, sensitive_features="sex", method=method)
            for _ in ("before fit", "after fit"):
                assert hasattr(model, "predict_proba")
                assert not hasattr(model, "decision_function")
                model.fit(X, y)
            assert log_loss(y, model.predict_proba(X)) < 0.66


@pytest.mark.parametrize("cls", BOTH)
def test_scores_are_out_of_fold(cls):
    """A model that remembers its rows is certain of them; of other rows it knows nothing here."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2000, 2)), rng.integers(0, 2, 2000)
    groups = rng.integers(0, 2, 2000)
    model = cls(KNeighborsClassifier(1)).fit(X, y, sensitive_features=groups)
    chance = model.predict_proba(X, sensitive_features=groups)[:, 1]
    if cls is GroupCalibratedClassifier:
        assert np.all(np.abs(chance - 0.5) < 0.06)
    split = cls(KNeighborsClassifier(1), cv=0.5, refit=False, random_state=0)
    split.fit(X, y, sensitive_features=groups)
    known = (split.estimator_.predict(X) == y).mean()
    assert 0.7 < known < 0.8  # half of the rows remembered, half of the rest guessed
    with pytest.raises(ValueError, match="refit=False keeps the classifier of a single split"):
        cls(KNeighborsClassifier(1), refit=False).fit(X, y, sensitive_features=groups)


# --- both: groups ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", BOTH)
def test_unknown_groups_are_refused_or_treated_as_all_rows(cls):
    X, y = people(n=500)
    model = cls(logistic(), sensitive_features="sex").fit(X, y)
    strange = X.assign(sex=["X", None] * 250)
    for method in (model.predict, model.predict_proba):
        with pytest.raises(ValueError, match="groups that did not occur in fit: X"):
            method(X.assign(sex="X"))
        with pytest.raises(ValueError, match="is missing"):
            method(strange)
    lenient = clone(model).set_params(unknown_group="overall").fit(X, y)
    np.testing.assert_array_equal(lenient.predict_proba(X), model.predict_proba(X))
    with pytest.warns(
        UserWarning, match="None of 500 rows has a group .* they are of None, X, and fit had F"
    ):
        found = lenient.predict_proba(strange)[:, 1]
    inner = lenient.estimator_.predict_proba(X)[:, 1]
    if cls is ScoreRepair:  # the rank among all rows
        places = np.interp(inner, lenient.overall_quantiles_, LEVELS)
        within = (inner > lenient.overall_quantiles_[0]) & (inner < lenient.overall_quantiles_[-1])
        expected = np.interp(places, LEVELS, lenient.barycenter_)
        np.testing.assert_allclose(found[within], expected[within], atol=1e-3)
    else:
        np.testing.assert_allclose(found, lenient.overall_map_(inner))


@pytest.mark.parametrize("cls", BOTH)
def test_every_response_needs_the_groups(cls):
    X, y = people()
    model = cls(logistic()).fit(X, y, sensitive_features=X["sex"])
    for method in ("predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(ValueError, match=f"{cls.__name__} needs the groups to predict"):
            getattr(model, method)(X)
    with pytest.raises(ValueError, match="Which column is sensitive"):
        cls(logistic()).fit(X, y)
    with pytest.raises(ValueError, match="is missing"):
        cls(logistic()).fit(X, y, sensitive_features=[None, *X["sex"][1:]])


@pytest.mark.parametrize("cls", BOTH)
def test_column_and_metadata_give_the_same(cls, routing, library):
    X, y = people(library, n=500)
    column = cls(logistic(), sensitive_features="sex").fit(X, y)
    metadata = cls(logistic()).fit(X, y, sensitive_features=X["sex"])
    for method in ("predict", "predict_proba"):
        np.testing.assert_array_equal(
            getattr(column, method)(X), getattr(metadata, method)(X, sensitive_features=X["sex"])
        )
    assert column.score(X, y) == metadata.score(X, y, sensitive_features=X["sex"])


@pytest.mark.parametrize("cls", BOTH)
def test_intersections(cls):
    X, y = people(n=1500)
    model = cls(logistic(), sensitive_features=["sex", "race"]).fit(X, y)
    assert model.groups_ == (("F", "b"), ("F", "w"), ("M", "b"), ("M", "w"))
    assert model.predict_proba(X).shape == (1500, 2)


# --- both: inside other tools -----------------------------------------------------------------------------


@pytest.mark.parametrize("cls", BOTH)
def test_thresholds_over_mapped_scores(cls, routing):
    """The optimizer hands the values on: inside, no column is named."""
    X, y = people(n=1000)
    model = GroupThresholdOptimizer(
        cls(logistic(), cv=3), sensitive_features="sex", max_difference=0.02, cv=3
    )
    model.fit(X, y)
    assert model.report_.disparity <= 0.02
    gap = demographic_parity_difference(y, model.predict(X), sensitive_features=X["sex"], pos_label="yes")
    assert gap < 0.1


def test_a_common_threshold_over_repaired_scores_is_fair():
    X, y = people(n=3000)
    tuned = TunedThresholdClassifierCV(
        ScoreRepair(logistic(), sensitive_features="sex", cv=3), scoring="balanced_accuracy", cv=3
    )
    predicted = tuned.fit(X, y).predict(X)
    assert demographic_parity_difference(y, predicted, sensitive_features=X["sex"], pos_label="yes") < 0.04
    plain = TunedThresholdClassifierCV(logistic(), scoring="balanced_accuracy", cv=3).fit(X, y).predict(X)
    assert demographic_parity_difference(y, plain, sensitive_features=X["sex"], pos_label="yes") > 0.15


def test_a_search_over_the_strength():
    X, y = people(n=2000)
    search = GridSearchCV(
        ScoreRepair(logistic(), sensitive_features="sex", cv=3),
        {"strength": [0.0, 0.5, 1.0]},
        scoring={
            "acc": "accuracy",
            "dp": make_fair_scorer("demographic_parity", sensitive_features="sex", pos_label="yes"),
        },
        refit=best_under("acc", dp=0.08),
        cv=3,
    )
    with pytest.warns(UserWarning, match=r"refuses candidate 1, .* by 0\.0226\. That may be chance"):
        search.fit(X, y)
    gaps = search.cv_results_["mean_test_dp"]
    assert np.all(np.diff(gaps) > 0)  # negated: greater is fairer
    assert search.best_params_["strength"] > 0
    assert search.predict_proba(X).shape == (2000, 2)


@pytest.mark.parametrize("cls", BOTH)
def test_cross_validation_by_column(cls, routing):
    X, y = people(n=500)
    model = cls(logistic(), sensitive_features="sex")
    assert cross_val_score(model, X, y, cv=3, scoring="neg_log_loss").mean() > -0.7
    assert cross_val_predict(model, X, y, cv=3, method="predict_proba").shape == (500, 2)


@pytest.mark.parametrize("cls", BOTH)
def test_around_each_other(cls, routing):
    X, y = people(n=600)
    other = BOTH[1 - BOTH.index(cls)]
    model = cls(other(logistic(), cv=3), sensitive_features="sex", cv=3).fit(X, y)
    assert model.predict_proba(X).shape == (600, 2)


@pytest.mark.parametrize("cls", BOTH)
def test_sample_weights_reach_the_classifier(cls):
    X, y = people(n=500)
    weights = np.where(y == "yes", 5.0, 1.0)
    model = cls(logistic(), sensitive_features="sex")
    plain = clone(model).fit(X, y).predict_proba(X)[:, 1].mean()
    assert clone(model).fit(X, y, sample_weight=weights).predict_proba(X)[:, 1].mean() > plain + 0.15
    assert clone(model).fit(X, y, sample_weight=np.ones(500)).predict_proba(X)[:, 1].mean() == (
        pytest.approx(plain)
    )


# --- both: the fitted object -------------------------------------------------------------------------------


@pytest.mark.parametrize("params", [{}, {"method": "sigmoid"}, {"method": "temperature"}, None])
def test_pickles_hold_no_rows(params):
    cls, params = (ScoreRepair, {}) if params is None else (GroupCalibratedClassifier, params)
    sizes = []
    for n in (300, 1500, 30_000):
        X, y = people(n=n)
        model = cls(logistic(), sensitive_features="sex", cv=2, **params).fit(X, y)
        sizes.append(len(pickle.dumps(model)))
        loaded = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert sizes[1] - sizes[0] < 2500
    assert sizes[2] - sizes[0] < 10_000  # an isotonic map of more rows has more corners, some hundred


@pytest.mark.parametrize("cls", BOTH)
def test_inputs_are_left_alone(cls):
    scores, actual, groups = scored((100, 100), bounded=True)
    weights = np.ones(200)
    given = [values.copy() for values in (scores, actual, groups, weights)]
    mapped(prefit(cls, scores, actual, groups, bounded=True, weights=weights), scores, groups)
    for values, before in zip((scores, actual, groups, weights), given, strict=True):
        np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("cls", BOTH)
def test_a_prefit_classifier_has_two_classes(cls):
    X = np.arange(30.0).reshape(-1, 1)
    three = FrozenEstimator(LogisticRegression(max_iter=1000).fit(X, np.repeat([0, 1, 2], 10)))
    with pytest.raises(ValueError, match=r"prefit estimator has the classes \[0, 1, 2\]"):
        cls(three).fit(X, np.tile([0, 1], 15), sensitive_features=np.tile([0, 1], 15))


@pytest.mark.parametrize(
    ("cls", "params", "message"),
    [
        (ScoreRepair, {"strength": 1.1}, "'strength' parameter of ScoreRepair must be a float in the range"),
        (GroupCalibratedClassifier, {"method": "beta"}, "'method' parameter of GroupCalibratedClassifier"),
        (GroupCalibratedClassifier, {"shrinkage": -1}, "'shrinkage' parameter of GroupCalibratedClassifier"),
        (GroupCalibratedClassifier, {"unknown_group": "drop"}, "'unknown_group' parameter"),
    ],
)
def test_parameters_are_checked(cls, params, message):
    X, y = people()
    with pytest.raises(ValueError, match=message):
        cls(logistic(), sensitive_features="sex", **params).fit(X, y)


def test_predictions_need_a_fit_and_repair_binary_labels():
    X, y = people()
    for cls in BOTH:
        with pytest.raises(NotFittedError):
            cls(logistic(), sensitive_features="sex").predict_proba(X)
    with pytest.raises(ValueError, match="Only binary classification"):
        ScoreRepair(logistic(), sensitive_features="sex").fit(X, pd.Series(y).mask(X["age"] > 50, "maybe"))
