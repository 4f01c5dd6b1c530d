"""The records of a training, as displays read them: curves over its epochs, rounds or models."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from fairsk._core.groups import list_groups
from fairsk._core.typing import Floats, Ints

__all__ = [
    "ACCURACIES",
    "LOSSES",
    "VALID",
    "Curves",
    "Groups",
    "Records",
    "fitted_model",
    "groups_of",
    "kept_steps",
]

Records: TypeAlias = Sequence[Mapping[str, Any]]
Groups: TypeAlias = Sequence[Hashable] | Mapping[str, Sequence[Hashable]]

#: The losses of a record, and what they are called in the legend.
LOSSES = {"task_loss": "task loss", "loss": "total loss"}
#: What stands in their place where decisions are recorded on held-out rows only.
ACCURACIES = {"valid_acc": "at even odds", "valid_bounded_acc": "best threshold within the bound"}
#: What a record says of rows held out stands under the same name with this before it.
VALID = "valid_"
#: What a record may be of.
_UNITS: tuple[Literal["epoch", "round", "model"], ...] = ("epoch", "round", "model")
#: What is said of a history that is not of decisions.
_OF_AMOUNTS = (
    "TrainingDisplay draws trainings of classifiers, and this is the history of a ConstrainedRegressor: see "
    "it as a table, pandas.DataFrame(model.history_), or draw two of its columns, "
    "pandas.DataFrame(model.history_).plot(y=['valid_loss', 'valid_disparity'], subplots=True)."
)


@dataclass(frozen=True)
class Curves:
    """The numbers of a history, each over all epochs (or rounds, or models) and NaN where one lacks it.

    What is lacking in all of them is left out, but for disparities of the rows that every record is about.
    """

    unit: Literal["epoch", "round", "model"]
    steps: Ints
    losses: dict[str, Floats]
    disparities: dict[str, Floats]
    valid_disparities: dict[str, Floats]
    multipliers: dict[str, dict[Hashable, Floats]]

    @classmethod
    def of(cls, history: Records, groups: Groups | None) -> Self:
        """Check a history and read it."""
        is_held_out = _check_records(history)
        keys = ACCURACIES if is_held_out else (*LOSSES, *(VALID + name for name in LOSSES))
        losses = {key: np.array([record.get(key, np.nan) for record in history], dtype=float) for key in keys}
        multipliers = {}
        for rate, by_step in _columns_of(history, "multipliers").items():
            width = next(len(row) for row in by_step if row is not None)
            values = np.array(
                [np.full(width, np.nan) if row is None else row for row in by_step],
                dtype=float,
            )
            multipliers[rate] = dict(zip(_labels(groups, rate, width), values.T, strict=True))
        valid = _as_floats(_columns_of(history, VALID + "disparities"))
        return cls(
            unit=_unit(history),
            steps=_steps(history),
            losses=_measured(losses),
            disparities={} if is_held_out else _as_floats(_columns_of(history, "disparities")),
            valid_disparities=valid if is_held_out else _measured(valid),
            multipliers=multipliers,
        )

    @property
    def is_held_out(self) -> bool:
        """Whether all that is recorded is of held-out rows."""
        return not self.disparities

    @property
    def constraints(self) -> list[str]:
        """The names of the constraints."""
        return [*(self.disparities or self.valid_disparities)]


def _columns_of(history: Records, key: str) -> dict[str, list[Any]]:
    """Return what each record says under each name of a dict that it holds, None where it says nothing."""
    values_by_record = [record.get(key, {}) for record in history]
    names = dict.fromkeys(name for values in values_by_record for name in values)
    return {name: [values.get(name) for values in values_by_record] for name in names}


def _as_floats(lists: Mapping[str, Sequence[Any]]) -> dict[str, Floats]:
    """Return lists as arrays, in which None becomes NaN."""
    return {name: np.array(values, dtype=float) for name, values in lists.items()}


def _measured(curves: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the curves that are not NaN throughout."""
    return {name: values for name, values in curves.items() if not np.isnan(values).all()}


def _labels(groups: Groups | None, rate: str, width: int) -> list[Hashable]:
    """Return the groups that the multipliers of a rate belong to."""
    names = groups.get(rate) if isinstance(groups, Mapping) else groups
    labels: list[Hashable] = [*(range(width) if names is None else names)]
    if len(labels) != width or len(set(labels)) != width:
        raise ValueError(
            f"groups must name what the multipliers belong to, each once: {width} of {rate}; got "
            f"{len(labels)}: {list_groups(labels)}. If rates have different groups, give a dict with those "
            "of each."
        )
    return labels


