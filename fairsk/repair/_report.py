"""What was erased: the rank, the size of the edit, and what features tell linearly before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fairsk._core.messages import shorten
from fairsk._core.results import Entries, Result, Table, number, row_count
from fairsk._core.typing import Floats
from fairsk.repair._moments.groups import GroupMoments
from fairsk.repair._moments.moments import FeatureMoments
from fairsk.repair._projection import Whitener, feature_scale

__all__ = ["ErasureReport", "report_erasure"]


@dataclass(frozen=True, eq=False, repr=False)
class ErasureReport(Result):
    """What an eraser took out of the features, on the rows that it was fitted on.

    Parameters
    ----------
    rank : int
        How many directions were taken out of the features; for ``aware``, along how many group means were
        moved.
    n_features : int
        How many features there are.
    edit : float
        How far features were moved, in standard deviations: the root of the mean over rows and features.
    feature_edits : array of shape (n_features,)
        The same for each feature.
    shrinkage : float or None
        How far the correlations of the features were shrunk, if the metric has them.
    before, after : dict of str to array
        Canonical correlations of the features, before and after, with the groups (``"groups"``; of a
        continuous attribute ``"attribute"``); where labels were given also with the groups within labels
        (``"groups within labels"``), and with the labels. The largest one is the correlation of the best
        linear predictor, fitted on these rows, with what it predicts; its square is that predictor's R2. With
        fewer rows than features a predictor fits any rows, and all are 1.
    smallest : tuple of str and float, or None
        The smallest group (within labels the smallest one of group and label), and how many rows it counts.
        The means of new rows of a group lie apart by the sampling error of that many rows. None for a
        continuous attribute.
    within_label : bool
        Whether groups were made alike within labels, which leaves what the labels tell of them.
    n : float
        The (weighted) number of rows.

    See Also
    --------
    ConceptEraser : What makes it, as ``erased_``.
    """

    rank: int
    n_features: int
    edit: float
    feature_edits: Floats = field(repr=False)
    shrinkage: float | None
    before: Mapping[str, Floats]
    after: Mapping[str, Floats]
    smallest: tuple[str, float] | None
    within_label: bool
    n: float

    def _tables(self) -> list[Table | Entries]:
        lines = [
            ("taken out", f"{self.rank} of {self.n_features} directions"),
            (
                "edit",
                f"{number(self.edit)} standard deviations per feature (root mean square), at most "
                f"{number(float(self.feature_edits.max(initial=0.0)))}",
            ),
        ]
        if self.shrinkage is not None:
            lines.append(("shrinkage", f"{number(self.shrinkage)} of the correlations"))
        if self.smallest is not None:
            name, size = self.smallest
            lines.append(("smallest", f"{shorten(name)}, {row_count(size)} rows"))
        columns: dict[str, list[Any]] = {
            "told of": list(self.before),
            "before": [_largest(self.before[name]) for name in self.before],
            "after": [_largest(self.after[name]) for name in self.before],
        }
        table = Table(
            columns,
            caption="Largest canonical correlation of the features with",
            notes=self._notes(),
            words=["told of"],
        )
        return [Entries(lines), table]

    def _notes(self) -> list[str]:
        notes = ["Linear predictors only: a tree, a net or neighbours may still find what is left."]
        if self.within_label:
            notes.append("Within labels groups are alike; what the labels tell of them is left.")
        if self.n <= self.n_features:
            notes.append("There are not more rows than features: a linear predictor fits any such rows.")
        return notes


def report_erasure(
    before: FeatureMoments,
    after: FeatureMoments,
    removed: Floats,
    *,
    rank: int,
    shrinkage: float | None,
    within_label: bool,
) -> ErasureReport:
    """Return the report of an erasure.

    Parameters
    ----------
    before, after : FeatureMoments
        The moments of the features.
    removed : array of shape (n_features,)
        The variance of what was subtracted from each feature.
    rank : int
        How many directions were taken out.
    shrinkage : float or None
        Of the metric.
    within_label : bool
        Whether groups were made alike within labels.
    """
    scale, varies = feature_scale(before)
    edits = np.sqrt(np.maximum(removed, 0)) / scale
    edits[~varies] = 0
    return ErasureReport(
        rank,
        len(scale),
        float(np.sqrt(np.mean(edits**2))),
        edits,
        shrinkage,
        _told(before, scale, varies),
        _told(after, scale, varies),
        _smallest(before, within_label),
        within_label,
        before.n,
    )


def _smallest(moments: FeatureMoments, within_label: bool) -> tuple[str, float] | None:
    """Return the smallest group, or cell of group and label, that has any rows."""
    if not isinstance(moments, GroupMoments):
        return None
    weights = moments.weights.ravel() if within_label else moments.weights.sum(1)
    weights = weights[weights > 0]
    place = int(weights.argmin())
    return moments.columns(within_label=within_label)[place], float(weights[place])


def _told(moments: FeatureMoments, scale: Floats, varies: np.ndarray) -> dict[str, Floats]:
    """Return the canonical correlations of features with groups and labels."""
    matrix = moments.covariance()[np.ix_(varies, varies)] / np.outer(scale[varies], scale[varies])
    whitener = Whitener.of(matrix)
    name = "groups" if isinstance(moments, GroupMoments) else "attribute"
    columns = {name: moments.between(within_label=False)}
    if moments.has_labels:
        columns[f"{name} within labels"] = moments.between(within_label=True)
        columns["labels"] = moments.between_labels()
    return {
        what: _singular_values(whitener.whiten(told[varies] / scale[varies, None]))
        for what, told in columns.items()
    }


def _singular_values(columns: Floats) -> Floats:
    """Return the singular values, which rounding may not lift above 1."""
    return np.minimum(np.linalg.svd(columns, compute_uv=False), 1.0) if columns.size else np.zeros(0)


def _largest(correlations: Floats) -> float:
    return float(correlations.max(initial=0.0))
