"""Tables counted inside engines are those counted from arrays, on real engines."""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Callable
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairsk._core import engines as frames
from fairsk.metrics import GroupCounts, ScoreHistograms
from fairsk.rates import CELLS

Load = Callable[[pa.Table], Any]

# --- engines: each takes a pyarrow table, in which a missing value (null) is not a NaN --------------------


def texts(table: pa.Table) -> list[str]:
    return [name for name in table.column_names if pa.types.is_string(table.schema.field(name).type)]


def pandas_objects(table: pa.Table) -> pd.DataFrame:
    frame = table.to_pandas()
    return frame.assign(**{name: pd.Series(table[name].to_pylist(), dtype=object) for name in texts(table)})


def pandas_strings(table: pa.Table) -> pd.DataFrame:
    frame = table.to_pandas()
    return frame.assign(**{name: frame[name].astype("string") for name in texts(table)})


def pandas_categories(table: pa.Table) -> pd.DataFrame:
    frame = pandas_objects(table)
    for name in texts(table):
        seen = sorted(frame[name].dropna().unique())
        frame[name] = pd.Categorical(frame[name], [*seen, "never seen"])
    return frame


def pandas_nullable(table: pa.Table) -> pd.DataFrame:
    return table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}.get)


def polars_lazy(table: pa.Table) -> pl.LazyFrame:
    return pl.from_arrow(table).lazy()  # type: ignore[union-attr]


def polars_categories(table: pa.Table) -> pl.LazyFrame:
    return polars_lazy(table).cast(dict.fromkeys(texts(table), pl.Categorical))


def polars_enums(table: pa.Table) -> pl.DataFrame:
    frame = pl.DataFrame(pl.from_arrow(table))
    # Groups keep the order of an enumeration; here it is that of arrays, whose groups are sorted.
    seen = {name: sorted(frame[name].drop_nulls().unique().to_list()) for name in texts(table)}
    return frame.cast({name: pl.Enum([*values, "never seen"]) for name, values in seen.items()})


def arrow_dictionaries(table: pa.Table) -> pa.Table:
    for name in texts(table):
        place = table.column_names.index(name)
        table = table.set_column(place, name, table[name].dictionary_encode())
    return table


def duckdb_relation(table: pa.Table) -> Any:
    return pytest.importorskip("duckdb").from_arrow(table)


def duckdb_enums(table: pa.Table) -> Any:
    def quoted(text: str, mark: str = "'") -> str:
        return mark + text.replace(mark, 2 * mark) + mark

    columns = [quoted(name, '"') for name in table.column_names]
    for name in texts(table):
        seen = sorted({"never seen", *table[name].drop_null().to_pylist()})
        place = table.column_names.index(name)
        columns[place] += f"::ENUM({', '.join(map(quoted, seen))}) AS {columns[place]}"
    return duckdb_relation(table).project(", ".join(columns))


def ibis_table(table: pa.Table) -> Any:
    return pytest.importorskip("ibis").memtable(table)


def dask_frame(table: pa.Table, make: Load = pandas_objects) -> Any:
    dask = pytest.importorskip("dask")
    frames = pytest.importorskip("dask.dataframe")
    with dask.config.set({"dataframe.convert-string": False}):  # it would make texts of dates
        return frames.from_pandas(make(table), npartitions=2)


def dask_categories(table: pa.Table) -> Any:
    return dask_frame(table, pandas_categories)


@pytest.fixture(scope="session")
def spark() -> Any:
    sql = pytest.importorskip("pyspark.sql", reason="PySpark is not installed")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip(
            "PySpark starts a Java program, and there is no Java here: neither on the PATH nor JAVA_HOME"
        )
    settings = {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.driver.memory": "512m",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.log.level": "ERROR",
    }
    builder = sql.SparkSession.builder.master("local[1]").appName("fairsk")
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


LOADS: dict[str, Load] = {
    load.__name__: load
    for load in (
        pandas_objects,
        pandas_strings,
        pandas_categories,
        pandas_nullable,
        polars_lazy,
        polars_categories,
        polars_enums,
        arrow_dictionaries,
        duckdb_relation,
        duckdb_enums,
        ibis_table,
        dask_frame,
        dask_categories,
    )
} | {"polars_eager": lambda table: polars_lazy(table).collect(), "arrow": lambda table: table}

