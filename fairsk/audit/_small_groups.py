"""Small groups: intersections with few rows are merged into one before anything is published."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, TypeAlias

import numpy as np

from fairsk._core.counts import GroupCounts, sum_rows
from fairsk._core.groups import format_group
from fairsk._core.histograms import ScoreHistograms
from fairsk._core.messages import show
from fairsk._core.results import Record
from fairsk._core.typing import Bools, Floats, Ints
from fairsk._core.validation import check_choice
from fairsk.rates import CELLS

__all__ = [
    "SMALL",
    "MergedGroups",
    "Merger",
    "Rule",
    "is_merged",
    "join_small_bins",
    "merge_strata",
    "name_merged",
    "plan_merger",
]

#: What the group that small ones are merged into is called.
SMALL = "(small groups together)"
#: What the stratum that small ones are merged into is called.
SMALL_STRATA = "(small strata together)"
#: That name, or the next free one.
_MERGED = re.compile(re.escape(SMALL[:-1]) + r"(, \d+)?\)")

#: What may not be small: a group, or any of its confusion cells that is not empty too.
Rule: TypeAlias = Literal["group", "cell"]


@dataclass(frozen=True, eq=False, repr=False)
class MergedGroups(Record):
    """What was merged so that no small group is published.

    Parameters
    ----------
    rule : {"group", "cell"}
        What may not be small.
    min_cell : int
        How many rows every published group (and cell) has at least.
    n_groups : int
        How many groups were merged into one; 0 if none was small.
    n_rows : float
        The (weighted) number of rows in it.
    label : str or None
        What it is called, in every attribute; None if nothing was merged.
    n_strata : int, default=0
        How many strata were merged into one.
    """

    rule: Rule
    min_cell: int
    n_groups: int
    n_rows: float
    label: str | None
    n_strata: int = 0

    def to_state(self) -> dict[str, Any]:
        """Return the record as plain values, fit for JSON; :meth:`from_state` restores it."""
        return {
            "rule": self.rule,
            "min_cell": self.min_cell,
            "n_groups": self.n_groups,
            "n_rows": self.n_rows,
            "label": self.label,
            "n_strata": self.n_strata,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> MergedGroups:
        """Restore the record that :meth:`to_state` wrote."""
        return cls(
            state["rule"],
            state["min_cell"],
            state["n_groups"],
            state["n_rows"],
            state["label"],
            state["n_strata"],
        )


def is_merged(label: Hashable) -> bool:
    """Whether a group stands for several small ones that were merged: people of many groups."""
    parts = label if isinstance(label, tuple) else (label,)
    return any(isinstance(part, str) and _MERGED.fullmatch(part) is not None for part in parts)


def name_merged(label: Hashable) -> str:
    """Write a group; one that is merged in every attribute is named once."""
    if isinstance(label, tuple) and is_merged(label) and len(set(label)) == 1:
        return format_group(label[0])
    return format_group(label)


@dataclass(frozen=True)
class Merger:
    """What every group, and every stratum, is called once the small ones are merged."""

    groups: list[Hashable]
    #: None if no stratum is small.
    strata: list[Hashable] | None
    said: MergedGroups


def plan_merger(tables: Sequence[GroupCounts], min_cell: int, rule: Rule) -> Merger:
    """Say which groups are merged, so that each that is left has enough rows.

    Small groups become one; while that is too small itself, the smallest group that is left joins it. Small
    strata are merged in the same way first.

    Parameters
    ----------
    tables : sequence of GroupCounts
        Counts of the same rows by the same groups, of different decisions; those with strata have the same.
    min_cell : int
        The least number of rows of a published group.
    rule : {"group", "cell"}
        Whether a group counts as small by its rows (also those within a stratum, if there are any), or also
        by a confusion cell that is neither empty nor large enough.

    Raises
    ------
    ValueError
        If not even all rows together are enough.

    Notes
    -----
    Tables hold sums of weights, not rows. By Cauchy and Schwarz a cell of weights w has at least
    ``(sum w)^2 / sum w^2`` rows, and just so many if weights are equal; these least numbers are added up.
    """
    check_choice("rule", rule, Rule)
    if isinstance(min_cell, bool) or not isinstance(min_cell, int | np.integer) or min_cell < 1:
        raise ValueError(f"min_cell must be a whole number of rows, at least 1; got {show(min_cell)}.")
    counts, n_strata = tables[0], 0
    strata: list[Hashable] | None = None
    rows = list(map(_least_rows, tables))
    places = [i for i, table in enumerate(tables) if table.strata is not None]
    if places:
        before = tables[places[0]].strata or ()
        # By stratum; the cells of all decisions, of which each has all rows.
        merged = _merged(*_sizes([rows[i].sum(0)[:, None] for i in places], rule), min_cell)
        n_strata, name = int(merged.sum()), _free_name(SMALL_STRATA, before)
        strata = [name if small else stratum for stratum, small in zip(before, merged, strict=True)]
        codes, n_left = _codes(strata), len(set(strata))
        for i in places:
            rows[i] = np.moveaxis(sum_rows(np.moveaxis(rows[i], 1, 0), codes, n_left), 0, 1)
    merged = _merged(*_sizes(rows, rule), min_cell)
    n_groups = int(merged.sum())
    label = _free_name(SMALL, counts.groups) if n_groups else None
    whole: Hashable = label if len(counts.names) == 1 else (label,) * len(counts.names)
    labels = [whole if small else group for group, small in zip(counts.groups, merged, strict=True)]
    n_rows = float(counts.without_strata().n[merged].sum())
    said = MergedGroups(rule, int(min_cell), n_groups, n_rows, label, n_strata)
    return Merger(labels, strata if n_strata else None, said)


def _sizes(tables: Sequence[Floats], rule: Rule) -> tuple[Floats, Floats]:
    """Return the least number of rows of each group, and of its parts that may be empty but not small.

    Tables are of shape (n_groups, n_strata, n_cells), each of all rows.
    """
    # Where weights differ, every decision tells something of the number of rows.
    totals = np.max([table.sum((1, 2)) for table in tables], axis=0)
    parts = [table.sum(2) for table in tables if table.shape[1] > 1]
    if rule == "cell":
        parts += [table.reshape(len(table), -1) for table in tables]
    return totals, np.concatenate([np.empty((len(totals), 0)), *parts], axis=1)


def _least_rows(counts: GroupCounts) -> Floats:
    """Return the number of rows of each group, stratum and cell, or the least that it can be."""
    cells = np.stack([_rows_of(counts.cells[cell], counts.squares[cell]) for cell in CELLS], axis=-1)
    return cells if counts.strata is not None else cells[:, None, :]


def _rows_of(sums: Floats, squares: Floats) -> Floats:
    """Return the least number of rows of such sums of weights, and of squared weights."""
    return np.divide(sums**2, squares, out=np.zeros_like(sums), where=squares > 0)


def _merged(totals: Floats, parts: Floats, min_cell: int) -> Bools:
    """Return which groups (or strata) are to be one, so that none is left that is too small."""

    def too_small(total: Floats, part: Floats) -> Bools:
        # Of weights that are equal but for rounding, 10 rows may count as 9.999999999.
        total, part = np.round(total, 6), np.round(part, 6)
        return (total < min_cell) | ((part > 0) & (part < min_cell)).any(-1)

    merged = too_small(totals, parts)
    order = np.argsort(totals, kind="stable")
    for place in order:
        together = totals[merged].sum(), parts[merged].sum(0)
        if not merged.any() or not too_small(*together):
            break
        merged[place] = True
    if merged.any() and too_small(totals[merged].sum(), parts[merged].sum(0)):
        if round(float(totals.sum()), 6) < min_cell:
            raise ValueError(
                f"There are {totals.sum():.0f} rows in all, fewer than min_cell={min_cell}: nothing of them "
                "can be published."
            )
        raise ValueError(
            "All groups together have a confusion cell, or a stratum, of fewer than "
            f'min_cell={min_cell} rows. Ask for fewer, or for rule="group".'
        )
    return merged


def _free_name(name: str, groups: Sequence[Hashable]) -> str:
    """Return a name that no group has, in any attribute."""
    taken = {part for group in groups for part in (group if isinstance(group, tuple) else (group,))}
    names = (name if i == 1 else f"{name[:-1]}, {i})" for i in count(1))
    return next(free for free in names if free not in taken)


def merge_strata(counts: GroupCounts, labels: Sequence[Hashable]) -> GroupCounts:
    """Give the strata other labels, in their order; the counts of strata with the same one add up."""
    strata, codes = list(dict.fromkeys(labels)), _codes(labels)

    def table(sums: Mapping[str, Floats]) -> dict[str, Floats]:
        return {cell: sum_rows(sums[cell].T, codes, len(strata)).T for cell in CELLS}

    return GroupCounts(
        counts.groups,
        table(counts.cells),
        table(counts.squares),
        names=counts.names,
        strata=strata,
        labelled=counts.labelled,
        library=counts.library,
        orders=counts.orders,
    )


def _codes(labels: Sequence[Hashable]) -> Ints:
    """Return the place of each label among the distinct ones, in the order in which they come."""
    position = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    return np.array([position[label] for label in labels], dtype=np.intp)


def join_small_bins(histograms: ScoreHistograms, min_cell: int) -> ScoreHistograms | None:
    """Join neighbouring bins until no group has 1 to ``min_cell - 1`` rows of a label in one.

    Returns
    -------
    ScoreHistograms or None
        The histograms with the edges that are left; None if none is.
    """
    rows = np.concatenate(
        [
            _rows_of(getattr(histograms, label), histograms.squares[label])
            for label in ("positives", "negatives")
        ]
    )

    def fits(bins: Floats) -> bool:
        sums = np.round(bins.sum(1), 6)
        return not ((sums > 0) & (sums < min_cell)).any()

    kept, start = list[int](), 0
    for edge in range(len(histograms.edges)):
        if fits(rows[:, start : edge + 1]):
            kept.append(edge)
            start = edge + 1
    while kept and not fits(rows[:, kept[-1] + 1 :]):
        kept.pop()
    places: Ints = np.array(kept, dtype=np.intp)
    return histograms.coarsen(histograms.edges[places]) if kept else None
