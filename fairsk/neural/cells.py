"""Confusion cells in torch: the sums over rows from which every rate follows, soft or hard.

A table of cells is a tensor of shape (4, n_groups) whose rows are the cells in the order of ``CELLS``. Cells
are kept as *shares* of the total weight, so that tables of batches of any size can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import torch

from fairsk.rates import CELLS, Constraint, soft_cells

__all__ = [
    "Target",
    "anchored",
    "as_shares",
    "cell_sums",
    "check_logits",
    "group_rates",
    "hard_decisions",
    "row_weights",
    "soft_decisions",
]

#: The target of a batch as a criterion gets it: ``"y"``, ``"group"`` and, if there are any, ``"weight"``.
Target: TypeAlias = Mapping[str, torch.Tensor]

#: A rate with less than this share of its group to be measured on would have an exploding gradient.
_MIN_SUPPORT = 1e-4


def row_weights(target: Target, like: torch.Tensor) -> torch.Tensor:
    """Return the weight of each row, one each if the target has none."""
    weight = target.get("weight")
    return torch.ones(len(target["y"]), dtype=like.dtype, device=like.device) if weight is None else weight


def check_logits(logits: torch.Tensor) -> torch.Tensor:
    """Return the logits if they have one column per class, else say what is expected of a module."""
    if logits.ndim != 2 or logits.shape[1] != 2:
        raise ValueError(
            "The module must return logits of shape (n_rows, 2), one column per class; it returned the "
            f"shape {tuple(logits.shape)}."
        )
    return logits


def soft_decisions(logits: torch.Tensor) -> torch.Tensor:
    """Return the probability of the positive class of each row."""
    return check_logits(logits).softmax(1)[:, 1]


def hard_decisions(logits: torch.Tensor) -> torch.Tensor:
    """Return 1 for the rows that are predicted positive, else 0; doubles on the CPU, for exact sums."""
    negative, positive = check_logits(logits).unbind(1)
    return (positive > negative).cpu().double()


def cell_sums(positive: torch.Tensor, target: Target, n_groups: int) -> torch.Tensor:
    """Add up the weights in every cell of each group.

    Parameters
    ----------
    positive : tensor of shape (n_rows,)
        How much each row is predicted positive: a probability, or 0 and 1 for decisions.
    target : mapping
        The rows' ``"y"`` (0 or 1), ``"group"`` (a number below ``n_groups``) and ``"weight"``.
    n_groups : int
        How many groups there are, whether or not these rows have all of them.

    Returns
    -------
    tensor of shape (4, n_groups)
        The cells, in the order of ``CELLS``.
    """
    actual = target["y"].to(positive.dtype)
    share = soft_cells(positive, actual)
    rows = torch.stack([share[cell] for cell in CELLS]) * row_weights(target, positive).to(positive.dtype)
    return rows.new_zeros(len(CELLS), n_groups).index_add(1, target["group"], rows)


def as_shares(sums: torch.Tensor) -> torch.Tensor:
    """Divide a table by its total weight."""
    return sums / sums.sum().clamp_min(torch.finfo(sums.dtype).tiny)


def anchored(value: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
    """Return a tensor with the value of the first and the gradient of the second.

    A rate of anchored cells is as exact as the anchor, and its derivative with respect to the batch's
    predictions follows by the chain rule. A group that the batch lacks has no gradient; it does no harm.
    """
    return value.to(batch.dtype) + (batch - batch.detach())


def group_rates(constraint: Constraint, cells: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return each rate of a constraint, and which groups have it.

    Groups without anything to measure are taken out *before* the division: masking the result would
    leave NaN in the gradient.

    Returns
    -------
    list of (values, known)
        The values have the shape (n_known,), ``known`` is a mask of shape (n_groups,).
    """
    table = dict(zip(CELLS, cells, strict=True))
    whole = cells.detach().sum(0)
    found = []
    for rate in constraint.rates:
        known = rate.support(table).detach() > _MIN_SUPPORT * whole
        found.append((rate({cell: values[known] for cell, values in table.items()}), known))
    return found
