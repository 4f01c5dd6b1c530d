"""Measures behind scorers: disparities, performance by group, and performance minus disparity.

A measure is called with labels and a function that responds with predictions, so that it asks for what it
needs and scorers can share it. Greater is better.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import column_or_1d

from fairsk._core.columns import sensitive_columns
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import Grouping, encode_groups, format_group
from fairsk._core.labels import positive_class
from fairsk._core.typing import Floats
from fairsk._core.validation import check_weights
from fairsk._core.warnings import warn_user
from fairsk.rates import Comparison, Constraint, Method
from fairsk.scoring._sensitive_scorer import Performance

__all__ = ["Aggregate", "Disparity", "GroupPerformance", "Measure", "ScoredResponse", "Tradeoff"]

#: What a disparity is measured on: decisions, or the probability of the positive label.
ScoredResponse: TypeAlias = Literal["predict", "predict_proba"]
Aggregate: TypeAlias = Literal["worst_group", "difference", "overall"]
Respond: TypeAlias = Callable[..., NDArray[Any]]


class Measure(Protocol):
    """What a scorer needs of a measure."""

    @property
    def pos_label(self) -> Any:
        """The positive label, if one is named."""

    @property
    def response_method(self) -> Any:
        """The response method of the estimator that it needs."""

    def __call__(
        self,
        y_true: ArrayLike | None,
        respond: Respond,
        *,
        sensitive: Any,
        sample_weight: ArrayLike | None,
        classes: NDArray[Any] | None,
    ) -> float:
        """Return the score."""


@dataclass(frozen=True)
class Disparity:
    """A constraint's comparison, of decisions or (``predict_proba``) of probabilities."""

    constraint: Constraint
    comparison: Comparison
    method: Method
    reference: Hashable
    pos_label: Any
    response_method: ScoredResponse

    def __call__(
        self,
        y_true: ArrayLike | None,
        respond: Respond,
        *,
        sensitive: Any,
        sample_weight: ArrayLike | None,
        classes: NDArray[Any] | None,
    ) -> float:
        """Return the comparison, negated if less is better."""
        pos_label = self.pos_label
        if classes is not None:
            pos_label = positive_class(np.asarray(classes), pos_label)
        soft = self.response_method == "predict_proba"
        count = GroupCounts.from_probabilities if soft else GroupCounts.from_predictions
        counts = count(
            y_true,
            respond(self.response_method, pos_label),
            sensitive_features=sensitive,
            sample_weight=sample_weight,
            pos_label=pos_label,
            classes=classes,
        )
        value = counts.compare(self.constraint, self.comparison, method=self.method, reference=self.reference)
        return -value if self._less_is_better else value

    @property
    def _less_is_better(self) -> bool:
        worst = self.comparison == "worst_group" and self.constraint.rates[0].lower_is_better
        return worst or self.comparison == "difference"


@dataclass(frozen=True)
class GroupPerformance:
    """Any of scikit-learn's scores: of the worst group, its largest difference, or of all rows."""

    performance: Performance
    comparison: Aggregate
    pos_label: Any

    @property
    def response_method(self) -> Any:
        """What the performance is a function of."""
        return self.performance.response_method

    def __call__(
        self,
        y_true: ArrayLike | None,
        respond: Respond,
        *,
        sensitive: Any,
        sample_weight: ArrayLike | None,
        classes: NDArray[Any] | None,
    ) -> float:
        """Return the smallest score of a group, minus the largest difference, or the score of all rows."""
        actual = column_or_1d(y_true)
        groups = encode_groups(sensitive_columns(None, None, sensitive, n_samples=len(actual)))
        if self.comparison == "overall":
            groups = _one_group(len(actual))
        values = _performances(
            self.performance, actual, respond, groups, sample_weight, classes, self.pos_label
        )
        undefined = np.isnan(values)
        if undefined.any():
            labels = ", ".join(format_group(groups.labels[g]) for g in np.flatnonzero(undefined))
            warn_user(
                f"The score is not defined for: {labels} (such as a group with one label only). "
                "The comparison passes over them."
            )
        if (~undefined).sum() < (2 if self.comparison == "difference" else 1):
            return float("nan")
        smallest = float(np.nanmin(values))
        return smallest - float(np.nanmax(values)) if self.comparison == "difference" else smallest


@dataclass(frozen=True)
class Tradeoff:
    """Performance over all rows minus a weighted disparity."""

    performance: Performance
    disparity: Disparity
    weight: float

    @property
    def pos_label(self) -> Any:
        """The positive label, if one is named."""
        return self.disparity.pos_label

    @property
    def response_method(self) -> Any:
        """What the performance is a function of."""
        return self.performance.response_method

    def __call__(
        self,
        y_true: ArrayLike | None,
        respond: Respond,
        *,
        sensitive: Any,
        sample_weight: ArrayLike | None,
        classes: NDArray[Any] | None,
    ) -> float:
        """Return the one number."""
        actual = column_or_1d(y_true)
        (score,) = _performances(
            self.performance, actual, respond, _one_group(len(actual)), sample_weight, classes, self.pos_label
        )
        negated = self.disparity(
            y_true, respond, sensitive=sensitive, sample_weight=sample_weight, classes=classes
        )
        return float(score + self.weight * negated)


def _one_group(n_samples: int) -> Grouping:
    """Return all rows as one group."""
    return Grouping(("all rows",), ("all rows",), np.zeros(n_samples, dtype=np.intp))


def _performances(
    performance: Performance,
    actual: NDArray[Any],
    respond: Respond,
    groups: Grouping,
    sample_weight: ArrayLike | None,
    classes: NDArray[Any] | None,
    pos_label: Any,
) -> Floats:
    """Return the score of each group, NaN where it is not defined."""
    options = dict(performance.options)
    if pos_label is None and classes is not None and len(classes) == 2:
        pos_label = positive_class(np.asarray(classes))
    if performance.takes("pos_label"):
        pos_label = options.setdefault("pos_label", 1 if pos_label is None else pos_label)
    if performance.takes("zero_division"):
        options.setdefault("zero_division", np.nan)  # never a silent 0 for a group without positives
    weights = check_weights(sample_weight, len(actual))
    if weights is not None and not performance.takes("sample_weight"):
        raise ValueError("This score takes no sample_weight.")
    predicted = respond(performance.response_method, pos_label)
    values = np.full(len(groups.labels), np.nan)
    for g in range(len(groups.labels)):
        in_group = groups.codes == g
        group_weights = {} if weights is None else {"sample_weight": weights[in_group]}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndefinedMetricWarning)  # a NaN is reported by name
            values[g] = performance.sign * performance.function(
                actual[in_group], predicted[in_group], **options, **group_weights
            )
    return values
