"""Caseless matching: texts in one form, and where its characters stand in the text as written.

Two spellings are one if they are a canonical caseless match of Unicode (section 3.13, D145): letters of any
case, composed or followed by their marks. On top of that, apostrophes are one character, as hyphens are, and
the Turkish i without a dot is an i, for capitals do not tell them apart.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

__all__ = ["APOSTROPHE", "extenders", "fold", "fold_term", "starts_inside_of_a_word"]

APOSTROPHE = "'"
#: What is written for an apostrophe or a hyphen, and for the dotless i.
_ONE_CHARACTER = {"\u2019": APOSTROPHE, "\u02bc": APOSTROPHE, "\u2010": "-", "\u2011": "-", "\u0131": "i"}
#: The dot above: a capital İ becomes an i with it, which is an i.
_DOTTED_I, _DOT = "i\u0307", "\u0307"
#: Where Unicode's marks are; to look at the rest as well would take a quarter of a second.
_MARKS_WITHIN = (*range(0x20000), *range(0xE0000, 0xE1000))
#: Joiners, non-joiners and soft hyphens stand inside of words.
_INSIDE_WORDS = "\u00ad\u200c\u200d\u2060"
#: Vowels and finals of decomposed Korean syllables.
_JAMO_AFTER_INITIALS = "\u1160-\u11ff\ud7b0-\ud7ff"


class _Folded(dict[int, str]):
    """What each character folds to, found out when it is first met."""

    #: All of Unicode's assigned characters may come in; what is kept of them is bounded.
    _MOST_KEPT = 50_000

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in _ONE_CHARACTER:
            folded = _ONE_CHARACTER[character]
        elif character == "\u0130":
            folded = "i"
        else:
            folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", character).casefold())
            folded = "".join(_ONE_CHARACTER.get(part, part) for part in folded)
        if len(self) < self._MOST_KEPT:
            self[code] = folded
        return folded


_FOLDED = _Folded()


def fold(text: str) -> tuple[str, list[int] | None]:
    """Return a text in its folded form, and the position in the text of each character of that.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    folded : str
        The text for caseless matching.
    positions : list of int or None
        Where in ``text`` each folded character comes from; None if all stand where they stood.
    """
    if text.isascii():
        return text.lower(), None
    folded = text
    for character, instead in _ONE_CHARACTER.items():
        folded = folded.replace(character, instead)
    folded = folded.casefold()
    # A character never folds to nothing, so equal lengths say that each one folds to one.
    if len(folded) == len(text) and _DOT not in folded and unicodedata.is_normalized("NFD", folded):
        return folded, None
    pieces = [_FOLDED[ord(character)] for character in text]
    folded = _in_canonical_order("".join(pieces))
    positions = [i for i, piece in enumerate(pieces) for _ in piece]
    if _DOTTED_I in folded:
        kept = [j for j in range(len(folded)) if folded[j] != _DOT or folded[j - 1 : j] != "i"]
        folded, positions = "".join(folded[j] for j in kept), [positions[j] for j in kept]
    return folded, positions


def fold_term(term: str) -> str:
    """Return a term in its folded form, with single blanks."""
    return " ".join(fold(term)[0].split())


@cache
def starts_inside_of_a_word() -> re.Pattern[str]:
    """Return a pattern of texts that begin with what goes on with a word and is no letter."""
    return re.compile(f"[{extenders()}]")


@cache
def _mark_runs() -> re.Pattern[str]:
    """Runs of characters that canonical order sorts."""
    marks = [chr(code) for code in _MARKS_WITHIN if unicodedata.combining(chr(code))]
    return re.compile(f"[{''.join(marks)}]{{2,}}")


def _in_canonical_order(decomposed: str) -> str:
    """Sort the marks of each letter by their class; unicodedata takes quadratic time for many."""
    return _mark_runs().sub(lambda run: "".join(sorted(run[0], key=unicodedata.combining)), decomposed)


@cache
def extenders() -> str:
    """Return what goes on with a word and is no letter, as the inside of a character class."""
    codes = [code for code in _MARKS_WITHIN if unicodedata.category(chr(code))[0] == "M"]
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    marks = "".join(f"{chr(low)}-{chr(high)}" for low, high in ranges)
    return f"{marks}{_INSIDE_WORDS}{_JAMO_AFTER_INITIALS}"
