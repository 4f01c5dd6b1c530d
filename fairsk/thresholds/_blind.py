"""The blind policy: decisions that do not look at the attribute; rows pay for their probable groups.

Where the attribute may not be used at prediction, a second model guesses it. To select a row moves the rate
of each group by an amount that can be expected from the row's score and from its probabilities of belonging
to the groups. A row is selected if what it adds to the objective exceeds what that costs, at a price per
group and rate: the form that the best such rule has [1]_ [2]_. The prices start from the dual values of the
bounds, found by cutting planes on the dual function [3]_. Then they are scaled, and each one is moved, by
exact line searches over the true groups and labels: along a line of prices, a row's decision flips once.

References
----------
.. [1] Zeng, Dobriban & Cheng, Bayes-Optimal Classifiers under Group Fairness, 2022.
.. [2] Xian & Zhao, A Unified Post-Processing Framework for Group Fairness in Classification, 2024.
.. [3] Kelley, The Cutting-Plane Method for Solving Convex Programs, Journal of SIAM 8, 1960.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator

from fairsk._core.bounds import ROUNDING, Bound, bounded_rates
from fairsk._core.counts import GroupCounts, soft_counts
from fairsk._core.typing import Bools, Floats, Ints
from fairsk._held_out.objective import FreeObjective, Objective
from fairsk._held_out.report import MeasuredOn, drop_rounding
from fairsk._held_out.safety_margin import KeptMargin
from fairsk._meta.cross_fit import OutOfFold, Respond, Splits, TrainingData, cross_fit
from fairsk._meta.groupwise import as_labels, group_chances
from fairsk._sklearn.routing import ScoreMethod, positive_scores
from fairsk.rates import CELLS, Rate, get_rate
from fairsk.thresholds._dual_prices import least_of_dual
from fairsk.thresholds._group_curves import GroupCurves
from fairsk.thresholds._report import ThresholdReport, measure, warn_of_limits
from fairsk.thresholds._search import Search
from fairsk.thresholds._solvers.problem import Clearance
from fairsk.thresholds._spec import ThresholdSpec

__all__ = [
    "BlindPolicy",
    "BlindRows",
    "BlindRule",
    "best_blind_rule",
    "between",
    "check_blind_models",
    "choose_blind_policy",
    "cross_fit_blind",
]


#: How many other base thresholds are tried, from the lowest to the highest score.
_BASES = 11
#: How many rows serve to explore from many starts, in few rounds; then the best are carried on with all rows.
_EXPLORED_ROWS = 20_000
_FEW_ROUNDS = 3
_MANY_ROUNDS = 20
_CARRIED_ON = 3
#: Any score that is no greater than this belongs to a rule that violates a bound.
_INFEASIBLE = -1e250
_CHUNK = 65536
#: What a capacity limits.
_SELECTION = get_rate("selection_rate")


@dataclass(frozen=True)
class BlindRule:
    """Select a row if its score exceeds the base threshold by more than its probable groups cost.

    Parameters
    ----------
    base : float
        The threshold of a row that costs nothing.
    prices : array of shape (n_groups, n_rates)
        What it costs to move a group's rate (times its denominator) by one.
    steps : array of shape (n_rates, 2)
        By how much a selected positive, and a selected negative, moves the numerator of each rate.
    """

    base: float
    prices: Floats
    steps: Floats

    def excess(self, scores: Floats, groups: Floats) -> Floats:
        """Return by how much a row's score exceeds what is required of it; it is selected above 0.

        ``groups`` has the probability that each row belongs to each group.
        """
        per_group = np.stack([scores, 1 - scores], axis=1) @ self.steps.T @ self.prices.T
        return scores - self.base - (per_group * groups).sum(1)


@dataclass(frozen=True)
class BlindRows:
    """Rows with their out-of-fold scores, and with the true labels and groups.

    Parameters
    ----------
    scores : array of shape (n_samples,)
        Probabilities of the positive label.
    groups : array of shape (n_samples, n_groups)
        Probabilities of the groups that can be measured.
    actual : boolean array of shape (n_samples,)
        Whether the label is the positive one.
    codes : integer array of shape (n_samples,)
        The true groups, -1 for those that cannot be measured.
    weights : array of shape (n_samples,)
        The weights.
    """

    scores: Floats
    groups: Floats
    actual: Bools
    codes: Ints
    weights: Floats

    def take(self, rows: Ints) -> BlindRows:
        """Return some of the rows."""
        return BlindRows(
            self.scores[rows], self.groups[rows], self.actual[rows], self.codes[rows], self.weights[rows]
        )


@dataclass(frozen=True)
class BlindPolicy:
    """A fitted blind policy: the classifier, the model that guesses the groups, and the rule.

    Parameters
    ----------
    estimator : classifier, or regressor
        Scores rows by ``predict_proba``, or by predictions that are chances.
    group_estimator : classifier
        Its classes are positions among the groups.
    rule : BlindRule
        With a price for every group; 0 for those that cannot be measured.
    overall_threshold : float
        The best threshold for all rows alike, without a bound.
    pos_label : label
        The positive class.
    classes : array of shape (2,)
        The labels.
    """

    is_blind: ClassVar[bool] = True
    is_mixed: ClassVar[bool] = False

    estimator: Any
    group_estimator: Any
    rule: BlindRule
    overall_threshold: float
    pos_label: Hashable
    classes: NDArray[Any]

    def score(self, X: Any, response_method: ScoreMethod, values: Any = None) -> Floats:
        """Return the score of each row, for which groups are not asked."""
        return positive_scores(self.estimator, X, response_method, self.pos_label, values)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each row; X is without the sensitive column."""
        method: ScoreMethod = "predict_proba" if hasattr(self.estimator, "predict_proba") else "predict"
        scores = positive_scores(self.estimator, X, method, self.pos_label)
        groups = group_chances(self.group_estimator, X, n_groups=len(self.rule.prices))
        selected = self.rule.excess(scores, groups) > 0
        return as_labels(selected, self.classes, self.pos_label)

    def certain(self, predicted: NDArray[Any]) -> Floats:
        """Return 1 for rows that are predicted positive, and 0 for the others."""
        return (predicted == self.pos_label).astype(float)


