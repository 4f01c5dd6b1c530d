"""Counting of texts that arrive in batches: cells, and the texts of each group that hold a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import narwhals as nw
import numpy as np

from fairsk._core.factorize import is_missing
from fairsk._core.messages import list_labels, show
from fairsk._core.texts import read_texts

__all__ = ["LONGEST_WORD", "CorpusCounter", "count_batches"]

#: Longer runs of letters are no words (encoded files, nonsense), and are counted among the others.
LONGEST_WORD = 50
#: A column with more values holds no kinds of texts but names of single ones.
_MOST_VALUES = 10_000
#: More combinations of values would not fit beside the texts.
_MOST_CELLS = 1_000_000
#: So many texts are counted at a time: the words of a batch are held once before they are added.
_CHUNK = 20_000


class CorpusCounter:
    """Counts of texts so far.

    Parameters
    ----------
    names : tuple of str
        Who is mentioned, and the columns.
    vocabulary : sequence of str or int
        The words that are counted; or how many are learnt, those that come first. With 0 none are counted.
    left_out : collection of str
        Words that are not counted.
    words_of : callable
        The words of a text.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        vocabulary: Sequence[str] | int,
        left_out: Iterable[str],
        words_of: Callable[[str], Iterable[str]],
    ) -> None:
        self.names = names
        self.cells: Counter[tuple[Hashable, ...]] = Counter()
        self.by_group: dict[Hashable, dict[str, int]] = {}
        self.others: Counter[Hashable] = Counter()
        self.left_out = frozenset(left_out)
        self.counts_words = vocabulary != 0
        given = () if isinstance(vocabulary, int) else vocabulary
        self.vocabulary = set(given) - self.left_out
        #: How many more words may be learnt.
        self.room = vocabulary if isinstance(vocabulary, int) else 0
        #: Whether every word that occurred is in the vocabulary, so that any other has no texts.
        self.is_complete = self.room > 0
        self._words_of = words_of

    def add(self, texts: Sequence[str], rows: Sequence[tuple[Hashable, ...]]) -> None:
        """Count some texts, each with who it mentions and its values of the columns."""
        try:
            came = Counter(rows)
        except TypeError:
            raise TypeError(
                f"A value of {list_labels(self.names)} cannot name a kind of texts (unhashable): columns "
                "hold a text, number or boolean per text."
            ) from None
        for row, n in came.items():
            self.cells[_plain_row(row)] += n
        self._refuse_many()
        if not self.counts_words:
            return
        self._check_words(texts)
        texts_of: dict[Hashable, list[str]] = {}
        for text, row in zip(texts, rows, strict=True):
            texts_of.setdefault(row[0], []).append(text)
        counted = {}
        for group, part in texts_of.items():
            # A text counts once for a word, however often it holds it: its words depend on each other.
            counter = Counter(chain.from_iterable(map(set, map(self._words_of, part))))
            for word in self.left_out:
                counter.pop(word, None)
            counted[_plain(group)] = counter
        self._learn(counted)
        for group, counter in counted.items():
            table = self.by_group.setdefault(group, {})
            for word, n in counter.items():
                if word in self.vocabulary:
                    table[word] = table.get(word, 0) + n
                else:
                    self.others[group] += n
                    self.is_complete &= len(word) > LONGEST_WORD

    def _check_words(self, texts: Sequence[str]) -> None:
        """Refuse a user's function that gives something else than words."""
        words = self._words_of(texts[0])
        if isinstance(words, str) or not all(isinstance(word, str) for word in words):
            raise TypeError(f"tokenize must return the words of a text, as texts; got {show(words)}.")

    def _learn(self, counted: Mapping[Hashable, Counter[str]]) -> None:
        """Take new words into the vocabulary, the most frequent ones if there is no room for all."""
        if not self.room:
            return
        new: Counter[str] = Counter()
        for counter in counted.values():
            for word, n in counter.items():
                if word not in self.vocabulary and len(word) <= LONGEST_WORD:
                    new[word] += n
        # Sorted, for sets of texts have another order in every process.
        learnt = sorted(new, key=lambda word: (-new[word], word))[: self.room]
        self.vocabulary.update(learnt)
        # Once a word is among the others, no new one may be learnt: its first texts would be missing.
        self.room = self.room - len(learnt) if len(learnt) == len(new) else 0

    def _refuse_many(self) -> None:
        """Refuse columns that tell single texts apart."""
        if len(self.cells) <= _MOST_VALUES:
            return
        sizes = [len(set(values)) for values in zip(*self.cells, strict=True)]
        if max(sizes) > _MOST_VALUES or len(self.cells) > _MOST_CELLS:
            name = self.names[int(np.argmax(sizes))]
            raise ValueError(
                f"{show(name)} has {max(sizes):,} values so far, and with the other columns there are "
                f"{len(self.cells):,} combinations: at most {_MOST_VALUES:,} and {_MOST_CELLS:,} are "
                "counted. Give a column of kinds of texts, such as the host of an address, or leave it out."
            )


