"""``audit_predictions`` and ``audit_models``: reports of rows, counts, or fitted models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from fairsk._core.columns import (
    SensitiveColumns,
    has_functions,
    names_columns,
    refuse_shuffled,
    sensitive_columns,
    value_columns,
)
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import attribute_name
from fairsk._core.histograms import ScoreHistograms
from fairsk._core.labels import positive_class
from fairsk._core.messages import show
from fairsk._core.results import library_of, plain
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.routing import call
from fairsk.audit._data.dataset import audit_dataset
from fairsk.audit._evidence import Evidence, with_unknown
from fairsk.audit._policy import as_policy
from fairsk.audit._report.asked import Asked, need_median
from fairsk.audit._report.attached import attached_state
from fairsk.audit._report.report import AuditReport
from fairsk.metrics._functions import function_name
from fairsk.metrics._group_metrics import group_metrics
from fairsk.rates import Constraint, Rate, get_rate

__all__ = ["audit_models", "audit_predictions"]

#: What the only model of a report is called.
_UNNAMED = ""


def audit_predictions(
    y_true: Any = None,
    y_pred: Any = None,
    *,
    sensitive_features: Any = None,
    y_score: Any = None,
    sample_weight: Any = None,
    strata: Any = None,
    frame: Any = None,
    counts: GroupCounts | None = None,
    histograms: ScoreHistograms | None = None,
    X: Any = None,
    constraint: str | Constraint | Sequence[str | Constraint] | None = None,
    max_difference: float | Sequence[float | None] | None = None,
    min_ratio: float | Sequence[float | None] | None = None,
    reference: Any = None,
    policy: Any = None,
    pos_label: Any = None,
    intersections: bool = True,
    metrics: Any = None,
    profiles: Any = (),
    confidence: float | None = None,
    min_group_size: int | None = None,
    min_cell: int | None = None,
    bins: int = 64,
    attached: Any = (),
    title: str = "Audit of predictions",
    provenance: Mapping[str, Any] | None = None,
) -> AuditReport:
    """Audit predictions: who is selected, how often that is right, and whether a bound is kept.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,), str, or None
        Labels; with ``frame`` the name of their column. None where there are none: criteria that need labels
        are then not applicable.
    y_pred : array-like of shape (n_samples,) or str, optional
        Predicted labels. With scores alone, the decision is whether a score lies above the median of all.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), str or list of str
        The group of each row; of several columns, each is audited, and their intersection. A missing value is
        the group "(unknown)": it is counted, and compared with no other. With ``X`` also a callable of it, or
        a list of columns with callables.
    y_score : array-like of shape (n_samples,) or str, optional
        Scores that grow with the probability of the positive label, for calibration and areas under the ROC
        curve per group. They are kept as histograms.
    sample_weight : array-like of shape (n_samples,) or str, optional
        Weight of each row, not negative.
    strata : array-like of shape (n_samples,) or (n_samples, n_columns), str or list of str, optional
        Values to hold constant (control columns): bounds are then asked for within each. With ``X`` as above.
    frame : frame or table, optional
        Of pandas, polars (lazy too), pyarrow, DuckDB, PySpark, Dask or Ibis. All of the above are then names
        of its columns, and the rows are counted where they are.
    counts : GroupCounts, optional
        Counts that were made elsewhere, in place of rows; its names are the attributes.
    histograms : ScoreHistograms, optional
        Histograms of scores beside ``counts``.
    X : frame or array-like of shape (n_samples, n_columns), optional
        The features: the data are audited too (:func:`audit_dataset`), and what that finds is part of the
        report as it is stated, for it cannot be recomputed.
    constraint : str, Constraint, or sequence of these, optional
        What is asked. By default demographic parity where there is a bound, and five common criteria where
        there is none.
    max_difference, min_ratio : float or sequence of float or None, optional
        How large the difference between groups may be, or how small the ratio. Without either, disparities
        are measured and not judged.
    reference : label or mapping of str to label, optional
        By attribute, the group that all others are compared with; by default all pairs are compared. Name it
        before you look at the rates.
    policy : FairnessPolicy, str or path, optional
        What an organisation promises, in place of the criteria and settings here; of a ``frame``, it names
        the sensitive columns too, unless ``sensitive_features`` does.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
    intersections : bool, default=True
        Whether the intersection of several sensitive columns is audited too.
    metrics : see :func:`fairsk.metrics.group_metrics`, optional
        Further rates that are shown of every group, by name or as a :class:`fairsk.Rate`; and functions of
        labels and predictions, whose values are stated, for they cannot be recomputed from counts.
    profiles : str, Profile, callable, sequence of these, or mapping to options, optional
        Named calculations, such as ``"four_fifths"``; see :data:`PROFILES`. A function of the evidence that
        returns rows is a profile of your own.
    confidence : float in (0, 1), default=0.95
        Of all intervals.
    min_group_size : int, default=30
        Groups with fewer rows are called small.
    min_cell : int, default=0
        Intersections with fewer rows are merged into one before anything else is computed, so that nothing of
        them can be told from the report.
    bins : int, default=64
        Bins of the histograms of scores, a power of two.
    attached : Result, sequence of Result, or mapping of str to Result, default=()
        What else was found, such as a :func:`~fairsk.text.counterfactual_audit`: the report states it, under
        the title that a mapping gives it, without the texts of people that it may show.
    title : str
        What stands at the top.
    provenance : mapping of str to value, optional
        What the report should say of where the data and the model come from, as it is stated.

    Returns
    -------
    AuditReport
        It prints itself; ``.to_html()``, ``.to_json()`` and ``.to_markdown()`` are for others.

    Raises
    ------
    ValueError
        If lengths or the order of rows differ, a column, attribute or reference group is not there, labels or
        scores are missing, or a parameter is out of its range.
    TypeError
        If an argument is of no known kind.

    See Also
    --------
    audit_models : The same for fitted models, side by side.
    audit_dataset : The data, before a model learns from them.
    verify : Recompute a report.

    Notes
    -----
    Every number follows from the tables in the report (counts, histograms and moments by group), but for what
    is marked as stated. Intervals hold for all pairs of groups, and all rates of a criterion, at once. A
    verdict is FAIL if an interval lies wholly beyond the bound, PASS if all lie within it, else INCONCLUSIVE.
    None says that a model is fair, or that it is lawful.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.audit import audit_predictions
    >>> y_pred = np.repeat([1, 0, 1, 0], [300, 200, 150, 350])
    >>> sex = np.repeat(["man", "woman"], 500)
    >>> report = audit_predictions(None, y_pred, sensitive_features=sex, min_ratio=0.8)
    >>> report.outcome
    'FAIL'
    >>> [row.id for row in report.criteria], round(report.criteria[0].value, 3)
    (['sensitive_features/demographic_parity/min_ratio'], 0.5)
    """
    policy = None if policy is None else as_policy(policy)
    pos_label = policy.pos_label if policy is not None and pos_label is None else pos_label
    if policy is not None and frame is not None and sensitive_features is None:
        sensitive_features = list(policy.sensitive_features)
    groups, within = (
        sensitive_columns(X, values, n_samples=num_samples(X))
        if X is not None and frame is None and has_functions(values)
        else values
        for values in (sensitive_features, strata)
    )
    rows = _Rows(y_true, y_pred, groups, y_score, sample_weight, within)
    with_median = need_median(profiles, policy)
    evidence = _evidence(rows, frame, counts, histograms, pos_label, bins, with_median)
    rates, functions = _split_metrics(metrics)
    stated: dict[str, Any] = {}
    if X is not None:
        stated["data"] = _data_audit(X, y_true, sensitive_features, pos_label)
    if functions:
        stated["metrics"] = {_UNNAMED: _measure_functions(functions, rows, pos_label, intersections)}
    if results := attached_state(attached):
        stated["attached"] = results
    asked = Asked(
        title=title,
        provenance=provenance,
        constraint=constraint,
        max_difference=max_difference,
        min_ratio=min_ratio,
        reference=reference,
        policy=policy,
        pos_label=pos_label,
        intersections=intersections,
        profiles=profiles,
        confidence=confidence,
        min_group_size=min_group_size,
        min_cell=min_cell,
        columns=None if frame is None else rows.columns() | {"bins": bins},
    )
    return asked.answer({_UNNAMED: evidence}, stated, rates, library_of(frame, sensitive_features, y_true))


def audit_models(
    models: Mapping[str, Any],
    X: Any,
    y: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    strata: Any = None,
    constraint: str | Constraint | Sequence[str | Constraint] | None = None,
    max_difference: float | Sequence[float | None] | None = None,
    min_ratio: float | Sequence[float | None] | None = None,
    reference: Any = None,
    policy: Any = None,
    pos_label: Any = None,
    intersections: bool = True,
    metrics: Any = None,
    profiles: Any = (),
    audit_data: bool = False,
    confidence: float | None = None,
    min_group_size: int | None = None,
    min_cell: int | None = None,
    bins: int = 64,
    attached: Any = (),
    title: str = "Audit of models",
    provenance: Mapping[str, Any] | None = None,
) -> AuditReport:
    """Audit fitted models on the same rows, side by side; nothing is fitted again.

    Parameters
    ----------
    models : mapping of str to fitted classifier
        The models by the names that they have in the report, the plain one first.
    X : frame or array-like of shape (n_samples, n_columns)
        Rows that no model has learned from.
    y : array-like of shape (n_samples,)
        Their labels.
    sensitive_features : str, int, callable, list of these, or array-like
        Columns of ``X``, callables of it, or values, one per row, which are handed to models that ask for
        them.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    strata : str, int, list of these, callable, or array-like, optional
        Columns of ``X``, or values, to hold constant: bounds are then asked for within each of them.
    constraint : str, Constraint, or sequence of these, optional
        What is asked. By default demographic parity where there is a bound, and five common criteria where
        there is none.
    max_difference, min_ratio : float or sequence of float or None, optional
        How large the difference between groups may be, or how small the ratio. Without either, disparities
        are measured and not judged.
    reference : label or mapping of str to label, optional
        By attribute, the group that all others are compared with; by default all pairs are compared. Name it
        before you look at the rates.
    policy : FairnessPolicy, str or path, optional
        What an organisation promises, in place of the criteria and settings here.
    pos_label : label, optional
        The positive label; by default the second of a model's two classes, as in scikit-learn.
    intersections : bool, default=True
        Whether the intersection of several sensitive columns is audited too.
    metrics : see :func:`fairsk.metrics.group_metrics`, optional
        Further rates that are shown of every group, by name or as a :class:`fairsk.Rate`; and functions of
        labels and predictions, whose values are stated, for they cannot be recomputed from counts.
    profiles : str, Profile, callable, sequence of these, or mapping to options, optional
        Named calculations, such as ``"four_fifths"``; see :data:`PROFILES`. A function of the evidence that
        returns rows is a profile of your own.
    audit_data : bool, default=False
        Whether ``X`` is audited too (:func:`audit_dataset`), which the report then states.
    confidence : float in (0, 1), default=0.95
        Of all intervals.
    min_group_size : int, default=30
        Groups with fewer rows are called small.
    min_cell : int, default=0
        Intersections with fewer rows are merged into one before anything else is computed, so that nothing of
        them can be told from the report.
    bins : int, default=64
        Bins of the histograms of scores, a power of two.
    attached : Result, sequence of Result, or mapping of str to Result, default=()
        What else was found, such as a :func:`~fairsk.text.counterfactual_audit`: the report states it, under
        the title that a mapping gives it, without the texts of people that it may show.
    title : str
        What stands at the top.
    provenance : mapping of str to value, optional
        What the report should say of where the data and the model come from, as it is stated.

    Returns
    -------
    AuditReport
        One report; its rows name the model.

    Raises
    ------
    ValueError
        If a model is not fitted, models disagree about the classes, or an argument is refused by
        :func:`audit_predictions`.

    See Also
    --------
    audit_predictions : The same of predictions.

    Notes
    -----
    All models are judged on the same rows, so differences between them are not those of two samples; their
    intervals do not say how surely one model is better than another.

    Examples
    --------
    >>> from fairsk import GroupThresholdOptimizer
    >>> from fairsk.audit import audit_models
    >>> from fairsk.datasets import load_adult
    >>> from sklearn.compose import make_column_selector, make_column_transformer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = load_adult(return_X_y=True)
    >>> seen, unseen, y_seen, y_unseen = X[:10_000], X[10_000:20_000], y[:10_000], y[10_000:20_000]
    >>> numbers = make_column_selector(dtype_include="number")
    >>> plain = make_pipeline(make_column_transformer((StandardScaler(), numbers)), LogisticRegression())
    >>> bounded = GroupThresholdOptimizer(plain, sensitive_features="sex", max_difference=0.02)
    >>> models = {"plain": plain.fit(seen, y_seen), "bounded": bounded.fit(seen, y_seen)}
    >>> report = audit_models(models, unseen, y_unseen, sensitive_features="sex", max_difference=0.05)
    >>> [(row.model, row.verdict) for row in report.criteria]
    [('plain', 'FAIL'), ('bounded', 'PASS')]
    """
    if not isinstance(models, Mapping) or not models or not all(isinstance(name, str) for name in models):
        raise TypeError("models must be a dict of names to fitted models, such as {'plain': model}.")
    policy = None if policy is None else as_policy(policy)
    pos_label = policy.pos_label if policy is not None and pos_label is None else pos_label
    n_samples = num_samples(X)
    selector, values = _selector_or_values(sensitive_features, n_samples)
    refuse_shuffled(X=X, y=y, sensitive_features=values, sample_weight=sample_weight)
    sensitive = sensitive_columns(X, selector, values, n_samples=n_samples)
    within = None
    if strata is not None:
        within = sensitive_columns(X, *_selector_or_values(strata, n_samples), n_samples=n_samples)
    rates, functions = _split_metrics(metrics)
    evidence, of_functions = dict[str, Evidence](), dict[str, Any]()
    with_median = need_median(profiles, policy)
    for name, model in models.items():
        y_pred, y_score, positive = _predict(model, X, values, pos_label)
        rows = _Rows(y, y_pred, sensitive, y_score, sample_weight, within)
        evidence[name] = Evidence.from_rows(
            **rows.arguments(), pos_label=positive, bins=bins, with_median=with_median
        )
        if functions:
            of_functions[name] = _measure_functions(functions, rows, positive, intersections)
    stated: dict[str, Any] = {"metrics": of_functions} if functions else {}
    if audit_data:
        stated["data"] = _data_audit(X, y, sensitive_features, pos_label)
    if results := attached_state(attached):
        stated["attached"] = results
    asked = Asked(
        title=title,
        provenance=provenance,
        constraint=constraint,
        max_difference=max_difference,
        min_ratio=min_ratio,
        reference=reference,
        policy=policy,
        pos_label=positive,
        intersections=intersections,
        profiles=profiles,
        confidence=confidence,
        min_group_size=min_group_size,
        min_cell=min_cell,
    )
    return asked.answer(evidence, stated, rates, library_of(X, sensitive_features, y))


@dataclass(frozen=True)
class _Rows:
    """The rows of predictions, or the names of the columns that hold them."""

    y_true: Any
    y_pred: Any
    sensitive_features: Any
    y_score: Any
    sample_weight: Any
    strata: Any

    def arguments(self) -> dict[str, Any]:
        """Return them by name, without copies."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def columns(self) -> dict[str, Any]:
        """Return the names of columns as plain values."""
        several = ("sensitive_features", "strata")
        return {
            name: [value] if name in several and isinstance(value, str) else plain(value)
            for name, value in self.arguments().items()
        }


