"""English terms of gender, and the rule that tells whose "her" and "his" are."""

from __future__ import annotations

from functools import cache

from fairsk.text._terms.families import AmbiguousTerm
from fairsk.text._terms.swapper import TermSwapper

__all__ = ["english_gender"]

_NO_NOUN = frozenset(
    """a an the to and or but in on at of for from with as by is was were are be been so because that if when while
    who this these those my your about into over up down out off not too very all again there here back then than
    just now today like""".split()
)
_PRONOUNS = (("him", "her"), ("his", "her"), ("his", "hers"))
_PAIRS = """he she|himself herself|man woman|men women|boy girl|boys girls|father mother|fathers mothers|dad mom
|dads moms|son daughter|sons daughters|brother sister|brothers sisters|husband wife|husbands wives
|boyfriend girlfriend|uncle aunt|nephew niece|grandfather grandmother|grandson granddaughter|king queen
|prince princess|gentleman lady|gentlemen ladies|male female|males females|guy gal|guys gals|sir madam|Mr Ms
|actor actress|waiter waitress|groom bride|widower widow|stepfather stepmother"""


def _whose(term: AmbiguousTerm) -> int:
    """Return the row of "her" or "his": a determiner if a content word follows."""
    is_determiner = term.next_word != "" and term.next_word.lower() not in _NO_NOUN
    return term.rows[1 if is_determiner else 0]


@cache
def english_gender() -> TermSwapper:
    """Return a swapper of English terms of two genders.

    Returns
    -------
    TermSwapper
        Its groups are "male" and "female".

    Examples
    --------
    >>> from fairsk.text import english_gender
    >>> swapper = english_gender()
    >>> swapper.swap("She told her brother that it was hers.", "male")
    'He told his brother that it was his.'
    """
    rows = [*_PRONOUNS, *(tuple(pair.split()) for pair in _PAIRS.replace("\n", "").split("|"))]
    kinds = [None] * 5 + ["noun"] * (len(rows) - 5)
    return TermSwapper(
        {"male": [row[0] for row in rows], "female": [row[1] for row in rows]}, resolve=_whose, kinds=kinds
    )
