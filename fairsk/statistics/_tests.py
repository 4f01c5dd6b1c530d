"""Tests of equal rates: the chi-square test, a permutation test of each group, and tests of two groups."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group
from fairsk._core.messages import list_labels
from fairsk._core.results import Backend, Result, Table, number, p_value
from fairsk._core.typing import Floats, RandomStateLike
from fairsk._core.validation import check_choice, generator
from fairsk.rates import CELLS, Constraint, Rate, get_rate
from fairsk.statistics._multiplicity import adjust_p_values
from fairsk.statistics._pairs import equality_z, two_sided
from fairsk.statistics._proportions import as_constraint, need_share, refuse_strata, takes_counts
from fairsk.statistics._resampling import check_resamples

__all__ = [
    "MaxZTest",
    "OmnibusTest",
    "TwoGroupMethod",
    "TwoGroupTest",
    "max_z_test",
    "omnibus_test",
    "two_group_test",
]

TwoGroupMethod: TypeAlias = Literal["pooled_z", "mid_p", "fisher"]

#: What a result says when a test that counts whole rows was given weighted ones.
_ROUNDED = "Weighted rows: counts were scaled to effective sizes and rounded to whole rows."

#: Of more outcomes than this the exact law is the normal one to more digits than anybody reads.
_MOST_OUTCOMES = 2**20
#: More rows than this are not counted one by one, for floats do not tell them apart.
_MOST_ROWS = 2**53


def _rounded(p: Floats, n: Floats) -> tuple[Any, Any, str]:
    """Return the effective parts and sizes as whole numbers, and a note if they were not."""
    sizes = np.rint(n).astype(np.int64)
    parts = np.where(n > 0, p * n, 0.0)
    whole = np.rint(parts).astype(np.int64)
    exact = np.allclose(parts, whole, atol=1e-6) and np.allclose(n, sizes, atol=1e-6)
    return np.minimum(whole, sizes), sizes, "" if exact else _ROUNDED


@dataclass(frozen=True, eq=False, repr=False)
class OmnibusTest(Result):
    """The chi-square test that all groups have the same rate, for each rate of a constraint.

    Parameters
    ----------
    rates : tuple of str
        The rates.
    statistics, degrees_of_freedom, p_values : array of shape (n_rates,)
        Chi-square, the number of groups that have the rate minus one, and the p-value of each; NaN where
        fewer than two groups have the rate.
    p_value : float
        That of all rates together: the smallest one times the number of rates (Bonferroni).
    """

    rates: tuple[str, ...]
    statistics: Floats
    degrees_of_freedom: Floats
    p_values: Floats
    p_value: float
    library: Backend | None = None

    def _tables(self) -> list[Table]:
        columns = {
            "rate": list(self.rates),
            "chi_square": self.statistics.tolist(),
            "df": self.degrees_of_freedom.astype(int).tolist(),
            "p": self.p_values.tolist(),
        }
        text = {
            "rate": columns["rate"],
            "chi_square": [number(value, 2) for value in columns["chi_square"]],
            "df": list(map(number, columns["df"])),
            "p": list(map(p_value, columns["p"])),
        }
        joint = f"All rates together: p = {p_value(self.p_value)} (Bonferroni)."
        return [Table(columns, text, notes=[joint] if len(self.rates) > 1 else [])]


@takes_counts
def omnibus_test(counts: GroupCounts, constraint: Constraint | Rate | str) -> OmnibusTest:
    """Test that all groups have the same rate, by the chi-square test of homogeneity.

    Parameters
    ----------
    counts : GroupCounts
        The table of counts, without strata.
    constraint : str, Constraint or Rate
        The rate, or the rates that should agree; each must be a share, or a function of one as F1 is.

    Returns
    -------
    OmnibusTest
        Chi-square, degrees of freedom and p-value of each rate, and a p-value for all rates together.

    Raises
    ------
    ValueError
        If a rate is no function of one share of rows, or the counts have strata.

    See Also
    --------
    max_z_test : Which of the groups differ from the others.
    two_group_test : The test of two groups.
    verdict : A disparity against a tolerance.

    Notes
    -----
    With p_g the share of the n_g rows of group g and P the share of all, chi-square is the sum over groups
    of n_g (p_g - P)^2 / (P (1 - P)). Weighted rows count by their effective number. Groups without the rate
    are passed over with a warning; if no rows or all rows count for the rate, the groups agree and p is 1.

    A small p says: differences like these are rare among groups that have equal rates. A large one does not
    say that rates are equal: see :func:`fairsk.statistics.verdict`.

    References
    ----------
    .. [1] Pearson, On the Criterion that a Given System of Deviations ... Can Be Reasonably Supposed to Have
       Arisen from Random Sampling, Philosophical Magazine 50, 1900.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.statistics import omnibus_test
    >>> y_pred = np.repeat([1, 0, 1, 0, 1, 0], [60, 40, 45, 55, 25, 25])
    >>> group = np.repeat(["a", "b", "c"], [100, 100, 50])
    >>> counts = GroupCounts.from_predictions(y_pred, y_pred, sensitive_features=group)
    >>> print(omnibus_test(counts, "demographic_parity"))
    rate            chi_square  df      p
    -------------------------------------
    selection_rate        4.61   2  0.100
    """
    refuse_strata(counts, "A test of groups")
    constraint = as_constraint(constraint)
    statistics, freedom = [], []
    shares = [need_share(rate, "The chi-square test") for rate in constraint.rates]
    counts.warn_undefined(*constraint.rates, fewest=2)
    for share in shares:
        p, n = share.effective(counts)
        p, n = p[n > 0], n[n > 0]
        freedom.append(max(len(n) - 1, 0))
        if len(n) < 2:
            statistics.append(float("nan"))
            continue
        pooled = float(np.average(p, weights=n))
        spread = float(np.sum(n * (p - pooled) ** 2))
        statistics.append(spread / (pooled * (1 - pooled)) if spread > 0 else 0.0)
    p_values = np.array(
        [chdtrc(df, value) if df else float("nan") for df, value in zip(freedom, statistics, strict=True)]
    )
    return OmnibusTest(
        rates=tuple(rate.name for rate in constraint.rates),
        statistics=np.array(statistics),
        degrees_of_freedom=np.array(freedom, dtype=float),
        p_values=p_values,
        p_value=float(np.fmin.reduce(adjust_p_values(p_values, "bonferroni"))),
        library=counts.library,
    )


@dataclass(frozen=True, eq=False, repr=False)
class MaxZTest(Result):
    """The permutation test that no group differs from the others. Prints and renders itself.

    Parameters
    ----------
    rate : str
        Which rate.
    groups : tuple of length n_groups
        Group labels.
    z : array of shape (n_groups,)
        How many standard errors each group lies above (or below) all others; NaN without the rate.
    adjusted_p_values : array of shape (n_groups,)
        The probability that the largest z of all groups is that large if rates are equal.
    p_value : float
        The smallest of them: the test that all groups are equal.
    note : str
        What was done to weighted rows, if there were any.
    """

    rate: str
    groups: tuple[Hashable, ...]
    z: Floats
    adjusted_p_values: Floats
    p_value: float
    note: str = ""
    library: Backend | None = None

    def _tables(self) -> list[Table]:
        columns = {
            "group": list(map(format_group, self.groups)),
            "z": self.z.tolist(),
            "adjusted_p": self.adjusted_p_values.tolist(),
        }
        text = {
            "group": columns["group"],
            "z": [number(z, 2) for z in columns["z"]],
            "adjusted_p": list(map(p_value, columns["adjusted_p"])),
        }
        notes = [f"All groups together, {self.rate}: p = {p_value(self.p_value)}.", self.note]
        return [Table(columns, text, notes=list(filter(None, notes)))]


@takes_counts
def max_z_test(
    counts: GroupCounts,
    rate: Rate | str,
    *,
    n_resamples: int = 10_000,
    random_state: RandomStateLike = None,
) -> MaxZTest:
    """Test which groups differ from the others, by permuting who belongs to which group.

    Parameters
    ----------
    counts : GroupCounts
        The table of counts, without strata.
    rate : str or Rate
        A share, or a function of one as F1 is.
    n_resamples : int, default=10_000
        How many permutations are drawn; no p-value is below 1 / (n_resamples + 1).
    random_state : int, Generator, RandomState or None, default=None
        Seed of the draws.

    Returns
    -------
    MaxZTest
        The z and adjusted p-value of each group, and the p-value of all groups together.

    Raises
    ------
    ValueError
        If the rate is no function of one share of rows, or the counts have strata.

    See Also
    --------
    omnibus_test : The test that all groups are equal.
    contrasts : Each group against a baseline, with intervals.

    Notes
    -----
    A permutation of the rows deals those that count for the rate out to the groups at random. How many each
    group receives follows the multivariate hypergeometric law, so one draw of it is one permutation and no
    row is needed. A group's adjusted p-value is the share of draws, the data among them, whose largest
    absolute z of all groups is at least its own [1]_. Groups depend on each other, and this takes it into
    account: it finds more than Bonferroni does. Weighted rows count by their effective number, rounded to
    whole rows.

    A small adjusted p says: this group differs from the others more than any group would if rates were equal.

    References
    ----------
    .. [1] Westfall & Young, Resampling-Based Multiple Testing, Wiley, 1993.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.statistics import max_z_test
    >>> y_pred = np.repeat([1, 0, 1, 0, 1, 0], [60, 40, 45, 55, 25, 25])
    >>> group = np.repeat(["a", "b", "c"], [100, 100, 50])
    >>> counts = GroupCounts.from_predictions(y_pred, y_pred, sensitive_features=group)
    >>> result = max_z_test(counts, "selection_rate", random_state=0)
    >>> result.z.round(2)
    array([ 2.07, -1.81, -0.32])
    >>> print(f"{result.p_value:.2f}")
    0.12
    """
    rate = get_rate(rate)
    refuse_strata(counts, "A test of groups")
    check_resamples(n_resamples)
    p, n = need_share(rate, "The permutation test").effective(counts)
    counts.warn_undefined(rate, fewest=2)
    parts, sizes, note = _rounded(p, n)
    measured = sizes > 0
    z, adjusted = np.full((2, len(n)), np.nan)
    if measured.sum() > 1:
        parts, sizes = parts[measured], sizes[measured]
        z[measured] = _z_against_rest(parts, sizes)
        # The law of z hardly changes beyond so many rows, and the generator does not take more.
        shrink = max(1.0, sizes.sum() / 5e8)
        table_sizes = np.maximum(np.rint(sizes / shrink), 1).astype(np.int64)
        tables = generator(random_state).multivariate_hypergeometric(
            table_sizes, int(np.rint(parts.sum() / shrink)), size=n_resamples, method="marginals"
        )
        largest = np.sort(np.abs(_z_against_rest(tables, table_sizes)).max(1))
        # Equal tables give equal z up to rounding, and must count as such.
        beyond = n_resamples - np.searchsorted(largest, np.abs(z[measured]) - 1e-9)
        adjusted[measured] = (1 + beyond) / (1 + n_resamples)
    return MaxZTest(
        rate=rate.name,
        groups=counts.groups,
        z=z,
        adjusted_p_values=adjusted,
        p_value=float(np.fmin.reduce(adjusted)),
        note=note,
        library=counts.library,
    )


def _z_against_rest(parts: NDArray[np.int64], sizes: NDArray[np.int64]) -> Floats:
    """Return z of each group (last axis) against all others: that of the pooled two-sample test."""
    total = sizes.sum()
    pooled = parts.sum(-1, keepdims=True) / total
    spread = np.sqrt(pooled * (1 - pooled) * sizes * (1 - sizes / total))
    excess = parts - sizes * pooled
    return np.divide(excess, spread, out=np.zeros_like(excess), where=spread > 0)


@dataclass(frozen=True, eq=False, repr=False)
class TwoGroupTest(Result):
    """The test that two groups have the same rate. Prints and renders itself.

    Parameters
    ----------
    rate : str
        Which rate.
    method : {"pooled_z", "mid_p", "fisher"}
        Which test.
    groups : tuple of two labels
        The groups.
    rates : array of shape (2,)
        Their rates.
    z : float
        The difference by its standard error at the pooled rate, whichever the method.
    p_value : float
        Two-sided; NaN if either rate cannot be measured.
    note : str
        What was done to weighted rows, if there were any.
    """

    rate: str
    method: TwoGroupMethod
    groups: tuple[Hashable, Hashable]
    rates: Floats
    z: float
    p_value: float
    note: str = ""
    library: Backend | None = None

    def _tables(self) -> list[Table]:
        columns = {"group": list(map(format_group, self.groups)), self.rate: self.rates.tolist()}
        notes = [f"z = {number(self.z, 2)}, {self.method}: p = {p_value(self.p_value)}.", self.note]
        return [Table(columns, notes=list(filter(None, notes)))]


@takes_counts
def two_group_test(
    counts: GroupCounts,
    rate: Rate | str,
    *,
    groups: Sequence[Hashable] | None = None,
    method: TwoGroupMethod = "pooled_z",
) -> TwoGroupTest:
    """Test that two groups have the same rate.

    Parameters
    ----------
    counts : GroupCounts
        The table of counts, without strata.
    rate : str or Rate
        Which rate; for ``"mid_p"`` and ``"fisher"`` a share, or a function of one as F1 is.
    groups : sequence of two labels, optional
        Which two groups; needed if there are more.
    method : {"pooled_z", "mid_p", "fisher"}, default="pooled_z"
        The normal test with the pooled rate; Fisher's exact test, which is conservative (it rejects at
        nominal .05 about .03 of equal pairs); or its mid-P variant, which is close to the nominal level.

    Returns
    -------
    TwoGroupTest
        The z and the two-sided p-value.

    Raises
    ------
    ValueError
        If there are not two groups to compare, the counts have strata, or an exact test is asked for a rate
        that is no function of one share of rows.

    See Also
    --------
    contrasts : The difference with its interval.
    omnibus_test : The test of more than two groups.

    Notes
    -----
    With k of all n rows counting for the rate, the k rows that fall to the first group follow the
    hypergeometric law if rates are equal. Fisher's p is the probability of all outcomes that are at most as
    probable as the one seen; mid-P counts those that are equally probable by half [1]_.
    Exact tests of weighted rows take the effective numbers, rounded to whole rows; the result says so.
    Where the law has more than a million outcomes, it is taken as normal.

    A small p says: a difference like this one is rare between two groups with equal rates.

    References
    ----------
    .. [1] Hirji, Tan & Elashoff, A Quasi-Exact Test for Comparing Two Binomial Proportions, Statistics in
       Medicine 10, 1991.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.statistics import two_group_test
    >>> y_pred = np.repeat([1, 0, 1, 0], [7, 3, 2, 8])
    >>> counts = GroupCounts.from_predictions(y_pred, y_pred, sensitive_features=np.repeat(["a", "b"], 10))
    >>> for method in ("pooled_z", "mid_p", "fisher"):
    ...     print(method, round(two_group_test(counts, "selection_rate", method=method).p_value, 3))
    pooled_z 0.025
    mid_p 0.038
    fisher 0.07
    """
    rate = get_rate(rate)
    refuse_strata(counts, "A test of groups")
    check_choice("method", method, TwoGroupMethod)
    pair = tuple(counts.groups if groups is None else groups)
    if len(pair) != 2 or not set(pair) <= set(counts.groups) or pair[0] == pair[1]:
        raise ValueError(f"Name two of the groups with groups=: {list_labels(counts.groups)}.")
    first, second = (_counts_of(counts, group) for group in pair)
    both = first + second
    both.warn_undefined(rate, fewest=2)
    z, note = float(equality_z(first, second, rate)[0]), ""
    p = float(two_sided(np.array(z)))
    if method != "pooled_z":
        shares, n = need_share(rate, "An exact test").effective(both)
        if np.isfinite(p) and n.sum() <= _MOST_ROWS:
            parts, sizes, note = _rounded(shares, n)
            p = _exact_p(parts, sizes, tie_weight=0.5 if method == "mid_p" else 1.0)
    return TwoGroupTest(
        rate=rate.name,
        method=method,
        groups=(pair[0], pair[1]),
        rates=np.array([rate(first.cells)[0], rate(second.cells)[0]]),
        z=z,
        p_value=p,
        note=note,
        library=counts.library,
    )


def _counts_of(counts: GroupCounts, group: Hashable) -> GroupCounts:
    """Return the counts of one group alone."""
    position = [counts.groups.index(group)]
    cells, squares = (
        {cell: table[cell][position] for cell in CELLS} for table in (counts.cells, counts.squares)
    )
    return GroupCounts([group], cells, squares, names=counts.names, labelled=counts.labelled)


def _exact_p(parts: NDArray[np.int64], sizes: NDArray[np.int64], tie_weight: float) -> float:
    """Return the probability of all less probable outcomes, plus that part of all equally probable ones."""
    total, k, n = int(sizes.sum()), int(parts.sum()), int(sizes[0])
    if not total:  # weights so small that no whole row is left of them tell nothing
        return 1.0
    # Outcomes further out are rarer than 1e-100; among millions of rows they are most of all outcomes.
    mean = k * n / total
    spread = np.sqrt(mean * (1 - n / total) * (1 - k / total))
    max_distance = 40 + 40 * spread
    if abs(parts[0] - mean) > max_distance:
        return 0.0
    lowest = max(0, n - (total - k), int(mean - max_distance))
    highest = min(k, n, int(mean + max_distance) + 1)
    if highest - lowest > _MOST_OUTCOMES:
        return float(two_sided((parts[0] - mean) / spread))
    probabilities = _hypergeometric(np.arange(lowest, highest + 1, dtype=float), total, k, n)
    observed = probabilities[int(parts[0]) - lowest]
    tied = np.isclose(probabilities, observed, rtol=1e-7, atol=0)  # equal up to rounding
    less_probable = probabilities[(probabilities < observed) & ~tied].sum()
    return float(min(1.0, less_probable + tie_weight * probabilities[tied].sum()))


def _hypergeometric(outcomes: Floats, total: int, k: int, n: int) -> Floats:
    """Return the probabilities of consecutive outcomes that hold all but a vanishing part of the law.

    Each is a simple ratio of the one before. Sums of their logarithms keep twelve digits where those of
    factorials lose them, and take a hundredth of the time of one probability after another.
    """
    before = outcomes[:-1]
    steps = (k - before) * (n - before) / ((before + 1) * (total - k - n + before + 1))
    logarithms = np.concatenate([[0.0], np.log(steps).cumsum()])
    probabilities = np.exp(logarithms - logarithms.max())
    return probabilities / probabilities.sum()
