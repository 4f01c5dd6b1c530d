"""Functions per group: any metric of labels and predictions or scores, with bootstrap intervals."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import check_consistent_length

from fairsk._core.columns import as_array, refuse_shuffled, single_column, value_columns
from fairsk._core.groups import (
    Grouping,
    check_reference_given,
    encode_groups,
    format_group,
    list_groups,
    position_of,
)
from fairsk._core.labels import binary_labels, refuse_mixed_kinds, target_column
from fairsk._core.results import Backend, Result, Table, library_of, percent, row_count, with_interval
from fairsk._core.typing import Bools, Floats, Ints, RandomStateLike
from fairsk._core.validation import check_choice, check_weights, generator
from fairsk._core.warnings import warn_user
from fairsk._sklearn.rows import take_rows
from fairsk.metrics._decisions.disparity import GroupRate
from fairsk.metrics._decisions.table import Disparities
from fairsk.metrics._partial_calls import UndefinedMetricError, call_where_defined, innermost
from fairsk.rates import CELLS, Method, Rate
from fairsk.statistics._intervals import check_confidence

__all__ = ["GroupFunctionMetrics", "function_name", "measure_functions"]

WarningList = list[tuple[type[Warning], str]]

#: scikit-learn's functions whose parameter ``y_pred`` takes probabilities.
_OF_PROBABILITIES = ("log_loss", "d2_log_loss_score", "d2_brier_score")


class RowMetric(Protocol):
    """A metric bound to the data: a function of the positions of rows."""

    def __call__(self, rows: Ints) -> float:
        """Return the metric of these rows."""


@dataclass(frozen=True)
class _FunctionOfRows:
    """A function with the columns that it reads and the parameters that it is called with."""

    name: str
    function: Callable[..., Any]
    columns: tuple[Any, Any]
    row_params: Mapping[str, Any]
    constants: Mapping[str, Any]

    def __call__(self, rows: Ints) -> float:
        value = call_where_defined(
            self.function,
            *(take_rows(column, rows) for column in self.columns),
            **{param: take_rows(values, rows) for param, values in self.row_params.items()},
            **self.constants,
        )
        if np.size(value) != 1:
            raise TypeError(
                f"The metric {self.name!r} must return one number; it returned an array of shape "
                f"{np.shape(value)}. Take the entry that you mean: lambda y, p: function(y, p)[0]."
            )
        number = np.asarray(value).item()
        if isinstance(number, str | bytes) or not hasattr(number, "__float__"):
            raise TypeError(f"The metric {self.name!r} must return one number; it returned {number!r}.")
        return float(number)


@dataclass(frozen=True)
class _RateOfRows:
    """A rate with the confusion cell of each row."""

    rate: Rate
    cell: Ints
    weights: Floats

    def __call__(self, rows: Ints) -> float:
        sums = np.bincount(self.cell[rows], self.weights[rows], len(CELLS))
        return float(self.rate(dict(zip(CELLS, sums, strict=True))))


@dataclass(frozen=True, eq=False, repr=False)
class GroupFunctionMetrics(Result):
    """Any functions per group, the overall row, and the disparities between the groups.

    :func:`group_metrics` makes it where one of its ``metrics`` is a function. It prints, renders as HTML and
    becomes a frame.

    Parameters
    ----------
    groups : tuple
        Group labels.
    n : array of shape (n_groups,)
        The (weighted) number of rows of each group.
    values : mapping of str to array of shape (n_groups,)
        Each metric per group; NaN where it cannot be measured.
    overall : mapping of str to float
        ``n`` and each metric over all rows.
    intervals : mapping of str to (array, array)
        Lower and upper percentiles of each metric per group over the resamples; empty without them.
    overall_intervals : mapping of str to (float, float)
        The same over all rows.
    few : array of bool of shape (n_groups,)
        Which groups have fewer rows (effective ones, if they are weighted) than ``min_group_size``.
    confidence : float or None
        The confidence of the intervals.
    min_group_size : int
        Smaller groups are marked.
    n_resamples : int
        How often the rows of every group were resampled.
    replicates : mapping of str to array of shape (n_groups, n_resamples)
        Each metric per group in each resample.
    library : str or None
        The library that :meth:`frame` makes a frame of.

    See Also
    --------
    group_metrics : What makes it.
    GroupMetrics : The same for rates alone, made of counts.

    Examples
    --------
    >>> from fairsk.metrics import group_metrics
    >>> from sklearn.metrics import mean_absolute_error
    >>> table = group_metrics([1, 2, 3, 4], [1, 2, 4, 6], metrics={"mae": mean_absolute_error},
    ...                       sensitive_features=["a", "a", "b", "b"], min_group_size=1)
    >>> table.difference("mae"), table.highest("mae")
    (1.5, GroupRate(group='b', value=1.5))
    """

    groups: tuple[Hashable, ...]
    n: Floats
    values: Mapping[str, Floats]
    overall: Mapping[str, float]
    intervals: Mapping[str, tuple[Floats, Floats]]
    overall_intervals: Mapping[str, tuple[float, float]]
    few: Bools
    confidence: float | None
    min_group_size: int
    n_resamples: int
    replicates: Mapping[str, Floats] = field(repr=False)
    library: Backend | None = None

    def difference(
        self, metric: str, *, method: Method = "between_groups", reference: Hashable = None
    ) -> float:
        """Return the largest difference of a metric between groups.

        Parameters
        ----------
        metric : str
            One of the metrics in the table.
        method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
            Compare the groups with each other (max - min), each with the value over all rows, or each with a
            reference group.
        reference : hashable, optional
            The reference group, for ``method="to_reference"``.

        Returns
        -------
        float
            The difference, not negative: 0 is parity. NaN if fewer than two groups can be measured.
        """
        values, baseline = self._compared(metric, method, reference)
        if baseline is None:
            return float(values.max() - values.min()) if len(values) else float("nan")
        return float(np.abs(values - baseline).max()) if len(values) else float("nan")

    def ratio(self, metric: str, *, method: Method = "between_groups", reference: Hashable = None) -> float:
        """Return the smallest ratio of a metric between groups: the smaller value over the larger.

        Parameters
        ----------
        metric : str
            One of the metrics in the table.
        method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
            As in :meth:`difference`.
        reference : hashable, optional
            The reference group, for ``method="to_reference"``.

        Returns
        -------
        float
            From 0 to 1: 1 is parity, as of two values of 0. NaN if fewer than two groups can be measured, or
            a value is negative.
        """
        values, baseline = self._compared(metric, method, reference)
        baselines = values[values.argmax()] if baseline is None and len(values) else baseline
        if not len(values) or baselines is None or np.isnan(baselines) or min(values.min(), baselines) < 0:
            return float("nan")
        smaller, larger = np.minimum(values, baselines), np.maximum(values, baselines)
        return float(np.divide(smaller, larger, out=np.ones_like(larger), where=larger > 0).min())

    def lowest(self, metric: str) -> GroupRate:
        """Return the group with the lowest value of a metric, and that value.

        Parameters
        ----------
        metric : str
            One of the metrics in the table.

        Returns
        -------
        GroupRate
            The pair ``group, value``; ``None`` and NaN if no group can be measured.
        """
        return self._extreme(metric, np.nanargmin)

    def highest(self, metric: str) -> GroupRate:
        """Return the group with the highest value of a metric, and that value.

        Parameters
        ----------
        metric : str
            One of the metrics in the table.

        Returns
        -------
        GroupRate
            The pair ``group, value``; ``None`` and NaN if no group can be measured.
        """
        return self._extreme(metric, np.nanargmax)

    def difference_interval(self, metric: str) -> tuple[float, float]:
        """Return the bootstrap interval of :meth:`difference` between groups, held by all pairs together.

        Parameters
        ----------
        metric : str
            One of the metrics in the table.

        Returns
        -------
        tuple of two floats
            Its lower and upper end; NaN if fewer than two groups can be measured, or a group's value does not
            vary in the resamples.

        Raises
        ------
        ValueError
            If the metric is not in the table, or nothing was resampled.

        Notes
        -----
        Resampling adds noise to noise, so that percentiles of max - min would miss parity nearly always.
        Instead each pair of groups gets ``d -+ c s`` with the standard deviation s of its difference over the
        resamples, and c the quantile of the largest ``|d* - d| / s`` over all pairs, which then hold at once.
        """
        values = self._get(metric)
        if not self.n_resamples or self.confidence is None:
            raise ValueError("There are no intervals: ask group_metrics for them with n_resamples=1000.")
        measured = np.flatnonzero(~np.isnan(values))
        if len(measured) < 2:
            return float("nan"), float("nan")
        replicates = self.replicates[metric][measured]
        replicates = replicates[:, ~np.isnan(replicates).any(0)]
        if not replicates.size or (replicates.std(axis=1) == 0).any():
            return float("nan"), float("nan")
        gap, spread, max_deviation = _pair_deviations(values[measured], replicates)
        # The smallest draw that at most a share 1 - confidence of these draws and one more would exceed.
        position = int(np.ceil((len(max_deviation) + 1) * self.confidence)) - 1
        half_width = np.sort(max_deviation)[min(position, len(max_deviation) - 1)] * spread
        low, high = gap - half_width, gap + half_width
        smallest = np.maximum(0, np.maximum(low, -high))
        return float(smallest.max()), float(np.maximum(abs(low), abs(high)).max())

    def _content(self) -> dict[str, Any]:
        return super()._content() | {"disparities": self.disparities().columns}

    def disparities(self) -> Disparities:
        """Return the difference and the ratio of every metric, and between which groups."""
        records = []
        for name in self.values:
            record: dict[str, Any] = {"metric": name, "difference": self.difference(name)}
            if self.intervals:
                interval = self.difference_interval(name)
                record |= dict(zip(("difference_low", "difference_high"), interval, strict=True))
            record["ratio"] = self.ratio(name)
            extremes = self.lowest(name).group, self.highest(name).group
            unmeasured = np.isnan(self.values[name]).all()
            names = ["-" if unmeasured else format_group(group) for group in extremes]
            records.append(record | dict(zip(("lowest", "highest"), names, strict=True)))
        columns = {name: [record[name] for record in records] for name in records[0]}
        return Disparities(columns, self.confidence if self.intervals else None, self.library)

    def _get(self, metric: str) -> Floats:
        if metric not in self.values:
            raise ValueError(f"{metric!r} is not in this table, which has: {', '.join(self.values)}.")
        return self.values[metric]

    def _compared(
        self, metric: str, method: Method, reference: Hashable
    ) -> tuple[Floats, np.float64 | float | None]:
        """Return the values that are measured, and what they are compared with (None: each other)."""
        check_choice("method", method, Method)
        check_reference_given(method, reference, self.groups)
        values = self._get(metric)
        baseline: np.float64 | float | None = None
        if method == "to_overall":
            baseline = self.overall[metric]
        elif method == "to_reference":
            baseline = values[position_of(reference, self.groups)]
        measured = values[~np.isnan(values)]
        return (measured if len(measured) > 1 else measured[:0]), baseline

    def _extreme(self, metric: str, position: Callable[[Floats], Any]) -> GroupRate:
        values = self._get(metric)
        if np.isnan(values).all():
            return GroupRate(None, float("nan"))
        index = int(position(values))
        return GroupRate(self.groups[index], float(values[index]))

    def _tables(self) -> Sequence[Table]:
        names = list(map(format_group, self.groups))
        names.append("all rows" if "overall" in names else "overall")
        columns: dict[str, list[Any]] = {"group": names, "n": [*self.n.tolist(), self.overall["n"]]}
        text: dict[str, list[str]] = {"group": names, "n": list(map(row_count, columns["n"]))}
        few = [*self.few.tolist(), False]
        star = ("*" if any(few) else "", " " if any(few) else "")
        for name, values in self.values.items():
            columns[name] = [*values.tolist(), self.overall[name]]
            low = high = [float("nan")] * len(names)
            if self.intervals:
                intervals = zip(self.intervals[name], self.overall_intervals[name], strict=True)
                low, high = ([*of_groups.tolist(), of_all] for of_groups, of_all in intervals)
                columns |= {f"{name}_low": low, f"{name}_high": high}
            cells = zip(columns[name], low, high, few, strict=True)
            text[name] = [with_interval(*parts) + star[not scarce] for *parts, scarce in cells]
        notes = [f"* fewer than {self.min_group_size} rows"] if any(few) else []
        if self.intervals and self.confidence is not None:
            notes += [
                f"{percent(self.confidence)} intervals by {self.n_resamples:,} resamples of every group"
            ]
        tables = [Table(columns, text, notes=notes, words=["group"])]
        if len(self.groups) > 1:
            tables += self.disparities()._tables()
        return tables


def _pair_deviations(values: Floats, replicates: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the difference of each pair of groups, its standard deviation, and the largest one per resample.

    That is the largest distance of a difference from that of the data, over all pairs, in units of the
    standard deviation. Pairs with one first group at a time, for all resamples of all pairs do not fit into
    memory where there are many groups.
    """
    gaps, spreads, max_deviation = [], [], np.zeros(replicates.shape[1])
    for g in range(len(values) - 1):
        gap, resampled = values[g] - values[g + 1 :], replicates[g] - replicates[g + 1 :]
        spread = resampled.std(axis=1)
        deviation = (np.abs(resampled - gap[:, None]) / spread[:, None]).max(axis=0)
        max_deviation = np.maximum(max_deviation, deviation)
        gaps.append(gap)
        spreads.append(spread)
    return np.concatenate(gaps), np.concatenate(spreads), max_deviation


