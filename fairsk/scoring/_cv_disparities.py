"""Disparities of the candidates of a search, from counts summed over the folds, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fairsk._core.results import (
    Result,
    Table,
    amount,
    amount_with_interval,
    number,
    percent,
    row_count,
    with_interval,
)
from fairsk._core.typing import Floats
from fairsk.scoring._fold_tables import mean_scores
from fairsk.scoring._group_scoring import GroupScoring
from fairsk.scoring._pooling import NO_ESTIMATE, Criterion, Pooling
from fairsk.scoring._refit import BestUnderPooled
from fairsk.statistics._intervals import check_confidence
from fairsk.statistics._measures import GroupTable

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
    counts : tuple of GroupCounts, GroupAmounts or None
        The counts of each candidate, or the moments of its predicted amounts: for verdicts, contrasts and
        tables of rates.
    mean_scores : dict of str to array of shape (n_candidates,)
        The means over the folds of the other scores, such as the accuracy.
    chosen : int or None
        The candidate that the search has chosen.
    rule : str
        The :meth:`GroupScoring.best_under` by which it has; empty if it was not such a rule.
    bounds : array of shape (n_scores,)
        The bounds of the rule; NaN where there is none.
    beyond : array of shape (n_candidates, n_scores)
        By how much the end of the interval that decides (or the value, if ``require="value"``) is beyond the
        bound: the rule refuses a candidate in which one is above 0.
    classes : tuple of tuple of str, of shape (n_candidates, n_scores)
        Of several classes the one whose disparity it is, such as ``"gold"``, or ``"gold or better"`` of
        grades; empty if one of two classes is positive.
    of_amounts : bool
        Whether disparities are those of predicted amounts, differences being in their unit.
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
    counts: tuple[GroupTable | None, ...] = field(default=())
    mean_scores: Mapping[str, Floats] = field(default_factory=dict)
    chosen: int | None = None
    rule: str = ""
    bounds: Floats = field(default_factory=lambda: np.empty(0))
    beyond: Floats = field(default_factory=lambda: np.empty((0, 0)))
    classes: tuple[tuple[str, ...], ...] = ()
    of_amounts: bool = False

    def _tables(self) -> list[Table]:
        lines = [(i, j) for i in range(len(self.params)) for j in range(len(self.scores))]
        columns: dict[str, list[Any]] = {
            "candidate": [i for i, _ in lines],
            "chosen": [i == self.chosen for i, _ in lines],
            "score": [self.scores[j] for _, j in lines],
            "constraint": [self.constraints[j] for _, j in lines],
            "comparison": [self.comparisons[j] for _, j in lines],
        }
        if self.classes:
            columns["class"] = [self.classes[i][j] for i, j in lines]
        numbers = {"value": self.values, "low": self.low, "high": self.high, "beyond": self.beyond}
        numbers["mean_of_folds"] = self.fold_means
        columns["bound"] = [float(self.bounds[j]) for _, j in lines]
        columns |= {name: [float(table[line]) for line in lines] for name, table in numbers.items()}
        columns["n"] = [float(self.n[i]) for i, _ in lines]
        # Called as in cv_results_, where no other column here can be called so.
        columns |= {
            f"mean_test_{name}": [float(mean[i]) for i, _ in lines] for name, mean in self.mean_scores.items()
        }
        names = dict.fromkeys(name for params in self.params for name in params)
        columns |= {f"param_{name}": [_plain(self.params[i].get(name)) for i, _ in lines] for name in names}
        text = {name: list(map(number, column)) for name, column in columns.items()}
        in_units = [self.of_amounts and self.comparisons[j] != "ratio" for _, j in lines]
        text["value"] = [
            (amount_with_interval if has_unit else with_interval)(self.values[k], self.low[k], self.high[k])
            for k, has_unit in zip(lines, in_units, strict=True)
        ]
        text["n"] = ["-" if np.isnan(self.n[i]) else row_count(self.n[i]) for i, _ in lines]
        text["candidate"] = [f"{i} (chosen)" if i == self.chosen else str(i) for i, _ in lines]
        text["beyond"] = [number(beyond, 4) for beyond in columns["beyond"]]
        for name in ("mean_of_folds", "bound", "beyond"):
            shown = zip(columns[name], text[name], in_units, strict=True)
            text[name] = [amount(value) if has_unit else other for value, other, has_unit in shown]
        for name in ("chosen", "low", "high", "constraint", *(() if self.rule else ("bound", "beyond"))):
            del text[name]
        words = ["score", "comparison", "class", *(f"param_{name}" for name in names)]
        return [Table(columns, text, notes=self._notes(), words=words)]

    def _notes(self) -> list[str]:
        pooled = "amounts pooled" if self.of_amounts else "counts summed"
        notes = [
            f"Of {pooled} over the folds, with {percent(self.confidence)} intervals; beside them the "
            "mean of the folds."
        ]
        if self.rule:
            notes.append(f"Bounds of {self.rule}: its confidence holds for all of them together.")
        return notes


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


def _judged(
    rule: BestUnderPooled | None, names: list[str], tables: Sequence[GroupTable | None]
) -> dict[str, Floats]:
    """Return the bounds of a rule on scores of these names, and by how much candidates are beyond them."""
    bounds = {} if rule is None else rule.bounds
    beyond = {} if rule is None else rule.beyond(tables)
    nothing = np.full(len(tables), np.nan)
    table = [np.maximum(beyond.get(name, nothing), 0.0) for name in names]
    return {
        "bounds": np.array([bounds.get(name, np.nan) for name in names]),
        "beyond": np.array(table, dtype=float).reshape(len(names), len(tables)).T,
    }


def cv_disparities(
    results: Any, scoring: GroupScoring | None = None, *, confidence: float | None = None
) -> CVDisparities:
    """Return the disparities of every candidate, from counts summed over the folds, with intervals.

    Parameters
    ----------
    results : search or dict of arrays
        A fitted search that was scored by :class:`GroupScoring`; or its ``cv_results_``, or what
        ``cross_validate`` returned: one candidate.
    scoring : GroupScoring, optional
        What scored it; needed unless it is a search.
    confidence : float in (0, 1), optional
        The coverage probability of each interval, for all pairs of groups and rates of a constraint. By
        default .95; for a search whose ``refit`` is :meth:`GroupScoring.best_under`, that of the intervals by
        which the rule judges, which share its confidence: .975 for each of two bounds at .95.

    Returns
    -------
    CVDisparities
        A line per candidate and score, with the means of the other scores; ``.counts`` are the pooled
        counts. Of a fitted search it says which candidate is chosen, and of such a rule the bounds, and how
        far beyond them each candidate is.

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
    candidate  score  comparison                 value  mean_of_folds      n  mean_test_acc
    ---------------------------------------------------------------------------------------
    0          dp     difference  0.024 [0.000, 0.053]          0.041  1,000          0.702
    Of counts summed over the folds, with 95% intervals; beside them the mean of the folds.
    """
    search = results
    results, scoring = pooled_results(results, scoring)
    if not isinstance(scoring, GroupScoring):
        raise TypeError(
            "These results were not scored by GroupScoring, or it is not given: "
            "cv_disparities(results, scoring)."
        )
    rule = getattr(search, "refit", None) if scoring is getattr(search, "scoring", None) else None
    rule = rule if isinstance(rule, BestUnderPooled) else None
    if confidence is None:
        confidence = 0.95 if rule is None else rule.level
    check_confidence(confidence)
    pooling: Pooling = scoring.pooling
    tables = pooling.tables(results)
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
        n=np.array([np.nan if table is None else _n_rows(table) for table in tables]),
        params=tuple(map(dict, results.get("params", [{}] * len(tables)))),
        confidence=confidence,
        counts=tuple(tables),
        mean_scores={
            name: mean_scores(results, name)
            for name in scoring.scoring
            if name not in criteria and not {f"mean_test_{name}", f"test_{name}"}.isdisjoint(results)
        },
        chosen=getattr(search, "best_index_", None),
        rule="" if rule is None else repr(rule),
        classes=()
        if pooling.events is None
        else tuple(tuple(_worst_class(pooling, one, table) for one in criteria.values()) for table in tables),
        of_amounts=pooling.of_amounts,
        **_judged(rule, list(criteria), tables),
    )


def _n_rows(counts: GroupTable) -> float:
    """Return the number of rows, of which every class counts all."""
    return float((counts.n if counts.n.ndim == 1 else counts.n[:, 0]).sum())


def _worst_class(pooling: Pooling, criterion: Criterion, counts: GroupTable | None) -> str:
    """Return the class whose disparity it is, in words."""
    worst = None if counts is None else criterion.worst_class(counts)
    return "-" if worst is None else pooling.in_words(worst)
