"""Results of an audit: rows of numbers that follow from the settings and the evidence alone."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import attribute_name
from fairsk._core.messages import in_words, shorten
from fairsk._core.results import Record, number, with_interval
from fairsk._core.validation import plain_labels
from fairsk.audit._evidence import Evidence
from fairsk.audit._profiles.profile import PROFILES, ProfileTable
from fairsk.audit._report.criteria import Criterion, Settings
from fairsk.audit._small_groups import name_merged
from fairsk.metrics._scores.calibration_error import CalibrationCurves
from fairsk.metrics._scores.grouped import GroupedScores
from fairsk.metrics._scores.table import ScoreMetric, ScoreMetrics
from fairsk.rates import Rate
from fairsk.statistics._intervals import joint_confidence, rate_intervals
from fairsk.statistics._verdicts import MeasuredDisparity, measure_disparity

__all__ = ["AuditOutcome", "CalibrationBin", "CriterionResult", "GroupRateResult", "Results", "ScoreResult"]

AuditOutcome: TypeAlias = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT APPLICABLE"]

#: Of each criterion no more pairs of groups are listed: of 200 groups there are 19,900.
MOST_PAIRS = 10

#: Why a criterion has its outcome, by what the measured disparity gives as its reason. Codes are stable:
#: programs may rely on them.
CODES: Mapping[str, tuple[str, str]] = {
    "kept": ("FSK100", "a disparity beyond the bound is ruled out"),
    "broken": ("FSK200", "a disparity beyond the bound is shown"),
    "not_settled": ("FSK300", "these rows do not settle it"),
    "partly_measured": ("FSK301", "a rate cannot be measured for some groups"),
    "not_measured": ("FSK302", "no two groups can be measured"),
    "no_labels": ("FSK400", "it needs labels, and there are none"),
    "one_group": ("FSK401", "there are no two groups to compare"),
    "no_reference": ("FSK402", "the reference group has no rows here"),
    "no_bound": ("FSK500", "no bound is given"),
    "within_strata": ("FSK501", "the bound is asked for within strata"),
}


@dataclass(frozen=True, eq=False)
class LargeGroups(Record):
    """The disparity among the groups that have ``min_group_size`` rows, in all rates of a criterion."""

    rate: str
    groups: tuple[Hashable, ...]
    group_rates: tuple[float, ...]
    value: float
    low: float
    high: float

    def sentence(self, min_group_size: float) -> str:
        """Say how far they lie apart, and which two."""
        shown = zip(map(name_group, self.groups), map(number, self.group_rates), strict=True)
        ends = " / ".join(f"{shorten(group)} {rate}" for group, rate in shown)
        value = with_interval(self.value, self.low, self.high)
        rate = in_words(self.rate)
        return f"Among groups of at least {min_group_size:g} rows: {value}, {ends} in {rate}."


@dataclass(frozen=True, eq=False)
class CriterionResult(Record):
    """The answer to one criterion, for one attribute of one model.

    Parameters
    ----------
    id : str
        What it answers, such as ``"sex/demographic_parity/min_ratio"``; the same in every report.
    code : str
        Why it has this outcome, such as ``"FSK300"``.
    model, attribute : str
        Of whom.
    stratum : label or None
        Within which stratum; None for all rows.
    constraint, rate, comparison : str
        What is compared, and the rate in which two groups lie furthest apart.
    bound : float or None
        How far they may.
    reference : label or None
        The group that all others are compared with.
    groups : tuple of labels
        The two groups that lie furthest apart, the one with the lower rate first.
    group_rates : tuple of float
        Their rates.
    value, low, high, confidence : float
        The disparity and its interval.
    n : float
        How many rows (or what weight) belong to a known group.
    verdict : {"PASS", "FAIL", "INCONCLUSIVE", "NOT APPLICABLE"} or None
        None without a bound.
    smallest_detectable : float
        The disparity between these two groups that so many rows would tell from parity.
    caveat : str
        What to bear in mind, in one line.
    small_groups : tuple of labels
        Groups that are small.
    unmeasured : mapping of str to tuple of labels
        By rate, the groups that do not have it.
    among_large : LargeGroups or None
        Where a group that lies furthest apart is small: the disparity among those that are not. No verdict
        rests on it.
    """

    id: str
    code: str
    model: str
    attribute: str
    stratum: Hashable
    constraint: str
    rate: str
    comparison: str
    bound: float | None
    reference: Hashable
    groups: tuple[Hashable, ...]
    group_rates: tuple[float, ...]
    value: float
    low: float
    high: float
    confidence: float
    n: float
    verdict: AuditOutcome | None
    smallest_detectable: float
    caveat: str
    small_groups: tuple[Hashable, ...]
    unmeasured: Mapping[str, tuple[Hashable, ...]]
    among_large: LargeGroups | None


@dataclass(frozen=True, eq=False)
class PairResult(Record):
    """Two groups whose disparity lies beyond the bound of a criterion, whose ``id`` it has."""

    id: str
    model: str
    stratum: Hashable
    rate: str
    groups: tuple[Hashable, ...]
    group_rates: tuple[float, ...]
    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class GroupRateResult(Record):
    """A rate of a group, and its interval; the group is None for all rows."""

    model: str
    attribute: str
    stratum: Hashable
    group: Hashable
    rate: str
    n: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class ScoreResult(Record):
    """A metric of a group's scores from histograms, its interval, and how far binning can have moved it.

    For the calibration error ``by_chance`` is what perfectly calibrated scores would show on average. The
    group is None for the largest difference between two groups.
    """

    model: str
    attribute: str
    group: Hashable
    measure: str
    n: float
    value: float
    low: float
    high: float
    error_bound: float | None
    by_chance: float | None


@dataclass(frozen=True, eq=False)
class CalibrationBin(Record):
    """Mean score and label rate of a group's rows in one bin of scores."""

    model: str
    attribute: str
    group: Hashable
    bin: int
    n: float
    mean_score: float
    label_rate: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Results(Record):
    """All rows of a report that follow from evidence."""

    criteria: tuple[CriterionResult, ...]
    pairs: tuple[PairResult, ...]
    rates: tuple[GroupRateResult, ...]
    scores: tuple[ScoreResult, ...]
    calibration: tuple[CalibrationBin, ...]
    profiles: tuple[ProfileTable, ...]

    def to_state(self) -> dict[str, Any]:
        """Return the rows as plain values; labels keep their kind."""
        rows = {name: list(map(_plain_row, getattr(self, name))) for name in _ROWS}
        return rows | {"profiles": [table.to_state() for table in self.profiles]}


