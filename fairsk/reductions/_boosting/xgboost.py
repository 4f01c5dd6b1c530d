"""XGBoost estimators as boosters of folds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import clone

from fairsk._core.messages import list_labels, list_texts, show
from fairsk._core.typing import Floats, Ints
from fairsk._sklearn.rows import take_rows
from fairsk.reductions._boosting.constants import weighted_median
from fairsk.reductions._boosting.settings import Settings, draw_seed

__all__ = [
    "XGBoostAbsolute",
    "XGBoostBackend",
    "XGBoostBoosters",
    "XGBoostFold",
    "XGBoostModel",
    "XGBoostSquared",
]

#: XGBoost's own value where ``learning_rate`` is None.
_DEFAULT_LEARNING_RATE = 0.3
#: Arguments of ``fit`` that cannot be taken, and why.
_REFUSED = {
    "base_margin": "predictions would not have it",
    "xgb_model": "the folds' rows would be known to it",
}
#: Those that it takes; what is printed is said by ``verbosity``.
_TAKEN = ("feature_weights", "verbose")


class XGBoostBoosters:
    """The boosters of an estimator of XGBoost.

    Each fold has a matrix of its own, with bins of the rows it is trained on, as the estimator's ``fit``
    makes it. XGBoost keeps the scores of rows that a booster knows and adds the newest tree to them, so a
    round costs one tree and no prediction anew.

    Parameters
    ----------
    estimator : XGBModel
        All its parameters are kept.
    X : array-like of shape (n_samples, n_features)
        All training rows, as XGBoost takes them.
    actual, weights, fit_params, classes, random_state
        As :class:`~fairsk.reductions._boosting.booster.Backend` has them; XGBoost has no weights of classes
        by label, so ``classes`` is not looked at.

    Raises
    ------
    ValueError
        If there is a :meth:`refusal`, or ``fit_params`` has what cannot be taken, such as an ``eval_set``.
    TypeError
        If it has what the estimator's ``fit`` does not know.
    """

    #: The class of the estimators, and the objectives of which the engine has the gradient.
    estimator_name: ClassVar[str]
    objectives: ClassVar[tuple[str, ...]]
    #: What trees are grown under; it says how scores start, and adds nothing to the engine's derivatives.
    grown_as: ClassVar[str]

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
        # XGBoost's get_params, which clone calls, draws from a generator that is a parameter: from a copy.
        self._estimator = clone(deepcopy(estimator))
        self._params = _booster_params(self._estimator, random_state) | {"objective": self.grown_as}
        self._feature_weights = fit_params.get("feature_weights", getattr(estimator, "feature_weights", None))
        self._X, self._actual, self._weights = X, actual, weights

    @classmethod
    def accepts(cls, estimator: Any) -> bool:
        """Tell whether the estimator is of the class, whose ``fit`` no subclass has replaced.

        A random forest (``XGBRFClassifier``) is grown in one round, and is not accepted.
        """
        xgboost = sys.modules.get("xgboost")  # whoever has an estimator of it has imported it
        known = getattr(xgboost, cls.estimator_name, None)
        return known is not None and isinstance(estimator, known) and type(estimator).fit is known.fit

    @classmethod
    def refusal(cls, estimator: Any) -> str | None:
        """Tell why the estimator cannot be boosted under a bound, as a sentence; None if it can."""
        if estimator.booster not in (None, "gbtree"):
            return (
                f"booster={show(estimator.booster)} cannot be boosted under a bound, for it does not "
                "only add trees; use 'gbtree', or engine='reduction'."
            )
        if estimator.objective not in cls.objectives:
            return (
                f"objective={show(estimator.objective)} cannot be boosted under a bound, which has a "
                f"gradient of its own, that of {cls.objectives[0]!r} with prices; leave objective out, or "
                "use engine='reduction'."
            )
        other = [each for each in estimator.callbacks or () if type(each).__name__ != "EarlyStopping"]
        if other:
            return (
                f"callbacks may hold xgboost.callback.EarlyStopping only, got {list_labels(other)}: the "
                "boosters of all folds grow in lockstep, and history_ has a record of each round."
            )
        return None

    @classmethod
    def settings(cls, estimator: Any, fit_params: Mapping[str, Any]) -> Settings:
        """Return the number of rounds, the learning rate and the patience; refuse what cannot be had."""
        _refuse_fit_params(fit_params, cls.estimator_name)
        rate = estimator.learning_rate
        rate = getattr(estimator, "kwargs", {}).get("eta") if rate is None else rate
        stopping = [each.rounds for each in estimator.callbacks or ()]
        patience = estimator.early_stopping_rounds or (min(stopping) if stopping else None)
        return Settings(
            int(estimator.get_num_boosting_rounds()),
            _DEFAULT_LEARNING_RATE if rate is None else float(rate),
            None if patience is None else int(patience),
            shares_draws=True,
        )

    def fold(self, train: Ints, test: Ints, *, X_test: Any = None) -> XGBoostFold:
        """Return the booster of a fold, at the best constant: no tree yet.

        Parameters
        ----------
        train : array of shape (n_train,)
            The rows to train on.
        test : array of shape (n_test,)
            The rows to score.
        X_test : array-like of shape (n_test, n_features), optional
            The rows to score where these are not rows of X.
        """
        return XGBoostFold(
            self._estimator,
            self._params,
            take_rows(self._X, train),
            take_rows(self._X, test) if X_test is None else X_test,
            self._actual[train],
            self._weights[train],
            self._feature_weights,
            self._best_constant,
        )

    @staticmethod
    def _best_constant(actual: Floats, weights: Floats) -> float:
        """Return what all of some rows would best have, as ``base_score`` has it."""
        return float(np.average(actual, weights=weights))


class XGBoostBackend(XGBoostBoosters):
    """The boosters of an ``xgboost.XGBClassifier``."""

    estimator_name = "XGBClassifier"
    objectives = ("binary:logistic",)
    grown_as = "binary:logistic"


class XGBoostSquared(XGBoostBoosters):
    """The boosters of an ``xgboost.XGBRegressor`` under the squared loss."""

    estimator_name = "XGBRegressor"
    objectives: ClassVar[tuple[str, ...]] = ("reg:squarederror",)
    grown_as = "reg:squarederror"

    @classmethod
    def refusal(cls, estimator: Any) -> str | None:
        """Tell why the estimator cannot be boosted under a bound, as a sentence; None if it can."""
        if estimator.scale_pos_weight not in (None, 1):
            return (
                "scale_pos_weight cannot be had under a bound on amounts, none of which is positive. Leave "
                "it out, or use engine='reduction'."
            )
        return super().refusal(estimator)


class XGBoostAbsolute(XGBoostSquared):
    """The boosters of an ``xgboost.XGBRegressor`` under the absolute loss."""

    # The default among them: it is the loss asked for that is minimised. XGBoost's own objective would set
    # leaves to the median of what is left there, whatever the prices; so trees are grown under the other one.
    objectives = ("reg:absoluteerror", "reg:squarederror")

    @staticmethod
    def _best_constant(actual: Floats, weights: Floats) -> float:
        return weighted_median(actual, weights)


class XGBoostFold:
    """The booster of one fold.

    Parameters
    ----------
    estimator : XGBModel
        What says how rows are read.
    params : mapping
        The parameters of the booster.
    X, X_test : array-like of shape (n_train, n_features) and (n_test, n_features)
        The rows to train on, and those to score.
    actual, weights : array of shape (n_train,)
        Labels, 1 or 0, or amounts; and weights of rows.
    feature_weights : array of shape (n_features,) or None
        With which chance columns are drawn.
    best_constant : callable
        Called with labels or amounts, and weights; returns where scores start, if the user does not say.

    Attributes
    ----------
    train_scores : array of shape (n_train,)
        The scores so far, of rows as training weighs them.
    test_scores : array of shape (n_test,)
        The scores so far, without ``scale_pos_weight``.
    """

    def __init__(
        self,
        estimator: Any,
        params: Mapping[str, Any],
        X: Any,
        X_test: Any,
        actual: Floats,
        weights: Floats,
        feature_weights: Any,
        best_constant: Callable[[Floats, Floats], float],
    ) -> None:
        import xgboost

        self._estimator = estimator
        # The weight of positive rows is part of XGBoost's own gradient, which is not asked here.
        scale = float(params.get("scale_pos_weight") or 1.0)
        self._weights = weights * np.where(actual > 0, scale, 1.0)
        self._offset = float(np.log(scale))
        if params.get("base_score") is None:
            params = {**params, "base_score": best_constant(actual, self._weights)}
        reading = {
            "missing": estimator.missing,
            "nthread": estimator.n_jobs,
            "enable_categorical": estimator.enable_categorical,
            "feature_types": estimator.feature_types,
        }
        training = {"label": actual, "feature_weights": feature_weights, **reading}
        if (weights != weights[0]).any():  # bins are quantiles of weighted rows
            training["weight"] = weights
        self._train = _training_matrix(estimator, _by_rows(X), training)
        # Not in bins: a category that only occurs among these rows would take the bin of another one.
        self._test = xgboost.DMatrix(_by_rows(X_test), **reading)
        self._booster = xgboost.Booster(dict(params), [self._train, self._test])
        self._n_rounds = 0
        self._score()
        self._untrained = self._booster.save_raw(raw_format="ubj")

    def _score(self) -> None:
        """Read the scores, to which XGBoost adds those trees only that they do not hold yet."""
        self.train_scores = self._booster.predict(self._train, output_margin=True).astype(float)
        self.test_scores = self._booster.predict(self._test, output_margin=True).astype(float) - self._offset

    def step(self, gradient: NDArray[Any], hessian: NDArray[Any]) -> None:
        """Grow one more tree by derivatives per row trained on."""
        # With derivatives of their own, rows are not scored once more, as Booster.update would.
        self._booster.boost(
            self._train,
            iteration=self._n_rounds,
            grad=self._weights * gradient,
            hess=self._weights * hessian,
        )
        self._n_rounds += 1
        self._score()

    def finish(self, n_rounds: int) -> XGBoostModel:
        """Return what predicts with the first rounds."""
        estimator = clone(self._estimator)
        # Not a slice of the first rounds: slices of XGBoost 3.2 forget how categories were coded.
        estimator.load_model(self._booster.save_raw(raw_format="ubj") if n_rounds else self._untrained)
        if n_rounds:
            estimator.get_booster().best_iteration = n_rounds - 1
        return XGBoostModel(estimator, self._offset)


@dataclass(frozen=True)
class XGBoostModel:
    """A fitted booster.

    Parameters
    ----------
    estimator : XGBModel
        Holds the booster, and predicts with the rounds up to its ``best_iteration``.
    offset : float
        By how much ``scale_pos_weight`` raises scores.
    """

    estimator: Any
    offset: float

    def raw_scores(self, X: Any) -> Floats:
        """Return the score of each row, of shape (n_samples,)."""
        return np.asarray(self.estimator.predict(_by_rows(X), output_margin=True), dtype=float) - self.offset


def _refuse_fit_params(fit_params: Mapping[str, Any], estimator: str) -> None:
    """Refuse arguments of ``fit`` that cannot be had, with the reason.

    Raises
    ------
    ValueError
        If XGBoost takes them, and boosting under a bound does not.
    TypeError
        If XGBoost takes no such arguments.
    """
    for name in fit_params:
        if name == "sample_weight":
            raise ValueError(
                "sample_weight is for fit itself, and not for one of its steps: rates and errors are "
                "weighted too."
            )
        if name.endswith("eval_set"):
            raise ValueError(
                f"{name} is not needed: rows held out of each fold are there to judge by. To stop early, set "
                f"early_stopping_rounds on the {estimator}."
            )
        if name in _REFUSED:
            raise ValueError(
                f"{name} cannot be passed to boosting under a bound: {_REFUSED[name]}. Leave it out, or use "
                "engine='reduction'."
            )
        if name not in _TAKEN:
            raise TypeError(
                f"fit got an unexpected argument {name!r}; of those of {estimator}.fit it takes "
                f"{list_texts(_TAKEN)}."
            )


def _by_rows(X: Any) -> Any:
    """Return rows as XGBoost reads them without a warning, also those of sparse matrices of other formats."""
    return X.tocsr() if issparse(X) else X


def _booster_params(estimator: Any, random_state: Any) -> dict[str, Any]:
    """Return the parameters of the booster, those of the user and what the lockstep of folds needs."""
    params = dict(estimator.get_xgb_params())
    if params.get("random_state") is None:
        params["random_state"] = draw_seed(random_state)
    # XGBoost draws the rows of a tree (subsample) from one stream per thread, which the boosters of all folds
    # would share: seeded per round, what a fold draws depends on no other fold, nor on the thread.
    params["seed_per_iteration"] = True
    return params


def _training_matrix(estimator: Any, X: Any, arguments: dict[str, Any]) -> Any:
    """Return rows to train on as the estimator's ``fit`` reads them: in bins, if the trees need no more."""
    import xgboost

    if estimator.tree_method in (None, "auto", "hist"):
        try:
            return xgboost.QuantileDMatrix(X, max_bin=estimator.max_bin, **arguments)
        except TypeError:  # frames that can be converted only, such as those of polars before XGBoost 3
            pass
    return xgboost.DMatrix(X, **arguments)
