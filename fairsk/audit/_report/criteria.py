"""Criteria of an audit, and its other settings: what is asked of the evidence."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairsk._core.bounds import Bound, bounded_constraints, list_constraints
from fairsk._core.groups import attribute_name, format_group, list_groups
from fairsk._core.messages import did_you_mean, list_texts, show
from fairsk._core.results import Record
from fairsk._core.validation import (
    plain_constraint,
    plain_labels,
    plain_rate,
    read_constraint,
    read_labels,
    read_rate,
)
from fairsk.metrics._decisions.table import DEFAULT_RATES
from fairsk.rates import Constraint, Rate, get_constraint, get_rate
from fairsk.statistics._pairs import PairComparison
from fairsk.statistics._verdicts import check_bound

__all__ = ["Criterion", "Settings", "make_criteria", "read_references"]

#: What is shown where nobody says which criterion matters; those that need labels only where there are any.
_SHOWN = (
    "demographic_parity",
    "equal_opportunity",
    "predictive_equality",
    "predictive_parity",
    "error_rate_parity",
)


@dataclass(frozen=True, eq=False)
class Criterion(Record):
    """A constraint, and how far groups may differ in it.

    Parameters
    ----------
    constraint : Constraint
        Which rates should agree.
    max_difference, min_ratio : float, optional
        The bound; with neither, the disparity is measured and not judged.
    comparison : {"difference", "ratio"}, default="difference"
        What is measured; a bound decides it.
    attributes : tuple of str, optional
        The attributes, or intersections, that it is asked of; by default all of the report.
    reference : mapping of str to label
        By attribute, the group that all others are compared with.
    why : str, default=""
        Why it is asked, who owns it, and whatever else a policy says of it.
    """

    constraint: Constraint
    max_difference: float | None = None
    min_ratio: float | None = None
    comparison: PairComparison = "difference"
    attributes: tuple[str, ...] | None = None
    reference: Mapping[str, Hashable] | None = None
    why: str = ""

    @property
    def bound(self) -> Bound | None:
        """The bound, if there is one."""
        if self.max_difference is None and self.min_ratio is None:
            return None
        return Bound(self.max_difference, self.min_ratio)

    @property
    def measured(self) -> PairComparison:
        """What is compared."""
        return self.comparison if self.bound is None else self.bound.comparison

    @property
    def key(self) -> str:
        """What tells it from the other criteria of a report."""
        return f"{self.constraint.name}/{self.measured if self.bound is None else self.limit}"

    @property
    def limit(self) -> str:
        """The name of the bound."""
        return "max_difference" if self.min_ratio is None else "min_ratio"

    def to_state(self) -> dict[str, Any]:
        """Return it as plain values, with the formula of each rate, so that others can repeat it."""
        return {
            "constraint": plain_constraint(self.constraint),
            "max_difference": self.max_difference,
            "min_ratio": self.min_ratio,
            "comparison": self.measured,
            "attributes": None if self.attributes is None else list(self.attributes),
            "reference": None if self.reference is None else _plain_references(self.reference),
            "why": self.why,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Criterion:
        """Read what :meth:`to_state` wrote."""
        attributes, reference = state["attributes"], state["reference"]
        return cls(
            read_constraint(state["constraint"]),
            state["max_difference"],
            state["min_ratio"],
            state["comparison"],
            None if attributes is None else tuple(attributes),
            None if reference is None else _read_references(reference),
            state["why"],
        )


@dataclass(frozen=True, eq=False)
class Settings(Record):
    """What a report was asked: of which attributes, which criteria, and how surely.

    Parameters
    ----------
    attributes : tuple of tuple of str
        The attributes, and intersections of them, that groups are made by.
    criteria : tuple of Criterion
        What is asked.
    rates : tuple of Rate
        The rates that are shown of every group.
    reference : mapping of str to label
        By attribute, the group that all others are compared with.
    confidence : float
        Of every interval.
    min_group_size : int
        Groups with fewer rows are called small.
    n_bins : int
        Bins of calibration.
    profiles : tuple of (str, mapping)
        Built-in profiles, and their options.
    pos_label : str
        What the positive label is, as it is written.
    columns : mapping of str to value
        Which columns of a table were read, for those who want to count the rows again.
    """

    attributes: tuple[tuple[str, ...], ...]
    criteria: tuple[Criterion, ...]
    rates: tuple[Rate, ...]
    reference: Mapping[str, Hashable]
    confidence: float = 0.95
    min_group_size: int = 30
    n_bins: int = 10
    profiles: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    pos_label: Any = None
    columns: Mapping[str, Any] | None = None

    def to_state(self) -> dict[str, Any]:
        """Return them as plain values."""
        return {
            "attributes": [list(names) for names in self.attributes],
            "criteria": [criterion.to_state() for criterion in self.criteria],
            "rates": [plain_rate(rate) for rate in self.rates],
            "reference": _plain_references(self.reference),
            "confidence": self.confidence,
            "min_group_size": self.min_group_size,
            "n_bins": self.n_bins,
            "profiles": [[name, dict(options)] for name, options in self.profiles],
            "pos_label": self.pos_label,
            "columns": None if self.columns is None else dict(self.columns),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Settings:
        """Read what :meth:`to_state` wrote."""
        return cls(
            tuple(tuple(names) for names in state["attributes"]),
            tuple(map(Criterion.from_state, state["criteria"])),
            tuple(map(read_rate, state["rates"])),
            _read_references(state["reference"]),
            state["confidence"],
            state["min_group_size"],
            state["n_bins"],
            tuple((name, options) for name, options in state["profiles"]),
            state["pos_label"],
            state["columns"],
        )


def make_criteria(
    constraint: Any, max_difference: Any, min_ratio: Any, *, labelled: bool
) -> tuple[Criterion, ...]:
    """Return what is asked by constraints and bounds given as elsewhere in fairsk.

    Without a bound every constraint is measured as a difference, and as a ratio where it has one.

    Raises
    ------
    ValueError
        If a bound bounds nothing, or cannot be kept.
    """
    if max_difference is not None or min_ratio is not None:
        asked = "demographic_parity" if constraint is None else constraint
        bounded = bounded_constraints(asked, max_difference, min_ratio)
        for each in bounded:
            check_bound(each.constraint, each.bound.comparison, each.bound.value)
        return tuple(Criterion(each.constraint, each.bound.difference, each.bound.ratio) for each in bounded)
    if constraint is not None:
        constraints = list_constraints(constraint)
    else:
        constraints = [c for c in map(get_constraint, _SHOWN) if labelled or not needs_labels(c)]
    return tuple(
        Criterion(one, comparison=comparison)
        for one in constraints
        for comparison in (("difference", "ratio") if _has_ratio(one) else ("difference",))
    )


def needs_labels(constraint: Constraint) -> bool:
    """Whether one of the rates depends on the label."""
    return any(rate.needs_labels for rate in constraint.rates)


def shown_rates(
    criteria: Iterable[Criterion], more: Iterable[str | Rate], *, labelled: bool
) -> tuple[Rate, ...]:
    """Return the rates of the criteria, and others, each once."""
    asked = [rate for criterion in criteria for rate in criterion.constraint.rates]
    rates = {rate.name: rate for rate in [*map(get_rate, more), *asked]}
    return tuple(rate for rate in rates.values() if labelled or not rate.needs_labels)


def default_rates(*, labelled: bool) -> tuple[str, ...]:
    """Return the rates that are shown if none are named."""
    return DEFAULT_RATES if labelled else DEFAULT_RATES[:1]


def read_references(
    reference: Any, attributes: Sequence[tuple[str, ...]], groups: Mapping[str, Sequence[Hashable]]
) -> dict[str, Hashable]:
    """Return the reference group of each attribute that has one.

    Parameters
    ----------
    reference : label, mapping of str to label, or None
        A label is that of the only attribute. If every part of an intersection has a reference, so has the
        intersection, unless it is named itself.
    attributes : sequence of tuple of str
        The attributes of the report.
    groups : mapping of str to sequence of labels
        The groups of each.

    Raises
    ------
    ValueError
        If there is no such attribute or group, or a label is given where there are several attributes.
    """
    if reference is None:
        return {}
    singles = [names[0] for names in attributes if len(names) == 1]
    if not isinstance(reference, Mapping):
        if len(singles) != 1:
            raise ValueError(
                f"reference={show(reference)}: of which attribute? Give a dict, such as "
                f"{{{singles[0]!r:.60}: {show(reference)}}}."
            )
        reference = {singles[0]: reference}
    known = {attribute_name(names): names for names in attributes}
    found = {_joined(name): label for name, label in reference.items()}
    if unknown := [name for name in found if name not in known]:
        raise ValueError(
            f"reference names {show(unknown[0])}, which is no attribute of this report: "
            f"{list_texts(known)}.{did_you_mean(unknown[0], known)}"
        )
    for name, names in known.items():
        if len(names) > 1 and name not in found and all(part in found for part in names):
            label = tuple(found[part] for part in names)
            if label in groups[name]:
                found[name] = label
    for name, label in found.items():
        if label not in groups[name]:
            raise ValueError(
                f"The reference {show(label)} is none of the groups of {name}: {list_groups(groups[name])}."
                f"{did_you_mean(label, map(format_group, groups[name]))}"
            )
    return found


def _joined(name: Any) -> Any:
    return attribute_name(name) if isinstance(name, tuple) else name


def _has_ratio(constraint: Constraint) -> bool:
    try:
        constraint.check_ratio()
    except ValueError:
        return False
    return True


def _plain_references(reference: Mapping[str, Hashable]) -> list[list[Any]]:
    """Return references as pairs, which keep their order and the kind of their labels."""
    return [[name, *plain_labels([label])] for name, label in reference.items()]


def _read_references(state: Sequence[Sequence[Any]]) -> dict[str, Hashable]:
    return {name: read_labels([label])[0] for name, label in state}


def plain_label(value: Any) -> Any:
    """Return a label that may be of any kind as JSON holds it: text and numbers stay."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if value is None or isinstance(value, str | int | float) else str(value)
