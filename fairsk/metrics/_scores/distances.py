"""Distances of score distributions between groups: Kolmogorov-Smirnov and Wasserstein-1."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.typing import Floats
from fairsk.metrics._scores.grouped import GroupedScores, SortedScores, largest_between
from fairsk.rates import RATES

__all__ = ["Given", "ks_distance", "largest_ks", "largest_wasserstein", "wasserstein_distance"]

Given: TypeAlias = Literal["positives", "negatives"] | None

#: The rate that is compared at every threshold, by whose scores are looked at.
_RATES = {None: "selection_rate", "positives": "true_positive_rate", "negatives": "false_positive_rate"}


class _Shares(NamedTuple):
    """Rising scores, and the share of rows with at least each of them."""

    scores: Floats
    shares: Floats

    def at(self, thresholds: Floats) -> Floats:
        """Return the share of rows with a score of at least each threshold."""
        return np.append(self.shares, 0.0)[np.searchsorted(self.scores, thresholds, "left")]


def _ks(first: _Shares, second: _Shares) -> float:
    gaps = [np.abs(at.shares - beside.at(at.scores)) for at, beside in ((first, second), (second, first))]
    return float(max(gap.max() for gap in gaps))


def _wasserstein(first: _Shares, second: _Shares) -> float:
    # Between two neighbouring scores the shares are those at the upper one. The sort merges two sorted runs.
    grid = np.sort(np.concatenate([first.scores, second.scores]), kind="stable")
    return float(np.abs(first.at(grid[1:]) - second.at(grid[1:])) @ np.diff(grid))


def largest_ks(scores: GroupedScores, given: Given = None, reference: Hashable = None) -> float:
    """Return the largest Kolmogorov-Smirnov distance between groups."""
    return _largest(_ks, scores, given, reference, at_means=False, name="ks_distance")


def largest_wasserstein(scores: GroupedScores, given: Given = None, reference: Hashable = None) -> float:
    """Return the largest Wasserstein-1 distance between groups."""
    return _largest(_wasserstein, scores, given, reference, at_means=True, name="wasserstein_distance")


def _largest(
    distance: Callable[[_Shares, _Shares], float],
    scores: GroupedScores,
    given: Given,
    reference: Hashable,
    *,
    at_means: bool,
    name: str,
) -> float:
    """Return the largest distance; the rows of a bin stand at their mean score, or at their lower edge."""
    if given not in _RATES:
        raise ValueError(f'given must be None, "positives" or "negatives"; got {given!r}.')
    rate = RATES[_RATES[given]]
    if at_means and not scores.have_means:
        raise ValueError(f"{name} needs histograms with score_sums: how far apart scores are is not known.")

    def shares(part: SortedScores) -> _Shares:
        score = part.scores if at_means else part.curve.steps
        has_score = ~np.isnan(score)
        return _Shares(score[has_score][::-1], rate(part.curve.cells)[1:][has_score][::-1])

    return largest_between(
        scores,
        shares,
        distance,
        measured=[bool(rate.support(part.curve.at(0)) > 0) for part in scores.parts],
        reference=reference,
        name=name,
        reason=f"it has no {given or 'rows'}",
    )


def ks_distance(
    y_score: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    reference: Hashable = None,
    y_true: ArrayLike | None = None,
    given: Given = None,
    pos_label: Any = None,
) -> float:
    """Largest gap between the score distributions of two groups: the worst selection gap of any threshold.

    Parameters
    ----------
    y_score : array-like of shape (n_samples,)
        Finite scores.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    reference : hashable, optional
        Compare every group with this one only; by default all pairs are compared.
    y_true : array-like of shape (n_samples,), optional
        Labels, for ``given``.
    given : {"positives", "negatives"}, optional
        Compare the scores of rows with that label only (separation): the worst gap in the true, or in the
        false positive rate.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.

    Returns
    -------
    float
        The distance of the two groups that are furthest apart, from 0 (same distribution) to 1 (no overlap).
        NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, a score is not finite, a group value is missing, or ``given`` lacks labels.

    Warns
    -----
    UserWarning
        If a group has no rows with that label; it is passed over, and named.

    See Also
    --------
    wasserstein_distance : The mean gap, not the largest.
    score_metrics : Metrics of scores per group.

    Notes
    -----
    ``sup over t of |F_a(t) - F_b(t)|``, where F is a group's distribution of scores. Whatever threshold is
    chosen, the selection rates of two groups differ by no more than this.

    References
    ----------
    Kolmogorov, Sulla determinazione empirica di una legge di distribuzione, 1933; Smirnov, Table for
    Estimating the Goodness of Fit of Empirical Distributions, 1948.

    Examples
    --------
    >>> from fairsk.metrics import ks_distance
    >>> ks_distance([0.1, 0.4, 0.6, 0.8, 0.2, 0.3, 0.5, 0.7], sensitive_features=list("aaaabbbb"))
    0.25
    """
    return largest_ks(
        _read(y_score, sensitive_features, sample_weight, y_true, given, pos_label), given, reference
    )


def wasserstein_distance(
    y_score: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    reference: Hashable = None,
    y_true: ArrayLike | None = None,
    given: Given = None,
    pos_label: Any = None,
) -> float:
    """Mean gap between the score distributions of two groups: the selection gap, averaged over thresholds.

    Parameters
    ----------
    y_score : array-like of shape (n_samples,)
        Finite scores.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    reference : hashable, optional
        Compare every group with this one only; by default all pairs are compared.
    y_true : array-like of shape (n_samples,), optional
        Labels, for ``given``.
    given : {"positives", "negatives"}, optional
        Compare the scores of rows with that label only (separation).
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.

    Returns
    -------
    float
        The distance of the two groups that are furthest apart, in units of the score; from 0 to 1 for
        probabilities. NaN if fewer than two groups can be measured.

    Raises
    ------
    ValueError
        If lengths differ, a score is not finite, a group value is missing, or ``given`` lacks labels.

    Warns
    -----
    UserWarning
        If a group has no rows with that label; it is passed over, and named.

    See Also
    --------
    ks_distance : The largest gap in the share above any threshold.
    score_metrics : Metrics of scores per group.

    Notes
    -----
    ``integral of |F_a(t) - F_b(t)| dt`` (Wasserstein-1). For scores in [0, 1] it is the difference of the
    groups' selection rates at a threshold drawn at random; in any case it says how far the scores of one
    group must be moved, on average, to be distributed as those of the other.

    References
    ----------
    Jiang et al., Wasserstein Fair Classification, UAI 2019.

    Examples
    --------
    >>> from fairsk.metrics import wasserstein_distance
    >>> scores = [0.1, 0.4, 0.6, 0.8, 0.2, 0.3, 0.5, 0.7]
    >>> round(wasserstein_distance(scores, sensitive_features=list("aaaabbbb")), 3)
    0.1
    """
    return largest_wasserstein(
        _read(y_score, sensitive_features, sample_weight, y_true, given, pos_label), given, reference
    )


def _read(
    y_score: ArrayLike,
    sensitive_features: Any,
    sample_weight: ArrayLike | None,
    y_true: ArrayLike | None,
    given: Given,
    pos_label: Any,
) -> GroupedScores:
    if (y_true is None) != (given is None):
        raise ValueError('Give y_true= together with given="positives" or "negatives", or neither of them.')
    return GroupedScores.of_rows(
        y_true,
        y_score,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        name=None,
    )
