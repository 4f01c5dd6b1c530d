"""Optimal transport between Gaussians: their Wasserstein barycentre, the maps to it, shrunk covariances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairsk._core.typing import Floats

__all__ = ["Barycenter", "barycenter", "covariance_basis", "filled", "shrunk"]

#: Half of the digits. Roots of products of two covariances are taken, so a direction whose variance is this
#: part of the largest one is the last that such a product can tell from rounding.
_HALF_PRECISION = float(np.sqrt(np.finfo(float).eps))
#: The barycentre stands still when a step moves it by this part of its own standard deviation. The distances
#: that it minimises are then off by the square of this.
_STANDSTILL = 1e-6
#: Steps towards the barycentre. Each brings it closer; ten are usual.
_MOST_STEPS = 100


@dataclass(frozen=True)
class Barycenter:
    """The Gaussian with the least average squared distance to some others.

    Parameters
    ----------
    factor : array of shape (n_dimensions, n_dimensions)
        A matrix whose product with its own transpose is the covariance.
    n_steps : int
        How many steps were taken to find it.
    """

    factor: Floats
    n_steps: int

    @property
    def covariance(self) -> Floats:
        """The covariance."""
        return self.factor @ self.factor.T

    def map_from(self, covariance: Floats) -> Floats:
        """Return the symmetric matrix R that moves a covariance S here: R S R is the barycentre's.

        With F the factor, R = F (F' S F)^(-1/2) F', of all matrices with that property the one that moves
        least.
        """
        variances, directions = np.linalg.eigh(self.factor.T @ covariance @ self.factor)
        # Below this, a variance is rounding, and so would be its inverse.
        least = len(variances) * np.finfo(float).eps * variances.max(initial=0)
        axes = self.factor @ directions
        return (axes / np.sqrt(np.maximum(variances, least))) @ axes.T


def barycenter(covariances: Sequence[Floats], shares: Sequence[float]) -> Barycenter:
    """Return the barycentre of centred Gaussians with these covariances.

    Parameters
    ----------
    covariances : sequence of arrays of shape (n_dimensions, n_dimensions)
        Covariances, of full rank together.
    shares : sequence of float
        The weight of each; they sum to one.

    Returns
    -------
    Barycenter
        The barycentre.

    Notes
    -----
    A step is that of Alvarez-Esteban, del Barrio, Cuesta-Albertos & Matran (2016), S -> T S T with T the
    average of the maps from S to each Gaussian. It never increases the average squared distance, and ends
    where T is the identity. Written with a factor F of S it is F -> T F = F'^-1 M, where M is the average of
    the roots of F' S_a F, and the distance of a step is that of the two factors. Where all covariances
    commute, one step is enough.
    """
    variances, directions = np.linalg.eigh(_average(covariances, shares))
    factor = directions * np.sqrt(np.maximum(variances, 0))
    for n_steps in range(1, _MOST_STEPS + 1):
        roots = _average([_root(factor.T @ covariance @ factor) for covariance in covariances], shares)
        moved = np.linalg.solve(factor.T, roots)
        distance = np.linalg.norm(moved - factor)
        factor = moved
        if distance <= _STANDSTILL * np.linalg.norm(factor) or n_steps == _MOST_STEPS:
            break
    return Barycenter(factor, n_steps)


def covariance_basis(covariance: Floats) -> tuple[Floats, Floats]:
    """Return the variances above rounding, and orthonormal directions that have them.

    Returns
    -------
    tuple of arrays, of shapes (rank,) and (n_dimensions, rank)
        The variances and, in columns, the directions.
    """
    variances, directions = np.linalg.eigh(covariance)
    kept = variances > _HALF_PRECISION * variances.max(initial=0)
    return variances[kept], directions[:, kept]


def filled(covariance: Floats, pooled: Floats) -> tuple[Floats, int]:
    """Return a covariance of full rank: in directions without variance it gets the pooled variance.

    Parameters
    ----------
    covariance : array of shape (n_dimensions, n_dimensions)
        The covariance of some of the rows.
    pooled : array of shape (n_dimensions,)
        The variances of all, in coordinates in which they do not covary.

    Returns
    -------
    tuple of array and int
        The covariance, and in how many directions it had none.
    """
    scale = np.sqrt(pooled)
    variances, directions = np.linalg.eigh(covariance / np.outer(scale, scale))
    absent = variances <= _HALF_PRECISION
    if not absent.any():
        return covariance, 0
    axes = scale[:, None] * directions[:, absent]
    return covariance + axes @ axes.T, int(absent.sum())


def shrunk(covariance: Floats, shrinkage: float) -> Floats:
    """Return a covariance moved towards the multiple of the identity that has the same trace."""
    result = (1 - shrinkage) * covariance
    result[np.diag_indices_from(result)] += shrinkage * np.trace(covariance) / max(len(covariance), 1)
    return result


def _average(matrices: Sequence[Floats], shares: Sequence[float]) -> Floats:
    average = np.zeros_like(matrices[0])
    for matrix, share in zip(matrices, shares, strict=True):
        average += share * matrix
    return average


def _root(covariance: Floats) -> Floats:
    """Return the symmetric root of a covariance."""
    variances, directions = np.linalg.eigh(covariance)
    return (directions * np.sqrt(np.maximum(variances, 0))) @ directions.T
