"""FairClassifier's gaps on rows that it did not see: Adult, COMPAS and two simulated populations.

Run: OMP_NUM_THREADS=1 python benchmarks/net_unseen.py [--compas FILE] [--modes MODE ...] [--seeds SEED ...]
         [--frontier] [--save FILE] [--reference FILE] [--results FILE] [--quick]

A cell is a data set, a number of rows to fit, a constraint and a bound; its figures are means over the seeds.

- The net never sees the sensitive columns. Groups with fewer than 30 positives among the rows to fit are not
  judged; "groups" is how many are left. Adult and COMPAS are judged on all rows that were not for fitting,
  the simulated populations on a million fresh ones.
- "Unseen" is the gap on these rows, counted as ``fairsk.metrics`` counts it, "fit" the same on the rows
  to fit. "Chance" is the mean gap, by sampling alone, of a rule that meets the bound exactly, with the rates
  of its groups spread evenly over it and no knowledge of the rows: first with the bound met in the
  population, so that only the rows judged differ from it; then with the bound met on the rows to fit, which
  differ from it as well. A net that is told its gap on the rows to fit comes below the second only where it
  aims lower than the bound, or cannot tell the groups apart well enough to follow what chance does to each.
- "Warned" counts fits with a ConvergenceWarning. Seconds are of the processor, of the fit alone.
- MODE is what the classifier is given beside constraint and bound: "default" (nothing, so that older code
  runs as well), "training" or "held_out" (``bound_on``), or parameters with their values, such as
  "bound_on='held_out',margin='1se'".
- With a reference (a file that --save wrote, of the mode "default" in earlier code), each cell is held to
  targets: the unseen gap is at most half of the reference's where that is above twice the bound, and
  elsewhere larger by .003 at most; the accuracy is lower by .004 at most *at an equal unseen gap*. For that
  the reference was fitted at a tighter bound as well (--frontier), and its accuracy at a gap is that of the
  best mix of its nets, or of one of them with the constant prediction, which has a gap of 0. "se" is the
  standard error of a difference, over seeds. Targets are about means; a miss within two standard errors says
  so.

FILE of --compas is ProPublica's two-year data, filtered as usual, as a CSV file; it is not bundled.
"""

from __future__ import annotations

import argparse
import ast
import functools
import json
import re
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fairsk import FairClassifier
from fairsk.datasets import load_adult
from fairsk.metrics import GroupCounts

Array = NDArray[Any]

#: Never used to choose anything. What is chosen by measurement is chosen on others (0, 1, 2).
SEEDS = (20, 21, 22, 23, 24)
#: Fits of so many rows, whose gaps differ little between seeds, are made with this many of the seeds.
MANY_ROWS, SEEDS_OF_MANY_ROWS = 45_000, 2
BOUNDS = (0.02, 0.05)
#: Where the reference is fitted as well, so that its accuracy can be told at gaps that it has not at BOUNDS.
TIGHTER_BOUNDS = (0.01,)
#: Groups with fewer positives among the rows to fit are not judged: as few as FairClassifier passes over.
LEAST_POSITIVES = 30
#: The targets: the part of the reference's gap where that is above TWICE the bound, how much larger a gap may
#: be elsewhere, and how much lower an accuracy at an equal gap.
TWICE, PART_OF_GAP, LARGER_GAP, LOWER_ACCURACY = 2.0, 0.5, 0.003, 0.004
FRESH_ROWS = 1_000_000
CHANCE_DRAWS = 1_000
SHORT = {"demographic_parity": "DP", "equal_opportunity": "EOpp", "equalized_odds": "EOdds"}
#: The labels of the rows that count in each rate; None: all rows.
EVENTS: dict[str, tuple[int | None, ...]] = {
    "demographic_parity": (None,),
    "equal_opportunity": (1,),
    "equalized_odds": (1, 0),
}
PARITIES = ("demographic_parity", "equal_opportunity")


# --- Rows


@dataclass(frozen=True)
class Rows:
    """Inputs, labels (0 and 1) and numbers of the groups."""

    X: Array
    y: Array
    codes: Array

    def of_groups(self, codes: Array) -> Rows:
        """Return the rows of some groups."""
        chosen = np.isin(self.codes, codes)
        if chosen.all():
            return self  # a million rows need not be copied
        return Rows(self.X[chosen], self.y[chosen], self.codes[chosen])


@dataclass(frozen=True)
class Source:
    """A data set: how its rows are drawn, how many of them are to fit, and which rates are compared."""

    name: str
    draw: Callable[[int, int], tuple[Rows, Rows]]
    n_rows: tuple[int, ...]
    constraints: tuple[str, ...] = PARITIES


