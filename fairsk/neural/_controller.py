"""The update of multipliers: how hard groups are pushed whose rates lie outside the window of a bound.

All comparisons, rates and groups are treated at once, in tensors with an axis for each and masks over what
cannot be measured, and nothing is read back: on an accelerator, training does not wait for an update.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from fairsk._core.bounds import Bound
from fairsk.neural._confusion import MIN_SUPPORT
from fairsk.rates import CELLS, Rate

__all__ = ["Controller", "MeasuredRates", "RateTable", "balanced_centre", "window_width"]


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


class MeasuredRates(NamedTuple):
    """The rates of all groups, and how decisions change them.

    Attributes
    ----------
    values : tensor of shape (n_comparisons, n_rates, n_groups)
        What must fit in the windows: rates, or their logarithms; 0 where there is none.
    slopes : tensor of shape (n_comparisons, n_rates, 2, n_groups)
        How a value changes with the share of rows, without the label and with it, that are decided positive.
    measured : tensor of bool of shape (n_comparisons, n_rates, n_groups)
        Which there are: of groups with rows enough, where at least two have them.
    stiffness : tensor of shape (n_comparisons, n_rates, n_groups)
        How hard each is pushed for a violation of one.
    """

    values: torch.Tensor
    slopes: torch.Tensor
    measured: torch.Tensor
    stiffness: torch.Tensor


class RateTable:
    """Bounded rates as tables of coefficients, so that all are measured at once.

    Parameters
    ----------
    rate_bounds : sequence of (Rate, Bound)
        Every rate with its bound.
    min_rate : float
        Logarithms are of rates of this at least.
    """

    def __init__(self, rate_bounds: Sequence[tuple[Rate, Bound]], min_rate: float) -> None:
        self.min_rate = min_rate
        parts = torch.tensor([rate.numerator_coefficients for rate, _ in rate_bounds], dtype=torch.float64)
        wholes = torch.tensor([rate.denominator_coefficients for rate, _ in rate_bounds], dtype=torch.float64)
        self.parts, self.wholes = parts.view(-1, len(CELLS)), wholes.view(-1, len(CELLS))
        self.widths = torch.tensor([window_width(bound) for _, bound in rate_bounds], dtype=torch.float64)
        self.has_ratios = any(bound.comparison == "ratio" for _, bound in rate_bounds)
        self.is_ratio = torch.tensor([bound.comparison == "ratio" for _, bound in rate_bounds])[:, None]

    def to(self, like: torch.Tensor) -> RateTable:
        """Return the table with the type and on the device of a tensor."""
        if self.parts.device == like.device and self.parts.dtype == like.dtype:
            return self
        table = object.__new__(RateTable)
        table.min_rate, table.has_ratios = self.min_rate, self.has_ratios
        table.parts, table.wholes, table.widths = (
            each.to(like) for each in (self.parts, self.wholes, self.widths)
        )
        table.is_ratio = self.is_ratio.to(like.device)
        return table

    def measure(self, shares: torch.Tensor) -> MeasuredRates:
        """Measure all rates.

        Parameters
        ----------
        shares : tensor of shape (n_comparisons, 4, n_groups)
            Cells, as shares of all rows.
        """
        part, support = self.parts @ shares, self.wholes @ shares
        measured = support > MIN_SUPPORT * shares.sum((1, 2), keepdim=True)
        measured = measured & (measured.sum(-1, keepdim=True) >= 2)
        support = support.where(measured, 1.0)
        values = part.where(measured, 0.0) / support
        # A row that is decided positive moves from tn to fp, or from fn to tp.
        parts, wholes = (_moved(each)[:, :, None] for each in (self.parts, self.wholes))
        slopes = (parts - wholes * values[:, :, None]) / support[:, :, None]
        if self.has_ratios:  # differences of logarithms are ratios
            positive = values.clamp_min(self.min_rate)
            values = values.where(~self.is_ratio, positive.log().where(measured, 0.0))
            slopes = slopes.where(~self.is_ratio[:, None], slopes / positive[:, :, None])
        return MeasuredRates(values, slopes, measured, _stiffness(slopes, shares))


def window_width(bound: Bound) -> float:
    """Return the width of the window that the rates, or their logarithms, of all groups must fit in."""
    if bound.comparison == "difference":
        return bound.value
    return -math.log(bound.value) if bound.value else math.inf


def _moved(coefficients: torch.Tensor) -> torch.Tensor:
    """Return what changes with a row that is decided positive, without the label and with it."""
    tp, fp, fn, tn = coefficients.unbind(-1)
    return torch.stack([fp - tn, tp - fn], -1)


def _stiffness(slopes: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    r"""Return how hard each group is pushed for a violation of one.

    It is :math:`1 / (\sigma_g^2 s_g^{3/2})` for a group with the share :math:`s_g` of the rows, whose rate
    changes by :math:`\sigma_g` (root mean square) per decision that changes. For a selection rate
    :math:`\sigma_g = 1 / s_g`, which leaves :math:`\sqrt{s_g}`: between a push per group and a push per row.
    """
    tp, fp, fn, tn = shares.unbind(1)
    by_label = torch.stack([fp + tn, tp + fn], 1)[:, None]
    squares = (by_label * slopes.square()).sum(2)
    # No group is stiffer than a whole population; that also settles rates that no decision changes.
    return 1 / (squares * by_label.sum(2).sqrt()).clamp_min(1)


def balanced_centre(
    values: torch.Tensor, half_width: torch.Tensor, lead: torch.Tensor, gain: torch.Tensor
) -> torch.Tensor:
    """Return the centre of the window at which the forces up and the forces down cancel.

    A small group that lies far out then moves towards the others, rather than all others towards it.
    Each force is linear in the centre up to the point where it ends, so the balance is found exactly by
    interpolating between these points.

    Parameters
    ----------
    values : tensor of shape (..., n_groups)
        What must fit in the window.
    half_width : tensor of shape (..., 1)
        Half the width of the window.
    lead : tensor of shape (2, ..., n_groups)
        The multipliers, down and up, as violations that push as hard.
    gain : tensor of shape (..., n_groups)
        The force of a violation of one; 0 for groups that take no part.

    Returns
    -------
    tensor of shape (..., 1)
        The centre.
    """
    # A force down ends at the first points, a force up begins at the others: to either side of a point the
    # imbalance is linear, and steeper by the gain of what has begun and not ended.
    ends, order = torch.cat([values - half_width + lead[0], values + half_width - lead[1]], -1).sort(-1)
    falls, starts = torch.cat([gain, 0 * gain], -1), torch.cat([0 * gain, gain], -1)
    gains = torch.stack([falls, starts]).gather(-1, order.expand(2, *order.shape))
    # The forces up are sums over the points so far, those down over the points to come.
    slopes, moments = gains.cumsum(-1), (gains * ends).cumsum(-1)
    down = (moments[0, ..., -1:] - moments[0]) - (slopes[0, ..., -1:] - slopes[0]) * ends
    imbalance = (slopes[1] * ends - moments[1]) - down
    # Inside a wide window nothing pushes: the middle of where that is so.
    nothing = 1e-12 * imbalance.abs().amax(-1, keepdim=True)
    sought = torch.cat([-nothing, nothing], -1)
    right = torch.searchsorted(imbalance.contiguous(), sought, right=True).clamp(1, ends.shape[-1] - 1)
    (low, high), (start, end) = (
        (each.gather(-1, right - 1), each.gather(-1, right)) for each in (imbalance, ends)
    )
    part = ((sought - low) / (high - low).where(high > low, 1.0)).clamp(0, 1)
    return (start + part * (end - start)).mean(-1, keepdim=True)
