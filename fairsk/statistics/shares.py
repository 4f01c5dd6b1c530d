"""The proportion behind a rate, and on how many rows it effectively stands.

Most rates count a part of a whole. Some others are increasing functions of such a proportion, as F1 is of
tp / (tp + fp + fn) and the odds fn / fp are of fn / (fn + fp). What is known of proportions (intervals,
tests, draws) then holds for them too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fairsk.counts import GroupCounts
from fairsk.rates import CELLS, CONSTRAINTS, Constraint, Rate, get_constraint, get_rate

__all__ = ["Share", "as_constraint", "need_share", "refuse_strata", "share_behind"]


@dataclass(frozen=True)
class Share:
    """A rate, the proportion that it is an increasing function of, and a cell on either side of it."""

    rate: Rate
    proportion: Rate
    part: str
    rest: str

    def rate_at(self, proportion: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rate of a group in which this proportion counts for it."""
        nothing = dict.fromkeys(CELLS, 0.0 * proportion)
        return self.rate(nothing | {self.part: proportion, self.rest: 1 - proportion})

    def effective(self, counts: GroupCounts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the proportion of each group, and the effective number of rows it is a proportion of.

        That number is (sum of w)^2 / (sum of w^2) over the rows of the whole, their count if unweighted.
        Groups that do not have the rate have no proportion (NaN) of no rows.
        """
        measured = self.rate.support(counts.cells) != 0
        support = self.proportion.support(counts.cells)
        with np.errstate(divide="ignore", invalid="ignore"):
            n = support**2 / self.proportion.support(counts.squares)
        return np.where(measured, self.proportion(counts.cells), np.nan), np.where(measured, n, 0.0)


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


def as_constraint(criterion: Constraint | Rate | str) -> Constraint:
    """Return a constraint, or the one that a rate (or the rate of that name) agrees between groups."""
    if isinstance(criterion, str) and criterion not in CONSTRAINTS:
        name = criterion
        try:
            criterion = get_rate(name)
        except ValueError:
            return get_constraint(name)  # its message suggests a name
    return Constraint(criterion.name, criterion) if isinstance(criterion, Rate) else get_constraint(criterion)


def refuse_strata(counts: GroupCounts, what: str) -> None:
    """Refuse counts that are broken down by strata."""
    if counts.strata is not None:
        raise ValueError(f"{what} needs counts without strata: sum them out with counts.margin.")
