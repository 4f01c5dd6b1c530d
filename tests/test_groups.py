from __future__ import annotations

import datetime
import functools
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from fairsk._core.columns import drop_columns, sensitive_columns, value_columns
from fairsk._core.groups import encode_groups, encode_known_groups, format_group, sort_labels
from fairsk.audit import audit_predictions
from fairsk.metrics import demographic_parity_difference, group_metrics, ks_distance, score_metrics

COLUMNS = {"age": [30, 40, 50, 60], "sex": ["f", "m", "f", "m"], "race": ["b", "b", "w", "b"]}
FRAMES: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "pandas": pd.DataFrame,
    "pandas, nullable": lambda columns: pd.DataFrame(columns).convert_dtypes(),
    "pandas, pyarrow": lambda columns: pd.DataFrame(columns).convert_dtypes(dtype_backend="pyarrow"),
    "pandas, object": lambda columns: pd.DataFrame(columns, dtype=object),
    "pandas, category": lambda columns: pd.DataFrame(columns).astype("category"),
    "polars": pl.DataFrame,
    "polars, category": lambda columns: pl.DataFrame(columns).with_columns(
        pl.col(pl.String).cast(pl.Categorical)
    ),
    "pyarrow": pa.table,
}
SPARSE = ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"]


def groups_of(values: Any) -> list[Any]:
    """Return the group of each row."""
    grouping = encode_groups(sensitive_columns(None, None, values))
    return [grouping.labels[code] for code in grouping.codes]


@pytest.fixture(params=FRAMES)
def frame(request: pytest.FixtureRequest) -> Any:
    return FRAMES[request.param](COLUMNS)


# --- selectors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "selector",
    [
        *("sex", ["sex"], ("sex",), np.array(["sex"]), 1, -2, [np.int64(1)], np.str_("sex"), np.int8(1)),
        *(np.flatnonzero([False, True, False]), np.array(["sex"], dtype=object), pd.Index(["sex"])),
        pd.Index([1]),
    ],
    ids=repr,
)
def test_a_column_of_any_frame_is_selected_by_name_or_position(frame: Any, selector: Any) -> None:
    found = sensitive_columns(frame, selector)
    assert found.names == ("sex",)
    assert groups_of(found) == ["f", "m", "f", "m"]


@pytest.mark.parametrize("selector", [["sex", "race"], [1, 2], ["sex", -1]])
def test_several_columns_make_the_intersections_that_occur(frame: Any, selector: Any) -> None:
    found = sensitive_columns(frame, selector)
    assert found.names == ("sex", "race")
    assert groups_of(found) == [("f", "b"), ("m", "b"), ("f", "w"), ("m", "b")]
    assert encode_groups(found).labels == (("f", "b"), ("f", "w"), ("m", "b"))


