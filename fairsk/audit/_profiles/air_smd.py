"""Adverse impact ratios and standardised mean differences, as lenders and their examiners compute them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, list_groups
from fairsk._core.histograms import ScoreHistograms
from fairsk._core.messages import list_texts, show
from fairsk._core.moments import ScoreMoments
from fairsk._core.validation import check_choice, read_labels
from fairsk.audit._evidence import Evidence
from fairsk.audit._profiles.profile import (
    Column,
    Profile,
    ProfileTable,
)
from fairsk.audit._profiles.rates import as_whole, compare_with, selections
from fairsk.statistics._intervals import rate_intervals
from fairsk.statistics._pairs import Estimate, mover_r_interval

__all__ = ["PROFILE"]

Denominator: TypeAlias = Literal["total", "pooled", "reference"]

#: Below this ratio a difference is commonly called practically significant, and above the other one fine.
_PRACTICAL, _FINE = 0.8, 0.9
#: At this level a difference is commonly called statistically significant.
_LEVEL = 0.05
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
)


def _calculate(evidence: Evidence, options: Mapping[str, Any]) -> list[ProfileTable]:
    references = _references(evidence, options.get("reference"))
    denominator = options.get("denominator", "total")
    check_choice("denominator", denominator, Denominator)
    tables = []
    for attribute, reference in references.items():
        part = evidence.by(attribute).known()
        counts = part.counts if part.counts.strata is None else part.counts.marginal(attribute)
        tables.append(_ratios(attribute, counts, reference))
        if part.moments is not None:
            lower_is_better = bool(options.get("lower_is_better", False))
            tables.append(_mean_differences(attribute, part.moments, reference, denominator, lower_is_better))
        if part.histograms is not None:
            quantiles = options.get("quantiles", _QUANTILES)
            tables.append(_by_quantile(attribute, part.histograms, reference, quantiles))
    return tables


def _references(evidence: Evidence, reference: Any) -> dict[str, Hashable]:
    """Return the reference group of each attribute that has one."""
    names = evidence.counts.names
    if reference is None:
        raise ValueError(
            f"The profile air_smd compares with a fixed group: give the option reference, such as "
            f"{{{names[0]!r:.60}: 'the group'}}."
        )
    if not isinstance(reference, Mapping):
        if len(names) != 1:
            raise ValueError(f"reference={show(reference)}: of which attribute? Give a dict.")
        reference = {names[0]: reference}
    found = {}
    for name, label in reference.items():
        if name not in names:
            raise ValueError(f"reference names {show(name)}; the attributes are {list_texts(names)}.")
        [plain] = read_labels([label])
        groups = evidence.by(name).known().counts.groups
        if plain not in groups:
            raise ValueError(f"The reference {show(plain)} is none of {list_groups(groups)}.")
        found[name] = plain
    return {name: found[name] for name in names if name in found}


def _ratios(attribute: str, counts: GroupCounts, reference: Hashable) -> ProfileTable:
    found = selections(counts)
    by_group = {one.group: one for one in found}
    base = by_group.get(reference)
    low, high = rate_intervals(counts, "selection_rate")
    rates = counts.rate("selection_rate")
    rows = []
    for one in found:
        row: dict[str, Any] = dict.fromkeys((column.name for column in _COLUMNS), None)
        row |= {
            "group": one.group,
            "n": as_whole(one.n),
            "approved": as_whole(one.selected),
            "rate": float(one.rate),
            "band": "reference" if one is base else "-",
        }
        if base is not None and base.rate and one is not base:
            ends = [counts.groups.index(one.group), counts.groups.index(reference)]
            estimates = [Estimate(rates[[i]], low[[i]], high[[i]]) for i in ends]
            air_low, air_high = (float(end[0]) for end in mover_r_interval(*estimates))
            air = one.rate / base.rate
            z, p = compare_with(counts, one.group, reference, "mid_p")
            row |= {
                "air": float(air),
                "air_low": air_low,
                "air_high": None if np.isinf(air_high) else air_high,
                "band": _band(float(air)),
                "marginal_effect": float(100 * (one.rate - base.rate)),
                "z": z,
                "p_value": p,
                "practically_significant": float(air) < _PRACTICAL,
                "statistically_significant": p < _LEVEL,
            }
        rows.append(row)
    notes = (
        f"AIR: the approval rate by that of {format_group(reference)}, with its 95% interval. Bands of "
        f"{_FINE} and {_PRACTICAL} are industry practice, and so is to ask for both practical (AIR below "
        f"{_PRACTICAL}) and statistical significance (mid-P below {_LEVEL}). Points: percentage points.",
    )
    return ProfileTable("air_smd", f"Adverse impact ratios by {attribute}", _COLUMNS, tuple(rows), notes)


def _band(air: float) -> str:
    if air < _PRACTICAL:
        return f"below {_PRACTICAL}"
    return f"{_PRACTICAL} to {_FINE}" if air < _FINE else f"{_FINE} or more"


def _mean_differences(
    attribute: str,
    moments: ScoreMoments,
    reference: Hashable,
    denominator: Denominator,
    lower_is_better: bool,
) -> ProfileTable:
    """Return the difference of mean scores by a standard deviation: negative where a group is worse off."""
    place = moments.groups.index(reference)
    mean, variance, n = moments.mean, moments.variance, moments.weights
    total = n.sum()
    overall = float((n * mean).sum() / total)
    # The variance of all rows is that within groups plus that of the group means.
    variance_of_all = float((n * (variance + (mean - overall) ** 2)).sum() / total)
    rows = []
    for i, group in enumerate(moments.groups):
        if denominator == "total":
            spread = variance_of_all
        elif denominator == "reference":
            spread = float(variance[place])
        else:
            both = [i, place]
            spread = float((n[both] * variance[both]).sum() / n[both].sum())
        smd = None
        if i != place and spread > 0:
            sign = -1 if lower_is_better else 1
            smd = float(sign * (mean[i] - mean[place]) / np.sqrt(spread))
        rows.append({"group": group, "n": float(n[i]), "mean": float(mean[i]), "smd": smd})
    columns = (
        Column("group", "group", "group"),
        Column("n", "n", "rows"),
        Column("mean", "mean score"),
        Column("smd", "SMD"),
    )
    better = "lower" if lower_is_better else "higher"
    of = {
        "total": "all rows",
        "pooled": "the two groups, within each",
        "reference": "the reference group",
    }[denominator]
    notes = (
        f"SMD: mean score less that of {format_group(reference)}, by the standard deviation of {of} (n, not "
        f"n - 1); {better} scores are better, and a negative SMD means worse off.",
    )
    return ProfileTable("air_smd", f"Mean differences by {attribute}", columns, tuple(rows), notes)


def _by_quantile(
    attribute: str, histograms: ScoreHistograms, reference: Hashable, quantiles: Sequence[float]
) -> ProfileTable:
    """Return the ratios if the rows with the highest scores were approved, for several shares of them."""
    if not all(0 < q < 1 for q in quantiles):
        raise ValueError(f"quantiles must be shares between 0 and 1; got {show(list(quantiles))}.")
    both = histograms.positives + histograms.negatives
    # The share of each group from each edge up, the highest edge last.
    from_edge = both[:, ::-1].cumsum(1)[:, ::-1][:, 1:]
    n = both.sum(1)
    of_all = from_edge.sum(0) / n.sum()
    place = histograms.groups.index(reference)
    rows = []
    for q in quantiles:
        edge = int(np.abs(of_all - q).argmin())
        with np.errstate(divide="ignore", invalid="ignore"):
            rates = from_edge[:, edge] / n
        for i, group in enumerate(histograms.groups):
            if i != place:
                ratio = float(rates[i] / rates[place]) if rates[place] > 0 and n[i] > 0 else None
                rows.append(
                    {
                        "group": group,
                        "share": float(q),
                        "approved": float(of_all[edge]),
                        "edge": float(histograms.edges[edge]),
                        "rate": float(rates[i]) if n[i] > 0 else None,
                        "air": ratio,
                    }
                )
    columns = (
        Column("group", "group", "group"),
        Column("share", "top share", "percent", 0),
        Column("approved", "approved of all", "percent", 1),
        Column("edge", "score from"),
        Column("rate", "rate", "percent", 1),
        Column("air", "AIR"),
    )
    notes = (
        f"If the rows with the highest scores were approved: rates by that of {format_group(reference)}. The "
        "cut is the edge of a bin that comes closest to the share; both are shown.",
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
        "reference": "by attribute, the group that all others are compared with (required)",
        "denominator": "the standard deviation of the SMD: total (default), pooled or reference",
        "lower_is_better": "whether a lower score is better, as with prices (default: false)",
        "quantiles": "shares of rows that might be approved (default: .1, .25, .5, .75, .9)",
    },
    calculate=_calculate,
)
