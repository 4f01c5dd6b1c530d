"""Boosting under a bound: folds grow in lockstep, at prices that follow the rates of rows they do not see.

Each round every fold's booster grows one tree, by the gradient of cross-entropy plus the price of being
selected. Its log odds of the rows that it does not see then say what rates are like on new rows, and the
prices follow these. At the end the best round is taken, with one exact threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fairsk._core.typing import Bools, Floats, Ints
from fairsk.reductions._boosting.booster import Backend, Model, find_backend
from fairsk.reductions._boosting.lockstep import LabelFold, Lockstep, in_threads, n_free_folds
from fairsk.reductions._boosting.rounds import Rounds
from fairsk.reductions._boosting.settings import passed_on
from fairsk.reductions._bounded_rows import BoundedRows
from fairsk.reductions._controller import PriceController
from fairsk.reductions._final_threshold import ThresholdSweep, choose_threshold, distances_of_all
from fairsk.reductions._problem import Problem, Solution

__all__ = ["MeanLogOdds", "boost_under_bound"]


@dataclass(frozen=True)
class MeanLogOdds:
    """Boosters that score rows together.

    Parameters
    ----------
    models : tuple of Model
        One per fold.
    """

    models: tuple[Model, ...]

    def scores(self, X: Any) -> Floats:
        """Return the mean log odds of each row."""
        return np.asarray(np.mean([model.raw_scores(X) for model in self.models], axis=0))


@dataclass(frozen=True)
class _Seen:
    """What serves further bounds on the same rows and folds.

    Parameters
    ----------
    backend : Backend
        The rows in bins.
    free_scores : array or None
        The log odds of the rows that the first folds hold out, by boosters without prices; None where
        nothing is compared.
    """

    backend: Backend
    free_scores: Floats | None


def boost_under_bound(problem: Problem) -> Solution:
    """Boost under a bound.

    Parameters
    ----------
    problem : Problem
        Its estimator is one that ``find_backend`` knows.

    Returns
    -------
    Solution
        The boosters of all folds up to the best round, whose log odds are averaged, and a threshold.

    Raises
    ------
    ValueError
        If parameters of the estimator, or what is passed to its ``fit``, are not open to boosting in
        lockstep.
    """
    backend_type = find_backend(problem.estimator)
    assert backend_type is not None  # or else the reduction would have been taken
    rows = problem.rows
    fit_params = passed_on(problem.estimator, problem.training)
    settings = backend_type.settings(problem.estimator, fit_params)
    seen: _Seen | None = None if problem.start is None else problem.start.seen
    backend = _backend(backend_type, problem, fit_params) if seen is None else seen.backend
    held_out = problem.held_out
    measured = rows.take(held_out)
    lockstep = Lockstep(
        partial(LabelFold, backend, rows, mirrored=problem.positive_is_first),
        problem.splits,
        held_out,
        n_free=n_free_folds(problem.splits) if seen is None and rows.windows else 0,
    )
    rounds = Rounds(measured, problem.margin, settings.patience)
    controller = PriceController(measured, learning_rate=settings.learning_rate)
    with in_threads(1 if settings.shares_draws else problem.n_jobs) as run:
        for number in range(1, settings.n_rounds + 1):
            prices = controller.price_table().ravel()
            lockstep.grow(prices, np.zeros(prices.size), run)
            scores = lockstep.held_out_scores()
            rounds.add(scores, controller.multipliers)
            controller.distances = rounds.distances
            controller.update(scores)
            problem.report_progress(number, settings.n_rounds)
            if rounds.has_ended:
                problem.report_progress(settings.n_rounds, settings.n_rounds)
                break
    if seen is None:
        seen = _Seen(backend, lockstep.compared_scores()[1] if lockstep.free else None)
    return _solution(problem, lockstep, rounds, controller, seen)


def _backend(backend_type: type[Backend], problem: Problem, fit_params: dict[str, Any]) -> Backend:
    """Return the backend, with the rows in bins."""
    training, rows = problem.training, problem.rows
    # Parameters of boosters speak of the second label: that is what they learn.
    first, second = training.classes
    return backend_type(
        problem.estimator,
        training.X,
        (rows.actual != problem.positive_is_first).astype(float),
        rows.weights,
        fit_params,
        classes=(first, second),
        random_state=problem.random_state,
    )


def _solution(
    problem: Problem, lockstep: Lockstep, rounds: Rounds, controller: PriceController, seen: _Seen
) -> Solution:
    """Return the best round with its exact threshold."""
    measured = rounds.rows
    sweep = ThresholdSweep(measured, rounds.best.scores)
    choice, margin = choose_threshold([sweep], problem.margin)
    selected = sweep.scores >= choice.threshold
    best_mixture = None
    if measured.windows:
        best_mixture = rounds.best_mixture(choice, distances_of_all(margin.distances, measured))
    return Solution(
        MeanLogOdds(lockstep.finish(rounds.best.number)),
        choice.threshold,
        "log_odds",
        selected,
        margin,
        rounds.history(),
        controller.multipliers,
        _value_without_bound(measured, selected, np.concatenate(lockstep.places), seen.free_scores),
        best_mixture,
        lockstep.n_boosters,
        {"rounds": rounds.best.number},
        seen,
    )


def _value_without_bound(
    rows: BoundedRows, selected: Bools, places: Ints, free_scores: Floats | None
) -> float:
    """Return the held-out accuracy that the same learner has without a bound, estimated from some folds.

    Both learners decide the rows that the first folds hold out. Where one is right the other often is, too:
    by how much these are easier than all rows, which is known under the bound, is taken off again, times
    the slope of the one learner's hits on the other's (a control variate: no other factor leaves less
    variance).
    """
    accuracy = 1 - rows.error(selected)
    if free_scores is None:  # nothing is compared, so nothing had a price
        return accuracy
    fold = places[: len(free_scores)]
    actual, weights = rows.actual[fold], rows.weights[fold]
    free, bounded = (free_scores >= 0) == actual, selected[fold] == actual
    free_on_fold, on_fold = np.average(free, weights=weights), np.average(bounded, weights=weights)
    variance = on_fold * (1 - on_fold)
    covariance = np.average(free & bounded, weights=weights) - free_on_fold * on_fold
    slope = covariance / variance if variance > 0 else 0.0
    return float(free_on_fold + slope * (accuracy - on_fold))
