"""BoundedRows: the group rates of rows that a bound holds together, and what it costs to select a row.

A rate is linear in decisions near where they are (exactly, if its denominator depends on labels only). So
multipliers on group rates come down to a price per row: what its selection moves each rate by, times the
multiplier of that rate. Every engine of this room reads prices and rates here.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fairsk._core.bounds import Bound, BoundedConstraint, bounded_rates
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import Grouping
from fairsk._core.typing import Bools, Floats, Ints
from fairsk.rates import CELLS, Rate

__all__ = ["BoundedRows", "Window", "extremes"]


@dataclass(frozen=True)
class Window:
    """Groups whose rates must lie together: under one bound, and within one stratum if there are any.

    Parameters
    ----------
    rate : int
        Which rate, as its position among the bounded ones.
    codes : array of shape (n_compared,)
        The groups that are compared, by the codes of :class:`BoundedRows`.
    """

    rate: int
    codes: Ints


@dataclass(frozen=True)
class BoundedRows:
    """Rows with all that a bound says of them.

    Parameters
    ----------
    rates : tuple of Rate
        The bounded rates; with several constraints those of all, and a rate twice if it has two bounds.
    bounds : tuple of Bound
        The bound of each.
    actual : boolean array of shape (n_samples,)
        Whether the label is the positive one.
    codes : integer array of shape (n_samples,)
        The group of each row; where groups are compared within strata, ``group * n_strata + stratum``.
    weights : array of shape (n_samples,)
        The weight of each row, above 0.
    covered : boolean array of shape (n_groups, n_strata)
        Which groups are compared in which stratum; with one column if there are no strata.
    labels : tuple of length n_groups
        What the groups are called.
    """

    rates: tuple[Rate, ...]
    bounds: tuple[Bound, ...]
    actual: Bools
    codes: Ints
    weights: Floats
    covered: Bools
    labels: tuple[Hashable, ...]

    @classmethod
    def of(
        cls,
        constraints: Sequence[BoundedConstraint],
        actual: Bools,
        groups: Grouping,
        weights: Floats,
        *,
        strata: Grouping | None = None,
        min_group_size: int = 1,
        measured: Ints | None = None,
    ) -> BoundedRows:
        """Find the groups (in each stratum) with enough rows to measure every bounded rate on.

        ``measured`` are the positions of the rows that rates are measured on; all by default.
        """
        rates, bounds = zip(*bounded_rates(constraints), strict=True)
        n_groups, n_strata = len(groups.labels), 1 if strata is None else len(strata.labels)
        codes = groups.codes if strata is None else groups.codes * n_strata + strata.codes
        everyone = np.ones((n_groups, n_strata), dtype=bool)
        rows = cls(rates, bounds, actual, codes, weights, everyone, groups.labels)
        held_out = rows if measured is None else rows.take(measured)
        large = (held_out.fewest_rows() >= min_group_size).reshape(n_groups, n_strata)
        # Fewer than two groups are nothing to compare.
        return rows.covering(large & (large.sum(0) >= 2))

    def covering(self, covered: Bools) -> BoundedRows:
        """Return the same rows with other groups that are compared."""
        return replace(self, covered=covered)

    def take(self, rows: Ints) -> BoundedRows:
        """Return some of the rows; what is compared stays."""
        return replace(self, actual=self.actual[rows], codes=self.codes[rows], weights=self.weights[rows])

    def __len__(self) -> int:
        return len(self.actual)

    @property
    def n_codes(self) -> int:
        """How many groups there are, or groups in strata."""
        return self.covered.size

    @property
    def is_compared(self) -> Bools:
        """Which groups are compared, in some stratum at least, of shape (n_groups,)."""
        return np.asarray(self.covered.any(1))

    @property
    def windows(self) -> tuple[Window, ...]:
        """The rates that must lie together: one per bounded rate and stratum in which groups are compared."""
        n_strata = self.covered.shape[1]
        return tuple(
            Window(j, np.flatnonzero(self.covered[:, s]) * n_strata + s)
            for j in range(len(self.rates))
            for s in range(n_strata)
            if self.covered[:, s].any()
        )

    def fewest_rows(self) -> Floats:
        """Return how many rows each group has, at the most, to measure the rate on that has fewest."""
        positives = np.bincount(self.codes, self.actual, self.n_codes)
        negatives = np.bincount(self.codes, ~self.actual, self.n_codes)
        none = np.zeros(self.n_codes)
        everyone = {"tp": positives, "fp": negatives, "fn": none, "tn": none}
        nobody = {"tp": none, "fp": none, "fn": positives, "tn": negatives}
        return np.min(
            [np.maximum(rate.support(everyone), rate.support(nobody)) for rate in self.rates], axis=0
        )

    def cells(self, selected: Bools) -> dict[str, Floats]:
        """Return the confusion cells of every group, each of shape (n_codes,), if these rows are selected."""
        kind = 3 - 2 * selected.astype(np.intp) - self.actual  # tp, fp, fn, tn: as in CELLS
        sums = np.bincount(kind * self.n_codes + self.codes, self.weights, len(CELLS) * self.n_codes)
        return dict(zip(CELLS, sums.reshape(len(CELLS), self.n_codes), strict=True))

    def counts(self, selected: Bools) -> GroupCounts:
        """Return the counts of the groups that are compared, if these rows are selected; without strata."""
        squared = replace(self, weights=self.weights**2)
        everyone = GroupCounts(self.labels, self.cells(selected), squared.cells(selected))
        return everyone.take([label for g, label in enumerate(self.labels) if self.is_compared[g]])

    def values(self, cells: dict[str, Floats]) -> Floats:
        """Return every bounded rate in every group, of shape (n_rates, n_codes): NaN where it has none."""
        return np.array([rate(cells) for rate in self.rates])

    def steps(self, cells: dict[str, Floats]) -> Floats:
        """Return by how much each rate moves per weight of a selected row.

        Returns
        -------
        array of shape (n_rates, n_codes, 2)
            Of a negative row of the group, and of a positive one; 0 where the rate has no rows.
        """
        steps = np.zeros((len(self.rates), self.n_codes, 2))
        for j, rate in enumerate(self.rates):
            with np.errstate(divide="ignore", invalid="ignore"):
                slopes = rate.slopes(cells)
                # A row that is selected leaves fn (tn) and enters tp (fp).
                moved = np.stack([slopes["fp"] - slopes["tn"], slopes["tp"] - slopes["fn"]], axis=1)
            steps[j] = np.nan_to_num(moved, nan=0.0, posinf=0.0, neginf=0.0)
        return steps

    def price_table(self, multipliers: Floats, cells: dict[str, Floats]) -> Floats:
        """Return what it costs to select a row: a negative, and a positive one, of shape (n_codes, 2).

        The unit is that of the mean error: a price of 1 is what deciding one row wrongly costs. So a row is
        best selected if its price is less than ``2 * actual - 1``.

        Parameters
        ----------
        multipliers : array of shape (n_rates, n_codes)
            What it costs to raise each group's rate by one; 0 for groups that are not compared.
        cells : mapping
            The confusion cells near which rates are linearised; of rates with fixed denominators any do.
        """
        return self.weights.sum() * (multipliers[:, :, None] * self.steps(cells)).sum(0)

    def prices(self, multipliers: Floats, cells: dict[str, Floats]) -> Floats:
        """Return what it costs to select each row, as :meth:`price_table` has it."""
        return self.price_table(multipliers, cells)[self.codes, self.actual.astype(np.intp)]

    def error(self, selected: Bools) -> float:
        """Return the share of rows, by weight, whose label is not the decision."""
        return float(np.average(selected != self.actual, weights=self.weights))

    def disparities(self, values: Floats) -> Floats:
        """Return the disparity of every window, signed so that less is fairer; NaN where a rate has none.

        The result has shape (n_windows,).
        """
        signed = []
        for w in self.windows:
            at = values[w.rate, w.codes]
            disparity = self.bounds[w.rate].disparity(*extremes(at))
            signed.append(float("nan") if np.isnan(at).any() else float(disparity))
        return np.array(signed)

    def violation(self, values: Floats, distances: Floats | None = None) -> float:
        """Return by how much the most violated bound is exceeded; infinity if one has no rates.

        Parameters
        ----------
        values : array of shape (n_rates, n_codes)
            The rates.
        distances : array of shape (n_rates, n_codes), optional
            How far each rate must stay away from either end of what its bound allows (under a ratio, its
            logarithm).
        """
        worst = 0.0
        for w in self.windows:
            bound, at = self.bounds[w.rate], values[w.rate, w.codes]
            if np.isnan(at).any():
                return float("inf")
            kept = None if distances is None else distances[w.rate, w.codes]
            worst = max(worst, float(bound.violation(*extremes(at, bound, kept))))
        return worst


def extremes(
    values: Floats, bound: Bound | None = None, distances: Floats | None = None
) -> tuple[Floats, Floats]:
    """Return the lowest and the highest rate, each moved outwards by the distance that it must keep."""
    if distances is None or bound is None:
        return np.asarray(values.min(0)), np.asarray(values.max(0))
    if bound.comparison == "difference":
        return np.asarray((values - distances).min(0)), np.asarray((values + distances).max(0))
    factors = np.exp(distances)
    return np.asarray((values / factors).min(0)), np.asarray((values * factors).max(0))
