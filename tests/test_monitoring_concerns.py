"""Concerns: nothing acknowledged is lost, nothing is changed unseen, and no number moves that should not."""

from __future__ import annotations

import csv
import hashlib
import hmac
import itertools
import json
import os
import signal
import sqlite3
import stat
import struct
import threading
import time
import unicodedata
import urllib.parse
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairsk._cli import concerns as commands
from fairsk.audit import audit_dataset
from fairsk.metrics import GroupCounts
from fairsk.monitoring import ConcernLog, FairnessMonitor
from fairsk.monitoring._concerns import CATEGORIES, REASONS, STATES, ConcernFinding, store
from fairsk.monitoring._concerns.spreadsheet import safe_cell, write_csv
from fairsk.monitoring._concerns.tables import summarise

SECRET = "a secret for tests only"
GROUPS = {"d1": "women", "d2": "men", "d3": "women"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "concerns.db"


@pytest.fixture
def log(path: Path) -> Iterator[ConcernLog]:
    with ConcernLog(
        path, secret=SECRET, groups=("women", "men"), store_text=True, group_of=GROUPS.get
    ) as opened:
        yield opened


def body(key: str = "k1", **fields: Any) -> dict[str, Any]:
    return {"key": key, "category": "other", **fields}


def filled(log: ConcernLog) -> None:
    """Six links: four concerns, two of them with texts, and two changes of state."""
    log.submit(body("k1", ticket=log.ticket("d1", batch="b1"), text="first text"), body("k2", group="men"))
    log.submit(body("k3"), body("k4", ticket=log.ticket("d2", batch="b1"), text="second text"))
    log.answer(1, "in review")
    log.answer(1, "answered", reason="decision corrected")


def said(call: Callable[[], Any]) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        call()
    return str(caught.value)


# Tickets


def test_a_ticket_is_a_decision_a_batch_and_an_hmac(log):
    ticket = log.ticket("loan-7", batch="2026-11")
    code = hmac.new(
        SECRET.encode(), b"fairsk concern ticket 1\x00loan-7\x002026-11", hashlib.sha256
    ).hexdigest()
    assert ticket == f"loan-7~2026-11~{code[:32]}"
    longest = log.ticket("d" * 64, batch="b" * 64)
    assert len(longest) <= 200
    assert urllib.parse.quote(longest, safe="") == longest
    assert log.check(body(ticket=longest)).decision == "d" * 64


def test_a_ticket_that_was_not_made_here_is_refused(log, tmp_path):
    ticket = log.ticket("d1", batch="b1")
    other = ConcernLog(tmp_path / "other.db", secret="another secret of tests")
    wrong = [
        ticket[:-1],
        ticket + "0",
        ticket.upper(),
        ticket.replace("d1", "d2"),
        ticket.replace("b1", "b2"),
    ]
    wrong += ["d1", "~", "~~", "d1~b1~", "d1~~" + ticket.rpartition("~")[2], other.ticket("d1", batch="b1")]
    wrong += ["d1~b1~\ud800", "d1~b1~é", "é~b1~" + ticket.rpartition("~")[2], " " + ticket]
    for one in wrong:
        assert said(lambda one=one: log.check(body(ticket=one))).startswith("ticket: not one of ours")
        assert log.status(one) is None
    assert log.status(None) is None  # type: ignore[arg-type]
    assert log.head() == (0, "")
    other.close()


def test_codes_are_compared_in_constant_time(log, monkeypatch):
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(
        hmac, "compare_digest", lambda one, two: compared.append((one, two)) or real(one, two)
    )
    log.check(body(ticket=log.ticket("d1")))
    assert len(compared) == 1


def test_secrets_are_needed_and_long_enough(tmp_path):
    for secret in ("short", b"short", "", 7):
        message = said(lambda secret=secret: ConcernLog(tmp_path / "a.db", secret=secret))
        assert message.startswith("secret")
        assert "short" not in message
    assert not (tmp_path / "a.db").exists()
    with ConcernLog(tmp_path / "b.db") as log:
        assert not log.takes_tickets
        assert "needs secret=" in said(lambda: log.ticket("d1"))
        assert said(lambda: log.check(body(ticket="d1~~0"))).startswith("ticket: none is taken here")
        assert log.status("d1~~0") is None
    with (
        ConcernLog(tmp_path / "b.db", secret=SECRET) as one,
        ConcernLog(tmp_path / "b.db", secret=SECRET.encode()) as two,
    ):
        assert one.ticket("d1") == two.ticket("d1")
        assert SECRET not in repr(one)
        for decision, batch in (("", ""), ("a b", ""), ("d~1", ""), ("d" * 65, ""), (7, ""), ("d1", "a/b")):
            assert "1 to 64 letters" in said(lambda d=decision, b=batch: one.ticket(d, batch=b))


def test_one_concern_per_ticket_about_the_group_that_the_ticket_knows(log):
    ticket = log.ticket("d1", batch="b1")
    concern = log.check(body(ticket=ticket, group="men"))
    assert (concern.group, concern.source, concern.batch) == ("women", "ticket", "b1")
    assert log.submit(concern)[0].is_new
    again = (
        log.submit(body("another key", ticket=ticket))[0]
        if False
        else log.submit(body("k9", ticket=ticket))[0]
    )
    assert (again.number, again.is_new) == (1, False)
    assert again.note.startswith("There is a concern with this ticket already")
    # group_of does not know d9: only then what was declared counts, and as declared.
    assert log.check(body(ticket=log.ticket("d9"), group="men")).source == "declared"
    assert log.check(body(ticket=log.ticket("d9"))).source == "unknown"
    assert log.check(body(group="women")).source == "declared"
    assert log.concerns().groups == ("women",)


def test_what_group_of_does_wrong_is_told_to_its_owner_and_to_no_sender(path):
    answers: list[Any] = [float("nan"), ["a"], {"a": 1}, "\ud800", object()]
    with ConcernLog(path, secret=SECRET, group_of=lambda decision: answers[0]) as log:
        while answers:
            with pytest.raises(TypeError, match="group_of must name a group"):
                log.check(body(ticket=log.ticket("d1")))
            answers.pop(0)
        with pytest.raises(IndexError):  # whatever it raises
            log.check(body(ticket=log.ticket("d1")))
    assert "group_of must be callable" in said(lambda: ConcernLog(path, group_of={"d1": "a"}))  # type: ignore[arg-type]


@pytest.mark.parametrize("label", ["ä", 7, 2.5, True, ("women", 1), np.int64(3)], ids=repr)
def test_groups_are_labels_as_counts_have_them(path, label):
    decisions = GroupCounts(
        [label], {"tp": [0], "fp": [3], "fn": [0], "tn": [2]}, names=["a"], labelled=False
    )
    with ConcernLog(path, secret=SECRET, groups=[label], group_of=lambda decision: label) as log:
        log.submit(body(ticket=log.ticket("d1", batch="b")))
        log.submit(body("k2", group=" & ".join(map(str, label)) if isinstance(label, tuple) else str(label)))
        assert log.concerns().groups == (label, label)
        assert log.counts(decisions, batch="b").cells["fp"].tolist() == [1]
        assert log.verify() == []


# What is taken


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"key": None}, "key"),
        ({"key": ""}, "key"),
        ({"key": "a b"}, "key"),
        ({"key": "k" * 65}, "key"),
        ({"key": "k\n"}, "key"),
        ({"key": 7}, "key"),
        ({"category": "nothing"}, "category"),
        ({"category": ["other"]}, "category"),
        ({"category": None}, "category"),
        ({"group": "children"}, "group"),
        ({"group": ["women"]}, "group"),
        ({"group": {}}, "group"),
        ({"ticket": 7}, "ticket"),
        ({"ticket": ["d1"]}, "ticket"),
        ({"text": 7}, "text"),
        ({"text": "\ud800"}, "text"),
        ({"text": "a" * 2001}, "text"),
        ({"address": "somewhere"}, "There is a field that is not taken"),
    ],
)
def test_other_bodies_are_refused_in_a_sentence_that_repeats_nothing(log, fields, name):
    message = said(lambda: log.check(body() | fields))
    assert message.startswith(name)
    assert len(message) <= 200
    assert "somewhere" not in message
    assert "children" not in message
    assert said(lambda: log.submit(body("good"), body() | fields)) == message
    assert log.head() == (0, "")


