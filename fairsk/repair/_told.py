"""Association of a feature with the group: the share of the group's variance that its values explain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammainccinv

from fairsk._core.typing import Floats, Ints
from fairsk.repair._moments.sums import effective_rows

__all__ = ["Told", "told"]

#: How many rows there are for each pair of a group and a part of the values, on average. From that number on
#: a share in a cell is taken to be known (Cochran, Some Methods for Strengthening the Common Chi-Squared
#: Tests, Biometrics 10, 1954). Finer parts would tell each row by itself.
ROWS_PER_CELL = 5


@dataclass(frozen=True)
class Told:
    """What the values of one feature tell of the group.

    Parameters
    ----------
    share : float
        The share of the variance of the groups' indicators that values explain, as found in these rows.
    by_chance : float
        That of values that have nothing to do with the group, on average.
    variance : float
        How much that varies by chance; 0 if there is nothing to compare.
    n_units : float
        What makes chi squared of a share: the number of rows, times that of the groups less 1.
    """

    share: float
    by_chance: float
    variance: float
    n_units: float

    @property
    def adjusted(self) -> float:
        """The share beyond chance, as adjusted R squared has it: 0 if there is none, 1 at most."""
        return max(0.0, (self.share - self.by_chance) / (1 - self.by_chance))

    def is_more_than(self, before: Told, level: float) -> bool:
        """Return whether chance makes as much of what was told ``before`` in fewer cases than ``level``.

        Chi squared of a share that is there is noncentral: its mean is larger by the noncentrality, its
        variance by 4 times that. Its distribution is approximated by that of gamma with both.
        """
        if self.variance <= 0:
            return False
        mean = self.by_chance + before.adjusted
        variance = self.variance + 4 * before.adjusted / self.n_units
        return bool(self.share > gammainccinv(mean**2 / variance, level) * variance / mean)


def told(values: Floats, codes: Ints, weights: Floats, n_groups: int) -> Told:
    """Return what the values of a feature tell of the group, by themselves.

    That is how much of the variance of the groups' indicators (each divided by the root of the group's share,
    so that groups count alike) any function of the value can explain; the square of Cramer's V where there
    are as many values as groups. Values that are heavy enough are a part each; neighbouring ones share one
    otherwise.

    Parameters
    ----------
    values : array of shape (n_samples,)
        The feature.
    codes : integer array of shape (n_samples,)
        The group of each row.
    weights : array of shape (n_samples,)
        The weight of each row.
    n_groups : int
        The number of groups.

    Returns
    -------
    Told
        The share, and what chance makes of it.
    """
    counted = weights > np.finfo(np.float64).eps * weights.max()  # smaller ones are lost in rounding
    if not counted.all():
        values, codes, weights = values[counted], codes[counted], weights[counted]
    n_rows = float(effective_rows(weights.sum(), weights @ weights))
    n_parts = max(1, int(n_rows / ROWS_PER_CELL / n_groups))
    order = np.argsort(values)
    codes, weights = codes[order], weights[order]
    parts = _parts(values[order], weights, n_parts)
    n_parts = parts[-1] + 1
    shares = np.bincount(codes * n_parts + parts, weights, n_groups * n_parts) / weights.sum()
    shares = shares.reshape(n_groups, -1)
    of_groups, of_parts = shares.sum(1), shares.sum(0)
    shares, of_groups = shares[of_groups > 0], of_groups[of_groups > 0]
    if len(of_groups) < 2 or len(of_parts) < 2:
        return Told(0.0, 0.0, 0.0, 0.0)
    n_units = n_rows * (len(of_groups) - 1)
    expected = np.outer(of_groups, of_parts)
    share = ((shares - expected) ** 2 / expected).sum() / (len(of_groups) - 1)  # chi squared / n_units
    by_chance = (len(of_parts) - 1) / (n_rows - 1)
    variance = _variance(of_groups, of_parts, n_rows) / n_units**2
    return Told(float(share), float(by_chance), float(variance), float(n_units))


def _parts(values: Floats, weights: Floats, n_parts: int) -> Ints:
    """Return the part of each of some rising values: that of equal parts where its middle rank falls."""
    first = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    sums = np.cumsum(weights)
    ends = sums[np.append(first[1:], len(values)) - 1] / sums[-1]
    middles = ends - np.diff(ends, prepend=0) / 2
    starts = first[np.diff(np.floor(middles * n_parts), prepend=-1) > 0]
    parts = np.zeros(len(values), dtype=np.int64)
    parts[starts[1:]] = 1
    return np.cumsum(parts)


def _variance(of_groups: Floats, of_parts: Floats, n_rows: float) -> float:
    """Return the variance of chi squared where groups are dealt out to rows at random.

    Source: Haldane, The Mean and Variance of chi squared, When Used as a Test of Homogeneity, When
    Expectations Are Small, Biometrika 31, 1940. It holds for rare values and small groups, too.
    """
    spreads, sizes = [], []
    for shares in (of_groups, of_parts):
        n_shares = len(shares)
        spreads.append((n_shares - 1) * (n_rows - n_shares) / (n_rows - 1))
        sizes.append(((1 / shares).sum() - n_shares**2) / (n_rows - 2))
    both = (spreads[0] - sizes[0]) * (spreads[1] - sizes[1])
    return 2 * n_rows / (n_rows - 3) * both + n_rows**2 / (n_rows - 1) * sizes[0] * sizes[1]