def split_table(X: pd.DataFrame, y: Array, codes: Array, n: int, seed: int) -> tuple[Rows, Rows]:
    """Return rows to fit and the others, encoded as the former suggest."""
    fitted, others = train_test_split(np.arange(len(y)), train_size=n, stratify=y, random_state=seed)
    encoder = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
        sparse_threshold=0,
    ).fit(X.iloc[fitted])
    first, second = (
        Rows(encoder.transform(X.iloc[rows]).astype(np.float32), y[rows], codes[rows])
        for rows in (fitted, others)
    )
    return first, second


@functools.cache
def read_adult() -> tuple[pd.DataFrame, Array]:
    X, labels = load_adult(return_X_y=True, backend="pandas")
    return X.drop(columns="fnlwgt"), (np.asarray(labels) == ">50K").astype(int)


def draw_adult(n: int, seed: int, *, columns: list[str]) -> tuple[Rows, Rows]:
    X, y = read_adult()
    return split_table(X.drop(columns=columns), y, X.groupby(columns).ngroup().to_numpy(), n, seed)


def draw_compas(n: int, seed: int, *, path: str) -> tuple[Rows, Rows]:
    frame = pd.read_csv(path)
    y, race = frame["two-year-recid"].to_numpy(), frame["race"].to_numpy()
    # COMPAS's own score, which predicts the same, is left out; so is the charge in words.
    X = frame.filter(regex="^(?!two-year-recid|race|decile-score|score-text|c-charge-desc)")
    return split_table(X, y, race, n, seed)


@dataclass(frozen=True)
class Population:
    """Groups with the same share of positives, whose features lead a net to different rates.

    Five features tell of the label, and are shifted in a group as the label shifts them: by a fixed amount
    that goes evenly from ``-shift`` to ``shift`` over the groups. Three tell of the group, so that a net can
    make up for a part of its shift. Twelve are noise, to be learned by heart. Groups are equally large, and
    every sample has the same number of positives in each, so that few rows suffice for 30 in all of them.
    """

    n_groups: int
    positives: float
    shift: float
    separation: float
    told: float = 0.7

    def sample(self, n: int, rng: np.random.Generator) -> Rows:
        """Return n rows in random order."""
        order = rng.permutation(n)
        codes = order % self.n_groups
        nth_of_group = order // self.n_groups
        # The first so many of each group are the positive ones; the order of the rows does not tell.
        y = (nth_of_group < np.round(self.positives * (n / self.n_groups))).astype(int)
        X = rng.standard_normal((n, 20), dtype=np.float32)
        shifts = np.linspace(-self.shift, self.shift, self.n_groups)
        # Along a direction of length 1, so that the separation is one in standard deviations.
        X[:, :5] += ((self.separation * y + shifts[codes]) / np.sqrt(5)).astype(np.float32)[:, None]
        # The same places for every sample: they belong to the population.
        places = np.random.default_rng(0).normal(scale=self.told, size=(self.n_groups, 3))
        X[:, 5:8] += places[codes].astype(np.float32)
        return Rows(X, y, codes)


FOUR_GROUPS = Population(n_groups=4, positives=0.06, separation=3.0, shift=1.0)
MANY_GROUPS = Population(n_groups=48, positives=0.20, separation=2.4, shift=0.8)


@functools.lru_cache(maxsize=1)
def fresh_rows(population: Population, seed: int) -> Rows:
    return population.sample(FRESH_ROWS, np.random.default_rng([seed, 1]))


def draw_population(n: int, seed: int, *, population: Population) -> tuple[Rows, Rows]:
    # All seeds are judged on the same million: drawing others would make next to no difference.
    return population.sample(n, np.random.default_rng([seed, 0])), fresh_rows(population, SEEDS[0])


def make_sources(compas: str | None) -> Iterator[Source]:
    """Yield the data sets; COMPAS if its file is there."""
    thousands = (2_000, 8_000, 20_000)
    by_sex = functools.partial(draw_adult, columns=["sex"])
    yield Source("adult-sex", by_sex, thousands, tuple(SHORT))
    yield Source("adult-race-sex", functools.partial(draw_adult, columns=["race", "sex"]), thousands)
    if compas:
        yield Source("compas", functools.partial(draw_compas, path=compas), (2_000, 4_300))
    four = functools.partial(draw_population, population=FOUR_GROUPS)
    yield Source("4-groups", four, (*thousands, MANY_ROWS))
    many = functools.partial(draw_population, population=MANY_GROUPS)
    yield Source(
        "48-groups", many, (8_000, 20_000, MANY_ROWS)
    )  # fewer rows have fewer than 30 positives each


