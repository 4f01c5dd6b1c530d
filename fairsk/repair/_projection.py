"""The projection of an eraser: what is taken out of features so that no linear model finds the attribute.

With A the covariances of the features with the attribute and M any positive definite matrix, B = M^-1 A gives

    x' = x - A (B' A)^+ B' (x - mean),

and cov(x', attribute) = A - A (B' A)^+ B' A = 0. M = covariance changes x least among all such maps in the
metric of M (LEACE). Here A is given by a basis of its columns, so that B' A can be inverted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from fairsk._core.messages import list_texts
from fairsk._core.typing import Bools, Floats
from fairsk.repair._moments.moments import FeatureMoments

__all__ = [
    "Metric",
    "Projection",
    "Whitener",
    "feature_scale",
    "is_gone",
    "project",
    "rounding_noise",
    "shrinkage_of",
]

#: In which metric features change least: that of their covariance, of their variances, or of the features.
Metric: TypeAlias = Literal["covariance", "diagonal", "identity"]

_EPS = float(np.finfo(float).eps)
#: Half of the digits. A feature whose variance given the others is a smaller share than this is made of them,
#: up to rounding; and an angle below it is none.
_SMALL = float(np.sqrt(_EPS))
#: A block of rows that is repaired at a time: as many numbers as caches hold.
_BLOCK = 2**17


@dataclass(frozen=True)
class Projection:
    """What is subtracted: ``left @ right.T @ (x - mean)``, with ``right.T @ left`` the identity.

    Parameters
    ----------
    left, right : array of shape (n_features, rank)
        A basis of what the features tell, and what it is read by.
    """

    left: Floats
    right: Floats

    @property
    def rank(self) -> int:
        """How many directions are taken out."""
        return self.left.shape[1]

    def apply(self, columns: Floats) -> Floats:
        """Return columns of shape (n_features, n_columns) without what is taken out of them."""
        return columns - self.left @ (self.right.T @ columns)

    def remove(self, features: NDArray[Any], mean: Floats) -> NDArray[Any]:
        """Return repaired rows, in the precision of the features.

        Parameters
        ----------
        features : array of shape (n_samples, n_features)
            The rows.
        mean : array of shape (n_features,)
            What is to stay where it is.
        """
        dtype = features.dtype
        left, right = self.left.astype(dtype), self.right.astype(dtype)
        centre = mean.astype(dtype)
        repaired = np.empty_like(features, order="C")
        length = max(1, _BLOCK // features.shape[1])
        for start in range(0, len(features), length):
            rows = features[start : start + length]
            # The mean is subtracted first: of features far from 0, products alone would lose the digits.
            read = (rows - centre) @ right
            np.subtract(rows, read @ left.T, out=repaired[start : start + length])
        return repaired


@dataclass(frozen=True)
class Whitener:
    """A metric: the factor L of M = L L', for features in units of their standard deviations.

    Parameters
    ----------
    factor : array of shape (n_features, n_features) or (n_features,)
        Lower triangle, or a diagonal.
    """

    factor: Floats

    @classmethod
    def of(cls, matrix: Floats) -> Whitener:
        """Factor a positive semidefinite matrix with a diagonal of 1."""
        for ridge in (0.0, _SMALL):  # the second only if features are made of each other
            lifted = matrix + ridge * np.eye(len(matrix)) if ridge else matrix
            try:
                factor = linalg.cholesky(lifted, lower=True, check_finite=False)
            except linalg.LinAlgError:
                continue
            # The squares of the diagonal are the variances of each feature given those before it.
            if ridge or np.diag(factor).min(initial=1.0) ** 2 > _SMALL:
                break
        return cls(factor)

    def whiten(self, columns: Floats) -> Floats:
        """Return L^-1 times the columns."""
        if self.factor.ndim == 1:
            return columns / self.factor[:, None]
        if not columns.size:  # which LAPACK refuses in some versions
            return columns
        return linalg.solve_triangular(self.factor, columns, lower=True, check_finite=False)

    def read_by(self, directions: Floats) -> Floats:
        """Return L'^-1 times the directions: what reads them off features that are not whitened."""
        if self.factor.ndim == 1:
            return directions / self.factor[:, None]
        return linalg.solve_triangular(self.factor, directions, lower=True, trans="T", check_finite=False)


def feature_scale(moments: FeatureMoments) -> tuple[Floats, Bools]:
    """Return the standard deviation of each feature, 1 for a constant one, and which features vary.

    Of a constant the mean is off by rounding, and so is each deviation: it varies only if it varies by more.
    """
    deviation = np.sqrt(np.maximum(np.diag(moments.scatter), 0) / moments.n)
    varies = deviation > 2 * _EPS * np.abs(moments.mean)
    return np.where(varies, deviation, 1.0), varies


def rounding_noise(moments: FeatureMoments) -> Floats:
    """Return what rounding alone makes of a covariance of each feature, in its standard deviations.

    Means of values that are off by rounding are off by as much: a covariance below it is none. Sums of n rows
    are off by the root of n as much, in double precision, where rounding is random.
    """
    scale, varies = feature_scale(moments)
    precision = max(moments.precision, _EPS * np.sqrt(moments.n_rows))
    return precision * (1 + np.abs(np.where(varies, moments.mean, 0)) / scale)


