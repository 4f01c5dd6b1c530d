"""GroupCurves: the cumulative counts of every group that thresholds are chosen on."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.curves import Curve, sorted_curves
from fairsk._core.groups import Grouping
from fairsk._core.typing import Bools, Floats
from fairsk.rates import CELLS, Rate
from fairsk.thresholds._rules import ThresholdRule

__all__ = ["GroupCurves"]


@dataclass(frozen=True)
class GroupCurves:
    """The curves of all groups.

    Parameters
    ----------
    names : tuple of str
        What the sensitive attributes are called.
    labels : tuple
        The groups.
    weighted : list of Curve
        Of each group, the (weighted) counts at its thresholds.
    unweighted, squared : list of Curve
        The same with every row counted once, and with squared weights; without weights, the same curves.
    everyone : Curve
        Of all groups together, weighted.
    """

    names: tuple[str, ...]
    labels: tuple[Hashable, ...]
    weighted: list[Curve]
    unweighted: list[Curve]
    squared: list[Curve]
    everyone: Curve

    @classmethod
    def from_rows(
        cls, scores: Floats, actual: Bools, groups: Grouping, weights: Floats | None = None
    ) -> GroupCurves:
        """Sort the rows of each group by their scores; weights are positive."""
        kinds = [None] if weights is None else [weights, None, weights**2]
        curves = sorted_curves(scores, actual, groups.codes, len(groups.labels), kinds)
        (weighted, everyone), (unweighted, _), (squared, _) = curves if len(curves) == 3 else curves * 3
        return cls(groups.names, groups.labels, weighted, unweighted, squared, everyone)

    def counts(self, rules: Sequence[ThresholdRule]) -> GroupCounts:
        """Return the (expected) counts of all groups when each follows its rule."""

        def table(curves: list[Curve]) -> dict[str, Floats]:
            parts = [rule.cells(curve) for curve, rule in zip(curves, rules, strict=True)]
            return {cell: np.array([part[cell] for part in parts]) for cell in CELLS}

        squares = None if self.squared is self.weighted else table(self.squared)
        return GroupCounts(self.labels, table(self.weighted), squares, names=self.names)

    def most_rows(self, rate: Rate) -> Floats:
        """Return how many rows of each group a rate can be measured on, at the most."""
        return np.array([max(rate.support(curve.at(end)) for end in (0, -1)) for curve in self.unweighted])
