"""Thresholds for several classes: agreement with brute force, speed, and the scale on which offsets add.

Run: OMP_NUM_THREADS=1 python benchmarks/thresholds_classes.py [--problems N]

a. Small problems of two groups, of two and three classes, against all choices of offsets there are: how many
   answers are equal, of single offsets and of mixtures.
b. 100,000 rows, 4 groups, 5 classes: seconds of processor time after the scores, and by how much single
   offsets stay below the linear program over mixtures.
c. The same rows with offsets added to probabilities, and to their logarithms.
"""

from __future__ import annotations

import argparse
import itertools
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from fairsk._core.bounds import bounded_constraints
from fairsk._core.class_events import ClassEvents
from fairsk.thresholds._classes.problem import OffsetProblem, OffsetSolution
from fairsk.thresholds._classes.solve import solve

Array = NDArray[Any]

CASES = (("demographic_parity", 0.02), ("equal_opportunity", 0.02), ("equalized_odds", 0.05))


def make_rows(n: int, n_groups: int, n_classes: int, seed: int) -> tuple[Array, Array, Array]:
    """Return class probabilities, labels drawn from them, and groups whose classes differ in frequency."""
    random = np.random.default_rng(seed)
    shares = np.arange(n_groups, 0, -1) ** 2.0
    groups = random.choice(n_groups, n, p=shares / shares.sum())
    features = random.normal(size=(n, 3))
    logits = 0.8 * features @ random.normal(size=(3, n_classes))
    logits += 0.7 * random.normal(size=(n_groups, n_classes))[groups]
    scores = np.exp(logits - logits.max(1, keepdims=True))
    scores /= scores.sum(1, keepdims=True)
    labels = (scores.cumsum(1) > random.random((n, 1))).argmax(1)
    return scores, labels, groups


def make_problem(
    rows: tuple[Array, Array, Array], constraint: str, bound: float, scale: str
) -> OffsetProblem:
    """Return the problem of one constraint, bounded for every class."""
    scores, labels, groups = rows
    k, n_groups = scores.shape[1], int(groups.max()) + 1
    events = ClassEvents.of(list(range(k)))
    constraints = bounded_constraints(constraint, bound, None)
    n_rates = len(constraints[0].constraint.rates) * k
    return OffsetProblem(
        scores if scale == "probabilities" else np.log(np.maximum(scores, 1e-6)),
        labels,
        groups,
        n_groups,
        np.ones(len(labels)),
        np.eye(k),
        events,
        constraints,
        np.ones((n_rates, n_groups), dtype=bool),
    )


# --- a. brute force -------------------------------------------------------------------------------------


def between(values: Array) -> Array:
    """Return a number below all values, one in each gap between them, and one above."""
    values = np.unique(values)
    return np.concatenate([[values[0] - 1], (values[1:] + values[:-1]) / 2, [values[-1] + 1]])


def all_tables(scores: Array, labels: Array) -> Array:
    """Return the tables of all that offsets can decide: by crossing all lines at which a row turns."""
    k = scores.shape[1]
    x = scores[:, 0] - scores[:, 1]
    if k == 2:
        vectors = [(0.0, b) for b in between(x)]
    else:
        y = scores[:, 0] - scores[:, 2]
        firsts = between(np.concatenate([x, (y[:, None] - (y - x)).ravel()]))
        vectors = [(0.0, a, b) for a in firsts for b in between(np.concatenate([y, a + y - x]))]
    decisions = (scores + np.array(vectors)[:, None, :]).argmax(2)
    cells = (np.arange(len(decisions))[:, None] * k + labels) * k + decisions
    counts = np.bincount(cells.ravel(), minlength=len(decisions) * k * k).reshape(-1, k * k)
    return np.unique(counts, axis=0).reshape(-1, k, k).astype(float)


