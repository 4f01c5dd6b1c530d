"""Objectives: what decisions should maximise, of the confusion cells of all rows, or of the worst group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, TypeAlias

import numpy as np

from fairsk._core.curves import Curve
from fairsk._core.messages import did_you_mean, show
from fairsk._core.typing import Floats
from fairsk.rates import CELLS, RATES, Cells, Rate, get_rate

__all__ = [
    "ACCURACY",
    "MAX_DINKELBACH",
    "AnyObjective",
    "FreeObjective",
    "Objective",
    "ObjectiveLike",
    "WorstGroupObjective",
    "check_objective",
    "is_of_worst_group",
    "make_objective",
    "objective_of_rows",
    "terms_of_worst_group",
    "worst_group_objective",
]

#: The objective of a classifier that is asked for no other.
ACCURACY = "accuracy"

#: How often Dinkelbach's iteration, which a ratio takes, may go on; a handful of times is usual.
MAX_DINKELBACH = 100

#: The names of objectives, rates among them; any F-beta, such as ``"f0.5"``, is one too, hence the ``str``.
ObjectiveName: TypeAlias = (
    Literal[
        "accuracy", "balanced_accuracy", "youden", "f1", "f2", "precision", "recall", "worst_group_accuracy"
    ]
    | str
)
#: What users may pass: a name, a rate, the worth of each cell, or a function of the cells.
ObjectiveLike: TypeAlias = ObjectiveName | Rate | Mapping[str, float] | Callable[[Cells], Any]

#: Directions in which a function of the cells is explored, from true positives only to true negatives only.
_DIRECTIONS = 25


#: What the names of objectives begin with that look at the worst group.
_WORST = "worst_group_"

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

    def of_groups(self, cells: Cells) -> float:
        """Return the value for the cells of every group: that of their sum."""
        return _of_all(self, cells)

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

    def of_groups(self, cells: Cells) -> float:
        """Return the value for the cells of every group: that of their sum."""
        return _of_all(self, cells)

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


@dataclass(frozen=True)
class WorstGroupObjective:
    """The rate of the group that is worst off; among equals, the same rate over all rows.

    ``value = min_g r_g``, or the maximum of a rate that is better the lower it is. The rate may be a sum of
    rates with fixed denominators (balanced accuracy).

    Parameters
    ----------
    name : str
        What it is called.
    terms : tuple of (float, Rate)
        The rates of a group that add up, each with its factor.
    overall : Objective
        The same over all rows.
    counted : tuple of int
        The positions of the groups among which the worst one is looked for.
    """

    name: str
    terms: tuple[tuple[float, Rate], ...]
    overall: Objective
    counted: tuple[int, ...]

    @property
    def lower_is_better(self) -> bool:
        """Whether the largest rate is the worst, and is minimised."""
        return self.overall.lower_is_better

    def span(self, value: float) -> float:
        """Return by how much values differ, to judge whether a gain is small."""
        return self.overall.span(value)

    def better(self, value: Any, other: Any) -> Any:
        """Return by how much one value is better than another."""
        return self.overall.better(value, other)

    def value_at(self, level: float) -> float:
        """Return the value at a level (see :meth:`parts`)."""
        return -level if self.lower_is_better else level

    def parts(self, cells: Cells) -> tuple[Floats, Floats]:
        """Return part and whole of one group's level: its rate, negated where a lower one is better.

        ``part - level * whole`` is linear in decisions for any one level, so that mixtures have at least this
        level where the mean of that is not negative.
        """
        sign = -1.0 if self.lower_is_better else 1.0
        if len(self.terms) == 1:
            ((factor, rate),) = self.terms
            return sign * factor * np.asarray(rate.part(cells), dtype=float), rate.support(cells)
        value = sign * self._rate(cells)
        return value, np.ones_like(value)

    def of_groups(self, cells: Cells) -> float:
        """Return the value for the cells of every group."""
        return float(self._worst(self._rate(cells)[list(self.counted)]))

    def worst_of(self, cells: Cells) -> int:
        """Return the position of the worst group."""
        values = self._rate(cells)[list(self.counted)]
        return self.counted[int(np.argmax(values) if self.lower_is_better else np.argmin(values))]

    def along(self, thresholds: Floats, curves: Sequence[Curve]) -> Floats:
        """Return the value where all rows alike have one of the thresholds, from every group's curve."""
        rates = [self._rate(curves[g].at(curves[g].positions(thresholds))) for g in self.counted]
        return self._worst(np.array(rates))

    def _rate(self, cells: Cells) -> Floats:
        return sum((factor * rate(cells) for factor, rate in self.terms), start=np.zeros(1))

    def _worst(self, rates: Floats) -> Floats:
        return rates.max(0) if self.lower_is_better else rates.min(0)


