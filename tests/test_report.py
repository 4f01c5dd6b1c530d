"""What a report tells: uncertain groups, what is reached without the bound, and a summary in sentences."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from statsmodels.stats.proportion import confint_proportions_2indep
from threshold_tools import choose_thresholds
from toy_data import ScoreColumn, logistic, people

from fairsk import Constraint, GroupThresholdOptimizer, Rate
from fairsk._core.bounds import bounded_constraints
from fairsk._core.groups import Grouping
from fairsk._held_out.objective import make_objective
from fairsk._held_out.report import (
    BoundReport,
    ConstraintReport,
    drop_rounding,
    report_fields,
    warn_of_wide_intervals,
)
from fairsk._held_out.summary import rate_in_words
from fairsk.metrics import GroupCounts
from fairsk.neural._comparisons import GroupComparison
from fairsk.neural._evaluation import TrainingReport, warn_of_violations
from fairsk.neural._margins import Margins
from fairsk.rates import RATES
from fairsk.thresholds._group_curves import GroupCurves
from fairsk.thresholds._report import ThresholdReport, _written
from fairsk.thresholds._spec import ThresholdSpec


def table(groups, tp, fp, fn, tn, **options):
    return GroupCounts(groups, {"tp": tp, "fp": fp, "fn": fn, "tn": tn}, **options)


def report_on(counts, constraint="demographic_parity", max_difference=None, min_ratio=None, **options):
    objective = make_objective(options.pop("objective", "accuracy"), 1.0, 1.0)
    fields = {"pos_label": "hired", "value_without_bound": None, "measured_on": "held out", **options}
    constraints = bounded_constraints(constraint, max_difference, min_ratio)
    return BoundReport(**report_fields(counts, constraints, objective, **fields))


# --- uncertain groups -----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(5, 400), st.floats(0, 1)), min_size=2, max_size=6), st.floats(0, 0.8))
def test_uncertain_are_the_groups_of_every_pair_whose_interval_passes_the_bound(sizes, bound):
    """Newcombe's intervals by statsmodels, for all pairs at once (Bonferroni)."""
    n = np.array([size for size, _ in sizes])
    selected = np.array([round(size * share) for size, share in sizes])
    pairs = list(itertools.combinations(range(len(n)), 2))
    expected, ends = set(), []
    for a, b in pairs:
        low, high = confint_proportions_2indep(
            selected[a], n[a], selected[b], n[b], method="newcomb", alpha=0.05 / len(pairs)
        )
        ends.append(max(abs(low), abs(high)))
        if ends[-1] > bound:
            expected |= {a, b}
    if min(abs(end - bound) for end in ends) < 1e-6:
        return  # too close for rounding to tell
    zeros = np.zeros(len(n))
    report = report_on(table(range(len(n)), selected, zeros, n - selected, zeros), max_difference=bound)
    assert set(report.uncertain) == expected
    assert report.constraints[0].is_sure == (not expected)


def test_uncertain_groups_are_those_of_any_constraint_and_rate():
    counts = table(["a", "b", "c"], [400, 410, 30], [100, 90, 100], [100, 90, 8], [400, 410, 400])
    # The selection rates of c and the others are far apart, whatever the interval.
    assert report_on(counts, max_difference=0.2).uncertain == ("a", "b", "c")
    assert report_on(counts, "predictive_equality", max_difference=0.2).uncertain == ()
    # c has 38 positives: too few to promise a difference of .2 of its true positive rate.
    assert report_on(counts, "equalized_odds", max_difference=0.2).uncertain == ("a", "b", "c")
    assert report_on(counts.take(["a", "b"]), "equalized_odds", max_difference=0.2).uncertain == ()
    both = report_on(counts, ["predictive_equality", "equal_opportunity"], max_difference=[0.2, 0.3])
    assert both.uncertain == ()
    exempt = report_on(counts, "equalized_odds", max_difference=0.2, exempt=["c"])
    assert (exempt.uncertain, exempt.exempt) == ((), ("c",))


def test_uncertain_under_a_ratio():
    counts = table(["a", "b", "c"], [4000, 3600, 30], [0, 0, 0], [4000, 4400, 50], [0, 0, 0])
    assert report_on(counts, min_ratio=0.8).uncertain == ("a", "b", "c")  # .375 / .5, but only 80 rows
    assert report_on(counts.take(["a", "b"]), min_ratio=0.8).uncertain == ()  # .9, of thousands
    assert report_on(counts, min_ratio=0.0).uncertain == ()
    assert report_on(counts, max_difference=0.0).uncertain == ("a", "b", "c")  # nobody can promise parity