def best_of_all(problem: OffsetProblem) -> tuple[float, float]:
    """Return the best values of single offsets and of mixtures; minus infinity where there are none."""
    tables = [
        all_tables(problem.scores[problem.codes == g], problem.labels[problem.codes == g]) for g in (0, 1)
    ]
    rates = [problem.values(of_group) for of_group in tables]
    worth = [(of_group * problem.worth).sum((1, 2)) / len(problem.labels) for of_group in tables]
    fits = np.ones((len(worth[0]), len(worth[1])), dtype=bool)
    rows, rhs = [], []
    for j, bound in enumerate(problem.bounds):
        if not problem.covered[j].all():
            continue
        first, second = rates[0][:, j], rates[1][:, j]
        fits &= np.maximum(first[:, None], second) <= bound.upper(np.minimum(first[:, None], second))
        factor, slack = bound.line
        rows += [np.concatenate([factor * first, -second]), np.concatenate([-first, factor * second])]
        rhs += [slack, slack]
    total = (worth[0][:, None] + worth[1])[fits]
    each = np.repeat(np.eye(2), [len(worth[0]), len(worth[1])], axis=1)
    none = {} if not rows else {"A_ub": np.array(rows), "b_ub": rhs}
    mixed = linprog(-np.concatenate(worth), A_eq=each, b_eq=[1, 1], **none)
    return float(total.max(initial=-np.inf)), float(-mixed.fun) if mixed.status == 0 else -np.inf


def attempt(problem: OffsetProblem, policy: Any) -> OffsetSolution | None:
    """Return the answer; None if there is none."""
    try:
        return solve(problem, policy)
    except ValueError:
        return None


def compare_with_brute_force(n_problems: int) -> tuple[int, int, int, int]:
    """Return how many small problems there are, how many are solved as by brute force, and how many above."""
    names = ("demographic_parity", "equal_opportunity", "equalized_odds", "accuracy_parity")
    random = np.random.default_rng(0)
    n_single = n_mixed = n = above = 0
    for seed, k, name in itertools.islice(itertools.product(range(10**6), (2, 3), names), n_problems):
        scores, labels, _ = make_rows(12, 2, k, seed)
        groups = np.arange(12) % 2
        problem = make_problem((scores, labels, groups), name, float(random.choice([0, 0.1, 0.3])), "logs")
        have = [np.unique(labels[groups == g]) for g in (0, 1)]
        if any(len(labels_of_group) < k for labels_of_group in have):
            continue  # some rate has no rows
        single, mixed = best_of_all(problem)
        found, mixture = attempt(problem, "threshold"), attempt(problem, "randomized")
        value = -np.inf if found is None else found.value
        n += 1
        n_single += bool(value == single or abs(value - single) < 1e-9)
        reached = -np.inf if mixture is None else mixture.value
        n_mixed += bool(reached == mixed or abs(reached - mixed) < 1e-7)
        above += bool(value > mixed + 1e-7)
    print(f"{n} small problems: single offsets as brute force {n_single}, mixtures {n_mixed}, above {above}")
    return n, n_single, n_mixed, above


# --- b, c. many rows ------------------------------------------------------------------------------------


def time_many_rows() -> float:
    """Print seconds and the gap to the linear program, on both scales; return the most seconds."""
    slowest = 0.0
    rows = make_rows(100_000, 4, 5, 0)
    print("100,000 rows, 4 groups, 5 classes")
    print(f"{'constraint':<20} {'scale':<14} {'seconds':>8} {'single':>9} {'mixtures':>9} {'bound on':>9}")
    for name, bound in CASES:
        for scale in ("probabilities", "logs"):
            problem = make_problem(rows, name, bound, scale)
            start = time.process_time()
            single = solve(problem, "threshold")
            seconds = time.process_time() - start
            slowest = max(slowest, seconds)
            rates = problem.values(single.tables)
            assert np.ptp(rates, axis=0).max() <= bound + 1e-12
            mixed = solve(problem, "randomized")
            print(
                f"{name:<20} {scale:<14} {seconds:8.2f} {single.value:9.5f} {mixed.value:9.5f} "
                f"{single.upper_bound:9.5f}"
            )
    return slowest


def main() -> None:
    """Run all sections."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--problems", type=int, default=500, help="how many small problems")
    arguments = parser.parse_args()
    time_many_rows()
    compare_with_brute_force(arguments.problems)


if __name__ == "__main__":
    main()
