from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
import pytest

from fairsk import Constraint, Rate
from fairsk._core.counts import GroupCounts
from fairsk.rates import CELLS, CONSTRAINTS, RATES
from fairsk.statistics import bootstrap, max_z_test, noise_floor, rate_standard_errors, shrunken_rates


def drawn(seed: int = 0, n: int = 600, weighted: bool = False, strata: bool = False) -> GroupCounts:
    rng = np.random.default_rng(seed)
    y, p = rng.integers(0, 2, (2, n))
    return GroupCounts.from_predictions(
        y,
        p,
        sensitive_features=rng.choice(list("abc"), n),
        sample_weight=rng.exponential(size=n) if weighted else None,
        strata=rng.choice(list("xy"), n) if strata else None,
    )


def selections(selected: Any, n: Any) -> GroupCounts:
    selected = np.asarray(selected, dtype=float)
    nobody = np.zeros_like(selected)
    cells = {"tp": selected, "fp": nobody, "fn": nobody, "tn": n - selected}
    return GroupCounts(range(len(selected)), cells)


# --- the bootstrap ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [int, np.random.default_rng, np.random.RandomState])
def test_a_random_state_of_any_kind_repeats_itself(make: Any) -> None:
    counts = drawn()
    for ask in (
        lambda: bootstrap(counts, "selection_rate", n_resamples=50, random_state=make(3)).low.tolist(),
        lambda: noise_floor(counts, "demographic_parity", n_resamples=50, random_state=make(3)),
        lambda: max_z_test(counts, "selection_rate", n_resamples=50, random_state=make(3)).p_value,
    ):
        assert ask() == ask()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", RATES)
def test_its_standard_errors_are_those_of_the_theory(name: str, weighted: bool) -> None:
    counts = drawn(weighted=weighted)
    result = bootstrap(counts, name, n_resamples=4000, random_state=0, confidence=None)
    np.testing.assert_allclose(result.estimate, counts.rate(name))
    # The odds have a heavy tail, which linearisation does not see.
    tolerance = 0.2 if name == "false_negatives_per_false_positive" else 0.08
    np.testing.assert_allclose(result.standard_error, rate_standard_errors(counts, name), rtol=tolerance)


def test_resampled_cells_have_the_law_of_resampled_rows() -> None:
    rng = np.random.default_rng(1)
    y, p, group = rng.integers(0, 2, 90), rng.integers(0, 2, 90), np.repeat(list("abc"), 30)
    counts = GroupCounts.from_predictions(y, p, sensitive_features=group)

    def statistic(cells: Any) -> Any:
        rates = RATES["f1"](cells)
        return np.mean(rates, axis=0) - rates[0] * RATES["accuracy"](cells)[2]

    result = bootstrap(counts, statistic, n_resamples=4000, random_state=0)
    rows = []
    for _ in range(1500):
        chosen = np.concatenate([rng.choice(np.flatnonzero(group == label), 30) for label in "abc"])
        again = GroupCounts.from_predictions(y[chosen], p[chosen], sensitive_features=group[chosen])
        rows.append(statistic(again.cells))
    assert result.standard_error == pytest.approx(np.std(rows), rel=0.06)
    assert (result.low, result.high) == pytest.approx(np.quantile(rows, [0.025, 0.975]), abs=0.015)


def test_groups_keep_their_size_and_weighted_cells_their_first_two_moments() -> None:
    sizes = bootstrap(drawn(), lambda cells: sum(cells[cell] for cell in CELLS), confidence=None)
    assert np.all(sizes.standard_error == 0)
    counts = drawn(weighted=True)
    cells = bootstrap(counts, lambda cells: cells["fp"], n_resamples=20_000, random_state=0)
    np.testing.assert_allclose(cells.replicates.mean(1), counts.cells["fp"], rtol=0.02)
    np.testing.assert_allclose(cells.standard_error**2, counts.squares["fp"], rtol=0.05)


