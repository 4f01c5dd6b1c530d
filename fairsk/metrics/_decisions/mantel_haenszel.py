"""Mantel-Haenszel odds ratios: each group against a reference group, pooled over strata."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri
from scipy.stats import chi2

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, list_groups, position_of
from fairsk._core.results import Backend, Result, Table, library_of, number, p_value, percent
from fairsk._core.typing import Floats
from fairsk._core.warnings import warn_user
from fairsk.metrics._decisions.strata import require_strata
from fairsk.rates import Rate, get_rate
from fairsk.statistics._intervals import check_confidence

__all__ = ["MantelHaenszel", "mantel_haenszel_odds_ratio"]


@dataclass(frozen=True, eq=False, repr=False)
class MantelHaenszel(Result):
    """Each group's odds against those of a reference group, pooled over strata.

    Parameters
    ----------
    groups : tuple
        The groups other than the reference.
    odds_ratios : array
        The pooled odds ratio of each group: 1 is parity.
    low, high : array
        Their confidence intervals; NaN for an odds ratio of 0 or infinity.
    statistics, p_values : array
        The Cochran-Mantel-Haenszel statistics (chi-square with one degree of freedom), and their p-values.
    crude : array
        The odds ratios when the strata are summed out.
    reference : hashable
        The reference group.
    rate : Rate
        What the odds are those of.
    confidence : float
        The coverage probability of the intervals.
    library : str or None
        The library that :meth:`frame` makes a frame of.

    See Also
    --------
    mantel_haenszel_odds_ratio : What makes it of rows.

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
    odds_ratios: Floats
    low: Floats
    high: Floats
    statistics: Floats
    p_values: Floats
    crude: Floats
    reference: Hashable
    rate: Rate
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
        """Compare the groups of a table of counts.

        Parameters
        ----------
        counts : GroupCounts
            The table of counts, with strata.
        reference, rate, confidence
            As in :func:`mantel_haenszel_odds_ratio`.

        Returns
        -------
        MantelHaenszel
            The odds ratio of every group against the reference.
        """
        require_strata(counts)
        rate = get_rate(rate)
        if not rate.is_share:
            raise ValueError(f"{rate.name} is not a share of its denominator, so that it has no odds.")
        check_confidence(confidence)
        base = position_of(reference, counts.groups)
        compared = [index for index in range(len(counts.groups)) if index != base]
        counts.check_labels(rate)
        selected, support = rate.part(counts.cells), rate.support(counts.cells)
        rest = support - selected
        # Standard errors and tests count weighted rows by their effective number: all cells of a stratum are
        # scaled alike, which leaves its odds ratio as it is.
        squares = rate.support(counts.squares)
        scale = support / (squares + (squares == 0))

        def tables(factor: Any) -> tuple[Floats, Floats, Floats, Floats]:
            with_rate, without_rate = selected * factor, rest * factor
            return with_rate[compared], without_rate[compared], with_rate[base], without_rate[base]

        odds = _pooled_odds_ratio(*tables(1))
        crude = _pooled_odds_ratio(*(cell.sum(-1, keepdims=True) for cell in tables(1)))
        factor = np.exp(float(ndtri(0.5 + confidence / 2)) * _log_standard_error(*tables(scale)))
        statistic = _cochran_mantel_haenszel(*tables(scale))
        groups = tuple(counts.groups[index] for index in compared)
        unknown = [group for group, value in zip(groups, odds, strict=True) if np.isnan(value)]
        if unknown:
            warn_user(
                f"No stratum tells the odds of {rate.name} apart between {list_groups([reference])} and: "
                f"{list_groups(unknown)}. The odds ratio is NaN there."
            )
        return cls(
            groups,
            odds,
            odds / factor,
            odds * factor,
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
        text = {name: list(map(number, values)) for name, values in columns.items()}
        return [
            Table(
                columns,
                text | {"p": list(map(p_value, self.p_values))},
                caption=f"Odds of {self.rate.name} within strata, against {format_group(self.reference)}",
                notes=[f"low, high: {percent(self.confidence)} interval; crude: with the strata summed out"],
            )
        ]


def _pooled_odds_ratio(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
    """Pool the odds ratios of tables (a, b; c, d) over the strata on the last axis."""
    n = a + b + c + d
    n = n + (n == 0)  # an empty stratum adds 0 to both sums
    with np.errstate(divide="ignore", invalid="ignore"):
        return (a * d / n).sum(-1) / (b * c / n).sum(-1)


def _log_standard_error(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
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


def _cochran_mantel_haenszel(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
    """Square how many more of a group are selected than expected, over its hypergeometric variance."""
    n = a + b + c + d
    n = np.where(n > 1, n, np.inf)  # a stratum of one row compares nothing
    excess = np.where(np.isinf(n), 0, a) - (a + b) * (a + c) / n
    variance = (a + b) * (c + d) * (a + c) * (b + d) / n**2 / (n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return excess.sum(-1) ** 2 / variance.sum(-1)


def mantel_haenszel_odds_ratio(
    y_true: ArrayLike | None,
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
    y_true, y_pred : array-like of shape (n_samples,)
        Labels, and predicted labels (not scores).
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    strata : array-like of shape (n_samples,) or (n_samples, n_columns)
        What is held constant.
    reference : hashable
        The group that the others are compared with.
    rate : str or Rate, default="selection_rate"
        A rate that counts a part of its denominator; its odds are compared.
    sample_weight : array-like of shape (n_samples,), optional
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

    See Also
    --------
    conditional_demographic_disparity : Shares of the rejected and the accepted within strata.
    disparity : Differences and ratios, also within ``strata``.

    Notes
    -----
    With a of a group's rows selected and b not, and c and d of the reference's, in a stratum of n rows:
    ``OR = sum(a d / n) / sum(b c / n)``. It says by how much the odds of selection differ among people of the
    same stratum, if that is the same in all of them. Strata without rows of both groups, or in which all
    decisions are the same, add nothing to either sum. Intervals are those of Robins, Breslow & Greenland; the
    test is Cochran's and Mantel & Haenszel's, without correction for continuity. For both, weighted rows
    count by their effective number. An odds ratio of 0 or infinity has no interval (NaN), but a test.

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
    result = MantelHaenszel.from_counts(counts, reference=reference, rate=rate, confidence=confidence)
    return replace(result, library=library_of(sensitive_features, strata, y_true, y_pred))
