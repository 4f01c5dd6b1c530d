from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from fairsk import Constraint, Rate
from fairsk._core.counts import GroupCounts
from fairsk.rates import CELLS, CONSTRAINTS, RATES
from fairsk.statistics import (
    bootstrap,
    contrasts,
    difference_interval,
    omnibus_test,
    rate_intervals,
    rate_standard_errors,
    ratio_interval,
    shrunken_rates,
    verdict,
)

SELECTED = [(0, 10), (1, 9), (5, 10), (37, 120), (640, 1000), (12, 12), (1, 1)]


def selections(*groups: tuple[float, float], squares: Any = None) -> GroupCounts:
    """Return counts of groups of whom (selected, n) were selected."""
    selected, n = np.array(groups, dtype=float).T
    nobody = np.zeros_like(n)
    cells = {"tp": selected, "fp": nobody, "fn": nobody, "tn": n - selected}
    return GroupCounts(range(len(groups)), cells, squares)


def weighted(p: Any, weights: Any, groups: Any) -> GroupCounts:
    return GroupCounts.from_predictions(p, p, sensitive_features=groups, sample_weight=weights)


# --- one rate -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_a_proportion_has_the_wilson_interval(confidence: float) -> None:
    low, high = rate_intervals(selections(*SELECTED), "selection_rate", confidence)
    for i, (k, n) in enumerate(SELECTED):
        expected = proportion_confint(k, n, alpha=1 - confidence, method="wilson")
        assert (low[i], high[i]) == pytest.approx(expected, abs=1e-12)
        assert low[i] <= k / n <= high[i]


@pytest.mark.parametrize(
    "name", [name for name in RATES if name not in ("f1", "false_negatives_per_false_positive")]
)
def test_a_rate_is_a_proportion_of_its_denominator(name: str) -> None:
    cells = {"tp": [31.0], "fp": [12.0], "fn": [9.0], "tn": [48.0]}
    counts = GroupCounts(["a"], cells)
    n = RATES[name].support(counts.cells)[0]
    low, high = rate_intervals(counts, name)
    expected = proportion_confint(counts.rate(RATES[name])[0] * n, n, method="wilson")
    assert (low[0], high[0]) == pytest.approx(expected)


def test_weighted_rows_count_by_their_effective_number() -> None:
    # Each weight occurs with both outcomes alike, so that weights do not depend on the outcome.
    weights = np.repeat(np.random.default_rng(0).exponential(size=100), 4)
    p = np.tile([1, 0, 0, 0], 100)
    low, high = rate_intervals(weighted(p, weights, np.zeros(400, int)), "selection_rate")
    n = weights.sum() ** 2 / (weights**2).sum()
    assert (low[0], high[0]) == pytest.approx(proportion_confint(0.25 * n, n, method="wilson"))


@pytest.mark.parametrize(("heavy", "chance"), [(3, 0.05), (3, 0.1), (1 / 3, 0.9), (5, 0.2)])
def test_weights_that_depend_on_the_outcome_do_not_make_it_look_certain(heavy: float, chance: float) -> None:
    n, repeats = 300, 4000
    selected = np.random.default_rng(5).binomial(n, chance, repeats).astype(float)
    rest, nobody = n - selected, np.zeros(repeats)
    counts = GroupCounts(
        range(repeats),
        {"tp": heavy * selected, "fp": nobody, "fn": nobody, "tn": rest},
        {"tp": heavy**2 * selected, "fp": nobody, "fn": nobody, "tn": rest},
    )
    low, high = rate_intervals(counts, "selection_rate")
    truth = heavy * chance / (heavy * chance + 1 - chance)
    assert np.mean((low <= truth) & (truth <= high)) >= 0.93


