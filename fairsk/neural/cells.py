"""Confusion cells in torch: the sums over rows from which every rate follows, soft or hard.

A table of cells is a tensor of shape (4, n_groups) whose rows are the cells in the order of ``CELLS``. Cells
are used as *shares* of the total weight, so that tables of batches of any size can be compared. One class is
measured against the rest; who is compared with whom is said by a :class:`Comparison`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import torch

from fairsk.rates import CELLS, Rate

__all__ = [
    "MIN_SUPPORT",
    "Comparison",
    "Rows",
    "Tally",
    "Target",
    "anchored",
    "as_cells",
    "cell_sums",
    "check_groups",
    "check_logits",
    "decide",
    "group_sums",
    "known_groups",
    "prices_of",
    "row_weights",
    "worth",
]

#: The target of a batch as a criterion gets it: ``"y"``, ``"group"`` and, if there are any, ``"weight"``.
Target: TypeAlias = Mapping[str, torch.Tensor]

#: A rate with less than this share of the rows to be measured on would have an exploding gradient.
MIN_SUPPORT = 1e-4


@dataclass(frozen=True)
class Comparison:
    """Groups that are compared with each other, in one class against the rest.

    Parameters
    ----------
    outcome : int
        The position of the class that is measured.
    places : tuple of int
        For every group of the rows its place in this comparison, or -1 if it takes no part. Groups with the
        same place are one group here: so the margins of an intersection are compared.
    name : str, default=""
        What tells this comparison from others, for tables and messages.
    n_places : int, default=0
        How many places there are at least, taken or not.
    """

    outcome: int
    places: tuple[int, ...]
    name: str = ""
    n_places: int = 0

    @property
    def n_groups(self) -> int:
        """How many places there are, taken or not."""
        return max(self.n_places, *(place + 1 for place in self.places))

    @classmethod
    def all_groups(cls, n_groups: int, n_classes: int = 2) -> tuple[Comparison, ...]:
        """Compare all groups, in the second of two classes, or in every one of more."""
        outcomes = [1] if n_classes == 2 else range(n_classes)
        return tuple(cls(outcome, tuple(range(n_groups))) for outcome in outcomes)

    def rows(self, decided: torch.Tensor, logits: torch.Tensor, target: Target) -> Rows:
        """Return what the rows of a batch say in this comparison, without those that take no part.

        Parameters
        ----------
        decided : tensor of shape (n_rows, n_classes)
            How much each row is predicted to be of each class.
        logits : tensor of shape (n_rows, n_classes)
            What the module returned.
        target : mapping
            The target of the batch.
        """
        group = target["group"]
        rows = Rows(
            decided[:, self.outcome],
            (target["y"] == self.outcome).to(group.dtype),
            group,
            row_weights(target, decided),
            logits,
            self.outcome,
        )
        if self.places == tuple(range(len(self.places))):
            return rows
        rows.group = torch.tensor(self.places, device=group.device)[group]
        return rows if min(self.places) >= 0 else rows.take(rows.group >= 0)


@dataclass
class Rows:
    """Some rows in one comparison: tensors of shape (n_rows,).

    Attributes
    ----------
    positive : tensor
        How much each row is predicted positive: a probability, or 0 and 1 for decisions.
    actual : tensor of int
        1 for the rows that are of the class, else 0.
    group : tensor of int
        The place of each row's group.
    weight : tensor
        The weight of each row.
    logits : tensor of shape (n_rows, n_classes)
        What the module returned.
    outcome : int
        The position of the class.
    """

    positive: torch.Tensor
    actual: torch.Tensor
    group: torch.Tensor
    weight: torch.Tensor
    logits: torch.Tensor
    outcome: int

    def take(self, keep: torch.Tensor) -> Rows:
        """Return some of the rows."""
        return Rows(
            self.positive[keep],
            self.actual[keep],
            self.group[keep],
            self.weight[keep],
            self.logits[keep],
            self.outcome,
        )

    @cached_property
    def slot(self) -> torch.Tensor:
        """Where each row stands in a flat table of shape (n_groups * 2,): by group, then by label."""
        return torch.add(self.actual, self.group, alpha=2)

    @property
    def margin(self) -> torch.Tensor:
        """The logarithm of the odds of being positive."""
        others = [k for k in range(self.logits.shape[1]) if k != self.outcome]
        return self.logits[:, self.outcome] - self.logits[:, others].logsumexp(1)


def row_weights(target: Target, like: torch.Tensor) -> torch.Tensor:
    """Return the weight of each row, one each if the target has none."""
    weight = target.get("weight")
    if weight is None:
        return torch.ones(len(target["y"]), dtype=like.dtype, device=like.device)
    return weight.to(like.dtype)


def check_logits(logits: torch.Tensor, target: Target, n_classes: int) -> torch.Tensor:
    """Return the logits if they have a row per target and a column per class, else say what is expected."""
    if not isinstance(logits, torch.Tensor) or logits.shape != (len(target["y"]), n_classes):
        found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ValueError(
            f"The module must return logits of shape (n_rows, {n_classes}), one column per class; for a "
            f"batch of {len(target['y'])} rows it returned {found}."
        )
    return logits


def decide(logits: torch.Tensor) -> torch.Tensor:
    """Return the position of the class that is predicted for each row; of equal ones, the first."""
    if logits.shape[1] == 2:  # faster than to look for the largest
        return (logits[:, 1] > logits[:, 0]).long()
    return logits.argmax(1)


def group_sums(slot: torch.Tensor, values: torch.Tensor, n_slots: int) -> torch.Tensor:
    """Add up the values of the rows in each slot."""
    if values.requires_grad or not len(slot):
        return values.new_zeros(n_slots).index_add(0, slot, values)
    return torch.bincount(slot, values, n_slots)  # faster, but has no gradient


def cell_sums(rows: Rows, n_groups: int) -> torch.Tensor:
    """Add up the weights in every cell of each group.

    Returns
    -------
    tensor of shape (4, n_groups)
        The cells, in the order of ``CELLS``.
    """
    slot = rows.slot
    whole = group_sums(slot, rows.weight, 2 * n_groups)
    return _as_table(group_sums(slot, rows.positive * rows.weight, 2 * n_groups), whole)


def _as_table(selected: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """Return the cells of what is selected in each slot; what is not is the rest of the whole."""
    (fp, tp), (tn, fn) = (each.view(-1, 2).unbind(1) for each in (selected, whole - selected))
    cells = {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
    return torch.stack([cells[cell] for cell in CELLS])


class Tally:
    """The rows of a target in one comparison, ready to count decisions about them over and over.

    Parameters
    ----------
    comparison : Comparison
        Which groups, and which class.
    target : mapping
        The rows' ``"y"``, ``"group"`` and, if there are any, ``"weight"``, on the CPU.
    """

    def __init__(self, comparison: Comparison, target: Target) -> None:
        place = torch.tensor(comparison.places)[target["group"]]
        self.rows = (place >= 0).nonzero().squeeze(1)
        self.slot = (2 * place + (target["y"] == comparison.outcome))[self.rows]
        self.weight = row_weights(target, torch.zeros(0, dtype=torch.float64))[self.rows]
        self.outcome, self.n_slots = comparison.outcome, 2 * comparison.n_groups

    def cells(self, decided: torch.Tensor, counted: torch.Tensor | None = None) -> torch.Tensor:
        """Return the cells of decisions for a class each, of all rows or of those that are to be counted."""
        weight = self.weight if counted is None else self.weight * counted[self.rows]
        whole = group_sums(self.slot, weight, self.n_slots)
        return _as_table(
            group_sums(self.slot, weight * (decided[self.rows] == self.outcome), self.n_slots), whole
        )


def prices_of(slopes: torch.Tensor) -> torch.Tensor:
    """Return what one more positive decision is worth in each slot, if cells are worth their slopes.

    A row that is decided positive moves from fn to tp, or from tn to fp. So a row's part in any function of
    the cells is one price per group and label, and needs no gradient through the cells themselves.

    Parameters
    ----------
    slopes : tensor of shape (4, n_groups)
        What a unit of each cell is worth.

    Returns
    -------
    tensor of shape (n_groups * 2,)
        The prices, in the order of :attr:`Rows.slot`.
    """
    slope = as_cells(slopes)
    return torch.stack([slope["fp"] - slope["tn"], slope["tp"] - slope["fn"]], 1).flatten()


def as_cells(table: Any) -> dict[str, Any]:
    """Return a table of cells, a tensor or an array, by their names."""
    return dict(zip(CELLS, table, strict=True))


def known_groups(rate: Rate, table: Any) -> Any:
    """Return which groups of a table have enough weight in a rate's denominator to be measured."""
    return rate.support(as_cells(table)) > MIN_SUPPORT * table.sum()


def worth(rows: Rows, prices: torch.Tensor) -> torch.Tensor:
    """Return the sum over the rows of what their decisions are worth."""
    return (rows.positive * (prices[rows.slot] * rows.weight)).sum()


def anchored(value: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
    """Return a tensor with the value of the first and the gradient of the second."""
    return batch + (value.to(batch.dtype) - batch.detach())


def check_groups(target: Target, comparisons: Sequence[Comparison]) -> None:
    """Refuse a batch with a group that no comparison knows of."""
    n_groups = len(comparisons[0].places)
    smallest, largest = (int(each) for each in target["group"].aminmax())
    if smallest < 0 or largest >= n_groups:
        raise ValueError(
            f"The target has the group {smallest if smallest < 0 else largest}, but n_groups is {n_groups}: "
            "groups are numbered from 0 to n_groups - 1. Give a net criterion__n_groups."
        )
