"""Comparison of two audits: what became of every disparity and rate, with intervals."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import list_groups
from fairsk._core.messages import list_texts, show
from fairsk._core.results import (
    MOST_LINES,
    Backend,
    Record,
    Result,
    Table,
    number,
    percent,
    with_interval,
)
from fairsk._core.sections import Section
from fairsk.audit._evidence import Evidence
from fairsk.audit._report.criteria import Criterion, attribute_name
from fairsk.audit._report.report import AuditReport
from fairsk.audit._report.results import AuditOutcome, CriterionResult, name_group
from fairsk.rates import Rate
from fairsk.statistics._changes import (
    Direction,
    Movement,
    RateChanges,
    disparity_change,
    disparity_direction,
    rate_changes,
)
from fairsk.statistics._pairs import PairComparison
from fairsk.statistics._verdicts import MeasuredDisparity, measure_disparity

__all__ = ["AuditComparison", "CriterionChange", "RateChange", "compare"]

#: In which of the two reports something is.
Which: TypeAlias = Literal["later", "earlier"]

_NOTES = (
    "A change is the later value minus the earlier one. Rows of the two audits are taken as independent: if "
    "the same people are in both, intervals of changes are not what they say, and as a rule too wide.",
    "Worse: the disparity has grown, by all that its interval holds (a ratio has become smaller); better: it "
    "has become smaller. Not told apart is no evidence that nothing changed. Two audits may also differ "
    "because other people were audited, or their labels were found in another way.",
)


@dataclass(frozen=True, eq=False)
class CriterionChange(Record):
    """What became of one criterion, for one attribute of one model.

    Parameters
    ----------
    id : str
        That of the later report.
    model, attribute : str
        Of whom.
    stratum : label or None
        Within which stratum; None for all rows.
    constraint, comparison : str
        What is compared between groups.
    reference : label or None
        The group that all others are compared with.
    value, earlier_value : float
        The disparity in the later and in the earlier audit.
    change, low, high : float
        The later disparity minus the earlier one, and its interval.
    direction : {"worse", "better", "not told apart", "not known"}
        On which side of 0 the interval lies.
    verdict, earlier_verdict : {"PASS", "FAIL", "INCONCLUSIVE", "NOT APPLICABLE"} or None
        As each report has them; None without a bound.
    bound, earlier_bound : float or None
        The bounds. A verdict by another bound is another question.
    caveat : str
        What else is different: bounds, and groups.
    """

    id: str
    model: str
    attribute: str
    stratum: Hashable
    constraint: str
    comparison: PairComparison
    reference: Hashable
    value: float
    earlier_value: float
    change: float
    low: float
    high: float
    direction: Direction
    verdict: AuditOutcome | None
    earlier_verdict: AuditOutcome | None
    bound: float | None
    earlier_bound: float | None
    caveat: str


@dataclass(frozen=True, eq=False)
class RateChange(Record):
    """What became of a rate of a group; the group is None for all rows.

    Parameters
    ----------
    model, attribute : str
        Of whom.
    group : label or None
        The group; None for all rows.
    rate : str
        Which rate.
    n, earlier_n : float
        On how many rows it is measured.
    value, earlier_value : float
        The rate in the later and in the earlier audit.
    change, low, high : float
        The later rate minus the earlier one, and its interval.
    direction : {"higher", "lower", "not told apart", "not known"}
        On which side of 0 the interval lies.
    """

    model: str
    attribute: str
    group: Hashable
    rate: str
    n: float
    earlier_n: float
    value: float
    earlier_value: float
    change: float
    low: float
    high: float
    direction: Movement


@dataclass(frozen=True, eq=False, repr=False)
class AuditComparison(Result):
    """What changed between two audits. Prints itself, and renders in notebooks.

    Parameters
    ----------
    title, earlier_title : str
        The titles of the two reports.
    digest, earlier_digest : str
        Which reports they are.
    confidence : float
        Of every interval of a change in disparity; those of all groups and rates of an attribute hold
        together with it.
    criteria : tuple of CriterionChange
        What became of every criterion that is in both.
    rates : tuple of RateChange
        What became of every rate of every group that is in both.
    new_groups, lost_groups : mapping of str to tuple of labels
        By attribute, groups with rows in the later or in the earlier audit only.
    not_compared : tuple of str
        What is in one report only, or means something else in the other.
    library : {"pandas", "polars", "pyarrow"}, optional
        The library of frames.

    See Also
    --------
    compare : Makes it.
    AuditReport : What is compared.
    """

    title: str
    earlier_title: str
    digest: str
    earlier_digest: str
    confidence: float
    criteria: tuple[CriterionChange, ...]
    rates: tuple[RateChange, ...]
    new_groups: Mapping[str, tuple[Hashable, ...]]
    lost_groups: Mapping[str, tuple[Hashable, ...]]
    not_compared: tuple[str, ...]
    library: Backend | None = None

    @property
    def worse(self) -> tuple[CriterionChange, ...]:
        """The criteria whose disparity has grown, by all that its interval holds."""
        return tuple(row for row in self.criteria if row.direction == "worse")

    @property
    def better(self) -> tuple[CriterionChange, ...]:
        """The criteria whose disparity has become smaller, by all that its interval holds."""
        return tuple(row for row in self.criteria if row.direction == "better")

    @property
    def newly_failing(self) -> tuple[CriterionChange, ...]:
        """The criteria that fail now, and did not by the same bound."""
        return tuple(
            row
            for row in self.criteria
            if row.verdict == "FAIL" != row.earlier_verdict and row.bound == row.earlier_bound
        )

    @property
    def _moved(self) -> list[RateChange]:
        return [row for row in self.rates if row.direction in ("higher", "lower")]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What changed, in words."""
        said = [_counted(self.criteria)]
        if self.newly_failing:
            said.append(f"FAIL now, and not before: {list_texts(map(_name, self.newly_failing))}.")
        if self.rates:
            said.append(f"Of {len(self.rates):,} rates, {len(self._moved):,} are told apart from before.")
        for groups, words in ((self.new_groups, "New groups"), (self.lost_groups, "Groups without rows now")):
            said += [f"{words} of {name}: {list_groups(labels)}." for name, labels in groups.items()]
        return tuple(said)

    def _tables(self) -> list[Table]:
        caption = f"{self.title}, compared with {self.earlier_title}"
        note = f"{percent(self.confidence)} intervals of the changes, each for itself."
        notes = [note, *self.sentences, *self.not_compared]
        tables = [_criteria_table(self.criteria, caption, notes)]
        if self._moved:
            tables.append(_rates_table(self._moved, f"Rates that are told apart, {self._together}"))
        return tables

    def rate_frame(self, backend: Backend | None = None) -> Any:
        """Return the changes of all rates as a frame.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}, optional
            The library; by default that of the data, else the first one that is installed.

        Returns
        -------
        frame
            A line per rate and group, and per rate of all rows.
        """
        return _rates_table(self.rates, "").frame(self.library if backend is None else backend)

    @property
    def _together(self) -> str:
        return f"{percent(self.confidence)} intervals for all of an attribute and model at once"

    def _sections(self) -> list[Section]:
        """Return the comparison as sections of a page."""
        note = f"{percent(self.confidence)} intervals of the changes, each for itself."
        sections = [
            Section(
                f"Changes since {self.earlier_title}",
                self.sentences,
                [_criteria_table(self.criteria, "Changes of disparities", [note])],
            )
        ]
        for attribute in dict.fromkeys(row.attribute for row in self.rates):
            rows = [row for row in self.rates if row.attribute == attribute]
            table = _rates_table(rows, f"Changes of rates, {self._together}")
            sections.append(Section(f"Changes {f'by {attribute}' if attribute else 'overall'}", (), [table]))
        if self.not_compared:
            sections.append(Section("Not compared", self.not_compared))
        sections.append(
            Section(
                "How to read changes",
                [*_NOTES, f"Digests: {self.digest} (now), {self.earlier_digest} (earlier)."],
            )
        )
        return sections

    def __str__(self) -> str:
        return "\n\n".join([super().__str__(), "\n".join(_NOTES)])


