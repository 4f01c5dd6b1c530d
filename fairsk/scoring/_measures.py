"""Measures behind scorers: disparities, performance by group, and performance minus disparity.

A measure is called with labels and a function that responds with predictions, so that it asks for what it
needs and scorers can share it. Greater is better.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import jaccard_score

from fairsk._core.class_events import ClassEvents, names_several
from fairsk._core.columns import as_array, sensitive_columns
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import Grouping, encode_groups, list_groups
from fairsk._core.labels import positive_class, refuse_mixed_kinds, target_column
from fairsk._core.messages import list_labels, show
from fairsk._core.typing import Floats
from fairsk._core.validation import check_weights
from fairsk._core.warnings import warn_user
from fairsk._sklearn.compat import is_regression_metric, num_samples
from fairsk.metrics._decisions.multiclass import one_vs_rest_counts, worst_event
from fairsk.metrics._decisions.strata import OverStrata, disparity_within_strata, require_strata_for
from fairsk.metrics._partial_calls import UndefinedMetricError, call_where_defined, innermost
from fairsk.rates import Comparison, Constraint, Method, Norm
from fairsk.scoring._amount_measures import refuse_regressor
from fairsk.scoring._classes import class_events, event_probabilities, inside_events
from fairsk.scoring._sensitive_scorer import Performance

__all__ = [
    "Aggregate",
    "Disparity",
    "GroupPerformance",
    "Measure",
    "ScoredResponse",
    "Tradeoff",
]

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

    def with_labels(self, pos_label: Any, grades: Sequence[Hashable] | None) -> Measure:
        """Return the same with these positive labels, and grades, if it names none."""

    def check_estimator(self, estimator: Any) -> None:
        """Refuse an estimator that does not predict what is measured."""

    def __call__(
        self,
        y_true: ArrayLike | None,
        respond: Respond,
        *,
        sensitive: Any,
        sample_weight: ArrayLike | None,
        classes: NDArray[Any] | None,
    ) -> float:
        """Return the score. A measure with ``takes_strata`` has an argument ``strata`` besides."""


@dataclass(frozen=True)
class Disparity:
    """A constraint's comparison, of decisions or (``predict_proba``) of probabilities."""

    constraint: Constraint
    comparison: Comparison
    method: Method
    reference: Hashable
    pos_label: Any
    response_method: ScoredResponse
    norm: Norm = "max"
    over_strata: OverStrata = "mean"
    grades: Sequence[Hashable] | None = None
    takes_strata: ClassVar[bool] = True

    def __call__(
        self,
        y_true: ArrayLike | None,
        respond: Respond,
        *,
        sensitive: Any,
        sample_weight: ArrayLike | None,
        classes: NDArray[Any] | None,
        strata: Any = None,
    ) -> float:
        """Return the comparison, negated if less is better; within strata, their average or the worst."""
        if strata is None:
            require_strata_for(self.over_strata)
        data = {"sensitive_features": sensitive, "sample_weight": sample_weight}
        events = class_events(classes, self.pos_label, self.grades, y_true)
        if events is not None:
            actual = None if y_true is None else target_column("y_true", y_true)
            value = self._of_classes(actual, respond, events, classes, data, strata)
            return -value if self._less_is_better else value
        pos_label = self.pos_label
        if classes is not None:
            pos_label = positive_class(np.asarray(classes), pos_label)
        soft = self.response_method == "predict_proba"
        count = GroupCounts.from_probabilities if soft else GroupCounts.from_predictions
        counts = count(
            y_true,
            respond(self.response_method, pos_label),
            **data,
            pos_label=pos_label,
            strata=strata,
            classes=classes,
        )
        value = self._compare(counts)
        return -value if self._less_is_better else value

    def _compare(self, counts: GroupCounts) -> float:
        """Return the comparison of two classes; within strata, if the counts have them."""
        what: tuple[Any, ...] = (self.constraint, self.comparison)
        how: dict[str, Any] = {"method": self.method, "reference": self.reference, "norm": self.norm}
        if counts.strata is None:
            return counts.compare(*what, **how)
        return disparity_within_strata(counts, *what, **how, over_strata=self.over_strata)

    def _of_classes(
        self,
        actual: NDArray[Any] | None,
        respond: Respond,
        events: ClassEvents,
        classes: NDArray[Any] | None,
        data: dict[str, Any],
        strata: Any,
    ) -> float:
        """Return the comparison of the class, or grade, that is furthest from parity."""
        soft = self.response_method == "predict_proba"
        response = respond(self.response_method, None)
        if strata is None and not soft:  # all classes at once
            named = {"pos_label": self.pos_label, "grades": self.grades}
            counts = one_vs_rest_counts(actual, response, classes=events.classes, **named, **data)
            values = counts.compare(
                self.constraint,
                self.comparison,
                method=self.method,
                reference=self.reference,
                norm=self.norm,
            )
        else:
            count: Callable[..., GroupCounts]
            responses: NDArray[Any]
            if soft:
                count = GroupCounts.from_probabilities
                responses = event_probabilities(events, as_array(response), classes)
            else:
                count = GroupCounts.from_predictions
                responses = inside_events(events, target_column("y_pred", response))
            labels = [None] * len(events.labels) if actual is None else inside_events(events, actual)
            values = np.array(
                [
                    self._compare(count(label, decided, strata=strata, **data))
                    for label, decided in zip(labels, responses, strict=True)
                ]
            )
        worst = worst_event(values, self.constraint, self.comparison)
        return float("nan") if worst is None else float(values[worst])

    @property
    def is_pooled(self) -> bool:
        """Whether it follows from the counts of decisions, and from nothing else."""
        return self.response_method == "predict" and self.comparison != "worst_group"

    def check_estimator(self, estimator: Any) -> None:
        """Refuse an estimator that predicts amounts."""
        refuse_regressor(self.constraint.name, estimator)

    def with_labels(self, pos_label: Any, grades: Sequence[Hashable] | None) -> Disparity:
        """Return the same with these positive labels, and grades, if it names none."""
        return replace(
            self,
            pos_label=pos_label if self.pos_label is None else self.pos_label,
            grades=grades if self.grades is None else self.grades,
        )

    @property
    def _less_is_better(self) -> bool:
        worst = self.comparison == "worst_group" and self.constraint.rates[0].lower_is_better
        return worst or self.comparison in ("difference", "mean_difference")


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

    def with_labels(self, pos_label: Any, grades: Sequence[Hashable] | None) -> GroupPerformance:
        """Return the same with this positive label, if it names none: a score has one at most."""
        if self.pos_label is not None or names_several(pos_label):
            return self
        return replace(self, pos_label=pos_label)

    def check_estimator(self, estimator: Any) -> None:
        """Refuse a score of amounts for labels that are texts."""
        classes = np.asarray(getattr(estimator, "classes_", []))
        if classes.dtype.kind in "OUS" and is_regression_metric(innermost(self.performance.function)):
            raise ValueError(
                f"This score is of predicted amounts, and {type(estimator).__name__} predicts labels, "
                f"{list_labels(classes.ravel().tolist())}: take a score of decisions, such as 'accuracy'."
            )

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
        groups = encode_groups(sensitive_columns(None, None, sensitive, n_samples=num_samples(y_true)))
        scorable = Scorable.of(self.performance, y_true, respond, sample_weight, classes, self.pos_label)
        if self.comparison == "overall":
            return scorable.overall()
        values = scorable.by_group(groups)
        defined = values[~np.isnan(values)]
        if len(defined) < (2 if self.comparison == "difference" else 1):
            return float("nan")
        smallest = float(defined.min())
        return smallest - float(defined.max()) if self.comparison == "difference" else smallest


