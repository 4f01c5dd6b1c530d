"""Prices on probable groups, against sums over a known distribution, grids and loops; and boosted chances."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from scipy.special import logit
from test_bounded_rows import make_rows, rate_by_loop
from toy_data import people

from fairsk import ConstrainedClassifier
from fairsk._core.bounds import bounded_constraints
from fairsk._core.groups import Grouping
from fairsk.reductions._boosting import chances
from fairsk.reductions._boosting.binned_sweep import BinnedSweep
from fairsk.reductions._boosting.settings import Settings
from fairsk.reductions._bounded_rows import BoundedRows
from fairsk.reductions._group_chances import ExpectedPrices, PriceSearch, list_contrasts

# --- contrasts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("constraint", "n_groups", "labels"),
    [
        ("demographic_parity", 2, [(True, True)]),
        ("equal_opportunity", 2, [(False, True)]),
        ("predictive_equality", 2, [(True, False)]),
        ("equalized_odds", 2, [(True, False), (False, True)]),
        ("demographic_parity", 4, [(True, True)] * 3),
        ("equalized_odds", 4, [(True, False)] * 3 + [(False, True)] * 3),
        (["demographic_parity", "equal_opportunity"], 2, [(True, False), (False, True)]),
        ("accuracy_parity", 2, [(True, False), (False, True)]),
    ],
    ids=str,
)
def test_there_are_as_many_contrasts_as_prices_can_differ_in(constraint, n_groups, labels):
    rows, _ = make_rows(constraint, n_groups=n_groups)
    contrasts = list_contrasts(rows)
    assert [each.labels for each in contrasts] == labels
    largest = np.argmax([sum(rows.weights[rows.codes == code]) for code in range(n_groups)])
    assert all(each.reference == largest != each.code for each in contrasts)


def test_contrasts_are_of_the_groups_compared_in_a_stratum():
    rows, _ = make_rows("demographic_parity", n=200, n_strata=2)
    rows = rows.covering(np.array([[True, False], [True, True], [False, True]]))
    found = {(each.code, each.reference) for each in list_contrasts(rows)}
    assert all({code, reference} in ({0, 2}, {3, 5}) for code, reference in found)
    assert len(found) == 2


def test_targets_are_memberships_less_shares():
    """Among positives, b weighs 1 + 2 of 6: its share is a half. Group c has too few rows to count."""
    groups = np.array([0, 0, 1, 1, 0, 1, 2])
    rows = BoundedRows.of(
        bounded_constraints("equal_opportunity", 0.1, None),
        np.array([1, 1, 1, 1, 0, 0, 1], dtype=bool),
        Grouping(("g",), ("a", "b", "c"), groups),
        np.array([1.5, 1.5, 1.0, 2.0, 9.0, 1.0, 5.0]),
        min_group_size=2,
    )
    (contrast,) = list_contrasts(rows)
    assert contrast.targets(rows).tolist() in (
        [-0.5, -0.5, 0.5, 0.5, 0, 0, 0],
        [0.5, 0.5, -0.5, -0.5, 0, 0, 0],
    )


# --- expected prices ----------------------------------------------------------------------------------------


def make_cells(seed, *, constraint="equalized_odds", n_groups=3, n_kinds=6, **bounds):
    """Return rows of a known distribution: one per group, label and kind x, weighted by how likely it is."""
    rng = np.random.default_rng(seed)
    kinds, codes, labels = (
        a.ravel() for a in np.meshgrid(np.arange(n_kinds), np.arange(n_groups), [0, 1], indexing="ij")
    )
    weights = rng.dirichlet(np.ones(len(kinds))) * len(kinds)
    rows = BoundedRows.of(
        bounded_constraints(constraint, bounds.get("max_difference", 0.1), bounds.get("min_ratio")),
        labels == 1,
        Grouping(("g",), tuple("abcd"[:n_groups]), codes),
        weights,
    )
    return rows, kinds


def chances_of(rows, kinds):
    """Return the log odds of each row's kind, and what its targets are in the mean."""

    def mean(values):
        return np.array(
            [np.average(values[kinds == kind], weights=rows.weights[kinds == kind]) for kind in kinds]
        )

    contrasts = list_contrasts(rows)
    guesses = np.array([mean(each.targets(rows)) for each in contrasts])
    return contrasts, logit(mean(rows.actual.astype(float))), guesses


