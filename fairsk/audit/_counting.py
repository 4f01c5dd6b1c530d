"""Counting: tables of one model's decisions and scores, of rows that are here or in a frame of any engine."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.columns import as_array, as_floats, refuse_shuffled, value_columns
from fairsk._core.counts import GroupCounts, tabulate
from fairsk._core.engines import Combinations, count_combinations
from fairsk._core.equal_bins import EqualBins
from fairsk._core.factorize import is_missing
from fairsk._core.groups import Grouping, encode_groups
from fairsk._core.histograms import ScoreHistograms, tabulate_bins
from fairsk._core.labels import binary_labels, code_labels
from fairsk._core.messages import show
from fairsk._core.moments import ScoreMoments, tabulate_moments
from fairsk._core.results import Backend, library_of
from fairsk._core.strata import messages_of_strata
from fairsk._core.typing import Bools, Floats, Ints
from fairsk._core.validation import check_weights
from fairsk.audit._median import median_of, split_at_median
from fairsk.audit._unknown import group_value, with_unknown

__all__ = ["count_frame", "count_rows"]

#: The fields of an Evidence, in their order; the last ones may be missing.
Tables: TypeAlias = tuple[Any, ...]

#: Scores further from 0 than this are refused: the sum of their squares must stay a number.
_LARGEST_SCORE = 1e100
#: No more combinations of groups, labels and narrow bins than this come back while the median is looked for.
_MOST_WHILE_ZOOMING = 2**17
#: Into how many narrow bins the one with the median is divided at most.
_NARROW_BINS = 2**10


def count_rows(
    y_true: ArrayLike | None,
    y_pred: ArrayLike | None,
    *,
    sensitive_features: Any,
    y_score: ArrayLike | None,
    sample_weight: ArrayLike | None,
    pos_label: Any,
    strata: Any,
    bins: int,
    with_median: bool,
) -> Tables:
    """Count rows."""
    refuse_shuffled(
        y_true=y_true,
        y_pred=y_pred,
        y_score=y_score,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        strata=strata,
    )
    _require_decisions(y_pred, y_score)
    scores = None if y_score is None else _read_scores(y_score)
    actual, predicted = _read_labels(y_true, y_pred, pos_label, scores)
    n_samples = len(actual)
    weights = check_weights(sample_weight, n_samples)
    within = None
    if strata is not None:
        with messages_of_strata():
            within = encode_groups(with_unknown(value_columns("strata", strata, n_samples)))
    counted = Counted(
        encode_groups(with_unknown(value_columns("sensitive_features", sensitive_features, n_samples))),
        within,
        actual,
        y_true is not None,
        weights,
        None if weights is None else weights**2,
        library_of(sensitive_features, y_true, y_pred, y_score),
    )
    if scores is None:
        assert predicted is not None  # for either is given
        return (counted.decided(predicted),)
    weighed = scores if weights is None else scores[weights > 0]
    equal = _bins_for(float(weighed.min()), float(weighed.max()), bins)
    sums = scores if weights is None else weights * scores
    tables = (
        counted.binned(equal, equal.places(scores), sums),
        counted.moments(equal, sums, sums * scores),
    )
    if predicted is not None and not with_median:
        return counted.decided(predicted), *tables
    median = median_of(scores, weights)
    above = scores > median
    return (
        counted.decided(above if predicted is None else predicted),
        *tables,
        counted.decided(above, by_strata=False),
        median,
        predicted is None,
    )


def count_frame(
    frame: Any,
    columns: Mapping[str, tuple[str, ...]],
    sample_weight: str | None,
    y_score: str | None,
    pos_label: Any,
    bins: int,
    with_median: bool,
) -> Tables:
    """Count the rows of a frame where they are, by the columns that are named for each argument."""
    _require_decisions(columns.get("y_pred"), y_score)
    return FrameQuery(frame, columns, sample_weight, y_score, pos_label, bins, with_median).tables()


@dataclass(frozen=True)
class Counted:
    """Rows, or combinations of values that stand for many rows, of which tables are made."""

    groups: Grouping
    strata: Grouping | None
    actual: Bools
    labelled: bool
    weights: Floats | None
    squares: Floats | None
    library: Backend | None

    def decided(self, positive: Bools, *, by_strata: bool = True) -> GroupCounts:
        """Count the confusion cells of a decision."""
        return tabulate(
            self.actual,
            positive,
            self.groups,
            self.strata if by_strata else None,
            self.weights,
            self.squares,
            labelled=self.labelled,
            library=self.library,
        )

    def binned(self, bins: EqualBins, places: Ints, score_sums: Floats) -> ScoreHistograms:
        """Count the scores in each bin."""
        return tabulate_bins(
            self.groups,
            bins.edges,
            self.actual,
            places,
            self.weights,
            self.squares,
            score_sums,
            labelled=self.labelled,
            library=self.library,
        )

    def moments(self, bins: EqualBins, score_sums: Floats, score_squares: Floats) -> ScoreMoments:
        """Add up scores and their squares; errors, if the scores can be probabilities."""
        scored = self.labelled and (bins.low, bins.high) == (0.0, 1.0)
        actual = self.actual if scored else None
        return tabulate_moments(
            self.groups,
            actual,
            self.weights,
            self.squares,
            score_sums,
            score_squares,
            library=self.library,
        )


@dataclass(frozen=True)
class FrameQuery:
    """The queries that count the rows of a frame."""

    frame: Any
    columns: Mapping[str, tuple[str, ...]]
    sample_weight: str | None
    y_score: str | None
    pos_label: Any
    bins: int
    with_median: bool

    def tables(self) -> Tables:
        """Ask the frame, and make tables of what it says."""
        equal = EqualBins.of_unit(self.bins)
        found = self._count(self.columns, equal if self.y_score else None)
        if self.y_score is not None:
            equal, found = self._rebinned(equal, found)
        labels, decisions = (self._values(found, name) for name in ("y_true", "y_pred"))
        actual, predicted = _read_labels(labels, decisions, self.pos_label, found.rows, rows=found.rows)
        check_weights(found.doubtful, len(actual))
        groups, strata = self._groups(found)
        counted = Counted(
            groups, strata, actual, labels is not None, found.weights, found.squares, library_of(self.frame)
        )
        if self.y_score is None:
            assert predicted is not None  # for either is given
            return (counted.decided(predicted),)
        assert found.bins is not None
        assert found.score_sums is not None
        assert found.score_squares is not None
        tables = (
            # Rows that weigh nothing may have scores outside of all bins.
            counted.binned(equal, np.maximum(found.bins, 0), found.score_sums),
            counted.moments(equal, found.score_sums, found.score_squares),
        )
        if predicted is not None and not self.with_median:
            return counted.decided(predicted), *tables
        median, above = self._above_median(found, counted)
        return (
            above if predicted is None else counted.decided(predicted),
            *tables,
            above.without_strata(),
            median,
            predicted is None,
        )

    def _count(
        self,
        columns: Mapping[str, tuple[str, ...]],
        bins: EqualBins | None,
        between: tuple[float, float] | None = None,
    ) -> Combinations:
        return count_combinations(
            self.frame,
            columns,
            sample_weight=self.sample_weight,
            y_score=self.y_score,
            bins=bins,
            moments=bins is not None,
            between=between,
        )

    def _rebinned(self, equal: EqualBins, found: Combinations) -> tuple[EqualBins, Combinations]:
        """Count again if the scores are not from 0 to 1, in bins that hold them all."""
        assert found.bins is not None
        assert found.lowest is not None
        assert found.highest is not None
        _refuse_missing_scores(float(found.rows[found.bins == -2].sum()), float(found.rows.sum()))
        weighed = found.weights > 0
        if not weighed.any():
            return equal, found  # weights that are all zero are refused later, as for rows
        low, high = float(found.lowest[weighed].min()), float(found.highest[weighed].max())
        covering = _bins_for(low, high, self.bins)
        return covering, found if covering == equal else self._count(self.columns, covering)

    def _values(self, found: Combinations, argument: str) -> Any:
        return found.columns[self.columns[argument][0]] if argument in self.columns else None

    def _groups(self, found: Combinations) -> tuple[Grouping, Grouping | None]:
        groups = encode_groups(with_unknown(found.sensitive(self.columns["sensitive_features"])))
        if "strata" not in self.columns:
            return groups, None
        with messages_of_strata():
            return groups, encode_groups(with_unknown(found.sensitive(self.columns["strata"])))

    def _above_median(self, found: Combinations, counted: Counted) -> tuple[float, GroupCounts]:
        """Return the median and the counts of scores above it, by strata only if these are the decisions."""
        keys = {name: chosen for name, chosen in self.columns.items() if name != "y_pred"}
        if "y_pred" in self.columns:
            keys.pop("strata", None)
        reader = _CodeReader(keys, found, counted)
        narrow = max(2, min(_NARROW_BINS, _MOST_WHILE_ZOOMING // reader.n_combinations))

        def zoom(low: float, high: float) -> Combinations:
            return self._count(keys, EqualBins.covering(low, high, narrow), (low, high))

        split = split_at_median(found, zoom)
        codes = [reader.codes(part) for part, _ in split.parts]
        groups, strata, actual = (np.concatenate(columns) for columns in zip(*codes, strict=True))
        by = counted.strata if "strata" in keys else None
        return split.median, tabulate(
            actual.astype(bool),
            np.concatenate([above for _, above in split.parts]),
            Grouping(counted.groups.names, counted.groups.labels, groups, counted.groups.orders),
            None if by is None else Grouping(by.names, by.labels, strata, by.orders),
            np.concatenate([part.weights for part, _ in split.parts]),
            np.concatenate([part.squares for part, _ in split.parts]),
            labelled=counted.labelled,
            library=counted.library,
        )


class _CodeReader:
    """Reads group, stratum and label of combinations as those of an earlier query were read."""

    def __init__(self, keys: Mapping[str, tuple[str, ...]], first: Combinations, counted: Counted) -> None:
        self._names = list(dict.fromkeys(name for chosen in keys.values() for name in chosen))
        strata = np.zeros_like(counted.groups.codes) if counted.strata is None else counted.strata.codes
        values = zip(counted.groups.codes.tolist(), strata.tolist(), counted.actual.tolist(), strict=True)
        self._codes = dict(zip(self._keys(first), values, strict=True))
        self.n_combinations = len(self._codes)

    def _keys(self, found: Combinations) -> list[tuple[Hashable, ...]]:
        """Return the values of each combination, missing ones as one value that is equal to itself."""
        columns = (list(map(group_value, found.columns[name].tolist())) for name in self._names)
        return list(zip(*columns, strict=True))

    def codes(self, found: Combinations) -> tuple[Ints, Ints, Ints]:
        """Return the codes of the group and the stratum, and whether the label is positive."""
        try:
            codes = [self._codes[key] for key in self._keys(found)]
        except KeyError:
            raise RuntimeError(
                "The rows of the frame changed while they were counted: count a copy."
            ) from None
        columns = np.array(codes, dtype=np.intp).reshape(-1, 3).T
        return columns[0], columns[1], columns[2]


def _require_decisions(y_pred: Any, y_score: Any) -> None:
    if y_pred is None and y_score is None:
        raise ValueError(
            "Give y_pred, the decisions, or y_score, the scores: without both there is nothing to count."
        )


def _read_labels(
    y_true: Any, y_pred: Any, pos_label: Any, alike: Floats | None, *, rows: Floats | None = None
) -> tuple[Bools, Bools | None]:
    """Return which labels and which decisions are positive; ``alike`` is as long as they are to be."""
    predicted: Bools | None = None
    if y_pred is not None:
        actual, predicted = binary_labels(y_true, y_pred, pos_label, rows=rows)
    elif y_true is not None:
        code_labels("y_true", y_true, rows=rows)
        actual, _ = binary_labels(y_true, y_true, pos_label, rows=rows)
    else:
        assert alike is not None  # for either decisions or scores are given
        actual = np.zeros(len(alike), dtype=bool)
    if alike is not None and len(alike) != len(actual):
        raise ValueError(
            f"y_score has {len(alike)} rows where {len(actual)} are expected: inconsistent numbers of "
            "samples."
        )
    if not len(actual):
        raise ValueError("There are no rows: nothing can be counted.")
    return actual, predicted


def _read_scores(y_score: Any) -> Floats:
    values = as_array(y_score)
    if values.dtype == object:  # pandas.NA is no number, and not text either
        values = np.array([np.nan if is_missing(value) else value for value in values.ravel()], dtype=object)
    scores = as_floats("y_score", values)
    if scores.ndim == 2 and scores.shape[1] == 1:
        scores = scores[:, 0]
    if scores.ndim != 1:
        raise ValueError(f"y_score must hold one score per row, got {show(scores)}.")
    _refuse_missing_scores(float(np.count_nonzero(~np.isfinite(scores))), len(scores))
    return scores


def _refuse_missing_scores(n_missing: float, n_samples: float) -> None:
    if n_missing:
        raise ValueError(
            f"y_score is missing or infinite in {n_missing:.0f} of {n_samples:.0f} rows: drop these rows, or "
            "fill in their scores."
        )


def _bins_for(low: float, high: float, bins: int) -> EqualBins:
    """Return bins of the range from 0 to 1 if it holds all scores, else of a range that does."""
    unit = EqualBins.of_unit(bins)
    if low >= unit.low and high <= unit.high:
        return unit
    if max(-low, high) > _LARGEST_SCORE:
        raise ValueError(
            f"y_score holds {max(low, high, key=abs):.3g}: scores further from 0 than {_LARGEST_SCORE:g} "
            "cannot be added up."
        )
    return EqualBins.covering(low, high, bins, finest=bins)
