"""Change random reports and pages, and count the changes that verify finds.

Run: OMP_NUM_THREADS=1 python benchmarks/verify_mutations.py [N_REPORTS] [N_BYTES]

Reports are of random rows (tests/random_reports.py: weights, empty denominators, hostile labels, tuples,
booleans, 1 beside "1", composed and decomposed letters, 200 groups, strata, scores, several models, profiles,
small groups merged). Nothing may be found in any of them as it is. Of every leaf of every report all changes
that random_reports lists are looked at: the canonical text differs, so that the digest finds them, and under
results the leaf itself is named, so that a new digest does not hide them (numbers below 1e-9, such as tiny p,
aside, for differences below 1e-12 are rounding). Some changes of every report go
through all of verify, with the old digest and with one that fits; and one byte of a page after another is
another.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from random_reports import at, changed, leaves, other_values, random_report

from fairsk._core.canonical import canonical, differences, digest
from fairsk.audit import verify

#: Changes of a report that go through all of verify.
THROUGH = 3


def is_tiny(value: Any) -> bool:
    return isinstance(value, float) and abs(value) < 1e-9


def main(n_reports: int = 200, n_bytes: int = 500) -> None:
    start = time.perf_counter()
    rng = np.random.default_rng(0)
    false, pages_false, looked, missed, named, unnamed = 0, 0, 0, 0, 0, 0
    tried, found, fitting, seen = 0, 0, 0, 0
    stated = dict[str, int]()
    pages = []
    for seed in range(n_reports):
        report = random_report(seed)
        document = report.to_document()
        false += not verify(report.to_json()).ok
        page = report.to_html(charts=seed % 20 == 0)
        pages_false += not verify(page).ok
        pages.append(page.encode())
        paths = list(leaves(document))
        for path in paths:
            value = at(document, path)
            for other in other_values(value):
                looked += 1
                missed += canonical(other) == canonical(value)
                if path[0] == "results" and not is_tiny(value):
                    named += 1
                    unnamed += not differences(other, value)
        for place in rng.integers(0, len(paths), THROUGH):
            path = paths[place]
            others = other_values(at(document, path))
            bad = changed(document, path, others[rng.integers(0, len(others))])
            tried += 1
            found += not verify(json.dumps(bad)).ok
            if path[0] in ("results", "evidence"):
                fitting += 1
                ok = verify(json.dumps(bad | {"digest": digest(bad)})).ok
                seen += not ok
                if ok:
                    where = "/".join(str(step) for step in path if isinstance(step, str))
                    stated[where] = stated.get(where, 0) + 1
    print(f"{time.perf_counter() - start:.0f} s for reports")
    print(f"{n_reports} reports, {false} false findings; {n_reports} pages, {pages_false} false findings")
    print(f"changes of a leaf: {looked - missed:,} of {looked:,} change the digest")
    print(f"changes of a leaf of results: {named - unnamed:,} of {named:,} are named by computing again")
    print(f"through all of verify: {found:,} of {tried:,}; with a digest that fits: {seen:,} of {fitting:,}")
    for where, n in stated.items():
        print(f"  not seen once the digest fits: {where} ({n})")
    sys.stdout.flush()
    tried = found = 0
    while tried < n_bytes:
        data = pages[rng.integers(0, len(pages))]
        if len(data) > 400_000:
            continue
        place, byte = int(rng.integers(0, len(data))), int(rng.integers(0, 256))
        if data[place] == byte:
            continue
        tried += 1
        found += not verify(data[:place] + bytes([byte]) + data[place + 1 :]).ok
    print(f"bytes of pages: {found:,} of {tried:,}")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
