"""Tables of groups summed over the folds of cross-validation, and the disparities that they give.

Every row is tested once, so the sums over the folds are those of predictions out of fold: the counts of
decisions, or the moments of predicted amounts.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, margin_labels
from fairsk._core.typing import Floats
from fairsk._core.warnings import warn_user
from fairsk.metrics._decisions.multiclass import worst_event
from fairsk.rates import CELLS, Comparison, Constraint, Method, Norm
from fairsk.scoring._fold_tables import fold_scores, has_fold_scores, read_amounts, table_keys
from fairsk.statistics._intervals import joint_confidence, pair_disparities, worst_interval
from fairsk.statistics._measures import GroupTable
from fairsk.statistics._pairs import Estimate

__all__ = ["NO_ESTIMATE", "Criterion", "Pooling"]

#: More tests per row than this are repeats; fewer come from rows whose number is not quite that of ``of(X)``.
_REPEATED = 1.5

NO_ESTIMATE = Estimate(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Criterion:
    """A constraint's comparison that counts of decisions, or moments of amounts, give.

    Parameters
    ----------
    constraint, comparison, method, reference, norm
        As :func:`fairsk.scoring.make_fair_scorer` takes them; the comparison is no rate of the worst group.
    attributes : tuple of int, optional
        The positions of the attributes that it compares by, of those whose intersection is counted.
    """

    constraint: Constraint
    comparison: Comparison
    method: Method = "between_groups"
    reference: Hashable = None
    attributes: tuple[int, ...] | None = None
    norm: Norm = "max"

    def by_attributes(self, table: GroupTable) -> GroupTable:
        """Return the table by the attributes that are compared."""
        if self.attributes is None:
            return table
        names = [table.names[place] for place in self.attributes]
        return table.regroup(margin_labels(table.groups, table.names, names), names=names, orders=())

    def value(self, table: GroupTable) -> float:
        """Return the disparity; NaN if fewer than two groups, or not the reference, can be measured.

        Of several classes it is that of the worst.
        """
        values = self._values(self.by_attributes(table))
        if _classes(table) is None:
            return float(values)
        worst = worst_event(values, self.constraint, self.comparison)
        return float("nan") if worst is None else float(values[worst])

    def worst_class(self, table: GroupTable) -> Hashable:
        """Return the class whose disparity it is; None if that is not known, or there are but two."""
        classes = _classes(table)
        if classes is None:
            return None
        values = self._values(self.by_attributes(table))
        worst = worst_event(values, self.constraint, self.comparison)
        return None if worst is None else classes[worst]

    def _values(self, table: GroupTable) -> Any:
        """Return the disparity, of every class if there are several."""
        position = None
        if self.method == "to_reference":
            if self.reference not in table.groups:
                classes = _classes(table)
                return np.nan if classes is None else np.full(len(classes), np.nan)
            position = table.groups.index(self.reference)
        compare = self.constraint.compare
        return compare(_sums(table), self.comparison, method=self.method, reference=position, norm=self.norm)

    def score(self, table: GroupTable) -> float:
        """Return the disparity such that greater is better: a difference is negated."""
        return self.signed(self.value(table))

    def signed(self, value: Any) -> Any:
        """Return disparities such that greater is better."""
        return value if self.comparison == "ratio" else -value

    @property
    def has_interval(self) -> bool:
        """Whether the disparity has an interval, as that of the worst of all pairs has."""
        return not self.without_interval

    @property
    def without_interval(self) -> str:
        """What the disparity does that has no interval; empty if it has one."""
        if self.method == "to_overall":
            return "compares groups with all of them together (method='to_overall')"
        if self.comparison == "mean_difference":
            return "is a mean over pairs of groups (comparison='mean_difference')"
        if self.norm != "max" and len(self.constraint.rates) > 1:
            return f"adds up differences in several rates (norm={self.norm!r})"
        return ""

    @property
    def furthest(self) -> float:
        """The worst value that the disparity can have."""
        if self.comparison == "ratio":
            return 0.0
        if not all(rate.is_share for rate in self.constraint.rates):
            return float("inf")
        power = {"max": 0.0, "l2": 0.5, "l1": 1.0}[self.norm]
        return float(len(self.constraint.rates) ** power)

    def estimate(self, table: GroupTable, confidence: float) -> Estimate[float]:
        """Return the disparity with its interval, for all pairs of groups, rates and classes at once."""
        value = self.value(table)
        if np.isnan(value) or not self.has_interval or self.comparison not in ("difference", "ratio"):
            return Estimate(value, float("nan"), float("nan"))
        table = self.by_attributes(table)
        tables = [table]
        if isinstance(table, GroupCounts) and table.strata is not None:
            confidence = joint_confidence(confidence, len(table.strata))
            measured = ~np.isnan(self._values(table))  # the others are passed over, as in the value
            tables = [table.stratum(table.strata[place]) for place in np.flatnonzero(measured)]
        pairs = [
            pair
            for each in tables
            for pair in pair_disparities(each, self.constraint, self.comparison, confidence, self.reference)
        ]
        return Estimate(value, *worst_interval(pairs, self.comparison))

    def measured_in_every_group(self, table: GroupTable) -> bool:
        """Whether every group has something to measure each rate on."""
        sums = _sums(self.by_attributes(table))
        return all(bool((rate.support(sums) != 0).all()) for rate in self.constraint.rates)


def _classes(table: GroupTable) -> tuple[Hashable, ...] | None:
    """Return the classes that are counted one by one; None if one of two is positive, and of amounts."""
    return table.strata if isinstance(table, GroupCounts) else None


def _sums(table: GroupTable) -> Mapping[str, Floats]:
    """Return the sums that a constraint compares."""
    return table.cells if isinstance(table, GroupCounts) else table.moments


@dataclass(frozen=True)
class Pooling:
    """What it takes to read counts from the results of cross-validation, and to judge them.

    Parameters
    ----------
    groups : tuple of labels
        The groups, in the order in which their counts are numbered.
    names : tuple of str
        What the sensitive attributes are called.
    criteria : mapping of str to Criterion
        The scores that counts give, by name.
    n_repeats : int
        How often cross-validation tests each row.
    sizes : tuple of int, optional
        The number of rows of each group, if all rows have been seen.
    events : tuple of labels, optional
        The classes, or grades, that are counted one by one; None if one of two is positive.
    are_grades : bool
        Whether these are grades, each with all better ones.
    of_amounts : bool
        Whether moments of predicted amounts are compared, and not counts of decisions.
    """

    groups: tuple[Hashable, ...]
    names: tuple[str, ...]
    criteria: Mapping[str, Criterion]
    n_repeats: int = 1
    sizes: tuple[int, ...] | None = None
    events: tuple[Hashable, ...] | None = None
    are_grades: bool = False
    of_amounts: bool = False

    def keys(self, *, weighted: bool) -> list[str]:
        """Return the keys under which a fold's table is written."""
        n_classes = None if self.events is None else len(self.events)
        return table_keys(len(self.groups), n_classes, of_amounts=self.of_amounts, weighted=weighted)

    def in_words(self, label: Hashable) -> str:
        """Return what the event of a class is called: ``gold``, or ``gold or better``."""
        return f"{format_group(label)} or better" if self.are_grades else format_group(label)

    def groups_of(self, criterion: Criterion) -> tuple[Hashable, ...]:
        """Return the groups that a criterion compares."""
        empty = {cell: np.zeros(len(self.groups)) for cell in CELLS}
        return criterion.by_attributes(GroupCounts(self.groups, empty, names=self.names)).groups

    def tables(self, results: Mapping[str, Any], *, warn: bool = True) -> list[GroupTable | None]:
        """Return the table of each candidate, summed over the folds; None where scoring failed in one.

        Raises
        ------
        ValueError
            If the results hold no tables, or those of other groups.

        Warns
        -----
        UserWarning
            If rows have been tested more often than ``n_repeats`` says, unless ``warn=False``.
        """
        if self.of_amounts:
            try:
                amounts = read_amounts(results, self.groups, self.names, self.n_repeats)
            except KeyError:
                raise self._error() from None
            if warn:
                known = [table for table in amounts if table is not None]
                unweighted = [t.n.sum() for t in known if np.array_equal(t.n, t.squared_weights)]
                self._warn_of_repeats(max(unweighted, default=0.0))
            return list(amounts)
        totals = {"counts": self._totals(results, "counts")}
        try:
            totals["squares"] = self._totals(results, "squares")
        except KeyError:  # the rows have no weights
            totals["squares"] = totals["counts"]
            if warn:
                rows = sum(totals["counts"].values(), start=np.zeros(1))
                rows = rows if self.events is None else rows[..., 0]  # every class counts all rows
                self._warn_of_repeats(max(np.nan_to_num(rows.sum(1)), default=0.0))
        n_candidates = len(totals["counts"]["tp"])
        return [self._table(totals, place) for place in range(n_candidates)]

    def _totals(self, results: Mapping[str, Any], kind: str) -> dict[str, Floats]:
        """Return the cells of shape (n_candidates, n_groups), or sums of squares, over the folds."""
        try:
            totals = {cell: self._total(results, kind, cell) for cell in CELLS}
            others = any(has_fold_scores(results, f"{kind}_{key}_tp") for key in self._keys_of_others())
        except KeyError:
            if kind == "squares":
                raise
            others = True
        if others:
            raise self._error() from None
        return {cell: total / self.n_repeats for cell, total in totals.items()}

    def _error(self) -> ValueError:
        """Return the error that the results do not hold the tables of these groups."""
        last = len(self.groups)
        what = "moments of predicted amounts" if self.of_amounts else "counts"
        of_classes = "" if self.events is None or self.of_amounts else f" in {len(self.events)} classes"
        return ValueError(
            f"These results do not hold the {what} of {last} group{'s' * (last != 1)}{of_classes}: they were "
            "not scored by this GroupScoring, or scoring failed in every fold (error_score='raise' in the "
            "search says why)."
        )

    def _total(self, results: Mapping[str, Any], kind: str, cell: str) -> Floats:
        """Return a cell summed over the folds, of shape (n_candidates, n_groups) or with the classes last."""
        shape = (len(self.groups),) if self.events is None else (len(self.groups), len(self.events))
        sums = [
            fold_scores(results, f"{kind}_{'_'.join(map(str, place))}_{cell}").sum(1)
            for place in np.ndindex(shape)
        ]
        return np.stack(sums, axis=1).reshape(-1, *shape)

    def _keys_of_others(self) -> list[str]:
        """Return the numbers that only results of more groups, or more classes, would have."""
        last = len(self.groups)
        return [f"{last}"] if self.events is None else [f"{last}_0", f"0_{len(self.events)}"]

    def _table(self, totals: Mapping[str, Mapping[str, Floats]], place: int) -> GroupCounts | None:
        cells, squares = (
            {cell: total[place] for cell, total in totals[kind].items()} for kind in ("counts", "squares")
        )
        if any(np.isnan(total).any() for total in cells.values()):
            return None
        kind = None if self.events is None else "grades" if self.are_grades else "classes"
        events: dict[str, Any] = {"strata": self.events, "events": kind}
        return GroupCounts(self.groups, cells, squares, names=self.names, **events)

    def _warn_of_repeats(self, tested: float) -> None:
        """Warn of rows that were tested more than once, which would make intervals too narrow."""
        if self.sizes is None:
            return
        times = tested / sum(self.sizes)
        if times > _REPEATED:
            warn_user(
                f"Cross-validation tested each row about {times * self.n_repeats:.1f} times, and "
                f"n_repeats={self.n_repeats}: the intervals of pooled counts are too narrow. Give "
                "GroupScoring the n_repeats of the splitter."
            )
