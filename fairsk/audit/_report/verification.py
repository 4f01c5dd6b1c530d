"""Verification of a report: every number recomputed from the tables inside, by whoever has the document."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from fairsk._core.canonical import (
    Finding,
    commitment_of,
    count_leaves,
    differences,
    digest,
    indented,
    parse,
    step,
)
from fairsk._core.markup import escape
from fairsk._core.messages import list_texts, shorten, show
from fairsk._core.results import Result, Table, printable, row_count
from fairsk._core.version import __version__
from fairsk.audit._evidence import Evidence
from fairsk.audit._report.recounting import count_again, recounted_findings
from fairsk.audit._report.report import SCHEMA_VERSION, AuditReport, from_document

__all__ = ["Verification", "read_report", "restore_report", "verify"]

Form: TypeAlias = Literal["report", "JSON", "page"]

#: A page of 200 groups has less than 1 MB. What is longer is not read.
_MOST_BYTES = 64 * 2**20
#: A page of ours has fewer charts; more marks of charts than this would take long to look through.
_MOST_CHARTS = 100
#: Sentences that are printed; ``findings`` has all.
_MOST_SENTENCES = 20
#: Beyond these a document asks for more memory than reports need.
_MOST_GROUPS, _MOST_BINS = 10_000, 10_000
#: A finding shows so many characters of a page around the first one that differs.
_AROUND = 30


@dataclass(frozen=True, eq=False, repr=False)
class Verification(Result):
    """What :func:`verify` found; it is true if the report holds.

    Attributes
    ----------
    form : {"report", "JSON", "page"}
        What was read.
    title : str
        The title of the report.
    digest : str or None
        SHA-256 of the document as it was read, to be compared with one that was published elsewhere; None if
        it could not be read.
    findings : tuple of Finding
        What does not hold; each has a ``kind``, a ``path`` and a ``sentence``.
    n_recomputed : int
        How many values were computed anew.
    stated : tuple of str
        What the report only states.
    n_rows : float or None
        How many rows (or what weight) were counted again.
    commitment : str or None
        The digest published elsewhere that it was compared with.

    See Also
    --------
    verify : Makes it.
    """

    form: Form
    title: str
    digest: str | None
    findings: tuple[Finding, ...]
    n_recomputed: int
    stated: tuple[str, ...]
    n_rows: float | None = None
    commitment: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def __bool__(self) -> bool:
        """Tell whether nothing was found."""
        return self.ok

    @property
    def exit_code(self) -> int:
        """What a command returns: 0 if nothing was found, 1 if something was, 2 if it is no report."""
        if self.ok:
            return 0
        return 2 if any(one.kind == "unreadable" for one in self.findings) else 1

    def _sentences(self) -> list[str]:
        """Say what was found, and what was not looked at."""
        if self.findings:
            several = len(self.findings) > 1
            found = f"{len(self.findings):,} findings" if several else "a finding"
            printed = _without_echoes(self.findings)
            hidden = len(self.findings) - min(len(printed), _MOST_SENTENCES)
            return [
                f"This report does not hold: {found}.",
                *(f"- {one.sentence}" for one in printed[:_MOST_SENTENCES]),
                *([f"... and {hidden:,} more, which .findings has."] if hidden > 0 else []),
            ]
        sentences = [
            f"This report holds: {self.n_recomputed:,} values were computed again from the counts inside."
        ]
        if self.form == "page":
            sentences.append(
                "The page shows what they say; its charts are pictures of the tables beside them."
            )
        if self.n_rows is None:
            sentences.append("Whether the counts are those of real rows takes the rows: give against=.")
        else:
            sentences.append(f"{row_count(self.n_rows)} rows, counted again, have these counts.")
        if self.commitment is not None:
            sentences.append("It is the report whose digest was published.")
        return [
            *sentences,
            f"Stated, and not to be computed: {list_texts(self.stated, most=20)}.",
            f"Digest: {self.digest}",
        ]

    def _tables(self) -> list[Table]:
        columns = {
            name: [getattr(one, name) for one in self.findings] for name in ("kind", "path", "sentence")
        }
        notes = self._sentences() if self.ok else self._sentences()[:1]
        return [Table(columns, caption=shorten(self.title, 200), notes=notes, words=("path", "sentence"))]

    def __str__(self) -> str:
        return "\n".join(map(printable, self._sentences()))

    def _rendered(self) -> str:
        if self.findings:
            return super()._rendered()
        # A table of no findings says nothing.
        return "".join(f'<p class="fsk-note">{escape(printable(text))}</p>' for text in self._sentences())


def _without_echoes(findings: Sequence[Finding]) -> list[Finding]:
    """Leave out findings on squared weights of which the count itself is named: they say the same."""
    paths = {one.path for one in findings}
    return [
        one
        for one in findings
        if "/squares/" not in one.path or one.path.replace("/squares/", "/cells/") not in paths
    ]


@dataclass(frozen=True)
class _Source:
    """A report as it was read: its document, or why there is none."""

    form: Form
    document: Any
    findings: list[Finding] = field(default_factory=list)
    page: str | None = None


def verify(
    report: AuditReport | str | bytes | os.PathLike[str],
    *,
    against: Any = None,
    columns: Mapping[str, Any] | None = None,
    commitment: str | None = None,
    salt: str = "",
) -> Verification:
    """Compute every number of a report again from the counts inside, and name each that does not follow.

    Whoever has the document can do that, without the rows. With the rows, they are counted again too.

    Parameters
    ----------
    report : AuditReport, str, bytes or path
        The report, its JSON or its page, or the name of a file with either.
    against : frame, GroupCounts or mapping, optional
        The rows that were audited: a frame with the columns that the report names; counts; or a dict of
        arrays by the names that :func:`audit_predictions` gives them, such as ``{"y_pred": ...,
        "sensitive_features": ...}``. For a report of several models, a dict of their names to one of these.
    columns : mapping of str to str or list of str, optional
        The columns of the frame, where they are called otherwise than the report says, or it does not say.
    commitment : str, optional
        A digest that was published elsewhere (:meth:`AuditReport.commitment`).
    salt : str, default=""
        The salt of that digest.

    Returns
    -------
    Verification
        True if all holds; it prints what does not.

    Raises
    ------
    OSError
        If there is no such file. What a file holds never raises: it is a finding.
    TypeError
        If the report or ``against`` is of no known kind.
    ValueError
        If the rows cannot be counted.

    See Also
    --------
    audit_predictions : Makes a report.
    compare : What changed between two reports.

    Notes
    -----
    Computed again: all of ``results``; a page is rendered again, and compared byte for byte, but for its
    charts, which may hold shapes and text alone, and whose data tables are compared. Numbers agree to 1e-9.
    What is stated (title, provenance, the audit of the data, values of functions, own profiles) is covered by
    the digest: a change of it is found as long as the digest in the report is the one that was published.
    Counts that were invented as a whole follow from themselves: that takes the rows, or a digest that was
    published when the report was made.

    Examples
    --------
    >>> from fairsk.audit import audit_predictions, verify
    >>> report = audit_predictions(None, [1, 0, 1, 1], sensitive_features=["a", "a", "b", "b"])
    >>> text = report.to_json()
    >>> verify(text).ok
    True
    >>> forged = verify(text.replace('"value": 0.5', '"value": 0.4'))
    >>> forged.ok, {finding.kind for finding in forged.findings} >= {"changed", "digest"}
    (False, True)
    """
    source = read_report(report)
    findings = list(source.findings) or _check_layout(source.document)
    if findings:
        return Verification(source.form, "", None, tuple(findings), 0, ())
    document = source.document
    n_rows = None
    computed = _compute_again(document)
    if isinstance(computed, Finding):
        findings = [*_check_digest(document), computed]
    else:
        said = {"digest": document["digest"]}  # whether it is that of the document is looked at by itself
        findings = [
            *_check_digest(document),
            *differences(document, computed._document | said),
            *_check_evidence(computed.evidence),
        ]
        if source.page is not None and not findings:
            findings = _check_page(source.page, document, computed)
        if findings and (made_by := _other_version(document)):
            findings.append(made_by)
        again: Mapping[str, Evidence] = {}
        if against is not None:
            again = count_again(document, against, columns)
            n_rows = float(sum(tables.counts.n.sum() for tables in again.values()))
            findings += recounted_findings(document, again)
        if commitment is not None:
            findings += _check_commitment(document, again, commitment, salt)
    return Verification(
        source.form,
        document["title"],
        digest(document),
        tuple(findings),
        count_leaves(document["results"]),
        tuple(_stated(document, counted=n_rows is not None)),
        n_rows,
        commitment,
    )


def read_report(report: AuditReport | str | bytes | os.PathLike[str]) -> _Source:
    """Read a report from whatever holds it; what cannot be read is a finding.

    Raises
    ------
    OSError
        If there is no such file.
    TypeError
        If it is of no known kind.
    """
    if isinstance(report, AuditReport):
        return _Source("report", report.to_document())
    if isinstance(report, os.PathLike) or (isinstance(report, str) and _is_path(report)):
        report = _read_file(Path(report))
    if not isinstance(report, str | bytes | bytearray):
        raise TypeError(f"report must be a report, its text or the name of its file; got {show(report)}.")
    if len(report) > _MOST_BYTES:
        return _Source("JSON", None, [_unreadable(f"it is longer than {_MOST_BYTES:,} bytes")])
    if not isinstance(report, str):
        try:
            report = bytes(report).decode("utf-8")
        except UnicodeDecodeError as error:
            return _Source("JSON", None, [_unreadable(f"byte {error.start:,} is not UTF-8")])
    if not report.lstrip().startswith("<"):
        return _Source("JSON", *parse(report))
    return _read_page(report)


def restore_report(report: str | bytes | os.PathLike[str]) -> AuditReport:
    """Compute a report anew from the settings and counts in its JSON, its page, or a file of either.

    Raises
    ------
    OSError
        If there is no such file.
    ValueError
        If there is no report in it.
    """
    source = read_report(report)
    findings = list(source.findings) or _check_layout(source.document)
    found = findings[0] if findings else _compute_again(source.document)
    if isinstance(found, Finding):
        raise ValueError(found.sentence)
    return found


def _is_path(text: str) -> bool:
    """Tell the name of a file from the text of a report, which begins with a bracket."""
    return text.lstrip()[:1] not in ("<", "{", "[", "") and len(text) < 4096 and "\n" not in text


def _read_file(path: Path) -> bytes:
    """Read a file, no more of it than is looked at, and nothing that is no plain file."""
    if path.exists() and not path.is_file():
        raise OSError(f"{show(str(path))} is no plain file.")
    with path.open("rb") as file:
        return file.read(_MOST_BYTES + 1)


def _read_page(page: str) -> _Source:
    from fairsk._pages.html import embedded_in

    # Counted first, for looking through many marks without an end would take the square of the length.
    few = page.count("<pre ") <= 2 and page.count("<!--") <= 2 * _MOST_CHARTS
    text = embedded_in(page) if few else None
    if text is None:
        return _Source("page", None, [_unreadable("the page carries no report, or several")])
    return _Source("page", *parse(text), page=page)


def _unreadable(reason: str) -> Finding:
    return Finding("unreadable", "", f"The report cannot be read: {reason}.")


def _check_layout(document: Any) -> list[Finding]:
    """Return why a document is none that can be computed again: its kind, its version, its size."""
    if not isinstance(document, dict) or "schema_version" not in document:
        return [_unreadable("this is not the JSON of an audit report")]
    version = document["schema_version"]
    if version != SCHEMA_VERSION:
        sentence = (
            f"The report is laid out as {show(version)}; this version of fairsk reads {SCHEMA_VERSION!r}."
        )
        return [Finding("version", "schema_version", sentence)]
    parts = {"title": str, "settings": dict, "evidence": dict, "small_groups": dict, "stated": dict}
    for name, kind in (parts | {"results": dict, "digest": str}).items():
        if not isinstance(document.get(name), kind):
            return [_unreadable(f"{name} is missing, or of another kind")]
    try:
        sizes = [len(tables["counts"]["groups"]) for tables in document["evidence"].values()]
        n_bins = int(document["settings"].get("n_bins", 0))
    except (TypeError, KeyError, ValueError, OverflowError):
        return [_unreadable("its counts, or its settings, are of another kind")]
    if not sizes or max(sizes) > _MOST_GROUPS or n_bins > _MOST_BINS:
        return [_unreadable(f"it has no counts, or more than {_MOST_GROUPS:,} groups or {_MOST_BINS:,} bins")]
    return []


def _compute_again(document: Mapping[str, Any]) -> AuditReport | Finding:
    """Return the report that follows from the settings and the evidence of a document."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            report = from_document(document)
            report._document  # noqa: B018  (what is computed late is computed here, where it may fail)
            return report
    except (Exception, MemoryError) as error:  # a document from outside can be wrong in any way there is
        reason = shorten(printable(str(error)), 300)
        return Finding(
            "changed",
            "results",
            f"The results do not follow: settings or counts are wrong ({type(error).__name__}: {reason}).",
        )


