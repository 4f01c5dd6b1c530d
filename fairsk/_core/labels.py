"""Labels: the positive class (the outcome that rates count), and checks of true and predicted labels."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import column_or_1d

from fairsk._core.columns import single_column
from fairsk._core.factorize import Coded, code_array, is_missing
from fairsk._core.messages import did_you_mean, list_labels, show
from fairsk._core.typing import Bools, Floats

__all__ = [
    "binary_labels",
    "code_labels",
    "no_labels",
    "positive_class",
    "refuse_mixed_kinds",
    "require_labels",
    "target_column",
]


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
            raise ValueError(f"pos_label={show(pos_label)} is not one of the classes {_show(labels)}.")
        return pos_label
    if len(labels) != 2:
        raise ValueError(
            f"y has {len(labels)} classes, {_show(labels)}: name the positive one with pos_label=."
        )
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
    y_true: Any,
    y_pred: Any,
    pos_label: Any = None,
    *,
    classes: NDArray[Any] | None = None,
    rows: Floats | None = None,
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
    rows : array of shape (n_samples,), optional
        How many rows each label stands for, where an engine has counted them; an error tells how many miss
        theirs.

    Raises
    ------
    ValueError
        If the positive label cannot be told, never occurs, or predictions are not labels.
    """
    predicted = _predicted_labels("y_pred", y_pred, rows)
    actual = predicted if y_true is None else _predicted_labels("y_true", y_true, rows)
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
        _refuse_kinds(seen_actual, seen_predicted)
    seen = seen_actual | seen_predicted
    are_known = classes is not None and seen <= set(classes.tolist())  # then all may well be wrong
    if len(seen) > 2 and not seen_actual & seen_predicted and not are_known:
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
                "fairsk.metrics.multiclass_disparity compares each, and one_vs_rest_counts counts it."
            )
        pos_label = 1
    elif pos_label not in seen and (classes is None or pos_label not in classes.tolist()):
        hint = did_you_mean(pos_label, [label for label in seen if isinstance(label, str)])
        raise ValueError(f"pos_label={show(pos_label)} never occurs: the labels are {_show(seen)}.{hint}")
    selected = predicted.equals(pos_label)
    return np.zeros_like(selected) if y_true is None else actual.equals(pos_label), selected


def _refuse_alike(labels: set[Any]) -> None:
    """Refuse texts that differ in blanks or a full stop alone: one label, written in two ways."""
    plain: dict[str, str] = {}
    for label in sorted(label for label in labels if isinstance(label, str)):
        other = plain.setdefault(label.strip(" \t\r\n."), label)
        if other != label:
            raise ValueError(
                f"The labels {show(other)} and {show(label)} look like one, written in two ways: make them "
                "one."
            )


def _predicted_labels(name: str, column: Any, rows: Floats | None = None) -> Coded:
    """Return a column of labels, after making sure that labels is what it holds."""
    if column is None:
        raise ValueError(f"{name} is None: rates are of decisions, and need a predicted label per row.")
    coded = code_labels(name, column, rows=rows)
    fractions = [label for label in coded.values if isinstance(label, float) and label % 1]
    if fractions:
        raise ValueError(
            f"{name} holds fractions such as {fractions[0]}: rates need predicted labels, "
            "not scores or probabilities. Of amounts there are fairsk.metrics.regression_metrics, "
            "amount_disparity and GroupAmounts."
        )
    return coded


def code_labels(name: str, column: Any, *, rows: Floats | None = None) -> Coded:
    """Return a column of labels by its distinct values, of whatever library it is.

    Parameters
    ----------
    name : str
        What an error calls it.
    column : array-like of shape (n_samples,) or (n_samples, 1)
        The labels.
    rows : array of shape (n_samples,), optional
        How many rows each of them stands for.

    Raises
    ------
    ValueError
        If it is not one column, or labels are missing (None, NaN, NaT, NA, masked).
    """
    return _code(name, single_column(column), rows)


def _code(name: str, values: NDArray[Any] | Coded, rows: Floats | None = None) -> Coded:
    try:
        coded = values if isinstance(values, Coded) else code_array(column_or_1d(values))
    except TypeError:  # unhashable
        raise ValueError(
            f"{name} holds values that are no labels (unhashable): give one text or number per row."
        ) from None
    if isinstance(values, Coded):  # categories that no row has are no labels
        used = np.bincount(coded.codes, minlength=len(coded.values)) > 0
        if not used.all():
            labels = [label for label, is_used in zip(coded.values, used, strict=True) if is_used]
            coded = Coded(labels, (np.cumsum(used) - 1)[coded.codes])
    missing = np.array([is_missing(value) for value in coded.values], dtype=bool)
    if missing.any():
        counted = np.bincount(coded.codes, rows, len(missing))
        raise ValueError(_missing(name, counted[missing].sum(), counted.sum()))
    return coded


def target_column(name: str, column: Any, *, warn: bool = False) -> NDArray[Any]:
    """Return labels, or amounts, as a 1-D array of one value per row, of whatever library they come.

    Numbers and booleans of nullable columns, and of arrays of objects, stay what they are.

    Parameters
    ----------
    name : str
        What an error calls it.
    column : array-like of shape (n_samples,) or (n_samples, 1)
        The values.
    warn : bool, default=False
        Whether to warn of an array that is a column, as scikit-learn does in ``fit``.

    Raises
    ------
    ValueError
        If it is not one column, or values are missing (None, NaN, NaT, NA, masked).
    """
    if column is None:
        raise ValueError(f"requires {name} to be passed, but the target {name} is None")
    values = single_column(column)
    if not isinstance(values, Coded):
        values = column_or_1d(values, warn=warn)
        if values.dtype.kind not in "OfcmM":
            return values
        if values.dtype.kind != "O":  # what is missing is not equal to itself
            if (values != values).any():
                raise ValueError(_missing(name, float(np.sum(values != values)), len(values)))
            return values
    coded = _code(name, values)
    if coded.values and all(isinstance(label, int | float) for label in coded.values):
        return np.array(coded.values)[coded.codes]
    return coded.to_array()


def refuse_mixed_kinds(y_true: NDArray[Any], y_pred: NDArray[Any]) -> None:
    """Refuse labels that are text where the predictions are numbers, or the other way round.

    Parameters
    ----------
    y_true, y_pred : array of shape (n_samples,)
        As :func:`target_column` returns them: what is an array of objects holds no numbers.

    Raises
    ------
    ValueError
        If one is text and the other not.
    """
    if (y_true.dtype.kind in "OUS") != (y_pred.dtype.kind in "OUS"):
        _refuse_kinds(set(y_true.tolist()), set(y_pred.tolist()))


def _refuse_kinds(actual: set[Any], predicted: set[Any]) -> NoReturn:
    raise ValueError(
        f"y_true and y_pred use different kinds of labels: {_show(actual)} and {_show(predicted)}."
    )


def _missing(name: str, n_missing: float, n_samples: float) -> str:
    rows = f"{n_missing:.0f} of {n_samples:.0f} rows"
    return f"{name} has missing labels (NaN or None) in {rows}: drop those rows."


def _show(labels: Any) -> str:
    """Write labels in the order of how they are written, for a message."""
    return list_labels(sorted(labels, key=repr))
