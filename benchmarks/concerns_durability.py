"""Kill processes that write concerns, and fill the disk; count what was acknowledged and is not there.

Run: OMP_NUM_THREADS=1 python benchmarks/concerns_durability.py [N_KILLS] [N_WRITERS]

Each time several processes submit concerns with tickets and texts to one file, as fast as they can, answer
some, erase some texts and count batches, and write the number of each concern into a pipe as soon as submit
returns. After a random time all are killed (kill -9) at once; then the file is opened again. Then a process
writes under a limit of the size of files (RLIMIT_FSIZE), and another one on a small tmpfs if that can be
mounted (by root, on Linux), until the disk is full; room is made, and it goes on with the same keys.
"""

from __future__ import annotations

import itertools
import os
import random
import resource
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fairsk.monitoring import ConcernLog

SECRET = "a secret of the benchmark"
TEXT = "what somebody says " * 20
Acknowledged = set[tuple[int, str]]


def opened(path: Path) -> ConcernLog:
    return ConcernLog(path, secret=SECRET, store_text=True, group_of=lambda decision: decision[-1:])


def body(log: ConcernLog, key: str) -> dict[str, str]:
    return {"key": key, "category": "other", "ticket": log.ticket(key, batch="b"), "text": TEXT}


def write(path: Path, key: str, pipe: int) -> None:
    """Submit until killed, and acknowledge each concern after submit has returned."""
    log = opened(path)
    for i in itertools.count():
        name = f"{key}-{i}"
        number = log.submit(body(log, name))[0].number
        os.write(pipe, struct.pack("q32s", number, name.encode()))
        if i % 7 == 3:
            log.answer(number, "in review")
        if i % 50 == 49:
            log.erase(number)


def fork(work: Callable[[int], None]) -> tuple[int, int]:
    read, written = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(read)
        try:
            work(written)
        finally:
            os._exit(1)
    os.close(written)
    return process, read


def acknowledged(pipe: int) -> Acknowledged:
    with os.fdopen(pipe, "rb") as file:
        content = file.read()
    whole = len(content) // 40 * 40  # a record that the kill cut off was not acknowledged
    return {
        (number, name.rstrip(b"\0").decode()) for number, name in struct.iter_unpack("q32s", content[:whole])
    }


def stored(path: Path) -> tuple[Acknowledged, int]:
    """Return the concerns that are there, and how many findings there are."""
    with ConcernLog(path, mode="write") as log:
        table = log.concerns()
        return set(zip(table.numbers.tolist(), map(str, table.decisions), strict=True)), len(log.verify())


def kill(path: Path, n_kills: int, n_writers: int) -> tuple[int, int, int]:
    rng = random.Random(0)
    all_of_them: Acknowledged = set()
    findings = 0
    for turn in range(n_kills):
        writers = [
            fork(lambda pipe, key=f"{turn}.{i}": write(path, key, pipe))  # type: ignore[misc]
            for i in range(n_writers)
        ]
        time.sleep(0.1 + rng.random() * 0.4)
        for process, _ in writers:
            os.kill(process, signal.SIGKILL)
        for process, pipe in writers:
            os.waitpid(process, 0)
            all_of_them |= acknowledged(pipe)
        findings += stored(path)[1]
    return len(all_of_them), len(all_of_them - stored(path)[0]), findings


def fill(path: Path, make_room: Callable[[], None]) -> tuple[int, int, int, int]:
    """Submit until the disk is full, make room, and go on with the key that failed."""
    log = opened(path)
    done: Acknowledged = set()
    failures, i = 0, 0
    while i < 3000 and failures < 3:
        try:
            number = log.submit(body(log, f"k{i}"))[0].number
        except sqlite3.Error:
            failures += 1
            make_room()
            continue
        done.add((number, f"k{i}"))
        i += 1
        if failures and i % 100 == 0:
            break
    log.close()
    there, findings = stored(path)
    return len(done), len(done - there), findings, failures


def fill_a_limit(folder: Path) -> tuple[int, int, int, int]:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        return fill(folder / "limit.db", lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill_a_disk(folder: Path) -> tuple[int, int, int, int] | None:
    disk = folder / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") is not None and os.getuid() == 0
    size = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)]
    if not mounted or subprocess.run(size, capture_output=True).returncode:
        return None
    try:
        larger = ["mount", "-o", "remount,size=60m", str(disk)]
        return fill(disk / "concerns.db", lambda: subprocess.run(larger, check=True) and None)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def main(n_kills: int = 50, n_writers: int = 4) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        n, lost, findings = kill(folder / "killed.db", n_kills, n_writers)
        seconds = time.perf_counter() - start
        print(
            f"kill -9, {n_kills} times, {n_writers} processes: {n:,} acknowledged, {lost} lost, "
            f"{findings} findings ({seconds:.0f} s)"
        )
        for what, result in {
            "limit of file size": fill_a_limit(folder),
            "full disk (tmpfs)": fill_a_disk(folder),
        }.items():
            if result is None:
                print(f"{what}: not run, for nothing can be mounted here")
                continue
            n, lost, findings, failures = result
            print(
                f"{what}: {failures} refused, {n:,} acknowledged before and after, {lost} lost, "
                f"{findings} findings"
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