def _counted(rows: Sequence[CriterionChange]) -> str:
    """Say how many disparities changed."""
    if not rows:
        return "No criterion is in both reports."
    directions = [row.direction for row in rows]
    disparities = "1 disparity" if len(rows) == 1 else f"{len(rows):,} disparities"
    known: tuple[Direction, ...] = ("worse", "better", "not told apart")
    parts = [f"{directions.count(direction):,} {direction}" for direction in known]
    if unknown := directions.count("not known"):
        parts.append(f"{unknown:,} not known")
    return f"Of {disparities}: {', '.join(parts)}."


def _name(row: CriterionChange) -> str:
    """Write which criterion of whom it is."""
    within = "" if row.stratum is None else f" within {name_group(row.stratum)}"
    return f"{row.id}{within}{f' ({row.model})' if row.model else ''}"


def _criteria_table(rows: Sequence[CriterionChange], caption: str, notes: Sequence[str]) -> Table:
    names = [field.name for field in fields(CriterionChange)]
    columns: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in names}
    for name in ("verdict", "earlier_verdict"):
        columns[name] = [value or "" for value in columns[name]]
    for name in ("stratum", "reference"):
        labels = [getattr(row, name) for row in rows]
        columns[name] = ["" if label is None else name_group(label) for label in labels]
    text: dict[str, list[str]] = {"attribute": columns["attribute"]}
    if any(columns["model"]):
        text["model"] = columns["model"]
    if any(columns["stratum"]):
        text["stratum"] = [stratum or "all rows" for stratum in columns["stratum"]]
    text["criterion"] = [row.constraint.replace("_", " ") for row in rows]
    text["measure"] = [row.comparison for row in rows]
    text["earlier"] = [number(row.earlier_value) for row in rows]
    text["now"] = [number(row.value) for row in rows]
    text["change"] = [_signed(row) for row in rows]
    text["direction"] = [row.direction for row in rows]
    if any(columns["verdict"]) or any(columns["earlier_verdict"]):
        text["earlier verdict"] = [verdict or "-" for verdict in columns["earlier_verdict"]]
        text["verdict"] = [verdict or "-" for verdict in columns["verdict"]]
    return Table(
        columns,
        text,
        caption,
        notes,
        words=("attribute", "model", "stratum", "criterion", "measure", "direction"),
        outcomes=("earlier verdict", "verdict"),
        remarks=columns["caveat"],
    )


