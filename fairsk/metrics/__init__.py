"""Fairness metrics: functions of labels, predictions and the group of each row.

``disparities`` has a difference and a ratio for every built-in constraint, ``table`` the rates per group.
"""

from fairsk.counts import GroupCounts
from fairsk.metrics.disparities import (
    accuracy_difference,
    accuracy_ratio,
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
    worst_group_accuracy,
)
from fairsk.metrics.table import Disparities, GroupMetrics, group_metrics

__all__ = [
    "Disparities",
    "GroupCounts",
    "GroupMetrics",
    "accuracy_difference",
    "accuracy_ratio",
    "demographic_parity_difference",
    "demographic_parity_ratio",
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
    "group_metrics",
    "predictive_equality_difference",
    "predictive_equality_ratio",
    "predictive_parity_difference",
    "predictive_parity_ratio",
    "treatment_equality_difference",
    "treatment_equality_ratio",
    "worst_group_accuracy",
]
