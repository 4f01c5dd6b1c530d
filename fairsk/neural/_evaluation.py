"""How a net does on some rows: sums that add up over batches, and what follows from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fairsk._core.bounds import Bound, BoundedConstraint
from fairsk.neural._confusion import Tally, Target, as_cells, decide, log_probabilities
from fairsk.neural._data import Batches
from fairsk.neural._loss import TINY, GroupLoss
from fairsk.rates import Constraint

__all__ = ["LARGE_BATCH", "Standing", "evaluate", "excess", "foremost", "hard_tables", "worst_excess"]

Floats = NDArray[np.float64]

#: Rows per batch where nothing is learned: large enough for speed, small enough for memory.
LARGE_BATCH = 8192
#: Rates are quotients of sums; a disparity this close to the bound is the bound.
_ROUNDING = 1e-9


def hard_tables(criterion: GroupLoss, decided: torch.Tensor, target: Target) -> tuple[Floats, ...]:
    """Return the cells of decisions for a class each, of shape (4, n_groups), for every comparison."""
    return tuple(Tally(each, target).cells(decided).numpy() for each in criterion.comparisons)


@dataclass(frozen=True)
class Standing:
    """Sums over some rows.

    Attributes
    ----------
    loss, squares, weight : float
        The sums of the weighted task loss, of its squares, and of its weights.
    hard : tuple of arrays of shape (4, n_groups)
        The cells of the decisions, for every comparison.
    sums : tuple of tensors
        What the fairness term follows from, for every comparison; none, if it does from the cells.
    weights : tuple of float
        The weight of the rows that take part in each.
    """

    loss: float
    squares: float
    weight: float
    hard: tuple[Floats, ...]
    sums: tuple[torch.Tensor, ...]
    weights: tuple[float, ...]

    @classmethod
    @torch.no_grad()
    def of(cls, net: Any, batch: Any) -> Standing:
        """Let the net decide about the rows of a batch."""
        return cls.of_logits(net.criterion_, net.evaluation_step(batch), batch[1])

    @classmethod
    @torch.no_grad()
    def of_logits(cls, criterion: GroupLoss, logits: torch.Tensor, target: Target) -> Standing:
        """Measure decisions that have been made."""
        logits = criterion.checked(logits, target).detach().cpu()
        logs = log_probabilities(logits)
        losses, weight = criterion.task_losses(logs, target)
        weighted = losses * weight
        sums = criterion.group_sums(logits, target, logs)
        return cls(
            float(weighted.sum()),
            float(losses @ weighted),
            float(weight.sum()),
            hard_tables(criterion, decide(logits), target),
            tuple(table.double() for table, _ in sums),
            tuple(float(weight) for _, weight in sums),
        )

    def __add__(self, other: Standing) -> Standing:
        """Combine the sums over two disjoint sets of rows."""
        return Standing(
            self.loss + other.loss,
            self.squares + other.squares,
            self.weight + other.weight,
            _added(self.hard, other.hard),
            _added(self.sums, other.sums),
            _added(self.weights, other.weights),
        )

    @property
    def task_loss(self) -> float:
        """The weighted mean of the task loss."""
        return self.loss / self.weight

    @property
    def uncertainty(self) -> float:
        """The standard error of the task loss."""
        return math.sqrt(max(self.squares / self.weight - self.task_loss**2, 0.0) / self.weight)

    @property
    def selected(self) -> float:
        """The share of the rows that are decided positive in the first comparison."""
        tp, fp = self.hard[0][:2].sum(1)
        return float((tp + fp) / self.hard[0].sum())

    def fairness(self, criterion: GroupLoss) -> float:
        """Return the fairness term of the loss."""
        sums = self.sums or tuple(map(torch.from_numpy, self.hard))
        weights = self.weights or tuple(float(table.sum()) for table in self.hard)
        shares = [table / max(weight, TINY) for table, weight in zip(sums, weights, strict=True)]
        return float(criterion.fairness(shares))

    def disparity(self, constraint: Constraint, comparison: str = "difference") -> float:
        """Return the constraint's difference or ratio, the worst over the comparisons; NaN if none has it."""
        found = [
            float(constraint.compare(as_cells(table), comparison))  # type: ignore[arg-type]
            for table in self.hard
        ]
        known = [value for value in found if not math.isnan(value)]
        if not known:
            return math.nan
        return max(known) if comparison == "difference" else min(known)

    def disparities(self, limits: Sequence[BoundedConstraint]) -> dict[str, float]:
        """Return the disparity of every constraint, by its name."""
        return {
            limit.constraint.name: self.disparity(limit.constraint, limit.bound.comparison)
            for limit in limits
        }


def excess(bound: Bound, disparity: float) -> float:
    """Return how far a disparity is beyond the bound: 0 if it is held, infinite if it is undefined."""
    if math.isnan(disparity):
        return math.inf
    beyond = _beyond(bound, disparity)
    return beyond if beyond > _ROUNDING else 0.0


def _beyond(bound: Bound, disparity: float) -> float:
    return disparity - bound.value if bound.comparison == "difference" else bound.value - disparity


def foremost(limits: Sequence[BoundedConstraint], disparities: Sequence[float]) -> float:
    """Return the disparity that is farthest beyond its bound, or closest to it; NaN if none is defined."""
    pairs = zip(limits, disparities, strict=True)
    known = [(_beyond(limit.bound, value), value) for limit, value in pairs if not math.isnan(value)]
    return max(known)[1] if known else math.nan


def worst_excess(limits: Sequence[BoundedConstraint], standing: Standing) -> float:
    """Return how far the decisions are beyond the bound that they miss most."""
    found = standing.disparities(limits)
    return max(excess(limit.bound, found[limit.constraint.name]) for limit in limits)


@torch.no_grad()
def evaluate(net: Any, dataset: Any, batch_size: int = LARGE_BATCH) -> Standing:
    """Return how a net does on a dataset whose target is that of a :class:`FairLoss`."""
    found = [Standing.of(net, batch) for batch in Batches(dataset, batch_size=batch_size)]
    return sum(found[1:], start=found[0])


def _added(ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(one + other for one, other in zip(ours, theirs, strict=True))
