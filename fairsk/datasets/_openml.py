"""Fetched data sets: public tables that are not bundled, from OpenML, checked to be the ones known here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fairsk._core.messages import did_you_mean, show
from fairsk._core.results import Backend
from fairsk.datasets._bunch import make_bunch
from fairsk.datasets._published import Published, as_numbers, as_text

__all__ = ["fetch_acs_income", "fetch_bank_marketing", "fetch_compas", "fetch_law_school"]


_ACS_INCOME = Published(
    43141,
    "ACSIncome",
    1_664_500,
    ("AGEP", "COW", "SCHL", "MAR", "OCCP", "POBP", "RELP", "WKHP", "SEX", "RAC1P", "ST", "PINCP"),
    """ACSIncome: incomes of 1,664,500 people in the United States and Puerto Rico, 2018.

Outcome: whether the income of a person (``PINCP``, dollars a year) is above a threshold. Sensitive: SEX and
RAC1P, decoded; the other columns are coded as in the survey's data dictionary. Persons above 16 years who
worked at least an hour a week and earned at least 100 dollars a year.
Source: American Community Survey, Public Use Microdata Sample 2018, U.S. Census Bureau; selected as in Ding,
Hardt, Miller & Schmidt, Retiring Adult: New Datasets for Fair Machine Learning, NeurIPS 2021; OpenML 43141.
Licence: data of the U.S. government, free to use under the bureau's terms of service, which forbid looking
for the persons behind the rows.
""",
    all_numbers=True,
)

_COMPAS = Published(
    42193,
    "compas-two-years",
    5_278,
    (
        *("sex", "age", "juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count"),
        *("age_cat_25-45", "age_cat_Greaterthan45", "age_cat_Lessthan25"),
        *("race_African-American", "race_Caucasian", "c_charge_degree_F", "c_charge_degree_M"),
        "two_year_recid",
    ),
    """COMPAS, two-year recidivism (5,278 defendants of Broward County, Florida, 2013 and 2014).

Outcome: charged again within two years, "yes" or "no"; "no" is the favourable one. Sensitive: race
("African-American" or "Caucasian"; others were left out), sex. A new charge is taken for a new offence, and
who is charged differs between groups: differences in the labels are part of what is in question.
Source: ProPublica, How We Analyzed the COMPAS Recidivism Algorithm, 2016; OpenML 42193.
Licence: none is stated with the published files, so the data are not bundled with fairsk.
""",
    {"no": 2_795, "yes": 2_483},
)

_BANK_MARKETING = Published(
    1461,
    "bank-marketing",
    45_211,
    (*(f"V{i}" for i in range(1, 17)), "Class"),
    """Bank marketing (45,211 calls of a Portuguese bank, 2008 to 2010).

Outcome: whether the client subscribed a term deposit, "yes" or "no". Sensitive: marital; age, of
which bands must be made first (``fairsk.selectors.AgeBands``). ``duration`` is the length of the call, known
only when the outcome is: leave it out of the features.
Source: Moro, Cortez & Rita, Bank Marketing, UCI Machine Learning Repository, 2014, licence CC BY 4.0; OpenML
1461, whose columns V1 to V16 get the names of the source here.
""",
    {"no": 39_922, "yes": 5_289},
)
_BANK_COLUMNS = (
    *("age", "job", "marital", "education", "default", "balance", "housing", "loan", "contact", "day"),
    *("month", "duration", "campaign", "pdays", "previous", "poutcome"),
)

_LAW_SCHOOL = Published(
    43890,
    "law-school-admission-bianry",  # so spelt there
    20_800,
    (
        *("age", "decile1", "decile3", "fam_inc", "lsat", "ugpa"),
        *("gender", "race1", "cluster", "fulltime", "bar", "ugpagt3"),
    ),
    """Law school (20,800 students of law schools of the United States, from 1991 on).