def test_a_rate_of_weighted_rows_varies_as_over_repeated_samples() -> None:
    rng, n = np.random.default_rng(3), 300
    weights = rng.exponential(size=n)
    simulated = [
        np.average(rng.random(n) < 0.3, weights=np.where(np.arange(n) < 150, weights, 1)) for _ in range(4000)
    ]
    selected = np.tile([1, 0, 0, 1, 0, 0, 0, 1, 0, 0], 30)
    counts = GroupCounts.from_predictions(
        selected,
        selected,
        sensitive_features=np.zeros(n),
        sample_weight=np.where(np.arange(n) < 150, weights, 1),
    )
    result = bootstrap(counts, "selection_rate", random_state=0)
    assert result.standard_error[0] == pytest.approx(np.std(simulated), rel=0.1)


def test_the_percentile_interval_of_a_smooth_statistic_covers() -> None:
    rng, hits = np.random.default_rng(4), []
    n, p = np.array([80, 120]), np.array([0.3, 0.5])
    for selected in rng.binomial(n, p, (300, 2)):
        result = bootstrap(
            selections(selected, n),
            lambda cells: np.diff(RATES["selection_rate"](cells), axis=0)[0],
            n_resamples=500,
            random_state=rng,
        )
        hits.append(result.low <= 0.2 <= result.high)
    assert np.mean(hits) >= 0.91


def test_the_interval_of_a_largest_difference_is_refused_for_it_would_be_wrong() -> None:
    parity = CONSTRAINTS["demographic_parity"]
    counts = drawn()
    for statistic in ("demographic_parity", parity, parity.difference, parity.ratio, partial(parity.compare)):
        with pytest.raises(ValueError, match="difference_interval or ratio_interval"):
            bootstrap(counts, statistic)
    error = bootstrap(counts, parity, confidence=None, random_state=0)
    assert error.estimate == pytest.approx(counts.compare(parity))
    assert np.isnan([error.low, error.high]).all()
    # What is refused: eight equal groups, and intervals of max - min hardly ever reach 0.
    rng = np.random.default_rng(5)
    excluded = []
    for selected in rng.binomial(100, 0.5, (50, 8)):
        spread = bootstrap(
            selections(selected, 100), parity, n_resamples=400, confidence=None, random_state=rng
        )
        excluded.append(np.quantile(spread.replicates, 0.025) > 0)
    assert np.mean(excluded) == 1


def test_a_seed_makes_it_reproducible_and_nothing_is_changed() -> None:
    counts = drawn(weighted=True)
    before = {cell: counts.cells[cell].copy() for cell in CELLS}
    one, two = (bootstrap(counts, "f1", random_state=7) for _ in range(2))
    np.testing.assert_array_equal(one.replicates, two.replicates)
    for cell in CELLS:
        np.testing.assert_array_equal(counts.cells[cell], before[cell])


@pytest.mark.parametrize("weighted", [False, True])
def test_strata_are_resampled_within_their_group(weighted: bool) -> None:
    counts = drawn(weighted=weighted, strata=True)
    result = bootstrap(counts, "accuracy", random_state=0)
    assert result.estimate.shape == result.low.shape == (3, 2)
    np.testing.assert_allclose(result.standard_error, rate_standard_errors(counts, "accuracy"), rtol=0.1)
    if not weighted:
        rows = bootstrap(counts, lambda cells: sum(cells[c] for c in CELLS).sum(1), confidence=None)
        assert np.all(rows.standard_error == 0)
    assert str(result).count("\n") == 7


def test_groups_that_lose_their_rate_in_a_resample_are_named() -> None:
    cells = {"tp": [1, 30], "fp": [5, 5], "fn": [1, 10], "tn": [20, 20]}
    with pytest.warns(UserWarning, match="The statistic of small is undefined in up to .*too few rows"):
        result = bootstrap(GroupCounts(["small", "large"], cells), "true_positive_rate", random_state=0)
    assert np.isnan(result.replicates[0]).mean() == pytest.approx((25 / 27) ** 27, abs=0.03)
    assert not np.isnan(result.low).any()


def test_a_rate_that_does_not_vary_gets_no_interval() -> None:
    with pytest.warns(UserWarning, match="The statistic of 0 does not vary"):
        result = bootstrap(selections([0, 10], np.array([20, 20])), "selection_rate", random_state=0)
    assert np.isnan(result.low).tolist() == np.isnan(result.high).tolist() == [True, False]
    assert result.standard_error[0] == 0


def test_where_no_rate_varies_there_is_no_interval_at_all() -> None:
    with pytest.warns(UserWarning, match="The statistic of 0, 1 does not vary"):
        result = bootstrap(selections([0, 20], np.array([20, 20])), "selection_rate", random_state=0)
    assert np.isnan([result.low, result.high]).all()


