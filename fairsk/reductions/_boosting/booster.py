"""Boosters that take a gradient: what boosting under a bound needs of a library, and which library has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from fairsk._core.typing import Floats, Ints

__all__ = ["Backend", "FoldBooster", "Model", "find_backend"]


class Model(Protocol):
    """A fitted booster, cut off at some round; it can be pickled, and holds no rows."""

    def raw_scores(self, X: Any) -> Floats:
        """Return the log odds of each row, of shape (n_samples,)."""


class FoldBooster(Protocol):
    """The booster of one fold: it grows by one tree per step, and scores its own and its held-out rows.

    Attributes
    ----------
    train_scores : array of shape (n_train,)
        The log odds of the rows it is trained on, so far; at first the prior's.
    test_scores : array of shape (n_test,)
        The log odds of the rows it does not see.
    """

    @property
    def train_scores(self) -> Floats:
        """The log odds of the rows it is trained on, in the order of ``train``."""

    @property
    def test_scores(self) -> Floats:
        """The log odds of the rows it does not see, in the order of ``test``."""

    def step(self, gradient: Floats, hessian: Floats) -> None:
        """Grow one more tree by derivatives per row trained on; weights of rows are multiplied in here."""

    def finish(self, n_rounds: int) -> Model:
        """Return what predicts with the first rounds."""


class Backend(Protocol):
    """One library's boosters of one fit: the rows are read, and put into bins, once.

    Parameters
    ----------
    estimator : classifier
        An estimator that :meth:`accepts` accepts; only its parameters are read.
    X : array-like of shape (n_samples, n_features)
        All training rows, as the library takes them.
    actual : array of shape (n_samples,)
        1 for rows with the positive label, and 0.
    weights : array of shape (n_samples,)
        The weight of each row, above 0.
    fit_params : mapping
        What the user passes on to the estimator's ``fit``.
    random_state : int, RandomState instance or None
        The seed where the estimator has none of its own.

    Attributes
    ----------
    n_rounds : int
        How many trees the parameters ask for.
    learning_rate : float
        By how much each tree is shrunk.
    patience : int or None
        After how many rounds without a better held-out error to stop, if the user asked for that.
    """

    n_rounds: int
    learning_rate: float
    patience: int | None

    def __init__(
        self,
        estimator: Any,
        X: Any,
        actual: Floats,
        weights: Floats,
        fit_params: Mapping[str, Any],
        *,
        random_state: Any = None,
    ) -> None: ...

    @classmethod
    def accepts(cls, estimator: Any) -> bool:
        """Tell whether the estimator is a classifier of this library; imports nothing to find out."""

    def fold(self, train: Ints, test: Ints) -> FoldBooster:
        """Return the booster of a fold, at the prior's log odds: no tree yet."""


def find_backend(estimator: Any) -> type[Backend] | None:
    """Return what boosts an estimator under a bound, or None if it is of no library that can.

    Libraries are not imported to find out: whoever has an estimator of one has imported it.
    """
    from fairsk.reductions._boosting.lightgbm import LightGBMBackend

    candidates: tuple[Any, ...] = (LightGBMBackend,)
    return next((each for each in candidates if each.accepts(estimator)), None)
