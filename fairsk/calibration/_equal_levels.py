r"""Equal distributions without the group: predicted amounts that pay for what they tell of it.

Amounts are moved onto levels :math:`z_j`, each row's with weights :math:`\pi_{ij}`. These move it least,
:math:`\sum_{ij} \pi_{ij} (z_j - f_i)^2`, such that every level is as frequent in each group as in all rows.
Who is in which group is known by chances :math:`P_{ig}` alone, so that this reads
:math:`\sum_i \pi_{ij} (P_{ig} / p_g - 1) = 0` for all j and g, a linear program [1]_ [2]_. Its dual has a
price :math:`\lambda_{jg}` for each level and group, and given the prices a row is decided for itself: its
level is the one with the least :math:`(z_j - f_i)^2 + \sum_g \lambda_{jg} (P_{ig} / p_g - 1)`. Weighing the
levels by a softmin instead makes the dual smooth, and predictions continuous [3]_.

References
----------
.. [1] Agarwal, Dudik & Wu, Fair Regression: Quantitative Definitions and Reduction-Based Algorithms,
   ICML 2019.
.. [2] Xian & Zhao, A Unified Post-Processing Framework for Group Fairness in Classification, 2024.
.. [3] Taturyan, Chzhen & Hebiri, Regression under Demographic Parity Constraints via Unlabeled
   Post-Processing, NeurIPS 2024.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from fairsk._core.quantiles import value_levels
from fairsk._core.typing import Floats, Ints

__all__ = ["EqualLevels", "fit_equal_levels"]

#: How many levels there are. Of these, three in four lie where amounts are, equally many between two of them,
#: and one in four at equal distances, for long tails. Twice as many make distributions no more equal and take
#: twice the time; half as many leave distances within levels (``benchmarks/prediction_repair.py``).
_N_LEVELS = 64
_BY_COUNT = 0.75
#: Amounts beyond these levels of the distribution of all rows keep their distance from there: a single very
#: large one would draw levels to it. At most this share of either tail is not repaired.
_TAIL = 0.001
#: The spread of a row over levels, in their distances: at the square of the distance, the mean of the levels,
#: so weighted, follows an amount between two of them to within a hundredth of their distance.
_TEMPERATURE = 1.0
#: How far shares above a level may differ from those of all rows, by the chances.
_TOLERANCE = 5e-4
#: The first prices are found for at most so many rows, and the last ones for all.
_FEW_ROWS = 20_000
#: They are found for rows that are spread wider first, and followed from there, to within ten times the
#: tolerance: from prices of 0 at once, long moves of rows would be found slowly.
_ANNEALING = (64.0, 16.0, 4.0, 1.0)
_ON_THE_WAY = 10.0
_CHUNK = 16_384
#: It takes ten or so in practice.
_MAX_ITERATIONS = 100
#: By how much of each one's curvature steps are damped at first, how many times that is multiplied where the
#: dual function rises by less than a tenth of what is foreseen, and divided where by more than three quarters
#: (the usual numbers of trust regions). So often in a row: the damping is then millions of times as great.
_DAMPING = 1e-3
_MORE_DAMPING = 4.0
_LEAST_ANSWER, _GOOD_ANSWER = 0.1, 0.75
_MAX_DAMPINGS = 15
#: What is added to the curvature of a direction that rows hardly tell anything of.
_RIDGE = 1e-6


@dataclass(frozen=True, eq=False)
class EqualLevels:
    """The fitted map: an amount and the chances of groups become an amount.

    Parameters
    ----------
    levels : array of shape (n_levels,)
        The levels, rising; one alone where all amounts were the same.
    prices : array of shape (n_levels, n_groups)
        What it costs, in squared amounts, to stand at a level, for a row that is sure to be in the group; the
        chance of it relative to its share counts, less 1.
    shares : array of shape (n_groups,)
        The mean chance of each group.
    temperature : float
        How widely a row is spread over levels, relative to the squared distance between them.
    gap : float
        By how much the shares above a level differ from those of all rows, at most, by the chances.
    """

    levels: Floats
    prices: Floats
    shares: Floats
    temperature: float
    gap: float

    def moved(self, values: Floats, chances: Floats, strength: float) -> Floats:
        """Return amounts moved to a distribution that is the same in all groups, or some of the way.

        Parameters
        ----------
        values : array of shape (n_samples,)
            The amounts.
        chances : array of shape (n_samples, n_groups)
            The chance of each row to be in each group.
        strength : float
            How much of the way: 0 nothing, 1 all of it.
        """
        if len(self.levels) == 1 or not self.prices.any():  # there was nothing to make equal
            return values.copy()
        seen = np.clip(values, self.levels[0], self.levels[-1])
        excess = _relative_chances(chances, self.shares)
        repaired = np.empty_like(values)
        softmin = _Softmin(self.levels, self.temperature)
        for start in range(0, len(values), _CHUNK):
            part = slice(start, start + _CHUNK)
            repaired[part] = softmin.weights(seen[part], excess[part], self.prices)[1] @ self.levels
        # Beyond the levels: onwards at the same distance.
        return (1 - strength) * values + strength * (repaired + (values - seen))


@dataclass(frozen=True)
class _Softmin:
    """Weights of levels: the softmin of what they cost, at a temperature that follows their distances."""

    levels: Floats
    temperature: float

    def temperatures(self, values: Floats) -> Floats:
        """Return the temperature of each row: levels stand closer in one place than in another."""
        return self.temperature * np.interp(values, self.levels, np.gradient(self.levels)) ** 2

    def weights(self, values: Floats, excess: Floats, prices: Floats) -> tuple[Floats, Floats]:
        """Return each row's soft minimum of the costs, and its weight of each level."""
        temperatures = self.temperatures(values)[:, None]
        exponents = -((values[:, None] - self.levels) ** 2 + excess @ prices.T) / temperatures
        # A level stands for the amounts around it, which are the more the further it is from the next ones.
        exponents += np.log(np.gradient(self.levels))
        largest = exponents.max(axis=1, keepdims=True)
        weights = np.exp(exponents - largest)
        sums = weights.sum(axis=1, keepdims=True)
        return -(temperatures * (largest + np.log(sums)))[:, 0], weights / sums


