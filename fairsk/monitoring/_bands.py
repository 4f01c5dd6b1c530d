"""Bands of rates: what a tolerance allows, as a convex null hypothesis, and the projection of a forecast on it.

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
        """Return every x at which an end of the band meets one of the rates, sorted."""
        (low_slope, low), (high_slope, high) = self.low, self.high
        both = np.concatenate([(rates - low) / low_slope, (rates - high) / high_slope], -1)
        return np.sort(both, -1)

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
            slope, constant = self.low
            if self.bound.comparison == "ratio":  # x is the upper end
                return lowest >= slope * highest
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

    and ``n_ref (x - t_ref) / (x (1 - x))`` for a reference group, whose rate is x itself. G increases in x, for
    the divergence is convex along the band.

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
    forecasts, sizes = np.broadcast_arrays(forecasts, sizes)
    shape = forecasts.shape
    t, n = (values.reshape(-1, shape[-1]) for values in (forecasts, sizes))
    broken = ~band.is_kept(t, n > 0)
    if not broken.any():
        return forecasts.copy()
    projected = t.copy()
    projected[broken] = _at_root(t[broken], n[broken], band)
    return projected.reshape(shape)


def _at_root(t: Floats, n: Floats, band: Band) -> Floats:
    """Return the projections of forecasts that do not keep the tolerance, one per line."""
    x = _root(t, n, band)
    low, high = (np.clip(end, _EDGE, 1 - _EDGE) for end in band.ends(x))
    q = np.clip(t, low, high)
    if band.reference is not None:
        q[:, band.reference] = x[:, 0]
    return q


def _slopes(x: Floats, t: Floats, n: Floats, band: Band) -> tuple[Floats, Floats]:
    """Return G(x) and its derivative, of shape (n_lines, 1)."""
    low, high = (np.clip(end, _EDGE, 1 - _EDGE) for end in band.ends(x))
    below, above = t < low, t > high
    q, slope = np.where(below, low, high), np.where(below, band.low[0], band.high[0])
    weight = (below | above) * n
    if band.reference is not None:
        ref = band.reference
        q[:, ref], slope[:, ref], weight[:, ref] = x[:, 0], 1.0, n[:, ref]
    variance = q * (1 - q)
    g = (weight * slope * (q - t) / variance).sum(1, keepdims=True)
    curvature = (q * q - 2 * q * t + t) / (variance * variance)
    return g, (weight * slope * slope * curvature).sum(1, keepdims=True)


def _root(t: Floats, n: Floats, band: Band) -> Floats:
    """Return the root x of G in every line, of shape (n_lines, 1).

    Between two neighbouring kinks G is smooth: which pieces the root lies between is found by bisection over
    the kinks, so Newton's method never crosses one, where it could cycle.
    """
    # Only groups of the batch pull: the others' kinks would be harmless, but need not be looked at.
    kinks = np.clip(band.kinks(np.where(n > 0, t, t[:, :1])), _EDGE, 1 - _EDGE)
    first, last = np.full((len(t), 1), -1), np.full((len(t), 1), kinks.shape[1])
    low, high = np.full((len(t), 1), _EDGE), np.full((len(t), 1), 1 - _EDGE)
    for _ in range(kinks.shape[1].bit_length()):
        middle = (first + last) // 2
        inside = middle > first  # else the bracket of kinks is one piece already
        x = np.take_along_axis(kinks, np.clip(middle, 0, kinks.shape[1] - 1), 1)
        rising = _slopes(x, t, n, band)[0] < 0  # the root lies further up
        first, low = np.where(inside & rising, middle, first), np.where(inside & rising, x, low)
        last, high = np.where(inside & ~rising, middle, last), np.where(inside & ~rising, x, high)
    x = (low + high) / 2
    for _ in range(_STEPS):
        g, slope = _slopes(x, t, n, band)
        low, high = np.where(g < 0, x, low), np.where(g < 0, high, x)
        # Newton's method on g x (1 - x), which is nearly a straight line: g itself has poles at 0 and 1.
        variance = x * (1 - x)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = x - g * variance / (slope * variance + g * (1 - 2 * x))
        step = np.where((step >= low) & (step <= high), step, (low + high) / 2)
        done = np.abs(step - x) <= _PRECISE * x
        x = step
        if done.all():
            break
    return x
