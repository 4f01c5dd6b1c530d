"""Class events: which decisions among several classes count as positive, one event at a time.

With more than two classes a rate needs to know what is positive. Each *event* says so: a class against the
rest, or, where classes are grades in an order, a grade or a better one. Of the table of labels and decisions
an event makes four cells, so that every rate, constraint and interval of two classes holds for each event.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairsk._core.counts import ClassKind
from fairsk._core.messages import list_labels
from fairsk._core.typing import Bools, Floats

__all__ = ["ClassEvents", "names_several"]


@dataclass(frozen=True, eq=False)
class ClassEvents:
    """The events that bounds and disparities of several classes are about.

    Parameters
    ----------
    classes : tuple of labels
        All classes, in the order of the table.
    labels : tuple of labels
        What each event is called: the class, or the grade from which on it counts.
    members : bool array of shape (n_events, n_classes)
        Which classes each event holds.
    are_grades : bool
        Whether an event is a grade or a better one, and not a class against the rest.
    """

    classes: tuple[Hashable, ...]
    labels: tuple[Hashable, ...]
    members: Bools
    are_grades: bool = False

    @classmethod
    def of(
        cls,
        classes: Sequence[Hashable] | NDArray[Any],
        pos_label: Any = None,
        grades: Sequence[Hashable] | None = None,
    ) -> ClassEvents:
        """Return the events that are asked for.

        Parameters
        ----------
        classes : sequence of labels
            All classes.
        pos_label : label or list of labels, optional
            The classes whose events are wanted; all of them by default.
        grades : sequence of labels, optional
            All classes from the worst to the best: an event is then a grade or a better one, and the worst
            has none, since every decision is at least that.

        Raises
        ------
        ValueError
            If a label is no class, is named twice, or grades are not the classes in some order.
        """
        # Labels of arrays as plain ones, so that they are written and compared as users do.
        listed = classes.tolist() if isinstance(classes, np.ndarray) else list(classes)
        wanted = listed if grades is None else _in_order(list(grades), listed)[1:]
        if pos_label is not None:
            named = list(pos_label) if names_several(pos_label) else [pos_label]
            _refuse_unknown(named, wanted, listed, are_grades=grades is not None)
            wanted = [listed[listed.index(label)] for label in named]  # as the classes are written
        order = listed if grades is None else _in_order(list(grades), listed)
        place = np.array([order.index(label) for label in listed])
        positions = np.array([order.index(label) for label in wanted])
        members = place == positions[:, None] if grades is None else place >= positions[:, None]
        return cls(tuple(listed), tuple(wanted), members, grades is not None)

    def cells(self, table: Floats) -> dict[str, Floats]:
        """Return the confusion cells of each event.

        Parameters
        ----------
        table : array of shape (..., n_classes, n_classes)
            How many rows have which label (the second axis from the end) and get which decision (the last).

        Returns
        -------
        dict of str to array of shape (..., n_events)
            The cells ``tp``, ``fp``, ``fn`` and ``tn``.
        """
        inside = self.members.astype(float)
        outside = 1 - inside

        def count(actual: Floats, decided: Floats) -> Floats:
            # Sums of counts, and no differences of them: nothing is lost where a cell is small.
            return np.einsum("...ak,ea,ek->...e", table, actual, decided)

        return {
            "tp": count(inside, inside),
            "fp": count(outside, inside),
            "fn": count(inside, outside),
            "tn": count(outside, outside),
        }

    @property
    def kind(self) -> ClassKind:
        """What a table of counts says that its strata are."""
        return "grades" if self.are_grades else "classes"

    def in_words(self, event: int) -> str:
        """Return what an event is called in a sentence: ``'gold'``, or ``'gold' or better``."""
        label = list_labels([self.labels[event]])
        return f"{label} or better" if self.are_grades else label


def names_several(pos_label: Any) -> bool:
    """Whether it is a list of classes, and not a class."""
    return isinstance(pos_label, list | tuple | np.ndarray)


def _in_order(grades: list[Any], classes: list[Any]) -> list[Any]:
    """Return the grades, if they are the classes in some order."""
    if not _are_distinct(grades) or set(grades) != set(classes):
        raise ValueError(
            "grades must name every class once, from the worst to the best; got "
            f"{list_labels(grades) or 'none'}, and the classes are {list_labels(classes)}."
        )
    return [classes[classes.index(label)] for label in grades]


def _are_distinct(labels: list[Any]) -> bool:
    """Return whether labels are labels, each once: a list among them, say, is none."""
    return all(isinstance(label, Hashable) for label in labels) and len(set(labels)) == len(labels)


def _refuse_unknown(named: list[Any], wanted: list[Any], classes: list[Any], *, are_grades: bool) -> None:
    """Refuse labels that have no event, or that are named twice."""
    if not named or not _are_distinct(named):
        raise ValueError(f"pos_label must name classes, each once; got {list_labels(named) or 'none'}.")
    unknown = [label for label in named if label not in classes]
    if unknown:
        raise ValueError(
            f"pos_label={list_labels(unknown)} is not one of the classes {list_labels(classes)}."
        )
    worst = [label for label in named if label not in wanted]
    if are_grades and worst:
        raise ValueError(
            f"pos_label={list_labels(worst)} is the worst of the grades: every decision is at least that, so "
            "that there is nothing to bound. Name a better one."
        )
