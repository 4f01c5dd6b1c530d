"""Verification of reports: what was changed is found, what is right is not, and nothing raises."""

from __future__ import annotations

import dataclasses
import hashlib
import html
import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from random_reports import (
    Told,
    at,
    changed,
    leaves,
    other_shapes,
    other_values,
    random_options,
    random_report,
    random_rows,
)

from fairsk._core.canonical import (
    canonical,
    differences,
    digest,
    indented,
    parse,
    plain_numbers,
)
from fairsk._pages.charts import charts_of, with_marker
from fairsk.audit import AuditReport, audit_models, audit_predictions, verify
from fairsk.audit._evidence import Evidence
from fairsk.audit._report import verification
from fairsk.audit._report.criteria import Criterion, Settings
from fairsk.audit._report.results import (
    CalibrationBin,
    CriterionResult,
    GroupRateResult,
    PairResult,
    Results,
    ScoreResult,
)
from fairsk.audit._small_groups import MergedGroups
from fairsk.metrics import GroupCounts

RNG = np.random.default_rng(0)
N = 300
PEOPLE = pd.DataFrame(
    {"sex": RNG.choice(["f", "m"], N), "race": RNG.choice(["a", "b", "c"], N, p=[0.7, 0.28, 0.02])}
)
Y_TRUE, Y_PRED, SCORE = RNG.integers(0, 2, N), RNG.integers(0, 2, N), RNG.random(N)
ROWS: dict[str, Any] = {"y_true": Y_TRUE, "y_pred": Y_PRED, "y_score": SCORE, "sensitive_features": PEOPLE}
TABLE = PEOPLE.assign(hired=Y_TRUE, predicted=Y_PRED, score=SCORE)
COLUMNS = {"y_true": "hired", "y_pred": "predicted", "sensitive_features": ["sex", "race"]}


@pytest.fixture(scope="module")
def report() -> AuditReport:
    return audit_predictions(**ROWS, min_ratio=0.8, provenance={"model": "v1"}, bins=8)


@pytest.fixture(scope="module")
def page(report: AuditReport) -> str:
    return report.to_html()


def forged(document: Any) -> Any:
    """Return a document with the digest that belongs to it, as whoever changes it would write."""
    return document | {"digest": digest(document)}


# --- canonical text ---------------------------------------------------------------------------------------


def test_numbers_have_one_form() -> None:
    given = {
        "whole": np.float64(3),
        "count": 12_345_678_901_234.0,
        "sum": 0.1 + 0.2,
        "nothing": math.nan,
        "ends": (math.inf, -math.inf),
        "array": np.array([[1.0, 2.5]]),
        "flags": [True, np.bool_(False)],
        "large": 2.0**60,
        "half": "a\ud800b",
        "edges": [0.1 + 0.2],
        "groups": [(0.1 + 0.2, "x"), 2.0],
    }
    expected = {
        "whole": 3,
        "count": 12_345_678_901_234,
        "sum": 0.3,
        "nothing": None,
        "ends": ["inf", "-inf"],
        "array": [[1, 2.5]],
        "flags": [True, False],
        "large": 2.0**60,
        "half": "a\ufffdb",
        "edges": [0.30000000000000004],
        "groups": [[0.30000000000000004, "x"], 2],
    }
    found = plain_numbers(given)
    assert found == expected
    kinds = [type(found[name]) for name in ("whole", "count", "sum", "large")]
    assert kinds == [int, int, float, float]
    assert type(found["flags"][1]) is bool


def test_the_digest_is_that_of_three_lines_of_python() -> None:
    document = {"b": [1, 0.5, None], "a": "\u00e9\u202e", "digest": "not part of it"}
    text = '{"a":"\u00e9\u202e","b":[1,0.5,null]}'
    assert canonical({"b": document["b"], "a": document["a"]}) == text
    assert digest(document) == "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert digest(document, "salt") == "sha256:" + hashlib.sha256(b"salt" + text.encode()).hexdigest()
    with pytest.raises(ValueError, match="JSON"):
        canonical([math.nan])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "b": {"a": 1, "a": 2}}', "'a' stands twice"),
        ("[NaN]", "NaN is no JSON"),
        ("[-Infinity]", "-Infinity is no JSON"),
        ("[1e999]", "too large"),
        (f"[{'9' * 5000}]", "5,000 digits"),
        (f"[0.{'1' * 5000}]", "too long"),
        ("[" * 100 + "]" * 100, "64 levels"),
        ("[" * 100_000, "too deeply"),
        ('{"a":' * 100_000, "too deeply"),
        ('["\\ud800"]', "half a character"),
        ('{"\\udfff": 1}', "half a character"),
        (b"\xff{}", "byte 0 is not UTF-8"),
        ("", "character 0"),
        ("{} {}", "Extra data"),
        ("\ufeff{}", "BOM"),
        ("{'a': 1}", "double quotes"),
    ],
)
def test_json_from_outside_is_read_strictly(text: str | bytes, why: str) -> None:
    document, findings = parse(text)
    assert document is None
    assert [one.kind for one in findings] == ["unreadable"]
    assert why in findings[0].sentence
    assert len(findings[0].sentence) < 300


