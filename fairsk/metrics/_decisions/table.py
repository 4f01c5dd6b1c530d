"""Group metrics: a table of rates per group, with intervals, disparities, and marks where rows are few."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group
from fairsk._core.results import Backend, Result, Table, percent, read_only, row_count, with_interval
from fairsk._core.typing import Bools, Floats
from fairsk.metrics._decisions.disparity import GroupRate, extreme_group
from fairsk.rates import CELLS, RATES, Constraint, Method, Rate, get_rate
from fairsk.statistics._intervals import difference_interval, rate_intervals, ratio_interval
from fairsk.statistics._pairs import Interval
from fairsk.statistics._proportions import effective_rows

__all__ = ["DEFAULT_RATES", "SHARE_OF_SELECTED", "Disparities", "GroupMetrics", "check_columns"]

DEFAULT_RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy", "precision")

#: No rate, for its denominator is of all groups: how many of all who are selected belong to a group.
SHARE_OF_SELECTED = "share_of_selected"
#: What stands beside it.
_SHARE_OF_ROWS = "share_of_rows"
_SELECTION = RATES["selection_rate"]


@dataclass(frozen=True, init=False, eq=False, repr=False)
class GroupMetrics(Result):
    """Rates per group with their intervals, the overall row, and the disparities between the groups.

    It prints, renders as HTML, becomes a frame and plots itself. :func:`group_metrics` makes it of labels and
    predictions; its constructor makes it of any counts, such as those that a database made.

    Parameters
    ----------
    counts : GroupCounts
        The counts that all numbers follow from.
    rates : str, Rate, or iterable of these, optional
        Which rates; by default selection, true positive and false positive rate, accuracy and precision.
        ``"share_of_selected"`` may stand among them.
    confidence : float in (0, 1) or None, default=0.95
        The confidence of the intervals; None leaves them out.
    min_group_size : int, default=30
        A rate that is measured on fewer rows (effective ones, if they are weighted) is marked. It is a
        mark only: nothing is left out.
    library : str or None
        The library that :meth:`frame` makes a frame of.

    Attributes
    ----------
    measured_rates : tuple of Rate
        The rates in the table.
    groups : tuple
        Group labels.
    strata : tuple or None
        Labels of the strata, if the counts have any; arrays then have a second axis.
    n : array of shape (n_groups,)
        The (weighted) number of rows of each group.
    rates : dict of str to array of shape (n_groups,)
        Each rate per group; NaN where it has an empty denominator.
    shares : dict of str to array of shape (n_groups,)
        If they are asked for, ``share_of_rows`` and ``share_of_selected``: how much of all rows, and of all
        that are selected, belongs to each group. Both add up to 1; the latter is NaN if nobody is selected.
    intervals : dict of str to (array, array)
        The interval of each rate per group (Wilson), and of ``share_of_selected`` for this number of
        selected; empty without ``confidence``.
    few : dict of str to boolean array of shape (n_groups,)
        Where a rate is measured on fewer than ``min_group_size`` rows.
    effective_rows : dict of str to array of shape (n_groups,)
        The number of rows that each rate is measured on, effective ones if they are weighted.
    overall : dict of str to float
        ``n`` and each rate over all rows; arrays if there are strata.
    overall_intervals : dict of str to (float, float)
        The interval of each rate over all rows; empty without ``confidence``.

    Raises
    ------
    ValueError
        If two rates have the same name, or ``confidence`` does not lie between 0 and 1.

    See Also
    --------
    group_metrics : What makes it of labels and predictions.
    GroupFunctionMetrics : The same for any function of labels and predictions.

    Examples
    --------
    >>> from fairsk.metrics import GroupCounts, GroupMetrics
    >>> counts = GroupCounts(["a", "b"], {"tp": [40, 20], "fp": [10, 20], "fn": [10, 30], "tn": [40, 30]})
    >>> print(GroupMetrics(counts, "selection_rate"))
    group      n        selection_rate
    ----------------------------------
    a        100  0.500 [0.404, 0.596]
    b        100  0.400 [0.309, 0.498]
    overall  200  0.450 [0.383, 0.519]
    <BLANKLINE>
    rate                      difference                 ratio  lowest  highest
    ---------------------------------------------------------------------------
    selection_rate  0.100 [0.000, 0.232]  0.800 [0.587, 1.000]  b       a
    95% intervals, of disparities for all pairs of groups at once
    """

    counts: GroupCounts
    measured_rates: tuple[Rate, ...]
    confidence: float | None
    min_group_size: int
    intervals: Mapping[str, Interval]
    library: Backend | None
    _with_shares: bool

    def __init__(
        self,
        counts: GroupCounts,
        rates: str | Rate | Iterable[str | Rate] = DEFAULT_RATES,
        *,
        confidence: float | None = 0.95,
        min_group_size: int = 30,
        library: Backend | None = None,
    ) -> None:
        asked = [rates] if isinstance(rates, str | Rate) else list(rates)
        measured = tuple(get_rate(rate) for rate in asked if rate != SHARE_OF_SELECTED)
        with_shares = SHARE_OF_SELECTED in asked
        share_names = [_SHARE_OF_ROWS, SHARE_OF_SELECTED] if with_shares else []
        check_columns([*share_names, *(rate.name for rate in measured)])
        intervals = {} if confidence is None else _intervals(counts, measured, confidence)
        if with_shares and confidence is not None:
            of_selected = _among_selected(counts)
            intervals[SHARE_OF_SELECTED] = rate_intervals(of_selected, "true_positive_rate", confidence)
        self._set(
            counts=counts,
            measured_rates=measured,
            confidence=confidence,
            min_group_size=min_group_size,
            intervals=intervals,
            library=library or counts.library,
            _with_shares=with_shares,
        )

    @property
    def groups(self) -> tuple[Hashable, ...]:
        """Group labels."""
        return self.counts.groups

    @property
    def strata(self) -> tuple[Hashable, ...] | None:
        """Labels of the strata, if there are any."""
        return self.counts.strata

    @property
    def n(self) -> Floats:
        """The (weighted) number of rows of each group."""
        return self.counts.n

    @property
    def rates(self) -> Mapping[str, Floats]:
        """Each rate per group."""
        return read_only({rate.name: self.counts.rate(rate) for rate in self.measured_rates})

    @property
    def shares(self) -> Mapping[str, Floats]:
        """Each group's share of all rows and of all selected; empty if they were not asked for."""
        if not self._with_shares:
            return read_only({})
        with np.errstate(invalid="ignore"):  # nobody is selected
            of_rows = self.n / self.n.sum(0)
            of_selected = _among_selected(self.counts).rate("true_positive_rate")
        return read_only({_SHARE_OF_ROWS: of_rows, SHARE_OF_SELECTED: of_selected})

    @property
    def few(self) -> Mapping[str, Bools]:
        """Where a rate is measured on few rows."""
        return read_only({name: size < self.min_group_size for name, size in self.effective_rows.items()})

    @property
    def overall(self) -> Mapping[str, Any]:
        """The number of rows and each rate over all of them."""
        total = self.counts.overall()
        values = {"n": total.n[0]} | {name: of_groups.sum(0) for name, of_groups in self.shares.items()}
        values |= {rate.name: total.rate(rate)[0] for rate in self.measured_rates}
        scalars = values if self.strata is not None else {name: float(v) for name, v in values.items()}
        return read_only(scalars)

    @property
    def overall_intervals(self) -> Mapping[str, Interval]:
        """The interval of each rate over all rows; empty without ``confidence``."""
        total = self.counts.overall()
        intervals = {} if self.confidence is None else _intervals(total, self.measured_rates, self.confidence)
        return read_only({name: (low[0], high[0]) for name, (low, high) in intervals.items()})

    @property
    def effective_rows(self) -> Mapping[str, Floats]:
        """The number of rows that each rate is measured on, effective ones if they are weighted."""
        return read_only({rate.name: effective_rows(self.counts, rate) for rate in self.measured_rates})

    def disparities(self) -> Disparities:
        """Return the largest difference and the smallest ratio of every rate, with intervals."""
        return Disparities.of(self)

    def difference(self, rate: str, *, method: Method = "between_groups", reference: Hashable = None) -> Any:
        """Return the largest difference of a rate between groups.

        Parameters
        ----------
        rate : str
            One of the rates in the table.
        method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
            Compare the groups with each other, each with the overall rate, or each with a reference group.
        reference : hashable, optional
            The reference group, for ``method="to_reference"``.

        Returns
        -------
        float, or array of shape (n_strata,)
            The difference, not negative: 0 is parity. NaN if fewer than two groups can be measured.
        """
        return self.counts.compare(self._constraint(rate), "difference", method=method, reference=reference)

    def ratio(self, rate: str, *, method: Method = "between_groups", reference: Hashable = None) -> Any:
        """Return the smallest ratio of a rate between groups.

        Parameters
        ----------
        rate : str
            One of the rates in the table, which cannot be negative.
        method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
            As in :meth:`difference`.
        reference : hashable, optional
            The reference group, for ``method="to_reference"``.

        Returns
        -------
        float, or array of shape (n_strata,)
            From 0 to 1: 1 is parity. NaN if fewer than two groups can be measured.
        """
        return self.counts.compare(self._constraint(rate), "ratio", method=method, reference=reference)

    def lowest(self, rate: str) -> GroupRate:
        """Return the group with the lowest value of a rate, and that value.

        Parameters
        ----------
        rate : str
            One of the rates in the table, which has no strata.

        Returns
        -------
        GroupRate
            The pair ``group, value``; ``None`` and NaN if no group can be measured.
        """
        return self._extreme(rate, largest=False)

    def highest(self, rate: str) -> GroupRate:
        """Return the group with the highest value of a rate, and that value.

        Parameters
        ----------
        rate : str
            One of the rates in the table, which has no strata.

        Returns
        -------
        GroupRate
            The pair ``group, value``; ``None`` and NaN if no group can be measured.
        """
        return self._extreme(rate, largest=True)

    def _constraint(self, rate: str) -> Constraint:
        by_name = {measured.name: measured for measured in self.measured_rates}
        if rate == SHARE_OF_SELECTED:
            raise ValueError(
                f"{rate!r} is not compared between groups: shares of one whole add up to 1. Compare the "
                "'selection_rate', or each group's share with its share_of_rows."
            )
        if rate not in by_name:
            raise ValueError(f"{rate!r} is not in this table, which has: {', '.join(by_name)}.")
        return Constraint(rate, by_name[rate])

    def _extreme(self, rate: str, *, largest: bool) -> GroupRate:
        (measured,) = self._constraint(rate).rates
        if self.strata is not None:
            raise ValueError("The table has strata: look at disparities(), which has a line for each.")
        return extreme_group(self.counts, measured, largest=largest)

    def _content(self) -> dict[str, Any]:
        total = self.counts.overall()
        sizes = {rate.name: effective_rows(total, rate)[0] for rate in self.measured_rates}
        return super()._content() | {
            "overall_effective_rows": sizes,
            "disparities": self.disparities().columns,
        }

    def plot(self, ax: Any = None, **kwargs: Any) -> Any:
        """Draw the rates and their intervals: a :class:`fairsk.plotting.GroupMetricDisplay`.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default in a new figure.
        **kwargs
            As in ``GroupMetricDisplay.from_counts``.

        Returns
        -------
        GroupMetricDisplay
            The display, drawn.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        from fairsk.plotting import GroupMetricDisplay

        options = {"min_group_size": self.min_group_size} | (
            {} if self.confidence is None else {"confidence": self.confidence}
        )
        return GroupMetricDisplay.from_counts(self.counts, self.measured_rates, ax=ax, **options | kwargs)

    def _tables(self) -> Sequence[Table]:
        tables = [self.rate_table()]
        if len(self.groups) > 1 and self.measured_rates:
            tables += self.disparities()._tables()
        return tables

    def rate_table(self) -> Table:
        """Return the table of rates, without that of disparities."""
        names = list(map(format_group, self.groups))
        names.append("all rows" if "overall" in names else "overall")
        table = _with_overall(self.counts)
        intervals = {} if self.confidence is None else _intervals(table, self.measured_rates, self.confidence)
        columns: dict[str, list[Any]] = {}
        if self.strata is not None:
            columns["stratum"] = [table.stratum_in_words(stratum) for stratum in self.strata for _ in names]
        columns["group"] = names * len(self.strata or [0])
        columns["n"] = _flat(table.n)
        text = {name: list(map(str, values)) for name, values in columns.items()}
        text["n"] = list(map(row_count, columns["n"]))
        self._add_shares(columns, text)
        marked = False
        for rate in self.measured_rates:
            values = columns[rate.name] = _flat(table.rate(rate))
            low, high = map(_flat, intervals.get(rate.name, (np.full_like(table.n, np.nan),) * 2))
            if self.confidence is not None:
                columns |= {f"{rate.name}_low": low, f"{rate.name}_high": high}
            measured_on = columns[f"{rate.name}_rows"] = _flat(effective_rows(table, rate))
            few = [0 < n < self.min_group_size for n in measured_on]
            marked |= any(few)
            star = ("*" if any(few) else "", " " if any(few) else "")
            text[rate.name] = [
                with_interval(*parts) + star[not scarce]
                for *parts, scarce in zip(values, low, high, few, strict=True)
            ]
        weighted = any(not np.array_equal(self.counts.cells[c], self.counts.squares[c]) for c in CELLS)
        notes = ["n: sums of weights; intervals go by the effective number of rows"] if weighted else []
        notes += [f"* measured on fewer than {self.min_group_size} rows"] if marked else []
        return Table(columns, text, notes=notes, words=["group"])

    def _add_shares(self, columns: dict[str, list[Any]], text: dict[str, list[str]]) -> None:
        """Add the columns of shares, if there are any, with their sums over the groups."""
        for name, of_groups in self.shares.items():
            columns[name] = _flat(np.concatenate([of_groups, of_groups.sum(0, keepdims=True)]))
            low = high = [np.nan] * len(columns[name])
            if name in self.intervals:
                missing = np.full_like(of_groups[:1], np.nan)
                low, high = (_flat(np.concatenate([end, missing])) for end in self.intervals[name])
                columns |= {f"{name}_low": low, f"{name}_high": high}
            text[name] = [with_interval(*parts) for parts in zip(columns[name], low, high, strict=True)]


def _among_selected(counts: GroupCounts) -> GroupCounts:
    """Return counts whose true positives are a group's selected, and whose positives are all selected."""

    def table(cells: Mapping[str, Floats]) -> dict[str, Floats]:
        selected = _SELECTION.part(cells)
        others = np.maximum(selected.sum(0) - selected, 0.0)  # a difference of sums of weights may be -1e-17
        nobody = np.zeros_like(selected)
        return {"tp": selected, "fp": nobody, "fn": others, "tn": nobody}

    return GroupCounts(
        counts.groups, table(counts.cells), table(counts.squares), strata=counts.strata, events=counts.events
    )