def test_a_callable_may_return_a_column_a_frame_or_an_array() -> None:
    X = pd.DataFrame(COLUMNS)
    over_40 = sensitive_columns(X, lambda X: X["age"] > 40)
    assert (over_40.names, groups_of(over_40)) == (("age",), [False, False, True, True])
    assert sensitive_columns(X, lambda X: X[["sex", "race"]]).names == ("sex", "race")
    assert groups_of(sensitive_columns(X, lambda X: X["age"].to_numpy() // 20)) == [1, 2, 2, 3]


@pytest.mark.parametrize("selector", [1, -1, [1], np.int64(1)])
def test_a_column_of_an_array_is_selected_by_position(selector: Any) -> None:
    X = np.array([[0.5, 1], [0.2, 0], [0.1, 1]])
    for given_X in (
        X,
        X.tolist(),
        *(sparse.coo_matrix(X).asformat(format) for format in SPARSE),
        sparse.csr_array(X),
    ):
        found = sensitive_columns(given_X, selector)
        assert found.names == ("column 1",)
        assert groups_of(found) == [1, 0, 1]


def test_lists_of_rows_keep_their_values() -> None:
    X = [["f", 1], ["m", 2], ["f", 10]]
    assert groups_of(sensitive_columns(X, 1)) == [1, 2, 10]
    with pytest.raises(ValueError, match=r"missing .* in 1 of 2 rows"):
        encode_groups(sensitive_columns([["f", 1], [float("nan"), 2]], 0))


def test_an_integer_is_refused_where_columns_are_called_by_other_integers() -> None:
    X = pd.DataFrame({0: [0, 1], 1: [1, 2], 2: ["a", "b"]})
    assert sensitive_columns(X, 1).names == ("1",)
    assert sensitive_columns(X, -1).names == ("2",)
    last_renamed = X.rename(columns={2: 5})
    for frame in (X.drop(columns=0), X[[0, 2, 1]], X.drop(columns=0).assign(sex=1), last_renamed):
        for selector in (2, [2], np.int64(-1)):
            for use in (sensitive_columns, drop_columns):
                with pytest.raises(ValueError, match=r"called by numbers that are not their .*: .*X\.iloc"):
                    use(frame, selector)
    assert sensitive_columns(last_renamed, 1).names == ("1",)
    assert sensitive_columns(X.drop(columns=0), lambda X: X[1]).names == ("1",)
    assert sensitive_columns(X.rename(columns=str), 1).names == ("1",)
    assert sensitive_columns(X.drop(columns=0).rename(columns=str), 1).names == ("2",)


@pytest.mark.parametrize("selector", ["sx", ["age", "sx"]])
def test_a_missing_column_is_answered_with_the_closest_and_with_all(frame: Any, selector: Any) -> None:
    message = "column 'sx' is not in X, whose columns are: age, sex, race. Did you mean 'sex'"
    with pytest.raises(ValueError, match=message):
        sensitive_columns(frame, selector)


def test_a_lost_column_is_answered_with_what_to_do() -> None:
    for X in (pd.DataFrame({"age": [1]}), np.zeros((1, 3))):
        with pytest.raises(ValueError, match="SensitiveRouter"):
            sensitive_columns(X, "sex")


@pytest.mark.parametrize("X", [["one text", "another"], np.array(["a", "b"]), pd.Series(["a", "b"])])
def test_texts_have_no_columns(X: Any) -> None:
    with pytest.raises(ValueError, match=r"Cannot select the sensitive column 'sex' from a 1-D X"):
        sensitive_columns(X, "sex")


@pytest.mark.parametrize("position", [3, -4])
def test_a_position_outside_is_refused(frame: Any, position: int) -> None:
    with pytest.raises(ValueError, match=f"column {position} is not in X, which has 3 columns"):
        sensitive_columns(frame, position)


@pytest.mark.parametrize(
    "selector",
    [
        *(True, {"sex", "race"}, {"sex": 1}, 1.5, [None], slice(1), [["sex"]], [[1], [2, 3]], b"sex"),
        *(np.array([True, False, False]), np.array([[1]]), np.array(1), pd.Series(["f", "m"])),
        *(pl.Series(["sex"]), pd.MultiIndex.from_tuples([("sex", "race")])),
    ],
    ids=lambda selector: type(selector).__name__,
)
def test_what_does_not_select_columns_is_refused(selector: Any) -> None:
    with pytest.raises(TypeError, match="a name, an index, a list of these, or a callable of X"):
        sensitive_columns(pd.DataFrame(COLUMNS), selector)
    with pytest.raises(TypeError, match="a name, an index, a list of these, or a callable of X"):
        sensitive_columns(pd.DataFrame(COLUMNS), selector, list("aabb"))  # also where values override it


@pytest.mark.parametrize("selector", [["sex", "sex"], [1, 1], np.array(list("fmf")), np.zeros(4, dtype=int)])
def test_values_in_the_place_of_names_are_told(selector: Any) -> None:
    with pytest.raises(ValueError, match=r"twice: each one once\. If these are values, one per row"):
        sensitive_columns(pd.DataFrame(COLUMNS), selector)


@pytest.mark.parametrize("selector", [["sex", 1], [1, -2]])
def test_a_column_selected_in_two_ways_is_told(frame: Any, selector: Any) -> None:
    with pytest.raises(ValueError, match="selects a column twice: 'sex', 'sex'"):
        sensitive_columns(frame, selector)


def test_naming_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="Which column is sensitive"):
        sensitive_columns(pd.DataFrame(COLUMNS), None)
    with pytest.raises(ValueError, match="names no column"):
        sensitive_columns(pd.DataFrame(COLUMNS), [])


def test_a_lazy_frame_is_refused_with_what_to_do() -> None:
    lazy = pl.DataFrame(COLUMNS).lazy()
    with pytest.raises(TypeError, match="collect it first"):
        sensitive_columns(lazy, "sex")
    with pytest.raises(TypeError, match="collect it first"):
        sensitive_columns(None, None, lazy)


# --- values passed to a method ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        ["f", "m", "f"],
        ("f", "m", "f"),
        np.array(["f", "m", "f"]),
        np.array(["f", "m", "f"], dtype=object),
        np.array([["f"], ["m"], ["f"]]),
        [["f"], ["m"], ["f"]],
        pd.Series(["f", "m", "f"], index=[7, 7, 1]),
        pd.Series(["f", "m", "f"], dtype="category"),
        pd.Categorical(["f", "m", "f"], categories=["m", "f", "unused"]),
        pd.Series(["f", "m", "f"], dtype="string"),
        pd.DataFrame({"sex": ["f", "m", "f"]}),
        pd.Index(["f", "m", "f"]),
        pl.Series(["f", "m", "f"]),
        pl.Series(["f", "m", "f"], dtype=pl.Categorical),
        pl.DataFrame({"sex": ["f", "m", "f"]}),
        pa.array(["f", "m", "f"]),
        pa.chunked_array([["f"], ["m", "f"]]),
        pa.table({"sex": ["f", "m", "f"]}),
    ],
    ids=lambda values: type(values).__name__,
)
def test_values_of_any_kind_give_the_same_groups(values: Any) -> None:
    grouping = encode_groups(sensitive_columns(None, None, values))
    assert grouping.labels == ("f", "m")
    assert grouping.codes.tolist() == [0, 1, 0]
    assert all(type(label) is str for label in grouping.labels)