def _relative_chances(chances: Floats, shares: Floats) -> Floats:
    """Return chances relative to the shares of the groups, less 1: 0 for a row that tells nothing."""
    known = shares > 0
    return np.divide(chances, shares, out=np.ones_like(chances), where=known) - 1


def fit_equal_levels(
    values: Floats,
    chances: Floats,
    weights: Floats,
    *,
    n_levels: int = _N_LEVELS,
    temperature: float = _TEMPERATURE,
    tolerance: float = _TOLERANCE,
) -> EqualLevels:
    """Find the prices at which every level is as frequent in each group as in all rows.

    Parameters
    ----------
    values : array of shape (n_samples,)
        Finite amounts.
    chances : array of shape (n_samples, n_groups)
        The chance of each row to be in each group; rows sum to 1.
    weights : array of shape (n_samples,)
        The weight of each row, not all of them 0.
    n_levels, temperature, tolerance
        As the constants above say.

    Returns
    -------
    EqualLevels
        The map.
    """
    weights = weights / weights.sum()
    shares = weights @ chances
    levels = _levels(values, weights, min(n_levels, len(values)))
    prices = np.zeros((len(levels), len(shares)))
    # Chances sum to 1, so one group's excess follows from the others': its prices can be 0.
    free = np.flatnonzero(shares > 0)[1:]
    if len(levels) == 1 or not len(free):
        return EqualLevels(levels, prices, shares, temperature, 0.0)
    seen = np.clip(values, levels[0], levels[-1])
    excess = _relative_chances(chances, shares)[:, free]
    some = np.argsort(seen, kind="stable")[_spread(len(values), _FEW_ROWS)]
    steps, gap = np.zeros((len(levels) - 1, len(free))), np.inf
    for warmth in _ANNEALING:
        softmin = _Softmin(levels, warmth * temperature)
        near_enough = tolerance * (1.0 if warmth == _ANNEALING[-1] else _ON_THE_WAY)
        steps, gap = _Dual(seen[some], excess[some], weights[some], softmin).solve(steps, near_enough)
    if len(some) < len(seen):
        steps, gap = _Dual(seen, excess, weights, softmin).solve(steps, tolerance)
    prices[:, free] = _prices(steps)
    return EqualLevels(levels, prices, shares, temperature, gap)


def _spread(n: int, n_chosen: int) -> Ints:
    """Return positions that lie evenly among n, all of them if these are fewer."""
    return np.arange(n) if n <= n_chosen else np.arange(n_chosen) * n // n_chosen


