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

from fairsk._core.columns import (
    SensitiveColumns,
    as_array,
    as_table,
    column_keys,
    columns_of_words,
    has_single_precision,
)
from fairsk._core.groups import Grouping, encode_groups
from fairsk._core.messages import list_texts, shorten, show
from fairsk._core.typing import Floats
from fairsk._core.warnings import warn_user
from fairsk._sklearn.rows import check_rows, refuse_dataset

__all__ = [
    "TrainingRows",
    "advice_of_placement",
    "read_labels",
    "read_numbers",
    "read_table",
    "refuse_nothing_to_keep",
    "refuse_scale",
    "refuse_without_group",
    "warn_of_nothing_kept",
]


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

    @property
    def shares(self) -> dict[Any, float]:
        """For each group its share of the (weighted) rows."""
        sums = self.groups.sums(self.weights)
        return dict(zip(self.groups.labels, (sums / sums.sum()).tolist(), strict=True))


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
    # scikit-learn reads the precision of columns of NumPy only.
    dtype: Any = np.float32 if has_single_precision(rest) else [np.float64, np.float32]
    try:
        # In one order, so that sums are the same to the last digit whatever container rows come in.
        return np.asarray(check_array(rest, dtype=dtype, order="C", estimator=estimator, input_name="X"))
    except ValueError as error:
        message = str(error)
        if not message.startswith("could not convert") and "contains NaN" not in message:
            raise
    if "contains NaN" in message:
        _refuse_missing(estimator, np.asarray(check_array(rest, dtype=float, ensure_all_finite=False)))
    _refuse_words(name, f"those with {shorten(message.partition(': ')[2])}")


def _refuse_missing(estimator: Any, features: Floats) -> NoReturn:
    name, missing = type(estimator).__name__, int(np.isnan(features).any(axis=1).sum())
    imputer = f"an imputer before it, make_pipeline(SimpleImputer(), {name}(...))"
    if estimator.sensitive_features is not None:  # a column that an imputer loses the name of, or refuses
        imputer = (
            "an imputer of the numbers before it that passes the sensitive column on, "
            "make_column_transformer((SimpleImputer(), numbers), remainder='passthrough', "
            "verbose_feature_names_out=False).set_output(transform='pandas')"
        )
    raise ValueError(
        f"Input X contains NaN, or None, in {missing} of {len(features)} rows, and {name} takes no missing "
        f"values. Put {imputer}, or drop those rows."
    )


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


def advice_of_placement(estimator: Any) -> str:
    """Return where to put a transformer whose sensitive column an earlier step may have left out."""
    name = type(estimator).__name__
    return (
        f"If an earlier step left it out: put {name} before that step, or let the step pass the column on "
        '(a ColumnTransformer with "passthrough" and .set_output(transform="pandas")), or pass '
        f"sensitive_features= as metadata; a SensitiveRouter around the pipeline does so, if {name} itself "
        "names no column."
    )


def refuse_without_group(estimator: Any, *, lacking: bool, otherwise: str) -> None:
    """Refuse rows to transform that came without values, if no column of X holds them.

    Parameters
    ----------
    estimator : GroupTransformer
        Whose error this is.
    lacking : bool
        Whether X has the features only.
    otherwise : str
        What to do where groups are not known, a sentence.
    """
    name = type(estimator).__name__
    if estimator.sensitive_features is None:
        raise ValueError(
            f"{name} needs the groups to transform rows. Name the column in its constructor, "
            "sensitive_features='sex', or pass the values to this method. In cross-validation "
            "scikit-learn's own scorers cannot pass them on: use the column, or fairsk's scorers with "
            f"metadata routing enabled. {otherwise}"
        )
    if lacking and column_keys(estimator.sensitive_features):
        raise ValueError(
            f"{name} needs the group of every new row, and its sensitive column "
            f"({show(estimator.sensitive_features)}) is not in X: give X with it, as in fit, or pass the "
            f"values, sensitive_features=. {otherwise} (unknown_group='overall' takes rows whose value is "
            "missing, not X without the column.)"
        )


def refuse_nothing_to_keep(estimator: Any) -> NoReturn:
    """Refuse X with the features only, whose sensitive columns are to come out too."""
    raise ValueError(
        f"keep_sensitive=True passes the sensitive column ({show(estimator.sensitive_features)}) on to later "
        "steps, and it is not in X: give X with it, as in fit, or set keep_sensitive=False if no later step "
        "reads it."
    )


def warn_of_nothing_kept(estimator: Any) -> None:
    """Warn if sensitive columns are to be kept and none is named."""
    if estimator.keep_sensitive and not column_keys(estimator.sensitive_features):
        warn_user(
            "keep_sensitive=True keeps nothing: only columns of X that sensitive_features names in the "
            "constructor are passed on, not values from elsewhere. Name the column there, or leave "
            "keep_sensitive at False."
        )