def test_the_scale_of_weights_does_not_matter() -> None:
    p, groups = [1, 0, 1, 1, 0, 0], list("aaabbb")
    for interval in (difference_interval, lambda counts, _: rate_intervals(counts, "f1")):
        plain = interval(GroupCounts.from_predictions(p, p, sensitive_features=groups), "demographic_parity")
        for scale in (1e-3, 1, 50):
            scaled = interval(weighted(p, np.full(6, scale), groups), "demographic_parity")
            np.testing.assert_allclose(scaled, plain)


@pytest.mark.parametrize("name", RATES)
def test_standard_errors_are_the_spread_of_simulated_rates(name: str) -> None:
    chances, n = np.array([0.3, 0.12, 0.1, 0.48]), 1500
    draws = np.random.default_rng(1).multinomial(n, chances, 20_000).T.astype(float)
    simulated = RATES[name](dict(zip(CELLS, draws, strict=True))).std()
    expected = GroupCounts(["a"], dict(zip(CELLS, (n * chances)[:, None], strict=True)))
    assert rate_standard_errors(expected, name)[0] == pytest.approx(simulated, rel=0.03)


def test_standard_errors_of_weighted_rates_are_their_spread_too() -> None:
    rng = np.random.default_rng(2)
    n, repeats = 400, 4000
    weights = rng.exponential(size=n)
    y, p = rng.random((repeats, n)) < 0.4, rng.random((repeats, n)) < 0.5
    for name, value in {
        "selection_rate": (p * weights).sum(1) / weights.sum(),
        "f1": 2 * (y * p * weights).sum(1) / ((y * weights).sum(1) + (p * weights).sum(1)),
    }.items():
        counts = sum(
            GroupCounts.from_predictions(
                y[i], p[i], sensitive_features=np.zeros(n, int), sample_weight=weights
            )
            for i in range(50)
        )
        # The sum of 50 tables has 50 times the rows, so its error is smaller by the root of 50.
        assert rate_standard_errors(counts, name)[0] * np.sqrt(50) == pytest.approx(value.std(), rel=0.05)


@pytest.mark.parametrize("cells", [(50, 20, 10, 20), (5, 0, 0, 5), (0, 3, 2, 5), (7, 1, 0, 0)])
def test_f1_and_odds_have_the_wilson_interval_of_the_share_behind_them(cells: Any) -> None:
    counts = GroupCounts(["a"], {cell: [count] for cell, count in zip(CELLS, cells, strict=True)})
    tp, fp, fn, _ = cells
    jaccard = np.array(proportion_confint(tp, tp + fp + fn, method="wilson"))
    np.testing.assert_allclose(
        np.ravel(rate_intervals(counts, "f1")), 2 * jaccard / (1 + jaccard), atol=1e-12
    )
    odds = np.ravel(rate_intervals(counts, "false_negatives_per_false_positive"))
    if fp:
        share = np.array(proportion_confint(fn, fn + fp, method="wilson"))
        np.testing.assert_allclose(odds, share / (1 - share), atol=1e-12)
    else:
        assert np.isnan(odds).all()


def test_no_f1_is_certain_in_a_small_group() -> None:
    right, wrong = (5, 0, 0, 5), (0, 3, 2, 5)
    counts = GroupCounts(["right", "wrong"], dict(zip(CELLS, np.transpose([right, wrong]), strict=True)))
    low, high = rate_intervals(counts, "f1")
    assert low[0] < 0.8 < high[0] == 1
    assert low[1] == 0 < 0.3 < high[1]


@pytest.mark.parametrize("name", ["f1", "false_negatives_per_false_positive"])
@pytest.mark.parametrize("chances", [[0.3, 0.1, 0.1, 0.5], [0.25, 0.05, 0.15, 0.55]])
def test_their_intervals_cover_the_truth_in_small_groups(name: str, chances: list[float]) -> None:
    draws = np.random.default_rng(4).multinomial(60, chances, 4000).T.astype(float)
    low, high = rate_intervals(GroupCounts(range(4000), dict(zip(CELLS, draws, strict=True))), name)
    truth = RATES[name](dict(zip(CELLS, chances, strict=True)))
    measured = ~np.isnan(low)
    assert measured.mean() > 0.9
    assert np.mean((low <= truth) & (truth <= high), where=measured) >= 0.93


