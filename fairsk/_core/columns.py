"""Sensitive columns: selectors that pick them out of X, values passed beside it, and X without them.

The sensitive attribute is read here and nowhere else, from any frame, array, sparse matrix, list or mapping.
Everything else sees one-dimensional columns (:class:`SensitiveColumns`), or the codes and labels of a
``Grouping``. Frames whose rows are elsewhere, in an engine, are queried in :mod:`fairsk._core.engines`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import narwhals as nw
import numpy as np
from narwhals.exceptions import DuplicateError
from numpy.typing import NDArray
from scipy import sparse

from fairsk._core.factorize import Coded, code_in_order, code_series, is_missing
from fairsk._core.mentions import column_name
from fairsk._core.messages import list_labels, list_texts, show
from fairsk._core.typing import Bools, Floats, Ints

__all__ = [
    "Orders",
    "Selector",
    "SensitiveColumns",
    "advising",
    "all_columns",
    "are_features",
    "as_array",
    "as_floats",
    "as_table",
    "column_keys",
    "column_of",
    "columns_called",
    "columns_of_words",
    "drop_columns",
    "drop_present",
    "has_functions",
    "has_named",
    "has_single_precision",
    "names_columns",
    "pyarrow_rows",
    "refuse_repeated_names",
    "refuse_shuffled",
    "replace_features",
    "selects_by_position",
    "sensitive_columns",
    "single_column",
    "value_columns",
]

#: How the constructor of an estimator or scorer names columns of X (:func:`column_keys` reads it).
Selector: TypeAlias = str | int | Callable[[Any], Any] | Sequence[str | int | Callable[[Any], Any]] | None

#: For each column the values that it may have, in the order that they have, or None if they have none.
Orders: TypeAlias = tuple[tuple[Any, ...] | None, ...]

_PLACEMENT = (
    "If an earlier step left it out: put the fair meta-estimator outside the pipeline, so that it sees the "
    "raw X, or wrap the pipeline in SensitiveRouter, or let the earlier steps pass the column through "
    '(a ColumnTransformer with "passthrough" and .set_output(transform="pandas")), '
    "or pass sensitive_features= as metadata."
)


@contextmanager
def advising(placement: str) -> Iterator[None]:
    """Let errors about a column that is not in X end in this advice, not in that for a meta-estimator.

    Parameters
    ----------
    placement : str
        One or more sentences.
    """
    try:
        yield
    except ValueError as error:
        if _PLACEMENT not in (message := str(error)):
            raise
        raise ValueError(message.replace(_PLACEMENT, placement)) from None


class _NamedColumns(np.ndarray):
    """An array that knows what its columns are called, wherever scikit-learn slices and sends its rows.

    Of columns whose values have an order (:class:`~fairsk._core.factorize.Coded`) it also knows that.
    """

    names: tuple[str, ...] = ()
    orders: Orders = ()

    def __array_finalize__(self, source: Any) -> None:
        self.names = getattr(source, "names", ())
        self.orders = getattr(source, "orders", ())

    def __reduce__(self) -> tuple[Any, ...]:
        return _name_columns, (np.asarray(self), self.names, self.orders)

    @property
    def is_whole(self) -> bool:
        """Whether it has all its columns, as a part of its rows has."""
        n_columns = self.shape[1] if self.ndim == 2 else self.ndim
        return len(self.names) == n_columns

    def columns(self) -> tuple[NDArray[Any] | Coded, ...]:
        """Return each column by itself, in its order if it has one."""
        table = np.asarray(self)
        columns = [table] if table.ndim == 1 else list(table.T)
        orders = self.orders or [None] * len(columns)
        pairs = zip(columns, orders, strict=True)
        return tuple(column if order is None else code_in_order(column, order) for column, order in pairs)


def _name_columns(array: NDArray[Any], names: tuple[str, ...], orders: Orders = ()) -> _NamedColumns:
    named = array.view(_NamedColumns)
    named.names, named.orders = names, orders
    return named


@dataclass(frozen=True)
class SensitiveColumns:
    """The sensitive attribute of some rows: one array per column, and what the columns are called."""

    names: tuple[str, ...]
    columns: tuple[NDArray[Any] | Coded, ...]

    def __len__(self) -> int:
        return len(self.columns[0])

    def take(self, rows: Ints) -> SensitiveColumns:
        """Return the attribute of these rows."""
        return SensitiveColumns(self.names, tuple(column[rows] for column in self.columns))

    def in_order(self, names: tuple[str, ...], *, strict: bool = False) -> SensitiveColumns:
        """Return the columns in the order of an earlier call, by name; without names, as they stand.

        Parameters
        ----------
        names : tuple of str
            What the columns were called there.
        strict : bool, default=False
            Whether a single column must have the same name, too.

        Raises
        ------
        ValueError
            If these are other columns.
        """
        if self.names == names or (len(self.names) == len(names) == 1 and not strict):
            return self
        if len(self.names) == len(names):
            if len(set(names)) == len(names) and set(self.names) == set(names):
                order = [self.names.index(name) for name in names]
                return SensitiveColumns(names, tuple(self.columns[j] for j in order))
            if _are_positions(self.names) or _are_positions(names):
                return SensitiveColumns(names, self.columns)
        came, seen = list_labels(self.names, most=6), list_labels(names, most=6)
        raise ValueError(
            f"sensitive_features has the columns {came}, and had {seen} in fit: give the same columns, in "
            "any order, or an array, whose columns are taken in the order of fit."
        )

    @property
    def orders(self) -> Orders:
        """The values that each column may have, in their order, None if they have none; empty if none has."""
        orders = tuple(
            tuple(value for value in column.values if not is_missing(value))
            if isinstance(column, Coded) and column.is_ordered
            else None
            for column in self.columns
        )
        return orders if any(orders) else ()

    def to_metadata(self) -> NDArray[Any]:
        """Return the values as one array that scikit-learn can slice by rows: 1-D, or a column each."""
        arrays = [column.to_array() if isinstance(column, Coded) else column for column in self.columns]
        if len(arrays) == 1 and not self.orders:
            return arrays[0]
        table = np.column_stack([column.astype(object) for column in arrays])
        return _name_columns(table[:, 0] if len(arrays) == 1 else table, self.names, self.orders)


def _are_positions(names: tuple[str, ...]) -> bool:
    """Whether names only say where the columns stand: those given here, by pandas, or by polars."""
    return all(
        name in (f"sensitive_features[{j}]", str(j), f"column_{j}") or _COLUMN_NUMBER.fullmatch(name)
        for j, name in enumerate(names)
    )


#: What one column of values is called that has no name.
_UNNAMED = "sensitive_features"
#: What a column is called that was selected from an array.
_COLUMN_NUMBER = re.compile(r"column \d+")


def sensitive_columns(
    X: Any, selector: Selector, values: Any = None, *, n_samples: int | None = None
) -> SensitiveColumns:
    """Return the sensitive attribute: the values passed to the method, else the columns selected from X.

    Parameters
    ----------
    X : array-like, frame, sparse matrix or list
        The X of the estimator's method; it is looked into only if ``values`` is None.
    selector : str, int, list of these, callable or None
        The constructor's ``sensitive_features``. A callable receives X and returns values; it may stand in a
        list beside names. The selector is validated here, also where values override it.
    values : array-like of shape (n_samples,) or (n_samples, n_columns), optional
        The method's ``sensitive_features``; overrides the selector.
    n_samples : int, optional
        How many rows there must be.

    Raises
    ------
    ValueError
        If both are None, a column is missing, or lengths differ.
    TypeError
        If ``values`` is a string or a dict, or the selector is none.
    """
    keys = column_keys(selector)
    if values is not None:
        if X is None:
            _refuse_functions("sensitive_features", values)
        sensitive = _from_values(values)
    elif callable(selector):
        values = selector(X)
        sensitive = _named_by(selector, _from_values(values))
    elif isinstance(selector, list | tuple) and any(map(callable, selector)):
        sensitive = _joined([sensitive_columns(X, each, n_samples=n_samples) for each in selector])
    elif keys is not None:
        sensitive = _from_keys(X, keys)
    else:
        raise ValueError(
            "Which column is sensitive? Name it in the constructor, sensitive_features='sex' (a list for "
            "an intersection, an index or a callable for arrays), or pass the values as metadata, "
            "sensitive_features=values, to this method."
        )
    refuse_shuffled(X=X, sensitive_features=values)
    if not sensitive.columns:
        raise ValueError("sensitive_features names no column: give at least one.")
    expected = n_samples if n_samples is not None else len(sensitive)
    if any(len(column) != expected for column in sensitive.columns):
        raise ValueError(
            f"{_other_lengths('sensitive_features', sensitive, expected)} Values are matched to rows by "
            "position; where a tool takes rows away or repeats them (a sampler in a pipeline, "
            "self-training), name the column in the constructor instead."
        )
    return sensitive


def _named_by(function: Callable[[Any], Any], sensitive: SensitiveColumns) -> SensitiveColumns:
    """Call a column without a name by the function that returned it."""
    name = column_name(function) if sensitive.names == (_UNNAMED,) else None
    return sensitive if name is None else SensitiveColumns((name,), sensitive.columns)


def _joined(parts: Sequence[SensitiveColumns]) -> SensitiveColumns:
    return SensitiveColumns(
        tuple(name for part in parts for name in part.names),
        tuple(column for part in parts for column in part.columns),
    )


def names_columns(sensitive_features: Any, n_samples: int) -> bool:
    """Whether this names columns of X, or has a callable of it; a list as long as the rows holds values."""
    if isinstance(sensitive_features, list | tuple):
        if has_functions(sensitive_features):
            return True
        names = all(isinstance(name, str) for name in sensitive_features)
        return names and len(sensitive_features) != n_samples
    return isinstance(sensitive_features, str | int | np.integer) or callable(sensitive_features)


def all_columns(table: Any) -> SensitiveColumns:
    """Return all columns of a frame or 2-D array, read as sensitive ones are, under their names."""
    frame = _as_frame(table)
    if frame is not None:
        return _columns_at(frame, list(range(len(frame.columns))))
    return _from_keys(table, list(range(table.shape[1])))


def value_columns(argument: str, values: Any, n_samples: int) -> SensitiveColumns:
    """Return the columns of values that a function takes as an argument, one value per row.

    Raises
    ------
    ValueError
        If lengths differ.
    TypeError
        If ``values`` is a string or a dict, or holds functions.
    """
    if isinstance(values, str | bytes | dict):
        raise TypeError(
            f"{argument} takes values, one per row, such as X['sex'], not {type(values).__name__}; columns "
            "are named to GroupCounts.from_frame, and to estimators and scorers."
        )
    _refuse_functions(argument, values)
    sensitive = _from_values(values)
    if not sensitive.columns or any(len(column) != n_samples for column in sensitive.columns):
        texts = isinstance(values, list | tuple) and all(isinstance(value, str) for value in values)
        hint = f" If these are names of columns, pass the columns: X[{show(list(values))}]." if texts else ""
        raise ValueError(f"{_other_lengths(argument, sensitive, n_samples)}{hint}")
    return sensitive


def has_functions(sensitive_features: Any) -> bool:
    """Whether this is a function of X, or a list with one: no function is a value of a row."""
    if isinstance(sensitive_features, list | tuple):
        return any(map(callable, sensitive_features))
    return callable(sensitive_features)


def _refuse_functions(argument: str, values: Any) -> None:
    """Refuse functions of X where values are taken, and no X is there."""
    if has_functions(values):
        raise TypeError(
            f"{argument} is a callable, or a list with one, and there is no X here to call it with: pass its "
            f"values, {argument}=function(X), of your rows or texts."
        )


def _other_lengths(argument: str, sensitive: SensitiveColumns, n_samples: int) -> str:
    """Say that columns have another number of rows than there are."""
    lengths = sorted({len(column) for column in sensitive.columns})
    rows = " and ".join(map(str, lengths[:5])) or "no"
    hint = ""
    if lengths == [1] and len(sensitive.columns) == n_samples:  # a row vector
        hint = f" It is a row of {n_samples} columns: transpose it, {argument}.T."
    return (
        f"{argument} has {rows} rows where {n_samples} are expected: inconsistent numbers of samples.{hint}"
    )


def refuse_shuffled(**arguments: Any) -> None:
    """Refuse data that have one pandas index in different orders: rows would meet the wrong ones.

    Every method and function that takes several arguments with a value per row calls this once, before
    indexes are lost. Data without an index, and data with different indexes, are matched by position.

    Parameters
    ----------
    **arguments : array-like, mapping of these, or None
        What belongs together row by row, by the name of the argument.

    Raises
    ------
    ValueError
        If two have the same index in different orders.
    """
    seen: list[tuple[str, Any]] = []
    for name, index in _indexes(arguments):
        for first, reference in seen:
            if index is reference or reference.equals(index):
                break
            if _same_labels(reference, index):
                remedy = f": {name}.loc[{first}.index]" if reference.is_unique else ", or drop their indexes"
                raise ValueError(
                    f"{name} has the index of {first} in another order, but values are matched to rows by "
                    f"position. Align them first{remedy}."
                )
        else:
            seen.append((name, index))


def _indexes(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the pandas index of each argument that has one, also of the entries of a mapping."""
    for name, data in arguments.items():
        if isinstance(data, Mapping) and not sparse.issparse(data):
            yield from _indexes({f"{name}[{show(key)}]": entry for key, entry in data.items()})
        index = getattr(data, "index", None)
        if hasattr(index, "factorize"):  # a list has a method called index
            yield name, index


