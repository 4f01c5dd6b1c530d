"""Fold models of amounts: a regressor fitted to a response on each fold, and their averages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from fairsk._core.typing import Floats, Ints
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.routing import fit_weighted, predicted_amounts
from fairsk._sklearn.rows import take_fit_params, take_rows
from fairsk.reductions._amounts.problem import AmountProblem
from fairsk.reductions._amounts.response import Response

__all__ = ["AveragedAmounts", "Column", "fit_splits"]


@dataclass(frozen=True)
class AveragedAmounts:
    """A weighted sum of the predictions of fold models: what predicts.

    Parameters
    ----------
    models : tuple
        The fitted regressors.
    shares : tuple of float
        The factor of each one's prediction; they add up to 1.
    """

    models: tuple[Any, ...]
    shares: tuple[float, ...]

    def predictions(self, X: Any) -> Floats:
        """Return the amount of each row."""
        total = np.zeros(num_samples(X))
        for model, share in zip(self.models, self.shares, strict=True):
            total += share * predicted_amounts(model, X)
        return total


@dataclass(frozen=True)
class Column:
    """Models of one response, one per split of some, with the predictions of the rows that these hold out.

    Parameters
    ----------
    multipliers : array of shape (n_rates, n_groups)
        The multipliers that it responds to.
    models : tuple
        The fitted clones.
    held_out : tuple of arrays
        Of each split, the predictions of its held-out rows.
    """

    multipliers: Floats
    models: tuple[Any, ...]
    held_out: tuple[Floats, ...]

    def __add__(self, other: Column) -> Column:
        return Column(self.multipliers, self.models + other.models, self.held_out + other.held_out)


def fit_splits(
    problem: AmountProblem,
    multipliers: Floats,
    response: Response | None,
    splits: Sequence[tuple[Ints, Ints]],
) -> Column:
    """Fit a clone to a response, or to the rows as they are, on each of some splits."""
    target, weights = problem.training.labels, problem.rows.weights
    needs_weights = False
    if response is not None:
        codes = problem.rows.codes
        target = target + response.shifts[codes]
        weights = weights * response.factors[codes]
        # Without any price on a loss no weight is changed, and learners that take none will do.
        needs_weights = bool(np.ptp(response.factors[problem.rows.mass > 0]))
    folds = Parallel(n_jobs=problem.n_jobs)(
        delayed(_fit_split)(problem, target, weights, train, test, needs_weights=needs_weights)
        for train, test in splits
    )
    models, predictions = zip(*folds, strict=True)
    return Column(multipliers, models, predictions)


def _fit_split(
    problem: AmountProblem,
    target: Floats,
    weights: Floats,
    train: Ints,
    test: Ints,
    *,
    needs_weights: bool,
) -> tuple[Any, Floats]:
    """Fit a clone to the training rows of a split; return it, and its predictions of the others."""
    training = problem.training
    given = weights[train]
    # Prices change weights: with the same sum as without them, regularisation stays as strong.
    given = given * (problem.rows.weights[train].sum() / given.sum())
    model = fit_weighted(
        clone(problem.estimator),
        take_rows(training.X, train),
        target[train],
        None if (given == 1).all() else given,
        needs_weights=needs_weights,
        random_state=problem.random_state,
        sensitive_features=take_rows(training.values, train),
        **take_fit_params(training.fit_params, train, num_samples(training.X)),
    )
    return model, predicted_amounts(model, take_rows(training.X, test))
