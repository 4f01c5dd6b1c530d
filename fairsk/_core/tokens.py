"""Words of texts, in any script: folded to one case, composed, without punctuation.

A word is a run of letters, digits and the marks that belong to them (accents, vowel signs, the joiners of
Persian and Indic scripts); an underscore and an apostrophe end it. Words of a single character are left out.
Scripts that put no blanks between words (Chinese, Japanese, Thai, Lao, Burmese, Khmer) are cut into pairs of
neighbouring characters, as search engines do without a dictionary.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

__all__ = ["words_of"]

_ASCII = re.compile(r"[a-z0-9]{2,}")
#: Blocks of scripts without blanks: kana, Han with its extensions, Thai, Lao, Burmese, Khmer.
_UNSPACED = (
    "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003134f\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff"
)
_UNSPACED_RUN = re.compile(f"([{_UNSPACED}]+)")
#: Zero-width non-joiner and joiner, which shape a word and do not end it.
_JOINERS = "\u200c\u200d"
#: No letter has more marks in any language (the Stream-Safe Text Format of Unicode's annex 15).
_MOST_MARKS = 30
#: To compose a run of marks takes the square of its length: longer texts are looked through for long runs.
_LONG = 500


def words_of(text: str) -> list[str]:
    """Return the words of a text, in their order."""
    if text.isascii():
        return _ASCII.findall(text.lower())
    run_pattern, marks_pattern = _patterns()
    if len(text) > _LONG:
        text = marks_pattern.sub(r"\1", text)
    folded = unicodedata.normalize("NFC", text.casefold()).replace("_", " ")
    runs = run_pattern.findall(folded)
    if not _UNSPACED_RUN.search(folded):
        return [run for run in runs if len(run) > 1]
    return [word for run in runs for word in _cut(run)]


def _cut(run: str) -> list[str]:
    """Return the words of a run of letters, some of which are of a script without blanks."""
    words: list[str] = []
    # Every second part is one of such a script, for the pattern has a group.
    for place, part in enumerate(_UNSPACED_RUN.split(run)):
        if place % 2 and len(part) > 1:
            words += [part[i : i + 2] for i in range(len(part) - 1)]
        elif len(part) > 1 - place % 2:
            words.append(part)
    return words


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    r"""Return the patterns of letters, digits and marks, and of too many marks.

    ``\w`` alone would cut words at their marks.
    """
    marks, start = [], None
    for code in range(sys.maxunicode + 2):
        is_mark = code <= sys.maxunicode and unicodedata.category(chr(code))[0] == "M"
        if is_mark and start is None:
            start = code
        elif not is_mark and start is not None:
            marks.append(f"{chr(start)}-{chr(code - 1)}")
            start = None
    mark = "".join(marks)
    return (
        re.compile(rf"[\w{_JOINERS}{mark}]+"),
        re.compile(rf"([{mark}]{{{_MOST_MARKS}}})[{mark}]+"),
    )
