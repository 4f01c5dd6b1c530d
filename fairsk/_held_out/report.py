"""Reports of held bounds: what decisions achieve under constraints, as an object that prints itself."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from fairsk._core.bounds import ROUNDING, Bound, BoundedConstraint
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, list_groups
from fairsk._core.messages import list_texts
from fairsk._core.results import Backend, Entries, Result, Table, number, row_count
from fairsk._core.warnings import warn_user
from fairsk._held_out.objective import AnyObjective, FreeObjective
from fairsk._held_out.safety_margin import KeptMargin, MarginLike
from fairsk._held_out.summary import list_cells, summary_lines
from fairsk.rates import CELLS, Rate
from fairsk.statistics._intervals import (
    PairDisparities,
    joint_confidence,
    pair_disparities,
    worst_interval,
)

__all__ = [
    "BoundReport",
    "ConstraintReport",
    "MeasuredOn",
    "constraint_fields",
    "drop_rounding",
    "reached",
    "report_fields",
    "warn_of_wide_intervals",
]

#: On which rows a report's figures were measured.
MeasuredOn: TypeAlias = Literal["out of fold", "held out", "training"]

#: By how much a linear program may exceed a bound.
_SOLVER_ROUNDING = 1e-7
#: The confidence of a report's intervals.
_CONFIDENCE = 0.95
#: An interval passes its bound far if it ends beyond this many times what the bound allows: at two, the rows
#: cannot tell a disparity at the bound from one that misses it by as much as it allows. (A ratio of r allows
#: the logarithms of two rates to lie -log(r) apart: its double is the ratio r^2.)
_FAR = 2.0
#: How many lines a printed report has for strata.
_MOST_STRATA = 10
#: How the columns of strata are called that came without a name: what reads them has this default.
_NAMELESS = "sensitive_features"


@dataclass(frozen=True, eq=False, repr=False)
class ConstraintReport(Result):
    """What decisions achieve under one constraint.

    Parameters
    ----------
    constraint : str
        What was bounded.
    rates : tuple of Rate
        The rates that should agree.
    comparison : {"difference", "ratio"}
        Whether the difference was bounded from above, or the ratio from below.
    bound : float
        The bound that was asked for; infinite where a difference was measured, but not bounded.
    disparity : float
        The largest difference (or smallest ratio) between groups that are not exempt; for mixtures, the
        expected one. NaN where fewer than two groups can be compared.
    interval : tuple of two floats
        A 95% confidence interval for it, simultaneous over all pairs of groups, all rates and all strata. The
        lower end of a difference's is 0 where the rates may be equal, for no largest difference is negative.
    stratum : label or None
        Where groups are compared within strata, the one that has this disparity.
    """

    constraint: str
    rates: tuple[Rate, ...]
    comparison: Literal["difference", "ratio"]
    bound: float
    disparity: float
    interval: tuple[float, float]
    stratum: Hashable | None = None

    @property
    def violation(self) -> float:
        """By how much the bound is exceeded: negative where it leaves room, NaN where nothing is compared."""
        return self._bound.excess(self.disparity)

    @property
    def is_sure(self) -> bool | None:
        """Whether the whole interval lies within the bound; None where nothing is compared."""
        worst = self._worst_end
        return None if np.isnan(worst) else self._bound.excess(worst) <= ROUNDING

    @property
    def is_far(self) -> bool:
        """Whether the interval passes the bound by more than the bound itself allows.

        That is a difference of up to more than twice ``bound``, or a ratio down to less than its square. Of
        parity (a difference of 0, a ratio of 1) no rows can show more than that they are equal themselves:
        its interval passes it always, and is not called far.
        """
        if self.comparison == "difference":
            return 0 < _FAR * self.bound < self._worst_end
        return self._worst_end < self.bound**_FAR < 1

    @property
    def _bound(self) -> Bound:
        bounds: dict[str, float] = {self.comparison: self.bound}
        return Bound(**bounds)

    @property
    def _worst_end(self) -> float:
        """The end of the interval that is the least fair."""
        return self.interval[1 if self.comparison == "difference" else 0]

    def _tables(self) -> list[Table]:
        low, high = self.interval
        columns: dict[str, list[Any]] = {
            "constraint": [self.constraint],
            "comparison": [self.comparison],
            "bound": [self.bound],
            "disparity": [self.disparity],
            "low": [low],
            "high": [high],
        }
        if self.stratum is not None:
            columns["stratum"] = [format_group(self.stratum)]
        return [Table(columns, words=("comparison", "stratum"))]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class BoundReport(Result):
    """What the decisions of an estimator that holds bounds achieve.

    With several constraints, ``constraint``, ``comparison``, ``bound``, ``disparity`` and ``interval`` are
    those of the :attr:`binding` one; ``constraints`` has all of them.

    Parameters
    ----------
    pos_label : label
        The class whose prediction counts as being selected.
    objective : str
        What was maximised.
    value : float
        The objective's value over all rows.
    value_without_bound : float or None
        What the best threshold for all rows alike reaches, without a bound; None where it is not known.
    group_value_without_bound : float or None
        What the best threshold of each group reaches, without a bound; None where it is not known.
    counts_without_bound : GroupCounts or None
        The confusion cells of all groups under the best threshold for all rows alike; None where it is not
        known.
    lower_is_better : bool
        Whether the objective was minimised, as error rates are.
    constraints : tuple of ConstraintReport
        One per constraint.
    counts : GroupCounts
        The (expected) confusion cells of all groups, by strata if groups are compared within these: every
        rate and interval follows from them.
    measured_on : {"out of fold", "held out", "training"}
        The rows that were counted: training rows, each decided by a model that was fitted without it; rows
        that no model was fitted to; or rows that the model was fitted to.
    exempt : tuple
        Groups too small to measure; the bounds do not cover them.
    uncertain : tuple
        Groups that the bounds cover on the rows seen, but which new rows may show beyond them: each is one
        of a pair whose 95% interval, simultaneous over all pairs and rates, passes a bound.
    margin : float
        How many standard errors of its rate every group keeps away from the ends of the window that its bound
        allows, but for those in ``margins``; 0 if no margin was asked for.
    margins : dict
        The groups that have too few rows for that, and how many standard errors they keep: as many as fit.
    margin_asked : {"1se"} or float
        The margin that was asked for: one standard error, or a confidence; 0 for none.
    requirements : tuple of str
        What else was asked for, in words.
    worths : dict or None
        What a row in each cell is worth, if that was maximised.
    worst_group : label or None
        The group that is worst off; None unless that is the objective.
    value_of_all : float or None
        The same rate over all rows; None likewise.
    borrowed : dict
        Intersections with too few rows to measure, each with the coarser groups that it borrows the rows from
        that it lacks: values of single attributes. The bounds are held with these rows, but nothing that is
        reported counts them, and the disparity does not cover these groups.
    strata_names : tuple of str
        Where groups are compared within strata, what the columns of these are called; empty if they have no
        name.
    within : tuple of ConstraintReport
        Each constraint in each stratum in which groups are compared, if there are strata. As in
        ``constraints``, the intervals of all strata hold together.
    not_compared : tuple
        The strata that were passed over: there are not two groups with enough rows in them.
    cells_not_compared : tuple of (label, label)
        Where a group that is compared elsewhere has too few rows: the group, and a stratum in which others
        are compared.
    library : {"pandas", "polars", "pyarrow"}, optional
        The library of the data, which :meth:`frame` returns.
    """

    pos_label: Hashable
    objective: str
    value: float
    value_without_bound: float | None
    constraints: tuple[ConstraintReport, ...]
    counts: GroupCounts
    measured_on: MeasuredOn
    exempt: tuple[Hashable, ...] = ()
    uncertain: tuple[Hashable, ...] = ()
    margin: float = 0.0
    margins: Mapping[Hashable, float] = field(default_factory=dict)
    margin_asked: MarginLike = 0.0
    requirements: tuple[str, ...] = ()
    worths: Mapping[str, float] | None = None
    worst_group: Hashable | None = None
    value_of_all: float | None = None
    borrowed: Mapping[Hashable, Mapping[str, Hashable]] = field(default_factory=dict)
    group_value_without_bound: float | None = None
    counts_without_bound: GroupCounts | None = None
    lower_is_better: bool = False
    strata_names: tuple[str, ...] = ()
    within: tuple[ConstraintReport, ...] = ()
    not_compared: tuple[Hashable, ...] = ()
    cells_not_compared: tuple[tuple[Hashable, Hashable], ...] = ()
    library: Backend | None = None

    #: What reaches the values without a bound, as they are printed.
    _BASELINES: ClassVar[tuple[str, str]] = ("one threshold for all", "the best one per group")

    @property
    def groups(self) -> tuple[Hashable, ...]:
        """All groups, exempt ones among them."""
        return self.counts.groups

    @property
    def counts_by_group(self) -> GroupCounts:
        """The counts of all groups, strata summed up."""
        return _without_strata(self.counts)

    @property
    def binding(self) -> ConstraintReport:
        """The constraint that exceeds its bound by most, or else comes nearest to it."""
        compared = [part for part in self.constraints if not np.isnan(part.violation)]
        # Without bounds all violations are -inf, and the largest disparity comes first.
        return max(compared or self.constraints[:1], key=lambda part: (part.violation, part.disparity))

    @property
    def constraint(self) -> str:
        """The (binding) constraint."""
        return self.binding.constraint

    @property
    def comparison(self) -> Literal["difference", "ratio"]:
        """Whether the (binding) constraint bounds a difference from above, or a ratio from below."""
        return self.binding.comparison

    @property
    def bound(self) -> float:
        """The bound of the (binding) constraint."""
        return self.binding.bound

    @property
    def disparity(self) -> float:
        """The disparity under the (binding) constraint."""
        return self.binding.disparity

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% confidence interval of the disparity under the (binding) constraint."""
        return self.binding.interval

    def summary(self) -> str:
        """Return what the report says in plain sentences, a line each.

        They tell what changes for how many people in which group, what that costs, what to expect of new rows
        and how surely, and on which rows it was measured.

        Returns
        -------
        str
            Plain text; group names are as the data have them, so escape it before it goes into HTML.
        """
        return "\n".join(summary_lines(self, self._decided_by()))

    def _decided_by(self) -> str:
        """Return who or what decides, the subject of a sentence that goes on with "..., so that"."""
        return "The decisions were made"

    def _takes_margin(self) -> bool:
        """Whether the estimator could keep a margin on these rows."""
        return self.measured_on != "training" and self.counts.strata is None

    def _without_bound(self) -> tuple[str, str]:
        """Return what would reach ``value_without_bound``, and ``group_value_without_bound``."""
        return "one threshold for all rows", "the best threshold of each group"

    # --- the words of summaries -----------------------------------------------------------------------

    def _positive(self) -> str:
        """Return the label of a positive."""
        return str(self.pos_label)

    def _selected_means(self) -> str:
        """Say what it means to be selected."""
        return f"Selected means predicted {self.pos_label}."

    def _changes(self) -> list[tuple[str, GroupCounts | None, GroupCounts]]:
        """Return what is decided, and its counts under one threshold for all and now."""
        return [("selected", self.counts_without_bound, self.counts_by_group)]

    def _among(self) -> str:
        """Return which rows groups are compared among, after the word "groups"; empty without strata."""
        if self.counts.strata is None:
            return ""
        names = " and ".join(self.strata_names)
        return f" with the same {names}" if names else " of a stratum"

    def _stratum_words(self, label: Hashable) -> str:
        """Return where in the strata something is, such as "in A"."""
        return f"in {format_group(label)}"

    def _compared_in(self, n: int) -> str:
        """Say in how many strata groups are compared."""
        names = f" of {' and '.join(self.strata_names)}" if self.strata_names else ""
        return f"in {n:,} {'stratum' if n == 1 else 'strata'}{names}"

    def _content(self) -> dict[str, Any]:
        """Return what ``to_dict`` says: under ``groups`` a record per group."""
        return {**super()._content(), "groups": self._group_records()}

    def _group_records(self) -> list[dict[str, Any]]:
        """Return what is said of each group: its size, its counts, and the bounded rates."""
        counts = self.counts_by_group
        table = {"n": counts.n, **counts.cells}
        table |= {rate.name: counts.rate(rate) for rate in self._rates()}
        return [
            {"group": label, **{name: values[g] for name, values in table.items()}}
            for g, label in enumerate(self.groups)
        ]

    def _rates(self) -> list[Rate]:
        """Return the bounded rates."""
        return list(dict.fromkeys(rate for part in self.constraints for rate in part.rates))

    # --- what is printed -------------------------------------------------------------------------------

    def _lines(self) -> list[tuple[str, str]]:
        """Return the entries above the table; subclasses put theirs in between."""
        return [
            *self._constraint_lines(),
            *self._strata_lines(),
            *self._value_lines(),
            *self._group_lines(),
        ]

    def _constraint_lines(self) -> list[tuple[str, str]]:
        lines = self._positive_lines()
        for part in self.constraints:
            limit = "at most" if part.comparison == "difference" else "at least"
            low, high = part.interval
            found = f"{part.disparity:.4f} (95% interval {low:.4f} to {high:.4f})"
            if part.stratum is not None:
                extreme = "largest" if part.comparison == "difference" else "smallest"
                found += f", the {extreme} {self._one_of(part.stratum)}"
            if np.isnan(part.disparity):
                found = "nothing can be compared"
            bound = f"{part.comparison} {limit} {part.bound:g}" if np.isfinite(part.bound) else "no bound"
            lines += [("constraint", f"{part.constraint}, {bound}"), (part.comparison, found)]
        return lines

    def _positive_lines(self) -> list[tuple[str, str]]:
        """Say which decisions count as positive."""
        return [("positive", str(self.pos_label))]

    def _one_of(self, label: Hashable) -> str:
        """Say of which stratum a disparity is."""
        return f"within a stratum: {format_group(label)}"

    def _strata_lines(self) -> list[tuple[str, str]]:
        """Say within what groups are compared, and where they are not, and a line for each stratum."""
        if self.counts.strata is None:
            return []
        n_compared = len(self.counts.strata) - len(self.not_compared)
        name = f"{' and '.join(self.strata_names)}; " if self.strata_names else ""
        lines = [
            (
                "strata",
                f"{name}groups are compared in {n_compared:,} of {len(self.counts.strata):,}, the table sums "
                "over all",
            )
        ]
        if self.not_compared:
            lines.append(("passed over", list_groups(self.not_compared)))
        if self.cells_not_compared:
            lines.append(("left out", f"{list_cells(self.cells_not_compared)} (too few rows)"))
        lines += [
            ("within", f"{format_group(part.stratum)}: {reached(part)}")
            for part in self.within[:_MOST_STRATA]
        ]
        more = len(self.within) - _MOST_STRATA
        return [*lines, ("within", f"and {more} more")] if more > 0 else lines

    def _value_lines(self) -> list[tuple[str, str]]:
        """Return the objective's value, and what is reached without a bound."""
        values = (self.value_without_bound, self.group_value_without_bound)
        baselines = [
            f"{value:.4f} with {how}"
            for value, how in zip(values, self._BASELINES, strict=True)
            if value is not None
        ]
        return [
            (self.objective, number(self.value, 4)),
            *([("no bound", ", ".join(baselines))] if baselines else []),
        ]

    def _margin_lines(self) -> list[tuple[str, str]]:
        if not self.margin:
            return (
                [("margin", f"{self.margin_asked!r} was asked for; none fits")] if self.margin_asked else []
            )
        asked = f"{self.margin:.2f} standard errors of each group's rate"
        if not self.margins:
            return [("margin", f"{asked}, kept by all groups")]
        lines = [("margin", f"{asked} asked for; all keep at least {min(self.margins.values()):.2f}")]
        shown = [f"{format_group(label)} {kept:.2f}" for label, kept in self.margins.items()]
        return [*lines, ("less", f"{list_groups(shown)} (as much as fits)")]

    def _group_lines(self) -> list[tuple[str, str]]:
        lines = []
        if self.exempt:
            lines.append(("exempt", list_groups(self.exempt)))
        if self.uncertain:
            lines.append(("uncertain", f"{list_groups(self.uncertain)} (new rows may pass the bound)"))
        return lines

    def _decision_columns(self) -> tuple[dict[str, list[Any]], dict[str, list[str]]]:
        """Return columns that say how each group is decided, and as they are printed."""
        return {}, {}

    def _tables(self) -> Sequence[Table | Entries]:
        """Return an entry per finding, then a line per group: its decision, its size, the bounded rates."""
        names = list(map(format_group, self.groups))
        columns: dict[str, list[Any]] = {"group": names}
        shown: dict[str, list[str]] = {"group": names}
        decisions, shown_decisions = self._decision_columns()
        columns |= decisions
        shown |= shown_decisions
        counts = self.counts_by_group
        columns["n"] = counts.n.tolist()
        shown["n"] = list(map(row_count, columns["n"]))
        for rate in self._rates():
            columns[rate.name] = counts.rate(rate).tolist()
            shown[rate.name] = [number(value, 4) for value in columns[rate.name]]
        return [Entries(self._lines()), Table(columns, shown)]


