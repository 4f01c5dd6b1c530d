"""Cumulative confusion cells along the sorted scores of each group: sort once, read off any threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairsk._core.typing import Bools, Floats, Ints

__all__ = ["Curve", "sorted_curves"]


@dataclass(frozen=True)
class Curve:
    """The confusion cells of one group at each of its thresholds, from selecting nobody to everybody.

    Parameters
    ----------
    steps : array of shape (n_steps,)
        The distinct scores, falling; or the lower edges of bins of scores.
    tp, fp : arrays of shape (n_steps + 1,)
        At position i, the positives and negatives with a score of at least ``steps[i - 1]``: they are
        selected, and the others are not.
    between : bool, default=True
        Whether thresholds stand halfway between two steps, which carries over to new scores best, or on
        them.
    """

    steps: Floats
    tp: Floats
    fp: Floats
    between: bool = True

    def __len__(self) -> int:
        return len(self.tp)

    @property
    def cells(self) -> dict[str, Floats]:
        """The confusion cells at every position."""
        return self.at(slice(None))

    @property
    def thresholds(self) -> Floats:
        """The threshold at every position."""
        return self.threshold(np.arange(len(self)))

    def threshold(self, positions: Ints) -> Floats:
        """Return the thresholds at some positions."""
        upper = self.steps[np.maximum(positions - 1, 0)]
        lower = self.steps[np.minimum(positions, len(self.steps) - 1)]
        middle = upper / 2 + lower / 2 if self.between else upper
        # Where rounding makes the middle one of the two, the observed score itself separates them.
        middle = np.where((middle > lower) & (middle <= upper), middle, upper)
        middle = np.where(positions == 0, np.inf, middle)
        return np.where(positions == len(self.steps), -np.inf, middle)

    def at(self, index: int | slice | Ints) -> dict[str, Floats]:
        """Return the cells at one position, or at several."""
        tp, fp = self.tp[index], self.fp[index]
        return {"tp": tp, "fp": fp, "fn": self.tp[-1] - tp, "tn": self.fp[-1] - fp}

    def positions(self, thresholds: Floats) -> Ints:
        """Return the positions at which any thresholds stand: how many steps are not below each."""
        return len(self.steps) - np.searchsorted(self.steps[::-1], thresholds, "left")


def sorted_curves(
    scores: Floats,
    actual: Bools,
    codes: Ints,
    n_groups: int,
    weights: Sequence[Floats | None] = (None,),
) -> list[tuple[list[Curve], Curve]]:
    """Sort once; return every group's curve and that of all rows together, for each kind of weights.

    Parameters
    ----------
    scores : array of shape (n_samples,)
        Finite scores.
    actual : boolean array of shape (n_samples,)
        Whether the label is the positive one.
    codes : integer array of shape (n_samples,)
        The group of each row, from 0.
    n_groups : int
        How many groups there are; one without rows has a curve without steps.
    weights : sequence of arrays of shape (n_samples,) or None
        Weights of the rows; None counts each row once.
    """
    order = np.argsort(scores)[::-1]
    # A stable sort of 16-bit integers is a radix sort: it brings groups together in linear time.
    small = codes.astype(np.int16) if n_groups < 2**15 else codes
    together = order[np.argsort(small[order], kind="stable")]
    by_group = np.split(together, np.cumsum(np.bincount(codes, minlength=n_groups))[:-1])

    def curve(rows: Ints, weight: Floats | None) -> Curve:
        return _curve(scores[rows], actual[rows], None if weight is None else weight[rows])

    return [([curve(rows, weight) for rows in by_group], curve(order, weight)) for weight in weights]


def _curve(scores: Floats, actual: Bools, weights: Floats | None) -> Curve:
    """Build the curve of rows that are sorted by falling score."""
    # Tied scores cannot be told apart by a threshold: they enter together, at the last of them.
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])
    if weights is None:
        positive = np.cumsum(actual)[last]
        tp, fp = positive.astype(float), (last + 1 - positive).astype(float)
    else:
        tp = np.cumsum(np.where(actual, weights, 0))[last]
        fp = np.cumsum(np.where(actual, 0, weights))[last]
    return Curve(scores[last], np.append(0.0, tp), np.append(0.0, fp))
