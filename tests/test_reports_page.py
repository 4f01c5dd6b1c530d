"""The page on audit reports: its shell commands run as printed, and its workflow asks for what there is."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from fairsk._cli import main

pytest.importorskip("duckdb", reason="the command line counts with it")

PAGE = (Path(__file__).parents[1] / "docs" / "reports.md").read_text()
COMMANDS = re.findall(r"```console\n(.*?)```", PAGE, flags=re.DOTALL)
(WORKFLOW,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the file of predictions that the page writes."""
    folder = tmp_path_factory.mktemp("reports")
    namespace: dict = {}
    for example in doctest.DocTestParser().get_examples(PAGE):
        if "to_csv" in example.source:
            break
        exec(example.source, namespace)
    namespace["predictions"].to_csv(folder / "predictions.csv", index=False)
    return folder


@pytest.fixture
def folder(written: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(written)
    monkeypatch.setenv("COLUMNS", "100")
    return written


def run(command: str) -> int:
    """Run a command line of fairsk in this process; return the exit status."""
    program, *arguments = shlex.split(command)
    assert program == "fairsk"
    try:
        return main(arguments)
    except SystemExit as exit_:
        return int(exit_.code or 0)


def test_commands_print_what_the_page_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of the page, for later commands read what earlier ones wrote."""
    checker = doctest.OutputChecker()
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    status, n_commands = 0, 0
    for block in COMMANDS:
        for command, said in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.MULTILINE):
            if command == "echo $?":
                assert status == int(said)
                continue
            status = run(command)
            printed = capsys.readouterr()
            assert not printed.err, command
            assert not said or checker.check_output(said, printed.out, options), printed.out
            n_commands += 1
    assert n_commands >= 3
    assert (folder / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_commands_in_sentences_are_accepted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that stand whole in a sentence, with the report of the blocks above."""
    run(
        'fairsk audit predictions.csv --y-pred predicted --pos-label ">50K" --sensitive sex --out report.json'
    )
    whole = [text for text in re.findall(r"`(fairsk [^`.]*\.[^`]*)`", PAGE) if "..." not in text]
    assert "fairsk verify report.json --against predictions.csv" in whole
    for command in whole:
        assert run(command) == 0, capsys.readouterr()


def test_the_workflow_runs_its_audit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pd.read_csv("predictions.csv").to_parquet("predictions.parquet")
    steps = re.search(r"- run: >\n((?: {10,}.*\n)+)", WORKFLOW)
    assert steps is not None
    command = " ".join(steps[1].split()).replace("$GITHUB_STEP_SUMMARY", "summary.md")
    assert run(command) in (0, 1), capsys.readouterr()
    for name in ("report.html", "report.json", "summary.md"):
        assert (folder / name).stat().st_size > 1000
    assert (folder / "summary.md").read_text().startswith("# ")
