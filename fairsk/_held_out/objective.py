"""Objectives: what decisions should maximise, a function of the confusion cells of all rows together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from fairsk._core.curves import Curve
from fairsk._core.typing import Floats
from fairsk.rates import CELLS, RATES, Cells, Rate, get_rate

__all__ = ["ACCURACY", "FreeObjective", "Objective", "ObjectiveLike", "make_objective", "objective_of_rows"]

#: The objective of a classifier that is asked for no other.
ACCURACY = "accuracy"


#: The names of objectives, rates among them; any F-beta, such as ``"f0.5"``, is one too, hence the ``str``.
ObjectiveName: TypeAlias = (
    Literal["accuracy", "balanced_accuracy", "youden", "f1", "f2", "precision", "recall"] | str
)
#: What users may pass: a name, a rate, the worth of each cell, or a function of the cells.
ObjectiveLike: TypeAlias = ObjectiveName | Rate | Mapping[str, float] | Callable[[Cells], Any]

#: Directions in which a function of the cells is explored, from true positives only to true negatives only.
_DIRECTIONS = 25


#: Objectives that add up rates with fixed denominators.
_COMBINED: Mapping[str, Mapping[str, float]] = {
    "balanced_accuracy": {"true_positive_rate": 0.5, "true_negative_rate": 0.5},
    "youden": {"true_positive_rate": 1.0, "false_positive_rate": -1.0},
}


@dataclass(frozen=True)
class Objective:
    """A ratio of sums of confusion cells over all groups: greater is better.

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
    spread: float = 1.0  # between the least and the greatest value there can be

    def span(self, value: float) -> float:
        """Return by how much values differ, to judge whether a gain is small."""
        return self.spread

    @property
    def start(self) -> float:
        """A value to begin with: below (above) all shares, so that having something to divide by counts."""
        pairs = zip(self.numerator, self.denominator, strict=True)
        ratios = [above / below for above, below in pairs if below]
        return max(ratios) + 1 if self.lower_is_better else min(ratios) - 1

    def value(self, cells: Cells) -> Any:
        """Return the objective's own value (not negated) for the cells of all rows."""
        above, below = self._sums(cells)
        return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below != 0)[()]

    def better(self, value: Any, other: Any) -> Any:
        """Return by how much one value is better than another."""
        return other - value if self.lower_is_better else value - other

    def utility(self, cells: Cells, value: float = 0.0) -> Floats:
        """Return what each threshold contributes to ``numerator - value * denominator``."""
        weights = np.array(self.numerator)
        if not self.is_linear:
            weights = weights - value * np.array(self.denominator)
        return _sum(-weights if self.lower_is_better else weights, cells)

    def _sums(self, cells: Cells) -> tuple[Floats, Floats]:
        return _sum(self.numerator, cells), _sum(self.denominator, cells)


@dataclass(frozen=True)
class FreeObjective:
    """Any function of the cells of all rows: greater is better.

    It is explored by maximising linear objectives in many directions, and then in the direction in which
    it grows where it was greatest. That finds the optimum of a linear function or a ratio, and of any other
    (quasi-)convex one if the directions are close enough; of others, a good choice.
    """

    name: str
    function: Callable[[Cells], Any]
    positives: float
    negatives: float

    def span(self, value: float) -> float:
        """Return by how much values differ, to judge whether a gain is small: judged by their size."""
        return abs(value)

    def value(self, cells: Cells) -> Any:
        """Return the objective's value for the cells of all rows."""
        numbers = [np.asarray(cells[cell], dtype=float) for cell in CELLS]
        with np.errstate(divide="ignore", invalid="ignore"):
            try:
                value = np.asarray(self.function(dict(zip(CELLS, numbers, strict=True))), dtype=float)
            except (TypeError, ValueError):  # it takes one table at a time
                each = zip(*(number.ravel() for number in numbers), strict=True)  # of NumPy: 0 / 0 is NaN
                rows = [self.function(dict(zip(CELLS, row, strict=True))) for row in each]
                value = np.array(rows, dtype=float).reshape(numbers[0].shape)
        return value[()]

    def better(self, value: Any, other: Any) -> Any:
        """Return by how much one value is better than another."""
        return value - other

    def directions(self) -> Iterator[Objective]:
        """Yield linear objectives that between them weigh the two kinds of errors in every proportion."""
        for angle in np.linspace(0, np.pi / 2, _DIRECTIONS):
            yield self._linear(np.cos(angle) / self.positives, -np.sin(angle) / self.negatives)

    def steepest(self, cells: Cells) -> Objective | None:
        """Return the linear objective that grows as the function does at these cells; None if it is flat."""
        tp, fp = float(cells["tp"]), float(cells["fp"])
        slopes = [
            self._slope(lambda by: (tp + by, fp), tp, self.positives),
            self._slope(lambda by: (tp, fp + by), fp, self.negatives),
        ]
        if not np.isfinite(slopes).all() or not np.any(slopes):
            return None
        return self._linear(*slopes)

    def _slope(self, moved: Callable[[float], tuple[float, float]], at: float, total: float) -> float:
        step = 1e-6 * total
        below, above = max(-step, -at), min(step, total - at)
        high, low = (self.value(self._cells(*moved(by))) for by in (above, below))
        return float((high - low) / (above - below))

    def _cells(self, tp: float, fp: float) -> dict[str, float]:
        return {"tp": tp, "fp": fp, "fn": self.positives - tp, "tn": self.negatives - fp}

    def _linear(self, tp: float, fp: float) -> Objective:
        ones = (1.0,) * len(CELLS)
        return Objective(self.name, (float(tp), float(fp), 0.0, 0.0), ones, is_linear=True)


