"""Bands of rates: what a tolerance allows, as a convex null hypothesis, and projections of forecasts on it.

A tolerance says that the rates p_g of all groups lie in one band, ``lo(x) <= p_g <= hi(x)`` for some x:

==================================  ==================  ==================  ==========
tolerance                           lo(x)               hi(x)               reference
==================================  ==================  ==================  ==========
``min_ratio=r``                     r x                 x
``max_difference=d``                x                   x + d
``min_ratio=r``, to a reference     r x                 x / r               p_ref = x
``max_difference=d``, the same      x - d               x + d               p_ref = x
==================================  ==================  ==================  ==========

Both ends are linear in x, so the rates that keep a tolerance are a convex set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fairsk._core.bounds import Bound
from fairsk._core.typing import Bools, Floats

__all__ = ["Band", "project"]

#: Rates of exactly 0 and 1 have no finite log likelihood ratio: the null keeps this far away from them.
_EDGE = 1e-12
#: Newton's method needs three to six steps within one smooth piece, and up to twelve beside a pole of it.
_STEPS = 30
#: Relative precision of the root.
_PRECISE = 1e-13


@dataclass(frozen=True)
class Band:
    """What a tolerance allows the rates of groups to be.

    Parameters
    ----------
    bound : Bound
        The largest difference, or the smallest ratio.
    reference : int, optional
        The place of the group that the others are compared with; by default all pairs are.
    """

    bound: Bound
    reference: int | None = None

    @property
    def low(self) -> tuple[float, float]:
        """The lower end of the band, ``slope * x + constant``."""
        if self.bound.comparison == "ratio":
            return self.bound.value, 0.0
        return (1.0, 0.0) if self.reference is None else (1.0, -self.bound.value)

    @property
    def high(self) -> tuple[float, float]:
        """The upper end of the band, ``slope * x + constant``."""
        if self.bound.comparison == "ratio":
            return (1.0, 0.0) if self.reference is None else (1 / self.bound.value, 0.0)
        return 1.0, self.bound.value

    def ends(self, x: Floats) -> tuple[Floats, Floats]:
        """Return both ends of the band at x."""
        (low_slope, low), (high_slope, high) = self.low, self.high
        return low_slope * x + low, high_slope * x + high

    def kinks(self, rates: Floats) -> Floats:
        """Return every x at which an end of the band meets one of the rates, or x the reference's; sorted."""
        (low_slope, low), (high_slope, high) = self.low, self.high
        met = [(rates - low) / low_slope, (rates - high) / high_slope]
        if self.reference is not None:
            met.append(rates[..., [self.reference]])
        return np.sort(np.concatenate(met, -1), -1)

    def is_kept(self, rates: Floats, present: Bools) -> Bools:
        """Tell whether rates lie in a band; groups that are not present are passed over.

        Parameters
        ----------
        rates : array of shape (..., n_groups)
            A rate of each group.
        present : array of shape (..., n_groups)
            Which groups count.
        """
        if self.reference is None:
            highest = np.where(present, rates, -np.inf).max(-1)
            lowest = np.where(present, rates, np.inf).min(-1)
            if self.bound.comparison == "ratio":
                return lowest >= self.bound.value * highest
            return highest <= lowest + self.bound.value
        low, high = self.ends(rates[..., [self.reference]])
        within = (rates >= low) & (rates <= high)
        # Without the reference there is nothing that the others could be too far from.
        return (within | ~present).all(-1) | ~present[..., self.reference]


