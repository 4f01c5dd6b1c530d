"""What is recorded after every epoch, and which epoch's weights are kept."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from skorch.callbacks import Callback

from fairsk._core.bounds import BoundedConstraint
from fairsk.neural._bounded_loss import HoldBound
from fairsk.neural._evaluation import LARGE_BATCH, Standing, evaluate, foremost, worst_excess

__all__ = ["Progress"]

#: The part of the training, at its end, from which the best epoch is taken: before, the learning rate is
#: high, and bounds are met by chance or by predicting next to nothing.
_LATE = 1 / 4
#: Rows whose outputs wait to be counted together.
_MANY = 8 * LARGE_BATCH


@dataclass(frozen=True)
class _Merit:
    """What an epoch is judged by: how far it misses its bounds, then its loss on rows that tell.

    Losses that differ by less than their uncertainty are told apart by the loss on all rows.
    """

    excess: float
    loss: float
    uncertainty: float = 0.0
    overall: float = 0.0

    def is_behind(self, lead: _Merit) -> bool:
        return self.excess > lead.excess or self.loss > lead.loss + lead.uncertainty

    def beats(self, other: _Merit, lead: _Merit) -> bool:
        if (behind := self.is_behind(lead)) or other.is_behind(lead):
            return not behind
        return (self.overall, self.loss) < (other.overall, other.loss)


class Progress(Callback):
    """Record every epoch, stop at a loss that is not finite, and put back the best epoch's weights.

    Training rows are measured as the net goes over them, as its training loss is; where a bound is held, at
    the end of the epoch, when :class:`HoldBound` looks at all of them.

    Parameters
    ----------
    limits : sequence of BoundedConstraint
        What disparities are recorded, and what they are compared with if a bound is held.
    n_epochs : int
        The length of the whole training.
    hold : HoldBound, optional
        Who holds the bounds, if training does. Then the best of the late epochs is the one that misses them
        least, on all rows; of those that meet them, the one with the smallest task loss on all rows, if
        its loss on rows held out is within a standard error of the smallest. Without a bound, the best is the
        one with the smallest loss on rows held out, or the last.
    batch_size : int
        Rows that are evaluated at once.
    """

    def __init__(
        self,
        limits: Sequence[BoundedConstraint],
        n_epochs: int,
        hold: HoldBound | None = None,
        batch_size: int = LARGE_BATCH,
    ) -> None:
        self.limits, self.n_epochs, self.hold, self.batch_size = tuple(limits), n_epochs, hold, batch_size

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Start with no records."""
        self.records_: list[dict[str, Any]] = []
        self.best_epoch_ = 0
        self.best_: tuple[_Merit, dict[str, torch.Tensor]] | None = None
        self.lead_: _Merit | None = None

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Start a new sum."""
        self.seen_: list[Standing] = []
        self.waiting_: list[tuple[torch.Tensor, Any]] = []
        self.n_waiting_ = 0

    def on_batch_end(
        self, net: Any, batch: Any = None, training: bool = False, y_pred: Any = None, **kwargs: Any
    ) -> None:
        """Keep what the net made of the batch, many batches at a time."""
        if not training or self.hold is not None:
            return
        self.waiting_.append((y_pred.detach(), batch[1]))
        self.n_waiting_ += len(y_pred)
        if self.n_waiting_ >= _MANY:
            self._count_waiting(net)

    def _count_waiting(self, net: Any) -> None:
        if self.waiting_:
            logits = torch.cat([logits for logits, _ in self.waiting_])
            targets = [target for _, target in self.waiting_]
            target = {name: torch.cat([each[name] for each in targets]) for name in targets[0]}
            self.seen_.append(Standing.of_logits(net.criterion_, logits, target))
            self.waiting_, self.n_waiting_ = [], 0

    def on_epoch_end(
        self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        """Record the epoch, and copy the weights if none were better."""
        held_out: Standing | None = None
        if self.hold is not None:
            standing, *rest = self.hold.standings_
            held_out = rest[0] if rest else None
        else:
            self._count_waiting(net)
            standing = sum(self.seen_[1:], start=self.seen_[0])
            if dataset_valid is not None:
                held_out = evaluate(net, dataset_valid, self.batch_size)
        everything = standing if held_out is None else standing + held_out
        loss = everything.loss + everything.fairness(net.criterion_)
        if not math.isfinite(loss):
            raise RuntimeError(
                f"The training diverged: the loss is {loss} after epoch "
                f"{len(self.records_) + 1}. Scale the features (StandardScaler), lower lr, or look for NaN "
                "in what the module, or a penalty of your own, returns."
            )
        self.records_.append(self._record(net, standing, held_out))
        if self.hold is not None:
            candidate = len(self.records_) > self.n_epochs * (1 - _LATE)
            judged = everything if held_out is None else held_out
            merit = _Merit(
                worst_excess(self.limits, everything),
                judged.task_loss,
                judged.uncertainty,
                everything.task_loss,
            )
        else:
            candidate = held_out is not None
            merit = _Merit(0.0, self.records_[-1].get("valid_loss", 0.0))
        if candidate:
            self._keep_if_better(merit, net)

    def _keep_if_better(self, merit: _Merit, net: Any) -> None:
        # Ties are with the smallest loss so far, lest they drift away from it one by one.
        lead = self.lead_
        if lead is None or (merit.excess, merit.loss) < (lead.excess, lead.loss):
            self.lead_ = lead = merit
        if self.best_ is None or merit.beats(self.best_[0], lead):
            self.best_ = merit, copy.deepcopy(net.module_.state_dict())
            self.best_epoch_ = len(self.records_)

    def _record(self, net: Any, standing: Standing, held_out: Standing | None) -> dict[str, Any]:
        record = {"epoch": len(self.records_) + 1, **self._measures(net, standing)}
        if self.hold is not None:
            record["multipliers"] = _multipliers(net.criterion_)
        if held_out is not None:
            measures = self._measures(net, held_out)
            record |= {f"valid_{name}": value for name, value in measures.items()}
        for name, value in record.items():  # for callbacks that monitor or print it
            if isinstance(value, float):
                net.history.record(name, value)
        if held_out is not None:  # skorch's own is of the loss as it trains, which is not the same
            best = min((each["valid_loss"] for each in self.records_), default=math.inf)
            net.history.record("valid_loss_best", record["valid_loss"] < best)
        return record

    def _measures(self, net: Any, standing: Standing) -> dict[str, Any]:
        fairness = standing.fairness(net.criterion_)
        found = standing.disparities(self.limits)
        return {
            "task_loss": standing.task_loss,
            "fairness": fairness,
            "loss": standing.task_loss + fairness,
            "disparity": foremost(self.limits, list(found.values())),
            "disparities": found,
        }

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Put back the best weights, and forget what grew with the number of batches."""
        if self.best_ is not None:
            net.module_.load_state_dict(self.best_[1])
        self.best_epoch_ = self.best_epoch_ or len(self.records_)
        self.best_, self.seen_, self.waiting_ = None, [], []
        for epoch in net.history:  # but for one batch, which skorch's checkpoints look up
            del epoch["batches"][:-1]


def _multipliers(criterion: Any) -> dict[str, list[float]]:
    """Return how hard the bound presses each group's rate down (up, if negative), by the name of the rate."""
    upper, lower = criterion.multipliers.cpu()
    kinds = len({bound.comparison for _, bound in criterion.held})
    uses = Counter((rate.name, bound.comparison) for rate, bound in criterion.held)
    named = {}
    for i, comparison in enumerate(criterion.comparisons):
        for j, (rate, bound) in enumerate(criterion.held):
            kind = f" {bound.comparison}" if kinds > 1 else ""
            if uses[rate.name, bound.comparison] > 1:  # different rates of one name
                kind += f" ({rate.numerator} of {rate.denominator})"
            pressed = (upper - lower)[i, j, : comparison.n_groups].tolist()
            named[f"{rate.name}{kind}{comparison.name}"] = pressed
    return named
