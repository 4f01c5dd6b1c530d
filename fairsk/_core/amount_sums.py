"""Moments of predicted amounts per group: the small table from which every mean of amounts follows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.amounts import amounts_column
from fairsk._core.columns import Orders, refuse_shuffled, value_columns
from fairsk._core.counts import sum_rows
from fairsk._core.groups import (
    Grouping,
    check_reference_given,
    encode_groups,
    format_group,
    join_groups,
    list_groups,
    margin_labels,
    merge_orders,
    places_of,
    position_of,
)
from fairsk._core.labels import no_labels
from fairsk._core.means import mean_half_widths, mean_standard_errors, nonnegative_interval
from fairsk._core.messages import did_you_mean, list_texts, show
from fairsk._core.results import Backend, Result, Table, amount, library_of, read_only, row_count
from fairsk._core.typing import Floats, Ints
from fairsk._core.validation import (
    check_confidence,
    check_weights,
    plain_labels,
    plain_orders,
    read_labels,
    read_orders,
)
from fairsk._core.warnings import warn_user
from fairsk.rates import (
    AMOUNT_RATES,
    MOMENTS,
    Comparison,
    Constraint,
    MeanRate,
    Method,
    Norm,
    get_amount_constraint,
    row_moments,
)

__all__ = [
    "AmountRows",
    "GroupAmounts",
    "get_mean",
    "judge_of_amounts",
    "read_amounts",
    "tabulate_amounts",
]

#: The moments that are kept. The target is the prediction, less by how much it is over, and more by how much
#: it is under: so the mean error follows from "over" and "under" alone, and keeps its digits where amounts
#: are millions of times as large as errors.
KEPT = ("prediction", "over", "under", "squared_error")


@dataclass(frozen=True, init=False, eq=False, repr=False)
class GroupAmounts(Result):
    """Moments of predicted amounts per group: means, and how rows scatter; tables of disjoint rows add up.

    It is to amounts what :class:`GroupCounts` is to decisions. It holds no rows, so it may leave the place
    where the data must stay. Shards, days and sites are combined with ``+``; intersections are reduced to
    one attribute with :meth:`marginal`. It prints itself, and ``.frame()`` has a line per group.

    Parameters
    ----------
    groups : sequence of hashable
        The group labels; a tuple of values each for an intersection.
    n : array-like of shape (n_groups,)
        Sums of weights: the number of rows if they are unweighted.
    squared_weights : array-like of shape (n_groups,)
        Sums of squared weights.
    means : array-like of shape (n_groups, n_moments)
        The weighted means of what is kept of each row: ``prediction``, ``over`` (by how much the prediction
        exceeds the target, 0 where it does not), ``under`` (the other way round) and ``squared_error``;
        without targets of ``prediction`` alone. 0 where a group has no rows.
    tilts : array-like of shape (n_groups, n_moments)
        Sums of squared weight times distance from the mean: 0, but for rounding, of unweighted rows.
    scatter : array-like of shape (n_groups, n_moments, n_moments)
        Sums of squared weight times the product of two distances from the mean.
    names : sequence of str, optional
        What the sensitive attributes are called.
    labelled : bool, default=True
        Whether the rows had targets. Without them any mean that depends on the target is an error.
    library : {"pandas", "polars", "pyarrow"}, optional
        The library of the data, in which :meth:`frame` comes.
    orders : sequence of sequences or None, optional
        For each sensitive attribute the values that it may have in their order, or None, as in
        :class:`GroupCounts`.

    See Also
    --------
    GroupCounts : The same for decisions.
    regression_metrics : Means, errors and distances of rows, with intervals.
    fairsk.rates.MeanRate : What :meth:`rate` evaluates.

    Notes
    -----
    With the rows' vectors ``m_i`` of what is kept, a table holds ``sum w``, ``sum w^2``, the mean
    ``mu = sum w m / sum w``, ``sum w^2 (m - mu)`` and ``sum w^2 (m - mu)(m - mu)'`` of each group. The mean
    of any linear combination ``c`` has by linearisation the variance ``c' S c / (sum w)^2``, ``S`` being the
    last of these. Tables are added by the pairwise update of [1]_, so that no digits are lost however large
    amounts are beside their spread.

    References
    ----------
    .. [1] Chan, Golub & LeVeque, Algorithms for Computing the Sample Variance, The American Statistician
       37(3), 1983.

    Examples
    --------
    >>> from fairsk.metrics import GroupAmounts
    >>> monday = GroupAmounts.from_predictions([10, 12], [11, 12], sensitive_features=["a", "b"])
    >>> tuesday = GroupAmounts.from_predictions([20, 8], [20, 9], sensitive_features=["b", "a"])
    >>> both = monday + tuesday
    >>> both.groups, both.rate("mean_error")
    (('a', 'b'), array([1., 0.]))
    >>> both.compare("mean_parity")
    6.0
    """

    groups: tuple[Hashable, ...]
    n: Floats
    squared_weights: Floats
    means: Floats
    tilts: Floats
    scatter: Floats
    names: tuple[str, ...]
    labelled: bool
    library: Backend | None
    orders: Orders

    def __init__(
        self,
        groups: Sequence[Hashable],
        *,
        n: ArrayLike,
        squared_weights: ArrayLike,
        means: ArrayLike,
        tilts: ArrayLike,
        scatter: ArrayLike,
        names: Sequence[str] = ("sensitive_features",),
        labelled: bool = True,
        library: Backend | None = None,
        orders: Sequence[Sequence[Hashable] | None] = (),
    ) -> None:
        if len(set(groups)) < len(groups):
            raise ValueError("A group is listed twice: labels must be distinct.")
        n_groups, n_kept = len(groups), len(KEPT) if labelled else 1
        given = {
            "n": (n, ()),
            "squared_weights": (squared_weights, ()),
            "means": (means, (n_kept,)),
            "tilts": (tilts, (n_kept,)),
            "scatter": (scatter, (n_kept, n_kept)),
        }
        arrays = {}
        for name, (values, each) in given.items():
            array = np.array(values, dtype=float)  # a copy, for arrays may change
            if array.size == 0:
                array = array.reshape((0, *each))  # a table without groups, read from JSON
            if array.shape != (n_groups, *each) or np.isnan(array).any():
                raise ValueError(
                    f"{name} must hold numbers of shape {(n_groups, *each)}, one per group first."
                )
            if name in ("n", "squared_weights") and (array < 0).any():
                raise ValueError(f"{name} must not be negative.")
            arrays[name] = array
        self._set(
            groups=tuple(groups),
            **arrays,
            names=tuple(names),
            labelled=labelled,
            library=library,
            orders=tuple(order if order is None else tuple(order) for order in orders),
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike | None,
        y_pred: ArrayLike,
        *,
        sensitive_features: Any,
        sample_weight: ArrayLike | None = None,
    ) -> GroupAmounts:
        """Add up the moments of predicted amounts of each group.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or None
            The amounts. None where there are none: predictions alone are measured then, and a mean that
            depends on the target is an error.
        y_pred : array-like of shape (n_samples,)
            The predicted amounts.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
            The group of each row; several columns make an intersection.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, not negative.

        Returns
        -------
        GroupAmounts
            The table.

        Raises
        ------
        ValueError
            If lengths differ, a value is missing or infinite, or a group value is missing.
        """
        rows = read_amounts(y_true, y_pred, sensitive_features, sample_weight)
        return tabulate_amounts(*rows, library=library_of(sensitive_features, y_true, y_pred))

    @property
    def moments(self) -> Mapping[str, Floats]:
        """The sums of :data:`fairsk.rates.MOMENTS` over the rows of each group, as constraints take them.

        Without targets there are ``n`` and ``prediction`` alone.
        """
        sums = dict(zip(KEPT, (self.n[:, None] * self.means).T, strict=False))
        if self.labelled:
            sums["target"] = sums["prediction"] - sums["over"] + sums["under"]
        sums["n"] = self.n
        return read_only({name: sums[name] for name in MOMENTS if name in sums})

    def rate(self, rate: MeanRate | str) -> Floats:
        """Return a mean of each group.

        Parameters
        ----------
        rate : str or MeanRate
            Which mean, such as ``"mean_prediction"`` or ``"mean_absolute_error"``: a name out of
            :data:`fairsk.rates.AMOUNT_RATES`.

        Returns
        -------
        array of shape (n_groups,)
            The mean; NaN where a group has no rows.
        """
        rate = get_mean(rate)
        value = self._mean(rate)
        return np.sqrt(value) if rate.root else value

    def standard_errors(self, rate: MeanRate | str) -> Floats:
        """Return the standard error of a mean in every group, by linearisation.

        Parameters
        ----------
        rate : str or MeanRate
            Which mean.

        Returns
        -------
        array of shape (n_groups,)
            Standard errors; NaN where there are fewer than two (effective) rows, and for a root of zero.
        """
        rate = get_mean(rate)
        errors, _ = mean_standard_errors(self._spread(rate), self.n, self.squared_weights)
        if not rate.root:
            return errors
        value = self.rate(rate)
        return np.divide(errors, 2 * value, out=np.full_like(value, np.nan), where=value > 0)

    def intervals(self, rate: MeanRate | str, confidence: float = 0.95) -> tuple[Floats, Floats]:
        """Return the confidence interval of a mean in every group.

        Parameters
        ----------
        rate : str or MeanRate
            Which mean.
        confidence : float in (0, 1), default=0.95
            The coverage probability of each interval.

        Returns
        -------
        tuple of two arrays
            Lower and upper ends; NaN where there are fewer than two (effective) rows.

        Notes
        -----
        Student's interval, with one degree of freedom less than the effective number of rows; that of a mean
        that cannot be negative is on the scale of logarithms.
        """
        check_confidence(confidence)
        rate = get_mean(rate)
        mean = self._mean(rate)
        half = mean_half_widths(self._spread(rate), self.n, self.squared_weights, confidence)
        if rate.can_be_negative:
            return mean - half, mean + half
        return nonnegative_interval(mean, half, 0.5 if rate.root else 1.0)

    def effective_rows(self) -> Floats:
        """Return the effective number of rows of each group.

        Returns
        -------
        array of shape (n_groups,)
            ``(sum w)^2 / sum w^2``; 0 where a group has no rows.
        """
        return np.divide(
            self.n**2, self.squared_weights, out=np.zeros_like(self.n), where=self.squared_weights > 0
        )

    def _factors(self, rate: MeanRate) -> tuple[float, Floats]:
        """Return the constant in what is averaged, and the factor of each moment that is kept."""
        self.check_labels(rate)
        factors = dict(zip(MOMENTS, rate.coefficients, strict=True))
        target = factors["target"]  # the prediction, less "over", and more "under"
        kept = [factors["prediction"] + target]
        if self.labelled:
            kept += [factors["over"] - target, factors["under"] + target, factors["squared_error"]]
        return factors["n"], np.array(kept)

    def _mean(self, rate: MeanRate) -> Floats:
        """Return the mean of each group, before any root."""
        constant, factors = self._factors(rate)
        used = factors != 0
        value = constant + self.means[:, used] @ factors[used]
        return np.where(self.n > 0, np.maximum(value, 0.0) if rate.root else value, np.nan)

    def _spread(self, rate: MeanRate) -> Floats:
        """Return the sums of squared weights times squared distances of what is averaged from its mean."""
        _, factors = self._factors(rate)
        used = np.flatnonzero(factors)
        table = self.scatter[:, used[:, None], used]
        return np.maximum(np.einsum("gij,i,j->g", table, factors[used], factors[used]), 0.0)

    def check_labels(self, *rates: MeanRate) -> None:
        """Refuse means that depend on the target, if the rows had none.

        Parameters
        ----------
        *rates : MeanRate
            The means that are about to be used.

        Raises
        ------
        ValueError
            If one of them needs targets, and there are none.
        """
        needing = [rate.name for rate in rates if rate.needs_labels]
        if needing and not self.labelled:
            raise ValueError(no_labels(", ".join(needing), without="predictions"))

    def compare(
        self,
        constraint: Constraint | MeanRate | str,
        comparison: Comparison = "difference",
        *,
        method: Method = "between_groups",
        reference: Hashable = None,
        norm: Norm = "max",
    ) -> float:
        """Return the disparity between the groups under a constraint on amounts.

        Groups without rows that count are passed over with a warning that names them.

        Parameters
        ----------
        constraint : str, Constraint or MeanRate
            Which means should agree: a name out of :data:`fairsk.rates.AMOUNT_CONSTRAINTS`, or your own.
        comparison : {"difference", "ratio", "worst_group", "mean_difference"}, default="difference"
            Largest difference, smallest ratio, the mean of the worst group, or the mean difference over all
            pairs of groups.
        method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
            What every group is compared with.
        reference : hashable, optional
            Label of the reference group, for ``method="to_reference"``.
        norm : {"max", "l1", "l2"}, default="max"
            What the differences of two groups in several means become.

        Returns
        -------
        float
            The disparity, in the unit of the means; NaN (and a warning) where fewer than two groups can be
            measured.

        Raises
        ------
        ValueError
            If the constraint is unknown or does not have this comparison, such as the ratio of means of which
            one is negative; if a mean depends on targets, and there are none.
        """
        constraint = get_amount_constraint(constraint)
        constraint.check_comparison(comparison, method, norm)
        check_reference_given(method, reference, self.groups)
        position = None if reference is None else position_of(reference, self.groups)
        self.warn_undefined(*constraint.rates, fewest=1 if comparison == "worst_group" else 2)
        return float(
            constraint.compare(self.moments, comparison, method=method, reference=position, norm=norm)
        )

    def warn_undefined(self, *rates: MeanRate, fewest: int = 0) -> None:
        """Warn, once, of groups without rows that count, and of too few groups that have such.

        Parameters
        ----------
        *rates : MeanRate
            The means that are about to be used.
        fewest : int, default=0
            How many groups must have them.

        Raises
        ------
        ValueError
            If a mean depends on targets, and there are none.

        Warns
        -----
        UserWarning
            If all rows of a group have weight 0; the group is named.
        """
        self.check_labels(*rates)
        measured = self.n > 0
        parts = []
        if not measured.all():
            empty = [label for label, has_rows in zip(self.groups, measured, strict=True) if not has_rows]
            parts.append(
                f"Nothing can be measured for: {list_groups(empty)} (all rows have weight 0). Comparisons "
                "pass over them."
            )
        if measured.sum() < fewest:
            names = list_texts([rate.name for rate in rates])
            parts.append(f"Fewer than two groups can be compared: {names} give NaN.")
        if parts:
            warn_user(" ".join(parts))

    def overall(self) -> GroupAmounts:
        """Return the table of all groups together.

        Returns
        -------
        GroupAmounts
            The table of one group, called ``"overall"``.
        """
        codes = np.zeros(len(self.groups), dtype=np.intp)
        return self._of(("overall",), _pooled(self._arrays(), codes, 1), names=("overall",), orders=())

    def take(self, groups: Sequence[Hashable]) -> GroupAmounts:
        """Return the table of some of the groups.

        Parameters
        ----------
        groups : sequence of labels
            The groups, in the order in which they are to be.

        Returns
        -------
        GroupAmounts
            Their moments.

        Raises
        ------
        ValueError
            If there is no such group.
        """
        places = places_of(groups, self.groups)
        return self._of(groups, {name: values[places] for name, values in self._arrays().items()})

    def at(self, positions: Ints) -> GroupAmounts:
        """Return the table of the groups at these places, numbered.

        Parameters
        ----------
        positions : array of int
            The places, which may repeat.

        Returns
        -------
        GroupAmounts
            Their moments.
        """
        arrays = {name: values[positions] for name, values in self._arrays().items()}
        return self._of(range(len(positions)), arrays, orders=())

    def others(self) -> GroupAmounts:
        """Return for each group the table of all other groups together.

        Returns
        -------
        GroupAmounts
            A table with these groups, each of which stands for the others.
        """
        # Pooled anew for each: to subtract from the whole would lose the digits that pooling keeps.
        one = np.zeros(max(len(self.groups) - 1, 0), dtype=np.intp)
        pooled = [
            _pooled({name: np.delete(values, place, 0) for name, values in self._arrays().items()}, one, 1)
            for place in range(len(self.groups))
        ]
        stacked = {
            name: np.concatenate([each[name] for each in pooled]) if pooled else values
            for name, values in self._arrays().items()
        }
        return self._of(self.groups, stacked)

    def marginal(self, *names: str) -> GroupAmounts:
        """Return the table by some of the sensitive attributes, the other ones pooled.

        Parameters
        ----------
        *names : str
            The attributes to keep.

        Returns
        -------
        GroupAmounts
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
    ) -> GroupAmounts:
        """Give the groups other labels; groups with the same one are pooled.

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
        GroupAmounts
            The table by the new groups.
        """
        columns = self.orders if orders is None else tuple(o if o is None else tuple(o) for o in orders)
        groups, codes = join_groups(labels, columns)
        return self._of(
            groups,
            _pooled(self._arrays(), codes, len(groups)),
            names=self.names if names is None else names,
            orders=columns,
        )

    def _arrays(self) -> dict[str, Floats]:
        return {name: getattr(self, name) for name in ("n", "squared_weights", "means", "tilts", "scatter")}

    def _of(self, groups: Sequence[Hashable], arrays: Mapping[str, Floats], **fields: Any) -> GroupAmounts:
        """Return the table of some groups, with what else this one says."""
        others: dict[str, Any] = {
            name: getattr(self, name) for name in ("names", "labelled", "library", "orders")
        }
        return GroupAmounts(groups, **{**arrays, **others, **fields})

    def __add__(self, other: GroupAmounts) -> GroupAmounts:
        """Combine the tables of two disjoint sets of rows."""
        if not isinstance(other, GroupAmounts):
            return NotImplemented
        if self.names != other.names:
            raise ValueError(
                "Only tables of the same sensitive attributes add up: "
                f"{list_texts(self.names)}, and {list_texts(other.names)}."
            )
        if self.labelled != other.labelled:
            raise ValueError("Tables with targets and tables without (y_true=None) do not add up.")
        orders = merge_orders(self.orders, other.orders)
        groups, codes = join_groups([*self.groups, *other.groups], orders)
        theirs = other._arrays()
        both = {name: np.concatenate([values, theirs[name]]) for name, values in self._arrays().items()}
        return self._of(
            groups,
            _pooled(both, codes, len(groups)),
            library=self.library or other.library,
            orders=orders,
        )

    def __radd__(self, other: int) -> GroupAmounts:
        """Let ``sum(tables)`` start from its 0."""
        return self if other == 0 else NotImplemented

    def __eq__(self, other: object) -> bool:
        """Tell whether two tables hold the same moments of the same groups."""
        if not isinstance(other, GroupAmounts):
            return NotImplemented
        ours, theirs = ((t.names, t.groups, t.labelled) for t in (self, other))
        return ours == theirs and all(
            np.array_equal(one, two)
            for one, two in zip(self._arrays().values(), other._arrays().values(), strict=True)
        )

    def _named_means(self) -> dict[str, Floats]:
        """Return the built-in means that can be measured."""
        rates = AMOUNT_RATES.values()
        return {rate.name: self.rate(rate) for rate in rates if self.labelled or not rate.needs_labels}

    def _content(self) -> dict[str, Any]:
        return super()._content() | {"rates": self._named_means()}

    def _tables(self) -> list[Table]:
        columns: dict[str, list[Any]] = {"group": list(map(format_group, self.groups)), "n": self.n.tolist()}
        means = self._named_means()
        means.pop("mean_squared_error", None)  # its root is shown, which is in the unit of the amounts
        columns |= {name: values.tolist() for name, values in means.items()}
        shown = {name: list(map(amount, values)) for name, values in columns.items()}
        shown |= {"n": list(map(row_count, self.n))}
        return [Table(columns, shown, words=["group"])]

    def to_state(self) -> dict[str, Any]:
        """Return the moments as plain values, fit for JSON; :meth:`from_state` restores the table.

        Returns
        -------
        dict of str to value
            Labels and moments.
        """
        return {
            "names": list(self.names),
            "groups": plain_labels(self.groups),
            **{name: values.tolist() for name, values in self._arrays().items()},
            "labelled": self.labelled,
            "orders": plain_orders(self.orders),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> GroupAmounts:
        """Restore the table that :meth:`to_state` wrote.

        Parameters
        ----------
        state : mapping of str to value
            What it returned.

        Returns
        -------
        GroupAmounts
            The table.
        """
        names = ("n", "squared_weights", "means", "tilts", "scatter", "names", "labelled")
        return cls(
            read_labels(state["groups"]),
            **{name: state[name] for name in names},
            orders=read_orders(state["orders"]),
        )


def get_mean(rate: MeanRate | str) -> MeanRate:
    """Look up a mean of amounts by name; a :class:`MeanRate` is returned as it is."""
    if isinstance(rate, MeanRate):
        return rate
    if rate not in AMOUNT_RATES:
        hint = did_you_mean(rate, AMOUNT_RATES)
        raise ValueError(f"There is no mean of amounts {show(rate)}: {', '.join(AMOUNT_RATES)}.{hint}")
    return AMOUNT_RATES[rate]


class AmountRows(NamedTuple):
    """Amounts, predicted amounts, groups and weights of rows, checked; None for what there is not."""

    actual: Floats | None
    predicted: Floats
    groups: Grouping
    weights: Floats | None


def read_amounts(
    y_true: ArrayLike | None, y_pred: ArrayLike, sensitive_features: Any, sample_weight: ArrayLike | None
) -> AmountRows:
    """Read what predicted amounts are measured on."""
    refuse_shuffled(
        y_true=y_true, y_pred=y_pred, sensitive_features=sensitive_features, sample_weight=sample_weight
    )
    actual = None if y_true is None else amounts_column("y_true", y_true)
    predicted = amounts_column("y_pred", y_pred)
    if actual is not None and len(actual) != len(predicted):
        raise ValueError(
            f"y_true has {len(actual)} rows and y_pred {len(predicted)}: inconsistent numbers of samples."
        )
    weights = check_weights(sample_weight, len(predicted))
    groups = encode_groups(value_columns("sensitive_features", sensitive_features, len(predicted)))
    return AmountRows(actual, predicted, groups, weights)


def tabulate_amounts(
    actual: Floats | None,
    predicted: Floats,
    groups: Grouping,
    weights: Floats | None,
    *,
    library: Backend | None = None,
) -> GroupAmounts:
    """Add up the moments of rows that have been read and checked; None stands for weights of one."""
    n_groups, codes = len(groups.labels), groups.codes
    weights = np.ones(len(predicted)) if weights is None else weights
    if actual is None:
        rows = [predicted]
    else:
        with np.errstate(over="ignore"):
            moments = row_moments(predicted, actual)
        rows = [moments[name] for name in KEPT]
    n_kept = len(rows)

    def add(parts: Floats) -> Floats:
        return np.bincount(codes, parts, n_groups).astype(float)

    n, squares = add(weights), add(weights**2)
    means, tilts = np.zeros((2, n_groups, n_kept))
    scatter = np.zeros((n_groups, n_kept, n_kept))
    distances = []
    if not all(np.isfinite(values).all() for values in rows):
        raise ValueError(
            "Predictions and targets differ by so much that the square is no number: scale the amounts."
        )
    # Fourth powers of huge errors are infinite, and so is what is said of their spread.
    with np.errstate(over="ignore", invalid="ignore"):
        for place, values in enumerate(rows):
            means[:, place] = _over(add(weights * values), n)
            # Once more from there, for a sum of large amounts loses the last digits of their mean.
            means[:, place] += _over(add(weights * (values - means[codes, place])), n)
            distances.append(weights * (values - means[codes, place]))
            # Of rows without weights it is what rounding left of the mean: kept, for merging needs it.
            tilts[:, place] = add(weights * distances[-1])
        for i in range(n_kept):
            for j in range(i + 1):
                scatter[:, i, j] = scatter[:, j, i] = add(distances[i] * distances[j])
    return GroupAmounts(
        groups.labels,
        n=n,
        squared_weights=squares,
        means=means,
        tilts=tilts,
        scatter=np.where(np.isnan(scatter), np.inf, scatter),
        names=groups.names,
        labelled=actual is not None,
        library=library,
        orders=groups.orders,
    )


def _over(sums: Floats, n: Floats) -> Floats:
    """Return sums per row; 0 where there are no rows."""
    return np.divide(sums, n, out=np.zeros_like(sums), where=n > 0)


def _pooled(tables: Mapping[str, Floats], codes: Ints, n_groups: int) -> dict[str, Floats]:
    """Return the moments of groups with the same code taken together."""
    n, squares = (sum_rows(tables[name], codes, n_groups) for name in ("n", "squared_weights"))
    weights = np.divide(tables["n"], n[codes], out=np.zeros_like(tables["n"]), where=n[codes] > 0)[:, None]
    # A mean of the means, and once more from there: one alone stays exactly as it is.
    means = sum_rows(weights * tables["means"], codes, n_groups)
    means += sum_rows(weights * (tables["means"] - means[codes]), codes, n_groups)
    shift = tables["means"] - means[codes]
    shift[tables["n"] == 0] = 0.0
    second = tables["squared_weights"][:, None]
    # With d = old - new mean: sum w^2 (m - new) = tilt + d sum w^2, and of the products likewise.
    cross = shift[:, :, None] * tables["tilts"][:, None, :]
    scatter = tables["scatter"] + cross + np.swapaxes(cross, 1, 2)
    scatter += second[:, :, None] * shift[:, :, None] * shift[:, None, :]
    return {
        "n": n,
        "squared_weights": squares,
        "means": means,
        "tilts": sum_rows(tables["tilts"] + second * shift, codes, n_groups),
        "scatter": sum_rows(scatter, codes, n_groups),
    }


def judge_of_amounts(table: Any) -> str:
    """Say, as a sentence after a space, what judges a table of amounts; nothing of all else.

    Parameters
    ----------
    table : object
        What was given where counts of decisions are needed.
    """
    if not isinstance(table, GroupAmounts) and not isinstance(getattr(table, "amounts", None), GroupAmounts):
        return ""
    return " Counts are of decisions; fairsk.statistics.verdict judges amounts."
