"""Tables of concerns: a summary for everybody, in which small counts are hidden, and a list for operators."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fairsk._core.groups import format_group
from fairsk._core.results import Result, Table
from fairsk._core.typing import Ints
from fairsk.monitoring._concerns.concern import Reason, Source, State

__all__ = ["COLUMNS_OF_A_LIST", "UNKNOWN_GROUP", "ConcernList", "ConcernSummary", "summarise"]

#: What tables call the group of a concern that has none.
UNKNOWN_GROUP = "(unknown)"
#: What the line of the small counts is called.
_TOGETHER = "(small counts together)"

#: Group, source and state of concerns.
Cell = tuple[Hashable | None, Source, State]


@dataclass(frozen=True, eq=False, repr=False)
class ConcernSummary(Result):
    """How many concerns there are by group, source and state, without small counts.

    Counts below ``fewest`` are added up, together with the smallest of the others (and those that equal it),
    and only the sum is shown. So no small count follows from the total minus what is shown.

    Parameters
    ----------
    groups : tuple of hashable or None
        The group of each line; None where it is not known.
    sources : tuple of {"ticket", "declared", "unknown"}
        How the group is known.
    states : tuple of {"received", "in review", "answered"}
        How far the concerns have come.
    n : array of int of shape (n_lines,)
        How many there are.
    n_together : int
        How many the others are, together.
    n_concerns : int or None
        How many there are in all; None if that is a small number too.
    fewest : int
        Smaller counts are hidden.

    See Also
    --------
    ConcernLog : ``summary`` makes it.

    Notes
    -----
    Two summaries tell more than one: the difference of what was shown before and after is what came in
    between. Publish it rarely, such as once a month.
    """

    groups: tuple[Hashable | None, ...]
    sources: tuple[Source, ...]
    states: tuple[State, ...]
    n: Ints
    n_together: int
    n_concerns: int | None
    fewest: int

    def _tables(self) -> Sequence[Table]:
        groups = [UNKNOWN_GROUP if group is None else format_group(group) for group in self.groups]
        columns: dict[str, list[object]] = {
            "group": [*groups],
            "source": [*self.sources],
            "state": [*self.states],
            "n": self.n.tolist(),
        }
        notes = ["Concerns are reasons to look, and prove nothing: who speaks up differs by group."]
        if self.n_together:
            for name, value in {"group": _TOGETHER, "source": "", "state": "", "n": self.n_together}.items():
                columns[name].append(value)
        if self.n_concerns is None:
            notes = [f"There are fewer than {self.fewest:,} concerns.", *notes]
        return [Table(columns, caption="Concerns", words=("source", "state"), notes=notes)]


def summarise(counts: Mapping[Cell, int], fewest: int) -> ConcernSummary:
    """Return the summary of concerns by group, source and state.

    Parameters
    ----------
    counts : mapping of tuple to int
        How many concerns each combination has.
    fewest : int
        Smaller counts are hidden.
    """
    written = {cell: (format_group(cell[0]) if cell[0] is not None else "", *cell[1:]) for cell in counts}
    shown = sorted(counts, key=lambda cell: (counts[cell], written[cell]))
    together = 0
    while shown and counts[shown[0]] < fewest:
        together += counts[shown.pop(0)]
    # The total minus what is shown is the sum of the small counts, which alone could tell them: all three of
    # 6 are 2 if none is more than 2. So the smallest of the others is hidden with them, and those that equal
    # it, for of equal ones it could be told which was taken. In tests, by brute force: none then follows.
    largest = counts[shown[0]] if together and shown else 0
    while shown and counts[shown[0]] == largest:
        together += counts[shown.pop(0)]
    total: int | None = sum(counts.values())
    if total is not None and total < fewest:
        together, total = 0, None
    shown.sort(key=lambda cell: (cell[0] is None, written[cell]))
    return ConcernSummary(
        groups=tuple(cell[0] for cell in shown),
        sources=tuple(cell[1] for cell in shown),
        states=tuple(cell[2] for cell in shown),
        n=np.array([counts[cell] for cell in shown], dtype=np.intp),
        n_together=together,
        n_concerns=total,
        fewest=fewest,
    )


#: The columns of a list, as they stand in frames and files.
COLUMNS_OF_A_LIST = (
    "number",
    "hour",
    "batch",
    "decision",
    "group",
    "category",
    "source",
    "state",
    "reason",
    "since",
)


@dataclass(frozen=True, eq=False, repr=False)
class ConcernList(Result):
    """Concerns, one a line, for those who answer them: it is not for publication.

    Parameters
    ----------
    numbers : array of int of shape (n_concerns,)
        The number of each concern.
    hours : tuple of str
        The hour in which it came, in UTC.
    batches, decisions : tuple of str or None
        What its ticket names; None without a ticket.
    groups : tuple of hashable or None
        Its group; None if it is not known.
    categories : tuple of str
        What it is about.
    sources : tuple of {"ticket", "declared", "unknown"}
        How the group is known.
    states : tuple of {"received", "in review", "answered"}
        How far it has come.
    reasons : tuple of str or None
        What the answer says.
    since : tuple of str
        The hour in which its state changed last.
    texts : tuple of str or None, or None
        What the senders say; None if no concern has a text.

    See Also
    --------
    ConcernLog : ``concerns`` makes it.
    """

    numbers: Ints
    hours: tuple[str, ...]
    batches: tuple[str | None, ...]
    decisions: tuple[str | None, ...]
    groups: tuple[Hashable | None, ...]
    categories: tuple[str, ...]
    sources: tuple[Source, ...]
    states: tuple[State, ...]
    reasons: tuple[Reason | None, ...]
    since: tuple[str, ...]
    texts: tuple[str | None, ...] | None = field(default=None)

    def by_column(self) -> dict[str, tuple[object, ...]]:
        """Return the columns of the list as frames and files have them, groups as text.

        Returns
        -------
        dict of str to tuple
            A value per concern; None where there is none.
        """
        values = (
            tuple(self.numbers.tolist()),
            self.hours,
            self.batches,
            self.decisions,
            tuple(None if group is None else format_group(group) for group in self.groups),
            self.categories,
            self.sources,
            self.states,
            self.reasons,
            self.since,
        )
        columns = dict(zip(COLUMNS_OF_A_LIST, values, strict=True))
        return columns if self.texts is None else columns | {"text": self.texts}

    def _tables(self) -> Sequence[Table]:
        columns = self.by_column()
        return [Table(columns, caption="Concerns", words=[name for name in columns if name != "number"])]
