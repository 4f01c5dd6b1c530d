"""What chosen thresholds achieve, as an object that prints itself."""

from __future__ import annotations

import html
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairsk.counts import GroupCounts
from fairsk.groups import format_group
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
class ThresholdReport:
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

    def _groups(self) -> list[list[str]]:
        """Return a row of text per group, after the head: its threshold, its size, the bounded rates."""
        rates = list(dict.fromkeys(rate for part in self.constraints for rate in part.rates))
        values = [self.counts.rate(rate) for rate in rates]
        rows = [["group", *(["threshold"] if self.thresholds else []), "rows", *(r.name for r in rates)]]
        for g, label in enumerate(self.counts.groups):
            threshold = [_written(self.thresholds[label])] if self.thresholds else []
            size = f"{self.counts.n[g]:,.6g}"
            rows.append([format_group(label), *threshold, size, *(f"{value[g]:.4f}" for value in values)])
        return rows

    def __str__(self) -> str:
        """Return a line per entry, then a line per group."""
        entries = self._lines()
        width = max(12, *(len(name) + 1 for name, _ in entries))
        lines = [f"{name + ':':<{width}} {text}" for name, text in entries]
        rows = self._groups()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for first, *rest in rows:
            cells = [first.ljust(widths[0]), *(t.rjust(w) for t, w in zip(rest, widths[1:], strict=True))]
            lines.append("  ".join(cells))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        def row(head: str, cells: Iterable[str]) -> str:
            return (
                f"<tr><th>{html.escape(head)}</th>{''.join(f'<td>{html.escape(c)}</td>' for c in cells)}</tr>"
            )

        entries = "".join(row(name, [text]) for name, text in self._lines())
        groups = "".join(row(first, rest) for first, *rest in self._groups())
        return f"<table>{entries}</table><table>{groups}</table>"


def _written(threshold: Any) -> str:
    """Write a threshold, or the thresholds of a mixture with their probabilities."""
    if not isinstance(threshold, list):
        return f"{threshold:.4f}"
    return " or ".join(f"{t:.4f} ({p:.1%})" for t, p in threshold)
