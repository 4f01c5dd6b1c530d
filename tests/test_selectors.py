"""Selectors, and groups in an order of their own: that of an ordered category, wherever values travel."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from toy_data import logistic, people

from fairsk import FairClassifier, GroupThresholdOptimizer, SensitiveRouter
from fairsk._core.columns import drop_columns, sensitive_columns
from fairsk._core.groups import encode_groups, merge_orders, order_labels
from fairsk.audit import audit_dataset
from fairsk.metrics import GroupCounts, ScoreHistograms, group_metrics
from fairsk.model_selection import GroupStratifiedKFold
from fairsk.neural._comparisons import _families
from fairsk.scoring import make_fair_scorer
from fairsk.selectors import AgeBands

SIZES = ("S", "M", "L", "XL")


def arrow_dictionary(values: list[Any], order: list[Any], *, ordered: bool = True) -> pa.ChunkedArray:
    """Return a dictionary of two chunks."""
    places = [None if value is None else order.index(value) for value in values]
    halves = [places[: len(places) // 2], places[len(places) // 2 :]]
    return pa.chunked_array(
        [
            pa.DictionaryArray.from_arrays(pa.array(half, pa.int8()), pa.array(order), ordered=ordered)
            for half in halves
        ]
    )


def pandas_arrow(values: list[Any], order: list[Any]) -> pd.Series:
    """Return the same inside of pandas."""
    return pd.Series(pd.arrays.ArrowExtensionArray(arrow_dictionary(values, order)))


#: Containers of ordered values.
ORDERED: dict[str, Callable[[list[Any], list[Any]], Any]] = {
    "pandas series": lambda v, order: pd.Series(pd.Categorical(v, categories=order, ordered=True)),
    "pandas categorical": lambda v, order: pd.Categorical(v, categories=order, ordered=True),
    "pandas index": lambda v, order: pd.CategoricalIndex(v, categories=order, ordered=True),
    "pandas frame": lambda v, order: pd.DataFrame(
        {"size": pd.Categorical(v, categories=order, ordered=True)}
    ),
    "pandas, arrow": pandas_arrow,
    "polars series": lambda v, order: pl.Series("size", v, dtype=pl.Enum(order)),
    "polars frame": lambda v, order: pl.DataFrame({"size": pl.Series(v, dtype=pl.Enum(order))}),
    "pyarrow": arrow_dictionary,
    "pyarrow table": lambda v, order: pa.table({"size": arrow_dictionary(v, order)}),
}
#: And of the same values without an order.
UNORDERED: dict[str, Callable[[list[Any], list[Any]], Any]] = {
    "pandas": lambda v, order: pd.Series(pd.Categorical(v, categories=order)),
    "polars": lambda v, order: pl.Series(v, dtype=pl.Categorical),
    "pyarrow": lambda v, order: arrow_dictionary(v, order, ordered=False),
    "numpy": lambda v, order: np.array(v, dtype=object),
}
every_container = pytest.mark.parametrize("container", ORDERED)


@st.composite
def ordered_values(draw):
    """Return categories in any order, and rows of some of them."""
    order = list(draw(st.permutations(SIZES)))
    return order, draw(st.lists(st.sampled_from(order), min_size=1, max_size=12))


def expected_order(order: list[Any], values: list[Any]) -> tuple[Any, ...]:
    return tuple(value for value in order if value in values)


# --- an order is kept ---------------------------------------------------------------------------------------


@every_container
@settings(max_examples=15, deadline=None, derandomize=True)
@given(ordered_values())
def test_groups_come_in_the_order_of_their_categories(container, problem):
    order, values = problem
    sensitive = sensitive_columns(None, None, ORDERED[container](values, order))
    grouping = encode_groups(sensitive)
    assert grouping.labels == expected_order(order, values)
    assert all(type(label) is str for label in grouping.labels)
    assert [grouping.labels[code] for code in grouping.codes] == values
    # As metadata, sliced and pickled on the way.
    metadata = pickle.loads(pickle.dumps(sensitive.to_metadata()))
    half = np.arange(0, len(values), 2)
    part = encode_groups(sensitive_columns(None, None, metadata[half]))
    assert part.labels == expected_order(order, values[::2])
    assert [part.labels[code] for code in part.codes] == values[::2]


@pytest.mark.parametrize("container", UNORDERED)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(ordered_values())
def test_groups_without_an_order_are_sorted(container, problem):
    order, values = problem
    sensitive = sensitive_columns(None, None, UNORDERED[container](values, order))
    assert encode_groups(sensitive).labels == tuple(sorted(set(values)))
    assert type(sensitive.to_metadata()) is np.ndarray


@every_container
def test_a_missing_value_in_an_ordered_column_is_refused(container):
    values = ORDERED[container](["M", None, "S", None], list(SIZES))
    with pytest.raises(ValueError, match=r"is missing \(NaN or None\) in 2 of 4 rows"):
        encode_groups(sensitive_columns(None, None, values))
    known = encode_groups(sensitive_columns(None, None, values), ("S", "M"), missing_is_unknown=True)
    assert known.codes.tolist() == [1, -1, 0, -1]


@every_container
def test_intersections_are_ordered_column_by_column(container):
    sizes = ORDERED[container](["XL", "S", "M", "S"], list(SIZES))
    column = encode_groups(sensitive_columns(None, None, sizes))
    assert column.labels == ("S", "M", "XL")
    table = pd.DataFrame(
        {"sex": list("fmff"), "size": pd.Categorical(["XL", "S", "M", "S"], SIZES, ordered=True)}
    )
    sensitive = sensitive_columns(table, ["sex", "size"])
    expected = (("f", "S"), ("f", "M"), ("f", "XL"), ("m", "S"))
    assert encode_groups(sensitive).labels == expected
    metadata = sensitive.to_metadata()[[3, 2, 1, 0]]
    assert encode_groups(sensitive_columns(None, None, metadata)).labels == expected


def test_categories_that_are_no_text_keep_their_order():
    falling = pd.Series(pd.Categorical([1, 3, 2], categories=[3, 2, 1], ordered=True))
    assert encode_groups(sensitive_columns(None, None, falling)).labels == (3, 2, 1)
    compared = sensitive_columns(None, None, falling).to_metadata() == 3  # an array, and no sizes any more
    assert encode_groups(sensitive_columns(None, None, compared)).labels == (False, True)


def counts_of(values: list[Any], order: list[Any], container: str = "pandas series") -> GroupCounts:
    ones = np.arange(len(values)) % 2
    return GroupCounts.from_predictions(ones, ones, sensitive_features=ORDERED[container](values, order))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(ordered_values(), st.integers(1, 11))
def test_tables_that_add_up_keep_the_order(problem, cut):
    order, values = problem
    whole = counts_of(values, order)
    parts = [counts_of(part, order) for part in (values[:cut], values[cut:]) if part]
    assert sum(parts).groups == sum(parts[::-1]).groups == whole.groups == expected_order(order, values)
    states = [json.loads(json.dumps(part.to_state())) for part in parts]
    assert sum(map(GroupCounts.from_state, states)).groups == whole.groups
    each = [counts_of([value], order) for value in sorted(order)]  # tables of one group each
    assert sum(each).groups == tuple(order)
    plain = [GroupCounts.from_predictions([1], [1], sensitive_features=[value]) for value in order]
    assert sum(plain).groups == tuple(sorted(order))


def test_tables_of_intersections_add_up_and_reduce_in_order():
    sex = ["f", "m", "f", "m", "f"]
    sizes = ["XL", "M", "S", "XL", "M"]
    frame = pd.DataFrame({"sex": sex, "size": pd.Categorical(sizes, SIZES, ordered=True)})
    y = [1, 0, 1, 0, 1]
    tables = [
        GroupCounts.from_predictions(y[rows], y[rows], sensitive_features=frame[rows])
        for rows in (slice(0, 4), slice(2, 5))
    ]
    total = tables[0] + tables[1]
    assert total.groups == (("f", "S"), ("f", "M"), ("f", "XL"), ("m", "M"), ("m", "XL"))
    assert total.marginal("size").groups == ("S", "M", "XL")
    assert total.marginal("size", "sex").groups == (
        ("S", "f"), ("M", "f"), ("M", "m"), ("XL", "f"), ("XL", "m"),
    )  # fmt: skip
    assert total.marginal("sex").groups == ("f", "m")


def test_orders_are_merged_and_labels_sorted_by_them():
    assert merge_orders((("b", "a"),), (("c", "b"),)) == (("c", "b", "a"),)
    assert merge_orders((("a", "c"),), (("b", "c"),)) == (("a", "b", "c"),)  # what nothing tells is sorted
    assert merge_orders((("a", "b"),), (("b", "a"),)) == (None,)  # contradictions are no order
    assert merge_orders((None, ("x", "y")), ()) == merge_orders((), (None, ("x", "y"))) == (None, ("x", "y"))
    assert order_labels(["a", "z", "b"], (("b", "a"),)) == ["b", "a", "z"]
    assert order_labels([("f", 1), ("m", 2), ("f", 2)], (None, (2, 1))) == [("f", 2), ("f", 1), ("m", 2)]
    assert order_labels(["b", 1, "a"]) == [1, "a", "b"]
    assert order_labels([], (("b", "a"),)) == []


@pytest.mark.parametrize("library", ["pandas series", "polars series", "pyarrow"])
def test_counts_from_a_frame_keep_the_order(library):
    values = ["XL", "S", "M", "S"]
    column = ORDERED[library](values, list(SIZES))
    frames = {
        "pandas series": lambda: pd.DataFrame({"size": column, "y": [1, 0, 1, 0]}),
        "polars series": lambda: pl.DataFrame({"size": column, "y": [1, 0, 1, 0]}).lazy(),
        "pyarrow": lambda: pa.table({"size": column, "y": [1, 0, 1, 0]}),
    }
    counts = GroupCounts.from_frame(frames[library](), y_true="y", y_pred="y", sensitive_features="size")
    assert counts.groups == ("S", "M", "XL")
    assert counts.cells["tp"].tolist() == [0, 1, 1]


def test_histograms_and_metrics_and_audits_keep_the_order():
    values = pd.Series(pd.Categorical(["XL", "S", "M", "S"] * 25, SIZES, ordered=True), name="size")
    y, scores = np.tile([1, 1, 0, 0, 1], 20), np.linspace(0, 1, 100)
    halves = [
        ScoreHistograms.from_scores(y[rows], scores[rows], sensitive_features=values[rows], bins=4)
        for rows in (slice(0, 55), slice(55, 100))
    ]
    assert (halves[0] + halves[1]).groups == ("S", "M", "XL")
    table = group_metrics(y, y, sensitive_features=values)
    assert [line.split()[0] for line in str(table).splitlines()[2:5]] == ["S", "M", "XL"]
    shares = audit_dataset(pd.DataFrame({"size": values, "x": scores}), "size", y, random_state=0).shares
    assert [group for group in shares.frame("pandas")["group"] if group in SIZES] == ["S", "M", "XL"]


def test_an_estimator_keeps_the_order_by_column_and_by_metadata():
    X, y = people(n=600)
    X["size"] = pd.Categorical(
        np.where(X["age"] < 35, "S", np.where(X["age"] < 50, "XL", "M")), SIZES, ordered=True
    )
    by_column = GroupThresholdOptimizer(logistic(), sensitive_features="size", max_difference=0.2).fit(X, y)
    assert by_column.groups_ == ("S", "M", "XL")
    assert list(by_column.thresholds_) == ["S", "M", "XL"]
    # At prediction, other rows and another kind of values.
    few = X.iloc[:5].assign(size=X["size"].iloc[:5].astype(str))
    assert (by_column.predict(few) == by_column.predict(X.iloc[:5])).all()
    inner = GroupThresholdOptimizer(logistic(), max_difference=0.2)
    router = SensitiveRouter(inner, sensitive_features="size").fit(X, y)
    assert router.estimator_.groups_ == ("S", "M", "XL")
    with sklearn.config_context(enable_metadata_routing=True):
        found = cross_validate(
            inner,
            X.drop(columns="size"),
            y,
            params={"sensitive_features": X["size"]},
            cv=2,
            return_estimator=True,
        )
    assert [model.groups_ for model in found["estimator"]] == [("S", "M", "XL")] * 2


def test_columns_that_a_net_compares_separately_keep_their_order():
    frame = pd.DataFrame(
        {"sex": list("fmfm"), "size": pd.Categorical(["XL", "M", "S", "M"], SIZES, ordered=True)}
    )
    of_sex, of_size = _families(encode_groups(sensitive_columns(frame, ["sex", "size"])), "separate")
    assert (of_sex.groups.labels, of_size.groups.labels) == (("f", "m"), ("S", "M", "XL"))
    assert of_size.groups.codes.tolist() == [2, 1, 0, 1]


# --- AgeBands -----------------------------------------------------------------------------------------------

AGES = [17, 25, 39, 60, 59, 24, 101]
BANDS = ["under 25", "25-39", "25-39", "60 and over", "40-59", "under 25", "60 and over"]
LABELS = ("under 25", "25-39", "40-59", "60 and over")
#: What holds ages, and whether they are found by name.
TABLES: dict[str, Callable[[list[Any]], Any]] = {
    "pandas": lambda ages: pd.DataFrame({"x": range(len(ages)), "age": ages}, index=range(9, 9 + len(ages))),
    "pandas, nullable": lambda ages: pd.DataFrame({"x": 0, "age": ages}).convert_dtypes(),
    "pandas, arrow": lambda ages: pd.DataFrame({"x": 0, "age": ages}).convert_dtypes(dtype_backend="pyarrow"),
    "pandas, objects": lambda ages: pd.DataFrame({"x": 0, "age": [Decimal(age) for age in ages]}),
    "polars": lambda ages: pl.DataFrame({"x": range(len(ages)), "age": ages}),
    "pyarrow": lambda ages: pa.table({"x": range(len(ages)), "age": ages}),
    "numpy": lambda ages: np.column_stack([np.zeros(len(ages)), ages]),
    "lists": lambda ages: [[0, age] for age in ages],
    "sparse": lambda ages: sparse.csr_matrix(np.column_stack([np.ones(len(ages)), ages])),
    "dict": lambda ages: {"x": np.zeros(len(ages)), "age": np.array(ages)},
    "pandas values": lambda ages: pd.Series(ages, name="age"),
    "polars values": lambda ages: pl.Series("age", ages),
    "pyarrow values": lambda ages: pa.chunked_array([ages]),
    "numpy values": np.array,
    "list of values": list,
}


@pytest.mark.parametrize("container", TABLES)
def test_bands_of_any_container_are_groups_in_their_order(container):
    X = TABLES[container](AGES)
    position = container in ("numpy", "lists", "sparse")
    bands = AgeBands([25, 40, 60], column=1 if position else "age")
    assert bands.labels == LABELS
    result = bands(X)
    grouping = encode_groups(sensitive_columns(None, None, result))
    assert grouping.labels == LABELS
    assert [grouping.labels[code] for code in grouping.codes] == BANDS
    few = encode_groups(sensitive_columns(None, None, bands(TABLES[container]([70, 3]))))
    assert few.labels == ("under 25", "60 and over")  # a band without rows is no group
    if "values" not in container:
        assert encode_groups(sensitive_columns(X, bands)).labels == LABELS


def test_bands_come_in_the_library_of_the_ages():
    result = AgeBands([25, 40, 60])(TABLES["pandas"](AGES))
    assert isinstance(result.dtype, pd.CategoricalDtype)
    assert result.cat.ordered
    assert (result.name, result.index[0]) == ("age", 9)
    assert AgeBands([25, 40, 60])(TABLES["polars"](AGES)).dtype == pl.Enum(LABELS)
    assert AgeBands([25, 40, 60])(TABLES["pyarrow"](AGES)).to_pylist() == BANDS
    assert AgeBands([25, 40, 60])(np.array(AGES)).tolist() == BANDS


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(0, 90), min_size=1, max_size=4, unique=True).map(sorted),
    st.lists(st.one_of(st.integers(0, 99), st.floats(0, 99)), min_size=1, max_size=20),
)
def test_a_band_holds_its_lower_edge_and_not_its_upper_one(edges, ages):
    bands = AgeBands(edges)
    for age, band in zip(ages, bands(np.array(ages, dtype=float)).tolist(), strict=True):
        assert bands.labels.index(band) == sum(age >= edge for edge in edges)


def test_a_missing_age_stays_missing():
    bands = AgeBands([25, 40])
    for ages in (
        np.array([20, np.nan, 50]),
        pd.Series([20, None, 50], dtype="Int64"),
        pl.Series([20, None, 50]),
        pa.chunked_array([[20, None, 50]]),
        [20, None, 50],
    ):
        with pytest.raises(ValueError, match=r"is missing \(NaN or None\) in 1 of 3 rows"):
            encode_groups(sensitive_columns(None, None, bands(ages)))


def test_how_bands_are_called():
    assert AgeBands([0.5, 1.5]).labels == ("under 0.5", "0.5 to under 1.5", "1.5 and over")
    assert AgeBands([18, 19, 30]).labels == ("under 18", "18", "19-29", "30 and over")
    assert AgeBands([-10, 0]).labels == ("under -10", "-10 to under 0", "0 and over")
    assert AgeBands((65,)).labels == ("under 65", "65 and over")
    assert AgeBands(np.array([25, 40])).labels == ("under 25", "25-39", "40 and over")
    assert repr(AgeBands([25, 40, 60], column="years")) == "AgeBands(column='years', edges=[25, 40, 60])"
    assert "sensitive_features=AgeBands(edges=[25, 40])" in repr(
        GroupThresholdOptimizer(LogisticRegression(), sensitive_features=AgeBands([25, 40]))
    )


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([], "a list of rising numbers"),
        (40, "a list of rising numbers"),
        ("25", "a list of rising numbers"),
        (["25", "40"], "must be numbers"),
        ([True], "must be numbers"),
        ([40, 25], "must be finite and rise"),
        ([25, 25], "must be finite and rise"),
        ([25, np.inf], "must be finite and rise"),
    ],
)
def test_edges_that_make_no_bands_are_refused(edges, message):
    with pytest.raises((TypeError, ValueError), match=message):
        AgeBands(edges)([1, 2])


@pytest.mark.parametrize(
    "ages",
    [["young", "old"], [True, False], pd.Series(pd.to_datetime(["2000-01-01"] * 2)), np.array(["1", "2"])],
)
def test_ages_that_are_no_numbers_are_refused(ages):
    with pytest.raises(ValueError, match=r"AgeBands bins numbers, but the column .* Make it a number first"):
        AgeBands([25, 40])(ages)
    with pytest.raises(ValueError, match="The sensitive column 'age' is not in X"):
        AgeBands([25, 40])(pd.DataFrame({"years": [1]}))


def test_bands_are_cloned_pickled_scored_and_searched_over():
    X, y = people(n=400)
    model = GroupThresholdOptimizer(
        logistic(), sensitive_features=AgeBands([30, 45]), max_difference=0.2, unknown_group="overall"
    )
    copied = pickle.loads(pickle.dumps(clone(model)))
    assert copied.sensitive_features.edges == [30, 45]
    assert copied.sensitive_features is not model.sensitive_features
    assert copied.fit(X, y).groups_ == ("under 30", "30-44", "45 and over")
    scorer = make_fair_scorer("demographic_parity", sensitive_features=AgeBands([30, 45]), pos_label="yes")
    search = GridSearchCV(
        model,
        {"sensitive_features__edges": [[40], [30, 45]]},
        scoring=scorer,
        cv=GroupStratifiedKFold(2, sensitive_features=AgeBands([40])),
        error_score="raise",
    ).fit(X, y)
    assert search.best_estimator_.groups_ in (
        ("under 40", "40 and over"),
        ("under 30", "30-44", "45 and over"),
    )
    assert search.best_estimator_.sensitive_features.edges == search.best_params_["sensitive_features__edges"]


def test_bands_and_columns_make_an_intersection():
    X, y = people(n=600)
    both = ["sex", AgeBands([40])]
    expected = (("F", "under 40"), ("F", "40 and over"), ("M", "under 40"), ("M", "40 and over"))
    sensitive = sensitive_columns(X, both)
    assert sensitive.names == ("sex", "age")
    assert encode_groups(sensitive).labels == expected
    assert list(drop_columns(X, both).columns) == ["age", "skill", "town", "race"]  # an age stays a feature
    assert drop_columns(X, [AgeBands([40])]) is X
    model = clone(GroupThresholdOptimizer(logistic(), sensitive_features=both, max_difference=0.2))
    fitted = pickle.loads(pickle.dumps(model.fit(X, y)))
    assert fitted.groups_ == expected
    assert fitted.predict(X).tolist() == model.predict(X).tolist()
    net = FairClassifier(sensitive_features=both, max_difference=0.4, random_state=0)
    net.fit(X[["age", "skill", "sex"]], (y == "yes").astype(int))
    assert (net.groups_, list(net.feature_names_in_)) == (expected, ["age", "skill"])
    with pytest.raises(ValueError, match="The sensitive column 'race' is not in X"):
        sensitive_columns(X.drop(columns="race"), ["race", AgeBands([40])])
    with pytest.raises(TypeError, match="a name, an index, a list of these"):
        sensitive_columns(X, [1.5, AgeBands([40])])


def test_a_net_takes_bands_and_keeps_their_order():
    X, y = people(n=300)
    net = FairClassifier(sensitive_features=AgeBands([30, 45]), max_difference=0.3, random_state=0).fit(
        X[["age", "skill"]], (y == "yes").astype(int)
    )
    assert net.report_.groups == ("under 30", "30-44", "45 and over")


def test_the_warning_of_measurements_names_bands():
    with pytest.warns(UserWarning, match=r"fairsk\.selectors\.AgeBands\(\[25, 40, 60\], column='age'\)"):
        encode_groups(sensitive_columns(pd.DataFrame({"age": range(50)}), "age"))
