"""Statistics of pairs, beside published numbers, statsmodels, and all tables or signs one by one."""

import itertools

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from fairsk.statistics._paired import (
    MOST_EXACT,
    are_shares,
    mcnemar_p,
    mean_estimate,
    paired_difference,
    share_estimate,
    sign_flip_p,
    within,
)
from fairsk.statistics._pairs import Estimate


def units(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two properties of units, as 0 and 1."""
    counts = [both, only_first, only_second, neither]
    return np.repeat([1.0, 1, 0, 0], counts), np.repeat([1.0, 0, 1, 0], counts)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (5, 5), (3, 9), (218, 38), (1000, 900)])
def test_mcnemar_is_the_binomial_test(b, c):
    assert mcnemar_p(b, c) == mcnemar_p(c, b)
    assert mcnemar_p(b, c) == pytest.approx(mcnemar([[0, b], [c, 0]], exact=True).pvalue, rel=1e-9)
    if b + c:
        assert mcnemar_p(b, c) == pytest.approx(binomtest(b, b + c).pvalue, rel=1e-9)


def test_the_interval_of_paired_shares_is_newcombes():
    # Bentur et al.: 1 and 7 of 21 children have a hyper-responsive airway before or after a transplantation
    # only. Fagerland, Lydersen & Laake (2014) print -.507 to -.026 for Newcombe's method.
    estimate = paired_difference(*units(1, 1, 7, 12), 0.95)
    assert estimate.value == pytest.approx(-6 / 21)
    assert (round(estimate.low, 3), round(estimate.high, 3)) == (-0.507, -0.026)
    turned = paired_difference(*reversed(units(1, 1, 7, 12)), 0.95)
    assert (turned.low, turned.high) == pytest.approx((-estimate.high, -estimate.low))


@pytest.mark.parametrize("n", [1, 2, 50])
def test_units_that_never_differ_leave_an_interval_with_a_width(n):
    estimate = paired_difference(np.zeros(n), np.zeros(n), 0.95)
    top = proportion_confint(0, n, method="wilson")[1]
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0, -top, top))
    always = paired_difference(np.ones(n), np.ones(n), 0.95)
    assert (always.low, always.high) == pytest.approx((-top, top))


def test_no_unit_has_no_interval():
    for estimate in (
        share_estimate(np.empty(0), 0.95),
        paired_difference(np.empty(0), np.empty(0), 0.95),
        mean_estimate(np.empty(0), 0.95, 1.0),
    ):
        assert np.isnan(estimate).all()
    assert np.isnan(sign_flip_p(np.empty(0), 99, np.random.default_rng(0)))


@pytest.mark.parametrize(
    ("cells", "least"),
    [
        ((0.04, 0.02, 0.0), 0.94),
        ((0.02, 0.03, 0.02), 0.94),
        ((0.04, 0.11, 0.03), 0.94),
        ((0.4, 0.1, 0.1), 0.93),
    ],
)
def test_the_interval_of_paired_shares_covers(cells, least):
    # All tables of 12 units with their probabilities: no simulation. The normal interval covers .22 to .84.
    n = 12
    truth, covered, normal = cells[1] - cells[2], 0.0, 0.0
    probabilities = [*cells, 1 - sum(cells)]
    for table in itertools.product(range(n + 1), repeat=3):
        rest = n - sum(table)
        if rest < 0:
            continue
        counts = [*table, rest]
        chance = float(np.exp(_log_multinomial(counts, probabilities)))
        estimate = paired_difference(*units(*counts), 0.95)
        covered += chance * (estimate.low - 1e-12 <= truth <= estimate.high + 1e-12)
        d = (table[1] - table[2]) / n
        half = 1.96 * np.sqrt(((table[1] + table[2]) / n - d**2) / (n - 1))
        normal += chance * (abs(d - truth) <= half + 1e-12)
    assert covered > least
    assert normal < covered


def _log_multinomial(counts: list[int], probabilities: list[float]) -> float:
    from scipy.special import gammaln, xlogy

    return float(
        gammaln(sum(counts) + 1) - gammaln(np.add(counts, 1)).sum() + xlogy(counts, probabilities).sum()
    )


def test_the_interval_of_a_mean_is_students():
    differences = np.random.default_rng(0).normal(0.2, 1, 30)
    estimate = mean_estimate(differences, 0.9, 3.0)
    interval = ttest_1samp(differences, 0).confidence_interval(0.9)
    assert (estimate.low, estimate.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize("differences", [[0.3], [0.0, 0.0], [0.1, 0.1 + 1e-16, 0.1]])
def test_differences_without_a_spread_have_no_interval(differences):
    estimate = mean_estimate(np.array(differences), 0.95, 1.0)
    assert estimate.value == pytest.approx(differences[0])
    assert np.isnan(estimate.low)
    assert np.isnan(estimate.high)


@pytest.mark.parametrize("n", [1, 2, 3, 6, 11])
def test_signs_are_all_tried(n):
    # One decimal, so that sums tie; the tie with what was observed counts.
    differences = np.random.default_rng(n).normal(0.3, 1, n).round(1)
    sums = np.array(list(itertools.product([-1, 1], repeat=n))) @ differences
    expected = np.mean(np.abs(sums) >= abs(differences.sum()) - 1e-9)
    padded = np.concatenate([differences, np.zeros(50)])  # what does not move has no sign
    for values in (differences, -differences, padded):
        assert sign_flip_p(values, 99, np.random.default_rng(0)) == pytest.approx(expected)


def test_intervals_end_where_no_value_lies():
    assert within(Estimate(0.5, -1.4, 2.5), 0.0, 1.0) == (0.5, 0.0, 1.0)
    assert within(Estimate(0.5, 0.3, 0.7), 0.0, 1.0) == (0.5, 0.3, 0.7)
    assert within(Estimate(-3.0, -4.0, 1.0), -np.inf, 0.0) == (-3.0, -4.0, 0.0)
    np.testing.assert_array_equal(within(Estimate(0.5, np.nan, np.nan), 0.0, 1.0), [0.5, np.nan, np.nan])
    np.testing.assert_array_equal(within(Estimate(*[np.nan] * 3), 0.0, 1.0), [np.nan] * 3)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1], True),
        ([0.2, np.nan], True),
        ([0, 1.5], False),
        ([-0.1, 1], False),
        ([np.nan], False),
        ([], False),
    ],
)
def test_shares_are_told_from_other_numbers(values, expected):
    assert are_shares(np.array(values, dtype=float)) is expected


def test_random_signs_come_near_what_all_signs_give():
    differences = np.random.default_rng(3).normal(0.3, 1, MOST_EXACT)
    exact = sign_flip_p(differences, 1, np.random.default_rng(0))
    more = np.concatenate([differences, [1e-9]])  # one more, which moves nothing
    drawn = sign_flip_p(more, 20_000, np.random.default_rng(0))
    assert 0.02 < exact < 0.5
    assert drawn == pytest.approx(exact, abs=4 * np.sqrt(exact / 20_000))
    assert drawn == sign_flip_p(more, 20_000, np.random.default_rng(0))
    assert sign_flip_p(np.ones(50), 99, np.random.default_rng(0)) == 1 / 100
    assert sign_flip_p(np.tile([1.0, -1.0], 30), 99, np.random.default_rng(0)) == 1.0
