"""The update of multipliers: how hard groups are pushed whose rates lie outside the window of a bound.

All comparisons, rates and groups are treated at once, in tensors with an axis for each and masks over what
cannot be measured, and nothing is read back: on an accelerator, training does not wait for an update.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from fairsk._core.bounds import Bound
from fairsk.neural._confusion import MIN_SUPPORT, TINY
from fairsk.rates import CELLS, Rate

__all__ = [
    "Controller",
    "ControllerState",
    "MeasuredRates",
    "RateTable",
    "balanced_centre",
    "follow",
    "window_width",
]

#: The part of the memory that one update counts for, at most: with few steps, a force that doubled within
#: less than five updates would swing before the net has answered, and one that took ten would come too late.
MOST_RECENT = 0.2


@dataclass(frozen=True)
class Controller:
    r"""Settings of the update of multipliers.

    Each has a test in ``tests/test_bounded_loss.py`` that fails without it.

    Parameters
    ----------
    gain : float
        The force of a violation at once, :math:`\rho`, in units of the rate's variance and the group's
        stiffness. What is known of the rows lags behind the net, and larger forces make it swing; with
        smaller ones few steps miss a bound.
    memory : float
        What counts as recent: this part of the training. Older decisions are forgotten, or those older than
        an epoch if that is shorter: in a training of few epochs they are old, and a force must not outlast
        its cause. A violation that lasts as long has twice the force that it had at first, and scales
        recover in twice that time from one turn.
    backoff : float
        Forces on a rate shrink to this part when its violations turn over from one update to the next: with
        forces too strong for what the net can follow, the groups would swing from one side of the window to
        the other. While a violation lasts they grow, and otherwise return to their first size.
    max_price : float
        The forces of one rate come to no larger price of a positive decision than this, averaged over all
        rows. A price of two is where the decision about a row of certain label turns: cross-entropy and
        price, ``-log(p) + 2 p``, are least at even odds. Where a bound cannot be met, such as by chance in
        many small groups that are held out, forces without an end would leave nothing to learn by.
    shrink : float
        The window is narrower than the bound by this part of it, so that the bound is met and not just
        approached; for one rate of two groups, and by more with the logarithm of how many rates there are,
        since it is the two farthest that count.
    min_rate : float
        Below this a rate's logarithm would fall without end, and the group, too steep, hardly have a force;
        there a ratio is held as if the rate were this. Nor does a rate vary less than if so few rows were
        decided unlike the others.
    update_interval : int
        Steps between two updates, at most. Each is preceded by decisions about as many rows, in turn, as the
        steps since the last one have trained on: a forward pass, a quarter of what the training costs. With
        one update per epoch, few epochs miss a bound by far.
    """

    gain: float = 1.0
    memory: float = 0.05
    backoff: float = 0.7
    max_price: float = 2.0
    shrink: float = 0.02
    min_rate: float = 1e-3
    update_interval: int = 5

    def next_scale(
        self, scale: torch.Tensor, recent: float, *, lasts: torch.Tensor, turns: torch.Tensor
    ) -> torch.Tensor:
        """Return the scale of the forces after an update.

        Parameters
        ----------
        scale : tensor
            The scale so far.
        recent : float
            The time that it was applied, in units of the memory.
        lasts, turns : tensor of bool
            Whether a violation lasts, and whether it has changed its side.
        """
        # Multipliers double a force within the memory; scales compound that, so they take twice the time for
        # what they lose in one turn. A turn takes back half of what they had grown as well (in logarithms):
        # in swings of whatever length they come to rest.
        pace = self.backoff ** (-recent / 2)
        # Where training goes on and on, scales stop at what a violation makes of them in a whole training.
        grown = (scale * pace).clamp_max(self.backoff ** (-1 / (2 * self.memory)))
        at_rest = torch.ones_like(scale).clamp(scale / pace, grown)  # one, or nearer to it
        turned = scale.minimum(scale.sqrt()) * self.backoff
        return turned.where(turns, grown.where(lasts, at_rest))


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
        How hard each is pushed for a violation of one; 0 where there is none.
    variance : tensor of shape (n_comparisons, n_rates, 1)
        That of what a row counts in the rate, over all groups: :math:`h (1 - h)` of a share :math:`h`.
    support : tensor of shape (n_comparisons, n_rates, n_groups)
        The share of the rows that each is measured on.
    reach : tensor of shape (n_comparisons, n_rates, n_groups)
        The price of a positive decision, averaged over all rows, that a force of one on a group comes to.
    """

    values: torch.Tensor
    slopes: torch.Tensor
    measured: torch.Tensor
    stiffness: torch.Tensor
    variance: torch.Tensor
    reach: torch.Tensor
    support: torch.Tensor


