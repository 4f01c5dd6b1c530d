"""TermSwapper: who a text mentions, and the same text about another group."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairsk._core.messages import list_texts, show
from fairsk._core.texts import read_texts
from fairsk.text._terms.cases import read_case, write_case
from fairsk.text._terms.families import AmbiguousTerm, Resolve
from fairsk.text._terms.lists import NONE, SEVERAL, Found, TermLists
from fairsk.text._terms.template import Slot, Template

__all__ = ["TermPair", "TermSwapper"]


@dataclass(frozen=True)
class TermPair:
    """A text that names one group, and the same text about another one.

    Parameters
    ----------
    row : int
        The position of the text.
    source, target : str
        The group that it names, and the other one.
    text, counterfactual : str
        The text, and the other one.
    """

    row: int
    source: str
    target: str
    text: str
    counterfactual: str


class TermSwapper:
    """Find the terms of groups in texts, and write the same texts about other groups.

    Parameters
    ----------
    groups : mapping of str to sequence of str
        The terms of each group, aligned: ``groups[a][i]`` and ``groups[b][i]`` stand for each other. A term
        may be a phrase.
    resolve : callable, optional
        Says which row is meant where a term stands in several: it receives an :class:`AmbiguousTerm`, with
        ``word``, ``rows``, ``next_word``, ``text`` and ``start``, and returns one of ``rows``. Without it,
        such terms are refused.
    kinds : sequence of length n_rows, optional
        A label per row; rows of one kind may stand in for each other, which makes controls. Those of kind
        None have no control. By default all rows are of one kind.

    Examples
    --------
    >>> from fairsk.text import TermSwapper
    >>> swapper = TermSwapper({"female": ["she", "woman", "lady"], "male": ["he", "man", "gentleman"]})
    >>> swapper.swap("She's a WOMAN of her word.", "male")
    "He's a MAN of her word."
    >>> swapper.mentioned(["She left.", "He left her.", "It rains."]).tolist()
    ['female', 'male', 'none']
    """

    _lists: TermLists
    _resolve: Resolve | None
    _kinds: Sequence[Hashable] | None

    def __init__(
        self,
        groups: Mapping[str, Sequence[str]],
        *,
        resolve: Resolve | None = None,
        kinds: Sequence[Hashable] | None = None,
    ) -> None:
        if resolve is not None and not callable(resolve):
            raise TypeError(
                f"resolve must be a callable that receives an AmbiguousTerm and returns one of its rows, or "
                f"None, got {show(resolve)}."
            )
        self._set(lists=TermLists(groups, kinds, is_resolved=resolve is not None), resolve=resolve)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, f"_{name}", value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"A TermSwapper cannot be changed: make another one instead of setting {name}.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"A TermSwapper cannot be changed: make another one instead of deleting {name}.")

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._lists, self._resolve)

    def __copy__(self) -> TermSwapper:
        return self

    def __deepcopy__(self, memo: object) -> TermSwapper:
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TermSwapper):
            return NotImplemented
        return self._lists == other._lists and self._resolve == other._resolve

    def __hash__(self) -> int:
        return hash(self._lists)

    def __repr__(self) -> str:
        n_rows = len(self._lists.rows)
        shown = [
            f"{show(name)}: [{list_texts(map(repr, terms[:3]), longest=30)}{', ...' if n_rows > 3 else ''}]"
            for name, terms in list(self.groups.items())[:5]
        ]
        more = f", and {len(self.group_names) - 5:,} more" if len(self.group_names) > 5 else ""
        return f"TermSwapper({{{', '.join(shown)}{more}}}, n_rows={n_rows:,})"

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The terms of each group."""
        return dict(self._lists.groups)

    @property
    def group_names(self) -> tuple[str, ...]:
        """The names of the groups."""
        return self._lists.names

    @property
    def terms(self) -> tuple[str, ...]:
        """All terms, each of them once."""
        return tuple(dict.fromkeys(term for terms in self._lists.groups.values() for term in terms))

    def mentioned(self, X: Any, text: str | int | None = None) -> NDArray[np.object_]:
        """Return the group that each text names.

        Parameters
        ----------
        X : array-like of shape (n_samples,), or frame
            Texts, or a frame with a column of them.
        text : str or int, optional
            The column of the texts, where X has several.

        Returns
        -------
        ndarray of shape (n_samples,)
            The name of a group, "none" or "several".
        """
        mentioned = np.empty(len(texts := read_texts(X, text)), dtype=object)
        for i, one in enumerate(texts):
            groups = self._lists.groups_in(one)
            mentioned[i] = self.group_names[groups.pop()] if len(groups) == 1 else SEVERAL if groups else NONE
        return mentioned

    def parse(self, text: str) -> Template:
        """Return a text as a template: what stands between its terms, and a slot for each of them.

        Parameters
        ----------
        text : str
            A text.

        Returns
        -------
        Template
            Equal for texts that differ in the groups that they name alone.
        """
        found = self._lists.find(_checked_text(text))
        between = [
            text[start:end]
            for start, end in zip(
                [0, *(term.end for term in found)], [*(term.start for term in found), len(text)], strict=True
            )
        ]
        return Template(between, self._slots(text, between, found), self._lists)

    def swap(self, text: str, group: str) -> str:
        """Return a text with all its terms written for one group; those that are of this group stay as they are.

        Parameters
        ----------
        text : str
            A text.
        group : str
            The group.

        Returns
        -------
        str
            The text about that group.
        """
        target = self._lists.group_position(group)
        return self.parse(text).write(
            lambda slot: (
                slot.written if slot.group == group else self._lists.write(slot.row, target, slot.case)
            )
        )

    def exchange(self, text: str, a: str, b: str) -> str:
        """Return a text in which two groups have changed places.

        Parameters
        ----------
        text : str
            A text.
        a, b : str
            The groups.

        Returns
        -------
        str
            The text; terms of other groups stay as they are.
        """
        target = {a: self._lists.group_position(b), b: self._lists.group_position(a)}
        if a == b:
            return _checked_text(text)
        return self.parse(text).write(
            lambda slot: (
                self._lists.write(slot.row, target[slot.group], slot.case)
                if slot.group in target
                else slot.written
            )
        )

    def pairs(self, texts: Any, text: str | int | None = None) -> tuple[TermPair, ...]:
        """Return each text that names one group beside the same text about each other group.

        Parameters
        ----------
        texts : array-like of shape (n_samples,), or frame
            Texts, or a frame with a column of them.
        text : str or int, optional
            The column of the texts, where there are several.

        Returns
        -------
        tuple of TermPair
            The pairs, in the order of the texts and of the groups.
        """
        pairs = []
        for row, one in enumerate(read_texts(texts, text)):
            if len(self._lists.groups_in(one)) != 1:
                continue
            template = self.parse(one)
            (source,) = template.groups
            pairs += [
                TermPair(row, source, target, one, template.render(target))
                for target in self.group_names
                if target != source
            ]
        return tuple(pairs)

    def control(self, text: str) -> str | None:
        """Return a text with every term replaced by another one of its kind and group.

        Parameters
        ----------
        text : str
            A text.

        Returns
        -------
        str or None
            The text; None if it names no term, or one without another of its kind.
        """
        return self.parse(text).render_control()

    def _slots(self, text: str, between: Sequence[str], found: Sequence[Found]) -> list[Slot]:
        """Return a slot for each term; which row is meant is decided from right to left."""
        lists = self._lists
        # What stands in for a term whose row is not known yet: whatever group it is of, the same.
        slots: list[Slot | None] = [None] * len(found)
        written = [text[term.start : term.end] for term in found]
        for i in reversed(range(len(found))):
            term = found[i]
            row = term.rows[0]
            case = lists.case(row, read_case(written[i], lists.rows[row][term.group]))
            family = lists.families.get(row)
            if family is not None:

                def ask(word: str, group: int, rows: tuple[int, ...], i: int = i, case: Any = case) -> int:
                    def at(j: int) -> str:
                        slot = slots[j]
                        if slot is not None:
                            return lists.write(slot.row, group, slot.case)
                        first = lists.families.get(found[j].rows[0])
                        if first is None:
                            shown = found[j].rows[0], group
                        else:
                            shown = _first_row(first), first.asked[0][1]
                        return write_case(
                            lists.rows[shown[0]][shown[1]],
                            lists.case(
                                found[j].rows[0],
                                read_case(written[j], lists.rows[found[j].rows[0]][found[j].group]),
                            ),
                        )

                    def before() -> str:
                        return "".join(piece for j in range(i) for piece in (between[j], at(j))) + between[i]

                    def after(most: int | None) -> str:
                        pieces, n = [between[i + 1]], len(between[i + 1])
                        for j in range(i + 1, len(found)):
                            if most is not None and n > most:
                                break
                            pieces += (at(j), between[j + 1])
                            n += len(pieces[-1]) + len(pieces[-2])
                        return "".join(pieces)

                    shown = write_case(lists.rows[rows[0]][group], case)
                    row = self._resolve(AmbiguousTerm(shown, rows, before, after))  # type: ignore[misc]
                    if row not in rows:
                        raise ValueError(
                            f"resolve must return one of the rows {show(rows)} that {show(shown)} may belong "
                            f"to, got {show(row)}."
                        )
                    return row

                row = family.row_of(term.term, family.choose(ask))
            slots[i] = Slot(row, case, lists.names[term.group], written[i])
        return [slot for slot in slots if slot is not None]


def _first_row(family: Any) -> int:
    return next(row for row in family.rows if family.asked[0][0] in family.terms[row])


def _checked_text(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError(f"text must be a text, got {show(text)}, of type {type(text).__name__}.")
    return text


def _restored(lists: TermLists, resolve: Callable[..., int] | None) -> TermSwapper:
    swapper = TermSwapper.__new__(TermSwapper)
    swapper._set(lists=lists, resolve=resolve)
    return swapper
