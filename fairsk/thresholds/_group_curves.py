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

__all__ = ["CellCurves", "GroupCurves"]


@dataclass(frozen=True)
class CellCurves:
    """The curves of every group within every stratum.

    Parameters
    ----------
    strata : tuple
        The labels of the strata.
    weighted, unweighted, squared : list of list of Curve
        Of each group, a curve per stratum, counted as in :class:`GroupCurves`.
    names : tuple of str
        What the columns of the strata are called.
    """

    strata: tuple[Hashable, ...]
    weighted: list[list[Curve]]
    unweighted: list[list[Curve]]
    squared: list[list[Curve]]
    names: tuple[str, ...] = ()

    @classmethod
    def from_rows(
        cls, scores: Floats, actual: Bools, groups: Grouping, strata: Grouping, weights: Floats | None
    ) -> CellCurves:
        """Sort the rows of each group and stratum by their scores."""
        n_groups, n_strata = len(groups.labels), len(strata.labels)
        kinds = [None] if weights is None else [weights, None, weights**2]
        curves = sorted_curves(
            scores, actual, groups.codes * n_strata + strata.codes, n_groups * n_strata, kinds
        )
        tables = [[cells[g * n_strata : (g + 1) * n_strata] for g in range(n_groups)] for cells, _ in curves]
        weighted, unweighted, squared = tables if len(tables) == 3 else tables * 3
        return cls(strata.labels, weighted, unweighted, squared, strata.names)

    def most_rows(self, rate: Rate) -> Floats:
        """Return how many rows a rate can be measured on, at the most, of shape (n_groups, n_strata)."""
        return np.array([_most_rows(curves, rate) for curves in self.unweighted])


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
    within : CellCurves, optional
        Those of every group within every stratum, if there are strata.
    """

    names: tuple[str, ...]
    labels: tuple[Hashable, ...]
    weighted: list[Curve]
    unweighted: list[Curve]
    squared: list[Curve]
    everyone: Curve
    within: CellCurves | None = None

    @classmethod
    def from_rows(
        cls,
        scores: Floats,
        actual: Bools,
        groups: Grouping,
        weights: Floats | None = None,
        strata: Grouping | None = None,
    ) -> GroupCurves:
        """Sort the rows of each group by their scores; weights are positive."""
        kinds = [None] if weights is None else [weights, None, weights**2]
        curves = sorted_curves(scores, actual, groups.codes, len(groups.labels), kinds)
        (weighted, everyone), (unweighted, _), (squared, _) = curves if len(curves) == 3 else curves * 3
        within = None
        if strata is not None:
            within = CellCurves.from_rows(scores, actual, groups, strata, weights)
        return cls(groups.names, groups.labels, weighted, unweighted, squared, everyone, within)

    def counts(self, rules: Sequence[ThresholdRule]) -> GroupCounts:
        """Return the (expected) counts of all groups when each follows its rule."""

        def table(curves: list[Curve]) -> dict[str, Floats]:
            parts = [rule.cells(curve) for curve, rule in zip(curves, rules, strict=True)]
            return {cell: np.array([part[cell] for part in parts]) for cell in CELLS}

        squares = None if self.squared is self.weighted else table(self.squared)
        return GroupCounts(self.labels, table(self.weighted), squares, names=self.names)

    def counts_within(self, rules: Sequence[ThresholdRule]) -> GroupCounts:
        """Return the (expected) counts of all groups when each follows its rule, by strata if any."""
        if self.within is None:
            return self.counts(rules)

        def table(curves: list[list[Curve]]) -> dict[str, Floats]:
            parts = [[rule.cells(curve) for curve in own] for own, rule in zip(curves, rules, strict=True)]
            return {cell: np.array([[part[cell] for part in own] for own in parts]) for cell in CELLS}

        squares = None if self.within.squared is self.within.weighted else table(self.within.squared)
        return GroupCounts(
            self.labels, table(self.within.weighted), squares, names=self.names, strata=self.within.strata
        )

    def most_rows(self, rate: Rate) -> Floats:
        """Return how many rows of each group a rate can be measured on, at the most."""
        return _most_rows(self.unweighted, rate)


def _most_rows(curves: Sequence[Curve], rate: Rate) -> Floats:
    return np.array([max(rate.support(curve.at(end)) for end in (0, -1)) for curve in curves])