def test_empty_fields_of_a_form_are_none(log):
    concern = log.check(body(ticket="", group="", text=""))
    assert (concern.decision, concern.group, concern.text, concern.source) == (None, None, None, "unknown")
    for wrong in (None, 7, "text", [("key", "k1")]):
        assert said(lambda wrong=wrong: log.check(wrong)).startswith("A concern is an object")


def test_options_are_checked(path):
    for options, name in [
        ({"groups": "women"}, "groups and categories"),
        ({"groups": [1, "1"]}, "groups must read differently"),
        ({"categories": []}, "categories"),
        ({"categories": ["a", "a"]}, "categories"),
        ({"categories": ["a\n"]}, "categories"),
        ({"categories": ["a" * 65]}, "categories"),
        ({"most_text": 0}, "most_text"),
        ({"most_text": 1e9}, "most_text"),
        ({"mode": "append"}, "mode"),
    ]:
        assert said(lambda options=options: ConcernLog(path, **options)).startswith(name)
    with pytest.raises(TypeError, match="groups must name a group"):
        ConcernLog(path, groups=[None])
    assert not path.exists()
    with ConcernLog(path) as log:
        assert said(lambda: log.check(body(group="women"))) == "group: none is asked for"
        assert (log.groups, log.categories, log.store_text, log.most_text) == ((), CATEGORIES, False, 2000)


#: Whatever JSON can say, with the fields of a concern more often than not.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {"key": st.from_regex(r"[a-z]{1,3}", fullmatch=True), "category": st.just("other")},
        optional={"group": st.sampled_from(["women", "men"]), "text": st.text(max_size=30)},
    ),
    st.fixed_dictionaries(
        {"key": st.from_regex(r"[a-z]{1,3}", fullmatch=True) | JSON, "category": st.just("other") | JSON},
        optional={
            "group": st.sampled_from(["women", "men"]) | JSON,
            "ticket": JSON,
            "text": st.text() | JSON,
            "more": JSON,
        },
    ),
)


