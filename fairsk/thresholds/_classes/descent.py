"""Single offset vectors for all groups together: steps by linear programs, then exact searches along lines.

With many rows, rates change nearly smoothly with the offsets. So a step of all groups at once is the optimum
of a linear program with measured slopes inside a trust region (sequential linear programming); bounds that
are exceeded cost more than any worth. What it ends at is moved along one class of one group at a time, to the
best stop at which all bounds hold on all rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from fairsk._core.typing import Floats
from fairsk.thresholds._classes.master import Windows
from fairsk.thresholds._classes.pool import GroupPool
from fairsk.thresholds._classes.rows import normalised

__all__ = ["Descent"]

#: Slopes are measured over the offsets between which this share of a group's rows turn, to either side.
_TURNED = 0.005
#: The first, the least and the greatest radius of the trust region, in those steps.
_RADIUS, _LEAST_RADIUS, _MOST_RADIUS = 2.0, 0.1, 32.0
#: What a unit of excess over the bounds costs, in units of the value's range.
_PENALTY = 20.0
_MAX_STEPS = 30
#: Which part of what slopes were wrong by the next step stays inside the bounds by, of this much at the most.
_AIM, _MOST_INSIDE = 0.5, 0.005
#: How many stops of a line are looked at, and how many times all lines of all groups are.
_STOPS, _MAX_SWEEPS = 384, 4


@dataclass(frozen=True)
class _State:
    """Offsets of all groups with what they reach.

    Parameters
    ----------
    offsets : array of shape (n_groups, n_classes)
        The vectors.
    worth : array of shape (n_groups,)
        What each contributes.
    rates, floors, shares : arrays of shape (n_rates, n_groups), (n_floors, n_groups), (n_events, n_groups)
        The bounded rates, those with floors, and the shares of events.
    """

    offsets: Floats
    worth: Floats
    rates: Floats
    floors: Floats
    shares: Floats

    @property
    def value(self) -> float:
        """What all groups contribute."""
        return float(self.worth.sum())


class Descent:
    """The search from some vectors on.

    Parameters
    ----------
    windows : Windows
        The bounds.
    pools : list of GroupPool
        One per group; vectors that are passed through are added.
    span : float
        The range of the value.
    """

    def __init__(self, windows: Windows, pools: list[GroupPool], span: float) -> None:
        self._windows, self._pools, self._span = windows, pools, span
        tables = [pool.tables[:1] for pool in pools]
        self._has_floor = np.array(
            [pool.terms.has_floor(table) for pool, table in zip(pools, tables, strict=True)]
        ).reshape(len(pools), -1)

    def run(self, start: Floats) -> Floats | None:
        """Return the best vectors found that meet the bounds, a row per group; None if none do."""
        state = self._state(start)
        radius, tightened = _RADIUS, 0.0
        best = state if self._excess(state) <= 0 else None
        units = self._units(state)
        slopes = self._slopes(state, units)
        for step in range(_MAX_STEPS):
            following = self._step(state, slopes, units * radius, tightened)
            if following is None:
                break
            reached = self._state(following)
            excess = self._excess(reached)
            if excess <= 0 and (best is None or reached.value > best.value):
                best = reached
            if self._merit(reached, tightened) > self._merit(state, tightened) + 1e-9 * self._span:
                state, radius = reached, min(2 * radius, _MOST_RADIUS)
                if step % 4 == 3:
                    units = self._units(state)
                slopes = self._slopes(state, units)
            else:
                radius /= 2
            # Aim a little inside: by what the slopes were wrong by, which is less with every shorter step.
            tightened = _AIM * min(_MOST_INSIDE, max(0.0, excess + tightened))
            if radius < _LEAST_RADIUS:
                break
        for g, pool in enumerate(self._pools):
            pool.add([state.offsets[g]])
        return None if best is None else self._along_lines(best).offsets

    def meets_bounds(self, offsets: Floats) -> bool:
        """Return whether vectors meet the bounds."""
        return self._excess(self._state(offsets)) <= 0

    def value(self, offsets: Floats) -> float:
        """Return what vectors are worth."""
        return self._state(offsets).value

    def best_constant(self) -> Floats | None:
        """Return vectors that decide all rows as one class; None if that exceeds a bound."""
        best: _State | None = None
        for k in range(self._pools[0].rows.n_classes):
            spread = max(float(np.ptp(pool.rows.scores)) for pool in self._pools) + 1.0
            offsets = normalised(np.where(np.arange(self._pools[0].rows.n_classes) == k, spread, 0.0))
            state = self._state(np.tile(offsets, (len(self._pools), 1)))
            if self._excess(state) <= 0 and (best is None or state.value > best.value):
                best = state
        return None if best is None else self._along_lines(best).offsets

    def polish(self, start: Floats) -> Floats:
        """Return vectors that meet the bounds as the first do, and are worth no less."""
        return self._along_lines(self._state(start)).offsets

    # --- what vectors reach ---------------------------------------------------------------------------

    def _state(self, offsets: Floats) -> _State:
        tables = [pool.rows.table(each) for pool, each in zip(self._pools, offsets, strict=True)]
        return self._of_tables(offsets, tables)

    def _of_tables(self, offsets: Floats, tables: list[Floats]) -> _State:
        terms = [pool.terms for pool in self._pools]
        pairs = [(term, table[None]) for term, table in zip(terms, tables, strict=True)]
        return _State(
            offsets,
            np.array([term.worth(table)[0] for term, table in pairs]),
            np.column_stack([term.rates(table)[:, 0] for term, table in pairs]),
            np.column_stack([term.floors(table)[:, 0] for term, table in pairs]),
            np.column_stack([term.shares(table)[:, 0] for term, table in pairs]),
        )

    def _excess(self, state: _State) -> float:
        """Return by how much bounds are exceeded at the most; not above 0 if they are met."""
        return float(self._excesses(state).max(initial=-1.0))

    def _excesses(self, state: _State) -> Floats:
        """Return by how much each bound is exceeded; infinite where a rate cannot be measured."""
        w = self._windows
        groups = range(len(self._pools))
        low = np.column_stack([w.low(state.rates[:, [g]], g)[:, 0] for g in groups]).min(1)
        high = np.column_stack([w.high(state.rates[:, [g]], g)[:, 0] for g in groups]).max(1)
        compared = w.is_bounded.any(1)
        beyond = [(w.factor * high - w.slack - low)[compared]]
        beyond.append((w.least[:, None] - state.floors)[self._has_floor.T])
        beyond.append((state.shares.sum(1) - w.capacity)[np.isfinite(w.capacity)])
        return np.nan_to_num(np.concatenate(beyond), nan=np.inf)

    def _merit(self, state: _State, tightened: float) -> float:
        beyond = np.maximum(self._excesses(state) + tightened, 0.0)
        return state.value - _PENALTY * self._span * float(beyond.sum())

    # --- one step of all groups -----------------------------------------------------------------------

    def _units(self, state: _State) -> Floats:
        """Return how far the offset of each class moves until some share of the group's rows has turned."""
        units = np.zeros_like(state.offsets)
        for g, pool in enumerate(self._pools):
            rows = pool.rows
            place = min(len(rows) - 1, max(2, int(_TURNED * len(rows))))
            for k in range(1, rows.n_classes):
                distance = np.abs(rows.turning_points(state.offsets[g], k) - state.offsets[g, k])
                units[g, k] = np.partition(distance, place)[place]
        return np.maximum(units, 1e-9)

    def _slopes(self, state: _State, units: Floats) -> list[list[_State]]:
        """Return what each group reaches to either side of its vector, per class but the first: slopes."""
        slopes = []
        for g, pool in enumerate(self._pools):
            of_group, terms = [], pool.terms
            for k in range(1, pool.rows.n_classes):
                by = np.zeros(pool.rows.n_classes)
                by[k] = units[g, k]
                ends = [state.offsets[g] + by, state.offsets[g] - by]
                places = pool.add(ends)
                tables = (
                    np.array([pool.rows.table(end) for end in ends]) if min(places) < 0 else pool.at(places)
                )
                width = 2 * units[g, k]
                each = (
                    terms.worth(tables)[None],
                    terms.rates(tables),
                    terms.floors(tables),
                    terms.shares(tables),
                )
                differences = [np.nan_to_num((values[:, 0] - values[:, 1]) / width) for values in each]
                of_group.append(_State(by, *differences))
            slopes.append(of_group)
        return slopes

    def _step(
        self, state: _State, slopes: list[list[_State]], most: Floats, tightened: float
    ) -> Floats | None:
        """Return the vectors after the best step with these slopes."""
        w, n_groups, n_moves = self._windows, len(self._pools), len(slopes[0])
        n_rates = len(w.factor)
        # The moves, the low end of each window, and by how much each rate, floor and share exceeds its bound.
        first_excess = n_groups * n_moves + n_rates
        n_excess = n_rates + self._has_floor.size + len(w.capacity)
        n_variables = first_excess + n_excess
        rows, rhs = [], []
        cost = np.zeros(n_variables)
        cost[first_excess:] = _PENALTY * self._span
        shares = np.zeros((len(w.capacity), n_variables))
        for g, of_group in enumerate(slopes):
            moves = slice(g * n_moves, (g + 1) * n_moves)
            cost[moves] = [-slope.worth[0] for slope in of_group]
            rates = np.column_stack([slope.rates for slope in of_group])
            floors = np.column_stack([slope.floors for slope in of_group])
            shares[:, moves] = np.column_stack([slope.shares for slope in of_group])
            for j in np.flatnonzero(w.is_bounded[:, g]):
                factor, stretch, shift, rate = w.factor[j], w.stretch[j, g], w.shift[j, g], state.rates[j, g]
                row = np.zeros((2, n_variables))
                row[0, moves], row[0, n_groups * n_moves + j] = -rates[j], stretch
                row[1, moves], row[1, n_groups * n_moves + j] = factor * stretch * rates[j], -1
                row[1, first_excess + j] = -1
                rows += list(row)
                slack = w.slack[j] - tightened
                rhs += [rate - shift, slack - factor * (shift + stretch * rate)]
            for j in np.flatnonzero(self._has_floor[g]):
                row = np.zeros((1, n_variables))
                row[0, moves] = -floors[j]
                row[0, first_excess + n_rates + g * len(w.least) + j] = -1
                rows += list(row)
                rhs.append(state.floors[j, g] - w.least[j] - tightened)
        limited = np.flatnonzero(np.isfinite(w.capacity))
        shares[:, n_variables - len(w.capacity) :] = -np.eye(len(w.capacity))
        rows += list(shares[limited])
        rhs += (w.capacity - state.shares.sum(1) - tightened)[limited].tolist()
        limits = most[:, 1:].ravel()
        solution = linprog(
            cost,
            A_ub=np.array(rows) if rows else None,
            b_ub=np.array(rhs) if rows else None,
            bounds=[(-limit, limit) for limit in limits] + [(None, None)] * n_rates + [(0, None)] * n_excess,
            method="highs",
        )
        if not solution.success:
            return None
        moved = state.offsets.copy()
        moved[:, 1:] += solution.x[: n_groups * n_moves].reshape(n_groups, n_moves)
        return moved

    # --- along one class of one group -----------------------------------------------------------------

    def _along_lines(self, state: _State) -> _State:
        """Return what no move along one class of one group betters within the bounds."""
        for _ in range(_MAX_SWEEPS):
            before = state.value
            for g in range(len(self._pools)):
                for klass in range(self._pools[g].rows.n_classes):
                    state = self._along_line(state, g, klass)
            if not state.value > before + 1e-6 * self._span:
                break
        return state

    def _along_line(self, state: _State, g: int, klass: int) -> _State:
        """Return the best stop on a line that keeps the bounds beside the other groups."""
        pool, w = self._pools[g], self._windows
        rows, terms = pool.rows, pool.terms
        line = rows.line(state.offsets[g], klass)
        stops = _near(len(line.stops), int(np.searchsorted(line.stops, state.offsets[g, klass])))
        tables = rows.tables_on_line(line, stops)
        worth = terms.worth(tables)
        better = worth > state.worth[g] + 1e-12 * self._span
        if not better.any():
            return state
        stops, tables, worth = stops[better], tables[better], worth[better]
        others = [h for h in range(len(self._pools)) if h != g]
        low, high = w.low(terms.rates(tables), g), w.high(terms.rates(tables), g)
        for h in others:
            low = np.minimum(low, w.low(state.rates[:, [h]], h))
            high = np.maximum(high, w.high(state.rates[:, [h]], h))
        bounded = w.is_bounded.any(1)
        fits = (w.factor[bounded, None] * high[bounded] <= w.slack[bounded, None] + low[bounded]).all(0)
        floors = self._has_floor[g]
        fits &= (terms.floors(tables)[floors] >= w.least[floors, None]).all(0)
        shares = terms.shares(tables) + state.shares[:, others].sum(1, keepdims=True)
        fits &= (shares <= w.capacity[:, None]).all(0)
        for i in np.argsort(-worth, kind="stable"):
            if fits[i]:
                offsets = state.offsets.copy()
                offsets[g, klass] = line.stops[stops[i]]
                offsets[g] = normalised(offsets[g])
                moved = self._state(offsets)  # counted once more: sums round
                if self._excess(moved) <= 0 and moved.value > state.value:
                    return moved
                break
        return state


def _near(n_stops: int, place: int) -> np.ndarray:
    """Return stops of a line: all of a few, else those about a place and some further away."""
    if n_stops <= _STOPS:
        return np.arange(n_stops)
    reach = np.unique(np.geomspace(1, n_stops, _STOPS // 2).astype(np.intp))
    stops = np.concatenate([place - reach, [place], place + reach])
    return np.unique(np.clip(stops, 0, n_stops - 1))
