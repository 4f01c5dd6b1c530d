"""Aligned lists of terms, checked, and prepared for finding terms in texts and writing them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairsk._core.messages import did_you_mean, list_labels, show
from fairsk.text._terms.cases import Case, told_apart, write_case
from fairsk.text._terms.families import Family, families_of
from fairsk.text._terms.folding import fold, fold_term
from fairsk.text._terms.pattern import TermPattern

__all__ = ["NONE", "SEVERAL", "Found", "TermLists"]

#: What is said of texts that name no group, and several.
NONE, SEVERAL = "none", "several"


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
    is_resolved : bool
        Whether rows that share a term can be told apart.
    """

    def __init__(
        self, groups: Mapping[str, Sequence[str]], kinds: Sequence[Hashable] | None, *, is_resolved: bool
    ) -> None:
        self.groups = _checked_groups(groups)
        self.names = tuple(self.groups)
        self.rows = tuple(zip(*self.groups.values(), strict=True))
        self.kinds = _checked_kinds(kinds, len(self.rows))
        self.is_resolved = is_resolved
        folded = _folded_rows(self.groups)
        self._folded = folded
        self._terms = _group_and_rows(folded, self.groups)
        self.families = families_of(folded, {term: rows for term, (_, rows) in self._terms.items()})
        if not is_resolved:
            _refuse_ambiguous(self._terms, self.groups)
        _refuse_equal_rows(folded, self.groups)
        self._pattern = TermPattern(self._terms)
        self._cases = self._cases_of_rows()
        self._of_kind: dict[Hashable, list[int]] = {}
        for row, kind in enumerate(self.kinds):
            self._of_kind.setdefault(kind, []).append(row)

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_lists, (self.groups, self.kinds, self.is_resolved)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TermLists):
            return NotImplemented
        return self is other or (
            list(self.groups.items()) == list(other.groups.items()) and self.kinds == other.kinds
        )

    def __hash__(self) -> int:
        return hash(self.rows)

    def find(self, text: str) -> list[Found]:
        """Return the terms in a text, from left to right."""
        folded, positions = fold(text)
        found = []
        for start, end in self._pattern.find(folded):
            term = folded[start:end]
            known = self._terms.get(term)
            if known is None:  # written with other blanks
                term = " ".join(term.split())
                known = self._terms[term]
            if positions is not None:
                start, end = positions[start], positions[end] if end < len(positions) else len(text)
            found.append(Found(start, end, term, *known))
        return found

    def groups_in(self, text: str) -> set[int]:
        """Return the positions of the groups that a text names."""
        folded, _ = fold(text)
        return {
            self._terms[" ".join(folded[start:end].split())][0] for start, end in self._pattern.find(folded)
        }

    def group_position(self, group: str) -> int:
        """Return the position of a group.

        Raises
        ------
        ValueError
            If there is none of that name.
        """
        if group not in self.names:
            raise ValueError(
                f"There is no group {show(group)}.{did_you_mean(group, self.names)} The groups are: "
                f"{list_labels(self.names)}."
            )
        return self.names.index(group)

    def write(self, row: int, group: int, case: Case) -> str:
        """Return the term of a row and group in a case."""
        return write_case(self.rows[row][group], case)

    def case(self, row: int, case: Case) -> Case:
        """Return the case that stands for one in a row, for some groups cannot tell all of them apart."""
        return self._cases[row][case]

    def control_row(self, row: int, group: str) -> int | None:
        """Return the next row of the same kind with another term of the group; None if there is none."""
        kind = self.kinds[row]
        if kind is None:
            return None
        group_at, same = self.group_position(group), self._of_kind[kind]
        at = same.index(row)
        own = self._folded[row][group_at]
        return next(
            (other for other in same[at + 1 :] + same[:at] if self._folded[other][group_at] != own), None
        )

    def _cases_of_rows(self) -> list[Mapping[Case, Case]]:
        cases: list[Mapping[Case, Case]] = []
        of_family: dict[Family, Mapping[Case, Case]] = {}
        for row, terms in enumerate(self.rows):
            family = self.families.get(row)
            if family is None:
                cases.append(told_apart(terms))
                continue
            if family not in of_family:
                of_family[family] = told_apart([term for member in family.rows for term in self.rows[member]])
            cases.append(of_family[family])
        return cases


def _make_lists(groups: Any, kinds: Any, is_resolved: bool) -> TermLists:
    return TermLists(groups, kinds, is_resolved=is_resolved)


