"""Generalized entropy: the inequality of benefits between individuals, within and between groups."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy
from sklearn.utils import column_or_1d

from fairsk._core.columns import as_array, as_floats, refuse_shuffled, value_columns
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import encode_groups, format_group
from fairsk._core.results import Backend, Result, Table, library_of, number, row_count
from fairsk._core.typing import Floats, Ints
from fairsk._core.validation import check_weights
from fairsk._core.warnings import warn_user
from fairsk.rates import CELLS, RATES
from fairsk.statistics._proportions import refuse_strata

__all__ = ["GeneralizedEntropy", "generalized_entropy"]


#: The benefit of a decision to the person it is about, prediction - label + 1: 1 is what is merited.
_BENEFITS = {"tp": 1.0, "fp": 2.0, "fn": 0.0, "tn": 1.0}


@dataclass(frozen=True, eq=False, repr=False)
class GeneralizedEntropy(Result):
    """The inequality of benefits, and what of it lies between and within groups.

    Parameters
    ----------
    alpha : float
        The weight of large benefits: 1 is Theil's index, 2 is half the squared coefficient of variation.
    total : float
        The generalized entropy of all rows: 0 where all benefits are equal.
    between : float
        What would be left if every row had the mean benefit of its group.
    within : float
        The rest, ``total - between``.
    groups : tuple
        Group labels.
    n : array of shape (n_groups,)
        The (weighted) number of rows of each group.
    mean_benefit : array of shape (n_groups,)
        The mean benefit of each group.
    entropy : array of shape (n_groups,)
        The generalized entropy inside each group; NaN where all benefits are 0.
    library : str or None
        The library that :meth:`frame` makes a frame of.

    See Also
    --------
    generalized_entropy : What makes it of rows.

    Examples
    --------
    Of counts, which add up over shards, days and sites:

    >>> from fairsk.metrics import GeneralizedEntropy, GroupCounts
    >>> counts = GroupCounts(["a", "b"], {"tp": [60, 30], "fp": [10, 0], "fn": [0, 10], "tn": [30, 60]})
    >>> inequality = GeneralizedEntropy.from_counts(counts, alpha=1)
    >>> round(inequality.total, 3), round(inequality.between, 3), round(inequality.within, 3)
    (0.069, 0.005, 0.064)
    """

    alpha: float
    total: float
    between: float
    within: float
    groups: tuple[Hashable, ...]
    n: Floats
    mean_benefit: Floats
    entropy: Floats
    library: Backend | None = None

    @classmethod
    def from_counts(cls, counts: GroupCounts, *, alpha: float = 2.0) -> GeneralizedEntropy:
        """Measure the benefits ``prediction - label + 1`` of counts.

        Parameters
        ----------
        counts : GroupCounts
            The table of counts, without strata.
        alpha : float, default=2.0
            The weight of large benefits.

        Returns
        -------
        GeneralizedEntropy
            The entropy, and its parts.
        """
        counts.check_labels(RATES["error_rate"])
        refuse_strata(counts, "Entropy")
        # The rows of a cell have the same benefit, so that a cell is as good as one row with its weight.
        weights = np.concatenate([counts.cells[cell] for cell in CELLS])
        benefits = np.repeat([_BENEFITS[cell] for cell in CELLS], len(counts.groups))
        codes = np.tile(np.arange(len(counts.groups)), len(CELLS))
        return cls._of(benefits, weights, codes, counts.groups, alpha)

    @classmethod
    def _of(
        cls,
        benefits: Floats,
        weights: Floats,
        codes: Ints,
        groups: tuple[Hashable, ...],
        alpha: float,
    ) -> GeneralizedEntropy:
        if not np.isfinite(alpha):
            raise ValueError(f"alpha must be a finite number, such as 2 or 1; got {alpha!r}.")
        n = np.bincount(codes, weights, len(groups)).astype(float)
        with np.errstate(invalid="ignore"):
            means = np.bincount(codes, weights * benefits, len(groups)) / n
        mean = float(weights @ benefits / n.sum()) if n.any() else float("nan")
        if not mean > 0:
            warn_user("All benefits are 0: the entropy is NaN.")
        with np.errstate(divide="ignore", invalid="ignore"):
            total = np.sum(_contributions(weights, benefits / mean, alpha)) / n.sum()
            inside = (
                np.bincount(codes, _contributions(weights, benefits / means[codes], alpha), len(groups)) / n
            )
            nonempty = n > 0
            between = np.sum(_contributions(n[nonempty], means[nonempty] / mean, alpha)) / n.sum()
            # In a group whose benefits are all 0 they are equal, though the ratio to their mean is 0 / 0.
            positive = means > 0
            share = n[positive] / n.sum() * (means[positive] / mean) ** alpha
            within = np.sum(share * inside[positive]) if mean > 0 else np.nan
        return cls(alpha, float(total), float(between), float(within), groups, n, means, inside)

    def __float__(self) -> float:
        return self.total

    def _tables(self) -> list[Table]:
        columns = {
            "group": list(map(format_group, self.groups)),
            "n": self.n.tolist(),
            "mean_benefit": self.mean_benefit.tolist(),
            "entropy": self.entropy.tolist(),
        }
        text = {name: list(map(number, values)) for name, values in columns.items()}
        note = (
            f"alpha {self.alpha:g}: total {number(self.total)}, of which {number(self.between)} "
            f"between groups and {number(self.within)} within groups"
        )
        return [Table(columns, text | {"n": list(map(row_count, columns["n"]))}, notes=[note])]


def _contributions(weights: Floats, ratio: Floats, alpha: float) -> Floats:
    """Return what benefits of ``ratio`` times the mean add to the sum that becomes the entropy."""
    if alpha == 0:
        each = -np.log(ratio)
    elif alpha == 1:
        each = xlogy(ratio, ratio)
    else:
        each = (ratio**alpha - 1) / (alpha * (alpha - 1))
    return np.where(weights > 0, weights * each, 0.0)  # an infinite term of weight 0 adds nothing


def generalized_entropy(
    y_true: ArrayLike | None = None,
    y_pred: ArrayLike | None = None,
    *,
    benefits: ArrayLike | None = None,
    sensitive_features: Any = None,
    alpha: float = 2.0,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> GeneralizedEntropy:
    """Measure how unequally decisions benefit individuals, and how much of it lies between groups.

    Theil's index is this with ``alpha=1``.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,), optional
        Labels, and predicted labels (not scores): the benefit of a row is ``prediction - label + 1``.
    benefits : array-like of shape (n_samples,), optional
        Benefits of your own instead, 0 or more each: amounts, scores, anything that is not negative.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
        The group of each row; several columns make an intersection. Without it all rows are one group.
    alpha : float, default=2.0
        The weight of large benefits: 1 is Theil's index, 0 the mean log deviation, 2 half the squared
        coefficient of variation.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.

    Returns
    -------
    GeneralizedEntropy
        ``total`` (from 0 up: 0 where all benefits are equal), ``between`` and ``within``, and a row
        per group. ``float()`` of it is the total.

    Raises
    ------
    TypeError
        If it gets neither labels and predictions nor benefits, or both.
    ValueError
        If lengths differ, a group value is missing, the positive label cannot be told, a benefit is
        negative, infinite or missing, or ``alpha`` is no finite number.

    Warns
    -----
    UserWarning
        If all benefits are 0 (all rows are false negatives): the entropy is NaN.

    See Also
    --------
    consistency : Whether people who are alike are treated alike.
    differential_fairness : One number over all groups, of the probabilities of outcomes.

    Notes
    -----
    With the benefits ``b_i`` (2 for a false positive, 0 for a false negative, 1 for a decision that is right)
    and their mean m: ``E = mean((b_i / m)^alpha - 1) / (alpha (alpha - 1))``, ``mean((b_i / m) ln(b_i / m))``
    for alpha 1, ``-mean(ln(b_i / m))`` for alpha 0. Between groups is the same with each benefit replaced by
    the mean of the group. With ``alpha <= 0`` a single benefit of 0, a false negative, makes it infinite.

    References
    ----------
    Shorrocks, The Class of Additively Decomposable Inequality Measures, Econometrica 48(3), 1980; of
    decisions: Speicher et al., A Unified Approach to Quantifying Algorithmic Unfairness, KDD 2018.

    Examples
    --------
    >>> from fairsk.metrics import generalized_entropy
    >>> y_true = [1, 1, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 1, 0, 0, 0]
    >>> print(generalized_entropy(y_true, y_pred, sensitive_features=list("aaaabbbb")))
    group  n  mean_benefit  entropy
    -------------------------------
    a      4         1.250    0.060
    b      4         0.750    0.167
    alpha 2: total 0.125, of which 0.031 between groups and 0.094 within groups

    Theil's index of benefits 1, 0, 2, 1, whose mean is 1: a quarter of 2 ln 2.

    >>> round(float(generalized_entropy([1, 1, 0, 0], [1, 0, 1, 0], alpha=1)), 3)
    0.347
    >>> round(float(generalized_entropy(benefits=[1, 0, 2, 1], alpha=1)), 3)
    0.347
    """
    if benefits is not None:
        if y_true is not None or y_pred is not None:
            raise TypeError("Give y_true and y_pred, or benefits=, not both.")
        return _entropy_of_benefits(benefits, sensitive_features, alpha, sample_weight)
    if y_true is None or y_pred is None:
        raise TypeError("generalized_entropy needs y_true and y_pred, or benefits=.")
    library = library_of(sensitive_features, y_true, y_pred)
    if sensitive_features is None:
        sensitive_features = _one_group(len(column_or_1d(y_true)))
    counts = GroupCounts.from_predictions(
        y_true,
        y_pred,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
    )
    return replace(GeneralizedEntropy.from_counts(counts, alpha=alpha), library=library)


def _entropy_of_benefits(
    benefits: ArrayLike, sensitive_features: Any, alpha: float, sample_weight: ArrayLike | None
) -> GeneralizedEntropy:
    """Return the entropy of benefits that the user measured."""
    refuse_shuffled(benefits=benefits, sensitive_features=sensitive_features, sample_weight=sample_weight)
    values = as_floats("benefits", column_or_1d(as_array(benefits)))
    if len(values) == 0 or not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError("benefits must hold a number per row that is finite and not negative.")
    weights = check_weights(sample_weight, len(values))
    if weights is None:
        weights = np.ones(len(values))
    library = library_of(sensitive_features, benefits)
    if sensitive_features is None:
        sensitive_features = _one_group(len(values))
    groups = encode_groups(value_columns("sensitive_features", sensitive_features, len(values)))
    entropy = GeneralizedEntropy._of(values, weights, groups.codes, groups.labels, alpha)
    return replace(entropy, library=library)


def _one_group(n_samples: int) -> NDArray[Any]:
    return np.full(n_samples, "all", dtype=object)
