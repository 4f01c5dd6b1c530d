"""The exact threshold on held-out scores that errs least under the bounds, among any number of scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fairsk._core.bounds import ROUNDING
from fairsk._core.curves import Curve, sorted_curves
from fairsk._core.typing import Bools, Floats, Ints
from fairsk._held_out.safety_margin import KeptMargin, SafetyMargin, allowance
from fairsk.reductions._bounded_rows import BoundedRows, Window, extremes

__all__ = [
    "LEAST_GAIN_KEPT",
    "MOST_OF_WINDOW",
    "Choice",
    "ThresholdSweep",
    "best_choice",
    "choose_threshold",
    "distances_of",
    "distances_of_all",
    "largest_error_kept",
    "least_error",
]

#: What a margin leaves at least of the gain in accuracy, over one decision for all, that there is without it.
LEAST_GAIN_KEPT = 0.5

#: How much of a window the margins of two groups may take. Groups of few rows may ask for more than there is;
#: to keep that, only decisions that are alike for all would do.
MOST_OF_WINDOW = 0.5


@dataclass(frozen=True)
class Choice:
    """A threshold on one of several scores.

    Parameters
    ----------
    score : int
        Which of the scores.
    threshold : float
        Rows with a score of at least this are selected; infinite where nobody, or everybody, is.
    error : float
        The share of rows, by weight, that are decided wrongly.
    violation : float
        By how much the most violated bound is exceeded; 0 if all hold.
    """

    score: int
    threshold: float
    error: float
    violation: float


@dataclass(frozen=True)
class ThresholdSweep:
    """All thresholds of one score: one sort, and every error and rate is read off.

    Parameters
    ----------
    rows : BoundedRows
        The rows.
    scores : array of shape (n_samples,)
        Their (held-out) scores, finite.
    """

    rows: BoundedRows
    scores: Floats

    @cached_property
    def _curves(self) -> tuple[list[Curve], Curve]:
        rows = self.rows
        ((curves, everyone),) = sorted_curves(
            self.scores, rows.actual, rows.codes, rows.n_codes, [rows.weights]
        )
        return curves, everyone

    @cached_property
    def thresholds(self) -> Floats:
        """Every threshold that can be told apart, falling: from nobody selected to everybody."""
        return self._curves[1].thresholds

    @cached_property
    def errors(self) -> Floats:
        """The share of rows that is decided wrongly at each threshold."""
        cells = self._curves[1].cells
        return (cells["fp"] + cells["fn"]) / self.rows.weights.sum()

    def violations(self, distances: Floats | None = None) -> Floats:
        """Return by how much the most violated bound is exceeded at each threshold; see ``BoundedRows``."""
        curves, everyone = self._curves
        worst = np.zeros(len(everyone))
        for w in self.rows.windows:
            bound = self.rows.bounds[w.rate]
            starts, lows, highs = [], [], []
            for code in w.codes:
                kept = None if distances is None else distances[w.rate, code]
                low, high = extremes(self.rows.rates[w.rate](curves[code].cells)[None], bound, kept)
                starts.append(np.append(0, everyone.positions(curves[code].steps)))
                lows.append(low)
                highs.append(high)
            ends = [np.append(each[1:], len(everyone)) for each in starts]
            spans = np.concatenate(starts), np.concatenate(ends)
            lowest = -_highest_of_spans(*spans, -np.concatenate(lows), len(everyone))
            highest = _highest_of_spans(*spans, np.concatenate(highs), len(everyone))
            with np.errstate(invalid="ignore"):
                violation = bound.violation(lowest, highest)
            worst = np.maximum(worst, np.where(np.isnan(lowest), np.inf, violation))
        return worst

    def best(self, distances: Floats | None = None) -> Choice:
        """Return the threshold that errs least under the bounds, or else violates them least."""
        return least_error(self.thresholds, self.errors, self.violations(distances))


def _highest_of_spans(starts: Ints, ends: Ints, values: Floats, n: int) -> Floats:
    """Return the highest value at each of n positions, where each value holds from a start up to an end.

    Rates change where rows of the group enter, so that all groups have as many spans as there are rows: to
    look at every group at every threshold would take as long as there are groups.
    """
    # Each span is two blocks that may overlap, of the largest power of two that fits; from the largest size
    # down, what holds in a block holds in both of its halves.
    sizes = np.frexp(ends - starts)[1] - 1
    highest = np.full(n, -np.inf)
    for size in range(int(sizes.max()), -1, -1):
        of_size = np.flatnonzero(sizes == size)
        with np.errstate(invalid="ignore"):  # NaN is passed on
            np.maximum.at(highest, starts[of_size], values[of_size])
            np.maximum.at(highest, ends[of_size] - (1 << size), values[of_size])
        if size:
            half = 1 << (size - 1)
            highest[half:] = np.maximum(highest[half:], highest[:-half].copy())
    return highest


def least_error(thresholds: Floats, errors: Floats, violations: Floats) -> Choice:
    """Return the threshold that errs least under the bounds, or else violates them least."""
    position = int(np.argmin(np.where(violations <= violations.min(), errors, np.inf)))
    return Choice(0, float(thresholds[position]), float(errors[position]), float(violations[position]))


def best_choice(sweeps: Sequence[ThresholdSweep], distances: Floats | None = None) -> Choice:
    """Return the threshold, of any of the scores, that errs least under the bounds or violates them least."""
    choices = [sweep.best(distances) for sweep in sweeps]
    best = min(range(len(choices)), key=lambda i: (choices[i].violation, choices[i].error, i))
    found = choices[best]
    return Choice(best, found.threshold, found.error, found.violation)


def choose_threshold(sweeps: Sequence[ThresholdSweep], margin: SafetyMargin) -> tuple[Choice, KeptMargin]:
    """Return the best choice that keeps the margin, as much of it as can be kept, and what is kept.

    Parameters
    ----------
    sweeps : sequence of ThresholdSweep
        The scores to choose from, of the same rows.
    margin : SafetyMargin
        How much room to leave for sampling error.
    """
    rows = sweeps[0].rows
    if not margin.n_errors:  # as always where groups are compared within strata
        return best_choice(sweeps), KeptMargin.none()
    plain = best_choice(sweeps)
    worst = largest_error_kept(rows, plain.error)

    def solve(distances: Floats | None) -> Choice:
        if distances is None:
            return plain
        of_all = _of_compared(distances, rows)
        if not _leaves_room(of_all, rows):
            raise ValueError("This margin leaves too little of the window.")
        choice = best_choice(sweeps, of_all)
        if choice.violation > 0 or choice.error > worst:
            raise ValueError("No threshold worth having keeps this margin.")
        return choice

    return margin.choose(solve, lambda choice: rows.counts(sweeps[choice.score].scores >= choice.threshold))


def largest_error_kept(rows: BoundedRows, error: float) -> float:
    """Return the error that a margin may lead to, from that without one.

    To select nobody keeps every margin: where a group's rate is known less surely than the bound is wide,
    little else does.
    """
    share = float(np.average(rows.actual, weights=rows.weights))
    constant = min(share, 1 - share)
    return constant - LEAST_GAIN_KEPT * max(0.0, constant - error)


def distances_of_all(distances: Floats | None, rows: BoundedRows) -> Floats | None:
    """Return the distances of compared groups as those of all: of shape (n_rates, n_codes); not in strata."""
    return None if distances is None else _of_compared(distances, rows)


def _of_compared(distances: Floats, rows: BoundedRows) -> Floats:
    of_all = np.zeros((len(rows.rates), rows.n_codes))
    of_all[:, rows.is_compared] = distances
    return of_all


def distances_of(margin: SafetyMargin, rows: BoundedRows, selected: Bools) -> Floats:
    """Return how far rates, of shape (n_rates, n_codes), are to stay away from the ends of their windows.

    Those that a margin asks for or, where the rates of two groups would have less than half of the window
    left between them, a share of these.
    """
    errors = margin.standard_errors(rows.counts(selected))
    distances = np.zeros((len(rows.rates), rows.n_codes))
    distances[:, rows.is_compared] = margin.n_errors * errors
    for w in rows.windows:
        share = _share_of_window(distances, w, rows)
        if share > MOST_OF_WINDOW:
            distances[w.rate, w.codes] *= MOST_OF_WINDOW / share
    return np.where(np.isfinite(distances), distances, 0.0)


def _leaves_room(distances: Floats, rows: BoundedRows) -> bool:
    """Tell whether distances leave enough of every window."""
    return all(_share_of_window(distances, w, rows) <= MOST_OF_WINDOW + ROUNDING for w in rows.windows)


def _share_of_window(distances: Floats, window: Window, rows: BoundedRows) -> float:
    """Return how much of a window the two largest distances take; 0 without a bound, or of parity."""
    allowed = allowance(rows.bounds[window.rate])
    if not 0 < allowed < np.inf:
        return 0.0
    return float(np.sort(distances[window.rate, window.codes])[-2:].sum()) / allowed
