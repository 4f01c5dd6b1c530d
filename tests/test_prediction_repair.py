"""PredictionRepair: equal to independent computations of its barycentre and of its linear program."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.optimize import linprog
from scipy.special import expit
from scipy.stats import kstwobign, norm
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeRegressor
from toy_data import ScoreColumn

from fairsk import PredictionRepair, ScoreRepair
from fairsk.calibration import _equal_levels
from fairsk.calibration._barycenter import Barycenter
from fairsk.calibration._equal_levels import fit_equal_levels
from fairsk.metrics import ks_distance, regression_metrics, wasserstein_distance

LEVELS = np.linspace(0, 1, 1001)


class FirstColumn(RegressorMixin, BaseEstimator):
    """A regressor that predicts the first column of X."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def predict(self, X):
        return np.asarray(X)[:, 0].astype(float)


class SecondColumn(ClassifierMixin, BaseEstimator):
    """A classifier of two groups whose chance of the second one is the second column of X."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        chance = np.asarray(X)[:, 1].astype(float)
        return np.column_stack([1 - chance, chance])


FROZEN = FrozenEstimator(FirstColumn().fit(None))


def prefit(values, groups, target=None, weights=None, **params):
    """Repair given predictions, without a model to learn."""
    target = values if target is None else target
    X = np.reshape(np.asarray(values, dtype=float), (-1, 1))
    return PredictionRepair(FROZEN, **params).fit(X, target, sensitive_features=groups, sample_weight=weights)


def moved(model, values, groups):
    return model.predict(np.reshape(np.asarray(values, dtype=float), (-1, 1)), sensitive_features=groups)


def amounts(sizes, seed=0):
    """Return amounts of groups of these sizes, in a random order."""
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return rng.normal(3000 + 500 * groups, 800 + 200 * groups), groups


def guessed(n, seed=0):
    """Return predictions, chances of the second of two groups that are right, and groups drawn by them."""
    rng = np.random.default_rng(seed)
    skill, other = rng.normal(size=(2, n))
    chance = expit(1.5 * skill)
    return np.column_stack([skill + other, chance]), (rng.random(n) < chance).astype(int)


def blind(X, groups, **params):
    """Repair the first column of X, blind to groups whose chance is its second one."""
    model = PredictionRepair(FROZEN, policy="blind", group_estimator=SecondColumn(), cv=2, **params)
    return model.fit(X, X[:, 0], sensitive_features=groups)


# --- aware: the barycentre ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [50, 100, 500])
def test_groups_of_one_size_get_the_average_of_their_sorted_predictions(n):
    rng = np.random.default_rng(n)
    parts = [rng.normal(size=n), rng.exponential(size=n), rng.uniform(-3, 0, n)]
    values, groups = np.concatenate(parts), np.repeat(["a", "b", "c"], n)
    average = np.mean([np.sort(part) for part in parts], axis=0)
    expected = np.concatenate([average[part.argsort().argsort()] for part in parts])
    np.testing.assert_allclose(moved(prefit(values, groups), values, groups), expected, atol=1e-12)


def test_quantiles_are_hazens_and_the_barycentre_their_average():
    values, groups = amounts((37, 1210, 300))
    model = prefit(values, groups)
    expected = [np.quantile(values[groups == g], LEVELS, method="hazen") for g in range(3)]
    for g in range(3):
        np.testing.assert_allclose(model.quantiles_[g], [expected[g]], rtol=1e-12)
        assert model.shares_[g] == pytest.approx(np.mean(groups == g))
    average = np.average(expected, axis=0, weights=np.bincount(groups))
    np.testing.assert_allclose(model.barycenter_, [average], rtol=1e-12)


def test_predictions_are_repaired_exactly_as_decision_scores_are():
    """With ties, weights, unknown groups, values beyond the range, in part and in full."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(4, 60))
        values = rng.choice([rng.normal(size=n), rng.integers(0, 4, n).astype(float)])
        groups = np.append([0, 1], rng.integers(0, 3, n - 2))
        weights = np.append([1, 1], rng.integers(0, 4, n - 2)) if seed % 2 else None
        strength = rng.choice([0.0, 0.3, 1.0])
        labels = np.arange(n) % 2
        X = values.reshape(-1, 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of groups without weight
            model = prefit(values, groups, weights=weights, strength=strength, unknown_group="overall")
            scores = ScoreRepair(
                FrozenEstimator(ScoreColumn().fit(X, labels)), strength=strength, unknown_group="overall"
            ).fit(X, labels, sensitive_features=groups, sample_weight=weights)
        new = rng.normal(scale=9, size=(30, 1))
        who = rng.integers(0, 4, 30)  # 3 is unknown
        np.testing.assert_array_equal(
            model.predict(new, sensitive_features=who), scores.decision_function(new, sensitive_features=who)
        )


def test_new_rows_are_equal_within_a_hundredth():
    """With as many rows as the docstring says: .01 is then kept with probability .95."""
    values, groups = amounts((143_000, 143_000), seed=1)
    fresh, who = amounts((50_000, 50_000), seed=2)
    repaired = moved(prefit(values, groups), fresh, who)
    assert ks_distance(fresh, sensitive_features=who) > 0.2
    assert ks_distance(repaired, sensitive_features=who) < 0.01


def test_the_numbers_of_rows_that_the_docstring_names():
    quantile = kstwobign.isf(0.05)
    assert quantile == pytest.approx(1.36, abs=0.002)
    assert quantile * np.sqrt(2 / 37_000) == pytest.approx(0.01, rel=0.01)
    assert quantile * np.sqrt(2 / 50_000 + 2 / 143_000) == pytest.approx(0.01, rel=0.01)


def test_every_fold_model_is_repaired_by_the_rows_it_had_not_seen_and_the_mean_predicted():
    """As the same model alone would be, with the groups weighing as in all rows."""
    rng = np.random.default_rng(0)
    X, groups = rng.normal(size=(60, 20)), (np.arange(60) % 3 == 0) * 1  # of so many features, it overfits
    y = X[:, 0] + groups + rng.normal(size=60)
    weights = rng.integers(1, 4, 60).astype(float)
    new, who = rng.normal(size=(40, 20)), np.arange(40) % 2
    splits = list(StratifiedKFold(3).split(X, groups))
    model = PredictionRepair(LinearRegression(), cv=splits)
    model.fit(X, y, sensitive_features=groups, sample_weight=weights)
    shares = np.bincount(groups, weights) / weights.sum()
    plain, repaired, out_of_fold, after = [], [], np.empty(60), np.empty(60)
    for k, (train, test) in enumerate(splits):
        inner = LinearRegression().fit(X[train], y[train], weights[train])
        alone = prefit(inner.predict(X[test]), groups[test], weights=weights[test])
        target = sum(shares[g] * alone.quantiles_[g][0] for g in (0, 1))
        for g in (0, 1):
            np.testing.assert_allclose(model.quantiles_[g][k], alone.quantiles_[g][0])
        np.testing.assert_allclose(model.overall_quantiles_[k], alone.overall_quantiles_[0])
        np.testing.assert_allclose(model.barycenter_[k], target)
        map_of_fold = Barycenter({}, {g: alone.quantiles_[g][0] for g in (0, 1)}, target, target)
        plain.append(inner.predict(new))
        repaired.append(map_of_fold.moved(plain[-1], who, 1.0, bounded=False))
        out_of_fold[test] = inner.predict(X[test])
        after[test] = map_of_fold.moved(out_of_fold[test], groups[test], 1.0, bounded=False)
    np.testing.assert_allclose(model.estimator_.predict(new), np.mean(plain, axis=0))
    np.testing.assert_allclose(model.predict(new, sensitive_features=who), np.mean(repaired, axis=0))
    part = model.set_params(strength=0.25).predict(new, sensitive_features=who)
    np.testing.assert_allclose(part, 0.75 * np.mean(plain, axis=0) + 0.25 * np.mean(repaired, axis=0))
    assert model.report_.measured_on == "out of fold"
    for table, predicted in ((model.report_.before, out_of_fold), (model.report_.after, after)):
        measured = regression_metrics(y, predicted, sensitive_features=groups, sample_weight=weights)
        np.testing.assert_allclose(table.rate("root_mean_squared_error"), measured.values["rmse"])
    limits = []
    for _, test in splits:
        sums = [np.bincount(groups[test], weights[test] ** power) for power in (1, 2)]
        distance = ks_distance(after[test], sensitive_features=groups[test], sample_weight=weights[test])
        limits.append(distance + kstwobign.isf(0.05) * np.sqrt((sums[1] / sums[0] ** 2).sum()))
    assert model.report_.ks_limit == pytest.approx(min(1, max(limits)))


def test_one_split_makes_one_model():
    rng = np.random.default_rng(0)
    X, groups = rng.normal(size=(60, 2)), np.arange(60) % 2
    one = PredictionRepair(KNeighborsRegressor(1), cv=0.5, random_state=0)
    one.fit(X, X[:, 0], sensitive_features=groups)
    assert [model.n_samples_fit_ for model in one.estimator_.models] == [30]
    assert one.report_.measured_on == "held out"
    assert one.n_features_in_ == one.estimator_.n_features_in_ == 2


def test_a_group_that_a_fold_lacks_has_the_quantiles_of_the_other_folds():
    rng = np.random.default_rng(0)
    values = rng.normal(size=40)
    groups = np.repeat(["a", "b", "a"], [10, 10, 20])
    splits = [(np.arange(20, 40), np.arange(20)), (np.arange(20), np.arange(20, 40))]
    model = PredictionRepair(FirstColumn(), cv=splits)
    model.fit(values.reshape(-1, 1), values, sensitive_features=groups)
    of_b = np.quantile(values[10:20], LEVELS, method="hazen")
    np.testing.assert_allclose(model.quantiles_["b"], [of_b, of_b])
    of_a = np.quantile(values[20:], LEVELS, method="hazen")
    np.testing.assert_allclose(model.barycenter_[1], 0.75 * of_a + 0.25 * of_b)
    assert model.report_.ks_limit == 1  # of that fold nothing is known


def test_folds_without_weight_count_for_nothing():
    values, groups = amounts((30, 30))
    weights = np.repeat([1.0, 0.0], [40, 20])
    parts = np.split(np.arange(60), [20, 40])
    splits = [(np.setdiff1d(np.arange(60), test), test) for test in parts]
    for params in (
        {},
        {"policy": "blind", "group_estimator": DummyClassifier()},
    ):
        model, less = (
            PredictionRepair(FirstColumn(), cv=cv, strength=0.5, **params).fit(
                values.reshape(-1, 1), values, sensitive_features=groups, sample_weight=weights
            )
            for cv in (splits, splits[:2])
        )
        np.testing.assert_array_equal(moved(model, values, groups), moved(less, values, groups))
        assert len(model.estimator_.models) == 2
        with pytest.raises(ValueError, match="No held-out row has a weight"):
            model.set_params(cv=splits[2:]).fit(
                values.reshape(-1, 1), values, sensitive_features=groups, sample_weight=weights
            )


# --- blind: the linear program -----------------------------------------------------------------------------


def least_cost(values, chances, weights, levels):
    """Return the value of the linear program, in all its variables."""
    n, n_groups = chances.shape
    shares = weights @ chances / weights.sum()
    cost = (weights[:, None] * (values[:, None] - levels) ** 2).ravel()
    one_each = np.kron(np.eye(n), np.ones(len(levels)))
    equal = [
        np.kron(weights * (chances[:, g] / shares[g] - 1), np.eye(len(levels))[j])
        for j in range(len(levels))
        for g in range(n_groups)
    ]
    right = np.append(np.ones(n), np.zeros(len(equal)))
    solution = linprog(cost, A_eq=np.vstack([one_each, *equal]), b_eq=right, method="highs")
    assert solution.success
    return solution.fun


def weights_of(found, values, chances):
    """Return each row's weights of the levels, by their definition."""
    spacing = np.gradient(found.levels)
    temperature = found.temperature * np.interp(values, found.levels, spacing) ** 2
    cost = (values[:, None] - found.levels) ** 2 + (chances / found.shares - 1) @ found.prices.T
    raw = spacing * np.exp(-(cost - cost.min(1, keepdims=True)) / temperature[:, None])
    return raw / raw.sum(1, keepdims=True)


def test_blind_repairs_cost_what_the_linear_program_does():
    ratios = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        n, n_groups = int(rng.integers(8, 25)), int(rng.integers(2, 4))
        chances = rng.dirichlet(np.ones(n_groups), n)
        values = rng.normal(size=n) + 2 * chances[:, 0]
        weights = rng.integers(1, 4, n).astype(float)
        found = fit_equal_levels(values, chances, weights, n_levels=8, temperature=0.05, tolerance=1e-5)
        seen = np.clip(values, found.levels[0], found.levels[-1])
        shares_of_levels = weights_of(found, seen, chances)
        # What predict says is the mean of the levels, so weighted.
        expected = shares_of_levels @ found.levels + values - seen
        np.testing.assert_allclose(found.moved(values, chances, 1.0), expected, atol=1e-9)
        # The gap is what it says: of shares above a level, between a group and all rows.
        excess = (weights[:, None] * (chances / found.shares - 1)).T @ shares_of_levels / weights.sum()
        above = np.cumsum(excess[:, ::-1], axis=1)
        assert np.abs(above[1:]).max() == pytest.approx(found.gap, abs=1e-9)
        assert found.gap <= 1e-5
        cost = (weights[:, None] * shares_of_levels * (seen[:, None] - found.levels) ** 2).sum()
        ratios.append(cost / least_cost(seen, chances, weights, found.levels))
    assert min(ratios) > 1 - 1e-3
    assert np.median(ratios) < 1.01
    assert max(ratios) < 1.1


def test_prices_are_found_for_many_groups_and_in_any_unit():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 6, 800)
    x = rng.normal(size=(800, 2)) + 0.8 * groups[:, None]
    values = x @ [1.0, 0.5]
    chances = np.exp([-0.5 * ((x - 0.8 * g) ** 2).sum(1) for g in range(6)]).T
    chances /= chances.sum(1, keepdims=True)
    found = fit_equal_levels(values, chances, np.ones(800))
    assert found.gap <= _equal_levels._TOLERANCE
    expected = found.moved(values, chances, 1.0)
    for unit, start in ((1e-8, 0.0), (1e8, 0.0), (1.0, 1e6)):
        amounts = start + unit * values
        other = fit_equal_levels(amounts, chances, np.ones(800)).moved(amounts, chances, 1.0)
        np.testing.assert_allclose((other - start) / unit, expected, atol=1e-4)


