"""Counterfactual audits of text models: sizes of the tests, coverage, three audits of comments, and langfair.

Run: python benchmarks/text_audit.py [--data FILE] [--simulations N] [--seed N]

- Sizes: how often each test of an audit rejects at .05 where there is nothing to find; at most .06 is asked.
- Whole audits of a model that answers at random: how often any p-value, adjusted over the pairs of groups, is
  below .05, and how often the interval of the excess leaves out 0.
- Coverage: how often the 95% interval of the excess over the control holds the true one, beside the interval
  that takes the differences of texts for normal.
- FILE is a table with the columns ``text``, ``group`` (who the comment mentions) and ``biased`` (0 or 1):
  words and pairs of words, weighted, before a logistic regression, audited for gender, religion and race on
  comments that it was not trained on, with the time that an audit takes beside that of the predictions in
  it. No text is ever printed.
- langfair, where it is installed: its counterfactual sentiment parity of scores in pairs, beside the gap and
  its p-value.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from fairsk.statistics._paired import mcnemar_p, mean_estimate, paired_difference, sign_flip_p
from fairsk.text import TermSwapper, counterfactual_audit, counterfactual_texts, english_gender

LEVEL, MOST = 0.05, 0.06
SIZES = (8, 20, 50, 200)

RELIGION = TermSwapper(
    {
        "christian": [
            "christian",
            "priest",
            "christians",
            "priests",
            "christianity",
            "church",
            "bible",
            "jesus",
        ],
        "jewish": ["jew", "rabbi", "jews", "rabbis", "judaism", "synagogue", "torah", "moses"],
        "muslim": ["muslim", "imam", "muslims", "imams", "islam", "mosque", "quran", "muhammad"],
    },
    kinds=["one", "one", "many", "many", *[None] * 4],
)
RACE = TermSwapper(
    {
        "black": ["black", "african american", "blacks", "africans", "african americans"],
        "white": ["white", "european american", "whites", "europeans", "european americans"],
    },
    kinds=["one", "one", "many", "many", "many"],
)


def sizes(simulations: int, seed: int) -> None:
    """Print how often the tests reject where both versions are alike."""
    rng = np.random.default_rng(seed)
    print(f"Rejected at {LEVEL} where there is nothing, {simulations:,} simulations (asked: {MOST} at most)")
    print(f"{'texts':>6} {'direction, 5% flip':>19} {'30% flip':>9} {'gap, normal':>12} {'heavy tails':>12} "
          f"{'rounded':>8} {'excess, 10%':>12}")  # fmt: skip
    for n in SIZES:
        rejected = np.zeros(6)
        for _ in range(simulations):
            p = [flip_test(rng, n, share) for share in (0.05, 0.3)]
            normal, tails = rng.normal(size=n), rng.standard_t(2, size=n)
            for gaps in (normal, tails, normal.round()):
                p.append(sign_flip_p(gaps, 199, rng))
            flips, control = rng.random((2, n)) < 0.1
            p.append(mcnemar_p(int((flips & ~control).sum()), int((control & ~flips).sum())))
            rejected += np.array(p) <= LEVEL
        shares = rejected / simulations
        cells = " ".join(f"{share:>{w}.3f}" for share, w in zip(shares, (19, 9, 12, 12, 8, 12), strict=True))
        print(f"{n:>6} {cells}{'' if shares.max() <= MOST else '  TOO MANY'}")
    print()


def flip_test(rng: np.random.Generator, n: int, share: float) -> float:
    """Return the p-value of the direction of flips that go either way as often."""
    flips = rng.binomial(n, share)
    up = int(rng.binomial(flips, 0.5))
    return mcnemar_p(up, int(flips - up))


def whole_audits(simulations: int, seed: int) -> None:
    """Print how often an audit finds anything in a model that answers at random."""
    rng = np.random.default_rng(seed)
    print(f"Whole audits of a model that answers at random: {simulations:,} each, any finding at {LEVEL}")
    print(
        f"{'texts':>6} {'groups':>7} {'direction':>10} {'gap':>6} {'excess':>7} {'moves':>6} {'interval':>9}"
    )
    for n, n_groups in ((30, 2), (30, 3), (120, 3)):
        swapper = TermSwapper({f"g{g}": [f"one{g}", f"two{g}"] for g in range(n_groups)})
        texts = [f"one{i % n_groups} text {i}" for i in range(n)]
        found = np.zeros(5)
        for _ in range(simulations):
            audit = counterfactual_audit(
                lambda asked: rng.random(len(asked)), texts, swapper, n_resamples=199, random_state=rng
            )
            p = [
                (
                    pair.adjusted_direction_p,
                    pair.adjusted_gap_p,
                    pair.control.adjusted_p,
                    pair.moves.adjusted_p,
                )
                for pair in audit.pairs
            ]
            found[:4] += np.min(p, axis=0) <= LEVEL
            found[4] += not audit.control.low <= 0 <= audit.control.high
        cells = " ".join(f"{x:>{w}.3f}" for x, w in zip(found / simulations, (10, 6, 7, 6, 9), strict=True))
        print(f"{n:>6} {n_groups:>7} {cells}{'' if found.max() <= MOST * simulations else '  TOO MANY'}")
    print()


def coverage(simulations: int, seed: int) -> None:
    """Print how often intervals of the excess hold the truth."""
    rng = np.random.default_rng(seed)
    print("Coverage of 95% intervals of the excess (flips, control flips, both), and their mean width")
    print(f"{'texts':>6} {'truth':>20} {'Newcombe':>9} {'normal':>7} {'width':>7} {'normal':>7}")
    for n in SIZES:
        for both, only, control in (
            (0.02, 0.04, 0.02),
            (0.04, 0.11, 0.03),
            (0.0, 0.02, 0.02),
            (0.1, 0.3, 0.1),
        ):
            truth, held, width = only - control, np.zeros(2), np.zeros(2)
            for _ in range(simulations):
                cell = rng.choice(4, n, p=[both, only, control, 1 - both - only - control])
                flips, beside = np.isin(cell, (0, 1)).astype(float), np.isin(cell, (0, 2)).astype(float)
                estimate = paired_difference(flips, beside, 0.95)
                difference = flips - beside
                half = 1.96 * difference.std(ddof=1) / np.sqrt(n)
                ends = np.array(
                    [[estimate.low, difference.mean() - half], [estimate.high, difference.mean() + half]]
                )
                held += (ends[0] <= truth + 1e-12) & (truth - 1e-12 <= ends[1])
                width += ends[1] - ends[0]
            held, width = held / simulations, width / simulations
            print(f"{n:>6} {f'{both + only:.2f} {both + control:.2f} {both:.2f}':>20} {held[0]:>9.3f} "
                  f"{held[1]:>7.3f} {width[0]:>7.3f} {width[1]:>7.3f}")  # fmt: skip
    print()


def audits(path: str, seed: int) -> None:
    """Audit a model of comments for gender, religion and race."""
    rows = pd.read_csv(path)
    train, test = train_test_split(rows, test_size=0.4, random_state=seed, stratify=rows["group"])
    features = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    model = make_pipeline(features, LogisticRegression(max_iter=1000)).fit(train["text"], train["biased"])
    for name, swapper in (("gender", english_gender()), ("religion", RELIGION), ("race", RACE)):
        named = np.isin(swapper.mentioned(test["text"]), swapper.group_names)
        accuracy = model.score(test["text"][named], test["biased"][named])
        asked = counterfactual_texts(test["text"], swapper)
        seconds = []
        for work in (
            lambda asked=asked: (model.predict_proba(asked), model.predict(asked)),
            lambda swapper=swapper: counterfactual_audit(model, test["text"], swapper),
        ):
            start = time.process_time()
            result: Any = work()
            seconds.append(time.process_time() - start)
        print(f"{name}: accuracy on texts that name one group {accuracy:.4f}")
        print(f"{len(asked):,} texts predicted in {seconds[0]:.2f} s, audit {seconds[1]:.2f} s: "
              f"{seconds[1] / seconds[0]:.2f} times")  # fmt: skip
        print(counterfactual_audit(model, test["text"], swapper, keep_texts=False, most_worst=0), end="\n\n")
        assert result.n_asked == len(asked)


class Given:
    """A sentiment classifier, as langfair asks one, that knows the score of each text."""

    def __init__(self, scores: NDArray[np.float64]) -> None:
        self.scores = scores

    def predict(self, texts: list[str]) -> list[float]:
        """Return the score of each text, which is its place."""
        return [float(self.scores[int(text)]) for text in texts]


def langfair(seed: int) -> None:
    """Print langfair's strict parity of scores in pairs, beside the gap, for three kinds of pairs."""
    try:
        from langfair.metrics.counterfactual.metrics import SentimentBias
    except ImportError as error:
        print(f"langfair is not installed here ({error}).")
        return
    rng = np.random.default_rng(seed)
    print("langfair's counterfactual sentiment parity (0 is best) beside the gap [95%] and its p-value")
    for n in (25, 100, 400):
        base = rng.random(n)
        for name, first, second in (
            ("every pair reversed", base, 1 - base),
            ("no difference, two draws", rng.random(n), rng.random(n)),
            (".1 higher, give or take .05", base * 0.8, base * 0.8 + rng.uniform(0.05, 0.15, n)),
        ):
            if name == "every pair reversed":  # the same scores in another order
                first, second = np.linspace(0, 1, n), np.linspace(1, 0, n)
            bias = SentimentBias(custom_classifier=Given(np.concatenate([first, second])), parity="strong")
            names = list(map(str, range(2 * n)))
            parity = float(bias.evaluate(names[:n], names[n:], show_progress_bars=False))
            gap = mean_estimate(first - second, 0.95, 1.0)
            p = sign_flip_p(first - second, 9999, np.random.default_rng(seed))
            ours = f"gap {gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}] p {p:.4f}"
            paired = f"mean |gap| {np.abs(first - second).mean():.3f}"
            print(f"{n:>5} {name:<28} langfair {parity:.3f}   {ours}   {paired}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data")
    parser.add_argument("--simulations", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sizes(options.simulations, options.seed)
    whole_audits(options.simulations // 4, options.seed)
    coverage(options.simulations, options.seed)
    if options.data is not None:
        audits(options.data, options.seed)
    langfair(options.seed)


if __name__ == "__main__":
    main()
