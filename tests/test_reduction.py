"""Tests of the reduction: the linear program over rules, prices as labels and weights, the engine."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from fairsk._core.bounds import Bound, BoundedConstraint, bounded_constraints
from fairsk._core.groups import Grouping
from fairsk._held_out.safety_margin import SafetyMargin
from fairsk._meta.cross_fit import check_training_data, split_rows
from fairsk.rates import get_constraint
from fairsk.reductions._bounded_rows import BoundedRows
from fairsk.reductions._problem import Problem, Start
from fairsk.reductions._reduction import sample
from fairsk.reductions._reduction.engine import reduce_under_bound
from fairsk.reductions._reduction.master import solve_master
from fairsk.reductions._reduction.models import ConstantModel, fit_folds, trained_alike
from fairsk.reductions._reduction.oracle import best_response
from fairsk.reductions._reduction.rules import Average, Rules

# --- the linear program (arithmetic alone) ------------------------------------------------------------------


def _rows(seed=0, n=60, n_groups=2, bounded=None, strata=None):
    """Rows of groups with different shares of positives, every one of them with both labels."""
    rng = np.random.default_rng(seed)
    codes = np.append(np.repeat(np.arange(n_groups), 2), rng.integers(n_groups, size=n - 2 * n_groups))
    actual = rng.random(n) < 0.3 + 0.4 * codes / n_groups
    actual[: 2 * n_groups] = np.tile([False, True], n_groups)
    groups = Grouping(("group",), tuple(range(n_groups)), codes)
    bounded = bounded or [("demographic_parity", Bound(difference=0.1))]
    constraints = [BoundedConstraint(get_constraint(name), bound) for name, bound in bounded]
    return BoundedRows.of(constraints, actual, groups, rng.uniform(0.5, 2, n), strata=strata)


def _rules(rows, n_rules, seed=0):
    """Random decisions, nobody and everybody among them: their errors and rates."""
    rng = np.random.default_rng(seed)
    decisions = [np.zeros(len(rows), bool), np.ones(len(rows), bool)]
    decisions += [rng.random(len(rows)) < np.where(rows.actual, 0.9, 0.1) for _ in range(n_rules - 2)]
    errors = np.array([rows.error(selected) for selected in decisions])
    return errors, np.array([rows.values(rows.cells(selected)) for selected in decisions])


def _mixtures(n_rules, n_steps):
    """Every mixture of rules in shares of 1 / n_steps."""
    for cuts in itertools.combinations(range(n_steps + n_rules - 1), n_rules - 1):
        yield np.diff(np.array([-1, *cuts, n_steps + n_rules - 1])) - 1


BOUNDS = [
    [("demographic_parity", Bound(difference=0.05))],
    [("equalized_odds", Bound(difference=0.04))],
    [("demographic_parity", Bound(ratio=0.9))],
    [("equal_opportunity", Bound(difference=0.03)), ("demographic_parity", Bound(ratio=0.8))],
]


def _keeps(bounds, values, distance):
    """Which of many rates, of shape (n, n_rates, n_codes), keep the bounds at a distance: by hand."""
    low, high = values.min(-1), values.max(-1)
    keeps = np.ones(len(values), bool)
    for j, bound in enumerate(bounds):
        if bound.difference is not None:
            keeps &= (high[:, j] + distance) - (low[:, j] - distance) <= bound.difference + 1e-9
        else:
            keeps &= low[:, j] >= bound.ratio * high[:, j] * np.exp(2 * distance) - 1e-9
    return keeps


@pytest.mark.parametrize("bounded", BOUNDS, ids=["difference", "two rates", "ratio", "two constraints"])
@pytest.mark.parametrize("distance", [0.0, 0.01], ids=["at the bound", "at a distance"])
def test_no_mixture_in_steps_of_a_thirtieth_errs_less_than_the_program(bounded, distance):
    rows = _rows(1, bounded=bounded)
    errors, values = _rules(rows, 4)
    distances = np.full((len(rows.rates), rows.n_codes), distance) if distance else None
    mixture = solve_master(rows, errors, values, distances)
    shares = np.array(list(_mixtures(4, 30))) / 30
    keeps = _keeps(rows.bounds, np.tensordot(shares, values, 1), distance)
    by_hand = (shares @ errors)[keeps].min()
    # HiGHS keeps rows to 1e-7, and the grid is less than a step away in each share.
    assert mixture.error - 1e-6 <= by_hand <= mixture.error + 4 / 30
    assert mixture.is_feasible
    assert mixture.shares.sum() == pytest.approx(1)
    its_values = np.tensordot(mixture.shares, values, 1)[None]
    assert _keeps(rows.bounds, its_values, distance - 1e-6).all()
    assert mixture.error == pytest.approx(mixture.shares @ errors)


@pytest.mark.parametrize("n_groups", [2, 3])
def test_multipliers_say_what_a_shift_of_a_rate_costs(n_groups):
    """By the envelope theorem: the optimum's derivative when a rate of every rule is raised a little."""
    rows = _rows(2, 120, n_groups, BOUNDS[1])
    errors, values = _rules(rows, 7)
    mixture = solve_master(rows, errors, values)
    step = 1e-5
    slopes = np.zeros_like(mixture.multipliers)
    for j, code in np.ndindex(*slopes.shape):
        shift = np.zeros_like(values)
        shift[:, j, code] = step
        up, down = (solve_master(rows, errors, values + sign * shift).error for sign in (1, -1))
        slopes[j, code] = (up - down) / (2 * step)
    assert np.abs(slopes).max() > 0.01
    np.testing.assert_allclose(mixture.multipliers, slopes, atol=1e-3)


