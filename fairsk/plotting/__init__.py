"""Displays: computed arrays that draw themselves with matplotlib, as scikit-learn's displays do.

matplotlib is an extra, ``pip install "fairsk[plots]"``, and is imported when something is drawn.
"""

from fairsk.plotting.disparities import DisparityDisplay
from fairsk.plotting.rates import GroupMetricDisplay
from fairsk.plotting.thresholds import ThresholdDisplay
from fairsk.plotting.tradeoff import TradeoffDisplay
from fairsk.plotting.training import TrainingDisplay

__all__ = ["DisparityDisplay", "GroupMetricDisplay", "ThresholdDisplay", "TradeoffDisplay", "TrainingDisplay"]