# --- the warning of wide intervals --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("comparison", "bound", "interval", "is_far"),
    [
        ("difference", 0.1, (0.0, 0.199), False),
        ("difference", 0.1, (0.0, 0.201), True),
        ("difference", 0.0, (0.0, 0.5), False),  # parity: no rows show it
        ("difference", np.inf, (0.0, 0.5), False),
        ("ratio", 0.8, (0.641, 1.0), False),
        ("ratio", 0.8, (0.639, 1.0), True),
        ("ratio", 1.0, (0.2, 1.0), False),
        ("ratio", 0.0, (0.0, 1.0), False),
        ("difference", 0.1, (np.nan, np.nan), False),
    ],
)
def test_an_interval_passes_the_bound_far_at_twice_what_it_allows(comparison, bound, interval, is_far):
    part = ConstraintReport("demographic_parity", (), comparison, bound, 0.1, interval)
    assert part.is_far is is_far


def scored_rows(n, seed=0):
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b"], n)
    score = rng.beta(np.where(group == "a", 2, 3), 3)
    return score.reshape(-1, 1), (rng.random(n) < score).astype(int), group


def prefit(**options):
    model = FrozenEstimator(ScoreColumn().fit(np.zeros((2, 1)), [0, 1]))
    return GroupThresholdOptimizer(model, **options)


def test_fit_warns_once_that_the_rows_say_little():
    X, y, group = scored_rows(300)
    message = r"^These rows say little about max_difference=0\.05 for demographic_parity: .* margin='1se'"
    with pytest.warns(UserWarning, match=message) as caught:
        report = prefit(max_difference=0.05).fit(X, y, sensitive_features=group).report_
    assert len(caught) == 1
    assert report.interval[1] > 0.1
    assert report.uncertain == ("a", "b")
    with pytest.warns(UserWarning, match="Too few rows to keep margin=0.95") as caught:
        prefit(max_difference=0.05, margin=0.95).fit(X, y, sensitive_features=group)
    assert len(caught) == 1  # not also that the interval is wide


def test_the_warning_is_short_whatever_constraints_are_called():
    part = ConstraintReport("x" * 5000, (), "difference", 0.1, 0.1, (0.0, 0.5))
    others = [replace(part, constraint=f"criterion {i}") for i in range(100)]
    with pytest.warns(UserWarning, match="These rows say little about") as caught:
        warn_of_wide_intervals([part, *others])
    assert len(str(caught[0].message)) < 2000


