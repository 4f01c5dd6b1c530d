"""Warnings name what cannot be measured, at the line of whoever asked for it."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from fairsk import metrics, statistics
from fairsk.metrics import GroupCounts

LABELS: dict[str, Any] = {"y_true": [1, 0, 0], "y_pred": [1, 0, 1], "sensitive_features": ["a", "a", "b"]}
WEIGHTED = LABELS | {"sample_weight": [1, 1, 0]}
SCORES: dict[str, Any] = {
    "y_true": [1, 0, 0],
    "y_score": [0.1, 0.5, 0.3],
    "sensitive_features": ["a", "a", "b"],
}
RIGHT = LABELS | {"y_pred": LABELS["y_true"]}
STRATA = LABELS | {"strata": ["x", "y", "x"]}
COUNTS = GroupCounts.from_predictions(**WEIGHTED)
NOBODY = GroupCounts(["a"], {"tp": [0], "fp": [0], "fn": [3], "tn": [0]})

CASES: dict[str, Callable[[], Any]] = {
    "difference": lambda: metrics.equal_opportunity_difference(**LABELS),
    "average": lambda: metrics.average_odds_difference(**LABELS),
    "strata": lambda: metrics.demographic_parity_difference(**STRATA),
    "disparity": lambda: metrics.disparity(**LABELS, constraint="equalized_odds"),
    "functions": lambda: metrics.group_metrics(**LABELS, metrics=roc_auc_score),
    "resamples": lambda: metrics.group_metrics(**RIGHT, metrics=accuracy_score, n_resamples=9),
    "worst group": lambda: metrics.worst_group(**LABELS, rate="true_positive_rate"),
    "worst accuracy": lambda: metrics.worst_group(**WEIGHTED),
    "table": lambda: metrics.group_metrics(**LABELS),
    "classes": lambda: metrics.multiclass_disparity(**LABELS, constraint="equal_opportunity"),
    "Theil": lambda: metrics.generalized_entropy([1, 1], [0, 0], alpha=1),
    "benefits": lambda: metrics.generalized_entropy(benefits=[0, 0]),
    "entropy of counts": lambda: metrics.GeneralizedEntropy.from_counts(NOBODY),
    "epsilon": lambda: metrics.differential_fairness(**WEIGHTED),
    "epsilon of counts": lambda: metrics.DifferentialFairness.from_counts(COUNTS),
    "amplification": lambda: metrics.bias_amplification(**WEIGHTED),
    "demographic disparity": lambda: metrics.conditional_demographic_disparity(**STRATA),
    "odds": lambda: metrics.mantel_haenszel_odds_ratio(**STRATA, reference="a"),
    "amounts": lambda: metrics.regression_metrics(**WEIGHTED),
    "scores": lambda: metrics.score_metrics(**SCORES),
    "area": lambda: metrics.auc_difference(**SCORES),
    "between curves": lambda: metrics.abroca_test(**SCORES),
    "distance": lambda: metrics.score_metrics(**SCORES, metrics="base_rate").ks_distance(given="positives"),
    "contrasts": lambda: statistics.contrasts(COUNTS, "selection_rate"),
    "verdict": lambda: statistics.verdict(COUNTS, "selection_rate", max_difference=0.1),
    "bootstrap": lambda: statistics.bootstrap(COUNTS, "selection_rate", n_resamples=9),
}


@pytest.mark.parametrize("name", CASES)
def test_warnings_point_at_the_line_of_the_user(name: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CASES[name]()
    assert caught
    line = inspect.getsourcelines(CASES[name])[1]
    assert all(warning.filename == __file__ and line <= warning.lineno <= line + 1 for warning in caught)


def test_the_table_of_rates_names_the_groups_that_lack_one() -> None:
    with pytest.warns(UserWarning, match=r"true_positive_rate cannot be measured for: b \(its denominator"):
        metrics.group_metrics(**LABELS, metrics="true_positive_rate")
