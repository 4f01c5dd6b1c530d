r"""PriceController: multipliers on group rates, moved by how far held-out rates lie outside their window.

A booster that is given a price follows it slowly, and by an amount that can be foreseen; so the gains of the
controller follow from the rows, the learning rate and the rounds, and are not constants.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from fairsk._core.bounds import Bound
from fairsk._core.typing import Floats
from fairsk.reductions._bounded_rows import BoundedRows

__all__ = ["MOST_SHIFT", "SHIFT", "PriceController"]

#: How far the log odds of a row move for a price of 1. A price of 1 is what a wrong decision costs, so the
#: best decision changes at a chance of 1/2 + 1/2 per price. The gradient p - y + c p (1 - p) is 0 where
#: p + c p (1 - p) is the chance; at p = 1/2 that is a chance of 1/2 + c / 4. Hence c is two prices.
SHIFT = 2.0


#: No row's log odds are asked to move further: see the notes of PriceController.
MOST_SHIFT = 3.0


class PriceController:
    DELAY = 1.0

    def __init__(
        self, rows: BoundedRows, *, n_rounds: int, learning_rate: float, distances: Floats | None = None
    ) -> None:
        self.rows = rows
        self.distances = distances
        shape = (len(rows.rates), rows.n_codes)
        lag = 1 / learning_rate
        self._gain = lag / (2 * self.DELAY)
        self._reset = min(lag, 8 * self.DELAY)
        self._integral = np.zeros((2, *shape))
        self._cells = rows.cells(np.zeros(len(rows), dtype=bool))
        self._total = rows.weights.sum()
        self.multipliers = np.zeros(shape)

    def price_table(self) -> Floats:
        """Return how far the log odds of a negative, and of a positive, of each group are to fall."""
        shifts = SHIFT * self.rows.price_table(self.multipliers, self._cells)
        return np.clip(shifts, -MOST_SHIFT, MOST_SHIFT)

    def update(self, scores: Floats, round: int) -> None:
        """Move the multipliers after a round, by the rates of rows whose log odds these are."""
        rows = self.rows
        chances = expit(scores)
        density = np.bincount(rows.codes, rows.weights * chances * (1 - chances), rows.n_codes)
        self._cells = rows.cells(scores >= 0)
        values, steps = rows.values(self._cells), rows.steps(self._cells)
        responses = SHIFT * self._total * density * steps.mean(2)  # times steps.mean(2) of another rate
        row_sums = np.abs(responses) * np.abs(steps.mean(2)).sum(0)
        with np.errstate(divide="ignore"):
            stiffness = np.where(row_sums > 0, 1 / row_sums, 0.0)
            most = MOST_SHIFT / (SHIFT * self._total * np.abs(steps).max(2))
        most[~np.isfinite(most)] = 0
        self._density = density
        for w in rows.windows:
            if not np.isfinite(rows.bounds[w.rate].value):  # no bound, so no price
                continue
            codes = w.codes[~np.isnan(values[w.rate, w.codes])]
            if len(codes) < 2 or np.isinf(rows.bounds[w.rate].line[1]):  # nothing to compare, or no bound
                continue
            at = w.rate, codes
            upper, lower = edges(
                values[at], rows.bounds[w.rate], None if self.distances is None else self.distances[at]
            )
            gain = stiffness[at] * self._gain
            integral = self._integral[:, w.rate, codes]
            x = balance(upper, lower, integral, gain)
            outside = np.stack([upper - x, x - lower])
            integral = np.clip(integral + gain / self._reset * outside, 0, most[at])
            self._integral[:, w.rate, codes] = integral
            forces = np.clip(integral + gain * outside, 0, most[at])
            factor, _ = rows.bounds[w.rate].line
            self.multipliers[at] = factor * forces[0] - forces[1]


def edges(values: Floats, bound: Bound, distances: Floats | None) -> tuple[Floats, Floats]:
    factor, slack = bound.line
    high = low = values
    if distances is not None:
        if bound.comparison == "difference":
            high, low = values + distances, values - distances
        else:
            high, low = values * np.exp(distances), values * np.exp(-distances)
    return factor * high - slack, low


def balance(upper: Floats, lower: Floats, integral: Floats, gain: Floats) -> float:
    ok = gain > 0
    upper, lower, integral, gain = upper[ok], lower[ok], integral[:, ok], gain[ok]
    if not len(gain):
        return 0.0
    ends = np.sort(np.concatenate([upper + integral[0] / gain, lower - integral[1] / gain]))
    down = np.maximum(integral[0] + gain * (upper - ends[:, None]), 0).sum(1)
    up = np.maximum(integral[1] + gain * (ends[:, None] - lower), 0).sum(1)
    imbalance = up - down
    nothing = 1e-12 * max(np.abs(imbalance).max(), 1e-300)
    return float(np.interp([-nothing, nothing], imbalance, ends).mean())
