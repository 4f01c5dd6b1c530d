"""Fold models: a classifier fitted to a response on each fold, its held-out scores, and their average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.utils.parallel import Parallel, delayed

from fairsk._core.typing import Bools, Floats, Ints
from fairsk._meta.cross_fit import TrainingData
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.routing import ResponseMethod, fit_weighted, positive_scores
from fairsk._sklearn.rows import take_fit_params, take_rows
from fairsk.reductions._problem import Problem
from fairsk.reductions._reduction.oracle import Response

__all__ = ["AveragedModels", "ConstantModel", "FoldModels", "fit_folds", "trained_alike"]

#: More rows than these, and HistGradientBoosting's ``early_stopping="auto"`` stops early.
_EARLY_STOPPING_ROWS = 10_000


class ConstantModel:
    """A model of rows that all have one label: prices can leave no other.

    Parameters
    ----------
    classes : list
        The two classes.
    label : label
        The one that all rows have.
    """

    def __init__(self, classes: Sequence[Any], label: Any) -> None:
        self.classes_ = np.asarray(classes)
        self.label = label

    def predict_proba(self, X: Any) -> Floats:
        """Return probabilities of 0 and 1."""
        return np.tile((self.classes_ == self.label).astype(float), (num_samples(X), 1))

    def decision_function(self, X: Any) -> Floats:
        """Return -1 or 1 for each row."""
        return np.full(num_samples(X), 1.0 if self.label == self.classes_[1] else -1.0)


@dataclass(frozen=True)
class AveragedModels:
    """Weighted averages of the scores of fold models: what predicts.

    Parameters
    ----------
    models : tuple
        The fitted classifiers.
    shares : tuple of float
        The factor of each one's score.
    response_method : str
        Where scores come from.
    positive : label
        The positive class.
    """

    models: tuple[Any, ...]
    shares: tuple[float, ...]
    response_method: ResponseMethod
    positive: Any

    def scores(self, X: Any) -> Floats:
        """Return the average score of each row."""
        total = np.zeros(num_samples(X))
        for model, share in zip(self.models, self.shares, strict=True):
            total += share * positive_scores(model, X, self.response_method, self.positive)
        return total


@dataclass(frozen=True)
class FoldModels:
    """Models of one response, one per fold.

    Parameters
    ----------
    models : tuple
        The fitted clones, or constants.
    scores : array of shape (n_held_out,)
        The score of every held-out row by the models that were fitted without it.
    rows_fitted : int
        How many rows they were fitted to in all.
    """

    models: tuple[Any, ...]
    scores: Floats
    rows_fitted: int

    @property
    def scale(self) -> float:
        """What scores vary by; 1 if they are constant."""
        return float(self.scores.std()) or 1.0


def fit_folds(problem: Problem, response: Response, response_method: ResponseMethod) -> FoldModels:
    """Fit a clone to the response on every fold, and score the rows that it does not see."""
    weights = problem.rows.weights
    folds = Parallel(n_jobs=problem.n_jobs)(
        delayed(_fit_fold)(
            problem.estimator,
            problem.training,
            response.take(train),
            float(weights[train].sum()),
            test,
            response_method,
            problem.random_state,
        )
        for train, test in problem.splits
    )
    models, scores, sizes = zip(*folds, strict=True)
    place = np.searchsorted(problem.held_out, np.concatenate([test for _, test in problem.splits]))
    # A row that several splits score has the mean of its scores.
    mean = np.bincount(place, np.concatenate(scores)) / np.bincount(place)
    return FoldModels(models, mean, sum(sizes))


def _fit_fold(
    estimator: Any,
    training: TrainingData,
    taken: tuple[Ints, Bools, Floats],
    mass: float,
    test: Ints,
    response_method: ResponseMethod,
    random_state: Any,
) -> tuple[Any, Floats, int]:
    """Fit a clone to a response; return it, its scores of other rows, and how many rows it had."""
    rows, target, weights = taken
    negative = next(label for label in training.classes if label != training.positive)
    model: Any
    if target.all() or not target.any():
        model, rows = (
            ConstantModel(training.classes, training.positive if target.any() else negative),
            rows[:0],
        )
    else:
        # Prices add to weights: with the same sum as without them, regularisation stays as strong.
        weights = weights * (mass / weights.sum())
        model = fit_weighted(
            clone(estimator),
            take_rows(training.X, rows),
            np.where(target, training.positive, negative).astype(training.labels.dtype),
            None if (weights == 1).all() else weights,
            needs_weights=True,
            random_state=random_state,
            sensitive_features=take_rows(training.values, rows),
            **take_fit_params(training.fit_params, rows, num_samples(training.X)),
        )
    scores = positive_scores(model, take_rows(training.X, test), response_method, training.positive)
    return model, scores, len(rows)


def trained_alike(estimator: Any, n_samples: int) -> Any:
    """Return a clone that stops early, or not, on any number of rows as it would on all of these.

    HistGradientBoosting decides by the number of rows (``early_stopping="auto"``): models of folds, or of
    few rows, would be trained in another way than one of all.
    """
    estimator = clone(estimator)
    inside = {"": estimator, **estimator.get_params(deep=True)}
    for name, part in inside.items():
        is_boosting = isinstance(part, HistGradientBoostingClassifier | HistGradientBoostingRegressor)
        if is_boosting and part.early_stopping == "auto":
            prefix = f"{name}__" if name else ""
            estimator.set_params(**{f"{prefix}early_stopping": n_samples > _EARLY_STOPPING_ROWS})
    return estimator
