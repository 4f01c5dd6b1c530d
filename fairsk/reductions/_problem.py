"""What an engine is given, and what it returns: learner, rows and bound; fold models and a threshold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np

from fairsk._core.bounds import BoundedConstraint, bounded_rates
from fairsk._core.typing import Bools, Floats, Ints
from fairsk._held_out.safety_margin import KeptMargin, SafetyMargin
from fairsk._meta.cross_fit import Splits, TrainingData
from fairsk.reductions._bounded_rows import BoundedRows

__all__ = ["Problem", "Scorer", "Solution", "Start", "Step"]


class Scorer(Protocol):
    """Fold models that score rows together; a picklable object without rows."""

    def scores(self, X: Any) -> Floats:
        """Return one score per row, which grows with the chance of the positive label."""


@dataclass(frozen=True)
class Step:
    """What is recorded of a round of boosting, or of a model of the reduction.

    Everything is measured on held-out rows, each decided by what was fitted without it.

    Parameters
    ----------
    error : float
        The share of rows, by weight, that are decided wrongly at even odds, where the chances of both labels
        are equal: before a threshold is chosen.
    values : array of shape (n_rates, n_codes)
        Every bounded rate under these decisions, as :meth:`BoundedRows.values` has it.
    multipliers : array of shape (n_rates, n_codes)
        Those that the trees of the round, or the model, were fitted to; 0 for groups that are not compared.
    bounded_error : float
        The least error of a threshold on these scores that keeps the bounds; NaN where none does, or where
        none was looked for.
    weight : float
        The weight of these scores among those that decide in the end; 0 for what is left out.
    """

    error: float
    values: Floats
    multipliers: Floats
    bounded_error: float = float("nan")
    weight: float = 0.0


@dataclass(frozen=True)
class Start:
    """What the solution of another bound has that saves work: a place to start from, or models to use again.

    Parameters
    ----------
    multipliers : array of shape (n_rates, n_codes)
        Its last prices on rates.
    seen : object
        What the same engine kept of the same rows and folds, such as models with their out-of-fold scores,
        which serve every bound; None if there is nothing. No fitted estimator keeps it.
    """

    multipliers: Floats
    seen: Any = None


@dataclass(frozen=True)
class Problem:
    """What an engine is given.

    Parameters
    ----------
    estimator : classifier
        What to fit; it is cloned, never changed.
    training : TrainingData
        The validated rows, all with a weight above 0; X is without the sensitive column, unless that is kept.
    splits : list of tuple of two arrays
        Positions of the rows to fit to and of those to score, fold by fold.
    rows : BoundedRows
        All training rows with their bounds, in the order of ``training``.
    margin : SafetyMargin
        How much room to leave for sampling error.
    random_state : int, RandomState instance or None
        As given by the user.
    n_jobs : int or None
        How many folds to fit at a time.
    report_progress : callable
        Called with (done, of) after each step, for a progress bar.
    start : Start, optional
        What the solution of another bound has; an engine may pass over it.
    """

    estimator: Any
    training: TrainingData
    splits: Splits
    rows: BoundedRows
    margin: SafetyMargin
    random_state: Any = None
    n_jobs: int | None = None
    report_progress: Callable[[int, int], None] = lambda done, of: None
    start: Start | None = None

    @property
    def positive_is_first(self) -> bool:
        """Whether the positive label is the first of the two, against scikit-learn's order."""
        return bool(self.training.positive == self.training.classes[0])

    @property
    def held_out(self) -> Ints:
        """The rows that some fold scores, sorted, each once."""
        return np.unique(np.concatenate([test for _, test in self.splits]))

    def under(self, constraints: tuple[BoundedConstraint, ...]) -> Problem:
        """Return the same problem under other bounds on the same rates."""
        bounds = tuple(bound for _, bound in bounded_rates(constraints))
        return replace(
            self,
            rows=replace(self.rows, bounds=bounds),
            margin=replace(self.margin, constraints=constraints),
        )


@dataclass(frozen=True)
class Solution:
    """What an engine returns.

    Parameters
    ----------
    scorer : Scorer
        The fold models, to predict with.
    threshold : float
        Rows with a score of at least this are selected.
    scale : {"probability", "log_odds", "other"}
        What scores are; of other ones (decision functions) no probability follows.
    selected : boolean array of shape (n_held_out,)
        The decisions about ``Problem.held_out``, each by models that were fitted without the row.
    margin : KeptMargin
        The margin that they keep.
    history : sequence of Step
        A step per round or model, in order.
    multipliers : array of shape (n_rates, n_codes)
        The last prices on rates.
    value_without_bound : float or None
        The accuracy of the same learner without a bound, held out.
    best_mixture : float or None
        The accuracy that no mixture of the models and thresholds that were seen exceeds under the bound; None
        where none keeps it, or rates of mixtures are no mixtures of rates (moving denominators).
    n_models : int
        How many models were fitted.
    detail : mapping
        What else the engine says: ``rounds`` used, ``rows_fitted``, ...
    seen : object
        As in :class:`Start`, for the solution of the next bound.
    """

    scorer: Scorer
    threshold: float
    scale: Literal["probability", "log_odds", "other"]
    selected: Bools
    margin: KeptMargin
    history: Sequence[Step]
    multipliers: Floats
    value_without_bound: float | None
    best_mixture: float | None
    n_models: int
    detail: Mapping[str, Any] = field(default_factory=dict)
    seen: Any = None
