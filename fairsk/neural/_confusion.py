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
    "cells_of",
    "check_codes",
    "check_logits",
    "decide",
    "group_sums",
    "known_groups",
    "log_probabilities",
    "price_rows",
    "prices_of",
    "row_weights",
    "slot_sums",
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

    @cached_property
    def is_whole(self) -> bool:
        """Whether all groups take part."""
        return min(self.places) >= 0

    @cached_property
    def _as_they_are(self) -> bool:
        return self.places == tuple(range(len(self.places)))

    @classmethod
    def all_groups(cls, n_groups: int, n_classes: int = 2) -> tuple[Comparison, ...]:
        """Compare all groups, in the second of two classes, or in every one of more."""
        outcomes = [1] if n_classes == 2 else range(n_classes)
        return tuple(cls(outcome, tuple(range(n_groups))) for outcome in outcomes)

    def rows(self, decided: torch.Tensor, logits: torch.Tensor, target: Target) -> Rows:
        """Return what the rows of a batch say in this comparison, without those that take no part.

        Parameters
        ----------
        decided : tensor of shape (n_samples, n_classes)
            How much each row is predicted to be of each class.
        logits : tensor of shape (n_samples, n_classes)
            What the module returned.
        target : mapping
            The target of the batch.
        """
        rows = Rows(
            decided,
            target["y"] == self.outcome,
            self.places_of(target["group"]),
            None if target.get("weight") is None else row_weights(target, decided),
            logits,
            self.outcome,
        )
        return rows if self.is_whole else rows.take(rows.group >= 0)

    def places_of(self, group: torch.Tensor) -> torch.Tensor:
        """Return the place of each row's group."""
        if self._as_they_are:
            return group
        return torch.tensor(self.places, device=group.device).index_select(0, group)


@dataclass
class Rows:
    """Some rows in one comparison: tensors of shape (n_samples,), but for the first and the last.

    Attributes
    ----------
    decided : tensor of shape (n_samples, n_classes)
        How much each row is predicted to be of each class: a probability, or 0 and 1 for decisions.
    is_actual : tensor of bool
        Whether each row is of the class.
    group : tensor of int
        The place of each row's group.
    weight_given : tensor, optional
        The weight of each row, if not one each.
    logits : tensor of shape (n_samples, n_classes)
        What the module returned.
    outcome : int
        The position of the class.
    kept : tensor of bool, optional
        Which rows of the batch these are, if not all.
    """

    decided: torch.Tensor
    is_actual: torch.Tensor
    group: torch.Tensor
    weight_given: torch.Tensor | None
    logits: torch.Tensor
    outcome: int
    kept: torch.Tensor | None = None

    def take(self, keep: torch.Tensor) -> Rows:
        """Return some of the rows."""
        return Rows(
            self.decided[keep],
            self.is_actual[keep],
            self.group[keep],
            None if self.weight_given is None else self.weight_given[keep],
            self.logits[keep],
            self.outcome,
            keep,
        )

    @property
    def positive(self) -> torch.Tensor:
        """How much each row is predicted to be of the class."""
        return self.decided[:, self.outcome]

    @property
    def actual(self) -> torch.Tensor:
        """1 for the rows that are of the class, else 0."""
        return self.is_actual.to(self.group.dtype)

    @property
    def weight(self) -> torch.Tensor:
        """The weight of each row."""
        if self.weight_given is None:
            return self.decided.new_ones(len(self.group))
        return self.weight_given

    @property
    def total(self) -> Any:
        """The weight of all of them, a number or a tensor of shape ()."""
        return float(len(self.group)) if self.weight_given is None else self.weight_given.sum()

    @cached_property
    def slot(self) -> torch.Tensor:
        """Where each row stands in a flat table of shape (n_groups * 2,): by group, then by label."""
        return _slots(self.is_actual, self.group)

    @property
    def margin(self) -> torch.Tensor:
        """The logarithm of the odds of being positive."""
        others = [k for k in range(self.logits.shape[1]) if k != self.outcome]
        return self.logits[:, self.outcome] - self.logits[:, others].logsumexp(1)


