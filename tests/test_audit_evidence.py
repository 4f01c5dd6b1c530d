"""The tables that a report is made of: counted as by hand, the same from any source, safe to publish."""

from __future__ import annotations

import datetime
import json
import statistics
from collections import Counter, defaultdict
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairsk._core.equal_bins import EqualBins
from fairsk._core.moments import ScoreMoments
from fairsk.audit._evidence import UNKNOWN, Evidence, merge_small_groups
from fairsk.audit._median import median_of
from fairsk.audit._small_groups import SMALL, MergedGroups
from fairsk.metrics import GroupAmounts, GroupCounts, ScoreHistograms, ScoreMetrics
from fairsk.thresholds import thresholds_from_histograms

Row = dict[str, Any]

# --- counting by hand -----------------------------------------------------------------------------------

CELL = {(1, 1): "tp", (0, 1): "fp", (1, 0): "fn", (0, 0): "tn"}


def is_absent(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or value != value


def label(row: Row, names: list[str]) -> Any:
    parts = tuple(UNKNOWN if is_absent(row[name]) else row[name] for name in names)
    return parts if len(parts) > 1 else parts[0]


def expected_cells(rows: list[Row], names: list[str], decision: str, stratum: str | None = None) -> Any:
    """Sums of weights by group (and stratum) and cell."""
    sums: Counter[Any] = Counter()
    for row in rows:
        key = (label(row, names), *(() if stratum is None else (label(row, [stratum]),)))
        sums[(*key, CELL[row["y"], row[decision]])] += row["w"]
    return {key: n for key, n in sums.items() if n}


def found_cells(counts: GroupCounts) -> Any:
    found = {}
    for cell, table in counts.cells.items():
        for i, group in enumerate(counts.groups):
            if counts.strata is None:
                found[group, cell] = table[i]
            else:
                found |= {(group, stratum, cell): table[i, j] for j, stratum in enumerate(counts.strata)}
    return {key: n for key, n in found.items() if n}


def check_by_hand(evidence: Evidence, rows: list[Row], names: list[str], bins: int = 8) -> None:
    assert list(evidence.counts.groups) == sorted({label(row, names) for row in rows}, key=str)
    assert found_cells(evidence.counts) == expected_cells(rows, names, "p", "site")
    scores = [row["s"] for row in rows for _ in range(row["w"])]
    assert evidence.median == statistics.median(scores)
    over = [row | {"above": int(row["s"] > statistics.median(scores))} for row in rows]
    assert evidence.above_median is not None
    assert found_cells(evidence.above_median) == expected_cells(over, names, "above")
    histograms, moments = evidence.histograms, evidence.moments
    assert histograms is not None
    assert moments is not None
    in_bins: Counter[Any] = Counter()
    sums: dict[Any, list[float]] = defaultdict(lambda: [0.0] * 5)
    for row in rows:
        group, y, s, w = label(row, names), row["y"], row["s"], row["w"]
        in_bins[group, y, min(int(s * bins), bins - 1)] += w
        for i, value in enumerate((w, w * w, w * s, w * s * s, w * (s - y) ** 2)):
            sums[group][i] += value
    for i, group in enumerate(histograms.groups):
        for y, table in ((1, histograms.positives), (0, histograms.negatives)):
            assert table[i].tolist() == [in_bins[group, y, j] for j in range(bins)]
        # Scores are multiples of 1/64, so that no sum is rounded.
        names_of_sums = ("weights", "squared_weights", "scores", "squared_scores", "squared_errors")
        assert [float(getattr(moments, name)[i]) for name in names_of_sums] == sums[group]


people = st.fixed_dictionaries(
    {
        "sex": st.sampled_from(["f", "m", None, UNKNOWN]),
        "race": st.sampled_from(["a", "b", "c", None]),
        "site": st.sampled_from(["x", "y", None]),
        "y": st.integers(0, 1),
        "p": st.integers(0, 1),
        "s": st.integers(0, 64).map(lambda k: k / 64),
        "w": st.integers(0, 3),
    }
)
some_people = st.lists(people, min_size=1, max_size=25).filter(lambda rows: any(row["w"] for row in rows))


def duckdb_of(frame: pd.DataFrame) -> Any:
    return pytest.importorskip("duckdb").from_arrow(pa.Table.from_pandas(frame))


FRAMES: dict[str, Any] = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "lazy": lambda frame: pl.from_pandas(frame).lazy(),
    "pyarrow": lambda frame: pa.Table.from_pandas(frame),
    "duckdb": duckdb_of,
}
NAMES: dict[str, Any] = {"y_true": "y", "y_pred": "p", "y_score": "s", "sample_weight": "w"}


def count_frame(frame: Any, **changes: Any) -> Evidence:
    chosen = NAMES | {"sensitive_features": ["sex", "race"], "strata": "site", "bins": 8} | changes
    return Evidence.from_frame(frame, **chosen)


def count_rows(frame: pd.DataFrame, **changes: Any) -> Evidence:
    chosen = NAMES | {"sensitive_features": ["sex", "race"], "strata": "site", "bins": 8} | changes
    return Evidence.from_rows(
        **{name: frame[key] if isinstance(key, str | list) else key for name, key in chosen.items()}
    )


