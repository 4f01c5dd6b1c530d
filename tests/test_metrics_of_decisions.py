from __future__ import annotations

import itertools
import json
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import fairlearn.metrics as fairlearn
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse, stats
from sklearn.metrics import confusion_matrix, mean_absolute_error, root_mean_squared_error
from statsmodels.stats.contingency_tables import StratifiedTable
from toy_data import columns_of

from fairsk import Constraint, Rate
from fairsk._core.counts import GroupCounts
from fairsk.metrics._decisions.consistency import consistency
from fairsk.metrics._decisions.differential import (
    DifferentialFairness,
    bias_amplification,
    differential_fairness,
)
from fairsk.metrics._decisions.disparity import best_group, disparity, worst_group
from fairsk.metrics._decisions.entropy import GeneralizedEntropy, generalized_entropy
from fairsk.metrics._decisions.mantel_haenszel import MantelHaenszel, mantel_haenszel_odds_ratio
from fairsk.metrics._decisions.multiclass import multiclass_disparity, one_vs_rest_counts
from fairsk.metrics._decisions.named import (
    average_odds_difference,
    average_odds_ratio,
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equalized_odds_difference,
    equalized_odds_ratio,
)
from fairsk.metrics._decisions.strata import (
    ConditionalDemographicDisparity,
    conditional_demographic_disparity,
    disparity_within_strata,
)
from fairsk.metrics._group_metrics import group_metrics
from fairsk.metrics._regression import regression_metrics
from fairsk.metrics._scores.table import score_metrics
from fairsk.rates import CELLS, CONSTRAINTS, RATES


def rows(seed: int, n: int = 400, n_groups: int = 3) -> dict[str, Any]:
    """Draw labels, predictions, groups and strata that depend on each other."""
    rng = np.random.default_rng(seed)
    group, stratum = rng.integers(0, n_groups, n), rng.integers(0, 4, n)
    y = rng.random(n) < 0.2 + 0.1 * group + 0.1 * stratum
    p = rng.random(n) < np.where(y, 0.7, 0.3) - 0.05 * group
    return {
        "y_true": y.astype(int),
        "y_pred": p.astype(int),
        "sensitive_features": np.array(list("abcdef"))[group],
        "strata": np.array(["north", "east", "south", "west"])[stratum],
        "sample_weight": rng.integers(1, 4, n).astype(float),
    }


def picked(data: dict[str, Any], keep: Any) -> dict[str, Any]:
    """Return these rows of the data."""
    return {name: values[keep] for name, values in data.items()}


def repeated(data: dict[str, Any]) -> dict[str, Any]:
    """Return each row as often as its weight says, without weights."""
    data = picked(data, np.repeat(np.arange(len(data["y_true"])), data["sample_weight"].astype(int)))
    return {name: values for name, values in data.items() if name != "sample_weight"}