@dataclass(frozen=True)
class Tradeoff:
    """Performance over all rows minus a weighted disparity."""

    performance: Performance
    disparity: Any
    weight: float

    @property
    def takes_strata(self) -> bool:
        """Whether it is also called with strata."""
        return bool(self.disparity.takes_strata)

    def check_estimator(self, estimator: Any) -> None:
        """Refuse an estimator that does not predict what is compared."""
        self.disparity.check_estimator(estimator)

    @property
    def pos_label(self) -> Any:
        """The positive label, if one is named."""
        return self.disparity.pos_label

    @property
    def response_method(self) -> Any:
        """What the performance is a function of."""
        return self.performance.response_method

    @property
    def grades(self) -> Sequence[Hashable] | None:
        """The classes from the worst to the best, if they are grades."""
        return self.disparity.grades

    @property
    def over_strata(self) -> OverStrata:
        """What the disparities within strata become."""
        return self.disparity.over_strata

    def with_labels(self, pos_label: Any, grades: Sequence[Hashable] | None) -> Tradeoff:
        """Return the same with these positive labels, and grades, if it names none."""
        return replace(self, disparity=self.disparity.with_labels(pos_label, grades))

    def __call__(
        self,
        y_true: ArrayLike | None,
        respond: Respond,
        *,
        sensitive: Any,
        sample_weight: ArrayLike | None,
        classes: NDArray[Any] | None,
        strata: Any = None,
    ) -> float:
        """Return the one number."""
        label = None if names_several(self.pos_label) else self.pos_label
        score = Scorable.of(self.performance, y_true, respond, sample_weight, classes, label).overall()
        negated = self.disparity(
            y_true,
            respond,
            sensitive=sensitive,
            sample_weight=sample_weight,
            classes=classes,
            **({} if strata is None else {"strata": strata}),
        )
        return float(score + self.weight * negated)


