"""Orbits: texts that differ in the group that they name alone, and which of them a model is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fairsk._core.typing import Bools, Floats, Ints
from fairsk._core.warnings import warn_user
from fairsk.text._terms.swapper import TermSwapper

__all__ = ["Orbits"]


class _Orbit(NamedTuple):
    """The members of the orbit of a text, one per group, or the text alone; whether all lead back to all."""

    members: tuple[str, ...]
    is_closed: bool


@dataclass(frozen=True)
class Orbits:
    """The orbits of some texts, and the texts to ask a model about.

    Parameters
    ----------
    texts : list of str of length n_texts
        What to ask about, in the order in which orbits first occur: the swaps of texts are asked about in the
        order of the texts.
    rows : array of int of shape (n_texts,)
        A row that each of them comes from, whose other columns it is asked about with.
    places : array of int of shape (n_samples, n_groups)
        Where the members of the orbit of each row stand among these texts.
    is_alone : bool array of shape (n_samples,)
        Whether a row names no group, so that it is its own orbit.
    n_open : int
        How many rows have an orbit that some member does not lead back to.
    first_open : int
        The first of them.
    """

    texts: list[str]
    rows: Ints
    places: Ints
    is_alone: Bools
    n_open: int
    first_open: int

    @classmethod
    def of(cls, texts: Sequence[str], swapper: TermSwapper, *, apart: bool) -> Orbits:
        """Return the orbits of texts.

        Parameters
        ----------
        texts : sequence of str of length n_samples
            The texts of the rows.
        swapper : TermSwapper
            The terms.
        apart : bool
            Whether rows differ in more than their texts, so that equal texts of two rows are two questions.
        """
        n_groups = len(swapper.group_names)
        known: dict[str, _Orbit] = {}
        place_of: dict[tuple[int, str], int] = {}
        rows: list[int] = []
        places = np.empty((len(texts), n_groups), dtype=np.intp)
        is_alone = np.zeros(len(texts), dtype=bool)
        is_open = np.zeros(len(texts), dtype=bool)
        for row, text in enumerate(texts):
            orbit = known.get(text)
            if orbit is None:
                orbit = known[text] = _orbit(text, swapper)
                if orbit.is_closed:  # then it is that of each member, which need not be read again
                    known |= dict.fromkeys(orbit.members, orbit)
            is_alone[row], is_open[row] = len(orbit.members) == 1, not orbit.is_closed
            for g, member in enumerate(orbit.members):
                key = (row if apart else 0, member)
                if key not in place_of:
                    place_of[key] = len(rows)
                    rows.append(row)
                places[row, g] = place_of[key]
            if is_alone[row]:
                places[row] = places[row, 0]
        asked = [text for _, text in place_of]
        first = int(is_open.argmax()) if len(texts) else 0
        return cls(asked, np.array(rows, dtype=np.intp), places, is_alone, int(is_open.sum()), first)

    def mean(self, answers: Floats) -> Floats:
        """Return the mean answer over the orbit of each row; a row that names no group keeps its own.

        Parameters
        ----------
        answers : array of shape (n_texts,) or (n_texts, n_classes)
            What the model says of each text.
        """
        # Added up group by group: the same numbers in the same order whoever of the orbit was asked about.
        total = answers[self.places[:, 0]]
        for g in range(1, self.places.shape[1]):
            total = total + answers[self.places[:, g]]
        mean = total / self.places.shape[1]
        mean[self.is_alone] = answers[self.places[self.is_alone, 0]]
        return mean

    def warn_if_open(self) -> None:
        """Warn of texts whose swaps are read otherwise than they are."""
        if self.n_open:
            warn_user(
                f"{self.n_open:,} of {len(self.is_alone):,} texts, the first in row {self.first_open}, have "
                "swaps that the swapper reads otherwise than the text itself: each is averaged over its own "
                "swaps, but they may get another answer. It depends on the words around a term which row it "
                "belongs to (by resolve), or where it ends."
            )


def _orbit(text: str, swapper: TermSwapper) -> _Orbit:
    template = swapper.parse(text)
    if not template.slots:
        return _Orbit((text,), True)
    members = tuple(template.render(group) for group in swapper.group_names)
    again = map(swapper.parse, dict.fromkeys(members))
    return _Orbit(members, all((t.slots, t.texts) == (template.slots, template.texts) for t in again))