@pytest.mark.parametrize("options", [{"max_difference": 0.05}, {"min_ratio": 0.8}, {"max_difference": 0.0}])
def test_enough_rows_and_parity_are_no_reason_to_warn(options):
    X, y, group = scored_rows(8000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prefit(**options, policy="randomized").fit(X, y, sensitive_features=group)


def test_a_blind_policy_and_a_net_warn_as_well():
    X, y = people(n=400)
    blind = GroupThresholdOptimizer(logistic(), sensitive_features="sex", policy="blind", max_difference=0.02)
    with pytest.warns(UserWarning, match="These rows say little about max_difference=0.02"):
        blind.fit(X, y)
    counts = table(["f", "m"], [20, 24], [4, 4], [16, 12], [40, 40])
    shared = vars(report_on(counts, max_difference=0.06, measured_on="training"))
    message = (
        r"^These rows say little about max_difference=0\.06 .* more rows, margin='1se' or a confidence, "
    )
    with pytest.warns(UserWarning, match=message):
        warn_of_violations(TrainingReport(**shared), np.array(["rejected", "hired"]), Margins({}), 25)
    summary = TrainingReport(**shared).summary()
    assert "More rows, a margin, coarser groups or a looser bound make it surer." in summary


def test_a_net_that_misses_a_bound_is_told_how_long_it_was_trained_and_of_margins():
    shared = vars(report_on(NOW, max_difference=0.1, measured_on="out of fold"))
    message = r"difference .* is 0\.12; .*=0\.1\. Train longer \(max_epochs=100\), give a margin, loosen"
    with pytest.warns(ConvergenceWarning, match=message):
        warn_of_violations(TrainingReport(**shared), np.array(["rejected", "hired"]), Margins({}), 25)
    bounds = bounded_constraints("demographic_parity", 0.1, None)
    kept = Margins.of("1se", bounds, [GroupComparison(1, (0, 1))])
    with pytest.warns(ConvergenceWarning, match=r"max_epochs=4000\), loosen the bound"):
        warn_of_violations(TrainingReport(**shared), np.array(["rejected", "hired"]), kept, 1000)


# --- without a bound ----------------------------------------------------------------------------------------


def small_problem(seed):
    rng = np.random.default_rng(seed)
    k, n = int(rng.integers(2, 4)), 18
    scores, codes = rng.integers(0, 12, n) / 12, np.arange(n) % k
    actual = rng.random(n) < 0.5
    actual[:2] = True, False
    weights = rng.integers(1, 4, n).astype(float) if seed % 2 else np.ones(n)
    return scores, actual, codes, weights


def totals(selected, actual, weights):
    cells = ((actual, selected), (~actual, selected), (actual, ~selected), (~actual, ~selected))
    return [float(weights[label & chosen].sum()) for label, chosen in cells]


VALUES = {
    "accuracy": lambda tp, fp, fn, tn: (tp + tn) / (tp + fp + fn + tn),
    "f1": lambda tp, fp, fn, tn: 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else np.nan,
    "error_rate": lambda tp, fp, fn, tn: -(fp + fn) / (tp + fp + fn + tn),
}


@pytest.mark.parametrize("capacity", [None, 0.3])
@pytest.mark.parametrize("objective", VALUES)
@pytest.mark.parametrize("seed", range(8))
def test_the_values_without_a_bound_equal_brute_force(seed, objective, capacity):
    scores, actual, codes, weights = small_problem(seed)
    groups = Grouping(("g",), tuple(range(codes.max() + 1)), codes)
    spec = ThresholdSpec.from_parameters(
        "demographic_parity", 0.1, None, objective=objective, min_rates=None, capacity=capacity,
        level_up=False, policy="threshold", margin=0.0, min_group_size=1,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        curves = GroupCurves.from_rows(scores, actual, groups, weights)
        report = choose_thresholds(curves, spec).report

    def best(choices):
        values = []
        for thresholds in choices:
            tp, fp, fn, tn = totals(scores >= np.array(thresholds)[codes], actual, weights)
            if capacity is None or tp + fp <= capacity * weights.sum() + 1e-9:
                values.append(VALUES[objective](tp, fp, fn, tn))
        return np.nanmax(values)

    candidates = [[np.inf, *np.unique(scores[codes == g])] for g in groups.labels]
    everyone = [np.inf, *np.unique(scores)]
    sign = -1 if objective == "error_rate" else 1
    assert report.lower_is_better == (sign < 0)
    assert sign * report.group_value_without_bound == pytest.approx(best(itertools.product(*candidates)))
    single = best([(t,) * len(groups.labels) for t in everyone])
    assert sign * report.value_without_bound == pytest.approx(single)
    # The counts beside it are those of that single threshold.
    cells = [float(report.counts_without_bound.cells[cell].sum()) for cell in ("tp", "fp", "fn", "tn")]
    assert VALUES[objective](*cells) == pytest.approx(single)


def test_without_a_bound_the_worst_group_has_its_own_best_threshold():
    X, y, group = scored_rows(400)
    report = (
        prefit(objective="worst_group_accuracy", max_difference=0.02)
        .fit(X, y, sensitive_features=group)
        .report_
    )
    best = []
    for name in ("a", "b"):
        scores, labels = X[group == name, 0], y[group == name]
        best.append(max(np.mean((scores >= t) == labels) for t in [np.inf, *scores]))
    assert report.group_value_without_bound == pytest.approx(min(best))
    assert "The worst group accuracy is " in report.summary()


def test_within_strata_a_summary_says_where_groups_are_furthest_apart():
    X, y, group = scored_rows(6000)
    where = np.where(np.arange(6000) % 2, "north", "south")
    frame = pd.DataFrame({"score": X[:, 0], "group": group, "town": where})
    model = GroupThresholdOptimizer(
        ScoreColumn(),
        sensitive_features="group",
        strata="town",
        constraint="predictive_equality",
        max_difference=0.1,
    ).fit(frame, y)
    report, text = model.report_, model.report_.summary()
    assert "differs by at most 0.1 between groups with the same town. Selected means predicted 1." in text
    stratum = report.constraints[0].stratum
    assert (
        f"the difference between groups with the same town, at its worst in {stratum}, is "
        f"{report.disparity:.4f}" in text
    )
    assert "wrongly selected in all: " in text
    assert "rate goes from" not in text  # of all strata together it says nothing
    assert "Measured on 6,000 training rows" in text


def test_uncertain_within_strata_are_the_groups_of_any_stratum():
    north = table(["a", "b", "c"], [500, 500, 5], [0, 0, 0], [500, 500, 5], [0, 0, 0])
    south = table(["a", "b"], [500, 510], [0, 0], [500, 490], [0, 0])
    both = GroupCounts(
        ["a", "b", "c"],
        {
            cell: np.stack([north.cells[cell], np.append(south.cells[cell], 0.0)], axis=1)
            for cell in ("tp", "fp", "fn", "tn")
        },
        strata=["north", "south"],
    )
    report = report_on(both, max_difference=0.1, tables={"north": north, "south": south})
    assert report.uncertain == ("a", "b", "c")  # ten rows of c in the north
    report = report_on(both, max_difference=0.1, tables={"north": north.take(["a", "b"]), "south": south})
    assert report.uncertain == ()


def test_what_is_without_a_bound_stands_in_the_report_and_its_record():
    X, y, group = scored_rows(4000)
    model = prefit(max_difference=0.02, min_rates={"true_positive_rate": 0.3}).fit(
        X, y, sensitive_features=group
    )
    report = model.report_
    assert f"no bound:    {report.value_without_bound:.4f} with one threshold for all, " in str(report)
    assert f"{report.group_value_without_bound:.4f} with the best one per group\n" in str(report)
    selected = np.bincount(group == "b", X[:, 0] >= model.overall_threshold_, 2)
    before = report.counts_without_bound
    assert (before.cells["tp"] + before.cells["fp"]).tolist() == selected.tolist()
    record = report.to_dict()
    assert record["group_value_without_bound"] == report.group_value_without_bound >= report.value
    assert record["counts_without_bound"]["cells"]["tp"] == before.cells["tp"].tolist()


def test_strata_and_cells_that_are_passed_over_stand_in_the_report():
    X, y, group = scored_rows(3000)
    rng = np.random.default_rng(0)
    town = np.where(rng.random(3000) < 0.5, "north", "south").astype(object)
    group = np.where(rng.random(3000) < 0.2, "c", group)
    group[(group == "c") & (town == "south")] = "a"  # c is compared in the north alone
    town[:40], group[:40] = "islet", "a"
    frame = pd.DataFrame({"score": X[:, 0], "group": group, "education": town})
    model = GroupThresholdOptimizer(
        ScoreColumn(), sensitive_features="group", strata="education", max_difference=0.2
    )
    with pytest.warns(UserWarning, match="The bound does not cover c in south") as caught:
        report = model.fit(frame, y).report_
    assert sum("min_group_size" in str(each.message) for each in caught) == 1
    assert report.strata_names == ("education",)
    assert report.not_compared == ("islet",)
    assert report.cells_not_compared == (("c", "south"),)
    assert [part.stratum for part in report.within] == ["north", "south"]
    chosen = model.decided_rows(frame).selection_probability  # the model was not refitted: the same scores
    for part in report.within:
        here = town == part.stratum
        labels = ["a", "b", "c"] if part.stratum == "north" else ["a", "b"]
        shares = [chosen[here & (group == label)].mean() for label in labels]
        assert part.disparity == pytest.approx(max(shares) - min(shares))
    worst = max(report.within, key=lambda part: part.disparity)
    assert (worst.stratum, worst.disparity) == (report.constraints[0].stratum, report.disparity)
    # Intervals of all strata hold together.
    assert report.interval[1] == max(part.interval[1] for part in report.within)
    text = str(report)
    assert f", the largest within a stratum: {worst.stratum}\n" in text
    assert "strata:      education; groups are compared in 2 of 3, the table sums over all\n" in text
    assert "passed over: islet\nleft out:    c in south (too few rows)\n" in text
    for part in report.within:
        assert f"within:      {part.stratum}: demographic_parity difference {part.disparity:.4f}\n" in text
    assert (
        "Groups are compared in 2 strata of education; not in: islet, where there are not two groups with "
        "enough rows; too few rows to compare have c in south."
    ) in report.summary()
    unnamed = GroupThresholdOptimizer(ScoreColumn(), sensitive_features="group", max_difference=0.2)
    with pytest.warns(UserWarning, match="islet"):
        report = unnamed.fit(frame, y, strata=town).report_
    assert report.strata_names == ()
    assert "between groups of a stratum." in report.summary()
    assert "Groups are compared in 2 strata; not in: islet" in report.summary()


# --- nothing is clipped -------------------------------------------------------------------------------------


def test_a_gain_below_zero_is_shown_and_rounding_is_not():
    assert [drop_rounding(gain) for gain in (-3e-4, -2e-16, 1e-13, 0.2)] == [-3e-4, 0.0, 0.0, 0.2]
    counts = table(["a", "b"], [60, 50], [10, 10], [20, 30], [110, 110])
    shared = vars(report_on(counts, max_difference=0.1))
    report = ThresholdReport(
        **shared, policy="blind", solver="prices", reason="as asked for", thresholds={}, optimality_gap=-2e-7,
        blindness_cost=-0.0012, binning_loss=-0.0003,
    )  # fmt: skip
    assert "thresholds per group would reach -0.0012 more" in str(report)
    assert "at most -0.0003 more is possible" in str(report)
    assert "at most 0.0000 short of the best" in str(report)  # never -0.0000
    assert report.to_dict()["optimality_gap"] == -2e-7


# --- the summary --------------------------------------------------------------------------------------------


BEFORE = table(["f", "m"], [200, 500], [40, 100], [200, 100], [560, 300])
#: A rate of the user's own, written with factors.
SPARED = Constraint("own", Rate("spared", "2*tn", "2*fp+2*tn"))
NOW = table(["f", "m"], [290, 420], [70, 60], [110, 180], [530, 340])


def test_the_summary_says_what_changes_costs_and_is_to_be_expected():
    report = report_on(
        NOW, max_difference=0.15, value_without_bound=0.78, group_value_without_bound=0.785,
        counts_without_bound=BEFORE, measured_on="out of fold",
    )  # fmt: skip
    low, high = report.interval
    assert report.summary().splitlines() == [
        "The decisions were made, so that the selection rate (share of all people who are selected) differs "
        "by at most 0.15 between groups. Selected means predicted hired.",
        "Compared with one threshold for all, as many are selected in all: 120 more (+50.0%) in f, "
        "120 fewer (-20.0%) in m.",
        "The selection rate goes from 0.3600 (f) to 0.4800 (m); with one threshold for all it would go from "
        "0.2400 (f) to 0.6000 (m).",
        "The accuracy is 0.7900: 0.0100 better than one threshold for all rows (0.7800, 20 fewer wrong "
        "decisions) and 0.0050 better than the best threshold of each group (0.7850, 10 fewer wrong "
        "decisions) would reach without the bound.",
        "Under demographic parity, the difference between groups is 0.1200 on these rows; on new rows "
        f"expect {low:.4f} to {high:.4f} (95% interval over all pairs; at most 0.15 was asked for, and new "
        "rows may not keep that).",
        "New rows may show both groups further apart than was asked for: the interval of a pair of them "
        "reaches beyond the bound. More rows, a margin, coarser groups or a looser bound make it surer.",
        "Measured on 2,000 training rows, each decided by a model that was fitted without it.",
    ]


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("predictive_equality", "wrongly selected in all: 40 fewer (-40.0%) in m, 30 more (+75.0%) in f"),
        ("equal_opportunity", "rightly selected in all: 90 more (+45.0%) in f, 80 fewer (-16.0%) in m"),
        (
            "false_negative_parity",
            "wrongly turned down in all: 90 fewer (-45.0%) in f, 80 more (+80.0%) in m",
        ),
        ("error_rate_parity", "decided wrongly in all: 60 fewer (-25.0%) in f, 40 more (+20.0%) in m"),
        (SPARED, "rightly turned down in all: 40 more (+13.3%) in m, 30 fewer (-5.4%) in f"),
    ],
    ids=["fpr", "tpr", "fnr", "error", "own"],
)
def test_the_summary_counts_what_a_constraint_is_about(constraint, expected):
    report = report_on(NOW, constraint, max_difference=0.3, counts_without_bound=BEFORE)
    assert expected in report.summary()