_ROWS = ("criteria", "pairs", "rates", "scores", "calibration")


def measure(settings: Settings, evidence: Mapping[str, Evidence]) -> Results:
    """Compute all rows from the evidence of each model."""
    criteria = list[CriterionResult]()
    pairs = list[PairResult]()
    rates = list[GroupRateResult]()
    scores = list[ScoreResult]()
    calibration = list[CalibrationBin]()
    profiles = list[ProfileTable]()
    for model, tables in evidence.items():
        for names in settings.attributes:
            margin = tables.by(*names)
            attribute = attribute_name(names)
            known = margin.comparable()
            for answer, failing in _criteria(settings, model, attribute, known.counts):
                criteria.append(answer)
                pairs += failing
            rates += _rates(settings, model, attribute, margin.counts)
            if known.histograms is not None and known.counts.labelled and known.counts.groups:
                scores += _scores(settings, model, attribute, known)
                # Of intersections there may be hundreds, and a curve for each is no reading.
                if len(names) == 1:
                    calibration += _calibration(settings, model, attribute, known)
        for name, options in settings.profiles:
            profiles += [table.of(model) for table in PROFILES[name].compute(tables, options)]
    rows = (criteria, pairs, rates, scores, calibration, profiles)
    return Results(*map(tuple, rows))  # type: ignore[arg-type]


def reference_of(settings: Settings, criterion: Criterion, attribute: str) -> Hashable:
    """Return the group that a criterion compares all others with; None if it compares all pairs."""
    return (criterion.reference or {}).get(attribute, settings.reference.get(attribute))


_Answer: TypeAlias = tuple[CriterionResult, list[PairResult]]


def _criteria(settings: Settings, model: str, attribute: str, counts: GroupCounts) -> Iterator[_Answer]:
    """Answer every criterion that is asked of an attribute, in each stratum if there are strata."""
    for criterion in settings.criteria:
        if criterion.attributes is not None and attribute not in criterion.attributes:
            continue
        reference = reference_of(settings, criterion, attribute)
        about = {
            "id": f"{attribute}/{criterion.key}",
            "model": model,
            "attribute": attribute,
            "constraint": criterion.constraint.name,
            "comparison": criterion.measured,
            "reference": reference,
        }
        strata = () if counts.strata is None else counts.strata
        pooled = counts if counts.strata is None else counts.marginal(*counts.names)
        # Where strata are named, the bound is asked for within each of them, and all hold together.
        confidence = settings.confidence
        yield _answer(settings, criterion, pooled, about | {"stratum": None}, confidence, judged=not strata)
        for stratum in strata:
            within = counts.stratum(stratum)
            confidence = joint_confidence(settings.confidence, len(strata))
            yield _answer(settings, criterion, within, about | {"stratum": stratum}, confidence, judged=True)


