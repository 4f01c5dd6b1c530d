"""Boosting under a bound: derivatives, folds in lockstep, rounds compared, the choice at the end."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import expit

from fairsk._core.bounds import Bound, bounded_constraints
from fairsk._core.columns import sensitive_columns
from fairsk._core.groups import encode_groups
from fairsk._held_out.safety_margin import SafetyMargin
from fairsk._meta.cross_fit import TrainingData
from fairsk.rates import Constraint, Rate, get_rate
from fairsk.reductions._boosting.binned_sweep import BinnedSweep
from fairsk.reductions._boosting.engine import boost_under_bound
from fairsk.reductions._boosting.lockstep import derivatives
from fairsk.reductions._boosting.rounds import Rounds, distances_of
from fairsk.reductions._bounded_rows import BoundedRows
from fairsk.reductions._problem import Problem

lightgbm = pytest.importorskip("lightgbm")


def make_rows(n=600, seed=0, n_groups=2):
    """Whole numbers, whose first column differs between groups, and labels that depend on it."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, n_groups, n)
    X = rng.integers(0, 30, (n, 4)).astype(float)
    X[:, 0] += 6 * groups
    actual = X[:, 0] + X[:, 1] + rng.normal(0, 8, n) > 34
    return X, actual, groups


def folds(n, k=3):
    return [(np.flatnonzero(np.arange(n) % k != f), np.flatnonzero(np.arange(n) % k == f)) for f in range(k)]


def make_problem(
    estimator,
    X,
    actual,
    groups,
    *,
    constraint="demographic_parity",
    max_difference=0.1,
    weights=None,
    splits=None,
    margin=0.0,
    n_jobs=None,
    fit_params=None,
    report_progress=lambda done, of: None,
):
    n = len(actual)
    constraints = bounded_constraints(constraint, max_difference, None, unbounded=True)
    grouping = encode_groups(sensitive_columns(X, None, groups, n_samples=n))
    weights = np.ones(n) if weights is None else weights
    labels = np.where(actual, "yes", "no")
    training = TrainingData(X, labels, ["no", "yes"], "yes", groups, grouping, weights, fit_params or {})
    rows = BoundedRows.of(constraints, actual, grouping, weights)
    safety = SafetyMargin.from_parameter(margin, constraints, len(grouping.labels))
    return Problem(
        estimator,
        training,
        folds(n) if splits is None else splits,
        rows,
        safety,
        n_jobs=n_jobs,
        report_progress=report_progress,
    )


def make_booster(**params):
    defaults = {"n_estimators": 20, "num_leaves": 5, "n_jobs": 1, "verbose": -1, "min_child_samples": 10}
    return lightgbm.LGBMClassifier(**defaults | params)


def selection_gap(selected, groups):
    rates = [selected[groups == g].mean() for g in np.unique(groups)]
    return max(rates) - min(rates)


# --- arithmetic ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [7, 70_000], ids=["few", "several_chunks"])
def test_derivatives_are_those_of_cross_entropy_plus_the_price_of_being_selected(n):
    rng = np.random.default_rng(0)
    scores, kinds, prices = rng.normal(0, 2, n), rng.integers(0, 6, n), rng.normal(0, 1, 6)
    actual = kinds % 2

    def cost(scores):
        return np.logaddexp(0, scores) - actual * scores + prices[kinds] * expit(scores)

    gradient, hessian = derivatives(scores, kinds.astype(np.uint8), prices)
    step = 1e-5
    slope = (cost(scores + step) - cost(scores - step)) / (2 * step)
    np.testing.assert_allclose(gradient, slope, atol=1e-6)
    np.testing.assert_allclose(hessian, expit(scores) * expit(-scores), rtol=1e-6)


