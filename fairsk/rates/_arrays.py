"""Arithmetic that runs unchanged on NumPy arrays and torch tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

__all__ = ["Array", "Cells", "extreme", "smaller_over_larger", "where"]

#: A NumPy array or a torch tensor: whatever the cells are, the rates are too.
Array: TypeAlias = Any
Cells: TypeAlias = Mapping[str, Array]


def where(condition: Array, then: Array, otherwise: Array) -> Array:
    """``where`` in the array's own library; torch tensors bring theirs as a method."""
    if hasattr(then, "where"):
        return then.where(condition, otherwise)
    return np.where(condition, then, otherwise)


def extreme(values: Array, *, largest: bool) -> Array:
    """The largest (or smallest) value over the groups, passing over undefined (NaN) ones."""
    if isinstance(values, np.ndarray):  # at once, for there may be thousands of groups
        return (np.fmax if largest else np.fmin).reduce(values)
    best = values[0]
    for value in values[1:]:
        ahead = value > best if largest else value < best
        best = where(ahead | (best != best), value, best)
    return best


def smaller_over_larger(a: Array, b: Array) -> Array:
    """``min(a, b) / max(a, b)``; two rates of zero agree, so their ratio is 1."""
    swap = a > b
    low, high = where(swap, b, a), where(swap, a, b)
    both_zero = (low == 0) & (high == 0)
    return (low + both_zero) / (high + both_zero)