def test_a_rule_of_negative_reduced_cost_improves_the_mixture_and_no_other_does():
    rows = _rows(3, 200, 3)
    errors, values = _rules(rows, 30)
    few = slice(0, 5)
    mixture = solve_master(rows, errors[few], values[few])
    costs = mixture.reduced_costs(errors, values)
    assert (costs[few] >= -1e-7).all()
    assert 0 < (costs < -1e-6).sum() < 25
    for i in range(5, 30):
        with_it = solve_master(rows, errors[[0, 1, 2, 3, 4, i]], values[[0, 1, 2, 3, 4, i]])
        assert (with_it.error < mixture.error - 1e-9) == (costs[i] < -1e-7)
        assert with_it.error >= mixture.error + min(0, costs[i]) - 1e-7


def test_groups_that_are_not_compared_have_no_multiplier_and_infinite_bounds_none_at_all():
    rows = _rows(4, 200, 3)
    errors, values = _rules(rows, 10)
    covered = rows.covering(np.array([[True], [False], [True]]))
    mixture = solve_master(covered, errors, values)
    assert (mixture.multipliers != 0).tolist() == [[True, False, True]]
    for bound in (Bound(difference=np.inf), Bound(ratio=0.0)):
        free = solve_master(_rows(4, 200, 3, [("demographic_parity", bound)]), errors, values)
        assert free.error == errors.min()
        assert not free.multipliers.any()
    nobody = solve_master(rows.covering(np.zeros((3, 1), bool)), errors, values)
    assert nobody.error == errors.min()
    assert nobody.is_feasible


def test_strata_have_windows_of_their_own():
    strata = Grouping(("stratum",), ("a", "b"), np.arange(200) % 2)
    bounded = [("demographic_parity", Bound(difference=0.0))]
    rows = _rows(5, 200, 2, bounded, strata)
    errors, values = _rules(rows, 2)
    # A rule that selects all of stratum a and nobody of b: parity in each, none over both.
    selected = rows.codes % 2 == 0
    errors = np.append(errors, 0.0)
    values = np.append(values, rows.values(rows.cells(selected))[None], axis=0)
    assert solve_master(rows, errors, values).shares.tolist() == [0, 0, 1]
    pooled = rows.covering(np.array([[True, False], [False, True]]))  # one group each: nothing binds
    assert solve_master(pooled, errors, values).error == 0


