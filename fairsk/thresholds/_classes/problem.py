"""The problem of class offsets: scores per class, what decisions are worth, and which rates are bounded.

A row of a group is decided as the class whose score plus the group's offset of that class is greatest; of
equal ones, the first. With two classes the difference of the offsets is a threshold.

A rate of an event (see :class:`fairsk._core.class_events.ClassEvents`) is a function of a group's table: the
weight of its rows of each label that get each decision. Where the rate has a fixed denominator it is linear
in that table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from fairsk._core.bounds import Bound, BoundedConstraint, bounded_rates
from fairsk._core.class_events import ClassEvents
from fairsk._core.typing import Bools, Floats, Ints
from fairsk.rates import Rate
from fairsk.thresholds._solvers.problem import Clearance

__all__ = ["OffsetMixture", "OffsetProblem", "OffsetSolution", "decide", "tables_of"]


def decide(scores: Floats, offsets: Floats) -> Ints:
    """Return the class with the greatest score plus offset in each row; of equal ones, the first.

    Parameters
    ----------
    scores : array of shape (n_samples, n_classes)
        The scores.
    offsets : array of shape (n_classes,) or (n_samples, n_classes)
        What is added to them.
    """
    return np.asarray(np.argmax(scores + offsets, axis=1))


def tables_of(labels: Ints, decisions: Ints, weights: Floats, n_classes: int) -> Floats:
    """Return the weight of the rows of each label that get each decision, of shape (n_classes, n_classes)."""
    counts = np.bincount(labels * n_classes + decisions, weights, n_classes * n_classes)
    return np.asarray(counts.reshape(n_classes, n_classes), dtype=float)


@dataclass(frozen=True)
class OffsetProblem:
    """Choose offsets per group: the greatest mean worth with every rate of every event within its bound.

    The bounded rates have the order (rate, event): rate j of event e stands at ``j * n_events + e``.

    Parameters
    ----------
    scores : array of shape (n_samples, n_classes)
        Finite scores, on the scale on which offsets are added.
    labels : integer array of shape (n_samples,)
        The position of each row's class.
    codes : integer array of shape (n_samples,)
        The position of each row's group.
    n_groups : int
        The number of groups.
    weights : array of shape (n_samples,)
        The weight of each row.
    worth : array of shape (n_classes, n_classes)
        What a row of the first label is worth when it gets the second as its decision. The value is the mean
        over all rows by weight; the identity is accuracy.
    events : ClassEvents
        Of which decisions the rates are.
    constraints : tuple of BoundedConstraint
        Each rate of each of them is bounded for each event.
    covered : bool array of shape (n_rates * n_events, n_groups)
        Whether a group takes part in the comparison of a rate. A group that takes part in none has the
        offsets that are best for all rows alike.
    distances : array of shape (n_rates * n_events, n_groups), optional
        How far the rates stay away from the ends of their windows; by default not at all.
    floors : tuple of (Rate, float)
        What a rate must at least be, for every event, in every group for which ``has_floor`` says so.
    has_floor : bool array of shape (n_floors * n_events, n_groups), optional
        Which groups the floors hold for; by default those with rows of weight to measure the rate on.
    capacity : array of shape (n_events,), optional
        The largest share of all rows that may be decided within each event; infinite where any may.
    is_one_group : bool, default=False
        Whether all rows are one group, which is compared with none and keeps the capacity alone.
    """

    scores: Floats
    labels: Ints
    codes: Ints
    n_groups: int
    weights: Floats
    worth: Floats
    events: ClassEvents
    constraints: tuple[BoundedConstraint, ...]
    covered: Bools
    distances: Floats | None = None
    floors: tuple[tuple[Rate, float], ...] = ()
    has_floor: Bools | None = None
    capacity: Floats | None = None
    is_one_group: bool = False

    @property
    def n_classes(self) -> int:
        """The number of classes."""
        return self.scores.shape[1]

    @property
    def n_events(self) -> int:
        """The number of events."""
        return len(self.events.labels)

    @property
    def rates(self) -> list[tuple[Rate, int]]:
        """Every bounded rate with its event."""
        return [(rate, e) for rate, _ in bounded_rates(self.constraints) for e in range(self.n_events)]

    @cached_property
    def bounds(self) -> tuple[Bound, ...]:
        """The bound of each rate."""
        return tuple(bound for _, bound in bounded_rates(self.constraints) for _ in range(self.n_events))

    @property
    def can_mix(self) -> bool:
        """Whether mixtures of offsets can hold all bounded rates: those with fixed denominators."""
        return all(rate.has_fixed_denominator for each in self.constraints for rate in each.constraint.rates)

    @cached_property
    def compared(self) -> Bools:
        """Which rates of which groups are compared: those that are covered, and in some other group too."""
        return self.covered & (self.covered.sum(1, keepdims=True) > 1)

    @cached_property
    def measured(self) -> list[int]:
        """The groups that take part: those in which some rate is compared."""
        if self.is_one_group:
            return [0]
        return [int(g) for g in np.flatnonzero(self.compared.any(0))]

    @cached_property
    def clearance(self) -> Clearance:
        """How far the rates of all groups stay away from the ends: a column per group."""
        shape = (len(self.bounds), self.n_groups)
        if self.distances is None:
            return Clearance(np.zeros(shape), np.ones(shape))
        return Clearance.keeping(self.distances, self.bounds)

    def values(self, tables: Floats) -> Floats:
        """Return the bounded rates of tables of shape (..., n_classes, n_classes), on the last axis."""
        cells = self.events.cells(tables)
        each = [rate(cells) for rate, _ in bounded_rates(self.constraints)]
        return np.concatenate([np.asarray(value, dtype=float) for value in each], axis=-1)

    def value(self, tables: Floats) -> float:
        """Return the mean worth of the tables of all groups."""
        return float((tables * self.worth).sum() / self.weights.sum())


@dataclass(frozen=True)
class OffsetMixture:
    """The offsets of one group: one vector, or several with a probability each.

    Parameters
    ----------
    offsets : array of shape (n_vectors, n_classes)
        The vectors; the first class's offset is 0.
    probabilities : array of shape (n_vectors,)
        Their probabilities, which add up to 1.
    """

    offsets: Floats
    probabilities: Floats = field(default_factory=lambda: np.ones(1))

    @property
    def is_single(self) -> bool:
        """Whether it is one vector."""
        return len(self.probabilities) == 1


@dataclass(frozen=True)
class OffsetSolution:
    """Offsets per group, and what they reach.

    Parameters
    ----------
    mixtures : list of OffsetMixture
        One per group.
    tables : array of shape (n_groups, n_classes, n_classes)
        The (expected) weight of the rows of each label that get each decision.
    value : float
        The mean worth.
    upper_bound : float or None
        What no mixtures of offset vectors exceed under the bounds: of all vectors if ``is_proven``, else of
        those that were looked at. None if even that is not known.
    is_proven : bool
        Whether the upper bound holds for all offset vectors.
    overall : array of shape (n_classes,)
        The best offsets for all rows alike, without a bound.
    solver : str
        The algorithm.
    reason : str
        Why this policy.
    proven_bound : float or None
        A bound that is proven for all offset vectors and their mixtures, and may be far above.
    """

    mixtures: list[OffsetMixture]
    tables: Floats
    value: float
    upper_bound: float | None
    is_proven: bool
    overall: Floats
    solver: str
    reason: str = ""
    proven_bound: float | None = None
