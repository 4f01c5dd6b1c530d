"""ABROCA: the area between the ROC curves of groups, and its permutation test."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.curves import Curve
from fairsk._core.groups import Grouping
from fairsk._core.results import Result, Table, number, p_value
from fairsk._core.typing import Floats, RandomStateLike
from fairsk._core.validation import generator
from fairsk._core.warnings import warn_user
from fairsk.metrics._scores.grouped import GroupedScores, compared_parts, read_rows
from fairsk.metrics._scores.pairs import largest_of_pairs
from fairsk.rates import RATES, Method
from fairsk.statistics._resampling import check_resamples

__all__ = ["AbrocaTest", "abroca", "abroca_test", "largest_abroca"]

#: A test that takes more seconds than this says so beforehand.
LONG_TEST = 60.0


class _Roc(NamedTuple):
    """A ROC curve as a function of the false positive rate: straight between the rates that occur.

    At each of them the curve may rise: it arrives at one true positive rate and leaves from another.
    """

    fpr: Floats
    tpr_right: Floats
    slopes: Floats

    @classmethod
    def of(cls, curve: Curve) -> _Roc:
        """Read the curve at its thresholds."""
        cells = curve.cells
        tpr, fpr = RATES["true_positive_rate"](cells), RATES["false_positive_rate"](cells)
        changes = fpr[1:] != fpr[:-1]
        first, last = np.append(True, changes), np.append(changes, True)
        tpr_left, tpr_right, rates = tpr[first], tpr[last], fpr[first]
        return cls(rates[:-1], tpr_right[:-1], (tpr_left[1:] - tpr_right[:-1]) / np.diff(rates))

    def over_bins(self, edges: Floats) -> tuple[Floats, Floats]:
        """Return the area under each bin, and by how much the curve rises there."""
        widths = np.diff(np.append(self.fpr, 1.0))
        areas = np.append(0.0, np.cumsum(self.tpr_right * widths + self.slopes * widths**2 / 2))
        piece = np.searchsorted(self.fpr, edges, "right") - 1
        run, height = edges - self.fpr[piece], self.tpr_right[piece]
        area = areas[piece] + height * run + self.slopes[piece] * run**2 / 2
        leaves = height + self.slopes[piece] * run
        left_piece = np.maximum(np.searchsorted(self.fpr, edges, "left") - 1, 0)
        arrives = self.tpr_right[left_piece] + self.slopes[left_piece] * (edges - self.fpr[left_piece])
        return np.diff(area), arrives[1:] - leaves[:-1]

    def ends(self, grid: Floats) -> tuple[Floats, Floats]:
        """Return the true positive rate at the left and right end of each piece of the grid."""
        piece = np.searchsorted(self.fpr, grid[:-1], "right") - 1
        tpr_right, slope, fpr_left = self.tpr_right[piece], self.slopes[piece], self.fpr[piece]
        return tpr_right + slope * (grid[:-1] - fpr_left), tpr_right + slope * (grid[1:] - fpr_left)


def _area(first: _Roc, second: _Roc) -> float:
    """Integrate the distance of two curves: on each piece of the common grid it is a straight line."""
    grid = np.append(np.sort(np.concatenate([first.fpr, second.fpr]), kind="stable"), 1.0)
    left, right = (a - b for a, b in zip(first.ends(grid), second.ends(grid), strict=True))
    total = np.abs(left) + np.abs(right)
    # The mean height of |line|: of two triangles where the line crosses zero, else of a trapezoid.
    crosses = left * right < 0
    heights = np.divide(left**2 + right**2, total, out=total.copy(), where=crosses)
    return float(np.diff(grid) @ heights / 2)


def _edges(n_bins: int) -> Floats:
    """Return the edges of bins of the false positive rate."""
    return np.linspace(0.0, 1.0, n_bins + 1)


def largest_abroca(
    scores: GroupedScores, reference: Hashable = None, method: Method = "between_groups"
) -> float:
    """Return the largest area between the ROC curves of two groups."""
    measured = [part.has_both_labels for part in scores.parts]
    compared = compared_parts(
        scores, measured, reference, method, name="abroca", reason="it needs both labels"
    )
    if compared is None:
        return float("nan")
    curves = [_Roc.of(part.curve) for part in compared[0]]
    if compared[1] is not None:
        baseline = _Roc.of(compared[1].curve)
        return max(_area(curve, baseline) for curve in curves)
    return largest_of_pairs(curves, _area, _edges, name="abroca")


def abroca(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    method: Method = "between_groups",
    reference: Hashable = None,
) -> float:
    """Largest area between the ROC curves of two groups: 0 if scores rank equally well at every threshold.

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
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare all pairs of groups, each group with all rows, or each with a reference group.
    reference : hashable, optional
        The reference group; naming it is enough to compare every group with it only.

    Returns
    -------
    float
        The area of the two groups that are furthest apart, from 0 to 1. NaN if fewer than two groups can be
        measured.

    Raises
    ------
    ValueError
        If lengths differ, a score is not finite, labels or a group value are missing, or the positive label
        cannot be told.

    Warns
    -----
    UserWarning
        If a group has one label only; it is passed over, and named. If comparing many pairs of groups takes
        long.

    See Also
    --------
    abroca_test : The permutation test that the curves are the same.
    auc_difference : The difference of the areas, to which parts of curves that cross add nothing.

    Notes
    -----
    ``integral over the false positive rate f of |ROC_a(f) - ROC_b(f)|``, exact for curves that are straight
    between the rates that occur. It is at least the difference of the areas under the curves, and equal to it
    where one curve lies above the other. Noise only adds to it: in small groups it is well above 0 even if
    scores rank equally well, and :func:`abroca_test` says how far.

    References
    ----------
    Gardner, Brooks & Baker, Evaluating the Fairness of Predictive Student Models Through Slicing Analysis,
    LAK 2019.

    Examples
    --------
    >>> from fairsk.metrics import abroca
    >>> y_true = [0, 0, 1, 1, 0, 1, 0, 1]
    >>> y_score = [0.1, 0.4, 0.35, 0.8, 0.2, 0.3, 0.5, 0.7]
    >>> abroca(y_true, y_score, sensitive_features=list("aaaabbbb"))
    0.0
    >>> y_score = [0.1, 0.4, 0.35, 0.8, 0.2, 0.9, 0.5, 0.7]
    >>> abroca(y_true, y_score, sensitive_features=list("aaaabbbb"))
    0.25
    """
    scores = GroupedScores.of_rows(
        y_true,
        y_score,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        name="abroca",
    )
    return largest_abroca(scores, reference, method)


@dataclass(frozen=True, eq=False, repr=False)
class AbrocaTest(Result):
    """An area between ROC curves, beside its mean if all groups had the same curve.

    Parameters
    ----------
    value : float
        The largest area between the curves of two groups.
    by_chance : float
        Its mean, with these numbers of rows, if all groups had the same curve.
    p_value : float
        The share of permutations that reach this value.
    n_resamples : int
        The number of permutations.

    See Also
    --------
    abroca_test : What makes it.
    """

    value: float
    by_chance: float
    p_value: float
    n_resamples: int

    def _tables(self) -> list[Table]:
        columns = {"abroca": [self.value], "by_chance": [self.by_chance], "p": [self.p_value]}
        text = {name: [number(values[0])] for name, values in columns.items()}
        note = f"{self.n_resamples:,} permutations of groups among rows of the same label"
        return [Table(columns, text | {"p": [p_value(self.p_value)]}, notes=[note])]


def abroca_test(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    method: Method = "between_groups",
    reference: Hashable = None,
    n_resamples: int = 999,
    random_state: RandomStateLike = None,
) -> AbrocaTest:
    """Test whether the ROC curves of all groups are the same, by permuting groups among equal labels.

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
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        Compare all pairs of groups, each group with all rows, or each with a reference group.
    reference : hashable, optional
        The reference group; naming it is enough to compare every group with it only.
    n_resamples : int, default=999
        How many permutations; the smallest possible p-value is 1 / (n_resamples + 1).
    random_state : int, Generator, RandomState or None, default=None
        Seed of the permutations.

    Returns
    -------
    AbrocaTest
        The area, its mean over the permutations, and the p-value.

    Raises
    ------
    ValueError
        As in :func:`abroca`, or if ``n_resamples`` is not positive.

    Warns
    -----
    UserWarning
        If a group has one label only; it is passed over, and named. If the permutations take long.

    See Also
    --------
    abroca : The statistic.

    Notes
    -----
    A group's ROC curve does not change when its scores are stretched. What is permuted is therefore not the
    score but its placement, the share of the group's own negatives with a higher score (ties counted half),
    as in [1]_. The p-value counts the permutations that reach the value, itself included. It is approximate,
    for placements of small groups are coarse.

    With several groups the largest area is often that of the smallest group, which noise makes
    large: it then hides a difference between two large groups. Test these alone, or leave small groups out,
    before you look at the areas.

    References
    ----------
    .. [1] Venkatraman, A Permutation Test to Compare Receiver Operating Characteristic Curves, Biometrics 56,
       2000.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.metrics import abroca_test
    >>> rng = np.random.default_rng(0)
    >>> y_true, group = rng.integers(0, 2, 400), np.repeat(["a", "b"], 200)
    >>> y_score = rng.normal(y_true)
    >>> print(abroca_test(y_true, y_score, sensitive_features=group, random_state=0))
    abroca  by_chance      p
    ------------------------
    0.070       0.051  0.171
    999 permutations of groups among rows of the same label
    """
    check_resamples(n_resamples)
    rows = read_rows(y_true, y_score, sensitive_features, sample_weight, pos_label, name="abroca_test")
    scores = GroupedScores.of_groups(*rows)
    value = largest_abroca(scores, reference, method)
    if np.isnan(value):
        return AbrocaTest(value, value, value, n_resamples)
    # Groups with one label only have been named, and take no part.
    measured = [g for g, part in enumerate(scores.parts) if part.has_both_labels]
    in_test = np.isin(rows.groups.codes, measured)
    if rows.weights is not None:
        in_test &= rows.weights > 0
    codes = np.searchsorted(measured, rows.groups.codes[in_test])
    actual, weights = rows.actual[in_test], None if rows.weights is None else rows.weights[in_test]
    labels = tuple(rows.groups.labels[g] for g in measured)
    placement = np.empty(len(codes))
    for code, g in enumerate(measured):
        curve, in_group = scores.parts[g].curve, codes == code
        fpr = RATES["false_positive_rate"](curve.cells)
        position = curve.positions(rows.scores[in_test][in_group])
        placement[in_group] = (fpr[position] + fpr[position - 1]) / 2
    rng = generator(random_state)
    null_areas, start = np.empty(n_resamples), time.perf_counter()
    shuffled = codes.copy()
    for i in range(n_resamples):
        for label in (actual, ~actual):
            shuffled[label] = rng.permutation(codes[label])
        grouping = Grouping(rows.groups.names, labels, shuffled)
        null_areas[i] = largest_abroca(
            GroupedScores.of_groups(-placement, actual, grouping, weights), reference, method
        )
        if i == 0 and (seconds := n_resamples * (time.perf_counter() - start)) > LONG_TEST:
            warn_user(
                f"abroca_test takes about {seconds:,.0f} seconds for {n_resamples:,} permutations: "
                'n_resamples= draws fewer, and method="to_overall" compares fewer pairs.'
            )
    # Equal areas may differ by rounding.
    reached = int((null_areas >= value - 1e-12).sum())
    return AbrocaTest(value, float(null_areas.mean()), (1 + reached) / (1 + n_resamples), n_resamples)
