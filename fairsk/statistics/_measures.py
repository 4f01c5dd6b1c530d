"""Measures: a rate of decisions in one stratum, or a mean of amounts, as groups are compared in it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from fairsk._core.amount_sums import GroupAmounts
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group
from fairsk._core.typing import Bools, Floats, Ints
from fairsk.rates import CELLS, Constraint, MeanRate, Rate
from fairsk.statistics._pairs import Estimate, Interval, newcombe_interval, welch_interval
from fairsk.statistics._proportions import effective_rows, rate_variances, rows_counted

__all__ = ["GroupTable", "Measure", "measures_of"]

#: What groups are compared in: counts of decisions, or moments of amounts.
GroupTable: TypeAlias = GroupCounts | GroupAmounts


@dataclass(frozen=True, eq=False)
class Measure:
    """What is compared between groups: a rate, in a table without strata.

    Parameters
    ----------
    rate : Rate or MeanRate
        The rate.
    table : GroupCounts or GroupAmounts
        The table, which is that of one stratum if there are strata.
    stratum : hashable, optional
        The stratum: a class, where every class is counted against the rest.
    stratum_words : str, optional
        What it is called, if that is not its label.
    """

    rate: Rate | MeanRate
    table: GroupTable
    stratum: Hashable = None
    stratum_words: str | None = None

    @property
    def name(self) -> str:
        """What the measure is called in tables and messages."""
        if self.stratum is None:
            return self.rate.name
        return f"{self.rate.name} ({self.stratum_words or format_group(self.stratum)})"

    @cached_property
    def values(self) -> Floats:
        """The rate of each group; NaN where it cannot be measured."""
        return _rates(self.table, self.rate)

    @property
    def has_rows(self) -> Bools:
        """Whether each group has something to measure the rate on."""
        return ~np.isnan(self.values)

    def effective_rows(self) -> Floats:
        """Return on how many rows, effectively, each group's rate is measured."""
        if isinstance(self.table, GroupAmounts):
            return self.table.effective_rows()
        return effective_rows(self.table, _of_decisions(self.rate))

    def rows(self) -> Floats:
        """Return the weight of each group's rows that the rate is measured on."""
        if isinstance(self.table, GroupAmounts):
            return self.table.n
        return rows_counted(self.table.cells, _of_decisions(self.rate))

    def support(self) -> Floats:
        """Return the denominator of each group's rate."""
        if isinstance(self.table, GroupAmounts):
            return self.table.n
        return self.rate.support(self.table.cells)

    def pooled(self) -> float:
        """Return the rate of all groups together."""
        return float(_rates(self.table.overall(), self.rate)[0])

    def variances(self) -> Floats:
        """Return the variance of each group's rate, of decisions as if all groups had the pooled one."""
        if isinstance(self.table, GroupAmounts):
            return self.table.standard_errors(_of_amounts(self.rate)) ** 2
        rate = _of_decisions(self.rate)
        return rate_variances(self.table, rate, rate({c: self.table.cells[c].sum(0) for c in CELLS}))

    def estimate(self, low: Floats, high: Floats) -> Estimate[Floats]:
        """Return the rates with these intervals, which are without end where nothing is known of a mean."""
        if isinstance(self.rate, MeanRate):
            unknown = self.has_rows & np.isnan(low)
            low = np.where(unknown, -np.inf if self.rate.can_be_negative else 0.0, low)
            high = np.where(unknown, np.inf, high)
        return Estimate(self.values, low, high)

    def mean_errors(self) -> tuple[Floats, Floats, Floats]:
        """Return means of amounts, their standard errors, and how many (effective) rows they are of."""
        assert isinstance(self.table, GroupAmounts)
        errors = self.table.standard_errors(_of_amounts(self.rate))
        return self.values, errors, self.table.effective_rows()

    def means(self) -> tuple[Floats, Floats, Floats] | None:
        """Return the same of means that may be negative, whose estimates are about normal; else None."""
        is_symmetric = isinstance(self.rate, MeanRate) and self.rate.can_be_negative
        return self.mean_errors() if is_symmetric else None

    def differences(
        self, estimate: Estimate[Floats], pairs: tuple[Ints, Ints], confidence: float
    ) -> Interval:
        """Return the intervals of the first minus the second group of each pair."""
        means = self.means()
        if means is not None:
            first, second = ((means[0][side], means[1][side], means[2][side]) for side in pairs)
            return welch_interval(first, second, confidence)
        first_rates, second_rates = (Estimate(*(part[side] for part in estimate)) for side in pairs)
        return newcombe_interval(first_rates, second_rates)


def measures_of(table: GroupTable, constraint: Constraint) -> list[Measure]:
    """Return every rate of a constraint, in every stratum of the table if it has strata."""
    if isinstance(table, GroupAmounts) or table.strata is None:
        return [Measure(rate, table) for rate in constraint.rates]
    strata = {label: (table.stratum(label), label, table.stratum_in_words(label)) for label in table.strata}
    return [Measure(rate, *within) for within in strata.values() for rate in constraint.rates]


def _rates(table: GroupTable, rate: Rate | MeanRate) -> Floats:
    if isinstance(table, GroupAmounts):
        return table.rate(_of_amounts(rate))
    return table.rate(_of_decisions(rate))


def _of_decisions(rate: Rate | MeanRate) -> Rate:
    assert isinstance(rate, Rate)
    return rate


def _of_amounts(rate: Rate | MeanRate) -> MeanRate:
    assert isinstance(rate, MeanRate)
    return rate
