"""The constant that is the best prediction of some amounts: the least absolute error."""

from __future__ import annotations

import numpy as np

from fairsk._core.typing import Floats

__all__ = ["weighted_median"]


def weighted_median(amounts: Floats, weights: Floats) -> float:
    """Return the least amount of which half of the weight lies at it or below."""
    if (weights == weights[0]).all():  # what is in the middle is found without a sort
        middle = (len(amounts) - 1) // 2
        return float(np.partition(amounts, middle)[middle])
    order = np.argsort(amounts, kind="stable")
    reached = np.cumsum(weights[order])
    return float(amounts[order[np.searchsorted(reached, reached[-1] / 2)]])