def _same_labels(first: Any, second: Any) -> bool:
    """Whether two indexes hold the same labels, each as often."""
    if len(first) != len(second):
        return False
    whole = all(isinstance(each.dtype, np.dtype) and each.dtype.kind in "iu" for each in (first, second))
    if whole and (first.min() != second.min() or first.max() != second.max()):
        return False  # a quick answer for the positions of one table and the row numbers of another
    try:  # by hashing, for not all labels have an order
        codes, _ = first.append(second).factorize()
    except TypeError:  # labels that cannot be hashed
        return False
    ours, theirs = (
        np.bincount(part + 1, minlength=codes.max(initial=0) + 2) for part in np.split(codes, [len(first)])
    )
    return np.array_equal(ours, theirs)


def _from_values(values: Any) -> SensitiveColumns:
    if isinstance(values, str | bytes | dict):
        raise TypeError(
            "sensitive_features passed to a method must be values, one per row, not "
            f"{type(values).__name__}; to name a column, use the constructor's sensitive_features."
        )
    if has_functions(values):
        raise TypeError(
            "sensitive_features passed to a method must be values, one per row, and no function of X: give "
            "a callable to the constructor, or pass what it returns, sensitive_features=function(X)."
        )
    if isinstance(values, SensitiveColumns):
        return values
    if isinstance(values, _NamedColumns) and values.is_whole:
        return SensitiveColumns(values.names, values.columns())
    if getattr(values, "ordered", False):  # a Categorical of pandas that is in no Series
        coded = code_in_order(np.asarray(values, dtype=object), values.categories.tolist())
        return SensitiveColumns((str(getattr(values, "name", None) or _UNNAMED),), (coded,))
    frame = _as_frame(values)
    if frame is not None:
        columns = tuple(column_of(frame[:, j]) for j in range(len(frame.columns)))
        return SensitiveColumns(tuple(map(str, frame.columns)), columns)
    series = _as_series(values)
    if series is not None:
        return SensitiveColumns((str(series.name or _UNNAMED),), (column_of(series),))
    array = as_array(values.toarray() if sparse.issparse(values) else values)
    if array.ndim == 0 or array.ndim > 2:
        raise ValueError(
            f"sensitive_features must have one value (or one row of values) per sample, got {array.ndim}-D."
        )
    if array.ndim == 1 or array.shape[1] == 1:
        return SensitiveColumns((_UNNAMED,), (array.reshape(-1),))
    parts = tuple(array[:, j] for j in range(array.shape[1]))
    return SensitiveColumns(tuple(f"sensitive_features[{j}]" for j in range(len(parts))), parts)


