from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairsk._core.counts import GroupCounts
from fairsk._core.labels import positive_class
from fairsk._core.validation import check_weights
from fairsk.metrics import one_vs_rest_counts
from fairsk.rates import CELLS, RATES

count = GroupCounts.from_predictions
FOUR = {"sensitive_features": list("aabb")}


def by_hand(y: Any, p: Any, groups: Any, weights: Any = None) -> dict[str, dict[Any, float]]:
    """Count in plain Python."""
    table: dict[str, dict[Any, float]] = {cell: dict.fromkeys(groups, 0.0) for cell in CELLS}
    names = {(1, 1): "tp", (0, 1): "fp", (1, 0): "fn", (0, 0): "tn"}
    for i, (actual, predicted, group) in enumerate(zip(y, p, groups, strict=True)):
        table[names[int(actual), int(predicted)]][group] += 1 if weights is None else weights[i]
    return table


def as_dicts(counts: GroupCounts, field: str = "cells") -> dict[str, dict[Any, float]]:
    table = getattr(counts, field)
    return {cell: dict(zip(counts.groups, table[cell].tolist(), strict=True)) for cell in CELLS}


def tiny(*, tp: Any = (1, 2), names: Any = ("sensitive_features",)) -> GroupCounts:
    return GroupCounts(("a", "b"), {"tp": tp, "fp": [3, 4], "fn": [5, 6], "tn": [7, 8]}, names=names)


# --- counting -----------------------------------------------------------------------------------------

people = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.sampled_from("abc"), st.integers(0, 3)), min_size=1
)


def tables(rows: list[tuple[bool, bool, str, int]], *, weighted: bool = False) -> GroupCounts:
    y, p, groups, weights = map(list, zip(*rows, strict=True))
    return count(
        y, p, sensitive_features=groups, sample_weight=[w + 1 for w in weights] if weighted else None
    )


@given(people)
def test_counts_are_those_of_counting_by_hand(rows: list[Any]) -> None:
    y, p, groups, weights = map(list, zip(*rows, strict=True))
    assert as_dicts(tables(rows)) == by_hand(y, p, groups)
    weights = [w + 1 for w in weights]
    assert as_dicts(tables(rows, weighted=True)) == by_hand(y, p, groups, weights)
    squares = as_dicts(tables(rows, weighted=True), "squares")
    assert squares == by_hand(y, p, groups, [w**2 for w in weights])


@given(people)
def test_a_weight_counts_as_so_many_rows(rows: list[Any]) -> None:
    repeated = [row for row in rows for _ in range(row[3] + 1)]
    assert as_dicts(tables(rows, weighted=True)) == as_dicts(tables(repeated))


def test_unweighted_rows_have_squares_like_their_counts() -> None:
    counts = count([1, 0, 1, 0], [1, 1, 0, 0], **FOUR)
    assert as_dicts(counts, "squares") == as_dicts(counts)
    assert counts == count([1, 0, 1, 0], [1, 1, 0, 0], **FOUR, sample_weight=[1, 1, 1, 1])
    assert counts.n.tolist() == [2, 2]


def test_strata_are_a_second_axis() -> None:
    y, p, strata = [1, 0, 1, 0], [1, 1, 0, 0], ["x", "y", "y", "y"]
    counts = count(y, p, **FOUR, strata=strata, sample_weight=[1, 2, 3, 4])
    assert counts.strata == ("x", "y")
    assert counts.n.tolist() == [[1, 2], [0, 7]]
    assert counts.cells["fp"].tolist() == [[0, 2], [0, 0]]
    assert counts.squares["fn"].tolist() == [[0, 0], [0, 9]]
    assert counts.marginal("sensitive_features") == count(y, p, **FOUR, sample_weight=[1, 2, 3, 4])


def test_strata_are_compared_one_by_one() -> None:
    y, p = [1] * 8, [1, 0, 0, 0, 1, 1, 1, 0]
    counts = count(y, p, sensitive_features=list("aabbaabb"), strata=[0] * 4 + [1] * 4)
    assert counts.compare("demographic_parity").tolist() == [0.5, 0.5]
    assert counts.compare("demographic_parity", "ratio").tolist() == [0, 0.5]
    assert counts.overall().rate(RATES["selection_rate"]).tolist() == [[0.25, 0.75]]
    assert counts.rate(RATES["selection_rate"]).tolist() == [[0.5, 1], [0, 0.5]]


