"""Amounts boosted under a bound: folds as the libraries' own fits, prices, rounds, and known frontiers."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from fairsk import ConstrainedRegressor
from fairsk._core.columns import sensitive_columns
from fairsk._core.groups import encode_groups
from fairsk._meta.cross_fit import TrainingData
from fairsk.rates import AMOUNT_RATES, MeanRate, get_amount_constraint
from fairsk.reductions._amounts.problem import AmountProblem
from fairsk.reductions._amounts.rows import AmountBound, AmountRows
from fairsk.reductions._boosting.amount_controller import AmountController
from fairsk.reductions._boosting.amount_costs import AmountCosts, amount_derivatives, loss_of
from fairsk.reductions._boosting.amount_engine import boost_amounts_under_bound
from fairsk.reductions._boosting.booster import find_backend
from fairsk.reductions._boosting.constants import weighted_median

pd = pytest.importorskip("pandas")

LIBRARIES = ["lightgbm", "xgboost"]
LOSSES = {"squared": AMOUNT_RATES["mean_squared_error"], "absolute": AMOUNT_RATES["mean_absolute_error"]}


def make_regressor(library, **params):
    module = pytest.importorskip(library)
    if library == "xgboost":
        defaults = {"n_estimators": 20, "max_depth": 3, "learning_rate": 0.2, "n_jobs": 1}
        return module.XGBRegressor(**defaults | {"enable_categorical": True} | params)
    defaults = {"n_estimators": 20, "num_leaves": 6, "learning_rate": 0.2, "n_jobs": 1, "verbose": -1}
    return module.LGBMRegressor(**defaults | params)


def folds(n, k=3):
    return [(np.flatnonzero(np.arange(n) % k != f), np.flatnonzero(np.arange(n) % k == f)) for f in range(k)]


def make_rows(
    target, groups, constraint="mean_parity", bound=5.0, *, ceiling=False, loss="squared", **fields
):
    encoded = encode_groups(sensitive_columns(None, None, groups, n_samples=len(groups)))
    n_groups = len(encoded.labels)
    return AmountRows(
        LOSSES[loss],
        get_amount_constraint(constraint).rates,
        AmountBound("worst_group" if ceiling else "difference", bound),
        target,
        encoded.codes,
        **{"weights": np.ones(len(target)), "covered": np.ones(n_groups, bool), "labels": encoded.labels}
        | fields,
    )


def make_problem(estimator, X, rows, *, fit_params=None, splits=None, **fields):
    groups = np.array(rows.labels)[rows.codes]
    grouping = encode_groups(sensitive_columns(None, None, groups, n_samples=len(rows)))
    training = TrainingData(X, rows.target, [], None, groups, grouping, rows.weights, fit_params or {})
    return AmountProblem(estimator, training, splits or folds(len(rows)), rows, random_state=0, **fields)


def take(X, rows):
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def make_wages(n=600, seed=0):
    """Wages, with a category, missing values, and hours that differ between groups."""
    rng = np.random.default_rng(seed)
    groups = (rng.random(n) < 0.4).astype(int)
    X = pd.DataFrame(
        {"hours": rng.integers(20, 35, n) - 12.0 * groups, "years": rng.integers(0, 30, n) * 1.0}
    )
    X["trade"] = pd.Categorical(rng.choice(["a", "b", "c"], n))
    wage = X["hours"] + X["years"] + 10 * (X["trade"] == "a") + rng.normal(0, 6, n)
    X.loc[rng.random(n) < 0.1, "years"] = np.nan
    return X, wage.to_numpy(), groups


@pytest.fixture(scope="module")
def wages():
    return make_wages()


# --- costs --------------------------------------------------------------------------------------------------


def test_derivatives_are_those_of_the_lagrangian():
    """The gradient of the mean loss plus multipliers times means, found from their values alone."""
    rng = np.random.default_rng(0)
    rates = (
        AMOUNT_RATES["mean_prediction"],
        MeanRate("cost", "4*under+over"),
        AMOUNT_RATES["root_mean_squared_error"],
    )
    for loss in LOSSES.values():
        n = 60
        codes, weights = rng.integers(0, 3, n), rng.uniform(0.5, 2, n)
        rows = AmountRows(
            loss,
            rates,
            AmountBound("difference", 1.0),
            rng.normal(50, 10, n),
            codes,
            weights,
            np.ones(3, bool),
            ("a", "b", "c"),
        )
        predictions = rng.normal(50, 10, n)
        multipliers = rng.uniform(0, 0.3, (3, 3))
        costs = AmountCosts.of(rows, multipliers, predictions)
        gradient, hessian = amount_derivatives(predictions, rows.target, codes.astype(np.uint8), costs)

        def lagrangian(moved, rows=rows, multipliers=multipliers):
            return rows.mean_loss(moved) + (multipliers * rows.values(moved)).sum()

        step = 1e-4
        slopes = [
            (lagrangian(predictions + step * unit) - lagrangian(predictions - step * unit)) / (2 * step)
            for unit in np.eye(n)
        ]
        # In the unit of the loss's curvature, and with the weights of rows left out.
        spread = weighted_median(np.abs(predictions - rows.target), weights) / np.log(2)
        unit = 2.0 if loss.name == "mean_squared_error" else 1 / spread
        expected = np.array(slopes) * weights.sum() / weights / unit
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-3)
        assert (hessian >= 1).all()
        free = AmountCosts.of(rows, 0 * multipliers, predictions)
        gradient, hessian = amount_derivatives(predictions, rows.target, codes.astype(np.uint8), free)
        error = predictions - rows.target
        np.testing.assert_allclose(gradient, error if unit == 2 else spread * np.sign(error), rtol=1e-5)
        np.testing.assert_allclose(hessian, 1)


def test_no_price_on_errors_pushes_a_prediction_away_from_its_target():
    rng = np.random.default_rng(1)
    for constraint in ("error_parity", "absolute_error_parity"):
        for loss in LOSSES:
            target, predictions = rng.normal(0, 5, (2, 200))
            groups = rng.integers(0, 2, 200)
            rows = make_rows(target, groups, constraint, loss=loss)
            costs = AmountCosts.of(rows, np.array([[0.4, -3.0]]), predictions)
            gradient, hessian = amount_derivatives(predictions, target, groups.astype(np.uint8), costs)
            assert (gradient * (predictions - target) >= 0).all()
            assert (hessian >= 0).all()
            assert (gradient[groups == 0] != 0).all()
            assert (gradient[groups == 1] == 0).any()


@pytest.mark.parametrize("answer", [0.02, 0.1, 0.35, 1.0])
def test_multipliers_hold_a_mean_that_answers_in_part_and_drifts(answer):
    """A learner of our own, whose means go to a part of what is asked, while the gap grows by .1 a round."""
    groups = np.repeat([0, 1], [60, 40])
    rate, shares = 0.1, np.array([0.6, 0.4])
    rows = make_rows(np.where(groups, 0.0, 5_000.0), groups, bound=1.0)  # wide: no limit is met
    controller = AmountController(rows, np.full(100, 80.0), learning_rate=rate)
    followed, gaps = np.zeros(2), []
    for number in range(80):
        free = np.array([100.0, 90.0 - 0.1 * number])
        followed += rate * (controller.multipliers[0] - followed)
        bounded = free - answer * followed / (2 * shares)
        gaps.append(bounded[0] - bounded[1])
        controller.update(bounded[groups], rows, bounded[groups], free[groups])
    # Of a tenth, which is the least that is told apart, a fifth: it takes five times as long.
    arrived = gaps[60:] if answer < 0.1 else gaps[20:]
    np.testing.assert_allclose(arrived, 1.0, atol=0.25 if answer < 0.1 else 0.03)


# --- boosters of folds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", LIBRARIES)
def test_without_prices_each_fold_is_the_librarys_own_fit(library, wages):
    X, wage, groups = wages
    weights = np.random.default_rng(2).uniform(0.5, 2, len(wage))
    several = {"lightgbm": {"subsample": 0.7, "subsample_freq": 1, "reg_lambda": 2.0, "random_state": 3}}
    for params in ({}, several.get(library, {"gamma": 1.0, "reg_lambda": 3.0, "min_child_weight": 9})):
        estimator = make_regressor(library, **params)
        problem = make_problem(estimator, X, make_rows(wage, groups, bound=np.inf, weights=weights))
        solution = boost_amounts_under_bound(problem)
        plain = [
            clone(estimator).fit(take(X, t), wage[t], sample_weight=weights[t]) for t, _ in problem.splits
        ]
        losses = []
        for number in range(1, 21):
            limit = {"iteration_range": (0, number)} if library == "xgboost" else {"num_iteration": number}
            held_out = np.empty(len(wage))
            for model, (_, test) in zip(plain, problem.splits, strict=True):
                held_out[test] = model.predict(take(X, test), **limit)
            losses.append(np.average((held_out - wage) ** 2, weights=weights))
        np.testing.assert_allclose([step.loss for step in solution.history], losses, rtol=1e-4)
        assert solution.detail == {"rounds": 1 + int(np.argmin(losses))}
        assert solution.value_without_bound == pytest.approx(min(losses), rel=1e-4)
        assert solution.n_fits == 3
        assert not solution.multipliers.any()
    new, *_ = make_wages(50, seed=5)
    limit = solution.detail["rounds"]
    limit = {"iteration_range": (0, limit)} if library == "xgboost" else {"num_iteration": limit}
    expected = np.mean([model.predict(new, **limit) for model in plain], axis=0)
    np.testing.assert_allclose(solution.predictor.predictions(new), expected, rtol=1e-5)


@pytest.mark.parametrize("library", LIBRARIES)
def test_absolute_loss(library, wages):
    X, wage, groups = wages
    wage = np.where(np.arange(len(wage)) % 40 == 0, 10_000.0, wage)  # means would follow these
    absolute = {"lightgbm": "regression_l1", "xgboost": "reg:absoluteerror"}[library]
    losses = []
    for objective in (None, absolute):
        params = {} if objective is None else {"objective": objective}
        rows = make_rows(wage, groups, bound=4.0, loss="absolute")
        solution = boost_amounts_under_bound(make_problem(make_regressor(library, **params), X, rows))
        assert rows.disparity(rows.values(solution.predictions)) <= 4.0
        losses.append(np.median(np.abs(solution.predictions - wage)))
    assert losses[0] == losses[1] < 0.75 * np.median(np.abs(wage - np.median(wage)))
    unbounded = make_problem(
        make_regressor(library), X, replace(rows, bound=AmountBound("difference", np.inf))
    )
    free = boost_amounts_under_bound(unbounded)
    plain = np.empty(len(wage))
    for train, test in unbounded.splits:
        plain[test] = (
            make_regressor(library, objective=absolute)
            .fit(take(X, train), wage[train])
            .predict(take(X, test))
        )
    assert np.median(np.abs(free.predictions - wage)) < 1.1 * np.median(np.abs(plain - wage))


def test_weighted_median_is_where_absolute_boosters_start():
    rng = np.random.default_rng(3)
    amounts, weights = rng.integers(0, 30, 101) * 1.0, rng.integers(1, 9, 101) * 1.0
    repeated = np.sort(np.repeat(amounts, weights.astype(int)))
    for library in LIBRARIES:
        estimator = make_regressor(library)
        backend = find_backend(estimator, "absolute")(
            estimator, rng.normal(size=(101, 2)), amounts, weights, {}
        )
        everyone = np.arange(101)
        start = backend.fold(everyone, everyone[:5]).test_scores
        np.testing.assert_allclose(start, repeated[(len(repeated) - 1) // 2])


# --- which estimators ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", LIBRARIES)
def test_losses_and_kinds_are_told_apart(library):
    estimator = make_regressor(library)
    pipeline = make_pipeline(StandardScaler(), estimator)
    classifier = pytest.importorskip(library)
    classifier = classifier.XGBClassifier() if library == "xgboost" else classifier.LGBMClassifier()
    for loss in LOSSES:
        for each in (estimator, pipeline):
            assert find_backend(each) is None
            assert find_backend(each, loss).refusal(each) is None
        assert find_backend(classifier, loss) is None
        assert find_backend(make_pipeline(StandardScaler(), classifier), loss) is None
        assert loss_of(LOSSES[loss]) == loss
    with pytest.raises(ValueError, match=r"not 'over'"):
        loss_of(MeanRate("over", "over"))
    own = {"lightgbm": "regression_l1", "xgboost": "reg:absoluteerror"}[library]
    others = {"lightgbm": ["poisson", "quantile", "huber"], "xgboost": ["reg:gamma", "reg:squaredlogerror"]}
    for objective in (own, *others[library]):
        estimator.set_params(objective=objective)
        for loss in LOSSES:
            refusal = find_backend(estimator, loss).refusal(estimator)
            assert (refusal is None) == (objective == own and loss == "absolute")
            assert refusal is None or f"objective='{objective}' cannot be boosted" in refusal
        assert find_backend(pipeline, "squared").refusal(pipeline) is not None
    params = {"lightgbm": {"class_weight": "balanced", "reg_sqrt": True}, "xgboost": {"scale_pos_weight": 3}}
    for name, value in params[library].items():
        refused = make_regressor(library, **{name: value})
        assert f"{name} cannot be had" in find_backend(refused, "squared").refusal(refused)
        with pytest.raises(ValueError, match="cannot be had under a bound on amounts"):
            find_backend(refused, "squared")(refused, np.ones((4, 1)), np.ones(4), np.ones(4), {})


@pytest.mark.parametrize("library", LIBRARIES)
def test_arguments_of_fit_that_cannot_be_had(library, wages):
    X, wage, groups = wages
    rows = make_rows(wage, groups)
    for name, message in {
        "eval_set": "Regressor",
        "init_score": "",
        "base_margin": "",
        "nonsense": "Regressor",
    }.items():
        problem = make_problem(make_regressor(library), X, rows, fit_params={name: [1]})
        with pytest.raises((ValueError, TypeError), match=rf"{name}.*{message}"):
            boost_amounts_under_bound(problem)


# --- the engine ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("place", ["alone", "pipeline"])
def test_the_best_round_that_keeps_the_bound_predicts(library, place, wages):
    X, wage, groups = wages
    estimator = (
        make_regressor(library, subsample=0.8, subsample_freq=1)
        if library == "lightgbm"
        else make_regressor(library, subsample=0.8)
    )
    if place == "pipeline":
        X = X.assign(trade=X["trade"].cat.codes).fillna(0)
        estimator = make_pipeline(FunctionTransformer(np.log1p), make_pipeline(StandardScaler(), estimator))
    rows = make_rows(wage, groups, bound=4.0)
    problem = make_problem(estimator, X, rows)
    solution = boost_amounts_under_bound(problem)
    losses = np.array([step.loss for step in solution.history])
    gaps = np.array([rows.disparity(step.values) for step in solution.history])
    assert gaps[-1] < 4.5 < 6 < abs(np.subtract(*[wage[groups == g].mean() for g in (0, 1)]))
    kept = np.flatnonzero(gaps <= 4.0)
    best = kept[np.argmin(losses[kept])]
    assert solution.detail == {"rounds": best + 1}
    assert [step.weight for step in solution.history] == [float(i == best) for i in range(20)]
    assert rows.mean_loss(solution.predictions) == losses[best]
    np.testing.assert_array_equal(rows.values(solution.predictions), solution.history[best].values)
    # Held-out predictions are those of single folds.
    model = pickle.loads(pickle.dumps(solution.predictor))
    (models,) = model.models
    for fold, (_, test) in zip(models, problem.splits, strict=True):
        np.testing.assert_allclose(fold.raw_scores(take(X, test)), solution.predictions[test], rtol=1e-5)
    np.testing.assert_allclose(model.predictions(X), np.mean([fold.raw_scores(X) for fold in models], axis=0))
    again = boost_amounts_under_bound(replace(problem, n_jobs=2))
    np.testing.assert_array_equal(again.predictions, solution.predictions)


def test_rounds_end_early(wages):
    X, wage, groups = wages
    for library in LIBRARIES:
        name = {"lightgbm": "early_stopping_round", "xgboost": "early_stopping_rounds"}[library]
        seen = []
        problem = make_problem(
            make_regressor(library, n_estimators=300, learning_rate=0.5, **{name: 5}),
            X,
            make_rows(wage, groups),
            report_progress=lambda done, of, seen=seen: seen.append((done, of)),
        )
        solution = boost_amounts_under_bound(problem)
        assert len(solution.history) == solution.detail["rounds"] + 5 < 200
        assert seen[-1] == (300, 300)


def make_table(n, rng):
    """Rows of one column with six values, which tell groups and amounts in part; the optimum is known."""
    cell = rng.integers(0, 6, n)
    groups = (rng.random(n) < np.array([0.1, 0.2, 0.3, 0.6, 0.7, 0.9])[cell]).astype(int)
    target = np.array([30.0, 12, 25, 8, 14, 2])[cell] + rng.normal(0, 3, n)
    return cell, groups, target


@pytest.mark.parametrize("library", LIBRARIES)
def test_equal_means_cost_what_they_must(library):
    """Of a column with few values the frontier is known: ``f = m - t d``, with d how much a value says."""
    rng = np.random.default_rng(4)
    cell, groups, target = make_table(3000, rng)
    share = np.bincount(cell) / len(cell)
    minority = np.bincount(cell, groups) / np.bincount(cell)
    means = np.bincount(cell, target) / np.bincount(cell)
    says = minority / (minority @ share) - (1 - minority) / (1 - minority @ share)
    gap = means @ (share * says)
    bound = 2.0
    optimum = means - np.sign(gap) * (abs(gap) - bound) / (share @ says**2) * says
    least = np.mean((optimum[cell] - target) ** 2)
    assert abs(gap) > 3 * bound
    params = {"min_child_weight": 1} if library == "xgboost" else {"min_child_samples": 5}
    estimator = make_regressor(library, n_estimators=40, learning_rate=0.3, **params)
    rows = make_rows(target, groups, bound=bound)
    solution = boost_amounts_under_bound(make_problem(estimator, cell[:, None].astype(float), rows))
    assert rows.disparity(rows.values(solution.predictions)) <= bound
    assert rows.mean_loss(solution.predictions) < 1.02 * least
    new, new_groups, new_target = make_table(20_000, rng)
    predictions = solution.predictor.predictions(new[:, None].astype(float))
    assert abs(np.subtract(*[predictions[new_groups == g].mean() for g in (0, 1)])) < 1.1 * bound
    assert np.mean((predictions - new_target) ** 2) < 1.02 * np.mean((optimum[new] - new_target) ** 2)


def make_conflict(n, seed):
    """Groups of which what is right for one is wrong for the other."""
    rng = np.random.default_rng(seed)
    groups = (rng.random(n) < 0.25).astype(int)
    X = rng.integers(0, 8, (n, 2)).astype(float)
    target = X[:, 0] + np.where(groups, -1.0, 1.0) * X[:, 1] + rng.normal(0, 1, n)
    return X, target, groups


@pytest.mark.parametrize("library", LIBRARIES)
def test_ceilings_on_errors(library):
    X, target, groups = make_conflict(700, seed=6)
    for loss, constraint in (("squared", "error_parity"), ("absolute", "absolute_error_parity")):
        rows = make_rows(target, groups, constraint, np.inf, ceiling=True, loss=loss)
        estimator = make_regressor(library, n_estimators=30, learning_rate=0.3)
        problem = make_problem(estimator, X, rows)
        free = rows.values(boost_amounts_under_bound(problem).predictions)[0]
        assert free[1] > 2 * free[0]
        ceiling = 0.7 * free[1]
        bounded = replace(problem, rows=replace(rows, bound=AmountBound("worst_group", ceiling)))
        solution = boost_amounts_under_bound(bounded)
        values = rows.values(solution.predictions)[0]
        assert 0.9 * ceiling < values[1] <= ceiling
        assert rows.mean_loss(solution.predictions) < 1.6 * (free @ rows.mass) / len(rows)
        # One that nobody can keep makes the worst group as well off as it can be: no better than the other.
        lowest = replace(problem, rows=replace(rows, bound=AmountBound("worst_group", 0.1)))
        values = rows.values(boost_amounts_under_bound(lowest).predictions)[0]
        assert np.ptp(values) < 0.1 * values.max()
        assert values.max() < ceiling


def test_differences_of_errors():
    X, target, groups = make_conflict(900, seed=7)
    rows = make_rows(target, groups, "error_parity", 2.0)
    problem = make_problem(make_regressor("lightgbm", n_estimators=30, learning_rate=0.3), X, rows)
    unbounded = replace(problem, rows=replace(rows, bound=AmountBound("difference", np.inf)))
    solution = boost_amounts_under_bound(problem)
    assert rows.disparity(rows.values(solution.predictions)) <= 2.0
    errors = rows.values(solution.predictions)[0]
    free = rows.values(boost_amounts_under_bound(unbounded).predictions)[0]
    assert free[1] - free[0] > 20
    assert errors[1] < free[1] - 10


def test_several_groups_one_of_them_not_covered(wages):
    X, wage, groups = wages
    several = groups + 2 * (np.random.default_rng(9).random(len(wage)) < 0.4)
    covered = np.array([True, True, True, False])
    rows = make_rows(wage, several, bound=2.0, covered=covered)
    solution = boost_amounts_under_bound(make_problem(make_regressor("lightgbm"), X, rows))
    assert rows.disparity(rows.values(solution.predictions)) <= 2.0
    assert not solution.multipliers[:, 3].any()
    assert solution.multipliers[:, :3].any()
    assert solution.multipliers.sum() == pytest.approx(0, abs=1e-9 * np.abs(solution.multipliers).max())


def test_where_no_round_keeps_the_bound_some_are_combined(wages):
    X, wage, groups = wages
    rows = make_rows(wage, groups, bound=0.0)
    problem = make_problem(make_regressor("lightgbm"), X, rows)
    solution = boost_amounts_under_bound(problem)
    assert all(rows.disparity(step.values) > 0.001 for step in solution.history)
    assert rows.disparity(rows.values(solution.predictions)) < 1e-6
    assert rows.mean_loss(solution.predictions) < np.var(wage) - 20
    shares = {i: step.weight for i, step in enumerate(solution.history, start=1) if step.weight}
    assert sum(shares.values()) == pytest.approx(1)
    assert solution.detail == {"rounds": max(shares), "combined": len(shares)}
    (_, test), *_ = problem.splits
    of_fold = np.array([models[0].raw_scores(take(X, test)) for models in solution.predictor.models])
    expected = np.array(solution.predictor.shares) @ of_fold
    np.testing.assert_allclose(solution.predictions[test], expected, rtol=1e-6)


@pytest.mark.parametrize("library", LIBRARIES)
def test_as_engine_of_constrained_regressor(library, wages):
    X, wage, groups = wages
    X = X.assign(sex=np.where(groups, "f", "m"))
    estimator = make_regressor(library)
    for loss in LOSSES:
        model = ConstrainedRegressor(estimator, sensitive_features="sex", max_difference=4.0, loss=loss, cv=3)
        model.fit(X, wage)
        assert model.engine_ == "boosting"
        assert model.report_.disparity <= 4.0
        predictions = pickle.loads(pickle.dumps(model)).predict(X.drop(columns="sex"))
        np.testing.assert_array_equal(predictions, model.predict(X))
        assert abs(np.subtract(*[predictions[groups == g].mean() for g in (0, 1)])) < 5
    other = {"lightgbm": "huber", "xgboost": "reg:pseudohubererror"}[library]
    other = clone(estimator).set_params(objective=other)
    model.set_params(estimator=other, engine="boosting")
    with pytest.raises(ValueError, match=rf"engine='boosting' is not open .*objective='{other.objective}'"):
        model.fit(X, wage)


def test_amounts_that_are_all_alike_and_rows_that_are(wages):
    X, wage, groups = wages
    X = X[["hours", "years"]].to_numpy()
    for library in LIBRARIES:
        for rows, target in ((X, np.full(len(wage), 3.0)), (np.ones((len(wage), 1)), wage)):
            for constraint, ceiling in (
                ("mean_parity", False),
                ("mean_error_parity", False),
                ("error_parity", True),
            ):
                measured = make_rows(target, groups, constraint, 0.01, ceiling=ceiling)
                estimator = make_regressor(library, n_estimators=3)
                solution = boost_amounts_under_bound(make_problem(estimator, rows, measured))
                for test in np.split(solution.predictions[np.argsort(np.arange(len(wage)) % 3)], 3):
                    np.testing.assert_allclose(test, test[0])
                assert measured.mean_loss(solution.predictions) <= 1.02 * np.var(target) + 1e-9


def test_margins(wages):
    X, wage, groups = wages
    problem = make_problem(make_regressor("lightgbm"), X, make_rows(wage, groups, bound=4.0))
    rows = problem.rows
    gaps, kept = [], []
    for distance in (0.0, 0.5, 1.0, 100.0):
        wanted = np.full((1, 2), distance)
        solution = boost_amounts_under_bound(replace(problem, wanted_distances=lambda f, w=wanted: w))
        gaps.append(rows.disparity(rows.values(solution.predictions)))
        kept.append(solution.distances[0])
        assert gaps[-1] + solution.distances.sum() <= 4.0 + 1e-9
    np.testing.assert_allclose(kept[:3], [[0, 0], [0.5, 0.5], [1, 1]])
    assert (kept[3] >= 0.78).all()  # what fits, in steps of a 128th of what was wanted
    assert gaps[1] <= 3.0
    assert gaps[2] <= 2.0