def _is_of_amounts(history: Records) -> bool:
    """Whether this is the history of a ConstrainedRegressor: losses and what is bounded, of held-out rows."""
    amounts = {"valid_loss", "valid_disparity", "weight"}
    return len(history) > 0 and amounts <= {*history[0]} and not {*LOSSES, "disparities"} & {*history[0]}


def _check_records(history: Any) -> bool:
    """Raise an error that says what a history is; return whether all of it is of held-out rows."""
    if hasattr(history, "fit"):
        raise TypeError(
            "history must be a list of records, not an estimator: give that to "
            "TrainingDisplay.from_estimator."
        )
    if not isinstance(history, Sequence) or not all(isinstance(record, Mapping) for record in history):
        raise TypeError(
            "history must be a list of one dict per epoch (or round, or model), as the history_ of a "
            f"FairClassifier or ConstrainedClassifier is; got {type(history).__name__}."
        )
    if not history:
        raise ValueError("The history has no epochs, so there is nothing to draw.")
    is_held_out = "valid_acc" in history[0] and not {*LOSSES, "disparities"} & {*history[0]}
    if _is_of_amounts(history):
        raise ValueError(_OF_AMOUNTS)
    needed = ("valid_acc", VALID + "disparities") if is_held_out else (*LOSSES, "disparities")
    for i, record in enumerate(history, start=1):
        absent = [key for key in needed if key not in record]
        if absent:
            raise ValueError(
                f"Record {i} of the history lacks {' and '.join(map(repr, absent))}. Give the history_ of a "
                "FairClassifier or ConstrainedClassifier, not that of a net."
            )
        for key in ("disparities", VALID + "disparities", "multipliers"):
            if not isinstance(record.get(key, {}), Mapping):
                raise TypeError(
                    f"{key!r} of record {i} must be a dict, as in FairClassifier.history_; got "
                    f"{record[key]!r}."
                )
    if any(after <= before for before, after in pairwise(_steps(history).tolist())):
        raise ValueError(f"The {_unit(history)}s of the history must be in order, each of them once.")
    return is_held_out


def _unit(history: Records) -> Literal["epoch", "round", "model"]:
    """Return what each record is of: an epoch, unless it says otherwise."""
    return next((unit for unit in _UNITS if unit in history[0]), "epoch")


def _steps(history: Records) -> Ints:
    """Return the numbers of the records."""
    unit = _unit(history)
    return np.array([record.get(unit, i) for i, record in enumerate(history, start=1)])


def kept_steps(model: Any) -> list[int]:
    """Return the numbers of the epochs, rounds or models that decide in the end."""
    if hasattr(model, "best_epoch_"):
        return [model.best_epoch_]
    steps = _steps(model.history_).tolist()
    return [step for step, record in zip(steps, model.history_, strict=True) if record.get("weight", 0)]


def fitted_model(display: str, estimator: Any) -> Any:
    """Return the fitted model with a history of decisions that an estimator is or ends in."""
    classifier = estimator
    while not (hasattr(classifier, "history_") and hasattr(classifier, "report_")):
        check_is_fitted(classifier)
        if isinstance(classifier, Pipeline):
            classifier = classifier[-1]
        elif hasattr(classifier, "best_estimator_"):
            classifier = classifier.best_estimator_
        elif hasattr(classifier, "estimator_"):
            classifier = classifier.estimator_
        else:
            raise TypeError(
                f"{display} draws the training of a fitted FairClassifier or ConstrainedClassifier, or of a "
                f"pipeline, SensitiveRouter or search that ends in one; {type(estimator).__name__} does not. "
                "Give the classifier itself; of a search, fit it with refit=True."
            )
    if _is_of_amounts(classifier.history_):
        raise TypeError(_OF_AMOUNTS)
    return classifier


def groups_of(classifier: Any) -> dict[str, Sequence[Hashable]]:
    """Return the groups that the multipliers of each rate belong to; of separate columns, their values."""
    groups: dict[str, Sequence[Hashable]] = {}
    for rate, by_step in _columns_of(classifier.history_, "multipliers").items():
        labels = classifier.groups_
        if getattr(classifier, "combine", None) == "separate" and all(
            isinstance(group, tuple) for group in labels
        ):
            labels = [value for column, value in labels if rate.endswith(f", {column}")]
        width = next(len(multipliers) for multipliers in by_step if multipliers is not None)
        groups[rate] = labels[:width]  # groups at the end that take no part are not counted
    return groups
