"""From scores to a rule per group: who can be measured, which solver answers, what it achieves."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairsk.counts import GroupCounts, soft_counts
from fairsk.groups import Grouping, format_group
from fairsk.rates import CELLS, Constraint, Rate
from fairsk.statistics import difference_interval, rate_standard_errors
from fairsk.thresholds.curves import Curve, Mixture, Rule, group_curves
from fairsk.thresholds.hull import best_mixtures
from fairsk.thresholds.objective import Objective, make_objective
from fairsk.thresholds.report import ThresholdReport
from fairsk.thresholds.window import Bound, best_thresholds

__all__ = ["ChosenRules", "choose_rules"]

Floats = NDArray[np.float64]

#: With ``policy="auto"``, mix thresholds if that gains more than this in the objective.
_WORTH_MIXING = 0.005
_MAX_DINKELBACH = 100


@dataclass(frozen=True)
class ChosenRules:
    """The rule of each group, the one for all rows alike, and what the rules achieve."""

    rules: list[Rule]
    overall: Rule
    report: ThresholdReport


def choose_rules(
    scores: Floats,
    actual: NDArray[np.bool_],
    groups: Grouping,
    weights: Floats | None,
    *,
    positive: Hashable,
    constraint: Constraint,
    bound: Bound,
    objective: str | Rate,
    policy: str,
    margin: str | None,
    min_group_size: int,
) -> ChosenRules:
    """Choose each group's rule; the parameters are those of ``GroupThresholdOptimizer``."""
    mass = np.ones(len(scores)) if weights is None else weights
    goal = make_objective(objective, mass[actual].sum(), mass[~actual].sum())
    (everyone,) = group_curves(scores, actual, np.zeros_like(groups.codes), 1, weights)
    best = _maximise(goal, [everyone], {}, _unconstrained)
    assert best is not None  # without a bound, something is best
    overall = everyone.rule(best[0][0])
    measured = _measured(constraint, actual, groups, min_group_size)
    rules = [overall] * len(groups.labels)
    solution = _Solution([], "the unconstrained optimum", 0.0)

    def counts() -> GroupCounts:
        """Return the expected counts of all groups under the rules as they stand."""
        chance = np.empty(len(scores))
        for code, rule in enumerate(rules):
            own = groups.codes == code
            chance[own] = rule.chance(scores[own])
        return soft_counts(chance, actual, groups, mass)

    if measured:
        curves = group_curves(scores, actual, groups.codes, len(groups.labels), weights)
        # Groups that cannot be measured keep the overall rule; their cells count in the objective.
        start = counts()
        rest = [g for g in range(len(rules)) if g not in measured]
        fixed = {cell: start.cells[cell][rest].sum() for cell in CELLS}
        search = _Search(constraint, goal, [curves[g] for g in measured], fixed, policy)
        found, solution = search.rules(bound)
        rules = _replaced(rules, measured, found)
        if margin is not None:
            error = _disparity_error(constraint, bound, _subset(counts(), measured))
            found, solution = search.rules(_tightened(bound, error))
            rules = _replaced(rules, measured, found)

    final = counts()
    if np.isfinite(overall.thresholds[0]):  # without the bound, some are selected and some are not
        _warn_if_constant(final, constraint)
    covered = _subset(final, measured)
    by_difference = bound.difference is not None
    report = ThresholdReport(
        positive=positive,
        constraint=constraint.name,
        comparison="difference" if by_difference else "ratio",
        objective=goal.name,
        bound=float(bound.difference if bound.difference is not None else bound.ratio or 0),
        disparity=_snapped(covered.compare(constraint, "difference" if by_difference else "ratio"), bound)
        if measured
        else float("nan"),
        interval=difference_interval(covered, constraint) if measured and by_difference else None,
        value=goal.value({cell: final.cells[cell].sum() for cell in CELLS}),
        optimality_gap=solution.gap,
        policy="randomized" if any(len(rule.thresholds) > 1 for rule in rules) else "threshold",
        method=solution.method,
        exempt=tuple(label for g, label in enumerate(groups.labels) if g not in measured),
    )
    return ChosenRules(rules, overall, report)


