"""Maps of a feature to its barycentre over groups: quantile functions averaged, and where each value goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fairsk._core.quantiles import interpolated, value_levels
from fairsk._core.typing import Floats, Ints

__all__ = ["FeatureMaps", "Ranks", "learn_maps", "moved", "spread"]


#: How many parts of equal weight a distribution with more distinct values is cut into: no row's rank changes
#: by more than .001, and a map has 2,000 corners at most, however many rows there are.
N_PARTS = 1000


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """Where the values of one feature go.

    Parameters
    ----------
    overall : array of shape (2, n_corners)
        The map of all rows together: values, and what becomes of them.
    by_group : list of arrays of shape (2, n_corners)
        The map of each group; of a group without weight, that of all rows.
    overall_ranks : Ranks
        The ranks of values among all rows.
    ranks : list of Ranks
        The ranks of values in each group; of a group without weight, those among all rows.
    barycenter : array of shape (2, n_corners)
        The quantile function of the barycentre: levels, and the values there.
    distance : float
        How far the groups lie from their barycentre: the root of their average squared Wasserstein-2
        distances to it, in standard deviations of all rows; 0 for a constant. No repair moves rows less in
        root mean square.
    """

    overall: Floats
    by_group: list[Floats]
    overall_ranks: Ranks
    ranks: list[Ranks]
    barycenter: Floats
    distance: float


@dataclass(frozen=True, eq=False)
class Ranks:
    """The ranks of values in a distribution that is cut into parts: single values, or many.

    Parameters
    ----------
    first, last : arrays of shape (n_parts,)
        The lowest and the highest value of each part.
    levels : array of shape (n_parts + 1,)
        The levels between which parts lie: 0, ..., 1.
    """

    first: Floats
    last: Floats
    levels: Floats

    def at(self, values: Floats, uniforms: Floats) -> Floats:
        """Return a level for each value: rows of one value are spread over its ranks by their uniforms.

        Values that are not kept as such have the level where they stand between their neighbours, on a line
        that passes the level between two parts in the middle between their values.
        """
        part = np.maximum(np.searchsorted(self.first, values, side="right") - 1, 0)
        inner = self.last[:-1] + (self.first[1:] - self.last[:-1]) / 2
        edges = np.concatenate([self.first[:1], inner, self.last[-1:]])
        tied = (self.first[part] == values) & (self.last[part] == values)
        below, above = self.levels[part], self.levels[part + 1]
        levels = below + uniforms * (above - below)
        levels[~tied] = interpolated(values[~tied], edges, self.levels)
        return levels


@dataclass(frozen=True, eq=False)
class _Steps:
    """A quantile function with steps: values, and the level at which each ends."""

    values: Floats
    levels: Floats

    def at(self, levels: Floats) -> Floats:
        """Return the value just below each level."""
        return self.values[np.searchsorted(self.levels, levels)]

    def variance(self) -> float:
        """Return the variance of the distribution."""
        mass = np.diff(self.levels, prepend=0)
        return float(mass @ (self.values - mass @ self.values) ** 2)


def learn_maps(values: Floats, codes: Ints, weights: Floats, n_groups: int) -> FeatureMaps:
    """Return the maps of a feature to the barycentre of its distributions in the groups.

    Parameters
    ----------
    values : array of shape (n_samples,)
        The feature.
    codes : integer array of shape (n_samples,)
        The group of each row.
    weights : array of shape (n_samples,)
        The weight of each row; groups count by their share of it.
    n_groups : int
        The number of groups.

    Returns
    -------
    FeatureMaps
        The maps, which hold the barycentre's mean in every group.
    """
    rows = [np.flatnonzero(codes == code) for code in range(n_groups)]
    sums = np.array([weights[of_group].sum() for of_group in rows])
    everyone = _Steps(*value_levels(values, weights))
    groups = [
        _Steps(*value_levels(values[of_group], weights[of_group])) if total > 0 else None
        for of_group, total in zip(rows, sums, strict=True)
    ]
    present = [(group, total) for group, total in zip(groups, sums, strict=True) if group is not None]
    barycenter, between = _barycenter(present, everyone.levels)
    overall = _corners(everyone, _images(everyone, barycenter))
    by_group = [overall if group is None else _corners(group, _images(group, barycenter)) for group in groups]
    overall_ranks = _ranks(everyone)
    ranks = [overall_ranks if group is None else _ranks(group) for group in groups]
    distance = float(np.sqrt(between / everyone.variance())) if between > 0 else 0.0
    return FeatureMaps(overall, by_group, overall_ranks, ranks, _quantile_function(barycenter), distance)


def moved(values: Floats, corners: Floats) -> Floats:
    """Return where a map takes values: linear between corners, at slope 1 beyond; it never falls.

    Parameters
    ----------
    values : array of shape (n_samples,)
        Values of the feature.
    corners : array of shape (2, n_corners)
        Values, and what becomes of them.

    Returns
    -------
    array of shape (n_samples,)
        The repaired values.
    """
    seen = np.clip(values, corners[0, 0], corners[0, -1])
    return interpolated(seen, corners[0], corners[1]) + (values - seen)


def spread(values: Floats, uniforms: Floats, ranks: Ranks, barycenter: Floats) -> Floats:
    """Return where values go if rows of one value are spread over the barycentre's values at its ranks.

    Parameters
    ----------
    values : array of shape (n_samples,)
        Values of the feature.
    uniforms : array of shape (n_samples,)
        Where each row stands among those of its value, between 0 and 1.
    ranks : Ranks
        The ranks of values.
    barycenter : array of shape (2, n_corners)
        The quantile function of the barycentre.

    Returns
    -------
    array of shape (n_samples,)
        The repaired values.
    """
    seen = np.clip(values, ranks.first[0], ranks.last[-1])
    # Rows beyond the values of fit stand beyond all rows of these.
    uniforms = np.where(values < seen, 0, np.where(values > seen, 1, uniforms))
    return interpolated(ranks.at(seen, uniforms), *barycenter) + (values - seen)


def _barycenter(groups: list[tuple[_Steps, float]], more_levels: Floats) -> tuple[_Steps, float]:
    """Return the average quantile function, and the groups' average squared distance from it.

    It has a step wherever a group has one, or one of ``more_levels`` stands.
    """
    levels = np.unique(np.concatenate([more_levels, *(group.levels for group, _ in groups)]))
    mean, squares, total = np.zeros(len(levels)), np.zeros(len(levels)), 0.0
    # Updates keep the mean between the values: where all groups have one value, it is that to the last bit.
    for group, weight in groups:
        total += weight
        values = group.at(levels)
        apart = values - mean
        mean += apart * (weight / total)
        squares += weight * apart * (values - mean)
    steps = _Steps(np.maximum.accumulate(mean), levels)  # means can fall by a rounding error
    return steps, float(np.diff(levels, prepend=0) @ squares) / total


def _images(group: _Steps, barycenter: _Steps) -> Floats:
    """Return where each value of a group goes: to the barycentre's mean over the levels of its rows.

    That is the mean target of the value's rows in the optimal transport to the barycentre.
    """
    last = np.searchsorted(barycenter.levels, group.levels)
    first = np.concatenate([[0], last[:-1] + 1])
    lengths = np.diff(barycenter.levels, prepend=0)
    means = np.add.reduceat(lengths * barycenter.values, first) / np.add.reduceat(lengths, first)
    return np.clip(means, barycenter.values[first], barycenter.values[last])  # order survives rounding


def _parts(group: _Steps) -> tuple[Ints, Ints]:
    """Return the places of the first and the last value of each part: few values are a part each.

    Of many, those are one part whose middle rank falls into the same of ``N_PARTS`` equal parts. A value
    with the weight of two parts is alone in its own.
    """
    n_values = len(group.values)
    if n_values <= N_PARTS:
        return np.arange(n_values), np.arange(n_values)
    middles = group.levels - np.diff(group.levels, prepend=0) / 2
    first = np.flatnonzero(np.diff(np.floor(middles * N_PARTS), prepend=-1) > 0)
    return first, np.append(first[1:], n_values) - 1


def _ranks(group: _Steps) -> Ranks:
    """Return the ranks of a group's values, part by part."""
    first, last = _parts(group)
    return Ranks(group.values[first], group.values[last], np.concatenate([[0.0], group.levels[last]]))


