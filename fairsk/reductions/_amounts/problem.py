"""What an engine for amounts is given, and what it returns: learner, rows and bound; fold models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from fairsk._core.typing import Floats, Ints
from fairsk._meta.cross_fit import Splits, TrainingData
from fairsk.reductions._amounts.rows import AmountRows

__all__ = ["AmountProblem", "AmountSolution", "AmountStep", "Predictor"]


class Predictor(Protocol):
    """Fold models that predict together; a picklable object without rows."""

    def predictions(self, X: Any) -> Floats:
        """Return one amount per row."""


@dataclass(frozen=True)
class AmountStep:
    """What is recorded of a round of boosting, or of a model of the reduction.

    Everything is measured on held-out rows, each predicted by what was fitted without it.

    Parameters
    ----------
    loss : float
        The mean loss of these predictions.
    values : array of shape (n_rates, n_groups)
        The bounded means of every group.
    multipliers : array of shape (n_rates, n_groups)
        Those that the trees of the round, or the model, were fitted to; 0 for groups that are not covered.
    weight : float
        The weight of these predictions in what predicts in the end; 0 for what is left out.
    """

    loss: float
    values: Floats
    multipliers: Floats
    weight: float = 0.0


@dataclass(frozen=True)
class AmountProblem:
    """What an engine is given.

    Parameters
    ----------
    estimator : regressor
        What to fit; it is cloned, never changed.
    training : TrainingData
        The validated rows, all with a weight above 0; ``labels`` are the amounts, as floats. X is without the
        sensitive column, unless that is kept.
    splits : list of tuple of two arrays
        Positions of the rows to fit to and of those to predict, fold by fold.
    rows : AmountRows
        All training rows with the loss and the bound, in the order of ``training``.
    wanted_distances : callable
        Called with predictions of ``held_out`` rows; returns how far each group's mean is wanted to stay away
        from either end of what the bound allows, of shape (n_rates, n_groups), or None without a margin.
    random_state : int, RandomState instance or None
        As given by the user.
    n_jobs : int or None
        How many folds to fit at a time.
    report_progress : callable
        Called with (done, of) after each step, for a progress bar.
    """

    estimator: Any
    training: TrainingData
    splits: Splits
    rows: AmountRows
    wanted_distances: Callable[[Floats], Floats | None] = lambda predictions: None
    random_state: Any = None
    n_jobs: int | None = None
    report_progress: Callable[[int, int], None] = lambda done, of: None

    @property
    def held_out(self) -> Ints:
        """The rows that some fold predicts, sorted, each once."""
        return np.unique(np.concatenate([test for _, test in self.splits]))


@dataclass(frozen=True)
class AmountSolution:
    """What an engine returns.

    Parameters
    ----------
    predictor : Predictor
        The fold models, to predict with.
    predictions : array of shape (n_held_out,)
        The predictions of ``AmountProblem.held_out``, each by models that were fitted without the row; the
        mean where several splits hold it out.
    distances : array of shape (n_rates, n_groups) or None
        How far the means stay away from either end of what the bound allows: as much of what was wanted as
        could be kept.
    history : sequence of AmountStep
        A step per round or model, in order.
    multipliers : array of shape (n_rates, n_groups)
        The last prices on means.
    value_without_bound : float or None
        The mean loss of the same learner without a bound, held out.
    n_fits : int
        How many times the learner was fitted, each fold counted.
    detail : mapping
        What else the engine says: ``models``, ``rounds``, ...
    predictions_without_bound : array of shape (n_held_out,) or None
        The same rows as the learner predicts them without a bound; NaN for those of which that is not known.
    """

    predictor: Predictor
    predictions: Floats
    distances: Floats | None
    history: Sequence[AmountStep]
    multipliers: Floats
    value_without_bound: float | None
    n_fits: int
    detail: Mapping[str, Any] = field(default_factory=dict)
    predictions_without_bound: Floats | None = None