def _from_keys(X: Any, keys: list[str | int]) -> SensitiveColumns:
    if isinstance(X, Mapping) and not sparse.issparse(X):  # a dok_matrix is a dict, too
        missing = [key for key in keys if key not in X]
        if missing:
            raise ValueError(
                f"The sensitive entry {show(missing[0])} is not in X, which has: {list_texts(map(str, X))}."
            )
        return SensitiveColumns(tuple(map(str, keys)), tuple(single_column(X[key]) for key in keys))
    frame = _as_frame(X)
    if frame is not None:
        return _columns_at(frame, _frame_positions(frame, keys))
    X = X.tocsc() if sparse.issparse(X) else _as_table(X)
    positions = _array_positions(X, keys)
    columns = (X[:, [j]].toarray().ravel() if sparse.issparse(X) else as_array(X[:, j]) for j in positions)
    return SensitiveColumns(tuple(f"column {j}" for j in positions), tuple(columns))


def _columns_at(frame: nw.DataFrame[Any], positions: list[int]) -> SensitiveColumns:
    names = tuple(str(frame.columns[j]) for j in positions)
    return SensitiveColumns(names, tuple(column_of(frame[:, j]) for j in positions))


def drop_columns(X: Any, selector: Selector) -> Any:
    """Return X without the selected columns; a callable names none, so X is returned as it is.

    A frame that lacks the column already is returned unchanged.
    """
    keys = column_keys(selector)
    if not keys:
        return X
    if isinstance(X, Mapping) and not sparse.issparse(X):  # a dok_matrix is a dict, too
        return {key: values for key, values in X.items() if key not in keys}
    rest = np.flatnonzero(are_features(X, selector))
    frame = _as_frame(X)
    if frame is not None:
        return frame[:, rest.tolist()].to_native()
    array: Any = X.tocsr() if sparse.issparse(X) else _as_table(X)
    return array[:, rest].asformat(X.format) if sparse.issparse(X) else array[:, rest]


