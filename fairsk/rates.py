"""Group rates and fairness constraints: ratios of sums of confusion cells, and which of them should agree.

This is the one place where a rate's formula stands. Four engines read it: hard counts
(:mod:`fairsk._core.counts`), cumulative counts along sorted scores (:mod:`fairsk.thresholds`), soft counts in
torch (:mod:`fairsk.neural`) and interval estimates (:mod:`fairsk.statistics`). The arithmetic therefore
uses nothing but ``+ - * /``, comparisons and a ``where``, and runs unchanged on NumPy arrays and torch
tensors. Neither torch nor scikit-learn is imported here.

Arrays have the groups on their first axis; any further axes (strata, candidate thresholds, bootstrap
replicates) are carried along.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

__all__ = [
    "AMOUNT_CONSTRAINTS",
    "AMOUNT_RATES",
    "CONSTRAINTS",
    "RATES",
    "MeanRate",
    "f_beta",
    "get_amount_constraint",
    "get_constraint",
    "get_rate",
]

#: The four cells of a confusion table, in the order in which coefficient vectors list them.
CELLS = ("tp", "fp", "fn", "tn")

#: What is summed up of predicted amounts, in the order in which coefficient vectors list them: rows, the two
#: amounts, by how much the prediction lies over and under the target, and the square of the difference.
MOMENTS = ("n", "prediction", "target", "over", "under", "squared_error")

#: A NumPy array or a torch tensor: whatever the cells are, the rates are too.
Array: TypeAlias = Any
Cells: TypeAlias = Mapping[str, Array]

Comparison: TypeAlias = Literal["difference", "ratio", "worst_group", "mean_difference"]
#: How the differences of two groups in several rates become one number.
Norm: TypeAlias = Literal["max", "l1", "l2"]
Method: TypeAlias = Literal["between_groups", "to_overall", "to_reference"]

_TERM = re.compile(r"(?:(?P<factor>\d+(?:\.\d*)?|\.\d+)\*)?(?P<cell>[a-z_]+)")


@functools.cache
def _coefficients(expression: str) -> tuple[float, ...]:
    """Read ``"2*tp+fp"`` as one coefficient per cell, in the order of ``CELLS``."""
    return _read(
        expression,
        CELLS,
        {"n": CELLS},
        "a sum of the confusion cells tp, fp, fn, tn (or n for all four), each with an optional factor, such "
        "as '2*tp+fp+fn'",
    )


@functools.cache
def _moment_coefficients(expression: str) -> tuple[float, ...]:
    """Read ``"prediction-target"`` as one coefficient per moment, in the order of ``MOMENTS``."""
    return _read(
        expression,
        MOMENTS,
        {},
        f"a sum of the moments {', '.join(MOMENTS)}, each with an optional factor, such as "
        "'0.9*under+0.1*over'",
    )


def _read(
    expression: str, names: tuple[str, ...], several: Mapping[str, tuple[str, ...]], wanted: str
) -> tuple[float, ...]:
    """Read a sum of names as one coefficient each; some words stand for several names."""
    terms = re.sub(r"\s", "", expression).replace("-", "+-").removeprefix("+").split("+")
    total = dict.fromkeys(names, 0.0)
    for term in terms:
        match = _TERM.fullmatch(term.removeprefix("-"))
        meant = several.get(match["cell"], (match["cell"],)) if match else ()
        if not meant or not set(meant) <= set(names):
            raise ValueError(f"Cannot read {term!r} in the expression {expression!r}: write {wanted}.")
        factor = float((match and match["factor"]) or 1)
        for name in meant:
            total[name] += -factor if term.startswith("-") else factor
    return tuple(total.values())


def _linear(coefficients: tuple[float, ...], cells: Cells, names: tuple[str, ...] = CELLS) -> Array:
    """Sum the cells by their coefficients, skipping the cells that do not take part."""
    terms = [
        cells[cell] if factor == 1 else factor * cells[cell]
        for cell, factor in zip(names, coefficients, strict=True)
        if factor
    ]
    return sum(terms[1:], start=terms[0]) if terms else 0.0 * cells[names[0]]


def _where(condition: Array, then: Array, otherwise: Array) -> Array:
    """``where`` in the array's own library; torch tensors bring theirs as a method."""
    if hasattr(then, "where"):
        return then.where(condition, otherwise)
    return np.where(condition, then, otherwise)


def _extreme(values: Array, *, largest: bool) -> Array:
    """The largest (or smallest) value over the groups, passing over undefined (NaN) ones."""
    if isinstance(values, np.ndarray):  # at once, for there may be thousands of groups
        return (np.fmax if largest else np.fmin).reduce(values)
    best = values[0]
    for value in values[1:]:
        ahead = value > best if largest else value < best
        best = _where(ahead | (best != best), value, best)
    return best


def _smaller_over_larger(a: Array, b: Array) -> Array:
    """``min(a, b) / max(a, b)``; two rates of zero agree, so their ratio is 1."""
    swap = a > b
    low, high = _where(swap, b, a), _where(swap, a, b)
    both_zero = (low == 0) & (high == 0)
    return (low + both_zero) / (high + both_zero)


def soft_cells(positive: Array, actual: Array) -> dict[str, Array]:
    """Return each row's part in the four cells.

    Parameters
    ----------
    positive : array or tensor of shape (n_samples,)
        How much each row is predicted positive: 0 or 1, or a probability.
    actual : array or tensor of shape (n_samples,)
        The labels, 0 or 1.

    Returns
    -------
    dict of str to array or tensor of shape (n_samples,)
        The parts in ``tp``, ``fp``, ``fn`` and ``tn``; those of a row add up to 1.

    See Also
    --------
    Rate : What is evaluated on sums of these.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.rates import soft_cells
    >>> parts = soft_cells(np.array([0.75, 1.0]), np.array([1, 0]))
    >>> parts["tp"].tolist(), parts["fp"].tolist()
    ([0.75, 0.0], [0.0, 1.0])
    """
    return {
        "tp": positive * actual,
        "fp": positive * (1 - actual),
        "fn": (1 - positive) * actual,
        "tn": (1 - positive) * (1 - actual),
    }


