"""ClassSearch: the search for offsets of several classes, which groups take part, and what is reached."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from fairsk._core.bounds import Bound, BoundedConstraint
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, list_groups
from fairsk._core.messages import list_labels, list_texts
from fairsk._core.typing import Bools, Floats, Ints
from fairsk._core.warnings import warn_user
from fairsk._held_out.report import MeasuredOn, constraint_fields, drop_rounding, warn_of_wide_intervals
from fairsk._held_out.safety_margin import KeptMargin, SafetyMargin
from fairsk._meta.cross_fit import OutOfFold
from fairsk.rates import Rate
from fairsk.thresholds._classes.blind import BlindClassRows, BlindClassRule, best_blind_class_rule
from fairsk.thresholds._classes.problem import OffsetProblem, OffsetSolution, decide
from fairsk.thresholds._classes.report import ClassThresholdReport
from fairsk.thresholds._classes.scale import ClassScale
from fairsk.thresholds._classes.solve import MixPolicy, best_overall, solve
from fairsk.thresholds._classes.spec import ClassSpec

__all__ = ["ClassSearch"]


@dataclass(frozen=True)
class ClassSearch:
    """The search for the best offsets of the groups that can be measured.

    Parameters
    ----------
    rows : OutOfFold
        Rows with a weight, and their scores of all classes.
    spec : ClassSpec
        What is asked for.
    """

    rows: OutOfFold
    spec: ClassSpec

    @cached_property
    def labels(self) -> Ints:
        """The position of each row's class."""
        order = {label: place for place, label in enumerate(self.spec.events.classes)}
        values, inverse = np.unique(self.rows.labels, return_inverse=True)
        return np.array([order[label] for label in values.tolist()], dtype=np.intp)[inverse]

    @cached_property
    def worth(self) -> Floats:
        """What a row of each label is worth with each decision."""
        totals = np.bincount(self.labels, self.rows.mass, len(self.spec.events.classes)).astype(float)
        if np.count_nonzero(totals) < 2:
            raise ValueError("All rows with a weight are of one class: there is nothing to separate.")
        return self.spec.worth(totals)

    @cached_property
    def covered(self) -> Bools:
        """Which groups take part for which event, of shape (n_events, n_groups)."""
        fewest = np.min([self._most_rows(rate) for rate in self.spec.rates], axis=0)
        large = np.asarray(fewest >= self.spec.min_group_size)
        return large & (large.sum(1, keepdims=True) >= 2)

    @cached_property
    def overall(self) -> Floats:
        """The best offsets for all rows alike, without a bound."""
        return best_overall(self.problem)

    @property
    def measured(self) -> list[int]:
        """The groups that take part somewhere."""
        return [int(g) for g in np.flatnonzero(self.covered.any(0))]

    def _most_rows(self, rate: Rate) -> Floats:
        """Return how many rows a rate can be measured on, at the most, of shape (n_events, n_groups)."""
        events, n_groups = self.spec.events, len(self.rows.groups.labels)
        n_classes = len(events.classes)
        place = self.rows.groups.codes * n_classes + self.labels
        table = np.bincount(place, minlength=n_groups * n_classes).reshape(n_groups, n_classes).T
        inside = events.members @ table
        outside = (~events.members) @ table
        none = np.zeros_like(inside)
        everyone = {"tp": inside, "fp": outside, "fn": none, "tn": none}
        nobody = {"tp": none, "fp": none, "fn": inside, "tn": outside}
        return np.maximum(rate.support(everyone), rate.support(nobody)).astype(float)

    @cached_property
    def problem(self) -> OffsetProblem:
        """The problem that the solver reads."""
        spec, rows = self.spec, self.rows
        floors = tuple(spec.min_rates.items())
        has_floor = None
        if floors:
            has_floor = np.concatenate([self._most_rows(rate) >= spec.min_group_size for rate, _ in floors])
        return OffsetProblem(
            scores=rows.scores,
            labels=self.labels,
            codes=rows.groups.codes,
            n_groups=len(rows.groups.labels),
            weights=rows.mass,
            worth=self.worth,
            events=spec.events,
            constraints=spec.constraints,
            covered=np.tile(self.covered, (len(spec.rates), 1)),
            floors=floors,
            has_floor=has_floor,
            capacity=spec.capacity,
        )

    def choose(self) -> tuple[OffsetSolution, KeptMargin]:
        """Return the offsets that keep the margin, by the policy asked for, and the margin that they keep."""
        policy = self.spec.policy
        assert policy != "blind"
        return self.keep_margin(
            lambda distances: solve(replace(self.problem, distances=distances), policy, self.overall),
            lambda solution: solution.tables,
        )

    def choose_blind(self, groups: Floats, overall: Floats) -> tuple[BlindClassRule, KeptMargin]:
        """Return the best rule that looks at no group, and the margin that it keeps.

        Parameters
        ----------
        groups : array of shape (n_samples, n_groups)
            Each row's probabilities of belonging to the groups.
        overall : array of shape (n_classes,)
            The best offsets for all rows alike.
        """
        rows, measured = self.rows, self.measured
        # Offsets are added to what a decision is worth, of which a row's probabilities are a special case.
        no_prices = np.zeros((len(rows.groups.labels), len(self.problem.bounds)))
        if not measured:
            none = np.zeros((len(self.problem.bounds), *self.worth.shape))
            identity = np.eye(len(self.worth))
            return BlindClassRule(overall, no_prices, identity, none), KeptMargin.none()
        position = np.full(len(rows.groups.labels), -1)
        position[measured] = np.arange(len(measured))
        blind_rows = BlindClassRows(
            rows.scores, groups[:, measured], self.labels, position[rows.groups.codes], rows.mass
        )
        problem = replace(
            self.problem,
            n_groups=len(measured),
            covered=self.problem.covered[:, measured],
            has_floor=None if self.problem.has_floor is None else self.problem.has_floor[:, measured],
        )

        def solve_keeping(distances: Floats | None) -> BlindClassRule:
            kept = None if distances is None else distances[:, measured]
            rule, violation = best_blind_class_rule(blind_rows, replace(problem, distances=kept))
            if violation:
                required = [*dict.fromkeys(map(str, problem.bounds)), *self.spec.in_words()]
                raise ValueError(
                    f"No blind rule was found that meets {', '.join(required)}: the best one exceeds it by "
                    f"{violation:.4f}. Loosen the bound, or use policy='auto' if the groups may be used at "
                    "prediction."
                )
            prices = no_prices.copy()
            prices[measured] = rule.prices
            return replace(rule, prices=prices)

        def tables_of(rule: BlindClassRule) -> Floats:
            decisions = np.argmax(rule.gains(rows.scores, groups), axis=1)
            return self.tables(np.eye(len(self.worth))[decisions], rows.mass)

        return self.keep_margin(solve_keeping, tables_of)

    def blindness_cost(self, margin: KeptMargin, value: float) -> float | None:
        """Return how much more offsets per group would reach; None if none meet the bounds."""
        if not self.measured:
            return None
        distances = None
        if margin.distances is not None:
            distances = np.zeros((len(self.problem.bounds), len(self.rows.groups.labels)))
            distances[:, self.measured] = margin.distances
        try:
            best = solve(replace(self.problem, distances=distances), "auto", self.overall)
        except ValueError:
            return None
        return drop_rounding(best.value - value)

    def keep_margin(self, solve_keeping: Any, tables_of: Any) -> tuple[Any, KeptMargin]:
        """Return what is chosen at the greatest distances, up to the margin, that can be kept.

        Parameters
        ----------
        solve_keeping : callable
            Returns what keeps some distances, of shape (n_rates * n_events, n_groups) or None.
        tables_of : callable
            Returns the weight of each group's rows of each label that get each decision.
        """
        measured = self.measured

        def in_all_groups(distances: Floats | None) -> Any:
            if distances is None:
                return solve_keeping(None)
            everywhere = np.zeros((len(distances), len(self.rows.groups.labels)))
            everywhere[:, measured] = distances
            return solve_keeping(everywhere)

        return self.margin.choose(in_all_groups, lambda found: self._compared(tables_of(found)))

    @property
    def margin(self) -> SafetyMargin:
        """The margin that the bounds are to be kept with."""
        spec = self.spec
        n_events = len(spec.events.labels)
        return SafetyMargin.from_parameter(spec.margin, spec.constraints, len(self.measured), n_events)

    def _compared(self, tables: Floats) -> GroupCounts:
        """Return the counts of the groups that take part, with nothing where they are not compared."""
        counts = self.counts(tables)
        covered = self.covered.T
        kept = GroupCounts(
            counts.groups,
            {cell: values * covered for cell, values in counts.cells.items()},
            names=counts.names,
            strata=counts.strata,
            events=counts.events,
        )
        return kept.take([counts.groups[g] for g in self.measured])

    def counts(self, tables: Floats, squares: Floats | None = None) -> GroupCounts:
        """Return the counts of all groups, whose strata are the events."""
        events, groups = self.spec.events, self.rows.groups
        return GroupCounts(
            groups.labels,
            events.cells(tables),
            None if squares is None else events.cells(squares),
            names=groups.names,
            strata=events.labels,
            orders=groups.orders,
            events=events.kind,
        )

    def tables(self, decided: Floats, weights: Floats) -> Floats:
        """Return the weight of each group's rows of each label that get each decision, which has a chance."""
        n_groups, n_classes = len(self.rows.groups.labels), decided.shape[1]
        place = self.rows.groups.codes * n_classes + self.labels
        columns = [np.bincount(place, weights * chance, n_groups * n_classes) for chance in decided.T]
        return np.stack(columns, axis=1).reshape(n_groups, n_classes, n_classes).astype(float)

    def report_fields(
        self,
        decided: Floats,
        margin: KeptMargin,
        overall: Floats,
        measured_on: MeasuredOn,
        scale: ClassScale,
    ) -> dict[str, Any]:
        """Return the fields of a report that follow from the rows' decisions.

        Parameters
        ----------
        decided : array of shape (n_samples, n_classes)
            The probability that each row gets each class.
        margin : KeptMargin
            The margin that is kept.
        overall : array of shape (n_classes,)
            The best offsets for all rows alike.
        measured_on, scale
            For the report.
        """
        self.margin.warn_of_less(margin, "offsets")
        spec, rows, mass = self.spec, self.rows, self.rows.mass
        tables = self.tables(decided, mass)
        counts = self.counts(tables, self.tables(decided, mass**2))
        groups, events = counts.groups, spec.events.labels
        alike = np.eye(decided.shape[1])[decide(rows.scores, overall)]
        tables_alike = self.tables(alike, mass)
        compared = {
            label: counts.stratum(label).take([groups[g] for g in np.flatnonzero(self.covered[e])])
            for e, label in enumerate(events)
            if self.covered[e].any()
        }
        shares = np.array([counts.stratum(label).overall().rate("selection_rate")[0] for label in events])
        fields = constraint_fields(
            counts,
            spec.constraints,
            exempt=[group for g, group in enumerate(groups) if g not in self.measured],
            margin=margin,
            tables=compared,
        )
        return {
            **fields,
            "strata_names": (),
            "pos_label": events,
            "objective": spec.objective,
            "value": self.problem.value(tables),
            "value_without_bound": self.problem.value(tables_alike),
            "group_value_without_bound": self._group_value(overall, tables),
            "counts_without_bound": self.counts(tables_alike, self.tables(alike, mass**2)),
            "measured_on": measured_on,
            "requirements": spec.in_words(shares),
            "margin_asked": spec.margin,
            "worths": dict(spec.worths) or None,
            "confusion": tables,
            "classes": spec.events.classes,
            "grades": spec.grades,
            "overall_offsets": overall,
            "added_to": scale,
        }

    def _group_value(self, overall: Floats, tables: Floats) -> float | None:
        """Return what the best offsets of each group reach without a bound, and with all else.

        Parameters
        ----------
        overall : array of shape (n_classes,)
            The best offsets for all rows alike.
        tables : array of shape (n_groups, n_classes, n_classes)
            What was chosen: offsets reach no less without the bound.
        """
        if not self.measured:
            return None
        problem, by_group = self.problem, self.spec.policy != "blind"
        if problem.floors or problem.capacity is not None:
            free = tuple(
                BoundedConstraint(each.constraint, Bound(difference=np.inf)) for each in self.spec.constraints
            )
            # What was chosen may be mixed, and then no single offsets need meet what else is asked for.
            policy: MixPolicy = "threshold" if self.spec.policy == "threshold" else "auto"
            try:
                found = solve(replace(problem, constraints=free), policy, overall).value
            except ValueError:  # a blind rule, of which rows of a group differ, may meet what offsets cannot
                return None
            return max(found, problem.value(tables)) if by_group else found
        total = 0.0
        for g in range(problem.n_groups):
            rows = problem.codes == g
            own = replace(
                problem,
                scores=problem.scores[rows],
                labels=problem.labels[rows],
                codes=problem.codes[rows],
                weights=problem.weights[rows],
            )
            tried = [overall, best_overall(own)] if g in self.measured else [overall]
            values = [
                float(own.weights @ problem.worth[own.labels, decide(own.scores, each)]) for each in tried
            ]
            total += max([*values, float((tables[g] * problem.worth).sum())] if by_group else values)
        return total / float(problem.weights.sum())

    def warn_of_small_groups(self) -> None:
        """Warn, once, of groups that have too few rows for an event, and if too few are left to compare."""
        if self.covered.all():
            return
        groups, events, covered = self.rows.groups.labels, self.spec.events, self.covered
        names = [events.in_words(e) for e in range(len(events.labels))]
        parts = [f"Fewer than min_group_size={self.spec.min_group_size} rows to measure on for some classes."]
        if not self.measured:
            parts.append(
                f"Fewer than two groups can be compared under {self.spec.constraint_names}: every group gets "
                "the overall offsets, and nothing is promised about the disparity."
            )
            warn_user(" ".join(parts))
            return
        cells = [
            f"{format_group(groups[g])} for {names[e]}"
            for e, g in np.argwhere(~covered & covered.any(1, keepdims=True) & covered.any(0))
        ]
        if cells:
            parts.append(f"The bound does not cover {list_texts(cells)}.")
        if not covered.any(1).all():
            lonely = [names[e] for e in np.flatnonzero(~covered.any(1))]
            parts.append(f"There are not two groups to compare for: {list_texts(lonely)}.")
        exempt = [group for g, group in enumerate(groups) if g not in self.measured]
        if exempt:
            parts.append(f"Compared for no class, with the overall offsets: {list_groups(exempt)}.")
        warn_user(" ".join(parts))

    def warn_of_limits(self, report: ClassThresholdReport) -> None:
        """Warn if the bound leaves nothing but one decision for all rows, or the rows say little of it."""
        decided = report.confusion.sum((0, 1))
        alike = np.bincount(decide(self.rows.scores, report.overall_offsets), minlength=len(decided))
        if np.count_nonzero(decided) == 1:
            if np.count_nonzero(alike) > 1:
                label = list_labels([report.classes[int(np.argmax(decided))]])
                mixing = ", or allow policy='randomized'" if self.spec.can_mix else ""
                warn_user(
                    f"Every row is decided {label}: under this bound on {self.spec.constraint_names} that is "
                    f"the best that offsets can do. Loosen the bound{mixing}."
                )
        elif not self.spec.margin:
            warn_of_wide_intervals(report.constraints)
