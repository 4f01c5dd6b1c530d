"""Decisions that do not look at the attribute: rows pay for how likely they belong to each group.

Where the attribute may not be used at prediction, a second model guesses it. To select a row moves the rate
of each group by an amount that can be expected from the row's score and from its chances of belonging to the
groups. A row is selected if what it adds to the objective exceeds what that costs, at a price per group and
rate: the form that the best such rule has [1]_ [2]_. The prices are the multipliers of the bounds, found by
cutting planes on the dual function [3]_. Then they are scaled, and each one is moved, by exact sweeps over
the true groups and labels: along a line of prices, every row's decision flips once.

References
----------
.. [1] Zeng, Dobriban & Cheng, Bayes-Optimal Classifiers under Group Fairness, 2022.
.. [2] Xian & Zhao, A Unified Post-Processing Framework for Group Fairness in Classification, 2024.
.. [3] Kelley, The Cutting-Plane Method for Solving Convex Programs, Journal of SIAM 8, 1960.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from fairsk._core.bounds import ROUNDING, Bound
from fairsk._held_out.objective import FreeObjective, Objective
from fairsk.rates import CELLS, Rate, get_rate

__all__ = ["BlindRows", "BlindRule", "best_blind_rule"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_MAX_CUTS = 120
#: How many other base thresholds are tried, from nobody's to everybody's score.
_BASES = 11
#: How many rows serve to explore from many starts, in few rounds; then the best are carried on with all rows.
_EXPLORED_ROWS = 20_000
_FEW_ROUNDS = 3
_MANY_ROUNDS = 20
_CARRIED_ON = 3
#: Anything worth no more than this exceeds a bound.
_NOT_ALLOWED = -1e250
_CHUNK = 65536
#: What a capacity limits.
_SELECTION = get_rate("selection_rate")


@dataclass(frozen=True)
class BlindRule:
    """Select a row if its score exceeds the base threshold by more than its chances of the groups cost.

    Parameters
    ----------
    base : float
        The threshold of a row that costs nothing.
    prices : array of shape (n_groups, n_rates)
        What it costs to move a group's rate (times its denominator) by one.
    steps : array of shape (n_rates, 2)
        By how much a selected positive, and a selected negative, moves the numerator of each rate.
    """

    base: float
    prices: Floats
    steps: Floats

    def margin(self, scores: Floats, chances: Floats) -> Floats:
        """Return by how much a row's score exceeds what is asked of it; it is selected above 0."""
        per_group = np.stack([scores, 1 - scores], axis=1) @ self.steps.T @ self.prices.T
        return scores - self.base - (per_group * chances).sum(1)


@dataclass(frozen=True)
class BlindRows:
    """Rows with their scores and chances out of fold, and with the true labels and groups.

    ``scores`` are chances of the positive label; ``chances`` has a column per group that can be measured;
    ``codes`` are the true groups, -1 for others.
    """

    scores: Floats
    chances: Floats
    actual: NDArray[np.bool_]
    codes: Ints
    weights: Floats

    def take(self, chosen: Ints) -> BlindRows:
        """Return some of the rows."""
        own = self.scores[chosen], self.chances[chosen], self.actual[chosen]
        return BlindRows(*own, self.codes[chosen], self.weights[chosen])