def test_too_long_a_text_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fairsk._core.canonical._MOST_CHARACTERS", 10)
    assert "10 are read at most" in parse('["0123456789"]')[1][0].sentence


def test_every_leaf_that_differs_is_named() -> None:
    said = {
        "n": 1,
        "x": 1.0,
        "t": "a",
        "f": 1,
        "l": [1, 2],
        "more": 0,
        "deep": [{"a/b": None}],
        "int": 10**15,
    }
    again = {"n": 1.0, "x": 1 + 1e-12, "t": "b", "f": True, "l": [1], "less": 0, "deep": [{"a/b": 0}]}
    again["int"] = 10**15 + 1
    found = differences(said, again)
    assert {(one.kind, one.path) for one in found} == {
        ("changed", "t"),
        ("changed", "f"),
        ("changed", "l"),
        ("unknown", "more"),
        ("missing", "less"),
        ("changed", "deep/0/a~1b"),
        ("changed", "int"),
    }
    assert "t is 'a'; computed again, it is 'b'." in {one.sentence for one in found}
    assert differences([0.5], [0.5000001])
    assert not differences([0.5], [0.5 + 1e-11])
    assert not differences([0], [1e-17])  # a difference of equal rates


# --- what is right ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_found_in_reports_that_are_right(seed: int) -> None:
    right = random_report(seed)
    for text in (right.to_json(), right.to_html(charts=seed % 4 == 0), right):
        found = verify(text)
        assert found.findings == ()
        assert found.ok
        assert found.exit_code == 0
        assert found.digest == right.digest


