"""Printed lines of an audit: findings with the same question or the same result share one.

All findings stay in the audit's ``findings`` and ``frame()``; this is only about what is read first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairsk._core.results import p_value, with_interval
from fairsk.audit._data.findings import SEVERITIES, Finding, listed
from fairsk.audit._data.proxies import ALL_COLUMNS

__all__ = ["Line", "to_lines", "what_to_do"]

#: Checks that put the question of another one in other numbers: two such findings share a line.
_TWINS = {"least represented": "group shares", "group and label": "label rates"}
#: Checks of columns, and what stands between a column and an attribute.
_OF = {"missing values": "by", "proxies": "for"}


@dataclass(frozen=True, eq=False)
class Line:
    """Findings that share a line.

    Parameters
    ----------
    alike : tuple of Finding
        Findings of one check with one severity.
    twin : Finding or None
        What the same question looks like in another number, which is no more urgent.
    """

    alike: tuple[Finding, ...]
    twin: Finding | None = None

    @property
    def top(self) -> Finding:
        """The finding whose numbers are shown: that of the largest value."""
        return max(self.alike, key=lambda finding: finding.value)

    @property
    def value(self) -> str:
        """The number, with its interval."""
        top = self.top
        text = f"{top.value:.0f}" if top.measure == "groups" else with_interval(top.value, top.low, top.high)
        return f"up to {text}" if any(finding.value < top.value for finding in self.alike) else text

    @property
    def p(self) -> str:
        """The p-value of the number."""
        return p_value(self.top.p)

    @property
    def about(self) -> str:
        """What the line is about; of several columns, how many there are."""
        by_attribute: dict[str, list[str]] = {}
        for finding in self.alike:
            by_attribute.setdefault(finding.attribute, []).append(finding.about)
        parts = []
        for attribute, names in by_attribute.items():
            of = f" {_OF.get(self.top.check, '')} {attribute}"
            n = sum(name != ALL_COLUMNS + of for name in names)
            parts.append(names[0] if len(names) == 1 else f"{n} column{'s' if n > 1 else ''}{of}")
        return listed(parts)

    @property
    def advice(self) -> str:
        """What to do, and what the twin says."""
        top, twin = self.top, self.twin
        advice = top.advice
        if top.severity == "INCONCLUSIVE" and len(self.alike) > 1:
            of = f" {_OF.get(top.check, '')} {top.attribute}"
            names = listed(finding.about.removesuffix(of) for finding in self.alike)
            advice = f"Too few rows to tell: {names}."
        if twin is None or twin.severity == "NOT APPLICABLE":
            return advice
        what = twin.measure if twin.about == twin.attribute else f"{twin.measure}, {twin.about}"
        numbers = with_interval(twin.value, twin.low, twin.high)
        return f"{advice} {twin.check.capitalize()} ({what}): {numbers}, {twin.severity}."


def to_lines(findings: Sequence[Finding]) -> list[Line]:
    """Return the lines of some findings, the most urgent first."""
    by_check = {(finding.check, finding.attribute): finding for finding in findings}
    twins = {
        (_TWINS[check], attribute): finding
        for (check, attribute), finding in by_check.items()
        if check in _TWINS and (_TWINS[check], attribute) in by_check
    }
    lines: dict[tuple[str, ...], Line] = {}
    for finding in findings:
        if twins.get((_TWINS.get(finding.check, ""), finding.attribute)) is finding:
            continue
        lead, twin = finding, twins.get((finding.check, finding.attribute))
        if twin is not None and SEVERITIES.index(twin.severity) < SEVERITIES.index(lead.severity):
            lead, twin = twin, lead
        key = _shared_by(lead)
        line = lines.get(key)
        lines[key] = Line((lead,), twin) if line is None else Line((*line.alike, lead))
    return sorted(lines.values(), key=lambda line: SEVERITIES.index(line.top.severity))


def _shared_by(finding: Finding) -> tuple[str, ...]:
    """Return what a finding has in common with those that share its line."""
    if finding.severity == "OK":
        return finding.severity, finding.check
    if finding.severity == "NOT APPLICABLE":
        return finding.severity, finding.check, finding.advice
    if finding.severity == "INCONCLUSIVE":
        return finding.severity, finding.check, finding.attribute
    return finding.severity, finding.check, finding.attribute, finding.about


def what_to_do(lines: Sequence[Line]) -> list[str]:
    """Return the advice of all lines that call for some, each after the numbers of its lines."""
    numbers: dict[str, list[str]] = {}
    for i, line in enumerate(lines, 1):
        if line.top.severity != "OK":
            numbers.setdefault(line.advice, []).append(str(i))
    return [f"{', '.join(positions)}. {advice}" for advice, positions in numbers.items()] or ["Nothing."]
