"""Rows under a bound, against loops over rows and decisions; these tests exercise arithmetic only."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fairsk._core.bounds import bounded_constraints
from fairsk._core.groups import Grouping
from fairsk.reductions._bounded_rows import BoundedRows

# How a rate counts rows: (in the numerator, in the denominator) of (decision, label).
COUNTED = {
    "selection_rate": (lambda d, y: d, lambda d, y: True),
    "true_positive_rate": (lambda d, y: d and y, lambda d, y: y),
    "false_positive_rate": (lambda d, y: d and not y, lambda d, y: not y),
    "precision": (lambda d, y: d and y, lambda d, y: d),
    "accuracy": (lambda d, y: d == y, lambda d, y: True),
}
RATES_OF = {
    "demographic_parity": ["selection_rate"],
    "equalized_odds": ["true_positive_rate", "false_positive_rate"],
    "predictive_parity": ["precision"],
    "accuracy_parity": ["accuracy"],
}


def make_rows(constraint, *, n=60, n_groups=3, n_strata=None, min_group_size=1, seed=0, **bounds):
    rng = np.random.default_rng(seed)
    groups = Grouping(("g",), tuple("abcdef"[:n_groups]), rng.integers(n_groups, size=n))
    strata = None
    if n_strata:
        strata = Grouping(("s",), tuple(range(n_strata)), rng.integers(n_strata, size=n))
    rows = BoundedRows.of(
        bounded_constraints(constraint, bounds.get("max_difference"), bounds.get("min_ratio")),
        rng.random(n) < 0.5,
        groups,
        rng.choice([0.5, 1.0, 2.0], n),
        strata=strata,
        min_group_size=min_group_size,
    )
    return rows, rng.random(n) < 0.5


def rate_by_loop(name, rows, selected, code):
    numerator, denominator = COUNTED[name]
    above = below = 0.0
    for y, c, w, d in zip(rows.actual, rows.codes, rows.weights, selected, strict=True):
        if c == code:
            above += w * numerator(d, y)
            below += w * denominator(d, y)
    return above / below if below else float("nan")


@pytest.mark.parametrize("n_strata", [None, 2])
@pytest.mark.parametrize("constraint", RATES_OF)
def test_rates_are_those_counted_row_by_row(constraint, n_strata):
    rows, selected = make_rows(constraint, n_strata=n_strata)
    values = rows.values(rows.cells(selected))
    names = [rate.name for rate in rows.rates]
    assert sorted(names) == sorted(RATES_OF[constraint])
    for (j, name), code in itertools.product(enumerate(names), range(rows.n_codes)):
        assert values[j, code] == pytest.approx(rate_by_loop(name, rows, selected, code))


def test_cells_add_up_the_weights_of_each_kind_of_row():
    rows, selected = make_rows("demographic_parity")
    cells = rows.cells(selected)
    for cell, decision, label in (("tp", 1, 1), ("fp", 1, 0), ("fn", 0, 1), ("tn", 0, 0)):
        for code in range(3):
            kind = (selected == decision) & (rows.actual == label) & (rows.codes == code)
            assert cells[cell][code] == pytest.approx(sum(rows.weights[kind]))


@pytest.mark.parametrize("constraint", RATES_OF)
def test_a_step_is_what_a_little_more_of_a_row_moves_its_rate_by(constraint):
    """The weight that leaves fn and enters tp (or tn and fp) is finite, but small."""
    rows, selected = make_rows(constraint)
    cells = rows.cells(selected)
    steps, before, little = rows.steps(cells), rows.values(cells), 1e-6
    for code, label in itertools.product(range(3), (0, 1)):
        moved = {cell: sums.copy() for cell, sums in cells.items()}
        moved["tp" if label else "fp"][code] += little
        moved["fn" if label else "tn"][code] -= little
        differences = (rows.values(moved) - before)[:, code] / little
        np.testing.assert_allclose(steps[:, code, label], differences, rtol=1e-4, atol=1e-7)


def test_steps_of_rates_with_fixed_denominators_are_exact_and_the_same_everywhere():
    rows, selected = make_rows("equalized_odds")
    nobody = np.zeros(len(rows), dtype=bool)
    steps = rows.steps(rows.cells(selected))
    np.testing.assert_allclose(rows.steps(rows.cells(nobody)), steps)
    for i in range(len(rows)):  # the rates of one selected row alone
        one = nobody.copy()
        one[i] = True
        expected = np.zeros((2, 3))
        expected[:, rows.codes[i]] = rows.weights[i] * steps[:, rows.codes[i], int(rows.actual[i])]
        np.testing.assert_allclose(rows.values(rows.cells(one)), expected, atol=1e-15)


def test_a_group_without_rows_has_no_steps():
    rows, selected = make_rows("predictive_parity")
    nobody_of_b = selected & (rows.codes != 1)
    steps = rows.steps(rows.cells(nobody_of_b))
    assert np.isfinite(steps).all()
    assert not steps[0, 1].any()  # precision has no denominator there


def test_prices_add_up_to_the_lagrangian():
    """Errors plus multipliers times rates: a decision changes them by its price less what it earns."""
    rows, selected = make_rows("equalized_odds")
    rng = np.random.default_rng(3)
    multipliers = rng.normal(size=(2, 3))
    prices = rows.prices(multipliers, rows.cells(selected))
    total = sum(rows.weights)

    def lagrangian(decisions):
        error = sum(rows.weights[decisions != rows.actual]) / total
        rates = [[rate_by_loop(rate.name, rows, decisions, code) for code in range(3)] for rate in rows.rates]
        return error + float((multipliers * np.array(rates)).sum())

    start = lagrangian(selected)
    for i in range(len(rows)):
        other = selected.copy()
        other[i] = ~other[i]
        sign = 1 if other[i] else -1
        earned = 1 if rows.actual[i] else -1
        change = sign * rows.weights[i] * (prices[i] - earned) / total
        assert lagrangian(other) - start == pytest.approx(change, abs=1e-12)


def violation_by_loop(rows, values, distances, *, max_difference=None, min_ratio=None):
    """All pairs of compared groups of each stratum, each rate moved away from the other by its distance."""
    n_groups, n_strata = rows.covered.shape
    worst = 0.0
    for j, s in itertools.product(range(len(rows.rates)), range(n_strata)):
        codes = [g * n_strata + s for g in range(n_groups) if rows.covered[g, s]]
        for high, low in itertools.permutations(codes, 2):
            if max_difference is not None:
                gap = values[j, high] + distances[j, high] - (values[j, low] - distances[j, low])
                worst = max(worst, gap - max_difference)
            else:
                top = values[j, high] * np.exp(distances[j, high])
                bottom = values[j, low] / np.exp(distances[j, low])
                worst = max(worst, min_ratio - bottom / top)
    return worst


@pytest.mark.parametrize("n_strata", [None, 2])
@pytest.mark.parametrize("bound", [{"max_difference": 0.1}, {"min_ratio": 0.8}], ids=str)
def test_violations_are_the_worst_pair_s(bound, n_strata):
    for seed in range(10):
        rows, selected = make_rows("equalized_odds", n=200, n_strata=n_strata, seed=seed, **bound)
        values = rows.values(rows.cells(selected))
        rng = np.random.default_rng(seed)
        distances = rng.uniform(0, 0.1, values.shape)
        none = np.zeros_like(values)
        for kept in (None, distances):
            expected = violation_by_loop(rows, values, none if kept is None else kept, **bound)
            assert rows.violation(values, kept) == pytest.approx(expected, abs=1e-9)


def test_within_the_bound_nothing_is_violated():
    rows, _ = make_rows("demographic_parity", max_difference=0.1)
    assert rows.violation(np.array([[0.2, 0.3, 0.25]])) == 0
    assert rows.violation(np.array([[0.2, 0.3, 0.25]]), np.full((1, 3), 0.01)) == pytest.approx(0.02)


def test_a_rate_that_is_not_defined_meets_no_bound():
    rows, _ = make_rows("demographic_parity", max_difference=1.0)
    assert rows.violation(np.array([[0.2, np.nan, 0.25]])) == np.inf


def test_groups_that_are_not_compared_violate_nothing():
    rows, _ = make_rows("demographic_parity", max_difference=0.1)
    without_b = rows.covering(np.array([[True], [False], [True]]))
    assert without_b.violation(np.array([[0.2, 0.9, 0.25]])) == 0
    assert rows.violation(np.array([[0.2, 0.9, 0.25]])) == pytest.approx(0.6)


def test_windows_hold_the_groups_that_are_compared_in_a_stratum():
    rows, _ = make_rows("equalized_odds", n_strata=2)
    rows = rows.covering(np.array([[True, False], [True, True], [False, True]]))
    found = [(w.rate, w.codes.tolist()) for w in rows.windows]  # a code is group * 2 + stratum
    assert found == [(0, [0, 2]), (0, [3, 5]), (1, [0, 2]), (1, [3, 5])]
    none = rows.covering(np.zeros((3, 2), dtype=bool))
    assert none.windows == ()


def test_disparities_are_signed_so_that_less_is_fairer():
    rows, _ = make_rows(["demographic_parity", "equal_opportunity"])
    ratios, _ = make_rows("demographic_parity", min_ratio=0.8)
    assert rows.disparities(np.array([[0.1, 0.4, 0.2], [0.5, 0.5, 0.25]])).tolist() == pytest.approx(
        [0.3, 0.25]
    )
    assert ratios.disparities(np.array([[0.1, 0.4, 0.2]])).tolist() == pytest.approx([-0.25])


def test_small_groups_and_lone_ones_are_not_compared():
    """Group b has 2 positives in stratum 0: too few for a true positive rate. In stratum 1 a is alone."""
    groups = np.array([0] * 8 + [1] * 8 + [0] * 8)
    strata = np.array([0] * 16 + [1] * 8)
    actual = np.array([1, 0] * 4 + [1, 1] + [0] * 6 + [1, 0] * 4, dtype=bool)
    for size, covered in ((2, [[True, False], [True, False]]), (3, [[False, False], [False, False]])):
        rows = BoundedRows.of(
            bounded_constraints("equal_opportunity", 0.1, None),
            actual,
            Grouping(("g",), ("a", "b"), groups),
            np.ones(24),
            strata=Grouping(("s",), (0, 1), strata),
            min_group_size=size,
        )
        assert rows.covered.tolist() == covered
    assert rows.fewest_rows().tolist() == [4, 4, 2, 0]


def test_rows_of_a_choice_are_those_rows():
    rows, selected = make_rows("demographic_parity")
    part = np.array([3, 5, 8, 13, 21])
    taken = rows.take(part)
    assert len(taken) == 5
    for cell, sums in taken.cells(selected[part]).items():
        kinds = {"tp": (1, 1), "fp": (1, 0), "fn": (0, 1), "tn": (0, 0)}[cell]
        for code in range(3):
            weights = [
                rows.weights[i]
                for i in part
                if (selected[i], rows.actual[i]) == kinds and rows.codes[i] == code
            ]
            assert sums[code] == pytest.approx(sum(weights))