#: What the engines themselves, and narwhals about them, deprecate.
WARNINGS = {
    "dask": ["ignore:Dask support is moving:FutureWarning"],
    "spark": ["ignore:PySpark does not yet fully support pandas:FutureWarning"],
}


def engines(*names: str) -> Any:
    return [
        pytest.param(
            name,
            marks=[
                pytest.mark.filterwarnings(text)
                for start, found in WARNINGS.items()
                if name.startswith(start)
                for text in found
            ],
        )
        for name in names
    ]


@pytest.fixture(params=engines(*LOADS, "spark"))
def load(request: pytest.FixtureRequest) -> Load:
    """Run a test on every engine."""
    if request.param == "spark":
        return request.getfixturevalue("spark").createDataFrame  # type: ignore[no-any-return]
    return LOADS[request.param]


# --- rows ---------------------------------------------------------------------------------------------

COLUMNS: dict[str, Any] = {"y_true": "y", "y_pred": "p", "sensitive_features": "sex"}


def make_rows(seed: int = 0, n: int = 400) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "sex": rng.choice(["f", "m"], n).tolist(),
        "race": rng.choice(["a", "b", "Côte d'Or"], n, p=[0.7, 0.29, 0.01]).tolist(),
        "site": rng.integers(0, 3, n).tolist(),
        "old": (rng.random(n) < 0.3).tolist(),
        "day": [datetime.date(2024, 1, 1 + int(day)) for day in rng.integers(0, 3, n)],
        "y": rng.integers(0, 2, n).tolist(),
        "p": (rng.random(n) < 0.4).tolist(),
        "label": rng.choice(["no", "yes", "maybe"], n).tolist(),
        "guess": rng.choice(["no", "yes", "maybe"], n).tolist(),
        "w": rng.integers(0, 5, n).astype(float).tolist(),
        "score": np.clip(rng.integers(-100, 1200, n) / 1024, 0, 1).tolist(),
    }


def from_arrays(rows: dict[str, Any], **columns: Any) -> GroupCounts:
    """Count the same columns the other way."""
    pos_label = columns.pop("pos_label", None)
    groups, strata = (columns.pop(name, None) for name in ("sensitive_features", "strata"))
    frame = pd.DataFrame(rows)
    values = {argument: np.array(rows[name]) for argument, name in columns.items()}
    pick = [None if by is None else frame[[by] if isinstance(by, str) else by] for by in (groups, strata)]
    return GroupCounts.from_predictions(
        **values, sensitive_features=pick[0], strata=pick[1], pos_label=pos_label
    )


def assert_same(one: Any, two: Any) -> None:
    """Compare tables but for the last bits of sums."""
    assert (one.groups, one.names) == (two.groups, two.names)
    assert list(map(type, one.groups)) == list(map(type, two.groups))
    if isinstance(one, GroupCounts):
        assert one.strata == two.strata
        for cell in CELLS:
            np.testing.assert_allclose(one.cells[cell], two.cells[cell], rtol=1e-12)
            np.testing.assert_allclose(one.squares[cell], two.squares[cell], rtol=1e-12)
        return
    np.testing.assert_array_equal(one.edges, two.edges)
    for field in ("positives", "negatives", "score_sums"):
        np.testing.assert_allclose(getattr(one, field), getattr(two, field), rtol=1e-12)
    for label in ("positives", "negatives"):
        np.testing.assert_allclose(one.squares[label], two.squares[label], rtol=1e-12)


# --- counts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"sample_weight": "w"},
        {"sensitive_features": ["sex", "race"], "strata": "site", "sample_weight": "w"},
        {"sensitive_features": ["site"], "strata": ["old", "race"]},
        {"y_true": "label", "y_pred": "guess", "pos_label": "yes", "sensitive_features": "old"},
        {"y_pred": "y", "sensitive_features": "day", "strata": "day"},
    ],
    ids=["plain", "weights", "intersection and strata", "two strata", "texts", "columns used twice"],
)
def test_every_engine_counts_as_arrays_do(load: Load, columns: dict[str, Any]) -> None:
    rows = make_rows()
    chosen = COLUMNS | columns
    assert GroupCounts.from_frame(load(pa.table(rows)), **chosen) == from_arrays(rows, **chosen)


