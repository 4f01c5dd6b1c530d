"""LightGBM estimators as boosters of folds."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone

from fairsk._core.messages import list_texts
from fairsk._core.typing import Floats, Ints
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.rows import check_same_features
from fairsk.reductions._boosting.constants import weighted_median
from fairsk.reductions._boosting.lightgbm_folds import ConstantFold, LightGBMFold, as_taken, library
from fairsk.reductions._boosting.lightgbm_parameters import (
    class_weights,
    label_factors,
    number_of_threads,
    read_settings,
    refusal_of_parameters,
    training_parameters,
)
from fairsk.reductions._boosting.settings import Settings

__all__ = ["LightGBMAbsolute", "LightGBMBackend", "LightGBMBoosters", "LightGBMSquared"]


class LightGBMBoosters(ABC):
    """The boosters of an estimator of LightGBM, with all its parameters.

    Boosters are silent unless the estimator sets its verbosity, for there is one per fold.

    Parameters
    ----------
    estimator, X, actual, weights, fit_params, classes, random_state
        As :class:`~fairsk.reductions._boosting.booster.Backend` has them. LightGBM has a seed of its own, so
        ``random_state`` is not looked at.

    Attributes
    ----------
    actual, weights : array of shape (n_samples,)
        What is learned, and the weight of each row.
    factors : array of shape (n_samples,)
        What else derivatives are multiplied by.
    offset : float
        By how much weights and factors raise scores.
    """

    #: The class of the estimators, and the objectives of which the engine has the gradient.
    estimator_name: ClassVar[str]
    objectives: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        estimator: Any,
        X: Any,
        actual: Floats,
        weights: Floats,
        fit_params: Mapping[str, Any],
        *,
        classes: tuple[Any, Any] = (0, 1),
        random_state: Any = None,
    ) -> None:
        refusal = self.refusal(estimator)
        if refusal is not None:
            raise ValueError(refusal)
        self.settings(estimator, fit_params)  # refuses what cannot be had
        params = clone(estimator).get_params()  # a clone: to draw a seed would change the user's generator
        self.actual, self.weights, self.factors = actual, weights, np.ones(len(actual))
        self.offset = 0.0
        self._weigh_labels(params, classes)
        check_same_features(self, X, reset=True)
        self.starts_at_prior = bool(params.get("boost_from_average", True))
        self.n_threads = number_of_threads(params)
        self.params = training_parameters(params, self.n_threads)
        self.dataset = (
            library()
            .Dataset(
                as_taken(X),
                label=actual,
                params=self.params,
                feature_name=fit_params.get("feature_name", "auto"),
                categorical_feature=fit_params.get("categorical_feature", "auto"),
            )
            .construct()
        )

    @classmethod
    def accepts(cls, estimator: Any) -> bool:
        """Tell whether the estimator is of the class, whose ``fit`` no subclass has replaced."""
        lightgbm = sys.modules.get("lightgbm")  # whoever has an estimator of it has imported it
        known = getattr(lightgbm, cls.estimator_name, None)
        return known is not None and isinstance(estimator, known) and type(estimator).fit is known.fit

    @classmethod
    def refusal(cls, estimator: Any) -> str | None:
        """Tell why the estimator cannot be boosted under a bound, as a sentence; None if it can."""
        return refusal_of_parameters(estimator.get_params(deep=False), cls.objectives)

    @classmethod
    def settings(cls, estimator: Any, fit_params: Mapping[str, Any]) -> Settings:
        """Return the number of rounds, the learning rate and the patience; refuse what cannot be had."""
        return read_settings(estimator.get_params(deep=False), fit_params, cls.estimator_name)

    def _weigh_labels(self, params: Mapping[str, Any], classes: tuple[Any, Any]) -> None:  # noqa: B027 (amounts have no labels)
        """Change weights and factors by label, where labels have weights."""

    @abstractmethod
    def _best_constant(self, rows: Ints) -> float:
        """Return the score that some rows would all best have."""

    def fold(self, train: Ints, test: Ints, *, X_test: Any = None) -> LightGBMFold | ConstantFold:
        """Return the booster of a fold, at the prior's log odds: no tree yet.

        Parameters
        ----------
        train : array of shape (n_train,)
            The rows to train on.
        test : array of shape (n_test,)
            The rows to score.
        X_test : array-like of shape (n_test, n_features), optional
            The rows to score where they are none of X, as in a pipeline, whose X are those of one fold.
        """
        if not any(map(self.dataset.feature_num_bin, range(self.dataset.num_feature()))):
            n_test = len(test) if X_test is None else num_samples(X_test)
            return ConstantFold(self, len(train), n_test, self.start(train))
        return LightGBMFold(self, np.asarray(train), np.asarray(test), X_test)

    def start(self, rows: Ints) -> float:
        """Return the score from which LightGBM starts: the best one that all rows could have."""
        return self._best_constant(rows) if self.starts_at_prior else 0.0

    def others(self, X: Any, start: float) -> Any:
        """Return rows that are not those of the backend, in its bins."""
        scores = np.full(num_samples(X), start)
        return self.dataset.create_valid(as_taken(X), init_score=scores, params=self.params)

    def subset(self, rows: Ints, start: float) -> Any:
        """Return some rows, sorted by position, as they are in bins already."""
        taken = self.dataset.subset([])
        taken.used_indices = rows.astype(np.int32)  # as a list, as subset() has it, a million rows take 40 MB
        taken.construct().set_init_score(np.full(len(rows), start))
        taken.used_indices = taken.init_score = None  # LightGBM has both
        return taken


class LightGBMBackend(LightGBMBoosters):
    """The boosters of a ``lightgbm.LGBMClassifier``.

    The weights of classes (``class_weight``, ``is_unbalance``, ``scale_pos_weight``) multiply the weights of
    rows in training, and only there: errors and rates are those of rows as ``sample_weight`` has them.
    """

    estimator_name = "LGBMClassifier"
    objectives = ("binary",)

    def _weigh_labels(self, params: Mapping[str, Any], classes: tuple[Any, Any]) -> None:
        labels = self.actual.astype(np.intp)
        by_class, factors = class_weights(params, self.actual, classes), label_factors(params, self.actual)
        self.weights, self.factors = self.weights * by_class[labels], factors[labels]
        self.offset = float(np.log(np.divide(*(by_class * factors)[::-1])))

    def _best_constant(self, rows: Ints) -> float:
        """Return the log odds of the second label: LightGBM knows weights of rows there, not of labels."""
        positive, total = self.weights[rows] @ self.actual[rows], self.weights[rows].sum()
        return float(np.log(positive / (total - positive)))


class LightGBMSquared(LightGBMBoosters):
    """The boosters of a ``lightgbm.LGBMRegressor`` under the squared loss."""

    estimator_name = "LGBMRegressor"
    objectives: ClassVar[tuple[str, ...]] = (
        *("regression", "regression_l2", "l2", "mean_squared_error", "mse"),
        *("l2_root", "root_mean_squared_error", "rmse"),
    )

    @classmethod
    def refusal(cls, estimator: Any) -> str | None:
        """Tell why the estimator cannot be boosted under a bound, as a sentence; None if it can."""
        params = estimator.get_params(deep=False)
        of_others = [name for name in ("class_weight", "reg_sqrt") if params.get(name)]
        if of_others:
            return (
                f"{list_texts(of_others)} cannot be had under a bound on amounts, which are what they are. "
                "Leave it out, or use engine='reduction'."
            )
        return super().refusal(estimator)

    def _best_constant(self, rows: Ints) -> float:
        return float(np.average(self.actual[rows], weights=self.weights[rows]))


class LightGBMAbsolute(LightGBMSquared):
    """The boosters of a ``lightgbm.LGBMRegressor`` under the absolute loss."""

    # The default among them: it is the loss asked for that is minimised.
    objectives = ("regression_l1", "l1", "mean_absolute_error", "mae", "regression")

    def _best_constant(self, rows: Ints) -> float:
        return weighted_median(self.actual[rows], self.weights[rows])
