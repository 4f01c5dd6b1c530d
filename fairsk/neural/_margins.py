"""Margins of a bound in training: how far each group's rates stay away from the ends of their windows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from fairsk._core.bounds import Bound, BoundedConstraint, bounded_rates
from fairsk._core.counts import GroupCounts
from fairsk._core.typing import Floats
from fairsk._held_out.safety_margin import KeptMargin, MarginLike, SafetyMargin
from fairsk.neural._comparisons import GroupComparison
from fairsk.neural._confusion import as_cells
from fairsk.rates import Rate

__all__ = ["Margins"]


@dataclass(frozen=True)
class Margins:
    """The safety margin of every comparison.

    Parameters
    ----------
    by_comparison : mapping of GroupComparison to SafetyMargin
        How many standard errors the rates of its groups are to stay from the ends of the windows.
    asked : {"1se"} or float
        What the user asked for.
    """

    by_comparison: Mapping[GroupComparison, SafetyMargin]
    asked: MarginLike = 0.0

    @classmethod
    def of(
        cls,
        margin: MarginLike,
        bounds: tuple[BoundedConstraint, ...],
        comparisons: Sequence[GroupComparison],
    ) -> Margins:
        """Read a margin: none, one standard error, or a confidence for all comparisons at once."""
        # What each comparison may fail with adds up (Bonferroni).
        each = margin if margin == "1se" or not margin else 1 - (1 - margin) / max(1, len(comparisons))
        margins = {one: SafetyMargin.from_parameter(each, bounds, len(one.groups)) for one in comparisons}
        return cls({one: replace(part, parameter=margin) for one, part in margins.items()}, margin)

    @property
    def is_asked_for(self) -> bool:
        """Whether there is any."""
        return any(margin.n_errors for margin in self.by_comparison.values())

    def distances(
        self,
        rate_bounds: Sequence[tuple[Rate, Bound]],
        cells: Sequence[Floats],
        squares: Sequence[Floats],
    ) -> torch.Tensor:
        """Return how far rates (under a ratio, their logarithms) are to stay from the ends of their windows.

        Parameters
        ----------
        rate_bounds : sequence of (Rate, Bound)
            The rates that the loss holds.
        cells, squares : sequence of arrays of shape (4, n_groups)
            For every comparison, the sums of the weights of decided rows, and of the squares of these.

        Returns
        -------
        tensor of shape (n_comparisons, n_rates, n_groups)
            As many standard errors as are asked for, or as half a window has room for; 0 for groups that take
            no part.
        """
        n_groups = max(comparison.n_groups for comparison in self.by_comparison)
        distances = torch.zeros(len(self.by_comparison), len(rate_bounds), n_groups, dtype=torch.float64)
        for i, (comparison, margin) in enumerate(self.by_comparison.items()):
            groups = list(comparison.groups)
            counts = GroupCounts(groups, as_cells(cells[i][:, groups]), as_cells(squares[i][:, groups]))
            kept = margin.widest(counts).distances
            if kept is None:
                continue
            by_rate = dict(zip(bounded_rates(margin.constraints), kept, strict=True))
            for j, pair in enumerate(rate_bounds):
                distances[i, j, groups] = torch.from_numpy(by_rate[pair])
        return distances

    def warn_of_less(self, kept: Sequence[KeptMargin]) -> None:
        """Warn, once, of groups that have less than the margin asked for, in any class or column."""
        if self.is_asked_for:
            some = next(iter(self.by_comparison.values()))
            less = {group: n for part in kept for group, n in part.by_group.items()}
            some.warn_of_less(KeptMargin(some.n_errors, None, less), "decisions")

    def kept(self, tables: Mapping[GroupComparison, GroupCounts]) -> KeptMargin:
        """Return the margin that is kept in some comparisons: of each group, where it has the least.

        Parameters
        ----------
        tables : mapping of GroupComparison to GroupCounts
            Of each comparison, the counts of its groups.
        """
        parts = [self.by_comparison[comparison].widest(counts) for comparison, counts in tables.items()]
        by_group: dict[Hashable, float] = {}
        for part in parts:
            for group, n_errors in part.by_group.items():
                by_group[group] = min(n_errors, by_group.get(group, np.inf))
        return KeptMargin(max((part.n_errors for part in parts), default=0.0), None, by_group)
