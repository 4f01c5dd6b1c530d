"""Histograms of scores per group: counts that any engine can make in one pass, and that add up."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairsk.counts import check_weights
from fairsk.curves import Curve
from fairsk.groups import encode_groups, sensitive_columns, sort_labels
from fairsk.labels import binary_labels

__all__ = ["ScoreHistograms"]

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

    def curves(self) -> tuple[list[Curve], Curve]:
        """Return every group's curve and that of all rows, whose thresholds are the edges."""
        steps = np.append(self.edges[::-1], -np.inf)

        def curve(positives: Floats, negatives: Floats) -> Curve:
            tp, fp = (np.append(0.0, np.cumsum(bins[::-1])) for bins in (positives, negatives))
            return Curve(steps, tp, fp, between=False)

        curves = [curve(p, n) for p, n in zip(self.positives, self.negatives, strict=True)]
        return curves, curve(self.positives.sum(0), self.negatives.sum(0))
