"""The command line: one table of unseen rows, with intervals, and plain words that the numbers bear out."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from pkgutil import resolve_name

import pytest
from sklearn.utils import Bunch

from fairsk._cli import demo as demo
from fairsk._cli import main
from fairsk.datasets import load_adult


@pytest.fixture
def small_adult(monkeypatch):
    adult = load_adult()
    small = Bunch(data=adult.data[:3000], target=adult.target[:3000])
    monkeypatch.setitem(demo._LOADERS, "adult", lambda: small)


def test_every_approach_stands_in_the_table(small_adult, capsys):
    rows = demo.run(
        data="adult", sensitive=["sex"], constraint="demographic_parity", max_difference=0.05, seed=0
    )
    printed = capsys.readouterr().out
    assert [row.name for row in rows] == [
        "plain",
        "reweighted",
        "net with a bound",
        "group thresholds",
        "search under the bound",
    ]
    for row in rows:
        assert 0.7 < row.accuracy < 0.9
        gap, low, high = row.disparities["demographic_parity"]
        assert 0 <= low <= gap <= high
        assert f"{row.accuracy:.4f}" in printed
        assert f"{gap:.3f} [{low:.3f}, {high:.3f}]" in printed
    assert rows[0].disparities["demographic_parity"][0] > 0.1
    assert rows[3].disparities["demographic_parity"][0] < rows[0].disparities["demographic_parity"][0]
    said = re.search(r"the selection rate is ([\d.]+)% for Male and ([\d.]+)% for Female", printed)
    assert float(said[1]) / 100 - float(said[2]) / 100 == pytest.approx(
        rows[0].disparities["demographic_parity"][0], abs=2e-3
    )


def test_an_intersection_names_its_small_groups(small_adult, capsys):
    assert main(["demo", "--sensitive", "race,sex", "--constraint", "equal_opportunity"]) == 0
    printed = capsys.readouterr().out
    assert "groups by race, sex" in printed
    assert "equal opportunity gap" in printed
    assert "Notes from fitting" in printed
    assert "Other & Female" in printed


def test_german_credit_says_that_its_gaps_are_noise(capsys):
    assert main(["demo", "--data", "german_credit"]) == 0
    assert "cannot be told from no gap at all" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sensitive", "gender"], "The sensitive column 'gender' is not in X"),
        (["--max-difference", "2"], "--max-difference must lie between 0 and 0.5"),
    ],
)
def test_wrong_arguments_are_explained_at_once(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["demo", *arguments])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_the_extra_is_named_when_it_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        main(["demo"])
    assert 'pip install "fairsk[demo]"' in capsys.readouterr().err


def test_the_script_and_the_module_are_the_same_command(capsys):
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["scripts"].keys() == {"fairsk"}
    assert resolve_name(project["scripts"]["fairsk"]) is main
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: fairsk ")
    command = [sys.executable, "-m", "fairsk", "--help"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == said
