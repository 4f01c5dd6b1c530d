"""PriceController: multipliers on group rates, moved by the rates of rows that a booster does not see.

A booster follows a price slowly, by an amount that can be foreseen from the rows. So how far multipliers move
after a round follows from the learning rate and from how many rows of each group are near the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from fairsk._core.bounds import Bound
from fairsk._core.typing import Floats, Ints
from fairsk.reductions._bounded_rows import BoundedRows, Window

__all__ = ["CLOSED_PER_ROUND", "Multipliers", "PriceController", "is_bounding"]

#: How far the log odds of a row are to fall for a price of 1. A price of 1 is what a right decision saves; so
#: the best decision changes at a chance of 1/2 + price / 2. The gradient p - y + c p (1 - p) is 0 where
#: p + c p (1 - p) is the chance of y = 1, and p is 1/2 where that chance is 1/2 + c / 4: c is two prices.
_SHIFT_PER_PRICE = 2.0

#: The part of the way to the multipliers that would meet the bound, which log odds go in a round. The rates
#: answer a round late; half of what is missing is what may be made up in each (the tuning rule SIMC for a
#: first-order lag with a delay of one round). The rates then answer smoothly if they move by up to twice as
#: much as is foreseen, and come to rest if by less than four times.
CLOSED_PER_ROUND = 0.5

#: How near the threshold log odds must be for a price to move their decision: the scale of a logistic kernel.
#: Under a bound that asks for much, those of a group gather there, and a wide kernel sees few of them: rates
#: then move by far more than is foreseen, and swing.
_KERNEL_SCALE = 0.5

#: The log odds of no row are asked to fall or rise by more. Where X tells exactly who is priced, 2 changes
#: every decision; rows take a part of it for their lookalikes, so where X tells a third, it takes 6. Beyond
#: that, a bound that cannot be met would cost accuracy and gain nothing.
_MOST_SHIFT = 6.0


class Multipliers:
    """Multipliers on values of groups, which move half the way to what would bring them into their windows.

    Parameters
    ----------
    shape : tuple of int
        How many values are bounded, and how many groups there are.
    windows : sequence of Window
        Which groups' values must lie together.
    bounds : sequence of Bound
        The bound of each value.
    learning_rate : float
        The part of the way to what its gradient asks for that a booster goes in a round.
    distances : array of shape (n_rates, n_codes), optional
        How far each value is to stay away from either end of what its bound allows.

    See Also
    --------
    PriceController : Those of rates, with the formulas.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        windows: Sequence[Window],
        bounds: Sequence[Bound],
        *,
        learning_rate: float,
        distances: Floats | None = None,
    ) -> None:
        self.learning_rate = learning_rate
        self.distances = distances
        self.multipliers = np.zeros(shape)
        self._windows, self._bounds = windows, bounds
        self._followed = np.zeros(shape)
        self._goal = np.zeros(shape)

    def _follow(self) -> None:
        """Let what is followed go a round's way to the multipliers."""
        self._followed += self.learning_rate * (self.multipliers - self._followed)

    def _move(self, values: Floats, responses: Floats, least: Floats, most: Floats) -> None:
        """Move the multipliers by values as they are.

        Parameters
        ----------
        values : array of shape (n_rates, n_codes)
            The values after a round.
        responses : array of shape (n_rates, n_rates, n_codes)
            By how much each value of a group falls per multiplier of each value of the group.
        least, most : array of shape (n_rates, n_codes)
            Between which the goal of each multiplier must lie; both 0 where there can be none.
        """
        without = values + np.einsum("jkg,kg->jg", responses, self._followed)
        # A rate without rows has no price: its goal is forgotten.
        self._goal = np.clip(np.where(np.isnan(values), 0.0, self._goal), least, most)
        # One after the other, given those of the rounds before: rounds do what repeating it here would.
        for window in self._windows:
            if is_bounding(self._bounds[window.rate]):
                self._solve(window, without, responses, least, most)
        ahead = (self._goal - self._followed) * CLOSED_PER_ROUND / self.learning_rate
        self.multipliers = self._limited(self._followed + ahead)

    def _limited(self, multipliers: Floats) -> Floats:
        """Return multipliers that are not too large."""
        return multipliers

    def _solve(self, window: Window, without: Floats, responses: Floats, least: Floats, most: Floats) -> None:
        """Find the multipliers of one window, given those of all other rates."""
        j, codes = window.rate, window.codes
        codes = codes[~np.isnan(without[j, codes]) & (most[j, codes] > 0) & (responses[j, j, codes] > 0)]
        if len(codes) < 2:
            return
        own = responses[j, j, codes]
        of_all = np.einsum("kg,kg->g", responses[j][:, codes], self._goal[:, codes])
        # What the rates would be if only this window had no multipliers.
        values = without[j, codes] - of_all + own * self._goal[j, codes]
        (rise, fall), (upper, lower) = self._ends(values, j, codes)
        place = _balanced_place(upper, lower, 1 / (rise**2 * own), 1 / (fall**2 * own))
        above, below = np.maximum(upper - place, 0) / rise, np.maximum(place - lower, 0) / fall
        self._goal[j, codes] = np.clip((above - below) / own, least[j, codes], most[j, codes])

    def _ends(
        self, values: Floats, rate: int, codes: Ints
    ) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
        """Return how the ends move with each rate between which a window may begin, and the ends.

        They are linear in the rate, for differences and for ratios, with distances kept or without.
        """
        bound = self._bounds[rate]
        factor, slack = bound.line
        distance = np.zeros(len(codes)) if self.distances is None else self.distances[rate, codes]
        if bound.comparison == "difference":
            rise, fall, kept = factor * np.ones(len(codes)), np.ones(len(codes)), distance
        else:
            rise, fall, kept = factor * np.exp(distance), np.exp(-distance), np.zeros(len(codes))
        return (rise, fall), (rise * (values + kept) - slack, fall * (values - kept))


