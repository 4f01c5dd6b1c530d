"""Boosting where several rates of a group are bounded: of the label, and of who is likely whom; then prices.

Two rates of the same groups pull against each other: prices in the gradient swing, or find no way to move one
and not the other. So trees learn chances without any price, and prices are put on these afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairsk._core.typing import Floats, Ints
from fairsk._meta.cross_fit import Splits
from fairsk.reductions._boosting.booster import Backend, Model
from fairsk.reductions._boosting.lockstep import Lockstep, Map, in_threads
from fairsk.reductions._boosting.settings import Settings
from fairsk.reductions._bounded_rows import BoundedRows
from fairsk.reductions._final_threshold import (
    ThresholdSweep,
    choose_threshold,
    distances_of,
    distances_of_all,
)
from fairsk.reductions._group_chances import Contrast, ExpectedPrices, PriceSearch, list_contrasts
from fairsk.reductions._problem import Problem, Solution, Step

__all__ = ["LearntChances", "boost_chances", "contrasts_to_learn"]

#: Trees of contrasts, per tree of the label, that are worth growing for a bound.
_MOST_TREES = 2.0
#: How much of a constant the trees of a contrast learn: exp(-3) of it is left. More trees learn their rows by
#: heart, and what is left to learn shrinks prices where little is known.
_N_LAGS = 3.0
#: How many held-out rows serve to find prices; the threshold is chosen on all.
_SEARCHED_ROWS = 20_000


def contrasts_to_learn(rows: BoundedRows, settings: Settings) -> tuple[Contrast, ...]:
    """Return what is to be learnt of groups; nothing where prices in the gradient do as well, or cost less.

    That is so for one rate; and for many groups, or strata, each of which needs trees of its own.
    """
    if len({w.rate for w in rows.windows}) < 2 or not all(rate.has_fixed_denominator for rate in rows.rates):
        return ()
    contrasts = list_contrasts(rows)
    if len(contrasts) * _contrast_rounds(settings) > _MOST_TREES * settings.n_rounds:
        return ()
    return contrasts


def _contrast_rounds(settings: Settings) -> int:
    return min(settings.n_rounds, int(np.ceil(_N_LAGS / settings.learning_rate)))


@dataclass(frozen=True)
class ContrastModel:
    """What one fold's booster has learnt of a contrast.

    Parameters
    ----------
    model : Model
        The booster.
    start : float
        Its score before the first tree.
    """

    model: Model
    start: float

    def guesses(self, X: Any) -> Floats:
        """Return what is expected of each row's target."""
        return self.model.raw_scores(X) - self.start


@dataclass(frozen=True)
class LearntChances:
    """Boosters of the label and of contrasts of groups, and the prices on these; it holds no rows.

    Parameters
    ----------
    labels : tuple of Model
        Those of the label, one per fold.
    contrasts : tuple of tuple of ContrastModel
        Those of each contrast, one per fold.
    prices : ExpectedPrices
        What is expected of the price of a row.
    """

    labels: tuple[Model, ...]
    contrasts: tuple[tuple[ContrastModel, ...], ...]
    prices: ExpectedPrices

    def scores(self, X: Any) -> Floats:
        """Return the mean log odds of each row, less those at which it is best selected."""
        log_odds = np.mean([model.raw_scores(X) for model in self.labels], axis=0)
        guesses = [np.mean([fold.guesses(X) for fold in folds], axis=0) for folds in self.contrasts]
        return self.prices.adjust(log_odds, np.array(guesses))


@dataclass(frozen=True)
class _Learnt:
    """What serves every bound: held-out log odds and guesses, and the models they come from."""

    log_odds: Floats
    guesses: Floats
    labels: tuple[Model, ...]
    contrasts: tuple[tuple[ContrastModel, ...], ...]
    history: tuple[Step, ...]

    @property
    def n_models(self) -> int:
        return len(self.labels) * (1 + len(self.contrasts))


