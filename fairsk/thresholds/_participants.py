"""The groups that take part: which have enough rows to be compared, by their own rows or by borrowed ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fairsk._core.groups import format_group
from fairsk._core.messages import list_texts
from fairsk._core.warnings import warn_user
from fairsk.thresholds._borrowing import Borrowing, borrow, warn_of_borrowing
from fairsk.thresholds._group_curves import GroupCurves
from fairsk.thresholds._spec import ThresholdSpec
from fairsk.thresholds._strata import ComparedStrata, compared_strata, warn_of_small_cells

__all__ = ["Participants", "find_participants", "warn_of_small_groups"]


@dataclass(frozen=True)
class Participants:
    """The groups that take part, by their positions.

    Parameters
    ----------
    measured : list of int
        The groups that take part.
    exempt : list of int
        Those that are too small to.
    strata : ComparedStrata, optional
        Within which strata the groups are compared.
    borrowing : Borrowing, optional
        The groups that take part with rows that they borrow.
    """

    measured: list[int]
    exempt: list[int]
    strata: ComparedStrata | None = None
    borrowing: Borrowing | None = None

    @property
    def covered(self) -> list[int]:
        """The groups that take part with nothing but their own rows."""
        borrowed = {} if self.borrowing is None else self.borrowing.sources
        return [g for g in self.measured if g not in borrowed]


def find_participants(curves: GroupCurves, spec: ThresholdSpec) -> Participants:
    """Find the groups in which every bounded rate can be measured.

    Parameters
    ----------
    curves : GroupCurves
        Every group's curve, within strata if there are some.
    spec : ThresholdSpec
        What is asked for.
    """
    if curves.within is not None:
        strata = compared_strata(curves.within, spec.rates, spec.min_group_size)
        measured = strata.measured
        return Participants(measured, [g for g in range(len(curves.labels)) if g not in measured], strata)
    small, borrowing = list(_rows_of_small_groups(curves, spec)), None
    measured = [g for g in range(len(curves.labels)) if g not in small]
    measured = measured if len(measured) > 1 else []
    if measured and spec.policy != "blind":  # which knows no groups to pool
        borrowing = borrow(curves, small, spec.rates, spec.min_group_size)
        measured = sorted([*measured, *borrowing.sources])
        small = [g for g in small if g not in borrowing.sources]
    return Participants(measured, small, borrowing=borrowing)


def warn_of_small_groups(curves: GroupCurves, spec: ThresholdSpec, participants: Participants) -> None:
    """Warn of groups (within strata: of cells) that have too few rows, and if too few are left to compare."""
    least = spec.min_group_size
    if participants.strata is not None:
        warn_of_small_cells(curves, participants.strata, least)
        return
    if participants.borrowing is not None:
        warn_of_borrowing(curves, participants.borrowing, least)
    if participants.exempt:
        rows = _rows_of_small_groups(curves, spec)
        small = [f"{format_group(curves.labels[g])} ({rows[g]})" for g in participants.exempt]
        warn_user(
            f"Fewer than min_group_size={least} rows to measure in: {list_texts(small)}. "
            "The bound does not cover these groups; they get the overall threshold."
        )
    if not participants.measured:
        warn_user(
            f"Fewer than two groups can be compared under {spec.constraint_names}: every group gets the "
            "overall threshold, and nothing is promised about the disparity."
        )


def _rows_of_small_groups(curves: GroupCurves, spec: ThresholdSpec) -> dict[int, str]:
    """Return how many rows the groups have that have too few to measure a bounded rate, in words."""
    small: dict[int, str] = {}
    for rate in spec.rates:
        most = curves.most_rows(rate)
        for g in np.flatnonzero(most < spec.min_group_size):
            small[int(g)] = f"{most[g]:g} for {rate.name}"
    return dict(sorted(small.items()))
