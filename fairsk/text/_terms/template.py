"""A text with slots where terms stand, to be written for any group."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fairsk._core.messages import show
from fairsk.text._terms.cases import Case

if TYPE_CHECKING:
    from fairsk.text._terms.lists import TermLists

__all__ = ["Slot", "Template"]


@dataclass(frozen=True)
class Slot:
    """A place in a text where a term stands; equal if row and case are, whatever group is named.

    Parameters
    ----------
    row : int
        The row of the term.
    case : {"listed", "capital", "upper", "title", "lower"}
        How it is written.
    group : str
        The group that the text names there.
    written : str
        The term as the text has it.
    """

    row: int
    case: Case
    group: str = field(compare=False)
    written: str = field(compare=False)


class Template:
    """A text with slots where its terms stand.

    Texts that differ in the groups that they name, and in nothing else, have equal templates.

    Parameters
    ----------
    texts : sequence of str
        What stands before, between and after the slots.
    slots : sequence of Slot
        The slots, one fewer than texts.
    lists : TermLists
        The terms.
    groups : collection of str
        The groups that the text names, which do not count for equality.
    """

    __slots__ = ("_lists", "groups", "slots", "texts")
    _lists: TermLists
    groups: frozenset[str]
    slots: tuple[Slot, ...]
    texts: tuple[str, ...]

    def __init__(
        self, texts: Sequence[str], slots: Sequence[Slot], lists: TermLists, groups: Collection[str]
    ) -> None:
        object.__setattr__(self, "texts", tuple(texts))
        object.__setattr__(self, "slots", tuple(slots))
        object.__setattr__(self, "groups", frozenset(groups))
        object.__setattr__(self, "_lists", lists)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"A template cannot be changed: {name} stays as it is.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"A template cannot be changed: {name} stays as it is.")

    def __reduce__(self) -> tuple[object, ...]:
        return Template, (self.texts, self.slots, self._lists, self.groups)

    @property
    def text(self) -> str:
        """The text as it is written."""
        return self._write(slot.written for slot in self.slots)

    def render(self, group: str) -> str:
        """Return the text with the terms of a group in all slots.

        Parameters
        ----------
        group : str
            A group of the swapper.

        Returns
        -------
        str
            The text; the same one for all texts that have an equal template.

        Raises
        ------
        ValueError
            If there is no such group.
        """
        return self._write(self._terms(group))

    def render_control(self) -> str | None:
        """Return the text with another term of the same kind and group in each slot.

        Returns
        -------
        str or None
            The text; None if it names no term, or one without another of its kind.
        """
        found = [self._lists.control_row(slot.row, slot.group, slot.written) for slot in self.slots]
        rows = [row for row in found if row is not None]
        if not rows or len(rows) < len(found):
            return None
        return self._write(
            self._lists.write(row, self._lists.group_position(slot.group), slot.case)
            for row, slot in zip(rows, self.slots, strict=True)
        )

    def swap(self, targets: Mapping[str, str]) -> str:
        """Return the text with each group replaced by the one that it is mapped to.

        Parameters
        ----------
        targets : mapping of str to str
            Groups; terms of those that are not in it, or are mapped to themselves, stay as they are written.

        Returns
        -------
        str
            The text.
        """
        positions = {
            group: self._lists.group_position(target) for group, target in targets.items() if target != group
        }
        return self._write(
            self._lists.write(slot.row, positions[slot.group], slot.case)
            if slot.group in positions
            else slot.written
            for slot in self.slots
        )

    def with_terms(self, terms: Iterable[str]) -> str:
        """Return the text with these terms in its slots."""
        return self._write(terms)

    def spans(self, terms: Iterable[str] | None = None) -> list[tuple[int, int]]:
        """Return where the slots begin and end with these terms in them, or as the text is written."""
        terms = [slot.written for slot in self.slots] if terms is None else terms
        spans, at = [], 0
        for text, term in zip(self.texts, terms, strict=False):
            at += len(text)
            spans.append((at, at + len(term)))
            at += len(term)
        return spans

    def without(self, positions: Collection[int]) -> Template:
        """Return a template in which some slots are text, as it is written."""
        if not positions:
            return self
        texts = [self.texts[0]]
        for i, (slot, text) in enumerate(zip(self.slots, self.texts[1:], strict=True)):
            if i in positions:
                texts[-1] += slot.written + text
            else:
                texts.append(text)
        slots = [slot for i, slot in enumerate(self.slots) if i not in positions]
        return Template(texts, slots, self._lists, self.groups)

    def _terms(self, group: str) -> Iterator[str]:
        position = self._lists.group_position(group)
        for slot in self.slots:
            yield self._lists.write(slot.row, position, slot.case)

    def _write(self, terms: Iterable[str]) -> str:
        pieces = [self.texts[0]]
        for term, text in zip(terms, self.texts[1:], strict=True):
            pieces += (term, text)
        return "".join(pieces)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Template):
            return NotImplemented
        return (self.slots, self.texts) == (other.slots, other.texts) and self._lists == other._lists

    def __hash__(self) -> int:
        return hash((self.slots, self.texts))

    def __repr__(self) -> str:
        return f"Template(text={show(self.text[:200])}, n_slots={len(self.slots):,})"
