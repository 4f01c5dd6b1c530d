"""What is recorded after every epoch, and which epoch's weights are kept."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from skorch.callbacks import Callback

from fairsk.neural.batching import Batches
from fairsk.neural.cells import as_shares, cell_sums, hard_decisions, row_weights, soft_decisions
from fairsk.neural.lagrangian import Bound
from fairsk.neural.loss import task_loss
from fairsk.rates import CELLS

__all__ = ["LARGE_BATCH", "Progress", "Standing", "evaluate"]

#: Rows per batch where nothing is learned: large enough for speed, small enough for memory.
LARGE_BATCH = 8192


@dataclass(frozen=True)
class Standing:
    """How a net does on some rows: sums of the task loss and of the soft and hard cells, which add up."""

    loss_sum: float
    soft: torch.Tensor
    hard: torch.Tensor

    @property
    def task_loss(self) -> float:
        """The weighted mean of the task loss."""
        return self.loss_sum / float(self.hard.sum())

    def __add__(self, other: Standing) -> Standing:
        """Combine the sums over two disjoint sets of rows."""
        return Standing(self.loss_sum + other.loss_sum, self.soft + other.soft, self.hard + other.hard)


@torch.no_grad()
def evaluate(net: Any, dataset: Any) -> Standing:
    """Return how a net does on a dataset whose target is that of a :class:`FairLoss`."""
    n_groups = net.criterion_.n_groups
    empty = torch.zeros(len(CELLS), n_groups, dtype=torch.float64)
    standing = Standing(0.0, empty, empty)
    for X, target in Batches(dataset, batch_size=LARGE_BATCH):
        logits = net.evaluation_step((X, target)).cpu()
        standing += Standing(
            float(task_loss(logits, target) * row_weights(target, logits).sum()),
            cell_sums(soft_decisions(logits.double()), target, n_groups),
            cell_sums(hard_decisions(logits), target, n_groups),
        )
    return standing


class Progress(Callback):
    """Record every epoch, stop at a loss that is not finite, and put back the best epoch's weights.

    Parameters
    ----------
    bound : Bound
        What disparity is recorded, and what it is compared with if ``held``.
    held : bool
        Whether training holds the bound. Then the best epoch is one that meets it (on all rows) and, among
        those, the one with the smallest task loss. Only the second half of the training counts: before,
        the net meets bounds by predicting next to nothing.
    """

    def __init__(self, bound: Bound, held: bool) -> None:
        self.bound, self.held = bound, held

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Start with no records."""
        self.records_: list[dict[str, Any]] = []
        self.best_: tuple[list[float], dict[str, torch.Tensor]] | None = None

    def on_epoch_end(
        self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        """Record the epoch, and copy the weights if none were better."""
        standing = everything = judged = evaluate(net, dataset_train)
        if dataset_valid is not None:
            judged = evaluate(net, dataset_valid)
            everything = standing + judged
        if not math.isfinite(everything.loss_sum):
            raise RuntimeError(
                f"The training diverged: the loss is {everything.loss_sum} after epoch "
                f"{len(self.records_) + 1}. Scale the features (StandardScaler) or lower lr."
            )
        self.records_.append(self._record(net, standing))
        if self.held:
            candidate = len(self.records_) > net.max_epochs / 2
            merit = [self.bound.excess(self.disparity(everything)), judged.task_loss]
        else:
            candidate = dataset_valid is not None
            merit = [judged.task_loss + self._fairness(net, judged)]
        if candidate and (self.best_ is None or merit < self.best_[0]):
            self.best_ = merit, copy.deepcopy(net.module_.state_dict())

    def disparity(self, standing: Standing) -> float:
        """Return the constraint's difference or ratio on hard predictions."""
        cells = dict(zip(CELLS, standing.hard.numpy(), strict=True))
        return float(self.bound.constraint.compare(cells, self.bound.comparison))

    @staticmethod
    def _fairness(net: Any, standing: Standing) -> float:
        shares = as_shares(standing.soft).to(next(net.criterion_.buffers()))
        return float(net.criterion_.fairness(shares))

    def _record(self, net: Any, standing: Standing) -> dict[str, Any]:
        fairness = self._fairness(net, standing)
        record: dict[str, Any] = {
            "epoch": len(self.records_) + 1,
            "task_loss": standing.task_loss,
            "fairness": fairness,
            "loss": standing.task_loss + fairness,
            "disparity": self.disparity(standing),
        }
        if self.held:
            upper, lower = net.criterion_.multipliers.tolist()
            record["multipliers"] = {
                rate.name: [high - low for high, low in zip(*pair, strict=True)]
                for rate, *pair in zip(self.bound.constraint.rates, upper, lower, strict=True)
            }
        return record

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Put back the best weights, and forget what grew with the number of batches."""
        if self.best_ is not None:
            net.module_.load_state_dict(self.best_[1])
        self.best_ = None
        for epoch in net.history:
            epoch["batches"].clear()