def is_gone(before: FeatureMoments, after: FeatureMoments) -> Bools:
    """Return of which features nothing but rounding is left, such as of one that is the attribute itself.

    Rounding may differ between groups, and whoever scales features reads it: it is to be set to 0.
    """
    scale, varies = feature_scale(before)
    rest = np.sqrt(np.maximum(np.diag(after.scatter), 0) / before.n) / scale
    noise = rounding_noise(before)
    # A variance that is a difference of sums over rows and features is off by their rounding, at most: equal
    # values, as of indicators, are rounded the same way again and again.
    least = np.sqrt(_EPS * (len(scale) + before.n_rows))
    return varies & (noise < 1) & (rest <= np.maximum(noise, least))


def shrinkage_of(covariance: Floats, n: float) -> float:
    """Return how far a covariance is to be shrunk (``shrunk``): oracle-approximating shrinkage.

    Chen, Wiesel, Eldar & Hero, Shrinkage Algorithms for MMSE Covariance Estimation, IEEE Transactions on
    Signal Processing 58, 2010, equation 23.
    """
    size, trace = len(covariance), float(np.trace(covariance))
    squares = float(np.sum(covariance**2))
    # How far it lies from its target, squared; of correlations the sum of their squares.
    spread = squares - trace**2 / max(size, 1)
    if spread <= 0:
        return 1.0
    return min(1.0, ((1 - 2 / size) * squares + trace**2) / ((n + 1 - 2 / size) * spread))


def project(
    told: Floats,
    kept: Floats | None,
    whitener: Whitener,
    *,
    scale: Floats,
    noise: Floats,
    columns: Sequence[str],
) -> Projection:
    """Return the projection that takes out what features tell about the attribute.

    Parameters
    ----------
    told : array of shape (n_features, n_columns)
        Covariances with the attribute (``FeatureMoments.between``).
    kept : array of shape (n_features, n_labels), or None
        Covariances with the label that are to stay as they are.
    whitener : Whitener
        The metric, of features in units of ``scale``.
    scale : array of shape (n_features,)
        The standard deviations of the features.
    noise : array of shape (n_features,)
        What rounding alone makes of a covariance of each feature in these units; positive.
    columns : sequence of str
        What the columns of ``told`` are called.

    Raises
    ------
    ValueError
        If what is to be taken out cannot be told from what is to stay.
    """
    basis, combination = _basis(told / scale[:, None], noise)
    if not basis.size:  # nothing is told: some solvers of LAPACK refuse empty matrices
        return Projection(basis, basis)
    whitened, triangle = linalg.qr(whitener.whiten(basis), mode="economic", check_finite=False)
    left = linalg.solve_triangular(triangle, basis.T, trans="T", lower=False, check_finite=False).T
    if kept is not None:
        labels, _ = _basis(kept / scale[:, None], noise)
        stay, _ = linalg.qr(whitener.whiten(labels), mode="economic", check_finite=False)
        for _ in range(2):  # the second time takes out what rounding left
            whitened = whitened - stay @ (stay.T @ whitened)
        # The singular values are the sines of the angles between what goes and what stays.
        whitened, sines, turns = linalg.svd(whitened, full_matrices=False, check_finite=False)
        if sines[-1] < _SMALL:
            weights = combination @ linalg.solve_triangular(triangle, turns[-1])
            _refuse_to_keep(weights, columns)
        left = left @ (turns.T / sines)
    right = whitener.read_by(whitened)
    # Exactly biorthogonal whatever the condition of the metric: then x' tells nothing up to rounding.
    right = right @ linalg.inv(left.T @ right)
    return Projection(left * scale[:, None], right / scale[:, None])


def _basis(columns: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Return orthonormal columns that span these up to noise, and how they are made of them.

    Rows are compared with their own noise, so that a feature of mere rounding hides nothing in the others.
    """
    if not columns.size:  # which LAPACK refuses in some versions
        return np.zeros((len(columns), 0)), np.zeros((columns.shape[1], 0))
    _, lengths, turns = linalg.svd(columns / noise[:, None], full_matrices=False, check_finite=False)
    # Where each row has a noise of 1, the length of its column is the root of the number of rows.
    least = max(np.sqrt(len(columns)), lengths.max(initial=0.0) * max(columns.shape) * _EPS)
    present = turns[lengths > least]
    if not present.size:
        return np.zeros((len(columns), 0)), present.T
    basis, triangle = linalg.qr(columns @ present.T, mode="economic", check_finite=False)
    return basis, linalg.solve_triangular(triangle, present, trans="T", check_finite=False).T


def _refuse_to_keep(weights: Floats, columns: Sequence[str]) -> None:
    named = list(columns)  # of a continuous attribute there is no column per part
    if len(weights) == len(columns):
        named = [columns[i] for i in np.argsort(-np.abs(weights))[:2]]
    raise ValueError(
        f"preserve_label=True cannot be met: a direction that tells {list_texts(named)} apart is one that "
        "tells the labels apart, so that it cannot go and stay. Set preserve_label=False; "
        "within_label=True alone leaves what the label explains."
    )
