"""Thresholds from counts alone: histograms of scores per group, which any engine can make in one pass."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairsk._sklearn import StrOptions, validate_parameters
from fairsk.counts import check_weights
from fairsk.groups import encode_groups, sensitive_columns, sort_labels
from fairsk.labels import binary_labels
from fairsk.rates import Constraint, Rate
from fairsk.thresholds.binning import binning_loss
from fairsk.thresholds.choose import choose_rules
from fairsk.thresholds.curves import Curve
from fairsk.thresholds.evidence import Evidence
from fairsk.thresholds.objective import Goal
from fairsk.thresholds.report import ThresholdReport
from fairsk.thresholds.wishes import WISH_CONSTRAINTS, Wishes

__all__ = ["HistogramThresholds", "ScoreHistograms", "thresholds_from_histograms"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScoreHistograms:
    """How many positives and negatives of each group have a score in each bin; tables add up.

    Parameters
    ----------
    groups : sequence of hashable
        The group labels.
    edges : array-like of shape (n_bins - 1,)
        Rising scores that separate the bins: bin 0 lies below the first, bin i holds the scores of at least
        ``edges[i - 1]`` and below ``edges[i]``, the last one those of at least the last edge. That is
        ``np.digitize(score, edges)``, or ``width_bucket(score, edges)`` in PostgreSQL.
    positives, negatives : array-like of shape (n_groups, n_bins)
        (Weighted) counts of the two labels.
    names : sequence of str, optional
        What the sensitive attributes are called.

    Examples
    --------
    >>> from fairsk.thresholds import ScoreHistograms
    >>> monday = ScoreHistograms(["a", "b"], [0.5], [[1, 3], [2, 2]], [[4, 0], [3, 1]])
    >>> (monday + monday).positives
    array([[2., 6.],
           [4., 4.]])
    """

    groups: tuple[Hashable, ...]
    edges: Floats
    positives: Floats
    negatives: Floats
    names: tuple[str, ...]

    def __init__(
        self,
        groups: Sequence[Hashable],
        edges: ArrayLike,
        positives: ArrayLike,
        negatives: ArrayLike,
        *,
        names: Sequence[str] = ("sensitive_features",),
    ) -> None:
        cuts = np.atleast_1d(np.asarray(edges, dtype=float))
        if cuts.ndim != 1 or not len(cuts) or not np.isfinite(cuts).all() or (np.diff(cuts) <= 0).any():
            raise ValueError("edges must be a list of finite, rising scores; n edges make n + 1 bins.")
        if len(set(groups)) < len(groups):
            raise ValueError("A group is listed twice: labels must be distinct.")
        tables = [np.asarray(table, dtype=float) for table in (positives, negatives)]
        shape = (len(groups), len(cuts) + 1)
        if any(table.shape != shape for table in tables):
            raise ValueError(
                f"positives and negatives must have the shape {shape}: a row per group, and one bin more "
                f"than edges. Got {tables[0].shape} and {tables[1].shape}."
            )
        if not all(np.isfinite(table).all() and (table >= 0).all() for table in tables):
            raise ValueError("Counts must be finite and not negative.")
        if not all(table.any() for table in tables):
            raise ValueError("There must be positives and negatives: one label alone has no thresholds.")
        known = {
            "groups": tuple(groups),
            "edges": cuts,
            "positives": tables[0],
            "negatives": tables[1],
            "names": tuple(names),
        }
        for field, value in known.items():
            object.__setattr__(self, field, value)  # the instance is frozen

    @classmethod
    def from_scores(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
        sensitive_features: Any,
        edges: ArrayLike,
        sample_weight: ArrayLike | None = None,
        pos_label: Any = None,
    ) -> ScoreHistograms:
        """Count the scores of rows.

        Parameters
        ----------
        y_true : array-like of shape (n_rows,)
            Labels.
        y_score : array-like of shape (n_rows,)
            Finite scores that grow with the chance of the positive label.
        sensitive_features : array-like of shape (n_rows,) or (n_rows, n_columns)
            The group of each row; several columns make an intersection.
        edges : array-like of shape (n_bins - 1,)
            What separates the bins; the same for all tables that are to be added.
        sample_weight : array-like of shape (n_rows,), optional
            Weight of each row.
        pos_label : label, optional
            The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
        """
        actual, _ = binary_labels(y_true, y_true, pos_label)
        scores = np.asarray(y_score, dtype=float)
        if scores.shape != actual.shape or not np.isfinite(scores).all():
            raise ValueError(f"y_score must hold {len(actual)} finite scores, one per row.")
        weights = check_weights(sample_weight, len(actual))
        groups = encode_groups(sensitive_columns(None, None, sensitive_features, n_rows=len(actual)))
        cuts = np.atleast_1d(np.asarray(edges, dtype=float))
        place = groups.codes * (len(cuts) + 1) + np.searchsorted(cuts, scores, "right")
        size = len(groups.labels) * (len(cuts) + 1)

        def table(which: NDArray[np.bool_]) -> Floats:
            own = None if weights is None else weights[which]
            return np.bincount(place[which], own, size).astype(float).reshape(-1, len(cuts) + 1)

        return cls(groups.labels, cuts, table(actual), table(~actual), names=groups.names)

    def __add__(self, other: ScoreHistograms) -> ScoreHistograms:
        """Combine the tables of two disjoint sets of rows."""
        if not isinstance(other, ScoreHistograms):
            return NotImplemented
        if self.names != other.names or not np.array_equal(self.edges, other.edges):
            raise ValueError("Only histograms of the same attributes with the same edges add up.")
        groups = sort_labels({*self.groups, *other.groups})
        total = np.zeros((2, len(groups), len(self.edges) + 1))
        for part in (self, other):
            place = [groups.index(label) for label in part.groups]
            total[0][place] += part.positives
            total[1][place] += part.negatives
        return ScoreHistograms(groups, self.edges, total[0], total[1], names=self.names)

    def __radd__(self, other: int) -> ScoreHistograms:
        """Let ``sum(tables)`` start from its 0."""
        return self if other == 0 else NotImplemented

    def evidence(self) -> Evidence:
        """Return the curves whose thresholds are the edges."""
        steps = np.append(self.edges[::-1], -np.inf)

        def curve(positives: Floats, negatives: Floats) -> Curve:
            tp, fp = (np.append(0.0, np.cumsum(bins[::-1])) for bins in (positives, negatives))
            return Curve(steps, tp, fp, between=False)

        curves = [curve(p, n) for p, n in zip(self.positives, self.negatives, strict=True)]
        everyone = curve(self.positives.sum(0), self.negatives.sum(0))
        return Evidence(self.names, self.groups, curves, curves, curves, everyone)


@dataclass(frozen=True)
class HistogramThresholds:
    """What histograms gave: the rows of a group with a score of at least its threshold are selected.

    Parameters
    ----------
    thresholds : dict
        For each group its threshold, one of the edges (or infinity); for mixtures, a list of
        (threshold, probability) pairs.
    overall_threshold : float
        The best threshold for all rows alike, without a bound.
    report : ThresholdReport
        What the thresholds achieve on the counted rows. Its ``binning_loss`` bounds what thresholds between
        the edges could gain.
    """

    thresholds: Mapping[Hashable, Any]
    overall_threshold: float
    report: ThresholdReport


def thresholds_from_histograms(
    histograms: ScoreHistograms,
    *,
    constraint: str | Constraint | Sequence[str | Constraint] = "demographic_parity",
    max_difference: float | Sequence[float | None] | None = None,
    min_ratio: float | Sequence[float | None] | None = None,
    objective: Goal = "accuracy",
    min_rates: Mapping[str | Rate, float] | None = None,
    capacity: float | None = None,
    level_up: bool | float = False,
    policy: str = "auto",
    min_group_size: int = 30,
    margin: float | str = 0.0,
) -> HistogramThresholds:
    """Choose a threshold per group from histograms of scores.

    The thresholds are exactly the best ones among the edges. How much better any thresholds on the scores
    themselves could be is bounded, from the counts alone: within a bin, a threshold selects at least the rows
    above the bin and at most those in it too.

    Parameters
    ----------
    histograms : ScoreHistograms
        Counts of held-out rows: rows that the model was not trained on.
    constraint, max_difference, min_ratio, objective, min_rates, capacity, level_up, min_group_size, margin
        As in :class:`GroupThresholdOptimizer`.
    policy : {"auto", "threshold", "randomized"}, default="auto"
        As there.

    Returns
    -------
    HistogramThresholds
        The thresholds, and what they achieve.

    Raises
    ------
    ValueError
        If the bound cannot be met.

    Notes
    -----
    The bound on the loss is the optimum of a relaxed problem in which each bin is a rectangle of cells
    (true and false positives): its best corner counts for the objective, and any rate in it meets the
    bound. Equally filled bins, such as quantiles of all scores, keep it small.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.thresholds import ScoreHistograms, thresholds_from_histograms
    >>> rng = np.random.default_rng(0)
    >>> group = rng.choice(["a", "b"], 10_000)
    >>> score = rng.beta(np.where(group == "a", 2, 3), 3)
    >>> label = rng.random(10_000) < score
    >>> counts = ScoreHistograms.from_scores(
    ...     label, score, sensitive_features=group, edges=np.arange(1, 200) / 200)
    >>> found = thresholds_from_histograms(counts, max_difference=0.02)
    >>> found.report.disparity <= 0.02, found.report.binning_loss < 0.01
    (True, True)
    """
    if not isinstance(histograms, ScoreHistograms):
        raise TypeError(f"histograms must be a ScoreHistograms, got {type(histograms).__name__}.")
    validate_parameters(
        {**WISH_CONSTRAINTS, "policy": [StrOptions({"auto", "threshold", "randomized"})]},
        {name: value for name, value in locals().items() if name != "histograms"},
        "thresholds_from_histograms",
    )
    wishes = Wishes.of(
        constraint,
        max_difference,
        min_ratio,
        objective=objective,
        min_rates=min_rates,
        capacity=capacity,
        level_up=level_up,
        policy=policy,
        margin=margin,
        min_group_size=min_group_size,
    )
    evidence = histograms.evidence()
    chosen = choose_rules(evidence, wishes, True, stacklevel=3)
    report = replace(chosen.report, binning_loss=binning_loss(chosen))
    return HistogramThresholds(dict(report.thresholds), float(chosen.overall.thresholds[0]), report)
