"""Fairness metrics: functions of labels, predictions or scores, and the group of each row.

Of decisions: ``disparities`` has a difference and a ratio for every built-in constraint, ``table`` the rates
per group, ``strata`` and ``mantel_haenszel`` what is left inside strata, ``differential`` and ``entropy``
single numbers over all groups, ``consistency`` one over neighbours, ``multiclass`` each class against the
rest. Of scores, from one sort (``grouped_scores``): ``scores`` is the table per group and
``score_estimates`` what stands in it, ``score_differences``, ``distances``, ``abroca`` and
``calibration_error`` compare groups. ``regression`` is for numbers.
"""

from fairsk._core.counts import GroupCounts
from fairsk._core.histograms import ScoreHistograms
from fairsk.metrics._decisions.consistency import consistency
from fairsk.metrics._decisions.differential import (
    DifferentialFairness,
    bias_amplification,
    differential_fairness,
)
from fairsk.metrics._decisions.disparity import (
    GroupRate,
    accuracy_difference,
    accuracy_ratio,
    average_odds_difference,
    average_odds_ratio,
    best_group,
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equal_opportunity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
    error_rate_difference,
    error_rate_ratio,
    f1_difference,
    f1_ratio,
    false_negative_difference,
    false_negative_ratio,
    false_omission_difference,
    false_omission_ratio,
    predictive_equality_difference,
    predictive_equality_ratio,
    predictive_parity_difference,
    predictive_parity_ratio,
    treatment_equality_difference,
    treatment_equality_ratio,
    worst_group,
    worst_group_accuracy,
)
from fairsk.metrics._decisions.entropy import (
    GeneralizedEntropy,
    benefit_entropy,
    generalized_entropy,
    theil_index,
)
from fairsk.metrics._decisions.mantel_haenszel import MantelHaenszel, mantel_haenszel_odds_ratio
from fairsk.metrics._decisions.multiclass import multiclass_disparity, one_vs_rest_counts
from fairsk.metrics._decisions.strata import (
    ConditionalDemographicDisparity,
    conditional_demographic_disparity,
    disparity_within_strata,
)
from fairsk.metrics._decisions.table import Disparities, GroupMetrics, group_metrics
from fairsk.metrics._regression import RegressionMetrics, regression_metrics
from fairsk.metrics._scores.abroca import AbrocaTest, abroca, abroca_test
from fairsk.metrics._scores.calibration_error import CalibrationCurves, calibration_curves
from fairsk.metrics._scores.differences import (
    auc_difference,
    brier_difference,
    calibration_error_difference,
    log_loss_difference,
    worst_group_calibration_error,
)
from fairsk.metrics._scores.distances import ks_distance, wasserstein_distance
from fairsk.metrics._scores.table import ScoreMetrics, score_metrics

__all__ = [
    "AbrocaTest",
    "CalibrationCurves",
    "ConditionalDemographicDisparity",
    "DifferentialFairness",
    "Disparities",
    "GeneralizedEntropy",
    "GroupCounts",
    "GroupMetrics",
    "GroupRate",
    "MantelHaenszel",
    "RegressionMetrics",
    "ScoreHistograms",
    "ScoreMetrics",
    "abroca",
    "abroca_test",
    "accuracy_difference",
    "accuracy_ratio",
    "auc_difference",
    "average_odds_difference",
    "average_odds_ratio",
    "benefit_entropy",
    "best_group",
    "bias_amplification",
    "brier_difference",
    "calibration_curves",
    "calibration_error_difference",
    "conditional_demographic_disparity",
    "consistency",
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "differential_fairness",
    "disparity_within_strata",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "error_rate_difference",
    "error_rate_ratio",
    "f1_difference",
    "f1_ratio",
    "false_negative_difference",
    "false_negative_ratio",
    "false_omission_difference",
    "false_omission_ratio",
    "generalized_entropy",
    "group_metrics",
    "ks_distance",
    "log_loss_difference",
    "mantel_haenszel_odds_ratio",
    "multiclass_disparity",
    "one_vs_rest_counts",
    "predictive_equality_difference",
    "predictive_equality_ratio",
    "predictive_parity_difference",
    "predictive_parity_ratio",
    "regression_metrics",
    "score_metrics",
    "theil_index",
    "treatment_equality_difference",
    "treatment_equality_ratio",
    "wasserstein_distance",
    "worst_group",
    "worst_group_accuracy",
    "worst_group_calibration_error",
]
