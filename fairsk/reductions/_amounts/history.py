"""The history of a fit to amounts under a bound: a record per round or model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from fairsk.reductions._amounts.problem import AmountStep
from fairsk.reductions._amounts.rows import AmountRows

__all__ = ["amount_records"]


def amount_records(
    steps: Sequence[AmountStep], rows: AmountRows, *, unit: Literal["round", "model"]
) -> list[dict[str, Any]]:
    """Return a record per step, with names for what stands in its arrays.

    Parameters
    ----------
    steps : sequence of AmountStep
        What an engine recorded, in order.
    rows : AmountRows
        The held-out rows.
    unit : {"round", "model"}
        What a step is.
    """
    times, names = Counter(rate.name for rate in rows.rates), []
    for number, rate in enumerate(rows.rates, start=1):
        names.append(rate.name if times[rate.name] == 1 else f"{rate.name} {number}")
    return [
        {
            unit: number,
            "valid_loss": float(step.loss),
            "valid_disparity": rows.disparity(step.values),
            "multipliers": dict(zip(names, step.multipliers.tolist(), strict=True)),
            "weight": float(step.weight),
        }
        for number, step in enumerate(steps, start=1)
    ]
