"""Regression metrics: errors and mean predictions per group, with intervals."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.amounts import amounts_column
from fairsk._core.columns import refuse_shuffled, value_columns
from fairsk._core.groups import encode_groups, format_group, list_groups
from fairsk._core.labels import require_labels
from fairsk._core.results import Backend, Result, Table, library_of, number, percent, row_count, with_interval
from fairsk._core.typing import Floats, Ints
from fairsk._core.validation import check_weights
from fairsk._core.warnings import warn_user
from fairsk.metrics._scores.distances import largest_ks, largest_wasserstein
from fairsk.metrics._scores.grouped import GroupedScores, measured_pairs, smallest_ratio
from fairsk.statistics._intervals import check_confidence, mean_half_widths

__all__ = ["RegressionMetrics", "regression_metrics"]


#: What is averaged over the rows of a group, given labels and predictions.
_MEANS = {
    "mean_label": lambda actual, predicted: actual,
    "mean_prediction": lambda actual, predicted: predicted,
    "mean_error": lambda actual, predicted: predicted - actual,
    "mae": lambda actual, predicted: np.abs(predicted - actual),
    "rmse": lambda actual, predicted: (predicted - actual) ** 2,
}
#: What of these is not negative, and the power of the mean that it is.
_POWERS = {"mae": 1.0, "rmse": 0.5}


@dataclass(frozen=True, eq=False, repr=False)
class RegressionMetrics(Result):
    """A table of errors and means per group, with intervals. It prints and renders itself.

    Parameters
    ----------
    groups : tuple
        Group labels, one per row.
    n : array of shape (n_groups,)
        The (weighted) number of rows of each group.
    values : dict of str to array of shape (n_groups,)
        ``mean_label``, ``mean_prediction``, ``mean_error`` (prediction minus label), ``mae`` and ``rmse``.
    intervals : dict of str to (array, array)
        The interval of each value per group; NaN for one of fewer than two (effective) rows.
    overall : dict of str to float
        ``n`` and each value over all rows.
    overall_intervals : dict of str to (float, float)
        The interval of each value over all rows.
    confidence : float
        The coverage probability of the intervals.
    library : str or None
        The library that :meth:`frame` makes a frame of.

    See Also
    --------
    regression_metrics : What makes it.

    Examples
    --------
    >>> from fairsk.metrics import regression_metrics
    >>> table = regression_metrics([1, 1, 5, 5], [1, 2, 4, 7], sensitive_features=list("aabb"))
    >>> table.groups, table.values["mae"]
    (('a', 'b'), array([0.5, 1.5]))
    """

    groups: tuple[Hashable, ...]
    n: Floats
    values: Mapping[str, Floats]
    intervals: Mapping[str, tuple[Floats, Floats]]
    overall: Mapping[str, float]
    overall_intervals: Mapping[str, tuple[float, float]]
    confidence: float
    _ks: float
    _wasserstein: float
    library: Backend | None = None

    def difference(self, metric: str, *, reference: Hashable = None) -> float:
        """Return the largest difference of a value between two groups, or from the reference: 0 is parity."""
        first, second = self._pairs(metric, reference)
        return float(np.abs(first - second).max()) if len(first) else float("nan")

    def ratio(self, metric: str, *, reference: Hashable = None) -> float:
        """Return the smallest ratio of a value between two groups, or to the reference: 1 is parity.

        A value that is negative in some group, as a mean error may be, has no such ratio, and is refused.
        """
        first, second = self._pairs(metric, reference)
        return smallest_ratio(metric, first, second)

    def ks_distance(self) -> float:
        """Return the Kolmogorov-Smirnov distance of the two groups whose predictions lie furthest apart."""
        return self._ks

    def wasserstein_distance(self) -> float:
        """Return the Wasserstein-1 distance of these groups, in the unit of the predictions."""
        return self._wasserstein

    def _pairs(self, metric: str, reference: Hashable) -> tuple[Floats, Floats]:
        """Return the values of all pairs of groups that can be measured, or of those with the reference."""
        if metric not in self.values:
            raise ValueError(f"{metric!r} is not in this table, which has: {', '.join(self.values)}.")
        values = self.values[metric]
        first, second = measured_pairs(self.groups, values, reference)
        return values[first], values[second]

    def _content(self) -> dict[str, Any]:
        return super()._content() | {"ks_distance": self._ks, "wasserstein_distance": self._wasserstein}

    def _tables(self) -> list[Table]:
        columns: dict[str, list[Any]] = {
            "group": [*map(format_group, self.groups), "overall"],
            "n": [*self.n.tolist(), float(self.n.sum())],
        }
        text: dict[str, list[str]] = {"group": columns["group"], "n": list(map(row_count, columns["n"]))}
        for name, values in self.values.items():
            cells = zip(values, *self.intervals[name], strict=True)
            estimates = [(float(value), float(low), float(high)) for value, low, high in cells]
            estimates.append((self.overall[name], *self.overall_intervals[name]))
            for suffix, column in zip(("", "_low", "_high"), zip(*estimates, strict=True), strict=True):
                columns[name + suffix] = list(column)
            text[name] = [with_interval(value, low, high) for value, low, high in estimates]
        notes = [
            f"in brackets: {percent(self.confidence)} intervals",
            f"predictions of the two groups furthest apart: Kolmogorov-Smirnov distance {number(self._ks)}, "
            f"Wasserstein-1 distance {number(self._wasserstein)}",
        ]
        return [Table(columns, text, notes=notes)]


def regression_metrics(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
) -> RegressionMetrics:
    """Tabulate errors and means of predicted amounts per group, and how far their predictions lie apart.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Amounts, and predicted amounts.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    confidence : float in (0, 1), default=0.95
        The coverage probability of each interval.

    Returns
    -------
    RegressionMetrics
        The table; ``.difference(metric)`` and ``.ratio(metric)`` compare the groups; ``.ks_distance()`` and
        ``.wasserstein_distance()`` compare their predictions.

    Raises
    ------
    ValueError
        If there are no labels, lengths differ, a value is missing or infinite, or ``confidence`` is not
        between 0 and 1.

    Warns
    -----
    UserWarning
        If a group has no rows that count; its values are NaN, and it is named.

    See Also
    --------
    group_metrics : Any other function of targets and predictions per group.
    score_metrics : The same for scores.

    Notes
    -----
    With the error ``e = prediction - label``: ``mean_error = mean(e)`` says whether a group is over- or
    underestimated, ``mae = mean(|e|)`` and ``rmse = sqrt(mean(e^2))`` how far predictions miss, both from 0
    up. Intervals are Student's, with the variance of weighted rows by linearisation and one degree of freedom
    less than their effective number; those of MAE and RMSE are on the scale of logarithms. Where few errors
    are very large, a small group may lack them, and the interval of its RMSE is too narrow.
    The Kolmogorov-Smirnov distance (from 0 to 1) and the Wasserstein-1 distance (from 0, in the unit of the
    predictions) are 0 if the predictions are independent of the group.

    References
    ----------
    Agarwal, Dudik & Wu, Fair Regression: Quantitative Definitions and Reduction-Based Algorithms, ICML 2019.

    Examples
    --------
    >>> from fairsk.metrics import regression_metrics
    >>> table = regression_metrics(
    ...     [10, 12, 14, 20, 22, 24], [11, 12, 13, 24, 23, 28], sensitive_features=list("aaabbb"))
    >>> table.difference("mean_error")
    3.0
    >>> table.ratio("mae").__round__(3)
    0.222
    >>> table.frame("pandas")[["group", "n", "mae", "rmse"]].round(2)
         group    n   mae  rmse
    0        a  3.0  0.67  0.82
    1        b  3.0  3.00  3.32
    2  overall  6.0  1.83  2.42
    """
    check_confidence(confidence)
    require_labels("regression_metrics", y_true)
    refuse_shuffled(
        y_true=y_true, y_pred=y_pred, sensitive_features=sensitive_features, sample_weight=sample_weight
    )
    actual, predicted = amounts_column("y_true", y_true), amounts_column("y_pred", y_pred)
    if len(actual) != len(predicted):
        raise ValueError(
            f"y_true has {len(actual)} rows and y_pred {len(predicted)}: inconsistent numbers of samples."
        )
    weights = check_weights(sample_weight, len(actual))
    groups = encode_groups(value_columns("sensitive_features", sensitive_features, len(actual)))
    weights = np.ones(len(actual)) if weights is None else weights
    one_group = np.zeros(len(actual), dtype=np.intp)
    n = groups.sums(weights)
    if not n.all():
        empty = [label for label, size in zip(groups.labels, n, strict=True) if size == 0]
        warn_user(
            f"Nothing can be measured for: {list_groups(empty)} (all rows have weight 0). Comparisons pass "
            "over them."
        )
    values, intervals = dict[str, Floats](), dict[str, tuple[Floats, Floats]]()
    overall, overall_intervals = {"n": float(n.sum())}, dict[str, tuple[float, float]]()
    for name, quantity in _MEANS.items():
        amounts = quantity(actual, predicted)
        power = _POWERS.get(name)
        estimates = _with_interval(
            *_means(amounts, weights, groups.codes, len(groups.labels), confidence), power
        )
        total = _with_interval(*_means(amounts, weights, one_group, 1, confidence), power)
        values[name], intervals[name] = estimates[0], (estimates[1], estimates[2])
        overall[name], overall_intervals[name] = float(total[0, 0]), (float(total[1, 0]), float(total[2, 0]))
    # Distances compare the distributions of predictions, so that labels are left at False.
    scores = GroupedScores.of_groups(predicted, np.zeros(len(predicted), dtype=bool), groups, weights)
    return RegressionMetrics(
        groups.labels,
        n,
        values,
        intervals,
        overall,
        overall_intervals,
        confidence,
        largest_ks(scores),
        largest_wasserstein(scores),
        library_of(sensitive_features, y_true, y_pred),
    )


def _means(
    amounts: Floats, weights: Floats, codes: Ints, n_groups: int, confidence: float
) -> tuple[Floats, Floats]:
    """Return the weighted mean of each group, and half the width of its interval."""

    def add(parts: Floats) -> Floats:
        return np.bincount(codes, parts, n_groups).astype(float)

    n, squares = add(weights), add(weights**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = add(weights * amounts) / n
    squared_deviations = add((weights * (amounts - mean[codes])) ** 2)
    return mean, mean_half_widths(squared_deviations, n, squares, confidence)


def _with_interval(mean: Floats, half_width: Floats, power: float | None) -> Floats:
    """Return the mean and its interval as three rows, or those of a power of a mean that is not negative."""
    if power is None:
        return np.stack([mean, mean - half_width, mean + half_width])
    # Amounts that are not negative are skewed, and the logarithm of their mean is less so: by the delta
    # method its half width is that of the mean, divided by the mean.
    with np.errstate(over="ignore"):  # an interval from 0 to infinity
        factor = np.exp(power * half_width / (mean + (mean == 0)))
    return mean**power * np.stack([np.ones_like(mean), 1 / factor, factor])