# --- One fit


@dataclass(frozen=True)
class Result:
    """What a fit reached."""

    mode: str
    source: str
    n: int
    constraint: str
    bound: float
    seed: int
    n_judged: int
    fit_gap: float
    fit_accuracy: float
    gap: float
    accuracy: float
    constant_accuracy: float
    chance_judged: float
    chance_both: float
    seconds: float
    warned: bool
    messages: list[str]

    @property
    def cell(self) -> tuple[str, int, str, float]:
        """What it belongs to, apart from mode and seed."""
        return self.source, self.n, self.constraint, self.bound


def chance_gap(constraint: str, bound: float, fitted: Rows | None, judged: Rows, predicted: Array) -> float:
    """Return the mean gap of a rule that meets the bound exactly, by chance in the rows judged.

    ``fitted`` are the rows on which it meets the bound; None if it does so in the population.
    """
    rng = np.random.default_rng(0)
    worst = np.zeros(CHANCE_DRAWS)
    for label in EVENTS[constraint]:
        counted = np.ones(len(judged.y), dtype=bool) if label is None else judged.y == label
        rate = predicted[counted].mean()
        # Which group is where in the bound differs from draw to draw: small ones are not always at its ends.
        low, high = max(rate - bound / 2, 0.0), min(rate + bound / 2, 1.0)
        spread = np.linspace(low, high, len(np.unique(judged.codes)))
        rates = rng.permuted(np.tile(spread, (CHANCE_DRAWS, 1)), axis=1)
        variance = np.zeros(len(spread))
        for rows in (judged,) if fitted is None else (judged, fitted):
            in_rate = np.ones(len(rows.y), dtype=bool) if label is None else rows.y == label
            variance += 1 / np.unique(rows.codes[in_rate], return_counts=True)[1]
        # Counts of 30 and more: near enough to normal, and errors in two independent samples add up.
        rates = rates + rng.standard_normal(rates.shape) * np.sqrt(rates * (1 - rates) * variance)
        worst = np.maximum(worst, np.ptp(rates, axis=1))
    return float(worst.mean())


def gap_of(constraint: str, rows: Rows, predicted: Array) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numbers of 48 groups look like something measured
        counts = GroupCounts.from_predictions(rows.y, predicted, sensitive_features=rows.codes, pos_label=1)
    return float(counts.compare(constraint))


def read_mode(mode: str) -> dict[str, Any]:
    """Return the parameters that a mode stands for."""
    if mode == "default":
        return {}
    if mode in ("training", "held_out"):
        return {"bound_on": mode}
    call = ast.parse(f"f({mode})", mode="eval").body
    assert isinstance(call, ast.Call)
    return {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}


def measure(mode: str, source: Source, n: int, constraint: str, bound: float, seed: int) -> Result:
    fitted, unseen = draw_cached(source, n, seed)
    names = np.array([f"group {code}" for code in range(fitted.codes.max() + 1)])
    classifier = FairClassifier(
        constraint=constraint, max_difference=bound, random_state=seed, **read_mode(mode)
    )
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        start = time.process_time()
        classifier.fit(fitted.X, fitted.y, sensitive_features=names[fitted.codes])
        seconds = time.process_time() - start
    positives = np.bincount(fitted.codes[fitted.y == 1], minlength=fitted.codes.max() + 1)
    codes = np.flatnonzero(positives >= LEAST_POSITIVES)
    judged, fit_judged = unseen.of_groups(codes), fitted.of_groups(codes)
    predicted = classifier.predict(judged.X)
    everywhere = predicted if judged is unseen else classifier.predict(unseen.X)
    fit_predicted = classifier.predict(fitted.X)
    return Result(
        mode,
        source.name,
        n,
        constraint,
        bound,
        seed,
        len(codes),
        gap_of(constraint, fit_judged, classifier.predict(fit_judged.X)),
        float(np.mean(fit_predicted == fitted.y)),
        gap_of(constraint, judged, predicted),
        float(np.mean(everywhere == unseen.y)),
        float(max(np.mean(unseen.y), 1 - np.mean(unseen.y))),
        chance_gap(constraint, bound, None, judged, predicted),
        chance_gap(constraint, bound, fit_judged, judged, predicted),
        seconds,
        any(issubclass(warning.category, ConvergenceWarning) for warning in recorded),
        [re.sub(r"\d+(\.\d+)?", "#", str(warning.message))[:90] for warning in recorded],
    )


