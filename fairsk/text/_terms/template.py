"""A text with slots where terms stand, to be written for any group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """A text with slots where terms stand; texts that differ in the groups that they name have equal templates.

    Parameters
    ----------
    texts : sequence of str
        What stands before, between and after the slots.
    slots : sequence of Slot
        The slots, one fewer than texts.
    lists : TermLists
        The terms.
    """

    __slots__ = ("_lists", "slots", "texts")
    _lists: TermLists
    slots: tuple[Slot, ...]
    texts: tuple[str, ...]

    def __init__(self, texts: Sequence[str], slots: Sequence[Slot], lists: TermLists) -> None:
        object.__setattr__(self, "texts", tuple(texts))
        object.__setattr__(self, "slots", tuple(slots))
        object.__setattr__(self, "_lists", lists)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"A template cannot be changed: {name} stays as it is.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"A template cannot be changed: {name} stays as it is.")

    def __reduce__(self) -> tuple[object, ...]:
        return Template, (self.texts, self.slots, self._lists)

    @property
    def groups(self) -> frozenset[str]:
        """The groups that the text names."""
        return frozenset(slot.group for slot in self.slots)

    @property
    def text(self) -> str:
        """The text as it is written."""
        return self.write(lambda slot: slot.written)

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
        position = self._lists.group_position(group)
        return self.write(lambda slot: self._lists.write(slot.row, position, slot.case))

    def render_control(self) -> str | None:
        """Return the text with another term of the same kind and group in each slot.

        Returns
        -------
        str or None
            The text; None if it names no term, or one without another of its kind.
        """
        found = [self._lists.control_row(slot.row, slot.group) for slot in self.slots]
        others = [row for row in found if row is not None]
        if not others or len(others) < len(found):
            return None
        rows = iter(others)
        return self.write(
            lambda slot: self._lists.write(next(rows), self._lists.group_position(slot.group), slot.case)
        )

    def write(self, term_of: Callable[[Slot], str]) -> str:
        """Return the text with what a function says in each slot.

        Parameters
        ----------
        term_of : callable
            Receives a :class:`Slot` and returns the term.

        Returns
        -------
        str
            The text.
        """
        pieces = [self.texts[0]]
        for slot, text in zip(self.slots, self.texts[1:], strict=True):
            pieces += (term_of(slot), text)
        return "".join(pieces)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Template):
            return NotImplemented
        return (self.slots, self.texts) == (other.slots, other.texts) and self._lists == other._lists

    def __hash__(self) -> int:
        return hash((self.slots, self.texts))

    def __repr__(self) -> str:
        return f"Template(text={show(self.text[:200])}, n_slots={len(self.slots):,})"