def test_where_no_mixture_keeps_the_bounds_the_excess_is_least_and_prices_point_away_from_it():
    rows = _rows(6, 100, 2, [("demographic_parity", Bound(difference=0.1))])
    errors, values = np.array([0.2, 0.25]), np.array([[[0.1, 0.6]], [[0.2, 0.5]]])
    mixture = solve_master(rows, errors, values)
    assert not mixture.is_feasible
    assert mixture.shares.tolist() == pytest.approx([0, 1])  # .05 of error buys .2 of the difference
    # Each side of the window gives up half of it.
    assert mixture.excess == pytest.approx(0.1)
    assert mixture.multipliers[0, 0] < 0 < mixture.multipliers[0, 1]


def test_rules_without_a_rate_have_no_share():
    rows = _rows(7)
    errors, values = _rules(rows, 4)
    errors[3], values[3, 0, 1] = 0.0, np.nan
    mixture = solve_master(rows, errors, values)
    assert mixture.shares[3] == 0
    assert mixture.error == solve_master(rows, errors[:3], values[:3]).error
    none = solve_master(rows, errors[3:], values[3:])
    assert not none.is_feasible
    assert not none.multipliers.any()


# --- labels and weights (arithmetic alone) ------------------------------------------------------------------


def _lagrangian(rows, selected, multipliers):
    """Error plus multipliers times rates, counted row by row."""
    w, total = rows.weights, rows.weights.sum()
    value = w[selected != rows.actual].sum() / total
    events = {"selection_rate": None, "true_positive_rate": True, "false_positive_rate": False}
    for j, rate in enumerate(rows.rates):
        of = events[rate.name]
        in_event = np.ones(len(rows), bool) if of is None else rows.actual == of
        for code in range(rows.n_codes):
            of_group = in_event & (rows.codes == code)
            value += multipliers[j, code] * w[of_group & selected].sum() / w[of_group].sum()
    return value


@pytest.mark.parametrize("keep_labels", [False, True], ids=["flip", "split"])
@pytest.mark.parametrize("bounded", [BOUNDS[0], BOUNDS[1], BOUNDS[3]], ids=["one rate", "two", "two bounds"])
def test_the_weighted_error_of_a_response_is_error_plus_prices_up_to_a_constant(bounded, keep_labels):
    rows = _rows(8, 150, 3, bounded)
    rng = np.random.default_rng(8)
    multipliers = rng.normal(size=(len(rows.rates), rows.n_codes))
    response = best_response(rows, multipliers, keep_labels=keep_labels)
    positions, target, weights = response.take(np.arange(len(rows)))
    constants = []
    for _ in range(5):
        selected = rng.random(len(rows)) < 0.5
        loss = weights[selected[positions] != target].sum() / rows.weights.sum()
        constants.append(loss - _lagrangian(rows, selected, multipliers))
    np.testing.assert_allclose(constants, constants[0], atol=1e-12)
    if keep_labels:
        assert (target[: len(rows)] == rows.actual).all()
        assert len(positions) > len(rows)  # some rows are copied
    else:
        assert positions.tolist() == list(range(len(rows)))
        # The labels are the best decisions: no other ones cost less.
        best = _lagrangian(rows, target, multipliers)
        assert all(
            _lagrangian(rows, target ^ (np.arange(len(rows)) == i), multipliers) >= best for i in range(20)
        )


def test_without_prices_rows_are_fitted_as_they_are_and_only_those_asked_for():
    rows = _rows(9)
    for keep_labels in (False, True):
        response = best_response(rows, np.zeros((1, 2)), keep_labels=keep_labels)
        positions, target, weights = response.take(np.array([7, 3, 3]))
        assert positions.tolist() == [7, 3, 3]
        assert target.tolist() == rows.actual[[7, 3, 3]].tolist()
        assert weights.tolist() == rows.weights[[7, 3, 3]].tolist()


# --- rules (arithmetic alone) -------------------------------------------------------------------------------