def check_blind_models(estimator: Any, group_estimator: Any, response_method: ScoreMethod) -> None:
    """Refuse models that a blind policy cannot use.

    Raises
    ------
    ValueError
        If the classifier has no probabilities, a regressor comes without a model of the groups, or that is
        fitted already.
    """
    if response_method == "predict":
        if group_estimator is None:
            raise ValueError(
                "policy='blind' guesses the groups, which a regressor cannot: name a classifier that learns "
                "them, such as group_estimator=LogisticRegression()."
            )
    elif response_method == "decision_function" or not hasattr(estimator, "predict_proba"):
        raise ValueError(
            "policy='blind' weighs chances: the estimator needs predict_proba, and response_method must "
            "not be 'decision_function'. Wrap it in sklearn.calibration.CalibratedClassifierCV."
        )
    if isinstance(group_estimator, FrozenEstimator):
        raise ValueError("group_estimator learns the groups of these rows: it must not be a prefit one.")


def cross_fit_blind(
    estimator: Any,
    group_estimator: Any,
    training: TrainingData,
    respond: Respond,
    *,
    splits: Splits,
    min_group_size: int,
    refit: bool,
    regress: bool,
    random_state: Any,
    n_jobs: int | None,
) -> tuple[OutOfFold, OutOfFold]:
    """Cross-fit a classifier and a model of the groups on the same folds; neither predicts from the groups.

    Parameters
    ----------
    estimator : classifier
        With ``predict_proba``.
    group_estimator : classifier or None
        What learns the groups; by default a clone of the classifier.
    training : TrainingData
        The rows, without the sensitive column.
    respond : callable
        How a fitted classifier scores rows, by its probabilities.
    splits : list of tuple of two arrays
        Positions of the rows to train on and of those to score.
    min_group_size : int
        Where fewer than two groups have as many rows, there is nothing to compare, and no model is learned.
    refit, regress, random_state, n_jobs
        As in :func:`~fairsk._meta.cross_fit.cross_fit`.

    Returns
    -------
    tuple of two OutOfFold
        The same rows with their scores, and with their probabilities of the groups.
    """
    inner = group_estimator
    if inner is None:
        inner = estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator
    if (training.groups.sums() >= min_group_size).sum() < 2:
        inner = DummyClassifier()
    out_of_fold = cross_fit(
        estimator,
        training,
        respond,
        cv=splits,
        share_groups=False,
        refit=refit,
        regress=regress,
        random_state=random_state,
        n_jobs=n_jobs,
    )
    if regress and isinstance(estimator, FrozenEstimator):
        _refuse_amounts(out_of_fold.scores)
    groups_out_of_fold = cross_fit(
        inner,
        # What the user passes on to fit is meant for the classifier.
        training if inner is estimator else replace(training, fit_params={}),
        partial(group_chances, n_groups=len(training.groups.labels)),
        target=training.groups.codes,
        cv=splits,
        share_groups=False,
        refit=refit,
        random_state=random_state,
        n_jobs=n_jobs,
    )
    if isinstance(estimator, FrozenEstimator):  # it has scored all rows, in their order
        out_of_fold = out_of_fold.take(groups_out_of_fold.rows)
    return out_of_fold, groups_out_of_fold