@functools.lru_cache(maxsize=1)
def draw_cached(source: Source, n: int, seed: int) -> tuple[Rows, Rows]:
    return source.draw(n, seed)


# --- Tables and targets


def column(results: Sequence[Result], name: str) -> Array:
    return np.array([getattr(result, name) for result in results])


def print_rows(results: Sequence[Result]) -> None:
    """Print the line of a mode in a cell."""
    first = results[0]
    gaps = column(results, "gap")
    cells = [
        first.source,
        f"{first.n:,}",
        SHORT[first.constraint],
        f"{first.bound:g}",
        first.mode,
        f"{column(results, 'n_judged').mean():.0f}",
        f"{column(results, 'fit_gap').mean():.4f}",
        f"{gaps.mean():.4f} ({gaps.std(ddof=1) if len(gaps) > 1 else np.nan:.4f})",
        f"{column(results, 'chance_judged').mean():.4f}, {column(results, 'chance_both').mean():.4f}",
        f"{column(results, 'accuracy').mean():.4f}",
        f"{column(results, 'fit_accuracy').mean():.4f}",
        f"{column(results, 'warned').sum()} / {len(results)}",
        f"{column(results, 'seconds').mean():.1f}",
    ]
    print(f"| {' | '.join(cells)} |", flush=True)


