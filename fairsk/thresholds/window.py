"""The best threshold per group, exactly: a window slides over the rates, each group takes its best inside.

Any choice of thresholds that meets the bound has a smallest rate t, and t is one of the observed rates.
For each such t, every group may take any threshold whose rate lies in the window [t, t + bound]
(or [t, t / bound] for a ratio), and takes the one of greatest utility. With the rates sorted that is a
range-maximum query, so one rate costs O(n log n) for any number of groups, whether the rate is monotone in
the threshold or not. For several rates, the bound that one rate's windows give on the utility prunes a
search over them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bound", "best_thresholds", "range_argmax"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Bound:
    """How far a rate may differ between groups: ``max - min <= difference`` or ``min >= ratio * max``."""

    difference: float | None = None
    ratio: float | None = None

    def upper(self, lowest: Floats) -> Floats:
        """Return the largest rate allowed beside each lowest one, with room for rounding."""
        if self.difference is not None:
            return lowest + self.difference + _ROUNDING
        if not self.ratio:
            return np.full_like(lowest, np.inf)
        return lowest / self.ratio + _ROUNDING

    def disparity(self, lowest: Floats, highest: Floats) -> Floats:
        """Return the disparity of extreme rates, signed so that less is fairer."""
        if self.difference is not None:
            return highest - lowest
        return -np.divide(lowest, highest, out=np.ones_like(lowest), where=highest > 0)


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
class _Group:
    """One group's candidate thresholds: its rates (a row per rate), utilities, and original positions."""

    rates: Floats
    utility: Floats
    position: Ints

    def sorted_by(self, rate: int) -> _Group:
        return self.take(np.argsort(self.rates[rate], kind="stable"))

    def take(self, chosen: Ints | slice) -> _Group:
        return _Group(self.rates[:, chosen], self.utility[chosen], self.position[chosen])


@dataclass(frozen=True)
class _Windows:
    """For each candidate lowest rate: the best total utility, and each group's threshold that gives it."""

    lowest: Floats
    total: Floats
    chosen: list[Ints]


def best_thresholds(rates: list[Floats], utilities: list[Floats], bound: Bound) -> tuple[Ints | None, float]:
    """Return each group's best threshold under the bound.

    Parameters
    ----------
    rates : list of arrays of shape (n_rates, n_thresholds)
        Per group, the rates at each threshold. A threshold with an undefined (NaN) rate is not allowed:
        nothing could be said about its fairness.
    utilities : list of arrays of shape (n_thresholds,)
        Per group, what each threshold contributes to the objective.
    bound : Bound
        The bound, the same for every rate.

    Returns
    -------
    chosen : integer array of shape (n_groups,) or None
        Positions of the thresholds; None if no choice meets the bound.
    disparity : float
        The least disparity that any choice has, as :meth:`Bound.disparity` signs it; found only if no
        choice meets the bound, else NaN.
    """
    groups = []
    for group_rates, utility in zip(rates, utilities, strict=True):
        defined = np.flatnonzero(~np.isnan(group_rates).any(0))
        groups.append(_Group(group_rates[:, defined], utility[defined], defined))
    chosen, _ = _search(groups, bound, list(range(len(rates[0]))), -np.inf)
    if chosen is not None:
        return chosen, float("nan")
    return None, max(_least_disparity(groups, bound, rate) for rate in range(len(rates[0])))


def _search(
    groups: list[_Group], bound: Bound, remaining: list[int], incumbent: float
) -> tuple[Ints | None, float]:
    """Return the best choice with a total utility above the incumbent's, and that total."""
    if any(len(group.utility) == 0 for group in groups):
        return None, incumbent
    if len(remaining) == 1:
        windows = _slide(groups, bound, remaining[0])
        best = int(np.argmax(windows.total))
        if not windows.total[best] > incumbent:
            return None, incumbent
        return np.array([chosen[best] for chosen in windows.chosen]), float(windows.total[best])
    # Branch on the rate that restricts most: its windows bound the total from above.
    tables = {rate: _slide(groups, bound, rate) for rate in remaining}
    branch = min(tables, key=lambda rate: tables[rate].total.max())
    rest = [rate for rate in remaining if rate != branch]
    winner = None
    ordered = [group.sorted_by(branch) for group in groups]
    for i in np.argsort(-tables[branch].total, kind="stable"):
        if not tables[branch].total[i] > incumbent:
            break  # no later window can do better
        lowest = tables[branch].lowest[i]
        inside = [
            group.take(
                slice(
                    np.searchsorted(group.rates[branch], lowest - _ROUNDING),
                    np.searchsorted(group.rates[branch], bound.upper(lowest), "right"),
                )
            )
            for group in ordered
        ]
        found, incumbent = _search(inside, bound, rest, incumbent)
        winner = winner if found is None else found
    return winner, incumbent


def _slide(groups: list[_Group], bound: Bound, rate: int) -> _Windows:
    """Slide the window over one rate."""
    ordered = [group.sorted_by(rate) for group in groups]
    lowest = np.unique(np.concatenate([group.rates[rate] for group in ordered]))
    highest = bound.upper(lowest)
    total, chosen = np.zeros(len(lowest)), []
    for group in ordered:
        first = np.searchsorted(group.rates[rate], lowest - _ROUNDING)
        last = np.searchsorted(group.rates[rate], highest, "right") - 1
        reachable = last >= first
        best = np.zeros(len(lowest), dtype=np.intp)
        best[reachable] = range_argmax(group.utility, first[reachable], last[reachable])
        total += np.where(reachable, group.utility[best], -np.inf)
        chosen.append(group.position[best])
    return _Windows(lowest, total, chosen)


def _least_disparity(groups: list[_Group], bound: Bound, rate: int) -> float:
    """Return the least disparity of one rate that any choice of thresholds has."""
    if any(len(group.utility) == 0 for group in groups):
        return float("inf")
    values = [np.sort(group.rates[rate]) for group in groups]
    lowest = np.unique(np.concatenate(values))
    highest = lowest.copy()
    for group in values:  # each group's smallest rate that is not below the lowest one
        next_up = np.searchsorted(group, lowest)
        step = np.append(group, np.inf)[next_up]
        highest = np.maximum(highest, step)
    reachable = np.isfinite(highest)
    return float(bound.disparity(lowest[reachable], highest[reachable]).min())
