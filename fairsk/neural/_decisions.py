"""Decisions about the rows that a net trains on: the latest about each, and a walk that refreshes them."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from fairsk._core.typing import Ints
from fairsk.neural._batches import Batches
from fairsk.neural._confusion import (
    ConfusionTables,
    Target,
    count_rows,
    group_sums,
    on_device,
    predicted_class,
    sum_dtype,
)
from fairsk.neural._cross_fitted import FoldOrder
from fairsk.neural._evaluation import EvaluationSums
from fairsk.neural._split import rows_left_out

__all__ = ["DecidedRows", "Decisions", "EpochSums", "Walk", "out_of_fold_classes"]


class Decisions:
    """The latest decision about every row, counted as decisions come in: an update costs what is new.

    Counts are kept by the update before which decisions were made. A row that is decided about anew is taken
    out of the count that it is in; a whole count is dropped when it is too old. All of it is where the net
    is, and nothing is read back.

    Parameters
    ----------
    confusion : ConfusionTables
        What is counted.
    target : mapping
        The target of all rows, where the net is.
    n_remembered : int, optional
        Decisions are forgotten after so many updates; without it, never.
    """

    def __init__(self, confusion: ConfusionTables, target: Target, n_remembered: int | None = None) -> None:
        self.confusion, self.forgets = confusion, n_remembered is not None
        self.n_counts = n_remembered or 1
        device = target["y"].device
        self._first = confusion.first_index(target)
        weight = target.get("weight")
        dtype = sum_dtype(device)
        self._weight = None if weight is None else weight.to(dtype)
        self._n_places = self.n_counts * confusion.n_joint
        self._counts = torch.zeros(self._n_places, dtype=dtype, device=device)
        #: Where among all counts the decision about each row is, and the update before which it was made.
        self._place = torch.zeros_like(self._first)
        self._made_in = torch.full_like(self._first, -self.n_counts)
        #: By row, which of the decisions that wait is the latest.
        self._latest = torch.zeros_like(self._first)
        self._update = 0
        self._waiting: list[tuple[torch.Tensor, torch.Tensor]] = []

    def note(self, rows: torch.Tensor, predicted: torch.Tensor) -> None:
        """Take decisions about some rows, to be counted before the next update.

        Parameters
        ----------
        rows : tensor of int
            The numbers of the rows.
        predicted : tensor of int
            The index of the class that is predicted for each.
        """
        self._waiting.append((rows, predicted))

    def clear(self) -> None:
        """Drop the decisions that wait, before all rows are decided about anew."""
        self._waiting = []

    def tables(self) -> torch.Tensor:
        """Return the cells of the decisions of shape (n_comparisons, 4, n_groups), for an update."""
        rows, places = self._take_waiting()
        # A row may wait twice; the latest decision counts.
        order = torch.arange(len(rows), device=rows.device)
        self._latest.scatter_reduce_(0, rows, order, "amax", include_self=False)
        latest = self._latest.index_select(0, rows)
        weight = (latest == order).to(self._counts.dtype)
        if self._weight is not None:
            weight *= self._weight.index_select(0, rows)
        is_counted = self._made_in.index_select(0, rows) > self._update - self.n_counts
        changed = torch.cat([self._place.index_select(0, rows), places])
        change = torch.cat([-weight * is_counted, weight])
        self._counts += group_sums(changed, change, self._n_places)
        self._place.index_copy_(0, rows, places.index_select(0, latest))
        self._made_in.index_fill_(0, rows, self._update)
        return self._end_update()

    def tables_of_all(self) -> torch.Tensor:
        """Return the cells where all rows wait to be counted, each once."""
        rows, places = self._take_waiting()
        self._place.index_copy_(0, rows, places)
        self._made_in.fill_(self._update)
        # Sums that are added to and taken from for long would drift by rounding: they start anew.
        if self._weight is None:
            self._counts = count_rows(places, self._n_places, self._counts.dtype)
        else:
            self._counts = group_sums(places, self._weight.index_select(0, rows), self._n_places)
        return self._end_update()

    def _take_waiting(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rows that wait, and where they are to be counted."""
        rows, predicted = (torch.cat(each) for each in zip(*self._waiting, strict=True))
        self._waiting = []
        places = self._first.index_select(0, rows).add_(predicted)
        return rows, places.add_(self._update % self.n_counts * self.confusion.n_joint)

    def _end_update(self) -> torch.Tensor:
        counts = self._counts.view(self.n_counts, -1)
        tables = self.confusion.tables(counts.sum(0))
        if self.forgets:
            self._update += 1
            counts[self._update % self.n_counts].zero_()
        return tables


@dataclass(frozen=True)
class EpochSums:
    """The evaluation at the end of an epoch: of rows trained on, of rows held out, and of all rows of fit."""

    trained: EvaluationSums
    held_out: EvaluationSums | None
    every_row: EvaluationSums


@dataclass(frozen=True)
class DecidedRows:
    """Rows that are decided about alike: by one net, or each by the replica that does not learn from it.

    Attributes
    ----------
    batches : Batches
        The rows.
    order : tensor of int
        A random order of them: in the order that rows come in, all of a group may stand together.
    is_out_of_fold : bool
        Whether replicas of a cross-fitted net decide, by the place of a row in a batch of this order.
    """

    batches: Batches
    order: torch.Tensor
    is_out_of_fold: bool = False

    @classmethod
    def out_of_fold(cls, batches: Batches, folds: FoldOrder) -> DecidedRows:
        """Let each row be decided about by the replica that leaves out its fold."""
        return cls(batches, folds.out_of_fold().to(batches.device), is_out_of_fold=True)

    def decide(self, net: Any, rows: torch.Tensor) -> tuple[torch.Tensor, Target]:
        """Return the outputs of a net for a part of the rows, and their target."""
        X, target = self.batches.take(rows)
        with net.module_.out_of_fold() if self.is_out_of_fold else nullcontext():
            return net.criterion_.checked(net.evaluation_step((X, target)), target), target


