"""Containers: rows count the same whatever holds them; what is missing or out of order is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score

from fairsk import (
    ConstrainedClassifier,
    ConstrainedRegressor,
    FairClassifier,
    FairResampler,
    GroupCalibratedClassifier,
    GroupThresholdOptimizer,
    PredictionRepair,
    Reweigher,
    ReweightedClassifier,
    ScoreRepair,
    SensitiveRouter,
)
from fairsk.audit import audit_dataset
from fairsk.metrics import (
    GroupCounts,
    ScoreHistograms,
    auc_difference,
    demographic_parity_difference,
    disparity,
    generalized_entropy,
    group_metrics,
    one_vs_rest_counts,
    regression_metrics,
)
from fairsk.model_selection import GroupStratifiedKFold
from fairsk.rates import CELLS
from fairsk.repair import ConceptEraser, GaussianRepairer
from fairsk.scoring import GroupScoring, make_fair_scorer, make_group_scorer

few = settings(max_examples=25)

Container = Callable[[list[Any]], Any]

#: Any column of values.
COLUMNS: dict[str, Container] = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "array of objects": lambda rows: np.array(rows, dtype=object),
    "column": lambda rows: np.array(rows, dtype=object).reshape(-1, 1),
    "masked array, nothing masked": np.ma.array,
    "pandas": pd.Series,
    "pandas objects": lambda rows: pd.Series(rows, dtype=object),
    "pandas nullable": lambda rows: pd.Series(rows).convert_dtypes(),
    "pandas Arrow": lambda rows: pd.Series(rows).convert_dtypes(dtype_backend="pyarrow"),
    "pandas category": lambda rows: pd.Series(rows).astype("category"),
    "pandas array": lambda rows: pd.array(rows),
    "pandas frame": lambda rows: pd.DataFrame({"column": rows}),
    "pandas nullable frame": lambda rows: pd.DataFrame({"column": rows}).convert_dtypes(),
    "polars": pl.Series,
    "polars frame": lambda rows: pl.DataFrame({"column": rows}),
    "pyarrow": pa.array,
    "pyarrow chunks": lambda rows: pa.chunked_array([rows[:1], rows[1:]], type=pa.array(rows).type),
    "pyarrow categories": lambda rows: pa.array([*rows, type(rows[0])(7)]).dictionary_encode()[:-1],
    "pyarrow table": lambda rows: pa.table({"column": rows}),
}
#: The same with missing values, which are None in the rows.
WITH_GAPS: dict[str, Container] = {
    "list": list,
    "list with nan": lambda rows: [float("nan") if value is None else value for value in rows],
    "array of objects": lambda rows: np.array(rows, dtype=object),
    "array of objects with NA": lambda rows: np.array(
        [pd.NA if v is None else v for v in rows], dtype=object
    ),
    "column": lambda rows: np.array(rows, dtype=object).reshape(-1, 1),
    "masked array": lambda rows: np.ma.array(
        [next(v for v in rows if v is not None) if value is None else value for value in rows],
        mask=[value is None for value in rows],
    ),
    "pandas": pd.Series,
    "pandas objects": lambda rows: pd.Series(rows, dtype=object),
    "pandas nullable": lambda rows: pd.Series(rows).convert_dtypes(),
    "pandas Arrow": lambda rows: pd.Series(rows).convert_dtypes(dtype_backend="pyarrow"),
    "pandas category": lambda rows: pd.Series(rows).astype("category"),
    "pandas array": lambda rows: pd.Series(rows).convert_dtypes().array,
    "pandas frame": lambda rows: pd.DataFrame({"column": rows}),
    "polars": pl.Series,
    "polars frame": lambda rows: pl.DataFrame({"column": rows}),
    "pyarrow": pa.array,
    "pyarrow chunks": lambda rows: pa.chunked_array([rows[:1], rows[1:]], type=pa.array(rows).type),
    "pyarrow categories": lambda rows: pa.array(rows).dictionary_encode(),
    "pyarrow table": lambda rows: pa.table({"column": rows}),
}
#: How 0 and 1 are called.
LABELS: list[tuple[Any, Any]] = [(0, 1), (False, True), (0.0, 1.0), (-1, 1), ("no", "yes")]

containers, gaps, labels = (
    st.sampled_from(sorted(COLUMNS)),
    st.sampled_from(sorted(WITH_GAPS)),
    st.sampled_from(LABELS),
)
people = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 1), st.integers(1, 3)),
    min_size=1,
    max_size=12,
)


def called(values: list[int], names: tuple[Any, Any]) -> list[Any]:
    return [names[value] for value in values]


def cells_by_hand(
    y: list[int], p: list[int], groups: list[int], weights: list[int]
) -> dict[str, list[float]]:
    names = {(1, 1): "tp", (0, 1): "fp", (1, 0): "fn", (0, 0): "tn"}
    present = sorted(set(groups))
    table = {cell: [0.0] * len(present) for cell in CELLS}
    for actual, predicted, group, weight in zip(y, p, groups, weights, strict=True):
        table[names[actual, predicted]][present.index(group)] += weight
    return table


# --- the same number ----------------------------------------------------------------------------------


@few
@given(people, labels, st.sampled_from([(0, 1), ("a", "b"), (True, False)]), st.tuples(*[containers] * 3))
def test_counts_are_the_same_in_any_container(rows: Any, names: Any, groups: Any, kinds: Any) -> None:
    y, p, g, w = map(list, zip(*rows, strict=True))
    counts = GroupCounts.from_predictions(
        COLUMNS[kinds[0]](called(y, names)),
        COLUMNS[kinds[1]](called(p, names)),
        sensitive_features=COLUMNS[kinds[2]](called(g, groups)),
        sample_weight=pd.Series(w, dtype="Int64"),
        pos_label=names[1] if {*y, *p} & {1} else names[0],
    )
    if not {*y, *p} & {1}:
        y, p = [1] * len(y), [1] * len(p)
    order = sorted(set(g), key=lambda code: sorted(groups).index(groups[code]))
    expected = cells_by_hand(y, p, [order.index(code) for code in g], w)
    assert {cell: counts.cells[cell].tolist() for cell in CELLS} == expected
    assert counts.groups == tuple(groups[code] for code in order)


def accuracy(y_true: Any, y_pred: Any) -> float:
    """Compare as NumPy does, which pairs a row with a column."""
    return float(np.mean(y_true == y_pred))


@few
@given(people, labels, st.tuples(containers, containers))
def test_a_function_is_called_with_one_value_per_row(rows: Any, names: Any, kinds: Any) -> None:
    y, p, g, _ = map(list, zip(*rows, strict=True))
    table = group_metrics(
        COLUMNS[kinds[0]](called(y, names)),
        COLUMNS[kinds[1]](called(p, names)),
        metrics={"accuracy": accuracy},
        sensitive_features=g,
        confidence=None,
    )
    rows_of = [[i for i in range(len(g)) if g[i] == group] for group in sorted(set(g))]
    assert table.values["accuracy"].tolist() == [
        sum(y[i] == p[i] for i in members) / len(members) for members in rows_of
    ]


@pytest.mark.filterwarnings("ignore:Fewer than two groups")
@few
@given(people, labels, containers)
def test_classes_and_amounts_are_the_same_in_any_container(rows: Any, names: Any, kind: str) -> None:
    y, p, g, _ = map(list, zip(*rows, strict=True))
    make = COLUMNS[kind]
    counts = one_vs_rest_counts(make(called(y, names)), make(called(p, names)), sensitive_features=make(g))
    position = list(counts.strata or ()).index(names[max(y)])
    assert counts.cells["tp"][:, position].sum() == sum(a == b == max(y) for a, b in zip(y, p, strict=True))
    amounts = regression_metrics(
        make([value + 0.5 for value in y]), make([float(v) for v in p]), sensitive_features=g
    )
    assert amounts.overall["mae"] == pytest.approx(
        np.mean([abs(a + 0.5 - b) for a, b in zip(y, p, strict=True)])
    )


@few
@given(labels, containers, containers)
def test_folds_are_the_same_in_any_container(names: Any, kind: str, of_groups: str) -> None:
    y, g = [0, 1] * 12, [0, 0, 0, 1] * 6
    folds = GroupStratifiedKFold(3).split(
        np.zeros((24, 1)), COLUMNS[kind](called(y, names)), COLUMNS[of_groups](g)
    )
    for (
        _,
        test,
    ) in folds:  # 3 rows of group 0 and label 1, and so on, in each of 3 folds: all cells divide evenly
        cells = [(y[i], g[i]) for i in test]
        assert sorted(cells) == [(0, 0)] * 4 + [(1, 0)] * 2 + [(1, 1)] * 2


@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
@pytest.mark.filterwarnings("ignore:All .* directions of the features")  # of few features
@few
@given(labels, containers, containers)
def test_erasers_learn_the_same_from_any_container(names: Any, kind: str, of_groups: str) -> None:
    y, g = [0, 1, 1, 0, 1, 1, 1, 0], [0, 0, 0, 0, 1, 1, 1, 1]
    eraser = ConceptEraser(within_label=True).fit(
        np.arange(8.0).reshape(-1, 1), COLUMNS[kind](called(y, names)), COLUMNS[of_groups](g)
    )
    # Group 0 has the rows 0, 3 of the first label and 1, 2 of the second, and so on, by hand.
    assert eraser.moments_.weights.tolist() == [[2, 2], [1, 3]]
    assert eraser.moments_.sums[:, :, 0].tolist() == [[3 - 2 * 3.5, 3 - 2 * 3.5], [7 - 3.5, 15 - 3 * 3.5]]


@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
@few
@given(labels, containers, containers)
def test_models_learn_the_same_from_any_container(names: Any, kind: str, of_groups: str) -> None:
    y, g = [0, 1, 1, 0, 1, 1, 1, 0], [0, 0, 0, 0, 1, 1, 1, 1]
    X = np.zeros((8, 1))
    reweigher = Reweigher().fit(X, COLUMNS[kind](called(y, names)), sensitive_features=COLUMNS[of_groups](g))
    # P(s) P(y) / P(s, y), by hand: group 0 has two of each label, group 1 one negative and three positives.
    assert reweigher.weights_.tolist() == [[0.75, 1.25], [1.5, 5 / 6]]
    assert reweigher.classes_.tolist() == sorted(names)


# --- missing ------------------------------------------------------------------------------------------

FOUR = {"sensitive_features": ["a", "a", "b", "b"]}
READERS: dict[str, Callable[[Any], Any]] = {
    "counts, y_true": lambda y: GroupCounts.from_predictions(y, [1, 0, 1, 0], **FOUR),
    "counts, y_pred": lambda y: GroupCounts.from_predictions([1, 0, 1, 0], y, **FOUR),
    "disparity": lambda y: disparity(y, y, constraint="equalized_odds", **FOUR),
    "classes": lambda y: one_vs_rest_counts(y, y, **FOUR),
    "function, y_true": lambda y: group_metrics(y, [1, 0, 1, 0], metrics={"a": accuracy}, **FOUR),
    "function, y_pred": lambda y: group_metrics([1, 0, 1, 0], y, metrics={"a": accuracy}, **FOUR),
    "auc": lambda y: auc_difference(y, [0.1, 0.2, 0.3, 0.4], **FOUR),
    "histograms": lambda y: ScoreHistograms.from_scores(y, [0.1, 0.2, 0.3, 0.4], **FOUR),
    "entropy": lambda y: generalized_entropy(y, [1, 0, 1, 0]),
    "splitter": lambda y: GroupStratifiedKFold(2).split(np.zeros((4, 1)), y, FOUR["sensitive_features"]),
    "weights": lambda y: Reweigher().fit(np.zeros((4, 1)), y, **FOUR),
    "weights of rows": lambda y: (
        Reweigher().fit(np.zeros((4, 1)), [1, 0, 1, 0], **FOUR).sample_weight(y, **FOUR)
    ),
    "resampler": lambda y: FairResampler().fit_resample(np.zeros((4, 1)), y, **FOUR),
    "thresholds": lambda y: GroupThresholdOptimizer(LogisticRegression()).fit(np.zeros((4, 1)), y, **FOUR),
    "constrained": lambda y: ConstrainedClassifier(LogisticRegression()).fit(np.zeros((4, 1)), y, **FOUR),
    "net": lambda y: FairClassifier(max_epochs=1).fit(np.zeros((4, 1)), y, **FOUR),
}


@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
@pytest.mark.parametrize("reader", READERS)
@few
@given(gaps, st.sampled_from([(0, 1), ("no", "yes"), (False, True)]), st.integers(0, 3))
def test_a_missing_label_is_an_error_in_words(reader: str, kind: str, names: Any, place: int) -> None:
    rows: list[Any] = called([1, 0, 1, 0], names)
    rows[place] = None
    with pytest.raises(ValueError, match="missing labels"):
        READERS[reader](WITH_GAPS[kind](rows))


NUMBERS: dict[str, Callable[[Any], Any]] = {
    "counts, weights": lambda w: GroupCounts.from_predictions(
        [1, 0, 1, 0], [1, 0, 1, 0], sample_weight=w, **FOUR
    ),
    "auc, weights": lambda w: auc_difference([1, 0, 1, 0], [0.1, 0.2, 0.3, 0.4], sample_weight=w, **FOUR),
    "auc, scores": lambda s: auc_difference([1, 0, 1, 0], s, **FOUR),
    "probabilities": lambda s: GroupCounts.from_probabilities([1, 0, 1, 0], s, **FOUR),
    "histograms, scores": lambda s: ScoreHistograms.from_scores([1, 0, 1, 0], s, **FOUR),
    "amounts": lambda y: regression_metrics(y, [1, 0, 1, 0], **FOUR),
    "predicted amounts": lambda y: regression_metrics([1, 0, 1, 0], y, **FOUR),
    "benefits": lambda b: generalized_entropy(benefits=b),
    "fit, weights": lambda w: Reweigher().fit(np.zeros((4, 1)), [1, 0, 1, 0], sample_weight=w, **FOUR),
}


@pytest.mark.parametrize("reader", NUMBERS)
@few
@given(gaps, st.integers(0, 3))
def test_a_missing_number_is_an_error(reader: str, kind: str, place: int) -> None:
    rows: list[Any] = [0.5, 1.0, 0.25, 0.75]
    rows[place] = None
    with pytest.raises(ValueError, match="must "):
        NUMBERS[reader](WITH_GAPS[kind](rows))


@few
@given(gaps, st.sampled_from([(0, 1), ("a", "b"), (False, True)]), st.integers(0, 3))
def test_a_missing_group_is_an_error_that_counts_it(kind: str, names: Any, place: int) -> None:
    rows: list[Any] = called([1, 0, 1, 0], names)
    rows[place] = None
    groups = WITH_GAPS[kind](rows)
    for read in (
        lambda: demographic_parity_difference([1, 0, 1, 0], [1, 0, 1, 0], sensitive_features=groups),
        lambda: GroupStratifiedKFold(2).split(np.zeros((4, 1)), [1, 0, 1, 0], groups),
        lambda: Reweigher().fit(np.zeros((4, 1)), [1, 0, 1, 0], sensitive_features=groups),
    ):
        with pytest.raises(ValueError, match=r"is missing \(NaN or None\) in 1 of 4 rows"):
            read()


# --- index orders -------------------------------------------------------------------------------------

N = 24
INDEXES: dict[str, Callable[[], pd.Index]] = {
    "numbers": lambda: pd.Index(range(100, 100 + N)),
    "range": lambda: pd.RangeIndex(N),
    "text": lambda: pd.Index([f"row {i}" for i in range(N)]),
    "mixed": lambda: pd.Index([*range(N - 2), "A17", None], dtype=object),
    "repeated": lambda: pd.Index([i // 2 for i in range(N)]),
    "dates": lambda: pd.date_range("2020-01-01", periods=N),
    "pairs": lambda: pd.MultiIndex.from_product([range(N // 2), ["x", "y"]]),
    "categories": lambda: pd.CategoricalIndex([f"row {i}" for i in range(N)]),
}
orders = st.permutations(range(N)).filter(lambda order: [i // 2 for i in order] != [i // 2 for i in range(N)])
Y, GROUP, SCORE = np.arange(N) % 2, np.arange(N) // 2 % 2, np.linspace(0.1, 0.9, N)
X = pd.DataFrame({"x": SCORE, "group": GROUP})


class Fitted(LogisticRegression):
    """A classifier that decides by the first column."""

    def __init__(self) -> None:
        super().__init__()
        self.fit(np.c_[SCORE, GROUP], Y)

    def predict(self, X: Any) -> Any:
        return (np.asarray(X)[:, 0] > 0.5).astype(int)


def _meet(cls: Any, **options: Any) -> Callable[..., Any]:
    def fit(X: Any, y: Any, sensitive_features: Any, sample_weight: Any) -> Any:
        return cls(**options).fit(X, y, sensitive_features=sensitive_features, sample_weight=sample_weight)

    return fit


#: What takes several arguments with a value per row, and these arguments.
ENTRANCES: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "counts": (
        GroupCounts.from_predictions,
        {"y_true": Y, "y_pred": 1 - Y, "sensitive_features": GROUP, "sample_weight": SCORE, "strata": GROUP},
    ),
    "scores": (
        auc_difference,
        {"y_true": Y, "y_score": SCORE, "sensitive_features": GROUP, "sample_weight": SCORE},
    ),
    "histograms": (
        ScoreHistograms.from_scores,
        {"y_true": Y, "y_score": SCORE, "sensitive_features": GROUP, "sample_weight": SCORE},
    ),
    "probabilities": (
        GroupCounts.from_probabilities,
        {"y_true": Y, "y_prob": SCORE, "sensitive_features": GROUP, "sample_weight": SCORE},
    ),
    "classes": (one_vs_rest_counts, {"y_true": Y, "y_pred": 1 - Y, "sensitive_features": GROUP}),
    "amounts": (regression_metrics, {"y_true": SCORE, "y_pred": SCORE, "sensitive_features": GROUP}),
    "functions": (
        lambda own, **rows: group_metrics(
            **rows,
            metrics={"accuracy": accuracy_score},
            confidence=None,
            metric_params={"accuracy": {"sample_weight": own}},
        ),
        {"y_true": Y, "y_pred": 1 - Y, "sensitive_features": GROUP, "own": SCORE},
    ),
    "splitter": (GroupStratifiedKFold(2).split, {"X": X, "y": Y, "groups": GROUP}),
    "weights of rows": (
        lambda **rows: Reweigher().fit(X, Y, sensitive_features=GROUP).sample_weight(**rows),
        {"y": Y, "sensitive_features": GROUP, "sample_weight": SCORE},
    ),
    "scorer": (
        lambda X, **rows: make_fair_scorer("demographic_parity")(Fitted(), X, **rows),
        {"X": X, "y_true": Y, "sensitive_features": GROUP, "sample_weight": SCORE},
    ),
    "group scorer": (
        lambda X, **rows: make_group_scorer("accuracy")(Fitted(), X, **rows),
        {"X": X, "y_true": Y, "sensitive_features": GROUP, "sample_weight": SCORE},
    ),
    "score": (
        lambda X, y, **rows: (
            ReweightedClassifier(LogisticRegression())
            .fit(X.reset_index(drop=True) if isinstance(X, pd.DataFrame) else X, Y, sensitive_features=GROUP)
            .score(X, y, **rows)
        ),
        {"X": X, "y": Y, "sensitive_features": GROUP, "sample_weight": SCORE},
    ),
    "predict": (
        lambda X, sensitive_features: (
            ScoreRepair(LogisticRegression())
            .fit(X.reset_index(drop=True) if isinstance(X, pd.DataFrame) else X, Y, sensitive_features=GROUP)
            .predict(X, sensitive_features=sensitive_features)
        ),
        {"X": X, "sensitive_features": GROUP},
    ),
    "several scores": (
        lambda X, **rows: GroupScoring({"dp": "demographic_parity"}, groups=(0, 1))(Fitted(), X, **rows),
        {"X": X, "y_true": Y, "sensitive_features": GROUP, "sample_weight": SCORE},
    ),
    "resampler": (
        lambda **rows: FairResampler(random_state=0).fit_resample(**rows),
        {"X": X, "y": Y, "sensitive_features": GROUP},
    ),
    "audit": (
        lambda frame, y, sensitive_features: audit_dataset(
            frame, sensitive_features, y=y, cv=2, random_state=0
        ),
        {"frame": X[["x"]].assign(z=SCORE**2), "y": Y, "sensitive_features": GROUP},
    ),
    "eraser": (
        lambda **rows: _meet(ConceptEraser, within_label=True)(**rows),
        {"X": X, "y": Y, "sensitive_features": GROUP, "sample_weight": SCORE},
    ),
    "repairer, later": (
        lambda X, sensitive_features: (
            GaussianRepairer()
            .fit(X.reset_index(drop=True) if isinstance(X, pd.DataFrame) else X, sensitive_features=GROUP)
            .transform(X, sensitive_features=sensitive_features)
        ),
        {"X": X, "sensitive_features": GROUP},
    ),
    "reweigher": (
        lambda **rows: _meet(Reweigher)(**rows),
        {"X": X, "y": Y, "sensitive_features": GROUP, "sample_weight": SCORE},
    ),
}
FITS = {"X": X, "y": Y, "sensitive_features": GROUP, "sample_weight": SCORE}
WITHIN = {**FITS, "strata": Y}


def _fit_within(**rows: Any) -> Any:
    return GroupThresholdOptimizer(LogisticRegression()).fit(**rows)


MODELS: dict[str, Callable[..., Any]] = {
    "reweighted": _meet(ReweightedClassifier, estimator=LogisticRegression()),
    "thresholds": _meet(GroupThresholdOptimizer, estimator=LogisticRegression()),
    "constrained": _meet(ConstrainedClassifier, estimator=LogisticRegression()),
    "amounts": _meet(ConstrainedRegressor, estimator=LinearRegression(), max_difference=1.0),
    "repair": _meet(ScoreRepair, estimator=LogisticRegression()),
    "repair of amounts": _meet(PredictionRepair, estimator=LinearRegression()),
    "bound on amounts": _meet(ConstrainedRegressor, estimator=LinearRegression(), max_difference=1.0),
    "calibrated": _meet(GroupCalibratedClassifier, estimator=LogisticRegression()),
    "net": _meet(FairClassifier, max_epochs=1),
    "router": _meet(SensitiveRouter, estimator=FairClassifier(max_epochs=1)),
}


def indexed(values: Any, index: pd.Index) -> Any:
    return values.set_axis(index) if isinstance(values, pd.DataFrame) else pd.Series(values, index=index)


def in_order(values: Any, index: pd.Index, order: list[int]) -> Any:
    return indexed(values, index).iloc[order]


@pytest.mark.parametrize("entrance", [*ENTRANCES, *MODELS, "within strata"])
@settings(max_examples=8)
@given(st.sampled_from(sorted(INDEXES)), orders, st.data())
def test_rows_in_another_order_are_refused(entrance: str, index: str, order: list[int], data: Any) -> None:
    call, rows = ENTRANCES.get(entrance) or (MODELS.get(entrance, _fit_within), FITS)
    rows = rows if entrance != "within strata" else WITHIN
    first, second = data.draw(st.permutations(sorted(rows)))[:2]
    labels = INDEXES[index]()
    others = {name: np.asarray(values) for name, values in rows.items() if name not in (first, second)}
    shuffled = {first: indexed(rows[first], labels), second: in_order(rows[second], labels, order)}
    with pytest.raises(ValueError, match="in another order, but values are matched to rows by position"):
        call(**others, **shuffled)


@pytest.mark.filterwarnings("ignore:All .* directions of the features")  # of few features
@pytest.mark.parametrize("entrance", ENTRANCES)
@settings(max_examples=5)
@given(st.sampled_from(sorted(INDEXES)), st.sampled_from(sorted(INDEXES)), st.data())
def test_rows_with_the_same_or_with_other_indexes_are_matched_by_position(
    entrance: str, one: str, other: str, data: Any
) -> None:
    call, rows = ENTRANCES[entrance]
    marked = data.draw(st.sampled_from(sorted(rows)))
    call(
        **{
            name: indexed(values, INDEXES[one if name == marked else other]())
            for name, values in rows.items()
        }
    )


@few
@given(people, st.sampled_from(sorted(INDEXES)), st.sampled_from(sorted(INDEXES)))
def test_an_index_changes_no_number(rows: Any, one: str, other: str) -> None:
    y, p, g, w = map(list, zip(*rows, strict=True))
    index = [INDEXES[name]()[: len(y)] for name in (one, other)]
    counts = GroupCounts.from_predictions(
        pd.Series(y, index=index[0]),
        pd.Series(p, index=index[0]),
        sensitive_features=pd.Series(g, index=index[1]),
        sample_weight=pd.Series(w, index=index[1]),
        pos_label=1 if {*y, *p} & {1} else None,
    )
    assert {cell: counts.cells[cell].tolist() for cell in CELLS} == cells_by_hand(y, p, g, w)


def test_what_a_callable_returns_is_in_the_order_of_the_rows() -> None:
    with pytest.raises(ValueError, match="sensitive_features has the index of X in another order"):
        Reweigher(sensitive_features=lambda X: X["group"].sort_values()).fit(X, Y)


def test_labels_of_an_index_that_cannot_be_hashed_are_not_compared() -> None:
    labels = pd.Index([[i] for i in range(N)], dtype=object)
    assert GroupCounts.from_predictions(
        pd.Series(Y, index=labels), pd.Series(Y, index=labels[::-1]), sensitive_features=GROUP
    ).n.tolist() == [N / 2, N / 2]


# --- labels of another kind ---------------------------------------------------------------------------


@few
@given(containers, containers)
def test_numbers_and_texts_are_not_compared(kind: str, other: str) -> None:
    numbers, texts = COLUMNS[kind]([1, 0, 1, 0]), COLUMNS[other](["1", "0", "1", "0"])
    for y, p in ((numbers, texts), (texts, numbers)):
        for measure in (
            lambda y=y, p=p: demographic_parity_difference(y, p, **FOUR),
            lambda y=y, p=p: one_vs_rest_counts(y, p, **FOUR),
            lambda y=y, p=p: group_metrics(y, p, metrics={"accuracy": accuracy}, **FOUR),
        ):
            with pytest.raises(ValueError, match="different kinds of labels"):
                measure()


def test_labels_of_two_kinds_are_refused_in_fit() -> None:
    with pytest.raises(ValueError, match="labels of different kinds, text and others: 'yes', 0"):
        Reweigher().fit(np.zeros((4, 1)), np.array([0, "yes", 0, "yes"], dtype=object), **FOUR)
    with pytest.raises(ValueError, match=r"no labels \(unhashable\)"):
        Reweigher().fit(np.zeros((4, 1)), np.array([[0], {}, 0, 1], dtype=object), **FOUR)
