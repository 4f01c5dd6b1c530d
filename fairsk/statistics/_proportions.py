"""Proportions behind rates, and the effective sample sizes that they are measured on.

Most rates count a part of a whole. Some others are increasing functions of such a proportion, as F1 is of
tp / (tp + fp + fn) and the odds fn / fp are of fn / (fn + fp). Intervals, tests and draws of proportions
then hold for them too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from fairsk._core.amount_sums import GroupAmounts, get_mean
from fairsk._core.counts import GroupCounts
from fairsk._core.typing import Floats
from fairsk.rates import (
    AMOUNT_RATES,
    CELLS,
    CONSTRAINTS,
    Constraint,
    MeanRate,
    Rate,
    get_amount_constraint,
    get_constraint,
    get_rate,
)

__all__ = [
    "Share",
    "as_constraint",
    "as_counts",
    "constraint_on",
    "effective_rows",
    "mean_on",
    "need_share",
    "rate_on",
    "rate_variances",
    "refuse_strata",
    "rows_counted",
    "share_behind",
    "takes_counts",
    "takes_tables",
]

_Parameters = ParamSpec("_Parameters")
_Returned = TypeVar("_Returned")

#: What somebody gives who takes a function of counts for one of rows.
_OF_ROWS = ("y_true", "y_pred", "sensitive_features")


@dataclass(frozen=True)
class Share:
    """A rate, the proportion that it is an increasing function of, and a cell on either side of it."""

    rate: Rate
    proportion: Rate
    part: str
    rest: str

    def rate_at(self, proportion: Floats) -> Floats:
        """Return the rate of a group in which this proportion counts for it."""
        nothing = dict.fromkeys(CELLS, 0.0 * proportion)
        return self.rate(nothing | {self.part: proportion, self.rest: 1 - proportion})

    def effective(self, counts: GroupCounts) -> tuple[Floats, Floats]:
        """Return the proportion of each group, and the effective number of rows it is a proportion of.

        Unweighted rows count as they are. Else the number is Kish's (sum of w)^2 / (sum of w^2) over the
        rows of the whole, or p (1 - p) / variance if that is less: weights may depend on what the rate
        counts, and a few heavy rows then make it less certain than Kish's number says. Groups that do not
        have the rate have no proportion (NaN) of no rows.
        """
        counts.check_labels(self.rate)
        measured = self.rate.support(counts.cells) != 0
        p, support = self.proportion(counts.cells), self.proportion.support(counts.cells)
        with np.errstate(divide="ignore", invalid="ignore"):
            kish = support**2 / self.proportion.support(counts.squares)
            implied = p * (1 - p) / rate_variances(counts, self.proportion, p)
            fewer = (p > 0) & (p < 1) & (implied < kish * (1 - 1e-9))  # not by rounding alone
        n = np.where(fewer, implied, kish)
        return np.where(measured, p, np.nan), np.where(measured, n, 0.0)


def effective_rows(counts: GroupCounts, rate: Rate) -> Floats:
    """Return on how many rows, effectively, each group's rate is measured."""
    counts.check_labels(rate)
    share = share_behind(rate)
    if share is not None:
        return share.effective(counts)[1]
    total, squares = (rows_counted(table, rate) for table in (counts.cells, counts.squares))
    return np.divide(total**2, squares, out=np.zeros_like(total), where=squares > 0)


def rows_counted(cells: Mapping[str, Floats], rate: Rate) -> Floats:
    """Return the weight of each group's rows that a rate is measured on.

    Some rates count a cell more than once; rows are counted once.
    """
    counted = [cell for cell, factor in zip(CELLS, rate.denominator_coefficients, strict=True) if factor]
    total: Floats = np.sum([cells[cell] for cell in counted], 0)
    return total


