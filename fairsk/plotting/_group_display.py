"""Base class of displays of groups, drawn from counts, predictions or a fitted estimator."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_regressor

from fairsk._core.amount_sums import GroupAmounts
from fairsk._core.class_events import names_several
from fairsk._core.columns import names_columns, refuse_shuffled, sensitive_columns
from fairsk._core.counts import GroupCounts
from fairsk._core.labels import positive_class
from fairsk._core.results import Result, library_of
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.routing import call
from fairsk.metrics._decisions.multiclass import one_vs_rest_counts
from fairsk.plotting._drawing import require_matplotlib
from fairsk.plotting._panels import is_of_amounts

__all__ = ["GroupDisplay"]


class GroupDisplay(Result):
    """A display of the rates of groups, which is drawn from counts and prints the numbers drawn."""

    @classmethod
    @abstractmethod
    def from_counts(cls, counts: GroupCounts | GroupAmounts, rate: Any = None, **kwargs: Any) -> Self:
        """Draw what counts give, wherever they were made."""

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike | None,
        y_pred: ArrayLike,
        *,
        sensitive_features: Any,
        rate: Any = None,
        sample_weight: ArrayLike | None = None,
        pos_label: Any = None,
        grades: Sequence[Hashable] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the rates of predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or None
            Labels; None where there are none, and selection alone is drawn. Amounts, of a mean of these.
        y_pred : array-like of shape (n_samples,)
            Predicted labels (not scores), or amounts.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
            The group of each row; several columns make an intersection.
        rate : str, Rate or MeanRate, optional
            As in :meth:`from_counts`; a mean, such as ``"mean_prediction"``, says that predictions are
            amounts.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, not negative.
        pos_label : label or list of labels, optional
            The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans. A list names classes,
            each of which is drawn against the rest.
        grades : sequence of labels, optional
            All classes from the worst to the best: of each is drawn who gets it or a better one.
        **kwargs
            As in :meth:`from_counts`.

        Returns
        -------
        display
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            As in :meth:`from_counts`, and if lengths differ, a group value is missing, or the positive label
            cannot be told.

        Warns
        -----
        UserWarning
            If a rate cannot be measured in a group, for its denominator is empty there.

        See Also
        --------
        from_counts : Draw counts that were made elsewhere.
        from_estimator : Draw the decisions of a fitted classifier.
        """
        require_matplotlib(cls.__name__)
        rows: dict[str, Any] = {"sensitive_features": sensitive_features, "sample_weight": sample_weight}
        if is_of_amounts(rate):
            return cls.from_counts(GroupAmounts.from_predictions(y_true, y_pred, **rows), rate, **kwargs)
        if grades is not None or names_several(pos_label):
            counts = one_vs_rest_counts(y_true, y_pred, **rows, pos_label=pos_label, grades=grades)
        else:
            counts = GroupCounts.from_predictions(y_true, y_pred, **rows, pos_label=pos_label)
        return cls.from_counts(counts, rate, **kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        sensitive_features: Any = None,
        rate: Any = None,
        sample_weight: ArrayLike | None = None,
        pos_label: Any = None,
        grades: Sequence[Hashable] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the rates of a fitted estimator's predictions, best on rows that it was not fitted on.

        Parameters
        ----------
        estimator : fitted classifier or regressor
            Any of scikit-learn's, a pipeline or a search; it is not changed. Of a regressor means of amounts
            are drawn, of a classifier of several classes each class against the rest.
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,)
            Their labels, or amounts.
        sensitive_features : array-like, str, int, callable, list of str and callables, optional
            The group of each row: values, which are handed to ``predict`` if the estimator asks for them, or
            the columns of X that hold them. By default the columns that the estimator names.
        rate : str, Rate or MeanRate, optional
            As in :meth:`from_counts`.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, not negative.
        pos_label : label or list of labels, optional
            The positive label; by default the second of the estimator's two classes. Of several classes
            it names the ones that are drawn.
        grades : sequence of labels, optional
            All classes from the worst to the best: of each is drawn who gets it or a better one. By default
            those that the estimator bounds, if it has ``grades``.
        **kwargs
            As in :meth:`from_counts`.

        Returns
        -------
        display
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            As in :meth:`from_counts`, and if neither the argument nor the estimator names the groups, or a
            group value is missing.

        Warns
        -----
        UserWarning
            If a rate cannot be measured in a group, for its denominator is empty there.

        See Also
        --------
        from_counts : Draw counts that were made elsewhere.
        from_predictions : Draw predictions that were made elsewhere.
        """
        require_matplotlib(cls.__name__)
        counts = _count_decisions(estimator, X, y, sensitive_features, sample_weight, pos_label, grades)
        counts = replace(counts, library=library_of(X, sensitive_features, y))
        return cls.from_counts(counts, rate, **kwargs)


def _count_decisions(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    sensitive_features: Any = None,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    grades: Sequence[Hashable] | None = None,
) -> GroupCounts | GroupAmounts:
    """Count the confusion cells of a fitted classifier's predictions, or add up amounts, by group.

    Parameters
    ----------
    estimator : fitted classifier
        What decides.
    X : array-like of shape (n_samples, n_features)
        The rows.
    y : array-like of shape (n_samples,)
        Their labels.
    sensitive_features : array-like, str, int, callable, list of names and callables, optional
        The group of each row: its value, or the columns of X that hold it. Values are handed to ``predict``
        if the estimator asks for them. By default the columns that the estimator names.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row.
    pos_label : label or list of labels, optional
        The positive label, or the classes that are counted; by default the second of the estimator's two
        classes, and every one of several.
    grades : sequence of labels, optional
        All classes from the worst to the best; by default those that the estimator has.

    Raises
    ------
    ValueError
        If neither the argument nor the estimator names the groups.
    """
    if sensitive_features is None:
        selector, values = getattr(estimator, "sensitive_features", None), None
        if selector is None:
            raise ValueError(
                f"Whose rates? {type(estimator).__name__} names no sensitive column. Give "
                "sensitive_features=: the name of a column of X, a list of names for an intersection, or the "
                "values, one per row."
            )
    elif names_columns(sensitive_features, num_samples(X)):
        selector, values = sensitive_features, None
    else:
        selector, values = None, sensitive_features
    refuse_shuffled(X=X, y=y, sensitive_features=values, sample_weight=sample_weight)
    sensitive = sensitive_columns(X, selector, values, n_samples=num_samples(X))
    predicted = call(estimator, "predict", X, sensitive_features=values)
    rows: dict[str, Any] = {"sensitive_features": sensitive, "sample_weight": sample_weight}
    if is_regressor(estimator):
        return GroupAmounts.from_predictions(y, predicted, **rows)
    classes = getattr(estimator, "classes_", None)
    if classes is not None:
        classes = np.asarray(classes)
        if grades is None and len(classes) > 2:
            grades = getattr(estimator, "grades", None)
        if grades is not None or names_several(pos_label) or (len(classes) > 2 and pos_label is None):
            named = {"pos_label": pos_label, "grades": grades}
            return one_vs_rest_counts(y, predicted, **rows, classes=classes.tolist(), **named)
        pos_label = positive_class(classes, pos_label)
    return GroupCounts.from_predictions(y, predicted, **rows, pos_label=pos_label, classes=classes)
