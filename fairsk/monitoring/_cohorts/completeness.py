"""Completeness of cohorts: which decisions have their labels, by group, stratum and decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from fairsk._core.amount_sums import judge_of_amounts
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, list_groups
from fairsk._core.messages import show
from fairsk._core.results import row_count
from fairsk._core.typing import Floats
from fairsk.rates import CELLS, Rate, get_rate

__all__ = [
    "Cohort",
    "asked_rows",
    "check_rows",
    "difference",
    "empty",
    "in_sorted_order",
    "laid_out",
    "n_allowed",
    "n_rows",
    "rate_range",
]

#: (1 - .95) * 20 is 1 but for its last bit.
_ROUNDING = 1e-9


def check_rows(name: str, counts: Any, *, labelled: bool) -> None:
    """Refuse what is no table of whole, unweighted rows, with labels or without.

    Raises
    ------
    TypeError
        If it is no table of counts.
    ValueError
        If rows have weights, or have labels where there should be none, or the other way round.
    """
    if not isinstance(counts, GroupCounts):
        raise TypeError(f"{name} must be a GroupCounts, got {show(counts)}.{judge_of_amounts(counts)}")
    if labelled and not counts.labelled:
        raise ValueError(f"{name} has no labels: count the rows whose labels have arrived, with y_true=.")
    if not labelled and counts.labelled:
        raise ValueError(
            f"{name} has labels already: count decisions without them (y_true=None), and pass the table of "
            "labels to labelled(). Decisions whose labels are there at once need no cohort."
        )
    for cell in CELLS:
        rows = counts.cells[cell]
        if not np.array_equal(rows, counts.squares[cell]) or not np.array_equal(rows, np.floor(rows)):
            raise ValueError(f"{name} must count rows, each once: it has weights, or parts of rows.")


def n_rows(counts: GroupCounts) -> int:
    """Return how many rows a table counts."""
    return int(counts.n.sum())


def difference(counts: GroupCounts, less: GroupCounts) -> GroupCounts:
    """Return what a table counts beyond another one of the same layout; negative counts are errors."""
    cells = {cell: counts.cells[cell] - less.cells[cell] for cell in CELLS}
    return _like(counts, cells, labelled=counts.labelled)


def empty(counts: GroupCounts, *, labelled: bool) -> GroupCounts:
    """Return a table of no rows with the groups and strata of another one."""
    return _like(counts, dict.fromkeys(CELLS, np.zeros_like(counts.n)), labelled=labelled)


def in_sorted_order(counts: GroupCounts) -> GroupCounts:
    """Return a table whose groups and strata stand in the order in which tables add up."""
    return counts + empty(counts, labelled=counts.labelled)


def _like(counts: GroupCounts, cells: Mapping[str, Floats], *, labelled: bool) -> GroupCounts:
    return GroupCounts(
        counts.groups,
        cells,
        names=counts.names,
        strata=counts.strata,
        labelled=labelled,
        orders=counts.orders,
    )


def laid_out(counts: GroupCounts, like: GroupCounts, what: str) -> GroupCounts:
    """Return a table with the groups and strata of another one, in their order.

    Raises
    ------
    ValueError
        If it has other attributes, or a group or stratum that the other one does not have.
    """
    total = counts + empty(like, labelled=counts.labelled)
    unknown = [label for label in total.groups if label not in like.groups]
    if unknown:
        raise ValueError(f"{what} has labels of groups that await none: {list_groups(unknown)}.")
    strata = [label for label in total.strata or () if label not in (like.strata or ())]
    if strata:
        raise ValueError(f"{what} has labels of strata that await none: {list_groups(strata)}.")
    return total.take(like.groups)


def asked_rows(counts: GroupCounts, *, selected: bool, rejected: bool) -> GroupCounts:
    """Return the table of the selected rows alone, of the rejected ones, or of both."""
    kept = {"tp": selected, "fp": selected, "fn": rejected, "tn": rejected}
    return _like(counts, {cell: counts.cells[cell] * kept[cell] for cell in CELLS}, labelled=counts.labelled)


def _by_decision(counts: GroupCounts) -> Floats:
    """Return how many rows were selected, and how many rejected, on a last axis."""
    selected = get_rate("selection_rate").part(counts.cells)
    return np.stack([selected, counts.n - selected], -1)


def n_allowed(n: Floats, complete: float, most_missing: int) -> Floats:
    """Return how many labels of that many decisions may be missing."""
    return np.maximum(np.floor((1 - complete) * n + _ROUNDING), most_missing)


@dataclass
class Cohort:
    """The decisions of a batch, and those of its labels that have arrived.

    Parameters
    ----------
    decided : GroupCounts
        The decisions, without labels.
    by_decision : bool
        Whether it is known which of them were selected; else all stand among the rejected.
    labelled : GroupCounts or None
        The labelled rows, with the groups and strata of ``decided``; None before the first, if the names of
        the attributes are not known.
    """

    decided: GroupCounts
    by_decision: bool
    labelled: GroupCounts | None = None

    def add(self, counts: GroupCounts, what: str) -> None:
        """Add labelled rows.

        Raises
        ------
        ValueError
            If they do not belong to these decisions, or there are more of them than decisions.
        """
        if self.labelled is None:  # the first table tells what the attributes are called
            if counts.strata is not None:
                raise ValueError(f"{what} has strata: give its decisions as a table with these strata.")
            names, orders = counts.names, counts.orders
            n = self.decided.cells["tn"]
            cells = {"tp": 0 * n, "fp": 0 * n, "fn": 0 * n, "tn": n}
            decided = GroupCounts(self.decided.groups, cells, names=names, orders=orders, labelled=False)
            decided = in_sorted_order(decided)
            base = empty(decided, labelled=True)
        else:
            decided, base = self.decided, self.labelled
        total = base + laid_out(counts, decided, what)
        self._refuse_more(total.take(decided.groups), decided, what)
        self.decided, self.labelled = decided, total.take(decided.groups)

    def _refuse_more(self, labelled: GroupCounts, decided: GroupCounts, what: str) -> None:
        surplus = self._parts(labelled) - self._parts(decided)
        if not (surplus > 0).any():
            return
        place = tuple(np.argwhere(surplus > 0)[0])
        where = f"group {show(format_group(decided.groups[place[0]]))}"
        if decided.strata is not None:
            where += f", stratum {show(format_group(decided.strata[place[1]]))}"
        decision = ("selected ", "rejected ")[place[-1]] if self.by_decision else ""
        raise ValueError(
            f"{what} would have {row_count(surplus[place])} more labels of {decision}rows than there are "
            f"decisions without one, in {where}: are labels counted twice, or of another batch?"
        )

    def _parts(self, counts: GroupCounts) -> Floats:
        """Return the rows by decision where that is known, else all together, on a last axis."""
        parts = _by_decision(counts)
        return parts if self.by_decision else parts.sum(-1, keepdims=True)

    @property
    def arrived(self) -> GroupCounts:
        """The labelled rows, none of them before the first have come."""
        return empty(self.decided, labelled=True) if self.labelled is None else self.labelled

    def missing(self, labelled: GroupCounts | None = None) -> GroupCounts:
        """Return the decisions whose label is missing, as a table without labels."""
        left = self._parts(self.decided) - self._parts(self.arrived if labelled is None else labelled)
        none = np.zeros_like(left[..., 0])
        cells = {
            "tp": none,
            "fn": none,
            "tn": left[..., -1],
            "fp": left[..., 0] if self.by_decision else none,
        }
        return _like(self.decided, cells, labelled=False)

    def remainder(self, counted: GroupCounts) -> Cohort:
        """Return what awaits labels after some were counted: of groups that lack none, nothing is kept."""
        missing = self.missing(counted)
        rows = missing.n.reshape(len(missing.groups), -1).sum(-1)
        groups = [group for group, n in zip(missing.groups, rows, strict=True) if n] or missing.groups[:1]
        late = None if self.labelled is None else difference(self.labelled, counted).take(groups)
        return Cohort(missing.take(groups), self.by_decision, late)

    def needed(self, complete: float, most_missing: int) -> Floats:
        """Return how many labels must still arrive, by group, stratum and decision."""
        decided, labelled = self._parts(self.decided), self._parts(self.arrived)
        return np.maximum(decided - labelled - n_allowed(decided, complete, most_missing), 0)

    def lowest_share(self) -> Floats:
        """Return the smallest share of labelled decisions of each group, over its decisions and strata."""
        decided, labelled = self._parts(self.decided), self._parts(self.arrived)
        share = np.where(decided > 0, labelled / np.maximum(decided, 1), 1.0)
        return share.reshape(len(share), -1).min(-1)

    def is_selective(self, complete: float, most_missing: int) -> bool:
        """Whether the selected are complete and no rejected one has a label, as if these never got any."""
        needed = self.needed(complete, most_missing)
        selected, rejected = _by_decision(self.arrived).reshape(-1, 2).sum(0)
        if self.by_decision and not needed[..., 1].any():
            return False  # few were rejected, or none
        return bool(selected > 0 and rejected == 0 and not needed[..., 0].any())


def rate_range(
    rate: Rate, counts: GroupCounts, missing: GroupCounts, *, by_decision: bool, asked: Sequence[str]
) -> tuple[Floats, Floats]:
    """Return the smallest and the largest rate of each group that missing labels could make.

    A rate is a ratio of sums of cells, so it is smallest and largest where the missing labels of a decision
    are all alike. Where it is not known who was selected, they may all be in any of the ``asked`` cells.
    """
    selected, rejected = np.moveaxis(_by_decision(missing), -1, 0)
    values = []
    if by_decision:
        for one, other in product(("tp", "fp"), ("fn", "tn")):
            added = {one: selected, other: rejected}
            values.append(rate({cell: counts.cells[cell] + added.get(cell, 0) for cell in CELLS}))
    else:
        for one in asked:
            values.append(rate({**counts.cells, one: counts.cells[one] + missing.n}))
    return np.fmin.reduce(values), np.fmax.reduce(values)
