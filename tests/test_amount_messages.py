"""Messages about amounts: what is wrong, how much of it, and what to use instead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_predict

from fairsk import ConstrainedRegressor, PredictionRepair
from fairsk.metrics import GroupAmounts, group_metrics, score_metrics
from fairsk.plotting import TrainingDisplay
from fairsk.scoring import make_fair_scorer
from fairsk.statistics import verdict

RNG = np.random.default_rng(0)
GROUPS = np.tile(["a", "b"], 60)
X = RNG.normal(size=(120, 2))
Y = X[:, 0] + (GROUPS == "a") + RNG.normal(size=120)


def with_at(values, value, *rows):
    values = np.array(values)
    values[list(rows)] = value
    return values


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (with_at(Y, np.nan, 3, 5), "y must .*: 2 missing of 120. Drop these rows, or impute"),
        (with_at(with_at(Y, np.inf, 1), np.nan, 3), ": 1 missing and 1 infinite of 120"),
        (Y.astype(str), "y holds text, such as '"),
        (pd.Series(Y.astype(str), dtype=object), "y holds text, such as '"),
        (pd.Series(Y.astype(str), dtype="string"), "y holds text, such as '"),
        (pd.Series([*Y[:-1], "12"], dtype=object), "y holds text, such as '12'"),
    ],
)
def test_amounts_that_are_none_are_counted_and_text_is_refused(y, match):
    for model in (
        ConstrainedRegressor(LinearRegression(), max_difference=1),
        PredictionRepair(LinearRegression()),
    ):
        with pytest.raises(ValueError, match=match):
            model.fit(X, y, sensitive_features=GROUPS)
    with pytest.raises(ValueError, match=match.replace("y ", "y_true ")):
        GroupAmounts.from_predictions(y, Y, sensitive_features=GROUPS)


def test_one_group_alone_is_named_and_the_column_questioned():
    one = GROUPS == "a"
    with pytest.warns(
        UserWarning, match="only one group, a: .* Check that sensitive_features names the right"
    ):
        ConstrainedRegressor(LinearRegression(), max_difference=1, cv=2).fit(
            X[one], Y[one], sensitive_features=GROUPS[one]
        )


def test_a_forgotten_bound_on_losses_is_quoted_in_their_unit():
    squares = (Y - Y.mean()) ** 2
    means = [squares[g == GROUPS].mean() for g in "ab"]
    with pytest.raises(ValueError, match="mean squared error of up to ") as caught:
        ConstrainedRegressor(LinearRegression(), constraint="error_parity").fit(
            X, Y, sensitive_features=GROUPS
        )
    assert f"{max(means):.4g} in a group" in str(caught.value)
    assert f"{max(means) - min(means):.4g} apart" in str(caught.value)


def test_misspelt_constraints_name_what_is_meant_and_all_there_are():
    model = ConstrainedRegressor(LinearRegression(), constraint="bounded_group_los", max_loss=1)
    with pytest.raises(
        ValueError, match=r"mean 'bounded_group_loss'\? Built in: mean_parity, .*bounded_group_loss"
    ):
        model.fit(X, Y, sensitive_features=GROUPS)
    for name in ("mean_partiy", "demographc_parity", "nonsense"):
        with pytest.raises(ValueError, match=r"demographic_parity.* of amounts mean_parity.*ks_distance"):
            make_fair_scorer(name, sensitive_features=0)
    for name in ("bounded_group_loss", "bounded_group_los"):
        with pytest.raises(ValueError, match=r"make_fair_scorer\('error_parity', comparison='worst_group'\)"):
            make_fair_scorer(name, sensitive_features=0)


def test_functions_of_decisions_say_what_there_is_for_amounts_and_classes():
    with pytest.raises(TypeError, match=r"ndarray\. Of amounts: GroupAmounts, or regression_metrics"):
        verdict(Y, "mean_parity", max_difference=1)
    with pytest.raises(TypeError, match=r"no sensitive_features=\. Of amounts: GroupAmounts"):
        verdict(Y, Y, sensitive_features=GROUPS)
    with pytest.raises(ValueError, match="regression_metrics, amount_disparity and GroupAmounts"):
        group_metrics(Y, Y, sensitive_features=GROUPS)
    with pytest.raises(
        ValueError, match=r"3 columns.* pos_label=.*multiclass_disparity .* one_vs_rest_counts"
    ):
        score_metrics(np.tile(["x", "y", "z"], 40), np.full((120, 3), 1 / 3), sensitive_features=GROUPS)


def test_a_report_says_what_the_bound_changes():
    model = ConstrainedRegressor(LinearRegression(), max_difference=0.1, cv=KFold(3)).fit(
        X, Y, sensitive_features=GROUPS
    )
    plain = cross_val_predict(LinearRegression(), X, Y, cv=KFold(3))
    report, means = model.report_, [plain[g == GROUPS].mean() for g in "ab"]
    assert report.disparity_without_bound == pytest.approx(abs(means[0] - means[1]))
    text = report.summary()
    assert f"Without the bound they would differ by {abs(means[0] - means[1]):.4g}" in text
    assert all(f"(without the bound {mean:.4g})" in text for mean in means)
    assert f"{np.mean((plain - Y)[GROUPS == 'a'] ** 2):.4g}" in text
    assert "without the bound" in str(report)


def test_a_report_of_a_repair_says_what_it_changes():
    report = PredictionRepair(LinearRegression(), cv=3).fit(X, Y, sensitive_features=GROUPS).report_
    text = report.summary()
    for place, group in enumerate("ab"):
        after, before = (table.rate("mean_prediction")[place] for table in (report.after, report.before))
        assert f"In {group} the mean prediction is {after:.4g} (without the repair {before:.4g})" in text
    assert f"is {report.ks_after:.3f}, and {report.ks_before:.3f} without the repair" in text
    assert "Measured on 120 training rows" in text
    one = GROUPS == "a"
    with pytest.warns(UserWarning, match="only one group"):
        alone = PredictionRepair(LinearRegression(), cv=3).fit(X[one], Y[one], sensitive_features=GROUPS[one])
    assert "not two groups" in alone.report_.summary()


def test_a_display_of_decisions_says_how_a_history_of_amounts_is_drawn():
    model = ConstrainedRegressor(LinearRegression(), max_difference=0.1, cv=3).fit(
        X, Y, sensitive_features=GROUPS
    )
    with pytest.raises(
        TypeError, match=r"draws trainings of classifiers.*pandas.DataFrame\(model.history_\)"
    ):
        TrainingDisplay.from_estimator(model)
    with pytest.raises(ValueError, match=r"pandas.DataFrame\(model.history_\)"):
        TrainingDisplay(model.history_)
