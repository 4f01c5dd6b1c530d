"""Disparities inside strata: among people who are alike in what is held constant.

Groups that apply to different departments, live in different places or bring different qualifications can
differ in a rate although every department treats them alike, and the other way round (Simpson's paradox).
Everything here reads counts with strata (:class:`fairsk.metrics.GroupCounts`).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from scipy.stats import chi2

from fairsk.counts import GroupCounts
from fairsk.groups import format_group
from fairsk.rates import CELLS, RATES, Comparison, Constraint, Method, Rate, get_rate
from fairsk.statistics.intervals import check_confidence
from fairsk.tables import Backend, Table, Tabular, library_of, number, p_value, percent, rows
from fairsk.warn import warn_user

__all__ = [
    "ConditionalDemographicDisparity",
    "MantelHaenszel",
    "conditional_demographic_disparity",
    "disparity_within_strata",
    "mantel_haenszel_odds_ratio",
]

Array = NDArray[np.float64]


def disparity_within_strata(
    counts: GroupCounts,
    constraint: Constraint | str,
    comparison: Comparison = "difference",
    *,
    method: Method = "between_groups",
    reference: Hashable = None,
) -> float:
    """Measure a constraint's disparity inside every stratum, and average it over the strata by their size.

    Parameters
    ----------
    counts : GroupCounts
        The table of counts, with strata.
    constraint : str or Constraint
        Which rates should agree.
    comparison : {"difference", "ratio", "worst_group"}, default="difference"
        Largest difference, smallest ratio, or the rate of the worst group.
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        What every group of a stratum is compared with there.
    reference : hashable, optional
        Label of the reference group, for ``method="to_reference"``.

    Returns
    -------
    float
        The average disparity; NaN if it can be measured in no stratum.

    Raises
    ------
    ValueError
        If the counts have no strata.

    Warns
    -----
    UserWarning
        If a stratum has nothing to compare; it is passed over, and named.

    Notes
    -----
    ``sum_r n_r d_r / sum_r n_r`` over the strata r that have a disparity ``d_r``: how far apart groups are
    among people who are alike in what the strata hold constant.

    Examples
    --------
    >>> from fairsk.metrics import GroupCounts, disparity_within_strata
    >>> counts = GroupCounts.from_predictions(
    ...     [1, 0, 1, 0, 1, 0], [1, 0, 0, 0, 1, 1], sensitive_features=list("aabbab"), strata=list("xxxxyy")
    ... )
    >>> round(disparity_within_strata(counts, "demographic_parity"), 3)  # .5 in x and 0 in y
    0.333
    """
    _need_strata(counts)
    values = counts.compare(constraint, comparison, method=method, reference=reference)
    return float(_over_strata(counts, values, "groups cannot be compared"))


def _need_strata(counts: GroupCounts) -> tuple[Hashable, ...]:
    if counts.strata is None:
        raise ValueError("These counts have no strata: say with strata= what is held constant.")
    return counts.strata


def _over_strata(counts: GroupCounts, values: Array, reason: str) -> Array:
    """Average over the last axis by the strata's sizes; strata with NaN are passed over and named."""
    strata = _need_strata(counts)
    measured = ~np.isnan(values.reshape(-1, len(strata)).sum(0))
    if not measured.all():
        missing = [format_group(label) for label, known in zip(strata, measured, strict=True) if not known]
        warn_user(
            f"Passed over {len(missing)} of {len(strata)} strata, in which {reason}: {', '.join(missing)}."
        )
    if not measured.any():
        return np.full(values.shape[:-1], np.nan)
    return np.average(values[..., measured], axis=-1, weights=counts.n.sum(0)[measured])