def test_with_groups_that_are_certain_a_blind_repair_is_the_barycentre():
    values, groups = amounts((3000, 2000))
    found = fit_equal_levels(values, np.eye(2)[groups], np.ones(len(values)))
    expected = moved(prefit(values, groups), values, groups)
    miss = np.abs(found.moved(values, np.eye(2)[groups], 1.0) - expected)
    spacing = np.interp(expected, found.levels, np.gradient(found.levels))
    inside = (values > found.levels[1]) & (values < found.levels[-2])
    assert np.quantile((miss / spacing)[inside], 0.95) < 0.5
    assert (miss / spacing)[inside].max() < 2


def test_blind_repairs_make_new_rows_equal_and_are_blind():
    X, groups = guessed(20_000)
    model = blind(X, groups)
    fresh, who = guessed(40_000, seed=1)
    repaired = model.predict(fresh)
    assert ks_distance(fresh[:, 0], sensitive_features=who) > 0.3
    # Chance leaves .0136 of 20,000 rows per group, the chances' own of those of fit as much.
    assert ks_distance(repaired, sensitive_features=who) < 0.02
    np.testing.assert_array_equal(model.predict(fresh, sensitive_features=1 - who), repaired)
    assert model.report_.ks_after < 0.02
    assert list(model.prices_) == [0, 1]
    assert model.shares_[1] == pytest.approx(X[:, 1].mean())
    # It costs more than with the groups, and less than one prediction for all.
    aware = prefit(X[:, 0], groups)
    costs = [
        mean_squared_error(X[:, 0], values)
        for values in (moved(aware, X[:, 0], groups), model.predict(X), np.full(len(X), X[:, 0].mean()))
    ]
    assert costs[0] < costs[1] < costs[2]


