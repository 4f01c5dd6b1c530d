"""Cohorts of decisions whose labels arrive late: what is complete is counted, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.messages import list_texts, show
from fairsk._core.validation import plain_constraint, read_constraint
from fairsk._core.warnings import warn_user
from fairsk.monitoring._cohorts.completeness import (
    Cohort,
    asked_rows,
    check_rows,
    empty,
    in_sorted_order,
    n_rows,
    rate_range,
)
from fairsk.monitoring._cohorts.results import IncompleteCohorts, MissingLabels, selective_labels
from fairsk.monitoring._cohorts.state import (
    counts_state,
    plain_cohort,
    read_cohort,
    read_counts,
)
from fairsk.monitoring._options import check_name, json_labels
from fairsk.monitoring._shares import monitored_constraint
from fairsk.rates import CELLS, Constraint, Rate, get_rate

__all__ = ["Cohorts"]

_STATE = "fairsk cohorts 1"
#: Cells of selected and of rejected rows, of which a rate may need the labels.
_SELECTED, _REJECTED = CELLS[:2], CELLS[2:]


class Cohorts:
    """Decisions by batch, counted when their labels have arrived in every group.

    A label may arrive long after its decision, and later for one group, or for one outcome, than for another:
    a loan is repaid in years, a default is known in months. Whoever counts labels as they arrive, or those of
    decisions of a certain age, measures the delay. So the decisions of a batch are a cohort, which is counted
    once, when it is complete.

    Parameters
    ----------
    complete : float, default=0.95
        The share of decisions that must have a label: of the selected and of the rejected ones, in every
        group (and stratum).
    max_age : int, optional
        A cohort that is not complete after so many later ones have been decided is passed over: it is
        reported, and never counted. By default later cohorts wait for it, however long.
    most_missing : int, default=0
        How many labels of the selected (or rejected) of a group may be missing in any case, where these are
        so few that the share allows none: 95% of 10 are all 10.
    constraint : str, Constraint or Rate, optional
        What will be monitored. Of a rate that lies within the selected decisions, such as precision, their
        labels alone are waited for and counted; likewise for one within the rejected. By default all are.

    Attributes
    ----------
    open : tuple of str
        The cohorts that wait for labels, in order.
    passed_over : tuple of str
        Those that grew too old.
    n_closed : int
        How many have been yielded by :meth:`closed`.
    late : dict of str to int
        How many labels of a cohort came after it was closed or passed over.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or a rate needs no labels.

    See Also
    --------
    FairnessMonitor : What counts the cohorts that are closed.
    fairsk.metrics.GroupCounts : The tables of decisions (``y_true=None``), and of labelled rows.

    Notes
    -----
    Cohorts are closed in the order of their batch ids, which sort as text (``"2026-09"``, ``"w07"``): the
    first to be complete tend to be those whose labels are quick, and quick ones may be of one kind. Selected
    and rejected decisions are asked for separately, for 95% of all are reached without those that are few and
    slow. How often a monitor then alarms falsely, and how often with other rules, is simulated in
    ``benchmarks/monitor_labels.py``.

    What no rule sees is a delay that depends on the label itself: of the last 5%, all may be positives. So
    choose ``complete`` such that what is missing is well below the rate that is monitored, and look at
    :meth:`missing`: late labels are not counted, but they show which way it went.

    No rows are kept: counts by group, and how many are missing.

    Examples
    --------
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.monitoring import Cohorts
    >>> cohorts = Cohorts(complete=0.95)
    >>> decisions = GroupCounts.from_predictions(None, [1, 0, 1, 0], sensitive_features=["a", "a", "b", "b"])
    >>> cohorts.decided("2026-01", decisions)
    >>> early = GroupCounts.from_predictions([1, 1, 0], [1, 0, 0], sensitive_features=["a", "a", "b"])
    >>> cohorts.labelled("2026-01", early)
    >>> list(cohorts.closed())
    []
    >>> cohorts.labelled("2026-01", GroupCounts.from_predictions([1], [1], sensitive_features=["b"]))
    >>> [(batch, counts.n.tolist()) for batch, counts in cohorts.closed()]
    [('2026-01', [2.0, 2.0])]
    """

    def __init__(
        self,
        complete: float = 0.95,
        max_age: int | None = None,
        *,
        most_missing: int = 0,
        constraint: str | Constraint | Rate | None = None,
    ) -> None:
        self.complete = _check_share(complete)
        self.max_age = None if max_age is None else _check_whole("max_age", max_age, 1)
        self.most_missing = _check_whole("most_missing", most_missing, 0)
        self.constraint = None if constraint is None else monitored_constraint(constraint)
        self._asked = self._selected, self._rejected = _asked(self.constraint)
        self._open: dict[str, Cohort] = {}
        # Of a closed cohort stays what was missing, as decisions, and the labels that came too late.
        self._closed: dict[str, Cohort] = {}
        self._passed_over: set[str] = set()
        self._counted: GroupCounts | None = None
        self._has_warned = False

    @property
    def open(self) -> tuple[str, ...]:
        """The cohorts that wait for labels, in order."""
        return tuple(sorted(self._open))

    @property
    def passed_over(self) -> tuple[str, ...]:
        """Those that grew too old."""
        return tuple(sorted(self._passed_over))

    @property
    def n_closed(self) -> int:
        """How many cohorts have been counted."""
        return len(self._closed) - len(self._passed_over)

    @property
    def late(self) -> dict[str, int]:
        """How many labels of a cohort came after it was closed or passed over."""
        numbers = {batch: n_rows(self._closed[batch].arrived) for batch in sorted(self._closed)}
        return {batch: n for batch, n in numbers.items() if n}

    def decided(self, batch: str, counts: GroupCounts | Mapping[Any, int]) -> None:
        """Start a cohort: the decisions of a batch, all at once.

        Parameters
        ----------
        batch : str
            The id of the batch, which sorts after all that are closed.
        counts : GroupCounts or mapping of group to int
            The decisions, counted without labels (``y_true=None``). A mapping says how many labels are
            awaited in each group, but not of which decisions, so that completeness by decision is not asked.

        Raises
        ------
        ValueError
            If the batch was given before, sorts before a closed one, or rows have labels or weights.
        TypeError
            If ``batch`` is no text, ``counts`` no table, or a group neither text nor a number.
        """
        batch = check_name("batch", batch)
        what = f"The decisions of batch {show(batch)}"
        if batch in self._open or batch in self._closed:
            raise ValueError(
                f"{what} were given already: add up the tables of a batch before, and give late decisions as "
                "a batch of their own."
            )
        last = max(self._closed, default="")
        if batch < last:
            raise ValueError(
                f"{what} come too late: cohorts are counted in the order of their ids, as text, and "
                f"{show(last)} is closed. Give them an id that sorts after it."
            )
        if isinstance(counts, Mapping):
            _refuse_labels(list(counts), what)
            self._open[batch] = Cohort(_of_numbers(counts, what), by_decision=False)
            return
        check_rows(what, counts, labelled=False)
        _refuse_labels(counts.groups, what)
        _refuse_labels(counts.strata or (), what)
        self._refuse_other(counts, what)
        asked = in_sorted_order(asked_rows(counts, selected=self._selected, rejected=self._rejected))
        self._open[batch] = Cohort(asked, by_decision=True, labelled=empty(asked, labelled=True))

    def labelled(self, batch: str, counts: GroupCounts) -> None:
        """Add rows of a cohort whose labels have arrived.

        Labels of a cohort that has been closed, or passed over, are reported and not counted: the last to
        arrive are no sample of anything.

        Parameters
        ----------
        batch : str
            The batch in which these rows were decided.
        counts : GroupCounts
            The confusion cells of these rows.

        Raises
        ------
        ValueError
            If there is no such batch, a group has more labels than decisions, or rows have weights or no
            labels.
        """
        batch = check_name("batch", batch)
        what = f"Batch {show(batch)}"
        cohort = self._open.get(batch) or self._closed.get(batch)
        if cohort is None:
            raise ValueError(f"{what} has no decisions: give them to decided() first.")
        check_rows(what, counts, labelled=True)
        self._refuse_other(counts, what)
        cohort.add(asked_rows(counts, selected=self._selected, rejected=self._rejected), what)

    def closed(self) -> Iterator[tuple[str, GroupCounts]]:
        """Yield the cohorts that are complete in every group, each once, in the order of their ids.

        A cohort is taken off when the loop asks for the next one: if counting it fails, it is yielded again.

        Yields
        ------
        batch : str
            The id.
        counts : GroupCounts
            The labelled rows of the cohort.

        Warns
        -----
        UserWarning
            If rejected decisions seem never to get labels, once.
        """
        while (batch := self._next()) is not None:
            cohort = self._open[batch]
            counts = cohort.arrived
            if n_rows(counts):  # a day without decisions is no batch
                yield batch, counts
            self._close(batch, counts)

    def incomplete(self) -> IncompleteCohorts:
        """Return which cohorts are open, and what they wait for.

        Returns
        -------
        IncompleteCohorts
            A line per open cohort and group.
        """
        batches, groups, numbers = [], [], []
        for place, batch in enumerate(self.open):
            cohort = self._open[batch]
            lowest, needed, n_later = cohort.lowest_share(), self._needed(cohort), len(self._open) - place - 1
            for g, group in enumerate(cohort.decided.groups):
                sizes = (float(table.n[g].sum()) for table in (cohort.decided, cohort.arrived))
                batches.append(batch)
                groups.append(group)
                numbers.append((*sizes, lowest[g], needed[g].sum(), n_later))
        decided, labelled, lowest, needed, age = np.array(numbers, dtype=float).reshape(-1, 5).T
        return IncompleteCohorts(
            batches=tuple(batches),
            groups=tuple(groups),
            decided=decided,
            labelled=labelled,
            lowest_share=lowest,
            needed=needed,
            age=age,
            complete=self.complete,
            n_closed=self.n_closed,
            passed_over=self.passed_over,
            late=self.late,
            selective=tuple(batch for batch in self.open if self._is_selective(self._open[batch])),
        )

    def missing(self, rate: Rate | str) -> MissingLabels:
        """Return what the labels that were not counted could change, over all closed cohorts.

        Parameters
        ----------
        rate : str or Rate
            Which rate.

        Returns
        -------
        MissingLabels
            A line per group; none before a cohort is closed.

        Raises
        ------
        ValueError
            If the rate looks at decisions whose labels ``constraint`` leaves out.
        """
        rate = get_rate(rate)
        if any(looks and not asked for looks, asked in zip(_looks_at(rate), self._asked, strict=True)):
            raise ValueError(
                f"{rate.name} needs labels of {'rejected' if self._selected else 'selected'} decisions, "
                f"which constraint={show(self.constraint.name if self.constraint else None)} leaves out."
            )
        if self._counted is None:
            nothing = np.zeros(0)
            return MissingLabels(rate.name, (), *[nothing] * 7)
        cohorts = [
            cohort
            for batch, cohort in self._closed.items()
            if batch not in self._passed_over and cohort.labelled is not None
        ]
        counted = self._counted.without_strata()
        missing = _total([cohort.decided for cohort in cohorts], empty(counted, labelled=False))
        late = _total([cohort.arrived for cohort in cohorts], empty(counted, labelled=True))
        by_decision = all(cohort.by_decision for cohort in cohorts)
        never_came = Cohort(missing, by_decision).missing(late)
        known, cells = counted + late, (*_SELECTED * self._selected, *_REJECTED * self._rejected)
        low, high = rate_range(rate, known, never_came, by_decision=by_decision, asked=cells)
        estimate, with_late = rate(counted.cells), rate(known.cells)
        decided = counted.n + missing.n
        return MissingLabels(
            rate.name, counted.groups, decided, counted.n, late.n, estimate, with_late, low, high
        )

    def to_state(self) -> dict[str, Any]:
        """Return the cohorts as plain values, fit for JSON; :meth:`from_state` restores them.

        Returns
        -------
        dict of str to value
            Parameters, and counts of open and of closed cohorts.
        """
        return {
            "schema": _STATE,
            "complete": self.complete,
            "max_age": self.max_age,
            "most_missing": self.most_missing,
            "constraint": None if self.constraint is None else plain_constraint(self.constraint),
            "open": [plain_cohort(batch, self._open[batch]) for batch in self.open],
            "closed": [
                {**plain_cohort(batch, self._closed[batch]), "counted": batch not in self._passed_over}
                for batch in sorted(self._closed)
            ],
            "counted": counts_state(self._counted),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Cohorts:
        """Restore the cohorts that :meth:`to_state` wrote.

        Parameters
        ----------
        state : mapping of str to value
            What it returned.

        Returns
        -------
        Cohorts
            The cohorts.

        Raises
        ------
        ValueError
            If it is no such state, or its counts contradict each other.
        """
        try:
            return _restored(cls, state)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
            raise ValueError(f"This is no state of Cohorts: {show(str(error))}") from None

    def __str__(self) -> str:
        parts = [f"Cohorts: {self.n_closed:,} closed, {len(self._open):,} open"]
        if self._passed_over:
            parts.append(f", {len(self._passed_over):,} passed over: {list_texts(self.passed_over, 3)}")
        if self._open:
            oldest = self._open[self.open[0]]
            labels = n_rows(oldest.arrived) / max(n_rows(oldest.decided), 1)
            parts.append(f". The oldest, {show(self.open[0])}, has {labels:.0%} of its labels")
        return "".join(parts) + "."

    def __repr__(self) -> str:
        return f"<{self}>"

    def _refuse_other(self, counts: GroupCounts, what: str) -> None:
        """Refuse a table of other attributes, or with strata where others have none."""
        cohorts = (*self._open.values(), *self._closed.values())
        known = next((cohort.decided for cohort in cohorts if cohort.labelled is not None), None)
        if known is None:
            return
        if known.names != counts.names or (known.strata is None) != (counts.strata is None):
            has = ["has no strata" if table.strata is None else "has strata" for table in (counts, known)]
            raise ValueError(
                f"{what} is by {list_texts(counts.names)} and {has[0]}, while an earlier table is by "
                f"{list_texts(known.names)} and {has[1]}: cohorts are counted alike."
            )

    def _needed(self, cohort: Cohort) -> Any:
        return cohort.needed(self.complete, self.most_missing)

    def _is_selective(self, cohort: Cohort) -> bool:
        return all(self._asked) and cohort.is_selective(self.complete, self.most_missing)

    def _is_complete(self, cohort: Cohort) -> bool:
        # Where it is not known who was selected, labels of selected ones alone may be as many as are awaited.
        return not self._needed(cohort).any() and not self._is_selective(cohort)

    def _next(self) -> str | None:
        """Return the first open cohort if it is complete; pass over those that are too old."""
        waiting = self.open
        for later, batch in zip(range(len(waiting) - 1, -1, -1), waiting, strict=True):
            cohort = self._open[batch]
            if self._is_complete(cohort):
                return batch
            if self._is_selective(cohort) and not self._has_warned:
                self._has_warned = True
                warn_user(selective_labels([batch]))
            if self.max_age is None or later <= self.max_age:
                return None
            self._passed_over.add(batch)
            self._close(batch, None)
        return None

    def _close(self, batch: str, counted: GroupCounts | None) -> None:
        """Keep of a cohort what is missing; labels that came while it was counted are late ones."""
        cohort = self._open.pop(batch)
        self._closed[batch] = cohort.remainder(cohort.arrived if counted is None else counted)
        if counted is not None and n_rows(counted):
            self._counted = counted if self._counted is None else self._counted + counted


def _total(tables: Sequence[GroupCounts], start: GroupCounts) -> GroupCounts:
    return sum((table.without_strata() for table in tables), start=start)


def _restored(cls: type[Cohorts], state: Mapping[str, Any]) -> Cohorts:
    keys = {"schema", "complete", "max_age", "most_missing", "constraint", "open", "closed", "counted"}
    if set(state) != keys or state["schema"] != _STATE:
        raise ValueError(f"it must have the entries {list_texts(sorted(keys))}, and schema {_STATE!r}")
    constraint = None if state["constraint"] is None else read_constraint(state["constraint"])
    made = cls(state["complete"], state["max_age"], most_missing=state["most_missing"], constraint=constraint)
    batches = [each["batch"] for each in (*state["closed"], *state["open"])]
    if batches != sorted({check_name("batch", batch) for batch in batches}):
        raise ValueError("its batches are not in order")
    made._open = {each["batch"]: read_cohort(each) for each in state["open"]}
    for each in state["closed"]:
        made._closed[each["batch"]] = read_cohort({k: v for k, v in each.items() if k != "counted"})
        if not isinstance(each["counted"], bool):
            raise ValueError("a closed cohort is counted or not")
        if not each["counted"]:
            made._passed_over.add(each["batch"])
    made._counted = read_counts(state["counted"], labelled=True)
    return made


def _looks_at(rate: Rate) -> tuple[bool, bool]:
    """Whether a rate looks at the labels of selected decisions, and of rejected ones."""
    pairs = zip(rate.numerator_coefficients, rate.denominator_coefficients, strict=True)
    tp, fp, fn, tn = (part != 0 or whole != 0 for part, whole in pairs)
    return tp or fp, fn or tn


def _asked(constraint: Constraint | None) -> tuple[bool, bool]:
    """Whether labels of selected decisions are needed, and those of rejected ones."""
    if constraint is None:
        return True, True
    free = [rate.name for rate in constraint.rates if not rate.needs_labels]
    if free:
        raise ValueError(
            f"constraint={show(constraint.name)} needs no labels ({list_texts(free)}): update the monitor "
            "with the decisions at once."
        )
    selected, rejected = zip(*map(_looks_at, constraint.rates), strict=True)
    return any(selected), any(rejected)


def _of_numbers(counts: Mapping[Any, int], what: str) -> GroupCounts:
    numbers = [_check_whole(f"{what}, of group {show(group)},", n, 0) for group, n in counts.items()]
    rows = np.array(numbers, dtype=float)
    cells = {"tp": 0 * rows, "fp": 0 * rows, "fn": 0 * rows, "tn": rows}
    return GroupCounts(list(counts), cells, labelled=False)


def _refuse_labels(labels: Sequence[Hashable], what: str) -> None:
    """Refuse labels that JSON does not have now, and not when cohorts are stored."""
    for label, read in zip(labels, json_labels(labels), strict=True):
        if label != read:
            raise ValueError(f"{what} have a group or stratum that JSON writes otherwise: {show(label)}.")


def _check_share(complete: Any) -> float:
    if (
        isinstance(complete, bool)
        or not isinstance(complete, int | float | np.number)
        or not 0 < complete <= 1
    ):
        raise ValueError(f"complete must be a share above 0 and up to 1, got {show(complete)}.")
    return float(complete)


def _check_whole(name: str, value: Any, least: int) -> int:
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value != int(value) or value < least:
        raise ValueError(f"{name} must be a whole number, at least {least}; got {show(value)}.")
    return int(value)
