"""Verdicts and contrasts of amounts against Welch's test, and of several classes against each class alone."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import stats

from fairsk import Constraint, Rate
from fairsk.metrics import GroupAmounts, GroupCounts, one_vs_rest_counts, regression_metrics
from fairsk.rates import AMOUNT_RATES
from fairsk.statistics import (
    bootstrap,
    contrasts,
    difference_interval,
    rate_intervals,
    rate_standard_errors,
    ratio_interval,
    smallest_detectable,
    verdict,
)


def wages(seed: int, sizes: tuple[int, ...] = (30, 45, 12)) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Return predicted wages of groups a, b, c and the errors of each."""
    rng = np.random.default_rng(seed)
    group = np.repeat(list("abc")[: len(sizes)], sizes)
    target = rng.gamma(9, 5_000, len(group))
    predicted = target + rng.normal(0, 3_000, len(group)) + 1_500 * (group == "c")
    parts = [(predicted - target)[group == label] for label in np.unique(group)]
    return {"y_true": target, "y_pred": predicted, "sensitive_features": group}, parts


def test_differences_of_means_have_welch_intervals_that_hold_together() -> None:
    for seed in range(8):
        data, errors = wages(seed)
        table = GroupAmounts.from_predictions(**data)
        pairs = list(itertools.combinations(errors, 2))
        tests = [stats.ttest_ind(*pair, equal_var=False) for pair in pairs]
        found = contrasts(table, "mean_error")
        assert found.p_values == pytest.approx([test.pvalue for test in tests])
        assert found.z == pytest.approx([test.statistic for test in tests])
        limits = np.array([test.confidence_interval(0.95) for test in tests])
        assert np.column_stack([found.low, found.high]) == pytest.approx(limits)
        # Three pairs at 95% together: each at 1 - .05 / 3.
        joint = np.array([test.confidence_interval(1 - 0.05 / 3) for test in tests])
        gaps = np.array([np.mean(one) - np.mean(two) for one, two in pairs])
        lows = np.maximum(0, np.maximum(joint[:, 0], -joint[:, 1]))
        highs = abs(joint).max(1)
        assert difference_interval(table, "mean_error_parity") == pytest.approx((lows.max(), highs.max()))
        for bound in (0.0, 500.0, 2_000.0, 8_000.0):
            judged = verdict(table, "mean_error_parity", max_difference=bound)
            outcome = "FAIL" if (lows > bound).any() else "PASS" if (highs <= bound).all() else "INCONCLUSIVE"
            assert judged.outcome == outcome
            assert judged.value == pytest.approx(abs(gaps).max())
            assert (judged.low, judged.high) == pytest.approx((lows.max(), highs.max()))
            assert judged.small_groups == ("c",)
            assert judged.n == len(data["y_pred"])
    to_rest = contrasts(table, "mean_error", method="to_rest")
    of_all = contrasts(table, "mean_error", method="to_overall")
    for place in range(3):
        rest = np.concatenate([part for k, part in enumerate(errors) if k != place])
        test = stats.ttest_ind(errors[place], rest, equal_var=False)
        assert to_rest.p_values[place] == pytest.approx(test.pvalue)
        assert of_all.values[place] == pytest.approx(errors[place].mean() - np.concatenate(errors).mean())


def test_a_table_of_regression_metrics_is_taken_and_rates_read_by_name() -> None:
    data, _ = wages(1)
    table = GroupAmounts.from_predictions(**data)
    metrics = regression_metrics(**data)
    for rate in AMOUNT_RATES:
        assert np.array_equal(rate_intervals(metrics, rate), table.intervals(rate))
        assert np.array_equal(rate_standard_errors(metrics, rate), table.standard_errors(rate))
        assert verdict(metrics, rate, max_difference=9e9).outcome == "PASS"
    low, high = ratio_interval(table, "error_parity")
    values = table.rate("mean_squared_error")
    assert low < values.min() / values.max() < high
    pinball = Constraint("pinball_parity", AMOUNT_RATES["mean_absolute_error"])
    assert verdict(table, pinball, min_ratio=0.01).outcome == "PASS"
    with pytest.raises(TypeError, match="'selection' is a rate of decisions"):
        rate_intervals(table, Rate("selection", "tp+fp", "n"))
    with pytest.raises(TypeError, match="'mean_error' is a mean of amounts"):
        contrasts(
            GroupCounts(["a"], {cell: [1] for cell in ("tp", "fp", "fn", "tn")}), AMOUNT_RATES["mean_error"]
        )
    with pytest.raises(TypeError, match="bootstrap takes counts"):
        bootstrap(table, "mean_error", n_resamples=9)
    with pytest.raises(ValueError, match="'demographic_parity' is about decisions"):
        verdict(table, "demographic_parity", max_difference=1)


