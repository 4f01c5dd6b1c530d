"""Metrics of scores per group equal independent computations, and their intervals cover."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score, roc_curve
from toy_data import columns_of

from fairsk._core.histograms import ScoreHistograms
from fairsk.metrics._scores.abroca import abroca, abroca_test
from fairsk.metrics._scores.calibration_error import CalibrationCurves, calibration_curves
from fairsk.metrics._scores.differences import (
    auc_difference,
    brier_difference,
    calibration_error_difference,
    log_loss_difference,
    worst_group_calibration_error,
)
from fairsk.metrics._scores.distances import ks_distance, wasserstein_distance
from fairsk.metrics._scores.estimates import auc
from fairsk.metrics._scores.grouped import GroupedScores
from fairsk.metrics._scores.table import ScoreMetrics, score_metrics
from fairsk.statistics import rate_intervals

SKLEARN: dict[str, Callable[..., float]] = {
    "auc": roc_auc_score,
    "brier": brier_score_loss,
    "log_loss": log_loss,
    "mean_score": lambda y, s, sample_weight: np.average(s, weights=sample_weight),
    "base_rate": lambda y, s, sample_weight: np.average(y, weights=sample_weight),
}
DIFFERENCES = {"auc": auc_difference, "brier": brier_difference, "log_loss": log_loss_difference}
SETTINGS = [(False, False), (True, False), (False, True), (True, True)]


def make_rows(
    seed: int = 0, n: int = 400, *, ties: bool = False, weighted: bool = False, n_groups: int = 3
) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, n_groups, n)
    scores = rng.beta(1 + group, 2, n)
    y = (rng.random(n) < scores**1.3).astype(int)
    return {
        "y_true": y,
        "y_score": np.round(scores, 1) if ties else scores,
        "sensitive_features": np.array(["a", "b", "c", "d"])[group],
        "sample_weight": rng.choice([0.5, 1.0, 3.0], n) if weighted else None,
    }


def parts(rows: dict[str, Any]) -> dict[str, tuple[Any, Any, Any]]:
    weight = rows["sample_weight"] if rows["sample_weight"] is not None else np.ones(len(rows["y_true"]))
    groups = rows["sensitive_features"]
    return {
        label: (rows["y_true"][groups == label], rows["y_score"][groups == label], weight[groups == label])
        for label in np.unique(groups)
    }


def largest_gap(values: Any) -> float:
    return float(np.ptp(np.asarray(values)))


# --- values --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ties", "weighted"), SETTINGS)
@pytest.mark.parametrize("name", SKLEARN)
def test_values_equal_scikit_learns_on_each_group(name: str, ties: bool, weighted: bool) -> None:
    rows = make_rows(ties=ties, weighted=weighted)
    table = score_metrics(**rows)
    expected = [SKLEARN[name](y, s, sample_weight=w) for y, s, w in parts(rows).values()]
    assert table.values[name] == pytest.approx(expected, rel=1e-10)
    weight = rows["sample_weight"] if weighted else np.ones(len(rows["y_true"]))
    overall = SKLEARN[name](rows["y_true"], rows["y_score"], sample_weight=weight)
    assert table.overall[name] == pytest.approx(overall, rel=1e-10)
    assert table.difference(name) == pytest.approx(largest_gap(expected))
    assert table.difference(name, reference="a") == pytest.approx(
        np.abs(np.array(expected) - expected[0]).max()
    )
    assert table.ratio(name) == pytest.approx(min(expected) / max(expected))
    if name in DIFFERENCES:
        assert DIFFERENCES[name](**rows) == pytest.approx(largest_gap(expected))
        assert DIFFERENCES[name](**rows, reference="a") == pytest.approx(
            table.difference(name, reference="a")
        )


def test_log_loss_of_certain_scores_equals_scikit_learns() -> None:
    y, s = np.array([0, 1, 1, 0]), np.array([0.0, 1.0, 0.0, 0.5])
    table = score_metrics(y, s, sensitive_features=["a"] * 4, metrics="log_loss")
    assert table.overall["log_loss"] == pytest.approx(log_loss(y, s))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_calibration_error_equals_a_loop_over_bins(strategy: Any, weighted: bool) -> None:
    rows = make_rows(weighted=weighted)
    edges = np.arange(1, 8) / 8
    if strategy == "quantile":
        weight = rows["sample_weight"] if weighted else np.ones(len(rows["y_true"]))
        order = np.argsort(-rows["y_score"])
        above = np.cumsum(weight[order]) / weight.sum()
        edges = np.sort([rows["y_score"][order][above >= 1 - q - 1e-12][0] for q in edges])
    expected = []
    for y, s, w in parts(rows).values():
        place = np.digitize(s, edges)
        inside = [place == b for b in range(8) if (place == b).any()]
        gaps = [
            w[i].sum() * abs(np.average(y[i], weights=w[i]) - np.average(s[i], weights=w[i])) for i in inside
        ]
        expected.append(sum(gaps) / w.sum())
    table = score_metrics(**rows, n_bins=8, strategy=strategy)
    assert table.values["calibration_error"] == pytest.approx(expected)
    options = {"n_bins": 8, "strategy": strategy}
    assert calibration_error_difference(**rows, **options) == pytest.approx(largest_gap(expected))
    assert worst_group_calibration_error(**rows, **options) == pytest.approx(max(expected))
    assert calibration_curves(**rows, **options).errors == pytest.approx(expected)


def test_quantile_bins_hold_equally_many_rows() -> None:
    rows = make_rows(n=1000)
    assert calibration_curves(**rows, n_bins=5, strategy="quantile").n.sum(0).tolist() == [200.0] * 5


def test_calibration_curves_equal_scikit_learns() -> None:
    rows = make_rows()
    y, s, _ = parts(rows)["b"]
    label_rates, mean_scores = calibration_curve(y, s, n_bins=4)
    curves = calibration_curves(
        rows["y_true"], rows["y_score"], sensitive_features=rows["sensitive_features"], n_bins=4
    )
    assert curves.label_rates[1] == pytest.approx(label_rates)
    assert curves.mean_scores[1] == pytest.approx(mean_scores)
    low, high = curves.intervals
    p, n = label_rates, curves.n[1]
    wilson = [
        stats.binomtest(round(a * b), int(b)).proportion_ci(method="wilson")
        for a, b in zip(p, n, strict=True)
    ]
    assert low[1] == pytest.approx([limits.low for limits in wilson])
    assert high[1] == pytest.approx([limits.high for limits in wilson])


def test_calibrated_scores_show_the_error_that_is_expected_by_chance() -> None:
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(200):
        s = rng.random(400)
        table = score_metrics(
            rng.random(400) < s, s, sensitive_features=["a"] * 400, metrics="calibration_error"
        )
        errors.append(table.values["calibration_error"][0])
    assert table.by_chance is not None
    assert table.by_chance[0] == pytest.approx(np.mean(errors), rel=0.04)


def test_gaps_between_groups_pass_over_bins_of_few_rows() -> None:
    y = np.repeat([1, 0, 1, 0, 1, 0], [30, 10, 20, 20, 1, 1])
    group = np.repeat(["a", "b", "a", "b"], [40, 40, 1, 1])
    s = np.repeat([0.75, 0.25], [80, 2])
    curves = calibration_curves(y, s, sensitive_features=group, n_bins=2)
    assert curves.gaps() == pytest.approx([np.nan, 0.25], nan_ok=True)
    assert curves.largest_gap() == pytest.approx(0.25)
    assert curves.largest_gap(min_group_size=1) == pytest.approx(1.0)
    assert np.isnan(curves.largest_gap(min_group_size=100))


# --- distances -----------------------------------------------------------------------------------------


def test_ks_distance_equals_scipys() -> None:
    for seed, ties in ((0, False), (1, True)):
        rows = make_rows(seed, ties=ties)
        found = ks_distance(rows["y_score"], sensitive_features=rows["sensitive_features"])
        pairs = combinations([s for _, s, _ in parts(rows).values()], 2)
        assert found == pytest.approx(max(stats.ks_2samp(a, b).statistic for a, b in pairs))


@pytest.mark.parametrize(("ties", "weighted"), SETTINGS)
def test_wasserstein_distance_equals_scipys(ties: bool, weighted: bool) -> None:
    rows = make_rows(ties=ties, weighted=weighted)
    rows["y_score"] = 5 * rows["y_score"] - 2
    y_true = rows.pop("y_true")
    pairs = list(combinations(parts(rows | {"y_true": y_true}).values(), 2))
    expected = [stats.wasserstein_distance(a, b, v, w) for (_, a, v), (_, b, w) in pairs]
    assert wasserstein_distance(**rows) == pytest.approx(max(expected))
    assert wasserstein_distance(**rows, reference="a") == pytest.approx(max(expected[:2]))


def test_the_ks_distance_is_the_worst_selection_gap_and_the_wasserstein_distance_the_mean_one() -> None:
    rows = make_rows(ties=True, weighted=True, n_groups=2)
    thresholds = np.linspace(0.0005, 0.9995, 1000)
    selected = [
        np.array([np.average(s >= t, weights=w) for t in thresholds]) for _, s, w in parts(rows).values()
    ]
    gaps = np.abs(selected[0] - selected[1])
    rows.pop("y_true")
    assert ks_distance(**rows) == pytest.approx(gaps.max())
    assert wasserstein_distance(**rows) == pytest.approx(gaps.mean())


@pytest.mark.parametrize(("given", "label"), [("positives", 1), ("negatives", 0)])
def test_distances_given_the_label_are_those_of_its_rows(given: Any, label: int) -> None:
    rows = make_rows(weighted=True)
    kept = rows["y_true"] == label
    alone = {name: values[kept] for name, values in rows.items() if name != "y_true"}
    table = score_metrics(**rows)
    for distance in (ks_distance, wasserstein_distance):
        assert distance(**rows, given=given) == pytest.approx(distance(**alone))
        assert getattr(table, distance.__name__)(given=given) == pytest.approx(distance(**alone))


# --- ABROCA --------------------------------------------------------------------------------------------


def area_by_brute_force(first: Any, second: Any, n_points: int = 200_001) -> float:
    """Average the distance of two of scikit-learn's ROC curves over the middles of a fine grid."""
    grid = (np.arange(n_points) + 0.5) / n_points
    curves = []
    for y, s, w in (first, second):
        fpr, tpr, _ = roc_curve(y, s, sample_weight=w, drop_intermediate=False)
        curves.append(np.interp(grid, fpr, tpr))
    return float(np.abs(curves[0] - curves[1]).mean())


