"""The report of offsets per class and group: what they achieve for each class event."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, list_groups
from fairsk._core.messages import list_labels, list_texts
from fairsk._core.results import Entries, Table, number, row_count
from fairsk._core.typing import Floats
from fairsk._held_out.report import BoundReport, reached

__all__ = ["ClassThresholdReport"]

#: Who decides, by policy: the beginning of a summary.
_DECIDED_BY: dict[str, str] = {
    "threshold": (
        "Each group has an offset of its own for the score of each class, and the greatest sum decides"
    ),
    "randomized": (
        "Each group has a mixture of offsets of its own for the scores of the classes, of which a hash of "
        "the scores picks one, and the greatest sum decides"
    ),
    "blind": "One rule decides for all, from the scores of the classes and a guess at the group",
}
#: A probability that is smaller is left out where offsets are printed.
_SHOWN_PROBABILITY = 0.0005
#: How many classes a printed report has a line for.
_MOST_EVENTS = 20


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ClassThresholdReport(BoundReport):
    """What offsets per class and group achieve on the rows that they were chosen on.

    Every bound holds for each class event: a class against the rest, or a grade or a better one.
    ``disparity``, ``bound`` and ``interval`` are those of the binding constraint, for the event where it is
    worst.

    Parameters
    ----------
    pos_label : tuple of labels
        The classes whose events are bounded.
    objective : str
        What was maximised.
    value : float
        The objective's value over all rows.
    value_without_bound : float
        What the best offsets for all rows alike reach, without a bound or minimum rates.
    group_value_without_bound : float or None
        What the best offsets of each group reach without a bound, with all else that is asked for; None where
        nothing can be compared, or no offsets meet that.
    counts_without_bound : GroupCounts
        The confusion cells of all groups and events under the best offsets for all rows alike.
    constraints : tuple of ConstraintReport
        One per constraint, for the event where it is worst (its ``stratum``).
    within : tuple of ConstraintReport
        Each constraint for each event in which groups are compared; their intervals hold together.
    counts : GroupCounts
        The (expected) confusion cells of all groups, whose strata are the events: each row is counted once
        per event, so that sums over the strata are no rows.
    confusion : array of shape (n_groups, n_classes, n_classes)
        The (expected) weight of the rows of each group and label that get each decision.
    classes : tuple of labels
        All classes, in the order of the offsets.
    grades : tuple of labels or None
        The classes from the worst to the best: an event is then a grade or a better one.
    policy : {"threshold", "randomized", "blind"}
        Whether each group has one offset per class, or a mixture, or no group is looked at.
    solver : str
        The algorithm that chose the offsets.
    reason : str
        Why this policy.
    offsets : dict
        For each group its offsets, an array of shape (n_classes,), or (offsets, probability) pairs; empty for
        a blind policy.
    overall_offsets : array of shape (n_classes,)
        The best offsets for all rows alike, without a bound.
    added_to : {"probability", "log_probability", "decision"}
        The scores that the offsets are added to.
    optimality_gap : float or None
        How far the value is at most from the best that any policy of offsets, mixed ones included, could
        reach under the bounds: proven for all offsets if ``gap_is_proven``, else among those that were looked
        at. None where it is not known.
    gap_is_proven : bool
        Whether the optimality gap is that to all offsets.
    proven_gap : float or None
        How far the value is proven to be from the best that any policy of offsets could reach; it may be
        pessimistic. None where nothing is proven.
    blindness_cost : float or None
        How much more offsets per group would reach on the same rows; None unless the policy is blind.
    measured_on, exempt, uncertain, margin, margins, margin_asked, requirements, worths
        As in ``ThresholdReport``; worths are of a (label, decision).
    not_compared : tuple
        The events for which there are not two groups with enough rows.
    cells_not_compared : tuple of (label, label)
        Where a group that is compared elsewhere has too few rows: the group, and the event.
    library : {"pandas", "polars", "pyarrow"}, optional
        The library of the data, which :meth:`frame` returns.
    """

    confusion: Floats
    classes: tuple[Hashable, ...]
    grades: tuple[Hashable, ...] | None
    policy: Literal["threshold", "randomized", "blind"]
    solver: str
    reason: str
    offsets: Mapping[Hashable, Any]
    overall_offsets: Floats
    added_to: Literal["probability", "log_probability", "decision"]
    optimality_gap: float | None
    gap_is_proven: bool = False
    proven_gap: float | None = None
    blindness_cost: float | None = None

    _BASELINES: ClassVar[tuple[str, str]] = ("the same offsets for all", "the best ones per group")

    @property
    def counts_by_group(self) -> GroupCounts:
        """The counts of all groups for the event in which the binding constraint is worst."""
        label = self.binding.stratum
        return self.counts.stratum(self.pos_label[0] if label is None else label)  # type: ignore[index]

    def _event_words(self, label: Hashable) -> str:
        """Return what an event is called in a sentence."""
        written = list_labels([label])
        return f"{written} or better" if self.grades is not None else written

    # --- what is printed ------------------------------------------------------------------------------

    def _positive_lines(self) -> list[tuple[str, str]]:
        named = list_groups(self.counts.strata or ())
        if self.grades is not None:
            order = list_texts(map(str, self.grades)).replace(", ", " < ")
            return [("grades", f"{order}; bounded: {named}, each or better")]
        each = "each " if len(self.counts.strata or ()) > 1 else ""
        return [("classes", f"{named}, {each}against the rest")]

    def _one_of(self, label: Hashable) -> str:
        return f"of any {'class' if self.grades is None else 'grade'}: {self._event_words(label)}"

    def _strata_lines(self) -> list[tuple[str, str]]:
        lines = []
        if self.not_compared:
            lines.append(("passed over", list_texts(map(self._event_words, self.not_compared))))
        if self.cells_not_compared:
            cells = [f"{format_group(g)} for {self._event_words(e)}" for g, e in self.cells_not_compared]
            lines.append(("left out", f"{list_texts(cells)} (too few rows)"))
        if len(self.within) > len(self.constraints):
            one = "class" if self.grades is None else "grade"
            lines += [
                (one, f"{self._event_words(part.stratum)}: {reached(part)}")
                for part in self.within[:_MOST_EVENTS]
            ]
            more = len(self.within) - _MOST_EVENTS
            lines += [(one, f"and {more} more")] if more > 0 else []
        return lines

    def _lines(self) -> list[tuple[str, str]]:
        (name, value), *baselines = self._value_lines()
        if self.optimality_gap is not None:
            is_bounded = any(np.isfinite(part.bound) for part in self.constraints)
            under = " under the bound" if is_bounded else ""
            gap = number(self.optimality_gap, 4)
            if self.gap_is_proven:
                value += f"; at most {gap} short of the best{under}"
            else:
                value += f"; at most {gap} short of the best{under} among the offsets looked at"
        lines = [*self._constraint_lines(), *self._strata_lines(), (name, value), *baselines]
        if self.proven_gap is not None and not self.gap_is_proven:
            lines.append(("proven", f"at most {number(self.proven_gap, 4)} short of the best of all offsets"))
        lines.append(("policy", f"{self.policy}, by {self.solver}: {self.reason}"))
        if self.requirements:
            lines.append(("also", "; ".join(self.requirements)))
        lines += self._margin_lines()
        if self.blindness_cost is not None:
            cost = number(self.blindness_cost, 4)
            lines.append(("blindness", f"offsets per group would reach {cost} more"))
        return [*lines, *self._group_lines()]

    def _group_records(self) -> list[dict[str, Any]]:
        """Return what is said of each group: its offsets, and its cells and rates for each event."""
        counts, labels = self.counts, self.counts.strata or ()
        tables = {**counts.cells, **{rate.name: counts.rate(rate) for rate in self._rates()}}
        return [
            {
                "group": group,
                "n": counts.n[g, 0],
                "offsets": self.offsets.get(group),
                "events": [
                    {"event": label, **{name: table[g, e] for name, table in tables.items()}}
                    for e, label in enumerate(labels)
                ],
            }
            for g, group in enumerate(self.groups)
        ]

    def _tables(self) -> Sequence[Table | Entries]:
        """Return an entry per finding, then a line per class and group: offset, size, bounded rates."""
        counts, events = self.counts, list(self.counts.strata or ())
        order = list(self.grades or self.classes)
        places = [self.classes.index(label) for label in order]
        columns: dict[str, list[Any]] = {"class": [], "group": []}
        shown: dict[str, list[str]] = {"class": [], "group": []}
        for label in order:
            columns["class"] += [label] * len(self.groups)
            columns["group"] += map(format_group, self.groups)
            better = " or better" if self.grades is not None and label in events else ""
            shown["class"] += [f"{label}{better}"] * len(self.groups)
        shown["group"] = list(columns["group"])
        if self.offsets:
            written = [[_written(self.offsets[g], k) for g in self.groups] for k in places]
            shown["offset"] = [text for of_class in written for text in of_class]
            is_mixed = any(isinstance(each, list) for each in self.offsets.values())
            columns["offset"] = (
                list(shown["offset"])
                if is_mixed
                else [float(self.offsets[g][k]) for k in places for g in self.groups]
            )
        columns["n"] = counts.n[:, 0].tolist() * len(order)
        shown["n"] = list(map(row_count, columns["n"]))
        for rate in self._rates():
            values = counts.rate(rate)
            nan = [float("nan")] * len(self.groups)
            parts = [values[:, events.index(label)].tolist() if label in events else nan for label in order]
            columns[rate.name] = [value for part in parts for value in part]
            shown[rate.name] = ["" if np.isnan(v) else number(v, 4) for v in columns[rate.name]]
        columns["class"] = shown["class"]
        return [Entries(self._lines()), Table(columns, shown, words=["group"])]

    # --- the words of summaries -----------------------------------------------------------------------

    def _decided_by(self) -> str:
        return _DECIDED_BY[self.policy]

    def _without_bound(self) -> tuple[str, str]:
        return "the same offsets for all rows", "the best offsets of each group"

    def _takes_margin(self) -> bool:
        return True

    def _positive(self) -> str:
        return "so"

    def _selected_means(self) -> str:
        if self.grades is not None:
            return "Selected means given that grade or a better one."
        return "Selected means decided as that class, and turned down as any other."

    def _among(self) -> str:
        events = self.counts.strata or ()
        if len(events) == len(self.classes):
            return ", for each class"
        if self.grades is not None and len(events) == len(self.classes) - 1:
            return ", for each grade or better"
        return f", for {list_texts(map(self._event_words, events))}"

    def _stratum_words(self, label: Hashable) -> str:
        return f"for {self._event_words(label)}"

    def _compared_in(self, n: int) -> str:
        one, several = ("grade", "grades") if self.grades is not None else ("class", "classes")
        return f"for {n:,} {one if n == 1 else several}"

    def _changes(self) -> list[tuple[str, GroupCounts | None, GroupCounts]]:
        before = self.counts_without_bound
        return [
            (
                f"decided {self._event_words(label)}",
                None if before is None else before.stratum(label),
                self.counts.stratum(label),
            )
            for label in (self.counts.strata or ())[:_MOST_EVENTS]
        ]


def _written(offsets: Any, k: int) -> str:
    """Write a group's offset of one class, or those of a mixture with their probabilities."""
    if not isinstance(offsets, list):
        return f"{offsets[k]:.4f}"
    chances: dict[str, float] = {}
    for vector, chance in offsets:
        text = f"{vector[k]:.4f}"
        chances[text] = chances.get(text, 0.0) + chance
    shown = {text: chance for text, chance in chances.items() if chance >= _SHOWN_PROBABILITY}
    if len(shown) == 1:
        return next(iter(shown))
    return " or ".join(f"{text} ({chance:.1%})" for text, chance in shown.items())