@dataclass
class Walk:
    """A walk over all rows, on which decisions about some are refreshed every few steps.

    Its parts are the rows that are trained on, those that are held out, if any are, and what a split of the
    user's leaves out of both, if anything.
    """

    decisions: Decisions
    parts: list[DecidedRows]
    slices: list[tuple[int, torch.Tensor]]
    holds_out: bool
    steps_per_epoch: int
    interval: int
    latest: list[EvaluationSums | None]
    step: int = 0
    last_update: int = 0
    position: int = 0

    @property
    def is_cross_fitted(self) -> bool:
        """Whether decisions about a row are those of a replica of the net that does not learn from it."""
        return self.parts[0].is_out_of_fold

    @classmethod
    def over(cls, net: Any, trained: Any, held_out: Any, target: Target, n_epochs: int) -> Walk:
        """Plan the walk over the rows of fit, those held out and those left out among them."""
        criterion = net.criterion_
        settings, n_trained = criterion.controller, len(trained)
        datasets = [trained] if held_out is None else [trained, held_out]
        if (rest := rows_left_out(datasets)) is not None:
            datasets.append(rest)
        steps = len(net.get_iterator(datasets[0], training=True))
        interval = min(steps, settings.update_interval)
        size = math.ceil(n_trained / steps * interval)
        folds: FoldOrder | None = net.fold_order_
        if folds is not None:
            size = math.ceil(size / folds.n_folds) * folds.n_folds
        parts = []
        for dataset in datasets:
            batches = Batches(dataset).on(net.device)
            if folds is not None and dataset is trained:
                parts.append(DecidedRows.out_of_fold(batches, folds))
            else:
                parts.append(DecidedRows(batches, torch.randperm(batches.n_samples).to(batches.device)))
        slices = [(i, rows) for i, part in enumerate(parts) for rows in part.order.split(size)]
        epochs_kept = settings.memory * n_epochs
        n_remembered = math.floor(epochs_kept * steps / interval) + 1 if epochs_kept < 1 else None
        device = criterion.confusion.class_index.device
        decisions = Decisions(criterion.confusion, on_device(target, device), n_remembered)
        nothing: list[EvaluationSums | None] = [None] * len(slices)
        return cls(decisions, parts, slices, held_out is not None, steps, interval, nothing)

    def refresh_next(self, net: Any) -> None:
        """Decide anew about the rows whose turn it is."""
        self._refresh(net, self.position)
        self.position = (self.position + 1) % len(self.slices)

    def refresh_held_out(self, net: Any) -> None:
        """Decide anew about the rows that are not trained on."""
        for position, (i, _) in enumerate(self.slices):
            if i > 0:
                self._refresh(net, position)

    def refresh_all(self, net: Any) -> None:
        """Decide anew about all rows, each once."""
        self.decisions.clear()
        for position in range(len(self.slices)):
            self._refresh(net, position)

    def _refresh(self, net: Any, position: int) -> None:
        i, rows = self.slices[position]
        logits, target = self.parts[i].decide(net, rows)
        self.note(logits, target)
        self.latest[position] = EvaluationSums.from_logits(net.criterion_, logits, target)

    def sums(self) -> EpochSums:
        """Return the evaluation of all rows, each when it was last decided about on this walk."""
        of_parts = []
        for number in range(len(self.parts)):
            first, *others = (
                sums
                for (i, _), sums in zip(self.slices, self.latest, strict=True)
                if i == number and sums is not None
            )
            of_parts.append(sum(others, start=first))
        every_row = sum(of_parts[1:], start=of_parts[0])
        return EpochSums(of_parts[0], of_parts[1] if self.holds_out else None, every_row)

    def note(self, logits: torch.Tensor, target: Target) -> None:
        """Note what a net's outputs for some rows decide about them."""
        predicted = predicted_class(logits.detach())
        self.decisions.note(target["row"].to(predicted.device), predicted)


@torch.no_grad()
def out_of_fold_classes(net: Any, dataset: Any, batch_size: int) -> tuple[Ints, Ints]:
    """Return what the replicas of a cross-fitted net decide about the rows that they do not learn from.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net, which has the folds of the rows that it was trained on.
    dataset : skorch.dataset.Dataset
        All rows.
    batch_size : int
        Rows to decide about at once, at most.

    Returns
    -------
    tuple of two arrays of int
        The numbers of the rows, and the index of the class that is predicted for each.
    """
    folds: FoldOrder = net.fold_order_
    rows = folds.out_of_fold() if folds.rows is None else folds.rows[folds.out_of_fold()]
    batches = Batches(dataset).on(net.device)
    part = DecidedRows(batches, rows.to(batches.device), is_out_of_fold=True)
    size = max(1, batch_size // folds.n_folds) * folds.n_folds
    predicted = [predicted_class(part.decide(net, some)[0]) for some in part.order.split(size)]
    return rows.numpy(), torch.cat(predicted).cpu().numpy()