def _snapped(disparity: float, bound: Bound) -> float:
    """Return the bound itself where only rounding sets the disparity apart from it."""
    limit = bound.difference if bound.difference is not None else bound.ratio
    return limit if limit is not None and abs(disparity - limit) < 1e-9 else disparity


def _warn_if_constant(counts: GroupCounts, constraint: Constraint) -> None:
    """Warn if the bound leaves nothing better than the same decision for every row."""
    selected = sum(counts.cells[cell].sum() for cell in ("tp", "fp"))
    if selected in (0, counts.n.sum()):
        warnings.warn(
            f"The thresholds select {'nobody' if selected == 0 else 'everybody'}: under this bound on "
            f"{constraint.name} the same decision for every row is the best that they can do. Loosen the "
            "bound, or allow policy='randomized'.",
            UserWarning,
            stacklevel=5,
        )


def _replaced(rules: list[Rule], positions: list[int], new: list[Rule]) -> list[Rule]:
    by_position = dict(zip(positions, new, strict=True))
    return [by_position.get(g, rule) for g, rule in enumerate(rules)]


def _measured(
    constraint: Constraint, actual: NDArray[np.bool_], groups: Grouping, min_group_size: int
) -> list[int]:
    """Return the groups with enough rows to measure, none if they are fewer than two; warn about others."""
    positives, negatives = groups.sums(actual), groups.sums(~actual)
    none = np.zeros_like(positives)
    selected = {"tp": positives, "fp": negatives, "fn": none, "tn": none}
    rejected = {"tp": none, "fp": none, "fn": positives, "tn": negatives}
    small: dict[int, str] = {}
    for rate in constraint.rates:
        most = np.maximum(rate.support(selected), rate.support(rejected))
        for g in np.flatnonzero(most < min_group_size):
            small[int(g)] = f"{format_group(groups.labels[g])} ({most[g]:g} for {rate.name})"
    measured = [g for g in range(len(groups.labels)) if g not in small]
    if small:
        warnings.warn(
            f"Fewer than min_group_size={min_group_size} rows to measure in: {', '.join(small.values())}. "
            "The bound does not cover these groups; they get the overall threshold.",
            UserWarning,
            stacklevel=5,
        )
    if len(measured) < 2:
        warnings.warn(
            f"Fewer than two groups can be compared under {constraint.name}: every group gets the overall "
            "threshold, and nothing is promised about the disparity.",
            UserWarning,
            stacklevel=5,
        )
        return []
    return measured


def _subset(counts: GroupCounts, chosen: list[int]) -> GroupCounts:
    return GroupCounts(
        [counts.groups[g] for g in chosen],
        {cell: counts.cells[cell][chosen] for cell in CELLS},
        {cell: counts.squares[cell][chosen] for cell in CELLS},
        names=counts.names,
    )


def _disparity_error(constraint: Constraint, bound: Bound, counts: GroupCounts) -> float:
    """Return the standard error of the constraint's difference, or of the logarithm of its ratio."""
    errors = []
    for rate in constraint.rates:
        value, error = rate(counts.cells), rate_standard_errors(counts, rate)
        low, high = int(np.nanargmin(value)), int(np.nanargmax(value))
        if bound.difference is None:
            error = np.divide(error, value, out=np.zeros_like(error), where=value > 0)
        errors.append(float(np.hypot(error[low], error[high])))
    return max(errors)


def _tightened(bound: Bound, error: float) -> Bound:
    """Return the bound, stricter by that error."""
    if bound.difference is not None:
        return Bound(difference=max(0.0, bound.difference - error))
    return Bound(ratio=min(1.0, (bound.ratio or 0.0) * float(np.exp(error))))


Solver = Callable[[list[Floats]], list[Mixture] | None]


def _maximise(
    objective: Objective, curves: list[Curve], fixed: Mapping[str, Any], solve: Solver
) -> tuple[list[Mixture], float] | None:
    """Return the best mixtures and the objective's value; None if nothing meets the bound.

    A linear objective is maximised at once, a ratio by Dinkelbach's iteration around the solver.
    """
    value, reached, mixtures = 0.0, float("nan"), list[Mixture]()
    for _ in range(_MAX_DINKELBACH):
        solved = solve([objective.utility(curve.cells, value) for curve in curves])
        if solved is None:
            return None
        mixtures = solved
        parts = [curve.expected(mixture) for curve, mixture in zip(curves, mixtures, strict=True)]
        total = {cell: sum((part[cell] for part in parts), start=fixed.get(cell, 0.0)) for cell in CELLS}
        reached = objective.value(total)
        if objective.is_linear or np.isnan(reached) or abs(reached - value) <= 1e-14:
            break
        value = reached
    return mixtures, reached


