"""Calibration per group: label rates beside mean scores in bins of scores, and the calibration error."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group
from fairsk._core.histograms import ScoreHistograms
from fairsk._core.results import (
    Backend,
    Result,
    Table,
    library_of,
    number,
    percent,
    read_only,
    row_count,
    with_interval,
)
from fairsk._core.typing import Floats
from fairsk.metrics._scores.grouped import GroupedScores, warn_unmeasured
from fairsk.rates import CELLS, Constraint
from fairsk.statistics._intervals import check_confidence, rate_intervals

__all__ = ["Binned", "CalibrationCurves", "Strategy", "binned_scores", "calibration_curves"]

Strategy: TypeAlias = Literal["uniform", "quantile"]


class Binned(NamedTuple):
    """Scores and labels of every group, and of all rows after them, in bins that all groups share.

    Parameters
    ----------
    edges : array of shape (n_bins - 1,)
        What separates the bins.
    counts : GroupCounts
        The labels of the rows in each bin (a stratum), with no row selected.
    scores, spread : array of shape (n_groups + 1, n_bins)
        Sums of weighted scores, and of squared weights times the variance of a label with that probability.
    """

    edges: Floats
    counts: GroupCounts
    scores: Floats
    spread: Floats

    def errors(self) -> Floats:
        """Return each group's calibration error: how far label rates lie from mean scores, over its rows."""
        gaps = np.abs(self.counts.rate("base_rate") * self.counts.n - self.scores)
        return self._over_rows(np.where(self.counts.n > 0, gaps, 0.0))

    def by_chance(self) -> Floats:
        """Return the error that perfectly calibrated scores would show on average, in about normal bins."""
        # The mean of the absolute value of a normal number is its standard deviation times sqrt(2 / pi).
        return self._over_rows(np.sqrt(2 / np.pi * self.spread))

    def _over_rows(self, parts: Floats) -> Floats:
        n = self.counts.n.sum(1)
        return np.divide(parts.sum(1), n, out=np.full(len(n), np.nan), where=n > 0)


def binned_scores(scores: GroupedScores, n_bins: int, strategy: Strategy) -> Binned:
    """Put the scores of all groups into the same bins."""
    if not scores.have_means:
        raise ValueError(
            "Calibration needs histograms with score_sums: the mean score in each bin is not known."
        )
    if not scores.are_probabilities:
        raise ValueError(
            "Calibration compares scores with label rates and needs probabilities; these scores run from "
            f"{np.nanmin(scores.total.scores):.3g} to {np.nanmax(scores.total.scores):.3g}. "
            "Calibrate the classifier first."
        )
    edges = _edges(scores, n_bins, strategy)
    shape = (len(scores.groups) + 1, len(edges) + 1)
    cells, squares = ({cell: np.zeros(shape) for cell in CELLS} for _ in range(2))
    sums, spread = np.zeros(shape), np.zeros(shape)
    for g, part in enumerate(scores.parts_and_total):
        # Steps fall and bins rise: bin i lies between positions i + 1 and i.
        bounds = np.array([len(part.scores), *part.curve.positions(edges), 0])
        for table, curve in ((cells, part.curve), (squares, part.squares)):
            table["fn"][g], table["tn"][g] = -np.diff(curve.tp[bounds]), -np.diff(curve.fp[bounds])
        score = np.nan_to_num(part.scores)  # of a bin without rows
        total = (part.positives + part.negatives) * score
        squared = part.squared_positives + part.squared_negatives
        label_variance = squared * np.maximum(score * (1 - score), 0.0)
        for i, (end, start) in enumerate(pairwise(bounds)):
            sums[g, i], spread[g, i] = total[start:end].sum(), label_variance[start:end].sum()
    counts = GroupCounts(range(shape[0]), cells, squares, strata=range(shape[1]))
    return Binned(edges, counts, sums, spread)


def _edges(scores: GroupedScores, n_bins: int, strategy: Strategy) -> Floats:
    """Return what separates the bins; for histograms, edges of theirs that are closest."""
    if strategy not in ("uniform", "quantile"):
        raise ValueError(f'strategy must be "uniform" or "quantile"; got {strategy!r}.')
    if int(n_bins) != n_bins or n_bins < 1:
        raise ValueError(f"n_bins must be a whole number from 1; got {n_bins!r}.")
    curve = scores.total.curve
    shares = np.arange(1, n_bins) / n_bins
    if strategy == "quantile":
        # A rising share of all rows has at least the score of each step; the lowest step separates nothing.
        selected = (curve.tp + curve.fp)[1:] / scores.total.n
        quantiles = curve.steps[np.searchsorted(selected, 1 - shares - 1e-12)]
        return np.unique(quantiles[quantiles > curve.steps[-1]])
    if not scores.binned:
        return shares
    cuts = curve.steps[-2::-1]
    return np.unique(cuts[np.abs(cuts - shares[:, None]).argmin(1)]) if len(shares) else shares


