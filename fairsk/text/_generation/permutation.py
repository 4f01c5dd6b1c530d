"""Permutations within prompts: what chance makes of the difference and the distance of two groups.

If it does not matter to a model which group a prompt names, the texts written for the two groups of a prompt
come from one law, and which of them were written for which group is exchangeable. A permutation deals the
scores of each prompt out to the two groups anew, as many to each as there were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from fairsk._core.typing import Floats

__all__ = ["Chance", "Unit", "by_chance", "distance", "halves"]

#: Up to so many ways to deal out the scores of one prompt are listed one by one.
_MOST_WAYS = 5_000
#: Up to so many distinct sums over prompts are followed exactly; and sums that are formed at a time.
_MOST_SUMS, _MOST_FORMED = 10_000, 100_000
#: Numbers of a table of draws by scores that are held at a time.
_MOST_HELD = 2_000_000
#: Sums that differ by less than this part of the largest score are equal up to rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Unit:
    """The scores of one prompt that are exchangeable if the group does not matter.

    Parameters
    ----------
    first, second : array of shape (n_first,) and (n_second,)
        The scores of the two groups, at least one each.
    weight : float
        How much the prompt counts in the mean over prompts.
    """

    first: Floats
    second: Floats
    weight: float

    @property
    def pooled(self) -> Floats:
        """The scores of both groups in order."""
        return np.sort(np.concatenate([self.first, self.second]))


@dataclass(frozen=True, eq=False)
class Chance:
    """What permutations make of the difference and the distance of two groups.

    Parameters
    ----------
    p_value : float
        The two-sided p-value of the difference.
    is_exact : bool
        Whether it counts all permutations, and no random ones.
    distance : float
        The mean distance under permutations.
    distance_p_value : float
        How often it is at least the observed one.
    """

    p_value: float
    is_exact: bool
    distance: float
    distance_p_value: float


def distance(units: Sequence[Unit]) -> float:
    """Return the weighted mean over units of the Wasserstein-1 distance of the two groups' scores."""
    total = 0.0
    for unit in units:
        pooled = unit.pooled
        shares = [
            np.searchsorted(np.sort(scores), pooled[:-1], "right") / len(scores)
            for scores in (unit.first, unit.second)
        ]
        total += unit.weight * float(np.abs(shares[0] - shares[1]) @ np.diff(pooled))
    return total


def by_chance(units: Sequence[Unit], n_resamples: int, rng: np.random.Generator) -> Chance:
    """Return what permutations within the units make of the difference and the distance.

    Parameters
    ----------
    units : sequence of Unit
        The scores, prompt by prompt.
    n_resamples : int
        How many random permutations are drawn.
    rng : Generator
        Draws them.
    """
    differences, distances = _draws(units, n_resamples, rng)
    scale = max((float(np.abs(unit.pooled).max()) for unit in units), default=0.0)
    observed = abs(_difference(units)) - _ROUNDING * scale
    p = _exact_p(units, observed, scale)
    beyond = int((np.abs(differences) >= observed).sum())
    as_far = int((distances >= distance(units) - _ROUNDING * scale).sum())
    return Chance(
        p_value=(beyond + 1) / (n_resamples + 1) if p is None else p,
        is_exact=p is not None,
        distance=float(distances.mean()),
        distance_p_value=(as_far + 1) / (n_resamples + 1),
    )


