"""Fetched data sets, from a server on this machine that answers as OpenML does."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import http.server
import importlib.util
import json
import re
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlparse

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn.datasets._openml
from sklearn.utils import Bunch

from fairsk.datasets import (
    _openml,
    fetch_acs_income,
    fetch_bank_marketing,
    fetch_compas,
    fetch_law_school,
)
from fairsk.datasets._published import as_numbers, as_text
from fairsk.metrics import group_metrics


class OpenML:
    """Tables by number, served as descriptions, features, qualities and ARFF; ``asked`` lists the paths."""

    def __init__(self) -> None:
        self.tables: dict[int, tuple[pd.DataFrame, str]] = {}
        self.asked: list[str] = []

    def holds(self, data_id: int, frame: pd.DataFrame, target: str) -> None:
        """Serve a table: text columns are nominal, the others numeric."""
        self.tables[data_id] = frame, target

    def answer(self, path: str) -> bytes | None:
        """Return what OpenML answers; None for a path it does not know."""
        self.asked.append(path)
        number = re.search(r"/(\d+)(/\w+\.arff)?$", path)
        if number is None or int(number[1]) not in self.tables:
            return None
        frame, target = self.tables[int(number[1])]
        arff = self._arff(frame)
        if "/download/" in path:
            return arff
        if "/features/" in path:
            features = [
                {
                    "index": str(i),
                    "name": name,
                    "data_type": "numeric" if pd.api.types.is_numeric_dtype(frame[name]) else "nominal",
                    "is_target": str(name == target).lower(),
                    "is_ignore": "false",
                    "is_row_identifier": "false",
                    "number_of_missing_values": "0",
                }
                for i, name in enumerate(frame.columns)
            ]
            return json.dumps({"data_features": {"feature": features}}).encode()
        if "/qualities/" in path:
            quality = [{"name": "NumberOfInstances", "value": str(len(frame))}]
            return json.dumps({"data_qualities": {"quality": quality}}).encode()
        description = {
            "id": number[1],
            "name": f"table-{number[1]}",
            "version": "1",
            "format": "ARFF",
            "status": "active",
            "description": "a table for tests",
            "file_id": number[1],
            "url": f"https://www.openml.org/data/v1/download/{number[1]}/table.arff",
            "md5_checksum": hashlib.md5(arff).hexdigest(),
        }
        return json.dumps({"data_set_description": description}).encode()

    @staticmethod
    def _arff(frame: pd.DataFrame) -> bytes:
        lines = ["@RELATION table"]
        for name in frame.columns:
            values = sorted(set(frame[name].dropna()))
            numeric = pd.api.types.is_numeric_dtype(frame[name])
            kind = "NUMERIC" if numeric else "{" + ",".join(f"'{value}'" for value in values) + "}"
            lines.append(f"@ATTRIBUTE '{name}' {kind}")
        quoted = frame.astype(object).where(frame.notna(), "?")
        body = quoted.to_csv(index=False, header=False, lineterminator="\n", quotechar="'")
        return ("\n".join([*lines, "@DATA"]) + "\n" + body).encode()


@pytest.fixture
def openml(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenML]:
    """Send what scikit-learn asks of openml.org to a server on this machine."""
    served = OpenML()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = served.answer(self.path)
            self.send_response(404 if answer is None else 200)
            body = b"" if answer is None else gzip.compress(answer)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()

    def urlopen(request: urllib.request.Request, *args: Any, **kwargs: Any) -> Any:
        url = urlparse(request.full_url)
        assert url.netloc in ("www.openml.org", "api.openml.org", "openml.org"), request.full_url
        local = f"http://127.0.0.1:{server.server_port}{url.path}"
        return urllib.request.urlopen(urllib.request.Request(local, headers=dict(request.header_items())))

    monkeypatch.setattr(sklearn.datasets._openml, "urlopen", urlopen)
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def compas_table(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return rows coded as at OpenML, every kind of row among them."""
    race, charge, age = rng.integers(0, 2, n), rng.integers(0, 2, n), rng.integers(18, 80, n)
    table = {
        "sex": pd.Series(rng.integers(0, 2, n)).astype(str),
        "age": age,
        "juv_fel_count": rng.integers(0, 3, n),
        "juv_misd_count": rng.integers(0, 3, n),
        "juv_other_count": rng.integers(0, 3, n),
        "priors_count": rng.integers(0, 30, n),
        "two_year_recid": pd.Series(rng.integers(0, 2, n)).astype(str),
        "age_cat_25-45": (age >= 25) & (age <= 45),
        "age_cat_Greaterthan45": age > 45,
        "age_cat_Lessthan25": age < 25,
        "race_African-American": race == 1,
        "race_Caucasian": race == 0,
        "c_charge_degree_F": charge == 1,
        "c_charge_degree_M": charge == 0,
    }
    frame = pd.DataFrame(table)
    flags = [name for name in frame if frame[name].dtype == bool]
    return frame.assign(**{name: frame[name].astype(int).astype(str) for name in flags})


