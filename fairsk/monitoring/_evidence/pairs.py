"""Pairs of groups of a monitor: which of them there is evidence against, and whether all keep the tolerance.

The joint evidence of a monitor accuses nobody: it says that the tolerance was not kept, not by whom.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.bounds import Bound
from fairsk._core.groups import format_group
from fairsk._core.results import MOST_LINES, Backend, Result, Table, number, p_value
from fairsk._core.typing import Bools, Floats, Ints
from fairsk.monitoring._evidence.e_process import N_FORECASTS
from fairsk.monitoring._evidence.two_groups import (
    ONE_FORECAST,
    Batches,
    Prior,
    chunks,
    estimate,
    limits,
    reaches,
)
from fairsk.rates import Rate
from fairsk.statistics._pairs import PairComparison

__all__ = ["MOST_PAIRS", "MonitorPairs", "all_pairs_within", "compare_pairs"]

#: The evidence of so many pairs, at most, is followed through all batches.
MOST_PAIRS = 300
#: So many pairs are asked first whether they keep the tolerance: most often one of them does not show it yet.
_FIRST_ASKED = 8
#: And so many of the others at a time, through so many batches at a time: few arrays, that stay in the cache.
_THEN_ASKED, _BATCHES_AT_ONCE = 1_000, 32


@dataclass(frozen=True, eq=False, repr=False)
class MonitorPairs(Result):
    """The evidence against each pair of groups on its own. Prints and renders itself.

    Parameters
    ----------
    rate : str
        Which rate.
    comparison : {"difference", "ratio"}
        What the tolerance is about.
    tolerance : tuple of two floats
        The smallest and the largest value that keeps the tolerance.
    alpha : float
        The probability, at most, that a pair whose value always kept the tolerance is ever named.
    n_pairs : int
        The number of all pairs, in all rates of the monitor, of which one is named wrongly that seldom. If
        there are many, fewer have a line.
    groups : tuple of pairs of labels, of length n_lines
        The group with the lower rate and the one with the higher; with a reference, the group and that.
    rates, other_rates : array of shape (n_lines,)
        The rates of the two in all decisions so far.
    values : array of shape (n_lines,)
        The first rate divided by the other, or minus it; of several strata, by Mantel and Haenszel.
    log_e_values : array of shape (n_lines,)
        The natural logarithms of the pairs' own evidence that the tolerance was not kept.
    p_values : array of shape (n_lines,)
        The p-values that follow from the greatest evidence so far, times ``n_pairs``: valid at any time, and
        together.
    named : array of bool of shape (n_lines,)
        Whether the evidence ever reached ``n_pairs / alpha``.
    furthest : pair of labels, or None
        The two groups that are furthest apart by estimate, which is no evidence.
    library : {"pandas", "polars", "pyarrow"}, optional
        The library of :meth:`frame`.

    See Also
    --------
    FairnessMonitor.pairs : What returns it.

    Examples
    --------
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.monitoring import FairnessMonitor
    >>> monitor = FairnessMonitor("demographic_parity", min_ratio=0.8)
    >>> cells = {"tp": [0, 0], "fp": [50, 20], "fn": [0, 0], "tn": [50, 80]}
    >>> for week in range(8):
    ...     step = monitor.update(GroupCounts(["a", "b"], cells, labelled=False), batch=f"w{week}")
    >>> pairs = monitor.pairs()
    >>> pairs.groups, pairs.named.tolist()
    ((('b', 'a'),), [True])
    """

    rate: str
    comparison: PairComparison
    tolerance: tuple[float, float]
    alpha: float
    n_pairs: int
    groups: tuple[tuple[Hashable, Hashable], ...]
    rates: Floats
    other_rates: Floats
    values: Floats
    log_e_values: Floats
    p_values: Floats
    named: Bools
    furthest: tuple[Hashable, Hashable] | None
    library: Backend | None = None

    def __len__(self) -> int:
        return len(self.groups)

    def _tables(self) -> list[Table]:
        columns: dict[str, Sequence[object]] = {
            "group": [format_group(group) for group, _ in self.groups],
            "other": [format_group(other) for _, other in self.groups],
            self.rate: self.rates.tolist(),
            "other_rate": self.other_rates.tolist(),
            self.comparison: self.values.tolist(),
            "log_e_value": self.log_e_values.tolist(),
            "p": self.p_values.tolist(),
            "named": self.named.tolist(),
        }
        text = {name: list(map(number, values[:MOST_LINES])) for name, values in columns.items()}
        text["log_e_value"] = [number(value, 1) for value in self.log_e_values[:MOST_LINES]]
        text["p"] = list(map(p_value, self.p_values[:MOST_LINES]))
        return [Table(columns, text, notes=self._notes(), words=("other",))]

    def _notes(self) -> list[str]:
        if self.n_pairs == 0:
            return ["There are no two groups to compare."]
        needed = number(float(np.log(self.n_pairs / self.alpha)), 1)
        notes = [
            f"A pair is named if its own log e-value reached {needed}, that of {self.n_pairs:,} pairs / "
            f"{self.alpha:g}; p is adjusted for as many."
        ]
        if self.furthest is not None and not self.named.any():
            group, other = map(format_group, self.furthest)
            notes.append(f"No pair is named. Furthest apart by estimate: {group} and {other}.")
        return notes


def compare_pairs(
    part: ArrayLike,
    size: ArrayLike,
    *,
    rate: Rate,
    groups: Sequence[Hashable],
    bound: Bound,
    alpha: float,
    reference: int | None = None,
    n_rates: int = 1,
    prior: Prior | None = None,
    library: Backend | None = None,
) -> MonitorPairs:
    """Return the evidence against pairs of groups, the most of it first.

    Parameters
    ----------
    part, size : array of shape (n_batches, n_strata, n_groups)
        k of n decisions.
    rate : Rate
        Which rate is compared.
    groups : sequence of labels of length n_groups
        The groups.
    bound : Bound
        The tolerance.
    alpha : float
        The probability, at most, that a pair is named wrongly.
    reference : int, optional
        The place of the group that the others are compared with; by default all pairs are.
    n_rates : int, default=1
        Of how many rates the pairs are compared, this one included.
    prior : tuple of two arrays of shape (n_strata, n_groups), optional
        Counts of before the first batch: forecasts have seen them, and they are no evidence.
    library : {"pandas", "polars", "pyarrow"}, optional
        The library of the frame.

    Returns
    -------
    MonitorPairs

    Notes
    -----
    A pair's evidence is that of a monitor of its two groups alone. It ever reaches 1 / alpha with a
    probability of at most alpha if the pair keeps the tolerance, so that any of m such pairs ever reaches
    m / alpha with no larger one. Since this holds for all m pairs together, it holds for those that are
    looked at, even if they are chosen for what they show: of more than `MOST_PAIRS`, those with the largest
    likelihood ratio in all decisions so far.
    """
    batches = Batches(part, size, bound.comparison, prior)
    totals = _Totals(batches, reference)
    n_pairs, beyond = (
        len(totals.pairs) * n_rates,
        totals.two.evidence_against(*limits(bound)).sum((0, 1))[:, 0],
    )
    chosen = np.lexsort((-totals.distances, -beyond))[:MOST_PAIRS]
    furthest = totals.furthest(beyond)
    if furthest is not None and furthest not in chosen:
        chosen[-1] = furthest
    now, peak = _follow(batches, totals.pairs[chosen], bound)
    order = np.lexsort((-beyond[chosen], -now))
    lines, now, peak = chosen[order], now[order], peak[order]
    rates = totals.rates[lines]
    return MonitorPairs(
        rate.name,
        bound.comparison,
        limits(bound),
        alpha,
        n_pairs,
        tuple(_labels(groups, pair) for pair in totals.pairs[lines]),
        rates[:, 0],
        rates[:, 1],
        totals.values[lines],
        now,
        np.minimum(1.0, n_pairs * np.exp(-peak)),
        peak >= np.log(n_pairs / alpha) if n_pairs else np.zeros(0, bool),
        None if furthest is None else _labels(groups, totals.pairs[furthest]),
        library,
    )


def all_pairs_within(
    part: ArrayLike,
    size: ArrayLike,
    *,
    bound: Bound,
    alpha: float,
    reference: int | None = None,
    prior: Prior | None = None,
) -> bool:
    """Tell whether the confidence sequences of all pairs of groups lie within the tolerance in every stratum.

    Parameters
    ----------
    part, size, bound, reference, prior
        See :func:`compare_pairs`.
    alpha : float
        One minus the confidence of each sequence.

    Returns
    -------
    bool
        False while there are no two groups, or a pair without decisions of both in a stratum.

    Notes
    -----
    Of each pair two nulls must be refuted in every stratum that has decisions of both groups: that its value
    is at most the lower limit in every batch, and that it is at least the upper one. Strata are not
    multiplied here: a large one whose value lies within refutes both nulls of the product alone, and says
    nothing of a small one. Nothing is corrected for the number of pairs and strata. If a pair does not keep
    the tolerance in one, one of its two nulls there is true, and the claim that all do needs this one
    refuted, too, whose probability is at most alpha / 2: an intersection-union test is as sure as each of
    its parts.
    """
    batches = Batches(part, size, bound.comparison, prior)
    pairs = _pairs(batches.part.shape[-1], reference)
    low, high = limits(bound)
    two, is_compared = batches.in_hindsight(pairs), batches.have_both(pairs)
    within = np.minimum(two.evidence(low).at_most, two.evidence(high).at_least)[0, ..., 0]
    # A pair that does not lie within in hindsight is not shown to: whatever each batch said.
    if len(pairs) == 0 or not is_compared.any(0).all() or (is_compared & (within <= 0)).any():
        return False
    # Those with the least evidence in hindsight first, and few of them: one that does not pass ends it.
    pairs, asked = pairs[np.where(is_compared, within, np.inf).min(0).argsort()], _FIRST_ASKED
    log_line = float(np.log(2 / alpha))
    while len(pairs) > 0:
        # Most often the product of one forecast is evidence enough, whatever the others are.
        is_shown = _within(batches, pairs[:asked], bound, log_line, ONE_FORECAST)
        rest = pairs[:asked][~is_shown]
        if not _within(batches, rest, bound, log_line, slice(None)).all():
            return False
        pairs, asked = pairs[asked:], _THEN_ASKED
    return True


def _within(batches: Batches, pairs: Ints, bound: Bound, log_line: float, forecasts: slice) -> Bools:
    """Tell of pairs whether both their nulls are refuted in all strata, by the products of some forecasts."""
    low, high = limits(bound)
    is_refuted = np.stack([~batches.have_both(pairs)] * 2)  # where there is nothing to compare
    log_products = np.zeros((*is_refuted.shape, len(range(N_FORECASTS)[forecasts])))
    for start in range(0, len(batches), _BATCHES_AT_ONCE):
        # Once both nulls of a pair are refuted its other batches need not be looked at.
        left = np.flatnonzero(~is_refuted.all((0, 1)))
        if len(left) == 0:
            break
        now = slice(start, start + _BATCHES_AT_ONCE)
        two = batches.pairs(pairs[left], now=now, forecasts=forecasts)
        for null, ratios in enumerate((two.evidence(low).at_most, two.evidence(high).at_least)):
            products = log_products[null][:, left] + ratios.cumsum(0)
            is_refuted[null][:, left] |= reaches(products, log_line).any(0)
            log_products[null][:, left] = products[-1]
    return np.asarray(is_refuted.all((0, 1)))


def _labels(groups: Sequence[Hashable], pair: Ints) -> tuple[Hashable, Hashable]:
    first, second = pair
    return groups[first], groups[second]


def _pairs(n_groups: int, reference: int | None) -> Ints:
    """Return the places of both groups of every pair that is compared, of shape (n_pairs, 2)."""
    if reference is None:
        return np.stack(np.triu_indices(n_groups, 1), -1)
    others = np.delete(np.arange(n_groups), reference)
    return np.stack([others, np.full_like(others, reference)], -1)


def _follow(batches: Batches, pairs: Ints, bound: Bound) -> tuple[Floats, Floats]:
    """Return the logarithms of the evidence against pairs after the last batch, and of its maximum so far."""
    now, peak = np.zeros((2, len(pairs)))
    for place in chunks(len(pairs), batches.part[..., :1].size * N_FORECASTS):
        products = batches.pairs(pairs[place]).evidence_against(*limits(bound)).sum(1).cumsum(0)
        evidence = np.logaddexp.reduce(products, axis=-1) - np.log(N_FORECASTS)
        if len(evidence) > 0:
            now[place], peak[place] = evidence[-1], np.maximum(evidence.max(0), 0.0)
    return now, peak


class _Totals:
    """All decisions so far of every pair of groups: what they estimate, and what they say in hindsight.

    Attributes
    ----------
    pairs : array of shape (n_pairs, 2)
        The places of the two groups; without a reference the one with the lower rate first.
    rates : array of shape (n_pairs, 2)
        Their rates.
    values, distances : array of shape (n_pairs,)
        Their ratios or differences, and how far these lie from those of equal rates; minus infinity where a
        rate is unknown.
    two : TwoGroups
        All as one batch, of which the forecast is made, too.
    """

    def __init__(self, batches: Batches, reference: int | None) -> None:
        part, size = batches.part.sum(0), batches.size.sum(0)
        pairs, is_ratio = _pairs(part.shape[-1], reference), batches.comparison == "ratio"
        values = estimate(
            np.moveaxis(part[:, pairs], 0, 1), np.moveaxis(size[:, pairs], 0, 1), batches.comparison
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            if reference is None:
                is_higher = values > (1.0 if is_ratio else 0.0)
                pairs = np.where(is_higher[:, None], pairs[:, ::-1], pairs)
                values = np.where(is_higher, 1 / values if is_ratio else -values, values)
            distances = np.abs(np.log(values) if is_ratio else values)
            self.rates = (part.sum(0) / size.sum(0))[pairs]
        self.pairs, self.values = pairs, values
        self.distances = np.where(np.isnan(distances), -np.inf, distances)
        self.two = batches.in_hindsight(pairs)

    def furthest(self, beyond: Floats) -> int | None:
        """Return the place of the pair that is furthest apart by estimate; of several the one most beyond."""
        if np.isneginf(self.distances).all():
            return None
        return int(np.lexsort((beyond, self.distances))[-1])
