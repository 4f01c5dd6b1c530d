"""PriceController: multipliers follow held-out rates, on a booster of our own that fits tables."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from fairsk import ConstrainedClassifier
from fairsk._core.bounds import bounded_constraints
from fairsk._core.groups import Grouping
from fairsk.reductions._bounded_rows import BoundedRows
from fairsk.reductions._controller import PriceController

N_BINS = 240


class People:
    """Made-up people: merit, a sign that tells their group (sometimes wrongly), and a label.

    ``telling`` is how often the sign is right; where it is wrong, it is drawn at random.
    """

    def __init__(self, n=20_000, *, telling=1.0, shares=(0.35, 0.65), merits=(-0.8, 0.0), slope=1.5, seed=0):
        rng = np.random.default_rng(seed)
        self.groups = rng.choice(len(shares), n, p=shares)
        merit = rng.normal(size=n) + np.array(merits)[self.groups]
        self.actual = rng.random(n) < expit(slope * merit - 0.5)
        sign = np.where(rng.random(n) < telling, self.groups, rng.choice(len(shares), n, p=shares))
        edges = np.quantile(merit, np.arange(1, N_BINS) / N_BINS)
        self.bins = np.searchsorted(edges, merit) * len(shares) + sign
        self.n_bins = N_BINS * len(shares)

    def rows(self, constraint, max_difference=None, min_ratio=None, strata=None):
        labels = tuple(range(self.groups.max() + 1))
        return BoundedRows.of(
            bounded_constraints(constraint, max_difference, min_ratio),
            self.actual,
            Grouping(("group",), labels, self.groups),
            np.ones(len(self.actual)),
            strata=strata,
        )


class Booster:
    """Newton steps on a table of log odds by bin: half of the people are fitted, the others are measured."""

    def __init__(self, people, rows, learning_rate):
        self.people, self.learning_rate = people, learning_rate
        half = np.arange(len(rows)) < len(rows) // 2
        self.fitted, self.measured = np.flatnonzero(half), np.flatnonzero(~half)
        self.rows = rows.take(self.measured)
        share = people.actual[self.fitted].mean()
        self.log_odds = np.full(people.n_bins, np.log(share / (1 - share)))

    def step(self, prices):
        bins, actual = self.people.bins[self.fitted], self.people.actual[self.fitted]
        chance = expit(self.log_odds[bins])
        h = chance * (1 - chance)
        price = prices[self.people_codes[self.fitted], actual.astype(int)]
        gradient = np.bincount(bins, chance - actual + price * h, self.people.n_bins)
        self.log_odds -= self.learning_rate * gradient / (np.bincount(bins, h, self.people.n_bins) + 1.0)

    @property
    def people_codes(self):
        return self.people.groups

    def scores(self):
        return self.log_odds[self.people.bins[self.measured]]


def boost(people, rows, *, learning_rate=0.1, n_rounds=100, distances=None):
    """Return the controller, and violations and rates of the measured rows after each round."""
    booster = Booster(people, rows, learning_rate)
    controller = PriceController(booster.rows, learning_rate=learning_rate, distances=distances)
    violations, values = [], []
    for _ in range(n_rounds):
        booster.step(controller.price_table())
        controller.update(booster.scores())
        at = booster.rows.values(booster.rows.cells(booster.scores() >= 0))
        values.append(at)
        violations.append(booster.rows.violation(at))
    return controller, np.array(violations), np.array(values)


@pytest.fixture(scope="module")
def people():
    return People(telling=0.7)


#: A table of bins moves rates in steps, each of a bin: up to about .01 of a group here.
STEP = 0.015


@pytest.mark.parametrize(("learning_rate", "n_rounds"), [(0.05, 80), (0.1, 60), (0.3, 60), (1.0, 50)])
@pytest.mark.parametrize("constraint", ["demographic_parity", "equal_opportunity"])
def test_rates_come_within_the_bound_and_stay_there(people, constraint, learning_rate, n_rounds):
    rows = people.rows(constraint, max_difference=0.05)
    _, violations, _ = boost(people, rows, learning_rate=learning_rate, n_rounds=n_rounds)
    assert violations.max() > 2 * STEP
    assert violations[-20:].max() <= STEP


def test_what_x_tells_of_groups_only_changes_how_fast_they_come():
    """With two thirds of the signs drawn at random, rates move less than foreseen; 0.05 per round is late."""
    third = People(telling=0.33)
    controller, violations, _ = boost(third, third.rows("demographic_parity", max_difference=0.05))
    assert violations[:20].max() > 0.1
    assert violations[40:].max() <= STEP
    assert np.abs(controller.price_table()).max() < 3


def test_rows_take_only_a_part_of_prices_for_their_lookalikes():
    """Shifts of 3 are not enough where X tells a third of the groups."""
    third = People(telling=0.33)
    controller, violations, _ = boost(third, third.rows("equalized_odds", max_difference=0.05))
    assert 3 < np.abs(controller.price_table()).max() <= 6
    assert violations[60:].max() <= STEP  # .024 if twice of what is missing is made up per round


def test_groups_that_gather_at_the_threshold_do_not_swing():
    """Parity of selection and of true positive rates at once: log odds of a whole group come near 0."""
    people = People(telling=0.9, merits=(-0.8, 0.3))
    rows = people.rows(["demographic_parity", "equal_opportunity"], max_difference=0.05)
    _, violations, _ = boost(people, rows)
    assert violations[-20:].max() <= 0.015  # .02 and more with kernels of scale 1 or 2


def test_no_shift_is_larger_than_six():
    rng = np.random.default_rng(0)
    people = People(3000, telling=0.2, shares=np.full(12, 1 / 12), merits=np.linspace(-1, 1, 12))
    rows = people.rows("equalized_odds", max_difference=0.01)
    controller = PriceController(rows, learning_rate=0.1)
    for _ in range(20):
        controller.update(rng.normal(size=len(rows)) + people.groups - 6)
    assert np.abs(controller.price_table()).max() == pytest.approx(6)


def test_decisions_at_rest_are_the_best_ones_at_these_multipliers():
    """Oracle: in a bin, select if what it saves, 2 P(y = 1) - 1, is more than its price."""
    people = People(40_000, telling=1.0, seed=1)
    rows = people.rows("demographic_parity", max_difference=0.05)
    booster = Booster(people, rows, 0.3)
    controller = PriceController(booster.rows, learning_rate=0.3)
    controller.multipliers[:] = [[-0.1, 0.1]]
    for _ in range(100):
        booster.step(controller.price_table())
    bins, fitted = people.bins[booster.fitted], booster.fitted
    share = np.bincount(people.groups[booster.measured]) / len(booster.measured)
    price = np.array([-0.1, 0.1]) / share
    size = np.bincount(bins, minlength=people.n_bins)
    chance = np.bincount(bins, people.actual[fitted], people.n_bins) / size
    gain = 2 * chance - 1 - price[np.arange(people.n_bins) % 2]
    clear = np.abs(gain) > 0.1  # each tree is shrunk a little towards no change
    assert clear.sum() > 300
    np.testing.assert_array_equal((booster.log_odds >= 0)[clear], (gain > 0)[clear])


@pytest.mark.parametrize("bounds", [{"max_difference": 0.04}, {"min_ratio": 0.85}])
def test_goal_is_the_least_change_that_keeps_the_bounds(bounds):
    """Oracle: a general solver, for the nearest rates within the windows by the inverse of responses."""
    people = People(4000, telling=0.5, shares=(0.2, 0.3, 0.5), merits=(-0.3, 0.0, 0.2))
    rows = people.rows("equalized_odds", **bounds)
    scores = np.random.default_rng(0).normal(size=len(rows)) + 0.3 * people.groups
    n_rates, n_groups = 2, 3
    kernel = expit(scores / 0.5) * (1 - expit(scores / 0.5)) / 0.5
    chance = expit(scores)
    selected = scores >= 0
    rates, responses = np.zeros((2, 3)), np.zeros((2, 2, 3))
    for g in range(3):
        here = people.groups == g
        sizes = [(here & people.actual).sum(), (here & ~people.actual).sum()]  # tpr, fpr
        rates[:, g] = [selected[here & (people.actual == label)].mean() for label in (True, False)]
        steps = np.array([chance[here] / sizes[0], (1 - chance[here]) / sizes[1]])
        responses[:, :, g] = 2 * len(rows) * (kernel[here] * steps) @ steps.T
    inverse = np.stack([np.linalg.inv(responses[:, :, g]) for g in range(3)], axis=2)

    def change(z):
        moved = z[:6].reshape(n_rates, n_groups) - rates
        return 1e2 * np.einsum("jg,jkg,kg->", moved, inverse, moved)

    def room(z):
        moved, low = z[:6].reshape(n_rates, n_groups), z[6:, None]
        most = bounds.get("max_difference", 0.0)
        factor = bounds.get("min_ratio", 1.0)
        return np.concatenate([(moved - low).ravel(), (low + most - factor * moved).ravel()])

    start = np.concatenate([rates.ravel(), rates.min(1)])
    nearest = minimize(change, start, constraints={"type": "ineq", "fun": room}, options={"ftol": 1e-12})
    assert nearest.success
    expected = np.einsum("jkg,kg->jg", inverse, rates - nearest.x[:6].reshape(n_rates, n_groups))
    assert np.abs(expected).max() > 0.01
    # With a learning rate of 1/2, the next multipliers are those asked for; solved for in turn, a few times.
    controller = PriceController(rows, learning_rate=0.5)
    for _ in range(30):
        controller._followed[:] = controller.multipliers[:] = 0
        controller.update(scores)
    np.testing.assert_allclose(controller.multipliers, expected, atol=2e-3 * np.abs(expected).max())


def test_multipliers_keep_a_window_where_it_is(people):
    """Its place is free, so forces cancel: they add up to 0, weighted by the rates under a ratio."""
    controller, _, _ = boost(people, people.rows("demographic_parity", max_difference=0.05))
    assert np.abs(controller.multipliers).max() > 0.1
    assert controller.multipliers.sum() == pytest.approx(0, abs=1e-9)
    controller, violations, _ = boost(people, people.rows("demographic_parity", min_ratio=0.8))
    assert violations[-20:].max() <= 0.03
    low, high = controller.multipliers[0]
    assert low < 0 < high
    assert 0.8 * -low == pytest.approx(high)  # rates r and r / 0.8


def test_distances_narrow_the_window(people):
    rows = people.rows("demographic_parity", max_difference=0.06)
    _, _, values = boost(people, rows, distances=np.array([[0.015, 0.005]]))
    gaps = np.abs(np.diff(values[-20:, 0], axis=1))
    assert gaps.mean() == pytest.approx(0.04, abs=0.01)
    rows = people.rows("demographic_parity", min_ratio=0.7)
    _, _, values = boost(people, rows, distances=np.full((1, 2), np.log(0.8 / 0.7) / 2))
    assert (values[-20:, 0].min(1) / values[-20:, 0].max(1)).mean() == pytest.approx(0.8, abs=0.03)


def test_nothing_is_priced_that_no_bound_asks_for(people):
    for bounds in ({"max_difference": 0.9}, {"min_ratio": 0.0}):
        controller, _, _ = boost(people, people.rows("equalized_odds", **bounds), n_rounds=10)
        np.testing.assert_allclose(controller.multipliers, 0, atol=1e-12)


@pytest.mark.parametrize("constraint", ["predictive_parity", "equalized_odds", "treatment_equality"])
def test_rates_that_are_not_defined_have_no_price(people, constraint):
    """Nobody is selected at first, so precision has no rows."""
    rows = people.rows(constraint, max_difference=0.1)
    controller = PriceController(rows, learning_rate=0.1)
    controller.update(np.full(len(rows), -3.0))
    np.testing.assert_array_equal(controller.multipliers, 0)
    for shift in (0.0, -3.0, 0.5):
        controller.update(np.random.default_rng(0).normal(size=len(rows)) + shift)
        assert np.isfinite(controller.price_table()).all()


def test_parity_many_groups_and_strata():
    """Every window of 25 groups in 2 strata is held on its own."""
    rng = np.random.default_rng(0)
    people = People(10_000, telling=0.8, shares=np.full(25, 0.04), merits=np.linspace(-0.5, 0.5, 25))
    strata = Grouping(("stratum",), ("a", "b"), rng.integers(0, 2, 10_000))
    rows = people.rows("demographic_parity", max_difference=0.0, strata=strata)
    controller = PriceController(rows, learning_rate=0.1)
    controller.update(rng.normal(size=len(rows)) + people.groups / 25)
    for stratum in range(2):
        assert controller.multipliers[0, stratum::2].sum() == pytest.approx(0, abs=1e-6)
    assert np.count_nonzero(controller.multipliers) == 50


@pytest.mark.parametrize("learning_rate", [0.1, 0.3])
def test_lightgbm_settles_under_two_rates(learning_rate):
    lightgbm = pytest.importorskip("lightgbm")
    people = People(3000, telling=0.6)
    X = np.column_stack([people.bins // 2, people.bins % 2]).astype(float)
    model = ConstrainedClassifier(
        lightgbm.LGBMClassifier(
            n_estimators=50, num_leaves=8, learning_rate=learning_rate, n_jobs=1, verbose=-1
        ),
        constraint="equalized_odds",
        max_difference=0.05,
        cv=3,
        random_state=0,
    )
    model.fit(X, people.actual.astype(int), sensitive_features=people.groups)
    assert model.engine_ == "boosting"
    disparities = np.array([record["valid_disparity"] for record in model.history_])
    assert disparities.max() > 0.1
    assert disparities[-15:].mean() <= 0.06
    assert disparities[-15:].max() <= 0.08