def drop_present(X: Any, selector: Selector) -> Any:
    """Return X without those selected columns that it has; an array has none that are named."""
    names = any(isinstance(key, str) for key in column_keys(selector) or [])
    return X if names and not has_named(X, selector) else drop_columns(X, selector)


def has_named(X: Any, selector: Selector) -> bool:
    """Whether X has a column that is selected by name; an array has none."""
    return bool(columns_called(X, [key for key in column_keys(selector) or [] if isinstance(key, str)]))


def are_features(X: Any, selector: Selector) -> Bools:
    """Return for each column of a frame or array whether it is a feature: one that is not selected.

    A callable selects none, and a frame may lack a selected column already.
    """
    keys = column_keys(selector) or []
    frame = _as_frame(X)
    if frame is not None:
        present = [key for key in keys if isinstance(key, int) or key in frame.columns]
        selected, n_columns = _frame_positions(frame, present), len(frame.columns)
    else:
        array: Any = X if sparse.issparse(X) else _as_table(X)
        selected, n_columns = _array_positions(array, keys), array.shape[1]
    return ~np.isin(np.arange(n_columns), selected)


def replace_features(X: Any, selector: Selector, features: NDArray[Any]) -> Any:
    """Return X with new features, and the selected columns between them as they are.

    A frame stays a frame, for its selected columns may hold anything; an array must be one of numbers.

    Raises
    ------
    ValueError
        If a selected column of an array holds no numbers.
    """
    is_feature = are_features(X, selector)
    if is_feature.all():
        return features
    frame = _as_frame(X)
    if frame is not None:
        names = [frame.columns[j] for j in np.flatnonzero(is_feature)]
        columns = (
            nw.new_series(name, values, backend=frame.implementation)
            for name, values in zip(names, features.T, strict=True)
        )
        return frame.with_columns(*columns).to_native()
    whole = np.empty((len(features), len(is_feature)), dtype=features.dtype)
    whole[:, is_feature] = features
    try:
        whole[:, ~is_feature] = _as_table(X)[:, ~is_feature]
    except ValueError:
        raise ValueError(
            "keep_sensitive=True cannot keep a column of text in an array of numbers: pass a frame, which "
            "stays one, or encode the column as numbers."
        ) from None
    return whole


