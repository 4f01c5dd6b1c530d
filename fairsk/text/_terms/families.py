"""Rows that share terms, such as him/her, his/her and his/hers, and which of them is meant.

Which row is meant must not depend on the group that a text names: if "her dog" becomes "his dog", then that
must be read as the same row. So a family of rows is decided as a whole, from the text around the term, which
is written as if it named one group only. What is decided is a set of rows of which no two share a term, so
that each term of the family belongs to one of them at most. One that belongs to none, such as "him" where a
possessive must stand, is read as the row that took its place.

Words that are terms in some places only, such as German "sie" (she, they), make a family as well, of one row
if no other shares its terms. That there is no term is decided of the whole family: where "sie" is "they",
"er" in its place is left as it is, for it would become that "sie".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from fairsk._core.messages import show

__all__ = ["AmbiguousTerm", "Family", "Resolve", "families_of"]

#: The next word: beyond blanks, and what may stand before a word in a sentence.
_NEXT_WORD = re.compile("\\s+[\"'(\\[*_\u2018\u201c]*(\\w+(?:['\u2019-]\\w+)*)")
#: No more of the text is looked at for the next word.
_NEXT_WITHIN = 200


class AmbiguousTerm:
    """A term that stands in several rows, or may be none: what ``resolve`` is asked about.

    The text is written as if all its terms named the group of this one, and texts that differ in their groups
    alone are written alike: so the answer is the same for all of them. Terms before this one that are
    ambiguous themselves are not yet decided, and are written as the first ambiguous term of their rows.

    Parameters
    ----------
    word : str
        The term, as ``text`` has it.
    rows : tuple of int
        The rows that it may belong to.
    choices : tuple of tuple of str
        The terms of each of these rows, as they are listed, in the order of the groups.
    before : callable
        Returns the text before it.
    after : callable
        Returns the text after it; given a number, no more of it than needed for that many characters.
    may_be_none : bool, default=False
        Whether the answer may be None: no term stands here.
    """

    def __init__(
        self,
        word: str,
        rows: tuple[int, ...],
        choices: tuple[tuple[str, ...], ...],
        before: Callable[[], str],
        after: Callable[[int | None], str],
        may_be_none: bool = False,
    ) -> None:
        self.word = word
        self.rows = rows
        self.choices = choices
        self.may_be_none = may_be_none
        self._write_before = before
        self._write_after = after

    @cached_property
    def next_word(self) -> str:
        """The word after the term; empty if a punctuation mark or nothing follows."""
        found = _NEXT_WORD.match(self._write_after(_NEXT_WITHIN))
        return found[1] if found else ""

    @cached_property
    def text(self) -> str:
        """The whole text."""
        return f"{self._before}{self.word}{self._write_after(None)}"

    @property
    def start(self) -> int:
        """Where the term begins in ``text``."""
        return len(self._before)

    @property
    def end(self) -> int:
        """Where the term ends in ``text``."""
        return self.start + len(self.word)

    @cached_property
    def _before(self) -> str:
        return self._write_before()

    def __repr__(self) -> str:
        return (
            f"AmbiguousTerm(word={show(self.word)}, rows={show(self.rows)}, next_word={show(self.next_word)})"
        )


#: Says which of several rows an ambiguous term belongs to; of those that may be none, None where they are.
Resolve: TypeAlias = Callable[[AmbiguousTerm], int | None]


@dataclass(frozen=True, eq=False)
class Family:
    """Rows that are connected by the terms that they share, or one that has a term that may be none.

    Parameters
    ----------
    rows : tuple of int
        The rows.
    terms : mapping of int to frozenset of str
        The folded terms of each row.
    asked : tuple of (str, int)
        The folded terms that stand in several rows or may be none, and the group of each, in the order of the
        lists: the first one of the first row is asked about first, and what is decided of it decides others
        with it.
    may_be_none : frozenset of str
        Those that may be none: they are asked about although one row is left for them.
    """

    rows: tuple[int, ...]
    terms: Mapping[int, frozenset[str]]
    asked: tuple[tuple[str, int], ...]
    may_be_none: frozenset[str] = frozenset()

    def choose(self, ask: Callable[[str, int, tuple[int, ...]], int | None]) -> tuple[int, ...] | None:
        """Return rows of which no two share a term: those that ``ask`` prefers; None if no term is there."""
        left, chosen = list(self.rows), []
        # Each row has a term that is asked about: in the end it is chosen, or another one took its place.
        for term, group in self.asked:
            rows = tuple(row for row in left if term in self.terms[row])
            if not rows:
                continue
            is_known = len(rows) == 1 and term not in self.may_be_none
            row = rows[0] if is_known else ask(term, group, rows)
            if row is None:
                return None
            chosen.append(row)
            left = [other for other in left if not self.terms[other] & self.terms[row]]
        return tuple(chosen)

    def row_of(self, term: str, chosen: Sequence[int]) -> int:
        """Return the chosen row of a term, or the one that took its place."""
        for row in chosen:
            if term in self.terms[row]:
                return row
        beside = frozenset().union(*(terms for terms in self.terms.values() if term in terms))
        return next(row for row in chosen if self.terms[row] & beside)


def families_of(
    rows: Sequence[Sequence[str]], rows_of: Mapping[str, Sequence[int]], may_be_none: frozenset[str]
) -> dict[int, Family]:
    """Return the family of each row that shares a term with another one, or has one that may be none.

    Parameters
    ----------
    rows : sequence of sequence of str
        The folded terms of each row, one per group.
    rows_of : mapping of str to sequence of int
        The rows of each folded term.
    may_be_none : frozenset of str
        The folded terms that may be none.
    """

    def is_asked(term: str) -> bool:
        return len(rows_of[term]) > 1 or term in may_be_none

    found: dict[int, Family] = {}
    for first in range(len(rows)):
        if first in found or not any(map(is_asked, rows[first])):
            continue
        members, unseen = {first}, [first]
        while unseen:
            beside = {other for term in rows[unseen.pop()] for other in rows_of[term]} - members
            members |= beside
            unseen += beside
        ordered = tuple(sorted(members))
        asked = dict.fromkeys(
            (term, group) for row in ordered for group, term in enumerate(rows[row]) if is_asked(term)
        )
        family = Family(
            ordered,
            {row: frozenset(rows[row]) for row in ordered},
            tuple(asked),
            may_be_none & {term for term, _ in asked},
        )
        found.update(dict.fromkeys(ordered, family))
    return found
