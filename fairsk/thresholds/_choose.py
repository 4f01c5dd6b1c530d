"""From evidence to rules: who can be measured, what is asked of the others, what the rules achieve."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairsk._core.bounds import Bound, BoundedConstraint, bounded_rates
from fairsk._core.counts import GroupCounts, soft_counts
from fairsk._core.curves import Curve
from fairsk._core.groups import format_group
from fairsk._held_out.objective import FreeObjective, Objective, objective_of_rows
from fairsk._held_out.report import MeasuredOn, report_fields
from fairsk._held_out.safety_margin import SafetyMargin
from fairsk._held_out.single_threshold import best_threshold_on_curves
from fairsk._meta.groupwise import OutOfFold
from fairsk.rates import CELLS
from fairsk.thresholds._blind import BlindRows, BlindRule, best_blind_rule
from fairsk.thresholds._group_curves import Evidence
from fairsk.thresholds._report import ThresholdReport
from fairsk.thresholds._rules import Rule
from fairsk.thresholds._search import Search, Solution
from fairsk.thresholds._spec import Wishes

__all__ = ["ChosenRules", "choose_blind", "choose_rules", "prepare_search"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ChosenRules:
    """The rule of each group, the one for all rows alike, what they achieve, and how they were found."""

    rules: list[Rule]
    overall: Rule
    report: ThresholdReport
    search: Search
    bounds: tuple[Bound, ...]


def prepare_search(evidence: Evidence, wishes: Wishes, *, stacklevel: int) -> tuple[Search, Rule, list[int]]:
    """Return the search for the groups that can be measured, the rule of others, and which are too small."""
    everyone = evidence.everyone
    objective = objective_of_rows(wishes.objective, everyone)
    requirements = wishes.requirements
    overall = Rule.single(
        best_threshold_on_curves(
            everyone, objective, capacity=requirements.capacity, highest=requirements.highest
        ).threshold
    )
    if requirements.level_up is True:
        requirements = replace(requirements, level_up=float(overall.thresholds[0]))
    measured, small = _measured(evidence, wishes, stacklevel + 1)
    left = [g for g in range(len(evidence.labels)) if g not in measured]
    fixed = dict.fromkeys(CELLS, 0.0)
    for g in left:
        for cell, value in overall.cells(evidence.curves[g]).items():
            fixed[cell] += value
    search = Search(
        evidence,
        measured,
        wishes.limits,
        objective,
        requirements,
        wishes.policy,
        fixed,
        wishes.min_group_size,
    )
    return search, overall, small


def choose_rules(
    evidence: Evidence, wishes: Wishes, positive: Hashable, *, stacklevel: int = 2
) -> ChosenRules:
    """Choose each group's rule."""
    search, overall, small = prepare_search(evidence, wishes, stacklevel=stacklevel + 1)
    rules = [overall] * len(evidence.labels)
    solution = Solution([], float("nan"), "the unconstrained optimum", "nothing can be compared", None)
    margin = SafetyMargin.from_parameter(wishes.margin, wishes.limits, len(search.measured))
    bounds = search.bounds
    if search.measured:

        def count(found: Solution) -> GroupCounts:
            counts = evidence.counts(replaced(rules, search.measured, found.rules))
            return counts.take([counts.groups[g] for g in search.measured])

        def solve(constraints: tuple[BoundedConstraint, ...]) -> Solution:
            return search.solve(tuple(bound for _, bound in bounded_rates(constraints)))

        solution, tightened = margin.choose(solve, count)
        bounds = tuple(bound for _, bound in bounded_rates(tightened))
        rules = replaced(rules, search.measured, solution.rules)
    counts = evidence.counts(rules)
    if np.isfinite(overall.thresholds[0]):  # without the bound, some are selected and some are not
        _warn_if_constant(counts, wishes.limits, stacklevel + 1)
    mixed = any(rule.is_mixed for rule in rules)
    labels = evidence.labels
    report = make_report(
        counts,
        wishes,
        search.objective,
        search.measured,
        positive=positive,
        policy="randomized" if mixed else "threshold",
        solver=solution.method,
        reason=solution.reason,
        optimality_gap=_gap(search.objective, solution),
        thresholds={label: _shown(rule, mixed) for label, rule in zip(labels, rules, strict=True)},
        everyone=evidence.everyone,
        overall=overall,
        exempt=tuple(evidence.labels[g] for g in small),
        margin=margin,
    )
    return ChosenRules(rules, overall, report, search, bounds)