def test_a_group_without_the_rate_stays_nan_and_is_named() -> None:
    cells = {"tp": [8, 0], "fp": [1, 1], "fn": [2, 0], "tn": [1, 1]}
    with pytest.warns(UserWarning, match="cannot be measured for: empty"):
        result = bootstrap(GroupCounts(["full", "empty"], cells), "true_positive_rate", random_state=0)
    for part in (result.estimate, result.standard_error, result.low, result.high):
        assert np.isnan(part).tolist() == [False, True]


def test_a_statistic_that_loses_the_resamples_is_refused() -> None:
    for statistic in (lambda cells: cells["tp"].sum(), lambda cells: 1.0, lambda cells: cells["tp"].T):
        with pytest.raises(ValueError, match="must keep that axis"):
            bootstrap(drawn(), statistic)
    with pytest.raises(ValueError, match="n_resamples must be at least 2"):
        bootstrap(drawn(), "f1", n_resamples=1)
    for other in (1e4, True, "many", None):
        with pytest.raises(ValueError, match="n_resamples must be a whole number"):
            bootstrap(drawn(), "f1", n_resamples=other)
    with pytest.raises(ValueError, match="confidence must lie between"):
        bootstrap(drawn(), "f1", confidence=95)


def test_two_thousand_resamples_of_eight_groups_take_milliseconds() -> None:
    rng = np.random.default_rng(0)
    counts = GroupCounts(range(8), dict(zip(CELLS, rng.integers(100, 2000, (4, 8)), strict=True)))
    times = []
    for _ in range(5):
        start = time.perf_counter()
        bootstrap(counts, "accuracy", random_state=0)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.1  # about .005; the rest is room for a busy machine


# --- the noise floor ----------------------------------------------------------------------------------


def test_the_noise_floor_is_the_mean_disparity_of_equal_groups() -> None:
    counts = selections(np.full(8, 50), 100)
    assert noise_floor(counts, "demographic_parity", random_state=0) == pytest.approx(0.141, abs=0.003)
    rng = np.random.default_rng(6)
    n = np.array([30, 60, 200])
    expected = [np.ptp(k / n) for k in rng.binomial(n, 80 / 290, (20_000, 3))]
    counts = selections([10, 30, 40], n)
    assert noise_floor(counts, "selection_rate", random_state=0) == pytest.approx(np.mean(expected), rel=0.02)
    ratio = noise_floor(counts, "demographic_parity", comparison="ratio", random_state=0)
    expected = [(k / n).min() / (k / n).max() for k in rng.binomial(n, 80 / 290, (20_000, 3))]
    assert ratio == pytest.approx(np.mean(expected), rel=0.02)


def test_more_rates_and_heavier_weights_raise_it() -> None:
    counts = drawn()
    odds = noise_floor(counts, "equalized_odds", random_state=0)
    assert odds > noise_floor(counts, "equal_opportunity", random_state=0)
    weighted = drawn(weighted=True)
    assert noise_floor(weighted, "f1_parity", random_state=0) > noise_floor(
        counts, "f1_parity", random_state=0
    )


def test_there_is_no_noise_floor_without_two_groups_or_a_share() -> None:
    with pytest.warns(UserWarning, match="Fewer than two groups"):
        assert np.isnan(noise_floor(selections([3], 9), "demographic_parity"))
    with pytest.raises(ValueError, match="not a function of one proportion"):
        noise_floor(drawn(), Constraint("cheap", Rate("cost", "fp+5*fn", "n")))
    with pytest.raises(ValueError, match="without strata"):
        noise_floor(drawn(strata=True), "f1")
    with pytest.raises(ValueError, match="comparison must be"):
        noise_floor(drawn(), "f1", comparison="worst_group")  # type: ignore[arg-type]


# --- shrunken rates -----------------------------------------------------------------------------------


def test_shrunken_rates_of_small_groups_are_far_nearer_to_the_truth() -> None:
    rng, raw, shrunken = np.random.default_rng(7), [], []
    n = np.repeat([5, 15, 30, 200], 10)
    for _ in range(100):
        truth = rng.beta(20, 30, len(n))
        result = shrunken_rates(selections(rng.binomial(n, truth), n), "selection_rate")
        small = n < 30
        raw.append(np.mean((result.rates - truth)[small] ** 2))
        shrunken.append(np.mean((result.shrunken - truth)[small] ** 2))
    assert np.sqrt(np.mean(shrunken)) < 0.5 * np.sqrt(np.mean(raw))