@dataclass(frozen=True)
class Rate:
    """A group rate: one sum of confusion cells divided by another.

    Parameters
    ----------
    name : str
        What the rate is called in tables and messages.
    numerator, denominator : str
        Sums over ``tp``, ``fp``, ``fn``, ``tn`` (``n`` means all four), with optional factors, such as
        ``"2*tp"`` and ``"2*tp+fp+fn"``. The denominator may not subtract, so that it is zero only where
        there is nothing to measure.
    lower_is_better : bool, default=False
        Whether the group with the *highest* rate is the one that is worst off, as with error rates.

    Raises
    ------
    ValueError
        If an expression names an unknown cell, or the denominator subtracts or is empty.

    See Also
    --------
    Constraint : Which rates should agree between groups.
    fairsk.rates.get_rate : The built-in rates by name.

    Notes
    -----
    A group whose denominator is zero has no such rate: the value is NaN, and comparisons pass over it.

    Examples
    --------
    >>> from fairsk import Rate
    >>> precision = Rate("precision", "tp", "tp+fp")
    >>> float(precision({"tp": 3.0, "fp": 1.0, "fn": 0.0, "tn": 0.0}))
    0.75
    """

    name: str
    numerator: str
    denominator: str
    lower_is_better: bool = False

    def __post_init__(self) -> None:
        _coefficients(self.numerator)  # read now, so that a bad expression fails here
        denominator = _coefficients(self.denominator)
        if min(denominator) < 0 or max(denominator) == 0:
            raise ValueError(
                f"The denominator of rate {self.name!r} must be a sum of confusion cells without "
                f"subtraction, got {self.denominator!r}."
            )

    @property
    def numerator_coefficients(self) -> tuple[float, ...]:
        """Factor of each cell of ``CELLS`` in the numerator."""
        return _coefficients(self.numerator)

    @property
    def denominator_coefficients(self) -> tuple[float, ...]:
        """Factor of each cell of ``CELLS`` in the denominator."""
        return _coefficients(self.denominator)

    @property
    def has_fixed_denominator(self) -> bool:
        """Whether the denominator depends on the labels only, so that the rate is linear in the decisions."""
        tp, fp, fn, tn = self.denominator_coefficients
        return tp == fn and fp == tn

    @property
    def needs_labels(self) -> bool:
        """Whether the rate depends on the labels, and not on the decisions alone."""
        vectors = (self.numerator_coefficients, self.denominator_coefficients)
        return any(tp != fp or fn != tn for tp, fp, fn, tn in vectors)

    @property
    def is_share(self) -> bool:
        """Whether the rate counts a part of its denominator, so that it lies between 0 and 1."""
        pairs = zip(self.numerator_coefficients, self.denominator_coefficients, strict=True)
        return all(0 <= part <= whole for part, whole in pairs)

    def part(self, cells: Cells) -> Array:
        """Return the numerator: how much of the denominator has what the rate counts.

        Parameters
        ----------
        cells : mapping of str to array of shape (n_groups, ...)
            The confusion cells of each group.

        Returns
        -------
        array of shape (n_groups, ...)
            The numerator.
        """
        return _linear(self.numerator_coefficients, cells)

    def support(self, cells: Cells) -> Array:
        """Return the denominator: how much there is to measure the rate on.

        Parameters
        ----------
        cells : mapping of str to array of shape (n_groups, ...)
            The confusion cells of each group.

        Returns
        -------
        array of shape (n_groups, ...)
            The denominator.
        """
        return _linear(self.denominator_coefficients, cells)

    def slopes(self, cells: Cells) -> dict[str, Array]:
        """Return how the rate changes with each cell: its derivative, where the denominator is not empty.

        Parameters
        ----------
        cells : mapping of str to array of shape (n_groups, ...)
            The confusion cells of each group.

        Returns
        -------
        dict of str to array of shape (n_groups, ...)
            The derivative with respect to each cell.
        """
        support = self.support(cells)
        value = self.part(cells) / support
        factors = zip(CELLS, self.numerator_coefficients, self.denominator_coefficients, strict=True)
        return {cell: (part - value * whole) / support for cell, part, whole in factors}

    def __call__(self, cells: Cells) -> Array:
        """Evaluate the rate on cells of any shape; an empty denominator gives NaN."""
        support = self.support(cells)
        # An empty denominator is filled in before the division, so that no gradient runs through 0 / 0.
        value = self.part(cells) / (support + (support == 0))
        return _where(support != 0, value, float("nan"))


