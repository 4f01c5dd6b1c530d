"""Verdicts: a disparity and its interval against a tolerance, PASS, FAIL or INCONCLUSIVE."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, list_groups
from fairsk._core.results import (
    MOST_LINES,
    Backend,
    Result,
    Table,
    number,
    percent,
    printable,
    with_interval,
)
from fairsk._core.typing import Bools, Floats
from fairsk.rates import Constraint, Rate
from fairsk.statistics._detectable import smallest_detectable_between
from fairsk.statistics._intervals import PairDisparities, pair_disparities, worst_interval
from fairsk.statistics._pairs import PairComparison
from fairsk.statistics._proportions import as_constraint, as_counts, effective_rows, refuse_strata

__all__ = ["Outcome", "PairVerdicts", "Verdict", "verdict"]

Outcome: TypeAlias = Literal["PASS", "FAIL", "INCONCLUSIVE"]

#: Two numbers that differ by less are the same: 0.4 / 0.5 is not below 0.8.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class PairVerdicts(Result):
    """The verdict on every pair of groups in every rate. Prints and renders itself.

    Parameters
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
        The verdict on each.
    confidence : float
        The coverage probability of all intervals together.
    """

    rates: tuple[str, ...]
    lowest: tuple[Hashable, ...]
    highest: tuple[Hashable, ...]
    lowest_rates: Floats
    highest_rates: Floats
    values: Floats
    low: Floats
    high: Floats
    outcomes: tuple[Outcome, ...]
    confidence: float
    library: Backend | None = None

    def __len__(self) -> int:
        return len(self.values)

    def value_shown(self, place: int) -> str:
        """Write the disparity of a pair with its interval."""
        return with_interval(self.values[place], self.low[place], self.high[place])

    def _tables(self) -> list[Table]:
        columns: dict[str, list[Any]] = {
            "rate": list(self.rates),
            "lowest": list(map(format_group, self.lowest)),
            "highest": list(map(format_group, self.highest)),
            "lowest_rate": self.lowest_rates.tolist(),
            "highest_rate": self.highest_rates.tolist(),
            "value": self.values.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "verdict": list(self.outcomes),
        }
        text = {name: list(map(number, column[:MOST_LINES])) for name, column in columns.items()}
        text["value"] = list(map(self.value_shown, range(len(text["value"]))))
        del text["low"], text["high"]
        note = f"{percent(self.confidence)} intervals, for all of these at once"
        return [Table(columns, text, notes=[note], words=["rate", "lowest", "highest", "verdict"])]


@dataclass(frozen=True, eq=False, repr=False)
class Verdict(Result):
    """A disparity against its tolerance. Prints as sentences, renders as a table.

    Parameters
    ----------
    outcome : {"PASS", "FAIL", "INCONCLUSIVE"}
        Whether the interval lies within the tolerance, wholly beyond it, or on both sides of the bound.
    constraint, rate : str
        Which constraint, and the one of its rates on which the groups lie furthest apart.
    comparison : {"difference", "ratio"}
        What is bounded.
    reference : hashable
        The group that all others are compared with; None if all groups are compared with each other.
    value, low, high : float
        The disparity and its interval; NaN if no two groups can be compared in one of the rates.
    bound, confidence : float
        The tolerance, and the coverage probability of the interval.
    meets_bound : bool
        Whether the value, taken as it is, keeps the bound.
    groups : tuple of two labels
        The two groups that lie furthest apart, the one with the lower rate first.
    group_rates : tuple of two floats
        Their rates.
    pairs : PairVerdicts
        The same for every pair that was compared.
    smallest_detectable : float
        The smallest disparity between these two groups that would be told from parity with 80% power; NaN
        if none would be.
    min_group_size : int
        Groups with fewer (effective) rows to measure a rate on are called small.
    small_groups : tuple of labels
        Groups that are small; they are part of the comparison.
    unmeasured : mapping of str to tuple of labels
        For each rate that some groups do not have (its denominator is empty), these groups.
    """

    outcome: Outcome
    constraint: str
    rate: str
    comparison: PairComparison
    reference: Hashable
    value: float
    low: float
    high: float
    bound: float
    confidence: float
    meets_bound: bool
    groups: tuple[Hashable, Hashable] | tuple[()]
    group_rates: tuple[float, float] | tuple[()]
    pairs: PairVerdicts
    smallest_detectable: float
    min_group_size: int
    small_groups: tuple[Hashable, ...]
    unmeasured: Mapping[str, tuple[Hashable, ...]]
    library: Backend | None = None

    def _sentences(self) -> list[str]:
        """Say the verdict in words."""
        if not len(self.pairs):
            sentences = ["INCONCLUSIVE: fewer than two groups can be measured."]
        else:
            sentences = [*self._numbers(), *self._reasons()]
        if self.small_groups:
            names = list_groups(self.small_groups)
            sentences.append(f"Fewer than {self.min_group_size} rows to measure on: {names}.")
        for rate, groups in self.unmeasured.items():
            sentences.append(f"{rate} cannot be measured for: {list_groups(groups)}.")
        return sentences

    def _numbers(self) -> list[str]:
        """Say the disparity and its interval, and which two groups lie furthest apart."""
        lowest, highest = map(format_group, self.groups)
        lowest_rate, highest_rate = map(_written, self.group_rates)
        interval = f"({percent(self.confidence)} interval {number(self.low)} to {number(self.high)})"
        if len(self.pairs) == 1 and not np.isnan(self.value):
            return [
                f"{self.outcome}: {self.constraint} {self.comparison} {number(self.value)} {interval}, "
                f"{self.rate} from {lowest_rate} ({lowest}) to {highest_rate} ({highest})."
            ]
        # The interval is that of the worst of all pairs, and not of the pair that lies furthest apart.
        extreme = "largest difference" if self.comparison == "difference" else "smallest ratio"
        groups = "two groups" if self.reference is None else f"a group and {format_group(self.reference)}"
        first = f"{self.outcome}: {self.constraint}, {extreme} of {groups} {number(self.value)} {interval}."
        if np.isnan(self.value):
            missing = [rate for rate in self.unmeasured if rate not in self.pairs.rates]
            first = (
                f"{self.outcome}: the {self.comparison} of {self.constraint} is not known, for no two groups "
                f"can be compared in {' and '.join(missing)}."
            )
        pairs = zip(self.pairs.rates, self.pairs.lowest, self.pairs.highest, strict=True)
        value = self.pairs.value_shown([*pairs].index((self.rate, *self.groups)))
        return [
            first,
            f"Furthest apart: {lowest} ({lowest_rate}) and {highest} ({highest_rate}) in {self.rate}, "
            f"{value}.",
        ]

    def _reasons(self) -> list[str]:
        """Say what the interval rules out."""
        side = "above" if self.comparison == "difference" else "below"
        beyond = f"a {self.comparison} {side} {self.bound:g}"
        if self.outcome == "PASS":
            return [f"{beyond[0].upper()}{beyond[1:]} is ruled out at this n."]
        if self.outcome == "FAIL":
            pairs = self.pairs
            failing = np.flatnonzero([outcome == "FAIL" for outcome in pairs.outcomes])
            # The end of an interval that is nearest to the bound says how surely the pair breaks it.
            nearest = -pairs.low if self.comparison == "difference" else pairs.high
            worst = int(failing[nearest[failing].argmin()])
            lowest, highest = format_group(pairs.lowest[worst]), format_group(pairs.highest[worst])
            disparity = f"{pairs.value_shown(worst)} in {pairs.rates[worst]}"
            further = "" if len(failing) == 1 else f", and {len(failing) - 1:,} more (see .pairs)"
            return [f"There is {beyond} between {lowest} and {highest}: {disparity}{further}."]
        if self.unmeasured and self._keeps_bound:
            return [f"Where it can be measured, {beyond} is ruled out; elsewhere nothing is known."]
        sentences = [f"These rows do not settle whether there is {beyond}."]
        if np.isfinite(self.smallest_detectable):
            or_more = "more" if self.comparison == "difference" else "less"
            sentences.append(
                f"Between these two groups a {self.comparison} of {number(self.smallest_detectable)} or "
                f"{or_more} would be told from parity with 80% power."
            )
        else:
            sentences.append(
                "Nothing between these two groups would be told from parity with 80% power: they are too "
                "small, or the rate lies too near its end."
            )
        return sentences

    @property
    def _keeps_bound(self) -> bool:
        return all(outcome == "PASS" for outcome in self.pairs.outcomes)

    def __str__(self) -> str:
        return "\n".join(map(printable, self._sentences()))

    def _tables(self) -> list[Table]:
        names = [format_group(group) for group in self.groups] or ["", ""]
        rates = self.group_rates or (np.nan, np.nan)
        columns: dict[str, list[Any]] = {
            "verdict": [self.outcome],
            "constraint": [self.constraint],
            "comparison": [self.comparison],
            "bound": [self.bound],
            "value": [self.value],
            "low": [self.low],
            "high": [self.high],
            "rate": [self.rate],
            "lowest": names[:1],
            "highest": names[1:],
        }
        text = {name: list(map(number, values)) for name, values in columns.items()}
        text["value"] = [with_interval(self.value, self.low, self.high)]
        del text["low"], text["high"]
        columns |= {
            "lowest_rate": [float(rates[0])],
            "highest_rate": [float(rates[1])],
            "reference": ["" if self.reference is None else format_group(self.reference)],
            "confidence": [self.confidence],
            "meets_bound": [self.meets_bound],
            "smallest_detectable": [self.smallest_detectable],
            "min_group_size": [self.min_group_size],
            "small_groups": [", ".join(map(format_group, self.small_groups))],
            "unmeasured": [
                "; ".join(f"{r}: {', '.join(map(format_group, g))}" for r, g in self.unmeasured.items())
            ],
        }
        words = ["verdict", "constraint", "comparison", "rate", "lowest", "highest"]
        return [Table(columns, text, notes=self._sentences(), words=words)]


def verdict(
    counts: GroupCounts,
    constraint: Constraint | Rate | str,
    *,
    max_difference: float | None = None,
    min_ratio: float | None = None,
    reference: Hashable = None,
    confidence: float = 0.95,
    min_group_size: int = 30,
) -> Verdict:
    """Compare a disparity with a tolerance, by its interval.

    Parameters
    ----------
    counts : GroupCounts
        The table of counts, without strata; or a table made of it, such as :func:`group_metrics` returns.
    constraint : str, Constraint or Rate
        The rate, or the rates that should agree.
    max_difference : float >= 0, optional
        The largest difference that is tolerated, such as 0.05.
    min_ratio : float in (0, 1], optional
        The smallest ratio that is tolerated, such as 0.8. Give one of the two.
    reference : hashable, optional
        Label of a group: every other group is compared with it, in either direction (a ratio is the smaller
        over the larger rate). By default all groups are compared with each other. Name it before you look
        at the rates.
    confidence : float in (0, 1), default=0.95
        The coverage probability of the interval, over all compared pairs and all rates together.
    min_group_size : int, default=30
        Groups with fewer rows to measure a rate on are named; none is left out.

    Returns
    -------
    Verdict
        FAIL if the interval of some pair lies wholly beyond the bound; PASS if those of all pairs keep it
        and every group has every rate; else INCONCLUSIVE. ``.pairs`` has the verdict on each.

    Raises
    ------
    ValueError
        If not exactly one tolerance is given or it bounds nothing, the reference is not a group, or the
        counts have strata.

    Warns
    -----
    UserWarning
        If a group has nothing to measure a rate on; what is not measured never passes.

    See Also
    --------
    difference_interval : The interval that decides.
    contrasts : Signed differences with intervals and tests.
    smallest_detectable : The disparity that so many rows tell from parity.

    Notes
    -----
    A small disparity on few rows is no evidence of parity, and a large one none of unequal treatment; both
    are INCONCLUSIVE. The interval is that of :func:`difference_interval` or :func:`ratio_interval` (over the
    pairs with the reference, if there is one). Bounds are compared up to rounding, so that 40 of 100 against
    50 of 100 keep a ratio of 0.8.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.statistics import verdict
    >>> y_pred = np.repeat([1, 0, 1, 0], [60, 40, 45, 55])
    >>> counts = GroupCounts.from_predictions(y_pred, y_pred, sensitive_features=np.repeat(["a", "b"], 100))
    >>> print(verdict(counts, "demographic_parity", max_difference=0.05))
    INCONCLUSIVE: demographic_parity difference 0.150 (95% interval 0.012 to 0.280), selection_rate from
    0.450 (b) to 0.600 (a). These rows do not settle whether there is a difference above 0.05. Between
    these two groups a difference of 0.197 or more would be told from parity with 80% power.
    """
    counts = as_counts(counts)
    refuse_strata(counts, "A verdict")
    constraint = as_constraint(constraint)
    comparison, bound = _tolerance(constraint, max_difference, min_ratio)
    counts.warn_undefined(*constraint.rates, fewest=2)
    disparities = pair_disparities(counts, constraint, comparison, confidence, reference)
    # Seen from the bound, whether a disparity is worse: larger for differences, smaller for ratios.
    worse, extreme = (1, np.max) if comparison == "difference" else (-1, np.min)
    measured = [part for part in disparities if len(part.value)]
    # The disparity of several rates is not known where one of them cannot be compared.
    value = float("nan")
    if len(measured) == len(disparities):
        value = float(extreme([extreme(part.value) for part in measured]))
    low, high = worst_interval(disparities, comparison)
    if reference is not None and not measured:
        raise ValueError(
            f"The rate cannot be measured for the reference, {list_groups([reference])}, or for no other "
            "group: name another reference."
        )
    pairs = _pair_verdicts(counts, disparities, comparison, bound, worse, confidence)
    without_rows = {rate.name: _select(counts, rate.support(counts.cells) == 0) for rate in constraint.rates}
    unmeasured = {name: groups_without for name, groups_without in without_rows.items() if groups_without}
    outcome: Outcome = "INCONCLUSIVE"
    if "FAIL" in pairs.outcomes:
        outcome = "FAIL"
    elif measured and not unmeasured and set(pairs.outcomes) == {"PASS"}:
        outcome = "PASS"
    rate, detectable = constraint.rates[0], float("nan")
    groups: tuple[Hashable, Hashable] | tuple[()] = ()
    rates: tuple[float, float] | tuple[()] = ()
    if measured:
        furthest = max(measured, key=lambda part: worse * extreme(part.value))
        rate, ends = furthest.rate, _furthest_pair(furthest, extreme(furthest.value))
        groups = counts.groups[ends[0]], counts.groups[ends[1]]
        rates = float(rate(counts.cells)[ends[0]]), float(rate(counts.cells)[ends[1]])
        detectable = smallest_detectable_between(counts, rate, ends, comparison, furthest.level)
    smallest_sizes = np.min([effective_rows(counts, rate) for rate in constraint.rates], axis=0)
    has_rates = np.all([rate.support(counts.cells) != 0 for rate in constraint.rates], axis=0)
    return Verdict(
        outcome=outcome,
        constraint=constraint.name,
        rate=rate.name,
        comparison=comparison,
        reference=reference,
        value=value,
        low=low,
        high=high,
        bound=bound,
        confidence=confidence,
        meets_bound=bool(worse * (value - bound) <= _ROUNDING),
        groups=groups,
        group_rates=rates,
        pairs=pairs,
        smallest_detectable=detectable,
        min_group_size=min_group_size,
        small_groups=_select(counts, has_rates & (smallest_sizes < min_group_size)),
        unmeasured=unmeasured,
        library=counts.library,
    )


def _furthest_pair(part: PairDisparities, value: float) -> tuple[int, int]:
    """Return the positions of the two groups with a disparity, the one with the lower rate first.

    Every ratio to a rate of 0 is 0: of these pairs, the one with the largest difference lies furthest apart.
    """
    differences = abs(part.rates[part.first] - part.rates[part.second])
    return part.lowest_first(int(np.argmax(np.where(part.value == value, differences, -1))))


def _pair_verdicts(
    counts: GroupCounts,
    disparities: list[PairDisparities],
    comparison: PairComparison,
    bound: float,
    worse: int,
    confidence: float,
) -> PairVerdicts:
    """Return the verdict on every pair."""
    # Arrays throughout: a thousand groups make half a million pairs.
    sizes = [len(part.value) for part in disparities]
    first, second, values, low, high = (
        np.concatenate([getattr(part, name) for part in disparities])
        for name in ("first", "second", "value", "low", "high")
    )
    first_rates, second_rates = (
        np.concatenate([part.rates[getattr(part, side)] for part in disparities])
        for side in ("first", "second")
    )
    in_order = first_rates <= second_rates
    labels = np.fromiter(counts.groups, dtype=object, count=len(counts.groups))
    mildest, worst = (low, high) if comparison == "difference" else (high, low)
    passes, fails = worse * (worst - bound) <= _ROUNDING, worse * (mildest - bound) > _ROUNDING
    return PairVerdicts(
        rates=tuple(np.repeat([part.rate.name for part in disparities], sizes).tolist()),
        lowest=tuple(labels[np.where(in_order, first, second)]),
        highest=tuple(labels[np.where(in_order, second, first)]),
        lowest_rates=np.where(in_order, first_rates, second_rates),
        highest_rates=np.where(in_order, second_rates, first_rates),
        values=values,
        low=low,
        high=high,
        outcomes=tuple(np.select([passes, fails], ["PASS", "FAIL"], "INCONCLUSIVE").tolist()),
        confidence=confidence,
        library=counts.library,
    )


def _tolerance(
    constraint: Constraint, max_difference: float | None, min_ratio: float | None
) -> tuple[PairComparison, float]:
    """Return what is bounded, and the bound."""
    if (max_difference is None) == (min_ratio is None):
        raise ValueError("Give one tolerance: max_difference, such as 0.05, or min_ratio, such as 0.8.")
    tolerance = max_difference if min_ratio is None else min_ratio
    if not isinstance(tolerance, int | float | np.number):
        raise TypeError(f"A tolerance is a number, such as 0.05 or 0.8; got {tolerance!r}.")
    if max_difference is not None:
        if not max_difference >= 0:
            raise ValueError(f"max_difference must not be negative; got {max_difference!r}.")
        return "difference", constraint.check_max_difference(max_difference)
    if min_ratio is None or not 0 < min_ratio <= 1:
        raise ValueError(f"min_ratio must lie above 0 and at most at 1, such as 0.8; got {min_ratio!r}.")
    return "ratio", min_ratio


def _written(rate: float) -> str:
    """Write a rate: one that is small but not 0 does not look like 0."""
    return number(rate) if rate == 0 or rate >= 0.0005 else f"{rate:.1e}"


def _select(counts: GroupCounts, mask: Bools) -> tuple[Hashable, ...]:
    """Return the groups where a mask is true."""
    return tuple(group for group, flag in zip(counts.groups, mask, strict=True) if flag)