def test_sums_of_fractions_agree_but_for_their_last_bits(load: Load) -> None:
    rows = make_rows() | {"w": np.random.default_rng(1).random(400).tolist()}
    chosen = COLUMNS | {"sample_weight": "w", "strata": "race"}
    assert_same(GroupCounts.from_frame(load(pa.table(rows)), **chosen), from_arrays(rows, **chosen))


def test_small_integers_do_not_wrap_and_booleans_are_weights(load: Load) -> None:
    """Of int8, 100 * 100 is 16 in most engines, and an error in DuckDB; booleans multiply in few."""
    rows = {"sex": ["f"] * 300, "y": [True] * 300, "p": [True] * 300}
    table = pa.table({**rows, "w": pa.array([100] * 300, pa.int8()), "kept": [True] * 200 + [False] * 100})
    counts = GroupCounts.from_frame(load(table), **COLUMNS, sample_weight="w")
    assert (counts.cells["tp"].tolist(), counts.squares["tp"].tolist()) == ([30_000], [3_000_000])
    counts = GroupCounts.from_frame(load(table), **COLUMNS, sample_weight="kept")
    assert (counts.cells["tp"].tolist(), counts.squares["tp"].tolist()) == ([200], [200])


def test_labels_may_be_small_integers_and_booleans(load: Load) -> None:
    rows = make_rows()
    signs = pa.array([2 * y - 1 for y in rows["y"]], pa.int8())
    predicted = pa.array(rows["p"], pa.bool_())
    counts = GroupCounts.from_frame(
        load(pa.table({**rows, "y": signs.cast("float64")})), **COLUMNS | {"y_pred": "y"}
    )
    assert counts.rate("accuracy").tolist() == [1, 1]
    small = pa.table({**rows, "y": pa.array(rows["y"], pa.int16()), "p": predicted})
    assert GroupCounts.from_frame(load(small), **COLUMNS) == from_arrays(rows, **COLUMNS)


AWKWARD = ["n", "tp", "_w", "key0", "weight", "the 'sex' of it", "rows", "a b", "sum_weight", "bin"]


def test_no_name_of_a_column_clashes(load: Load) -> None:
    rows = make_rows()
    for i in (0, 3, 6):
        y, p, sex, w, score, site = names = (AWKWARD[i:] + AWKWARD[:i])[:6]
        table = load(
            pa.table(
                dict(zip(names, (rows[k] for k in ("y", "p", "sex", "w", "score", "site")), strict=True))
            )
        )
        counts = GroupCounts.from_frame(
            table, y_true=y, y_pred=p, sensitive_features=[sex, site], sample_weight=w
        )
        expected = from_arrays(
            rows, **COLUMNS | {"sensitive_features": ["sex", "site"], "sample_weight": "w"}
        )
        assert counts.names == (sex, site)
        assert all((counts.cells[cell] == expected.cells[cell]).all() for cell in CELLS)
        histograms = ScoreHistograms.from_frame(
            table, y_true=y, y_score=score, sensitive_features=sex, sample_weight=w, bins=8
        )
        assert histograms.positives.sum() == counts.cells["tp"].sum() + counts.cells["fn"].sum()


def test_missing_groups_are_counted_as_for_arrays(load: Load) -> None:
    rows = make_rows()
    rows["sex"][3:10] = [None] * 7
    table = load(pa.table(rows))
    for groups in ("sex", ["race", "sex"]):
        chosen = COLUMNS | {"sensitive_features": groups}
        with pytest.raises(ValueError, match="missing") as of_frame:
            GroupCounts.from_frame(table, **chosen)
        with pytest.raises(ValueError, match="missing") as of_arrays:
            from_arrays(rows, **chosen)
        assert str(of_frame.value) == str(of_arrays.value)
        assert "'sex' is missing (NaN or None) in 7 of 400 rows" in str(of_frame.value)
    with pytest.raises(ValueError, match="'sex' is missing"):
        GroupCounts.from_frame(table, **COLUMNS | {"sensitive_features": "race", "strata": "sex"})


@pytest.mark.parametrize("hole", [None, float("nan")], ids=["null", "NaN"])
def test_missing_numbers_are_missing_groups_and_labels(load: Load, hole: Any) -> None:
    rows = make_rows() | {"site": [float(site) for site in make_rows()["site"]]}
    rows["site"][:5] = [hole] * 5
    with pytest.raises(ValueError, match=r"'site' is missing \(NaN or None\) in 5 of 400 rows"):
        GroupCounts.from_frame(load(pa.table(rows)), **COLUMNS | {"sensitive_features": "site"})
    rows["y"] = [hole, *map(float, rows["y"][1:])]
    with pytest.raises(ValueError, match="y_true has missing labels"):
        GroupCounts.from_frame(load(pa.table(rows)), **COLUMNS)


