"""What an estimator decides on rows, counted by group: what ``from_estimator`` of a display draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.columns import sensitive_columns
from fairsk._core.counts import GroupCounts
from fairsk._core.labels import positive_class
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.routing import call

__all__ = ["count_decisions"]


def count_decisions(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    sensitive_features: Any = None,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> GroupCounts:
    """Count the confusion cells of a fitted classifier's predictions, by group.

    Parameters
    ----------
    estimator : fitted classifier
        What decides.
    X : array-like of shape (n_samples, n_features)
        The rows.
    y : array-like of shape (n_samples,)
        Their labels.
    sensitive_features : array-like, str, int, list of column names, or callable, optional
        The group of each row: its value, or the columns of X that hold it. Values are handed to ``predict``
        if the estimator asks for them. By default the columns that the estimator names.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row.
    pos_label : label, optional
        The positive label; by default the second of the estimator's two classes.

    Raises
    ------
    ValueError
        If nobody says which groups.
    """
    if sensitive_features is None:
        selector, values = getattr(estimator, "sensitive_features", None), None
        if selector is None:
            raise ValueError(
                f"Whose rates? {type(estimator).__name__} names no sensitive column. Give "
                "sensitive_features=: the name of a column of X, a list of names for an intersection, or the "
                "values, one per row."
            )
    elif _selects(sensitive_features, num_samples(X)):
        selector, values = sensitive_features, None
    else:
        selector, values = None, sensitive_features
    sensitive = sensitive_columns(X, selector, values, n_samples=num_samples(X))
    classes = getattr(estimator, "classes_", None)
    if classes is not None:
        classes = np.asarray(classes)
        pos_label = positive_class(classes, pos_label)
    return GroupCounts.from_predictions(
        y,
        call(estimator, "predict", X, sensitive_features=values),
        sensitive_features=sensitive,
        sample_weight=sample_weight,
        pos_label=pos_label,
        classes=classes,
    )


def _selects(given: Any, rows: int) -> bool:
    """Whether it names columns; as many names as there are rows are values."""
    if isinstance(given, list | tuple):
        return len(given) != rows and all(isinstance(name, str) for name in given)
    return isinstance(given, str | int) or callable(given)
