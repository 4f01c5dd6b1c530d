"""What chosen thresholds achieve, as an object that prints itself."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group
from fairsk._core.results import Entries, Table, Tabular, number, rows
from fairsk.rates import Rate

__all__ = ["ConstraintReport", "ThresholdReport"]


@dataclass(frozen=True)
class ConstraintReport:
    """What the thresholds achieve under one constraint.

    Parameters
    ----------
    constraint : str
        What was bounded.
    rates : tuple of Rate
        The rates that should agree.
    comparison : {"difference", "ratio"}
        Whether the difference was bounded from above, or the ratio from below.
    bound : float
        The bound that was asked for.
    disparity : float
        The largest difference (or smallest ratio) between groups that are not exempt; for mixtures, the
        expected one.
    interval : tuple of two floats
        A 95% confidence interval for it, simultaneous over all pairs of groups and all rates.
    """

    constraint: str
    rates: tuple[Rate, ...]
    comparison: str
    bound: float
    disparity: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class ThresholdReport(Tabular):
    """What the thresholds achieve on the rows that they were chosen on (out of fold, unless prefit).

    With one constraint, its ``constraint``, ``comparison``, ``bound``, ``disparity`` and ``interval`` are
    also attributes of the report; with several, these are tuples.

    Parameters
    ----------
    positive : label
        The class whose prediction counts as being selected.
    objective : str
        What was maximised.
    value : float
        The objective's value over all rows.
    overall_value : float
        What the best threshold for all rows alike reaches, without a bound.
    optimality_gap : float or None
        How far the value is at most from the best that any policy of thresholds, mixed ones included,
        could reach under the bounds (as tightened by a margin); None where the objective is a function of the
        cells, the policy blind, or nothing can be compared.
    policy : {"threshold", "randomized", "blind"}
        Whether each group has one threshold, or a mixture, or no group is looked at.
    method, reason : str
        How the policy was found, and why this one.
    constraints : tuple of ConstraintReport
        One per constraint.
    thresholds : dict
        Each group's threshold, or (threshold, probability) pairs; empty for a blind policy.
    counts : GroupCounts
        The (expected) confusion cells of all groups: every rate and interval follows from them.
    exempt : tuple
        Groups too small to measure; they have the overall threshold, and the bounds do not cover them.
    uncertain : tuple
        Groups that the bounds cover on the rows seen, but of which these say too little: without a margin, a
        95% margin of error greater than the bound; with one, too few rows to keep it.
    margin : float
        How many standard errors of its disparity every pair of groups stays away from its bound.
    requirements : tuple of str
        What else was asked for, in words.
    blindness_cost : float or None
        How much more thresholds per group would reach on the same rows; None unless the policy is blind.
    binning_loss : float or None
        How much more thresholds on the scores themselves could reach at most; None unless they were
        chosen on histograms.
    """

    positive: Hashable
    objective: str
    value: float
    overall_value: float
    optimality_gap: float | None
    policy: str
    method: str
    reason: str
    constraints: tuple[ConstraintReport, ...]
    thresholds: Mapping[Hashable, Any]
    counts: GroupCounts
    exempt: tuple[Hashable, ...]
    uncertain: tuple[Hashable, ...]
    margin: float = 0.0
    requirements: tuple[str, ...] = ()
    blindness_cost: float | None = None
    binning_loss: float | None = None

    def __getattr__(self, name: str) -> Any:
        if name not in ("constraint", "comparison", "bound", "disparity", "interval"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        values = tuple(getattr(part, name) for part in self.constraints)
        return values[0] if len(values) == 1 else values

    def _lines(self) -> list[tuple[str, str]]:
        lines = [("positive", str(self.positive))]
        for part in self.constraints:
            limit = "at most" if part.comparison == "difference" else "at least"
            low, high = part.interval
            reached = f"{part.disparity:.4f} (95% interval {low:.4f} to {high:.4f})"
            if np.isnan(part.disparity):
                reached = "nothing can be compared"
            lines += [
                ("constraint", f"{part.constraint}, {part.comparison} {limit} {part.bound:g}"),
                (part.comparison, reached),
            ]
        below = ""
        if self.optimality_gap is not None:
            below = f"; at most {self.optimality_gap:.4f} below the best under it"
        lines += [
            (self.objective, f"{self.value:.4f} ({self.overall_value:.4f} without a bound){below}"),
            ("policy", f"{self.policy}, by {self.method}: {self.reason}"),
        ]
        if self.requirements:
            (share,) = self.counts.overall().rate("selection_rate")
            lines.append(("also", "; ".join([*self.requirements, f"{share:.4f} of all rows are selected"])))
        if self.margin:
            lines.append(("margin", f"{self.margin:.2f} standard errors between every two groups"))
        if self.blindness_cost is not None:
            lines.append(("blindness", f"thresholds per group would reach {self.blindness_cost:.4f} more"))
        if self.binning_loss is not None:
            lines.append(("binning", f"between the edges at most {self.binning_loss:.4f} more is possible"))
        if self.exempt:
            lines.append(("exempt", ", ".join(map(format_group, self.exempt))))
        if self.uncertain:
            lines.append(
                (
                    "uncertain",
                    f"{', '.join(map(format_group, self.uncertain))} (too few rows to promise the bound)",
                )
            )
        return lines

    def _tables(self) -> Sequence[Table | Entries]:
        """Return an entry per finding, then a line per group: its threshold, its size, the bounded rates."""
        counts = self.counts
        rates = list(dict.fromkeys(rate for part in self.constraints for rate in part.rates))
        columns: dict[str, list[Any]] = {"group": list(map(format_group, counts.groups))}
        shown: dict[str, list[str]] = {"group": columns["group"]}
        if self.thresholds:
            chosen = [self.thresholds[label] for label in counts.groups]
            shown["threshold"] = list(map(_written, chosen))
            mixed = any(isinstance(threshold, list) for threshold in chosen)
            columns["threshold"] = shown["threshold"] if mixed else chosen
        columns["n"] = counts.n.tolist()
        shown["n"] = list(map(rows, columns["n"]))
        for rate in rates:
            columns[rate.name] = counts.rate(rate).tolist()
            shown[rate.name] = [number(value, 4) for value in columns[rate.name]]
        return [Entries(self._lines()), Table(columns, shown)]


def _written(threshold: Any) -> str:
    """Write a threshold, or the thresholds of a mixture with their probabilities."""
    if not isinstance(threshold, list):
        return f"{threshold:.4f}"
    return " or ".join(f"{t:.4f} ({p:.1%})" for t, p in threshold)
