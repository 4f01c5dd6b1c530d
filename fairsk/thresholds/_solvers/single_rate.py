"""The solver for one bounded rate: a sliding window over its observed values, exactly.

Any choice of thresholds that meets the bound has a smallest rate t, and t is one of the observed rates.
For each such t, every group may take any threshold whose rate lies in the window [t, t + bound]
(or [t, t / bound] for a ratio), and takes the one of greatest utility. With the rates sorted that is a
range-maximum query, so one rate costs O(n log n) for any number of groups, whether the rate is monotone in
the threshold or not. Where groups keep a clearance, t is the lower end of an observed rate's interval, and
each group's own window is narrower by its clearance.

Few of the observed t need to be looked at. The envelope of a group's points bounds from above what it can
reach in a window; the sum over groups is a concave function of t, so all t at which it exceeds the best
choice found so far form an interval. Its maximum is what mixtures of thresholds can reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fairsk._core.bounds import ROUNDING, Bound
from fairsk._core.typing import Floats, Ints
from fairsk.thresholds._rules import Mixture
from fairsk.thresholds._solvers.envelope import Envelope
from fairsk.thresholds._solvers.problem import Clearance, OperatingPoints, Problem

__all__ = ["WindowSolver", "least_disparity", "range_argmax", "slide"]


#: How many observed rates of each group are tried first, around the optimum of the mixtures.
_TRIED_FIRST = 32


def range_argmax(values: Floats, first: Ints, last: Ints) -> Ints:
    """Return the position of the maximum of ``values[first : last + 1]`` for each (non-empty) range.

    Ranges are answered in order of their length, from a sparse table: maxima over blocks whose length
    doubles as it goes. Two blocks that overlap cover a range; only one level of the table is held at a time.
    """
    answer = np.zeros(len(first), dtype=np.intp)
    length = last - first + 1
    level = np.frexp(length)[1] - 1  # floor(log2(length)), exactly
    table = np.arange(len(values), dtype=np.intp)
    for j in range(int(level.max(initial=-1)) + 1):
        ranges = np.flatnonzero(level == j)
        left, right = table[first[ranges]], table[last[ranges] - (1 << j) + 1]
        answer[ranges] = np.where(values[right] > values[left], right, left)
        a, b = table[: -(1 << j)], table[1 << j :]
        table = np.where(values[b] > values[a], b, a)
    return answer


@dataclass(frozen=True)
class Windows:
    """For each candidate lowest rate: the best total utility, and each group's point that gives it."""

    lowest: Floats
    total: Floats
    points: list[Ints]

    def best(self) -> tuple[list[int], float] | None:
        """Return the best point per group and the total utility; None if no window holds one of each."""
        if not len(self.total) or not np.isfinite(self.total.max()):
            return None
        i = int(np.argmax(self.total))
        return [int(points[i]) for points in self.points], float(self.total[i])


def slide(groups: list[OperatingPoints], bound: Bound, rate: int, lowest: Floats) -> Windows:
    """Slide the window over one rate; the groups are sorted by it, and ``lowest`` rises."""
    highest = bound.upper(lowest)
    total, best_points = np.zeros(len(lowest)), list[Ints]()
    for group in groups:
        values, room = group.rates[rate], group.room
        # Only what some window can reach takes part.
        start, stop = 0, len(values)
        if len(lowest):
            start = int(np.searchsorted(values, room.least(lowest[0], rate) - ROUNDING))
            stop = int(np.searchsorted(values, room.most(highest[-1], rate), "right"))
        values, utility = values[start:stop], group.utility[start:stop]
        first = np.searchsorted(values, room.least(lowest, rate) - ROUNDING)
        last = np.searchsorted(values, room.most(highest, rate), "right") - 1
        reachable = last >= first
        best = np.zeros(len(lowest), dtype=np.intp)
        if reachable.any():
            best[reachable] = range_argmax(utility, first[reachable], last[reachable])
            total += np.where(reachable, utility[best], -np.inf)
        else:
            total -= np.inf
        best_points.append(best + start)
    return Windows(lowest, total, best_points)


@dataclass(frozen=True)
class _EnvelopeTotal:
    """The sum of all groups' envelopes as a function of the lowest rate: linear between breakpoints."""

    breakpoints: Floats
    values: Floats

    def __len__(self) -> int:
        return len(self.breakpoints)

    @property
    def best_lowest(self) -> float:
        """The lowest rate at which mixtures reach the most."""
        return float(self.breakpoints[np.argmax(self.values)])

    def above(self, level: float) -> tuple[float, float] | None:
        """Return the interval of lowest rates at which the total exceeds a level; None if there is none."""
        above = np.flatnonzero(self.values > level)
        if not len(above):
            return None
        first, last = int(above[0]), int(above[-1])
        if not np.isfinite(level):
            return float(self.breakpoints[first]), float(self.breakpoints[last])
        return self._crossing(first - 1, first, level), self._crossing(last + 1, last, level)

    def _crossing(self, outside: int, inside: int, level: float) -> float:
        """Return where the total passes a level between two breakpoints, or a little outside of that."""
        if not 0 <= outside < len(self):
            return float(self.breakpoints[inside])
        a, b = self.breakpoints[outside], self.breakpoints[inside]
        low, high = self.values[outside], self.values[inside]
        if not np.isfinite(low):
            return float(a)
        share = max(0.0, (level - low) / (high - low) - 1e-9)
        return float(a + share * (b - a))