def test_intervals_of_amounts_hold_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    repetitions, held = 300, {"mean_prediction": 0, "mean_absolute_error": 0}
    for _ in range(repetitions):
        error = rng.normal(0, np.repeat([1.0, 3.0], [12, 40]))
        table = GroupAmounts.from_predictions(
            np.zeros(52), error, sensitive_features=np.repeat(["a", "b"], [12, 40])
        )
        for name in held:
            found = contrasts(table, name)
            truth = 0.0 if name == "mean_prediction" else -2 * stats.foldnorm(0).mean()
            held[name] += bool(found.low[0] <= truth <= found.high[0])
    for name, count in held.items():
        assert 0.92 < count / repetitions < 0.985, name


def test_of_one_row_nothing_is_known_and_of_negative_means_there_is_no_ratio() -> None:
    table = GroupAmounts.from_predictions(
        [1, 2, 3, 4, 5, 9], [1.5, 2, 3, 4, 6, 11], sensitive_features=list("aabbbc")
    )
    judged = verdict(table, "mean_parity", max_difference=100)
    assert (judged.outcome, judged.low, judged.high) == ("INCONCLUSIVE", 0, np.inf)
    assert judged.pairs.outcomes == ("PASS", "INCONCLUSIVE", "INCONCLUSIVE")
    assert "There is a difference" not in str(judged)
    ratio = verdict(table, "absolute_error_parity", min_ratio=0.9)
    assert (ratio.outcome, ratio.low, ratio.high) == ("INCONCLUSIVE", 0, 1)
    negative = GroupAmounts.from_predictions(None, [-1, -2, 3, 4], sensitive_features=list("aabb"))
    for ask in (
        lambda: verdict(negative, "mean_parity", min_ratio=0.8),
        lambda: ratio_interval(negative, "mean_parity"),
        lambda: contrasts(negative, "mean_prediction", comparison="ratio"),
    ):
        with pytest.raises(ValueError, match=r"ratio of .* is not defined"):
            ask()
    unlabelled = verdict(negative, "mean_parity", max_difference=10)
    assert unlabelled.value == 5
    with pytest.raises(ValueError, match="depends on the labels"):
        verdict(negative, "error_parity", max_difference=10)


def test_verdicts_on_amounts_are_written_with_their_digits() -> None:
    data, _ = wages(2, (400, 500))
    judged = verdict(GroupAmounts.from_predictions(**data), "mean_parity", max_difference=12_500)
    assert "above 12,500" in str(judged)
    value, *_ = str(judged).removeprefix("PASS: mean_parity difference ").split(" ")
    assert float(value.replace(",", "")) == pytest.approx(judged.value, rel=0.2)
    assert "e+" not in str(judged) + str(judged.pairs)
    detectable = smallest_detectable(GroupAmounts.from_predictions(**data), "mean_parity")
    variances = [
        data["y_pred"][data["sensitive_features"] == label].var(ddof=1) / size
        for label, size in (("a", 400), ("b", 500))
    ]
    assert detectable == pytest.approx((1.959964 + 0.841621) * sum(variances) ** 0.5, rel=1e-6)


def test_of_several_classes_the_worst_decides_and_each_is_shown() -> None:
    rng = np.random.default_rng(6)
    outcomes = set()
    for _ in range(25):
        groups = rng.choice(list("ab"), 300)
        chances = [0.5, 0.3, 0.2], rng.dirichlet([20, 12, 8])
        answers = np.array([rng.choice(3, p=chances[group == "b"]) for group in groups])
        counts = one_vs_rest_counts(None, answers, sensitive_features=groups)
        judged = verdict(counts, "demographic_parity", max_difference=0.08)
        # Each class by itself, at the confidence that makes the three hold together.
        alone = [
            verdict(counts.stratum(k), "demographic_parity", max_difference=0.08, confidence=1 - 0.05 / 3)
            for k in counts.strata
        ]
        assert judged.pairs.outcomes == tuple(each.outcome for each in alone)
        assert judged.pairs.rates == tuple(f"selection_rate ({k})" for k in counts.strata)
        worst = max(alone, key=lambda each: each.value)
        assert (judged.value, judged.groups, judged.n) == (worst.value, worst.groups, 300)
        assert judged.rate == f"selection_rate ({counts.strata[alone.index(worst)]})"
        assert judged.high == max(each.high for each in alone)
        found = {each.outcome for each in alone}
        expected = "FAIL" if "FAIL" in found else "INCONCLUSIVE" if "INCONCLUSIVE" in found else "PASS"
        assert judged.outcome == expected
        outcomes.add(judged.outcome)
    assert len(outcomes) > 1


def test_a_class_in_which_groups_cannot_be_compared_is_passed_over_and_never_passes() -> None:
    y = np.array([0, 1, 0, 1] * 50 + [2] * 10)
    groups = np.array(list("aabb") * 50 + ["a"] * 10)
    counts = one_vs_rest_counts(y, y, sensitive_features=groups)
    with pytest.warns(UserWarning, match="true_positive_rate cannot be measured in some strata for: b"):
        judged = verdict(counts, "equal_opportunity", max_difference=0.2)
    assert (judged.outcome, judged.reason, judged.value) == ("INCONCLUSIVE", "partly_measured", 0)
    assert judged.unmeasured == {"true_positive_rate (2)": ("b",)}
