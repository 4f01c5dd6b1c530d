"""Histograms of scores per group: counts that any engine can make in one pass, and that add up."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.columns import Orders, as_floats, refuse_shuffled, value_columns
from fairsk._core.counts import GroupCounts, sum_rows
from fairsk._core.curves import Curve
from fairsk._core.engines import column_names, count_combinations
from fairsk._core.equal_bins import EqualBins
from fairsk._core.groups import (
    Grouping,
    encode_groups,
    format_group,
    join_groups,
    margin_labels,
    merge_orders,
    order_labels,
    places_of,
)
from fairsk._core.labels import binary_labels, no_labels, require_labels
from fairsk._core.messages import list_texts, show
from fairsk._core.results import Backend, Result, Table, library_of, row_count
from fairsk._core.typing import Bools, Floats, Ints
from fairsk._core.validation import check_weights, plain_labels, plain_orders, read_labels, read_orders

__all__ = ["ScoreHistograms", "tabulate_bins"]


LABELS = ("positives", "negatives")


@dataclass(frozen=True, init=False, eq=False, repr=False)
class ScoreHistograms(Result):
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
    squares : mapping of str to array-like of shape (n_groups, n_bins), optional
        Sums of squared weights of ``positives`` and ``negatives``, for honest intervals; equal to the
        counts for unweighted rows.
    score_sums : array-like of shape (n_groups, n_bins), optional
        Sums of weight times score, for calibration.
    names : sequence of str, optional
        What the sensitive attributes are called.
    labelled : bool, default=True
        Whether the rows had labels. Without labels all rows are counted as negatives.
    library : {"pandas", "polars", "pyarrow"}, optional
        The library of the data, in which :meth:`frame` and what is made of the counts come.
    orders : sequence of sequences or None, optional
        For each sensitive attribute the values that it may have in their order, or None, as in
        :class:`GroupCounts`.

    See Also
    --------
    GroupCounts : Counts at one threshold.
    fairsk.thresholds.thresholds_from_histograms : The best thresholds of histograms.

    Examples
    --------
    >>> from fairsk.metrics import ScoreHistograms
    >>> monday = ScoreHistograms(["a", "b"], [0.5], [[1, 3], [2, 2]], [[4, 0], [3, 1]])
    >>> (monday + monday).positives
    array([[2., 6.],
           [4., 4.]])
    """

    groups: tuple[Hashable, ...]
    edges: Floats
    positives: Floats
    negatives: Floats
    squares: Mapping[str, Floats]
    score_sums: Floats | None
    names: tuple[str, ...]
    labelled: bool
    library: Backend | None
    orders: Orders

    def __init__(
        self,
        groups: Sequence[Hashable],
        edges: ArrayLike,
        positives: ArrayLike,
        negatives: ArrayLike,
        *,
        squares: Mapping[str, ArrayLike] | None = None,
        score_sums: ArrayLike | None = None,
        names: Sequence[str] = ("sensitive_features",),
        labelled: bool = True,
        library: Backend | None = None,
        orders: Sequence[Sequence[Hashable] | None] = (),
    ) -> None:
        cuts = _check_edges(edges)
        if len(set(groups)) < len(groups):
            raise ValueError("A group is listed twice: labels must be distinct.")
        counts = {"positives": positives, "negatives": negatives}
        if squares is not None and set(squares) != set(LABELS):
            got = list_texts(map(str, squares))
            raise ValueError(f"squares must hold {' and '.join(LABELS)}; got {got}.")
        tables, second = (
            {label: np.array(source[label], dtype=float) for label in LABELS}  # copies, for they may change
            for source in (counts, counts if squares is None else squares)
        )
        sums = None if score_sums is None else np.array(score_sums, dtype=float)
        shape = (len(groups), len(cuts) + 1)
        every = [*tables.values(), *second.values(), *([] if sums is None else [sums])]
        if any(table.shape != shape for table in every):
            raise ValueError(
                f"positives, negatives, squares and score_sums must have the shape {shape}: a row per group, "
                f"and one bin more than edges. Got {', '.join(str(table.shape) for table in every)}."
            )
        if not all(np.isfinite(table).all() and (table >= 0).all() for table in every[:4]):
            raise ValueError("Counts must be finite and not negative.")
        if sums is not None and not np.isfinite(sums).all():
            raise ValueError("score_sums must be finite.")
        if not labelled and tables["positives"].any():
            raise ValueError("Histograms without labels have no positives: all rows count as negatives.")
        self._set(
            groups=tuple(groups),
            edges=cuts,
            **tables,
            squares=second,
            score_sums=sums,
            names=tuple(names),
            labelled=labelled,
            library=library,
            orders=tuple(order if order is None else tuple(order) for order in orders),
        )

    @classmethod
    def from_scores(
        cls,
        y_true: ArrayLike,
        y_score: ArrayLike,
        *,
        sensitive_features: Any,
        edges: ArrayLike | None = None,
        bins: int = 1024,
        sample_weight: ArrayLike | None = None,
        pos_label: Any = None,
    ) -> ScoreHistograms:
        """Count the scores of rows.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Labels.
        y_score : array-like of shape (n_samples,)
            Finite scores that grow with the probability of the positive label; from 0 to 1 without ``edges``.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
            The group of each row; several columns make an intersection.
        edges : array-like of shape (n_bins - 1,), optional
            What separates the bins; the same for all tables that are to be added.
        bins : int, default=1024
            Without ``edges``: how many equal bins divide the range from 0 to 1, a power of two.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row.
        pos_label : label, optional
            The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.

        Returns
        -------
        ScoreHistograms
            The table of counts.

        Raises
        ------
        ValueError
            If there are no labels, scores are missing or outside the range, or ``bins`` is no power of two.

        Examples
        --------
        >>> from fairsk.metrics import ScoreHistograms
        >>> table = ScoreHistograms.from_scores(
        ...     [1, 0, 1], [0.9, 0.3, 0.2], sensitive_features=["a", "a", "b"], bins=4)
        >>> table.edges.tolist(), table.positives.tolist()
        ([0.25, 0.5, 0.75], [[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]])
        """
        require_labels("ScoreHistograms", y_true)
        refuse_shuffled(
            y_true=y_true, y_score=y_score, sensitive_features=sensitive_features, sample_weight=sample_weight
        )
        actual, _ = binary_labels(y_true, y_true, pos_label)
        scores = as_floats("y_score", y_score)
        if scores.shape != actual.shape or not np.isfinite(scores).all():
            raise ValueError(f"y_score must hold {len(actual)} finite scores, one per row.")
        if edges is None:
            equal = EqualBins.of_unit(bins)
            cuts = equal.edges
            _refuse_outside(float(np.count_nonzero((scores < 0) | (scores > 1))), len(scores))
            place = equal.places(scores)
        else:
            cuts = _check_edges(edges)
            place = np.searchsorted(cuts, scores, "right")
        weights = check_weights(sample_weight, len(actual))
        groups = encode_groups(value_columns("sensitive_features", sensitive_features, len(actual)))
        return tabulate_bins(
            groups,
            cuts,
            actual,
            place,
            weights,
            None if weights is None else weights**2,
            scores if weights is None else weights * scores,
            library=library_of(sensitive_features, y_true, y_score),
        )

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        y_true: str,
        y_score: str,
        sensitive_features: str | Sequence[str],
        sample_weight: str | None = None,
        pos_label: Any = None,
        bins: int = 1024,
    ) -> ScoreHistograms:
        """Count scores from 0 to 1 where the rows are: in a frame, a database or a cluster.

        One query counts the rows of each group, label and bin; only these counts leave the engine. They are
        those of :meth:`from_scores`, to the last row: ``score * bins`` is exact for a power of two, so every
        engine cuts alike. The last bin holds the score 1 too.

        Parameters
        ----------
        frame : frame or table
            Of pandas, polars (lazy too), pyarrow, DuckDB, PySpark, Dask or Ibis.
        y_true, y_score : str
            The columns of labels, and of scores that grow with the probability of the positive label.
        sensitive_features : str or sequence of str
            The column of groups; several columns make an intersection.
        sample_weight : str, optional
            The column of weights, not negative.
        pos_label : label, optional
            The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
        bins : int, default=1024
            How many equal bins divide the range from 0 to 1, a power of two.

        Returns
        -------
        ScoreHistograms
            The table of counts.

        Raises
        ------
        ValueError
            If a column is missing, a value in it is, or a score lies outside 0 to 1.

        Examples
        --------
        >>> import polars as pl
        >>> from fairsk.metrics import ScoreHistograms
        >>> rows = pl.LazyFrame({"sex": ["f", "f", "m"], "repaid": [1, 0, 1], "score": [0.9, 0.3, 0.2]})
        >>> table = ScoreHistograms.from_frame(
        ...     rows, y_true="repaid", y_score="score", sensitive_features="sex", bins=4)
        >>> table.positives.tolist()
        [[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]]
        """
        equal = EqualBins.of_unit(bins)
        columns = {
            "y_true": column_names("y_true", y_true, single=True),
            "sensitive_features": column_names("sensitive_features", sensitive_features),
        }
        (score,) = column_names("y_score", y_score, single=True)
        combinations = count_combinations(
            frame, columns, sample_weight=sample_weight, y_score=score, bins=equal
        )
        labels = combinations.columns[y_true]
        actual, _ = binary_labels(labels, labels, pos_label, rows=combinations.rows)
        assert combinations.bins is not None  # since there is a y_score
        assert combinations.score_sums is not None
        _refuse_outside(combinations.rows[combinations.bins < 0].sum(), combinations.rows.sum())
        check_weights(combinations.doubtful, len(actual))
        groups = combinations.groups(columns["sensitive_features"])
        return tabulate_bins(
            groups,
            equal.edges,
            actual,
            combinations.bins,
            combinations.weights,
            combinations.squares,
            combinations.score_sums,
            library=library_of(frame),
        )

    def check_labels(self, *names: str) -> None:
        """Refuse what depends on the label, if the rows had none.

        Parameters
        ----------
        *names : str
            What is about to be measured.

        Raises
        ------
        ValueError
            If there are no labels.
        """
        if not self.labelled:
            raise ValueError(no_labels(", ".join(names)))

    def take(self, groups: Sequence[Hashable]) -> ScoreHistograms:
        """Return the table of some of the groups.

        Parameters
        ----------
        groups : sequence of labels
            The groups, in the order in which they are to be.

        Returns
        -------
        ScoreHistograms
            Their counts.

        Raises
        ------
        ValueError
            If there is no such group.

        Examples
        --------
        >>> from fairsk.metrics import ScoreHistograms
        >>> table = ScoreHistograms(["a", "b"], [0.5], [[1, 3], [2, 2]], [[4, 0], [3, 1]])
        >>> table.take(["b"]).positives
        array([[2., 2.]])
        """
        places = places_of(groups, self.groups)
        return self._of(groups, lambda table: table[places])

    def marginal(self, *names: str) -> ScoreHistograms:
        """Return the table by some of the sensitive attributes, the other ones summed out.

        Parameters
        ----------
        *names : str
            The attributes to keep.

        Returns
        -------
        ScoreHistograms
            The marginal table.

        Raises
        ------
        ValueError
            If there is no such attribute.

        Examples
        --------
        >>> from fairsk.metrics import ScoreHistograms
        >>> table = ScoreHistograms(
        ...     [("f", "old"), ("f", "young")], [0.5], [[1, 3], [2, 2]], [[4, 0], [3, 1]],
        ...     names=["sex", "age"])
        >>> table.marginal("sex").positives
        array([[3., 5.]])
        """
        labels = margin_labels(self.groups, self.names, names)
        orders = tuple(self.orders[self.names.index(name)] for name in names) if self.orders else ()
        return self.regroup(labels, names=names, orders=orders)

    def regroup(
        self,
        labels: Sequence[Hashable],
        *,
        names: Sequence[str] | None = None,
        orders: Sequence[Sequence[Hashable] | None] | None = None,
    ) -> ScoreHistograms:
        """Give the groups other labels; the counts of groups with the same one add up.

        Parameters
        ----------
        labels : sequence of hashable
            The new label of each group.
        names : sequence of str, optional
            What the sensitive attributes are called then; by default as before.
        orders : sequence of sequences or None, optional
            The values that each may have in their order; by default as before.

        Returns
        -------
        ScoreHistograms
            The table by the new groups.
        """
        columns = self.orders if orders is None else tuple(o if o is None else tuple(o) for o in orders)
        groups, codes = join_groups(labels, columns)
        return self._of(
            groups,
            lambda table: sum_rows(table, codes, len(groups)),
            names=self.names if names is None else names,
            orders=columns,
        )

    def coarsen(self, edges: ArrayLike) -> ScoreHistograms:
        """Return the table with fewer bins.

        Parameters
        ----------
        edges : array-like of shape (n_edges,)
            The edges to keep; at least one.

        Returns
        -------
        ScoreHistograms
            The table in which the bins between them are added up.

        Raises
        ------
        ValueError
            If one is not an edge of this table.

        Examples
        --------
        >>> from fairsk.metrics import ScoreHistograms
        >>> table = ScoreHistograms(["a"], [0.25, 0.5, 0.75], [[1, 3, 2, 0]], [[4, 0, 1, 1]])
        >>> table.coarsen([0.5]).positives
        array([[4., 2.]])
        """
        cuts = _check_edges(edges)
        absent = cuts[~np.isin(cuts, self.edges)]
        if len(absent):
            raise ValueError(f"{float(absent[0])!r} is not an edge of these histograms.")
        starts = np.append(0, np.searchsorted(self.edges, cuts) + 1)
        return self._of(self.groups, lambda table: np.add.reduceat(table, starts, axis=1), edges=cuts)

    def _of(
        self, groups: Sequence[Hashable], change: Callable[[Floats], Floats], **fields: Any
    ) -> ScoreHistograms:
        """Return the table of some groups, each of whose arrays is made of one of these."""
        return ScoreHistograms(
            groups,
            positives=change(self.positives),
            negatives=change(self.negatives),
            squares={label: change(self.squares[label]) for label in LABELS},
            score_sums=None if self.score_sums is None else change(self.score_sums),
            **{name: getattr(self, name) for name in ("edges", "names", "labelled", "library", "orders")}
            | fields,
        )

    def __add__(self, other: ScoreHistograms) -> ScoreHistograms:
        """Combine the tables of two disjoint sets of rows."""
        if not isinstance(other, ScoreHistograms):
            return NotImplemented
        if self.names != other.names or not np.array_equal(self.edges, other.edges):
            raise ValueError("Only histograms of the same attributes with the same edges add up.")
        if self.labelled != other.labelled:
            raise ValueError("Histograms with labels and histograms without do not add up.")
        orders = merge_orders(self.orders, other.orders)
        groups = order_labels({*self.groups, *other.groups}, orders)
        shape = (len(groups), len(self.edges) + 1)

        def total(one: Floats, two: Floats) -> Floats:
            result = np.zeros(shape)
            for part, table in ((self, one), (other, two)):
                result[[groups.index(label) for label in part.groups]] += table
            return result

        summed = self.score_sums is not None and other.score_sums is not None
        return ScoreHistograms(
            groups,
            self.edges,
            total(self.positives, other.positives),
            total(self.negatives, other.negatives),
            squares={label: total(self.squares[label], other.squares[label]) for label in LABELS},
            score_sums=total(self.score_sums, other.score_sums) if summed else None,  # type: ignore[arg-type]
            names=self.names,
            labelled=self.labelled,
            library=self.library or other.library,
            orders=orders,
        )

    def __radd__(self, other: int) -> ScoreHistograms:
        """Let ``sum(tables)`` start from its 0."""
        return self if other == 0 else NotImplemented

    def __eq__(self, other: object) -> bool:
        """Tell whether two tables hold the same counts of the same groups in the same bins."""
        if not isinstance(other, ScoreHistograms):
            return NotImplemented
        ours, theirs = ((table.names, table.groups, table.labelled) for table in (self, other))
        return ours == theirs and all(
            np.array_equal(one, two) for one, two in zip(self._arrays(), other._arrays(), strict=True)
        )

    def _arrays(self) -> list[Floats]:
        sums = np.empty(0) if self.score_sums is None else self.score_sums
        squares = (self.squares[label] for label in LABELS)
        return [self.edges, self.positives, self.negatives, *squares, sums]

    def _tables(self) -> list[Table]:
        """Return one table: a line per group and bin as a frame, a line per group in print."""
        groups, n_bins = list(map(format_group, self.groups)), len(self.edges) + 1
        ends = np.concatenate([[-np.inf], self.edges, [np.inf]]).tolist()
        columns: dict[str, list[Any]] = {
            "group": [group for group in groups for _ in range(n_bins)],
            "low": ends[:-1] * len(groups),
            "high": ends[1:] * len(groups),
            "positives": self.positives.ravel().tolist(),
            "negatives": self.negatives.ravel().tolist(),
        }
        shown = {
            "group": groups,
            "positives": list(map(row_count, self.positives.sum(1))),
            "negatives": list(map(row_count, self.negatives.sum(1))),
        }
        return [Table(columns, shown, notes=[f"in {n_bins:,} bins of scores"])]

    def to_state(self) -> dict[str, Any]:
        """Return the counts as plain values, fit for JSON; :meth:`from_state` restores the table.

        Returns
        -------
        dict of str to value
            Labels, edges, and the sums in the bins.
        """
        return {
            "names": list(self.names),
            "groups": plain_labels(self.groups),
            "edges": self.edges.tolist(),
            "positives": self.positives.tolist(),
            "negatives": self.negatives.tolist(),
            "squares": {label: self.squares[label].tolist() for label in LABELS},
            "score_sums": None if self.score_sums is None else self.score_sums.tolist(),
            "labelled": self.labelled,
            "orders": plain_orders(self.orders),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ScoreHistograms:
        """Restore the table that :meth:`to_state` wrote.

        Parameters
        ----------
        state : mapping of str to value
            What it returned.

        Returns
        -------
        ScoreHistograms
            The table.
        """
        return cls(
            read_labels(state["groups"]),
            state["edges"],
            state["positives"],
            state["negatives"],
            squares=state["squares"],
            score_sums=state["score_sums"],
            names=state["names"],
            labelled=state.get("labelled", True),
            orders=read_orders(state.get("orders", ())),
        )

    def counts_at(self, threshold: float | Mapping[Hashable, float]) -> GroupCounts:
        """Return the confusion cells when scores of at least a threshold are selected.

        Parameters
        ----------
        threshold : float or mapping of group to float
            One threshold for all groups, or one for each: edges, or infinities.

        Returns
        -------
        GroupCounts
            The table of counts, exact as if it had been counted from the rows.

        Raises
        ------
        ValueError
            If a threshold is not an edge, or a group has none.

        Examples
        --------
        >>> from fairsk.metrics import ScoreHistograms
        >>> table = ScoreHistograms(["a", "b"], [0.5], [[1, 3], [2, 2]], [[4, 0], [3, 1]])
        >>> table.counts_at(0.5).rate("selection_rate")
        array([0.375, 0.375])
        """
        thresholds = threshold if isinstance(threshold, Mapping) else dict.fromkeys(self.groups, threshold)
        absent = [label for label in self.groups if label not in thresholds]
        if absent:
            raise ValueError(f"Give every group a threshold: there is none for {absent}.")
        first = np.array([self._bin_from(thresholds[label]) for label in self.groups])
        selected = np.arange(len(self.edges) + 1) >= first[:, None]

        def cells(tables: Mapping[str, Floats]) -> dict[str, Floats]:
            positives, negatives = (tables[label] for label in LABELS)
            return {
                "tp": positives.sum(1, where=selected),
                "fp": negatives.sum(1, where=selected),
                "fn": positives.sum(1, where=~selected),
                "tn": negatives.sum(1, where=~selected),
            }

        counts = {"positives": self.positives, "negatives": self.negatives}
        return GroupCounts(
            self.groups,
            cells(counts),
            cells(self.squares),
            names=self.names,
            labelled=self.labelled,
            library=self.library,
            orders=self.orders,
        )

    def _bin_from(self, threshold: Any) -> int:
        """Return the first bin that a threshold selects."""
        ends = np.concatenate([[-np.inf], self.edges, [np.inf]])
        places = np.flatnonzero(ends == threshold)
        if not len(places):
            after = int(np.clip(np.searchsorted(self.edges, threshold), 1, max(len(self.edges) - 1, 1)))
            nearest = " and ".join(repr(float(edge)) for edge in self.edges[after - 1 : after + 1])
            raise ValueError(
                f"The threshold {show(threshold)} is not an edge, so which rows of its bin are selected is "
                f"not known. The nearest edges are {nearest}."
            )
        return int(places[0])

    def curves(self) -> tuple[list[Curve], Curve]:
        """Return the cumulative counts of every group and of all rows, whose thresholds are the edges.

        Returns
        -------
        tuple of a list of Curve, and a Curve
            One for each group, and that of all rows.
        """
        return self._curves(self.positives, self.negatives)

    def squared_curves(self) -> tuple[list[Curve], Curve]:
        """Return the same with squared weights.

        Returns
        -------
        tuple of a list of Curve, and a Curve
            One for each group, and that of all rows.
        """
        return self._curves(*(self.squares[label] for label in LABELS))

    def row_curves(self) -> tuple[list[Curve], Curve]:
        """Return the same with every row counted once, or with fewer where weights within a bin differ.

        So many rows of equal weights would have the same sums of weights and of squares.

        Returns
        -------
        tuple of a list of Curve, and a Curve
            One for each group, and that of all rows.
        """
        counts = zip((self.positives, self.negatives), (self.squares[label] for label in LABELS), strict=True)
        return self._curves(
            *(np.divide(n**2, second, out=np.zeros_like(n), where=second > 0) for n, second in counts)
        )

    def _curves(self, positives: Floats, negatives: Floats) -> tuple[list[Curve], Curve]:
        steps = np.append(self.edges[::-1], -np.inf)

        def curve(positives: Floats, negatives: Floats) -> Curve:
            tp, fp = (np.append(0.0, np.cumsum(bins[::-1])) for bins in (positives, negatives))
            return Curve(steps, tp, fp, between=False)

        curves = [curve(p, n) for p, n in zip(positives, negatives, strict=True)]
        return curves, curve(positives.sum(0), negatives.sum(0))


def tabulate_bins(
    groups: Grouping,
    edges: Floats,
    actual: Bools,
    bins: Ints,
    weights: Floats | None,
    squares: Floats | None,
    score_sums: Floats,
    *,
    labelled: bool = True,
    library: Backend | None = None,
) -> ScoreHistograms:
    """Add up rows, or combinations that stand for many rows.

    None stands for weights of one. Rows without labels are to be given as negatives.
    """
    shape = (len(groups.labels), len(edges) + 1)
    place = groups.codes * shape[1] + bins
    both = place + np.where(actual, 0, shape[0] * shape[1])

    def table(values: Floats | None) -> dict[str, Floats]:
        sums = np.bincount(both, values, 2 * shape[0] * shape[1]).astype(float).reshape(2, *shape)
        return dict(zip(LABELS, sums, strict=True))

    return ScoreHistograms(
        groups.labels,
        edges,
        **table(weights),
        squares=None if squares is None else table(squares),
        score_sums=np.bincount(place, score_sums, shape[0] * shape[1]).reshape(shape),
        names=groups.names,
        labelled=labelled,
        library=library,
        orders=groups.orders,
    )


def _check_edges(edges: ArrayLike) -> Floats:
    try:
        cuts = np.atleast_1d(np.array(edges, dtype=float))
    except (TypeError, ValueError):
        cuts = np.empty(0)
    if cuts.ndim != 1 or not len(cuts) or not np.isfinite(cuts).all() or (np.diff(cuts) <= 0).any():
        raise ValueError("edges must be a list of finite, rising scores; n edges make n + 1 bins.")
    return cuts


def _refuse_outside(outside: float, n_samples: float) -> None:
    if outside:
        raise ValueError(
            f"y_score is missing or not from 0 to 1 in {outside:.0f} of {n_samples:.0f} rows. Drop or fill "
            "what is missing; map other scores to that range first, or give edges= to from_scores."
        )