def heard(measure: Callable[[], Any]) -> tuple[Any, list[str]]:
    """Return what is measured, and what is warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = measure()
    return value, [str(warning.message) for warning in caught]


# --- average odds, and the groups that are worst and best off -----------------------------------------


@pytest.mark.parametrize("method", ["between_groups", "to_overall"])
@pytest.mark.parametrize("seed", range(3))
def test_average_odds_equal_fairlearns_equalized_odds_with_a_mean(method: Any, seed: int) -> None:
    data = rows(seed)
    del data["strata"]
    assert average_odds_difference(**data, method=method) == pytest.approx(
        fairlearn.equalized_odds_difference(**data, method=method, agg="mean")
    )
    assert average_odds_ratio(**data, method=method) == pytest.approx(
        fairlearn.equalized_odds_ratio(**data, method=method, agg="mean")
    )


def test_the_average_of_one_rate_that_nobody_has_is_unknown() -> None:
    y, p, group = [1, 1, 1, 1], [1, 0, 1, 1], list("aabb")  # nobody is negative
    with pytest.warns(UserWarning, match="false_positive_rate cannot be measured"):
        assert np.isnan(average_odds_difference(y, p, sensitive_features=group))


@pytest.mark.parametrize("name", RATES)
def test_the_worst_and_the_best_group_are_those_of_the_table(name: str) -> None:
    data = rows(1, n=2000, n_groups=6)
    del data["strata"]
    rate = RATES[name]
    counts = GroupCounts.from_predictions(**data)
    values = counts.rate(rate).tolist()
    worst, best = worst_group(**data, rate=name), best_group(**data, rate=rate)
    assert worst.value == (max(values) if rate.lower_is_better else min(values))
    assert best.value == (min(values) if rate.lower_is_better else max(values))
    assert [worst.group, best.group] == [counts.groups[values.index(v)] for v in (worst.value, best.value)]
    assert worst.value == counts.compare(Constraint(name, rate), "worst_group")


def test_the_worst_group_has_the_worst_accuracy_by_default() -> None:
    data = rows(2)
    del data["strata"]
    right = data["y_true"] == data["y_pred"]
    shares = {
        group: np.average(right[these], weights=data["sample_weight"][these])
        for group in np.unique(data["sensitive_features"]).tolist()
        for these in [data["sensitive_features"] == group]
    }
    lowest = min(shares, key=lambda group: shares[group])
    found = worst_group(**data)
    assert found.group == lowest
    assert found.value == pytest.approx(shares[lowest])


def test_a_group_that_cannot_be_measured_is_neither_worst_nor_best() -> None:
    y, p, group = [1, 1, 0], [1, 0, 1], list("aab")
    with pytest.warns(UserWarning, match="true_positive_rate cannot be measured for: b"):
        assert worst_group(y, p, sensitive_features=group, rate="recall") == ("a", 0.5)
    with pytest.warns(UserWarning, match="cannot be measured for: a, b"):
        name, value = best_group([0, 0], [0, 1], sensitive_features=list("ab"), rate="recall")
    assert name is None
    assert np.isnan(value)


# --- disparities inside strata ------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("metric", "options"),
    [
        (demographic_parity_difference, {}),
        (demographic_parity_ratio, {}),
        (equalized_odds_difference, {}),
        (average_odds_difference, {}),
        (equal_opportunity_difference, {"method": "to_overall"}),
        (demographic_parity_ratio, {"method": "to_reference", "reference": "b"}),
    ],
)
def test_a_disparity_with_strata_is_the_mean_of_those_inside_them(
    metric: Any, options: Any, seed: int
) -> None:
    data = rows(seed)
    inside, sizes = [], []
    for stratum in np.unique(data["strata"]):
        these = picked(data, data["strata"] == stratum)
        sizes.append(these["sample_weight"].sum())
        inside.append(metric(**{k: v for k, v in these.items() if k != "strata"}, **options))
    assert metric(**data, **options) == pytest.approx(np.average(inside, weights=sizes))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("constraint", "comparison", "rates_apart", "worst"),
    [
        ("demographic_parity", "difference", np.ptp, max),
        ("demographic_parity", "ratio", lambda rates: min(rates) / max(rates), min),
        ("demographic_parity", "worst_group", min, min),
        ("error_rate_parity", "worst_group", max, max),
        ("error_rate_parity", "difference", np.ptp, max),
    ],
)
def test_the_worst_stratum_is_that_furthest_from_parity(
    constraint: str, comparison: Any, rates_apart: Any, worst: Any, seed: int
) -> None:
    data = {name: column for name, column in rows(seed).items() if name != "sample_weight"}
    chosen = data["y_pred"] if constraint == "demographic_parity" else data["y_pred"] != data["y_true"]
    inside = []
    for stratum in np.unique(data["strata"]):
        here = data["strata"] == stratum
        groups = data["sensitive_features"]
        inside.append(rates_apart([chosen[here & (groups == g)].mean() for g in np.unique(groups[here])]))
    found = disparity(**data, constraint=constraint, comparison=comparison, over_strata="worst")
    assert found == pytest.approx(worst(inside))
    assert found != disparity(**data, constraint=constraint, comparison=comparison)


def test_the_worst_stratum_passes_over_what_cannot_be_compared_and_needs_strata() -> None:
    y, group, stratum = [1, 0, 1, 1, 0], list("ababa"), list("xxyyz")
    what: dict[str, Any] = {"constraint": "demographic_parity", "sensitive_features": group}
    value, said = heard(lambda: disparity(y, y, **what, strata=stratum, over_strata="worst"))
    assert value == 1
    assert "Passed over 1 of 3 strata, in which groups cannot be compared: z." in said
    value, said = heard(lambda: disparity(y, y, **what, strata=group, over_strata="worst"))
    assert np.isnan(value)
    assert "Passed over 2 of 2 strata, in which groups cannot be compared: a, b." in said
    with pytest.raises(ValueError, match=r"over_strata='worst' .* there are none: say with strata="):
        disparity(y, y, **what, over_strata="worst")
    for strata in (None, stratum):
        with pytest.raises(ValueError, match="over_strata must be one of 'mean', 'worst'; got 'max'"):
            disparity(y, y, **what, strata=strata, over_strata="max")  # type: ignore[arg-type]


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_disparities_inside_strata_are_functions_of_counts_that_add_up(constraint: str) -> None:
    data = rows(4)
    first = np.arange(len(data["y_true"])) < 150
    counts = sum(GroupCounts.from_predictions(**picked(data, part)) for part in (first, ~first))
    whole = GroupCounts.from_predictions(**data)
    assert disparity_within_strata(counts, constraint) == disparity_within_strata(whole, constraint)


def test_strata_in_which_groups_cannot_be_compared_are_named_and_passed_over() -> None:
    y = [1, 0, 1, 0, 1, 1]
    group, stratum = list("aabbab"), ["x", "x", "x", "x", "y", "z"]
    value, said = heard(lambda: demographic_parity_difference(y, y, sensitive_features=group, strata=stratum))
    assert value == 0
    assert "Passed over 2 of 3 strata, in which groups cannot be compared: y, z." in said
    value, said = heard(lambda: demographic_parity_difference(y, y, sensitive_features=group, strata=group))
    assert np.isnan(value)
    assert "Passed over 2 of 2 strata, in which groups cannot be compared: a, b." in said


def test_counts_without_strata_hold_nothing_constant() -> None:
    counts = GroupCounts.from_predictions([1, 0], [1, 0], sensitive_features=list("ab"))
    for measure in (
        lambda: disparity_within_strata(counts, "demographic_parity"),
        lambda: ConditionalDemographicDisparity.from_counts(counts),
        lambda: MantelHaenszel.from_counts(counts, reference="a"),
    ):
        with pytest.raises(ValueError, match="no strata: say with strata="):
            measure()


# --- conditional demographic disparity ----------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_demographic_disparity_is_a_share_of_the_rejected_minus_one_of_the_accepted(weighted: bool) -> None:
    data = rows(5)
    if not weighted:
        del data["sample_weight"]
    found = conditional_demographic_disparity(**data)
    weight = data.get("sample_weight", np.ones(len(data["y_true"])))

    def disparity(group: str, keep: Any) -> float:
        member = data["sensitive_features"] == group
        shares = [
            weight[keep & (data["y_pred"] == d) & member].sum() / weight[keep & (data["y_pred"] == d)].sum()
            for d in (0, 1)
        ]
        return shares[0] - shares[1]

    for i, group in enumerate(found.groups):
        assert found.unconditional[i] == pytest.approx(
            disparity(str(group), np.ones(len(weight), dtype=bool))
        )
        inside = [disparity(str(group), data["strata"] == s) for s in found.strata]
        sizes = [weight[data["strata"] == s].sum() for s in found.strata]
        assert found.conditional[i] == pytest.approx(np.average(inside, weights=sizes))
    assert found.unconditional.sum() == pytest.approx(0)
    assert found.conditional.sum() == pytest.approx(0)


def test_a_stratum_that_accepts_everybody_says_nothing_about_who_is_rejected() -> None:
    y, group, stratum = [1, 0, 0, 1, 1, 1], list("aabbab"), list("xxxxyy")
    with pytest.warns(UserWarning, match=r"Passed over 1 of 2 strata, in which all rows are .* none: y\."):
        found = conditional_demographic_disparity(y, y, sensitive_features=group, strata=stratum)
    assert found.conditional.tolist() == [0, 0]
    with pytest.warns(UserWarning, match="Passed over 1 of 1 strata"):
        found = conditional_demographic_disparity(
            [1, 1], [1, 1], sensitive_features=list("ab"), strata=[0, 0]
        )
    assert np.isnan(found.conditional).all()


# --- Mantel-Haenszel ----------------------------------------------------------------------------------


def stratified(data: dict[str, Any], group: str, reference: str, given: Any = None) -> StratifiedTable:
    """Return statsmodels' tables of a group and the reference, of rows where a condition holds."""
    given = np.ones(len(data["y_true"]), dtype=bool) if given is None else given
    tables = []
    for stratum in np.unique(data["strata"]):
        here = (data["strata"] == stratum) & given
        tables.append(
            [
                [(here & (data["sensitive_features"] == g) & (data["y_pred"] == d)).sum() for d in (1, 0)]
                for g in (group, reference)
            ]
        )
    return StratifiedTable(np.array(tables, dtype=float).transpose(1, 2, 0))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rate", ["selection_rate", "true_positive_rate"])