@pytest.mark.parametrize("rate", [Rate("net_benefit", "tp-fp", "n"), Rate("cost", "fp+5*fn", "n")])
def test_any_other_rate_has_the_normal_interval(rate: Rate) -> None:
    counts = GroupCounts(["a"], {"tp": [50], "fp": [20], "fn": [10], "tn": [20]})
    low, high = rate_intervals(counts, rate)
    error = rate_standard_errors(counts, rate)[0]
    assert (low[0] + high[0]) / 2 == pytest.approx(counts.rate(rate)[0])
    assert high[0] - low[0] == pytest.approx(2 * 1.959964 * error)


def test_strata_have_intervals_of_their_own() -> None:
    y, p = [1] * 6, [1, 1, 0, 1, 0, 0]
    counts = GroupCounts.from_predictions(y, p, sensitive_features=list("aabbab"), strata=list("xxxxyy"))
    low, high = rate_intervals(counts, "selection_rate")
    assert low.shape == high.shape == rate_standard_errors(counts, "selection_rate").shape == (2, 2)
    # Both strata at 95% together: each at 97.5%, and the worst ends of the two.
    each = [difference_interval(counts.stratum(label), "demographic_parity", 0.975) for label in "xy"]
    assert difference_interval(counts, "demographic_parity") == tuple(np.max(each, axis=0))


# --- the difference between groups --------------------------------------------------------------------


@pytest.mark.parametrize("one", SELECTED)
@pytest.mark.parametrize("two", SELECTED)
def test_two_groups_have_the_newcombe_interval_of_the_absolute_difference(
    one: tuple[int, int], two: tuple[int, int]
) -> None:
    low, high = difference_interval(selections(one, two), "demographic_parity")
    below, above = confint_proportions_2indep(*one, *two, method="newcomb", compare="diff")
    assert low == pytest.approx(max(0, below, -above), abs=1e-9)
    assert high == pytest.approx(max(abs(below), abs(above)), abs=1e-9)
    assert low <= abs(one[0] / one[1] - two[0] / two[1]) <= high


COVERAGE = [
    ([15, 25], [0.5, 0.5]),
    ([20, 20], [0.1, 0.1]),
    ([20, 60], [0.1, 0.5]),
    ([12, 12], [0.3, 0.7]),
    ([15, 20, 40], [0.3, 0.3, 0.3]),
    ([20, 30, 40], [0.1, 0.2, 0.5]),
    ([15, 15, 15], [0.05, 0.05, 0.05]),
]


@pytest.mark.parametrize(("sizes", "rates"), COVERAGE)
def test_the_interval_covers_the_true_difference_of_small_groups(
    sizes: list[int], rates: list[float]
) -> None:
    drawn = np.random.default_rng(3).binomial(sizes, rates, (1500, len(sizes)))
    truth, covered = max(rates) - min(rates), 0
    for selected in drawn:
        low, high = difference_interval(selections(*zip(selected, sizes, strict=True)), "demographic_parity")
        covered += low <= truth <= high
    assert covered / len(drawn) >= 0.93


def test_more_confidence_and_more_comparisons_make_it_wider() -> None:
    two = selections((30, 60), (20, 60))
    intervals = [difference_interval(two, "demographic_parity", c) for c in (0.5, 0.9, 0.99)]
    assert all(a[0] >= b[0] and a[1] < b[1] for a, b in itertools.pairwise(intervals))
    three = selections((30, 60), (20, 60), (25, 60))
    assert difference_interval(three, "demographic_parity")[1] > intervals[1][1]
    twice = Constraint("twice", ["selection_rate", Rate("again", "tp+fp", "n")])
    assert difference_interval(two, twice)[1] > difference_interval(two, "demographic_parity")[1]


