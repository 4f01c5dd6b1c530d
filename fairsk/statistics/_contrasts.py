"""Contrasts: signed differences and ratios of a group to a baseline, with intervals and tests."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, overload

import numpy as np

from fairsk._core.amount_sums import GroupAmounts
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import check_reference_given, format_group, position_of
from fairsk._core.results import MOST_LINES, Backend, Result, Table, amount, number, p_value, percent
from fairsk._core.typing import Floats, Ints
from fairsk._core.validation import check_choice
from fairsk.rates import CELLS, MeanRate, Rate
from fairsk.statistics._intervals import joint_confidence, rate_intervals
from fairsk.statistics._measures import GroupTable, Measure
from fairsk.statistics._multiplicity import Adjustment, adjust_p_values
from fairsk.statistics._pairs import (
    Interval,
    PairComparison,
    check_comparison,
    equality_z,
    mover_r_interval,
    newcombe_interval,
    two_sided,
    welch_interval,
    welch_t,
)
from fairsk.statistics._proportions import mean_on, rate_on, refuse_strata, takes_tables

__all__ = ["ContrastMethod", "Contrasts", "contrasts", "pair_intervals", "rest_of"]

#: What a group is compared with: :data:`fairsk.rates.Method`, and all other groups together.
ContrastMethod: TypeAlias = Literal["between_groups", "to_overall", "to_rest", "to_reference"]


@dataclass(frozen=True, eq=False, repr=False)
class Contrasts(Result):
    """Contrasts of one rate with their intervals and p-values, one per line. Prints and renders itself.

    Parameters
    ----------
    rate : str
        Which rate.
    comparison : {"difference", "ratio"}
        Whether a contrast is the rate minus its baseline, or divided by it.
    confidence : float
        The coverage probability of each interval, or of all together if ``simultaneous``.
    simultaneous : bool
        Whether the intervals hold together.
    adjust : {"holm", "bonferroni", "benjamini-hochberg"} or None
        How ``adjusted_p_values`` are adjusted.
    groups, baselines : tuple of length n_contrasts
        The group of each contrast and the one it is compared with; ``"overall"`` or ``"rest"`` for all
        groups, or all others.
    rates, baseline_rates : array of shape (n_contrasts,)
        The two rates of each contrast.
    values, low, high : array of shape (n_contrasts,)
        The contrasts and their intervals; NaN where a rate cannot be measured.
    z, p_values, adjusted_p_values : array of shape (n_contrasts,)
        The test that the two rates are equal.
    """

    rate: str
    comparison: PairComparison
    confidence: float
    simultaneous: bool
    adjust: Adjustment | None
    groups: tuple[Hashable, ...]
    baselines: tuple[Hashable, ...]
    rates: Floats
    baseline_rates: Floats
    values: Floats
    low: Floats
    high: Floats
    z: Floats
    p_values: Floats
    adjusted_p_values: Floats
    library: Backend | None = None
    _of_amounts: bool = False

    def _tables(self) -> list[Table]:
        columns = {
            "group": list(map(format_group, self.groups)),
            "baseline": list(map(format_group, self.baselines)),
            self.rate: self.rates.tolist(),
            "baseline_rate": self.baseline_rates.tolist(),
            self.comparison: self.values.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "z": self.z.tolist(),
            "p": self.p_values.tolist(),
            "adjusted_p": self.adjusted_p_values.tolist(),
        }
        written = amount if self._of_amounts else number
        text = {name: list(map(written, values[:MOST_LINES])) for name, values in columns.items()}
        text["z"] = [number(z, 2) for z in columns["z"][:MOST_LINES]]
        for name in ("p", "adjusted_p"):
            text[name] = list(map(p_value, columns[name][:MOST_LINES]))
        if self.adjust is None:
            del text["adjusted_p"]
        scope = "together" if self.simultaneous else "each"
        notes = [f"Intervals hold with {percent(self.confidence)} confidence {scope}."]
        return [Table(columns, text, notes=notes, words=("baseline",))]


@takes_tables
def contrasts(
    counts: GroupTable,
    rate: Rate | MeanRate | str,
    *,
    method: ContrastMethod = "between_groups",
    reference: Hashable = None,
    comparison: PairComparison = "difference",
    confidence: float = 0.95,
    simultaneous: bool = False,
    adjust: Adjustment | None = "holm",
) -> Contrasts:
    """Compare each group with a baseline, with the sign, an interval and a test.

    Parameters
    ----------
    counts : GroupCounts or GroupAmounts
        The table of counts, without strata, or of amounts.
    rate : str, Rate or MeanRate
        Which rate, or mean of amounts.
    method : {"between_groups", "to_overall", "to_rest", "to_reference"}, default="between_groups"
        Compare each group with every other group (all pairs), with all groups together, with all other
        groups together, or with one reference group.
    reference : hashable, optional
        Label of the reference group, for ``method="to_reference"``. Name it before looking: the group that
        turned out highest is no reference for these intervals; use ``"between_groups"`` instead.
    comparison : {"difference", "ratio"}, default="difference"
        The rate minus that of the baseline (-1 to 1 for shares, 0 is parity), or divided by it (0 to
        infinity, 1 is parity).
    confidence : float in (0, 1), default=0.95
        The coverage probability of each interval.
    simultaneous : bool, default=False
        Let all intervals hold together with that probability (Bonferroni).
    adjust : {"holm", "bonferroni", "benjamini-hochberg"} or None, default="holm"
        How p-values are adjusted for the number of contrasts.

    Returns
    -------
    Contrasts
        One contrast per group (or pair); NaN, and a warning that names the group, where the rate has an
        empty denominator.

    Raises
    ------
    ValueError
        If the counts have strata, the reference is missing or unknown, a ratio is asked of a rate that can
        be negative, or ``confidence`` does not lie between 0 and 1.

    See Also
    --------
    difference_interval : The interval of the largest difference over all pairs.
    two_group_test : Exact tests of two groups.
    verdict : A disparity against a tolerance.

    Notes
    -----
    Differences have Newcombe's hybrid interval [1]_ and ratios that of Donner and Zou (MOVER-R) [2]_, both
    from Wilson intervals; z is the difference by its standard error at the pooled rate. Weighted rows count
    by their effective number.

    A group is a part of the overall: with s its share of the rate's denominator, its difference to the
    overall is (1 - s) times its difference to the rest, and with q its ratio to the rest, its ratio to the
    overall is q / (s q + 1 - s). The interval is transformed in the same way, with s taken as fixed.

    Means of amounts have Student's intervals. Differences of those that may be negative have Welch's
    [3]_; z is Welch's t then, and p-values are of its distribution.

    A contrast of -0.05 says: the group's rate lies 5 percentage points below the baseline.

    References
    ----------
    .. [1] Newcombe, Interval Estimation for the Difference Between Independent Proportions, Statistics in
       Medicine 17, 1998.
    .. [2] Donner & Zou, Closed-Form Confidence Intervals for Functions of the Normal Mean and Standard
       Deviation, Statistical Methods in Medical Research 21, 2012.
    .. [3] Welch, The Generalization of "Student's" Problem when Several Different Population Variances are
       Involved, Biometrika 34, 1947.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.statistics import contrasts
    >>> y_pred = np.repeat([1, 0, 1, 0, 1, 0], [60, 40, 45, 55, 25, 25])
    >>> group = np.repeat(["a", "b", "c"], [100, 100, 50])
    >>> counts = GroupCounts.from_predictions(y_pred, y_pred, sensitive_features=group)
    >>> result = contrasts(counts, "selection_rate", method="to_reference", reference="a")
    >>> print(result)
    group  baseline  selection_rate  baseline_rate  difference     low    high      z      p  adjusted_p
    ----------------------------------------------------------------------------------------------------
    b      a                  0.450          0.600      -0.150  -0.280  -0.012  -2.12  0.034       0.067
    c      a                  0.500          0.600      -0.100  -0.261   0.066  -1.17  0.244       0.244
    Intervals hold with 95% confidence each.
    """
    refuse_strata(counts, "A contrast")
    asked: Rate | MeanRate = mean_on(rate) if isinstance(counts, GroupAmounts) else rate_on(rate)
    check_comparison(comparison, asked)
    check_choice("adjust", adjust, Adjustment | None)
    first, second = _sides(counts, method, reference)
    groups = _take(counts, first)
    baselines = rest_of(counts) if second is None else _take(counts, second)
    counts.warn_undefined(asked, fewest=2)  # type: ignore[arg-type]

    level = joint_confidence(confidence, len(first)) if simultaneous else confidence
    one, two = Measure(asked, groups), Measure(asked, baselines)
    values, (low, high) = _pair_intervals(one, two, comparison, level)
    baseline_rates = two.values
    if method == "to_overall":
        total = Measure(asked, counts.overall())
        baseline_rates = np.where(np.isnan(baseline_rates), np.nan, total.values)
        with np.errstate(invalid="ignore"):  # no rows at all: NaN, as all contrasts then are
            share = one.support() / total.support()
        values, low, high = (_within(value, share, comparison) for value in (values, low, high))
    z, p_values = equality_test(one, two)
    return Contrasts(
        rate=asked.name,
        comparison=comparison,
        confidence=confidence,
        simultaneous=simultaneous,
        adjust=adjust,
        groups=tuple(counts.groups[i] for i in first),
        baselines=tuple(
            method.removeprefix("to_") if second is None else counts.groups[second[i]]
            for i in range(len(first))
        ),
        rates=one.values,
        baseline_rates=baseline_rates,
        values=values,
        low=low,
        high=high,
        z=z,
        p_values=p_values,
        adjusted_p_values=p_values if adjust is None else adjust_p_values(p_values, adjust),
        library=counts.library,
        _of_amounts=isinstance(counts, GroupAmounts),
    )


def pair_intervals(
    first: GroupCounts, second: GroupCounts, rate: Rate, comparison: PairComparison, confidence: float
) -> tuple[Floats, Interval]:
    """Return the contrasts of the groups of two tables, pair by pair, and their intervals."""
    return _pair_intervals(Measure(rate, first), Measure(rate, second), comparison, confidence)


def _pair_intervals(
    first: Measure, second: Measure, comparison: PairComparison, confidence: float
) -> tuple[Floats, Interval]:
    one, two = (side.estimate(*rate_intervals(side.table, side.rate, confidence)) for side in (first, second))
    if comparison == "difference":
        means = first.means(), second.means()
        if means[0] is not None and means[1] is not None:
            return one.value - two.value, welch_interval(means[0], means[1], confidence)
        return one.value - two.value, newcombe_interval(one, two)
    if min(np.nanmin(side.value, initial=0.0) for side in (one, two)) < 0:
        raise ValueError(f"The ratio of {first.name} is not defined: some are negative. Use the difference.")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((one.value == 0) & (two.value == 0), 1.0, one.value / two.value)
    return ratio, mover_r_interval(one, two)


def equality_test(first: Measure, second: Measure) -> tuple[Floats, Floats]:
    """Return z (of means Welch's t) and the p-value for the groups of two tables, pair by pair."""
    if isinstance(first.rate, MeanRate):
        return welch_t(first.mean_errors(), second.mean_errors())
    z = equality_z(first.table, second.table, first.rate)  # type: ignore[arg-type]
    return z, two_sided(z)


@overload
def rest_of(counts: GroupCounts) -> GroupCounts: ...
@overload
def rest_of(counts: GroupAmounts) -> GroupAmounts: ...
def rest_of(counts: GroupTable) -> GroupTable:
    """Return for each group the table of all other groups together."""
    if isinstance(counts, GroupAmounts):
        return counts.others()

    def rest(table: Mapping[str, Floats]) -> dict[str, Floats]:
        differences = {cell: table[cell].sum() - table[cell] for cell in CELLS}
        # A difference of equal sums of weights may be a trace of rounding and not 0.
        return {
            cell: np.where(difference > 1e-12 * table[cell].sum(), difference, 0.0)
            for cell, difference in differences.items()
        }

    return GroupCounts(counts.groups, rest(counts.cells), rest(counts.squares), labelled=counts.labelled)


def _take(counts: GroupTable, positions: Ints) -> GroupTable:
    """Return the table of the groups at these places, which may repeat."""
    if isinstance(counts, GroupAmounts):
        return counts.at(positions)
    cells, squares = (
        {cell: table[cell][positions] for cell in CELLS} for table in (counts.cells, counts.squares)
    )
    return GroupCounts(range(len(positions)), cells, squares, labelled=counts.labelled)


def _sides(counts: GroupTable, method: ContrastMethod, reference: Hashable) -> tuple[Ints, Ints | None]:
    """Return the places of the groups on both sides of the contrasts; None for all other groups."""
    check_choice("method", method, ContrastMethod)
    check_reference_given(method, reference, counts.groups)
    positions = np.arange(len(counts.groups))
    if method == "to_reference":
        reference_place = position_of(reference, counts.groups)
        others = np.delete(positions, reference_place)
        return others, np.full(len(others), reference_place)
    if method == "between_groups":
        first, second = np.triu_indices(len(positions), 1)
        return first, second
    return positions, None


def _within(value: Floats, share: Floats, comparison: PairComparison) -> Floats:
    """Turn contrasts with the rest into contrasts with a whole of which the group is this share."""
    if comparison == "difference":
        return (1 - share) * value
    with np.errstate(divide="ignore"):
        return 1 / (share + (1 - share) / value)
