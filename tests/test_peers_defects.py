"""Where other toolkits go wrong, fairsk gives the right number. Each test names toolkit and defect."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import balanced_accuracy_score
from toy_data import ScoreColumn

from fairsk import Constraint, GroupThresholdOptimizer, Rate
from fairsk._core.counts import GroupCounts
from fairsk.metrics import (
    conditional_demographic_disparity,
    demographic_parity_difference,
    demographic_parity_ratio,
    disparity,
    generalized_entropy,
    group_metrics,
    mantel_haenszel_odds_ratio,
    predictive_parity_ratio,
)
from fairsk.metrics._decisions.consistency import consistency
from fairsk.metrics._decisions.differential import differential_fairness
from fairsk.metrics._regression import regression_metrics
from fairsk.scoring import make_fair_scorer
from fairsk.statistics import bootstrap

# --- AIF360 -------------------------------------------------------------------------------------------


def simpson() -> dict[str, Any]:
    """Return 1,000 women and 1,000 men: each department is even-handed, most women apply to the hard one."""
    sizes = {("easy", "m"): 800, ("easy", "f"): 200, ("hard", "m"): 200, ("hard", "f"): 800}
    accepted = {"easy": 0.8, "hard": 0.2}
    rows = [
        (department, sex, int(i < round(accepted[department] * size)))
        for (department, sex), size in sizes.items()
        for i in range(size)
    ]
    department, sex, decision = map(np.array, zip(*rows, strict=True))
    return {"y_true": decision, "y_pred": decision, "sensitive_features": sex, "strata": department}


def test_conditional_demographic_disparity_is_told_per_group_and_needs_strata() -> None:
    """AIF360 averages over groups instead of strata, which is 0 for equal groups, whatever the data."""
    data = simpson()
    found = conditional_demographic_disparity(**data)
    assert found.groups == ("f", "m")
    accepted = {"f": 0.8 * 200 + 0.2 * 800, "m": 0.8 * 800 + 0.2 * 200}
    expected = (1000 - accepted["f"]) / 1000 - accepted["f"] / 1000
    np.testing.assert_allclose(found.unconditional, [expected, -expected])  # .36, where AIF360 says 0
    np.testing.assert_allclose(found.conditional, 0, atol=1e-12)
    with pytest.raises(TypeError, match="strata"):
        conditional_demographic_disparity(data["y_true"], data["y_pred"], sensitive_features=data["strata"])
    assert mantel_haenszel_odds_ratio(**data, reference="m").odds_ratios == pytest.approx(1)
    assert demographic_parity_difference(**data) == pytest.approx(0)


def test_smoothing_holds_for_a_group_of_one_class() -> None:
    """AIF360 counts the classes inside each group, so that smoothing vanishes: infinity for this group."""
    y, group = np.repeat([1, 0, 1], [50, 23, 27]), np.repeat(["a", "b"], 50)
    found = differential_fairness(y, y, sensitive_features=group)
    # (23 + 1/2) / (50 + 1) of group b against (0 + 1/2) / (50 + 1) of group a
    assert found.epsilon == pytest.approx(np.log(47))  # 3.850
    assert (found.outcome, found.more, found.less) == (0, "b", "a")  # AIF360 does not name the pair


def test_the_mean_log_deviation_is_divided_by_the_mean_once() -> None:
    """AIF360's generalized entropy with alpha 0 divides once too often: .0487."""
    assert generalized_entropy(benefits=[1, 2, 3, 4], alpha=0).total == pytest.approx(0.1218, abs=5e-5)


def test_random_decisions_are_as_consistent_as_chance_has_it() -> None:
    """AIF360 and holisticai count a row among its own neighbours: .60 for five neighbours."""
    rng = np.random.default_rng(0)
    X, noise = rng.normal(size=(4000, 4)), rng.integers(0, 2, 4000)
    assert consistency(X, noise, n_neighbors=5) == pytest.approx(0.5, abs=0.02)
    doubled = np.repeat(X[:1000], 2, axis=0)  # a row's double is a neighbour, the row itself is not
    assert consistency(doubled, noise[:2000], n_neighbors=1) == pytest.approx(0.5, abs=0.04)


