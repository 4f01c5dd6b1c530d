"""Self-contained pages: no script, no request, the same bytes each time."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from html import escape, unescape

from fairsk._core.markup import OUTCOMES, SCOPE
from fairsk._core.messages import shorten
from fairsk._core.results import Entries, Table, printable
from fairsk._core.sections import Block, Cards, Chart, Section
from fairsk._pages.charts import draw_charts, explain, with_marker
from fairsk._pages.style import PAGE_STYLE

__all__ = ["embedded_in", "render_page"]

#: A heading, and a sentence, longer than this are shortened.
_LONGEST_HEADING, _LONGEST_TEXT = 200, 2_000
#: A longer list of sections is folded.
_MOST_LINKS = 24
#: The id of what is embedded in a page.
_EMBEDDED = "fairsk-report"
_POLICY = "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'"


def render_page(
    title: str,
    sections: Sequence[Section],
    *,
    lead: Sequence[str] = (),
    embedded: str | None = None,
    digest: str | None = None,
    language: str = "en",
    charts: Sequence[str] | None = None,
) -> str:
    """Write sections as one page that needs nothing else.

    Parameters
    ----------
    title : str
        The heading of the page.
    sections : sequence of Section
        What it shows.
    lead : sequence of str, default=()
        Sentences below the heading.
    embedded : str, optional
        JSON that the page carries, for :func:`embedded_in`.
    digest : str, optional
        What stands in the footer, by which a copy is recognised.
    language : str, default="en"
        The language of the page.
    charts : sequence of str, optional
        The charts as SVG, in the order of the sections, as ``charts_of`` found them in a page; those that
        are missing are left out. By default they are drawn, if matplotlib is installed.

    Returns
    -------
    str
        The page; the same for the same arguments.
    """
    blocks = [block for section in sections for block in section.blocks if isinstance(block, Chart)]
    drawn = draw_charts(blocks) if charts is None else list(charts)
    pictures = iter([*drawn, *[""] * (len(blocks) - len(drawn))])
    head = _text(title, _LONGEST_HEADING)
    style = base64.b64encode(hashlib.sha256(PAGE_STYLE.encode()).digest()).decode()
    names = [f"s{i}" for i in range(1, len(sections) + 1)]
    body = [_section(section, name, pictures) for section, name in zip(sections, names, strict=True)]
    if embedded is not None:
        names.append("data")
        body.append(_embedded_section(embedded))
    headings = [*(_text(section.heading, _LONGEST_HEADING) for section in sections), "Report as data"]
    links = [f'<li><a href="#{name}">{text}</a></li>' for name, text in zip(names, headings, strict=False)]
    paragraphs = "".join(f"<p>{_text(sentence)}</p>\n" for sentence in lead)
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="{escape(language)}">',
        '<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY.format(style=style)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">\n<link rel="icon" href="data:,">',
        f"<title>{head}</title>",
        f"<style>{PAGE_STYLE}</style>\n</head>",
        f'<body class="{SCOPE}">',
        '<a class="skip" href="#content">Skip to the content</a>',
        f"<header>\n<h1>{head}</h1>\n{paragraphs}</header>",
        _navigation(links),
        '<main id="content">',
        *body,
        "</main>",
        _footer(digest),
        "</body>\n</html>\n",
    ]
    return "\n".join(parts)


def embedded_in(page: str) -> str | None:
    """Return the JSON that a page carries; None if it carries none, or several."""
    found = re.findall(f'<pre id="{_EMBEDDED}">(.*?)</pre>', page, re.DOTALL)
    return unescape(found[0]) if len(found) == 1 else None


def _text(text: str, longest: int = _LONGEST_TEXT) -> str:
    return escape(shorten(printable(text), longest))


def _section(section: Section, name: str, pictures: Iterator[str]) -> str:
    heading = _text(section.heading, _LONGEST_HEADING)
    parts = [f'<section id="{name}" aria-labelledby="{name}-h">', f'<h2 id="{name}-h">{heading}</h2>']
    parts += [f"<p>{_text(sentence)}</p>" for sentence in section.paragraphs]
    blocks = []
    for i, block in enumerate(section.blocks, 1):
        picture = next(pictures) if isinstance(block, Chart) else ""
        blocks.append(_block(block, section.heading, f"{name}-{i}", picture))
    if section.folded and blocks:
        blocks = ["<details><summary>Show charts and tables</summary>", *blocks, "</details>"]
    return "\n".join([*parts, *blocks, "</section>"])


def _navigation(links: Sequence[str]) -> str:
    """Write the list of sections; one so long that it would push the page away is folded."""
    body = f"<ul>\n{chr(10).join(links)}\n</ul>"
    if len(links) > _MOST_LINKS:
        body = f"<details><summary>All {len(links)} sections</summary>\n{body}\n</details>"
    return f'<nav aria-label="Sections">\n{body}\n</nav>'


def _block(block: Block, heading: str, name: str, picture: str) -> str:
    """Write a block; tables without a caption take the heading of their section."""
    if isinstance(block, Table):
        return block.html(heading, name)
    if isinstance(block, Entries):
        return block.html()
    if isinstance(block, Cards):
        return _cards(block)
    table = block.table.html(block.title, name)
    if block.folded:
        summary = "The numbers as a table" if picture else _text(block.title)
        table = f"<details><summary>{summary}</summary>{table}</details>"
    if not picture:
        return f"{with_marker(picture)}{table}"
    said = f"<figcaption>{_text(block.title)}<small>{_text(explain(block))}</small></figcaption>"
    return f'<figure tabindex="0">{said}{with_marker(picture)}</figure>\n{table}'


def _cards(block: Cards) -> str:
    items = []
    for card in block.cards:
        sign, colour = OUTCOMES.get(card.value, ("", ""))
        mark = f'<i aria-hidden="true">{sign}</i> ' if sign else ""
        kind = f' class="{colour}"' if colour else ""
        text = f"<small>{_text(card.text, _LONGEST_HEADING)}</small>" if card.text else ""
        items.append(
            f"<li{kind}><span>{_text(card.heading, _LONGEST_HEADING)}</span>"
            f"<strong>{mark}{_text(card.value, _LONGEST_HEADING)}</strong>{text}</li>"
        )
    return f'<ul class="cards">\n{chr(10).join(items)}\n</ul>'


def _embedded_section(embedded: str) -> str:
    """Write JSON such that it shows and hides nothing; :func:`embedded_in` reads an equal document."""
    shown = escape(_visible_json(_compact(embedded)), quote=False)
    return (
        '<section id="data" aria-labelledby="data-h">\n<h2 id="data-h">Report as data</h2>\n'
        "<p>The same report for programs, with the counts that its numbers follow from.</p>\n"
        "<details><summary>Show the JSON</summary>\n"
        f'<pre id="{_EMBEDDED}">{shown}</pre>\n</details>\n</section>'
    )


def _compact(text: str) -> str:
    """Write JSON without the spaces and lines that make up a third of it."""
    try:
        return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _visible_json(text: str) -> str:
    """Write characters that would hide in a page, such as those that turn the direction, as JSON escapes."""

    def escaped(char: str) -> str:
        if char.isprintable() or char == "\n":
            return char
        units = char.encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))

    return text if text.isprintable() else "".join(map(escaped, text))


def _footer(digest: str | None) -> str:
    said = "" if digest is None else f"<p>Digest <code>{_text(digest, _LONGEST_HEADING)}</code></p>"
    return (
        f"<footer><div>{said}<p>Made with fairsk. This page needs no network and runs no script.</p></div>"
        "</footer>"
    )
