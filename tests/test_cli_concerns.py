"""``fairsk concerns``: what operators do with the file of concerns, and where secrets may come from."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import sqlite3
from pathlib import Path

import pytest

from fairsk._cli import concerns as command
from fairsk._cli import main
from fairsk.monitoring import ConcernLog
from fairsk.monitoring._concerns import REASONS, STATES

SECRET = "a secret of the tests, and of nobody else"


def concerns(*arguments):
    """Return the exit status of a command, however it exits."""
    try:
        return main(["concerns", *map(str, arguments)])
    except SystemExit as exit_:
        return exit_.code


@pytest.fixture
def db(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(command.SECRET_VARIABLE, raising=False)
    with ConcernLog("concerns.db", secret=SECRET, groups=["=1+1", "men"], store_text=True) as log:
        ticket = log.ticket("loan-1", batch="a")
        log.submit(
            {"key": "k1", "category": "wrong data", "ticket": ticket, "group": "men"},
            {"key": "k2", "category": "other", "group": "=1+1", "text": "\x1b[31m <b>"},
        )
    return "concerns.db"


def test_concerns_are_listed_and_answered(db, capsys):
    assert concerns("list", db) == 0
    printed = capsys.readouterr().out
    assert "wrong data" in printed
    assert "\x1b" not in printed
    assert concerns("answer", db, 1, "--state", "in review") == 0
    assert "concern 1: in review" in capsys.readouterr().out
    assert concerns("answer", db, 1, "--state", "answered", "--reason", "data corrected") == 0
    assert "concern 1: answered, data corrected" in capsys.readouterr().out
    assert concerns("list", db, "--state", "received", "--json") == 0
    assert json.loads(capsys.readouterr().out)["numbers"] == [2]
    with ConcernLog(db, secret=SECRET) as log:
        assert log.status(log.ticket("loan-1", batch="a")).reason == "data corrected"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["answer", "concerns.db", "1", "--state", "answered"], "--reason"),
        (["answer", "concerns.db", "1", "--state", "in review", "--reason", "withdrawn"], "--reason"),
        (["answer", "concerns.db", "9", "--state", "in review"], "9"),
        (["answer", "concerns.db", "1", "--state", "received"], "invalid choice"),
        (["list", "nothing.db"], "There is no log of concerns"),
        (["list", "text.db"], "text.db"),
        (["verify", "concerns.db", "--anchor", "1"], "write N:LINK"),
        (["export", "concerns.db", "--out", "x.xls"], "must end in .csv"),
        (["export", "link.csv", "--out", "link.csv"], "would overwrite"),
        (["ticket", "concerns.db", "loan-1"], "--secret-file, or set FAIRSK_SECRET"),
        (["ticket", "concerns.db", "loan-1", "--secret-file", "none"], "No such file"),
        (["ticket", "concerns.db", "loan-1", "--secret-file", "short"], "16"),
        (["ticket", "concerns.db", "loan-1", "--secret-file", "empty"], "is empty"),
    ],
)
def test_a_mistake_is_a_sentence(db, arguments, message, capsys):
    Path("text.db").write_text("no database, but a text that is long enough to be one" * 20)
    Path("short").write_text("short")
    Path("empty").write_text("\n")
    os.chmod("short", 0o600)
    os.chmod("empty", 0o600)
    os.symlink(db, "link.csv")
    assert concerns(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_file_that_was_changed_does_not_hold(db, capsys):
    assert concerns("verify", db) == 0
    printed = capsys.readouterr().out
    head = re.search(r"against later: (\d+:[0-9a-f]{64})\n", printed)[1]
    assert concerns("verify", db, "--anchor", head) == 0
    number, link = head.split(":")
    assert concerns("verify", db, "--anchor", f"{number}:{link[::-1]}") == 1
    with sqlite3.connect(db) as connection:
        connection.execute("DROP TRIGGER no_update")
        connection.execute("UPDATE event SET category = 'other' WHERE number = 1")
    connection.close()
    capsys.readouterr()
    assert concerns("verify", db) == 1
    assert "does not hold" in capsys.readouterr().out


def test_an_export_holds_no_formula(db, capsys):
    assert concerns("export", db, "--out", "concerns.csv") == 0
    assert "wrote concerns.csv (2 concerns)" in capsys.readouterr().out
    with open("concerns.csv", newline="", encoding="utf-8-sig") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert "'=1+1" in cells
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


@pytest.mark.parametrize("source", ["file", "variable"])
def test_a_ticket_is_that_of_the_log(db, source, monkeypatch, capsys):
    more = []
    if source == "file":
        Path("secret").write_text(SECRET + "\n")
        os.chmod("secret", 0o600)
        more = ["--secret-file", "secret"]
    else:
        monkeypatch.setenv(command.SECRET_VARIABLE, SECRET)
    assert concerns("ticket", db, "loan-1", "--batch", "a", *more) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    with ConcernLog(db, secret=SECRET) as log:
        assert log.ticket("loan-1", batch="a") == captured.out.strip()
        assert log.status(captured.out.strip()).number == 1


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_a_secret_that_everybody_may_read_is_warned_of(db, capsys):
    Path("secret").write_text(SECRET)
    os.chmod("secret", 0o644)
    assert concerns("ticket", db, "loan-1", "--secret-file", "secret") == 0
    captured = capsys.readouterr()
    assert "Everybody on this machine may read 'secret'" in captured.err
    assert SECRET not in captured.out + captured.err


def test_the_words_of_the_command_line_are_those_of_the_log():
    assert command._STATES == STATES
    assert command._REASONS == REASONS


@pytest.mark.parametrize("source", ["help", "docs"])
def test_the_examples_run(db, source, monkeypatch, capsys):
    Path("ticket.secret").write_text(SECRET)
    os.chmod("ticket.secret", 0o600)
    text = (Path(__file__).parents[1] / "docs" / "command_line.md").read_text()
    if source == "help":
        assert concerns("--help") == 0
        text = capsys.readouterr().out
    lines = [line.strip() for line in text.splitlines()]
    found = [shlex.split(line)[2:] for line in lines if line.startswith("fairsk concerns ")]
    assert {arguments[0] for arguments in found} == {"list", "answer", "verify", "export", "ticket"}
    for arguments in found:
        assert concerns(*arguments) == 0, capsys.readouterr().err
