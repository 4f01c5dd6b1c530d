"""Conditional disparities: disparities inside strata, among rows that are alike in what is held constant.

Groups that apply to different departments, live in different places or bring different qualifications can
differ in a rate although every department treats them alike, and the other way round (Simpson's paradox).
Everything here reads counts with strata (:class:`fairsk.metrics.GroupCounts`).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, list_groups
from fairsk._core.results import Backend, Result, Table, library_of, number, row_count
from fairsk._core.typing import Bools, Floats
from fairsk._core.warnings import warn_user
from fairsk.rates import CELLS, RATES, Comparison, Constraint, Method, Norm, check_choice, get_constraint

__all__ = [
    "ConditionalDemographicDisparity",
    "OverStrata",
    "conditional_demographic_disparity",
    "disparity_within_strata",
    "require_strata",
    "require_strata_for",
]

#: Which one number the disparities inside the strata become.
OverStrata: TypeAlias = Literal["mean", "worst"]


def disparity_within_strata(
    counts: GroupCounts,
    constraint: Constraint | str,
    comparison: Comparison = "difference",
    *,
    method: Method = "between_groups",
    reference: Hashable = None,
    norm: Norm = "max",
    over_strata: OverStrata = "mean",
) -> float:
    """Measure a constraint's disparity inside every stratum, and average it over them or take the worst one.

    Parameters
    ----------
    counts : GroupCounts
        The table of counts, with strata.
    constraint : str or Constraint
        Which rates should agree.
    comparison : {"difference", "ratio", "worst_group", "mean_difference"}, default="difference"
        Largest difference, smallest ratio, the rate of the worst group, or the mean difference over all pairs
        of groups.
    method : {"between_groups", "to_overall", "to_reference"}, default="between_groups"
        What every group of a stratum is compared with there.
    reference : hashable, optional
        Label of the reference group, for ``method="to_reference"``.
    norm : {"max", "l1", "l2"}, default="max"
        What the differences of two groups in several rates become: the largest, their sum, or the root of the
        sum of squares.
    over_strata : {"mean", "worst"}, default="mean"
        The average over the strata by their sizes, or the disparity of the stratum that is furthest from
        parity (for ``comparison="worst_group"``, the rate of the group that is worst off in any stratum).

    Returns
    -------
    float
        That disparity; NaN if it can be measured in no stratum.

    Raises
    ------
    ValueError
        If the counts have no strata, or ``over_strata`` is neither of these.

    Warns
    -----
    UserWarning
        If a stratum has nothing to compare; it is passed over, and named.

    Notes
    -----
    ``sum_r n_r d_r / sum_r n_r`` over the strata r that have a disparity ``d_r``: how far apart groups are
    among people who are alike in what the strata hold constant. The worst is ``max_r d_r`` of differences and
    ``min_r d_r`` of ratios.

    Examples
    --------
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.metrics._decisions.strata import disparity_within_strata
    >>> counts = GroupCounts.from_predictions(
    ...     [1, 0, 1, 0, 1, 0], [1, 0, 0, 0, 1, 1], sensitive_features=list("aabbab"), strata=list("xxxxyy")
    ... )
    >>> round(disparity_within_strata(counts, "demographic_parity"), 3)  # .5 in x and 0 in y
    0.333
    >>> disparity_within_strata(counts, "demographic_parity", over_strata="worst")
    0.5
    """
    check_choice("over_strata", over_strata, OverStrata)
    require_strata(counts)
    values = counts.compare(constraint, comparison, method=method, reference=reference, norm=norm)
    reason = "groups cannot be compared"
    if over_strata == "mean":
        return float(_over_strata(counts, values, reason))
    measured = values[_measured_strata(counts, values, reason)]
    if not len(measured):
        return float("nan")
    # Less is worse of ratios, and of a worst group's rate unless a lower rate is better.
    high_is_good = comparison == "ratio" or (
        comparison == "worst_group" and not get_constraint(constraint).rates[0].lower_is_better
    )
    return float(measured.min() if high_is_good else measured.max())


def require_strata(counts: GroupCounts) -> tuple[Hashable, ...]:
    """Return the strata of counts; refuse counts that have none."""
    if counts.strata is None:
        raise ValueError("These counts have no strata: say with strata= what is held constant.")
    return counts.strata


def require_strata_for(over_strata: OverStrata) -> None:
    """Refuse, where there are no strata, an unknown way to sum them up, and one that is not the default."""
    check_choice("over_strata", over_strata, OverStrata)
    if over_strata != "mean":
        raise ValueError(
            f"over_strata={over_strata!r} takes the worst of the strata, and there are none: say with "
            "strata= what is held constant."
        )


def _over_strata(counts: GroupCounts, values: Floats, reason: str) -> Floats:
    """Average over the last axis by the strata's sizes; strata with NaN are passed over and named."""
    measured = _measured_strata(counts, values, reason)
    if not measured.any():
        return np.full(values.shape[:-1], np.nan)
    return np.average(values[..., measured], axis=-1, weights=counts.n.sum(0)[measured])


