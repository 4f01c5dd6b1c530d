"""The programs around the demo of monitoring: service, Prometheus and browser, each while it is needed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fairsk._cli.service import address_of, listen, make_server

__all__ = ["Prometheus", "interruptible", "prometheus", "service", "take_pictures"]

#: The rules lie in the documentation, beside the package in a checkout.
_RULES = Path(__file__).parents[2] / "docs" / "prometheus" / "fairsk.rules.yml"
#: The alerts that say what a monitor says.
_ALARMS = ("FairnessToleranceNotKept", "FairnessChanged")
#: Seconds for a program to start, to end, or to draw a page.
_START, _STOP, _DRAW = 15.0, 5.0, 60.0
#: Pictures for documentation: so many pixels for each that the page asks for keep them small.
_SCALE = 0.7

_Say = Callable[[str], None]


@contextmanager
def interruptible() -> Iterator[None]:
    """Let a request to terminate end the demo as Ctrl-C does, so that nothing it started goes on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def service(application: Any, say: _Say) -> Iterator[str | None]:
    """Serve an application on a free port; yield its address, None if nothing is installed to serve with."""
    try:
        listening = listen("127.0.0.1", 0)
    except ImportError as error:
        say(f"No service, and no Prometheus: {error}")
        yield None
        return
    server = make_server(application)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        until = time.monotonic() + _START
        while not server.started and thread.is_alive() and time.monotonic() < until:
            time.sleep(0.02)
        yield address_of(listening)
    finally:
        server.should_exit = True
        thread.join(_STOP)
        listening.close()


class Prometheus:
    """A running Prometheus: where it listens, its page of alerts, and which alarms of monitors fire in it."""

    def __init__(self, address: str, log: Path) -> None:
        self.address = address
        self.log = log
        # Debian ships the older pages only.
        self.page = f"{address}/{'alerts' if _answers(f'{address}/alerts') else 'classic/alerts'}"
        self._firing: set[tuple[str, str]] = set()

    @property
    def n_firing(self) -> int:
        """How many alarms have been seen."""
        return len(self._firing)

    def newly_firing(self) -> list[tuple[str, str]]:
        """Return the alarms that fire and did not when last asked: the alert and the monitor."""
        try:
            with urllib.request.urlopen(f"{self.address}/api/v1/alerts", timeout=2) as answer:
                alerts = json.load(answer)["data"]["alerts"]
        except (OSError, ValueError):  # it starts, or is busy: the next look shows it
            return []
        firing = {
            (alert["labels"]["alertname"], alert["labels"].get("monitor", ""))
            for alert in alerts
            if alert["state"] == "firing" and alert["labels"]["alertname"] in _ALARMS
        }
        new = sorted(firing - self._firing)
        self._firing |= firing
        return new


@contextmanager
def prometheus(folder: Path, service_address: str, say: _Say) -> Iterator[Prometheus | None]:
    """Run Prometheus with the rules that ship; yield None, and say why, where that cannot be."""
    program = shutil.which("prometheus")
    if program is None:
        say("No Prometheus: it is not installed (Debian: apt-get install prometheus).")
        yield None
        return
    if not _RULES.is_file():
        say("No Prometheus: its rules are in docs/prometheus of a checkout, not in the package.")
        yield None
        return
    shutil.copy(_RULES, folder)
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [_RULES.name],
        "scrape_configs": [
            {
                "job_name": "fairsk",
                "static_configs": [{"targets": [service_address.removeprefix("http://")]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(configuration, indent=2))  # JSON is YAML
    address = f"127.0.0.1:{_free_port()}"
    command = [program, "--config.file=prometheus.yml", "--storage.tsdb.path=prometheus-data"]
    log = folder / "prometheus.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, f"--web.listen-address={address}"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            until = time.monotonic() + _START
            while not (ready := _answers(f"http://{address}/-/ready")) and time.monotonic() < until:
                if process.poll() is not None:
                    break
                time.sleep(0.05)
            if not ready:
                say(f"No Prometheus: it does not start; {log} says why.")
            yield Prometheus(f"http://{address}", log) if ready else None
        finally:
            _stop(process)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def take_pictures(
    folder: Path, pages: Mapping[str, tuple[str, tuple[int, int]]], say: _Say
) -> Iterator[Path]:
    """Draw pages, each an address and a size, with Chromium; yield the files."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        say("No pictures: Chromium is not installed (Debian: apt-get install chromium).")
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, (address, (width, height)) in pages.items():
        path = (folder / f"monitor-{name}.png").resolve()
        with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
            command = [program, "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
            if os.geteuid() == 0:  # it has no sandbox for the superuser, and refuses to start
                command.append("--no-sandbox")
            command += [f"--user-data-dir={profile}", f"--window-size={width},{height}"]
            command.append(f"--force-device-scale-factor={_SCALE}")
            # Pages that fetch what they show are given five seconds, which pass at once where none do.
            command += ["--virtual-time-budget=5000", f"--screenshot={path}", address]
            try:
                subprocess.run(command, timeout=_DRAW, check=True, capture_output=True)
            except (subprocess.SubprocessError, OSError):
                say(f"No picture of {name}: Chromium failed.")
                continue
        yield path
