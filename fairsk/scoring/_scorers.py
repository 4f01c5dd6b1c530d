"""Scorers of disparity and of performance by group: callables ``scorer(estimator, X, y)``."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from numbers import Real
from typing import Any, Literal

from numpy.typing import NDArray

from fairsk._core.columns import Selector
from fairsk._core.groups import check_reference_given
from fairsk._core.messages import did_you_mean, show
from fairsk._core.validation import check_choice
from fairsk.metrics._decisions.strata import OverStrata
from fairsk.rates import (
    AMOUNT_CONSTRAINTS,
    CONSTRAINTS,
    RATES,
    Comparison,
    Constraint,
    MeanRate,
    Method,
    Norm,
    get_amount_constraint,
    get_constraint,
)
from fairsk.rates._named_constraints import CONSTRAINTS_ALSO_CALLED
from fairsk.scoring._amount_measures import DISTANCES, AmountDisparity, Distance
from fairsk.scoring._classes import check_class_labels
from fairsk.scoring._measures import Aggregate, Disparity, GroupPerformance, ScoredResponse, Tradeoff
from fairsk.scoring._sensitive_scorer import Performance, SensitiveScorer

__all__ = ["criterion_of", "make_fair_scorer", "make_group_scorer", "make_tradeoff_scorer"]

#: A constraint of ConstrainedRegressor alone: it bounds, and compares nothing.
_CEILING = "bounded_group_loss"


def make_fair_scorer(
    constraint: str | Constraint | MeanRate,
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
    constraint : str, Constraint or MeanRate
        Which rates should agree, such as ``"demographic_parity"`` or ``"equalized_odds"``. Of a regressor,
        which means of predicted amounts: ``"mean_parity"``, ``"mean_error_parity"``, ``"error_parity"`` (mean
        squared errors), ``"absolute_error_parity"``, or your own. Or how far the distributions of the groups'
        predictions lie apart: ``"ks_distance"`` or ``"wasserstein_distance"``, of what a regressor predicts,
        or of a classifier's probabilities.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of the X that goes *into* the estimator; a list makes an intersection; a
        callable of X returns the values. Metadata of this name override it.
    comparison : {"difference", "ratio", "worst_group", "mean_difference"}, default="difference"
        Minus the largest difference (0 is best), the smallest ratio (1 is best), the rate of the group that
        is worst off (negated if a lower rate is better), or minus the mean difference over all pairs of
        groups. Distances are differences: minus that of the two groups that lie furthest apart.
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
        the true positive rate that of the positives, and so on, whatever the threshold. Amounts are what
        ``predict`` returns.
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
        If the constraint or the comparison is unknown, or the constraint does not have it (amounts have no
        positive labels, grades, probabilities or strata); if there is a
        reference without ``method="to_reference"``, or that method without a reference; if a label is named
        twice, or is not one of the grades.

    See Also
    --------
    make_group_scorer : Any of scikit-learn's scores, of the worst group: also a regressor's errors.
    best_under : Chooses among the candidates of a search under a bound on this score.
    fairsk.metrics.disparity, fairsk.metrics.amount_disparity : The same numbers, of predictions.

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
    pos_label, grades = check_class_labels(pos_label, grades)
    disparity = _disparity(
        constraint,
        comparison=comparison,
        method=method,
        reference=reference,
        norm=norm,
        over_strata=over_strata,
        response_method=response_method,
        pos_label=pos_label,
        grades=grades,
    )
    _refuse_strata(constraint, disparity, strata, over_strata)
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
    return SensitiveScorer(
        disparity, sensitive_features, _call("make_fair_scorer", [_named(constraint)], options), strata
    )


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
    constraint: str | Constraint | MeanRate,
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
    constraint : str, Constraint or MeanRate
        Whose difference is subtracted: of decisions, or of a regressor's predicted amounts, as in
        :func:`make_fair_scorer`.
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
    pos_label, grades = check_class_labels(pos_label, grades)
    check_choice("comparison", comparison, Literal["difference", "mean_difference"])
    disparity = _disparity(
        constraint,
        comparison=comparison,
        norm=norm,
        over_strata=over_strata,
        pos_label=pos_label,
        grades=grades,
    )
    _refuse_strata(constraint, disparity, strata, over_strata)
    first = [repr(scoring), _named(constraint)]
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


def _disparity(
    constraint: str | Constraint | MeanRate,
    *,
    comparison: Comparison,
    norm: Norm,
    over_strata: OverStrata,
    pos_label: Any,
    grades: Any,
    method: Method = "between_groups",
    reference: Hashable = None,
    response_method: ScoredResponse = "predict",
) -> Disparity | AmountDisparity | Distance:
    """Return the measure of a disparity: of decisions, of means of amounts, or of distributions."""
    check_choice("response_method", response_method, ScoredResponse)
    check_choice("over_strata", over_strata, OverStrata)
    if isinstance(constraint, str) and constraint in DISTANCES:
        check_choice("method", method, Method)
        check_reference_given(method, reference)
        if comparison != "difference" or norm != "max":
            raise ValueError(
                f"{constraint!r} is a distance between groups: leave out {comparison=} and {norm=}."
            )
        return Distance(constraint, method, reference, pos_label, response_method, grades)
    criterion = criterion_of(constraint)
    criterion.check_comparison(comparison, method, norm)
    check_reference_given(method, reference)
    if not criterion.is_of_amounts:
        return Disparity(
            criterion, comparison, method, reference, pos_label, response_method, norm, over_strata, grades
        )
    given = {"pos_label": pos_label, "grades": grades}
    for name in (name for name, value in given.items() if value is not None):
        raise ValueError(
            f"{criterion.name!r} compares predicted amounts, which have no {name}: leave it out."
        )
    if response_method != "predict":
        raise ValueError(f"{criterion.name!r} compares what predict returns: leave out {response_method=}.")
    return AmountDisparity(criterion, comparison, method, reference, norm)


def criterion_of(constraint: str | Constraint | MeanRate) -> Constraint:
    """Return the constraint of that name, of decisions or of amounts; a constraint as it is."""
    if isinstance(constraint, MeanRate) or (isinstance(constraint, str) and constraint in AMOUNT_CONSTRAINTS):
        return get_amount_constraint(constraint)
    if isinstance(constraint, Constraint):
        return constraint
    if isinstance(constraint, str) and constraint not in CONSTRAINTS:
        _refuse_unknown(constraint)
    return get_constraint(constraint)


def _refuse_unknown(constraint: str) -> None:
    """Refuse a name that is none, unless it is another name of a constraint on decisions."""
    if did_you_mean(constraint, [_CEILING]):
        raise ValueError(
            f"{show(constraint)} is no disparity: {_CEILING} is a bound on the loss of every group. To score "
            "the loss of the worst one, use make_fair_scorer('error_parity', comparison='worst_group')."
        )
    if constraint in CONSTRAINTS_ALSO_CALLED or constraint.removesuffix("_parity") in RATES:
        return
    of_amounts = [*AMOUNT_CONSTRAINTS, *DISTANCES]
    hint = did_you_mean(constraint, [*CONSTRAINTS, *of_amounts])
    raise ValueError(
        f"Unknown constraint {show(constraint)}.{hint} Of decisions there are {', '.join(CONSTRAINTS)}; of "
        f"amounts {', '.join(of_amounts)}."
    )


def _refuse_strata(constraint: Any, disparity: Any, strata: Selector, over_strata: OverStrata) -> None:
    """Refuse strata of what is not broken down by them."""
    if not disparity.takes_strata and (strata is not None or over_strata != "mean"):
        raise ValueError(
            f"{_named(constraint)} compares groups over all rows: leave out strata, over_strata."
        )


def _named(constraint: str | Constraint | MeanRate) -> str:
    """Return what a constraint is called in the call that made a scorer."""
    return repr(constraint) if isinstance(constraint, str) else constraint.name


def _call(function: str, first: list[str], options: dict[str, tuple[Any, Any]]) -> str:
    """Write the call that made a scorer, without the options that are at their default."""
    keywords = [
        f"{name}={value!r}"
        for name, (value, default) in options.items()
        if (value is not None if default is None else value != default)  # a selector may be an array
    ]
    return f"{function}({', '.join([*first, *keywords])})"