class PriceController(Multipliers):
    r"""Multipliers on group rates that follow held-out rates, round after round of boosting.

    After each round it asks: at which multipliers would the rates lie within their bounds, if they move as
    foreseen? The answer is the multipliers under which the least is changed (the dual of a quadratic
    program). Since log odds follow a price slowly, the multipliers of the next round overshoot it for a
    while.

    Parameters
    ----------
    rows : BoundedRows
        The rows whose rates are measured, each scored by a booster that does not see it.
    learning_rate : float
        The part of the way to what its gradient asks for that a booster goes in a round.
    distances : array of shape (n_rates, n_codes), optional
        How far each rate is to stay away from either end of what its bound allows (under a ratio, its
        logarithm).

    Attributes
    ----------
    multipliers : array of shape (n_rates, n_codes)
        What it costs to raise each group's rate by one, in the unit of :meth:`BoundedRows.price_table`.

    Notes
    -----
    The log odds of rows go towards what their price asks for by the part :math:`\eta` of what is missing, the
    learning rate, each round. So the multipliers that they have followed so far are

    .. math:: \mu \leftarrow \mu + \eta (\lambda - \mu).

    A rate falls by how many rows pass the threshold: by the density of log odds there. With the rows'
    weights w, the kernel k of their log odds, and the step :math:`a_{ji}` of rate j for row i, expected over
    its label, the response of rate j to the multiplier of rate k in the same group is

    .. math:: R_{jk} = 2 \Big(\sum_i w_i\Big) \sum_{i \in g} w_i \, k(s_i) \, a_{ji} \, a_{ki}.

    Without a multiplier, the rates would be :math:`r + R \mu`. The multipliers :math:`\lambda^*` that would
    bring them into their windows, with :math:`\sum_g \lambda^*_{jg} = 0` within each window (its place is
    free), are found window by window, each given those of the others. Then

    .. math:: \lambda = \mu + \frac{1}{2 \eta} (\lambda^* - \mu),

    so that half of what is missing is made up per round, whatever the learning rate: for one rate this is a
    controller with a proportional and an integral part, tuned by SIMC (Skogestad 2003) for a lag of
    :math:`1 / \eta` rounds and a delay of one. If rates move less than foreseen, because X tells little of
    the groups, what is missing is made up more slowly, and in the end all the same.
    """

    def __init__(self, rows: BoundedRows, *, learning_rate: float, distances: Floats | None = None) -> None:
        super().__init__(
            (len(rows.rates), rows.n_codes),
            rows.windows,
            rows.bounds,
            learning_rate=learning_rate,
            distances=distances,
        )
        self.rows = rows
        self._cells = rows.cells(np.zeros(len(rows), dtype=bool))

    def price_table(self) -> Floats:
        """Return how far log odds of a negative, and of a positive, are to fall, of shape (n_codes, 2)."""
        return _SHIFT_PER_PRICE * self.rows.price_table(self.multipliers, self._cells)

    def update(self, scores: Floats) -> None:
        """Move the multipliers after a round, by the rates of rows whose log odds these are."""
        rows = self.rows
        self._follow()
        self._cells = rows.cells(scores >= 0)
        values, steps = rows.values(self._cells), rows.steps(self._cells)
        most = self._most(steps)
        self._move(values, _responses(rows, scores, steps), -most, most)

    def _most(self, steps: Floats) -> Floats:
        """Return the multiplier of each rate that alone moves log odds by as much as they may be moved."""
        shifts = _SHIFT_PER_PRICE * self.rows.weights.sum() * np.abs(steps).max(2)
        return np.divide(_MOST_SHIFT, shifts, out=np.zeros_like(shifts), where=shifts > 0)

    def _limited(self, multipliers: Floats) -> Floats:
        """Return multipliers of which those of each group are scaled to shifts that are not too large."""
        shifts = np.abs(_SHIFT_PER_PRICE * self.rows.price_table(multipliers, self._cells)).max(1)
        return multipliers * np.minimum(1.0, _MOST_SHIFT / np.maximum(shifts, _MOST_SHIFT))