def boost_chances(
    problem: Problem, make_backend: Callable[[], Backend], settings: Settings, contrasts: Sequence[Contrast]
) -> Solution:
    """Boost the label and the contrasts without prices; then find prices, and the threshold.

    Parameters
    ----------
    problem : Problem
        The rows and bounds.
    make_backend : callable
        Returns what makes the boosters; not called if they have grown for another bound.
    settings : Settings
        What the estimator's parameters say of rounds.
    contrasts : sequence of Contrast
        What is to be learnt of groups.

    Returns
    -------
    Solution
        The boosters, prices on what they say, and a threshold.
    """
    seen: _Learnt | None = None if problem.start is None else problem.start.seen
    learnt = _learn(problem, make_backend(), settings, contrasts) if seen is None else seen
    rows = problem.rows.take(problem.held_out)
    few = np.arange(0, len(rows), -(-len(rows) // _SEARCHED_ROWS))
    tried: list[Floats | None] = [
        None
    ]  # prices that keep the bounds, and those that keep a margin too: which ones are worth it
    if problem.margin.n_errors:
        tried.append(distances_of(problem.margin, rows, learnt.log_odds >= 0))
    searches = [
        PriceSearch(rows.take(few), learnt.log_odds[few], learnt.guesses[:, few], contrasts, distances)
        for distances in tried
    ]
    found = [search.run() for search in searches]
    adjusted = [rule.prices.adjust(learnt.log_odds, learnt.guesses) for rule in found]
    choice, margin = choose_threshold([ThresholdSweep(rows, scores) for scores in adjusted], problem.margin)
    rule, scores = found[choice.score], adjusted[choice.score]
    kept = distances_of_all(margin.distances, rows)
    exact = PriceSearch(rows, learnt.log_odds, learnt.guesses, contrasts, kept)
    rules = [exact.rule(each.multipliers) for search in searches for each in search.rules]
    mixture = exact.mixture([*rules, exact.rule(rule.multipliers)])
    bounded_error = choice.error if choice.violation == 0 else float("nan")
    at_even_odds = scores >= 0
    # All prices come at once, after the last round: the record of it is of what decides.
    last = Step(
        rows.error(at_even_odds),
        rows.values(rows.cells(at_even_odds)),
        rule.multipliers,
        bounded_error,
        weight=1.0,
    )
    return Solution(
        LearntChances(learnt.labels, learnt.contrasts, rule.prices),
        choice.threshold,
        "log_odds",
        scores >= choice.threshold,
        margin,
        [*learnt.history[:-1], last],
        rule.multipliers,
        1 - rows.error(learnt.log_odds >= 0),
        1 - min(mixture.error, choice.error) if mixture.is_feasible else 1 - mixture.error,
        learnt.n_models if seen is None else 0,
        {"rounds": len(learnt.history), "contrasts": len(contrasts)},
        seen=learnt,
    )


def _learn(problem: Problem, backend: Backend, settings: Settings, contrasts: Sequence[Contrast]) -> _Learnt:
    """Boost the label, as the learner does by itself, and the contrasts."""
    rows, splits = problem.rows, problem.splits
    n_rounds = _contrast_rounds(settings)
    of = settings.n_rounds + len(contrasts) * n_rounds
    learnt = []
    with in_threads(1 if settings.shares_draws else problem.n_jobs) as run:
        labels, log_odds, history = _learn_label(problem, backend, settings, of, run)
        for i, contrast in enumerate(contrasts):
            learnt.append(_learn_contrast(backend, contrast.targets(rows), splits, n_rounds, run))
            problem.report_progress(settings.n_rounds + (i + 1) * n_rounds, of)
    held_out = problem.held_out
    guesses = [_held_out_mean([said for _, said in folds], splits, held_out) for folds in learnt]
    models = tuple(tuple(model for model, _ in folds) for folds in learnt)
    return _Learnt(log_odds, np.array(guesses), labels, models, history)


def _learn_label(
    problem: Problem, backend: Backend, settings: Settings, of: int, run: Map
) -> tuple[tuple[Model, ...], Floats, tuple[Step, ...]]:
    """Boost the label without prices; return the models, held-out log odds, and a record of each round.

    If the user has asked for early stopping, the round with the least held-out error is the last one.
    """
    rows, held_out = problem.rows, problem.held_out
    measured = rows.take(held_out)
    lockstep = Lockstep(
        backend,
        rows,
        problem.splits,
        held_out,
        with_free_one=False,
        mirrored=problem.positive_is_first,
    )
    no_prices, no_multipliers = np.zeros((rows.n_codes, 2)), np.zeros((len(rows.rates), rows.n_codes))
    history = list[Step]()
    best, best_log_odds = 0, np.zeros(len(held_out))
    for number in range(1, settings.n_rounds + 1):
        lockstep.grow(no_prices, run)
        log_odds = lockstep.held_out_scores()
        selected = log_odds >= 0
        error, values = measured.error(selected), measured.values(measured.cells(selected))
        history.append(Step(error, values, no_multipliers))
        if settings.patience is None or best == 0 or error < history[best - 1].error:
            best, best_log_odds = number, log_odds
        problem.report_progress(number, of)
        if settings.patience is not None and number - best >= settings.patience:
            break
    return lockstep.finish(best), best_log_odds, tuple(history[:best])


def _learn_contrast(
    backend: Backend, targets: Floats, splits: Splits, n_rounds: int, run: Map
) -> list[tuple[ContrastModel, Floats]]:
    """Boost a contrast by least squares; return each fold's model, and what it says of held-out rows."""
    learnt: list[Any] = [None] * len(splits)

    def learn(fold: int) -> None:
        train, test = splits[fold]
        booster = backend.fold(train, test)
        start_train, start = booster.train_scores.copy(), booster.test_scores.copy()
        hessian = np.ones(len(train), np.float32)
        for _ in range(n_rounds):
            residuals = booster.train_scores - start_train - targets[train]
            booster.step(residuals.astype(np.float32), hessian)
        guesses = booster.test_scores - start
        learnt[fold] = ContrastModel(booster.finish(n_rounds), float(start[0])), guesses

    list(run(learn, range(len(splits))))
    return learnt


def _held_out_mean(parts: Sequence[Floats], splits: Splits, held_out: Ints) -> Floats:
    """Return what folds say of held-out rows, in the mean over those that do not see a row."""
    sums, times = np.zeros(len(held_out)), np.zeros(len(held_out))
    for part, (_, test) in zip(parts, splits, strict=True):
        places = np.searchsorted(held_out, test)
        np.add.at(sums, places, part)
        np.add.at(times, places, 1)
    return sums / times