def _check_evidence(evidence: Mapping[str, Evidence]) -> list[Finding]:
    """Return where the tables of a model cannot be of the same rows."""
    return [
        Finding("changed", f"evidence/{step(model)}", f"In the evidence, {contradiction}.")
        for model, tables in evidence.items()
        for contradiction in tables.contradictions()
    ]


def _check_digest(document: Mapping[str, Any]) -> list[Finding]:
    own = digest(document)
    if document["digest"] == own:
        return []
    sentence = f"The digest in the report is {show(document['digest'])}; that of the document is {own}."
    return [Finding("digest", "digest", sentence)]


def _other_version(document: Mapping[str, Any]) -> Finding | None:
    provenance = document["stated"].get("provenance")
    made_by = provenance.get("fairsk") if isinstance(provenance, dict) else None
    if made_by == __version__:
        return None
    return Finding(
        "version",
        "stated/provenance/fairsk",
        f"The report says that fairsk {show(made_by)} made it, and this is {__version__}, which may compute "
        "or write some of it otherwise: verify it with that version.",
    )


def _check_page(page: str, document: Mapping[str, Any], report: AuditReport) -> list[Finding]:
    """Render a page again, with the charts that it has, and compare every byte of it."""
    from fairsk._pages.charts import charts_of, is_inert

    charts = charts_of(page)
    found = [
        Finding("page", f"charts/{place}", f"Chart {place + 1} of the page holds more than shapes and text.")
        for place, chart in enumerate(charts)
        if not is_inert(chart)
    ]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            again = report._page(charts, embedded=indented(document))
    except Exception as error:
        reason = shorten(printable(str(error)), 300)
        sentence = f"The page cannot be made again ({type(error).__name__}: {reason})."
        return [*found, Finding("page", "", sentence)]
    if page != again:
        pairs = enumerate(zip(page, again, strict=False))
        place = next((i for i, (one, two) in pairs if one != two), min(len(page), len(again)))
        said, expected = (show(text[place : place + _AROUND]) for text in (page, again))
        sentence = (
            f"The page shows other than its data say: at character {place:,} {said} in place of {expected}."
        )
        found.append(Finding("page", "", sentence))
    return found


def _check_commitment(
    document: Mapping[str, Any], again: Mapping[str, Evidence], commitment: str, salt: str
) -> list[Finding]:
    """Compare with a digest that was published elsewhere."""
    merged = any(said["n_groups"] or said["n_strata"] for said in document["small_groups"].values())
    if merged and not again:
        raise ValueError(
            "Small groups are merged in this report, and the commitment covers the counts before: give "
            "against= too."
        )
    full = {model: tables.to_state() for model, tables in again.items()} if merged else None
    own = commitment_of(document, full, salt)
    if own == commitment.strip():
        return []
    sentence = f"The commitment is {show(commitment)}; that of this report (and these rows) is {own}."
    return [Finding("digest", "digest", sentence)]


def _stated(document: Mapping[str, Any], *, counted: bool) -> Sequence[str]:
    """Return what of a report cannot be computed."""
    said = ["the title", *(re.sub("_", " ", name) for name in document["stated"])]
    if document["small_groups"] and not counted:
        said.append("how many small groups were merged")
    return list(map(printable, said))
