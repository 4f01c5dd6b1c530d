"""What cohorts wait for, and what labels that never came could change: results of ``Cohorts``."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairsk._core.groups import format_group
from fairsk._core.messages import list_texts, show
from fairsk._core.results import Result, Table, number, percent, read_only, row_count
from fairsk._core.typing import Floats

__all__ = ["IncompleteCohorts", "MissingLabels", "selective_labels"]


@dataclass(frozen=True, eq=False, repr=False)
class IncompleteCohorts(Result):
    """Cohorts that are still open, a line per cohort and group.

    Parameters
    ----------
    batches : tuple of str
        The batch of each line.
    groups : tuple of labels
        Its group.
    decided, labelled : array of shape (n_lines,)
        How many decisions there are, and how many of them have labels.
    lowest_share : array of shape (n_lines,)
        The smallest labelled share over the decisions (selected, rejected) and strata of the group.
    needed : array of shape (n_lines,)
        How many labels must still arrive until the group is complete.
    age : array of shape (n_lines,)
        How many later cohorts have been decided.
    complete : float
        The share that must be labelled.
    n_closed : int
        How many cohorts have been closed.
    passed_over : tuple of str
        Cohorts that grew too old, and are not counted.
    late : mapping of str to int
        Labels of cohorts that were closed before, which are not counted.
    selective : tuple of str
        Open cohorts with labels of selected decisions alone.

    See Also
    --------
    Cohorts.incomplete : What returns it.

    Examples
    --------
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.monitoring import Cohorts
    >>> cohorts = Cohorts()
    >>> sex, approved = ["f", "f", "m", "m"], [1, 0, 1, 0]
    >>> cohorts.decided("2026-01", GroupCounts.from_predictions(None, approved, sensitive_features=sex))
    >>> cohorts.incomplete().needed
    array([2., 2.])
    """

    batches: tuple[str, ...]
    groups: tuple[Hashable, ...]
    decided: Floats
    labelled: Floats
    lowest_share: Floats
    needed: Floats
    age: Floats
    complete: float
    n_closed: int
    passed_over: tuple[str, ...]
    late: Mapping[str, int]
    selective: tuple[str, ...]

    @property
    def share(self) -> Floats:
        """The share of the decisions that have labels."""
        return read_only(self.labelled / np.maximum(self.decided, 1))

    @property
    def waiting(self) -> tuple[str, ...]:
        """Cohorts that are complete and wait for an earlier one, for cohorts are counted in order."""
        complete = dict.fromkeys(self.batches, True)
        for batch, needed in zip(self.batches, self.needed, strict=True):
            complete[batch] &= bool(needed == 0)
        first = next((i for i, batch in enumerate(complete) if not complete[batch]), len(complete))
        return tuple(batch for i, batch in enumerate(complete) if i > first and complete[batch])

    def _notes(self) -> list[str]:
        n_open = len(set(self.batches))
        notes = [
            f"{n_open:,} open, {self.n_closed:,} closed. A cohort is complete with the labels of "
            f"{percent(self.complete)} of the selected and of the rejected decisions of every group."
        ]
        if self.waiting:
            notes.append(
                f"Complete, and waiting for earlier ones, for they are counted in order: "
                f"{list_texts(self.waiting)}."
            )
        if self.selective:
            notes.append(f"{selective_labels(self.selective)}")
        if self.passed_over:
            notes.append(f"Too old, and not counted: {list_texts(self.passed_over)}.")
        if self.late:
            notes.append(
                f"Labels that came after their cohort was closed, and are not counted: "
                f"{sum(self.late.values()):,}, of {list_texts(self.late)}."
            )
        return notes

    def _tables(self) -> list[Table]:
        columns: dict[str, Sequence[Any]] = {
            "batch": list(self.batches),
            "group": list(map(format_group, self.groups)),
            "decided": self.decided.tolist(),
            "labelled": self.labelled.tolist(),
            "share": self.share.tolist(),
            "lowest_share": self.lowest_share.tolist(),
            "needed": self.needed.tolist(),
            "age": self.age.tolist(),
        }
        whole = ("decided", "labelled", "needed", "age")
        shown = {
            name: [row_count(v) if name in whole else number(v) for v in values]
            for name, values in columns.items()
        }
        return [Table(columns, shown, words=["group"], notes=self._notes())]


def selective_labels(batches: Sequence[str]) -> str:
    """Say that only selected decisions have labels, and what can be monitored then."""
    return (
        f"No rejected decision has a label yet, while selected ones do: {list_texts(map(show, batches))}. If "
        "rejected ones never get any, no rate that looks at them can be monitored: monitor what lies within "
        'the selected, such as Cohorts(constraint="precision"), or learn the labels of a random part of '
        "the rejected."
    )


@dataclass(frozen=True, eq=False, repr=False)
class MissingLabels(Result):
    """What labels that were not counted could change, by group, over all closed cohorts.

    Parameters
    ----------
    rate : str
        Which rate.
    groups : tuple of labels
        The groups.
    decided, labelled, late : array of shape (n_groups,)
        How many decisions there were, how many were counted with their labels, and of how many the label
        came too late to be counted.
    estimate : array of shape (n_groups,)
        The rate of what was counted.
    with_late : array of shape (n_groups,)
        The rate with late labels added.
    low, high : array of shape (n_groups,)
        The smallest and the largest rate that the labels which have never come could make of ``with_late``.

    See Also
    --------
    Cohorts.missing : What returns it.

    Examples
    --------
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.monitoring import Cohorts
    >>> cohorts = Cohorts()
    >>> sex, approved = ["f", "f", "m", "m"], [1, 0, 1, 0]
    >>> cohorts.decided("2026-01", GroupCounts.from_predictions(None, approved, sensitive_features=sex))
    >>> labels = [1, 1, 1, 0]
    >>> cohorts.labelled("2026-01", GroupCounts.from_predictions(labels, approved, sensitive_features=sex))
    >>> closed = list(cohorts.closed())
    >>> cohorts.missing("true_positive_rate").estimate
    array([0.5, 1. ])
    """

    rate: str
    groups: tuple[Hashable, ...]
    decided: Floats
    labelled: Floats
    late: Floats
    estimate: Floats
    with_late: Floats
    low: Floats
    high: Floats

    def _tables(self) -> list[Table]:
        columns: dict[str, Sequence[Any]] = {"group": list(map(format_group, self.groups))}
        names = ("decided", "labelled", "late", "estimate", "with_late", "low", "high")
        columns |= {name: getattr(self, name).tolist() for name in names}
        shown = {
            name: [v if name == "group" else row_count(v) if name in names[:3] else number(v) for v in values]
            for name, values in columns.items()
        }
        note = "low and high: the rate if all labels that never came were one way, or the other."
        return [Table(columns, shown, caption=f"{self.rate}, closed cohorts", notes=[note])]
