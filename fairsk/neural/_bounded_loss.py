r"""Bounds held in training: an augmented Lagrangian with hard values and soft gradients.

A bound asks that a rate lies, for all groups, in a window of a given width: the rate itself for
``max_difference``, its logarithm for ``min_ratio``. How far a group is outside is counted on hard predictions
for the training rows, so it is the disparity that will be reported, not a soft stand-in for it. The
direction in which to move comes from the soft rates of the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fairsk._core.bounds import Bound, BoundedConstraint
from fairsk._core.typing import Bools, Floats
from fairsk.neural._comparisons import GroupComparison
from fairsk.neural._confusion import (
    Target,
    as_cells,
    log_probabilities,
    measurable_groups,
    slot_prices,
)
from fairsk.neural._loss import TINY, GroupLoss
from fairsk.rates import Rate

__all__ = ["BoundedLoss", "Controller"]


@dataclass(frozen=True)
class Controller:
    r"""Settings of the update of multipliers. Forces are in units of the group's stiffness :math:`k_g`.

    Each has a test in ``tests/test_bounded_loss.py`` that fails without it.

    Parameters
    ----------
    gain : float
        The force of a violation of one at once, :math:`\rho`. What is known of the rows lags behind the net,
        and larger forces make it swing; with smaller ones few steps miss a bound.
    growth : float
        How much a multiplier grows if a violation of one lasts the whole training: after a fifteenth of it, a
        violation has twice the force that it had at first. Slower growth ends before the bound is met.
    full_gain, full_growth : float
        The same where all rows are one batch: every step is followed by decisions about all of them, nothing
        lags, and there are few steps in which small groups must be moved.
    initial_scale : float
        Forces start at this part of what they are later: the first violations are those of random weights,
        and rates that a few decisions change in small groups take long to come back from large forces.
    backoff : float
        Forces on a rate shrink to this part when its violations turn over from one update to the next: with
        forces too strong for what the net can follow, the groups would swing from one side of the window to
        the other. (Equalized odds by sex in Adult, bound .02, and two constraints that pull against each
        other, are missed by .01 to .04 without.)
    recovery : float
        How fast scaled forces grow back: by this power of e over the whole training, up to their full size.
        From their start they are whole after a fifth of it.
    dead_zone : float
        Violations of less than this part of half the window do not count as turning over: near the window
        they change their sides by chance.
    max_multiplier : float
        No multiplier passes this: where a bound cannot be met, the forces would outweigh the cross-entropy,
        and the predictions become constant.
    shrink : float
        The window is narrower than the bound by this part of it, so that the bound is met and not just
        approached; for one rate of two groups, and by more with the logarithm of how many rates there are,
        since it is the two farthest that count.
    min_rate : float
        Below this a rate's logarithm would fall without end, and the group, too steep, hardly have a force;
        there a ratio is held as if the rate were this.
    memory : float
        Decisions are forgotten after this part of the training, or an epoch if that is shorter: in a training
        of few epochs they are old, and a force must not outlast its cause.
    update_interval : int
        Steps between two updates, at most. Each is preceded by decisions about as many rows, in turn, as the
        steps since the last one have trained on: a forward pass, a quarter of what the training costs. With
        one update per epoch, few epochs miss a bound by far.
    """

    gain: float = 10.0
    growth: float = 150.0
    full_gain: float = 25.0
    full_growth: float = 500.0
    initial_scale: float = 0.3
    backoff: float = 0.7
    recovery: float = 6.0
    dead_zone: float = 0.1
    max_multiplier: float = 20.0
    shrink: float = 0.02
    min_rate: float = 1e-3
    memory: float = 0.05
    update_interval: int = 5

    def next_scale(self, scale: float, elapsed: float, *, oscillates: bool) -> float:
        """Return the part of the forces that is applied next, after one that was applied for a while."""
        if oscillates:
            return scale * self.backoff
        return min(1.0, scale * math.exp(self.recovery * elapsed))


class BoundedLoss(GroupLoss):
    r"""Cross-entropy plus the forces of an augmented Lagrangian.

    :class:`fairsk.neural._callbacks.MultiplierUpdate` updates the multipliers.

    For every rate :math:`r` and group :math:`g`, with the hard rates :math:`h_g` of the training rows, the
    window's width :math:`\epsilon` and its centre :math:`c`, there are two violations
    :math:`v^\pm_g = \pm(h_g - c) - \epsilon / 2` and two multipliers :math:`\mu^\pm_g`. The loss is

    .. math:: L = \mathrm{CE} + \sum_g (f^+_g - f^-_g) \, r_g, \qquad
              f^\pm_g = \max(0, \mu^\pm_g + \rho k_g v^\pm_g)

    where :math:`r_g` has the value of the hard rate and the gradient of the batch's soft rate. The stiffness
    :math:`k_g` of a group is small where a small force moves the rate far: for small groups, and for rates
    such as precision that a few decisions change. With equal forces such groups swing from one side of the
    window to the other; where they do so nonetheless, the scale of their rate's forces shrinks. The centre is
    the one at which the forces cancel,
    :math:`\sum_g f^+_g = \sum_g f^-_g`, as they do at the optimum.

    ================= ====================================================================
    formula           code
    ================= ====================================================================
    :math:`h`         ``values``
    :math:`c`         ``centre``
    :math:`\epsilon`  ``2 * half_width``
    :math:`v^\pm`     ``violation``, of shape (2, n_groups): above the window, below it
    :math:`\mu^\pm`   ``multipliers``, likewise
    :math:`f^+ - f^-` ``force``
    :math:`k`         ``stiffness``
    :math:`\rho`      ``gain``, that of the controller times the ``step_scale`` of the rate
    ================= ====================================================================

    Between two updates the forces stand still, and come down to a price on the positive decision of each
    row, one per group and label.

    Parameters
    ----------
    bounds : sequence of BoundedConstraint
        The constraints with their bounds.
    comparisons : sequence of GroupComparison
        Which groups are compared, in which class against the rest.
    n_classes : int
        How many logits there are per row.
    class_weight : tensor of shape (n_classes,), optional
        What errors on rows of each class count in the cross-entropy.
    controller : Controller, optional
        How multipliers follow violations.

    References
    ----------
    Cotter et al., Training Well-Generalizing Classifiers for Fairness Metrics and Other Data-Dependent
    Constraints, ICML 2019, for hard values with surrogate gradients ("proxy Lagrangian"); Nocedal & Wright,
    Numerical Optimization, 2006, chapter 17, for the augmented Lagrangian.
    """

    multipliers: torch.Tensor
    step_scale: torch.Tensor
    offset: torch.Tensor

    def __init__(
        self,
        bounds: Sequence[BoundedConstraint],
        comparisons: Sequence[GroupComparison],
        n_classes: int,
        class_weight: torch.Tensor | None = None,
        controller: Controller | None = None,
    ) -> None:
        super().__init__([bounded.constraint for bounded in bounds], comparisons, n_classes, class_weight)
        self.controller = Controller() if controller is None else controller
        self.rate_bounds = _tightest(bounds)
        n_groups = max(each.n_groups for each in self.comparisons)
        shape = (2, len(self.comparisons), len(self.rate_bounds), n_groups)
        self.register_buffer("multipliers", torch.zeros(shape, dtype=torch.float64))
        #: By comparison and rate, the part of the forces that is applied.
        initial_scale = torch.full(shape[1:3], self.controller.initial_scale, dtype=torch.float64)
        self.register_buffer("step_scale", initial_scale)
        #: The part of the loss that no decision changes, for every comparison.
        self.register_buffer("offset", torch.zeros(len(self.comparisons)))
        for i, comparison in enumerate(self.comparisons):
            self.register_buffer(f"prices_{i}", torch.zeros(2 * comparison.n_groups))
        #: By comparison and rate, how hard each group's rate is pushed down.
        self.forces_: dict[tuple[int, int], Floats] = {}
        #: By comparison and rate, how far groups last were outside the window (below it, if negative).
        self.outside_: dict[tuple[int, int], Floats] = {}

    @property
    def aims(self) -> tuple[Any, ...]:
        """What must agree for multipliers to be handed on to another loss of the type."""
        return *super().aims, tuple((rate, bound.comparison) for rate, bound in self.rate_bounds)

    def group_sums(
        self, logits: torch.Tensor, target: Target, logs: torch.Tensor | None = None
    ) -> list[tuple[torch.Tensor, Any]]:
        """Return nothing: the fairness term follows from the cells of the decisions."""
        return []

    def fairness(self, shares: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the forces' part of the loss for tables of cell shares of shape (4, n_groups)."""
        total = 0.0
        for (i, j), force in self.forces_.items():
            rate, bound = self.rate_bounds[j]
            table = shares[i].detach().cpu().double().numpy()
            measured = measurable_groups(rate, table)
            if measured.any():
                values, _ = _scaled_rates(rate, bound, table[:, measured], self.controller.min_rate)
                total += float((force[measured] * values).sum())
        return torch.tensor(total)

    def forward(self, logits: torch.Tensor, target: Any) -> torch.Tensor:
        """Return the loss of a batch; the parameters are those of :class:`FairLoss`."""
        logits = self.checked(logits, target)
        logs = log_probabilities(logits.detach())
        probabilities = logs.exp()
        views = self.views(logits.detach(), target, probabilities)
        weights = self.over_strata([view.total_weight for view in views])
        prices = [
            getattr(self, f"prices_{i}").to(logs) / max(weight, TINY) for i, weight in enumerate(weights)
        ]
        value = self.task_loss(logs, target) + self.offset.sum().to(logs)
        return self.cost_sensitive_loss(logits, value, probabilities, views, prices, target)

    @torch.no_grad()
    def update_multipliers(self, tables: Sequence[Floats], elapsed: float, *, is_full: bool = False) -> None:
        """Let multipliers and forces follow the decisions about the rows.

        Parameters
        ----------
        tables : sequence of arrays of shape (4, n_groups)
            Hard cells, for every comparison.
        elapsed : float
            The part of the training that has passed since the last update; multipliers grow by it, so that
            they keep pace with the net whatever the number of steps.
        is_full : bool
            Whether all rows are one batch.
        """
        settings = self.controller
        gain = settings.full_gain if is_full else settings.gain
        growth = (settings.full_growth if is_full else settings.growth) * elapsed
        multipliers = self.multipliers.cpu().numpy().copy()
        weights = self.over_strata([table.sum() for table in tables])
        for i, (table, weight) in enumerate(zip(tables, weights, strict=True)):
            shares = table / max(weight, TINY)
            total_slopes, offset = np.zeros(shares.shape), 0.0
            for j, (rate, bound) in enumerate(self.rate_bounds):
                measured = measurable_groups(rate, shares)
                if measured.sum() < 2:
                    self.forces_.pop((i, j), None)
                    continue
                values, slopes = _scaled_rates(rate, bound, shares[:, measured], settings.min_rate)
                stiffness = _stiffness(slopes, shares[:, measured])
                n_rates = measured.sum() * len(self.rate_bounds) * len(self.comparisons)
                half_width = (1 - settings.shrink * math.log2(n_rates)) * _width(bound) / 2
                before = multipliers[:, i, j, : len(measured)][:, measured]
                scale = float(self.step_scale[i, j])
                after, force, outside = _follow(
                    values,
                    half_width,
                    before,
                    gain=gain * scale * stiffness,
                    growth=growth * scale * stiffness,
                    max_multiplier=settings.max_multiplier * stiffness,
                )
                outside[np.abs(outside) <= settings.dead_zone * half_width] = 0.0
                oscillates = self._turns_over((i, j), measured, outside)
                self.step_scale[i, j] = settings.next_scale(scale, elapsed, oscillates=oscillates)
                multipliers[:, i, j, np.flatnonzero(measured)] = after
                total_slopes[:, measured] += force * slopes
                offset += float(force @ values)
                self.forces_[i, j] = np.zeros(len(measured))
                self.forces_[i, j][measured] = force
            getattr(self, f"prices_{i}").copy_(slot_prices(torch.from_numpy(total_slopes)))
            self.offset[i] = offset
        self.multipliers.copy_(torch.from_numpy(multipliers))

    def _turns_over(self, key: tuple[int, int], measured: Bools, outside: Floats) -> bool:
        """Note how far the groups are outside the window, and tell whether that has changed its sides."""
        now = np.zeros(len(measured))
        now[measured] = outside
        if not now.any():
            return False
        before = self.outside_.get(key, now)
        self.outside_[key] = now
        return bool(now @ before < 0)


