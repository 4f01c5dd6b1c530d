from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest

import fairsk.statistics
from fairsk import Constraint, Rate
from fairsk._core.counts import GroupCounts
from fairsk.metrics import GroupMetrics
from fairsk.rates import CELLS, get_constraint
from fairsk.statistics import (
    contrasts,
    difference_interval,
    noise_floor,
    ratio_interval,
    smallest_detectable,
    two_group_test,
    verdict,
)
from fairsk.statistics._proportions import as_constraint
from fairsk.statistics._verdicts import check_bound, measure_disparity


def selections(*groups: tuple[float, float]) -> GroupCounts:
    """Return counts of groups of whom (selected, n) were selected."""
    selected, n = np.array(groups, dtype=float).T
    nobody = np.zeros_like(n)
    return GroupCounts(
        "abcdefgh"[: len(groups)], {"tp": selected, "fp": nobody, "fn": nobody, "tn": n - selected}
    )


# --- verdicts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("groups", "outcome"),
    [
        ([(5000, 10_000), (5050, 10_000)], "PASS"),
        ([(5000, 10_000), (6000, 10_000)], "FAIL"),
        ([(50, 100), (55, 100)], "INCONCLUSIVE"),
        ([(50, 100), (50, 100)], "INCONCLUSIVE"),
    ],
)
def test_the_interval_decides_and_not_the_value(groups: Any, outcome: str) -> None:
    counts = selections(*groups)
    result = verdict(counts, "demographic_parity", max_difference=0.05)
    assert result.outcome == outcome
    low, high = difference_interval(counts, "demographic_parity")
    assert (result.low, result.high) == (low, high)
    assert str(result).startswith(outcome)
    by_ratio = verdict(counts, "demographic_parity", min_ratio=0.9)
    assert (by_ratio.low, by_ratio.high) == ratio_interval(counts, "demographic_parity")
    assert by_ratio.outcome == outcome


def test_a_ratio_of_exactly_four_fifths_is_not_below_it() -> None:
    for scale in (1, 3, 7, 100):
        counts = selections((40 * scale, 100 * scale), (50 * scale, 100 * scale))
        assert verdict(counts, "demographic_parity", min_ratio=0.8).meets_bound
        less = selections((40 * scale - 1, 100 * scale), (50 * scale, 100 * scale))
        assert not verdict(less, "demographic_parity", min_ratio=0.8).meets_bound
    thirds = selections((10, 100), (40, 100))
    assert verdict(thirds, "demographic_parity", max_difference=0.3).meets_bound  # .4 - .1 > .3 in floats
    assert not verdict(thirds, "demographic_parity", max_difference=0.299).meets_bound


def test_it_names_the_groups_that_lie_furthest_apart_and_on_which_rate() -> None:
    cells = {"tp": [80, 70, 75], "fp": [10, 15, 60], "fn": [20, 30, 25], "tn": [90, 85, 40]}
    counts = GroupCounts("abc", cells)
    result = verdict(counts, "equalized_odds", max_difference=0.1)
    assert (result.rate, result.groups) == ("false_positive_rate", ("a", "c"))
    assert result.group_rates == pytest.approx((0.1, 0.6))
    assert result.value == pytest.approx(0.5)
    assert "Furthest apart: a (0.100) and c (0.600) in false_positive_rate, 0.500 [0.3" in str(result)


def test_small_groups_are_named_and_compared_all_the_same() -> None:
    counts = selections((50, 100), (0, 12), (55, 100))
    result = verdict(counts, "demographic_parity", max_difference=0.05)
    assert (result.small_groups, result.groups) == (("b",), ("b", "c"))
    assert "Fewer than 30 rows to measure on: b." in str(result)
    assert verdict(counts, "demographic_parity", max_difference=0.05, min_group_size=10).small_groups == ()


