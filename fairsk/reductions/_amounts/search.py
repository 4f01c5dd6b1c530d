"""The search for prices on amounts: fit to prices, combine what was fitted, fit to the prices of that.

Fits are what costs. So prices are tried on one split, where that has rows enough, until the combination with
what was fitted before asks for about as much of them as was tried; only then are the other splits fitted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fairsk._core.typing import Floats
from fairsk.reductions._amounts.combination import Combination, best_combination
from fairsk.reductions._amounts.models import AveragedAmounts, Column, fit_splits
from fairsk.reductions._amounts.problem import AmountProblem, AmountStep
from fairsk.reductions._amounts.response import PriceResponses

__all__ = ["AmountSearch"]

#: How often prices are tried, at most, beyond one time per group, before the other splits are fitted.
_MOST_TRIALS = 4
#: Prices that are closer than this share of their size are the same: what is still to be gained is of second
#: order in how far they are off.
_SAME_PRICES = 0.3
#: A bound that costs less than so many standard errors of the mean loss is free: what rows cannot show is
#: not worth a fit. So is a further model that gains less.
_LEAST_GAIN = 0.1
#: A further model must lower the excess by this share, where the bound is not kept.
_LEAST_PROGRESS = 0.05


class AmountSearch:
    """Models fitted to one set of prices after another, and the best combination of them.

    Parameters
    ----------
    problem : AmountProblem
        What to fit, to which rows.
    min_group_size : int
        How many held-out rows of every covered group a split needs for prices to be tried on it.
    """

    def __init__(self, problem: AmountProblem, min_group_size: int = 30) -> None:
        self.problem = problem
        self.rows = problem.rows.take(problem.held_out)
        self.columns: list[Column] = []
        self.n_fits = 0
        self.stopped = ""
        self.distances: Floats | None = None
        tested = problem.rows.take(problem.splits[0][1])
        sizes = np.bincount(tested.codes, minlength=tested.n_groups)[tested.covered]
        self._n_tried = 1 if (sizes >= min_group_size).all() else len(problem.splits)
        tests = np.concatenate([test for _, test in problem.splits[: self._n_tried]])
        self._tried_rows = problem.rows.take(tests)
        place = [test for _, test in problem.splits]
        self._place = np.searchsorted(problem.held_out, np.concatenate(place))

    def run(self, max_models: int) -> Combination:
        """Fit models until another one is not worth it; return the best combination of all."""
        best = self._look_for_bound(max_models)
        return self._lower(best, max_models) if best.excess > 0 else best

    def _lower(self, best: Combination, max_models: int) -> Combination:
        """Fit models of the means that keep the excess from falling, until it falls by no more.

        Which prices a bound asks for depends on how far it is away, and of one that nothing reaches it says
        nothing. Which means are the worst does not.
        """
        while len(self.columns) < max_models:
            multipliers = self._responses.against(best.held_up_by)
            if not multipliers.any() or _is_known(multipliers, self.columns):
                break
            tried = self._fit(multipliers, 0, self._n_tried)
            if not self._lowers_excess(tried):
                break
            self.columns.append(self._complete(tried))
            self.problem.report_progress(len(self.columns), max_models)
            before, best = best, self.combine()
            if before.excess - best.excess < _LEAST_GAIN * self._standard_error():
                break
        self.stopped = "max_models" if len(self.columns) >= max_models else "no gain"
        return best

    def _lowers_excess(self, tried: Column) -> bool:
        """Whether models of some splits lower the excess on their rows by enough to be worth the others."""
        before, after = (self._combine_tried(known) for known in (self.columns, [*self.columns, tried]))
        return before.excess - after.excess >= _LEAST_GAIN * self._standard_error()

    def _combine_tried(self, columns: Sequence[Column]) -> Combination:
        """Return the best combination on the rows of the splits that prices are tried on."""
        n, rows = self._n_tried, self._tried_rows
        held_out = [np.concatenate(column.held_out[:n]) for column in columns]
        # Means of some rows differ from those of all by chance: what counts is how far prices move them.
        moved = self.rows.values(self.predictions(0)) - rows.values(held_out[0])
        return best_combination(rows, held_out, distances=self.distances, moved=moved, is_limited=False)

    def _look_for_bound(self, max_models: int) -> Combination:
        """Fit models until another one is not worth it under the bound, as far as it is kept."""
        self.columns.append(self._fit(None, 0, len(self.problem.splits)))
        self.problem.report_progress(1, max_models)
        base = self.predictions(0)
        self.distances = self.problem.wanted_distances(base)
        best = self.combine()
        self._responses = PriceResponses(self.rows, base)
        if best.excess == 0:
            self.stopped = "the bound costs nothing"
            return best
        groups = self._shifted_groups()
        if 0 < len(groups) < max_models:
            for group in groups:
                self.columns.append(self._fit(self._responses.shift_of(group), 0, len(self.problem.splits)))
                self.problem.report_progress(len(self.columns), max_models)
            best = self.combine()
        while len(self.columns) < max_models:
            before, multipliers = best, self._wanted(best, self.columns)
            tried = self._try(multipliers) if multipliers.any() else None
            if tried is None:
                self.stopped = self.stopped or "no price helps"
                return best
            self.columns.append(self._complete(tried))
            self.problem.report_progress(len(self.columns), max_models)
            best = self.combine()
            if self._is_done(before, best):
                return best
        self.stopped = "max_models"
        return best

    def _shifted_groups(self) -> Sequence[int]:
        """Return the groups, all but the largest, of which models of shifted targets give all responses.

        Of a regressor that is linear in its targets, the response to any prices on predictions is a
        combination of one model per group: the program finds the best prices at once. None where prices are
        on losses.
        """
        if self.rows.has_curved_means or not self._responses.has_pull:
            return []
        covered = np.flatnonzero(self.rows.covered)
        largest = covered[np.argmax(self.rows.mass[covered])]
        return [int(group) for group in covered if group != largest]

    def combine(self, distances: Floats | None = None) -> Combination:
        """Return the best combination of all columns on all held-out rows."""
        columns = [self.predictions(i) for i in range(len(self.columns))]
        return best_combination(
            self.rows, columns, distances=self.distances if distances is None else distances
        )

    def predictions(self, column: int) -> Floats:
        """Return the held-out predictions of a column; of a row that several splits hold out, their mean."""
        values = np.concatenate(self.columns[column].held_out)
        return np.bincount(self._place, values) / np.bincount(self._place)

    def predicted(self, combination: Combination) -> Floats:
        """Return the held-out predictions of a combination."""
        total = np.zeros(len(self.rows))
        for i, share in enumerate(combination.shares):
            total += share * self.predictions(i)
        return total

    def predictor(self, combination: Combination) -> AveragedAmounts:
        """Return what predicts: the fold models of every column that takes part."""
        models: list[object] = []
        shares: list[float] = []
        for column, share in zip(self.columns, combination.shares.tolist(), strict=True):
            if share:
                models += column.models
                shares += [share / len(column.models)] * len(column.models)
        return AveragedAmounts(tuple(models), tuple(shares))

    def steps(self, final: Combination) -> list[AmountStep]:
        """Return the record of each model."""
        steps = []
        for i, column in enumerate(self.columns):
            predictions = self.predictions(i)
            steps.append(
                AmountStep(
                    self.rows.mean_loss(predictions),
                    self.rows.values(predictions),
                    column.multipliers,
                    float(final.shares[i]),
                )
            )
        return steps

    def _fit(self, multipliers: Floats | None, start: int, stop: int) -> Column:
        """Fit to prices, or without, on some of the splits."""
        splits = self.problem.splits[start:stop]
        if multipliers is None:
            none = np.zeros((len(self.rows.rates), self.rows.n_groups))
            column = fit_splits(self.problem, none, None, splits)
        else:
            column = fit_splits(self.problem, multipliers, self._responses.to(multipliers), splits)
        self.n_fits += len(splits)
        return column

    def _wanted(self, best: Combination, columns: Sequence[Column]) -> Floats:
        """Return the multipliers to fit to next.

        Within the bound those of the best combination; beyond it, more of those that led there.
        """
        if best.excess == 0:
            return best.multipliers
        push = self._responses.push(best.values, self.distances)
        if self.rows.has_curved_means:
            # Prices on losses have less and less effect: they are doubled.
            return 2 * columns[-1].multipliers + push
        # Of a regressor that is linear in its targets, what is combined so is what these prices give.
        return push + sum(
            share * column.multipliers for share, column in zip(best.shares, columns, strict=True)
        )

    def _try(self, multipliers: Floats) -> Column | None:
        """Return models of prices, or of better ones, on the splits that prices are tried on.

        None where those are not worth the fits of the other splits.
        """
        known = list(self.columns)
        before = best = self._combine_tried(known)
        for _ in range(_MOST_TRIALS if len(known) == 1 else 1):
            known.append(self._fit(multipliers, 0, self._n_tried))
            best = self._combine_tried(known)
            wanted = self._wanted(best, known)
            if not wanted.any() or (best.excess == 0 and _is_known(wanted, known)):
                break
            multipliers = wanted
        least = _LEAST_GAIN * self._standard_error()
        if before.excess == 0 and before.loss - best.loss < least:
            self.stopped = "no gain"
            return None
        return known[-1]

    def _complete(self, column: Column) -> Column:
        """Fit the other splits to the prices of a column."""
        n, of = len(column.models), len(self.problem.splits)
        return column if n == of else column + self._fit(column.multipliers, n, of)

    def _is_done(self, before: Combination, now: Combination) -> bool:
        """Whether a further model is not worth its fits."""
        if now.excess > 0:
            self.stopped = "no gain"
            return now.excess > (1 - _LEAST_PROGRESS) * before.excess and len(self.columns) > 2
        least = _LEAST_GAIN * self._standard_error()
        base = self.rows.mean_loss(self.predictions(0))
        if now.loss - base < least:
            self.stopped = "the bound costs nothing that rows can show"
            return True
        self.stopped = ""
        if before.excess > 0 and _is_known(now.multipliers, self.columns):
            self.stopped = "no gain"
            return True
        return False

    def _standard_error(self) -> float:
        """Return the standard error of the mean loss without a bound."""
        shares = self.rows.shares
        losses = self.rows.loss.of_rows(self.predictions(0), self.rows.target)
        return float(np.sqrt(shares**2 @ (losses - shares @ losses) ** 2))


def _is_known(multipliers: Floats, columns: Sequence[Column]) -> bool:
    """Whether there are models of about these multipliers."""
    least = min(float(np.linalg.norm(multipliers - column.multipliers)) for column in columns)
    return least <= _SAME_PRICES * float(np.linalg.norm(multipliers))
