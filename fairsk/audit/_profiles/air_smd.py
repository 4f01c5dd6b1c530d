"""Adverse impact ratios and standardised mean differences, as lenders and their examiners compute them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal, TypeAlias

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import attribute_name, format_group, list_groups
from fairsk._core.histograms import ScoreHistograms
from fairsk._core.messages import did_you_mean, list_texts, show
from fairsk._core.moments import ScoreMoments
from fairsk._core.validation import check_choice, read_labels
from fairsk.audit._evidence import Evidence
from fairsk.audit._profiles.options import read_flag, read_shares
from fairsk.audit._profiles.profile import (
    Column,
    Profile,
    ProfileTable,
    attributes_of,
)
from fairsk.audit._profiles.rates import Selection, as_whole, compare_with, is_merged, is_weighted, selections
from fairsk.statistics._intervals import rate_intervals
from fairsk.statistics._pairs import Estimate, mover_r_interval

__all__ = ["PROFILE"]

Denominator: TypeAlias = Literal["total", "pooled", "reference"]

#: Below this ratio a difference is commonly called practically significant, and above the other one fine.
_PRACTICAL, _FINE = Fraction(8, 10), Fraction(9, 10)
#: At this level a difference is commonly called statistically significant.
_LEVEL = 0.05
#: A smaller part of the mean square is no variance, but what rounding has left.
_ROUNDING = 1e-12
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)

_COLUMNS = (
    Column("group", "group", "group"),
    Column("n", "n", "rows"),
    Column("approved", "approved", "rows"),
    Column("rate", "rate", "percent", 1),
    Column("air", "AIR"),
    Column("air_low", "low"),
    Column("air_high", "high"),
    Column("band", "band", "words"),
    Column("marginal_effect", "points", digits=1),
    Column("z", "z", digits=2),
    Column("p_value", "p", "p"),
    Column("practically_significant", "practical"),
    Column("statistically_significant", "statistical"),
    Column("both", "both"),
)


def _calculate(evidence: Evidence, options: Mapping[str, Any]) -> list[ProfileTable]:
    references = _references(evidence, options.get("reference"))
    denominator = options.get("denominator", "total")
    check_choice("denominator", denominator, Denominator)
    lower_is_better = read_flag(options, "lower_is_better", default=False)
    quantiles = read_shares(options, "quantiles", _QUANTILES)
    tables = []
    for names, reference in references.items():
        attribute = attribute_name(names)
        part = evidence.by(*names).known()
        tables.append(_ratios(attribute, part.counts.without_strata(), reference))
        if part.moments is not None:
            tables.append(_mean_differences(attribute, part.moments, reference, denominator, lower_is_better))
        # There may be hundreds of intersections, and a line of each for every cut is no reading.
        if part.histograms is not None and len(names) == 1:
            tables.append(_by_quantile(attribute, part.histograms, reference, quantiles, lower_is_better))
    return tables


def _references(evidence: Evidence, reference: Any) -> dict[tuple[str, ...], Hashable]:
    """Return the reference group of each attribute, or of their intersection, that has one."""
    names = evidence.counts.names
    attributes = {attribute_name(part): part for part in attributes_of(evidence)}
    if reference is None or reference == {}:
        raise ValueError(
            f"The profile air_smd compares with a fixed group: give the option reference, such as "
            f"{{{names[0]!r:.60}: 'the group'}}."
        )
    if not isinstance(reference, Mapping):
        if len(names) != 1:
            raise ValueError(
                f"reference={show(reference)}: of which attribute? Give a dict, such as "
                f"{{{names[0]!r:.60}: 'the group'}}."
            )
        reference = {names[0]: reference}
    found = {}
    for name, label in reference.items():
        if name not in attributes:
            raise ValueError(
                f"reference names {show(name)}; the attributes are {list_texts(attributes)}."
                f"{did_you_mean(name, attributes)}"
            )
        [plain] = read_labels([label])
        counts = evidence.by(*attributes[name]).known().counts.without_strata()
        groups = [s.group for s in selections(counts) if not is_merged(s.group)]
        if plain not in groups:
            listed = list_groups(groups) or "the groups, for there are none"
            hint = did_you_mean(plain, map(format_group, groups))
            raise ValueError(f"The reference {show(plain)} is none of {listed}.{hint}")
        found[name] = plain
    return {part: found[name] for name, part in attributes.items() if name in found}


def _ratios(attribute: str, counts: GroupCounts, reference: Hashable) -> ProfileTable:
    found = selections(counts)
    counts = counts.take([one.group for one in found])
    base = found[counts.groups.index(reference)]
    low, high = rate_intervals(counts, "selection_rate")
    rates = [Estimate(*ends) for ends in zip(counts.rate("selection_rate"), low, high, strict=True)]
    rows = []
    for one, rate in zip(found, rates, strict=True):
        row: dict[str, Any] = dict.fromkeys(column.name for column in _COLUMNS)
        row |= {
            "group": one.group,
            "n": as_whole(one.n),
            "approved": as_whole(one.selected),
            "rate": float(one.rate),
            "band": _uncompared(one, base),
        }
        if one is not base and not is_merged(one.group):
            row |= _compared(one, base, rate, rates[found.index(base)], counts)
        rows.append(row)
    notes = [
        f"AIR: the approval rate by that of {format_group(reference)}, with its 95% interval. Bands of "
        f"{_text(_FINE)} and {_text(_PRACTICAL)} are industry practice, and so is to ask for both practical "
        f"(AIR below {_text(_PRACTICAL)}) and statistical significance (mid-P below {_LEVEL}). Points: the "
        "marginal effect, in percentage points. z: the pooled two-sample test.",
    ]
    if not base.rate:
        notes.append(f"None of {format_group(reference)} is approved, so that there are no ratios.")
    if is_weighted(counts):
        notes.append("Rows are weighted: z, p and intervals take effective numbers of rows.")
    return ProfileTable(
        "air_smd", f"Adverse impact ratios by {attribute}", _COLUMNS, tuple(rows), tuple(notes)
    )


def _uncompared(one: Selection, base: Selection) -> str:
    if is_merged(one.group):
        return "several groups: not compared"
    return "reference" if one is base else "-"


def _compared(
    one: Selection, base: Selection, rate: Estimate[Any], base_rate: Estimate[Any], counts: GroupCounts
) -> dict[str, Any]:
    """Return how a group compares with the reference."""
    z, p = compare_with(counts, one.group, base.group, "mid_p")
    row: dict[str, Any] = {
        "marginal_effect": float(100 * (one.rate - base.rate)),
        "z": z,
        "p_value": p,
        "statistically_significant": p < _LEVEL,
    }
    if not base.rate:
        return row
    air = one.rate / base.rate
    ends = (Estimate(*map(np.atleast_1d, estimate)) for estimate in (rate, base_rate))
    low, high = (float(end[0]) for end in mover_r_interval(*ends))
    return row | {
        "air": float(air),
        "air_low": low,
        "air_high": None if np.isinf(high) else high,
        "band": _band(air),
        "practically_significant": air < _PRACTICAL,
        "both": air < _PRACTICAL and p < _LEVEL,
    }


def _band(air: Fraction) -> str:
    """Return the band, compared exactly: 8/10 itself is not below."""
    if air < _PRACTICAL:
        return f"below {_text(_PRACTICAL)}"
    return f"{_text(_PRACTICAL)} to {_text(_FINE)}" if air < _FINE else f"{_text(_FINE)} or more"


def _text(ratio: Fraction) -> str:
    return f"{float(ratio):.2f}"


def _mean_differences(
    attribute: str,
    moments: ScoreMoments,
    reference: Hashable,
    denominator: Denominator,
    lower_is_better: bool,
) -> ProfileTable:
    """Return the difference of mean scores by a standard deviation: negative where a group is worse off."""
    place = moments.groups.index(reference)
    mean, variance, n = moments.mean, moments.variance, moments.n
    variance_of_all = float(moments.overall().variance.item())
    mean_square = float(moments.squared_scores.sum() / n.sum())
    rows = []
    for i, group in enumerate(moments.groups):
        if n[i] == 0:
            continue
        if denominator == "total":
            spread = variance_of_all
        elif denominator == "reference":
            spread = float(variance[place])
        else:
            both = [i, place]
            spread = float((n[both] * variance[both]).sum() / n[both].sum())
        smd = None
        # Scores that are all equal leave a variance of rounding errors, and a ratio to it would be noise.
        if i != place and spread > _ROUNDING * mean_square and not is_merged(group):
            sign = -1 if lower_is_better else 1
            smd = float(sign * (mean[i] - mean[place]) / np.sqrt(spread))
        rows.append(
            {
                "group": group,
                "n": as_whole(Fraction(float(n[i]))),
                "mean": float(mean[i]),
                "denominator": float(np.sqrt(spread)),
                "smd": smd,
            }
        )
    columns = (
        Column("group", "group", "group"),
        Column("n", "n", "rows"),
        Column("mean", "mean score"),
        Column("denominator", "denominator"),
        Column("smd", "SMD"),
    )
    better = "lower" if lower_is_better else "higher"
    of = {
        "total": "all rows of the table",
        "pooled": "the two groups, within each",
        "reference": "the reference group",
    }[denominator]
    notes = (
        f"SMD: mean score less that of {format_group(reference)}, by the standard deviation of {of} (n, not "
        f"n - 1); {better} scores are better, and a negative SMD means worse off.",
    )
    return ProfileTable("air_smd", f"Mean differences by {attribute}", columns, tuple(rows), notes)


def _by_quantile(
    attribute: str,
    histograms: ScoreHistograms,
    reference: Hashable,
    quantiles: Sequence[float],
    lower_is_better: bool,
) -> ProfileTable:
    """Return the ratios if the rows with the best scores were approved, for several shares of them."""
    both = histograms.positives + histograms.negatives
    n = both.sum(1)
    # How many of each group lie below each edge, the lowest edge first; or from it up.
    below = both.cumsum(1)[:, :-1]
    approved = below if lower_is_better else n[:, None] - below
    of_all = approved.sum(0) / n.sum()
    place = histograms.groups.index(reference)
    rows = []
    for q in quantiles:
        edge = int(np.abs(of_all - q).argmin())
        base = float(approved[place, edge] / n[place])
        for i, group in enumerate(histograms.groups):
            if n[i] > 0:
                rate = float(approved[i, edge] / n[i])
                compared = i != place and base > 0 and not is_merged(group)
                rows.append(
                    {
                        "group": group,
                        "share": q,
                        "approved": float(of_all[edge]),
                        "edge": float(histograms.edges[edge]),
                        "rate": rate,
                        "air": rate / base if compared else None,
                    }
                )
    best = "lowest" if lower_is_better else "highest"
    columns = (
        Column("group", "group", "group"),
        Column("share", "share asked", "percent", 1),
        Column("approved", "approved of all", "percent", 1),
        Column("edge", "score below" if lower_is_better else "score from"),
        Column("rate", "rate", "percent", 1),
        Column("air", "AIR"),
    )
    notes = (
        f"If the rows with the {best} scores were approved: rates by that of {format_group(reference)}. The "
        "cut is the edge of a bin that comes closest to the share asked; both are shown.",
    )
    return ProfileTable("air_smd", f"Ratios by share approved, by {attribute}", columns, tuple(rows), notes)


PROFILE = Profile(
    name="air_smd",
    title="Adverse impact ratio and standardised mean difference",
    as_of="2026-09-30",
    status=(
        "industry and state practice. The federal effects test of Regulation B is deleted with effect from "
        "2026-07-21 (Federal Register of 2026-04-22, document 2026-07804); state law and the Fair "
        "Housing Act are separate."
    ),
    source="practice of lenders and examiners; there is no single text that defines it",
    options={
        "reference": "by attribute, the group that all others are compared with (required; by default that "
        "of the audit)",
        "denominator": "the standard deviation of the SMD: total (default), pooled or reference",
        "lower_is_better": "whether a lower score is better, as with prices (default: false)",
        "quantiles": "shares of rows that might be approved (default: .1, .25, .5, .75, .9)",
    },
    calculate=_calculate,
    needs_median=False,
)