def test_they_find_the_spread_between_groups() -> None:
    rng = np.random.default_rng(8)
    n = rng.integers(20, 200, 400)
    for a, b in ((2, 3), (20, 30), (200, 300)):
        result = shrunken_rates(selections(rng.binomial(n, rng.beta(a, b, 400)), n), "selection_rate")
        assert result.correlation == pytest.approx(1 / (a + b + 1), rel=0.25, abs=0.003)
        assert result.mean == pytest.approx(0.4, abs=0.03)


def test_they_are_the_posterior_means_of_a_beta_distribution() -> None:
    n, k = np.array([100, 100, 10, 10, 40]), np.array([40, 55, 2, 9, 20])
    result = shrunken_rates(selections(k, n), "selection_rate")
    prior = 1 / result.correlation - 1
    np.testing.assert_allclose(result.shrunken, (k + prior * result.mean) / (n + prior))
    assert np.all(abs(result.shrunken - result.mean) < abs(result.rates - result.mean))


def test_equal_groups_are_drawn_together_and_distant_ones_stay() -> None:
    alike = shrunken_rates(selections([10, 11, 9, 10], 20), "selection_rate")
    assert alike.correlation == 0
    np.testing.assert_allclose(alike.shrunken, 0.5)
    apart = shrunken_rates(selections([0, 1000, 0, 1000], 1000), "selection_rate")
    np.testing.assert_allclose(apart.shrunken, [0, 1, 0, 1], atol=1e-3)


@pytest.mark.parametrize("selected", [[0, 0], [20, 20]])
def test_no_variation_and_one_group_leave_rates_as_they_are(selected: Any) -> None:
    result = shrunken_rates(selections(selected, 20), "selection_rate")
    np.testing.assert_array_equal(result.shrunken, result.rates)
    one = shrunken_rates(selections([7], 20), "selection_rate")
    assert one.shrunken[0] == one.rates[0] == one.mean


def test_what_cannot_be_shrunk_is_nan_or_refused() -> None:
    cells = {"tp": [8, 0, 6], "fp": [1, 1, 1], "fn": [2, 0, 4], "tn": [1, 1, 1]}
    counts = GroupCounts(["a", "<empty>", "c"], cells)
    with pytest.warns(UserWarning, match="cannot be measured for: <empty>"):
        result = shrunken_rates(counts, "true_positive_rate")
    assert np.isnan(result.shrunken).tolist() == [False, True, False]
    assert "&lt;empty&gt;" in result._repr_html_()
    columns = ["group", "n", "true_positive_rate", "low", "high", "shrunken"]
    assert list(result.frame("polars").columns) == columns
    sure = GroupCounts("abc", {"tp": [9, 0, 0], "fp": [0, 0, 5], "fn": [0, 9, 0], "tn": [1, 1, 1]})
    with pytest.warns(UserWarning, match="cannot be measured for: c"):
        np.testing.assert_array_equal(shrunken_rates(sure, "true_positive_rate").shrunken, [1, 0, np.nan])
    nobody = GroupCounts(["a"], {cell: [0.0] for cell in CELLS})
    with pytest.warns(UserWarning, match="cannot be measured"):
        assert np.isnan(shrunken_rates(nobody, "selection_rate").shrunken[0])
    with pytest.raises(ValueError, match="not a function of one proportion"):
        shrunken_rates(counts, Rate("net_benefit", "tp-fp", "n"))
    f1 = shrunken_rates(drawn(), "f1")
    assert np.all(np.ptp(f1.shrunken) <= np.ptp(f1.rates))


@pytest.mark.parametrize("n_resamples", [0, -1])
def test_a_floor_needs_draws(n_resamples: int) -> None:
    counts = GroupCounts(["a", "b"], {"tp": [3, 4], "fp": [0, 0], "fn": [0, 0], "tn": [9, 9]})
    with pytest.raises(ValueError, match="n_resamples must be at least 1"):
        noise_floor(counts, "demographic_parity", n_resamples=n_resamples)