def _sum(weights: Any, cells: Cells) -> Floats:
    terms = [w * np.asarray(cells[c], dtype=float) for c, w in zip(CELLS, weights, strict=True) if w]
    return sum(terms[1:], start=terms[0]) if terms else 0.0 * np.asarray(cells[CELLS[0]], dtype=float)


def make_objective(objective: ObjectiveLike, positives: float, negatives: float) -> Objective | FreeObjective:
    """Make the objective that the user asked for.

    Parameters
    ----------
    objective : str, Rate, mapping or callable
        ``"balanced_accuracy"``, ``"youden"``; a rate of all rows, built in (``"f1"``, ``"f2"``,
        ``"precision"``, ``"recall"``, ...) or your own; the worth of a row in each cell, such as
        ``{"tp": 5, "fp": -1}``; or a function of the cells.
    positives, negatives : float
        Total weight of the two labels.

    Raises
    ------
    ValueError
        If the name or a cell is unknown, or a worth is not a number.
    """
    total = (1 / (positives + negatives),) * len(CELLS)
    if isinstance(objective, Mapping):
        worths = _worths(objective)
        spread = max(worths) - min(worths)
        return Objective("utility", worths, (1.0,) * len(CELLS), is_linear=True, spread=spread)
    if not isinstance(objective, str | Rate):
        name = getattr(objective, "__name__", type(objective).__name__)
        return FreeObjective("objective" if name == "<lambda>" else name, objective, positives, negatives)
    if isinstance(objective, str) and objective in _COMBINED:
        cells = {"tp": 0.0, "fp": 0.0, "fn": positives, "tn": negatives}
        weights = np.zeros(len(CELLS))
        for name, factor in _COMBINED[objective].items():
            part = get_rate(name)
            weights += factor * np.array(part.numerator_coefficients) / part.support(cells)
        return Objective(objective, tuple(weights.tolist()), total, is_linear=True)
    try:
        rate = get_rate(objective)
    except ValueError as error:
        raise ValueError(
            f"Unknown objective {objective!r}: use 'balanced_accuracy', 'youden', one of the rates "
            f"{', '.join(RATES)}, 'f2' or another F-beta, a Rate, a dict of what a row in each cell is "
            "worth, or a function of the cells."
        ) from error
    return Objective(
        rate.name,
        rate.numerator_coefficients,
        rate.denominator_coefficients,
        rate.has_fixed_denominator,
        rate.lower_is_better,
    )


def objective_of_rows(objective: ObjectiveLike, everyone: Curve) -> Objective | FreeObjective:
    """Make the objective that the user asked for, over the rows of a curve.

    Raises
    ------
    ValueError
        If all of them are of one class, or the objective is none.
    """
    positives, negatives = float(everyone.tp[-1]), float(everyone.fp[-1])
    if not min(positives, negatives) > 0:
        raise ValueError("All rows with a weight are of one class: there is nothing to separate.")
    return make_objective(objective, positives, negatives)


def _worths(objective: Mapping[str, float]) -> tuple[float, ...]:
    unknown = set(objective) - set(CELLS)
    if unknown or not objective:
        raise ValueError(
            f"A dict as objective says what a row in each of the cells {', '.join(CELLS)} is worth, such as "
            f"{{'tp': 5, 'fp': -1}}; got {dict(objective)!r}."
        )
    worths = tuple(float(objective.get(cell, 0.0)) for cell in CELLS)
    if not np.isfinite(worths).all():
        raise ValueError(f"The worth of a cell must be a finite number; got {dict(objective)!r}.")
    tp, fp, fn, tn = worths
    if tp < fn or tn < fp:
        raise ValueError(
            f"{dict(objective)!r} would reward errors: a row is worth more when it is decided wrongly. Costs "
            "are negative worths, such as {'fn': -5, 'fp': -1}."
        )
    return worths