def is_bounding(bound: Bound) -> bool:
    """Return whether a bound allows less than everything."""
    factor, slack = bound.line
    return factor > 0 and np.isfinite(slack)


def _responses(rows: BoundedRows, scores: Floats, steps: Floats) -> Floats:
    """Return by how much each rate of a group falls per multiplier of each rate of the group.

    Returns
    -------
    array of shape (n_rates, n_rates, n_codes)
        Positive semidefinite for each group.
    """
    chances, near = expit(scores), expit(scores / _KERNEL_SCALE)
    density = rows.weights * near * (1 - near) / _KERNEL_SCALE
    total = np.bincount(rows.codes, density, rows.n_codes)
    first = np.bincount(rows.codes, density * chances, rows.n_codes)
    second = np.bincount(rows.codes, density * chances**2, rows.n_codes)
    # Sums of density times p^2, p (1 - p) and (1 - p)^2, for steps of positives (p) and of negatives (1 - p).
    both, mixed, neither = second, first - second, total - 2 * first + second
    negative, positive = steps[..., 0], steps[..., 1]
    return np.asarray(
        _SHIFT_PER_PRICE
        * rows.weights.sum()
        * (
            both * positive[:, None] * positive
            + mixed * (positive[:, None] * negative + negative[:, None] * positive)
            + neither * negative[:, None] * negative
        )
    )


def _balanced_place(upper: Floats, lower: Floats, down: Floats, up: Floats) -> float:
    """Return the place of a window at which forces down and up are equal.

    Each force is linear in the place up to where it ends, so it is exact to interpolate between these ends.
    Where all rates lie within, and nothing pushes, it is the middle of all such places.

    Parameters
    ----------
    upper, lower : array of shape (n_compared,)
        The window's lowest rate should be at least the first, and at most the second, for each group.
    down, up : array of shape (n_compared,)
        How hard a group is pushed for a distance of one from these.
    """
    ends = np.sort(np.concatenate([upper, lower]))
    imbalance = np.maximum(ends[:, None] - lower, 0) @ up - np.maximum(upper - ends[:, None], 0) @ down
    nothing = 1e-12 * np.abs(imbalance).max()
    return float(np.interp([-nothing, nothing], imbalance, ends).mean())
