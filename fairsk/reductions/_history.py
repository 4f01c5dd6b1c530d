"""The history of a fit under a bound: a record per round or model, with the keys of a net's history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any, Literal

import numpy as np

from fairsk._core.bounds import Bound, BoundedConstraint, bounded_rates
from fairsk._core.groups import format_group
from fairsk._core.typing import Floats
from fairsk._held_out.safety_margin import allowance
from fairsk.reductions._bounded_rows import BoundedRows
from fairsk.reductions._problem import Step

__all__ = ["history_records"]


def history_records(
    steps: Sequence[Step],
    rows: BoundedRows,
    constraints: Sequence[BoundedConstraint],
    *,
    unit: Literal["round", "model"],
    strata: Sequence[Hashable] | None = None,
) -> list[dict[str, Any]]:
    """Return a record per step, with names for what stands in its arrays.

    Parameters
    ----------
    steps : sequence of Step
        What an engine recorded, in order.
    rows : BoundedRows
        The rows, which say what is compared.
    constraints : sequence of BoundedConstraint
        The bounds, from which ``rows`` were made.
    unit : {"round", "model"}
        What a step is.
    strata : sequence of labels, optional
        What the strata are called, if groups are compared within any.

    Returns
    -------
    list of dict
        For every step its number, from 1, under the name of ``unit``; of held-out rows ``valid_acc``,
        ``valid_bounded_acc``, ``valid_disparity`` and ``valid_disparities``; ``multipliers``, and ``weight``.
    """
    names, bounds = constraint_names(constraints), [each.bound for each in constraints]
    titles = _window_titles(rows, constraints, strata)
    records: list[dict[str, Any]] = []
    for number, step in enumerate(steps, start=1):
        worst = _worst(step.values, rows, constraints)
        multipliers = step.multipliers.reshape(len(rows.rates), *rows.covered.shape)
        records.append(
            {
                unit: number,
                "valid_acc": 1 - float(step.error),
                "valid_bounded_acc": 1 - float(step.bounded_error),
                "valid_disparity": _binding(worst, bounds),
                "valid_disparities": dict(zip(names, worst, strict=True)),
                "multipliers": {title: multipliers[j, :, s].tolist() for (j, s), title in titles.items()},
                "weight": float(step.weight),
            }
        )
    return records


def constraint_names(constraints: Sequence[BoundedConstraint]) -> list[str]:
    """Return a name for each constraint: its own, and of what is bounded if it stands there twice."""
    return _distinct(
        [each.constraint.name for each in constraints],
        [f" {each.bound.comparison}" for each in constraints],
    )


def _window_titles(
    rows: BoundedRows, constraints: Sequence[BoundedConstraint], strata: Sequence[Hashable] | None
) -> dict[tuple[int, int], str]:
    """Return what the multipliers of each rate are called, in each stratum in which groups are compared.

    A rate without a bound has none.
    """
    bounded = bounded_rates(constraints)
    names = _distinct(
        [rate.name for rate, _ in bounded],
        [f" {bound.comparison}" for _, bound in bounded],
        [f" ({rate.numerator} of {rate.denominator})" for rate, _ in bounded],
    )
    within = [""] if strata is None else [f", {format_group(label)}" for label in strata]
    compared = np.flatnonzero(rows.covered.any(0))
    held = [j for j, (_, bound) in enumerate(bounded) if np.isfinite(allowance(bound))]
    return {(j, int(s)): names[j] + within[s] for j in held for s in compared}


def _distinct(names: list[str], *suffixes: list[str]) -> list[str]:
    """Return names that are told apart: those that occur twice with what follows them, at last a number."""
    for suffix in suffixes:
        times = Counter(names)
        names = [name + end if times[name] > 1 else name for name, end in zip(names, suffix, strict=True)]
    times, seen = Counter(names), Counter[str]()
    distinct = []
    for name in names:
        seen[name] += 1
        distinct.append(f"{name} {seen[name]}" if times[name] > 1 else name)
    return distinct


def _worst(values: Floats, rows: BoundedRows, constraints: Sequence[BoundedConstraint]) -> list[float]:
    """Return the disparity of each constraint: of its rates and strata the worst, NaN where there is none."""
    owners = [i for i, each in enumerate(constraints) for _ in each.constraint.rates]
    signed = [-np.inf] * len(constraints)
    for window, disparity in zip(rows.windows, rows.disparities(values), strict=True):
        owner = owners[window.rate]
        # Once a rate is not defined, neither is the disparity: NaN stays.
        signed[owner] = float(np.maximum(signed[owner], disparity))
    # Disparities are signed so that less is fairer: ratios stand there below zero.
    return [
        float("nan") if np.isinf(value) else -value if each.bound.comparison == "ratio" else value
        for value, each in zip(signed, constraints, strict=True)
    ]


def _binding(disparities: Sequence[float], bounds: Sequence[Bound]) -> float:
    """Return the disparity that is farthest beyond its bound, or closest to it; NaN if none is defined."""
    defined = [
        (bound.excess(value), value)
        for bound, value in zip(bounds, disparities, strict=True)
        if not np.isnan(value)
    ]
    return max(defined)[1] if defined else float("nan")
