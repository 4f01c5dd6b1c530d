"""The rounds of boosting as they pass: what is recorded of each, the best one, and when to stop."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fairsk._core.typing import Floats
from fairsk._held_out.safety_margin import SafetyMargin
from fairsk.reductions._boosting.binned_sweep import BinnedSweep
from fairsk.reductions._bounded_rows import BoundedRows
from fairsk.reductions._final_threshold import Choice, distances_of, largest_error_kept
from fairsk.reductions._problem import Step
from fairsk.reductions._reduction.master import solve_master

__all__ = ["Rounds"]

#: Every how many thresholds of a round one takes part in mixtures: they are an eighth in log odds apart.
_STRIDE = 32


@dataclass(frozen=True)
class _Best:
    """The best round under some distances, by its best choice there."""

    number: int
    scores: Floats
    choice: Choice


class Rounds:
    """What is known of the rounds so far, from the scores of held-out rows.

    Prices swing, and each round trades differently; so the best round is looked for among all of them, and
    not the last one taken. Rounds are compared by their least error within the bounds and the margin or,
    where none keeps them, by the least violation. Where a margin costs too much, it is left to the threshold.

    Parameters
    ----------
    rows : BoundedRows
        The held-out rows.
    margin : SafetyMargin
        How much room to leave for sampling error.
    patience : int or None
        After how many rounds without a better one to stop.
    """

    def __init__(self, rows: BoundedRows, margin: SafetyMargin, patience: int | None) -> None:
        self.rows, self.margin, self.patience = rows, margin, patience
        self.steps: list[Step] = []
        self.distances: Floats | None = None
        self._best: dict[str, _Best] = {}
        self._errors: list[Floats] = []
        self._values: list[Floats] = []

    def add(self, scores: Floats, multipliers: Floats) -> None:
        """Take down a round: the log odds after it, and the multipliers its trees were fitted to."""
        sweep = BinnedSweep(self.rows, scores)
        number = len(self.steps) + 1
        choice = sweep.best()
        self._compare("bounds", _Best(number, scores, choice))
        if self.margin.n_errors:
            self.distances = distances_of(self.margin, self.rows, scores >= 0)
            self._compare("margin", _Best(number, scores, sweep.best(self.distances)))
        bounded_error = choice.error if choice.violation == 0 else float("nan")
        even = sweep.even_odds
        error, values = float(sweep.errors[even]), sweep.values[even].copy()
        self.steps.append(Step(error, values, multipliers.copy(), bounded_error))
        self._errors.append(sweep.errors[::_STRIDE])
        self._values.append(sweep.values[::_STRIDE].copy())

    def _compare(self, kept: str, new: _Best) -> None:
        """Keep a round if it is the best one so far."""
        old = self._best.get(kept)
        if old is None or _rank(new.choice) < _rank(old.choice):
            self._best[kept] = new

    @property
    def best(self) -> _Best:
        """The best round so far."""
        plain, tighter = self._best["bounds"], self._best.get("margin")
        if tighter is None or tighter.choice.violation > 0:
            return plain
        return tighter if tighter.choice.error <= largest_error_kept(self.rows, plain.choice.error) else plain

    @property
    def has_ended(self) -> bool:
        """Whether no better round has come for as long as the user wants to wait."""
        return self.patience is not None and len(self.steps) - self.best.number >= self.patience

    def history(self) -> list[Step]:
        """Return all steps; the best round has all of the weight."""
        best = self.best.number
        return [replace(step, weight=float(i == best)) for i, step in enumerate(self.steps, start=1)]

    def best_mixture(self, choice: Choice, distances: Floats | None) -> float | None:
        """Return the accuracy that no mixture of thresholds on rounds exceeds under the bounds.

        There is none where no mixture keeps the bounds, and where the denominator of a rate depends on
        decisions: the rate of a mixture is then no mixture of rates, and what a program says of it, no limit.

        Parameters
        ----------
        choice : Choice
            The threshold on the best round that decides, which is one of the rules that are mixed.
        distances : array of shape (n_rates, n_groups), optional
            How far rates stay away from the ends of their windows.
        """
        if not all(rate.has_fixed_denominator for rate in self.rows.rates):
            return None
        selected = self.best.scores >= choice.threshold
        chosen = self.rows.values(self.rows.cells(selected))
        errors = np.concatenate([[self.rows.error(selected)], *self._errors])
        values = np.concatenate([chosen[None], *self._values])
        return solve_master(self.rows, errors, values, distances).accuracy_limit(choice)


def _rank(choice: Choice) -> tuple[float, float]:
    return choice.violation, choice.error