Outcome: whether the student passed the bar exam on the first try, "passed" or "failed". Sensitive: race1
("white" or "non-white"), gender. The label that OpenML names, ``ugpagt3``, says whether ``ugpa``,
a column of the same table, is above 3: it is left out, and ``bar`` is the label.
Source: Wightman, LSAC National Longitudinal Bar Passage Study, 1998, in the form of the R package fairml;
OpenML 43890.
Licence: none is stated with the data, so they are not bundled with fairsk.
""",
)

_RACES = {
    1: "White",
    2: "Black or African American",
    3: "American Indian",
    4: "Alaska Native",
    5: "American Indian or Alaska Native, tribe specified or not",
    6: "Asian",
    7: "Native Hawaiian or Pacific Islander",
    8: "Some other race",
    9: "Two or more races",
}

#: The codes of the states at the census bureau (FIPS 5-2).
# fmt: off
_STATES = {
    "AL": 1, "AK": 2, "AZ": 4, "AR": 5, "CA": 6, "CO": 8, "CT": 9, "DE": 10, "FL": 12, "GA": 13,
    "HI": 15, "ID": 16, "IL": 17, "IN": 18, "IA": 19, "KS": 20, "KY": 21, "LA": 22, "ME": 23, "MD": 24,
    "MA": 25, "MI": 26, "MN": 27, "MS": 28, "MO": 29, "MT": 30, "NE": 31, "NV": 32, "NH": 33, "NJ": 34,
    "NM": 35, "NY": 36, "NC": 37, "ND": 38, "OH": 39, "OK": 40, "OR": 41, "PA": 42, "RI": 44, "SC": 45,
    "SD": 46, "TN": 47, "TX": 48, "UT": 49, "VT": 50, "VA": 51, "WA": 53, "WV": 54, "WI": 55, "WY": 56,
    "PR": 72,
}
# fmt: on


def fetch_acs_income(
    *,
    states: Sequence[str] | None = None,
    income_above: float = 50_000,
    return_X_y: bool = False,
    backend: Backend | None = None,
    data_home: str | Path | None = None,
    cache: bool = True,
) -> Any:
    """Fetch the ACSIncome data of 2018, which say who earns more than a threshold.

    Goes to openml.org over the network when it is called (about 1.7 million rows), and only then.

    Parameters
    ----------
    states : sequence of str, optional
        Two-letter abbreviations, such as ``["CA", "PR"]``; by default all fifty states and Puerto Rico.
    income_above : float, default=50_000
        Dollars a year. The label is whether a person earns more.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    backend : {"pandas", "polars", "pyarrow"}, optional
        The dataframe library; by default the first of these that is installed. Fetching itself needs pandas.
    data_home : str or path, optional
        Where the fetched file is kept; by default scikit-learn's data folder.
    cache : bool, default=True
        Whether to keep the fetched file, so that the next call needs no network.

    Returns
    -------
    Bunch or tuple
        ``data`` (a frame of 1,664,500 rows and 10 columns, fewer rows for some states), ``target`` (text
        labels such as ``">50000"`` and ``"<=50000"``: a series named ``PINCP``, or an array with pyarrow),
        ``target_name``, ``feature_names``, ``sensitive_features`` and ``DESCR``.

    Raises
    ------
    OSError
        If openml.org cannot be reached and there is no copy in ``data_home``.
    ValueError
        If a state is unknown, or what comes back is not the known table.
    ImportError
        If pandas is not installed.

    See Also
    --------
    load_adult : The older data that these were made to replace, bundled.

    Notes
    -----
    ``SEX`` and ``RAC1P`` are decoded to words; the other columns hold the codes of the survey's data
    dictionary, so that ``COW``, ``MAR``, ``OCCP``, ``POBP`` and ``RELP`` are categories written as numbers.
    The sampling weights of the survey are not part of the data at OpenML: rates are those of the sample.

    References
    ----------
    Ding, Hardt, Miller & Schmidt, Retiring Adult: New Datasets for Fair Machine Learning, NeurIPS 2021. Data:
    U.S. Census Bureau, ACS Public Use Microdata Sample 2018, under the bureau's terms of service; OpenML
    43141.

    Examples
    --------
    >>> from fairsk.datasets import fetch_acs_income
    >>> X, y = fetch_acs_income(states=["CA"], return_X_y=True)  # doctest: +SKIP
    """
    if isinstance(states, str) or (states is not None and not len(states)):
        raise ValueError(f"states must list abbreviations, such as ['CA', 'PR']; got {show(states)}.")
    for state in states or ():
        if state not in _STATES:
            raise ValueError(
                f"states holds {show(state)}, which is no two-letter abbreviation of a state, such as 'CA', "
                f"nor 'PR' for Puerto Rico.{did_you_mean(state, _STATES)}"
            )
    frame = _ACS_INCOME.fetch(data_home, cache)
    if states is not None:
        frame = frame[np.isin(as_numbers(frame["ST"]), [_STATES[state] for state in states])]
    columns: dict[str, Any] = {name: as_numbers(frame[name]) for name in _ACS_INCOME.columns if name != "ST"}
    columns["SEX"] = _ACS_INCOME.decode(frame, "SEX", {1: "Male", 2: "Female"})
    columns["RAC1P"] = _ACS_INCOME.decode(frame, "RAC1P", _RACES)
    limit = f"{income_above:.12g}"
    above = columns["PINCP"] > income_above
    columns["PINCP"] = np.where(above, f">{limit}", f"<={limit}").tolist()
    return make_bunch(
        columns,
        target="PINCP",
        sensitive_features=["SEX", "RAC1P"],
        description=_ACS_INCOME.description,
        backend=backend,
        return_X_y=return_X_y,
    )


def fetch_compas(
    *,
    return_X_y: bool = False,
    backend: Backend | None = None,
    data_home: str | Path | None = None,
    cache: bool = True,
) -> Any:
    """Fetch the COMPAS data, which say which defendants were charged again within two years.

    Goes to openml.org over the network when it is called, and only then.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    backend : {"pandas", "polars", "pyarrow"}, optional
        The dataframe library; by default the first of these that is installed. Fetching itself needs pandas.
    data_home : str or path, optional
        Where the fetched file is kept; by default scikit-learn's data folder.
    cache : bool, default=True
        Whether to keep the fetched file, so that the next call needs no network.

    Returns
    -------
    Bunch or tuple
        ``data`` (a frame of 5,278 rows and 9 columns), ``target`` (text labels ``"yes"`` and ``"no"``: a
        series named ``two_year_recid``, or an array with pyarrow), ``target_name``, ``feature_names``,
        ``sensitive_features`` and ``DESCR``.

    Raises
    ------
    OSError
        If openml.org cannot be reached and there is no copy in ``data_home``.
    ValueError
        If what comes back is not the known table.
    ImportError
        If pandas is not installed.

    See Also
    --------
    load_german_credit : Another small table, bundled.

    Notes
    -----
    The indicators of OpenML (``race_Caucasian`` and the like) are put together again as ``race``,
    ``age_cat`` and ``c_charge_degree``. ``age_cat`` repeats ``age``. The favourable outcome is ``"no"``: pass
    ``pos_label="no"`` where selection means to be spared. A new charge is not a new offence, and COMPAS's own
    scores are not part of these data.

    References
    ----------
    Larson, Mattu, Kirchner & Angwin, How We Analyzed the COMPAS Recidivism Algorithm, ProPublica, 2016; no
    licence is stated. OpenML 42193.

    Examples
    --------
    >>> from fairsk.datasets import fetch_compas
    >>> compas = fetch_compas()  # doctest: +SKIP
    """
    frame = _COMPAS.fetch(data_home, cache)
    labels = _COMPAS.decode(frame, "two_year_recid", {0: "no", 1: "yes"})
    _COMPAS.check_labels(labels)
    ages = {
        "age_cat_Lessthan25": "Less than 25",
        "age_cat_25-45": "25 - 45",
        "age_cat_Greaterthan45": "Greater than 45",
    }
    columns: dict[str, Any] = {"sex": _COMPAS.decode(frame, "sex", {0: "Female", 1: "Male"})}
    columns["race"] = _COMPAS.join_indicators(
        frame, {"race_African-American": "African-American", "race_Caucasian": "Caucasian"}
    )
    columns["age"] = as_numbers(frame["age"])
    columns["age_cat"] = _COMPAS.join_indicators(frame, ages)
    for name in ("juv_fel_count", "juv_misd_count", "juv_other_count", "priors_count"):
        columns[name] = as_numbers(frame[name])
    columns["c_charge_degree"] = _COMPAS.join_indicators(
        frame, {"c_charge_degree_F": "F", "c_charge_degree_M": "M"}
    )
    columns["two_year_recid"] = labels
    return make_bunch(
        columns,
        target="two_year_recid",
        sensitive_features=["race", "sex"],
        description=_COMPAS.description,
        backend=backend,
        return_X_y=return_X_y,
    )


def fetch_bank_marketing(
    *,
    return_X_y: bool = False,
    backend: Backend | None = None,
    data_home: str | Path | None = None,
    cache: bool = True,
) -> Any:
    """Fetch the bank marketing data, which say which clients subscribed a term deposit.

    Goes to openml.org over the network when it is called, and only then.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    backend : {"pandas", "polars", "pyarrow"}, optional
        The dataframe library; by default the first of these that is installed. Fetching itself needs pandas.
    data_home : str or path, optional
        Where the fetched file is kept; by default scikit-learn's data folder.
    cache : bool, default=True
        Whether to keep the fetched file, so that the next call needs no network.

    Returns
    -------
    Bunch or tuple
        ``data`` (a frame of 45,211 rows and 16 columns), ``target`` (text labels ``"yes"`` and ``"no"``: a
        series named ``y``, or an array with pyarrow), ``target_name``, ``feature_names``,
        ``sensitive_features`` and ``DESCR``.

    Raises
    ------
    OSError
        If openml.org cannot be reached and there is no copy in ``data_home``.
    ValueError
        If what comes back is not the known table.
    ImportError
        If pandas is not installed.

    See Also
    --------
    fairsk.selectors.AgeBands : Groups by age.

    Notes
    -----
    ``duration`` is the length of the call, which is known only when the outcome is: leave it out of the
    features. The columns have no names at OpenML (V1 to V16); they get those of the source here.

    References
    ----------
    Moro, Cortez & Rita, Bank Marketing, UCI Machine Learning Repository, 2014, licence CC BY 4.0; OpenML
    1461.

    Examples
    --------
    >>> from fairsk.datasets import fetch_bank_marketing
    >>> X, y = fetch_bank_marketing(return_X_y=True)  # doctest: +SKIP
    """
    frame = _BANK_MARKETING.fetch(data_home, cache)
    labels = _BANK_MARKETING.decode(frame, "Class", {1: "no", 2: "yes"})
    _BANK_MARKETING.check_labels(labels)
    numbers = {"age", "balance", "day", "duration", "campaign", "pdays", "previous"}
    columns: dict[str, Any] = {}
    for published, name in zip(_BANK_MARKETING.columns, _BANK_COLUMNS, strict=False):
        columns[name] = as_numbers(frame[published]) if name in numbers else as_text(frame[published])
    columns["y"] = labels
    return make_bunch(
        columns,
        target="y",
        sensitive_features=["marital"],
        description=_BANK_MARKETING.description,
        backend=backend,
        return_X_y=return_X_y,
    )


def fetch_law_school(
    *,
    return_X_y: bool = False,
    backend: Backend | None = None,
    data_home: str | Path | None = None,
    cache: bool = True,
) -> Any:
    """Fetch the law school data, which say which students passed the bar exam.

    Goes to openml.org over the network when it is called, and only then.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    backend : {"pandas", "polars", "pyarrow"}, optional
        The dataframe library; by default the first of these that is installed. Fetching itself needs pandas.
    data_home : str or path, optional
        Where the fetched file is kept; by default scikit-learn's data folder.
    cache : bool, default=True
        Whether to keep the fetched file, so that the next call needs no network.

    Returns
    -------
    Bunch or tuple
        ``data`` (a frame of 20,800 rows and 10 columns), ``target`` (text labels ``"passed"`` and
        ``"failed"``: a series named ``bar``, or an array with pyarrow), ``target_name``, ``feature_names``,
        ``sensitive_features`` and ``DESCR``.

    Raises
    ------
    OSError
        If openml.org cannot be reached and there is no copy in ``data_home``.
    ValueError
        If what comes back is not the known table.
    ImportError
        If pandas is not installed.

    See Also
    --------
    load_adult : A larger table with two sensitive columns, bundled.

    Notes
    -----
    OpenML names ``ugpagt3`` as the label: whether ``ugpa``, a feature of the same table, is above 3. Models
    that get both are right in every row, which says nothing; ``bar`` is the label here, and ``ugpagt3`` is
    left out. ``decile1`` and ``decile3`` are ranks at law school: they are not known at admission.

    References
    ----------
    Wightman, LSAC National Longitudinal Bar Passage Study, LSAC Research Report Series, 1998; no licence is
    stated. In the form of the R package fairml; OpenML 43890.

    Examples
    --------
    >>> from fairsk.datasets import fetch_law_school
    >>> law = fetch_law_school()  # doctest: +SKIP
    """
    frame = _LAW_SCHOOL.fetch(data_home, cache)
    numbers = ("age", "decile1", "decile3", "fam_inc", "lsat", "ugpa")
    columns: dict[str, Any] = {name: as_numbers(frame[name]) for name in numbers}
    for name in ("gender", "race1", "cluster", "fulltime"):
        columns[name] = as_text(frame[name])
    columns["bar"] = _LAW_SCHOOL.decode(frame, "bar", {"TRUE": "passed", "FALSE": "failed"})
    return make_bunch(
        columns,
        target="bar",
        sensitive_features=["race1", "gender"],
        description=_LAW_SCHOOL.description,
        backend=backend,
        return_X_y=return_X_y,
    )