@pytest.mark.parametrize(
    "constraint", ["demographic_parity", "equal_opportunity", "predictive_equality", "equalized_odds"]
)
def test_expected_prices_are_those_of_a_known_distribution(constraint):
    """At any multipliers, also such that add up to anything but 0, as under a ratio."""
    rows, kinds = make_cells(1, constraint=constraint)
    contrasts, log_odds, guesses = chances_of(rows, kinds)
    multipliers = 0.1 * np.random.default_rng(2).normal(size=(len(rows.rates), 3))
    table = rows.price_table(multipliers, rows.cells(rows.actual))
    scores = ExpectedPrices.of(table, contrasts, rows).adjust(log_odds, guesses)
    for kind in range(6):
        at = np.flatnonzero(kinds == kind)
        share = rows.weights[at] / sum(rows.weights[at])
        price = sum(p * table[rows.codes[i], int(rows.actual[i])] for p, i in zip(share, at, strict=True))
        expected = logit(sum(share * rows.actual[at])) - logit((1 + price) / 2)
        np.testing.assert_allclose(scores[at], expected)


def test_at_least_0_is_what_errs_least_at_these_prices():
    """Of all 64 rules that see the kind of a row only, by sums over the known distribution."""
    rows, kinds = make_cells(3)
    contrasts, log_odds, guesses = chances_of(rows, kinds)
    multipliers = np.array([[0.15, -0.06, -0.09], [0.05, 0.15, -0.2]])
    table = rows.price_table(multipliers, rows.cells(rows.actual))

    def lagrangian(chosen):
        selected = np.isin(kinds, np.flatnonzero(chosen))
        rates = [[rate_by_loop(rate.name, rows, selected, code) for code in range(3)] for rate in rows.rates]
        wrong = sum(rows.weights[selected != rows.actual]) / sum(rows.weights)
        return wrong + float((multipliers * np.array(rates)).sum())

    best = min(itertools.product([False, True], repeat=6), key=lagrangian)
    scores = ExpectedPrices.of(table, contrasts, rows).adjust(log_odds, guesses)
    np.testing.assert_array_equal(scores >= 0, np.isin(kinds, np.flatnonzero(best)))
    without = np.isin(kinds, np.flatnonzero(best)) != (log_odds >= 0)
    assert without.any()  # the prices matter


def test_prices_beyond_any_chance_leave_log_odds_finite():
    prices = ExpectedPrices(np.array([100.0]), (0.0, 0.0))
    scores = prices.adjust(np.array([-3.0, 0.0, 3.0]), np.array([[1.0, -1.0, 1.0]]))
    assert np.isfinite(scores).all()
    assert (scores >= 0).tolist() == [False, True, False]


# --- the search for prices ----------------------------------------------------------------------------------


def make_search(seed, n=1500, **bounds):
    """Return rows of two groups that differ in both rates, with chances that are partly wrong."""
    rng = np.random.default_rng(seed)
    codes = (rng.random(n) < 0.35).astype(int)
    skill = rng.normal(size=n) - 0.7 * codes
    hint = codes + rng.normal(size=n)
    actual = rng.random(n) < 1 / (1 + np.exp(-1.5 * skill))
    rows = BoundedRows.of(
        bounded_constraints("equalized_odds", bounds.get("max_difference"), bounds.get("min_ratio")),
        actual,
        Grouping(("g",), ("a", "b"), codes),
        np.ones(n),
    )
    contrasts = list_contrasts(rows)
    member = 1 / (1 + np.exp(-(hint - 1.1 - 0.3 * skill)))
    log_odds = 1.5 * skill
    chance = 1 / (1 + np.exp(-log_odds))
    guesses = np.array([(member - 0.35) * (chance if each.labels[1] else 1 - chance) for each in contrasts])
    return rows, log_odds, guesses, contrasts