@dataclass(frozen=True)
class MeanRate:
    """A group's mean of something about predicted amounts: of the predictions, of their errors, of a loss.

    It is to amounts what :class:`Rate` is to decisions.

    Parameters
    ----------
    name : str
        What it is called in tables and messages.
    of : str
        What is averaged: a sum over ``prediction``, ``target``, ``over`` (by how much the prediction exceeds
        the target, 0 where it does not), ``under`` (the other way round) and ``squared_error``, with optional
        factors, such as ``"prediction-target"`` or ``"over+under"``, the absolute error.
    lower_is_better : bool, default=False
        Whether the group with the *highest* mean is the one that is worst off, as with errors.
    root : bool, default=False
        Whether it is the root of the mean, in the unit of the amounts again.

    Raises
    ------
    ValueError
        If the expression names an unknown moment.

    See Also
    --------
    Rate : The same for decisions.
    get_amount_constraint : Which means should agree.

    Notes
    -----
    ``sum_i w_i m(prediction_i, target_i) / sum_i w_i`` over the rows of a group. A group without rows has no
    such mean: the value is NaN, and comparisons pass over it.

    Examples
    --------
    Estimates that are too low by one unit cost four times as much as those that are too high:

    >>> from fairsk.rates import MeanRate
    >>> cost = MeanRate("cost", "4*under+over", lower_is_better=True)
    >>> float(cost({"n": 2.0, "prediction": 5.0, "target": 6.0, "over": 1.0, "under": 2.0}))
    4.5
    """

    name: str
    of: str
    lower_is_better: bool = False
    root: bool = False

    def __post_init__(self) -> None:
        _moment_coefficients(self.of)  # read now, so that a bad expression fails here
        if self.root and self.can_be_negative:
            raise ValueError(f"The root of {self.name!r} is not defined: {self.of!r} can be negative.")

    @property
    def coefficients(self) -> tuple[float, ...]:
        """Factor of each of ``MOMENTS`` in what is averaged."""
        return _moment_coefficients(self.of)

    @property
    def can_be_negative(self) -> bool:
        """Whether the mean can be negative: amounts can, and differences; what errors cost cannot."""
        factors = dict(zip(MOMENTS, self.coefficients, strict=True))
        return bool(factors["prediction"] or factors["target"]) or min(self.coefficients) < 0

    @property
    def needs_labels(self) -> bool:
        """Whether it depends on the targets, and not on the predictions alone."""
        return any(
            factor for name, factor in zip(MOMENTS, self.coefficients, strict=True) if name not in _UNLABELLED
        )

    @property
    def is_share(self) -> bool:
        """Whether it lies between 0 and 1: no mean amount does."""
        return False

    def part(self, moments: Cells) -> Array:
        """Return the sum of what is averaged.

        Parameters
        ----------
        moments : mapping of str to array of shape (n_groups, ...)
            The sums of ``MOMENTS`` over the rows of each group.

        Returns
        -------
        array of shape (n_groups, ...)
            The sum.
        """
        return _linear(self.coefficients, moments, MOMENTS)

    def support(self, moments: Cells) -> Array:
        """Return the number of rows that is averaged over.

        Parameters
        ----------
        moments : mapping of str to array of shape (n_groups, ...)
            The sums of ``MOMENTS`` over the rows of each group.

        Returns
        -------
        array of shape (n_groups, ...)
            The number, by weight.
        """
        return moments["n"]

    def __call__(self, moments: Cells) -> Array:
        """Evaluate the mean on sums of any shape; no rows give NaN."""
        support = self.support(moments)
        value = self.part(moments) / (support + (support == 0))
        if self.root:
            value = value**0.5
        return _where(support != 0, value, float("nan"))

    def of_rows(self, prediction: Array, target: Array) -> Array:
        """Return what is averaged, row by row, before any root.

        Parameters
        ----------
        prediction, target : array of shape (n_samples,)
            The amounts.

        Returns
        -------
        array of shape (n_samples,)
            One number per row.
        """
        return _linear(self.coefficients, row_moments(prediction, target), MOMENTS)

    def slope(self, prediction: Array, target: Array) -> Array:
        """Return how what is averaged changes with each prediction: its derivative, row by row.

        Parameters
        ----------
        prediction, target : array of shape (n_samples,)
            The amounts.

        Returns
        -------
        array of shape (n_samples,)
            One number per row; where the prediction is the target, errors have the slope 0.
        """
        error = prediction - target
        slopes = {
            "n": 0.0 * error,
            "prediction": 0.0 * error + 1.0,
            "target": 0.0 * error,
            "over": (error > 0) * 1.0,
            "under": (error < 0) * -1.0,
            "squared_error": 2.0 * error,
        }
        return _linear(self.coefficients, slopes, MOMENTS)


#: The moments that there are without targets.
_UNLABELLED = ("n", "prediction")


def row_moments(prediction: Array, target: Array) -> dict[str, Array]:
    """Return each row's part in the moments of predicted amounts.

    Parameters
    ----------
    prediction, target : array or tensor of shape (n_samples,)
        The amounts.

    Returns
    -------
    dict of str to array or tensor of shape (n_samples,)
        The parts in ``n``, ``prediction``, ``target``, ``over``, ``under`` and ``squared_error``.

    See Also
    --------
    MeanRate : What is evaluated on sums of these.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.rates import row_moments
    >>> parts = row_moments(np.array([3.0, 1.0]), np.array([1.0, 2.0]))
    >>> parts["over"].tolist(), parts["under"].tolist(), parts["squared_error"].tolist()
    ([2.0, 0.0], [0.0, 1.0], [4.0, 1.0])
    """
    error = prediction - target
    return {
        "n": 0.0 * error + 1.0,
        "prediction": prediction,
        "target": target,
        "over": (error > 0) * abs(error),
        "under": (error < 0) * abs(error),
        "squared_error": error * error,
    }


