"""Verdicts: a disparity and its interval against a tolerance, PASS, FAIL or INCONCLUSIVE."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

import numpy as np

from fairsk._core.groups import format_group, list_groups, position_of
from fairsk._core.messages import show
from fairsk._core.results import Backend, Result, Table, amount, number, percent, printable
from fairsk._core.typing import Bools, Ints
from fairsk.rates import Constraint, MeanRate, Rate
from fairsk.statistics._detectable import smallest_detectable_between
from fairsk.statistics._intervals import (
    PairDisparities,
    check_confidence,
    complete,
    pair_disparities,
    worst_interval,
)
from fairsk.statistics._measures import GroupTable, Measure, measures_of
from fairsk.statistics._pair_verdicts import ROUNDING, Outcome, PairVerdicts, judge_pairs
from fairsk.statistics._pairs import Estimate, PairComparison, check_comparison
from fairsk.statistics._proportions import constraint_on, takes_tables

__all__ = [
    "MeasuredDisparity",
    "Outcome",
    "PairVerdicts",
    "Reason",
    "Verdict",
    "check_bound",
    "measure_disparity",
    "verdict",
]

#: Why an outcome is what it is.
Reason: TypeAlias = Literal[
    "kept",  # PASS: the intervals of all pairs keep the bound
    "broken",  # FAIL: that of some pair lies wholly beyond it
    "not_settled",  # INCONCLUSIVE: some interval holds the bound
    "partly_measured",  # INCONCLUSIVE: what can be measured keeps the bound; some group lacks a rate
    "not_measured",  # INCONCLUSIVE: no two groups can be compared, in one of the rates
    "no_labels",  # NOT APPLICABLE: a rate depends on labels, and there are none
    "one_group",  # NOT APPLICABLE: there are not two groups
    "no_reference",  # NOT APPLICABLE: the reference is not among the groups
    "no_bound",  # measured, and compared with nothing
]
_OUTCOMES: Mapping[Reason, Outcome | Literal["NOT APPLICABLE"]] = {
    "kept": "PASS",
    "broken": "FAIL",
    "not_settled": "INCONCLUSIVE",
    "partly_measured": "INCONCLUSIVE",
    "not_measured": "INCONCLUSIVE",
    "no_labels": "NOT APPLICABLE",
    "one_group": "NOT APPLICABLE",
    "no_reference": "NOT APPLICABLE",
}
#: What is said where the question cannot be asked of a table.
_NOT_APPLICABLE: Mapping[Reason, str] = {
    "no_labels": "Without labels there is no {rates}.",
    "one_group": "There are fewer than two groups to compare.",
    "no_reference": "The reference, {reference}, is not among the groups.",
}


@dataclass(frozen=True, eq=False, repr=False)
class MeasuredDisparity(Result):
    """A disparity with its interval, against a tolerance if there is one; whatever the table is like.

    It has the fields of :class:`Verdict`, except that ``outcome``, ``bound`` and ``meets_bound`` are None
    where there is no tolerance, and that ``outcome`` may be ``"NOT APPLICABLE"``.
    """

    outcome: Outcome | Literal["NOT APPLICABLE"] | None
    reason: Reason
    constraint: str
    rate: str
    comparison: PairComparison
    reference: Hashable
    value: float
    low: float
    high: float
    bound: float | None
    confidence: float
    meets_bound: bool | None
    n: float
    groups: tuple[Hashable, Hashable] | tuple[()]
    group_rates: tuple[float, float] | tuple[()]
    pairs: PairVerdicts
    smallest_detectable: float
    min_group_size: int
    small_groups: tuple[Hashable, ...]
    unmeasured: Mapping[str, tuple[Hashable, ...]]
    _furthest: int  # which of the pairs lies furthest apart; -1 if there is none
    _past_parity: float  # the end of the interval on the side of parity: see PairDisparities
    _rates: tuple[str, ...]
    library: Backend | None = None
    _of_amounts: bool = False

    def unfolded(self) -> Estimate[float]:
        """The disparity with an interval that goes on past parity, as that of a signed number would."""
        if self.comparison == "difference":
            return Estimate(self.value, self._past_parity, self.high)
        return Estimate(self.value, self.low, self._past_parity)

    @property
    def caveat(self) -> str:
        """What the numbers leave open, in words: what is ruled out, who is small, what is not measured."""
        unknown = [self._unknown()] if len(self.pairs) and np.isnan(self.value) else []
        return " ".join([*unknown, *self._reasons(), *self._shortcomings()])

    def worst_pairs(self, most: int) -> Ints:
        """Return the places of the pairs beyond the bound, the one that breaks it most surely first."""
        failing = self.pairs.failing()
        # The end of an interval that is nearest to the bound says how surely the pair breaks it.
        nearest = -self.pairs.low if self.comparison == "difference" else self.pairs.high
        return failing[np.argsort(nearest[failing], kind="stable")][:most]

    def _written(self, value: float) -> str:
        """Write a rate or a disparity; a share that is small but not 0 does not look like 0."""
        if self._of_amounts:
            return amount(value)
        return f"{value:.1e}" if 0 < value < 0.0005 else number(value)

    def _value_shown(self) -> tuple[str, str, str]:
        """Write the disparity and the ends of its interval."""
        if not self._of_amounts:
            return number(self.value), number(self.low), number(self.high)
        half_width = (self.high - self.low) / 2
        return (
            amount(self.value, half_width),
            amount(self.low, half_width),
            amount(self.high, half_width),
        )

    def _sentences(self) -> list[str]:
        """Say it in words."""
        said = [*self._numbers(), *self._reasons(), *self._shortcomings()]
        if self.outcome is not None:
            is_sentence = not len(self.pairs) or np.isnan(self.value)  # and not the name of a constraint
            first = said[0][0].lower() + said[0][1:] if is_sentence else said[0]
            said[0] = f"{self.outcome}: {first}"
        return said

    def _unknown(self) -> str:
        """Say that the disparity is not known, and why."""
        compared = self.pairs.compared_rates()
        missing = " and ".join(rate for rate in self._rates if rate not in compared)
        return (
            f"The {self.comparison} of {self.constraint} is not known, for no two groups can be compared in "
            f"{missing}."
        )

    def _numbers(self) -> list[str]:
        """Say the disparity and its interval, and which two groups lie furthest apart."""
        if not len(self.pairs):
            return []
        lowest, highest, _ = self.pairs.pair_shown(self._furthest)
        lowest_rate, highest_rate = map(self._written, self.group_rates)
        value, low, high = self._value_shown()
        interval = f"({percent(self.confidence)} interval {low} to {high})"
        if len(self.pairs) == 1 and not np.isnan(self.value):
            return [
                f"{self.constraint} {self.comparison} {value} {interval}, "
                f"{self.rate} from {lowest_rate} ({lowest}) to {highest_rate} ({highest})."
            ]
        # The interval is that of the worst of all pairs, and not of the pair that lies furthest apart.
        first = f"{self.constraint}, {self._extreme()} {value} {interval}."
        return [
            self._unknown() if np.isnan(self.value) else first,
            f"Furthest apart: {lowest} ({lowest_rate}) and {highest} ({highest_rate}) in {self.rate}, "
            f"{self.pairs.value_shown(self._furthest)} of this pair alone.",
        ]

    def _notes(self) -> list[str]:
        """Say what the table of the verdict does not: whose interval it shows, and what is left open."""
        if not len(self.pairs):
            return [*self._reasons(), *self._shortcomings()]
        several = len(self.pairs) > 1
        if np.isnan(self.value):
            said = [self._unknown()]
        elif several:
            said = [f"{percent(self.confidence)} interval of the {self._extreme()}, over all pairs at once."]
        else:
            said = [f"{percent(self.confidence)} interval."]
        if several:
            said.append(f"Of this pair alone: {self.pairs.value_shown(self._furthest)}.")
        is_shown = self.reason in ("kept", "not_settled") or (
            # The outcome is that of the pair in the table, and of no other.
            self.reason == "broken" and self.pairs.failing().tolist() == [self._furthest]
        )
        reasons = self._power() if self.reason == "not_settled" else [] if is_shown else self._reasons()
        return [*said, *reasons, *self._shortcomings()]

    def _extreme(self) -> str:
        """Write what is measured where there are several pairs."""
        extreme = "largest difference" if self.comparison == "difference" else "smallest ratio"
        groups = "two groups" if self.reference is None else f"a group and {format_group(self.reference)}"
        return f"{extreme} of {groups}"

    def _reasons(self) -> list[str]:
        """Say what the interval rules out, or why nothing is known."""
        if self.reason in _NOT_APPLICABLE:
            names = {"rates": " and ".join(self._rates), "reference": list_groups([self.reference])}
            return [_NOT_APPLICABLE[self.reason].format_map(names)]
        if not len(self.pairs):
            return ["Fewer than two groups can be measured."]
        if self.bound is None:
            return self._power() if self.reason == "no_bound" else []
        side = "above" if self.comparison == "difference" else "below"
        of_amounts = self._of_amounts and self.comparison == "difference"
        bound = f"{self.bound:,.10g}" if of_amounts else f"{self.bound:g}"
        beyond = f"a {self.comparison} {side} {bound}"
        if self.reason == "kept":
            return [f"{beyond[0].upper()}{beyond[1:]} is ruled out at this n."]
        if self.reason == "broken":
            return [self._failure(beyond)]
        if self.unmeasured and self.pairs.all_pass():
            return [f"Where it can be measured, {beyond} is ruled out; elsewhere nothing is known."]
        return [f"These rows do not settle whether there is {beyond}.", *self._power()]

    def _failure(self, beyond: str) -> str:
        """Say which pair breaks the bound most surely, and how many more do."""
        pairs = self.pairs
        failing, [worst] = pairs.failing(), self.worst_pairs(1).tolist()
        lowest, highest, rate = pairs.pair_shown(worst)
        further = "" if len(failing) == 1 else f", and {len(failing) - 1:,} more pairs"
        found = f"{pairs.value_shown(worst)} in {rate}{further}"
        return f"There is {beyond} between {lowest} and {highest}: {found}."

    def _power(self) -> list[str]:
        """Say what would have been seen."""
        if np.isfinite(self.smallest_detectable):
            or_more = "more" if self.comparison == "difference" else "less"
            smallest = self._written(self.smallest_detectable)
            return [
                f"Between these two groups a {self.comparison} of {smallest} or {or_more} would be told from "
                "parity with 80% power."
            ]
        return [
            "Nothing between these two groups would be told from parity with 80% power: they are too "
            "small, or the rate lies too near its end."
        ]

    def _shortcomings(self) -> list[str]:
        """Say which groups are small, and which cannot be measured."""
        sentences = []
        if self.small_groups:
            names = list_groups(self.small_groups)
            sentences.append(f"Fewer than {self.min_group_size} rows to measure on: {names}.")
        for rate, groups in self.unmeasured.items():
            sentences.append(f"{rate} cannot be measured for: {list_groups(groups)}.")
        return sentences

    def __str__(self) -> str:
        return "\n".join(map(printable, self._sentences()))

    def _tables(self) -> list[Table]:
        names = [format_group(group) for group in self.groups] or ["", ""]
        rates = self.group_rates or (np.nan, np.nan)
        columns: dict[str, list[Any]] = {
            "verdict": ["" if self.outcome is None else self.outcome],
            "constraint": [self.constraint],
            "comparison": [self.comparison],
            "bound": [self.bound],
            "value": [self.value],
            "low": [self.low],
            "high": [self.high],
            "rate": [self.rate],
            "lowest": names[:1],
            "highest": names[1:],
            "lowest_rate": [float(rates[0])],
            "highest_rate": [float(rates[1])],
        }
        text = {name: list(map(number, values)) for name, values in columns.items()}
        text |= {name: list(map(self._written, columns[name])) for name in ("lowest_rate", "highest_rate")}
        if self._of_amounts and self.bound is not None:
            text["bound"] = [f"{self.bound:,.10g}"]
        value, low, high = self._value_shown()
        text["value"] = [value if np.isnan(self.low) and np.isnan(self.high) else f"{value} [{low}, {high}]"]
        del text["low"], text["high"]
        if self.outcome is None:
            del text["verdict"]
        columns |= {
            "reference": ["" if self.reference is None else format_group(self.reference)],
            "confidence": [self.confidence],
            "n": [self.n],
            "meets_bound": [self.meets_bound],
            "smallest_detectable": [self.smallest_detectable],
            "min_group_size": [self.min_group_size],
            "small_groups": [", ".join(map(format_group, self.small_groups))],
            "unmeasured": [
                "; ".join(f"{r}: {', '.join(map(format_group, g))}" for r, g in self.unmeasured.items())
            ],
        }
        words = ["constraint", "comparison", "rate", "lowest", "highest"]
        return [Table(columns, text, notes=self._notes(), words=words, outcomes=["verdict"])]


@dataclass(frozen=True, eq=False, repr=False)
class Verdict(MeasuredDisparity):
    """A disparity against its tolerance. Prints as sentences, renders as a table.

    Attributes
    ----------
    outcome : {"PASS", "FAIL", "INCONCLUSIVE"}
        Whether the interval lies within the tolerance, wholly beyond it, or on both sides of the bound.
    reason : str
        Why: ``"kept"``, ``"broken"``, ``"not_settled"``, ``"partly_measured"`` (what can be measured keeps
        the bound, but some group lacks a rate), ``"not_measured"`` or ``"one_group"``.
    constraint, rate : str
        Which constraint, and the one of its rates on which the groups lie furthest apart; with strata, the
        stratum follows in parentheses.
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
    n : float
        The (weighted) number of rows that ``rate`` is measured on, in all groups together.
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
    bound: float
    meets_bound: bool


