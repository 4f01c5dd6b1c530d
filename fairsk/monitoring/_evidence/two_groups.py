"""Evidence of two groups alone: against each value that their ratio, or difference, may have on one side.

For a value v two nulls are tested, {p_1 <= v p_2} and {p_1 >= v p_2}; for differences, {p_1 <= p_2 + v} and
{p_1 >= p_2 + v}. Both are convex, so a forecast that breaks one is projected on it as in :mod:`._bands`. The
projection lies on the line that both share, where the rates of least divergence are those of largest
likelihood that Farrington and Manning give in closed form [1]_: no search, so that many values, batches and
pairs of groups are one array. These are the nulls of [2]_ and, as a product over strata, of [3]_.

The null of a tolerance, both rates within [r x, x] for some x, is the meeting of two of these: a forecast
breaks one of them at most, so the evidence of two groups against a tolerance is that against its two limits.

References
----------
.. [1] C. P. Farrington, G. Manning, "Test statistics and sample size formulae for comparative binomial trials
   with null hypothesis of non-zero risk difference or non-unity relative risk", Statistics in Medicine 9,
   1990.
.. [2] R. J. Turner, P. D. Grünwald, "Exact anytime-valid confidence intervals for contingency tables and
   beyond", Statistics & Probability Letters 198, 2023.
.. [3] R. J. Turner, P. D. Grünwald, "Safe sequential testing and effect estimation in stratified count data",
   Proceedings of AISTATS, 2023.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.bounds import Bound
from fairsk._core.typing import Bools, Floats, Ints
from fairsk.monitoring._evidence.e_process import N_FORECASTS, SHRINKAGE, Forecasts, shrunken
from fairsk.statistics._pairs import PairComparison

__all__ = [
    "ONE_FORECAST",
    "Batches",
    "Evidence",
    "Prior",
    "TwoGroups",
    "chunks",
    "estimate",
    "limits",
    "reaches",
]

#: Counts of before the first batch, (part, size), each of shape (n_strata, n_groups).
Prior: TypeAlias = tuple[Floats, Floats]
#: All batches, or all forecasts.
_ALL = slice(None)
#: The forecast that does best where rates are alike: by all of the past, shrunken most.
ONE_FORECAST = slice(len(SHRINKAGE) - 1, len(SHRINKAGE))
#: Newton's steps after the closed form, whose roots and angles lose digits where rates are near 0 or 1.
_POLISH = 2
#: Evidence is computed for so many values at a time that its arrays, of this many numbers, stay in the cache.
_NUMBERS_AT_ONCE = 2**17


def limits(bound: Bound) -> tuple[float, float]:
    """Return the smallest and the largest ratio, or difference, of two rates that a tolerance allows."""
    if bound.comparison == "difference":
        return -bound.value, bound.value
    return bound.value, 1 / bound.value


def estimate(part: Floats, size: Floats, comparison: PairComparison) -> Floats:
    """Return the ratio or difference that strata have in common, by Mantel and Haenszel; NaN if unknown.

    Parameters
    ----------
    part, size : array of shape (..., n_strata, 2)
        k of n decisions of the first and of the second group.
    comparison : {"difference", "ratio"}
        Whether the second rate is subtracted, or divided by.

    Returns
    -------
    array of shape (...)
        ``sum k_1 n_2 / (n_1 + n_2)`` divided by ``sum k_2 n_1 / (n_1 + n_2)``, or their difference divided by
        ``sum n_1 n_2 / (n_1 + n_2)``; with one stratum simply that of the two rates.
    """
    total = size.sum(-1, keepdims=True)
    share = np.divide(size, total, out=np.zeros(size.shape), where=total > 0)
    first = (part[..., 0] * share[..., 1]).sum(-1)
    second = (part[..., 1] * share[..., 0]).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        if comparison == "ratio":
            return first / second
        return (first - second) / (size[..., 0] * share[..., 1]).sum(-1)


def chunks(n_values: int, numbers_each: int) -> Iterator[slice]:
    """Yield the places of values, so few at a time that what is computed of them stays in the cache."""
    step = max(1, _NUMBERS_AT_ONCE // max(1, numbers_each))
    yield from (slice(start, start + step) for start in range(0, n_values, step))


def reaches(log_products: Floats, log_line: float, n_forecasts: int = N_FORECASTS) -> Bools:
    """Tell where evidence reaches a line, such as that of 1 / alpha.

    Parameters
    ----------
    log_products : array of shape (..., n)
        The logarithms of the products of all forecasts, or of some.
    log_line : float
        The logarithm of the line.
    n_forecasts : int, default=6
        Over how many the mean is: those that are not given count as 0, which they cannot fall below.

    Returns
    -------
    array of shape (...)
    """
    # Beside a mean of 1 a product of e^50 says as much as a larger one, which might overflow.
    return np.exp(np.minimum(log_products - log_line, 50.0)).sum(-1) >= n_forecasts


class Evidence(NamedTuple):
    """Log likelihood ratios against both nulls of a value: the effect is at most, or at least, the value."""

    at_most: Floats
    at_least: Floats


class Batches:
    """Batches of decisions, and what forecasts remember before each.

    Parameters
    ----------
    part, size : array of shape (n_batches, n_strata, n_groups)
        k of n decisions.
    comparison : {"difference", "ratio"}
        Whether the effect of two groups is the first rate minus the second, or divided by it.
    prior : tuple of two arrays of shape (n_strata, n_groups), optional
        Counts of before the first batch: forecasts have seen them, and they are no evidence.
    """

    def __init__(
        self, part: ArrayLike, size: ArrayLike, comparison: PairComparison, prior: Prior | None = None
    ) -> None:
        self.part, self.size = np.asarray(part, dtype=float), np.asarray(size, dtype=float)
        self.comparison = comparison
        forecasts = Forecasts(self.part.shape[1:])
        if prior is not None:
            forecasts.learn(*prior)
        # S and N of every forecast before each batch, of shape (n_batches, n_strata, n_forecasts, n_groups).
        n_batches, n_strata, n_groups = self.part.shape
        self._remembered = np.empty((2, n_batches, n_strata, N_FORECASTS, n_groups))
        for batch in range(n_batches):
            self._remembered[:, batch] = forecasts.remembered
            forecasts.learn(self.part[batch], self.size[batch])

    def __len__(self) -> int:
        return len(self.part)

    def pairs(self, pairs: Ints, *, now: slice = _ALL, forecasts: slice = _ALL) -> TwoGroups:
        """Return some batches of pairs, the places of their groups, (n_pairs, 2), and some forecasts."""
        remembered = self._remembered[:, now]
        return TwoGroups(self.part[now], self.size[now], remembered, pairs, self.comparison, forecasts)

    def have_both(self, pairs: Ints) -> Bools:
        """Tell which strata have decisions of both groups of pairs, of shape (n_strata, n_pairs)."""
        return (self.size.sum(0) > 0)[:, pairs].all(-1)

    def in_hindsight(self, pairs: Ints) -> TwoGroups:
        """Return all decisions of pairs of groups as one batch, with the forecast that has seen it."""
        total = self.part.sum(0, keepdims=True), self.size.sum(0, keepdims=True)
        remembered = np.repeat(np.stack(total)[:, :, :, None], N_FORECASTS, 3)
        return TwoGroups(*total, remembered, pairs, self.comparison, ONE_FORECAST)


class TwoGroups:
    """Batches of two groups at a time, and forecasts of both: evidence against values of their effect.

    Parameters
    ----------
    part, size : array of shape (n_batches, n_strata, n_groups)
        k of n decisions.
    remembered : array of shape (2, n_batches, n_strata, n_forecasts, n_groups)
        S and N of all forecasts.
    pairs : array of shape (n_pairs, 2)
        The places of the first and of the second group of each pair.
    comparison : {"difference", "ratio"}
        Whether the effect is the first rate minus the second, or divided by it.
    forecasts : slice
        Which forecasts bet.
    """

    def __init__(
        self,
        part: Floats,
        size: Floats,
        remembered: Floats,
        pairs: Ints,
        comparison: PairComparison,
        forecasts: slice,
    ) -> None:
        self.comparison = comparison
        # All arrays are of shape (n_batches, n_strata, n_pairs, n_forecasts) from here on.
        self._k, self._n = ([counts[..., place, None] for place in pairs.T] for counts in (part, size))
        counted, seen = np.moveaxis(remembered[..., forecasts, :][..., pairs], -3, -2)
        # Each pair's forecasts are shrunken towards the common rate of these two groups.
        rates = shrunken(counted, seen, forecasts)
        self._t = rates[..., 0], rates[..., 1]
        self._both = (self._n[0] > 0) & (self._n[1] > 0)
        self._is_known = self._both & (seen[..., 0] >= self._n[0]) & (seen[..., 1] >= self._n[1])
        self._likelihood = self._log_likelihood(*self._t)

    def evidence(self, value: Floats | float) -> Evidence:
        """Return the evidence against an effect of at most, and of at least, each value.

        A forecast that keeps a null does not bet against it, and none does on a batch without one of the
        groups. Some values lie far from whatever is forecast, so that the first forecast, made of nothing,
        would bet against them, and lose the more the larger the batch is: what a batch of n decisions costs
        a forecast made of N is about n / N. Only forecasts made of as many as the batch has bet here.

        Parameters
        ----------
        value : float or array of shape (n_values, 1)
            Values of the effect, of a single pair if there are several.

        Returns
        -------
        Evidence of arrays of shape (n_batches, n_strata, n_values or n_pairs, n_forecasts)
        """
        ratio = np.where(self._is_known, self._likelihood - self._log_likelihood(*self._on_line(value)), 0.0)
        beyond = self._is_beyond(value)
        return Evidence(np.where(beyond, ratio, 0.0), np.where(beyond, 0.0, ratio))

    def evidence_against(self, low: float, high: float) -> Floats:
        """Return the evidence against an effect between two limits, both included, as of a tolerance."""
        above, below = self._is_beyond(high), ~self._is_beyond(low)
        ratio = self._likelihood - self._log_likelihood(*self._on_line(np.where(above, high, low)))
        return np.where((above | below) & self._both, ratio, 0.0)

    def _is_beyond(self, value: Floats | float) -> Bools:
        """Tell whether the forecast effect is larger than each value."""
        t1, t2 = self._t
        return t1 > value * t2 if self.comparison == "ratio" else t1 > t2 + value

    def _log_likelihood(self, p1: Floats, p2: Floats) -> Floats:
        (k1, k2), (n1, n2) = self._k, self._n
        # Near 0 log(1 - p) is as exact as sums of it are: log1p is slower.
        return k1 * np.log(p1) + (n1 - k1) * np.log(1 - p1) + k2 * np.log(p2) + (n2 - k2) * np.log(1 - p2)

    def _on_line(self, value: Floats | float) -> tuple[Floats, Floats]:
        """Return the two rates of exactly that effect that are nearest to the forecasts."""
        if self.comparison == "ratio":
            x = self._ratio_root(value)
            return value * x, x
        x = self._difference_root(value)
        return x + value, x

    def _ratio_root(self, v: Floats | float) -> Floats:
        """Return the x at which (v x, x) is nearest.

        It is the one root below 1 and 1 / v of ``f(x) = n_2 (x - t_2) (1 - v x) + n_1 (v x - t_1) (1 - x)``.
        """
        (n1, n2), (t1, t2) = self._weights(), self._t
        b, c = n2 * (1 + v * t2) + n1 * (v + t1), n1 * t1 + n2 * t2
        # The smaller root of v x^2 - b x + c, without b - root, which cancels where rates are small.
        x = 2 * c / (b + np.sqrt(np.maximum(b * b - 4 * v * c, 0)))
        low, high = 0.0, np.minimum(1, 1 / v)
        for _ in range(_POLISH):
            rest1, rest2 = 1 - v * x, 1 - x
            off1, off2 = v * x - t1, x - t2
            f = n2 * off2 * rest1 + n1 * off1 * rest2
            slope = n2 * (rest1 - v * off2) + n1 * (v * rest2 - off1)
            x = _newton(x, f, slope, low, high)
        return x

    def _difference_root(self, d: Floats | float) -> Floats:
        """Return the x at which (x + d, x) is nearest.

        It is the middle one of the three roots of ``f(x) = n_2 (x - t_2) (x + d) (1 - x - d) +
        n_1 (x + d - t_1) x (1 - x)``, and the only one between max(0, -d) and min(1, 1 - d).
        """
        (n1, n2), (t1, t2) = self._weights(), self._t
        # -f(x) = x^3 + b x^2 + c x + e, for the weights sum to 1.
        b = -(n2 * (1 - 2 * d + t2) + n1 * (1 - d + t1))
        c = -(n2 * (d * (1 - d) - t2 * (1 - 2 * d)) + n1 * (d - t1))
        e = n2 * t2 * d * (1 - d)
        square = np.maximum(b * b / 9 - c / 3, 1e-100)  # 0 only if all three roots are one
        radius = np.sqrt(square)
        sine = (b * (b * b / 27 - c / 6) + e / 2) / (square * radius)
        low, high = np.maximum(0, -d), np.minimum(1, 1 - d)
        x = np.clip(2 * radius * np.sin(np.arcsin(np.clip(sine, -1, 1)) / 3) - b / 3, low, high)
        for _ in range(_POLISH):
            variance1, variance2 = (x + d) * (1 - x - d), x * (1 - x)
            off1, off2 = x + d - t1, x - t2
            f = n2 * off2 * variance1 + n1 * off1 * variance2
            rise1, rise2 = 1 - 2 * (x + d), 1 - 2 * x
            slope = n2 * (variance1 + off2 * rise1) + n1 * (variance2 + off1 * rise2)
            x = _newton(x, f, slope, low, high)
        return x

    def _weights(self) -> tuple[Floats, Floats]:
        """Return each group's share of the decisions; a half where there are none, and nothing is bet."""
        n1, n2 = self._n
        share = np.divide(n1, n1 + n2, out=np.full(n1.shape, 0.5), where=self._both)
        return share, 1 - share


def _newton(x: Floats, f: Floats, slope: Floats, low: Floats | float, high: Floats | float) -> Floats:
    """Return x after one of Newton's steps, strictly between limits: one beyond a limit goes half the way."""
    with np.errstate(divide="ignore", invalid="ignore"):
        new = x - f / slope
    new = np.where(new > low, new, (x + low) / 2)
    return np.where(new < high, new, (x + high) / 2)
