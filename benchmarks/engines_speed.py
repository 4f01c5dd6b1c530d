"""Time group counts inside engines beside the engines' own queries, and watch their memory.

Run: OMP_NUM_THREADS=1 python benchmarks/engines_speed.py [--rows N]

Ten million rows in eight groups lie in a Parquet file; for some lines of the table they are read into memory
first. "Own query" is what one would write by hand for that engine and question: a GROUP BY with counts. For
NumPy it is a factorisation and np.bincount, without checks. Engines run on one thread. Times are the least of
several runs in one process; compare them within a run only. Memory is the growth of a fresh process's peak
while it counts one million rows, and ten times as many; it is read from /proc, so on Linux only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("POLARS_MAX_THREADS", "1")

import duckdb
import numpy as np
import polars as pl

from fairsk.metrics import GroupCounts, ScoreHistograms

Job = Callable[[], Any]

COUNTS = {"y_true": "y", "y_pred": "p", "sensitive_features": "team"}
SCORES = {"y_true": "y", "y_score": "score", "sensitive_features": "team"}
BINS = 256
TARGET = 2.0


def make_rows(n: int) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    names = np.array([f"group {i}" for i in range(8)])
    return pl.DataFrame(
        {
            "team": names[rng.integers(0, 8, n)],
            "y": rng.integers(0, 2, n, dtype=np.int8),
            "p": rng.integers(0, 2, n, dtype=np.int8),
            "w": rng.random(n),
            "score": rng.random(n),
        }
    )


def least_seconds(job: Job, repeats: int = 7, budget: float = 12.0) -> float:
    """Return the least seconds of a job: at least two runs, and no more once the budget is spent."""
    times: list[float] = []
    while len(times) < 2 or (len(times) < repeats and sum(times) < budget):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def relation(source: str) -> duckdb.DuckDBPyRelation:
    connection = duckdb.connect()
    connection.execute("SET threads TO 1")
    return connection.sql(f"SELECT * FROM '{source}'")


def duckdb_jobs(table: duckdb.DuckDBPyRelation) -> Iterator[tuple[str, Job, Job]]:
    def query(sums: str, keys: str = "team, y, p") -> Job:
        return lambda: table.query("t", f"SELECT {keys}, {sums} FROM t GROUP BY ALL").fetchall()

    in_bin = f"least(floor(score * {BINS}), {BINS - 1}) AS bin"
    yield "counts", lambda: GroupCounts.from_frame(table, **COUNTS), query("count(*)")
    yield (
        "weighted counts",
        lambda: GroupCounts.from_frame(table, **COUNTS, sample_weight="w"),
        query("sum(w), sum(w * w), min(w)"),
    )
    yield (
        f"histograms of {BINS} bins",
        lambda: ScoreHistograms.from_frame(table, **SCORES, bins=BINS),
        query("count(*), sum(score)", f"team, y, {in_bin}"),
    )


def polars_jobs(lazy: pl.LazyFrame) -> Iterator[tuple[str, Job, Job]]:
    def query(*sums: pl.Expr, keys: tuple[Any, ...] = ("team", "y", "p")) -> Job:
        return lambda: lazy.group_by(*keys).agg(*sums).collect()

    w, score = pl.col("w"), pl.col("score")
    yield "counts", lambda: GroupCounts.from_frame(lazy, **COUNTS), query(pl.len())
    yield (
        "weighted counts",
        lambda: GroupCounts.from_frame(lazy, **COUNTS, sample_weight="w"),
        query(w.sum(), (w * w).sum().alias("w2"), w.min().alias("low")),
    )
    in_bin = (score * BINS).floor().clip(0, BINS - 1).alias("bin")
    yield (
        f"histograms of {BINS} bins",
        lambda: ScoreHistograms.from_frame(lazy, **SCORES, bins=BINS),
        query(pl.len(), score.sum(), keys=("team", "y", in_bin)),
    )


def numpy_jobs(frame: pl.DataFrame) -> Iterator[tuple[str, Job, Job]]:
    """Yield the same counts out of arrays, beside a factorisation and ``np.bincount``."""
    y, p, w, score = (frame[name].to_numpy() for name in ("y", "p", "w", "score"))

    def factorized(groups: pl.Series) -> np.ndarray:
        return groups.cast(pl.Categorical).to_physical().to_numpy().astype(int)

    codes = factorized(frame["team"])
    yield (
        "counts, texts",
        lambda: GroupCounts.from_predictions(y, p, sensitive_features=frame["team"]),
        lambda: np.bincount(factorized(frame["team"]) * 4 + y * 2 + p, minlength=32),
    )
    yield (
        "counts, integers",
        lambda: GroupCounts.from_predictions(y, p, sensitive_features=codes),
        lambda: np.bincount(codes * 4 + y * 2 + p, minlength=32),
    )
    yield (
        "weighted counts, integers",
        lambda: GroupCounts.from_predictions(y, p, sensitive_features=codes, sample_weight=w),
        lambda: [np.bincount(codes * 4 + y * 2 + p, values, 32) for values in (w, w**2)],
    )
    yield (
        f"histograms of {BINS} bins, integers",
        lambda: ScoreHistograms.from_scores(y, score, sensitive_features=codes, bins=BINS),
        lambda: [
            np.bincount((codes * 2 + y) * BINS + (score * BINS).astype(int), values, 16 * BINS)
            for values in (None, score)
        ],
    )


def print_times(source: str, n: int) -> None:
    frame = pl.read_parquet(source)
    database = duckdb.connect()
    database.execute("SET threads TO 1")
    database.execute(f"CREATE TABLE held AS SELECT * FROM '{source}'")
    jobs_by_engine = {
        "DuckDB, Parquet": duckdb_jobs(relation(source)),
        "DuckDB, table": duckdb_jobs(database.table("held")),
        "polars, Parquet": polars_jobs(pl.scan_parquet(source)),
        "polars, memory": polars_jobs(frame.lazy()),
        "NumPy": numpy_jobs(frame),
    }
    print(f"{n:,} rows, 8 groups, one thread (target: engines at most {TARGET:.0f} times their own query)\n")
    print("| where | what | fairsk, ms | own query, ms | ratio |")
    print("|---|---|--:|--:|--:|")
    for engine, jobs in jobs_by_engine.items():
        for what, job, query in jobs:
            seconds, bare = least_seconds(job), least_seconds(query)
            print(
                f"| {engine} | {what} | {1e3 * seconds:.0f} | {1e3 * bare:.0f} | {seconds / bare:.2f} |",
                flush=True,
            )


def peak_mib() -> float:
    """Return the peak of this process's memory; ``ru_maxrss`` would count its parent's too."""
    status = Path("/proc/self/status").read_text()
    return float(status.split("VmHWM:")[1].split()[0]) / 1024


def measure_memory(engine: str, source: str) -> None:
    """Print by how many MiB the peak grows; run in a process of its own."""
    warm = pl.DataFrame({name: [1.0] for name in ("team", "y", "p", "w", "score")}).lazy()
    frame = relation(source) if engine == "DuckDB" else pl.scan_parquet(source)
    GroupCounts.from_frame(warm, **COUNTS, sample_weight="w")
    before = peak_mib()
    GroupCounts.from_frame(frame, **COUNTS, sample_weight="w")
    ScoreHistograms.from_frame(frame, **SCORES, bins=BINS)
    print(peak_mib() - before)


def print_memory(sources: dict[int, str]) -> None:
    few, many = sorted(sources)
    print("\nGrowth of the peak memory, MiB, weighted counts and histograms out of Parquet (target: flat)\n")
    print(f"| where | {few:,} rows | {many:,} rows | their columns would take |")
    print("|---|--:|--:|--:|")
    for engine in ("DuckDB", "polars"):
        growth = [
            float(
                subprocess.run(
                    [sys.executable, __file__, "--memory", engine, sources[n]],
                    check=True, capture_output=True, text=True,
                ).stdout
            )
            for n in (few, many)
        ]  # fmt: skip
        column_size = pl.read_parquet(sources[many]).estimated_size("mb")
        print(f"| {engine} | {growth[0]:.0f} | {growth[1]:.0f} | {column_size:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--memory", nargs=2, metavar=("ENGINE", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        measure_memory(*arguments.memory)
        return
    with tempfile.TemporaryDirectory() as folder:
        sources = {n: str(Path(folder) / f"{n}.parquet") for n in (arguments.rows // 10, arguments.rows)}
        for n, source in sources.items():
            make_rows(n).write_parquet(source)
        print_times(sources[arguments.rows], arguments.rows)
        print_memory(sources)


if __name__ == "__main__":
    main()