def _rates_table(rows: Sequence[RateChange], caption: str) -> Table:
    """Return a line per rate and group, those that changed first."""
    order = {"higher": 0, "lower": 0, "not told apart": 1, "not known": 2}
    rows = sorted(rows, key=lambda row: order[row.direction])
    names = (
        "model",
        "attribute",
        "rate",
        "n",
        "earlier_n",
        "value",
        "earlier_value",
        "change",
        "low",
        "high",
    )
    columns: dict[str, list[Any]] = {"group": [name_group(row.group) for row in rows]}
    columns |= {name: [getattr(row, name) for row in rows] for name in (*names, "direction")}
    shown = rows[:MOST_LINES]
    text: dict[str, list[str]] = {"group": columns["group"]}
    if len(set(columns["attribute"])) > 1:
        text["attribute"] = [attribute or "all rows" for attribute in columns["attribute"]]
    if any(columns["model"]):
        text["model"] = columns["model"]
    text |= {
        "rate": columns["rate"],
        "earlier": [number(row.earlier_value) for row in shown],
        "now": [number(row.value) for row in shown],
        "change": list(map(_signed, shown)),
        "direction": columns["direction"],
    }
    return Table(columns, text, caption, words=("attribute", "model", "rate", "direction"))


def _signed(row: CriterionChange | RateChange) -> str:
    """Write a change with its sign and interval."""
    if np.isnan(row.change):
        return "-"
    sign = "+" if round(row.change, 3) > 0 else ""
    return sign + with_interval(row.change, row.low, row.high)