def test_inputs_are_left_as_they_are() -> None:
    y, p, weights = np.array([1, 0, 1]), np.array([1, 1, 0]), np.array([1.0, 2, 3])
    groups = np.array(["a", "b", "a"])
    before = [array.copy() for array in (y, p, weights, groups)]
    count(y, p, sensitive_features=groups, sample_weight=weights).compare("demographic_parity")
    assert all((new == old).all() for new, old in zip((y, p, weights, groups), before, strict=True))


# --- which label is positive ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "p"),
    [
        ([1, 0, 1, 0], [1, 1, 0, 0]),
        ([1.0, 0.0, 1.0, 0.0], [1, 1, 0, 0]),
        ([True, False, True, False], [1, 1, 0, 0]),
        ([1, -1, 1, -1], [1, 1, -1, -1]),
        (np.array([[1], [0], [1], [0]]), [1, 1, 0, 0]),
        (pd.Series([1, 0, 1, 0], dtype="Int64"), pd.Series([1, 1, 0, 0], dtype="boolean")),
        (pl.Series([1, 0, 1, 0]), pl.Series([True, True, False, False])),
        (np.array([1, 0, 1, 0], dtype=object), np.array([1, 1, 0, 0], dtype=np.uint8)),
    ],
)
def test_the_positive_label_is_clear_of_zeros_ones_signs_and_booleans(y: Any, p: Any) -> None:
    assert as_dicts(count(y, p, **FOUR)) == by_hand([1, 0, 1, 0], [1, 1, 0, 0], list("aabb"))


@pytest.mark.parametrize(
    "convert",
    [
        list,
        np.array,
        lambda labels: np.array(labels, dtype=object),
        pd.Series,
        lambda labels: pd.Series(labels, dtype="string"),
        lambda labels: pd.Series(labels, dtype="category"),
        pl.Series,
    ],
)
def test_text_labels_need_the_positive_one_named(convert: Any) -> None:
    y, p = convert(["yes", "no", "yes", "no"]), convert(["yes", "yes", "no", "no"])
    with pytest.raises(ValueError, match="The labels are 'no', 'yes': name the positive one with pos_label="):
        count(y, p, **FOUR)
    assert as_dicts(count(y, p, **FOUR, pos_label="yes")) == by_hand([1, 0, 1, 0], [1, 1, 0, 0], list("aabb"))
    assert as_dicts(count(y, p, **FOUR, pos_label="no")) == by_hand([0, 1, 0, 1], [0, 0, 1, 1], list("aabb"))


def test_one_of_many_labels_is_counted_against_the_rest() -> None:
    counts = count(list("xyzx"), list("xxzz"), **FOUR, pos_label="x")
    assert as_dicts(counts) == by_hand([1, 0, 0, 1], [1, 1, 0, 0], list("aabb"))


@pytest.mark.parametrize("pos_label", [2, "1", "yes", None])
def test_a_positive_label_that_never_occurs_is_refused(pos_label: Any) -> None:
    y = [1, 0, 1, 0] if pos_label is not None else [1, 2, 1, 2]
    with pytest.raises(ValueError, match=r"never occurs: the labels are 0, 1|The labels are 1, 2: name"):
        count(y, y, **FOUR, pos_label=pos_label)


