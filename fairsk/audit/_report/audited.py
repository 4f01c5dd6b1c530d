"""The audit that a report is of, as a section: rows, positive label, groups, criteria and policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fairsk._core.groups import attribute_name, list_groups
from fairsk._core.messages import in_words
from fairsk._core.results import Entries, Table, percent, row_count
from fairsk._core.sections import Block, Section
from fairsk.audit._evidence import Evidence
from fairsk.audit._report.criteria import Criterion
from fairsk.audit._report.results import name_group, reference_of

if TYPE_CHECKING:
    from fairsk.audit._report.report import AuditReport

__all__ = ["audited_section", "limit_text"]


def audited_section(report: AuditReport) -> Section:
    """Return what was audited: the rows, what was positive, the groups, the criteria, the policy."""
    policy = report.stated.get("policy")
    policy = policy if isinstance(policy, Mapping) else None
    blocks: list[Block] = [Entries(list(_audited(report)))]
    blocks.append(_asked_table(report, policy))
    said = ["With a policy, what it says beside bounds is stated."] if policy is not None else []
    return Section("What was audited", said, blocks)


def _audited(report: AuditReport) -> Iterator[tuple[str, str]]:
    """Yield what a reader has to know to make the same audit, a line each."""
    settings = report.settings
    for models, evidence in _by_rows(report):
        yield f"Rows{models}", row_count(float(evidence.counts.n.sum()))
        unknown = [f"{name}: {row_count(n)}" for name, n in evidence.n_unknown.items() if n]
        yield f"Rows of unknown group{models}", ", ".join(unknown) or "none"
    first = next(iter(report.evidence.values()))
    positive = "1, or true" if settings.pos_label is None else str(settings.pos_label)
    yield "Positive label", positive if first.counts.labelled or not first.by_median else "no labels"
    if first.by_median:
        medians = [f"{one.median:.6g}" for one in report.evidence.values() if one.median is not None]
        yield "Selected", f"who scores above the median, {', '.join(medians)}"
    if not first.counts.labelled:
        yield "True labels", "none"
    for name, column in (settings.columns or {}).items():
        if column is not None and name != "bins":
            read = column if isinstance(column, list | tuple) else [column]
            yield f"{'Columns' if len(read) > 1 else 'Column'} of {name}", ", ".join(map(str, read))
    yield "Groups by", ", ".join(map(attribute_name, settings.attributes))
    if first.counts.strata is not None:
        yield "Within strata", list_groups(first.counts.strata)
    for attribute, group in settings.reference.items():
        yield f"Reference of {attribute}", name_group(group)
    yield "Confidence", percent(settings.confidence)
    yield "Small groups", f"those with fewer than {settings.min_group_size:g} rows (min_group_size)"
    smallest = {said.min_cell for said in report.merged.values()}
    merged = " and ".join(f"groups below {n} rows (min_cell)" for n in sorted(smallest)) or "none"
    yield "Merged before anything is shown", merged
    for profile, options in settings.profiles:
        asked = ", ".join(f"{name} = {value}" for name, value in options.items())
        yield f"Profile {profile}", asked or "as it is by default"
    policy = report.stated.get("policy")
    if isinstance(policy, Mapping):
        for name in ("name", "owner", "summary", "reviewed", "next_review"):
            if policy.get(name):
                title = "Policy" if name == "name" else f"Policy, {name.replace('_', ' ')}"
                yield title, f"{policy[name]} (stated)"


def _by_rows(report: AuditReport) -> Iterator[tuple[str, Evidence]]:
    """Yield the evidence of each model and how it is named; once if all are of as many rows by group."""
    tables = list(report.evidence.values())
    sizes = [
        dict(zip(one.counts.groups, one.counts.without_strata().n.tolist(), strict=True)) for one in tables
    ]
    if all(size == sizes[0] for size in sizes):
        yield "" if len(tables) == 1 else ", each model", tables[0]
        return
    for model, evidence in report.evidence.items():
        yield f", {model}", evidence


def _asked_table(report: AuditReport, policy: Mapping[str, Any] | None) -> Table:
    """Return a line per criterion: bound, attributes, reference, and what a policy says of it."""
    criteria = report.settings.criteria
    attributes = list(map(attribute_name, report.settings.attributes))
    columns: dict[str, list[Any]] = {
        "criterion": [in_words(one.constraint.name) for one in criteria],
        "bound": [
            limit_text(one.measured, None if one.bound is None else one.bound.value) for one in criteria
        ],
        "measure": [one.measured for one in criteria],
        "asked of": [", ".join(one.attributes or attributes) for one in criteria],
        "compared with": [_compared_with(report, one) for one in criteria],
        "why": [one.why for one in criteria],
    }
    stated = () if policy is None else policy.get("criteria", ())
    if len(stated) == len(criteria):  # a policy lists them in the same order
        for name, title in (("owner", "owner (stated)"), ("on_breach", "on breach (stated)")):
            columns[title] = [one.get(name, "") for one in stated]
    shown = {name: values for name, values in columns.items() if any(values)}
    return Table(columns, shown, "Criteria", words=tuple(columns))


def _compared_with(report: AuditReport, criterion: Criterion) -> str:
    """Say whom each group is compared with, by attribute where attributes differ."""
    asked = criterion.attributes or tuple(map(attribute_name, report.settings.attributes))
    said = {
        attribute: group
        for attribute in asked
        if (group := reference_of(report.settings, criterion, attribute)) is not None
    }
    if not said:
        return "every other group"
    shown = "; ".join(f"{attribute}: {name_group(group)}" for attribute, group in said.items())
    return shown if len(said) == len(asked) else f"{shown}; otherwise every other group"


def limit_text(comparison: str, bound: float | None) -> str:
    """Write a bound and its side."""
    return "-" if bound is None else f"{'at most' if comparison == 'difference' else 'at least'} {bound:g}"
