"""Calibration maps of :class:`fairsk.GroupCalibratedClassifier`, and the report of repaired predictions.

The estimators have the front door: :class:`fairsk.GroupCalibratedClassifier` calibrates per group,
:class:`fairsk.ScoreRepair` makes groups score alike, :class:`fairsk.PredictionRepair` does so with predicted
amounts. All keep the wrapped estimator and change what its scores become. Their maps are learned on
out-of-fold scores, and they are small: the corners of an isotonic fit, one or two numbers, a grid of
quantiles, or prices of levels. No row is kept.
"""

from fairsk.calibration._maps import IsotonicMap, OneVsRestMap, SigmoidMap, TemperatureMap
from fairsk.calibration._repair_report import PredictionRepairReport

__all__ = ["IsotonicMap", "OneVsRestMap", "PredictionRepairReport", "SigmoidMap", "TemperatureMap"]