def _evidence(
    rows: _Rows,
    frame: Any,
    counts: GroupCounts | None,
    histograms: ScoreHistograms | None,
    pos_label: Any,
    bins: int,
    with_median: bool,
) -> Evidence:
    """Return the tables of rows, of the rows of a frame, or of counts."""
    given = [name for name, value in rows.arguments().items() if value is not None]
    if counts is not None:
        if given or frame is not None:
            also = given[0] if given else "frame"
            raise ValueError(f"counts= stands in place of rows: leave out {also}.")
        return Evidence.from_counts(counts, histograms)
    if histograms is not None:
        raise ValueError("histograms= stands beside counts=; of rows give y_score.")
    if rows.sensitive_features is None:
        raise ValueError("Whose predictions? Give sensitive_features: the group of each row.")
    if rows.y_pred is None and rows.y_score is None:
        raise ValueError("Give y_pred, the predicted labels, or y_score, the scores.")
    if frame is not None:
        return Evidence.from_frame(
            frame, **rows.arguments(), pos_label=pos_label, bins=bins, with_median=with_median
        )
    for name, value in rows.arguments().items():
        if isinstance(value, str):
            raise ValueError(f"{name}={show(value)} names a column: of which table? Give it as frame=.")
    refuse_shuffled(**rows.arguments())
    return Evidence.from_rows(**rows.arguments(), pos_label=pos_label, bins=bins, with_median=with_median)


