"""What a monitor is asked, checked: tolerance, levels, names, and labels as JSON has them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from fairsk._core.amount_sums import judge_of_amounts
from fairsk._core.bounds import Bound, bounded_constraints
from fairsk._core.canonical import plain_numbers
from fairsk._core.counts import GroupCounts
from fairsk._core.messages import show
from fairsk._core.validation import plain_labels, read_labels
from fairsk.rates import Constraint

__all__ = ["LONGEST_NAME", "check_between", "check_name", "json_labels", "prior_state", "tolerance_of"]

#: Names of batches and monitors are shown in tables, on pages and in metrics.
LONGEST_NAME = 200


def tolerance_of(constraint: Constraint, max_difference: Any, min_ratio: Any) -> Bound:
    """Return the tolerance, which must allow something and forbid something."""
    if max_difference is None and min_ratio is None:
        raise ValueError(
            "Say what is tolerated: min_ratio=0.8 (the lowest rate over the highest) or max_difference=0.1. "
            "A monitor without a tolerance alarms sooner or later, for no two groups are exactly alike."
        )
    (bounded,) = bounded_constraints(constraint, max_difference, min_ratio)
    bound = bounded.bound
    if bound.value == 0 if bound.comparison == "ratio" else bound.value >= 1:
        raise ValueError(f"{bound} tolerates everything: there is nothing to monitor.")
    return bound


def check_between(name: str, value: Any, low: float, high: float) -> float:
    """Return a number that lies between two others, neither included."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not low < value < high:
        upper = "" if math.isinf(high) else f" and below {high:g}"
        raise ValueError(f"{name} must be a number above {low:g}{upper}; got {show(value)}.")
    return float(value)


def check_name(name: str, value: Any, *, empty: bool = False) -> str:
    """Return a name as text that UTF-8 has; a date is called what everybody calls it."""
    if hasattr(value, "isoformat"):
        value = value.isoformat()
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text; got {show(value)}.")
    if len(value) > LONGEST_NAME or (not value and not empty):
        raise ValueError(f"{name} must have 1 to {LONGEST_NAME} characters; got {len(value):,}.")
    return str(plain_numbers(value))


def json_labels(labels: Sequence[Hashable]) -> list[Hashable]:
    """Return labels as JSON has them, so that a restored monitor knows the same ones."""
    if set(map(type, labels)) == {str} and "".join(map(str, labels)).isascii():
        return list(labels)  # most often, and at once
    for label in labels:
        if any(part != part for part in (label if isinstance(label, tuple) else (label,))):
            raise ValueError("A group or stratum is NaN: count missing values as a group with a name.")
    same = read_labels(plain_numbers(plain_labels(labels), exact=True))
    if len(set(same)) < len(same):
        raise ValueError("Two groups have names that are the same in UTF-8.")
    return same


def prior_state(counts: GroupCounts) -> dict[str, Any]:
    """Return the counts of before the first batch as plain values."""
    if not isinstance(counts, GroupCounts):
        raise TypeError(
            f"prior must be a GroupCounts, such as an audit's; got {show(counts)}.{judge_of_amounts(counts)}"
        )
    state: dict[str, Any] = plain_numbers(counts.to_state(), exact=True)
    return state