def _plain_row(row: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    return tuple(map(_plain, row))


def _plain(value: Any) -> Hashable:
    """Return a value as Python has it; what is missing is None."""
    if isinstance(value, str):
        return str(value)
    if is_missing(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def count_batches(
    counter: CorpusCounter,
    batches: Any,
    text: str | int | None,
    mentions: Any,
    columns: Mapping[str, Any],
) -> None:
    """Count the texts of one batch, or of an iterator of batches.

    Parameters
    ----------
    counter : CorpusCounter
        Where they are counted.
    batches : texts, frame, or iterator of these
        The batches.
    text : str, int or None
        Which column of a frame holds the texts.
    mentions : callable or array-like of shape (n_texts,)
        Who each text mentions.
    columns : mapping of str to (str, int, callable or array-like)
        The other columns.
    """
    is_stream = isinstance(batches, Iterator)
    if is_stream:
        fixed = [name for name, source in [("mentions", mentions), *columns.items()] if _is_values(source)]
        if fixed:
            raise TypeError(
                f"{list_labels(fixed)} are values, and the texts come in batches: give a callable, which "
                "gets the texts of a batch, or the name of a column of the batches."
            )
    for batch in batches if is_stream else [batches]:
        if isinstance(batch, str):
            raise TypeError(
                f"The iterator gives single texts, such as {show(batch)}: give batches, lists of some "
                "thousand texts (itertools.batched does that)."
            )
        texts = read_texts(batch, text)
        values = [_column(batch, texts, name, source) for name, source in columns.items()]
        values.insert(0, _column(batch, texts, "mentions", mentions))
        rows = list(zip(*values, strict=True))
        for start in range(0, len(texts), _CHUNK):
            counter.add(texts[start : start + _CHUNK], rows[start : start + _CHUNK])


def _is_values(source: Any) -> bool:
    return not callable(source) and not isinstance(source, str | int | np.integer)


def _column(batch: Any, texts: list[str], name: str, source: Any) -> list[Any]:
    """Return the values of a column for the texts of a batch."""
    if callable(source):
        # Who is mentioned is read from texts; any other column may be, too.
        values = source(texts)
    elif _is_values(source):
        values = source
    else:
        values = _named(batch, name, source)
    series = nw.from_native(values, series_only=True, pass_through=True)
    if isinstance(series, nw.Series | np.ndarray):
        values = series.to_list() if isinstance(series, nw.Series) else series.tolist()
    if isinstance(values, str) or not hasattr(values, "__len__") or len(values) != len(texts):
        came = show(values) if isinstance(values, str) or not hasattr(values, "__len__") else len(values)
        raise ValueError(f"{name} must have a value for each of {len(texts):,} texts; got {came}.")
    return list(values)


def _named(batch: Any, name: str, key: str | int) -> Any:
    """Return the column of a batch that has this name, or position."""
    frame = nw.from_native(batch, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        there: Sequence[Any] = frame.columns
        if key in there:
            return frame.get_column(str(key)).to_list()
    elif isinstance(batch, Mapping):
        there = list(batch)
        if key in batch:
            return batch[key]
    elif getattr(batch, "ndim", 1) == 2:
        there = range(batch.shape[1])
        if key in there:
            return batch[:, key].tolist()
    else:
        raise ValueError(
            f"{name} is the column {show(key)}, and the texts are no table: give a frame with text= and this "
            "column, or values, or a callable."
        )
    raise ValueError(
        f"{name} is the column {show(key)}, which is not there. The columns are: {list_labels(there)}."
    )