# --- conditional demographic disparity ----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ConditionalDemographicDisparity(Tabular):
    """The demographic disparity of every group, over all rows and within strata.

    Parameters
    ----------
    groups : tuple
        Group labels.
    n : array of shape (n_groups,)
        The (weighted) number of rows of each group.
    unconditional : array of shape (n_groups,)
        Share of the rejected minus share of the accepted, over all rows.
    conditional : array of shape (n_groups,)
        The same inside every stratum, averaged over the strata by their size.
    strata : tuple
        Labels of the strata.
    library : str or None
        The library that :meth:`frame` makes a frame of.

    Examples
    --------
    Of counts, which add up over shards, days and sites:

    >>> from fairsk.metrics import ConditionalDemographicDisparity, GroupCounts
    >>> counts = GroupCounts.from_predictions(
    ...     [1, 0, 0, 1], [1, 0, 0, 1], sensitive_features=list("abab"), strata=list("xxyy"))
    >>> found = ConditionalDemographicDisparity.from_counts(counts)
    >>> found.unconditional, found.conditional
    (array([0., 0.]), array([0., 0.]))
    """

    groups: tuple[Hashable, ...]
    n: Array
    unconditional: Array
    conditional: Array
    strata: tuple[Hashable, ...]
    library: Backend | None = None

    @classmethod
    def from_counts(cls, counts: GroupCounts) -> ConditionalDemographicDisparity:
        """Measure it on a table of counts with strata."""
        strata = _need_strata(counts)
        reason = "everybody is rejected, or nobody"
        within = _over_strata(counts, _demographic_disparity(counts.cells), reason)
        together = {cell: counts.cells[cell].sum(1) for cell in CELLS}
        return cls(counts.groups, counts.n.sum(1), _demographic_disparity(together), within, strata)

    def _tables(self) -> list[Table]:
        columns = {
            "group": list(map(format_group, self.groups)),
            "n": self.n.tolist(),
            "unconditional": self.unconditional.tolist(),
            "conditional": self.conditional.tolist(),
        }
        shown = {name: list(map(number, values)) for name, values in columns.items()}
        return [
            Table(
                columns,
                shown | {"n": list(map(rows, columns["n"]))},
                caption="Share of the rejected minus share of the accepted",
                notes=[f"conditional: the average over {len(self.strata)} strata by their size"],
            )
        ]


def _demographic_disparity(cells: Any) -> Array:
    """Each group's share of the rejected minus its share of the accepted; NaN where there are none."""
    selection = RATES["selection_rate"]
    accepted = selection.part(cells)
    rejected = selection.support(cells) - accepted
    with np.errstate(invalid="ignore"):
        return rejected / rejected.sum(0) - accepted / accepted.sum(0)


