"""The table of rates per group."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairsk.counts import GroupCounts
from fairsk.groups import format_group
from fairsk.rates import Rate, get_rate
from fairsk.tables import Table, Tabular, number, rows

__all__ = ["GroupMetrics", "group_metrics"]

_DEFAULT_RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy", "precision")


@dataclass(frozen=True, eq=False)
class GroupMetrics(Tabular):
    """A table of rates per group, with the number of rows and the overall row. Prints and renders itself.

    Parameters
    ----------
    counts : GroupCounts
        The counts that all numbers follow from.
    groups : tuple
        Group labels, one per row.
    n : array of shape (n_groups,)
        The (weighted) number of rows of each group.
    rates : dict of str to array of shape (n_groups,)
        Each rate per group; NaN where it has an empty denominator.
    overall : dict of str to float
        ``n`` and each rate over all rows.
    """

    counts: GroupCounts = field(repr=False)
    groups: tuple[Hashable, ...]
    n: NDArray[np.float64]
    rates: Mapping[str, NDArray[np.float64]]
    overall: Mapping[str, float]

    def _tables(self) -> list[Table]:
        columns = {
            "group": [*map(format_group, self.groups), "overall"],
            "n": [*self.n.tolist(), self.overall["n"]],
        }
        for name, values in self.rates.items():
            columns[name] = [*values.tolist(), self.overall[name]]
        shown = {name: list(map(number, values)) for name, values in columns.items()}
        return [Table(columns, shown | {"n": list(map(rows, columns["n"]))})]


def group_metrics(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    rates: str | Rate | Iterable[str | Rate] = _DEFAULT_RATES,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> GroupMetrics:
    """Tabulate rates per group, with n and the overall row.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_rows,)
        Labels, and predicted labels (not scores).
    sensitive_features : array-like of shape (n_rows,) or (n_rows, n_columns)
        The group of each row; several columns make an intersection.
    rates : str, Rate, or iterable of these, optional
        Which rates; by default selection, true positive and false positive rate, accuracy and precision.
    sample_weight : array-like of shape (n_rows,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.

    Returns
    -------
    GroupMetrics
        The table.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, the positive label cannot be told, or two rates have
        the same name.

    Examples
    --------
    >>> from fairsk.metrics import group_metrics
    >>> y_true = [1, 1, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 1, 0, 1, 0]
    >>> print(group_metrics(y_true, y_pred, sensitive_features=list("aaaabbbb"),
    ...                     rates=["selection_rate", "true_positive_rate"]))
    group    n  selection_rate  true_positive_rate
    ----------------------------------------------
    a        4           0.750               1.000
    b        4           0.500               0.500
    overall  8           0.625               0.750
    """
    counts = GroupCounts.from_predictions(
        y_true,
        y_pred,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
    )
    total = counts.overall()
    chosen = [get_rate(rate) for rate in ([rates] if isinstance(rates, str | Rate) else rates)]
    titles = ["group", "n", *(rate.name for rate in chosen)]
    if len(set(titles)) < len(titles):
        raise ValueError(f"Each column of the table needs a name of its own, got: {', '.join(titles)}.")
    return GroupMetrics(
        counts=counts,
        groups=counts.groups,
        n=counts.n,
        rates={rate.name: counts.rate(rate) for rate in chosen},
        overall={"n": float(total.n[0])} | {rate.name: float(total.rate(rate)[0]) for rate in chosen},
    )