def test_a_positive_label_may_be_absent_from_some_rows_of_known_classes() -> None:
    classes = np.array(["no", "yes"])
    assert count(["no"] * 4, ["no"] * 4, **FOUR, pos_label="yes", classes=classes).cells["tn"].tolist() == [
        2,
        2,
    ]
    with pytest.raises(ValueError, match="never occurs"):
        count(["no"] * 4, ["no"] * 4, **FOUR, pos_label="maybe", classes=classes)


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        (["1", "0", "1", "0"], [1, 0, 1, 0], "different kinds of labels: '0', '1' and 0, 1"),
        (["yes", "no"] * 2, ["Yes", "No"] * 2, "no label in common: 'no', 'yes' and 'No', 'Yes'"),
        (["yes.", "no."] * 2, ["yes"] * 4, "no label in common"),
        ([1, 0, 1, 0], [0.1, 0.9, 0.4, 1.0], "y_pred holds fractions .* not scores or probabilities"),
        ([1, 0, 1, 0], [3.0, -2.0, 1.0, 0.0], "y_pred holds -2.0, 3.0, which y_true does not have"),
        ([1, 0, 2, 0], [1, 2, 1, 0], "The labels are .*: name the positive one"),
        ([1, 0, 1, 0], [[0.1, 0.9]] * 4, "should be a 1d array"),
        ([1, 0, 1, float("nan")], [1, 0, 1, 0], "y_true has missing labels"),
        ([1, 0, 1, 0], ["yes", None, "no", "no"], "y_pred has missing labels"),
        (pd.Series([1, 0, 1, pd.NA], dtype="Int64"), [1, 0, 1, 0], "y_true has missing labels"),
        (np.array(["yes", np.nan, "no", "no"], dtype=object), ["yes"] * 4, "y_true has missing labels"),
        ([1, 0, 1], [1, 0, 1, 0], "y_true has 3 rows and y_pred 4: inconsistent numbers of samples"),
        ([], [], "y_true is empty"),
    ],
)
def test_what_are_no_labels_is_refused(y: Any, p: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        count(y, p, **FOUR)


def test_predictions_in_another_spelling_are_not_counted_as_negative() -> None:
    with pytest.raises(ValueError, match="no label in common"):
        count(["yes", "no"] * 2, ["Yes", "No"] * 2, **FOUR, pos_label="yes")


def test_the_positive_class_is_the_one_named_or_the_second_of_two() -> None:
    assert positive_class(np.array(["bad", "good"])) == "good"
    assert positive_class(np.array(["bad", "good"]), "bad") == "bad"
    with pytest.raises(ValueError, match="pos_label='ok' is not one of the classes"):
        positive_class(np.array(["bad", "good"]), "ok")
    with pytest.raises(ValueError, match=r"y has 3 classes, .* name the positive one"):
        positive_class(np.array([0, 1, 2]))


# --- weights ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [[1, -1, 1, 1], [0, 0, 0, 0], [1, np.nan, 1, 1], [1, np.inf, 1, 1]])
def test_impossible_weights_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="must be finite, not negative, and not all zero"):
        count([1, 0, 1, 0], [1, 0, 1, 0], **FOUR, sample_weight=bad)


@pytest.mark.parametrize("bad", [[1, 1, 1], np.ones((4, 1)), 1.0])
def test_weights_must_be_one_per_row(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"sample_weight has shape .* where \(4,\) is expected"):
        check_weights(bad, 4)


def test_no_weights_are_no_weights() -> None:
    assert check_weights(None, 4) is None


# --- merging ------------------------------------------------------------------------------------------


@given(people, people, people)
def test_tables_add_up_in_any_order_to_the_table_of_all_rows(one: Any, two: Any, three: Any) -> None:
    a, b, c = (tables(rows, weighted=True) for rows in (one, two, three))
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert sum([a, b, c]) == tables(one + two + three, weighted=True)


