"""Regression metrics: errors and mean predictions per group, with intervals, and how far groups are apart."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.amount_sums import GroupAmounts, read_amounts, tabulate_amounts
from fairsk._core.groups import format_group
from fairsk._core.labels import require_labels
from fairsk._core.results import (
    Backend,
    Result,
    Table,
    amount,
    amount_with_interval,
    library_of,
    number,
    percent,
    row_count,
)
from fairsk._core.typing import Floats
from fairsk._core.validation import check_confidence
from fairsk.metrics._scores.distances import largest_ks, largest_wasserstein
from fairsk.metrics._scores.grouped import GroupedScores, measured_pairs, smallest_ratio
from fairsk.rates import AMOUNT_RATES, Comparison, Constraint, MeanRate, Method, Norm

__all__ = ["RegressionMetrics", "amount_disparity", "regression_metrics"]


#: What the table shows: means of amounts, under the names that regression has for them.
_MEANS = {
    "mean_label": MeanRate("mean_label", "target"),
    "mean_prediction": AMOUNT_RATES["mean_prediction"],
    "mean_error": AMOUNT_RATES["mean_error"],
    "mae": AMOUNT_RATES["mean_absolute_error"],
    "rmse": AMOUNT_RATES["root_mean_squared_error"],
}


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
    amounts : GroupAmounts
        The moments behind it, which add up with those of other rows.
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
    amounts: GroupAmounts = field(repr=False)
    _ks: float
    _wasserstein: float
    library: Backend | None = None

    def compare(
        self,
        constraint: Constraint | MeanRate | str,
        comparison: Comparison = "difference",
        *,
        method: Method = "between_groups",
        reference: Hashable = None,
        norm: Norm = "max",
    ) -> float:
        """Return the disparity under a constraint on amounts, as :func:`amount_disparity` measures it."""
        return self.amounts.compare(constraint, comparison, method=method, reference=reference, norm=norm)

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
            text[name] = [amount_with_interval(value, low, high) for value, low, high in estimates]
        notes = [
            f"in brackets: {percent(self.confidence)} intervals",
            f"predictions of the two groups furthest apart: Kolmogorov-Smirnov distance {number(self._ks)}, "
            f"Wasserstein-1 distance {amount(self._wasserstein)}",
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
        The table; ``.difference(metric)`` and ``.ratio(metric)`` compare the groups, and
        ``.compare(constraint)`` does so under a constraint on amounts; ``.ks_distance()`` and
        ``.wasserstein_distance()`` compare their predictions. ``.amounts`` are the moments behind it.

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
    amount_disparity : One number under a constraint on amounts.
    GroupAmounts : The moments behind it, which add up.
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
    rows = read_amounts(y_true, y_pred, sensitive_features, sample_weight)
    amounts = tabulate_amounts(*rows, library=library_of(sensitive_features, y_true, y_pred))
    amounts.warn_undefined()
    total = amounts.overall()
    overall, overall_intervals = {"n": float(total.n[0])}, dict[str, tuple[float, float]]()
    for name, mean in _MEANS.items():
        overall[name] = float(total.rate(mean)[0])
        low, high = total.intervals(mean, confidence)
        overall_intervals[name] = float(low[0]), float(high[0])
    # Distances compare the distributions of predictions, so that labels are left at False.
    no_label = np.zeros(len(rows.predicted), dtype=bool)
    scores = GroupedScores.of_groups(rows.predicted, no_label, rows.groups, rows.weights)
    return RegressionMetrics(
        amounts.groups,
        amounts.n,
        {name: amounts.rate(mean) for name, mean in _MEANS.items()},
        {name: amounts.intervals(mean, confidence) for name, mean in _MEANS.items()},
        overall,
        overall_intervals,
        confidence,
        amounts,
        largest_ks(scores),
        largest_wasserstein(scores),
        amounts.library,
    )


def amount_disparity(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    constraint: Constraint | MeanRate | str = "mean_parity",
    comparison: Comparison = "difference",
    sample_weight: ArrayLike | None = None,
    method: Method = "between_groups",
    reference: Hashable = None,
    norm: Norm = "max",
) -> float:
    """Measure how far apart groups are in predicted amounts under a constraint, a built-in one or your own.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or None
        Amounts. None where there are none, which is enough for ``"mean_parity"``.
    y_pred : array-like of shape (n_samples,)
        Predicted amounts.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    constraint : str, Constraint or MeanRate, default="mean_parity"
        Which means should agree: a name of :data:`fairsk.rates.AMOUNT_CONSTRAINTS` (``"mean_parity"``,
        ``"mean_error_parity"``, ``"error_parity"``, ``"absolute_error_parity"``), a mean, or a
        :class:`fairsk.Constraint` of means.
    comparison : {"difference", "ratio", "worst_group", "mean_difference"}, default="difference"
        The largest difference, the smallest ratio, the mean of the group that is worst off, or the mean
        difference over all pairs of groups.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare the groups with each other, each with the overall mean, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.
    norm : {"max", "l1", "l2"}, default="max"
        What the differences of two groups in several means become.

    Returns
    -------
    float
        The disparity, in the unit of the means: 0 is parity for a difference, 1 for a ratio. NaN if too few
        groups can be measured.

    Raises
    ------
    ValueError
        If the constraint is unknown or about decisions, it does not have this comparison, such as the ratio
        of means of which one is negative, lengths differ, a value is missing or infinite, or there are no
        targets for a mean that depends on them.

    Warns
    -----
    UserWarning
        If all rows of a group have weight 0; it is passed over, and named.

    See Also
    --------
    disparity : The same for decisions.
    regression_metrics : The means behind it, with intervals.
    fairsk.statistics.verdict : Whether a bound on it is kept, broken, or neither can be told.

    Notes
    -----
    With the error ``e = prediction - target``: mean parity compares ``mean(prediction)`` of the groups, mean
    error parity ``mean(e)``, error parity ``mean(e^2)`` and absolute error parity ``mean(|e|)``. The worst
    group's ``mean(e^2)`` is what a bounded group loss bounds. Means of amounts that can be negative have a
    ratio only where none of them is.

    References
    ----------
    Calders et al., Controlling Attribute Effect in Linear Regression, ICDM 2013.

    Agarwal, Dudik & Wu, Fair Regression: Quantitative Definitions and Reduction-Based Algorithms, ICML 2019.

    Examples
    --------
    >>> from fairsk.metrics import amount_disparity
    >>> wages, predicted = [10, 12, 20, 24], [11, 13, 20, 22]
    >>> groups = ["a", "a", "b", "b"]
    >>> amount_disparity(wages, predicted, sensitive_features=groups)  # 21 - 12
    9.0
    >>> amount_disparity(
    ...     wages, predicted, sensitive_features=groups, constraint="error_parity", comparison="worst_group")
    2.0

    Estimates that are too low cost four times as much as those that are too high:

    >>> from fairsk.rates import MeanRate
    >>> cost = MeanRate("cost", "4*under+over", lower_is_better=True)
    >>> amount_disparity(wages, predicted, sensitive_features=groups, constraint=cost)
    3.0
    """
    table = GroupAmounts.from_predictions(
        y_true, y_pred, sensitive_features=sensitive_features, sample_weight=sample_weight
    )
    return table.compare(constraint, comparison, method=method, reference=reference, norm=norm)
