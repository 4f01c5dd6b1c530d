"""Calibration maps from scores to probabilities: isotonic, sigmoid, temperature. They hold no rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from fairsk._core.typing import Bools, Floats

__all__ = ["MAPS", "IsotonicMap", "SigmoidMap", "TemperatureMap"]


#: Where scikit-learn, too, looks for the inverse of a temperature.
_INVERSE_TEMPERATURES = (float(np.exp(-10)), float(np.exp(10)))


@dataclass(frozen=True, eq=False)
class IsotonicMap:
    """A rising map from scores to probabilities: its corners, linear between them, flat outside.

    Parameters
    ----------
    scores : array of shape (n_corners,)
        The scores at which the map has a corner, rising. Read-only.
    probabilities : array of shape (n_corners,)
        The probability there. Read-only.

    See Also
    --------
    SigmoidMap : A map with a slope and an intercept.
    TemperatureMap : A map with one number.
    sklearn.isotonic.IsotonicRegression : The regression that finds the corners.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.calibration import IsotonicMap
    >>> IsotonicMap(np.array([0.0, 1.0]), np.array([0.2, 0.6]))(np.array([-1.0, 0.5, 3.0]))
    array([0.2, 0.4, 0.6])
    """

    scores: Floats
    probabilities: Floats

    def __post_init__(self) -> None:
        for name in ("scores", "probabilities"):
            corners = np.array(getattr(self, name), dtype=float)
            corners.flags.writeable = False
            vars(self)[name] = corners  # the instance is frozen: __setattr__ would raise

    def __call__(self, scores: Floats) -> Floats:
        """Return a probability for each score.

        Parameters
        ----------
        scores : array of shape (n_samples,)
            The scores, as they are.

        Returns
        -------
        array of shape (n_samples,)
            Probabilities of the positive class.
        """
        return np.interp(scores, self.scores, self.probabilities)

    @classmethod
    def fit(cls, scores: Floats, actual: Bools, weights: Floats) -> IsotonicMap:
        """Return the map with the least weighted squared error.

        Parameters
        ----------
        scores : array of shape (n_samples,)
            The scores, as they are.
        actual : bool array of shape (n_samples,)
            Which rows are positive.
        weights : array of shape (n_samples,)
            The weight of each row.

        Returns
        -------
        IsotonicMap
            The map.
        """
        steps = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
        steps.fit(scores, actual.astype(float), sample_weight=weights)
        return cls(steps.X_thresholds_, steps.y_thresholds_)


@dataclass(frozen=True)
class SigmoidMap:
    """Platt's map from decision scores or log-odds z to 1 / (1 + exp(-slope z - intercept)).

    Parameters
    ----------
    slope, intercept : float
        The two numbers.

    See Also
    --------
    IsotonicMap : Any rising map.
    TemperatureMap : A slope without an intercept.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.calibration import SigmoidMap
    >>> SigmoidMap(slope=2.0, intercept=1.0)(np.array([-1.0, -0.5, 0.0])).round(3)
    array([0.269, 0.5  , 0.731])
    """

    slope: float
    intercept: float

    def __call__(self, scores: Floats) -> Floats:
        """Return a probability for each score.

        Parameters
        ----------
        scores : array of shape (n_samples,)
            Decision scores, or log-odds.

        Returns
        -------
        array of shape (n_samples,)
            Probabilities of the positive class.
        """
        return expit(self.slope * scores + self.intercept)

    @classmethod
    def fit(cls, scores: Floats, actual: Bools, weights: Floats) -> SigmoidMap:
        """Return the map with the least log loss, for targets that are a little away from 0 and 1.

        A positive row aims at (n_positive + 1) / (n_positive + 2), a negative one at 1 / (n_negative + 2).

        Parameters
        ----------
        scores : array of shape (n_samples,)
            Decision scores, or log-odds.
        actual : bool array of shape (n_samples,)
            Which rows are positive.
        weights : array of shape (n_samples,)
            The weight of each row.

        Returns
        -------
        SigmoidMap
            The map.
        """
        positives, negatives = weights[actual].sum(), weights[~actual].sum()
        target = np.where(actual, (positives + 1) / (positives + 2), 1 / (negatives + 2))
        # Standardised scores, whatever their scale: the search then takes a few steps.
        centre = np.average(scores, weights=weights)
        spread = np.sqrt(np.average((scores - centre) ** 2, weights=weights)) or 1.0
        design = np.column_stack([(scores - centre) / spread, np.ones(len(scores))])

        def loss(line: Floats) -> tuple[float, Floats]:
            # The mean log loss and its gradient. With log-odds z, -t log p - (1 - t) log(1 - p) is
            # log(1 + exp(z)) - t z, which does not overflow as the logarithms of p do.
            log_odds = design @ line
            value = np.average(np.logaddexp(0, log_odds) - target * log_odds, weights=weights)
            return value, weights @ ((expit(log_odds) - target)[:, None] * design) / weights.sum()

        precise = {"gtol": 1e-9, "ftol": 64 * np.finfo(float).eps}
        slope, level = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", options=precise).x
        # Back from standardised scores to scores as they are.
        return cls(float(slope / spread), float(level - slope / spread * centre))


@dataclass(frozen=True)
class TemperatureMap:
    """The map from decision scores or log-odds z to 1 / (1 + exp(-z / temperature)).

    Parameters
    ----------
    temperature : float
        Above 1 it draws probabilities towards .5, below 1 towards 0 and 1.

    See Also
    --------
    IsotonicMap : Any rising map.
    SigmoidMap : A map with an intercept too, which corrects a group's base rate.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.calibration import TemperatureMap
    >>> TemperatureMap(2.0)(np.array([-2.0, 0.0, 2.0])).round(3)
    array([0.269, 0.5  , 0.731])
    """

    temperature: float

    def __call__(self, scores: Floats) -> Floats:
        """Return a probability for each score.

        Parameters
        ----------
        scores : array of shape (n_samples,)
            Decision scores, or log-odds.

        Returns
        -------
        array of shape (n_samples,)
            Probabilities of the positive class.
        """
        return expit(scores / self.temperature)

    @classmethod
    def fit(cls, scores: Floats, actual: Bools, weights: Floats) -> TemperatureMap:
        """Return the map with the least log loss, which is convex in the inverse of the temperature.

        Parameters
        ----------
        scores : array of shape (n_samples,)
            Decision scores, or log-odds.
        actual : bool array of shape (n_samples,)
            Which rows are positive.
        weights : array of shape (n_samples,)
            The weight of each row.

        Returns
        -------
        TemperatureMap
            The map.
        """

        def slope(inverse: float) -> float:
            # The derivative of the mean log loss by the inverse temperature.
            return float(np.average((expit(inverse * scores) - actual) * scores, weights=weights))

        least, most = _INVERSE_TEMPERATURES
        if slope(least) >= 0:  # scores without information, or of the wrong sign
            return cls(1 / least)
        if slope(most) <= 0:  # the scores separate the labels
            return cls(1 / most)
        return cls(1 / brentq(slope, least, most))


#: The kinds of maps by name.
MAPS: dict[str, Any] = {"isotonic": IsotonicMap, "sigmoid": SigmoidMap, "temperature": TemperatureMap}
