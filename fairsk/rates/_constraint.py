"""Constraint: which rates should agree between groups, and how far they do not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fairsk.rates._arrays import Array, Cells, extreme, smaller_over_larger
from fairsk.rates._comparisons import (
    Comparison,
    Method,
    Norm,
    defined,
    group_pairs,
    known,
    mean_gap,
    pair_distance,
    zeros,
)
from fairsk.rates._mean_rate import MeanRate
from fairsk.rates._messages import check_choice
from fairsk.rates._named_rates import any_rate
from fairsk.rates._rate import Rate

__all__ = ["Constraint"]


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
        looked_up = tuple(rate if isinstance(rate, MeanRate) else any_rate(rate) for rate in given)
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
            gaps = [extreme(each, largest=True) - extreme(each, largest=False) for each in values]
        else:
            pairs = group_pairs(values, baselines, reference)
            gaps = [zeros(values[0])]  # a group alone makes no pair
            gaps += [extreme(pair_distance(*pair, norm)[0], largest=True) for pair in pairs]
        return known(extreme(gaps, largest=True), values, baselines)

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
            return known(mean_gap(values[0]), values, baselines)
        total, n_pairs = zeros(values[0]), 0.0
        for pair in group_pairs(values, baselines, reference):
            distance, is_compared = pair_distance(*pair, norm)
            total, n_pairs = distance.sum(0) + total, is_compared.sum(0) + n_pairs
        return known(total / (n_pairs + (n_pairs == 0)), values, baselines)

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
                largest, smallest = extreme(each, largest=True), extreme(each, largest=False)
                ratios.append(smaller_over_larger(smallest, largest))
            else:
                ratio = smaller_over_larger(defined(each, baseline), baseline)
                ratios.append(extreme(ratio, largest=False))
        return known(extreme(ratios, largest=False), values, baselines)

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
        return extreme(rate(cells), largest=rate.lower_is_better)

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
