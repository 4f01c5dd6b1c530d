"""The table of moments: mean and scatter of the features, sums per label, and how tables add up."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np

from fairsk._core.groups import places_of, sort_labels
from fairsk._core.messages import list_texts, shorten
from fairsk._core.results import Result
from fairsk._core.typing import Floats
from fairsk._core.validation import plain_labels, read_labels, read_orders
from fairsk.repair._moments.sums import effective_rows, rows_counted, spread

__all__ = ["FeatureMoments"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FeatureMoments(Result):
    """Sums over rows from which an eraser is made: tables of disjoint rows add up.

    :class:`ConceptEraser` keeps one as ``moments_``, and learns from one by ``fit_moments``. A table holds no
    row; but the sums of a cell of one row are that row, so share tables as you would share small counts.

    Parameters
    ----------
    mean : array of shape (n_features,)
        The mean of the features.
    scatter : array of shape (n_features, n_features)
        Sum of the outer products of each row's deviation from the mean.
    labels : tuple
        The labels, sorted; the single label None if rows were not told apart by labels.
    label_weights : array of shape (n_labels,)
        The (weighted) number of rows of each label.
    label_sums : array of shape (n_labels, n_features)
        For each label the sum of its rows' deviations from the mean.
    weight_squares : float
        The sum of the squared weights of the rows; without weights the number of rows.
    precision : float
        The relative precision of the features: that of single precision if any row came in it.
    names : tuple of str
        What the sensitive attributes are called.
    features : tuple of str or None
        What the features are called, if they have names.

    See Also
    --------
    ConceptEraser : What is made of it.

    Examples
    --------
    The table of one site is written to JSON, and added to that of another:

    >>> import json
    >>> import numpy as np
    >>> from fairsk.repair import ConceptEraser, FeatureMoments
    >>> X, group = np.arange(12.0).reshape(6, 2), ["a", "b", "b", "b", "a", "b"]
    >>> here, there = [
    ...     ConceptEraser().fit(X[rows], sensitive_features=group[rows]).moments_
    ...     for rows in (slice(0, 3), slice(3, 6))
    ... ]
    >>> sent = json.dumps(there.to_state())
    >>> here + FeatureMoments.from_state(json.loads(sent))
    group  n
    --------
    a      2
    b      4
    Moments of 2 features.
    """

    mean: Floats = field(repr=False)
    scatter: Floats = field(repr=False)
    labels: tuple[Hashable, ...]
    label_weights: Floats
    label_sums: Floats = field(repr=False)
    weight_squares: float
    precision: float
    names: tuple[str, ...]
    features: tuple[str, ...] | None = None

    @property
    def n(self) -> float:
        """The (weighted) number of rows."""
        return float(self.label_weights.sum())

    @property
    def n_rows(self) -> float:
        """The number of rows, whatever the scale of their weights; fewer if these are unequal (Kish)."""
        return float(effective_rows(self.n, self.weight_squares))

    @property
    def n_counted(self) -> float:
        """As how many rows they count for shrinkage: weights are repetitions unless scaled down."""
        return float(rows_counted(self.n, self.weight_squares))

    def covariance(self) -> Floats:
        """Return the covariance of the features (divided by n).

        Returns
        -------
        array of shape (n_features, n_features)
            The matrix.
        """
        return self.scatter / self.n

    @property
    def has_labels(self) -> bool:
        """Whether rows were told apart by their labels."""
        return self.labels != (None,)

    @abstractmethod
    def between(self, *, within_label: bool) -> Floats:
        """Return what the features tell linearly about the attribute: a column per thing that is told.

        Parameters
        ----------
        within_label : bool
            Whether the attribute is compared within each label.

        Returns
        -------
        array of shape (n_features, n_columns)
            Covariances of the features with the attribute, after it was made uncorrelated and of variance 1.
            Of features that are so too, the singular values are the canonical correlations.
        """

    @abstractmethod
    def columns(self, *, within_label: bool) -> list[str]:
        """Return what the attribute's parts are called: groups, cells of group and label, or columns.

        Parameters
        ----------
        within_label : bool
            As in :meth:`between`.

        Returns
        -------
        list of str
            Of groups, the columns of :meth:`between`.
        """

    def between_labels(self) -> Floats:
        """Return what the features tell linearly about the label, as :meth:`between` does.

        Returns
        -------
        array of shape (n_features, n_labels)
            Covariances with the labels.
        """
        present = self.label_weights > 0
        return (self.label_sums[present] / np.sqrt(self.label_weights[present] * self.n)[:, None]).T

    @abstractmethod
    def residual(self) -> Self:
        """Return the table of the features less their regression on the attribute.

        Returns
        -------
        FeatureMoments
            Of groups, the moments of the features less the means of the groups.
        """

    def mapped(self, change: Callable[[Floats], Floats]) -> Self:
        """Return the table of the features after a linear change of their deviations from the mean.

        Parameters
        ----------
        change : callable
            The change of columns, of shape (n_features, n_columns).

        Returns
        -------
        FeatureMoments
            The moments of the changed features.
        """
        half = change(self.scatter)
        changed = {}
        for name in self._of_features():
            sums = getattr(self, name)
            changed[name] = change(sums.reshape(-1, sums.shape[-1]).T).T.reshape(sums.shape)
        return self._with(scatter=change(half.T), **changed)

    def _of_features(self) -> Iterator[str]:
        """Yield the arrays of sums whose last axis is that of the features."""
        yield "label_sums"

    @abstractmethod
    def _moved(self, mean: Floats) -> Self:
        """Return the same table with deviations from another mean."""

    @abstractmethod
    def _joined(self, other: Self, **shared: Any) -> Self:
        """Return the sum of two tables with the same mean and labels; ``shared`` is what they share."""

    def __add__(self, other: object) -> Self:
        """Combine the tables of two disjoint sets of rows."""
        if not isinstance(other, type(self)):
            if isinstance(other, FeatureMoments):
                raise TypeError(
                    "Moments by groups and moments by a continuous attribute (continuous=True) do not add up."
                )
            return NotImplemented
        if self.names != other.names:
            raise ValueError(
                f"Moments by {list_texts(self.names)} and by {list_texts(other.names)} do not add up: they "
                "must be by the same attributes, in the same order."
            )
        if len(self.mean) != len(other.mean) or (
            self.features and other.features and self.features != other.features
        ):
            raise ValueError(_other_features(self, other))
        if self.has_labels != other.has_labels:
            raise ValueError(
                "One of the tables tells rows apart by their labels and one does not: they do not add up. "
                "Fit every eraser with within_label=True or preserve_label=True, and with y; or none of them."
            )
        n = self.n + other.n
        mean = self.mean + (other.n / n) * (other.mean - self.mean)
        labels = tuple(sort_labels({*self.labels, *other.labels}))
        one, two = (table._moved(mean)._with_labels(labels) for table in (self, other))
        return one._joined(
            two,
            mean=mean,
            scatter=one.scatter + two.scatter,
            labels=labels,
            label_weights=one.label_weights + two.label_weights,
            label_sums=one.label_sums + two.label_sums,
            weight_squares=self.weight_squares + other.weight_squares,
            precision=max(self.precision, other.precision),
            names=self.names,
            features=self.features or other.features,
        )

    def __radd__(self, other: int) -> Self:
        """Let ``sum(tables)`` start from its 0."""
        return self if other == 0 else NotImplemented

    def _with_labels(self, labels: tuple[Hashable, ...]) -> Self:
        """Return the table with empty cells for labels that it lacks."""
        if labels == self.labels:
            return self
        places = places_of(self.labels, labels)
        changed = {
            name: spread(getattr(self, name), places, len(labels), axis) for name, axis in self._axes()
        }
        return self._with(labels=labels, **changed)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape that each array should have."""
        n_features, n_labels = len(self.mean), len(self.labels)
        return {
            "mean": (n_features,),
            "scatter": (n_features, n_features),
            "label_weights": (n_labels,),
            "label_sums": (n_labels, n_features),
        }

    def _check(self) -> None:
        """Refuse a table that no rows have: of a damaged state, it would only fail later, or give NaN."""
        for name, shape in self._shapes().items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has the shape {getattr(self, name).shape}, and not {shape}")
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} has values that are not finite")
        positive = {"n": self.n, "weight_squares": self.weight_squares, "precision": self.precision}
        for name, value in positive.items():
            if not 0 < value < np.inf:
                raise ValueError(f"{name} must be a positive number, got {value}")
        rounding = self.n * (2 * np.finfo(float).eps * self.mean) ** 2  # of a constant feature
        if self.label_weights.min() < 0 or (np.diag(self.scatter) < -rounding).any():
            raise ValueError("weights and variances must not be negative")
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("labels must be distinct")
        if self.features is not None and len(self.features) != len(self.mean):
            raise ValueError(f"features has {len(self.features)} names of {len(self.mean)} features")

    def _axes(self) -> Iterator[tuple[str, int]]:
        """Yield the arrays with an axis of labels, and which axis that is."""
        yield from (("label_weights", 0), ("label_sums", 0))

    def _with(self, **changes: Any) -> Self:
        return type(self)(**{each.name: getattr(self, each.name) for each in fields(self)} | changes)

    def _shared_moved(self, mean: Floats) -> dict[str, Any]:
        """Return the shared fields with deviations from another mean."""
        shift = self.mean - mean
        # The table's own mean is that of its rows, so that the scatter has no mixed terms.
        return {
            "mean": mean,
            "scatter": self.scatter + self.n * np.outer(shift, shift),
            "label_sums": self.label_sums + self.label_weights[:, None] * shift,
        }

    def to_state(self) -> dict[str, Any]:
        """Return the table as plain values, fit for JSON; :meth:`from_state` restores it.

        Returns
        -------
        dict of str to value
            Labels and sums; of the scatter matrix the upper triangle.
        """
        state = {each.name: _plain(getattr(self, each.name)) for each in fields(self)}
        rows, columns = np.triu_indices(len(self.mean))
        return state | {
            "kind": type(self).__name__,
            "scatter": self.scatter[rows, columns].tolist(),
            "labels": plain_labels(self.labels) if self.has_labels else [None],
        }

    @staticmethod
    def from_state(state: Mapping[str, Any]) -> FeatureMoments:
        """Restore the table that :meth:`to_state` wrote.

        Parameters
        ----------
        state : mapping of str to value
            What it returned.

        Returns
        -------
        FeatureMoments
            The table.

        Raises
        ------
        ValueError
            If it is no such state.
        """
        kinds: dict[str, Any] = {kind.__name__: kind for kind in FeatureMoments.__subclasses__()}
        try:
            kind = kinds[state["kind"]]
            values = {each.name: _read(each.name, state[each.name]) for each in fields(kind)}
            n_features = len(values["mean"])
            # Before a matrix of a size that a damaged state gives is made.
            if values["scatter"].shape != (n_features * (n_features + 1) // 2,):
                raise ValueError(f"scatter is not that of {n_features} features")
            scatter = np.zeros((n_features, n_features))
            scatter[np.triu_indices(n_features)] = values["scatter"]
            values["scatter"] = scatter + np.triu(scatter, 1).T
            table: FeatureMoments = kind(**values)
            table._check()
            return table
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"This is no state that FeatureMoments.to_state wrote: {error!r}.") from None