def test_a_group_that_cannot_be_measured_is_named() -> None:
    cells = {"tp": [80, 0, 60], "fp": [1, 1, 1], "fn": [20, 0, 40], "tn": [1, 1, 1]}
    with pytest.warns(UserWarning, match="cannot be measured for: empty"):
        result = verdict(GroupCounts(["a", "empty", "c"], cells), "equal_opportunity", max_difference=0.05)
    assert result.unmeasured == {"true_positive_rate": ("empty",)}
    assert "true_positive_rate cannot be measured for: empty." in str(result)


def test_what_is_not_measured_does_not_pass() -> None:
    cells = {"tp": [9000, 0], "fp": [5000, 5010], "fn": [1000, 0], "tn": [5000, 4990]}
    counts = GroupCounts("ab", {cell: np.multiply(values, 10) for cell, values in cells.items()})
    with pytest.warns(UserWarning, match="true_positive_rate"):
        result = verdict(counts, "equalized_odds", max_difference=0.05)
    assert result.outcome == "INCONCLUSIVE"
    assert result.pairs.outcomes == ("PASS",)  # of the false positive rates
    assert "Where it can be measured, a difference above 0.05 is ruled out" in str(result)
    assert result.frame("polars")["unmeasured"].to_list() == ["true_positive_rate: b"]


def half_measured(false_positives: float) -> GroupCounts:
    """Return counts in which b has no positives, so that nobody's true positive rate can be compared."""
    return GroupCounts(
        "ab",
        {"tp": [800, 0], "fn": [200, 0], "fp": [300, 1000 * false_positives], "tn": [700, 1000]},
    )


def test_half_of_equalized_odds_never_passes_but_can_fail() -> None:
    for false_positives, outcome in ((0.43, "INCONCLUSIVE"), (4.0, "FAIL")):
        counts = half_measured(false_positives)
        with pytest.warns(UserWarning, match="true_positive_rate gives NaN, and so does equalized_odds"):
            assert np.isnan(counts.compare("equalized_odds"))
        with pytest.warns(UserWarning, match="true_positive_rate cannot be measured for: b"):
            result = verdict(counts, "equalized_odds", max_difference=0.2)
        assert result.outcome == outcome
        assert np.isnan([result.value, result.low, result.high]).all()
        assert not result.meets_bound
        assert "not known, for no two groups can be compared in true_positive_rate" in str(result)
        assert result.rate == "false_positive_rate"
        assert ("There is a difference above 0.2 between a and b" in str(result)) == (outcome == "FAIL")
        assert np.isnan([*difference_interval(counts, "equalized_odds")]).all()
        assert np.isnan([*ratio_interval(counts, "equalized_odds")]).all()
        with pytest.warns(UserWarning, match="cannot be measured for: b"):
            assert np.isnan(smallest_detectable(counts, "equalized_odds"))
        with pytest.warns(UserWarning, match="cannot be measured for: b"):
            assert np.isnan(noise_floor(counts, "equalized_odds", n_resamples=10))


def test_pairs_of_intersections_keep_their_labels() -> None:
    groups = [("f", "old"), ("f", "young"), ("m", "old")]
    counts = GroupCounts(
        groups, {"tp": [5, 6, 7], "fp": [0] * 3, "fn": [0] * 3, "tn": [5, 4, 3]}, names=("sex", "age")
    )
    pairs = verdict(counts, "demographic_parity", max_difference=0.1).pairs
    assert pairs.lowest == (groups[0], groups[0], groups[1])
    assert pairs.highest == (groups[1], groups[2], groups[2])


