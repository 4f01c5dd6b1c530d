"""Bounds on disparities: how far rates may differ between groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fairsk._core.messages import show
from fairsk._core.typing import Floats
from fairsk.rates import Constraint, Rate, get_constraint

__all__ = [
    "ROUNDING",
    "Bound",
    "BoundedConstraint",
    "bounded_constraints",
    "bounded_rates",
    "list_constraints",
]


_DEFAULT_DIFFERENCE = 0.05

#: Rates that differ by no more than this are equal: sums of weights round.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Bound:
    """How far a rate may differ between groups: ``max - min <= difference`` or ``min >= ratio * max``.

    ``tolerance`` is added to the largest rate allowed, for rates that are known only up to that much.
    """

    difference: float | None = None
    ratio: float | None = None
    tolerance: float = ROUNDING

    @property
    def comparison(self) -> Literal["difference", "ratio"]:
        """Whether it is the difference that is bounded, or the ratio."""
        return "ratio" if self.difference is None else "difference"

    @property
    def value(self) -> float:
        """The bound itself."""
        return float(self.ratio or 0.0) if self.difference is None else float(self.difference)

    @property
    def line(self) -> tuple[float, float]:
        """The bound as ``factor * largest <= smallest + slack``."""
        if self.difference is not None:
            return 1.0, self.difference + self.tolerance
        factor = self.value
        return factor, factor * self.tolerance

    def upper(self, lowest: Floats) -> Floats:
        """Return the largest rate allowed beside each lowest one."""
        factor, slack = self.line
        return np.full_like(lowest, np.inf) if factor == 0 else (lowest + slack) / factor

    def lower(self, highest: Floats) -> Floats:
        """Return the smallest rate allowed beside each highest one."""
        factor, slack = self.line
        return factor * highest - slack

    def disparity(self, lowest: Floats, highest: Floats) -> Floats:
        """Return the disparity of extreme rates, signed so that less is fairer."""
        if self.difference is not None:
            return highest - lowest
        return -np.divide(lowest, highest, out=np.ones_like(lowest), where=highest > 0)

    def excess(self, disparity: float) -> float:
        """Return by how much a difference (or ratio) is beyond the bound: negative within it, NaN of NaN."""
        beyond = disparity - self.value
        return beyond if self.comparison == "difference" else -beyond

    def violation(self, lowest: Floats, highest: Floats) -> Floats:
        """Return by how much the disparity of extreme rates exceeds the bound; 0 where it is met."""
        signed_bound = -self.value if self.difference is None else self.value
        excess = self.disparity(lowest, highest) - signed_bound
        return np.where(highest <= self.upper(lowest), 0.0, excess)

    def share(self, share: float) -> Bound:
        """Return the bound tightened to a share of what it allows; a share of 0 asks for parity."""
        if np.isinf(self.value):  # no bound
            return self
        if self.difference is not None:
            return Bound(difference=share * self.difference)
        return Bound(ratio=1 - share * (1 - self.value))

    def __str__(self) -> str:
        if self.difference is not None:
            return f"max_difference={self.difference:g}"
        return f"min_ratio={self.value:g}"


@dataclass(frozen=True)
class BoundedConstraint:
    """A constraint and its bound, which holds for each of its rates."""

    constraint: Constraint
    bound: Bound

    def share(self, share: float) -> BoundedConstraint:
        """Return the constraint with its bound tightened to a share of what it allows."""
        return BoundedConstraint(self.constraint, self.bound.share(share))


def bounded_rates(constraints: Sequence[BoundedConstraint]) -> list[tuple[Rate, Bound]]:
    """Return every rate that some constraints bound, with its bound."""
    return [(rate, each.bound) for each in constraints for rate in each.constraint.rates]


def list_constraints(constraint: Any) -> list[Constraint]:
    """Return the constraints that are named, one or several."""
    several = isinstance(constraint, Sequence) and not isinstance(constraint, str)
    constraints = [get_constraint(one) for one in (constraint if several else [constraint])]
    if not constraints:
        raise ValueError("constraint is empty: name at least one.")
    return constraints


def bounded_constraints(
    constraint: Any, max_difference: Any, min_ratio: Any, *, unbounded: bool = False
) -> tuple[BoundedConstraint, ...]:
    """Return the constraints with their bounds.

    Parameters
    ----------
    constraint : str, Constraint, or sequence of these
        What is bounded.
    max_difference, min_ratio : float, sequence, or None
        A number holds for every constraint; a sequence has an entry for each, None where it is bounded by
        the other parameter. With neither, the difference is bounded by .05.
    unbounded : bool, default=False
        Whether an infinite difference is accepted: it bounds nothing.

    Raises
    ------
    ValueError
        If a constraint is unknown, has two bounds or none, or no ratio to be bounded, or lengths differ.
    """
    constraints = list_constraints(constraint)
    differences = _each("max_difference", max_difference, len(constraints))
    ratios = _each("min_ratio", min_ratio, len(constraints))
    if max_difference is None and min_ratio is None:
        differences = [_DEFAULT_DIFFERENCE] * len(constraints)
    bounded = []
    for one, difference, ratio in zip(constraints, differences, ratios, strict=True):
        if difference is not None and ratio is not None:
            raise ValueError(
                f"Give max_difference or min_ratio, not both (for {one.name}). With several constraints, "
                "give a list with None where the other one holds: max_difference=[0.05, None], "
                "min_ratio=[None, 0.8]."
            )
        if difference is None and ratio is None:
            raise ValueError(f"{one.name} has no bound: give its max_difference or its min_ratio.")
        if difference is not None:
            is_bound = not (unbounded and difference == np.inf)
            bound = Bound(difference=one.check_max_difference(difference) if is_bound else np.inf)
        else:
            one.check_ratio()
            bound = Bound(ratio=ratio)
        bounded.append(BoundedConstraint(one, bound))
    return tuple(bounded)


def _each(name: str, bounds: Any, n: int) -> list[float | None]:
    """Return one bound per constraint."""
    several = isinstance(bounds, Sequence)
    if several and len(bounds) != n:
        raise ValueError(
            f"{name} has {_counted(len(bounds), 'entry', 'entries')} for "
            f"{_counted(n, 'constraint', 'constraints')}: give one each, or a number."
        )
    given = bounds if several else [bounds] * n
    values = [_number(name, value) for value in given]
    top = np.inf if name == "max_difference" else 1.0
    if any(value is not None and not 0 <= value <= top for value in values):
        raise ValueError(f"{name} must lie between 0 and {top:g}; got {list(bounds) if several else bounds}.")
    return values


def _number(name: str, bound: Any) -> float | None:
    try:
        return None if bound is None else float(bound)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is a number, such as 0.05 or 0.8; got {show(bound)}.") from None


def _counted(n: int, one: str, several: str) -> str:
    return f"{n} {one if n == 1 else several}"