def test_blind_repairs_of_every_fold_are_learned_of_the_rows_it_had_not_seen():
    X, groups = guessed(200)
    splits = list(StratifiedKFold(3).split(X, groups))
    new, _ = guessed(50, seed=1)
    expected, shares = [], []
    for train, test in splits:
        regressor = LinearRegression().fit(X[train], X[train].sum(axis=1) ** 2)
        of_groups = LogisticRegression().fit(X[train], groups[train])
        found = fit_equal_levels(
            regressor.predict(X[test]), of_groups.predict_proba(X[test]), np.ones(len(test))
        )
        expected.append(found.moved(regressor.predict(new), of_groups.predict_proba(new), 1.0))
        shares.append(of_groups.predict_proba(X[test]))
    model = PredictionRepair(
        LinearRegression(), policy="blind", group_estimator=LogisticRegression(), cv=splits
    ).fit(X, X.sum(axis=1) ** 2, sensitive_features=groups)
    # Rounding, which layouts of memory differ in, ends the search elsewhere within the tolerance.
    np.testing.assert_allclose(model.predict(new), np.mean(expected, axis=0), atol=0.005)
    assert np.abs(expected[0] - np.mean(expected, axis=0)).max() > 0.05
    assert model.shares_[1] == pytest.approx(np.concatenate(shares)[:, 1].mean())
    assert [len(prices) for prices in model.prices_[0]] == [len(levels) for levels in model.levels_]
    chances = [of_groups.predict_proba(new) for of_groups in model.group_estimator_.models]
    np.testing.assert_allclose(model.group_estimator_.predict_proba(new), np.mean(chances, axis=0))


