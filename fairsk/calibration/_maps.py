"""Maps from scores to chances: isotonic, sigmoid, temperature. They are small, and hold no rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

__all__ = ["MAPS", "IsotonicMap", "SigmoidMap", "TemperatureMap"]

Floats = NDArray[np.float64]

#: Where scikit-learn, too, looks for the inverse of a temperature.
_INVERSE_TEMPERATURES = (float(np.exp(-10)), float(np.exp(10)))


@dataclass(frozen=True, eq=False)
class IsotonicMap:
    """A rising map from scores to probabilities: its corners, linear between them, flat outside."""

    scores: Floats
    probabilities: Floats

    def __call__(self, scores: Floats) -> Floats:
        """Return a probability for each score."""
        return np.interp(scores, self.scores, self.probabilities)

    @classmethod
    def fit(cls, scores: Floats, actual: NDArray[np.bool_], weights: Floats) -> IsotonicMap:
        """Return the map with the least weighted squared error."""
        steps = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
        steps.fit(scores, actual.astype(float), sample_weight=weights)
        return cls(steps.X_thresholds_, steps.y_thresholds_)


@dataclass(frozen=True)
class SigmoidMap:
    """Platt's map from decision scores or log-odds z to 1 / (1 + exp(-slope z - intercept))."""

    slope: float
    intercept: float

    def __call__(self, scores: Floats) -> Floats:
        """Return a probability for each score."""
        return expit(self.slope * scores + self.intercept)

    @classmethod
    def fit(cls, scores: Floats, actual: NDArray[np.bool_], weights: Floats) -> SigmoidMap:
        """Return the map with the least log loss, for targets that are a little away from 0 and 1.

        A positive row aims at (n_positive + 1) / (n_positive + 2), a negative one at 1 / (n_negative + 2).
        """
        positives, negatives = weights[actual].sum(), weights[~actual].sum()
        target = np.where(actual, (positives + 1) / (positives + 2), 1 / (negatives + 2))
        # The scores in units of their own, whatever theirs are: the search then takes a few steps.
        centre = np.average(scores, weights=weights)
        spread = np.sqrt(np.average((scores - centre) ** 2, weights=weights)) or 1.0
        design = np.column_stack([(scores - centre) / spread, np.ones(len(scores))])

        def loss(line: Floats) -> tuple[float, Floats]:
            odds = design @ line
            value = np.average(np.logaddexp(0, odds) - target * odds, weights=weights)
            return value, weights @ ((expit(odds) - target)[:, None] * design) / weights.sum()

        precise = {"gtol": 1e-9, "ftol": 64 * np.finfo(float).eps}
        slope, level = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", options=precise).x
        return cls(float(slope / spread), float(level - slope / spread * centre))


@dataclass(frozen=True)
class TemperatureMap:
    """The map from decision scores or log-odds z to 1 / (1 + exp(-z / temperature))."""

    temperature: float

    def __call__(self, scores: Floats) -> Floats:
        """Return a probability for each score."""
        return expit(scores / self.temperature)

    @classmethod
    def fit(cls, scores: Floats, actual: NDArray[np.bool_], weights: Floats) -> TemperatureMap:
        """Return the map with the least log loss, which is convex in the inverse of the temperature."""

        def slope(inverse: float) -> float:
            return float(np.average((expit(inverse * scores) - actual) * scores, weights=weights))

        least, most = _INVERSE_TEMPERATURES
        if slope(least) >= 0:  # the scores say nothing, or the opposite
            return cls(1 / least)
        if slope(most) <= 0:  # the scores separate the labels
            return cls(1 / most)
        return cls(1 / brentq(slope, least, most))


#: The kinds of maps by name.
MAPS: dict[str, Any] = {"isotonic": IsotonicMap, "sigmoid": SigmoidMap, "temperature": TemperatureMap}
