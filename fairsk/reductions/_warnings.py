"""Warnings of a fit under a bound: groups too small to measure, bounds missed, rows that say little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairsk._core.bounds import ROUNDING, BoundedConstraint
from fairsk._core.columns import column_keys, columns_called
from fairsk._core.groups import format_group
from fairsk._core.messages import list_texts
from fairsk._core.warnings import warn_user
from fairsk._held_out.report import warn_of_wide_intervals
from fairsk.reductions._bounded_rows import BoundedRows
from fairsk.reductions._report import ConstrainedReport

__all__ = ["warn_of_column_left", "warn_of_limits", "warn_of_small_groups"]


def warn_of_column_left(X: Any, names: Sequence[str], selector: Any) -> None:
    """Warn if values were passed to ``fit``, and X has columns of the same names, which models would see."""
    taken_out = {key for key in column_keys(selector) or [] if isinstance(key, str)}
    left = [name for name in columns_called(X, names) if name not in taken_out]
    if left:
        warn_user(
            f"X has a column named like the sensitive_features passed to fit: {list_texts(left)}. The "
            "models see it, and predictions need it. Name it in the constructor, which takes it out of X; or "
            "drop it; or set keep_sensitive=True if that is meant."
        )


def warn_of_small_groups(
    rows: BoundedRows, constraints: Sequence[BoundedConstraint], min_group_size: int
) -> None:
    """Warn of groups that are too small to measure, and if too few are left to compare."""
    compared = rows.is_compared
    if not compared.any():
        names = " and ".join(each.constraint.name for each in constraints)
        warn_user(
            f"Fewer than two groups can be compared under {names} (min_group_size={min_group_size}): nothing "
            "is promised about the disparity."
        )
        return
    if not compared.all():
        small = [format_group(label) for g, label in enumerate(rows.labels) if not compared[g]]
        warn_user(
            f"Fewer than min_group_size={min_group_size} rows to measure in: {list_texts(small)}. The bound "
            "does not cover these groups."
        )
    somewhere = rows.covered[compared][:, rows.covered.any(0)]
    if not somewhere.all() or not rows.covered.any(0).all():
        n_left_out = int((~rows.covered[compared]).sum())
        warn_user(
            f"Fewer than min_group_size={min_group_size} rows to measure in some strata: {n_left_out} of "
            f"{rows.covered[compared].size} groups of strata are not compared. report_.not_compared and "
            "report_.cells_not_compared name them."
        )


def warn_of_limits(report: ConstrainedReport, *, has_margin: bool) -> None:
    """Warn if a bound is missed, or all are decided alike, or else if the rows say little of the bound."""
    missed = [part for part in report.constraints if part.violation > ROUNDING]
    (selected,) = report.counts_by_group.overall().rate("selection_rate")
    if missed:
        names = list_texts(f"{part.constraint} ({part.disparity:.4f})" for part in missed)
        warn_user(
            f"No model was found whose held-out decisions meet the bound on {names}. What helps: a looser "
            "bound, more rows, coarser groups, or a learner that can give up accuracy in more ways."
        )
    elif selected in (0, 1):
        without = report.value_without_bound
        why = (
            "no better decisions were found without the bound either. X says too little of y."
            if without is not None and report.value >= without - ROUNDING
            else "under this bound one decision for all rows is the best that was found. Loosen the bound."
        )
        warn_user(f"The model selects {'nobody' if selected == 0 else 'everybody'}: {why}")
    elif not has_margin:
        warn_of_wide_intervals(
            report.constraints, **({} if report.counts.strata is None else {"remedies": ""})
        )
