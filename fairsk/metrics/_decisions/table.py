"""The table of rates per group, with what they are worth: intervals, disparities, and where rows are few."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group
from fairsk._core.results import Backend, Table, Tabular, library_of, percent, rows, with_interval
from fairsk.rates import CELLS, Constraint, Rate, get_rate
from fairsk.statistics._intervals import difference_interval, rate_intervals, ratio_interval
from fairsk.statistics._proportions import effective_rows

__all__ = ["Disparities", "GroupMetrics", "group_metrics"]

Floats = NDArray[np.float64]
Limits = tuple[Floats, Floats]

_DEFAULT_RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy", "precision")


@dataclass(frozen=True, init=False, eq=False)
class GroupMetrics(Tabular):
    """Rates per group with their intervals, the overall row, and the disparities between the groups.

    It prints, renders as HTML, becomes a frame and plots itself. :func:`group_metrics` makes it of labels and
    predictions; its constructor makes it of any counts, such as those that a database made.

    Parameters
    ----------
    counts : GroupCounts
        The counts that all numbers follow from.
    rates : str, Rate, or iterable of these, optional
        Which rates; by default selection, true positive and false positive rate, accuracy and precision.
    confidence : float in (0, 1) or None, default=0.95
        The confidence of the intervals; None leaves them out.
    min_group_size : int, default=30
        A rate that is measured on fewer rows (effective ones, if they are weighted) is marked. It is a
        mark only: nothing is left out.

    Attributes
    ----------
    groups : tuple
        Group labels.
    strata : tuple or None
        Labels of the strata, if the counts have any; arrays then have a second axis.
    n : array of shape (n_groups,)
        The (weighted) number of rows of each group.
    rates : dict of str to array of shape (n_groups,)
        Each rate per group; NaN where it has an empty denominator.
    intervals : dict of str to (array, array)
        Lower and upper limits of each rate per group (Wilson); empty without ``confidence``.
    few : dict of str to boolean array of shape (n_groups,)
        Where a rate is measured on fewer than ``min_group_size`` rows.
    overall : dict of str to float
        ``n`` and each rate over all rows; arrays if there are strata.

    Raises
    ------
    ValueError
        If two rates have the same name, or ``confidence`` does not lie between 0 and 1.

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
    confidence: float | None
    min_group_size: int
    library: Backend | None
    _chosen: tuple[Rate, ...]

    def __init__(
        self,
        counts: GroupCounts,
        rates: str | Rate | Iterable[str | Rate] = _DEFAULT_RATES,
        *,
        confidence: float | None = 0.95,
        min_group_size: int = 30,
        library: Backend | None = None,
    ) -> None:
        chosen = tuple(get_rate(rate) for rate in ([rates] if isinstance(rates, str | Rate) else rates))
        titles = ["group", "n", *(rate.name for rate in chosen)]
        if len(set(titles)) < len(titles):
            raise ValueError(f"Each column of the table needs a name of its own, got: {', '.join(titles)}.")
        for name, value in {
            "counts": counts,
            "confidence": confidence,
            "min_group_size": min_group_size,
            "library": library,
            "_chosen": chosen,
            "intervals": {} if confidence is None else _limits(counts, chosen, confidence),
        }.items():
            object.__setattr__(self, name, value)  # the instance is frozen

    intervals: Mapping[str, Limits]

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
    def rates(self) -> dict[str, Floats]:
        """Each rate per group."""
        return {rate.name: self.counts.rate(rate) for rate in self._chosen}

    @property
    def few(self) -> dict[str, NDArray[np.bool_]]:
        """Where a rate is measured on few rows."""
        sizes = {rate.name: effective_rows(self.counts, rate) for rate in self._chosen}
        return {name: size < self.min_group_size for name, size in sizes.items()}

    @property
    def overall(self) -> dict[str, Any]:
        """The number of rows and each rate over all of them."""
        total = self.counts.overall()
        values = {"n": total.n[0]} | {rate.name: total.rate(rate)[0] for rate in self._chosen}
        return values if self.strata is not None else {name: float(v) for name, v in values.items()}

    def disparities(self) -> Disparities:
        """Return the largest difference and the smallest ratio of every rate, with intervals."""
        return Disparities.of(self)

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

        given = {"min_group_size": self.min_group_size} | (
            {} if self.confidence is None else {"confidence": self.confidence}
        )
        return GroupMetricDisplay.from_counts(self.counts, self._chosen, ax=ax, **given | kwargs)

    def _tables(self) -> Sequence[Table]:
        tables = [self._rate_table()]
        if len(self.groups) > 1 and self._chosen:
            tables += self.disparities()._tables()
        return tables

    def _rate_table(self) -> Table:
        names = list(map(format_group, self.groups))
        names.append("all rows" if "overall" in names else "overall")
        table = _with_overall(self.counts)
        limits = {} if self.confidence is None else _limits(table, self._chosen, self.confidence)
        columns: dict[str, list[Any]] = {}
        if self.strata is not None:
            columns["stratum"] = [format_group(stratum) for stratum in self.strata for _ in names]
        columns["group"] = names * len(self.strata or [0])
        columns["n"] = _flat(table.n)
        shown = {name: list(map(str, values)) for name, values in columns.items()}
        shown["n"] = list(map(rows, columns["n"]))
        marked = False
        for rate in self._chosen:
            values = columns[rate.name] = _flat(table.rate(rate))
            low, high = map(_flat, limits.get(rate.name, (np.full_like(table.n, np.nan),) * 2))
            if self.confidence is not None:
                columns |= {f"{rate.name}_low": low, f"{rate.name}_high": high}
            measured_on = columns[f"{rate.name}_rows"] = _flat(effective_rows(table, rate))
            few = [0 < n < self.min_group_size for n in measured_on]
            marked |= any(few)
            star = ("*" if any(few) else "", " " if any(few) else "")
            shown[rate.name] = [
                with_interval(*parts) + star[not scarce]
                for *parts, scarce in zip(values, low, high, few, strict=True)
            ]
        weighted = any(not np.array_equal(self.counts.cells[c], self.counts.squares[c]) for c in CELLS)
        notes = ["n: sums of weights; intervals go by the effective number of rows"] if weighted else []
        notes += [f"* measured on fewer than {self.min_group_size} rows"] if marked else []
        return Table(columns, shown, notes=notes, words=["group"])