def test_pooled_odds_ratios_their_limits_and_tests_equal_statsmodels(rate: str, seed: int) -> None:
    data = rows(seed)
    del data["sample_weight"]
    found = mantel_haenszel_odds_ratio(**data, reference="b", rate=rate, confidence=0.9)
    assert found.groups == ("a", "c")
    for i, group in enumerate(("a", "c")):
        oracle = stratified(data, group, "b", data["y_true"] == 1 if rate == "true_positive_rate" else None)
        assert found.odds_ratios[i] == pytest.approx(oracle.oddsratio_pooled)
        assert (found.low[i], found.high[i]) == pytest.approx(oracle.oddsratio_pooled_confint(0.1))
        test = oracle.test_null_odds(correction=False)
        assert found.statistics[i] == pytest.approx(test.statistic)
        assert found.p_values[i] == pytest.approx(test.pvalue)
        table = oracle.table.sum(2)
        assert found.crude[i] == pytest.approx(table[0, 0] * table[1, 1] / table[0, 1] / table[1, 0])


def test_weights_move_the_odds_ratio_as_repeated_rows_do_but_add_no_certainty() -> None:
    data = rows(6)
    weighted = mantel_haenszel_odds_ratio(**data, reference="a")
    copies = mantel_haenszel_odds_ratio(**repeated(data), reference="a")
    np.testing.assert_allclose(weighted.odds_ratios, copies.odds_ratios)
    data["sample_weight"] = np.full(len(data["y_true"]), 7.0)
    same = mantel_haenszel_odds_ratio(**data, reference="a")
    del data["sample_weight"]
    plain = mantel_haenszel_odds_ratio(**data, reference="a")
    for name in ("odds_ratios", "low", "high", "statistics", "p_values"):
        np.testing.assert_allclose(getattr(same, name), getattr(plain, name))


def test_the_limits_of_the_pooled_odds_ratio_hold_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    held, rejected, repetitions = 0, 0, 600
    base = np.array([0.2, 0.4, 0.6])
    odds = 2 * base / (1 - base)
    for _ in range(repetitions):
        chance = np.stack([base, odds / (1 + odds)])
        selected = rng.binomial(60, chance)
        zero = np.zeros_like(selected)
        counts = GroupCounts(
            "ab", {"tp": selected, "fp": zero, "fn": zero, "tn": 60 - selected}, strata=["x", "y", "z"]
        )
        found = MantelHaenszel.from_counts(counts, reference="a")
        held += found.low[0] <= 2 <= found.high[0]
        fair = rng.binomial(60, np.stack([base, base]))
        counts = GroupCounts(
            "ab", {"tp": fair, "fp": zero, "fn": zero, "tn": 60 - fair}, strata=["x", "y", "z"]
        )
        rejected += MantelHaenszel.from_counts(counts, reference="a").p_values[0] < 0.05
    assert 0.93 < held / repetitions < 0.97
    assert 0.03 < rejected / repetitions < 0.07


def test_strata_that_compare_nobody_do_not_count_and_groups_without_any_are_named() -> None:
    y, group = [1, 0, 1, 0, 1, 1], list("aabbac")
    stratum = list("xxxxyz")
    with pytest.warns(UserWarning, match=r"No stratum tells the odds .* between a and: c\."):
        found = mantel_haenszel_odds_ratio(y, y, sensitive_features=group, strata=stratum, reference="a")
    assert found.odds_ratios[0] == 1
    assert np.isnan([found.odds_ratios[1], found.p_values[1], found.low[1]]).all()


def test_odds_without_limits_still_have_a_test() -> None:
    y, group = np.repeat([1, 0], 20), np.repeat(["a", "b"], 20)
    found = mantel_haenszel_odds_ratio(y, y, sensitive_features=group, strata=[0] * 40, reference="b")
    assert found.odds_ratios.tolist() == [np.inf]
    assert np.isnan([found.low[0], found.high[0]]).all()
    assert found.p_values[0] < 1e-6
    found = mantel_haenszel_odds_ratio(y, y, sensitive_features=group, strata=[0] * 40, reference="a")
    assert found.odds_ratios.tolist() == [0]
    assert np.isnan([found.low[0], found.high[0]]).all()
    assert "inf" not in str(found)


def test_odds_are_refused_where_there_are_none() -> None:
    data = rows(7)
    with pytest.raises(ValueError, match="'z' is not one of the groups: 'a', 'b', 'c'"):
        mantel_haenszel_odds_ratio(**data, reference="z")
    with pytest.raises(ValueError, match="f1 is not a share"):
        mantel_haenszel_odds_ratio(**data, reference="a", rate=Rate("f1", "3*tp", "2*tp+fp+fn"))
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        mantel_haenszel_odds_ratio(**data, reference="a", confidence=95)


# --- differential fairness ----------------------------------------------------------------------------


