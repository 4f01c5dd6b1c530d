r"""Hold a bound during training: an augmented Lagrangian with exact values and soft gradients.

A bound asks that every rate of a constraint lies, for all groups, in a window of a given width: rates for
``max_difference``, logarithms of rates for ``min_ratio``. How far a group is outside is counted on hard
predictions for the training rows, so it is the disparity that will be reported, not a soft stand-in for it.
The direction in which to move comes from the soft rates of the batch.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import nn

from fairsk.neural.batching import Batches
from fairsk.neural.cells import (
    Target,
    anchored,
    as_shares,
    cell_sums,
    group_rates,
    hard_decisions,
    soft_decisions,
)
from fairsk.neural.loss import task_loss
from fairsk.rates import CELLS, Constraint

__all__ = ["Bound", "BoundedLoss", "HoldBound"]

#: Below this a rate's logarithm would fall without end; there a ratio is held as if the rate were this.
_MIN_RATE = 1e-3
#: Rates are quotients of sums; a disparity this close to the bound is the bound.
_ROUNDING = 1e-9
#: The window aims this much inside the bound, so that it is met and not just approached.
_MARGIN = 0.02
#: How hard a violation pushes at once, and how much a multiplier grows if it lasts the whole training; in
#: units of the group's stiffness.
_PUSH, _GROWTH = 25.0, 250.0
#: No multiplier passes this, in the same units: the loss would be all push, the predictions constant.
_MAX_MULTIPLIER = 20.0
#: Steps between two looks at the training rows, at most.
_MAX_INTERVAL = 10
#: Rows looked at per row trained on: a look is a forward pass, a third of a training step.
_LOOK = 1.5


@dataclass(frozen=True)
class Bound:
    """An upper bound on a constraint's difference, or a lower bound on its ratio.

    Parameters
    ----------
    constraint : Constraint
        The rates that should agree.
    comparison : {"difference", "ratio"}
        Which comparison is bounded.
    limit : float
        The bound: at least 0 for a difference, in (0, 1] for a ratio.
    """

    constraint: Constraint
    comparison: Literal["difference", "ratio"]
    limit: float

    @property
    def width(self) -> float:
        """The width of the window that the (scaled) rates of all groups must fit in."""
        return self.limit if self.comparison == "difference" else -math.log(self.limit)

    def scale(self, rates: torch.Tensor) -> torch.Tensor:
        """Return the rates as they are, or their logarithms, whose differences are ratios."""
        if self.comparison == "difference":
            return rates
        value = rates.detach().clamp_min(_MIN_RATE)
        return anchored(value.log(), rates / value)

    def excess(self, disparity: float) -> float:
        """Return how far a disparity is beyond the bound: 0 if it is held, infinite if it is undefined."""
        if math.isnan(disparity):
            return math.inf
        beyond = disparity - self.limit if self.comparison == "difference" else self.limit - disparity
        return beyond if beyond > _ROUNDING else 0.0


class BoundedLoss(nn.Module):
    r"""Cross-entropy plus the pushes of an augmented Lagrangian; :class:`HoldBound` updates them.

    For every rate :math:`r` and group :math:`g`, with the hard rates :math:`h_g` of the training rows, the
    window's width :math:`\epsilon` and its centre :math:`c`, there are two violations
    :math:`v^\pm_g = \pm(h_g - c) - \epsilon / 2` and two multipliers :math:`\mu^\pm_g`. The loss is

    .. math:: L = \mathrm{CE} + \sum_g (f^+_g - f^-_g) \, r_g, \qquad
              f^\pm_g = \max(0, \mu^\pm_g + \rho k_g v^\pm_g)

    where :math:`r_g` has the value of the hard rate and the gradient of the batch's soft rate. The stiffness
    :math:`k_g` of a group is small where a small push moves the rate far: for small groups, and for rates
    such as precision that a few decisions change. With equal pushes such groups swing from one side of the
    window to the other. The centre is the one at which the pushes cancel,
    :math:`\sum_g f^+_g = \sum_g f^-_g`, as they do at the optimum.

    Parameters
    ----------
    bound : Bound
        What is to be held.
    n_groups : int
        How many groups there are.

    References
    ----------
    Cotter et al., Training Well-Generalizing Classifiers for Fairness Metrics and Other Data-Dependent
    Constraints, ICML 2019, for hard values with surrogate gradients ("proxy Lagrangian"); Nocedal & Wright,
    Numerical Optimization, 2006, chapter 17, for the augmented Lagrangian.
    """

    shares: torch.Tensor
    multipliers: torch.Tensor
    push: torch.Tensor

    def __init__(self, bound: Bound, n_groups: int) -> None:
        super().__init__()
        self.bound, self.n_groups = bound, n_groups
        n_rates = len(bound.constraint.rates)
        self.register_buffer("shares", torch.zeros(len(CELLS), n_groups))
        self.register_buffer("multipliers", torch.zeros(2, n_rates, n_groups))
        self.register_buffer("push", torch.zeros(n_rates, n_groups))

    def fairness(self, shares: torch.Tensor) -> torch.Tensor:
        """Return the pushes' part of the loss for a table of cell shares of shape (4, n_groups)."""
        total = shares.new_zeros(())
        for push, (values, known) in zip(self.push, group_rates(self.bound.constraint, shares), strict=True):
            total = total + (push[known] * self.bound.scale(values)).sum()
        return total

    def forward(self, logits: torch.Tensor, target: Target) -> torch.Tensor:
        """Return the loss of a batch; the parameters are those of :class:`FairLoss`."""
        task = task_loss(logits, target)
        batch = as_shares(cell_sums(soft_decisions(logits), target, self.n_groups))
        return task + self.fairness(anchored(self.shares, batch))

    @torch.no_grad()
    def look(self, shares: torch.Tensor, elapsed: float) -> None:
        """Take the training rows' hard cell shares, and let the multipliers and pushes follow.

        Parameters
        ----------
        shares : tensor of shape (4, n_groups)
            Hard cell shares.
        elapsed : float
            The part of the training that has passed since the last look; multipliers grow by it, so
            that they keep pace with the net whatever the number of steps.
        """
        self.shares.copy_(shares)
        half = (1 - _MARGIN) * self.bound.width / 2
        self.push.zero_()
        with torch.enable_grad():
            cells = shares.clone().requires_grad_()
            rates = [
                (self.bound.scale(values), known)
                for values, known in group_rates(self.bound.constraint, cells)
            ]
        for i, (values, known) in enumerate(rates):
            if len(values) < 2:
                continue
            stiffness = _stiffness(values, cells)[known]
            values = values.detach()
            multipliers = self.multipliers[:, i, known].to(values)
            centre = _balanced_centre(values, half, multipliers / (_PUSH * stiffness), stiffness)
            violation = torch.stack([values - centre - half, centre - values - half])
            multipliers = (multipliers + _GROWTH * elapsed * stiffness * violation).clamp_min(0)
            multipliers = torch.minimum(multipliers, _MAX_MULTIPLIER * stiffness)
            upper, lower = (multipliers + _PUSH * stiffness * violation).clamp_min(0)
            self.multipliers[:, i, known] = multipliers.to(self.multipliers)
            self.push[i, known] = (upper - lower).to(self.push)


