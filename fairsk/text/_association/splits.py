"""Splits of values into two sets, and how many of them have a sum as large or as small as one of them.

All splits are counted without being listed, by meeting in the middle: a set of k values takes i of the first
half and k - i of the second, so the sums of the subsets of each half, by size, say what all C(n, k) sums are.
For 44 values these are 2^22 sums per half instead of 2.1e12.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from fairsk._core.typing import Floats

__all__ = ["Tails", "can_count", "count_splits", "draw_splits"]

#: Of so many subsets per half the sums are held: those of 44 values in two halves, 32 MB each.
_MOST_SUBSETS = 2**22
#: So many values are shuffled at a time.
_CELLS = 2**21
#: Sums of values that differ by less than this for each value are ties: cosines are exact to about 1e-15.
TIE = 1e-12


@dataclass(frozen=True)
class Tails:
    """How many splits have a sum at least, or at most, as large as that of one split.

    Parameters
    ----------
    above, below : int
        Splits with a sum of the first set at least as large, and at most as large; ties count in both.
    total : int
        All of them.
    """

    above: int
    below: int
    total: int

    def p(self, alternative: str) -> float:
        """Return the p-value: the share of one tail, or twice that of the smaller one."""
        if alternative == "two-sided":
            return min(1.0, 2 * min(self.above, self.below) / self.total)
        return (self.above if alternative == "greater" else self.below) / self.total


def can_count(n: int, first: int) -> bool:
    """Whether all splits of n values into a first set of that size and a second one can be counted."""
    half, smaller = n - n // 2, min(first, n - first)
    subsets = 0
    for size in range(min(smaller, half) + 1):
        subsets += comb(half, size)
        if subsets > _MOST_SUBSETS:
            return False
    return True


def count_splits(values: Floats, first: int) -> Tails:
    """Count the splits by the sum of the first set, against that of the values that stand first.

    Parameters
    ----------
    values : array of shape (n,)
        Values, centred at 0.
    first : int
        The size of the first set.
    """
    n = len(values)
    observed, slack = values[:first].sum(), TIE * n
    # The values add up to 0, so that of the larger set the sum is minus that of the smaller one.
    size, values = (first, values) if first <= n - first else (n - first, -values)
    left, right = (_sums_by_size(half, size) for half in (values[: n // 2], values[n // 2 :]))
    above = clearly_above = 0
    for i, some in enumerate(left):
        if not 0 <= size - i < len(right):
            continue
        # Sorted on both sides, so that neighbouring searches end in neighbouring places of the memory.
        rest, wanted = np.sort(right[size - i]), observed - np.sort(some)
        above += int((len(rest) - np.searchsorted(rest, wanted - slack, "left")).sum())
        clearly_above += int((len(rest) - np.searchsorted(rest, wanted + slack, "right")).sum())
    total = comb(n, size)
    return Tails(above, total - clearly_above, total)


def _sums_by_size(values: Floats, most: int) -> list[Floats]:
    """Return the sums of all subsets, for each size up to the largest that is asked for."""
    sums = [np.zeros(1)]
    for value in values:
        longer = [part + value for part in sums]
        sums = [
            sums[0],
            *(np.concatenate(pair) for pair in zip(sums[1:], longer[:-1], strict=True)),
            longer[-1],
        ][: most + 1]
    return sums


def draw_splits(values: Floats, first: int, n_resamples: int, rng: np.random.Generator) -> Tails:
    """Draw splits at random; the given one counts as one more, so that no p is 0."""
    n = len(values)
    observed, slack = values[:first].sum(), TIE * n
    above = below = 0
    batch = max(1, _CELLS // n)
    for start in range(0, n_resamples, batch):
        table = np.tile(values, (min(batch, n_resamples - start), 1))
        sums = rng.permuted(table, axis=1, out=table)[:, :first].sum(1)
        above += int((sums >= observed - slack).sum())
        below += int((sums <= observed + slack).sum())
    return Tails(above + 1, below + 1, n_resamples + 1)