def _measured_strata(counts: GroupCounts, values: Floats, reason: str) -> Bools:
    """Return which strata, the last axis of values, have no NaN; the others are named in a warning."""
    strata = require_strata(counts)
    measured = ~np.isnan(values.reshape(-1, len(strata)).sum(0))
    if not measured.all():
        unmeasured = [label for label, is_measured in zip(strata, measured, strict=True) if not is_measured]
        warn_user(
            f"Passed over {len(unmeasured)} of {len(strata)} strata, in which {reason}: "
            f"{list_groups(unmeasured)}."
        )
    return measured


@dataclass(frozen=True, eq=False, repr=False)
class ConditionalDemographicDisparity(Result):
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

    See Also
    --------
    conditional_demographic_disparity : What makes it of rows.

    Examples
    --------
    Of counts, which add up over shards, days and sites:

    >>> from fairsk.metrics import ConditionalDemographicDisparity, GroupCounts
    >>> counts = GroupCounts.from_predictions(
    ...     [1, 0, 0, 1], [1, 0, 0, 1], sensitive_features=list("abab"), strata=list("xxyy"))
    >>> result = ConditionalDemographicDisparity.from_counts(counts)
    >>> result.unconditional, result.conditional
    (array([0., 0.]), array([0., 0.]))
    """

    groups: tuple[Hashable, ...]
    n: Floats
    unconditional: Floats
    conditional: Floats
    strata: tuple[Hashable, ...]
    library: Backend | None = None

    @classmethod
    def from_counts(cls, counts: GroupCounts) -> ConditionalDemographicDisparity:
        """Measure it on counts.

        Parameters
        ----------
        counts : GroupCounts
            The table of counts, with strata.

        Returns
        -------
        ConditionalDemographicDisparity
            The disparity of every group.
        """
        strata = require_strata(counts)
        reason = "all rows are rejected, or none"
        within = _over_strata(counts, _demographic_disparity(counts.cells), reason)
        marginal = {cell: counts.cells[cell].sum(1) for cell in CELLS}
        return cls(counts.groups, counts.n.sum(1), _demographic_disparity(marginal), within, strata)

    def _tables(self) -> list[Table]:
        columns = {
            "group": list(map(format_group, self.groups)),
            "n": self.n.tolist(),
            "unconditional": self.unconditional.tolist(),
            "conditional": self.conditional.tolist(),
        }
        text = {name: list(map(number, values)) for name, values in columns.items()}
        return [
            Table(
                columns,
                text | {"n": list(map(row_count, columns["n"]))},
                caption="Share of the rejected minus share of the accepted",
                notes=[f"conditional: the average over {len(self.strata)} strata by their size"],
            )
        ]


def _demographic_disparity(cells: Any) -> Floats:
    """Each group's share of the rejected minus its share of the accepted; NaN where there are none."""
    selection = RATES["selection_rate"]
    accepted = selection.part(cells)
    rejected = selection.support(cells) - accepted
    with np.errstate(invalid="ignore"):
        return rejected / rejected.sum(0) - accepted / accepted.sum(0)


def conditional_demographic_disparity(
    y_true: ArrayLike | None,
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
    y_true, y_pred : array-like of shape (n_samples,)
        Labels, and predicted labels. Only the predictions are used, so that ``y_true`` may be None; give
        the labels as predictions to measure the data.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    strata : array-like of shape (n_samples,) or (n_samples, n_columns)
        What is held constant: a legitimate reason for different decisions. There is no default, because
        the answer depends on it.
    sample_weight : array-like of shape (n_samples,), optional
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
        If all or none of the rows of a stratum are accepted; it is passed over, and named.

    See Also
    --------
    demographic_parity_difference : The gap in the selection rate, also within ``strata``.
    mantel_haenszel_odds_ratio : The odds against a reference group, pooled over strata.

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
    result = ConditionalDemographicDisparity.from_counts(counts)
    return replace(result, library=library_of(sensitive_features, strata, y_true, y_pred))
