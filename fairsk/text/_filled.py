"""Prompts that say the same of every group: templates with a place, or texts whose terms are swapped."""

from __future__ import annotations

import string
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from fairsk._core.groups import format_group, list_groups
from fairsk._core.messages import did_you_mean, list_labels, shorten, show
from fairsk._core.texts import read_texts

__all__ = ["FilledPrompts", "Fills", "fill_prompts"]

#: What stands for each group in the place of a template: terms, or terms per place; or a TermSwapper.
Fills: TypeAlias = Mapping[Hashable, str | Sequence[str] | Mapping[str, str | Sequence[str]]] | Any

#: Rows of terms, each of which says what stands in which place; without a name for the only place.
_Rows: TypeAlias = list[dict[str | None, str]]


@dataclass(frozen=True)
class FilledPrompts:
    """What each prompt reads like for each group.

    Parameters
    ----------
    groups : tuple of labels
        The groups, in the order in which they were given.
    prompts : tuple of str of length n_prompts
        The prompts as they were given.
    places : tuple of int of length n_prompts
        Their positions in what was given.
    texts : tuple of mappings of length n_prompts
        Per prompt and group the texts, one per term.
    is_aligned : bool
        Whether every group has as many terms, so that those at the same position belong together.
    from_texts : bool
        Whether the prompts are texts in which terms are swapped, and no templates.
    left_out : int
        How many texts name no group, or several.
    duplicates : int
        How many prompts read like an earlier one for every group, and are not asked again.
    """

    groups: tuple[Hashable, ...]
    prompts: tuple[str, ...]
    places: tuple[int, ...]
    texts: tuple[Mapping[Hashable, tuple[str, ...]], ...]
    is_aligned: bool
    from_texts: bool
    left_out: int
    duplicates: int

    def need_several_terms(self) -> None:
        """Refuse groups of a single term: how far terms of a group lie apart, one term cannot tell."""
        single = [group for group in self.groups if len(self.texts[0][group]) < 2]
        if single:
            raise ValueError(
                f'terms="sampled" needs several terms of each group, and {list_groups(single)} has one per '
                "prompt: give lists, such as those of starter_names, or take terms as fixed."
            )

    def distinct(self) -> list[str]:
        """Return every text once."""
        return list(dict.fromkeys(text for cell in self.texts for texts in cell.values() for text in texts))


def fill_prompts(prompts: Any, groups: Fills) -> FilledPrompts:
    """Return what prompts read like for each group.

    Parameters
    ----------
    prompts : array-like of str
        Templates, or texts if ``groups`` swaps terms.
    groups : mapping or TermSwapper
        Per group the terms that stand in the place.

    Raises
    ------
    ValueError
        If there are fewer than two groups, a template has no place or an unknown one, or nothing is left.
    TypeError
        If prompts or terms are no texts.
    """
    texts = read_texts(prompts, name="prompts")
    if not texts:
        raise ValueError("prompts is empty: give at least one.")
    if isinstance(groups, Mapping):
        rows = {group: _rows_of(group, terms) for group, terms in groups.items()}
        _need_two(list(rows))
        cells = [_fill(template, rows) for template in texts]
        sizes = {len(terms) for terms in rows.values()}
        given = list(enumerate(texts))
        return _distinct(tuple(rows), given, cells, len(sizes) == 1, from_texts=False, left_out=0)
    if not hasattr(groups, "mentioned") or not hasattr(groups, "swap"):
        raise TypeError(
            'groups maps each group to what stands for it, {"women": ["the woman"], "men": ["the man"]}, or '
            f"is a TermSwapper; got {show(groups)}."
        )
    names = tuple(groups.group_names)
    _need_two(names)
    kept = [
        (place, text, str(group))
        for place, (text, group) in enumerate(zip(texts, groups.mentioned(texts), strict=True))
        if group in names
    ]
    cells = [
        {name: (text if name == group else groups.swap(text, name),) for name in names}
        for _, text, group in kept
    ]
    if not cells:
        raise ValueError(
            f"None of the {len(texts):,} prompts names exactly one of the groups {list_groups(names)}: with "
            "a TermSwapper, prompts are texts with terms in them."
        )
    left_out = len(texts) - len(kept)
    named = [(place, text) for place, text, _ in kept]
    return _distinct(names, named, cells, True, from_texts=True, left_out=left_out)


def _need_two(groups: Sequence[Hashable]) -> None:
    if len(groups) < 2:
        raise ValueError(f"groups has {len(groups)} of them: at least two are compared.")