@pytest.mark.parametrize(("ties", "weighted"), SETTINGS)
def test_abroca_is_the_area_between_the_curves(ties: bool, weighted: bool) -> None:
    rows = make_rows(ties=ties, weighted=weighted, n=200)
    pairs = list(combinations(parts(rows).values(), 2))
    expected = [area_by_brute_force(a, b) for a, b in pairs]
    assert abroca(**rows) == pytest.approx(max(expected), abs=2e-5)
    assert abroca(**rows, reference="b") == pytest.approx(max(expected[0], expected[2]), abs=2e-5)
    assert score_metrics(**rows).abroca() == abroca(**rows)


def test_curves_that_cross_inside_a_straight_piece_have_an_area_where_their_own_areas_agree() -> None:
    # Group a: a triangle below the corner (0.2, 0.5); b: one below (0.5, 0.8). They cross once, by symmetry
    # with equal areas: 0.65 each. The difference of areas, which some call ABROCA, would be 0.
    y = np.repeat([1, 0, 1, 0, 1, 0, 1, 0], [5, 2, 5, 8, 8, 5, 2, 5])
    s = np.repeat([2, 2, 1, 1, 2, 2, 1, 1], [5, 2, 5, 8, 8, 5, 2, 5])
    group = np.repeat(["a", "b"], 20)
    assert auc_difference(y, s, sensitive_features=group) == pytest.approx(0, abs=1e-12)
    # 5/2 f = 8/5 f only at 0; then 1/2 + 5/8 (f - 1/5) = 8/5 f at f = 15/39.
    cross = 15 / 39
    before = 0.18 * cross / 2  # two triangles with the height at 0.2 in common
    after = (0.8 - (0.5 + 0.3 * 5 / 8)) * (1 - cross) / 2
    assert abroca(y, s, sensitive_features=group) == pytest.approx(before + after)


