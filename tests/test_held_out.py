"""What estimators that hold a bound share: the exact single threshold, the margin's check, the report."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairsk import Constraint, Rate
from fairsk._core.bounds import Bound, BoundedConstraint, bounded_constraints
from fairsk._held_out.objective import make_objective
from fairsk._held_out.report import BoundReport, report_fields
from fairsk._held_out.single_threshold import best_single_threshold
from fairsk.metrics import GroupCounts
from fairsk.rates import CONSTRAINTS

#: What to maximise, and its value written down once more.
OBJECTIVES = {
    "accuracy": lambda tp, fp, fn, tn: (tp + tn) / (tp + fp + fn + tn),
    "balanced_accuracy": lambda tp, fp, fn, tn: (tp / (tp + fn) + tn / (tn + fp)) / 2,
    "f1": lambda tp, fp, fn, tn: 2 * tp / (2 * tp + fp + fn),
    "precision": lambda tp, fp, fn, tn: tp / (tp + fp) if tp + fp else np.nan,
    "false_positive_rate": lambda tp, fp, fn, tn: -fp / (fp + tn),
}
OWN = Constraint("fdr_parity", [Rate("false_discovery_rate", "fp", "tp+fp")])


@st.composite
def problems(draw):
    n_groups = draw(st.integers(1, 4))
    n = draw(st.integers(2 * n_groups, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = draw(st.sampled_from([2, 6, 1000]))  # many ties, some, none
    scores = rng.integers(0, levels, n) / levels
    actual = rng.random(n) < draw(st.sampled_from([0.2, 0.5, 0.8]))
    actual[0], actual[-1] = True, False
    codes = rng.integers(0, n_groups, n)
    weights = rng.integers(1, 4, n).astype(float) if draw(st.booleans()) else None
    bounded = []
    for _ in range(draw(st.integers(0, 2))):
        constraint = draw(st.sampled_from([*CONSTRAINTS.values(), OWN]))
        if draw(st.booleans()):
            bound = Bound(ratio=draw(st.sampled_from([0.0, 0.5, 0.9, 1.0])))
        else:
            bound = Bound(difference=draw(st.sampled_from([0.0, 0.1, 0.4])))
        bounded.append(BoundedConstraint(constraint, bound))
    capacity = draw(st.sampled_from([None, None, 0.3, 0.7]))
    return scores, actual, codes, weights, tuple(bounded), draw(st.sampled_from(sorted(OBJECTIVES))), capacity


def cells_at(threshold, problem):
    scores, actual, codes, weights, *_ = problem
    weights = np.ones(len(scores)) if weights is None else weights
    k = codes.max() + 1
    selected = scores >= threshold

    def total(part):
        return np.bincount(codes[part], weights[part], k)

    return {
        "tp": total(selected & actual),
        "fp": total(selected & ~actual),
        "fn": total(~selected & actual),
        "tn": total(~selected & ~actual),
    }


def violation_of(cells, bounded, covered):
    """By how much the most violated bound is exceeded, from the definitions."""
    worst = 0.0
    cells = {cell: values[covered] for cell, values in cells.items()}
    for each in bounded:
        for rate in each.constraint.rates:
            values = rate(cells)
            if np.isnan(values).any():
                return np.inf
            low, high = values.min(), values.max()
            if each.bound.difference is not None:
                worst = max(worst, high - low - each.bound.difference)
            else:
                worst = max(worst, each.bound.ratio - (low / high if high > 0 else 1.0))
    return worst


@settings(max_examples=600, deadline=None, derandomize=True)
@given(problems())
def test_the_single_threshold_equals_brute_force(problem):
    """Ties, weights, differences and ratios, several rates, a capacity, and bounds that nothing meets."""
    scores, actual, codes, weights, bounded, objective, capacity = problem
    ends = [cells_at(end, problem) for end in (-np.inf, np.inf)]
    rates = [rate for each in bounded for rate in each.constraint.rates]
    covered = [
        g
        for g in range(codes.max() + 1)
        if all(max(rate.support(end)[g] for end in ends) > 0 for rate in rates)
    ]
    options = []
    for threshold in [np.inf, *np.unique(scores)]:
        cells = cells_at(threshold, problem)
        total = {cell: float(values.sum()) for cell, values in cells.items()}
        if capacity is not None and total["tp"] + total["fp"] > capacity * sum(total.values()) + 1e-9:
            continue
        violation = violation_of(cells, bounded, covered) if len(covered) > 1 else 0.0
        options.append((violation if violation > 1e-9 else 0.0, OBJECTIVES[objective](**total)))
    least = min(violation for violation, _ in options)
    values = [value for violation, value in options if violation <= least + 1e-9 or violation == least]
    expected = max((value for value in values if not np.isnan(value)), default=np.nan)

    best = best_single_threshold(
        scores, actual, codes, objective=objective, constraints=bounded, weights=weights, capacity=capacity
    )
    sign = -1 if objective == "false_positive_rate" else 1
    assert sign * best.value == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert best.violation == pytest.approx(least, abs=1e-9)
    assert best.meets_bounds == (least == 0)
    # What it says is what its threshold does to the rows.
    cells = cells_at(best.threshold, problem)
    total = {cell: float(values.sum()) for cell, values in cells.items()}
    assert sign * best.value == pytest.approx(OBJECTIVES[objective](**total), abs=1e-12, nan_ok=True)
    if len(covered) > 1:
        assert max(0.0, violation_of(cells, bounded, covered)) == pytest.approx(best.violation, abs=1e-9)


def test_the_least_violating_threshold_is_named_as_such():
    """Positives and negatives apart: error rates of .1 and .5 between the scores, and 0 and 1 at the ends."""
    scores = np.array([0.2] + [0.8] * 9 + [0.2, 0.8] * 5)
    codes = np.repeat([0, 1], 10)
    actual = codes == 0
    bounded = bounded_constraints("error_rate_parity", 0.1, None)
    best = best_single_threshold(scores, actual, codes, constraints=bounded)
    assert not best.meets_bounds
    assert best.violation == pytest.approx(0.3)
    assert best.threshold == pytest.approx(0.5)
    unbounded = best_single_threshold(scores, actual, codes)
    assert unbounded.meets_bounds
    assert unbounded.value == best.value == pytest.approx(0.7)


def test_a_highest_threshold_is_kept_and_what_cannot_be_is_refused():
    scores, actual = np.array([0.2, 0.4, 0.6, 0.8]), np.array([False, False, True, True])
    codes = np.zeros(4, dtype=np.intp)
    assert best_single_threshold(scores, actual, codes).threshold == pytest.approx(0.5)
    assert best_single_threshold(scores, actual, codes, highest=0.45).threshold == 0.45
    assert best_single_threshold(scores, actual, codes, highest=0.35).threshold == pytest.approx(0.3)
    with pytest.raises(ValueError, match=r"at most 0\.5 of all rows selected and .* above 0\.35"):
        best_single_threshold(scores, actual, codes, highest=0.35, capacity=0.5)
    with pytest.raises(ValueError, match="NaN for every threshold"):
        best_single_threshold(scores, actual, codes, objective=lambda cells: np.nan)
    with pytest.raises(ValueError, match="of one class"):
        best_single_threshold(scores, np.ones(4, dtype=bool), codes)


def make_report(**changes):
    counts = GroupCounts(
        ["a", "b", "c"],
        {"tp": [30, 20, 1], "fp": [10, 5, 0], "fn": [20, 25, 0], "tn": [40, 50, 1]},
        names=["area"],
    )
    constraints = bounded_constraints(["demographic_parity", "equal_opportunity"], [0.05, None], [None, 0.8])
    objective = make_objective("accuracy", 96, 106)
    fields = report_fields(
        counts,
        constraints,
        objective,
        pos_label="yes",
        value_without_bound=0.75,
        measured_on="held out",
        exempt=["c"],
    )
    return BoundReport(**{**fields, **changes})


def test_a_report_measures_the_groups_that_the_bounds_cover():
    report = make_report()
    parity, opportunity = report.constraints
    assert parity.disparity == pytest.approx(0.4 - 0.25)
    assert parity.violation == pytest.approx(0.1)
    assert opportunity.disparity == pytest.approx(20 / 45 / 0.6)
    assert opportunity.violation == pytest.approx(0.8 - 20 / 45 / 0.6)
    assert report.binding is parity
    assert (report.constraint, report.comparison, report.bound) == ("demographic_parity", "difference", 0.05)
    assert report.disparity == parity.disparity
    assert report.interval == parity.interval
    assert report.value == pytest.approx((51 + 91) / 202)
    assert report.uncertain == ("a", "b")  # .15 apart
    assert report.groups == ("a", "b", "c")


def test_a_report_is_complete_in_json():
    content = json.loads(json.dumps(make_report().to_dict(), allow_nan=False))
    assert content["constraint"] == "demographic_parity"
    assert content["bound"] == 0.05
    assert content["interval"] == pytest.approx(make_report().interval)
    assert [part["comparison"] for part in content["constraints"]] == ["difference", "ratio"]
    assert content["groups"][1] == {
        "group": "b", "n": 100.0, "tp": 20.0, "fp": 5.0, "fn": 25.0, "tn": 50.0,
        "selection_rate": 0.25, "true_positive_rate": pytest.approx(4 / 9),
    }  # fmt: skip
    assert content["exempt"] == ["c"]
    assert content["uncertain"] == ["a", "b"]
    assert content["measured_on"] == "held out"
    assert content["pos_label"] == "yes"
    assert (content["value_without_bound"], content["margin"]) == (0.75, 0.0)
    nothing = make_report(value=float("nan"), value_without_bound=None).to_dict()
    assert nothing["value"] is nothing["value_without_bound"] is None


def test_a_report_prints_itself():
    text = str(make_report())
    assert text.splitlines()[:2] == [
        "positive:    yes",
        "constraint:  demographic_parity, difference at most 0.05",
    ]
    assert "accuracy:    0.7030\nno bound:    0.7500 with one threshold for all\n" in text
    assert "measured" not in text  # as with thresholds, the record says on which rows
    assert "exempt:      c" in text
    free = BoundedConstraint(CONSTRAINTS["demographic_parity"], Bound(difference=float("inf")))
    fields = report_fields(
        make_report().counts, (free,), make_objective("accuracy", 96, 106), pos_label=1,
        value_without_bound=None, measured_on="training",
    )  # fmt: skip
    report = BoundReport(**fields)
    assert "demographic_parity, no bound" in str(report)
    assert report.to_dict()["bound"] == "inf"
    assert "<script>" not in BoundReport(**{**fields, "pos_label": "<script>"})._repr_html_()
