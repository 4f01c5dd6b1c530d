"""Gaussians of groups: the mean and covariance of each, measured in standard deviations of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fairsk._core.typing import Bools, Floats, Ints
from fairsk.repair._moments.sums import recentred, rows_counted
from fairsk.repair._projection import shrinkage_of
from fairsk.repair._transport import Barycenter, barycenter, covariance_basis, filled, shrunk

__all__ = ["GaussianMap", "GaussianMaps", "GroupGaussians"]


@dataclass(frozen=True)
class GroupGaussians:
    """The mean and covariance of each group, over the features that vary.

    Parameters
    ----------
    shares : array of shape (n_groups,)
        The share of each group; positive.
    n_rows : array of shape (n_groups,)
        How many rows each group counts as.
    origin : array of shape (n_features,)
        A point among the rows from which means are measured: of features that are huge beside what they vary
        by, means themselves would have lost the digits.
    distances : array of shape (n_groups, n_features)
        How far the mean of each group lies from the origin, in the units of the features.
    varies : bool array of shape (n_features,)
        Which features are not constant. Their number is ``n_varying``.
    scale : array of shape (n_varying,)
        Their standard deviations over all rows.
    covariances : sequence of arrays of shape (n_varying, n_varying)
        Their covariances in each group, in units of ``scale``.
    """

    shares: Floats
    n_rows: Floats
    origin: Floats
    distances: Floats
    varies: Bools
    scale: Floats
    covariances: Sequence[Floats]

    @classmethod
    def of_rows(cls, features: NDArray[np.floating], codes: Ints, weights: Floats) -> GroupGaussians:
        """Return the Gaussians of rows with positive weights; ``codes`` count the groups from 0."""
        low, high = (extreme.astype(float) for extreme in (features.min(axis=0), features.max(axis=0)))
        varies = high > low
        extent = (high - low)[varies]
        sums = np.bincount(codes, weights).astype(float)
        distances = np.zeros((len(sums), len(low)))
        positions, covariances = [], []
        for code, total in enumerate(sums):
            rows = np.flatnonzero(codes == code)
            # As parts of the extent, squares of neither huge nor tiny features leave the range of floats.
            block = (features[rows][:, varies].astype(float) - low[varies]) / extent
            shares = weights[rows] / total
            position = shares @ block
            position, block = recentred(position, block - position, shares)
            block *= np.sqrt(shares)[:, None]
            distances[code, varies] = position * extent
            positions.append(position)
            covariances.append(block.T @ block)
        n_rows = rows_counted(sums, np.bincount(codes, weights**2))
        shares = sums / sums.sum()
        apart = np.array(positions) - shares @ np.array(positions)
        variances = shares @ np.array([np.diag(covariance) for covariance in covariances])
        deviation = np.sqrt(variances + shares @ apart**2)
        unit = np.outer(deviation, deviation)
        scale = deviation * extent
        return cls(shares, n_rows, low, distances, varies, scale, [each / unit for each in covariances])

    @property
    def distance(self) -> Floats:
        """How far the mean of all rows, which is that of the barycentre, lies from the origin."""
        # By differences from one of them: what is the same in all groups stays exactly that.
        return self.distances[0] + self.shares @ (self.distances - self.distances[0])

    @property
    def offsets(self) -> Floats:
        """How far the mean of each group lies from that of all rows, in units of ``scale``."""
        return (self.distances - self.distance)[:, self.varies] / self.scale

    def pooled(self) -> Floats:
        """Return the average covariance within the groups."""
        covariances = zip(self.shares, self.covariances, strict=True)
        return sum((share * each for share, each in covariances), np.zeros_like(self.covariances[0]))


@dataclass(frozen=True)
class GaussianMap:
    """How one Gaussian is moved to the barycentre.

    Parameters
    ----------
    distance : array of shape (n_features,)
        How far its mean lies from the origin.
    matrix : array of shape (n_features, n_features)
        What deviations from the mean are multiplied by, in the units of the features.
    shrinkage : float
        How far its covariance was shrunk.
    moved : float
        How far its rows move: the root mean square over rows and features that vary, in standard deviations.
    is_complete : bool
        Whether it varied in every direction in which the rows do, after shrinking.
    """

    distance: Floats
    matrix: Floats
    shrinkage: float
    moved: float
    is_complete: bool


@dataclass(frozen=True)
class GaussianMaps:
    """How the Gaussians of groups are moved to their barycentre.

    Parameters
    ----------
    covariance : array of shape (n_features, n_features)
        The covariance of the barycentre, in the units of the features.
    of_groups : list of GaussianMap
        The map of each group.
    of_all : GaussianMap
        The map of all rows together.
    n_steps : int
        How many steps the search for the barycentre took.
    settled : bool array of shape (n_features,)
        Which features vary between groups only: the maps make constants of them.
    """

    covariance: Floats
    of_groups: list[GaussianMap]
    of_all: GaussianMap
    n_steps: int
    settled: Bools

    @classmethod
    def to_barycenter(cls, gaussians: GroupGaussians, shrinkage: float | None) -> GaussianMaps:
        """Return the maps; a ``shrinkage`` of None is estimated for each group."""
        pooled = gaussians.pooled()
        # Directions in which no group varies are left out: what a new row has there stays.
        variances, basis = covariance_basis(pooled)
        within = [basis.T @ covariance @ basis for covariance in gaussians.covariances]
        estimates = [
            _Estimate.of(covariance, variances, n_rows, shrinkage)
            for covariance, n_rows in zip(within, gaussians.n_rows, strict=True)
        ]
        target = barycenter([estimate.covariance for estimate in estimates], gaussians.shares.tolist())
        offsets = gaussians.offsets
        between = (offsets * gaussians.shares[:, None]).T @ offsets
        total = basis.T @ (pooled + between) @ basis
        units = _Units(gaussians.varies, gaussians.scale, basis, target)
        of_all = _Estimate.of(total, variances, float(gaussians.n_rows.sum()), shrinkage)
        parts = zip(gaussians.distances, offsets, within, estimates, strict=True)
        settled = np.zeros(len(gaussians.varies), dtype=bool)
        settled[gaussians.varies] = np.diag(pooled) <= np.finfo(float).eps  # of a variance of 1
        return cls(
            covariance=units.covariance,
            of_groups=[units.map_of(*part) for part in parts],
            of_all=units.map_of(gaussians.distance, np.zeros_like(offsets[0]), total, of_all),
            n_steps=target.n_steps,
            settled=settled,
        )


@dataclass(frozen=True)
class _Estimate:
    """A covariance of full rank, estimated from the sample covariance of a group."""

    covariance: Floats
    shrinkage: float
    n_filled: int

    @classmethod
    def of(cls, sample: Floats, pooled: Floats, n_rows: float, shrinkage: float | None) -> _Estimate:
        trace = np.trace(sample)
        if shrinkage is None:
            # A group that does not vary at all is all target, which then is the pooled covariance.
            shrinkage = shrinkage_of(sample, n_rows) if trace > 0 else 1.0
        covariance, n_filled = filled(shrunk(sample, shrinkage), pooled)
        return cls(covariance, float(shrinkage), n_filled)


@dataclass(frozen=True)
class _Units:
    """The barycentre in a basis of standardised features, and the way back to the units of all features."""

    varies: Bools
    scale: Floats
    basis: Floats
    target: Barycenter

    @property
    def covariance(self) -> Floats:
        """The covariance of the barycentre."""
        covariance = np.zeros((len(self.varies), len(self.varies)))
        axes = self.scale[:, None] * (self.basis @ self.target.factor)
        covariance[np.ix_(self.varies, self.varies)] = axes @ axes.T
        return covariance

    def map_of(self, distance: Floats, offset: Floats, sample: Floats, estimate: _Estimate) -> GaussianMap:
        """Return the map from an estimated covariance; the sample covariance says how far rows move."""
        change = self.target.map_from(estimate.covariance)
        change[np.diag_indices_from(change)] -= 1
        squares = np.einsum("ij,ij->", change @ sample, change) + offset @ offset
        matrix = np.eye(len(self.varies))
        in_units = (self.basis @ change @ self.basis.T) * (self.scale[:, None] / self.scale)
        matrix[np.ix_(self.varies, self.varies)] += in_units
        moved = float(np.sqrt(max(squares, 0.0) / max(len(offset), 1)))
        return GaussianMap(distance, matrix, estimate.shrinkage, moved, estimate.n_filled == 0)