@pytest.mark.parametrize("concentration", [0.0, 1.0, 6.0])
@pytest.mark.parametrize("seed", range(3))
def test_epsilon_is_the_largest_over_outcomes_and_pairs(concentration: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    group, y = rng.integers(0, 4, (200, 2)) // [1, 2], rng.integers(0, 3, 200)
    weight = rng.random(200)
    found = differential_fairness(
        y, y, sensitive_features=group, sample_weight=weight, concentration=concentration
    )
    members = {label: (group == label).all(1) for label in found.groups}

    def log_chance(outcome: Any, member: Any) -> float:
        return np.log(
            (weight[member & (y == outcome)].sum() + concentration / 3)
            / (weight[member].sum() + concentration)
        )

    gaps = {
        (outcome, s, t): log_chance(outcome, members[s]) - log_chance(outcome, members[t])
        for outcome in (0, 1, 2)
        for s, t in itertools.permutations(members, 2)
    }
    assert found.epsilon == pytest.approx(max(gaps.values()))
    assert (found.outcome, found.more, found.less) == max(gaps, key=lambda key: gaps[key])


def test_epsilon_bounds_every_attribute_of_an_intersection() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        group, y = rng.integers(0, 2, (300, 2)), rng.integers(0, 2, 300)
        both = differential_fairness(y, y, sensitive_features=group, concentration=0).epsilon
        for column in group.T:
            assert (
                differential_fairness(y, y, sensitive_features=column, concentration=0).epsilon
                <= both + 1e-12
            )


@pytest.mark.parametrize("labels", [False, True])
def test_counts_of_two_outcomes_give_the_same_epsilon(labels: bool) -> None:
    data = rows(8)
    del data["strata"]
    direct = DifferentialFairness.from_counts(GroupCounts.from_predictions(**data), labels=labels)
    measured = data | ({"y_pred": data["y_true"]} if labels else {})
    by_class = differential_fairness(**measured)
    assert direct.epsilon == pytest.approx(by_class.epsilon)
    assert (direct.more, direct.less) == (by_class.more, by_class.less)
    assert {0: "negative", 1: "positive"}[by_class.outcome] == direct.outcome  # type: ignore[index]


def test_amplification_is_what_predictions_add_to_the_labels() -> None:
    data = rows(9)
    del data["strata"]
    parts = {**data}, data | {"y_pred": data["y_true"]}, data | {"y_true": data["y_pred"]}
    predictions, labels = (differential_fairness(**part).epsilon for part in parts[:2])
    assert bias_amplification(**data) == pytest.approx(predictions - labels)
    assert bias_amplification(**parts[1]) == bias_amplification(**parts[2]) == 0


def test_outcomes_that_nobody_or_only_some_have() -> None:
    y, group = [1, 1, 1, 0], list("aabb")
    assert differential_fairness(y, y, sensitive_features=group, concentration=0).epsilon == np.inf
    assert np.isfinite(differential_fairness(y, y, sensitive_features=group).epsilon)
    same = differential_fairness([1] * 4, [1] * 4, sensitive_features=group, concentration=0, classes=[0, 1])
    assert same.epsilon == 0


def test_groups_without_rows_that_count_have_no_chances() -> None:
    y, group = [1, 0, 1, 0, 1], list("aabbc")
    with pytest.warns(UserWarning, match="No outcome can be measured for: c"):
        found = differential_fairness(y, y, sensitive_features=group, sample_weight=[1, 1, 1, 1, 0])
    assert found.epsilon == 0
    assert np.isnan(found.probabilities[2]).all()
    with pytest.warns(UserWarning, match="Fewer than two groups"):
        assert np.isnan(differential_fairness([1, 0], [1, 0], sensitive_features=list("aa")).epsilon)


def test_epsilon_refuses_negative_rows_and_strata_that_are_no_classes() -> None:
    with pytest.raises(ValueError, match="concentration must be a number of rows"):
        differential_fairness([1, 0], [1, 0], sensitive_features=[1, 2], concentration=-1)
    with pytest.raises(ValueError, match="strata of these counts are not classes"):
        DifferentialFairness.from_counts(GroupCounts.from_predictions(**rows(1)))


# --- entropy ------------------------------------------------------------------------------------------


def entropy_of_rows(benefits: Any, alpha: float) -> float:
    """Sum over the rows, as the definition says."""
    ratios = [b / np.mean(benefits) for b in benefits]
    if alpha == 0:
        return -float(np.mean([np.log(r) for r in ratios]))
    if alpha == 1:
        return float(np.mean([r * np.log(r) if r else 0 for r in ratios]))
    return float(np.mean([(r**alpha - 1) / (alpha * (alpha - 1)) for r in ratios]))


@pytest.mark.parametrize("alpha", [0.5, 1, 2, 3])
@pytest.mark.parametrize("seed", range(2))
def test_entropy_of_decisions_is_that_of_their_benefits(alpha: float, seed: int) -> None:
    data = rows(seed)
    del data["strata"], data["sample_weight"]
    benefits = data["y_pred"] - data["y_true"] + 1
    found = generalized_entropy(**data, alpha=alpha)
    assert found.total == pytest.approx(entropy_of_rows(benefits, alpha))
    means = pd.Series(benefits).groupby(data["sensitive_features"]).transform("mean")
    assert found.between == pytest.approx(entropy_of_rows(means.to_numpy(), alpha))
    assert found.within == pytest.approx(found.total - found.between)
    for i, group in enumerate(found.groups):
        member = data["sensitive_features"] == group
        assert found.mean_benefit[i] == pytest.approx(benefits[member].mean())
        assert found.entropy[i] == pytest.approx(entropy_of_rows(benefits[member], alpha))
    alone = generalized_entropy(data["y_true"], data["y_pred"], alpha=alpha)
    assert float(alone) == pytest.approx(found.total)
    assert alone.between == pytest.approx(0)
    if alpha == 1:
        assert generalized_entropy(**data, alpha=1).total == found.total


@pytest.mark.parametrize("alpha", [-1, 0, 0.5, 1, 2])
def test_entropy_of_any_benefits_splits_into_between_and_within(alpha: float) -> None:
    rng = np.random.default_rng(3)
    benefits, group = rng.lognormal(size=200), rng.integers(0, 5, 200)
    weight = rng.integers(1, 4, 200)
    found = generalized_entropy(
        benefits=benefits, sensitive_features=group, sample_weight=weight, alpha=alpha
    )
    copies = generalized_entropy(
        benefits=benefits.repeat(weight), sensitive_features=group.repeat(weight), alpha=alpha
    )
    assert found.total == pytest.approx(entropy_of_rows(benefits.repeat(weight), alpha))
    assert found.total == pytest.approx(found.between + found.within)
    for name in ("total", "between", "within"):
        assert getattr(found, name) == pytest.approx(getattr(copies, name))
    assert generalized_entropy(benefits=1000 * benefits, alpha=alpha).total == pytest.approx(
        generalized_entropy(benefits=benefits, alpha=alpha).total
    )


def test_a_benefit_of_nothing_makes_the_entropy_infinite_where_it_should() -> None:
    for alpha in (-1, 0):
        assert generalized_entropy(benefits=[0, 1, 2], alpha=alpha).total == np.inf
        assert generalized_entropy([1, 0], [0, 1], alpha=alpha).total == np.inf
    assert np.isfinite(generalized_entropy(benefits=[0, 1, 2], alpha=0.5).total)


@pytest.mark.parametrize("alpha", [-1, 0])
def test_outcomes_that_no_row_has_add_nothing_to_the_entropy(alpha: float) -> None:
    """A false negative would make it infinite; that there could have been one does not."""
    y, p = np.array([1, 1, 0, 0]), np.array([1, 1, 1, 0])
    found = generalized_entropy(y, p, sensitive_features=list("aabb"), alpha=alpha)
    assert found.total == pytest.approx(generalized_entropy(benefits=p - y + 1, alpha=alpha).total)
    assert found.total == pytest.approx(found.between + found.within)
    unseen = generalized_entropy(benefits=[0, *(p - y + 1)], sample_weight=[0, 1, 1, 1, 1], alpha=alpha)
    assert unseen.total == pytest.approx(found.total)
    assert generalized_entropy([1, 1, 0], [0, 1, 0], alpha=alpha).total == np.inf


def test_counts_of_nobody_have_no_entropy() -> None:
    nobody = GroupCounts(["a", "b"], {cell: [0, 0] for cell in CELLS})
    found, said = heard(lambda: GeneralizedEntropy.from_counts(nobody))
    assert np.isnan([found.total, found.between, found.within]).all()
    assert said == ["All benefits are 0: the entropy is NaN."]


def test_the_alpha_of_an_entropy_is_finite() -> None:
    with pytest.raises(ValueError, match="alpha must be a finite number"):
        generalized_entropy(benefits=[1, 2], alpha=float("nan"))


def test_a_group_in_which_nobody_has_a_benefit_is_equal_inside() -> None:
    y, p, group = [1, 1, 0, 0], [0, 0, 0, 1], list("aabb")
    for alpha in (1, 2):
        found = generalized_entropy(y, p, sensitive_features=group, alpha=alpha)
        assert found.total == pytest.approx(found.between + found.within)
        assert np.isnan(found.entropy[0])
    with pytest.warns(UserWarning, match="All benefits are 0"):
        assert np.isnan(generalized_entropy([1, 1], [0, 0]).total)


def test_entropy_refuses_what_it_cannot_measure() -> None:
    for bad in ([-1, 2], [np.nan, 1], [np.inf, 1], []):
        with pytest.raises(ValueError, match="benefits must hold a number per row"):
            generalized_entropy(benefits=bad)
    with pytest.raises(ValueError, match="without strata"):
        GeneralizedEntropy.from_counts(GroupCounts.from_predictions(**rows(1)))


# --- consistency --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_neighbors", [1, 5])
@pytest.mark.parametrize("scale", [False, True])
def test_consistency_is_that_of_brute_force(n_neighbors: int, scale: bool) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 3)) * [1, 10, 0.1], rng.integers(0, 2, 120)
    Z = (X - X.mean(0)) / X.std(0) if scale else X
    distance = np.linalg.norm(Z[:, None] - Z[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    near = np.argsort(distance, axis=1)[:, :n_neighbors]
    expected = 1 - np.mean([abs(y[i] - np.mean(y[near[i]])) for i in range(120)])
    assert consistency(X, y, n_neighbors=n_neighbors, scale=scale) == pytest.approx(expected)
    text = np.where(y == 1, "yes", "no")
    assert consistency(X, text, n_neighbors=n_neighbors, scale=scale, pos_label="yes") == pytest.approx(
        expected
    )
    assert consistency(sparse.csr_matrix(X), y, n_neighbors=n_neighbors, scale=scale) == pytest.approx(
        expected
    )


def test_a_row_is_not_its_own_neighbour_among_equal_ones() -> None:
    X = np.zeros((7, 2))
    decisions = np.array([1, 0, 0, 0, 0, 0, 0])
    # All 7 rows are equal: the one that is selected has 6 neighbours that are not, and each of these has it.
    assert consistency(X, decisions, n_neighbors=6) == pytest.approx(1 - (1 + 6 / 6) / 7)


def test_columns_that_should_not_matter_are_dropped_from_frames_and_arrays(library: str) -> None:
    rng = np.random.default_rng(1)
    data = {"income": rng.normal(size=60), "sex": rng.integers(0, 2, 60)}
    frame = (pd if library == "pandas" else pl).DataFrame(data)
    y = rng.integers(0, 2, 60)
    expected = consistency(data["income"][:, None], y)
    assert (
        consistency(frame, y, sensitive_features="sex")
        == consistency(frame, y, sensitive_features=["sex"])
        == expected
    )
    assert consistency(np.column_stack([*data.values()]), y, sensitive_features=1) == expected
    assert consistency(frame, y) != expected
    with pytest.raises(ValueError, match="Did you mean 'sex'"):
        consistency(frame, y, sensitive_features="sexx")


def test_consistency_refuses_text_missing_values_and_too_many_neighbours() -> None:
    with pytest.raises(ValueError, match=r"X must be a table of numbers: .* Encode categories"):
        consistency([["red"], ["blue"], ["red"]], [1, 0, 1], n_neighbors=1)
    with pytest.raises(ValueError, match=r"NaN[\s\S]*fill in missing values"):
        consistency([[1], [np.nan], [2]], [1, 0, 1], n_neighbors=1)
    with pytest.raises(ValueError, match="X has 3 rows and y_pred 2"):
        consistency([[1], [2], [2]], [1, 0], n_neighbors=1)
    for n_neighbors in (0, 3):
        with pytest.raises(ValueError, match="every row needs that many others"):
            consistency([[1], [2], [2]], [1, 0, 1], n_neighbors=n_neighbors)


# --- many classes -------------------------------------------------------------------------------------


def many_classes(seed: int, labels: list[Any]) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, len(labels), 300)
    p = np.where(rng.random(300) < 0.6, y, rng.integers(0, len(labels), 300))
    return {
        "y_true": np.array(labels, dtype=object)[y],
        "y_pred": np.array(labels, dtype=object)[p],
        "sensitive_features": rng.integers(0, 3, 300),
        "sample_weight": rng.random(300),
    }


@pytest.mark.parametrize("labels", [["cat", "dog", "cow", "emu"], [10, 3, 7]])
@pytest.mark.parametrize("weighted", [False, True])
def test_counts_of_each_class_are_those_of_two_classes(labels: list[Any], weighted: bool) -> None:
    data = many_classes(0, labels)
    if not weighted:
        del data["sample_weight"]
    counts = one_vs_rest_counts(**data)
    assert counts.strata == tuple(sorted(labels))
    for k, label in enumerate(counts.strata):
        alone = GroupCounts.from_predictions(**data, pos_label=label)
        assert counts.groups == alone.groups
        for cell in CELLS:
            np.testing.assert_allclose(counts.cells[cell][:, k], alone.cells[cell])
            np.testing.assert_allclose(counts.squares[cell][:, k], alone.squares[cell])
    matrix = confusion_matrix(
        list(data["y_true"]), list(data["y_pred"]), sample_weight=data.get("sample_weight")
    )
    np.testing.assert_allclose(counts.cells["tp"].sum(0), np.diag(matrix))


@pytest.mark.parametrize("constraint", ["demographic_parity", "equalized_odds", "predictive_parity"])
@pytest.mark.parametrize("comparison", ["difference", "ratio"])
def test_the_disparity_of_many_classes_is_the_worst_or_the_mean(constraint: str, comparison: Any) -> None:
    data = many_classes(1, ["cat", "dog", "cow"])
    expected = {
        label: GroupCounts.from_predictions(**data, pos_label=label).compare(constraint, comparison)
        for label in ("cat", "cow", "dog")
    }
    options = {"constraint": constraint, "comparison": comparison}
    assert multiclass_disparity(**data, **options, average=None) == pytest.approx(expected)
    worst = max if comparison == "difference" else min
    assert multiclass_disparity(**data, **options) == pytest.approx(worst(expected.values()))
    assert multiclass_disparity(**data, **options, average="mean") == pytest.approx(
        np.mean([*expected.values()])
    )


def test_classes_may_be_listed_and_may_be_absent() -> None:
    counts = one_vs_rest_counts(["a", "b"], ["a", "b"], sensitive_features=[0, 1], classes=["b", "c", "a"])
    assert counts.strata == ("b", "c", "a")
    assert counts.rate("base_rate")[:, 1].tolist() == [0, 0]
    with pytest.raises(ValueError, match=r"labels 'b' are not among the classes 'a'"):
        one_vs_rest_counts(["a", "b"], ["a", "b"], sensitive_features=[0, 1], classes=["a"])


def test_classes_in_which_groups_cannot_be_compared_are_named_and_passed_over() -> None:
    y, p, group = list("aabc"), list("aabb"), [0, 1, 0, 1]
    value, said = heard(
        lambda: multiclass_disparity(y, p, sensitive_features=group, constraint="equal_opportunity")
    )
    assert value == 0
    assert "Passed over 2 of 3 classes, in which groups cannot be compared: b, c." in said
    with pytest.warns(UserWarning, match="gives NaN"):
        assert np.isnan(multiclass_disparity(y, p, sensitive_features=[0] * 4))


@pytest.mark.parametrize(
    ("y", "p", "options", "message"),
    [
        (["a", None], ["a", "b"], {}, "missing labels"),
        ([0.5, 1], [1, 1], {}, "fractions"),
        (["a", "b"], [1, 0], {}, "different kinds of labels"),
        ([1, 0, 1], [1, 0], {}, "3 rows and y_pred 2"),
        ([], [], {}, "empty"),
        ([1, 0], [1, 0], {"average": "macro"}, "average must be one of 'worst', 'mean', None"),
        ([1, 0], [1, 0], {"comparison": "worst_group"}, "comparison must be one of 'difference', 'ratio'"),
    ],
)
def test_bad_labels_of_many_classes_are_refused(y: Any, p: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        multiclass_disparity(y, p, sensitive_features=[0, 1][: len(p)], **options)


# --- regression ---------------------------------------------------------------------------------------


def amounts(seed: int, n: int = 300) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, n)
    y = rng.gamma(2, 10, n) + 5 * group
    return {
        "y_true": y,
        "y_pred": y + rng.normal(0, 3 + group, n),
        "sensitive_features": np.array(list("abc"))[group],
        "sample_weight": rng.random(n),
    }


@pytest.mark.parametrize("weighted", [False, True])
def test_errors_per_group_are_those_of_scikit_learn(weighted: bool) -> None:
    data = amounts(0)
    if not weighted:
        del data["sample_weight"]
    table = regression_metrics(**data)
    for i, group in enumerate([*table.groups, "overall"]):
        keep = (data["sensitive_features"] == group) | (group == "overall")
        these = {k: v[keep] for k, v in data.items() if k != "sensitive_features"}
        weight = these.get("sample_weight")
        expected = {
            "mean_label": np.average(these["y_true"], weights=weight),
            "mean_prediction": np.average(these["y_pred"], weights=weight),
            "mean_error": np.average(these["y_pred"] - these["y_true"], weights=weight),
            "mae": mean_absolute_error(**these),
            "rmse": root_mean_squared_error(**these),
        }
        for name, value in expected.items():
            found = table.overall[name] if group == "overall" else table.values[name][i]
            assert found == pytest.approx(value), name
    maes = table.values["mae"]
    assert table.difference("mae") == pytest.approx(max(maes) - min(maes))
    assert table.ratio("mae") == pytest.approx(min(maes) / max(maes))


def test_limits_of_unweighted_means_are_students() -> None:
    data = amounts(1)
    del data["sample_weight"]
    table = regression_metrics(**data, confidence=0.9)
    error = (data["y_pred"] - data["y_true"])[data["sensitive_features"] == "b"]
    limits = stats.ttest_1samp(error, 0).confidence_interval(0.9)
    assert (table.intervals["mean_error"][0][1], table.intervals["mean_error"][1][1]) == pytest.approx(
        tuple(limits)
    )
    for name, losses, power in (("mae", np.abs(error), 1), ("rmse", error**2, 0.5)):
        mean = losses.mean()
        reach = np.array(stats.ttest_1samp(losses, 0).confidence_interval(0.9)) - mean
        expected = (mean * np.exp(reach / mean)) ** power
        assert tuple(limits[1] for limits in table.intervals[name]) == pytest.approx(tuple(expected))


@pytest.mark.parametrize("weighted", [False, True])
def test_limits_of_errors_hold_about_as_often_as_they_say(weighted: bool) -> None:
    rng = np.random.default_rng(2)
    repetitions, truth = (
        300,
        {"mean_error": 1.0, "mae": stats.foldnorm(0.5, scale=2).mean(), "rmse": np.sqrt(1 + 4)},
    )
    held = dict.fromkeys(truth, 0)
    for _ in range(repetitions):
        error = rng.normal(1, 2, 200)
        weight = rng.choice([1.0, 3.0], 200) if weighted else None
        table = regression_metrics(
            np.zeros(200), error, sensitive_features=np.repeat(["a", "b"], 100), sample_weight=weight
        )
        for name, value in truth.items():
            held[name] += int(
                np.sum((table.intervals[name][0] <= value) & (value <= table.intervals[name][1]))
            )
    for name, count in held.items():
        assert 0.92 < count / (2 * repetitions) < 0.975, name


def test_predictions_that_are_independent_of_the_group_are_at_no_distance() -> None:
    y = [1.0, 2.0, 3.0] * 2
    table = regression_metrics(y, y, sensitive_features=list("aaabbb"))
    assert (table.ks_distance(), table.wasserstein_distance()) == (0, 0)
    data = amounts(3)
    del data["sample_weight"]
    table = regression_metrics(**data)
    parts = [data["y_pred"][data["sensitive_features"] == group] for group in "abc"]
    pairs = list(itertools.combinations(parts, 2))
    assert table.ks_distance() == pytest.approx(max(stats.ks_2samp(*pair).statistic for pair in pairs))
    assert table.wasserstein_distance() == pytest.approx(
        max(stats.wasserstein_distance(*pair) for pair in pairs)
    )


def test_a_ratio_of_negative_values_and_an_unknown_value_are_refused() -> None:
    table = regression_metrics([1, 2, 3, 4], [0, 2, 4, 4], sensitive_features=list("aabb"))
    with pytest.raises(ValueError, match="ratio of mean_error is not defined: some are negative"):
        table.ratio("mean_error")
    with pytest.raises(ValueError, match="'mse' is not in this table, which has: mean_label, "):
        table.difference("mse")
    alone, _ = heard(lambda: regression_metrics([1, 2], [2, 2], sensitive_features=list("aa")))
    assert np.isnan([alone.difference("mae"), alone.ratio("mae"), alone.ks_distance()]).all()
    perfect = regression_metrics([1, 2], [1, 2], sensitive_features=list("ab"))
    assert perfect.ratio("mae") == 1
    assert np.isnan(perfect.intervals["mae"][0]).all()  # one row each


def test_amounts_are_compared_with_one_group_if_it_is_named() -> None:
    table = regression_metrics([0] * 6, [1, 1, 2, 2, 5, 5], sensitive_features=list("aabbcc"))
    assert (table.difference("mae"), table.difference("mae", reference="b")) == (4, 3)
    assert (table.ratio("mae"), table.ratio("mae", reference="b")) == (0.2, 0.4)
    assert (table.overall["n"], table.overall["mae"]) == (6, pytest.approx(8 / 3))
    with pytest.raises(ValueError, match="The reference group 'z' is not one of the groups"):
        table.difference("mae", reference="z")


def test_fewer_than_two_effective_rows_have_no_limits_and_two_have() -> None:
    """With next to no degrees of freedom, limits would overflow."""
    for weight, known in ((1e-4, False), (0.3, True)):
        weights = [0.3, weight, 1, 1]
        table = regression_metrics(
            [1, 2, 3, 4], [2, 2, 3, 9], sensitive_features=list("aabb"), sample_weight=weights
        )
        scores = score_metrics(
            [1, 0, 1, 0],
            [0.1, 0.2, 0.3, 0.9],
            sensitive_features=list("aabb"),
            sample_weight=weights,
            metrics=["mean_score", "brier"],
        )
        for low, high in (
            table.intervals["mae"],
            table.intervals["mean_error"],
            scores.intervals["mean_score"],
            scores.intervals["brier"],
        ):
            assert (~np.isnan([low[0], high[0]])).tolist() == [known, known]
    steep = regression_metrics([0] * 3, [0, 1, 1], sensitive_features=list("aab"), confidence=1 - 1e-9)
    assert (steep.intervals["rmse"][0][0], steep.intervals["rmse"][1][0]) == (0, np.inf)


def test_a_group_of_weight_zero_has_no_errors() -> None:
    table, said = heard(
        lambda: regression_metrics(
            [1, 2, 3, 4], [1, 3, 3, 4], sensitive_features=list("aabc"), sample_weight=[1, 1, 1, 0]
        )
    )
    assert "Nothing can be measured for: c (all rows have weight 0). Comparisons pass over them." in said
    assert np.isnan(table.values["mae"][2])
    assert table.difference("mae") == 0.5


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        (["a", "b"], [1, 2], "y_true holds text"),
        ([1, np.nan], [1, 2], "y_true must hold at least one number, and no missing"),
        ([1, 2], [1, np.inf], "y_pred must hold at least one number, and no missing"),
        ([1, 2, 3], [1, 2], "3 rows and y_pred 2"),
    ],
)
def test_amounts_must_be_finite_numbers(y: Any, p: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        regression_metrics(y, p, sensitive_features=[0, 1])


def test_entropy_is_of_decisions_or_of_benefits() -> None:
    with pytest.raises(TypeError, match="Give y_true and y_pred, or benefits=, not both"):
        generalized_entropy([1, 0], [1, 1], benefits=[1, 2])
    for arguments in ({}, {"y_true": [1, 0]}, {"y_pred": [1, 0]}):
        with pytest.raises(TypeError, match="needs y_true and y_pred, or benefits="):
            generalized_entropy(**arguments)


# --- what all of them share ---------------------------------------------------------------------------

RESULTS = {
    "conditional_demographic_disparity": lambda data: conditional_demographic_disparity(**data),
    "mantel_haenszel_odds_ratio": lambda data: mantel_haenszel_odds_ratio(**data, reference="a"),
    "differential_fairness": lambda data: differential_fairness(**unstratified(data)),
    "generalized_entropy": lambda data: generalized_entropy(**unstratified(data)),
    "regression_metrics": lambda data: regression_metrics(**unstratified(data)),
}


def unstratified(data: dict[str, Any]) -> dict[str, Any]:
    return {name: values for name, values in data.items() if name != "strata"}


@pytest.mark.parametrize("name", RESULTS)
def test_results_print_render_pickle_and_become_plain_data(name: str) -> None:
    data = rows(1)
    hostile = "<script>\x1b"
    data["sensitive_features"] = np.where(
        data["sensitive_features"] == "b", hostile, data["sensitive_features"]
    )
    result = RESULTS[name](data)
    assert "<script" not in result._repr_html_()
    assert "&lt;script&gt;" in result._repr_html_()
    assert "\x1b" not in str(result)
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False)) == result.to_dict()
    assert repr(result) == str(result)
    assert pickle.loads(pickle.dumps(result)).to_dict() == result.to_dict()
    for library in (pd, pl):
        frame = result.frame(library.__name__)
        assert list(frame.columns) == list(columns_of(result))
    data["sensitive_features"] = pl.Series(data["sensitive_features"])
    assert isinstance(RESULTS[name](data).frame(), pl.DataFrame)


