"""Moments by a continuous attribute: sums of products of its deviations with those of the features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from fairsk._core.results import Table, read_only, row_count
from fairsk._core.typing import Floats
from fairsk.repair._moments.moments import FeatureMoments
from fairsk.repair._moments.sums import code_labels, deviations, recentred

__all__ = ["MeasurementMoments"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class MeasurementMoments(FeatureMoments):
    """Moments by a continuous attribute, such as an age, or several.

    Parameters
    ----------
    mean, scatter, labels, label_weights, label_sums, weight_squares, precision, names, features
        As in :class:`FeatureMoments`.
    value_mean : array of shape (n_attributes,)
        The mean of the attributes.
    value_sums : array of shape (n_labels, n_attributes)
        For each label the sum of the attributes' deviations.
    products : array of shape (n_labels, n_attributes, n_attributes)
        For each label the sum of the outer products of the attributes' deviations.
    cross : array of shape (n_labels, n_attributes, n_features)
        For each label the sum of the outer products of the attributes' deviations and the features'.
    """

    value_mean: Floats
    value_sums: Floats
    products: Floats
    cross: Floats = field(repr=False)

    @classmethod
    def of_rows(
        cls,
        features: NDArray[Any],
        values: Floats,
        attributes: tuple[str, ...],
        labels: NDArray[Any] | None = None,
        weights: Floats | None = None,
        names: Sequence[str] | None = None,
    ) -> MeasurementMoments:
        """Add up rows.

        Parameters
        ----------
        features : array of shape (n_samples, n_features)
            Finite numbers, in single or double precision.
        values : array of shape (n_samples, n_attributes)
            The attributes.
        attributes : tuple of str
            What they are called.
        labels, weights, names
            As in :meth:`GroupMoments.of_rows`.
        """
        classes, codes = code_labels(labels, len(features))
        counted = np.ones(len(values)) if weights is None else weights
        value_mean = np.average(values, axis=0, weights=counted)
        centred = values - value_mean
        value_mean, centred = recentred(value_mean, centred, counted)
        n_attributes, n_labels = values.shape[1], len(classes)
        # Per label: 1 and the deviations of the attributes, each times the deviations of the features.
        columns = np.column_stack([np.ones(len(values)), centred])
        rows = np.repeat(np.arange(len(values)), n_attributes + 1)
        places = (codes[:, None] * (n_attributes + 1) + np.arange(n_attributes + 1)).ravel()
        design = sparse.csr_array(
            (columns.ravel(), (rows, places)), shape=(len(values), n_labels * (n_attributes + 1))
        )
        mean, scatter, sums = deviations(features, weights, design)
        by_label = sums.reshape(n_labels, n_attributes + 1, -1)
        products = (
            np.stack([(counted * (codes == c))[:, None] * centred for c in range(n_labels)]).transpose(
                0, 2, 1
            )
            @ centred
        )
        return cls(
            mean=mean,
            scatter=scatter,
            labels=classes,
            label_weights=np.bincount(codes, counted, minlength=n_labels).astype(float),
            label_sums=by_label[:, 0],
            weight_squares=float(counted @ counted),
            precision=float(np.finfo(features.dtype).eps),
            names=attributes,
            features=None if names is None else tuple(names),
            value_mean=value_mean,
            value_sums=np.stack([np.bincount(codes, counted * z, minlength=n_labels) for z in centred.T], 1),
            products=products,
            cross=by_label[:, 1:],
        )

    @property
    def value_deviation(self) -> Floats:
        """The standard deviation of the attributes."""
        return read_only(np.sqrt(np.diag(self.products.sum(0)) / self.n))

    def slopes(self) -> Floats:
        """How much each feature rises with each attribute, of shape (n_attributes, n_features)."""
        standardize = _standardizer(self.products.sum(0), self._rounding())
        return standardize @ (standardize.T @ self.cross.sum(0))

    def between(self, *, within_label: bool) -> Floats:
        rounding = self._rounding()
        if not within_label:
            return self.cross.sum(0).T @ _standardizer(self.products.sum(0), rounding) / np.sqrt(self.n)
        columns = []
        for c in np.flatnonzero(self.label_weights > 0):
            means = self.value_sums[c] / self.label_weights[c]
            cross = self.cross[c] - np.outer(means, self.label_sums[c])
            products = self.products[c] - np.outer(means, self.value_sums[c])
            columns.append(cross.T @ _standardizer(products, rounding))
        return np.concatenate(columns, axis=1) / np.sqrt(self.n)

    def _rounding(self) -> Floats:
        """Return for each attribute the sum of squared deviations that rounding alone makes of a constant.

        Means are off by the last digit, sums of n squares by n times that at most. So the squares within
        a label, which are those of all rows less much of them, are known no better.
        """
        eps = np.finfo(float).eps
        squares = np.diag(self.products.sum(0))
        return self.n_rows * eps * squares + self.n * (2 * eps * self.value_mean) ** 2

    def columns(self, *, within_label: bool) -> list[str]:
        """Return what the attributes are called."""
        return list(self.names)

    def residual(self) -> Self:
        slopes = self.slopes()
        return self._with(
            scatter=self.scatter - slopes.T @ self.products.sum(0) @ slopes,
            label_sums=self.label_sums - self.value_sums @ slopes,
            cross=self.cross - self.products @ slopes,
        )

    def _of_features(self) -> Iterator[str]:
        yield from super()._of_features()
        yield "cross"

    def _moved(self, mean: Floats) -> Self:
        shift = self.mean - mean
        return self._with(**self._shared_moved(mean), cross=self.cross + self.value_sums[..., None] * shift)

    def _joined(self, other: Self, **shared: Any) -> Self:
        value_mean = self.value_mean + (other.n / (self.n + other.n)) * (other.value_mean - self.value_mean)
        one, two = self._with_values_from(value_mean), other._with_values_from(value_mean)
        summed = {
            name: getattr(one, name) + getattr(two, name) for name in ("value_sums", "products", "cross")
        }
        return type(self)(**shared, value_mean=value_mean, **summed)

    def _with_values_from(self, value_mean: Floats) -> Self:
        """Return the same table with the attributes' deviations from another mean."""
        shift = self.value_mean - value_mean
        mixed = self.value_sums[:, :, None] * shift
        return self._with(
            value_mean=value_mean,
            value_sums=self.value_sums + self.label_weights[:, None] * shift,
            products=self.products
            + mixed
            + mixed.transpose(0, 2, 1)
            + self.label_weights[:, None, None] * np.outer(shift, shift),
            cross=self.cross + shift[:, None] * self.label_sums[:, None, :],
        )

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        n_labels, n_attributes = len(self.labels), len(self.names)
        return super()._shapes() | {
            "value_mean": (n_attributes,),
            "value_sums": (n_labels, n_attributes),
            "products": (n_labels, n_attributes, n_attributes),
            "cross": (n_labels, n_attributes, len(self.mean)),
        }

    def _axes(self) -> Iterator[tuple[str, int]]:
        yield from super()._axes()
        yield from (("value_sums", 0), ("products", 0), ("cross", 0))

    def _tables(self) -> list[Table]:
        columns: dict[str, list[Any]] = {
            "attribute": list(self.names),
            "mean": self.value_mean.tolist(),
            "standard_deviation": self.value_deviation.tolist(),
        }
        note = f"Moments of {len(self.mean):,} features over {row_count(self.n)} rows."
        return [Table(columns, notes=[note], words=["attribute"])]


def _standardizer(products: Floats, rounding: Floats) -> Floats:
    """Return what makes attributes uncorrelated and of length 1, of shape (n_attributes, rank).

    An attribute that is constant up to rounding, or made of others, adds nothing to the rank.
    """
    squares = np.diag(products)
    varies = squares > rounding
    scale = np.sqrt(squares[varies])
    standardizer = np.zeros((len(products), 0))
    if varies.any():
        values, vectors = linalg.eigh(products[np.ix_(varies, varies)] / np.outer(scale, scale))
        kept = values > len(values) * np.sqrt(np.finfo(float).eps)
        standardizer = np.zeros((len(products), np.count_nonzero(kept)))
        standardizer[varies] = vectors[:, kept] / np.sqrt(values[kept]) / scale[:, None]
    return standardizer
