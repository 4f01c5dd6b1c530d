"""Confusion cells in torch: the sums over rows from which every rate follows, soft or hard.

A table of cells is a tensor of shape (4, n_groups) whose rows are the cells in the order of ``CELLS``. Cells
are used as *shares* of the total weight, so that tables of batches of any size can be compared. One class is
measured against the rest. A *slot* is a group and a label (negative, positive): a flat table of slots has the
shape (2 * n_groups,), by group and then by label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import nn

from fairsk.rates import CELLS, Rate

if TYPE_CHECKING:
    from fairsk.neural._comparisons import GroupComparison

__all__ = [
    "MIN_SUPPORT",
    "TINY",
    "BatchView",
    "ConfusionTables",
    "Target",
    "as_cells",
    "at_least_tiny",
    "cells_from_slots",
    "check_codes",
    "check_logits",
    "count_rows",
    "group_sums",
    "log_probabilities",
    "measurable_groups",
    "on_device",
    "on_host",
    "predicted_class",
    "row_prices",
    "row_weights",
    "slot_indices",
    "slot_sums",
    "sum_dtype",
    "with_gradient_of",
]

#: The target of a batch as a criterion gets it: ``"y"``, ``"group"`` and, if there are any, ``"weight"``.
Target: TypeAlias = Mapping[str, torch.Tensor]

#: A rate with less than this share of the rows to be measured on would have an exploding gradient.
MIN_SUPPORT = 1e-4
#: The least divisor: no sum is divided by zero.
TINY = 1e-30


def on_host(values: torch.Tensor) -> bool:
    """Whether a tensor is in the processor's own memory, where reading a number means no wait.

    An accelerator works off what it is told while the program runs ahead. A shape or a decision that depends
    on a number there makes the program wait until all is done.
    """
    return values.device.type == "cpu"


def on_device(target: Target, device: torch.device) -> Target:
    """Return a target whose tensors are on a device."""
    return {name: values.to(device) for name, values in target.items()}


def sum_dtype(device: torch.device) -> torch.dtype:
    """Return the precision of sums over many rows: double, where a device has it."""
    return torch.float32 if device.type == "mps" else torch.float64


def at_least_tiny(weight: Any) -> Any:
    """Return a number, or a tensor of numbers, that can be divided by."""
    return weight.clamp_min(TINY) if isinstance(weight, torch.Tensor) else max(weight, TINY)


@dataclass
class BatchView:
    """The rows of a batch in one comparison: tensors of shape (n_samples,), but for the first and the last.

    Attributes
    ----------
    probabilities : tensor of shape (n_samples, n_classes)
        The predicted probability of each class.
    in_class : tensor of bool
        Whether each row's label is the class that is measured.
    group : tensor of int
        The index of each row's group in the comparison.
    sample_weight : tensor, optional
        The weight of each row, if not one each; zero for rows that take no part.
    logits : tensor of shape (n_samples, n_classes)
        What the module returned.
    class_index : int
        The index of the class.
    mask : tensor of bool, optional
        Which rows take part, if not all.
    """

    probabilities: torch.Tensor
    in_class: torch.Tensor
    group: torch.Tensor
    sample_weight: torch.Tensor | None
    logits: torch.Tensor
    class_index: int
    mask: torch.Tensor | None = None

    def without_weightless(self) -> BatchView:
        """Return the view without the rows that take no part; how many are left, a device must wait for."""
        if (mask := self.mask) is None:
            return self
        return BatchView(
            self.probabilities[mask],
            self.in_class[mask],
            self.group[mask],
            None if self.sample_weight is None else self.sample_weight[mask],
            self.logits[mask],
            self.class_index,
        )

    @property
    def probability(self) -> torch.Tensor:
        """The predicted probability of the class."""
        return self.probabilities[:, self.class_index]

    @property
    def label(self) -> torch.Tensor:
        """1 for the rows of the class, else 0."""
        return self.in_class.to(self.group.dtype)

    @property
    def weight(self) -> torch.Tensor:
        """The weight of each row."""
        if self.sample_weight is None:
            return self.probabilities.new_ones(len(self.group))
        return self.sample_weight

    @property
    def total_weight(self) -> Any:
        """The weight of all rows, a number or a tensor of shape ()."""
        return float(len(self.group)) if self.sample_weight is None else self.sample_weight.sum()

    @cached_property
    def slot(self) -> torch.Tensor:
        """The index of each row's slot."""
        return slot_indices(self.in_class, self.group)

    @property
    def log_odds(self) -> torch.Tensor:
        """The logarithm of the odds of the class."""
        others = [k for k in range(self.logits.shape[1]) if k != self.class_index]
        return self.logits[:, self.class_index] - self.logits[:, others].logsumexp(1)


