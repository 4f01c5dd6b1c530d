"""The four-fifths rule of thumb of 29 CFR 1607.4(D), with the two exceptions that the text names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import attribute_name, format_group
from fairsk._core.results import percent
from fairsk._core.validation import check_choice
from fairsk.audit._evidence import Evidence
from fairsk.audit._profiles.options import read_flag, read_share
from fairsk.audit._profiles.profile import (
    Column,
    Profile,
    ProfileTable,
    attributes_of,
)
from fairsk.audit._profiles.rates import (
    Selection,
    as_whole,
    compare_with,
    is_merged,
    is_weighted,
    selections,
)
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
    Column("significant", "significant"),
    Column("small_numbers", "small numbers"),
    Column("reading", "reading", "remark"),
)

_EXPLAINED = (
    "Impact ratio: the selection rate by the highest one. Shortfall: by how many fewer are selected than at "
    "the rate of all. After one more: the ratio if one selection had gone from the group with the highest "
    "rate to this one; numbers are small where that crosses 4/5.",
    "A ratio below 4/5 is generally read as evidence of adverse impact, and one of 4/5 or more is not, with "
    "two exceptions: a ratio that is not below may be adverse impact if it is significant in statistical and "
    "in practical terms, and one below may be none if it rests on small numbers and is not significant.",
)
_WEIGHTED = (
    "Rows are weighted: ratios are those of sums of weights, to 12 digits; z and p take effective numbers of "
    "rows, and no selection is moved."
)


def _calculate(evidence: Evidence, options: Mapping[str, Any]) -> list[ProfileTable]:
    min_share = read_share(options, "min_share")
    method = options.get("method", "mid_p")
    check_choice("method", method, TwoGroupMethod)
    parts = attributes_of(evidence, intersections=read_flag(options, "intersections", default=True))
    tables = []
    for names in parts:
        counts = evidence.by(*names).known().counts.without_strata()
        tables.append(_table(attribute_name(names), counts, min_share, method))
    # What columns mean is said once.
    tables[0] = replace(tables[0], notes=(*_EXPLAINED, *tables[0].notes))
    return tables


def _table(attribute: str, counts: GroupCounts, min_share: Fraction, method: TwoGroupMethod) -> ProfileTable:
    found = selections(counts)
    total, selected = sum(s.n for s in found), sum(s.selected for s in found)
    judged = [s for s in found if s.n >= min_share * total and not is_merged(s.group)]
    # Of equal rates the first group is the reference; sorting keeps the order of the groups.
    by_rate = sorted(judged, key=lambda s: -s.rate)
    rows = []
    for one in found:
        row: dict[str, Any] = dict.fromkeys(column.name for column in _COLUMNS)
        row |= {
            "group": one.group,
            "n": as_whole(one.n),
            "selected": as_whole(one.selected),
            "rate": float(one.rate),
            "shortfall": float(one.n * Fraction(selected) / total - one.selected),
        }
        if is_merged(one.group):
            row["reading"] = "several groups: not compared"
        elif one not in judged:
            row["reading"] = f"below {percent(float(min_share))} of the rows: not compared"
        elif not by_rate[0].rate:
            row["reading"] = "nobody is selected"
        elif one is by_rate[0]:
            row |= {"impact_ratio": 1.0, "reading": "the highest rate"}
        else:
            row |= _compared(one, by_rate, counts, method)
        rows.append(row)
    return ProfileTable(
        "four_fifths",
        f"Four fifths by {attribute}",
        _COLUMNS,
        tuple(rows),
        tuple(_notes(by_rate, method, weighted=is_weighted(counts))),
    )


def _notes(by_rate: Sequence[Selection], method: TwoGroupMethod, *, weighted: bool) -> list[str]:
    notes = []
    if len(by_rate) > 1:
        notes.append(
            f"The highest rate is that of {format_group(by_rate[0].group)}, the next one that of "
            f"{format_group(by_rate[1].group)}: read both ratios where the first has few rows. z: the pooled "
            f"two-sample test. p: {method.replace('_', '-')}, two-sided; significant below {_LEVEL}."
        )
    return [*notes, _WEIGHTED] if weighted else notes


def _compared(
    one: Selection, by_rate: Sequence[Selection], counts: GroupCounts, method: TwoGroupMethod
) -> dict[str, Any]:
    """Return how a group compares with the one that has the highest rate."""
    top, runner_up = by_rate[0], by_rate[1]
    # Exactly: 5 k n' < 4 k' n, in whole numbers or fractions, so that 40/100 to 50/100 is not below.
    below = one.rate < _FOUR_FIFTHS * top.rate
    z, p = compare_with(counts, one.group, top.group, method)
    moved = None if is_weighted(counts) else _after_one_more(one, top, by_rate)
    significant, small = p < _LEVEL, moved is not None and below and moved >= _FOUR_FIFTHS
    return {
        "impact_ratio": float(one.rate / top.rate),
        "ratio_to_runner_up": float(one.rate / runner_up.rate) if one is not runner_up else None,
        "below_four_fifths": below,
        "after_one_more": None if moved is None else float(moved),
        "z": z,
        "p_value": p,
        "significant": significant,
        "small_numbers": small,
        "reading": _reading(below=below, significant=significant, small=small),
    }


def _after_one_more(one: Selection, top: Selection, by_rate: Sequence[Selection]) -> Fraction | None:
    """Return the ratio after one selection went from the group with the highest rate to this one."""
    if one.selected + 1 > one.n or top.selected < 1:
        return None
    now = (one.selected + 1) / one.n
    # Of the others only the best can be the highest one: the second, or the third if this is the second.
    others = [s.rate for s in by_rate[1:3] if s is not one]
    return now / max([now, (top.selected - 1) / top.n, *others])


def _reading(*, below: bool, significant: bool, small: bool) -> str:
    """Say on which side of 4/5 a ratio is, and which exception of the text it may fall under."""
    if not below:
        return "not below, but significant: practical terms?" if significant else "not below, not significant"
    if significant:
        return "below, and significant"
    return "below, but small numbers, not significant" if small else "below, not significant"


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
    calculate=_calculate,
    needs_median=False,
)
