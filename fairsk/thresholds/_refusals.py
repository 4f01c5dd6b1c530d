"""Refusals: why no thresholds can be chosen, and what could be reached."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fairsk._core.bounds import BoundedConstraint, bounded_rates
from fairsk._core.groups import format_group, list_groups
from fairsk.thresholds._solvers.problem import OperatingPoints
from fairsk.thresholds._solvers.single_rate import least_disparity

if TYPE_CHECKING:
    from fairsk.thresholds._search import Search

__all__ = ["explain_inadmissible", "explain_infeasible"]


def explain_inadmissible(search: Search, group: int) -> str:
    """Say that no threshold of a group meets its requirements."""
    least = search.spec.min_group_size
    required = list(replace(search.requirements, capacity=None).in_words())
    required += [
        f"at least {least} rows to measure {rate.name} on (min_group_size)"
        for rate in search.spec.rates
        if not rate.has_fixed_denominator
    ]
    return (
        f"No threshold of the group {list_groups([search.curves.labels[group]])} has all that is asked "
        f"for: {'; '.join(required)}. Ask for less."
    )


def _with_rate(search: Search, row: int) -> list[OperatingPoints]:
    """Return the groups that take part in the comparison of a rate."""
    return [points for points in search.points if not np.isnan(points.rates[row]).any()]


def explain_infeasible(search: Search, constraints: tuple[BoundedConstraint, ...]) -> str:
    """Say that nothing meets the bounds, and what each rate alone could reach."""
    pairs, named = bounded_rates(constraints), search.spec.constraint_names
    required = ", ".join(dict.fromkeys(str(bound) for _, bound in pairs))
    others = search.requirements.in_words()
    if others:
        return (
            f"No thresholds meet {required} for {named} together with what else is asked for "
            f"({'; '.join(others)}). Loosen one of them."
        )
    reached, step = [], 1 if search.strata is None else len(search.strata.positions)
    rows = search.compared_rates(constraints)
    for i, (rate, bound) in enumerate(pairs):
        of_rate = range(i * step, (i + 1) * step)
        disparities = [least_disparity(_with_rate(search, j), bound, j) for j in of_rate]
        worst = int(np.argmax(disparities))
        least, stratum = disparities[worst], rows[i * step + worst][2]
        alone = f" of {rate.name} alone" if len(pairs) > 1 else ""
        alone += "" if search.strata is None else f" in {format_group(stratum)}"
        if bound.difference is not None:
            reached.append(f"the least difference{alone} is {least:.4f}")
        else:
            reached.append(f"the largest ratio{alone} is {-least:.4f}")
    return (
        f"No thresholds meet {required} for {named}: {' and '.join(reached)}. Loosen the bound, or "
        "choose a constraint that thresholds can always meet: demographic_parity, equal_opportunity or "
        "equalized_odds."
    )
