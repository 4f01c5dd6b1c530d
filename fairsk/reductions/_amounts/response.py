"""The response to prices: targets and weights for which a regressor minimises loss plus prices.

For row i of group g the Lagrangian is ``q_g = loss + sum_j p_jg m_j``, a function of its prediction, with
``p_jg`` the multiplier of mean j over the share of the group. A regressor fitted to other targets and weights
minimises it if ``weight * loss(prediction, target + shift)`` has the same derivative:

* a price on predictions shifts targets. With the squared loss, ``q = (f - y)^2 + p f`` is, up to a constant,
  ``(f - (y - p / 2))^2``;
* a price on a loss is weight: ``q = (1 + p) loss``.

Both are one rule. The weight is the curvature of ``q`` over that of the loss, the shift what brings the mean
slope to where it was. For the squared loss and prices on these two it is exact. For any other loss or mean,
slopes and curvatures are those that the predictions without a bound have on held-out rows, and what comes out
is a good direction, which the combination of models then measures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fairsk._core.typing import Floats
from fairsk.reductions._amounts.rows import AmountRows

__all__ = ["PriceResponses", "Response"]

#: No group weighs less than this share of what it does without prices: a regressor that does not see a group
#: does not know its rows either.
_LEAST_WEIGHT = 0.01
#: Shifts are at least this share of the spread of the targets: a bound that is missed by a hair asks
#: for less, and the difference of two models would be noise.
_LEAST_SHIFT = 0.1
#: By how much multipliers on losses rise at a time: at 1, it is worth as much to lower the loss of the groups
#: beyond the bound as that of all rows.
_PUSH = 1.0
#: By how much of its weight a group whose loss is too low becomes lighter at a time.
_LIGHTER = 0.5
#: The same where nothing but the worst means counts any more: so much more that all others are a tenth.
_AGAINST = 10.0


@dataclass(frozen=True)
class Response:
    """What a regressor is fitted to.

    Parameters
    ----------
    shifts : array of shape (n_groups,)
        What is added to the targets of each group.
    factors : array of shape (n_groups,)
        What the weights of each group are multiplied by.
    """

    shifts: Floats
    factors: Floats


class PriceResponses:
    """Slopes and curvatures of loss and means, from which the response to any prices follows.

    Parameters
    ----------
    rows : AmountRows
        The held-out rows.
    predictions : array of shape (n_samples,)
        Their predictions without a bound.
    """

    def __init__(self, rows: AmountRows, predictions: Floats) -> None:
        self.rows = rows
        self.spread = _spread(rows.target, rows.shares) or 1.0
        self._root_slopes = rows.root_slopes(predictions)
        # Half a standard deviation of the errors to either side, so that kinks of single rows are smoothed.
        step = (_spread(rows.target - predictions, rows.shares) or self.spread) / 2
        low, middle, high = (self._mean_slopes(predictions + move) for move in (-step, 0.0, step))
        (self._loss_slope, *self._slopes) = middle
        (self._loss_curvature, *self._curvatures) = (high - low) / (2 * step)
        self._step = step

    def _mean_slopes(self, predictions: Floats) -> Floats:
        """Return the mean slope of the loss, and of what each bounded mean averages."""
        rows = self.rows
        each = [rows.loss, *rows.rates]
        return np.array([rows.shares @ rate.slope(predictions, rows.target) for rate in each])

    def to(self, multipliers: Floats) -> Response:
        """Return what to fit to at multipliers of shape (n_rates, n_groups)."""
        prices = self.rows.per_row(multipliers) * self._root_slopes
        curvature = self._loss_curvature + np.tensordot(self._curvatures, prices, 1)
        factors = np.maximum(curvature / self._loss_curvature, _LEAST_WEIGHT)
        slope = self._loss_slope + np.tensordot(self._slopes, prices, 1)
        moved = slope - factors * self._loss_slope
        return Response(-moved / (factors * self._loss_curvature), factors)

    @property
    def has_pull(self) -> bool:
        """Whether the first mean moves with the predictions."""
        return bool(self._slopes[0])

    def shift_of(self, group: int) -> Floats:
        """Return multipliers that shift the targets of one group against all others, and no mean of all.

        The shift is as much as targets are spread.
        """
        rows = self.rows
        shares = rows.mass / rows.weights.sum()
        shifts = np.where(np.arange(rows.n_groups) == group, 1.0, 0.0) - shares[group]
        multipliers = np.zeros((len(rows.rates), rows.n_groups))
        multipliers[0] = -shares * shifts * self._loss_curvature * self.spread / self._slopes[0]
        return multipliers

    def against(self, parts: Floats) -> Floats:
        """Return multipliers under which means count that are to be lowered, and hardly anything else.

        Parameters
        ----------
        parts : array of shape (n_rates, n_groups)
            How much of the push each mean gets; below 0 it is raised.
        """
        curvatures = np.array(self._curvatures)[:, None] * self._root_slopes
        if not (curvatures > 0).any():
            return np.zeros(parts.shape)
        units = np.divide(self._loss_curvature, curvatures, out=np.zeros(parts.shape), where=curvatures > 0)
        multipliers = parts * units
        # No weight falls below what is left of a group that is to get worse.
        least = self.rows.per_row(np.where(parts < 0, parts, 0.0)).min(initial=0.0)
        return multipliers * min(_AGAINST, _LIGHTER / -least if least < 0 else _AGAINST)

    def push(self, values: Floats, distances: Floats | None) -> Floats:
        """Return multipliers that push means into what the bound allows.

        Parameters
        ----------
        values : array of shape (n_rates, n_groups)
            The means, of which some are beyond the bound.
        distances : array of shape (n_rates, n_groups), optional
            How far each must stay away from either end of what the bound allows.
        """
        rows = self.rows
        multipliers = np.zeros(values.shape)
        kept = np.zeros(values.shape) if distances is None else distances
        shares = np.where(rows.covered, rows.mass / rows.weights.sum(), 0.0)
        for j in range(len(rows.rates)):
            wanted = np.zeros(rows.n_groups)
            wanted[rows.covered] = self._wanted(values[j], kept[j], shares)
            if not wanted.any():
                continue
            # What a shift of all predictions does to the mean, beside what it does to the loss.
            pull = self._slopes[j] - self._loss_slope * self._curvatures[j] / self._loss_curvature
            if abs(pull) >= abs(self._curvatures[j]) * self._step:
                # Targets are shifted by as much as predictions would have to move: the response of a
                # regressor that can tell the groups apart.
                shifts = wanted / pull
                shifts *= max(1.0, _LEAST_SHIFT * self.spread / np.abs(shifts).max())
                multipliers[j] = -shares * self._loss_curvature * shifts / pull
            else:
                multipliers[j] = self._push_weights(wanted, shares)
                multipliers[j] *= self._loss_curvature / self._curvatures[j]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.nan_to_num(multipliers / self._root_slopes, nan=0.0, posinf=0.0, neginf=0.0)

    def _wanted(self, values: Floats, kept: Floats, shares: Floats) -> Floats:
        """Return how far the means of covered groups are to move into what the bound allows."""
        rows = self.rows
        at, kept, shares = values[rows.covered], kept[rows.covered], shares[rows.covered]
        bound = rows.bound.value
        if rows.bound.comparison == "worst_group":
            return np.minimum(bound - kept - at, 0.0)

        def moves(lowest: float) -> Floats:
            low = lowest + kept
            return np.clip(at, low, np.maximum(lowest + bound - kept, low)) - at

        # The window that asks for the least squared moves: there they even out.
        low, high = at.min() - bound - kept.max(), at.max() + bound + kept.max()
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (low, middle) if shares @ moves(middle) > 0 else (middle, high)
        return moves(low)

    def _push_weights(self, wanted: Floats, shares: Floats) -> Floats:
        """Return multipliers that raise the weight of groups with too high a loss, and lower others."""
        above, below = np.maximum(-wanted, 0.0), np.maximum(wanted, 0.0)
        if not below.any():
            return _PUSH * above / above.sum()
        # Of a difference, as much is pushed down as up; no weight may fall below what is left.
        parts = below / below.sum()
        total = float(np.min(_LIGHTER * shares[parts > 0] / parts[parts > 0]))
        total = min(total, _PUSH)
        return total * (above / max(above.sum(), 1e-300) - parts)


def _spread(values: Floats, share: Floats) -> float:
    return float(np.sqrt(share @ (values - share @ values) ** 2))