def function_name(function: Callable[..., Any]) -> str:
    """Return what a function is called; a ``functools.partial`` bears the name of its function."""
    inner = innermost(function)
    return getattr(inner, "__name__", type(inner).__name__)


def measure_functions(
    metrics: Mapping[str, Rate | Callable[..., Any]],
    *,
    y_true: ArrayLike | None,
    y_pred: ArrayLike | None,
    y_score: ArrayLike | None,
    sensitive_features: Any,
    sample_weight: ArrayLike | None,
    metric_params: Mapping[str, Mapping[str, Any]],
    pos_label: Any,
    confidence: float | None,
    min_group_size: int,
    n_resamples: int,
    random_state: RandomStateLike,
) -> GroupFunctionMetrics:
    """Measure functions and rates on the rows of every group, and on all rows; see :func:`group_metrics`."""
    _check_options(confidence, n_resamples)
    rng = generator(random_state)
    per_row = {
        f"metric_params[{name!r}][{param!r}]": value
        for name, params in metric_params.items()
        for param, value in params.items()
    }
    data = _read_rows(y_true, y_pred, y_score, sensitive_features, sample_weight, pos_label, per_row)
    row_metrics = _row_metrics(metrics, data, metric_params)
    members = [np.flatnonzero(data.groups.codes == g) for g in range(len(data.groups.labels))]
    values, overall = _measure(row_metrics, data.groups, members)
    replicates, overall_replicates = _resample(row_metrics, members, n_resamples, rng)
    intervals: dict[str, tuple[Floats, Floats]] = {}
    overall_intervals: dict[str, tuple[float, float]] = {}
    if n_resamples and confidence is not None:
        for name in row_metrics:
            intervals[name] = _percentiles(values[name], replicates[name], confidence)
            low, high = _percentiles(np.array([overall[name]]), overall_replicates[name][None], confidence)
            overall_intervals[name] = float(low[0]), float(high[0])
            _warn_of_draws(name, data.groups, values[name], replicates[name])
    squares = data.groups.sums(None if data.weights is None else data.weights**2)
    n = data.groups.sums(data.weights)
    effective = np.divide(n**2, squares, out=np.zeros_like(n), where=squares > 0)
    return GroupFunctionMetrics(
        groups=data.groups.labels,
        n=n,
        values=values,
        overall={"n": float(n.sum())} | overall,
        intervals=intervals,
        overall_intervals=overall_intervals,
        few=effective < min_group_size,
        confidence=confidence,
        min_group_size=min_group_size,
        n_resamples=n_resamples,
        replicates=replicates,
        library=library_of(sensitive_features, y_true, y_pred, y_score),
    )


