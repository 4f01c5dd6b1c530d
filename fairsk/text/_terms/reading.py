"""A text as it is read: its terms from left to right, and the row that each of them stands for."""

from __future__ import annotations

from collections.abc import Iterable

from fairsk._core.messages import show
from fairsk.text._terms.cases import read_case, write_case
from fairsk.text._terms.families import AmbiguousTerm, Family, Resolve
from fairsk.text._terms.lists import TermLists
from fairsk.text._terms.template import Slot, Template
from fairsk.text._terms.versions import versions

__all__ = ["parse"]

#: Each version has as many again: so many of a text about several groups are looked through twice.
_MOST_PARTED = 20


def parse(text: str, lists: TermLists, resolve: Resolve | None) -> Template:
    """Return the template of a text, which is that of all texts made of it.

    With some lists a term can make another one with the words around it once it is written for another group:
    where "old man" is listed and "old woman" is not, "old woman" would become "old man". Such a term is left
    as it is; where that does not help, all are. Exchanges of groups are tried, too, for what a term makes
    with the words around it may depend on the groups of both.
    """
    template = _Reading(text, lists, resolve).template()
    if not template.slots or not lists.may_run_together:
        return template
    parted = _without_unstable(template, lists, resolve)
    if parted is template:
        return template
    if parted is not None and _is_closed(parted, lists, resolve):
        return parted
    return Template([text], [], lists, template.groups)


def _is_closed(parted: Template, lists: TermLists, resolve: Resolve | None) -> bool:
    """Whether all versions of a text have this template, too; not if it takes too long to tell."""
    made = versions(parted, lists) or []
    if len({slot.group for slot in parted.slots}) > 1 and len(made) > _MOST_PARTED:
        return False  # and so it is with every text that has this one as a version, for that has more
    return all(
        _without_unstable(_Reading(parted.with_terms(terms), lists, resolve).template(), lists, resolve)
        == parted
        for terms in made
    )


def _without_unstable(template: Template, lists: TermLists, resolve: Resolve | None) -> Template | None:
    """Return a template without the slots that some version of it has not; None if they cannot be told."""
    unstable: set[int] = set()
    made = versions(template, lists)
    if made is None:
        return None
    for terms in made:
        again = _Reading(template.with_terms(terms), lists, resolve).template()
        if again == template:
            continue
        # Whatever is found in the place of a slot takes its words, so the slot itself is missing then.
        found = dict(zip(again.spans(), again.slots, strict=True))
        spans = template.spans(terms)
        lost = {i for i, slot in enumerate(template.slots) if found.get(spans[i]) != slot}
        unstable |= lost or set(range(len(spans)))
    return template.without(unstable)


class _Reading:
    """The terms of a text, and their rows, decided from right to left.

    Whatever a decision looks at must not depend on the groups that the text names. So terms whose rows are
    known, as are all to the right, are shown as the group of the term in question has them; ambiguous ones to
    the left as the first ambiguous term of their family.

    Parameters
    ----------
    text : str
        The text.
    lists : TermLists
        The terms.
    resolve : callable or None
        Decides which row is meant.
    """

    def __init__(self, text: str, lists: TermLists, resolve: Resolve | None) -> None:
        self._lists, self._resolve = lists, resolve
        self._found = found = lists.find(text)
        ends, starts = [0, *(term.end for term in found)], [*(term.start for term in found), len(text)]
        self._between = [text[end:start] for end, start in zip(ends, starts, strict=True)]
        self._written = [text[term.start : term.end] for term in found]
        self._cases = [
            lists.case(term.rows[0], read_case(written, lists.spelling(term.term)))
            for term, written in zip(found, self._written, strict=True)
        ]
        self._families = [lists.families.get(term.rows[0]) for term in found]
        self._rows = [
            term.rows[0] if family is None else None
            for term, family in zip(found, self._families, strict=True)
        ]
        self._is_none = [False] * len(found)
        for i in reversed(range(len(found))):
            family = self._families[i]
            if family is not None:
                self._rows[i] = self._decide(i, family)
                self._is_none[i] = self._rows[i] is None

    def template(self) -> Template:
        """Return the text as a template."""
        names = self._lists.names
        texts, slots = [self._between[0]], []
        for i, row in enumerate(self._rows):
            if row is None:  # no term, but a part of the text
                texts[-1] += self._written[i] + self._between[i + 1]
                continue
            slots.append(Slot(row, self._cases[i], names[self._found[i].group], self._written[i]))
            texts.append(self._between[i + 1])
        return Template(texts, slots, self._lists, {slot.group for slot in slots})

    def _decide(self, i: int, family: Family) -> int | None:
        """Return the row of a term, or None if it is none."""

        def ask(term: str, group: int, rows: tuple[int, ...]) -> int | None:
            may_be_none = term in family.may_be_none
            word = write_case(self._lists.spelling(term), self._cases[i])
            choices = tuple(map(self._lists.row, rows))
            question = AmbiguousTerm(
                word,
                rows,
                choices,
                lambda: self._before(i, group),
                lambda most: self._after(i, group, most),
                may_be_none,
            )
            row = self._resolve(question) if self._resolve is not None else rows[0]
            if row is None and may_be_none:
                return None
            if row is None or row not in rows:
                raise ValueError(_not_a_row(word, rows, row, may_be_none))
            return int(row)

        chosen = family.choose(ask)
        return None if chosen is None else family.row_of(self._found[i].term, chosen)

    def _before(self, i: int, group: int) -> str:
        return "".join([*self._pieces(range(i), group), self._between[i]])

    def _after(self, i: int, group: int, most: int | None) -> str:
        pieces, length = [self._between[i + 1]], len(self._between[i + 1])
        for j in range(i + 1, len(self._found)):
            if most is not None and length >= most:
                break
            pieces += (self._shown(j, group), self._between[j + 1])
            length += len(pieces[-2]) + len(pieces[-1])
        return "".join(pieces)

    def _pieces(self, positions: Iterable[int], group: int) -> Iterable[str]:
        for j in positions:
            yield self._between[j]
            yield self._shown(j, group)

    def _shown(self, j: int, group: int) -> str:
        """Return what is written for another term of the text."""
        if self._is_none[j]:
            return self._written[j]
        row, family = self._rows[j], self._families[j]
        if row is not None:
            return self._lists.write(row, group, self._cases[j])
        assert family is not None  # only terms of families are undecided
        return write_case(self._lists.spelling(family.asked[0][0]), self._cases[j])


def _not_a_row(word: str, rows: tuple[int, ...], row: object, may_be_none: bool) -> str:
    """Say what ``resolve`` may return."""
    said = f"resolve must return one of the rows {show(rows)} that {show(word)} may belong to"
    if may_be_none:
        return f"{said}, or None where it is no term, got {show(row)}."
    elsewhere = (
        "Words that are no terms in some places go into ask=, phrases in which they are none into keep=."
    )
    return f"{said}, got {show(row)}.{f' {elsewhere}' if row is None else ''}"
