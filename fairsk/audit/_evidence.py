"""Evidence: the tables of counts, bins and moments that a report is made of and can be checked by."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.amount_sums import judge_of_amounts
from fairsk._core.counts import GroupCounts
from fairsk._core.engines import column_names
from fairsk._core.groups import format_group, margin_labels
from fairsk._core.histograms import ScoreHistograms
from fairsk._core.messages import list_labels, show
from fairsk._core.moments import ScoreMoments
from fairsk._core.results import Record, read_only
from fairsk._core.typing import Floats
from fairsk.audit._counting import count_frame, count_rows
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
from fairsk.rates import get_rate

__all__ = ["UNKNOWN", "Evidence", "merge_small_groups", "with_unknown"]


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
        return cls(
            *count_rows(
                y_true,
                y_pred,
                sensitive_features=sensitive_features,
                y_score=y_score,
                sample_weight=sample_weight,
                pos_label=pos_label,
                strata=strata,
                bins=bins,
                with_median=with_median,
            )
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
        named = {"y_true": y_true, "y_pred": y_pred}
        groups = {"sensitive_features": sensitive_features, "strata": strata}
        columns = {
            argument: column_names(argument, name, single=argument in named)
            for argument, name in (named | groups).items()
            if name is not None
        }
        return cls(*count_frame(frame, columns, sample_weight, y_score, pos_label, bins, with_median))

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
            raise TypeError(
                f"counts must be a GroupCounts, got {type(counts).__name__}.{judge_of_amounts(counts)}"
            )
        if counts.events is not None:
            raise ValueError(
                f"These counts are of {counts.events}, each of which counts every row, and an audit is "
                f"of one decision: take one, counts.stratum(label), of {list_labels(counts.strata or ())}."
            )
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
        return get_rate("true_positive_rate").support(table.cells)
    return table.positives.sum(1) if isinstance(table, ScoreHistograms) else None


def _added(one: Any, two: Any) -> Any:
    """Return the sum of two tables; None if either is missing."""
    return None if one is None or two is None else one + two


def _added_histograms(one: ScoreHistograms | None, two: ScoreHistograms | None) -> ScoreHistograms | None:
    if one is None or two is None:
        return None
    shared = np.intersect1d(one.edges, two.edges)
    return one.coarsen(shared) + two.coarsen(shared) if len(shared) else None
