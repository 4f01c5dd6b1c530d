"""The report of thresholds per group: policy, solver, thresholds, and what they leave to be gained."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fairsk._held_out.report import BoundReport, json_number

__all__ = ["Policy", "ThresholdReport"]

#: What a policy turned out to be: a threshold per group, mixtures of them, or no look at the group.
Policy: TypeAlias = Literal["threshold", "randomized", "blind"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ThresholdReport(BoundReport):
    """What the thresholds achieve on the rows that they were chosen on (out of fold, unless prefit).

    With several constraints, ``constraint``, ``comparison``, ``bound``, ``disparity`` and ``interval`` are
    those of the binding one: the one that exceeds its bound by most, or comes nearest to it.

    Parameters
    ----------
    pos_label, objective, value, value_without_bound, constraints, counts, measured_on
        As in :class:`~fairsk._held_out.report.BoundReport`.
    exempt, uncertain, margin
        Likewise; exempt groups have the overall threshold.
    policy : {"threshold", "randomized", "blind"}
        Whether each group has one threshold, or a mixture, or no group is looked at.
    solver : str
        The algorithm that chose the thresholds.
    reason : str
        Why this policy.
    thresholds : dict
        Each group's threshold, or (threshold, probability) pairs; empty for a blind policy.
    optimality_gap : float or None
        How far the value is at most from the best that any policy of thresholds, mixed ones included,
        could reach under the bounds (as tightened by a margin); None where the objective is a function of the
        cells, the policy blind, or nothing can be compared.
    requirements : tuple of str
        What else was asked for, in words.
    blindness_cost : float or None
        How much more thresholds per group would reach on the same rows; None unless the policy is blind.
    binning_loss : float or None
        How much more thresholds on the scores themselves could reach at most; None unless they were
        chosen on histograms.
    """

    policy: Policy
    solver: str
    reason: str
    thresholds: Mapping[Hashable, Any]
    optimality_gap: float | None
    requirements: tuple[str, ...] = ()
    blindness_cost: float | None = None
    binning_loss: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return all that the report says as JSON can hold it: NaN is None, infinity is ``"inf"``.

        What stands under ``constraint``, ``bound`` and so on is that of the binding constraint; a mixture of
        thresholds is a list of (threshold, probability) pairs.
        """
        return {
            **super().to_dict(),
            "policy": self.policy,
            "solver": self.solver,
            "reason": self.reason,
            "requirements": list(self.requirements),
            "optimality_gap": json_number(self.optimality_gap),
            "blindness_cost": json_number(self.blindness_cost),
            "binning_loss": json_number(self.binning_loss),
        }

    def _group_records(self) -> list[dict[str, Any]]:
        records = super()._group_records()
        for label, record in zip(self.groups, records, strict=True):
            record["threshold"] = _plain(self.thresholds.get(label))
        return records

    def _lines(self) -> list[tuple[str, str]]:
        value = self._value()
        if self.optimality_gap is not None:
            value += f"; at most {self.optimality_gap:.4f} below the best under it"
        lines = [
            *self._constraint_lines(),
            (self.objective, value),
            ("policy", f"{self.policy}, by {self.solver}: {self.reason}"),
        ]
        if self.requirements:
            (share,) = self.counts.overall().rate("selection_rate")
            lines.append(("also", "; ".join([*self.requirements, f"{share:.4f} of all rows are selected"])))
        lines += self._margin_lines()
        if self.blindness_cost is not None:
            lines.append(("blindness", f"thresholds per group would reach {self.blindness_cost:.4f} more"))
        if self.binning_loss is not None:
            lines.append(("binning", f"between the edges at most {self.binning_loss:.4f} more is possible"))
        return [*lines, *self._group_lines()]

    def _decision_columns(self) -> tuple[dict[str, list[Any]], dict[str, list[str]]]:
        if not self.thresholds:
            return {}, {}
        thresholds = [self.thresholds[label] for label in self.groups]
        shown = list(map(_written, thresholds))
        is_mixed = any(isinstance(threshold, list) for threshold in thresholds)
        return {"threshold": list(shown) if is_mixed else thresholds}, {"threshold": shown}


def _written(threshold: Any) -> str:
    """Write a threshold, or the thresholds of a mixture with their probabilities."""
    if not isinstance(threshold, list):
        return f"{threshold:.4f}"
    return " or ".join(f"{t:.4f} ({p:.1%})" for t, p in threshold)


def _plain(threshold: Any) -> Any:
    """Return a threshold, or a mixture, as JSON can hold it."""
    if isinstance(threshold, list):
        return [[json_number(part) for part in pair] for pair in threshold]
    return json_number(threshold)
