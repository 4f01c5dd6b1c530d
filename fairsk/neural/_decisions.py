"""Decisions about the rows that a net trains on: the latest about each, and a walk that refreshes them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from fairsk.neural._batches import Batches
from fairsk.neural._bounded_loss import stack_tables
from fairsk.neural._confusion import ConfusionCounter, Target, predicted_class
from fairsk.neural._controller import Controller
from fairsk.neural._evaluation import EvaluationSums
from fairsk.neural._split import rows_left_out

__all__ = ["Decisions", "EpochSums", "Walk"]


@dataclass
class Decisions:
    """The latest decision about every row, and the step at which it was made."""

    counters: list[ConfusionCounter]
    predicted: torch.Tensor
    steps: torch.Tensor

    def note(self, logits: torch.Tensor, target: Target, step: int) -> None:
        rows = target["row"].cpu()
        self.predicted[rows] = predicted_class(logits.detach()).cpu()
        self.steps[rows] = step

    def tables(self, since: float | None) -> torch.Tensor:
        """Return the cells of the decisions, or of those that were made from a step on, as one tensor."""
        recent = None if since is None else self.steps >= since
        return stack_tables([counter.cells(self.predicted, recent) for counter in self.counters])


@dataclass(frozen=True)
class EpochSums:
    """The evaluation at the end of an epoch: of rows trained on, of rows held out, and of all rows of fit."""

    trained: EvaluationSums
    held_out: EvaluationSums | None
    every_row: EvaluationSums


@dataclass
class Walk:
    """A walk over all rows, on which decisions about some are refreshed every few steps.

    Its parts are the rows that are trained on, those that are held out, if any are, and what a split of the
    user's leaves out of both, if anything.
    """

    decisions: Decisions
    parts: list[Batches]
    holds_out: bool
    steps_per_epoch: int
    interval: int
    order: Iterator[tuple[Batches, torch.Tensor]]
    step: int = 0
    last_update: int = 0

    @classmethod
    def over(cls, net: Any, trained: Any, held_out: Any, target: Target) -> Walk:
        """Plan the walk over the rows of fit, those held out and those left out among them."""
        settings: Controller = net.criterion_.controller
        n_trained, n_samples = len(trained), len(target["row"])
        datasets = [trained] if held_out is None else [trained, held_out]
        if (rest := rows_left_out(datasets)) is not None:
            datasets.append(rest)
        steps = len(net.get_iterator(datasets[0], training=True))
        interval = min(steps, settings.update_interval)
        size = math.ceil(n_trained / steps * interval)
        parts = [Batches(dataset, batch_size=size) for dataset in datasets]
        # In the order that rows come in, all of a group may stand together.
        slices = [(part, rows) for part in parts for rows in torch.randperm(part.n_samples).split(size)]
        counters = [comparison.counter(target) for comparison in net.criterion_.comparisons]
        none = torch.zeros(n_samples, dtype=torch.int64)
        decisions = Decisions(counters, none, none.clone())
        return cls(decisions, parts, held_out is not None, steps, interval, itertools.cycle(slices))
