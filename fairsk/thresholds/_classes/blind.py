"""The blind policy of several classes: what each decision costs a row, by its probable groups.

It is that of two classes (:mod:`fairsk.thresholds._blind`) with a decision among several. To decide a row as
a class moves the rates of each group by an amount that can be expected from the row's probabilities of the
labels and of the groups. Each row gets the class that is worth most after its price; the prices are per
group, rate and event. They start from the dual values of the bounds, and are then moved one at a time by
exact line searches over the true groups and labels: along a line of prices, what a row is worth with each
class is a line too, and its class follows their upper envelope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fairsk._core.bounds import ROUNDING, BoundedConstraint
from fairsk._core.typing import Floats, Ints
from fairsk._meta.groupwise import group_chances
from fairsk._sklearn.routing import ScoreMethod, class_scores
from fairsk.rates import CELLS, Rate
from fairsk.thresholds._blind import between
from fairsk.thresholds._classes.policy import as_classes, one_hot
from fairsk.thresholds._classes.problem import OffsetProblem
from fairsk.thresholds._dual_prices import least_of_dual
from fairsk.thresholds._solvers.problem import Clearance

__all__ = ["BlindClassPolicy", "BlindClassRows", "BlindClassRule", "best_blind_class_rule"]

#: How many rows serve to explore from several starts, in few rounds; then the best are carried on with all.
_EXPLORED_ROWS = 5_000
_FEW_ROUNDS, _MANY_ROUNDS, _CARRIED_ON = 2, 6, 2
#: Dual values of the bounds tightened to these shares are starts, for expected rates differ from true ones.
_SHARES = (1.0, 0.5)
#: Any score that is no greater than this belongs to a rule that violates a bound.
_INFEASIBLE = -1e250
#: Lines whose slopes differ by no more are parallel.
_PARALLEL = 1e-15
_CHUNK = 65536


@dataclass(frozen=True)
class BlindClassRule:
    """Decide each row as the class that is worth most, less what its probable groups pay for it.

    Parameters
    ----------
    offsets : array of shape (n_classes,)
        What is added to the worth of each class for all rows alike.
    prices : array of shape (n_groups, n_rates * n_events)
        What it costs to move a group's rate (times its denominator) by one.
    worth : array of shape (n_classes, n_classes)
        What a row of the first label is worth when it gets the second as its decision.
    slopes : array of shape (n_rates * n_events, n_classes, n_classes)
        By how much such a row moves the numerator of each rate.
    """

    offsets: Floats
    prices: Floats
    worth: Floats
    slopes: Floats

    def gains(self, probabilities: Floats, groups: Floats) -> Floats:
        """Return what each class is worth for a row; the greatest one decides.

        Parameters
        ----------
        probabilities : array of shape (n_samples, n_classes)
            The probability that each row has each label.
        groups : array of shape (n_samples, n_groups)
            The probability that it belongs to each group.
        """
        gains = probabilities @ self.worth + self.offsets
        prices = groups @ self.prices
        for j, slopes in enumerate(self.slopes):
            gains -= prices[:, j, None] * (probabilities @ slopes)
        return gains


@dataclass(frozen=True)
class BlindClassPolicy:
    """A fitted blind policy: the classifier, the model that guesses the groups, and the rule.

    Parameters
    ----------
    estimator : classifier
        Scores rows by ``predict_proba``.
    group_estimator : classifier
        Its classes are positions among the groups.
    rule : BlindClassRule
        With prices for every group; 0 for those that cannot be measured.
    overall_offsets : array of shape (n_classes,)
        The best offsets for all rows alike, without a bound.
    classes : sequence of labels
        The classes, in the order of the offsets.
    """

    is_blind: ClassVar[bool] = True
    is_mixed: ClassVar[bool] = False

    estimator: Any
    group_estimator: Any
    rule: BlindClassRule
    overall_offsets: Floats
    classes: Sequence[Any]

    def score(self, X: Any, response_method: ScoreMethod, values: Any = None) -> Floats:
        """Return the probability of each row and class."""
        return class_scores(self.estimator, X, "predict_proba", self.classes, values)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each row; X is without the sensitive column."""
        probabilities = class_scores(self.estimator, X, "predict_proba", self.classes)
        groups = group_chances(self.group_estimator, X, n_groups=len(self.rule.prices))
        decisions = np.argmax(self.rule.gains(probabilities, groups), axis=1)
        return as_classes(decisions, self.classes, np.asarray(self.estimator.classes_))

    def certain(self, predicted: NDArray[Any]) -> Floats:
        """Return 1 for the class that is predicted of each row, and 0 for the others."""
        return one_hot(predicted, self.classes)