def test_abroca_is_the_difference_of_the_areas_where_one_curve_lies_above_the_other() -> None:
    rng = np.random.default_rng(0)
    y, group = rng.integers(0, 2, 4000), np.repeat(["a", "b"], 2000)
    s = rng.normal(y * np.where(group == "a", 3.0, 0.5))
    area = abroca(y, s, sensitive_features=group)
    assert area == pytest.approx(auc_difference(y, s, sensitive_features=group), abs=2e-4)


def test_the_abroca_test_keeps_its_level_though_scores_are_shifted_and_finds_a_difference() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(["a", "b"], [120, 60])
    same, different = [], []
    for seed in range(100):
        y = (rng.random(180) < 0.4).astype(int)
        s = rng.normal(y) + 3 * (group == "b")
        options: dict[str, Any] = {"sensitive_features": group, "n_resamples": 99, "random_state": seed}
        same.append(abroca_test(y, s, **options).p_value)
        different.append(abroca_test(y, s + 3 * y * (group == "a"), **options).p_value)
    assert np.mean(np.array(same) <= 0.05) < 0.12  # binomial: this much has a chance of 1 in 200
    assert 0.35 < np.mean(np.array(same) <= 0.5) < 0.65
    assert np.mean(np.array(different) <= 0.05) > 0.9


