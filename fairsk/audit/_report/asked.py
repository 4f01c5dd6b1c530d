"""What users ask of an audit, by arguments or by a policy, as settings of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairsk._core.groups import attribute_name
from fairsk._core.messages import show
from fairsk._core.results import plain
from fairsk._core.validation import plain_labels
from fairsk._core.version import __version__
from fairsk.audit._evidence import Evidence, merge_small_groups
from fairsk.audit._policy import FairnessPolicy, as_policy
from fairsk.audit._profiles.profile import PROFILES, Profile, as_profile
from fairsk.audit._report.criteria import (
    Criterion,
    Settings,
    default_rates,
    make_criteria,
    plain_label,
    read_references,
    shown_rates,
)
from fairsk.audit._report.report import AuditReport, build
from fairsk.audit._small_groups import MergedGroups
from fairsk.rates import Rate
from fairsk.statistics._intervals import check_confidence

__all__ = ["Asked", "need_median"]


@dataclass(frozen=True)
class Asked:
    """What is asked of evidence, as users write it."""

    title: str
    provenance: Mapping[str, Any] | None
    constraint: Any
    max_difference: Any
    min_ratio: Any
    reference: Any
    policy: Any
    pos_label: Any
    intersections: bool
    profiles: Any
    confidence: float | None
    min_group_size: int | None
    min_cell: int | None
    columns: Mapping[str, Any] | None = None

    def answer(
        self,
        evidence: Mapping[str, Evidence],
        stated: Mapping[str, Any],
        rates: Sequence[str | Rate],
        library: Any,
    ) -> AuditReport:
        """Put the settings together, merge what is small, and compute the report."""
        self._check()
        _refuse_twice(next(iter(evidence.values())).counts.names)
        policy = None if self.policy is None else as_policy(self.policy)
        confidence = _first(self.confidence, getattr(policy, "confidence", None), 0.95)
        check_confidence(confidence)
        before = evidence
        evidence, merged = self._merged(evidence, stated, policy)
        first = next(iter(evidence.values()))
        names, labelled = first.counts.names, first.counts.labelled
        if policy is not None:
            policy = policy.for_columns(names)
        attributes: list[tuple[str, ...]] = [(name,) for name in names]
        if self.intersections and len(names) > 1 and (policy is None or policy.intersections):
            attributes.append(tuple(names))
        groups = {attribute_name(part): first.by(*part).comparable().counts.groups for part in attributes}
        criteria = self._criteria(policy, labelled=labelled)
        _refuse_repeated(criteria, list(groups))
        built_in, own = _profiles(self.profiles or getattr(policy, "profiles", ()))
        reference = read_references(self.reference, attributes, groups)
        if len(names) > 1 and tuple(names) not in attributes:
            built_in = _completed(built_in, "intersections", False)
        if reference:
            labels = plain_labels(list(reference.values()))
            built_in = _completed(built_in, "reference", dict(zip(reference, labels, strict=True)))
        settings = Settings(
            attributes=tuple(attributes),
            criteria=criteria,
            rates=shown_rates(criteria, [*default_rates(labelled=labelled), *rates], labelled=labelled),
            reference=reference,
            confidence=confidence,
            min_group_size=int(_first(self.min_group_size, getattr(policy, "min_group_size", None), 30)),
            profiles=built_in,
            pos_label=plain_label(self.pos_label),
            columns=self.columns,
        )
        said = {"provenance": {"fairsk": __version__, **(self.provenance or {})}, **stated}
        if policy is not None:
            said["policy"] = policy.to_dict()
        if own:
            said["profiles"] = [
                table
                for profile, options in own.values()
                for model, tables in evidence.items()
                for table in _state(profile, options, model, tables)
            ]
        return build(self.title, settings, evidence, said, merged, library, before)

    def _check(self) -> None:
        """Refuse a title, provenance or size that is none."""
        if not isinstance(self.title, str):
            raise TypeError(f"title is the text at the top of the report; got {show(self.title)}.")
        if not isinstance(self.provenance, Mapping | None):
            raise TypeError(
                "provenance is a dict of what the report should say, such as {'model': 'credit 3'}; got "
                f"{show(self.provenance)}."
            )
        size = self.min_group_size
        if size is None:
            return
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 0:
            raise ValueError(f"min_group_size must be a whole number of rows, at least 0; got {show(size)}.")

    def _criteria(self, policy: FairnessPolicy | None, *, labelled: bool) -> tuple[Criterion, ...]:
        if policy is None:
            return make_criteria(self.constraint, self.max_difference, self.min_ratio, labelled=labelled)
        if not (self.constraint is self.max_difference is self.min_ratio is self.reference is None):
            raise ValueError("policy= says what is asked: leave out constraint, bounds and reference.")
        return tuple(
            Criterion(
                one.constraint,
                one.max_difference,
                one.min_ratio,
                attributes=one.attributes,
                reference=one.reference,
                why=one.why,
            )
            for one in policy.criteria
        )

    def _merged(
        self, evidence: Mapping[str, Evidence], stated: Mapping[str, Any], policy: FairnessPolicy | None
    ) -> tuple[Mapping[str, Evidence], dict[str, MergedGroups]]:
        """Merge small intersections, if that is asked for."""
        min_cell = _first(self.min_cell, getattr(policy, "min_cell", None), 0)
        if not min_cell:
            return evidence, {}
        for name, what in (
            ("metrics", "functions"),
            ("data", "an audit of the data"),
            ("attached", "attached results"),
        ):
            if name in stated:
                raise ValueError(
                    f"min_cell={min_cell} keeps small groups out of the report, and {what} could show them: "
                    "leave one of the two out."
                )
        merged, said = merge_small_groups(evidence, min_cell)
        return merged, dict.fromkeys(evidence, said)


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)


def need_median(profiles: Any, policy: FairnessPolicy | None) -> bool:
    """Whether a profile that is asked for looks at who scores above the median."""
    built_in, own = _profiles(profiles or getattr(policy, "profiles", ()))
    asked = [*(PROFILES[name] for name, _ in built_in), *(profile for profile, _ in own.values())]
    return any(profile.needs_median for profile in asked)


def _refuse_twice(names: Sequence[str]) -> None:
    """Refuse an attribute that is named twice: which of the two is meant?"""
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise ValueError(f"sensitive_features names {show(twice[0])} twice: name each column once.")


def _refuse_repeated(criteria: Sequence[Criterion], attributes: Sequence[str]) -> None:
    """Refuse two criteria that ask the same of the same attribute: their answers would have one name."""
    seen = set[tuple[str, str]]()
    for criterion in criteria:
        for attribute in attributes:
            if criterion.attributes is not None and attribute not in criterion.attributes:
                continue
            if (attribute, criterion.key) in seen:
                raise ValueError(
                    f"{show(criterion.constraint.name)} is asked twice of {show(attribute)}, by "
                    f"{criterion.limit if criterion.bound else criterion.measured}: ask once."
                )
            seen.add((attribute, criterion.key))


def _profiles(
    profiles: Any,
) -> tuple[tuple[tuple[str, Mapping[str, Any]], ...], dict[str, tuple[Profile, Mapping[str, Any]]]]:
    """Tell built-in profiles, with their options, from those of the user's own."""
    if isinstance(profiles, Mapping):
        asked = list(profiles.items())
    else:
        single = isinstance(profiles, str | Profile) or callable(profiles)
        asked = [(profile, {}) for profile in ([profiles] if single else profiles)]
    built_in, own = [], dict[str, tuple[Profile, Mapping[str, Any]]]()
    for given, options in asked:
        profile = as_profile(given)
        if not isinstance(options, Mapping | None):
            raise TypeError(
                f"The options of the profile {profile.name} must be a dict of names to values; got "
                f"{show(options)}."
            )
        options = dict(options or {})
        if PROFILES.get(profile.name) is profile:
            # Dates and arrays, too, stand in a file, from which the tables are computed again.
            built_in.append((profile.name, plain(options)))
        elif profile.name in own or profile.name in PROFILES:
            raise ValueError(f"Two profiles are called {show(profile.name)}: give each a name of its own.")
        else:
            own[profile.name] = profile, options
    return tuple(built_in), own


def _completed(
    profiles: Sequence[tuple[str, Mapping[str, Any]]], option: str, value: Any
) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """Return profiles that take from the audit what their own options do not say."""
    return tuple(
        (name, options if option not in (PROFILES[name].options or ()) else {option: value, **options})
        for name, options in profiles
    )


def _state(
    profile: Profile, options: Mapping[str, Any], model: str, evidence: Evidence
) -> list[dict[str, Any]]:
    """Return the tables of a profile of the user's own, as they are stated in a report."""
    return [
        {
            "name": table.name,
            "model": model,
            "rows": [dict(row) for row in table.rows],
            "notes": [*profile.paragraphs, *table.notes],
        }
        for table in profile.compute(evidence, options)
    ]
