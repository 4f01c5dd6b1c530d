"""Counts of a collection of texts: who is mentioned, in which languages or sources, beside which words."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.corpus_counter import CorpusCounter, count_batches
from fairsk._core.groups import MISSING, format_group, margin_labels, sort_labels
from fairsk._core.mentions import MENTIONS, NO_GROUP, listed_terms
from fairsk._core.messages import list_labels, list_texts, show
from fairsk._core.results import Result, Table, number, percent
from fairsk._core.tokens import words_of
from fairsk._core.typing import Ints
from fairsk._core.validation import plain_labels, read_labels

__all__ = ["CorpusCounts", "words_not_counted"]

#: So many words are learnt if no vocabulary is given.
_VOCABULARY = 100_000
#: So many values of an attribute are printed.
_SHOWN = 10


@dataclass(init=False, frozen=True, eq=False, repr=False)
class CorpusCounts(Result):
    """Counts of texts: by who they mention, by other columns, and by the words in them.

    Tables of disjoint sets of texts add up. They hold no text; words that stand in few texts may name
    somebody, and :meth:`without_rare_words` takes them out.

    Parameters
    ----------
    cells : mapping of tuple to int
        How many texts have each combination of who is mentioned and the values of the columns.
    names : sequence of str, default=("mentions",)
        What the parts of a combination are called.
    words : sequence of str, optional
        The words that are counted; None if none are.
    word_texts : mapping of hashable to array-like of shape (n_words,), optional
        For each value of "mentions" that occurs, the texts that hold each word.
    other_words : mapping of hashable to int, optional
        For each, how often a text held a word that is not among these.
    is_complete : bool, default=False
        Whether every word that occurs is among these, so that any other has no texts.
    left_out : sequence of str, default=()
        Words that are not counted, such as the listed terms of the groups.
    tokenizer : str, default="words"
        What cut the texts into words: "words", or the name of the user's function.

    See Also
    --------
    fairsk.audit.audit_dataset : The audit of such counts.
    fairsk.metrics.GroupCounts : Counts of decisions.

    Notes
    -----
    A text counts once for each of its words, however often it holds the word.

    Examples
    --------
    >>> from fairsk.text import CorpusCounts
    >>> def mentions(texts):
    ...     return ["woman" if " she " in f" {text} " else "none" for text in texts]
    >>> monday = CorpusCounts.from_texts(["she is a nurse", "rain again"], mentions=mentions)
    >>> tuesday = CorpusCounts.from_texts(["she said so"], mentions=mentions)
    >>> counts = monday + tuesday
    >>> counts.marginal("mentions")
    {'woman': 2, 'none': 1}
    >>> counts.texts_with("she")
    {'woman': 2, 'none': 0}
    """

    names: tuple[str, ...]
    cells: Mapping[tuple[Hashable, ...], int]
    groups: tuple[Hashable, ...]
    words: tuple[str, ...] | None = field(repr=False)
    word_texts: Ints = field(repr=False)
    other_words: Ints
    is_complete: bool
    left_out: tuple[str, ...] = field(repr=False)
    tokenizer: str

    def __init__(
        self,
        cells: Mapping[tuple[Hashable, ...], int],
        *,
        names: Sequence[str] = (MENTIONS,),
        words: Sequence[str] | None = None,
        word_texts: Mapping[Hashable, ArrayLike] | None = None,
        other_words: Mapping[Hashable, int] | None = None,
        is_complete: bool = False,
        left_out: Sequence[str] = (),
        tokenizer: str = "words",
    ) -> None:
        names, cells = tuple(names), {tuple(cell): int(n) for cell, n in cells.items()}
        if not names or names[0] != MENTIONS or len(set(names)) < len(names):
            raise ValueError(f"names must begin with {MENTIONS!r} and be distinct; got {list_labels(names)}.")
        if any(len(cell) != len(names) or n < 0 for cell, n in cells.items()):
            raise ValueError(
                f"cells must count texts, by one value for each of {list_labels(names)}; got {show(cells)}."
            )
        groups = tuple(order_mentions({cell[0] for cell in cells}))
        place = {word: i for i, word in enumerate(words or ())}
        counted, others = word_texts or {}, other_words or {}
        if {*counted, *others} - set(groups) or len(place) < len(words or ()):
            raise ValueError("word_texts must count distinct words, in the texts of mentions that occur.")
        order = sorted(place)
        table = np.zeros((len(groups), len(order)), dtype=np.int64)
        of_group = marginal(cells, names, (MENTIONS,))
        for i, group in enumerate(groups):
            values = np.asarray(counted.get(group, np.zeros(len(order))))
            if values.shape != (len(order),) or np.any(values < 0) or np.any(values > of_group[group]):
                raise ValueError(
                    f"word_texts of {show(group)} must count, of its {of_group[group]:,} texts, those with "
                    f"each of {len(order):,} words."
                )
            table[i] = values[[place[word] for word in order]] if order else values
        self._set(
            names=names,
            cells={cell: cells[cell] for cell in sort_labels(cells)},
            groups=groups,
            words=None if words is None else tuple(order),
            word_texts=table,
            other_words=np.array([int(others.get(group, 0)) for group in groups], dtype=np.int64),
            is_complete=bool(is_complete and words is not None),
            left_out=tuple(sorted(set(left_out))),
            tokenizer=tokenizer,
        )

    @classmethod
    def from_texts(
        cls,
        texts: Any,
        *,
        mentions: Callable[[list[str]], Any] | str | ArrayLike,
        columns: Mapping[str, Any] | Sequence[str] | None = None,
        text: str | int | None = None,
        words: Sequence[str] | int = _VOCABULARY,
        leave_out: Sequence[str] | None = None,
        tokenize: Callable[[str], Iterable[str]] | None = None,
    ) -> CorpusCounts:
        """Count texts, all at once or as they come in batches.

        Parameters
        ----------
        texts : array-like of str of shape (n_texts,), frame, or iterator of these
            The texts; or a frame with a column of them; or an iterator (a generator) of such batches, of
            which one is held at a time.
        mentions : callable, str or array-like of shape (n_texts,)
            Who each text mentions, a group, "none" or "several": a function of a list of texts, such as
            ``TermSwapper.mentioned``, a column of the frame, or values. A function gets the texts alone: what
            depends on other columns, such as the language, is computed before, as a column.
        columns : mapping of str to (str, callable or array-like), or sequence of str, optional
            Other columns, such as ``{"language": "lang", "source": host}``: columns of the frame, functions
            of a list of texts, or values. None is guessed. A column has at most 10,000 values.
        text : str or int, optional
            Which column of a frame holds the texts.
        words : sequence of str or int, default=100_000
            The words that are counted; or how many of those that come first, and if a part of 20,000 texts
            holds more of them than there is room for, its most frequent ones. The others are counted
            together. 0 counts no words.
        leave_out : sequence of str, optional
            Words that are not counted. By default the terms of the ``TermSwapper`` whose method ``mentions``
            is, for that these stand beside their group is no news.
        tokenize : callable, optional
            The words of a text. By default runs of letters, digits and their marks in any script, folded to
            one case, of two characters or more; in scripts without blanks, pairs of neighbouring characters.

        Returns
        -------
        CorpusCounts
            The counts.

        Raises
        ------
        ValueError
            If a column is not there, has another length or too many values, or a text mentions a missing
            value.
        TypeError
            If something else than texts comes, or values for texts that come in batches.
        """
        if isinstance(columns, str):
            raise TypeError(f"columns must be a mapping or a list of names; got {show(columns)}.")
        sources = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns or ()}
        if MENTIONS in sources:
            raise ValueError(f"columns may not have {MENTIONS!r}, which is the name of who is mentioned.")
        cut = words_of if tokenize is None else tokenize
        if leave_out is None:
            leave_out = listed_terms(mentions)
        without = {word for term in leave_out for word in cut(term)}
        counter = CorpusCounter((MENTIONS, *sources), _vocabulary(words, cut), without, cut)
        count_batches(counter, texts, text, mentions, sources)
        vocabulary = sorted(counter.vocabulary)
        groups = {row[0] for row in counter.cells}
        if any(group is None for group in groups):
            raise ValueError(
                'mentions gave a missing value for some texts: it must say a group, "none" or "several".'
            )
        return cls(
            counter.cells,
            names=counter.names,
            words=vocabulary if counter.counts_words else None,
            word_texts={
                group: [table.get(word, 0) for word in vocabulary]
                for group, table in counter.by_group.items()
            },
            other_words=counter.others,
            is_complete=counter.is_complete,
            left_out=sorted(without) if counter.counts_words else (),
            tokenizer=_name_of(tokenize) if counter.counts_words else "words",
        )

    @property
    def n_texts(self) -> int:
        """How many texts were counted."""
        return sum(self.cells.values())

    def marginal(self, *names: str) -> dict[Hashable, int]:
        """Return how many texts have each value of an attribute, or each combination of several.

        Parameters
        ----------
        *names : str
            Which attributes, out of ``names``.

        Returns
        -------
        dict of hashable to int
            Texts by value; by tuple of values for several attributes.
        """
        return marginal(self.cells, self.names, names)

    def texts_with(self, word: str) -> dict[Hashable, int]:
        """Return how many texts of each group hold a word.

        Parameters
        ----------
        word : str
            The word, folded as the table's words are.

        Returns
        -------
        dict of hashable to int
            Texts by who they mention.
        """
        if word in (self.words or ()):
            counts = self.word_texts[:, (self.words or ()).index(word)].tolist()
        elif self.is_complete and word not in self.left_out:
            counts = [0] * len(self.groups)
        else:
            raise ValueError(
                f"The texts with {show(word)} were not counted: it is none of the table's words."
            )
        return dict(zip(self.groups, counts, strict=True))

    def without_rare_words(self, min_texts: int) -> CorpusCounts:
        """Count words that stand in few texts among the others: they may name somebody.

        Parameters
        ----------
        min_texts : int
            Words in fewer texts are taken out.

        Returns
        -------
        CorpusCounts
            A table with the other words.
        """
        totals = self.word_texts.sum(0)
        kept = [word for word, n in zip(self.words or (), totals.tolist(), strict=True) if n >= min_texts]
        return self.with_words(kept)

    def with_words(self, words: Sequence[str]) -> CorpusCounts:
        """Count these words alone, and all others together.

        Parameters
        ----------
        words : sequence of str
            Words of the table; of one that is complete, any words.

        Returns
        -------
        CorpusCounts
            A table with these words.
        """
        place = {word: i for i, word in enumerate(self.words or ())}
        unknown = [] if self.is_complete else [word for word in words if word not in place]
        if unknown:
            raise ValueError(f"The texts with these words were not counted: {list_labels(unknown)}.")
        there = [(i, place[word]) for i, word in enumerate(words) if word in place]
        table = np.zeros((len(self.groups), len(words)), dtype=np.int64)
        table[:, [i for i, _ in there]] = self.word_texts[:, [j for _, j in there]]
        others = self.other_words + self.word_texts.sum(1) - table.sum(1)
        return CorpusCounts(
            self.cells,
            names=self.names,
            words=None if self.words is None else words,
            word_texts=dict(zip(self.groups, table, strict=True)),
            other_words=dict(zip(self.groups, others.tolist(), strict=True)),
            is_complete=self.is_complete and place.keys() <= set(words),  # those taken out have texts
            left_out=self.left_out,
            tokenizer=self.tokenizer,
        )

    def __add__(self, other: CorpusCounts) -> CorpusCounts:
        """Combine the tables of two disjoint sets of texts.

        Of words those are kept whose texts are known of both: a table that is complete knows those of all
        that it does not leave out.
        """
        if not isinstance(other, CorpusCounts):
            return NotImplemented
        for what in ("names", "tokenizer"):
            ours, theirs = getattr(self, what), getattr(other, what)
            if ours != theirs:
                raise ValueError(
                    f"Only tables that count alike add up: {what} differ, {show(ours)} and {show(theirs)}."
                )
        if (self.words is None) != (other.words is None):
            raise ValueError("Tables with words and tables without (words=0) do not add up.")
        first, second = set(self.words or ()), set(other.words or ())
        shared = (first | second) if self.is_complete and other.is_complete else (first & second)
        shared |= second if self.is_complete else set()
        shared |= first if other.is_complete else set()
        left_out = {*self.left_out, *other.left_out}
        words = sorted(shared - left_out)
        parts = [table.with_words(words) for table in (self, other)]
        cells = dict(parts[0].cells)
        for cell, n in parts[1].cells.items():
            cells[cell] = cells.get(cell, 0) + n
        counted: dict[Hashable, Any] = {}
        others: dict[Hashable, int] = {}
        for part in parts:
            for i, group in enumerate(part.groups):
                counted[group] = counted.get(group, 0) + part.word_texts[i]
                others[group] = others.get(group, 0) + int(part.other_words[i])
        return CorpusCounts(
            cells,
            names=self.names,
            words=None if self.words is None else words,
            word_texts=counted,
            other_words=others,
            is_complete=self.is_complete and other.is_complete,
            left_out=sorted(left_out),
            tokenizer=self.tokenizer,
        )

    def __radd__(self, other: int) -> CorpusCounts:
        """Let ``sum(tables)`` start from its 0."""
        return self if other == 0 else NotImplemented

    def __eq__(self, other: object) -> bool:
        """Tell whether two tables hold the same counts of the same groups and words."""
        if not isinstance(other, CorpusCounts):
            return NotImplemented
        ours, theirs = (
            (t.names, t.cells, t.words, t.is_complete, t.left_out, t.tokenizer) for t in (self, other)
        )
        return ours == theirs and all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("word_texts", "other_words")
        )

    __hash__ = None  # type: ignore[assignment]

    def to_state(self) -> dict[str, Any]:
        """Return the counts as plain values, fit for JSON; :meth:`from_state` restores the table.

        Returns
        -------
        dict of str to value
            Combinations with their texts, words, and the texts of each group that hold them.
        """
        return {
            "names": list(self.names),
            "cells": [
                [*(v if v is None else plain_labels([v])[0] for v in cell), n]
                for cell, n in self.cells.items()
            ],
            "words": None if self.words is None else list(self.words),
            "word_texts": self.word_texts.tolist(),
            "other_words": self.other_words.tolist(),
            "is_complete": self.is_complete,
            "left_out": list(self.left_out),
            "tokenizer": self.tokenizer,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> CorpusCounts:
        """Restore the table that :meth:`to_state` wrote.

        Parameters
        ----------
        state : mapping of str to value
            What it returned.

        Returns
        -------
        CorpusCounts
            The table.
        """
        cells = {tuple(read_labels(cell)): n for *cell, n in state["cells"]}
        groups = order_mentions({cell[0] for cell in cells})
        return cls(
            cells,
            names=state["names"],
            words=state["words"],
            word_texts=dict(zip(groups, state["word_texts"], strict=True)),
            other_words=dict(zip(groups, state["other_words"], strict=True)),
            is_complete=state["is_complete"],
            left_out=state["left_out"],
            tokenizer=state["tokenizer"],
        )

    def _tables(self) -> list[Table]:
        by_name = {name: self.marginal(name) for name in self.names}
        columns: dict[str, list[Any]] = {
            "attribute": [name for name, counts in by_name.items() for _ in counts],
            "value": [_value_name(value) for counts in by_name.values() for value in counts],
            "texts": [n for counts in by_name.values() for n in counts.values()],
        }
        shown: dict[str, list[str]] = {name: [] for name in ("attribute", "value", "texts", "share")}
        for name, counts in by_name.items():
            common = sorted(counts.items(), key=lambda item: -item[1])[:_SHOWN]
            rest = self.n_texts - sum(n for _, n in common)
            lines = [(_value_name(value), n) for value, n in common]
            if rest:
                lines.append((f"... {len(counts) - len(common):,} more, which .frame() has", rest))
            for value, n in lines:
                cells = (name, value, f"{n:,}", number(n / self.n_texts))
                for title, cell in zip(shown, cells, strict=True):
                    shown[title].append(cell)
        caption = f"Counts of {self.n_texts:,} texts"
        return [Table(columns, shown, caption, [self._word_note()], words=("value",))]

    def _word_note(self) -> str:
        if self.words is None:
            return "No words were counted."
        counted, others = int(self.word_texts.sum()), int(self.other_words.sum())
        # They are counted nowhere, so nothing tells which of them occur.
        listed = f" ({words_not_counted(len(self.left_out))})" if self.left_out else ""
        if self.is_complete:
            return f"Words: {len(self.words):,}, all that occur{listed}."
        share = percent(round(others / max(counted + others, 1), 3))
        return f"Words: {len(self.words):,}; {share} of the words of texts are others{listed}."


def words_not_counted(n: int) -> str:
    """Say how many words were listed not to be counted."""
    return f"{n:,} listed words, such as terms of groups, are not counted, whether they occur or not"


def _value_name(value: Hashable) -> str:
    return MISSING if value is None else format_group(value)


def marginal(
    cells: Mapping[tuple[Hashable, ...], int], names: Sequence[str], kept: Sequence[str]
) -> dict[Hashable, int]:
    """Return the texts by some of the attributes alone."""
    labels = list(cells) if len(names) > 1 else [cell[0] for cell in cells]
    sums: dict[Hashable, int] = {}
    for label, n in zip(margin_labels(labels, names, kept), cells.values(), strict=True):
        sums[label] = sums.get(label, 0) + n
    order = order_mentions if tuple(kept) == (MENTIONS,) else sort_labels
    return {label: sums[label] for label in order(sums)}


def order_mentions(groups: Iterable[Hashable]) -> list[Hashable]:
    """Sort groups, and put behind them the texts that mention none or several."""
    groups = set(groups)
    return [*sort_labels(groups - set(NO_GROUP)), *(group for group in NO_GROUP if group in groups)]


def _name_of(tokenize: Any) -> str:
    """Return what a table calls what cut its words."""
    return "words" if tokenize is None else getattr(tokenize, "__qualname__", type(tokenize).__name__)


def _vocabulary(words: Sequence[str] | int, cut: Callable[[str], Iterable[str]]) -> Sequence[str] | int:
    """Check what says which words are counted."""
    if isinstance(words, bool | str) or (isinstance(words, int) and words < 0):
        raise ValueError(
            f"words must be how many are learnt, 0 for none, or the words themselves; got {show(words)}."
        )
    if isinstance(words, int | np.integer):
        return int(words)
    words = list(words)
    if not words or not all(isinstance(word, str) for word in words):
        raise ValueError(f"words must be texts, and some; got {show(words)}.")
    written = {word: list(cut(word)) for word in words}
    other = [
        f"{show(word)} as {list_labels(parts) or 'nothing'}"
        for word, parts in written.items()
        if parts != [word]
    ]
    if other:
        raise ValueError(
            f"words must be written as texts are cut into them, which cuts {list_texts(other, 5)}."
        )
    return list(written)