@settings(max_examples=12, deadline=None)
@given(some_people)
def test_all_sources_count_as_by_hand(rows: list[Row]) -> None:
    frame = pd.DataFrame(rows)
    evidence = count_rows(frame)
    check_by_hand(evidence, rows, ["sex", "race"])
    assert evidence.contradictions() == []
    for load in FRAMES.values():
        assert count_frame(load(frame)) == evidence
    for name in ("sex", "race"):
        margin = evidence.by(name)
        check_by_hand(margin, rows, [name])
        assert margin == count_rows(frame, sensitive_features=name)
    assert evidence.by("race", "sex") == count_rows(frame, sensitive_features=["race", "sex"])
    unknown = {
        name: sum(row["w"] for row in rows if row[name] in (None, UNKNOWN)) for name in ("sex", "race")
    }
    assert dict(evidence.n_unknown) == unknown
    known = [row for row in rows if row["sex"] in ("f", "m") and row["race"] is not None]
    assert found_cells(evidence.known().counts) == expected_cells(known, ["sex", "race"], "p", "site")


@settings(max_examples=15, deadline=None)
@given(some_people, some_people)
def test_evidence_of_parts_adds_up(first: list[Row], second: list[Row]) -> None:
    parts = [count_rows(pd.DataFrame(rows)) for rows in (first, second)]
    whole, total = count_rows(pd.DataFrame(first + second)), sum(parts)
    assert total.counts == whole.counts
    assert total.histograms == whole.histograms
    assert total.moments == whole.moments
    if parts[0].median == parts[1].median:
        assert total == whole
    else:
        assert total.median is total.above_median is None
    assert Evidence.from_state(json.loads(json.dumps(total.to_state(), allow_nan=False))) == total


@settings(max_examples=15, deadline=None)
@given(some_people)
def test_states_restore_all_and_differences_are_told(rows: list[Row]) -> None:
    evidence = count_rows(pd.DataFrame(rows))
    assert Evidence.from_state(json.loads(json.dumps(evidence.to_state(), allow_nan=False))) == evidence
    assert evidence != count_rows(pd.DataFrame([*rows, rows[0] | {"w": 1}]))
    assert evidence != evidence.counts


def test_plain_arrays_and_lists_are_rows() -> None:
    evidence = Evidence.from_rows([1, 0, 1], [1, 1, 0], sensitive_features=["b", "a", None])
    assert evidence.counts.groups == (UNKNOWN, "a", "b")
    assert evidence.counts.names == ("sensitive_features",)
    assert evidence.histograms is evidence.moments is evidence.above_median is evidence.median is None
    table = np.array([["f", "x"], ["f", None], ["m", "x"]], dtype=object)
    several = Evidence.from_rows([1, 0, 1], [1, 1, 0], sensitive_features=table)
    assert several.counts.groups == (("f", UNKNOWN), ("f", "x"), ("m", "x"))
    assert several.by("sensitive_features[0]").counts.groups == ("f", "m")


# --- groups that are missing, and values that JSON does not know ----------------------------------------


@pytest.mark.parametrize(
    ("values", "groups"),
    [
        (["a", None, float("nan"), "a"], (UNKNOWN, "a")),
        (pd.Series(["a", pd.NA, UNKNOWN, "a"], dtype="string"), (UNKNOWN, "a")),
        (np.array([1.0, np.nan, np.nan, 2.0]), (1, 2, UNKNOWN)),
        (np.array([1.5, np.nan, np.nan, 2.0]), (1.5, 2.0, UNKNOWN)),
        (np.array([1.0, 3.0, 3.0, 2.0]), (1.0, 2.0, 3.0)),
        (pd.Series([True, None, None, False], dtype="boolean"), (False, True, UNKNOWN)),
        (np.ma.MaskedArray([1, 2, 3, 1], mask=[0, 1, 1, 0]), (1, UNKNOWN)),
        (pl.Series(["a", None, None, "b"]), (UNKNOWN, "a", "b")),
        (pa.array(["a", None, None, "b"]), (UNKNOWN, "a", "b")),
        (
            [datetime.date(2024, 1, 2), None, None, datetime.date(2024, 1, 1)],
            (UNKNOWN, "2024-01-01", "2024-01-02"),
        ),
        (
            pd.cut(pd.Series([20, 70, np.nan, 30]), [0, 25, 50, 100]),
            ("(0, 25]", "(25, 50]", "(50, 100]", UNKNOWN),
        ),
        (pd.Categorical(["hi", None, "lo", "hi"], ["lo", "mid", "hi"], ordered=True), ("lo", "hi", UNKNOWN)),
        (
            pd.Categorical(["hi", None, "lo", "hi"], ["hi", UNKNOWN, "lo"], ordered=True),
            ("hi", UNKNOWN, "lo"),
        ),
        (["a\ud800", "a\ud801", "b", "b"], ("a\\ud800", "a\\ud801", "b")),
        ([float("inf"), 1.0, 1.0, 1.0], (1.0, "inf")),
        ([None] * 4, (UNKNOWN,)),
    ],
    ids=str,
)
def test_missing_values_of_any_kind_are_unknown(values: Any, groups: tuple[Any, ...]) -> None:
    evidence = Evidence.from_rows([1, 0, 1, 0], [1, 1, 0, 0], sensitive_features=values)
    assert evidence.counts.groups == groups
    assert list(map(type, evidence.counts.groups)) == list(map(type, groups))
    assert evidence.counts.n.sum() == 4
    state = json.dumps(evidence.to_state(), allow_nan=False)
    state.encode()
    assert Evidence.from_state(json.loads(state)) == evidence
    assert evidence.by(*evidence.counts.names) == evidence


def test_numbers_with_gaps_are_the_same_groups_in_every_engine() -> None:
    frame = pd.DataFrame(
        {"sex": [1, None, 2, 2], "race": ["a", "b", None, "b"], "y": [0, 1, 1, 0], "p": [1, 1, 0, 0]}
    )
    whole = pl.DataFrame(
        {"sex": [1, None, 2, 2], "race": ["a", "b", None, "b"], "y": [0, 1, 1, 0], "p": [1, 1, 0, 0]}
    )
    plain = {"y_score": None, "sample_weight": None, "strata": None}
    frames = [frame, whole, duckdb_of(frame), whole.to_arrow()]
    found = [count_frame(data, **plain) for data in frames]
    assert {evidence.counts.groups for evidence in found} == {
        ((1, "a"), (2, UNKNOWN), (2, "b"), (UNKNOWN, "b"))
    }
    assert all(type(group[0]) is not float for evidence in found for group in evidence.counts.groups)