def _scored(bounded, n=50, n_models=3, seed=10):
    """Rows, the scores of some models (with ties), and every decision that a threshold on averages makes."""
    rows = _rows(seed, n, 2, bounded)
    rng = np.random.default_rng(seed)
    scores = [np.round(rows.actual + rows.codes * shift + rng.normal(size=n), 1) for shift in (0.5, -1, 0)]
    averages = [(a, b, k / 10) for a, b in itertools.combinations(range(n_models), 2) for k in range(11)]
    decisions = {}
    for a, b, k in averages:
        average = (1 - k) * scores[a] + k * scores[b]
        for threshold in [np.inf, *average]:
            decisions[tuple(average >= threshold)] = average >= threshold
    return rows, scores[:n_models], list(decisions.values())


@pytest.mark.parametrize("bounded", BOUNDS, ids=["difference", "two rates", "ratio", "two constraints"])
def test_few_columns_give_the_best_mixture_of_all_thresholds_of_all_averages(bounded):
    rows, scores, decisions = _scored(bounded)
    errors = np.array([rows.error(selected) for selected in decisions])
    values = np.array([rows.values(rows.cells(selected)) for selected in decisions])
    everything = solve_master(rows, errors, values)
    rules = Rules(rows)
    for score in scores:
        rules.add_model(score)
        rules.add_averages()
    mixture = rules.solve()
    assert mixture.error == pytest.approx(everything.error, abs=1e-5)
    assert len(mixture.shares) < len(decisions) / 2
    assert rules.shares(mixture).sum() == pytest.approx(1)
    # Without averages it cannot be as good here, and a single rule is never better than a mixture.
    alone = Rules(rows)
    for score in scores:
        alone.add_model(score)
    assert alone.solve().error > mixture.error + 1e-3


@pytest.mark.parametrize("bounded", BOUNDS, ids=["difference", "two rates", "ratio", "two constraints"])
def test_the_best_average_is_that_of_all_thresholds_tried_one_by_one(bounded):
    rows, scores, decisions = _scored(bounded, seed=11)
    values = np.array([rows.values(rows.cells(selected)) for selected in decisions])
    keeps = _keeps(rows.bounds, values, 0.0)
    by_hand = min(rows.error(selected) for selected in itertools.compress(decisions, keeps))
    rules = Rules(rows)
    for score in scores:
        rules.add_model(score)
        rules.add_averages()
    mixture = rules.solve()
    best = rules.scores(rules.best(mixture))
    of_best = [best >= threshold for threshold in [np.inf, *best]]
    its_values = np.array([rows.values(rows.cells(selected)) for selected in of_best])
    it_keeps = _keeps(rows.bounds, its_values, 0.0)
    reached = min(rows.error(selected) for selected in itertools.compress(of_best, it_keeps))
    assert reached == pytest.approx(by_hand)
    assert mixture.error <= by_hand + 1e-6
    everyone = [scores[0] >= threshold for threshold in [np.inf, *scores[0]]]
    assert rules.least_error() == pytest.approx(min(map(rows.error, everyone)))


def test_averages_know_the_shares_of_their_models():
    assert Average(1, 1).shares == {1: 1.0}
    assert Average(0, 2, 0.25).shares == {0: 0.75, 2: 0.25}


# --- fold models and the engine -----------------------------------------------------------------------------


def _data(n=400, seed=0, n_groups=2):
    """Rows in which a column tells groups apart, and groups have different shares of positives."""
    rng = np.random.default_rng(seed)
    group = rng.integers(n_groups, size=n)
    X = rng.normal(size=(n, 3))
    X[:, 1] = group + 0.4 * X[:, 1]
    y = X[:, 0] + 1.5 * group / (n_groups - 1) + 0.7 * rng.normal(size=n) > 0.9
    return X, np.where(y, "yes", "no"), group


def _problem(
    estimator, X, y, group, constraint="demographic_parity", difference=0.05, *, cv=5, margin=0.0, **options
):
    training = check_training_data(
        X,
        y,
        selector=None,
        sensitive_features=group,
        sample_weight=options.pop("sample_weight", None),
        estimator=estimator,
    )
    constraints = bounded_constraints(constraint, difference, options.pop("min_ratio", None))
    weights = np.ones(len(y)) if training.weights is None else training.weights
    rows = BoundedRows.of(constraints, training.labels == training.positive, training.groups, weights)
    n_groups = len(training.groups.labels)
    safety = SafetyMargin.from_parameter(margin, constraints, n_groups)
    random_state = options.pop("random_state", 0)
    splits = split_rows(training, cv, 0)
    return Problem(estimator, training, splits, rows, safety, random_state=random_state, **options)


