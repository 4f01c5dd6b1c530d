"""Time audits from the shell beside the bare query, watch their memory, and weigh their pages.

Run: python benchmarks/audit_speed.py [--rows N]

A Parquet file of 100 million rows in eight groups is made in a temporary folder. "Bare query" is the GROUP BY
that one would write by hand, in a process of its own as the audit is; start-up is what the same command takes
on a file of a thousand rows, and taken off both. Seconds are the least of several runs, in turn; the target
is of processor seconds, which vary less than the clock where start-up is longer than the query. Where
a profile looks at who scores above the median, an audit takes a few queries more than these.
Memory is the peak of the process, for a tenth of the rows and for all of them; it is read from the system, so
on Linux only. The last table is of pages: their size, and how long a report takes to be made.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from fairsk.audit import audit_predictions
from fairsk.metrics import GroupCounts

TARGET = 1.5
#: Kilobytes of a page with and without charts, and seconds, of 8 groups and 5 criteria; seconds of 200.
PAGE, PLAIN_PAGE, SECONDS, SECONDS_OF_MANY = 200, 60, 0.5, 3.0
#: No more memory for all rows than so many times that for a tenth of them.
FLAT = 1.25
#: Bytes of the file per row, and as many again to be safe.
BYTES_PER_ROW = 10

QUERY = """
import sys, duckdb
duckdb.sql("SET enable_progress_bar = false")
rows = duckdb.sql("SELECT {keys}, count(*){sums} FROM '" + sys.argv[1] + "' GROUP BY ALL").fetchall()
"""


@dataclass(frozen=True)
class Run:
    """Seconds on the clock, seconds of the processor, and peak memory of a process."""

    seconds: float
    processor: float
    mib: float

    def least(self, other: Run | None) -> Run:
        """Return the least of both seconds, and the most memory, of two runs."""
        if other is None:
            return self
        return Run(
            min(self.seconds, other.seconds),
            min(self.processor, other.processor),
            max(self.mib, other.mib),
        )


def make_file(path: Path, rows: int, random_state: int = 0) -> None:
    """Write rows of labels, predictions and scores in eight groups."""
    connection = duckdb.connect()
    connection.execute(f"SELECT setseed({random_state / 100})")
    connection.execute(
        f"""COPY (
            SELECT ['White', 'Black', 'Asian', 'Other'][1 + (r * 4)::INT % 4] AS race,
                   CASE WHEN q < 0.45 THEN 'woman' ELSE 'man' END AS sex,
                   (s < 0.3 + 0.2 * q)::TINYINT AS hired,
                   (s < 0.25 + 0.3 * q)::TINYINT AS selected,
                   s AS score
            FROM (SELECT random() AS r, random() AS q, random() AS s FROM range({rows}))
        ) TO '{path}' (FORMAT parquet)"""
    )


def run(*command: str) -> Run:
    """Run a process and return its seconds and peak memory."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{command} exited with {process.returncode}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def audit_command(path: Path, page: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "fairsk", "audit", str(path), "--y-true", "hired", "--y-pred", "selected"),
        *("--sensitive", "race,sex", "--min-ratio", "0.8", "--out", str(page), *more),
    ]


