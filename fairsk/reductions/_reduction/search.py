"""The search for prices: fit to prices, solve the linear program, fit to the prices that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairsk._core.typing import Floats
from fairsk._sklearn.routing import ResponseMethod, response_of
from fairsk.reductions._final_threshold import ThresholdSweep, distances_of
from fairsk.reductions._problem import Problem, Step
from fairsk.reductions._reduction.master import Mixture
from fairsk.reductions._reduction.models import FoldModels, fit_folds
from fairsk.reductions._reduction.oracle import best_response
from fairsk.reductions._reduction.rules import Average, Rules

__all__ = ["PricedModel", "Search"]

#: A model must lower the error of the best mixture by so many of its standard errors for another one to be
#: fitted: what rows cannot show at all is not worth a fit.
_LEAST_GAIN = 0.1


@dataclass(frozen=True)
class PricedModel:
    """Fold models that were fitted to prices.

    Parameters
    ----------
    multipliers : array of shape (n_rates, n_codes)
        The multipliers that make the prices.
    folds : FoldModels
        The models, with their held-out scores.
    """

    multipliers: Floats
    folds: FoldModels


class Search:
    """Models fitted to one set of prices after another.

    Parameters
    ----------
    problem : Problem
        What to fit, to which rows.
    response_method : {"auto", "predict_proba", "decision_function"}
        Where scores come from.
    averages : bool, default=True
        Whether the averages of all pairs of models are rules.
    """

    def __init__(self, problem: Problem, response_method: ResponseMethod, *, averages: bool = True) -> None:
        self.averages = averages
        self.problem = problem
        self.response_method = response_method
        self.rows = problem.rows.take(problem.held_out)
        self.rules = Rules(self.rows)
        self.models: list[PricedModel] = []
        self.n_fitted = 0
        self.rows_fitted = 0
        self.stopped = ""

    def run(self, max_models: int, seen: Sequence[PricedModel] = ()) -> Mixture:
        """Fit models until another one is not worth it; return the best mixture of all rules.

        Parameters
        ----------
        max_models : int
            No more are fitted.
        seen : sequence of PricedModel
            What was fitted before to the same rows and folds; the first without prices.
        """
        for model in seen:
            self._add(model)
        if not self.models:
            self.fit(np.zeros((len(self.rows.rates), self.rows.n_codes)))
            self.problem.report_progress(self.n_fitted, max_models)
        self.rules.distances = self._distances()
        mixture = self.rules.solve()
        if mixture.objective - self.rules.least_error() < self._least_gain(mixture):
            self.stopped = "the bound costs nothing"
            return mixture
        self.stopped = "max_models"
        while self.n_fitted < max_models:
            before = mixture.objective
            self.fit(self._next_multipliers(mixture))
            self.problem.report_progress(self.n_fitted, max_models)
            mixture = self.rules.solve()
            # The first prices come of one model's thresholds alone, and can be far too high: no gain from
            # them does not say that lower ones have none.
            if before - mixture.objective < self._least_gain(mixture) and len(self.models) > 2:
                self.stopped = "no gain"
                break
        return mixture

    def scale(self, model: int) -> float:
        """Return what a model's scores are divided by, so that they can be averaged."""
        # Decision functions have the unit of what they were fitted to, which prices change.
        return 1.0 if self.response_method == "predict_proba" else self.models[model].folds.scale

    def steps(self, final: Average) -> list[Step]:
        """Return the record of each model."""
        even = 0.5 if self.response_method == "predict_proba" else 0.0
        steps = []
        for number, model in enumerate(self.models):
            selected = model.folds.scores >= even
            best = ThresholdSweep(self.rows, model.folds.scores).best(self.rules.distances)
            steps.append(
                Step(
                    self.rows.error(selected),
                    self.rows.values(self.rows.cells(selected)),
                    model.multipliers,
                    best.error if best.violation == 0 else float("nan"),
                    final.shares.get(number, 0.0),
                )
            )
        return steps

    def fit(self, multipliers: Floats, seen: Sequence[PricedModel] = ()) -> None:
        """Fit a model to prices and add it, unless it was seen."""
        for model in seen:
            if np.array_equal(model.multipliers, multipliers):
                self._add(model)
                return
        response = best_response(self.problem.rows, multipliers, keep_labels=self._keeps_labels)
        model = PricedModel(multipliers, fit_folds(self.problem, response, self.response_method))
        self.n_fitted += 1
        self.rows_fitted += model.folds.rows_fitted
        self._add(model)

    @property
    def _keeps_labels(self) -> bool:
        """Whether labels are kept: several rates pull against each other."""
        return len({w.rate for w in self.rows.windows}) > 1

    def _add(self, model: PricedModel) -> None:
        """Add the rules of a model: its thresholds, and those of its averages with the others."""
        if not self.models:
            # The models of labels have met both, and so they are real: later ones may be constant.
            method = response_of(model.folds.models[0], self.response_method)
            self.response_method = "predict_proba" if method == "predict_proba" else "decision_function"
        self.models.append(model)
        self.rules.add_model(model.folds.scores / self.scale(len(self.models) - 1))
        if self.averages:
            self.rules.add_averages()

    def _next_multipliers(self, mixture: Mixture) -> Floats:
        """Return the multipliers of the best mixture, or others on the way there that are new."""
        wanted = mixture.multipliers
        if any(np.allclose(model.multipliers, wanted) for model in self.models):
            # A model of these prices is known, and does not do what they ask for: go half the way to it.
            most = int(np.argmax(self.rules.shares(mixture)))
            wanted = (wanted + self.models[most].multipliers) / 2
        return wanted

    def _least_gain(self, mixture: Mixture) -> float:
        """Return what a further model must lower the error by."""
        error = float(np.clip(mixture.error, 0, 1)) if mixture.is_feasible else 0.5
        weights = self.rows.weights / self.rows.weights.sum()
        return _LEAST_GAIN * float(np.sqrt(error * (1 - error) * (weights @ weights)))

    def _distances(self) -> Floats | None:
        """Return the margin that is wanted on each side of a window, at what is best without one."""
        margin, rows = self.problem.margin, self.rows
        if not margin.n_errors or not rows.is_compared.any():
            return None
        scores = self.models[0].folds.scores
        return distances_of(margin, rows, scores >= ThresholdSweep(rows, scores).best().threshold)
