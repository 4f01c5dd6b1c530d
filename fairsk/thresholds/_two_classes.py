"""TwoClasses: decisions between two classes, by thresholds on the score of the positive one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairsk._core.groups import Grouping
from fairsk._held_out.report import MeasuredOn
from fairsk._meta.cross_fit import OutOfFold, Respond
from fairsk._sklearn.routing import ScoreMethod, positive_scores
from fairsk.thresholds._blind import BlindPolicy, choose_blind_policy
from fairsk.thresholds._group_curves import GroupCurves
from fairsk.thresholds._path import ParetoPath, trace_path
from fairsk.thresholds._report import ThresholdReport, threshold_report
from fairsk.thresholds._rules import GroupPolicy
from fairsk.thresholds._search import Search
from fairsk.thresholds._spec import ThresholdSpec

__all__ = ["TwoClasses"]


@dataclass(frozen=True)
class TwoClasses:
    """How decisions between two classes are chosen on out-of-fold scores.

    Parameters
    ----------
    spec : ThresholdSpec
        What is asked for.
    positive : label
        The positive class.
    classes : array of shape (2,)
        The labels.
    """

    spec: ThresholdSpec
    positive: Any
    classes: NDArray[Any]

    def refuse(self, strata: Grouping | None) -> None:
        """Refuse strata where the policy or the margin is not open to them."""
        if strata is None:
            return
        if self.spec.policy == "blind":
            raise ValueError("policy='blind' compares groups over all rows only: leave out strata.")
        if self.spec.margin:
            raise ValueError(
                f"margin={self.spec.margin!r} is not open to strata: leave one of the two out, or tighten "
                "the bound yourself."
            )

    def respond(self, response_method: ScoreMethod) -> Respond:
        """Return how a fitted model scores rows."""
        return partial(positive_scores, response_method=response_method, positive=self.positive)

    def by_group(
        self, out_of_fold: OutOfFold, strata: Grouping | None, measured_on: MeasuredOn
    ) -> tuple[GroupPolicy, ThresholdReport]:
        """Choose a rule per group; ``strata`` has the stratum of every training row."""
        search = Search.prepare(_group_curves(out_of_fold, strata), self.spec)
        solution = search.choose()
        report = threshold_report(search, solution, pos_label=self.positive, measured_on=measured_on)
        policy = GroupPolicy(
            out_of_fold.estimator,
            solution.rules,
            search.overall.threshold,
            pos_label=self.positive,
            classes=self._classes_of(out_of_fold.estimator),
        )
        return policy, report

    def blind(
        self, out_of_fold: OutOfFold, groups_out_of_fold: OutOfFold, measured_on: MeasuredOn
    ) -> tuple[BlindPolicy, ThresholdReport]:
        """Choose a rule that sees scores and probabilities of groups only."""
        return choose_blind_policy(
            out_of_fold,
            groups_out_of_fold,
            self.spec,
            pos_label=self.positive,
            classes=self._classes_of(out_of_fold.estimator),
            measured_on=measured_on,
        )

    def _classes_of(self, estimator: Any) -> NDArray[Any]:
        """Return the labels as the classifier has them; a regressor has none."""
        return np.asarray(getattr(estimator, "classes_", self.classes))

    def path(self, out_of_fold: OutOfFold, strata: Grouping | None, n_points: int) -> ParetoPath:
        """Follow the best single thresholds from parity to where the bound no longer matters."""
        return trace_path(_group_curves(out_of_fold, strata), self.spec, n_points)


def _group_curves(out_of_fold: OutOfFold, strata: Grouping | None) -> GroupCurves:
    """Return the curves of scored rows; ``strata`` has the stratum of every training row."""
    rows = out_of_fold.present()
    by = None if strata is None else strata.take(rows.rows)
    return GroupCurves.from_rows(rows.scores, rows.actual, rows.groups, rows.weights, by)