@dataclass(frozen=True, init=False)
class Constraint:
    """A fairness criterion: one or more rates that should agree between groups.

    Parameters
    ----------
    name : str
        What the criterion is called.
    rates : Rate, MeanRate, str, or iterable of these
        The rates that should agree, all of decisions or all of amounts; a string names a built-in rate. With
        several rates, the criterion's disparity is that of the rate on which the groups differ most. It is
        NaN if one of them cannot be compared: what half of a criterion says is not what the criterion asks
        for.
    description : str, default=""
        What the criterion asks for, in one plain sentence.
    source : str, default=""
        Where it was proposed.

    See Also
    --------
    Rate : What should agree.
    fairsk.rates.get_constraint : The built-in constraints by name.
    fairsk.metrics.disparity : Measures it on labels and predictions.

    Examples
    --------
    A criterion of your own can be measured, scored, thresholded and trained for like a built-in one:

    >>> import numpy as np
    >>> from fairsk import Constraint, Rate
    >>> fdr = Rate("false_discovery_rate", "fp", "tp+fp", lower_is_better=True)
    >>> fdr_parity = Constraint("fdr_parity", [fdr])
    >>> cells = {"tp": np.array([3., 4.]), "fp": np.array([1., 4.]),
    ...          "fn": np.array([0., 0.]), "tn": np.array([5., 5.])}
    >>> float(fdr_parity.difference(cells))
    0.25
    """

    name: str
    rates: tuple[Any, ...]
    description: str = ""
    source: str = ""

    def __init__(
        self,
        name: str,
        rates: Rate | MeanRate | str | Iterable[Rate | MeanRate | str],
        description: str = "",
        source: str = "",
    ) -> None:
        given = (rates,) if isinstance(rates, Rate | MeanRate | str) else tuple(rates)
        looked_up = tuple(rate if isinstance(rate, MeanRate) else _any_rate(rate) for rate in given)
        if not looked_up:
            raise ValueError(f"Constraint {name!r} needs at least one rate.")
        if len({type(rate) for rate in looked_up}) > 1:
            raise ValueError(
                f"Constraint {name!r} has rates of decisions and means of amounts: no prediction has both."
            )
        # The instance is frozen, hence hashable: __setattr__ would raise.
        vars(self).update(name=name, rates=looked_up, description=description, source=source)

    @property
    def is_of_amounts(self) -> bool:
        """Whether it is about predicted amounts, and not about decisions."""
        return isinstance(self.rates[0], MeanRate)

    def difference(
        self,
        cells: Cells,
        *,
        method: Method = "between_groups",
        reference: int | None = None,
        norm: Norm = "max",
    ) -> Array:
        """Return the largest absolute difference of a rate: 0 when all groups agree.

        Parameters
        ----------
        cells : mapping of str to array of shape (n_groups, ...)
            The confusion cells of each group.
        method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
            Compare the groups with each other (max - min), each with the overall rate, or each with the
            rate of a reference group.
        reference : int, optional
            Position of the reference group; needed by ``"to_reference"`` only.
        norm : {"max", "l1", "l2"}, default="max"
            Of several rates, take the largest difference of two groups, the sum of their differences, or the
            root of the sum of squares.

        Returns
        -------
        array
            The disparity; NaN if fewer than two groups have the rate, or one of several rates.

        Notes
        -----
        With ``d_ab`` the vector of the differences of groups a and b, in every rate, it is ``max_ab |d_ab|``
        in that norm. A rate that one of two groups does not have adds nothing to their distance, so that
        ``max <= l2 <= l1``. These are the l-p norms by which equalized odds is relaxed in [1]_; half the
        ``"l1"`` norm of equalized odds is the average odds difference of the two groups in which it is
        largest.

        References
        ----------
        .. [1] Cruz & Hardt, Unprocessing Seven Years of Algorithmic Fairness, ICLR 2024.
        """
        check_choice("norm", norm, Norm)
        values, baselines = self._rates_and_baselines(cells, method, reference)
        if method == "between_groups" and (norm == "max" or len(values) == 1):
            # The largest over rates and pairs is a largest minus a smallest rate: no pair is looked at.
            gaps = [_extreme(each, largest=True) - _extreme(each, largest=False) for each in values]
        else:
            pairs = _pairs(values, baselines, reference)
            gaps = [_zeros(values[0])]  # a group alone makes no pair
            gaps += [_extreme(_distance(*pair, norm)[0], largest=True) for pair in pairs]
        return _known(_extreme(gaps, largest=True), values, baselines)

    def mean_difference(
        self,
        cells: Cells,
        *,
        method: Method = "between_groups",
        reference: int | None = None,
        norm: Norm = "max",
    ) -> Array:
        """Return the mean absolute difference of a rate over all pairs of groups: 0 when all groups agree.

        Parameters
        ----------
        cells : mapping of str to array of shape (n_groups, ...)
            The confusion cells of each group.
        method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
            The mean over all pairs of groups; or over the groups, each compared with the overall rate or with
            a reference group.
        reference : int, optional
            Position of the reference group; needed by ``"to_reference"`` only.
        norm : {"max", "l1", "l2"}, default="max"
            As in :meth:`difference`, for every pair.

        Returns
        -------
        array
            The disparity; NaN if fewer than two groups have the rate, or one of several rates.

        Notes
        -----
        ``mean_ab |d_ab|`` over the pairs of groups that have a rate in common, where :meth:`difference` is
        the largest: with two groups both are the same. Every pair counts the same, however large its groups
        are.
        """
        check_choice("norm", norm, Norm)
        values, baselines = self._rates_and_baselines(cells, method, reference)
        if method == "between_groups" and len(values) == 1:
            return _known(_mean_gap(values[0]), values, baselines)
        total, n_pairs = _zeros(values[0]), 0.0
        for pair in _pairs(values, baselines, reference):
            distance, is_compared = _distance(*pair, norm)
            total, n_pairs = distance.sum(0) + total, is_compared.sum(0) + n_pairs
        return _known(total / (n_pairs + (n_pairs == 0)), values, baselines)

    def ratio(
        self, cells: Cells, *, method: Method = "between_groups", reference: int | None = None
    ) -> Array:
        """Return the smallest ratio of a rate: 1 when all groups agree, 0 when one has none of it.

        It is the largest ``r`` for which every rate is at least ``r`` times the one it is compared with,
        so that two rates of zero have the ratio 1.

        Parameters
        ----------
        cells : mapping of str to array of shape (n_groups, ...)
            The confusion cells of each group.
        method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
            As in :meth:`difference`.
        reference : int, optional
            Position of the reference group; needed by ``"to_reference"`` only.

        Returns
        -------
        array
            The disparity; NaN if fewer than two groups have the rate, or one of several rates.

        Raises
        ------
        ValueError
            If a rate can be negative, for its numerator subtracts: it has no such ratio.
        """
        self.check_ratio()
        values, baselines = self._rates_and_baselines(cells, method, reference)
        self._refuse_negative(values)
        ratios = []
        for each, baseline in zip(values, baselines, strict=True):
            if baseline is None:
                largest, smallest = _extreme(each, largest=True), _extreme(each, largest=False)
                ratios.append(_smaller_over_larger(smallest, largest))
            else:
                ratio = _smaller_over_larger(_defined(each, baseline), baseline)
                ratios.append(_extreme(ratio, largest=False))
        return _known(_extreme(ratios, largest=False), values, baselines)

    def worst_group(self, cells: Cells) -> Array:
        """Return the rate of the group that is worst off.

        Parameters
        ----------
        cells : mapping of str to array of shape (n_groups, ...)
            The confusion cells of each group.

        Returns
        -------
        array
            The smallest rate, or the largest if a lower rate is better.

        Raises
        ------
        ValueError
            If the constraint has several rates.
        """
        self.check_comparison("worst_group")
        (rate,) = self.rates
        return _extreme(rate(cells), largest=rate.lower_is_better)

    def compare(
        self,
        cells: Cells,
        comparison: Comparison = "difference",
        *,
        method: Method = "between_groups",
        reference: int | None = None,
        norm: Norm = "max",
    ) -> Array:
        """Evaluate the comparison of that name.

        Parameters
        ----------
        cells : mapping of str to array of shape (n_groups, ...)
            The confusion cells of each group.
        comparison : {"difference", "ratio", "worst_group", "mean_difference"}, default="difference"
            Which comparison.
        method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
            As in :meth:`difference`.
        reference : int, optional
            Position of the reference group; needed by ``"to_reference"`` only.
        norm : {"max", "l1", "l2"}, default="max"
            As in :meth:`difference`; of differences only.

        Returns
        -------
        array
            What the method of that name returns.
        """
        self.check_comparison(comparison, method, norm)
        if comparison == "worst_group":
            return self.worst_group(cells)
        if comparison == "ratio":
            return self.ratio(cells, method=method, reference=reference)
        compare = self.difference if comparison == "difference" else self.mean_difference
        return compare(cells, method=method, reference=reference, norm=norm)

    def check_comparison(
        self, comparison: Comparison, method: Method = "between_groups", norm: Norm = "max"
    ) -> None:
        """Refuse a comparison that does not exist, or that this constraint does not have.

        Parameters
        ----------
        comparison : {"difference", "ratio", "worst_group", "mean_difference"}
            Which comparison.
        method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
            What every group is compared with.
        norm : {"max", "l1", "l2"}, default="max"
            How several rates become one number.

        Raises
        ------
        ValueError
            If a word is none of these, or the comparison is not defined for these rates.
        """
        check_choice("comparison", comparison, Comparison)
        check_choice("method", method, Method)
        check_choice("norm", norm, Norm)
        if comparison == "worst_group" and method != "between_groups":
            raise ValueError(f"worst_group is a rate and compares with nothing: leave out {method=}.")
        if comparison == "worst_group" and len(self.rates) != 1:
            raise ValueError(
                f"The worst group of {self.name!r} is not defined: it has {len(self.rates)} rates. "
                "Use a constraint with a single rate."
            )
        if comparison == "ratio":
            self.check_ratio()
        if comparison not in ("difference", "mean_difference") and norm != "max":
            raise ValueError(
                f"norm={norm!r} adds up differences in several rates: leave it out with {comparison=}."
            )

    def check_ratio(self) -> None:
        """Refuse to compare by ratio if a rate can be negative."""
        for rate in self.rates:
            # Amounts may be negative or not: their means are looked at when they are known.
            coefficients = rate.coefficients if isinstance(rate, MeanRate) else rate.numerator_coefficients
            if min(coefficients) < 0:
                raise ValueError(
                    f"The ratio of {self.name!r} is not defined: {rate.name!r} can be negative, for its "
                    f"numerator, {(rate.of if isinstance(rate, MeanRate) else rate.numerator)!r}, subtracts. "
                    "Use the difference."
                )

    def _refuse_negative(self, values: list[Array]) -> None:
        """Refuse the ratio of means of amounts of which one is negative."""
        for rate, each in zip(self.rates, values, strict=True):
            if isinstance(rate, MeanRate) and rate.can_be_negative and bool((each < 0).any()):
                raise ValueError(
                    f"The ratio of {self.name!r} is not defined here: {rate.name!r} is negative in a group. "
                    "Use the difference."
                )

    def check_max_difference(self, bound: float) -> float:
        """Return a bound on the difference; refuse one above 1 if the rates lie between 0 and 1.

        Parameters
        ----------
        bound : float
            The largest difference that is tolerated.

        Returns
        -------
        float
            The bound.
        """
        if bound > 1 and all(rate.is_share for rate in self.rates):
            raise ValueError(
                f"max_difference={bound:g} bounds nothing: the rates of {self.name} lie between 0 and 1. "
                "Five percentage points are 0.05."
            )
        return bound

    def _rates_and_baselines(
        self, cells: Cells, method: Method, reference: int | None
    ) -> tuple[list[Array], list[Array]]:
        """Return every rate of the groups, and what they are compared with (None: each other)."""
        check_choice("method", method, Method)
        values = [rate(cells) for rate in self.rates]
        if method == "between_groups":
            return values, [None] * len(values)
        if method == "to_overall":
            total = {cell: sums.sum(0) for cell, sums in cells.items()}
            return values, [rate(total) for rate in self.rates]
        if reference is None:
            raise ValueError('method="to_reference" needs a reference group.')
        return values, [each[reference] for each in values]


