"""The dataset audit: its numbers against independent ones, its severities, and what it does with odd data."""

from __future__ import annotations

import datetime
import decimal
import fractions
import json
import math
import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import Table
from statsmodels.stats.proportion import proportion_confint
from toy_data import columns_of

from fairsk.audit import audit_dataset
from fairsk.audit._data.chi_square import dependence_test, fit_test, two_sample_test
from fairsk.audit._data.findings import TOLERANCES, Finding, Settings
from fairsk.audit._data.lines import to_lines, what_to_do
from fairsk.audit._data.proxies import ALL_COLUMNS, _areas
from fairsk.datasets import load_adult

CONVERT: dict[str, Any] = {
    "pandas": pd.DataFrame,
    "polars": lambda columns: pl.DataFrame(columns, strict=False),
    "pyarrow": pa.table,
}


def draws(seed: int = 0) -> np.random.RandomState:
    return np.random.RandomState(seed)


def founding(**columns: Any) -> pd.DataFrame:
    """Return 600 men and 400 women."""
    return pd.DataFrame({"sex": ["man"] * 600 + ["woman"] * 400, **columns})


def people(n: int = 2_000, seed: int = 0) -> dict[str, list[Any]]:
    """Return columns in which sex shows in hours, and city in nothing."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["F", "M"], n, p=[0.4, 0.6])
    return {
        "sex": sex.tolist(),
        "hours": (rng.normal(36, 6, n) + 8 * (sex == "M")).round(1).tolist(),
        "city": rng.choice(["x", "y", "z"], n).tolist(),
        "hired": (rng.random(n) < np.where(sex == "M", 0.5, 0.2)).astype(int).tolist(),
    }


def only(audit: Any, check: str, about: str | None = None) -> Any:
    """Return the one finding of a check."""
    found = [f for f in audit.findings if f.check == check and about in (None, f.about)]
    assert len(found) == 1, found
    return found[0]


# --- chi-square tests -------------------------------------------------------------------------------------


def test_the_founding_example_has_a_chi_square_of_forty():
    audit = audit_dataset(founding(), "sex", baseline="equal")
    test = audit.shares.parts[0].test
    assert test.statistic == pytest.approx(40)
    assert test.p == pytest.approx(2.5e-10, rel=0.02)
    assert test.effect == pytest.approx(0.2)
    assert "chi-square 40.00, df 1, p 2.5e-10" in str(audit.shares)
    shares = audit.shares.frame()
    assert shares["reading"].tolist() == ["more", "fewer"]
    assert shares["residual"].tolist() == pytest.approx([math.sqrt(40), -math.sqrt(40)])
    # 400 where 500 are expected is exactly the notice level, .8: no rounding may hide it.
    assert only(audit, "least represented").severity == "NOTICE"
    assert only(audit, "group shares").severity == "NOTICE"


@pytest.mark.parametrize("counts", [[60, 40, 30], [500, 480, 20, 0], [7, 93]])
def test_the_fit_to_shares_is_that_of_scipy(counts):
    shares = np.arange(len(counts), 0, -1) / np.arange(1, len(counts) + 1).sum()
    test = fit_test(np.array(counts, dtype=float), shares, 0.95, draws())
    statistic, p = stats.chisquare(counts, np.sum(counts) * shares)
    assert (test.statistic, test.p) == pytest.approx((statistic, p))
    observed = np.array(counts) / np.sum(counts)
    assert test.effect == pytest.approx(np.sqrt(((observed - shares) ** 2 / shares).sum()))
    z = (counts - np.sum(counts) * shares) / np.sqrt(np.sum(counts) * shares * (1 - shares))
    assert test.residuals == pytest.approx(z)


def test_small_expected_counts_are_tested_by_random_tables():
    counts, shares = np.array([4.0, 1.0, 1.0]), np.array([0.2, 0.3, 0.5])
    test = fit_test(counts, shares, 0.95, draws())
    n = int(counts.sum())
    exact = 0.0
    for a in range(n + 1):
        for b in range(n + 1 - a):
            cells = np.array([a, b, n - a - b])
            if ((cells - n * shares) ** 2 / (n * shares)).sum() >= test.statistic - 1e-9:
                exact += stats.multinomial.pmf(cells, n, shares)
    assert test.method == "Monte Carlo"
    assert test.p == pytest.approx(exact, abs=0.01)


def test_sparse_tables_are_tested_by_random_tables_too():
    table = np.array([[3.0, 0.0], [2.0, 9.0]])
    test = dependence_test(table, 0.95, draws())
    hypergeometric = stats.hypergeom(14, 5, 3)
    exact = sum(
        hypergeometric.pmf(k)
        for k in range(4)
        if stats.chi2_contingency([[k, 3 - k], [5 - k, 6 + k]], correction=False).statistic
        >= test.statistic - 1e-9
    )
    assert test.method == "Monte Carlo"
    assert test.p == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize("shape", [(2, 2), (3, 2), (4, 5)])
def test_dependence_is_that_of_scipy_and_statsmodels(shape):
    table = np.random.default_rng(0).integers(10, 90, shape).astype(float)
    test = dependence_test(table, 0.95, draws())
    expected = stats.chi2_contingency(table, correction=False)
    assert (test.statistic, test.df, test.p) == pytest.approx(
        (expected.statistic, expected.dof, expected.pvalue)
    )
    assert test.residuals == pytest.approx(Table(table, shift_zeros=False).standardized_resids)
    n, (r, c) = table.sum(), shape
    phi = max(0, expected.statistic / n - (r - 1) * (c - 1) / (n - 1))
    r, c = r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)
    assert test.effect == pytest.approx(math.sqrt(phi / min(r - 1, c - 1)))


def test_empty_rows_and_columns_of_a_table_do_not_count():
    table = np.array([[30.0, 20.0, 0.0], [0.0, 0.0, 0.0], [10.0, 40.0, 0.0]])
    test = dependence_test(table, 0.95, draws())
    assert test.df == 1
    assert test.p == pytest.approx(stats.chi2_contingency(table[::2, :2], correction=False).pvalue)
    assert np.isnan(test.residuals[1]).all()


def test_perfect_dependence_has_v_one_and_independence_none():
    assert dependence_test(np.diag([50.0, 30.0, 20.0]), 0.95, draws()).effect == pytest.approx(1)
    test = dependence_test(np.full((3, 2), 40.0), 0.95, draws())
    assert (test.effect, test.low, test.p) == (0, 0, 1)


def test_two_samples_are_tested_for_homogeneity():
    ours, theirs = np.array([60.0, 25.0, 15.0]), np.array([90.0, 80.0, 30.0])
    test = two_sample_test(ours, theirs, 0.95, draws())
    expected = stats.chi2_contingency([ours, theirs], correction=False)
    assert (test.statistic, test.df, test.p) == pytest.approx((expected.statistic, 2, expected.pvalue))
    # The larger the other sample, the more it is like stated shares.
    large = two_sample_test(ours, theirs * 1e5, 0.95, draws())
    stated = fit_test(ours, theirs / theirs.sum(), 0.95, draws())
    for name in ("statistic", "effect", "low", "high"):
        assert getattr(large, name) == pytest.approx(getattr(stated, name), rel=1e-3)
    assert test.statistic < stated.statistic


@pytest.mark.parametrize("n", [400, 20_000])
@pytest.mark.parametrize(
    ("truth", "shares"),
    [
        ([0.25, 0.25, 0.5], [0.25, 0.25, 0.5]),
        ([0.3, 0.2, 0.5], [0.25, 0.25, 0.5]),
        ([0.4, 0.1, 0.5], [0.25, 0.25, 0.5]),
        ([0.2, 0.8], [0.05, 0.95]),  # far more than expected: noncentral limits alone would be too narrow
    ],
)
def test_the_limits_of_w_cover_it(truth, shares, n):
    rng, q = np.random.default_rng(1), np.array(shares)
    tests = [fit_test(c.astype(float), q, 0.95, draws()) for c in rng.multinomial(n, truth, 400)]
    w = np.sqrt(((np.array(truth) - q) ** 2 / q).sum())
    assert np.mean([test.low <= w <= test.high for test in tests]) >= 0.925


@pytest.mark.parametrize(
    "joint", [[[0.25, 0.25], [0.25, 0.25]], [[0.3, 0.2], [0.2, 0.3]], [[0.1, 0.05], [0.1, 0.75]]]
)
def test_the_limits_of_v_cover_it(joint):
    rng, p = np.random.default_rng(2), np.array(joint)
    tables = rng.multinomial(1_000, p.ravel(), 400).reshape(-1, 2, 2).astype(float)
    tests = [dependence_test(table, 0.95, draws()) for table in tables]
    independent = np.outer(p.sum(1), p.sum(0))
    v = np.sqrt(((p - independent) ** 2 / independent).sum())
    assert np.mean([test.low <= v + 1e-9 and v <= test.high for test in tests]) >= 0.925


def test_by_chance_alone_tests_reject_at_their_level():
    rng = np.random.default_rng(2)
    shares = np.array([0.02, 0.28, 0.7])  # 100 rows: two are expected of the first
    p = [
        fit_test(c.astype(float), shares, 0.95, draws(i)).p
        for i, c in enumerate(rng.multinomial(100, shares, 400))
    ]
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.08


@pytest.mark.parametrize("n", [24, 60, 200])
@pytest.mark.parametrize("effect", [0.0, 0.1, 0.25])
def test_limits_cover_where_counts_are_balanced_by_luck_and_are_no_points(n, effect):
    rng, half = np.random.default_rng(4), np.array([0.5, 0.5])
    truth = (
        0.5 + np.array([effect, -effect]) / 2,
        0.25 + np.array([[effect, -effect], [-effect, effect]]) / 4,
    )
    found = [
        [fit_test(c.astype(float), half, 0.95, draws()) for c in rng.multinomial(n, truth[0], 600)],
        [
            dependence_test(c.reshape(2, 2).astype(float), 0.95, draws())
            for c in rng.multinomial(n, truth[1].ravel(), 600 if n >= 60 else 60)
        ],
    ]
    for tests in found:
        assert 0.93 <= np.mean([t.low - 1e-9 <= effect <= t.high for t in tests]) <= 0.9917
        # What a test of so many rows sees in half of all samples lies at 1.96 / sqrt(n).
        assert min(t.high for t in tests) > 1.96 / math.sqrt(n)


def test_the_upper_limit_is_that_of_what_chance_gives_on_average():
    test = fit_test(np.array([30.0, 30.0]), np.array([0.5, 0.5]), 0.95, draws())
    assert (test.effect, test.low) == (0, 0)
    assert stats.ncx2.cdf(1, 1, 60 * test.high**2) == pytest.approx(0.025)
    many = fit_test(np.full(3_001, 40.0), np.full(3_001, 1 / 3_001), 0.95, draws())
    assert 0 < many.high < 0.1


def test_checks_of_one_question_do_not_disagree_on_few_balanced_rows():
    frame = pd.DataFrame({"sex": ["m", "f"] * 30})
    audit = audit_dataset(frame, "sex", [0, 0, 1, 1] * 15, baseline="equal")
    severities = {finding.check: finding.severity for finding in audit.findings}
    questions = ("group shares", "group and label", "label rates")
    assert {severities[check] for check in questions} == {"INCONCLUSIVE"}
    assert "The rate of 1 is 0.500 in each of f, m." in only(audit, "label rates").advice


# --- severities -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "value", "low", "high", "p", "expected"),
    [
        ("group shares", 0.05, 0.0, 0.12, 1e-9, "OK"),  # sure, but small
        ("group shares", 0.05, 0.0, 0.35, 0.4, "INCONCLUSIVE"),  # may be far larger
        ("group shares", 0.2, 0.1, 0.29, 0.001, "NOTICE"),
        ("group shares", 0.4, 0.2, 0.6, 0.001, "WARNING"),
        ("group shares", 0.4, 0.0, 0.8, 0.3, "INCONCLUSIVE"),  # large, but may be chance
        ("least represented", 0.9, 0.85, 0.95, 0.001, "OK"),
        ("least represented", 0.7, 0.6, 0.8, 0.001, "NOTICE"),
        ("least represented", 0.3, 0.2, 0.4, 0.001, "WARNING"),
        ("least represented", 0.3, 0.0, 1.9, 0.4, "INCONCLUSIVE"),
        ("least represented", 0.9, 0.3, 2.0, 0.4, "INCONCLUSIVE"),
        ("unknown groups", 0.03, np.nan, np.nan, np.nan, "NOTICE"),
        ("label rates", np.nan, np.nan, np.nan, np.nan, "NOT APPLICABLE"),
    ],
)
def test_a_severity_takes_size_and_significance(check, value, low, high, p, expected):
    assert Settings().severity(check, value, low, high, p) == expected


def test_a_tiny_difference_in_very_many_rows_is_ok():
    counts = {"a": 503_000, "b": 497_000}
    audit = audit_dataset(
        np.repeat(list(counts), list(counts.values()))[:, None], 0, baseline="equal", proxies=False
    )
    assert audit.shares.parts[0].test.p < 1e-8
    assert {f.severity for f in audit.findings if f.check in ("group shares", "least represented")} == {"OK"}


def test_a_large_difference_in_few_rows_is_inconclusive():
    frame = pd.DataFrame({"sex": ["F"] * 3 + ["M"] * 6})
    audit = audit_dataset(frame, "sex", baseline="equal", random_state=0)
    assert audit.shares.parts[0].test.effect > 0.3
    finding = only(audit, "group shares")
    assert finding.severity == "INCONCLUSIVE"
    assert "Collect more" in finding.advice
    assert only(audit, "least represented").severity == "INCONCLUSIVE"


def test_data_without_any_pattern_raise_hardly_an_alarm():
    rng = np.random.default_rng(3)
    alarms: list[str] = []
    for _ in range(40):
        frame = pd.DataFrame({"g": rng.choice(list("abc"), 800), "x": rng.normal(size=800)})
        frame.loc[rng.random(800) < 0.1, "x"] = np.nan
        y = rng.integers(0, 2, 800)
        audit = audit_dataset(frame, "g", y, baseline={"a": 1, "b": 1, "c": 1}, cv=3)
        assert not any(finding.severity == "WARNING" for finding in audit.findings)
        alarms += [finding.check for finding in audit.findings if finding.severity == "NOTICE"]
    # Each check errs in at most 5% of such data sets, that is in two of forty.
    assert all(alarms.count(check) <= 5 for check in TOLERANCES)


def test_levels_are_stated_and_can_be_changed():
    usual = audit_dataset(founding(), "sex", baseline="equal")
    assert "group shares 0.1 / 0.3" in str(usual)
    strict = audit_dataset(founding(), "sex", baseline="equal", tolerances={"group shares": (0.05, 0.15)})
    assert "group shares 0.05 / 0.15" in str(strict)
    assert only(strict, "group shares").severity == "WARNING"
    assert TOLERANCES["group shares"] == (0.1, 0.3)


# --- shares -----------------------------------------------------------------------------------------------


def test_shares_have_wilson_limits():
    shares = audit_dataset(founding(), "sex").shares.parts[0]
    for i, count in enumerate([600, 400]):
        assert (shares.low[i], shares.high[i]) == pytest.approx(
            proportion_confint(count, 1000, method="wilson")
        )


def test_without_a_baseline_nothing_is_compared():
    audit = audit_dataset(founding(), "sex")
    assert only(audit, "group shares").severity == "NOT APPLICABLE"
    assert "baseline=" in only(audit, "group shares").advice
    assert "expected" not in str(audit.shares)


@pytest.mark.parametrize(
    "baseline",
    [
        {"man": 0.5, "woman": 0.5},
        {"man": 7_000, "woman": 7_000},
        {"woman": 1, "man": 1},
        {"sex": "equal"},
        {"sex": {"man": 3, "woman": 3}},
    ],
)
def test_a_baseline_is_shares_or_counts(baseline):
    assert audit_dataset(founding(), "sex", baseline=baseline).shares.parts[
        0
    ].test.statistic == pytest.approx(40)


def test_a_group_that_the_data_lack_is_reported():
    baseline = {"man": 0.5, "woman": 0.4, "neither": 0.1}
    audit = audit_dataset(founding(), "sex", baseline=baseline)
    part = audit.shares.parts[0]
    assert part.groups == ("man", "neither", "woman")
    assert part.rows.tolist() == [600, 0, 400]
    finding = only(audit, "least represented")
    assert (finding.severity, finding.value, finding.about) == ("WARNING", 0, "sex: neither")
    assert "0 rows of neither where 100 are expected" in finding.advice


def test_a_fraction_of_a_row_that_is_expected_is_said():
    audit = audit_dataset(pd.DataFrame({"sex": ["f"] * 5 + ["m"] * 4}), "sex", baseline="equal")
    assert "4 rows of m where 4.5 are expected" in only(audit, "least represented").advice
    audit = audit_dataset(pd.DataFrame({"sex": ["f"] * 301 + ["m"] * 100}), "sex", baseline="equal")
    assert "Fewer rows than expected of: m (100 / 200)." in only(audit, "group shares").advice


def test_a_reference_sample_is_a_sample():
    rng = np.random.default_rng(0)
    reference = pd.DataFrame({"sex": rng.choice(["man", "woman"], 200)})
    audit = audit_dataset(founding(), "sex", baseline=reference)
    part = audit.shares.parts[0]
    theirs = reference["sex"].value_counts()[["man", "woman"]]
    expected = stats.chi2_contingency([[600, 400], theirs], correction=False)
    assert part.test.p == pytest.approx(expected.pvalue)
    assert "another sample" in str(audit.shares)
    # The ratio of two estimated shares is less sure than that of one.
    stated = audit_dataset(founding(), "sex", baseline=(theirs / 200).to_dict()).shares.parts[0]
    assert part.ratio == pytest.approx(stated.ratio)
    assert part.ratio_low < stated.ratio_low < stated.ratio_high < part.ratio_high


def test_a_reference_sample_may_lack_a_group():
    frame = pd.DataFrame({"g": ["a"] * 50 + ["b"] * 50})
    part = audit_dataset(frame, "g", baseline=pd.DataFrame({"g": ["a"] * 40})).shares.parts[0]
    assert part.ratios.tolist() == [0.5, np.inf]
    assert part.ratio == 0.5


def two_attributes() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame({"sex": rng.choice(["F", "M"], 500), "age": rng.choice(["old", "young"], 500)})


def test_several_attributes_are_audited_each_and_together():
    audit = audit_dataset(two_attributes(), ["sex", "age"], baseline="equal")
    assert audit.attributes == ("sex", "age", "sex & age")
    assert [len(part.groups) for part in audit.shares.parts] == [2, 2, 4]
    assert all(part.test is not None for part in audit.shares.parts)


def test_a_baseline_of_the_intersection_is_one_of_each_attribute():
    joint = {("F", "old"): 0.2, ("F", "young"): 0.2, ("M", "old"): 0.25, ("M", "young"): 0.35}
    for baseline in (joint, {("sex", "age"): joint}):
        audit = audit_dataset(two_attributes(), ["sex", "age"], baseline=baseline)
        sex, age, both = audit.shares.parts
        assert sex.expected == pytest.approx([0.4, 0.6])
        assert age.expected == pytest.approx([0.45, 0.55])
        assert both.expected == pytest.approx([0.2, 0.2, 0.25, 0.35])


def test_a_baseline_of_one_attribute_says_nothing_of_the_others():
    audit = audit_dataset(two_attributes(), ["sex", "age"], baseline={"sex": "equal"})
    assert [part.test is None for part in audit.shares.parts] == [False, True, True]
    assert only(audit, "group shares", "age").severity == "NOT APPLICABLE"


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_rows_without_a_group_are_a_group_and_a_finding(kind):
    columns = {"sex": ["F", "M", None, "F"] * 50, "x": list(range(200))}
    audit = audit_dataset(CONVERT[kind](columns), "sex", [0, 1, 1, 0] * 50, baseline="equal", random_state=0)
    part = audit.shares.parts[0]
    assert part.groups == ("(missing)", "F", "M")
    assert part.rows.tolist() == [50, 100, 50]
    # The stated shares are those of F and M among rows whose group is known.
    assert part.expected[1:].tolist() == [0.5, 0.5]
    assert np.isnan(part.expected[0])
    assert part.shares.tolist() == pytest.approx([0.25, 2 / 3, 1 / 3])
    assert part.test.p == pytest.approx(stats.chisquare([100, 50]).pvalue)
    finding = only(audit, "unknown groups")
    assert (finding.value, finding.severity) == (0.25, "WARNING")
    assert "(missing)" in str(audit.labels)
    assert "(missing) is no group of the baseline, and not compared, for: sex." in str(audit.shares)


def test_a_baseline_may_expect_missing_groups():
    frame = pd.DataFrame({"sex": ["F", "M", None, "F"] * 50})
    part = audit_dataset(frame, "sex", baseline={"F": 0.4, "M": 0.4, "(missing)": 0.2}).shares.parts[0]
    assert part.compared.all()
    part = audit_dataset(frame, "sex", baseline=frame).shares.parts[0]
    assert part.compared.all()
    assert part.test.statistic == pytest.approx(0)


def test_numbers_with_gaps_keep_their_names():
    part = audit_dataset(pd.DataFrame({"g": [1, 2, None, 1]}), "g").shares.parts[0]
    assert set(part.groups) == {1, 2, "(missing)"}
    assert "1.0" not in str(
        audit_dataset(pd.DataFrame({"g": [1, 2, None, 1]}), "g").shares.frame()["group"].tolist()
    )


# --- labels -----------------------------------------------------------------------------------------------


def test_measures_against_the_rest_are_those_of_scipy():
    frame = pd.DataFrame({"g": ["a"] * 100 + ["b"] * 60 + ["c"] * 40})
    y = np.array(["no"] * 30 + ["yes"] * 70 + ["no"] * 30 + ["yes"] * 30 + ["no"] * 25 + ["yes"] * 15)
    part = audit_dataset(frame, "g", y, proxies=False).labels.parts[0]
    for i, group in enumerate("abc"):
        inside = (frame["g"] == group).to_numpy()
        d, a = (np.array([np.mean(y[rows] == "no"), np.mean(y[rows] == "yes")]) for rows in (inside, ~inside))
        assert part.class_imbalance[i] == pytest.approx((~inside).mean() - inside.mean())
        assert part.dpl[i] == pytest.approx(a[1] - d[1])
        assert part.dpl_low[i] < part.dpl[i] < part.dpl_high[i]
        assert part.kl[i] == pytest.approx(stats.entropy(a, d))
        assert part.js[i] == pytest.approx(jensenshannon(a, d) ** 2)
        assert part.tv[i] == pytest.approx(abs(a - d).sum() / 2)
        assert part.linf[i] == pytest.approx(abs(a - d).max())
    assert part.label == ("yes",) * 3
    assert part.rates == pytest.approx([0.7, 0.5, 0.375])
    assert part.difference == pytest.approx(0.325)


def test_the_positive_label_can_be_named():
    frame = pd.DataFrame({"g": list("aabb") * 20})
    y = ["bad", "good", "bad", "bad"] * 20
    part = audit_dataset(frame, "g", y, pos_label="bad").labels.parts[0]
    assert part.rates.tolist() == [0.5, 1]
    assert np.isinf(part.kl).tolist() == [False, True]  # nobody in b is good, half of a are
    with pytest.raises(ValueError, match="pos_label='worse' is not one of"):
        audit_dataset(frame, "g", y, pos_label="worse")


def test_of_many_labels_the_one_that_differs_most_is_shown():
    rng = np.random.default_rng(0)
    group = np.repeat(["a", "b"], 1000)
    y = np.where(
        group == "a",
        rng.choice(list("xyz"), 2000, p=[0.5, 0.3, 0.2]),
        rng.choice(list("xyz"), 2000, p=[0.1, 0.3, 0.6]),
    )
    audit = audit_dataset(pd.DataFrame({"g": group}), "g", y)
    part = audit.labels.parts[0]
    gaps = {
        label: abs(np.mean(y[group == "a"] == label) - np.mean(y[group == "b"] == label)) for label in "xyz"
    }
    assert part.widest == max(gaps, key=gaps.__getitem__)
    assert part.difference == pytest.approx(max(gaps.values()))
    assert only(audit, "label rates").severity == "WARNING"
    assert only(audit, "group and label").severity == "WARNING"


def test_small_groups_are_named_and_not_compared():
    frame = pd.DataFrame({"g": ["a"] * 300 + ["b"] * 300 + ["c"] * 4})
    y = np.array(([0, 1] * 300) + [1] * 4)
    audit = audit_dataset(frame, "g", y)
    assert audit.labels.parts[0].difference == 0
    assert audit.labels.parts[0].rates.tolist() == [0.5, 0.5, 1]
    finding = only(audit, "small groups")
    assert finding.severity == "NOTICE"
    assert finding.value == 1
    assert "Fewer than 30 rows: c." in finding.advice
    assert audit_dataset(frame, "g", y, min_group_size=2, random_state=0).labels.parts[0].difference == 0.5


def test_rows_without_a_label_are_left_out_and_said_to_be():
    columns = people(400)
    columns["hired"] = [None if i % 4 == 0 else value for i, value in enumerate(columns["hired"])]
    audit = audit_dataset(pd.DataFrame(columns), "sex", "hired")
    assert audit.labels.unlabelled == 100
    assert "Left out: 100 rows without a label." in str(audit.labels)
    assert audit.labels.parts[0].table.sum() == 300
    assert "hired" in set(audit.missing.frame()["column"])


def test_few_labels_say_what_could_have_been_seen():
    frame, y = pd.DataFrame({"g": ["a", "b"] * 20}), [0, 0, 1, 1, 0, 0, 1, 0] * 5
    finding = only(audit_dataset(frame, "g", y, min_group_size=10), "label rates")
    assert finding.severity == "INCONCLUSIVE"
    assert "with 80% power" in finding.advice


# --- missing values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_missing_values_are_counted_by_group(kind):
    columns: dict[str, Any] = people(1_000)
    sex = np.array(columns["sex"])
    columns["income"] = [None if s == "F" and i % 2 else i for i, s in enumerate(sex)]
    columns["shoe"] = [None if i % 5 == 0 else "x" for i in range(1_000)]
    audit = audit_dataset(CONVERT[kind](columns), "sex", "hired", random_state=0)
    rows = {
        (p.column, g): (n, k)
        for p in audit.missing.parts
        for g, n, k in zip(p.groups, p.rows, p.missing, strict=True)
    }
    absent = np.array([value is None for value in columns["income"]])
    assert rows["income", "F"] == ((sex == "F").sum(), absent.sum())
    assert rows["income", "M"] == ((sex == "M").sum(), 0)
    part = next(part for part in audit.missing.parts if part.column == "income")
    table = [[absent[sex == s].sum(), (~absent)[sex == s].sum()] for s in "FM"]
    assert part.test.p == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue)
    finding = only(audit, "missing values", "income by sex")
    assert finding.severity == "WARNING"
    assert "of F and 0.0% of M" in finding.advice
    assert only(audit, "missing values", "shoe by sex").severity == "OK"
    assert set(audit.missing.complete) == {"hours", "city", "hired", "sex"}


def test_many_columns_without_a_finding_share_a_row():
    frame = pd.DataFrame({"g": ["a", "b"] * 500, **{f"x{i}": np.arange(1_000.0) for i in range(8)}})
    for i in range(8):
        frame.loc[i * 4 : 900 : 20, f"x{i}"] = np.nan
        frame.loc[i * 4 + 1 : 900 : 20, f"x{i}"] = np.nan
    audit = audit_dataset(frame, "g", proxies=False)
    (line,) = [line for line in to_lines(audit.findings) if line.top.check == "missing values"]
    assert (line.about, line.value) == ("8 columns by g", "up to " + line.value.removeprefix("up to "))
    assert len([f for f in audit.findings if f.check == "missing values"]) == 8


# --- proxies ----------------------------------------------------------------------------------------------


def proxy(audit: Any, column: str) -> Any:
    (found,) = (part for part in audit.proxies.parts if part.column == column)
    return found


def test_a_column_that_gives_the_group_away_is_found():
    columns: dict[str, Any] = people()
    columns["title"] = ["Ms" if sex == "F" else "Mr" for sex in columns["sex"]]
    audit = audit_dataset(pd.DataFrame(columns), "sex", "hired", random_state=0)
    assert proxy(audit, "title").auc == 1
    assert only(audit, "proxies", "title for sex").severity == "WARNING"
    city = proxy(audit, "city")
    assert city.low < 0.5 < city.high
    # The hours are normal with means 8 / 6 standard deviations apart: AUC = Phi(d / sqrt(2)).
    expected = stats.norm.cdf(8 / 6 / math.sqrt(2))
    assert proxy(audit, "hours").auc == pytest.approx(expected, abs=0.03)
    assert proxy(audit, ALL_COLUMNS).auc == 1


def test_the_label_and_the_attributes_are_no_proxies():
    audit = audit_dataset(pd.DataFrame(people()), ["sex", "city"], "hired", random_state=0)
    assert {part.column for part in audit.proxies.parts} == {"hours"}
    audit = audit_dataset(pd.DataFrame(people()), "sex", random_state=0)
    assert {part.column for part in audit.proxies.parts} == {"hours", "city", "hired", ALL_COLUMNS}


def test_areas_are_those_of_sklearn_with_the_variance_of_delong():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, 300)
    score = rng.normal(size=(300, 3)).round(1) + np.eye(3)[group]
    areas, _ = _areas(score, group, np.zeros(300, dtype=int))
    assert areas == pytest.approx([roc_auc_score(group == j, score[:, j]) for j in range(3)])
    folds = np.arange(300) % 3
    areas, variances = _areas(score, group, folds)
    by_fold = [
        [roc_auc_score(group[folds == k] == j, score[folds == k, j]) for k in range(3)] for j in range(3)
    ]
    assert areas == pytest.approx(np.mean(by_fold, axis=1))
    # By brute force over all pairs of a member and another row, of the last fold and group.
    inside, outside = (score[(folds == 2) & ((group == 2) == side), 2] for side in (True, False))
    wins = (inside[:, None] > outside) + 0.5 * (inside[:, None] == outside)
    one = wins.mean(1).var(ddof=1) / len(inside) + wins.mean(0).var(ddof=1) / len(outside)
    _, alone = _areas(score[folds == 2], group[folds == 2], np.zeros(100, dtype=int))
    assert alone[2] == pytest.approx(one)
    assert variances[2] < one


def test_limits_of_an_area_cover_it():
    hits, expected = 0, stats.norm.cdf(0.8 / math.sqrt(2))
    for seed in range(60):
        rng = np.random.default_rng(seed)
        group = rng.integers(0, 2, 2_000)
        frame = pd.DataFrame({"g": group, "x": rng.normal(size=2_000) + 0.8 * group})
        part = proxy(audit_dataset(frame, "g", random_state=seed), "x")
        hits += part.low <= expected <= part.high
    assert hits >= 54


def test_an_idle_column_is_seldom_taken_for_a_proxy():
    rng = np.random.default_rng(0)
    found = []
    for seed in range(100):
        frame = pd.DataFrame({"g": rng.integers(0, 3, 400), "x": rng.choice(list("uvw"), 400)})
        found.append(proxy(audit_dataset(frame, "g", random_state=seed), "x").p < 0.05)
    assert np.mean(found) <= 0.08  # without the correction for shared rows, .15


def test_columns_tell_together_what_none_tells_alone():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2, (2, 2_000))
    frame = pd.DataFrame({"g": np.where(a ^ b, "x", "y"), "a": a, "b": b})
    audit = audit_dataset(frame, "g", random_state=0)
    assert proxy(audit, "a").auc < 0.6
    assert proxy(audit, ALL_COLUMNS).auc == 1


def test_a_column_tells_by_any_pattern_and_by_gaps():
    rng = np.random.default_rng(0)
    x = rng.normal(size=2_000)
    gap = np.where(np.abs(x) > 1, np.nan, 7.0)
    frame = pd.DataFrame({"g": np.abs(x) > 1, "x": x, "gap": gap, "same": 1})
    audit = audit_dataset(frame, "g", random_state=0)
    assert proxy(audit, "x").auc > 0.97
    assert proxy(audit, "gap").auc == 1
    assert proxy(audit, "same").auc == 0.5
    assert proxy(audit, "same").p == 1


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_columns_of_any_kind_are_looked_at(kind):
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(days=i) for i in range(200)]
    columns: dict[str, Any] = {
        "g": ["a"] * 100 + ["b"] * 100,
        "day": days,
        "time": [
            datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(hours=i)
            for i in range(200)
        ],
        "flag": [True, False, None, True] * 50,
        "list": [[i % 2] for i in range(200)],
        "name": [f"name {i}" for i in range(200)],
        "nothing": [None] * 200,
    }
    audit = audit_dataset(CONVERT[kind](columns), "g", random_state=0)
    assert proxy(audit, "day").auc > 0.95
    assert proxy(audit, "time").auc > 0.95
    for column in ("flag", "list", "name", "nothing"):
        assert proxy(audit, column).low <= 0.5
    assert {part.column: part.missing.sum() for part in audit.missing.parts} == {"flag": 50, "nothing": 200}


def test_a_weak_proxy_is_said_to_tell_something_and_no_more():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 2_000)
    frame = pd.DataFrame({"g": group, "x": rng.normal(size=2_000) + 0.8 * group, "z": 0})
    audit = audit_dataset(frame, "g", random_state=0)
    for about in ("x for g", f"{ALL_COLUMNS} for g"):
        finding = only(audit, "proxies", about)
        assert finding.severity == "NOTICE"
        assert finding.advice.startswith("This tells something of who is ")
        assert "hides little" not in finding.advice


def test_what_keeps_proxies_from_being_measured_is_said():
    alone = audit_dataset(founding(), "sex", [0, 1] * 500)
    assert only(alone, "proxies").advice == "There are no columns beside the sensitive ones and the labels."
    few = audit_dataset(pd.DataFrame(people(20)), "sex", cv=20)
    assert only(few, "proxies").advice == "Fewer than two groups have the 40 rows that this takes."


def test_large_tables_are_measured_on_a_part_which_is_said(monkeypatch):
    monkeypatch.setattr("fairsk.audit._data.proxies._MOST_ROWS", 500)
    audit = audit_dataset(pd.DataFrame(people()), "sex", "hired", random_state=0)
    assert audit.proxies.n_used == 500
    assert "Measured on 500 of 2,000 rows" in str(audit.proxies)


def test_groups_too_small_to_be_told_are_named():
    columns = people(300)
    columns["sex"][:5] = ["X"] * 5
    audit = audit_dataset(pd.DataFrame(columns), "sex", random_state=0)
    assert audit.proxies.not_measured == {"sex": ("X",)}
    assert "Too few rows to be told, for sex: X." in str(audit.proxies)
    few = audit_dataset(pd.DataFrame(people(20)), "sex", random_state=0)
    assert only(few, "proxies").severity == "NOT APPLICABLE"


def test_the_same_seed_gives_the_same_audit():
    frame = pd.DataFrame(people(500))
    first, second = (str(audit_dataset(frame, "sex", "hired", random_state=3).proxies) for _ in range(2))
    assert first == second


# --- the whole --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_every_library_gives_the_same_audit_in_its_own_frames(kind):
    expected = audit_dataset(CONVERT["pandas"](people()), "sex", "hired", "equal", random_state=0)
    audit = audit_dataset(CONVERT[kind](people()), "sex", "hired", "equal", random_state=0)
    assert str(audit) == str(expected)
    for part in (audit, audit.shares, audit.labels, audit.missing, audit.proxies):
        assert type(part.frame()).__module__.startswith(kind)


def test_values_and_labels_may_come_as_arrays():
    frame = pd.DataFrame(people())
    named = audit_dataset(frame, "sex", "hired", random_state=0)
    apart = audit_dataset(
        frame[["hours", "city"]], frame["sex"], frame["hired"], baseline=frame["sex"], random_state=0
    )
    assert str(apart.proxies) == str(named.proxies)
    assert str(apart.labels) == str(named.labels)
    assert apart.shares.parts[0].test.statistic == pytest.approx(0)
    # A column of the same name is the attribute, not a proxy of it.
    whole = audit_dataset(frame, frame["sex"], frame["hired"], random_state=0)
    assert str(whole.proxies) == str(named.proxies)


def test_arrays_go_by_index():
    array = pd.DataFrame(people()).to_numpy()
    audit = audit_dataset(array, 0, 3, baseline=array, random_state=0)
    assert audit.attributes == ("column 0",)
    assert {part.column for part in audit.proxies.parts} == {"column 1", "column 2", ALL_COLUMNS}


def test_lists_of_rows_are_a_table():
    rows = [[i % 2, i % 3] for i in range(120)]
    audit = audit_dataset(rows, 0, [True, False, False] * 40, random_state=0)
    assert audit.shares.parts[0].rows.tolist() == [60, 60]
    assert proxy(audit, "column 1").low < 0.5
    flags = audit_dataset(np.array(rows) == 1, 0, random_state=0)
    assert flags.shares.parts[0].groups == (False, True)
    assert proxy(flags, "column 1").low < 0.5


def test_input_is_left_as_it_was():
    frame = pd.DataFrame(people(300))
    frame.loc[3, "sex"] = None
    before, baseline = frame.copy(), {"F": 0.5, "M": 0.5}
    audit_dataset(frame, "sex", "hired", baseline, random_state=0)
    pd.testing.assert_frame_equal(frame, before)
    assert baseline == {"F": 0.5, "M": 0.5}


def test_findings_come_most_urgent_first_with_advice_as_plain_data():
    audit = audit_dataset(pd.DataFrame(people()), "sex", "hired", "equal", random_state=0)
    order = ["WARNING", "NOTICE", "INCONCLUSIVE", "OK", "NOT APPLICABLE"]
    places = [order.index(finding.severity) for finding in audit.findings]
    assert places == sorted(places)
    assert all(finding.advice for finding in audit.findings)
    data = json.loads(json.dumps(audit.to_dict()))["findings"]
    assert [line["severity"] for line in data] == [finding.severity for finding in audit.findings]
    assert set(data[0]) >= {"check", "about", "measure", "value", "low", "high", "p", "advice"}
    assert columns_of(audit)["severity"] == [finding.severity for finding in audit.findings]
    for part in (audit.shares, audit.labels, audit.missing, audit.proxies):
        json.dumps(part.to_dict())


def test_findings_that_answer_one_question_share_a_line():
    columns = {**people(), "age": ["old", "young"] * 1_000}
    audit = audit_dataset(pd.DataFrame(columns), ["sex", "age"], "hired", {"sex": "equal"}, random_state=0)
    lines = to_lines(audit.findings)
    told = [finding for line in lines for finding in (*line.alike, line.twin) if finding is not None]
    twins_of_ok = [f for f in audit.findings if f.severity == "OK" and f.check == "group and label"]
    assert {id(f) for f in audit.findings} - {id(f) for f in told} <= {id(f) for f in twins_of_ok}
    assert len(lines) < len(audit.findings)
    (sex,) = [line for line in lines if line.about == "sex" and line.top.check == "label rates"]
    assert "The rate of 1 is" in sex.advice
    v = only(audit, "group and label", "sex")
    assert f"Group and label (Cramer's V): {v.value:.3f} [" in sex.advice
    assert sex.advice.endswith(f", {v.severity}.")
    text = str(audit)
    assert f".findings holds all {len(audit.findings)}" in text
    (nothing,) = [line for line in lines if line.top.severity == "NOT APPLICABLE"]
    assert nothing.about == "age, sex & age"
    assert len(audit.frame("polars")) == len(audit.findings)


def test_the_more_urgent_of_two_findings_leads_and_equal_advice_is_given_once():
    def finding(check: str, severity: Any, about: str = "sex", advice: str = "Act.") -> Finding:
        return Finding(check, "sex", about, "number", 0.5, 0.4, 0.6, 0.01, severity, advice)

    lines = to_lines(
        [
            finding("group shares", "NOTICE"),
            finding("least represented", "WARNING", "sex: F"),
            finding("proxies", "NOTICE", "a for sex", "Look."),
            finding("proxies", "NOTICE", "b for sex", "Look."),
            finding("missing values", "INCONCLUSIVE", "a by sex"),
            finding("missing values", "INCONCLUSIVE", "b by sex"),
        ]
    )
    assert [line.about for line in lines] == ["sex: F", "a for sex", "b for sex", "2 columns by sex"]
    assert what_to_do(lines) == [
        "1. Act. Group shares (number): 0.500 [0.400, 0.600], NOTICE.",
        "2, 3. Look.",
        "4. Too few rows to tell: a, b.",
    ]


def test_nothing_missing_is_a_fact_without_limits():
    finding = only(audit_dataset(founding(), "sex"), "missing values")
    assert (finding.value, finding.severity) == (0, "OK")
    assert np.isnan([finding.low, finding.high, finding.p]).all()


def test_the_page_is_escaped_and_the_words_are_sober():
    columns = people()
    columns["sex"] = ["<script>alert(1)</script>" if sex == "F" else "M" for sex in columns["sex"]]
    audit = audit_dataset(pd.DataFrame(columns), "sex", "hired", "equal", random_state=0)
    for part in (audit, audit.shares, audit.labels, audit.missing, audit.proxies):
        assert "<script>" not in part._repr_html_()
        for word in ("unfair", " fair", "biased", "complian"):
            assert word not in str(part).lower()


def test_parts_that_are_not_asked_for_are_none():
    audit = audit_dataset(founding(), "sex", proxies=False)
    assert audit.labels is None
    assert audit.proxies is None
    assert "Details: .shares, .missing." in str(audit)
    assert {finding.check for finding in audit.findings} == {"group shares", "missing values", "small groups"}


def test_one_group_alone_has_nothing_to_compare():
    frame = pd.DataFrame({"g": ["a"] * 50, "x": range(50)})
    audit = audit_dataset(frame, "g", [0, 1] * 25, "equal", random_state=0)
    severities = {finding.check: finding.severity for finding in audit.findings}
    assert (
        severities["group shares"] == severities["label rates"] == severities["proxies"] == "NOT APPLICABLE"
    )


def test_adult_is_audited_in_seconds_with_what_is_known_of_it():
    X, y = load_adult(return_X_y=True)
    audit = audit_dataset(X, ["sex", "race"], y, {"sex": "equal"}, random_state=0)
    part = audit.labels.parts[0]
    assert part.rates == pytest.approx([0.114, 0.312], abs=1e-3)
    assert proxy_of(audit, "relationship", "sex").auc > 0.8
    assert only(audit, "proxies", f"{ALL_COLUMNS} for sex").severity == "WARNING"
    assert audit.proxies.n_used == 20_000


def proxy_of(audit: Any, column: str, attribute: str) -> Any:
    (found,) = (p for p in audit.proxies.parts if (p.column, p.attribute) == (column, attribute))
    return found


# --- bad input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"baseline": {"man": 0.5, "woman": 0.4}}, ValueError, "adds up to 0.9: shares must add up to 1"),
        ({"baseline": {"man": 1.0}}, ValueError, "does not say how many to expect of: 'woman'"),
        ({"baseline": {"man": 1.0, "woman": 0.0}}, ValueError, "must expect something of every group"),
        ({"baseline": {}}, ValueError, "The baseline is empty"),
        ({"baseline": {"race": "equal"}}, ValueError, "names 'race'; the attributes are 'sex'"),
        ({"baseline": "census"}, ValueError, 'must be "equal"'),
        ({"baseline": 0.5}, TypeError, "got float"),
        (
            {"baseline": pd.DataFrame({"gender": ["man"]})},
            ValueError,
            "In the baseline, the sensitive column 'sex' is not there. The columns are: 'gender'",
        ),
        ({"sensitive_features": "sexx"}, ValueError, "Did you mean 'sex'"),
        ({"y": "hired"}, ValueError, "column of labels 'hired' is not there. The columns are: 'sex'"),
        ({"sensitive_features": "gender"}, ValueError, "'gender' is not there. The columns are: 'sex'.$"),
        (
            {"sensitive_features": 3},
            ValueError,
            "column 3 is not there: there are 1 columns, counted from 0.$",
        ),
        (
            {"frame": np.ones((9, 2))},
            ValueError,
            "'sex' has no name in an array: give its position, from 0 to 1",
        ),
        ({"baseline": [0.5, 0.5]}, ValueError, "groups, baseline={'man': 0.5, 'woman': 0.5}; another sample"),
        ({"baseline": np.array(["man"])}, ValueError, "one column of values, which names no groups"),
        ({"sensitive_features": ["sex", "sex"]}, ValueError, "names the column 'sex' twice"),
        ({"sensitive_features": ["man"] * 1000}, ValueError, "one per row, go in an array or a series"),
        ({"sensitive_features": lambda X: X["sex"], "baseline": [0.5, 0.5]}, ValueError, "names no groups"),
        ({"y": "sex"}, ValueError, "labels and a sensitive column are both 'sex'"),
        ({"y": np.repeat(["man", "woman"], [600, 400])}, ValueError, "same value in every row"),
        ({"y": np.arange(10)}, ValueError, "10 rows where 1000 are expected"),
        ({"y": np.arange(1000) / 7}, ValueError, "the audit compares labels"),
        ({"y": np.full(1000, np.nan)}, ValueError, "y has no labels"),
        ({"y": np.zeros((1000, 2))}, ValueError, "one column of labels"),
        ({"confidence": 95}, ValueError, "confidence must lie between 0 and 1"),
        ({"min_group_size": 0}, ValueError, "min_group_size must be at least 1"),
        ({"cv": 1}, ValueError, "cv must be at least 2"),
        ({"tolerances": {"shares": (0.1, 0.2)}}, ValueError, "There is no check 'shares'"),
        ({"tolerances": {"proxies": (0.8, 0.6)}}, ValueError, "must lie above its notice level"),
        ({"tolerances": {"least represented": (0.5, 0.8)}}, ValueError, "must lie below its notice level"),
        ({"frame": np.arange(5)}, ValueError, "this is 1-D"),
        ({"frame": pl.LazyFrame({"sex": ["man"]})}, TypeError, "Collect a lazy frame first"),
        ({"frame": pd.DataFrame({"sex": []})}, ValueError, "nothing to audit"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(change, error, message):
    with pytest.raises(error, match=message):
        audit_dataset(**{"frame": founding(), "sensitive_features": "sex", **change})


def test_labels_that_are_a_column_too_are_no_proxy_of_the_group():
    frame = pd.DataFrame(people(300))
    with pytest.raises(ValueError, match=r"also the column 'hired' of the data\. Say so, y='hired'"):
        audit_dataset(frame, "sex", frame["hired"].to_numpy())
    for y in (frame["hired"], frame["hired"].to_numpy()):
        kept = frame if isinstance(y, pd.Series) else frame.drop(columns="hired")
        audit = audit_dataset(kept, "sex", y, random_state=0)
        assert {part.column for part in audit.proxies.parts} == {"hours", "city", ALL_COLUMNS}


def test_labels_and_groups_in_another_order_of_rows_are_refused():
    frame = pd.DataFrame(people(300))
    y, frame = frame["hired"], frame.drop(columns="hired")
    with pytest.raises(ValueError, match="order"):
        audit_dataset(frame, "sex", y.sort_values())
    with pytest.raises(ValueError, match="order"):
        audit_dataset(frame, frame["sex"].sort_values())
    with pytest.raises(ValueError, match="order"):
        audit_dataset(frame[["hours"]].to_numpy(), frame["sex"], y.sort_values())


def test_braces_in_a_name_are_only_a_name():
    columns = {f"{{{key}}}": values for key, values in people(300).items()}
    audit = audit_dataset(pd.DataFrame(columns), "{sex}", "{hired}", random_state=0)
    assert audit.attributes == ("{sex}",)


def test_several_attributes_need_a_baseline_each():
    with pytest.raises(ValueError, match="give a baseline for each"):
        audit_dataset(two_attributes(), ["sex", "age"], baseline={"F": 0.5, "M": 0.5})


def test_the_order_of_rows_and_the_names_of_groups_change_no_number():
    frame = pd.DataFrame(people())
    shuffled = frame.sample(frac=1, random_state=0).replace({"sex": {"F": "z", "M": "a"}})
    one, two = (audit_dataset(data, "sex", "hired", "equal", proxies=False) for data in (frame, shuffled))
    for first, second in zip(one.findings, two.findings, strict=True):
        assert (first.check, first.severity) == (second.check, second.severity)
        assert (first.value, first.p) == pytest.approx((second.value, second.p), nan_ok=True)
    for ours, theirs in ((one.shares, two.shares), (one.labels, two.labels)):
        for mine, other in zip(ours.parts, theirs.parts, strict=True):
            assert mine.test.statistic == pytest.approx(other.test.statistic)
            assert (mine.low[::-1], mine.high[::-1]) == (pytest.approx(other.low), pytest.approx(other.high))


def test_a_reference_of_values_needs_as_many_columns():
    frame = two_attributes()
    with pytest.raises(ValueError, match="1 sensitive columns and the data have 2"):
        audit_dataset(frame, frame[["sex", "age"]], baseline=frame[["sex"]])


def test_those_of_an_unknown_group_are_not_the_smallest_group() -> None:
    group = ["a"] * 40 + ["b"] * 50 + [None] * 10
    small = only(audit_dataset(pd.DataFrame({"group": group}), "group"), "small groups")
    assert (small.severity, small.advice) == ("OK", "The smallest group, a, has 40 rows.")
    nobody = only(audit_dataset(pd.DataFrame({"group": [None] * 9}), "group"), "small groups")
    assert (nobody.severity, nobody.advice) == ("NOT APPLICABLE", "No row has a known group.")


def test_random_tables_are_drawn_a_few_at_a_time() -> None:
    """A thousand tables of 8 groups and 2000 labels, all at once, would take 128 MB."""
    table = draws().multinomial(5_000, np.full(8 * 2_000, 1 / 16_000)).reshape(8, 2_000).astype(float)
    tracemalloc.start()
    test = dependence_test(table, 0.95, draws())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert test is not None
    assert test.method == "Monte Carlo"
    assert test.p > 0.01
    assert most < 60e6


@pytest.mark.parametrize("half", [fractions.Fraction(1, 2), decimal.Decimal("0.5"), np.float32(0.5)])
def test_shares_may_be_numbers_of_any_kind(half: Any) -> None:
    audit = audit_dataset(founding(), "sex", baseline={"man": half, "woman": half})
    assert only(audit, "group shares").value == pytest.approx(0.2)


@pytest.mark.parametrize("normalize", [False, True])
def test_a_sample_of_other_groups_is_refused(normalize: bool) -> None:
    """Most likely it is no sample: the counts of groups, in a series, are not their rows."""
    frame = founding()
    with pytest.raises(ValueError, match="none of the groups of sex: the data hold 'man', 'woman', the"):
        audit_dataset(frame, frame["sex"], baseline=frame["sex"].value_counts(normalize=normalize))
    with pytest.raises(ValueError, match="Call groups alike"):
        audit_dataset(frame, "sex", baseline=pd.DataFrame({"sex": ["Man", "Woman"]}))


@pytest.mark.parametrize("pair", [0.2, (0.2,), (0.1, 0.2, 0.3), None])
def test_levels_that_are_not_two_are_refused(pair: Any) -> None:
    with pytest.raises(ValueError, match="levels of 'group shares' are two"):
        audit_dataset(founding(), "sex", tolerances={"group shares": pair})


@pytest.mark.parametrize("make", [int, np.random.default_rng, np.random.RandomState])
def test_a_random_state_of_any_kind_repeats_itself(make: Any) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"sex": rng.choice(["f", "m"], 120), "income": rng.normal(size=120)})
    first, again = (audit_dataset(frame, "sex", baseline="equal", random_state=make(3)) for _ in range(2))
    assert first.to_dict() == again.to_dict()