def test_the_unit_of_a_column_does_not_decide_who_is_alike() -> None:
    """AIF360's consistency takes columns as they are: an income in cents outweighs everything else."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 2))
    y = (X[:, 0] > 0).astype(int)
    assert consistency(X * [1, 1e6], y) == pytest.approx(consistency(X, y))
    assert consistency(X * [1, 1e6], y, scale=False) < consistency(X, y) - 0.2


# --- aequitas -----------------------------------------------------------------------------------------


def test_engines_are_left_as_they_were(library: str) -> None:
    """Aequitas adds 13 columns to the caller's frame, and then refuses it."""
    make = pd.DataFrame if library == "pandas" else pl.DataFrame
    frame = make({"sex": list("fmfm"), "race": list("xxyy"), "y": [1, 0, 1, 1], "p": [1, 1, 0, 1]})
    before = frame.copy() if isinstance(frame, pd.DataFrame) else frame.clone()
    for _ in range(2):
        groups = frame[["sex", "race"]]
        group_metrics(frame["y"], frame["p"], sensitive_features=groups, metrics=["accuracy"])
        differential_fairness(frame["y"], frame["p"], sensitive_features=groups)
        regression_metrics(frame["y"], frame["p"], sensitive_features=frame["sex"])
    assert frame.equals(before)
    assert list(frame.columns) == ["sex", "race", "y", "p"]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(list("aabb"), dtype="category"),
        pd.Series(list("aabb"), dtype="str"),
        pd.Series(list("aabb"), dtype="string"),
        pd.Series(list("aabb"), dtype=object),
        pl.Series(list("aabb"), dtype=pl.Categorical),
        pl.Series(list("aabb"), dtype=pl.Enum(["b", "a"])),
        np.array(list("aabb")),
    ],
    ids=["category", "str", "string", "object", "polars categorical", "polars enum", "array"],
)
def test_groups_may_be_of_any_text_type(column: Any) -> None:
    """Aequitas refuses real categories, and the strings of pandas 3, as "not categorical"."""
    y, p = [1, 1, 1, 0], [1, 1, 1, 1]
    assert disparity(y, p, constraint="accuracy_parity", sensitive_features=column) == 0.5
    in_order = ("b", "a") if isinstance(column, pl.Series) and column.dtype == pl.Enum else ("a", "b")
    assert differential_fairness(p, y, sensitive_features=column).groups == in_order


def test_the_reference_group_is_one_group_and_not_its_letters() -> None:
    """Aequitas takes the set of a reference group's name: the letters of "white"."""
    group, y = ["white"] * 4 + ["w"] * 2 + ["h"] * 2, [1, 1, 1, 0, 0, 0, 1, 1]
    value = demographic_parity_difference(
        y, y, sensitive_features=group, method="to_reference", reference="white"
    )
    assert value == 0.75
    found = mantel_haenszel_odds_ratio(
        y, y, sensitive_features=group, strata=[0] * 8, reference="w", rate="selection_rate"
    )
    assert found.groups == ("h", "white")


def test_a_group_without_any_positive_prediction_has_no_precision() -> None:
    """Aequitas' disparities are wrong where a group has no positives (aequitas issue 104)."""
    y, p, group = [1, 0, 1, 0, 1, 0], [1, 1, 1, 0, 0, 0], list("aabbcc")
    with pytest.warns(UserWarning, match="precision cannot be measured for: c"):
        assert predictive_parity_ratio(y, p, sensitive_features=group) == 0.5


# --- dalex, jurity, scikit-lego, lale, FairBench ------------------------------------------------------


def test_small_rates_are_compared_as_they_are() -> None:
    """Dalex rounds rates to three decimals before it divides them: 0 / .002 here."""
    y = np.zeros(20_000, dtype=int)
    y[:4] = 1  # 4 of 10,000
    y[10_000:10_016] = 1  # 16 of 10,000
    group = np.repeat(["a", "b"], 10_000)
    assert demographic_parity_ratio(y, y, sensitive_features=group) == pytest.approx(0.25)


def test_the_worst_case_of_a_ratio_is_zero_and_not_missing() -> None:
    """Dalex turns a ratio of zero into NaN, and then passes over it; jurity returns a count."""
    y, group = [1, 1, 0, 1, 0, 0], list("aabbcc")
    for options in ({}, {"method": "to_overall"}, {"method": "to_reference", "reference": "c"}):
        assert demographic_parity_ratio(y, y, sensitive_features=group, **options) == 0  # type: ignore[arg-type]


def test_scores_take_more_than_two_groups_and_empty_ones_are_not_zero() -> None:
    """Scikit-lego's scorers refuse a third group, and score 0 for a group with nothing to measure."""
    X, y = np.array([[0.1, 0], [0.9, 0], [0.2, 1], [0.8, 1], [0.7, 2], [0.9, 2]]), [0, 1, 0, 1, 0, 0]
    model = ScoreColumn().fit(X, y)
    parity = make_fair_scorer("demographic_parity", sensitive_features=1, comparison="ratio")
    assert parity(model, X, y) == 0.5
    opportunity = make_fair_scorer("equal_opportunity", sensitive_features=1, comparison="ratio")
    with pytest.warns(UserWarning, match="true_positive_rate cannot be measured for: 2"):
        assert opportunity(model, X, y) == 1


