"""Counting a collection of texts: texts per second beside a plain loop, memory, and words that do not differ.

Run: python benchmarks/corpus_audit.py --data FILE [--texts N] [--collections N]

FILE is a table with the columns ``text`` and ``group`` (who the comment mentions); it is repeated to N texts,
which come in batches of 10,000. The plain loop is ``Counter.update(text.split())`` per group, without folding
case, without words of texts, without bounds. In the last rows each text holds a word that no other has, which
fills the vocabulary and goes on. No text is ever printed.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from fairsk.audit import audit_dataset
from fairsk.text import CorpusCounts, english_gender

BATCH = 10_000


def batches(rows: list[tuple[str, str]], n: int, *, distinct: bool = False) -> Iterator[dict[str, list[str]]]:
    """Yield the rows again and again, n in all."""
    source = itertools.cycle(rows)
    for start in range(0, n, BATCH):
        part = list(itertools.islice(source, min(BATCH, n - start)))
        texts = [text for text, _ in part]
        if distinct:
            texts = [f"{text} word{start + i}" for i, text in enumerate(texts)]
        yield {"text": texts, "group": [group for _, group in part]}


def plain_loop(stream: Iterator[dict[str, list[str]]]) -> dict[str, Counter[str]]:
    """Count words per group as one would by hand."""
    counters: dict[str, Counter[str]] = {}
    for batch in stream:
        for text, group in zip(batch["text"], batch["group"], strict=True):
            counters.setdefault(group, Counter()).update(text.split())
    return counters


def measured(title: str, n: int, plain: float | None, call: Any) -> tuple[Any, float]:
    """Print CPU seconds, texts per second, the ratio to the plain loop, and how far memory grew."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    result = call()
    seconds = time.process_time() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    ratio = "" if plain is None else f"{seconds / plain:.2f}"
    print(f"| {title} | {seconds:.1f} | {n / seconds:,.0f} | {ratio} | {grown:.0f} |", flush=True)
    return result, seconds


def print_speed(rows: list[tuple[str, str]], n: int) -> None:
    """Print what counting costs."""
    print("| what | CPU s | texts/s | ratio | peak memory grew, MiB |\n|---|---|---|---|---|")
    _, generation = measured("the batches alone", n, None, lambda: sum(1 for _ in batches(rows, n)))
    _, plain = measured("plain loop", n, None, lambda: plain_loop(batches(rows, n)))
    options: dict[str, Any] = {"text": "text", "mentions": "group", "columns": ["group"]}
    counts, _ = measured(
        "CorpusCounts", n, plain, lambda: CorpusCounts.from_texts(batches(rows, n), **options)
    )
    measured(
        "CorpusCounts, without words",
        n,
        plain,
        lambda: CorpusCounts.from_texts(batches(rows, n), **options, words=0),
    )
    swapper = english_gender()
    measured(
        "CorpusCounts, mentions by english_gender(), a tenth of the texts",
        n // 10,
        plain / 10,
        lambda: CorpusCounts.from_texts(batches(rows, n // 10), text="text", mentions=swapper.mentioned),
    )
    measured(
        "CorpusCounts, a new word in each text",
        n,
        plain,
        lambda: CorpusCounts.from_texts(batches(rows, n, distinct=True), **options),
    )
    measured("the audit", n, plain, lambda: audit_dataset(counts, baseline={"mentions": "equal"}))
    measured(
        "plain loop, a new word in each text", n, plain, lambda: plain_loop(batches(rows, n, distinct=True))
    )
    print(f"\nThe batches alone are in all of them: {generation:.1f} s.")


def print_null(n_collections: int) -> None:
    """Print how often words that are as frequent in both groups are found to differ."""
    print("\n| texts of a | of b | words | collections with a finding (p <= .05) |\n|---|---|---|---|")
    rng = np.random.default_rng(0)
    shares = np.geomspace(0.0005, 0.5, 2_000)
    names = [f"w{i}" for i in range(len(shares))]
    for n_a, n_b in ((1_000, 1_000), (1_000, 20_000), (200, 100_000), (20_000, 20_000)):
        found, tested = 0, 0
        for _ in range(n_collections):
            draws = {"a": rng.binomial(n_a, shares), "b": rng.binomial(n_b, shares)}
            counts = CorpusCounts({("a",): n_a, ("b",): n_b}, words=names, word_texts=draws)
            part = audit_dataset(counts).words.parts[0]
            found += part.strongest_p <= 0.05
            tested += part.n_tested
        print(
            f"| {n_a:,} | {n_b:,} | {tested // n_collections:,} | {found / n_collections:.3f} |", flush=True
        )


def main() -> None:
    """Read the options and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--collections", type=int, default=200)
    options = parser.parse_args()
    frame = pd.read_csv(options.data)
    print_speed(list(zip(frame["text"], frame["group"], strict=True)), options.texts)
    print_null(options.collections)


if __name__ == "__main__":
    main()
