"""Measures of predicted amounts behind scorers: means of groups, and distances of their distributions."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_regressor

from fairsk._core.amount_sums import GroupAmounts
from fairsk._core.amounts import amounts_column
from fairsk._core.columns import as_array, value_columns
from fairsk._core.groups import encode_groups
from fairsk._core.labels import positive_class
from fairsk._core.messages import list_labels, show
from fairsk._core.validation import check_weights
from fairsk.metrics._scores.distances import largest_ks, largest_wasserstein
from fairsk.metrics._scores.grouped import GroupedScores
from fairsk.rates import AMOUNT_CONSTRAINTS, CONSTRAINTS, Comparison, Constraint, Method, Norm
from fairsk.scoring._classes import class_events, event_probabilities

__all__ = ["DISTANCES", "AmountDisparity", "Distance", "refuse_classifier", "refuse_regressor"]

#: Distances of the distributions of predictions by name, as :mod:`fairsk.metrics` calls them.
DISTANCES: Mapping[str, Callable[..., float]] = {
    "ks_distance": largest_ks,
    "wasserstein_distance": largest_wasserstein,
}


def refuse_classifier(name: str, estimator: Any, advice: str = "") -> None:
    """Refuse an estimator that predicts labels where amounts are compared."""
    classes = getattr(estimator, "classes_", None)
    if classes is not None:
        labels = list_labels(np.asarray(classes).ravel().tolist())
        advice = advice or f"Decisions have {', '.join(CONSTRAINTS)}."
        raise ValueError(
            f"{show(name)} compares predicted amounts, and {type(estimator).__name__} predicts labels, "
            f"{labels}. {advice}"
        )


def refuse_regressor(name: str, estimator: Any) -> None:
    """Refuse an estimator that predicts amounts where decisions are compared."""
    if is_regressor(estimator):
        raise ValueError(
            f"{show(name)} compares decisions, and {type(estimator).__name__} predicts amounts. Those have "
            f"{', '.join(AMOUNT_CONSTRAINTS)}, {' and '.join(DISTANCES)}."
        )


@dataclass(frozen=True)
class AmountDisparity:
    """The comparison of a constraint on predicted amounts."""

    constraint: Constraint
    comparison: Comparison
    method: Method
    reference: Hashable
    norm: Norm = "max"
    pos_label: ClassVar[None] = None
    grades: ClassVar[None] = None
    response_method: ClassVar[str] = "predict"
    over_strata: ClassVar[str] = "mean"
    takes_strata: ClassVar[bool] = False

    def __call__(
        self,
        y_true: ArrayLike | None,
        respond: Callable[..., NDArray[Any]],
        *,
        sensitive: Any,
        sample_weight: ArrayLike | None,
        classes: NDArray[Any] | None,
    ) -> float:
        """Return the comparison, negated if less is better."""
        table = GroupAmounts.from_predictions(
            y_true, respond("predict"), sensitive_features=sensitive, sample_weight=sample_weight
        )
        value = table.compare(
            self.constraint,
            self.comparison,
            method=self.method,
            reference=self.reference,
            norm=self.norm,
        )
        return -value if self._less_is_better else value

    @property
    def is_pooled(self) -> bool:
        """Whether it follows from the moments of amounts, and is no mean of the worst group."""
        return self.comparison != "worst_group"

    def with_labels(self, pos_label: Any, grades: Sequence[Hashable] | None) -> AmountDisparity:
        """Return the same: amounts have no positive labels."""
        return self

    def check_estimator(self, estimator: Any) -> None:
        """Refuse an estimator that predicts labels."""
        refuse_classifier(self.constraint.name, estimator)

    @property
    def _less_is_better(self) -> bool:
        worst = self.comparison == "worst_group" and self.constraint.rates[0].lower_is_better
        return worst or self.comparison in ("difference", "mean_difference")


@dataclass(frozen=True)
class Distance:
    """How far the distributions of the groups' predictions lie apart: of amounts, or of probabilities."""

    name: str
    method: Method
    reference: Hashable
    pos_label: Any
    response_method: Literal["predict", "predict_proba"]
    grades: Sequence[Hashable] | None = None
    comparison: ClassVar[Comparison] = "difference"
    over_strata: ClassVar[str] = "mean"
    takes_strata: ClassVar[bool] = False
    is_pooled: ClassVar[bool] = False

    def __call__(
        self,
        y_true: ArrayLike | None,
        respond: Callable[..., NDArray[Any]],
        *,
        sensitive: Any,
        sample_weight: ArrayLike | None,
        classes: NDArray[Any] | None,
    ) -> float:
        """Return minus the distance of the two groups that lie furthest apart; of the worst class."""
        predictions = self._predictions(respond, classes)
        n_samples = len(predictions[0])
        groups = encode_groups(value_columns("sensitive_features", sensitive, n_samples))
        weights = check_weights(sample_weight, n_samples)
        unlabelled = np.zeros(n_samples, dtype=bool)
        distances = [
            DISTANCES[self.name](
                GroupedScores.of_groups(each, unlabelled, groups, weights), None, self.reference, self.method
            )
            for each in predictions
        ]
        return -float(np.max(distances))  # NaN where nothing is compared, in one of the classes

    def _predictions(self, respond: Callable[..., NDArray[Any]], classes: NDArray[Any] | None) -> Any:
        """Return the predicted amounts, or the probabilities of every class that is compared."""
        if self.response_method == "predict":
            return [amounts_column("y_pred", respond("predict"))]
        events = class_events(classes, self.pos_label, self.grades, None)
        if events is not None:
            return event_probabilities(events, as_array(respond("predict_proba")), classes)
        label = self.pos_label if classes is None else positive_class(np.asarray(classes), self.pos_label)
        return [amounts_column("y_prob", respond("predict_proba", label))]

    def with_labels(self, pos_label: Any, grades: Sequence[Hashable] | None) -> Distance:
        """Return the same with these positive labels, and grades, if it names none."""
        return replace(
            self,
            pos_label=pos_label if self.pos_label is None else self.pos_label,
            grades=grades if self.grades is None else self.grades,
        )

    def check_estimator(self, estimator: Any) -> None:
        """Refuse to compare labels."""
        if self.response_method == "predict":
            refuse_classifier(
                self.name, estimator, "Of its probabilities: set response_method='predict_proba'."
            )
