from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, chi2_contingency, fisher_exact, hypergeom
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportions_ztest

from fairsk import Constraint, Rate
from fairsk._core.counts import GroupCounts
from fairsk.rates import CELLS
from fairsk.statistics import adjust_p_values, contrasts, max_z_test, omnibus_test, two_group_test

TABLES = [
    ((7, 20), (3, 25)),
    ((0, 20), (5, 20)),
    ((60, 100), (45, 100)),
    ((19, 20), (20, 20)),
    ((1, 4), (9, 9)),
]


def selections(*groups: tuple[float, float]) -> GroupCounts:
    """Return counts of groups of whom (selected, n) were selected."""
    selected, n = np.array(groups, dtype=float).T
    nobody = np.zeros_like(n)
    return GroupCounts(
        "abcdefghij"[: len(groups)], {"tp": selected, "fp": nobody, "fn": nobody, "tn": n - selected}
    )


def scaled(counts: GroupCounts, weight: float) -> GroupCounts:
    """Return the counts of rows that all have the same weight."""
    return GroupCounts(
        counts.groups,
        {cell: weight * counts.cells[cell] for cell in CELLS},
        {cell: weight**2 * counts.cells[cell] for cell in CELLS},
    )


# --- many p-values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "theirs"), [("holm", "holm"), ("bonferroni", "bonferroni"), ("benjamini-hochberg", "fdr_bh")]
)
def test_adjusted_p_values_are_those_of_statsmodels(method: Any, theirs: str) -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 7, 40):
        p = rng.random(n) ** 3
        np.testing.assert_allclose(adjust_p_values(p, method), multipletests(p, method=theirs)[1])


@pytest.mark.parametrize("method", ["holm", "bonferroni", "benjamini-hochberg"])
def test_a_nan_is_no_test(method: Any) -> None:
    given = np.array([0.04, np.nan, 0.001, 0.3])
    adjusted = adjust_p_values(given, method)
    np.testing.assert_allclose(adjusted[[0, 2, 3]], adjust_p_values(given[[0, 2, 3]], method))
    assert np.isnan(adjusted[1])
    assert given[0] == 0.04  # nothing is written into what was given
    assert np.isnan(adjust_p_values([np.nan], method)).all()
    assert len(adjust_p_values([], method)) == 0


def test_p_values_that_are_none_are_refused() -> None:
    for bad in ([1.2], [-0.1], 0.5, [[0.5]]):
        with pytest.raises(ValueError, match="values from 0 to 1"):
            adjust_p_values(bad)
    with pytest.raises(ValueError, match="method must be one of 'holm'"):
        adjust_p_values([0.5], "sidak")  # type: ignore[arg-type]


# --- all groups ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [[(30, 60), (20, 60), (25, 60)], *map(list, TABLES)])
def test_the_omnibus_test_is_the_chi_square_test_of_the_table(groups: Any) -> None:
    result = omnibus_test(selections(*groups), "selection_rate")
    table = [[k, n - k] for k, n in groups]
    statistic, p, df, _ = chi2_contingency(table, correction=False)
    assert (result.statistics[0], result.p_value) == pytest.approx((statistic, p))
    assert result.degrees_of_freedom[0] == df


def test_for_f1_it_is_that_of_the_share_behind_it() -> None:
    cells = {"tp": [40, 20, 30], "fp": [5, 9, 3], "fn": [6, 8, 20], "tn": [50, 5, 7]}
    table = [[tp, fp + fn] for tp, fp, fn in zip(cells["tp"], cells["fp"], cells["fn"], strict=True)]
    result = omnibus_test(GroupCounts("abc", cells), "f1_parity")
    assert result.p_value == pytest.approx(chi2_contingency(table, correction=False)[1])


def test_several_rates_are_tested_one_by_one_and_together() -> None:
    rng = np.random.default_rng(1)
    y, p = rng.integers(0, 2, (2, 300))
    counts = GroupCounts.from_predictions(y, p, sensitive_features=rng.choice(list("abc"), 300))
    result = omnibus_test(counts, "equalized_odds")
    alone = [omnibus_test(counts, rate).p_value for rate in ("true_positive_rate", "false_positive_rate")]
    np.testing.assert_allclose(result.p_values, alone)
    assert result.p_value == pytest.approx(min(1, 2 * min(alone)))
    assert "All rates together" in str(result)