def _pairs(
    values: list[Array], baselines: list[Array], reference: int | None
) -> Iterator[tuple[list[Array], list[Array]]]:
    """Yield pairs of groups, many at once: every rate of the first ones, and of the second ones."""
    n_groups = len(values[0])
    if baselines[0] is not None:
        others = [g for g in range(n_groups) if g != reference]
        if others:
            yield [each[others] for each in values], baselines
        return
    for shift in range(1, n_groups):
        yield [each[shift:] for each in values], [each[:-shift] for each in values]


def _zeros(values: Array) -> Array:
    """Return zeros in the library of some rates, whose groups are summed out; NaN times 0 would be NaN."""
    return _where(values == values, 0.0 * values, 0.0).sum(0)


def _distance(first: list[Array], second: list[Array], norm: Norm) -> tuple[Array, Array]:
    """Return the norm of the differences in all rates, pair by pair, and whether anything is compared.

    A rate that one of two groups does not have adds nothing.
    """
    gaps, compared = [], 0
    for one, other in zip(first, second, strict=True):
        both = (one == one) & (other == other)
        gaps.append(abs(_where(both, one, 0.0) - _where(both, other, 0.0)))
        compared = both | compared
    if norm == "l1":
        return sum(gaps[1:], start=gaps[0]), compared
    if norm == "l2" and len(gaps) > 1:
        return sum(gap * gap for gap in gaps) ** 0.5, compared
    return _extreme(gaps, largest=True), compared


