"""One regular expression for all terms: the longest one first, where words begin and end in its script."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import groupby

from fairsk.text._terms.folding import extenders

__all__ = ["TermPattern", "can_run_together"]

#: Scripts that are written without blanks: Thai, Lao, Tibetan, Myanmar, Khmer, kana, and Han.
_WITHOUT_BLANKS = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3005-\u3007\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
#: Korean has blanks, and particles that follow a noun without one.
_HANGUL = "\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff"
#: Deeper than this, what is left of the terms stands side by side: Python nests no pattern without end.
_DEEPEST = 40


class TermPattern:
    """Find folded terms in folded texts, in time that does not depend on how many terms there are.

    Parameters
    ----------
    terms : iterable of str
        Folded terms with single blanks.
    """

    def __init__(self, terms: Iterable[str]) -> None:
        self._terms = sorted(set(terms))

    def find(self, folded: str) -> list[tuple[int, int]]:
        """Return where terms begin and end, from left to right; the longest one at each place."""
        pattern = self._ascii if folded.isascii() else self._general
        return [match.span() for match in pattern.finditer(folded)]

    @cached_property
    def _general(self) -> re.Pattern[str]:
        return re.compile(_with_boundaries(_alternatives(self._terms)))

    @cached_property
    def _ascii(self) -> re.Pattern[str]:
        """The same for texts in ASCII, as most are, where words are found with less ado."""
        terms = [term for term in self._terms if term.isascii()]
        return re.compile(_with_ascii_boundaries(terms) if terms else "(?!)")


def can_run_together(terms: Iterable[str]) -> bool:
    """Return whether a term may come about, or get lost, when another one is written beside some words.

    Not if all terms begin and end with letters that need a boundary, and no word of a phrase is a word of
    another term, or again of the phrase: two terms that overlap share a word.
    """
    without_blanks = re.compile(f"[{_WITHOUT_BLANKS}{_HANGUL}]")
    word = re.compile(f"(?:[^\\W_]|[{extenders()}])+")
    in_phrases: set[str] = set()
    alone: set[str] = set()
    for term in set(terms):
        words = [match.span() for match in word.finditer(term)]
        if without_blanks.search(term) or not words or words[0][0] != 0 or words[-1][1] != len(term):
            return True
        for start, end in words:
            if term[start:end] in in_phrases or (len(words) > 1 and term[start:end] in alone):
                return True
            (in_phrases if len(words) > 1 else alone).add(term[start:end])
    return False


def _with_boundaries(alternatives: str) -> str:
    """Ask that no word goes on where a term begins or ends."""
    without_blanks, extender = f"[_{_WITHOUT_BLANKS}]", extenders()
    goes_on = f"[\\w{extender}]"
    before = f"(?:(?<!{goes_on})|(?<={without_blanks})|(?={without_blanks})|(?!{goes_on}))"
    may_follow = f"[_{_WITHOUT_BLANKS}{_HANGUL}]"
    after = f"(?![{extender}])(?:(?!\\w)|(?={may_follow})|(?<={may_follow})|(?<!{goes_on}))"
    return f"{before}{alternatives}{after}"


def _with_ascii_boundaries(terms: Sequence[str]) -> str:
    """Ask the same of texts in ASCII."""
    letters = "[a-z0-9]"
    before = f"(?<!{letters})"
    if any(not term[0].isalnum() for term in terms):
        before = f"(?:{before}|(?!{letters}))"
    return f"{before}{_alternatives(terms)}(?:(?!{letters})|(?<!{letters}))"


def _alternatives(terms: Sequence[str], depth: int = 0) -> str:
    """Write sorted, distinct terms as nested alternatives that share their beginnings."""
    if depth > _DEEPEST:
        return f"(?:{'|'.join(map(_literal, sorted(terms, key=len, reverse=True)))})"
    is_term = terms[0] == ""
    written = []
    for _, group in groupby(terms[is_term:], key=lambda term: term[0]):
        same = list(group)
        common = _common_beginning(same[0], same[-1])
        rests = [term[len(common) :] for term in same]
        written.append(_literal(common) + (_alternatives(rests, depth + 1) if rests != [""] else ""))
    if is_term:
        written.append("")  # the last choice: the longest term comes first
    return written[0] if len(written) == 1 else f"(?:{'|'.join(written)})"


def _common_beginning(first: str, last: str) -> str:
    """Return what all texts between two, in their order, begin with."""
    n = next(
        (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    return first[:n]


def _literal(text: str) -> str:
    return r"\s++".join(map(re.escape, text.split(" ")))
