"""Coverage of the intervals of score metrics, as a Markdown table.

Run: OMP_NUM_THREADS=1 python benchmarks/score_coverage.py [REPETITIONS]

95% is claimed. Areas under the ROC curve: normal scores, from 10 rows of a label up. Means: scores that are
uniform and calibrated, whose Brier score is 1/6 and whose log loss is 1/2, plain and with weights of .5, 1
and 3.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from fairsk.metrics._scores.estimates import auc, brier, log_loss, mean_score
from fairsk.metrics._scores.grouped import GroupedScores

AREAS = (0.5, 0.7, 0.9, 0.97)


def cover_areas(repetitions: int, rng: np.random.Generator) -> Iterator[tuple[str, list[float]]]:
    for positives, negatives in ((10, 10), (10, 100), (20, 20), (20, 200), (50, 50), (200, 200)):
        y = np.repeat([1, 0], [positives, negatives])
        one_group = np.zeros(len(y), dtype=int)
        shares = []
        for area in AREAS:
            shift, hits = norm.ppf(area) * np.sqrt(2), 0
            for _ in range(repetitions):
                scores = rng.normal(shift * y)
                estimate = auc(GroupedScores.of_rows(y, scores, sensitive_features=one_group).total, 0.95)
                hits += estimate.low <= area <= estimate.high
            shares.append(hits / repetitions)
        yield f"{positives} and {negatives}", shares


def cover_means(repetitions: int, rng: np.random.Generator) -> Iterator[tuple[str, list[float]]]:
    truths = ((mean_score, 1 / 2), (brier, 1 / 6), (log_loss, 1 / 2))
    for n in (20, 50, 200):
        for name, choice in (("", [1.0]), (", weighted", [0.5, 1.0, 3.0])):
            hits: NDArray[np.float64] = np.zeros(3)
            for _ in range(repetitions):
                scores, weights = rng.random(n), rng.choice(choice, n)
                y = (rng.random(n) < scores).astype(int)
                grouped = GroupedScores.of_rows(
                    y, scores, sensitive_features=np.zeros(n, dtype=int), sample_weight=weights
                )
                estimates = [estimate(grouped.total, 0.95) for estimate, _ in truths]
                hits += [e.low <= truth <= e.high for e, (_, truth) in zip(estimates, truths, strict=True)]
            yield f"{n}{name}", (hits / repetitions).tolist()


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    rng = np.random.default_rng(0)
    print("| positives and negatives |" + "".join(f" area {area} |" for area in AREAS))
    print("|---" * (1 + len(AREAS)) + "|")
    for name, shares in cover_areas(repetitions, rng):
        print(f"| {name} |" + "".join(f" {100 * share:.1f} |" for share in shares))
    print("\n| rows | mean score | Brier score | log loss |\n|---|---|---|---|")
    for name, shares in cover_means(repetitions, rng):
        print(f"| {name} |" + "".join(f" {100 * share:.1f} |" for share in shares))


if __name__ == "__main__":
    main()
