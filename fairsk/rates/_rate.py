"""Rate: one sum of confusion cells divided by another."""

from __future__ import annotations

from dataclasses import dataclass

from fairsk.rates._arrays import Array, Cells, where
from fairsk.rates._expressions import CELLS, cell_coefficients, linear

__all__ = ["Rate", "soft_cells"]


def soft_cells(positive: Array, actual: Array) -> dict[str, Array]:
    """Return each row's part in the four cells.

    Parameters
    ----------
    positive : array or tensor of shape (n_samples,)
        How much each row is predicted positive: 0 or 1, or a probability.
    actual : array or tensor of shape (n_samples,)
        The labels, 0 or 1.

    Returns
    -------
    dict of str to array or tensor of shape (n_samples,)
        The parts in ``tp``, ``fp``, ``fn`` and ``tn``; those of a row add up to 1.

    See Also
    --------
    Rate : What is evaluated on sums of these.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.rates import soft_cells
    >>> parts = soft_cells(np.array([0.75, 1.0]), np.array([1, 0]))
    >>> parts["tp"].tolist(), parts["fp"].tolist()
    ([0.75, 0.0], [0.0, 1.0])
    """
    return {
        "tp": positive * actual,
        "fp": positive * (1 - actual),
        "fn": (1 - positive) * actual,
        "tn": (1 - positive) * (1 - actual),
    }


@dataclass(frozen=True)
class Rate:
    """A group rate: one sum of confusion cells divided by another.

    Parameters
    ----------
    name : str
        What the rate is called in tables and messages.
    numerator, denominator : str
        Sums over ``tp``, ``fp``, ``fn``, ``tn`` (``n`` means all four), with optional factors, such as
        ``"2*tp"`` and ``"2*tp+fp+fn"``. The denominator may not subtract, so that it is zero only where
        there is nothing to measure.
    lower_is_better : bool, default=False
        Whether the group with the *highest* rate is the one that is worst off, as with error rates.

    Raises
    ------
    ValueError
        If an expression names an unknown cell, or the denominator subtracts or is empty.

    See Also
    --------
    Constraint : Which rates should agree between groups.
    fairsk.rates.get_rate : The built-in rates by name.

    Notes
    -----
    A group whose denominator is zero has no such rate: the value is NaN, and comparisons pass over it.

    Examples
    --------
    >>> from fairsk import Rate
    >>> precision = Rate("precision", "tp", "tp+fp")
    >>> float(precision({"tp": 3.0, "fp": 1.0, "fn": 0.0, "tn": 0.0}))
    0.75
    """

    name: str
    numerator: str
    denominator: str
    lower_is_better: bool = False

    def __post_init__(self) -> None:
        cell_coefficients(self.numerator)  # read now, so that a bad expression fails here
        denominator = cell_coefficients(self.denominator)
        if min(denominator) < 0 or max(denominator) == 0:
            raise ValueError(
                f"The denominator of rate {self.name!r} must be a sum of confusion cells without "
                f"subtraction, got {self.denominator!r}."
            )

    @property
    def numerator_coefficients(self) -> tuple[float, ...]:
        """Factor of each cell of ``CELLS`` in the numerator."""
        return cell_coefficients(self.numerator)

    @property
    def denominator_coefficients(self) -> tuple[float, ...]:
        """Factor of each cell of ``CELLS`` in the denominator."""
        return cell_coefficients(self.denominator)

    @property
    def has_fixed_denominator(self) -> bool:
        """Whether the denominator depends on the labels only, so that the rate is linear in the decisions."""
        tp, fp, fn, tn = self.denominator_coefficients
        return tp == fn and fp == tn

    @property
    def needs_labels(self) -> bool:
        """Whether the rate depends on the labels, and not on the decisions alone."""
        vectors = (self.numerator_coefficients, self.denominator_coefficients)
        return any(tp != fp or fn != tn for tp, fp, fn, tn in vectors)

    @property
    def is_share(self) -> bool:
        """Whether the rate counts a part of its denominator, so that it lies between 0 and 1."""
        pairs = zip(self.numerator_coefficients, self.denominator_coefficients, strict=True)
        return all(0 <= part <= whole for part, whole in pairs)

    def part(self, cells: Cells) -> Array:
        """Return the numerator: how much of the denominator has what the rate counts.

        Parameters
        ----------
        cells : mapping of str to array of shape (n_groups, ...)
            The confusion cells of each group.

        Returns
        -------
        array of shape (n_groups, ...)
            The numerator.
        """
        return linear(self.numerator_coefficients, cells)

    def support(self, cells: Cells) -> Array:
        """Return the denominator: how much there is to measure the rate on.

        Parameters
        ----------
        cells : mapping of str to array of shape (n_groups, ...)
            The confusion cells of each group.

        Returns
        -------
        array of shape (n_groups, ...)
            The denominator.
        """
        return linear(self.denominator_coefficients, cells)

    def slopes(self, cells: Cells) -> dict[str, Array]:
        """Return how the rate changes with each cell: its derivative, where the denominator is not empty.

        Parameters
        ----------
        cells : mapping of str to array of shape (n_groups, ...)
            The confusion cells of each group.

        Returns
        -------
        dict of str to array of shape (n_groups, ...)
            The derivative with respect to each cell.
        """
        support = self.support(cells)
        value = self.part(cells) / support
        factors = zip(CELLS, self.numerator_coefficients, self.denominator_coefficients, strict=True)
        return {cell: (part - value * whole) / support for cell, part, whole in factors}

    def __call__(self, cells: Cells) -> Array:
        """Evaluate the rate on cells of any shape; an empty denominator gives NaN."""
        support = self.support(cells)
        # An empty denominator is filled in before the division, so that no gradient runs through 0 / 0.
        value = self.part(cells) / (support + (support == 0))
        return where(support != 0, value, float("nan"))
