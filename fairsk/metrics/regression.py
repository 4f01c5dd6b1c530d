"""Predictions of amounts: errors and predictions per group."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student
from sklearn.utils import column_or_1d

from fairsk.counts import check_weights
from fairsk.groups import encode_groups, format_group, sensitive_columns
from fairsk.metrics.distances import ks_distance, wasserstein_distance
from fairsk.statistics.intervals import check_confidence
from fairsk.tables import Backend, Table, Tabular, library_of, number, percent, rows, with_interval
from fairsk.warn import warn_user

__all__ = ["RegressionMetrics", "regression_metrics"]

Array = NDArray[np.float64]

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


@dataclass(frozen=True, eq=False)
class RegressionMetrics(Tabular):
    """A table of errors and means per group, with intervals. It prints and renders itself.

    Parameters
    ----------
    groups : tuple
        Group labels, one per row.
    n : array of shape (n_groups,)
        The (weighted) number of rows of each group.
    values : dict of str to array of shape (n_groups,)
        ``mean_label``, ``mean_prediction``, ``mean_error`` (prediction minus label), ``mae`` and ``rmse``.
    low, high : dict of str to array of shape (n_groups,)
        Their confidence limits; NaN for a group of one row.
    overall : dict of str to tuple of three floats
        Each value over all rows, and its limits.
    confidence : float
        The coverage probability of the limits.
    ks : float
        The Kolmogorov-Smirnov distance between the predictions of two groups, the largest over the pairs.
    wasserstein : float
        The Wasserstein-1 distance, in the unit of the predictions, the largest over the pairs.
    library : str or None
        The library that :meth:`frame` makes a frame of.

    Examples
    --------
    >>> from fairsk.metrics import regression_metrics
    >>> table = regression_metrics([1, 1, 5, 5], [1, 2, 4, 7], sensitive_features=list("aabb"))
    >>> table.groups, table.values["mae"]
    (('a', 'b'), array([0.5, 1.5]))
    """

    groups: tuple[Hashable, ...]
    n: Array
    values: Mapping[str, Array]
    low: Mapping[str, Array]
    high: Mapping[str, Array]
    overall: Mapping[str, tuple[float, float, float]]
    confidence: float
    ks: float
    wasserstein: float
    library: Backend | None = None

    def difference(self, name: str) -> float:
        """Return the largest difference of a value between groups: 0 is parity."""
        values = self._measured(name)
        return float(values.max() - values.min()) if len(values) > 1 else float("nan")

    def ratio(self, name: str) -> float:
        """Return the smallest over the largest value of a group: 1 is parity.

        A value that is negative in some group, as a mean error may be, has no such ratio, and is refused.
        """
        values = self._measured(name)
        if (values < 0).any():
            raise ValueError(f"{name} is negative in some group, so that ratios say nothing: use difference.")
        if len(values) < 2:
            return float("nan")
        return float(values.min() / values.max()) if values.max() > 0 else 1.0

    def _measured(self, name: str) -> Array:
        if name not in self.values:
            raise ValueError(f"There is no {name!r}; there are {', '.join(self.values)}.")
        return self.values[name][~np.isnan(self.values[name])]

    def _tables(self) -> list[Table]:
        columns: dict[str, list[Any]] = {
            "group": [*map(format_group, self.groups), "overall"],
            "n": [*self.n.tolist(), float(self.n.sum())],
        }
        shown: dict[str, list[str]] = {"group": columns["group"], "n": list(map(rows, columns["n"]))}
        for name, values in self.values.items():
            parts = zip(values, self.low[name], self.high[name], strict=True)
            lines = [(float(value), float(low), float(high)) for value, low, high in parts]
            lines.append(self.overall[name])
            for suffix, column in zip(("", "_low", "_high"), zip(*lines, strict=True), strict=True):
                columns[name + suffix] = list(column)
            shown[name] = [with_interval(value, low, high) for value, low, high in lines]
        notes = [
            f"in brackets: {percent(self.confidence)} intervals",
            f"predictions of the two groups furthest apart: Kolmogorov-Smirnov distance {number(self.ks)}, "
            f"Wasserstein-1 distance {number(self.wasserstein)}",
        ]
        return [Table(columns, shown, notes=notes)]


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
    y_true, y_pred : array-like of shape (n_rows,)
        Amounts, and predicted amounts.
    sensitive_features : array-like of shape (n_rows,) or (n_rows, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_rows,), optional
        Weight of each row, not negative.
    confidence : float in (0, 1), default=0.95
        The coverage probability of each interval.

    Returns
    -------
    RegressionMetrics
        The table; ``.difference(name)`` and ``.ratio(name)`` compare the groups.

    Raises
    ------
    ValueError
        If lengths differ, a value is missing or infinite, or ``confidence`` is not between 0 and 1.

    Warns
    -----
    UserWarning
        If a group has no rows that count; its values are NaN, and it is named.

    Notes
    -----
    With the error ``e = prediction - label``: ``mean_error = mean(e)`` says whether a group is over- or
    underestimated, ``mae = mean(|e|)`` and ``rmse = sqrt(mean(e^2))`` how far predictions miss, both from 0
    up. Limits are Student's, with the variance of weighted rows by linearisation and one degree of freedom
    less than their effective number; those of MAE and RMSE are on the scale of logarithms. Where few errors
    are very large, a small group may lack them, and the limits of its RMSE are too narrow.
    ``ks`` (from 0 to 1) and ``wasserstein`` (from 0, in the unit of the predictions) are 0 if the
    predictions are independent of the group.

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
    actual, predicted = _amounts("y_true", y_true), _amounts("y_pred", y_pred)
    if len(actual) != len(predicted):
        raise ValueError(
            f"y_true has {len(actual)} rows and y_pred {len(predicted)}: inconsistent numbers of samples."
        )
    weights = check_weights(sample_weight, len(actual))
    groups = encode_groups(sensitive_columns(None, None, sensitive_features, n_rows=len(actual)))
    weights = np.ones(len(actual)) if weights is None else weights
    everybody = np.zeros(len(actual), dtype=np.intp)
    n = groups.sums(weights)
    if not n.all():
        empty = [format_group(label) for label, size in zip(groups.labels, n, strict=True) if size == 0]
        warn_user(
            f"Nothing can be measured for: {', '.join(empty)} (all rows have weight 0). Comparisons pass "
            "over them."
        )
    values, low, high = dict[str, Array](), dict[str, Array](), dict[str, Array]()
    overall = dict[str, tuple[float, float, float]]()
    for name, quantity in _MEANS.items():
        amounts = quantity(actual, predicted)
        power = _POWERS.get(name)
        estimates = _limits(*_means(amounts, weights, groups.codes, len(groups.labels), confidence), power)
        total = _limits(*_means(amounts, weights, everybody, 1, confidence), power)
        values[name], low[name], high[name] = estimates
        overall[name] = (float(total[0, 0]), float(total[1, 0]), float(total[2, 0]))
    sensitive = {"sensitive_features": sensitive_features, "sample_weight": sample_weight}
    return RegressionMetrics(
        groups.labels,
        n,
        values,
        low,
        high,
        overall,
        confidence,
        ks_distance(predicted, **sensitive),
        wasserstein_distance(predicted, **sensitive),
        library_of(sensitive_features, y_true, y_pred),
    )


def _amounts(name: str, values: ArrayLike) -> Array:
    column = column_or_1d(values)
    try:
        amounts = column.astype(float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold numbers, got values such as {column[0]!r}.") from None
    if len(amounts) == 0 or not np.isfinite(amounts).all():
        raise ValueError(f"{name} must hold at least one number, and no missing or infinite ones.")
    return amounts


def _means(
    amounts: Array, weights: Array, codes: NDArray[np.intp], n_groups: int, confidence: float
) -> tuple[Array, Array]:
    """Return the weighted mean of each group, and how far it is from its limits."""

    def add(parts: Array) -> Array:
        return np.bincount(codes, parts, n_groups).astype(float)

    n, squares = add(weights), add(weights**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = add(weights * amounts) / n
        freedom = n**2 / squares - 1
        variance = add((weights * (amounts - mean[codes])) ** 2) / n**2 * (freedom + 1) / freedom
        half = np.where(freedom > 0, student.ppf(0.5 + confidence / 2, freedom) * np.sqrt(variance), np.nan)
    return mean, half


def _limits(mean: Array, half: Array, power: float | None) -> Array:
    """Return the mean and its limits as three rows, or a power of it, with limits that are not negative."""
    if power is None:
        return np.stack([mean, mean - half, mean + half])
    # Amounts that are not negative are skewed; the logarithm of their mean is less so.
    reach = np.exp(power * half / (mean + (mean == 0)))
    return mean**power * np.stack([np.ones_like(mean), 1 / reach, reach])