@given(st.permutations(range(60)), st.permutations(["x", "y", "z"]))
def test_results_know_neither_the_order_of_rows_nor_the_names_of_groups(
    order: list[int], names: list[str]
) -> None:
    data = rows(3, n=60)
    renamed = dict(zip("abc", names, strict=True))
    other = picked(data, np.array(order))
    other["sensitive_features"] = np.array([renamed[group] for group in other["sensitive_features"]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for measure in (
            lambda d: demographic_parity_difference(**d),
            lambda d: differential_fairness(**unstratified(d)).epsilon,
            lambda d: generalized_entropy(**unstratified(d)).between,
            lambda d: regression_metrics(**unstratified(d)).difference("mae"),
            lambda d: multiclass_disparity(**unstratified(d)),
        ):
            assert measure(other) == pytest.approx(measure(data))


@pytest.mark.parametrize("name", RESULTS)
def test_inputs_are_left_as_they_were(name: str) -> None:
    data = rows(2)
    before = {key: values.copy() for key, values in data.items()}
    RESULTS[name](data)
    for key, values in data.items():
        np.testing.assert_array_equal(values, before[key])


# --- without labels, or without predictions -----------------------------------------------------------


def test_metrics_of_selection_need_no_labels() -> None:
    pets = np.array(["cat", "dog", "cow", "cat", "dog", "dog"])
    group, weight = list("aaabbb"), [1.0, 2.0, 1.0, 1.0, 1.0, 4.0]
    data = {"sensitive_features": group, "sample_weight": weight}
    counts = one_vs_rest_counts(None, pets, **data)
    assert not counts.labelled
    assert counts.strata == ("cat", "cow", "dog")
    # Of weight 4 in a, cat has 1, cow 1 and dog 2; of weight 6 in b, cat has 1 and dog 5.
    np.testing.assert_allclose(counts.rate("selection_rate"), [[1 / 4, 1 / 4, 1 / 2], [1 / 6, 0, 5 / 6]])
    np.testing.assert_array_equal(counts.n, [[4] * 3, [6] * 3])
    worst = {"cat": 1 / 12, "cow": 1 / 4, "dog": 1 / 3}
    assert multiclass_disparity(None, pets, average=None, **data) == pytest.approx(worst)
    fairness = differential_fairness(None, pets, concentration=3.0, **data)
    # One row is added to each of the three outcomes: cow is 2/7 in a and 1/9 in b.
    assert fairness.epsilon == pytest.approx(np.log((2 / 7) / (1 / 9)))
    assert (fairness.outcome, fairness.more, fairness.less) == ("cow", "a", "b")


def test_metrics_of_labels_say_that_there_are_none() -> None:
    y, group = [1, 0, 1, 0], list("aabb")
    for name, ask in (
        ("true_positive_rate", lambda: one_vs_rest_counts(None, y, sensitive_features=group).rate("recall")),
        (
            "true_positive_rate",
            lambda: multiclass_disparity(None, y, constraint="equal_opportunity", sensitive_features=group),
        ),
        ("base_rate", lambda: bias_amplification(None, y, sensitive_features=group)),
        ("regression_metrics", lambda: regression_metrics(None, y, sensitive_features=group)),
    ):
        with pytest.raises(ValueError, match=f"^{name} depends on the labels, and there are none: y_true is"):
            ask()
    # A part of a table knows whether there were labels, too.
    counts = GroupCounts.from_predictions(None, y, sensitive_features=group)
    with pytest.raises(ValueError, match="depends on the labels, and there are none"):
        counts.take(["a"]).rate("true_positive_rate")


def test_predictions_that_are_none_are_named() -> None:
    y, group = [1, 0, 1, 0], list("aabb")
    for ask in (
        lambda: disparity(y, None, constraint="demographic_parity", sensitive_features=group),
        lambda: one_vs_rest_counts(y, None, sensitive_features=group),
        lambda: regression_metrics(y, None, sensitive_features=group),
        lambda: consistency([[1], [2], [3], [4]], None, n_neighbors=1),
    ):
        with pytest.raises(ValueError, match="y_pred is None"):
            ask()


# --- a criterion of which one half cannot be measured ---------------------------------------------------


@pytest.mark.parametrize(
    "metric",
    [equalized_odds_difference, equalized_odds_ratio, average_odds_difference, average_odds_ratio],
)
@pytest.mark.parametrize(
    "options", [{}, {"method": "to_overall"}, {"method": "to_reference", "reference": "b"}]
)
def test_half_of_equalized_odds_is_no_parity(metric: Callable[..., float], options: dict[str, Any]) -> None:
    y, p, who = [1, 1, 0, 0, 0, 0, 0, 0], [1, 0, 1, 0, 1, 1, 0, 0], list("aaaabbbb")  # b has no positives
    with pytest.warns(UserWarning, match="true_positive_rate cannot be measured"):
        assert np.isnan(metric(y, p, sensitive_features=who, **options))
    # Beside a stratum in which both halves can be compared: that one alone counts.
    two = [*y, 1, 1, 0, 0, 1, 1, 0, 0], [*p, 1, 1, 0, 0, 1, 1, 0, 0]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        value = metric(*two, sensitive_features=who * 2, strata=[0] * 8 + [1] * 8, **options)
    assert value == (0 if "difference" in metric.__name__ else 1)
    assert any("Passed over 1 of 2 strata" in str(warning.message) for warning in told)


def test_three_classes_whose_criterion_is_half_measured() -> None:
    y, who = ["x", "y", "z", "x", "y", "y"], list("aaabbb")  # b has no z
    with pytest.warns(UserWarning, match="cannot be measured in some strata for: b"):
        values = multiclass_disparity(y, y, sensitive_features=who, constraint="equalized_odds", average=None)
    assert isinstance(values, dict)
    assert values["x"] == values["y"] == 0
    assert np.isnan(values["z"])


# --- a group's share of all who are selected ------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 1), st.integers(1, 4)), min_size=1
    )
)
def test_shares_of_the_selected_are_those_of_the_rows(rows: list[tuple[str, bool, int, int]]) -> None:
    group, selected, stratum, weight = map(list, zip(*rows, strict=True))
    options: dict[str, Any] = {"sensitive_features": group, "sample_weight": weight}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        table = group_metrics(None, selected, metrics=["share_of_selected", "selection_rate"], **options)
        by_stratum = group_metrics(None, selected, metrics="share_of_selected", strata=stratum, **options)
    n_selected = sum(w for _, p, _, w in rows if p)
    for i, label in enumerate(table.groups):
        of_group = sum(w for g, p, _, w in rows if p and g == label)
        share = of_group / n_selected if n_selected else float("nan")
        assert table.shares["share_of_selected"][i] == pytest.approx(share, nan_ok=True)
        n = sum(w for g, _, _, w in rows if g == label)
        assert table.shares["share_of_rows"][i] == pytest.approx(n / sum(weight))
        for j, value in enumerate(by_stratum.strata or ()):
            in_stratum = sum(w for _, p, s, w in rows if p and s == value)
            both = sum(w for g, p, s, w in rows if p and s == value and g == label)
            expected = both / in_stratum if in_stratum else float("nan")
            assert by_stratum.shares["share_of_selected"][i, j] == pytest.approx(expected, nan_ok=True)
    if n_selected:
        assert table.overall["share_of_selected"] == pytest.approx(1)
        low, high = table.intervals["share_of_selected"]
        assert (low <= table.shares["share_of_selected"]).all()
        assert (table.shares["share_of_selected"] <= high).all()
    else:
        assert np.isnan(table.overall["share_of_selected"])
        assert any("nobody is selected" in str(warning.message) for warning in told)


