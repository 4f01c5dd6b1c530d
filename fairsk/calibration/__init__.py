"""Calibration maps of :class:`fairsk.GroupCalibratedClassifier`, as it keeps them in ``maps_``.

The estimators of scores have the front door: :class:`fairsk.GroupCalibratedClassifier` calibrates per group,
:class:`fairsk.ScoreRepair` makes groups score alike. Both keep the wrapped classifier and change what its
scores become. Their maps are learned on out-of-fold scores, and they are small: the corners of an isotonic
fit, one or two numbers, or a grid of quantiles. No row is kept.
"""

from fairsk.calibration._maps import IsotonicMap, OneVsRestMap, SigmoidMap, TemperatureMap

__all__ = ["IsotonicMap", "OneVsRestMap", "SigmoidMap", "TemperatureMap"]
