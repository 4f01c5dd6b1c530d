"""The demo of monitoring: alarms after the drift and none before, and what it leaves behind."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

from fairsk._cli import main
from fairsk.monitoring import ConcernLog, read_monitor

NAMES = ("approvals", "true-positives", "concerns")


def test_a_year_at_once(tmp_path, capsys):
    folder = tmp_path / "year"
    # The year ends yesterday, so that nothing is missing today, and it may become tomorrow meanwhile.
    today = date.today()
    assert main(["monitor", "demo", "--seconds", "0", "--folder", str(folder), "--no-services"]) == 0
    printed, noted = capsys.readouterr()
    assert not noted
    drift = re.search(r"^(\S+)  --- drift begins", printed, flags=re.MULTILINE)[1]
    assert date.fromisoformat(drift) - today in (timedelta(days=-182), timedelta(days=-181))
    dated = [line for line in printed.splitlines() if re.match(r"\d{4}-\d\d-\d\d  ", line)]
    assert dated == sorted(dated, key=lambda line: line[:10])
    assert "300 concerns without a ticket" in dated[0]
    assert "drift begins" in dated[1]
    alarms = [line for line in dated if "alarmed" in line]
    assert len(alarms) == len(dated) - 2

    # What it says of each monitor is what the file says.
    for name in NAMES:
        monitor = read_monitor(folder / f"{name}.json")
        assert monitor.change is not None
        assert monitor.change >= drift
        assert monitor.alarm is None or monitor.alarm >= drift
        said = [line for line in alarms if line[12:].startswith(f"{name}: the detector of changes")]
        known, of = re.search(r"^(\S+) .*?(?:of decisions of (\S+) )?\(\d+ days after", said[0]).groups()
        assert (of or known) == monitor.change
        assert f"{name}: " in printed
    assert "Every monitor alarmed after the drift, and none before it." in printed

    assert len(read_monitor(folder / "approvals.json").batches) == 364
    assert len(read_monitor(folder / "true-positives.json").batches) == 364 - 28
    assert len(read_monitor(folder / "concerns.json").batches) == 52
    _, decided = read_monitor(folder / "approvals.json").shares()
    assert decided.sum(axis=1).tolist() == [150] * 364
    with ConcernLog(folder / "concerns.db", mode="read") as log:
        assert log.verify() == []
        part, _ = read_monitor(folder / "concerns.json").shares()
        assert log.head()[0] == 300 + part.sum() + 52  # concerns of both kinds, and 52 weeks that were closed
    page = (folder / "page.html").read_text()
    assert all(name in page for name in NAMES)
    assert "<script" not in page


def test_the_folder_is_new_or_empty(tmp_path, capsys):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(SystemExit) as stopped:
        main(["monitor", "demo", "--folder", str(tmp_path)])
    assert stopped.value.code == 2
    assert "--folder must be new or empty" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["-1", "nan", "1e9"])
def test_a_year_takes_a_while(seconds, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["monitor", "demo", "--seconds", seconds, "--folder", str(tmp_path / "new")])
    assert stopped.value.code == 2
    assert "--seconds must lie between 0 and 3600" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
