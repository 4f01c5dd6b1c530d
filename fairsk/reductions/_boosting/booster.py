"""Boosters that take a gradient: what boosting under a bound needs of a library, and which library has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeAlias

from numpy.typing import NDArray

from fairsk._core.typing import Floats, Ints
from fairsk.reductions._boosting.settings import Settings

__all__ = ["Backend", "FoldBooster", "Loss", "Model", "find_backend"]

#: What boosters of amounts make least; those of labels have the cross-entropy.
Loss: TypeAlias = Literal["squared", "absolute"]


class Model(Protocol):
    """A fitted booster, cut off at some round; it can be pickled, and holds no rows."""

    def raw_scores(self, X: Any) -> Floats:
        """Return the log odds of each row, or its amount, of shape (n_samples,)."""


class FoldBooster(Protocol):
    """The booster of one fold: it grows by one tree per step, and scores its own and its held-out rows.

    Scores are log odds, or predicted amounts. They may be buffers that the next step overwrites.
    """

    @property
    def train_scores(self) -> Floats:
        """The scores of the rows it is trained on, in the order of ``train``; at first the best constant.

        Log odds are those of rows as training weighs them, by classes too.
        """

    @property
    def test_scores(self) -> Floats:
        """The scores of the rows it does not see, in the order of ``test``, without weights of classes.

        A learner that counts positives w times raises all log odds by log(w). This is taken off again: such
        weights change what trees attend to, and not at which chance a row is more likely positive than not.
        """

    def step(self, gradient: NDArray[Any], hessian: NDArray[Any]) -> None:
        """Grow one more tree by derivatives per row trained on; weights of rows are multiplied in here."""

    def finish(self, n_rounds: int) -> Model:
        """Return what predicts with the trees of the first rounds, on the scale of ``test_scores``."""


class Backend(Protocol):
    """One library's boosters of one fit: the rows are read, and put into bins, once.

    Parameters
    ----------
    estimator : classifier or regressor
        An estimator that :meth:`accepts` accepts; only its parameters are read.
    X : array-like of shape (n_samples, n_features)
        All training rows, as the library takes them.
    actual : array of shape (n_samples,)
        1 for rows with the second label, which is learned, and 0; or amounts.
    weights : array of shape (n_samples,)
        The weight of each row, above 0.
    fit_params : mapping
        What the user passes on to the estimator's ``fit``.
    classes : tuple of two labels
        What 0 and 1 stand for, for weights of classes.
    random_state : int, RandomState instance or None
        The seed where the estimator has none of its own.

    Raises
    ------
    ValueError
        If there is a :meth:`refusal`, or parameters or ``fit_params`` are not open to rounds in lockstep.
    """

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
    ) -> None: ...

    @classmethod
    def accepts(cls, estimator: Any) -> bool:
        """Tell whether the estimator is of this library, and of the kind; imports nothing to find out."""

    @classmethod
    def refusal(cls, estimator: Any) -> str | None:
        """Tell why an accepted estimator cannot be boosted under a bound, as a sentence; None if it can."""

    @classmethod
    def settings(cls, estimator: Any, fit_params: Mapping[str, Any]) -> Settings:
        """Return what parameters say of the rounds; refuse ``fit_params`` that cannot be had."""

    def fold(self, train: Ints, test: Ints, *, X_test: Any = None) -> FoldBooster:
        """Return the booster of a fold, at the best constant: no tree yet.

        Parameters
        ----------
        train : array of shape (n_train,)
            The rows to train on.
        test : array of shape (n_test,)
            The rows to score.
        X_test : array-like of shape (n_test, n_features), optional
            The rows to score where they are none of X, as in a pipeline, whose X are those of one fold.
        """


def find_backend(estimator: Any, loss: Loss | None = None) -> type[Backend] | None:
    """Return what boosts an estimator under a bound, or None if it is of no library that can.

    Libraries are not imported to find out: whoever has an estimator of one has imported it.

    Parameters
    ----------
    estimator : estimator
        A classifier or, with a loss, a regressor.
    loss : {"squared", "absolute"}, optional
        What is made least of predicted amounts.
    """
    from fairsk.reductions._boosting import lightgbm, stages, xgboost

    candidates: tuple[Any, ...] = {
        None: (lightgbm.LightGBMBackend, xgboost.XGBoostBackend, stages.StagedBackend),
        "squared": (lightgbm.LightGBMSquared, xgboost.XGBoostSquared, stages.StagedSquared),
        "absolute": (lightgbm.LightGBMAbsolute, xgboost.XGBoostAbsolute, stages.StagedAbsolute),
    }[loss]
    return next((each for each in candidates if each.accepts(estimator)), None)
