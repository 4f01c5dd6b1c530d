"""Rows of a transformer: features as finite numbers, labels where they are needed, refusals in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import check_array

from fairsk._core.columns import SensitiveColumns, as_array, as_table, columns_of_words
from fairsk._core.groups import Grouping, encode_groups
from fairsk._core.messages import list_texts, shorten
from fairsk._core.typing import Floats
from fairsk._sklearn.rows import check_rows, refuse_dataset

__all__ = ["TrainingRows", "read_labels", "read_numbers", "read_table", "refuse_scale"]


@dataclass(frozen=True)
class TrainingRows:
    """The rows of a fit: features without the sensitive columns, and what comes with each row.

    Parameters
    ----------
    features : array of shape (n_samples, n_features)
        Numbers, in single or double precision as they came.
    sensitive : SensitiveColumns
        The attribute.
    weights : array of shape (n_samples,) or None
        How much each row counts; None stands for 1.
    labels : array of shape (n_samples,) or None
        The labels, where the estimator has a use for them.
    """

    features: NDArray[Any]
    sensitive: SensitiveColumns
    weights: Floats | None
    labels: NDArray[Any] | None

    @cached_property
    def groups(self) -> Grouping:
        """The group of each row; a missing value is refused here."""
        return encode_groups(self.sensitive)


def read_table(estimator: Any, X: Any) -> Any:
    """Return X as a frame or an array; anything else is refused before its rows are counted."""
    refuse_dataset(X)
    name = type(estimator).__name__
    if sparse.issparse(X):
        raise TypeError(
            f"{name} takes no sparse X: what is repaired is dense. Make fewer columns of it first, "
            "make_pipeline(TruncatedSVD(100), ...), or dense ones, X.toarray(). For texts there is also "
            "fairsk.text.CounterfactualAverager, which leaves features alone."
        )
    if X is None or isinstance(X, Mapping | str | bytes):
        raise TypeError(f"X is of type {type(X).__name__}: {name} takes an array or a frame of numbers.")
    return as_table(X)


def read_labels(estimator: Any, X: Any, y: Any, **per_row: Any) -> NDArray[Any]:
    """Return y as labels; ``per_row`` is what else comes with a value per row, by name."""
    name = type(estimator).__name__
    if y is None:
        raise ValueError(
            f"{name} requires y to be passed, but the target y is None: the labels within which groups are "
            "made alike, or that are to stay as easy to predict."
        )
    try:
        return check_rows(X, y, **per_row)[1]
    except ValueError as error:
        if as_array(y).dtype.kind == "f":
            error.add_note(
                f"{name} was asked to look at labels (within_label, preserve_label): of amounts make classes "
                "first, such as pd.qcut(y, 4, labels=False), or leave both at False."
            )
        raise


def read_numbers(estimator: Any, X: Any, rest: Any) -> NDArray[Any]:
    """Return features as finite numbers, in single or double precision.

    Parameters
    ----------
    estimator : estimator
        Whose errors these are.
    X : frame or array
        All columns.
    rest : frame or array
        Those that are features.
    """
    name = type(estimator).__name__
    if len(X.shape) == 2 and rest.shape[1] == 0 < X.shape[1]:
        raise ValueError(f"{name} has no features to repair: every column of X is a sensitive one.")
    if words := columns_of_words(rest):
        _refuse_words(name, list_texts(words))
    if getattr(getattr(rest, "dtype", None), "kind", "") == "c":
        raise ValueError("Complex data not supported: X must hold real numbers.")
    try:
        # In one order, so that sums are the same to the last digit whatever container rows come in.
        return np.asarray(
            check_array(rest, dtype=[np.float64, np.float32], order="C", estimator=estimator, input_name="X")
        )
    except ValueError as error:
        if not str(error).startswith("could not convert"):
            raise
        text = str(error).partition(": ")[2]
    _refuse_words(name, f"those with {shorten(text)}")


def _refuse_words(name: str, columns: str) -> NoReturn:
    raise ValueError(
        f"{name} takes numbers, and these columns of X hold none: {columns}. Encode them first "
        "(OneHotEncoder), or hand it the numbers only, with a ColumnTransformer. A sensitive column is named "
        "in the constructor, sensitive_features=."
    )


def refuse_scale(what: str, values: NDArray[Any]) -> None:
    """Refuse columns whose variances no precision holds.

    Parameters
    ----------
    what : str
        What the columns are called in the message.
    values : array of shape (n_samples, n_columns)
        Finite numbers.

    Raises
    ------
    ValueError
        If the sum of the squared deviations of a column is infinite, or loses digits though it varies.
    """
    low, high = values.min(axis=0).astype(float), values.max(axis=0).astype(float)
    largest = max(-low.min(), high.max())  # a deviation is twice that at most
    spread = high / 2 - low / 2  # one of the two is as far from the mean at least
    limits = np.finfo(float)
    # The second is larger in single precision.
    smallest = max(np.sqrt(limits.tiny), np.finfo(values.dtype).tiny)
    too_small = (spread > 0) & (spread < smallest)
    if largest > np.sqrt(limits.max / len(values)) / 2 or too_small.any():
        size = 2 * spread[too_small].max() if too_small.any() else largest
        raise ValueError(
            f"{what} go up to {size:.2g}: numbers as large, or as small, lose their digits in sums of "
            "squares. Measure them in other units first, such as by a StandardScaler."
        )
