"""Calibration maps from scores to probabilities: isotonic, sigmoid, temperature. They hold no rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit, softmax
from sklearn.isotonic import IsotonicRegression

from fairsk._core.typing import Bools, Floats

__all__ = [
    "CalibrationMap",
    "IsotonicMap",
    "Method",
    "OneVsRestMap",
    "SigmoidMap",
    "TemperatureMap",
    "fit_map",
]

Method: TypeAlias = Literal["isotonic", "sigmoid", "temperature"]

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

    Of several classes: from a decision score or log-probability z per class to exp(z / temperature), divided
    by its sum over the classes (softmax).

    Parameters
    ----------
    temperature : float
        Above 1 it draws probabilities towards .5 (towards each other), below 1 towards 0 and 1.

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
    >>> TemperatureMap(2.0)(np.log([[0.04, 0.16, 0.64]])).round(3)
    array([[0.143, 0.286, 0.571]])
    """

    temperature: float

    def __call__(self, scores: Floats) -> Floats:
        """Return a probability for each score.

        Parameters
        ----------
        scores : array of shape (n_samples,) or (n_samples, n_classes)
            Decision scores, or log-odds; of several classes decision scores, or log-probabilities.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_classes)
            Probabilities of the positive class, or of each class.
        """
        return _chances(scores / self.temperature)

    @classmethod
    def fit(cls, scores: Floats, actual: Bools, weights: Floats) -> TemperatureMap:
        """Return the map with the least log loss, which is convex in the inverse of the temperature.

        Parameters
        ----------
        scores : array of shape (n_samples,) or (n_samples, n_classes)
            Decision scores, or log-odds; of several classes decision scores, or log-probabilities.
        actual : bool array of shape (n_samples,) or (n_samples, n_classes)
            Which rows are positive, or of each class.
        weights : array of shape (n_samples,)
            The weight of each row.

        Returns
        -------
        TemperatureMap
            The map.
        """

        def slope(inverse: float) -> float:
            # The derivative of the mean log loss by the inverse temperature.
            slopes = (_chances(inverse * scores) - actual) * scores
            return float(np.average(slopes if slopes.ndim == 1 else slopes.sum(axis=1), weights=weights))

        least, most = _INVERSE_TEMPERATURES
        if slope(least) >= 0:  # scores without information, or of the wrong sign
            return cls(1 / least)
        if slope(most) <= 0:  # the scores separate the labels
            return cls(1 / most)
        return cls(1 / brentq(slope, least, most))


def _chances(scores: Floats) -> Floats:
    """Return the probabilities that log-odds, or a row of log-probabilities up to a constant, stand for."""
    return expit(scores) if scores.ndim == 1 else softmax(scores, axis=1)


@dataclass(frozen=True, eq=False)
class OneVsRestMap:
    """A map per class, from the scores of the class to its probability; each row is divided by its sum.

    Parameters
    ----------
    maps : tuple of IsotonicMap or SigmoidMap
        The map of each class, in the order of the columns of scores.

    See Also
    --------
    TemperatureMap : One number for all classes.

    Notes
    -----
    Where the maps of all classes say 0, every class is as probable as the others, as in
    :class:`sklearn.calibration.CalibratedClassifierCV`.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.calibration import IsotonicMap, OneVsRestMap
    >>> rising = IsotonicMap(np.array([0.2, 0.8]), np.array([0.0, 0.9]))
    >>> OneVsRestMap((rising, rising, rising))(np.array([[0.4, 0.6, 0.0], [0.1, 0.1, 0.1]])).round(3)
    array([[0.333, 0.667, 0.   ],
           [0.333, 0.333, 0.333]])
    """

    maps: tuple[IsotonicMap | SigmoidMap, ...]

    def __call__(self, scores: Floats) -> Floats:
        """Return the probability of each class for each row of scores.

        Parameters
        ----------
        scores : array of shape (n_samples, n_classes)
            What the map of each class reads: scores as they are, or log-odds of the class.

        Returns
        -------
        array of shape (n_samples, n_classes)
            Probabilities, which add up to 1 in each row.
        """
        mapped = np.column_stack([own(scores[:, column]) for column, own in enumerate(self.maps)])
        sums = mapped.sum(axis=1, keepdims=True)
        return np.divide(mapped, sums, out=np.full_like(mapped, 1 / len(self.maps)), where=sums > 0)

    @classmethod
    def fit(
        cls, scores: Floats, actual: Bools, weights: Floats, *, method: Literal["isotonic", "sigmoid"]
    ) -> OneVsRestMap:
        """Return the map of each class against the rest, fitted by itself.

        Parameters
        ----------
        scores : array of shape (n_samples, n_classes)
            What the map of each class reads: scores as they are, or log-odds of the class.
        actual : bool array of shape (n_samples, n_classes)
            Which rows are of each class.
        weights : array of shape (n_samples,)
            The weight of each row.
        method : {"isotonic", "sigmoid"}
            The kind of map.

        Returns
        -------
        OneVsRestMap
            The map.
        """
        fit = IsotonicMap.fit if method == "isotonic" else SigmoidMap.fit
        columns = zip(scores.T, actual.T, strict=True)
        return cls(tuple(fit(own_scores, own_rows, weights) for own_scores, own_rows in columns))


#: What a group is calibrated by.
CalibrationMap: TypeAlias = IsotonicMap | SigmoidMap | TemperatureMap | OneVsRestMap


def fit_map(method: Method, scores: Floats, actual: Bools, weights: Floats) -> CalibrationMap:
    """Return the map of a kind that fits some rows best.

    Parameters
    ----------
    method : {"isotonic", "sigmoid", "temperature"}
        The kind.
    scores : array of shape (n_samples,) or (n_samples, n_classes)
        What it reads: of the positive class, or of each class.
    actual : bool array of shape (n_samples,) or (n_samples, n_classes)
        Which rows are positive, or of each class.
    weights : array of shape (n_samples,)
        The weight of each row.

    Returns
    -------
    IsotonicMap, SigmoidMap, TemperatureMap or OneVsRestMap
        The map.
    """
    if method == "temperature":
        return TemperatureMap.fit(scores, actual, weights)
    if scores.ndim == 2:
        return OneVsRestMap.fit(scores, actual, weights, method=method)
    if method == "isotonic":
        return IsotonicMap.fit(scores, actual, weights)
    return SigmoidMap.fit(scores, actual, weights)
