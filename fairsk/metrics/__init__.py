"""Fairness metrics: functions of labels, predictions or scores, and the group of each row.

:func:`disparity` compares groups under any constraint, and the common differences and ratios have names, such
as :func:`demographic_parity_difference`. :func:`group_metrics` tabulates rates and any other function per
group, :func:`score_metrics` the metrics of scores, and :func:`regression_metrics` those of predicted numbers,
which :func:`amount_disparity` compares under a constraint.

Of decisions, :func:`conditional_demographic_disparity` and :func:`mantel_haenszel_odds_ratio` compare within
strata; :func:`differential_fairness`, :func:`bias_amplification` and :func:`generalized_entropy` are single
numbers over all groups, :func:`consistency` one over neighbours; :func:`multiclass_disparity` compares each
class against the rest; :func:`worst_group` and :func:`best_group` name a group. Of scores,
:func:`auc_difference`, :func:`abroca`, :func:`ks_distance` and others compare groups, :func:`bias_auc` sums
up how they are ranked beside each other, and :func:`calibration_curves` shows where scores are miscalibrated.
:class:`GroupCounts`, :class:`ScoreHistograms` and :class:`GroupAmounts` are the tables from which decisions,
scores and amounts can be measured without rows.

The classes of results can be imported from here, too; they are not in ``__all__``, for functions make them.
"""

from fairsk._core.amount_sums import GroupAmounts
from fairsk._core.counts import GroupCounts
from fairsk._core.histograms import ScoreHistograms
from fairsk.metrics._decisions.consistency import consistency
from fairsk.metrics._decisions.differential import DifferentialFairness as DifferentialFairness
from fairsk.metrics._decisions.differential import bias_amplification, differential_fairness
from fairsk.metrics._decisions.disparity import GroupRate as GroupRate
from fairsk.metrics._decisions.disparity import best_group, disparity, worst_group
from fairsk.metrics._decisions.entropy import GeneralizedEntropy as GeneralizedEntropy
from fairsk.metrics._decisions.entropy import generalized_entropy
from fairsk.metrics._decisions.mantel_haenszel import MantelHaenszel as MantelHaenszel
from fairsk.metrics._decisions.mantel_haenszel import mantel_haenszel_odds_ratio
from fairsk.metrics._decisions.multiclass import multiclass_disparity, one_vs_rest_counts
from fairsk.metrics._decisions.named import (
    average_odds_difference,
    average_odds_ratio,
    demographic_parity_difference,
    demographic_parity_ratio,
    disparate_impact_ratio,
    equal_opportunity_difference,
    equal_opportunity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
    error_rate_difference,
    error_rate_ratio,
    predictive_equality_difference,
    predictive_equality_ratio,
    predictive_parity_difference,
    predictive_parity_ratio,
)
from fairsk.metrics._decisions.strata import (
    ConditionalDemographicDisparity as ConditionalDemographicDisparity,
)
from fairsk.metrics._decisions.strata import conditional_demographic_disparity
from fairsk.metrics._decisions.table import Disparities as Disparities
from fairsk.metrics._decisions.table import GroupMetrics as GroupMetrics
from fairsk.metrics._functions import GroupFunctionMetrics as GroupFunctionMetrics
from fairsk.metrics._group_metrics import group_metrics
from fairsk.metrics._regression import RegressionMetrics as RegressionMetrics
from fairsk.metrics._regression import amount_disparity, regression_metrics
from fairsk.metrics._scores.abroca import AbrocaTest as AbrocaTest
from fairsk.metrics._scores.abroca import abroca, abroca_test
from fairsk.metrics._scores.bias_auc import bias_auc
from fairsk.metrics._scores.calibration_error import CalibrationCurves as CalibrationCurves
from fairsk.metrics._scores.calibration_error import calibration_curves
from fairsk.metrics._scores.differences import (
    auc_difference,
    brier_difference,
    calibration_error_difference,
    log_loss_difference,
    worst_group_calibration_error,
)
from fairsk.metrics._scores.distances import ks_distance, wasserstein_distance
from fairsk.metrics._scores.table import ScoreMetrics as ScoreMetrics
from fairsk.metrics._scores.table import score_metrics

__all__ = [
    # any constraint
    "disparity",
    "amount_disparity",
    # tables per group
    "group_metrics",
    "score_metrics",
    "regression_metrics",
    # what counts are kept in
    "GroupAmounts",
    "GroupCounts",
    "ScoreHistograms",
    "one_vs_rest_counts",
    # decisions, by name
    "average_odds_difference",
    "average_odds_ratio",
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "disparate_impact_ratio",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "error_rate_difference",
    "error_rate_ratio",
    "predictive_equality_difference",
    "predictive_equality_ratio",
    "predictive_parity_difference",
    "predictive_parity_ratio",
    # decisions, over all groups or people
    "best_group",
    "worst_group",
    "bias_amplification",
    "conditional_demographic_disparity",
    "consistency",
    "differential_fairness",
    "generalized_entropy",
    "mantel_haenszel_odds_ratio",
    "multiclass_disparity",
    # scores
    "abroca",
    "abroca_test",
    "auc_difference",
    "bias_auc",
    "brier_difference",
    "calibration_curves",
    "calibration_error_difference",
    "ks_distance",
    "log_loss_difference",
    "wasserstein_distance",
    "worst_group_calibration_error",
]
