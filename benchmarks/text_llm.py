"""What a logistic map of answers reads, and how many labels it takes, as Markdown tables.

Run: OMP_NUM_THREADS=1 python benchmarks/text_llm.py [REPETITIONS]

Log-odds of two answers are d and the log-probability of both together is m; the label is y = +-1 with equal
chance, z = y + e with e normal, and what follows differs by row of the table. The first table has the log
loss on new rows of the map of ``LLMClassifier(calibrate="fit")`` (shares and mass) and of four others, with
C = 1; the second how accurate it is, with few labels or many, where the model says "yes" to everything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from scipy.special import log_expit, log_softmax
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from fairsk.text._llm.calibration import LogisticMap

Rows = Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]

#: How the log-odds d and the log-probability m of both answers depend on z.
MODELS: dict[str, Rows] = {
    "log-odds of a small range": lambda z, e: (1.5 + 0.3 * z, -1 + 0.5 * noise(z, e)),
    "the same, answers unlikely": lambda z, e: (1.5 + 0.3 * z, -6 + 3 * noise(z, e)),
    "calibrated log-odds": lambda z, e: (2 * z, -1 + 0.5 * noise(z, e)),
    "log-odds of a large range": lambda z, e: (5 + 8 * z, -1 + 0.5 * noise(z, e)),
    "long answers": lambda z, e: (10 * z - 20, -60 + 15 * noise(z, e)),
    "only m depends on z": lambda z, e: (1.5 + 0.3 * noise(z, e), -3 + z),
}
LABELS = (30, 100)


def noise(like: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=like.shape)


def draw(name: str, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return log-probabilities of two answers, and labels."""
    y = rng.integers(0, 2, n)
    d, m = MODELS[name](2 * y - 1 + rng.normal(size=n), rng)
    return m[:, None] + log_expit(np.column_stack([-d, d])), y


def raw(scores: np.ndarray) -> np.ndarray:
    return scores


def shares(scores: np.ndarray) -> np.ndarray:
    return log_softmax(scores, axis=1)


def other_map(read: Callable[[np.ndarray], np.ndarray], standardised: bool) -> Callable[..., np.ndarray]:
    """Return a map that reads something else: fitted, and asked for probabilities."""

    def predict(scores: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
        seen, unseen = read(scores), read(new)
        mean, scale = (seen.mean(axis=0), seen.std(axis=0)) if standardised else (0, 1)
        model = LogisticRegression(C=1.0, max_iter=2_000).fit((seen - mean) / scale, y)
        return model.predict_proba((unseen - mean) / scale)[:, 1]

    return predict


def ours(scores: np.ndarray, y: np.ndarray, new: np.ndarray) -> np.ndarray:
    return np.exp(LogisticMap.fit(scores, y, None, 1.0).log_proba(new)[:, 1])


MAPS = {
    "raw": other_map(raw, False),
    "raw, standardised": other_map(raw, True),
    "shares": other_map(shares, False),
    "shares, standardised": other_map(shares, True),
    "shares and mass": ours,
}


def compare_maps(repetitions: int, rng: np.random.Generator) -> None:
    print(f"| log-odds and mass | labels | {' | '.join(MAPS)} |")
    print(f"|---|---|{'---|' * len(MAPS)}")
    for name in MODELS:
        for n in LABELS:
            losses = []
            for _ in range(repetitions):
                (scores, y), (new, actual) = draw(name, n, rng), draw(name, 2_000, rng)
                losses.append([log_loss(actual, predict(scores, y, new)) for predict in MAPS.values()])
            cells = [f"{loss:.3f}" for loss in np.mean(losses, axis=0)]
            print(f"| {name} | {n} | {' | '.join(cells)} |")


def count_labels(repetitions: int, rng: np.random.Generator) -> None:
    """Say how accurate the map is with so many labels, where every answer is "yes" at first."""
    name = "log-odds of a small range"
    new, actual = draw(name, 20_000, rng)
    d = new[:, 1] - new[:, 0]
    # Without a text the stand-in would answer as at z = 0; content-free calibration takes that off, and hits
    # the middle only because here the stand-in leans as much without a text as it does with one.
    print(
        f"\nNo calibration {np.mean((d > 0) == actual):.3f}; its lean taken off "
        f"{np.mean((d > 1.5) == actual):.3f}; at most {norm.cdf(1):.3f}.\n"
    )
    print("| labels | accuracy | mean |")
    print("|---|---|---|")
    for n in (10, 20, 40, 80, 160):
        found = []
        while len(found) < repetitions:
            scores, y = draw(name, n, rng)
            if len(set(y)) == 2:
                proba = ours(scores, y, new)
                found.append([np.mean((proba > 0.5) == actual), proba.mean()])
        accuracy, mean = np.mean(found, axis=0)
        print(f"| {n} | {accuracy:.3f} | {mean:.3f} |")


if __name__ == "__main__":
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    generator = np.random.default_rng(0)
    compare_maps(times, generator)
    count_labels(times, generator)
