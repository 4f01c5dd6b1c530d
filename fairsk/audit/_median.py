"""The median of scores, of rows or inside an engine, and which rows lie above it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fairsk._core.engines import Combinations
from fairsk._core.equal_bins import NARROWEST, EqualBins
from fairsk._core.typing import Bools, Floats

__all__ = ["MedianSplit", "median_of", "split_at_median"]

#: Sums of weights that differ from half of all by less than this share of all count as half: in another
#: order the same weights may have another last digit.
_ROUNDING = 1e-9
#: Into how many bins scores are divided to find the one with the median.
_MOST_BINS = 2**12


def median_of(scores: Floats, weights: Floats | None) -> float:
    """Return the (weighted) median of the scores of rows.

    Parameters
    ----------
    scores : array of shape (n_samples,)
        Finite scores.
    weights : array of shape (n_samples,), or None
        Not negative, and not all zero; None stands for weights of one.

    Notes
    -----
    The lower middle is the least score up to which lies at least half of the weight, the upper middle the
    least up to which lies more than half. The median is the mean of both, and below the upper one if they
    differ.
    """
    if weights is None:
        middles = [(len(scores) - 1) // 2, len(scores) // 2]
        lower, upper = np.partition(scores, middles)[middles].tolist()
        return _between(lower, upper)
    weighed = weights > 0
    if not weighed.all():
        scores, weights = scores[weighed], weights[weighed]
    # Sorting a million scores takes most of the time of an audit: only those around the median are sorted.
    bins = EqualBins.covering(float(scores.min()), float(scores.max()), _MOST_BINS)
    places = bins.places(scores)
    sums = np.cumsum(np.bincount(places, weights))
    half, tolerance = sums[-1] / 2, _ROUNDING * sums[-1]
    place = int(np.searchsorted(sums, half - tolerance))
    inside = places == place
    near, order = scores[inside], np.argsort(scores[inside])
    sums_near = (sums[place - 1] if place else 0.0) + np.cumsum(weights[inside][order])
    # Rounding may leave the last sum below half.
    middle = min(int(np.searchsorted(sums_near, half - tolerance)), len(near) - 1)
    lower = float(near[order[middle]])
    if sums_near[middle] > half + tolerance:
        return lower
    if middle + 1 < len(near):
        return _between(lower, float(near[order[middle + 1]]))
    return _between(lower, float(scores[places > place].min(initial=np.inf)))


def _between(lower: float, upper: float) -> float:
    """Return the mean of two scores; between neighbouring floats there is none, and the lower one is it."""
    middle = (lower + upper) / 2
    return middle if middle < upper < np.inf else lower


@dataclass(frozen=True)
class MedianSplit:
    """The median, and combinations of values that hold every row once, each above the median or not."""

    median: float
    parts: list[tuple[Combinations, Bools]]


def split_at_median(first: Combinations, zoom: Callable[[float, float], Combinations]) -> MedianSplit:
    """Find the median inside an engine, exactly, by narrower and narrower bins.

    What comes back are counts per bin: memory stays flat however many rows there are.

    Parameters
    ----------
    first : Combinations
        All rows by bins of their score, with the lowest and highest score of each.
    zoom : callable
        Counts the rows whose score is at least one number and at most another by narrower bins of these.

    Raises
    ------
    RuntimeError
        If the rows change between two queries.
    """
    half, tolerance = first.weights.sum() / 2, _ROUNDING * first.weights.sum()
    parts: list[tuple[Combinations, Bools]] = []
    table, below, next_above = first, 0.0, np.inf
    while True:
        weighed = table.weights > 0
        assert table.bins is not None
        assert table.lowest is not None
        assert table.highest is not None
        if not weighed.any():
            raise RuntimeError("The rows of the frame changed while they were counted: count a copy.")
        sums = below + np.cumsum(np.bincount(table.bins[weighed], table.weights[weighed]))
        # Rounding may leave the last sum below half.
        place = min(int(np.searchsorted(sums, half - tolerance)), int(table.bins[weighed].max()))
        inside, above = weighed & (table.bins == place), weighed & (table.bins > place)
        low, high = float(table.lowest[inside].min()), float(table.highest[inside].max())
        next_above = min(next_above, table.lowest[above].min(initial=np.inf))
        if sums[place] <= half + tolerance and np.isfinite(next_above):
            return MedianSplit(_between(high, next_above), [*parts, (table, above)])
        if high - low < NARROWEST:  # not even the narrowest bins tell them apart
            return MedianSplit(low, [*parts, (table, above)])
        parts.append((_rest(table, ~inside), above[~inside]))
        below = float(sums[place - 1]) if place else below
        table = zoom(low, high)


def _rest(table: Combinations, kept: Bools) -> Combinations:
    """Return some of the combinations."""

    def take(values: Floats | None) -> Floats | None:
        return None if values is None else values[kept]

    return Combinations(
        {name: column[kept] for name, column in table.columns.items()},
        table.orders,
        table.rows[kept],
        table.weights[kept],
        table.squares[kept],
        take(table.doubtful),
        None if table.bins is None else table.bins[kept],
        take(table.score_sums),
        take(table.score_squares),
        take(table.lowest),
        take(table.highest),
    )
