"""What the thresholds should maximise: a ratio of sums of confusion cells over all groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fairsk.rates import CELLS, RATES, Cells, Rate, get_rate

__all__ = ["Objective", "make_objective"]


@dataclass(frozen=True)
class Objective:
    """A function of the cells of all groups together: greater is better.

    ``value = sign * numerator(cells) / denominator(cells)``. Where the denominator is the same whatever is
    decided (accuracy), maximising the numerator is enough. Any other ratio (F1, precision) is maximised
    exactly by maximising ``numerator - value * denominator`` again and again (Dinkelbach, On Nonlinear
    Fractional Programming, Management Science 13, 1967).
    """

    name: str
    numerator: tuple[float, ...]
    denominator: tuple[float, ...]
    is_linear: bool
    lower_is_better: bool = False

    def value(self, cells: Cells) -> float:
        """Return the objective's own value (not negated) for the cells of all rows."""
        above, below = self._sums(cells)
        return float(above / below) if below else float("nan")

    def utility(self, cells: Cells, value: float = 0.0) -> NDArray[np.float64]:
        """Return what each threshold contributes to ``numerator - value * denominator``."""
        above, below = self._sums(cells)
        return (above - value * below) * (-1 if self.lower_is_better else 1)

    def _sums(self, cells: Cells) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        table = np.array([cells[cell] for cell in CELLS], dtype=float)
        return np.tensordot(self.numerator, table, 1), np.tensordot(self.denominator, table, 1)


def make_objective(name: str | Rate, positives: float, negatives: float) -> Objective:
    """Make the objective of that name.

    Parameters
    ----------
    name : str or Rate
        ``"balanced_accuracy"``, or a rate of all rows, built in or your own.
    positives, negatives : float
        Total weight of the two labels.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    if name == "balanced_accuracy":
        halves = (0.5 / positives, 0.0, 0.0, 0.5 / negatives)
        total = 1 / (positives + negatives)
        return Objective("balanced_accuracy", halves, (total,) * 4, is_linear=True)
    if isinstance(name, str) and name not in RATES:
        raise ValueError(
            f"Unknown objective {name!r}: use 'balanced_accuracy', or one of the rates {', '.join(RATES)}."
        )
    rate = get_rate(name)
    return Objective(
        rate.name,
        rate.numerator_coefficients,
        rate.denominator_coefficients,
        rate.has_fixed_denominator,
        rate.lower_is_better,
    )
