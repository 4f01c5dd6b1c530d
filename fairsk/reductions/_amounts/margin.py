"""The margin of amounts: how far group means are to stay inside of a bound, so that new rows keep it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from fairsk._core.amount_sums import tabulate_amounts
from fairsk._core.groups import Grouping
from fairsk._core.typing import Floats
from fairsk._held_out.safety_margin import KeptMargin, MarginLike
from fairsk.reductions._amounts.rows import AmountRows

__all__ = ["AmountMargin"]


@dataclass(frozen=True)
class AmountMargin:
    """A margin of some standard errors between each group's mean and the end of what its bound allows.

    Parameters
    ----------
    margin : {"1se"} or float
        One standard error, or a confidence for all statements at once; 0 for none.
    rows : AmountRows
        The held-out rows.
    groups : Grouping
        Their groups.
    """

    margin: MarginLike
    rows: AmountRows
    groups: Grouping

    @property
    def n_errors(self) -> float:
        """How many standard errors are asked for."""
        if self.margin == "1se":
            return 1.0
        if not self.margin:
            return 0.0
        n = int(self.rows.covered.sum())
        # Bonferroni: of a difference either one of a pair may be the greater, of a ceiling each may be.
        pairs = n * (n - 1) if self.rows.bound.comparison == "difference" else n
        n_statements = max(1, pairs * len(self.rows.rates))
        return float(ndtri(1 - (1 - self.margin) / n_statements))

    def distances(self, predictions: Floats) -> Floats | None:
        """Return how far the means of predictions should stay away from the ends; None without a margin.

        Of a difference no more than half of what the bound allows: then all means are alike.
        """
        if not self.n_errors or not np.isfinite(self.rows.bound.value):
            return None
        wanted = self.n_errors * self._standard_errors(predictions)
        if self.rows.bound.comparison == "difference":
            wanted = np.minimum(wanted, self.rows.bound.value / 2)
        return np.where(self.rows.covered, wanted, 0.0)

    def kept(self, predictions: Floats, distances: Floats | None) -> KeptMargin:
        """Return the margin that predictions keep, in standard errors: at least what distances are.

        A group that others are in the way of has less; one that lies well within the bound has all of it.
        """
        if distances is None:
            return KeptMargin.none()
        errors = self._standard_errors(predictions)
        distances = np.fmax(distances, np.fmin(self._room(predictions, distances), self.n_errors * errors))
        with np.errstate(divide="ignore", invalid="ignore"):
            kept = np.where(errors > 0, distances / errors, np.inf).min(0)
        by_group = {
            label: float(kept[g])
            for g, label in enumerate(self.rows.labels)
            if self.rows.covered[g] and kept[g] < self.n_errors * (1 - _SAME)
        }
        is_kept = len(by_group) < self.rows.covered.sum() or any(by_group.values())
        return KeptMargin(self.n_errors if is_kept else 0.0, distances, by_group)

    def _room(self, predictions: Floats, distances: Floats) -> Floats:
        """Return how far the mean of each covered group is from the ends of what the bound allows."""
        values, bound = self.rows.values(predictions), self.rows.bound
        at, kept = values[:, self.rows.covered], distances[:, self.rows.covered]
        if not at.size:
            return np.zeros_like(values)
        if bound.comparison == "worst_group":
            room = bound.value - values
        else:  # the window lies in the middle of where it can lie
            lowest = ((at + kept).max(1) + (at - kept).min(1) - bound.value)[:, None] / 2
            room = np.minimum(values - lowest, lowest + bound.value - values)
        return np.where(self.rows.covered, room, 0.0)

    def _standard_errors(self, predictions: Floats) -> Floats:
        table = tabulate_amounts(self.rows.target, predictions, self.groups, self.rows.weights)
        return np.nan_to_num(np.array([table.standard_errors(rate) for rate in self.rows.rates]))


#: Numbers of standard errors that are closer than this share are the same: what predicts in the end scatters
#: a little otherwise than what the margin was taken of.
_SAME = 0.05
