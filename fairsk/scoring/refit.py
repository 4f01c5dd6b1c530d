"""Scorers for scikit-learn's searches and cross-validation, and rules that choose among candidates."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairsk._sklearn import SensitiveScorer
from fairsk.counts import GroupCounts
from fairsk.groups import Selector
from fairsk.labels import positive_class
from fairsk.rates import Comparison, Constraint, Method, get_constraint

__all__ = ["BestUnder", "FairScorer", "best_under", "make_fair_scorer", "pareto_front"]


@dataclass(frozen=True)
class _Disparity:
    """A constraint's comparison as a function of labels and predictions."""

    constraint: Constraint
    comparison: Comparison
    method: Method
    reference: Hashable
    pos_label: Any

    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sensitive_features: Any = None,
        sample_weight: ArrayLike | None = None,
        classes: NDArray[Any] | None = None,
    ) -> float:
        if sensitive_features is None:
            raise ValueError(
                "This scorer was called without X and without groups, as TunedThresholdClassifierCV does. "
                "Pass sensitive_features= to fit as metadata, with metadata routing enabled, or use "
                "GroupThresholdOptimizer, which reads the column."
            )
        pos_label = self.pos_label
        if classes is not None:
            pos_label = positive_class(np.asarray(classes), pos_label)
        counts = GroupCounts.from_predictions(
            y_true,
            y_pred,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            pos_label=pos_label,
            classes=classes,
        )
        return counts.compare(self.constraint, self.comparison, method=self.method, reference=self.reference)


class FairScorer(SensitiveScorer):
    """A scorer made by :func:`make_fair_scorer`; call it as ``scorer(estimator, X, y)``."""

    def __init__(self, measure: _Disparity, sign: int, sensitive_features: Selector, shown: str) -> None:
        super().__init__(measure, sign, sensitive_features)
        self._shown = shown

    def __repr__(self) -> str:
        return self._shown


def make_fair_scorer(
    constraint: str | Constraint,
    *,
    sensitive_features: Selector = None,
    comparison: Comparison = "difference",
    method: Method = "between_groups",
    reference: Hashable = None,
    pos_label: Any = None,
) -> FairScorer:
    """Make a scorer of a fairness constraint: greater is better, so differences are negated.

    It works in ``GridSearchCV``, ``cross_validate`` and all of scikit-learn's other tools that take a
    scorer, with metadata routing off (name the column) or on (name the column, or pass
    ``sensitive_features`` as metadata).

    Parameters
    ----------
    constraint : str or Constraint
        Which rates should agree, such as ``"demographic_parity"`` or ``"equalized_odds"``.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of the X that goes *into* the estimator; a list makes an intersection; a
        callable of X returns the values. Metadata of this name override it.
    comparison : {"difference", "ratio", "worst_group"}, default="difference"
        Minus the largest difference (0 is best), the smallest ratio (1 is best), or the rate of the
        group that is worst off (negated if a lower rate is better).
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        What every group is compared with.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.
    pos_label : label, optional
        The positive label; by default the second of the estimator's two classes.

    Returns
    -------
    FairScorer
        A callable ``scorer(estimator, X, y)``; it can be pickled and cloned.

    Raises
    ------
    ValueError
        If the constraint or the comparison is unknown.

    Notes
    -----
    A scorer that reads a column sees it as it comes in: ``permutation_importance`` shuffles it with the
    other columns.

    Examples
    --------
    >>> from fairsk.datasets import load_german_credit
    >>> from fairsk.scoring import make_fair_scorer
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.model_selection import cross_val_score
    >>> X, y = load_german_credit(return_X_y=True)
    >>> scorer = make_fair_scorer("demographic_parity", sensitive_features="sex")
    >>> scorer
    make_fair_scorer('demographic_parity', sensitive_features='sex')
    >>> cross_val_score(DummyClassifier(), X, y, scoring=scorer, cv=3)  # everyone is selected: no gap
    array([-0., -0., -0.])
    """
    chosen = get_constraint(constraint)
    choices = {
        "comparison": (comparison, ("difference", "ratio", "worst_group")),
        "method": (method, ("between_groups", "to_overall", "to_reference")),
    }
    for name, (value, allowed) in choices.items():
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}; got {value!r}.")
    if comparison == "worst_group" and len(chosen.rates) != 1:
        raise ValueError(f"worst_group needs a constraint with one rate; {chosen.name} has several.")
    if comparison == "worst_group" and method != "between_groups":
        raise ValueError(f"worst_group is a rate and compares with nothing: leave out {method=}.")
    lower_is_better = comparison == "difference" or (
        comparison == "worst_group" and chosen.rates[0].lower_is_better
    )
    given = {
        "sensitive_features": (sensitive_features, None),
        "comparison": (comparison, "difference"),
        "method": (method, "between_groups"),
        "reference": (reference, None),
        "pos_label": (pos_label, None),
    }
    first = repr(constraint) if isinstance(constraint, str) else constraint.name
    options = [f"{name}={value!r}" for name, (value, default) in given.items() if value != default]
    return FairScorer(
        _Disparity(chosen, comparison, method, reference, pos_label),
        -1 if lower_is_better else 1,
        sensitive_features,
        f"make_fair_scorer({', '.join([first, *options])})",
    )