@dataclass(frozen=True, eq=False)
class Disparities(Tabular):
    """The largest difference and the smallest ratio of every rate, with intervals, and between which groups.

    Parameters
    ----------
    columns : mapping of str to list
        ``rate``, ``difference``, ``ratio`` and their limits, ``lowest`` and ``highest`` (groups); with
        strata, ``stratum`` before them.
    confidence : float or None
        The confidence of the intervals, simultaneous over all pairs of groups.
    """

    columns: Mapping[str, list[Any]]
    confidence: float | None
    library: Backend | None = None

    @classmethod
    def of(cls, metrics: GroupMetrics) -> Disparities:
        """Compare the groups of a table."""
        lines = list(_compared(metrics))
        columns = {name: [line[name] for line in lines] for name in lines[0]} if lines else {}
        return cls(columns, metrics.confidence, metrics.library)

    def _tables(self) -> Sequence[Table]:
        columns = self.columns
        shown = {name: list(map(str, values)) for name, values in columns.items()}
        for name in ("difference", "ratio"):
            limits = [columns.get(f"{name}_{end}", [np.nan] * len(columns[name])) for end in ("low", "high")]
            shown[name] = [with_interval(*parts) for parts in zip(columns[name], *limits, strict=True)]
            for end in ("low", "high"):
                shown.pop(f"{name}_{end}", None)
        notes = []
        if self.confidence is not None:
            notes = [f"{percent(self.confidence)} intervals, of disparities for all pairs of groups at once"]
        return [Table(columns, shown, notes=notes, words=["rate", "lowest", "highest"])]


