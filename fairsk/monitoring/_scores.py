"""Scores over time: measures of groups that are no shares of decisions, which are shown and not tested."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from fairsk._core.groups import format_group
from fairsk._core.histograms import ScoreHistograms
from fairsk._core.results import Result, Table
from fairsk._core.typing import Floats
from fairsk.metrics._scores.table import ScoreMetric, ScoreMetrics

__all__ = ["ScoreTimeline", "measure_scores"]

#: What is measured of scores, as far as their histograms hold it.
_UNLABELLED: tuple[ScoreMetric, ...] = ("mean_score",)
_LABELLED: tuple[ScoreMetric, ...] = ("base_rate", "mean_score", "auc", "calibration_error")


@dataclass(frozen=True, eq=False, repr=False)
class ScoreTimeline(Result):
    """Measures of the scores of groups over batches: shown, and not tested.

    Parameters
    ----------
    batches : tuple of str
        The batches.
    groups : tuple
        The groups.
    measures : mapping of str to array of shape (n_batches, n_groups)
        ``"base_rate"``, ``"mean_score"``, ``"auc"`` and ``"calibration_error"``, as far as they were
        measured; NaN where they were not.

    See Also
    --------
    FairnessMonitor.scores : Where it comes from.
    fairsk.plotting.ScoreTimelineDisplay : Draws it.

    Examples
    --------
    >>> from fairsk.monitoring import FairnessMonitor
    >>> monitor = FairnessMonitor("demographic_parity", min_ratio=0.8)
    >>> step = monitor.update_predictions([1, 0, 1, 0], batch="w01", sensitive_features=["a", "a", "b", "b"],
    ...                                   y_score=[0.75, 0.25, 0.5, 0.25])
    >>> monitor.scores.measures["mean_score"].tolist()
    [[0.5, 0.375]]
    """

    batches: tuple[str, ...]
    groups: tuple[Hashable, ...]
    measures: Mapping[str, Floats]

    def _tables(self) -> list[Table]:
        n_groups = len(self.groups)
        columns: dict[str, list[Any]] = {
            "batch": [batch for batch in self.batches for _ in range(n_groups)],
            "group": list(map(format_group, self.groups)) * len(self.batches),
        }
        columns |= {name: values.ravel().tolist() for name, values in self.measures.items()}
        return [Table(columns, words=["group"], notes=["shown, and not tested"])]


def measure_scores(histograms: ScoreHistograms) -> dict[str, dict[Hashable, float]]:
    """Return what histograms say of the scores of each group.

    Parameters
    ----------
    histograms : ScoreHistograms
        The scores of a batch.

    Returns
    -------
    dict of str to dict of group to float
        Each measure of each group; NaN where a group has too little to be measured on.
    """
    names = _LABELLED if histograms.labelled else _UNLABELLED
    if histograms.score_sums is None:
        names = tuple(name for name in names if name in ("base_rate", "auc"))
    if not names:
        return {}
    if not histograms.labelled:  # a mean looks at no label, so it does not matter which ones rows are given
        histograms = ScoreHistograms(
            histograms.groups,
            histograms.edges,
            histograms.positives,
            histograms.negatives,
            score_sums=histograms.score_sums,
            names=histograms.names,
        )
    with warnings.catch_warnings():  # a group without a label of one kind is a gap in the timeline, no news
        warnings.simplefilter("ignore", UserWarning)
        table = ScoreMetrics.from_histograms(histograms, metrics=names, confidence=None)
    return {name: dict(zip(table.groups, table.values[name].tolist(), strict=True)) for name in names}