def test_strength_is_how_far_blind_predictions_move():
    X, groups = guessed(1000)
    model = blind(X, groups)
    whole = model.predict(X)
    np.testing.assert_array_equal(model.set_params(strength=0).predict(X), X[:, 0])
    np.testing.assert_allclose(model.set_params(strength=0.25).predict(X), 0.75 * X[:, 0] + 0.25 * whole)


def test_a_prediction_that_costs_nothing_stays_where_it_is():
    """At the temperature in use, the mean of the levels follows what lies between two of them."""
    levels = np.linspace(0, 63, _equal_levels._N_LEVELS)
    spread = _equal_levels._Softmin(levels, _equal_levels._TEMPERATURE)
    values = np.linspace(6, 57, 500)  # away from the ends
    weights = spread.weights(values, np.zeros((500, 1)), np.zeros((64, 1)))[1]
    assert np.abs(weights @ levels - values).max() < 0.01
    sharp = _equal_levels._Softmin(levels, 0.2)
    assert (
        np.abs(sharp.weights(values, np.zeros((500, 1)), np.zeros((64, 1)))[1] @ levels - values).max() > 0.1
    )


def test_many_rows_are_approached_by_few(monkeypatch):
    X, _ = guessed(3000)
    chances, ones = np.column_stack([1 - X[:, 1], X[:, 1]]), np.ones(3000)
    at_once = fit_equal_levels(X[:, 0], chances, ones)
    monkeypatch.setattr(_equal_levels, "_FEW_ROWS", 500)
    monkeypatch.setattr(_equal_levels, "_CHUNK", 700)
    in_two = fit_equal_levels(X[:, 0], chances, ones)
    assert max(at_once.gap, in_two.gap) <= _equal_levels._TOLERANCE
    values = [found.moved(X[:, 0], chances, 1.0) for found in (at_once, in_two)]
    assert np.sqrt(np.mean((values[0] - values[1]) ** 2)) < 0.03 * X[:, 0].std()


