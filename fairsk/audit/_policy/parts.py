"""Parts of a policy: a criterion that is promised, and a bias scenario."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from fairsk._core.groups import format_group
from fairsk._core.messages import in_words
from fairsk._core.results import Record
from fairsk._core.validation import plain_labels
from fairsk.rates import CONSTRAINTS, Constraint, Rate, get_rate

__all__ = ["SEPARATOR", "BiasScenario", "PolicyCriterion", "built_in_rate"]

#: Between the columns of an intersection, in the name of an attribute.
SEPARATOR = " & "


@dataclass(frozen=True, eq=False)
class PolicyCriterion(Record):
    """One promise of a policy: what should agree between which groups, how far it may differ, and why.

    Parameters
    ----------
    constraint : Constraint
        Which rates should agree.
    max_difference, min_ratio : float, optional
        How far they may differ; with neither, they are measured and not judged.
    attributes : tuple of str, optional
        The attributes that it is asked of: columns, or their intersection such as ``"sex & race"``; None for
        all that the policy names.
    reference : mapping of str to label
        By attribute, the group that all others are compared with; attributes without one compare every pair.
    why : str, default=""
        The reason for it.
    owner : str, default=""
        Who answers for it.
    on_breach : str, default=""
        What happens when it is broken.

    See Also
    --------
    FairnessPolicy : What it is part of.
    """

    constraint: Constraint
    max_difference: float | None = None
    min_ratio: float | None = None
    attributes: tuple[str, ...] | None = None
    reference: Mapping[str, Hashable] = field(default_factory=dict)
    why: str = ""
    owner: str = ""
    on_breach: str = ""

    @property
    def limit(self) -> str:
        """What is bounded: ``"max_difference"``, ``"min_ratio"``, or the ``"difference"`` if nothing is."""
        if self.min_ratio is not None:
            return "min_ratio"
        return "difference" if self.max_difference is None else "max_difference"

    @property
    def bound(self) -> float | None:
        """The bound, if there is one."""
        return self.max_difference if self.min_ratio is None else self.min_ratio

    @property
    def title(self) -> str:
        """What people call it: the name of a built-in constraint in words, and one of your own as it is."""
        name = self.constraint.name
        return in_words(name) if self._is_built_in else name

    @property
    def _is_built_in(self) -> bool:
        return CONSTRAINTS.get(self.constraint.name) == self.constraint

    def bound_text(self) -> str:
        """Write the bound in words."""
        if self.bound is None:
            return "measured only"
        if self.limit == "min_ratio":
            return f"the smallest ratio is at least {self.bound:g}"
        return f"the largest difference is at most {self.bound:g}"

    def reference_text(self, attributes: Sequence[str] | None = None) -> str:
        """Write what groups are compared with, by attribute where there is a reference.

        Parameters
        ----------
        attributes : sequence of str, optional
            What it is asked of; by default the attributes that it names itself.

        Returns
        -------
        str
            Such as ``"sex: with male; sex & race: all pairs of groups are compared"``.
        """
        every_pair = "all pairs of groups are compared"
        if not self.reference:
            return every_pair
        asked = attributes or self.attributes or tuple(self.reference)
        with_whom = {name: f"with {format_group(group)}" for name, group in self.reference.items()}
        return "; ".join(f"{name}: {with_whom.get(name, every_pair)}" for name in asked)

    def definition(self) -> str:
        """Say in a sentence what is asked for, whatever the bound."""
        if self.constraint.description:
            return self.constraint.description
        rates = " and ".join(
            in_words(rate.name)
            if built_in_rate(rate.name) == rate
            else f"{rate.name} = ({rate.numerator}) / ({rate.denominator})"
            for rate in self.constraint.rates
        )
        return f"Agreement between groups of {rates}."

    def to_dict(self) -> dict[str, Any]:
        """Return it as the file says it: keys that say nothing are left out."""
        said: dict[str, Any] = {}
        if self._is_built_in:
            said["constraint"] = self.constraint.name
        else:
            said |= {"name": self.constraint.name, "rates": list(map(_plain_rate, self.constraint.rates))}
        limits = {name: getattr(self, name) for name in ("max_difference", "min_ratio")}
        said |= {name: bound for name, bound in limits.items() if bound is not None}
        if self.attributes is not None:
            said["attributes"] = list(self.attributes)
        if self.reference:
            said["reference"] = dict(
                zip(self.reference, plain_labels(list(self.reference.values())), strict=True)
            )
        texts = {name: getattr(self, name) for name in ("why", "owner", "on_breach")}
        return said | {name: text for name, text in texts.items() if text}


@dataclass(frozen=True, eq=False)
class BiasScenario(Record):
    """How somebody may be harmed, how that would be noticed, and what is done then.

    Parameters
    ----------
    group : str
        Who is at risk.
    hazard : str
        What may happen to them, and through what.
    measure : str, default=""
        What would show it.
    threshold : str, default=""
        From where on it is not accepted.
    mitigation : str, default=""
        What is done against it.
    review_trigger : str, default=""
        When the scenario is looked at again.

    See Also
    --------
    FairnessPolicy : What it is part of.
    """

    group: str
    hazard: str
    measure: str = ""
    threshold: str = ""
    mitigation: str = ""
    review_trigger: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return it as the file says it: keys that say nothing are left out."""
        texts = {part.name: getattr(self, part.name) for part in fields(self)}
        return {name: text for name, text in texts.items() if text}


def _plain_rate(rate: Rate) -> str | dict[str, Any]:
    """Return a rate as the file says it: the name of a built-in one, the formula of another."""
    if built_in_rate(rate.name) == rate:
        return rate.name
    said: dict[str, Any] = {
        "name": rate.name,
        "numerator": rate.numerator,
        "denominator": rate.denominator,
    }
    return said | ({"lower_is_better": True} if rate.lower_is_better else {})


def built_in_rate(name: str) -> Rate | None:
    """Return the built-in rate of a name, if there is one."""
    try:
        return get_rate(name)
    except ValueError:
        return None