def test_rates_in_words():
    words = {name: rate_in_words(rate, "hired") for name, rate in RATES.items()}
    assert words["true_positive_rate"] == (
        "true positive rate (share of the people labelled hired who are rightly selected)"
    )
    assert words["false_positive_rate"].endswith(
        "(share of the people not labelled hired who are wrongly selected)"
    )
    assert words["precision"].endswith("(share of the selected who are rightly selected)")
    assert words["false_omission_rate"].endswith("(share of those turned down who are wrongly turned down)")
    assert words["accuracy"].endswith("(share of all people who are decided rightly)")
    assert words["f1"] == "f1"  # no share of anybody


def test_the_summary_of_an_error_that_is_minimised_has_the_sign_right():
    report = report_on(
        NOW, max_difference=0.3, objective="error_rate", value_without_bound=0.2, counts_without_bound=BEFORE
    )
    assert (
        "The error rate is 0.2100: 0.0100 worse than one threshold for all rows (0.2000)" in report.summary()
    )
    assert "new rows should keep that" in report.summary()


def test_the_summary_says_where_a_bound_is_missed():
    text = report_on(NOW, max_difference=0.1).summary()
    assert text.startswith(
        "The decisions were made, with an aim that these rows miss: that the selection rate"
    )
    assert "at most 0.1 was asked for, which these rows do not keep)" in text