def _checked_groups(groups: Any) -> dict[str, tuple[str, ...]]:
    """Return the lists, each of them checked by itself and all of one length."""
    if not isinstance(groups, Mapping):
        raise TypeError(
            "groups must map the name of each group to its terms, {'female': ['she', ...], 'male': "
            f"['he', ...]}}, got {show(groups)}."
        )
    if len(groups) < 2:
        raise ValueError(f"groups must have two groups at least, got {len(groups)}.")
    checked = {}
    for name, terms in groups.items():
        if not isinstance(name, str) or not name.strip():
            raise TypeError(f"groups must have texts as names of groups, got {show(name)}.")
        if name in (NONE, SEVERAL):
            raise ValueError(
                f"groups must not name a group {name!r}: that is what .mentioned says of texts that name "
                f"{'no group' if name == NONE else 'several groups'}. Choose another name."
            )
        if isinstance(terms, str | bytes) or not hasattr(terms, "__iter__"):
            raise TypeError(f"groups[{show(name)}] must be a list of terms, got {show(terms)}.")
        checked[name] = tuple(terms)
        for row, term in enumerate(checked[name]):
            _check_term(name, row, term)
    lengths = {name: len(terms) for name, terms in checked.items()}
    if len(set(lengths.values())) > 1:
        shown = list_labels(f"{name}: {n:,}" for name, n in lengths.items())
        raise ValueError(
            "groups must be aligned, a row for each term: the terms at one position of all lists stand for "
            f"each other. The numbers of terms differ: {shown}."
        )
    if not next(iter(lengths.values())):
        raise ValueError("groups must have one term each at least; the lists are empty.")
    return {name: tuple(str(term) for term in terms) for name, terms in checked.items()}


def _check_term(name: str, row: int, term: Any) -> None:
    where = f"groups[{show(name)}][{row}]"
    if not isinstance(term, str):
        raise TypeError(f"{where} must be a text, got {show(term)}, of type {type(term).__name__}.")
    if not term.strip():
        raise ValueError(f"{where} is empty: give a term, or leave the row out in all lists.")
    if term != " ".join(term.split()):
        raise ValueError(
            f"{where} is {show(term)}: write it without blanks at its ends and with single blanks inside; "
            "texts may have any."
        )


def _checked_kinds(kinds: Any, n_rows: int) -> tuple[Hashable, ...]:
    if kinds is None:
        return (0,) * n_rows
    if isinstance(kinds, str | bytes) or not hasattr(kinds, "__iter__"):
        raise TypeError(f"kinds must be a list with one label per row, got {show(kinds)}.")
    kinds = tuple(kinds)
    if len(kinds) != n_rows:
        raise ValueError(f"kinds must have one label per row: there are {n_rows:,} rows, got {len(kinds):,}.")
    for row, kind in enumerate(kinds):
        if not isinstance(kind, Hashable):
            raise TypeError(f"kinds[{row}] must be a label, such as a text, or None, got {show(kind)}.")
    return kinds


def _folded_rows(groups: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    return list(zip(*([fold_term(term) for term in terms] for terms in groups.values()), strict=True))


def _group_and_rows(
    folded: Sequence[Sequence[str]], groups: Mapping[str, Sequence[str]]
) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Return the group and the rows of each folded term; no term may be of two groups."""
    names = list(groups)
    found: dict[str, tuple[int, list[int]]] = {}
    for row, terms in enumerate(folded):
        for group, term in enumerate(terms):
            first, rows = found.setdefault(term, (group, []))
            if first != group:
                raise ValueError(
                    f"The term {show(groups[names[group]][row])} is of two groups: {show(names[first])} (row "
                    f"{rows[0]}) and {show(names[group])} (row {row}). It does not say which group a text "
                    "names: leave these rows out."
                )
            rows.append(row)
    return {term: (group, tuple(rows)) for term, (group, rows) in found.items()}


def _refuse_ambiguous(
    terms: Mapping[str, tuple[int, Sequence[int]]], groups: Mapping[str, Sequence[str]]
) -> None:
    """Refuse terms that stand in two rows if nothing tells these apart."""
    names = list(groups)
    shared = [(group, rows) for group, rows in terms.values() if len(rows) > 1]
    if shared:
        (group, rows), name = shared[0], names[shared[0][0]]
        others = [f"{term!r}" for term in (groups[o][r] for r in rows[:3] for o in names if o != name)]
        raise ValueError(
            f"groups[{show(name)}] has {show(groups[name][rows[0]])} in the rows {list_labels(rows)}"
            f"{f' and {len(shared) - 1:,} more such terms' if len(shared) > 1 else ''}: nothing says which "
            f"row is meant, so whether it stands for {list_labels(others, 4)}. Leave all but one of these "
            "rows out, or give resolve=, which tells them apart by the text around."
        )


def _refuse_equal_rows(folded: Sequence[tuple[str, ...]], groups: Mapping[str, Sequence[str]]) -> None:
    first: dict[tuple[str, ...], int] = {}
    for row, terms in enumerate(folded):
        if first.setdefault(terms, row) != row:
            shown = [list_[row] for list_ in groups.values()]
            raise ValueError(
                f"The rows {first[terms]} and {row} are the same, {list_labels(shown, 4)} (case and accents' "
                "encoding do not count): leave one out."
            )
