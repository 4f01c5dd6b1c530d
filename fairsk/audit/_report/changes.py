"""Changes between two audits, as a result: of criteria, of rates, and what is not compared."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fairsk._core.groups import list_groups
from fairsk._core.messages import in_words, list_texts
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
from fairsk.audit._report.results import AuditOutcome, name_group
from fairsk.statistics._changes import Direction, Movement
from fairsk.statistics._pairs import PairComparison

__all__ = ["AuditComparison", "CriterionChange", "RateChange"]

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
    """What became of a rate of a group, or a metric of its scores; the group is None for all rows.

    Parameters
    ----------
    model, attribute : str
        Of whom.
    group : label or None
        The group; None for all rows.
    rate : str
        Which rate, or which metric of scores.
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
    scores : tuple of RateChange
        What became of the metrics of scores of these groups that have an interval, from histograms.
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
    scores: tuple[RateChange, ...]
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
        return [row for row in (*self.rates, *self.scores) if row.direction in ("higher", "lower")]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What changed, in words."""
        said = [_counted(self.criteria)]
        if self.newly_failing:
            said.append(f"FAIL now, and not before: {list_texts(map(_name, self.newly_failing))}.")
        if n := len(self.rates) + len(self.scores):
            what = "rates and metrics of scores" if self.scores else "rates"
            said.append(f"Of {n:,} {what}, {len(self._moved):,} are told apart from before.")
        for groups, words in ((self.new_groups, "New groups"), (self.lost_groups, "Groups without rows now")):
            said += [f"{words} of {name}: {list_groups(labels)}." for name, labels in groups.items()]
        return tuple(said)

    def _tables(self) -> list[Table]:
        note = f"{percent(self.confidence)} intervals of the changes, each for itself."
        notes = [note, *self.sentences, *self.not_compared]
        tables = [_criteria_table(self.criteria, self._heading, notes)]
        if self._moved:
            tables.append(_rates_table(self._moved, f"Rates that are told apart, {self._together}"))
        return tables

    def rate_frame(self, backend: Backend | None = None) -> Any:
        """Return the changes of all rates and metrics of scores as a frame.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}, optional
            The library; by default that of the data, else the first one that is installed.

        Returns
        -------
        frame
            A line per rate and group, and per rate of all rows.
        """
        return _rates_table([*self.rates, *self.scores], "").frame(
            self.library if backend is None else backend
        )

    def to_html(self) -> str:
        """Return the comparison as one page that needs nothing else: no script, no request.

        Returns
        -------
        str
            The page; the counts of both audits are in their own reports.
        """
        from fairsk._pages.html import render_page

        return render_page(self._heading, self._sections(), charts=[])

    def to_markdown(self) -> str:
        """Return the comparison as Markdown, for pull requests.

        Returns
        -------
        str
            Headings and tables.
        """
        from fairsk._pages.markdown import render_markdown

        return render_markdown(self._heading, self._sections())

    @property
    def _heading(self) -> str:
        return f"{self.title}, compared with {self.earlier_title}"

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
            rows = [row for row in (*self.rates, *self.scores) if row.attribute == attribute]
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
    text["criterion"] = [in_words(row.constraint) for row in rows]
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
        "rate": [in_words(row.rate) for row in shown],
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