def project(forecasts: Floats, sizes: Floats, band: Band) -> Floats:
    """Project forecasts on the rates that keep a tolerance, by Kullback-Leibler divergence.

    The projection q minimises ``sum_g n_g KL(t_g || q_g)``. For a given x it is t clipped into the band, so
    what is sought is one x: the root of the derivative,

        G(x) = sum_{t < lo} n lo' (lo - t) / (lo (1 - lo)) + sum_{t > hi} n hi' (hi - t) / (hi (1 - hi))

    and ``n_ref (x - t_ref) / (x (1 - x))`` for a reference group, whose rate is x itself. G increases in x,
    for the divergence is convex along the band.

    Parameters
    ----------
    forecasts : array of shape (..., n_groups)
        The forecast rates t, between 0 and 1, neither included.
    sizes : array of shape (..., n_groups)
        The numbers of decisions n in the batch.
    band : Band
        The tolerance.

    Returns
    -------
    array of shape (..., n_groups)
        The projections q; the forecast itself where it keeps the tolerance.
    """
    t, n = np.broadcast_arrays(forecasts, sizes)
    broken = ~band.is_kept(t, n > 0)
    projected = t.copy()
    projected[broken] = project_broken(t[broken], n[broken], band)
    return projected


def project_broken(t: Floats, n: Floats, band: Band) -> Floats:
    """Project forecasts of shape (n_lines, n_groups), none of which keeps the tolerance: see `project`."""
    return _clipped(_root(t, n, band), t, band)


def _clipped(x: Floats, t: Floats, band: Band) -> Floats:
    """Return the rates of the band at x that are nearest to forecasts.

    They lie between forecasts, or beside the reference's, and so strictly between 0 and 1.
    """
    q = np.clip(t, *band.ends(x))
    if band.reference is not None:
        q[:, band.reference] = x[:, 0]
    return q


def _pulls(x: Floats, t: Floats, n: Floats, band: Band) -> tuple[Floats, Floats, Floats]:
    """Return every group's term of G(x), its projection q, and how fast q moves with x."""
    q = _clipped(x, t, band)
    # A group whose forecast lies in the band has q = t, and does not pull.
    speed = np.where(q > t, band.low[0], np.where(q < t, band.high[0], 0.0))
    if band.reference is not None:
        speed[:, band.reference] = 1.0
    return n * speed * (q - t) / (q * (1 - q)), q, speed


def _root(t: Floats, n: Floats, band: Band) -> Floats:
    """Return the root x of G in every line, of shape (n_lines, 1).

    Between two neighbouring kinks G is smooth. Which two the root lies between is found by bisection over the
    kinks, so that Newton's method never crosses one, where it could cycle for ever.
    """
    # G <= 0 at the first kink, where nothing pulls down, and G >= 0 at the last: the root lies between them.
    kinks = np.clip(band.kinks(t), _EDGE, 1 - _EDGE)
    lines = np.arange(len(t))
    first, last = np.zeros(len(t), np.intp), np.full(len(t), kinks.shape[1] - 1)
    for _ in range(int(kinks.shape[1] - 2).bit_length()):
        middle = (first + last) // 2  # the first one itself once both are neighbours, where G <= 0 holds
        is_below = (_pulls(kinks[lines, middle, None], t, n, band)[0].sum(1) < 0) | (middle == first)
        first, last = np.where(is_below, middle, first), np.where(is_below, last, middle)
    return _smooth_root(kinks[lines, first, None], kinks[lines, last, None], t, n, band)


def _smooth_root(low: Floats, high: Floats, t: Floats, n: Floats, band: Band) -> Floats:
    """Return the root of G between neighbouring kinks."""
    x = (low + high) / 2
    for _ in range(_STEPS):
        pull, q, speed = _pulls(x, t, n, band)
        g = pull.sum(1, keepdims=True)
        curvature = n * speed * speed * (q * q - 2 * q * t + t) / np.square(q * (1 - q))
        slope = curvature.sum(1, keepdims=True)
        low, high = np.where(g < 0, x, low), np.where(g < 0, high, x)
        # Newton's method on g x (1 - x), which is nearly a straight line: g itself has poles at 0 and 1.
        variance = x * (1 - x)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = x - g * variance / (slope * variance + g * (1 - 2 * x))
        # A step out of the bracket, or none at all, is replaced by half of the bracket.
        step = np.where((step >= low) & (step <= high), step, (low + high) / 2)
        is_done = np.abs(step - x) <= _PRECISE * x
        x = step
        if is_done.all():
            break
    return x
