"""A threshold per group, the best one under a disparity bound.

The data flow: sort the scores of each group once (``curves``); find the best combination of thresholds
exactly (``window``), or of mixtures of thresholds (``hull``); decide which of the two it is to be
(``search``) and say what it achieves (``report``). ``optimizer`` is the estimator around them.
"""

from fairsk.thresholds.optimizer import GroupThresholdOptimizer
from fairsk.thresholds.report import ThresholdReport

__all__ = ["GroupThresholdOptimizer", "ThresholdReport"]