def test_a_body_is_stored_or_refused_and_never_changes_its_neighbours(path):
    with ConcernLog(path, groups=("women", "men"), store_text=True) as log:
        numbers: dict[str, int] = {}

        def checked(one: Any) -> Any:
            try:
                return log.check(one)
            except ValueError as error:
                return str(error)

        @given(bodies=st.lists(BODIES, min_size=2, max_size=6))
        @settings(max_examples=100, database=None)
        def submit(bodies: list[Any]) -> None:
            neighbour = {"key": f"neighbour-{len(numbers)}", "category": "other"}
            results = list(map(checked, [*bodies[:1], neighbour, *bodies[1:]]))
            assert all(len(one) <= 200 for one in results if isinstance(one, str))
            fine = [one for one in results if not isinstance(one, str)]
            known = set(numbers)
            for concern, receipt in zip(fine, log.submit(*fine), strict=True):
                # A key has one number, whatever else comes, and a new key the next one.
                assert receipt.number == numbers.setdefault(concern.key, len(numbers) + 1)
                assert receipt.is_new == (concern.key not in known)
                known.add(concern.key)

        submit()
        assert sum(key.startswith("neighbour") for key in numbers) >= 100
        assert log.head()[0] == len(numbers)
        assert log.verify() == []


def test_a_key_that_comes_again_has_the_number_that_it_got(log):
    first, second = log.submit(body("k1", group="men", text="one"), body("k2"))
    assert (first.number, second.number) == (1, 2)
    again = log.submit(body("k3"), body("k1", group="men", text="one"), body("k3"))
    assert [(one.number, one.is_new, one.note) for one in again] == [
        (3, True, ""),
        (1, False, ""),
        (3, False, ""),
    ]
    for other in ({"group": "women"}, {"text": "two"}, {"text": None}, {"category": "no access"}):
        receipt = log.submit(body("k1", **{"group": "men", "text": "one"} | other))[0]
        assert (receipt.number, receipt.is_new) == (1, False)
        assert receipt.note.startswith("The key had come with another concern")
    log.erase(1)  # nobody knows what it said
    assert log.submit(body("k1", group="men", text="one"))[0].note == ""
    assert log.head()[0] == 4


def test_of_the_time_only_the_hour_is_kept(log, path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1_795_758_201.5)  # 2026-11-27 05:43:21.5 UTC
    filled(log)
    log.erase(1)
    with sqlite3.connect(path) as raw:
        rows = raw.execute("SELECT hour, line FROM event").fetchall()
    raw.close()
    assert {hour for hour, _ in rows} == {"2026-11-27T05:00Z"}
    assert not any("43" in json.loads(line)["hour"] or "1795758" in line for _, line in rows)
    assert log.status(log.ticket("d1", batch="b1")).since == "2026-11-27T05:00Z"
    known = {"number", "event", "concern", "hour", "key", "decision", "batch", "category", "group", "source"}
    assert set().union(*(json.loads(line) for _, line in rows)) <= known | {"state", "reason", "text"}


# Texts


def test_texts_are_refused_unless_they_are_asked_for(path):
    with ConcernLog(path) as log:
        assert said(lambda: log.check(body(text="hello"))).startswith("text: none is taken here")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("write to a.b+c@example.org, please", "write to [removed] please"),
        ("call +49 (0)30 123 45-67 or 0301234567!", "call [removed] or [removed]!"),
        ("account DE89 3704 0044 0532 0130 00", "account DE[removed]"),
        ("born 1990-01-31", "born [removed]"),
        ("30 points, 12 of 48 at 7:30 in room 4", "30 points, 12 of 48 at 7:30 in room 4"),
        ("line one\r\nline two\x00\x1b[31m\u009f", "line one\nline two  [31m"),
        ("@home is fine", "@home is fine"),
    ],
)
def test_what_looks_like_an_address_or_a_number_is_removed(log, text, kept):
    assert log.check(body(text=text)).text == kept


@pytest.mark.parametrize(
    "text", ["a" * 20_000, "1" * 6 + "-" * 19_000, "1(" * 10_000, "a@" * 10_000, "@" * 20_000]
)
def test_removing_takes_time_in_proportion_to_the_text(path, text):
    with ConcernLog(path, store_text=True, most_text=20_000) as log:
        start = time.perf_counter()
        log.check(body(text=text))
        assert time.perf_counter() - start < 1


def bytes_of(path: Path) -> bytes:
    return b"".join(one.read_bytes() for one in sorted(path.parent.glob(path.name + "*")))


def test_an_erased_text_is_gone_from_both_files_and_the_chain_stays_whole(log, path):
    filled(log)
    assert b"first text" in bytes_of(path)
    assert path.with_name("concerns.db-wal").stat().st_size > 0
    before = log.head()
    assert log.erase(1)
    assert b"first text" not in bytes_of(path)
    assert b"second text" in bytes_of(path)
    assert log.verify(before) == []
    assert log.concerns().texts == (None, None, None, "second text")
    assert not log.erase(1)
    assert not log.erase(2)  # never had one
    assert log.head()[0] == before[0] + 1
    for number in (0, 5, -1, "1", 2**70, True, None):
        assert f"There is no concern {number!r}" in said(lambda number=number: log.erase(number))


