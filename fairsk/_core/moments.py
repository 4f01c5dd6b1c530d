"""Moments of scores per group: sums of scores and of their squares, from which means and spreads follow."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.columns import Orders
from fairsk._core.counts import sum_rows
from fairsk._core.groups import (
    Grouping,
    format_group,
    join_groups,
    margin_labels,
    merge_orders,
    order_labels,
    places_of,
)
from fairsk._core.results import Backend, Result, Table, number, read_only, row_count
from fairsk._core.typing import Bools, Floats
from fairsk._core.validation import plain_labels, plain_orders, read_labels, read_orders

__all__ = ["ScoreMoments", "tabulate_moments"]

#: The sums that every table has; squared errors are there where there are labels.
_SUMS = ("weights", "squared_weights", "scores", "squared_scores")


@dataclass(frozen=True, init=False, eq=False, repr=False)
class ScoreMoments(Result):
    """Sums over the rows of each group: of weights, of scores and of squared scores; tables add up.

    Parameters
    ----------
    groups : sequence of hashable
        The group labels.
    weights : array-like of shape (n_groups,)
        Sums of weights: the number of rows if they are unweighted.
    scores : array-like of shape (n_groups,)
        Sums of weight times score.
    squared_scores : array-like of shape (n_groups,)
        Sums of weight times squared score.
    squared_weights : array-like of shape (n_groups,), optional
        Sums of squared weights; equal to ``weights`` for unweighted rows.
    squared_errors : array-like of shape (n_groups,), optional
        Sums of weight times the squared difference of score and label (1 for a positive one, else 0). None
        without labels, or if scores are no probabilities.
    names : sequence of str, optional
        What the sensitive attributes are called.
    library : {"pandas", "polars", "pyarrow"}, optional
        The library of the data, in which :meth:`frame` comes.
    orders : sequence of sequences or None, optional
        For each sensitive attribute the values that it may have in their order, or None, as in
        :class:`GroupCounts`.

    See Also
    --------
    GroupCounts : The same for decisions.
    ScoreHistograms : The same for scores, in bins.

    Notes
    -----
    The variance is that of the rows, ``sum(w s^2) / sum(w) - mean^2``, divided by the sum of weights and not
    by one less. It loses digits where the mean is millions of times the standard deviation.

    Examples
    --------
    >>> from fairsk._core.moments import ScoreMoments
    >>> moments = ScoreMoments(["a", "b"], weights=[2, 1], scores=[1.0, 0.5], squared_scores=[0.625, 0.25])
    >>> moments.mean, moments.variance
    (array([0.5, 0.5]), array([0.0625, 0.    ]))
    """

    groups: tuple[Hashable, ...]
    weights: Floats
    squared_weights: Floats
    scores: Floats
    squared_scores: Floats
    squared_errors: Floats | None
    names: tuple[str, ...]
    library: Backend | None
    orders: Orders

    def __init__(
        self,
        groups: Sequence[Hashable],
        *,
        weights: ArrayLike,
        scores: ArrayLike,
        squared_scores: ArrayLike,
        squared_weights: ArrayLike | None = None,
        squared_errors: ArrayLike | None = None,
        names: Sequence[str] = ("sensitive_features",),
        library: Backend | None = None,
        orders: Sequence[Sequence[Hashable] | None] = (),
    ) -> None:
        if len(set(groups)) < len(groups):
            raise ValueError("A group is listed twice: labels must be distinct.")
        given = {
            "weights": weights,
            "squared_weights": weights if squared_weights is None else squared_weights,
            "scores": scores,
            "squared_scores": squared_scores,
        }
        if squared_errors is not None:
            given["squared_errors"] = squared_errors
        sums = {name: np.array(values, dtype=float) for name, values in given.items()}  # copies
        for name, values in sums.items():
            if values.shape != (len(groups),) or not np.isfinite(values).all():
                raise ValueError(f"{name} must hold {len(groups)} finite numbers: one per group.")
            if name != "scores" and (values < 0).any():
                raise ValueError(f"{name} must not be negative.")
        self._set(
            groups=tuple(groups),
            **{"squared_errors": None, **sums},
            names=tuple(names),
            library=library,
            orders=tuple(order if order is None else tuple(order) for order in orders),
        )

    @property
    def n(self) -> Floats:
        """The (weighted) number of rows of each group."""
        return self.weights

    @property
    def mean(self) -> Floats:
        """The mean score of each group; NaN without rows."""
        return read_only(_ratio(self.scores, self.weights))

    @property
    def variance(self) -> Floats:
        """The variance of the scores of each group (divided by n); NaN without rows."""
        # Rounding can leave a little less than nothing where all scores are equal.
        return read_only(np.maximum(_ratio(self.squared_scores, self.weights) - self.mean**2, 0.0))

    @property
    def standard_deviation(self) -> Floats:
        """The standard deviation of the scores of each group; NaN without rows."""
        return read_only(np.sqrt(self.variance))

    @property
    def brier_score(self) -> Floats | None:
        """The mean squared difference of score and label of each group; None without labels."""
        return None if self.squared_errors is None else read_only(_ratio(self.squared_errors, self.weights))

    def overall(self) -> ScoreMoments:
        """Return the table of all groups together.

        Returns
        -------
        ScoreMoments
            The table of one group, called ``"overall"``.
        """
        return self._of(("overall",), lambda sums: sums.sum(keepdims=True), names=("overall",), orders=())

    def take(self, groups: Sequence[Hashable]) -> ScoreMoments:
        """Return the table of some of the groups.

        Parameters
        ----------
        groups : sequence of labels
            The groups, in the order in which they are to be.

        Returns
        -------
        ScoreMoments
            Their sums.

        Raises
        ------
        ValueError
            If there is no such group.
        """
        places = places_of(groups, self.groups)
        return self._of(groups, lambda sums: sums[places])

    def marginal(self, *names: str) -> ScoreMoments:
        """Return the table by some of the sensitive attributes, the other ones summed out.

        Parameters
        ----------
        *names : str
            The attributes to keep.

        Returns
        -------
        ScoreMoments
            The marginal table.

        Raises
        ------
        ValueError
            If there is no such attribute.
        """
        labels = margin_labels(self.groups, self.names, names)
        orders = tuple(self.orders[self.names.index(name)] for name in names) if self.orders else ()
        return self.regroup(labels, names=names, orders=orders)

    def regroup(
        self,
        labels: Sequence[Hashable],
        *,
        names: Sequence[str] | None = None,
        orders: Sequence[Sequence[Hashable] | None] | None = None,
    ) -> ScoreMoments:
        """Give the groups other labels; the sums of groups with the same one add up.

        Parameters
        ----------
        labels : sequence of hashable
            The new label of each group.
        names : sequence of str, optional
            What the sensitive attributes are called then; by default as before.
        orders : sequence of sequences or None, optional
            The values that each may have in their order; by default as before.

        Returns
        -------
        ScoreMoments
            The table by the new groups.
        """
        columns = self.orders if orders is None else tuple(o if o is None else tuple(o) for o in orders)
        groups, codes = join_groups(labels, columns)
        return self._of(
            groups,
            lambda sums: sum_rows(sums, codes, len(groups)),
            names=self.names if names is None else names,
            orders=columns,
        )

    def _of(
        self, groups: Sequence[Hashable], change: Callable[[Floats], Floats], **fields: Any
    ) -> ScoreMoments:
        """Return the table of some groups, each of whose sums is made of one of these."""
        sums: dict[str, Any] = {name: change(getattr(self, name)) for name in _SUMS}
        return ScoreMoments(
            groups,
            **sums,
            squared_errors=None if self.squared_errors is None else change(self.squared_errors),
            **{name: getattr(self, name) for name in ("names", "library", "orders")} | fields,
        )

    def __add__(self, other: ScoreMoments) -> ScoreMoments:
        """Combine the tables of two disjoint sets of rows."""
        if not isinstance(other, ScoreMoments):
            return NotImplemented
        if self.names != other.names:
            raise ValueError("Only moments by the same attributes add up.")
        orders = merge_orders(self.orders, other.orders)
        groups = order_labels({*self.groups, *other.groups}, orders)
        places = [places_of(table.groups, groups) for table in (self, other)]

        def total(one: Floats, two: Floats) -> Floats:
            result = np.zeros(len(groups))
            for place, values in zip(places, (one, two), strict=True):
                result[place] += values
            return result

        errors = self.squared_errors, other.squared_errors
        sums: dict[str, Any] = {name: total(getattr(self, name), getattr(other, name)) for name in _SUMS}
        return ScoreMoments(
            groups,
            **sums,
            squared_errors=None if errors[0] is None or errors[1] is None else total(errors[0], errors[1]),
            names=self.names,
            library=self.library or other.library,
            orders=orders,
        )

    def __radd__(self, other: int) -> ScoreMoments:
        """Let ``sum(tables)`` start from its 0."""
        return self if other == 0 else NotImplemented

    def __eq__(self, other: object) -> bool:
        """Tell whether two tables hold the same sums of the same groups."""
        if not isinstance(other, ScoreMoments):
            return NotImplemented
        return (self.names, self.groups) == (other.names, other.groups) and all(
            np.array_equal(one, two) for one, two in zip(self._arrays(), other._arrays(), strict=True)
        )

    def _arrays(self) -> list[Floats]:
        errors = np.empty(0) if self.squared_errors is None else self.squared_errors
        return [*(getattr(self, name) for name in _SUMS), errors]

    def _tables(self) -> list[Table]:
        columns: dict[str, list[Any]] = {
            "group": list(map(format_group, self.groups)),
            "n": self.n.tolist(),
            "mean": self.mean.tolist(),
            "standard_deviation": self.standard_deviation.tolist(),
        }
        if self.brier_score is not None:
            columns["brier_score"] = self.brier_score.tolist()
        shown = {name: list(map(number, values)) for name, values in columns.items()}
        return [Table(columns, shown | {"n": list(map(row_count, self.n))}, words=["group"])]

    def to_state(self) -> dict[str, Any]:
        """Return the sums as plain values, fit for JSON; :meth:`from_state` restores the table.

        Returns
        -------
        dict of str to value
            Labels and sums.
        """
        return {
            "names": list(self.names),
            "groups": plain_labels(self.groups),
            **{name: getattr(self, name).tolist() for name in _SUMS},
            "squared_errors": None if self.squared_errors is None else self.squared_errors.tolist(),
            "orders": plain_orders(self.orders),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ScoreMoments:
        """Restore the table that :meth:`to_state` wrote.

        Parameters
        ----------
        state : mapping of str to value
            What it returned.

        Returns
        -------
        ScoreMoments
            The table.
        """
        return cls(
            read_labels(state["groups"]),
            **{name: state[name] for name in _SUMS},
            squared_errors=state["squared_errors"],
            names=state["names"],
            orders=read_orders(state["orders"]),
        )


def tabulate_moments(
    groups: Grouping,
    actual: Bools | None,
    weights: Floats | None,
    squares: Floats | None,
    score_sums: Floats,
    score_squares: Floats,
    *,
    library: Backend | None = None,
) -> ScoreMoments:
    """Add up rows, or combinations that stand for many rows.

    Parameters
    ----------
    groups : Grouping
        The group of each.
    actual : boolean array, or None
        Which are positives; None leaves the squared errors out.
    weights, squares : array, or None
        Sums of weights and of squared weights; None stands for weights of one.
    score_sums, score_squares : array
        Sums of weight times score, and of weight times squared score.
    library : {"pandas", "polars", "pyarrow"}, optional
        The library of the data.
    """
    shape = (len(groups.labels), 2)
    place = 2 * groups.codes
    if actual is not None:
        place = place + actual

    def table(values: Floats | None) -> Floats:
        return np.bincount(place, values, 2 * shape[0]).astype(float).reshape(shape)

    counts, scores, second = table(weights), table(score_sums), table(score_squares)
    # Within a column all labels y are alike: (s - y)^2 = s^2 - 2 y s + y. Rounding may leave less than 0.
    errors = second.sum(1) - 2 * scores[:, 1] + counts[:, 1]
    return ScoreMoments(
        groups.labels,
        weights=counts.sum(1),
        squared_weights=None if squares is None else table(squares).sum(1),
        scores=scores.sum(1),
        squared_scores=second.sum(1),
        squared_errors=None if actual is None else np.maximum(errors, 0.0),
        names=groups.names,
        library=library,
        orders=groups.orders,
    )


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    return np.divide(
        numerator, denominator, out=np.full(len(numerator), np.nan), where=np.asarray(denominator) > 0
    )
