"""Verdicts: whether a disparity keeps a tolerance, breaks it, or cannot be told at this number of rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from fairsk.counts import GroupCounts
from fairsk.groups import format_group
from fairsk.rates import CELLS, Constraint, Rate
from fairsk.statistics.intervals import difference_interval, joint_confidence, ratio_interval
from fairsk.statistics.pairs import PairComparison, check_comparison
from fairsk.statistics.shares import (
    as_constraint,
    effective_rows,
    rate_variances,
    refuse_strata,
    share_behind,
)
from fairsk.tables import Table, Tabular, number, percent, printable, with_interval

__all__ = ["Outcome", "Verdict", "smallest_detectable", "verdict"]

Outcome: TypeAlias = Literal["PASS", "FAIL", "INCONCLUSIVE"]

#: Two numbers that differ by less are the same: 0.4 / 0.5 is not below 0.8.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Verdict(Tabular):
    """A disparity against its tolerance. Prints as sentences, renders as a table.

    Parameters
    ----------
    outcome : {"PASS", "FAIL", "INCONCLUSIVE"}
        The interval lies within the tolerance, wholly beyond it, or on both sides of the bound.
    criterion, rate : str
        Which constraint, and the one of its rates on which the groups lie furthest apart.
    comparison : {"difference", "ratio"}
        What is bounded.
    value, low, high : float
        The disparity and its interval.
    bound, confidence : float
        The tolerance, and the coverage probability of the interval.
    meets_bound : bool
        Whether the value, taken as it is, keeps the bound.
    groups : tuple of two labels
        The groups with the lowest and the highest rate.
    group_rates : tuple of two floats
        Their rates.
    smallest_detectable : float
        The smallest disparity between these two groups that would be told from parity with 80% power; NaN
        if none would be.
    min_group_size : int
        Groups with fewer (effective) rows to measure a rate on are called small.
    small_groups : tuple of labels
        Groups that are small; they are part of the comparison.
    unmeasured_groups : tuple of labels
        Groups in which a rate has an empty denominator; they are not.
    """

    outcome: Outcome
    criterion: str
    rate: str
    comparison: PairComparison
    value: float
    low: float
    high: float
    bound: float
    confidence: float
    meets_bound: bool
    groups: tuple[Hashable, ...]
    group_rates: tuple[float, ...]
    smallest_detectable: float
    min_group_size: int
    small_groups: tuple[Hashable, ...]
    unmeasured_groups: tuple[Hashable, ...]

    def _sentences(self) -> list[str]:
        """Say the verdict in words."""
        if np.isnan(self.value):
            told = ["INCONCLUSIVE: fewer than two groups can be measured."]
        else:
            (low, high), (least, most) = map(format_group, self.groups), map(number, self.group_rates)
            beyond = f"{'beyond' if self.comparison == 'difference' else 'below'} {self.bound:g}"
            told = [
                f"{self.outcome}: {self.criterion} {self.comparison} {number(self.value)} "
                f"({percent(self.confidence)} interval {number(self.low)} to {number(self.high)}), "
                f"{self.rate} from {least} ({low}) to {most} ({high}).",
                {
                    "PASS": f"A disparity {beyond} is ruled out at this n.",
                    "FAIL": f"There is a disparity {beyond}.",
                    "INCONCLUSIVE": f"No evidence of a disparity {beyond} at this n, and none against it.",
                }[self.outcome],
                f"Between these two groups a {self.comparison} of {number(self.smallest_detectable)} or "
                f"{'more' if self.comparison == 'difference' else 'less'} would be told from parity with 80% "
                "power."
                if np.isfinite(self.smallest_detectable)
                else "Between these two groups no disparity would be told from parity with 80% power.",
            ]
        if self.small_groups:
            named = ", ".join(map(format_group, self.small_groups))
            told.append(f"Fewer than {self.min_group_size} rows to measure on: {named}.")
        if self.unmeasured_groups:
            told.append(f"Cannot be measured: {', '.join(map(format_group, self.unmeasured_groups))}.")
        return told

    def __str__(self) -> str:
        return "\n".join(map(printable, self._sentences()))

    def _tables(self) -> list[Table]:
        names = [format_group(group) for group in self.groups] or ["", ""]
        columns: dict[str, list[Any]] = {
            "verdict": [self.outcome],
            "criterion": [self.criterion],
            "comparison": [self.comparison],
            "value": [self.value],
            "low": [self.low],
            "high": [self.high],
            "bound": [self.bound],
            "lowest": [names[0]],
            "highest": [names[1]],
            "smallest_detectable": [self.smallest_detectable],
        }
        shown = {name: list(map(number, values)) for name, values in columns.items()}
        shown["value"] = [with_interval(self.value, self.low, self.high)]
        del shown["low"], shown["high"]
        return [Table(columns, shown, notes=self._sentences())]


def verdict(
    counts: GroupCounts,
    criterion: Constraint | Rate | str,
    *,
    max_difference: float | None = None,
    min_ratio: float | None = None,
    confidence: float = 0.95,
    min_group_size: int = 30,
) -> Verdict:
    """Judge a disparity against a tolerance, by its interval.

    Parameters
    ----------
    counts : GroupCounts
        The table of counts, without strata.
    criterion : str, Constraint or Rate
        The rate, or the rates that should agree.
    max_difference : float >= 0, optional
        The largest difference that is tolerated, such as 0.05.
    min_ratio : float in (0, 1], optional
        The smallest ratio that is tolerated, such as 0.8. Give one of the two.
    confidence : float in (0, 1), default=0.95
        The coverage probability of the interval, over all pairs of groups and all rates together.
    min_group_size : int, default=30
        Groups with fewer rows to measure a rate on are named; none is left out.

    Returns
    -------
    Verdict
        PASS if the whole interval keeps the bound, FAIL if all of it lies beyond, else INCONCLUSIVE.

    Raises
    ------
    ValueError
        If not exactly one tolerance is given or it bounds nothing, or the counts have strata.

    Notes
    -----
    A small disparity on few rows is no evidence of parity, and a large one none of unequal treatment; both
    are INCONCLUSIVE. The interval is that of :func:`difference_interval` or :func:`ratio_interval`. Bounds
    are compared up to rounding, so that 40 of 100 against 50 of 100 keep a ratio of 0.8.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.statistics import verdict
    >>> y_pred = np.repeat([1, 0, 1, 0], [60, 40, 45, 55])
    >>> counts = GroupCounts.from_predictions(y_pred, y_pred, sensitive_features=np.repeat(["a", "b"], 100))
    >>> print(verdict(counts, "demographic_parity", max_difference=0.05))
    INCONCLUSIVE: demographic_parity difference 0.150 (95% interval 0.012 to 0.280), selection_rate from
    0.450 (b) to 0.600 (a).
    No evidence of a disparity beyond 0.05 at this n, and none against it.
    Between these two groups a difference of 0.197 or more would be told from parity with 80% power.
    """
    refuse_strata(counts, "A verdict")
    constraint = as_constraint(criterion)
    comparison, bound = _tolerance(constraint, max_difference, min_ratio)
    for rate in constraint.rates:
        counts._warn_undefined(rate, fewest=2)
    value = float(constraint.compare(counts.cells, comparison))
    interval = difference_interval if comparison == "difference" else ratio_interval
    low, high = interval(counts, constraint, confidence)
    # Seen from the bound, whether a disparity is worse: larger for differences, smaller for ratios.
    mildest, worst, worse = (low, high, 1) if comparison == "difference" else (high, low, -1)
    outcome: Outcome = "INCONCLUSIVE"
    if worse * (worst - bound) <= _ROUNDING:
        outcome = "PASS"
    elif worse * (mildest - bound) > _ROUNDING:
        outcome = "FAIL"
    rate, groups, rates = _furthest(counts, constraint, comparison)
    detectable = float("nan")
    if groups:
        level = _joint(counts, constraint, confidence)
        pair = tuple(np.array([counts.groups.index(group)]) for group in groups)
        detectable = float(_detectable(counts, rate, pair, comparison, level, power=0.8)[0])
    measured = np.all([rate.support(counts.cells) != 0 for rate in constraint.rates], axis=0)
    fewest = np.min([effective_rows(counts, rate) for rate in constraint.rates], axis=0)
    return Verdict(
        outcome=outcome,
        criterion=constraint.name,
        rate=rate.name,
        comparison=comparison,
        value=value,
        low=low,
        high=high,
        bound=bound,
        confidence=confidence,
        meets_bound=bool(worse * (value - bound) <= _ROUNDING),
        groups=groups,
        group_rates=rates,
        smallest_detectable=detectable,
        min_group_size=min_group_size,
        small_groups=_named(counts, measured & (fewest < min_group_size)),
        unmeasured_groups=_named(counts, ~measured),
    )


def smallest_detectable(
    counts: GroupCounts,
    criterion: Constraint | Rate | str,
    *,
    comparison: PairComparison = "difference",
    groups: Sequence[Hashable] | None = None,
    power: float = 0.8,
    confidence: float = 0.95,
) -> float:
    """Return the smallest disparity that groups of these sizes would let us tell from parity.

    Parameters
    ----------
    counts : GroupCounts
        The table of counts, without strata. Of the rates, only the one of all groups together is used.
    criterion : str, Constraint or Rate
        The rate, or the rates that should agree.
    comparison : {"difference", "ratio"}, default="difference"
        Which disparity.
    groups : sequence of two labels, optional
        The two groups that it lies between; by default any two, so that the smallest groups decide.
    power : float in (0, 1), default=0.8
        The probability that such a disparity is told from parity.
    confidence : float in (0, 1), default=0.95
        That of the test, held over all pairs of groups and all rates together (Bonferroni).

    Returns
    -------
    float
        A difference of at least this, or a ratio of at most this, is found with that power; NaN if no
        disparity would be, or fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If the counts have strata, the groups are unknown, or ``power`` or ``confidence`` is no probability.

    Notes
    -----
    With n and m the (effective) sizes, P the rate of all groups together, and p - q = d two rates whose
    mean, weighted by size, is P, it is the d that solves

        d = z_(1 - alpha / 2) sqrt(P (1 - P) (1 / n + 1 / m)) + z_power sqrt(p (1 - p) / n + q (1 - q) / m)

    for the group that makes d larger when it has the higher rate [1]_.

    References
    ----------
    .. [1] Fleiss, Levin & Paik, Statistical Methods for Rates and Proportions, 3rd edition, Wiley, 2003,
       section 4.2.

    Examples
    --------
    Some 390 rows per group are needed to see that one is selected 40% of the time and the other 50%:

    >>> import numpy as np
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.statistics import smallest_detectable
    >>> y_pred = np.tile([1, 0], 390)
    >>> counts = GroupCounts.from_predictions(y_pred, y_pred, sensitive_features=np.repeat(["a", "b"], 390))
    >>> print(f"{smallest_detectable(counts, 'demographic_parity'):.3f}")
    0.100
    """
    refuse_strata(counts, "A smallest disparity")
    if not 0 < power < 1:
        raise ValueError(f"power must lie between 0 and 1, such as 0.8; got {power!r}.")
    constraint = as_constraint(criterion)
    check_comparison(comparison, *constraint.rates)
    if groups is not None and (len(set(groups)) != 2 or not set(groups) <= set(counts.groups)):
        raise ValueError(f"Name two of the groups with groups=: {', '.join(map(repr, counts.groups))}.")
    level = _joint(counts, constraint, confidence)
    found = []
    for rate in constraint.rates:
        counts._warn_undefined(rate, fewest=2)
        if groups is None:
            measured = np.flatnonzero(rate.support(counts.cells) != 0)
            pairs = tuple(measured[side] for side in np.triu_indices(len(measured), 1))
        else:
            pairs = tuple(np.array([counts.groups.index(group)]) for group in groups)
        found.append(_detectable(counts, rate, pairs, comparison, level, power))
    every = np.concatenate(found)
    if len(every) == 0:
        return float("nan")
    return float(every.max() if comparison == "difference" else every.min())


def _tolerance(
    constraint: Constraint, max_difference: float | None, min_ratio: float | None
) -> tuple[PairComparison, float]:
    """Return what is bounded, and the bound."""
    if (max_difference is None) == (min_ratio is None):
        raise ValueError("Give one tolerance: max_difference, such as 0.05, or min_ratio, such as 0.8.")
    if max_difference is not None:
        if not max_difference >= 0:
            raise ValueError(f"max_difference must not be negative; got {max_difference!r}.")
        return "difference", constraint.check_max_difference(max_difference)
    if min_ratio is None or not 0 < min_ratio <= 1:
        raise ValueError(f"min_ratio must lie above 0 and at most at 1, such as 0.8; got {min_ratio!r}.")
    return "ratio", min_ratio


def _joint(counts: GroupCounts, constraint: Constraint, confidence: float) -> float:
    """Return the confidence of one pair and rate, if all hold together with this one."""
    n_pairs = len(counts.groups) * (len(counts.groups) - 1) // 2
    return joint_confidence(confidence, n_pairs * len(constraint.rates))


def _furthest(
    counts: GroupCounts, constraint: Constraint, comparison: PairComparison
) -> tuple[Rate, tuple[Hashable, ...], tuple[float, ...]]:
    """Return the rate on which groups lie furthest apart, the lowest and the highest group, their rates."""
    gaps = [float(Constraint(r.name, r).compare(counts.cells, comparison)) for r in constraint.rates]
    if np.isnan(gaps).all():
        return constraint.rates[0], (), ()
    rate = constraint.rates[int(np.nanargmax(gaps) if comparison == "difference" else np.nanargmin(gaps))]
    values = rate(counts.cells)
    places = [int(np.nanargmin(values)), int(np.nanargmax(values))]
    if places[0] == places[1]:  # all groups are alike: any two will do
        places = np.flatnonzero(~np.isnan(values))[:2].tolist()
    return rate, tuple(counts.groups[i] for i in places), tuple(float(values[i]) for i in places)


def _named(counts: GroupCounts, which: NDArray[np.bool_]) -> tuple[Hashable, ...]:
    return tuple(group for group, chosen in zip(counts.groups, which, strict=True) if chosen)


def _detectable(
    counts: GroupCounts,
    rate: Rate,
    pairs: tuple[NDArray[np.intp], ...],
    comparison: PairComparison,
    confidence: float,
    power: float,
) -> NDArray[np.float64]:
    """Return the smallest disparity of one rate that each pair of groups would let us tell from parity."""
    z = float(ndtri(0.5 + confidence / 2)), float(ndtri(power))
    share = share_behind(rate)
    if share is None:  # the spread of such a rate is not known elsewhere than at its pooled value
        pooled = rate({cell: counts.cells[cell].sum(0) for cell in CELLS})
        variance = rate_variances(counts, rate, pooled)
        support = rate.support(counts.cells)
        gap = sum(z) * np.sqrt(variance[pairs[0]] + variance[pairs[1]])
        high, low = (support[side] for side in pairs)
        return _apart(pooled, gap, high, low, lambda value: value, comparison)
    p, n = share.effective(counts)
    measured = n > 0
    pooled = np.average(p[measured], weights=n[measured]) if measured.any() else float("nan")
    sizes = [n[side] for side in pairs]
    found = [
        _apart(pooled, _gap(pooled, high, low, z), high, low, share.rate_at, comparison)
        for high, low in (sizes, sizes[::-1])
    ]
    return np.maximum(*found) if comparison == "difference" else np.minimum(*found)


def _gap(
    pooled: float, high: NDArray[np.float64], low: NDArray[np.float64], z: tuple[float, float]
) -> NDArray[np.float64]:
    """Return the difference of two shares at which the test has its power, by bisection.

    The sizes are those of the group with the higher and the low share. It is NaN where even the largest
    difference that leaves the mean as it is falls short.
    """
    part = low / (high + low)  # how much of the difference lies above the mean
    at_parity = z[0] * np.sqrt(pooled * (1 - pooled) * (1 / high + 1 / low))

    def enough(gap: NDArray[np.float64]) -> NDArray[np.bool_]:
        p, q = np.clip((pooled + gap * part, pooled - gap * (1 - part)), 0, 1)
        return gap >= at_parity + z[1] * np.sqrt(p * (1 - p) / high + q * (1 - q) / low)

    below, above = np.zeros_like(part), np.minimum((1 - pooled) / part, pooled / (1 - part))
    possible = enough(above) & (above > 0)
    for _ in range(60):
        middle = (below + above) / 2
        found = enough(middle)
        below, above = np.where(found, below, middle), np.where(found, middle, above)
    return np.where(possible, above, np.nan)


def _apart(
    pooled: float,
    gap: NDArray[np.float64],
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    rate_at: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    comparison: PairComparison,
) -> NDArray[np.float64]:
    """Return the disparity of rates this far apart, in groups of these sizes, around a common mean."""
    part = low / (high + low)
    most, least = rate_at(pooled + gap * part), rate_at(pooled - gap * (1 - part))
    return most - least if comparison == "difference" else least / most
