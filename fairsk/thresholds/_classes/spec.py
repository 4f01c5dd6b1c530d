"""ClassSpec: the validated parameters of a search for offsets of three and more classes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from fairsk._core.bounds import BoundedConstraint, bounded_constraints
from fairsk._core.class_events import ClassEvents
from fairsk._core.messages import list_labels, show
from fairsk._core.typing import Floats
from fairsk._held_out.objective import is_of_worst_group
from fairsk._held_out.safety_margin import MarginLike
from fairsk.rates import Rate
from fairsk.thresholds._spec import Policy, Requirements

__all__ = ["ClassSpec"]

#: The objectives by name.
_NAMED = ("accuracy", "balanced_accuracy")


@dataclass(frozen=True)
class ClassSpec:
    """The validated parameters; their meaning is that of ``GroupThresholdOptimizer``'s.

    Parameters
    ----------
    events : ClassEvents
        The classes, and which of them are bounded.
    grades : tuple of labels or None
        The classes from the worst to the best.
    constraints : tuple of BoundedConstraint
        The bounds, each for every event.
    objective : str
        What is maximised: ``"accuracy"``, ``"balanced_accuracy"`` or ``"utility"``.
    worths : mapping of (label, decision) to float
        What decisions are worth, for a utility.
    min_rates : mapping of Rate to float
        What each rate must at least be, for every event, in every group where it can be measured.
    capacity : array of shape (n_events,) or None
        The largest share of all rows that may be decided within each event.
    policy, margin, min_group_size
        As in ``GroupThresholdOptimizer``.
    """

    events: ClassEvents
    grades: tuple[Hashable, ...] | None
    constraints: tuple[BoundedConstraint, ...]
    objective: str
    worths: Mapping[tuple[Hashable, Hashable], float]
    min_rates: Mapping[Rate, float]
    capacity: Floats | None
    policy: Policy
    margin: MarginLike
    min_group_size: int

    @classmethod
    def from_parameters(
        cls,
        classes: Sequence[Hashable],
        pos_label: Any,
        grades: Sequence[Hashable] | None,
        *,
        constraint: Any,
        max_difference: Any,
        min_ratio: Any,
        objective: Any,
        min_rates: Mapping[str | Rate, float] | None,
        capacity: Any,
        level_up: bool | float,
        policy: Policy,
        margin: MarginLike,
        min_group_size: int,
    ) -> ClassSpec:
        """Read the specification off the parameters; what several classes are not open to is refused.

        Raises
        ------
        ValueError
            If a parameter is, or labels are no classes.
        """
        events = ClassEvents.of(classes, pos_label, grades)
        if constraint is None:
            raise ValueError(
                "constraint=None names nothing to compare groups by. For no bound at all, leave it and give "
                "max_difference=float('inf'): the disparity is then measured and not bounded."
            )
        if level_up is not False:
            raise ValueError(
                f"level_up={level_up!r} is open to two classes only: of several classes no offsets are "
                "stricter than others. To keep up what groups get, give min_rates."
            )
        constraints = bounded_constraints(constraint, max_difference, min_ratio, unbounded=True)
        if policy == "blind" and any(np.isinf(each.bound.value) for each in constraints):
            raise ValueError("policy='blind' needs a bound: max_difference is infinite.")
        name, worths = _objective(objective, events.classes)
        required = Requirements.from_parameters(min_rates, None, False)
        return cls(
            events,
            None if grades is None else tuple(classes[classes.index(grade)] for grade in grades),
            constraints,
            name,
            worths,
            required.min_rates,
            _capacity(capacity, events),
            policy,
            margin,
            min_group_size,
        )

    @property
    def rates(self) -> list[Rate]:
        """The bounded rates."""
        return [rate for each in self.constraints for rate in each.constraint.rates]

    @property
    def can_mix(self) -> bool:
        """Whether mixtures of offsets can hold all bounded rates: those with fixed denominators."""
        return all(rate.has_fixed_denominator for rate in self.rates)

    @property
    def constraint_names(self) -> str:
        """The names of the constraints, for messages."""
        return " and ".join(each.constraint.name for each in self.constraints)

    def worth(self, totals: Floats) -> Floats:
        """Return what a row of each label is worth with each decision; the objective is its mean.

        Parameters
        ----------
        totals : array of shape (n_classes,)
            The weight of the rows of each class.
        """
        n_classes = len(totals)
        if self.objective == "balanced_accuracy":
            present = totals > 0
            shares = np.divide(totals.sum(), present.sum() * totals, out=np.zeros(n_classes), where=present)
            return np.diag(shares)
        if self.objective == "accuracy":
            return np.eye(n_classes)
        places = {label: place for place, label in enumerate(self.events.classes)}
        table = np.zeros((n_classes, n_classes))
        for (label, decision), worth in self.worths.items():
            table[places[label], places[decision]] = worth
        return table

    def in_words(self, shares: Floats | None = None) -> tuple[str, ...]:
        """Say what is required; beside a capacity, which share of the rows is decided so, if known."""
        each = (
            f" of each {'cut' if self.events.are_grades else 'class'}" if len(self.events.labels) > 1 else ""
        )
        words = [f"{rate.name}{each} at least {least:g} per group" for rate, least in self.min_rates.items()]
        for e in np.flatnonzero(np.isfinite(self.capacities)):
            found = "" if shares is None else f" ({shares[e]:.4f} are)"
            words.append(
                f"at most {self.capacities[e]:.4g} of all rows decided {self.events.in_words(int(e))}{found}"
            )
        return tuple(words)

    @property
    def capacities(self) -> Floats:
        """The capacity of each event, infinite where there is none."""
        return np.full(len(self.events.labels), np.inf) if self.capacity is None else self.capacity


def _objective(
    objective: Any, classes: Sequence[Hashable]
) -> tuple[str, Mapping[tuple[Hashable, Hashable], float]]:
    """Return what an objective is called, and the worths of decisions if it is made of them."""
    if isinstance(objective, Mapping):
        return "utility", _worths(objective, classes)
    if isinstance(objective, str) and objective in _NAMED:
        return objective, {}
    worst = ""
    if is_of_worst_group(objective):
        worst = " For the group that is worst off, min_rates says what each must have."
    raise ValueError(
        f"objective={show(objective)} is open to two classes only; of several, give "
        f"{', '.join(map(repr, _NAMED))}, or what decisions are worth, such as "
        f"{{({show(classes[0])}, {show(classes[1])}): -5}} for a row labelled {show(classes[0])} that is "
        f"decided {show(classes[1])}.{worst}"
    )


def _worths(
    objective: Mapping[Any, Any], classes: Sequence[Hashable]
) -> Mapping[tuple[Hashable, Hashable], float]:
    """Return the worths, checked."""
    for pair, worth in objective.items():
        is_pair = isinstance(pair, tuple) and len(pair) == 2
        if not is_pair or any(label not in classes for label in pair):
            raise ValueError(
                "A dict as objective says what a row of a label is worth with a decision, both of the "
                f"classes {list_labels(classes)}: {{(label, decision): worth}}; got the key {show(pair)}."
            )
        if not isinstance(worth, Real) or not np.isfinite(float(worth)):
            raise ValueError(f"The worth of a decision must be a finite number; got {show(worth)}.")
    if not objective:
        raise ValueError("objective is empty: say what decisions are worth, {(label, decision): worth}.")
    worths = {(label, decision): float(worth) for (label, decision), worth in objective.items()}
    for (label, decision), worth in worths.items():
        if worth > worths.get((label, label), 0.0):
            raise ValueError(
                f"{show(dict(objective))} would reward errors: a row labelled {show(label)} is worth more "
                f"decided {show(decision)} than decided rightly. Costs are negative worths."
            )
    for label in classes:
        if worths.get((label, label), 0.0) < 0 and any((label, other) not in worths for other in classes):
            raise ValueError(
                f"{show(dict(objective))} would reward errors: a row labelled {show(label)} is worth more "
                "decided wrongly. Costs are negative worths of errors."
            )
    return worths


def _capacity(capacity: Any, events: ClassEvents) -> Floats | None:
    """Return the capacity of each event."""
    if capacity is None:
        return None
    if not isinstance(capacity, Mapping):
        if len(events.labels) > 1:
            raise ValueError(
                f"capacity={show(capacity)} does not say of which decisions, and there are "
                f"{len(events.labels)}: give capacity={{{show(events.labels[-1])}: {show(capacity)}}}, or "
                "name one in pos_label."
            )
        capacity = {events.labels[0]: capacity}
    unknown = [label for label in capacity if label not in events.labels]
    if unknown:
        better = " from the second worst on" if events.are_grades else ""
        raise ValueError(
            f"capacity names {list_labels(unknown)}; it can name {list_labels(events.labels)}: the "
            f"{'grades' if events.are_grades else 'classes'}{better} that pos_label names, or all."
        )
    for label, share in capacity.items():
        if not isinstance(share, Real) or not 0 < float(share) <= 1:
            raise ValueError(
                f"The capacity of {show(label)} must be a share of all rows, above 0 and up to 1; got "
                f"{show(share)}."
            )
    shares = np.array([float(capacity.get(label, np.inf)) for label in events.labels])
    # Every row gets some class: if each one is limited, all of them together must have room for it.
    if not events.are_grades and len(shares) == len(events.classes) and shares.sum() < 1:
        raise ValueError(
            f"The capacities of all classes add up to {shares.sum():g}: every row is decided as one of them, "
            "so they must have room for all."
        )
    return shares