def test_a_failure_names_the_pair_that_fails_and_not_the_one_furthest_apart() -> None:
    cells = {"tp": [800, 500, 2], "fp": [0, 0, 0], "fn": [200, 500, 4], "tn": [9, 9, 9]}
    counts = GroupCounts(["high", "low", "tiny"], cells)
    result = verdict(counts, "equal_opportunity", min_ratio=0.8)
    assert (result.outcome, result.groups) == ("FAIL", ("tiny", "high"))
    assert "There is a ratio below 0.8 between low and high: 0.625 [0.5" in str(result)
    frame = result.pairs.frame("polars")
    for line in frame.iter_rows(named=True):
        alone = verdict(counts, "equal_opportunity", min_ratio=0.8, reference=line["highest"])
        assert line["highest"] in alone.pairs.frame("polars")["highest"]
        assert line["value"] == pytest.approx(line["lowest_rate"] / line["highest_rate"])
        assert line["low"] <= line["value"] <= line["high"]
    by_pair = dict(zip(zip(frame["lowest"], frame["highest"], strict=True), frame["verdict"], strict=True))
    assert by_pair[("low", "high")] == "FAIL"
    assert by_pair[("tiny", "high")] == "INCONCLUSIVE"


def test_a_reference_is_compared_with_every_other_group() -> None:
    counts = selections((500, 1000), (400, 1000), (490, 1000), (3, 9))
    result = verdict(counts, "selection_rate", min_ratio=0.8, reference="a")
    assert result.pairs.lowest == ("b", "c", "d")
    table = contrasts(
        counts, "selection_rate", comparison="ratio", method="to_reference", reference="a", simultaneous=True
    )
    assert result.pairs.values.tolist() == pytest.approx(table.values.tolist())
    assert result.pairs.low.tolist() == pytest.approx(table.low.tolist())
    assert result.high == pytest.approx(min(1, table.high.min()))
    assert result.value == pytest.approx(
        counts.compare("demographic_parity", "ratio", method="to_reference", reference="a")
    )
    with pytest.raises(ValueError, match="'z' is not one of the groups"):
        verdict(counts, "selection_rate", min_ratio=0.8, reference="z")


def test_of_several_ratios_of_zero_the_widest_gap_is_named() -> None:
    counts = selections((0, 100), (10, 100), (40, 100), (90, 100))
    result = verdict(counts, "demographic_parity", min_ratio=0.8)
    assert (result.groups, result.group_rates) == (("a", "d"), (0.0, 0.9))


def test_the_interval_of_all_pairs_is_not_written_beside_one() -> None:
    counts = selections((5000, 10_000), (3500, 10_000), (1, 10))
    lines = str(verdict(counts, "demographic_parity", min_ratio=0.8, reference="a")).splitlines()
    assert lines[0].startswith("FAIL: demographic_parity, smallest ratio of a group and a 0.200 (95%")
    assert lines[1].startswith("Furthest apart: c (0.100) and a (0.500) in selection_rate, 0.200 [0.0")
    assert lines[1].endswith("] of this pair alone.")
    assert lines[2].startswith("There is a ratio below 0.8 between b and a: 0.700 [0.6")
    rare = str(verdict(selections((0, 10**6), (1, 10**6)), "demographic_parity", max_difference=1e-9))
    assert "from 0.000 (a) to 1.0e-06 (b)" in rare


def test_a_reference_that_cannot_be_measured_is_refused() -> None:
    counts = GroupCounts("abc", {"tp": [40, 0, 30], "fp": [1] * 3, "fn": [10, 0, 20], "tn": [9] * 3})
    undefined = pytest.warns(UserWarning, match="cannot be measured")
    with undefined, pytest.raises(ValueError, match="name another"):
        verdict(counts, "equal_opportunity", min_ratio=0.8, reference="b")


def test_a_table_is_as_good_as_its_counts() -> None:
    counts = selections((500, 1000), (400, 1000))
    assert str(verdict(GroupMetrics(counts), "selection_rate", min_ratio=0.8)) == str(
        verdict(counts, "selection_rate", min_ratio=0.8)
    )
    assert verdict(counts=counts, constraint="selection_rate", min_ratio=0.8).outcome == "INCONCLUSIVE"


OF_COUNTS = sorted(set(fairsk.statistics.__all__) - {"adjust_p_values"})