def test_a_reader_keeps_the_bytes_and_that_is_said(log, path, monkeypatch):
    filled(log)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM event").fetchone()
    # SQLite's own patience is half a minute: it is that of the connection.
    log._store.connection().execute("PRAGMA busy_timeout=10")
    monkeypatch.setattr(store, "_PATIENCE", 0.05)
    with pytest.raises(TimeoutError, match=r"may still be in concerns\.db-wal"):
        log.erase(1)
    reader.close()
    assert not log.erase(1)  # the text had been deleted, and now its bytes are gone, too
    assert b"first text" not in bytes_of(path)
    assert log.verify() == []


# Answers


def test_a_concern_is_reviewed_and_answered_and_each_change_is_a_link(log):
    ticket = log.ticket("d1", batch="b1")
    assert log.status(ticket) is None
    log.submit(body(ticket=ticket))
    assert log.status(ticket).state == "received"
    assert log.answer(1, "in review").state == "in review"
    assert log.answer(1, "in review").state == "in review"
    assert log.head()[0] == 2  # what it was already is no change
    for reason in REASONS:
        assert log.answer(1, "answered", reason=reason).reason == reason
    log.answer(1, "in review")  # once more
    found = log.status(ticket)
    assert (found.number, found.state, found.reason) == (1, "in review", None)
    assert log.head()[0] == 3 + len(REASONS)
    assert log.verify() == []


def test_answers_out_of_closed_lists(log):
    log.submit(body())
    for call, words in [
        (lambda: log.answer(1, "received"), "how a concern begins"),
        (lambda: log.answer(1, "closed"), "state"),
        (lambda: log.answer(1, "answered"), "needs reason="),
        (lambda: log.answer(1, "answered", reason="because"), "reason"),
        (lambda: log.answer(1, "in review", reason="duplicate"), "belongs to"),
        (lambda: log.answer(2, "in review"), "There is no concern 2"),
        (lambda: log.answer("1", "in review"), "There is no concern '1'"),
    ]:
        assert words in said(call)
    assert log.head()[0] == 1


# The chain


def test_anybody_can_compute_the_chain(log, path):
    filled(log)
    link = ""
    with sqlite3.connect(path) as raw:
        rows = raw.execute("SELECT line, link FROM event ORDER BY number").fetchall()
        notes = dict(raw.execute("SELECT concern, salt || char(10) || text FROM note").fetchall())
    raw.close()
    for line, stored in rows:
        link = hashlib.sha256(f"{link}\n{line}".encode()).hexdigest()
        assert link == stored
        assert json.dumps(json.loads(line), sort_keys=True, separators=(",", ":"), ensure_ascii=False) == line
    assert log.head() == (6, link)
    texts = {
        one["concern"]: one["text"] for one in map(json.loads, (row[0] for row in rows)) if "text" in one
    }
    assert texts == {number: hashlib.sha256(note.encode()).hexdigest() for number, note in notes.items()}
    salts = [note.partition("\n")[0] for note in notes.values()]
    assert all(len(bytes.fromhex(salt)) == 16 for salt in salts)
    assert len(set(salts)) == 2


def edited(raw: sqlite3.Connection) -> None:
    (line,) = raw.execute("SELECT line FROM event WHERE number = 2").fetchone()
    changed = line.replace('"men"', '"women"')
    assert changed != line
    raw.execute("UPDATE event SET line = ?, label = '\"women\"' WHERE number = 2", (changed,))


def linked_again(raw: sqlite3.Connection) -> None:
    edited(raw)
    (before,) = raw.execute("SELECT link FROM event WHERE number = 1").fetchone()
    (line,) = raw.execute("SELECT line FROM event WHERE number = 2").fetchone()
    link = hashlib.sha256(f"{before}\n{line}".encode()).hexdigest()
    raw.execute("UPDATE event SET link = ? WHERE number = 2", (link,))


def deleted(raw: sqlite3.Connection) -> None:
    raw.execute("DELETE FROM event WHERE number IN (2, 3)")


def reordered(raw: sqlite3.Connection) -> None:
    for old, new in ((2, 100), (3, 2), (100, 3)):
        raw.execute("UPDATE event SET number = ? WHERE number = ?", (new, old))
    raw.execute("UPDATE sqlite_sequence SET seq = 6")


def cut(raw: sqlite3.Connection) -> None:
    raw.execute("DELETE FROM event WHERE number > 4")


def cut_with_care(raw: sqlite3.Connection) -> None:
    cut(raw)
    raw.execute("UPDATE sqlite_sequence SET seq = 4")