def _predict(model: Any, X: Any, values: Any, pos_label: Any) -> tuple[Any, Any, Any]:
    """Return a model's predictions, the probability of the positive class if it has any, and that class."""
    check_is_fitted(model)
    classes = getattr(model, "classes_", None)
    if classes is None:
        return call(model, "predict", X, sensitive_features=values), None, pos_label
    classes = np.asarray(classes)
    positive, scores = positive_class(classes, pos_label), None
    if len(classes) == 2 and hasattr(model, "predict_proba"):
        probabilities = np.asarray(call(model, "predict_proba", X, sensitive_features=values))
        scores = probabilities[:, int(np.flatnonzero(classes == positive)[0])]
    return call(model, "predict", X, sensitive_features=values), scores, positive


def _selector_or_values(sensitive_features: Any, n_samples: int) -> tuple[Any, Any]:
    """Tell the names of columns from values; a list as long as the rows holds values."""
    if names_columns(sensitive_features, n_samples):
        return sensitive_features, None
    return None, sensitive_features


def _split_metrics(metrics: Any) -> tuple[list[str | Rate], dict[str, Callable[..., Any]]]:
    """Tell rates, which follow from counts, from functions of rows."""
    if metrics is None:
        return [], {}
    if isinstance(metrics, Mapping):
        named = dict(metrics)
    else:
        single = isinstance(metrics, str | Rate) or callable(metrics)
        named = {_metric_name(metric): metric for metric in ([metrics] if single else metrics)}
    rates, functions = list[str | Rate](), dict[str, Callable[..., Any]]()
    for name, metric in named.items():
        if isinstance(metric, str | Rate):
            rate = get_rate(metric)
            rates.append(rate if name in (metric, rate.name) else replace(rate, name=name))
        elif callable(metric):
            functions[name] = metric
        else:
            raise TypeError(f"A metric is the name of a rate, a Rate or a function; got {show(metric)}.")
    return rates, functions