def test_order_of_categories_stays_in_margins_and_states() -> None:
    frame = pd.DataFrame(
        {"age": pd.Categorical(["old", "young", None, "young"], ["young", "old"], ordered=True)}
    )
    frame = frame.assign(sex=list("fmfm"), y=[0, 1, 1, 0], p=[1, 1, 0, 0])
    plain = {"y_score": None, "sample_weight": None, "strata": None, "sensitive_features": ["sex", "age"]}
    ages = pl.Series("age", ["old", "young", None, "young"], pl.Enum(["young", "old"]))
    for evidence in (
        count_rows(
            frame,
            y_score=frame["y"],
            sample_weight=frame["y"],
            strata=frame["sex"],
            sensitive_features=["sex", "age"],
        ),
        # pandas 2 forgets the order of categories when it groups rows of which some have none.
        *([count_frame(frame, **plain)] if pd.__version__ >= "3" else []),
        count_frame(pl.from_pandas(frame.astype({"age": str})).lazy().with_columns(ages), **plain),
    ):
        restored = Evidence.from_state(evidence.to_state())
        assert restored.by("age").counts.groups == ("young", "old", UNKNOWN)
        assert restored.by("age").known().counts.groups == ("young", "old")


def test_measurements_are_no_groups_even_with_gaps() -> None:
    values = np.append(np.linspace(0, 1, 20), np.nan)
    with pytest.raises(ValueError, match="'sensitive_features' looks continuous: it has 20 distinct"):
        Evidence.from_rows([1] * 21, [1] * 21, sensitive_features=values)
    with pytest.warns(UserWarning, match="40 distinct numbers") as caught:
        Evidence.from_rows([1] * 41, [1] * 41, sensitive_features=[*range(40), None])
    assert len(caught) == 1
    frame = pl.DataFrame({"a": [*range(40), None], "s": np.linspace(0, 1, 41), "y": [1] * 41})
    with pytest.warns(UserWarning, match="40 distinct numbers") as caught:
        Evidence.from_frame(frame, y_true="y", y_score="s", sensitive_features="a")
    assert len(caught) == 1
    with pytest.raises(TypeError, match="'sensitive_features' holds values that cannot name a group"):
        Evidence.from_rows([1, 0], [1, 0], sensitive_features=pd.Series([[1], [2]]))


