"""Markup of tables: their cells and their style, the same on pages and in notebooks.

Colours stand beside a word and a sign, never alone. They are tints that text in any colour can be read on, so
that they need not know whether the page around them is light or dark.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

__all__ = ["OUTCOMES", "SCOPE", "TABLE_STYLE", "align_numbers", "escape", "outcome_markup", "words_markup"]

#: The class of what encloses tables in notebooks, and of the whole of a page.
SCOPE = "fairsk"

#: What an outcome, or the severity of a finding, looks like: its sign and its colour.
OUTCOMES: dict[str, tuple[str, str]] = {
    "PASS": ("✓", "good"),
    "OK": ("✓", "good"),
    "FAIL": ("✗", "bad"),
    "CHANGED": ("Δ", "bad"),
    "WARNING": ("▲", "bad"),
    "INCONCLUSIVE": ("?", "open"),
    "NOTICE": ("●", "open"),
    "NOT APPLICABLE": ("–", "none"),  # noqa: RUF001
    "INFO": ("–", "none"),  # noqa: RUF001
}

#: The style of tables. Notebooks style tables themselves, by selectors of one class and two elements, hence
#: the doubled class.
TABLE_STYLE = """\
.fairsk .fsk-box{overflow-x:auto;max-width:100%}
.fairsk.fairsk table{border-collapse:collapse;margin:.5em 0;font-size:.93em;line-height:1.45;\
table-layout:auto;font-variant-numeric:tabular-nums;border:0}
.fairsk.fairsk caption{caption-side:top;text-align:left;font-weight:600;padding:.3em .6em .5em;color:inherit}
.fairsk.fairsk th,.fairsk.fairsk td{padding:.35em .7em;border:0;text-align:right;vertical-align:top;\
white-space:nowrap;overflow-wrap:normal;max-width:none;color:inherit;background:none}
.fairsk.fairsk thead th{vertical-align:bottom;font-weight:600;border-bottom:2px solid rgba(128,136,150,.55);\
white-space:normal}
.fairsk.fairsk tbody th{font-weight:500}
.fairsk.fairsk tbody th,.fairsk.fairsk .fsk-w{text-align:left;white-space:normal;max-width:26em}
.fairsk time{white-space:nowrap}
.fairsk .fsk-long{display:inline-block;min-width:11em;overflow-wrap:anywhere}
.fairsk.fairsk tbody tr:nth-child(n){background:none;border-top:1px solid rgba(128,136,150,.28)}
.fairsk.fairsk tbody tr:nth-child(n):hover{background:rgba(128,136,150,.12)}
.fairsk.fairsk td>small{opacity:.72;font-size:.9em;padding-left:.15em}
.fairsk.fairsk tbody tr.fsk-below{border-top:0}
.fairsk.fairsk .fsk-below td{text-align:left;white-space:normal;padding-top:0;font-size:.93em;opacity:.82}
.fairsk .fsk-below div{max-width:min(60em,100vw - 4em);overflow-wrap:anywhere;position:sticky;left:.7em}
.fairsk .fsk-note{margin:.2em .65em;font-size:.87em;opacity:.82;max-width:60em;overflow-wrap:anywhere}
.fairsk.fairsk dl{display:grid;grid-template-columns:max-content 1fr;max-width:62em;\
margin:.5em 0;font-size:.93em}
.fairsk.fairsk dt,.fairsk.fairsk dd{margin:0;float:none;clear:none;width:auto;padding:.3em .7em;\
border-top:1px solid rgba(128,136,150,.28);\
overflow-wrap:anywhere}
.fairsk.fairsk dt{font-weight:600;max-width:16em}
.fairsk .fsk-chip{display:inline-block;border:1px solid;border-radius:1em;padding:0 .65em 0 .5em;\
font-size:.86em;font-weight:650;letter-spacing:.02em;white-space:nowrap;print-color-adjust:exact;\
-webkit-print-color-adjust:exact}
.fairsk .fsk-chip i{font-style:normal;font-weight:800;display:inline-block;min-width:1em;text-align:center}
.fairsk .fsk-good{background:rgba(22,163,84,.17);border-color:rgba(22,163,84,.6)}
.fairsk .fsk-bad{background:rgba(220,50,47,.18);border-color:rgba(220,50,47,.65)}
.fairsk .fsk-open{background:rgba(217,145,0,.2);border-color:rgba(217,145,0,.7)}
.fairsk .fsk-none{background:rgba(128,136,150,.15);border-color:rgba(128,136,150,.5)}
"""

#: Longer words are broken, so that no label makes its column wide.
_LONGEST_WORD = 28
#: A cell of more characters than these is not made as narrow as its longest word, even on a narrow screen.
_FEW = 24
#: Spaces as wide as a digit, and as a point.
_DIGIT_SPACE, _POINT_SPACE = "\N{FIGURE SPACE}", "\N{PUNCTUATION SPACE}"
#: A number in a cell: words before it and whole part, decimals, unit, interval, and mark. Powers of ten and
#: infinity are none: they have no point to stand below another.
_NUMBER = re.compile(r"((?:[a-z]+ )*[<>]?[-+]?[\d,]+|-)(\.\d+)?(%?)( [\[(].*[\])])?([* ]?)")
#: A day, which no line should break.
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
#: An outcome, after its number in a list if it has one.
_OUTCOME = re.compile(rf"(\d+\. )?({'|'.join(OUTCOMES)})")


def escape(text: str) -> str:
    """Write text as HTML that shows it."""
    return html.escape(text)


def words_markup(text: str) -> str:
    """Write words; those that are too long for a line, and they alone, may be broken anywhere, and no day."""
    if _DAY.fullmatch(text):
        return f"<time>{text}</time>"
    if len(text) <= _FEW:
        return escape(text)
    kind = "long" if max(map(len, text.split()), default=0) > _LONGEST_WORD else "many"
    return f'<span class="fsk-{kind}">{escape(text)}</span>'


def outcome_markup(word: str) -> str:
    """Write an outcome as a coloured chip with its sign; other words as they are."""
    found = _OUTCOME.fullmatch(word)
    if found is None:
        return escape(word)
    place, outcome = found.groups("")
    sign, colour = OUTCOMES[outcome]
    return f'{place}<b class="fsk-chip fsk-{colour}"><i aria-hidden="true">{sign}</i> {outcome}</b>'


def _width(text: str) -> float:
    """Return about how many digits wide a text of digits and marks is."""
    return sum(0.45 if char in " .,-[]()" else 1.0 for char in text)


def align_numbers(cells: Sequence[str]) -> list[str]:
    """Write the numbers of a column so that, flush right, their points stand below each other.

    What one number lacks, such as decimals, an interval or a star, becomes spaces of that width.
    """
    parts = [_NUMBER.fullmatch(cell) for cell in cells]
    found = [match.groups("") for match in parts if match]
    decimals, units, intervals, marks = (
        max((len(group[place]) for group in found), default=0) for place in (1, 2, 3, 4)
    )
    widest = max((_width(group[3]) for group in found), default=0.0)
    written = []
    for cell, match in zip(cells, parts, strict=True):
        if match is None:
            written.append(escape(cell))
            continue
        whole, fraction, unit, interval, mark = match.groups("")
        missing = decimals - len(fraction)
        if missing and not fraction:
            fraction = _POINT_SPACE + _DIGIT_SPACE * (missing - 1)
        elif missing:
            fraction += _DIGIT_SPACE * missing
        text = escape(whole + fraction + unit) + _DIGIT_SPACE * (units - len(unit))
        if intervals:
            text += (
                f" <small>{_DIGIT_SPACE * round(widest - _width(interval))}{escape(interval.strip())}</small>"
            )
        if marks:
            text += mark.strip() or _DIGIT_SPACE
        written.append(text)
    return written