class ControllerState(NamedTuple):
    """What an update goes on from.

    Attributes
    ----------
    multipliers : tensor of shape (2, n_comparisons, n_rates, n_groups)
        How hard rates are pushed by violations that have lasted, down and up.
    step_scale : tensor of shape (n_comparisons, n_rates, 1)
        By how much forces are larger than at first.
    outside : tensor of shape (n_comparisons, n_rates, n_groups)
        How far groups last were outside the window (below it, if negative).
    """

    multipliers: torch.Tensor
    step_scale: torch.Tensor
    outside: torch.Tensor


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
        self.min_rate, self.n_rates = min_rate, len(rate_bounds)  # none, where all bounds allow anything
        coefficients = [
            [rate.numerator_coefficients, rate.denominator_coefficients] for rate, _ in rate_bounds
        ]
        by_rate = torch.tensor(coefficients, dtype=torch.float64).view(self.n_rates, 2, len(CELLS))
        parts, wholes = by_rate.unbind(1)
        #: Numerators and denominators; then, for variances, the means of their squares and of their product.
        sums = [parts, wholes, parts**2, parts * wholes, wholes**2]
        self.sums, self.n_sums = torch.cat(sums), len(sums)
        #: A row that is decided positive moves from tn to fp, or from fn to tp.
        self.moved = torch.tensor([[0, 1, 0, -1], [1, 0, -1, 0]], dtype=torch.float64)
        self.part_moves, self.whole_moves = ((self.moved @ each.T).T[..., None] for each in (parts, wholes))
        widths = [window_width(bound) for _, bound in rate_bounds]
        self.widths = torch.tensor(widths, dtype=torch.float64)[:, None]
        is_ratio = [bound.comparison == "ratio" for _, bound in rate_bounds]
        self.has_ratios, self.is_ratio = any(is_ratio), torch.tensor(is_ratio, dtype=torch.bool)[:, None]

    def to(self, like: torch.Tensor) -> RateTable:
        """Return the table with the type and on the device of a tensor."""
        if self.sums.device == like.device and self.sums.dtype == like.dtype:
            return self
        table = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, torch.Tensor):
                dtype = value.dtype if value.dtype == torch.bool else like.dtype
                setattr(table, name, value.to(like.device, dtype))
        return table

    def measure(self, shares: torch.Tensor) -> MeasuredRates:
        """Measure all rates.

        Parameters
        ----------
        shares : tensor of shape (n_comparisons, 4, n_groups)
            Cells, as shares of all rows.
        """
        sums = (self.sums @ shares).unflatten(1, (self.n_sums, self.n_rates))
        part, support = sums[:, 0], sums[:, 1]
        measured = support > MIN_SUPPORT * shares.sum((1, 2), keepdim=True)
        measured = measured & (measured.sum(-1, keepdim=True) >= 2)
        support = support.masked_fill(~measured, 1.0)
        values = part * measured / support
        slopes = (self.part_moves - self.whole_moves * values[:, :, None]) / support[:, :, None]
        if self.has_ratios:  # differences of logarithms are ratios
            positive = values.clamp_min(self.min_rate)
            values = values.where(~self.is_ratio, positive.log() * measured)
            slopes = slopes.where(~self.is_ratio[:, None], slopes / positive[:, :, None])
        by_label = (self.moved.abs() @ shares)[:, None]
        stiffness = self._stiffness(slopes, by_label) * measured
        reach = (by_label * slopes.abs()).sum(2) * measured
        variance = self._variance(sums, measured)
        return MeasuredRates(values, slopes, measured, stiffness, variance, reach, support)

    @staticmethod
    def _stiffness(slopes: torch.Tensor, by_label: torch.Tensor) -> torch.Tensor:
        r"""Return how hard each group is pushed for a violation of one.

        It is :math:`1 / (\sigma_g^2 s_g^{3/2})` for a group with the share :math:`s_g` of the rows, whose
        rate changes by :math:`\sigma_g` (root mean square) per decision that changes. For a selection rate
        :math:`\sigma_g = 1 / s_g`, which leaves :math:`\sqrt{s_g}`: between a push per group and a push
        per row.
        """
        squares = (by_label * slopes.square()).sum(2)
        # No group is stiffer than a whole population; that also settles rates that no decision changes.
        return (squares * by_label.sum(2).sqrt()).clamp_min(1).reciprocal()

    def _variance(self, sums: torch.Tensor, measured: torch.Tensor) -> torch.Tensor:
        """Return the variance over all groups: the mean square of part - mean * whole in the denominator."""
        part, support, *squares = (sums * measured[:, None]).sum(-1, keepdim=True).unbind(1)
        support = support.clamp_min(TINY)
        mean = part / support
        variance = (squares[0] - mean * (2 * squares[1] - mean * squares[2])) / support
        return variance.clamp_min(self.min_rate)


def window_width(bound: Bound) -> float:
    """Return the width of the window that the rates, or their logarithms, of all groups must fit in."""
    if bound.comparison == "difference":
        return bound.value
    return -math.log(bound.value) if bound.value else math.inf