def _check_options(confidence: float | None, n_resamples: int) -> None:
    """Refuse options before anything is measured, also those that other options make unused."""
    if confidence is not None:
        check_confidence(confidence)
    if not isinstance(n_resamples, int | np.integer) or n_resamples < 0:
        raise ValueError(f"n_resamples must be a whole number, 0 or more; got {n_resamples!r}.")


class _Rows(NamedTuple):
    """What metrics are measured on: a value per row."""

    labels: NDArray[Any]
    predicted: NDArray[Any] | None
    scores: NDArray[Any] | None
    weights: Floats | None
    groups: Grouping


def _read_rows(
    y_true: ArrayLike | None,
    y_pred: ArrayLike | None,
    y_score: ArrayLike | None,
    sensitive_features: Any,
    sample_weight: ArrayLike | None,
    pos_label: Any,
    per_row: Mapping[str, Any],
) -> _Rows:
    """Read and check the data."""
    if y_true is None:
        raise ValueError("Functions are called with labels and predictions or scores: y_true is None.")
    refuse_shuffled(
        y_true=y_true,
        y_pred=y_pred,
        y_score=y_score,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        **per_row,
    )
    labels = target_column("y_true", y_true)
    predicted = None if y_pred is None else _one_or_more_columns("y_pred", y_pred)
    scores = None if y_score is None else _one_or_more_columns("y_score", y_score)
    check_consistent_length(labels, predicted, scores)
    if predicted is not None and predicted.ndim == 1:
        refuse_mixed_kinds(labels, predicted)
    if pos_label is not None:
        # Functions such as roc_auc_score have no pos_label: with 1 and 0 all of them mean the same label.
        pair = binary_labels(labels, labels if predicted is None else predicted, pos_label)
        labels, selected = (part.astype(int) for part in pair)
        predicted = None if predicted is None else selected
    weights = check_weights(sample_weight, len(labels))
    groups = encode_groups(value_columns("sensitive_features", sensitive_features, len(labels)))
    return _Rows(labels, predicted, scores, weights, groups)