@given(people.flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_the_order_of_rows_changes_nothing(rows: Any) -> None:
    assert tables(rows[0], weighted=True) == tables(rows[1], weighted=True)


@given(people, st.permutations("abcxyz"))
def test_the_names_of_groups_change_nothing(rows: Any, names: Any) -> None:
    new = dict(zip("abc", names, strict=False))
    renamed = tables([(y, p, new[group], w) for y, p, group, w in rows], weighted=True)
    for field in ("cells", "squares"):
        before, after = as_dicts(tables(rows, weighted=True), field), as_dicts(renamed, field)
        assert after == {cell: {new[group]: value for group, value in before[cell].items()} for cell in CELLS}


@given(people, people)
def test_strata_and_intersections_add_up_too(one: Any, two: Any) -> None:
    def table(rows: Any) -> GroupCounts:
        y, p, groups, strata = map(list, zip(*rows, strict=True))
        both = pd.DataFrame({"group": groups, "odd": [s % 2 for s in strata]})
        return count(y, p, sensitive_features=both, strata=strata)

    assert table(one) + table(two) == table(one + two)
    assert (table(one) + table(two)).marginal("group") == table(one + two).marginal("group")


def test_groups_of_mixed_types_add_up() -> None:
    parts = [count([1, 0], [1, 1], sensitive_features=[group, 10]) for group in (9, "a", 2.5, True)]
    whole = count(
        [1, 0] * 4, [1] * 8, sensitive_features=np.array([9, 10, "a", 10, 2.5, 10, True, 10], dtype=object)
    )
    assert sum(parts) == sum(reversed(parts)) == whole
    assert whole.groups == (True, 2.5, 9, 10, "a")


def test_adding_leaves_the_parts_as_they_are() -> None:
    a, b = tiny(), tiny()
    _ = a + b
    assert a == b == tiny()


def test_only_tables_of_the_same_attributes_add_up() -> None:
    with pytest.raises(ValueError, match="same sensitive attributes"):
        tiny(names=["sex"]) + tiny(names=["race"])
    with pytest.raises(ValueError, match="with strata or all without"):
        tiny() + count([1, 0, 1, 0], [1, 0, 1, 0], **FOUR, strata=list("xxyy"))
    with pytest.raises(TypeError):
        tiny() + 1  # type: ignore[operator]
    assert tiny() != "a table"


def test_marginal_tables_sum_the_other_attributes_out() -> None:
    frame = pd.DataFrame({"sex": list("fmfm"), "race": list("bbww"), "old": [True, False, True, True]})
    y, p, weights = [1, 0, 1, 1], [1, 1, 0, 1], [1, 2, 3, 4]
    counts = count(y, p, sensitive_features=frame, sample_weight=weights)
    for names in (["sex"], ["race", "sex"], ["old"]):
        expected = count(y, p, sensitive_features=frame[names], sample_weight=weights)
        assert counts.marginal(*names) == expected
    assert counts.overall().n.tolist() == [10]
    assert counts.overall().squares["tp"].tolist() == [17]
    for wrong in (["gender"], []):
        with pytest.raises(ValueError, match="marginal takes names out of"):
            counts.marginal(*wrong)


# --- writing and reading ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "groups",
    [
        list("aabb"),
        [1, 0, 1, 0],
        [1.5, 0.5, 1.5, 0.5],
        [True, False, True, False],
        np.array([np.int64(3), np.float64(2.5), np.bool_(True), np.str_("a")], dtype=object),
        [["f", 1], ["m", 2], ["f", 2], ["m", 1]],
        pd.DataFrame({"sex": list("fmfm"), "old": [True, False, True, False]}),
    ],
)
@pytest.mark.parametrize("strata", [None, [1, 1, 2, 2], [["x", 1], ["y", 2], ["x", 2], ["y", 2]]])
def test_a_table_survives_json_and_pickle(groups: Any, strata: Any) -> None:
    counts = count(
        [1, 0, 1, 0], [1, 1, 0, 0], sensitive_features=groups, strata=strata, sample_weight=[0.1, 2, 3, 4]
    )
    read = GroupCounts.from_state(json.loads(json.dumps(counts.to_state(), allow_nan=False)))
    assert read == counts
    assert read.groups == counts.groups
    assert pickle.loads(pickle.dumps(counts)) == counts


def test_labels_that_json_cannot_hold_are_named() -> None:
    days = np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]")
    with pytest.raises(TypeError, match="does not fit into JSON: name groups by text or numbers"):
        count([1, 0], [1, 0], sensitive_features=days).to_state()


