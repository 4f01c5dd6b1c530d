"""AmountRows: the group means that a bound is about, and what it costs to raise the prediction of a row.

The Lagrangian of the mean loss and of multipliers on group means is a sum over rows, so every engine needs
two things of it: the means, and its derivative with respect to each prediction. Both follow from the
coefficients of :class:`~fairsk.rates.MeanRate`, and no constraint is known by name.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fairsk._core.typing import Bools, Floats, Ints
from fairsk.rates import MOMENTS, MeanRate

__all__ = ["AmountBound", "AmountRows"]

#: The moments that are linear in the predictions.
_LINEAR = ("n", "prediction", "target")


@dataclass(frozen=True)
class AmountBound:
    """How far the means of groups may lie apart, or how great that of the worst one may be.

    Parameters
    ----------
    comparison : {"difference", "worst_group"}
        Whether ``max - min`` over the groups is bounded, or the greatest.
    value : float
        The bound, in the unit of the mean; infinite where nothing is bounded.
    """

    comparison: Literal["difference", "worst_group"]
    value: float

    def disparity(self, values: Floats) -> float:
        """Return what is bounded of the means of the groups that are compared."""
        lowest = 0.0 if self.comparison == "worst_group" else values.min()
        return float(values.max() - lowest)

    def __str__(self) -> str:
        name = "max_difference" if self.comparison == "difference" else "max_loss"
        return f"{name}={self.value:g}"


@dataclass(frozen=True)
class AmountRows:
    """Rows with all that a bound says of them.

    Parameters
    ----------
    loss : MeanRate
        What is least: its mean over all rows, without a root.
    rates : tuple of MeanRate
        The means that are bounded, of one constraint.
    bound : AmountBound
        The bound of each.
    target : array of shape (n_samples,)
        The amounts.
    codes : integer array of shape (n_samples,)
        The group of each row.
    weights : array of shape (n_samples,)
        The weight of each row, above 0.
    covered : boolean array of shape (n_groups,)
        Which groups the bound covers.
    labels : tuple of length n_groups
        What the groups are called.
    """

    loss: MeanRate
    rates: tuple[MeanRate, ...]
    bound: AmountBound
    target: Floats
    codes: Ints
    weights: Floats
    covered: Bools
    labels: tuple[Hashable, ...]

    def __len__(self) -> int:
        return len(self.target)

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return len(self.labels)

    @property
    def mass(self) -> Floats:
        """The weight of each group."""
        return np.bincount(self.codes, self.weights, self.n_groups).astype(float)

    @property
    def shares(self) -> Floats:
        """The share of each row in the weight of all."""
        return self.weights / self.weights.sum()

    @property
    def has_curved_means(self) -> bool:
        """Whether a bounded mean is not linear in the predictions, as losses are not."""
        return any(
            rate.root
            or any(
                factor for name, factor in zip(MOMENTS, rate.coefficients, strict=True) if name not in _LINEAR
            )
            for rate in self.rates
        )

    def take(self, rows: Ints) -> AmountRows:
        """Return some of the rows; what is covered stays."""
        return replace(self, target=self.target[rows], codes=self.codes[rows], weights=self.weights[rows])

    def mean_loss(self, predictions: Floats) -> float:
        """Return the mean loss over all rows."""
        return float(np.average(self.loss.of_rows(predictions, self.target), weights=self.weights))

    def loss_slopes(self, predictions: Floats) -> Floats:
        """Return the derivative of each row's loss with respect to its prediction."""
        return np.asarray(self.loss.slope(predictions, self.target), dtype=float)

    def values(self, predictions: Floats) -> Floats:
        """Return the bounded means of every group, of shape (n_rates, n_groups): NaN where it has no rows."""
        return np.array([self._means(rate, predictions) for rate in self.rates])

    def _means(self, rate: MeanRate, predictions: Floats) -> Floats:
        sums = np.bincount(self.codes, self.weights * rate.of_rows(predictions, self.target), self.n_groups)
        with np.errstate(divide="ignore", invalid="ignore"):
            means = sums / self.mass
        return np.sqrt(means) if rate.root else means

    def slopes(self, predictions: Floats) -> Floats:
        """Return how each row moves the bounded means of its group, of shape (n_rates, n_samples).

        It is the derivative with respect to the prediction, for a row with the weight of its whole group: it
        is to be weighted by the row's share of the group.
        """
        slopes = np.array([rate.slope(predictions, self.target) for rate in self.rates], dtype=float)
        for j, rate in enumerate(self.rates):
            if rate.root:
                slopes[j] *= self.root_slopes(predictions)[j, self.codes]
        return slopes

    def root_slopes(self, predictions: Floats) -> Floats:
        """Return how each bounded value moves with the mean that it is the root of; 1 without a root.

        The result has shape (n_rates, n_groups).
        """
        slopes = np.ones((len(self.rates), self.n_groups))
        for j, rate in enumerate(self.rates):
            if rate.root:  # d sqrt(m) = dm / (2 sqrt(m)); a mean that is 0 cannot be lowered
                root = self._means(rate, predictions)
                with np.errstate(divide="ignore"):
                    slopes[j] = np.where(root > 0, 0.5 / root, 0.0)
        return slopes

    def prices(self, multipliers: Floats, predictions: Floats) -> Floats:
        """Return what it costs to raise each prediction by one, beside what that does to the loss.

        The Lagrangian ``mean loss + sum(multipliers * values)`` has, with respect to the prediction of row i,
        the derivative ``w_i / sum(w) * (loss slope_i + price_i)``.

        Parameters
        ----------
        multipliers : array of shape (n_rates, n_groups)
            What it costs to raise each group's mean by one, in units of the mean loss; 0 for groups that are
            not covered.
        predictions : array of shape (n_samples,)
            Where the derivative is taken; means that are linear in the predictions have the same everywhere.
        """
        return (self.per_row(multipliers)[:, self.codes] * self.slopes(predictions)).sum(0)

    def per_row(self, multipliers: Floats) -> Floats:
        """Return multipliers on group means as factors of what is averaged, row by row, beside the loss."""
        with np.errstate(divide="ignore"):
            return multipliers * np.where(self.mass > 0, self.weights.sum() / self.mass, 0.0)

    def disparity(self, values: Floats) -> float:
        """Return what is bounded, at its worst over the means; NaN where nothing is compared."""
        at = values[:, self.covered]
        if not at.size or np.isnan(at).any():
            return float("nan")
        return max(self.bound.disparity(each) for each in at)

    def excess(self, values: Floats, distances: Floats | None = None) -> float:
        """Return by how much the bound is exceeded at the worst: at most 0 where it is kept.

        Parameters
        ----------
        values : array of shape (n_rates, n_groups)
            The bounded means.
        distances : array of shape (n_rates, n_groups), optional
            How far each must stay away from either end of what the bound allows.
        """
        at = values[:, self.covered]
        if not at.size:
            return -np.inf
        kept = np.zeros_like(at) if distances is None else distances[:, self.covered]
        greatest = (at + kept).max(1)
        lowest = 0.0 if self.bound.comparison == "worst_group" else (at - kept).min(1)
        excess = greatest - lowest - self.bound.value
        return float(np.where(np.isnan(excess), np.inf, excess).max())
