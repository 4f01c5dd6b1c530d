"""What a fit is asked: its arguments, validated, and the problem that they pose to an engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from fairsk._core.bounds import BoundedConstraint
from fairsk._core.groups import Grouping
from fairsk._core.strata import read_strata, refuse_groups_as_strata
from fairsk._core.typing import Ints
from fairsk._held_out.safety_margin import SafetyMargin
from fairsk._meta.cross_fit import Splits, TrainingData, check_training_data, refuse_one_class, split_rows
from fairsk._meta.inner import refuse_regressor
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.rows import check_same_features
from fairsk.reductions._bounded_rows import BoundedRows
from fairsk.reductions._problem import Problem
from fairsk.reductions._warnings import warn_of_column_left, warn_of_small_groups

if TYPE_CHECKING:
    from fairsk.reductions._classifier import ConstrainedClassifier

__all__ = ["is_frozen", "pose_problem", "present_rows", "read_training_data"]

#: What there is for more than two classes.
_FOR_SEVERAL = (
    "Of several, GroupThresholdOptimizer with policy='blind' holds bounds without the groups at prediction, "
    "and FairClassifier trains a net under them."
)


def read_training_data(
    model: ConstrainedClassifier,
    X: Any,
    y: Any,
    sensitive_features: Any,
    sample_weight: Any,
    strata: Any,
    fit_params: dict[str, Any],
) -> tuple[TrainingData, Grouping | None]:
    """Return the arguments of ``fit``, validated, and the strata."""
    refuse_regressor(model, "ConstrainedRegressor holds a bound on amounts.")
    if is_frozen(model.estimator):
        raise ValueError(
            "ConstrainedClassifier fits its estimator under the bound, which a frozen one cannot be. For "
            "a fitted model there is GroupThresholdOptimizer, with policy='blind' if the attribute may "
            "not be used to predict."
        )
    training = check_training_data(
        X,
        y,
        selector=model.sensitive_features,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        strata=strata,
        pos_label=model.pos_label,
        fit_params=fit_params,
        estimator=model.estimator,
        cv=model.cv,
        for_several=_FOR_SEVERAL,
    )
    if sensitive_features is not None and not model.keep_sensitive:
        warn_of_column_left(training.X, training.groups.names, model.sensitive_features)
    by = read_strata(training.X, model.strata, strata, n_samples=num_samples(training.X))
    if by is not None:
        refuse_groups_as_strata(training.groups, by)
        if model.margin:
            raise ValueError(
                f"margin={model.margin!r} is not open to strata: leave one of the two out, or tighten the "
                "bound yourself."
            )
    check_same_features(model, training.X, reset=True)
    return training, by


def pose_problem(
    model: ConstrainedClassifier,
    training: TrainingData,
    by: Grouping | None,
    constraints: tuple[BoundedConstraint, ...],
) -> tuple[Problem, Grouping | None]:
    """Return what an engine is given: rows without weight left out; and the strata of these rows."""
    splits = split_rows(training, model.cv, model.random_state)  # of all of X, as the splitter may need it
    refuse_one_class(training, splits)
    if not model.keep_sensitive:
        training = replace(training, X=model._take_out_column(training.X))
    if training.weights is not None and not training.weights.all():
        training, splits, present = present_rows(training, splits)
        if not splits:
            raise ValueError(
                "All rows that cv holds out have sample_weight 0, so that there is nothing to measure rates "
                "on. Give some of them a weight, or cv other rows to hold out."
            )
        by = None if by is None else by.take(present)
    rows = BoundedRows.of(
        constraints,
        training.labels == training.positive,
        training.groups,
        np.ones(len(training.labels)) if training.weights is None else training.weights,
        strata=by,
        min_group_size=model.min_group_size,
        measured=np.unique(np.concatenate([test for _, test in splits])),
    )
    warn_of_small_groups(rows, constraints, model.min_group_size)
    n_compared = int(rows.covered.any(1).sum())
    problem = Problem(
        model.estimator,
        training,
        splits,
        rows,
        SafetyMargin.from_parameter(model.margin, constraints, n_compared),
        random_state=model.random_state,
        n_jobs=model.n_jobs,
    )
    return problem, by


def is_frozen(estimator: Any) -> bool:
    """Whether a classifier, or the last step of a pipeline, is fitted already and stays as it is."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return isinstance(estimator, FrozenEstimator)


def present_rows(training: TrainingData, splits: Splits) -> tuple[TrainingData, Splits, Ints]:
    """Leave out rows of weight 0, which are as good as absent; return which ones are left, too."""
    weights = np.ones(len(training.labels)) if training.weights is None else training.weights
    present = np.flatnonzero(weights)
    position = np.full(len(weights), -1)
    position[present] = np.arange(len(present))
    kept = [
        (position[train][position[train] >= 0], position[test][position[test] >= 0]) for train, test in splits
    ]
    return training.take(present), [split for split in kept if len(split[1])], present