def reached(part: ConstraintReport) -> str:
    """Return what is reached under a constraint, in a few words."""
    return f"{part.constraint} {part.comparison} {part.disparity:.4f}"


def _within(
    constraints: Sequence[BoundedConstraint],
    tables: Mapping[Hashable, GroupCounts],
    pairs: Sequence[_PairsWithin],
) -> tuple[ConstraintReport, ...]:
    """Measure each constraint in each stratum; the intervals of all strata hold together."""
    return tuple(
        replace(_constraint_report(each, table, within[label]), stratum=label)
        for label, table in tables.items()
        for each, within in zip(constraints, pairs, strict=True)
    )


def _passed_over(
    counts: GroupCounts, tables: Mapping[Hashable, GroupCounts], exempt: Sequence[Hashable]
) -> dict[str, Any]:
    """Return the strata in which nothing is compared, and the cells that are left out of others."""
    cells = [
        (group, label)
        for label, table in tables.items()
        for group in counts.groups
        if group not in table.groups and group not in exempt
    ]
    lonely = tuple(label for label in counts.strata or () if label not in tables)
    return {"not_compared": lonely, "cells_not_compared": tuple(cells)}


#: For each stratum (None if there are none) the pairs of groups in it.
_PairsWithin: TypeAlias = Mapping[Hashable, Sequence[PairDisparities]]


