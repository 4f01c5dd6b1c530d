"""Moments by groups: the weight of each cell of group and label, and the sum of its rows' deviations."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fairsk._core.columns import Orders
from fairsk._core.groups import Grouping, format_group, merge_orders, order_labels, places_of
from fairsk._core.results import Table, read_only, row_count
from fairsk._core.typing import Floats
from fairsk._core.validation import plain_labels, plain_orders
from fairsk.repair._moments.moments import FeatureMoments
from fairsk.repair._moments.sums import code_labels, deviations, mean_of, spread

__all__ = ["GroupMoments"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class GroupMoments(FeatureMoments):
    """Moments by groups: for each cell of group and label its weight, and the sum of its rows' deviations.

    Parameters
    ----------
    mean, scatter, labels, label_weights, label_sums, weight_squares, precision, names, features
        As in :class:`FeatureMoments`.
    groups : tuple
        The groups, sorted; tuples of values for an intersection.
    weights : array of shape (n_groups, n_labels)
        The (weighted) number of rows of each cell.
    sums : array of shape (n_groups, n_labels, n_features)
        For each cell the sum of its rows' deviations from the mean.
    orders : tuple of tuples or None
        For each sensitive attribute the values that it may have in their order, or None.
    """

    groups: tuple[Hashable, ...]
    weights: Floats
    sums: Floats = field(repr=False)
    orders: Orders = ()

    @classmethod
    def of_rows(
        cls,
        features: NDArray[Any],
        groups: Grouping,
        labels: NDArray[Any] | None = None,
        weights: Floats | None = None,
        names: Sequence[str] | None = None,
    ) -> GroupMoments:
        """Add up rows.

        Parameters
        ----------
        features : array of shape (n_samples, n_features)
            Finite numbers, in single or double precision.
        groups : Grouping
            The group of each row.
        labels : array of shape (n_samples,), optional
            The label of each row.
        weights : array of shape (n_samples,), optional
            How much each row counts.
        names : sequence of str, optional
            What the features are called.
        """
        classes, codes = code_labels(labels, len(features))
        shape = (len(groups.labels), len(classes))
        cells = np.ravel_multi_index((groups.codes, codes), shape)
        size = shape[0] * shape[1]
        indicators = sparse.csr_array(
            (np.ones(len(cells)), (np.arange(len(cells)), cells)), shape=(len(cells), size)
        )
        mean, scatter, sums = deviations(features, weights, indicators)
        counts = np.bincount(cells, weights, minlength=size).reshape(shape).astype(float)
        by_cell = sums.reshape(*shape, -1)
        return cls(
            mean=mean,
            scatter=scatter,
            labels=classes,
            label_weights=counts.sum(0),
            label_sums=by_cell.sum(0),
            weight_squares=float(len(features) if weights is None else weights @ weights),
            precision=float(np.finfo(features.dtype).eps),
            names=groups.names,
            features=None if names is None else tuple(names),
            groups=groups.labels,
            weights=counts,
            sums=by_cell,
            orders=groups.orders,
        )

    @property
    def shares(self) -> Floats:
        """The share of each group in the (weighted) rows."""
        return read_only(self.weights.sum(1) / self.n)

    def group_offsets(self) -> Floats:
        """For each group its mean less the mean of all; 0 for a group without a weight."""
        return mean_of(self.sums.sum(1), self.weights.sum(1))

    def between(self, *, within_label: bool) -> Floats:
        # The indicators of groups with shares p_a, made uncorrelated and of variance 1, have the covariances
        # sqrt(p_a) (mean_a - mean) with the features, up to a rotation. Rare groups count by sqrt(p_a), so
        # that none is lost as it would be in the covariances with the indicators themselves, p_a (...).
        if within_label:
            label_means = mean_of(self.label_sums, self.label_weights)
            sums = self.sums - self.weights[..., None] * label_means
            sums, weights = sums.reshape(-1, len(self.mean)), self.weights.ravel()
        else:
            sums, weights = self.sums.sum(1), self.weights.sum(1)
            # Deviations from the mean sum to 0, but for rounding, which grows with the number of rows: left
            # in, it would be a direction more than there are differences of groups.
            sums = sums - weights[:, None] * (sums.sum(0) / self.n)
        present = weights > 0
        return (sums[present] / np.sqrt(weights[present] * self.n)[:, None]).T

    def columns(self, *, within_label: bool) -> list[str]:
        """Return what the columns of :meth:`between` are called.

        Parameters
        ----------
        within_label : bool
            As there.

        Returns
        -------
        list of str
            Groups, or groups and labels.
        """
        names = list(map(format_group, self.groups))
        if not within_label:
            return [name for name, weight in zip(names, self.weights.sum(1), strict=True) if weight > 0]
        cells = [f"{name} of label {format_group(label)}" for name in names for label in self.labels]
        return [cell for cell, weight in zip(cells, self.weights.ravel(), strict=True) if weight > 0]

    def residual(self) -> Self:
        offsets = self.group_offsets()
        sums = self.sums - self.weights[..., None] * offsets[:, None]
        within = self.scatter - (self.weights.sum(1) * offsets.T) @ offsets
        return self._with(scatter=within, sums=sums, label_sums=sums.sum(0))

    def _of_features(self) -> Iterator[str]:
        yield from super()._of_features()
        yield "sums"

    def _moved(self, mean: Floats) -> Self:
        shift = self.mean - mean
        return self._with(**self._shared_moved(mean), sums=self.sums + self.weights[..., None] * shift)

    def _joined(self, other: Self, **shared: Any) -> Self:
        orders = merge_orders(self.orders, other.orders)
        groups = tuple(order_labels({*self.groups, *other.groups}, orders))
        places = [places_of(table.groups, groups) for table in (self, other)]
        weights, sums = (
            spread(one, places[0], len(groups), 0) + spread(two, places[1], len(groups), 0)
            for one, two in ((self.weights, other.weights), (self.sums, other.sums))
        )
        return type(self)(**shared, groups=groups, weights=weights, sums=sums, orders=orders)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        cells = (len(self.groups), len(self.labels))
        return super()._shapes() | {"weights": cells, "sums": (*cells, len(self.mean))}

    def _check(self) -> None:
        super()._check()
        if len(set(self.groups)) < len(self.groups):
            raise ValueError("groups must be distinct")
        if self.weights.min() < 0 or not np.allclose(self.weights.sum(0), self.label_weights):
            raise ValueError("weights must not be negative, and add up to label_weights")

    def _axes(self) -> Iterator[tuple[str, int]]:
        yield from super()._axes()
        yield from (("weights", 1), ("sums", 1))

    def to_state(self) -> dict[str, Any]:
        return super().to_state() | {
            "groups": plain_labels(self.groups),
            "orders": plain_orders(self.orders),
        }

    def _tables(self) -> list[Table]:
        names = ["n"] if not self.has_labels else [f"n of {format_group(label)}" for label in self.labels]
        if len(set(names)) < len(names):  # sites may write the same label as a number and as text
            names = [f"n of {label!r}" for label in self.labels]
        columns: dict[str, list[Any]] = {"group": list(map(format_group, self.groups))}
        columns |= dict(zip(names, self.weights.T.tolist(), strict=True))
        shown = {
            name: values if name == "group" else list(map(row_count, values))
            for name, values in columns.items()
        }
        return [Table(columns, shown, notes=[f"Moments of {len(self.mean):,} features."], words=["group"])]
