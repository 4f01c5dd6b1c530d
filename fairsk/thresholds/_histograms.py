"""Thresholds from counts alone: from histograms of scores per group."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fairsk._core.histograms import ScoreHistograms
from fairsk._held_out.objective import ObjectiveLike
from fairsk._held_out.safety_margin import MarginLike
from fairsk._sklearn.compat import StrOptions, validate_parameters
from fairsk.rates import Constraint, Rate
from fairsk.thresholds._binning import binning_loss
from fairsk.thresholds._choose import choose_rules
from fairsk.thresholds._group_curves import Evidence
from fairsk.thresholds._report import ThresholdReport
from fairsk.thresholds._spec import WISH_CONSTRAINTS, Wishes

__all__ = ["HistogramThresholds", "thresholds_from_histograms"]


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
    objective: ObjectiveLike = "accuracy",
    min_rates: Mapping[str | Rate, float] | None = None,
    capacity: float | None = None,
    level_up: bool | float = False,
    policy: str = "auto",
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

    How many rows weighted histograms stand for is not known: they count by their effective number, the square
    of the sum of weights by the sum of squares, in every bin.

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
    curves, everyone = histograms.curves()
    rows, squares = histograms.row_curves()[0], histograms.squared_curves()[0]
    evidence = Evidence(histograms.names, histograms.groups, curves, rows, squares, everyone)
    chosen = choose_rules(evidence, wishes, True, stacklevel=3)
    report = replace(chosen.report, binning_loss=binning_loss(chosen))
    return HistogramThresholds(dict(report.thresholds), float(chosen.overall.thresholds[0]), report)