def test_shares_stand_beside_rates_in_the_table() -> None:
    y, p, group = [1, 0, 1, 0], [1, 1, 1, 0], list("aabb")
    table = group_metrics(
        y, p, metrics=["accuracy", "share_of_selected"], sensitive_features=group, min_group_size=1
    )
    columns = columns_of(table)
    assert columns["share_of_rows"] == [0.5, 0.5, 1.0]
    assert columns["share_of_selected"] == pytest.approx([2 / 3, 1 / 3, 1.0])
    # Two of three, as any share: Wilson's interval.
    low, high = table.intervals["share_of_selected"]
    assert (low[0], high[0]) == pytest.approx((0.2077, 0.9385), abs=1e-4)
    assert list(table.disparities().columns["rate"]) == ["accuracy"]
    assert json.loads(json.dumps(table.to_dict()))["shares"]["share_of_rows"] == [0.5, 0.5]
    assert group_metrics(y, p, sensitive_features=group, min_group_size=1).shares == {}


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"mine": "share_of_selected"}, "keeps its name"),
        (["share_of_selected", mean_absolute_error], "in a call without functions"),
        (["share_of_selected", "share_of_selected"], "a name of its own"),
    ],
)
def test_shares_that_cannot_be_had_are_refused(metrics: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        group_metrics([1, 0], [1, 1], metrics=metrics, sensitive_features=["a", "b"])