# --- what cannot be counted -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"p": [1, None, 0, 1]}, r"y_pred has missing labels \(NaN or None\) in 1 of 4 rows: drop those"),
        ({"y": [None, None, 0, 1]}, r"y_true has missing labels \(NaN or None\) in 2 of 4 rows: drop those"),
        ({"s": [0.5, None, 0.1, np.inf]}, "y_score is missing or infinite in 2 of 4 rows: drop these rows"),
        ({"s": [0.5, 1e200, 0.1, 0.2]}, r"y_score holds 1e\+200: scores further from 0 than 1e\+100"),
        ({"w": [1.0, -1.0, 1.0, 1.0]}, "sample_weight must be finite, not negative"),
        ({"w": [0.0] * 4}, "sample_weight must be finite, not negative, and not all zero"),
        ({"w": [1.0, None, 1.0, 1.0]}, "sample_weight must be finite"),
        (
            {"y": ["no", "yes", "no", "no"], "p": ["no", "yes", "no", "no"]},
            "name the positive one with pos_label=",
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("source", ["rows", *FRAMES])
def test_gaps_beside_groups_are_errors_that_count(changes: Row, message: str, source: str) -> None:
    rows = {
        "sex": list("ffmm"),
        "race": list("abab"),
        "site": list("xxyy"),
        "y": [1, 0, 1, 0],
        "p": [1, 1, 0, 0],
    }
    frame = pd.DataFrame(rows | {"s": [0.1, 0.2, 0.3, 0.4], "w": [1.0] * 4} | changes)
    with pytest.raises(ValueError, match=message):
        count_rows(frame) if source == "rows" else count_frame(FRAMES[source](frame))


def test_missing_labels_are_named_where_the_median_decides() -> None:
    frame = pd.DataFrame({"a": list("xyxy"), "y": [1, None, 0, 1], "s": [0.1, 0.2, 0.3, 0.4]})
    with pytest.raises(ValueError, match=r"y_true has missing labels .* in 1 of 4 rows"):
        Evidence.from_rows(frame["y"], None, sensitive_features=frame["a"], y_score=frame["s"])
    with pytest.raises(ValueError, match=r"y_true has missing labels .* in 1 of 4 rows"):
        Evidence.from_frame(frame, y_true="y", y_score="s", sensitive_features="a")


@pytest.mark.parametrize(
    "scores",
    [
        pd.Series([0.5, pd.NA, 0.25], dtype="Float64"),
        pd.Series([0.5, pd.NA, 0.25], dtype=object),
        pl.Series([0.5, None, 0.25]),
        np.ma.MaskedArray([0.5, 1, 0.25], [0, 1, 0]),
    ],
    ids=["nullable", "objects", "polars", "masked"],
)
def test_missing_scores_of_any_kind_are_counted(scores: Any) -> None:
    with pytest.raises(ValueError, match="y_score is missing or infinite in 1 of 3 rows"):
        Evidence.from_rows(None, None, sensitive_features=list("aab"), y_score=scores)


def test_errors_name_the_argument() -> None:
    groups = list("aab")
    with pytest.raises(ValueError, match="Give y_pred, the decisions, or y_score"):
        Evidence.from_rows([1, 0, 1], None, sensitive_features=groups)
    with pytest.raises(ValueError, match="Give y_pred, the decisions, or y_score"):
        Evidence.from_frame(pd.DataFrame({"a": [1]}), sensitive_features="a")
    with pytest.raises(ValueError, match="y_score has 2 rows where 3 are expected"):
        Evidence.from_rows([1, 0, 1], [1, 0, 1], sensitive_features=groups, y_score=[0.1, 0.2])
    with pytest.raises(ValueError, match="y_score must hold one score per row"):
        Evidence.from_rows([1, 0, 1], [1, 0, 1], sensitive_features=groups, y_score=np.zeros((3, 2)))
    with pytest.raises(ValueError, match="There are no rows"):
        Evidence.from_rows(None, None, sensitive_features=[], y_score=[])
    with pytest.raises(ValueError, match="bins must be a power of two"):
        Evidence.from_rows([1, 0, 1], [1, 0, 1], sensitive_features=groups, y_score=[0, 0, 1], bins=10)
    with pytest.raises(ValueError, match="strata has 2 rows where 3 are expected"):
        Evidence.from_rows([1, 0, 1], [1, 0, 1], sensitive_features=groups, strata=[1, 2])
    with pytest.raises(ValueError, match=r"The column 'p' \(y_pred\) is not in the frame"):
        Evidence.from_frame(pd.DataFrame({"a": [1]}), sensitive_features="a", y_pred="p")
    shuffled = pd.Series([1, 0, 1], index=[2, 1, 0])
    with pytest.raises(ValueError, match="has the index of y_true in another order"):
        Evidence.from_rows(pd.Series([1, 0, 1]), shuffled, sensitive_features=groups)


# --- scores ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["rows", "lazy", "duckdb"])
@pytest.mark.parametrize("labelled", [True, False])
def test_without_decisions_the_median_decides(source: str, labelled: bool) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": rng.choice(["x", "y", None], 300),
            "s": rng.random(300),
            "y": rng.integers(0, 2, 300),
            "site": rng.choice(["u", "v"], 300),
        }
    )
    truth = frame["y"] if labelled else None
    above = (frame["s"] > np.median(frame["s"])).astype(int)
    if source == "rows":
        evidence = Evidence.from_rows(
            truth, None, sensitive_features=frame["a"], y_score=frame["s"], strata=frame["site"]
        )
    else:
        evidence = Evidence.from_frame(
            FRAMES[source](frame),
            y_true="y" if labelled else None,
            sensitive_features="a",
            y_score="s",
            strata="site",
        )
    decided = frame["a"].fillna(UNKNOWN)
    plain = {"sensitive_features": decided, "strata": frame["site"]}
    assert evidence.counts == GroupCounts.from_predictions(truth, above, **plain)
    assert evidence.above_median == GroupCounts.from_predictions(truth, above, sensitive_features=decided)
    assert evidence.by_median
    assert evidence.contradictions() == []
    assert evidence.histograms is not None
    assert evidence.histograms.labelled == evidence.counts.labelled == labelled
    assert (evidence.moments.brier_score is None) == (not labelled)  # type: ignore[union-attr]
    assert Evidence.from_state(evidence.to_state()) == evidence
    if not labelled:
        for measure in (ScoreMetrics.from_histograms, thresholds_from_histograms):
            with pytest.raises(ValueError, match="depends on the labels, and there are none"):
                measure(evidence.histograms)


def test_two_medians_are_not_one_decision() -> None:
    low, high = (
        Evidence.from_rows(
            None, None, sensitive_features=list("aabb"), y_score=np.array([0.1, 0.2, 0.3, 0.4]) + shift
        )
        for shift in (0, 0.5)
    )
    with pytest.raises(ValueError, match="scores above a median that is not that of the other part"):
        low + high
    assert (low + low).median == low.median
    assert (low + low).above_median.n.tolist() == [4, 4]  # type: ignore[union-attr]


SCORES: dict[str, Any] = {
    "uniform": lambda rng, n: rng.random(n),
    "ties": lambda rng, n: rng.choice([0.25, 0.5, 0.75], n),
    "all alike": lambda rng, n: np.full(n, 0.3),
    "crowded": lambda rng, n: 0.5 + rng.integers(0, 1000, n) * 2.0**-50,
    "neighbours": lambda rng, n: np.where(np.arange(n) % 2, 0.3, np.nextafter(0.3, 1)),
    "points": lambda rng, n: rng.normal(600, 80, n),
    "logits": lambda rng, n: rng.normal(0, 5, n),
    "below -1": lambda rng, n: np.where(np.arange(n) % 2, -1.0, np.nextafter(-1, 0)),
    "huge": lambda rng, n: rng.normal(0, 1, n) * 1e90,
    "tiny": lambda rng, n: rng.normal(0, 1, n) * 1e-300,
    "far away": lambda rng, n: 1e9 + rng.random(n),
    "one far out": lambda rng, n: np.append(rng.random(n - 1), 1e6),
}


