"""Distances of score distributions between groups: Kolmogorov-Smirnov and Wasserstein-1."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.typing import Floats
from fairsk.metrics._scores.grouped import GroupedScores, SortedScores, compared_parts
from fairsk.metrics._scores.pairs import largest_of_pairs
from fairsk.rates import RATES, Method

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

    def over_bins(self, edges: Floats) -> tuple[Floats, Floats]:
        """Return the integral of the share over each bin, and by how much it falls there."""
        # From the lowest edge on, the share is that at the next score: the integral is straight in between.
        integral = np.cumsum(self.shares * np.diff(self.scores, prepend=edges[0]))
        points, heights = np.append(edges[0], self.scores), np.append(0.0, integral)
        just_above = np.append(self.shares, 0.0)[np.searchsorted(self.scores, edges[:-1], "right")]
        return np.diff(np.interp(edges, points, heights)), just_above - self.at(edges[1:])


def _wasserstein(first: _Shares, second: _Shares) -> float:
    # Between two neighbouring scores the shares are those at the upper one. The sort merges two sorted runs.
    grid = np.sort(np.concatenate([first.scores, second.scores]), kind="stable")
    return float(np.abs(first.at(grid[1:]) - second.at(grid[1:])) @ np.diff(grid))


def _edges(parts: Sequence[_Shares], n_bins: int) -> Floats:
    """Return the edges of bins from the lowest score to the highest.

    Half of them hold equally many scores, and half are equally wide: for scores with long tails, too.
    """
    scores = np.concatenate([part.scores for part in parts])
    by_count = np.quantile(scores, np.linspace(0, 1, n_bins // 2 + 1))
    return np.union1d(by_count, np.linspace(scores.min(), scores.max(), n_bins // 2 + 1))


def _ks(parts: Sequence[_Shares], baseline: _Shares | None) -> float:
    """Return the largest gap between two curves, or from the baseline, at any threshold.

    A share never grows with the threshold. So the highest curve at a threshold is the largest of all shares
    at a score that is not below it, and the lowest curve the smallest of all shares above a score that is
    below it: one sort of all groups' scores, whatever the number of groups.
    """
    if baseline is not None:  # its own scores are thresholds too; from itself it differs by nothing
        parts = [*parts, baseline]
    scores = np.concatenate([part.scores for part in parts])
    order = np.argsort(scores, kind="stable")
    at_score = np.concatenate([part.shares for part in parts])[order]
    above_score = np.concatenate([np.append(part.shares[1:], 0.0) for part in parts])[order]
    thresholds, first = np.unique(scores[order], return_index=True)
    highest = np.maximum.accumulate(at_score[::-1])[::-1][first]
    lowest = np.append(1.0, np.minimum.accumulate(above_score))[first]  # at first, no score lies below
    if baseline is None:
        return float((highest - lowest).max())
    shares = baseline.at(thresholds)
    return float(np.maximum(highest - shares, shares - lowest).max())


def largest_ks(
    scores: GroupedScores,
    given: Given = None,
    reference: Hashable = None,
    method: Method = "between_groups",
) -> float:
    """Return the largest Kolmogorov-Smirnov distance between groups."""
    compared = _compared(scores, given, reference, method, at_means=False, name="ks_distance")
    return float("nan") if compared is None else _ks(*compared)


def largest_wasserstein(
    scores: GroupedScores,
    given: Given = None,
    reference: Hashable = None,
    method: Method = "between_groups",
) -> float:
    """Return the largest Wasserstein-1 distance between groups."""
    name = "wasserstein_distance"
    if not scores.have_means:
        raise ValueError(f"{name} needs histograms with score_sums: how far apart scores are is not known.")
    compared = _compared(scores, given, reference, method, at_means=True, name=name)
    if compared is None:
        return float("nan")
    parts, baseline = compared
    if baseline is not None:
        return max(_wasserstein(part, baseline) for part in parts)
    return largest_of_pairs(parts, _wasserstein, partial(_edges, parts), name=name)


def _compared(
    scores: GroupedScores, given: Given, reference: Hashable, method: Method, *, at_means: bool, name: str
) -> tuple[list[_Shares], _Shares | None] | None:
    """Return the groups that have rows, and the baseline if there is one; None if nothing is compared.

    The rows of a bin stand at their mean score, or at their lower edge.
    """
    if given not in _RATES:
        raise ValueError(f'given must be None, "positives" or "negatives"; got {given!r}.')
    rate = RATES[_RATES[given]]

    def shares(part: SortedScores) -> _Shares:
        score = part.scores if at_means else part.curve.steps
        has_score = ~np.isnan(score)
        return _Shares(score[has_score][::-1], rate(part.curve.cells)[1:][has_score][::-1])

    measured = [bool(rate.support(part.curve.at(0)) > 0) for part in scores.parts]
    reason = f"it has no {given or 'rows'}"
    compared = compared_parts(scores, measured, reference, method, name=name, reason=reason)
    if compared is None:
        return None
    parts, baseline = compared
    return [shares(part) for part in parts], None if baseline is None else shares(baseline)


def ks_distance(
    y_score: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    method: Method = "between_groups",
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
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare all pairs of groups, each group with all rows, or each with a reference group.
    reference : hashable, optional
        The reference group; naming it is enough to compare every group with it only.
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
        _read(y_score, sensitive_features, sample_weight, y_true, given, pos_label), given, reference, method
    )


def wasserstein_distance(
    y_score: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    method: Method = "between_groups",
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
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare all pairs of groups, each group with all rows, or each with a reference group.
    reference : hashable, optional
        The reference group; naming it is enough to compare every group with it only.
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
        If a group has no rows with that label; it is passed over, and named. If comparing many pairs of
        groups takes long.

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
        _read(y_score, sensitive_features, sample_weight, y_true, given, pos_label), given, reference, method
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
