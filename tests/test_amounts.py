"""Moments of predicted amounts against brute force: means, intervals, tables that add up, how they print."""

from __future__ import annotations

import json
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import stats

from fairsk import Constraint
from fairsk._core.results import amount, amount_with_interval
from fairsk.metrics import GroupAmounts, amount_disparity, regression_metrics
from fairsk.rates import AMOUNT_CONSTRAINTS, AMOUNT_RATES, MeanRate

PINBALL = MeanRate("pinball", "0.9*under+0.1*over", lower_is_better=True)
MIXED = MeanRate("mixed", "n+2*prediction-0.5*target+3*over-under+0.25*squared_error")


def problem(rng: np.random.Generator) -> dict[str, Any]:
    """Return a few rows in up to four groups, weighted or not."""
    n = int(rng.integers(4, 40))
    target = rng.normal(rng.choice([0, 50]), 5, n).round(2)
    return {
        "y_true": target,
        "y_pred": (target + rng.normal(0, 3, n) * (rng.random(n) < 0.8)).round(2),
        "sensitive_features": rng.choice(list("abcd"), n),
        "sample_weight": None if rng.random() < 0.4 else rng.choice([0.0, 0.3, 1.0, 2.5], n) + 0.01,
    }


def averaged(rate: MeanRate, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return what a mean averages, written out by hand."""
    error = prediction - target
    by_name = {
        "mean_prediction": prediction,
        "mean_error": error,
        "mean_absolute_error": abs(error),
        "mean_squared_error": error**2,
        "root_mean_squared_error": error**2,
        "pinball": np.where(error < 0, -0.9 * error, 0.1 * error),
        "mixed": 1
        + 2 * prediction
        - 0.5 * target
        + 3 * np.maximum(error, 0)
        - np.maximum(-error, 0)
        + 0.25 * error**2,
    }
    return by_name[rate.name]


def test_means_standard_errors_and_merged_tables_are_those_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    rates = [*AMOUNT_RATES.values(), PINBALL, MIXED]
    for _ in range(60):
        data = problem(rng)
        table = GroupAmounts.from_predictions(**data)
        part = rng.integers(0, 3, len(data["y_pred"]))
        tables = [
            GroupAmounts.from_predictions(
                **{name: None if column is None else column[part == k] for name, column in data.items()}
            )
            for k in np.unique(part)
        ]
        merged = sum(tables)
        weights = np.ones(len(part)) if data["sample_weight"] is None else data["sample_weight"]
        pooled = table.regroup(["x" if group in "ab" else "y" for group in table.groups])
        for checked, label_of in (
            (table, lambda group: group),
            (merged, lambda group: group),
            (pooled, lambda group: "x" if group in "ab" else "y"),
            (table.overall(), lambda group: "overall"),
        ):
            labels = np.array([label_of(group) for group in data["sensitive_features"]])
            for rate in rates:
                values, errors = checked.rate(rate), checked.standard_errors(rate)
                for i, group in enumerate(checked.groups):
                    rows = labels == group
                    w, m = weights[rows], averaged(rate, data["y_pred"][rows], data["y_true"][rows])
                    mean = np.average(m, weights=w)
                    size = w.sum() ** 2 / (w**2).sum()
                    assert checked.n[i] == pytest.approx(w.sum())
                    assert checked.effective_rows()[i] == pytest.approx(size)
                    expected = mean**0.5 if rate.root else mean
                    assert values[i] == pytest.approx(expected, abs=1e-9)
                    if size < 2 - 1e-6:
                        assert np.isnan(errors[i])
                        continue
                    error = np.sqrt((w**2 * (m - mean) ** 2).sum() * size / (size - 1)) / w.sum()
                    if rate.root and mean == 0:
                        assert np.isnan(errors[i])
                        continue
                    assert errors[i] == pytest.approx(
                        error / (2 * mean**0.5) if rate.root else error, abs=1e-7
                    )


def test_disparities_are_those_of_the_means() -> None:
    rng = np.random.default_rng(1)
    compared = 0
    for _ in range(30):
        data = problem(rng)
        table = GroupAmounts.from_predictions(**data)
        if len(table.groups) < 2:
            continue
        for constraint in [*AMOUNT_CONSTRAINTS.values(), Constraint("pinball_parity", PINBALL)]:
            (rate,) = constraint.rates
            assert amount_disparity(**data, constraint=constraint) == table.compare(constraint)
            assert regression_metrics(**data).compare(constraint) == table.compare(constraint)
            values = table.rate(rate)
            assert table.compare(constraint) == pytest.approx(np.ptp(values))
            assert table.compare(rate, method="to_reference", reference=table.groups[0]) == pytest.approx(
                abs(values - values[0]).max()
            )
            gaps = [abs(a - b) for i, a in enumerate(values) for b in values[:i]]
            assert table.compare(constraint, "mean_difference") == pytest.approx(np.mean(gaps))
            worst = max if rate.lower_is_better else min
            assert table.compare(constraint, "worst_group") == pytest.approx(worst(values))
            overall = table.overall().rate(rate)[0]
            assert table.compare(constraint, method="to_overall") == pytest.approx(
                abs(values - overall).max()
            )
            if not rate.can_be_negative and values.max() > 0:
                compared += 1
                assert table.compare(constraint, "ratio") == pytest.approx(values.min() / values.max())
    assert compared > 30
    table = GroupAmounts.from_predictions([1, 2, 3], [-1, 2, 3], sensitive_features=list("abb"))
    with pytest.raises(ValueError, match="'mean_prediction' is negative in a group"):
        table.compare("mean_parity", "ratio")
    with pytest.raises(ValueError, match="'mean_error' can be negative"):
        table.compare("mean_error_parity", "ratio")


def test_no_digits_are_lost_of_amounts_that_are_large_beside_their_spread() -> None:
    rng = np.random.default_rng(2)
    target = 1e9 + rng.integers(0, 9, 60) / 8
    prediction = target + rng.integers(-3, 4, 60) / 2**14
    exact_error = [Fraction(p) - Fraction(t) for p, t in zip(prediction, target, strict=True)]
    tables = [
        GroupAmounts.from_predictions(target[i::3], prediction[i::3], sensitive_features=["a"] * 20)
        for i in range(3)
    ]
    merged = sum(tables)
    for rate, rows in (("mean_error", exact_error), ("mean_prediction", list(map(Fraction, prediction)))):
        mean = sum(rows) / 60
        variance = sum((row - mean) ** 2 for row in rows) / 59 / 60
        assert merged.rate(rate)[0] == pytest.approx(float(mean), rel=1e-13)
        apart = sum(tables, start=GroupAmounts.from_predictions([0.0], [0.0], sensitive_features=["b"]))
        assert apart.compare(AMOUNT_RATES[rate]) == pytest.approx(abs(float(mean)), rel=1e-13)
        assert merged.standard_errors(rate)[0] == pytest.approx(float(variance) ** 0.5, rel=1e-9)


def test_intervals_are_students_and_agree_with_the_bootstrap() -> None:
    rng = np.random.default_rng(3)
    n = 400
    data: dict[str, Any] = {
        "y_true": rng.gamma(2, 20, n),
        "sensitive_features": rng.choice(list("ab"), n),
        "sample_weight": rng.choice([0.5, 1.0, 3.0], n),
    }
    data["y_pred"] = data["y_true"] + rng.normal(2, 9, n)
    table = GroupAmounts.from_predictions(**data)
    rows = np.flatnonzero(data["sensitive_features"] == "a")
    drawn = rng.choice(rows, (2000, len(rows)))
    w = data["sample_weight"][drawn]
    for rate in AMOUNT_RATES.values():
        m = averaged(rate, data["y_pred"][drawn], data["y_true"][drawn])
        means = (w * m).sum(1) / w.sum(1)
        spread = np.std(means**0.5 if rate.root else means)
        assert table.standard_errors(rate)[0] == pytest.approx(spread, rel=0.08), rate.name
    unweighted = GroupAmounts.from_predictions(**{**data, "sample_weight": None})
    errors = (data["y_pred"] - data["y_true"])[rows]
    limits = stats.ttest_1samp(errors, 0).confidence_interval(0.9)
    low, high = unweighted.intervals("mean_error", 0.9)
    assert (low[0], high[0]) == pytest.approx(tuple(limits))


def test_tables_are_kept_cut_and_restored() -> None:
    rng = np.random.default_rng(4)
    y = rng.normal(size=40)
    sex, race = rng.choice(list("fm"), 40), rng.choice(list("xyz"), 40)
    both = np.column_stack([sex, race])
    table = GroupAmounts.from_predictions(y, y + 1, sensitive_features=both, sample_weight=rng.random(40))
    assert GroupAmounts.from_state(json.loads(json.dumps(table.to_state()))) == table
    assert pickle.loads(pickle.dumps(table)) == table
    by_sex = table.marginal(table.names[0])
    assert by_sex.groups == ("f", "m")
    assert by_sex.n.sum() == pytest.approx(table.n.sum())
    assert table.take(table.groups[::-1]).groups == table.groups[::-1]
    empty = table.take([])
    assert GroupAmounts.from_state(json.loads(json.dumps(empty.to_state()))) == empty
    assert empty + table == table
    with pytest.raises(ValueError, match="Only tables of the same sensitive attributes add up"):
        table + by_sex
    with pytest.raises(ValueError, match="There is no group 'q'"):
        by_sex.take(["q"])
    with pytest.raises(ValueError, match="A group is listed twice"):
        by_sex.take(["f", "f"])
    with pytest.raises(ValueError, match=r"means must hold numbers of shape \(2, 4\)"):
        GroupAmounts.from_state(by_sex.to_state() | {"means": [1.0, 2.0]})


def test_without_targets_only_predictions_are_measured() -> None:
    table = GroupAmounts.from_predictions(None, [1, 3, 8], sensitive_features=list("aab"))
    assert table.compare("mean_parity") == 6
    assert set(table.moments) == {"n", "prediction"}
    assert "mean_error" not in str(table)
    with pytest.raises(ValueError, match="mean_squared_error depends on the labels"):
        table.compare("error_parity")
    with pytest.raises(ValueError, match="mean_error depends on the labels"):
        table.intervals("mean_error")
    with pytest.raises(ValueError, match="tables without"):
        table + GroupAmounts.from_predictions([1], [1], sensitive_features=["a"])
    with pytest.raises(ValueError, match="'equalized_odds' is about decisions"):
        table.compare("equalized_odds")
    with pytest.raises(ValueError, match=r"no mean of amounts 'mean_eror'.*Did you mean 'mean_error'"):
        table.rate("mean_eror")


def test_texts_and_dates_are_no_amounts() -> None:
    days = np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[D]")
    for values in (["1", "2"], np.array([1.0, "2"], dtype=object), days, days - days[0]):
        with pytest.raises(
            ValueError, match=r"y_pred (must hold numbers, got values such as|holds text, such as)"
        ):
            GroupAmounts.from_predictions(None, values, sensitive_features=["a", "b"])
    assert GroupAmounts.from_predictions(None, [True, Fraction(1, 2)], sensitive_features=["a", "a"]).n == [2]


def test_groups_without_weight_are_named_and_passed_over() -> None:
    table = GroupAmounts.from_predictions(
        [1, 2, 3, 4], [1, 4, 3, 9], sensitive_features=list("aabc"), sample_weight=[1, 1, 1, 0]
    )
    with pytest.warns(UserWarning, match="Nothing can be measured for: c "):
        assert table.compare("mean_error_parity") == 1
    with pytest.warns(UserWarning, match="Fewer than two groups"):
        assert np.isnan(table.take(["a", "c"]).compare("mean_parity"))
    assert table.overall().rate("mean_prediction")[0] == pytest.approx(8 / 3)


def test_amounts_are_printed_with_their_significant_digits() -> None:
    shown = {
        51234.5678: "51,235",
        1234567.8: "1,234,568",
        512.34567: "512.3",
        5.0: "5.000",
        0.000123456: "0.0001235",
        -0.05: "-0.05000",
        0.0: "0.000",
        1e20: "1.000e+20",
        -2e-19: "-2.000e-19",
        float("nan"): "-",
        float("inf"): "inf",
    }
    assert {value: amount(value) for value in shown} == shown
    assert amount_with_interval(51234.5678, 51190.2, 51279.1) == "51,235 [51,190, 51,279]"
    assert amount_with_interval(0.012345, 0.0115, 0.01319) == "0.01235 [0.01150, 0.01319]"
    assert amount_with_interval(3.0, 2.1, 4.3) == "3.0 [2.1, 4.3]"
    assert amount_with_interval(3.0, 3.0, 3.0) == "3.000 [3.000, 3.000]"
    assert amount_with_interval(3.0, np.nan, np.nan) == "3.000"
    assert amount_with_interval(3.0, 0.0, np.inf) == "3.000 [0.000, inf]"
    assert amount_with_interval(1e9, 1e9 - 1e-6, 1e9 + 1e-6).startswith("1,000,000,000.00000 ")
