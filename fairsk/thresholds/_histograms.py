"""Thresholds from histograms of scores per group: from counts alone, with a bound on what binning loses."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fairsk._core.bounds import ROUNDING, BoundedConstraint
from fairsk._core.curves import Curve
from fairsk._core.histograms import ScoreHistograms
from fairsk._core.results import Backend, Entries, Result, Table
from fairsk._core.typing import Floats
from fairsk._held_out.objective import FreeObjective, ObjectiveLike, WorstGroupObjective
from fairsk._held_out.report import drop_rounding
from fairsk._held_out.safety_margin import MarginLike
from fairsk._sklearn.compat import validate_parameters
from fairsk.rates import Constraint, Rate, get_rate
from fairsk.thresholds._group_curves import GroupCurves
from fairsk.thresholds._report import ThresholdReport, threshold_report
from fairsk.thresholds._search import Search, Solution, observed_points
from fairsk.thresholds._solvers.problem import OperatingPoints
from fairsk.thresholds._spec import SPEC_PARAMETERS, GroupPolicy, ThresholdSpec, options

__all__ = ["HistogramThresholds", "thresholds_from_histograms"]


#: Ranges of rates are cut into pieces of the length of a bin, on average, divided by this.
_PIECES = 8


@dataclass(frozen=True, eq=False, repr=False)
class HistogramThresholds(Result):
    """The thresholds that histograms gave: rows of a group with a score of at least its own are selected.

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
    library: Backend | None = None

    def _tables(self) -> Sequence[Table | Entries]:
        return self.report._tables()


