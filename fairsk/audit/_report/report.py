"""The audit report: settings, evidence, and the results that follow from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from typing import Any, get_args

from fairsk._core.canonical import commitment_of, digest, indented, parse, plain_numbers
from fairsk._core.groups import attribute_name
from fairsk._core.messages import list_texts, shorten, show
from fairsk._core.results import Backend, Result, Table, number, plain, printable, with_interval
from fairsk._core.sections import Section
from fairsk.audit._evidence import Evidence
from fairsk.audit._report.criteria import Settings
from fairsk.audit._report.results import (
    AuditOutcome,
    CriterionResult,
    Results,
    measure,
    name_group,
    outcome_of,
)
from fairsk.audit._small_groups import MergedGroups

__all__ = ["SCHEMA_VERSION", "AuditReport", "FairnessCheckError", "build"]

SCHEMA_VERSION = "fairsk.audit-report/1"

#: How many criteria an error lists, and how long a line and a name in it are at most: people read it.
_MOST_LISTED, _LONGEST_LINE, _LONGEST_NAME = 8, 220, 40


class FairnessCheckError(AssertionError):
    """A report has a criterion whose outcome was not to be accepted.

    See Also
    --------
    AuditReport : Its ``assert_passes`` raises it.

    Examples
    --------
    >>> from fairsk.audit import FairnessCheckError, audit_predictions
    >>> report = audit_predictions(
    ...     None, [1] * 90 + [0] * 90, sensitive_features=["a"] * 90 + ["b"] * 90, min_ratio=0.8)
    >>> try:
    ...     report.assert_passes()
    ... except FairnessCheckError as error:
    ...     print(error)
    Audit of predictions: not accepted
    FAIL: sensitive_features/demographic_parity/min_ratio is 0.000 [0.000, 0.041], at least 0.8 is asked;
    b 0.000 / a 1.000 in selection_rate
    """


@dataclass(frozen=True, eq=False, repr=False)
class AuditReport(Result):
    """An audit of predictions: verdicts, rates and scores by group, and the counts that they follow from.

    :func:`audit_predictions` makes it of rows or counts, :func:`audit_models` of fitted models. It prints
    itself and renders in notebooks; :meth:`to_html` writes a page that needs nothing else, :meth:`to_json`
    what :func:`verify` recomputes. It holds no rows.

    Parameters
    ----------
    title : str
        What stands at the top.
    settings : Settings
        What was asked.
    evidence : mapping of str to Evidence
        By model, the tables that all results follow from.
    results : Results
        The rows.
    stated : mapping of str to value
        What cannot be recomputed: where the data came from, what functions of the user's own returned, the
        audit of the data.
    merged : mapping of str to MergedGroups
        By model, which small intersections were merged, if that was asked.
    library : {"pandas", "polars", "pyarrow"}, optional
        The library of the data, in which :meth:`frame` comes.

    Attributes
    ----------
    criteria : tuple of CriterionResult
        The answer to every criterion.
    outcome : {"PASS", "FAIL", "INCONCLUSIVE", "NOT APPLICABLE"} or None
        The worst of them; None if none has a bound.
    digest : str
        SHA-256 of the whole document.

    See Also
    --------
    verify : Recompute a report that somebody else made.
    compare : What changed between two reports.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.audit import audit_predictions
    >>> y_pred = np.repeat([1, 0, 1, 0], [300, 200, 290, 210])
    >>> sex = np.repeat(["man", "woman"], 500)
    >>> report = audit_predictions(None, y_pred, sensitive_features=sex, min_ratio=0.8)
    >>> report.assert_passes()
    >>> [row] = report.criteria
    >>> row.verdict, round(row.value, 3), row.caveat
    ('PASS', 0.967, 'A ratio below 0.8 is ruled out at this n.')
    >>> page, text = report.to_html(), report.to_json()
    """

    title: str
    settings: Settings = field(repr=False)
    evidence: Mapping[str, Evidence] = field(repr=False)
    results: Results = field(repr=False)
    stated: Mapping[str, Any] = field(repr=False)
    merged: Mapping[str, MergedGroups] = field(repr=False)
    library: Backend | None = None
    #: The evidence before small groups were merged, for the commitment alone: never written, never pickled.
    _before: Mapping[str, Evidence] | None = field(default=None, init=False)

    def __getstate__(self) -> dict[str, Any]:
        """Leave small groups out of what is pickled, and all that is computed from the rest."""
        fields = ("title", "settings", "evidence", "results", "stated", "merged", "library")
        return {name: value for name, value in super().__getstate__().items() if name in fields} | {
            "_before": None
        }

    @property
    def criteria(self) -> tuple[CriterionResult, ...]:
        """The answer to every criterion."""
        return self.results.criteria

    @property
    def outcome(self) -> AuditOutcome | None:
        """The worst outcome of a criterion with a bound; None if there is none."""
        return outcome_of(self.criteria)

    @property
    def digest(self) -> str:
        """SHA-256 of the whole document, by which a copy is recognised."""
        return str(self.to_document()["digest"])

    @cached_property
    def _margins(self) -> dict[tuple[str, str], Evidence]:
        """The tables of every model by every attribute."""
        return {
            (model, attribute_name(names)): tables.by(*names)
            for model, tables in self.evidence.items()
            for names in self.settings.attributes
        }

    @cached_property
    def _document(self) -> dict[str, Any]:
        body = {
            "schema_version": SCHEMA_VERSION,
            "title": self.title,
            "settings": self.settings.to_state(),
            "evidence": {model: tables.to_state() for model, tables in self.evidence.items()},
            "small_groups": {model: said.to_state() for model, said in self.merged.items()},
            "stated": plain(self.stated),
            "results": self.results.to_state(),
        }
        body = plain_numbers(body)
        return body | {"digest": digest(body)}

    def to_document(self) -> dict[str, Any]:
        """Return the report as :meth:`to_json` writes it.

        Returns
        -------
        dict of str to value
            Plain values; ``schema_version`` says how they are laid out.
        """
        return json.loads(json.dumps(self._document))  # a copy, for dictionaries can be changed

    def to_json(self) -> str:
        """Return the report as JSON, with the counts that it follows from.

        Returns
        -------
        str
            What :func:`verify` and :meth:`from_json` read. It grows with groups, not with rows.
        """
        return indented(self._document)

    @classmethod
    def from_json(cls, text: str | bytes) -> AuditReport:
        """Restore a report from its JSON; its results are computed anew.

        Parameters
        ----------
        text : str or bytes
            What :meth:`to_json` wrote.

        Returns
        -------
        AuditReport
            The report. Whether the text says the same is for :func:`verify` to tell.

        Raises
        ------
        ValueError
            If it is no such report.
        """
        document, findings = parse(text)
        if findings:
            raise ValueError(findings[0].sentence)
        version = document.get("schema_version") if isinstance(document, dict) else None
        if version is None:
            raise ValueError("This is not the JSON of an audit report.")
        if version != SCHEMA_VERSION:
            raise ValueError(
                f"The report is laid out as {version!r:.100}; this version reads {SCHEMA_VERSION!r}."
            )
        try:
            if not isinstance(document["title"], str) or not isinstance(document["stated"], Mapping):
                raise TypeError("the title is no text, or what is stated is no object")
            return from_document(document)
        except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
            # A document from outside can be wrong in any way there is.
            reason = shorten(printable(str(error)), 300)
            raise ValueError(
                f"The JSON is no whole audit report ({type(error).__name__}: {reason}); verify() names what "
                "is wrong with it."
            ) from error

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """Return the JSON Schema of what :meth:`to_json` writes, for other programs.

        Returns
        -------
        dict
            The schema, of draft 2020-12.
        """
        text = files("fairsk.audit._report").joinpath("report.schema.json").read_text("utf-8")
        schema: dict[str, Any] = json.loads(text)
        return schema

    def to_html(self, *, charts: bool = True) -> str:
        """Return the report as one page that needs nothing else: no script, no request.

        Parameters
        ----------
        charts : bool, default=True
            Whether charts are drawn, if matplotlib is installed.

        Returns
        -------
        str
            The page.
        """
        return self._page(None if charts else [])

    def _page(self, charts: Sequence[str] | None, embedded: str | None = None) -> str:
        """Return the page with charts that are drawn already, and JSON that is written already."""
        from fairsk._pages.html import render_page

        return render_page(
            self.title,
            self._sections(),
            embedded=self.to_json() if embedded is None else embedded,
            digest=self.digest,
            charts=charts,
        )

    def commitment(self, salt: str = "") -> str:
        """Return a digest to publish before the report, or apart from it: it binds to the counts.

        Parameters
        ----------
        salt : str, default=""
            A secret that is kept for the auditor, such as ``secrets.token_hex(16)``; needed where small
            groups are merged, for whoever tries all counts that they could have would find them.

        Returns
        -------
        str
            SHA-256 of the document; where small groups are merged, of the counts before that too.

        Raises
        ------
        ValueError
            If small groups are merged, and the salt is shorter than 128 bits; or if the report was read from
            a file, which does not have them any more.

        See Also
        --------
        verify : Takes it, with the salt and the rows.
        """
        if not any(said.n_groups or said.n_strata for said in self.merged.values()):
            return commitment_of(self._document, None, salt)
        if len(salt) < 32:
            raise ValueError(
                "Small groups are merged, and a digest of their counts without a secret gives them away: "
                "give a salt of 128 random bits, such as secrets.token_hex(16), and keep it."
            )
        if self._before is None:
            raise ValueError("The counts before small groups were merged are known only to the audit itself.")
        full = {model: tables.to_state() for model, tables in self._before.items()}
        return commitment_of(self._document, full, salt)

    def to_markdown(self) -> str:
        """Return the report as Markdown, for pull requests and model cards.

        Returns
        -------
        str
            Headings and tables.
        """
        from fairsk._pages.markdown import render_markdown

        return render_markdown(self.title, self._sections(), digest=self.digest)

    def assert_passes(self, fail_on: Sequence[AuditOutcome] = ("FAIL",)) -> None:
        """Raise if a criterion has an outcome that is not accepted: for tests and continuous integration.

        Parameters
        ----------
        fail_on : sequence of str, default=("FAIL",)
            Outcomes that are not accepted; ``("FAIL", "INCONCLUSIVE")`` asks for proof.

        Raises
        ------
        FairnessCheckError
            If there is one; it lists them.
        ValueError
            If no criterion has a bound, so that nothing could fail; or if ``fail_on`` names no outcome.
        """
        __tracebackhide__ = True  # pytest shows the test, and not this
        outcomes = {fail_on} if isinstance(fail_on, str) else set(fail_on)
        if not outcomes or not outcomes <= set(get_args(AuditOutcome)):
            known = list_texts(get_args(AuditOutcome))
            raise ValueError(f"fail_on names the outcomes not to accept, of {known}; got {show(fail_on)}.")
        if self.outcome is None:
            raise ValueError("No criterion has a bound: give max_difference or min_ratio to the audit.")
        found = [row for row in self.criteria if row.verdict in outcomes]
        if found:
            lines = list(map(_line, found[:_MOST_LISTED]))
            more = [f"... and {len(found) - _MOST_LISTED} more"] if len(found) > _MOST_LISTED else []
            raise FairnessCheckError("\n".join([f"{self.title}: not accepted", *lines, *more]))

    def _sections(self) -> list[Section]:
        from fairsk.audit._report.sections import report_sections

        return report_sections(self)

    def _tables(self) -> list[Table]:
        from fairsk.audit._report.sections import summary_tables

        return summary_tables(self)

    def _content(self) -> dict[str, Any]:
        document = self.to_document()
        criteria = document["results"].pop("criteria")
        return document | {"outcome": self.outcome, "criteria": criteria}


def _line(row: CriterionResult) -> str:
    """Write in a line what a criterion found: the value, its interval, the bound, and the two groups."""
    within = "" if row.stratum is None else name_group(row.stratum)
    of = "".join(f" ({shorten(name, _LONGEST_NAME)})" for name in (row.model, within) if name)
    about = f"{row.verdict}: {shorten(row.id, 2 * _LONGEST_NAME)}{of}"
    if not row.groups:
        return shorten(printable(f"{about}: {row.caveat}"), _LONGEST_LINE)
    asked = "no bound"
    if row.bound is not None:
        asked = f"{'at most' if row.comparison == 'difference' else 'at least'} {row.bound:g} is asked"
    shown = zip(map(name_group, row.groups), map(number, row.group_rates), strict=True)
    ends = " / ".join(f"{shorten(group, _LONGEST_NAME)} {rate}" for group, rate in shown)
    value = with_interval(row.value, row.low, row.high)
    return shorten(printable(f"{about} is {value}, {asked}; {ends} in {row.rate}"), _LONGEST_LINE)


def build(
    title: str,
    settings: Settings,
    evidence: Mapping[str, Evidence],
    stated: Mapping[str, Any],
    merged: Mapping[str, MergedGroups],
    library: Backend | None = None,
    before: Mapping[str, Evidence] | None = None,
) -> AuditReport:
    """Compute the results, and return the report.

    Everything is first made what its JSON says, so that whoever reads that computes the same to the last bit.
    The evidence before small groups were merged is kept for the commitment.
    """
    settings = Settings.from_state(plain_numbers(settings.to_state()))
    evidence = {
        model: Evidence.from_state(plain_numbers(tables.to_state())) for model, tables in evidence.items()
    }
    said = plain_numbers(plain(stated))
    results = measure(settings, evidence)
    report = AuditReport(title, settings, evidence, results, said, merged, library)
    report._set(_before=before)
    return report


def from_document(document: Mapping[str, Any]) -> AuditReport:
    """Compute a report anew from the settings and the evidence of its document."""
    return build(
        document["title"],
        Settings.from_state(document["settings"]),
        {model: Evidence.from_state(state) for model, state in document["evidence"].items()},
        document["stated"],
        {model: MergedGroups.from_state(state) for model, state in document["small_groups"].items()},
    )
