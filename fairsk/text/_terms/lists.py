"""Aligned lists of terms, prepared for finding them in texts and writing them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairsk._core.messages import did_you_mean, list_labels, show
from fairsk.text._terms.cases import Case, told_apart, write_case
from fairsk.text._terms.checking import check_ask, check_groups, check_keep, check_kinds, rows_of_terms
from fairsk.text._terms.families import Family, families_of
from fairsk.text._terms.folding import fold, fold_term
from fairsk.text._terms.pattern import TermPattern, can_run_together

__all__ = ["Found", "TermLists"]


@dataclass(frozen=True, eq=False)
class Found:
    """A term in a text.

    Parameters
    ----------
    start, end : int
        Where it stands.
    term : str
        The folded term.
    group : int
        The position of its group.
    rows : tuple of int
        Its rows.
    """

    start: int
    end: int
    term: str
    group: int
    rows: tuple[int, ...]


class TermLists:
    """Aligned lists of terms: finds them in texts, and writes them.

    Parameters
    ----------
    groups : mapping of str to sequence of str
        The terms of each group.
    kinds : sequence, optional
        The kind of each row.
    keep : sequence of str
        Phrases in which no term is looked for.
    ask : sequence of str
        Terms that may be none where they stand.
    is_resolved : bool
        Whether rows that share a term can be told apart.

    Attributes
    ----------
    families : dict of int to Family
        The family of each row that shares a term with another one, or has a term that may be none.
    may_run_together : bool
        Whether a term that is written beside some words may make another one with them.
    """

    def __init__(self, groups: Any, kinds: Any, keep: Any, ask: Any, *, is_resolved: bool) -> None:
        self.groups = check_groups(groups)
        self.names = tuple(self.groups)
        self.kinds = check_kinds(kinds, len(self.groups[self.names[0]]))
        self.is_resolved = is_resolved
        self._terms = rows_of_terms(self.groups, is_resolved=is_resolved)
        self.keep = check_keep(keep, self._terms)
        self.ask = check_ask(ask, self._terms, is_resolved=is_resolved)
        folded = [[fold_term(term) for term in terms] for terms in self.groups.values()]
        self._rows = list(zip(*folded, strict=True))
        # A term is written in one way, also if its rows differ in that: so its case is always read alike.
        self._spelling: dict[str, str] = {}
        for keys, terms in zip(folded, self.groups.values(), strict=True):
            for key, term in zip(keys, terms, strict=True):
                self._spelling.setdefault(key, term)
        self.families = families_of(
            self._rows,
            {term: rows for term, (_, rows) in self._terms.items()},
            frozenset(map(fold_term, self.ask)),
        )
        kept = list(map(fold_term, self.keep))
        self._pattern = TermPattern([*self._terms, *kept])
        self.may_run_together = bool(kept) or can_run_together(self._terms)
        self._cases = self._cases_of_rows()
        self._of_kind: dict[Hashable, list[int]] = {}
        for row, kind in enumerate(self.kinds):
            self._of_kind.setdefault(kind, []).append(row)

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_lists, (*self._state, self.is_resolved)

    @property
    def _state(self) -> tuple[Any, ...]:
        return self.groups, self.kinds, self.keep, self.ask

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TermLists):
            return NotImplemented
        # The order of groups is that of pairs, and of all tables.
        return self is other or (self.names == other.names and self._state == other._state)

    def __hash__(self) -> int:
        return hash((self.names, *self.groups.values()))

    def find(self, text: str) -> list[Found]:
        """Return the terms in a text, from left to right."""
        folded, positions = fold(text)
        found = []
        for start, end in self._pattern.find(folded):
            term = self._key(folded[start:end])
            known = self._terms.get(term)
            if known is None:  # a phrase that is kept
                continue
            if positions is not None:
                start, end = positions[start], positions[end] if end < len(positions) else len(text)
            found.append(Found(start, end, term, *known))
        return found

    def groups_in(self, text: str) -> set[int]:
        """Return the positions of the groups that a text names."""
        folded, _ = fold(text)
        terms = (self._key(folded[start:end]) for start, end in self._pattern.find(folded))
        return {self._terms[term][0] for term in terms if term in self._terms}

    def group_position(self, group: str) -> int:
        """Return the position of a group.

        Raises
        ------
        ValueError
            If there is none of that name.
        """
        if not isinstance(group, str) or group not in self.groups:
            raise ValueError(
                f"There is no group {show(group)}.{did_you_mean(group, self.names)} The groups are: "
                f"{list_labels(self.names)}."
            )
        return self.names.index(group)

    def row(self, row: int) -> tuple[str, ...]:
        """Return the terms of a row as they are listed."""
        return tuple(terms[row] for terms in self.groups.values())

    def spelling(self, term: str) -> str:
        """Return a folded term as it is listed."""
        return self._spelling[term]

    def write(self, row: int, group: int, case: Case) -> str:
        """Return the term of a row and group in a case."""
        return write_case(self._spelling[self._rows[row][group]], case)

    def case(self, row: int, case: Case) -> Case:
        """Return the case that stands for one in a row, where some terms do not tell all of them apart."""
        return self._cases[row][case]

    def control_row(self, row: int, group: str, written: str) -> int | None:
        """Return the next row of the same kind with another term of the group than what is written."""
        kind = self.kinds[row]
        if kind is None:
            return None
        position, same = self.group_position(group), self._of_kind[kind]
        # A term may be read as a row in which the group has another one: mum as that of mom.
        own, at = {self._rows[row][position], fold_term(written)}, same.index(row)
        others = (*same[at + 1 :], *same[:at])
        return next((other for other in others if self._rows[other][position] not in own), None)

    def _key(self, found: str) -> str:
        """Return a folded term as it is listed: a phrase may be found with other blanks."""
        return found if found in self._terms else " ".join(found.split())

    def _cases_of_rows(self) -> list[Mapping[Case, Case]]:
        of_family: dict[Family, Mapping[Case, Case]] = {}
        cases: list[Mapping[Case, Case]] = []
        for row, terms in enumerate(self._rows):
            family = self.families.get(row)
            if family is None:
                cases.append(told_apart([self._spelling[term] for term in terms]))
                continue
            if family not in of_family:
                of_family[family] = told_apart(self._spellings(family.rows))
            cases.append(of_family[family])
        return cases

    def _spellings(self, rows: Sequence[int]) -> list[str]:
        return [self._spelling[term] for row in rows for term in self._rows[row]]


def _make_lists(groups: Any, kinds: Any, keep: Any, ask: Any, is_resolved: bool) -> TermLists:
    return TermLists(groups, kinds, keep, ask, is_resolved=is_resolved)
