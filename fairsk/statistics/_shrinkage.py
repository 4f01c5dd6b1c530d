"""Shrinkage: empirical Bayes estimates of the rates of many small groups."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group
from fairsk._core.results import Backend, Result, Table, number, row_count, with_interval
from fairsk._core.typing import Floats
from fairsk.rates import Rate, get_rate
from fairsk.statistics._intervals import rate_intervals
from fairsk.statistics._proportions import need_share, refuse_strata, takes_counts

__all__ = ["ShrunkenRates", "shrunken_rates"]


@dataclass(frozen=True, eq=False, repr=False)
class ShrunkenRates(Result):
    """Raw rates with intervals, and beside them the shrunken ones. Prints and renders itself.

    Parameters
    ----------
    rate : str
        Which rate.
    groups : tuple of length n_groups
        Group labels.
    n : array of shape (n_groups,)
        On how many (effective) rows each rate is measured.
    rates, low, high : array of shape (n_groups,)
        The raw rates, with Wilson intervals.
    shrunken : array of shape (n_groups,)
        The rates drawn towards the mean.
    mean : float
        The mean rate that they are drawn to.
    correlation : float
        How much of the spread of single rows lies between groups, from 0 (groups are alike, and shrunken
        rates equal) to 1 (raw rates are kept).
    """

    rate: str
    groups: tuple[Hashable, ...]
    n: Floats
    rates: Floats
    low: Floats
    high: Floats
    shrunken: Floats
    mean: float
    correlation: float
    library: Backend | None = None

    def _tables(self) -> list[Table]:
        columns = {
            "group": list(map(format_group, self.groups)),
            "n": self.n.tolist(),
            self.rate: self.rates.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "shrunken": self.shrunken.tolist(),
        }
        intervals = zip(self.rates, self.low, self.high, strict=True)
        text = {
            "group": columns["group"],
            "n": list(map(row_count, columns["n"])),
            self.rate: [with_interval(*values) for values in intervals],
            "shrunken": list(map(number, columns["shrunken"])),
        }
        note = (
            "Shrunken rates are the better guess for small groups on average, and no evidence about any one."
        )
        return [Table(columns, text, notes=[note])]


@takes_counts
def shrunken_rates(counts: GroupCounts, rate: Rate | str, *, confidence: float = 0.95) -> ShrunkenRates:
    """Estimate the rates of many small groups together, by the beta-binomial empirical Bayes method.

    Parameters
    ----------
    counts : GroupCounts
        The table of counts, without strata; typically of an intersection.
    rate : str or Rate
        A share, or a function of one as F1 is.
    confidence : float in (0, 1), default=0.95
        The coverage probability of the intervals of the raw rates.

    Returns
    -------
    ShrunkenRates
        Raw rates with their intervals, and shrunken ones; NaN, and a warning, for groups without the rate.

    Raises
    ------
    ValueError
        If the rate is no function of one share of rows, or the counts have strata.

    See Also
    --------
    rate_intervals : Intervals of the raw rates.
    verdict : A disparity against a tolerance, by raw counts.

    Notes
    -----
    Let the share of group g be drawn from a beta distribution with mean m and intra-class correlation r. The
    posterior mean from n_g rows of which the share p_g counts is

        m + n_g r / (1 + (n_g - 1) r) (p_g - m),

    and m and r are found by moments [1]_: the weighted spread of the p_g is set equal to its expectation,
    with weights n_g / (1 + (n_g - 1) r).

    A shrunken rate says what to expect of a group, if it is one of many that resemble each other. A group
    that is truly different is drawn to the others all the same: never judge a group by it. Verdicts and tests
    read raw counts.

    References
    ----------
    .. [1] Kleinman, Proportions with Extraneous Variance: Single and Independent Samples, JASA 68, 1973.

    Examples
    --------
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.statistics import shrunken_rates
    >>> selected, n = [40, 55, 2, 9], [100, 100, 10, 10]
    >>> cells = {"tp": selected, "fp": [0] * 4, "fn": [0] * 4, "tn": [60, 45, 8, 1]}
    >>> print(shrunken_rates(GroupCounts(["a", "b", "c", "d"], cells), "selection_rate"))
    group    n        selection_rate  shrunken
    ------------------------------------------
    a      100  0.400 [0.309, 0.498]     0.403
    b      100  0.550 [0.452, 0.644]     0.549
    c       10  0.200 [0.057, 0.510]     0.263
    d       10  0.900 [0.596, 0.982]     0.820
    Shrunken rates are the better guess for small groups on average, and no evidence about any one.
    """
    rate = get_rate(rate)
    refuse_strata(counts, "Shrinking")
    share = need_share(rate, "Shrinking")
    counts.warn_undefined(rate, fewest=1)
    p, n = share.effective(counts)
    measured = n > 0
    mean, correlation = _moments(p[measured], n[measured])
    size = np.where(measured, n, 1.0)  # of groups without the rate, whose p is NaN
    reliability = size * correlation / (1 + (size - 1) * correlation)
    low, high = rate_intervals(counts, rate, confidence)
    return ShrunkenRates(
        rate=rate.name,
        groups=counts.groups,
        n=n,
        rates=rate(counts.cells),
        low=low,
        high=high,
        shrunken=share.rate_at(mean + reliability * (p - mean)),
        mean=float(share.rate_at(np.array(mean))),
        correlation=correlation,
        library=counts.library,
    )


def _moments(p: Floats, n: Floats) -> tuple[float, float]:
    """Return the mean of shares and the correlation of rows within a group."""
    if len(p) == 0:
        return float("nan"), float("nan")
    mean, correlation = float(np.average(p, weights=n)), 0.0
    for _ in range(50):
        weights = n / (1 + (n - 1) * correlation)
        mean, before = float(np.average(p, weights=weights)), correlation
        # The expected sum of squares is row_variance * (expected_within + correlation * expected_between):
        # solved for the correlation, whose weights are then better ones for the next pass.
        free = weights * (1 - weights / weights.sum())
        expected_within, expected_between = np.sum(free / n), np.sum(free - free / n)
        row_variance = mean * (1 - mean)
        if row_variance <= 0 or expected_between <= 0:
            return mean, 0.0  # one group, groups of one row, or no variation: no variance between groups
        spread = np.sum(weights * (p - mean) ** 2) / row_variance
        correlation = float(np.clip((spread - expected_within) / expected_between, 0, 1))
        if abs(correlation - before) < 1e-10:
            break
    return mean, correlation