@dataclass(frozen=True, eq=False, repr=False)
class CalibrationCurves(Result):
    """Label rates beside mean scores in each bin of scores, for every group. Prints and renders itself.

    Parameters
    ----------
    counts : GroupCounts
        The labels of each group's rows in each bin (a stratum), from the lowest up, with no row selected.
    edges : array of shape (n_bins - 1,)
        What separates the bins, which all groups share: a bin holds the scores from one edge to below the
        next.
    mean_scores : array of shape (n_groups, n_bins)
        The mean score; NaN in a bin without rows.
    errors : array of shape (n_groups,)
        The calibration error of each group: the distance of label rate and mean score of a bin, averaged over
        the group's rows.
    by_chance : array of shape (n_groups,)
        What the error of perfectly calibrated scores would be, on average, on as many rows.
    confidence : float in (0, 1), default=0.95
        The confidence of the intervals.

    Attributes
    ----------
    groups : tuple
        The groups.
    n, label_rates : array of shape (n_groups, n_bins)
        The (weighted) number of rows, and the share of positives among them; NaN in a bin without rows.
    intervals : tuple of two arrays of shape (n_groups, n_bins)
        Wilson intervals of the label rates.

    See Also
    --------
    calibration_curves : What makes it of rows.
    """

    counts: GroupCounts
    edges: Floats
    mean_scores: Floats
    errors: Floats
    by_chance: Floats
    confidence: float = 0.95
    library: Backend | None = field(default=None, repr=False)

    @classmethod
    def from_histograms(
        cls,
        histograms: ScoreHistograms,
        *,
        n_bins: int = 10,
        strategy: Strategy = "uniform",
        confidence: float = 0.95,
    ) -> CalibrationCurves:
        """Make the curves of histograms with ``score_sums``, whose bins are joined to at most ``n_bins``.

        The parameters are those of :func:`calibration_curves`; the edges are those of the histograms that lie
        closest to the ones asked for.

        Examples
        --------
        >>> from fairsk.metrics import CalibrationCurves
        >>> from fairsk.metrics import ScoreHistograms
        >>> table = ScoreHistograms.from_scores(
        ...     [0, 1, 1, 1], [0.2, 0.4, 0.7, 0.9], sensitive_features=list("aaaa"), bins=4)
        >>> CalibrationCurves.from_histograms(table, n_bins=2).label_rates
        array([[0.5, 1. ]])
        """
        return cls._of(GroupedScores.of_histograms(histograms), n_bins, strategy, confidence)

    @classmethod
    def _of(
        cls,
        scores: GroupedScores,
        n_bins: int,
        strategy: Strategy,
        confidence: float,
        library: Backend | None = None,
    ) -> CalibrationCurves:
        check_confidence(confidence)
        binned = binned_scores(scores, n_bins, strategy)
        measured = [part.n > 0 for part in scores.parts]
        warn_unmeasured("calibration", scores.groups, measured, "it has no rows")
        tables = binned.counts.cells, binned.counts.squares
        cells, squares = ({cell: table[cell][:-1] for cell in CELLS} for table in tables)
        counts = GroupCounts(scores.groups, cells, squares, names=scores.names, strata=binned.counts.strata)
        n = counts.n
        means = np.divide(binned.scores[:-1], n, out=np.full_like(n, np.nan), where=n > 0)
        errors, by_chance = binned.errors()[:-1], binned.by_chance()[:-1]
        return cls(counts, binned.edges, means, errors, by_chance, confidence, library)

    @property
    def groups(self) -> tuple[Hashable, ...]:
        """The groups."""
        return self.counts.groups

    @property
    def n(self) -> Floats:
        """The (weighted) number of rows of each group in each bin."""
        return self.counts.n

    @property
    def label_rates(self) -> Floats:
        """The share of positives of each group in each bin."""
        return read_only(self.counts.rate("base_rate"))

    @property
    def intervals(self) -> tuple[Floats, Floats]:
        """Wilson intervals of the label rates."""
        return read_only(rate_intervals(self.counts, "base_rate", self.confidence))

    def gaps(self, min_group_size: float = 30) -> Floats:
        """Return the largest difference between groups in the label rate of each bin.

        It is about 0 where the same score means the same probability in every group (sufficiency).

        Parameters
        ----------
        min_group_size : float, default=30
            Groups with fewer (effective) rows in a bin are left out of its comparison: their rates are noise.

        Returns
        -------
        array of shape (n_bins,)
            Differences; NaN where fewer than two groups are left.
        """
        squares = sum((self.counts.squares[cell] for cell in CELLS), start=np.zeros(1))
        enough = (
            self.n**2 >= min_group_size * squares
        )  # Kish's effective size, n^2 / sum of w^2, without dividing
        cells = {cell: np.where(enough, self.counts.cells[cell], 0.0) for cell in CELLS}
        return Constraint("label_rate", "base_rate").difference(cells)

    def largest_gap(self, min_group_size: float = 30) -> float:
        """Return the largest of :meth:`gaps`; NaN if there is none."""
        gaps = self.gaps(min_group_size)
        return float(np.nanmax(gaps)) if not np.isnan(gaps).all() else float("nan")

    def _tables(self) -> list[Table]:
        names, n_bins = list(map(format_group, self.groups)), len(self.edges) + 1
        lower, upper = [0.0, *self.edges.tolist()], [*self.edges.tolist(), 1.0]
        low, high = self.intervals
        columns: dict[str, list[Any]] = {
            "group": [name for name in names for _ in range(n_bins)],
            "bin_low": lower * len(names),
            "bin_high": upper * len(names),
            "n": self.n.ravel().tolist(),
            "mean_score": self.mean_scores.ravel().tolist(),
            "label_rate": self.label_rates.ravel().tolist(),
            "label_rate_low": low.ravel().tolist(),
            "label_rate_high": high.ravel().tolist(),
        }
        text = {
            "group": columns["group"],
            "scores": [f"{a:.3g} to {b:.3g}" for a, b in zip(lower, upper, strict=True)] * len(names),
            "n": list(map(row_count, columns["n"])),
            "mean_score": list(map(number, columns["mean_score"])),
            "label_rate": list(
                map(with_interval, *(columns[f"label_rate{end}"] for end in ("", "_low", "_high")))
            ),
        }
        summary = {
            "group": names,
            "calibration_error": self.errors.tolist(),
            "calibration_error_by_chance": self.by_chance.tolist(),
        }
        note = f"intervals: {percent(self.confidence)}; by chance: of perfectly calibrated scores, on average"
        return [Table(columns, text, words=["scores"]), Table(summary, notes=[note])]