def _one_or_more_columns(name: str, values: Any) -> NDArray[Any]:
    """Return one value per row as a 1-D array, without missing ones; several columns as they are."""
    array = single_column(values)
    several = isinstance(array, np.ndarray) and array.ndim == 2 and array.shape[1] > 1
    return np.asarray(array) if several else target_column(name, values)


def _row_metrics(
    metrics: Mapping[str, Rate | Callable[..., Any]],
    data: _Rows,
    metric_params: Mapping[str, Mapping[str, Any]],
) -> dict[str, RowMetric]:
    """Bind every metric to the data and to its parameters."""
    functions = [name for name, metric in metrics.items() if not isinstance(metric, Rate)]
    unknown = [name for name in metric_params if name not in functions]
    if unknown:
        raise ValueError(
            f"metric_params names {', '.join(map(repr, unknown))}, which is none of the functions: "
            f"{', '.join(functions)}."
        )
    return {
        name: _rate_of_rows(metric, data)
        if isinstance(metric, Rate)
        else _bind(name, metric, data, metric_params.get(name, {}))
        for name, metric in metrics.items()
    }


def _rate_of_rows(rate: Rate, data: _Rows) -> _RateOfRows:
    if data.predicted is None:
        raise ValueError(f"{rate.name} is a rate of decisions: give y_pred.")
    actual, selected = binary_labels(data.labels, data.predicted)
    cell = 3 - 2 * selected.astype(np.intp) - actual.astype(np.intp)  # numbered as CELLS lists them
    return _RateOfRows(rate, cell, np.ones(len(cell)) if data.weights is None else data.weights)


