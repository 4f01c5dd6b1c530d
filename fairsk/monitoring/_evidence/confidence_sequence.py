"""Confidence sequences: what the ratio or difference of two groups may be, after every batch at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.bounds import Bound
from fairsk._core.groups import format_group
from fairsk._core.results import Backend, Result, Table, number, percent
from fairsk._core.typing import Bools, Floats, Ints
from fairsk.monitoring._evidence.e_process import N_FORECASTS
from fairsk.monitoring._evidence.two_groups import (
    Batches,
    Prior,
    chunks,
    estimate,
    limits,
    reaches,
)
from fairsk.rates import Rate
from fairsk.statistics._pairs import PairComparison

__all__ = ["PRECISION", "ConfidenceSequence", "SequenceOutcome", "pair_sequence"]

SequenceOutcome: TypeAlias = Literal["PASS", "FAIL", "CHANGED", "INCONCLUSIVE"]

#: An end lies no further out than by this share of the sequence's width, since a grid has it.
PRECISION = 0.02
#: The first grid: ratios from 1/1024 to 1024, each twice the one before, or differences an eighth apart.
#: What lies beyond its first and its last point are two more cells.
_DOUBLINGS = 10
_EIGHTHS = 8
#: A cell of the grid that holds an end is cut into so many.
_PIECES = 4
#: How often: 4^20 pieces of a factor of two are as fine as numbers are.
_ROUNDS = 20
#: How many batches are printed, the latest.
_LATEST = 10


@dataclass(frozen=True, eq=False, repr=False)
class ConfidenceSequence(Result):
    """What the ratio or difference of two groups' rates may be, after each batch. Prints and renders itself.

    Parameters
    ----------
    rate : str
        Which rate.
    groups : tuple of two labels
        The group, and the other one that it is compared with.
    comparison : {"difference", "ratio"}
        Whether the other's rate is subtracted from the group's, or divides it.
    tolerance : tuple of two floats
        The smallest and the largest value that keeps the tolerance.
    confidence : float
        The probability that the limits hold the value after every batch, all of them together.
    batches : tuple of str of length n_batches
        The batches.
    estimate : array of shape (n_batches,)
        The value in all decisions so far, of several strata by Mantel and Haenszel; NaN where it is not
        defined. Other than the limits it takes batches for one: it is confounded where the common rate drifts
        while the groups' shares of the decisions do.
    low, high : array of shape (n_batches,)
        The limits. 0 and infinity, or -1 and 1, where nothing is known yet. NaN once no one value fits all
        batches (and strata).
    library : {"pandas", "polars", "pyarrow"}, optional
        The library of :meth:`frame`.

    See Also
    --------
    FairnessMonitor.confidence_sequence : What returns it.

    Examples
    --------
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.monitoring import FairnessMonitor
    >>> monitor = FairnessMonitor("demographic_parity", min_ratio=0.8)
    >>> cells = {"tp": [0, 0], "fp": [50, 20], "fn": [0, 0], "tn": [50, 80]}
    >>> for week in range(8):
    ...     step = monitor.update(GroupCounts(["a", "b"], cells, labelled=False), batch=f"w{week}")
    >>> sequence = monitor.confidence_sequence("b", "a")
    >>> bool(sequence.low[-1] < 0.4 < sequence.high[-1] < 0.8)
    True
    """

    rate: str
    groups: tuple[Hashable, Hashable]
    comparison: PairComparison
    tolerance: tuple[float, float]
    confidence: float
    batches: tuple[str, ...]
    estimate: Floats
    low: Floats
    high: Floats
    library: Backend | None = None

    @property
    def changed(self) -> str | None:
        """The first batch after which no one value fits all batches and strata; None if one does."""
        undefined = np.isnan(self.low)
        return self.batches[int(undefined.argmax())] if undefined.any() else None

    @property
    def outcome(self) -> SequenceOutcome:
        """What the latest limits say about the tolerance; CHANGED if no one value fits all batches."""
        if len(self.batches) == 0:
            return "INCONCLUSIVE"
        low, high = self.low[-1], self.high[-1]
        if np.isnan(low):
            return "CHANGED"
        if low >= self.tolerance[0] and high <= self.tolerance[1]:
            return "PASS"
        return "FAIL" if high < self.tolerance[0] or low > self.tolerance[1] else "INCONCLUSIVE"

    def _tables(self) -> list[Table]:
        columns: dict[str, Sequence[object]] = {
            "batch": self.batches,
            "estimate": self.estimate.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
        }
        latest = {name: list(map(number, values[-_LATEST:])) for name, values in columns.items()}
        sign = "/" if self.comparison == "ratio" else "-"
        group, other = map(format_group, self.groups)
        low, high = map(number, self.tolerance)
        notes = [
            f"With {percent(self.confidence)} confidence the limits hold the {self.comparison} after all "
            f"batches at once. The tolerance is {low} to {high}: {self.outcome}"
        ]
        if self.changed is not None:
            notes.append(
                f"Since batch {self.changed} no one {self.comparison} fits everything: it has changed over "
                "time, or differs between strata."
            )
        return [
            Table(
                columns,
                latest,
                caption=f"{self.rate}: {group} {sign} {other}",
                notes=notes,
                most_lines=_LATEST,
            )
        ]


def pair_sequence(
    part: ArrayLike,
    size: ArrayLike,
    *,
    bound: Bound,
    confidence: float,
    rate: Rate,
    groups: tuple[Hashable, Hashable],
    batches: Sequence[str],
    prior: Prior | None = None,
    library: Backend | None = None,
) -> ConfidenceSequence:
    """Return the confidence sequence of a ratio or difference that all batches and strata have in common.

    Parameters
    ----------
    part, size : array of shape (n_batches, n_strata, 2)
        Of each batch and stratum, k of n decisions of the group and of the other one.
    bound : Bound
        The tolerance, which says whether it is about a ratio or a difference.
    confidence : float
        The probability that all limits together hold the value.
    rate, groups, batches, library
        What the result is about: see :class:`ConfidenceSequence`.
    prior : tuple of two arrays of shape (n_strata, 2), optional
        Counts of before the first batch: forecasts have seen them, and they are no evidence.

    Returns
    -------
    ConfidenceSequence

    Notes
    -----
    A value v is left out once either null, an effect of at most v or of at least v in every batch and
    stratum, is refuted at half of what the confidence leaves. A value between two points of a grid is left
    out once the lower point's "at least", which holds for it too, or the upper point's "at most" is refuted.
    So limits are a cell too wide rather than too narrow. Cells that hold a limit after some batch are cut
    until they are no wider than `PRECISION` of the width then. The limits of the tolerance are points of the
    grid.
    """
    batched = Batches(part, size, bound.comparison, prior)
    low, high = _Grid(batched, float(np.log(2 / (1 - confidence))), bound).ends()
    return ConfidenceSequence(
        rate.name,
        groups,
        bound.comparison,
        limits(bound),
        confidence,
        tuple(batches),
        estimate(batched.part.cumsum(0), batched.size.cumsum(0), bound.comparison),
        low,
        high,
        library,
    )


class _Grid:
    """Values of an effect, and when both nulls of each were refuted."""

    def __init__(self, batches: Batches, log_line: float, bound: Bound) -> None:
        self._pair = batches.pairs(np.array([[0, 1]]))
        self._log_line = log_line
        self._n_batches, n_strata, _ = batches.part.shape
        self._numbers_each = self._n_batches * n_strata * N_FORECASTS
        if bound.comparison == "ratio":
            points = 2.0 ** np.arange(-_DOUBLINGS, _DOUBLINGS + 1)
            self._first, self._last = 0.0, np.inf
        else:
            points = np.arange(1 - _EIGHTHS, _EIGHTHS) / _EIGHTHS
            self._first, self._last = -1.0, 1.0
        points = np.unique([*points, *limits(bound)])
        self._points = points[(points > self._first) & (points < self._last)]
        self._at_most, self._at_least = self._refuted(self._points)

    def ends(self) -> tuple[Floats, Floats]:
        """Return the limits after each batch."""
        for _ in range(_ROUNDS):
            edges, first, last = self._cells()
            low, high = edges[first], edges[last + 1]
            fits = first <= last
            too_wide = self._too_wide(edges, first[fits], last[fits])
            if not too_wide.any():
                break
            self._cut(edges, too_wide)
        return np.where(fits, low, np.nan), np.where(fits, high, np.nan)

    def _refuted(self, points: Any) -> Ints:
        """Return the batches at which both nulls of values are refuted, at most the value and at least.

        Of shape (2, n_points); ``n_batches`` where they are not.
        """
        batches = np.empty((2, len(points)), np.intp)
        for place in chunks(len(points), self._numbers_each):
            for null, ratios in enumerate(self._pair.evidence(points[place, None])):
                is_refuted = reaches(ratios.sum(1).cumsum(0), self._log_line)
                never = np.ones((1, is_refuted.shape[1]), bool)
                batches[null, place] = np.concatenate([is_refuted, never]).argmax(0)
        return batches

    def _cells(self) -> tuple[Floats, Ints, Ints]:
        """Return the edges of all cells, and the first and last one that is left after each batch."""
        edges = np.concatenate([[self._first], self._points, [self._last]])
        # The first cell has no point below it, and the last one none above.
        out = np.minimum(
            np.append(self._at_most, self._n_batches), np.append(self._n_batches, self._at_least)
        )
        is_left = out > np.arange(self._n_batches)[:, None]
        n_cells = len(out)
        first = np.where(is_left.any(1), is_left.argmax(1), n_cells - 1)
        last = np.where(is_left.any(1), n_cells - 1 - is_left[:, ::-1].argmax(1), 0)
        return edges, first, last

    def _too_wide(self, edges: Floats, first: Ints, last: Ints) -> Bools:
        """Tell which cells hold an end after some batch, and are too wide for the sequence then."""
        scale = edges
        if self._pair.comparison == "ratio":  # ratios are measured in doublings
            with np.errstate(divide="ignore"):
                scale = np.log2(edges)
        # A sequence with an open end is as sharp at its other one as one as wide as a doubling.
        width = np.minimum(scale[last + 1] - scale[first], 1.0)
        allowed = np.full(len(edges) - 1, np.inf)
        for cell in (first, last):
            np.minimum.at(allowed, cell, PRECISION * width)
        cells = np.diff(scale)
        return (cells > allowed) & np.isfinite(cells)

    def _cut(self, edges: Floats, too_wide: Bools) -> None:
        """Add points within cells."""
        low, high = edges[:-1][too_wide, None], edges[1:][too_wide, None]
        parts = np.arange(1, _PIECES) / _PIECES
        if self._pair.comparison == "ratio":
            points = (low * (high / low) ** parts).ravel()
        else:
            points = (low + (high - low) * parts).ravel()
        at_most, at_least = self._refuted(points)
        self._points = np.append(self._points, points)
        order = self._points.argsort()
        self._points = self._points[order]
        self._at_most = np.append(self._at_most, at_most)[order]
        self._at_least = np.append(self._at_least, at_least)[order]
