"""Chi-square tests: of counts against stated shares, against a second sample, and of dependence.

Where an expected count is below 5 the chi-square distribution is a poor guide, and p comes from tables drawn
at random under the hypothesis instead. Effect sizes have intervals by the noncentral chi-square distribution
[1]_, so that "no effect" can be told from "too few rows to see one". Far from the hypothesis that
distribution can be too narrow; the intervals are then stretched to the variance by linearisation.

A statistic below its degrees of freedom, its mean under the hypothesis, can put the upper end of the interval
at 0: a few rows that happen to be split in half would rule out every effect. The upper end is therefore that
of the larger of the statistic and its degrees of freedom, which only makes the interval cover more often.

References
----------
.. [1] Steiger, Beyond the F Test: Effect Size Confidence Intervals and Tests of Close Fit, Psychological
   Methods 9, 2004.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy.special import chdtrc, chndtrinc, ndtri
from scipy.stats import random_table

from fairsk._core.results import Record
from fairsk._core.typing import Floats

__all__ = ["ChiSquare", "dependence_test", "fit_test", "two_sample_test"]

#: Below this expected count p comes from random tables: Cochran's rule.
_FEWEST_EXPECTED = 5
_TABLES = 10_000
#: So many cells of random tables are held at a time.
_CELLS = 1_000_000
#: The noncentral distribution is inverted up to here, and close to normal beyond.
_LARGE = 1_000.0


@dataclass(frozen=True, eq=False)
class ChiSquare(Record):
    """A chi-square test, its effect size, and where the counts depart from what is expected.

    Parameters
    ----------
    statistic : float
        Pearson's chi-square, sum of (observed - expected)^2 / expected.
    df : int
        Degrees of freedom.
    p : float
        The p-value: the probability of counts at least as far off under the hypothesis.
    method : {"chi-square", "Monte Carlo"}
        Where p comes from: the chi-square distribution, or 10,000 random tables.
    effect, low, high : float
        The effect size, which unlike the statistic does not grow with the number of rows, and its interval.
    residuals : array
        Adjusted residuals, (observed - expected) over its standard error: about normal under the hypothesis.
    """

    statistic: float
    df: int
    p: float
    method: Literal["chi-square", "Monte Carlo"]
    effect: float
    low: float
    high: float
    residuals: Floats

    @property
    def remark(self) -> str:
        """Where p comes from, if not from the chi-square distribution."""
        return (
            "" if self.method == "chi-square" else " (from random tables: some expected counts are below 5)"
        )


def fit_test(counts: Floats, shares: Floats, confidence: float, rng: RandomState) -> ChiSquare | None:
    """Test counts against stated shares; the effect size is Cohen's w [1]_.

    Parameters
    ----------
    counts : array of shape (n_groups,)
        Observed rows; a group may have none.
    shares : array of shape (n_groups,)
        Expected shares, positive, adding up to 1.
    confidence : float in (0, 1)
        Coverage of the interval of w.
    rng : RandomState
        Draws tables where expected counts are small.

    Returns
    -------
    ChiSquare or None
        None with fewer than two groups or no rows. w = sqrt(chi-square / n) = sqrt(sum (share - expected
        share)^2 / expected share).

    References
    ----------
    .. [1] Cohen, Statistical Power Analysis for the Behavioral Sciences, Erlbaum, 1988.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.audit._data.chi_square import fit_test
    >>> test = fit_test(np.array([600.0, 400.0]), np.array([0.5, 0.5]), 0.95, np.random.RandomState(0))
    >>> print(f"{test.statistic:.0f} {test.p:.1e} {test.effect:.1f}")
    40 2.5e-10 0.2
    """
    n = counts.sum()
    if len(counts) < 2 or n == 0:
        return None
    expected = n * shares

    def draw(size: int) -> NDArray[np.int64]:
        return rng.multinomial(int(n), shares, size)

    residuals = (counts - expected) / np.sqrt(expected * (1 - shares))
    variance = n * _variance(counts / n, 2 * (counts / n - shares) / shares)
    return _test(counts, expected, len(counts) - 1, residuals, draw, variance, n, confidence)


def two_sample_test(counts: Floats, others: Floats, confidence: float, rng: RandomState) -> ChiSquare | None:
    """Test whether two samples have the same shares (homogeneity); the effect size is Cohen's w.

    Parameters
    ----------
    counts, others : array of shape (n_groups,)
        Rows of each group in both samples, which share no row.
    confidence : float in (0, 1)
        Coverage of the interval of w.
    rng : RandomState
        Draws tables where expected counts are small.

    Returns
    -------
    ChiSquare or None
        None if fewer than two groups occur or a sample is empty. The residuals are those of the first
        sample, and w = sqrt(sum (share - other share)^2 / pooled share), which is that of :func:`fit_test`
        when the second sample is large.
    """
    occurs = counts + others > 0
    n, m = counts.sum(), others.sum()
    if occurs.sum() < 2 or n == 0 or m == 0:
        return None
    table, scale = np.stack([counts, others])[:, occurs], n * m / (n + m)
    p, q = table / table.sum(1, keepdims=True)
    gap, pooled = p - q, table.sum(0) / table.sum()
    slopes = (
        scale * (sign * 2 * gap / pooled - size / (n + m) * (gap / pooled) ** 2)
        for sign, size in ((1, n), (-1, m))
    )
    variance = sum(
        _variance(shares, slope) / size for shares, slope, size in zip((p, q), slopes, (n, m), strict=True)
    )
    test = _independence(table, variance, scale, confidence, rng)
    residuals = np.full(len(counts), np.nan)
    residuals[occurs] = test.residuals[0]
    return ChiSquare(**{**vars(test), "residuals": residuals})


def dependence_test(table: Floats, confidence: float, rng: RandomState) -> ChiSquare | None:
    """Test whether the rows of a table of counts differ in how they spread over the columns.

    Parameters
    ----------
    table : array of shape (n_groups, n_labels)
        Counts.
    confidence : float in (0, 1)
        Coverage of the interval of the effect size.
    rng : RandomState
        Draws tables where expected counts are small.

    Returns
    -------
    ChiSquare or None
        None if fewer than two rows or columns have any count. The effect size is Cramer's V, corrected
        for bias [1]_: 0 without and 1 with perfect dependence.

    References
    ----------
    .. [1] Bergsma, A Bias-Correction for Cramer's V and Tschuprow's T, Journal of the Korean Statistical
       Society 42, 2013.
    """
    used_rows, used_columns = table.sum(1) > 0, table.sum(0) > 0
    if min(used_rows.sum(), used_columns.sum()) < 2:
        return None
    n = table.sum()
    # Bergsma's corrected numbers of rows and columns: an independent table has some V by sampling error.
    sizes = [k - 1 - (k - 1) ** 2 / (n - 1) for k in (used_rows.sum(), used_columns.sum())]
    scale = n * max(min(sizes), 0.0)
    nonempty = table[np.ix_(used_rows, used_columns)]
    p = nonempty / n
    a, b = p.sum(1, keepdims=True), p.sum(0, keepdims=True)
    parts = p**2 / (a * b)
    slope = 2 * p / (a * b) - parts.sum(1, keepdims=True) / a - parts.sum(0, keepdims=True) / b
    test = _independence(nonempty, n * _variance(p, slope), scale, confidence, rng)
    corrected = max(0.0, test.statistic - test.df * n / (n - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = float(np.minimum(1, np.sqrt(np.divide(corrected, scale))))
    residuals = np.full(table.shape, np.nan)
    residuals[np.ix_(used_rows, used_columns)] = test.residuals
    interval = {"low": min(1.0, test.low), "high": min(1.0, test.high)}
    return ChiSquare(**{**vars(test), "effect": effect, "residuals": residuals, **interval})


def _variance(shares: Floats, slope: Floats) -> float:
    """Return the variance of one draw's slope: by linearisation, n times that of a function of n draws."""
    return float((shares * slope**2).sum() - (shares * slope).sum() ** 2)