def slot_indices(in_class: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
    """Return the index of each row's slot."""
    return torch.add(in_class, group, alpha=2)


def row_weights(target: Target, like: torch.Tensor) -> torch.Tensor:
    """Return the weight of each row, one each if the target has none."""
    weight = target.get("weight")
    if weight is None:
        return torch.ones(len(target["y"]), dtype=like.dtype, device=like.device)
    return weight.to(like.dtype)


def check_logits(logits: torch.Tensor, target: Target, n_classes: int) -> torch.Tensor:
    """Return the logits if they have a row per target and a column per class, else say what is expected."""
    if not isinstance(logits, torch.Tensor) or logits.shape != (len(target["y"]), n_classes):
        actual = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ValueError(
            f"The module must return logits of shape (n_samples, {n_classes}), one column per class; for a "
            f"batch of {len(target['y'])} rows it returned {actual}."
        )
    return logits


def check_codes(target: Target, n_classes: int, n_groups: int) -> None:
    """Refuse a batch with a class or a group whose number the loss does not have, or without one per row."""
    shapes = {each: tuple(target[each].shape) for each in ("y", "group", "weight") if each in target}
    if any(shape != (len(target["y"]),) for shape in shapes.values()):
        listed = ", ".join(f"{each!r} {shape}" for each, shape in shapes.items())
        raise ValueError(f"The target must hold tensors of shape (n_samples,); the shapes are: {listed}.")
    for name, n, where in (("y", n_classes, "n_classes"), ("group", n_groups, "n_groups")):
        smallest, largest = (int(each) for each in target[name].aminmax())
        if smallest < 0 or largest >= n:
            kind = "class" if name == "y" else "group"
            raise ValueError(
                f"The target has the {kind} {smallest if smallest < 0 else largest}, but {where} is {n}: "
                f"{name!r} is numbered from 0 to {where} - 1. Give the loss its {where} (a net of skorch: "
                f"criterion__{where})."
            )


def log_probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Return the logarithms of the probabilities of shape (n_samples, n_classes), as ``log_softmax(1)`` does.

    Of a few columns torch takes them row by row, which is five times as slow as over columns that are whole.
    """
    return logits.T.log_softmax(0).T


def predicted_class(logits: torch.Tensor) -> torch.Tensor:
    """Return the index of the class that is predicted for each row; of equal logits, the first."""
    if logits.shape[1] == 2:  # faster than argmax
        return (logits[:, 1] > logits[:, 0]).long()
    return logits.argmax(1)


def group_sums(index: torch.Tensor, values: torch.Tensor, n: int) -> torch.Tensor:
    """Add up the values of the rows with each index (of a group, or of a slot)."""
    if values.requires_grad or not len(index) or not on_host(values):
        return values.new_zeros(n).index_add(0, index, values)
    return torch.bincount(index, values, n)  # faster, but has no gradient, and looks for the largest index


def count_rows(index: torch.Tensor, n: int, dtype: torch.dtype) -> torch.Tensor:
    """Count the rows with each index."""
    if on_host(index):
        return torch.bincount(index, None, n).to(dtype)
    return group_sums(index, torch.ones(len(index), dtype=dtype, device=index.device), n)


def slot_sums(view: BatchView, n_groups: int) -> torch.Tensor:
    """Add up the probability of the class, and the weight, in every slot.

    Returns
    -------
    tensor of shape (2, n_groups * 2)
        The (weighted) probabilities, and the weights.
    """
    slot, probability, weight = view.slot, view.probability, view.sample_weight
    if weight is None:
        selected = group_sums(slot, probability, 2 * n_groups)
        return torch.stack([selected, count_rows(slot, 2 * n_groups, selected.dtype)])
    selected = group_sums(slot, probability * weight, 2 * n_groups)
    return torch.stack([selected, group_sums(slot, weight, 2 * n_groups)])


def cells_from_slots(sums: torch.Tensor) -> torch.Tensor:
    """Return the cells of what :func:`slot_sums` returns, of shape (4, n_groups)."""
    selected, whole = sums
    (fp, tp), (tn, fn) = (each.view(-1, 2).unbind(1) for each in (selected, whole - selected))
    cells = {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
    return torch.stack([cells[cell] for cell in CELLS])


def as_cells(table: Any) -> dict[str, Any]:
    """Return a table of cells, a tensor or an array, by their names."""
    return dict(zip(CELLS, table, strict=True))


def measurable_groups(rate: Rate, table: Any) -> Any:
    """Return which groups of a table have enough weight in a rate's denominator to be measured."""
    return rate.support(as_cells(table)) > MIN_SUPPORT * table.sum()


class ConfusionTables(nn.Module):
    """Tables of the cells of hard decisions: all comparisons by one count of the rows.

    What is counted is the *joint table* of cells (groups, in their strata), labels and decisions, flat and of
    the length ``n_joint``. The table of every comparison follows from it.

    Parameters
    ----------
    comparisons : sequence of GroupComparison
        Which groups are compared, in which class against the rest.
    n_classes : int
        How many classes there are.
    """

    group_of_cell: torch.Tensor
    class_index: torch.Tensor
    family: torch.Tensor
    takes_part: torch.Tensor

    def __init__(self, comparisons: Sequence[GroupComparison], n_classes: int) -> None:
        super().__init__()
        self.n_classes, self.n_cells = n_classes, len(comparisons[0].group_index)
        self.n_groups = max(each.n_groups for each in comparisons)
        #: By comparison and cell, the index of the group, or ``n_groups`` if it takes no part.
        group_of_cell = torch.tensor([each.group_index for each in comparisons])
        group_of_cell[group_of_cell < 0] = self.n_groups
        self.register_buffer("group_of_cell", group_of_cell, persistent=False)
        class_index = torch.tensor([each.class_index for each in comparisons])
        self.register_buffer("class_index", class_index, persistent=False)
        self._is_plain = len(comparisons) == 1 and comparisons[0].is_identity
        #: The class of every family: of comparisons in other strata of the same groups.
        families = list(dict.fromkeys(each.family for each in comparisons))
        self.family_classes = tuple(class_index for _, class_index in families)
        family = torch.tensor([families.index(each.family) for each in comparisons])
        self.register_buffer("family", family, persistent=False)
        #: By family and cell, whether rows of the cell take part in one of its comparisons.
        takes_part = torch.zeros(len(families), self.n_cells, dtype=torch.bool)
        for f, cells in zip(family.tolist(), group_of_cell < self.n_groups, strict=True):
            takes_part[f] |= cells
        self.register_buffer("takes_part", takes_part, persistent=False)
        self._all_take_part = takes_part.all(1).tolist()

    @property
    def n_joint(self) -> int:
        """The length of a joint table."""
        return self.n_cells * self.n_classes**2

    def first_index(self, target: Target) -> torch.Tensor:
        """Return where each row is counted in a joint table if its decision is the first class."""
        return torch.add(target["y"], target["group"], alpha=self.n_classes).mul_(self.n_classes)

    def count(self, target: Target, predicted: torch.Tensor) -> torch.Tensor:
        """Return the joint table of decisions about the rows of a batch.

        Parameters
        ----------
        target : mapping
            The target of the batch.
        predicted : tensor of int of shape (n_samples,)
            The index of the class that is predicted for each row.
        """
        index, dtype = self.first_index(target).add_(predicted), sum_dtype(predicted.device)
        weight = target.get("weight")
        if weight is None:
            return count_rows(index, self.n_joint, dtype)
        return group_sums(index, weight.to(dtype), self.n_joint)

    def tables(self, joint: torch.Tensor) -> torch.Tensor:
        """Return the cells of shape (n_comparisons, 4, n_groups), zero for groups that one does not have."""
        table = joint.view(self.n_cells, self.n_classes, self.n_classes)
        right = table.diagonal(dim1=1, dim2=2)
        wrong = table - right.diag_embed()
        fp, fn = wrong.sum(1), wrong.sum(2)
        tn = (table.sum((1, 2))[:, None] - right - fp - fn).clamp_min(0)  # it may round to less
        cells = {"tp": right, "fp": fp, "fn": fn, "tn": tn}
        of_classes = torch.stack([cells[cell] for cell in CELLS]).permute(2, 0, 1)
        of_comparisons = of_classes.index_select(0, self.class_index)
        n = len(of_comparisons)
        sums = of_comparisons.new_zeros(n, len(CELLS), self.n_groups + 1)
        sums.scatter_add_(2, self.group_of_cell[:, None].expand_as(of_comparisons), of_comparisons)
        return sums[..., : self.n_groups]

    def row_prices(self, prices: torch.Tensor, target: Target) -> list[tuple[int, torch.Tensor]]:
        """Return what a positive decision about each row of a batch costs, by family, for its share of rows.

        Parameters
        ----------
        prices : tensor of shape (n_comparisons, 2 * n_groups)
            What the decision about the share of a whole population costs, in every slot.
        target : mapping
            The target of the batch.

        Returns
        -------
        list of (int, tensor of shape (n_samples,))
            For every family, the class and the prices; zero for rows that take no part.
        """
        of_families = prices if self._is_plain else self._prices_by_cell(prices)
        weight, costs = target.get("weight"), []
        weight = None if weight is None else weight.to(prices)
        for f, class_index in enumerate(self.family_classes):
            slot = slot_indices(target["y"] == class_index, target["group"])
            if self._all_take_part[f]:
                total = float(len(slot)) if weight is None else weight.sum()
            else:
                counted = self.takes_part[f].index_select(0, target["group"])
                total = (counted.to(prices) if weight is None else weight * counted).sum()
            of_rows = (of_families[f] / at_least_tiny(total)).index_select(0, slot)
            costs.append((class_index, of_rows if weight is None else of_rows * weight))
        return costs

    def _prices_by_cell(self, prices: torch.Tensor) -> torch.Tensor:
        """Return the prices of shape (n_families, 2 * n_cells)."""
        by_group = nn.functional.pad(prices.view(len(prices), self.n_groups, 2), (0, 0, 0, 1))
        of_comparisons = by_group.gather(1, self.group_of_cell[..., None].expand(-1, -1, 2))
        # A cell is of one stratum, so that its price is that of one comparison in each family.
        of_families = prices.new_zeros(len(self.family_classes), 2 * self.n_cells)
        return of_families.index_add_(0, self.family, of_comparisons.flatten(1))


def row_prices(view: BatchView, prices: torch.Tensor) -> torch.Tensor:
    """Return the price of a positive decision of every row of the batch; zero if it takes no part."""
    of_rows = prices.index_select(0, view.slot)
    if view.sample_weight is not None:
        of_rows = of_rows * view.sample_weight
    return of_rows


def with_gradient_of(batch: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return a tensor with the gradient of the first and the value of the second."""
    return batch + (value.to(batch.dtype) - batch.detach())