def _quantile_function(steps: _Steps) -> Floats:
    """Return levels, and values there: both ends of each step; of many steps, values at 1,001 levels."""
    ends = np.append(steps.values[1:] != steps.values[:-1], True)
    values, levels = steps.values[ends], steps.levels[ends]
    if len(values) > N_PARTS:
        at = np.linspace(0, 1, N_PARTS + 1)
        return np.stack([at, steps.at(at)])
    starts = np.concatenate([[0.0], levels[:-1]])
    return np.stack([np.stack([starts, levels]).T.ravel(), np.repeat(values, 2)])


def _corners(group: _Steps, images: Floats) -> Floats:
    """Return the corners of the map that takes the values of a group to their images.

    A part of several values is moved along one straight line: through its mean value and mean image, so
    that means stay exact, and as steep as it can be without leaving the part's images, so that order does.
    """
    values = group.values
    first, last = _parts(group)
    mass = np.diff(group.levels, prepend=0)
    within = np.add.reduceat(mass, first)
    middle, image = (np.add.reduceat(mass * numbers, first) / within for numbers in (values, images))
    with np.errstate(all="ignore"):  # 0 / 0 where a part is one value, or has one image
        above = (images[last] - image) / (values[last] - middle)
        below = (image - images[first]) / (middle - values[first])
    slope = np.fmin(above, below)
    slope[~np.isfinite(slope)] = 0
    ends = np.stack([first, last])
    # Rounded means may lie outside their part, and a line may pass its last image: order survives that.
    lines = np.clip(image + slope * (values[ends] - middle), images[first], images[last])
    keep = np.stack([np.ones(len(first), dtype=bool), first < last]).T
    return np.stack([values[ends].T[keep], lines.T[keep]])