@dataclass(frozen=True)
class BlindClassRows:
    """Rows with their out-of-fold probabilities, and with the true labels and groups.

    Parameters
    ----------
    probabilities : array of shape (n_samples, n_classes)
        Probabilities of the labels.
    groups : array of shape (n_samples, n_groups)
        Probabilities of the groups that can be measured.
    labels : integer array of shape (n_samples,)
        The true labels.
    codes : integer array of shape (n_samples,)
        The true groups, -1 for those that cannot be measured.
    weights : array of shape (n_samples,)
        The weights.
    """

    probabilities: Floats
    groups: Floats
    labels: Ints
    codes: Ints
    weights: Floats

    def take(self, rows: Ints) -> BlindClassRows:
        """Return some of the rows."""
        return BlindClassRows(
            self.probabilities[rows],
            self.groups[rows],
            self.labels[rows],
            self.codes[rows],
            self.weights[rows],
        )


@dataclass(frozen=True, order=True)
class _Candidate:
    """A rule and its score: the value if all bounds are met, else far below that, by the violation."""

    score: float
    rule: BlindClassRule = field(compare=False)

    @property
    def violation(self) -> float:
        """By how much a bound is exceeded at the most, 0 if none is."""
        return max(0.0, self.score / _INFEASIBLE - 1) if self.score <= _INFEASIBLE else 0.0


