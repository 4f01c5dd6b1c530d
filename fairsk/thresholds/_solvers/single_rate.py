"""The best threshold per group under a bound on one rate, exactly.

Any choice of thresholds that meets the bound has a smallest rate t, and t is one of the observed rates.
For each such t, every group may take any threshold whose rate lies in the window [t, t + bound]
(or [t, t / bound] for a ratio), and takes the one of greatest utility. With the rates sorted that is a
range-maximum query, so one rate costs O(n log n) for any number of groups, whether the rate is monotone in
the threshold or not.

Few of the observed t need to be looked at. The envelope of a group's points bounds from above what it can
reach in a window; the sum over groups is a concave function of t, so all t at which it exceeds the best
choice found so far form an interval. Its maximum is what mixtures of thresholds can reach.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fairsk._core.bounds import ROUNDING, Bound
from fairsk.thresholds._rules import Mixture
from fairsk.thresholds._solvers.envelope import Envelope
from fairsk.thresholds._solvers.problem import Choices, Problem

__all__ = ["WindowSolver", "least_disparity", "range_argmax", "slide"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: How many observed rates of each group are tried first, around the optimum of the mixtures.
_TRIED_FIRST = 32


def range_argmax(values: Floats, first: Ints, last: Ints) -> Ints:
    """Return the position of the maximum of ``values[first : last + 1]`` for each (non-empty) range.

    Ranges are answered in order of their length, from a table of maxima over blocks that doubles as it
    goes; only one level of that table is held at a time.
    """
    answer = np.zeros(len(first), dtype=np.intp)
    length = last - first + 1
    level = np.frexp(length)[1] - 1  # floor(log2(length)), exactly
    table = np.arange(len(values), dtype=np.intp)
    for j in range(int(level.max(initial=-1)) + 1):
        asked = np.flatnonzero(level == j)
        left, right = table[first[asked]], table[last[asked] - (1 << j) + 1]
        answer[asked] = np.where(values[right] > values[left], right, left)
        a, b = table[: -(1 << j)], table[1 << j :]
        table = np.where(values[b] > values[a], b, a)
    return answer


@dataclass(frozen=True)
class Windows:
    """For each candidate lowest rate: the best total utility, and each group's choice that gives it."""

    lowest: Floats
    total: Floats
    chosen: list[Ints]

    def best(self) -> tuple[list[int], float] | None:
        """Return the best choice per group and its total utility; None if no window holds one of each."""
        if not len(self.total) or not np.isfinite(self.total.max()):
            return None
        i = int(np.argmax(self.total))
        return [int(chosen[i]) for chosen in self.chosen], float(self.total[i])


def slide(groups: list[Choices], bound: Bound, rate: int, lowest: Floats) -> Windows:
    """Slide the window over one rate; the groups are sorted by it, and ``lowest`` rises."""
    highest = bound.upper(lowest)
    total, chosen = np.zeros(len(lowest)), list[Ints]()
    for group in groups:
        values = group.rates[rate]
        # Only what some window can reach takes part.
        start, stop = 0, len(values)
        if len(lowest):
            start = int(np.searchsorted(values, lowest[0] - ROUNDING))
            stop = int(np.searchsorted(values, highest[-1], "right"))
        values, utility = values[start:stop], group.utility[start:stop]
        first = np.searchsorted(values, lowest - ROUNDING)
        last = np.searchsorted(values, highest, "right") - 1
        reachable = last >= first
        best = np.zeros(len(lowest), dtype=np.intp)
        if reachable.any():
            best[reachable] = range_argmax(utility, first[reachable], last[reachable])
            total += np.where(reachable, utility[best], -np.inf)
        else:
            total -= np.inf
        chosen.append(best + start)
    return Windows(lowest, total, chosen)