@dataclass(frozen=True, eq=False, repr=False)
class Disparities(Result):
    """The largest difference and the smallest ratio of every rate, with intervals, and between which groups.

    Parameters
    ----------
    columns : mapping of str to list
        ``rate``, ``difference``, ``ratio`` and their intervals, ``lowest`` and ``highest`` (groups); with
        strata, ``stratum`` before them.
    confidence : float or None
        The confidence of the intervals, simultaneous over all pairs of groups.
    library : str or None
        The library that :meth:`frame` makes a frame of.

    See Also
    --------
    group_metrics : The table of rates that it belongs to.
    """

    columns: Mapping[str, list[Any]]
    confidence: float | None
    library: Backend | None = None

    @classmethod
    def of(cls, metrics: GroupMetrics) -> Disparities:
        """Compare the groups of a table.

        Parameters
        ----------
        metrics : GroupMetrics
            The table.

        Returns
        -------
        Disparities
            A line per rate, and stratum if there are any.
        """
        records = list(_comparisons(metrics))
        columns = {name: [record[name] for record in records] for name in records[0]} if records else {}
        return cls(columns, metrics.confidence, metrics.library)

    def _tables(self) -> Sequence[Table]:
        columns = self.columns
        text = {name: list(map(str, values)) for name, values in columns.items()}
        for name in ("difference", "ratio"):
            ends = [columns.get(f"{name}_{end}", [np.nan] * len(columns[name])) for end in ("low", "high")]
            text[name] = [with_interval(*parts) for parts in zip(columns[name], *ends, strict=True)]
            for end in ("low", "high"):
                text.pop(f"{name}_{end}", None)
        notes = []
        if self.confidence is not None:
            notes = [f"{percent(self.confidence)} intervals, of disparities for all pairs of groups at once"]
        return [Table(columns, text, notes=notes, words=["rate", "lowest", "highest"])]