def make_measured(n, n_groups, seed=0):
    """Rows with weights, of which one group has no positive label, under two bounds of the true positives."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_groups, n)
    actual = rng.random(n) < 0.4
    rates = (get_rate("selection_rate"), get_rate("true_positive_rate"))
    covered = np.ones((n_groups, 1), dtype=bool)
    weights = rng.uniform(0.5, 2, n)
    bounds = (Bound(difference=0.1), Bound(ratio=0.7))
    return BoundedRows(rates, bounds, actual, codes, weights, covered, tuple(range(n_groups)))


def test_binned_thresholds_are_exact():
    rows = make_measured(400, 3)
    rng = np.random.default_rng(1)
    scores = rng.normal(0, 1.5, 400)
    scores[:60] = rng.integers(-520, 520, 60) / 256  # on thresholds
    scores[60:64] = [0.0, -0.0, -1e-300, 1e-300]
    sweep = BinnedSweep(rows, scores)
    assert sweep.thresholds[sweep.even_odds] == 0
    assert all(high > low for high, low in pairwise(sweep.thresholds))
    distances = rng.uniform(0, 0.05, (2, 3))
    violations, kept = sweep.violations(), sweep.violations(distances)
    for i in [0, 1, 2, 300, 511, 512, 513, 700, 1024, 1025, 1026]:
        selected = scores >= sweep.thresholds[i]
        values = rows.values(rows.cells(selected))
        assert sweep.errors[i] == pytest.approx(rows.error(selected))
        np.testing.assert_allclose(sweep.values[i], values)
        assert violations[i] == pytest.approx(rows.violation(values))
        assert kept[i] == pytest.approx(rows.violation(values, distances))
    best = sweep.best()
    allowed = violations <= violations.min()
    assert best.error == sweep.errors[allowed].min()
    assert rows.error(scores >= best.threshold) == pytest.approx(best.error)


def test_rates_that_do_not_exist_violate_every_bound():
    rows = make_measured(100, 2)
    rows = BoundedRows(
        rows.rates,
        rows.bounds,
        rows.actual & (rows.codes == 0),
        rows.codes,
        rows.weights,
        rows.covered,
        (0, 1),
    )
    assert np.isinf(BinnedSweep(rows, np.linspace(-1, 1, 100)).violations()).all()


# --- the engine ---------------------------------------------------------------------------------------------


def held_out_by_hand(solution, problem):
    """Return the held-out log odds of all rows by the finished models of the solution."""
    sums, times = np.zeros(len(problem.rows)), np.zeros(len(problem.rows))
    for model, (_, test) in zip(solution.scorer.models, problem.splits, strict=True):
        sums[test] += model.raw_scores(problem.training.X[test])
        times[test] += 1
    return (sums / np.maximum(times, 1))[times > 0]


def test_decisions_are_those_of_models_that_do_not_see_the_row():
    X, actual, groups = make_rows()
    problem = make_problem(make_booster(), X, actual, groups)
    solution = boost_under_bound(problem)
    held_out = held_out_by_hand(solution, problem)
    np.testing.assert_array_equal(solution.selected, held_out >= solution.threshold)
    assert selection_gap(solution.selected, groups) <= 0.1
    assert selection_gap(actual, groups) > 0.15
    assert (solution.selected == actual).mean() > 0.6
    scores = np.mean([model.raw_scores(X) for model in solution.scorer.models], axis=0)
    np.testing.assert_allclose(solution.scorer.scores(X), scores)
    assert solution.scale == "log_odds"
    assert solution.n_models == 6  # of few rows, a booster without prices for every fold
    assert solution.best_mixture >= (solution.selected == actual).mean() - 1e-9


def test_rows_with_several_held_out_scores_have_their_mean():
    X, actual, groups = make_rows()
    rng = np.random.default_rng(0)
    splits = [tuple(np.split(rng.permutation(len(X)), [400])) for _ in range(4)]
    problem = make_problem(make_booster(), X, actual, groups, splits=splits)
    solution = boost_under_bound(problem)
    assert len(solution.selected) == len(problem.held_out) < len(X)
    held_out = held_out_by_hand(solution, problem)
    clear = np.abs(held_out - solution.threshold) > 1e-9
    np.testing.assert_array_equal(solution.selected[clear], (held_out >= solution.threshold)[clear])


def test_without_a_bound_each_fold_is_the_learner_itself():
    """The round and the threshold are those of least error, found here by trying all of them."""
    X, actual, groups = make_rows()
    problem = make_problem(make_booster(), X, actual, groups, max_difference=np.inf)
    solution = boost_under_bound(problem)
    assert not solution.multipliers.any()
    plain = [make_booster().fit(X[train], actual[train]).booster_ for train, _ in problem.splits]
    held_out = np.zeros((20, len(X)))
    for model, (_, test) in zip(plain, problem.splits, strict=True):
        for number in range(20):
            held_out[number, test] = model.predict(X[test], raw_score=True, num_iteration=number + 1)
    for number, step in enumerate(solution.history):
        assert step.error == pytest.approx(np.mean((held_out[number] >= 0) != actual))
        # In steps of a 256th, and where nobody is selected.
        tried = [*np.arange(-512, 513) / 256, np.inf]
        least = min(np.mean((held_out[number] >= t) != actual) for t in tried)
        assert step.bounded_error == pytest.approx(least)
    chosen = int(np.argmin([step.bounded_error for step in solution.history]))
    assert solution.detail["rounds"] == chosen + 1
    assert [step.weight for step in solution.history] == [float(i == chosen) for i in range(20)]
    least = min(np.mean((held_out[chosen] >= t) != actual) for t in [*held_out[chosen], np.inf])
    assert np.mean(solution.selected != actual) == pytest.approx(least)


def test_value_without_bound_is_that_of_some_folds_less_what_makes_these_easier(monkeypatch):
    monkeypatch.setattr("fairsk.reductions._boosting.lockstep._SCORED_FREE", 200)  # that is one fold of three
    X, actual, groups = make_rows()
    weights = np.random.default_rng(0).uniform(0.5, 2, len(X))
    problem = make_problem(make_booster(), X, actual, groups, max_difference=0.05, weights=weights)
    solution = boost_under_bound(problem)
    train, test = problem.splits[0]
    plain = make_booster().fit(X[train], actual[train], sample_weight=weights[train])
    right = plain.booster_.predict(X[test], raw_score=True) >= 0
    right = (right == actual[test]).astype(float)
    bounded = (solution.selected == actual).astype(float)
    # The line of least squares through the hits on the fold, read off at the mean of all rows.
    line = np.polyfit(bounded[test], right, 1, w=np.sqrt(weights[test]))
    expected = np.polyval(line, np.average(bounded, weights=weights))
    assert solution.value_without_bound == pytest.approx(expected)
    assert solution.value_without_bound > np.average(solution.selected == actual, weights=weights)


def test_value_without_bound_of_few_rows_is_that_of_all_folds():
    X, actual, groups = make_rows()
    problem = make_problem(make_booster(), X, actual, groups, max_difference=0.05)
    solution = boost_under_bound(problem)
    right = [
        (make_booster().fit(X[train], actual[train]).booster_.predict(X[test]) >= 0.5) == actual[test]
        for train, test in problem.splits
    ]
    assert solution.value_without_bound == pytest.approx(np.concatenate(right).mean())


def test_patience_ends_the_rounds():
    X, actual, groups = make_rows()
    seen = []
    problem = make_problem(
        make_booster(n_estimators=400, learning_rate=0.3, early_stopping_round=6),
        X,
        actual,
        groups,
        report_progress=lambda done, of: seen.append((done, of)),
    )
    solution = boost_under_bound(problem)
    n_rounds, best = len(solution.history), solution.detail["rounds"]
    assert n_rounds == best + 6 < 100
    errors = [step.bounded_error for step in solution.history]
    assert np.nanargmin(errors) == best - 1
    assert seen == [*((i, 400) for i in range(1, n_rounds + 1)), (400, 400)]


def test_groups_of_one_are_not_compared_and_nothing_is_priced():
    X, actual, groups = make_rows()
    problem = make_problem(make_booster(), X, actual, np.zeros_like(groups))
    solution = boost_under_bound(problem)
    assert solution.n_models == 3  # no further one to compare with
    assert solution.best_mixture is None
    assert solution.value_without_bound == pytest.approx(np.mean(solution.selected == actual))


@pytest.mark.parametrize("constraint", ["equal_opportunity", "equalized_odds", "predictive_parity"])
def test_bounds_on_other_rates(constraint):
    """The last one has a rate whose denominator depends on decisions."""
    X, actual, groups = make_rows(n=1500, n_groups=2)
    problem = make_problem(make_booster(), X, actual, groups, constraint=constraint, max_difference=0.05)
    solution = boost_under_bound(problem)
    selected = solution.selected
    for within in {
        "equal_opportunity": [actual],
        "equalized_odds": [actual, ~actual],
        "predictive_parity": [selected],
    }[constraint]:
        outcome = actual if constraint == "predictive_parity" else selected
        assert selection_gap(outcome[within], groups[within]) <= 0.05 + 1e-9
    assert np.mean(selected == actual) > 0.65
    assert np.abs(solution.multipliers).max() > 0
    # The precision of a mixture is no mixture of precisions, so that no linear program bounds it.
    assert (solution.best_mixture is None) == (constraint == "predictive_parity")


@pytest.mark.parametrize("n_groups", [2, 4])
def test_where_no_mixture_keeps_the_bounds_none_is_best(n_groups):
    """Found and missed positives add up to all positives, of which groups have different shares."""
    X, actual, groups = make_rows(n_groups=n_groups)
    assert selection_gap(actual, groups) > 0.1
    shares = Constraint("shares", (Rate("found", "tp", "n"), Rate("missed", "fn", "n")))
    solution = boost_under_bound(
        make_problem(make_booster(), X, actual, groups, constraint=shares, max_difference=0.0)
    )
    assert solution.best_mixture is None


def test_several_groups():
    X, actual, groups = make_rows(n=1500, n_groups=4)
    solution = boost_under_bound(make_problem(make_booster(n_estimators=40), X, actual, groups))
    assert selection_gap(solution.selected, groups) <= 0.1
    assert np.mean(solution.selected == actual) > max(actual.mean(), 1 - actual.mean()) + 0.02


def test_a_margin_that_asks_for_more_than_the_window_does_not_choose_the_first_rounds():
    """To keep one standard error of few rows, all would have to be decided alike, as in round 1."""
    X, actual, groups = make_rows(n=300)
    problem = make_problem(
        make_booster(min_child_samples=5), X, actual, groups, max_difference=0.02, margin="1se"
    )
    solution = boost_under_bound(problem)
    assert solution.detail["rounds"] > 3
    assert 0.2 < solution.selected.mean() < 0.8
    assert np.mean(solution.selected == actual) > 0.6


def test_distances_are_standard_errors_that_leave_half_of_the_window():
    groups = np.repeat([0, 1, 2], [6000, 8000, 500])
    selected = np.arange(14500) % 4 == 0
    for bound, share in ((0.1, 1.0), (0.04, 0.5 * 0.04 / (np.sqrt(0.1875 / 500) + np.sqrt(0.1875 / 6000)))):
        problem = make_problem(
            None, np.zeros((14500, 1)), selected, groups, max_difference=bound, margin="1se"
        )
        distances = distances_of(problem.margin, problem.rows, selected)
        errors = np.sqrt(0.25 * 0.75 / np.array([6000, 8000, 500]))
        np.testing.assert_allclose(distances, [share * errors])


@pytest.mark.parametrize("margin", [0.0, "1se"])
def test_a_margin_that_only_nobody_keeps_is_left_to_the_threshold(margin):
    groups = np.repeat([0, 1], 1000)
    actual = np.tile(np.arange(1000) < 400, 2)
    problem = make_problem(None, np.zeros((2000, 1)), actual, groups, max_difference=0.02, margin=margin)
    rounds = Rounds(problem.rows, problem.margin, None)
    nobody = np.full(2000, -3.0)
    # Of the groups 400 and 418 rows, 330 of them rightly: that keeps the bound, but no margin.
    place, last = np.tile(np.arange(1000), 2), np.repeat([470, 488], 1000)
    good = np.where((place >= 70) & (place < last), 1.0, -1.0)
    for scores in (nobody, good, nobody):
        rounds.add(scores, np.zeros((1, 2)))
    assert rounds.best.number == 2


def test_what_is_kept_holds_no_rows():
    sizes = []
    for n in (600, 6000):
        X, actual, groups = make_rows(n)
        estimator = make_booster(n_estimators=5)
        solution = boost_under_bound(make_problem(estimator, X, actual, groups, max_difference=np.inf))
        sizes.append(len(pickle.dumps(solution.scorer)))
    assert sizes[1] < 1.5 * sizes[0] < 6000 * 8


def test_threads_and_repetition_change_nothing():
    X, actual, groups = make_rows()
    estimator = make_booster(subsample=0.7, subsample_freq=1, colsample_bytree=0.7)
    one, two, again = (
        boost_under_bound(make_problem(estimator, X, actual, groups, n_jobs=n_jobs)) for n_jobs in (1, 2, 1)
    )
    for other in (two, again):
        np.testing.assert_array_equal(one.scorer.scores(X), other.scorer.scores(X))
        assert (one.threshold, one.detail) == (other.threshold, other.detail)


def test_own_rates_are_priced_by_their_slopes():
    X, actual, groups = make_rows(n=1500)
    errors = Rate("error_share", numerator="fp + fn", denominator="tp + fp + fn + tn")
    own = Constraint("equal_errors", [errors])
    solution = boost_under_bound(
        make_problem(make_booster(), X, actual, groups, constraint=own, max_difference=0.01)
    )
    wrong = solution.selected != actual
    assert selection_gap(wrong, groups) <= 0.01 + 1e-9
