"""Load the service of concerns: how many it stores per second, and how long each sender waits.

Run: python benchmarks/concerns_load.py [--seconds N] [--kills N]

uvicorn runs in a process of its own, and this one is all of its clients, on the same machine: each connection
sends a new concern with a ticket as soon as the one before was acknowledged, and stays open. Every second
connection sends a text. What was acknowledged is compared with the log afterwards, and its chain is verified.
With ``--kills`` the process is killed (SIGKILL) in the midst of 16 connections, so often, and started again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np

from fairsk.monitoring import ConcernLog

SECRET = "only for this benchmark"
CONNECTIONS = (1, 16, 128)
#: Requests per second, and milliseconds within which 99% are answered, at so many connections.
AT, LEAST, MOST = 16, 400, 200

SERVICE = f"""
from fairsk.monitoring import ConcernLog, app

log = ConcernLog("concerns.db", secret={SECRET!r}, groups=("a", "b"), store_text=True)
application = app(concerns=log, rate=1e9, burst=10**9)
"""


async def acknowledged(port: int, name: str, tickets: ConcernLog) -> AsyncIterator[tuple[str, float]]:
    """Send concerns over one connection, and yield the key of each and the seconds that it took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for i in itertools.count():
            key = f"{name}-{i}"
            concern = {
                "key": key,
                "category": "other",
                "group": "a",
                "ticket": tickets.ticket(key, batch="b"),
            }
            if name.endswith("odd"):
                concern["text"] = "The income that was used is that of last year."
            body = json.dumps(concern).encode()
            start = time.perf_counter()
            writer.write(
                b"POST /concerns HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            (length,) = (int(line[15:]) for line in lines if line.startswith(b"content-length:"))
            answer = await reader.readexactly(length)
            if not head.startswith(b"HTTP/1.1 201"):
                raise RuntimeError(f"{head!r} {answer!r}")
            yield key, time.perf_counter() - start
    finally:
        writer.close()


async def send(port: int, name: str, tickets: ConcernLog, until: float) -> list[float]:
    waited = []
    async for _, seconds in acknowledged(port, name, tickets):
        waited.append(seconds)
        if time.perf_counter() >= until:
            break
    return waited


async def load(port: int, n: int, name: str, tickets: ConcernLog, seconds: float) -> list[float]:
    until = time.perf_counter() + seconds
    parity = ("even", "odd")
    several = [send(port, f"{name}-{i}-{parity[i % 2]}", tickets, until) for i in range(n)]
    return [one for waited in await asyncio.gather(*several) for one in waited]


async def kill(
    process: subprocess.Popen[bytes], port: int, name: str, log: ConcernLog, seconds: float
) -> set[str]:
    """Kill the service under load, and return the keys of the concerns that it had acknowledged."""
    keys = set[str]()

    async def until_it_dies(i: int) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            async for key, _ in acknowledged(port, f"{name}-{i}-even", log):
                keys.add(key)

    tasks = [asyncio.create_task(until_it_dies(i)) for i in range(AT)]
    await asyncio.sleep(seconds)
    process.kill()
    await asyncio.gather(*tasks)
    return keys


def start(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start uvicorn, and return when it answers."""
    (folder / "served.py").write_text(SERVICE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "served:application", "--port", str(port)]
    command += ["--no-access-log", "--log-level", "warning", "--limit-concurrency", "200"]
    root = str(Path(__file__).resolve().parents[1])
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": root})
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process, port
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("uvicorn does not answer")


def print_load(folder: Path, seconds: float) -> None:
    process, port = start(folder)
    try:
        with ConcernLog(folder / "concerns.db", secret=SECRET) as log:
            asyncio.run(load(port, 4, "warm", log, 1.0))
            before, total = log.head()[0], 0
            print("| connections | concerns/s | p50 ms | p99 ms | target |\n|---|---|---|---|---|")
            for n in CONNECTIONS:
                begun = time.perf_counter()
                waited = asyncio.run(load(port, n, f"run{n}", log, seconds))
                rate = len(waited) / (time.perf_counter() - begun)
                p50, p99 = 1000 * np.percentile(waited, [50, 99])
                met = "met" if rate >= LEAST and p99 <= MOST else "missed"
                target = f"{LEAST}/s, p99 {MOST} ms: {met}" if n == AT else "-"
                print(f"| {n} | {rate:,.0f} | {p50:.1f} | {p99:.1f} | {target} |", flush=True)
                total += len(waited)
            findings = log.verify()
            print(f"\n{total:,} acknowledged, {log.head()[0] - before:,} stored, findings: {len(findings)}.")
    finally:
        process.terminate()
        process.wait()


def print_kills(folder: Path, kills: int) -> None:
    random, keys = np.random.default_rng(0), set[str]()
    path = folder / "concerns.db"
    for i in range(kills):
        process, port = start(folder)
        with ConcernLog(path, secret=SECRET) as log:
            keys |= asyncio.run(kill(process, port, f"kill{i}", log, random.uniform(0.1, 1.0)))
        process.wait()
    with ConcernLog(path, secret=SECRET) as log:
        findings = log.verify()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        stored = {key for (key,) in connection.execute("SELECT key FROM event")}
    # What was stored and not acknowledged is found again by its key when it is sent again.
    print(
        f"\n{kills} kills: {len(keys):,} acknowledged, {len(keys - stored):,} of them lost, "
        f"{len(stored - keys):,} more stored, findings: {len(findings)}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--kills", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as load_folder, tempfile.TemporaryDirectory() as kill_folder:
        print_load(Path(load_folder), options.seconds)
        if options.kills:
            print_kills(Path(kill_folder), options.kills)


if __name__ == "__main__":
    main()
