"""Labels: the positive class (the outcome that rates count), and checks of true and predicted labels."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d

from fairsk._core.columns import column_of
from fairsk._core.factorize import Coded, code_array, is_missing
from fairsk._core.typing import Bools

__all__ = ["binary_labels", "no_labels", "positive_class", "require_labels"]


def positive_class(classes: NDArray[Any], pos_label: Any = None) -> Any:
    """Return the positive one of an estimator's classes: the one named, else the second of two.

    Raises
    ------
    ValueError
        If ``pos_label`` is not one of the classes, or there are not exactly two and none is named.
    """
    labels = classes.tolist()
    if pos_label is not None:
        if pos_label not in labels:
            raise ValueError(f"pos_label={pos_label!r} is not one of the classes {labels}.")
        return pos_label
    if len(labels) != 2:
        raise ValueError(f"y has {len(labels)} classes, {labels}: name the positive one with pos_label=.")
    return labels[1]


def require_labels(name: str, y_true: Any) -> None:
    """Refuse ``y_true=None`` where a metric of scores or amounts, ``name``, depends on the labels.

    Raises
    ------
    ValueError
        If there are none.
    """
    if y_true is None:
        raise ValueError(no_labels(name, without="ks_distance and wasserstein_distance"))


def no_labels(name: str, without: str = "selection") -> str:
    """Say that something depends on the labels, and that there are none."""
    return (
        f"{name} depends on the labels, and there are none: y_true is None. Without labels only {without} "
        "can be measured."
    )


def binary_labels(
    y_true: Any, y_pred: Any, pos_label: Any = None, *, classes: NDArray[Any] | None = None
) -> tuple[Bools, Bools]:
    """Return which labels and which predictions are positive.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or None
        Labels. None where there are none: no row is a positive then.
    y_pred : array-like of shape (n_samples,)
        Predicted labels (not scores).
    pos_label : label, optional
        The positive label. Without it the labels must be 0 and 1, -1 and 1, or booleans, and 1 (True)
        is positive. With more than two labels it is compared with all the others.
    classes : array of shape (n_classes,), optional
        The labels that can occur, when they are known.

    Raises
    ------
    ValueError
        If the positive label cannot be told, never occurs, or predictions are not labels.
    """
    predicted = _labels("y_pred", y_pred)
    actual = predicted if y_true is None else _labels("y_true", y_true)
    if len(actual) != len(predicted):
        raise ValueError(
            f"y_true has {len(actual)} rows and y_pred {len(predicted)}: inconsistent numbers of samples."
        )
    if len(actual) == 0:
        raise ValueError(f"{'y_pred' if y_true is None else 'y_true'} is empty: there is nothing to count.")
    seen_actual, seen_predicted = set(actual.values), set(predicted.values)
    if any(isinstance(label, str) for label in seen_actual) != any(
        isinstance(label, str) for label in seen_predicted
    ):
        raise ValueError(
            f"y_true and y_pred use different kinds of labels: {_show(seen_actual)} and "
            f"{_show(seen_predicted)}."
        )
    seen = seen_actual | seen_predicted
    if len(seen) > 2 and not seen_actual & seen_predicted:
        raise ValueError(
            f"y_true and y_pred have no label in common: {_show(seen_actual)} and {_show(seen_predicted)}."
        )
    possible = seen_actual if classes is None else seen_actual | set(classes.tolist())
    unexpected = seen_predicted - possible
    if unexpected and len(seen) > 2 and len(possible) <= 2:
        raise ValueError(
            f"y_pred holds {_show(unexpected)}, which y_true does not have: its labels are "
            f"{_show(seen_actual)}. Are they spelt alike?"
        )
    _refuse_alike(seen)
    if pos_label is None:
        if not (seen <= {0, 1} or seen <= {-1, 1}):
            raise ValueError(
                f"The labels are {_show(seen)}: name the positive one with pos_label=. "
                "Only 0 and 1, -1 and 1, and booleans are told apart without it. Of more than two labels, "
                "fairsk.metrics.one_vs_rest_counts counts each."
            )
        pos_label = 1
    elif pos_label not in seen and (classes is None or pos_label not in classes.tolist()):
        raise ValueError(f"pos_label={pos_label!r} never occurs: the labels are {_show(seen)}.")
    selected = predicted.equals(pos_label)
    return np.zeros_like(selected) if y_true is None else actual.equals(pos_label), selected


def _refuse_alike(labels: set[Any]) -> None:
    """Refuse texts that differ in blanks or a full stop alone: one label, written in two ways."""
    plain: dict[str, str] = {}
    for label in sorted(label for label in labels if isinstance(label, str)):
        other = plain.setdefault(label.strip(" \t\r\n."), label)
        if other != label:
            raise ValueError(
                f"The labels {other!r} and {label!r} look like one, written in two ways: make them one."
            )


def _labels(name: str, column: Any) -> Coded:
    """Return a column of labels, after making sure that labels is what it holds."""
    if column is None:
        raise ValueError(f"{name} is None: rates are of decisions, and need a predicted label per row.")
    series = nw.from_native(column, series_only=True, pass_through=True)
    # NumPy makes floats of the whole numbers of some columns, which are not exact beyond 2**53.
    values = column_of(series) if isinstance(series, nw.Series) else column_or_1d(column)
    coded = values if isinstance(values, Coded) else code_array(values)
    if any(map(is_missing, coded.values)):
        raise ValueError(f"{name} has missing labels (NaN or None): drop those rows.")
    fractions = [label for label in coded.values if isinstance(label, float) and label % 1]
    if fractions:
        raise ValueError(
            f"{name} holds fractions such as {fractions[0]}: rates need predicted labels, "
            "not scores or probabilities."
        )
    return coded


def _show(labels: set[Any]) -> str:
    listed = sorted(map(repr, labels))
    return ", ".join(listed[:10]) + (", ..." if len(listed) > 10 else "")