def _slots(is_actual: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
    return torch.add(is_actual, group, alpha=2)


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
            f"The module must return logits of shape (n_samples, {n_classes}), one column per class; for a "
            f"batch of {len(target['y'])} rows it returned {found}."
        )
    return logits


def log_probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Return the logarithms of the probabilities of shape (n_samples, n_classes), as ``log_softmax(1)`` does.

    Of a few columns torch takes them row by row, which is five times as slow as over columns that are whole.
    """
    return logits.T.log_softmax(0).T


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


def slot_sums(rows: Rows, n_groups: int) -> torch.Tensor:
    """Add up what is predicted positive, and the weight, in every slot: by group, then by label.

    Returns
    -------
    tensor of shape (2, n_groups * 2)
        What is predicted positive, and all of it.
    """
    slot, positive, weight = rows.slot, rows.positive, rows.weight_given
    if weight is None:
        selected = group_sums(slot, positive, 2 * n_groups)
        return torch.stack([selected, torch.bincount(slot, None, 2 * n_groups).to(selected.dtype)])
    selected = group_sums(slot, positive * weight, 2 * n_groups)
    return torch.stack([selected, group_sums(slot, weight, 2 * n_groups)])


def cells_of(sums: torch.Tensor) -> torch.Tensor:
    """Return the cells of what :func:`slot_sums` returns, of shape (4, n_groups)."""
    selected, whole = sums
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
        group, actual = comparison.places_of(target["group"]), target["y"] == comparison.outcome
        weight = target.get("weight")
        self.rows: torch.Tensor | None = None
        if not comparison.is_whole:
            self.rows = (group >= 0).nonzero().squeeze(1)
            group, actual = group[self.rows], actual[self.rows]
            weight = None if weight is None else weight[self.rows]
        # Two places for each slot: for what is decided negative, and positive.
        self.place = 2 * _slots(actual, group)
        self.weight = None if weight is None else weight.double()
        self.outcome, self.n_places = comparison.outcome, 4 * comparison.n_groups

    def cells(self, decided: torch.Tensor, counted: torch.Tensor | None = None) -> torch.Tensor:
        """Return the cells of decisions for a class each, of all rows or of those that are to be counted."""
        if self.rows is not None:
            decided, counted = decided[self.rows], None if counted is None else counted[self.rows]
        weight = self.weight
        if counted is not None:
            weight = counted.double() if weight is None else weight * counted
        place = self.place + (decided == self.outcome)
        counts = torch.bincount(place, weight, self.n_places).double().view(-1, 2)
        return cells_of(torch.stack([counts[:, 1], counts.sum(1)]))


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


def price_rows(rows: Rows, prices: torch.Tensor) -> torch.Tensor:
    """Return the price of a positive decision of every row of the batch; zero if it takes no part."""
    found = prices.index_select(0, rows.slot)
    if rows.weight_given is not None:
        found = found * rows.weight_given
    if rows.kept is not None:
        found = found.new_zeros(rows.kept.shape).masked_scatter_(rows.kept, found)
    return found


def anchored(value: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
    """Return a tensor with the value of the first and the gradient of the second."""
    return batch + (value.to(batch.dtype) - batch.detach())


def check_codes(target: Target, n_classes: int, comparisons: Sequence[Comparison]) -> None:
    """Refuse a batch with a class or a group that the loss does not know of."""
    for name, n, where in (("y", n_classes, "n_classes"), ("group", len(comparisons[0].places), "n_groups")):
        smallest, largest = (int(each) for each in target[name].aminmax())
        if smallest < 0 or largest >= n:
            kind = "class" if name == "y" else "group"
            raise ValueError(
                f"The target has the {kind} {smallest if smallest < 0 else largest}, but {where} is {n}: "
                f"{name!r} is numbered from 0 to {where} - 1. Give a net criterion__{where}."
            )
