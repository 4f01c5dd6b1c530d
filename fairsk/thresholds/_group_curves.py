"""What thresholds are chosen on: every group's curve, and the counts that rules for it give."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fairsk._core.counts import GroupCounts
from fairsk._core.curves import Curve, sorted_curves
from fairsk._core.groups import Grouping
from fairsk.rates import CELLS, Rate
from fairsk.thresholds._rules import Rule

__all__ = ["Evidence"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """The curves of all groups.

    Parameters
    ----------
    names : tuple of str
        What the sensitive attributes are called.
    labels : tuple
        The groups.
    curves : list of Curve
        Of each group, the (weighted) counts at its thresholds.
    rows, squares : list of Curve
        The same with every row counted once, and with squared weights; without weights, the same curves.
    everyone : Curve
        Of all groups together.
    """

    names: tuple[str, ...]
    labels: tuple[Hashable, ...]
    curves: list[Curve]
    rows: list[Curve]
    squares: list[Curve]
    everyone: Curve

    @classmethod
    def of_rows(
        cls, scores: Floats, actual: NDArray[np.bool_], groups: Grouping, weights: Floats | None = None
    ) -> Evidence:
        """Sort the rows of each group by their scores; weights are positive."""
        kinds = [None] if weights is None else [weights, None, weights**2]
        found = sorted_curves(scores, actual, groups.codes, len(groups.labels), kinds)
        (curves, everyone), (rows, _), (squares, _) = found if len(found) == 3 else found * 3
        return cls(groups.names, groups.labels, curves, rows, squares, everyone)

    def counts(self, rules: list[Rule]) -> GroupCounts:
        """Return the (expected) counts of all groups when each follows its rule."""

        def table(curves: list[Curve]) -> dict[str, Floats]:
            parts = [rule.cells(curve) for curve, rule in zip(curves, rules, strict=True)]
            return {cell: np.array([part[cell] for part in parts]) for cell in CELLS}

        squares = None if self.squares is self.curves else table(self.squares)
        return GroupCounts(self.labels, table(self.curves), squares, names=self.names)

    def most_rows(self, rate: Rate) -> Floats:
        """Return how many rows of each group a rate can be measured on, at the most."""
        return np.array([max(rate.support(curve.at(end)) for end in (0, -1)) for curve in self.rows])