def _compare_within(bounded: BoundedConstraint, tables: Mapping[Hashable, GroupCounts]) -> _PairsWithin:
    """Compare the pairs of groups of every stratum."""
    # Intervals of all strata that hold together hold for the worst of them, whichever that is.
    confidence = joint_confidence(_CONFIDENCE, len(tables))
    return {label: _compare_pairs(bounded, table, confidence) for label, table in tables.items()}


def _worst_stratum(
    bounded: BoundedConstraint, tables: Mapping[Hashable, GroupCounts], pairs: _PairsWithin
) -> ConstraintReport:
    parts = {label: _constraint_report(bounded, table, pairs[label]) for label, table in tables.items()}
    parts = {label: part for label, part in parts.items() if not np.isnan(part.disparity)}
    if not parts:
        return _constraint_report(bounded, GroupCounts((), {cell: [] for cell in CELLS}), [])
    by_ratio = bounded.bound.comparison == "ratio"
    sign = -1 if by_ratio else 1
    worst = max(parts, key=lambda label: sign * parts[label].disparity)
    ends = zip(*(part.interval for part in parts.values()), strict=True)
    low, high = (min(end) if by_ratio else max(end) for end in ends)
    return replace(parts[worst], interval=(low, high), stratum=worst)


def _without_strata(counts: GroupCounts) -> GroupCounts:
    """Return counts with their strata summed up."""
    if counts.strata is None:
        return counts
    return GroupCounts(
        counts.groups,
        {cell: counts.cells[cell].sum(1) for cell in CELLS},
        {cell: counts.squares[cell].sum(1) for cell in CELLS},
        names=counts.names,
        labelled=counts.labelled,
        library=counts.library,
    )