def conditional_demographic_disparity(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    strata: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> ConditionalDemographicDisparity:
    """Tell whether groups are rejected more than they are accepted, over all rows and within strata.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_rows,)
        Labels, and predicted labels. Only the predictions are used; give the labels twice to measure the
        data.
    sensitive_features : array-like of shape (n_rows,) or (n_rows, n_columns)
        The group of each row; several columns make an intersection.
    strata : array-like of shape (n_rows,) or (n_rows, n_columns)
        What is held constant: a legitimate reason for different decisions. There is no default, because
        the answer depends on it.
    sample_weight : array-like of shape (n_rows,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.

    Returns
    -------
    ConditionalDemographicDisparity
        A row per group: ``unconditional`` and ``conditional``, each from -1 to 1. It prints itself.

    Raises
    ------
    ValueError
        If lengths differ, a group or stratum is missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If everybody or nobody in a stratum is accepted; it is passed over, and named.

    Notes
    -----
    ``DD(g) = P(g | rejected) - P(g | accepted)``: above 0, the group makes up more of the rejected than of
    the accepted. ``CDD(g) = sum_r n_r DD(g | r) / sum_r n_r`` over the strata r. Shares add up to 1, so DD
    adds up to 0 over the groups: look at each group, not at their mean.

    References
    ----------
    Wachter, Mittelstadt & Russell, Why Fairness Cannot Be Automated, Computer Law & Security Review 41, 2021.

    Examples
    --------
    Both departments accept women and men alike, but most women apply to the one that rejects most:

    >>> import numpy as np
    >>> from fairsk.metrics import conditional_demographic_disparity
    >>> n = [80, 20, 8, 2, 2, 8, 20, 80]
    >>> accepted = np.repeat([1, 0, 1, 0, 1, 0, 1, 0], n)
    >>> sex = np.repeat(["m", "m", "f", "f", "m", "m", "f", "f"], n)
    >>> department = np.repeat(["easy"] * 4 + ["hard"] * 4, n)
    >>> print(conditional_demographic_disparity(
    ...     accepted, accepted, sensitive_features=sex, strata=department))
    Share of the rejected minus share of the accepted
    group    n  unconditional  conditional
    --------------------------------------
    f      110          0.491        0.000
    m      110         -0.491        0.000
    conditional: the average over 2 strata by their size
    """
    counts = GroupCounts.from_predictions(
        y_true,
        y_pred,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
    )
    found = ConditionalDemographicDisparity.from_counts(counts)
    return replace(found, library=library_of(sensitive_features, strata, y_true, y_pred))


# --- Mantel-Haenszel ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class MantelHaenszel(Tabular):
    """Each group's odds against those of a reference group, pooled over strata.

    Parameters
    ----------
    groups : tuple
        The groups other than the reference.
    odds_ratios : array
        The pooled odds ratio of each group: 1 is parity.
    low, high : array
        Their confidence limits; NaN for an odds ratio of 0 or infinity.
    statistics, p_values : array
        The Cochran-Mantel-Haenszel statistics (chi-square with one degree of freedom), and their p-values.
    crude : array
        The odds ratios when the strata are summed out.
    reference : hashable
        The reference group.
    rate : Rate
        What the odds are those of.
    confidence : float
        The coverage probability of the limits.
    library : str or None
        The library that :meth:`frame` makes a frame of.

    Examples
    --------
    Of counts, which add up over shards, days and sites:

    >>> from fairsk.metrics import GroupCounts, MantelHaenszel
    >>> cells = {"tp": [[40, 10], [30, 5]], "fp": [[0, 0], [0, 0]],
    ...          "fn": [[0, 0], [0, 0]], "tn": [[10, 40], [20, 45]]}
    >>> counts = GroupCounts(["a", "b"], cells, strata=["easy", "hard"])
    >>> MantelHaenszel.from_counts(counts, reference="a").odds_ratios.round(3)
    array([0.4])
    """

    groups: tuple[Hashable, ...]
    odds_ratios: Array
    low: Array
    high: Array
    statistics: Array
    p_values: Array
    crude: Array
    reference: Hashable
    rate: Rate = field(repr=False)
    confidence: float
    library: Backend | None = None

    @classmethod
    def from_counts(
        cls,
        counts: GroupCounts,
        *,
        reference: Hashable,
        rate: Rate | str = "selection_rate",
        confidence: float = 0.95,
    ) -> MantelHaenszel:
        """Compare the groups of a table of counts with strata.

        The parameters are those of :func:`mantel_haenszel_odds_ratio`.
        """
        _need_strata(counts)
        rate = get_rate(rate)
        if not rate.is_share:
            raise ValueError(f"{rate.name} is not a share of its denominator, so that it has no odds.")
        check_confidence(confidence)
        if reference not in counts.groups:
            shown = ", ".join(map(repr, counts.groups))
            raise ValueError(f"The reference group {reference!r} is not one of the groups: {shown}.")
        base = counts.groups.index(reference)
        others = [place for place in range(len(counts.groups)) if place != base]
        part, support = rate.part(counts.cells), rate.support(counts.cells)
        rest = support - part
        # Weighted rows count by their effective number where it is a matter of chance.
        squares = rate.support(counts.squares)
        scale = support / (squares + (squares == 0))

        def tables(factor: Any) -> tuple[Array, Array, Array, Array]:
            yes, no = part * factor, rest * factor
            return yes[others], no[others], yes[base], no[base]

        odds = _pooled_odds_ratio(*tables(1))
        crude = _pooled_odds_ratio(*(cell.sum(-1, keepdims=True) for cell in tables(1)))
        reach = np.exp(float(ndtri(0.5 + confidence / 2)) * _log_standard_error(*tables(scale)))
        statistic = _cochran_mantel_haenszel(*tables(scale))
        groups = tuple(counts.groups[place] for place in others)
        unknown = [format_group(group) for group, value in zip(groups, odds, strict=True) if np.isnan(value)]
        if unknown:
            warn_user(
                f"No stratum tells the odds of {rate.name} apart between {format_group(reference)} and: "
                f"{', '.join(unknown)}. The odds ratio is NaN there."
            )
        return cls(
            groups,
            odds,
            odds / reach,
            odds * reach,
            statistic,
            chi2.sf(statistic, 1),
            crude,
            reference,
            rate,
            confidence,
        )

    def _tables(self) -> list[Table]:
        columns = {
            "group": list(map(format_group, self.groups)),
            "odds_ratio": self.odds_ratios.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "p": self.p_values.tolist(),
            "crude": self.crude.tolist(),
        }
        shown = {name: list(map(number, values)) for name, values in columns.items()}
        return [
            Table(
                columns,
                shown | {"p": list(map(p_value, self.p_values))},
                caption=f"Odds of {self.rate.name} within strata, against {format_group(self.reference)}",
                notes=[f"low, high: {percent(self.confidence)} interval; crude: with the strata summed out"],
            )
        ]


def _pooled_odds_ratio(a: Array, b: Array, c: Array, d: Array) -> Array:
    """Pool the odds ratios of tables (a, b; c, d) over the strata on the last axis."""
    n = a + b + c + d
    n = n + (n == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (a * d / n).sum(-1) / (b * c / n).sum(-1)


def _log_standard_error(a: Array, b: Array, c: Array, d: Array) -> Array:
    """Return the standard error of the logarithm of the pooled odds ratio; NaN where that is infinite."""
    n = a + b + c + d
    n = n + (n == 0)
    concordant, discordant = (a + d) / n, (b + c) / n
    above, below = a * d / n, b * c / n
    total_above, total_below = above.sum(-1), below.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (
            (concordant * above).sum(-1) / total_above**2
            + (concordant * below + discordant * above).sum(-1) / (total_above * total_below)
            + (discordant * below).sum(-1) / total_below**2
        ) / 2
    return np.sqrt(np.where(np.isfinite(variance), variance, np.nan))


def _cochran_mantel_haenszel(a: Array, b: Array, c: Array, d: Array) -> Array:
    """Square how many more of a group are selected than expected, over its hypergeometric variance."""
    n = a + b + c + d
    n = np.where(n > 1, n, np.inf)  # a stratum of one row tells nothing
    excess = np.where(np.isinf(n), 0, a) - (a + b) * (a + c) / n
    variance = (a + b) * (c + d) * (a + c) * (b + d) / n**2 / (n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return excess.sum(-1) ** 2 / variance.sum(-1)


def mantel_haenszel_odds_ratio(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    sensitive_features: Any,
    strata: Any,
    reference: Hashable,
    rate: Rate | str = "selection_rate",
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    confidence: float = 0.95,
) -> MantelHaenszel:
    """Compare each group's odds of selection with those of a reference group, pooled over strata.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_rows,)
        Labels, and predicted labels (not scores).
    sensitive_features : array-like of shape (n_rows,) or (n_rows, n_columns)
        The group of each row; several columns make an intersection.
    strata : array-like of shape (n_rows,) or (n_rows, n_columns)
        What is held constant.
    reference : hashable
        The group that the others are compared with.
    rate : str or Rate, default="selection_rate"
        A rate that counts a part of its denominator; its odds are compared.
    sample_weight : array-like of shape (n_rows,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
    confidence : float in (0, 1), default=0.95
        The coverage probability of each interval.

    Returns
    -------
    MantelHaenszel
        A row per group: the odds ratio (from 0 up, 1 is parity) with its interval, the test that it is 1
        in every stratum, and the crude odds ratio without strata.

    Raises
    ------
    ValueError
        If the reference is not a group, the rate has no odds, lengths differ, a group or stratum is
        missing, or the positive label cannot be told.

    Warns
    -----
    UserWarning
        If no stratum compares a group with the reference; it is named, and its odds ratio is NaN.

    Notes
    -----
    With a of a group's rows selected and b not, and c and d of the reference's, in a stratum of n rows:
    ``OR = sum(a d / n) / sum(b c / n)``. It says by how much the odds of selection differ among people of the
    same stratum, if that is the same in all of them. Strata without rows of both groups, or in which all
    decisions are the same, add nothing to either sum. Limits are those of Robins, Breslow & Greenland; the
    test is Cochran's and Mantel & Haenszel's, without correction for continuity. For both, weighted rows
    count by their effective number. An odds ratio of 0 or infinity has no limits (NaN), but a test.

    References
    ----------
    Mantel & Haenszel, Statistical Aspects of the Analysis of Data From Retrospective Studies of Disease,
    JNCI 22, 1959. Robins, Breslow & Greenland, Estimators of the Mantel-Haenszel Variance Consistent in Both
    Sparse Data and Large-Strata Limiting Models, Biometrics 42, 1986.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.metrics import mantel_haenszel_odds_ratio
    >>> n = [80, 20, 8, 2, 2, 8, 20, 80]
    >>> accepted = np.repeat([1, 0, 1, 0, 1, 0, 1, 0], n)
    >>> sex = np.repeat(["m", "m", "f", "f", "m", "m", "f", "f"], n)
    >>> department = np.repeat(["easy"] * 4 + ["hard"] * 4, n)
    >>> print(mantel_haenszel_odds_ratio(
    ...     accepted, accepted, sensitive_features=sex, strata=department, reference="m"))
    Odds of selection_rate within strata, against m
    group  odds_ratio    low   high      p  crude
    ---------------------------------------------
    f           1.000  0.317  3.155  1.000  0.117
    low, high: 95% interval; crude: with the strata summed out
    """
    counts = GroupCounts.from_predictions(
        y_true,
        y_pred,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        strata=strata,
    )
    found = MantelHaenszel.from_counts(counts, reference=reference, rate=rate, confidence=confidence)
    return replace(found, library=library_of(sensitive_features, strata, y_true, y_pred))