HEADER = (
    "| data | rows | constraint | bound | mode | groups | fit | unseen (sd) | chance: judged, both |"
    " accuracy | accuracy, fit | warned | s |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def accuracy_at(gap: float, gaps: Array, accuracies: Array) -> float:
    """Return the largest accuracy of a mix of points whose gap is at most ``gap``.

    A mix of two rules, drawn at random per row, has their mean accuracy, and a gap of at most their mean gap.
    """
    best = float(np.max(accuracies[gaps <= gap], initial=-np.inf))
    for low in np.flatnonzero(gaps <= gap):
        for high in np.flatnonzero(gaps > gap):
            share = (gap - gaps[low]) / (gaps[high] - gaps[low])
            best = max(best, float((1 - share) * accuracies[low] + share * accuracies[high]))
    return best


def frontier(results: Sequence[Result], seeds: set[int]) -> tuple[Array, Array]:
    """Return mean gap and accuracy at each bound, after those of the constant prediction."""
    own = [result for result in results if result.seed in seeds]
    gaps, accuracies = [0.0], [float(column(own, "constant_accuracy").mean())]
    for bound in sorted({result.bound for result in own}):
        there = [result for result in own if result.bound == bound]
        gaps.append(float(column(there, "gap").mean()))
        accuracies.append(float(column(there, "accuracy").mean()))
    return np.array(gaps), np.array(accuracies)


def standard_error(differences: Array) -> float:
    return float(differences.std(ddof=1) / np.sqrt(len(differences))) if len(differences) > 1 else np.nan


def outcome(excess: float, error: float) -> str:
    """Return whether a target is met, which ``excess`` says where it is not positive."""
    if excess <= 0:
        return "met"
    return "MISSED (within 2 se)" if excess <= 2 * error else "MISSED"


def verdicts(results: Sequence[Result], reference: Sequence[Result]) -> list[tuple[str, str, str]]:
    """Return the lines of a mode in a cell: what is asked, which figures there are, and the outcome."""
    first = results[0]
    same = [other for other in reference if other.cell[:3] == first.cell[:3]]
    at_bound = {other.seed: other for other in same if other.bound == first.bound}
    pairs = [(own, at_bound[own.seed]) for own in results if own.seed in at_bound]
    if not pairs:
        return []
    ours, theirs = ([pair[k] for pair in pairs] for k in (0, 1))
    gap, other_gap = column(ours, "gap").mean(), column(theirs, "gap").mean()
    halve = bool(other_gap > TWICE * first.bound)
    target = PART_OF_GAP * other_gap if halve else other_gap + LARGER_GAP
    scale = PART_OF_GAP if halve else 1.0
    error = standard_error(column(ours, "gap") - scale * column(theirs, "gap"))
    equal_gap = accuracy_at(gap, *frontier(same, {own.seed for own in ours}))
    accuracy = column(ours, "accuracy").mean()
    accuracy_error = standard_error(column(ours, "accuracy") - column(theirs, "accuracy"))
    asked = "half" if halve else f"+ {LARGER_GAP}"
    judged, both = (column(ours, name).mean() for name in ("chance_judged", "chance_both"))
    below = ""
    if target < both:
        below = ", below chance in the rows judged" if target < judged else ", below chance in both"
    return [
        (
            f"gap: {asked}",
            f"{gap:.4f}, asked {target:.4f} of {other_gap:.4f}{below}; se {error:.4f}",
            outcome(gap - target, error),
        ),
        (
            "accuracy",
            f"{accuracy:.4f}, at this gap {equal_gap:.4f}; se {accuracy_error:.4f}",
            outcome(equal_gap - LOWER_ACCURACY - accuracy, accuracy_error),
        ),
    ]


def print_verdicts(results: Sequence[Result], reference: Sequence[Result]) -> None:
    """Print a table of targets, and how many each mode misses."""
    print("\n| data | rows | constraint | bound | mode | target | figures | outcome |")
    print("|---|---|---|---|---|---|---|---|")
    outcomes: Counter[tuple[str, str, str]] = Counter()
    cells = dict.fromkeys((*result.cell, result.mode) for result in results if result.bound in BOUNDS)
    for source, n, constraint, bound, mode in cells:
        own = [r for r in results if r.mode == mode and r.cell == (source, n, constraint, bound)]
        for target, figures, found in verdicts(own, reference):
            line = [source, f"{n:,}", SHORT[constraint], f"{bound:g}", mode, target, figures, found]
            print(f"| {' | '.join(line)} |")
            outcomes[mode, target, found] += 1
    print("\nHow often\n")
    for (mode, target, found), count in sorted(outcomes.items()):
        print(f"- {mode}, {target}: {count} x {found}")


# --- Running


def read_results(path: str) -> list[Result]:
    return [Result(**record) for record in json.loads(Path(path).read_text())]


def planned(arguments: argparse.Namespace) -> Iterator[tuple[Source, int, str, float, list[int]]]:
    """Yield the cells that are asked for, and their seeds."""
    bounds = arguments.bounds or ((*TIGHTER_BOUNDS, *BOUNDS) if arguments.frontier else BOUNDS)
    for source in make_sources(arguments.compas):
        if arguments.data and source.name not in arguments.data:
            continue
        for n in source.n_rows:
            if (arguments.rows and n not in arguments.rows) or (arguments.quick and n > 8_000):
                continue
            seeds = arguments.seeds[: SEEDS_OF_MANY_ROWS if n >= MANY_ROWS or arguments.quick else None]
            for constraint in source.constraints:
                if arguments.constraints and SHORT[constraint] not in arguments.constraints:
                    continue
                for bound in bounds:
                    yield source, n, constraint, bound, seeds


def run(arguments: argparse.Namespace) -> list[Result]:
    """Fit all cells, print a line for each, and save what there is after each."""
    results: list[Result] = []
    print(HEADER)
    for source, n, constraint, bound, seeds in planned(arguments):
        for mode in arguments.modes:
            there = [measure(mode, source, n, constraint, bound, seed) for seed in seeds]
            print_rows(there)
            results += there
            if arguments.save:
                Path(arguments.save).write_text(json.dumps([asdict(result) for result in results], indent=0))
    return results


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--compas", metavar="FILE", help="the COMPAS data, a CSV file")
    parser.add_argument("--modes", nargs="+", default=["default"], help="what the classifier is given")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--frontier", action="store_true", help="fit at a tighter bound as well")
    parser.add_argument("--save", metavar="FILE", help="where the figures of all fits go, as JSON")
    parser.add_argument("--reference", metavar="FILE", help="figures of earlier code, to hold these to")
    parser.add_argument(
        "--results", metavar="FILE", help="figures to hold to the reference, with no new fits"
    )
    parser.add_argument("--quick", action="store_true", help="up to 8,000 rows, two seeds")
    parser.add_argument("--data", nargs="+", help="which data sets, by their names in the table")
    parser.add_argument("--rows", nargs="+", type=int, help="which numbers of rows")
    parser.add_argument("--constraints", nargs="+", choices=list(SHORT.values()))
    parser.add_argument(
        "--bounds", nargs="+", type=float, help="instead of these: " + ", ".join(map(str, BOUNDS))
    )
    return parser.parse_args()


def main() -> None:
    arguments = read_arguments()
    results = read_results(arguments.results) if arguments.results else run(arguments)
    print("\nHow often these fits warned of what (# is a number):\n")
    messages = Counter((result.mode, message) for result in results for message in result.messages)
    for (mode, message), count in messages.most_common():
        print(f"- {mode}: {count} x {message}")
    if arguments.reference:
        reference = [result for result in read_results(arguments.reference) if result.mode == "default"]
        print_verdicts(results, reference)


if __name__ == "__main__":
    main()
