"""The bundled data sets: compressed CSV files beside this module, read without any dataframe library."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
from importlib.resources import files
from typing import Any

import narwhals as nw
import numpy as np
from sklearn.utils import Bunch

from fairsk._core.results import Backend
from fairsk._core.validation import check_choice

__all__ = ["load_adult", "load_german_credit"]

_ADULT = """Adult census income, 1994 (45,222 rows without missing values).

Outcome: salary above 50,000 dollars a year. Sensitive: sex, race.
Source: Becker & Kohavi, Adult, UCI Machine Learning Repository, 1996, licence CC BY 4.0.
``fnlwgt`` is the census bureau's sampling weight, not a property of the person.
"""
_GERMAN = """Statlog German credit (1,000 rows), coded as published.

Outcome: credit risk, "good" or "bad". Sensitive: sex, derived from ``personal_status_and_sex`` (A92 and A95
are female), and ``age_in_years``.
Source: Hofmann, Statlog (German Credit Data), UCI Machine Learning Repository, 1994, licence CC BY 4.0.
With 1,000 rows, differences between constrained and unconstrained models are mostly noise.
"""


def _read(name: str) -> dict[str, list[Any]]:
    """Read a table as columns; a column of whole numbers becomes integers, any other stays text."""
    with gzip.open(io.BytesIO((files(__package__) / "data" / f"{name}.csv.gz").read_bytes()), "rt") as lines:
        titles, *records = csv.reader(lines)
    columns: dict[str, list[Any]] = {}
    for title, column in zip(titles, zip(*records, strict=True), strict=True):
        try:
            columns[title] = [int(value) for value in column]
        except ValueError:
            columns[title] = list(column)
    return columns


def _backend(backend: Backend | None) -> Backend:
    backends: tuple[Backend, ...] = ("pandas", "polars", "pyarrow")
    for name in backends if backend is None else (backend,):
        check_choice("backend", name, Backend)
        if importlib.util.find_spec(name) is not None:
            return name
    raise ImportError(
        "The bundled data come as a dataframe, which needs pandas, polars or pyarrow: "
        'pip install "fairsk[demo]" brings pandas.'
    )


def _bunch(
    columns: dict[str, list[Any]],
    target: str,
    sensitive: list[str],
    description: str,
    backend: Backend | None,
    return_X_y: bool,
) -> Any:
    y = np.array(columns.pop(target), dtype=object)
    X = nw.from_dict(columns, backend=_backend(backend)).to_native()
    if return_X_y:
        return X, y
    return Bunch(
        data=X,
        target=y,
        target_name=target,
        feature_names=list(columns),
        sensitive_features=sensitive,
        DESCR=description,
    )


def load_adult(*, return_X_y: bool = False, backend: Backend | None = None) -> Any:
    """Load the Adult census income data, which say who earns more than 50,000 dollars a year.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    backend : {"pandas", "polars", "pyarrow"}, optional
        The dataframe library; by default the first of these that is installed.

    Returns
    -------
    Bunch or tuple
        ``data`` (a frame of 45,222 rows and 14 columns), ``target`` (text labels ``"<=50K"`` and
        ``">50K"``), ``target_name``, ``feature_names``, ``sensitive_features`` and ``DESCR``.

    Raises
    ------
    ImportError
        If no dataframe library is installed.

    See Also
    --------
    load_german_credit : A smaller table, with text and numbers.
    fairsk.audit.audit_dataset : What a table says about its groups before any model is trained.

    References
    ----------
    Becker & Kohavi, Adult, UCI Machine Learning Repository, 1996, licence CC BY 4.0.

    Examples
    --------
    >>> from fairsk.datasets import load_adult
    >>> adult = load_adult()
    >>> adult.data.shape, adult.sensitive_features
    ((45222, 14), ['sex', 'race'])
    """
    return _bunch(_read("adult"), "salary", ["sex", "race"], _ADULT, backend, return_X_y)


def load_german_credit(*, return_X_y: bool = False, backend: Backend | None = None) -> Any:
    """Load the German credit data, which say who is a good credit risk.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    backend : {"pandas", "polars", "pyarrow"}, optional
        The dataframe library; by default the first of these that is installed.

    Returns
    -------
    Bunch or tuple
        ``data`` (a frame of 1,000 rows and 21 columns, ``sex`` derived from
        ``personal_status_and_sex``), ``target`` (text labels ``"good"`` and ``"bad"``), ``target_name``,
        ``feature_names``, ``sensitive_features`` and ``DESCR``.

    Raises
    ------
    ImportError
        If no dataframe library is installed.

    See Also
    --------
    load_adult : A larger table, with two sensitive columns.
    fairsk.audit.audit_dataset : What a table says about its groups before any model is trained.

    References
    ----------
    Hofmann, Statlog (German Credit Data), UCI Machine Learning Repository, 1994, licence CC BY 4.0.

    Examples
    --------
    >>> from fairsk.datasets import load_german_credit
    >>> X, y = load_german_credit(return_X_y=True)
    >>> X.shape, sorted(set(y))
    ((1000, 21), ['bad', 'good'])
    """
    columns = _read("german_credit")
    status = columns["personal_status_and_sex"]
    columns["sex"] = ["female" if code in ("A92", "A95") else "male" for code in status]
    columns["credit_risk"] = ["good" if code == 1 else "bad" for code in columns["credit_risk"]]
    return _bunch(columns, "credit_risk", ["sex"], _GERMAN, backend, return_X_y)