def test_a_report_that_holds_says_what_was_looked_at(report: AuditReport, page: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    found = verify(path)
    assert found
    assert (found.form, found.title, found.stated) == ("page", report.title, ("the title", "provenance"))
    assert found.n_recomputed == sum(1 for _ in leaves(report.to_document()["results"]))
    assert f"{found.n_recomputed:,} values were computed again" in str(found)
    assert "takes the rows" in str(found)
    assert verify(str(path)).ok
    assert verify(page.encode()).ok
    assert AuditReport.from_json(report.to_json()).to_html() == page


def test_the_order_of_models_and_of_what_is_said_stays() -> None:
    answers = {"z": Y_PRED, "a": 1 - Y_PRED}
    first = random_report(0)
    both = dataclasses.replace(first, stated={"provenance": {"z": 1, "a": 2, "fairsk": "0"}})
    assert list(AuditReport.from_json(both.to_json()).stated["provenance"]) == ["z", "a", "fairsk"]
    models = {name: Told(y_pred, SCORE) for name, y_pred in answers.items()}
    several = audit_models(models, np.zeros((N, 1)), Y_TRUE, sensitive_features=PEOPLE, max_difference=0.1)
    assert [row.model for row in several.criteria] == ["z"] * 3 + ["a"] * 3
    assert verify(several.to_json())
    assert verify(several.to_html(charts=False))
    against = {name: ROWS | {"y_pred": y_pred} for name, y_pred in answers.items()}
    assert verify(several, against=against)
    found = verify(several, against=against | {"a": against["z"]})
    assert {one.path.split("/")[1] for one in found.findings} == {"a"}
    with pytest.raises(ValueError, match="of several models"):
        verify(several, against=ROWS)


# --- what was changed -------------------------------------------------------------------------------------


def test_a_change_of_any_leaf_changes_the_digest(report: AuditReport) -> None:
    document = report.to_document()
    text = canonical(document)
    for path in leaves(document):
        for value in other_values(at(document, path)):
            # The text of a document differs wherever the text of a leaf does.
            assert canonical(value) != canonical(at(document, path))
    assert digest(document) == "sha256:" + hashlib.sha256(_without_digest(text)).hexdigest()


def _without_digest(text: str) -> bytes:
    return canonical({k: v for k, v in json.loads(text).items() if k != "digest"}).encode()


@pytest.mark.parametrize("seed", [0, 2, 3, 4])
def test_changed_results_are_named_although_the_digest_fits(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only settings and evidence are computed from, so one recomputation serves for all changes."""
    right = random_report(100 + seed)
    document = right.to_document()
    computed = verification._compute_again(document)
    monkeypatch.setattr(verification, "_compute_again", lambda document: computed)
    rng = np.random.default_rng(seed)
    paths = [path for path in leaves(document) if path[0] == "results"]
    for place in rng.integers(0, len(paths), 15):
        path = paths[place]
        values = other_values(at(document, path))
        bad = forged(changed(document, path, values[rng.integers(0, len(values))]))
        found = verify(json.dumps(bad))
        named = "/".join(str(step).replace("~", "~0").replace("/", "~1") for step in path)
        assert [(one.kind, one.path) for one in found.findings] == [("changed", named)]
        for shape in other_shapes(document, path):
            assert verify(json.dumps(forged(shape))).exit_code == 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_changed_leaf_is_found(seed: int) -> None:
    document = random_report(200 + seed).to_document()
    rng = np.random.default_rng(seed)
    paths = list(leaves(document))
    for place in rng.integers(0, len(paths), 12):
        values = other_values(at(document, paths[place]))
        bad = changed(document, paths[place], values[rng.integers(0, len(values))])
        assert not verify(json.dumps(bad)).ok


def test_a_changed_count_is_named_by_what_no_longer_follows(report: AuditReport) -> None:
    document = report.to_document()
    bad = forged(changed(document, ("evidence", "", "counts", "cells", "tp", 0), 40))
    found = verify(json.dumps(bad))
    kinds = {one.kind for one in found.findings}
    assert kinds == {"changed"}  # the digest fits
    paths = [one.path for one in found.findings]
    assert any(path.startswith("results/criteria/") for path in paths)
    assert any(path.startswith("results/rates/") for path in paths)
    assert any("rows of the group" in one.sentence for one in found.findings)  # the tables contradict


def test_a_changed_bound_is_found(report: AuditReport) -> None:
    bad = forged(changed(report.to_document(), ("settings", "criteria", 0, "min_ratio"), 0.5))
    assert any(one.path == "results/criteria/0/bound" for one in verify(json.dumps(bad)).findings)


def test_counts_invented_as_a_whole_follow_from_themselves(report: AuditReport) -> None:
    """What verification does not prove, and what does: the rows, or a digest that was published."""
    invented = audit_predictions(**ROWS | {"y_pred": 1 - Y_PRED}, min_ratio=0.8, provenance={"model": "v1"})
    assert verify(invented.to_json())
    assert not verify(invented.to_json(), against=ROWS)
    assert not verify(invented.to_json(), commitment=report.commitment())


def test_another_version_is_said(report: AuditReport) -> None:
    document = report.to_document()
    bad = changed(document, ("stated", "provenance", "fairsk"), "99.0")
    # Whatever else differs may be due to the version, so the version is a finding of its own beside it.
    value = at(document, ("results", "rates", 0, "value"))
    bad = forged(changed(bad, ("results", "rates", 0, "value"), value + 0.01))
    found = verify(json.dumps(bad))
    assert {one.kind for one in found.findings} == {"changed", "version"}
    assert "99.0" in str(found)
    newer = verify(json.dumps(document | {"schema_version": "fairsk.audit-report/2"}))
    assert [one.kind for one in newer.findings] == ["version"]


# --- pages ------------------------------------------------------------------------------------------------


def test_random_bytes_of_a_page(page: str) -> None:
    data = page.encode()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(data), 40):
        byte = int(rng.integers(0, 256))
        if data[place] != byte:
            assert not verify(data[:place] + bytes([byte]) + data[place + 1 :]).ok


@pytest.mark.parametrize(
    "change",
    [
        lambda page: page.replace("<body", '<body onload="alert(1)"'),
        lambda page: page.replace("</main>", "<script>alert(1)</script></main>"),
        lambda page: page.replace("</main>", "</main><!-- -->"),
        lambda page: page + "\n",
        lambda page: page.replace("FAIL", "PASS"),
        lambda page: page.replace("INCONCLUSIVE", "PASS"),
        lambda page: page.replace("\n", "\r\n"),
        lambda page: page.replace('<pre id="fairsk-report">', '<pre id="fairsk-report">{}</pre><pre id="x">'),
        lambda page: page.replace('<pre id="fairsk-report">', '<pre id="other">'),
        lambda page: page.replace("</figure>", "</figure><p>All is well</p>", 1),
        lambda page: page.replace('"title"', '"title" ', 1),
    ],
)
def test_changes_of_a_page(page: str, change: Callable[[str], str]) -> None:
    assert change(page) != page
    assert not verify(change(page)).ok


@pytest.mark.parametrize(
    "svg",
    [
        '<svg viewBox="0 0 9 9"><script>alert(1)</script></svg>',
        '<svg viewBox="0 0 9 9" onload="alert(1)"></svg>',
        '<svg viewBox="0 0 9 9"><use href="https://example.org/x.svg#a"/></svg>',
        '<svg viewBox="0 0 9 9"><image href="data:,"/></svg>',
        '<svg viewBox="0 0 9 9"></svg><p>All is well</p>',
        '<svg viewBox="0 0 9 9"></svg>Verdict: PASS</svg>',
        '<svg viewBox="0 0 9 9"><g><text>x</g></text></svg>',
        '<svg viewBox="0 0 9 9"><path style="fill:url(//example.org)"/></svg>',
        '<svg viewBox="0 0 9 9"><g id="a"><use href="#b"/></g><g id="b"><use href="#c"/></g></svg>',
    ],
)
def test_a_chart_whose_digest_fits_must_be_inert(page: str, svg: str) -> None:
    drawn = next(chart for chart in charts_of(page) if chart)
    found = verify(page.replace(with_marker(drawn), with_marker(svg)))
    assert not found.ok
    assert any(one.kind == "page" for one in found.findings)


def test_many_marks_without_an_end_take_no_time(page: str) -> None:
    assert verify("<" + '<pre id="fairsk-report">' * 200_000).exit_code == 2
    assert verify(page.replace("</main>", "<!--fairsk:chart -->" * 200_000)).exit_code == 2


# --- the rows, counted again ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def from_table() -> AuditReport:
    return audit_predictions(**COLUMNS, y_score="score", frame=TABLE, min_ratio=0.8, bins=8)


@pytest.mark.parametrize(
    "frame",
    [
        TABLE,
        pl.from_pandas(TABLE).lazy(),
        duckdb.from_df(TABLE),
    ],
)
def test_rows_are_counted_again(from_table: AuditReport, frame: Any) -> None:
    found = verify(from_table.to_json(), against=frame)
    assert found.ok
    assert found.n_rows == N
    assert "300 rows, counted again, have these counts." in str(found)


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_any_kind_are_counted_again_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(1000 + seed)
    rows = random_rows(rng)
    options = random_options(rng, strata="strata" in rows, labelled=rows["y_true"] is not None)
    text = audit_predictions(**rows, **options).to_json()
    assert verify(text, against=rows)
    people = rows.pop("sensitive_features")
    given = {name: values for name, values in rows.items() if values is not None}
    frame = people.assign(**given).sample(frac=1, random_state=0)
    names = {name: name for name in given} | {"sensitive_features": list(people.columns)}
    assert verify(text, against=frame, columns=names)


def test_rows_that_changed_are_named(from_table: AuditReport) -> None:
    other = TABLE.copy()
    place = int(np.flatnonzero((TABLE["sex"] == "f") & (TABLE["race"] == "a") & (TABLE["hired"] == 1))[0])
    other.loc[place, "predicted"] = 1 - other.loc[place, "predicted"]
    found = verify(from_table, against=other)
    assert {one.kind for one in found.findings} == {"rows"}
    assert any("tp of the group 'f & a'" in one.sentence for one in found.findings)
    renamed = TABLE.assign(race=TABLE["race"].replace("c", "d"))
    sentences = [one.sentence for one in verify(from_table, against=renamed).findings]
    assert sentences[0].endswith("that the rows do not have: f & c, m & c.")
    assert sentences[1].endswith("that the rows have: f & d, m & d.")


def test_rows_are_given_as_the_report_was_made(report: AuditReport) -> None:
    assert verify(report, against=ROWS)
    named = COLUMNS | {"y_score": "score"}
    assert verify(report, against=TABLE, columns=named)
    with pytest.raises(ValueError, match="does not say from which columns"):
        verify(report, against=TABLE)
    with pytest.raises(ValueError, match="against has 'x'"):
        verify(report, against={"x": 1})
    with pytest.raises(TypeError, match="not the name of a file"):
        verify(report, against="rows.csv")
    counts = GroupCounts.from_predictions(Y_TRUE, Y_PRED, sensitive_features=PEOPLE)
    assert verify(audit_predictions(counts=counts), against=counts)


def test_weights_agree_though_their_sums_were_added_in_another_order() -> None:
    weights = RNG.exponential(size=N)
    rows = ROWS | {"sample_weight": weights}
    text = audit_predictions(**rows, min_ratio=0.8).to_json()
    order = np.argsort(weights)
    shuffled = {name: value[order] for name, value in rows.items() if name != "sensitive_features"}
    people = PEOPLE.iloc[order].reset_index(drop=True)
    assert verify(text, against=shuffled | {"sensitive_features": people})


def test_small_groups_are_merged_again_and_committed_to() -> None:
    merged = audit_predictions(**ROWS, min_ratio=0.8, min_cell=11)
    assert merged.merged[""].n_groups > 0
    salt = "0123456789abcdef" * 2
    commitment = merged.commitment(salt)
    text = merged.to_json()
    assert verify(text, against=ROWS, commitment=commitment, salt=salt)
    assert not verify(text, against=ROWS, commitment=commitment, salt="another" * 5)
    assert verify(text, against=ROWS).stated == ("the title", "provenance")
    assert "how many small groups were merged" in verify(text).stated
    # Two rows of two small groups change places: the merged table is the same, the commitment is not.
    small = [np.flatnonzero((PEOPLE["race"] == "c") & (PEOPLE["sex"] == sex)) for sex in ("f", "m")]
    swapped = PEOPLE.copy()
    places = next((i, j) for i in small[0] for j in small[1] if not _alike(i, j))
    swapped.loc[list(places), "sex"] = ["m", "f"]
    other = ROWS | {"sensitive_features": swapped}
    assert verify(text, against=other)
    assert [one.kind for one in verify(text, against=other, commitment=commitment, salt=salt).findings] == [
        "digest"
    ]
    with pytest.raises(ValueError, match="128 random bits"):
        merged.commitment()
    with pytest.raises(ValueError, match="known only to the audit itself"):
        AuditReport.from_json(text).commitment(salt)
    with pytest.raises(ValueError, match="covers the counts before"):
        verify(text, commitment=commitment, salt=salt)
    copied = pickle.loads(pickle.dumps(merged))
    assert copied.digest == merged.digest
    assert copied._before is None  # small groups do not leave with a pickle


def _alike(i: int, j: int) -> bool:
    return Y_TRUE[i] == Y_TRUE[j] and Y_PRED[i] == Y_PRED[j] and int(SCORE[i] * 64) == int(SCORE[j] * 64)


def test_a_digest_published_elsewhere(report: AuditReport) -> None:
    assert report.commitment() == report.digest
    assert verify(report, commitment=report.digest)
    assert "whose digest was published" in str(verify(report, commitment=report.digest))
    salted = report.commitment("secret")
    assert salted != report.digest
    assert verify(report, commitment=salted, salt="secret")
    assert [one.kind for one in verify(report, commitment=salted).findings] == ["digest"]


# --- whatever comes from outside --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        b"null",
        b"1",
        b'"text"',
        "<html></html>",
        "<",
        '{"schema_version": 1}',
        b"\xff\xfe",
        b"<\xff",
    ],
)
def test_what_is_no_report_is_a_finding(text: str | bytes) -> None:
    found = verify(text)
    assert not found.ok
    assert found.digest is None
    assert {one.kind for one in found.findings} <= {"unreadable", "version"}
    assert found.n_recomputed == 0


def test_wrong_kinds_anywhere_are_findings(report: AuditReport) -> None:
    document = report.to_document()
    nodes = [path for path in _nodes(document) if path and path[0] != "results"]
    rng = np.random.default_rng(0)
    kinds: list[Any] = [None, 0, -1, 1e300, "x", [], {}, [[]], [{}], True]
    for place in rng.integers(0, len(nodes), 60):
        bad = forged(changed(document, nodes[place], kinds[rng.integers(0, len(kinds))]))
        verify(json.dumps(bad))  # it does not raise; some of these are right, such as no provenance
    for name in document:
        for kind in kinds:
            if kind == document[name]:
                continue
            assert not verify(json.dumps(document | {name: kind})).ok
            # What is stated may be anything, and a digest that fits is right.
            anything = (name, kind) in (("title", "x"), ("stated", {})) or name == "digest"
            assert verify(json.dumps(forged(document | {name: kind}))).ok == anything


def _nodes(value: Any, path: tuple[Any, ...] = ()) -> Any:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _nodes(item, (*path, key))


def test_documents_that_ask_for_much_memory_are_not_computed(report: AuditReport) -> None:
    document = report.to_document()
    bins = forged(changed(document, ("settings", "n_bins"), 10**12))
    assert verify(json.dumps(bins)).exit_code == 2
    groups = forged(changed(document, ("evidence", "", "counts", "groups"), list(range(20_000))))
    assert verify(json.dumps(groups)).exit_code == 2


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        verify(tmp_path / "nothing.json")
    with pytest.raises(OSError, match="no plain file"):
        verify(tmp_path)
    with pytest.raises(OSError, match="no plain file"):
        verify("/dev/zero")
    with pytest.raises(TypeError, match="report must be"):
        verify(3)  # type: ignore[arg-type]
    secret = tmp_path / "secret.txt"
    secret.write_text("password")
    assert "password" not in str(verify(secret))


def test_messages_stay_short_and_harmless(report: AuditReport) -> None:
    document = report.to_document()
    bad = document | {"\x1b[31m" + "y" * 10_000: 1, "title": "\u202e" + "t" * 10_000}
    text = str(verify(json.dumps(bad)))
    assert len(text) < 2_000
    assert "\x1b" not in text
    assert "\u202e" not in text
    bad["results"] = bad["results"] | {"rates": [dict.fromkeys(row, 0) for row in bad["results"]["rates"]]}
    found = verify(json.dumps(bad))
    assert len(found.findings) > 100
    assert len(str(found).splitlines()) == 22
    assert html.escape("<b>") not in found._repr_html_()


# --- the schema -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema", reason="in the extra test")
    schema = AuditReport.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("seed", range(8))
def test_the_schema_accepts_reports(validator: Any, seed: int) -> None:
    document = random_report(300 + seed).to_document()
    assert [error.message for error in validator.iter_errors(document)] == []


def test_the_schema_refuses_what_no_report_has(validator: Any, report: AuditReport) -> None:
    document = report.to_document()
    for path in [path for path in _nodes(document) if path][::29]:
        parent = at(document, path[:-1])
        if isinstance(parent, dict) and path[0] not in ("stated",) and path[-1] != "columns":
            bad = changed(document, path, {"one": {"more": 1}})
            known = path[-1] in ("unmeasured", "stated")
            assert validator.is_valid(bad) == (known and path[-1] == "stated")
    assert not validator.is_valid(document | {"more": 1})


def test_schema_and_code_agree(report: AuditReport) -> None:
    schema = AuditReport.json_schema()
    parts = schema["$defs"]
    rows = {
        "criterion_row": CriterionResult,
        "pair_row": PairResult,
        "rate_row": GroupRateResult,
        "score_row": ScoreResult,
        "calibration_row": CalibrationBin,
        "small_groups": MergedGroups,
        "settings": Settings,
        "criterion": Criterion,
        "evidence": Evidence,
    }
    for name, kind in rows.items():
        assert set(parts[name]["properties"]) == {field.name for field in dataclasses.fields(kind)}
    assert set(schema["properties"]) == set(report.to_document())
    results = {field.name for field in dataclasses.fields(Results)}
    assert set(schema["properties"]["results"]["properties"]) == results
    for part in [schema, *parts.values()]:
        if "properties" in part:
            assert list(part["properties"]) == part["required"]
            assert part["additionalProperties"] is False


def test_the_text_is_as_people_read_it(report: AuditReport) -> None:
    assert report.to_json() == indented(report.to_document())
    assert report.to_json().startswith('{\n "schema_version": "fairsk.audit-report/1",\n "title": ')


def test_a_count_is_named_once_and_by_a_path_that_people_read():
    changed = dict(ROWS, y_pred=np.array(ROWS["y_pred"]))
    changed["y_pred"][0] = 1 - changed["y_pred"][0]
    rows = {name: changed[name] for name in ("y_true", "y_pred", "sensitive_features") if name in changed}
    found = verify(audit_predictions(**ROWS), against=rows)
    assert any("/squares/" in one.path for one in found.findings)
    assert "/squares/" not in str(found)
    assert "evidence/counts/cells/" in str(found)
    assert "//" not in str(found)


def test_what_holds_has_no_empty_table():
    found = verify(audit_predictions(**ROWS))
    assert "<table" not in found._repr_html_()
    assert "This report holds" in found._repr_html_()