def choose_blind(
    unseen: OutOfFold, chances: Floats, wishes: Wishes, positive: Hashable, *, stacklevel: int = 2
) -> tuple[BlindRule, ThresholdReport, tuple[Hashable, ...], float]:
    """Choose a rule that sees scores and chances of groups only, and say what that costs.

    Returns
    -------
    tuple
        The rule, its report, the groups, and the best threshold for all rows alike.
    """
    rates = [rate for limit in wishes.limits for rate in limit.constraint.rates]
    unfit = [rate.name for rate in rates if not rate.has_fixed_denominator]
    if unfit:
        raise ValueError(
            f"policy='blind' is open to rates with fixed denominators only, which {' and '.join(unfit)} has "
            "not; use policy='threshold' if the groups may be used at prediction."
        )
    if wishes.requirements.level_up is not False:
        raise ValueError("policy='blind' has no thresholds to level: leave out level_up.")
    evidence = Evidence.of_rows(unseen.scores, unseen.actual, unseen.groups, unseen.weights)
    search, overall, small = prepare_search(
        evidence, replace(wishes, policy="threshold"), stacklevel=stacklevel + 1
    )
    weights = unseen.mass
    position = np.full(len(evidence.labels), -1)
    position[search.measured] = np.arange(len(search.measured))
    rows = BlindRows(
        unseen.scores, chances[:, search.measured], unseen.actual, position[unseen.groups.codes], weights
    )
    base = float(overall.thresholds[0])

    margin = SafetyMargin.from_parameter(wishes.margin, wishes.limits, len(search.measured))
    bounds = search.bounds
    if search.measured:

        def solve(constraints: tuple[BoundedConstraint, ...]) -> BlindRule:
            bounds = tuple(bound for _, bound in bounded_rates(constraints))
            found = best_blind_rule(
                rows,
                rates,
                bounds,
                search.objective,
                base,
                wishes.requirements.capacity,
                tuple(wishes.requirements.min_rates.items()),
            )
            if found is None:
                asked = [*dict.fromkeys(map(str, bounds)), *wishes.requirements.in_words()]
                raise ValueError(
                    f"No blind rule was found that meets {', '.join(asked)}. Loosen the bound, or use "
                    "policy='auto' if the groups may be used at prediction."
                )
            return found

        def count(found: BlindRule) -> GroupCounts:
            chosen = (found.margin(rows.scores, rows.chances) > 0).astype(float)
            counts = soft_counts(chosen, unseen.actual, unseen.groups, weights)
            return counts.take([counts.groups[g] for g in search.measured])

        rule, tightened = margin.choose(solve, count)
        bounds = tuple(bound for _, bound in bounded_rates(tightened))
        selected = rule.margin(rows.scores, rows.chances) > 0
    else:
        rule = BlindRule(base, np.zeros((0, len(rates))), np.zeros((len(rates), 2)))
        selected = unseen.scores >= base
    counts = soft_counts(selected.astype(float), unseen.actual, unseen.groups, weights)
    _warn_if_constant(counts, wishes.limits, stacklevel + 1)
    report = make_report(
        counts,
        wishes,
        search.objective,
        search.measured,
        positive=positive,
        policy="blind",
        solver="prices of the groups (cutting planes and exact sweeps)",
        reason="as asked for",
        optimality_gap=None,
        thresholds={},
        everyone=evidence.everyone,
        overall=overall,
        exempt=tuple(evidence.labels[g] for g in small),
        margin=margin,
    )
    if search.measured:
        aware = search.best(bounds)
        values = [found.value for found in (aware.single, aware.mixed) if found is not None]
        costs = [max(0.0, float(search.objective.better(value, report.value))) for value in values]
        report = replace(report, blindness_cost=max(costs, default=None))
    prices = np.zeros((len(evidence.labels), len(rates)))
    prices[search.measured] = rule.prices
    return replace(rule, prices=prices), report, evidence.labels, base