def _answer(
    settings: Settings,
    criterion: Criterion,
    counts: GroupCounts,
    about: Mapping[str, Any],
    confidence: float,
    *,
    judged: bool,
) -> _Answer:
    """Answer one criterion from one table of counts, and name the worst pairs beyond the bound."""
    bound = criterion.bound if judged else None
    measured = partial(
        measure_disparity,
        constraint=criterion.constraint,
        comparison=criterion.measured,
        bound=None if bound is None else bound.value,
        reference=about["reference"],
        confidence=confidence,
        min_group_size=settings.min_group_size,
    )
    found = measured(counts.take([group for group, n in zip(counts.groups, counts.n, strict=True) if n > 0]))
    large = _among_large(counts, found, measured)
    said = [] if large is None else [large.sentence(settings.min_group_size)]
    elsewhere = found.reason == "no_bound" and criterion.bound is not None
    answer = CriterionResult(
        **about,
        code=CODES["within_strata" if elsewhere else found.reason][0],
        bound=found.bound,
        confidence=confidence,
        n=found.n,
        rate=found.rate,
        groups=found.groups,
        group_rates=found.group_rates,
        value=found.value,
        low=found.low,
        high=found.high,
        verdict=found.outcome,
        smallest_detectable=found.smallest_detectable,
        caveat=" ".join([found.caveat, *said]),
        small_groups=found.small_groups,
        unmeasured=found.unmeasured,
        among_large=large,
    )
    return answer, _failing_pairs(answer, found)


def _among_large(
    counts: GroupCounts, found: MeasuredDisparity, measured: Callable[[GroupCounts], MeasuredDisparity]
) -> LargeGroups | None:
    """Measure the groups that are not small, where a small one lies furthest apart."""
    if not set(found.groups) & set(found.small_groups):
        return None
    left_out = {*found.small_groups, *(group for groups in found.unmeasured.values() for group in groups)}
    left = [
        group for group, n in zip(counts.groups, counts.n, strict=True) if n > 0 and group not in left_out
    ]
    large = measured(counts.take(left))
    if not large.groups:
        return None
    return LargeGroups(large.rate, large.groups, large.group_rates, large.value, large.low, large.high)


def _failing_pairs(answer: CriterionResult, found: MeasuredDisparity) -> list[PairResult]:
    """Return the pairs that break the bound most surely."""
    pairs = found.pairs
    return [
        PairResult(
            answer.id,
            answer.model,
            answer.stratum,
            pairs.rates[place],
            (pairs.lowest[place], pairs.highest[place]),
            (float(pairs.lowest_rates[place]), float(pairs.highest_rates[place])),
            float(pairs.values[place]),
            float(pairs.low[place]),
            float(pairs.high[place]),
        )
        for place in found.worst_pairs(MOST_PAIRS).tolist()
    ]


def _rates(settings: Settings, model: str, attribute: str, counts: GroupCounts) -> Iterator[GroupRateResult]:
    """Return every rate of every group, and of all rows; within strata too."""
    tables: list[tuple[Hashable, GroupCounts]] = [(None, counts)]
    if counts.strata is not None:
        tables = [(None, counts.marginal(*counts.names))]
        tables += [(stratum, counts.stratum(stratum)) for stratum in counts.strata]
    for stratum, table in tables:
        for groups, part in ((table.groups, table), ((None,), table.overall())):
            for rate in settings.rates:
                if part.labelled or not rate.needs_labels:
                    yield from _rate_rows(model, attribute, stratum, groups, part, rate, settings.confidence)


def _rate_rows(
    model: str,
    attribute: str,
    stratum: Hashable,
    groups: Sequence[Hashable],
    counts: GroupCounts,
    rate: Rate,
    confidence: float,
) -> Iterator[GroupRateResult]:
    low, high = rate_intervals(counts, rate, confidence)
    columns = (rate.support(counts.cells), counts.rate(rate), low, high)
    for group, *numbers in zip(groups, *(column.tolist() for column in columns), strict=True):
        yield GroupRateResult(model, attribute, stratum, group, rate.name, *numbers)