def _bind(name: str, function: Callable[..., Any], data: _Rows, params: Mapping[str, Any]) -> _FunctionOfRows:
    """Decide what a function is called with."""
    labels, predicted, scores, weights, _ = data
    parameters = _parameters(function)
    reads_scores = predicted is None or (scores is not None and _reads_scores(name, function, parameters))
    row_params, constants = dict[str, Any](), dict[str, Any]()
    for param, value in params.items():
        if _is_per_row(name, param, value, len(labels)):
            row_params[param] = as_array(value)
        else:
            constants[param] = value
    if weights is not None and "sample_weight" not in params:
        if "sample_weight" not in parameters:
            raise ValueError(
                f"The metric {name!r} has no parameter sample_weight, so that it would drop the weights: "
                "give it one, or measure it in a call without sample_weight."
            )
        row_params["sample_weight"] = weights
    # A group may lack a class: functions that average over classes, or need all of them, get them here.
    average = params.get("average", getattr(parameters.get("average"), "default", None))
    default = getattr(parameters.get("labels"), "default", "absent")
    if default is None and "labels" not in params and average in (None, "macro"):
        values = labels if reads_scores or predicted is None else np.concatenate([labels, predicted])
        constants["labels"] = np.unique(values)
    return _FunctionOfRows(
        name, function, (labels, scores if reads_scores else predicted), row_params, constants
    )


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # built in, without a signature
        return {}


