"""A threshold per group, the best one under bounds on disparities.

The data flow: the scores of each group are sorted once (``_core.curves``, gathered as ``evidence``); read
what is asked for (``wishes``: bounds on rates, ``limits``, and what to maximise, ``objective``); each
threshold becomes a point (``choices``) of a problem that a solver answers exactly: ``window`` for one rate
(under its ``hull``), ``program`` for several (a linear program for mixtures, ``branch`` and ``sharing`` for
single thresholds). ``search`` picks solver and policy, ``choose`` says who can be measured, keeps
``margins`` and tells what is achieved (``report``), as ``rules`` per group. Around that: ``optimizer`` is the
estimator, ``blind`` decides without the attribute, ``path`` follows the trade-off, ``histograms`` works from
counts alone and ``binning`` says what that may lose.
"""

from fairsk._core.histograms import ScoreHistograms
from fairsk._held_out.report import ConstraintReport
from fairsk.thresholds._histograms import HistogramThresholds, thresholds_from_histograms
from fairsk.thresholds._optimizer import GroupThresholdOptimizer
from fairsk.thresholds._path import ParetoPath
from fairsk.thresholds._report import ThresholdReport

__all__ = [
    "ConstraintReport",
    "GroupThresholdOptimizer",
    "HistogramThresholds",
    "ParetoPath",
    "ScoreHistograms",
    "ThresholdReport",
    "thresholds_from_histograms",
]