def test_many_rows_leave_little_doubt() -> None:
    low, high = difference_interval(selections((300_000, 500_000), (200_000, 500_000)), "demographic_parity")
    assert low == pytest.approx(0.2, abs=0.003)
    assert high == pytest.approx(0.2, abs=0.003)


# --- nothing to measure -------------------------------------------------------------------------------


def test_a_group_without_the_rate_has_nan_and_is_passed_over() -> None:
    cells = {"tp": [8, 0, 6], "fp": [1, 1, 1], "fn": [2, 0, 4], "tn": [1, 1, 1]}
    counts = GroupCounts(["a", "empty", "c"], cells)
    low, high = rate_intervals(counts, "true_positive_rate")
    assert np.isnan([low, high, rate_standard_errors(counts, "true_positive_rate")])[:, 1].all()
    assert not np.isnan([low, high])[:, [0, 2]].any()
    assert not np.isnan(difference_interval(counts, "equal_opportunity")).any()


@pytest.mark.parametrize("name", RATES)
def test_empty_groups_have_nan_for_every_rate(name: str) -> None:
    counts = GroupCounts(["a"], {key: [0.0] for key in CELLS})
    assert np.isnan(rate_intervals(counts, name)).all()
    assert np.isnan(rate_standard_errors(counts, name)).all()


@pytest.mark.parametrize("groups", [[(3, 9)], [(3, 9), (0, 0)]])
def test_fewer_than_two_groups_have_no_interval(groups: Any) -> None:
    assert np.isnan(difference_interval(selections(*groups), "demographic_parity")).all()


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_tables_with_all_kinds_of_holes_have_limits_around_what_is_measured(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_groups = int(rng.integers(1, 6))
    weight = 1 if seed % 2 else rng.exponential(size=n_groups) + 0.1
    cells = {
        cell: weight * rng.integers(0, rng.choice([2, 4, 20]), n_groups) * (rng.random(n_groups) < 0.7)
        for cell in CELLS
    }
    squares = {cell: weight * value * (1 + rng.random(n_groups)) for cell, value in cells.items()}
    counts = GroupCounts(range(n_groups), cells, None if seed % 2 else squares)
    for rate, comparison in itertools.product(RATES, ("difference", "ratio")):
        for method in ("to_overall", "to_rest", "between_groups"):
            found = contrasts(counts, rate, method=method, comparison=comparison)
            measured = ~np.isnan(found.values)
            assert np.all((found.low <= found.values + 1e-9)[measured])
            assert np.all((found.values <= found.high + 1e-9)[measured])
            assert np.all((found.p_values >= 0)[measured] & (found.p_values <= 1)[measured])
            assert np.array_equal(np.isnan(found.low), ~measured)
        assert 0 <= shrunken_rates(counts, rate).correlation <= 1 or np.isnan(counts.rate(rate)).all()
        bootstrap(counts, rate, n_resamples=10, random_state=0)
    for constraint in CONSTRAINTS:
        result = verdict(counts, constraint, max_difference=0.1)
        assert np.isnan(result.value) or result.low - 1e-9 <= result.value <= result.high + 1e-9
        together = omnibus_test(counts, constraint).p_value
        assert np.isnan(together) or 0 <= together <= 1


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.1, float("nan")])
def test_a_confidence_outside_zero_and_one_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        rate_intervals(selections((3, 9)), "selection_rate", confidence)
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        difference_interval(selections((3, 9), (4, 9)), "demographic_parity", confidence)


def test_disparities_of_a_rate_have_the_intervals_of_the_constraint_that_it_agrees() -> None:
    counts = GroupCounts(["a", "b"], {"tp": [3, 4], "fp": [2, 1], "fn": [1, 1], "tn": [9, 2]})
    for interval in (difference_interval, ratio_interval):
        expected = interval(counts, "demographic_parity")
        assert interval(counts, "selection_rate") == interval(counts, RATES["selection_rate"]) == expected