def _refuse_amounts(predicted: Floats) -> None:
    """Refuse predictions of a prefit regressor that are no chances, as those fitted to 0 and 1 are."""
    low, high = float(predicted.min()), float(predicted.max())
    if low < 0 or high > 1:
        raise ValueError(
            "policy='blind' weighs chances, between 0 and 1, and the prefit regressor predicts numbers from "
            f"{low:.6g} to {high:.6g}. Leave out FrozenEstimator: then it is fitted to 1 for the positive "
            "label and 0 for the other."
        )


def choose_blind_policy(
    out_of_fold: OutOfFold,
    groups_out_of_fold: OutOfFold,
    spec: ThresholdSpec,
    *,
    pos_label: Hashable,
    classes: NDArray[Any],
    measured_on: MeasuredOn,
) -> tuple[BlindPolicy, ThresholdReport]:
    """Choose a rule that sees scores and probabilities of groups only, and measure what that costs.

    Parameters
    ----------
    out_of_fold, groups_out_of_fold : OutOfFold
        The same rows with their scores, and with their probabilities of the groups.
    spec : ThresholdSpec
        What is asked for.
    pos_label, measured_on
        For the report.
    classes : array of shape (2,)
        The labels.

    Returns
    -------
    tuple
        The policy and its report.

    Raises
    ------
    ValueError
        If the policy is not open to a rate or requirement, or no rule meets the bounds.
    """
    _check_blind_spec(spec)
    present, probabilities = out_of_fold.present(), groups_out_of_fold.present().scores
    curves = GroupCurves.from_rows(present.scores, present.actual, present.groups, present.weights)
    search = Search.prepare(curves, spec)
    position = np.full(len(curves.labels), -1)
    position[search.measured] = np.arange(len(search.measured))
    rows = BlindRows(
        present.scores,
        probabilities[:, search.measured],
        present.actual,
        position[present.groups.codes],
        present.mass,
    )

    def count(selected: Bools) -> GroupCounts:
        return soft_counts(selected.astype(float), rows.actual, present.groups, rows.weights)

    rule, margin = _choose_rule(rows, search, count)
    selected = rule.excess(rows.scores, rows.groups) > 0
    if not search.measured:  # as everywhere else, a score at the overall threshold is selected
        selected = rows.scores >= rule.base
    counts = count(selected)
    report = ThresholdReport(
        **measure(search, counts, margin, pos_label=pos_label, measured_on=measured_on),
        policy="blind",
        solver="prices of the groups (cutting planes and exact sweeps)",
        reason="as asked for",
        thresholds={},
        optimality_gap=None,
    )
    if search.measured:
        report = replace(report, blindness_cost=_blindness_cost(search, margin, report.value))
    warn_of_limits(report, spec)
    prices = np.zeros((len(curves.labels), len(spec.rates)))
    prices[search.measured] = rule.prices
    policy = BlindPolicy(
        out_of_fold.estimator,
        groups_out_of_fold.estimator,
        replace(rule, prices=prices),
        search.overall.threshold,
        pos_label,
        classes,
    )
    return policy, report