@pytest.mark.parametrize("weight", [0.01, 3])
def test_the_scale_of_weights_changes_no_test(weight: float) -> None:
    counts = selections((30, 60), (20, 60), (25, 60))
    other = scaled(counts, weight)
    assert omnibus_test(other, "selection_rate").p_value == pytest.approx(
        omnibus_test(counts, "selection_rate").p_value
    )
    drawn = [max_z_test(c, "selection_rate", random_state=0) for c in (counts, other)]
    np.testing.assert_allclose(drawn[0].z, drawn[1].z)
    assert drawn[0].p_value == drawn[1].p_value
    assert drawn[1].note == ""


def test_no_variation_is_no_evidence() -> None:
    for selected in (0, 20):
        counts = selections((selected, 20), (selected, 20), (selected, 20))
        assert omnibus_test(counts, "selection_rate").p_value == 1
        assert max_z_test(counts, "selection_rate", n_resamples=99).p_value == 1
        pair = selections((selected, 20), (selected, 20))
        for method in ("pooled_z", "mid_p", "fisher"):
            expected = 0.5 if method == "mid_p" else 1  # the only outcome there is, counted by half
            assert two_group_test(pair, "selection_rate", method=method).p_value == expected


# --- permutations -------------------------------------------------------------------------------------


def test_the_permutation_test_is_that_of_shuffled_rows() -> None:
    sizes, selected = [8, 12, 20], [6, 4, 9]
    counts = selections(*zip(selected, sizes, strict=True))
    result = max_z_test(counts, "selection_rate", n_resamples=40_000, random_state=0)
    rng = np.random.default_rng(1)
    outcome = np.repeat([1, 0], [19, 21])
    group = np.repeat([0, 1, 2], sizes)

    def largest(outcome: Any) -> Any:
        k = np.bincount(group, outcome)
        p, n = k / sizes, np.array(sizes)
        rest = (k.sum() - k) / (n.sum() - n)
        pooled = k.sum() / n.sum()
        return np.abs(p - rest) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / (n.sum() - n)))

    observed = largest(
        np.concatenate([np.repeat([1, 0], [k, n - k]) for k, n in zip(selected, sizes, strict=True)])
    )
    np.testing.assert_allclose(np.abs(result.z), observed)
    shuffled = np.array([largest(rng.permutation(outcome)).max() for _ in range(8000)])
    for p, z in zip(result.adjusted_p_values, observed, strict=True):
        assert p == pytest.approx((shuffled >= z - 1e-9).mean(), abs=0.015)
    assert result.p_value == result.adjusted_p_values.min()


def test_with_two_groups_the_permutation_test_is_an_exact_test() -> None:
    # |z| orders the tables as their probabilities do, if both groups have the same size.
    counts = selections((7, 20), (2, 20))
    p = max_z_test(counts, "selection_rate", n_resamples=100_000, random_state=0).p_value
    assert p == pytest.approx(fisher_exact([[7, 13], [2, 18]])[1], abs=0.005)


def test_its_z_is_that_of_the_contrast_with_the_rest() -> None:
    counts = selections((30, 60), (20, 60), (100, 300))
    z = contrasts(counts, "selection_rate", method="to_rest").z
    np.testing.assert_allclose(max_z_test(counts, "selection_rate", n_resamples=9).z, z)


def test_a_seed_makes_it_reproducible_and_a_far_group_is_found() -> None:
    counts = selections((30, 60), (31, 60), (29, 60), (50, 60))
    one, two = (max_z_test(counts, "selection_rate", random_state=3) for _ in range(2))
    np.testing.assert_array_equal(one.adjusted_p_values, two.adjusted_p_values)
    assert one.adjusted_p_values[3] < 0.001 < 0.05 < one.adjusted_p_values[1]


def test_a_billion_rows_can_be_permuted() -> None:
    counts = selections(
        (500_000_000, 1_000_000_000), (500_060_000, 1_000_000_000), (500_000_000, 1_000_000_000)
    )
    result = max_z_test(counts, "selection_rate", n_resamples=2000, random_state=0)
    # The largest of three such z exceeds this one about as often as the normal law says.
    assert result.z[1] == pytest.approx(3.098, abs=0.001)
    assert 0.0005 < result.adjusted_p_values[1] < 0.015