def test_the_abroca_test_says_what_chance_gives_and_repeats_itself() -> None:
    rows = make_rows(n=150, weighted=True)
    one, two = (abroca_test(**rows, n_resamples=50, random_state=3) for _ in range(2))
    assert (one.value, one.by_chance, one.p_value) == (two.value, two.by_chance, two.p_value)
    assert one.value == abroca(**rows)
    assert 0 < one.by_chance < 0.5
    assert list(columns_of(one)) == ["abroca", "by_chance", "p"]
    record = one.to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert (record["value"], record["p_value"]) == (one.value, one.p_value)
    assert repr(one) == str(one)
    with pytest.raises(ValueError, match="n_resamples must be at least 1"):
        abroca_test(**rows, n_resamples=0)


# --- intervals -----------------------------------------------------------------------------------------


def test_delongs_variance_equals_the_formula_over_pairs() -> None:
    rows = make_rows(ties=True, n=80, n_groups=1)
    y, s = rows["y_true"] == 1, rows["y_score"]
    wins = (s[y][:, None] > s[~y]) + 0.5 * (s[y][:, None] == s[~y])
    variance = wins.mean(1).var(ddof=1) / y.sum() + wins.mean(0).var(ddof=1) / (~y).sum()
    found = auc(GroupedScores.of_rows(**rows).total, 0.95)
    assert found.value == pytest.approx(wins.mean())
    a, b = wins.mean(1).var(ddof=1) / y.sum(), wins.mean(0).var(ddof=1) / (~y).sum()
    freedom = variance**2 / (a**2 / (y.sum() - 1) + b**2 / ((~y).sum() - 1))
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variance) / (wins.mean() * (1 - wins.mean()))
    odds = wins.mean() / (1 - wins.mean())
    limits = [odds * np.exp(shift) / (1 + odds * np.exp(shift)) for shift in (-half, half)]
    assert [found.low, found.high] == pytest.approx(limits)


@pytest.mark.parametrize(("positives", "negatives"), [(10, 40), (25, 25), (100, 300)])
@pytest.mark.parametrize("area", [0.5, 0.7, 0.9])
def test_intervals_of_the_area_cover(positives: int, negatives: int, area: float) -> None:
    rng = np.random.default_rng(positives)
    shift, y = stats.norm.ppf(area) * np.sqrt(2), np.repeat([1, 0], [positives, negatives])
    covered = []
    for _ in range(500):
        scores = GroupedScores.of_rows(y, rng.normal(shift * y), sensitive_features=np.zeros(len(y), int))
        found = auc(scores.total, 0.95)
        covered.append(found.low <= area <= found.high)
    assert 0.92 <= np.mean(covered) <= 0.985


def test_intervals_of_the_area_have_the_width_of_the_bootstrap() -> None:
    rng = np.random.default_rng(0)
    rows = make_rows(n=600, n_groups=1, weighted=True)
    y, s, w = rows["y_true"], rows["y_score"], rows["sample_weight"]
    draws = rng.integers(0, 600, (600, 600))
    spread = np.std([roc_auc_score(y[i], s[i], sample_weight=w[i]) for i in draws])
    table = score_metrics(**rows, confidence=0.6826894921370859, metrics="auc")
    low, high = table.intervals["auc"]
    assert (high[0] - low[0]) / 2 == pytest.approx(spread, rel=0.08)