class WindowSolver:
    """The exact solution of a problem with one rate and no capacity, in thresholds and in mixtures.

    Parameters
    ----------
    problem : Problem
        What to choose from, under which bound.
    """

    name = "the exact sliding window"
    mixing_name = "concave envelopes"

    def __init__(self, problem: Problem) -> None:
        (self._bound,) = problem.bounds
        self._is_empty = problem.is_empty
        self._groups = [group.sorted_by(0) for group in problem.groups]

    @cached_property
    def _envelopes(self) -> list[Envelope]:
        return [Envelope.over(group.rates[0], group.utility) for group in self._groups]

    @cached_property
    def _total(self) -> _EnvelopeTotal:
        """The total of the envelopes; without breakpoints if no lowest rate leaves every group a choice."""
        if self._is_empty:
            return _EnvelopeTotal(np.zeros(0), np.zeros(0))
        # The total is linear between these lowest rates, and minus infinity outside of start and stop.
        pairs = list(zip(self._envelopes, self._rooms, strict=True))
        begins = [self._bound.lower(room.high(envelope.rate, 0)) for envelope, room in pairs]
        ends = [room.low(envelope.rate, 0) for envelope, room in pairs]
        start, stop = max(begin[0] for begin in begins), min(end[-1] for end in ends)
        lowest = np.unique(np.concatenate([*begins, *ends, [start, stop]]))
        lowest = lowest[(lowest >= start - ROUNDING) & (lowest <= stop + ROUNDING)]
        highest = self._bound.upper(lowest)
        values = np.zeros(len(lowest))
        for envelope, room in pairs:
            values += envelope.best_within(room.least(lowest, 0), room.most(highest, 0))[1]
        return _EnvelopeTotal(lowest, values)

    @property
    def _rooms(self) -> list[Clearance]:
        return [group.room for group in self._groups]

    @property
    def upper_bound(self) -> float:
        """The greatest utility that mixtures reach; minus infinity if nothing meets the bound."""
        return float(self._total.values.max()) if len(self._total) else -np.inf

    def mixtures(self) -> list[Mixture] | None:
        """Return the best mixture of thresholds per group; None if nothing meets the bound."""
        if not np.isfinite(self.upper_bound):
            return None
        lowest = np.array([self._total.best_lowest])
        highest = self._bound.upper(lowest) - ROUNDING
        mixtures = []
        for group, envelope in zip(self._groups, self._envelopes, strict=True):
            least, most = group.room.least(lowest, 0), group.room.most(highest, 0)
            rate, _ = envelope.best_within(least, np.maximum(least, most))
            vertices, probabilities = envelope.mixture(float(rate[0]))
            mixtures.append(Mixture(group.position[vertices], probabilities))
        return mixtures

    def thresholds(self) -> list[int] | None:
        """Return the position of each group's best threshold; None if no choice meets the bound."""
        if not np.isfinite(self.upper_bound):
            return None
        best = slide(self._groups, self._bound, 0, self._near_the_mixtures()).best()
        if best is None or best[1] < self.upper_bound - self._rounding:
            reached = -np.inf if best is None else best[1]
            later = slide(self._groups, self._bound, 0, self._open_rates(reached)).best()
            if later is not None and later[1] > reached:
                best = later
        if best is None:
            return None
        return [int(group.position[i]) for group, i in zip(self._groups, best[0], strict=True)]

    @property
    def _rounding(self) -> float:
        return 1e-12 * max(1.0, *(float(np.abs(e.utility).max()) for e in self._envelopes))

    def _near_the_mixtures(self) -> Floats:
        """Return observed rates around the optimum of the mixtures, as lowest rates to begin with."""
        near = []
        for group, room in zip(self._groups, self._rooms, strict=True):
            ends = room.low(group.rates[0], 0)
            place = int(np.searchsorted(ends, self._total.best_lowest))
            near.append(ends[max(0, place - _TRIED_FIRST) : place + _TRIED_FIRST])
        return np.unique(np.concatenate(near))

    def _open_rates(self, reached: float) -> Floats:
        """Return the observed rates at which the envelopes reach more than has been reached."""
        interval = self._total.above(reached)
        if interval is None:
            return np.zeros(0)
        start, stop = interval
        inside = []
        for group, room in zip(self._groups, self._rooms, strict=True):
            ends = room.low(group.rates[0], 0)
            first = np.searchsorted(ends, start - ROUNDING)
            inside.append(ends[first : np.searchsorted(ends, stop + ROUNDING, "right")])
        return np.unique(np.concatenate(inside))


def least_disparity(groups: list[OperatingPoints], bound: Bound, rate: int) -> float:
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