def _mean_scores(cv_results: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    key = f"mean_test_{name}"
    if key not in cv_results:
        known = [k.removeprefix("mean_test_") for k in cv_results if k.startswith("mean_test_")]
        raise ValueError(f"There is no scorer {name!r}; the scorers are: {', '.join(known)}.")
    return np.asarray(cv_results[key], dtype=float)


@dataclass(frozen=True)
class BestUnder:
    """The rule made by :func:`best_under`; call it with ``cv_results_`` for the index of the winner."""

    score: str
    at_most: tuple[tuple[str, float], ...]
    at_least: tuple[tuple[str, float], ...]

    def __call__(self, cv_results: Mapping[str, Any]) -> int:
        """Return the index of the best candidate that meets the bounds.

        Parameters
        ----------
        cv_results : dict of arrays
            The ``cv_results_`` of a search.

        Returns
        -------
        int
            Its position among the candidates.
        """
        score = _mean_scores(cv_results, self.score)
        excess = np.zeros_like(score)
        for name, bound in self.at_most:
            values = _mean_scores(cv_results, name)
            if np.nanmax(values, initial=-np.inf) > 0:
                raise ValueError(
                    f"{name}={bound} bounds a disparity from above, but the scores of {name!r} are positive: "
                    f"it is not a negated difference. For a ratio write at_least={{{name!r}: {bound}}}."
                )
            excess = np.maximum(excess, -values - bound)
        for name, bound in self.at_least:
            excess = np.maximum(excess, bound - _mean_scores(cv_results, name))
        if not np.isfinite(score + excess).any():
            raise ValueError(
                "Every candidate has a score of NaN: none can be chosen. Run the search with "
                'error_score="raise" to see why.'
            )
        excess = np.where(np.isfinite(score + excess), excess, np.inf)
        feasible = excess <= 1e-12  # room for rounding in the mean over folds
        if not feasible.any():
            winner = int(np.lexsort((-score, excess))[0])
            warnings.warn(
                f"No candidate meets {self!r}: the least disparate one is chosen, which exceeds a bound by "
                f"{excess[winner]:.4f}. Widen the bound or the search.",
                UserWarning,
                stacklevel=2,
            )
            return winner
        return int(np.argmax(np.where(feasible, score, -np.inf)))

    def __repr__(self) -> str:
        bounds = [f"{name}={bound}" for name, bound in self.at_most]
        if self.at_least:
            bounds.append(f"at_least={dict(self.at_least)}")
        return f"best_under({', '.join([repr(self.score), *bounds])})"


def best_under(score: str, /, *, at_least: Mapping[str, float] | None = None, **at_most: float) -> BestUnder:
    """Choose the candidate with the best score among those within a disparity bound.

    Give it to a search as ``refit``. If no candidate is within the bounds, the one that exceeds them
    least is chosen, with a warning.

    Parameters
    ----------
    score : str
        Name of the scorer to maximise (``"score"`` in a search with one scorer).
    at_least : dict of str to float, optional
        Smallest mean test score of ratio scorers, such as ``{"dp_ratio": 0.8}``.
    **at_most : float
        Largest mean disparity of difference scorers, such as ``dp=0.05``.

    Returns
    -------
    BestUnder
        A callable of ``cv_results_``; it can be pickled and cloned.

    Raises
    ------
    ValueError
        If no bound is given, or a bound is negative or not finite.

    Examples
    --------
    >>> from fairsk.scoring import best_under
    >>> rule = best_under("acc", dp=0.05)
    >>> rule
    best_under('acc', dp=0.05)
    >>> rule({"mean_test_acc": [0.86, 0.84, 0.83], "mean_test_dp": [-0.18, -0.04, -0.01]})
    1
    """
    bounds = {**at_most, **(at_least or {})}
    if not bounds:
        raise ValueError("best_under needs a bound, such as best_under('acc', dp=0.05).")
    for name, bound in bounds.items():
        if not 0 <= bound < np.inf:
            raise ValueError(f"The bound {name}={bound} must be finite and not negative.")
    return BestUnder(score, tuple(at_most.items()), tuple((at_least or {}).items()))


def pareto_front(cv_results: Mapping[str, Any], *scores: str) -> NDArray[np.intp]:
    """Return the candidates of a search that no other candidate beats on every score.

    Parameters
    ----------
    cv_results : dict of arrays
        The ``cv_results_`` of a search.
    *scores : str
        Names of two or more scorers; greater is better.

    Returns
    -------
    array of int
        Positions among the candidates, from the best on the first score to the worst; of candidates
        with equal scores the first. Candidates with a NaN are left out.

    Raises
    ------
    ValueError
        If a scorer is unknown or fewer than two are named.

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
    table = np.column_stack([_mean_scores(cv_results, name) for name in scores])
    front = []
    for i, row in enumerate(table):
        at_least_as_good = (table >= row).all(1)
        better = at_least_as_good & ((table > row).any(1) | (np.arange(len(table)) < i))
        if np.isfinite(row).all() and not better.any():
            front.append(i)
    return np.array(sorted(front, key=lambda i: -table[i, 0]), dtype=np.intp)