@pytest.mark.parametrize(
    "values",
    [
        [1, 0, 1],
        [1.0, 0.0, 1.0],
        [True, False, True],
        np.array([1, 0, 1], dtype=np.int8),
        pd.Series([1, 0, 1], dtype="Int64"),
        pd.Series([True, False, True], dtype="boolean"),
        pl.Series([True, False, True]),
        sparse.csr_matrix([[1], [0], [1]]),
        torch.tensor([1, 0, 1]),
        np.array([1, 0, 1], dtype=object),
    ],
    ids=lambda values: type(values).__name__,
)
def test_integers_floats_and_booleans_name_the_same_groups(values: Any) -> None:
    grouping = encode_groups(sensitive_columns(None, None, values), groups=(0, 1))
    assert grouping.codes.tolist() == [1, 0, 1]
    assert groups_of(values) == [1, 0, 1]


@pytest.mark.parametrize("dtype", ["datetime64[D]", "datetime64[s]", "datetime64[ns]"])
def test_dates_are_groups(dtype: str) -> None:
    days = np.array(["2020-01-02", "2020-01-01"], dtype=dtype)
    for values in (days, pd.Series(days)):
        assert [str(label)[:10] for label in groups_of(values)] == ["2020-01-02", "2020-01-01"]
    assert isinstance(groups_of(days)[0], datetime.datetime)


def test_bins_are_groups_in_their_order() -> None:
    ages = pd.Series([150, 5, 30])
    labels = encode_groups(sensitive_columns(None, None, pd.cut(ages, [0, 20, 100, 200]))).labels
    assert list(map(str, labels)) == ["(0, 20]", "(20, 100]", "(100, 200]"]


def test_values_override_the_selector_and_need_no_column() -> None:
    assert groups_of(sensitive_columns(pd.DataFrame(COLUMNS), "sex", list("aabb"))) == list("aabb")
    assert groups_of(sensitive_columns(np.zeros((4, 1)), "sex", list("aabb"))) == list("aabb")


def test_mixed_types_keep_their_values() -> None:
    assert groups_of([1, "a", 10, 9]) == [1, "a", 10, 9]
    assert encode_groups(sensitive_columns(None, None, [1, "a", 10, 9])).labels == (1, 9, 10, "a")