@dataclass(frozen=True)
class Scorable:
    """A score with the labels and predictions that it is a function of: of all rows, or of each group.

    Parameters
    ----------
    performance : Performance
        The score.
    y_true : array of shape (n_samples,)
        Labels.
    response : array of shape (n_samples,) or (n_samples, n_classes)
        What the estimator responded.
    weights : array of shape (n_samples,), optional
        Weight of each row.
    options : mapping
        What the function of the score is called with besides, as scikit-learn's own scorer calls it.
    classes : array, optional
        The estimator's classes.
    """

    performance: Performance
    y_true: NDArray[Any]
    response: NDArray[Any]
    weights: Floats | None
    options: Mapping[str, Any]
    classes: NDArray[Any] | None

    @classmethod
    def of(
        cls,
        performance: Performance,
        y_true: ArrayLike | None,
        respond: Respond,
        sample_weight: ArrayLike | None,
        classes: NDArray[Any] | None,
        pos_label: Any,
    ) -> Scorable:
        """Ask for predictions, and decide which label is positive.

        Without ``pos_label`` it is that of scikit-learn's scorer, if the estimator knows such a label, and
        else the second of two classes. Scores that have no positive label, such as the area under the ROC
        curve, are the same for either of two. Those that scikit-learn takes of the second are refused for
        another.
        """
        options = dict(performance.options)
        response_label = None
        if performance.takes("pos_label"):
            known = [] if classes is None else np.asarray(classes).tolist()
            default = options.get("pos_label", performance.default("pos_label"))
            if pos_label is None and default not in known and len(known) == 2:
                pos_label = positive_class(np.asarray(classes))
            if pos_label is not None:
                if classes is not None:
                    positive_class(np.asarray(classes), pos_label)  # refuses one that is none of them
                options.setdefault("pos_label", pos_label)
            response_label = options.get("pos_label", default)
        weights = check_weights(sample_weight, num_samples(y_true))
        if weights is not None and not performance.takes("sample_weight"):
            raise ValueError("This score takes no sample_weight.")
        response = as_array(respond(performance.response_method, response_label))
        if response.ndim == 2 and response.shape[1] == 1:  # some classifiers predict a column
            response = response[:, 0]
        actual = target_column("y_true", y_true)
        if pos_label is not None and performance.is_of_second_class:
            _refuse_first_class(np.unique(actual) if classes is None else np.asarray(classes), pos_label)
        if performance.response_method == "predict" and response.ndim == 1:
            response = target_column("y_pred", response)
            refuse_mixed_kinds(actual, response)
        return cls(performance, actual, response, weights, options, classes)

    def overall(self) -> float:
        """Return the score of all rows: that of scikit-learn's own scorer, with its warnings."""
        weights = {} if self.weights is None else {"sample_weight": self.weights}
        value = self.performance.function(self.y_true, self.response, **self.options, **weights)
        return self.performance.sign * value

    def by_group(self, groups: Grouping) -> Floats:
        """Return the score of each group; NaN where it is not defined, and a warning that names the group."""
        actual, options = self.y_true, self._options_of_part()
        values = np.full(len(groups.labels), np.nan)
        warned: dict[tuple[type[Warning], str], list[Hashable]] = {}
        failed = False
        rows_of_groups = np.split(
            np.argsort(groups.codes, kind="stable"), np.cumsum(groups.sums())[:-1].astype(int)
        )
        for g, rows in enumerate(rows_of_groups):
            weights = {} if self.weights is None else {"sample_weight": self.weights[rows]}
            with warnings.catch_warnings(record=True) as recorded:
                warnings.simplefilter("always")
                try:
                    values[g] = self.performance.sign * call_where_defined(
                        self.performance.function, actual[rows], self.response[rows], **options, **weights
                    )
                except UndefinedMetricError:
                    pass  # it stays NaN
                except ValueError:  # for the rows of this group, or for any
                    failed = True
            for warning in recorded:
                if issubclass(warning.category, UndefinedMetricWarning):
                    values[g] = np.nan
                else:
                    warned.setdefault((warning.category, str(warning.message)), []).append(groups.labels[g])
        if failed:
            self.overall()  # raises too, unless only a group is at fault
        for (category, message), labels in warned.items():
            warn_user(f"In the score of {list_groups(labels)}: {message}", category)
        undefined = [label for label, value in zip(groups.labels, values, strict=True) if np.isnan(value)]
        if undefined:
            warn_user(
                f"The score is not defined for: {list_groups(undefined)} (such as a group with one label "
                "only). The comparison passes over them."
            )
        return values

    def _options_of_part(self) -> dict[str, Any]:
        """Return what the function needs on a part of the rows, in which labels may be absent."""
        options = dict(self.options)
        # Never a silent 0 for a group without positives. Functions that know no NaN warn of it instead.
        knows_nan = innermost(self.performance.function) is not jaccard_score
        if self.performance.takes("zero_division") and knows_nan:
            options.setdefault("zero_division", np.nan)
        # Columns of scores belong to classes, which scikit-learn else takes from the labels that occur.
        of_scores = self.performance.response_method != "predict"
        if of_scores and self.performance.takes("labels") and self.classes is not None:
            options.setdefault("labels", np.asarray(self.classes))
        return options


def _refuse_first_class(classes: NDArray[Any], pos_label: Any) -> None:
    """Refuse a positive label that is not the second class, for a score that takes none."""
    second = classes.tolist()[-1]
    if positive_class(classes, pos_label) != second:
        raise ValueError(
            f"This score takes no pos_label: scikit-learn's likelihood ratios are those of the second class, "
            f"{show(second)}, and pos_label={show(pos_label)} is another. Leave pos_label out, or encode the "
            "labels so that the positive one is sorted last."
        )