def _tightest(bounds: Sequence[BoundedConstraint]) -> tuple[tuple[Rate, Bound], ...]:
    """Return every rate with its bound, the tightest of either kind."""
    tightest: dict[tuple[Rate, str], Bound] = {}
    for bounded in bounds:
        for rate in bounded.constraint.rates:
            key = rate, bounded.bound.comparison
            tightest[key] = min(tightest.get(key, bounded.bound), bounded.bound, key=_width)
    return tuple((rate, bound) for (rate, _), bound in tightest.items() if math.isfinite(_width(bound)))


def _width(bound: Bound) -> float:
    """Return the width of the window that the (scaled) rates of all groups must fit in."""
    if bound.comparison == "difference":
        return bound.value
    return -math.log(bound.value) if bound.value else math.inf


def _scaled_rates(rate: Rate, bound: Bound, shares: Floats, min_rate: float) -> tuple[Floats, Floats]:
    """Return what must fit in the window, and its slope in each cell, of shape (4, n_groups)."""
    cells = as_cells(shares)
    values, slopes = rate(cells), np.stack(list(rate.slopes(cells).values()))
    if bound.comparison == "difference":
        return values, slopes
    values = np.maximum(values, min_rate)
    return np.log(values), slopes / values  # differences of logarithms are ratios


