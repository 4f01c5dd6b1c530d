"""Differential fairness: the largest log ratio between groups of the probability of an outcome."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, list_groups
from fairsk._core.results import Backend, Result, Table, library_of, number, row_count
from fairsk._core.typing import Floats
from fairsk._core.warnings import warn_user
from fairsk.metrics._decisions.multiclass import one_vs_rest_counts
from fairsk.rates import RATES, Rate

__all__ = ["DifferentialFairness", "bias_amplification", "differential_fairness"]


@dataclass(frozen=True, eq=False, repr=False)
class DifferentialFairness(Result):
    """The largest log ratio between two groups of the probability of an outcome.

    Parameters
    ----------
    epsilon : float
        The largest difference of logarithms, not negative: 0 is parity, and a probability is at most
        ``exp(epsilon)`` times that of any other group.
    outcome : hashable
        The outcome on which groups differ most.
    more, less : hashable
        The groups in which it is the most and the least likely.
    groups : tuple
        Group labels.
    n : array of shape (n_groups,)
        The (weighted) number of rows of each group.
    outcomes : tuple
        What can happen.
    probabilities : array of shape (n_groups, n_outcomes)
        The smoothed probability of each outcome; NaN for a group without rows.
    library : str or None
        The library that :meth:`frame` makes a frame of.

    See Also
    --------
    differential_fairness : What makes it of rows.

    Examples
    --------
    Of counts, which add up over shards, days and sites:

    >>> from fairsk.metrics import DifferentialFairness, GroupCounts
    >>> counts = GroupCounts(["a", "b"], {"tp": [60, 30], "fp": [0, 0], "fn": [0, 0], "tn": [40, 70]})
    >>> fairness = DifferentialFairness.from_counts(counts)
    >>> round(fairness.epsilon, 3), fairness.outcome, fairness.more, fairness.less
    (0.685, 'positive', 'a', 'b')
    """

    epsilon: float
    outcome: Hashable
    more: Hashable
    less: Hashable
    groups: tuple[Hashable, ...]
    n: Floats
    outcomes: tuple[Hashable, ...]
    probabilities: Floats
    library: Backend | None = None

    @classmethod
    def from_counts(
        cls, counts: GroupCounts, *, concentration: float = 1.0, labels: bool = False
    ) -> DifferentialFairness:
        """Measure it on counts of two outcomes, or on those of :func:`one_vs_rest_counts`.

        Parameters
        ----------
        counts : GroupCounts
            The table of counts.
        concentration : float, default=1.0
            Rows that are added to each group, spread evenly over the outcomes; not negative.
        labels : bool, default=False
            Measure the labels instead of the predictions.
        """
        if not (concentration >= 0 and np.isfinite(concentration)):
            raise ValueError(f"concentration must be a number of rows, 0 or more; got {concentration!r}.")
        outcomes, table = _outcomes(counts, RATES["base_rate" if labels else "selection_rate"])
        n = table.sum(1)
        empty = [group for group, size in zip(counts.groups, n, strict=True) if size == 0]
        if empty:
            warn_user(
                f"No outcome can be measured for: {list_groups(empty)} (no rows, or of weight 0). "
                "The comparison passes over them."
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            probabilities = (table + concentration / len(outcomes)) / (n + concentration)[:, None]
            probabilities[n == 0] = np.nan
            logs = np.log(probabilities)
        if (n > 0).sum() < 2:
            warn_user("Fewer than two groups can be compared: epsilon is NaN.")
            return cls(float("nan"), None, None, None, counts.groups, n, outcomes, probabilities)
        more, less = np.nanargmax(logs, axis=0), np.nanargmin(logs, axis=0)
        gaps = np.zeros(len(outcomes))  # an outcome that no group has is equally likely in all of them
        for k in np.flatnonzero(table.any(axis=0) | (concentration > 0)):
            gaps[k] = logs[more[k], k] - logs[less[k], k]
        worst = int(gaps.argmax())
        return cls(
            float(gaps[worst]),
            outcomes[worst],
            counts.groups[more[worst]],
            counts.groups[less[worst]],
            counts.groups,
            n,
            outcomes,
            probabilities,
        )

    def _tables(self) -> list[Table]:
        columns: dict[str, list[Any]] = {"group": list(map(format_group, self.groups)), "n": self.n.tolist()}
        for outcome, values in zip(self.outcomes, self.probabilities.T, strict=True):
            columns[f"P({format_group(outcome)})"] = values.tolist()
        text = {name: list(map(number, values)) for name, values in columns.items()}
        note = f"epsilon {number(self.epsilon)}"
        if self.more is not None:
            note += (
                f": {format_group(self.outcome)!r} is {np.exp(self.epsilon):.3g} times as likely for "
                f"{format_group(self.more)} as for {format_group(self.less)}"
            )
        return [Table(columns, text | {"n": list(map(row_count, columns["n"]))}, notes=[note])]


def _outcomes(counts: GroupCounts, rate: Rate) -> tuple[tuple[Hashable, ...], Floats]:
    """Return the outcomes, and how many rows of each group have each."""
    counts.check_labels(rate)
    selected = rate.part(counts.cells)
    if counts.strata is None:
        return ("negative", "positive"), np.stack([rate.support(counts.cells) - selected, selected], axis=1)
    if not np.allclose(selected.sum(1, keepdims=True), counts.n):
        raise ValueError(
            "The strata of these counts are not classes: differential fairness needs counts of two outcomes "
            "without strata, or those of one_vs_rest_counts."
        )
    return counts.strata, selected


def differential_fairness(
    y_true: ArrayLike | None,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    concentration: float = 1.0,
    classes: Sequence[Hashable] | NDArray[Any] | None = None,
) -> DifferentialFairness:
    """Find the outcome and the two groups whose probabilities of it lie furthest apart.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or None
        Labels, of any number of classes. Only the predictions are measured, so that None is enough.
    y_pred : array-like of shape (n_samples,)
        Predicted labels; give the labels instead to measure the data.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row. Several columns make an intersection, which is what this measure is meant
        for: what it bounds for intersections, it bounds for each attribute.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    concentration : float, default=1.0
        Rows that are added to each group, spread evenly over the outcomes, so that a small group without
        some outcome does not make the result infinite. 0 does not smooth.
    classes : sequence of labels, optional
        The outcomes that can occur; by default those among labels and predictions.

    Returns
    -------
    DifferentialFairness
        ``epsilon`` (from 0 up: 0 is parity), the ``outcome`` and the groups, ``more`` and ``less``, where it
        is reached, and the probabilities. It prints itself.

    Raises
    ------
    ValueError
        If lengths differ, a label or group value is missing, or ``concentration`` is negative.

    Warns
    -----
    UserWarning
        If a group has no rows that count, or fewer than two have any.

    See Also
    --------
    bias_amplification : The same for the predictions minus the labels.
    disparity : Differences and ratios of rates.

    Notes
    -----
    ``epsilon = max over outcomes y and groups s, t of |ln P(y | s) - ln P(y | t)|``, with
    ``P(y | s) = (N_ys + alpha) / (N_s + |Y| alpha)`` and ``alpha = concentration / |Y|``, where Y are all
    outcomes and not only those of the group. No outcome is more than ``exp(epsilon)`` times as likely in
    one group as in another. Noise in small groups makes epsilon larger.

    References
    ----------
    Foulds, Islam, Keya & Pan, An Intersectional Definition of Fairness, ICDE 2020.

    Examples
    --------
    >>> from fairsk.metrics import differential_fairness
    >>> y_pred = [1] * 6 + [0] * 4 + [1] * 3 + [0] * 7
    >>> fairness = differential_fairness(y_pred, y_pred, sensitive_features=["a"] * 10 + ["b"] * 10)
    >>> print(fairness)
    group   n   P(0)   P(1)
    -----------------------
    a      10  0.409  0.591
    b      10  0.682  0.318
    epsilon 0.619: '1' is 1.86 times as likely for a as for b
    >>> fairness.more, fairness.less, round(fairness.epsilon, 3)
    ('a', 'b', 0.619)
    """
    counts = one_vs_rest_counts(
        y_true,
        y_pred,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        classes=classes,
    )
    fairness = DifferentialFairness.from_counts(counts, concentration=concentration)
    return replace(fairness, library=library_of(sensitive_features, y_true, y_pred))


def bias_amplification(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    concentration: float = 1.0,
    classes: Sequence[Hashable] | NDArray[Any] | None = None,
) -> float:
    """Tell by how much predictions are further apart between groups than the labels they learned from.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Labels, and predicted labels, of any number of classes.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    concentration : float, default=1.0
        Rows that are added to each group, spread evenly over the outcomes.
    classes : sequence of labels, optional
        The outcomes that can occur; by default those among labels and predictions.

    Returns
    -------
    float
        Above 0, predictions differ more between groups than labels do; below 0, less.

    Raises
    ------
    ValueError
        If there are no labels, lengths differ, a label or group value is missing, or ``concentration`` is
        negative.

    Warns
    -----
    UserWarning
        If a group has no rows that count, or fewer than two have any.

    See Also
    --------
    differential_fairness : What is compared.

    Notes
    -----
    ``epsilon(predictions) - epsilon(labels)``, each as in :func:`differential_fairness`.

    References
    ----------
    Foulds, Islam, Keya & Pan, An Intersectional Definition of Fairness, ICDE 2020.

    Examples
    --------
    >>> from fairsk.metrics import bias_amplification
    >>> y_true, y_pred = [1, 1, 1, 0, 1, 1, 0, 0], [1, 1, 1, 1, 0, 0, 0, 0]
    >>> round(bias_amplification(y_true, y_pred, sensitive_features=list("aaaabbbb")), 3)
    1.686
    """
    counts = one_vs_rest_counts(
        y_true,
        y_pred,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        classes=classes,
    )
    predictions, labels = (
        DifferentialFairness.from_counts(counts, concentration=concentration, labels=labels)
        for labels in (False, True)
    )
    return predictions.epsilon - labels.epsilon
