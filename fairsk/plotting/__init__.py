"""Displays: computed arrays that draw themselves with matplotlib, as scikit-learn's displays do.

matplotlib is an extra, ``pip install "fairsk[plots]"``, and is imported when something is drawn.
"""

from fairsk.plotting._disparities import DisparityDisplay
from fairsk.plotting._monitor import MonitorDisplay
from fairsk.plotting._rates import GroupMetricDisplay
from fairsk.plotting._score_timeline import ScoreTimelineDisplay
from fairsk.plotting._thresholds import ThresholdDisplay
from fairsk.plotting._tradeoff import TradeoffDisplay
from fairsk.plotting._training import TrainingDisplay

__all__ = [
    "DisparityDisplay",
    "GroupMetricDisplay",
    "MonitorDisplay",
    "ScoreTimelineDisplay",
    "ThresholdDisplay",
    "TradeoffDisplay",
    "TrainingDisplay",
]