def bank_table(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return rows with the columns V1 to V16, as at OpenML."""
    kinds = {2: ["admin.", "blue-collar"], 3: ["married", "single"], 4: ["primary", "unknown"]}
    kinds |= {i: ["no", "yes"] for i in (5, 7, 8)}
    kinds |= {9: ["cellular"], 11: ["may", "jun"], 16: ["unknown", "failure"]}
    columns = {
        f"V{i}": rng.choice(kinds[i], n).astype(object) if i in kinds else rng.integers(18, 90, n)
        for i in range(1, 17)
    }
    return pd.DataFrame({**columns, "Class": rng.choice(["1", "2"], n).astype(object)})


def law_table(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return rows with grades of one decimal, and the label that follows from one of them."""
    ugpa = rng.integers(20, 40, n) / 10
    return pd.DataFrame(
        {
            "age": rng.integers(20, 60, n),
            "decile1": rng.integers(1, 11, n),
            "decile3": rng.integers(1, 11, n),
            "fam_inc": rng.integers(1, 6, n),
            "lsat": rng.integers(20, 97, n) / 2,
            "ugpa": ugpa,
            "gender": rng.choice(["male", "female"], n).astype(object),
            "race1": rng.choice(["white", "non-white"], n).astype(object),
            "cluster": rng.choice(list("123456"), n).astype(object),
            "fulltime": rng.choice(["1", "2"], n).astype(object),
            "bar": rng.choice(["TRUE", "FALSE"], n).astype(object),
            "ugpagt3": np.where(ugpa > 3, "TRUE", "FALSE").astype(object),
        }
    )


def acs_table(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return rows of California, Texas and Puerto Rico."""
    codes = {"AGEP": 90, "COW": 8, "SCHL": 24, "MAR": 5, "OCCP": 9000, "POBP": 500, "RELP": 17, "WKHP": 99}
    columns = {name: rng.integers(1, most + 1, n) for name, most in codes.items()}
    columns |= {"SEX": rng.integers(1, 3, n), "RAC1P": rng.integers(1, 10, n)}
    return pd.DataFrame(columns | {"ST": rng.choice([6, 48, 72], n), "PINCP": rng.integers(100, 10**6, n)})


class Case(Bunch):
    """A fetcher, the constant of its module with what is known, and a table of its form."""


CASES = {
    "acs_income": Case(
        fetch=fetch_acs_income, known="_ACS_INCOME", table=acs_table, target="PINCP", label="PINCP"
    ),
    "compas": Case(
        fetch=fetch_compas,
        known="_COMPAS",
        table=compas_table,
        target="two_year_recid",
        label="two_year_recid",
    ),
    "bank_marketing": Case(
        fetch=fetch_bank_marketing, known="_BANK_MARKETING", table=bank_table, target="Class", label="y"
    ),
    "law_school": Case(
        fetch=fetch_law_school, known="_LAW_SCHOOL", table=law_table, target="ugpagt3", label="bar"
    ),
}
ROWS = 400


@pytest.fixture(params=CASES)
def case(
    request: pytest.FixtureRequest, openml: OpenML, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> Case:
    """Serve a table of each form, of few rows, which are what is known from here on."""
    chosen = CASES[request.param]
    table = chosen.table(ROWS, np.random.default_rng(0))
    known = getattr(_openml, chosen.known)
    labels = Counter(
        np.where(table[chosen.target].isin(["1"]), *LABELS.get(request.param, ("", ""))).tolist()
    )
    known = dataclasses.replace(known, n_rows=ROWS, labels=labels if known.labels else {})
    monkeypatch.setattr(_openml, chosen.known, known)
    openml.holds(known.data_id, table, chosen.target)

    def fetch(**options: Any) -> Any:
        return chosen.fetch(**{"data_home": tmp_path, **options})

    return Case(**chosen | {"fetch": fetch, "published": table, "known": known, "openml": openml})


#: What the code "1" of the label stands for, and the other code, where the numbers of labels are known.
LABELS = {"compas": ("yes", "no"), "bank_marketing": ("no", "yes")}
BACKENDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table}


def test_data_come_as_those_that_are_bundled(case: Case) -> None:
    data = case.fetch()
    assert data.data.shape[0] == ROWS
    assert isinstance(data.target, pd.Series)
    assert data.target.name == data.target_name == case.label
    assert data.feature_names == list(data.data.columns)
    assert case.label not in data.feature_names
    assert len(set(data.target)) == 2
    assert all(isinstance(label, str) for label in data.target)
    description = " ".join(data.DESCR.split())
    assert "icence" in description
    assert f"OpenML {case.known.data_id}" in description
    group_metrics(
        None, data.target, sensitive_features=data.data[data.sensitive_features], pos_label=max(data.target)
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_holds_the_same_values(case: Case, backend: Any) -> None:
    X, y = case.fetch(return_X_y=True, backend=backend)
    reference = case.fetch()
    assert isinstance(X, BACKENDS[backend])
    assert (
        y.tolist() == reference.target.tolist()
        if backend != "polars"
        else y.to_list() == list(reference.target)
    )
    columns = nw.from_native(X).to_dict(as_series=False)
    assert columns == {name: reference.data[name].tolist() for name in reference.data.columns}
    assert all(isinstance(values[0], str | int | float) for values in columns.values())


def test_the_second_call_needs_no_network(case: Case) -> None:
    first = case.fetch()
    asked = len(case.openml.asked)
    assert asked >= 4
    pd.testing.assert_frame_equal(case.fetch().data, first.data)
    assert len(case.openml.asked) == asked
    case.fetch(cache=False)
    assert len(case.openml.asked) > asked


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.iloc[:-1], r"399 rows where 400 are expected"),
        (lambda table: pd.concat([table, table.head(2)]), r"402 rows where 400 are expected"),
        (
            lambda table: table.rename(columns=str.upper).add_prefix("x"),
            r"missing columns .*, unknown columns x",
        ),
        (lambda table: table.assign(more=1), r"unknown columns more\. It is"),
    ],
)
def test_another_table_is_refused(case: Case, change: Callable[[Any], Any], message: str) -> None:
    case.openml.holds(case.known.data_id, change(case.published), case.target)
    with pytest.raises(ValueError, match=message) as caught:
        case.fetch(cache=False)
    assert f"Data set {case.known.data_id} of OpenML ({case.known.name}) is not the one known" in str(
        caught.value
    )
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("case", ["compas", "bank_marketing"], indirect=True)
def test_other_labels_are_refused(case: Case) -> None:
    table = case.published.copy()
    row = table.index[table[case.target] == "1"][0]
    table.loc[row, case.target] = "0" if case.label == "two_year_recid" else "2"
    case.openml.holds(case.known.data_id, table, case.target)
    with pytest.raises(ValueError, match=r"labels \{'no': \d+, 'yes': \d+\} where .* are expected"):
        case.fetch(cache=False)


@pytest.mark.parametrize(
    ("case", "column", "code", "said"),
    [
        ("compas", "two_year_recid", "3", r"unknown codes 3 in the column two_year_recid"),
        ("compas", "sex", "2", r"unknown codes 2 in the column sex"),
        (
            "compas",
            "race_Caucasian",
            "2",
            r"not a single 1 in each row of the columns race_African-American, race_C",
        ),
        ("bank_marketing", "Class", "7", r"unknown codes 7 in the column Class"),
        ("law_school", "bar", "maybe", r"unknown codes 'maybe' in the column bar"),
        ("law_school", "bar", None, r"unknown codes None in the column bar"),
        ("acs_income", "SEX", 3, r"unknown codes 3 in the column SEX"),
        ("acs_income", "RAC1P", 10, r"unknown codes 10 in the column RAC1P"),
    ],
    indirect=["case"],
)
def test_unknown_codes_are_refused(case: Case, column: str, code: Any, said: str) -> None:
    table = case.published.copy()
    table.loc[5, column] = code
    case.openml.holds(case.known.data_id, table, case.target)
    with pytest.raises(ValueError, match=said):
        case.fetch(cache=False)


@pytest.mark.filterwarnings("ignore:A network error occurred while downloading")
def test_a_server_that_does_not_answer(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sklearn.datasets._openml.time, "sleep", lambda seconds: None)
    case.openml.tables.clear()
    with pytest.raises(HTTPError) as caught:
        case.fetch()
    assert "is fetched from openml.org over the network" in caught.value.__notes__[0]
    assert "the bundled load_adult and load_german_credit" in caught.value.__notes__[0]
    caught.value.close()


def test_what_is_installed_and_what_is_asked_for(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="backend must be one of 'pandas', 'polars', 'pyarrow'; got 'spark'"):
        case.fetch(backend="spark")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pandas" else find(name))
    with pytest.raises(ImportError, match=r"is read with pandas: pip install \"fairsk\[demo\]\""):
        case.fetch()


@pytest.mark.parametrize("case", ["compas"], indirect=True)
def test_compas_is_put_together_again(case: Case) -> None:
    data, table = case.fetch(), case.published
    assert data.feature_names == [
        *(
            "sex",
            "race",
            "age",
            "age_cat",
            "juv_fel_count",
            "juv_misd_count",
            "juv_other_count",
            "priors_count",
        ),
        "c_charge_degree",
    ]
    for i in range(ROWS):
        row, published = data.data.iloc[i], table.iloc[i]
        assert row["sex"] == ("Male" if published["sex"] == "1" else "Female")
        assert published[f"race_{row['race']}"] == "1"
        assert published[f"c_charge_degree_{row['c_charge_degree']}"] == "1"
        assert row["age_cat"] == (
            "Less than 25" if row["age"] < 25 else "25 - 45" if row["age"] <= 45 else "Greater than 45"
        )
        assert data.target[i] == ("yes" if published["two_year_recid"] == "1" else "no")
    assert data.data["priors_count"].tolist() == table["priors_count"].tolist()


@pytest.mark.parametrize("case", ["bank_marketing"], indirect=True)
def test_bank_marketing_gets_the_names_of_its_source(case: Case) -> None:
    data, table = case.fetch(), case.published
    assert data.feature_names[::15] == ["age", "poutcome"]
    for number, name in enumerate(data.feature_names, start=1):
        assert data.data[name].tolist() == table[f"V{number}"].tolist()
    assert data.target.tolist() == ["yes" if code == "2" else "no" for code in table["Class"]]


@pytest.mark.parametrize("case", ["law_school"], indirect=True)
def test_law_school_has_no_label_that_repeats_a_feature(case: Case) -> None:
    data, table = case.fetch(), case.published
    assert "ugpagt3" not in data.feature_names
    assert data.data["ugpa"].tolist() == table["ugpa"].tolist()
    assert data.data["cluster"].tolist() == table["cluster"].tolist()
    assert data.target.tolist() == ["passed" if bar == "TRUE" else "failed" for bar in table["bar"]]


@pytest.mark.parametrize("case", ["law_school"], indirect=True)
def test_missing_values_stay_missing(case: Case) -> None:
    table = case.published.copy()
    table.loc[3, ["lsat", "gender"]] = None
    table["age"] = table["age"].astype(float)
    table.loc[4, "age"] = None
    case.openml.holds(case.known.data_id, table, case.target)
    data = case.fetch(cache=False).data
    assert data["lsat"].isna().tolist() == [i == 3 for i in range(ROWS)]
    assert data["age"].isna().tolist() == [i == 4 for i in range(ROWS)]
    assert data["gender"].isna().tolist() == [i == 3 for i in range(ROWS)]


@pytest.mark.parametrize("case", ["acs_income"], indirect=True)
def test_incomes_by_state_and_threshold(case: Case) -> None:
    table = case.published
    data = case.fetch()
    assert data.feature_names == list(table.columns[:10])
    assert data.target.tolist() == [">50000" if income > 50_000 else "<=50000" for income in table["PINCP"]]
    assert data.data["SEX"].tolist() == ["Male" if code == 1 else "Female" for code in table["SEX"]]
    assert set(data.data.loc[table["RAC1P"] == 6, "RAC1P"]) == {"Asian"}
    some = case.fetch(states=["CA", "PR"], income_above=70_000.5)
    kept = table[table["ST"].isin([6, 72])]
    assert some.data["AGEP"].tolist() == kept["AGEP"].tolist()
    assert some.target.tolist() == [
        ">70000.5" if income > 70_000.5 else "<=70000.5" for income in kept["PINCP"]
    ]


@pytest.mark.parametrize("case", ["acs_income"], indirect=True)
@pytest.mark.parametrize(
    ("states", "said"),
    [
        ("CA", r"states must list abbreviations, such as \['CA', 'PR'\]; got 'CA'"),
        ([], r"states must list abbreviations"),
        (["DC"], r"states holds 'DC', which is no two-letter abbreviation"),
        (["C" * 10_000], r"states holds 'CC"),
        ([6], r"states holds 6,"),
    ],
)
def test_states_are_checked_before_anything_is_asked(case: Case, states: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        case.fetch(states=states)
    assert len(str(caught.value)) < 2000
    assert not case.openml.asked


def test_quotes_of_arff_are_taken_off() -> None:
    text = pd.Series(["'a b'", "it's", "'", "''", None, "'a' or 'b'"])
    assert as_text(text) == ["a b", "it's", "'", "", None, "a' or 'b"]
    assert as_numbers(pd.Series(["'1'", "2"])).tolist() == [1, 2]


def test_what_is_known_of_the_published_tables() -> None:
    """From the sources' own descriptions, and for COMPAS counted from ProPublica's file."""
    known = {
        name: (len(table.columns), table.n_rows, table.data_id, sum(table.labels.values()))
        for name, table in vars(_openml).items()
        if isinstance(table, type(_openml._COMPAS))
    }
    assert known == {
        "_ACS_INCOME": (12, 1_664_500, 43141, 0),
        "_COMPAS": (14, 5_278, 42193, 5_278),
        "_BANK_MARKETING": (17, 45_211, 1461, 45_211),
        "_LAW_SCHOOL": (12, 20_800, 43890, 0),
    }