def print_speed(folder: Path, rows: int, repeats: int) -> None:
    """Print the seconds and the memory of audits, beside the bare query."""
    few, tenth, all_rows = (folder / f"{name}.parquet" for name in ("few", "tenth", "all"))
    for path, n in ((few, 1000), (tenth, rows // 10), (all_rows, rows)):
        make_file(path, n)
    page = folder / "report.html"
    in_bin = ", least(floor(score * 64), 63) AS bin"
    jobs = {
        "decisions and labels": ("race, sex, hired, selected", "", []),
        "scores too": (f"race, sex, hired, selected{in_bin}", ", sum(score)", ["--y-score", "score"]),
    }
    size = all_rows.stat().st_size / 1e6
    print(
        f"\n| {rows:,} rows, Parquet ({size:,.0f} MB) | bare query s (processor) "
        "| audit s (processor) | start-up s | times the query (processor) | target "
        "| peak MiB of a tenth | of all |"
    )
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name, (keys, sums, more) in jobs.items():
        query = [sys.executable, "-c", QUERY.format(keys=keys, sums=sums)]
        found: dict[tuple[str, Path], Run] = {}
        for _ in range(repeats):  # in turn, so that whatever else runs here slows both
            for path in (few, tenth, all_rows):
                for kind, command in (
                    ("query", [*query, str(path)]),
                    ("audit", audit_command(path, page, *more)),
                ):
                    found[kind, path] = run(*command).least(found.get((kind, path)))
        beyond = {
            (kind, clock): getattr(found[kind, all_rows], clock) - getattr(found[kind, few], clock)
            for kind in ("query", "audit")
            for clock in ("seconds", "processor")
        }
        by_clock, times = (
            beyond["audit", clock] / beyond["query", clock] for clock in ("seconds", "processor")
        )
        small, large = found["audit", tenth].mib, found["audit", all_rows].mib
        met = f"at most {TARGET}: {'met' if times <= TARGET else 'missed'}" if not more else "-"
        flat = "flat" if large <= FLAT * small else "grows"
        print(
            f"| {name} | {beyond['query', 'seconds']:.2f} ({beyond['query', 'processor']:.2f}) | "
            f"{beyond['audit', 'seconds']:.2f} ({beyond['audit', 'processor']:.2f}) | "
            f"{found['audit', few].seconds:.2f} | {by_clock:.2f} ({times:.2f}) | {met} | {small:,.0f} | "
            f"{large:,.0f}: {flat} |",
            flush=True,
        )


def print_pages() -> None:
    """Print the size of pages, and the seconds to make them."""
    print("\n| report | compute s | page s | page KB | without charts | JSON KB | targets |")
    print("|---|---|---|---|---|---|---|")
    constraints = [
        *("demographic_parity", "equal_opportunity", "predictive_equality"),
        *("predictive_parity", "error_rate_parity"),
    ]
    for name, groups, asked in (("8 groups, 5 criteria", 8, constraints), ("200 groups", 200, constraints)):
        counts = make_counts(groups)
        audit_predictions(counts=counts, constraint=asked, min_ratio=0.8).to_html()  # imports are no work
        start = time.perf_counter()
        report = audit_predictions(counts=counts, constraint=asked, min_ratio=0.8)
        computed = time.perf_counter()
        page = report.to_html()
        done = time.perf_counter()
        plain = report.to_html(charts=False)
        size, plain_size = len(page.encode()) / 1000, len(plain.encode()) / 1000
        total = done - start
        if groups == 8:
            kept = total <= SECONDS and size <= PAGE and plain_size <= PLAIN_PAGE
            target = f"{SECONDS} s, {PAGE} KB, {PLAIN_PAGE} KB without charts"
        else:
            kept, target = total <= SECONDS_OF_MANY, f"{SECONDS_OF_MANY:g} s"
        print(
            f"| {name} | {computed - start:.2f} | {done - computed:.2f} | {size:.0f} | {plain_size:.0f} | "
            f"{len(report.to_json()) / 1000:.0f} | {target}: {'met' if kept else 'missed'} |"
        )


def make_counts(groups: int) -> GroupCounts:
    """Return counts of some hundred rows per group."""
    rng = np.random.default_rng(0)
    n = rng.integers(100, 2000, groups)
    positives = rng.binomial(n, 0.4)
    true_positives = rng.binomial(positives, rng.uniform(0.6, 0.8, groups))
    false_positives = rng.binomial(n - positives, rng.uniform(0.1, 0.2, groups))
    cells = {
        "tp": true_positives,
        "fp": false_positives,
        "fn": positives - true_positives,
        "tn": n - positives - false_positives,
    }
    return GroupCounts([f"group {i}" for i in range(groups)], cells, names=["team"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", help="where the file is made (default: the folder for temporary files)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        free = shutil.disk_usage(folder).free
        if free < 2 * BYTES_PER_ROW * options.rows:
            raise SystemExit(
                f"{options.rows:,} rows may need {2 * BYTES_PER_ROW * options.rows / 1e9:.1f} GB."
            )
        print_speed(Path(folder), options.rows, options.repeats)
    print_pages()


if __name__ == "__main__":
    main()
