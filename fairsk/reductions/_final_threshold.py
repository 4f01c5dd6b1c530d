"""The exact threshold on held-out scores that errs least under the bounds, among any number of scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fairsk._core.bounds import ROUNDING
from fairsk._core.curves import Curve, sorted_curves
from fairsk._core.typing import Bools, Floats
from fairsk._held_out.safety_margin import KeptMargin, SafetyMargin, allowance
from fairsk.reductions._bounded_rows import BoundedRows, Window, extremes

__all__ = [
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
_LEAST_GAIN_KEPT = 0.5

#: How much of a window the margins of two groups may take. Groups of few rows may ask for more than there is;
#: to keep that, only decisions that are alike for all would do.
_MOST_OF_WINDOW = 0.5


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

    def values(self, rate: int, code: int) -> Floats:
        """Return a rate of one group at every threshold."""
        curve = self._curves[0][code]
        return self.rows.rates[rate](curve.at(curve.positions(self.thresholds)))

    def violations(self, distances: Floats | None = None) -> Floats:
        """Return by how much the most violated bound is exceeded at each threshold; see ``BoundedRows``."""
        worst = np.zeros(len(self.thresholds))
        for w in self.rows.windows:
            bound = self.rows.bounds[w.rate]
            lowest, highest = np.full_like(worst, np.inf), np.full_like(worst, -np.inf)
            for code in w.codes:  # one group at a time: memory does not grow with their number
                kept = None if distances is None else distances[w.rate, code]
                low, high = extremes(self.values(w.rate, code)[None], bound, kept)
                lowest, highest = np.minimum(lowest, low), np.maximum(highest, high)  # NaN is passed on
            with np.errstate(invalid="ignore"):
                violation = bound.violation(lowest, highest)
            worst = np.maximum(worst, np.where(np.isnan(lowest), np.inf, violation))
        return worst

    def best(self, distances: Floats | None = None) -> Choice:
        """Return the threshold that errs least under the bounds, or else violates them least."""
        return least_error(self.thresholds, self.errors, self.violations(distances))


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
    return constant - _LEAST_GAIN_KEPT * max(0.0, constant - error)


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
        if share > _MOST_OF_WINDOW:
            distances[w.rate, w.codes] *= _MOST_OF_WINDOW / share
    return np.where(np.isfinite(distances), distances, 0.0)


def _leaves_room(distances: Floats, rows: BoundedRows) -> bool:
    """Tell whether distances leave enough of every window."""
    return all(_share_of_window(distances, w, rows) <= _MOST_OF_WINDOW + ROUNDING for w in rows.windows)


def _share_of_window(distances: Floats, window: Window, rows: BoundedRows) -> float:
    """Return how much of a window the two largest distances take; 0 without a bound, or of parity."""
    allowed = allowance(rows.bounds[window.rate])
    if not 0 < allowed < np.inf:
        return 0.0
    return float(np.sort(distances[window.rate, window.codes])[-2:].sum()) / allowed