def test_weighted_rows_are_rounded_and_it_says_so() -> None:
    rng = np.random.default_rng(2)
    p, groups = rng.integers(0, 2, 200), rng.choice(list("ab"), 200)
    counts = GroupCounts.from_predictions(
        p, p, sensitive_features=groups, sample_weight=rng.exponential(size=200)
    )
    assert "effective sizes" in str(max_z_test(counts, "selection_rate", n_resamples=9))
    assert "effective sizes" in two_group_test(counts, "selection_rate", method="fisher").note
    z, exact = (two_group_test(counts, "selection_rate", method=m) for m in ("pooled_z", "mid_p"))
    assert z.note == ""
    assert exact.p_value == pytest.approx(z.p_value, abs=0.08)


# --- two groups ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "two"), TABLES)
def test_two_groups_have_the_pooled_z_and_fishers_p(one: Any, two: Any) -> None:
    counts = selections(one, two)
    z, p = proportions_ztest([one[0], two[0]], [one[1], two[1]])
    result = two_group_test(counts, "selection_rate")
    assert (result.z, result.p_value) == pytest.approx((z, p))
    table = [[one[0], one[1] - one[0]], [two[0], two[1] - two[0]]]
    exact = two_group_test(counts, "selection_rate", method="fisher").p_value
    assert exact == pytest.approx(fisher_exact(table)[1])
    assert two_group_test(counts, "selection_rate", method="mid_p").p_value < exact


def test_mid_p_is_nearer_to_its_level_than_fishers_test() -> None:
    n, level = 20, {"mid_p": 0.0, "fisher": 0.0}
    chances = np.outer(*[binom.pmf(np.arange(n + 1), n, 0.3)] * 2)
    for j, k in itertools.product(range(n + 1), repeat=2):
        for method in ("mid_p", "fisher"):
            result = two_group_test(selections((j, n), (k, n)), "selection_rate", method=method)  # type: ignore[arg-type]
            level[method] += chances[j, k] * (result.p_value <= 0.05)
    assert level["fisher"] < 0.035 < level["mid_p"] < 0.055


def test_exact_tests_of_millions_of_rows_agree_with_the_normal_one() -> None:
    million = 1_000_000
    counts = selections((500_000, million), (501_500, million))
    expected = two_group_test(counts, "selection_rate").p_value
    for method in ("mid_p", "fisher"):
        found = two_group_test(counts, "selection_rate", method=method).p_value  # type: ignore[arg-type]
        assert found == pytest.approx(expected, rel=0.01)
    far = selections((200_000, million), (800_000, million))
    assert two_group_test(far, "selection_rate", method="fisher").p_value == 0


def test_exact_tests_are_those_of_the_hypergeometric_law() -> None:
    rng = np.random.default_rng(0)
    for largest in (12, 300, 1_500):
        for n in rng.integers(1, largest, (12, 2)).tolist():
            k = rng.binomial(n, rng.uniform(0.1, 0.6, 2)).tolist()
            counts = selections((k[0], n[0]), (k[1], n[1]))
            law = hypergeom(sum(n), sum(k), n[0])
            outcomes = law.pmf(np.arange(max(0, sum(k) - n[1]), min(sum(k), n[0]) + 1))
            seen = law.pmf(k[0])
            tied = np.isclose(outcomes, seen, rtol=1e-7, atol=0)
            rarer = outcomes[(outcomes < seen) & ~tied].sum()
            for method, part in (("fisher", 1.0), ("mid_p", 0.5)):
                found = two_group_test(counts, "selection_rate", method=method).p_value  # type: ignore[arg-type]
                expected = rarer + part * outcomes[tied].sum()
                assert found == pytest.approx(min(expected, 1), rel=1e-8, abs=1e-90)


