"""Accuracy of predictions: scikit-learn's own, of labels and weights that have been checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import accuracy_score

from fairsk._core.labels import target_column
from fairsk._core.messages import list_labels
from fairsk._core.validation import check_weights

__all__ = ["accuracy"]

#: So many labels are shown in an error.
_SHOWN = 5


def accuracy(
    y: Any, predicted: NDArray[Any], classes: NDArray[Any] | None, sample_weight: ArrayLike | None
) -> float:
    """Return the share of rows, by weight, whose label is predicted.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, 1)
        The labels.
    predicted : array of shape (n_samples,)
        What is predicted.
    classes : array of shape (n_classes,) or None
        The labels seen in ``fit``, if the classifier tells them; others are wrong predictions, but must be of
        the same kind.
    sample_weight : array-like of shape (n_samples,) or None
        The weights.

    Raises
    ------
    ValueError
        If labels are missing, of another kind than those of ``fit``, or not as many as there are rows; or
        if weights cannot be used.
    """
    labels = target_column("y", y)
    weights = check_weights(sample_weight, len(predicted))
    if classes is not None:
        _refuse_other_kind(labels, np.asarray(classes))
    return float(accuracy_score(labels, predicted, sample_weight=weights))


def _refuse_other_kind(labels: NDArray[Any], classes: NDArray[Any]) -> None:
    """Refuse labels that are text where those of ``fit`` were none, or the other way round.

    Raises
    ------
    ValueError
        If that is so: no such label can equal one of ``fit``.
    """
    came, seen = _holds_text(labels), _holds_text(classes)
    if len(labels) and came != seen:
        raise ValueError(
            f"y holds {_kind(labels)} ({_show(labels)}), and fit had {_kind(classes)} ({_show(classes)}): "
            "give labels of the same kind."
        )


def _holds_text(labels: NDArray[Any]) -> bool:
    if labels.dtype.kind != "O":
        return labels.dtype.kind in "US"
    return any(isinstance(label, str) for label in _few(labels))


def _kind(labels: NDArray[Any]) -> str:
    if _holds_text(labels):
        return "texts"
    return "numbers" if labels.dtype.kind in "biuf" else "no texts"


def _few(labels: Iterable[Any]) -> list[Any]:
    """Return the first different labels."""
    found: dict[Any, None] = {}
    for label in labels:
        found.setdefault(label)
        if len(found) == _SHOWN:
            break
    return list(found)


def _show(labels: NDArray[Any]) -> str:
    return list_labels(_few(labels.tolist()))