#: Scores between which there is no other float.
NEIGHBOURS = ("neighbours", "below -1")


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("n", [401, 402])
def test_the_median_is_exact_in_engines_and_bins_hold_all_scores(name: str, n: int) -> None:
    rng = np.random.default_rng(n)
    scores = SCORES[name](rng, n)
    frame = pd.DataFrame(
        {"a": rng.choice(["x", "y"], n), "s": scores, "p": rng.integers(0, 2, n), "w": rng.integers(0, 4, n)}
    )
    median = np.median(scores)
    repeated = np.repeat(scores, frame["w"])
    for weight, expected in ((None, median), ("w", np.median(repeated))):
        weights = None if weight is None else frame["w"]
        rows = Evidence.from_rows(
            None, frame["p"], sensitive_features=frame["a"], y_score=scores, sample_weight=weights
        )
        lower = np.sort(scores if weight is None else repeated)[
            (len(scores if weight is None else repeated) - 1) // 2
        ]
        # Between neighbouring floats there is none, and the lower one is the median.
        assert rows.median == (lower if name in NEIGHBOURS else expected)
        above = GroupCounts.from_predictions(
            None, (scores > rows.median).astype(int), sensitive_features=frame["a"], sample_weight=weights
        )
        histograms = rows.histograms
        assert histograms is not None
        weighed = np.ones(n) if weights is None else weights.to_numpy()
        place = np.digitize(scores[weighed > 0], histograms.edges)
        np.testing.assert_array_equal(
            histograms.negatives.sum(0), np.bincount(place, weighed[weighed > 0], 64)
        )
        for load in (FRAMES["lazy"], duckdb_of):
            found = Evidence.from_frame(
                load(frame), y_pred="p", sensitive_features="a", y_score="s", sample_weight=weight
            )
            assert found.median == rows.median
            assert found.above_median == rows.above_median == above
            assert found.histograms is not None
            np.testing.assert_array_equal(found.histograms.edges, histograms.edges)
            np.testing.assert_array_equal(found.histograms.negatives, histograms.negatives)
            np.testing.assert_allclose(found.histograms.score_sums, histograms.score_sums, rtol=1e-9)
            np.testing.assert_allclose(found.moments.squared_scores, rows.moments.squared_scores, rtol=1e-9)  # type: ignore[union-attr]


def test_scores_that_no_bins_tell_apart_count_as_one() -> None:
    frame = pl.DataFrame({"a": list("xxyy"), "s": [0.0, 5e-324, 0.0, 5e-324]})
    assert Evidence.from_frame(frame, sensitive_features="a", y_score="s").median == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 4)), min_size=1).filter(
        lambda rows: any(w for _, w in rows)
    )
)
def test_a_weighted_median_is_that_of_repeated_rows(rows: list[tuple[int, int]]) -> None:
    scores, weights = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    repeated = [score for score, weight in rows for _ in range(weight)]
    assert median_of(scores, weights) == statistics.median(repeated)
    assert median_of(scores, 0.1 * weights) == statistics.median(repeated)
    assert median_of(np.array(repeated, dtype=float), None) == statistics.median(repeated)


def test_few_queries_bring_few_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    n = 50_000
    frame = pl.DataFrame(
        {
            "a": rng.choice(["x", "y"], n),
            "s": rng.random(n),
            "y": rng.integers(0, 2, n),
            "p": rng.integers(0, 2, n),
        }
    )
    collected: list[int] = []
    collect = nw.LazyFrame.collect

    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = collect(self, *args, **kwargs)
        collected.append(len(found))
        return found

    monkeypatch.setattr(nw.LazyFrame, "collect", counting)
    chosen = {"y_true": "y", "y_pred": "p", "sensitive_features": "a"}
    Evidence.from_frame(frame.lazy(), **chosen)
    assert collected == [8]
    collected.clear()
    assert Evidence.from_frame(frame.lazy(), **chosen, y_score="s").median == np.median(frame["s"])
    assert collected[0] == 8 * 64
    assert len(collected) <= 3
    assert max(collected) < n / 20


normal_floats = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(
    normal_floats,
    normal_floats,
    st.sampled_from([2, 8, 64]),
    st.lists(st.floats(0, 1), max_size=20),
)
def test_equal_bins_cover_a_range_and_cut_like_digitize(
    one: float, two: float, n: int, between: list[float]
) -> None:
    low, high = min(one, two), max(one, two)
    narrow = EqualBins.covering(low, high, n)
    assert low == high or np.diff(narrow.places(np.array([low, high]))) > 0
    bins = EqualBins.covering(low, high, n, finest=n)
    edges = bins.edges
    assert (np.diff(edges) > 0).all()
    assert edges[0] - bins.width <= low
    assert high < edges[-1] + bins.width
    assert np.log2(bins.width).is_integer()
    scores = np.array([low, high, *(np.clip(low + share * (high - low), low, high) for share in between)])
    np.testing.assert_array_equal(bins.places(scores), np.digitize(scores, edges))
    if high > low and bins.width > n * np.spacing(max(abs(low), abs(high))) * 4:
        half = bins.width / 2  # no narrower bins would do
        assert np.floor(high / half) - np.floor(low / half) >= n


# --- tables from elsewhere ------------------------------------------------------------------------------


def test_counts_from_elsewhere_are_evidence() -> None:
    frame = pd.DataFrame(
        [
            {"sex": sex, "race": race, "y": y, "p": p, "s": s, "w": 1, "site": "x"}
            for sex in "fm"
            for race in "ab"
            for y in (0, 1)
            for p in (0, 1)
            for s in (0.25, 0.75)
        ]
    )
    whole = count_rows(frame)
    evidence = Evidence.from_counts(whole.counts, whole.histograms.take(whole.counts.groups[::-1]))  # type: ignore[union-attr]
    assert evidence.counts == whole.counts
    assert evidence.histograms == whole.histograms
    assert evidence.moments is evidence.median is None
    assert evidence.by("sex").histograms == whole.by("sex").histograms
    unordered = GroupCounts(
        [None, "b", datetime.date(2024, 1, 1)], {cell: [1, 2, 3] for cell in CELL.values()}
    )
    assert Evidence.from_counts(unordered).counts.groups == (UNKNOWN, "2024-01-01", "b")
    with pytest.raises(TypeError, match="counts must be a GroupCounts, got list"):
        Evidence.from_counts([1, 2])  # type: ignore[arg-type]
    amounts = GroupAmounts.from_predictions([1.5, 2], [1, 2], sensitive_features=["a", "b"])
    with pytest.raises(TypeError, match=r"got GroupAmounts\. .* fairsk\.statistics\.verdict judges"):
        Evidence.from_counts(amounts)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="histograms must be a ScoreHistograms, got list"):
        Evidence.from_counts(whole.counts, [1])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="counts and histograms are by different groups or attributes"):
        Evidence.from_counts(whole.counts, whole.by("sex").histograms)
    doubled = whole.histograms + whole.histograms  # type: ignore[operator]
    with pytest.raises(
        ValueError, match="not of the same rows: counts have 8 rows of the group 'f & a', and histograms 16"
    ):
        Evidence.from_counts(whole.counts, doubled)


