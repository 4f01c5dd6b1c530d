"""Data sets of OpenML as they are known here: fetched, compared with what is expected, and decoded.

A data set of OpenML never changes under its number. A mirror, a proxy or a cache can hold another table all
the same: columns, rows, codes and, where they are known, labels are compared, and a difference is an error.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import fetch_openml

from fairsk._core.messages import list_labels, list_texts

__all__ = ["Published", "as_numbers", "as_text"]


@dataclass(frozen=True)
class Published:
    """A data set of OpenML as it is known here.

    Parameters
    ----------
    data_id : int
        Its number at OpenML.
    name : str
        Its name there, for messages.
    n_rows : int
        Of the whole table.
    columns : tuple of str
        All of them, the label among them, in any order.
    description : str
        With source and licence.
    labels : mapping, default={}
        How often each label occurs, after decoding; empty where it is not known.
    all_numbers : bool, default=False
        Whether every column holds numbers: they are read as such, which takes far less memory than text.
    """

    data_id: int
    name: str
    n_rows: int
    columns: tuple[str, ...]
    description: str
    labels: Mapping[str, int] = field(default_factory=dict)
    all_numbers: bool = False

    def fetch(self, data_home: str | Path | None, cache: bool) -> Any:
        """Return all columns as a frame of pandas.

        Raises
        ------
        OSError
            If there is neither a network nor a copy in ``data_home``.
        ValueError
            If the columns or the number of rows are not the known ones.
        ImportError
            If pandas is not installed.
        """
        if importlib.util.find_spec("pandas") is None:
            raise ImportError('What OpenML sends is read with pandas: pip install "fairsk[demo]" brings it.')
        try:
            frame = fetch_openml(
                data_id=self.data_id,
                data_home=data_home,
                cache=cache,
                target_column=None,  # all columns in one frame: which one is the label is decided here
                as_frame=True,
                parser="pandas",
                # Not as categories: from pandas 3 on, those of codes such as 0 and 1 are numbers, on which
                # scikit-learn's reader fails.
                read_csv_kwargs={"dtype": None if self.all_numbers else str},
            ).data
        except OSError as error:
            error.add_note(
                f"The data set {self.data_id} is fetched from openml.org over the network unless data_home "
                "holds a copy. Without a network, the bundled load_adult and load_german_credit work."
            )
            raise
        names, expected = set(map(str, frame.columns)), set(self.columns)
        differences = {"missing": sorted(expected - names), "unknown": sorted(names - expected)}
        if names != expected:
            raise self.refuse(
                ", ".join(
                    f"{word} columns {list_texts(found)}" for word, found in differences.items() if found
                )
            )
        if len(frame) != self.n_rows:
            raise self.refuse(f"{len(frame):,} rows where {self.n_rows:,} are expected")
        return frame

    def decode(self, frame: Any, column: str, names: Mapping[Any, str]) -> list[str]:
        """Return what the codes of a column stand for; the codes are numbers, or all text."""
        numeric = all(isinstance(code, int) for code in names)
        codes: list[Any] = as_numbers(frame[column]).tolist() if numeric else as_text(frame[column])
        unknown = [code for code in dict.fromkeys(codes) if code not in names]
        if unknown:
            raise self.refuse(f"unknown codes {list_labels(unknown)} in the column {column}")
        return [names[code] for code in codes]

    def join_indicators(self, frame: Any, names: Mapping[str, str]) -> list[str]:
        """Return which of several columns of 0 and 1 holds the 1, by the names they are given."""
        indicators = np.column_stack([as_numbers(frame[column]) for column in names])
        if not (np.isin(indicators, (0, 1)).all() and (indicators.sum(axis=1) == 1).all()):
            raise self.refuse(f"not a single 1 in each row of the columns {list_texts(names)}")
        return np.array(list(names.values()), dtype=object)[indicators.argmax(axis=1)].tolist()

    def check_labels(self, labels: Sequence[str]) -> None:
        """Refuse labels of other frequencies than the known ones."""
        found = Counter(labels)
        if found != self.labels:
            raise self.refuse(f"labels {dict(sorted(found.items()))} where {dict(self.labels)} are expected")

    def refuse(self, difference: str) -> ValueError:
        """Return the error that says in what the fetched table differs."""
        return ValueError(
            f"Data set {self.data_id} of OpenML ({self.name}) is not the one known here: {difference}. It is "
            "refused, because results on it would be taken for results on the known data. If data_home "
            "holds an old or broken copy, delete it and fetch again."
        )


def as_numbers(column: Any) -> Any:
    """Return a column of numbers, or of text that holds numbers, as numbers; whole ones as integers."""
    plain = column if column.dtype.kind in "iuf" else column.str.strip("'")
    values = plain.astype("float64").to_numpy()
    # A missing value is unequal to itself, so that it keeps the column in floats.
    return values.astype(np.int64) if np.array_equal(values, np.round(values)) else values


def as_text(column: Any) -> list[str | None]:
    """Return a column of text without ARFF's quotes, and None where a value is missing."""
    known = column.notna()
    return [_unquote(value) if there else None for value, there in zip(column, known, strict=True)]


def _unquote(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] == "'"
    return value[1:-1] if quoted else value
