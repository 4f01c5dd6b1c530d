"""The reduction for amounts: a few fits to prices on predictions, and the best combination of them.

What predicts are the models of the folds, averaged: held-out predictions say what they do to rows they have
not seen, which cannot be said of a model of all rows.
"""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from fairsk._core.typing import Floats
from fairsk.reductions._amounts.combination import Combination
from fairsk.reductions._amounts.problem import AmountProblem, AmountSolution
from fairsk.reductions._amounts.search import AmountSearch
from fairsk.reductions._reduction.models import trained_alike

__all__ = ["reduce_amounts"]

#: How often what can be kept of a margin is halved: to a hundredth.
_HALVINGS = 7


def reduce_amounts(
    problem: AmountProblem, *, max_models: int = 8, min_group_size: int = 30
) -> AmountSolution:
    """Fit any regressor to prices on predictions, and combine the models under the bound.

    Parameters
    ----------
    problem : AmountProblem
        What to fit, to which rows, under which bound.
    max_models : int, default=8
        The greatest number of prices that are fitted to.
    min_group_size : int, default=30
        How many rows of every covered group it takes to try prices on one split.

    Returns
    -------
    AmountSolution
        The fold models, what they predict for held-out rows, and what was seen on the way.
    """
    problem = replace(
        problem,
        estimator=trained_alike(problem.estimator, len(problem.rows)),
        random_state=_seed(problem.random_state),
    )
    search = AmountSearch(problem, min_group_size)
    best = search.run(max_models)
    best, distances = _with_margin(search, best)
    return AmountSolution(
        search.predictor(best),
        search.predicted(best),
        distances,
        search.steps(best),
        best.multipliers,
        search.rows.mean_loss(search.predictions(0)),
        search.n_fits,
        {"models": len(search.columns), "stopped": search.stopped},
        search.predictions(0),
    )


def _with_margin(search: AmountSearch, best: Combination) -> tuple[Combination, Floats | None]:
    """Return the best combination with as much of the margin as can be kept, and the distances kept."""
    wanted = search.distances
    if wanted is None or best.excess == 0:
        return best, wanted
    found = search.combine(np.zeros_like(wanted))
    kept, low, high = np.zeros_like(wanted), 0.0, 1.0
    if found.excess > 0:
        return found, kept
    for _ in range(_HALVINGS):
        share = (low + high) / 2
        tried = search.combine(share * wanted)
        if tried.excess > 0:
            high = share
        else:
            found, kept, low = tried, share * wanted, share
    return found, kept


def _seed(random_state: Any) -> int | None:
    """Return what every clone gets: the same for all, in whatever order they are fitted."""
    if random_state is None:
        return None
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