def columns_of_words(X: Any) -> list[str]:
    """Return the names of columns of a frame that hold texts, categories or dates; an array has none."""
    frame = _as_frame(X)
    if frame is None:
        return []
    numbers = (nw.Boolean, nw.Object, nw.Unknown)  # objects may be numbers
    return [
        str(name)
        for name, dtype in zip(frame.columns, frame.schema.dtypes(), strict=True)
        if not dtype.is_numeric() and dtype not in numbers
    ]


def has_single_precision(X: Any) -> bool:
    """Whether X is a frame all of whose columns are in single precision."""
    frame = _as_frame(X)
    return frame is not None and set(frame.schema.dtypes()) == {nw.Float32()}


def selects_by_position(selector: Selector, values: Any) -> bool:
    """Whether the attribute was read from columns of X some of which a number selects, not from values."""
    keys = np.ravel(np.asarray(selector, dtype=object))
    return values is None and any(isinstance(key, int | np.integer) for key in keys)


def pyarrow_rows(data: Any, rows: Ints) -> Any:
    """Return these rows of a pyarrow table or array; None for anything else."""
    if not type(data).__module__.startswith("pyarrow"):
        return None
    return data.take(rows)


def column_keys(selector: Selector) -> list[str | int] | None:
    """Return the names and positions of columns in a selector; None if it is a callable, or None.

    Callables in a list name none.

    Every estimator, scorer and splitter validates its selector by this function, when it is used.

    Parameters
    ----------
    selector : str, int, callable, list, tuple, array or pandas Index of these, or None
        As it was given; numbers and texts of NumPy are taken as such.

    Raises
    ------
    TypeError
        If it is anything else.
    ValueError
        If it names a column twice.
    """
    if selector is None or callable(selector):
        return None
    is_array = isinstance(selector, np.ndarray) and selector.ndim == 1
    several = isinstance(selector, list | tuple) or is_array or nw.dependencies.is_pandas_index(selector)
    entries: list[Any] = list(selector) if several else [selector]  # type: ignore[arg-type]
    keys: list[Any] = [
        key.item() if isinstance(key, np.integer) else str(key) if isinstance(key, str) else key
        for key in entries
        if not callable(key)
    ]
    if not all(isinstance(key, str | int) and not isinstance(key, bool) for key in keys):
        raise TypeError(
            "sensitive_features in a constructor selects columns of X: a name, an index, a list of these, "
            f"or a callable of X. Got {show(selector)}. Values, one per row, go to the methods."
        )
    if len(set(keys)) < len(keys):
        twice = next(key for i, key in enumerate(keys) if key in keys[:i])
        raise ValueError(
            f"sensitive_features in a constructor names the column {show(twice)} twice: each one once. If "
            "these are values, one per row, pass them to the methods."
        )
    return keys