def _compare_pairs(
    bounded: BoundedConstraint, counts: GroupCounts, confidence: float = _CONFIDENCE
) -> list[PairDisparities]:
    """Return how far all pairs of groups lie apart in every rate, with intervals that hold together."""
    if len(counts.groups) < 2:
        return []
    return pair_disparities(counts, bounded.constraint, bounded.bound.comparison, confidence)


def _constraint_report(
    bounded: BoundedConstraint, counts: GroupCounts, pairs: Sequence[PairDisparities]
) -> ConstraintReport:
    constraint, bound = bounded.constraint, bounded.bound
    disparity = float("nan")
    if len(counts.groups) > 1:
        disparity = float(counts.compare(constraint, bound.comparison))
    if abs(disparity - bound.value) < _SOLVER_ROUNDING:  # only rounding sets it apart from the bound
        disparity = bound.value
    interval = worst_interval(pairs, bound.comparison) if pairs else (float("nan"), float("nan"))
    return ConstraintReport(
        constraint.name, constraint.rates, bound.comparison, bound.value, disparity, interval
    )


def _uncertain(
    constraints: Sequence[BoundedConstraint],
    tables: Mapping[Hashable, GroupCounts],
    pairs: Sequence[_PairsWithin],
) -> set[Hashable]:
    """Return the groups that are in a pair whose interval passes a bound, in any stratum."""
    uncertain = set[Hashable]()
    for each, within in zip(constraints, pairs, strict=True):
        bound = each.bound
        for label, table in tables.items():
            is_uncertain = np.zeros(len(table.groups), dtype=bool)
            for part in within[label]:
                if bound.comparison == "difference":
                    passes = part.high > bound.value + ROUNDING
                else:
                    passes = part.low < bound.value - ROUNDING
                is_uncertain[part.first[passes]] = is_uncertain[part.second[passes]] = True
            uncertain.update(compress(table.groups, is_uncertain))
    return uncertain


