"""Sizes and powers of the tests of text that is written or likely, and what chance makes of distances.

Run: OMP_NUM_THREADS=1 python benchmarks/text_generation.py [REPETITIONS]

Sizes: how often p is at most .05 where groups do not differ; prompts differ in mean and in spread. Powers:
where the first group's scores are higher by the given part of their spread. Coverage: of 95% intervals.
Beside them the strict parity of langfair 0.8, recomputed from its formula: the mean absolute difference of
two sorted lists of scores, which is above zero where nothing differs, and zero where every pair of texts is
reversed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from fairsk.text import logged_generation_audit, paired_preference, perplexity_by_group
from fairsk.text._contrasts import contrast, split_p
from fairsk.text._contrasts import prompt_means as means
from fairsk.text._generation.comparing import Comparison, Written

#: One of these is drawn for each text, times the spread of its prompt.
DRAWS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "skewed": lambda rng, shape: rng.exponential(size=shape) ** 2 / np.sqrt(20.0),
}


def log_of(
    n_prompts: int, n_samples: int, kind: str, gap: float, rng: np.random.Generator, missing: float = 0.0
) -> tuple[NDArray[np.intp], NDArray[np.str_], NDArray[np.float64]]:
    """Return prompt, group and score of every text."""
    prompt = np.repeat(np.arange(n_prompts), 2 * n_samples)
    group = np.tile(np.repeat(["a", "b"], n_samples), n_prompts)
    first = np.where(group == "a", gap, 0.0)
    if kind == "yes or no":
        share = rng.uniform(0.05, 0.5, n_prompts)[prompt]
        scores = (rng.random(len(prompt)) < share + first * np.sqrt(share * (1 - share))).astype(float)
    else:
        spread = rng.uniform(0.3, 2.0, n_prompts)[prompt]
        level = rng.normal(size=n_prompts)[prompt]
        scores = level + spread * (first + DRAWS[kind](rng, prompt.shape))
    scores[rng.random(len(scores)) < missing] = np.nan
    return prompt, group, scores


def written(repetitions: int, rng: np.random.Generator) -> Iterator[tuple[str, list[float]]]:
    settings = (
        (6, 16, "normal", 0.0),
        (6, 16, "skewed", 0.0),
        (24, 8, "skewed", 0.0),
        (6, 16, "yes or no", 0.0),
        (24, 8, "yes or no", 0.0),
        (6, 4, "normal", 0.3),
    )
    for n_prompts, n_samples, kind, missing in settings:
        shares = []
        for gap in (0.0, 0.2, 0.5):
            found = []
            for _ in range(repetitions):
                prompt, group, scores = log_of(n_prompts, n_samples, kind, gap, rng, missing)
                layout = Written(
                    groups=("a", "b"),
                    labels=tuple(map(str, range(n_prompts))),
                    prompt=prompt,
                    group=(group == "b").astype(np.intp),
                    term=np.zeros(len(prompt), dtype=np.intp),
                    is_aligned=False,
                )
                pair = Comparison(layout, "fixed", 0.95, 499, rng).gaps({"score": scores})[0]
                found.append((pair.p_value, pair.distance_p_value, pair.low <= 0 <= pair.high))
            p, p_distance, covered = np.array(found, dtype=float).T
            shares += [np.mean(p <= 0.05), np.mean(p_distance <= 0.05)]
            if gap == 0:
                shares.append(np.mean(covered))
        name = f"{n_prompts} prompts, {n_samples} texts, {kind}" + (
            f", {missing:.0%} missing" if missing else ""
        )
        yield name, shares


def by_terms(repetitions: int, rng: np.random.Generator) -> Iterator[tuple[str, list[float]]]:
    """Names that differ, in groups that do not: tests over prompts alone, and over names as well."""
    for n_prompts, n_terms, spread in ((24, 5, 0.0), (24, 5, 0.5), (12, 24, 0.5), (6, 12, 1.0)):
        shares = []
        for gap in (0.0, 0.5):
            rejected, covered = [], []
            for _ in range(repetitions):
                prompts = rng.normal(size=(n_prompts, 1))
                first, second = (
                    prompts
                    + spread * rng.normal(size=(1, n_terms))
                    + rng.normal(size=(n_prompts, n_terms))
                    + shift
                    for shift in (gap, 0.0)
                )
                sampled = contrast(first, second, "sampled", 0.95)
                fixed = contrast(first, second, "fixed", 0.95)
                rejected.append(split_p(means(first.T), means(second.T), 499, rng)[0] <= 0.05)
                covered.append([est.low <= gap <= est.high for est in (fixed, sampled)])
            shares.append(float(np.mean(rejected)))
            if gap == 0:
                shares += np.mean(covered, 0).tolist()
        yield f"{n_prompts} prompts, {n_terms} terms, spread of terms {spread}", shares


def likely(repetitions: int, rng: np.random.Generator) -> Iterator[tuple[str, list[float]]]:
    for n in (12, 40, 90):
        shares = []
        for gap in (0.0, 0.3):
            found = []
            for _ in range(repetitions):
                # Heavy tails on both sides: sums of log-probabilities of rare words.
                d = gap + rng.standard_t(3, size=n)
                level = -1000 + rng.normal(size=n)
                values = dict(zip([f"Kim {i}" for i in range(n)], level + d, strict=True))
                values |= dict(zip([f"Alex {i}" for i in range(n)], level, strict=True))

                def log_likelihood(texts: list[str], values: dict[str, float] = values) -> list[float]:
                    return [values[text] for text in texts]

                pair = perplexity_by_group(
                    log_likelihood,
                    [f"{{x}} {i}" for i in range(n)],
                    {"a": "Kim", "b": "Alex"},
                    n_resamples=499,
                    random_state=rng,
                ).pairs[0]
                preferred = paired_preference(
                    log_likelihood, [f"Kim {i}" for i in range(n)], [f"Alex {i}" for i in range(n)]
                ).preferences[0]
                found.append(
                    (
                        pair.p_value <= 0.05,
                        preferred.p_value <= 0.05,
                        pair.low <= gap <= pair.high,
                        preferred.share_low <= 0.5 <= preferred.share_high,
                    )
                )
            flips, signs, covered, share_covered = np.mean(found, 0)
            shares += [flips, signs, covered] + ([share_covered] if gap == 0 else [])
        yield f"{n} prompts", shares


def distances(repetitions: int, rng: np.random.Generator) -> Iterator[tuple[str, list[float]]]:
    for n in (25, 100, 400):
        parities, found = [], []
        for _ in range(repetitions // 4):
            scores = rng.random((2, n))
            parities.append(np.abs(np.sort(scores[0]) - np.sort(scores[1])).mean())
            gap = logged_generation_audit(
                np.zeros(2 * n, dtype=int),
                np.repeat(["a", "b"], n),
                scores=scores.ravel(),
                n_resamples=199,
                random_state=rng,
            ).gaps[0]
            found.append((gap.distance, gap.distance_by_chance, gap.difference, gap.distance_p_value <= 0.05))
        yield f"no difference, {n} texts", [float(np.mean(parities)), *np.mean(found, 0).tolist()]
    # The lowest score of one group meets the highest of the other, and so on.
    first = np.sort(rng.random(100))
    second = first[::-1]
    strict = np.abs(np.sort(first) - np.sort(second)).mean()
    paired = np.abs(first - second).mean()
    yield f"every pair reversed (paired: {paired:.3f}), 100 texts", [float(strict)] + [float("nan")] * 4


def table(title: str, columns: list[str], rows: Iterator[tuple[str, list[float]]]) -> None:
    print(f"| {title} | " + " | ".join(columns) + " |")
    print("|---" * (1 + len(columns)) + "|")
    for name, values in rows:
        print(f"| {name} | " + " | ".join("-" if v != v else f"{v:.3f}" for v in values) + " |", flush=True)
    print()


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    rng = np.random.default_rng(0)
    gaps = ("no gap", "gap .2", "gap .5")
    columns = [f"{what}, {gap}" for gap in gaps for what in ("p", "p of distance")]
    columns.insert(2, "interval covers 0")
    table("written: rejected at .05", columns, written(repetitions, rng))
    columns = ["p, no gap", "fixed covers", "sampled covers", "p, gap .5"]
    table("terms as a sample", columns, by_terms(repetitions, rng))
    columns = ["sign flips", "sign test", "difference covered", "share covered"]
    columns += ["sign flips, gap .3", "sign test, gap .3", "difference covered, gap .3"]
    table("likely: rejected at .05", columns, likely(repetitions, rng))
    columns = ["strict parity", "distance", "by chance", "difference", "p of distance <= .05"]
    table("distances", columns, distances(repetitions, rng))


if __name__ == "__main__":
    main()