def columns_called(X: Any, names: Sequence[str]) -> list[str]:
    """Return those names that columns of X have; an array has none."""
    frame = _as_frame(X)
    return [] if frame is None else [name for name in names if name in frame.columns]


def refuse_repeated_names(X: Any) -> None:
    """Refuse a frame with several columns of one name, in words.

    Raises
    ------
    ValueError
        If X is one.
    """
    _as_frame(X)


def _as_frame(X: Any) -> nw.DataFrame[Any] | None:
    """Wrap a pandas, polars or pyarrow frame; None for anything else."""
    try:
        frame = nw.from_native(X, pass_through=True)
    except DuplicateError:
        names = [str(name) for name in X.columns]
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise ValueError(
            f"Several columns of a {type(X).__name__} are called {show(twice)}: give each a name of its own."
        ) from None
    if isinstance(frame, nw.LazyFrame):
        raise TypeError(f"A lazy frame ({type(X).__name__}) has no rows yet: collect it first.")
    return frame if isinstance(frame, nw.DataFrame) else None


def as_array(values: Any) -> NDArray[Any]:
    """Convert values to an array in which nothing that is missing has become a value.

    NumPy makes texts of the numbers and missing values in ``[1, "a", nan]``, and leaves behind the mask of a
    masked array.
    """
    if isinstance(values, np.ma.MaskedArray):
        if not np.ma.is_masked(values):
            return np.asarray(values)
        rows = np.array(values.data, dtype=object)
        rows[np.ma.getmaskarray(values)] = None
        return rows
    array = np.asarray(values)
    if array.dtype.kind in "US" and not isinstance(values, np.ndarray):
        return np.asarray(values, dtype=object)
    return array


def as_floats(name: str, values: Any) -> Floats:
    """Convert numbers to floats, NaN where they are missing.

    Raises
    ------
    ValueError
        If these are no numbers; the error calls them by that name.
    """
    array = as_array(values) if isinstance(values, np.ma.MaskedArray) else values
    try:
        return np.asarray(array, dtype=float)
    except (TypeError, ValueError):  # such as text, or pandas.NA
        raise ValueError(f"{name} must hold a number per row, and no text.") from None


def as_table(X: Any) -> Any:
    """Return X as it is if it has columns, else as an array in which nothing that is missing is a value.

    Raises
    ------
    TypeError
        If it is a lazy frame.
    """
    has_columns = _as_frame(X) is not None or sparse.issparse(X)
    return X if has_columns or (hasattr(X, "shape") and not isinstance(X, np.ma.MaskedArray)) else as_array(X)


