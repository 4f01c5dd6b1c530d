"""The Wasserstein barycentre of groups of numbers: their quantile functions averaged, and the way there.

Scores and predicted amounts are repaired by it alike.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from fairsk._core.groups import Grouping, list_groups
from fairsk._core.quantiles import interpolated, value_levels
from fairsk._core.typing import Floats, Ints
from fairsk._core.warnings import warn_user

__all__ = ["Barycenter", "learn_barycenter"]

#: The levels at which quantile functions are kept: 0, .001, ..., 1.
_LEVELS = np.linspace(0, 1, 1001)


@dataclass(frozen=True, eq=False)
class Barycenter:
    """What is learned of groups of numbers: quantiles at the levels 0, .001, ..., 1.

    Parameters
    ----------
    shares : dict
        For each group its share of the (weighted) rows.
    quantiles : dict
        For each group the quantiles of its numbers; of a group without weight, those of all rows.
    overall : array of shape (1001,)
        The quantiles of all rows together.
    target : array of shape (1001,)
        The quantiles of the barycentre.
    """

    shares: dict[Hashable, float]
    quantiles: dict[Hashable, Floats]
    overall: Floats
    target: Floats

    def moved(self, values: Floats, codes: Ints, strength: float, *, bounded: bool) -> Floats:
        """Return numbers moved to the barycentre, or some of the way.

        Parameters
        ----------
        values : array of shape (n_samples,)
            The numbers.
        codes : integer array of shape (n_samples,)
            The position of each one's group; -1 stands for unknown groups, whose rank is that among all rows.
        strength : float
            How much of the way: 0 nothing, 1 all of it.
        bounded : bool
            Whether the numbers lie in [0, 1] and stay there.
        """
        repaired = np.empty_like(values)
        for code, quantiles in enumerate([self.overall, *self.quantiles.values()], start=-1):
            in_group = codes == code
            repaired[in_group] = _transported(values[in_group], quantiles, self.target, bounded=bounded)
        return (1 - strength) * values + strength * repaired

    def warn_of_groups(self, what: str) -> None:
        """Warn of groups without weight, and of a single group; ``what`` is repaired."""
        absent = [label for label, share in self.shares.items() if share == 0]
        if absent:
            warn_user(
                f"No held-out row with a weight belongs to: {list_groups(absent)}. The {what} of these "
                "groups of sensitive_features are repaired as those of all rows together."
            )
        if len(self.shares) == 1:
            warn_user(
                f"There is only one group, {list_groups([*self.shares])}: its {what} stay as they are. "
                "Check that sensitive_features names the right column."
            )


def learn_barycenter(
    values: Floats, groups: Grouping, weights: Floats, *, pooled: Barycenter | None = None
) -> Barycenter:
    """Learn the quantiles of every group and of all rows, and the average of the groups' quantiles.

    Parameters
    ----------
    values : array of shape (n_samples,)
        Finite numbers.
    groups : Grouping
        The group of each.
    weights : array of shape (n_samples,)
        The weight of each, not all of them 0.
    pooled : Barycenter, optional
        What was learned of more rows, of which these are some. The groups then weigh as much as they do
        there, and the quantiles of a group that has no weight here are those from there.

    Returns
    -------
    Barycenter
        What was learned; the groups weigh as much as their rows.
    """
    overall = _quantile_function(values, weights)
    sums = np.bincount(groups.codes, weights, minlength=len(groups.labels))
    if pooled is None:
        shares = dict(zip(groups.labels, (sums / sums.sum()).tolist(), strict=True))
        of_absent = dict.fromkeys(groups.labels, overall)
    else:
        shares, of_absent = pooled.shares, pooled.quantiles
    quantiles = {
        label: _quantile_function(values[groups.codes == code], weights[groups.codes == code])
        if sums[code] > 0
        else of_absent[label]
        for code, label in enumerate(groups.labels)
    }
    average = sum(shares[label] * function for label, function in quantiles.items())
    # Sums can fall by a rounding error.
    return Barycenter(shares, quantiles, overall, np.maximum.accumulate(average))


def _quantile_function(values: Floats, weights: Floats) -> Floats:
    """Return the quantile function at the levels: tied values stand in the middle of their ranks."""
    distinct, levels = value_levels(values, weights)
    middles = levels - np.diff(levels, prepend=0) / 2
    return interpolated(_LEVELS, middles, distinct)


def _transported(values: Floats, quantiles: Floats, target: Floats, *, bounded: bool) -> Floats:
    """Return the numbers that stand in the target where these stand in their own distribution.

    ``bounded`` ones lie in [0, 1] and stay there.
    """
    lowest, highest = quantiles[0], quantiles[-1]
    first, last = interpolated(_ranks(quantiles[[0, -1]], quantiles), _LEVELS, target)
    seen = np.clip(values, lowest, highest)
    moved = interpolated(_ranks(seen, quantiles), _LEVELS, target)
    # Numbers beyond those of fit: on the straight line to 0 or 1, or onwards at the same distance.
    below, above = 1.0, 1.0
    if bounded:
        below = first / lowest if lowest > 0 else 0.0
        above = (1 - last) / (1 - highest) if highest < 1 else 0.0
    moved += np.where(values < lowest, below, above) * (values - seen)
    return np.clip(moved, 0, 1) if bounded else moved


def _ranks(values: Floats, quantiles: Floats) -> Floats:
    """Return the level at which each number stands in a quantile function, which covers it."""
    # The function is flat beyond the middles of its lowest and highest value, which is where these stand.
    first = np.searchsorted(quantiles, quantiles[0], side="right") - 1
    last = np.searchsorted(quantiles, quantiles[-1], side="left")
    if first >= last:  # one value for all
        return np.full(len(values), 0.5)
    return interpolated(values, quantiles[first : last + 1], _LEVELS[first : last + 1])