def test_a_changed_number_contradicts_the_other_tables() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["f", "m"], 90),
            "race": rng.choice(["a", "b"], 90),
            "site": "x",
            "y": rng.integers(0, 2, 90),
            "p": rng.integers(0, 2, 90),
            "s": rng.random(90),
            "w": 1,
        }
    )
    state = json.dumps(count_rows(frame).to_state())
    for name, path in {
        "counts": ("counts", "cells", "tp"),
        "histograms": ("histograms", "negatives", 0),
        "moments": ("moments", "weights"),
        "above_median": ("above_median", "cells", "fn"),
    }.items():
        changed = json.loads(state)
        place = changed
        for key in path:
            place = place[key]
        if isinstance(place[0], list):
            place = place[0]
        place[0] += 1
        found = Evidence.from_state(changed).contradictions()
        assert found
        assert all(name == "counts" or name in sentence for sentence in found)
    with pytest.raises(ValueError, match="median and above_median come together"):
        Evidence.from_state(json.loads(state) | {"median": None})


# --- core tables ----------------------------------------------------------------------------------------


def test_moments_are_those_of_the_rows() -> None:
    rng = np.random.default_rng(2)
    n = 200
    score, label, group, weight = (
        rng.random(n),
        rng.integers(0, 2, n),
        rng.choice(["a", "b"], n),
        rng.random(n),
    )
    moments = Evidence.from_rows(
        label, None, sensitive_features=group, y_score=score, sample_weight=weight
    ).moments
    assert moments is not None
    for i, name in enumerate(moments.groups):
        rows = group == name
        mean = np.average(score[rows], weights=weight[rows])
        variance = np.average((score[rows] - mean) ** 2, weights=weight[rows])
        brier = np.average((score[rows] - label[rows]) ** 2, weights=weight[rows])
        assert moments.brier_score is not None
        np.testing.assert_allclose(
            [moments.mean[i], moments.variance[i], moments.standard_deviation[i], moments.brier_score[i]],
            [mean, variance, variance**0.5, brier],
        )
    assert moments.overall().mean[0] == pytest.approx(np.average(score, weights=weight))
    assert moments.take(["b"]).n[0] == moments.n[1]
    assert sum([moments, moments]).n.tolist() == (2 * moments.n).tolist()
    assert moments != moments.take(["b"])
    constant = Evidence.from_rows(None, None, sensitive_features=["a"] * 30, y_score=[0.1] * 30).moments
    assert constant is not None
    assert constant.standard_deviation[0] < 1e-8
    for changes, message in (
        ({"weights": [1, 2]}, "weights must hold 1 finite numbers"),
        ({"scores": [np.nan]}, "scores must hold 1 finite"),
        ({"squared_scores": [-1]}, "squared_scores must not be negative"),
    ):
        with pytest.raises(ValueError, match=message):
            ScoreMoments(["a"], **({"weights": [1], "scores": [1], "squared_scores": [1]} | changes))
    with pytest.raises(ValueError, match="same attributes add up"):
        (
            moments
            + Evidence.from_rows(
                None, None, sensitive_features=pd.Series(list("ab"), name="x"), y_score=[0, 1]
            ).moments
        )


def test_histograms_are_reduced_as_rows_would_be() -> None:
    rng = np.random.default_rng(3)
    n = 300
    frame = pd.DataFrame({"sex": rng.choice(["f", "m"], n), "race": rng.choice(["a", "b", "c"], n)})
    score, label = rng.integers(0, 64, n) / 64, rng.integers(0, 2, n)

    def of(groups: Any, bins: int = 16, rows: Any = slice(None)) -> ScoreHistograms:
        return ScoreHistograms.from_scores(
            label[rows], score[rows], sensitive_features=groups[rows], bins=bins
        )

    table = of(frame)
    assert table.marginal("race") == of(frame[["race"]])
    assert table.take([("m", "a")]) == of(frame, rows=(frame["sex"] == "m") & (frame["race"] == "a"))
    assert table.coarsen(of(frame, 4).edges) == of(frame, 4)
    merged = [(sex, "other" if race in "bc" else race) for sex, race in table.groups]
    assert table.regroup(merged) == of(frame.assign(race=frame["race"].replace({"b": "other", "c": "other"})))
    with pytest.raises(ValueError, match=r"0\.3 is not an edge"):
        table.coarsen([0.3])
    with pytest.raises(ValueError, match="marginal takes names out of 'sex', 'race', got 'age'"):
        table.marginal("age")
    with pytest.raises(ValueError, match="There is no group 'x'"):
        table.take(["x"])
    unlabelled = Evidence.from_rows(None, None, sensitive_features=frame, y_score=score, bins=16).histograms
    assert unlabelled is not None
    with pytest.raises(ValueError, match="with labels and histograms without do not add up"):
        table + unlabelled
    with pytest.raises(ValueError, match="Histograms without labels have no positives"):
        ScoreHistograms(["a"], [0.5], [[1, 0]], [[1, 0]], labelled=False)
    assert unlabelled.counts_at(0.5).labelled is False
    assert ScoreHistograms.from_state(unlabelled.to_state()) == unlabelled != table


