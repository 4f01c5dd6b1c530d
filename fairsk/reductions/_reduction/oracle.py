"""The best response to prices: labels and weights for which a weighted fit minimises error plus prices.

Selecting row i costs its price plus ``1 - 2 * actual``, in units of a wrong decision. A classifier of
weighted rows finds the decisions that cost least in one of two ways:

* **flip**: the label is the decision that costs less, and the weight is by how much;
* **split**: labels stay, and each price is weight for the label that it asks for, on a second copy of the row
  where that is the other one.

The weighted error is the same function of decisions, up to a constant. Learners minimise something smoother,
though: with one rate flipped labels come nearer to the best decisions; with several, which pull against each
other, the labels that are left hold the learner where both rates are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fairsk._core.typing import Bools, Floats, Ints
from fairsk.reductions._bounded_rows import BoundedRows

__all__ = ["Response", "best_response"]


@dataclass(frozen=True)
class Response:
    """What a classifier is fitted to.

    Parameters
    ----------
    target : boolean array of shape (n_samples,)
        Whether each row's label is the positive one.
    weights : array of shape (n_samples,)
        The weight of each row; 0 leaves it out.
    copies : array of shape (n_samples,)
        The weight of a second copy of each row that has the other label; 0 makes none.
    """

    target: Bools
    weights: Floats
    copies: Floats

    def take(self, rows: Ints) -> tuple[Ints, Bools, Floats]:
        """Return what to fit to if only these rows may be used: positions, labels, weights.

        A position stands there twice if the row is copied, and not at all if it has no weight.
        """
        own, copied = rows[self.weights[rows] > 0], rows[self.copies[rows] > 0]
        return (
            np.concatenate([own, copied]),
            np.concatenate([self.target[own], ~self.target[copied]]),
            np.concatenate([self.weights[own], self.copies[copied]]),
        )


def best_response(rows: BoundedRows, multipliers: Floats, *, keep_labels: bool) -> Response:
    """Return labels and weights whose weighted error is error plus multipliers times rates.

    Parameters
    ----------
    rows : BoundedRows
        The rows; all bounded rates have fixed denominators.
    multipliers : array of shape (n_rates, n_codes)
        What it costs to raise each group's rate by one.
    keep_labels : bool
        Whether prices are split off, onto copies; otherwise labels are flipped.
    """
    none = np.zeros(len(rows))
    if not multipliers.any():
        return Response(rows.actual, rows.weights, none)
    prices = rows.prices(multipliers, rows.cells(rows.actual))
    if not keep_labels:
        costs = prices + 1 - 2 * rows.actual
        return Response(costs < 0, rows.weights * np.abs(costs), none)
    added = rows.weights * np.abs(prices)
    agrees = (prices < 0) == rows.actual
    return Response(rows.actual, rows.weights + np.where(agrees, added, 0.0), np.where(agrees, 0.0, added))
