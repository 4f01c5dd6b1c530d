"""The demo of monitoring: alarms after the drift and none before, and what it leaves behind."""

from __future__ import annotations

import re
import shutil
import sys
import time
import urllib.request
from datetime import date, timedelta

import pytest

from fairsk._cli import main
from fairsk._cli.monitor_demo_services import prometheus, service, take_pictures
from fairsk.metrics import GroupCounts
from fairsk.monitoring import ConcernLog, FairnessMonitor, app, create_monitor, read_monitor

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
    alone = (folder / "approvals.html").read_text()
    assert "approvals" in alone
    assert "true-positives" not in alone


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


def test_what_is_not_installed_is_named(monkeypatch, tmp_path):
    said = []
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with service(app(), said.append) as address:
        assert address is None
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with prometheus(tmp_path, "http://127.0.0.1:1", said.append) as running:
        assert running is None
    assert list(take_pictures(tmp_path / "pictures", {"page": ("file:///", (10, 10))}, said.append)) == []
    assert [line.split(":")[0] for line in said] == [
        "No service, and no Prometheus",
        "No Prometheus",
        "No pictures",
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_prometheus_that_does_not_start_is_named(monkeypatch, tmp_path):
    said = []
    monkeypatch.setattr(shutil, "which", lambda program: sys.executable)
    with prometheus(tmp_path, "http://127.0.0.1:1", said.append) as running:
        assert running is None
    assert said == [f"No Prometheus: it does not start; {tmp_path / 'prometheus.log'} says why."]


def test_the_services_show_an_alarm_and_end(tmp_path):
    pytest.importorskip("uvicorn", reason="uvicorn is not installed (pip install fairsk[serve])")
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    monitor = FairnessMonitor("demographic_parity", min_ratio=0.8, name="loans")
    cells = {"tp": [0, 0], "fp": [900, 100], "fn": [0, 0], "tn": [100, 900]}
    for day in (1, 2):
        monitor.update(GroupCounts(["a", "b"], cells, labelled=False), batch=f"2026-11-0{day}")
    create_monitor(tmp_path / "loans.json", monitor)
    said, seen, until = [], [], time.monotonic() + 60
    with service(app(tmp_path / "loans.json"), said.append) as address:
        with urllib.request.urlopen(f"{address}/healthz", timeout=10) as answer:
            assert answer.status == 200
        with prometheus(tmp_path, address, said.append) as running:
            with urllib.request.urlopen(running.page, timeout=10) as answer:
                assert "Prometheus" in answer.read().decode()
            while running.n_firing < 2 and time.monotonic() < until:
                seen += running.newly_firing()
                time.sleep(0.05)
    assert sorted(seen) == [("FairnessChanged", "loans"), ("FairnessToleranceNotKept", "loans")]
    assert said == []
    for ended in (address, running.address):
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(ended, timeout=10)