def _independence(
    table: Floats, variance: float, scale: float, confidence: float, rng: RandomState
) -> ChiSquare:
    n, by_row, by_column = table.sum(), table.sum(1), table.sum(0)
    expected = np.outer(by_row, by_column) / n

    def draw(size: int) -> Floats:
        return random_table(by_row.astype(np.int64), by_column.astype(np.int64)).rvs(size, random_state=rng)

    spread = expected * np.outer(1 - by_row / n, 1 - by_column / n)
    residuals = (table - expected) / np.sqrt(spread)
    df = (len(by_row) - 1) * (len(by_column) - 1)
    return _test(table, expected, df, residuals, draw, variance, scale, confidence)


def _test(
    counts: Floats,
    expected: Floats,
    df: int,
    residuals: Floats,
    draw: Callable[[int], NDArray[np.int64] | Floats],
    variance: float,
    scale: float,
    confidence: float,
) -> ChiSquare:
    """Test counts; effect sizes are square roots of chi-square (and of its noncentrality) over a scale.

    ``variance`` is that of the statistic by linearisation, which for a noncentral one is 4 times its size.
    """
    statistic = float(((counts - expected) ** 2 / expected).sum())
    method: Literal["chi-square", "Monte Carlo"] = "chi-square"
    p = float(chdtrc(df, statistic))
    if expected.min() < _FEWEST_EXPECTED:
        method, hits = "Monte Carlo", 0
        axes = tuple(range(1, counts.ndim + 1))
        batch = max(1, _CELLS // counts.size)
        for start in range(0, _TABLES, batch):
            statistics = ((draw(min(batch, _TABLES - start)) - expected) ** 2 / expected).sum(axes)
            hits += int((statistics >= statistic * (1 - 1e-9)).sum())
        p = (hits + 1) / (_TABLES + 1)
    low, high = _noncentrality(statistic, df, confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect, low, high = np.sqrt(np.divide([statistic, low, high], scale)).tolist()
    stretch = max(1.0, np.sqrt(variance / (4 * statistic))) if statistic > 0 else 1.0
    low, high = max(0.0, effect - stretch * (effect - low)), effect + stretch * (high - effect)
    return ChiSquare(statistic, df, p, method, effect, low, high, residuals)


def _noncentrality(statistic: float, df: int, confidence: float) -> tuple[float, float]:
    """Return the interval of a noncentrality; its upper end is that of a statistic of at least ``df``."""
    tail = (1 - confidence) / 2
    upper_statistic = max(statistic, float(df))
    if upper_statistic > _LARGE:
        z = float(ndtri(1 - tail))
        low, high = (np.sqrt(statistic) - z) ** 2 - (df - 1), (np.sqrt(upper_statistic) + z) ** 2 - (df - 1)
        return (max(0.0, low) if statistic > df else 0.0), high
    covers_zero = chdtrc(df, statistic) >= tail  # noncentrality 0 is inside the interval
    return (
        0.0 if covers_zero else float(chndtrinc(statistic, df, 1 - tail)),
        float(chndtrinc(upper_statistic, df, tail)),
    )