def _distinct(
    groups: tuple[Hashable, ...],
    prompts: Sequence[tuple[int, str]],
    cells: Sequence[Mapping[Hashable, tuple[str, ...]]],
    is_aligned: bool,
    *,
    from_texts: bool,
    left_out: int,
) -> FilledPrompts:
    """Return prompts that differ: one that is there twice would count as two that agree."""
    first = {tuple(cell[group] for group in groups): i for i, cell in reversed(list(enumerate(cells)))}
    kept = sorted(first.values())
    return FilledPrompts(
        groups=groups,
        prompts=tuple(prompts[i][1] for i in kept),
        places=tuple(prompts[i][0] for i in kept),
        texts=tuple(cells[i] for i in kept),
        is_aligned=is_aligned,
        from_texts=from_texts,
        left_out=left_out,
        duplicates=len(cells) - len(kept),
    )


def _rows_of(group: Hashable, terms: Any) -> _Rows:
    """Return the terms of a group as rows."""
    if not isinstance(terms, Mapping):
        rows: _Rows = [{None: term} for term in _terms(group, terms)]
    else:
        places = {place: _terms(group, values) for place, values in terms.items()}
        if not places or len({len(values) for values in places.values()}) > 1:
            raise ValueError(
                f"groups[{show(group)}] has {list_labels(map(len, places.values()))} terms in its places "
                f"{list_labels(places)}: give as many for each, those at the same position stand together."
            )
        rows = [dict(zip(places, row, strict=True)) for row in zip(*places.values(), strict=True)]
    if len({tuple(row.values()) for row in rows}) < len(rows):
        raise ValueError(f"groups[{show(group)}] holds a term twice: {show(terms)}.")
    return rows


def _terms(group: Hashable, terms: Any) -> list[str]:
    terms = [terms] if isinstance(terms, str) else list(terms) if isinstance(terms, Iterable) else [terms]
    if not terms:
        raise ValueError(f"groups[{show(group)}] has no terms.")
    for term in terms:
        if not isinstance(term, str):
            raise TypeError(f"groups[{show(group)}] must hold texts; got {show(term)}.")
    return terms


def _fill(template: str, rows: Mapping[Hashable, _Rows]) -> dict[Hashable, tuple[str, ...]]:
    """Return a template with the terms of each group in its places."""
    literals, places = _parse(template)
    filled = {}
    for group, terms in rows.items():
        known = list(terms[0])
        if known == [None]:
            if len(set(places)) > 1:
                raise ValueError(
                    f"The prompt {show(template)} has several places, {list_labels(dict.fromkeys(places))}: "
                    f'say what stands where, groups={{{show(group)}: {{"{places[0]}": [...], ...}}, ...}}.'
                )
        elif unknown := [place for place in places if place not in known]:
            raise ValueError(
                f"The prompt {show(template)} has the place {show(unknown[0])}, and groups[{show(group)}] "
                f"the places {list_labels(known)}.{did_you_mean(unknown[0], map(str, known))}"
            )
        texts = (_join(literals, [row.get(place, row.get(None, "")) for place in places]) for row in terms)
        filled[group] = tuple(texts)
    _refuse_alike(template, filled)
    return filled


def _parse(template: str) -> tuple[list[str], list[str]]:
    """Return the parts of a template around its places, and the places."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(
            f"The prompt {show(template)} is no template ({error}): a place is written {{person}}, and a "
            "brace that is none twice, {{ or }}."
        ) from None
    literals, places = [""], list[str]()
    for literal, place, style, conversion in parts:
        literals[-1] += literal
        if place is None:
            continue
        if not place.isidentifier() or style or conversion:
            # Looked up as a name only: a template is data, and may not reach into objects.
            raise ValueError(
                f"The prompt {show(template)} has the place {show(place)}: a place is a plain name, "
                "{person}."
            )
        places.append(place)
        literals.append("")
    if not places:
        raise ValueError(
            f"The prompt {show(template)} has no place for a group: write {{person}} where the terms go, or "
            "give a TermSwapper as groups."
        )
    return literals, places


def _join(literals: Sequence[str], terms: Sequence[str]) -> str:
    """Return a text; a term that begins it gets a capital."""
    if not literals[0].strip():
        terms = [terms[0][:1].upper() + terms[0][1:], *terms[1:]]
    return literals[0] + "".join(term + literal for term, literal in zip(terms, literals[1:], strict=True))


def _refuse_alike(template: str, filled: Mapping[Hashable, tuple[str, ...]]) -> None:
    """Refuse a prompt that reads the same for two groups, or two terms: nothing could tell them apart."""
    owners: dict[str, Hashable] = {}
    for group, texts in filled.items():
        for text in texts:
            if text in owners:
                first, second = (shorten(format_group(label)) for label in (owners[text], group))
                between = f"{first} and {second}" if first != second else f"two terms of {first}"
                raise ValueError(f"The prompt {show(template)} reads the same for {between}: {show(text)}.")
            owners[text] = group