def _gap(selected, group, y=None, label=None):
    taken = np.ones(len(group), bool) if label is None else y == label
    rates = [selected[taken & (group == g)].mean() for g in np.unique(group)]
    return max(rates) - min(rates)


def test_the_bound_holds_out_of_fold_at_a_small_cost_and_the_fold_models_decide_together():
    X, y, group = _data()
    problem = _problem(LogisticRegression(), X, y, group)
    solution = reduce_under_bound(problem)
    free = LogisticRegression().fit(X, y)
    assert _gap(free.predict(X) == "yes", group) > 0.25
    assert _gap(solution.selected, group) <= 0.05
    accuracy = np.mean(solution.selected == (y == "yes"))
    assert accuracy <= solution.best_mixture + 1e-6
    assert 0.6 < accuracy < solution.value_without_bound
    assert solution.scale == "probability"
    # On new rows: the mean over the models of the folds, as often as models are averaged.
    new, _, of_new = _data(2000, 1)
    scorer = solution.scorer
    by_hand = sum(s * m.predict_proba(new)[:, 1] for s, m in zip(scorer.shares, scorer.models, strict=True))
    np.testing.assert_allclose(scorer.scores(new), by_hand)
    assert sum(scorer.shares) == pytest.approx(1)
    assert len(scorer.models) in (5, 10)
    assert _gap(by_hand >= solution.threshold, of_new) < 0.15


def test_held_out_decisions_are_those_of_models_that_did_not_see_the_row():
    X, y, group = _data()
    problem = _problem(LogisticRegression(), X, y, group, cv=4)
    solution = reduce_under_bound(problem)
    scorer = solution.scorer
    n_averaged = len(scorer.models) // 4
    for fold, (_, test) in enumerate(problem.splits):
        own = range(fold, len(scorer.models), 4)
        scores = sum(4 * scorer.shares[i] * scorer.models[i].predict_proba(X[test])[:, 1] for i in own)
        assert len(own) == n_averaged
        assert ((scores >= solution.threshold) == solution.selected[test]).all()


def test_the_history_has_a_step_per_model_and_counts_what_was_fitted():
    X, y, group = _data()
    told = []
    problem = _problem(LogisticRegression(), X, y, group)
    problem = replace(problem, report_progress=lambda done, of: told.append((done, of)))
    solution = reduce_under_bound(problem, max_models=6)
    n = len(solution.history)
    assert 2 <= n <= 6
    assert solution.n_models == 5 * n
    assert solution.detail["rows_fitted"] == n * 4 * 400  # five folds of four fifths
    assert told == [(i + 1, 6) for i in range(n)]
    first, *others = solution.history
    assert not first.multipliers.any()
    assert all(step.multipliers[0, 1] > 0 > step.multipliers[0, 0] for step in others)
    assert sum(step.weight for step in solution.history) == pytest.approx(1)
    held_out = np.empty(400, bool)
    for train, test in problem.splits:
        held_out[test] = LogisticRegression().fit(X[train], y[train]).predict(X[test]) == "yes"
    assert first.error == pytest.approx(np.mean(held_out != (y == "yes")))
    assert first.values[0].tolist() == pytest.approx([held_out[group == g].mean() for g in (0, 1)])


def test_the_search_stops_at_a_gain_below_a_tenth_of_the_standard_error():
    X, y, group = _data(600, 3)
    problem = _problem(GaussianNB(), X, y, group, difference=0.02)
    by_number = [reduce_under_bound(problem, max_models=k) for k in range(1, 7)]
    reached = [1 - solution.best_mixture for solution in by_number]
    n = by_number[-1].detail["models"]
    assert by_number[-1].detail["stopped"] == "no gain"
    assert by_number[1].detail["stopped"] == "max_models"
    gains = -np.diff(reached)
    errors = [np.sqrt(error * (1 - error) / 600) for error in reached]
    assert gains[n - 2] < 0.1 * errors[n - 1]
    assert all(gains[i - 2] >= 0.1 * errors[i - 1] for i in range(3, n))
    assert all(reached[i] == reached[n - 1] for i in range(n - 1, 6))