def _mean_gap(values: Array) -> Array:
    """Return the mean of ``|a - b|`` over all pairs of values, passing over undefined (NaN) ones.

    In rising order the i-th of n values is the larger one of i pairs, and the smaller one of n - 1 - i: it is
    added 2 i + 1 - n times. One sort replaces a loop over pairs.
    """
    n = sum((value == value) * 1 for value in values)
    ordered = np.sort(values, axis=0) if isinstance(values, np.ndarray) else values.sort(0).values  # NaN last
    terms = (_where(value == value, value, 0.0) * (2 * i + 1 - n) for i, value in enumerate(ordered))
    n_pairs = n * (n - 1) / 2
    return sum(terms) / (n_pairs + (n_pairs == 0))


def _known(result: Array, values: list[Array], baselines: list[Array]) -> Array:
    """Return NaN where one of the rates compares nothing: what is left out is not parity."""
    for each, baseline in zip(values, baselines, strict=True):
        result = _undefined_alone(result, each)
        if baseline is not None:
            result = _where(baseline == baseline, result, float("nan"))
    return result


def _undefined_alone(result: Array, values: Array) -> Array:
    """A comparison of fewer than two defined rates compares nothing: NaN instead of perfect parity."""
    defined = sum((value == value) * 1 for value in values)
    return _where(defined >= 2, result, float("nan"))


def _defined(values: Array, baseline: Array) -> Array:
    """Let the undefined rates equal their baseline: they then differ by nothing, and pass no gradient."""
    return _where(values == values, values, baseline)


def check_choice(name: str, value: Any, choices: Any, hint: str = "") -> None:
    """Refuse a value that is not among those of a ``Literal``, or a ``Literal`` or None; whatever it is."""
    allowed = _allowed(choices)
    # An array has no truth value, so that it must not be compared with a text.
    if not isinstance(value, tuple(map(type, allowed))) or value not in allowed:
        listed = ", ".join(map(repr, allowed))
        raise ValueError(f"{name} must be one of {listed}; got {_brief(value)}.{hint}")


def _allowed(choices: Any) -> list[Any]:
    """Return the values of a ``Literal``, or of a union of it and None."""
    if choices is type(None):
        return [None]
    parts = get_args(choices)
    return [value for part in parts for value in _allowed(part)] if parts else [choices]


def _brief(value: Any) -> str:
    """Write a value in a message, its first characters if it is long."""
    return f"{type(value).__name__}" if getattr(value, "shape", ()) else f"{value!r:.100}"


_ALL_RATES = (
    Rate("selection_rate", "tp+fp", "n"),
    Rate("true_positive_rate", "tp", "tp+fn"),
    Rate("false_positive_rate", "fp", "fp+tn", lower_is_better=True),
    Rate("true_negative_rate", "tn", "fp+tn"),
    Rate("false_negative_rate", "fn", "tp+fn", lower_is_better=True),
    Rate("accuracy", "tp+tn", "n"),
    Rate("error_rate", "fp+fn", "n", lower_is_better=True),
    Rate("precision", "tp", "tp+fp"),
    Rate("false_discovery_rate", "fp", "tp+fp", lower_is_better=True),
    Rate("negative_predictive_value", "tn", "tn+fn"),
    Rate("false_omission_rate", "fn", "tn+fn", lower_is_better=True),
    Rate("f1", "2*tp", "2*tp+fp+fn"),
    Rate("false_negatives_per_false_positive", "fn", "fp", lower_is_better=True),
    Rate("base_rate", "tp+fn", "n"),
)

_ALL_MEAN_RATES = (
    MeanRate("mean_prediction", "prediction"),
    MeanRate("mean_error", "prediction-target"),
    MeanRate("mean_absolute_error", "over+under", lower_is_better=True),
    MeanRate("mean_squared_error", "squared_error", lower_is_better=True),
    MeanRate("root_mean_squared_error", "squared_error", lower_is_better=True, root=True),
)

#: The built-in means of amounts by name.
AMOUNT_RATES: Mapping[str, MeanRate] = {rate.name: rate for rate in _ALL_MEAN_RATES}

#: The built-in rates by name.
RATES: Mapping[str, Rate] = {rate.name: rate for rate in _ALL_RATES}


def _closest(name: str, names: Iterable[str]) -> str:
    names = list(names)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{hint} Built in: {', '.join(names)}."