def _as_table(X: Any) -> NDArray[Any]:
    """Convert X to an array, but leave one with a mask, which its columns need."""
    return X if isinstance(X, np.ma.MaskedArray) else as_array(X)


def _as_series(values: Any) -> nw.Series[Any] | None:
    """Wrap a pandas, polars or pyarrow column; None for anything else."""
    series = nw.from_native(values, series_only=True, pass_through=True)
    return series if isinstance(series, nw.Series) else None


def single_column(values: Any) -> NDArray[Any] | Coded:
    """Return a column of any library, or a frame of one, as :func:`column_of` reads it; else an array."""
    frame = _as_frame(values)
    series = frame[:, 0] if frame is not None and len(frame.columns) == 1 else _as_series(values)
    return as_array(values) if series is None else column_of(series)


def column_of(series: nw.Series[Any]) -> NDArray[Any] | Coded:
    """Return numbers and booleans as a NumPy array, and anything else coded."""
    plain = series.dtype.is_numeric() or series.dtype == nw.Boolean
    if plain and not series.is_null().any():
        return series.to_numpy()
    try:
        return code_series(series)
    except TypeError:  # unhashable; encode_groups refuses them, with the column's name
        return np.array(series.to_list(), dtype=object)


def _frame_positions(frame: nw.DataFrame[Any], keys: list[str | int]) -> list[int]:
    columns: list[Any] = list(frame.columns)
    positions = []
    for key in keys:
        if isinstance(key, str):
            if key not in columns:
                close = difflib.get_close_matches(key, map(str, columns), n=1)
                hint = f" Did you mean {show(close[0])}?" if close else f" {_PLACEMENT}"
                if key in map(str, columns):
                    called = next(name for name in columns if str(name) == key)
                    hint = (
                        f" The column is called by a number, {show(called)}, not by a text: name the columns "
                        "by text, X.rename(columns=str)."
                    )
                shown = list_texts(map(str, columns), most=20)
                raise ValueError(
                    f"The sensitive column {show(key)} is not in X, whose columns are: {shown}.{hint}"
                )
            position = columns.index(key)
        else:
            _refuse_ambiguous(key, columns)
            position = _checked_position(key, len(columns))
        positions.append(position)
    return _distinct(positions, columns)


def _refuse_ambiguous(key: int, columns: list[Any]) -> None:
    """Refuse a number where columns are called by numbers that are not their positions.

    In a frame made of an array some of whose columns were dropped, 1 may mean either.
    """
    called = {j: name for j, name in enumerate(columns) if isinstance(name, int | np.integer)}
    if called.get(key) == key or all(name == j for j, name in called.items()):
        return
    raise ValueError(
        f"Which column is {key}? The columns of X are called by numbers that are not their positions: "
        f"{list_labels(columns)}. Name the columns by text, X.rename(columns=str), and say {str(key)!r}; or, "
        "where the column is used as it stands, say by a callable whether the name is meant, "
        f"lambda X: X[{key}], or the position, lambda X: X.iloc[:, {key}]."
    )


def _checked_position(key: int, n_columns: int) -> int:
    if not -n_columns <= key < n_columns:
        raise ValueError(
            f"The sensitive column {key} is not in X, which has {n_columns} columns; integers are positions. "
            f"{_PLACEMENT}"
        )
    return key % n_columns


def _distinct(positions: list[int], columns: Sequence[Any]) -> list[int]:
    """Refuse a column that is selected twice, such as by its name and its position."""
    if len(set(positions)) < len(positions):
        names = list_labels(columns[position] for position in positions)
        raise ValueError(f"sensitive_features selects a column twice: {names}. Name each one once.")
    return positions


def _array_positions(X: Any, keys: list[str | int]) -> list[int]:
    if X.ndim != 2:
        raise ValueError(
            f"Cannot select the sensitive column {show(keys[0])} from a {X.ndim}-D X (such as a list of "
            "texts): pass sensitive_features= as metadata, or give a callable of X in the constructor."
        )
    positions = []
    for key in keys:
        if isinstance(key, str):
            raise ValueError(
                f"The sensitive column {show(key)} cannot be found: X is an array without column names. "
                f"Give its index instead of its name, or keep the names. {_PLACEMENT}"
            )
        positions.append(_checked_position(key, X.shape[1]))
    return _distinct(positions, range(X.shape[1]))
