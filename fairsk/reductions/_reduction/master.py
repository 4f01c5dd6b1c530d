"""The linear program over decision rules: the best mixture under the bounds, and its dual values as prices.

Every rule that an engine has seen (a model with a threshold, a round of boosting) is a column: its error and
its rates. The program looks for the mixture of rules with the least error whose rates, which are linear in
the mixture, keep the bounds. Its value is a lower bound on the error of each of these rules and mixtures that
keeps them; its dual values say what it would be worth to raise a group's rate, and so what a further rule
should do differently (column generation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog

from fairsk._core.bounds import Bound
from fairsk._core.typing import Floats, Ints
from fairsk._held_out.safety_margin import allowance
from fairsk.reductions._bounded_rows import BoundedRows, Window
from fairsk.reductions._final_threshold import Choice

__all__ = ["Mixture", "solve_master"]

#: What a unit of excess costs where no mixture keeps the bounds: as much as deciding all rows wrongly. A row
#: of the group whose rate exceeds its window then costs more than any label is worth (its price, the
#: multiplier over the share of the group, is above 1), so that the whole group is asked to move.
_PRICE_OF_EXCESS = 1.0
#: Shares of no more than this are none: HiGHS lets rows be exceeded by as much.
_SOLVER_ROUNDING = 1e-7


@dataclass(frozen=True)
class Mixture:
    """The best mixture of rules under the bounds.

    Parameters
    ----------
    error : float
        Its error; infinite if there are no rules whose rates all exist.
    excess : float
        By how much it exceeds the bounds (a ratio's, in units of the rate), if no mixture keeps them.
    shares : array of shape (n_rules,)
        The share of each rule; they add up to 1.
    multipliers : array of shape (n_rates, n_codes)
        What it costs to raise each group's rate by one, in units of the error; 0 where nothing is compared.
    offset : float
        What a rule must undercut to be worth adding: its error plus its rates times the multipliers.
    """

    error: float
    excess: float
    shares: Floats
    multipliers: Floats
    offset: float

    @property
    def is_feasible(self) -> bool:
        """Whether it keeps the bounds."""
        return np.isfinite(self.error) and self.excess == 0

    @property
    def objective(self) -> float:
        """What is least: the error, and what the excess costs."""
        return self.error + _PRICE_OF_EXCESS * self.excess

    def accuracy_limit(self, choice: Choice) -> float | None:
        """Return the accuracy that no mixture of the rules exceeds under the bounds; None if none keeps them.

        What was chosen, if it keeps the bounds, is one of the rules: only rounding puts it above the limit.
        """
        if not self.is_feasible:
            return None
        return 1 - (min(self.error, choice.error) if choice.violation == 0 else self.error)

    def reduced_costs(self, errors: Floats, values: Floats) -> Floats:
        """Return by how much rules, old or new, fall short of being worth adding: negative if they are."""
        return errors + np.nan_to_num(values * self.multipliers).sum((1, 2)) - self.offset


def solve_master(
    rows: BoundedRows, errors: Floats, values: Floats, distances: Floats | None = None
) -> Mixture:
    """Find the mixture of rules with the least error under the bounds.

    Where none keeps them, it is the one for which error plus excess is least.

    Parameters
    ----------
    rows : BoundedRows
        The bounds, and which groups are compared; the rows themselves are not looked at.
    errors : array of shape (n_rules,)
        The error of each rule.
    values : array of shape (n_rules, n_rates, n_codes)
        Its rates. A rule with NaN for a rate that is compared is not used.
    distances : array of shape (n_rates, n_codes), optional
        How far each rate must stay away from either end of its window (under a ratio, its logarithm).

    Returns
    -------
    Mixture
        The shares of the rules, the multipliers, and the error.
    """
    limits = _Limits.of(rows, distances)
    shares = np.zeros(len(errors))
    multipliers = np.zeros((len(rows.rates), rows.n_codes))
    usable = np.flatnonzero(~np.isnan(values[:, limits.rate, limits.code]).any(1))
    if not len(usable):
        return Mixture(np.inf, np.inf, shares, multipliers, np.inf)
    rates = values[usable][:, limits.rate, limits.code]
    solution = _solve(errors[usable], rates, limits, elastic=False)
    excess = 0.0
    if solution is None:
        solution = _solve(errors[usable], rates, limits, elastic=True)
        assert solution is not None  # any mixture is a solution, with some excess
        excess = float(solution.x[-1])
    found = solution.x[: len(usable)]
    found = np.where(found > _SOLVER_ROUNDING, found, 0.0)
    shares[usable] = found / found.sum()
    duals = -np.atleast_1d(solution.ineqlin.marginals)[: len(limits.rate)]
    np.add.at(multipliers, (limits.rate, limits.code), limits.factor * duals)
    return Mixture(float(shares @ errors), excess, shares, multipliers, float(solution.eqlin.marginals[0]))


@dataclass(frozen=True)
class _Limits:
    """Both sides of every window for every group: ``factor * rate + side * lowest <= room``.

    ``side`` is 1 for "not below the lowest", where the factor is negative, and -1 for "not too far above".
    Each array has an entry per limit; ``window`` says which lowest rate is meant.
    """

    rate: Ints
    code: Ints
    window: Ints
    factor: Floats
    side: Floats
    room: Floats

    @classmethod
    def of(cls, rows: BoundedRows, distances: Floats | None) -> _Limits:
        """Return those of all windows; one that is infinitely wide has none."""
        windows = [w for w in rows.windows if np.isfinite(allowance(rows.bounds[w.rate]))]
        parts = [_both_sides(w, i, rows.bounds[w.rate], distances) for i, w in enumerate(windows)]
        table = np.concatenate([np.empty((0, 6)), *parts])
        rate, code, window = table[:, :3].astype(np.intp).T
        return cls(rate, code, window, *table[:, 3:].T)


def _both_sides(window: Window, number: int, bound: Bound, distances: Floats | None) -> Floats:
    """Return a row of numbers per limit of one window, each tightened by the distance that it must keep."""
    ((factor, slack), n) = bound.line, len(window.codes)
    kept = np.zeros(n) if distances is None else distances[window.rate, window.codes]
    is_difference = bound.comparison == "difference"
    shift, stretch = (kept, np.ones(n)) if is_difference else (np.zeros(n), np.exp(kept))
    which = np.stack([np.full(n, window.rate), window.codes, np.full(n, number)], axis=1)
    above = np.stack([-1 / stretch, np.ones(n), -shift], axis=1)
    below = np.stack([factor * stretch, -np.ones(n), slack - factor * shift], axis=1)
    return np.concatenate([np.hstack([which, above]), np.hstack([which, below])])


def _solve(errors: Floats, rates: Floats, limits: _Limits, *, elastic: bool) -> Any:
    """Solve the program; None if it has no solution.

    Its variables are a share per rule, the lowest rate of each window, and the excess.

    Parameters
    ----------
    errors : array of shape (n_rules,)
        The error of each rule.
    rates : array of shape (n_rules, n_limits)
        Its rate in each limit.
    limits : _Limits
        The limits.
    elastic : bool
        Whether limits may be exceeded, at a price.
    """
    n_rules, n_limits = rates.shape
    n_windows = int(limits.window.max(initial=-1)) + 1
    table = np.zeros((n_limits, n_rules + n_windows + 1))
    table[:, :n_rules] = limits.factor[:, None] * rates.T
    table[np.arange(n_limits), n_rules + limits.window] = limits.side
    table[:, -1] = -1
    solution = linprog(
        np.concatenate([errors, np.zeros(n_windows), [_PRICE_OF_EXCESS]]),
        A_ub=table,
        b_ub=limits.room,
        A_eq=np.concatenate([np.ones(n_rules), np.zeros(n_windows + 1)])[None],
        b_eq=[1.0],
        bounds=[(0, None)] * n_rules + [(None, None)] * n_windows + [(0, None if elastic else 0)],
        method="highs",
    )
    if solution.status == 2:  # infeasible
        return None
    if not solution.success:
        raise RuntimeError(f"The linear program failed: {solution.message}")
    return solution