def test_every_intersection_is_compared() -> None:
    """Lale compares (0, 0) with (1, 1), and drops the rows of (0, 1) and (1, 0)."""
    groups = np.repeat([(0, 0), (1, 1), (0, 1), (1, 0)], 4, axis=0)
    y = np.array([1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0])
    assert demographic_parity_difference(y, y, sensitive_features=groups) == 1
    found = differential_fairness(y, y, sensitive_features=groups)
    assert {found.more, found.less} == {(0, 1), (1, 0)}


def test_a_group_of_one_class_is_named_and_not_an_index_error() -> None:
    """FairBench stops with an IndexError (FairBench issue 1)."""
    y, p, group = [1, 1, 1, 0], [1, 0, 1, 1], list("aabb")
    with pytest.warns(UserWarning, match="false_positive_rate cannot be measured for: a"):
        table = group_metrics(y, p, sensitive_features=group, metrics=["false_positive_rate"])
    assert np.isnan(table.rates["false_positive_rate"][0])
    with pytest.warns(UserWarning, match="false_positive_rate cannot be measured for: a"):
        assert np.isnan(
            GroupCounts.from_predictions(y, p, sensitive_features=group).compare("predictive_equality")
        )


# --- fairlearn ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_the_balanced_accuracy_that_is_reported_is_that_of_the_decisions(seed: int) -> None:
    """Fairlearn's ThresholdOptimizer averages that of the groups by size, which is not that of all rows."""
    rng = np.random.default_rng(seed)
    group = rng.random(600) < 0.2
    y = (rng.random(600) < np.where(group, 0.2, 0.6)).astype(int)
    X = np.column_stack([y + rng.normal(0, 1, 600) + group, group])
    model = GroupThresholdOptimizer(
        FrozenEstimator(ScoreColumn().fit(X, y)),
        sensitive_features=1,
        max_difference=0.05,
        objective="balanced_accuracy",
        policy="threshold",
    ).fit(X, y)
    assert model.report_.value == pytest.approx(balanced_accuracy_score(y, model.predict(X)))


def test_no_group_vanishes_from_a_resample() -> None:
    """Fairlearn's bootstrap loses a small group in some resamples, which then have a difference of 0."""
    y = np.r_[np.tile([1, 0, 0], 100), [1, 1, 0]]
    counts = GroupCounts.from_predictions(y, y, sensitive_features=np.repeat(["a", "b"], [300, 3]))
    spread = bootstrap(counts, "selection_rate", n_resamples=2000, random_state=0)
    assert np.isfinite(spread.replicates).all()
    assert spread.standard_error[1] == pytest.approx(np.sqrt(2 / 9 / 3), rel=0.05)


def test_a_ratio_of_values_that_can_be_negative_is_refused() -> None:
    """Fairlearn's ratio of a negative metric is a number such as -3.33."""
    counts = GroupCounts.from_predictions([1, 0, 1, 0], [1, 1, 0, 1], sensitive_features=list("aabb"))
    net = Constraint("net_gain", Rate("net_gain", "tp-fp", "n"))
    assert counts.compare(net) == 0.5
    with pytest.raises(ValueError, match="'net_gain' can be negative"):
        counts.compare(net, "ratio")
    table = regression_metrics([3.0, 1.0, 2.0, 2.0], [2.0, 1.0, 3.0, 3.0], sensitive_features=list("aabb"))
    with pytest.raises(ValueError, match="ratio of mean_error is not defined"):
        table.ratio("mean_error")


@pytest.mark.parametrize("name", ["y_true", "y_pred", "strata", "sample_weight", "overall", "group", "n"])
def test_attributes_and_strata_may_be_called_anything(name: str) -> None:
    """In fairlearn, an attribute called y_true replaces the labels."""
    data = simpson()
    plain = conditional_demographic_disparity(**data)
    for part in ("sensitive_features", "strata"):
        data[part] = pd.DataFrame({name: data[part]})
    named = conditional_demographic_disparity(**data)
    np.testing.assert_array_equal(named.unconditional, plain.unconditional)
    np.testing.assert_array_equal(named.conditional, plain.conditional)


def test_text_labels_are_never_a_silent_parity_in_any_metric() -> None:
    """In fairlearn the difference of any labels but 0 and 1 is 0."""
    y, group = ["no", "yes", "yes", "yes"], list("aabb")
    for metric in (conditional_demographic_disparity, mantel_haenszel_odds_ratio):
        options = {"reference": "a"} if metric is mantel_haenszel_odds_ratio else {}
        with pytest.raises(ValueError, match="name the positive one with pos_label"):
            metric(y, y, sensitive_features=group, strata=[0] * 4, **options)  # type: ignore[operator]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert differential_fairness(y, y, sensitive_features=group).epsilon > 0  # needs no positive one