def test_predictions_without_spread_and_groups_without_chances():
    rng = np.random.default_rng(0)
    chances = np.column_stack([rng.dirichlet([1, 1], 50), np.zeros(50)])
    same = fit_equal_levels(np.full(50, 7.0), chances, np.ones(50))
    np.testing.assert_array_equal(same.moved(np.array([6.0, 7.0]), chances[:2], 1.0), [6.0, 7.0])
    values = rng.normal(size=50) + chances[:, 0]
    found = fit_equal_levels(values, chances, np.ones(50))
    without = fit_equal_levels(values, chances[:, :2], np.ones(50))
    new = np.array([[0.2, 0.1, 0.7]])
    assert np.isfinite(found.moved(values[:1], new, 1.0)).all()
    np.testing.assert_allclose(
        found.moved(values, chances, 1.0), without.moved(values, chances[:, :2], 1.0), atol=1e-9
    )


def test_chances_that_are_wrong_are_warned_of():
    X, groups = guessed(2000)
    model = PredictionRepair(FirstColumn(), policy="blind", group_estimator=DummyClassifier(), cv=2)
    with pytest.warns(UserWarning, match=r"two groups lie 0.\d+ apart .*DummyClassifier.* are not right"):
        model.fit(X, X[:, 0], sensitive_features=groups)
    np.testing.assert_allclose(model.predict(X), X[:, 0])  # nothing is known of any row
    assert model.report_.ks_after == pytest.approx(model.report_.ks_before)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(strength=0.5).fit(X, X[:, 0], sensitive_features=groups)


