"""Boosting amounts under a bound: folds grow in lockstep, at prices that follow the means of rows held out.

Each round every fold's booster grows one tree, by the gradient of the loss plus the prices on the means of
its row's group. Its predictions of the rows that it does not see then say what means are like on new rows,
and the prices follow these. At the end the best round is taken or, where none keeps the bound, a combination.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fairsk._core.typing import Floats, Ints
from fairsk.reductions._amounts.problem import AmountProblem, AmountSolution
from fairsk.reductions._amounts.rows import AmountRows
from fairsk.reductions._boosting.amount_controller import AmountController
from fairsk.reductions._boosting.amount_costs import AmountFold, loss_of
from fairsk.reductions._boosting.amount_rounds import AmountRounds
from fairsk.reductions._boosting.booster import Model, find_backend
from fairsk.reductions._boosting.lockstep import Lockstep, in_threads, n_free_folds
from fairsk.reductions._boosting.settings import passed_on

__all__ = ["MeanAmounts", "boost_amounts_under_bound"]


@dataclass(frozen=True)
class MeanAmounts:
    """Boosters that predict together.

    Parameters
    ----------
    models : tuple of tuple of Model
        One per fold, cut off at each of some rounds.
    shares : tuple of float
        The factor of each round's mean; they add up to 1.
    """

    models: tuple[tuple[Model, ...], ...]
    shares: tuple[float, ...]

    def predictions(self, X: Any) -> Floats:
        """Return the mean prediction for each row, combined over the rounds."""
        means = [np.mean([model.raw_scores(X) for model in models], axis=0) for models in self.models]
        return np.asarray(np.tensordot(self.shares, means, axes=1))


def boost_amounts_under_bound(problem: AmountProblem) -> AmountSolution:
    """Boost amounts under a bound.

    Parameters
    ----------
    problem : AmountProblem
        Its estimator is one that ``find_backend`` knows.

    Returns
    -------
    AmountSolution
        The boosters of all folds up to the best round, whose predictions are averaged.

    Raises
    ------
    ValueError
        If parameters of the estimator, or what is passed to its ``fit``, are not open to boosting in
        lockstep.
    """
    backend_type = find_backend(problem.estimator, loss_of(problem.rows.loss))
    assert backend_type is not None  # or else the reduction would have been taken
    rows, held_out = problem.rows, problem.held_out
    fit_params = passed_on(problem.estimator, problem.training)
    settings = backend_type.settings(problem.estimator, fit_params)
    backend = backend_type(
        problem.estimator,
        problem.training.X,
        rows.target,
        rows.weights,
        fit_params,
        random_state=problem.random_state,
    )
    measured = rows.take(held_out)
    n_free = n_free_folds(problem.splits) if np.isfinite(rows.bound.value) and rows.covered.any() else 0
    lockstep = Lockstep(partial(AmountFold, backend, rows), problem.splits, held_out, n_free=n_free)
    start = lockstep.held_out_scores()
    rounds = AmountRounds(problem, measured, start, settings.patience)
    controller = AmountController(measured, start, learning_rate=settings.learning_rate)
    places = np.concatenate(lockstep.places[:n_free]) if n_free else np.empty(0, np.intp)
    compared = measured.take(places)
    with in_threads(1 if settings.shares_draws else problem.n_jobs) as run:
        for number in range(1, settings.n_rounds + 1):
            lockstep.grow(controller.costs, controller.free_costs, run)
            predictions = lockstep.held_out_scores()
            rounds.add(predictions, controller.multipliers)
            controller.distances = rounds.distances
            controller.update(predictions, compared, *lockstep.compared_scores())
            problem.report_progress(number, settings.n_rounds)
            if rounds.has_ended:
                problem.report_progress(settings.n_rounds, settings.n_rounds)
                break
    chosen = rounds.choose()
    numbers = sorted(chosen.shares)
    detail = {"rounds": numbers[-1]} | ({"combined": len(numbers)} if len(numbers) > 1 else {})
    without = chosen.predictions.copy()  # where nothing has a price, nothing is compared
    if len(places):
        without = np.full(len(measured), np.nan)
        without[places] = lockstep.compared_scores()[1]
    return AmountSolution(
        MeanAmounts(
            tuple(lockstep.finish(number) for number in numbers),
            tuple(chosen.shares[number] for number in numbers),
        ),
        chosen.predictions,
        rounds.kept_distances(chosen),
        rounds.history(chosen),
        controller.multipliers,
        _value_without_bound(measured, chosen.predictions, places, lockstep.compared_scores()[1]),
        lockstep.n_boosters,
        detail,
        without,
    )


def _value_without_bound(rows: AmountRows, predictions: Floats, places: Ints, free: Floats) -> float:
    """Return the mean held-out loss that the same learner has without a bound, estimated from some folds.

    Both learners predict the rows that the first folds hold out. Where one is far off, the other often is,
    too: by how much these rows are easier than all, which is known under the bound, is taken off again, times
    the slope of the one learner's losses on the other's (a control variate).
    """
    losses = rows.loss.of_rows(predictions, rows.target)
    mean = float(np.average(losses, weights=rows.weights))
    if not len(places):  # nothing is compared, so nothing had a price
        return mean
    weights, bounded = rows.weights[places], losses[places]
    without = rows.loss.of_rows(free, rows.target[places])
    of_fold, free_of_fold = np.average(bounded, weights=weights), np.average(without, weights=weights)
    variance = np.average((bounded - of_fold) ** 2, weights=weights)
    covariance = np.average((bounded - of_fold) * (without - free_of_fold), weights=weights)
    slope = covariance / variance if variance > 0 else 0.0
    return float(free_of_fold + slope * (mean - of_fold))
