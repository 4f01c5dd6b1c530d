"""Texts of X: one per row, read out of any container, and put back in its place once rewritten."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from fairsk._core.factorize import is_missing
from fairsk._core.messages import list_labels, show
from fairsk._core.typing import Ints

__all__ = [
    "check_texts",
    "column_names",
    "column_values",
    "naming_the_table",
    "per_column",
    "read_texts",
    "replace_texts",
]


def check_texts(name: str, texts: Any) -> list[str]:
    """Return texts as a list, of a parameter that takes nothing else, such as prompts or answers.

    Raises
    ------
    TypeError
        If it is one text, or holds anything else.
    """
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise TypeError(f"{name} must be a list of texts; got {show(texts)}.")
    listed: list[str] = list(texts)
    for i, text in enumerate(listed):
        if not isinstance(text, str):
            raise TypeError(f"{name}[{i}] must be a text; got {show(text)}, of type {type(text).__name__}.")
    return listed


def read_texts(X: Any, text: str | int | None = None, *, name: str = "X") -> list[str]:
    """Return the text of each row.

    Parameters
    ----------
    X : array-like of shape (n_samples,), frame, or 2-D array
        Texts, or a table that has a column of them.
    text : str or int, optional
        Which column of a table holds the texts; a table of one column needs no name.
    name : str, default="X"
        What the parameter is called, in messages.

    Returns
    -------
    list of str
        The texts, as they are.

    Raises
    ------
    ValueError
        If the column is not there or not named, or a row has no text.
    TypeError
        If X is a single text, an iterator, or holds something else than texts.
    """
    values = _column(X, text, name)
    if not all(isinstance(value, str) for value in values):
        _refuse_other_values(values, name)
    return [str(value) if type(value) is not str else value for value in values]


def replace_texts(X: Any, text: str | int | None, rows: Ints, texts: Sequence[str]) -> Any:
    """Return rows of X with other texts in them, as the same kind of container.

    Parameters
    ----------
    X : array-like of shape (n_samples,), frame, or 2-D array
        What :func:`read_texts` can read; it is not changed.
    text : str or int, optional
        Which column of a table holds the texts.
    rows : array of int of shape (n_texts,)
        The row that each text takes the place of; a row may come several times.
    texts : sequence of str of length n_texts
        The texts.

    Returns
    -------
    container of n_texts rows
        A list for lists and tuples, an array of objects for arrays, else the class of X.
    """
    rows = np.asarray(rows, dtype=np.intp)
    frame = _frame(X)
    if frame is not None:
        name = _frame_column(frame, text)
        # Taken apart by narwhals, for repeated labels of a pandas index must not multiply rows.
        taken = frame[rows.tolist()]
        column = nw.new_series(name, list(texts), dtype=nw.String, backend=nw.get_native_namespace(frame))
        return taken.with_columns(column).to_native()
    series = _series(X)
    if series is not None:
        namespace = nw.get_native_namespace(series)
        made = nw.new_series(series.name, list(texts), dtype=nw.String, backend=namespace)
        return made.to_native()
    if isinstance(X, Mapping):
        key = _mapping_key(X, text)
        return {name: _objects(texts) if name == key else np.asarray(X[name])[rows] for name in X}
    if isinstance(X, np.ndarray):
        if X.ndim == 1:
            return _objects(texts)
        table = X.astype(object)[rows]
        table[:, _array_position(X, text)] = _objects(texts)
        return table
    if len(X) and _is_row(X[0]):
        return replace_texts(np.array(X, dtype=object), text, rows, texts).tolist()
    return list(texts)


def column_names(X: Any) -> list[Any] | None:
    """Return what the columns of a table are called, those of an array by position; None of texts."""
    frame = _frame(X)
    if frame is not None:
        return list(frame.columns)
    if isinstance(X, Mapping):
        return list(X)
    if isinstance(X, np.ndarray):
        return list(range(X.shape[1])) if X.ndim == 2 else None
    is_table = isinstance(X, list | tuple) and X and isinstance(X[0], list | tuple | np.ndarray)
    return list(range(len(X[0]))) if is_table else None


def column_values(X: Any, name: Any) -> list[Any]:
    """Return the values of a column of a table, by one of its :func:`column_names`."""
    return _column(X, name, "X")


def per_column(X: Any, text: str | int | None, shape: tuple[int, ...], n_rows: int) -> str:
    """Return what to say of answers of which there is one per column of a table; empty of any others.

    Iterating over a frame gives its columns, so a vectorizer takes their names for texts.
    """
    names = column_names(X)
    if names is None or shape[:1] == (n_rows,) or shape[:1] != (len(names),):
        return ""
    one_each = f"It was given the table, and took each of its {len(names):,} columns for a text"
    return f" {one_each}. {_texts_alone(names, text)}"


@contextmanager
def naming_the_table(name: str, X: Any, text: str | int | None) -> Iterator[None]:
    """Say that a model was given a table, where it fails because it takes rows or columns for texts.

    Raises
    ------
    TypeError
        In the place of an AttributeError about what texts have, ``.lower`` for one, if X is a table.
    ValueError
        In the place of one about as many samples as X has columns.
    """
    try:
        yield
    except AttributeError as error:
        names = column_names(X)
        if names is None or not error.name or not hasattr(str, error.name):
            raise
        raise TypeError(
            f"{name} was given the table, and took its rows or columns for texts. {_texts_alone(names, text)}"
        ) from error
    except ValueError as error:
        names = column_names(X)
        # As scikit-learn says it of the texts and labels that it is fitted to.
        if names is None or f"inconsistent numbers of samples: [{len(names)}, " not in str(error):
            raise
        raise ValueError(
            f"{name} was given the table, and took each of its {len(names):,} columns for a text. "
            f"{_texts_alone(names, text)}"
        ) from error


def _texts_alone(names: Sequence[Any], text: str | int | None) -> str:
    column = names[0] if text is None and len(names) == 1 else text
    alone = "the column of texts" if column is None else f"X[{show(column)}], without text="
    return f"If it takes texts alone, give it {alone}."


def _objects(texts: Sequence[str]) -> NDArray[Any]:
    """Return texts as objects: an array of fixed width would make all as long as the longest."""
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array


def _column(X: Any, text: str | int | None, name: str) -> list[Any]:
    """Return the values of the column of texts."""
    if isinstance(X, str | bytes):
        raise TypeError(f"{name} is a single text, {show(X)}: give a list of texts, [text].")
    if isinstance(X, Iterator):
        raise TypeError(f"{name} is an iterator, which can be read only once: give list({name}).")
    frame = _frame(X)
    if frame is not None:
        return frame.get_column(_frame_column(frame, text)).to_list()
    series = _series(X)
    if series is not None:
        return series.to_list()
    if isinstance(X, Mapping):
        return list(X[_mapping_key(X, text)])
    if hasattr(X, "tocsr"):
        raise TypeError(
            f"{name} is a sparse matrix, which holds no texts: use this before texts become numbers."
        )
    array = X if isinstance(X, np.ndarray) else None
    if array is None:
        if not isinstance(X, Sequence):
            raise TypeError(f"{name} must hold texts, one per row, got {show(X)}.")
        if not X or not _is_row(X[0]):
            return list(X)
        array = np.array(X, dtype=object)
    if array.ndim == 2:
        return array[:, _array_position(array, text)].tolist()
    if array.ndim != 1:
        raise ValueError(f"{name} must have one text per row, got an array of {array.ndim} dimensions.")
    return array.tolist()


def _is_row(value: Any) -> bool:
    """Whether the first entry of a list is a row of a table, and not a text."""
    return isinstance(value, list | tuple | np.ndarray)


def _frame(X: Any) -> nw.DataFrame[Any] | None:
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    return frame if isinstance(frame, nw.DataFrame) else None


def _series(X: Any) -> nw.Series[Any] | None:
    series = nw.from_native(X, series_only=True, pass_through=True)
    return series if isinstance(series, nw.Series) else None


def _frame_column(frame: nw.DataFrame[Any], text: str | int | None) -> str:
    """Return the name of the column of texts."""
    names = frame.columns
    if text is None and len(names) == 1:
        return names[0]
    if isinstance(text, int | np.integer) and text not in names and -len(names) <= text < len(names):
        return names[int(text)]
    if text is None or text not in names:
        raise ValueError(_which_column(text, names))
    return text


def _mapping_key(X: Mapping[Any, Any], text: str | int | None) -> Any:
    """Return the key of the entry of texts."""
    if text is None and len(X) == 1:
        return next(iter(X))
    if text is None or text not in X:
        raise ValueError(_which_column(text, list(X)))
    return text


def _array_position(array: NDArray[Any], text: str | int | None) -> int:
    """Return the position of the column of texts in a 2-D array."""
    n_columns = array.shape[1]
    if text is None and n_columns == 1:
        return 0
    if not isinstance(text, int | np.integer) or not -n_columns <= text < n_columns:
        raise ValueError(_which_column(text, list(range(n_columns))))
    return int(text)


def _which_column(text: Any, names: Sequence[Any]) -> str:
    """Ask for the column of texts."""
    what = "X has several columns" if text is None else f"X has no column text={show(text)}"
    return f"{what}: name the one that holds the texts, text=... The columns are: {list_labels(names)}."


def _refuse_other_values(values: Sequence[Any], name: str) -> None:
    """Refuse rows without a text, and values that are none."""
    others = [(row, value) for row, value in enumerate(values) if not isinstance(value, str)]
    row, value = others[0]
    of = "" if name == "X" else f"of {name} "
    if all(is_missing(each) for _, each in others):
        raise ValueError(
            f"{len(others):,} of {len(values):,} rows {of}have no text, the first is row {row}: leave these "
            "rows out, or fill in an empty text ''."
        )
    raise TypeError(
        f"{name} must hold texts, but {len(others):,} of {len(values):,} rows hold something else: row {row} "
        f"is {show(value)}, of type {type(value).__name__}."
    )