def _metric_name(metric: Any) -> str:
    if isinstance(metric, str):
        return metric
    return metric.name if isinstance(metric, Rate) else function_name(metric)


def _measure_functions(
    functions: Mapping[str, Callable[..., Any]], rows: _Rows, pos_label: Any, intersections: bool
) -> dict[str, Any]:
    """Return what functions of rows are in every group, by attribute; it cannot follow from counts."""
    if rows.y_true is None or isinstance(rows.y_true, str) or rows.y_pred is None:
        raise ValueError("Functions need the rows: arrays of y_true and y_pred.")
    columns = with_unknown(
        value_columns("sensitive_features", rows.sensitive_features, num_samples(rows.y_true))
    )
    pairs = zip(columns.names, columns.columns, strict=True)
    parts = [SensitiveColumns((name,), (column,)) for name, column in pairs]
    if intersections and len(parts) > 1:
        parts.append(columns)
    tables = {}
    for part in parts:
        table = group_metrics(
            rows.y_true,
            rows.y_pred,
            y_score=rows.y_score,
            metrics=functions,
            sensitive_features=part,
            sample_weight=rows.sample_weight,
            pos_label=pos_label,
        )
        tables[attribute_name(part.names)] = table.to_dict()
    return tables


def _data_audit(X: Any, y: Any, sensitive_features: Any, pos_label: Any) -> dict[str, Any]:
    """Return what an audit of the data finds."""
    return audit_dataset(X, sensitive_features, y, pos_label=pos_label, random_state=0).to_dict()