def test_the_summary_of_many_groups_is_short_and_names_the_largest_changes():
    k = 1000
    rng = np.random.default_rng(0)
    names = [f"group number {i}" for i in range(k)]
    before = table(names, *(rng.integers(20, 40, k) for _ in range(4)))
    cells = {cell: values.copy() for cell, values in before.cells.items()}
    cells["tp"][[7, 700]] += [15, 12]
    cells["fn"][[7, 700]] -= [15, 12]
    now = table(names, **cells)
    report = report_on(now, max_difference=0.1, counts_without_bound=before, exempt=names[:300:2])
    text = report.summary()
    assert len(text) < 2000
    assert "27 more people are selected in all: 15 more" in text
    assert "in group number 7, 12 more" in text
    assert "group number 0, group number 2, group number 4, group number 6 and 146 more" in text


def test_the_summary_says_what_it_cannot():
    lonely = report_on(NOW.take(["f"]), max_difference=0.1)
    assert (
        "Fewer than two groups can be compared under demographic parity: nothing is promised."
        in lonely.summary()
    )
    assert "what would be reached without the bound was not measured" in lonely.summary()
    weighted = table(
        ["a", "b"], [9.0, 8], [1, 1], [2, 2], [3, 3], squares={c: [5.0, 5] for c in ("tp", "fp", "fn", "tn")}
    )
    assert "numbers are sums of weights" in report_on(weighted, max_difference=0.5).summary()
    undefined = report_on(
        table(["a", "b"], [0, 0], [0, 0], [5, 5], [5, 5]), objective="precision", max_difference=0.5
    )
    assert "The precision is not defined for these decisions." in undefined.summary()


