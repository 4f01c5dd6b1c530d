"""The Pareto front of a search: the candidates that no other one beats on every score."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairsk._core.typing import Ints
from fairsk.scoring._cv_disparities import pooled_results
from fairsk.scoring._fold_tables import mean_scores
from fairsk.scoring._group_scoring import GroupScoring

__all__ = ["pareto_front"]


def pareto_front(cv_results: Any, *scores: str, scoring: GroupScoring | None = None) -> Ints:
    """Return the candidates of a search that no other candidate beats on every score.

    Parameters
    ----------
    cv_results : search or dict of arrays
        A fitted search, or its ``cv_results_``.
    *scores : str
        Names of two or more scorers; greater is better.
    scoring : GroupScoring, optional
        What scored the search, where its ``cv_results_`` are given; its differences and ratios are then
        those of counts summed over the folds.

    Returns
    -------
    array of int
        Positions among the candidates, from the best on the first score to the worst; of candidates
        with equal scores the first. Candidates with a NaN are left out.

    Raises
    ------
    ValueError
        If a scorer is unknown or fewer than two are named.
    TypeError
        If what is given is neither a fitted search nor results.

    See Also
    --------
    best_under : Chooses one candidate, under a bound.
    cv_disparities : The pooled disparities, with intervals.

    Examples
    --------
    >>> from fairsk.scoring import pareto_front
    >>> cv_results = {"mean_test_acc": [0.86, 0.83, 0.84], "mean_test_dp": [-0.18, -0.05, -0.04]}
    >>> pareto_front(cv_results, "acc", "dp")
    array([0, 2])
    """
    if len(scores) < 2:
        raise ValueError(
            "pareto_front weighs two or more scores, such as pareto_front(cv_results, 'acc', 'dp')."
        )
    results, scoring = pooled_results(cv_results, scoring)
    criteria = {} if scoring is None else scoring.pooling.criteria
    counts = [] if scoring is None or not criteria.keys() & set(scores) else scoring.pooling.tables(results)
    table = np.column_stack(
        [
            [np.nan if one is None else criteria[name].score(one) for one in counts]
            if name in criteria
            else mean_scores(results, name)
            for name in scores
        ]
    )
    front = []
    for i, candidate in enumerate(table):
        at_least_as_good = (table >= candidate).all(1)
        better = at_least_as_good & ((table > candidate).any(1) | (np.arange(len(table)) < i))
        if np.isfinite(candidate).all() and not better.any():
            front.append(i)
    return np.array(sorted(front, key=lambda i: -table[i, 0]), dtype=np.intp)
