"""A report on the terminal: a few lines per criterion, readable in 80 columns."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

from fairsk._core.groups import attribute_name
from fairsk._core.messages import in_words, shorten
from fairsk._core.results import Table, number, printable, row_count, with_interval
from fairsk.audit import PROFILES
from fairsk.audit._small_groups import name_merged

__all__ = ["print_lines", "print_report", "print_tables"]

#: The order in which outcomes are listed: what asks for action comes first.
_ORDER = ("FAIL", "INCONCLUSIVE", "PASS", "NOT APPLICABLE")
_COLOURS = {"FAIL": "1;31", "INCONCLUSIVE": "33", "PASS": "32", "NOT APPLICABLE": "2"}
#: No more criteria, and no more groups of an attribute, than these are listed.
_MOST_CRITERIA = 40
_MOST_GROUPS = 25
#: A longer name of a group does not fit a line.
_LONGEST_GROUP = 30
_NARROWEST, _WIDEST = 60, 100
_UNJUDGED = "No bound is given (--min-ratio, --max-difference or --policy), so nothing is judged."
_INDENT = " " * 16


def print_report(report: Any, name: str) -> None:
    """Print what a report found: verdicts if there are bounds, else rates and their intervals.

    Parameters
    ----------
    report : AuditReport
        The report.
    name : str
        What the data are called.
    """
    width = _width()
    lines = [*_heading(report, name, width), ""]
    if report.outcome is None:
        lines += [*_rates(report, width), *_wrapped(_UNJUDGED, width, "", "")]
    else:
        lines += _verdicts(report, width)
    sys.stdout.write("\n".join(lines) + "\n")
    names = list(dict.fromkeys(table.profile for table in report.results.profiles))
    for name in names:
        about = PROFILES[name]
        said = [f"{about.title} ({name})", *about.paragraphs]
        sys.stdout.write(
            "\n" + "\n".join(line for text in said for line in _wrapped(text, width, "", "")) + "\n"
        )
        for table in report.results.profiles:
            if table.profile == name:
                print_tables(table)


def print_tables(result: Any) -> None:
    """Print the tables of a result such that they fit: columns for which there is no room stand below."""
    lines = list[str]()
    for table in result._tables():
        lines += ["", *(_fitted(table, _width()) if isinstance(table, Table) else table.text().splitlines())]
    sys.stdout.write("\n".join(lines) + "\n")


def print_lines(lines: Iterable[str]) -> None:
    """Print lines, each wrapped where it is too long, with nothing in them that a terminal would obey."""
    width = _width()
    # What is printed is empty where a line is.
    text = "\n".join("\n".join(_wrapped(line, width, "", "  ")) for line in lines)
    sys.stdout.write(text + "\n")


def _width() -> int:
    return min(max(shutil.get_terminal_size((_WIDEST, 24)).columns, _NARROWEST), _WIDEST)


def _fitted(table: Table, width: int) -> Iterator[str]:
    """Yield the lines of a table, in blocks of as many columns as fit beside the first one.

    Words are wrapped, so that none of them is lost; a long number is shortened.
    """
    is_left = table.is_left
    columns = [
        list(cells) if left else [shorten(cell, _LONGEST_GROUP) for cell in cells]
        for cells, left in zip(zip(*table.cells(), strict=True), is_left, strict=True)
    ]
    first, rest = columns[0], list(zip(columns[1:], is_left[1:], strict=True))
    first_width = min(max(map(len, first)), _LONGEST_GROUP)
    yield from _wrapped(table.caption, width, "", "")
    while rest:
        block, widths, left, room = [first], [first_width], [True], width - first_width - 2
        while rest:
            column, flush = rest[0]
            longest = max(map(len, column))
            if len(block) > 1 and room < min(longest, _LONGEST_GROUP):
                break
            rest.pop(0)
            block.append(column)
            widths.append(min(longest, max(room, 1)))
            left.append(flush)
            room -= 2 + widths[-1]
        yield from _aligned(_in_lines(block, widths), left)
    for i, cell in enumerate(first[1:]):
        if remark := table.remark(i):
            yield from _wrapped(f"{cell}: {remark}", width, "", "  ")
    for note in table.all_notes:
        yield from _wrapped(note, width, "", "  ")


def _in_lines(columns: Sequence[Sequence[str]], widths: Sequence[int]) -> list[list[str]]:
    """Return columns in which a cell that is wider than its column takes several lines."""
    lines: list[list[str]] = [[] for _ in columns]
    for cells in zip(*columns, strict=True):
        parts = [
            textwrap.wrap(cell, width) if len(cell) > width else [cell]
            for cell, width in zip(cells, widths, strict=True)
        ]
        height = max(map(len, parts))
        for column, part in zip(lines, parts, strict=True):
            column += [*part, *[""] * (height - len(part))]
    return lines


def _heading(report: Any, name: str, width: int) -> Iterator[str]:
    for evidence in report.evidence.values():
        rows = row_count(float(evidence.counts.n.sum()))
        by = ", ".join(attribute_name(names) for names in report.settings.attributes)
        yield from _wrapped(f"{name}: {rows} rows; groups by {by}", width, "", "")
        unknown = [f"{row_count(n)} of {column}" for column, n in evidence.n_unknown.items() if n]
        if unknown:
            text = f"Unknown: {', '.join(unknown)}. They are counted, and compared with no group."
            yield from _wrapped(text, width, "", "")
    for said in report.merged.values():
        if said.n_groups:
            text = f"{said.n_groups} small groups with {row_count(said.n_rows)} rows are merged into one."
            yield from _wrapped(text, width, "", "")


def _verdicts(report: Any, width: int) -> Iterator[str]:
    rows = [row for row in report.criteria if row.verdict is not None]
    rows.sort(key=lambda row: _ORDER.index(row.verdict))
    for row in rows[:_MOST_CRITERIA]:
        about = [f"by {row.attribute}"]
        if row.stratum is not None:
            about.append(f"within {_group(row.stratum)}")
        title = f"{_plain(row.constraint)} {' '.join(about)}"
        first, *rest = _wrapped(title, width)
        yield _coloured(row.verdict, f"{row.verdict:<{len(_INDENT)}}") + first.removeprefix(_INDENT)
        yield from rest
        yield from _wrapped(_measured(row), width)
        if row.caveat:
            yield from _wrapped(row.caveat, width)
    if len(rows) > _MOST_CRITERIA:
        yield f"... and {len(rows) - _MOST_CRITERIA} more, which the report has"
    outcomes = [row.verdict for row in rows]
    counted = [f"{outcomes.count(outcome)} {outcome}" for outcome in _ORDER if outcome in outcomes]
    yield ""
    yield ", ".join(counted)


def _measured(row: Any) -> str:
    """Say what was measured and what was asked."""
    if not row.groups:
        return ""
    bound = ""
    if row.bound is not None:
        bound = f", {'at most' if row.comparison == 'difference' else 'at least'} {row.bound:g} is asked"
    measured = f"{row.comparison} {with_interval(row.value, row.low, row.high)}"
    return f"{measured}{bound}; {_plain(row.rate)}: {_ends(row.groups, row.group_rates)}"


def _ends(groups: Sequence[Hashable], rates: Sequence[float]) -> str:
    """Write the groups that lie furthest apart, with their rates."""
    return ", ".join(f"{_group(group)} {number(rate)}" for group, rate in zip(groups, rates, strict=True))


def _rates(report: Any, width: int) -> Iterator[str]:
    """Print the rates of every attribute, as many as fit in a line, and the disparities below."""
    for names in report.settings.attributes:
        attribute = attribute_name(names)
        rows = [row for row in report.results.rates if row.attribute == attribute and row.stratum is None]
        groups = list(dict.fromkeys(row.group for row in rows))
        found = {(row.group, row.rate): row for row in rows}
        sizes = dict(_sizes(report, names))
        columns = [["group", *("overall" if group is None else _group(group) for group in groups)]]
        columns.append(["rows", *(row_count(sizes[group]) for group in groups)])
        columns = [column[: _MOST_GROUPS + 1] for column in columns]
        for rate in dict.fromkeys(row.rate for row in rows):
            cells = [found.get((group, rate)) for group in groups[:_MOST_GROUPS]]
            text = ["-" if c is None else with_interval(c.value, c.low, c.high) for c in cells]
            more = [_plain(rate), *text]
            if sum(max(map(len, column)) + 2 for column in [*columns, more]) <= width + 2:
                columns.append(more)
        yield printable(f"By {attribute}")
        yield from _aligned(columns)
        if len(groups) > _MOST_GROUPS:
            yield f"... and {len(groups) - _MOST_GROUPS} more groups, which the report has"
        for line in _disparities(report, attribute):
            yield from _wrapped(line, width, "", "  ")
        yield ""


def _disparities(report: Any, attribute: str) -> Iterator[str]:
    """Say how far apart groups are: per criterion the difference and, where there is one, the ratio."""
    lines = dict[tuple[Any, ...], list[str]]()
    for row in report.criteria:
        if row.attribute == attribute and row.stratum is None and row.groups:
            value = f"{row.comparison} {with_interval(row.value, row.low, row.high)}"
            lines.setdefault((row.model, row.rate, row.groups, row.group_rates), []).append(value)
    for (_, rate, groups, values), measured in lines.items():
        yield f"{_plain(rate)}: {', '.join(measured)}; {_ends(groups, values)}"


def _sizes(report: Any, names: tuple[str, ...]) -> Iterator[tuple[Hashable, float]]:
    """Yield how many rows every group has, and all together."""
    for evidence in report.evidence.values():
        counts = evidence.by(*names).counts
        n = counts.n if counts.strata is None else counts.n.sum(1)
        yield from zip(counts.groups, n.tolist(), strict=True)
        yield None, float(n.sum())


def _aligned(columns: Sequence[Sequence[str]], is_left: Sequence[bool] = (True,)) -> Iterator[str]:
    """Yield the lines of columns, set flush left or right; those of which nothing is said, right."""
    widths = [max(map(len, column)) for column in columns]
    flush = [*is_left, *[False] * (len(columns) - len(is_left))]
    for cells in zip(*columns, strict=True):
        yield "  ".join(
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(cells, widths, flush, strict=True)
        ).rstrip()


def _group(group: Hashable) -> str:
    return shorten(printable(name_merged(group)), _LONGEST_GROUP)


def _plain(name: str) -> str:
    return in_words(name)


def _wrapped(text: str, width: int, first: str = _INDENT, rest: str = _INDENT) -> list[str]:
    return textwrap.wrap(
        printable(text), width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )


def _coloured(outcome: str, text: str) -> str:
    """Return a text in the colour of an outcome, on a terminal that wants colours."""
    wanted = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\x1b[{_COLOURS[outcome]}m{text}\x1b[0m" if wanted else text