def other_text(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE note SET text = 'all is well' WHERE concern = 4")


def no_text(raw: sqlite3.Connection) -> None:
    raw.execute("DELETE FROM note WHERE concern = 4")


def new_text(raw: sqlite3.Connection) -> None:
    raw.execute("INSERT INTO note VALUES (3, 'salt', 'said nothing')")


def column(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE event SET label = '\"men\"' WHERE number = 1")


def no_json(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE event SET line = '{\"group\": Infinity' WHERE number = 2")


def no_text_at_all(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE event SET line = x'ff00', link = x'ff' WHERE number = 2")


def written_anew(raw: sqlite3.Connection) -> None:
    """All of it, by somebody who knows how."""
    link = ""
    for number, line in raw.execute("SELECT number, line FROM event ORDER BY number").fetchall():
        document = json.loads(line)
        if number == 2:
            document["group"] = "women"
            raw.execute("UPDATE event SET label = '\"women\"' WHERE number = 2")
        line = json.dumps(document, sort_keys=True, separators=(",", ":"))
        link = hashlib.sha256(f"{link}\n{line}".encode()).hexdigest()
        raw.execute("UPDATE event SET line = ?, link = ? WHERE number = ?", (line, link, number))


@pytest.mark.parametrize(
    ("tamper", "kind", "sentence"),
    [
        (edited, "changed", "Link 2 does not follow from its line and the link before it."),
        (linked_again, "changed", "Link 3 does not follow from its line and the link before it."),
        (deleted, "missing", "Links 2 to 3 are missing."),
        (reordered, "moved", "Link 2 holds the line of another one."),
        (cut, "cut", "The end is missing: there were 6 links, and 4 are there."),
        (cut_with_care, "cut", "The end is missing: there were 6 links, and 4 are there."),
        (other_text, "text", "The text of concern 4 was changed."),
        (no_text, "text", "The text of concern 4 is missing, and no link says that it was erased."),
        (new_text, "text", "Concern 3 has a text that did not come with it."),
        (column, "column", "Link 1: label in the table is not what its line says."),
        (no_json, "changed", "Link 2: its line is no JSON."),
        (no_text_at_all, "changed", "Link 2: its line is no JSON."),
        (written_anew, "anchor", "Link 6 is not the one that was noted"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_tampering_is_found(log, path, tamper, kind, sentence):
    filled(log)
    anchor = log.head()
    assert log.verify(anchor) == []
    raw = sqlite3.connect(path)
    triggers = raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        raw.execute(f"DROP TRIGGER {name}")
    raw.commit()
    schema = [finding for finding in log.verify(anchor) if finding.kind == "schema"]
    assert "no_delete, no_note_update, no_update" in str(schema[0])
    tamper(raw)
    for _, statement in triggers:
        raw.execute(statement)
    raw.commit()
    raw.close()
    findings = log.verify(anchor)
    assert all(isinstance(finding, ConcernFinding) for finding in findings)
    assert sentence in str(findings[0])
    assert findings[0].kind == kind
    if kind == "anchor":  # as was said: only what was published shows it
        assert log.verify() == []
    elif tamper is not cut_with_care:
        assert log.verify()[0] == findings[0]


def test_events_cannot_be_changed_or_deleted_by_mistake(log, path):
    filled(log)
    raw = sqlite3.connect(path)
    for statement in (
        "UPDATE event SET state = 'answered'",
        "DELETE FROM event",
        "UPDATE note SET text = ''",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(statement)
    raw.close()
    assert log.verify() == []


def test_damage_is_a_finding(log, path):
    filled(log)
    log.close()
    content = bytearray(path.read_bytes())
    place = content.rindex(b"k2")
    content[place : place + 2] = b"k3"  # beneath SQLite: the index no longer fits
    path.write_bytes(content)
    with ConcernLog(path, mode="read") as again:
        assert again.verify()[0].kind in ("unreadable", "column")
    content[4096:8192] = b"\xff" * 4096
    path.write_bytes(content)
    with ConcernLog(path, mode="read") as again:
        assert "unreadable" in [finding.kind for finding in again.verify()]


@pytest.mark.parametrize("anchor", [(1,), (1, 2), ("1", "a"), 7, (0, "a"), (1, ""), (-1, "a"), "ab"])
def test_an_anchor_is_a_head(log, anchor):
    assert said(lambda: log.verify(anchor)).startswith("anchor must be")


def test_an_anchor_of_a_longer_or_an_empty_log(log):
    assert log.verify((0, "")) == []
    filled(log)
    assert log.verify((0, "")) == []
    assert "there were 9 links, and 6 are there" in str(log.verify((9, "ab"))[0])


# The file


def test_only_the_owner_may_read_the_files(log, path):
    filled(log)
    files = sorted(path.parent.glob("concerns.db*"))
    assert [one.name for one in files] == ["concerns.db", "concerns.db-shm", "concerns.db-wal"]
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}


def test_other_files_are_refused_as_they_are(tmp_path, path):
    foreign = tmp_path / "foreign.db"
    raw = sqlite3.connect(foreign)
    raw.execute("CREATE TABLE event(number)")
    raw.close()
    text = tmp_path / "text.db"
    text.write_text("name,value\n" * 200)
    newer = tmp_path / "newer.db"
    ConcernLog(newer).close()
    raw = sqlite3.connect(newer)
    raw.execute("PRAGMA user_version=2")
    raw.close()
    for one, words in [(foreign, "another program"), (text, "not a SQLite file"), (newer, "update fairsk")]:
        before = one.read_bytes()
        for mode in ("create", "write", "read"):
            assert words in said(lambda one=one, mode=mode: ConcernLog(one, mode=mode))
        assert one.read_bytes() == before
    with pytest.raises(IsADirectoryError):
        ConcernLog(tmp_path)
    for mode in ("write", "read"):
        with pytest.raises(FileNotFoundError, match="There is no log of concerns"):
            ConcernLog(path, mode=mode)
    with pytest.raises(FileNotFoundError):
        ConcernLog(tmp_path / "nowhere" / "concerns.db")
    assert not path.exists()


def test_an_empty_file_becomes_a_log_for_its_maker_may_have_been_killed(path):
    path.touch()
    assert "is empty" in said(lambda: ConcernLog(path, mode="read"))
    with ConcernLog(path, mode="write") as log:
        log.submit(body())
        assert log.verify() == []


def test_a_log_that_is_read_is_not_written(log, path):
    filled(log)
    with ConcernLog(path, secret=SECRET, mode="read") as reader:
        assert reader.verify(log.head()) == []
        assert len(reader.concerns().numbers) == 4
        for call in (
            lambda: reader.submit(body("k9")),
            lambda: reader.answer(1, "in review"),
            lambda: reader.erase(1),
            lambda: reader.counts(DECISIONS, batch="b1"),
        ):
            with pytest.raises(PermissionError):
                call()
        counts = log.counts(DECISIONS, batch="b1")
        assert reader.counts(DECISIONS, batch="b1") == counts  # was counted already
    assert "is closed" in said(reader.head)
    reader.close()


# Threads, processes, kill -9, and a full disk


def test_threads_share_a_log_and_processes_a_file(log, path):
    def submit(who: str, to: ConcernLog) -> None:
        for i in range(30):
            to.submit(body(f"{who}-{i}"), body(f"all-{i}"))

    threads = [threading.Thread(target=submit, args=(f"t{i}", log)) for i in range(3)]
    for thread in threads:
        thread.start()
    with ConcernLog(path) as other:  # as another process would
        submit("own", other)
    for thread in threads:
        thread.join()
    assert log.concerns().numbers.tolist() == list(range(1, 151))
    assert log.head()[0] == 150
    assert log.verify() == []


def child(work: Callable[[int], None]) -> tuple[int, int]:
    """Start a process by a fork; return its id and where what it writes is read."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # Python 3.12 warns of threads, which do not follow
        process = os.fork()
    if process == 0:
        try:
            os.close(read)
            work(write)
        finally:
            os._exit(0)
    os.close(write)
    return process, read


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


@needs_fork
def test_a_forked_process_opens_the_file_anew(log):
    log.submit(body("parent-0"))
    process, read = child(lambda write: os.write(write, bytes([log.submit(body("child"))[0].number])))
    log.submit(body("parent-1"))
    with os.fdopen(read, "rb") as pipe:
        assert pipe.read() in (b"\x02", b"\x03")
    os.waitpid(process, 0)
    assert log.head()[0] == 3
    assert log.verify() == []


@needs_fork
def test_what_was_acknowledged_survives_kill_9(path):
    acknowledged: list[int] = []
    for turn in range(3):

        def work(write: int, turn: int = turn) -> None:
            with ConcernLog(path, secret=SECRET) as log:
                for i in itertools.count():
                    receipt = log.submit(body(f"{turn}-{i}", ticket=log.ticket(f"{turn}-{i}")))[0]
                    os.write(write, struct.pack("q", receipt.number))

        process, read = child(work)
        with os.fdopen(read, "rb") as pipe:
            first = pipe.read(8 * 5)
            time.sleep(0.02 * turn)
            os.kill(process, signal.SIGKILL)
            rest = pipe.read()
        os.waitpid(process, 0)
        whole = first + rest[: len(rest) // 8 * 8]
        acknowledged += struct.unpack(f"{len(whole) // 8}q", whole)
    with ConcernLog(path, mode="write") as log:
        stored = log.concerns().numbers.tolist()
        assert len(set(acknowledged)) == len(acknowledged) >= 15
        assert set(acknowledged) <= set(stored)
        assert stored == list(range(1, len(stored) + 1))
        assert log.verify() == []


def test_a_full_disk_loses_nothing_and_says_so(log):
    filled(log)
    connection = log._store.connection()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count={pages + 2}")
    stored = []

    def fill() -> None:
        for i in range(100):
            stored.append(log.submit(body(f"big-{i}", text="x " * 900))[0].number)

    with pytest.raises(sqlite3.OperationalError, match="full"):
        fill()
    assert stored  # some went in first
    assert log.concerns().numbers.tolist() == list(range(1, stored[-1] + 1))
    assert log.verify() == []
    connection.execute("PRAGMA max_page_count=100000")
    assert log.submit(body(f"big-{len(stored)}", text="x " * 900))[0].is_new  # the same key, again
    assert log.verify() == []


# Tables


@given(
    numbers=st.lists(st.integers(0, 60), min_size=1, max_size=8), fewest=st.sampled_from([1, *range(3, 11)])
)
@settings(max_examples=100)
def test_no_small_count_is_shown_and_the_sum_is_right(numbers, fewest):
    cells = {(f"g{i}", "declared", "received"): n for i, n in enumerate(numbers) if n}
    table = summarise(cells, fewest)
    assert all(n >= fewest for n in table.n)
    assert table.n_together == 0 or table.n_together >= fewest
    total = sum(numbers)
    assert table.n_concerns == (None if total < fewest else total)
    assert table.n.sum() + table.n_together == (table.n_concerns or 0)


@pytest.mark.parametrize(("fewest", "most", "n_cells"), [(3, 10, 3), (4, 13, 3), (3, 6, 4), (5, 30, 2)])
def test_no_small_count_follows_from_what_is_shown(fewest, most, n_cells):
    """By brute force: whatever is shown, also with the total, a small count could have been another one."""
    keys = [(name, "ticket", "received") for name in "abcd"[:n_cells]]
    tables: dict[Any, list[tuple[int, ...]]] = {}
    for numbers in itertools.product(range(most), repeat=n_cells):
        shown = summarise({key: n for key, n in zip(keys, numbers, strict=True) if n}, fewest)
        what = (shown.groups, tuple(shown.n.tolist()), shown.n_together, shown.n_concerns)
        tables.setdefault((*what, sum(numbers)), []).append(numbers)
    assert len(tables) > 30
    for alike in tables.values():
        for place in range(n_cells):
            possible = {numbers[place] for numbers in alike}
            if any(0 < n < fewest for n in possible):
                assert len(possible) > 1, alike


def test_a_summary_by_hand(log):
    log.submit(
        *(body(f"w{i}", group="women") for i in range(7)), *(body(f"m{i}", group="men") for i in range(9))
    )
    log.submit(body("u1"), body("t1", ticket=log.ticket("d1")))
    log.answer(1, "in review")
    table = log.summary()  # men 9; hidden are women 1, unknown 1, by ticket 1, and with them women 6
    assert (table.groups, table.n.tolist(), table.n_together, table.n_concerns) == (("men",), [9], 9, 18)
    assert "(small counts together)" in str(table)
    everything = log.summary(fewest=1).frame("pandas")
    assert everything.values.tolist() == [
        ["men", "declared", "received", 9],
        ["women", "declared", "in review", 1],
        ["women", "declared", "received", 6],
        ["women", "ticket", "received", 1],
        ["(unknown)", "unknown", "received", 1],
    ]
    few = log.summary(fewest=19)
    assert (few.groups, few.n_together, few.n_concerns) == ((), 0, None)
    assert "fewer than 19 concerns" in str(few)
    for fewest in (0, 2, -1, 2.5, "5", True):
        assert "fewest must be" in said(lambda fewest=fewest: log.summary(fewest))


def test_reviewed_concerns_are_rows_for_the_next_audit(log):
    filled(log)
    frame = log.frame("pandas")
    assert frame.drop(columns=["hour", "since"]).to_dict("records") == [
        {
            "number": 1,
            "batch": "b1",
            "decision": "d1",
            "group": "women",
            "category": "other",
            "source": "ticket",
            "state": "answered",
            "reason": "decision corrected",
            "text": "first text",
        }
    ]
    log.submit(
        *(body(f"m{i}", group="men") for i in range(20)), *(body(f"w{i}", group="women") for i in range(20))
    )
    for number in log.concerns(states=["received"]).numbers.tolist():
        log.answer(number, "answered", reason="decision confirmed" if number % 3 else "decision corrected")
    rows = log.frame("polars")
    assert len(rows) == 44
    audit = audit_dataset(
        rows.select("group", "category", "state"),
        "group",
        (rows["reason"] == "decision corrected").to_numpy(),
    )
    assert "44 rows" in str(audit)
    assert log.concerns(states=[]).numbers.tolist() == []
    assert log.concerns(states="in review").frame("polars").shape == (0, 10)  # type: ignore[arg-type]
    assert "states" in said(lambda: log.concerns(states=["closed"]))


# Files for spreadsheets

FORMULA = set("=+-@|%")
hostile = st.text(
    alphabet=st.sampled_from(
        list("=+-@|%\uff1d\uff0b\uff0d\uff20\uff5c\uff05\ufe62\u2212\t\r\n \u00a0\u200b\ufeff;,\"'a1")
    )
    | st.characters()
)


def begins_a_formula(cell: str) -> bool:
    """Whether the first visible sign of a cell, in whatever width, begins a formula."""
    for char in cell:
        if char.isspace() or unicodedata.category(char) in ("Cf", "Cc") or char == '"':
            continue
        return unicodedata.normalize("NFKC", char)[0] in FORMULA or char == "\u2212"
    return False


@given(values=st.lists(hostile, min_size=1, max_size=4))
@settings(max_examples=200)
def test_no_cell_begins_a_formula_whatever_the_spreadsheet_takes_for_a_separator(values):
    line = ",".join(map(safe_cell, values))
    assert all(char.isprintable() or unicodedata.category(char) not in ("Cc", "Zl", "Zp") for char in line)
    for delimiter in ",;\t":
        for row in csv.reader([line], delimiter=delimiter):
            assert not any(map(begins_a_formula, row))
    (row,) = csv.reader([line])
    assert len(row) == len(values)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        (" \t=1", "  '=1"),
        ("\uff1d1", "'\uff1d1"),
        ("a\r\nb", "a  b"),
        ("a;=1", "a;'=1"),
        ('say "hi"', 'say ""hi""'),
        ("a-b", "a-b"),
        (None, ""),
        (12, "12"),
    ],
)
def test_cells(value, cell):
    assert safe_cell(value) == f'"{cell}"'


def test_a_file_for_spreadsheets(log, tmp_path):
    log.submit(
        body("k1", ticket=log.ticket("-d1", batch="b1"), text='=HYPERLINK("http://x")\nsecond'), body("k2")
    )
    target = tmp_path / "concerns.csv"
    target.write_text("what was there")
    assert log.to_csv(target) == 2
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with open(target, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["text"] == '\'=HYPERLINK("http://x") second'
    assert rows[0]["decision"] == "'-d1"
    assert [row["number"] for row in rows] == ["1", "2"]
    assert log.to_csv(target, states=["answered"]) == 0

    def failing() -> Iterator[tuple[str]]:
        yield ("one",)
        raise OSError("no space left")

    before = target.read_bytes()
    with pytest.raises(OSError, match="no space"):
        write_csv(target, ["a"], failing())
    assert target.read_bytes() == before
    assert {one.name for one in tmp_path.glob("*.csv*")} == {"concerns.csv"}


# Batches for a monitor

DECISIONS = GroupCounts(
    ["men", "women"], {"tp": [5, 1], "fp": [10, 4], "fn": [3, 3], "tn": [2, 2]}, names=["sex"]
)


def test_concerns_with_a_ticket_are_an_outcome_of_a_batch(log):
    log.submit(
        body("k1", ticket=log.ticket("d1", batch="b1")),
        body("k2", ticket=log.ticket("d3", batch="b1")),
        body("k3", ticket=log.ticket("d2", batch="b2")),
        body("k4", group="men"),
    )
    counts = log.counts(DECISIONS, batch="b1")
    assert (counts.groups, counts.names, counts.labelled) == (("men", "women"), ("sex",), False)
    assert {cell: values.tolist() for cell, values in counts.cells.items()} == {
        "tp": [0, 0],
        "fp": [0, 2],
        "fn": [0, 0],
        "tn": [20, 8],
    }
    assert counts.rate("selection_rate").tolist() == [0, 0.2]
    links = log.head()[0]
    monitor = FairnessMonitor("selection_rate", max_difference=0.1)
    monitor.update(counts, batch="b1")
    # A flood without tickets moves nothing.
    log.submit(*(body(f"flood-{i}", group="men") for i in range(500)))
    assert log.counts(DECISIONS, batch="b1") == counts
    assert log.head()[0] == links + 500
    assert log.counts(DECISIONS, batch="b2").cells["fp"].tolist() == [1, 0]
    assert log.verify() == []


def test_a_batch_is_counted_once_and_what_comes_later_is_said(log, path):
    log.submit(body("k1", ticket=log.ticket("d1", batch="b1")))
    counts = log.counts(DECISIONS, batch="b1")
    log.submit(body("k2", ticket=log.ticket("d2", batch="b1")))
    with pytest.warns(UserWarning, match="1 concerns of batch b1 came after it was counted"):
        assert log.counts(DECISIONS, batch="b1") == counts
    assert log.verify() == []
    # Who changes what was counted, and links it again, is found, too.
    raw = sqlite3.connect(path)
    raw.execute("DROP TRIGGER no_update")
    before, line = raw.execute(
        "SELECT a.link, b.line FROM event a JOIN event b ON b.number = 2 WHERE a.number = 1"
    ).fetchone()
    assert '"selected":[["women",1]]' in line
    line = line.replace('"selected":[["women",1]]', '"selected":[["women",3]]')
    link = hashlib.sha256(f"{before}\n{line}".encode()).hexdigest()
    raw.execute("UPDATE event SET line = ?, link = ? WHERE number = 2", (line, link))
    raw.commit()
    raw.close()
    assert "counts" in [finding.kind for finding in log.verify()]


def test_a_ticket_whose_group_is_not_known_is_not_counted_and_that_is_said(log):
    log.submit(body("k1", ticket=log.ticket("d9", batch="b1"), group="men"))
    with pytest.warns(UserWarning, match="1 concerns with a ticket of batch b1 are not counted: group_of"):
        assert log.counts(DECISIONS, batch="b1").cells["fp"].tolist() == [0, 0]


def test_decisions_that_cannot_be_those_of_the_batch_are_refused(log):
    log.submit(*(body(f"k{d}", ticket=log.ticket(d, batch="b1")) for d in ("d1", "d3")))
    one = {"tp": [0], "fp": [1], "fn": [0], "tn": [0]}
    weighted = GroupCounts(["women"], one, {**one, "fp": [0.5]})
    strata = GroupCounts(["women"], {cell: [[n[0]]] for cell, n in one.items()}, strata=["x"])
    for decisions, batch, words in [
        (GroupCounts(["women"], one), "b1", r"more concerns than decisions in batch b1: women (2 of 1)"),
        (GroupCounts(["men"], one), "b1", "decisions has no group women"),
        (weighted, "b1", "without weights"),
        (strata, "b1", "no strata"),
        ({"women": 3}, "b1", "must be a GroupCounts"),
        (DECISIONS, "", "batch must be"),
        (DECISIONS, 7, "batch must be"),
    ]:
        assert words in said(lambda d=decisions, b=batch: log.counts(d, batch=b))


def test_a_log_that_another_thread_closes_says_so(path):
    log, found = ConcernLog(path), []

    def submit() -> None:
        try:
            log.submit({"key": "k", "category": "other"})
        except Exception as error:
            found.append(str(error))

    thread = threading.Thread(target=submit)
    with log._store._lock:  # the other thread waits for its turn
        thread.start()
        time.sleep(0.05)
        log.close()
    thread.join()
    assert found == ["This log of concerns is closed."]


def test_the_command_line_offers_all_states_and_reasons():
    assert (commands._STATES, commands._REASONS) == (STATES, REASONS)