@pytest.mark.parametrize("values", ["sex", b"sex", {"sex": [1, 2]}])
def test_names_and_dicts_are_not_values(values: Any) -> None:
    with pytest.raises(TypeError, match="to name a column, use the constructor's sensitive_features"):
        sensitive_columns(pd.DataFrame(COLUMNS), None, values)


@pytest.mark.parametrize("values", [len, ["sex", len], (functools.partial(np.ravel),)])
def test_functions_are_not_values(values: Any) -> None:
    with pytest.raises(TypeError, match="give a callable to the constructor, or pass what it returns"):
        sensitive_columns(pd.DataFrame(COLUMNS), None, values)
    with pytest.raises(TypeError, match="there is no X here to call it with: pass its values"):
        sensitive_columns(None, None, values)
    for argument in ("sensitive_features", "strata", "unit"):
        with pytest.raises(TypeError, match=f"^{argument} is a callable.* {argument}=function"):
            value_columns(argument, values, 4)


@pytest.mark.parametrize(
    "measure",
    [
        functools.partial(group_metrics, [0, 1], [1, 1]),
        functools.partial(score_metrics, [0, 1], [0.1, 0.2]),
        functools.partial(demographic_parity_difference, [0, 1], [1, 1]),
        functools.partial(audit_predictions, [0, 1], [1, 1]),
        functools.partial(ks_distance, [0.1, 0.2]),
    ],
    ids=lambda measure: measure.func.__name__,
)
def test_functions_without_x_ask_for_what_a_callable_returns(measure: Any) -> None:
    for values in (len, ["sex", len]):
        with pytest.raises(TypeError, match="there is no X here to call it with"):
            measure(sensitive_features=values)


@pytest.mark.parametrize(("values", "shown"), [(5, "0-D"), (np.zeros((4, 1, 1)), "3-D")])
def test_values_must_have_one_or_two_axes(values: Any, shown: str) -> None:
    with pytest.raises(ValueError, match=f"per sample, got {shown}"):
        sensitive_columns(None, None, values)


def test_another_number_of_rows_is_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match="has 3 rows where 4 are expected: inconsistent numbers of samples"):
        sensitive_columns(None, None, ["f", "m", "f"], n_samples=4)


def test_values_that_cannot_name_a_group_are_refused() -> None:
    for values in (np.array([{"a": 1}, {"a": 2}]), pl.Series([[1], [2]])):
        with pytest.raises(TypeError, match=r"cannot name a group \(unhashable\)"):
            groups_of(values)


def test_names_of_unnamed_values() -> None:
    assert sensitive_columns(None, None, pd.Series([1, 2], name="sex")).names == ("sex",)
    assert sensitive_columns(None, None, pl.Series([1, 2])).names == ("sensitive_features",)
    assert sensitive_columns(None, None, [[1], [2]]).names == ("sensitive_features",)
    assert sensitive_columns(None, None, [[1, 2]]).names == ("sensitive_features[0]", "sensitive_features[1]")


# --- missing, continuous and unknown values ------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        ["a", None, "b", None],
        ["a", float("nan"), "b", None],
        [1.0, float("nan"), 2.0, float("nan")],
        [True, None, False, None],
        np.array(["a", pd.NA, "b", np.nan], dtype=object),
        np.array(["2020-01-01", "NaT", "2020-01-02", "NaT"], dtype="datetime64[ns]"),
        np.ma.array([1, 0, 2, 0], mask=[0, 1, 0, 1]),
        np.ma.array([[1], [0], [2], [0]], mask=[[0], [1], [0], [1]]),
        np.ma.array(["a", "a", "b", "a"], mask=[0, 1, 0, 1]),
        pd.array([1, None, 2, None], dtype="Int64"),
        pd.Categorical(["a", None, "b", None]),
        pd.Series(["a", None, "b", None], dtype="string[pyarrow]"),
        pd.Series([1, None, 2, None], dtype="int64[pyarrow]"),
        pd.Series(["a", None, "b", None]),
        pd.Series(["a", None, "b", None], dtype="category"),
        pd.Series(["a", pd.NA, "b", pd.NA], dtype="string"),
        pd.Series([1, pd.NA, 2, pd.NA], dtype="Int64"),
        pd.Series([True, pd.NA, False, pd.NA], dtype="boolean"),
        pd.Series(pd.to_datetime(["2020-01-01", None, "2020-01-02", None])),
        pl.Series(["a", None, "b", None]),
        pl.Series([1, None, 2, None]),
        pl.Series([1.0, float("nan"), 2.0, None]),
        pa.chunked_array([["a", None, "b", None]]),
        pa.array(["a", None, "b", None]),
    ],
    ids=lambda values: f"{type(values).__name__} {getattr(values, 'dtype', '')}",
)
def test_missing_values_are_counted_and_refused(values: Any) -> None:
    with pytest.raises(
        ValueError, match=r"is missing \(NaN or None\) in 2 of 4 rows. Make the missing ones a group"
    ):
        groups_of(values)


