"""Counts from dataframe and SQL engines: one aggregation query, in memory, in a database or on a cluster.

:mod:`fairsk._core.columns` looks inside frames whose rows are here. In engines the rows stay where they are:
what comes back is the combinations of values that occur, how many rows have each, and sums over them.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from fairsk._core.columns import SensitiveColumns
from fairsk._core.equal_bins import EqualBins
from fairsk._core.factorize import category_order, code_in_order
from fairsk._core.groups import Grouping, encode_groups
from fairsk._core.messages import list_texts, show
from fairsk._core.typing import Floats, Ints

__all__ = ["Combinations", "column_names", "count_combinations"]


#: No more combinations than this are collected: so many are no groups and labels.
_MOST = 100_000
#: With a bin of the score among the values there are more.
_MOST_WITH_BINS = 1_000_000


@dataclass(frozen=True)
class Combinations:
    """The combinations of values in some columns of a frame, with the number, weights and scores of the rows.

    Parameters
    ----------
    columns : mapping of str to array of shape (n_combinations,)
        The values, by the name of the column.
    orders : mapping of str to list
        The values that an ordered column may have, in their order.
    rows : array of shape (n_combinations,)
        How many rows have these values.
    weights, squares : array of shape (n_combinations,)
        Sums of the weights of these rows, and of squared weights; equal to ``rows`` without weights.
    doubtful : array of shape (n_combinations,), or None without weights
        NaN where a weight is missing, a negative weight where there is one, else their sum: it is fit to be
        weights if all weights are.
    bins : integer array of shape (n_combinations,) or None
        The bin of the score, from 0; -1 for scores that lie in none, -2 for those that are missing or not
        finite.
    score_sums : array of shape (n_combinations,) or None
        Sums of weight times score.
    score_squares : array of shape (n_combinations,) or None
        Sums of weight times squared score.
    lowest, highest : array of shape (n_combinations,) or None
        The least and the greatest score of the rows that have a weight; NaN if none has.
    """

    columns: Mapping[str, NDArray[Any]]
    orders: Mapping[str, list[Any]]
    rows: Floats
    weights: Floats
    squares: Floats
    doubtful: Floats | None
    bins: Ints | None
    score_sums: Floats | None
    score_squares: Floats | None = None
    lowest: Floats | None = None
    highest: Floats | None = None

    def sensitive(self, names: Sequence[str]) -> SensitiveColumns:
        """Return the values of some columns, each in its order if it has one."""
        columns = [
            code_in_order(self.columns[name], self.orders[name])
            if name in self.orders
            else self.columns[name]
            for name in names
        ]
        return SensitiveColumns(tuple(names), tuple(columns))

    def groups(self, names: Sequence[str]) -> Grouping:
        """Return the group of each combination, by one column or several.

        Raises
        ------
        ValueError
            If a value is missing, or a column looks continuous.
        """
        return encode_groups(self.sensitive(names), rows=self.rows)


def count_combinations(
    frame: Any,
    columns: Mapping[str, Sequence[str]],
    *,
    sample_weight: str | None = None,
    y_score: str | None = None,
    bins: EqualBins | None = None,
    moments: bool = False,
    between: tuple[float, float] | None = None,
) -> Combinations:
    """Ask a frame, in one query, which combinations of values occur and how often.

    Parameters
    ----------
    frame : frame or table of any library that narwhals knows
        It is not changed, and its rows are not collected.
    columns : mapping of str to sequence of str
        For each argument of the caller, which an error names, the columns it selects.
    sample_weight : str, optional
        The column of weights.
    y_score : str, optional
        A column of scores, whose bin then counts among the values.
    bins : EqualBins, optional
        The bins of the scores.
    moments : bool, default=False
        Whether to ask for sums of squared scores, and the least and the greatest score, too.
    between : pair of float, optional
        Count only rows whose score is at least the first, and at most the second.

    Raises
    ------
    ValueError
        If a column is missing or does not hold numbers where it must, or there are too many combinations.
    TypeError
        If ``frame`` is no frame.
    """
    lazy = _as_lazy(frame)
    schema = lazy.collect_schema()
    numbers = {"sample_weight": sample_weight, "y_score": y_score}
    numeric = {
        argument: column_names(argument, name, single=True)
        for argument, name in numbers.items()
        if name is not None
    }
    _refuse_absent({**columns, **numeric}, schema.names())
    for argument, (name,) in numeric.items():
        _refuse_text(argument, name, schema[name])

    # The columns get new names, so that none can clash with a sum. They are made before they are summed: not
    # every engine sums an expression. Floats, because small integers overflow and booleans do not add up.
    names = list(dict.fromkeys(name for chosen in columns.values() for name in chosen))
    keys = {f"key{i}": nw.col(name) for i, name in enumerate(names)}
    terms: dict[str, nw.Expr] = {}
    weight = None if sample_weight is None else nw.col(sample_weight).cast(nw.Float64)
    if weight is not None:
        terms |= {"weight": weight, "square": weight * weight, "unknown": weight.is_null().cast(nw.Float64)}
    others: dict[str, nw.Expr] = {}
    ends = [] if weight is None else [nw.col("weight").min().alias("lowest")]
    if y_score is not None and bins is not None:
        score = nw.col(y_score).cast(nw.Float64)
        if between is not None:
            lazy = lazy.filter((score >= between[0]) & (score <= between[1]))
        keys["bin"] = _bin(score, bins)
        terms["score"] = score if weight is None else weight * score
        if moments:
            terms["score_square"] = score * score if weight is None else weight * score * score
            others["weighed"] = score if weight is None else nw.when(weight > 0).then(score)
            ends += [nw.col("weighed").min().alias("least"), nw.col("weighed").max().alias("greatest")]
    sums = [nw.col(name).sum().alias(f"sum_{name}") for name in terms]
    rows_of_keys = lazy.select(**keys, **terms, **others).group_by(*keys)
    counted = rows_of_keys.agg(nw.len().alias("rows"), *sums, *ends)

    most = _MOST if y_score is None else _MOST_WITH_BINS
    table = counted.head(most + 1).collect()
    values = {name: _values(table[f"key{i}"]) for i, name in enumerate(names)}
    orders = {name: category_order(table[f"key{i}"]) for i, name in enumerate(names)}
    if len(table) > most:
        _refuse_so_many(most, values)

    def floats(name: str) -> Floats:
        return np.array(table[name].to_list(), dtype=float)

    rows = floats("rows")
    return Combinations(
        values,
        {name: order for name, order in orders.items() if order is not None},
        rows,
        weights=rows if weight is None else floats("sum_weight"),
        squares=rows if weight is None else floats("sum_square"),
        doubtful=None if weight is None else _doubtful(*map(floats, ("sum_unknown", "lowest", "sum_weight"))),
        bins=None if bins is None else _whole(floats("bin"), bins.n - 1),
        score_sums=None if y_score is None else floats("sum_score"),
        score_squares=floats("sum_score_square") if moments else None,
        lowest=floats("least") if moments else None,
        highest=floats("greatest") if moments else None,
    )


def _bin(score: nw.Expr, bins: EqualBins) -> nw.Expr:
    """Return the bin of each score as a float; engines differ in how they turn floats into integers.

    A score at the upper end gets the bin after the last. NaN is the largest number to some engines, and
    equal to nothing to others: either way it is in no bin, and not finite.
    """
    largest = float(np.finfo(float).max)
    outside = nw.when((score >= -largest) & (score <= largest)).then(nw.lit(-1.0)).otherwise(nw.lit(-2.0))
    place = (score * bins.per_unit).floor()
    if bins.first:
        place = place - bins.first
    return nw.when((score >= bins.low) & (score <= bins.high)).then(place).otherwise(outside)


def _whole(bins: Floats, last: int) -> Ints:
    # To some engines a comparison with nothing is nothing: such a score is in no bin, and not finite.
    return np.minimum(np.nan_to_num(bins, nan=-2.0), last).astype(np.intp)


def _doubtful(unknown: Floats, lowest: Floats, total: Floats) -> Floats:
    return np.where(unknown > 0, np.nan, np.where(lowest < 0, lowest, total))


def _as_lazy(frame: Any) -> nw.LazyFrame[Any]:
    wrapped = nw.from_native(frame, pass_through=True)
    if not isinstance(wrapped, nw.DataFrame | nw.LazyFrame):
        raise TypeError(
            "from_frame takes a frame or table of pandas, polars, pyarrow, DuckDB, PySpark, Dask or Ibis, "
            f"not {type(frame).__name__}."
        )
    return wrapped.lazy()


def _values(series: nw.Series[Any]) -> NDArray[Any]:
    values = np.empty(len(series), dtype=object)
    values[:] = series.to_list()
    return values


def column_names(argument: str, value: Any, *, single: bool = False) -> tuple[str, ...]:
    """Return the columns that an argument names: one, or a list of them unless it takes a single one.

    Raises
    ------
    TypeError
        If they are not names.
    ValueError
        If the list is empty.
    """
    several = isinstance(value, list | tuple | np.ndarray) or nw.dependencies.is_pandas_index(value)
    names = list(value) if several and not single else [value]
    if not all(isinstance(name, str) for name in names):
        remedy = "Arrays of values go to from_predictions or from_scores."
        if any(map(callable, names)):
            remedy = "Add what a callable returns to the frame as a column."
        raise TypeError(
            f"{argument} names {'a column' if single else 'one column or several'} of the frame by text; got "
            f"{type(value).__name__}. {remedy}"
        )
    if not names:
        raise ValueError(f"{argument} names no column: give at least one.")
    return tuple(names)


def _refuse_absent(columns: Mapping[str, Sequence[str]], present: Sequence[str]) -> None:
    for argument, names in columns.items():
        for name in names:
            if name not in present:
                close = difflib.get_close_matches(name, map(str, present), n=1)
                hint = f" Did you mean {show(close[0])}?" if close else ""
                shown = list_texts(map(str, present), most=20)
                raise ValueError(
                    f"The column {show(name)} ({argument}) is not in the frame, whose columns are: "
                    f"{shown}.{hint}"
                )


def _refuse_text(argument: str, name: str, dtype: nw.dtypes.DType) -> None:
    # Only the engine knows what a column of objects holds; its error says so.
    if not (dtype.is_numeric() or dtype in (nw.Boolean, nw.Object, nw.Unknown)):
        raise ValueError(f"The column {show(name)} ({argument}) must hold numbers; it holds {dtype}.")


def _refuse_so_many(most: int, values: Mapping[str, NDArray[Any]]) -> None:
    name, distinct = max(
        ((name, len(set(column))) for name, column in values.items()), key=lambda pair: pair[1]
    )
    raise ValueError(
        f"The columns hold more than {most:,} combinations of values; {show(name)} alone has {distinct:,} "
        "different ones among them. Groups and labels are few: bin what is measured, and count scores with "
        "ScoreHistograms.from_frame or turn them into labels."
    )