def rate_variances(counts: GroupCounts, rate: Rate, at: Floats) -> Floats:
    """Return the variance of each group's rate by linearisation, if the value of the rate is ``at``."""
    counts.check_labels(rate)
    support = rate.support(counts.cells)
    terms = zip(rate.numerator_coefficients, rate.denominator_coefficients, CELLS, strict=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return sum(
            (counts.squares[cell] * ((above - at * below) / support) ** 2 for above, below, cell in terms),
            start=np.zeros(1),
        )


def share_behind(rate: Rate) -> Share | None:
    """Return the proportion that a rate is an increasing function of, if there is one.

    There is one if all cells of the numerator enter the rate alike, and so do all other cells of the
    denominator.
    """
    pairs = dict(
        zip(CELLS, zip(rate.numerator_coefficients, rate.denominator_coefficients, strict=True), strict=True)
    )
    parts = [cell for cell, (above, _) in pairs.items() if above]
    rests = [cell for cell, (above, below) in pairs.items() if below and not above]
    alike = len({pairs[cell] for cell in parts}) == 1 == len({pairs[cell] for cell in rests})
    if not alike or pairs[parts[0]][0] < 0:
        return None
    return Share(rate, Rate(rate.name, "+".join(parts), "+".join(parts + rests)), parts[0], rests[0])


def need_share(rate: Rate, what: str) -> Share:
    """Return the proportion behind a rate; refuse a rate without one."""
    share = share_behind(rate)
    if share is None:
        raise ValueError(
            f"{what} counts rows, and {rate.name!r} ({rate.numerator}) / ({rate.denominator}) is not a "
            "function of one proportion of rows. fairsk.statistics.contrasts compares such rates too."
        )
    return share


def as_constraint(constraint: Constraint | Rate | str) -> Constraint:
    """Return a constraint, or the one that a rate (or the rate of that name) agrees between groups."""
    if isinstance(constraint, str) and constraint not in CONSTRAINTS:
        name = constraint
        try:
            constraint = get_rate(name)
        except ValueError:
            return get_constraint(name)  # by another of its names, or with a message that suggests one
    if isinstance(constraint, Rate):
        return Constraint(constraint.name, constraint)
    return get_constraint(constraint)


def constraint_on(table: GroupCounts | GroupAmounts, constraint: Any) -> Constraint:
    """Return a constraint on what the table holds, or the one that a rate or mean agrees between groups."""
    if isinstance(table, GroupCounts):
        return as_constraint(constraint)
    if isinstance(constraint, MeanRate) or (isinstance(constraint, str) and constraint in AMOUNT_RATES):
        mean = get_mean(constraint)
        return Constraint(mean.name, mean)
    return get_amount_constraint(constraint)


def mean_on(rate: Rate | MeanRate | str) -> MeanRate:
    """Return the mean of amounts that is asked for; refuse a rate of decisions."""
    if isinstance(rate, Rate):
        raise TypeError(f"{rate.name!r} is a rate of decisions, and here are predicted amounts: name a mean.")
    return get_mean(rate)


def rate_on(rate: Rate | MeanRate | str) -> Rate:
    """Return the rate of decisions that is asked for; refuse a mean of amounts."""
    if isinstance(rate, MeanRate):
        raise TypeError(f"{rate.name!r} is a mean of amounts, and here are decisions: name a rate.")
    return get_rate(rate)


def as_counts(table: Any, function: str) -> GroupCounts:
    """Return counts, or those that a table is made of; a message says how a function gets them from rows."""
    counts = table if isinstance(table, GroupCounts) else getattr(table, "counts", None)
    if not isinstance(counts, GroupCounts):
        raise TypeError(f"{_how_to_count(function)} counts was given as {type(table).__name__}.")
    return counts


def _as_table(table: Any, function: str) -> GroupCounts | GroupAmounts:
    """Return counts or moments of amounts, or those that a table is made of."""
    amounts = table if isinstance(table, GroupAmounts) else getattr(table, "amounts", None)
    if isinstance(amounts, GroupAmounts):
        return amounts
    try:
        return as_counts(table, function)
    except TypeError as error:
        raise TypeError(f"{error}{_OF_AMOUNTS}") from None


def takes_counts(function: Callable[_Parameters, _Returned]) -> Callable[_Parameters, _Returned]:
    """Decorate a function whose first parameter is ``counts``: say what it takes to whoever gives it rows.

    It gets the counts that a table is made of, too. Python alone would say of rows that there is an
    unexpected argument, and not where counts come from.
    """
    return _checked(function, as_counts)


def takes_tables(function: Callable[_Parameters, _Returned]) -> Callable[_Parameters, _Returned]:
    """Decorate a function whose first parameter, ``counts``, may hold amounts: as :func:`takes_counts`."""
    return _checked(function, _as_table)


def _checked(
    function: Callable[_Parameters, _Returned], read: Callable[[Any, str], Any]
) -> Callable[_Parameters, _Returned]:
    name = function.__name__

    @wraps(function)
    def checked(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Returned:
        of_rows = [key for key in _OF_ROWS if key in kwargs]
        if of_rows:
            of_amounts = _OF_AMOUNTS if read is _as_table else ""
            raise TypeError(f"{_how_to_count(name)} It has no {of_rows[0]}=.{of_amounts}")
        if args:
            return function(read(args[0], name), *args[1:], **kwargs)  # type: ignore[arg-type]
        if "counts" in kwargs:
            kwargs["counts"] = read(kwargs["counts"], name)
        return function(*args, **kwargs)

    return checked


#: What is said of amounts where they are taken, too.
_OF_AMOUNTS = " Of amounts: GroupAmounts, or regression_metrics."


def _how_to_count(function: str) -> str:
    return (
        f"{function} takes counts: GroupCounts.from_predictions(y_true, y_pred, sensitive_features=...), "
        "GroupCounts.from_frame(...), or a table made of them, such as that of group_metrics."
    )


def refuse_strata(counts: GroupCounts | GroupAmounts, what: str) -> None:
    """Refuse counts that are broken down by strata."""
    if isinstance(counts, GroupCounts) and counts.strata is not None:
        how = ", or sum them out, counts.marginal(*counts.names)" if counts.events is None else ""
        raise ValueError(f"{what} needs counts without strata: take one, counts.stratum(label){how}.")