def test_a_bound_that_costs_nothing_is_met_by_the_learner_as_it_is():
    X, y, group = _data()
    solution = reduce_under_bound(_problem(LogisticRegression(), X, y, group, difference=0.9))
    assert solution.detail["models"] == 1
    assert solution.detail["stopped"] == "the bound costs nothing"
    assert solution.value_without_bound == pytest.approx(np.mean(solution.selected == (y == "yes")))
    assert not solution.multipliers.any()


@pytest.mark.parametrize("constraint", ["equalized_odds", ["demographic_parity", "equal_opportunity"]])
def test_several_rates_and_groups_are_bounded_together(constraint):
    X, y, group = _data(900, n_groups=3)
    problem = _problem(LogisticRegression(), X, y, group, constraint, 0.06)
    solution = reduce_under_bound(problem)
    assert _gap(solution.selected, group, y, "yes") <= 0.06
    other = (y, "no") if constraint == "equalized_odds" else ()
    assert _gap(solution.selected, group, *other) <= 0.06
    assert 0.05 < solution.selected.mean() < 0.95


def test_ratios_weights_and_a_single_split():
    X, y, group = _data(600)
    weights = np.random.default_rng(0).uniform(0.2, 3, 600)
    options = {"difference": None, "min_ratio": 0.9, "sample_weight": weights, "cv": 0.4}
    problem = _problem(LogisticRegression(), X, y, group, **options)
    solution = reduce_under_bound(problem)
    test = problem.splits[0][1]
    assert problem.held_out.tolist() == sorted(test)
    assert len(solution.selected) == 240
    rows = problem.held_out
    rates = [
        np.average(solution.selected[group[rows] == g], weights=weights[rows][group[rows] == g])
        for g in (0, 1)
    ]
    assert min(rates) >= 0.9 * max(rates)
    assert 0 < min(rates) < 1


def test_a_margin_leaves_room():
    X, y, group = _data(800, 4)
    plain, careful = (
        reduce_under_bound(_problem(LogisticRegression(), X, y, group, difference=0.1, margin=margin))
        for margin in (0.0, "1se")
    )
    errors = careful.margin.distances
    assert errors.shape == (1, 2)
    assert errors.min() > 0.01
    assert _gap(careful.selected, group) <= 0.1 - errors.sum() + 1e-9
    assert _gap(plain.selected, group) > 0.1 - errors.sum()
    # Prices are those of the narrower window.
    assert np.abs(careful.multipliers).max() > 0


def test_a_learner_without_weights_is_fitted_to_rows_that_are_drawn():
    X, y, group = _data()
    problem = _problem(KNeighborsClassifier(15), X, y, group)
    first, second = (reduce_under_bound(problem) for _ in range(2))
    assert len(first.history) > 1
    assert _gap(first.selected, group) <= 0.05
    assert first.threshold == second.threshold
    np.testing.assert_array_equal(first.scorer.scores(X), second.scorer.scores(X))


def test_decision_functions_are_averaged_in_units_of_their_spread():
    X, y, group = _data()
    problem = _problem(LinearSVC(random_state=0), X, y, group)
    solution = reduce_under_bound(problem)
    assert solution.scale == "other"
    assert _gap(solution.selected, group) <= 0.05
    scorer = solution.scorer
    by_hand = sum(s * m.decision_function(X) for s, m in zip(scorer.shares, scorer.models, strict=True))
    np.testing.assert_allclose(scorer.scores(X), by_hand)
    scores = list(solution.history)
    assert sum(step.weight for step in scores) == pytest.approx(1)
    spreads = np.array(scorer.shares) * 5  # a share of 1 over the spread of held-out scores
    assert not np.allclose(spreads.sum() / 5, 1)


