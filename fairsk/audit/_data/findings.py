"""Findings of an audit: a check, its number with interval and p-value, a severity, and advice."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, list_groups
from fairsk._core.results import Record
from fairsk._core.typing import Floats
from fairsk.rates import RATES, Constraint
from fairsk.statistics import difference_interval

__all__ = [
    "SEVERITIES",
    "TOLERANCES",
    "Finding",
    "Settings",
    "Severity",
    "extremes",
    "largest_difference",
    "listed",
    "part_counts",
]

Severity: TypeAlias = Literal["WARNING", "NOTICE", "INCONCLUSIVE", "OK", "NOT APPLICABLE"]
#: The severities, the most urgent one first.
SEVERITIES: tuple[Severity, ...] = ("WARNING", "NOTICE", "INCONCLUSIVE", "OK", "NOT APPLICABLE")

#: For each check, where a significant number becomes a notice, and where a warning.
TOLERANCES: Mapping[str, tuple[float, float]] = {
    "group shares": (0.1, 0.3),
    "least represented": (0.8, 0.5),
    "unknown groups": (0.01, 0.05),
    "group and label": (0.1, 0.3),
    "label rates": (0.1, 0.2),
    "missing values": (0.05, 0.1),
    "proxies": (0.65, 0.8),
    "words": (0.7, 2.3),  # odds that are about twice, and ten times, as large
}

#: The share of rows that have something (a label, a missing value), as a constraint: equal in all groups.
_EQUAL_PARTS = Constraint("equal_parts", [RATES["base_rate"]])


@dataclass(frozen=True)
class Finding:
    """One row of an audit.

    Parameters
    ----------
    check : str
        What was checked.
    attribute : str
        For which attribute, or intersection of them.
    about : str
        Of which attribute, column or groups.
    measure : str
        What ``value`` is.
    value, low, high : float
        The number and its interval; NaN where there is none.
    p : float
        The p-value, adjusted for how often the check was made.
    severity : {"WARNING", "NOTICE", "INCONCLUSIVE", "OK", "NOT APPLICABLE"}
        What to make of it.
    advice : str
        What to do, in a sentence.
    """

    check: str
    attribute: str
    about: str
    measure: str
    value: float
    low: float
    high: float
    p: float
    severity: Severity
    advice: str


@dataclass(frozen=True)
class Settings(Record):
    """Settings of all checks: confidence, the smallest group and tolerances.

    Parameters
    ----------
    confidence : float, default=0.95
        Coverage of intervals; 1 - confidence is the level of tests.
    min_group_size : int, default=30
        Smaller groups are named, and left out of comparisons of rates between groups.
    tolerances : mapping of str to (float, float)
        The notice and the warning level of each check.
    """

    confidence: float = 0.95
    min_group_size: int = 30
    tolerances: Mapping[str, tuple[float, float]] = field(default_factory=lambda: dict(TOLERANCES))

    def severity(self, check: str, value: float, low: float, high: float, p: float) -> Severity:
        """Return the severity of a number: it takes size and significance, both, to make a warning.

        A number within the tolerance is OK only if its interval stays clear of the warning level. A number
        outside it that is not significant is inconclusive, as is one within it that may be far larger.
        Without interval and p (NaN) it describes the rows, and is no estimate.
        """
        if np.isnan(value):
            return "NOT APPLICABLE"
        notice, warning = self.tolerances[check]
        worst = high
        if warning < notice:  # the smaller, the worse
            value, worst, notice, warning = -value, -low, -notice, -warning
        slack = 1e-9  # 1 - 0.8 is a little less than 0.2
        if value < notice - slack:
            return "INCONCLUSIVE" if worst >= warning else "OK"
        if p >= 1 - self.confidence or low == 0 < value:  # the test and the interval must agree
            return "INCONCLUSIVE"
        return "WARNING" if value >= warning - slack else "NOTICE"

    def finding(
        self,
        check: str,
        attribute: str,
        measure: str,
        numbers: tuple[float, float, float, float],
        advice: Mapping[Severity, str],
        about: str = "",
    ) -> Finding:
        """Return the finding of a number (value, low, high, p), with the advice for its severity."""
        severity = self.severity(check, *numbers)
        words = advice.get(severity) or _ADVICE[severity]
        return Finding(check, attribute, about or attribute, measure, *numbers, severity, words)


_ADVICE: Mapping[Severity, str] = {
    "INCONCLUSIVE": "Too few rows to tell a large difference from chance: collect more.",
    "OK": "Nothing to do.",
    "NOT APPLICABLE": "There is nothing to compare.",
}


def listed(names: Iterable[Hashable], most: int = 5) -> str:
    """Write groups, or other names, one after another: the few that a line of the audit holds."""
    return list_groups(names, most)


def extremes(
    groups: Sequence[Hashable], values: Floats, write: Callable[[float], str], of: str = "in"
) -> str:
    """Say what the largest and the smallest value are, and of which groups; NaN is left out."""
    low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
    if values[low] == values[high]:
        alike = [group for group, value in zip(groups, values, strict=True) if not np.isnan(value)]
        return f"{write(values[low])} {of} each of {listed(map(format_group, alike))}"
    return (
        f"{write(values[high])} {of} {listed([groups[high]])} and {write(values[low])} {of} "
        f"{listed([groups[low]])}"
    )


def part_counts(part: Floats, whole: Floats) -> GroupCounts:
    """Return counts of groups, called by numbers, whose base rate is the share of a part in a whole."""
    none = np.zeros(len(part))
    return GroupCounts(range(len(part)), {"tp": part, "fn": none, "fp": none, "tn": whole - part})


def largest_difference(part: Floats, whole: Floats, confidence: float) -> tuple[float, float, float]:
    """Return the largest difference between groups in the share of a part, with a simultaneous interval."""
    if len(part) < 2:
        return np.nan, np.nan, np.nan
    counts = part_counts(part, whole)
    low, high = difference_interval(counts, _EQUAL_PARTS, confidence)
    return counts.compare(_EQUAL_PARTS), low, high
