"""Multiclass disparities: the counts of each class against the rest, or of each grade or better.

The counts have the classes as their strata, so that every rate, comparison and interval of two classes works
for each of many.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairsk._core.class_events import ClassEvents
from fairsk._core.columns import refuse_shuffled, value_columns
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import encode_groups, list_groups, sort_labels
from fairsk._core.labels import binary_labels, target_column
from fairsk._core.messages import list_labels
from fairsk._core.results import library_of
from fairsk._core.typing import Floats
from fairsk._core.validation import check_choice, check_weights
from fairsk._core.warnings import warn_user
from fairsk.rates import Comparison, Constraint, Method

__all__ = ["multiclass_disparity", "one_vs_rest_counts", "worst_event"]

ClassAverage: TypeAlias = Literal["worst", "mean"]


def one_vs_rest_counts(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    classes: Sequence[Hashable] | NDArray[Any] | None = None,
    pos_label: Any = None,
    grades: Sequence[Hashable] | NDArray[Any] | None = None,
) -> GroupCounts:
    """Count the confusion cells of each group, for each class against all the others.

    Where classes are grades in an order, it counts for each grade who gets it or a better one.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or None
        Labels, of any number of classes. None where there are none: selection alone is counted then, and a
        rate that depends on the label is an error.
    y_pred : array-like of shape (n_samples,)
        Predicted labels (not scores).
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    classes : sequence of labels, optional
        All classes, in the order wanted; by default the grades, or else the labels that occur, sorted.
    pos_label : label or list of labels, optional
        The classes that are counted; all of them by default.
    grades : sequence of labels, optional
        All classes from the worst to the best. A grade is then counted with all better ones, so that the
        selection rate of ``"B"`` is the share that gets a B or better; the worst has no counts, for everybody
        gets at least that.

    Returns
    -------
    GroupCounts
        A table whose ``strata`` are the classes, or the grades: ``counts.rate("precision")`` has a column
        for each.

    Raises
    ------
    ValueError
        If lengths differ, a label or group value is missing, a label is not one of the classes, or grades
        are not the classes in some order.

    See Also
    --------
    multiclass_disparity : One number of all classes.
    GroupCounts : The table, and what can be done with it.

    Notes
    -----
    Every row is counted once per class: as predicted positive in that of its prediction, and as actually
    positive in that of its label. Sums over the classes therefore count each row as often as there are
    classes. With ``grades`` a row is positive in its grade and in all worse ones.

    Examples
    --------
    >>> from fairsk.metrics import one_vs_rest_counts
    >>> counts = one_vs_rest_counts(
    ...     ["cat", "dog", "cow", "cat"], ["cat", "dog", "cat", "cow"], sensitive_features=list("aabb"))
    >>> counts.strata
    ('cat', 'cow', 'dog')
    >>> counts.rate("selection_rate")
    array([[0.5, 0. , 0.5],
           [0.5, 0.5, 0. ]])

    Half of a and all of b get a B or better:

    >>> counts = one_vs_rest_counts(
    ...     None, ["C", "A", "B", "A"], sensitive_features=list("aabb"), grades=["C", "B", "A"])
    >>> counts.strata
    ('B', 'A')
    >>> counts.rate("selection_rate")
    array([[0.5, 0.5],
           [1. , 0.5]])
    """
    refuse_shuffled(
        y_true=y_true, y_pred=y_pred, sensitive_features=sensitive_features, sample_weight=sample_weight
    )
    if y_pred is None:
        raise ValueError("y_pred is None: give a predicted label per row.")
    predicted = target_column("y_pred", y_pred)
    actual = predicted if y_true is None else target_column("y_true", y_true)
    columns = actual.tolist(), predicted.tolist()
    present = {*columns[0], *columns[1]}
    grades = None if grades is None else _listed(grades)
    given = grades if classes is None else _listed(classes)
    labels = sort_labels(present) if given is None else given
    # Called for its checks: missing labels, fractions, columns that differ in kind or length.
    possible = None if given is None else np.fromiter(labels, dtype=object, count=len(labels))
    first = next(iter(present), None)
    binary_labels(None if y_true is None else actual, predicted, first, classes=possible)
    position = {label: index for index, label in enumerate(labels)}
    unknown = [label for label in sort_labels(present) if label not in position]
    if unknown:
        raise ValueError(
            f"The labels {list_labels(unknown)} are not among the classes {list_labels(labels)}."
        )
    weights = check_weights(sample_weight, len(actual))
    groups = encode_groups(value_columns("sensitive_features", sensitive_features, len(actual)))
    codes = [np.fromiter(map(position.__getitem__, column), np.intp, len(column)) for column in columns]
    shape = (len(groups.labels), len(labels), len(labels))
    events = ClassEvents.of(labels, pos_label, grades)
    flat_index = np.ravel_multi_index((groups.codes, *codes), shape)

    def cells(values: Floats | None) -> dict[str, Floats]:
        table = np.bincount(flat_index, values, minlength=int(np.prod(shape))).astype(float).reshape(shape)
        counted = events.cells(table)
        if y_true is None:  # predictions stand for the labels, so that all rows are hits: count negatives
            counted |= {"tp": np.zeros_like(counted["tp"]), "fp": counted["tp"]}
        return counted

    return GroupCounts(
        groups.labels,
        cells(weights),
        None if weights is None else cells(weights**2),
        names=groups.names,
        strata=events.labels,
        labelled=y_true is not None,
        library=library_of(sensitive_features, y_true, y_pred),
        events=events.kind,
    )


def _listed(labels: Sequence[Hashable] | NDArray[Any]) -> list[Any]:
    """Return labels as a list, those of arrays as plain ones."""
    return labels.tolist() if isinstance(labels, np.ndarray) else [*labels]


def multiclass_disparity(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    average: ClassAverage | None = "worst",
    constraint: Constraint | str = "demographic_parity",
    comparison: Literal["difference", "ratio"] = "difference",
    sample_weight: ArrayLike | None = None,
    classes: Sequence[Hashable] | NDArray[Any] | None = None,
    method: Method = "between_groups",
    reference: Hashable = None,
    pos_label: Any = None,
    grades: Sequence[Hashable] | NDArray[Any] | None = None,
) -> float | dict[Hashable, float]:
    """Measure a constraint's disparity between groups for each class against the rest.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or None
        Labels, of any number of classes. None where there are none, which is enough for constraints on the
        selection alone.
    y_pred : array-like of shape (n_samples,)
        Predicted labels (not scores).
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    average : {"worst", "mean"} or None, default="worst"
        The disparity of the class with the largest one, the mean over the classes, or (None) each.
    constraint : str or Constraint, default="demographic_parity"
        Which rates should agree.
    comparison : {"difference", "ratio"}, default="difference"
        Largest difference or smallest ratio between groups.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    classes : sequence of labels, optional
        All classes; by default the grades, or else the labels that occur.
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.
    pos_label : label or list of labels, optional
        The classes that are measured; all of them by default.
    grades : sequence of labels, optional
        All classes from the worst to the best: what is measured is then who gets a grade or a better one, as
        in :func:`one_vs_rest_counts`.

    Returns
    -------
    float, or dict of label to float
        The disparity: 0 is parity for a difference, 1 for a ratio. With ``average=None``, that of each
        class, or grade. NaN where fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, a label or group value is missing, a label is not one of the classes, grades are
        not the classes in some order, or there are no labels for a rate that depends on them.

    Warns
    -----
    UserWarning
        If a group has nothing to measure in some class, or a class nothing to compare; it is passed over,
        and named.

    See Also
    --------
    disparity : The same for two classes.
    one_vs_rest_counts : What it is measured on.

    Notes
    -----
    ``max over classes k of (max - min over groups of rate(y = k against the rest))``: no class is given, or
    got wrong, more often in one group than in another.

    References
    ----------
    Putzel & Lee, Blackbox Post-Processing for Multiclass Fairness, SafeAI workshop at AAAI 2022.

    Examples
    --------
    >>> from fairsk.metrics import multiclass_disparity
    >>> y = ["cat", "dog", "cow", "cat"]
    >>> multiclass_disparity(y, y, sensitive_features=list("aabb"), average=None)
    {'cat': 0.0, 'cow': 0.5, 'dog': 0.5}

    Whether groups get a grade or a better one equally often:

    >>> given = ["C", "A", "B", "B", "A", "B", "B", "B"]
    >>> multiclass_disparity(
    ...     None, given, sensitive_features=list("aaaabbbb"), grades=["C", "B", "A"], average=None)
    {'B': 0.25, 'A': 0.0}
    """
    check_choice("average", average, ClassAverage | None)
    check_choice("comparison", comparison, Literal["difference", "ratio"])
    counts = one_vs_rest_counts(
        y_true,
        y_pred,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        classes=classes,
        pos_label=pos_label,
        grades=grades,
    )
    labels = counts.strata or ()
    values = counts.compare(constraint, comparison, method=method, reference=reference)
    if average is None:
        return dict(zip(labels, values.tolist(), strict=True))
    measured = ~np.isnan(values)
    if not measured.any():
        return float("nan")
    if not measured.all():
        unmeasured = [label for label, is_measured in zip(labels, measured, strict=True) if not is_measured]
        warn_user(
            f"Passed over {len(unmeasured)} of {len(labels)} classes, in which groups cannot be compared: "
            f"{list_groups(unmeasured)}."
        )
    if average == "mean":
        return float(values[measured].mean())
    return float(values[measured].max() if comparison == "difference" else values[measured].min())


def worst_event(values: Floats, constraint: Constraint, comparison: Comparison) -> int | None:
    """Return the position of the class whose disparity is furthest from parity; None if that is not known.

    A class that groups cannot be compared in is passed over only where labels alone decide that, which are
    the same for every model. Else a model that never decides for a class would be called fair to it.

    Parameters
    ----------
    values : array of shape (n_events,)
        The disparity of each class, or grade; NaN where groups cannot be compared.
    constraint : Constraint
        What has been compared.
    comparison : {"difference", "ratio", "worst_group", "mean_difference"}
        How.
    """
    unknown = np.isnan(values)
    of_labels = all(rate.has_fixed_denominator for rate in constraint.rates)
    if unknown.all() or (unknown.any() and not of_labels):
        return None
    lower_is_better = comparison == "worst_group" and constraint.rates[0].lower_is_better
    if lower_is_better or comparison in ("difference", "mean_difference"):
        return int(np.nanargmax(values))
    return int(np.nanargmin(values))
