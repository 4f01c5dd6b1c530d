"""Capitals of a term: read off the text, and written in another term.

A term that was written in some case must be read as the same case again, whichever group it is of, or else
texts that differ in the group alone would be taken for different ones. So cases that any term of a row writes
alike count as one for that row: in a row with a script without capitals all of them do.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias, get_args

__all__ = ["Case", "read_case", "told_apart", "write_case"]

#: As listed · first letter · all letters · first letter of each word · no letter is a capital.
Case: TypeAlias = Literal["listed", "capital", "upper", "title", "lower"]
_CASES: tuple[Case, ...] = get_args(Case)


def write_case(term: str, case: Case) -> str:
    """Write a term in a case."""
    if case == "capital":
        return _capital(term)
    if case == "title":
        return " ".join(map(_capital, term.split(" ")))
    return {"listed": term, "upper": term.upper(), "lower": term.lower()}[case]


def read_case(written: str, term: str) -> Case:
    """Return the case in which a term is written; a mixture, such as hE, counts as listed."""
    for case in _CASES:
        if write_case(term, case) == written:
            return case
    plain = " ".join(unicodedata.normalize("NFC", written).split())
    if plain.islower():
        return "lower"
    if plain.isupper():
        return "upper"
    return "capital" if plain[1:].islower() and plain[:1].isupper() else "listed"


def told_apart(terms: Iterable[str]) -> Mapping[Case, Case]:
    """Return, for each case, the first one that it cannot be told apart from in some of these terms."""
    stands_for: dict[Case, Case] = {case: case for case in _CASES}
    for term in terms:
        seen: dict[str, Case] = {}
        for case in _CASES:
            written = write_case(term, case)
            first, other = sorted(
                (stands_for[seen.setdefault(written, case)], stands_for[case]), key=_CASES.index
            )
            stands_for = {each: first if rep == other else rep for each, rep in stands_for.items()}
    return stands_for


def _capital(word: str) -> str:
    return word[:1].title() + word[1:]
