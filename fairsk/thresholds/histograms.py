"""Thresholds from counts alone: histograms of scores per group, which any engine can make in one pass."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairsk._sklearn import StrOptions, validate_parameters
from fairsk.counts import check_weights
from fairsk.groups import encode_groups, sensitive_columns, sort_labels
from fairsk.labels import binary_labels
from fairsk.rates import Constraint, Rate
from fairsk.thresholds.choices import Choices
from fairsk.thresholds.choose import WISH_CONSTRAINTS, ChosenRules, Wishes, choose_rules
from fairsk.thresholds.curves import Curve
from fairsk.thresholds.evidence import Evidence
from fairsk.thresholds.limits import ROUNDING
from fairsk.thresholds.objective import Goal, Objective
from fairsk.thresholds.report import ThresholdReport
from fairsk.thresholds.search import Search

__all__ = ["HistogramThresholds", "ScoreHistograms", "thresholds_from_histograms"]

Floats = NDArray[np.float64]

#: Ranges of rates are cut into pieces of the length of a bin, on average, divided by this.
_PIECES = 8


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
    report = replace(chosen.report, binning_loss=_binning_loss(chosen))
    return HistogramThresholds(dict(report.thresholds), float(chosen.overall.thresholds[0]), report)


# --- what finer thresholds could gain ------------------------------------------------------------------


def _binning_loss(chosen: ChosenRules) -> float | None:
    """Return how much more thresholds between the edges could reach at most; None where that is not known.

    Groups that are exempt keep their threshold.
    """
    search, report = chosen.search, chosen.report
    if not search.measured or not isinstance(search.objective, Objective):
        return None
    relaxed = _RelaxedSearch(*(getattr(search, field.name) for field in fields(search)))
    if not all(rate.is_share for rate in relaxed.rates if not rate.has_fixed_denominator):
        return None
    widened = tuple(replace(bound, slack=relaxed.piece + ROUNDING) for bound in chosen.bounds)
    best = relaxed.best(widened)
    found = best.mixed if report.policy == "randomized" else best.single
    if found is None:  # rounding: the chosen thresholds are among the relaxed ones
        return None
    return max(0.0, float(search.objective.better(found.value, report.value)))


@dataclass(frozen=True)
class _RelaxedSearch(Search):
    """The search over whole bins: each is a rectangle of true and false positives.

    A bin's best corner counts for the objective; where its rates lie in ranges, each piece of the range is a
    choice of its own, named by its upper end, and the bounds are widened by the length of a piece.
    """

    @property
    def piece(self) -> float:
        """Into pieces of which length ranges of rates are cut."""
        return 1 / (_PIECES * max(len(self.evidence.curves[g]) for g in self.measured))

    @cached_property
    def _curves(self) -> list[Curve]:
        """Every group's corners, four per bin; the last one is that of selecting everybody."""
        return [_corners(self.evidence.curves[g]) for g in self.measured]

    @cached_property
    def _choices(self) -> list[Choices]:
        return [self._pieces(g, curve) for g, curve in zip(self.measured, self._curves, strict=True)]

    def _pieces(self, group: int, corners: Curve) -> Choices:
        cells = corners.cells
        n_bins = len(corners) // 4
        ranges = [self._range(rate, cells, n_bins) for rate in self.rates]
        is_open = np.ones(n_bins, dtype=bool)
        highest = self.requirements.level_up
        if not isinstance(highest, bool):
            is_open &= self.evidence.curves[group].steps <= highest
        for rate, least in self.requirements.min_rates.items():
            if self.evidence.most_rows(rate)[group] >= self.min_group_size:
                is_open &= self._range(rate, cells, n_bins)[1] >= least - ROUNDING
        bins = np.flatnonzero(is_open)
        tops = np.zeros((0, len(bins)))
        for low, high in ranges:
            counts = np.maximum(1, np.ceil((high - low)[bins] / self.piece)).astype(np.intp)
            offset = np.concatenate([np.arange(count) for count in counts]) if len(counts) else counts
            bins, tops = np.repeat(bins, counts), np.repeat(tops, counts, axis=1)
            tops = np.vstack([tops, np.maximum(low[bins], high[bins] - offset * self.piece)])
        position = (4 * bins[:, None] + np.arange(4)).ravel()
        fewest = (cells["tp"] + cells["fp"])[4 * bins]
        return Choices(position, np.repeat(tops, 4, axis=1), np.zeros(len(position)), np.repeat(fewest, 4))

    @staticmethod
    def _range(rate: Rate, cells: Mapping[str, Floats], n_bins: int) -> tuple[Floats, Floats]:
        """Return the least and the greatest value that a rate may have in each bin: those of its corners."""
        values = rate(cells).reshape(n_bins, 4)
        undefined = np.isnan(values).any(1)  # next to a corner with nothing to divide by, it may be anything
        return np.where(undefined, 0.0, values.min(1)), np.where(undefined, 1.0, values.max(1))


def _corners(curve: Curve) -> Curve:
    """Return the corners of every bin, as a curve: fewest of both, most positives, most negatives, most."""
    tp, fp = curve.tp, curve.fp
    tps = np.stack([tp[:-1], tp[1:], tp[:-1], tp[1:]], axis=1).ravel()
    fps = np.stack([fp[:-1], fp[:-1], fp[1:], fp[1:]], axis=1).ravel()
    return Curve(np.repeat(curve.steps, 4)[1:], tps, fps, between=False)