@pytest.mark.parametrize("weights", [[1.0], [0.5, 1.0, 3.0]])
def test_intervals_of_means_cover(weights: list[float]) -> None:
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(400):
        s, w = rng.random(80), rng.choice(weights, 80)
        y = rng.random(80) < s
        table = score_metrics(
            y, s, sensitive_features=["a"] * 80, sample_weight=w, metrics=["mean_score", "brier", "log_loss"]
        )
        truth = {"mean_score": 1 / 2, "brier": 1 / 6, "log_loss": 1 / 2}
        limits = {name: [float(end[0]) for end in table.intervals[name]] for name in truth}
        covered.append([limits[name][0] <= value <= limits[name][1] for name, value in truth.items()])
    assert (np.mean(covered, 0) > 0.92).all()
    assert (np.mean(covered, 0) < 0.98).all()


def test_intervals_of_base_rates_are_wilsons() -> None:
    rows = make_rows(weighted=True)
    table = score_metrics(**rows, metrics="base_rate")
    counts = GroupedScores.of_rows(**rows).labels()
    low, high = rate_intervals(counts, "base_rate")
    assert np.array_equal(table.intervals["base_rate"], (low[:-1], high[:-1]))


def test_intervals_of_differences_hold_together_for_all_pairs() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(["a", "b", "c"], 80)
    covered = []
    for _ in range(200):
        y = rng.integers(0, 2, 240)
        table = score_metrics(y, rng.normal(y), sensitive_features=group, metrics="auc")
        low, high = table.difference_interval("auc")
        assert low <= table.difference("auc") <= high
        covered.append(low == 0)
    assert np.mean(covered) > 0.93
    one = score_metrics(**make_rows(n_groups=2, n=4000), confidence=0.9)
    assert one.difference_interval("auc", reference="a") == one.difference_interval("auc")


# --- histograms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bins", [4, 32, 1024])
@pytest.mark.parametrize("weighted", [False, True])
def test_areas_from_histograms_are_within_the_bound(bins: int, weighted: bool) -> None:
    rows = make_rows(n=2000, weighted=weighted)
    exact = score_metrics(**rows)
    table = ScoreMetrics.from_histograms(ScoreHistograms.from_scores(**rows, bins=bins))
    gaps = np.abs(table.values["auc"] - exact.values["auc"])
    assert (gaps <= table.auc_error + 1e-12).all()
    assert (exact.auc_error == 0).all()
    (low, high), (exact_low, exact_high) = table.intervals["auc"], exact.intervals["auc"]
    assert (high - low >= exact_high - exact_low - 1e-3).all()
    for name in ("base_rate", "mean_score"):
        assert table.values[name] == pytest.approx(exact.values[name])
    assert table.ks_distance() <= exact.ks_distance() + 1e-12
    assert table.ks_distance() == pytest.approx(exact.ks_distance(), abs=1.5 / bins)
    assert table.wasserstein_distance() == pytest.approx(exact.wasserstein_distance(), abs=1 / bins)
    assert table.abroca() == pytest.approx(exact.abroca(), abs=2 / bins)
    given = table.wasserstein_distance(given="positives")
    assert given == pytest.approx(exact.wasserstein_distance(given="positives"), abs=2 / bins)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_calibration_from_histograms_is_that_of_the_rows(strategy: Any) -> None:
    rows = make_rows(n=1000, weighted=True)
    rows["y_score"] = np.floor(rows["y_score"] * 64) / 64  # then quantiles of bins and rows agree
    table = ScoreHistograms.from_scores(**rows, bins=64)
    exact = score_metrics(**rows, n_bins=8, strategy=strategy)
    found = ScoreMetrics.from_histograms(table, n_bins=8, strategy=strategy)
    assert found.values["calibration_error"] == pytest.approx(exact.values["calibration_error"])
    assert found.by_chance == pytest.approx(exact.by_chance)
    curves = calibration_curves(**rows, n_bins=8, strategy=strategy)
    joined = CalibrationCurves.from_histograms(table, n_bins=8, strategy=strategy)
    assert np.array_equal(joined.edges, curves.edges)
    assert joined.counts == curves.counts
    assert joined.mean_scores == pytest.approx(curves.mean_scores)


