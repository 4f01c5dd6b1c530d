r"""Prices on probable groups: the final rule where a booster learns the label and others who is likely whom.

Under multipliers, the best rule that does not see groups selects a row if its chance of the positive label
exceeds one half by more than half of the price that can be expected of it [1]_ [2]_:

.. math:: p(x) \ge \tfrac12 + \tfrac12 \sum_{g, y} c_{gy} \, P(g, y \mid x),

with :math:`c_{gy}` the price of selecting a row of that group and label. Nothing in it needs boosting under
prices: chances are learnt once, for all bounds, and the multipliers follow the rates of held-out rows at no
cost. Several rates of a group, which pull against each other while trees grow, do not swing here.

References
----------
.. [1] Zeng, Dobriban & Cheng, Bayes-Optimal Classifiers under Group Fairness, 2022.
.. [2] Xian & Zhao, A Unified Post-Processing Framework for Group Fairness in Classification, 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from fairsk._core.typing import Floats, Ints
from fairsk.reductions._boosting.binned_sweep import BinnedSweep
from fairsk.reductions._bounded_rows import BoundedRows
from fairsk.reductions._final_threshold import Choice
from fairsk.reductions._reduction.master import Mixture, solve_master

__all__ = ["Contrast", "ExpectedPrices", "PriceSearch", "PricedRule", "list_contrasts"]

#: Between this chance and one minus it thresholds on chances are kept, so that they have log odds.
_LEAST_CHANCE = 1e-6
#: How many rules the program has at most: it needs six to nine, and a rule takes a millisecond.
_MOST_RULES = 16
#: Every how many thresholds of a rule one is a column of the program: the best one is then missed by at most
#: 1/64 in log odds.
_STRIDE = 8
#: By how much of its gain over one decision for all a rule may fall behind the best mixture, while one is
#: looked for: few people selected are few differences, and near such rules there is no way to a better one.
_MOST_LOST = 0.1
#: In how many steps up to the program's multipliers, and as many beyond, the scale of a rule is looked for.
_N_SHARES = 10
#: How often the step of a multiplier is halved, from a quarter of the largest one.
_N_HALVINGS = 4


@dataclass(frozen=True)
class Contrast:
    """One group against all that it is compared with, among rows of one label or of both.

    Parameters
    ----------
    code : int
        The group, by the codes of :class:`BoundedRows`.
    codes : array of shape (n_compared,)
        The groups that it is compared with, itself among them.
    reference : int
        The one of them that has no contrast of its own: those of the others say all.
    labels : tuple of two bools
        Whether negatives, and whether positives, are looked at.
    """

    code: int
    codes: Ints
    reference: int
    labels: tuple[bool, bool]

    def targets(self, rows: BoundedRows) -> Floats:
        """Return what is to be learnt of each row: its membership less the group's share, else 0.

        In the mean it is 0; so where nothing can be learnt, nothing is expected, and no row has a price.
        """
        counts = np.isin(rows.codes, self.codes) & np.array(self.labels)[rows.actual.astype(np.intp)]
        member = (rows.codes == self.code)[counts].astype(float)
        targets = np.zeros(len(rows))
        if len(member):
            targets[counts] = member - np.average(member, weights=rows.weights[counts])
        return targets


def list_contrasts(rows: BoundedRows) -> tuple[Contrast, ...]:
    """Return the contrasts that the price of any row can be expected from, whatever the multipliers are.

    In each stratum all groups but the largest have one, of the labels whose rows move a rate; or two, one
    per label, if rates are moved differently by them.
    """
    half = rows.cells(np.arange(len(rows)) % 2 == 0)  # any decisions: only which steps are 0 or alike counts
    steps, counts = rows.steps(half), np.bincount(rows.codes, rows.weights, rows.n_codes)
    contrasts = []
    for codes in {tuple(w.codes.tolist()): w.codes for w in rows.windows}.values():
        at = steps[:, codes]
        if not at[..., 0].any():
            kinds = [(False, True)]
        elif not at[..., 1].any():
            kinds = [(True, False)]
        elif np.allclose(at[..., 0], at[..., 1], rtol=1e-9, atol=0):
            kinds = [(True, True)]
        else:
            kinds = [(True, False), (False, True)]
        reference = int(codes[np.argmax(counts[codes])])
        contrasts += [
            Contrast(int(code), codes, reference, labels)
            for labels in kinds
            for code in codes
            if code != reference
        ]
    return tuple(contrasts)


@dataclass(frozen=True)
class ExpectedPrices:
    """What is expected of the price of a row, as a sum over chances that are learnt.

    Parameters
    ----------
    weights : array of shape (n_contrasts,)
        The price per unit of each contrast, in errors.
    means : tuple of two floats
        What a negative, and a positive, costs in the mean over groups.
    """

    weights: Floats
    means: tuple[float, float]

    @classmethod
    def of(cls, table: Floats, contrasts: Sequence[Contrast], rows: BoundedRows) -> ExpectedPrices:
        """Return what is expected under prices of negatives and positives, of shape (n_codes, 2)."""
        weights = [
            table[each.code, label] - table[each.reference, label]
            for each in contrasts
            for label in [int(each.labels[1])]
        ]
        prices = table[rows.codes, rows.actual.astype(np.intp)]
        kinds = [~rows.actual, rows.actual]
        if any(each.labels == (True, True) for each in contrasts):  # what is left is alike for both labels
            kinds = [np.ones(len(rows), dtype=bool)] * 2
        means = [
            float(np.average(prices[kind], weights=rows.weights[kind])) if kind.any() else 0.0
            for kind in kinds
        ]
        return cls(np.array(weights), (means[0], means[1]))

    def adjust(self, log_odds: Floats, guesses: Floats) -> Floats:
        """Return log odds moved so that a row is best selected from 0 on.

        Parameters
        ----------
        log_odds : array of shape (n_samples,)
            Of the positive label.
        guesses : array of shape (n_contrasts, n_samples)
            What is expected of each contrast's targets.
        """
        chances = expit(log_odds)
        prices = self.weights @ guesses + self.means[0] * (1 - chances) + self.means[1] * chances
        return log_odds - logit(np.clip((1 + prices) / 2, _LEAST_CHANCE, 1 - _LEAST_CHANCE))


@dataclass(frozen=True)
class PricedRule:
    """What some multipliers come to on held-out rows.

    Parameters
    ----------
    multipliers : array of shape (n_rates, n_codes)
        What it costs to raise each group's rate by one.
    prices : ExpectedPrices
        What is expected of the price of a row.
    scores : array of shape (n_samples,)
        Log odds less those at which rows are best selected.
    sweep : BinnedSweep
        Errors and rates at all thresholds of these.
    best : Choice
        The threshold among them that errs least under the bounds.
    """

    multipliers: Floats
    prices: ExpectedPrices
    scores: Floats
    sweep: BinnedSweep
    best: Choice

    @property
    def badness(self) -> tuple[float, float]:
        """What rules are compared by: the violation of the bounds, then the error."""
        return self.best.violation, self.best.error


class PriceSearch:
    """The multipliers that err least under the bounds on held-out rows, where chances are learnt already.

    A linear program over all rules so far gives the multipliers of the next one (column generation, as in the
    reduction; here a rule costs no fit). The program looks for the best mixture of rules; the best single one
    is looked for near the best of these, along each group's multiplier.

    Parameters
    ----------
    rows : BoundedRows
        The held-out rows. Their rates have fixed denominators, so that prices do not depend on decisions.
    log_odds : array of shape (n_samples,)
        Of the positive label.
    guesses : array of shape (n_contrasts, n_samples)
        What is expected of the targets of each contrast.
    contrasts : sequence of Contrast
        The contrasts.
    distances : array of shape (n_rates, n_codes), optional
        How far each rate must stay away from the ends of its window.
    """

    def __init__(
        self,
        rows: BoundedRows,
        log_odds: Floats,
        guesses: Floats,
        contrasts: Sequence[Contrast],
        distances: Floats | None = None,
    ) -> None:
        self.rows, self.log_odds, self.guesses, self.contrasts = rows, log_odds, guesses, contrasts
        self.distances = distances
        self._cells = rows.cells(log_odds >= 0)
        self.rules: list[PricedRule] = []
        self._largest_error = np.inf

    def run(self) -> PricedRule:
        """Return the best rule."""
        mixture = self._solve_program()
        if mixture.is_feasible:
            share = float(np.average(self.rows.actual, weights=self.rows.weights))
            constant = min(share, 1 - share)
            self._largest_error = mixture.error + _MOST_LOST * max(0.0, constant - mixture.error)
            found = self._best_near()
            if found.best.violation == 0:
                return found
            self._largest_error = np.inf
        return self._best_near()

    def _best_near(self) -> PricedRule:
        """Return the best single rule near those of the program."""
        # The program's multipliers are those of a mixture: a single rule needs more, or less, of the same.
        shares = np.arange(1, 2 * _N_SHARES) / _N_SHARES
        near = [rule.multipliers for rule in self.rules]
        near += [share * self.rules[-1].multipliers for share in shares]
        return self._improve(min(map(self.rule, near), key=lambda rule: rule.badness))

    def rule(self, multipliers: Floats) -> PricedRule:
        """Return what some multipliers come to."""
        prices = ExpectedPrices.of(self.rows.price_table(multipliers, self._cells), self.contrasts, self.rows)
        scores = prices.adjust(self.log_odds, self.guesses)
        sweep = BinnedSweep(self.rows, scores)
        return PricedRule(multipliers, prices, scores, sweep, sweep.best(self.distances, self._largest_error))

    def _solve_program(self) -> Mixture:
        """Add rules until another one does not lower the error of the best mixture, and return that."""
        multipliers = np.zeros((len(self.rows.rates), self.rows.n_codes))
        before = np.inf
        for _ in range(_MOST_RULES):
            self.rules.append(self.rule(multipliers))
            mixture = self.mixture(self.rules)
            if before - mixture.objective < 1 / len(self.rows):  # not even one row
                break
            before, multipliers = mixture.objective, mixture.multipliers
        return mixture

    def mixture(self, rules: Sequence[PricedRule]) -> Mixture:
        """Return the best mixture of thresholds of some rules."""
        errors = np.concatenate([rule.sweep.errors[::_STRIDE] for rule in rules])
        values = np.concatenate([rule.sweep.values[::_STRIDE] for rule in rules])
        return solve_master(self.rows, errors, values, self.distances)

    def _improve(self, rule: PricedRule) -> PricedRule:
        """Move one group's multiplier of one rate at a time, by less and less, as long as that helps."""
        size = np.abs(rule.multipliers).max()
        directions = [
            (w.rate, w.codes, np.where(w.codes == code, 1.0, 0.0) - 1 / len(w.codes))
            for w in self.rows.windows
            for code in w.codes[1:]
        ]
        for halvings in range(2, 2 + _N_HALVINGS):
            for rate, codes, direction in directions:
                for sign in (1.0, -1.0):
                    multipliers = rule.multipliers.copy()
                    multipliers[rate, codes] += sign * size / 2**halvings * direction
                    moved = self.rule(multipliers)
                    if moved.badness < rule.badness:
                        rule = moved
        return rule
