from __future__ import annotations

import importlib.util
import socket
from collections.abc import Callable
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fairsk.datasets import load_adult, load_german_credit
from fairsk.metrics import group_metrics

BACKENDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table}
#: pyarrow has no series that scikit-learn can index.
LABELS = {"pandas": pd.Series, "polars": pl.Series, "pyarrow": np.ndarray}
LOADERS = [load_adult, load_german_credit]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise AssertionError("a bundled data set opened a connection")

    monkeypatch.setattr(socket, "socket", refuse)


@pytest.mark.parametrize(
    ("load", "shape", "labels", "sensitive"),
    [
        (load_adult, (45222, 14), {"<=50K": 34014, ">50K": 11208}, ["sex", "race"]),
        (load_german_credit, (1000, 20), {"bad": 300, "good": 700}, ["sex"]),
    ],
)
def test_shapes_labels_and_sensitive_columns(
    load: Callable[..., Any], shape: tuple[int, int], labels: dict[str, int], sensitive: list[str]
) -> None:
    data = load()
    assert data.data.shape == shape
    assert (
        dict(zip(*(part.tolist() for part in np.unique(data.target, return_counts=True)), strict=True))
        == labels
    )
    assert data.sensitive_features == sensitive
    assert data.feature_names == list(data.data.columns)
    assert data.target_name not in data.feature_names
    assert isinstance(data.target, pd.Series)
    assert data.target.name == data.target_name
    assert data.target.index.equals(data.data.index)
    assert not data.data.isna().any(axis=None)
    assert "licence CC BY 4.0" in data.DESCR
    group_metrics(data.target, data.target, sensitive_features=data.data[sensitive], pos_label=max(labels))


def test_german_credit_derives_the_sex_from_the_coded_status() -> None:
    X, _ = load_german_credit(return_X_y=True, keep_personal_status=True)
    assert X.shape == (1000, 21)
    assert set(X.loc[X["sex"] == "female", "personal_status_and_sex"]) == {"A92"}
    assert (X["sex"] == "female").sum() == 310


def test_no_other_column_of_german_credit_gives_the_sex_away() -> None:
    """Unless asked for: without the status every other value occurs with both sexes, but for rare ones."""
    X, _ = load_german_credit(return_X_y=True)
    assert "personal_status_and_sex" not in X.columns
    for name in set(X.columns) - {"sex"}:
        common = X[name].map(X[name].value_counts()) >= 50
        assert (X[common].groupby(name)["sex"].nunique() == 2).all(), name


def test_husbands_and_wives_give_the_sex_away_as_documented() -> None:
    X, _ = load_adult(return_X_y=True)
    married = X.groupby(["relationship", "sex"]).size()
    assert (married["Husband"].to_dict(), married["Wife"].to_dict()) == (
        {"Female": 1, "Male": 18665},
        {"Female": 2090, "Male": 1},
    )


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_holds_the_same_values(load: Callable[..., Any], backend: Any) -> None:
    X, y = load(return_X_y=True, backend=backend)
    reference, y_reference = load(return_X_y=True)
    assert isinstance(X, BACKENDS[backend])
    assert isinstance(y, LABELS[backend])
    assert getattr(y, "name", y_reference.name) == y_reference.name
    assert list(y) == y_reference.tolist()
    columns = nw.from_native(X).to_dict(as_series=False)
    assert columns == {name: reference[name].tolist() for name in reference.columns}
    assert all(isinstance(columns[name][0], str | int) for name in columns)


@pytest.mark.parametrize("load", LOADERS)
def test_loading_gives_a_new_copy_of_the_same_data(load: Callable[..., Any]) -> None:
    first, _ = load(return_X_y=True)
    untouched = first.copy()
    first[:] = first.iloc[::-1].to_numpy()
    assert not first.equals(untouched)
    second, _ = load(return_X_y=True)
    pd.testing.assert_frame_equal(second, untouched)


@pytest.mark.parametrize("load", LOADERS)
def test_the_first_installed_library_is_taken(
    load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pandas" else find(name))
    assert isinstance(load().data, pl.DataFrame)


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("backend", [None, "polars"])
def test_without_a_dataframe_library_the_message_says_what_to_install(
    load: Callable[..., Any], backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs pandas, polars or pyarrow: pip install \"fairsk\[demo\]\""):
        load(backend=backend)


@pytest.mark.parametrize("load", LOADERS)
def test_an_unknown_backend_is_refused(load: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="backend must be one of 'pandas', 'polars', 'pyarrow'; got 'spark'"):
        load(backend="spark")
