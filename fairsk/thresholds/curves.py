"""What every threshold of a group does: cumulative confusion cells along the sorted scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Curve", "Mixture", "Rule", "group_curves"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rule:
    """How one group is decided: a threshold, or several with a probability each."""

    thresholds: Floats
    probabilities: Floats

    def chance(self, scores: Floats) -> Floats:
        """Return each score's chance to be selected: 0 or 1 if there is one threshold."""
        return (scores[:, None] >= self.thresholds) @ self.probabilities

    @classmethod
    def single(cls, threshold: float) -> Rule:
        """Return the rule that selects every score of at least the threshold."""
        return cls(np.array([threshold]), np.ones(1))


@dataclass(frozen=True)
class Mixture:
    """Positions of thresholds on a group's curve, with the probability of each."""

    positions: NDArray[np.intp]
    probabilities: Floats


@dataclass(frozen=True)
class Curve:
    """The confusion cells of one group at each of its thresholds, from selecting nobody to everybody.

    ``cells[...][i]`` are the cells when the rows with a score of at least ``thresholds[i]`` are selected.
    """

    thresholds: Floats
    cells: Mapping[str, Floats]

    def at(self, index: int | NDArray[np.intp]) -> dict[str, Floats]:
        """Return the cells at one threshold, or at several."""
        return {cell: values[index] for cell, values in self.cells.items()}

    def expected(self, mixture: Mixture) -> dict[str, Floats]:
        """Return the cells that a mixture of thresholds gives in expectation."""
        return {cell: at @ mixture.probabilities for cell, at in self.at(mixture.positions).items()}

    def rule(self, mixture: Mixture) -> Rule:
        """Return the mixture as a rule for scores."""
        return Rule(self.thresholds[mixture.positions], mixture.probabilities)


def group_curves(
    scores: Floats,
    actual: NDArray[np.bool_],
    codes: NDArray[np.intp],
    n_groups: int,
    weights: Floats | None = None,
) -> list[Curve]:
    """Sort once and return every group's curve.

    Parameters
    ----------
    scores : array of shape (n_rows,)
        Finite scores.
    actual : boolean array of shape (n_rows,)
        Whether the label is the positive one.
    codes : integer array of shape (n_rows,)
        The group of each row, from 0.
    n_groups : int
        How many groups there are; each has at least one row.
    weights : array of shape (n_rows,), optional
        Weight of each row.
    """
    order = np.argsort(-scores, kind="stable")
    order = order[np.argsort(codes[order], kind="stable")]
    ends = np.cumsum(np.bincount(codes, minlength=n_groups))[:-1]
    return [
        _curve(scores[rows], actual[rows], None if weights is None else weights[rows])
        for rows in np.split(order, ends)
    ]


def _curve(scores: Floats, actual: NDArray[np.bool_], weights: Floats | None) -> Curve:
    """Build the curve of rows that are sorted by falling score."""
    ones = np.ones(len(scores)) if weights is None else weights
    # Tied scores cannot be told apart by a threshold: they enter together, at the last of them.
    last = np.append(np.flatnonzero(scores[1:] != scores[:-1]), len(scores) - 1)
    tp = np.append(0.0, np.cumsum(np.where(actual, ones, 0))[last])
    fp = np.append(0.0, np.cumsum(np.where(actual, 0, ones))[last])
    lowest = scores[last]
    upper, lower = lowest[:-1], lowest[1:]
    # The midpoint between neighbours carries over to new scores best; where rounding makes it one of the
    # two, the observed score itself separates them.
    middle = upper / 2 + lower / 2
    middle = np.where((middle > lower) & (middle <= upper), middle, upper)
    thresholds = np.concatenate([[np.inf], middle, [-np.inf]])
    return Curve(thresholds, {"tp": tp, "fp": fp, "fn": tp[-1] - tp, "tn": fp[-1] - fp})
