"""The loss ``task + lambda * fairness``, as a criterion that any skorch net can use."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from fairsk.neural.cells import (
    Target,
    anchored,
    as_shares,
    cell_sums,
    check_logits,
    group_rates,
    row_weights,
    soft_decisions,
)
from fairsk.neural.penalties import PENALTIES, Penalty
from fairsk.rates import CELLS, Constraint, get_constraint

__all__ = ["MEMORY", "FairLoss", "get_penalty", "task_loss"]

#: How much of the running statistics a batch leaves in place: they remember some 50 batches.
MEMORY = 0.98


def get_penalty(penalty: Penalty | str) -> Penalty:
    """Look up a penalty by name; a function is returned as it is."""
    if callable(penalty):
        return penalty
    if penalty not in PENALTIES:
        raise ValueError(f"Unknown penalty {penalty!r}. Built in: {', '.join(PENALTIES)}.")
    return PENALTIES[penalty]


def task_loss(logits: torch.Tensor, target: Target) -> torch.Tensor:
    """Return the weighted mean cross-entropy.

    Raises
    ------
    ValueError
        If the logits do not have two columns.
    """
    weight = row_weights(target, logits)
    losses = F.cross_entropy(check_logits(logits), target["y"], reduction="none")
    return (losses * weight).sum() / weight.sum().clamp_min(torch.finfo(losses.dtype).tiny)


class FairLoss(nn.Module):
    r"""Cross-entropy plus a penalty on the differences between groups.

    Use it as the criterion of any skorch ``NeuralNet`` whose module returns two logits per row, with a
    dict of arrays as the target: ``"y"`` (0 or 1), ``"group"`` (integer codes) and, optionally,
    ``"weight"``. The module sees nothing of the groups.

    Parameters
    ----------
    constraint : str or Constraint, default="demographic_parity"
        The rates that should agree.
    n_groups : int, default=2
        How many groups there are; codes run from 0 to ``n_groups - 1``.
    penalty_weight : float, default=1.0
        The weight :math:`\lambda` of the penalty, not negative.
    penalty : {"squared_gap", "absolute_gap"} or callable, default="squared_gap"
        What is made of the group rates; see :mod:`fairsk.neural.penalties`.
    memory : float, default=0.98
        How much of the running statistics each batch leaves in place, from 0 (the batch alone) to
        below 1.

    Raises
    ------
    ValueError
        If a name is unknown, a number is out of range, or the logits have the wrong shape.

    Notes
    -----
    With :math:`p_i` the predicted probability of the positive class, the share of a batch :math:`B` in a
    cell of group :math:`g` is

    .. math:: b_{tp, g} = \sum_{i \in B, g_i = g} w_i p_i y_i \Big/ \sum_{i \in B} w_i

    and likewise for the other cells. Small batches hold few rows of small groups, and a penalty on their
    noise pushes the net to constant predictions. So the rates are computed from the exponentially weighted
    shares :math:`S` of the batches so far, and the batch supplies the gradient only: the cells are
    :math:`S + (b - \mathrm{detach}(b))`, and

    .. math:: L = \mathrm{CE} + \lambda \, \mathrm{penalty}\big(r_1(S), \dots, r_m(S)\big).

    In evaluation mode the rates are those of the batch, and the running statistics stay as they are.

    A penalty on hard errors, such as ``abs(error_A - error_B)`` of the arg-max predictions, has no
    gradient and trains nothing; soft cells are what makes it train.

    References
    ----------
    Kamishima et al., Fairness-aware Classifier with Prejudice Remover Regularizer, ECML-PKDD 2012, for
    training on soft rates.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skorch import NeuralNet
    >>> from fairsk import FairLoss
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 3)).astype(np.float32)
    >>> target = {"y": (X[:, 0] > 0).astype(np.int64), "group": (X[:, 1] > 0).astype(np.int64)}
    >>> net = NeuralNet(
    ...     torch.nn.Linear, module__in_features=3, module__out_features=2, verbose=0, train_split=None,
    ...     criterion=FairLoss, criterion__constraint="equal_opportunity", criterion__penalty_weight=5.0,
    ... )
    >>> net.fit(X, target).predict_proba(X).shape
    (200, 2)
    """

    cell_mass: torch.Tensor

    def __init__(
        self,
        constraint: str | Constraint = "demographic_parity",
        n_groups: int = 2,
        penalty_weight: float = 1.0,
        penalty: str | Penalty = "squared_gap",
        memory: float = MEMORY,
    ) -> None:
        super().__init__()
        if not 0 <= memory < 1:
            raise ValueError(f"memory must be at least 0 and below 1, got {memory!r}.")
        if not penalty_weight >= 0:
            raise ValueError(f"penalty_weight must not be negative, got {penalty_weight!r}.")
        self.constraint = get_constraint(constraint)
        self.n_groups, self.penalty_weight, self.memory = n_groups, penalty_weight, memory
        self.penalty = get_penalty(penalty)
        # Sums, not averages: their ratio needs no bias correction, and weighs batches by their weight.
        self.register_buffer("cell_mass", torch.zeros(len(CELLS), n_groups))

    def fairness(self, shares: torch.Tensor) -> torch.Tensor:
        """Return the weighted penalty for a table of cell shares of shape (4, n_groups)."""
        rates = [values for values, _ in group_rates(self.constraint, shares)]
        return self.penalty_weight * self.penalty(rates)

    def forward(self, logits: torch.Tensor, target: Target) -> torch.Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        logits : tensor of shape (n_rows, 2)
            What the module returned.
        target : mapping
            ``"y"``, ``"group"`` and, optionally, ``"weight"``, tensors of shape (n_rows,).

        Returns
        -------
        tensor of shape ()
            Task loss plus weighted penalty.
        """
        task = task_loss(logits, target)
        if not self.penalty_weight:
            return task
        largest = int(target["group"].max())
        if largest >= self.n_groups:
            raise ValueError(
                f"The target has the group {largest}, but n_groups is {self.n_groups}: groups are numbered "
                "from 0 to n_groups - 1."
            )
        sums = cell_sums(soft_decisions(logits), target, self.n_groups)
        shares = as_shares(sums)
        if self.training:
            self.cell_mass.mul_(self.memory).add_(sums.detach())
            shares = anchored(as_shares(self.cell_mass), shares)
        return task + self.fairness(shares)
