"""Confusion counts per group: the small table from which every rate, metric and audit follows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairsk._core.columns import Orders, as_floats, refuse_shuffled, value_columns
from fairsk._core.engines import column_names, count_combinations
from fairsk._core.groups import (
    Grouping,
    check_reference_given,
    encode_groups,
    format_group,
    join_groups,
    list_groups,
    margin_labels,
    merge_orders,
    order_labels,
    places_of,
    position_of,
    sort_labels,
)
from fairsk._core.labels import binary_labels, no_labels
from fairsk._core.messages import list_labels, list_texts, shorten, show
from fairsk._core.results import Backend, Result, Table, library_of, read_only, row_count
from fairsk._core.typing import Bools, Floats, Ints
from fairsk._core.validation import check_weights, plain_labels, plain_orders, read_labels, read_orders
from fairsk._core.warnings import warn_user
from fairsk.rates import (
    CELLS,
    Comparison,
    Constraint,
    Method,
    Norm,
    Rate,
    get_constraint,
    get_rate,
    soft_cells,
)

__all__ = ["ClassKind", "GroupCounts", "label_sums", "selected_sum", "soft_counts", "sum_rows", "tabulate"]

#: What strata are that are class events: a class against the rest, or a grade or a better one.
ClassKind: TypeAlias = Literal["classes", "grades"]
#: Of how many rates and groups a warning tells: no more characters than these.
_LONGEST_WARNING = 1500


@dataclass(frozen=True, init=False, eq=False, repr=False)
class GroupCounts(Result):
    """Weighted true and false positives and negatives per group; tables of disjoint rows add up.

    It holds no rows, so it may leave the place where the data must stay. Shards, days and sites are
    combined with ``+``; intersections are reduced to one attribute with :meth:`marginal`. It prints itself,
    ``.frame()`` has a line per group, and ``GroupMetrics(counts)`` makes rates of it.

    Parameters
    ----------
    groups : sequence of hashable
        The group labels; a tuple of values each for an intersection.
    cells : mapping of str to array of shape (n_groups,) or (n_groups, n_strata)
        Sums of weights in the cells ``tp``, ``fp``, ``fn``, ``tn``.
    squares : mapping of str to array, optional
        Sums of squared weights, for honest intervals; equal to ``cells`` for unweighted rows.
    names : sequence of str, optional
        What the sensitive attributes are called.
    strata : sequence of hashable, optional
        Labels of the second axis, when the counts are broken down by strata.
    labelled : bool, default=True
        Whether the rows had labels. Without labels all rows are counted as negatives: ``fp`` holds the
        selected and ``tn`` the rejected, and any rate that depends on the label is an error.
    library : {"pandas", "polars", "pyarrow"}, optional
        The library of the data, in which :meth:`frame` and what is made of the counts come.
    orders : sequence of sequences or None, optional
        For each sensitive attribute the values that it may have in their order, or None: that of an ordered
        category, which tables keep when they are added or reduced. Without it groups are sorted then.
    events : {"classes", "grades"}, optional
        Whether the strata are classes, each against the rest, or grades, each with all better ones: every row
        is then counted in each of them, so that they are not summed out. None where strata are of different
        rows.

    See Also
    --------
    GroupMetrics : Rates, intervals and disparities of a table of counts.
    group_metrics : The same of rows; its ``.counts`` is such a table.
    ScoreHistograms : The same for scores, at every threshold.
    one_vs_rest_counts : Counts of each of several classes.

    Examples
    --------
    >>> from fairsk.metrics import GroupCounts
    >>> monday = GroupCounts.from_predictions([1, 0, 1], [1, 1, 0], sensitive_features=["a", "a", "b"])
    >>> tuesday = GroupCounts.from_predictions([1, 0], [1, 0], sensitive_features=["b", "c"])
    >>> (monday + tuesday).groups
    ('a', 'b', 'c')
    >>> (monday + tuesday).n
    array([2., 2., 1.])
    """

    groups: tuple[Hashable, ...]
    cells: Mapping[str, Floats]
    squares: Mapping[str, Floats]
    names: tuple[str, ...]
    strata: tuple[Hashable, ...] | None
    labelled: bool
    library: Backend | None
    orders: Orders
    events: ClassKind | None

    def __init__(
        self,
        groups: Sequence[Hashable],
        cells: Mapping[str, ArrayLike],
        squares: Mapping[str, ArrayLike] | None = None,
        *,
        names: Sequence[str] = ("sensitive_features",),
        strata: Sequence[Hashable] | None = None,
        labelled: bool = True,
        library: Backend | None = None,
        orders: Sequence[Sequence[Hashable] | None] = (),
        events: ClassKind | None = None,
    ) -> None:
        if set(CELLS) - set(cells):
            raise ValueError(f"cells must hold {', '.join(CELLS)}; got {list_texts(map(str, cells))}.")
        if len(set(groups)) < len(groups) or len(set(strata or ())) < len(strata or ()):
            raise ValueError("A group or stratum is listed twice: labels must be distinct.")
        if events is not None and (strata is None or events not in get_args(ClassKind)):
            raise ValueError(
                "events says what strata of several classes are, 'classes' or 'grades', and None otherwise; "
                f"got {show(events)}{' and no strata' if strata is None else ''}."
            )
        shape = (len(groups),) if strata is None else (len(groups), len(strata))
        table = {cell: np.array(cells[cell], dtype=float) for cell in CELLS}  # copies, for arrays may change
        second = {
            cell: np.array((cells if squares is None else squares)[cell], dtype=float) for cell in CELLS
        }
        if any(value.shape != shape for value in (*table.values(), *second.values())):
            raise ValueError(f"Every cell must have the shape {shape}: one count per group (and stratum).")
        if any(not np.all(v >= -1e-9 * v.max(initial=1.0)) for v in (*table.values(), *second.values())):
            raise ValueError("Counts must not be negative or NaN.")
        if not labelled and any(table[cell].any() for cell in ("tp", "fn")):
            raise ValueError(
                "Counts without labels have no tp and fn: fp counts the selected, tn the others."
            )
        self._set(
            groups=tuple(groups),
            cells=table,
            squares=second,
            names=tuple(names),
            strata=None if strata is None else tuple(strata),
            labelled=labelled,
            library=library,
            orders=tuple(order if order is None else tuple(order) for order in orders),
            events=events,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike | None,
        y_pred: ArrayLike,
        *,
        sensitive_features: Any,
        sample_weight: ArrayLike | None = None,
        pos_label: Any = None,
        strata: Any = None,
        classes: NDArray[Any] | None = None,
    ) -> GroupCounts:
        """Count the confusion cells of each group.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or None
            Labels. None where there are none: selection alone is counted then, and a rate that depends on
            the label is an error.
        y_pred : array-like of shape (n_samples,)
            Predicted labels.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
            The group of each row; several columns make an intersection.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, not negative.
        pos_label : label, optional
            The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
        strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            Break every group's counts down by these values too.
        classes : array, optional
            The labels that can occur, so that an absent ``pos_label`` is not taken for a mistake.

        Returns
        -------
        GroupCounts
            The table of counts.
        """
        refuse_shuffled(
            y_true=y_true,
            y_pred=y_pred,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            strata=strata,
        )
        actual, predicted = binary_labels(y_true, y_pred, pos_label, classes=classes)
        weights = check_weights(sample_weight, len(actual))
        groups = encode_groups(value_columns("sensitive_features", sensitive_features, len(actual)))
        by = None if strata is None else encode_groups(value_columns("strata", strata, len(actual)))
        squares = None if weights is None else weights**2
        library = library_of(sensitive_features, y_true, y_pred)
        return tabulate(
            actual, predicted, groups, by, weights, squares, labelled=y_true is not None, library=library
        )

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        y_true: str | None = None,
        y_pred: str,
        sensitive_features: str | Sequence[str],
        sample_weight: str | None = None,
        strata: str | Sequence[str] | None = None,
        pos_label: Any = None,
    ) -> GroupCounts:
        """Count the confusion cells of each group where the rows are: in a frame, a database or a cluster.

        One query counts the combinations of group, label and prediction that occur; only these few counts
        leave the engine. They are read as :meth:`from_predictions` reads rows, so both give the same table
        and the same errors.

        Parameters
        ----------
        frame : frame or table
            Of pandas, polars (lazy too), pyarrow, DuckDB, PySpark, Dask or Ibis.
        y_true : str, optional
            The column of labels. Without it selection alone is counted, and a rate that depends on the
            label is an error.
        y_pred : str
            The column of predicted labels.
        sensitive_features : str or sequence of str
            The column of groups; several columns make an intersection.
        sample_weight : str, optional
            The column of weights, not negative.
        strata : str or sequence of str, optional
            Break every group's counts down by these columns too.
        pos_label : label, optional
            The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.

        Returns
        -------
        GroupCounts
            The table of counts.

        Raises
        ------
        ValueError
            If a column is missing, a value in it is, or there are too many combinations to be groups and
            labels.

        Examples
        --------
        >>> import polars as pl
        >>> from fairsk.metrics import GroupCounts
        >>> rows = pl.LazyFrame({"sex": ["f", "f", "m"], "hired": [1, 0, 1], "predicted": [1, 1, 0]})
        >>> counts = GroupCounts.from_frame(
        ...     rows, y_true="hired", y_pred="predicted", sensitive_features="sex")
        >>> counts.groups, counts.rate("selection_rate")
        (('f', 'm'), array([1., 0.]))
        """
        columns = {} if y_true is None else {"y_true": column_names("y_true", y_true, single=True)}
        columns |= {
            "y_pred": column_names("y_pred", y_pred, single=True),
            "sensitive_features": column_names("sensitive_features", sensitive_features),
        }
        if strata is not None:
            columns["strata"] = column_names("strata", strata)
        combinations = count_combinations(frame, columns, sample_weight=sample_weight)
        labels = None if y_true is None else combinations.columns[y_true]
        actual, predicted = binary_labels(
            labels, combinations.columns[y_pred], pos_label, rows=combinations.rows
        )
        check_weights(combinations.doubtful, len(actual))
        by = None if strata is None else combinations.groups(columns["strata"])
        groups = combinations.groups(columns["sensitive_features"])
        return tabulate(
            actual,
            predicted,
            groups,
            by,
            combinations.weights,
            combinations.squares,
            labelled=y_true is not None,
            library=library_of(frame),
        )

    @classmethod
    def from_probabilities(
        cls,
        y_true: ArrayLike | None,
        y_prob: ArrayLike,
        *,
        sensitive_features: Any,
        sample_weight: ArrayLike | None = None,
        pos_label: Any = None,
        strata: Any = None,
        classes: NDArray[Any] | None = None,
    ) -> GroupCounts:
        """Count soft confusion cells: each row counts as positive with its probability.

        The selection rate is then the mean probability, the true positive rate that of the positives, and
        so on: what the rates would be if decisions were drawn with these probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or None
            Labels; None where there are none, and selection alone is counted.
        y_prob : array-like of shape (n_samples,)
            Probability of the positive label, from 0 to 1.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
            The group of each row; several columns make an intersection.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, not negative.
        pos_label : label, optional
            The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
        strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            Break every group's counts down by these values too.
        classes : array, optional
            The labels that can occur, so that an absent ``pos_label`` is not taken for a mistake.

        Returns
        -------
        GroupCounts
            The table of expected counts.

        Examples
        --------
        >>> from fairsk.metrics import GroupCounts
        >>> counts = GroupCounts.from_probabilities([1, 0], [0.75, 0.5], sensitive_features=["a", "a"])
        >>> [float(counts.cells[cell][0]) for cell in ("tp", "fp", "fn", "tn")]
        [0.75, 0.5, 0.25, 0.5]
        """
        refuse_shuffled(
            y_true=y_true,
            y_prob=y_prob,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            strata=strata,
        )
        probability = as_floats("y_prob", y_prob)
        if y_true is None:
            actual = np.zeros(probability.shape[:1], dtype=bool)
        else:
            actual, _ = binary_labels(y_true, y_true, pos_label, classes=classes)
        if probability.shape != actual.shape or not ((probability >= 0) & (probability <= 1)).all():
            raise ValueError("y_prob must hold one probability per row, from 0 to 1.")
        weights = check_weights(sample_weight, len(actual))
        groups = encode_groups(value_columns("sensitive_features", sensitive_features, len(actual)))
        weights = np.ones(len(actual)) if weights is None else weights
        library = library_of(sensitive_features, y_true, y_prob)
        by = None if strata is None else encode_groups(value_columns("strata", strata, len(actual)))
        return soft_counts(
            probability, actual, groups, weights, by, labelled=y_true is not None, library=library
        )

    @property
    def n(self) -> Floats:
        """The (weighted) number of rows of each group, and stratum if there are strata."""
        return read_only(sum((self.cells[cell] for cell in CELLS), start=np.zeros(1)))

    def rate(self, rate: Rate | str) -> Floats:
        """Return a rate of each group (and stratum).

        Parameters
        ----------
        rate : str or Rate
            Which rate.

        Returns
        -------
        array of shape (n_groups,) or (n_groups, n_strata)
            The rate; NaN where its denominator is empty.
        """
        rate = get_rate(rate)
        self.check_labels(rate)
        return rate(self.cells)

    def check_labels(self, *rates: Rate) -> None:
        """Refuse rates that depend on the label, if the rows had none.

        Parameters
        ----------
        *rates : Rate
            The rates that are about to be used.

        Raises
        ------
        ValueError
            If one of them needs labels, and there are none.
        """
        needing = [rate.name for rate in rates if rate.needs_labels]
        if needing and not self.labelled:
            raise ValueError(no_labels(", ".join(needing)))

    def overall(self) -> GroupCounts:
        """Return the table of all groups together.

        Returns
        -------
        GroupCounts
            The table of one group, called ``"overall"``.
        """
        return GroupCounts(
            ("overall",),
            {cell: self.cells[cell].sum(0, keepdims=True) for cell in CELLS},
            {cell: self.squares[cell].sum(0, keepdims=True) for cell in CELLS},
            names=("overall",),
            strata=self.strata,
            labelled=self.labelled,
            library=self.library,
            events=self.events,
        )

    def take(self, groups: Sequence[Hashable]) -> GroupCounts:
        """Return the table of some of the groups.

        Parameters
        ----------
        groups : sequence of labels
            The groups, in the order in which they are to be.

        Returns
        -------
        GroupCounts
            Their counts, with strata if there are any.

        Raises
        ------
        ValueError
            If there is no such group.

        Examples
        --------
        >>> from fairsk.metrics import GroupCounts
        >>> counts = GroupCounts.from_predictions([1, 0, 1], [1, 1, 0], sensitive_features=["a", "b", "c"])
        >>> counts.take(["c", "a"]).groups
        ('c', 'a')
        """
        places = places_of(groups, self.groups)
        cells, squares = (
            {cell: table[cell][places] for cell in CELLS} for table in (self.cells, self.squares)
        )
        return GroupCounts(
            groups,
            cells,
            squares,
            names=self.names,
            strata=self.strata,
            labelled=self.labelled,
            library=self.library,
            orders=self.orders,
            events=self.events,
        )

    def stratum(self, label: Hashable) -> GroupCounts:
        """Return the table of one stratum.

        Parameters
        ----------
        label : hashable
            The label of the stratum.

        Returns
        -------
        GroupCounts
            Its table, without strata.
        """
        if self.strata is None or label not in self.strata:
            raise ValueError(
                f"There is no stratum {show(label)}; the strata are {list_labels(self.strata or ())}."
            )
        place = self.strata.index(label)
        cells, squares = (
            {cell: table[cell][:, place] for cell in CELLS} for table in (self.cells, self.squares)
        )
        return GroupCounts(
            self.groups,
            cells,
            squares,
            names=self.names,
            labelled=self.labelled,
            library=self.library,
            orders=self.orders,
        )

    def stratum_in_words(self, label: Hashable) -> str:
        """Return what a stratum is called in tables and sentences.

        Parameters
        ----------
        label : hashable
            The label of the stratum.

        Returns
        -------
        str
            The label; of a grade, which is counted with all better ones, followed by "or better".
        """
        return f"{format_group(label)} or better" if self.events == "grades" else format_group(label)

    def marginal(self, *names: str) -> GroupCounts:
        """Return the table by some of the sensitive attributes, the other ones (and strata) summed out.

        Strata that are classes, in each of which every row is counted, stay.

        Parameters
        ----------
        *names : str
            The attributes to keep.

        Returns
        -------
        GroupCounts
            The marginal table.
        """
        labels = margin_labels(self.groups, self.names, names)
        orders = tuple(self.orders[self.names.index(name)] for name in names) if self.orders else ()
        table = self.without_strata() if self.events is None else self
        return table.regroup(labels, names=names, orders=orders)

    def without_strata(self) -> GroupCounts:
        """Return the table with the strata summed out.

        Returns
        -------
        GroupCounts
            Its counts by group alone; the table itself if it has no strata.

        Raises
        ------
        ValueError
            If the strata are classes or grades, in each of which every row is counted.
        """
        if self.strata is None:
            return self
        if self.events is not None:
            raise ValueError(
                f"These counts are of {self.events}, in each of which every row is counted, so that they do "
                f"not add up: take one, counts.stratum(label), of {list_labels(self.strata)}."
            )
        cells, squares = (
            {cell: table[cell].sum(1) for cell in CELLS} for table in (self.cells, self.squares)
        )
        return GroupCounts(
            self.groups,
            cells,
            squares,
            names=self.names,
            labelled=self.labelled,
            library=self.library,
            orders=self.orders,
        )

    def regroup(
        self,
        labels: Sequence[Hashable],
        *,
        names: Sequence[str] | None = None,
        orders: Sequence[Sequence[Hashable] | None] | None = None,
    ) -> GroupCounts:
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
        GroupCounts
            The table by the new groups, with strata if there are any.

        Examples
        --------
        >>> from fairsk.metrics import GroupCounts
        >>> counts = GroupCounts.from_predictions([1, 0, 1], [1, 1, 0], sensitive_features=["a", "b", "c"])
        >>> counts.regroup(["a", "other", "other"]).n
        array([1., 2.])
        """
        columns = self.orders if orders is None else tuple(o if o is None else tuple(o) for o in orders)
        groups, codes = join_groups(labels, columns)
        cells, squares = (
            {cell: sum_rows(table[cell], codes, len(groups)) for cell in CELLS}
            for table in (self.cells, self.squares)
        )
        return GroupCounts(
            groups,
            cells,
            squares,
            names=self.names if names is None else names,
            strata=self.strata,
            labelled=self.labelled,
            library=self.library,
            orders=columns,
            events=self.events,
        )

    def __add__(self, other: GroupCounts) -> GroupCounts:
        """Combine the tables of two disjoint sets of rows."""
        if not isinstance(other, GroupCounts):
            return NotImplemented
        if self.names != other.names or (self.strata is None) != (other.strata is None):
            broken = ["without" if table.strata is None else "with" for table in (self, other)]
            raise ValueError(
                "Only tables of the same sensitive attributes add up, all with strata or all without: "
                f"{list_texts(self.names)} {broken[0]} strata, and {list_texts(other.names)} {broken[1]}."
            )
        if self.labelled != other.labelled:
            raise ValueError("Tables with labels and tables without (y_true=None) do not add up.")
        events = self._shared_events(other)
        orders = merge_orders(self.orders, other.orders)
        groups = order_labels({*self.groups, *other.groups}, orders)
        strata = None
        if self.strata is not None and other.strata is not None:
            is_sorted = events is None or not self.strata
            strata = sort_labels({*self.strata, *other.strata}) if is_sorted else list(self.strata)
        total = {
            field: {
                cell: np.zeros((len(groups), *([] if strata is None else [len(strata)]))) for cell in CELLS
            }
            for field in ("cells", "squares")
        }
        for part in (self, other):
            place: Any = [groups.index(label) for label in part.groups]
            if strata is not None and part.strata is not None:
                place = np.ix_(place, [strata.index(label) for label in part.strata])
            for field, table in total.items():
                for cell in CELLS:
                    table[cell][place] += getattr(part, field)[cell]
        return GroupCounts(
            groups,
            total["cells"],
            total["squares"],
            names=self.names,
            strata=strata,
            labelled=self.labelled,
            library=self.library or other.library,
            orders=orders,
            events=events,
        )

    def _shared_events(self, other: GroupCounts) -> ClassKind | None:
        """Return what the strata of both tables are, which must be the same classes if they are classes."""
        if self.events is None and other.events is None:
            return None
        # Tables stored before they said so are of classes; grades always said so.
        kinds = {table.events or "classes" for table in (self, other)}
        ours, theirs = (table.strata or () for table in (self, other))
        if len(kinds) > 1:
            raise ValueError(
                "Counts of grades, each with all better ones, do not add up with counts of classes or other "
                "strata. Count all with the same grades=."
            )
        (kind,) = kinds
        # A row of a class that one table does not count is a rejection in it: zeros would lose the row.
        if (ours != theirs) if kind == "grades" else (set(ours) != set(theirs)):
            raise ValueError(
                f"Counts of {kind} add up where both count the same {kind}: got {list_labels(ours)} and "
                f"{list_labels(theirs)}. Give one_vs_rest_counts all that may occur, {kind}=, and the same "
                "pos_label."
            )
        return kind

    def __radd__(self, other: int) -> GroupCounts:
        """Let ``sum(tables)`` start from its 0."""
        return self if other == 0 else NotImplemented

    def _tables(self) -> list[Table]:
        groups = list(map(format_group, self.groups))
        columns: dict[str, list[Any]] = {"group": groups}
        if self.strata is not None:
            strata = [self.stratum_in_words(stratum) for stratum in self.strata for _ in groups]
            columns = {"stratum": strata, "group": groups * len(self.strata)}
        titles = dict(zip(CELLS, CELLS, strict=True))
        if not self.labelled:
            titles = {"fp": "selected", "tn": "rejected"}
        columns |= {title: self.cells[cell].T.ravel().tolist() for cell, title in titles.items()}
        shown = {
            name: list(map(row_count if name in titles.values() else str, values))
            for name, values in columns.items()
        }
        return [Table(columns, shown, words=["group"])]

    def to_state(self) -> dict[str, Any]:
        """Return the counts as plain values, fit for JSON; :meth:`from_state` restores the table.

        Returns
        -------
        dict of str to value
            Labels, and the sums in the cells.
        """
        return {
            "names": list(self.names),
            "groups": plain_labels(self.groups),
            "strata": None if self.strata is None else plain_labels(self.strata),
            "cells": {cell: self.cells[cell].tolist() for cell in CELLS},
            "squares": {cell: self.squares[cell].tolist() for cell in CELLS},
            "labelled": self.labelled,
            "orders": plain_orders(self.orders),
            # Only where strata are classes: tables of two classes are written as they always were.
            **({} if self.events is None else {"events": self.events}),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> GroupCounts:
        """Restore the table that :meth:`to_state` wrote.

        Parameters
        ----------
        state : mapping of str to value
            What it returned.

        Returns
        -------
        GroupCounts
            The table.
        """
        return cls(
            read_labels(state["groups"]),
            state["cells"],
            state["squares"],
            names=state["names"],
            strata=None if state["strata"] is None else read_labels(state["strata"]),
            labelled=state.get("labelled", True),
            orders=read_orders(state.get("orders", ())),
            events=state.get("events"),
        )

    def __eq__(self, other: object) -> bool:
        """Tell whether two tables hold the same counts of the same groups."""
        if not isinstance(other, GroupCounts):
            return NotImplemented
        ours, theirs = ((t.names, t.groups, t.strata, t.labelled, t.events) for t in (self, other))
        return ours == theirs and all(
            np.array_equal(self.cells[cell], other.cells[cell])
            and np.array_equal(self.squares[cell], other.squares[cell])
            for cell in CELLS
        )

    def compare(
        self,
        constraint: Constraint | str,
        comparison: Comparison = "difference",
        *,
        method: Method = "between_groups",
        reference: Hashable = None,
        norm: Norm = "max",
    ) -> Any:
        """Return the disparity between the groups under a constraint.

        Groups that have nothing to measure (an empty denominator) are passed over with a warning that
        names them.

        Parameters
        ----------
        constraint : str or Constraint
            Which rates should agree.
        comparison : {"difference", "ratio", "worst_group", "mean_difference"}, default="difference"
            Largest difference, smallest ratio, the rate of the worst group, or the mean difference over all
            pairs of groups.
        method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
            What every group is compared with.
        reference : hashable, optional
            Label of the reference group, for ``method="to_reference"``.
        norm : {"max", "l1", "l2"}, default="max"
            What the differences of two groups in several rates become: the largest, their sum, or the root of
            the sum of squares.

        Returns
        -------
        float or array of shape (n_strata,)
            The disparity, in each stratum if there are strata; NaN (and a warning) where fewer than two
            groups can be measured, in one of the rates if there are several.
        """
        constraint = get_constraint(constraint)
        constraint.check_comparison(comparison, method, norm)
        check_reference_given(method, reference, self.groups)
        position = None if reference is None else position_of(reference, self.groups)
        self.warn_undefined(*constraint.rates, fewest=1 if comparison == "worst_group" else 2, of=constraint)
        disparity = constraint.compare(self.cells, comparison, method=method, reference=position, norm=norm)
        return float(disparity) if self.strata is None else disparity

    def warn_undefined(self, *rates: Rate, fewest: int, of: Constraint | None = None) -> None:
        """Warn, once, of groups that do not have a rate, and of too few groups that have it.

        Parameters
        ----------
        *rates : Rate
            The rates that are about to be used.
        fewest : int
            How many groups must have each.
        of : Constraint, optional
            What the rates are a part of, which is NaN too where one of them is.

        Raises
        ------
        ValueError
            If a rate depends on labels, and there are none.

        Warns
        -----
        UserWarning
            If a rate has an empty denominator in a group; the group is named.
        """
        self.check_labels(*rates)
        measured = {rate.name: rate.support(self.cells).reshape(len(self.groups), -1) != 0 for rate in rates}
        missing = dict[str, list[str]]()  # rates with the same denominator miss the same groups
        for rate in rates:
            if not measured[rate.name].all():
                missing.setdefault(rate.denominator, []).append(rate.name)
        few = [name for name, in_groups in measured.items() if (in_groups.sum(0) < fewest).any()]
        somewhere = "" if self.strata is None else " in some strata"
        parts = []
        for denominator, names in missing.items():
            pairs = zip(self.groups, measured[names[0]].all(1), strict=True)
            lacking = [group for group, everywhere in pairs if not everywhere]
            parts.append(
                f"{_joined(names)} cannot be measured{somewhere} for: "
                f"{list_groups(lacking, most=max(3, 20 // len(missing)))} "
                f"({'its' if len(names) == 1 else 'their'} denominator, {denominator}, is empty there)."
            )
        if parts:
            parts = [shorten(" ".join(parts), _LONGEST_WARNING), "The comparison passes over them."]
        if few:
            also = f", and so does {of.name}" if of is not None and len(of.rates) > 1 else ""
            verb = "gives" if len(few) == 1 else "give"
            parts.append(
                f"Fewer than two groups can be compared{somewhere}: {_joined(few)} {verb} NaN{also}."
            )
        if parts:
            warn_user(" ".join(parts))


def _joined(names: Sequence[str]) -> str:
    """Write the names of rates in a sentence, the first of them if there are many."""
    *others, last = names
    return f"{list_texts(others)} and {last}" if others else last


def label_sums(counts: GroupCounts) -> tuple[float, float]:
    """Return the weight of the positives, and of the negatives, of all groups."""
    rates = map(get_rate, ("true_positive_rate", "true_negative_rate"))
    positives, negatives = (float(rate.support(counts.cells).sum()) for rate in rates)
    return positives, negatives


def selected_sum(counts: GroupCounts) -> float:
    """Return the weight of the selected rows of all groups."""
    return float(get_rate("selection_rate").part(counts.cells).sum())


def sum_rows(table: Floats, codes: Ints, n_groups: int) -> Floats:
    """Add up the rows of a table that have the same code."""
    total = np.zeros((n_groups, *table.shape[1:]))
    np.add.at(total, codes, table)
    return total


def soft_counts(
    probability: Floats,
    actual: Bools,
    groups: Grouping,
    weights: Floats,
    strata: Grouping | None = None,
    *,
    labelled: bool = True,
    library: Backend | None = None,
) -> GroupCounts:
    """Count expected confusion cells, when each row is selected with its probability."""
    parts = soft_cells(probability, actual.astype(float))
    shape: tuple[int, ...] = (len(groups.labels),)
    codes = groups.codes
    if strata is not None:
        shape = (*shape, len(strata.labels))
        codes = codes * shape[1] + strata.codes
    size = int(np.prod(shape))

    def table(of_rows: Floats) -> dict[str, Floats]:
        return {
            cell: np.bincount(codes, of_rows * part, size).astype(float).reshape(shape)
            for cell, part in parts.items()
        }

    return GroupCounts(
        groups.labels,
        table(weights),
        table(weights**2),
        names=groups.names,
        strata=None if strata is None else strata.labels,
        labelled=labelled,
        library=library,
        orders=groups.orders,
    )


def tabulate(
    actual: Bools,
    predicted: Bools,
    groups: Grouping,
    strata: Grouping | None,
    weights: Floats | None,
    squares: Floats | None,
    *,
    labelled: bool = True,
    library: Backend | None = None,
) -> GroupCounts:
    """Add up the weights, and squared weights, of rows or of combinations that stand for many rows.

    None stands for weights of one. Rows without labels are to be given as negatives.
    """
    shape: tuple[int, ...] = (len(groups.labels),)
    codes = groups.codes
    if strata is not None:
        shape = (*shape, len(strata.labels))
        codes = codes * shape[1] + strata.codes
    # One pass: the cell of each row is numbered tp=0, fp=1, fn=2, tn=3, as in CELLS.
    cell = 3 - 2 * predicted.view(np.uint8) - actual.view(np.uint8)
    size = int(np.prod(shape))
    place = codes + size * cell.astype(np.intp)

    def table(values: Floats | None) -> dict[str, Floats]:
        sums = np.bincount(place, values, minlength=4 * size).astype(float).reshape(4, *shape)
        return dict(zip(CELLS, sums, strict=True))

    return GroupCounts(
        groups.labels,
        table(weights),
        None if squares is None else table(squares),
        names=groups.names,
        strata=None if strata is None else strata.labels,
        labelled=labelled,
        library=library,
        orders=groups.orders,
    )