def test_histograms_of_ones_are_of_probabilities() -> None:
    rng = np.random.default_rng(0)
    w = rng.random(60)
    table = ScoreHistograms.from_scores(
        np.arange(60) % 3 > 0, np.ones(60), sensitive_features=["a"] * 60, sample_weight=w, bins=4
    )
    assert ScoreMetrics.from_histograms(table).overall["mean_score"] == pytest.approx(1)


def test_histograms_without_score_sums_leave_out_what_needs_them() -> None:
    table = ScoreHistograms(["a", "b"], [0.5], [[1, 3], [2, 2]], [[4, 1], [3, 1]])
    found = ScoreMetrics.from_histograms(table)
    assert list(found.values) == ["base_rate", "auc"]
    assert "left out: brier, log_loss (they need rows)" in str(found)
    assert "left out: mean_score, calibration_error (the histograms have no score_sums)" in str(found)
    for metric in ("brier", "mean_score"):
        with pytest.raises(ValueError, match="cannot be measured"):
            ScoreMetrics.from_histograms(table, metrics=metric)
    with pytest.raises(ValueError, match="needs histograms with score_sums"):
        found.wasserstein_distance()
    with pytest.raises(ValueError, match="needs histograms with score_sums"):
        CalibrationCurves.from_histograms(table)


# --- invariances and bad input -------------------------------------------------------------------------


def test_weights_are_repetitions_of_rows_and_order_and_names_do_not_matter() -> None:
    rows = make_rows(ties=True)
    rng = np.random.default_rng(1)
    times = rng.integers(0, 4, 400)
    weighted = score_metrics(**rows | {"sample_weight": times})
    repeated = {name: np.repeat(v, times) for name, v in rows.items() if v is not None}
    order = rng.permutation(times.sum())
    shuffled = {name: values[order] for name, values in repeated.items()}
    rename = {"a": "z", "b": "y", "c": "x"}
    shuffled["sensitive_features"] = np.array([rename[g] for g in shuffled["sensitive_features"]])
    plain, other = score_metrics(**repeated), score_metrics(**shuffled)
    for name, values in plain.values.items():
        assert weighted.values[name] == pytest.approx(values)
        assert other.values[name][::-1] == pytest.approx(values)
    for table in (weighted, other):
        assert table.abroca() == pytest.approx(plain.abroca())
        assert table.ks_distance() == pytest.approx(plain.ks_distance())
        assert table.wasserstein_distance() == pytest.approx(plain.wasserstein_distance())


def test_stretched_scores_rank_alike() -> None:
    rows = make_rows()
    stretched = rows | {"y_score": np.exp(5 * rows["y_score"])}
    assert auc_difference(**rows) == auc_difference(**stretched)
    assert abroca(**rows) == abroca(**stretched)


def test_a_group_with_one_label_is_named_and_passed_over() -> None:
    y, s, group = [0, 1, 0, 1, 1, 1], [0.1, 0.6, 0.7, 0.8, 0.4, 0.5], list("aabbcc")
    with pytest.warns(
        UserWarning, match=r"auc cannot be measured for: c \(it needs rows of both labels\)"
    ) as seen:
        table = score_metrics(y, s, sensitive_features=group)
    assert seen[0].filename == __file__
    assert table.values["auc"] == pytest.approx([1, 1, np.nan], nan_ok=True)
    assert table.difference("auc") == 0
    assert np.isnan(table.difference("auc", reference="c"))
    assert "-" in str(table).splitlines()[4]
    with pytest.warns(UserWarning, match="abroca cannot be measured for: c") as seen:
        assert abroca(y, s, sensitive_features=group) == 0
    assert seen[0].filename == __file__
    with pytest.warns(
        UserWarning, match="ks_distance cannot be measured for: c .it has no negatives"
    ) as seen:
        assert ks_distance(s, sensitive_features=group, y_true=y, given="negatives") == 1
    assert seen[0].filename == __file__
    with pytest.warns(UserWarning, match="auc cannot be measured for: c") as seen:
        auc_difference(y, s, sensitive_features=group)
    assert seen[0].filename == __file__
    with pytest.warns(UserWarning, match="abroca cannot be measured for: c"):
        assert abroca_test(y, s, sensitive_features=group, n_resamples=20, random_state=0).p_value == 1


