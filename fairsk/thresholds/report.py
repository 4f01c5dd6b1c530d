"""What chosen thresholds achieve, as an object that prints itself."""

from __future__ import annotations

import html
from collections.abc import Hashable
from dataclasses import dataclass

from fairsk.groups import format_group

__all__ = ["ThresholdReport"]


@dataclass(frozen=True)
class ThresholdReport:
    """What the thresholds achieve on the rows that they were chosen on (out of fold, unless prefit).

    Parameters
    ----------
    positive : label
        The class whose prediction counts as being selected.
    constraint, objective : str
        What was bounded, and what was maximised.
    comparison : {"difference", "ratio"}
        Whether the difference was bounded from above, or the ratio from below.
    bound : float
        The bound that was asked for.
    disparity : float
        The largest difference (or smallest ratio) between groups that are not exempt; for mixtures, the
        expected one.
    interval : tuple of two floats or None
        A 95% confidence interval for the difference; None under ``min_ratio``.
    value : float
        The objective's value over all rows.
    optimality_gap : float or None
        How much more the best mixture of thresholds would reach; None where no linear program gives it.
    policy : {"threshold", "randomized"}
        Whether each group has one threshold, or a mixture.
    method : str
        How the policy was found.
    exempt : tuple
        Groups too small to measure; they have the overall threshold, and the bound does not cover them.
    """

    positive: Hashable
    constraint: str
    comparison: str
    objective: str
    bound: float
    disparity: float
    interval: tuple[float, float] | None
    value: float
    optimality_gap: float | None
    policy: str
    method: str
    exempt: tuple[Hashable, ...]

    def _lines(self) -> list[tuple[str, str]]:
        limit = "at most" if self.comparison == "difference" else "at least"
        between = ""
        if self.interval is not None:
            between = f" (95% interval {self.interval[0]:.4f} to {self.interval[1]:.4f})"
        best = "" if self.optimality_gap is None else f", {self.optimality_gap:.4f} below the best mixture"
        lines = [
            ("positive", str(self.positive)),
            ("constraint", f"{self.constraint}, {self.comparison} {limit} {self.bound:g}"),
            (self.comparison, f"{self.disparity:.4f}{between}"),
            (self.objective, f"{self.value:.4f}{best if self.policy == 'threshold' else ''}"),
            ("policy", f"{self.policy}, by {self.method}"),
        ]
        if self.exempt:
            lines.append(("exempt", ", ".join(map(format_group, self.exempt))))
        return lines

    def __str__(self) -> str:
        """Return a line per entry; the best mixture of thresholds is what randomizing could reach."""
        return "\n".join(f"{name + ':':<12} {text}" for name, text in self._lines())

    def _repr_html_(self) -> str:
        rows = (f"<tr><th>{html.escape(n)}</th><td>{html.escape(t)}</td></tr>" for n, t in self._lines())
        return f"<table>{''.join(rows)}</table>"
