"""Dual prices: at which prices of the groups' rates the dual function of a bounded problem is least."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import linprog

from fairsk._core.bounds import Bound
from fairsk._core.typing import Bools, Floats

__all__ = ["least_of_dual"]

#: How many cutting planes there are at the most.
_MAX_CUTS = 120
#: What a price may be at the most, so that the first planes, which are few, leave no direction unbounded.
#: Gains are of accuracy, so that a rate is worth about one: prices of bounds that can be met lie far below.
_MAX_PRICE = 10.0


def least_of_dual(
    answer: Callable[[Floats], tuple[float, Floats]],
    bounds: Sequence[Bound],
    shape: tuple[int, int],
    is_priced: Bools | None = None,
) -> Floats:
    """Return the prices of shape (n_groups, n_rates) at which a dual function is least, by cutting planes.

    Parameters
    ----------
    answer : callable
        Returns, at some prices, the largest gain net of them, and every group's rates where it is reached.
    bounds : sequence of Bound
        One per rate.
    shape : tuple of two ints
        The number of groups, and of rates.
    is_priced : bool array of that shape, optional
        Which groups take part in the comparison of which rate; by default all.
    """
    n_groups, n_rates = shape
    factors, slack = np.array([bound.line for bound in bounds]).T
    slack = np.maximum(slack, 0.0)
    size = n_groups * n_rates
    limits = _MAX_PRICE * (np.ones(size) if is_priced is None else is_priced.ravel())
    # Variables: the height of the planes, then the price of "not above" and of "not below" of each rate.
    cost = np.concatenate([[1.0], np.tile(slack, n_groups), np.zeros(size)])
    balance = np.zeros((n_rates, 1 + 2 * size))
    for j in range(n_rates):
        balance[j, 1 + j : 1 + size : n_rates] = 1
        balance[j, 1 + size + j :: n_rates] = -1
    planes, heights = list[Floats](), list[float]()
    prices = np.zeros(shape)
    lowest = np.inf
    best = prices
    for _ in range(_MAX_CUTS):
        height, rate = answer(prices)
        # The plane falls with each price as fast as the rate is high: z >= height - rate * (price - prices).
        offset = height + float((prices * rate).sum())
        planes.append(np.concatenate([[-1.0], -(rate * factors).ravel(), rate.ravel()]))
        heights.append(-offset)
        value = height + _slack_cost(prices, slack)
        if value < lowest:
            lowest, best = value, prices
        solution = linprog(
            cost,
            A_ub=np.array(planes),
            b_ub=np.array(heights),
            A_eq=balance,
            b_eq=np.zeros(n_rates),
            bounds=[(None, None), *((0, limit) for limit in (*limits, *limits))],
            method="highs",
        )
        if not solution.success or solution.fun >= lowest - 1e-9 - 1e-6 * abs(lowest):
            break
        above = solution.x[1 : 1 + size].reshape(shape)
        below = solution.x[1 + size :].reshape(shape)
        prices = above * factors - below
    return best


def _slack_cost(prices: Floats, slack: Floats) -> float:
    return float((np.maximum(prices, 0).sum(0) * slack).sum())
