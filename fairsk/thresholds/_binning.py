"""What thresholds between the edges of a histogram could gain at most, from its counts alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fairsk._core.bounds import ROUNDING
from fairsk._core.curves import Curve
from fairsk._held_out.objective import Objective
from fairsk.rates import Rate, get_rate
from fairsk.thresholds._choose import ChosenRules
from fairsk.thresholds._search import Search
from fairsk.thresholds._solvers.problem import Choices

__all__ = ["binning_loss"]

Floats = NDArray[np.float64]

#: Ranges of rates are cut into pieces of the length of a bin, on average, divided by this.
_PIECES = 8


def binning_loss(chosen: ChosenRules) -> float | None:
    """Return how much more thresholds between the edges could reach at most; None where that is not known.

    Groups that are exempt keep their threshold.
    """
    search, report = chosen.search, chosen.report
    if not search.measured or not isinstance(search.objective, Objective):
        return None
    relaxed = _RelaxedSearch(**{field.name: getattr(search, field.name) for field in fields(search)})
    if not all(rate.is_share for rate in relaxed.rates if not rate.has_fixed_denominator):
        return None
    widened = tuple(replace(bound, tolerance=relaxed.piece + ROUNDING) for bound in chosen.bounds)
    best = relaxed.best(widened)
    found = best.mixed if "randomized" in (report.policy, search.policy) else best.single
    loss = float("nan") if found is None else float(search.objective.better(found.value, report.value))
    return None if np.isnan(loss) else max(0.0, loss)


@dataclass(frozen=True)
class _RelaxedSearch(Search):
    """The search over whole bins: each is a rectangle of true and false positives.

    A bin's best corner counts for the objective; where its rates lie in ranges, each piece of the range is a
    choice of its own, named by its upper end, and the bounds are widened by the length of a piece.
    """

    @property
    def piece(self) -> float:
        """Into pieces of which length ranges of rates are cut."""
        return 1 / (_PIECES * max(len(self.evidence.curves[g]) for g in self.measured))

    @cached_property
    def _curves(self) -> list[Curve]:
        """Every group's corners, four per bin; the last one is that of selecting everybody."""
        return [_corners(self.evidence.curves[g]) for g in self.measured]

    @cached_property
    def _choices(self) -> list[Choices]:
        return [self._pieces(g, curve) for g, curve in zip(self.measured, self._curves, strict=True)]

    def _pieces(self, group: int, corners: Curve) -> Choices:
        cells = corners.cells
        n_bins = len(corners) // 4
        ranges = [self._range(rate, cells, n_bins) for rate in self.rates]
        is_open = np.ones(n_bins, dtype=bool)
        is_open &= self.evidence.curves[group].steps <= self.requirements.highest
        for rate, least in self.requirements.min_rates.items():
            if self.evidence.most_rows(rate)[group] >= self.min_group_size:
                is_open &= self._range(rate, cells, n_bins)[1] >= least - ROUNDING
        bins = np.flatnonzero(is_open)
        tops = np.zeros((0, len(bins)))
        for low, high in ranges:
            counts = np.maximum(1, np.ceil((high - low)[bins] / self.piece)).astype(np.intp)
            offset = np.concatenate([np.arange(count) for count in counts]) if len(counts) else counts
            bins, tops = np.repeat(bins, counts), np.repeat(tops, counts, axis=1)
            tops = np.vstack([tops, np.maximum(low[bins], high[bins] - offset * self.piece)])
        position = (4 * bins[:, None] + np.arange(4)).ravel()
        fewest = get_rate("selection_rate").part(cells)[4 * bins]
        return Choices(position, np.repeat(tops, 4, axis=1), np.zeros(len(position)), np.repeat(fewest, 4))

    @staticmethod
    def _range(rate: Rate, cells: Mapping[str, Floats], n_bins: int) -> tuple[Floats, Floats]:
        """Return the least and the greatest value that a rate may have in each bin: those of its corners."""
        values = rate(cells).reshape(n_bins, 4)
        undefined = np.isnan(values).any(1)  # next to a corner with nothing to divide by, it may be anything
        return np.where(undefined, 0.0, values.min(1)), np.where(undefined, 1.0, values.max(1))


def _corners(curve: Curve) -> Curve:
    """Return the corners of every bin, as a curve: fewest of both, most positives, most negatives, most."""
    tp, fp = curve.tp, curve.fp
    tps = np.stack([tp[:-1], tp[1:], tp[:-1], tp[1:]], axis=1).ravel()
    fps = np.stack([fp[:-1], fp[:-1], fp[1:], fp[1:]], axis=1).ravel()
    return Curve(np.repeat(curve.steps, 4)[1:], tps, fps, between=False)
