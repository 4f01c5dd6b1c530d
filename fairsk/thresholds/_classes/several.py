"""SeveralClasses: decisions among three and more classes, by offsets per class and group."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fairsk._core.groups import Grouping
from fairsk._held_out.report import (
    MeasuredOn,
    drop_rounding,
)
from fairsk._meta.cross_fit import OutOfFold, Respond
from fairsk._sklearn.routing import ScoreMethod
from fairsk.thresholds._classes.blind import (
    BlindClassPolicy,
)
from fairsk.thresholds._classes.path import ClassParetoPath, trace_class_path
from fairsk.thresholds._classes.policy import OffsetPolicy
from fairsk.thresholds._classes.problem import decide
from fairsk.thresholds._classes.report import ClassThresholdReport
from fairsk.thresholds._classes.scale import ClassScale, scaled_scores
from fairsk.thresholds._classes.search import ClassSearch
from fairsk.thresholds._classes.spec import ClassSpec

__all__ = ["SeveralClasses"]


@dataclass(frozen=True)
class SeveralClasses:
    """How decisions among several classes are chosen on out-of-fold scores.

    Parameters
    ----------
    spec : ClassSpec
        What is asked for.
    scale : {"probability", "log_probability", "decision"}
        What offsets are added to.
    """

    spec: ClassSpec
    scale: ClassScale

    def refuse(self, strata: Grouping | None) -> None:
        """Refuse strata: each class is one already."""
        if strata is not None:
            raise ValueError(
                "strata are open to two classes only: with several, groups are compared for each class, over "
                "all rows. Leave them out."
            )

    def respond(self, response_method: ScoreMethod) -> Respond:
        """Return how a fitted model scores rows."""
        return partial(
            scaled_scores,
            response_method=response_method,
            classes=self.spec.events.classes,
            scale=self.scale,
        )

    def by_group(
        self, out_of_fold: OutOfFold, strata: Grouping | None, measured_on: MeasuredOn
    ) -> tuple[OffsetPolicy, ClassThresholdReport]:
        """Choose offsets per group."""
        search = ClassSearch(out_of_fold.present(), self.spec)
        search.warn_of_small_groups()
        solution, margin = search.choose()
        policy = OffsetPolicy(
            out_of_fold.estimator,
            tuple(solution.mixtures),
            solution.overall,
            self.spec.events.classes,
            self.scale,
        )
        is_mixed = policy.is_mixed
        rows = search.rows
        decided = policy.selection_probability(rows.scores, rows.groups.codes)
        fields = search.report_fields(decided, margin, solution.overall, measured_on, self.scale)
        offsets: dict[Hashable, Any] = {
            label: list(zip(mixture.offsets, mixture.probabilities.tolist(), strict=True))
            if is_mixed
            else mixture.offsets[0]
            for label, mixture in zip(rows.groups.labels, solution.mixtures, strict=True)
        }
        report = ClassThresholdReport(
            **fields,
            policy="randomized" if is_mixed else "threshold",
            solver=solution.solver,
            reason=solution.reason,
            offsets=offsets,
            optimality_gap=_gap(solution.upper_bound, fields["value"]),
            gap_is_proven=solution.is_proven,
            proven_gap=_gap(solution.proven_bound, fields["value"]),
        )
        search.warn_of_limits(report)
        return policy, report

    def blind(
        self, out_of_fold: OutOfFold, groups_out_of_fold: OutOfFold, measured_on: MeasuredOn
    ) -> tuple[BlindClassPolicy, ClassThresholdReport]:
        """Choose a rule that sees the probabilities of classes and of groups only."""
        unfit = [rate.name for rate in self.spec.rates if not rate.has_fixed_denominator]
        if unfit:
            raise ValueError(
                f"policy='blind' is open to rates with fixed denominators only, which {' and '.join(unfit)} "
                "has not; use policy='threshold' if the groups may be used at prediction."
            )
        search = ClassSearch(out_of_fold.present(), self.spec)
        search.warn_of_small_groups()
        rows, problem = search.rows, search.problem
        groups = groups_out_of_fold.present().scores
        overall = search.overall
        rule, margin = search.choose_blind(groups, overall)
        decisions = np.argmax(rule.gains(rows.scores, groups), axis=1)
        if not search.measured:
            decisions = decide(rows.scores, overall)
        decided = np.eye(problem.n_classes)[decisions]
        fields = search.report_fields(decided, margin, overall, measured_on, self.scale)
        report = ClassThresholdReport(
            **fields,
            policy="blind",
            solver="prices of the groups (cutting planes and exact sweeps)",
            reason="as asked for",
            offsets={},
            optimality_gap=None,
            blindness_cost=search.blindness_cost(margin, fields["value"]),
        )
        search.warn_of_limits(report)
        policy = BlindClassPolicy(
            out_of_fold.estimator, groups_out_of_fold.estimator, rule, overall, self.spec.events.classes
        )
        return policy, report

    def path(self, out_of_fold: OutOfFold, strata: Grouping | None, n_points: int) -> ClassParetoPath:
        """Follow the best single offsets from parity to where the bound no longer matters."""
        search = ClassSearch(out_of_fold.present(), self.spec)
        search.warn_of_small_groups()
        return trace_class_path(search.problem, search.rows.groups.labels, self.spec.objective, n_points)


def _gap(upper_bound: float | None, value: float) -> float | None:
    return None if upper_bound is None else drop_rounding(max(0.0, upper_bound - value))
