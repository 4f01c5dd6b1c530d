"""Metrics per group: built-in and custom rates, and functions of labels and predictions or scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.counts import GroupCounts
from fairsk._core.messages import did_you_mean, show
from fairsk._core.results import library_of
from fairsk._core.typing import RandomStateLike
from fairsk._core.warnings import warn_user
from fairsk._sklearn.compat import BaseScorer
from fairsk.metrics._decisions.table import DEFAULT_RATES, SHARE_OF_SELECTED, GroupMetrics, check_columns
from fairsk.metrics._functions import GroupFunctionMetrics, function_name, measure_functions
from fairsk.rates import RATES, Constraint, Rate, get_rate

__all__ = ["group_metrics"]

#: What is measured per group: a rate, by name or itself, or a function of (y_true, y_pred or y_score).
Metric: TypeAlias = str | Rate | Callable[..., Any]

_T = TypeVar("_T")
#: Metrics without names of their own. Not any iterable: a dict of functions is one of names, so that a type
#: checker would take it for rates.
_Several: TypeAlias = Sequence[_T] | Set[_T] | Iterator[_T]


@overload
def group_metrics(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    *,
    metrics: str | Rate | _Several[str | Rate] | Mapping[str, str | Rate] | None = None,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    strata: Any = None,
    confidence: float | None = 0.95,
    min_group_size: int = 30,
) -> GroupMetrics: ...


@overload
def group_metrics(
    y_true: ArrayLike,
    y_pred: ArrayLike | None = None,
    *,
    y_score: ArrayLike | None = None,
    metrics: Metric | _Several[Metric] | Mapping[str, Metric],
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    metric_params: Mapping[str, Mapping[str, Any]] | None = None,
    pos_label: Any = None,
    confidence: float | None = 0.95,
    min_group_size: int = 30,
    n_resamples: int = 0,
    random_state: RandomStateLike = None,
) -> GroupFunctionMetrics: ...


def group_metrics(
    y_true: ArrayLike | None,
    y_pred: ArrayLike | None = None,
    *,
    y_score: ArrayLike | None = None,
    metrics: Metric | Iterable[Metric] | Mapping[str, Metric] | None = None,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    metric_params: Mapping[str, Mapping[str, Any]] | None = None,
    pos_label: Any = None,
    strata: Any = None,
    confidence: float | None = 0.95,
    min_group_size: int = 30,
    n_resamples: int = 0,
    random_state: RandomStateLike = None,
) -> GroupMetrics | GroupFunctionMetrics:
    """Tabulate rates, or any functions, per group: with intervals, the overall row, and the disparities.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or None
        Labels; or any targets, if ``metrics`` are functions of them. None where there are none, which is
        enough for the selection rate.
    y_pred : array-like of shape (n_samples,), optional
        Predicted labels (not scores), or predictions of any kind, if ``metrics`` are functions of them.
    y_score : array-like of shape (n_samples,) or (n_samples, n_classes), optional
        Scores, for functions that read them.
    metrics : str, Rate, callable, iterable of these, or dict of name to one, optional
        What is measured: built-in rates by name, a :class:`fairsk.Rate`, and functions
        ``f(y_true, y_pred)`` or ``f(y_true, y_score)`` that return a number, such as those of
        :mod:`sklearn.metrics`. A dict names the columns. By default selection, true positive and false
        positive rate, accuracy and precision; the selection rate alone if ``y_true`` is None. Among rates
        ``"share_of_selected"`` may stand: how many of all who are selected belong to the group, beside its
        share of all rows.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative. Functions must have a parameter of this name.
    metric_params : dict of str to dict, optional
        Further keyword arguments of a function, by its name in the table. Arrays, series, and lists of
        ``n_samples`` values have one value per row, and each group gets its own; all else is handed on.
    pos_label : label, optional
        The positive label; rates need it unless labels are 0 and 1, -1 and 1, or booleans. Functions then
        get labels, and predicted labels, as 1 where they equal it and 0 elsewhere.
    strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
        Values to hold constant: a table of rates is broken down by them too.
    confidence : float in (0, 1) or None, default=0.95
        The confidence of the intervals: Wilson's for rates, Newcombe's for differences and MOVER-R for
        ratios, the latter two for all pairs of groups at once. None leaves them out.
    min_group_size : int, default=30
        What is measured on fewer rows is marked with a star. Nothing is left out.
    n_resamples : int, default=0
        If one of the metrics is a function: how often the rows of every group are drawn with replacement, for
        an interval of each metric. 1000 is a good number; 0 draws nothing.
    random_state : int, Generator, RandomState or None, default=None
        Seed of the draws.

    Returns
    -------
    GroupMetrics or GroupFunctionMetrics
        The table; ``.frame()`` makes it a frame of the library that the data came in. It is made of counts
        (``.counts``) if all metrics are rates, and of rows if one of them is a function.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, the positive label cannot be told, two columns would have
        the same name, an option is out of its range, a function would drop the weights, or it cannot be told
        whether it reads ``y_pred`` or ``y_score`` where both are given.
    TypeError
        If a function returns no number, a metric is a scorer (which is called with an estimator), or its name
        is no text.

    Warns
    -----
    UserWarning
        If a metric cannot be measured in a group: a rate with an empty denominator, a function that raises
        ``ValueError`` or that scikit-learn calls undefined (``UndefinedMetricWarning``), as where a group has
        one label only, and one of scikit-learn's that is infinite, or that explains the variation of a
        constant target. It is NaN there, comparisons pass over it, and the group is named.

    See Also
    --------
    disparity : One number, of any constraint.
    score_metrics : The metrics of scores from one sort, with intervals that need no resampling.
    regression_metrics : The same for predicted numbers.
    fairsk.statistics : Contrasts, tests, verdicts and the bootstrap, all from ``.counts``.

    Notes
    -----
    Where ``y_pred`` and ``y_score`` are both given, a function reads the one that its second parameter is
    called after; rates read ``y_pred``, and scikit-learn's ``log_loss`` reads ``y_score``. Functions with
    ``labels=None`` that average over classes are told all labels, so that a group which lacks a class does
    not silently leave it out.

    The bootstrap draws rows within groups, so that groups keep their size. Its intervals of values are
    percentiles; those of differences hold for all pairs of groups at once
    (``GroupFunctionMetrics.difference_interval``).

    Examples
    --------
    >>> from fairsk.metrics import group_metrics
    >>> y_true = [1, 1, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 1, 0, 1, 0]
    >>> table = group_metrics(y_true, y_pred, sensitive_features=list("aaaabbbb"), confidence=None,
    ...                       metrics=["selection_rate", "true_positive_rate"], min_group_size=4)
    >>> print(table)
    group    n  selection_rate  true_positive_rate
    ----------------------------------------------
    a        4           0.750              1.000*
    b        4           0.500              0.500*
    overall  8           0.625              0.750
    * measured on fewer than 4 rows
    <BLANKLINE>
    rate                difference  ratio  lowest  highest
    ------------------------------------------------------
    selection_rate           0.250  0.667  b       a
    true_positive_rate       0.500  0.500  b       a

    Any function, with a column of its own that has a value per row:

    >>> import numpy as np
    >>> from sklearn.metrics import matthews_corrcoef
    >>> def cost(y_true, y_pred, *, amount):
    ...     return np.mean(amount * (y_true != y_pred))
    >>> print(group_metrics(y_true, y_pred, sensitive_features=list("aaaabbbb"), min_group_size=4,
    ...                     metrics={"mcc": matthews_corrcoef, "cost": cost},
    ...                     metric_params={"cost": {"amount": np.array([1, 1, 8, 1, 1, 2, 2, 1])}}))
    group    n    mcc   cost
    ------------------------
    a        4  0.577  2.000
    b        4  0.000  1.000
    overall  8  0.258  1.500
    <BLANKLINE>
    metric  difference  ratio  lowest  highest
    ------------------------------------------
    mcc          0.577  0.000  b       a
    cost         1.000  0.500  b       a
    """
    by_name = _by_name(DEFAULT_RATES if y_true is not None else "selection_rate", metrics)
    with_shares = by_name.pop(SHARE_OF_SELECTED, None) == SHARE_OF_SELECTED
    if all(isinstance(metric, Rate) for metric in by_name.values()):
        of_functions = {
            "y_score": y_score,
            "metric_params": metric_params,
            "n_resamples": n_resamples or None,
        }
        for name, value in of_functions.items():
            if value is not None:
                raise ValueError(f"{name} is for functions, and all of these metrics are rates.")
        if y_pred is None:
            raise ValueError("Rates are of decisions: give y_pred.")
        counts = GroupCounts.from_predictions(
            y_true,
            y_pred,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            pos_label=pos_label,
            strata=strata,
        )
        rates: list[str | Rate] = [metric for metric in by_name.values() if isinstance(metric, Rate)]
        table = GroupMetrics(
            counts,
            [*([SHARE_OF_SELECTED] if with_shares else []), *rates],
            confidence=confidence,
            min_group_size=min_group_size,
            library=library_of(sensitive_features, y_true, y_pred),
        )
        _warn_undefined(table)
        return table
    if with_shares:
        raise ValueError(
            f"{SHARE_OF_SELECTED} is made of the counts of all groups and stands in tables of rates: ask for "
            "it in a call without functions."
        )
    if strata is not None:
        raise ValueError(
            "strata= breaks down tables of rates; for functions make the strata a further column of "
            "sensitive_features."
        )
    if y_pred is None and y_score is None:
        raise ValueError("Functions need y_pred or y_score.")
    return measure_functions(
        {name: metric for name, metric in by_name.items() if not isinstance(metric, str)},
        y_true=y_true,
        y_pred=y_pred,
        y_score=y_score,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        metric_params=metric_params or {},
        pos_label=pos_label,
        confidence=confidence,
        min_group_size=min_group_size,
        n_resamples=n_resamples,
        random_state=random_state,
    )


def _warn_undefined(table: GroupMetrics) -> None:
    """Warn of the rates, and of the share of the selected, that cannot be measured."""
    table.counts.warn_undefined(*table.measured_rates, fewest=0)
    if np.isnan(table.shares.get(SHARE_OF_SELECTED, np.zeros(1))).any():
        somewhere = "" if table.counts.strata is None else ", in some strata"
        warn_user(f"{SHARE_OF_SELECTED} cannot be measured: nobody is selected{somewhere}.")


def _by_name(
    default: Any, metrics: Metric | Iterable[Metric] | Mapping[str, Metric] | None
) -> dict[str, Rate | Callable[..., Any] | str]:
    """Return rates and functions, and the share of the selected, by the names that their columns have."""
    if metrics is None:
        metrics = default
    if isinstance(metrics, Mapping):
        if no_text := [name for name in metrics if not isinstance(name, str)]:
            raise TypeError(f"A dict of metrics names the columns by text; got the name {no_text[0]!r}.")
        check_columns(metrics)
        for name, metric in metrics.items():
            if _is_share(metric) and name != SHARE_OF_SELECTED:
                raise ValueError(f"{SHARE_OF_SELECTED} has two columns, and keeps its name; got {name!r}.")
        return {name: _renamed(metric, name) for name, metric in metrics.items()}
    is_single = isinstance(metrics, str | Rate | Constraint) or callable(metrics)
    listed: list[Any] = [metrics] if is_single else list(metrics or ())  # type: ignore[arg-type]
    measures = [_renamed(metric) for metric in listed]
    names = [_column(metric) for metric in measures]
    check_columns(names)
    return dict(zip(names, measures, strict=True))


def _is_share(metric: Metric) -> bool:
    """Whether the share of the selected is asked for, which is no rate of a group's own counts."""
    return isinstance(metric, str) and metric == SHARE_OF_SELECTED


