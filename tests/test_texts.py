"""Texts out of any container, and back into their place."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fairsk._core.texts import read_texts, replace_texts

TEXTS = ["He came.", "", "她来了"]
COLUMNS = {"comment": TEXTS, "age": [3, 4, 5]}


@pytest.mark.parametrize(
    "X",
    [
        TEXTS,
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        np.array(TEXTS)[:, None],
        [[text] for text in TEXTS],
        pd.Series(TEXTS),
        pd.Series(TEXTS, dtype="string"),
        pd.Series(TEXTS, dtype="category"),
        pl.Series(TEXTS),
        pl.Series(TEXTS, dtype=pl.Categorical),
        pa.chunked_array([TEXTS]),
        pd.DataFrame({"t": TEXTS}),
        {"t": TEXTS},
    ],
    ids=str,
)
def test_texts_without_a_name(X):
    texts = read_texts(X)
    assert texts == TEXTS
    assert {type(text) for text in texts} == {str}


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_a_named_column_is_read_and_replaced(make):
    X = make(COLUMNS)
    assert read_texts(X, "comment") == TEXTS
    new = replace_texts(X, "comment", np.array([2, 0, 0]), ["a", "b", "c"])
    assert type(new) is type(X)
    assert read_texts(new, "comment") == ["a", "b", "c"]
    ages = new["age"].to_pylist() if make is pa.table else list(new["age"])
    assert ages == [5, 3, 3]
    assert read_texts(X, "comment") == TEXTS
    with pytest.raises(ValueError, match=r"X has several columns: name the one .* text=.* 'comment', 'age'"):
        read_texts(X)
    with pytest.raises(ValueError, match=r"X has no column text='words'"):
        read_texts(X, "words")


def test_a_frame_with_an_index_of_repeated_labels():
    X = pd.DataFrame(COLUMNS, index=["a", "a", "b"])
    new = replace_texts(X, "comment", np.array([0, 1]), ["x", "y"])
    assert new["comment"].tolist() == ["x", "y"]
    assert new["age"].tolist() == [3, 4]


@pytest.mark.parametrize("make", [list, np.array, pd.Series, pl.Series])
def test_bare_texts_are_replaced(make):
    X = make(TEXTS)
    new = replace_texts(X, None, np.array([0, 0]), ["a longer text than any before", "b"])
    assert type(new) is type(X)
    assert list(new) == ["a longer text than any before", "b"]


def test_rows_of_a_list_keep_their_other_columns():
    X = [["a", 1], ["b", 2]]
    assert replace_texts(X, 0, np.array([1, 1]), ["y", "z"]) == [["y", 2], ["z", 2]]
    assert replace_texts([["a"], ["b"]], None, np.array([1]), ["z"]) == [["z"]]
    assert X == [["a", 1], ["b", 2]]


def test_a_column_of_an_array_is_known_by_its_position():
    X = np.array([["a", 1], ["b", 2]], dtype=object)
    assert read_texts(X, 0) == ["a", "b"]
    assert replace_texts(X, 0, np.array([1]), ["z"]).tolist() == [["z", 2]]
    assert X[1, 0] == "b"
    with pytest.raises(ValueError, match="X has several columns"):
        read_texts(X)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("He came.", TypeError, "X is a single text"),
        ((text for text in TEXTS), TypeError, r"iterator.*give list\(X\)"),
        (["a", None, float("nan")], ValueError, r"2 of 3 rows have no text, the first is row 1"),
        (pd.Series(["a", None]), ValueError, r"1 of 2 rows have no text"),
        (["a", b"b"], TypeError, r"row 1 is b'b', of type bytes"),
        ([1, 2], TypeError, r"2 of 2 rows hold something else: row 0 is 1"),
        (np.zeros((2, 2, 2)), ValueError, "3 dimensions"),
        (3, TypeError, "X must hold texts"),
    ],
    ids=["text", "iterator", "missing", "missing in a series", "bytes", "numbers", "3-D", "number"],
)
def test_what_holds_no_texts(X, error, message):
    with pytest.raises(error, match=message):
        read_texts(X)
