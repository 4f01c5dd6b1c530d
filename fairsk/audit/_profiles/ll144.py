"""The bias audit of New York City's Local Law 144: impact ratios by sex, race/ethnicity and both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from fairsk._core.counts import GroupCounts
from fairsk._core.messages import list_texts, show
from fairsk._core.results import percent, row_count
from fairsk.audit._evidence import Evidence
from fairsk.audit._profiles.options import read_share, read_text
from fairsk.audit._profiles.profile import (
    Column,
    Profile,
    ProfileTable,
)
from fairsk.audit._profiles.rates import as_whole, is_merged, is_weighted, selections
from fairsk.audit._unknown import is_known

__all__ = ["PROFILE"]

#: Only categories below this share of the data may be left out of the ratios: 6 RCNY 5-301(d).
_MAY_BE_LEFT_OUT = Fraction(2, 100)
#: Columns by these names are taken for sex and for race or ethnicity where no option names others.
_USUAL = {
    "sex": ("sex", "gender"),
    "race": ("race", "ethnicity", "race_ethnicity", "race/ethnicity"),
}
#: Below this share of scores above the median, ties at it are said to have made the rates small.
_FEWER_BY_TIES = Fraction(45, 100)

_NOT_STATED = "not stated"
#: What only the employer or the auditor knows, in the order in which it is printed.
_FIELDS = {
    "audit_date": "date of the most recent bias audit",
    "auditor": "independent auditor",
    "distribution_date": "date on which the tool began to be used",
    "data_source": "source and explanation of the data",
    "data_kind": "historical or test data",
    "justification": "why small categories are left out of ratios",
}


def _calculate(evidence: Evidence, options: Mapping[str, Any]) -> list[ProfileTable]:
    counts = evidence.counts
    if any(is_merged(group) for group in counts.groups):
        raise ValueError(
            "The profile ll144 needs every category by itself: number and rate of categories below 2% must "
            "be published too (6 RCNY 5-301(d)), and min_cell= has merged small ones. Leave min_cell out."
        )
    left_out_below = read_share(options, "leave_out_below")
    if left_out_below > _MAY_BE_LEFT_OUT:
        raise ValueError(
            f"leave_out_below may be at most 0.02 (6 RCNY 5-301(d)); got {float(left_out_below):g}."
        )
    sex, race = (_attribute(evidence, name, options) for name in _USUAL)
    if sex == race:
        raise ValueError(f"The profile ll144 needs two columns; both sex and race are {show(sex)}.")
    justification = read_text(options, "justification")
    kinds = [("selection", evidence)] if not evidence.by_median else []
    if evidence.above_median is not None:
        kinds.append(("scoring", evidence))
    tables = [
        _table(kind, title, _counts(tables, kind, names), left_out_below, justification, evidence, names)
        for kind, tables in kinds
        for title, names in (("sex", (sex,)), ("race/ethnicity", (race,)), ("intersections", (sex, race)))
    ]
    left_out = any(row["share"] < left_out_below for table in tables for row in table.rows)
    return [*tables, _stated(options, left_out=left_out)]


def _attribute(evidence: Evidence, name: str, options: Mapping[str, Any]) -> str:
    """Return the column of sex, or of race."""
    names = evidence.counts.names
    asked = options.get(name)
    found = [asked] if asked is not None else [n for n in names if n.lower() in _USUAL[name]]
    if len(found) != 1 or found[0] not in names:
        which = f"names {show(asked)}" if asked is not None else "finds no single column"
        raise ValueError(
            f"The profile ll144 {which} for {name}; the attributes are {list_texts(names)}. It needs sex and "
            f"race/ethnicity: name the column with the option {name}."
        )
    return str(found[0])


def _counts(evidence: Evidence, kind: str, names: Sequence[str]) -> GroupCounts:
    """Return the counts of known categories whose decision is being selected, or scoring above the median."""
    part = evidence.by(*names)
    table = part.counts if kind == "selection" else part.above_median
    assert table is not None
    table = table.without_strata()
    return table.take([group for group in table.groups if is_known(group)])


def _table(
    kind: str,
    title: str,
    counts: GroupCounts,
    left_out_below: Fraction,
    justification: str | None,
    evidence: Evidence,
    names: Sequence[str],
) -> ProfileTable:
    found = selections(counts)
    total = sum((s.n for s in found), Fraction(0))
    compared = [s for s in found if s.n >= left_out_below * total]
    highest = max((s.rate for s in compared), default=Fraction(0))
    rows = [
        {
            "group": one.group,
            "n": as_whole(one.n),
            "share": float(one.n / total),
            "selected": as_whole(one.selected),
            "rate": float(one.rate),
            "impact_ratio": float(one.rate / highest) if highest and one in compared else None,
        }
        for one in found
    ]
    selected = "selected" if kind == "selection" else "above the median"
    columns = (
        Column("group", "category", "group"),
        Column("n", "applicants", "rows"),
        Column("share", "share of data", "percent", 1),
        Column("selected", selected, "rows"),
        Column("rate", f"{kind} rate", "percent", 1),
        Column("impact_ratio", "impact ratio", digits=2),
    )
    notes = [
        f"Impact ratio: the {kind} rate by the highest one of this table."
        if highest
        else f"No applicant is {selected}, so that there are no impact ratios.",
        *_unknown_notes(evidence, names),
    ]
    left_out = len(found) - len(compared)
    if left_out:
        notes.append(
            f"Categories below {percent(float(left_out_below))} of the data are left out of the ratios: "
            f"{left_out} of {len(found)}. Justification: {justification or _NOT_STATED}."
        )
    if is_weighted(counts):
        notes.append("Rows are weighted: these are sums of weights, and no numbers of people.")
    if kind == "scoring":
        notes += _median_notes(evidence)
    return ProfileTable("ll144", f"{kind.capitalize()} rates by {title}", columns, tuple(rows), tuple(notes))


def _unknown_notes(evidence: Evidence, names: Sequence[str]) -> list[str]:
    """Say how many applicants are in no category, by attribute and of all attributes together."""
    unknown = {name: evidence.n_unknown[name] for name in names}
    notes = [
        f"{row_count(n)} applicants of unknown {name} are not in this table." for name, n in unknown.items()
    ]
    if len(names) > 1:
        part = evidence.by(*names)
        missing = part.counts.n.sum() - part.known().counts.n.sum()
        notes.append(f"That is {row_count(missing)} applicants of whom either is unknown.")
    return notes


def _median_notes(evidence: Evidence) -> list[str]:
    """Say what the median is, and whether ties at it make rates small."""
    assert evidence.above_median is not None
    assert evidence.median is not None
    everybody = evidence.above_median.overall()
    share = Fraction(float(everybody.rate("selection_rate").item()))
    notes = [f"The median score of all applicants is {evidence.median:g}; scores must lie above it to count."]
    if share < _FEWER_BY_TIES:
        notes.append(
            f"Only {float(share):.0%} of all scores lie above the median, for many are equal to it: rates "
            "are small for that reason."
        )
    return notes


def _stated(options: Mapping[str, Any], *, left_out: bool) -> ProfileTable:
    said = {name: read_text(options, name) or _NOT_STATED for name in _FIELDS}
    if not left_out and said["justification"] == _NOT_STATED:
        said["justification"] = "none is left out"
    rows = [{"field": title, "stated": said[name]} for name, title in _FIELDS.items()]
    columns = (Column("field", "field", "words"), Column("stated", "stated", "words"))
    return ProfileTable("ll144", "To be stated by the employer", columns, tuple(rows))


PROFILE = Profile(
    name="ll144",
    title="Bias audit after New York City Local Law 144",
    as_of="2026-09-30",
    status=(
        "in force since 2023-05-06 and enforced since 2023-07-05, no amendment seen. An audit is good for "
        "one year; its date, results, data source and the distribution date of the tool are to be published. "
        "The rule sets no threshold for an impact ratio."
    ),
    source="Rules of the City of New York, title 6, sections 5-300 to 5-303",
    options={
        "sex": "the column of sex (by default the one called sex or gender)",
        "race": "the column of race or ethnicity (by default the one called so)",
        "leave_out_below": "categories with a smaller share have no ratio; 0.02 at most (default: 0)",
        **_FIELDS,
    },
    calculate=_calculate,
)