def test_the_search_errs_little_more_than_the_best_of_a_grid_of_multipliers():
    """It looks at 60 rules, the grid at 121 that are as fine as those that were found."""
    excess = []
    for seed in range(3):
        rows, log_odds, guesses, contrasts = make_search(seed, n=600, max_difference=0.03)
        search = PriceSearch(rows, log_odds, guesses, contrasts)
        found = search.run()
        assert found.best.violation == 0
        grid = np.linspace(-0.25, 0.25, 11)
        others = [
            search.rule(np.array([[first, -first], [second, -second]])).best
            for first, second in itertools.product(grid, grid)
        ]
        least = min(other.error for other in others if other.violation == 0)
        excess.append(found.best.error - least)
        plain = BinnedSweep(rows, log_odds).best()
        assert plain.violation > 0 or plain.error > found.best.error + 0.02  # what one threshold would cost
    assert np.mean(excess) < 0.005


def test_scaling_and_moving_multipliers_is_worth_it():
    """The program's rules alone err more, in the mean: they are made to be mixed."""
    gains = []
    for seed in range(4):
        search = PriceSearch(*make_search(seed, n=600, max_difference=0.03))
        found = search.run()
        gains.append(min(search.rules, key=lambda rule: rule.badness).best.error - found.best.error)
    assert np.mean(gains) > 0.002


def test_distances_are_kept():
    rows, log_odds, guesses, contrasts = make_search(1, max_difference=0.08)
    distances = np.array([[0.02, 0.01], [0.005, 0.02]])
    found = PriceSearch(rows, log_odds, guesses, contrasts, distances).run()
    selected = found.scores >= found.best.threshold
    for j, rate in enumerate(rows.rates):
        first, second = (rate_by_loop(rate.name, rows, selected, code) for code in (0, 1))
        assert abs(first - second) <= 0.08 - sum(distances[j]) + 1e-9


def test_a_ratio_is_kept():
    rows, log_odds, guesses, contrasts = make_search(2, min_ratio=0.85)
    found = PriceSearch(rows, log_odds, guesses, contrasts).run()
    selected = found.scores >= found.best.threshold
    for rate in rows.rates:
        rates = [rate_by_loop(rate.name, rows, selected, code) for code in (0, 1)]
        assert min(rates) >= 0.85 * max(rates) - 1e-9
    assert found.best.error < 0.4  # of 1500 rows almost half are positive: nobody selected would err on those


def test_where_the_bound_costs_nothing_there_are_no_prices():
    rows, log_odds, guesses, contrasts = make_search(0, max_difference=1.0)
    found = PriceSearch(rows, log_odds, guesses, contrasts).run()
    assert not found.multipliers.any()
    assert found.best.error == BinnedSweep(rows, log_odds).best().error


# --- boosting -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("constraint", "n_groups", "settings", "number"),
    [
        ("demographic_parity", 2, Settings(100, 0.1, None), 0),  # one rate: prices in the gradient
        ("equalized_odds", 2, Settings(100, 0.1, None), 2),
        ("equalized_odds", 4, Settings(100, 0.1, None), 6),
        ("equalized_odds", 5, Settings(100, 0.1, None), 0),  # 240 trees for a label with 100
        ("equalized_odds", 4, Settings(20, 0.1, None), 0),  # 6 contrasts of 20 rounds
        (["equalized_odds", "predictive_parity"], 2, Settings(100, 0.1, None), 0),
    ],
    ids=str,
)
def test_when_chances_are_learnt(constraint, n_groups, settings, number):
    rows, _ = make_rows(constraint, n=400, n_groups=n_groups, max_difference=None)
    assert len(chances.contrasts_to_learn(rows, settings)) == number


class Constants:
    """A backend whose trees know every row they see: each moves scores by a tenth of the way."""

    def __init__(self):
        self.n_steps = 0

    def fold(self, train, test):
        booster = Constants()
        booster.train_scores = np.full(len(train), 0.7)
        booster.test_scores = np.full(len(test), 0.7)
        return booster

    def step(self, gradient, hessian):
        self.n_steps += 1
        self.train_scores = self.train_scores - 0.1 * gradient / hessian

    def finish(self, n_rounds):
        assert n_rounds == self.n_steps
        return self

    def raw_scores(self, X):
        return self.train_scores


