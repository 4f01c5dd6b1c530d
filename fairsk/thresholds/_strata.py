"""Strata: within which strata which groups are compared, and their rates along a group's thresholds."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from fairsk._core.groups import format_group, list_groups
from fairsk._core.typing import Bools, Floats, Ints
from fairsk._core.warnings import warn_user
from fairsk.rates import Rate
from fairsk.thresholds._group_curves import CellCurves, GroupCurves

__all__ = ["ComparedStrata", "compared_strata", "rates_within", "warn_of_small_cells"]


@dataclass(frozen=True)
class ComparedStrata:
    """The strata in which groups are compared.

    Parameters
    ----------
    labels : tuple
        All strata.
    positions : integer array of shape (n_compared,)
        Those in which two groups can be measured.
    covered : boolean array of shape (n_groups, n_strata)
        Which groups take part in which of them.
    """

    labels: tuple[Hashable, ...]
    positions: Ints
    covered: Bools

    @property
    def measured(self) -> list[int]:
        """The groups that take part somewhere."""
        return [int(g) for g in np.flatnonzero(self.covered.any(1))]


def compared_strata(cells: CellCurves, rates: Sequence[Rate], min_group_size: int) -> ComparedStrata:
    """Find the strata in which two groups have enough rows to measure all bounded rates on."""
    fewest = np.min([cells.most_rows(rate) for rate in rates], axis=0)
    large = fewest >= min_group_size
    compared = large.sum(0) >= 2
    return ComparedStrata(cells.strata, np.flatnonzero(compared), large & compared)


def warn_of_small_cells(curves: GroupCurves, strata: ComparedStrata, min_group_size: int) -> None:
    """Warn, once, of what is passed over: cells, strata and groups that have too few rows."""
    if strata.covered.all():
        return
    compared = strata.covered.any(0)
    somewhere = np.asarray(strata.covered.any(1))
    cells = [
        f"{format_group(curves.labels[g])} in {format_group(strata.labels[s])}"
        for g, s in np.argwhere(~strata.covered & compared & somewhere[:, None])
    ]
    nowhere = [curves.labels[g] for g in np.flatnonzero(~somewhere)]
    parts = [f"Fewer than min_group_size={min_group_size} rows to measure on in some strata."]
    if not compared.any():
        parts.append(
            "Nothing can be compared in any of them: every group gets the overall threshold, and nothing is "
            "promised about the disparity."
        )
        warn_user(" ".join(parts))
        return
    if cells:
        parts.append(f"The bound does not cover {list_groups(cells)}.")
    if not compared.all():
        lonely = list_groups(strata.labels[s] for s in np.flatnonzero(~compared))
        parts.append(f"There are not two groups to compare in: {lonely}.")
    if nowhere:
        parts.append(f"Compared in no stratum, with the overall threshold: {list_groups(nowhere)}.")
    warn_user(" ".join(parts))


def rates_within(
    curves: GroupCurves, strata: ComparedStrata, group: int, rates: Sequence[Rate], min_group_size: int
) -> tuple[Floats, Bools]:
    """Return the bounded rates of a group in every compared stratum, at each of its thresholds.

    Returns
    -------
    tuple of two arrays
        The rates, of shape (n_rates * n_compared, n_points): NaN where the group takes no part. And at which
        thresholds those that are compared can be measured.
    """
    cells = curves.within
    assert cells is not None
    thresholds = curves.weighted[group].thresholds
    table = np.full((len(rates), len(strata.positions), len(thresholds)), np.nan)
    is_open = np.ones(len(thresholds), dtype=bool)
    for i, s in enumerate(strata.positions):
        if not strata.covered[group, s]:
            continue
        curve, rows = cells.weighted[group][s], cells.unweighted[group][s]
        places = curve.positions(thresholds)
        for j, rate in enumerate(rates):
            table[j, i] = rate(curve.at(places))
            is_open &= ~np.isnan(table[j, i])
            if not rate.has_fixed_denominator:  # how many rows it is measured on depends on the threshold
                is_open &= rate.support(rows.at(places)) >= min_group_size
    return table.reshape(-1, len(thresholds)), is_open
