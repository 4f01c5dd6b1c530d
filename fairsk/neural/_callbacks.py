"""Callbacks of the training: multipliers updated every few steps, epochs recorded, the best weights kept."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from skorch.callbacks import Callback

from fairsk._core.bounds import BoundedConstraint
from fairsk.neural._bounded_loss import BoundedLoss, stack_tables
from fairsk.neural._confusion import Target
from fairsk.neural._decisions import EpochSums, Walk
from fairsk.neural._evaluation import LARGE_BATCH, EvaluationSums, binding_disparity, evaluate, max_violation
from fairsk.neural._margins import Margins
from fairsk.neural._split import has_own_rows

__all__ = ["EpochRecorder", "MultiplierUpdate"]

#: Rows whose outputs wait to be counted together: counting a small batch costs as much as counting many.
_COUNTED_TOGETHER = 8 * LARGE_BATCH


class MultiplierUpdate(Callback):
    """Update the multipliers of a :class:`BoundedLoss` every few steps.

    The latest decision about every row is kept: that of the batch it was trained in, that of its last
    refresh, or that at the end of a late epoch, when all are decided about. Every few steps some rows, drawn
    at random, are decided about anew; in an epoch each gets its turn. So the rates of the groups are known at
    any time, and it costs less than training, whatever the size of the data. Rows that are held out are
    counted as well: the bound is for all rows of ``fit``, though these give no gradient. Rows that a user
    brings to validate on are not.

    Where the net is cross-fitted, decisions about the rows that it trains on are those of the replica that
    does not learn from the row; those of the batches are not among them.

    The target must have the number of each row as ``"row"``.

    Parameters
    ----------
    n_epochs : int
        The length of the whole training.
    margins : Margins, optional
        How far rates are to stay from the ends of their windows, if not just within.
    late_part : float
        Late epochs, one of which is kept, are those of this part of the training, at its end.

    Attributes
    ----------
    sums_ : EpochSums
        The evaluation of the epoch: at its end if it is a late one, else in its course.
    """

    sums_: EpochSums

    def __init__(self, n_epochs: int, margins: Margins | None = None, late_part: float = 1.0) -> None:
        self.n_epochs, self.margins, self.late_part = n_epochs, margins, late_part
        self.target_: Target = {}
        self.walk_: Walk | None = None

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Take the target of all rows."""
        self.target_ = {name: torch.as_tensor(values) for name, values in y.items()}
        self.walk_ = None

    def on_epoch_begin(
        self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        """Decide about all rows before the first step."""
        if self.walk_ is None:
            held_out = None if dataset_valid is None or has_own_rows(dataset_valid) else dataset_valid
            self.walk_ = Walk.over(net, dataset_train, held_out, self.target_, self.n_epochs)
            net.criterion_.is_held_out = self.walk_.is_cross_fitted
            self._evaluate_all(net, self.walk_)

    def on_batch_end(
        self, net: Any, batch: Any = None, training: bool = False, y_pred: Any = None, **kwargs: Any
    ) -> None:
        """Note the decisions about the batch, and update the multipliers if it is time."""
        walk = self.walk_
        if walk is None or not training:
            return
        walk.step += 1
        if not walk.is_cross_fitted:
            walk.note(y_pred, batch[1])
        if walk.step % walk.steps_per_epoch and walk.step % walk.interval == 0:
            walk.refresh_next(net)
            self._update(net, walk, walk.decisions.tables())

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Update the multipliers, in a late epoch after decisions about all rows."""
        walk = self.walk_
        if walk is None:
            return
        is_late = len(net.history) > self.n_epochs * (1 - self.late_part)
        if is_late or walk.interval == walk.steps_per_epoch:
            self._evaluate_all(net, walk)
            return
        walk.refresh_next(net)
        walk.refresh_held_out(net)
        self._measure(net, walk)
        self._update(net, walk, walk.decisions.tables())

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Let go of the rows and of what is counted on them."""
        self.walk_, self.target_ = None, {}
        self.__dict__.pop("sums_", None)  # there are none if training is interrupted at its start

    def _evaluate_all(self, net: Any, walk: Walk) -> None:
        walk.refresh_all(net)
        self._measure(net, walk)
        self._update(net, walk, walk.decisions.tables_of_all())

    def _measure(self, net: Any, walk: Walk) -> None:
        """Sum up the epoch, and measure how far rates are to stay from the ends of their windows."""
        self.sums_ = walk.sums()
        if self.margins is not None:
            criterion, counted = net.criterion_, self.sums_.every_row
            criterion.distances.copy_(
                self.margins.distances(criterion.rate_bounds, counted.hard_cells, counted.hard_squares)
            )

    def _update(self, net: Any, walk: Walk, tables: torch.Tensor) -> None:
        elapsed = (walk.step - walk.last_update) / (self.n_epochs * walk.steps_per_epoch)
        walk.last_update = walk.step
        net.criterion_.update_multipliers(tables, elapsed)


@dataclass(frozen=True)
class _EpochScore:
    """What an epoch is judged by: the largest violation of a bound, then the loss on rows that tell.

    Losses that differ by less than their standard error are compared by the loss on all rows.
    """

    violation: float
    loss: float
    standard_error: float = 0.0
    loss_of_all: float = 0.0

    def is_behind(self, lead: _EpochScore) -> bool:
        return self.violation > lead.violation or self.loss > lead.loss + lead.standard_error

    def beats(self, other: _EpochScore, lead: _EpochScore) -> bool:
        if (behind := self.is_behind(lead)) or other.is_behind(lead):
            return not behind
        return (self.loss_of_all, self.loss) < (other.loss_of_all, other.loss)


@dataclass
class _BestEpoch:
    """The best epoch so far, with its weights."""

    epoch: int = 0
    weights: dict[str, torch.Tensor] | None = None
    score: _EpochScore | None = None
    lead: _EpochScore | None = None

    def consider(self, epoch: int, score: _EpochScore, module: Any) -> None:
        """Keep the weights of the module, if no epoch before was better."""
        # Ties are with the smallest loss so far; with the best one they would drift away from it one by one.
        if self.lead is None or (score.violation, score.loss) < (self.lead.violation, self.lead.loss):
            self.lead = score
        if self.score is None or score.beats(self.score, self.lead):
            self.epoch, self.score, self.weights = epoch, score, copy.deepcopy(module.state_dict())


@dataclass
class _RunningEvaluation:
    """Outputs of the batches of an epoch, added up many batches at a time."""

    sums: list[EvaluationSums] = field(default_factory=list)
    waiting: list[tuple[torch.Tensor, Any]] = field(default_factory=list)
    n_waiting: int = 0

    def add(self, criterion: Any, logits: torch.Tensor, target: Any) -> None:
        self.waiting.append((logits, target))
        self.n_waiting += len(logits)
        if self.n_waiting >= _COUNTED_TOGETHER:
            self._count(criterion)

    def total(self, criterion: Any) -> EvaluationSums:
        """Return the sums over all batches."""
        self._count(criterion)
        return sum(self.sums[1:], start=self.sums[0])

    def _count(self, criterion: Any) -> None:
        if not self.waiting:
            return
        logits = torch.cat([logits for logits, _ in self.waiting])
        targets = [target for _, target in self.waiting]
        target = {name: torch.cat([each[name] for each in targets]) for name in targets[0]}
        self.sums.append(EvaluationSums.from_logits(criterion, logits, target))
        self.waiting, self.n_waiting = [], 0


class EpochRecorder(Callback):
    """Record every epoch, stop at a loss that is not finite, and put back the best epoch's weights.

    Training rows are measured as the net goes over them, as its training loss is; where a bound is held, when
    :class:`MultiplierUpdate` decides about them, which in late epochs is at the end.

    Parameters
    ----------
    bounds : sequence of BoundedConstraint
        What disparities are recorded, and what they are compared with if a bound is held.
    n_epochs : int
        The length of the whole training.
    update : MultiplierUpdate, optional
        What holds the bounds, if training does. Then the best of the late epochs is the one with the least
        violation on all rows; of those without any, the one with the smallest task loss on all rows, if
        its loss on rows held out is within a standard error of the smallest. Without a bound, the best is the
        one with the smallest loss on rows held out, or the last.
    batch_size : int
        Rows that are evaluated at once.
    late_part : float
        Late epochs are those of this part of the training, at its end.
    keep_batches : bool
        Whether the net's history keeps skorch's records of every batch, not of the last one only.

    Attributes
    ----------
    records_ : list of dict
        What is recorded of each epoch.
    best_epoch_ : int
        The epoch whose weights were put back, counted from 1.
    """

    def __init__(
        self,
        bounds: Sequence[BoundedConstraint],
        n_epochs: int,
        update: MultiplierUpdate | None = None,
        batch_size: int = LARGE_BATCH,
        late_part: float = 1.0,
        keep_batches: bool = False,
    ) -> None:
        self.late_part, self.keep_batches = late_part, keep_batches
        self.bounds, self.n_epochs, self.update, self.batch_size = tuple(bounds), n_epochs, update, batch_size
        self.records_: list[dict[str, Any]] = []
        self.best_epoch_ = 0
        self.best_ = _BestEpoch()
        self.running_ = _RunningEvaluation()

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Start with no records."""
        self.records_, self.best_epoch_, self.best_ = [], 0, _BestEpoch()

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        """Start new sums."""
        self.running_ = _RunningEvaluation()

    def on_batch_end(
        self, net: Any, batch: Any = None, training: bool = False, y_pred: Any = None, **kwargs: Any
    ) -> None:
        """Keep the outputs of the batch to be counted."""
        if training and self.update is None:
            self.running_.add(net.criterion_, y_pred.detach(), batch[1])

    def on_epoch_end(
        self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        """Record the epoch, and copy the weights if none were better."""
        sums = self._evaluate(net, dataset_valid)
        trained, held_out, every_row = sums.trained, sums.held_out, sums.every_row
        epoch = len(self.records_) + 1
        loss = every_row.loss + every_row.fairness(net.criterion_)
        if not math.isfinite(loss):
            raise RuntimeError(
                f"The training diverged: the loss is {loss} after epoch {epoch}. Scale the features "
                "(StandardScaler), lower lr, or look for NaN in what the module, or a penalty of your own, "
                "returns."
            )
        self.records_.append(self._record(net, epoch, trained, held_out))
        if self.update is not None:
            if epoch > self.n_epochs * (1 - self.late_part):
                telling = every_row if held_out is None else held_out
                score = _EpochScore(
                    self._violation(net, every_row),
                    telling.task_loss,
                    telling.standard_error,
                    every_row.task_loss,
                )
                self.best_.consider(epoch, score, net.module_)
        elif held_out is not None:
            score = _EpochScore(0.0, self.records_[-1]["valid_loss"])
            self.best_.consider(epoch, score, net.module_)

    def _violation(self, net: Any, sums: EvaluationSums) -> float:
        """Return how far the decisions are beyond the bound, or the margin to it, that they violate most."""
        violation = max_violation(self.bounds, sums)
        if self.update is None or self.update.margins is None:
            return violation
        tables = stack_tables([torch.from_numpy(table) for table in sums.hard_cells])
        return max(violation, net.criterion_.excess(tables))

    def _evaluate(self, net: Any, dataset_valid: Any) -> EpochSums:
        """Return the sums over the rows trained on, over those to validate on, and over all rows of fit."""
        if self.update is not None:
            sums = self.update.sums_
            if dataset_valid is None or not has_own_rows(dataset_valid):
                return sums
            return replace(sums, held_out=evaluate(net, dataset_valid, self.batch_size))
        trained = self.running_.total(net.criterion_)
        held_out = None if dataset_valid is None else evaluate(net, dataset_valid, self.batch_size)
        return EpochSums(trained, held_out, trained if held_out is None else trained + held_out)

    def _record(
        self, net: Any, epoch: int, trained: EvaluationSums, held_out: EvaluationSums | None
    ) -> dict[str, Any]:
        record = {"epoch": epoch, **self._measures(net, trained)}
        if self.update is not None:
            record["multipliers"] = _named_multipliers(net.criterion_)
        if held_out is not None:
            measures = self._measures(net, held_out)
            record |= {f"valid_{name}": value for name, value in measures.items()}
        for name, value in record.items():  # for callbacks that monitor or print it
            if isinstance(value, float):
                net.history.record(name, value)
        if held_out is not None:  # skorch's own is of the loss as it trains, which is not the same
            lowest = min((each["valid_loss"] for each in self.records_), default=math.inf)
            net.history.record("valid_loss_best", record["valid_loss"] < lowest)
            highest = max((each["valid_acc"] for each in self.records_), default=-math.inf)
            net.history.record("valid_acc_best", record["valid_acc"] > highest)
        return record

    def _measures(self, net: Any, sums: EvaluationSums) -> dict[str, Any]:
        fairness = sums.fairness(net.criterion_)
        disparities = sums.disparities(self.bounds)
        return {
            "task_loss": sums.task_loss,
            "fairness": fairness,
            "loss": sums.task_loss + fairness,
            "acc": sums.accuracy,
            "disparity": binding_disparity(self.bounds, disparities),
            "disparities": disparities,
        }

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Put back the best weights, and forget what grew with the number of batches."""
        if self.best_.weights is not None:
            net.module_.load_state_dict(self.best_.weights)
        self.best_epoch_ = self.best_.epoch or len(self.records_)
        self.best_, self.running_ = _BestEpoch(), _RunningEvaluation()
        if not self.keep_batches:
            for epoch in net.history:  # but for one batch, which skorch's checkpoints look up
                del epoch["batches"][:-1]


def _named_multipliers(criterion: BoundedLoss) -> dict[str, list[float]]:
    """Return the multiplier of each group by the name of the rate: positive down, negative up."""
    upper, lower = criterion.multipliers.cpu()
    kinds = len({bound.comparison for _, bound in criterion.rate_bounds})
    uses = Counter((rate.name, bound.comparison) for rate, bound in criterion.rate_bounds)
    named = {}
    for i, comparison in enumerate(criterion.comparisons):
        for j, (rate, bound) in enumerate(criterion.rate_bounds):
            kind = f" {bound.comparison}" if kinds > 1 else ""
            if uses[rate.name, bound.comparison] > 1:  # different rates of one name
                kind += f" ({rate.numerator} of {rate.denominator})"
            of_groups = (upper - lower)[i, j, : comparison.n_groups].tolist()
            named[f"{rate.name}{kind}{comparison.name}"] = of_groups
    return named