def test_missing_texts_are_missing_labels(load: Load) -> None:
    rows = make_rows()
    rows["guess"][7] = None
    with pytest.raises(ValueError, match="y_pred has missing labels"):
        GroupCounts.from_frame(
            load(pa.table(rows)), y_true="label", y_pred="guess", sensitive_features="sex", pos_label="yes"
        )


def test_impossible_weights_are_refused(load: Load) -> None:
    rows = make_rows()
    impossible = [None, float("nan"), float("inf"), -1.0]
    weights = {f"weight {i}": [bad, *rows["w"][1:]] for i, bad in enumerate(impossible)}
    weights["zeros"] = [0.0] * 400
    table = load(pa.table(rows | weights))
    for name in weights:
        with pytest.raises(ValueError, match="sample_weight must be finite, not negative, and not all zero"):
            GroupCounts.from_frame(table, **COLUMNS, sample_weight=name)


def test_a_column_that_is_not_there_is_named_with_its_neighbour(load: Load) -> None:
    table = load(pa.table(make_rows()))
    for argument in ("y_true", "sensitive_features", "strata", "sample_weight"):
        with pytest.raises(ValueError, match=rf"'sxe' \({argument}\) is not in .* Did you mean 'sex'\?"):
            GroupCounts.from_frame(table, **COLUMNS | {argument: "sxe"})
    with pytest.raises(ValueError, match=r"columns are: sex, race, .*, score\.$"):
        GroupCounts.from_frame(table, **COLUMNS | {"y_pred": "zzz"})


def test_text_is_no_weight(load: Load) -> None:
    rows = make_rows()
    with pytest.raises(ValueError, match=r"'race' \(sample_weight\) must hold numbers"):
        GroupCounts.from_frame(load(pa.table(rows)), **COLUMNS, sample_weight="race")