def _other_features(one: FeatureMoments, other: FeatureMoments) -> str:
    """Say in what the features of two tables differ."""
    remedy = "they must be of the same features, in the same order."
    if len(one.mean) != len(other.mean):
        beside = f"Moments of {len(one.mean)} features and of {len(other.mean)} do not add up: {remedy}"
    else:
        beside = f"Moments of other features do not add up: {remedy}"
    if not one.features or not other.features:
        return beside
    mine, theirs = (
        list_texts([name for name in these.features or () if name not in (those.features or ())], most=6)
        for these, those in ((one, other), (other, one))
    )
    if not mine and not theirs:
        place = next(j for j, name in enumerate(one.features) if other.features[j] != name)
        return (
            f"{beside} They stand in another order: at position {place} is {shorten(one.features[place])} in "
            f"the first table, and {shorten(other.features[place])} in the second."
        )
    only = [
        f"the {which} table only has {names}"
        for which, names in (("first", mine), ("second", theirs))
        if names
    ]
    return f"{beside} Of the two, {', and '.join(only)}."


def _plain(value: Any) -> Any:
    return (
        value.tolist()
        if isinstance(value, np.ndarray)
        else list(value)
        if isinstance(value, tuple)
        else value
    )


def _read(name: str, value: Any) -> Any:
    """Return a field as :meth:`FeatureMoments.to_state` found it."""
    if name in ("labels", "groups"):
        return tuple(read_labels(value))
    if name == "orders":
        return tuple(None if order is None else tuple(order) for order in read_orders(value))
    if name in ("names", "features"):
        if isinstance(value, str):
            raise TypeError(f"{name} must be a list of names")
        return None if value is None else tuple(map(str, value))
    return float(value) if name in ("precision", "weight_squares") else np.array(value, dtype=float)