def test_the_message_names_the_column_with_missing_values() -> None:
    with pytest.raises(ValueError, match="'race' is missing"):
        groups_of(pd.DataFrame({"sex": ["f", "m"], "race": ["b", None]}))


@pytest.mark.parametrize("columns", [1, 2])
def test_the_policy_for_unknown_groups(columns: int) -> None:
    """Refuse them and say which, or give them the code -1: see fairsk._core.policy."""
    values = ["f", "x", "m", "x"] if columns == 1 else [["f", 1], ["x", 1], ["m", 1], ["x", 1]]
    groups = ("f", "m") if columns == 1 else (("f", 1), ("m", 1))
    name = "x" if columns == 1 else "x & 1"
    sensitive = sensitive_columns(None, None, values)
    with pytest.raises(ValueError, match=rf"^2 of 4 rows belong to groups .* in fit: {name}\. Fit on data"):
        encode_known_groups(sensitive, groups)
    with pytest.raises(ValueError, match=f"^The first call of partial_fit had no rows of {name}: give it"):
        encode_known_groups(sensitive, groups, during="partial_fit")
    grouping = encode_known_groups(sensitive, groups, "overall")
    assert grouping.labels == groups
    assert grouping.codes.tolist() == [0, -1, 1, -1]
    assert encode_known_groups(sensitive.take(np.array([2, 0])), groups).codes.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("fitted", "values", "message"),
    [
        ((0, 1), list("0101"), r"fit: '0', '1' \(text\)\. Those of fit are 0, 1 \(numbers\)\."),
        (("0", "1"), [0, 1, 1, 0], r"fit: 0, 1 \(numbers\)\. Those of fit are '0', '1' \(text\)\."),
        ((False, True), ["True", "no"] * 2, r"'True', 'no' \(text\)\. Those of fit are False, True"),
        (("a", "b"), [1, 2, 3, 4], r"fit: 1, 2, 3, 4 \(numbers\)\. Those of fit are 'a', 'b' \(text\)"),
        ((("f", 1),), ["f"] * 4, r"fit: 'f' \(text\)\. Those of fit are \('f', 1\) \(text & numbers\)"),
        ((("f", 1),), [["f", "1"]] * 4, r"\('f', '1'\) \(text & text\)\. Those of fit are \('f', 1\)"),
    ],
)
def test_groups_of_another_kind_are_told_from_those_of_fit(fitted: Any, values: Any, message: str) -> None:
    sensitive = sensitive_columns(None, None, np.array(values, dtype=object))
    with pytest.raises(ValueError, match=message):
        encode_known_groups(sensitive, fitted)
    with pytest.warns(UserWarning, match=message) as told:  # the lenient policy accepts them, not in silence
        assert encode_known_groups(sensitive, fitted, "overall").codes.tolist() == [-1] * 4
    assert len(told) == 1
    with pytest.warns(UserWarning, match="^1 of 1 rows belong to groups that did not occur in fit"):
        encode_known_groups(sensitive.take(np.array([0])), fitted, "overall")  # nor does a row alone


def test_the_lenient_policy_warns_if_it_applies_to_every_row() -> None:
    def codes(values: list[Any]) -> list[int]:
        sensitive = sensitive_columns(None, None, values)
        return encode_known_groups(sensitive, ("f", "m"), "overall").codes.tolist()

    with pytest.warns(
        UserWarning, match="None of 3 rows has a group .* they are of None, x, and fit had f, m"
    ):
        assert codes(["x", None, "x"]) == [-1, -1, -1]
    assert codes(["x"]) == codes([None]) == [-1]  # a row alone may be of a new group
    assert codes(["x", "f"]) == [-1, 0]
    sensitive = sensitive_columns(None, None, ["0", "1"])
    with pytest.raises(ValueError, match="first call of partial_fit: '0', '1'"):
        encode_known_groups(sensitive, (0, 1), during="partial_fit")