def thresholds_from_histograms(
    histograms: ScoreHistograms,
    *,
    constraint: str | Constraint | Sequence[str | Constraint] = "demographic_parity",
    max_difference: float | Sequence[float | None] | None = None,
    min_ratio: float | Sequence[float | None] | None = None,
    objective: ObjectiveLike = "accuracy",
    min_rates: Mapping[str | Rate, float] | None = None,
    capacity: float | None = None,
    level_up: bool | float = False,
    policy: GroupPolicy = "auto",
    min_group_size: int = 30,
    margin: MarginLike = 0.0,
) -> HistogramThresholds:
    """Choose a threshold per group from histograms of scores.

    The thresholds are exactly the best ones among the edges. How much better any thresholds on the scores
    themselves could be is bounded, from the counts alone: within a bin, a threshold selects at least the rows
    above the bin and at most those in it too.

    Parameters
    ----------
    histograms : ScoreHistograms
        Counts of held-out rows: rows that the model was not trained on.
    constraint : str, Constraint or list of these, default="demographic_parity"
        Which rates should agree; this and all that follows as in :class:`fairsk.GroupThresholdOptimizer`.
    max_difference : float, list, or None
        Bound on the largest difference of each rate between groups; .05 if there is no ``min_ratio`` either.
    min_ratio : float in [0, 1], list, or None
        Bound on the smallest ratio of each rate between groups.
    objective : str, Rate, dict or callable, default="accuracy"
        What to maximise over all rows, or in the worst group (``"worst_group_accuracy"``).
    min_rates : dict, optional
        What rates must at least be in every group.
    capacity : float in (0, 1], optional
        The largest share of all rows that may be selected.
    level_up : bool or float, default=False
        Whether no group's threshold may be stricter than the overall one, or than this number.
    policy : {"auto", "threshold", "randomized"}, default="auto"
        One threshold per group, a mixture of them, or whichever is better.
    min_group_size : int, default=30
        A group with fewer rows than this in the denominator of a rate is exempt, or borrows.
    margin : {"1se"} or float in [0, 1), default=0
        How far to tighten the bounds so that unseen rows meet them.

    Returns
    -------
    HistogramThresholds
        The thresholds, and what they achieve.

    Raises
    ------
    ValueError
        If the bound cannot be met.

    See Also
    --------
    fairsk.GroupThresholdOptimizer : The same from rows, around a classifier.
    fairsk.metrics.ScoreHistograms : What counts rows per group, label and bin of scores.

    Notes
    -----
    The bound on the loss is the optimum of a relaxed problem in which each bin is a rectangle of cells
    (true and false positives): its best corner counts for the objective, and any rate in it meets the
    bound. Equally filled bins, such as quantiles of all scores, keep it small.

    How many rows weighted histograms stand for is not known: they count by their effective number, the square
    of the sum of weights by the sum of squares, in every bin.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.metrics import ScoreHistograms
    >>> from fairsk.thresholds import thresholds_from_histograms
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
    histograms.check_labels("thresholds_from_histograms")
    parameters: dict[str, Any] = {
        "constraint": constraint,
        "max_difference": max_difference,
        "min_ratio": min_ratio,
        "objective": objective,
        "min_rates": min_rates,
        "capacity": capacity,
        "level_up": level_up,
        "policy": policy,
        "min_group_size": min_group_size,
        "margin": margin,
    }
    allowed = {**SPEC_PARAMETERS, "policy": [options(GroupPolicy)]}
    validate_parameters(allowed, parameters, "thresholds_from_histograms")
    search = Search.prepare(_curves(histograms), ThresholdSpec.from_parameters(**parameters))
    solution = search.choose()
    report = threshold_report(search, solution, pos_label=True, measured_on="held out")
    loss = _binning_loss(search, solution, report)
    report = replace(report, binning_loss=loss, library=histograms.library)
    return HistogramThresholds(dict(report.thresholds), search.overall.threshold, report, histograms.library)


def _curves(histograms: ScoreHistograms) -> GroupCurves:
    curves, everyone = histograms.curves()
    unweighted, squared = histograms.row_curves()[0], histograms.squared_curves()[0]
    return GroupCurves(histograms.names, histograms.groups, curves, unweighted, squared, everyone)


# --- what thresholds between the edges could gain -------------------------------------------------------


def _binning_loss(search: Search, solution: Solution, report: ThresholdReport) -> float | None:
    """Return how much more thresholds between the edges could reach at most; None where that is not known.

    Groups that are exempt keep their threshold.
    """
    objective = search.objective
    if not search.measured or isinstance(objective, FreeObjective):
        return None
    rates = [rate for _, rate in objective.terms] if isinstance(objective, WorstGroupObjective) else []
    if not all(rate.has_fixed_denominator for rate in rates):
        return None
    if not all(rate.is_share for rate in search.spec.rates if not rate.has_fixed_denominator):
        return None
    relaxed = replace(search, points_of=binned_points, distances=solution.margin.distances)
    # A rate is known up to a piece: the bounds are widened by that much.
    widened = tuple(
        BoundedConstraint(each.constraint, replace(each.bound, tolerance=_piece(search) + ROUNDING))
        for each in solution.constraints
    )
    may_mix = "randomized" in (report.policy, search.spec.policy)
    single, mixed = relaxed.best(widened, only_mixtures=search.spec.policy == "randomized")
    best = mixed if may_mix else single
    loss = float("nan") if best is None else float(search.objective.better(best.value, report.value))
    return None if np.isnan(loss) else drop_rounding(loss)


def _piece(search: Search) -> float:
    """Return the length of the pieces into which ranges of rates are cut."""
    return 1 / (_PIECES * max(len(search.curves.weighted[g]) for g in search.measured))


def binned_points(search: Search, group: int) -> tuple[Curve, OperatingPoints]:
    """Return what a group may choose from if any threshold within a bin is allowed: a relaxation.

    Each bin is a rectangle of true and false positives. Its best corner counts for the objective; where its
    rates lie in ranges, each piece of the range is a point of its own, named by its upper end.
    """
    if group not in search.participants.covered:  # between the edges nothing is known of borrowed rows
        return observed_points(search, group)
    curve, piece = search.curves.weighted[group], _piece(search)
    corners = _corners(curve)
    cells = corners.cells
    n_bins = len(corners) // 4
    ranges = [_range(rate, cells, n_bins) for rate in search.spec.rates]
    is_open = curve.steps <= search.requirements.highest
    for rate, least in search.requirements.min_rates.items():
        if search.curves.most_rows(rate)[group] >= search.spec.min_group_size:
            is_open &= _range(rate, cells, n_bins)[1] >= least - ROUNDING
    bins = np.flatnonzero(is_open)
    tops = np.zeros((0, len(bins)))
    for low, high in ranges:  # every combination of pieces of the rates
        n_pieces = np.maximum(1, np.ceil((high - low)[bins] / piece)).astype(np.intp)
        offset = np.concatenate([np.arange(n) for n in n_pieces]) if len(n_pieces) else n_pieces
        bins, tops = np.repeat(bins, n_pieces), np.repeat(tops, n_pieces, axis=1)
        tops = np.vstack([tops, np.maximum(low[bins], high[bins] - offset * piece)])
    position = (4 * bins[:, None] + np.arange(4)).ravel()
    fewest = get_rate("selection_rate").part(cells)[4 * bins]
    points = OperatingPoints(
        position, np.repeat(tops, 4, axis=1), np.zeros(len(position)), np.repeat(fewest, 4)
    )
    return corners, points


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
