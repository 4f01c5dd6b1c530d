"""Bounds on amounts that nothing keeps: the least that can be reached, whatever was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold

from fairsk import ConstrainedRegressor


def opposed(n_groups, seed):
    """Return rows of groups whose slopes differ, so that no line fits all of them."""
    rng = np.random.default_rng(seed)
    n = 300 * n_groups
    groups = rng.integers(0, n_groups, n)
    x = rng.normal(size=n)
    slopes, noise = rng.normal(size=n_groups) * 3, 1 + rng.random(n_groups)
    return x[:, None], slopes[groups] * x + noise[groups] * rng.normal(size=n), groups


def least_worst_loss(X, y, groups, splits):
    """Return the least loss of the worst group, out of fold, over lines fitted to any weights of groups."""
    n_groups, grid, best = groups.max() + 1, np.linspace(0, 1, 21), np.inf
    table = np.column_stack([np.ones(len(y)), X])
    for shares in np.stack(np.meshgrid(*[grid] * n_groups), -1).reshape(-1, n_groups):
        if abs(shares.sum() - 1) > 1e-9:
            continue
        weights, predictions = shares[groups], np.empty(len(y))
        for train, test in splits:
            weighted = table[train] * weights[train, None]
            predictions[test] = table[test] @ np.linalg.solve(
                weighted.T @ table[train], weighted.T @ y[train]
            )
        squares = (predictions - y) ** 2
        best = min(best, max(squares[groups == g].mean() for g in range(n_groups)))
    return best


def test_a_bound_out_of_reach_gives_the_least_that_is_reachable_whatever_was_asked_for():
    X, y, groups = opposed(3, 0)
    splits = list(KFold(3).split(X))
    best = least_worst_loss(X, y, groups, splits)
    model = ConstrainedRegressor(LinearRegression(), constraint="bounded_group_loss", max_loss=0, cv=splits)
    with pytest.warns(UserWarning, match="No model was found") as caught:
        model.fit(X, y, sensitive_features=groups)
    reached = model.report_.disparity
    assert reached <= 1.01 * best
    assert f"the least that was found is {reached:.6g}" in str(caught[-1].message)