def test_too_few_groups_give_nan_and_a_warning() -> None:
    for compare in (auc_difference, abroca):
        with pytest.warns(UserWarning, match="Fewer than two groups can be compared"):
            assert np.isnan(compare([0, 1], [0.2, 0.7], sensitive_features=["a", "a"]))
    with pytest.warns(UserWarning, match="Fewer than two groups"):
        test = abroca_test([0, 1], [0.2, 0.7], sensitive_features=["a", "a"])
    assert np.isnan(test.p_value)
    one = score_metrics([0, 1], [0.2, 0.7], sensitive_features=["a", "a"])
    assert np.isnan(one.difference("auc"))
    assert np.isnan(one.ratio("auc"))
    assert np.isnan(one.difference_interval("auc")).all()


def test_a_group_without_weight_has_no_metrics_and_is_named() -> None:
    given: dict[str, Any] = {"sensitive_features": list("aabb"), "sample_weight": [1, 1, 0, 0]}
    with pytest.warns(UserWarning, match="cannot be measured for: b") as seen:
        table = score_metrics([0, 1, 0, 1], [0.2, 0.7, 0.5, 0.1], **given)
    assert len(seen) == 2
    assert "brier, log_loss, calibration_error cannot" in str(seen[1].message)
    assert all(np.isnan(values[1]) and not np.isnan(values[0]) for values in table.values.values())
    with pytest.warns(UserWarning, match="calibration cannot be measured for: b"):
        curves = calibration_curves([0, 1, 0, 1], [0.2, 0.7, 0.5, 0.1], **given)
    assert np.isnan(curves.errors[1])


def test_perfect_separation_and_single_rows_have_honest_intervals() -> None:
    table = score_metrics(
        [0, 0, 0, 1, 1, 0], [0.1, 0.2, 0.3, 0.8, 0.5, 0.9], sensitive_features=list("aaaabb")
    )
    low, high = table.intervals["auc"]
    assert table.values["auc"].tolist() == [1, 0]
    assert 0.05 < low[0] < 0.6
    assert high[0] == 1
    assert low[1] == 0
    assert high[1] > 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        single = score_metrics([0, 0, 1], [0.1, 0.2, 0.8], sensitive_features=list("aab"))
    assert np.isnan(single.intervals["brier"][0][1])


def test_scores_that_are_no_probabilities_leave_out_what_needs_them() -> None:
    rows = make_rows()
    rows["y_score"] = 3 * rows["y_score"] - 1
    table = score_metrics(**rows)
    assert list(table.values) == ["base_rate", "mean_score", "auc"]
    assert "left out: brier, log_loss, calibration_error (scores run from -" in str(table)
    for metric in ("brier", "log_loss", "calibration_error"):
        with pytest.raises(ValueError, match=f"{metric} cannot be measured: scores run from"):
            score_metrics(**rows, metrics=metric)
    with pytest.raises(ValueError, match="brier cannot be measured"):
        brier_difference(**rows)
    with pytest.raises(ValueError, match="needs probabilities"):
        calibration_curves(**rows)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y_score": [0.1, np.nan, 0.2, 0.3]}, "finite"),
        ({"y_score": [0.1, 0.2, 0.3]}, "must hold 4 finite scores"),
        ({"y_score": np.full((4, 2), 0.5)}, r"y_score\[:, 1\]"),
        ({"sensitive_features": ["a", None, "b", "b"]}, "missing"),
        ({"sensitive_features": ["a", "b"]}, "2 rows where 4"),
        ({"y_true": ["yes", "no", "yes", "no"]}, "pos_label"),
        ({"sample_weight": [1, 1, 1, -1]}, "not negative"),
        ({"metrics": "acu"}, "metrics must be some of"),
        ({"metrics": ["auc", "auc"]}, "each once"),
        ({"confidence": 95}, "between 0 and 1"),
        ({"n_bins": 0}, "n_bins must be"),
        ({"strategy": "equal"}, "strategy must be"),
    ],
)
def test_bad_input_is_refused(changed: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"y_true": [0, 1, 0, 1], "y_score": [0.1, 0.6, 0.7, 0.8]}
    given |= {"sensitive_features": ["a", "a", "b", "b"]} | changed
    with pytest.raises(ValueError, match=message):
        score_metrics(**given)


