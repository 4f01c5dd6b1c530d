"""Classes that a disparity is about: which are named, and what labels and probabilities say of them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairsk._core.class_events import ClassEvents, names_several
from fairsk._core.groups import sort_labels
from fairsk._core.labels import target_column
from fairsk._core.messages import list_labels, show
from fairsk._core.typing import Bools, Floats

__all__ = ["check_class_labels", "class_events", "event_probabilities", "inside_events"]


def check_class_labels(
    pos_label: Any, grades: Sequence[Hashable] | NDArray[Any] | None
) -> tuple[Any, Sequence[Hashable] | None]:
    """Return the positive labels, and the grades, as plain lists of plain labels; refuse impossible ones."""
    if isinstance(pos_label, np.ndarray):
        pos_label = pos_label.tolist()
    if grades is not None:
        if isinstance(grades, str | bytes) or not np.iterable(grades):
            raise TypeError(f"grades must list the classes from the worst to the best; got {show(grades)}.")
        grades = grades.tolist() if isinstance(grades, np.ndarray) else list(grades)
        ClassEvents.of(grades, pos_label, grades)
    elif names_several(pos_label):
        ClassEvents.of(list(pos_label), list(pos_label))  # refuses none, and one that is named twice
    return pos_label, grades


def class_events(
    classes: NDArray[Any] | None,
    pos_label: Any,
    grades: Sequence[Hashable] | None,
    y_true: ArrayLike | None,
) -> ClassEvents | None:
    """Return the events of several classes that a disparity is about; None if one label is positive.

    The classes are those of the estimator, and labels that it has not seen in training, as one fold may lack
    a class that another one has. Without classes, as a threshold that is tuned scores, they are the labels.
    """
    if grades is None and not names_several(pos_label) and (classes is None or len(classes) < 3):
        return None
    known = [] if classes is None else np.asarray(classes).tolist()
    if grades is not None:
        # A fold may lack a grade; a class that is no grade is a mistake, which is told then.
        every = [*grades] if set(known) <= set(grades) else known
        return ClassEvents.of(every, pos_label, grades)
    unseen = [] if y_true is None else sort_labels({*target_column("y_true", y_true).tolist()} - {*known})
    return ClassEvents.of(sort_labels([*known, *unseen]) if unseen else known, pos_label)


def inside_events(events: ClassEvents, labels: NDArray[Any]) -> Bools:
    """Return which labels each event holds, of shape (n_events, n_samples)."""
    place = {label: position for position, label in enumerate(events.classes)}
    unknown = [label for label in sort_labels(set(labels.tolist())) if label not in place]
    if unknown:
        raise ValueError(
            f"The labels {list_labels(unknown)} are not among the classes {list_labels(events.classes)}."
        )
    return events.members[:, np.fromiter(map(place.__getitem__, labels.tolist()), np.intp, len(labels))]


def event_probabilities(events: ClassEvents, response: Floats, classes: NDArray[Any] | None) -> Floats:
    """Return the probability of each event, of shape (n_events, n_samples)."""
    if response.ndim == 1:  # of two classes scikit-learn gives the second one's
        response = np.column_stack([1 - response, response])
    known = events.classes if classes is None else np.asarray(classes).tolist()
    if response.shape[1] != len(known):
        raise ValueError(f"predict_proba gave {response.shape[1]} columns for {len(known)} classes.")
    # A class that the model has not seen has no column, and probability 0.
    columns = events.members[:, [events.classes.index(label) for label in known]]
    return np.minimum(columns.astype(float) @ response.T, 1.0)  # sums of parts may round to more than 1
