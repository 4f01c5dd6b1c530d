"""Bias AUC: one number for how scores rank overall, inside groups, and groups beside all others."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.groups import position_of
from fairsk._core.messages import show
from fairsk._core.typing import Floats
from fairsk.metrics._scores.background import background_negatives, background_positives
from fairsk.metrics._scores.estimates import auc
from fairsk.metrics._scores.grouped import GroupedScores, SortedScores, warn_unmeasured

__all__ = ["bias_auc", "mean_of_areas"]


def mean_of_areas(scores: GroupedScores, groups: Sequence[Hashable] | None, power: float) -> float:
    """Return the mean of the area of all rows and the power means of the three areas over groups."""
    if not isinstance(power, Real) or isinstance(power, bool) or not np.isfinite(power) or power == 0:
        raise ValueError(f"power must be a finite number other than 0; got {show(power)}.")
    if isinstance(groups, str):
        raise TypeError(f"groups must be a sequence of groups, such as [{show(groups)}], got a text.")
    named = scores.groups if groups is None else groups
    places = [position_of(group, scores.groups, called="The group") for group in named]
    if len(places) == 0 or len(set(places)) < len(places):
        raise ValueError(f"groups must name groups, each once; got {show(groups)}.")
    chosen, total = [scores.parts[place] for place in places], scores.total

    def areas(parts: list[SortedScores]) -> Floats:
        return np.array([auc(part, None).value for part in parts])

    names = [scores.groups[place] for place in places]
    means = [auc(total, None).value]
    for name, values, reason in (
        ("subgroup_auc", areas(chosen), "it needs rows of both labels"),
        (
            "bpsn_auc",
            areas([background_positives(part, total) for part in chosen]),
            "it needs negatives of the group, and positives of the others",
        ),
        (
            "bnsp_auc",
            areas([background_negatives(part, total) for part in chosen]),
            "it needs positives of the group, and negatives of the others",
        ),
    ):
        measured = ~np.isnan(values)
        warn_unmeasured(name, names, measured.tolist(), reason)
        means.append(_power_mean(values[measured], float(power)))
    return float(np.mean(means))


def _power_mean(values: Floats, power: float) -> float:
    """Return the power mean; NaN of no values, and 0 if one of them is 0 and the power is negative."""
    if not len(values):
        return float("nan")
    # Relative to the area that counts most: no power of these is infinite, however large it is.
    extreme = float(values.min() if power < 0 else values.max())
    return extreme * float(np.mean((values / extreme) ** power) ** (1 / power)) if extreme > 0 else 0.0


def bias_auc(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    groups: Sequence[Hashable] | None = None,
    power: float = -5.0,
) -> float:
    r"""Mean of the areas under ROC curves: overall, inside groups, and of groups beside all others.

    The number by which the contest on unintended bias in the classification of toxic comments was judged:
    high if scores rank well, and rank well for the groups for which they rank worst.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels.
    y_score : array-like of shape (n_samples,)
        Finite scores that grow with the probability of the positive label.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
    groups : sequence of hashable, optional
        The groups to judge, such as those that a text can name without ``"none"`` and ``"several"``; by
        default all. Rows of any other group are background to them.
    power : float, default=-5.0
        The power of the means over groups: the lower, the more the worst group counts. 1 is the plain mean.

    Returns
    -------
    float
        The number, from 0 to 1: 1 is best. NaN if an area cannot be measured in any group.

    Raises
    ------
    ValueError
        If lengths differ, labels or a group value are missing, the positive label cannot be told, scores are
        not finite, a group is not there, or the power is 0.

    Warns
    -----
    UserWarning
        If an area cannot be measured in a group; it is passed over, and named.

    See Also
    --------
    score_metrics : Each area in each group, with its interval: ``metrics=["subgroup_auc", "bpsn_auc", ...]``.
    auc_difference : How far the areas inside groups are apart.

    Notes
    -----
    With :math:`A` the area under the curve of all rows, :math:`A_g^s` that of the rows of group :math:`g`,
    :math:`A_g^{bp}` that of its negatives beside the positives of all other groups, and :math:`A_g^{bn}` that
    of its positives beside the negatives of all others [1]_,

    .. math:: \frac{1}{4} \left( A + \sum_{j \in \{s, bp, bn\}} \Big( \frac{1}{|G|}
       \sum_{g \in G} (A_g^j)^p \Big)^{1/p} \right).

    References
    ----------
    .. [1] Borkan, Dixon, Sorensen, Thain & Vasserman, Nuanced Metrics for Measuring Unintended Bias with Real
       Data for Text Classification, WWW 2019. The mean is that of the contest Jigsaw Unintended Bias in
       Toxicity Classification, 2019.

    Examples
    --------
    Scores that rank perfectly inside either group, but those of b too high:

    >>> from fairsk.metrics import bias_auc
    >>> y_true, group = [0, 0, 1, 1, 0, 0, 1, 1], list("aaaabbbb")
    >>> y_score = [0.1, 0.2, 0.5, 0.6, 0.3, 0.55, 0.8, 0.9]
    >>> round(bias_auc(y_true, y_score, sensitive_features=group), 3)
    0.897
    """
    scores = GroupedScores.of_rows(
        y_true,
        y_score,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        name="bias_auc",
    )
    return mean_of_areas(scores, groups, power)
