"""Multipliers on group means of amounts, moved by the means of rows that a booster does not see."""

from __future__ import annotations

import numpy as np

from fairsk._core.bounds import Bound
from fairsk._core.typing import Floats
from fairsk.reductions._amounts.rows import AmountRows
from fairsk.reductions._boosting.amount_costs import AmountCosts, multiplier_limits
from fairsk.reductions._bounded_rows import Window
from fairsk.reductions._controller import CLOSED_PER_ROUND, Multipliers

__all__ = ["AmountController"]

#: The least part of what is foreseen that means are taken to answer by. Multipliers come to rest if means
#: answer by less than four times what they are taken to: so here, if in truth by less than two fifths. Where
#: they answer less, what is missing is made up more slowly, and in the end all the same.
_LEAST_ANSWER = 0.1

#: The part of the mean drift that a round's own is: a mean over four rounds, in which nine tenths of what is
#: missing are made up. Over fewer, multipliers would follow the chance of single trees; over more, a drift
#: that is long over.
_DRIFT_PER_ROUND = 0.25


class AmountController(Multipliers):
    r"""Multipliers on group means that follow held-out means, round after round of boosting.

    It moves as :class:`~fairsk.reductions._controller.PriceController` does, with two differences. How far
    means answer is measured, since it depends on how much X tells of the groups and of their errors; and
    where they drift while the multipliers are followed is looked ahead for, since errors do not come to rest
    as long as trees are grown.

    Parameters
    ----------
    rows : AmountRows
        The rows whose means are measured, each predicted by a booster that does not see it.
    predictions : array of shape (n_samples,)
        Their predictions before the first round.
    learning_rate : float
        The part of the way to what its gradient asks for that a booster goes in a round.

    Attributes
    ----------
    multipliers : array of shape (n_rates, n_groups)
        What it costs to raise each group's mean by one, in units of the mean loss.
    distances : array of shape (n_rates, n_groups) or None
        How far each mean is to stay away from either end of what its bound allows.

    Notes
    -----
    With the slope :math:`a_{ji}` of mean j in the prediction of row i, the curvature h of the loss and the
    share :math:`\pi_g` of the group's weight, Newton's step moves the mean by the multiplier of mean k by

    .. math:: R_{jk} = \frac{1}{\pi_g h} \, \overline{a_{ji} a_{ki}},

    the mean over the rows of the group. So far the means would answer if X told the groups, and the errors,
    exactly: of mean predictions under the squared loss, :math:`1 / (2 \pi_g)`. By which part
    :math:`\rho_j` of that they do answer is what boosters without multipliers tell, on the same rows: by
    least squares, over the groups, of the differences :math:`r^{free}_{jg} - r_{jg}` on
    :math:`(R \mu)_{jg}`, with :math:`\mu` the multipliers that are followed.

    A mean that drifts by d per round while half of what is missing is made up stays 2 d behind: so the
    multipliers go by the means as they will be in two rounds.
    """

    def __init__(self, rows: AmountRows, predictions: Floats, *, learning_rate: float) -> None:
        covered = np.flatnonzero(rows.covered)
        shape = (len(rows.rates), rows.n_groups)
        super().__init__(
            shape,
            [Window(j, covered) for j in range(len(rows.rates)) if len(covered)],
            [Bound(difference=rows.bound.value)] * len(rows.rates),
            learning_rate=learning_rate,
        )
        self.rows = rows
        self.costs = self.free_costs = AmountCosts.of(rows, self.multipliers, predictions)
        self._values: Floats | None = None
        self._responses = np.zeros((shape[0], *shape))
        self._drift = np.zeros(shape)

    def update(self, predictions: Floats, compared: AmountRows, bounded: Floats, free: Floats) -> None:
        """Move the multipliers after a round.

        Parameters
        ----------
        predictions : array of shape (n_samples,)
            The predictions of all rows.
        compared : AmountRows
            Those of which there are predictions without prices.
        bounded, free : array of shape (n_compared,)
            Their predictions with prices, and without.
        """
        rows = self.rows
        values = rows.values(predictions)
        self.free_costs = AmountCosts.of(rows, np.zeros_like(self.multipliers), predictions)
        before = self._followed.copy()
        self._follow()
        if self._values is not None:
            moved = _product(self._responses, self._followed - before)
            drift = np.nan_to_num(values - (self._values - moved))
            self._drift += _DRIFT_PER_ROUND * (drift - self._drift)
        self._values = values
        responses = self._full_responses(predictions)
        fallen = compared.values(free) - compared.values(bounded)
        answers = _answers(fallen, _product(responses, self._followed), compared.mass * rows.covered)
        self._responses = responses * answers[:, None, None]
        self._limits = multiplier_limits(rows, predictions, self.free_costs)
        everything = np.full_like(values, np.inf)
        self._move(values + self._drift / CLOSED_PER_ROUND, self._responses, -everything, everything)
        self.costs = AmountCosts.of(rows, self.multipliers, predictions)

    def _full_responses(self, predictions: Floats) -> Floats:
        """Return by how much each mean falls per multiplier, if X tells all, as ``Multipliers`` has it."""
        rows, slopes = self.rows, self.rows.slopes(predictions)
        means = np.zeros_like(self._responses)
        for j, one in enumerate(slopes):
            for k, other in enumerate(slopes[: j + 1]):
                sums = np.bincount(rows.codes, rows.weights * one * other, rows.n_groups)
                means[j, k] = means[k, j] = sums
        mass = rows.mass
        shares = np.divide(mass, rows.weights.sum(), out=np.ones(len(mass)), where=mass > 0)
        return means / (np.maximum(mass, mass[mass > 0].min()) * shares * self.free_costs.unit)

    def _solve(self, window: Window, without: Floats, responses: Floats, least: Floats, most: Floats) -> None:
        """Find the multipliers of one mean: under a ceiling, each group's for itself."""
        j, codes = window.rate, window.codes
        if self.rows.bound.comparison == "difference":
            super()._solve(window, without, responses, least, most)
            goal = self._goal[j, codes]
            limit = np.where(goal < 0, *(limits[j, codes] for limits in self._limits))
            # All by one factor, so that they still add up to 0: the mean of all predictions is not to move.
            times = np.divide(goal, limit, out=np.zeros(len(codes)), where=limit != 0)
            self._goal[j, codes] = np.where(limit != 0, goal / max(1.0, float(times.max(initial=0.0))), 0.0)
            return
        codes = codes[~np.isnan(without[j, codes]) & (responses[j, j, codes] > 0)]
        own = responses[j, j, codes]
        of_all = np.einsum("kg,kg->g", responses[j][:, codes], self._goal[:, codes])
        values = without[j, codes] - of_all + own * self._goal[j, codes]
        values += 0.0 if self.distances is None else self.distances[j, codes]
        ceiling = self.rows.bound.value
        if self.rows.covered.all() and len(codes):
            # To weigh all rows alike changes nothing, so the best group has no price: where all are above the
            # ceiling, as long as nothing is learned or for good, the others are to become no worse than it.
            ceiling = max(ceiling, float(values.min()))
        self._goal[j, codes] = np.clip((values - ceiling) / own, 0, self._limits[1][j, codes])


def _product(responses: Floats, multipliers: Floats) -> Floats:
    return np.asarray(np.einsum("jkg,kg->jg", responses, multipliers))


def _answers(fallen: Floats, foreseen: Floats, mass: Floats) -> Floats:
    """Return by which part of what is foreseen each mean has fallen, by least squares over the groups."""
    mass = np.where(np.isnan(fallen), 0.0, mass)
    products, squares = (mass * foreseen * np.nan_to_num(fallen)).sum(1), (mass * foreseen**2).sum(1)
    answers = np.divide(products, squares, out=np.ones_like(squares), where=squares > 0)
    return np.clip(answers, _LEAST_ANSWER, 1.0)
