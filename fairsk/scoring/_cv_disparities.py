"""Disparities of the candidates of a search, from counts summed over the folds, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.results import Result, Table, number, percent, row_count, with_interval
from fairsk._core.typing import Floats
from fairsk.scoring._group_scoring import GroupScoring
from fairsk.scoring._pooling import NO_ESTIMATE, Pooling, mean_scores
from fairsk.statistics._intervals import check_confidence

__all__ = ["CVDisparities", "cv_disparities", "pooled_results"]


@dataclass(frozen=True, eq=False, repr=False)
class CVDisparities(Result):
    """The pooled disparities of every candidate of a search. Prints and renders itself.

    Parameters
    ----------
    scores, constraints, comparisons : tuple of str, of length n_scores
        The scores that counts give, by the names in the scoring; their constraints; whether each is a
        difference or a ratio.
    values, low, high : array of shape (n_candidates, n_scores)
        The disparities of counts summed over the folds, and their intervals; NaN where scoring failed, and
        where there is nothing to measure.
    fold_means : array of shape (n_candidates, n_scores)
        The means over the folds of the disparities of each: biased, the more the smaller the groups.
    n : array of shape (n_candidates,)
        The (weighted) number of rows that were tested.
    params : tuple of dict
        The parameters of each candidate; empty for ``cross_validate``.
    confidence : float
        The coverage probability of each interval, for all pairs of groups and rates at once.
    counts : tuple of GroupCounts or None
        The counts of each candidate: for verdicts, contrasts and tables of rates.
    """

    scores: tuple[str, ...]
    constraints: tuple[str, ...]
    comparisons: tuple[str, ...]
    values: Floats
    low: Floats
    high: Floats
    fold_means: Floats
    n: Floats
    params: tuple[Mapping[str, Any], ...]
    confidence: float
    counts: tuple[GroupCounts | None, ...] = field(default=())

    def _tables(self) -> list[Table]:
        lines = [(i, j) for i in range(len(self.params)) for j in range(len(self.scores))]
        columns: dict[str, list[Any]] = {
            "candidate": [i for i, _ in lines],
            "score": [self.scores[j] for _, j in lines],
            "constraint": [self.constraints[j] for _, j in lines],
            "comparison": [self.comparisons[j] for _, j in lines],
        }
        numbers = {"value": self.values, "low": self.low, "high": self.high, "mean_of_folds": self.fold_means}
        columns |= {name: [float(table[line]) for line in lines] for name, table in numbers.items()}
        columns["n"] = [float(self.n[i]) for i, _ in lines]
        names = dict.fromkeys(name for params in self.params for name in params)
        columns |= {f"param_{name}": [_plain(self.params[i].get(name)) for i, _ in lines] for name in names}
        text = {name: list(map(number, column)) for name, column in columns.items()}
        text["value"] = [with_interval(self.values[k], self.low[k], self.high[k]) for k in lines]
        text["n"] = ["-" if np.isnan(self.n[i]) else row_count(self.n[i]) for i, _ in lines]
        del text["low"], text["high"], text["constraint"]
        note = (
            f"Of counts summed over the folds, with {percent(self.confidence)} intervals; beside them the "
            "mean of the folds."
        )
        words = ["score", "comparison", *(f"param_{name}" for name in names)]
        return [Table(columns, text, notes=[note], words=words)]


def _plain(value: Any) -> Any:
    """Return a parameter as a frame can hold it."""
    return value if isinstance(value, bool | int | float | str | None) else repr(value)


def pooled_results(
    results: Any, scoring: GroupScoring | None
) -> tuple[Mapping[str, Any], GroupScoring | None]:
    """Return the results of a search, or results as they are, and the scoring that counts groups, if any."""
    if isinstance(results, Mapping):
        return results, scoring
    if not hasattr(results, "cv_results_"):
        raise TypeError(
            "Give a fitted search, its cv_results_, or what cross_validate returned; got "
            f"{type(results).__name__}{'' if not hasattr(results, 'fit') else ', which is not fitted'}."
        )
    own = getattr(results, "scoring", None)
    return results.cv_results_, scoring or (own if isinstance(own, GroupScoring) else None)


def cv_disparities(
    results: Any, scoring: GroupScoring | None = None, *, confidence: float = 0.95
) -> CVDisparities:
    """Return the disparities of every candidate, from counts summed over the folds, with intervals.

    Parameters
    ----------
    results : search or dict of arrays
        A fitted search that was scored by :class:`GroupScoring`; or its ``cv_results_``, or what
        ``cross_validate`` returned: one candidate.
    scoring : GroupScoring, optional
        What scored it; needed unless it is a search.
    confidence : float in (0, 1), default=0.95
        The coverage probability of each interval, for all pairs of groups and rates of a constraint.

    Returns
    -------
    CVDisparities
        A line per candidate and score; ``.counts`` are the pooled counts.

    Raises
    ------
    TypeError
        If the results are none of these, or were not scored by :class:`GroupScoring`.
    ValueError
        If they hold the counts of other groups, or the confidence is no probability.

    See Also
    --------
    GroupScoring : Scores such a search.
    pareto_front : The candidates that no other one beats.
    fairsk.statistics.verdict : One disparity against a tolerance.

    Examples
    --------
    >>> from fairsk.datasets import load_german_credit
    >>> from fairsk.scoring import GroupScoring, cv_disparities
    >>> from sklearn.model_selection import cross_validate
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> X, y = load_german_credit(return_X_y=True)
    >>> X = X.select_dtypes("number").assign(sex=X["sex"] == "male")
    >>> scores = {"acc": "accuracy", "dp": "demographic_parity"}
    >>> scoring = GroupScoring(scores, sensitive_features="sex").of(X)
    >>> tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    >>> print(cv_disparities(cross_validate(tree, X, y, scoring=scoring), scoring))
    candidate  score  comparison                 value  mean_of_folds      n
    ------------------------------------------------------------------------
    0          dp     difference  0.024 [0.000, 0.053]          0.041  1,000
    Of counts summed over the folds, with 95% intervals; beside them the mean of the folds.
    """
    check_confidence(confidence)
    results, scoring = pooled_results(results, scoring)
    if not isinstance(scoring, GroupScoring):
        raise TypeError(
            "These results were not scored by GroupScoring, or it is not given: "
            "cv_disparities(results, scoring)."
        )
    pooling: Pooling = scoring.pooling
    tables = pooling.counts(results)
    criteria = pooling.criteria
    estimates = [
        [NO_ESTIMATE if table is None else one.estimate(table, confidence) for one in criteria.values()]
        for table in tables
    ]
    shape = (len(tables), len(criteria), 3)
    values, low, high = np.array(estimates, dtype=float).reshape(shape).transpose(2, 0, 1)
    means = [one.signed(mean_scores(results, name)) for name, one in criteria.items()]
    return CVDisparities(
        scores=tuple(criteria),
        constraints=tuple(one.constraint.name for one in criteria.values()),
        comparisons=tuple(one.comparison for one in criteria.values()),
        values=values,
        low=low,
        high=high,
        fold_means=np.array(means, dtype=float).reshape(shape[1::-1]).T,
        n=np.array([np.nan if table is None else table.n.sum() for table in tables]),
        params=tuple(map(dict, results.get("params", [{}] * len(tables)))),
        confidence=confidence,
        counts=tuple(tables),
    )
