"""Shares: the rates that can be monitored, and how many decisions each counts, out of how many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.messages import did_you_mean, show
from fairsk.rates import (
    AMOUNT_CONSTRAINTS,
    CELLS,
    CONSTRAINTS,
    RATES,
    Constraint,
    Rate,
    get_constraint,
    get_rate,
)

__all__ = ["monitored_constraint", "shares_of"]

#: Beyond it floats skip whole numbers; sums over a thousand batches of so many are integers of 64 bits still.
_MOST_DECISIONS = 2.0**53


def monitored_constraint(constraint: Any) -> Constraint:
    """Return what is to be monitored, as a constraint whose rates are shares of decisions.

    Parameters
    ----------
    constraint : str, Constraint or Rate
        A constraint, or one rate, which then should agree between groups.

    Raises
    ------
    ValueError
        If there is none of that name, or one of its rates is no share of decisions.
    """
    if isinstance(constraint, Rate) or (isinstance(constraint, str) and constraint in RATES):
        rate = get_rate(constraint)
        constraint = Constraint(rate.name, rate)
    elif isinstance(constraint, str) and constraint not in {*CONSTRAINTS, *AMOUNT_CONSTRAINTS}:
        try:
            constraint = get_constraint(constraint)
        except ValueError:
            try:  # a short name of a rate, such as "tpr"
                rate = get_rate(constraint)
            except (ValueError, TypeError):
                near = did_you_mean(constraint, [*CONSTRAINTS, *RATES])
                raise ValueError(f"There is no constraint or rate called {show(constraint)}.{near}") from None
            constraint = Constraint(rate.name, rate)
    else:
        constraint = get_constraint(constraint)
    for rate in constraint.rates:
        if not _counts_decisions(rate):
            raise ValueError(
                f"The rate {rate.name!r}, ({rate.numerator}) / ({rate.denominator}), is no share of "
                f"decisions, and evidence is about shares only.{_share_behind(rate)}"
            )
    return constraint


def _counts_decisions(rate: Rate) -> bool:
    """Tell whether a rate counts each decision of its denominator once, or not at all."""
    return rate.is_share and set(rate.numerator_coefficients + rate.denominator_coefficients) <= {0.0, 1.0}


def _share_behind(rate: Rate) -> str:
    """Say which share can be monitored instead, if there is one."""
    part = [cell for cell, factor in zip(CELLS, rate.numerator_coefficients, strict=True) if factor > 0]
    whole = [cell for cell, factor in zip(CELLS, rate.denominator_coefficients, strict=True) if factor > 0]
    whole += [cell for cell in part if cell not in whole]
    if min(rate.numerator_coefficients) < 0 or set(part) == set(whole):
        return " Monitor the shares that it is made of, one by one."
    share = Rate(f"{rate.name}_share", "+".join(part), "+".join(whole))
    return (
        f" Monitor the share behind it, Rate({share.name!r}, {share.numerator!r}, {share.denominator!r}), "
        "with a bound of its own."
    )


def shares_of(counts: GroupCounts, rates: Sequence[Rate], *, weighted: bool = False) -> tuple[Any, Any]:
    """Return how many decisions each rate counts, and out of how many.

    Parameters
    ----------
    counts : GroupCounts
        The decisions of a batch.
    rates : sequence of Rate
        The rates.
    weighted : bool, default=False
        Whether weights are accepted: of what is no evidence.

    Returns
    -------
    part, size : arrays of shape (n_rates, n_strata, n_groups)
        The counts.

    Raises
    ------
    ValueError
        If decisions are weighted, or a rate needs labels and there are none.
    """
    counts.check_labels(*rates)
    if len(counts.groups) == 0 or counts.strata == ():
        raise ValueError("The counts have no groups, or no strata: there is nothing to count.")
    if not counts.n.max() <= _MOST_DECISIONS:
        raise ValueError(
            f"A group has {counts.n.max():g} decisions in the batch; whole numbers are exact up to "
            f"{_MOST_DECISIONS:.0f}."
        )
    for cell in CELLS:
        cells = counts.cells[cell]
        if not weighted and not (
            np.array_equal(cells, counts.squares[cell]) and np.array_equal(cells, np.rint(cells))
        ):
            raise ValueError(
                "A monitor counts decisions, one by one: these counts are weighted (or no whole numbers), "
                "and in weights there is no evidence of a known strength. Count the batch without "
                "sample_weight."
            )
    part, size = (
        np.stack([side(rate, counts.cells) for rate in rates]) for side in (Rate.part, Rate.support)
    )
    if counts.strata is None:
        part, size = part[..., None], size[..., None]
    part, size = part.swapaxes(1, 2), size.swapaxes(1, 2)
    return (part, size) if weighted else (part.astype(np.int64), size.astype(np.int64))
