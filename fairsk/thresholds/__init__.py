"""Thresholds per group: the best ones under bounds on disparities, from rows or from counts alone.

``fairsk.GroupThresholdOptimizer`` chooses them on out-of-fold scores, and its ``pareto_path`` follows the
trade-off; :func:`thresholds_from_histograms` works from a ``fairsk.metrics.ScoreHistograms``, that is from
counts alone, and says what that may lose. The scores of each group are sorted once. For one rate a sliding
window finds the best thresholds, for several a linear program (mixtures) and branch and bound on top of it
(single thresholds). What comes out is a ``ThresholdReport``, a ``ParetoPath`` or ``HistogramThresholds``; of
three and more classes, each with an offset per group, a ``ClassThresholdReport`` or a ``ClassParetoPath``.
"""

from fairsk.thresholds._histograms import thresholds_from_histograms

__all__ = ["thresholds_from_histograms"]