def test_group_names_cannot_break_the_lines_of_a_summary():
    counts = table(["a\nb", "<b>"], [60, 20], [10, 10], [20, 60], [10, 10])
    lines = report_on(counts, max_difference=0.1, counts_without_bound=counts).summary().splitlines()
    assert len(lines) == 7
    assert any("a\N{REPLACEMENT CHARACTER}b" in line for line in lines)


def test_the_summaries_of_the_estimators():
    X, y = people(n=2000)
    for policy, opening in (
        ("threshold", "Each group has a threshold of its own, so that"),
        ("blind", "One rule decides for all, from the score and a guess at the group, so that"),
    ):
        model = GroupThresholdOptimizer(logistic(), sensitive_features="sex", policy=policy).fit(X, y)
        text = model.report_.summary()
        assert text.startswith(opening)
        assert "Selected means predicted yes." in text
    shared = vars(report_on(NOW, max_difference=0.1, measured_on="training"))
    others = tuple(TrainingReport(**shared, column=column) for column in "abcde")
    text = TrainingReport(**shared, others=others).summary()
    assert text.startswith(
        "One net, trained under the bound, decides for all rows, with an aim that these rows miss: that"
    )
    assert "Selected are 360 of 1,000 in f (36.0%), 480 of 1,000 in m (48.0%)." in text
    assert "Measured on the 2,000 rows that the model was fitted to" in text
    bounded = report_on(NOW, max_difference=0.1, measured_on="training")
    parts = tuple(replace(part, bound=np.inf) for part in bounded.constraints)
    free = TrainingReport(**(vars(bounded) | {"constraints": parts})).summary()
    assert free.startswith("One net, trained without a bound, decides for all rows. No bound was asked for")
    assert "The accuracy is 0.7900.\n" in free
    assert "Beside this, hired by c: demographic_parity difference 0.1200." in text
    assert "by d" not in text
    assert "2 more are in report_.others." in text


