"""Evaluation of a net on some rows: sums that add up over batches, and disparities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from fairsk._core.bounds import Bound, BoundedConstraint
from fairsk._core.warnings import warn_user
from fairsk.neural._confusion import Target, as_cells, log_probabilities, predicted_class
from fairsk.neural._data import Batches
from fairsk.neural._loss import TINY, GroupLoss
from fairsk.rates import Constraint

__all__ = [
    "LARGE_BATCH",
    "EvaluationSums",
    "binding",
    "evaluate",
    "max_violation",
    "violation",
    "warn_of_violations",
]

Floats = NDArray[np.float64]

#: Rows per batch where nothing is learned: large enough for speed, small enough for memory.
LARGE_BATCH = 8192
#: Rates are quotients of sums; a disparity this close to the bound is the bound.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class EvaluationSums:
    """Sums over some rows.

    Attributes
    ----------
    loss, squares, weight : float
        The sums of the weighted task loss, of its squares, and of its weights.
    hard_cells : tuple of arrays of shape (4, n_groups)
        The cells of the decisions, for every comparison.
    group_sums : tuple of tensors
        What the fairness term follows from, for every comparison; none, if it does from the cells.
    group_weights : tuple of float
        The weight of the rows that take part in each.
    """

    loss: float
    squares: float
    weight: float
    hard_cells: tuple[Floats, ...]
    group_sums: tuple[torch.Tensor, ...]
    group_weights: tuple[float, ...]

    @classmethod
    @torch.no_grad()
    def from_logits(cls, criterion: GroupLoss, logits: torch.Tensor, target: Target) -> EvaluationSums:
        """Add up over the rows of a batch what the net returned for them."""
        logits = criterion.checked(logits, target).detach().cpu()
        logs = log_probabilities(logits)
        losses, weight = criterion.task_losses(logs, target)
        weighted, predicted = losses * weight, predicted_class(logits)
        sums = criterion.group_sums(logits, target, logs)
        return cls(
            float(weighted.sum()),
            float(losses @ weighted),
            float(weight.sum()),
            tuple(each.counter(target).cells(predicted).numpy() for each in criterion.comparisons),
            tuple(table.double() for table, _ in sums),
            tuple(float(weight) for _, weight in sums),
        )

    def __add__(self, other: EvaluationSums) -> EvaluationSums:
        """Combine the sums over two disjoint sets of rows."""
        return EvaluationSums(
            self.loss + other.loss,
            self.squares + other.squares,
            self.weight + other.weight,
            _add_each(self.hard_cells, other.hard_cells),
            _add_each(self.group_sums, other.group_sums),
            _add_each(self.group_weights, other.group_weights),
        )

    @property
    def task_loss(self) -> float:
        """The weighted mean of the task loss."""
        return self.loss / self.weight

    @property
    def standard_error(self) -> float:
        """The standard error of the task loss."""
        return math.sqrt(max(self.squares / self.weight - self.task_loss**2, 0.0) / self.weight)

    @property
    def selected_share(self) -> float:
        """The share of the rows that are decided positive in the first comparison."""
        tp, fp = self.hard_cells[0][:2].sum(1)
        return float((tp + fp) / self.hard_cells[0].sum())

    def fairness(self, criterion: GroupLoss) -> float:
        """Return the fairness term of the loss."""
        sums = self.group_sums or tuple(map(torch.from_numpy, self.hard_cells))
        weights = self.group_weights or tuple(float(table.sum()) for table in self.hard_cells)
        shares = [table / max(weight, TINY) for table, weight in zip(sums, weights, strict=True)]
        return float(criterion.fairness(shares))

    def disparity_by_comparison(
        self, constraint: Constraint, comparison: Literal["difference", "ratio"]
    ) -> list[float]:
        """Return the constraint's difference or ratio in every comparison, NaN where there is none."""
        return [float(constraint.compare(as_cells(table), comparison)) for table in self.hard_cells]

    def disparities(self, bounds: Sequence[BoundedConstraint]) -> dict[str, float]:
        """Return the disparity of every constraint by its name, the worst over the comparisons."""
        worst = {}
        for bounded in bounds:
            kind = bounded.bound.comparison
            values = self.disparity_by_comparison(bounded.constraint, kind)
            defined = [value for value in values if not math.isnan(value)] or [math.nan]
            worst[bounded.constraint.name] = max(defined) if kind == "difference" else min(defined)
        return worst


def violation(bound: Bound, disparity: float) -> float:
    """Return how far a disparity is beyond the bound: 0 if it is held, infinite if it is undefined."""
    if math.isnan(disparity):
        return math.inf
    beyond = _beyond(bound, disparity)
    return beyond if beyond > _ROUNDING else 0.0


def _beyond(bound: Bound, disparity: float) -> float:
    return disparity - bound.value if bound.comparison == "difference" else bound.value - disparity


def binding(bounds: Sequence[BoundedConstraint], disparities: Sequence[float]) -> float:
    """Return the disparity that is farthest beyond its bound, or closest to it; NaN if none is defined."""
    pairs = zip(bounds, disparities, strict=True)
    defined = [(_beyond(bounded.bound, value), value) for bounded, value in pairs if not math.isnan(value)]
    return max(defined)[1] if defined else math.nan


def max_violation(bounds: Sequence[BoundedConstraint], sums: EvaluationSums) -> float:
    """Return how far the decisions are beyond the bound that they violate most."""
    disparities = sums.disparities(bounds)
    return max(violation(bounded.bound, disparities[bounded.constraint.name]) for bounded in bounds)


def warn_of_violations(
    bounds: Sequence[BoundedConstraint], sums: EvaluationSums, classes: NDArray[Any], class_index: int
) -> None:
    """Warn of bounds that are violated, or met by predicting the same of two classes for every row."""
    disparities = sums.disparities(bounds)
    messages = []
    for bounded in bounds:
        name, kind = bounded.constraint.name, bounded.bound.comparison
        if violation(bounded.bound, disparities[name]):
            word = "most" if kind == "difference" else "least"
            messages.append(
                f"The {name} {kind} of the training rows is {disparities[name]:.5g}; it should be at {word} "
                f"{bounded.bound}."
            )
    if messages:
        advice = "Train longer (max_epochs), loosen the bound or merge small groups."
        warn_user(" ".join([*messages, advice]), ConvergenceWarning)
    elif len(classes) == 2 and sums.selected_share in (0.0, 1.0):
        predicted = class_index if sums.selected_share else 1 - class_index
        warn_user(
            f"The bound is met by predicting {classes.tolist()[predicted]!r} for every training row. Loosen "
            "it, train longer (max_epochs) or merge small groups.",
            ConvergenceWarning,
        )


@torch.no_grad()
def evaluate(net: Any, dataset: Any, batch_size: int = LARGE_BATCH) -> EvaluationSums:
    """Return the sums over a dataset whose target is that of a :class:`FairLoss`."""
    batches = Batches(dataset, batch_size=batch_size)
    first, *others = (
        EvaluationSums.from_logits(net.criterion_, net.evaluation_step(batch), batch[1]) for batch in batches
    )
    return sum(others, start=first)


def _add_each(ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(one + other for one, other in zip(ours, theirs, strict=True))
