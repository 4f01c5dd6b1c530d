"""The report of thresholds per group: policy, solver, thresholds, and what they leave to be gained."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group
from fairsk._core.messages import list_texts, shorten
from fairsk._core.results import amount, number
from fairsk._core.warnings import warn_user
from fairsk._held_out.objective import WorstGroupObjective
from fairsk._held_out.report import (
    BoundReport,
    MeasuredOn,
    drop_rounding,
    report_fields,
    warn_of_wide_intervals,
)
from fairsk._held_out.safety_margin import KeptMargin
from fairsk.thresholds._search import Search, Solution
from fairsk.thresholds._spec import ThresholdSpec

__all__ = ["ThresholdReport", "measure", "threshold_report", "warn_of_limits"]

#: How many groups that borrow a printed report lists, and from how many characters each entry is shortened.
_LISTED, _LONGEST = 20, 200
#: Thresholds of a size between these are printed with four digits after the point; others as amounts.
_SCORES = (0.001, 1000.0)
#: A probability that is smaller is printed as 0.0%, and the threshold left out.
_SHOWN_PROBABILITY = 0.0005
#: Who decides, by policy: the beginning of a summary.
_DECIDED_BY: dict[str, str] = {
    "threshold": "Each group has a threshold of its own",
    "randomized": (
        "Each group has a mixture of thresholds of its own (of the rows between two thresholds a share is "
        "selected, fixed by a hash of the score)"
    ),
    "blind": "One rule decides for all, from the score and a guess at the group",
}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ThresholdReport(BoundReport):
    """What the thresholds achieve on the rows that they were chosen on (out of fold, unless prefit).

    With several constraints, ``constraint``, ``comparison``, ``bound``, ``disparity`` and ``interval`` are
    those of the binding one: the one that exceeds its bound by most, or comes nearest to it.

    Parameters
    ----------
    pos_label : label
        The class whose prediction counts as being selected.
    objective : str
        What was maximised.
    value : float
        The objective's value over all rows, or in the worst group if that is the objective.
    value_without_bound : float
        What the best threshold for all rows alike reaches, without a bound.
    group_value_without_bound : float or None
        What the best threshold of each group reaches without a bound, with all else that is asked for: the
        optimum that the bound takes away from. None where nothing can be compared.
    counts_without_bound : GroupCounts
        The confusion cells of all groups under the best threshold for all rows alike.
    lower_is_better : bool
        Whether the objective was minimised, as error rates are.
    constraints : tuple of ConstraintReport
        One per constraint.
    counts : GroupCounts
        The (expected) confusion cells of all groups, by strata if groups are compared within these: every
        rate and interval follows from them.
    measured_on : {"out of fold", "held out"}
        The rows that were counted: training rows, each scored by a model that was fitted without it, or rows
        that a prefit model was not fitted to.
    exempt : tuple
        Groups too small to measure; they have the overall threshold, and the bounds do not cover them.
    uncertain : tuple
        Groups that the bounds cover on the rows seen, but which new rows may show beyond them: each is one
        of a pair whose 95% interval, simultaneous over all pairs and rates, passes a bound.
    margin : float
        How many standard errors of its rate every group keeps away from the ends of the window that its bound
        allows, but for those in ``margins``; 0 if no margin was asked for.
    margins : dict
        The groups that have too few rows for that, and how many standard errors they keep: as many as fit.
    library : {"pandas", "polars", "pyarrow"}, optional
        The library of the data, which :meth:`frame` returns.
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
    margin_asked : {"1se"} or float
        The margin that was asked for: one standard error, or a confidence; 0 for none.
    worths : dict or None
        What a row in each cell is worth, if that was maximised.
    borrowed : dict
        Intersections with too few rows to measure, each with the coarser groups that it borrows the rows from
        that it lacks: the values of single attributes. Their thresholds hold the bounds with these rows; the
        disparity that is reported does not cover them, and their counts are those of their own rows.
    strata_names : tuple of str
        Where groups are compared within strata, what the columns of these are called; empty if they have no
        name.
    within : tuple of ConstraintReport
        Each constraint in each stratum in which groups are compared, if there are strata. As in
        ``constraints``, the intervals of all strata hold together.
    not_compared : tuple
        The strata that were passed over: there are not two groups with enough rows in them.
    cells_not_compared : tuple of (label, label)
        Where a group that is compared elsewhere has too few rows: the group, and a stratum in which others
        are compared.
    worst_group : label or None
        The group that is worst off; None unless that is the objective.
    value_of_all : float or None
        The same rate over all rows; None likewise.
    blindness_cost : float or None
        How much more thresholds per group would reach on the same rows; None unless the policy is blind.
        Negative where the guess at the group tells more than the group and the score do.
    binning_loss : float or None
        How much more thresholds on the scores themselves could reach at most; None unless they were
        chosen on histograms.
    """

    policy: Literal["threshold", "randomized", "blind"]
    solver: str
    reason: str
    thresholds: Mapping[Hashable, Any]
    optimality_gap: float | None
    blindness_cost: float | None = None
    binning_loss: float | None = None

    def _group_records(self) -> list[dict[str, Any]]:
        records = super()._group_records()
        return [{**record, "threshold": self.thresholds.get(record["group"])} for record in records]

    def _lines(self) -> list[tuple[str, str]]:
        (name, value), *baselines = self._value_lines()
        if self.optimality_gap is not None:
            is_bounded = any(np.isfinite(part.bound) for part in self.constraints)
            under = " under the bound" if is_bounded else ""
            value += f"; at most {number(self.optimality_gap, 4)} short of the best{under}"
        lines = [
            *self._constraint_lines(),
            *self._strata_lines(),
            (name, value),
            *self._worst_group_lines(),
            *baselines,
            ("policy", f"{self.policy}, by {self.solver}: {self.reason}"),
        ]
        if self.requirements:
            lines.append(("also", "; ".join(self.requirements)))
        lines += self._margin_lines()
        if self.blindness_cost is not None:
            cost = number(self.blindness_cost, 4)
            lines.append(("blindness", f"thresholds per group would reach {cost} more"))
        if self.binning_loss is not None:
            loss = number(self.binning_loss, 4)
            lines.append(("binning", f"between the edges at most {loss} more is possible"))
        if self.borrowed:
            shown = [
                f"{shorten(format_group(label))} (from {', '.join(map(format_group, source.values()))})"
                for label, source in self.borrowed.items()
            ]
            lines.append(("borrowed", list_texts(shown, _LISTED, longest=_LONGEST)))
        return [*lines, *self._group_lines()]

    def _worst_group_lines(self) -> list[tuple[str, str]]:
        if self.value_of_all is None:
            return []
        return [("worst group", f"{format_group(self.worst_group)}; over all rows {self.value_of_all:.4f}")]

    def _decided_by(self) -> str:
        return _DECIDED_BY[self.policy]

    def _decision_columns(self) -> tuple[dict[str, list[Any]], dict[str, list[str]]]:
        if not self.thresholds:
            return {}, {}
        thresholds = [self.thresholds[label] for label in self.groups]
        shown = list(map(_written, thresholds))
        is_mixed = any(isinstance(threshold, list) for threshold in thresholds)
        return {"threshold": list(shown) if is_mixed else thresholds}, {"threshold": shown}


def threshold_report(
    search: Search, solution: Solution, *, pos_label: Hashable, measured_on: MeasuredOn
) -> ThresholdReport:
    """Measure what a solution achieves on the rows that it was searched on."""
    counts = search.curves.counts(solution.rules)
    within = search.curves.counts_within(solution.rules) if search.strata is not None else None
    is_mixed = any(rule.is_mixed for rule in solution.rules)
    pairs = zip(search.curves.labels, solution.rules, strict=True)
    report = ThresholdReport(
        **measure(search, counts, solution.margin, within, pos_label=pos_label, measured_on=measured_on),
        policy="randomized" if is_mixed else "threshold",
        solver=solution.solver,
        reason=solution.reason,
        thresholds={label: rule.pairs if is_mixed else rule.pairs[0][0] for label, rule in pairs},
        optimality_gap=_gap(search, solution),
    )
    # Without the bound, some must be selected and some not: else the bound is not why all are decided alike.
    warn_of_limits(report, search.spec, may_be_constant=not np.isfinite(search.overall.threshold))
    return report


def measure(
    search: Search,
    counts: GroupCounts,
    margin: KeptMargin,
    within: GroupCounts | None = None,
    *,
    pos_label: Hashable,
    measured_on: MeasuredOn,
) -> dict[str, Any]:
    """Return the fields of a report that follow from counts, the margin, and what was asked for."""
    search.margin.warn_of_less(margin)
    borrowing = search.participants.borrowing
    curves, asked = search.curves, search.spec.objective
    (selected,) = counts.overall().rate("selection_rate")
    return report_fields(
        counts if within is None else within,
        search.spec.constraints,
        search.objective,
        pos_label=pos_label,
        value_without_bound=search.overall.value,
        group_value_without_bound=search.group_value_without_bound(),
        counts_without_bound=search.counts_under_one_threshold(),
        measured_on=measured_on,
        covered=[counts.groups[g] for g in search.participants.covered],
        exempt=[counts.groups[g] for g in search.participants.exempt],
        margin=margin,
        borrowed=None if borrowing is None else borrowing.named(counts.groups),
        tables=None if within is None else search.tables(within),
        strata_names=() if curves.within is None else curves.within.names,
    ) | {
        "requirements": search.spec.requirements.in_words(float(selected)),
        "margin_asked": search.spec.margin,
        "worths": dict(asked) if isinstance(asked, Mapping) else None,
        **_worst_group(search, counts),
    }


def _worst_group(search: Search, counts: GroupCounts) -> dict[str, Any]:
    """Return which group is worst off, if that is the objective, and its rate over all rows."""
    objective = search.objective
    if not isinstance(objective, WorstGroupObjective):
        return {}
    worst = counts.groups[objective.worst_of(counts.cells)]
    return {"worst_group": worst, "value_of_all": objective.overall.of_groups(counts.cells)}


def warn_of_limits(report: ThresholdReport, spec: ThresholdSpec, *, may_be_constant: bool = False) -> None:
    """Warn if the bound leaves nothing but one decision for all rows, or else if the rows say little of it.

    Parameters
    ----------
    report : ThresholdReport
        What is achieved.
    spec : ThresholdSpec
        What was asked for. A margin has warnings of its own.
    may_be_constant : bool, default=False
        Whether the same decision for every row would be the best without the bound, too.
    """
    (selected,) = report.counts_by_group.overall().rate("selection_rate")
    if selected in (0, 1):
        if not may_be_constant:
            _warn_of_constant(selected, spec)
    elif not spec.margin:
        if report.counts.strata is None:
            warn_of_wide_intervals(report.constraints)
        else:  # which no margin is open to
            warn_of_wide_intervals(report.constraints, remedies="")


def _warn_of_constant(selected: float, spec: ThresholdSpec) -> None:
    mixing = ", or allow policy='randomized'" if spec.can_mix else ""
    warn_user(
        f"The thresholds select {'nobody' if selected == 0 else 'everybody'}: under this bound on "
        f"{spec.constraint_names} the same decision for every row is the best that they can do. Loosen the "
        f"bound{mixing}."
    )


def _gap(search: Search, solution: Solution) -> float | None:
    """Return how far a solution is at most below the best mixtures; None where that is not known."""
    if solution.upper_bound is None:
        return None
    gap = float(search.objective.better(solution.upper_bound, solution.value))
    return None if np.isnan(gap) else drop_rounding(gap)


def _written(threshold: Any) -> str:
    """Write a threshold, or the thresholds of a mixture with their probabilities."""
    if not isinstance(threshold, list):
        return _score(threshold)
    shown = [(t, p) for t, p in threshold if p >= _SHOWN_PROBABILITY]
    if len(shown) == 1:
        return _score(shown[0][0])
    return " or ".join(f"{_score(t)} ({p:.1%})" for t, p in shown)


def _score(threshold: float) -> str:
    """Write a threshold on a probability or a decision score with four digits, on amounts as amounts."""
    least, most = _SCORES
    return f"{threshold:.4f}" if threshold == 0 or least <= abs(threshold) < most else amount(threshold)