# --- both: weights, columns, models ------------------------------------------------------------------------


def test_weights_equal_repetition():
    X, groups = guessed(300)
    counts = np.append(np.random.default_rng(0).integers(0, 4, 298), [1, 1])
    repeated = np.repeat(np.arange(300), counts)
    weighted = prefit(X[:, 0], groups, weights=counts)
    again = prefit(X[repeated, 0], groups[repeated])
    np.testing.assert_allclose(moved(weighted, X[:, 0], groups), moved(again, X[:, 0], groups), atol=1e-12)
    np.testing.assert_allclose(weighted.report_.wasserstein_after, again.report_.wasserstein_after, atol=1e-9)
    chances, once = np.column_stack([1 - X[:, 1], X[:, 1]]), counts > 0
    found = fit_equal_levels(X[once, 0], chances[once], counts[once].astype(float))
    same = fit_equal_levels(X[repeated, 0], chances[repeated], np.ones(len(repeated)))
    np.testing.assert_allclose(found.levels, same.levels, atol=1e-9)
    # Sums in another order end the search elsewhere within the tolerance.
    apart = found.moved(X[:, 0], chances, 1.0)[once] - same.moved(X[:, 0], chances, 1.0)[once]
    assert np.sqrt(np.mean(apart**2)) < 0.02 * X[:, 0].std()