def best_blind_class_rule(rows: BlindClassRows, problem: OffsetProblem) -> tuple[BlindClassRule, float]:
    """Return the best rule found, and by how much it exceeds a bound at the most: 0 if it meets all.

    Parameters
    ----------
    rows : BlindClassRows
        What to choose on.
    problem : OffsetProblem
        What is bounded, with the same groups; its scores and rows are not looked at.
    """
    slopes = np.array([_slopes(rate, problem.events.members[e]) for rate, e in problem.rates])
    few = rows.take(np.arange(0, len(rows.labels), -(-len(rows.labels) // _EXPLORED_ROWS)))
    on_few, on_all = (_CoordinateSearch(part, problem, slopes) for part in (few, rows))
    free = np.zeros((rows.groups.shape[1], len(slopes)))
    plain = BlindClassRule(np.zeros(problem.n_classes), free, problem.worth, slopes)
    shares = np.bincount(rows.labels, rows.weights, problem.n_classes) @ problem.worth
    # One decision for all meets any bound on rates that are shares: from there, too, it can only get better.
    beyond = 4 * float(np.ptp(problem.worth)) + 1.0
    constant = np.where(np.arange(problem.n_classes) == np.argmax(shares), beyond, 0.0)
    starts = [plain, replace(plain, offsets=constant)]
    starts += [rule for share in _SHARES for rule in on_few.priced(plain, share)]
    explored = sorted((on_few.ascend(rule, _FEW_ROUNDS) for rule in starts), reverse=True)
    carried = [on_few.ascend(candidate.rule, _MANY_ROUNDS).rule for candidate in explored[:_CARRIED_ON]]
    best = max(on_all.ascend(rule, _FEW_ROUNDS) for rule in carried)
    if best.violation:  # few rows had room that all have not
        others = [on_all.ascend(rule, _FEW_ROUNDS) for rule in (starts[1], *on_all.priced(plain, 0.0))]
        best = max([best, *others])
    return best.rule, best.violation


def _slopes(rate: Rate, inside: NDArray[np.bool_]) -> Floats:
    """Return by how much a row of each label, with each decision, moves a rate's numerator."""
    tp, fp, fn, tn = rate.numerator_coefficients
    actual, decided = np.meshgrid(inside, inside, indexing="ij")
    return np.where(actual, np.where(decided, tp, fn), np.where(decided, fp, tn)).astype(float)


class _CoordinateSearch:
    """Coordinate ascent over offsets and prices, by exact line searches on true groups and labels."""

    def __init__(self, rows: BlindClassRows, problem: OffsetProblem, slopes: Floats) -> None:
        self._rows, self._problem, self._slopes = rows, problem, slopes
        self._n_groups = rows.groups.shape[1]
        self._members = problem.events.members.astype(float)
        self._moves = np.stack([rows.probabilities @ each for each in slopes], axis=1)
        self._covered = problem.covered
        shape = (len(slopes), self._n_groups, 1)
        if problem.distances is None:
            self._room = Clearance(np.zeros(shape), np.ones(shape))
        else:
            self._room = Clearance.keeping(problem.distances[:, :, None], problem.bounds)
        # A table of cells: of each group and event, and of the rows in no group.
        self._place = np.where(rows.codes < 0, self._n_groups, rows.codes)
        n_classes, size = problem.n_classes, self._n_groups + 1
        totals = np.bincount(self._place * n_classes + rows.labels, rows.weights, size * n_classes)
        self._inside = totals.reshape(size, n_classes) @ self._members.T
        self._outside = totals.reshape(size, n_classes).sum(1, keepdims=True) - self._inside
        self._worth_of_rows = problem.worth[rows.labels] * rows.weights[:, None]
        self._is_actual = self._members[:, rows.labels]

    def priced(self, rule: BlindClassRule, share: float) -> list[BlindClassRule]:
        """Return a rule at the prices of bounds tightened to a share, and the best one on the way there."""
        constraints = tuple(each.share(share) for each in self._problem.constraints)
        at_prices = replace(rule, prices=self.dual_values(rule, constraints))
        return [at_prices, self.line_search(rule, at_prices).rule]

    def dual_values(self, rule: BlindClassRule, constraints: tuple[BoundedConstraint, ...]) -> Floats:
        """Return the prices at which the expected value of the bounded problem is least.

        Expected rates stand for the true ones: those of the probabilities of labels and groups.
        """
        rows, problem = self._rows, self._problem
        bounds = replace(problem, constraints=constraints).bounds
        zero = np.zeros_like(self._inside[:-1])
        undecided = {"tp": zero, "fp": zero, "fn": self._inside[:-1], "tn": self._outside[:-1]}
        supports = np.concatenate(
            [
                np.asarray(rate.support(undecided), dtype=float)
                for each in constraints
                for rate in each.constraint.rates
            ],
            axis=1,
        )
        supports = np.where(self._covered.T, supports, 1.0)
        total = float(rows.weights.sum())
        span = float(np.ptp(problem.worth)) or 1.0
        gain = (rows.probabilities @ problem.worth + rule.offsets) * (rows.weights / (total * span))[:, None]
        weighted = rows.groups * rows.weights[:, None]
        index = np.arange(len(gain))

        def answer(prices: Floats) -> tuple[float, Floats]:
            per_row = (weighted @ (prices / supports))[:, :, None]
            net = gain - (per_row * self._moves).sum(1)
            chosen = np.argmax(net, axis=1)
            rate = (weighted.T @ self._moves[index, :, chosen]) / supports
            return float(net[index, chosen].sum()), rate

        prices = least_of_dual(answer, bounds, (self._n_groups, len(bounds)), is_priced=self._covered.T)
        # Prices are per unit of a rate, gains per row: a rule takes both per row.
        return prices * span * total / supports

    def ascend(self, rule: BlindClassRule, n_rounds: int) -> _Candidate:
        """Move one offset or price, or all prices, at a time, as long as that helps."""
        best = self.line_search(rule, replace(rule, offsets=rule.offsets + np.eye(len(rule.offsets))[0]))
        for _ in range(n_rounds):
            before = best.score
            for axis in self._axes(rule):
                best = max(best, self._along(best.rule, axis))
            best = max(best, self._along(best.rule, replace(best.rule, offsets=np.zeros_like(rule.offsets))))
            if best.score <= before:
                break
        return best

    def _axes(self, rule: BlindClassRule) -> list[BlindClassRule]:
        """Return the directions along which one offset, or one group's price for one rate, changes."""
        still = replace(rule, offsets=np.zeros_like(rule.offsets), prices=np.zeros_like(rule.prices))
        axes = [replace(still, offsets=each) for each in np.eye(len(rule.offsets))]
        for j, g in np.argwhere(self._covered):
            axis = np.zeros_like(rule.prices)
            axis[g, j] = 1.0
            axes.append(replace(still, prices=axis))
        return axes

    def _along(self, rule: BlindClassRule, axis: BlindClassRule) -> _Candidate:
        moved = replace(rule, offsets=rule.offsets + axis.offsets, prices=rule.prices + axis.prices)
        return self.line_search(rule, moved)

    def line_search(self, rule: BlindClassRule, other: BlindClassRule) -> _Candidate:
        """Return the best rule on the line through two rules."""
        offsets, prices = other.offsets - rule.offsets, other.prices - rule.prices
        gains, slopes = self._gains(rule.offsets, rule.prices, 1.0), self._gains(offsets, prices, 0.0)
        first, turns = _envelope(gains, slopes)
        score, at = self._best_step(first, *turns)
        return _Candidate(
            score, replace(rule, offsets=rule.offsets + at * offsets, prices=rule.prices + at * prices)
        )

    def _gains(self, offsets: Floats, prices: Floats, of_worth: float) -> Floats:
        rows = self._rows
        gains = np.tile(offsets, (len(rows.labels), 1))
        if of_worth:
            gains += rows.probabilities @ self._problem.worth
        priced = np.flatnonzero(prices.any(0))
        if len(priced):
            gains -= ((rows.groups @ prices[:, priced])[:, :, None] * self._moves[:, priced]).sum(1)
        return gains

    def _best_step(self, first: Ints, row: Ints, at: Floats, old: Ints, new: Ints) -> tuple[float, float]:
        """Return the greatest score along the line, and where it is reached."""
        rows, size = self._rows, self._n_groups + 1
        weights = rows.weights
        member = self._members[:, first] * weights  # (n_events, n_samples)
        tp, fp = (
            np.array([np.bincount(self._place, row, size) for row in member * part], dtype=float).T
            for part in (self._is_actual, 1 - self._is_actual)
        )
        value = float(self._worth_of_rows[np.arange(len(first)), first].sum())
        best = (-np.inf, 0.0)
        n = len(row)
        for begin in range(0, n + 1, _CHUNK):
            # Before the first turn of the chunk, and after each but the last, which starts the next one.
            part = slice(begin, begin + _CHUNK)
            r, is_last = row[part], begin + _CHUNK > n
            change = (self._members[:, new[part]] - self._members[:, old[part]]) * weights[r]
            actual = self._is_actual[:, r]
            tps = _cumulated(tp, self._place[r], change * actual)
            fps = _cumulated(fp, self._place[r], change * (1 - actual))
            gain = self._worth_of_rows[r, new[part]] - self._worth_of_rows[r, old[part]]
            values = value + np.cumsum(np.append(0.0, gain))
            here = np.append(at[begin - 1 : begin] if begin else -np.inf, at[part])
            after = np.append(here[1:], np.inf if is_last else at[begin + _CHUNK : begin + _CHUNK + 1])
            tp, fp, value = tps[..., -1], fps[..., -1], float(values[-1])
            # Rows that turn together cannot be told apart; the last step starts the next chunk.
            apart = np.flatnonzero((after > here)[: len(here) if is_last else -1])
            if len(apart):
                scores = self._scores(tps[..., apart], fps[..., apart], values[apart])
                i = int(np.argmax(scores))
                if scores[i] > best[0]:
                    best = float(scores[i]), between(here[apart[i]], after[apart[i]])
        return best

    def _scores(self, tp: Floats, fp: Floats, worth: Floats) -> Floats:
        """Return how good cells of shape (n_groups + 1, n_events, n_steps) are; far below at a violation."""
        problem = self._problem
        fn, tn = self._inside[..., None] - tp, self._outside[..., None] - fp
        groups = {
            cell: values[:-1].swapaxes(0, 1) for cell, values in zip(CELLS, (tp, fp, fn, tn), strict=True)
        }
        violation = np.zeros(len(worth))
        n_events = problem.n_events
        j = 0
        for each in problem.constraints:
            for rate in each.constraint.rates:
                for values in rate(groups):  # of each event, (n_groups, n_steps)
                    is_in = self._covered[j]
                    if is_in.sum() > 1:
                        low = self._room.low(values, j)[is_in].min(0)
                        high = self._room.high(values, j)[is_in].max(0)
                        excess = np.nan_to_num(high - each.bound.upper(low), nan=np.inf)
                        violation = np.maximum(violation, excess)
                    j += 1
        for f, (rate, least) in enumerate(problem.floors):
            short = least - ROUNDING - rate(groups)
            if problem.has_floor is not None:
                holds = problem.has_floor[f * n_events : (f + 1) * n_events]
                short = np.where(holds[:, :, None], short, -np.inf)
            violation = np.maximum(violation, np.nan_to_num(short, nan=-np.inf).max((0, 1)))
        if problem.capacity is not None:
            shares = (tp + fp).sum(0) / float(self._rows.weights.sum())
            violation = np.maximum(violation, (shares - problem.capacity[:, None] - ROUNDING).max(0))
        value = worth / float(self._rows.weights.sum())
        return np.where(violation > 0, _INFEASIBLE * (1 + violation), value)


def _cumulated(total: Floats, place: Ints, changes: Floats) -> Floats:
    """Return cells before some steps and after each, of shape (n_groups + 1, n_events, n_steps + 1).

    Parameters
    ----------
    total : array of shape (n_groups + 1, n_events)
        The cells before.
    place : integer array of shape (n_steps,)
        The group whose cells a step changes.
    changes : array of shape (n_events, n_steps)
        By how much.
    """
    cells = np.zeros((*total.shape, len(place) + 1))
    cells[..., 0] = total
    steps = np.arange(1, len(place) + 1)
    for e, change in enumerate(changes):
        cells[place, e, steps] = change
    return np.cumsum(cells, axis=-1, out=cells)


def _envelope(gains: Floats, slopes: Floats) -> tuple[Ints, tuple[Ints, Floats, Ints, Ints]]:
    """Return the class of each row far to the left of a line, and where rows turn to other classes.

    At t a row has the class with the greatest ``gains + t * slopes``.

    Returns
    -------
    tuple
        The classes at minus infinity; and of each turn, in rising order: the row, where it turns, from which
        class, and to which.
    """
    n = len(gains)
    flattest = slopes <= slopes.min(1, keepdims=True) + _PARALLEL
    first = np.argmax(np.where(flattest, gains, -np.inf), axis=1)
    rows, current = np.arange(n), first.copy()
    turns: list[tuple[Ints, Floats, Ints, Ints]] = []
    last = np.full(n, -np.inf)
    for _ in range(gains.shape[1] - 1):
        gain, slope = gains[rows], slopes[rows]
        index = np.arange(len(rows))
        rise = slope - slope[index, current, None]
        is_steeper = rise > _PARALLEL
        fall = gain[index, current, None] - gain
        at = np.divide(fall, rise, out=np.full_like(gain, np.inf), where=is_steeper)
        nearest = at.min(1)
        # Of lines that pass at one point the steepest stays on top.
        target = np.argmax(np.where((at <= nearest[:, None]) & is_steeper, slope, -np.inf), axis=1)
        goes_on = np.isfinite(nearest)
        nearest = np.maximum(nearest, last)  # sums round
        rows, last = rows[goes_on], nearest[goes_on]
        turns.append((rows, last, current[goes_on], target[goes_on]))
        current = target[goes_on]
        if not len(rows):
            break
    row, at, old, new = (np.concatenate(parts) for parts in zip(*turns, strict=True))
    order = np.argsort(at, kind="stable")
    return first, (row[order], at[order], old[order], new[order])
