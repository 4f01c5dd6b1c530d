"""Fairness metrics: one difference and one ratio for every built-in constraint, and a table per group.

Every metric is ``metric(y_true, y_pred, *, sensitive_features, sample_weight=None, pos_label=None,
method="between_groups", reference=None)`` and reads its rates from :data:`fairsk.rates.CONSTRAINTS`.
"""

from __future__ import annotations

import html
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import narwhals as nw
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairsk.counts import GroupCounts
from fairsk.groups import format_group
from fairsk.rates import CONSTRAINTS, Comparison, Constraint, Method, Rate, get_rate

__all__ = [
    "GroupCounts",
    "GroupMetrics",
    "accuracy_difference",
    "accuracy_ratio",
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "error_rate_difference",
    "error_rate_ratio",
    "f1_difference",
    "f1_ratio",
    "false_negative_difference",
    "false_negative_ratio",
    "false_omission_difference",
    "false_omission_ratio",
    "group_metrics",
    "predictive_equality_difference",
    "predictive_equality_ratio",
    "predictive_parity_difference",
    "predictive_parity_ratio",
    "treatment_equality_difference",
    "treatment_equality_ratio",
    "worst_group_accuracy",
]


class FairnessMetric(Protocol):
    """The signature that all fairness metrics share."""

    __name__: str

    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sensitive_features: Any,
        sample_weight: ArrayLike | None = None,
        pos_label: Any = None,
        method: Method = "between_groups",
        reference: Hashable = None,
    ) -> float:
        """Return the disparity between the groups."""


_PARAMETERS = """
    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_rows,)
        Labels, and predicted labels (not scores).
    sensitive_features : array-like of shape (n_rows,) or (n_rows, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_rows,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
    method : {{"between_groups", "to_overall", "to_reference"}}, default="between_groups"
        Compare the groups with each other, each with the overall rate, or each with a reference group.
    reference : hashable, optional
        The reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        {returned} NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If a group has nothing to measure (an empty denominator); it is passed over, and named.

    Notes
    -----
    {formula}

    References
    ----------
    {source}.

    Examples
    --------
    >>> from fairsk.metrics import {name}
    >>> y_true = [1, 1, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 1, 0, 1, 0]
    >>> round({name}(y_true, y_pred, sensitive_features=list("aaaabbbb")), 3)
    {value}
"""
_EXAMPLE = GroupCounts(("a", "b"), {"tp": [2.0, 1.0], "fp": [1.0, 1.0], "fn": [0.0, 1.0], "tn": [1.0, 1.0]})


def _metric(name: str, constraint: Constraint, comparison: Comparison) -> FairnessMetric:
    def metric(
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        sensitive_features: Any,
        sample_weight: ArrayLike | None = None,
        pos_label: Any = None,
        method: Method = "between_groups",
        reference: Hashable = None,
    ) -> float:
        counts = GroupCounts.from_predictions(
            y_true,
            y_pred,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            pos_label=pos_label,
        )
        return counts.compare(constraint, comparison, method=method, reference=reference)

    formulas = [f"{rate.name} = ({rate.numerator}) / ({rate.denominator})" for rate in constraint.rates]
    if comparison == "difference":
        summary = f"Largest difference between groups in {_and(constraint.rates)}: 0 is parity."
        over, returned = "max - min", "The largest difference, not negative: 0 is parity."
    else:
        summary = f"Smallest ratio between groups in {_and(constraint.rates)}: 1 is parity."
        over, returned = "min / max", "The smallest ratio, from 0 to 1: 1 is parity."
    worst = ", the worst over the rates" if len(constraint.rates) > 1 else ""
    metric.__name__ = metric.__qualname__ = name
    metric.__doc__ = f"{summary}\n\n    {constraint.description}\n" + _PARAMETERS.format(
        name=name,
        returned=returned,
        formula=f"``{over}`` over the groups of ``{'``, ``'.join(formulas)}``{worst}.",
        source=constraint.source,
        value=round(float(constraint.compare(_EXAMPLE.cells, comparison)), 3),
    )
    return metric