@dataclass
class WindowSolver:
    """Solve a problem with one rate and no capacity: exactly, and for mixtures of thresholds.

    ``upper`` is the greatest utility that mixtures reach; minus infinity if nothing meets the bound.
    """

    problem: Problem
    upper: float = field(init=False)
    method = "the exact sliding window"
    mixing_method = "concave envelopes"

    def __post_init__(self) -> None:
        (self._bound,) = self.problem.bounds
        self._groups = [group.sorted_by(0) for group in self.problem.groups]
        self.upper = -np.inf
        if not all(map(len, self._groups)):
            return
        self._envelopes = [Envelope.over(group.rates[0], group.utility) for group in self._groups]
        # The total of the envelopes is linear between these lowest rates, and infinite outside of them.
        start = self._bound.lower(max(envelope.rate[0] for envelope in self._envelopes))
        stop = min(envelope.rate[-1] for envelope in self._envelopes)
        ends = [turn for e in self._envelopes for turn in (e.rate, self._bound.lower(e.rate))]
        turns = np.unique(np.concatenate([*ends, [start, stop]]))
        self._turns = turns[(turns >= start - ROUNDING) & (turns <= stop + ROUNDING)]
        if len(self._turns):
            self._reach = self._envelope_total(self._turns)
            self.upper = float(self._reach.max())

    def _envelope_total(self, lowest: Floats) -> Floats:
        highest = self._bound.upper(lowest)
        return sum((e.best_within(lowest, highest)[1] for e in self._envelopes), start=np.zeros(len(lowest)))

    @property
    def _best_turn(self) -> float:
        return float(self._turns[np.argmax(self._reach)])

    def mixtures(self) -> list[Mixture]:
        """Return the best mixture of thresholds per group; ``upper`` must be finite."""
        lowest = np.array([self._best_turn])
        highest = self._bound.upper(lowest) - ROUNDING
        found = []
        for group, envelope in zip(self._groups, self._envelopes, strict=True):
            rate, _ = envelope.best_within(lowest, np.maximum(lowest, highest))
            choices, probabilities = envelope.mixture(float(rate[0]))
            found.append(Mixture(group.position[choices], probabilities))
        return found

    def thresholds(self) -> list[int] | None:
        """Return the position of each group's best threshold; None if no choice meets the bound."""
        if not np.isfinite(self.upper):
            return None
        found = slide(self._groups, self._bound, 0, self._first_tries()).best()
        if found is None or found[1] < self.upper - self._rounding:
            reached = -np.inf if found is None else found[1]
            later = slide(self._groups, self._bound, 0, self._worth_trying(reached)).best()
            if later is not None and later[1] > reached:
                found = later
        if found is None:
            return None
        return [int(group.position[i]) for group, i in zip(self._groups, found[0], strict=True)]

    @property
    def _rounding(self) -> float:
        return 1e-12 * max(1.0, *(float(np.abs(e.utility).max()) for e in self._envelopes))

    def _first_tries(self) -> Floats:
        """Return observed rates around the optimum of the mixtures, as lowest rates to begin with."""
        near = []
        for group in self._groups:
            place = int(np.searchsorted(group.rates[0], self._best_turn))
            near.append(group.rates[0][max(0, place - _TRIED_FIRST) : place + _TRIED_FIRST])
        return np.unique(np.concatenate(near))

    def _worth_trying(self, reached: float) -> Floats:
        """Return the observed rates at which the envelopes reach more than has been reached."""
        above = np.flatnonzero(self._reach > reached)
        if not len(above):
            return np.zeros(0)
        start, stop = self._turns[above[0]], self._turns[above[-1]]
        if np.isfinite(reached):  # between two turns the total is linear: cut where it passes the level
            start = self._crossing(above[0] - 1, above[0], reached)
            stop = self._crossing(above[-1] + 1, above[-1], reached)
        return np.unique(
            np.concatenate(
                [
                    group.rates[0][
                        np.searchsorted(group.rates[0], start - ROUNDING) : np.searchsorted(
                            group.rates[0], stop + ROUNDING, "right"
                        )
                    ]
                    for group in self._groups
                ]
            )
        )

    def _crossing(self, outside: int, inside: int, level: float) -> float:
        if not 0 <= outside < len(self._turns):
            return float(self._turns[inside])
        a, b = self._turns[outside], self._turns[inside]
        low, high = self._reach[outside], self._reach[inside]
        if not np.isfinite(low):
            return float(a)
        share = max(0.0, (level - low) / (high - low) - 1e-9)
        return float(a + share * (b - a))


def least_disparity(groups: list[Choices], bound: Bound, rate: int) -> float:
    """Return the least disparity of one rate that any choice of thresholds has."""
    if not all(map(len, groups)):
        return float("inf")
    values = [np.sort(group.rates[rate]) for group in groups]
    lowest = np.unique(np.concatenate(values))
    highest = lowest.copy()
    for group in values:  # each group's smallest rate that is not below the lowest one
        step = np.append(group, np.inf)[np.searchsorted(group, lowest)]
        highest = np.maximum(highest, step)
    reachable = np.isfinite(highest)
    return float(bound.disparity(lowest[reachable], highest[reachable]).min())