def test_the_summary_says_what_else_was_asked_for_and_what_is_kept_of_a_margin():
    options = {"max_difference": 0.15, "counts_without_bound": BEFORE, "value_without_bound": 0.78}
    plain = report_on(NOW, **options)
    asked = replace(
        plain, margin=2.94, margin_asked=0.95, margins={"f": 1.2, "m": 2.41},
        requirements=("precision at least 0.3 per group", "at most 0.5 of all rows selected (0.4200 are)"),
    )  # fmt: skip
    text = asked.summary()
    assert "a margin, " not in text
    assert (
        "A margin for a confidence of 0.95 on new rows was asked for: that every group's rates stay 2.94 "
        "standard errors within what the bound allows. For every group the rows are too few, and less was "
        "kept, as much as fits: f (1.20), m (2.41).\n"
    ) in text
    assert (
        "Also kept: precision at least 0.3 per group; at most 0.5 of all rows selected (0.4200 are).\n"
        in text
    )
    kept = replace(plain, margin=1.0, margin_asked="1se").summary()
    assert "A margin of one standard error was asked for, and is kept: every group's rates stay 1.00 " in kept
    some = replace(plain, margin=1.0, margin_asked="1se", margins={"f": 0.5}).summary()
    assert "For 1 of 2 groups the rows are too few, and less was kept, as much as fits: f (0.50)." in some
    none = replace(plain, margin_asked="1se", margins={"f": 0.0, "m": 0.0}).summary()
    assert "was asked for; these rows are too few to keep any of it" in none
    worths = replace(plain, objective="utility", worths={"fn": -5.0, "fp": -1.0, "tn": 0.0}).summary()
    assert (
        "The utility (the mean worth of a row, with a false negative at -5 and a false positive at -1) is "
        in worths
    )
    worst = replace(plain, worst_group="m", value_of_all=0.8).summary()
    assert "The accuracy is 0.7900 (that of m; over all rows it is 0.8000): 0.0100 better than" in worst


def test_a_report_says_which_margin_was_asked_for_and_kept():
    X, y, group = scored_rows(2000)
    group[:60] = "c"
    with pytest.warns(UserWarning, match=r"Too few rows to keep margin=0\.9 .* for: c"):
        report = prefit(max_difference=0.15, margin=0.9).fit(X, y, sensitive_features=group).report_
    ((label, kept),) = report.margins.items()
    assert (report.margin_asked, label) == (0.9, "c")
    assert (
        f"margin:      {report.margin:.2f} standard errors of each group's rate asked for; all keep at least "
        f"{kept:.2f}\n"
    ) in str(report)
    assert f"For 1 of 3 groups the rows are too few, and less was kept, as much as fits: c ({kept:.2f})" in (
        report.summary()
    )
    # Of few scores, mixtures can keep a margin that single thresholds cannot, or at a loss.
    pair = np.where(group == "b", "b", "a")
    coarse = prefit(max_difference=0.05, margin=0.9)
    with pytest.warns(UserWarning, match="Too few rows to keep"):
        mixed = coarse.fit(np.round(X, 1), y, sensitive_features=pair)
    assert mixed.report_.policy == "randomized"
    assert mixed.report_.reason.startswith("single thresholds that keep the margin would lose ")
    assert (
        "of the rows between two thresholds a share is selected, fixed by a hash" in mixed.report_.summary()
    )
    large = group != "c"
    all_keep = prefit(max_difference=0.2, margin="1se").fit(
        X[large], y[large], sensitive_features=group[large]
    )
    assert "margin:      1.00 standard errors of each group's rate, kept by all groups\n" in str(
        all_keep.report_
    )


