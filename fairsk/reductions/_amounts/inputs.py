"""What a fit to amounts is asked: its arguments, validated, and the problem that they pose to an engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fairsk._core.amount_sums import tabulate_amounts
from fairsk._core.groups import format_group, list_groups
from fairsk._core.messages import in_words, list_texts
from fairsk._core.results import amount
from fairsk._core.warnings import warn_user
from fairsk._meta.cross_fit import TrainingData, check_amounts_to_train, split_rows
from fairsk._meta.inner import refuse_classifier
from fairsk._sklearn.rows import check_same_features
from fairsk.reductions._amounts.margin import AmountMargin
from fairsk.reductions._amounts.problem import AmountProblem
from fairsk.reductions._amounts.rows import AmountRows
from fairsk.reductions._amounts.spec import AmountSpec
from fairsk.reductions._inputs import is_frozen, present_rows
from fairsk.reductions._warnings import warn_of_column_left

if TYPE_CHECKING:
    from fairsk.reductions._regressor import ConstrainedRegressor

__all__ = ["pose_amounts", "read_amounts_to_train"]


def read_amounts_to_train(
    model: ConstrainedRegressor,
    spec: AmountSpec,
    X: Any,
    y: Any,
    sensitive_features: Any,
    sample_weight: Any,
    fit_params: dict[str, Any],
) -> TrainingData:
    """Return the arguments of ``fit``, validated."""
    refuse_classifier(model, "ConstrainedClassifier is for those.")
    if is_frozen(model.estimator):
        raise ValueError(
            "ConstrainedRegressor fits its estimator under the bound, which a frozen one cannot be. For a "
            "fitted model there is PredictionRepair."
        )
    training = check_amounts_to_train(
        X,
        y,
        selector=model.sensitive_features,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        fit_params=fit_params,
        estimator=model.estimator,
        cv=model.cv,
    )
    if spec.bound is None:
        raise ValueError(_missing_bound(spec, training))
    if sensitive_features is not None and not model.keep_sensitive:
        warn_of_column_left(training.X, training.groups.names, model.sensitive_features)
    check_same_features(model, training.X, reset=True)
    return training


def _missing_bound(spec: AmountSpec, training: TrainingData) -> str:
    """Say which bound is missing, and what size it has: a bound on amounts has their unit."""
    weights = training.weights
    constant = np.full(len(training.labels), np.average(training.labels, weights=weights))
    table = tabulate_amounts(training.labels, constant, training.groups, weights)
    if spec.missing == "max_loss":
        beside = (
            "One prediction for all, the mean of y, has a mean loss of up to "
            f"{amount(float(np.nanmax(table.rate(spec.loss))))} in a group."
        )
    elif any(rate.lower_is_better for rate in spec.constraint.rates):  # losses, which may be squared
        values = np.array([table.rate(rate) for rate in spec.constraint.rates])
        apart = float((np.nanmax(values, axis=1) - np.nanmin(values, axis=1)).max())
        names = " and ".join(in_words(rate.name) for rate in spec.constraint.rates)
        beside = (
            f"For scale, in that unit: one prediction for all, the mean of y, has a {names} of up to "
            f"{amount(float(np.nanmax(values)))} in a group, and groups lie up to {amount(apart)} apart."
        )
    else:
        means = tabulate_amounts(None, training.labels, training.groups, weights).rate("mean_prediction")
        apart, spread = float(np.nanmax(means) - np.nanmin(means)), float(np.std(training.labels))
        beside = (
            f"For scale: the means of y in the groups lie {amount(apart)} apart, and its standard deviation "
            f"is {amount(spread)}."
        )
    return (
        f"{spec.constraint.name} has no bound: give {spec.missing}, in the unit of what is bounded, for "
        f"which there is no default. {beside}"
    )


def pose_amounts(
    model: ConstrainedRegressor, spec: AmountSpec, training: TrainingData
) -> tuple[AmountProblem, AmountMargin]:
    """Return what an engine is given, rows without weight left out, and the margin that is asked for."""
    assert spec.bound is not None
    splits = split_rows(training, model.cv, model.random_state)  # of all of X, as the splitter may need it
    if not model.keep_sensitive:
        training = replace(training, X=model._take_out_column(training.X))
    if training.weights is not None and not training.weights.all():
        training, splits, _ = present_rows(training, splits)
        if not splits:
            raise ValueError(
                "All rows that cv holds out have sample_weight 0, so that there is nothing to measure means "
                "on. Give some of them a weight, or cv other rows to hold out."
            )
    labels, codes = training.groups.labels, training.groups.codes
    held_out = np.unique(np.concatenate([test for _, test in splits]))
    large = np.bincount(codes[held_out], minlength=len(labels)) >= model.min_group_size
    fewest = 2 if spec.bound.comparison == "difference" else 1
    covered = large & (large.sum() >= fewest)
    rows = AmountRows(
        spec.loss,
        spec.constraint.rates,
        spec.bound,
        training.labels,
        codes,
        np.ones(len(training.labels)) if training.weights is None else training.weights,
        covered,
        labels,
    )
    _warn_of_small_groups(rows, spec, model.min_group_size)
    margin = AmountMargin(model.margin, rows.take(held_out), training.groups.take(held_out))
    problem = AmountProblem(
        model.estimator,
        training,
        splits,
        rows,
        margin.distances,
        random_state=model.random_state,
        n_jobs=model.n_jobs,
    )
    return problem, margin


def _warn_of_small_groups(rows: AmountRows, spec: AmountSpec, min_group_size: int) -> None:
    """Warn of groups that are too small to measure, and if too few are left."""
    if rows.n_groups == 1 and rows.bound.comparison == "difference":
        warn_user(
            f"There is only one group, {list_groups(rows.labels)}: there is nothing to compare it with, "
            "and nothing is promised. Check that sensitive_features names the right column."
        )
    elif not rows.covered.any():
        few = "Fewer than two groups" if rows.bound.comparison == "difference" else "No groups"
        warn_user(
            f"{few} can be measured under {spec.constraint.name} (min_group_size={min_group_size}): nothing "
            "is promised."
        )
    elif not rows.covered.all():
        small = [format_group(label) for g, label in enumerate(rows.labels) if not rows.covered[g]]
        warn_user(
            f"Fewer than min_group_size={min_group_size} rows to measure in: {list_texts(small)}. The bound "
            "does not cover these groups."
        )
