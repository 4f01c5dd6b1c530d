"""Sorted scores: the cumulative counts of every group by score, from rows or from histograms."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.columns import as_floats, refuse_shuffled, value_columns
from fairsk._core.counts import GroupCounts
from fairsk._core.curves import Curve, sorted_curves
from fairsk._core.groups import Grouping, check_reference_given, encode_groups, list_groups, position_of
from fairsk._core.histograms import ScoreHistograms
from fairsk._core.labels import binary_labels, require_labels
from fairsk._core.typing import Bools, Floats, Ints
from fairsk._core.validation import check_choice, check_weights
from fairsk._core.warnings import warn_user
from fairsk.rates import Method

__all__ = [
    "GroupedScores",
    "ScoredRows",
    "SortedScores",
    "baseline_position",
    "check_reference",
    "compared_parts",
    "measured_pairs",
    "read_rows",
    "smallest_ratio",
    "warn_unmeasured",
]

#: By how much a probability may miss its range: the mean of a bin of ones is not exactly 1.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class SortedScores:
    """The rows of one group at each of its distinct scores, or bins of scores, from the highest down.

    Parameters
    ----------
    curve : Curve
        Weights, added up from the highest score down.
    squares : Curve
        Squared weights, added up likewise; the same curve if rows are not weighted.
    scores : array of shape (n_steps,)
        The (mean) score of the rows at each step; NaN where it is not known.
    binned : bool, default=False
        Whether a step is a bin, whose rows differ in score, and not one score.
    """

    curve: Curve
    squares: Curve
    scores: Floats
    binned: bool = False

    @cached_property
    def positives(self) -> Floats:
        """The weight of the positives at each step."""
        return np.diff(self.curve.tp)

    @cached_property
    def negatives(self) -> Floats:
        """The weight of the negatives at each step."""
        return np.diff(self.curve.fp)

    @cached_property
    def squared_positives(self) -> Floats:
        """The squared weights of the positives at each step."""
        return self.positives if self.squares is self.curve else np.diff(self.squares.tp)

    @cached_property
    def squared_negatives(self) -> Floats:
        """The squared weights of the negatives at each step."""
        return self.negatives if self.squares is self.curve else np.diff(self.squares.fp)

    @property
    def n(self) -> float:
        """The (weighted) number of rows."""
        return float(self.curve.tp[-1] + self.curve.fp[-1])

    @property
    def has_both_labels(self) -> bool:
        """Whether there are positives and negatives."""
        return bool(self.curve.tp[-1] > 0 and self.curve.fp[-1] > 0)


class ScoredRows(NamedTuple):
    """Scores, labels, groups and weights of rows, checked."""

    scores: Floats
    actual: Bools
    groups: Grouping
    weights: Floats | None


def read_rows(
    y_true: ArrayLike | None,
    y_score: ArrayLike,
    sensitive_features: Any,
    sample_weight: ArrayLike | None,
    pos_label: Any,
    *,
    name: str | None,
) -> ScoredRows:
    """Read scores, labels, groups and weights of a metric, whose name an error about labels bears.

    A metric that does not depend on the labels gives no name: without labels all rows count as negatives.
    """
    if name is not None:
        require_labels(name, y_true)
    refuse_shuffled(
        y_true=y_true, y_score=y_score, sensitive_features=sensitive_features, sample_weight=sample_weight
    )
    scores = as_floats("y_score", y_score)
    if scores.ndim == 2 and scores.shape[1] == 2:
        raise ValueError("y_score has two columns: pass the one of the positive label, y_score[:, 1].")
    if scores.ndim == 2 and scores.shape[1] > 2:
        raise ValueError(
            f"y_score has {scores.shape[1]} columns, and is to be scores of one class: pass its column, and "
            "name it with pos_label=. Of decisions between several classes, "
            "fairsk.metrics.multiclass_disparity compares each, and one_vs_rest_counts counts it."
        )
    if y_true is None:
        actual = np.zeros(len(scores) if scores.ndim else 0, dtype=bool)
    else:
        actual, _ = binary_labels(y_true, y_true, pos_label)
    if scores.shape != actual.shape or not scores.size or not np.isfinite(scores).all():
        raise ValueError(f"y_score must hold {len(actual) or 'some'} finite scores, one per row.")
    weights = check_weights(sample_weight, len(actual))
    groups = encode_groups(value_columns("sensitive_features", sensitive_features, len(actual)))
    return ScoredRows(scores, actual, groups, weights)


@dataclass(frozen=True, eq=False)
class GroupedScores:
    """The sorted scores of every group, and of all rows together.

    Parameters
    ----------
    names : tuple of str
        What the sensitive attributes are called.
    groups : tuple
        The groups.
    parts : list of SortedScores
        One per group.
    total : SortedScores
        All rows.
    """

    names: tuple[str, ...]
    groups: tuple[Hashable, ...]
    parts: list[SortedScores]
    total: SortedScores

    @classmethod
    def of_rows(
        cls,
        y_true: ArrayLike | None,
        y_score: ArrayLike,
        *,
        sensitive_features: Any,
        sample_weight: ArrayLike | None = None,
        pos_label: Any = None,
        name: str | None = "A score metric",
    ) -> GroupedScores:
        """Sort the scores of rows, once; ``name`` is that of the metric, None if it needs no labels."""
        rows = read_rows(y_true, y_score, sensitive_features, sample_weight, pos_label, name=name)
        return cls.of_groups(rows.scores, rows.actual, rows.groups, rows.weights)

    @classmethod
    def of_groups(
        cls, scores: Floats, actual: Bools, groups: Grouping, weights: Floats | None = None
    ) -> GroupedScores:
        """Sort the scores of rows that have been read, once."""
        weightings = [None] if weights is None else [weights, weights**2]
        curves_by_weight = sorted_curves(scores, actual, groups.codes, len(groups.labels), weightings)
        (curves, all_curve), (squares, all_squares) = curves_by_weight[0], curves_by_weight[-1]
        return cls(
            groups.names,
            groups.labels,
            [SortedScores(curve, square, curve.steps) for curve, square in zip(curves, squares, strict=True)],
            SortedScores(all_curve, all_squares, all_curve.steps),
        )

    @classmethod
    def of_histograms(cls, histograms: ScoreHistograms) -> GroupedScores:
        """Take the bins of histograms for steps."""
        histograms.check_labels("A score metric of histograms")
        (curves, all_curve), (squares, all_square) = histograms.curves(), histograms.squared_curves()
        sums = histograms.score_sums
        table = np.full_like(histograms.positives, np.nan) if sums is None else sums

        def part(curve: Curve, square: Curve, score_sums: Floats) -> SortedScores:
            n = np.diff(curve.tp) + np.diff(curve.fp)
            means = np.full(len(n), np.nan)  # NaN for a bin without rows
            # Bins rise, and steps fall from the highest score down.
            np.divide(score_sums[::-1], n, out=means, where=n > 0)
            return SortedScores(curve, square, means, binned=True)

        parts = [part(*columns) for columns in zip(curves, squares, table, strict=True)]
        return cls(histograms.names, histograms.groups, parts, part(all_curve, all_square, table.sum(0)))

    @property
    def parts_and_total(self) -> list[SortedScores]:
        """The groups, and all rows after them."""
        return [*self.parts, self.total]

    @property
    def binned(self) -> bool:
        """Whether they come from histograms, in which the rows of a bin cannot be told apart."""
        return self.total.binned

    @property
    def have_means(self) -> bool:
        """Whether steps have (mean) scores, and not only the edges of their bins."""
        return not np.isnan(self.total.scores).all()

    @property
    def are_probabilities(self) -> bool:
        """Whether all scores lie between 0 and 1, but for rounding."""
        lowest, highest = np.nanmin(self.total.scores), np.nanmax(self.total.scores)
        return bool(lowest >= -_ROUNDING and highest <= 1 + _ROUNDING)

    def labels(self) -> GroupCounts:
        """Return the counts of the labels, with no row selected; the last group is all rows."""

        def table(curves: Sequence[Curve]) -> dict[str, Floats]:
            tables = [curve.at(0) for curve in curves]
            return {cell: np.array([cells[cell] for cells in tables]) for cell in tables[0]}

        return GroupCounts(
            range(len(self.groups) + 1),
            table([part.curve for part in self.parts_and_total]),
            table([part.squares for part in self.parts_and_total]),
        )


def baseline_position(groups: Sequence[Hashable], method: Method, reference: Hashable) -> int | None:
    """Return the position of the reference group, that of all rows behind the groups, or None for all pairs.

    A reference that is named is meant, so that ``method="to_reference"`` need not be said.
    """
    check_choice("method", method, Method)
    if method != "between_groups":
        check_reference_given(method, reference, groups)
    return len(groups) if method == "to_overall" else check_reference(groups, reference)


def compared_parts(
    scores: GroupedScores,
    measured: Sequence[bool],
    reference: Hashable,
    method: Method,
    *,
    name: str,
    reason: str,
) -> tuple[list[SortedScores], SortedScores | None] | None:
    """Return the groups that can be measured, and what each is compared with (None: each other).

    Groups that cannot be measured are passed over with a warning that names them. None if fewer than two
    are left, or the reference is not one of them.
    """
    position = baseline_position(scores.groups, method, reference)
    warn_unmeasured(name, scores.groups, measured, reason, fewest=2)
    parts = [part for part, is_measured in zip(scores.parts, measured, strict=True) if is_measured]
    if position is None:
        return (parts, None) if len(parts) > 1 else None
    if position == len(scores.groups):
        return (parts, scores.total) if len(parts) > 1 else None
    others = [part for part in parts if part is not scores.parts[position]]
    return (others, scores.parts[position]) if others and measured[position] else None


def measured_pairs(groups: Sequence[Hashable], values: Floats, reference: Hashable) -> tuple[Ints, Ints]:
    """Return the places of both sides of all pairs of groups with a value, or of those with the reference."""
    position = check_reference(groups, reference)
    first, second = np.triu_indices(len(groups), 1)
    selected = ~np.isnan(values[first] + values[second])
    if position is not None:
        selected &= (first == position) | (second == position)
    return first[selected], second[selected]


def smallest_ratio(metric: str, first: Floats, second: Floats) -> float:
    """Return the smallest ratio of the smaller to the larger value of a pair; two values of 0 agree."""
    if not len(first):
        return float("nan")
    smaller, larger = np.minimum(first, second), np.maximum(first, second)
    if (smaller < 0).any():
        raise ValueError(f"The ratio of {metric} is not defined: some are negative. Use the difference.")
    return float(np.divide(smaller, larger, out=np.ones_like(larger), where=larger > 0).min())


def check_reference(groups: Sequence[Hashable], reference: Hashable) -> int | None:
    """Return the position of the reference group; None stands for all pairs."""
    return None if reference is None else position_of(reference, groups)


def warn_unmeasured(
    name: str, groups: Sequence[Hashable], measured: Sequence[bool], reason: str, *, fewest: int = 0
) -> None:
    """Warn of groups that cannot be measured, and of fewer than are needed."""
    unmeasured = [group for group, is_measured in zip(groups, measured, strict=True) if not is_measured]
    parts = []
    if unmeasured:
        parts += [
            f"{name} cannot be measured for: {list_groups(unmeasured)} ({reason}). "
            "Comparisons pass over them."
        ]
    if sum(measured) < fewest:
        parts += [f"Fewer than two groups can be compared: {name} gives NaN."]
    if parts:
        warn_user(" ".join(parts))
