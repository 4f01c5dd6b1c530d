"""Chi-square tests: of counts against stated shares, against a second sample, and of dependence.

Where an expected count is below 5 the chi-square distribution is a poor guide, and p comes from tables drawn
at random under the hypothesis instead. Effect sizes have limits from the noncentral chi-square distribution
[1]_, so that "no effect" can be told from "too few rows to see one". Far from the hypothesis that
distribution can be too narrow; the limits are then stretched by what linearisation says of the spread.

Counts can also agree with the hypothesis better than chance would have it, as a handful of rows does that
happens to be split in half. Read to the letter, the noncentral distribution then rules out every effect, and
the upper limit is 0. Luck is no knowledge: the upper limit is never below that of the statistic which chance
alone gives on average, its degrees of freedom. Limits can only cover more often by that.

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
        How often counts at least as far off would arise by chance.
    method : {"chi-square", "Monte Carlo"}
        Where p comes from: the chi-square distribution, or 10,000 random tables.
    effect, low, high : float
        The effect size, which unlike the statistic does not grow with the number of rows, and its limits.
    residuals : array
        Adjusted residuals, (observed - expected) over its standard error: about normal by chance.
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
        """What a reader must know about p."""
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
        Coverage of the limits of w.
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
    >>> from fairsk.audit._chi_square import fit_test
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
        Coverage of the limits of w.
    rng : RandomState
        Draws tables where expected counts are small.

    Returns
    -------
    ChiSquare or None
        None if fewer than two groups occur or a sample is empty. The residuals are those of the first
        sample, and w = sqrt(sum (share - other share)^2 / pooled share), which is that of :func:`fit_test`
        when the second sample is large.
    """
    seen = counts + others > 0
    n, m = counts.sum(), others.sum()
    if seen.sum() < 2 or n == 0 or m == 0:
        return None
    table, scale = np.stack([counts, others])[:, seen], n * m / (n + m)
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
    residuals[seen] = test.residuals[0]
    return ChiSquare(**{**vars(test), "residuals": residuals})


def dependence_test(table: Floats, confidence: float, rng: RandomState) -> ChiSquare | None:
    """Test whether the rows of a table of counts differ in how they spread over the columns.

    Parameters
    ----------
    table : array of shape (n_groups, n_labels)
        Counts.
    confidence : float in (0, 1)
        Coverage of the limits of the effect size.
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
    rows, columns = table.sum(1) > 0, table.sum(0) > 0
    if min(rows.sum(), columns.sum()) < 2:
        return None
    n = table.sum()
    # Shrunk numbers of rows and columns: by chance alone a large table shows some dependence.
    sizes = [k - 1 - (k - 1) ** 2 / (n - 1) for k in (rows.sum(), columns.sum())]
    scale = n * max(min(sizes), 0.0)
    seen = table[np.ix_(rows, columns)]
    p = seen / n
    a, b = p.sum(1, keepdims=True), p.sum(0, keepdims=True)
    parts = p**2 / (a * b)
    slope = 2 * p / (a * b) - parts.sum(1, keepdims=True) / a - parts.sum(0, keepdims=True) / b
    test = _independence(seen, n * _variance(p, slope), scale, confidence, rng)
    corrected = max(0.0, test.statistic - test.df * n / (n - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = float(np.minimum(1, np.sqrt(np.divide(corrected, scale))))
    residuals = np.full(table.shape, np.nan)
    residuals[np.ix_(rows, columns)] = test.residuals
    limits = {"low": min(1.0, test.low), "high": min(1.0, test.high)}
    return ChiSquare(**{**vars(test), "effect": effect, "residuals": residuals, **limits})


def _variance(shares: Floats, slope: Floats) -> float:
    """Return the variance of one draw's slope: by linearisation, n times that of a function of n draws."""
    return float((shares * slope**2).sum() - (shares * slope).sum() ** 2)


def _independence(
    table: Floats, variance: float, scale: float, confidence: float, rng: RandomState
) -> ChiSquare:
    n, row, column = table.sum(), table.sum(1), table.sum(0)
    expected = np.outer(row, column) / n

    def draw(size: int) -> Floats:
        return random_table(row.astype(np.int64), column.astype(np.int64)).rvs(size, random_state=rng)

    spread = expected * np.outer(1 - row / n, 1 - column / n)
    residuals = (table - expected) / np.sqrt(spread)
    df = (len(row) - 1) * (len(column) - 1)
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
            drawn = ((draw(min(batch, _TABLES - start)) - expected) ** 2 / expected).sum(axes)
            hits += int((drawn >= statistic * (1 - 1e-9)).sum())
        p = (hits + 1) / (_TABLES + 1)
    low, high = _noncentrality(statistic, df, confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect, low, high = np.sqrt(np.divide([statistic, low, high], scale)).tolist()
    stretch = max(1.0, np.sqrt(variance / (4 * statistic))) if statistic > 0 else 1.0
    low, high = max(0.0, effect - stretch * (effect - low)), effect + stretch * (high - effect)
    return ChiSquare(statistic, df, p, method, effect, low, high, residuals)


def _noncentrality(statistic: float, df: int, confidence: float) -> tuple[float, float]:
    """Return limits for the noncentrality of a chi-square, the upper one as of what chance gives at least."""
    tail = (1 - confidence) / 2
    chance = max(statistic, float(df))
    if chance > _LARGE:
        z = float(ndtri(1 - tail))
        low, high = (np.sqrt(statistic) - z) ** 2 - (df - 1), (np.sqrt(chance) + z) ** 2 - (df - 1)
        return (max(0.0, low) if statistic > df else 0.0), high
    none = chdtrc(df, statistic) >= tail  # by chance alone
    return (
        0.0 if none else float(chndtrinc(statistic, df, 1 - tail)),
        float(chndtrinc(chance, df, tail)),
    )