def test_exact_tests_of_any_number_of_rows_take_no_time_and_no_memory() -> None:
    """A million billion rows have ten billion likely outcomes: beyond a million the law is normal."""
    for n in (10**12, 10**15, 10**30):
        counts = selections((n // 2, n), (n // 2 + int(n**0.5), n))
        z = proportions_ztest([n / 2, n / 2 + n**0.5], [n, n])[1]
        for method in ("mid_p", "fisher"):
            found = two_group_test(counts, "selection_rate", method=method).p_value  # type: ignore[arg-type]
            assert found == pytest.approx(z, rel=1e-3)
    # Weights that add up to no whole row tell nothing.
    nothing = two_group_test(selections((5e-10, 1e-9), (2e-10, 1e-9)), "selection_rate", method="mid_p")
    assert nothing.p_value == 1


def test_two_of_several_groups_are_named() -> None:
    counts = selections((30, 60), (20, 60), (25, 60))
    result = two_group_test(counts, "selection_rate", groups=["c", "a"])
    assert result.groups == ("c", "a")
    assert result.z == pytest.approx(proportions_ztest([25, 30], [60, 60])[0])
    assert "pooled_z: p =" in str(result)
    for groups in (None, ["a"], ["a", "a"], ["a", "z"]):
        with pytest.raises(ValueError, match="Name two of the groups"):
            two_group_test(counts, "selection_rate", groups=groups)
    with pytest.raises(ValueError, match="method must be one of"):
        two_group_test(selections((3, 9), (4, 9)), "selection_rate", method="exact")  # type: ignore[arg-type]


# --- edges --------------------------------------------------------------------------------------------


def test_groups_without_the_rate_are_passed_over_by_name() -> None:
    cells = {"tp": [8, 0, 6], "fp": [1, 1, 1], "fn": [2, 0, 4], "tn": [1, 1, 1]}
    counts = GroupCounts(["a", "empty", "c"], cells)
    with pytest.warns(UserWarning, match="for: empty"):
        result = omnibus_test(counts, "equal_opportunity")
    assert result.degrees_of_freedom[0] == 1
    with pytest.warns(UserWarning, match="for: empty"):
        drawn = max_z_test(counts, "true_positive_rate", n_resamples=99)
    assert np.isnan(drawn.z).tolist() == [False, True, False]
    with pytest.warns(UserWarning, match="for: empty"):
        pair = two_group_test(counts, "true_positive_rate", groups=("a", "empty"), method="fisher")
    assert np.isnan(pair.p_value)
    assert "p = -" in str(pair)


def test_one_group_cannot_be_tested() -> None:
    with pytest.warns(UserWarning, match="Fewer than two groups"):
        result = omnibus_test(selections((3, 9)), "selection_rate")
    assert np.isnan([result.statistics[0], result.p_value]).all()
    with pytest.warns(UserWarning, match="Fewer than two groups"):
        assert np.isnan(max_z_test(selections((3, 9)), "selection_rate").p_value)


def test_rates_that_count_no_rows_are_refused() -> None:
    counts, cost = selections((3, 9), (4, 9)), Rate("cost", "fp+5*fn", "n")
    with pytest.raises(ValueError, match=r"'cost'.*not a function of one proportion.*contrasts"):
        omnibus_test(counts, Constraint("cheap", cost))
    with pytest.raises(ValueError, match="not a function of one proportion"):
        max_z_test(counts, cost)
    with pytest.raises(ValueError, match="not a function of one proportion"):
        two_group_test(counts, cost, method="fisher")
    assert two_group_test(counts, cost).p_value > 0.05
    with pytest.raises(ValueError, match="n_resamples must be at least 1"):
        max_z_test(counts, "selection_rate", n_resamples=0)
    with pytest.raises(ValueError, match="Unknown constraint 'selection_rates'"):
        omnibus_test(counts, "selection_rates")


@pytest.mark.parametrize("test", [omnibus_test, max_z_test, two_group_test])
def test_strata_are_refused(test: Any) -> None:
    counts = GroupCounts.from_predictions([1, 0], [1, 0], sensitive_features=["a", "b"], strata=["x", "y"])
    with pytest.raises(ValueError, match="without strata"):
        test(counts, "selection_rate")


def test_tests_hold_their_level() -> None:
    rng, n = np.random.default_rng(4), np.array([30, 50, 80, 100])
    rejected = []
    for drawn in rng.binomial(n, 0.3, (1000, 4)):
        counts = selections(*zip(drawn, n, strict=True))
        rejected.append(
            [
                omnibus_test(counts, "selection_rate").p_value <= 0.05,
                max_z_test(counts, "selection_rate", n_resamples=199, random_state=rng).p_value <= 0.05,
                contrasts(counts, "selection_rate", method="between_groups").adjusted_p_values.min() <= 0.05,
            ]
        )
    assert np.all(np.mean(rejected, axis=0) < 0.07)
    assert np.all(np.mean(rejected, axis=0) > 0.02)