def _and(rates: Iterable[Rate]) -> str:
    return " and ".join(rate.name.replace("_", " ") for rate in rates)


def _family(constraint: str, name: str | None = None) -> tuple[FairnessMetric, FairnessMetric]:
    """Return the difference and the ratio metric of a constraint."""
    stem = name or constraint
    return (
        _metric(f"{stem}_difference", CONSTRAINTS[constraint], "difference"),
        _metric(f"{stem}_ratio", CONSTRAINTS[constraint], "ratio"),
    )


demographic_parity_difference, demographic_parity_ratio = _family("demographic_parity")
equal_opportunity_difference, equal_opportunity_ratio = _family("equal_opportunity")
predictive_equality_difference, predictive_equality_ratio = _family("predictive_equality")
equalized_odds_difference, equalized_odds_ratio = _family("equalized_odds")
predictive_parity_difference, predictive_parity_ratio = _family("predictive_parity")
treatment_equality_difference, treatment_equality_ratio = _family("treatment_equality")
error_rate_difference, error_rate_ratio = _family("error_rate_parity", "error_rate")
accuracy_difference, accuracy_ratio = _family("accuracy_parity", "accuracy")
false_omission_difference, false_omission_ratio = _family("false_omission_parity", "false_omission")
false_negative_difference, false_negative_ratio = _family("false_negative_parity", "false_negative")
f1_difference, f1_ratio = _family("f1_parity", "f1")


def worst_group_accuracy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Smallest accuracy of any group: the accuracy that everybody gets at least.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_rows,)
        Labels, and predicted labels (not scores).
    sensitive_features : array-like of shape (n_rows,) or (n_rows, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_rows,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.

    Returns
    -------
    float
        The accuracy of the group with the lowest one, from 0 to 1.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, or the positive label cannot be told.

    References
    ----------
    Sagawa et al., Distributionally Robust Neural Networks for Group Shifts, ICLR 2020.

    Examples
    --------
    >>> from fairsk.metrics import worst_group_accuracy
    >>> worst_group_accuracy([1, 1, 0, 0], [1, 1, 1, 0], sensitive_features=["a", "a", "b", "b"])
    0.5
    """
    counts = GroupCounts.from_predictions(
        y_true,
        y_pred,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
    )
    return counts.compare("accuracy_parity", "worst_group")


_DEFAULT_RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy", "precision")


@dataclass(frozen=True, eq=False)
class GroupMetrics:
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

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the table as columns, the overall row last; any dataframe library reads it."""
        table: dict[str, list[Any]] = {
            "group": [*map(format_group, self.groups), "overall"],
            "n": [*self.n.tolist(), self.overall["n"]],
        }
        for name, values in self.rates.items():
            table[name] = [*values.tolist(), self.overall[name]]
        return table

    def frame(self, backend: Literal["pandas", "polars", "pyarrow"] = "pandas") -> Any:
        """Return the table as a frame of ``"pandas"``, ``"polars"`` or ``"pyarrow"``."""
        return nw.from_dict(self.to_dict(), backend=backend).to_native()

    def _cells(self) -> list[list[str]]:
        columns = [
            [_printable(name), *(_printable(v) if isinstance(v, str) else _number(v, name) for v in values)]
            for name, values in self.to_dict().items()
        ]
        return [list(row) for row in zip(*columns, strict=True)]

    def __str__(self) -> str:
        rows = self._cells()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if j == 0 else cell.rjust(width)
                for j, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])

    def _repr_html_(self) -> str:
        head, *body = self._cells()  # group labels are untrusted: escape whatever is shown
        cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in body
        )
        return f"<table><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table>"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _number(value: float, column: str) -> str:
    return f"{value:.0f}" if column == "n" and value.is_integer() else f"{value:.3f}"


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