def _check_blind_spec(spec: ThresholdSpec) -> None:
    """Refuse what a blind policy cannot do."""
    unfit = [rate.name for rate in spec.rates if not rate.has_fixed_denominator]
    if unfit:
        raise ValueError(
            f"policy='blind' is open to rates with fixed denominators only, which {' and '.join(unfit)} has "
            "not; use policy='threshold' if the groups may be used at prediction."
        )
    if spec.requirements.level_up is not False:
        raise ValueError("policy='blind' has no thresholds to level: leave out level_up.")


def _choose_rule(
    rows: BlindRows, search: Search, count: Callable[[Bools], GroupCounts]
) -> tuple[BlindRule, KeptMargin]:
    """Return the best rule that keeps the margin, and the margin that it keeps."""
    spec, base = search.spec, search.overall.threshold
    if not search.measured:
        n_rates = len(spec.rates)
        return BlindRule(base, np.zeros((0, n_rates)), np.zeros((n_rates, 2))), KeptMargin.none()
    rates, bounds = zip(*bounded_rates(spec.constraints), strict=True)

    def solve(distances: Floats | None) -> BlindRule:
        rule = best_blind_rule(
            rows,
            rates,
            bounds,
            search.of_all_rows,
            base,
            spec.requirements.capacity,
            tuple(spec.requirements.min_rates.items()),
            None if distances is None else Clearance.keeping(distances[:, :, None], bounds),
        )
        if rule is None:
            required = [*dict.fromkeys(map(str, bounds)), *spec.requirements.in_words()]
            raise ValueError(
                f"No blind rule was found that meets {', '.join(required)}. Loosen the bound, or use "
                "policy='auto' if the groups may be used at prediction."
            )
        return rule

    return search.margin.choose(
        solve, lambda rule: search.covered(count(rule.excess(rows.scores, rows.groups) > 0))
    )


def _blindness_cost(search: Search, margin: KeptMargin, value: float) -> float | None:
    """Return how much more thresholds per group would reach; None if no thresholds meet the bounds.

    A rule that weighs a row's probable groups is no threshold of its group, and may reach more: then it is
    negative.
    """
    best = search.keeping(margin.distances).best(search.spec.constraints)
    values = [solution.value for solution in best if solution is not None]
    costs = [drop_rounding(float(search.objective.better(other, value))) for other in values]
    return max(costs, default=None)


