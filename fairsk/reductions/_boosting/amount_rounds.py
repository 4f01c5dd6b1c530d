"""The rounds of boosting amounts as they pass: what is recorded of each, and the best one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from fairsk._core.typing import Floats
from fairsk.reductions._amounts.problem import AmountProblem, AmountStep
from fairsk.reductions._amounts.rows import AmountRows
from fairsk.reductions._boosting.amount_costs import is_linear
from fairsk.reductions._final_threshold import LEAST_GAIN_KEPT, MOST_OF_WINDOW

__all__ = ["AmountRounds", "BestAmounts", "nearest_factor"]

#: How exactly the part of a margin is found that can be kept.
_N_PARTS = 128
#: What sums of amounts round by, as a share of the largest.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class BestAmounts:
    """The best round so far, and how its predictions are drawn to their mean, or away from it.

    Parameters
    ----------
    number : int
        The round, from 1.
    predictions : array of shape (n_samples,)
        What is predicted of held-out rows, drawn already.
    loss : float
        Their mean loss.
    excess : float
        By how much they exceed the bound; 0 if they keep it.
    center, factor : float
        The mean of all predictions, and what the distance from it is multiplied by.
    """

    number: int
    predictions: Floats
    loss: float
    excess: float
    center: float
    factor: float

    @property
    def rank(self) -> tuple[float, float]:
        """By what rounds are compared: first the bound."""
        return self.excess, self.loss


class AmountRounds:
    """What is known of the rounds so far, from the predictions of held-out rows.

    Parameters
    ----------
    problem : AmountProblem
        It says which margin is wanted.
    rows : AmountRows
        The held-out rows.
    constant : array of shape (n_samples,)
        Their predictions before the first round, alike for all rows of a fold.
    patience : int or None
        After how many rounds without a better one to stop.
    """

    def __init__(
        self, problem: AmountProblem, rows: AmountRows, constant: Floats, patience: int | None
    ) -> None:
        self._problem, self._rows, self._patience = problem, rows, patience
        self._constant_loss = rows.mean_loss(constant)
        self._plain: BestAmounts | None = None
        self._tighter: BestAmounts | None = None
        self.steps: list[AmountStep] = []
        self.distances: Floats | None = None

    def add(self, predictions: Floats, multipliers: Floats) -> None:
        """Take down a round: the predictions after it, and the multipliers its trees were fitted to."""
        values = self._rows.values(predictions)
        self.steps.append(AmountStep(self._rows.mean_loss(predictions), values, multipliers.copy()))
        self._plain = _better(self._plain, self._drawn(predictions, None))
        wanted = self._problem.wanted_distances(predictions)
        if wanted is not None:
            self.distances = _that_fit(wanted, self._rows)
            self._tighter = _better(self._tighter, self._drawn(predictions, self.distances))

    def _drawn(self, predictions: Floats, distances: Floats | None) -> BestAmounts:
        """Return the predictions of the latest round, drawn by as little as keeps the bound, if that can."""
        rows, number = self._rows, len(self.steps)
        center, factor = 0.0, 1.0
        if _excess(rows, predictions, distances) > 0:
            factor = nearest_factor(rows, predictions, distances)
        if factor != 1:
            center = float(np.average(predictions, weights=rows.weights))
        predictions = center + factor * (predictions - center)
        excess = _excess(rows, predictions, distances)
        return BestAmounts(number, predictions, rows.mean_loss(predictions), excess, center, factor)

    @property
    def best(self) -> BestAmounts:
        """The best round so far: one that keeps the margin, if that leaves enough of what is gained."""
        plain, tighter = self._plain, self._tighter
        assert plain is not None  # a round was added
        if tighter is None or tighter.excess > 0:
            return plain
        gain = max(0.0, self._constant_loss - plain.loss)
        return tighter if tighter.loss <= self._constant_loss - LEAST_GAIN_KEPT * gain else plain

    @property
    def has_ended(self) -> bool:
        """Whether no better round has come for as long as the user wants to wait."""
        return self._patience is not None and len(self.steps) - self.best.number >= self._patience

    def history(self) -> list[AmountStep]:
        """Return all steps; the best round has all of the weight."""
        best = self.best.number
        return [replace(step, weight=float(i == best)) for i, step in enumerate(self.steps, start=1)]

    def kept_distances(self) -> Floats | None:
        """Return as much as the best round keeps of the margin that is wanted of its predictions."""
        wanted = self._problem.wanted_distances(self.best.predictions)
        if wanted is None:
            return None
        tried = (part / _N_PARTS * wanted for part in range(_N_PARTS, 0, -1))
        kept = (each for each in tried if _excess(self._rows, self.best.predictions, each) == 0)
        return next(kept, np.zeros_like(wanted))


def _excess(rows: AmountRows, predictions: Floats, distances: Floats | None) -> float:
    """Return by how much the bound is exceeded; 0 where that is the rounding of sums of these amounts."""
    excess = rows.excess(rows.values(predictions), distances)
    return excess if excess > _ROUNDING * max(1.0, float(np.abs(rows.target).max())) else 0.0


def _better(old: BestAmounts | None, new: BestAmounts) -> BestAmounts:
    return new if old is None or new.rank < old.rank else old


def _that_fit(distances: Floats, rows: AmountRows) -> Floats:
    """Return distances or, where two groups would have less than half of a window left, a share of these."""
    if rows.bound.comparison != "difference" or not np.isfinite(rows.bound.value):
        return distances
    widest = np.sort(distances[:, rows.covered], axis=1)[:, -2:].sum(1)
    room = MOST_OF_WINDOW * rows.bound.value
    shares = np.divide(room, widest, out=np.ones_like(widest), where=widest > room)
    return distances * shares[:, None]


def nearest_factor(rows: AmountRows, predictions: Floats, distances: Floats | None = None) -> float:
    """Return the factor nearest to 1 of predictions' distance from their mean under which a bound is kept.

    It is exact for differences of means that are linear in the predictions: each pair of groups leaves an
    interval of factors. So mean predictions can be drawn together in any case.

    Parameters
    ----------
    rows : AmountRows
        The rows, with the bound.
    predictions : array of shape (n_samples,)
        Their predictions.
    distances : array of shape (n_rates, n_groups), optional
        How far each mean is to stay away from either end of what the bound allows.

    Returns
    -------
    float
        At least 0; 1 where no factor keeps the bound, or that is not known.
    """
    if rows.bound.comparison != "difference" or not all(map(is_linear, rows.rates)):
        return 1.0
    covered = np.flatnonzero(rows.covered)
    at_nothing, at_one = rows.values(np.zeros(len(rows))), rows.values(predictions)
    lowest, highest = 0.0, np.inf
    for j in range(len(rows.rates)):
        for g, h in combinations(covered, 2):
            fixed = at_nothing[j, g] - at_nothing[j, h]
            moving = at_one[j, g] - at_one[j, h] - fixed
            kept = 0.0 if distances is None else distances[j, g] + distances[j, h]
            room = rows.bound.value - kept
            if room < 0:
                return 1.0
            if moving == 0 or np.isnan(moving):  # no factor changes anything here
                continue
            ends = sorted([(-room - fixed) / moving, (room - fixed) / moving])
            lowest, highest = max(lowest, ends[0]), min(highest, ends[1])
    return float(np.clip(1.0, lowest, highest)) if lowest <= highest else 1.0