def test_the_policy_for_missing_groups() -> None:
    sensitive = sensitive_columns(None, None, ["f", None, "m"])
    for during in ("predict", "partial_fit"):
        with pytest.raises(ValueError, match=r"is missing \(NaN or None\) in 1 of 3 rows"):
            encode_known_groups(sensitive, ("f", "m"), during=during)  # type: ignore[arg-type]
    assert encode_known_groups(sensitive, ("f", "m"), "overall").codes.tolist() == [0, -1, 1]


def test_a_missing_value_may_be_one_more_unknown_group_at_prediction() -> None:
    for values in (["f", None, "x", float("nan")], pd.Series(["f", pd.NA, "x", pd.NA], dtype="string")):
        grouping = encode_groups(
            sensitive_columns(None, None, values), groups=("f", "m"), missing_is_unknown=True
        )
        assert grouping.codes.tolist() == [0, -1, -1, -1]
    numbers = sensitive_columns(None, None, [*map(float, range(12)), float("nan")])
    assert encode_groups(numbers, groups=range(12), missing_is_unknown=True).codes.tolist() == [
        *range(12),
        -1,
    ]


def test_groups_that_were_not_known_get_the_code_minus_one() -> None:
    grouping = encode_groups(sensitive_columns(None, None, ["m", "x", "f"]), groups=("f", "m", "d"))
    assert grouping.labels == ("f", "m", "d")
    assert grouping.codes.tolist() == [1, -1, 0]
    pairs = sensitive_columns(None, None, pd.DataFrame({"sex": ["f", "m"], "race": ["b", "w"]}))
    assert encode_groups(pairs, groups=(("m", "w"), ("f", "w"))).codes.tolist() == [-1, 0]


@pytest.mark.parametrize("kind", [np.float64, np.float32, object])
def test_a_continuous_column_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"looks continuous: it has 50 distinct values.*Bin it first"):
        groups_of(np.linspace(0, 1, 50).astype(kind))


def test_whole_numbers_and_few_fractions_are_groups() -> None:
    assert len(set(groups_of(np.arange(30.0)))) == 30
    with pytest.warns(UserWarning, match=r"has 50 distinct numbers, each a group of its own. .*bin it first"):
        assert len(set(groups_of(np.arange(50.0)))) == 50
    assert set(groups_of([0.5, 1.5, 0.5])) == {0.5, 1.5}


# --- properties ---------------------------------------------------------------------------------------

labels = st.one_of(st.integers(-3, 3), st.sampled_from(["", "a", "b", "é", "1"]), st.booleans())


@given(st.lists(labels, min_size=1), st.randoms())
def test_the_order_of_rows_changes_no_group(values: list[Any], random: Any) -> None:
    order = list(range(len(values)))
    random.shuffle(order)
    values_as_given = np.array([*values, None], dtype=object)[:-1]  # an array of objects, whatever they are
    before = encode_groups(sensitive_columns(None, None, values_as_given))
    after = encode_groups(sensitive_columns(None, None, values_as_given[order]))
    assert after.labels == before.labels
    assert after.codes.tolist() == before.codes[order].tolist()


@given(st.lists(st.tuples(labels, labels), min_size=1))
def test_every_row_gets_the_label_it_had(rows: list[tuple[Any, Any]]) -> None:
    table = np.empty((len(rows), 2), dtype=object)
    table[:] = rows
    assert groups_of(table) == rows
    assert groups_of(table[:, 0]) == [first for first, _ in rows]


@given(st.lists(st.sampled_from("abc"), min_size=1))
def test_renaming_the_groups_renames_the_labels_only(values: list[str]) -> None:
    renamed = groups_of([{"a": 3, "b": 1, "c": 2}[value] for value in values])
    assert renamed == [{"a": 3, "b": 1, "c": 2}[value] for value in groups_of(values)]