def _levels(values: Floats, weights: Floats, n_levels: int) -> Floats:
    """Return rising levels between the tails: more of them where amounts are, some everywhere."""
    ordered, shares = value_levels(values, weights)
    ranks = shares - np.diff(shares, prepend=0) / 2
    low, high = np.interp([_TAIL, 1 - _TAIL], ranks, ordered)
    if not low < high:
        return np.array([low])
    inside = np.clip(ordered, low, high)
    by_count = (ranks - ranks[0]) / (ranks[-1] - ranks[0])
    place = _BY_COUNT * by_count + (1 - _BY_COUNT) * (inside - low) / (high - low)
    levels = np.interp(np.linspace(0, 1, n_levels), place, inside)
    levels[0], levels[-1] = low, high
    # Tied amounts would make one level of several; so would ones that only rounding keeps apart.
    apart = np.append(True, np.diff(levels) > 1e-9 * (high - low))
    return levels[apart] if apart.sum() > 1 else np.array([low])


def _prices(steps: Floats) -> Floats:
    """Return prices of levels from how much each is above that of the level below; the first is 0."""
    return np.concatenate([np.zeros((1, steps.shape[1])), np.cumsum(steps, axis=0)])


@dataclass(frozen=True)
class _Dual:
    """The dual function of the prices, which is concave, in how much they rise from level to level.

    Its slope by a step is by how much more of a group's rows than of all rows stand above it.
    """

    values: Floats
    excess: Floats
    weights: Floats
    softmin: _Softmin

    def solve(self, steps: Floats, tolerance: float) -> tuple[Floats, float]:
        """Return the steps at which no share above a level differs by more than the tolerance, and the gap.

        By Newton's method, damped until the dual function rises about as foreseen (Levenberg and Marquardt).
        If that takes too long, the nearest steps that were met.
        """
        value, above = self._value_and_shares(steps)
        gap = float(np.abs(above).max())
        nearest, damping = (steps, gap), _DAMPING
        for _ in range(_MAX_ITERATIONS):
            if gap <= tolerance:
                break
            curvature, slope = self._curvature(steps), above.T.ravel()
            size = np.diag(curvature)
            size = size + _RIDGE * size.max() + np.finfo(float).tiny
            for _ in range(_MAX_DAMPINGS):
                step = cho_solve(cho_factor(curvature + np.diag((damping + _RIDGE) * size)), slope)
                tried = steps + step.reshape(above.T.shape).T
                new_value, new_above = self._value_and_shares(tried)
                foreseen = slope @ step - step @ curvature @ step / 2
                answer = (new_value - value) / foreseen
                if answer > _LEAST_ANSWER:
                    break
                damping *= _MORE_DAMPING
            else:  # rounding is all that is left
                break
            if answer > _GOOD_ANSWER:
                damping /= _MORE_DAMPING
            steps, value, above = tried, new_value, new_above
            gap = float(np.abs(above).max())
            if gap < nearest[1]:
                nearest = steps, gap
        return nearest

    def _parts(self) -> list[slice]:
        """Return chunks of rows: rows times levels need not fit in memory."""
        return [slice(start, start + _CHUNK) for start in range(0, len(self.values), _CHUNK)]

    def _value_and_shares(self, steps: Floats) -> tuple[float, Floats]:
        """Return the dual function, and its slopes."""
        prices, value = _prices(steps), 0.0
        at_level = np.zeros_like(prices)
        for part in self._parts():
            least, weights = self.softmin.weights(self.values[part], self.excess[part], prices)
            value += float(self.weights[part] @ least)
            at_level += weights.T @ (self.weights[part][:, None] * self.excess[part])
        return value, np.cumsum(at_level[::-1], axis=0)[::-1][1:]

    def _curvature(self, steps: Floats) -> Floats:
        """Return minus the second derivative of the dual function, by group and, within it, by step.

        Of a row it is the covariance of whether it stands above one level and above another, over its
        temperature, times its excess of either group.
        """
        n_steps, n_free = steps.shape
        higher = np.maximum.outer(np.arange(n_steps), np.arange(n_steps))
        curvature = np.zeros((n_free, n_steps, n_free, n_steps))
        for part in self._parts():
            values, excess = self.values[part], self.excess[part]
            above = 1 - np.cumsum(self.softmin.weights(values, excess, _prices(steps))[1], axis=1)[:, :-1]
            certainty = self.weights[part] / self.softmin.temperatures(values)
            for g in range(n_free):
                for h in range(g + 1):
                    factors = certainty * excess[:, g] * excess[:, h]
                    both = (factors @ above)[higher] - above.T @ (factors[:, None] * above)
                    curvature[g, :, h] += both
                    if g != h:
                        curvature[h, :, g] += both
        return curvature.reshape(steps.size, steps.size)