#: What others call some of the rates.
_ALSO_CALLED = {
    "recall": "true_positive_rate",
    "sensitivity": "true_positive_rate",
    "specificity": "true_negative_rate",
    "tpr": "true_positive_rate",
    "fpr": "false_positive_rate",
    "tnr": "true_negative_rate",
    "fnr": "false_negative_rate",
    "ppv": "precision",
    "npv": "negative_predictive_value",
    "fdr": "false_discovery_rate",
    "for": "false_omission_rate",
}


def f_beta(beta: float) -> Rate:
    """Return the F-beta score as a rate: recall counts ``beta`` times as much as precision.

    Parameters
    ----------
    beta : float
        The weight of recall, above 0.

    Returns
    -------
    Rate
        The rate, called such as ``"f2"``.

    See Also
    --------
    get_rate : Looks it up by a name such as ``"f0.5"``.

    Examples
    --------
    >>> from fairsk.rates import f_beta
    >>> f_beta(2).denominator
    '5*tp+4*fn+fp'
    """
    square = float(beta) ** 2
    return Rate(f"f{beta:g}", f"{1 + square:.12g}*tp", f"{1 + square:.12g}*tp+{square:.12g}*fn+fp")


def get_rate(rate: Rate | str) -> Rate:
    """Look up a built-in rate by name; a :class:`Rate` is returned as it is.

    The names are those of :data:`RATES`, ``"recall"``, ``"sensitivity"`` and ``"specificity"``, abbreviations
    such as ``"tpr"`` and ``"ppv"``, and ``"f2"``, ``"f0.5"`` and so on for :func:`f_beta`.

    Parameters
    ----------
    rate : str or Rate
        The name, or the rate itself.

    Returns
    -------
    Rate
        The rate.

    Raises
    ------
    ValueError
        If there is no rate of that name.
    TypeError
        If it is a constraint.

    See Also
    --------
    get_constraint : The same for constraints.
    f_beta : F scores.

    Examples
    --------
    >>> from fairsk.rates import get_rate
    >>> get_rate("recall").numerator, get_rate("recall").denominator
    ('tp', 'tp+fn')
    """
    if isinstance(rate, Rate):
        return rate
    if isinstance(rate, Constraint):
        names = " and ".join(repr(part.name) for part in rate.rates)
        raise TypeError(f"{rate.name!r} is a constraint, not a rate: it asks that {names} agree. Name one.")
    rate = _ALSO_CALLED.get(rate, rate)
    score = re.fullmatch(r"f(\d+(?:\.\d+)?)", str(rate))
    if score and rate not in RATES and float(score[1]) > 0:
        return f_beta(float(score[1]))
    if rate not in RATES:
        constraint = CONSTRAINTS.get(_CONSTRAINTS_ALSO_CALLED.get(rate, rate))
        if constraint is not None:
            names = " and ".join(repr(part.name) for part in constraint.rates)
            raise ValueError(
                f"{rate!r} is a criterion, not a rate: it asks that {names} agree. Name the rate."
            )
        raise ValueError(f"Unknown rate {_brief(rate)}.{_closest(str(rate)[:100], [*RATES, *_ALSO_CALLED])}")
    return RATES[rate]


def _any_rate(rate: Any) -> Rate | MeanRate:
    """Look up a rate of decisions or a mean of amounts."""
    if isinstance(rate, str) and rate in AMOUNT_RATES:
        return AMOUNT_RATES[rate]
    return get_rate(rate)


_HARDT = "Hardt, Price & Srebro, Equality of Opportunity in Supervised Learning, NeurIPS 2016"
_CHOULDECHOVA = "Chouldechova, Fair Prediction with Disparate Impact, Big Data 5(2), 2017"
_BERK = (
    "Berk et al., Fairness in Criminal Justice Risk Assessments, Sociological Methods & Research 50(1), 2021"
)

_ALL_CONSTRAINTS = (
    Constraint(
        "demographic_parity",
        ("selection_rate",),
        "Every group is selected (predicted positive) equally often.",
        "Calders, Kamiran & Pechenizkiy, Building Classifiers with Independency Constraints, ICDMW 2009",
    ),
    Constraint(
        "equal_opportunity",
        ("true_positive_rate",),
        "Those who merit the positive outcome receive it equally often in every group.",
        _HARDT,
    ),
    Constraint(
        "predictive_equality",
        ("false_positive_rate",),
        "Those who do not merit the positive outcome receive it equally often in every group.",
        "Corbett-Davies et al., Algorithmic Decision Making and the Cost of Fairness, KDD 2017",
    ),
    Constraint(
        "equalized_odds",
        ("true_positive_rate", "false_positive_rate"),
        "Both the true and the false positive rate agree between groups.",
        _HARDT,
    ),
    Constraint(
        "error_rate_parity",
        ("error_rate",),
        "Decisions are wrong equally often in every group.",
        _BERK,
    ),
    Constraint(
        "accuracy_parity",
        ("accuracy",),
        "Decisions are right equally often in every group.",
        _BERK,
    ),
    Constraint(
        "predictive_parity",
        ("precision",),
        "A positive prediction is right equally often in every group.",
        _CHOULDECHOVA,
    ),
    Constraint(
        "false_omission_parity",
        ("false_omission_rate",),
        "A negative prediction is wrong equally often in every group.",
        _BERK,
    ),
    Constraint(
        "false_negative_parity",
        ("false_negative_rate",),
        "Those who merit the positive outcome are missed equally often in every group.",
        _CHOULDECHOVA,
    ),
    Constraint(
        "treatment_equality",
        ("false_negatives_per_false_positive",),
        "The two kinds of error stand in the same proportion in every group.",
        _BERK,
    ),
    Constraint(
        "f1_parity",
        ("f1",),
        "The F1 score agrees between groups.",
        "van Rijsbergen, Information Retrieval, 1979, for the score",
    ),
)

