"""The best combination of predictions under a bound: a small convex program, and the prices that it gives.

Columns are predictions of the same held-out rows by models of several prices. Their affine combinations
predict too, and a combination loses at most what the same mixture of the models does, for losses are convex.
The program looks for the combination with the least mean loss whose group means keep the bound. Its
multipliers say what it would be worth to raise a group's mean, and so what a further model should do
differently (column generation).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.optimize import linprog, minimize, nnls

from fairsk._core.typing import Floats
from fairsk.reductions._amounts.rows import AmountRows

__all__ = ["Combination", "best_combination"]

#: Directions along which predictions move by less than this share of the spread of the targets are none: to
#: go along them would take factors of thousands, and what those do to new rows is noise.
_LEAST_SPREAD = 1e-4
#: Between what the factors of columns lie where the greatest loss is bounded, or a difference of losses.
#: Models of prices on losses can be averaged to keep the former, and extended beyond what lies between them
#: for the latter. Prices on predictions shift targets, and what a regressor makes of these may be multiplied.
_FACTORS = {"worst_group": (0.0, 1.0), "difference": (-1.0, 2.0)}
#: Where the solution is looked for along each column, if a difference of losses makes a program that is not
#: convex.
_STARTS = (-1.0, 0.5, 1.0, 2.0)
#: What a unit of excess costs, in units of loss and means; the first at which the bound is kept will do. A
#: high price from the start makes a narrow valley, in which solvers go astray.
_PRICES_OF_EXCESS = (10.0, 100.0, 1000.0, np.inf)
#: By how much less than the bound the solver is asked for, in units of the means: its own rounding.
_SOLVER_ROUNDING = 1e-9
#: An excess of no more than this is none, in the same units: parity is kept up to rounding only.
_NO_EXCESS = 1e-7
#: Limits that are closer than this are reached.
_REACHED = 1e-6
#: How much more it counts that parts add up to 1 than that slopes cancel.
_OF_SUMS = 1e3


#: A function of the variables of the program.
_OfPoint: TypeAlias = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Combination:
    """An affine combination of columns.

    Parameters
    ----------
    shares : array of shape (n_columns,)
        The factor of each column; they add up to 1, and may be negative.
    loss : float
        The mean loss.
    values : array of shape (n_rates, n_groups)
        The bounded means.
    excess : float
        By how much the bound, and what is to be kept from it, is exceeded; 0 if it is kept.
    multipliers : array of shape (n_rates, n_groups)
        What it costs to raise each mean by one, in units of the mean loss; 0 where the bound is not kept, for
        then it is worth any loss.
    held_up_by : array of shape (n_rates, n_groups)
        Where the bound is not kept, which means keep the excess from falling, and by which parts: above 0
        those to be lowered, below 0 those to be raised. Both add up to 1. Otherwise 0.
    """

    shares: Floats
    loss: float
    values: Floats
    excess: float
    multipliers: Floats
    held_up_by: Floats


def best_combination(
    rows: AmountRows,
    columns: Sequence[Floats],
    *,
    distances: Floats | None = None,
    moved: Floats | None = None,
    is_limited: bool = True,
) -> Combination:
    """Find the affine combination of columns with the least mean loss under the bound.

    Where none keeps it, it is the one that exceeds it by least.

    Parameters
    ----------
    rows : AmountRows
        The rows, with loss and bound.
    columns : sequence of arrays of shape (n_samples,)
        Predictions of these rows.
    distances : array of shape (n_rates, n_groups), optional
        How far each mean must stay away from either end of what the bound allows.
    moved : array of shape (n_rates, n_groups), optional
        What is added to the means, where these rows are some of those that the bound is for: by how much the
        means of these lie away from theirs.
    is_limited : bool, default=True
        Whether the factors of models of prices on losses are limited: to ask what prices a bound needs, they
        are not.
    """
    span = _Span.of(rows, columns)
    is_limited = is_limited and rows.has_curved_means
    factors = _FACTORS[rows.bound.comparison] if is_limited else None
    program = _Program(span, distances, moved, factors)
    best = program.solve()
    return Combination(
        span.shares(best),
        span.at(best).loss,
        program.values(best),
        program.excess(best),
        program.multipliers(best),
        program.held_up_by(best),
    )


@dataclass(frozen=True)
class _Point:
    """Loss and means at a point of the span, with their derivatives.

    ``values`` has shape (n_rates, n_groups), ``value_slopes`` one axis more, for the directions.
    """

    loss: float
    loss_slopes: Floats
    values: Floats
    value_slopes: Floats


class _Span:
    """Affine combinations of columns as points ``z``: predictions ``base + directions @ z``.

    Directions are orthogonal and have the spread of the targets, so that the squared loss is alike round in
    all of them: columns that are nearly the same are no trouble to the solver.
    """

    def __init__(self, rows: AmountRows, base: Floats, directions: Floats, to_shares: Floats) -> None:
        self.rows = rows
        self.base = base
        self.directions = directions
        self.to_shares = to_shares
        self._last: tuple[bytes, _Point] | None = None

    @classmethod
    def of(cls, rows: AmountRows, columns: Sequence[Floats]) -> _Span:
        base = columns[0]
        steps = np.array([column - base for column in columns[1:]]).reshape(-1, len(base)).T
        share = rows.shares
        spread = _spread(rows.target, share) or _spread(base, share) or 1.0
        squares, axes = np.linalg.eigh(steps.T @ (share[:, None] * steps) / spread**2)
        kept = squares > _LEAST_SPREAD**2
        to_shares = axes[:, kept] / np.sqrt(squares[kept])
        return cls(rows, base, steps @ to_shares, to_shares)

    @property
    def dimension(self) -> int:
        return self.directions.shape[1]

    def shares(self, z: Floats) -> Floats:
        """Return the factors of the columns."""
        others = self.to_shares @ z
        return np.concatenate([[1 - others.sum()], others])

    def point(self, shares: Floats) -> Floats:
        """Return the point of factors, or the nearest to it that is kept."""
        return np.asarray(np.linalg.pinv(self.to_shares) @ shares[1:], dtype=float)

    def at(self, z: Floats) -> _Point:
        """Return loss and means at a point; the last one is remembered, for solvers ask for each part."""
        key = z.tobytes()
        if self._last is None or self._last[0] != key:
            self._last = key, self._evaluate(z)
        return self._last[1]

    def _evaluate(self, z: Floats) -> _Point:
        rows, predictions = self.rows, self.base + self.directions @ z
        loss = rows.mean_loss(predictions)
        loss_slopes = (rows.shares * rows.loss_slopes(predictions)) @ self.directions
        value_slopes = np.empty((len(rows.rates), rows.n_groups, self.dimension))
        for j, slopes in enumerate(rows.slopes(predictions)):
            for k in range(self.dimension):
                moved = rows.weights * slopes * self.directions[:, k]
                with np.errstate(divide="ignore", invalid="ignore"):
                    value_slopes[j, :, k] = np.bincount(rows.codes, moved, rows.n_groups) / rows.mass
        return _Point(loss, loss_slopes, rows.values(predictions), value_slopes)


def _spread(values: Floats, share: Floats) -> float:
    return float(np.sqrt(share @ (values - share @ values) ** 2))


class _Program:
    """The convex program over a span: ``loss + price * excess``, every mean within its limits.

    Its variables are the point of the span, the lowest mean of each rate (where the difference is bounded),
    and the excess. Losses and means are measured in what they are at the first column.
    """

    def __init__(
        self,
        span: _Span,
        distances: Floats | None,
        moved: Floats | None,
        factors: tuple[float, float] | None,
    ) -> None:
        rows = span.rows
        self.factors = factors
        self.span, self.rows = span, rows
        self.covered = np.flatnonzero(rows.covered) if np.isfinite(rows.bound.value) else np.empty(0, int)
        shape = (len(rows.rates), rows.n_groups)
        self.moved = np.zeros(shape) if moved is None else moved
        kept = np.zeros(shape) if distances is None else distances
        self.by_difference = rows.bound.comparison == "difference"
        base = span.at(np.zeros(span.dimension))
        self.loss_unit = self._curvature(base.loss) or base.loss or 1.0
        at = (base.values + self.moved)[:, self.covered]
        if self.by_difference:
            units = np.ptp(at, axis=1) if at.size else np.ones(len(rows.rates))
        else:
            units = np.abs(at).max(1) if at.size else np.ones(len(rows.rates))
        self.units = np.where(units > 0, units, 1.0)[:, None]
        self.distances_kept = kept
        self.distances = kept[:, self.covered] / self.units
        self.n_lowest = len(rows.rates) if self.by_difference and len(self.covered) else 0

    def _curvature(self, loss: float) -> float:
        """Return the greatest curvature of the loss: in this unit solvers take whole steps."""
        steps = np.eye(self.span.dimension)
        bends = [self.span.at(step).loss + self.span.at(-step).loss - 2 * loss for step in steps]
        return max(bends, default=0.0)

    def values(self, z: Floats) -> Floats:
        """Return the means of all groups."""
        return self.span.at(z).values + self.moved

    def solve(self) -> Floats:
        """Return the best point."""
        origin = np.zeros(self.span.dimension)
        if not self.span.dimension:
            return origin
        if self.rows.has_curved_means:
            # A difference of losses is not convex: more than one start, of which the best is taken.
            units = np.eye(len(self.span.to_shares) + 1)[1:]
            starts = [
                origin,
                *(self.span.point(share * unit) for unit in units for share in self._first_shares),
            ]
        else:
            starts = [origin, self._least_excess()]
        found = [point for start in starts for point in (start, *self._descend(start))]
        # A solver that finds no way into the bound may leave the limits of the factors on its search for one.
        return min(filter(self._keeps_factors, found), key=self._merit)

    def _keeps_factors(self, z: Floats) -> bool:
        """Whether no factor is beyond its limits; that of the first column alone, the origin, never is."""
        if self.factors is None:
            return True
        shares, (low, high) = self.span.shares(z), self.factors
        return bool((shares >= low - _REACHED).all() and (shares <= high + _REACHED).all())

    @property
    def _first_shares(self) -> tuple[float, ...]:
        """The shares of each column beside the first from which solutions are looked for."""
        return _STARTS if self.by_difference else (1.0,)

    def _least_excess(self) -> Floats:
        """Return the point that exceeds the bound by least, of means that are linear: a linear program."""
        n_points = self.span.dimension
        x = np.zeros(n_points + self.n_lowest + 1)
        costs = np.zeros(len(x))
        costs[-1] = 1.0
        limits: list[tuple[_OfPoint, _OfPoint]] = []
        if len(self.covered):
            limits.append((self._room, self._room_slopes))
        if self.factors is not None:
            limits.append(self._limits_of_factors(len(x)))
        if not limits:
            return x[:n_points]
        found = linprog(
            costs,
            A_ub=-np.concatenate([slopes(x) for _, slopes in limits]),
            b_ub=np.concatenate([room(x) for room, _ in limits]),
            bounds=[(None, None)] * (len(x) - 1) + [(0.0, None)],
            method="highs",
        )
        return x[:n_points] if found.x is None else np.asarray(found.x[:n_points])

    def _merit(self, z: Floats) -> tuple[float, float]:
        excess = self._excess(z)
        return (excess if excess > _NO_EXCESS else 0.0), self.span.at(z).loss

    def excess(self, z: Floats) -> float:
        """Return by how much the bound is exceeded; 0 where only the solver's rounding is in excess."""
        is_kept = self._excess(z) <= _NO_EXCESS
        return 0.0 if is_kept else self.rows.excess(self.values(z), self.distances_kept)

    def _excess(self, z: Floats) -> float:
        """Return by how much the bound is exceeded, in units of the means."""
        if not len(self.covered):
            return 0.0
        at = self.values(z)[:, self.covered] / self.units
        greatest = (at + self.distances).max(1)
        lowest = (at - self.distances).min(1) if self.by_difference else 0.0
        return float((greatest - lowest - self._bound).max())

    @property
    def _bound(self) -> Floats:
        return self.rows.bound.value / self.units[:, 0]

    def _descend(self, start: Floats) -> list[Floats]:
        """Return where sequential quadratic programming gets to, as the price of excess rises."""
        n_points = self.span.dimension
        at = self.values(start)[:, self.covered] / self.units
        lowest = (at - self.distances).min(1) if self.n_lowest else np.empty(0)
        x = np.concatenate([start, lowest, [max(0.0, self._excess(start))]])
        limits: list[tuple[_OfPoint, _OfPoint]] = []
        if len(self.covered):
            limits.append((self._room, self._room_slopes))
        if self.factors is not None:
            limits.append(self._limits_of_factors(len(x)))
        found = []
        for price in _PRICES_OF_EXCESS:
            # At last no excess is allowed, whatever that costs.
            is_finite = np.isfinite(price)
            price, most = (price, None) if is_finite else (0.0, 0.0)
            x[-1] = x[-1] if is_finite else 0.0

            def objective(x: Floats, price: float = price) -> tuple[float, Floats]:
                point = self.span.at(x[:n_points])
                slopes = np.zeros(len(x))
                slopes[:n_points], slopes[-1] = point.loss_slopes / self.loss_unit, price
                return point.loss / self.loss_unit + price * x[-1], slopes

            x = minimize(
                objective,
                x,
                jac=True,
                method="SLSQP",
                bounds=[(None, None)] * (len(x) - 1) + [(0.0, most)],
                constraints=[{"type": "ineq", "fun": room, "jac": slopes} for room, slopes in limits],
                options={"maxiter": 100, "ftol": 1e-12},
            ).x
            found.append(np.asarray(x[:n_points], dtype=float))
            if not self._excess(found[-1]) > _NO_EXCESS:
                break
        return found

    def _limits_of_factors(self, n_variables: int) -> tuple[_OfPoint, _OfPoint]:
        """Return that no factor leaves its limits."""
        assert self.factors is not None
        low, high = self.factors
        n_points = self.span.dimension
        slopes = np.zeros((len(self.span.to_shares) + 1, n_variables))
        slopes[1:, :n_points] = self.span.to_shares
        slopes[0, :n_points] = -self.span.to_shares.sum(0)
        slopes = np.concatenate([slopes, -slopes])

        def room(x: Floats) -> Floats:
            shares = self.span.shares(x[:n_points])
            return np.concatenate([shares - low, high - shares])

        return room, lambda x: slopes

    def _room(self, x: Floats) -> Floats:
        """Return how far every mean stays below its upper limit and above its lower one."""
        at = self.values(x[: self.span.dimension])[:, self.covered] / self.units
        bound = (self._bound - _SOLVER_ROUNDING)[:, None]
        if not self.n_lowest:
            return (bound + x[-1] - at - self.distances).ravel()
        lowest = x[-1 - self.n_lowest : -1, None]
        bound = np.maximum(bound, 0.0)
        above = lowest + bound + x[-1] - at - self.distances
        return np.concatenate([above.ravel(), (at - self.distances - lowest).ravel()])

    def _room_slopes(self, x: Floats) -> Floats:
        slopes = self._value_slopes(x[: self.span.dimension])
        n_rates, n_covered, n_points = slopes.shape
        flat = slopes.reshape(-1, n_points)
        above = np.zeros((n_rates * n_covered, len(x)))
        above[:, :n_points], above[:, -1] = -flat, 1.0
        if not self.n_lowest:
            return above
        below = np.zeros_like(above)
        below[:, :n_points] = flat
        of = n_points + np.repeat(np.arange(n_rates), n_covered)
        above[np.arange(len(of)), of] = 1.0
        below[np.arange(len(of)), of] = -1.0
        return np.concatenate([above, below])

    def _value_slopes(self, z: Floats) -> Floats:
        return self.span.at(z).value_slopes[:, self.covered] / self.units[:, :, None]

    def multipliers(self, z: Floats) -> Floats:
        """Return the multipliers of the means, from the conditions of Karush, Kuhn and Tucker.

        Of the limits that are reached, the slopes add up to that of the loss; of each rate, what pushes down
        is as much as what pushes up.
        """
        multipliers = np.zeros(self.moved.shape)
        if not len(self.covered) or self.excess(z) > 0:
            return multipliers
        at = self.values(z)[:, self.covered] / self.units
        if self.n_lowest:
            highest = (at + self.distances).max(1, keepdims=True)
            lowest = (at - self.distances).min(1, keepdims=True)
            wide = highest - lowest >= self._bound[:, None] - _REACHED
            is_high = wide & (at + self.distances >= highest - _REACHED)
            is_low = wide & (at - self.distances <= lowest + _REACHED)
        else:
            is_high = at + self.distances >= self._bound[:, None] - _REACHED
            is_low = np.zeros_like(is_high)
        slopes = self._value_slopes(z)
        high, low = np.argwhere(is_high), np.argwhere(is_low)
        if not len(high):
            return multipliers
        balance = np.zeros((self.n_lowest, len(high) + len(low)))
        if self.n_lowest:
            balance[high[:, 0], np.arange(len(high))] = 1.0
            balance[low[:, 0], len(high) + np.arange(len(low))] = -1.0
        sides = np.concatenate([slopes[tuple(high.T)], -slopes[tuple(low.T)]]).T
        wanted = -self.span.at(z).loss_slopes / self.loss_unit
        table = np.concatenate([sides, balance])
        right = np.concatenate([wanted, np.zeros(self.n_lowest)])
        found = nnls(table, right)[0] * self.loss_unit  # from units of losses and means to their own
        unit = self.units[:, 0]
        np.add.at(multipliers, (high[:, 0], self.covered[high[:, 1]]), found[: len(high)] / unit[high[:, 0]])
        np.add.at(multipliers, (low[:, 0], self.covered[low[:, 1]]), -found[len(high) :] / unit[low[:, 0]])
        return multipliers

    def held_up_by(self, z: Floats) -> Floats:
        """Return which means keep the excess from falling: the multipliers of what is the least excess.

        At the least, no direction lowers the greatest of the limits that are passed: of these, parts that add
        up to 1 have slopes that cancel.
        """
        held = np.zeros(self.moved.shape)
        if not len(self.covered) or self.excess(z) == 0:
            return held
        at = self.values(z)[:, self.covered] / self.units
        lowest = (at - self.distances).min(1, keepdims=True) if self.n_lowest else np.zeros((len(at), 1))
        beyond = at + self.distances - lowest - self._bound[:, None]
        high = np.argwhere(beyond >= beyond.max() - _REACHED)
        low = np.empty((0, 2), dtype=int)
        if self.n_lowest:
            is_low = at - self.distances <= lowest + _REACHED
            is_low[np.setdiff1d(np.arange(len(at)), high[:, 0])] = False
            low = np.argwhere(is_low)
        slopes = self._value_slopes(z)
        sides = np.concatenate([slopes[tuple(high.T)], -slopes[tuple(low.T)]]).T
        rates = np.concatenate([high[:, 0], low[:, 0]])
        is_high = np.arange(len(rates)) < len(high)
        sums, right = [is_high.astype(float)], [1.0]
        for rate in range(self.n_lowest):
            sums.append(np.where(rates == rate, np.where(is_high, 1.0, -1.0), 0.0))
            right.append(0.0)
        # Parts must add up; where factors are at their limits, slopes need not cancel.
        table = np.concatenate([sides, _OF_SUMS * np.array(sums)])
        parts = nnls(table, np.concatenate([np.zeros(len(sides)), _OF_SUMS * np.array(right)]))[0]
        np.add.at(held, (high[:, 0], self.covered[high[:, 1]]), parts[: len(high)])
        np.add.at(held, (low[:, 0], self.covered[low[:, 1]]), -parts[len(high) :])
        return held