def follow(
    rates: MeasuredRates,
    widths: torch.Tensor,
    before: ControllerState,
    settings: Controller,
    elapsed: float,
    distances: torch.Tensor,
    max_price: torch.Tensor,
    n_rows: torch.Tensor | None = None,
) -> tuple[ControllerState, torch.Tensor]:
    """Return the state after an update, and the forces, of shape (n_comparisons, n_rates, n_groups).

    Parameters
    ----------
    rates : MeasuredRates
        The rates of the groups.
    widths : tensor of shape (n_rates, 1)
        How wide the windows of the bounds are.
    before : ControllerState
        The state so far.
    settings : Controller
        How multipliers follow violations.
    elapsed : float
        The part of the training that has passed since the last update.
    distances : tensor of shape (n_comparisons, n_rates, n_groups)
        How far each rate is to stay away from the ends of its window.
    max_price : tensor of shape (n_comparisons, 1, 1)
        The end of forces, in what they cost on average.
    n_rows : tensor of shape (n_comparisons, 1, 1), optional
        How many rows there are, if they are held out. A violation that lasts there may be one of chance,
        which no force can mend, and larger ones would cost accuracy for nothing: so it enlarges the scale of
        forces only if a group is outside by more than the largest deviation to be expected by chance.
    """
    values, _, measured, stiffness, variance, reach, support = rates
    # However long ago the last update was: the net must answer to it before the force has doubled.
    recent = min(MOST_RECENT, elapsed / settings.memory)
    gain = stiffness * (settings.gain * before.step_scale / variance)
    n_rates = measured.sum(-1, keepdim=True, dtype=values.dtype).clamp_min(1) * measured[..., 0].numel()
    half_width = ((1 - settings.shrink * n_rates.log2()) * (widths / 2) - distances).clamp_min(0)
    lead = before.multipliers / gain.masked_fill(~measured, 1.0)
    centre = balanced_centre(values, half_width, lead, gain)
    violation = torch.stack([values - centre, centre - values]) - half_width
    push = gain * violation
    grown = (before.multipliers + recent * push).clamp_min(0)
    multipliers = _within(grown * measured, reach, max_price)[0].where(measured, before.multipliers)
    (down, up), is_at_end = _within(((multipliers + push) * measured).clamp_min(0), reach, max_price)

    above, below = violation.clamp_min(0)
    outside = (above - below) * measured
    lasts = is_outside = outside.any(-1, keepdim=True)
    turns = (outside * before.outside).sum(-1, keepdim=True) < 0
    if n_rows is not None:
        n_groups = measured.sum(-1, keepdim=True, dtype=values.dtype)
        # The expected largest of so many normal deviations (Blom 1958), in standard errors of each group.
        largest = torch.special.ndtri((n_groups - 0.375) / (n_groups + 0.25))
        chance = largest * reach * (variance / (support * n_rows).clamp_min(1)).sqrt()
        lasts = lasts & ((outside.abs() > chance) & measured).any(-1, keepdim=True)
    # Forces that have come to their end would not get larger by a larger scale, only slower to come back.
    scale = settings.next_scale(before.step_scale, recent, lasts=lasts & ~is_at_end, turns=turns)
    return ControllerState(multipliers, scale, outside.where(is_outside, before.outside)), down - up


def _within(
    forces: torch.Tensor, reach: torch.Tensor, max_price: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return forces down and up that cost no more than a price, and whether they had to be shortened."""
    price = (forces * reach).sum(-1, keepdim=True).amax(0)
    return forces * (max_price / price.clamp_min(TINY)).clamp_max(1), price > max_price


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
    half_width : tensor of shape (..., n_groups) or (..., 1)
        Half the width of the window, or of what of it is open to each group.
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
    # imbalance is linear, and steeper by the gain of what has begun and less so by that of what has ended.
    ends, order = torch.cat([values - half_width + lead[0], values + half_width - lead[1]], -1).sort(-1)
    changes = torch.cat([-gain, gain], -1).gather(-1, order)
    falls = changes.clamp_max(0)
    slope = changes.cumsum(-1) - falls.sum(-1, keepdim=True)
    moment = (changes * ends).cumsum(-1) - (falls * ends).sum(-1, keepdim=True)
    imbalance = slope * ends - moment
    # Inside a wide window nothing pushes: the middle of where that is so.
    nothing = 1e-12 * imbalance.abs().amax(-1, keepdim=True)
    sought = torch.cat([-nothing, nothing], -1)
    right = torch.searchsorted(imbalance, sought, right=True).clamp(1, ends.shape[-1] - 1)
    low, high = imbalance.gather(-1, right - 1), imbalance.gather(-1, right)
    start, end = ends.gather(-1, right - 1), ends.gather(-1, right)
    part = ((sought - low) / (high - low).clamp_min(TINY)).clamp(0, 1)
    return (start + part * (end - start)).mean(-1, keepdim=True)