def warn_of_wide_intervals(
    parts: Sequence[ConstraintReport], remedies: str = "margin='1se' or a confidence, "
) -> None:
    """Warn, once, of bounds that the interval of the disparity passes far.

    Numbers that differ from fit to fit are left to the report, so that the warning shows once for all fits
    of a search.

    Parameters
    ----------
    parts : sequence of ConstraintReport
        What is achieved under each constraint.
    remedies : str
        What else than more rows helps, and ends with a comma and a blank.
    """
    far = dict.fromkeys(f"{part._bound} for {part.constraint}" for part in parts if part.is_far)
    if far:
        warn_user(
            f"These rows say little about {list_texts(far)}: the 95% interval of the disparity passes the "
            "bound by more than the bound allows, so new rows may too. report_.interval and "
            f"report_.uncertain say how far and for which groups. What helps: more rows, {remedies}coarser "
            "groups or a greater min_group_size, or a looser bound."
        )


def drop_rounding(gain: float) -> float:
    """Return a gain as it is, negative ones among them, but 0 for what only rounding sets apart from 0.

    Two sums of the same terms in another order differ by some units in the last place, with a sign that says
    nothing.
    """
    return 0.0 if abs(gain) < ROUNDING else gain


def report_fields(
    counts: GroupCounts,
    constraints: tuple[BoundedConstraint, ...],
    objective: AnyObjective,
    *,
    pos_label: Hashable,
    value_without_bound: float | None,
    measured_on: MeasuredOn,
    covered: Sequence[Hashable] | None = None,
    exempt: Sequence[Hashable] = (),
    margin: KeptMargin | None = None,
    borrowed: Mapping[Hashable, Mapping[str, Hashable]] | None = None,
    group_value_without_bound: float | None = None,
    counts_without_bound: GroupCounts | None = None,
    tables: Mapping[Hashable, GroupCounts] | None = None,
    strata_names: Sequence[str] = (),
) -> dict[str, Any]:
    """Measure what decisions achieve: the fields of a :class:`BoundReport`, for it or a subclass.

    Parameters
    ----------
    counts : GroupCounts
        The (expected) counts of all groups under the decisions.
    constraints : tuple of BoundedConstraint
        The bounds.
    objective : Objective, FreeObjective or WorstGroupObjective
        What was maximised.
    pos_label, value_without_bound, measured_on, exempt
        As in :class:`BoundReport`.
    covered : sequence of labels, optional
        The groups that the bounds cover; by default all that are not exempt.
    margin : KeptMargin, optional
        The margin that the decisions keep; by default none.
    borrowed, group_value_without_bound, counts_without_bound
        As in :class:`BoundReport`.
    tables : mapping of label to GroupCounts, optional
        Where groups are compared within strata: of each stratum, the counts of the groups that are compared
        in it. ``counts`` have these strata then.
    strata_names : sequence of str
        What the columns of the strata are called.
    """
    return constraint_fields(
        counts,
        constraints,
        covered=covered,
        exempt=exempt,
        margin=margin,
        borrowed=borrowed,
        tables=tables,
        strata_names=strata_names,
    ) | {
        "pos_label": pos_label,
        "objective": objective.name,
        "value": objective.of_groups(_without_strata(counts).cells),
        "value_without_bound": value_without_bound,
        "group_value_without_bound": group_value_without_bound,
        "counts_without_bound": counts_without_bound,
        "lower_is_better": not isinstance(objective, FreeObjective) and objective.lower_is_better,
        "measured_on": measured_on,
    }


