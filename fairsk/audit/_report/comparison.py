"""Comparison of two audits: what became of every disparity and rate, with intervals."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import list_groups
from fairsk._core.messages import list_texts, show
from fairsk._core.results import (
    percent,
)
from fairsk._core.typing import Floats
from fairsk.audit._evidence import Evidence
from fairsk.audit._report.changes import AuditComparison, CriterionChange, RateChange
from fairsk.audit._report.criteria import Criterion, attribute_name
from fairsk.audit._report.report import AuditReport
from fairsk.audit._report.results import CriterionResult, name_group
from fairsk.audit._report.verification import restore_report
from fairsk.metrics._scores.grouped import GroupedScores
from fairsk.metrics._scores.table import ScoreMetric, ScoreMetrics
from fairsk.rates import Rate
from fairsk.statistics._changes import (
    RateChanges,
    disparity_change,
    disparity_direction,
    movement,
    rate_changes,
)
from fairsk.statistics._intervals import joint_confidence
from fairsk.statistics._pairs import Estimate, newcombe_interval
from fairsk.statistics._verdicts import MeasuredDisparity, measure_disparity

__all__ = ["compare"]

#: In which of the two reports something is.
Which: TypeAlias = Literal["later", "earlier"]


def compare(
    report: AuditReport | str | bytes | os.PathLike[str],
    earlier: AuditReport | str | bytes | os.PathLike[str],
) -> AuditComparison:
    """Compare an audit with an earlier one: what became of every disparity and rate, with intervals.

    Parameters
    ----------
    report : AuditReport, str, bytes or path
        The later report, its JSON or page, or a file of either.
    earlier : AuditReport, str, bytes or path
        The earlier one.

    Returns
    -------
    AuditComparison
        Disparities that are worse, better or not told apart, verdicts of both, rates of groups, groups that
        came or went, and what cannot be compared.

    Raises
    ------
    ValueError
        If one of the two is no report that this version reads.

    See Also
    --------
    audit_predictions : Makes a report.
    verify : Whether the numbers of a report follow from its counts.

    Notes
    -----
    The rows of both audits are taken as independent. With [l, u] the interval of the later number x and
    [L, U] that of the earlier one y, the change x - y has the interval from
    x - y - sqrt((x - l)^2 + (U - y)^2) to x - y + sqrt((u - x)^2 + (y - L)^2) [1]_; for rates this is
    Newcombe's. The interval of a disparity goes on past parity here, for one that stops there covers too
    rarely when groups are near parity. Disparities are of all groups that each audit has.

    Both reports are computed anew from the counts inside, with the confidence of the later one.

    References
    ----------
    .. [1] Zou & Donner, Construction of Confidence Limits about Effect Measures: A General Approach,
       Statistics in Medicine 27, 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.audit import audit_predictions, compare
    >>> group = np.repeat(["a", "b"], 1000)
    >>> may = audit_predictions(y_pred=np.tile([1, 0], 1000), sensitive_features=group)
    >>> june = audit_predictions(y_pred=(np.arange(2000) % 1000) < np.where(group == "a", 500, 350),
    ...                          sensitive_features=group)
    >>> for row in compare(june, may).criteria:
    ...     print(f"{row.comparison}: {row.earlier_value:.2f}, now {row.value:.2f}: {row.direction}")
    difference: 0.00, now 0.15: worse
    ratio: 1.00, now 0.70: worse
    """
    now, then = _read("report", report), _read("earlier", earlier)
    pairs, not_compared = _pairs_of_models(now, then)
    not_compared += _differences(now, then)
    criteria: list[CriterionChange] = []
    rates: list[RateChange] = []
    scores: list[RateChange] = []
    groups: dict[Which, dict[str, dict[Hashable, None]]] = {"later": {}, "earlier": {}}
    for pair in pairs:
        if _same_decisions(now, then):
            found, said = _criteria(pair)
            criteria += found
            not_compared += said
            rates += _overall_rates(pair)
        for attribute, tables in pair.tables.items():
            if _same_decisions(now, then):
                rates += _group_rates(pair, attribute, *tables)
            if _same_positive(now, then):
                scores += _group_scores(pair, attribute)
            here, there = (_present(table).groups for table in tables)
            groups["later"].setdefault(attribute, {}).update(dict.fromkeys(_without(here, there)))
            groups["earlier"].setdefault(attribute, {}).update(dict.fromkeys(_without(there, here)))
    new, lost = (
        {name: tuple(labels) for name, labels in groups[which].items() if labels}
        for which in ("later", "earlier")
    )
    return AuditComparison(
        title=now.title,
        earlier_title=then.title,
        digest=now.digest,
        earlier_digest=then.digest,
        confidence=now.settings.confidence,
        criteria=tuple(criteria),
        rates=tuple(rates),
        scores=tuple(scores),
        new_groups=new,
        lost_groups=lost,
        not_compared=tuple(dict.fromkeys(not_compared)),
        library=now.library,
    )


def _without(groups: Iterable[Hashable], others: Iterable[Hashable]) -> list[Hashable]:
    """Return the groups that are not among others."""
    known = set(others)
    return [group for group in groups if group not in known]


def _read(name: str, report: Any) -> AuditReport:
    """Return a report, or the one that a text, a page or a file holds."""
    if isinstance(report, AuditReport):
        return report
    if not isinstance(report, str | bytes | os.PathLike):
        raise TypeError(
            f"{name} must be an AuditReport, its JSON or page, or a path to these; got "
            f"{type(report).__name__}."
        )
    try:
        return restore_report(report)
    except (ValueError, OSError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ValueError(f"{name}={show(report)}: {said}") from None


@dataclass(frozen=True, eq=False)
class _Pair:
    """A model of the later report, and the one of the earlier report that it is compared with."""

    now: AuditReport
    then: AuditReport
    model: str
    earlier_model: str

    @property
    def attributes(self) -> list[str]:
        """The attributes that both reports have."""
        earlier = set(map(attribute_name, self.then.settings.attributes))
        return [name for name in map(attribute_name, self.now.settings.attributes) if name in earlier]

    @cached_property
    def evidence(self) -> tuple[Evidence, Evidence]:
        """The tables of both."""
        return self.now.evidence[self.model], self.then.evidence[self.earlier_model]

    @cached_property
    def tables(self) -> dict[str, tuple[GroupCounts, GroupCounts]]:
        """The counts of both by each attribute, with rows of unknown groups."""
        return {
            name: (
                self.now._margins[self.model, name].counts,
                self.then._margins[self.earlier_model, name].counts,
            )
            for name in self.attributes
        }

    @cached_property
    def comparable(self) -> dict[str, tuple[Evidence, Evidence]]:
        """The tables of both by each attribute, of groups that can be compared."""
        return {
            name: (
                self.now._margins[self.model, name].comparable(),
                self.then._margins[self.earlier_model, name].comparable(),
            )
            for name in self.attributes
        }

    def row_of(self, row: CriterionResult) -> CriterionResult | None:
        """Return the row of the earlier report that answers the same question, the bound aside."""
        same: list[CriterionResult] = [
            other
            for other in self.then.criteria
            if other.model == self.earlier_model
            and (other.attribute, other.stratum, other.constraint, other.comparison)
            == (row.attribute, row.stratum, row.constraint, row.comparison)
        ]
        by_id = [other for other in same if other.id == row.id]
        return next(iter(by_id or same), None)


def _pairs_of_models(now: AuditReport, then: AuditReport) -> tuple[list[_Pair], list[str]]:
    """Return which models are compared, and those that are in one report only."""
    if len(now.evidence) == len(then.evidence) == 1:  # the only model, whatever each report calls it
        return [_Pair(now, then, *now.evidence, *then.evidence)], []
    alone = [
        *(
            f"The model {show(model)} is in the later report only."
            for model in now.evidence
            if model not in then.evidence
        ),
        *(
            f"The model {show(model)} is in the earlier report only."
            for model in then.evidence
            if model not in now.evidence
        ),
    ]
    return [_Pair(now, then, model, model) for model in now.evidence if model in then.evidence], alone


def _positives(now: AuditReport, then: AuditReport) -> list[Any]:
    """Return the positive label of both; one that nobody named is 1."""
    labels = [report.settings.pos_label for report in (now, then)]
    return [1 if label is None else label for label in labels]


def _same_positive(now: AuditReport, then: AuditReport) -> bool:
    """Whether the positive label is the same, as it is written: in a text file it may be the text "1"."""
    one, other = _positives(now, then)
    return one == other or str(one) == str(other)


def _by_median(report: AuditReport) -> bool:
    """Whether its decisions are scores above the median."""
    return any(tables.by_median for tables in report.evidence.values())


def _same_decisions(now: AuditReport, then: AuditReport) -> bool:
    """Whether to be selected means the same."""
    return _same_positive(now, then) and _by_median(now) == _by_median(then)


def _differences(now: AuditReport, then: AuditReport) -> Iterator[str]:
    """Say in what the questions of two reports differ."""
    if not _same_positive(now, then):
        positive = list(map(show, _positives(now, then)))
        yield (
            f"The positive label is {positive[0]} now, and was {positive[1]}: no rate means the same, and "
            "none is compared."
        )
    if now.settings.confidence != then.settings.confidence:
        yield (
            f"The confidence was {percent(then.settings.confidence)}: changes have intervals of "
            f"{percent(now.settings.confidence)}, and the verdicts of both are by their own."
        )
    names = [list(map(attribute_name, report.settings.attributes)) for report in (now, then)]
    yield from _only_in_one("attribute", *names)
    rates = [{rate.name: rate for rate in report.settings.rates} for report in (now, then)]
    yield from _only_in_one("rate", *rates)
    for name in rates[0].keys() & rates[1].keys():
        if not _same_rate(rates[0][name], rates[1][name]):
            yield f"The rate {show(name)} is defined in another way than in the earlier report."
    labelled = [all(tables.counts.labelled for tables in report.evidence.values()) for report in (now, then)]
    if labelled[0] != labelled[1]:
        which = "earlier" if labelled[0] else "later"
        yield f"The {which} report has no labels: what depends on them is not compared."
    by_median = [_by_median(report) for report in (now, then)]
    if all(by_median):
        yield (
            "Selected means in both reports that a score lies above the median of its own rows: a change "
            "says who moved up in that order, and all rows together cannot change."
        )
    elif any(by_median):
        which = "later" if by_median[0] else "earlier"
        yield (
            f"Selected means in the {which} report that a score lies above the median, and in the other one "
            "a decision: no rate means the same, and none is compared."
        )
    for report, which in ((now, "later"), (then, "earlier")):
        if any(said.n_groups for said in report.merged.values()):
            yield f"Small groups are merged in the {which} report: they may be others than in the other one."


def _only_in_one(what: str, now: Iterable[str], then: Iterable[str]) -> Iterator[str]:
    now, then = list(now), list(then)
    for here, there, which in ((now, then, "later"), (then, now, "earlier")):
        if alone := [name for name in here if name not in there]:
            verb = (
                f"The {what} {list_texts(alone)} is"
                if len(alone) == 1
                else f"The {what}s {list_texts(alone)} are"
            )
            yield f"{verb} in the {which} report only."


def _same_rate(one: Rate, other: Rate) -> bool:
    """Whether two rates are the same ratio of sums."""
    return (one.numerator_coefficients, one.denominator_coefficients) == (
        other.numerator_coefficients,
        other.denominator_coefficients,
    )


def _criterion_of(report: AuditReport, row: CriterionResult) -> Criterion:
    """Return the criterion that a row answers."""
    return next(c for c in report.settings.criteria if f"{row.attribute}/{c.key}" == row.id)


def _criteria(pair: _Pair) -> tuple[list[CriterionChange], list[str]]:
    """Compare the answers to every criterion that both reports ask of a model."""
    changes, not_compared = [], []
    attributes, seen = set(pair.attributes), set()
    alone: list[str] = []
    for row in pair.now.criteria:
        if row.model != pair.model or row.attribute not in attributes:
            continue
        other = pair.row_of(row)
        if other is None:
            alone.append(_row_name(row))
            continue
        seen.add(id(other))
        if reason := _other_question(pair, row, other):
            not_compared.append(f"{_row_name(row)}: {reason}")
            continue
        changes.append(_criterion_change(pair, row, other))
    gone = [
        _row_name(row)
        for row in pair.then.criteria
        if row.model == pair.earlier_model and row.attribute in attributes and id(row) not in seen
    ]
    return changes, [*_only_in_one("criterion", alone, gone), *not_compared]


def _row_name(row: CriterionResult) -> str:
    return row.id if row.stratum is None else f"{row.id} within {name_group(row.stratum)}"


def _other_question(pair: _Pair, row: CriterionResult, other: CriterionResult) -> str:
    """Return why two answers of the same name cannot be compared; empty if they can."""
    if row.reference != other.reference:
        now, then = (
            "all pairs of groups" if r is None else f"the reference {list_groups([r])}"
            for r in (row.reference, other.reference)
        )
        return f"it compares {now}, and compared {then}."
    rates = [_criterion_of(report, r).constraint.rates for report, r in ((pair.now, row), (pair.then, other))]
    if len(rates[0]) != len(rates[1]) or not all(map(_same_rate, *rates)):
        return "its rates are defined in another way than in the earlier report."
    return ""


def _criterion_change(pair: _Pair, row: CriterionResult, other: CriterionResult) -> CriterionChange:
    """Compare the answers to one criterion."""
    criterion = _criterion_of(pair.now, row)
    tables = [part.counts for part in pair.comparable[row.attribute]]
    now, then = (_measured(table, row, criterion, pair.now) for table in tables)
    change = disparity_change(now, then)
    return CriterionChange(
        id=row.id,
        model=row.model,
        attribute=row.attribute,
        stratum=row.stratum,
        constraint=row.constraint,
        comparison=now.comparison,
        reference=row.reference,
        value=now.value,
        earlier_value=then.value,
        change=change.value,
        low=change.low,
        high=change.high,
        direction=disparity_direction(change, now.comparison),
        verdict=row.verdict,
        earlier_verdict=other.verdict,
        bound=row.bound,
        earlier_bound=other.bound,
        caveat=" ".join(_caveats(row, other, *tables)),
    )


def _measured(
    counts: GroupCounts, row: CriterionResult, criterion: Criterion, report: AuditReport
) -> MeasuredDisparity:
    """Measure a disparity of a table, with the confidence of the later report."""
    if counts.strata is not None:
        counts = _pooled(counts) if row.stratum is None else counts.stratum(row.stratum)
    return measure_disparity(
        _present(counts),
        criterion.constraint,
        criterion.measured,
        reference=row.reference,
        confidence=row.confidence,
        min_group_size=report.settings.min_group_size,
    )


def _caveats(
    row: CriterionResult, other: CriterionResult, now: GroupCounts, then: GroupCounts
) -> Iterator[str]:
    """Say what else than the disparity is different."""
    if row.bound != other.bound:
        yield "There was no bound." if other.bound is None else f"The bound was {other.bound:g}."
    groups = [set(_present(_pooled(table)).groups) for table in (now, then)]
    if groups[0] != groups[1]:
        yield "The groups are not the same as before."


def _present(counts: GroupCounts) -> GroupCounts:
    """Return the groups that have rows."""
    n = counts.n if counts.strata is None else counts.n.sum(1)
    return counts.take([group for group, rows in zip(counts.groups, n, strict=True) if rows > 0])


def _common_rates(pair: _Pair) -> list[Rate]:
    """Return the rates that both reports have, of labels only if both have these."""
    earlier = {rate.name: rate for rate in pair.then.settings.rates}
    labelled = all(part.counts.labelled for part in pair.evidence)
    return [
        rate
        for rate in pair.now.settings.rates
        if rate.name in earlier
        and _same_rate(rate, earlier[rate.name])
        and (labelled or not rate.needs_labels)
    ]


def _overall_rates(pair: _Pair) -> Iterator[RateChange]:
    """Compare every rate of all rows; these intervals hold together."""
    now, then = (_pooled(part.counts).overall() for part in pair.evidence)
    rates = _common_rates(pair)
    for rate in rates:
        found = rate_changes(now, then, rate, pair.now.settings.confidence, n_rates=len(rates))
        yield from _rate_rows(pair, "", found, (None,))


def _group_rates(pair: _Pair, attribute: str, now: GroupCounts, then: GroupCounts) -> Iterator[RateChange]:
    """Compare every rate of every group that both tables have; these intervals hold together."""
    now, then = _present(_pooled(now)), _present(_pooled(then))
    rates = _common_rates(pair)
    for rate in rates:
        found = rate_changes(now, then, rate, pair.now.settings.confidence, n_rates=len(rates))
        yield from _rate_rows(pair, attribute, found, found.groups)


def _group_scores(pair: _Pair, attribute: str) -> Iterator[RateChange]:
    """Compare the metrics of scores of every group that both have; these intervals hold together."""
    parts = pair.comparable[attribute]
    histograms = [part.histograms for part in parts if part.histograms is not None and part.counts.labelled]
    if len(histograms) < 2:
        return
    scores = [GroupedScores.of_histograms(table) for table in histograms]
    places = [{group: i for i, group in enumerate(table.groups)} for table in histograms]
    groups = [group for group in places[0] if group in places[1]]
    has_sums = all(table.score_sums is not None for table in histograms)
    measures: tuple[ScoreMetric, ...] = ("auc", "mean_score") if has_sums else ("auc",)
    level = joint_confidence(pair.now.settings.confidence, len(groups) * len(measures))
    tables = [ScoreMetrics(part, measures, confidence=level) for part in scores]
    for measure in measures:
        ends = [
            Estimate(*(column[[place[group] for group in groups]] for column in columns))
            for table, place in zip(tables, places, strict=True)
            for columns in [(table.values[measure], *table.intervals[measure])]
        ]
        n = [table.n[[place[g] for g in groups]] for table, place in zip(tables, places, strict=True)]
        low, high = newcombe_interval(*ends)
        columns = (*n, *(end.value for end in ends), ends[0].value - ends[1].value, low, high)
        yield from _change_rows(pair, attribute, measure, groups, columns)


def _pooled(counts: GroupCounts) -> GroupCounts:
    """Return counts of all strata together."""
    return counts if counts.strata is None else counts.marginal(*counts.names)


def _rate_rows(
    pair: _Pair, attribute: str, found: RateChanges, groups: Sequence[Hashable]
) -> Iterator[RateChange]:
    columns = (found.n_now, found.n_then, found.now, found.then, *found.change)
    return _change_rows(pair, attribute, found.rate.name, groups, columns)


def _change_rows(
    pair: _Pair, attribute: str, name: str, groups: Sequence[Hashable], columns: Sequence[Floats]
) -> Iterator[RateChange]:
    """Return a row per group; the columns are in the order of the fields of a row."""
    for group, *numbers in zip(groups, *(column.tolist() for column in columns), strict=True):
        n, earlier_n, value, earlier_value, change, low, high = numbers
        yield RateChange(
            model=pair.model,
            attribute=attribute,
            group=group,
            rate=name,
            n=n,
            earlier_n=earlier_n,
            value=value,
            earlier_value=earlier_value,
            change=change,
            low=low,
            high=high,
            direction=movement(low, high),
        )
