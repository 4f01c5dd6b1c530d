"""The bundled data sets: compressed CSV files beside this module, read without any dataframe library."""

from __future__ import annotations

import csv
import gzip
import io
from importlib.resources import files
from typing import Any

from fairsk._core.results import Backend
from fairsk.datasets._bunch import make_bunch

__all__ = ["load_adult", "load_german_credit"]

_ADULT = """Adult census income, 1994 (45,222 rows without missing values).

Outcome: salary above 50,000 dollars a year. Sensitive: sex, race.
Source: Becker & Kohavi, Adult, UCI Machine Learning Repository, 1996, licence CC BY 4.0.
``fnlwgt`` is the census bureau's sampling weight, not a property of the person: leave it out of the features.
``relationship`` gives the sex of half of the persons away: 18,665 of 18,666 with "Husband" are male, 2,090 of
2,091 with "Wife" female. A model without the column ``sex`` still knows it there.
"""
_GERMAN = """Statlog German credit (1,000 rows), coded as published.

Outcome: credit risk, "good" or "bad". Sensitive: sex, derived from ``personal_status_and_sex`` (A92 and A95
are female), and ``age_in_years``. The column it is derived from is left out unless it is asked for: it gives
the sex of every person away, so that a model without the column ``sex`` would still know it.
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
        ``">50K"``: a series named ``salary``, or an array with pyarrow), ``target_name``,
        ``feature_names``, ``sensitive_features`` and ``DESCR``.

    Raises
    ------
    ImportError
        If no dataframe library is installed.

    See Also
    --------
    load_german_credit : A smaller table, with text and numbers.
    fetch_acs_income : The same question of 1.7 million people, in 2018.
    fairsk.audit.audit_dataset : What a table says about its groups before any model is trained.

    Notes
    -----
    Two columns are traps. ``fnlwgt`` is the census bureau's sampling weight, not a property of the person.
    ``relationship`` repeats the sex of half of the persons: "Husband" is male and "Wife" female, but for one
    row each. Both are kept, as published.

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
    return make_bunch(
        _read("adult"),
        target="salary",
        sensitive_features=["sex", "race"],
        description=_ADULT,
        backend=backend,
        return_X_y=return_X_y,
    )


def load_german_credit(
    *, return_X_y: bool = False, backend: Backend | None = None, keep_personal_status: bool = False
) -> Any:
    """Load the German credit data, which say who is a good credit risk.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    backend : {"pandas", "polars", "pyarrow"}, optional
        The dataframe library; by default the first of these that is installed.
    keep_personal_status : bool, default=False
        Whether to keep the column ``personal_status_and_sex``, from which ``sex`` is derived.

    Returns
    -------
    Bunch or tuple
        ``data`` (a frame of 1,000 rows and 20 columns; 21 with the personal status), ``target`` (text labels
        ``"good"`` and ``"bad"``: a series named ``credit_risk``, or an array with pyarrow),
        ``target_name``, ``feature_names``, ``sensitive_features`` and ``DESCR``.

    Raises
    ------
    ImportError
        If no dataframe library is installed.

    See Also
    --------
    load_adult : A larger table, with two sensitive columns.
    fairsk.audit.audit_dataset : What a table says about its groups before any model is trained.

    Notes
    -----
    ``personal_status_and_sex`` gives the sex of every person away (A92 is female, any other code that occurs
    is male). It is left out by default: with it, a model from which the column ``sex`` was removed still
    knows the sex, and an audit of the data finds a perfect proxy.

    References
    ----------
    Hofmann, Statlog (German Credit Data), UCI Machine Learning Repository, 1994, licence CC BY 4.0.

    Examples
    --------
    >>> from fairsk.datasets import load_german_credit
    >>> X, y = load_german_credit(return_X_y=True)
    >>> X.shape, sorted(set(y))
    ((1000, 20), ['bad', 'good'])
    """
    columns = _read("german_credit")
    status = columns["personal_status_and_sex"]
    if not keep_personal_status:
        del columns["personal_status_and_sex"]
    columns["sex"] = ["female" if code in ("A92", "A95") else "male" for code in status]
    columns["credit_risk"] = ["good" if code == 1 else "bad" for code in columns["credit_risk"]]
    return make_bunch(
        columns,
        target="credit_risk",
        sensitive_features=["sex"],
        description=_GERMAN,
        backend=backend,
        return_X_y=return_X_y,
    )
