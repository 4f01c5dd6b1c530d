"""The audit of counts of texts: shares of mentions, languages and sources, and the words beside whom."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np
from numpy.random import RandomState

from fairsk._core.columns import Orders
from fairsk._core.corpus import CorpusCounts
from fairsk._core.factorize import is_missing
from fairsk._core.groups import attribute_name
from fairsk._core.mentions import MENTIONS, set_aside
from fairsk._core.messages import list_labels, show
from fairsk._core.typing import Floats
from fairsk.audit._data.columns import MISSING
from fairsk.audit._data.findings import Settings
from fairsk.audit._data.group_shares import Baseline, GroupShares, compare_shares, read_baseline
from fairsk.audit._data.words import WordsBeside, compare_words

__all__ = ["CountedGroups", "audit_counts"]

#: In a mapping of baselines, the collection whose words are compared with.
_WORDS = "words"


@dataclass(frozen=True)
class CountedGroups:
    """Groups whose rows have been counted: what a ``Grouping`` of these rows would say.

    Parameters
    ----------
    names : tuple of str
        The attribute, or attributes.
    labels : tuple
        The groups.
    n : array of shape (n_groups,)
        Rows of each.
    orders : tuple
        Empty: values have no order of their own.
    """

    names: tuple[str, ...]
    labels: tuple[Hashable, ...]
    n: Floats
    orders: Orders = ()

    def sums(self) -> Floats:
        """Return the rows of each group."""
        return self.n

    @property
    def aside(self) -> frozenset[Hashable]:
        """The groups of texts that mention none or several: no baseline need say how many to expect."""
        return set_aside(self.names, self.labels)


def audit_counts(
    counts: CorpusCounts,
    selected: Any,
    baseline: Any,
    settings: Settings,
    most_words: int,
    rng: RandomState,
) -> tuple[list[tuple[str, CountedGroups]], GroupShares, WordsBeside | None]:
    """Compare the shares of the attributes of a collection, and the words beside its groups.

    Parameters
    ----------
    counts : CorpusCounts
        The collection.
    selected : str, list of str or None
        Which attributes are looked at; by default all.
    baseline : None, CorpusCounts, "equal" or mapping
        What is expected, of each attribute if it is a mapping; another collection, for words too.
    settings : Settings
        Confidence, tolerances and the smallest group.
    most_words : int
        How many words of either kind are held for a group.
    rng : RandomState
        Draws tables where expected counts are small.

    Returns
    -------
    attributes : list of (str, CountedGroups)
        The attributes, and who is mentioned within each other one.
    shares : GroupShares
        Their shares.
    words : WordsBeside or None
        The words; None if mentions are not looked at, or none were counted.
    """
    names = _selected(selected, counts)
    keys: list[tuple[str, ...]] = [(name,) for name in names]
    if MENTIONS in names:
        keys += [(MENTIONS, name) for name in names if name != MENTIONS]
    stated, other_words = _by_attribute(baseline, keys)
    attributes = []
    parts = []
    for key in keys:
        groups = _counted(counts, key)
        attributes.append((attribute_name(key), groups))
        expected = _expected(stated.get(key), groups)
        parts.append(
            compare_shares(attribute_name(key), groups, expected, settings.confidence, rng, groups.aside)
        )
    words = None
    if MENTIONS in names and counts.words is not None:
        words = compare_words(counts, other_words, settings, most_words)
    return attributes, GroupShares(tuple(parts), settings), words


def _selected(selected: Any, counts: CorpusCounts) -> list[str]:
    """Return which attributes are looked at."""
    if counts.n_texts == 0:
        raise ValueError("The counts are of no texts: nothing to audit.")
    if selected is None:
        return list(counts.names)
    names = [selected] if isinstance(selected, str) else selected
    if not isinstance(names, list | tuple) or not names or not set(names) <= set(counts.names):
        raise ValueError(
            f"sensitive_features of counted texts are some of {list_labels(counts.names)}; got "
            f"{show(selected)}."
        )
    return list(dict.fromkeys(names))


def _counted(counts: CorpusCounts, names: tuple[str, ...]) -> CountedGroups:
    """Return the groups of an attribute, or of two; a value that is missing is called so."""
    n = {_name_missing(label): value for label, value in counts.marginal(*names).items()}
    return CountedGroups(names, tuple(n), np.array(list(n.values()), dtype=float))


def _name_missing(label: Hashable) -> Hashable:
    if isinstance(label, tuple):
        return tuple(map(_name_missing, label))
    return MISSING if is_missing(label) else label


def _by_attribute(
    baseline: Any, keys: list[tuple[str, ...]]
) -> tuple[dict[tuple[str, ...], Any], CorpusCounts | None]:
    """Return the baseline of each attribute, and the collection to compare words with."""
    if baseline is None:
        return {}, None
    if isinstance(baseline, CorpusCounts):
        names = set(baseline.names)
        return {key: baseline for key in keys if set(key) <= names}, baseline
    if isinstance(baseline, str):
        return dict.fromkeys(keys, baseline), None
    if not isinstance(baseline, Mapping):
        raise TypeError(
            'baseline of counted texts must be "equal", a mapping from attributes to shares, or the '
            f"CorpusCounts of another collection; got {type(baseline).__name__}."
        )
    if baseline and all(isinstance(value, Number) for value in baseline.values()):
        if len(keys) > 1:
            raise ValueError(
                f"There are several attributes: say which the baseline is of, {{{keys[0][0]!r}: ...}}."
            )
        return {keys[0]: baseline}, None
    stated: dict[tuple[str, ...], Any] = {}
    for name, value in baseline.items():
        key = name if isinstance(name, tuple) else (name,)
        if name == _WORDS:
            if not isinstance(value, CorpusCounts):
                raise TypeError(
                    f"The baseline of words is the CorpusCounts of another collection; got {show(value)}."
                )
        elif key in keys:
            stated[key] = value
        elif key[::-1] in keys:
            turned = isinstance(value, Mapping)
            stated[key[::-1]] = {label[::-1]: n for label, n in value.items()} if turned else value
        else:
            known = [each if len(each) > 1 else each[0] for each in keys]
            raise ValueError(
                f"The baseline names {show(name)}; the attributes are {list_labels([*known, _WORDS])}."
            )
    return stated, baseline.get(_WORDS)


def _expected(stated: Any, groups: CountedGroups) -> Baseline | None:
    """Return the baseline of an attribute."""
    if isinstance(stated, CorpusCounts):
        other = _counted(stated, groups.names)
        return Baseline(dict(zip(other.labels, other.n.tolist(), strict=True)), sample=True)
    return read_baseline(stated, groups, groups.names, _no_rows, groups.aside)


def _no_rows(reference: Any, names: tuple[str, ...]) -> Any:
    raise TypeError(
        f"The baseline of {attribute_name(names)} must be shares, or the CorpusCounts of another collection; "
        f"got {show(reference)}."
    )
