"""Vectors of words or sentences: given, or looked up, and scaled to length one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from scipy import sparse

from fairsk._core.messages import list_labels, show
from fairsk._core.typing import Floats
from fairsk.text._calling import call_with_all

__all__ = ["Embedding", "Missing", "WordSet", "read_sets"]

#: What says the vector of a word: a mapping, or a function of a list of texts.
Embedding: TypeAlias = Mapping[str, Any] | Callable[[list[str]], Any]
Missing: TypeAlias = Literal["error", "drop"]

#: Fewer words are no sample of words.
_FEWEST = 2
_HOW_FRAMES_ARE_READ = (
    "The words of a frame are its index (pandas) or the names of its columns; of another frame make a "
    "mapping, dict(zip(words, vectors)). "
)


@dataclass(frozen=True)
class WordSet:
    """The words of a set and the directions of their vectors.

    Parameters
    ----------
    name : str
        The parameter that holds the set.
    words : tuple of str of length n_words
        The words; of vectors without words, where they stand, such as "X[0]".
    directions : array of shape (n_words, n_features)
        The vectors, scaled to length one.
    dropped : tuple of str
        Words without a vector, which were left out.
    """

    name: str
    words: tuple[str, ...]
    directions: Floats
    dropped: tuple[str, ...] = ()


def read_sets(
    sets: Mapping[str, Any], embedding: Embedding | None = None, missing: Missing = "error"
) -> list[WordSet]:
    """Return the words of some sets, and their directions.

    Parameters
    ----------
    sets : mapping of str to array-like or sequence of str
        The vectors or the words of each parameter.
    embedding : mapping or callable, optional
        Where the vectors of words are found.
    missing : {"error", "drop"}, default="error"
        What becomes of words that have none.

    Raises
    ------
    ValueError
        If words have no vector, stand twice, or are too few; or vectors have no direction, hold NaN or differ
        in length.
    TypeError
        If a set is a single text, holds no texts where there is an embedding, or texts where there is none.
    """
    if embedding is None:
        if missing != "error":
            raise ValueError(
                f"missing={missing!r} is for words, which need embedding=; leave out vectors yourself."
            )
        read = [_given(name, values) for name, values in sets.items()]
    else:
        words = {name: _read_words(name, values) for name, values in sets.items()}
        found = _look_up(list(dict.fromkeys(word for part in words.values() for word in part)), embedding)
        unknown = {name: tuple(w for w in part if w not in found) for name, part in words.items()}
        if missing == "error" and any(unknown.values()):
            _refuse_unknown(unknown, hasattr(embedding, "columns"))
        known = {name: tuple(word for word in part if word in found) for name, part in words.items()}
        read = [
            WordSet(
                name, part, _stack(name, part, [found[word] for word in part], unknown[name]), unknown[name]
            )
            for name, part in known.items()
        ]
    lengths = {part.name: part.directions.shape[1] for part in read}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"The vectors differ in length: {said}. They must come from one embedding.")
    return [WordSet(part.name, part.words, _unit(part), part.dropped) for part in read]


def _given(name: str, values: Any) -> WordSet:
    """Return vectors that are given as such."""
    if sparse.issparse(values):
        raise TypeError(f"{name} is a sparse matrix: give dense vectors, {name}.toarray().")
    try:
        vectors = np.asarray(values)
        if vectors.dtype.kind in "OUS":
            if any(isinstance(value, str) for value in vectors.ravel()[:1]):
                raise TypeError(
                    f"{name} holds words: say where their vectors are, embedding=, a mapping from words to "
                    "vectors or a function of a list of texts; or give the vectors."
                )
            vectors = vectors.astype(float)
    except ValueError:
        raise ValueError(
            f"{name} must hold vectors of one length, shape (n_words, n_features); got {show(values)}."
        ) from None
    if vectors.dtype.kind not in "biuf" or vectors.ndim != 2:
        raise ValueError(
            f"{name} must hold numbers of shape (n_words, n_features), a vector per word; got "
            f"{vectors.dtype} of shape {vectors.shape}."
        )
    _refuse_few(name, len(vectors))
    return WordSet(name, tuple(f"{name}[{i}]" for i in range(len(vectors))), vectors.astype(np.float64))


def _read_words(name: str, values: Any) -> list[str]:
    """Return the words of a set."""
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise TypeError(f"{name} must be a list of words or sentences; got {show(values)}.")
    words = list(values)
    strange = [word for word in words if not isinstance(word, str)]
    if strange:
        raise TypeError(
            f"{name} must hold words or sentences, as embedding= says where their vectors are; got "
            f"{show(strange[0])}. Vectors are given without embedding=."
        )
    twice = [word for word in dict.fromkeys(words) if words.count(word) > 1]
    if twice:
        raise ValueError(f"{name} has words twice, which would count twice: {list_labels(twice)}.")
    _refuse_few(name, len(words))
    return words


def _look_up(words: list[str], embedding: Embedding) -> dict[str, Any]:
    """Return the vectors of the words that have one."""
    vectors_of: Any = embedding
    if hasattr(embedding, "loc") and hasattr(embedding, "index") and hasattr(embedding, "columns"):
        # A frame of pandas is asked by column; most have a row per word.
        rows = [word for word in words if word in vectors_of.index]
        if len(rows) >= sum(word in vectors_of for word in words):
            return {word: np.asarray(vectors_of.loc[word]) for word in rows}
    # gensim's KeyedVectors are no Mapping, but can be asked as one.
    is_mapping = hasattr(embedding, "__getitem__") and hasattr(embedding, "__contains__")
    if is_mapping and not isinstance(embedding, Sequence | np.ndarray):
        return {word: vectors_of[word] for word in words if word in vectors_of}
    if not callable(embedding):
        raise TypeError(
            "embedding must be a mapping from words to vectors, or a function that takes a list of texts and "
            f"returns their vectors, shape (n_texts, n_features); got {type(embedding).__name__}."
        )
    vectors = np.asarray(call_with_all("embedding", vectors_of, "texts", list(words)))
    if vectors.dtype.kind not in "biuf" or vectors.ndim != 2 or len(vectors) != len(words):
        raise ValueError(
            f"embedding(texts) must return a vector per text, shape ({len(words)}, n_features), for "
            f"{len(words)} texts; got {vectors.dtype} of shape {vectors.shape}."
        )
    # A row of NaN is how a function says that it does not know a text.
    unknown = set(np.flatnonzero(np.isnan(vectors.astype(float)).all(1)).tolist())
    return {word: vectors[i] for i, word in enumerate(words) if i not in unknown}


def _refuse_unknown(unknown: Mapping[str, Sequence[str]], is_frame: bool) -> None:
    said = "; ".join(f"{name}: {list_labels(part, 5)}" for name, part in unknown.items() if part)
    raise ValueError(
        f"The embedding has no vector for {sum(map(len, unknown.values()))} words. {said}. "
        f"{_HOW_FRAMES_ARE_READ if is_frame else ''}Look at their "
        'spelling and case, replace them, or go without them, missing="drop", which the result then tells.'
    )


def _refuse_few(name: str, n: int, dropped: Sequence[str] = ()) -> None:
    if n < _FEWEST:
        without = f" after {len(dropped)} without a vector were left out" if dropped else ""
        raise ValueError(
            f"{name} has {n} word{'s' if n != 1 else ''}{without}: at least {_FEWEST} are needed, to tell "
            "what is said of a set from what is said of a word."
        )


def _stack(name: str, words: Sequence[str], vectors: Sequence[Any], dropped: Sequence[str]) -> Floats:
    """Return the vectors of a set as one array."""
    _refuse_few(name, len(words), dropped)
    arrays = [np.asarray(vector) for vector in vectors]
    for word, array in zip(words, arrays, strict=True):
        if array.ndim != 1 or array.dtype.kind not in "biuf":
            raise ValueError(
                f"The vector of {show(word)} must be a 1-D array of numbers; got {array.dtype} of shape "
                f"{array.shape}."
            )
        if len(array) != len(arrays[0]):
            raise ValueError(
                f"The vectors differ in length: {show(words[0])} has {len(arrays[0])} numbers, {show(word)} "
                f"{len(array)}. They must come from one embedding."
            )
    return np.stack(arrays).astype(np.float64)


def _unit(part: WordSet) -> Floats:
    """Return the vectors scaled to length one."""
    if not np.isfinite(part.directions).all():
        bad = [part.words[i] for i in np.flatnonzero(~np.isfinite(part.directions).all(1))]
        raise ValueError(f"The vectors of {part.name} hold NaN or infinity: {list_labels(bad)}.")
    # By the largest number first: squares of very large or very small ones are no numbers.
    largest = np.abs(part.directions).max(1, keepdims=True, initial=0.0)
    if not largest.all():
        bad = [part.words[i] for i in np.flatnonzero(largest[:, 0] == 0)]
        raise ValueError(
            f"The vectors of {part.name} are zero, and have no direction: {list_labels(bad)}. Leave these "
            "words out."
        )
    scaled = part.directions / largest
    return scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
