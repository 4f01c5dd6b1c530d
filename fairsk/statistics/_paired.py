"""Statistics of pairs: two answers to each of the same units, such as a text and its rewriting.

Two decisions on each unit are compared by the exact test of McNemar [1]_, in which only the units that are
decided differently count; two rates of the same units by Newcombe's interval for paired data [2]_, of which
a later comparison of many methods [3]_ recommends the use; two scores by the mean of their differences, and
by the test that turns the signs of these around.

References
----------
.. [1] McNemar, Note on the Sampling Error of the Difference Between Correlated Proportions or Percentages,
   Psychometrika 12, 1947.
.. [2] Newcombe, Improved Confidence Intervals for the Difference Between Binomial Proportions Based on Paired
   Data, Statistics in Medicine 17, 1998: method 10.
.. [3] Fagerland, Lydersen & Laake, Recommended Tests and Confidence Intervals for Paired Binomial
   Proportions, Statistics in Medicine 33, 2014.
"""

from __future__ import annotations

import numpy as np
from scipy.special import bdtr

from fairsk._core.typing import Floats
from fairsk.statistics._intervals import mean_half_widths, wilson_interval
from fairsk.statistics._pairs import Estimate, newcombe_interval

__all__ = [
    "MOST_EXACT",
    "are_shares",
    "mcnemar_p",
    "mean_estimate",
    "paired_difference",
    "share_estimate",
    "sign_flip_p",
    "within",
]

#: Up to this many differences all their signs are tried: 2^15 sums of either half are held at a time.
MOST_EXACT = 30
#: So many random signs are held at a time.
_SIGNS = 1_000_000
#: Sums that differ by less than this part of all that is summed are equal up to rounding.
_ROUNDING = 1e-12


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    Of the units that have one of two properties, half have the first if neither is more common: the number
    follows the binomial law. Without any such unit p is 1.
    """
    n = only_first + only_second
    return min(1.0, 2 * float(bdtr(min(only_first, only_second), n, 0.5)))


def share_estimate(values: Floats, confidence: float) -> Estimate[float]:
    """Return the mean of values from 0 to 1, with Wilson's interval; NaN if there are none.

    Values between 0 and 1 vary less than a coin with the same mean does, so the interval is, if anything, too
    wide for them.
    """
    n = len(values)
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan)
    share = np.array(values.mean())
    low, high = wilson_interval(share, np.array(float(n)), confidence)
    return Estimate(float(share), float(low), float(high))


def paired_difference(first: Floats, second: Floats, confidence: float) -> Estimate[float]:
    """Return the mean of the first minus that of the second values of the same units, with its interval.

    Wilson's intervals of both means are combined, with the correlation of the values: Newcombe's method. The
    correlation is shrunk by 1 / (2n), as he does for positive ones. The interval that takes the differences
    for normal has no width where no unit differs, and then leaves out what is true.

    Parameters
    ----------
    first, second : array of shape (n_units,)
        Values from 0 to 1, such as whether something happened.
    confidence : float in (0, 1)
        The coverage probability.
    """
    n = len(first)
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan)
    one, other = (Estimate(*map(np.array, share_estimate(values, confidence))) for values in (first, second))
    # The variance of a coin, which is at least that of values between 0 and 1, as in Wilson's interval.
    spread = np.sqrt(one.value * (1 - one.value) * other.value * (1 - other.value))
    covariance = float(np.mean(first * second) - one.value * other.value)
    if covariance > 0:
        covariance = max(0.0, covariance - 1 / (2 * n))
    correlation = float(np.clip(covariance / spread, -1, 1)) if spread > 0 else 0.0
    low, high = newcombe_interval(one, other, correlation=correlation)
    return Estimate(float(one.value - other.value), max(-1.0, float(low)), min(1.0, float(high)))


def mean_estimate(differences: Floats, confidence: float, scale: float) -> Estimate[float]:
    """Return the mean of differences with Student's interval.

    There is no interval (NaN) of fewer than two, nor of differences that are all the same: their spread says
    nothing of how far those of other units lie apart.

    Parameters
    ----------
    differences : array of shape (n_units,)
        What is averaged.
    confidence : float in (0, 1)
        The coverage probability.
    scale : float
        The largest value that was subtracted, against which rounding is judged.
    """
    n = len(differences)
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan)
    mean = float(differences.mean())
    distances = differences - mean
    if n < 2 or np.abs(distances).max() <= _ROUNDING * scale:
        return Estimate(mean, np.nan, np.nan)
    half = float(mean_half_widths(float(distances @ distances), n, n, confidence))
    return Estimate(mean, mean - half, mean + half)


def are_shares(values: Floats) -> bool:
    """Return whether values lie from 0 to 1, as truth values and probabilities do; NaN is no value."""
    known = values[~np.isnan(values)]
    return len(known) > 0 and bool(np.all((known >= 0) & (known <= 1)))


def within(estimate: Estimate[float], low: float, high: float) -> Estimate[float]:
    """Return an estimate whose interval ends where no such value can lie; NaN stays NaN."""
    bounds = min(low, estimate.value), max(high, estimate.value)
    return Estimate(estimate.value, *(float(end) for end in np.clip(estimate[1:], *bounds)))


def sign_flip_p(differences: Floats, n_resamples: int, rng: np.random.Generator) -> float:
    """Return the two-sided p-value of the test that differences are as likely to have either sign.

    The sum of the differences is compared with those under all signs, or, of more than 30 differences, under
    random ones: (b + 1) / (n_resamples + 1), with b the number of sums that are at least as far from 0.

    Parameters
    ----------
    differences : array of shape (n_units,)
        Differences of two scores; those of 0 have no sign and do not matter.
    n_resamples : int
        How many random signs are drawn.
    rng : Generator
        Draws them.
    """
    moved = differences[differences != 0]
    if len(moved) == 0:
        return 1.0 if len(differences) else float("nan")
    observed = abs(moved.sum()) - _ROUNDING * float(np.abs(moved).sum())
    if observed <= 0:
        return 1.0
    if len(moved) <= MOST_EXACT:
        return _exact_sign_flip_p(moved, observed)
    beyond, rows = 0, max(1, _SIGNS // len(moved))
    for start in range(0, n_resamples, rows):
        size = min(rows, n_resamples - start)
        # One random bit per sign: the sum is twice that of the differences that stay, minus all of them.
        drawn = np.frombuffer(rng.bytes(-(-size * len(moved) // 8)), np.uint8)
        stays = np.unpackbits(drawn, count=size * len(moved)).reshape(size, -1)
        beyond += int((np.abs(2 * (stays @ moved) - moved.sum()) >= observed).sum())
    return (beyond + 1) / (n_resamples + 1)


def _exact_sign_flip_p(moved: Floats, observed: float) -> float:
    """Return the share of signs whose sum is as far from 0, counted by the sums of both halves."""
    left, right = (np.sort(_signed_sums(half)) for half in np.array_split(moved, 2))
    # Turning all signs around turns the sum around: as many lie as far below 0 as above.
    above = (len(right) - np.searchsorted(right, observed - left)).sum()
    return min(1.0, 2 * float(above) / 2.0 ** len(moved))


def _signed_sums(values: Floats) -> Floats:
    """Return the sums of values under all signs."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums - value, sums + value])
    return sums