def check_columns(names: Collection[str]) -> None:
    """Refuse metrics whose column would have the name of another column of the table, or of an interval."""
    titles = ["group", "n", *names]
    # Two columns of a frame, or two keys of a record, would become one.
    ends = [f"{name}{end}" for name in names for end in ("_low", "_high", "_rows")]
    if len(set(titles)) < len(titles) or set(ends) & set(names):
        raise ValueError(
            f"Each column of the table needs a name of its own, got: {', '.join(titles)}. A dict names "
            "them. The ends of intervals are called NAME_low and NAME_high, and rows NAME_rows."
        )


def _comparisons(metrics: GroupMetrics) -> Iterator[dict[str, Any]]:
    """Yield a line per stratum and rate."""
    for stratum in metrics.strata or [None]:
        counts = metrics.counts if metrics.strata is None else metrics.counts.stratum(stratum)
        for rate in metrics.measured_rates:
            constraint = Constraint(rate.name, rate)
            values = counts.rate(rate)
            measured = np.flatnonzero(~np.isnan(values))
            record: dict[str, Any] = {}
            if metrics.strata is not None:
                record = {"stratum": metrics.counts.stratum_in_words(stratum)}
            record |= {"rate": rate.name}
            for comparison, interval in (("difference", difference_interval), ("ratio", ratio_interval)):
                signed = comparison == "ratio" and min(rate.numerator_coefficients) < 0
                record[comparison] = (
                    float("nan") if signed else float(getattr(constraint, comparison)(counts.cells))
                )
                if metrics.confidence is not None:
                    interval_ends = (
                        (np.nan, np.nan) if signed else interval(counts, constraint, metrics.confidence)
                    )
                    record |= {
                        f"{comparison}_{end}": value
                        for end, value in zip(("low", "high"), interval_ends, strict=True)
                    }
            names = ["-", "-"]
            if len(measured) and np.ptp(values[measured]):
                ends = measured[np.argmin(values[measured])], measured[np.argmax(values[measured])]
                names = [format_group(counts.groups[g]) for g in ends]
            yield record | {"lowest": names[0], "highest": names[1]}


def _intervals(counts: GroupCounts, rates: Iterable[Rate], confidence: float) -> dict[str, Interval]:
    return {rate.name: rate_intervals(counts, rate, confidence) for rate in rates}


def _with_overall(counts: GroupCounts) -> GroupCounts:
    """Return the counts with those of all groups together as the last group."""
    total = counts.overall()

    def stacked(field: str) -> dict[str, Floats]:
        of_groups, of_all = getattr(counts, field), getattr(total, field)
        return {cell: np.concatenate([of_groups[cell], of_all[cell]]) for cell in of_groups}

    labels = (*range(len(counts.groups)), "overall")
    cells, squares = stacked("cells"), stacked("squares")
    return GroupCounts(
        labels, cells, squares, strata=counts.strata, labelled=counts.labelled, events=counts.events
    )


def _flat(values: NDArray[Any]) -> list[Any]:
    """Return values of groups (and strata) as one list, stratum by stratum."""
    return values.T.ravel().tolist()
