"""The search for thresholds without an estimator around it."""

from __future__ import annotations

from typing import NamedTuple

from fairsk.thresholds._group_curves import GroupCurves
from fairsk.thresholds._report import ThresholdReport, threshold_report
from fairsk.thresholds._rules import ThresholdRule
from fairsk.thresholds._search import Search
from fairsk.thresholds._spec import ThresholdSpec


class Chosen(NamedTuple):
    """A rule per group, and what they achieve."""

    rules: list[ThresholdRule]
    report: ThresholdReport


def choose_thresholds(curves: GroupCurves, spec: ThresholdSpec) -> Chosen:
    """Search, and measure what is found."""
    search = Search.prepare(curves, spec)
    solution = search.choose()
    return Chosen(solution.rules, threshold_report(search, solution, pos_label=1, measured_on="out of fold"))