#: The built-in constraints by name.
CONSTRAINTS: Mapping[str, Constraint] = {constraint.name: constraint for constraint in _ALL_CONSTRAINTS}


#: What others call some of the constraints.
_CONSTRAINTS_ALSO_CALLED = {
    "disparate_impact": "demographic_parity",
    "statistical_parity": "demographic_parity",
}


def get_constraint(constraint: Constraint | str) -> Constraint:
    """Look up a built-in constraint by name; a :class:`Constraint` is returned as it is.

    The names are those of :data:`CONSTRAINTS`, and ``"disparate_impact"`` and ``"statistical_parity"`` for
    ``"demographic_parity"``. Disparate impact is usually judged by the ratio: ``comparison="ratio"``.

    Parameters
    ----------
    constraint : str or Constraint
        The name, or the constraint itself.

    Returns
    -------
    Constraint
        The constraint.

    Raises
    ------
    ValueError
        If there is no constraint of that name.
    TypeError
        If it is neither a name nor a constraint.

    See Also
    --------
    get_rate : The same for rates.
    fairsk.metrics.disparity : Measures a constraint.

    Examples
    --------
    >>> from fairsk.rates import get_constraint
    >>> [rate.name for rate in get_constraint("equalized_odds").rates]
    ['true_positive_rate', 'false_positive_rate']
    """
    if isinstance(constraint, Constraint) and not constraint.is_of_amounts:
        return constraint
    if isinstance(constraint, Constraint) or constraint in AMOUNT_CONSTRAINTS:
        name = getattr(constraint, "name", constraint)
        raise ValueError(
            f"{name!r} is about predicted amounts, and here are decisions: it is for ConstrainedRegressor, "
            "and for scores of regressors."
        )
    if not isinstance(constraint, str):
        hint = ""
        if isinstance(constraint, Rate):
            hint = f" To ask that the rate agrees between groups: Constraint({constraint.name!r}, rate)."
        raise TypeError(f"constraint must be a name or a fairsk.Constraint, got {_brief(constraint)}.{hint}")
    constraint = _CONSTRAINTS_ALSO_CALLED.get(constraint, constraint)
    if constraint not in CONSTRAINTS:
        rate = constraint.removesuffix("_parity")  # as others name constraints on a rate
        same = [other for other in CONSTRAINTS.values() if rate in RATES and other.rates == (RATES[rate],)]
        hint = f" Did you mean {same[0].name!r}?" if same else _closest(constraint[:100], CONSTRAINTS)
        raise ValueError(f"Unknown constraint {_brief(constraint)}.{hint}")
    return CONSTRAINTS[constraint]


_AGARWAL = (
    "Agarwal, Dudik & Wu, Fair Regression: Quantitative Definitions and Reduction-Based Algorithms, ICML 2019"
)

_ALL_AMOUNT_CONSTRAINTS = (
    Constraint(
        "mean_parity",
        ("mean_prediction",),
        "The predicted amounts are equally high on average in every group.",
        "Calders, Karim, Kamiran, Ali & Zhang, Controlling Attribute Effect in Linear Regression, ICDM 2013",
    ),
    Constraint(
        "mean_error_parity",
        ("mean_error",),
        "Amounts are over- or underestimated by as much on average in every group.",
        "Calders, Karim, Kamiran, Ali & Zhang, Controlling Attribute Effect in Linear Regression, ICDM 2013",
    ),
    Constraint(
        "error_parity",
        ("mean_squared_error",),
        "The mean squared error agrees between groups.",
        _AGARWAL,
    ),
    Constraint(
        "absolute_error_parity",
        ("mean_absolute_error",),
        "The mean absolute error agrees between groups.",
        _AGARWAL,
    ),
)

#: The built-in constraints on amounts by name.
AMOUNT_CONSTRAINTS: Mapping[str, Constraint] = {each.name: each for each in _ALL_AMOUNT_CONSTRAINTS}


def get_amount_constraint(constraint: Constraint | MeanRate | str) -> Constraint:
    """Look up a built-in constraint on amounts by name; one of your own is returned as it is.

    Parameters
    ----------
    constraint : str, Constraint or MeanRate
        A name out of :data:`AMOUNT_CONSTRAINTS`, the constraint itself, or the mean that should agree.

    Returns
    -------
    Constraint
        The constraint, whose rates are :class:`MeanRate`.

    Raises
    ------
    ValueError
        If there is no constraint on amounts of that name, or it is about decisions.
    TypeError
        If it is none of these.

    See Also
    --------
    get_constraint : The same for decisions.

    Examples
    --------
    >>> from fairsk.rates import get_amount_constraint
    >>> get_amount_constraint("mean_parity").rates[0].of
    'prediction'
    """
    if isinstance(constraint, MeanRate):
        return Constraint(f"{constraint.name}_parity", constraint)
    if isinstance(constraint, Constraint) and constraint.is_of_amounts:
        return constraint
    if isinstance(constraint, Constraint) or constraint in CONSTRAINTS:
        name = getattr(constraint, "name", constraint)
        raise ValueError(
            f"{name!r} is about decisions, and here are predicted amounts: those have "
            f"{', '.join(AMOUNT_CONSTRAINTS)}, or a Constraint of fairsk.rates.MeanRate."
        )
    if not isinstance(constraint, str):
        raise TypeError(f"constraint must be a name or a fairsk.Constraint, got {_brief(constraint)}.")
    if constraint not in AMOUNT_CONSTRAINTS:
        raise ValueError(
            f"Unknown constraint {_brief(constraint)}.{_closest(constraint[:100], AMOUNT_CONSTRAINTS)}"
        )
    return AMOUNT_CONSTRAINTS[constraint]