def _single(positions: Iterable[Any]) -> list[Mixture]:
    return [Mixture(np.array([position], dtype=np.intp), np.ones(1)) for position in positions]


def _unconstrained(utilities: list[Floats]) -> list[Mixture]:
    return _single(np.argmax(utility) for utility in utilities)


@dataclass(frozen=True)
class _Solution:
    """A mixture of thresholds per group (of one threshold each, unless mixed) and how it was found."""

    mixtures: list[Mixture]
    method: str
    gap: float | None


@dataclass(frozen=True)
class _Search:
    """The search for the best rules of the groups that can be measured."""

    constraint: Constraint
    objective: Objective
    curves: list[Curve]
    fixed: Mapping[str, Any]
    policy: str

    def rules(self, bound: Bound) -> tuple[list[Rule], _Solution]:
        """Return each group's rule under the bound, and how the rules were found."""
        solution = self._solve(bound)
        pairs = zip(self.curves, solution.mixtures, strict=True)
        return [curve.rule(mixture) for curve, mixture in pairs], solution

    def _solve(self, bound: Bound) -> _Solution:
        linear = all(rate.has_fixed_denominator for rate in self.constraint.rates)
        if self.policy == "randomized" and not linear:
            raise ValueError(
                f"policy='randomized' is not open to {self.constraint.name}, whose rates do not have fixed "
                "denominators; use policy='threshold'."
            )
        mixed = self._mixtures(bound) if linear else None
        single, least = self._thresholds(bound)
        if mixed is None and single is None:
            raise ValueError(self._infeasible(bound, least))
        if single is not None and self.policy != "randomized":
            gap = None if mixed is None else abs(mixed[1] - single[1])
            if gap is None or self.policy == "threshold" or gap <= _WORTH_MIXING:
                return _Solution(single[0], self._exact_method, gap)
        if mixed is None or self.policy == "threshold":
            raise ValueError(self._infeasible(bound, least))
        return _Solution(mixed[0], "a linear program over the ROC hulls", 0.0)

    @property
    def _exact_method(self) -> str:
        return "the exact sliding window" if len(self.constraint.rates) == 1 else "branch and bound"

    def _thresholds(self, bound: Bound) -> tuple[tuple[list[Mixture], float] | None, float]:
        """Return the best thresholds; if there are none, the least disparity that any have."""
        rates = [np.array([rate(curve.cells) for rate in self.constraint.rates]) for curve in self.curves]
        least = float("nan")

        def solve(utilities: list[Floats]) -> list[Mixture] | None:
            nonlocal least
            positions, least = best_thresholds(rates, utilities, bound)
            return None if positions is None else _single(positions)

        best = _maximise(self.objective, self.curves, self.fixed, solve)
        return best, least

    def _mixtures(self, bound: Bound) -> tuple[list[Mixture], float] | None:
        """Return the best mixtures; None if none meet the bound."""

        def solve(utilities: list[Floats]) -> list[Mixture] | None:
            return best_mixtures(self.curves, self.constraint.rates, utilities, bound)

        return _maximise(self.objective, self.curves, self.fixed, solve)

    def _infeasible(self, bound: Bound, least: float) -> str:
        if bound.difference is not None:
            asked, reached = f"max_difference={bound.difference:g}", f"the least difference is {least:.4f}"
        else:
            asked, reached = f"min_ratio={bound.ratio:g}", f"the largest ratio is {-least:.4f}"
        if len(self.constraint.rates) > 1:
            reached += " for one of its rates alone"
        return (
            f"No thresholds meet {asked} for {self.constraint.name}: {reached}. Loosen the bound, or choose "
            "a constraint that thresholds can always meet: demographic_parity, equal_opportunity or "
            "equalized_odds."
        )
