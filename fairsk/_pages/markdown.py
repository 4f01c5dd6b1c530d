"""Markdown of sections, for pull requests, summaries of continuous integration and model cards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from fairsk._core.messages import shorten
from fairsk._core.results import Entries, Table, printable
from fairsk._core.sections import Block, Cards, Chart, Section

__all__ = ["render_markdown"]

#: What a summary of a step may hold on GitHub, in bytes: 1 MiB, less room for the last line.
_LONGEST = 1_000_000
_LONGEST_TEXT = 2_000
#: Outcomes with a picture, for Markdown has no colours.
_SIGNS = {
    "PASS": "✅",
    "OK": "✅",
    "FAIL": "❌",
    "CHANGED": "🔺",
    "WARNING": "⚠️",
    "INCONCLUSIVE": "❔",
    "NOTICE": "🔸",
    "NOT APPLICABLE": "➖",  # noqa: RUF001
}
_SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
#: Names of people, numbers of issues and addresses, which hosts turn into links and messages.
_LINKED = re.compile(r"[@#](?=\w)|(?<=[hH][tT][tT][pP])(?=[sS]?:)|(?<=[wW][wW][wW])(?=\.)")


def render_markdown(
    title: str,
    sections: Sequence[Section],
    *,
    lead: Sequence[str] = (),
    digest: str | None = None,
    longest: int = _LONGEST,
) -> str:
    """Write sections as Markdown.

    Parameters
    ----------
    title : str
        The heading.
    sections : sequence of Section
        What it shows; of charts, their tables.
    lead : sequence of str, default=()
        Sentences below the heading.
    digest : str, optional
        What stands at the end, by which a copy is recognised.
    longest : int, default=1,000,000
        How many bytes it may have: blocks that do not fit are left out, and their number is said.

    Returns
    -------
    str
        The text, in which nothing that comes from data is markup.
    """
    parts = [f"# {_escaped(title)}", *map(_escaped, lead)]
    end = [] if digest is None else [f"Digest: `{re.sub(r'[^0-9A-Za-z:+/=_-]', '', digest)}`"]
    room = longest - sum(len(part.encode()) + 2 for part in (*parts, *end)) - 100
    left_out = 0
    for section in sections:
        for part in _parts(section):
            size = len(part.encode("utf-8", "replace")) + 2
            if size > room:
                left_out += 1
                continue
            room -= size
            parts.append(part)
    if left_out:
        parts.append(f"*{left_out} parts are left out here, for they are too long.*")
    return "\n\n".join([*parts, *end]) + "\n"


def _escaped(text: str, longest: int = _LONGEST_TEXT) -> str:
    """Write text so that Markdown shows it as it is."""
    shown = shorten(printable(text), longest)
    shown = _SPECIAL.sub(lambda match: f"\\{match[0]}", shown)
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = _LINKED.sub(lambda match: f"{match[0]}<!-- -->", shown)
    return re.sub(r"^(\s*)([-+=#]|\d+[.)])(?=\s|$)", lambda m: f"{m[1]}{m[2][:-1]}\\{m[2][-1]}", shown)


def _parts(section: Section) -> Iterator[str]:
    yield f"## {_escaped(section.heading)}"
    yield from map(_escaped, section.paragraphs)
    for block in section.blocks:
        yield from _block(block, section.heading)


def _block(block: Block, heading: str) -> Iterator[str]:
    if isinstance(block, Table):
        yield from _table(block, heading)
    elif isinstance(block, Entries):
        yield "\n".join(f"- **{_escaped(name)}**: {_escaped(text)}" for name, text in block.lines)
    elif isinstance(block, Cards):
        yield "\n".join(
            f"- {_escaped(card.heading)}: **{_outcome(card.value)}**"
            + (f" ({_escaped(card.text)})" if card.text else "")
            for card in block.cards
        )
    elif isinstance(block, Chart):
        yield from _table(block.table, block.title)


def _outcome(word: str) -> str:
    sign = _SIGNS.get(word, "")
    return f"{sign} {_escaped(word)}" if sign else _escaped(word)


def _table(table: Table, heading: str) -> Iterator[str]:
    """Write a table, what is said of its lines, and its notes."""
    if table.caption and table.caption != heading:
        yield f"**{_escaped(table.caption)}**"
    head, *body = table.cells()
    names = list(table.columns if table.shown is None else table.shown)
    write = [_outcome if name in table.outcomes else _escaped for name in names]
    lines = [
        _row(map(_escaped, head)),
        _row(":---" if left else "---:" for left in table.is_left),
        *(_row(f(cell) for f, cell in zip(write, row, strict=True)) for row in body),
    ]
    yield "\n".join(lines)
    # A remark names its line by the first words in it: those of one cell may be those of many lines.
    naming = [j for j, name in enumerate(names) if table.is_left[j] and name not in table.outcomes][:2]
    remarks = [(", ".join(row[j] for j in naming), table.remark(i)) for i, row in enumerate(body)]
    said = [f"- {_escaped(name)}: {_escaped(remark)}" for name, remark in remarks if remark]
    if said:
        yield "\n".join(said)
    yield from (_escaped(note) for note in table.all_notes if note)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
