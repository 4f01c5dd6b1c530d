"""ThresholdSpec: the validated parameters of a search for thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from fairsk._core.bounds import BoundedConstraint, bounded_constraints
from fairsk._held_out.objective import ObjectiveLike, check_objective, is_of_worst_group
from fairsk._held_out.safety_margin import MarginLike
from fairsk._sklearn.compat import Interval, StrOptions
from fairsk.rates import Constraint, Rate, get_rate

__all__ = ["SPEC_PARAMETERS", "GroupPolicy", "Policy", "Requirements", "ThresholdSpec", "options"]

#: The policies that decide by group.
GroupPolicy: TypeAlias = Literal["auto", "threshold", "randomized"]
#: All policies.
Policy: TypeAlias = Literal["auto", "threshold", "randomized", "blind"]

#: What the parameters may be, as scikit-learn checks them.
SPEC_PARAMETERS: dict[str, Any] = {
    "constraint": [str, Constraint, list, tuple, None],  # from_parameters refuses None in words
    "max_difference": [Interval(Real, 0, np.inf, closed="both"), list, tuple, None],
    "min_ratio": [Interval(Real, 0, 1, closed="both"), list, tuple, None],
    "objective": [str, Rate, Mapping, callable],
    "min_rates": [Mapping, None],
    "capacity": [Interval(Real, 0, 1, closed="right"), Mapping, None],  # a mapping for several classes
    "level_up": ["boolean", Real],
    "min_group_size": [Interval(Integral, 1, None, closed="left")],
    "margin": [StrOptions({"1se"}), Interval(Real, 0, 1, closed="left")],
}


def options(alias: Any) -> StrOptions:
    """Return the options of a Literal type, as scikit-learn checks them."""
    return StrOptions(set(get_args(alias)))


@dataclass(frozen=True)
class Requirements:
    """What is required of the thresholds beside the bounds on disparities.

    Parameters
    ----------
    min_rates : mapping of Rate to float
        What each rate must at least be, in every group where it can be measured.
    capacity : float, optional
        The largest share of all rows that may be selected.
    level_up : bool or float
        Whether no group's threshold may lie above that for all rows alike, or above this number.
    """

    min_rates: Mapping[Rate, float] = field(default_factory=dict)
    capacity: float | None = None
    level_up: bool | float = False

    @classmethod
    def from_parameters(
        cls, min_rates: Mapping[str | Rate, float] | None, capacity: float | None, level_up: Any
    ) -> Requirements:
        """Read the requirements off the parameters.

        Raises
        ------
        ValueError
            If a rate is unknown, cannot be bounded from below, or what it must be is no number it can have.
        """
        rates = {}
        for name, least in (min_rates or {}).items():
            rate = get_rate(name)
            if rate.lower_is_better:
                raise ValueError(
                    f"min_rates cannot hold {rate.name}, which is better the lower it is: give the minimum "
                    "of its counterpart, such as true_negative_rate for false_positive_rate."
                )
            if not np.isfinite(least) or least < 0 or (rate.is_share and least > 1):
                raise ValueError(
                    f"min_rates[{rate.name!r}] must lie between 0 and 1 (five percent is 0.05); "
                    f"got {least!r}."
                )
            rates[rate] = float(least)
        if isinstance(level_up, bool | np.bool_):
            return cls(rates, capacity, bool(level_up))
        if not np.isfinite(level_up):
            raise ValueError(
                f"level_up must be True, False or the highest threshold allowed; got {level_up!r}."
            )
        return cls(rates, capacity, float(level_up))

    @property
    def highest(self) -> float:
        """What no threshold may exceed: infinity unless ``level_up`` is a number."""
        return np.inf if isinstance(self.level_up, bool) else self.level_up

    def in_words(self, selected: float | None = None) -> tuple[str, ...]:
        """Say what is required; beside a capacity, what share of the rows is selected, if that is known."""
        words = [f"{rate.name} at least {least:g} per group" for rate, least in self.min_rates.items()]
        if self.capacity is not None:
            found = "" if selected is None else f" ({selected:.4f} are)"
            words.append(f"at most {self.capacity:.4g} of all rows selected{found}")
        if self.level_up is True:
            words.append("no group's threshold above the overall one")
        elif self.level_up is not False:
            words.append(f"no group's threshold above {self.level_up:g}")
        return tuple(words)


@dataclass(frozen=True)
class ThresholdSpec:
    """The validated parameters; their meaning is that of ``GroupThresholdOptimizer``'s."""

    constraints: tuple[BoundedConstraint, ...]
    objective: ObjectiveLike
    requirements: Requirements
    policy: Policy
    margin: MarginLike
    min_group_size: int

    @classmethod
    def from_parameters(
        cls,
        constraint: Any,
        max_difference: Any,
        min_ratio: Any,
        *,
        objective: ObjectiveLike,
        min_rates: Mapping[str | Rate, float] | None,
        capacity: float | None,
        level_up: bool | float,
        policy: Policy,
        margin: MarginLike,
        min_group_size: int,
    ) -> ThresholdSpec:
        """Read the specification off the parameters; what cannot be is refused before anything is fitted."""
        check_objective(objective)
        if constraint is None:
            raise ValueError(
                "constraint=None names nothing to compare groups by. For no bound at all, leave it and give "
                "max_difference=float('inf'): the disparity is then measured and not bounded."
            )
        if isinstance(capacity, Mapping):
            raise ValueError(
                "A capacity per class is for three and more classes; of two, give the share of all rows that "
                "may be selected."
            )
        constraints = bounded_constraints(constraint, max_difference, min_ratio, unbounded=True)
        if policy == "blind" and is_of_worst_group(objective):
            raise ValueError(
                f"policy='blind' cannot maximise {objective!r}: it searches for what is best over all rows. "
                "Use another policy, or another objective."
            )
        if policy == "blind" and any(np.isinf(each.bound.value) for each in constraints):
            raise ValueError("policy='blind' needs a bound: max_difference is infinite.")
        return cls(
            constraints,
            objective,
            Requirements.from_parameters(min_rates, capacity, level_up),
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
        """Whether mixtures of thresholds can hold all bounded rates: those with fixed denominators."""
        return all(rate.has_fixed_denominator for rate in self.rates)

    @property
    def constraint_names(self) -> str:
        """The names of the constraints, for messages."""
        return " and ".join(each.constraint.name for each in self.constraints)