def _scores(settings: Settings, model: str, attribute: str, known: Evidence) -> Iterator[ScoreResult]:
    """Return the metrics of scores of every group, and the largest difference of each."""
    assert known.histograms is not None
    table = ScoreMetrics(
        GroupedScores.of_histograms(known.histograms),
        confidence=settings.confidence,
        n_bins=settings.n_bins,
    )
    nothing = np.full(len(table.groups), np.nan)
    for measure in get_args(ScoreMetric):
        if measure not in table.values:
            continue
        values = table.values[measure]
        low, high = table.intervals.get(measure, (nothing, nothing))
        errors = table.auc_error if measure == "auc" else nothing
        chance = (
            table.by_chance if measure == "calibration_error" and table.by_chance is not None else nothing
        )
        for i, group in enumerate(table.groups):
            yield ScoreResult(
                model,
                attribute,
                group,
                measure,
                float(table.n[i]),
                float(values[i]),
                float(low[i]),
                float(high[i]),
                None if np.isnan(errors[i]) else float(errors[i]),
                None if np.isnan(chance[i]) else float(chance[i]),
            )
        if measure != "base_rate" and np.isfinite(values).sum() > 1:
            yield _largest_difference(model, attribute, table, measure)


def _largest_difference(model: str, attribute: str, table: ScoreMetrics, measure: ScoreMetric) -> ScoreResult:
    """Return the largest difference of a metric between two groups, as the row of no group."""
    ends = (np.nan, np.nan) if measure == "calibration_error" else table.difference_interval(measure)
    # Each of the two groups can be off by its own bound.
    errors = table.auc_error[np.isfinite(table.auc_error)]  # of groups with one label there is no AUC
    error = float(np.sort(errors)[-2:].sum()) if measure == "auc" else None
    return ScoreResult(
        model, attribute, None, measure, float(table.n.sum()), table.difference(measure), *ends, error, None
    )


def _calibration(settings: Settings, model: str, attribute: str, known: Evidence) -> Iterator[CalibrationBin]:
    """Return mean score and label rate in each bin that has rows, for every group."""
    assert known.histograms is not None
    if known.histograms.score_sums is None or not _are_probabilities(known):
        return
    n = known.counts.without_strata().n
    weighed = [group for group, rows in zip(known.counts.groups, n, strict=True) if rows > 0]
    if not weighed:
        return
    curves = CalibrationCurves.from_histograms(
        known.histograms.take(weighed), n_bins=settings.n_bins, confidence=settings.confidence
    )
    low, high = curves.intervals
    for i, group in enumerate(curves.groups):
        for place in np.flatnonzero(curves.n[i] > 0).tolist():
            yield CalibrationBin(
                model,
                attribute,
                group,
                place,
                *(
                    float(column[i, place])
                    for column in (curves.n, curves.mean_scores, curves.label_rates, low, high)
                ),
            )


def _are_probabilities(known: Evidence) -> bool:
    """Whether calibration means something: all edges of the bins lie between 0 and 1."""
    assert known.histograms is not None
    edges = known.histograms.edges
    return bool(edges[0] > 0 and edges[-1] < 1)


def _plain_row(row: Record) -> dict[str, Any]:
    """Return a row as plain values, labels of groups as JSON holds them."""
    values = {field.name: getattr(row, field.name) for field in fields(row)}  # type: ignore[arg-type]
    for name in ("stratum", "reference", "group"):
        if values.get(name) is not None:
            values[name] = plain_labels([values[name]])[0]
    for name in ("groups", "small_groups"):
        if name in values:
            values[name] = plain_labels(values[name])
    if isinstance(values.get("among_large"), LargeGroups):
        values["among_large"] = _plain_row(values["among_large"])
    if "unmeasured" in values:
        values["unmeasured"] = {name: plain_labels(groups) for name, groups in values["unmeasured"].items()}
    return values


def outcome_of(criteria: Iterable[CriterionResult]) -> AuditOutcome | None:
    """Return the worst outcome: FAIL, then INCONCLUSIVE, then PASS; None if nothing was judged."""
    found = {row.verdict for row in criteria}
    order: tuple[AuditOutcome, ...] = ("FAIL", "INCONCLUSIVE", "PASS", "NOT APPLICABLE")
    judged = [outcome for outcome in order if outcome in found]
    return judged[0] if judged else None


def name_group(label: Hashable) -> str:
    """Write a group; all rows have none."""
    return "overall" if label is None else name_merged(label)