def _reads_scores(name: str, function: Callable[..., Any], parameters: Mapping[str, Any]) -> bool:
    """Whether a function is one of scores, where there are both scores and predicted labels."""
    second = list(parameters)[1] if len(parameters) > 1 else ""
    if function_name(function) in _OF_PROBABILITIES or second.startswith(("y_score", "y_prob")):
        return True
    if second == "y_pred":
        return False
    raise ValueError(
        f"Whether the metric {name!r} reads y_pred or y_score cannot be told: call its second parameter "
        "y_pred or y_score, or measure it in a call with one of the two."
    )


def _is_per_row(name: str, param: str, value: Any, n_samples: int) -> bool:
    """Whether a parameter has a value per row: arrays and series must, lists of that length do."""
    if hasattr(value, "shape") and len(value.shape) > 0:
        if value.shape[0] != n_samples:
            raise ValueError(
                f"metric_params[{name!r}][{param!r}] has {value.shape[0]} values where {n_samples} rows are "
                "expected. Give what is no value per row as a list or tuple."
            )
        return True
    return isinstance(value, list | tuple) and len(value) == n_samples


def _call(metric: RowMetric, rows: Ints, *, strict: bool = False) -> tuple[float, str | None, WarningList]:
    """Return the metric of some rows; or NaN and the reason, if they do not have it; and other warnings."""
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        try:
            value, reason = metric(rows), None
        except UndefinedMetricError as error:
            return float("nan"), str(error), []
        except (ValueError, ZeroDivisionError) as error:
            if strict:
                raise
            return float("nan"), str(error).splitlines()[0] if str(error) else type(error).__name__, []
    other_warnings: WarningList = []
    for warning in recorded:
        if issubclass(warning.category, UndefinedMetricWarning):
            value, reason = float("nan"), str(warning.message)
        else:
            other_warnings.append((warning.category, str(warning.message)))
    if np.isnan(value) and reason is None:
        reason = "it is NaN"
    return value, reason, other_warnings