def test_attributes_are_kept_by_name_and_once() -> None:
    evidence = count_rows(
        pd.DataFrame([{"sex": "f", "race": "a", "site": "x", "y": 1, "p": 1, "s": 0.5, "w": 1}])
    )
    for names in ((), ("age",), ("sex", "sex")):
        with pytest.raises(ValueError, match="by takes names out of 'sex', 'race', got"):
            evidence.by(*names)


# --- small groups ---------------------------------------------------------------------------------------


def evidence_of(sizes: dict[Any, int], names: list[str], **more: Any) -> Evidence:
    """Return evidence of groups of these sizes; decisions and scores are drawn."""
    rng = np.random.default_rng(0)
    groups = [group for group, n in sizes.items() for _ in range(n)]
    frame = pd.DataFrame(groups, columns=names)
    n = len(frame)
    rows = {"y_true": rng.integers(0, 2, n), "y_pred": rng.integers(0, 2, n), "y_score": rng.random(n)}
    return Evidence.from_rows(**rows | more, sensitive_features=frame)


size_tables = st.dictionaries(
    st.tuples(st.sampled_from(["f", "m", None]), st.sampled_from(["a", "b", "c"])),
    st.integers(1, 30),
    min_size=2,
)


@settings(max_examples=40, deadline=None)
@given(size_tables, st.integers(1, 15))
def test_published_groups_are_large_and_no_margin_tells_a_merged_one(
    sizes: dict[Any, int], min_cell: int
) -> None:
    evidence = evidence_of(sizes, ["sex", "race"])
    sizes = {(sex or UNKNOWN, race): n for (sex, race), n in sizes.items()}
    if sum(sizes.values()) < min_cell:
        with pytest.raises(ValueError, match="fewer than min_cell"):
            evidence.merge_small(min_cell)
        return
    merged, said = evidence.merge_small(min_cell)
    assert (merged.counts.n >= min_cell).all()
    assert merged.contradictions() == []
    kept = [group for group in merged.counts.groups if group in sizes]
    gone = [group for group in sizes if group not in kept]
    assert merged.counts.take(kept) == evidence.counts.take(kept)
    assert {group for group, n in sizes.items() if n < min_cell} <= set(gone)
    assert len(gone) != 1
    assert (said.n_groups, said.n_rows) == (len(gone), sum(sizes[group] for group in gone))
    assert MergedGroups.from_state(json.loads(json.dumps(said.to_state()))).to_state() == said.to_state()
    if not gone:
        assert merged == evidence
        assert said.label is None
        return
    assert said.label == SMALL
    assert set(merged.counts.groups) == {*kept, (SMALL, SMALL)}
    # Everything that is published is a linear function of the sizes: which of them does it determine?
    order = sorted(sizes)
    published = []
    for names in (["sex", "race"], ["sex"], ["race"]):
        margin = merged.by(*names).counts
        for label_of_margin, n in zip(margin.groups, margin.n, strict=True):
            parts = label_of_margin if isinstance(label_of_margin, tuple) else (label_of_margin,)
            row = [
                float(
                    all(
                        part == (SMALL if group in gone else group[("sex", "race").index(name)])
                        for name, part in zip(names, parts, strict=True)
                    )
                )
                for group in order
            ]
            assert np.dot(row, [sizes[group] for group in order]) == n
            published.append(row)
    rank = np.linalg.matrix_rank(np.array(published))
    for group in gone:
        alone = [float(other == group) for other in order]
        assert np.linalg.matrix_rank(np.array([*published, alone])) == rank + 1


def test_a_small_group_takes_the_smallest_of_the_others() -> None:
    evidence = evidence_of({("f", "a"): 3, ("f", "b"): 40, ("m", "a"): 20, ("m", "b"): 50}, ["sex", "race"])
    merged, said = evidence.merge_small(10)
    assert merged.counts.groups == ((SMALL, SMALL), ("f", "b"), ("m", "b"))
    assert merged.counts.n.tolist() == [23, 40, 50]
    assert (said.n_groups, said.n_rows, said.rule, said.min_cell) == (2, 23, "group", 10)
    assert merged.histograms.positives.sum() == evidence.histograms.positives.sum()  # type: ignore[union-attr]
    assert merged.moments.n.tolist() == [23, 40, 50]  # type: ignore[union-attr]
    assert merged.median == evidence.median
    assert merged.by("sex").counts.groups == (SMALL, "f", "m")


def test_a_group_of_that_name_stays_what_it_is() -> None:
    for names in (["sex"], ["sex", "race"]):
        sizes = {(SMALL, "a")[: len(names)]: 30, ("f", "a")[: len(names)]: 4, ("m", "a")[: len(names)]: 8}
        merged, said = evidence_of(sizes, names).merge_small(10)
        assert said.label == "(small groups together, 2)"
        assert merged.by("sex").counts.groups == (SMALL, said.label)
        assert merged.by("sex").counts.n.tolist() == [30, 12]
        again, _ = merged.merge_small(20)
        assert again.by("sex").counts.groups == ("(small groups together, 3)",)


def random_evidence(seed: int, n: int = 600, **more: Any) -> Evidence:
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b", "c", "d"], n, p=[0.6, 0.3, 0.07, 0.03])
    score = rng.random(n)
    rows = {
        "y_true": (rng.random(n) < score).astype(int),
        "y_pred": (score > 0.6).astype(int),
        "y_score": score,
    }
    return Evidence.from_rows(**rows | more, sensitive_features=group)