def compare(
    report: AuditReport | str | bytes | os.PathLike[str],
    earlier: AuditReport | str | bytes | os.PathLike[str],
) -> AuditComparison:
    """Compare an audit with an earlier one: what became of every disparity and rate, with intervals.

    Parameters
    ----------
    report : AuditReport, str, bytes or path
        The later report, its JSON, or a file of that.
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
    groups: dict[Which, dict[str, dict[Hashable, None]]] = {"later": {}, "earlier": {}}
    for pair in pairs:
        if _same_positive(now, then):
            found, said = _criteria(pair)
            criteria += found
            not_compared += said
            rates += _overall_rates(pair)
        for attribute, tables in pair.tables.items():
            if _same_positive(now, then):
                rates += _group_rates(pair, attribute, *tables)
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
    """Return a report, or the one that a text or a file holds."""
    if isinstance(report, AuditReport):
        return report
    try:
        if isinstance(report, bytes) or (isinstance(report, str) and report.lstrip()[:1] == "{"):
            return AuditReport.from_json(report)
        if isinstance(report, str | os.PathLike):
            return AuditReport.from_json(Path(report).read_bytes())
    except (ValueError, OSError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"{name}={show(report)}: {said}") from None
    raise TypeError(
        f"{name} must be an AuditReport, its JSON, or a path to that; got {type(report).__name__}."
    )


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
    def tables(self) -> dict[str, tuple[GroupCounts, GroupCounts]]:
        """The counts of both by each attribute, with rows of unknown groups."""
        return {name: self._by(name, lambda part: part.counts) for name in self.attributes}

    @cached_property
    def known(self) -> dict[str, tuple[GroupCounts, GroupCounts]]:
        """The counts of both by each attribute, of known groups."""
        return {name: self._by(name, lambda part: part.known().counts) for name in self.attributes}

    def _by(
        self, attribute: str, counts: Callable[[Evidence], GroupCounts]
    ) -> tuple[GroupCounts, GroupCounts]:
        return (
            counts(self.now._margins[self.model, attribute]),
            counts(self.then._margins[self.earlier_model, attribute]),
        )

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
    tables = pair.known[row.attribute]
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
    labelled = all(
        report.evidence[model].counts.labelled
        for report, model in ((pair.now, pair.model), (pair.then, pair.earlier_model))
    )
    return [
        rate
        for rate in pair.now.settings.rates
        if rate.name in earlier
        and _same_rate(rate, earlier[rate.name])
        and (labelled or not rate.needs_labels)
    ]


def _overall_rates(pair: _Pair) -> Iterator[RateChange]:
    """Compare every rate of all rows; these intervals hold together."""
    now, then = (
        _pooled(report.evidence[model].counts).overall()
        for report, model in ((pair.now, pair.model), (pair.then, pair.earlier_model))
    )
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


def _pooled(counts: GroupCounts) -> GroupCounts:
    """Return counts of all strata together."""
    return counts if counts.strata is None else counts.marginal(*counts.names)


def _rate_rows(
    pair: _Pair, attribute: str, found: RateChanges, groups: Sequence[Hashable]
) -> Iterator[RateChange]:
    columns = (found.n_now, found.n_then, found.now, found.then, *found.change)
    numbers = zip(*(column.tolist() for column in columns), strict=True)
    names = [field.name for field in fields(RateChange)][4:-1]
    for group, movement, values in zip(groups, found.movements, numbers, strict=True):
        measured = dict(zip(names, values, strict=True))
        yield RateChange(pair.model, attribute, group, found.rate.name, **measured, direction=movement)