def calibration_curves(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    n_bins: int = 10,
    strategy: Strategy = "uniform",
    confidence: float = 0.95,
) -> CalibrationCurves:
    """Tabulate label rates beside mean scores, in bins of the score, for every group.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels.
    y_score : array-like of shape (n_samples,)
        Probability of the positive label, from 0 to 1.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
    n_bins : int, default=10
        How many bins.
    strategy : {"uniform", "quantile"}, default="uniform"
        Bins of equal width, or bins that hold about equally many of all rows. Groups share the bins, so that
        they can be compared.
    confidence : float in (0, 1), default=0.95
        The confidence of the Wilson intervals of the label rates.

    Returns
    -------
    CalibrationCurves
        The table.

    Raises
    ------
    ValueError
        If lengths differ, labels or a group value are missing, scores are no probabilities, or the positive
        label cannot be told.

    See Also
    --------
    calibration_error_difference : One number.
    score_metrics : The calibration error of every group.

    Notes
    -----
    In a bin of a calibrated group, the share of positives is the mean score. A bin holds the scores from one
    edge to below the next one, and the last bin 1 as well.

    References
    ----------
    Kleinberg, Mullainathan & Raghavan, Inherent Trade-Offs in the Fair Determination of Risk Scores, ITCS
    2017.

    Examples
    --------
    >>> from fairsk.metrics import calibration_curves
    >>> y_true = [0, 0, 1, 1, 0, 1, 1, 1]
    >>> y_score = [0.2, 0.4, 0.7, 0.9, 0.1, 0.3, 0.6, 0.8]
    >>> print(calibration_curves(y_true, y_score, sensitive_features=list("aaaabbbb"), n_bins=2))
    group  scores    n  mean_score            label_rate
    ----------------------------------------------------
    a      0 to 0.5  2       0.300  0.000 [0.000, 0.658]
    a      0.5 to 1  2       0.800  1.000 [0.342, 1.000]
    b      0 to 0.5  2       0.200  0.500 [0.095, 0.905]
    b      0.5 to 1  2       0.700  1.000 [0.342, 1.000]
    <BLANKLINE>
    group  calibration_error  calibration_error_by_chance
    -----------------------------------------------------
    a                  0.250                        0.235
    b                  0.300                        0.235
    intervals: 95%; by chance: of perfectly calibrated scores, on average
    """
    scores = GroupedScores.of_rows(
        y_true,
        y_score,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        name="calibration_curves",
    )
    library = library_of(sensitive_features, y_true, y_score)
    return CalibrationCurves._of(scores, n_bins, strategy, confidence, library)
