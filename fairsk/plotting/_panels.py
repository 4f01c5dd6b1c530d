"""Panels of displays of groups: one for each mean of amounts, and for each rate in a stratum."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

import numpy as np

from fairsk._core.amount_sums import GroupAmounts, get_mean
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group
from fairsk._core.results import (
    Backend,
    Result,
    Table,
    amount_with_interval,
    row_count,
    with_interval,
)
from fairsk._core.typing import Bools, Floats
from fairsk._core.validation import check_choice, check_confidence
from fairsk.rates import AMOUNT_RATES, Constraint, MeanRate, Rate, get_rate
from fairsk.statistics._intervals import rate_intervals
from fairsk.statistics._measures import GroupTable, Measure, measures_of
from fairsk.statistics._pairs import PairComparison

__all__ = ["PanelRates", "Strata", "is_of_amounts"]

Strata: TypeAlias = Literal["each", "worst"]

#: More panels than these cannot be read beside each other.
_MOST_PANELS = 12


def is_of_amounts(rate: Any) -> bool:
    """Tell whether a rate, or the first of several, is a mean of amounts."""
    if isinstance(rate, str | Rate | MeanRate):
        return isinstance(rate, MeanRate) or (isinstance(rate, str) and rate in AMOUNT_RATES)
    return rate is not None and any(map(is_of_amounts, rate))


@dataclass(frozen=True, eq=False, repr=False)
class PanelRates(Result):
    """Means of amounts, or rates within strata, of every group with intervals: what the panels show.

    Parameters
    ----------
    groups : tuple
        Group labels.
    n : array of shape (n_groups,)
        The (weighted) number of rows of each group.
    rates : mapping of str to array of shape (n_groups,)
        The numbers of each panel.
    intervals : mapping of str to (array, array)
        Their intervals; empty without ``confidence``.
    few : mapping of str to array of shape (n_groups,)
        Where a number is measured on few rows.
    overall : mapping of str to float
        ``n`` and each number over all rows.
    overall_intervals : mapping of str to (float, float)
        The interval of each.
    confidence : float or None
        The coverage probability of each interval.
    min_group_size : int
        How many rows are not few.
    n_strata : int
        How many strata the table has; 0 if it has none.
    library : str or None
        The library that :meth:`frame` makes a frame of.
    """

    groups: tuple[Hashable, ...]
    n: Floats
    rates: Mapping[str, Floats]
    intervals: Mapping[str, tuple[Floats, Floats]]
    few: Mapping[str, Bools]
    overall: Mapping[str, float]
    overall_intervals: Mapping[str, tuple[float, float]]
    confidence: float | None
    min_group_size: int
    n_strata: int
    _measures: tuple[Measure, ...]
    library: Backend | None = None

    @classmethod
    def of(
        cls,
        table: GroupTable,
        rate: Any,
        *,
        confidence: float | None,
        min_group_size: int,
        strata: Strata = "each",
        comparison: PairComparison = "difference",
    ) -> Self:
        """Return what is drawn of a table, in each of its strata or in the worst of each rate."""
        check_choice("strata", strata, Strata)
        if confidence is not None:
            check_confidence(confidence)
        measures = _measures(table, rate)
        if strata == "worst" and isinstance(table, GroupCounts):
            measures = _worst(measures, comparison)
        if len(measures) > _MOST_PANELS:
            raise ValueError(
                f"{len(measures)} panels are too many to be read: name fewer rates, or draw the worst "
                'stratum of each, strata="worst".'
            )
        totals = {each.name: Measure(each.rate, each.table.overall()) for each in measures}
        intervals: dict[str, tuple[Floats, Floats]] = {}
        overall_intervals: dict[str, tuple[float, float]] = {}
        if confidence is not None:
            for each in measures:
                intervals[each.name] = rate_intervals(each.table, each.rate, confidence)
                low, high = rate_intervals(totals[each.name].table, each.rate, confidence)
                overall_intervals[each.name] = float(low[0]), float(high[0])
        n = _rows(table)
        return cls(
            groups=table.groups,
            n=n,
            rates={each.name: each.values for each in measures},
            intervals=intervals,
            few={each.name: each.effective_rows() < min_group_size for each in measures},
            overall={"n": float(n.sum())} | {name: float(total.values[0]) for name, total in totals.items()},
            overall_intervals=overall_intervals,
            confidence=confidence,
            min_group_size=min_group_size,
            n_strata=len(table.strata or ()) if isinstance(table, GroupCounts) else 0,
            _measures=tuple(measures),
            library=table.library,
        )

    @property
    def are_means(self) -> bool:
        """Whether the numbers are means of amounts, and not rates of decisions."""
        return any(isinstance(measure.rate, MeanRate) for measure in self._measures)

    def rate_table(self) -> Table:
        """Return the numbers as a table."""
        names = [*map(format_group, self.groups)]
        names.append("all rows" if "overall" in names else "overall")
        columns: dict[str, list[Any]] = {"group": names, "n": [*self.n.tolist(), self.overall["n"]]}
        shown: dict[str, list[str]] = {"group": names, "n": list(map(row_count, columns["n"]))}
        marked = False
        for measure in self._measures:
            name = measure.name
            columns[name] = [*self.rates[name].tolist(), self.overall[name]]
            low = high = [np.nan] * len(names)
            if self.confidence is not None:
                low, high = (
                    [*self.intervals[name][end].tolist(), self.overall_intervals[name][end]] for end in (0, 1)
                )
                columns |= {f"{name}_low": low, f"{name}_high": high}
            few = [*(self.few[name] & measure.has_rows).tolist(), False]
            marked |= any(few)
            written = amount_with_interval if isinstance(measure.rate, MeanRate) else with_interval
            shown[name] = [
                written(*parts) + ("*" if scarce else " " if any(few) else "")
                for *parts, scarce in zip(columns[name], low, high, few, strict=True)
            ]
        notes = [f"* measured on fewer than {self.min_group_size} rows"] if marked else []
        return Table(columns, shown, notes=notes, words=["group"])

    def _tables(self) -> list[Table]:
        return [self.rate_table()]


def _measures(table: GroupTable, rate: Any) -> list[Measure]:
    """Return what is drawn: every rate, in every stratum."""
    if isinstance(table, GroupAmounts):
        if rate is None:
            rate = ["mean_prediction", *(["mean_absolute_error"] if table.labelled else [])]
        means = [rate] if isinstance(rate, str | MeanRate) else list(rate)
        table.check_labels(*map(get_mean, means))
        return [Measure(get_mean(mean), table) for mean in means]
    rate = "selection_rate" if rate is None else rate
    rates = [get_rate(each) for each in ([rate] if isinstance(rate, str | Rate) else _listed(rate))]
    table.check_labels(*rates)
    return measures_of(table, Constraint("drawn", rates)) if rates else []


def _rows(table: GroupTable) -> Floats:
    """Return the rows of each group: of classes all rows are in each, while those of other strata add up."""
    if isinstance(table, GroupAmounts) or table.strata is None:
        return table.n
    return table.n[:, 0] if table.events is not None and len(table.strata) else table.n.sum(1)


def _listed(rates: Iterable[Any]) -> list[Any]:
    return list(rates)


def _worst(measures: list[Measure], comparison: PairComparison) -> list[Measure]:
    """Return of each rate the stratum in which groups lie furthest apart."""

    def apart(measure: Measure) -> float:
        known = measure.values[measure.has_rows]
        if len(known) < 2:
            return -1.0
        ratio = known.min() / known.max() if known.max() > 0 else 1.0
        return float(np.ptp(known) if comparison == "difference" else 1 - ratio)

    by_rate: dict[str, list[Measure]] = {}
    for measure in measures:
        by_rate.setdefault(measure.rate.name, []).append(measure)
    return [max(each, key=apart) for each in by_rate.values()]
