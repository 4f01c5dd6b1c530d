"""Lists of terms as they come in, checked one by one and beside each other."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence, Set
from typing import Any, TypeAlias

from fairsk._core.messages import list_labels, list_texts, show
from fairsk.text._terms.folding import fold_term, starts_inside_of_a_word

__all__ = [
    "NONE",
    "SEVERAL",
    "TermRows",
    "check_ask",
    "check_groups",
    "check_keep",
    "check_kinds",
    "rows_of_terms",
]

#: What is said of texts that name no group, and several.
NONE, SEVERAL = "none", "several"

#: The position of the group of each folded term, and its rows.
TermRows: TypeAlias = Mapping[str, tuple[int, tuple[int, ...]]]


def check_groups(groups: Any) -> dict[str, tuple[str, ...]]:
    """Return the lists of terms, of one length.

    Raises
    ------
    TypeError
        If they are no lists of texts.
    ValueError
        If a name or a term cannot be used, or the lists are not aligned.
    """
    if not isinstance(groups, Mapping):
        raise TypeError(
            "groups must map the name of each group to its terms, {'female': ['she', ...], 'male': "
            f"['he', ...]}}, got {show(groups)}."
        )
    if len(groups) < 2:
        raise ValueError(f"groups must have two groups at least, got {len(groups)}: {show(dict(groups))}.")
    checked = {_check_name(name): _check_terms(f"groups[{show(name)}]", groups[name]) for name in groups}
    lengths = {name: len(terms) for name, terms in checked.items()}
    if len(set(lengths.values())) > 1:
        shown = list_texts(f"{show(name)} has {n:,}" for name, n in lengths.items())
        raise ValueError(
            "groups must be aligned: the terms at one position of all lists are a row, and stand for each "
            f"other. The numbers of terms differ: {shown}."
        )
    if not next(iter(lengths.values())):
        raise ValueError("groups must have a term each at least; the lists are empty.")
    return checked


def check_kinds(kinds: Any, n_rows: int) -> tuple[Hashable, ...]:
    """Return the kind of each row; without kinds, the same for all.

    Raises
    ------
    TypeError
        If they are no list of labels.
    ValueError
        If there is not one per row.
    """
    if kinds is None:
        return (0,) * n_rows
    if isinstance(kinds, str | bytes | Set | Mapping) or not hasattr(kinds, "__iter__"):
        raise TypeError(f"kinds must be a list with a label per row, got {show(kinds)}.")
    kinds = tuple(kinds)
    if len(kinds) != n_rows:
        raise ValueError(f"kinds must have one label per row: there are {n_rows:,} rows, got {len(kinds):,}.")
    for row, kind in enumerate(kinds):
        if not isinstance(kind, Hashable):
            raise TypeError(f"kinds[{row}] must be a label, such as a text, or None, got {show(kind)}.")
    return kinds


def check_keep(keep: Any, terms: TermRows) -> tuple[str, ...]:
    """Return the phrases that are left as they are.

    Raises
    ------
    TypeError
        If they are no list of texts.
    ValueError
        If one of them is empty, or a term itself.
    """
    keep = _check_terms("keep", keep)
    for i, phrase in enumerate(keep):
        if fold_term(phrase) in terms:
            raise ValueError(
                f"keep[{i}] is {show(phrase)}, which is a term of groups, too: leave it out of one of them."
            )
    return keep


def check_ask(ask: Any, terms: TermRows, *, is_resolved: bool) -> tuple[str, ...]:
    """Return the terms that may be none where they stand.

    Raises
    ------
    TypeError
        If they are no list of texts.
    ValueError
        If one of them is no term, or nothing answers.
    """
    ask = _check_terms("ask", ask)
    for i, term in enumerate(ask):
        if fold_term(term) not in terms:
            raise ValueError(
                f"ask[{i}] is {show(term)}, which is no term of groups: add its row, or leave it out."
            )
    if ask and not is_resolved:
        raise ValueError(
            f"ask has {list_labels(ask, 4)}, and nobody is asked: give resolve=, a callable that returns a "
            "row of such a term, or None where it is none."
        )
    return ask


def rows_of_terms(groups: Mapping[str, Sequence[str]], *, is_resolved: bool) -> TermRows:
    """Return the group and the rows of each folded term.

    Raises
    ------
    ValueError
        If a term is of two groups, two rows are the same, or, without ``resolve``, share a term.
    """
    names = list(groups)
    found: dict[str, tuple[int, list[int]]] = {}
    first: dict[tuple[str, ...], int] = {}
    for row, written in enumerate(zip(*groups.values(), strict=True)):
        terms = tuple(map(fold_term, written))
        if first.setdefault(terms, row) != row:
            raise ValueError(
                f"groups has the same row twice, {list_labels(written, 4)}, at {first[terms]} and {row}: "
                "leave one out. Whether letters are capitals does not count."
            )
        for group, term in enumerate(terms):
            of_group, rows = found.setdefault(term, (group, []))
            if of_group != group:
                raise ValueError(
                    f"groups has the term {show(written[group])} in two groups: {show(names[of_group])} (row "
                    f"{rows[0]}) and {show(names[group])} (row {row}). Such a term does not say which one a "
                    "text names: leave these rows out."
                )
            rows.append(row)
    if not is_resolved:
        _refuse_shared_terms(found, groups)
    return {term: (group, tuple(rows)) for term, (group, rows) in found.items()}


def _refuse_shared_terms(
    terms: Mapping[str, tuple[int, Sequence[int]]], groups: Mapping[str, Sequence[str]]
) -> None:
    names = list(groups)
    shared = [(names[group], rows) for group, rows in terms.values() if len(rows) > 1]
    if not shared:
        return
    name, rows = shared[0]
    others = [groups[other][row] for other in names if other != name for row in rows]
    more = f" (and {len(shared) - 1:,} more terms stand in several)" if len(shared) > 1 else ""
    raise ValueError(
        f"groups[{show(name)}] has {show(groups[name][rows[0]])} in the rows {list_labels(rows, 4)}{more}: "
        f"nothing tells whether it stands for {list_labels(others, 4)}. Leave out all of these rows but one, "
        "or give resolve=, a callable that tells them apart by the words around."
    )


def _check_name(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise TypeError(f"groups must have texts as names of groups, got {show(name)}.")
    if name in (NONE, SEVERAL):
        raise ValueError(
            f"groups must not have a group {name!r}: this is what is said of texts that name "
            f"{'no group' if name == NONE else 'several groups'}. Choose another name."
        )
    return str(name)


def _check_terms(where: str, terms: Any) -> tuple[str, ...]:
    if isinstance(terms, str | bytes | Set | Mapping) or not hasattr(terms, "__iter__"):
        raise TypeError(f"{where} must be a list of terms, in an order that lasts, got {show(terms)}.")
    terms = tuple(terms)
    for i, term in enumerate(terms):
        if not isinstance(term, str):
            raise TypeError(f"{where}[{i}] must be a text, got {show(term)}, of type {type(term).__name__}.")
        if not term.strip():
            raise ValueError(f"{where}[{i}] is empty: give a term, or leave its row out of all lists.")
        if term != " ".join(term.split()):
            raise ValueError(
                f"{where}[{i}] is {show(term)}: write it without blanks at its ends, and with single blanks "
                "inside. Texts may have any."
            )
        if starts_inside_of_a_word().match(fold_term(term)):
            raise ValueError(
                f"{where}[{i}] is {show(term)}, which begins with a mark that belongs to a letter before it: "
                "give whole words."
            )
    return tuple(map(str, terms))