def test_texts_and_frames_reach_pipelines_as_they_are():
    X, y, group = _data(300)
    rng = np.random.default_rng(0)
    words = np.char.add(
        np.where(group == 1, "apple", "pear"), np.where(rng.random(300) < 0.3, " plum", " fig")
    )
    words = [f"{word} {'high' if x > 0 else 'low'}" for word, x in zip(words, X[:, 0], strict=True)]
    texts = reduce_under_bound(
        _problem(make_pipeline(CountVectorizer(), LogisticRegression()), list(words), y, group)
    )
    assert len(texts.history) > 1
    assert _gap(texts.selected, group) <= 0.05
    frame = pd.DataFrame({"text": words, "x": X[:, 0]})
    columns = make_column_transformer((CountVectorizer(), "text"), (StandardScaler(), ["x"]))
    model = make_pipeline(columns, LogisticRegression())
    solution = reduce_under_bound(_problem(model, frame, y, group))
    assert _gap(solution.selected, group) <= 0.05
    assert solution.scorer.scores(frame[:4]).shape == (4,)


class _AsksForGroups(ClassifierMixin, BaseEstimator):
    """Notes whether it is given the groups of its rows."""

    __metadata_request__fit = {"sensitive_features": True}

    def fit(self, X, y, sample_weight=None, sensitive_features=None):
        assert (np.unique(X[:, -1]) == np.unique(sensitive_features)).all()
        assert (X[:, -1] == sensitive_features).all()
        self.model_ = LogisticRegression().fit(X[:, :-1], y, sample_weight)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X[:, :-1])


@pytest.mark.parametrize("constraint", ["demographic_parity", "equalized_odds"], ids=["flip", "split"])
def test_what_asks_for_groups_in_fit_gets_those_of_its_rows(constraint):
    X, y, group = _data()
    problem = _problem(_AsksForGroups(), np.column_stack([X, group]), y, group, constraint)
    assert len(reduce_under_bound(problem).history) > 1


def test_prices_that_leave_one_label_make_a_constant_model():
    X, y, group = _data(60)
    for estimator, method, low in (
        (LogisticRegression(), "predict_proba", 0.0),
        (LinearSVC(), "decision_function", -1.0),
    ):
        problem = _problem(estimator, X, y, group, cv=3)
        response = best_response(problem.rows, np.full((1, 2), 50.0), keep_labels=False)
        folds = fit_folds(problem, response, method)
        assert all(isinstance(model, ConstantModel) for model in folds.models)
        assert folds.scores.tolist() == [low] * 60
        assert folds.rows_fitted == 0
        assert folds.scale == 1
        response = best_response(problem.rows, np.full((1, 2), -50.0), keep_labels=False)
        assert fit_folds(problem, response, method).scores.tolist() == [1.0] * 60


def test_rates_whose_denominators_move_are_refused_with_what_to_do():
    X, y, group = _data(60)
    problem = _problem(LogisticRegression(), X, y, group, "predictive_parity")
    with pytest.raises(ValueError, match=r"depends on the decisions.*engine='boosting'.*GroupThresholdOpt"):
        reduce_under_bound(problem)


def test_early_stopping_is_decided_by_all_rows_for_every_clone():
    pipe = make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=1, max_leaf_nodes=2))
    X = np.arange(10_001.0)[:, None]
    for n in (10_000, 10_001):  # as scikit-learn itself decides
        itself = pipe.fit(X[:n], X[:n, 0] > 5000)[-1].do_early_stopping_
        assert trained_alike(pipe, n)[-1].early_stopping is itself
        assert trained_alike(HistGradientBoostingClassifier(), n).early_stopping is itself
    assert pipe[-1].early_stopping == "auto"
    assert trained_alike(HistGradientBoostingClassifier(early_stopping=True), 5).early_stopping is True


def test_no_training_rows_are_kept_and_nothing_is_mutated():
    X, y, group = _data()
    X[:, 2] = 12345.678
    before, estimator = X.copy(), LogisticRegression()
    solution = reduce_under_bound(_problem(estimator, X, y, group))
    assert (
        len(pickle.dumps(solution.scorer)) < 20_000
    )  # ten models of three columns; the rows are 9,600 numbers
    assert np.float64(X[0, 0]).tobytes() not in pickle.dumps(solution.scorer)
    assert not hasattr(estimator, "coef_")
    np.testing.assert_array_equal(X, before)


