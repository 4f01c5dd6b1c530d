"""The verdict on every pair of groups: arrays of numbers, and labels only where somebody reads them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np

from fairsk._core.groups import format_group
from fairsk._core.results import (
    MOST_LINES,
    Backend,
    Result,
    Table,
    amount,
    amount_with_interval,
    number,
    percent,
    with_interval,
)
from fairsk._core.typing import Bools, Floats, Ints
from fairsk.rates import MeanRate
from fairsk.statistics._intervals import PairDisparities
from fairsk.statistics._pairs import PairComparison

__all__ = ["ROUNDING", "Outcome", "PairVerdicts", "judge_pairs"]

Outcome: TypeAlias = Literal["PASS", "FAIL", "INCONCLUSIVE"]

#: Two numbers that differ by less are the same: 0.4 / 0.5 is not below 0.8.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class PairVerdicts(Result):
    """The verdict on every pair of groups in every rate. Prints and renders itself.

    Attributes
    ----------
    rates : tuple of str, of length n_pairs
        The rate in which two groups are compared.
    lowest, highest : tuple of length n_pairs
        The group with the lower and the one with the higher rate.
    lowest_rates, highest_rates : array of shape (n_pairs,)
        Their rates.
    values, low, high : array of shape (n_pairs,)
        The disparities and their intervals.
    outcomes : tuple of {"PASS", "FAIL", "INCONCLUSIVE"}
        The verdict on each; empty if there is no tolerance.
    confidence : float
        The coverage probability of all intervals together.
    """

    lowest_rates: Floats
    highest_rates: Floats
    values: Floats
    low: Floats
    high: Floats
    confidence: float
    # A thousand groups make half a million pairs: names are kept once, and repeated where they are read.
    _names: tuple[str, ...]
    _groups: tuple[Hashable, ...]
    _places: Ints  # of the rate, of the group with the lower and of the one with the higher rate, by pair
    _passes: Bools | None
    _fails: Bools | None
    library: Backend | None = None
    _of_amounts: bool = False

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def rates(self) -> tuple[str, ...]:
        """The rate in which the groups of each pair are compared."""
        return _repeat(self._names, self._places[0])

    @cached_property
    def lowest(self) -> tuple[Hashable, ...]:
        """The group with the lower rate of each pair."""
        return _repeat(self._groups, self._places[1])

    @cached_property
    def highest(self) -> tuple[Hashable, ...]:
        """The group with the higher rate of each pair."""
        return _repeat(self._groups, self._places[2])

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The verdict on each pair; empty if there is no tolerance."""
        if self._passes is None or self._fails is None:
            return ()
        return _repeat(("INCONCLUSIVE", "PASS", "FAIL"), np.where(self._fails, 2, self._passes))

    def compared_rates(self) -> set[str]:
        """Return the rates in which any two groups are compared."""
        return {self._names[place] for place in np.unique(self._places[0])}

    def all_pass(self) -> bool:
        """Tell whether every pair keeps the tolerance."""
        return self._passes is not None and bool(self._passes.all())

    def failing(self) -> Ints:
        """Return the places of the pairs that lie beyond the tolerance."""
        return np.flatnonzero(False if self._fails is None else self._fails)

    def pair_shown(self, place: int) -> tuple[str, str, str]:
        """Write the group with the lower rate of a pair, the one with the higher rate, and their rate."""
        rate, lowest, highest = self._places[:, place]
        return format_group(self._groups[lowest]), format_group(self._groups[highest]), self._names[rate]

    def value_shown(self, place: int) -> str:
        """Write the disparity of a pair with its interval."""
        written = amount_with_interval if self._of_amounts else with_interval
        return written(self.values[place], self.low[place], self.high[place])

    def _tables(self) -> list[Table]:
        columns: dict[str, Sequence[Any]] = {
            "rate": self.rates,
            "lowest": _repeat(tuple(map(format_group, self._groups)), self._places[1]),
            "highest": _repeat(tuple(map(format_group, self._groups)), self._places[2]),
            "lowest_rate": self.lowest_rates.tolist(),
            "highest_rate": self.highest_rates.tolist(),
            "value": self.values.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
        }
        if self._passes is not None:
            columns["verdict"] = self.outcomes
        written = amount if self._of_amounts else number
        text = {name: list(map(written, column[:MOST_LINES])) for name, column in columns.items()}
        text["value"] = list(map(self.value_shown, range(len(text["value"]))))
        del text["low"], text["high"]
        note = f"{percent(self.confidence)} intervals, for all of these at once"
        return [Table(columns, text, notes=[note], words=["rate", "lowest", "highest"], outcomes=["verdict"])]


def _repeat(names: tuple[Any, ...], places: Ints) -> tuple[Any, ...]:
    """Return the names at these places."""
    labels = np.empty(len(names), dtype=object)
    labels[:] = names  # one by one, for a label may be a tuple
    return tuple(labels[places].tolist())


def judge_pairs(
    groups: tuple[Hashable, ...],
    disparities: list[PairDisparities],
    comparison: PairComparison,
    bound: float | None,
    confidence: float,
    library: Backend | None,
) -> PairVerdicts:
    """Return every pair with its interval, and its verdict if there is a bound."""
    # Arrays throughout: a thousand groups make half a million pairs.
    sizes = [len(part.value) for part in disparities]
    nobody, nothing = np.empty(0, dtype=np.intp), np.empty(0)  # where nothing is compared at all
    first, second = (
        np.concatenate([nobody, *(getattr(part, side) for part in disparities)])
        for side in ("first", "second")
    )
    values, low, high = (
        np.concatenate([nothing, *(getattr(part, name) for part in disparities)])
        for name in ("value", "low", "high")
    )
    first_rates, second_rates = (
        np.concatenate([nothing, *(part.rates[getattr(part, side)] for part in disparities)])
        for side in ("first", "second")
    )
    in_order = first_rates <= second_rates
    passes = fails = None
    of_amounts = any(isinstance(part.rate, MeanRate) for part in disparities)
    if bound is not None:
        mildest, worst, worse = (low, high, 1) if comparison == "difference" else (high, low, -1)
        # Amounts have units, so that only a part of the bound is small beside it.
        rounding = ROUNDING * (bound if of_amounts else 1.0)
        passes, fails = worse * (worst - bound) <= rounding, worse * (mildest - bound) > rounding
    return PairVerdicts(
        lowest_rates=np.where(in_order, first_rates, second_rates),
        highest_rates=np.where(in_order, second_rates, first_rates),
        values=values,
        low=low,
        high=high,
        confidence=confidence,
        _names=tuple(part.name for part in disparities),
        _groups=groups,
        _places=np.stack(
            [
                np.repeat(np.arange(len(disparities)), sizes),
                np.where(in_order, first, second),
                np.where(in_order, second, first),
            ]
        ),
        _passes=passes,
        _fails=fails,
        library=library,
        _of_amounts=of_amounts,
    )
