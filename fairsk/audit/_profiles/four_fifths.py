"""The four-fifths rule of thumb of 29 CFR 1607.4(D), with the two exceptions that the text names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, cast

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import attribute_name, format_group
from fairsk._core.validation import check_choice
from fairsk.audit._evidence import Evidence
from fairsk.audit._profiles.profile import (
    Column,
    Profile,
    ProfileTable,
    attributes_of,
)
from fairsk.audit._profiles.rates import Selection, as_whole, compare_with, is_weighted, selections
from fairsk.statistics._tests import TwoGroupMethod

__all__ = ["PROFILE"]

_FOUR_FIFTHS = Fraction(4, 5)
#: The level at which courts and agencies commonly read a difference as statistically significant.
_LEVEL = 0.05

_COLUMNS = (
    Column("group", "group", "group"),
    Column("n", "n", "rows"),
    Column("selected", "selected", "rows"),
    Column("rate", "rate", "percent", 1),
    Column("impact_ratio", "impact ratio"),
    Column("ratio_to_runner_up", "to runner-up"),
    Column("below_four_fifths", "below 4/5"),
    Column("shortfall", "shortfall", digits=1),
    Column("after_one_more", "after one more"),
    Column("z", "z", digits=2),
    Column("p_value", "p", "p"),
    Column("reading", "reading", "words"),
)

_NOTES = (
    "Impact ratio: the selection rate by the highest one. Shortfall: by how many fewer are selected than at "
    "the rate of all. After one more: the ratio if one selection had gone from the group with the highest "
    "rate to this one; where that crosses 4/5, the numbers are small.",
    "A ratio below 4/5 is read as evidence of adverse impact, and one of 4/5 or more is not, with two "
    "exceptions: a ratio that is not below may be adverse impact if it is significant statistically and in "
    "practice, and one below may be none if numbers are small and it is not significant.",
)


def _calculate(evidence: Evidence, options: Mapping[str, Any]) -> list[ProfileTable]:
    min_share = Fraction(str(options.get("min_share", 0)))
    if not 0 <= min_share < 1:
        raise ValueError(f"min_share must be a share, from 0 to below 1; got {float(min_share):g}.")
    method = options.get("method", "mid_p")
    check_choice("method", method, TwoGroupMethod)
    parts = attributes_of(evidence, intersections=options.get("intersections", True))
    return [
        _table(attribute_name(names), _without_strata(evidence.by(*names).known().counts), min_share, method)
        for names in parts
    ]


def _without_strata(counts: GroupCounts) -> GroupCounts:
    return counts if counts.strata is None else counts.marginal(*counts.names)


def _table(attribute: str, counts: GroupCounts, min_share: Fraction, method: TwoGroupMethod) -> ProfileTable:
    found = selections(counts)
    total, selected = sum(s.n for s in found), sum(s.selected for s in found)
    judged = [s for s in found if s.n >= min_share * total]
    # Of equal rates the first group is the reference; sorting keeps the order of the groups.
    by_rate = sorted(judged, key=lambda s: -s.rate)
    rows = []
    for one in found:
        row = {
            "group": one.group,
            "n": as_whole(one.n),
            "selected": as_whole(one.selected),
            "rate": float(one.rate),
            "impact_ratio": None,
            "ratio_to_runner_up": None,
            "below_four_fifths": None,
            "shortfall": float(one.n * Fraction(selected) / total - one.selected),
            "after_one_more": None,
            "z": None,
            "p_value": None,
            "reading": "the highest rate",
        }
        if one not in judged:
            row["reading"] = f"below {float(min_share):.0%} of the rows: not compared"
        elif not by_rate[0].rate:
            row["reading"] = "nobody is selected"
        elif one is by_rate[0]:
            row["impact_ratio"] = 1
        else:
            row |= _compared(one, by_rate, counts, method)
        rows.append(row)
    notes = list(_NOTES)
    if len(by_rate) > 1:
        notes.append(
            f"The highest rate is that of {format_group(by_rate[0].group)}, the next one that of "
            f"{format_group(by_rate[1].group)}. p: {method.replace('_', '-')}, two-sided."
        )
    return ProfileTable("four_fifths", f"Four fifths by {attribute}", _COLUMNS, tuple(rows), tuple(notes))


def _compared(
    one: Selection, by_rate: Sequence[Selection], counts: GroupCounts, method: TwoGroupMethod
) -> dict[str, Any]:
    """Return how a group compares with the one that has the highest rate."""
    top, runner_up = by_rate[0], by_rate[1]
    # Exactly: 5 k n' < 4 k' n, in whole numbers or fractions, so that 40/100 to 50/100 is not below.
    below = one.rate < _FOUR_FIFTHS * top.rate
    z, p = compare_with(counts, one.group, top.group, method)
    return {
        "impact_ratio": float(one.rate / top.rate),
        "ratio_to_runner_up": float(one.rate / runner_up.rate) if one is not runner_up else None,
        "below_four_fifths": below,
        "after_one_more": None if is_weighted(counts) else _after_one_more(one, top, by_rate),
        "z": z,
        "p_value": p,
        "reading": _reading(below, significant=p < _LEVEL),
    }


def _after_one_more(one: Selection, top: Selection, by_rate: Sequence[Selection]) -> float | None:
    """Return the ratio after one selection went from the group with the highest rate to this one."""
    if one.selected + 1 > one.n or top.selected < 1:
        return None
    now = (one.selected + 1) / one.n
    others = [s.rate for s in by_rate if s is not one and s is not top]
    highest = max([now, (top.selected - 1) / top.n, *others])
    return float(now / highest)


def _reading(below: bool, *, significant: bool) -> str:
    if below:
        return "below, and significant" if significant else "below, not significant: small numbers?"
    return "not below, but significant: practical terms?" if significant else "not below, not significant"


PROFILE = Profile(
    name="four_fifths",
    title="The four-fifths rule of thumb",
    as_of="2026-09-30",
    status=(
        "the agency's rescission of the guidelines (RIN 3046-AB43) is listed at the final rule stage in the "
        "agenda of 2026-07-05, and no publication of it was found; the twin for contractors is 41 CFR 60-3. "
        "The text speaks of groups of more than 2% of the labour force, not of the data."
    ),
    source="29 CFR 1607.4(D), Uniform Guidelines on Employee Selection Procedures",
    options={
        "min_share": "groups with a smaller share of the rows are shown and not compared (default: 0)",
        "method": "the test: mid_p (default), fisher or pooled_z",
        "intersections": "whether intersections are compared too (default: true)",
    },
    calculate=cast(Any, _calculate),
)
