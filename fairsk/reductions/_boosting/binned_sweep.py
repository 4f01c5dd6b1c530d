"""Errors and rates at many thresholds of log odds at once, without a sort: to rank rounds by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fairsk._core.typing import Floats
from fairsk.reductions._bounded_rows import BoundedRows, extremes
from fairsk.reductions._final_threshold import Choice, least_error

__all__ = ["BinnedSweep"]

#: Between which log odds thresholds are looked for. Prices make decisions right at log odds of 0, so that the
#: best threshold is near; at 2, seven of eight rows selected would have to be positive.
_RANGE = 2.0
#: How many steps there are. Chances move by at most .001 from one to the next, and rates by as little.
_N_STEPS = 1024


@dataclass(frozen=True)
class BinnedSweep:
    """Thresholds of log odds at equal distances around 0: one count, and every error and rate is read off.

    At these thresholds, and where everybody or nobody is selected, they are exact.

    Parameters
    ----------
    rows : BoundedRows
        The rows.
    scores : array of shape (n_samples,)
        Their (held-out) log odds, finite.
    """

    rows: BoundedRows
    scores: Floats

    @cached_property
    def thresholds(self) -> Floats:
        """The thresholds, falling."""
        return np.concatenate([[np.inf], np.linspace(_RANGE, -_RANGE, _N_STEPS + 1), [-np.inf]])

    @cached_property
    def cells(self) -> dict[str, Floats]:
        """The confusion cells at every threshold, each of shape (n_thresholds, n_codes)."""
        rows, n_kinds = self.rows, 2 * self.rows.n_codes
        # The distance of thresholds is a power of 2, so that no score is rounded across one.
        steps = np.ceil(self.scores * (-_N_STEPS / (2 * _RANGE))) + _N_STEPS // 2
        bins = np.clip(steps, 0, _N_STEPS + 1).astype(np.intp)
        kinds = bins * n_kinds + 2 * rows.codes + rows.actual
        sums = np.bincount(kinds, rows.weights, (_N_STEPS + 2) * n_kinds).reshape(-1, rows.n_codes, 2)
        selected = np.concatenate([np.zeros_like(sums[:1]), np.cumsum(sums, axis=0)])
        fp, tp = selected[..., 0], selected[..., 1]
        return {"tp": tp, "fp": fp, "fn": tp[-1] - tp, "tn": fp[-1] - fp}

    @cached_property
    def errors(self) -> Floats:
        """The share of rows that is decided wrongly at each threshold."""
        return (self.cells["fp"] + self.cells["fn"]).sum(1) / self.rows.weights.sum()

    @cached_property
    def values(self) -> Floats:
        """Every bounded rate, of shape (n_thresholds, n_rates, n_codes)."""
        return self.rows.values(self.cells).swapaxes(0, 1)

    @property
    def even_odds(self) -> int:
        """The position of the threshold 0, where both labels have the same chance."""
        return _N_STEPS // 2 + 1

    def violations(self, distances: Floats | None = None) -> Floats:
        """Return by how much the most violated bound is exceeded at each threshold; see ``BoundedRows``."""
        worst = np.zeros(len(self.thresholds))
        for w in self.rows.windows:
            bound, at = self.rows.bounds[w.rate], self.values[:, w.rate, w.codes].T
            kept = None if distances is None else distances[w.rate, w.codes][:, None]
            lowest, highest = extremes(at, bound, kept)
            with np.errstate(invalid="ignore"):
                violation = bound.violation(lowest, highest)
            worst = np.maximum(worst, np.where(np.isnan(lowest + highest), np.inf, violation))
        return worst

    def best(self, distances: Floats | None = None) -> Choice:
        """Return the threshold that errs least under the bounds, or else violates them least."""
        return least_error(self.thresholds, self.errors, self.violations(distances))
