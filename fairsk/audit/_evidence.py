"""Evidence: the tables of counts, bins and moments that a report is made of and can be checked by."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.columns import as_array, as_floats, refuse_shuffled, value_columns
from fairsk._core.counts import GroupCounts, tabulate
from fairsk._core.engines import Combinations, column_names, count_combinations
from fairsk._core.equal_bins import EqualBins
from fairsk._core.factorize import is_missing
from fairsk._core.groups import Grouping, encode_groups, format_group, margin_labels
from fairsk._core.histograms import ScoreHistograms, tabulate_bins
from fairsk._core.labels import binary_labels, code_labels
from fairsk._core.messages import show
from fairsk._core.moments import ScoreMoments, tabulate_moments
from fairsk._core.results import Backend, Record, library_of, read_only
from fairsk._core.strata import messages_of_strata
from fairsk._core.typing import Bools, Floats, Ints
from fairsk._core.validation import check_weights
from fairsk.audit._median import median_of, split_at_median
from fairsk.audit._small_groups import (
    MergedGroups,
    Merger,
    Rule,
    is_merged,
    join_small_bins,
    merge_strata,
    plan_merger,
)
from fairsk.audit._unknown import UNKNOWN, group_value, is_known, with_unknown

__all__ = ["UNKNOWN", "Evidence", "merge_small_groups", "with_unknown"]

#: Scores further from 0 than this are refused: the sum of their squares must stay a number.
_LARGEST_SCORE = 1e100
#: No more combinations of groups, labels and narrow bins than this come back while the median is looked for.
_MOST_WHILE_ZOOMING = 2**17
#: Into how many narrow bins the one with the median is divided at most.
_NARROW_BINS = 2**10


@dataclass(frozen=True, eq=False, repr=False)
class Evidence(Record):
    """Tables of one model's decisions and scores, by the intersections of the sensitive attributes.

    They hold no rows, they grow with the number of groups alone, and tables of disjoint rows add up. A row
    whose value of an attribute is missing belongs to the group :data:`UNKNOWN`. All tables of a report are
    margins of these (:meth:`by`), so that what is merged here (:meth:`merge_small`) cannot be found by
    subtracting one table from another.

    Parameters
    ----------
    counts : GroupCounts
        Confusion cells by intersection, and by stratum if there are control columns.
    histograms : ScoreHistograms, optional
        Scores in bins, with sums of scores. Bins are equal parts of the range from 0 to 1. Other scores have
        bins whose width is a power of two and whose edges are multiples of it, the narrowest that hold all of
        them: the range is rounded outward. ``histograms.edges`` states the edges.
    moments : ScoreMoments, optional
        Sums of scores, of their squares and, with labels and scores from 0 to 1, of squared errors.
    above_median : GroupCounts, optional
        The same rows (without strata), where the decision is whether the score lies strictly above the median
        of all scores.
    median : float, optional
        That median, exactly; weighted if there are weights.
    by_median : bool, default=False
        Whether ``counts`` are of that decision, too, because none was given.

    Raises
    ------
    ValueError
        If the tables are by different groups or attributes.
    """

    counts: GroupCounts
    histograms: ScoreHistograms | None = None
    moments: ScoreMoments | None = None
    above_median: GroupCounts | None = None
    median: float | None = None
    by_median: bool = False

    def __post_init__(self) -> None:
        for name, table in self._tables().items():
            if table.groups != self.counts.groups or table.names != self.counts.names:
                raise ValueError(
                    f"counts and {name} are by different groups or attributes, and so not of the same rows."
                )
        if (self.median is None) != (self.above_median is None):
            raise ValueError("median and above_median come together: one says what the other counts.")
        super().__post_init__()

    @classmethod
    def from_rows(
        cls,
        y_true: ArrayLike | None,
        y_pred: ArrayLike | None,
        *,
        sensitive_features: Any,
        y_score: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        pos_label: Any = None,
        strata: Any = None,
        bins: int = 64,
        with_median: bool = True,
    ) -> Evidence:
        """Count rows.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or None
            Labels; None where there are none.
        y_pred : array-like of shape (n_samples,) or None
            Decisions. None with scores: the decision is whether the score lies above the median.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
            The attributes of each row. What is missing is counted as :data:`UNKNOWN`.
        y_score : array-like of shape (n_samples,), optional
            Finite scores that grow with the probability of the positive label.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, not negative.
        pos_label : label, optional
            The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
        strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            Control columns, by which the counts are broken down too.
        bins : int, default=64
            How many bins the scores have, a power of two.
        with_median : bool, default=True
            Whether it is counted, too, who scores above the median; always without ``y_pred``.

        Returns
        -------
        Evidence
            The tables.

        Raises
        ------
        ValueError
            If labels, decisions or scores are missing (the error says of how many rows), lengths differ, or
            a column looks continuous.
        """
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
        counted = _Counted(
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
            return cls(counted.decided(predicted))
        weighed = scores if weights is None else scores[weights > 0]
        equal = _bins_for(float(weighed.min()), float(weighed.max()), bins)
        sums = scores if weights is None else weights * scores
        tables = (
            counted.binned(equal, equal.places(scores), sums),
            counted.moments(equal, sums, sums * scores),
        )
        if predicted is not None and not with_median:
            return cls(counted.decided(predicted), *tables)
        median = median_of(scores, weights)
        above = scores > median
        return cls(
            counted.decided(above if predicted is None else predicted),
            *tables,
            counted.decided(above, by_strata=False),
            median,
            predicted is None,
        )

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        y_true: str | None = None,
        y_pred: str | None = None,
        sensitive_features: str | Sequence[str],
        y_score: str | None = None,
        sample_weight: str | None = None,
        strata: str | Sequence[str] | None = None,
        pos_label: Any = None,
        bins: int = 64,
        with_median: bool = True,
    ) -> Evidence:
        """Count rows where they are: in a frame, a database or a cluster.

        One query counts them, as :meth:`from_rows` would. Scores that are not from 0 to 1 take a second one,
        for their range is not known before. Of scores some more queries find the median and who lies above
        it, each in a bin a thousand times narrower; what comes back is never more than counts.

        Parameters
        ----------
        frame : frame or table
            Of pandas, polars (lazy too), pyarrow, DuckDB, PySpark, Dask or Ibis.
        y_true, y_pred, y_score, sample_weight : str, optional
            The columns that hold what :meth:`from_rows` takes.
        sensitive_features : str or sequence of str
            The columns of the attributes.
        strata : str or sequence of str, optional
            Control columns.
        pos_label, bins, with_median
            As in :meth:`from_rows`.

        Returns
        -------
        Evidence
            The tables.

        Raises
        ------
        ValueError
            As :meth:`from_rows`; if a column is missing, or there are too many combinations to be groups.
        """
        _require_decisions(y_pred, y_score)
        named = {"y_true": y_true, "y_pred": y_pred}
        columns = {
            argument: column_names(argument, name, single=True)
            for argument, name in named.items()
            if name is not None
        }
        columns["sensitive_features"] = column_names("sensitive_features", sensitive_features)
        if strata is not None:
            columns["strata"] = column_names("strata", strata)
        return _FrameQuery(frame, columns, sample_weight, y_score, pos_label, bins, with_median).evidence()

    @classmethod
    def from_counts(cls, counts: GroupCounts, histograms: ScoreHistograms | None = None) -> Evidence:
        """Take tables that have been counted elsewhere.

        Parameters
        ----------
        counts : GroupCounts
            By the intersections of all attributes.
        histograms : ScoreHistograms, optional
            Of the same rows, by the same attributes.

        Returns
        -------
        Evidence
            The tables; without moments and median, which neither of them tells.

        Raises
        ------
        TypeError
            If these are no such tables.
        ValueError
            If they are not of the same rows.
        """
        if not isinstance(counts, GroupCounts):
            raise TypeError(f"counts must be a GroupCounts, got {type(counts).__name__}.")
        counts = counts.regroup(list(map(_named, counts.groups)), orders=_named_orders(counts.orders))
        if counts.strata is not None:
            counts = merge_strata(counts, list(map(_named, counts.strata)))
        if histograms is None:
            return cls(counts)
        if not isinstance(histograms, ScoreHistograms):
            raise TypeError(f"histograms must be a ScoreHistograms, got {type(histograms).__name__}.")
        labels = list(map(_named, histograms.groups))
        histograms = histograms.regroup(labels, orders=_named_orders(histograms.orders))
        if set(histograms.groups) == set(counts.groups):
            histograms = histograms.take(counts.groups)
        evidence = cls(counts, histograms)
        contradictions = evidence.contradictions()
        if contradictions:
            raise ValueError(f"The tables are not of the same rows: {contradictions[0]}.")
        return evidence

    def _tables(self) -> dict[str, GroupCounts | ScoreHistograms | ScoreMoments]:
        """Return the tables beside the counts, as far as there are any."""
        tables = {"histograms": self.histograms, "moments": self.moments, "above_median": self.above_median}
        return {name: table for name, table in tables.items() if table is not None}

    def _changed(self, change: Callable[[Any], Any], **fields: Any) -> Evidence:
        """Return the evidence whose tables are made of these."""
        tables = {name: change(table) for name, table in self._tables().items()}
        return Evidence(
            **{"counts": change(self.counts), **tables, "median": self.median, "by_median": self.by_median}
            | fields
        )

    def by(self, *attributes: str) -> Evidence:
        """Return the evidence by some of the attributes, the other ones summed out; strata stay.

        Parameters
        ----------
        *attributes : str
            The attributes to keep.

        Raises
        ------
        ValueError
            If there is no such attribute.
        """
        counts = self.counts
        labels = margin_labels(counts.groups, counts.names, attributes, of="by")
        orders = (
            tuple(counts.orders[counts.names.index(name)] for name in attributes) if counts.orders else ()
        )
        return self._changed(lambda table: table.regroup(labels, names=attributes, orders=orders))

    def known(self) -> Evidence:
        """Return the evidence without the groups of which a value is :data:`UNKNOWN`."""
        groups = list(filter(is_known, self.counts.groups))
        return self._changed(lambda table: table.take(groups))

    def comparable(self) -> Evidence:
        """Return the evidence of the groups that can be compared: known ones, and none that is several.

        Small groups that were merged are people of many groups, and a difference from their rate says nothing
        of any of them.
        """
        groups = [group for group in self.counts.groups if is_known(group) and not is_merged(group)]
        return self._changed(lambda table: table.take(groups))

    @property
    def n_unknown(self) -> Mapping[str, float]:
        """The (weighted) number of rows whose value is missing, for each attribute."""
        n = self.counts.without_strata().n
        parts: list[Any] = [group if len(self.counts.names) > 1 else (group,) for group in self.counts.groups]
        return read_only(
            {
                name: float(n[[part[i] == UNKNOWN for part in parts]].sum())
                for i, name in enumerate(self.counts.names)
            }
        )

    def merge_small(self, min_cell: int, rule: Rule = "group") -> tuple[Evidence, MergedGroups]:
        """Merge small intersections into one group, so that no small one can be told from any table.

        The group is called ``"(small groups together)"``, in each attribute. Where there is a small group, at
        least one more joins it, until all together have ``min_cell`` rows. Every published table is a margin
        of the merged one, so that no table minus another gives a merged group. Intersections with a value
        that is unknown take part.

        Parameters
        ----------
        min_cell : int
            The least number of rows of a published group, and, with strata, of a group in a stratum where
            it has any.
        rule : {"group", "cell"}, default="group"
            By ``"group"`` a confusion cell, or a bin of scores, of a large group may hold a single row. By
            ``"cell"`` no confusion cell of a group has 1 to ``min_cell - 1`` rows either, of the decisions
            and of scores above the median, and bins of scores are joined until none has. It merges most of
            what there is unless groups are large. Rows between two decisions, such as those that are selected
            and not above the median, are no cell of either.

        Returns
        -------
        evidence : Evidence
            The tables of which nothing is too small.
        merged : MergedGroups
            What was merged.

        Raises
        ------
        ValueError
            If not even all rows together are enough.
        """
        merged, said = merge_small_groups({"": self}, min_cell, rule)
        return merged[""], said

    def contradictions(self) -> list[str]:
        """Return in which groups the tables cannot be of the same rows; nothing if they agree.

        Tables of rows agree always. What has been read from a file may have been changed there.
        """
        counts = self.counts.without_strata()
        base = _positives(counts)
        found: list[str] = []
        for name, table in self._tables().items():
            numbers = [("rows", counts.n, _rows(table))]
            positives = _positives(table)
            if base is not None and positives is not None:
                numbers.append(("positives", base, positives))
            if counts.labelled != getattr(table, "labelled", counts.labelled):
                found.append(f"counts and {name}: one has labels and the other has none")
            for what, ours, theirs in numbers:
                apart = ~np.isclose(ours, theirs, rtol=1e-9, atol=1e-9)
                for i in np.flatnonzero(apart):
                    group = show(format_group(counts.groups[i]))
                    found.append(
                        f"counts have {ours[i]:.12g} {what} of the group {group}, and {name} {theirs[i]:.12g}"
                    )
        if self.by_median and self.above_median is not None and counts != self.above_median:
            found.append("counts are of scores above the median, and differ from above_median")
        return found

    def __add__(self, other: Evidence) -> Evidence:
        """Combine the evidence of two disjoint sets of rows.

        Histograms with different edges keep those that both have. Two medians tell the median of all rows
        only if they are equal: otherwise the sum has none, and no rows above it.
        """
        if not isinstance(other, Evidence):
            return NotImplemented
        if self.by_median != other.by_median or (self.by_median and self.median != other.median):
            raise ValueError(
                "The decisions of one part are scores above a median that is not that of the other part, so "
                "that they do not add up: count all rows together, or give y_pred."
            )
        both = self.median == other.median
        return Evidence(
            self.counts + other.counts,
            _added_histograms(self.histograms, other.histograms),
            _added(self.moments, other.moments),
            _added(self.above_median, other.above_median) if both else None,
            self.median if both else None,
            self.by_median,
        )

    def __radd__(self, other: int) -> Evidence:
        """Let ``sum(parts)`` start from its 0."""
        return self if other == 0 else NotImplemented

    def __eq__(self, other: object) -> bool:
        """Tell whether two pieces of evidence hold the same tables."""
        if not isinstance(other, Evidence):
            return NotImplemented
        ours, theirs = (
            (part.counts, part.histograms, part.moments, part.above_median, part.median, part.by_median)
            for part in (self, other)
        )
        return ours == theirs

    def to_state(self) -> dict[str, Any]:
        """Return the tables as plain values, fit for JSON; :meth:`from_state` restores them."""
        names = ("histograms", "moments", "above_median")
        tables = self._tables()
        return {
            "counts": self.counts.to_state(),
            **{name: tables[name].to_state() if name in tables else None for name in names},
            "median": self.median,
            "by_median": self.by_median,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Evidence:
        """Restore the tables that :meth:`to_state` wrote."""
        kinds: dict[str, Any] = {
            "histograms": ScoreHistograms,
            "moments": ScoreMoments,
            "above_median": GroupCounts,
        }
        tables = {
            name: None if state[name] is None else kind.from_state(state[name])
            for name, kind in kinds.items()
        }
        return cls(
            GroupCounts.from_state(state["counts"]),
            **tables,
            median=state["median"],
            by_median=state["by_median"],
        )


def merge_small_groups(
    evidence: Mapping[str, Evidence], min_cell: int, rule: Rule = "group"
) -> tuple[dict[str, Evidence], MergedGroups]:
    """Merge small intersections of several models' decisions about the same rows, in all of them alike.

    If each model had its own merged group, the tables of one minus those of another could tell what is in it.

    Parameters
    ----------
    evidence : mapping of str to Evidence
        The tables by model, of the same groups.
    min_cell, rule
        As in :meth:`Evidence.merge_small`.

    Returns
    -------
    evidence : dict of str to Evidence
        The tables of which nothing is too small.
    merged : MergedGroups
        What was merged.

    Raises
    ------
    ValueError
        If the groups differ, or not even all rows together are enough.
    """
    first = next(iter(evidence.values())).counts
    for model, tables in evidence.items():
        if tables.counts.groups != first.groups or tables.counts.strata != first.strata:
            raise ValueError(
                f"The groups (or strata) of {show(model)} are others than those of the first model: small "
                "groups are merged for decisions about the same rows."
            )
    decisions = [
        table
        for tables in evidence.values()
        for table in (tables.counts, tables.above_median)
        if table is not None
    ]
    plan = plan_merger(decisions, min_cell, rule)
    return {model: _merge(tables, plan, min_cell, rule) for model, tables in evidence.items()}, plan.said


def _merge(evidence: Evidence, plan: Merger, min_cell: int, rule: Rule) -> Evidence:
    merged = evidence._changed(lambda table: table.regroup(plan.groups))
    changed: dict[str, Any] = {}
    if plan.strata is not None:
        changed["counts"] = merge_strata(merged.counts, plan.strata)
    if rule == "cell" and merged.histograms is not None:
        changed["histograms"] = join_small_bins(merged.histograms, min_cell)
    return merged._changed(lambda table: table, **changed)


@dataclass(frozen=True)
class _Counted:
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
class _FrameQuery:
    """The queries that count the rows of a frame."""

    frame: Any
    columns: Mapping[str, tuple[str, ...]]
    sample_weight: str | None
    y_score: str | None
    pos_label: Any
    bins: int
    with_median: bool

    def evidence(self) -> Evidence:
        """Ask the frame, and make tables of what it says."""
        equal = EqualBins.of_unit(self.bins)
        found = self._count(self.columns, equal if self.y_score else None)
        if self.y_score is not None:
            equal, found = self._rebinned(equal, found)
        labels, decisions = (self._values(found, name) for name in ("y_true", "y_pred"))
        actual, predicted = _read_labels(labels, decisions, self.pos_label, found.rows, rows=found.rows)
        check_weights(found.doubtful, len(actual))
        groups, strata = self._groups(found)
        counted = _Counted(
            groups, strata, actual, labels is not None, found.weights, found.squares, library_of(self.frame)
        )
        if self.y_score is None:
            assert predicted is not None  # for either is given
            return Evidence(counted.decided(predicted))
        assert found.bins is not None
        assert found.score_sums is not None
        assert found.score_squares is not None
        tables = (
            # Rows that weigh nothing may have scores outside of all bins.
            counted.binned(equal, np.maximum(found.bins, 0), found.score_sums),
            counted.moments(equal, found.score_sums, found.score_squares),
        )
        if predicted is not None and not self.with_median:
            return Evidence(counted.decided(predicted), *tables)
        median, above = self._above_median(found, counted)
        return Evidence(
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

    def _above_median(self, found: Combinations, counted: _Counted) -> tuple[float, GroupCounts]:
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

    def __init__(self, keys: Mapping[str, tuple[str, ...]], first: Combinations, counted: _Counted) -> None:
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


def _named(label: Hashable) -> Hashable:
    """Return a group's label as reports hold it."""
    return tuple(map(group_value, label)) if isinstance(label, tuple) else group_value(label)


def _named_orders(orders: Sequence[Sequence[Hashable] | None]) -> list[list[Hashable] | None]:
    return [order if order is None else list(dict.fromkeys(map(group_value, order))) for order in orders]


def _rows(table: GroupCounts | ScoreHistograms | ScoreMoments) -> Floats:
    """Return the number of rows of each group."""
    if isinstance(table, ScoreHistograms):
        return (table.positives + table.negatives).sum(1)
    return table.n


def _positives(table: GroupCounts | ScoreHistograms | ScoreMoments) -> Floats | None:
    """Return the number of positives of each group, if the table tells it."""
    if isinstance(table, GroupCounts):
        return table.cells["tp"] + table.cells["fn"]
    return table.positives.sum(1) if isinstance(table, ScoreHistograms) else None


def _added(one: Any, two: Any) -> Any:
    """Return the sum of two tables; None if either is missing."""
    return None if one is None or two is None else one + two


def _added_histograms(one: ScoreHistograms | None, two: ScoreHistograms | None) -> ScoreHistograms | None:
    if one is None or two is None:
        return None
    shared = np.intersect1d(one.edges, two.edges)
    return one.coarsen(shared) + two.coarsen(shared) if len(shared) else None