def test_many_rows_are_searched_in_part_and_what_is_chosen_is_fitted_to_all(monkeypatch):
    X, y, group = _data(1000)
    group[:40] = 2  # a small group, of which the sample keeps more than its share
    problem = _problem(LogisticRegression(), X, y, group, difference=0.08)
    monkeypatch.setattr(sample.sample_problem, "__defaults__", (300,))
    part = sample.sample_problem(problem)
    assert 250 <= len(part.rows) <= 306  # rounded up in each group and label
    for code, actual in itertools.product(range(3), (False, True)):
        of_all = (problem.rows.codes == code) & (problem.rows.actual == actual)
        of_part = (part.rows.codes == code) & (part.rows.actual == actual)
        assert part.rows.weights[of_part].sum() == pytest.approx(of_all.sum())
        assert of_part.sum() >= min(of_all.sum(), 25)  # of 150 rows, over 3 groups x 2 labels
    solution = reduce_under_bound(problem)
    assert len(solution.selected) == 1000
    assert _gap(solution.selected, group) <= 0.08
    n_final = solution.n_models // 5 - len(solution.history)
    assert n_final in (2, 3)  # what decides, and the learner without prices
    assert solution.detail["rows_fitted"] > n_final * 4 * 1000
    again = reduce_under_bound(replace(problem, start=Start(solution.multipliers, solution.seen)))
    assert again.n_models < solution.n_models


def test_no_more_than_20000_rows_are_searched():
    rng = np.random.default_rng(0)
    group, y = rng.integers(2, size=20_001), rng.integers(2, size=20_001)
    problem = _problem(LogisticRegression(), rng.normal(size=(20_001, 1)), y, group, cv=0.5)
    part = sample.sample_problem(problem)
    assert 19_900 <= len(part.rows) <= 20_004  # small groups are taken whole
    again = sample.sample_problem(problem)
    np.testing.assert_array_equal(part.training.X, again.training.X)
    held_out = set(problem.training.X[problem.held_out, 0])
    assert set(part.training.X[part.held_out, 0]) <= held_out  # folds stay what they are
    few = _problem(LogisticRegression(), rng.normal(size=(20_000, 1)), y[1:], group[1:], cv=0.5)
    assert sample.sample_problem(few) is few


def test_models_serve_the_next_bound():
    X, y, group = _data()
    loose = reduce_under_bound(_problem(LogisticRegression(), X, y, group, difference=0.1))
    problem = _problem(LogisticRegression(), X, y, group)
    alone = reduce_under_bound(problem)
    after = reduce_under_bound(replace(problem, start=Start(loose.multipliers, loose.seen)))
    assert after.n_models < alone.n_models
    assert _gap(after.selected, group) <= 0.05
    assert after.best_mixture >= alone.best_mixture - 0.01
    assert after.value_without_bound == alone.value_without_bound


def test_a_random_state_instance_gives_every_clone_the_same_draws():
    X, y, group = _data()
    scores = []
    for n_jobs in (1, 2):
        state = np.random.RandomState(3)
        problem = _problem(KNeighborsClassifier(15), X, y, group, random_state=state, n_jobs=n_jobs)
        with parallel_config(backend="threading"):
            scores.append(reduce_under_bound(problem, max_models=3).scorer.scores(X))
    np.testing.assert_array_equal(*scores)


def test_rates_that_no_rule_brings_together_are_brought_nearer():
    """Accuracy differs between groups of different base rates even if all rows are decided alike."""
    X, y, group = _data(600)
    correct = y == np.where(LogisticRegression().fit(X, y).predict(X) == "yes", "yes", "no")
    problem = _problem(LogisticRegression(), X, y, group, "accuracy_parity", 0.0)
    solution = reduce_under_bound(problem)
    held = solution.selected == (y == "yes")
    by_group = [held[group == g].mean() for g in (0, 1)]
    free = [correct[group == g].mean() for g in (0, 1)]
    assert abs(by_group[0] - by_group[1]) < max(0.005, abs(free[0] - free[1]))
    assert held.mean() > 0.6
