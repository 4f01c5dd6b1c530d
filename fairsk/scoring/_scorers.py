"""Scorers of disparity and of performance by group: callables ``scorer(estimator, X, y)``."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from numbers import Real
from typing import Any, Literal

from numpy.typing import NDArray

from fairsk._core.columns import Selector
from fairsk._core.groups import check_reference_given
from fairsk._core.messages import show
from fairsk._core.validation import check_choice
from fairsk.metrics._decisions.strata import OverStrata
from fairsk.rates import Comparison, Constraint, Method, Norm, get_constraint
from fairsk.scoring._measures import (
    Aggregate,
    Disparity,
    GroupPerformance,
    ScoredResponse,
    Tradeoff,
    check_labels,
)
from fairsk.scoring._sensitive_scorer import Performance, SensitiveScorer

__all__ = ["make_fair_scorer", "make_group_scorer", "make_tradeoff_scorer"]


def make_fair_scorer(
    constraint: str | Constraint,
    *,
    sensitive_features: Selector = None,
    comparison: Comparison = "difference",
    method: Method = "between_groups",
    reference: Hashable = None,
    norm: Norm = "max",
    strata: Selector = None,
    over_strata: OverStrata = "mean",
    response_method: ScoredResponse = "predict",
    pos_label: Any = None,
    grades: Sequence[Hashable] | NDArray[Any] | None = None,
) -> SensitiveScorer:
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
    comparison : {"difference", "ratio", "worst_group", "mean_difference"}, default="difference"
        Minus the largest difference (0 is best), the smallest ratio (1 is best), the rate of the group that
        is worst off (negated if a lower rate is better), or minus the mean difference over all pairs of
        groups.
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        What every group is compared with.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.
    norm : {"max", "l1", "l2"}, default="max"
        What the differences of two groups in several rates become: the largest, their sum, or the root of the
        sum of squares.
    strata : str, int, list of these, or callable, optional
        The column of X that is held constant: the disparity is measured within each of its values, and
        **averaged** by their sizes unless ``over_strata="worst"``. Metadata of this name override it.
    over_strata : {"mean", "worst"}, default="mean"
        What the disparities within the strata become, as in :func:`fairsk.metrics.disparity`: their average,
        or the worst. Thresholds and nets bound the **worst** stratum: a search for a model that keeps such a
        bound scores with ``"worst"``, for an average can prefer a model with one stratum far off.
    response_method : {"predict", "predict_proba"}, default="predict"
        Whether to compare decisions, or probabilities: the selection rate is then the mean probability,
        the true positive rate that of the positives, and so on, whatever the threshold.
    pos_label : label or list of labels, optional
        The positive label; by default the second of the estimator's two classes. Of more classes each is
        compared against the rest, and the **worst** class is the score; a label, or a list, names the ones
        that count.
    grades : sequence of labels, optional
        All classes from the worst to the best: what is compared is then who gets a grade or a better one,
        for every grade but the worst, or for those that ``pos_label`` names.

    Returns
    -------
    SensitiveScorer
        A callable ``scorer(estimator, X, y)``; it can be pickled and cloned.

    Raises
    ------
    ValueError
        If the constraint or the comparison is unknown, or the constraint does not have it; if there is a
        reference without ``method="to_reference"``, or that method without a reference; if a label is named
        twice, or is not one of the grades.

    See Also
    --------
    make_group_scorer : Any of scikit-learn's scores, of the worst group.
    best_under : Chooses among the candidates of a search under a bound on this score.
    fairsk.metrics.disparity : The same number, of predictions.

    Notes
    -----
    A scorer that reads a column sees it as it comes in: ``permutation_importance`` shuffles it with the
    other columns.

    The score is NaN where the disparity cannot be measured, in one of several rates, so that a search does
    not prefer such a candidate; also where it is in one of several classes, unless the labels alone leave
    nothing to measure there, which are the same for all candidates: such a class is passed over.

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

    Of grades, who gets a B or better, and who an A:

    >>> make_fair_scorer("demographic_parity", sensitive_features="sex", grades=["C", "B", "A"])
    make_fair_scorer('demographic_parity', sensitive_features='sex', grades=['C', 'B', 'A'])
    """
    pos_label, grades = check_labels(pos_label, grades)
    criterion = get_constraint(constraint)
    criterion.check_comparison(comparison, method, norm)
    check_choice("response_method", response_method, ScoredResponse)
    check_choice("over_strata", over_strata, OverStrata)
    check_reference_given(method, reference)
    disparity = Disparity(
        criterion, comparison, method, reference, pos_label, response_method, norm, over_strata, grades
    )
    first = repr(constraint) if isinstance(constraint, str) else constraint.name
    options = {
        "sensitive_features": (sensitive_features, None),
        "comparison": (comparison, "difference"),
        "method": (method, "between_groups"),
        "reference": (reference, None),
        "norm": (norm, "max"),
        "strata": (strata, None),
        "over_strata": (over_strata, "mean"),
        "response_method": (response_method, "predict"),
        "pos_label": (pos_label, None),
        "grades": (grades, None),
    }
    return SensitiveScorer(disparity, sensitive_features, _call("make_fair_scorer", [first], options), strata)


