"""Maps of scores, one per group: the repair that makes groups score alike, and calibration per group.

Both keep the wrapped classifier and change what its scores become (``mapper``). The maps are learned on
out-of-fold scores, and they are small: a grid of quantiles (``repair``), the steps of an isotonic fit, or two
numbers (``maps``, ``classifier``). No row is kept.
"""

from fairsk.calibration._classifier import GroupCalibratedClassifier
from fairsk.calibration._maps import IsotonicMap, SigmoidMap, TemperatureMap
from fairsk.calibration._repair import ScoreRepair

__all__ = ["GroupCalibratedClassifier", "IsotonicMap", "ScoreRepair", "SigmoidMap", "TemperatureMap"]