@takes_tables
def verdict(
    counts: GroupTable,
    constraint: Constraint | Rate | MeanRate | str,
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
    counts : GroupCounts or GroupAmounts
        The table of counts, or of amounts; or a table made of it, such as :func:`group_metrics` or
        :func:`regression_metrics` returns. With strata the verdict is on the worst of them.
    constraint : str, Constraint, Rate or MeanRate
        The rate, or the rates that should agree; of amounts a name such as ``"mean_parity"``, or a mean.
    max_difference : float >= 0, optional
        The largest difference that is tolerated, such as 0.05; of amounts in their unit (that of
        ``"error_parity"`` in its square).
    min_ratio : float in (0, 1], optional
        The smallest ratio that is tolerated, such as 0.8. Give one of the two.
    reference : hashable, optional
        Label of a group: every other group is compared with it, in either direction (a ratio is the smaller
        over the larger rate). By default all groups are compared with each other. Name it before you look
        at the rates.
    confidence : float in (0, 1), default=0.95
        The coverage probability of the interval, over all compared pairs, rates and strata together.
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
        If not exactly one tolerance is given or it bounds nothing, the reference is not a group, or a ratio
        is asked of means of which one is negative.

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

    In strata, such as the classes of :func:`one_vs_rest_counts`, groups are compared in each, and never in
    sums over strata. All intervals hold together (Bonferroni), which asks for no independence: a row that is
    counted in every class does no harm. ``.rate`` names the rate and the stratum in which two groups lie
    furthest apart, and ``.pairs`` has the verdict in each.

    Differences of means that may be negative have Welch's interval; errors, which may not, combine their
    intervals on the scale of logarithms. Of a group with fewer than two (effective) rows nothing is known,
    and its intervals have no end.

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

    Amounts, and of three classes the worst:

    >>> from fairsk.metrics import GroupAmounts, one_vs_rest_counts
    >>> wages = np.random.default_rng(0).normal(np.repeat([52_000, 50_000], 200), 9_000)
    >>> amounts = GroupAmounts.from_predictions(None, wages, sensitive_features=np.repeat(["a", "b"], 200))
    >>> verdict(amounts, "mean_parity", max_difference=5_000).outcome
    'PASS'
    >>> answers = np.repeat(["no", "later", "yes", "no", "yes"], [80, 80, 140, 200, 100])
    >>> counts = one_vs_rest_counts(None, answers, sensitive_features=np.repeat(["a", "b"], 300))
    >>> worst = verdict(counts, "demographic_parity", max_difference=0.1)
    >>> worst.outcome, worst.rate
    ('FAIL', 'selection_rate (no)')
    """
    constraint = constraint_on(counts, constraint)
    comparison, bound = _tolerance(constraint, max_difference, min_ratio)
    counts.warn_undefined(*constraint.rates, fewest=2)
    if reference is not None:
        position_of(reference, counts.groups)  # refuses a reference that is no group
    measured = measure_disparity(
        counts,
        constraint,
        comparison,
        bound,
        reference=reference,
        confidence=confidence,
        min_group_size=min_group_size,
    )
    if reference is not None and not len(measured.pairs):
        raise ValueError(
            f"The rate cannot be measured for the reference, {list_groups([reference])}, or for no other "
            "group: name another reference."
        )
    known = {field.name: getattr(measured, field.name) for field in fields(measured)}
    # To ask about one group is no mistake of whoever asks, and nothing is known of it.
    outcome = "INCONCLUSIVE" if measured.outcome == "NOT APPLICABLE" else measured.outcome
    return Verdict(**known | {"outcome": outcome})


def measure_disparity(
    counts: GroupTable,
    constraint: Constraint,
    comparison: PairComparison,
    bound: float | None = None,
    *,
    reference: Hashable = None,
    confidence: float = 0.95,
    min_group_size: int = 30,
) -> MeasuredDisparity:
    """Measure a disparity, and compare it with a bound if there is one; for tables that go on regardless.

    Whatever the table lacks (labels, a second group, the reference, rows to measure a rate on) is no error
    and no warning here: ``reason`` names it. Only a question that makes no sense is refused: an unknown
    comparison, the ratio of a rate that can be negative, a confidence that is no probability. The bound
    is taken as it is; :func:`check_bound` refuses one that bounds nothing.
    """
    check_comparison(comparison, *constraint.rates)
    check_confidence(confidence)
    lacking = _lacking(counts, constraint, reference)
    measures = [] if lacking == "no_labels" else measures_of(counts, constraint)
    disparities: list[PairDisparities] = []
    unmeasured: dict[str, tuple[Hashable, ...]] = {}
    small: tuple[Hashable, ...] = ()
    if lacking is None:
        disparities = pair_disparities(counts, constraint, comparison, confidence, reference)
    if lacking != "no_labels":
        unmeasured, small = _unmeasured(counts, measures), _small(counts, measures, min_group_size)
    pairs = judge_pairs(counts.groups, disparities, comparison, bound, confidence, counts.library)
    value = low = high = past_parity = float("nan")
    known = complete(disparities)
    if known:
        extreme = np.max if comparison == "difference" else np.min
        value = float(extreme([extreme(part.value) for part in known]))
        past_parity = float(extreme([extreme(part.past_parity) for part in known]))
        low, high = worst_interval(disparities, comparison)
    names = [measure.name for measure in measures] or [rate.name for rate in constraint.rates]
    rate, n, furthest, detectable = names[0], 0.0, -1, float("nan")
    groups: tuple[Hashable, Hashable] | tuple[()] = ()
    rates: tuple[float, float] | tuple[()] = ()
    if len(pairs):
        part, place, furthest = _furthest(disparities, comparison)
        rate, ends = part.name, part.lowest_first(place)
        groups = counts.groups[ends[0]], counts.groups[ends[1]]
        rates = float(part.rates[ends[0]]), float(part.rates[ends[1]])
        detectable = smallest_detectable_between(part.measure, ends, comparison, part.level)
    if measures:
        n = float(next(measure for measure in measures if measure.name == rate).rows().sum())
    of_amounts = constraint.is_of_amounts
    rounding = ROUNDING * (bound or 0.0) if of_amounts else ROUNDING
    reason = lacking or _reason(pairs, value, bound, bool(unmeasured))
    meets_bound = None
    if bound is not None:
        meets_bound = bool((1 if comparison == "difference" else -1) * (value - bound) <= rounding)
    return MeasuredDisparity(
        outcome=None if bound is None else _OUTCOMES[reason],
        reason=reason,
        constraint=constraint.name,
        rate=rate,
        comparison=comparison,
        reference=reference,
        value=value,
        low=low,
        high=high,
        bound=bound,
        confidence=confidence,
        meets_bound=meets_bound,
        n=n,
        groups=groups,
        group_rates=rates,
        pairs=pairs,
        smallest_detectable=detectable,
        min_group_size=min_group_size,
        small_groups=small,
        unmeasured=unmeasured,
        _furthest=furthest,
        _past_parity=past_parity,
        _rates=tuple(names),
        library=counts.library,
        _of_amounts=of_amounts,
    )


def _lacking(counts: GroupTable, constraint: Constraint, reference: Hashable) -> Reason | None:
    """Return what the table lacks for this question to be asked of it."""
    if not counts.labelled and any(rate.needs_labels for rate in constraint.rates):
        return "no_labels"
    if len(counts.groups) < 2:
        return "one_group"
    return "no_reference" if reference is not None and reference not in counts.groups else None


def _reason(pairs: PairVerdicts, value: float, bound: float | None, some_unmeasured: bool) -> Reason:
    """Return why the outcome is what it is."""
    if bound is not None and len(pairs.failing()):
        return "broken"  # also if another rate cannot be compared: a breach in one is a breach
    if np.isnan(value):
        return "not_measured"
    if bound is None:
        return "no_bound"
    if not pairs.all_pass():
        return "not_settled"
    return "partly_measured" if some_unmeasured else "kept"


def _unmeasured(counts: GroupTable, measures: Sequence[Measure]) -> dict[str, tuple[Hashable, ...]]:
    """Return the groups that have nothing to measure a rate on, for each rate for which there are such."""
    without_rows = {measure.name: _select(counts, ~measure.has_rows) for measure in measures}
    return {name: groups for name, groups in without_rows.items() if groups}


def _small(counts: GroupTable, measures: Sequence[Measure], min_group_size: int) -> tuple[Hashable, ...]:
    """Return the groups that have every rate, and one of them on few rows."""
    if not measures:
        return ()
    sizes = np.min([measure.effective_rows() for measure in measures], axis=0)
    has_rates = np.all([measure.has_rows for measure in measures], axis=0)
    return _select(counts, has_rates & (sizes < min_group_size))


def _furthest(
    disparities: list[PairDisparities], comparison: PairComparison
) -> tuple[PairDisparities, int, int]:
    """Return in which rate two groups lie furthest apart, which pair of it, and which pair of all.

    Every ratio to a rate of 0 is 0: of these pairs, the one with the largest difference lies furthest apart.
    """
    sign, extreme = (1, np.max) if comparison == "difference" else (-1, np.min)
    looked_at = complete(disparities) or disparities
    worst = [
        sign * extreme(part.value) if len(part.value) and part in looked_at else -np.inf
        for part in disparities
    ]
    place = int(np.argmax(worst))
    part = disparities[place]
    differences = abs(part.rates[part.first] - part.rates[part.second])
    pair = int(np.argmax(np.where(part.value == sign * worst[place], differences, -1)))
    return part, pair, pair + sum(len(earlier.value) for earlier in disparities[:place])


def check_bound(constraint: Constraint, comparison: PairComparison, bound: float) -> float:
    """Return a tolerance; refuse one that bounds nothing."""
    if not isinstance(bound, int | float | np.number):
        raise TypeError(f"A tolerance is a number, such as 0.05 or 0.8; got {show(bound)}.")
    if comparison == "difference":
        if not bound >= 0:
            raise ValueError(f"max_difference must not be negative; got {bound!r}.")
        return constraint.check_max_difference(bound)
    if not 0 < bound <= 1:
        raise ValueError(f"min_ratio must lie above 0 and at most at 1, such as 0.8; got {bound!r}.")
    return bound


def _tolerance(
    constraint: Constraint, max_difference: float | None, min_ratio: float | None
) -> tuple[PairComparison, float]:
    """Return what is bounded, and the bound."""
    if max_difference is not None and min_ratio is None:
        return "difference", check_bound(constraint, "difference", max_difference)
    if min_ratio is not None and max_difference is None:
        return "ratio", check_bound(constraint, "ratio", min_ratio)
    raise ValueError("Give one tolerance: max_difference, such as 0.05, or min_ratio, such as 0.8.")


def _select(counts: GroupTable, mask: Bools) -> tuple[Hashable, ...]:
    """Return the groups where a mask is true."""
    return tuple(group for group, flag in zip(counts.groups, mask, strict=True) if flag)