def staff(n=400, seed=0):
    """Return a frame of people and their wages, in which a text column must be prepared."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], n)
    skill = rng.normal(size=n) + (sex == "m")
    frame = pd.DataFrame({"skill": skill, "hours": rng.normal(40, 5, n), "sex": sex})
    return frame, 500 * skill + 20 * frame["hours"].to_numpy() + rng.normal(0, 100, n)


def prepared(model):
    return make_pipeline(make_column_transformer(("passthrough", ["skill", "hours"])), model)


POLICIES = {
    "aware": PredictionRepair(prepared(LinearRegression())),
    "blind": PredictionRepair(
        prepared(LinearRegression()), policy="blind", group_estimator=prepared(LogisticRegression())
    ),
}
each_policy = pytest.mark.parametrize("policy", POLICIES)


@each_policy
def test_columns_metadata_and_libraries_give_the_same(policy, routing):
    X, y = staff()
    model = clone(POLICIES[policy]).set_params(cv=2)
    expected = clone(model).set_params(sensitive_features="sex").fit(X, y).predict(X)
    frame = pl.DataFrame(X.to_dict("list"))
    by_polars = clone(model).set_params(sensitive_features="sex").fit(frame, pl.Series(y))
    np.testing.assert_allclose(by_polars.predict(frame), expected)
    assert type(by_polars.report_.frame()).__module__.startswith("polars")
    rest = X.drop(columns="sex")
    by_values = clone(model).fit(rest, y, sensitive_features=X["sex"])
    np.testing.assert_allclose(by_values.predict(rest, sensitive_features=X["sex"]), expected)
    if policy == "blind":
        column = clone(model).set_params(sensitive_features="sex").fit(X, y)
        np.testing.assert_array_equal(column.predict(rest), expected)
        assert column.feature_names_in_.tolist() == ["skill", "hours", "sex"]
    else:
        with pytest.raises(ValueError, match="PredictionRepair needs the groups to predict"):
            by_values.predict(rest)


def test_a_regressor_that_sees_the_group_sees_it_unless_the_repair_is_blind():
    X, y = staff()
    rows = X.assign(sex=(X["sex"] == "m") * 1.0)
    aware = PredictionRepair(LinearRegression(), sensitive_features="sex", cv=2).fit(rows, y)
    assert aware.estimator_.n_features_in_ == 3
    unseen = PredictionRepair(
        LinearRegression(),
        sensitive_features="sex",
        policy="blind",
        group_estimator=LogisticRegression(),
        cv=2,
    ).fit(rows, y)
    assert unseen.estimator_.n_features_in_ == unseen.group_estimator_.n_features_in_ == 2
    assert unseen.n_features_in_ == 3


def test_policies_and_strengths_can_be_searched():
    X, y = staff()
    model = clone(POLICIES["blind"]).set_params(sensitive_features="sex", cv=2)
    search = GridSearchCV(model, {"strength": [0, 1]}, cv=2).fit(X, y)
    assert search.best_params_["strength"] == 0  # R squared alone asks for no repair
    fitted = clone(model).fit(X, y)
    fitted.set_params(policy="aware", group_estimator=None).fit(X, y)
    assert not hasattr(fitted, "prices_")
    assert hasattr(fitted, "quantiles_")


def test_groups_that_are_unknown():
    X, y = staff()
    model = clone(POLICIES["aware"]).set_params(sensitive_features="sex", cv=2).fit(X, y)
    other = X.assign(sex=np.where(np.arange(len(X)) < 9, "x", X["sex"]))
    with pytest.raises(ValueError, match="9 of 400 rows belong to groups that did not occur in fit: x"):
        model.predict(other)
    overall = model.set_params(unknown_group="overall").predict(other)
    np.testing.assert_array_equal(overall[9:], model.predict(X)[9:])
    blind_one = clone(POLICIES["blind"]).set_params(sensitive_features="sex", cv=2).fit(X, y)
    np.testing.assert_array_equal(blind_one.predict(other), blind_one.predict(X))


@each_policy
def test_one_group_stays_as_it_is(policy):
    X, y = staff(100)
    model = clone(POLICIES[policy]).set_params(cv=2)
    with pytest.warns(UserWarning, match="only one group, all: its predictions stay as they are"):
        model.fit(X, y, sensitive_features=["all"] * 100)
    expected = model.estimator_.predict(X)
    np.testing.assert_allclose(model.predict(X, sensitive_features=["all"] * 100), expected)
    assert np.isnan(model.report_.ks_after)
    assert "Kolmogorov" not in str(model.report_)


# --- the report --------------------------------------------------------------------------------------------


def test_the_report_measures_what_metrics_do():
    values, groups = amounts((300, 500, 200))
    target = values + np.random.default_rng(1).normal(0, 400, 1000)
    model = prefit(values, groups, target=target, strength=0.5)
    report, after = model.report_, moved(model, values, groups)
    assert (report.policy, report.strength, report.measured_on) == ("aware", 0.5, "held out")
    for when, table, predicted in (("before", report.before, values), ("after", report.after, after)):
        metrics = regression_metrics(target, predicted, sensitive_features=groups)
        rmse, (low, high) = (
            table.rate("root_mean_squared_error"),
            table.intervals("root_mean_squared_error"),
        )
        np.testing.assert_allclose(rmse, metrics.values["rmse"])
        np.testing.assert_allclose([low, high], metrics.intervals["rmse"])
        assert getattr(report, f"ks_{when}") == ks_distance(predicted, sensitive_features=groups)
        assert getattr(report, f"wasserstein_{when}") == pytest.approx(metrics.wasserstein_distance())
        for place, pair in enumerate(report.pairs):
            rows = np.isin(groups, pair)
            for name, distance in (("ks", ks_distance), ("wasserstein", wasserstein_distance)):
                expected = distance(predicted[rows], sensitive_features=groups[rows])
                assert report.pair_distances[f"{name}_{when}"][place] == pytest.approx(expected)
    assert report.pairs == ((0, 1), (0, 2), (1, 2))
    allowance = kstwobign.isf(0.05 / 3) * np.sqrt(1 / 200 + 1 / 300)
    assert report.ks_limit == pytest.approx(report.ks_after + allowance)
    text = str(report)
    assert "RMSE" in text
    assert "rmse_before" in text
    assert list(report.frame("pandas")["group"]) == ["0", "1", "2"]


def test_the_limit_holds_in_the_population():
    """Of groups whose distributions are known, in 19 of 20 samples or more."""
    levels = (np.arange(2000) + 0.5) / 2000
    rng, kept = np.random.default_rng(0), 0
    for _ in range(80):
        values, groups = (
            np.concatenate([rng.normal(size=120), rng.gamma(2, size=250)]),
            np.repeat([0, 1], [120, 250]),
        )
        model = prefit(values, groups)
        first = moved(model, norm.ppf(levels), np.zeros(2000))
        second = moved(model, _gamma_quantiles(levels), np.ones(2000))
        distance = ks_distance(np.concatenate([first, second]), sensitive_features=np.repeat([0, 1], 2000))
        kept += distance <= model.report_.ks_limit
    assert kept >= 73


def test_the_limit_holds_of_models_that_predict_together():
    """Trees that are grown to the end, which disagree most, and ones that half of all rows are tied in."""

    def draw(n, seed):
        rng = np.random.default_rng(seed)
        groups = rng.integers(0, 2, n)
        X = rng.normal(size=(n, 2)) + groups[:, None]
        return X, np.exp(X[:, 0] + rng.normal(scale=0.5, size=n)), groups

    new, _, who = draw(5000, 100)
    distances, limits = [], []
    for seed in range(20):
        X, y, groups = draw(200, seed)
        tree = DecisionTreeRegressor(max_depth=2 if seed % 2 else None, random_state=0)
        model = PredictionRepair(tree).fit(X, y, sensitive_features=groups)
        predicted = model.predict(new, sensitive_features=who)
        distances.append(ks_distance(predicted, sensitive_features=who))
        limits.append(model.report_.ks_limit)
    assert np.all(np.array(distances) < limits)
    assert max(distances) > 0.3 * min(limits)


def _gamma_quantiles(levels):
    from scipy.special import gammaincinv

    return gammaincinv(2, levels)


def test_many_groups_are_not_listed_by_pairs():
    rng = np.random.default_rng(0)
    groups = np.arange(630) % 21
    report = prefit(rng.normal(groups), groups).report_
    assert report.pairs == ()
    assert report.ks_after < report.ks_before


# --- bad input ---------------------------------------------------------------------------------------------


def test_models_that_cannot_be_used_are_refused():
    X, y = staff(60)
    numbers = X[["skill", "hours"]].to_numpy()
    who = X["sex"]

    def refused(message, error=ValueError, X=numbers, y=y, **params):
        model = PredictionRepair(**{"estimator": LinearRegression(), "cv": 2, **params})
        with pytest.raises(error, match=message):
            model.fit(X, y, sensitive_features=who)

    is_classifier = (
        "is for regressors, and LogisticRegression is a classifier. ScoreRepair repairs its scores"
    )
    refused(is_classifier, estimator=LogisticRegression())
    refused(is_classifier, estimator=make_pipeline(LogisticRegression()))
    refused(
        is_classifier,
        estimator=FrozenEstimator(LogisticRegression().fit(numbers, who)),
    )
    refused("is not fitted", NotFittedError, estimator=FrozenEstimator(LinearRegression()))
    refused("policy='blind' needs group_estimator: a classifier", policy="blind")
    refused("group_estimator is for policy='blind' only", group_estimator=LogisticRegression())
    frozen = FrozenEstimator(LogisticRegression().fit(numbers, who))
    refused("must not be a prefit one", policy="blind", group_estimator=frozen)
    refused("'group_estimator' parameter", policy="blind", group_estimator=LinearRegression())
    refused("'policy' parameter", policy="threshold")
    refused("'strength' parameter", strength=1.5)
    refused("y holds text, such as 'low'", y=["low"] * 60)
    refused("no missing or infinite", y=np.append(y[:-1], np.nan))
    refused("shape \\(30, 2\\) for 30 rows: one amount per row", estimator=_TwoColumns())
    refused("returned NaN or infinite amounts", estimator=_Nothing())


class _TwoColumns(FirstColumn):
    def predict(self, X):
        return np.asarray(X)[:, :2]


class _Nothing(FirstColumn):
    def predict(self, X):
        return np.full(len(X), np.nan)


def test_the_map_of_a_blind_repair_is_small():
    X, groups = guessed(500)
    learned = blind(X, groups)._equal_levels
    assert [one.prices.shape for one in learned] == [(64, 2), (64, 2)]
