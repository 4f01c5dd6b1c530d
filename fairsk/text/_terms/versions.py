"""Versions of a text: all that can be made of it by writing its groups as others."""

from __future__ import annotations

from itertools import chain, combinations, permutations
from math import perm

from fairsk.text._terms.lists import TermLists
from fairsk.text._terms.template import Template

__all__ = ["versions"]

#: Of texts that name several of many groups there are more versions than are worth trying.
_MOST = 100


def versions(template: Template, lists: TermLists) -> list[tuple[str, ...]] | None:
    """Return the terms of all texts that a swap or an exchange of groups makes of a text.

    All groups that it names become one, or each becomes another one, or stays: as it is written, or as a
    template writes it. What is made of these texts in turn is among them.

    Parameters
    ----------
    template : Template
        The text.
    lists : TermLists
        Its terms.

    Returns
    -------
    list of tuple of str, or None
        Per version the term in each slot; None if there are too many.
    """
    names, slots = lists.names, template.slots
    named = sorted({lists.group_position(slot.group) for slot in slots})
    uniform = [(group,) * len(named) for group in range(len(names))]
    if len(named) < 2:
        targets = uniform
    elif perm(len(names), len(named)) > _MOST:
        return None
    else:
        targets = [*uniform, *permutations(range(len(names)), len(named))]
    found: dict[tuple[str, ...], None] = {}
    for chosen in targets:
        target_of = {names[group]: target for group, target in zip(named, chosen, strict=True)}
        rendered = [lists.write(slot.row, target_of[slot.group], slot.case) for slot in slots]
        # Terms that stay may be written otherwise than a template writes them ("mum" as "mom").
        staying = [names[group] for group, target in zip(named, chosen, strict=True) if group == target]
        for kept in chain.from_iterable(combinations(staying, n) for n in range(len(staying) + 1)):
            terms = (
                slot.written if slot.group in kept else term
                for slot, term in zip(slots, rendered, strict=True)
            )
            found[tuple(terms)] = None
    return list(found)