@pytest.mark.parametrize("name", OF_COUNTS)
def test_whoever_gives_rows_is_told_what_makes_counts(name: str) -> None:
    function, rows = getattr(fairsk.statistics, name), np.array([1, 0, 1, 0])
    assert next(iter(inspect.signature(function).parameters)) == "counts"
    message = rf"^{name} takes counts: GroupCounts.from_predictions\(y_true, y_pred, sensitive_features=...\)"
    for arguments, keywords in (
        ((rows, rows), {}),
        ((rows, rows, ["a", "b"] * 2), {"max_difference": 0.1}),
        ((rows, rows), {"sensitive_features": ["a", "b"] * 2}),
        ((), {"y_true": rows, "y_pred": rows}),
        ((), {"counts": rows}),
        ((selections((3, 9), (4, 9)), "f1"), {"sensitive_features": ["a", "b"]}),
    ):
        with pytest.raises(TypeError, match=message) as error:
            function(*arguments, **keywords)
        assert len(str(error.value)) < 300
    # What is wrong otherwise is said as ever.
    with pytest.raises(TypeError, match=rf"{name}\(\) .*'nonsense'"):
        function(selections((3, 9), (4, 9)), "f1", nonsense=1)


def test_one_group_has_no_verdict() -> None:
    with pytest.warns(UserWarning, match="Fewer than two groups"):
        result = verdict(selections((3, 9)), "demographic_parity", max_difference=0.05)
    assert result.outcome == "INCONCLUSIVE"
    assert np.isnan([result.value, result.smallest_detectable]).all()
    assert "fewer than two groups" in str(result)
    assert "Fewer than 30 rows to measure on: a." in str(result)
    assert "fewer than two groups" in result._repr_html_()


def test_words_never_promise_more_than_the_numbers() -> None:
    for groups in (
        [(5000, 10_000), (5050, 10_000)],
        [(50, 100), (55, 100)],
        [(5000, 10_000), (6000, 10_000)],
    ):
        for bound in ({"max_difference": 0.05}, {"min_ratio": 0.9}):
            words = str(verdict(selections(*groups), "demographic_parity", **bound)).lower()
            assert "fair" not in words
            assert "complian" not in words


def test_a_verdict_of_parity_is_wrong_no_more_often_than_it_says() -> None:
    rng, wrong = np.random.default_rng(0), []
    n, p = np.array([400, 600, 800]), np.array([0.3, 0.325, 0.35])
    for selected in rng.binomial(n, p, (400, 3)):
        # The true difference lies exactly on the bound: both PASS and FAIL would be wrong.
        result = verdict(
            selections(*zip(selected, n, strict=True)), "demographic_parity", max_difference=0.05
        )
        wrong.append(result.outcome != "INCONCLUSIVE")
    assert np.mean(wrong) <= 0.06


def test_the_notes_of_its_table_say_nothing_twice() -> None:
    two = verdict(selections((900, 1000), (500, 1000)), "demographic_parity", min_ratio=0.8)
    assert two._tables()[0].notes == ["95% interval."]  # one pair, one failure: the table has it
    shown = two._tables()[0].cells()
    assert dict(zip(*shown, strict=True))["lowest_rate"] == "0.500"
    assert two.frame("polars")["highest_rate"].to_list() == [0.9]
    counts = selections((5000, 10_000), (3500, 10_000), (1, 10))
    html = verdict(counts, "demographic_parity", min_ratio=0.8, reference="a")._repr_html_()
    assert "95% interval of the smallest ratio of a group and a, over all pairs at once." in html
    assert re.search(r"Of this pair alone: 0.200 \[0.0\d+, 0.\d+\]\.", html)
    assert "There is a ratio below 0.8 between b and a" in html  # another pair than the one in the table
    assert "Fewer than 30 rows to measure on: c." in html
    for repeated in ("Furthest apart", "FAIL: ", "smallest ratio of a group and a 0.200"):
        assert repeated not in html
    unsettled = verdict(selections((50, 100), (55, 100)), "demographic_parity", max_difference=0.1)
    said = unsettled._tables()[0].notes
    assert said[0] == "95% interval."
    assert said[1].startswith("Between these two groups a difference of")
    assert len(said) == 2
    cells = {"tp": [5, 6, 0], "fn": [5, 6, 0], "fp": [0] * 3, "tn": [0] * 3}
    with pytest.warns(UserWarning, match="cannot be measured"):
        half = verdict(GroupCounts("abc", cells), "equalized_odds", max_difference=0.9)
    assert "The difference of equalized_odds is not known" in half._repr_html_()
    negative = Rate("benefit", "tp-fp", "n")
    lost = GroupCounts("ab", {"tp": [10, 20], "fp": [40, 20], "fn": [30, 30], "tn": [20, 30]})
    assert "-0.300" in verdict(lost, negative, max_difference=0.1)._repr_html_()