@pytest.mark.parametrize(
    ("groups", "tp", "message"),
    [
        (("a", "a"), [1, 2], "listed twice"),
        (("a", "b", "c"), [1, 2], r"must have the shape \(3,\)"),
        (("a", "b"), [-1, 2], "must not be negative or NaN"),
        (("a", "b"), [np.nan, 2], "must not be negative or NaN"),
    ],
)
def test_an_impossible_table_is_refused(groups: Any, tp: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GroupCounts(groups, {**tiny().cells, "tp": tp})
    with pytest.raises(ValueError, match="cells must hold tp, fp, fn, tn; got tp"):
        GroupCounts(groups, {"tp": tp})


# --- comparing ----------------------------------------------------------------------------------------


def test_a_group_without_the_rate_is_named_in_a_warning() -> None:
    counts = count([1, 1, 0, 0, 1], [1, 0, 1, 0, 1], sensitive_features=["a", "a", "b & c", "b & c", "d"])
    with pytest.warns(
        UserWarning, match=r"true_positive_rate cannot be measured for: b & c \(its denominator, tp\+fn"
    ):
        assert counts.compare("equal_opportunity") == 0.5
    with pytest.warns(UserWarning, match="precision cannot be measured"):
        value = count([1, 1, 1, 1], [1, 1, 0, 0], **FOUR).compare("predictive_parity", "worst_group")
    assert value == 1


@pytest.mark.parametrize("comparison", ["difference", "ratio"])
def test_too_few_groups_give_nan_and_a_warning(comparison: Any) -> None:
    with pytest.warns(UserWarning, match="Fewer than two groups can be compared: selection_rate gives NaN"):
        assert np.isnan(
            count([1, 0], [1, 0], sensitive_features=["a", "a"]).compare("demographic_parity", comparison)
        )
    with pytest.warns(UserWarning, match="cannot be measured for: b.*Fewer than two groups can be compared"):
        assert np.isnan(count([1, 1, 0, 0], [1, 0, 1, 0], **FOUR).compare("equal_opportunity", comparison))


def test_one_cause_is_warned_of_once() -> None:
    with pytest.warns(UserWarning, match="Fewer than two") as caught:
        assert np.isnan(count([1, 0], [1, 0], sensitive_features=["a", "a"]).compare("equalized_odds"))
    assert [str(each.message) for each in caught] == [
        "Fewer than two groups can be compared: true_positive_rate and false_positive_rate give NaN, and so "
        "does equalized_odds."
    ]


def test_all_that_a_criterion_lacks_is_in_one_warning() -> None:
    counts = count([1, 1, 0, 0, 1, 0, 1, 0], [1, 0, 1, 0, 1, 0, 1, 0], sensitive_features=list("aabbccdd"))
    with pytest.warns(UserWarning, match="cannot be measured") as caught:
        assert counts.compare("equalized_odds") == 0.5  # a half of the positives of a, and all of c and d
    assert [str(each.message) for each in caught] == [
        "true_positive_rate cannot be measured for: b (its denominator, tp+fn, is empty there). "
        "false_positive_rate cannot be measured for: a (its denominator, fp+tn, is empty there). "
        "The comparison passes over them."
    ]


def test_rates_of_the_same_rows_are_warned_of_together() -> None:
    counts = count([1, 0, 0, 0], [1, 0, 1, 0], **FOUR)
    with pytest.warns(UserWarning, match="cannot be measured") as caught:
        counts.warn_undefined(RATES["true_positive_rate"], RATES["false_negative_rate"], fewest=0)
    assert [str(each.message) for each in caught] == [
        "true_positive_rate and false_negative_rate cannot be measured for: b (their denominator, tp+fn, is "
        "empty there). The comparison passes over them."
    ]


def test_a_warning_of_many_rates_and_groups_stays_short() -> None:
    groups = [f"{'a long name ' * 20}{i}" for i in range(60)]
    cells = {cell: np.where(np.arange(60) % 4 == i, 1.0, 0.0) for i, cell in enumerate(CELLS)}
    with pytest.warns(UserWarning, match="cannot be measured") as caught:
        GroupCounts(groups, cells).warn_undefined(*RATES.values(), fewest=2)
    (only,) = caught
    assert len(str(only.message)) < 2000


def test_one_group_has_a_worst_group() -> None:
    assert count([1, 0], [1, 0], sensitive_features=["a", "a"]).compare("accuracy_parity", "worst_group") == 1


def test_a_warning_about_strata_says_so() -> None:
    counts = count([1, 0, 1, 0, 1, 0], [1] * 6, sensitive_features=list("aabbaa"), strata=[0, 0, 0, 0, 1, 1])
    with pytest.warns(
        UserWarning, match=r"measured in some strata for: b .*Fewer than two .* in some strata"
    ):
        gaps = counts.compare("demographic_parity")
    assert gaps[0] == 0
    assert np.isnan(gaps[1])


def test_the_reference_group_is_named_by_its_label() -> None:
    frame = pd.DataFrame({"sex": list("ffmm"), "old": [0, 0, 1, 1]})
    counts = count([1] * 4, [1, 1, 1, 0], sensitive_features=frame)
    assert counts.compare("demographic_parity", "ratio", method="to_reference", reference=("f", 0)) == 0.5
    with pytest.raises(
        ValueError, match=r"The reference group 'f' is not one of the groups: \('f', 0\), \('m', 1\)"
    ):
        counts.compare("demographic_parity", method="to_reference", reference="f")
    with pytest.raises(ValueError, match="to_reference"):
        counts.compare("demographic_parity", reference=("f", 0))


def test_arrays_that_change_later_do_not_change_a_table() -> None:
    cells = {cell: np.ones(2) for cell in CELLS}
    counts = GroupCounts(["a", "b"], cells)
    cells["tp"][:] = 9
    assert counts == GroupCounts(["a", "b"], {cell: [1, 1] for cell in CELLS})


@pytest.mark.parametrize("dtype", ["int64", "Int64", "int64[pyarrow]"])
def test_huge_whole_numbers_are_labels_whatever_holds_them(dtype: str) -> None:
    """As floats the two would be one."""
    labels = pd.Series([2**53, 2**53 + 1, 2**53], dtype=dtype)
    counts = count(labels, labels, sensitive_features=["a", "a", "b"], pos_label=2**53 + 1)
    assert (counts.cells["tp"].tolist(), counts.cells["tn"].tolist()) == ([1, 0], [1, 1])


def test_a_warning_of_many_numbers_points_at_the_line_that_counts() -> None:
    labels = [0, 1] * 20
    with pytest.warns(UserWarning, match="40 distinct numbers") as caught:
        count(labels, labels, sensitive_features=range(40))
    assert caught[0].filename == __file__


def test_labels_within_labels_survive_json() -> None:
    groups = [("a", (1, 2)), ("b", (1, (True, "x")))]
    counts = GroupCounts(groups, {cell: [1, 2] for cell in CELLS}, names=("one", "two"))
    assert GroupCounts.from_state(json.loads(json.dumps(counts.to_state()))) == counts


def test_counts_of_classes_know_that_each_counts_every_row() -> None:
    people = {"sex": list("ffmm"), "age": [1, 2, 1, 2]}
    given, order = ["C", "A", "B", "A"], ["C", "B", "A"]
    counts = one_vs_rest_counts(None, given, sensitive_features=pd.DataFrame(people), grades=order)
    assert counts.events == "grades"
    again = GroupCounts.from_state(json.loads(json.dumps(counts.to_state())))
    twice = counts.take(counts.groups[::-1]) + again
    assert again == counts
    assert twice.strata == ("B", "A")
    by_sex = twice.marginal("sex")
    assert by_sex.n.tolist() == [[4, 4], [4, 4]]  # every row in each grade, and none of them twice
    assert by_sex.cells["fp"].tolist() == [[2, 2], [4, 2]]
    for table in (twice, by_sex, counts.overall(), pickle.loads(pickle.dumps(counts))):
        assert table.events == "grades"
        assert table.stratum("B").events is None
        assert "B or better" in str(table)
        with pytest.raises(ValueError, match=r"take one, counts.stratum\(label\), of 'B', 'A'"):
            table.without_strata()
    old = {name: value for name, value in counts.to_state().items() if name != "events"}
    assert GroupCounts.from_state(old).events is None


def test_counts_of_other_classes_do_not_add_up() -> None:
    """A class that one part does not know is a rejection of each of its rows, and not nothing."""

    def part(*given: str, **named: Any) -> GroupCounts:
        return one_vs_rest_counts(None, given, sensitive_features=["a"] * len(given), **named)

    whole = part("x", "y", classes="xyz") + part("z", "z", classes="zyx")
    assert whole.strata == ("x", "y", "z")
    assert whole.rate("selection_rate").tolist() == [[0.25, 0.25, 0.5]]
    one = part("x", "y")
    for other in (part("z", "y"), part("x", "y", "z"), part("x", "y", grades="xy"), part("x", pos_label="x")):
        with pytest.raises(ValueError, match=r"add up where both|do not add up with counts of classes"):
            _ = one + other
    with pytest.raises(ValueError, match="add up where both count the same grades"):
        _ = part("x", grades="xyz") + part("x", grades="xzy")
    with pytest.raises(ValueError, match="'classes' or 'grades'"):
        GroupCounts(["a"], {cell: [1] for cell in CELLS}, events="classes")