def constraint_fields(
    counts: GroupCounts,
    constraints: tuple[BoundedConstraint, ...],
    *,
    covered: Sequence[Hashable] | None = None,
    exempt: Sequence[Hashable] = (),
    margin: KeptMargin | None = None,
    borrowed: Mapping[Hashable, Mapping[str, Hashable]] | None = None,
    tables: Mapping[Hashable, GroupCounts] | None = None,
    strata_names: Sequence[str] = (),
) -> dict[str, Any]:
    """Measure what decisions achieve under their constraints: the fields that follow from counts alone.

    The parameters are those of :func:`report_fields`.
    """
    if covered is None:
        covered = [label for label in counts.groups if label not in exempt]
    margin = KeptMargin.none() if margin is None else margin
    compared: Mapping[Hashable, GroupCounts] = {None: counts.take(covered)} if tables is None else tables
    pairs = [_compare_within(each, compared) for each in constraints]
    if tables is None:
        reports = tuple(
            _constraint_report(each, compared[None], within[None])
            for each, within in zip(constraints, pairs, strict=True)
        )
    else:
        reports = tuple(
            _worst_stratum(each, compared, within) for each, within in zip(constraints, pairs, strict=True)
        )
    strata: dict[str, Any] = {}
    if tables is not None:
        is_named = not any(name.startswith(_NAMELESS) for name in strata_names)
        strata = {
            "strata_names": tuple(strata_names) if is_named else (),
            "within": _within(constraints, compared, pairs),
            **_passed_over(counts, compared, exempt),
        }
    unsure = _uncertain(constraints, compared, pairs)
    return strata | {
        "constraints": reports,
        "counts": counts,
        "exempt": tuple(exempt),
        "uncertain": tuple(label for label in counts.groups if label in unsure),
        "margin": margin.n_errors,
        "margins": dict(margin.by_group),
        "borrowed": dict(borrowed or {}),
    }
