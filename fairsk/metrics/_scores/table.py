"""Score metrics: a table of metrics of scores per group, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from fairsk._core.groups import format_group
from fairsk._core.histograms import ScoreHistograms
from fairsk._core.messages import list_labels
from fairsk._core.results import (
    Backend,
    Result,
    Table,
    library_of,
    number,
    percent,
    read_only,
    row_count,
    with_interval,
)
from fairsk._core.typing import Floats
from fairsk.metrics._scores import estimates as score_estimates
from fairsk.metrics._scores.abroca import largest_abroca
from fairsk.metrics._scores.background import background_negatives, background_positives
from fairsk.metrics._scores.bias_auc import mean_of_areas
from fairsk.metrics._scores.calibration_error import Strategy, binned_scores
from fairsk.metrics._scores.distances import Given, largest_ks, largest_wasserstein
from fairsk.metrics._scores.grouped import (
    GroupedScores,
    SortedScores,
    measured_pairs,
    smallest_ratio,
    warn_unmeasured,
)
from fairsk.rates import Method
from fairsk.statistics._intervals import check_confidence, joint_confidence, rate_intervals
from fairsk.statistics._pairs import Estimate, newcombe_interval

__all__ = ["ScoreMetric", "ScoreMetrics", "score_metrics", "warn_missing"]

ScoreMetric: TypeAlias = Literal[
    "base_rate",
    "mean_score",
    "auc",
    "subgroup_auc",
    "bpsn_auc",
    "bnsp_auc",
    "brier",
    "log_loss",
    "calibration_error",
]

#: What compares a group with its background: measured where it is asked for.
_ON_REQUEST = ("subgroup_auc", "bpsn_auc", "bnsp_auc")
#: Why a metric cannot be measured in a group; that of any other is that it has no rows.
_NEEDS = {
    "auc": "it needs rows of both labels",
    "subgroup_auc": "it needs rows of both labels",
    "bpsn_auc": "it needs negatives of the group, and positives of the others",
    "bnsp_auc": "it needs positives of the group, and negatives of the others",
}

#: What is estimated from each group's sorted scores alone.
_ESTIMATES: Mapping[str, Callable[[SortedScores, float | None], Estimate[float]]] = {
    "mean_score": score_estimates.mean_score,
    "auc": score_estimates.auc,
    "subgroup_auc": score_estimates.auc,
    "brier": score_estimates.brier,
    "log_loss": score_estimates.log_loss,
}
#: What is the area under the curve of a group's rows of one label beside the background's of the other.
_BESIDE_BACKGROUND: Mapping[str, Callable[[SortedScores, SortedScores], SortedScores]] = {
    "bpsn_auc": background_positives,
    "bnsp_auc": background_negatives,
}


@dataclass(frozen=True, init=False, eq=False, repr=False)
class ScoreMetrics(Result):
    """Metrics of scores per group with their intervals, and the overall row. Prints and renders itself.

    :func:`score_metrics` makes it of labels and scores, :meth:`from_histograms` of counts in bins. To compare
    groups it keeps the distinct scores of each group and how many labels of either kind they have: it is not
    a summary that may go where the data may not. :meth:`to_dict` and :meth:`frame` are.

    Attributes
    ----------
    groups : tuple
        The groups.
    n : array of shape (n_groups,)
        The (weighted) number of rows of each group.
    values : dict of str to array of shape (n_groups,)
        Each metric per group; NaN where it cannot be measured.
    intervals : dict of str to (array, array)
        Lower and upper ends; empty without ``confidence``. There are none for the calibration error.
    overall : dict of str to float
        ``n`` and each metric over all rows.
    overall_intervals : dict of str to (float, float)
        Lower and upper ends over all rows; empty without ``confidence``.
    by_chance : array of shape (n_groups,) or None
        The calibration error that perfectly calibrated scores would show, on average, on as many rows.
    auc_error : array of shape (n_groups,)
        How far the area under the ROC curve can lie from that of the scores before they were binned; 0 if
        they were not.
    area_errors : dict of str to array of shape (n_groups,)
        The same of each area in the table.

    See Also
    --------
    score_metrics : What makes it of rows.
    """

    confidence: float | None
    library: Backend | None
    _scores: GroupedScores = field(repr=False)
    _measured: Mapping[ScoreMetric, Estimate[Floats]] = field(repr=False)
    _by_chance: Floats | None = field(repr=False)
    _notes: tuple[str, ...] = field(repr=False)

    def __init__(
        self,
        scores: GroupedScores,
        metrics: ScoreMetric | Iterable[ScoreMetric] | None = None,
        *,
        confidence: float | None = 0.95,
        n_bins: int = 10,
        strategy: Strategy = "uniform",
        library: Backend | None = None,
    ) -> None:
        if confidence is not None:
            check_confidence(confidence)
        names, notes = _choose(scores, metrics)
        measured, by_chance = dict[ScoreMetric, Estimate[Floats]](), None
        for name in names:
            if name == "calibration_error":
                binned = binned_scores(scores, n_bins, strategy)
                no_interval = np.full(len(scores.groups) + 1, np.nan)
                measured[name] = Estimate(binned.errors(), no_interval, no_interval)
                by_chance = binned.by_chance()
            else:
                measured[name] = _estimates(name, scores, confidence)
        self._set(
            confidence=confidence,
            library=library,
            _scores=scores,
            _measured=measured,
            _by_chance=by_chance,
            _notes=notes,
        )

    @classmethod
    def from_histograms(
        cls,
        histograms: ScoreHistograms,
        *,
        metrics: ScoreMetric | Iterable[ScoreMetric] | None = None,
        confidence: float | None = 0.95,
        n_bins: int = 10,
        strategy: Strategy = "uniform",
    ) -> ScoreMetrics:
        """Measure histograms of scores, such as a database made.

        The base rate is exact; the area under the ROC curve has a rigorous bound on its error by binning,
        :attr:`auc_error`, by which its interval is widened. Mean score and calibration error need
        ``score_sums``; Brier score and log loss need rows. :meth:`ks_distance` looks at the edges only, and
        so is never above that of the rows. The interval of the mean score leaves out how scores vary within
        a bin, which matters for a few wide ones only.

        Parameters
        ----------
        histograms : ScoreHistograms
            Counts per group and bin.
        metrics, confidence, n_bins, strategy
            As in :func:`score_metrics`. Bins of the calibration error are made of bins of the histograms.

        Returns
        -------
        ScoreMetrics
            The table.

        Raises
        ------
        ValueError
            If a metric is asked for that the histograms do not hold.

        References
        ----------
        The bound: ``|error| <= 1/2 sum over bins of (positives in it / positives) (negatives in it /
        negatives)``, for only pairs of one bin are in doubt, and they count half.

        Examples
        --------
        >>> import numpy as np
        >>> from fairsk.metrics import ScoreMetrics
        >>> from fairsk.metrics import ScoreHistograms
        >>> rng = np.random.default_rng(0)
        >>> y_score, group = rng.random(2000), rng.choice(["a", "b"], 2000)
        >>> y_true = rng.random(2000) < y_score
        >>> table = ScoreHistograms.from_scores(y_true, y_score, sensitive_features=group, bins=64)
        >>> print(ScoreMetrics.from_histograms(table, metrics=["auc", "calibration_error"]))
        group        n                   auc  auc_error  calibration_error
        ------------------------------------------------------------------
        a        1,022  0.814 [0.782, 0.844]   0.005498      0.042 (0.031)
        b          978  0.819 [0.787, 0.849]   0.005342      0.047 (0.032)
        overall  2,000  0.817 [0.793, 0.840]   0.005407      0.039 (0.022)
        intervals: 95%
        in brackets: the calibration error of perfectly calibrated scores, on average
        """
        scores = GroupedScores.of_histograms(histograms)
        table = cls(scores, metrics, confidence=confidence, n_bins=n_bins, strategy=strategy)
        warn_missing(table)
        return table

    @property
    def groups(self) -> tuple[Hashable, ...]:
        """The groups."""
        return self._scores.groups

    @property
    def n(self) -> Floats:
        """The (weighted) number of rows of each group."""
        return read_only(np.array([part.n for part in self._scores.parts]))

    @property
    def values(self) -> Mapping[str, Floats]:
        """Each metric per group."""
        return read_only({name: estimate.value[:-1] for name, estimate in self._measured.items()})

    @property
    def intervals(self) -> Mapping[str, tuple[Floats, Floats]]:
        """The interval of each metric per group."""
        return read_only(
            {
                name: (estimate.low[:-1], estimate.high[:-1])
                for name, estimate in self._measured.items()
                if self.confidence is not None and name != "calibration_error"
            }
        )

    @property
    def overall(self) -> Mapping[str, float]:
        """The number of rows and each metric over all of them."""
        values = {name: float(estimate.value[-1]) for name, estimate in self._measured.items()}
        return read_only({"n": self._scores.total.n} | values)

    @property
    def overall_intervals(self) -> Mapping[str, tuple[float, float]]:
        """The interval of each metric over all rows."""
        return read_only(
            {
                name: (float(estimate.low[-1]), float(estimate.high[-1]))
                for name, estimate in self._measured.items()
                if name in self.intervals
            }
        )

    @property
    def by_chance(self) -> Floats | None:
        """The calibration error of perfectly calibrated scores, on average, on as many rows."""
        return None if self._by_chance is None else self._by_chance[:-1]

    @property
    def auc_error(self) -> Floats:
        """How far the area under the ROC curve can lie from that before binning."""
        return read_only(np.array([score_estimates.auc_error(part) for part in self._scores.parts]))

    @property
    def area_errors(self) -> Mapping[str, Floats]:
        """How far each area in the table can lie from that before binning, per group."""
        return read_only(
            {
                name: np.array([score_estimates.auc_error(part) for part in _parts(name, self._scores)[:-1]])
                for name in self._measured
                if name in _NEEDS
            }
        )

    def _content(self) -> dict[str, Any]:
        by_chance = None if self._by_chance is None else self._by_chance[-1]
        error = score_estimates.auc_error(self._scores.total)
        return super()._content() | {"overall_by_chance": by_chance, "overall_auc_error": error}

    def difference(self, metric: ScoreMetric, *, reference: Hashable = None) -> float:
        """Return the largest difference of a metric between two groups, or from the reference group.

        Parameters
        ----------
        metric : str
            One of the metrics in the table.
        reference : hashable, optional
            Compare every group with this one only.

        Returns
        -------
        float
            The difference, not negative: 0 is parity. NaN if fewer than two groups can be measured.
        """
        first, second = self._pairs(self._get(metric), reference)
        return float(np.abs(first.value - second.value).max()) if len(first.value) else float("nan")

    def ratio(self, metric: ScoreMetric, *, reference: Hashable = None) -> float:
        """Return the smallest ratio of a metric between two groups, or to the reference group.

        Parameters
        ----------
        metric : str
            One of the metrics in the table, which cannot be negative.
        reference : hashable, optional
            Compare every group with this one only.

        Returns
        -------
        float
            The smaller value divided by the larger one, from 0 to 1: 1 is parity. NaN if fewer than two
            groups can be measured.

        Raises
        ------
        ValueError
            If a value is negative, as the mean of scores that are no probabilities can be.
        """
        first, second = self._pairs(self._get(metric), reference)
        return smallest_ratio(metric, first.value, second.value)

    def difference_interval(self, metric: ScoreMetric, *, reference: Hashable = None) -> tuple[float, float]:
        """Return the confidence interval of :meth:`difference`, held by all pairs of groups together.

        Intervals of two groups are combined as in :func:`fairsk.statistics.difference_interval`, at a level
        that makes the intervals of all pairs hold at once (Bonferroni).

        Parameters
        ----------
        metric : str
            One of the metrics in the table but ``"calibration_error"``, which has no interval: noise adds to
            it, and :attr:`by_chance` says how much; nor ``"bpsn_auc"`` and ``"bnsp_auc"``, for groups that
            are in each other's background are not independent.
        reference : hashable, optional
            Compare every group with this one only.

        Returns
        -------
        tuple of two floats
            Its lower and upper end; NaN if fewer than two groups can be measured.

        Raises
        ------
        ValueError
            If the metric is not in the table or has no interval, or the table has no ``confidence``.
        """
        self._get(metric)
        reasons = dict.fromkeys(_BESIDE_BACKGROUND, "groups are in each other's background.")
        reason = (reasons | {"calibration_error": "noise adds to it, see by_chance."}).get(metric)
        if self.confidence is None or reason is not None:
            raise ValueError(f"{metric} has no interval here: {reason or 'confidence is None.'}")
        n_groups = len(self.groups)
        n_pairs = n_groups * (n_groups - 1) // 2 if reference is None else n_groups - 1
        estimates = _estimates(metric, self._scores, joint_confidence(self.confidence, n_pairs))
        first, second = self._pairs(estimates, reference)
        low, high = newcombe_interval(first, second)
        if not len(low):
            return float("nan"), float("nan")
        smallest = np.maximum(0, np.maximum(low, -high))
        return float(smallest.max()), float(np.maximum(abs(low), abs(high)).max())

    def ks_distance(
        self, *, given: Given = None, method: Method = "between_groups", reference: Hashable = None
    ) -> float:
        """Return the largest gap between two groups in the share of scores above any threshold.

        See :func:`fairsk.metrics.ks_distance`.
        """
        return largest_ks(self._scores, given, reference, method)

    def wasserstein_distance(
        self, *, given: Given = None, method: Method = "between_groups", reference: Hashable = None
    ) -> float:
        """Return the mean gap between the score distributions of the two groups that are furthest apart.

        See :func:`fairsk.metrics.wasserstein_distance`. Of histograms, it takes every row at the mean score
        of its bin, and is wrong by no more than the widest bin; given a label, by twice that.
        """
        return largest_wasserstein(self._scores, given, reference, method)

    def abroca(self, *, method: Method = "between_groups", reference: Hashable = None) -> float:
        """Return the largest area between the ROC curves of two groups.

        See :func:`fairsk.metrics.abroca`. Of histograms, curves are straight within a bin.
        """
        return largest_abroca(self._scores, reference, method)

    def bias_auc(self, *, groups: Sequence[Hashable] | None = None, power: float = -5.0) -> float:
        """Return the mean of the areas: of all rows, inside groups, and of groups beside all others.

        See :func:`fairsk.metrics.bias_auc`.
        """
        return mean_of_areas(self._scores, groups, power)

    def _get(self, metric: ScoreMetric) -> Estimate[Floats]:
        if metric not in self._measured:
            raise ValueError(f"{metric!r} is not in this table, which has: {', '.join(self._measured)}.")
        return self._measured[metric]

    def _pairs(
        self, estimate: Estimate[Floats], reference: Hashable
    ) -> tuple[Estimate[Floats], Estimate[Floats]]:
        """Return both sides of all pairs of groups that can be measured, or of those with the reference."""
        sides = measured_pairs(self.groups, estimate.value[:-1], reference)
        first, second = (Estimate(*(values[side] for values in estimate)) for side in sides)
        return first, second

    def _tables(self) -> list[Table]:
        n = [*self.n.tolist(), self._scores.total.n]
        columns: dict[str, list[Any]] = {"group": [*map(format_group, self.groups), "overall"], "n": n}
        text = {"group": columns["group"], "n": list(map(row_count, n))}
        notes = []
        for name, estimate in self._measured.items():
            columns[name], low, high = (part.tolist() for part in estimate)
            text[name] = list(map(with_interval, columns[name], low, high))
            if name == "calibration_error" and self._by_chance is not None:
                by_chance = columns["calibration_error_by_chance"] = self._by_chance.tolist()
                pairs = zip(columns[name], by_chance, strict=True)
                text[name] = [f"{number(error)} ({number(expected)})" for error, expected in pairs]
                notes.append("in brackets: the calibration error of perfectly calibrated scores, on average")
            elif self.confidence is not None:
                columns |= {f"{name}_low": low, f"{name}_high": high}
            if name in _NEEDS and self._scores.binned:
                errors = [score_estimates.auc_error(part) for part in _parts(name, self._scores)]
                title = f"{name}_error"
                columns[title], text[title] = errors, [number(error, 6) for error in errors]
        if self.confidence is not None and set(self._measured) - {"calibration_error"}:
            notes.insert(0, f"intervals: {percent(self.confidence)}")
        return [Table(columns, text, notes=[*notes, *self._notes])]


def warn_missing(table: ScoreMetrics, *, fewest: int = 0) -> None:
    """Warn of groups in which something cannot be measured, and of too few others."""
    measured = {name: ~np.isnan(values) for name, values in table.values.items()}
    for reason in dict.fromkeys([*_NEEDS.values(), "it has no rows"]):
        names = [name for name in measured if _NEEDS.get(name, "it has no rows") == reason]
        if names:
            in_groups = measured[names[0]].tolist()  # what fails in a group without rows fails together
            warn_unmeasured(", ".join(names), table.groups, in_groups, reason, fewest=fewest)


def _choose(
    scores: GroupedScores, metrics: ScoreMetric | Iterable[ScoreMetric] | None
) -> tuple[tuple[ScoreMetric, ...], tuple[str, ...]]:
    """Return the metrics that are asked for, or all that there can be, and why others are left out."""
    available: tuple[ScoreMetric, ...] = get_args(ScoreMetric)
    by_default = tuple(name for name in available if name not in _ON_REQUEST)
    names = by_default if metrics is None else (metrics,) if isinstance(metrics, str) else tuple(metrics)
    unknown = [name for name in names if name not in available]
    if unknown or not names or len(set(names)) < len(names):
        raise ValueError(
            f"metrics must be some of {', '.join(available)}, each once; got {list_labels(names)}."
        )
    obstacles: dict[str, tuple[str, ...]] = {}
    if scores.binned:
        obstacles["they need rows"] = ("brier", "log_loss")
    if not scores.have_means:
        obstacles["the histograms have no score_sums"] = ("mean_score", "calibration_error")
    elif not scores.are_probabilities:
        low, high = np.nanmin(scores.total.scores), np.nanmax(scores.total.scores)
        obstacles[f"scores run from {low:.3g} to {high:.3g} and are no probabilities"] = (
            "brier",
            "log_loss",
            "calibration_error",
        )
    notes = []
    for reason, obstructed in obstacles.items():
        left_out = [name for name in names if name in obstructed]
        if left_out and metrics is not None:
            raise ValueError(f"{', '.join(left_out)} cannot be measured: {reason}.")
        if left_out:
            notes.append(f"left out: {', '.join(left_out)} ({reason})")
            names = tuple(name for name in names if name not in obstructed)
    return tuple(names), tuple(notes)


def _parts(metric: str, scores: GroupedScores) -> list[SortedScores]:
    """Return the rows that a metric is of, in every group and over all, which has no background."""
    if metric not in _BESIDE_BACKGROUND:
        return scores.parts_and_total
    return [_BESIDE_BACKGROUND[metric](part, scores.total) for part in scores.parts_and_total]


def _estimates(metric: ScoreMetric, scores: GroupedScores, confidence: float | None) -> Estimate[Floats]:
    """Estimate a metric in every group, and over all rows."""
    if metric == "base_rate":
        labels = scores.labels()
        value = labels.rate("base_rate")
        no_interval = np.full_like(value, np.nan)
        if confidence is None:
            return Estimate(value, no_interval, no_interval)
        return Estimate(value, *rate_intervals(labels, "base_rate", confidence))
    parts = _parts(metric, scores)
    estimates = [_ESTIMATES.get(metric, score_estimates.auc)(part, confidence) for part in parts]
    return Estimate(*map(np.array, zip(*estimates, strict=True)))


def score_metrics(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    sensitive_features: Any,
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
    metrics: ScoreMetric | Iterable[ScoreMetric] | None = None,
    confidence: float | None = 0.95,
    n_bins: int = 10,
    strategy: Strategy = "uniform",
) -> ScoreMetrics:
    """Tabulate how well scores rank and how well they are calibrated, in every group.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Labels.
    y_score : array-like of shape (n_samples,)
        Finite scores that grow with the probability of the positive label; these probabilities themselves for
        the Brier score, the log loss and the calibration error.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns)
        The group of each row; several columns make an intersection.
    sample_weight : array-like of shape (n_samples,), optional
        Weight of each row, not negative.
    pos_label : label, optional
        The positive label; needed unless labels are 0 and 1, -1 and 1, or booleans.
    metrics : str or iterable of str, optional
        Some of ``"base_rate"``, ``"mean_score"``, ``"auc"``, ``"brier"``, ``"log_loss"`` and
        ``"calibration_error"``; by default all that these scores have. Besides, where they are asked for,
        ``"subgroup_auc"``, ``"bpsn_auc"`` and ``"bnsp_auc"``, which compare a group with all others.
    confidence : float in (0, 1) or None, default=0.95
        The confidence of the intervals; None leaves them out.
    n_bins : int, default=10
        How many bins the calibration error has.
    strategy : {"uniform", "quantile"}, default="uniform"
        Bins of equal width, or bins that hold about equally many of all rows. Groups share the bins.

    Returns
    -------
    ScoreMetrics
        The table; it also has the distances between the groups' scores, from the same sort.

    Raises
    ------
    ValueError
        If lengths differ, labels or a group value are missing, the positive label cannot be told, or a metric
        of probabilities is asked for and a score lies outside of 0 to 1.

    Warns
    -----
    UserWarning
        If a group has one label only, and so no area under the ROC curve (or lacks what another area needs):
        it is NaN, and the group is named.

    See Also
    --------
    group_metrics : Rates of decisions, and any other function of scores.
    calibration_curves : Where scores are miscalibrated.
    auc_difference : One of the differences that have a name of their own.

    Notes
    -----
    ``auc`` is the probability that a positive scores higher than a negative of the group, ties counted half
    (DeLong's variance, on the logit scale, with Satterthwaite's degrees of freedom). ``brier`` is the mean of
    ``(score - label)^2``, ``log_loss`` that of ``-log(probability of the label)``; they and ``mean_score``
    have t intervals, by linearisation if rows are weighted. ``calibration_error`` is the sum over bins of
    ``n_b / n |label rate - mean score|``; noise adds to it, and that of calibrated scores stands
    beside it. ``base_rate`` has Wilson's interval. Weighted rows count by their effective number.

    Beside its background, all rows of other groups (also of those who name nobody), a group has two more
    areas. ``bpsn_auc`` is the probability that a positive of the background scores higher than a negative of
    the group: low where the group's negatives score too high, as harmless comments that name it may.
    ``bnsp_auc`` is the probability that a positive of the group scores higher than a negative of the
    background: low where the group's positives score too low. ``subgroup_auc`` is ``auc``, by the name that
    it has beside these two. Of all rows the two are NaN, for there is no background. Intervals are those of
    ``auc``, for rows of two labels are other rows.

    References
    ----------
    Borkan, Dixon, Sorensen, Thain & Vasserman, Nuanced Metrics for Measuring Unintended Bias with Real Data
    for Text Classification, WWW 2019, for the areas beside a background. DeLong, DeLong & Clarke-Pearson,
    Comparing the Areas Under Two or More Correlated Receiver Operating Characteristic Curves, Biometrics 44,
    1988. Naeini, Cooper & Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI
    2015, for the calibration error.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.metrics import score_metrics
    >>> rng = np.random.default_rng(0)
    >>> y_score, group = rng.random(1000), rng.choice(["a", "b"], 1000)
    >>> y_true = rng.random(1000) < np.where(group == "a", y_score, y_score**2)
    >>> table = score_metrics(y_true, y_score, sensitive_features=group,
    ...                       metrics=["base_rate", "auc", "brier", "calibration_error"])
    >>> print(table)
    group        n             base_rate                   auc                 brier  calibration_error
    ---------------------------------------------------------------------------------------------------
    a          478  0.567 [0.522, 0.611]  0.819 [0.779, 0.853]  0.174 [0.157, 0.192]      0.053 (0.046)
    b          522  0.360 [0.320, 0.402]  0.888 [0.857, 0.912]  0.161 [0.144, 0.177]      0.157 (0.043)
    overall  1,000  0.459 [0.428, 0.490]  0.839 [0.813, 0.862]  0.167 [0.155, 0.179]      0.059 (0.032)
    intervals: 95%
    in brackets: the calibration error of perfectly calibrated scores, on average
    >>> round(table.difference("auc"), 3)
    0.069
    """
    scores = GroupedScores.of_rows(
        y_true,
        y_score,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        name="score_metrics",
    )
    table = ScoreMetrics(
        scores,
        metrics,
        confidence=confidence,
        n_bins=n_bins,
        strategy=strategy,
        library=library_of(sensitive_features, y_true, y_score),
    )
    warn_missing(table)
    return table