def _stiffness(slopes: Floats, shares: Floats) -> Floats:
    r"""Return how hard each group is pushed for a violation of one.

    It is :math:`1 / (\sigma_g^2 s_g^{3/2})` for a group with the share :math:`s_g` of the rows, whose rate
    changes by :math:`\sigma_g` (root mean square) per decision that changes. For a selection rate
    :math:`\sigma_g = 1 / s_g`, which leaves :math:`\sqrt{s_g}`: between a push per group and a push per row.
    """
    slope, share = as_cells(slopes), as_cells(shares)
    positive, negative = share["tp"] + share["fn"], share["fp"] + share["tn"]
    # A decision that changes moves a row from fn to tp, or from tn to fp.
    squares = positive * (slope["tp"] - slope["fn"]) ** 2 + negative * (slope["fp"] - slope["tn"]) ** 2
    # No group is stiffer than a whole population; that also settles rates that no decision changes.
    return 1 / np.maximum(squares * np.sqrt(positive + negative), 1)


def _follow(
    values: Floats,
    half_width: float,
    multipliers: Floats,
    *,
    gain: Floats,
    growth: Floats,
    max_multiplier: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Return the multipliers after an update, the force on each group's rate, and how far it is outside."""
    centre = _balanced_centre(values, half_width, multipliers / gain, gain)
    violation = np.stack([values - centre - half_width, centre - values - half_width])
    multipliers = np.clip(multipliers + growth * violation, 0, max_multiplier)
    upper, lower = np.maximum(multipliers + gain * violation, 0)
    above, below = np.maximum(violation, 0)
    return multipliers, upper - lower, above - below


def _balanced_centre(values: Floats, half_width: float, lead: Floats, gain: Floats) -> float:
    """Return the centre of the window at which the forces up and the forces down cancel.

    A small group that lies far out then moves towards the others, rather than all others towards it.
    Each force is linear in the centre up to the point where it ends, so the balance is found exactly by
    interpolating between these points. ``lead`` are the multipliers as violations that push as hard.
    """
    ends = np.sort(np.concatenate([values - half_width + lead[0], values + half_width - lead[1]]))
    outside = values - ends[:, None]
    down = np.maximum(outside - half_width + lead[0], 0)
    up = np.maximum(-outside - half_width + lead[1], 0)
    imbalance = (up - down) @ gain
    nothing = 1e-12 * np.abs(imbalance).max()  # inside a wide window nothing pushes: the middle of where so
    return float(np.interp([-nothing, nothing], imbalance, ends).mean())
