"""Cohorts as plain values: what JSON holds of them, and reading it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.messages import show
from fairsk._core.validation import plain_labels, plain_orders, read_labels, read_orders
from fairsk.monitoring._cohorts.completeness import Cohort, check_rows, empty
from fairsk.rates import CELLS

__all__ = [
    "counts_state",
    "plain_cohort",
    "read_cohort",
    "read_counts",
]

#: Cells of decisions, which have no labels.
_DECISION_CELLS = ("fp", "tn")


def counts_state(counts: GroupCounts | None) -> dict[str, Any] | None:
    """Return whole, unweighted counts as plain values, fit for JSON."""
    if counts is None:
        return None
    return {
        "names": list(counts.names),
        "groups": plain_labels(counts.groups),
        "strata": None if counts.strata is None else plain_labels(counts.strata),
        "orders": plain_orders(counts.orders),
        "cells": {
            cell: counts.cells[cell].astype(int).tolist()
            for cell in (CELLS if counts.labelled else _DECISION_CELLS)
        },
    }


def read_counts(state: Any, *, labelled: bool) -> GroupCounts | None:
    """Restore what :func:`counts_state` wrote.

    Raises
    ------
    ValueError, TypeError, KeyError
        If it is something else.
    """
    if state is None:
        return None
    cells = CELLS if labelled else _DECISION_CELLS
    if set(state) != {"names", "groups", "strata", "orders", "cells"} or set(state["cells"]) != set(cells):
        raise ValueError("a table has other entries than it should")
    none = np.zeros_like(np.array(state["cells"]["tn"], dtype=float))
    counts = GroupCounts(
        read_labels(state["groups"]),
        {cell: state["cells"].get(cell, none) for cell in CELLS},
        names=state["names"],
        strata=None if state["strata"] is None else read_labels(state["strata"]),
        labelled=labelled,
        orders=read_orders(state["orders"]),
    )
    check_rows("a table", counts, labelled=labelled)
    return counts


def plain_cohort(batch: str, cohort: Cohort) -> dict[str, Any]:
    """Return a cohort as plain values, fit for JSON."""
    return {
        "batch": batch,
        "by_decision": cohort.by_decision,
        "decided": counts_state(cohort.decided),
        "labelled": counts_state(cohort.labelled),
    }


def read_cohort(state: Mapping[str, Any]) -> Cohort:
    """Restore what :func:`plain_cohort` wrote; errors say what is wrong with it."""
    by_decision = state["by_decision"]
    if set(state) != {"batch", "by_decision", "decided", "labelled"} or not isinstance(by_decision, bool):
        raise ValueError("a cohort has other entries than it should")
    decided = read_counts(state["decided"], labelled=False)
    labelled = read_counts(state["labelled"], labelled=True)
    if decided is None or (labelled is None and by_decision):
        raise ValueError("a cohort has no decisions")
    if labelled is None:
        return Cohort(decided, by_decision)
    cohort = Cohort(decided, by_decision, empty(decided, labelled=True))
    cohort.add(labelled, f"Batch {show(state['batch'])}")
    return cohort