def make_group_scorer(
    scoring: Any,
    *,
    sensitive_features: Selector = None,
    comparison: Aggregate = "worst_group",
    pos_label: Any = None,
) -> SensitiveScorer:
    """Make a scorer of any performance by group: that of the worst group, or its largest difference.

    Parameters
    ----------
    scoring : str or scorer
        Name of a scikit-learn scorer, such as ``"accuracy"``, ``"roc_auc"`` or ``"neg_log_loss"``, or one
        made by :func:`sklearn.metrics.make_scorer`. Scores without a threshold work like the others.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of the X that goes into the estimator. Metadata of this name override it.
    comparison : {"worst_group", "difference", "overall"}, default="worst_group"
        The smallest score of a group, minus the largest difference between groups, or the score of all
        rows: the same as scikit-learn's own scorer, but handing the groups to ``predict`` if it asks for
        them, as thresholds that get their groups as metadata do.
    pos_label : label, optional
        The positive label, for scores that have one; by default scikit-learn's (1), or the second of the
        estimator's two classes if 1 is none of them.

    Returns
    -------
    SensitiveScorer
        A callable ``scorer(estimator, X, y)``; it can be pickled and cloned.

    Raises
    ------
    ValueError
        If the comparison is unknown, or scikit-learn has no scorer of that name.
    TypeError
        If ``scoring`` is no scikit-learn scorer.

    Warns
    -----
    UserWarning
        If the score is not defined in a group (such as the area under the curve where all labels are the
        same); the group is passed over, and named. So is what scikit-learn warns of in a group.

    See Also
    --------
    make_fair_scorer : The disparity of rates.
    make_tradeoff_scorer : Performance minus disparity.

    Notes
    -----
    A group's score is that of its rows alone, with the columns of scores still those of all classes. It is
    NaN where scikit-learn calls the score undefined, raises, returns an infinite value, or replaces 0 / 0 by
    a number: a precision of a group in which nobody is selected, an R2 of a constant target. Macro averages
    are over the classes for which they are defined. Of all rows, it is what scikit-learn's scorer returns.

    References
    ----------
    Sagawa et al., Distributionally Robust Neural Networks for Group Shifts, ICLR 2020, for the accuracy of
    the worst group.

    Examples
    --------
    >>> from fairsk.scoring import make_group_scorer
    >>> make_group_scorer("roc_auc", sensitive_features="sex", comparison="difference")
    make_group_scorer('roc_auc', sensitive_features='sex', comparison='difference')
    """
    check_choice("comparison", comparison, Aggregate)
    measure = GroupPerformance(Performance.of(scoring), comparison, pos_label)
    options = {
        "sensitive_features": (sensitive_features, None),
        "comparison": (comparison, "worst_group"),
        "pos_label": (pos_label, None),
    }
    return SensitiveScorer(measure, sensitive_features, _call("make_group_scorer", [repr(scoring)], options))


