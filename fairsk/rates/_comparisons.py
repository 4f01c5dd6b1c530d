"""Comparisons of groups: what is compared with what, and how differences become one number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np

from fairsk.rates._arrays import Array, extreme, where

__all__ = [
    "Comparison",
    "Method",
    "Norm",
    "defined",
    "group_pairs",
    "known",
    "mean_gap",
    "pair_distance",
    "zeros",
]

Comparison: TypeAlias = Literal["difference", "ratio", "worst_group", "mean_difference"]
#: How the differences of two groups in several rates become one number.
Norm: TypeAlias = Literal["max", "l1", "l2"]
Method: TypeAlias = Literal["between_groups", "to_overall", "to_reference"]


def group_pairs(
    values: list[Array], baselines: list[Array], reference: int | None
) -> Iterator[tuple[list[Array], list[Array]]]:
    """Yield pairs of groups, many at once: every rate of the first ones, and of the second ones."""
    n_groups = len(values[0])
    if baselines[0] is not None:
        others = [g for g in range(n_groups) if g != reference]
        if others:
            yield [each[others] for each in values], baselines
        return
    for shift in range(1, n_groups):
        yield [each[shift:] for each in values], [each[:-shift] for each in values]


def zeros(values: Array) -> Array:
    """Return zeros in the library of some rates, whose groups are summed out; NaN times 0 would be NaN."""
    return where(values == values, 0.0 * values, 0.0).sum(0)


def pair_distance(first: list[Array], second: list[Array], norm: Norm) -> tuple[Array, Array]:
    """Return the norm of the differences in all rates, pair by pair, and whether anything is compared.

    A rate that one of two groups does not have adds nothing.
    """
    gaps, compared = [], 0
    for one, other in zip(first, second, strict=True):
        both = (one == one) & (other == other)
        gaps.append(abs(where(both, one, 0.0) - where(both, other, 0.0)))
        compared = both | compared
    if norm == "l1":
        return sum(gaps[1:], start=gaps[0]), compared
    if norm == "l2" and len(gaps) > 1:
        return sum(gap * gap for gap in gaps) ** 0.5, compared
    return extreme(gaps, largest=True), compared


def mean_gap(values: Array) -> Array:
    """Return the mean of ``|a - b|`` over all pairs of values, passing over undefined (NaN) ones.

    In rising order the i-th of n values is the larger one of i pairs, and the smaller one of n - 1 - i: it is
    added 2 i + 1 - n times. One sort replaces a loop over pairs.
    """
    n = sum((value == value) * 1 for value in values)
    ordered = np.sort(values, axis=0) if isinstance(values, np.ndarray) else values.sort(0).values  # NaN last
    terms = (where(value == value, value, 0.0) * (2 * i + 1 - n) for i, value in enumerate(ordered))
    n_pairs = n * (n - 1) / 2
    return sum(terms) / (n_pairs + (n_pairs == 0))


def known(result: Array, values: list[Array], baselines: list[Array]) -> Array:
    """Return NaN where one of the rates compares nothing: what is left out is not parity."""
    for each, baseline in zip(values, baselines, strict=True):
        result = _undefined_alone(result, each)
        if baseline is not None:
            result = where(baseline == baseline, result, float("nan"))
    return result


def _undefined_alone(result: Array, values: Array) -> Array:
    """A comparison of fewer than two defined rates compares nothing: NaN instead of perfect parity."""
    defined = sum((value == value) * 1 for value in values)
    return where(defined >= 2, result, float("nan"))


def defined(values: Array, baseline: Array) -> Array:
    """Let the undefined rates equal their baseline: they then differ by nothing, and pass no gradient."""
    return where(values == values, values, baseline)