def _compared(metrics: GroupMetrics) -> Iterator[dict[str, Any]]:
    """Yield a line per stratum and rate."""
    for stratum in metrics.strata or [None]:
        counts = metrics.counts if metrics.strata is None else metrics.counts.stratum(stratum)
        for rate in metrics._chosen:
            constraint = Constraint(rate.name, rate)
            values = counts.rate(rate)
            known = np.flatnonzero(~np.isnan(values))
            line: dict[str, Any] = {} if metrics.strata is None else {"stratum": format_group(stratum)}
            line |= {"rate": rate.name}
            for comparison, interval in (("difference", difference_interval), ("ratio", ratio_interval)):
                signed = comparison == "ratio" and min(rate.numerator_coefficients) < 0
                line[comparison] = (
                    float("nan") if signed else float(getattr(constraint, comparison)(counts.cells))
                )
                if metrics.confidence is not None:
                    limits = (np.nan, np.nan) if signed else interval(counts, constraint, metrics.confidence)
                    line |= {
                        f"{comparison}_{end}": limit
                        for end, limit in zip(("low", "high"), limits, strict=True)
                    }
            names = ["-", "-"]
            if len(known) and np.ptp(values[known]):
                ends = known[np.argmin(values[known])], known[np.argmax(values[known])]
                names = [format_group(counts.groups[g]) for g in ends]
            yield line | {"lowest": names[0], "highest": names[1]}


def _limits(counts: GroupCounts, rates: Iterable[Rate], confidence: float) -> dict[str, Limits]:
    return {rate.name: rate_intervals(counts, rate, confidence) for rate in rates}


def _with_overall(counts: GroupCounts) -> GroupCounts:
    """Return the counts with those of all groups together as the last group."""
    total = counts.overall()

    def stacked(field: str) -> dict[str, Floats]:
        ours, all_of_it = getattr(counts, field), getattr(total, field)
        return {cell: np.concatenate([ours[cell], all_of_it[cell]]) for cell in ours}

    labels = (*range(len(counts.groups)), "overall")
    return GroupCounts(labels, stacked("cells"), stacked("squares"), strata=counts.strata)


def _flat(values: NDArray[Any]) -> list[Any]:
    """Return values of groups (and strata) as one list, stratum by stratum."""
    return values.T.ravel().tolist()


def group_metrics(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    rates: str | Rate | Iterable[str | Rate] = _DEFAULT_RATES,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    strata: Any = None,
    confidence: float | None = 0.95,
    min_group_size: int = 30,
) -> GroupMetrics:
    """Tabulate rates per group with n, intervals, the overall row, and the disparities between groups.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Labels, and predicted labels (not scores).
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    rates : str, Rate, or iterable of these, optional
        Which rates; by default selection, true positive and false positive rate, accuracy and precision.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
    strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
        Values to hold constant: the table is broken down by them too.
    confidence : float in (0, 1) or None, default=0.95
        The confidence of the intervals: Wilson's for rates, Newcombe's for differences and MOVER-R for
        ratios, the latter two for all pairs of groups at once. None leaves them out.
    min_group_size : int, default=30
        A rate that is measured on fewer rows is marked with a star. Nothing is left out.

    Returns
    -------
    GroupMetrics
        The table; ``.frame()`` makes it a frame of the library that the data came in.

    Raises
    ------
    ValueError
        If lengths differ, a group value is missing, the positive label cannot be told, or two rates have
        the same name.

    Warns
    -----
    UserWarning
        If a group has nothing to measure a rate on (an empty denominator): it is NaN, and the group is named.

    See Also
    --------
    fairsk.statistics : Contrasts, tests, verdicts and the bootstrap, all from ``.counts``.

    Examples
    --------
    >>> from fairsk.metrics import group_metrics
    >>> y_true = [1, 1, 0, 0, 1, 1, 0, 0]
    >>> y_pred = [1, 1, 1, 0, 1, 0, 1, 0]
    >>> table = group_metrics(y_true, y_pred, sensitive_features=list("aaaabbbb"), confidence=None,
    ...                       rates=["selection_rate", "true_positive_rate"], min_group_size=4)
    >>> print(table)
    group    n  selection_rate  true_positive_rate
    ----------------------------------------------
    a        4           0.750              1.000*
    b        4           0.500              0.500*
    overall  8           0.625              0.750
    * measured on fewer than 4 rows
    <BLANKLINE>
    rate                difference  ratio  lowest  highest
    ------------------------------------------------------
    selection_rate           0.250  0.667  b       a
    true_positive_rate       0.500  0.500  b       a
    """
    counts = GroupCounts.from_predictions(
        y_true,
        y_pred,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
    )
    table = GroupMetrics(
        counts,
        rates,
        confidence=confidence,
        min_group_size=min_group_size,
        library=library_of(sensitive_features, y_true, y_pred),
    )
    for rate in table._chosen:
        counts.warn_undefined(rate, fewest=0)
    return table