def test_of_a_constant_nineteen_twentieths_are_learnt():
    targets = np.array([0.5, -0.25, 0.0, 1.0])
    train, test = np.array([0, 1, 3]), np.array([2])
    rounds = chances._contrast_rounds(Settings(100, 0.1, None))
    ((model, said),) = chances._learn_contrast(Constants(), targets, [(train, test)], rounds, map)
    np.testing.assert_allclose(model.guesses(None) / targets[train], 1 - 0.9**rounds, rtol=1e-5)
    assert 0.94 < 1 - 0.9**rounds < 0.97
    assert said.tolist() == [0.0]
    assert chances._contrast_rounds(Settings(8, 0.1, None)) == 8


@pytest.fixture(scope="module")
def applicants():
    X, y = people(n=800)
    return X[["age", "skill", "sex"]], (np.asarray(y) == "yes").astype(int)


def constrained(library, *, of=None, **params):
    module = pytest.importorskip(library)
    own = {"n_estimators": 20, "learning_rate": 0.3, "n_jobs": 1, "random_state": 0} | (of or {})
    if library == "xgboost":
        learner = module.XGBClassifier(max_depth=3, **own)
    else:
        learner = module.LGBMClassifier(num_leaves=6, verbose=-1, **own)
    defaults = {"constraint": "equalized_odds", "max_difference": 0.05, "cv": 3, "random_state": 0}
    return ConstrainedClassifier(learner, sensitive_features="sex", **defaults | params)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_a_model_of_chances_decides_without_the_attribute(library, applicants):
    X, y = applicants
    model = constrained(library).fit(X, y)
    assert model.report_.detail["contrasts"] == 2
    assert model.report_.disparity <= 0.05
    labels = model.predict(X.drop(columns="sex"))
    assert len(set(labels)) == 2
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), labels)
    np.testing.assert_array_equal(labels == 1, model.decision_function(X) >= 0)
    np.testing.assert_array_equal(labels == 1, model.predict_proba(X)[:, 1] >= 0.5)
    np.testing.assert_array_equal(constrained(library).fit(X, y).predict(X), labels)
    assert model.report_.best_mixture >= model.report_.value
    assert sum(record["weight"] for record in model.history_) == 1


def test_without_rows_inside():
    """What is kept does not grow with the rows."""
    sizes = []
    for n in (400, 1600):
        X, y = people(n=n)
        model = constrained("lightgbm", of={"n_estimators": 4, "max_bin": 15})
        model.fit(X[["age", "skill", "sex"]], (np.asarray(y) == "yes").astype(int))
        sizes.append(len(pickle.dumps(model.estimator_)))
    assert sizes[1] < 1.5 * sizes[0]


def test_early_stopping_ends_the_trees_of_the_label(applicants):
    X, y = applicants
    model = constrained("lightgbm", of={"n_estimators": 60, "early_stopping_rounds": 3}).fit(X, y)
    assert 1 <= model.report_.detail["rounds"] < 60
    assert len(model.history_) == model.report_.detail["rounds"]


def test_a_search_on_some_rows_ends_on_all_of_them(applicants, monkeypatch):
    X, y = applicants
    monkeypatch.setattr(chances, "_SEARCHED_ROWS", 200)
    model = constrained("lightgbm").fit(X, y)
    assert model.report_.disparity <= 0.05
    assert model.report_.detail["contrasts"] == 2


def test_a_path_boosts_once(applicants, monkeypatch):
    X, y = applicants
    calls = []
    learn = chances._learn
    monkeypatch.setattr(chances, "_learn", lambda *given: calls.append(given) or learn(*given))
    path = constrained("lightgbm").pareto_path(X, y, bounds=[0.02, 0.05, 0.2])
    assert len(calls) == 1
    single = constrained("lightgbm", max_difference=0.2).fit(X, y)
    np.testing.assert_array_equal(path.models[-1].predict(X), single.predict(X))


def test_a_margin_is_kept(applicants):
    X, y = applicants
    plain = constrained("lightgbm", max_difference=0.15).fit(X, y).report_
    report = constrained("lightgbm", max_difference=0.15, margin="1se").fit(X, y).report_
    assert report.disparity <= 0.15
    assert report.value <= plain.value + 1e-12
    assert report.disparity < plain.disparity or plain.disparity < 0.1