def _stiffness(values: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    r"""Return how hard each group is pushed for a violation of one.

    It is :math:`1 / (\sigma_g^2 s_g^{3/2})` for a group with the share :math:`s_g` of the rows, whose rate
    changes by :math:`\sigma_g` (root mean square) per decision that changes. For a selection rate
    :math:`\sigma_g = 1 / s_g`, which leaves :math:`\sqrt{s_g}`: between a push per group and a push per row.
    """
    (slopes,) = torch.autograd.grad(values, cells, torch.ones_like(values), retain_graph=True)
    slope, share = (dict(zip(CELLS, table, strict=True)) for table in (slopes, cells.detach()))
    positive, negative = share["tp"] + share["fn"], share["fp"] + share["tn"]
    # A decision that changes moves a row from fn to tp, or from tn to fp.
    squares = positive * (slope["tp"] - slope["fn"]) ** 2 + negative * (slope["fp"] - slope["tn"]) ** 2
    # No group is stiffer than a whole population; that also settles rates that no decision changes.
    return (1 / (squares * (positive + negative).sqrt())).clamp_max(1)


def _balanced_centre(values: torch.Tensor, half: float, lead: torch.Tensor, stiffness: torch.Tensor) -> float:
    """Return the centre of the window at which the pushes up and the pushes down cancel.

    A small group that lies far out then moves towards the others, rather than all others towards it.
    Each push is linear in the centre up to the point where it ends, so the balance is found exactly by
    interpolating between these points.
    """
    ends = torch.cat([values - half + lead[0], values + half - lead[1]]).sort().values

    def imbalance(centre: torch.Tensor) -> torch.Tensor:
        outside = values - centre[:, None]
        down = (outside - half + lead[0]).clamp_min(0)
        up = (-outside - half + lead[1]).clamp_min(0)
        return ((down - up) * stiffness).sum(1)

    return float(np.interp(0.0, -imbalance(ends).numpy(), ends.numpy()))


class HoldBound(Callback):
    """Look at the training rows every few steps, and update the pushes of a :class:`BoundedLoss`.

    Each look counts the hard cells of the next slice of the training rows; the table of all slices is
    always complete, with no slice older than one round. A look costs less than the training between two
    looks, whatever the size of the data.
    """

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Start without rows."""
        self.slices_: Iterator[Any] | None = None

    def on_epoch_begin(self, net: Any, dataset_train: Any = None, **kwargs: Any) -> None:
        """Plan the looks, and look at all rows before the first step."""
        if self.slices_ is not None:
            return
        steps = net.get_iterator(dataset_train, training=True)
        n_rows, per_step = len(dataset_train), len(dataset_train) / len(steps)
        self.interval_ = min(max(1, math.ceil(n_rows / (_LOOK * per_step))), _MAX_INTERVAL)
        self.elapsed_ = self.interval_ / (net.max_epochs * len(steps))
        slices = Batches(dataset_train, batch_size=min(n_rows, math.ceil(_LOOK * per_step * self.interval_)))
        self.tables_: deque[torch.Tensor] = deque(maxlen=len(slices))
        self.slices_, self.step_ = itertools.cycle(slices), 0
        for _ in range(len(slices) - 1):
            self._count_next_slice(net)
        self._look(net, 0.0)

    def _count_next_slice(self, net: Any) -> None:
        assert self.slices_ is not None  # since the first epoch began
        batch = next(self.slices_)
        decisions = hard_decisions(net.evaluation_step(batch))
        self.tables_.append(cell_sums(decisions, batch[1], net.criterion_.n_groups))

    def _look(self, net: Any, elapsed: float) -> None:
        self._count_next_slice(net)
        shares = as_shares(torch.stack(list(self.tables_)).sum(0))
        net.criterion_.look(shares, elapsed)

    def on_batch_end(self, net: Any, batch: Any = None, training: bool = False, **kwargs: Any) -> None:
        """Look, if it is time."""
        if not training:
            return
        self.step_ += 1
        if self.step_ % self.interval_ == 0:
            self._look(net, self.elapsed_)

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Let go of the training rows."""
        del self.slices_, self.tables_
