"""MeanRate: a group's mean of something about predicted amounts."""

from __future__ import annotations

from dataclasses import dataclass

from fairsk.rates._arrays import Array, Cells, where
from fairsk.rates._expressions import MOMENTS, linear, moment_coefficients

__all__ = ["MeanRate", "row_moments"]

#: The moments that there are without targets.
_UNLABELLED = ("n", "prediction")


@dataclass(frozen=True)
class MeanRate:
    """A group's mean of something about predicted amounts: of the predictions, of their errors, of a loss.

    It is to amounts what :class:`Rate` is to decisions.

    Parameters
    ----------
    name : str
        What it is called in tables and messages.
    of : str
        What is averaged: a sum over ``prediction``, ``target``, ``over`` (by how much the prediction exceeds
        the target, 0 where it does not), ``under`` (the other way round) and ``squared_error``, with optional
        factors, such as ``"prediction-target"`` or ``"over+under"``, the absolute error.
    lower_is_better : bool, default=False
        Whether the group with the *highest* mean is the one that is worst off, as with errors.
    root : bool, default=False
        Whether it is the root of the mean, in the unit of the amounts again.

    Raises
    ------
    ValueError
        If the expression names an unknown moment.

    See Also
    --------
    Rate : The same for decisions.
    get_amount_constraint : Which means should agree.

    Notes
    -----
    ``sum_i w_i m(prediction_i, target_i) / sum_i w_i`` over the rows of a group. A group without rows has no
    such mean: the value is NaN, and comparisons pass over it.

    Examples
    --------
    Estimates that are too low by one unit cost four times as much as those that are too high:

    >>> from fairsk.rates import MeanRate
    >>> cost = MeanRate("cost", "4*under+over", lower_is_better=True)
    >>> float(cost({"n": 2.0, "prediction": 5.0, "target": 6.0, "over": 1.0, "under": 2.0}))
    4.5
    """

    name: str
    of: str
    lower_is_better: bool = False
    root: bool = False

    def __post_init__(self) -> None:
        moment_coefficients(self.of)  # read now, so that a bad expression fails here
        if self.root and self.can_be_negative:
            raise ValueError(f"The root of {self.name!r} is not defined: {self.of!r} can be negative.")

    @property
    def coefficients(self) -> tuple[float, ...]:
        """Factor of each of ``MOMENTS`` in what is averaged."""
        return moment_coefficients(self.of)

    @property
    def can_be_negative(self) -> bool:
        """Whether the mean can be negative: amounts can, and differences; what errors cost cannot."""
        factors = dict(zip(MOMENTS, self.coefficients, strict=True))
        return bool(factors["prediction"] or factors["target"]) or min(self.coefficients) < 0

    @property
    def needs_labels(self) -> bool:
        """Whether it depends on the targets, and not on the predictions alone."""
        return any(
            factor for name, factor in zip(MOMENTS, self.coefficients, strict=True) if name not in _UNLABELLED
        )

    @property
    def is_share(self) -> bool:
        """Whether it lies between 0 and 1: no mean amount does."""
        return False

    def part(self, moments: Cells) -> Array:
        """Return the sum of what is averaged.

        Parameters
        ----------
        moments : mapping of str to array of shape (n_groups, ...)
            The sums of ``MOMENTS`` over the rows of each group.

        Returns
        -------
        array of shape (n_groups, ...)
            The sum.
        """
        factors = self.coefficients
        if "over" in moments and "under" in moments:
            factors = _of_errors(factors)
        return linear(factors, moments, MOMENTS)

    def support(self, moments: Cells) -> Array:
        """Return the number of rows that is averaged over.

        Parameters
        ----------
        moments : mapping of str to array of shape (n_groups, ...)
            The sums of ``MOMENTS`` over the rows of each group.

        Returns
        -------
        array of shape (n_groups, ...)
            The number, by weight.
        """
        return moments["n"]

    def __call__(self, moments: Cells) -> Array:
        """Evaluate the mean on sums of any shape; no rows give NaN."""
        support = self.support(moments)
        value = self.part(moments) / (support + (support == 0))
        if self.root:
            value = value**0.5
        return where(support != 0, value, float("nan"))

    def of_rows(self, prediction: Array, target: Array) -> Array:
        """Return what is averaged, row by row, before any root.

        Parameters
        ----------
        prediction, target : array of shape (n_samples,)
            The amounts.

        Returns
        -------
        array of shape (n_samples,)
            One number per row.
        """
        return linear(self.coefficients, row_moments(prediction, target), MOMENTS)

    def slope(self, prediction: Array, target: Array) -> Array:
        """Return how what is averaged changes with each prediction: its derivative, row by row.

        Parameters
        ----------
        prediction, target : array of shape (n_samples,)
            The amounts.

        Returns
        -------
        array of shape (n_samples,)
            One number per row; where the prediction is the target, errors have the slope 0.
        """
        error = prediction - target
        slopes = {
            "n": 0.0 * error,
            "prediction": 0.0 * error + 1.0,
            "target": 0.0 * error,
            "over": (error > 0) * 1.0,
            "under": (error < 0) * -1.0,
            "squared_error": 2.0 * error,
        }
        return linear(self.coefficients, slopes, MOMENTS)


def _of_errors(factors: tuple[float, ...]) -> tuple[float, ...]:
    """Return factors of the same sum in which predictions minus targets are what is over minus what is under.

    The difference of two large sums would lose the digits of small errors.
    """
    named = dict(zip(MOMENTS, factors, strict=True))
    prediction, target = named["prediction"], named["target"]
    if prediction * target < 0:
        both = min(abs(prediction), abs(target)) * (1 if prediction > 0 else -1)
        named["prediction"] -= both
        named["target"] += both
        named["over"] += both
        named["under"] -= both
    return tuple(named.values())


def row_moments(prediction: Array, target: Array) -> dict[str, Array]:
    """Return each row's part in the moments of predicted amounts.

    Parameters
    ----------
    prediction, target : array or tensor of shape (n_samples,)
        The amounts.

    Returns
    -------
    dict of str to array or tensor of shape (n_samples,)
        The parts in ``n``, ``prediction``, ``target``, ``over``, ``under`` and ``squared_error``.

    See Also
    --------
    MeanRate : What is evaluated on sums of these.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.rates import row_moments
    >>> parts = row_moments(np.array([3.0, 1.0]), np.array([1.0, 2.0]))
    >>> parts["over"].tolist(), parts["under"].tolist(), parts["squared_error"].tolist()
    ([2.0, 0.0], [0.0, 1.0], [4.0, 1.0])
    """
    error = prediction - target
    return {
        "n": 0.0 * error + 1.0,
        "prediction": prediction,
        "target": target,
        "over": (error > 0) * abs(error),
        "under": (error < 0) * abs(error),
        "squared_error": error * error,
    }