def _column(metric: Rate | Callable[..., Any] | str) -> str:
    """Return the name of a metric's column."""
    if isinstance(metric, str):
        return metric
    return metric.name if isinstance(metric, Rate) else function_name(metric)


def _renamed(metric: Metric, name: str | None = None) -> Rate | Callable[..., Any] | str:
    """Return a rate under the name of its column, a function, or the share of the selected."""
    if _is_share(metric):
        return SHARE_OF_SELECTED
    if isinstance(metric, str | Rate | Constraint):  # for a constraint, the error says which rates it has
        try:
            rate = get_rate(metric)
        except ValueError as error:
            if not str(error).startswith("Unknown rate"):
                raise  # a constraint: which rates it is about
            names = [*RATES, SHARE_OF_SELECTED]
            raise ValueError(
                f"Unknown rate {show(metric)}.{did_you_mean(metric, names)} Built in: {', '.join(names)}."
            ) from None
        return rate if name is None else replace(rate, name=name)
    if not callable(metric):
        raise TypeError(f"A metric is the name of a rate, a Rate or a function; got {show(metric)}.")
    if isinstance(metric, BaseScorer):
        raise TypeError(
            f"{show(metric)} is a scorer, which is called with an estimator and X. Here give the function of "
            "labels and predictions that it was made of; scorers are for scoring= of scikit-learn's searches."
        )
    return metric
