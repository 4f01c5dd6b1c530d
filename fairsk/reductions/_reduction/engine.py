"""The reduction: a few weighted fits to prices on decisions, and one threshold on the average of two of them.

After each fit a linear program over all rules so far, by held-out rates, says what prices the next fit gets
(column generation). What predicts are the models of the folds, averaged: held-out scores say what they do to
rows they have not seen, which cannot be said of a model of all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from fairsk._core.messages import list_texts
from fairsk._sklearn.routing import ResponseMethod
from fairsk.reductions._bounded_rows import BoundedRows
from fairsk.reductions._final_threshold import ThresholdSweep, choose_threshold, distances_of_all
from fairsk.reductions._problem import Problem, Solution
from fairsk.reductions._reduction.models import AveragedModels, trained_alike
from fairsk.reductions._reduction.rules import Average
from fairsk.reductions._reduction.sample import sample_problem
from fairsk.reductions._reduction.search import PricedModel, Search

__all__ = ["reduce_under_bound"]


@dataclass(frozen=True)
class _Seen:
    """Models that serve further bounds: of the rows searched, and of all rows where these are more."""

    searched: list[PricedModel] = field(default_factory=list)
    of_all_rows: list[PricedModel] = field(default_factory=list)


def reduce_under_bound(
    problem: Problem, *, max_models: int = 8, response_method: ResponseMethod = "auto"
) -> Solution:
    """Fit any classifier to prices on decisions, and choose what decides under the bounds.

    Parameters
    ----------
    problem : Problem
        What to fit, to which rows, under which bounds.
    max_models : int, default=8
        The greatest number of prices that are fitted to.
    response_method : {"auto", "predict_proba", "decision_function"}, default="auto"
        Where scores come from.

    Returns
    -------
    Solution
        The fold models that decide, the threshold, and what was seen on the way.

    Raises
    ------
    ValueError
        If the denominator of a rate depends on the decisions, or weights cannot change the classifier.
    """
    _refuse_moving_denominators(problem.rows)
    problem = replace(
        problem,
        estimator=trained_alike(problem.estimator, len(problem.rows)),
        random_state=_seed(problem.random_state),
    )
    seen = problem.start.seen if problem.start is not None and problem.start.seen is not None else _Seen()
    searched = sample_problem(problem)
    search = Search(searched, response_method)
    mixture = search.run(max_models, seen.searched)
    average = search.rules.best(mixture)
    useful = {0, *average.shares, *np.flatnonzero(search.rules.shares(mixture)).tolist()}
    kept = [search.models[i] for i in sorted(useful)]
    if searched is problem:
        final, decides = search, average
        seen = _Seen(kept)
    else:
        final, decides = _fit_to_all(problem, search, average, seen.of_all_rows)
        seen = _Seen(kept, final.models)
    solution = _solution(problem, final, decides)
    counted = [search] if searched is problem else [search, final]
    return replace(
        solution,
        history=search.steps(average),
        multipliers=mixture.multipliers,
        n_models=len(problem.splits) * sum(each.n_fitted for each in counted),
        detail={
            "models": len(search.models),
            "rows_fitted": sum(each.rows_fitted for each in counted),
            "stopped": search.stopped,
        },
        seen=seen,
    )


def _fit_to_all(
    problem: Problem, search: Search, average: Average, seen: Sequence[PricedModel]
) -> tuple[Search, Average]:
    """Fit what was chosen, and what has no prices, to all rows; return these, and the average of them."""
    final = Search(problem, search.response_method, averages=False)
    position: dict[int, int] = {}
    for model in sorted({0, *average.shares}):
        position[model] = len(position)
        final.fit(search.models[model].multipliers, seen)
    decides = Average(position[average.first], position[average.second], average.share)
    if average.share:
        final.rules.add(decides)
    return final, decides


def _solution(problem: Problem, final: Search, decides: Average) -> Solution:
    """Choose the threshold of what decides; say what was reached without a bound, and by the best mixture."""
    rules, rows = final.rules, final.rows
    scores = rules.scores(decides)
    choice, margin = choose_threshold([ThresholdSweep(rows, scores)], problem.margin)
    parts = []
    for number, share in decides.shares.items():
        models = final.models[number].folds.models
        parts += [(model, share / len(models) / final.scale(number)) for model in models]
    models, shares = zip(*parts, strict=True)
    rules.distances = distances_of_all(margin.distances, rows)
    mixture = rules.solve()
    return Solution(
        AveragedModels(models, shares, final.response_method, problem.training.positive),
        choice.threshold,
        "probability" if final.response_method == "predict_proba" else "other",
        scores >= choice.threshold,
        margin,
        [],
        mixture.multipliers,
        1 - rules.least_error(),
        mixture.accuracy_limit(choice),
        0,
    )


def _seed(random_state: Any) -> int | None:
    """Return what every clone gets: the same for all, in whatever order they are fitted."""
    if random_state is None:
        return None
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def _refuse_moving_denominators(rows: BoundedRows) -> None:
    """Refuse rates of which no price per row follows that is right for all decisions."""
    moving = list(dict.fromkeys(rate.name for rate in rows.rates if not rate.has_fixed_denominator))
    if moving:
        raise ValueError(
            f"The denominator of {list_texts(moving)} depends on the decisions, so that no price per row "
            "follows of it, which engine='reduction' works with. Use engine='boosting' with an "
            "LGBMClassifier or XGBClassifier, thresholds per group (GroupThresholdOptimizer), or a "
            "constraint whose rates are shares of all rows, or of those with one label, such as "
            "'equalized_odds'."
        )