#: Whatever can be maximised.
AnyObjective: TypeAlias = Objective | FreeObjective | WorstGroupObjective


def _of_all(objective: Objective | FreeObjective, cells: Cells) -> float:
    return float(objective.value({cell: np.sum(cells[cell]) for cell in CELLS}))


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
    if is_of_worst_group(objective):
        raise ValueError(
            f"objective={objective!r} looks at groups, which GroupThresholdOptimizer and "
            "thresholds_from_histograms can maximise; name an objective of all rows here."
        )
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
            f"Unknown objective {show(objective)}.{_similar_objective(objective)}"
            " Use 'balanced_accuracy', 'youden', one of the rates "
            f"{', '.join(RATES)}, 'f2' or another F-beta, any of these after 'worst_group_', a Rate, a dict "
            "of what a row in each cell is worth, or a function of the cells."
        ) from error
    return Objective(
        rate.name,
        rate.numerator_coefficients,
        rate.denominator_coefficients,
        rate.has_fixed_denominator,
        rate.lower_is_better,
    )


#: How others say that they mean the worst group.
_ALSO_WORST = ("worst_group_", "min_group_", "worst_", "minimum_", "group_min_", "min_")


def _similar_objective(objective: Any) -> str:
    """Return " Did you mean" the objective that a name may mean."""
    names = ["balanced_accuracy", "youden", *RATES]
    if isinstance(objective, str):
        for prefix in _ALSO_WORST:
            if objective.startswith(prefix):
                hint = did_you_mean(objective.removeprefix(prefix), names)
                return hint.replace("mean '", f"mean '{_WORST}")
    return did_you_mean(objective, names)


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


def is_of_worst_group(objective: ObjectiveLike) -> bool:
    """Whether an objective is the rate of the worst group, such as ``"worst_group_accuracy"``."""
    return isinstance(objective, str) and objective.startswith(_WORST)


def check_objective(objective: ObjectiveLike) -> None:
    """Refuse an objective that is none; that of the worst group is one.

    Raises
    ------
    ValueError
        If the name or a cell is unknown, or a worth is not a number.
    """
    make_objective(_of_all_rows(objective), 1.0, 1.0)


def terms_of_worst_group(objective: ObjectiveLike) -> tuple[tuple[float, Rate], ...]:
    """Return the rates of a group that add up to what the worst group's is maximised of, with factors."""
    name = _of_all_rows(objective)
    if isinstance(name, str) and name in _COMBINED:
        return tuple((factor, get_rate(part)) for part, factor in _COMBINED[name].items())
    return ((1.0, get_rate(name)),)  # type: ignore[arg-type]


def worst_group_objective(
    objective: ObjectiveLike, everyone: Curve, counted: Sequence[int]
) -> WorstGroupObjective:
    """Make the objective of the worst group, over the rows of a curve.

    Parameters
    ----------
    objective : str
        Its name, such as ``"worst_group_accuracy"``.
    everyone : Curve
        Of all rows together.
    counted : sequence of int
        The positions of the groups among which the worst one is looked for.

    Raises
    ------
    ValueError
        If all rows are of one class.
    """
    overall = objective_of_rows(_of_all_rows(objective), everyone)
    assert isinstance(overall, Objective)  # a name is no function of the cells
    terms = terms_of_worst_group(objective)
    return WorstGroupObjective(_WORST + overall.name, terms, overall, tuple(counted))


def _of_all_rows(objective: ObjectiveLike) -> ObjectiveLike:
    """Return an objective that looks at all rows: that of the worst group without it."""
    if isinstance(objective, str) and objective.startswith(_WORST):
        return objective.removeprefix(_WORST)
    return objective


def _worths(objective: Mapping[str, float]) -> tuple[float, ...]:
    unknown = set(objective) - set(CELLS)
    if unknown or not objective:
        raise ValueError(
            f"A dict as objective says what a row in each of the cells {', '.join(CELLS)} is worth, such as "
            f"{{'tp': 5, 'fp': -1}}; got {show(dict(objective))}."
        )
    not_numbers = [worth for worth in objective.values() if not isinstance(worth, Real)]
    if not_numbers:
        raise ValueError(f"The worth of a cell must be a finite number; got {show(not_numbers[0])}.")
    worths = tuple(float(objective.get(cell, 0.0)) for cell in CELLS)
    if not np.isfinite(worths).all():
        raise ValueError(f"The worth of a cell must be a finite number; got {show(dict(objective))}.")
    tp, fp, fn, tn = worths
    if tp < fn or tn < fp:
        raise ValueError(
            f"{show(dict(objective))} would reward errors: a row is worth more when it is decided wrongly. "
            "Costs are negative worths, such as {'fn': -5, 'fp': -1}."
        )
    return worths
