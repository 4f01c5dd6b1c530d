"""Group counts summed over the folds of cross-validation, and the disparities that they give.

A scorer returns single numbers, so the counts of a fold are written under one key per group and cell
(``counts_0_tp`` is the number of true positives in the first group), and read back from ``cv_results_``.
Where several classes are compared the key names the class as well (``counts_0_2_tp``). Every row is tested
once, so the sums over the folds are the counts of predictions out of fold.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, list_groups, margin_labels
from fairsk._core.messages import did_you_mean
from fairsk._core.typing import Floats
from fairsk._core.warnings import warn_user
from fairsk.metrics._decisions.multiclass import worst_event
from fairsk.rates import CELLS, Comparison, Constraint, Method, Norm
from fairsk.statistics._intervals import joint_confidence, pair_disparities, worst_interval
from fairsk.statistics._pairs import Estimate

__all__ = ["NO_ESTIMATE", "Criterion", "Pooling", "fold_scores", "mean_scores", "write_counts"]

#: What the keys of counts, and of sums of squared weights, begin with.
PREFIXES = ("counts_", "squares_")

#: More tests per row than this are repeats; fewer come from rows whose number is not quite that of ``of(X)``.
_REPEATED = 1.5

NO_ESTIMATE = Estimate(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Criterion:
    """A constraint's comparison that counts of decisions give.

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

    def by_attributes(self, counts: GroupCounts) -> GroupCounts:
        """Return the counts by the attributes that are compared."""
        if self.attributes is None:
            return counts
        names = [counts.names[place] for place in self.attributes]
        return counts.regroup(margin_labels(counts.groups, counts.names, names), names=names, orders=())

    def value(self, counts: GroupCounts) -> float:
        """Return the disparity; NaN if fewer than two groups, or not the reference, can be measured.

        Of several classes it is that of the worst.
        """
        values = self._values(self.by_attributes(counts))
        if counts.strata is None:
            return float(values)
        worst = worst_event(values, self.constraint, self.comparison)
        return float("nan") if worst is None else float(values[worst])

    def worst_class(self, counts: GroupCounts) -> Hashable:
        """Return the class whose disparity it is; None if that is not known, or there are but two."""
        if counts.strata is None:
            return None
        values = self._values(self.by_attributes(counts))
        worst = worst_event(values, self.constraint, self.comparison)
        return None if worst is None else counts.strata[worst]

    def _values(self, counts: GroupCounts) -> Any:
        """Return the disparity, of every class if there are several."""
        position = None
        if self.method == "to_reference":
            if self.reference not in counts.groups:
                return np.full(len(counts.strata or [None]), np.nan) if counts.strata else np.nan
            position = counts.groups.index(self.reference)
        compare = self.constraint.compare
        return compare(counts.cells, self.comparison, method=self.method, reference=position, norm=self.norm)

    def score(self, counts: GroupCounts) -> float:
        """Return the disparity such that greater is better: a difference is negated."""
        return self.signed(self.value(counts))

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

    def estimate(self, counts: GroupCounts, confidence: float) -> Estimate[float]:
        """Return the disparity with its interval, for all pairs of groups, rates and classes at once."""
        value = self.value(counts)
        if np.isnan(value) or not self.has_interval or self.comparison not in ("difference", "ratio"):
            return Estimate(value, float("nan"), float("nan"))
        counts = self.by_attributes(counts)
        tables = [counts]
        if counts.strata is not None:
            confidence = joint_confidence(confidence, len(counts.strata))
            measured = ~np.isnan(self._values(counts))  # the others are passed over, as in the value
            tables = [counts.stratum(counts.strata[place]) for place in np.flatnonzero(measured)]
        pairs = [
            pair
            for table in tables
            for pair in pair_disparities(table, self.constraint, self.comparison, confidence, self.reference)
        ]
        return Estimate(value, *worst_interval(pairs, self.comparison))

    def measured_in_every_group(self, counts: GroupCounts) -> bool:
        """Whether every group has something to measure each rate on."""
        cells = self.by_attributes(counts).cells
        return all(bool((rate.support(cells) != 0).all()) for rate in self.constraint.rates)


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
    """

    groups: tuple[Hashable, ...]
    names: tuple[str, ...]
    criteria: Mapping[str, Criterion]
    n_repeats: int = 1
    sizes: tuple[int, ...] | None = None
    events: tuple[Hashable, ...] | None = None
    are_grades: bool = False

    def in_words(self, label: Hashable) -> str:
        """Return what the event of a class is called: ``gold``, or ``gold or better``."""
        return f"{format_group(label)} or better" if self.are_grades else format_group(label)

    def groups_of(self, criterion: Criterion) -> tuple[Hashable, ...]:
        """Return the groups that a criterion compares."""
        empty = {cell: np.zeros(len(self.groups)) for cell in CELLS}
        return criterion.by_attributes(GroupCounts(self.groups, empty, names=self.names)).groups

    def counts(self, results: Mapping[str, Any], *, warn: bool = True) -> list[GroupCounts | None]:
        """Return the counts of each candidate, summed over the folds; None where scoring failed in one.

        Raises
        ------
        ValueError
            If the results hold no counts, or those of other groups.

        Warns
        -----
        UserWarning
            If rows have been tested more often than ``n_repeats`` says, unless ``warn=False``.
        """
        totals = {"counts": self._totals(results, "counts")}
        try:
            totals["squares"] = self._totals(results, "squares")
        except KeyError:  # the rows have no weights
            totals["squares"] = totals["counts"]
            if warn:
                self._warn_of_repeats(totals["counts"])
        n_candidates = len(totals["counts"]["tp"])
        return [self._table(totals, place) for place in range(n_candidates)]

    def _totals(self, results: Mapping[str, Any], kind: str) -> dict[str, Floats]:
        """Return the cells of shape (n_candidates, n_groups), or sums of squares, over the folds."""
        last = len(self.groups)
        try:
            totals = {cell: self._total(results, kind, cell) for cell in CELLS}
            others = any(_has_fold_scores(results, f"{kind}_{key}_tp") for key in self._keys_of_others())
        except KeyError:
            if kind == "squares":
                raise
            others = True
        if others:
            of_classes = "" if self.events is None else f" in {len(self.events)} classes"
            raise ValueError(
                f"These results do not hold the counts of {last} group{'s' * (last != 1)}{of_classes}: they "
                "were not scored by this GroupScoring, or scoring failed in every fold (error_score='raise' "
                "in the search says why)."
            ) from None
        return {cell: total / self.n_repeats for cell, total in totals.items()}

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
        return GroupCounts(self.groups, cells, squares, names=self.names, strata=self.events)

    def _warn_of_repeats(self, totals: Mapping[str, Floats]) -> None:
        """Warn of rows that were tested more than once, which would make intervals too narrow."""
        if self.sizes is None:
            return
        rows = sum(totals.values(), start=np.zeros(1))
        rows = rows if self.events is None else rows[..., 0]  # every class counts all rows
        tested = max(np.nan_to_num(rows.sum(1)), default=0.0)
        times = tested / sum(self.sizes)
        if times > _REPEATED:
            warn_user(
                f"Cross-validation tested each row about {times * self.n_repeats:.1f} times, and "
                f"n_repeats={self.n_repeats}: the intervals of pooled counts are too narrow. Give "
                "GroupScoring the n_repeats of the splitter."
            )


def write_counts(counts: GroupCounts, groups: Sequence[Hashable], *, weighted: bool) -> dict[str, float]:
    """Return the counts of one fold as single numbers, 0 for groups that have no rows in it.

    Parameters
    ----------
    counts : GroupCounts
        The counts of the groups that occur.
    groups : sequence of labels
        All groups, which number the keys.
    weighted : bool
        Whether to write the sums of squared weights too.
    """
    position = {label: place for place, label in enumerate(counts.groups)}
    tables = {"counts": counts.cells} | ({"squares": counts.squares} if weighted else {})
    classes: list[Any] = [()] if counts.strata is None else [(k,) for k in range(len(counts.strata))]
    return {
        "_".join(map(str, (kind, number, *k, cell))): (
            float(table[cell][(position[label], *k)]) if label in position else 0.0
        )
        for kind, table in tables.items()
        for number, label in enumerate(groups)
        for k in classes
        for cell in CELLS
    }


def _has_fold_scores(results: Mapping[str, Any], name: str) -> bool:
    return f"split0_test_{name}" in results or f"test_{name}" in results


def fold_scores(results: Mapping[str, Any], name: str) -> Floats:
    """Return a score in every fold, of shape (n_candidates, n_folds).

    Parameters
    ----------
    results : mapping of str to array
        The ``cv_results_`` of a search, or what ``cross_validate`` returned: one candidate.
    name : str
        Name of the score.

    Raises
    ------
    KeyError
        If there is no such score.
    """
    folds: list[Floats] = []
    while f"split{len(folds)}_test_{name}" in results:
        folds.append(np.asarray(results[f"split{len(folds)}_test_{name}"], dtype=float))
    if folds:
        return np.stack(folds, axis=1)
    return np.array([results[f"test_{name}"]], dtype=float)


def mean_scores(results: Mapping[str, Any], name: str) -> Floats:
    """Return the mean of a score over the folds, of each candidate.

    Raises
    ------
    ValueError
        If there is no such score.
    """
    if f"mean_test_{name}" in results:
        return np.asarray(results[f"mean_test_{name}"], dtype=float)
    if f"test_{name}" in results:
        return np.asarray(results[f"test_{name}"], dtype=float).mean(keepdims=True)
    names = [key.removeprefix("mean_test_") for key in results if key.startswith("mean_test_")]
    names = names or [key.removeprefix("test_") for key in results if key.startswith("test_")]
    names = [name for name in names if not name.startswith(PREFIXES)]
    raise ValueError(
        f"There is no scorer {name!r:.200}.{did_you_mean(name, names)} The scorers are: {list_groups(names)}."
    )
