"""Tests of the reduction: the linear program over rules, prices as labels and weights, the engine."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fairsk._core.bounds import Bound, BoundedConstraint
from fairsk._core.groups import Grouping
from fairsk.rates import get_constraint
from fairsk.reductions._bounded_rows import BoundedRows
from fairsk.reductions._reduction.master import solve_master


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
def test_no_mixture_in_steps_of_a_sixtieth_errs_less_than_the_program(bounded, distance):
    rows = _rows(1, bounded=bounded)
    errors, values = _rules(rows, 4)
    distances = np.full((len(rows.rates), rows.n_codes), distance) if distance else None
    mixture = solve_master(rows, errors, values, distances)
    shares = np.array(list(_mixtures(4, 60))) / 60
    keeps = _keeps(rows.bounds, np.tensordot(shares, values, 1), distance)
    by_hand = (shares @ errors)[keeps].min()
    # HiGHS keeps rows to 1e-7, and the grid is less than a step away in each share.
    assert mixture.error - 1e-6 <= by_hand <= mixture.error + 4 / 60
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
