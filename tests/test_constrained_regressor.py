"""ConstrainedRegressor: equal to brute force over prices and combinations, and what it keeps of its rows."""

from __future__ import annotations

import gc
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeRegressor

from fairsk import ConstrainedRegressor, Constraint
from fairsk.rates import AMOUNT_RATES, MeanRate
from fairsk.reductions._amounts.combination import best_combination
from fairsk.reductions._amounts.response import PriceResponses
from fairsk.reductions._amounts.rows import AmountBound, AmountRows

PREDICTION, ERROR = AMOUNT_RATES["mean_prediction"], AMOUNT_RATES["mean_error"]
SQUARED, ABSOLUTE = AMOUNT_RATES["mean_squared_error"], AMOUNT_RATES["mean_absolute_error"]
COST = MeanRate("cost", "4*under+over", lower_is_better=True)


def make_data(n=600, n_groups=2, seed=0):
    """Return rows, amounts and groups whose means lie apart."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, n_groups, n)
    X = rng.normal(size=(n, 3)) + rng.normal(size=(n_groups, 3))[groups]
    y = 100 + 10 * (X @ [1.0, 0.5, -0.5] + rng.normal(size=n) * (1 + groups))
    return X, y, groups


@pytest.fixture(scope="module")
def data():
    return make_data()


def folds(n, k=3):
    return list(KFold(k).split(np.zeros(n)))


def out_of_fold(estimator, X, target, splits, weights=None):
    """Return out-of-fold predictions: independent of the package."""
    predictions = np.empty(len(X))
    for train, test in splits:
        w = None if weights is None else weights[train]
        predictions[test] = clone(estimator).fit(X[train], target[train], sample_weight=w).predict(X[test])
    return predictions


def gaps(values, groups):
    means = np.array([values[groups == g].mean(0) for g in np.unique(groups)])
    return means.max(0) - means.min(0)


# --- the program over combinations --------------------------------------------------------------------------


def loss_of(rate, predictions, target):
    """Return losses by their textbook formulas."""
    error = predictions - target
    return {
        "mean_squared_error": error**2,
        "mean_absolute_error": np.abs(error),
        "mean_prediction": predictions,
        "mean_error": error,
        "cost": np.where(error < 0, -4 * error, error),
    }[rate.name]


def test_combinations_of_two_columns_are_the_best_on_a_fine_grid():
    rng = np.random.default_rng(0)
    n_bounded = 0
    for problem in range(72):
        n, n_groups = 30, 2 + problem % 3
        codes = np.concatenate([np.arange(n_groups), rng.integers(0, n_groups, n - n_groups)])
        target = rng.normal(size=n) * 50
        weights = rng.integers(1, 4, n).astype(float)
        base = target + rng.normal(size=n) * 20 + codes * 10
        other = base + rng.normal(size=n) * 5 - 15 * codes * rng.random()
        loss = [SQUARED, ABSOLUTE, COST][problem % 3]
        rate = [PREDICTION, ERROR, SQUARED, ABSOLUTE][problem % 4]
        comparison = "worst_group" if rate in (SQUARED, ABSOLUTE) and problem % 8 > 3 else "difference"
        factors = np.linspace(-1, 2, 1501) if comparison == "difference" else np.linspace(0, 1, 501)
        if rate in (PREDICTION, ERROR):
            factors = np.linspace(-10, 10, 5001)
        grid = base[:, None] + factors * (other - base)[:, None]
        each = loss_of(rate, grid, target[:, None])
        means = np.array(
            [np.average(each[codes == g], weights=weights[codes == g], axis=0) for g in range(n_groups)]
        )
        reached = means.max(0) - (means.min(0) if comparison == "difference" else 0)
        bound = float(np.quantile(reached, rng.uniform(0.02, 0.6)))
        losses = np.average(loss_of(loss, grid, target[:, None]), weights=weights, axis=0)
        best = losses[reached <= bound].min()
        rows = AmountRows(
            loss,
            (rate,),
            AmountBound(comparison, bound),
            target,
            codes,
            weights,
            np.ones(n_groups, dtype=bool),
            tuple(range(n_groups)),
        )
        found = best_combination(rows, [base, other])
        mixed = found.shares @ np.array([base, other])
        assert found.shares.sum() == pytest.approx(1)
        assert rows.excess(rows.values(mixed)) <= 1e-6 * max(1.0, abs(bound)), problem
        # A grid is never better than the best combination, but for the kinks that no gradient sees.
        assert found.loss <= best * (1 + 2e-3), problem
        assert found.loss == pytest.approx(np.average(loss_of(loss, mixed, target), weights=weights))
        n_bounded += losses.min() < best - 1e-9
    assert n_bounded > 20  # where the bound costs something


def test_combinations_keep_their_bound_over_many_columns_and_multipliers_are_its_price():
    rng = np.random.default_rng(1)
    for problem in range(40):
        n, n_groups, n_columns = 200, 4, 4
        codes = rng.integers(0, n_groups, n)
        target = rng.normal(size=n) + codes
        columns = [target + rng.normal(size=n)]
        columns += [
            columns[0] + rng.normal(size=n) - rng.random() * (codes == g) for g in range(n_columns - 1)
        ]

        rows = AmountRows(
            SQUARED,
            (PREDICTION,),
            AmountBound("difference", 0.6 * gaps(columns[0], codes)),
            target,
            codes,
            np.ones(n),
            np.ones(n_groups, dtype=bool),
            tuple("abcd"),
        )
        found = best_combination(rows, columns)
        mixed = found.shares @ np.array(columns)
        assert gaps(mixed, codes) <= rows.bound.value + 1e-8
        step = 1e-4
        near = [
            replace(rows, bound=AmountBound("difference", rows.bound.value + move)) for move in (-step, step)
        ]
        tighter, looser = (best_combination(each, columns).loss for each in near)
        price = (tighter - looser) / (2 * step)
        pushed = np.maximum(found.multipliers, 0).sum()
        assert pushed == pytest.approx(price, rel=0.05, abs=1e-3), problem
        assert found.multipliers.sum() == pytest.approx(0, abs=1e-6)
        # What a Lagrangian says is least: no other combination undercuts it.
        lagrangian = found.loss + (found.multipliers * rows.values(mixed)).sum()
        for _ in range(20):
            shares = rng.normal(size=n_columns)
            other = shares / shares.sum() @ np.array(columns)
            value = rows.mean_loss(other) + (found.multipliers * rows.values(other)).sum()
            assert value >= lagrangian - 1e-6


def test_factors_keep_their_limits_where_no_combination_keeps_the_bound():
    """Bounds of nothing, on losses of amounts far from 0, whose rounding leads solvers astray."""
    rng = np.random.default_rng(5)
    for problem in range(10):
        codes = np.arange(60) % 2
        target = 1e6 * (problem % 2) + rng.normal(size=60) * (1 + codes)
        base = target + rng.normal(size=60) * (1 + codes)
        other = base + 0.3 * rng.normal(size=60)
        comparison, (low, high) = [("difference", (-1, 2)), ("worst_group", (0, 1))][problem // 2 % 2]
        rows = AmountRows(
            SQUARED,
            (SQUARED,),
            AmountBound(comparison, 0),
            target,
            codes,
            np.ones(60),
            np.ones(2, bool),
            "ab",
        )
        found = best_combination(rows, [base, other])
        assert found.shares.min() >= low - 1e-5
        assert found.shares.max() <= high + 1e-5
        grid = base[:, None] + np.linspace(low, high, 301) * (other - base)[:, None]
        losses = np.array([((grid - target[:, None])[codes == g] ** 2).mean(0) for g in (0, 1)])
        reached = losses.max(0) - (losses.min(0) if comparison == "difference" else 0)
        assert found.excess <= reached.min() * (1 + 1e-3) + 1e-3, problem


def test_a_response_has_the_slopes_of_loss_plus_prices():
    rng = np.random.default_rng(2)
    for loss, rates in [(SQUARED, (PREDICTION,)), (SQUARED, (ERROR, SQUARED)), (ABSOLUTE, (ABSOLUTE,))]:
        n, n_groups = 300, 3
        codes, target, weights = rng.integers(0, n_groups, n), rng.normal(size=n), rng.random(n) + 0.5
        rows = AmountRows(
            loss,
            rates,
            AmountBound("difference", 0.1),
            target,
            codes,
            weights,
            np.ones(n_groups, dtype=bool),
            tuple("abc"),
        )
        multipliers = rng.random((len(rates), n_groups)) * 0.2
        response = PriceResponses(rows, rng.normal(size=n) / 2).to(multipliers)
        at = rng.normal(size=n)
        fitted = response.factors[codes] * loss.slope(at, target + response.shifts[codes])
        assert fitted == pytest.approx(loss.slope(at, target) + rows.prices(multipliers, at))


# --- prices by brute force ----------------------------------------------------------------------------------


def test_equal_means_of_two_groups_cost_what_the_best_price_costs(data):
    X, y, groups = data
    splits = folds(len(y))
    share = np.bincount(groups) / len(y)
    side = np.where(groups == 0, 1 / share[0], -1 / share[1])
    # The regressor is linear in its targets.
    plain = out_of_fold(LinearRegression(), X, y, splits)
    effect = out_of_fold(LinearRegression(), X, y - side, splits) - plain
    tried = plain[:, None] + np.linspace(-90, 90, 18001) * effect[:, None]
    losses = ((tried - y[:, None]) ** 2).mean(0)
    apart = gaps(tried, groups)
    for bound in (0.0, 2.0, 6.0):
        model = ConstrainedRegressor(LinearRegression(), max_difference=bound, cv=splits)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # few rows say little about such bounds
            report = model.fit(X, y, sensitive_features=groups).report_
        best = losses[apart <= max(bound, 0.01)].min()
        assert report.disparity <= bound
        assert report.value == pytest.approx(best, rel=3e-3)
        assert report.value_without_bound == pytest.approx(np.mean((plain - y) ** 2))
        assert report.n_models <= 2 * 3 + 3


def test_no_prices_of_four_groups_are_better():
    X, y, groups = make_data(1200, 4, seed=3)
    splits, share = folds(len(y)), np.bincount(groups) / len(y)
    rng = np.random.default_rng(0)
    bound = 4.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ConstrainedRegressor(LinearRegression(), max_difference=bound, cv=splits)
        report = model.fit(X, y, sensitive_features=groups).report_
    assert report.disparity <= bound
    base, effects = out_of_fold(LinearRegression(), X, y, splits), []
    for g in range(4):  # the regressor is linear in its targets
        effects.append(out_of_fold(LinearRegression(), X, (groups == g) / share[g], splits))
    prices = rng.normal(size=(20000, 4)) * 15
    prices -= prices @ share[:, None]
    means = np.array([[each[groups == g].mean() for g in range(4)] for each in effects])
    at = np.array([base[groups == g].mean() for g in range(4)]) - prices @ means
    kept = prices[np.ptp(at, axis=1) <= bound]
    losses = [np.mean((base - price @ np.array(effects) - y) ** 2) for price in kept[:300]]
    assert report.value <= min(losses)


@pytest.mark.parametrize("constraint", ["bounded_group_loss", "error_parity"])
def test_bounds_on_losses_cost_at_most_what_the_best_weights_cost(constraint):
    rng = np.random.default_rng(0)
    groups = (rng.random(900) < 0.3).astype(int)
    X = rng.normal(size=(900, 3))
    # The groups' amounts depend on X in different ways: one model cannot suit both.
    y = 10 * (X * np.array([[1, 1, 0], [1, -1, 1]])[groups]).sum(1) + 5 * rng.normal(size=900)
    splits = folds(len(y))
    weights = [np.where(groups == 1, factor, 1.0) for factor in [1, *np.geomspace(0.02, 50, 60)]]
    tried = [out_of_fold(LinearRegression(), X, y, splits, each) for each in weights]
    losses = np.array([[np.mean((each - y)[groups == g] ** 2) for g in (0, 1)] for each in tried])
    mean = losses @ (np.bincount(groups) / len(y))
    reached = losses.max(1) if constraint == "bounded_group_loss" else np.ptp(losses, axis=1)
    plain = reached[0]
    bound = plain - 0.5 * (plain - reached.min())
    name = {"bounded_group_loss": "max_loss", "error_parity": "max_difference"}[constraint]
    model = ConstrainedRegressor(LinearRegression(), constraint=constraint, cv=splits, **{name: bound})
    report = model.fit(X, y, sensitive_features=groups).report_
    assert report.disparity <= bound
    assert report.value <= mean[reached <= bound].min() * 1.002
    assert report.n_models <= 15
    assert model.history_[1]["multipliers"][report.loss.name][1] > 0  # the group whose loss is greater


def test_a_loss_of_ones_own_is_what_is_reported(data):
    X, y, groups = data
    model = ConstrainedRegressor(
        DecisionTreeRegressor(max_depth=2), loss=COST, constraint=Constraint("c", COST), max_loss=44, cv=2
    )
    report = model.fit(X, y, sensitive_features=groups).report_
    assert report.loss is COST
    assert report.comparison == "worst_group"
    assert report.disparity <= 44
    table = report.amounts
    assert report.disparity == pytest.approx(max(table.rate(COST)), rel=1e-6)


# --- the report, and what users see -------------------------------------------------------------------------


def test_the_report_measures_held_out_predictions(data):
    X, y, groups = data
    splits = [(np.arange(300), np.arange(300, 600))]
    model = ConstrainedRegressor(LinearRegression(), max_difference=5, cv=splits)
    model.fit(X, y, sensitive_features=np.array(["a", "b"])[groups])
    report, rows = model.report_, splits[0][1]
    predictions = model.predict(X[rows])  # one fold: what predicts is what was held out
    assert report.value == pytest.approx(np.mean((predictions - y[rows]) ** 2))
    assert report.disparity == pytest.approx(gaps(predictions, groups[rows]), abs=1e-6)
    low, high = report.interval
    assert low < report.disparity < high
    frame = report.to_dict()["groups"]
    assert [each["group"] for each in frame] == ["a", "b"]
    assert frame[1]["mean_target"] == pytest.approx(y[rows][groups[rows] == 1].mean())
    assert "difference at most 5" in str(report)
    assert "at most 5 was asked for" in report.summary()
    assert pickle.loads(pickle.dumps(report)).value == report.value
    assert model.history_[-1]["model"] == len(model.history_)
    assert sum(step["weight"] for step in model.history_) == pytest.approx(1)


def test_a_margin_leaves_room_and_says_how_much(data):
    X, y, groups = data
    plain = ConstrainedRegressor(LinearRegression(), max_difference=8, cv=3, margin=0)
    wide = clone(plain).set_params(margin="1se").fit(X, y, sensitive_features=groups)
    plain.fit(X, y, sensitive_features=groups)
    room = wide.report_.amounts.standard_errors("mean_prediction").sum()
    assert wide.report_.disparity <= 8 - 0.9 * room
    assert wide.report_.margin == 1
    assert not wide.report_.margins
    assert wide.report_.value > plain.report_.value
    tight = clone(plain).set_params(margin=0.95, constraint="bounded_group_loss", max_difference=None)
    free = clone(plain).set_params(max_difference=np.inf).fit(X, y, sensitive_features=groups)
    limit = max(free.report_.amounts.rate("mean_squared_error")) * 1.02
    with pytest.warns(UserWarning, match="margin"):
        tight.set_params(max_loss=limit).fit(X, y, sensitive_features=groups)
    assert tight.report_.disparity <= limit
    # The group that loses little is far below the ceiling, and lacks nothing.
    assert list(tight.report_.margins) == [1]
    table = tight.report_.amounts
    room, errors = limit - table.rate("mean_squared_error"), table.standard_errors("mean_squared_error")
    assert room[0] / errors[0] > tight.report_.margin
    # The solver meets the limit up to its own rounding.
    assert 0 < tight.report_.margins[1] == pytest.approx(room[1] / errors[1], rel=1e-4)


def test_weights_are_repetitions_and_rows_without_weight_are_absent(data):
    X, y, groups = data
    X, y, groups = X[:200], y[:200], groups[:200]
    times = np.random.default_rng(0).integers(0, 3, 200)
    part = np.arange(200) % 2
    splits = [(np.flatnonzero(part != f), np.flatnonzero(part == f)) for f in (0, 1)]
    again = np.repeat(np.arange(200), times)
    repeated = [(np.flatnonzero(part[again] != f), np.flatnonzero(part[again] == f)) for f in (0, 1)]
    for params in ({"max_difference": 4}, {"constraint": "error_parity", "max_difference": 300}):
        model = ConstrainedRegressor(LinearRegression(), min_group_size=5, **params)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            weighted = clone(model).set_params(cv=splits)
            weighted.fit(X, y, sensitive_features=groups, sample_weight=times.astype(float))
            other = clone(model).set_params(cv=repeated)
            other.fit(X[again], y[again], sensitive_features=groups[again])
        assert weighted.report_.value == pytest.approx(other.report_.value, rel=1e-4)
        assert weighted.predict(X) == pytest.approx(other.predict(X), rel=1e-3)


def test_rows_stay_where_they_are_and_new_rows_need_no_attribute(data):
    X, y, groups = data
    table = np.column_stack([X, groups])
    model = ConstrainedRegressor(LinearRegression(), sensitive_features=3, max_difference=8, cv=3)
    model.fit(table, y)
    assert model.predict(table[:7]) == pytest.approx(model.predict(X[:7]))
    gc.collect()
    seen, left = set(), [vars(model)]
    while left:  # everything that the fitted estimator holds on to
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, np.ndarray):
            assert each.size < 100
        elif isinstance(each, dict):
            left += each.values()
        elif isinstance(each, list | tuple):
            left += each
        elif hasattr(each, "__dict__"):
            left.append(vars(each))
    again = clone(model).fit(table, y)
    assert (again.predict(X) == model.predict(X)).all()
    assert (pickle.loads(pickle.dumps(model)).predict(X) == model.predict(X)).all()
    kept = clone(model).set_params(keep_sensitive=True).fit(table, y)
    assert kept.estimator_.predict(table).shape == (600,)


def test_groups_reach_fit_in_either_routing_mode(data):
    X, y, groups = data
    model = ConstrainedRegressor(LinearRegression(), max_difference=8, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = clone(model).fit(X, y, sensitive_features=groups).predict(X)
        with config_context(enable_metadata_routing=True):
            assert (clone(model).fit(X, y, sensitive_features=groups).predict(X) == expected).all()
            scores = cross_val_score(model, X, y, cv=2, params={"sensitive_features": groups})
    assert np.isfinite(scores).all()


def test_regressors_without_weights_and_early_stopping(data):
    X, y, groups = data
    for inner in (KNeighborsRegressor(20), HistGradientBoostingRegressor(max_iter=5)):
        model = ConstrainedRegressor(inner, max_difference=6, cv=2, random_state=0)
        model.fit(X, y, sensitive_features=groups)
        assert model.report_.disparity <= 6
        assert (clone(model).fit(X, y, sensitive_features=groups).predict(X) == model.predict(X)).all()


# --- what is refused, and what is warned of -----------------------------------------------------------------


def test_what_cannot_be_bounded_is_said(data):
    X, y, groups = data
    missing = y.copy()
    missing[3] = np.nan
    fitted = LinearRegression().fit(X, y)
    cases = [
        ({}, "give max_difference, in the unit.*apart, and its standard deviation"),
        ({"constraint": "bounded_group_loss"}, "give max_loss.*mean loss of up to"),
        ({"constraint": "bounded_group_loss", "max_difference": 1}, "give max_loss"),
        ({"max_loss": 1}, "max_loss is for constraint='bounded_group_loss'"),
        ({"max_loss": 1, "max_difference": 1}, "not both"),
        ({"max_difference": 1, "constraint": "demographic_parity"}, "is about decisions"),
        ({"max_difference": 1, "constraint": MeanRate("paid", "target")}, "'paid' is the same whatever is"),
        ({"max_difference": 1, "constraint": MeanRate("paid", "prediction-over+under")}, "whatever is pre"),
        ({"max_difference": 1, "loss": AMOUNT_RATES["mean_error"]}, "no loss that can be made least"),
        ({"max_difference": 1, "loss": MeanRate("u", "under", lower_is_better=True)}, "no loss that can"),
        ({"max_difference": 1, "estimator": LogisticRegression()}, "is for regressors, and LogisticReg"),
        ({"max_difference": 1, "estimator": FrozenEstimator(fitted)}, "frozen one cannot be"),
        ({"max_difference": 1, "engine": "boosting"}, "engine='boosting' is for LGBMRegressor"),
        ({"max_difference": -1}, "max_difference"),
    ]
    for params, message in cases:
        model = ConstrainedRegressor(**{"estimator": LinearRegression(), **params})
        with pytest.raises(ValueError, match=message):
            model.fit(X, y, sensitive_features=groups)
    with pytest.raises(ValueError, match="no missing"):
        ConstrainedRegressor(LinearRegression(), max_difference=1).fit(X, missing, sensitive_features=groups)


def test_bounds_that_are_missed_and_groups_that_are_small_are_warned_of(data):
    X, y, groups = data
    model = ConstrainedRegressor(LinearRegression(), constraint="bounded_group_loss", max_loss=1, cv=2)
    with pytest.warns(UserWarning, match="No model was found"):
        model.fit(X, y, sensitive_features=groups)
    assert model.report_.violation > 0
    few = np.where(np.arange(600) < 10, 2, groups)
    with pytest.warns(UserWarning, match="does not cover these groups"):
        report = ConstrainedRegressor(LinearRegression(), max_difference=9, cv=2).fit(X, y, few).report_
    assert report.exempt == (2,)
    with pytest.warns(UserWarning, match="Fewer than two groups can be measured"):
        report = (
            ConstrainedRegressor(LinearRegression(), max_difference=9, min_group_size=900)
            .fit(X, y, few)
            .report_
        )
    assert np.isnan(report.disparity)
    assert "Nothing can be measured" in report.summary()
    with pytest.warns(UserWarning, match="say little about the bound"):
        ConstrainedRegressor(LinearRegression(), max_difference=0.1, cv=2).fit(X, y, groups)