def _measure(
    row_metrics: Mapping[str, RowMetric], groups: Grouping, members: Sequence[Ints]
) -> tuple[dict[str, Floats], dict[str, float]]:
    """Return each metric per group and over all rows, and warn of what cannot be measured."""
    values, overall = dict[str, Floats](), dict[str, float]()
    for name, metric in row_metrics.items():
        with _error_note(f"This was raised by the metric {name!r}, measured on all rows."):
            # What fails on all rows is an error, not a group without the metric.
            overall[name], reason, other_warnings = _call(metric, np.arange(len(groups.codes)), strict=True)
        if reason is not None:
            warn_user(f"{name} cannot be measured over all rows: {reason}.")
        by_message: dict[tuple[type[Warning], str], list[Hashable]] = {key: [] for key in other_warnings}
        on_all_rows = set(other_warnings)
        undefined: dict[str, list[Hashable]] = {}
        values[name] = np.full(len(members), np.nan)
        for g, group_rows in enumerate(members):
            with _error_note(f"This was raised by the metric {name!r} in group {groups.labels[g]!r}."):
                values[name][g], reason, other_warnings = _call(metric, group_rows)
            if reason is not None:
                undefined.setdefault(reason, []).append(groups.labels[g])
            for key in other_warnings:
                by_message.setdefault(key, []).append(groups.labels[g])
        for reason, labels in undefined.items():
            warn_user(
                f"{name} cannot be measured for: {list_groups(labels)} ({reason.rstrip('.')}). "
                "Comparisons pass over them."
            )
        for (category, message), labels in by_message.items():
            where = ["over all rows"] if (category, message) in on_all_rows else []
            where += [f"in group {list_groups(labels)}"] if labels else []
            warn_user(f"{name} warns {' and '.join(where)}: {message}", category)
    return values, overall


class _error_note:
    """Add a note to whatever error passes."""

    def __init__(self, note: str) -> None:
        self.note = note

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None:
            error.add_note(self.note)


def _resample(
    row_metrics: Mapping[str, RowMetric],
    members: Sequence[Ints],
    n_resamples: int,
    rng: np.random.Generator,
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Draw the rows of every group with replacement, so that groups keep their size; measure each draw."""
    replicates = {name: np.full((len(members), n_resamples), np.nan) for name in row_metrics}
    overall_replicates = {name: np.full(n_resamples, np.nan) for name in row_metrics}
    for b, resampled in enumerate(_bootstrap_rows(members, n_resamples, rng)):
        all_rows = np.concatenate(resampled)
        for name, metric in row_metrics.items():
            overall_replicates[name][b] = _call(metric, all_rows)[0]
            for g, group_rows in enumerate(resampled):
                replicates[name][g, b] = _call(metric, group_rows)[0]
    return replicates, overall_replicates


def _bootstrap_rows(
    members: Sequence[Ints], n_resamples: int, rng: np.random.Generator
) -> Iterator[list[Ints]]:
    for _ in range(n_resamples):
        yield [group_rows[rng.integers(0, len(group_rows), len(group_rows))] for group_rows in members]


def _percentiles(values: Floats, replicates: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Return percentile intervals; NaN where a value is undefined, or constant in the resamples."""
    low, high = np.full_like(values, np.nan), np.full_like(values, np.nan)
    for g, of_group in enumerate(replicates):
        finite = of_group[np.isfinite(of_group)]
        if np.isfinite(values[g]) and len(finite) and finite.std() > 0:
            low[g], high[g] = np.quantile(finite, [(1 - confidence) / 2, (1 + confidence) / 2])
    return low, high


def _warn_of_draws(name: str, groups: Grouping, values: Floats, replicates: Floats) -> None:
    """Name the groups that are too small to resample."""
    undefined_share = np.where(np.isnan(values), 0.0, np.isnan(replicates).mean(axis=1))
    if undefined_share.any():
        labels = list_groups(groups.labels[g] for g in np.flatnonzero(undefined_share))
        warn_user(
            f"{name} is undefined in up to {undefined_share.max():.1%} of the resamples of {labels}: too few "
            "rows to resample. They are left out."
        )
    measured = ~np.isnan(values)
    constant = measured & (np.ptp(np.where(np.isnan(replicates), values[:, None], replicates), axis=1) == 0)
    if constant.any():
        labels = list_groups(groups.labels[g] for g in np.flatnonzero(constant))
        warn_user(f"{name} does not vary in the resamples of {labels}, which give no interval for it.")