def best_blind_rule(
    rows: BlindRows,
    rates: list[Rate],
    bounds: tuple[Bound, ...],
    objective: Objective | FreeObjective,
    base: float,
    capacity: float | None = None,
    min_rates: tuple[tuple[Rate, float], ...] = (),
) -> BlindRule | None:
    """Return the best rule found that meets the bounds on these rows; None if none does.

    Parameters
    ----------
    rows : BlindRows
        What to choose on.
    rates, bounds : sequences
        The rates that should agree, and a bound for each.
    objective : Objective or FreeObjective
        What to maximise over all rows.
    base : float
        The threshold to begin with: the best one for all rows alike.
    capacity : float, optional
        The largest share of all rows that may be selected.
    min_rates : tuple of pairs
        What rates must at least be, in every group.
    """
    every = len(rows.scores)
    few = rows.take(np.arange(0, every, -(-every // _EXPLORED_ROWS)))
    steps = np.array([_steps(rate) for rate in rates])
    judges = [_Judge(part, rates, bounds, objective, capacity, min_rates) for part in (few, rows)]
    inside = float(np.clip(base, rows.scores.min(), rows.scores.max()))
    prices = _dual_prices(rows, rates, bounds, steps, inside)
    free = np.zeros_like(prices)
    bases = np.append(np.quantile(rows.scores, np.linspace(0, 1, _BASES)), inside)
    starts = [BlindRule(float(at), free, steps) for at in np.unique(bases)]
    starts += [judges[0].sweep(start, prices).rule for start in starts]
    explored = sorted((judges[0].climb(start, _FEW_ROUNDS) for start in starts), reverse=True)
    best = max(judges[1].climb(tried.rule, _MANY_ROUNDS) for tried in explored[:_CARRIED_ON])
    return best.rule if best.worth > _NOT_ALLOWED else None


@dataclass(frozen=True, order=True)
class _Tried:
    """A rule and its worth: that of the objective, if all bounds are met; else far below, by the excess."""

    worth: float
    rule: BlindRule = field(compare=False)


def _steps(rate: Rate) -> tuple[float, float]:
    tp, fp, fn, tn = rate.numerator_coefficients
    return tp - fn, fp - tn


def _axes(prices: Floats) -> list[Floats]:
    """Return the directions along which one group's price changes, for one rate."""
    axes = []
    for place in np.ndindex(prices.shape):
        axis = np.zeros_like(prices)
        axis[place] = 1.0
        axes.append(axis)
    return axes


def _dual_prices(
    rows: BlindRows, rates: list[Rate], bounds: tuple[Bound, ...], steps: Floats, base: float
) -> Floats:
    """Return the prices at which the expected gain of the bounded problem is least: its multipliers.

    The dual function is the largest gain at given prices; a linear program over its cutting planes gives the
    prices to try next.
    """
    n_groups, n_rates = rows.chances.shape[1], len(rates)
    member = np.eye(n_groups)[rows.codes] * (rows.codes >= 0)[:, None] * rows.weights[:, None]
    positives, negatives = rows.actual @ member, ~rows.actual @ member
    none = np.zeros(n_groups)
    unselected = {"tp": none, "fp": none, "fn": positives, "tn": negatives}
    supports = np.array([rate.support(unselected) for rate in rates]).T
    start = np.array([rate(unselected) for rate in rates]).T
    total = rows.weights.sum()
    gain = (rows.scores - base) * rows.weights / total
    moves = np.stack([rows.scores, 1 - rows.scores], axis=1) @ steps.T  # of each rate's numerator, by a row
    weighted = rows.chances * rows.weights[:, None]
    factors, rooms = np.array([bound.line for bound in bounds]).T
    rooms = np.maximum(rooms, 0.0)
    size = n_groups * n_rates
    # Variables: the height of the planes, then the price of "not above" and of "not below" of each rate.
    cost = np.concatenate([[1.0], np.tile(rooms, n_groups), np.zeros(size)])
    balance = np.zeros((n_rates, 1 + 2 * size))
    for j in range(n_rates):
        balance[j, 1 + j : 1 + size : n_rates] = 1
        balance[j, 1 + size + j :: n_rates] = -1
    planes, heights = list[Floats](), list[float]()
    prices = np.zeros((n_groups, n_rates))
    lowest = np.inf
    best = prices
    for _ in range(_MAX_CUTS):
        worth = gain - ((moves @ (prices / supports).T) * rows.chances).sum(1) * rows.weights
        chosen = worth > 0
        moved = (weighted[chosen].T @ moves[chosen]) / supports  # of each group's rate, by those selected
        rate = start + moved
        height = float(worth[chosen].sum() - (prices * start).sum())
        # The plane falls with each price as fast as the rate is high: z >= height - rate * (price - prices).
        offset = height + float((prices * rate).sum())
        planes.append(np.concatenate([[-1.0], -(rate * factors).ravel(), rate.ravel()]))
        heights.append(-offset)
        value = height + _room_cost(prices, rooms)
        if value < lowest:
            lowest, best = value, prices
        solution = linprog(
            cost,
            A_ub=np.array(planes),
            b_ub=np.array(heights),
            A_eq=balance,
            b_eq=np.zeros(n_rates),
            bounds=[(None, None)] + [(0, 10.0)] * (2 * size),
            method="highs",
        )
        if not solution.success or solution.fun >= lowest - 1e-9 - 1e-6 * abs(lowest):
            break
        above = solution.x[1 : 1 + size].reshape(n_groups, n_rates)
        below = solution.x[1 + size :].reshape(n_groups, n_rates)
        prices = above * factors - below
    # Prices are per unit of a rate, gains per row: a rule takes both per row.
    return best * total / supports


def _room_cost(prices: Floats, rooms: Floats) -> float:
    return float((np.maximum(prices, 0).sum(0) * rooms).sum())


class _Judge:
    """Counts what decisions do to the true groups and labels, along a line of prices."""

    def __init__(
        self,
        rows: BlindRows,
        rates: list[Rate],
        bounds: tuple[Bound, ...],
        objective: Objective | FreeObjective,
        capacity: float | None,
        min_rates: tuple[tuple[Rate, float], ...],
    ) -> None:
        self._rows, self._objective = rows, objective
        self._limits = list(zip(rates, bounds, strict=True))
        self._capacity, self._min_rates = capacity, min_rates
        self._n_groups = rows.chances.shape[1]
        # A table of cells: positives and negatives of each group, and of those in no group.
        self._place = np.where(rows.codes < 0, self._n_groups, rows.codes)
        size = self._n_groups + 1
        self._totals = {
            True: np.bincount(self._place, rows.weights * rows.actual, size),
            False: np.bincount(self._place, rows.weights * ~rows.actual, size),
        }

    def climb(self, rule: BlindRule, n_rounds: int) -> _Tried:
        """Move one price, or all, or the base at a time, as long as that helps."""
        best = self.sweep(rule, np.zeros_like(rule.prices))
        for _ in range(n_rounds):
            before = best.worth
            for direction in (*_axes(rule.prices), best.rule.prices, None):
                best = max(best, self.sweep(best.rule, direction))
            if best.worth <= before:
                break
        return best

    def sweep(self, rule: BlindRule, direction: Floats | None) -> _Tried:
        """Return the best rule along a line of prices, or of base thresholds."""
        rows = self._rows
        margin = rule.margin(rows.scores, rows.chances)
        if direction is None:
            slope = np.ones(len(margin))
        else:
            moved = BlindRule(rule.base, rule.prices + direction, rule.steps)
            slope = margin - moved.margin(rows.scores, rows.chances)
        flips = np.divide(margin, slope, out=np.full_like(margin, np.nan), where=np.abs(slope) > 1e-15)
        order = np.argsort(flips)  # NaN last: these rows are decided the same way all along
        order = order[: int(np.isfinite(flips).sum())]
        selected = np.where(np.isnan(flips), margin > 0, slope > 0)
        worth, at = self._best_step(order, flips[order], selected, slope)
        if direction is None:
            return _Tried(worth, BlindRule(rule.base + at, rule.prices, rule.steps))
        return _Tried(worth, BlindRule(rule.base, rule.prices + at * direction, rule.steps))

    def _best_step(
        self, order: Ints, at: Floats, selected: NDArray[np.bool_], slope: Floats
    ) -> tuple[float, float]:
        """Return the greatest worth along the line, and where it is reached."""
        rows, size = self._rows, self._n_groups + 1
        chosen = rows.weights * selected
        tp = np.bincount(self._place, chosen * rows.actual, size)
        fp = np.bincount(self._place, chosen * ~rows.actual, size)
        best = (-np.inf, 0.0)
        n = len(order)
        for first in range(0, n + 1, _CHUNK):
            # Before the first flip of the chunk, and after each but the last, which starts the next one.
            part = order[first : first + _CHUNK]
            sign = np.where(slope[part] > 0, -1.0, 1.0) * rows.weights[part]
            member = (self._place[part][:, None] == np.arange(size)) * sign[:, None]
            tps = tp + np.cumsum(np.vstack([np.zeros(size), member * rows.actual[part][:, None]]), axis=0)
            fps = fp + np.cumsum(np.vstack([np.zeros(size), member * ~rows.actual[part][:, None]]), axis=0)
            here = np.append(at[first - 1 : first] if first else -np.inf, at[first : first + len(part)])
            after = np.append(here[1:], at[first + len(part)] if first + len(part) < n else np.inf)
            if first + len(part) < n:
                tps_used, fps_used, here, after = tps[:-1], fps[:-1], here[:-1], after[:-1]
            else:
                tps_used, fps_used = tps, fps
            worth = self._worth(tps_used.T, fps_used.T)
            worth[~(after > here)] = -np.inf  # rows that flip together cannot be told apart
            i = int(np.argmax(worth))
            if worth[i] > best[0]:
                best = float(worth[i]), _between(here[i], after[i])
            tp, fp = tps[-1], fps[-1]
        return best

    def _worth(self, tp: Floats, fp: Floats) -> Floats:
        """Return how good the cells are (groups in rows, steps in columns); far below if not allowed."""
        everyone = {
            "tp": tp,
            "fp": fp,
            "fn": self._totals[True][:, None] - tp,
            "tn": self._totals[False][:, None] - fp,
        }
        total = {cell: everyone[cell].sum(0) for cell in CELLS}
        value = np.asarray(self._objective.better(self._objective.value(total), 0.0), dtype=float)
        groups = {cell: everyone[cell][:-1] for cell in CELLS}
        excess = np.where(np.isnan(value), np.inf, 0.0)
        for rate, bound in self._limits:
            values = rate(groups)
            lowest, highest = values.min(0), values.max(0)  # NaN if any group's rate is undefined
            excess = np.maximum(excess, np.nan_to_num(highest - bound.upper(lowest), nan=np.inf))
        for rate, least in self._min_rates:
            excess = np.maximum(excess, np.nan_to_num(least - ROUNDING - rate(groups), nan=0.0).max(0))
        if self._capacity is not None:
            excess = np.maximum(excess, _SELECTION(total) - self._capacity - ROUNDING)
        return np.where(excess > 0, _NOT_ALLOWED * (1 + excess), value)


def _between(low: float, high: float) -> float:
    """Return a number strictly above the first and below the second, if there is one."""
    if not np.isfinite(low):
        return high - 1.0 if np.isfinite(high) else 0.0
    if not np.isfinite(high):
        return low + 1.0
    middle = low / 2 + high / 2
    return middle if low < middle < high else low
