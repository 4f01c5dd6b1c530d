"""The report of a model that was fitted under a bound: what its decisions achieve on rows held out of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from fairsk._core.bounds import BoundedConstraint
from fairsk._core.counts import GroupCounts, soft_counts
from fairsk._core.groups import Grouping
from fairsk._core.results import number
from fairsk._core.typing import Bools
from fairsk._held_out.objective import make_objective
from fairsk._held_out.report import BoundReport, report_fields
from fairsk._held_out.safety_margin import MarginLike
from fairsk.rates import CELLS
from fairsk.reductions._problem import Problem, Solution

__all__ = ["ConstrainedReport", "measure_solution"]

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

    def _without_bound(self) -> tuple[str, str]:
        return "the same learner", super()._without_bound()[1]

    def _decided_by(self) -> str:
        return _DECIDED_BY[self.engine]


def measure_solution(
    problem: Problem,
    by: Grouping | None,
    constraints: tuple[BoundedConstraint, ...],
    solution: Solution,
    *,
    margin_asked: MarginLike,
    engine: Literal["boosting", "reduction"],
    reason: str,
) -> ConstrainedReport:
    """Measure the decisions about held-out rows."""
    held_out, rows, training = problem.held_out, problem.rows, problem.training
    groups = training.groups.take(held_out)
    strata = None if by is None else by.take(held_out)
    measured = rows.take(held_out)
    counts = soft_counts(solution.selected.astype(float), measured.actual, groups, measured.weights, strata)
    labels = groups.labels
    compared = rows.is_compared
    actual = measured.actual
    objective = make_objective(
        "accuracy", float(measured.weights[actual].sum()), float(measured.weights[~actual].sum())
    )
    return ConstrainedReport(
        **report_fields(
            counts,
            constraints,
            objective,
            pos_label=training.positive,
            value_without_bound=solution.value_without_bound,
            measured_on="out of fold",
            covered=[label for g, label in enumerate(labels) if compared[g]],
            exempt=[label for g, label in enumerate(labels) if not compared[g]],
            margin=solution.margin,
            tables=None if strata is None else _tables(counts, rows.covered),
            strata_names=() if strata is None else strata.names,
        ),
        margin_asked=margin_asked,
        engine=engine,
        reason=reason,
        n_models=solution.n_models,
        best_mixture=solution.best_mixture,
        detail=dict(solution.detail),
    )


def _tables(counts: GroupCounts, covered: Bools) -> dict[Hashable, GroupCounts]:
    """Return of each stratum in which groups are compared the counts of these groups."""
    tables = {}
    for s, label in enumerate(counts.strata or ()):
        groups = [group for g, group in enumerate(counts.groups) if covered[g, s]]
        if groups:
            cells = {cell: counts.cells[cell][covered[:, s], s] for cell in CELLS}
            squares = {cell: counts.squares[cell][covered[:, s], s] for cell in CELLS}
            tables[label] = GroupCounts(groups, cells, squares, names=counts.names)
    return tables