@pytest.mark.parametrize(
    "function",
    [
        score_metrics,
        calibration_curves,
        auc_difference,
        brier_difference,
        log_loss_difference,
        calibration_error_difference,
        worst_group_calibration_error,
        abroca,
        abroca_test,
        ScoreHistograms.from_scores,
    ],
)
def test_what_depends_on_labels_is_not_measured_without_them(function: Any) -> None:
    name = function.__name__.replace("from_scores", "ScoreHistograms")
    message = (
        rf"^{name} depends on the labels, and there are none: y_true is None\. Without labels only "
        r"ks_distance and wasserstein_distance can be measured\.$"
    )
    with pytest.raises(ValueError, match=message):
        function(None, [0.5, 0.25, 0.75, 1.0], sensitive_features=list("aabb"))


def test_bad_questions_are_refused() -> None:
    rows = make_rows()
    table = score_metrics(**rows, metrics=["auc", "calibration_error"])
    with pytest.raises(ValueError, match="'brier' is not in this table, which has: auc, calibration_error"):
        table.difference("brier")
    with pytest.raises(ValueError, match="'z' is not one of the groups"):
        table.difference("auc", reference="z")
    with pytest.raises(ValueError, match="'z' is not one of the groups"):
        table.ks_distance(reference="z")
    with pytest.raises(ValueError, match="noise adds to it"):
        table.difference_interval("calibration_error")
    with pytest.raises(ValueError, match="confidence is None"):
        score_metrics(**rows, confidence=None).difference_interval("auc")
    with pytest.raises(ValueError, match="some are negative"):
        score_metrics(**rows | {"y_score": rows["y_score"] - 5}).ratio("mean_score")
    with pytest.raises(ValueError, match="Give y_true= together with given="):
        ks_distance(rows["y_score"], sensitive_features=rows["sensitive_features"], given="positives")
    with pytest.raises(ValueError, match="given must be"):
        table.ks_distance(given="both")  # type: ignore[arg-type]


def test_labels_of_any_kind_and_intersections() -> None:
    rows = make_rows()
    y = np.where(rows["y_true"] == 1, "yes", "no")
    frame = pd.DataFrame({"g": rows["sensitive_features"], "h": np.arange(400) % 2})
    table = score_metrics(y, rows["y_score"], sensitive_features=frame, pos_label="yes")
    assert table.groups[0] == ("a", 0)
    assert isinstance(table.frame(), pd.DataFrame)
    assert table.frame()["group"][0] == "a & 0"
    expected = score_metrics(rows["y_true"], rows["y_score"], sensitive_features=frame)
    assert np.array_equal(table.values["auc"], expected.values["auc"])


def test_tables_print_and_escape_and_do_not_change_their_input() -> None:
    rows = make_rows(n_groups=2)
    rows["sensitive_features"] = np.where(rows["sensitive_features"] == "a", "<b>", "a\nb")
    before = {name: None if v is None else v.copy() for name, v in rows.items()}
    table = score_metrics(**rows)
    assert "&lt;b&gt;" in table._repr_html_()
    assert "<b>" not in table._repr_html_()
    assert len(str(table).splitlines()) == 7
    columns = {"group", "n", "auc", "auc_low", "auc_high", "calibration_error_by_chance"}
    assert set(columns_of(table)) >= columns
    record = table.to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["values"]["auc"] == table.values["auc"].tolist()
    assert record["overall"]["brier"] == table.overall["brier"]
    assert set(record["intervals"]) == set(table.values) - {"calibration_error"}
    assert record["confidence"] == 0.95
    assert all(v is None or np.array_equal(v, before[name]) for name, v in rows.items())
    curves = calibration_curves(**rows, confidence=0.9)
    assert "&lt;b&gt;" in curves._repr_html_()
    assert json.loads(json.dumps(curves.to_dict(), allow_nan=False)) == curves.to_dict()
    assert set(columns_of(curves)) >= {
        "group",
        "bin_low",
        "bin_high",
        "mean_score",
        "label_rate",
        "label_rate_low",
    }