def make_report(
    counts: GroupCounts,
    wishes: Wishes,
    objective: Objective | FreeObjective,
    measured: list[int],
    *,
    positive: Hashable,
    everyone: Curve,
    overall: Rule,
    exempt: tuple[Hashable, ...],
    margin: SafetyMargin,
    measured_on: MeasuredOn = "out of fold",
    **known: Any,
) -> ThresholdReport:
    """Measure what rules achieve; ``counts`` are those of all groups, ``known`` is what is known already."""
    fields = report_fields(
        counts,
        wishes.limits,
        objective,
        pos_label=positive,
        value_without_bound=float(objective.value(overall.cells(everyone))),
        measured_on=measured_on,
        covered=[counts.groups[g] for g in measured],
        exempt=exempt,
        margin=margin,
    )
    return ThresholdReport(**fields, requirements=wishes.requirements.in_words(), **known)


def _gap(objective: Objective | FreeObjective, solution: Solution) -> float | None:
    if solution.upper is None:
        return None
    gap = float(objective.better(solution.upper, solution.value))
    return None if np.isnan(gap) else max(0.0, gap)


def _shown(rule: Rule, mixed: bool) -> float | list[tuple[float, float]]:
    """Return a rule as plain numbers: its threshold, or (threshold, probability) pairs."""
    pairs = list(zip(rule.thresholds.tolist(), rule.probabilities.tolist(), strict=True))
    return pairs if mixed else pairs[0][0]


def replaced(rules: list[Rule], positions: list[int], new: list[Rule]) -> list[Rule]:
    by_position = dict(zip(positions, new, strict=True))
    return [by_position.get(g, rule) for g, rule in enumerate(rules)]


# --- who can be measured ------------------------------------------------------------------------------


def _measured(evidence: Evidence, wishes: Wishes, stacklevel: int) -> tuple[list[int], list[int]]:
    """Return the groups that can be compared, and those with too few rows to measure; warn about these."""
    least = wishes.min_group_size
    small: dict[int, str] = {}
    for rate in (rate for limit in wishes.limits for rate in limit.constraint.rates):
        most = evidence.most_rows(rate)
        for g in np.flatnonzero(most < least):
            small[int(g)] = f"{format_group(evidence.labels[g])} ({most[g]:g} for {rate.name})"
    measured = [g for g in range(len(evidence.labels)) if g not in small]
    named = " and ".join(limit.constraint.name for limit in wishes.limits)
    if small:
        warnings.warn(
            f"Fewer than min_group_size={least} rows to measure in: {', '.join(small.values())}. "
            "The bound does not cover these groups; they get the overall threshold.",
            UserWarning,
            stacklevel=stacklevel,
        )
    if len(measured) < 2:
        warnings.warn(
            f"Fewer than two groups can be compared under {named}: every group gets the overall "
            "threshold, and nothing is promised about the disparity.",
            UserWarning,
            stacklevel=stacklevel,
        )
        measured = []
    return measured, sorted(small)


def _warn_if_constant(counts: GroupCounts, limits: tuple[BoundedConstraint, ...], stacklevel: int) -> None:
    """Warn if the bound leaves nothing better than the same decision for every row."""
    (selected,) = counts.overall().rate("selection_rate")
    if selected in (0, 1):
        named = " and ".join(limit.constraint.name for limit in limits)
        can_mix = all(rate.has_fixed_denominator for limit in limits for rate in limit.constraint.rates)
        mixing = ", or allow policy='randomized'" if can_mix else ""
        warnings.warn(
            f"The thresholds select {'nobody' if selected == 0 else 'everybody'}: under this bound on "
            f"{named} the same decision for every row is the best that they can do. Loosen the "
            f"bound{mixing}.",
            UserWarning,
            stacklevel=stacklevel,
        )
