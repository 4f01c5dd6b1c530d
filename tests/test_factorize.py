from __future__ import annotations

import datetime
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fairsk._core.factorize import code_array, code_series, distinct_numbers, is_missing

TEXT = ["b", "a", "b", "", "c", "ä", "a", "b"]
GAPS = ["b", None, "b", "a", None, "a", "b", "c"]


def series(kind: str, values: list[Any]) -> Any:
    match kind:
        case "pandas object":
            return pd.Series(values, dtype=object)
        case "pandas text":
            return pd.Series(values, dtype="string")
        case "pandas category":
            return pd.Series(values, dtype=pd.CategoricalDtype(sorted({*filter(None, values), "unused", ""})))
        case "polars text":
            return pl.Series(values)
        case "polars category":
            return pl.Series(values, dtype=pl.Categorical)
        case "polars enum":
            return pl.Series(values, dtype=pl.Enum(sorted({*(v for v in values if v is not None), "unused"})))
        case "pyarrow text":
            return pa.chunked_array([values[:3], values[3:]])
        case "pyarrow category":
            return pa.chunked_array(
                [pa.array(part, pa.string()).dictionary_encode() for part in (values[:3], values[3:])]
            )
        case _:
            raise ValueError(kind)


KINDS = ["pandas object", "pandas text", "pandas category"]
KINDS += ["polars text", "polars category", "polars enum", "pyarrow text", "pyarrow category"]


def rows_of(coded: Any) -> list[Any]:
    return [None if is_missing(value) else value for value in coded.to_array().tolist()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", [TEXT, GAPS, ["a"], []], ids=["text", "gaps", "one", "empty"])
def test_a_column_of_any_library_is_its_values_and_their_places(kind: str, values: list[Any]) -> None:
    if not values and kind.startswith("pyarrow"):
        native = pa.chunked_array([pa.array([], pa.string())])
    elif not values and kind.startswith("polars"):
        native = pl.Series(values, dtype=pl.String)
    else:
        native = series(kind, values)
    coded = code_series(nw.from_native(native, series_only=True))
    assert len(coded) == len(values)
    assert coded.codes.dtype == np.intp
    assert rows_of(coded) == values
    assert all(isinstance(value, str) for value in coded.values if not is_missing(value))
    some = np.arange(len(values))[::-2]
    assert rows_of(coded[some]) == values[::-2]
    assert coded.equals("b").tolist() == [value == "b" for value in values]


@pytest.mark.parametrize(
    "make", [lambda rows: pd.Series(rows, dtype=object), pl.Series], ids=["pandas", "polars"]
)
def test_dates_and_numbers_with_gaps_are_coded_too(make: Any) -> None:
    days = [datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)]
    for rows in (days * 2, [1, None, 1], [True, None, False]):
        coded = code_series(nw.from_native(make(rows), series_only=True))
        assert rows_of(coded) == rows
        assert len([v for v in coded.values if not is_missing(v)]) == len({*rows} - {None})


@pytest.mark.parametrize(
    "column",
    [
        np.array([3, 1, 3, -2]),
        np.array([3, 1, 3], dtype=np.uint8),
        np.array([-128, 127, 0], dtype=np.int8),
        np.array([0, 10**9, 0]),
        np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max]),
        np.array([True, False, True]),
        np.array([1.5, -0.5, 1.5]),
        np.array([2**63, 1], dtype=np.uint64),
    ],
    ids=str,
)
def test_numbers_are_sorted(column: Any) -> None:
    numbers, codes = distinct_numbers(column)
    expected, places = np.unique(column, return_inverse=True)
    assert numbers.tolist() == expected.tolist()
    assert numbers.dtype == column.dtype
    assert codes.tolist() == places.tolist()
    assert code_array(column).to_array().tolist() == column.tolist()


def test_texts_of_numpy_become_texts() -> None:
    coded = code_array(np.array(TEXT))
    assert all(type(value) is str for value in coded.values)
    assert rows_of(coded) == TEXT
    days = np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[ns]")
    assert code_array(days).values == [datetime.datetime(2020, 1, 1), datetime.datetime(2021, 1, 1)]
