"""The report of a regressor under a bound: what its predictions achieve on rows held out of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from fairsk._core.amount_sums import GroupAmounts, tabulate_amounts
from fairsk._core.groups import format_group, list_groups
from fairsk._core.messages import in_words
from fairsk._core.results import (
    Backend,
    Entries,
    Result,
    Table,
    amount,
    amount_with_interval,
    row_count,
)
from fairsk._held_out.safety_margin import KeptMargin, MarginLike
from fairsk.rates import AMOUNT_RATES, Constraint, MeanRate
from fairsk.reductions._amounts.problem import AmountProblem, AmountSolution
from fairsk.reductions._amounts.spec import AmountSpec
from fairsk.statistics._intervals import joint_confidence, pair_disparities, worst_interval

__all__ = ["AmountReport", "measure_amounts"]

_CONFIDENCE = 0.95
#: By how much what a solver returns may exceed a bound, as a share of the bound.
_SOLVER_ROUNDING = 1e-6
#: Beside a bound of parity, the same as a share of so much of the means.
_OF_MEANS = 1e-3
#: As in reports of decisions: an interval that ends beyond so many times the bound says little of it.
_FAR = 2.0
#: Of so many groups a sentence says what changes, at most.
_MOST_GROUPS = 10


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class AmountReport(Result):
    """What a regressor fitted under a bound achieves on rows held out of it.

    Parameters
    ----------
    constraint : Constraint
        Whose means are bounded.
    comparison : {"difference", "worst_group"}
        Whether the largest difference between groups is bounded, or the greatest mean of a group.
    bound : float
        The bound, in the unit of the means; infinite where nothing is bounded.
    disparity : float
        What is bounded, as it is among the groups that the bound covers; of several means the worst. NaN
        where nothing can be measured.
    interval : tuple of two floats
        A 95% confidence interval for it, simultaneous over all groups or pairs, and all means.
    loss : MeanRate
        What was made least.
    value : float
        Its mean over all rows.
    value_without_bound : float or None
        The same of the same learner without a bound.
    amounts : GroupAmounts
        Moments of the held-out predictions of all groups, from which means and intervals follow.
    measured_on : {"out of fold"}
        Training rows, each predicted by models that were fitted without it.
    exempt : tuple
        Groups too small to measure; the bound does not cover them.
    margin : float
        How many standard errors of its mean every group keeps away from the end of what the bound allows, but
        for those in ``margins``; 0 if no margin was asked for.
    margins : dict
        The groups that keep less, and how many standard errors.
    margin_asked : {"1se"} or float
        The margin that was asked for.
    engine : {"boosting", "reduction"}
        The algorithm.
    reason : str
        Why this one.
    n_models : int
        How many models were fitted, of each fold one.
    detail : dict
        What else the engine says.
    disparity_without_bound : float or None
        What is bounded, as it is of the same learner without a bound.
    amounts_without_bound : GroupAmounts or None
        Moments of its predictions of the same rows, or of those that it has predicted: in boosting, the rows
        that some of the folds hold out.
    library : {"pandas", "polars", "pyarrow"}, optional
        The library of the data, which :meth:`frame` returns.

    See Also
    --------
    fairsk.ConstrainedRegressor : What makes it, as ``report_``.
    """

    constraint: Constraint
    comparison: Literal["difference", "worst_group"]
    bound: float
    disparity: float
    interval: tuple[float, float]
    loss: MeanRate
    value: float
    value_without_bound: float | None
    amounts: GroupAmounts
    measured_on: Literal["out of fold"] = "out of fold"
    exempt: tuple[Hashable, ...] = ()
    margin: float = 0.0
    margins: Mapping[Hashable, float] = field(default_factory=dict)
    margin_asked: MarginLike = 0.0
    engine: Literal["boosting", "reduction"] = "reduction"
    reason: str = ""
    n_models: int = 0
    detail: Mapping[str, Any] = field(default_factory=dict)
    disparity_without_bound: float | None = None
    amounts_without_bound: GroupAmounts | None = None
    library: Backend | None = None

    @property
    def groups(self) -> tuple[Hashable, ...]:
        """All groups, exempt ones among them."""
        return self.amounts.groups

    @property
    def violation(self) -> float:
        """By how much the bound is exceeded: negative where it leaves room, NaN where nothing is measured."""
        return self.disparity - self.bound

    @property
    def is_sure(self) -> bool | None:
        """Whether the whole interval lies within the bound; None where nothing is measured."""
        return None if np.isnan(self.interval[1]) else bool(self.interval[1] <= self.bound)

    @property
    def is_far(self) -> bool:
        """Whether the interval ends beyond twice the bound, so that rows say little of it."""
        return bool(0 < _FAR * self.bound < self.interval[1])

    def summary(self) -> str:
        """Return what the report says in plain sentences, a line each.

        Returns
        -------
        str
            Plain text.
        """
        name, (low, high) = in_words(self.constraint.name), self.interval
        half = (high - low) / 2
        reached, low_text, high_text = (amount(x, half) for x in (self.disparity, low, high))
        lines = []
        if np.isnan(self.disparity):
            lines.append(f"Nothing can be measured under {name}, and nothing is promised.")
        elif self.comparison == "difference":
            lines.append(
                f"Under {name}, the means of groups differ by {reached} on these rows; on new rows expect "
                f"{low_text} to {high_text} (95% interval over all pairs); {self._judged()}."
            )
        else:
            lines.append(
                f"Under {name}, the greatest mean of a group is {reached} on these rows; on new rows expect "
                f"{low_text} to {high_text} (95% interval over all groups); {self._judged()}."
            )
        if self.disparity_without_bound is not None and not np.isnan(self.disparity_without_bound):
            what = "they would differ by" if self.comparison == "difference" else "it would be"
            lines.append(f"Without the bound {what} {amount(self.disparity_without_bound)}.")
        lines += self._changes()
        cost = ""
        if self.value_without_bound is not None:
            cost = f", and {amount(self.value_without_bound)} without a bound"
        lines.append(f"The {in_words(self.loss.name)} is {amount(self.value)}{cost}.")
        if self.exempt:
            lines.append(f"The bound does not cover {list_groups(self.exempt)}, too small to measure.")
        n = row_count(float(self.amounts.n.sum()))
        lines.append(f"Measured on {n} training rows, each predicted by models that were fitted without it.")
        return "\n".join(lines)

    def _changes(self) -> list[str]:
        """Say of each group what the bound does to its mean prediction and to its loss."""
        without = self.amounts_without_bound
        if without is None:
            return []
        rates = (AMOUNT_RATES["mean_prediction"], self.loss)
        before, after = ([table.rate(rate) for rate in rates] for table in (without, self.amounts))
        names = [in_words(rate.name) for rate in rates]
        moved = np.nan_to_num(np.abs(after[0] - before[0]))
        shown = np.sort(np.argsort(-moved, kind="stable")[:_MOST_GROUPS])
        lines = [
            f"In {format_group(self.groups[g])} the {names[0]} is {amount(after[0][g])} (without the bound "
            f"{amount(before[0][g])}), and the {names[1]} {amount(after[1][g])} "
            f"(without {amount(before[1][g])})."
            for g in shown.tolist()
        ]
        if len(self.groups) > len(shown):
            lines.append(f"In the other {len(self.groups) - len(shown):,} groups the {names[0]} moves less.")
        if without.n.sum() < self.amounts.n.sum():
            lines.append(
                f"What is without the bound was measured on {row_count(float(without.n.sum()))} of the rows."
            )
        return lines

    def _judged(self) -> str:
        if not np.isfinite(self.bound):
            return "no bound was asked for"
        asked = f"at most {amount(self.bound)} was asked for"
        if self.violation > 0:
            return f"{asked}, which these rows do not keep"
        return f"{asked}, and new rows {'should' if self.is_sure else 'may not'} keep that"

    def _tables(self) -> list[Table | Entries]:
        return [Entries(self._lines()), self._by_group()]

    def _lines(self) -> list[tuple[str, str]]:
        limit = "difference" if self.comparison == "difference" else "every group"
        bound = f"{limit} at most {amount(self.bound)}" if np.isfinite(self.bound) else "no bound"
        found = "nothing can be measured"
        if not np.isnan(self.disparity):
            found = f"{amount_with_interval(self.disparity, *self.interval)} (95% interval)"
            if self.disparity_without_bound is not None and not np.isnan(self.disparity_without_bound):
                found += f"; {amount(self.disparity_without_bound)} without the bound"
        detail = "".join(f", {name.replace('_', ' ')} {value}" for name, value in self.detail.items())
        value = amount(self.value)
        if self.value_without_bound is not None:
            value += f"; {amount(self.value_without_bound)} without a bound"
        lines = [
            ("constraint", f"{self.constraint.name}, {bound}"),
            (self.comparison.replace("_", " "), found),
            (in_words(self.loss.name), value),
            ("engine", f"{self.engine} ({self.reason}): {self.n_models:,} models fitted{detail}"),
        ]
        if self.margin_asked:
            kept = (
                "none fits" if not self.margin else f"{self.margin:.2f} standard errors of each group's mean"
            )
            less = f"; less in {list_groups(self.margins)}" if self.margins and self.margin else ""
            lines.append(("margin", f"{self.margin_asked!r} was asked for: {kept}{less}"))
        if self.exempt:
            lines.append(("exempt", list_groups(self.exempt)))
        return lines

    def _by_group(self) -> Table:
        names, table = list(map(format_group, self.groups)), self.amounts
        columns: dict[str, list[Any]] = {"group": names, "n": table.n.tolist()}
        shown: dict[str, list[str]] = {"group": names, "n": list(map(row_count, table.n.tolist()))}
        columns["mean_target"] = table.rate(_TARGET).tolist()
        shown["mean_target"] = list(map(amount, columns["mean_target"]))
        rates = (AMOUNT_RATES["mean_prediction"], self.loss, *self.constraint.rates)
        for rate in dict.fromkeys(rates):
            values, (low, high) = table.rate(rate), table.intervals(rate)
            columns |= {rate.name: values.tolist()}
            columns |= {f"{rate.name}_low": low.tolist(), f"{rate.name}_high": high.tolist()}
            shown[rate.name] = list(map(amount_with_interval, values, low, high))
        if self.amounts_without_bound is not None:
            for rate in dict.fromkeys((AMOUNT_RATES["mean_prediction"], self.loss)):
                name = f"{rate.name}_without_bound"
                columns[name] = self.amounts_without_bound.rate(rate).tolist()
                shown[name] = list(map(amount, columns[name]))
        return Table(columns, shown, notes=["in brackets: 95% intervals"])

    def _content(self) -> dict[str, Any]:
        """Return what ``to_dict`` says: names for what is data, and a record per group."""
        table = self._by_group().columns
        groups = [
            {**{name: values[g] for name, values in table.items()}, "group": label}
            for g, label in enumerate(self.groups)
        ]
        content = super()._content()
        return {**content, "constraint": self.constraint.name, "loss": self.loss.name, "groups": groups}


_TARGET = MeanRate("mean_target", "target")


def measure_amounts(
    problem: AmountProblem,
    spec: AmountSpec,
    solution: AmountSolution,
    margin: KeptMargin,
    *,
    margin_asked: MarginLike,
    engine: Literal["boosting", "reduction"],
    reason: str,
) -> AmountReport:
    """Measure the predictions of held-out rows."""
    rows = problem.rows.take(problem.held_out)
    groups = problem.training.groups.take(problem.held_out)
    amounts = tabulate_amounts(rows.target, solution.predictions, groups, rows.weights)
    covered = [label for g, label in enumerate(rows.labels) if rows.covered[g]]
    bound = rows.bound
    values = rows.values(solution.predictions)
    disparity = rows.disparity(values)
    sizes = np.abs(values[:, rows.covered])
    rounding = _SOLVER_ROUNDING * (bound.value + _OF_MEANS * sizes.max(initial=0.0))
    if np.isfinite(bound.value) and abs(disparity - bound.value) <= rounding:
        disparity = bound.value  # only rounding sets it apart from the bound
    without, table_without = solution.predictions_without_bound, None
    disparity_without = None
    if without is not None and np.isfinite(bound.value):
        known = np.flatnonzero(~np.isnan(without))
        compared = rows.take(known)
        table_without = tabulate_amounts(
            compared.target, without[known], groups.take(known), compared.weights
        )
        disparity_without = compared.disparity(compared.values(without[known]))
    return AmountReport(
        constraint=spec.constraint,
        comparison=bound.comparison,
        bound=bound.value,
        disparity=disparity,
        interval=_interval(amounts.take(covered), spec.constraint, bound.comparison),
        loss=rows.loss,
        value=rows.mean_loss(solution.predictions),
        value_without_bound=solution.value_without_bound,
        amounts=amounts,
        exempt=tuple(label for g, label in enumerate(rows.labels) if not rows.covered[g]),
        margin=margin.n_errors,
        margins=dict(margin.by_group),
        margin_asked=margin_asked,
        engine=engine,
        reason=reason,
        n_models=solution.n_fits,
        detail=dict(solution.detail),
        disparity_without_bound=disparity_without,
        amounts_without_bound=table_without,
    )


def _interval(amounts: GroupAmounts, constraint: Constraint, comparison: str) -> tuple[float, float]:
    """Return the interval of what is bounded, over all groups and means at once."""
    n_groups = len(amounts.groups)
    if comparison == "difference":
        if n_groups < 2:
            return float("nan"), float("nan")
        return worst_interval(pair_disparities(amounts, constraint, "difference", _CONFIDENCE), "difference")
    if not n_groups:
        return float("nan"), float("nan")
    level = joint_confidence(_CONFIDENCE, n_groups * len(constraint.rates))
    ends = np.array([amounts.intervals(rate, level) for rate in constraint.rates])
    return float(ends[:, 0].max()), float(ends[:, 1].max())
