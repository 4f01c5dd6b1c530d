"""What a predicted amount costs, by group: the loss, and the prices on bounded means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fairsk._core.typing import Floats, Ints
from fairsk.rates import MOMENTS, MeanRate
from fairsk.reductions._amounts.rows import AmountRows
from fairsk.reductions._boosting.booster import Backend, Loss
from fairsk.reductions._boosting.constants import weighted_median
from fairsk.reductions._boosting.lockstep import CHUNK

__all__ = ["AmountCosts", "AmountFold", "amount_derivatives", "loss_of", "multiplier_limits"]

#: How many times the loss of all rows a group's mean may count as much as: beyond that all others have as
#: good as no say, and a bound that cannot be met would gain nothing.
_MOST_TIMES = 100.0


@dataclass(frozen=True)
class AmountCosts:
    """What the predictions of each group cost.

    Parameters
    ----------
    prediction, over, under, squared : array of shape (n_groups,)
        The factors of the prediction itself, of what it is above the target, of what it is below, and of the
        squared error.
    curvatures : array of shape (n_groups,)
        The second derivative of the costs. An error's absolute value has none; in the mean over the targets
        of rows like it there is one, twice the density of errors at 0. That of Laplace's distribution, of
        whose center the median is the best estimate, is the reciprocal of the spread.
    unit : float
        The second derivative of the loss alone, which is the unit of derivatives: so gradients are amounts,
        and parameters of trees in their unit mean what they mean under the squared loss.
    spread : float
        The mean absolute error of Laplace's distribution, from the median one, which is the mean one times
        log 2: of other distributions that tells more of the errors near 0. It is 1 where nothing asks for it.
    """

    prediction: Floats
    over: Floats
    under: Floats
    squared: Floats
    curvatures: Floats
    unit: float
    spread: float

    @classmethod
    def of(cls, rows: AmountRows, multipliers: Floats, predictions: Floats) -> AmountCosts:
        """Return the costs under multipliers on the bounded means of some rows, as they are predicted.

        Parameters
        ----------
        rows : AmountRows
            The rows that means are measured on.
        multipliers : array of shape (n_rates, n_groups)
            What it costs to raise each group's mean by one, in units of the mean loss.
        predictions : array of shape (n_samples,)
            Their predictions.
        """
        of_loss, of_rates = _factors(rows.loss), np.array([_factors(rate) for rate in rows.rates])
        has_kinks = of_loss[1:3].any() or of_rates[:, 1:3].any()
        spread = _spread(predictions - rows.target, rows.weights) if has_kinks else 1.0
        per_row = _per_mean(rows, predictions)
        costs = of_loss[:, None] + np.einsum("jm,jg->mg", of_rates, multipliers * per_row)
        prediction, over, under, squared = costs
        curvatures = np.maximum(_curvature(costs, spread), 0)
        return cls(prediction, over, under, squared, curvatures, float(_curvature(of_loss, spread)), spread)


def _spread(errors: Floats, weights: Floats) -> float:
    return weighted_median(np.abs(errors), weights) / np.log(2) or 1.0


def loss_of(rate: MeanRate) -> Loss:
    """Return which of the losses that boosters start from a mean loss is.

    Raises
    ------
    ValueError
        If it is neither.
    """
    prediction, over, under, squared = _factors(rate)
    if prediction == over == under == 0 < squared:
        return "squared"
    if prediction == squared == 0 < over == under:
        return "absolute"
    raise ValueError(f"Boosting under a bound has the squared and the absolute loss, and not {rate.of!r}.")


def _factors(rate: MeanRate) -> Floats:
    """Return the factors of the prediction, of over, of under and of the squared error in a mean."""
    factors = dict(zip(MOMENTS, rate.coefficients, strict=True))
    return np.array([float(factors[name]) for name in ("prediction", "over", "under", "squared_error")])


def _curvature(factors: Floats, spread: float) -> Floats:
    """Return the second derivative of costs with some factors."""
    _, over, under, squared = factors
    return np.asarray(2 * squared + (over + under) / (2 * spread))


def _per_mean(rows: AmountRows, predictions: Floats) -> Floats:
    """Return what a multiplier on a mean is per row of the group, of shape (n_rates, n_groups)."""
    mass = rows.mass
    shares = np.divide(rows.weights.sum(), mass, out=np.zeros(len(mass)), where=mass > 0)
    factors = np.tile(shares, (len(rows.rates), 1))
    roots = [j for j, rate in enumerate(rows.rates) if rate.root]
    if roots:  # d sqrt(m) = dm / (2 sqrt(m)); a mean that is 0 cannot be lowered
        values = rows.values(predictions)[roots]
        factors[roots] *= np.divide(0.5, values, out=np.zeros_like(values), where=values > 0)
    return factors


def multiplier_limits(rows: AmountRows, predictions: Floats, costs: AmountCosts) -> tuple[Floats, Floats]:
    """Return between which numbers multipliers have any use, each of shape (n_rates, n_groups).

    None is to move predictions by more than lies between the least and the greatest target. One that lowers
    errors is not to take all weight from the loss of a group or, the other way, from that of all others.

    Parameters
    ----------
    rows : AmountRows
        The rows that means are measured on.
    predictions : array of shape (n_samples,)
        Their predictions.
    costs : AmountCosts
        Those without multipliers.
    """
    factors = np.array([_factors(rate) for rate in rows.rates])
    per_row = _per_mean(rows, predictions)
    pulls = np.abs(factors[:, :1]) * per_row
    curvatures = _curvature(factors.T, costs.spread)[:, None] * per_row
    nowhere = np.full_like(per_row, np.inf)
    farthest = np.divide(np.ptp(rows.target) * costs.unit, pulls, out=nowhere.copy(), where=pulls > 0)
    all_weight = np.divide(costs.unit, curvatures, out=nowhere, where=curvatures > 0)
    shares = np.where(rows.mass > 0, rows.mass, 1.0) / rows.weights.sum()
    return -np.minimum(farthest, all_weight), np.minimum(farthest, _MOST_TIMES * shares * all_weight)


def amount_derivatives(
    predictions: Floats, target: Floats, codes: NDArray[np.unsignedinteger], costs: AmountCosts
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the gradient and the Hessian of what each row costs, in the unit of the costs.

    No price on errors ever pushes a prediction away from its target: where it would, there is no gradient.

    Parameters
    ----------
    predictions, target : array of shape (n_samples,)
        The amounts.
    codes : integer array of shape (n_samples,)
        The group of each row.
    costs : AmountCosts
        The costs of each group.

    Returns
    -------
    tuple of two arrays
        In single precision, as boosters take them.
    """
    gradient, hessian = np.empty(len(predictions), np.float32), np.empty(len(predictions), np.float32)
    squared, unit = 2 * costs.squared, costs.unit
    # A pull without a curve, where errors have lost all weight, has that of the loss.
    curvatures = np.where(costs.prediction != 0, np.maximum(costs.curvatures, unit), costs.curvatures) / unit
    is_smooth = not (costs.over.any() or costs.under.any() or (squared < 0).any())
    for start in range(0, len(predictions), CHUNK):
        part = slice(start, start + CHUNK)
        code = codes[part]
        error = predictions[part] - target[part]
        slope = squared[code] * error
        if not is_smooth:
            over, under = np.maximum(slope + costs.over[code], 0), np.minimum(slope - costs.under[code], 0)
            slope = np.where(error > 0, over, np.where(error < 0, under, 0.0))
        slope += costs.prediction[code]
        slope /= unit
        gradient[part] = slope
        hessian[part] = curvatures[code]
    return gradient, hessian


class AmountFold:
    """The booster of one fold of amounts, with what its rows are priced by.

    Parameters
    ----------
    backend : Backend
        What makes the booster.
    rows : AmountRows
        All rows.
    train, test : integer arrays
        Positions of the rows that it is trained on, and of those held out.
    """

    def __init__(self, backend: Backend, rows: AmountRows, train: Ints, test: Ints) -> None:
        self.booster = backend.fold(train, test)
        self._target = rows.target[train]
        self._codes = rows.codes[train].astype(np.min_scalar_type(rows.n_groups))

    def grow(self, costs: AmountCosts) -> None:
        """Grow a tree at these costs."""
        derivatives = amount_derivatives(self.booster.train_scores, self._target, self._codes, costs)
        self.booster.step(*derivatives)
