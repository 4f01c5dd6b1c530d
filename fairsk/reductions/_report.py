"""The report of a model that was fitted under a bound: what its decisions achieve on rows held out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from fairsk._core.results import number
from fairsk._held_out.report import BoundReport

__all__ = ["ConstrainedReport"]

_DECIDED_BY = {
    "boosting": "Boosted trees under prices on the decisions decide, by one threshold for all",
    "reduction": "Models fitted to prices on the decisions decide together, by one threshold for all",
}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ConstrainedReport(BoundReport):
    """What a model fitted under a bound achieves on rows held out of it.

    With several constraints, ``constraint``, ``comparison``, ``bound``, ``disparity`` and ``interval`` are
    those of the binding one: the one that exceeds its bound by most, or comes nearest to it.

    Parameters
    ----------
    engine : {"boosting", "reduction"}
        The algorithm.
    reason : str
        Why this one.
    n_models : int
        How many models were fitted, of each fold one, and those that are no longer needed among them.
    best_mixture : float or None
        The accuracy that no mixture of the models and thresholds that were seen exceeds under the bound, on
        the same rows: the linear program's bound. None where nothing can be compared, no mixture keeps the
        bound, or the denominator of a rate depends on decisions.
    detail : dict
        What else the engine says, such as how many ``rounds`` are used.
    pos_label, objective, value, value_without_bound, group_value_without_bound, counts_without_bound
        As in :class:`~fairsk.thresholds.ThresholdReport`; what the same learner reaches without a bound is
        ``value_without_bound``.
    lower_is_better, constraints, counts, measured_on, exempt, uncertain, margin, margins, margin_asked
        As there.
    requirements, worths, worst_group, value_of_all, borrowed, strata_names, within, not_compared
        As there.
    cells_not_compared, library
        As there.
    """

    engine: Literal["boosting", "reduction"]
    reason: str
    n_models: int
    best_mixture: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def optimality_gap(self) -> float | None:
        """How far the accuracy is at most below that of any mixture of what was seen."""
        return None if self.best_mixture is None else max(0.0, self.best_mixture - self.value)

    def _value_lines(self) -> list[tuple[str, str]]:
        value = number(self.value, 4)
        if self.optimality_gap is not None:
            value += f"; at most {number(self.optimality_gap, 4)} below any mixture of the models seen"
        lines = [(self.objective, value)]
        without = self.value_without_bound
        if without is not None and not np.isnan(without):
            lines.append(("no bound", f"{without:.4f} with the same learner"))
        return lines

    def _lines(self) -> list[tuple[str, str]]:
        detail = ", ".join(
            f"{name.replace('_', ' ')} {value if isinstance(value, str) else f'{value:,}'}"
            for name, value in self.detail.items()
        )
        models = f"{self.n_models:,} models fitted{f', {detail}' if detail else ''}"
        (selected,) = self.counts_by_group.overall().rate("selection_rate")
        alike = [("selected", "nobody" if selected == 0 else "everybody")] if selected in (0, 1) else []
        return [
            *self._constraint_lines(),
            *alike,
            *self._strata_lines(),
            *self._value_lines(),
            ("engine", f"{self.engine} ({self.reason}): {models}"),
            *self._margin_lines(),
            *self._group_lines(),
        ]

    def _without_bound(self) -> str:
        return "the same learner"

    def _decided_by(self) -> str:
        return _DECIDED_BY[self.engine]