def make_tradeoff_scorer(
    scoring: Any,
    constraint: str | Constraint,
    *,
    weight: float = 1.0,
    sensitive_features: Selector = None,
    comparison: Literal["difference", "mean_difference"] = "difference",
    norm: Norm = "max",
    strata: Selector = None,
    over_strata: OverStrata = "mean",
    pos_label: Any = None,
    grades: Sequence[Hashable] | NDArray[Any] | None = None,
) -> SensitiveScorer:
    """Make a scorer of performance minus a weighted disparity: one number to maximise.

    A bound (:func:`best_under`) states a requirement more clearly than a weight; this is for tools that take
    a single score.

    Parameters
    ----------
    scoring : str or scorer
        Name of a scikit-learn scorer, or one made by :func:`sklearn.metrics.make_scorer`.
    constraint : str or Constraint
        Whose difference is subtracted.
    weight : float, default=1.0
        The weight of the difference, in units of the score; not negative.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of the X that goes into the estimator. Metadata of this name override it.
    comparison : {"difference", "mean_difference"}, default="difference"
        The largest difference between groups, or the mean over all pairs of groups.
    norm : {"max", "l1", "l2"}, default="max"
        What the differences of two groups in several rates become: the largest, their sum, or the root of the
        sum of squares.
    strata : str, int, list of these, or callable, optional
        The column of X that is held constant: the disparity is measured within each of its values, and
        **averaged** by their sizes unless ``over_strata="worst"``. Metadata of this name override it.
    over_strata : {"mean", "worst"}, default="mean"
        What the disparities within the strata become, as in :func:`fairsk.metrics.disparity`: their average,
        or the worst. Thresholds and nets bound the **worst** stratum: a search for a model that keeps such a
        bound scores with ``"worst"``, for an average can prefer a model with one stratum far off.
    pos_label : label or list of labels, optional
        The positive label of the disparity, and of scores that have one; by default the second of the
        estimator's two classes, and of a score scikit-learn's (1), if that is one of them. Of more classes
        the disparity is that of the worst one, or of the worst of those that are named.
    grades : sequence of labels, optional
        All classes from the worst to the best, as in :func:`make_fair_scorer`.

    Returns
    -------
    SensitiveScorer
        A callable ``scorer(estimator, X, y)``; it can be pickled and cloned.

    Raises
    ------
    ValueError
        If a name is unknown, the weight is negative, or a label is not one of the grades.

    See Also
    --------
    best_under : A bound in the place of a weight.
    make_fair_scorer : The disparity alone.

    Examples
    --------
    >>> from fairsk.scoring import make_tradeoff_scorer
    >>> make_tradeoff_scorer("accuracy", "equalized_odds", weight=0.5, sensitive_features="sex")
    make_tradeoff_scorer('accuracy', 'equalized_odds', weight=0.5, sensitive_features='sex')
    """
    if not isinstance(weight, Real) or not 0 <= weight < float("inf"):
        raise ValueError(f"weight must be a number, finite and not negative; got {show(weight)}.")
    pos_label, grades = check_labels(pos_label, grades)
    criterion = get_constraint(constraint)
    check_choice("comparison", comparison, Literal["difference", "mean_difference"])
    criterion.check_comparison(comparison, norm=norm)
    check_choice("over_strata", over_strata, OverStrata)
    disparity = Disparity(
        criterion, comparison, "between_groups", None, pos_label, "predict", norm, over_strata, grades
    )
    first = [repr(scoring), repr(constraint) if isinstance(constraint, str) else criterion.name]
    options = {
        "weight": (weight, 1.0),
        "sensitive_features": (sensitive_features, None),
        "comparison": (comparison, "difference"),
        "norm": (norm, "max"),
        "strata": (strata, None),
        "over_strata": (over_strata, "mean"),
        "pos_label": (pos_label, None),
        "grades": (grades, None),
    }
    measure = Tradeoff(Performance.of(scoring), disparity, weight)
    return SensitiveScorer(measure, sensitive_features, _call("make_tradeoff_scorer", first, options), strata)


def _call(function: str, first: list[str], options: dict[str, tuple[Any, Any]]) -> str:
    """Write the call that made a scorer, without the options that are at their default."""
    keywords = [
        f"{name}={value!r}"
        for name, (value, default) in options.items()
        if (value is not None if default is None else value != default)  # a selector may be an array
    ]
    return f"{function}({', '.join([*first, *keywords])})"