@pytest.mark.parametrize("seed", range(8))
def test_by_cell_no_cell_and_no_bin_is_small(seed: int) -> None:
    evidence = random_evidence(seed)
    merged, said = evidence.merge_small(11, rule="cell")
    tables = [merged.counts, merged.above_median]
    if merged.histograms is not None:
        tables += [merged.histograms.counts_at(edge) for edge in merged.histograms.edges]
        for bins in (merged.histograms.positives, merged.histograms.negatives):
            assert ((bins == 0) | (bins >= 11)).all()
    for table in tables:
        assert table is not None
        for cell in table.cells.values():
            assert ((cell == 0) | (cell >= 11)).all()
    assert said.rule == "cell"
    assert said.n_groups >= evidence.merge_small(11)[1].n_groups
    assert merged.contradictions() == []


def test_by_cell_bins_are_joined_no_further_than_needed() -> None:
    scores = np.repeat([1, 3, 9, 11, 13], [40, 5, 40, 3, 40]) / 16
    y = np.tile([0, 1], 64)
    evidence = Evidence.from_rows(
        y, (scores > 0.5).astype(int), sensitive_features=["a"] * 128, y_score=scores, bins=8
    )
    merged, _ = evidence.merge_small(10, rule="cell")
    assert merged.histograms is not None
    in_bins = np.histogram(scores[y == 1], [0, *merged.histograms.edges, 1])[0]
    assert merged.histograms.positives[0].tolist() == in_bins.tolist()
    assert 2 <= len(merged.histograms.edges) < 7


def test_what_is_too_small_as_a_whole_is_refused() -> None:
    with pytest.raises(ValueError, match="There are 30 rows in all, fewer than min_cell=40"):
        evidence_of({("f",): 10, ("m",): 20}, ["sex"]).merge_small(40)
    y = np.repeat([1, 0], [3, 60])
    evidence = Evidence.from_rows(y, y, sensitive_features=["a", "b", "c"] * 21)
    with pytest.raises(
        ValueError, match=r'a confusion cell, or a stratum, of fewer than min_cell=10 .* rule="group"'
    ):
        evidence.merge_small(10, rule="cell")
    for min_cell in (0, 2.5, True, "ten"):
        with pytest.raises(ValueError, match="min_cell must be a whole number"):
            evidence.merge_small(min_cell)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rule"):
        evidence.merge_small(10, rule="row")  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", ["group", "cell"])
def test_groups_within_strata_are_not_small_either(rule: Any) -> None:
    rng = np.random.default_rng(5)
    n = 2000
    strata = rng.choice(["u", "v", "w", "x"], n, p=[0.6, 0.38, 0.015, 0.005])
    evidence = Evidence.from_rows(
        rng.integers(0, 2, n),
        rng.integers(0, 2, n),
        sensitive_features=rng.choice(list("abcd"), n, p=[0.5, 0.4, 0.08, 0.02]),
        strata=strata,
    )
    merged, said = evidence.merge_small(20, rule)
    counts = merged.counts
    # Of the 40 rows in the two small strata, a confusion cell has about ten.
    small = "(small strata together)"
    assert counts.strata == (("u", "v", small) if rule == "group" else ("u", small))
    assert said.n_strata == (2 if rule == "group" else 3)
    assert ((counts.n == 0) | (counts.n >= 20)).all()
    if rule == "cell":
        assert all(((cell == 0) | (cell >= 20)).all() for cell in counts.cells.values())
    assert counts.n.sum() == n
    assert counts.stratum("u").n.sum() == (strata == "u").sum()


@pytest.mark.parametrize("seed", range(10))
def test_weights_do_not_make_few_rows_many(seed: int) -> None:
    """Neither large weights nor small ones: rows are counted, or at least so many as there must be."""
    rng = np.random.default_rng(seed)
    n = 300
    group = rng.choice(list("abcdefgh"), n, p=np.arange(1, 9) / 36)
    weight = rng.exponential(1, n) * 10.0 ** rng.integers(-3, 4)
    evidence = Evidence.from_rows(
        rng.integers(0, 2, n), rng.integers(0, 2, n), sensitive_features=group, sample_weight=weight
    )
    merged, _ = evidence.merge_small(15)
    rows = Counter(group.tolist())
    for published in merged.counts.groups:
        gone = [name for name in rows if name not in merged.counts.groups]
        assert (rows[published] if published != SMALL else sum(rows[name] for name in gone)) >= 15
    equal = Evidence.from_rows(
        None, rng.integers(0, 2, n), sensitive_features=group, sample_weight=np.full(n, 0.1)
    )
    plain = Evidence.from_rows(None, rng.integers(0, 2, n), sensitive_features=group)
    assert equal.merge_small(15)[0].counts.groups == plain.merge_small(15)[0].counts.groups


def test_models_of_the_same_rows_are_merged_alike() -> None:
    rng = np.random.default_rng(6)
    n = 500
    shared: dict[str, Any] = {
        "sensitive_features": rng.choice(list("abcde"), n, p=[0.5, 0.3, 0.1, 0.07, 0.03]),
        "sample_weight": rng.random(n),
    }
    y = rng.integers(0, 2, n)
    models = {
        str(i): Evidence.from_rows(y, rng.random(n) < share, **shared)
        for i, share in enumerate((0.3, 0.5, 0.6))
    }
    for rule in ("group", "cell"):
        merged, said = merge_small_groups(models, 30, rule)
        assert len({tables.counts.groups for tables in merged.values()}) == 1
        assert list(merged) == list(models)
        assert said.n_groups > 1
    with pytest.raises(ValueError, match="'1' are others than those of the first model"):
        merge_small_groups(
            {"0": models["0"], "1": models["0"].by("sensitive_features").known().merge_small(60)[0]}, 5
        )