def test_so_many_combinations_are_refused_before_they_are_collected(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = make_rows() | {"name": [f"person {i}" for i in range(400)]}
    monkeypatch.setattr(frames, "_MOST", 50)
    collected = count_collected(monkeypatch)
    with pytest.raises(
        ValueError, match=r"more than 50 combinations of values; 'name' alone has 51 different"
    ):
        GroupCounts.from_frame(load(pa.table(rows)), **COLUMNS | {"sensitive_features": ["sex", "name"]})
    assert collected == [51]


def count_collected(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Keep the number of rows of whatever is collected through narwhals."""
    collected: list[int] = []
    collect = nw.LazyFrame.collect

    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = collect(self, *args, **kwargs)
        collected.append(len(found))
        return found

    monkeypatch.setattr(nw.LazyFrame, "collect", counting)
    return collected


def test_one_query_brings_combinations_not_rows(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    table = load(pa.table(make_rows()))
    collected = count_collected(monkeypatch)
    GroupCounts.from_frame(table, **COLUMNS, sample_weight="w", strata="old")
    assert len(collected) == 1
    assert collected[0] <= 16


def test_a_column_that_looks_continuous_is_refused_as_for_arrays(load: Load) -> None:
    rows = make_rows()
    chosen = COLUMNS | {"sensitive_features": "score"}
    with pytest.raises(ValueError, match="'score' looks continuous: it has"):
        GroupCounts.from_frame(load(pa.table(rows)), **chosen)
    with pytest.raises(ValueError, match=r"y_pred holds fractions .* not scores or probabilities"):
        GroupCounts.from_frame(load(pa.table(rows)), **COLUMNS | {"y_pred": "score"})


def test_no_rows_are_nothing_to_count(load: Load) -> None:
    table = pa.table(make_rows()).slice(0, 0)
    with pytest.raises(ValueError, match="y_true is empty"):
        GroupCounts.from_frame(load(table), **COLUMNS)


# --- histograms ---------------------------------------------------------------------------------------

SCORES: dict[str, Any] = {"y_true": "y", "y_score": "score", "sensitive_features": "sex"}


def histograms_from_arrays(rows: dict[str, Any], **given: Any) -> ScoreHistograms:
    return ScoreHistograms.from_scores(
        rows["y"], np.array(rows["score"]), sensitive_features=pd.DataFrame(rows)[["sex"]], **given
    )


@pytest.mark.parametrize("bins", [2, 1024])
def test_every_engine_cuts_scores_as_arrays_do(load: Load, bins: int) -> None:
    """On the edges, a last bit below and above them, at both ends, in both sizes of floats."""
    edges = np.arange(0, 65) / 64
    near = np.concatenate([edges, np.nextafter(edges, -1)[1:], np.nextafter(edges, 2)[:-1], [-0.0, 0.3]])
    rng = np.random.default_rng(0)
    rows = {
        "score": near.tolist(),
        "sex": rng.choice(["f", "m"], len(near)).tolist(),
        "y": rng.integers(0, 2, len(near)).tolist(),
        "w": rng.integers(1, 4, len(near)).astype(float).tolist(),
    }
    digitized = np.digitize(near, np.arange(1, bins) / bins)
    for small in (False, True):
        values = near.astype(np.float32) if small else near
        rows["score"] = values.tolist()
        table = load(pa.table({**rows, "score": pa.array(values)}))
        found = ScoreHistograms.from_frame(table, **SCORES, bins=bins)
        expected = histograms_from_arrays(rows, bins=bins)
        assert_same(found, expected)
        np.testing.assert_array_equal(found.positives, expected.positives)
        np.testing.assert_array_equal(found.negatives, expected.negatives)
        if not small:
            total = (found.positives + found.negatives).sum(0)
            np.testing.assert_array_equal(total, np.bincount(digitized, minlength=bins))
        weighted = ScoreHistograms.from_frame(table, **SCORES, bins=bins, sample_weight="w")
        assert_same(weighted, histograms_from_arrays(rows, bins=bins, sample_weight=rows["w"]))


def test_scores_that_are_no_probabilities_are_refused(load: Load) -> None:
    rows = make_rows()
    impossible = [None, float("nan"), float("inf"), -float("inf"), -0.001, float(np.nextafter(1, 2)), 12.0]
    scores = {f"score {i}": [bad] * 3 + rows["score"][3:] for i, bad in enumerate(impossible)}
    table = load(pa.table(rows | scores))
    for name in scores:
        with pytest.raises(ValueError, match="y_score is missing or not from 0 to 1 in 3 of 400 rows"):
            ScoreHistograms.from_frame(table, **SCORES | {"y_score": name})


def test_histograms_of_frames_know_their_groups_weights_and_labels(load: Load) -> None:
    rows = make_rows()
    rows["sex"][0] = None
    with pytest.raises(ValueError, match=r"'sex' is missing .* in 1 of 400 rows"):
        ScoreHistograms.from_frame(load(pa.table(rows)), **SCORES)
    rows = make_rows() | {"w": [-1.0] * 400}
    with pytest.raises(ValueError, match="sample_weight must be finite"):
        ScoreHistograms.from_frame(load(pa.table(rows)), **SCORES, sample_weight="w")
    with pytest.raises(ValueError, match=r"'w' \(y_score\)|'scores' \(y_score\)"):
        ScoreHistograms.from_frame(load(pa.table(rows)), **SCORES | {"y_score": "scores"})
    table = ScoreHistograms.from_frame(
        load(pa.table(rows)),
        **SCORES | {"y_true": "label", "sensitive_features": ["sex", "old"]},
        pos_label="yes",
    )
    assert table.names == ("sex", "old")
    assert table.positives.sum() == rows["label"].count("yes")


# --- arguments ----------------------------------------------------------------------------------------


def test_values_in_the_place_of_names_are_refused() -> None:
    frame = pd.DataFrame(make_rows())
    with pytest.raises(TypeError, match=r"sensitive_features names one column or several .* got Series"):
        GroupCounts.from_frame(frame, **COLUMNS | {"sensitive_features": frame["sex"]})
    with pytest.raises(TypeError, match="y_pred names a column of the frame by text; got list"):
        GroupCounts.from_frame(frame, **COLUMNS | {"y_pred": ["p"]})
    with pytest.raises(TypeError, match="sample_weight names a column"):
        GroupCounts.from_frame(frame, **COLUMNS, sample_weight=frame["w"])
    with pytest.raises(TypeError, match="y_score names a column"):
        ScoreHistograms.from_frame(frame, **SCORES | {"y_score": frame["score"]})
    with pytest.raises(TypeError, match=r"y_score names a column .* got NoneType"):
        ScoreHistograms.from_frame(frame, **SCORES | {"y_score": None})
    with pytest.raises(ValueError, match="sensitive_features names no column"):
        GroupCounts.from_frame(frame, **COLUMNS | {"sensitive_features": []})


@pytest.mark.parametrize("given", [make_rows(), np.zeros((3, 2)), pd.Series([1, 0]), "table", None])
def test_what_is_no_frame_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match=rf"from_frame takes a frame .* not {type(given).__name__}"):
        GroupCounts.from_frame(given, **COLUMNS)


def test_a_frame_that_narwhals_wraps_is_taken() -> None:
    rows = make_rows()
    for frame in (nw.from_native(pl.LazyFrame(rows)), nw.from_native(pd.DataFrame(rows))):
        assert GroupCounts.from_frame(frame, **COLUMNS) == from_arrays(rows, **COLUMNS)


def test_engines_are_left_as_they_are() -> None:
    frame = pd.DataFrame(make_rows(), index=range(1000, 1400))
    before = frame.copy()
    GroupCounts.from_frame(frame, **COLUMNS, sample_weight="w", strata="site")
    ScoreHistograms.from_frame(frame, **SCORES)
    pd.testing.assert_frame_equal(frame, before)


def test_objects_of_several_kinds_are_groups() -> None:
    values = np.array([1, "a", 2.5, 1, "a", True], dtype=object)
    frame = pd.DataFrame({"sex": values, "y": [1, 0] * 3, "p": [1, 1, 0] * 2})
    expected = GroupCounts.from_predictions(frame["y"], frame["p"], sensitive_features=frame[["sex"]])
    assert GroupCounts.from_frame(frame, **COLUMNS) == expected


def test_decimals_and_huge_integers_are_labels_and_weights() -> None:
    """What DuckDB makes of a literal 1.5, and of a sum."""
    table = pytest.importorskip("duckdb").sql(
        "SELECT * FROM (VALUES ('f', 1.0, 1::HUGEINT, 1.5), ('m', 0.0, 1::HUGEINT, 2.5)) AS t (sex, y, p, w)"
    )
    counts = GroupCounts.from_frame(table, **COLUMNS, sample_weight="w")
    assert (counts.cells["tp"].tolist(), counts.squares["fp"].tolist()) == ([1.5, 0], [0, 6.25])


def test_columns_called_by_numbers_do_no_harm() -> None:
    frame = pd.DataFrame({0: ["f", "m"], "y": [1, 0]})
    with pytest.raises(ValueError, match=r"whose columns are: 0, y\."):
        GroupCounts.from_frame(frame, y_true="y", y_pred="y", sensitive_features="sex")
    with pytest.raises(TypeError, match="sensitive_features names one column or several"):
        GroupCounts.from_frame(frame, y_true="y", y_pred="y", sensitive_features=0)


# --- properties ---------------------------------------------------------------------------------------

people = st.lists(
    st.tuples(
        st.sampled_from("fm"),
        st.integers(0, 2),
        st.booleans(),
        st.booleans(),
        st.integers(0, 4),
        st.floats(0, 1),
    ),
    min_size=1,
    max_size=30,
)


@pytest.mark.parametrize("engine", ["pandas_objects", "polars_lazy", "arrow", "duckdb_relation"])
@settings(max_examples=20, deadline=None)
@given(people)
def test_engines_and_arrays_agree_on_any_rows(engine: str, people: list[Any]) -> None:
    names = ("sex", "site", "y", "p", "w", "score")
    rows = dict(zip(names, map(list, zip(*people, strict=True)), strict=True))
    rows["w"] = [weight + 1.0 for weight in rows["w"]]
    frame = LOADS[engine](pa.table(rows))
    for weight in ({}, {"sample_weight": "w"}):
        chosen = COLUMNS | {"strata": "site"} | weight
        assert GroupCounts.from_frame(frame, **chosen) == from_arrays(rows, **chosen)
        weights = rows["w"] if weight else None
        found = ScoreHistograms.from_frame(frame, **SCORES, bins=64, **weight)
        expected = histograms_from_arrays(rows, bins=64, sample_weight=weights)
        assert_same(found, expected)
        np.testing.assert_array_equal(found.positives, expected.positives)