def test_the_estimators_say_what_else_was_asked_for():
    X, y, group = scored_rows(2000)
    options = {"max_difference": 0.15, "capacity": 0.4, "min_rates": {"precision": 0.3}}
    model = prefit(objective={"fn": -5, "fp": -1}, **options).fit(X, y, sensitive_features=group)
    share = model.decided_rows(X, sensitive_features=group).selection_probability.mean()
    words = f"at most 0.4 of all rows selected ({share:.4f} are)"
    assert f"also:        precision at least 0.3 per group; {words}\n" in str(model.report_)
    assert f"Also kept: precision at least 0.3 per group; {words}." in model.report_.summary()
    assert model.report_.worths == {"fn": -5, "fp": -1}
    assert model.report_.to_dict()["worths"] == {"fn": -5, "fp": -1}


def test_without_a_bound_the_summary_does_not_speak_of_one():
    X, y, group = scored_rows(2000)
    model = prefit(objective="worst_group_accuracy", max_difference=float("inf"))
    report = model.fit(X, y, sensitive_features=group).report_
    text = report.summary()
    assert text.startswith(
        "Each group has a threshold of its own. No bound was asked for on demographic parity, which is only "
        "measured. Selected means predicted 1.\n"
    )
    assert "the bound" not in text
    assert "short of the best\n" in str(report)
    right = model.predict(X, sensitive_features=group) == y
    worst = min("ab", key=lambda label: right[group == label].mean())
    assert (
        f"The worst group accuracy is {right[group == worst].mean():.4f} (that of {worst}; over all rows it "
        f"is {right.mean():.4f}): "
    ) in text
    mixed = report_on(
        NOW, ["demographic_parity", "equal_opportunity"], max_difference=[0.15, 1.0], exempt=["m"]
    )
    free = replace(mixed.constraints[1], bound=float("inf"))
    text = replace(mixed, constraints=(mixed.constraints[0], free)).summary()
    assert (
        "by at most 0.15 between groups. No bound was asked for on equal opportunity, which is only" in text
    )


def test_the_words_of_a_summary_agree_in_number():
    before = table(["a", "b", "c", "d", "e"], [50] * 5, [9] * 5, [50] * 5, [91] * 5)
    cells = {cell: values.copy() for cell, values in before.cells.items()}
    cells["tp"] += [3, 2, -2, -1, -1]
    cells["fn"] -= [3, 2, -2, -1, -1]
    text = report_on(table(list("abcde"), **cells), max_difference=0.5, counts_without_bound=before).summary()
    assert "1 more person is selected in all: 3 more" in text
    assert "(and changes in 1 more group)." in text
    same = report_on(before, max_difference=0.5, counts_without_bound=table(list("abcde"), **cells)).summary()
    assert (
        "The selection rate is 0.2950 in all groups that are compared; with one threshold for all it would go"
        in (same)
    )
    assert "it would go from 0.2850 (c) to 0.3100 (a)." in same


def test_a_mixture_that_prints_as_one_threshold_is_printed_as_one():
    assert _written([(0.3034, 1.0)]) == "0.3034"
    assert _written([(0.3034, 0.9999), (0.5, 0.0001)]) == "0.3034"
    assert _written([(0.3034, 0.6), (0.5, 0.4)]) == "0.3034 (60.0%) or 0.5000 (40.0%)"


def test_borrowed_rows_are_listed_with_whole_names():
    shared = vars(report_on(NOW, max_difference=0.15))
    borrowed = {("Female", "Amer-Indian-Eskimo"): {"sex": "Female", "race": "Amer-Indian-Eskimo"}}
    report = ThresholdReport(
        **{**shared, "borrowed": borrowed}, policy="threshold", solver="s", reason="r",
        thresholds={"f": 0.5, "m": 0.5}, optimality_gap=None,
    )  # fmt: skip
    assert "borrowed:    Female & Amer-Indian-Eskimo (from Female, Amer-Indian-Eskimo)\n" in str(report)


def test_within_strata_no_warning_advises_a_margin_which_is_not_open_to_them():
    X, y, group = scored_rows(300)
    town = np.where(np.arange(300) % 2, "north", "south")
    with pytest.warns(UserWarning, match="^These rows say little .* What helps: more rows, coarser groups"):
        prefit(max_difference=0.05).fit(X, y, sensitive_features=group, strata=town)