@given(
    st.lists(st.one_of(labels, st.tuples(labels, labels), st.complex_numbers(allow_nan=False)), unique=True),
    st.randoms(),
)
def test_labels_of_any_types_have_one_order(values: list[Any], random: Any) -> None:
    shuffled = values.copy()
    random.shuffle(shuffled)
    assert sort_labels(shuffled) == sort_labels(values)


def test_sums_count_or_add_weights_of_each_group() -> None:
    grouping = encode_groups(sensitive_columns(None, None, ["b", "a", "b"]), groups=None)
    assert grouping.sums().tolist() == [1, 2]
    assert grouping.sums(np.array([0.5, 2, 0.25])).tolist() == [2, 0.75]


def test_metadata_keep_rows_names_and_values() -> None:
    both = sensitive_columns(pd.DataFrame(COLUMNS), ["sex", "age"])
    assert both.to_metadata().tolist() == [["f", 30], ["m", 40], ["f", 50], ["m", 60]]
    for sent in (both.to_metadata()[[1, 2]], pickle.loads(pickle.dumps(both.to_metadata()[[1, 2]]))):
        assert sensitive_columns(None, None, sent).names == both.names  # rows of it know their columns
    assert groups_of(both.to_metadata()) == groups_of(both)
    assert groups_of(both.take(np.array([3, 0]))) == [("m", 60), ("f", 30)]
    assert sensitive_columns(None, None, both) is both
    assert len(both) == 4


def test_labels_are_written_for_people() -> None:
    assert format_group(("f", 1)) == "f & 1"
    assert format_group("f") == "f"


# --- dropping columns ---------------------------------------------------------------------------------


@pytest.mark.parametrize("selector", ["sex", 1, -2, ["sex"]])
def test_dropping_keeps_the_type_of_frame_and_the_order(frame: Any, selector: Any) -> None:
    rest = drop_columns(frame, selector)
    assert type(rest) is type(frame)
    names = rest.column_names if isinstance(rest, pa.Table) else list(rest.columns)
    assert names == ["age", "race"]


def test_dropping_keeps_what_pandas_knows_of_the_rows() -> None:
    X = pd.DataFrame(COLUMNS, index=[5, 3, 5, 1]).astype({"race": "category"})
    pd.testing.assert_frame_equal(drop_columns(X, "sex"), X.drop(columns="sex"))


@pytest.mark.parametrize("format", SPARSE)
def test_dropping_from_a_sparse_matrix_keeps_its_format(format: str) -> None:
    rest = drop_columns(sparse.random(5, 4, density=0.5, random_state=0).asformat(format), [0, -1])
    assert (rest.format, rest.shape) == (format, (5, 2))


def test_dropping_from_arrays_and_lists_keeps_the_values() -> None:
    X = np.arange(6).reshape(2, 3)
    assert drop_columns(X, [0, 2]).tolist() == [[1], [4]]
    assert drop_columns([["f", 1, 2.5]], 0).tolist() == [[1, 2.5]]


@pytest.mark.parametrize("selector", [None, lambda X: X["sex"], "gender", ["gender"]])
def test_nothing_is_dropped_where_no_column_is_named(selector: Any) -> None:
    X = pd.DataFrame(COLUMNS)
    pd.testing.assert_frame_equal(drop_columns(X, selector), X)


@pytest.mark.parametrize("library", ["pandas", "polars", "numpy"])
def test_what_is_given_is_left_as_it_is(library: str) -> None:
    X = pd.DataFrame(COLUMNS)
    given_X = {"pandas": X, "polars": pl.from_pandas(X), "numpy": X.to_numpy()}[library]
    drop_columns(given_X, [1])
    encode_groups(sensitive_columns(given_X, [1, 2]))
    assert np.asarray(given_X).tolist() == X.to_numpy().tolist()
    assert given_X.shape == (4, 3)


def test_columns_called_by_numbers_are_told_from_texts():
    frame = pd.DataFrame(np.eye(3), columns=[3, 10, 16])
    with pytest.raises(ValueError, match=r"called by a number, 10, not by a text: .*rename\(columns=str\)"):
        sensitive_columns(frame, "10")
    with pytest.raises(ValueError, match=r"X\.rename\(columns=str\), and say '2'; or, where .* as it stands"):
        sensitive_columns(frame, 2)
