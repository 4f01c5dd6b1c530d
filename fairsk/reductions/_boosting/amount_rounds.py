"""The rounds of boosting amounts as they pass: what is recorded of each, and the best one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fairsk._core.typing import Floats
from fairsk.reductions._amounts.combination import best_combination
from fairsk.reductions._amounts.problem import AmountProblem, AmountStep
from fairsk.reductions._amounts.rows import AmountRows
from fairsk.reductions._final_threshold import LEAST_GAIN_KEPT, MOST_OF_WINDOW

__all__ = ["AmountRounds", "ChosenAmounts"]

#: How exactly the part of a margin is found that can be kept.
_N_PARTS = 128
#: What sums of amounts round by, as a share of the largest.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class _Round:
    """A round, by its predictions of held-out rows, their mean loss and by how much they exceed the bound."""

    number: int
    predictions: Floats
    loss: float
    excess: float

    @property
    def rank(self) -> tuple[float, float]:
        """By what rounds are compared: first the bound."""
        return self.excess, self.loss


@dataclass(frozen=True)
class ChosenAmounts:
    """What predicts in the end: one round, or a combination of some where none keeps the bound.

    Parameters
    ----------
    shares : dict of int to float
        The factor of each round that takes part, by its number from 1; they add up to 1.
    predictions : array of shape (n_samples,)
        What is predicted of held-out rows.
    """

    shares: dict[int, float]
    predictions: Floats


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
        self._first: _Round | None = None
        self._cheapest: _Round | None = None
        self._plain: _Round | None = None
        self._tighter: _Round | None = None
        self.steps: list[AmountStep] = []
        self.distances: Floats | None = None

    def add(self, predictions: Floats, multipliers: Floats) -> None:
        """Take down a round: the predictions after it, and the multipliers its trees were fitted to."""
        rows, number = self._rows, len(self.steps) + 1
        loss = rows.mean_loss(predictions)
        self.steps.append(AmountStep(loss, rows.values(predictions), multipliers.copy()))
        new = _Round(number, predictions.copy(), loss, _excess(rows, predictions, None))
        self._first = self._first or new
        if self._cheapest is None or loss < self._cheapest.loss:
            self._cheapest = new
        self._plain = _better(self._plain, new)
        wanted = self._problem.wanted_distances(predictions)
        if wanted is not None:
            self.distances = _that_fit(wanted, rows)
            excess = _excess(rows, predictions, self.distances)
            self._tighter = _better(self._tighter, replace(new, excess=excess))

    def choose(self) -> ChosenAmounts:
        """Return the best round or, if it does not keep the bound, what does of it and others.

        These are the first round, which is nearly the same for all rows, and the one that loses least: of
        what lies between, and a little beyond, is chosen what exceeds the bound by least. That is worth it
        if half is left of what is gained over one prediction for all.
        """
        best = self._best
        assert self._first is not None
        assert self._cheapest is not None
        if best.excess > 0:
            columns = {each.number: each for each in (best, self._cheapest, self._first)}
            found = best_combination(self._rows, [each.predictions for each in columns.values()])
            if found.excess < best.excess and self._is_worth_it(found.loss, best.loss):
                shares = dict(zip(columns, found.shares.tolist(), strict=True))
                total = sum(shares[number] * each.predictions for number, each in columns.items())
                return ChosenAmounts(shares, np.asarray(total))
        return ChosenAmounts({best.number: 1.0}, best.predictions)

    def _is_worth_it(self, loss: float, without: float) -> bool:
        """Return whether enough is left of what is gained over one prediction for all."""
        return loss <= self._constant_loss - LEAST_GAIN_KEPT * max(0.0, self._constant_loss - without)

    @property
    def _best(self) -> _Round:
        """The best round so far: one that keeps the margin, if that leaves enough of what is gained."""
        plain, tighter = self._plain, self._tighter
        assert plain is not None  # a round was added
        if tighter is None or tighter.excess > 0:
            return plain
        return tighter if self._is_worth_it(tighter.loss, plain.loss) else plain

    @property
    def has_ended(self) -> bool:
        """Whether no better round has come for as long as the user wants to wait."""
        return self._patience is not None and len(self.steps) - self._best.number >= self._patience

    def history(self, chosen: ChosenAmounts) -> list[AmountStep]:
        """Return all steps, with the weights of those that predict in the end."""
        shares = chosen.shares
        return [replace(step, weight=shares.get(i, 0.0)) for i, step in enumerate(self.steps, start=1)]

    def kept_distances(self, chosen: ChosenAmounts) -> Floats | None:
        """Return as much as is kept of the margin that is wanted of what predicts in the end."""
        wanted = self._problem.wanted_distances(chosen.predictions)
        if wanted is None:
            return None
        tried = (part / _N_PARTS * wanted for part in range(_N_PARTS, 0, -1))
        kept = (each for each in tried if _excess(self._rows, chosen.predictions, each) == 0)
        return next(kept, np.zeros_like(wanted))


def _excess(rows: AmountRows, predictions: Floats, distances: Floats | None) -> float:
    """Return by how much the bound is exceeded; 0 where that is the rounding of sums of these amounts."""
    excess = rows.excess(rows.values(predictions), distances)
    return excess if excess > _ROUNDING * max(1.0, float(np.abs(rows.target).max())) else 0.0


def _better(old: _Round | None, new: _Round) -> _Round:
    return new if old is None or new.rank < old.rank else old


def _that_fit(distances: Floats, rows: AmountRows) -> Floats:
    """Return distances or, where two groups would have less than half of a window left, a share of these."""
    if rows.bound.comparison != "difference" or not np.isfinite(rows.bound.value):
        return distances
    widest = np.sort(distances[:, rows.covered], axis=1)[:, -2:].sum(1)
    room = MOST_OF_WINDOW * rows.bound.value
    shares = np.divide(room, widest, out=np.ones_like(widest), where=widest > room)
    return distances * shares[:, None]
