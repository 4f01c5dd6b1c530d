"""The exact threshold on held-out scores, against trying all of them; only arithmetic is exercised."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from test_bounded_rows import make_rows, rate_by_loop, violation_by_loop

from fairsk._core.bounds import bounded_constraints
from fairsk._core.columns import sensitive_columns
from fairsk._core.curves import Curve
from fairsk._core.groups import encode_groups
from fairsk._held_out.safety_margin import SafetyMargin
from fairsk.reductions._bounded_rows import BoundedRows
from fairsk.reductions._final_threshold import ThresholdSweep, best_choice, choose_threshold

BOUNDS = [{"max_difference": 0.15}, {"min_ratio": 0.7}]


def make_sweep(seed, *, n_scores=9, n_strata=None, constraint="equalized_odds", **bound):
    """Return a sweep of few scores, so that there are ties."""
    rows, _ = make_rows(constraint, n=80, n_groups=2, n_strata=n_strata, seed=seed, **bound)
    rng = np.random.default_rng(seed)
    scores = np.round((rows.actual + rng.normal(size=80)) * 2) / 2
    return rows, np.clip(scores, -(n_scores // 2) / 2, (n_scores // 2) / 2)


def try_all(rows, scores, distances, bound):
    """Return (violation, error) of each set of rows that a threshold can select."""
    kept = np.zeros((len(rows.rates), rows.n_codes)) if distances is None else distances
    for lowest in (np.inf, *np.unique(scores)[::-1]):
        selected = scores >= lowest
        values = np.array(
            [
                [rate_by_loop(rate.name, rows, selected, code) for code in range(rows.n_codes)]
                for rate in rows.rates
            ]
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            violation = violation_by_loop(rows, values, kept, **bound)
        wrong = sum(w for w, d, y in zip(rows.weights, selected, rows.actual, strict=True) if d != y)
        yield max(violation, 0.0), wrong / sum(rows.weights)


@pytest.mark.parametrize("n_strata", [None, 2])
@pytest.mark.parametrize("with_distances", [False, True])
def test_a_sweep_has_every_threshold_of_a_difference(n_strata, with_distances):
    bound = BOUNDS[0]
    for seed in range(6):
        rows, scores = make_sweep(seed, n_strata=n_strata, **bound)
        distances = None
        if with_distances:
            distances = np.random.default_rng(seed).uniform(0, 0.05, (2, rows.n_codes))
        sweep = ThresholdSweep(rows, scores)
        expected = list(try_all(rows, scores, distances, bound))
        assert len(sweep.thresholds) == len(expected) == len(np.unique(scores)) + 1
        np.testing.assert_allclose(sweep.violations(distances), [v for v, _ in expected], atol=1e-9)
        np.testing.assert_allclose(sweep.errors, [e for _, e in expected])
        best = sweep.best(distances)
        assert (best.violation, best.error) == pytest.approx(min(expected), abs=1e-9)


def test_a_sweep_has_every_threshold_of_a_ratio():
    """Where nobody is selected, all rates are 0 and agree."""
    for seed in range(6):
        rows, scores = make_sweep(seed, constraint="demographic_parity", **BOUNDS[1])
        sweep = ThresholdSweep(rows, scores)
        expected = [(0.0, next(iter(try_all(rows, scores, None, BOUNDS[1])))[1])]
        for lowest in np.unique(scores)[::-1]:
            rates = [rate_by_loop("selection_rate", rows, scores >= lowest, code) for code in (0, 1)]
            ratio = min(rates) / max(rates)
            wrong = sum(rows.weights[(scores >= lowest) != rows.actual]) / sum(rows.weights)
            expected.append((max(0.7 - ratio, 0.0), wrong))
        np.testing.assert_allclose(sweep.violations(), [v for v, _ in expected], atol=1e-9)
        np.testing.assert_allclose(sweep.errors, [e for _, e in expected])
        best = sweep.best()
        assert (best.violation, best.error) == pytest.approx(min(expected), abs=1e-9)


def test_the_threshold_selects_what_it_says():
    rows, scores = make_sweep(1, max_difference=0.15)
    sweep = ThresholdSweep(rows, scores)
    for threshold, error in zip(sweep.thresholds, sweep.errors, strict=True):
        selected = scores >= threshold
        assert error == pytest.approx(sum(rows.weights[selected != rows.actual]) / sum(rows.weights))
    assert sweep.thresholds[0] == np.inf
    assert not (scores >= sweep.thresholds[0]).any()
    assert (scores >= sweep.thresholds[-1]).all()
    # Halfway between scores, so that rounding in new ones does not matter.
    inner = sweep.thresholds[1:-1]
    distinct = np.unique(scores)[::-1]
    np.testing.assert_allclose(inner, (distinct[:-1] + distinct[1:]) / 2)


def test_rows_with_equal_scores_are_not_told_apart():
    rows, _ = make_sweep(2, max_difference=0.15)
    sweep = ThresholdSweep(rows, np.zeros(len(rows)))
    assert len(sweep.thresholds) == 2
    share = sum(rows.weights[rows.actual]) / sum(rows.weights)
    assert sweep.errors.tolist() == pytest.approx([share, 1 - share])


def test_without_windows_the_least_error_is_taken():
    rows, scores = make_sweep(3, max_difference=0.0)
    free = rows.covering(np.zeros_like(rows.covered))
    least = min(error for _, error in try_all(rows, scores, None, {"max_difference": 1.0}))
    choice = ThresholdSweep(free, scores).best()
    assert (choice.violation, choice.error) == (0, pytest.approx(least))


def test_the_best_of_several_scores():
    """By violation first, then by error; of equals the first."""
    for seed in range(6):
        rows, first = make_sweep(seed, max_difference=0.15)
        rng = np.random.default_rng(seed + 100)
        scores = [first, first + rng.choice([-0.5, 0.0, 0.5], len(first)), rng.normal(size=len(first)), first]
        options = [min(try_all(rows, s, None, {"max_difference": 0.15})) for s in scores]
        choice = best_choice([ThresholdSweep(rows, s) for s in scores])
        assert (choice.violation, choice.error) == pytest.approx(min(options), abs=1e-9)
        assert choice.score == min(range(4), key=lambda i: tuple(np.round(options[i], 9)))


def test_a_margin_keeps_its_distance_on_these_rows():
    rows, _ = make_rows("demographic_parity", n=240, n_groups=2, seed=4, max_difference=0.2)
    rng = np.random.default_rng(4)
    scores = rows.actual + 0.5 * rows.codes + rng.normal(size=240)
    constraints = bounded_constraints("demographic_parity", 0.2, None)
    sweeps = [ThresholdSweep(rows, scores)]
    plain, none = choose_threshold(sweeps, SafetyMargin(constraints, 0.0))
    choice, kept = choose_threshold(sweeps, SafetyMargin(constraints, 1.0))
    assert none.n_errors == 0
    assert plain.violation == 0
    assert kept.n_errors == 1
    assert (kept.distances > 0.01).all()
    selected = scores >= choice.threshold
    rates = [rate_by_loop("selection_rate", rows, selected, code) for code in (0, 1)]
    room = 0.2 - abs(rates[0] - rates[1])
    assert room >= kept.distances.sum() - 1e-9
    assert choice.error >= plain.error
    # No threshold that keeps these distances errs less.
    errors = [
        error
        for violation, error in try_all(rows, scores, kept.distances, {"max_difference": 0.2})
        if violation <= 1e-12
    ]
    assert choice.error == pytest.approx(min(errors))


def test_distances_of_groups_that_are_not_compared_do_not_count():
    three, _ = make_rows("demographic_parity", n=200, n_groups=3, seed=5, max_difference=0.2)
    without = three.covering(np.array([[True], [True], [False]]))
    rng = np.random.default_rng(5)
    scores = three.actual + rng.normal(size=200)
    choice, kept = choose_threshold(
        [ThresholdSweep(without, scores)],
        SafetyMargin(bounded_constraints("demographic_parity", 0.2, None), 1.0),
    )
    assert kept.distances.shape == (1, 2)
    selected = scores >= choice.threshold
    rates = [rate_by_loop("selection_rate", three, selected, code) for code in (0, 1)]
    assert 0.2 - abs(rates[0] - rates[1]) >= kept.distances.sum() - 1e-9


@pytest.mark.parametrize("pair", list(itertools.combinations(range(3), 2)), ids=str)
def test_nothing_selected_is_within_every_bound_on_a_difference(pair):
    rows, scores = make_sweep(pair[0] + 7 * pair[1], max_difference=0.0)
    choice = ThresholdSweep(rows, scores).best()
    assert choice.violation == 0


@pytest.mark.parametrize("n_groups", [2, 40])
def test_rates_are_read_off_once_per_row_however_many_groups_there_are(monkeypatch, n_groups):
    rng, n = np.random.default_rng(0), 400
    groups, scores = np.arange(n) % n_groups, rng.permutation(n) / n
    grouping = encode_groups(sensitive_columns(scores, None, groups.astype(str), n_samples=n))
    (bounded,) = bounded_constraints("demographic_parity", 0.1, None)
    sweep = ThresholdSweep(BoundedRows.of([bounded], rng.random(n) < 0.5, grouping, np.ones(n)), scores)
    n_read, read = [], Curve.at

    def count(curve, index):
        cells = read(curve, index)
        n_read.append(len(cells["tp"]))
        return cells

    monkeypatch.setattr(Curve, "at", count)
    violations = sweep.violations()
    assert sum(n_read) == n + n_groups
    for position, threshold in enumerate(sweep.thresholds):
        rates = np.bincount(groups, scores >= threshold) / np.bincount(groups)
        assert violations[position] == pytest.approx(max(0, np.ptp(rates) - 0.1), abs=1e-12)
