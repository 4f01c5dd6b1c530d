"""Rules: every threshold of every score that a model, or an average of two models, gives; the best mixture.

The linear program gets few thresholds as columns, and those that its prices ask for are added until none is
worth it. To price all thresholds of a score takes one sum along its sorted rows: with fixed denominators a
row moves error and rates by the same step, whichever others are selected.

Averages belong to the rules because they save fits. A model of labels and one of strong prices (which tells
groups apart, as far as X does) average to about what a model of weak prices would be; so the program knows
the right prices after two models, where single models would need five.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fairsk._core.typing import Floats, Ints
from fairsk.reductions._bounded_rows import BoundedRows
from fairsk.reductions._final_threshold import ThresholdSweep
from fairsk.reductions._reduction.master import Mixture, solve_master

__all__ = ["Average", "Rules"]

#: The shares of the second of two models in their averages. The error is flat around the best one, so that
#: tenths lose less than what a threshold on new rows does.
_SHARES = tuple(k / 10 for k in range(1, 10))
#: A rule whose reduced cost is nearer to 0 is not worth adding: HiGHS keeps its rows to 1e-7.
_NOTHING = 1e-6
#: How many columns enter the program at a time: it is small and solved in milliseconds, and one column of
#: each of hundreds of averages that hardly differ would slow it down.
_ENTERING = 8
#: How many times columns enter, at the most; ten are usual.
_MOST_ENTRIES = 100


@dataclass(frozen=True)
class Average:
    """An average of the scores of two models, or one model alone.

    Parameters
    ----------
    first, second : int
        Which models; the same one twice is that model alone.
    share : float, default=0.0
        The share of the second.
    """

    first: int
    second: int
    share: float = 0.0

    @property
    def shares(self) -> dict[int, float]:
        """The share of each model that takes part."""
        if self.first == self.second:
            return {self.first: 1.0}
        return {self.first: round(1 - self.share, 12), self.second: self.share}


class _SortedScore:
    """The thresholds of one score, from selecting nobody to everybody."""

    def __init__(self, scores: Floats) -> None:
        order = np.argsort(-scores, kind="stable")
        ordered = scores[order]
        # Tied scores cannot be told apart: they enter together, at the last of them.
        last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
        # There may be hundreds of scores: 32 bits are enough for positions.
        self._order, self._ends = order.astype(np.int32), np.append(0, last + 1).astype(np.int32)

    def along(self, costs: Floats) -> Floats:
        """Return the sum of the costs of the rows that are selected at each threshold."""
        return np.append(0.0, np.cumsum(costs[self._order]))[self._ends]

    def selected(self, position: int) -> Ints:
        """Return the rows that are selected at a threshold."""
        return self._order[: self._ends[position]].astype(np.intp)


class Rules:
    """All thresholds of all scores, as columns of the linear program.

    Parameters
    ----------
    rows : BoundedRows
        The rows that are scored.
    distances : array of shape (n_rates, n_codes), optional
        How far each rate must stay away from either end of its window.
    """

    def __init__(self, rows: BoundedRows, distances: Floats | None = None) -> None:
        self.rows = rows
        self.distances = distances
        self.averages: list[Average] = []
        self._scores: list[Floats] = []
        self._sorted: list[_SortedScore] = []
        self._columns: list[tuple[int, int]] = []
        self._errors: list[float] = []
        self._values: list[Floats] = []
        self._weights = rows.weights / rows.weights.sum()
        self._steps = self._weights * (1.0 - 2 * rows.actual)  # of the error, if a row is selected
        self._cells = rows.cells(rows.actual)  # of fixed denominators any cells do

    @property
    def n_models(self) -> int:
        """How many models' scores there are."""
        return len(self._scores)

    def add_model(self, scores: Floats) -> None:
        """Add the thresholds of a model's scores, which must be in the same unit as those before."""
        self._scores.append(scores)
        alone = Average(self.n_models - 1, self.n_models - 1)
        self.add(alone)
        number = len(self._sorted) - 1
        errors = self._sorted[number].along(self._steps)
        for position in {0, len(errors) - 1, int(np.argmin(errors))}:
            self._add_column(number, position)

    def add_averages(self) -> None:
        """Add the averages of the last model with each one before it."""
        for first in range(self.n_models - 1):
            for share in _SHARES:
                self.add(Average(first, self.n_models - 1, share))

    def add(self, average: Average) -> None:
        """Add the thresholds of an average."""
        self.averages.append(average)
        self._sorted.append(_SortedScore(self.scores(average)))

    def scores(self, average: Average) -> Floats:
        """Return the scores that an average gives."""
        return np.asarray(sum(share * self._scores[model] for model, share in average.shares.items()))

    def least_error(self) -> float:
        """Return the error of the best threshold on the first model's scores, without a bound."""
        return float(self.rows.weights @ self.rows.actual / self.rows.weights.sum()) + float(
            self._sorted[0].along(self._steps).min()
        )

    def solve(self) -> Mixture:
        """Return the best mixture of all rules."""
        for _ in range(_MOST_ENTRIES):
            mixture = solve_master(self.rows, np.array(self._errors), np.array(self._values), self.distances)
            least, positions = self._cheapest(mixture)
            entering = np.argsort(least, kind="stable")[:_ENTERING]
            entering = entering[least[entering] < -_NOTHING]
            are_new = [self._add_column(int(i), int(positions[i])) for i in entering]
            if not any(are_new):
                break
        return mixture

    def shares(self, mixture: Mixture) -> Floats:
        """Return what part each model has in a mixture."""
        shares = np.zeros(self.n_models)
        for (number, _), share in zip(self._columns, mixture.shares, strict=True):
            for model, part in self.averages[number].shares.items():
                shares[model] += share * part
        return shares

    def best(self, mixture: Mixture) -> Average:
        """Return the average whose best threshold errs least under the bounds, or violates them least.

        No threshold that keeps the bounds errs less than the best mixture of all rules plus its own reduced
        cost. So averages are looked at in the order of the least that they could err, until none can be
        better; where no mixture keeps the bounds, only models alone are.
        """
        floors = mixture.error + self._cheapest(mixture)[0]
        best, least = 0, (np.inf, np.inf)
        for i in np.argsort(floors, kind="stable").tolist():
            if mixture.is_feasible and least[0] == 0 and floors[i] >= least[1]:
                break
            if not mixture.is_feasible and self.averages[i].share:
                continue
            choice = ThresholdSweep(self.rows, self.scores(self.averages[i])).best(self.distances)
            if (choice.violation, choice.error) < least:
                best, least = i, (choice.violation, choice.error)
        return self.averages[best]

    def _cheapest(self, mixture: Mixture) -> tuple[Floats, Ints]:
        """Return the least reduced cost that a threshold of each score has, and the position of that one."""
        nobody = np.zeros(len(self.rows), dtype=bool)
        error, values = self.rows.error(nobody), self.rows.values(self.rows.cells(nobody))
        (at_nobody,) = mixture.reduced_costs(np.array([error]), values[None])
        steps = self._steps + self._weights * self.rows.prices(mixture.multipliers, self._cells)
        least, positions = np.empty(len(self._sorted)), np.empty(len(self._sorted), dtype=np.intp)
        for i, score in enumerate(self._sorted):
            costs = score.along(steps)
            positions[i] = np.argmin(costs)
            least[i] = at_nobody + costs[positions[i]]
        return least, positions

    def _add_column(self, number: int, position: int) -> bool:
        """Add a threshold of a score to the program; say whether it is new."""
        if (number, position) in self._columns:
            return False
        self._columns.append((number, position))
        selected = np.zeros(len(self.rows), dtype=bool)
        selected[self._sorted[number].selected(position)] = True
        self._errors.append(self.rows.error(selected))
        self._values.append(self.rows.values(self.rows.cells(selected)))
        return True
