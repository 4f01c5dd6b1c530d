"""The association test: seconds, sizes, coverage of its interval, and the published tests beside WEFE.

Run: python benchmarks/text_association.py [--beside FILE] [--tests N]

FILE is made in an environment of its own, with WEFE (its NumPy is old), from the vectors and words that its
source distribution carries:

    pip install wefe==1.0.1 "numpy<=1.26.4"
    python benchmarks/text_association.py --wefe wefe/datasets/data/test_model.kv \
        wefe/datasets/data/WEAT.json --save FILE

The published column has the effect sizes for word2vec of Caliskan, Bryson & Narayanan (2017).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

#: Targets and attributes of the published tests, by their names in WEAT.json, and the published effect sizes.
TESTS = {
    "flowers / insects, pleasant": ("flowers", "insects", "pleasant_5", "unpleasant_5a", 1.54),
    "instruments / weapons, pleasant": ("instruments", "weapons", "pleasant_5", "unpleasant_5a", 1.63),
    "names, pleasant": (
        "european_american_names_7",
        "african_american_names_7",
        "pleasant_9",
        "unpleasant_9",
        0.72,
    ),
    "names, career / family": ("male_names", "female_names", "career", "family", 1.89),
    "math / arts, gender": ("math", "arts", "male_terms", "female_terms", 0.97),
    "science / arts, gender": ("science", "arts_2", "male_terms_2", "female_terms_2", 1.24),
    "mental / physical, temporary": ("mental_disease", "physical_disease", "temporary", "permanent", 1.30),
}
#: So many draws has WEFE's p.
WEFE_DRAWS = 1_000


def ask_wefe(vectors: str, words: str, path: str) -> None:
    """Save the vectors of all words, and what WEFE says of them."""
    from gensim.models import KeyedVectors
    from wefe.metrics import WEAT
    from wefe.query import Query
    from wefe.word_embedding_model import WordEmbeddingModel

    keyed, sets = KeyedVectors.load(vectors), json.loads(Path(words).read_text())
    model = WordEmbeddingModel(keyed, "word2vec")
    known = {name: [word for word in part if word in keyed] for name, part in sets.items()}
    said = {}
    for title, (*names, _) in TESTS.items():
        x, y, a, b = (known[name] for name in names)
        query = Query([x, y], [a, b], names[:2], names[2:])
        start = time.process_time()
        result = WEAT().run_query(
            query,
            model,
            calculate_p_value=True,
            p_value_iterations=WEFE_DRAWS,
            p_value_test_type="right-sided",
        )
        said[title] = {
            "d": float(result["effect_size"]),
            "p": float(result["p_value"]),
            "seconds": time.process_time() - start,
        }
        print(title, said[title], flush=True)
    everything = sorted({word for part in known.values() for word in part})
    np.savez_compressed(
        path,
        vectors=np.stack([keyed[word] for word in everything]),
        words=np.array(everything),
        said=json.dumps({"wefe": said, "sets": {name: sets[name] for name in sets}}),
    )


def timed(call: Any) -> tuple[Any, float]:
    """Return what a call returns, and the CPU seconds that it took: the least of three."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        result = call()
        seconds.append(time.process_time() - start)
    return result, min(seconds)


def print_times() -> None:
    """Print the seconds of a test by its number of targets."""
    from fairsk.text import association_test

    print("| targets | splits | seconds, 100,000 draws of the interval | 2,000 draws |\n|---|---|---|---|")
    rng = np.random.default_rng(0)
    for n in (16, 36, 44, 200):
        x, y, a, b = (rng.normal(size=(k, 300)) for k in (n // 2, n // 2, 8, 8))
        result, seconds = timed(lambda: association_test(x, y, a, b))  # noqa: B023
        _, fewer = timed(lambda: association_test(x, y, a, b, n_resamples=2_000))  # noqa: B023
        how = f"all {result.n_splits:,}" if result.exact else f"{result.n_splits:,} drawn"
        print(f"| {n} | {how} | {seconds:.2f} | {fewer:.2f} |", flush=True)


def print_beside(path: str) -> None:
    """Print the published tests, and what WEFE says of the same words."""
    from fairsk.text import association_test

    saved = np.load(path)
    vectors = dict(zip(saved["words"].tolist(), saved["vectors"], strict=True))
    said = json.loads(str(saved["said"]))
    print(
        "| test | words | d | published | interval over words | p | seconds | WEFE d | WEFE p | WEFE seconds "
        "| ratio |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for title, (*names, published) in TESTS.items():
        sets = [said["sets"][name] for name in names]
        result, seconds = timed(
            lambda: association_test(*sets, embedding=vectors, missing="drop")  # noqa: B023
        )
        peer = said["wefe"][title]
        dropped = sum(map(len, result.dropped.values()))
        words = "+".join(map(str, result.sizes.values())) + (f" ({dropped} dropped)" if dropped else "")
        p = f"{result.p_value:.2g}" + ("" if result.exact else " (drawn)")
        print(
            f"| {title} | {words} | {result.effect_size:.3f} | {published} | [{result.low:.2f}, "
            f"{result.high:.2f}] | {p} | {seconds:.2f} | {peer['d']:.3f} | {peer['p']:.4f} | "
            f"{peer['seconds']:.1f} | {peer['seconds'] / seconds:.0f} |",
            flush=True,
        )


def print_coverage(n_tests: int) -> None:
    """Print how often p is below .05, and how often the interval holds the effect of all words.

    Words of a kind scatter around a direction of their own; all words are 20,000 of each kind.
    """
    from fairsk.text import association_test

    rng = np.random.default_rng(1)
    centres = rng.normal(size=(4, 20))
    print(
        "| words per set | association | p <= .05 | interval holds the effect of all words | median width |"
    )
    print("|---|---|---|---|---|")
    for n in (6, 8, 18, 30):
        for shift in (0.0, 0.5):
            lean = np.stack([shift * centres[2], -shift * centres[2], centres[2], centres[3]])

            def draw(k: int) -> list[Any]:
                return [centre + 2 * rng.normal(size=(k, 20)) for centre in lean]  # noqa: B023

            truth = association_test(*draw(20_000), n_resamples=1).effect_size
            rejected, covered, widths = 0, 0, []
            for _ in range(n_tests):
                result = association_test(*draw(n), n_resamples=1_000, random_state=rng)
                rejected += result.p_value <= 0.05
                covered += result.low <= truth <= result.high
                widths.append(result.high - result.low)
            print(
                f"| {n} | {truth:.2f} | {rejected / n_tests:.3f} | {covered / n_tests:.3f} | "
                f"{np.median(widths):.2f} |",
                flush=True,
            )


def main() -> None:
    """Read the options and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--wefe", nargs=2, metavar=("VECTORS", "WORDS"))
    parser.add_argument("--save", default="association_peers.npz")
    parser.add_argument("--beside")
    parser.add_argument("--tests", type=int, default=500)
    options = parser.parse_args()
    if options.wefe:
        ask_wefe(*options.wefe, options.save)
        return
    print_times()
    if options.beside:
        print_beside(options.beside)
    print_coverage(options.tests)


if __name__ == "__main__":
    main()