def test_it_renders_as_a_table_with_labels_escaped() -> None:
    nobody = [0, 0]
    cells = {"tp": [30, 50], "fp": nobody, "fn": nobody, "tn": [70, 50]}
    result = verdict(GroupCounts(["<i>", "b"], cells), "demographic_parity", min_ratio=0.8)
    assert "&lt;i&gt;" in result._repr_html_()
    assert "<i>" not in result._repr_html_()
    assert result.frame("polars")["verdict"].to_list() == ["INCONCLUSIVE"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "Give one tolerance"),
        ({"max_difference": 0.05, "min_ratio": 0.8}, "Give one tolerance"),
        ({"max_difference": -0.1}, "must not be negative"),
        ({"max_difference": 5}, "bounds nothing"),
        ({"min_ratio": 80}, "at most at 1"),
        ({"min_ratio": 0}, "above 0"),
        ({"max_difference": 0.05, "confidence": 95}, "between 0 and 1"),
        ({"max_difference": 0.05, "confidence": None}, "between 0 and 1"),
    ],
)
def test_a_tolerance_that_makes_no_sense_is_refused(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        verdict(selections((3, 9), (4, 9)), "demographic_parity", **given)


# --- for tables that go on regardless -----------------------------------------------------------------


def test_without_a_bound_there_are_numbers_and_no_outcome() -> None:
    counts = selections((500, 1000), (450, 1000), (3, 9))
    judged = verdict(counts, "demographic_parity", max_difference=0.1)
    measured = measure_disparity(counts, get_constraint("demographic_parity"), "difference")
    assert (measured.outcome, measured.bound, measured.meets_bound) == (None, None, None)
    assert measured.reason == "no_bound"
    assert measured.pairs.outcomes == ()
    assert "verdict" not in measured.pairs.frame("polars").columns
    for name in ("value", "low", "high", "groups", "group_rates", "n", "smallest_detectable"):
        assert getattr(measured, name) == getattr(judged, name)
    assert str(measured).startswith("demographic_parity, largest difference of two groups 0.167 (95%")
    assert "would be told from parity" in measured.caveat
    assert "Fewer than 30 rows to measure on: c." in measured.caveat


@pytest.mark.parametrize(
    ("counts", "constraint", "reference", "outcome", "reason", "words"),
    [
        (
            GroupCounts("ab", {"tp": [0, 0], "fn": [0, 0], "fp": [5, 6], "tn": [9, 9]}, labelled=False),
            "equalized_odds",
            None,
            "NOT APPLICABLE",
            "no_labels",
            "Without labels there is no true_positive_rate and false_positive_rate.",
        ),
        (
            selections((3, 9)),
            "demographic_parity",
            None,
            "NOT APPLICABLE",
            "one_group",
            "fewer than two groups",
        ),
        (GroupCounts([], {cell: [] for cell in CELLS}), "f1", None, "NOT APPLICABLE", "one_group", "fewer"),
        (
            selections((3, 9), (4, 9)),
            "demographic_parity",
            "z",
            "NOT APPLICABLE",
            "no_reference",
            "The reference, z, is not among the groups.",
        ),
        (
            selections((0, 0), (0, 0)),
            "f1",
            None,
            "INCONCLUSIVE",
            "not_measured",
            "f1 cannot be measured for: a, b.",
        ),
        (selections((3, 9), (0, 0)), "f1", "b", "INCONCLUSIVE", "not_measured", "cannot be measured for: b."),
    ],
)
def test_what_a_table_lacks_is_named_and_no_error(
    counts: GroupCounts, constraint: str, reference: Any, outcome: str, reason: str, words: str
) -> None:
    for bound in (0.1, None):
        result = measure_disparity(
            counts, as_constraint(constraint), "difference", bound, reference=reference
        )
        assert result.outcome == (None if bound is None else outcome)
        assert result.reason == reason
        assert np.isnan([result.value, result.low, result.high, result.smallest_detectable]).all()
        assert (result.groups, len(result.pairs), result.meets_bound) == (
            (),
            0,
            None if bound is None else False,
        )
        assert words in result.caveat
        assert str(result).lower().startswith(f"{outcome.lower()}: " if bound else result.caveat[:9].lower())
        assert outcome not in result.caveat  # a table has it in a column of its own
        result.to_dict(), result._repr_html_()


@pytest.mark.parametrize(("groups", "bound", "reason"), [
    ([(5000, 10_000), (5050, 10_000)], 0.05, "kept"),
    ([(5000, 10_000), (6000, 10_000)], 0.05, "broken"),
    ([(50, 100), (55, 100)], 0.05, "not_settled"),
    ([(5000, 10_000), (5050, 10_000), (0, 0)], 0.05, "partly_measured"),
    ([(5000, 10_000), (6000, 10_000), (0, 0)], 0.05, "broken"),
    ([(50, 100), (55, 100), (0, 0)], 0.05, "not_settled"),
])  # fmt: skip
def test_the_reason_of_an_outcome(groups: Any, bound: float, reason: str) -> None:
    assert measure_disparity(selections(*groups), as_constraint("f1"), "difference", 0.9).n == sum(
        selected for selected, _ in groups
    )  # of tp, fp and fn there are but tp
    result = measure_disparity(selections(*groups), as_constraint("selection_rate"), "difference", bound)
    assert result.reason == reason
    assert result.n == sum(n for _, n in groups)


def test_questions_without_sense_are_refused_of_any_table() -> None:
    counts, parity = selections((3, 9), (4, 9)), as_constraint("selection_rate")
    with pytest.raises(ValueError, match="confidence must lie"):
        measure_disparity(selections((3, 9)), parity, "difference", confidence=95)
    with pytest.raises(ValueError, match="comparison must be"):
        measure_disparity(counts, parity, "worst_group")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bounds nothing"):
        check_bound(parity, "difference", 5)
    with pytest.raises(TypeError, match="A tolerance is a number"):
        check_bound(parity, "ratio", "0.8")  # type: ignore[arg-type]


# --- what could have been seen ------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "rate"), [(387, 0.5), (1446, 0.2), (6743, 0.05)])
def test_the_sizes_that_a_ratio_of_four_fifths_needs_are_the_known_ones(n: int, rate: float) -> None:
    counts = selections((n * rate, n), (n * rate * 0.8, n))
    ratio = smallest_detectable(counts, "demographic_parity", comparison="ratio")
    assert ratio == pytest.approx(0.8, abs=0.002)


@pytest.mark.parametrize("sizes", [(100, 100), (60, 300)])
@pytest.mark.parametrize("overall", [0.2, 0.4])
def test_a_disparity_of_that_size_is_found_with_the_power_it_says(sizes: Any, overall: float) -> None:
    n = np.array(sizes)
    gap = smallest_detectable(selections(*zip(overall * n, n, strict=True)), "demographic_parity")
    found = []
    for sign in (1, -1):  # either group may have the higher rate
        p = overall + sign * gap * np.array([n[1], -n[0]]) / n.sum()
        drawn = np.random.default_rng(1).binomial(n, p, (800, 2))
        tests = [two_group_test(selections(*zip(k, n, strict=True)), "selection_rate") for k in drawn]
        found.append(np.mean([test.p_value <= 0.05 for test in tests]))
    assert min(found) == pytest.approx(0.8, abs=0.05)
    assert max(found) >= 0.77


def test_more_rows_less_power_and_less_confidence_see_more() -> None:
    counts = selections((50, 100), (50, 100))
    gap = smallest_detectable(counts, "demographic_parity")
    assert smallest_detectable(selections((500, 1000), (500, 1000)), "demographic_parity") < gap
    assert smallest_detectable(counts, "demographic_parity", power=0.5) < gap
    assert smallest_detectable(counts, "demographic_parity", confidence=0.8) < gap
    three = selections((50, 100), (50, 100), (50, 100))
    assert smallest_detectable(three, "demographic_parity") > gap


def test_the_smallest_groups_decide_unless_others_are_named() -> None:
    counts = selections((500, 1000), (500, 1000), (20, 40))
    named = smallest_detectable(counts, "demographic_parity", groups=("a", "b"))
    assert named < smallest_detectable(counts, "demographic_parity")
    assert smallest_detectable(counts, "demographic_parity") == pytest.approx(
        smallest_detectable(counts, "demographic_parity", groups=("a", "c"))
    )


def test_too_few_rows_can_see_nothing() -> None:
    assert np.isnan(smallest_detectable(selections((1, 3), (1, 3)), "demographic_parity"))
    assert np.isnan(smallest_detectable(selections((0, 50), (0, 50)), "demographic_parity"))
    result = verdict(selections((0, 3), (1, 3)), "demographic_parity", max_difference=0.05)
    assert "Nothing between these two groups would be told from parity" in str(result)
    with pytest.warns(UserWarning, match="Fewer than two groups"):
        assert np.isnan(smallest_detectable(selections((3, 9)), "demographic_parity"))


def test_weights_that_vary_see_less() -> None:
    rng = np.random.default_rng(2)
    p, groups = rng.integers(0, 2, 600), rng.choice(list("ab"), 600)
    plain = GroupCounts.from_predictions(p, p, sensitive_features=groups)
    weighted = GroupCounts.from_predictions(
        p, p, sensitive_features=groups, sample_weight=rng.exponential(size=600)
    )
    gaps = [smallest_detectable(counts, "demographic_parity") for counts in (plain, weighted)]
    assert gaps[1] == pytest.approx(gaps[0] * np.sqrt(2), rel=0.1)


def test_rates_that_are_no_shares_have_one_too() -> None:
    rng = np.random.default_rng(3)
    cells = dict(zip(CELLS, rng.integers(20, 60, (4, 2)), strict=True))
    counts = GroupCounts("ab", cells)
    for rate in (Rate("net_benefit", "tp-fp", "n"), Rate("cost", "fp+5*fn", "n"), "f1"):
        assert smallest_detectable(counts, rate) > 0
    assert 0 < smallest_detectable(counts, "f1_parity", comparison="ratio") < 1
    assert verdict(counts, Constraint("net", Rate("net_benefit", "tp-fp", "n")), max_difference=0.1).outcome
    with pytest.raises(ValueError, match="not defined"):
        smallest_detectable(counts, Rate("net_benefit", "tp-fp", "n"), comparison="ratio")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"power": 80}, "power must lie between"),
        ({"confidence": 95}, "confidence must lie between"),
        ({"comparison": "worst_group"}, "comparison must be"),
        ({"groups": ("a",)}, "Name two of the groups"),
        ({"groups": ("a", "z")}, "Name two of the groups"),
    ],
)
def test_bad_questions_are_refused(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        smallest_detectable(selections((3, 9), (4, 9)), "demographic_parity", **given)


def test_strata_are_refused() -> None:
    counts = GroupCounts.from_predictions([1, 0], [1, 0], sensitive_features=["a", "b"], strata=["x", "y"])
    with pytest.raises(ValueError, match="without strata"):
        smallest_detectable(counts, "demographic_parity")
