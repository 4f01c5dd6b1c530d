"""Resampling from counts: the bootstrap of functions of the cells, and the noise floor of a disparity."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, list_groups
from fairsk._core.messages import show
from fairsk._core.results import Backend, Result, Table, number, with_interval
from fairsk._core.typing import Bools, Floats, RandomStateLike
from fairsk._core.validation import generator
from fairsk._core.warnings import warn_user
from fairsk.rates import CELLS, Constraint, Rate, get_constraint, get_rate
from fairsk.statistics._intervals import check_confidence
from fairsk.statistics._pairs import PairComparison, check_comparison
from fairsk.statistics._proportions import as_constraint, need_share, refuse_strata, takes_counts

__all__ = ["BootstrapResult", "bootstrap", "check_resamples", "noise_floor"]

#: A function of the cells of all groups, or what names one.
Statistic: TypeAlias = Callable[[Mapping[str, Any]], Any] | Constraint | Rate | str


@dataclass(frozen=True, eq=False, repr=False)
class BootstrapResult(Result):
    """A statistic with its spread over resampled counts. Prints and renders itself.

    Parameters
    ----------
    groups : tuple of length n_groups
        The groups of the counts.
    estimate : array
        The statistic of the counts: a number, or an array with the groups first.
    standard_error : array
        Its standard deviation over the replicates, shaped like the estimate.
    low, high : array
        Its percentile interval; NaN without ``confidence``.
    confidence : float or None
        The coverage probability.
    replicates : array
        The statistic of each resampled table, on the last axis.
    """

    groups: tuple[Hashable, ...]
    estimate: Floats
    standard_error: Floats
    low: Floats
    high: Floats
    confidence: float | None
    replicates: Floats = field(repr=False)
    library: Backend | None = None

    def _tables(self) -> list[Table]:
        flat = [np.ravel(part) for part in (self.estimate, self.standard_error, self.low, self.high)]
        per_group = self.estimate.shape == (len(self.groups),)
        names = list(map(format_group, self.groups)) if per_group else list(map(str, range(len(flat[0]))))
        titles = ("estimate", "standard_error", "low", "high")
        columns: dict[str, list[Any]] = {"group" if per_group else "statistic": names}
        columns |= {title: values.tolist() for title, values in zip(titles, flat, strict=True)}
        text = {title: list(map(number, values)) for title, values in list(columns.items())[:3]}
        if self.confidence is not None:
            intervals = zip(*flat[:1], *flat[2:], strict=True)
            text["estimate"] = [with_interval(*values) for values in intervals]
        return [Table(columns, text)]


@takes_counts
def bootstrap(
    counts: GroupCounts,
    statistic: Statistic,
    *,
    n_resamples: int = 2000,
    confidence: float | None = 0.95,
    random_state: RandomStateLike = None,
) -> BootstrapResult:
    """Resample the counts to learn how much any function of them would vary.

    Parameters
    ----------
    counts : GroupCounts
        The table of counts.
    statistic : callable, Rate, Constraint or str
        What is computed: a rate of every group, or a function of the cells. It receives a mapping of cells
        to arrays of shape (n_groups, n_resamples), or (n_groups, n_strata, n_resamples), and must keep the
        last axis. A constraint stands for its difference.
    n_resamples : int, default=2000
        How many tables are drawn.
    confidence : float in (0, 1) or None, default=0.95
        The coverage probability of the percentile interval; None for a standard error alone.
    random_state : int, Generator, RandomState or None, default=None
        Seed of the draws.

    Returns
    -------
    BootstrapResult
        The estimate, its standard error and interval, and all replicates.

    Raises
    ------
    ValueError
        If an interval is asked of a comparison of a constraint, or the statistic loses the last axis.

    Warns
    -----
    UserWarning
        If the statistic is undefined in some of the draws, which are left out; or if it does not vary, so
        that the draws give no interval.

    See Also
    --------
    difference_interval : The interval of the largest difference, which no bootstrap gives.
    noise_floor : The disparity of groups with equal rates, by sampling error alone.

    Notes
    -----
    The rows of a group fall into its cells; drawing as many rows with replacement [1]_ is drawing the cells
    from the multinomial law, so no row is needed. Groups keep their size, and none vanishes. A cell of
    weighted rows with sum W and sum of squares S is drawn as S / W times a Poisson count with mean W^2 / S,
    which has the mean W and the variance S.

    The percentile interval is right for smooth statistics: a rate, a mean of gaps, the difference of two
    named groups. It is wrong for the largest difference (or smallest ratio) over groups, and refused:
    resampling adds noise to noise, so that at parity max - min of the resamples lies above zero, and above
    the truth, almost always. :func:`difference_interval` and :func:`ratio_interval` are right there.

    References
    ----------
    .. [1] Efron, Bootstrap Methods: Another Look at the Jackknife, Annals of Statistics 7, 1979.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.rates import RATES
    >>> from fairsk.statistics import bootstrap
    >>> y_pred = np.repeat([1, 0, 1, 0], [60, 40, 45, 55])
    >>> counts = GroupCounts.from_predictions(y_pred, y_pred, sensitive_features=np.repeat(["a", "b"], 100))
    >>> def gap(cells):
    ...     first, second = RATES["selection_rate"](cells)
    ...     return first - second
    >>> result = bootstrap(counts, gap, random_state=0)
    >>> print(f"{result.estimate:.2f} with standard error {result.standard_error:.2f}")
    0.15 with standard error 0.07
    """
    check_resamples(n_resamples, fewest=2)
    function = _function(statistic)
    if confidence is not None:
        check_confidence(confidence)
        _refuse_extremes(function)
    if isinstance(function, Rate):
        counts.warn_undefined(function, fewest=1)
    compared = getattr(function, "__self__", None)  # a constraint, if the function is one of its methods
    if isinstance(compared, Constraint):
        counts.check_labels(*compared.rates)
    elif not isinstance(function, Rate) and not counts.labelled:
        raise ValueError("A function of the cells needs labels, and there are none: y_true is None.")
    estimate = np.asarray(function(counts.cells), dtype=float)
    resampled = _resampled(counts, n_resamples, generator(random_state))
    replicates = np.asarray(function(resampled), dtype=float)
    if replicates.shape != (*estimate.shape, n_resamples):
        raise ValueError(
            f"The statistic of cells with a last axis of {n_resamples} resamples has the shape "
            f"{replicates.shape}, where {(*estimate.shape, n_resamples)} is expected. It must keep that axis."
        )
    measured = np.isfinite(estimate)
    draws = np.where(np.isfinite(replicates), replicates, np.nan)
    defined = measured & ~np.isnan(draws).all(-1)
    error, low, high = (np.full(estimate.shape, np.nan) for _ in range(3))
    error[defined] = np.nanstd(draws[defined], axis=-1)
    varies = defined & (error > 0)
    if confidence is not None:
        for interval_end, tail in ((low, (1 - confidence) / 2), (high, (1 + confidence) / 2)):
            interval_end[varies] = np.nanquantile(draws[varies], tail, axis=-1)
        _warn_if(
            defined & ~varies, counts.groups, "does not vary in the resamples, which give no interval for it"
        )
    undefined_share = np.where(measured, np.isnan(draws).mean(-1), 0.0)
    _warn_if(
        undefined_share > 0,
        counts.groups,
        f"is undefined in up to {undefined_share.max(initial=0):.1%} of the resamples",
    )
    return BootstrapResult(counts.groups, estimate, error, low, high, confidence, replicates, counts.library)


def check_resamples(n_resamples: int, fewest: int = 1) -> None:
    """Refuse too few draws, and what is no number of them: 1e4 would fail later, and True is 1."""
    if isinstance(n_resamples, bool) or not isinstance(n_resamples, int | np.integer):
        raise ValueError(f"n_resamples must be a whole number; got {show(n_resamples)}.")
    if n_resamples < fewest:
        raise ValueError(
            f"n_resamples must be at least {fewest}, better some thousands; got {n_resamples!r}."
        )


def _function(statistic: Statistic) -> Callable[[Mapping[str, Any]], Any]:
    """Return the function of the cells that a name, a rate or a constraint stands for."""
    if isinstance(statistic, str):
        name = statistic
        try:
            statistic = get_constraint(name)
        except ValueError:
            statistic = get_rate(name)
    return statistic.difference if isinstance(statistic, Constraint) else statistic


def _refuse_extremes(function: Callable[..., Any]) -> None:
    """Refuse the methods of a constraint: all of them take the extreme over groups."""
    function = getattr(function, "func", function)  # of a functools.partial
    if isinstance(getattr(function, "__self__", None), Constraint):
        raise ValueError(
            "A percentile interval of the largest difference or smallest ratio over groups would be wrong: "
            "resampling adds noise, noise spreads the groups, and at parity nearly all such intervals miss "
            "it. Use difference_interval or ratio_interval, or confidence=None for the standard error alone."
        )


def _resampled(counts: GroupCounts, n_resamples: int, rng: np.random.Generator) -> dict[str, Any]:
    """Draw cells with the resamples on a new last axis."""
    shape = counts.n.shape
    table, squares = (
        np.stack([values[cell] for cell in CELLS], axis=-1).reshape(shape[0], -1)
        for values in (counts.cells, counts.squares)
    )
    size = (shape[0], n_resamples, table.shape[1])
    if np.array_equal(table, squares) and np.array_equal(table, np.rint(table)):
        n = table.sum(1, keepdims=True)
        draws = rng.multinomial(n.astype(np.int64), (table / np.maximum(n, 1))[:, None], size=size[:2])
    else:
        scale = np.divide(squares, table, out=np.zeros_like(table), where=table > 0)
        # A Poisson number times the scale has the mean and the variance of the weighted cell.
        mean = np.divide(table, scale, out=np.zeros_like(table), where=scale > 0)
        draws = scale[:, None] * rng.poisson(mean[:, None], size=size)
    by_cell = draws.astype(float).reshape(shape[0], n_resamples, *shape[1:], len(CELLS))
    return {cell: np.moveaxis(by_cell[..., i], 1, -1) for i, cell in enumerate(CELLS)}


def _warn_if(where: Any, groups: tuple[Hashable, ...], what: str) -> None:
    """Warn that something is so of the statistic, of which groups if it has them."""
    if not where.any():
        return
    of_groups = ""
    if where.shape[:1] == (len(groups),):
        by_group: Bools = np.reshape(where, (len(groups), -1))
        labels = [group for group, flags in zip(groups, by_group, strict=True) if flags.any()]
        of_groups = f" of {list_groups(labels)}"
    warn_user(f"The statistic{of_groups} {what}: too few rows to resample.")


@takes_counts
def noise_floor(
    counts: GroupCounts,
    constraint: Constraint | Rate | str,
    *,
    comparison: PairComparison = "difference",
    n_resamples: int = 10_000,
    random_state: RandomStateLike = None,
) -> float:
    """Return the disparity that groups of these sizes show on average when their rates are equal.

    Parameters
    ----------
    counts : GroupCounts
        The table of counts, without strata.
    constraint : str, Constraint or Rate
        The rate, or the rates that should agree; each a share, or a function of one as F1 is.
    comparison : {"difference", "ratio"}, default="difference"
        Largest difference (the floor lies above 0), or smallest ratio (below 1).
    n_resamples : int, default=10_000
        How many fair tables are drawn.
    random_state : int, Generator, RandomState or None, default=None
        Seed of the draws.

    Returns
    -------
    float
        The mean disparity; NaN, and a warning, if fewer than two groups can be measured, in one of the rates
        if there are several.

    Raises
    ------
    ValueError
        If a rate is no function of one share of rows, the counts have strata, or nothing is drawn.

    See Also
    --------
    smallest_detectable : The disparity that so many rows tell from parity.
    omnibus_test : The test that all groups are equal.

    Notes
    -----
    Every group draws from the binomial law with its own (effective, rounded) size and the share of all
    groups together; the rates of a constraint are drawn independently. A disparity near this number says
    nothing about the groups: sampling error alone makes one of this size.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.metrics import GroupCounts
    >>> from fairsk.statistics import noise_floor
    >>> y_pred = np.tile([1, 0], 400)
    >>> counts = GroupCounts.from_predictions(y_pred, y_pred, sensitive_features=np.repeat(range(8), 100))
    >>> print(f"{noise_floor(counts, 'demographic_parity', random_state=0):.2f}")
    0.14
    """
    refuse_strata(counts, "A noise floor")
    check_resamples(n_resamples)
    constraint, rng = as_constraint(constraint), generator(random_state)
    check_comparison(comparison, *constraint.rates)
    shares = [need_share(rate, "The noise floor") for rate in constraint.rates]
    counts.warn_undefined(*constraint.rates, fewest=2)
    disparities = []
    for rate, share in zip(constraint.rates, shares, strict=True):
        p, n = share.effective(counts)
        if (n > 0).sum() < 2:
            return float("nan")
        sizes = np.rint(n[n > 0]).astype(np.int64)[:, None]
        parts = rng.binomial(sizes, np.average(p[n > 0], weights=n[n > 0]), (len(sizes), n_resamples))
        cells = dict.fromkeys(CELLS, np.zeros(parts.shape)) | {share.part: parts, share.rest: sizes - parts}
        disparities.append(Constraint(rate.name, rate).compare(cells, comparison))
    worst = np.fmax.reduce(disparities) if comparison == "difference" else np.fmin.reduce(disparities)
    return float(np.nanmean(worst))