def halves(
    scores: Sequence[Floats], weights: Sequence[float], n_resamples: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return differences and distances of two random halves of each prompt's scores, in many draws.

    Prompts with a single score have no halves; without any that has, nothing is returned.
    """
    measured = [(one, weight) for one, weight in zip(scores, weights, strict=True) if len(one) > 1]
    total = sum(weight for _, weight in measured)
    units = [
        Unit(one[: len(one) // 2], one[len(one) // 2 :], weight / total) for one, weight in measured if total
    ]
    if not units:
        return np.zeros(0), np.zeros(0)
    return _draws(units, n_resamples, rng)


def _difference(units: Sequence[Unit]) -> float:
    return sum(unit.weight * float(unit.first.mean() - unit.second.mean()) for unit in units)


def _draws(units: Sequence[Unit], n_resamples: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the difference and the distance of random permutations."""
    differences, distances = np.zeros(n_resamples), np.zeros(n_resamples)
    for (n_first, n_second), members in _by_size(units):
        n = n_first + n_second
        rows = min(n_resamples, max(1, _MOST_HELD // n))
        for start in range(0, n_resamples, rows):
            drawn = slice(start, min(start + rows, n_resamples))
            size = drawn.stop - drawn.start
            for first_member in range(0, len(members), size):
                parts = _random_parts(size, n, n_first, rng)
                for shift, unit in enumerate(members[first_member : first_member + size]):
                    # Prompts of one size share the random parts: each has its own order of the places, and
                    # takes them up further on, so that within a draw no two prompts have the same part.
                    pooled = unit.pooled
                    is_first = parts[:, rng.permutation(n)]
                    gaps = is_first @ pooled * (1 / n_first + 1 / n_second) - pooled.sum() / n_second
                    # How far the shares of both groups lie apart below each score but the last: in place, for
                    # these are the largest arrays.
                    apart = np.cumsum(is_first[:, :-1], axis=1)
                    apart *= 1 / n_first + 1 / n_second
                    apart -= np.arange(1, n) / n_second
                    np.abs(apart, out=apart)
                    differences[drawn] += unit.weight * np.roll(gaps, shift)
                    distances[drawn] += unit.weight * np.roll(apart @ np.diff(pooled), shift)
    return differences, distances


def _by_size(units: Sequence[Unit]) -> Iterator[tuple[tuple[int, int], list[Unit]]]:
    sizes: dict[tuple[int, int], list[Unit]] = {}
    for unit in units:
        sizes.setdefault((len(unit.first), len(unit.second)), []).append(unit)
    yield from sizes.items()


def _random_parts(n_draws: int, n: int, part: int, rng: np.random.Generator) -> Floats:
    """Return per draw which of n places are among a random part of them, as ones."""
    order = np.argsort(rng.random((n_draws, n), dtype=np.float32), axis=1)
    return (order < part).astype(float)


def _exact_p(units: Sequence[Unit], observed: float, scale: float) -> float | None:
    """Return the share of all permutations whose difference is at least so far from 0; None if too many."""
    if observed <= 0:
        return 1.0
    grid = max(scale, np.finfo(float).tiny) * _ROUNDING / 10
    values, shares = np.zeros(1), np.ones(1)
    for unit in units:
        law = _law(unit)
        if law is None or len(values) * len(law[0]) > _MOST_FORMED:
            return None
        values, shares = _merged(
            np.add.outer(values, law[0]).ravel(), np.multiply.outer(shares, law[1]).ravel(), grid
        )
        if len(values) > _MOST_SUMS:
            return None
    return min(1.0, float(shares[np.abs(values) >= observed].sum()))


def _law(unit: Unit) -> tuple[Floats, Floats] | None:
    """Return the differences of one prompt under all permutations, and how probable they are."""
    pooled = unit.pooled
    n, m = len(pooled), len(unit.first)
    low, high = float(pooled[0]), float(pooled[-1])
    if low == high:
        return np.zeros(1), np.ones(1)
    if np.isin(pooled, [low, high]).all():
        # Of two values, such as refused and not, it is only counted how many high ones fall to the first.
        n_high = int((pooled == high).sum())
        k = np.arange(max(0, m + n_high - n), min(m, n_high) + 1)
        sums, shares = m * low + k * (high - low), hypergeom.pmf(k, n, n_high, m)
    elif comb(n, m) <= _MOST_WAYS:
        sums = pooled[np.array(list(combinations(range(n), m)))].sum(1)
        shares = np.full(len(sums), 1 / len(sums))
    else:
        return None
    gaps: Floats = sums / m - (pooled.sum() - sums) / (n - m)
    return _merged(unit.weight * gaps, shares, (high - low) * unit.weight * _ROUNDING / 10)


def _merged(values: Floats, shares: Floats, grid: float) -> tuple[Floats, Floats]:
    """Return distinct values, up to rounding, with the sums of their shares."""
    cells: NDArray[np.float64] = np.rint(values / grid)
    _, first, places = np.unique(cells, return_index=True, return_inverse=True)
    sums: Floats = np.bincount(places.ravel(), shares).astype(float)
    return values[first], sums