def best_blind_rule(
    rows: BlindRows,
    rates: Sequence[Rate],
    bounds: Sequence[Bound],
    objective: Objective | FreeObjective,
    base: float,
    capacity: float | None = None,
    min_rates: tuple[tuple[Rate, float], ...] = (),
    clearance: Clearance | None = None,
) -> BlindRule | None:
    """Return the best rule found that meets the bounds on these rows; None if none does.

    Parameters
    ----------
    rows : BlindRows
        What to choose on.
    rates, bounds : sequences
        The rates that should agree, and a bound for each.
    objective : Objective or FreeObjective
        What to maximise over all rows.
    base : float
        The threshold to begin with: the best one for all rows alike.
    capacity : float, optional
        The largest share of all rows that may be selected.
    min_rates : tuple of pairs
        What rates must at least be, in every group.
    clearance : Clearance, optional
        How far rates stay away from the ends of their windows, in arrays of shape (n_rates, n_groups, 1).
    """
    n = len(rows.scores)
    few = rows.take(np.arange(0, n, -(-n // _EXPLORED_ROWS)))
    steps = np.array([_steps(rate) for rate in rates])
    on_few, on_all = (
        _CoordinateSearch(part, rates, bounds, objective, capacity, min_rates, clearance)
        for part in (few, rows)
    )
    inside = float(np.clip(base, rows.scores.min(), rows.scores.max()))
    duals = _dual_values(rows, rates, bounds, steps, inside)
    free = np.zeros_like(duals)
    bases = np.append(np.quantile(rows.scores, np.linspace(0, 1, _BASES)), inside)
    starts = [BlindRule(float(at), free, steps) for at in np.unique(bases)]
    starts += [on_few.line_search(start, duals).rule for start in starts]
    explored = sorted((on_few.ascend(start, _FEW_ROUNDS) for start in starts), reverse=True)
    best = max(on_all.ascend(candidate.rule, _MANY_ROUNDS) for candidate in explored[:_CARRIED_ON])
    return best.rule if best.score > _INFEASIBLE else None


@dataclass(frozen=True, order=True)
class _Candidate:
    """A rule and its score: the objective if all bounds are met, else far below that, by the violation."""

    score: float
    rule: BlindRule = field(compare=False)


def _steps(rate: Rate) -> tuple[float, float]:
    tp, fp, fn, tn = rate.numerator_coefficients
    return tp - fn, fp - tn


def _axes(prices: Floats) -> list[Floats]:
    """Return the directions along which one group's price changes, for one rate."""
    axes = []
    for place in np.ndindex(prices.shape):
        axis = np.zeros_like(prices)
        axis[place] = 1.0
        axes.append(axis)
    return axes


def _dual_values(
    rows: BlindRows, rates: Sequence[Rate], bounds: Sequence[Bound], steps: Floats, base: float
) -> Floats:
    """Return the prices at which the expected gain of the bounded problem is least: its dual values.

    The dual function is the largest gain at some prices; a linear program over its cutting planes gives the
    prices to try next.
    """
    n_groups, n_rates = rows.groups.shape[1], len(rates)
    member = np.eye(n_groups)[rows.codes] * (rows.codes >= 0)[:, None] * rows.weights[:, None]
    positives, negatives = rows.actual @ member, ~rows.actual @ member
    none = np.zeros(n_groups)
    unselected = {"tp": none, "fp": none, "fn": positives, "tn": negatives}
    supports = np.array([rate.support(unselected) for rate in rates]).T
    start = np.array([rate(unselected) for rate in rates]).T
    total = rows.weights.sum()
    gain = (rows.scores - base) * rows.weights / total
    moves = np.stack([rows.scores, 1 - rows.scores], axis=1) @ steps.T  # of each rate's numerator, by a row
    weighted = rows.groups * rows.weights[:, None]

    def answer(prices: Floats) -> tuple[float, Floats]:
        net_gain = gain - ((moves @ (prices / supports).T) * rows.groups).sum(1) * rows.weights
        selected = net_gain > 0
        moved = (weighted[selected].T @ moves[selected]) / supports  # of each group's rate, by those selected
        return float(net_gain[selected].sum() - (prices * start).sum()), start + moved

    # Prices are per unit of a rate, gains per row: a rule takes both per row.
    return least_of_dual(answer, bounds, (n_groups, n_rates)) * total / supports


class _CoordinateSearch:
    """Coordinate ascent over base threshold and prices, by exact line searches on true groups and labels."""

    def __init__(
        self,
        rows: BlindRows,
        rates: Sequence[Rate],
        bounds: Sequence[Bound],
        objective: Objective | FreeObjective,
        capacity: float | None,
        min_rates: tuple[tuple[Rate, float], ...],
        clearance: Clearance | None = None,
    ) -> None:
        self._rows, self._objective = rows, objective
        self._bounded = list(zip(rates, bounds, strict=True))
        self._capacity, self._min_rates = capacity, min_rates
        self._room = Clearance.none(len(rates)) if clearance is None else clearance
        self._n_groups = rows.groups.shape[1]
        # A table of cells: positives and negatives of each group, and of those in no group.
        self._place = np.where(rows.codes < 0, self._n_groups, rows.codes)
        size = self._n_groups + 1
        self._totals = {
            True: np.bincount(self._place, rows.weights * rows.actual, size),
            False: np.bincount(self._place, rows.weights * ~rows.actual, size),
        }

    def ascend(self, rule: BlindRule, n_rounds: int) -> _Candidate:
        """Move one price, or all, or the base at a time, as long as that helps."""
        best = self.line_search(rule, np.zeros_like(rule.prices))
        for _ in range(n_rounds):
            before = best.score
            for direction in (*_axes(rule.prices), best.rule.prices, None):
                best = max(best, self.line_search(best.rule, direction))
            if best.score <= before:
                break
        return best

    def line_search(self, rule: BlindRule, direction: Floats | None) -> _Candidate:
        """Return the best rule along a line of prices, or of base thresholds."""
        rows = self._rows
        excess = rule.excess(rows.scores, rows.groups)
        if direction is None:
            slope = np.ones(len(excess))
        else:
            moved = BlindRule(rule.base, rule.prices + direction, rule.steps)
            slope = excess - moved.excess(rows.scores, rows.groups)
        # The excess is linear along the line: a row's decision flips where it passes 0.
        flips = np.divide(excess, slope, out=np.full_like(excess, np.nan), where=np.abs(slope) > 1e-15)
        order = np.argsort(flips)  # NaN last: these rows are decided the same way all along
        order = order[: int(np.isfinite(flips).sum())]
        selected = np.where(np.isnan(flips), excess > 0, slope > 0)
        score, at = self._best_step(order, flips[order], selected, slope)
        if direction is None:
            return _Candidate(score, BlindRule(rule.base + at, rule.prices, rule.steps))
        return _Candidate(score, BlindRule(rule.base, rule.prices + at * direction, rule.steps))

    def _best_step(self, order: Ints, at: Floats, selected: Bools, slope: Floats) -> tuple[float, float]:
        """Return the greatest score along the line, and where it is reached."""
        rows, size = self._rows, self._n_groups + 1
        selected_weights = rows.weights * selected
        tp = np.bincount(self._place, selected_weights * rows.actual, size)
        fp = np.bincount(self._place, selected_weights * ~rows.actual, size)
        best = (-np.inf, 0.0)
        n = len(order)
        for first in range(0, n + 1, _CHUNK):
            # Before the first flip of the chunk, and after each but the last, which starts the next one.
            part = order[first : first + _CHUNK]
            sign = np.where(slope[part] > 0, -1.0, 1.0) * rows.weights[part]
            member = (self._place[part][:, None] == np.arange(size)) * sign[:, None]
            tps = tp + np.cumsum(np.vstack([np.zeros(size), member * rows.actual[part][:, None]]), axis=0)
            fps = fp + np.cumsum(np.vstack([np.zeros(size), member * ~rows.actual[part][:, None]]), axis=0)
            here = np.append(at[first - 1 : first] if first else -np.inf, at[first : first + len(part)])
            after = np.append(here[1:], at[first + len(part)] if first + len(part) < n else np.inf)
            if first + len(part) < n:
                tps_used, fps_used, here, after = tps[:-1], fps[:-1], here[:-1], after[:-1]
            else:
                tps_used, fps_used = tps, fps
            scores = self._scores(tps_used.T, fps_used.T)
            scores[~(after > here)] = -np.inf  # rows that flip together cannot be told apart
            i = int(np.argmax(scores))
            if scores[i] > best[0]:
                best = float(scores[i]), between(here[i], after[i])
            tp, fp = tps[-1], fps[-1]
        return best

    def _scores(self, tp: Floats, fp: Floats) -> Floats:
        """Return how good the cells are (groups in rows, steps in columns); far below at a violation."""
        everyone = {
            "tp": tp,
            "fp": fp,
            "fn": self._totals[True][:, None] - tp,
            "tn": self._totals[False][:, None] - fp,
        }
        total = {cell: everyone[cell].sum(0) for cell in CELLS}
        value = np.asarray(self._objective.better(self._objective.value(total), 0.0), dtype=float)
        groups = {cell: everyone[cell][:-1] for cell in CELLS}
        violation = np.where(np.isnan(value), np.inf, 0.0)
        for j, (rate, bound) in enumerate(self._bounded):
            values = rate(groups)  # NaN if any group's rate is undefined
            lowest, highest = self._room.low(values, j).min(0), self._room.high(values, j).max(0)
            violation = np.maximum(violation, np.nan_to_num(highest - bound.upper(lowest), nan=np.inf))
        for rate, least in self._min_rates:
            violation = np.maximum(violation, np.nan_to_num(least - ROUNDING - rate(groups), nan=0.0).max(0))
        if self._capacity is not None:
            violation = np.maximum(violation, _SELECTION(total) - self._capacity - ROUNDING)
        return np.where(violation > 0, _INFEASIBLE * (1 + violation), value)


def between(low: float, high: float) -> float:
    """Return a number strictly above the first and below the second, if there is one."""
    if not np.isfinite(low):
        return high - 1.0 if np.isfinite(high) else 0.0
    if not np.isfinite(high):
        return low + 1.0
    middle = low / 2 + high / 2
    return middle if low < middle < high else low
