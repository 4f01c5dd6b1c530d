"""Margins: with a confidence, unseen rows meet the bound that often; groups with too few rows are named."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pytest
from scipy.special import ndtri
from sklearn.frozen import FrozenEstimator
from threshold_tools import choose_thresholds
from toy_data import ScoreColumn, logistic, people

from fairsk import GroupThresholdOptimizer
from fairsk._core.bounds import bounded_constraints
from fairsk._core.counts import soft_counts
from fairsk._core.groups import Grouping
from fairsk._held_out.safety_margin import SafetyMargin
from fairsk.metrics import GroupCounts
from fairsk.rates import CELLS
from fairsk.statistics import ratio_interval
from fairsk.thresholds._group_curves import GroupCurves
from fairsk.thresholds._search import Search
from fairsk.thresholds._spec import ThresholdSpec


def make_rows(seed, sizes):
    """Return calibrated rows of groups whose scores rise with their number."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    scores = rng.beta(2 + 0.5 * codes, 3)
    return scores, rng.random(len(scores)) < scores, Grouping(("g",), tuple(range(len(sizes))), codes)


def choose(rows, margin, *, max_difference=None, min_ratio=None, constraint="demographic_parity"):
    spec = ThresholdSpec.from_parameters(
        constraint, max_difference, min_ratio, objective="accuracy", min_rates=None, capacity=None,
        level_up=False, policy="threshold", margin=margin, min_group_size=1,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return choose_thresholds(GroupCurves.from_rows(*rows), spec)


@cache
def make_new_rows(n, n_groups):
    return make_rows(99, [n] * n_groups)


def truth(rules, n=100_000):
    """Return the counts of very many new rows under the rules."""
    scores, actual, groups = make_new_rows(n, len(rules))
    chance = np.empty(len(scores))
    for g, rule in enumerate(rules):
        chance[groups.codes == g] = rule.selection_probability(scores[groups.codes == g])
    return soft_counts(chance, actual, groups, np.ones(len(scores)))


@pytest.mark.parametrize("bound", [{"max_difference": 0.1}, {"min_ratio": 0.75}], ids=str)
@pytest.mark.parametrize("sizes", [[800, 800], [1200, 1200, 1200]], ids=str)
def test_a_confidence_is_kept(sizes, bound):
    comparison = "difference" if "max_difference" in bound else "ratio"
    reached, kept, covered = [], 0, 0
    for seed in range(60):
        for margin in (0.0, 0.9):
            found = choose(make_rows(seed, sizes), margin, **bound)
            disparity = truth(found.rules, 20_000).compare("demographic_parity", comparison)
            if margin:
                kept += (
                    disparity <= bound["max_difference"]
                    if comparison == "difference"
                    else disparity >= bound["min_ratio"]
                )
            else:
                low, high = found.report.interval
                covered += low <= disparity <= high
            reached.append((margin, found.report.value))
    assert kept >= 54  # of 60 at 90%, with what Bonferroni leaves
    assert covered >= 54  # of 60 at 95%
    without, careful = (np.mean([value for m, value in reached if m == at]) for at in (0.0, 0.9))
    assert without - 0.03 <= careful <= without


def test_one_standard_error_is_kept_between_all_pairs():
    rows = make_rows(0, [3000, 900, 1500])
    found = choose(rows, "1se", max_difference=0.08)
    counts = found.report.counts
    value = counts.rate("selection_rate")
    error = np.sqrt(value * (1 - value) / counts.n)
    for a in range(3):
        for b in range(a):
            assert abs(value[a] - value[b]) + np.hypot(error[a], error[b]) <= 0.08 + 1e-9
    plain = choose(rows, 0.0, max_difference=0.08)
    assert found.report.value <= plain.report.value


def test_groups_with_too_few_rows_get_the_widest_margin_that_fits():
    X, y = people(n=1200)
    groups = np.where(np.arange(1200) < 60, "few", X["sex"])
    model = GroupThresholdOptimizer(logistic(), max_difference=0.1, margin=0.9)
    with pytest.warns(
        UserWarning, match=r"Too few rows to keep margin=0\.9 \(2\.13 .*\) for: few\. .*report_\.margins"
    ):
        report = model.fit(X, y, sensitive_features=groups).report_
    assert "few" in report.uncertain
    assert "few" in next(line for line in str(report).splitlines() if line.startswith("uncertain:"))
    plain = GroupThresholdOptimizer(logistic(), max_difference=0.1).fit(X, y, sensitive_features=groups)
    assert "few" in plain.report_.uncertain  # without a margin too
    assert report.margin == pytest.approx(ndtri(1 - 0.1 / 6))  # six ordered pairs of three groups
    assert list(report.margins) == ["few"]
    assert 0.5 < report.margins["few"] < report.margin
    assert f"less:        few {report.margins['few']:.2f} (as much as fits)" in str(report)
    assert report.to_dict()["margins"] == dict(report.margins)


def counts_of(selected, rows):
    selected, rows = np.array(selected, dtype=float), np.array(rows, dtype=float)
    cells = {"tp": selected, "fp": 0 * rows, "fn": rows - selected, "tn": 0 * rows}
    return GroupCounts(range(len(rows)), {cell: cells[cell] for cell in CELLS})


def margin_of(n_errors, **bound):
    bounds = bounded_constraints("demographic_parity", bound.get("max_difference"), bound.get("min_ratio"))
    return SafetyMargin(bounds, n_errors, "1se")


def test_a_group_in_which_nobody_is_selected_is_not_certain():
    counts = counts_of([0, 20, 80], [100, 100, 300])  # a fifth of all 500 rows
    error = np.sqrt(0.2 * 0.8 / np.array([100, 100, 300]))
    by_difference = margin_of(1.0, max_difference=0.1).standard_errors(counts)
    np.testing.assert_allclose(by_difference, [error])
    np.testing.assert_allclose(margin_of(1.0, min_ratio=0.8).standard_errors(counts), [error / 0.2])


@pytest.mark.parametrize("n_errors", [1.0, 3.0])
def test_the_widest_margin_is_found_by_bisection(n_errors):
    """Decisions that can keep at most .011 for the group of 40 rows, and anything for others."""
    counts, asked = counts_of([8, 80], [40, 400]), []

    def solve(distances):
        if distances is None:
            return "plain"
        asked.append(distances)
        if distances[0, 0] > 0.011:
            raise ValueError("too tight")
        return "careful"

    errors = np.sqrt(0.2 * 0.8 / np.array([40, 400]))  # .063 and .02
    decision, kept = margin_of(n_errors, max_difference=0.1).choose(solve, lambda _: counts)
    assert decision == "careful"
    # 22 / 128 standard errors are .01087 for the small group; 28 / 128 of half the window of .1, .01094.
    np.testing.assert_allclose(kept.distances, [[0.05 * 28 / 128, 0.05 * 28 / 128]])
    assert kept.by_group == pytest.approx(dict(enumerate(0.05 * 28 / 128 / errors)))
    # A group that has a rate in every window of length .06 is sure to keep .02.
    steps = np.array([[0.1, 0.06]])
    _, kept = margin_of(n_errors, max_difference=0.1).choose(solve, lambda _: counts, steps=lambda _: steps)
    np.testing.assert_allclose(kept.distances, [[errors[0] * 22 / 128, 0.02]])
    assert list(kept.by_group) == ([0] if n_errors == 1 else [0, 1])
    assert all(distances[0, 0] <= n_errors * errors[0] for distances in asked)


def test_what_has_no_room_for_a_margin_gets_none():
    counts = counts_of([8, 80], [40, 400])
    for bound in ({"max_difference": 0.0}, {"min_ratio": 1.0}, {"min_ratio": 0.0}):
        decision, kept = margin_of(1.0, **bound).choose(lambda distances: distances, lambda _: counts)
        assert decision is None
        assert kept.by_group == {}
    alone = margin_of(1.0, max_difference=0.1).choose(
        lambda distances: distances, lambda _: counts_of([8], [40])
    )
    assert alone[0] is None


@pytest.mark.parametrize(
    "constraint", ["demographic_parity", "equal_opportunity", "equalized_odds", "predictive_parity"]
)
@pytest.mark.parametrize("bound", [{"max_difference": 0.1}, {"min_ratio": 0.8}], ids=str)
def test_asking_for_more_never_gives_less(bound, constraint):
    """The order of protection is 0 < "1se" < .95, for every group and rate; rates keep what is claimed."""
    rng = np.random.default_rng(0)
    for seed in range(3):
        curves = GroupCurves.from_rows(*make_rows(seed, rng.integers(35, 600, 4)))
        found = []
        for margin in (0.0, "1se", 0.95):
            spec = ThresholdSpec.from_parameters(
                constraint, bound.get("max_difference"), bound.get("min_ratio"), objective="accuracy",
                min_rates=None, capacity=None, level_up=False, policy="auto", margin=margin, min_group_size=1,
            )  # fmt: skip
            search = Search.prepare(curves, spec)
            found.append((search, search.choose()))
        without, least, most = (solution.margin.distances for _, solution in found)
        assert without is None
        assert (least > 0).any()
        assert (most >= least).all()
        reachable = [solution.upper_bound for _, solution in found]
        assert reachable[0] >= reachable[1] - 1e-7 >= reachable[2] - 2e-7
        for search, solution in found[1:]:
            cells = search.curves.counts(solution.rules).cells
            for rate, distance in zip(spec.rates, solution.margin.distances, strict=True):
                value = rate(cells)
                if "max_difference" in bound:
                    assert (value + distance).max() - (value - distance).min() <= 0.1 + 1e-6
                else:
                    assert (value / np.exp(distance)).min() >= 0.8 * (value * np.exp(distance)).max() - 1e-6


def test_a_policy_of_thresholds_keeps_what_thresholds_can():
    rows = make_rows(3, [40, 50, 400, 500])
    spec = {"max_difference": 0.1}
    plain, careful = choose(rows, 0.0, **spec), choose(rows, 0.95, **spec)
    assert plain.report.policy == careful.report.policy == "threshold"
    assert min(careful.report.margins.values()) > 0


def test_exact_parity_needs_no_margin():
    rows = make_rows(1, [400, 400])
    careful, plain = (choose(rows, margin, max_difference=0.0) for margin in (0.95, 0.0))
    assert careful.report.value == plain.report.value


def test_a_ratio_interval_covers_the_truth():
    rng = np.random.default_rng(0)
    rates = np.array([0.3, 0.4, 0.36])
    hits = [0, 0]
    for _ in range(300):
        low, high = ratio_interval(counts_of(rng.binomial(150, rates), [150] * 3), "demographic_parity")
        hits[0] += low <= 0.75 <= high
        two = counts_of(rng.binomial(150, rates[:2]), [150] * 2)
        low, high = ratio_interval(two, "demographic_parity")
        hits[1] += low <= 0.75 <= high
    assert hits[0] >= 285
    assert 275 <= hits[1] <= 297


def test_a_ratio_interval_at_the_ends():
    assert ratio_interval(counts_of([0, 0], [10, 10]), "demographic_parity") == (0.0, 1.0)
    low, high = ratio_interval(counts_of([0, 50], [100, 100]), "demographic_parity")
    assert low == 0
    assert 0 < high < 0.2
    low, high = ratio_interval(counts_of([50, 50], [100, 100]), "demographic_parity")
    assert low < 1 == high
    only = ratio_interval(counts_of([5], [10]), "demographic_parity")
    assert np.isnan(only).all()


def test_a_margin_that_no_thresholds_keep_is_not_claimed():
    """Two levels of scores, and neither nobody nor everybody allowed: the gap is what it is."""
    codes = np.repeat([0, 1], 1000)
    scores = np.concatenate([np.repeat([0.2, 0.8], [500, 500]), np.repeat([0.2, 0.8], [400, 600])])
    actual = np.random.default_rng(0).random(2000) < scores
    X = np.column_stack([scores, codes])
    model = GroupThresholdOptimizer(
        FrozenEstimator(ScoreColumn().fit(X, actual)),
        sensitive_features=1,
        max_difference=0.1,
        min_rates={"true_positive_rate": 0.1, "true_negative_rate": 0.1},
        margin=0.95,
    )
    with pytest.warns(
        UserWarning, match=r"No thresholds keep margin=0\.95 for: 0\.0, 1\.0\. .* nothing is promised"
    ):
        report = model.fit(X, actual).report_
    assert report.margin == 0
    assert report.margins == {0.0: 0.0, 1.0: 0.0}
    assert report.disparity == pytest.approx(0.1)
    assert "0.95 was asked for; none fits" in str(report)
