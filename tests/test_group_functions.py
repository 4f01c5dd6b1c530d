"""Any function per group: against fairlearn's MetricFrame, loops over rows, and a bootstrap by hand."""

from __future__ import annotations

import functools
import json
import pickle
import warnings
from decimal import Decimal
from fractions import Fraction
from typing import Any, assert_type

import fairlearn.metrics as fairlearn
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import metrics as skm
from sklearn.exceptions import UndefinedMetricWarning

from fairsk import Rate
from fairsk.metrics import GroupCounts, GroupFunctionMetrics, GroupMetrics, group_metrics, score_metrics
from fairsk.rates import CONSTRAINTS, get_constraint

FUNCTIONS = {
    "accuracy": skm.accuracy_score,
    "balanced": skm.balanced_accuracy_score,
    "precision": skm.precision_score,
    "f1": skm.f1_score,
    "mcc": skm.matthews_corrcoef,
}


def rows(seed: int, n: int = 300, n_groups: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, n_groups, n)
    y = (rng.random(n) < 0.3 + 0.1 * group).astype(int)
    score = np.clip(0.25 + 0.4 * y + rng.normal(0, 0.25, n), 0, 1)
    return {
        "y_true": y,
        "y_pred": (score > 0.5).astype(int),
        "y_score": score,
        "sensitive_features": np.array(list("abcdef"))[group],
        "sample_weight": rng.random(n) + 0.1,
    }


def without(data: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: values for name, values in data.items() if name not in names}


# --- fairlearn's MetricFrame --------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_table_equals_fairlearns_metric_frame(seed: int, weighted: bool) -> None:
    data = without(rows(seed), "y_score", *([] if weighted else ["sample_weight"]))
    weight = data.get("sample_weight")
    params = {} if weight is None else {name: {"sample_weight": weight} for name in FUNCTIONS}
    frame = fairlearn.MetricFrame(
        metrics=FUNCTIONS, **without(data, "sample_weight"), sample_params=params or None
    )
    table = group_metrics(**data, metrics=FUNCTIONS)
    assert isinstance(table, GroupFunctionMetrics)
    for name in FUNCTIONS:
        assert table.values[name].tolist() == pytest.approx(frame.by_group[name].tolist())
        assert table.overall[name] == pytest.approx(frame.overall[name])
        for method in ("between_groups", "to_overall"):
            assert table.difference(name, method=method) == pytest.approx(
                frame.difference(method=method)[name]
            )
            assert table.ratio(name, method=method) == pytest.approx(frame.ratio(method=method)[name])
        assert table.lowest(name).value == pytest.approx(frame.group_min()[name])
        assert table.highest(name).value == pytest.approx(frame.group_max()[name])
        assert table.lowest(name).group == frame.by_group[name].idxmin()
        assert table.highest(name).group == frame.by_group[name].idxmax()


def test_a_derived_metric_of_fairlearn_is_a_method_of_the_table() -> None:
    data = without(rows(4), "y_score")
    derived = fairlearn.make_derived_metric(
        metric=skm.f1_score, transform="difference", sample_param_names=["sample_weight"]
    )
    assert group_metrics(**data, metrics=skm.f1_score).difference("f1_score") == pytest.approx(
        derived(**data)
    )


# --- what a function is called with -------------------------------------------------------------------


def test_rates_and_functions_of_labels_and_scores_stand_in_one_table() -> None:
    data = rows(5)
    table = group_metrics(
        **data,
        metrics={
            "selected": "selection_rate",
            "accuracy": skm.accuracy_score,
            "auc": skm.roc_auc_score,
            "brier": skm.brier_score_loss,
            "log_loss": skm.log_loss,
            "missed": Rate("missed", "fn", "n"),
        },
    )
    scores = score_metrics(**without(data, "y_pred"), metrics=["auc", "brier", "log_loss"])
    rates = group_metrics(**without(data, "y_score"), metrics=["selection_rate", "accuracy"])
    for name in ("auc", "brier", "log_loss"):
        np.testing.assert_allclose(table.values[name], scores.values[name], rtol=1e-9)
        assert table.overall[name] == pytest.approx(scores.overall[name])
        assert table.difference(name) == pytest.approx(scores.difference(name))
    np.testing.assert_allclose(table.values["selected"], rates.rates["selection_rate"])
    np.testing.assert_allclose(table.values["accuracy"], rates.rates["accuracy"])
    assert table.overall["selected"] == pytest.approx(rates.overall["selection_rate"])
    assert table.overall["n"] == pytest.approx(rates.overall["n"])
    assert table.difference("selected", method="to_reference", reference="b") == pytest.approx(
        rates.difference("selection_rate", method="to_reference", reference="b")
    )
    assert table.ratio("selected") == pytest.approx(rates.ratio("selection_rate"))


def test_a_function_that_may_read_either_is_refused_where_both_are_given() -> None:
    data = without(rows(5), "sample_weight")

    def gini(truth: Any, s: Any) -> float:
        return 2 * skm.roc_auc_score(truth, s) - 1

    with pytest.raises(ValueError, match="'gini' reads y_pred or y_score cannot be told"):
        group_metrics(**data, metrics=gini)
    table = group_metrics(**without(data, "y_pred"), metrics=gini)
    auc = group_metrics(**without(data, "y_pred"), metrics=skm.roc_auc_score)
    np.testing.assert_allclose(table.values["gini"], 2 * auc.values["roc_auc_score"] - 1)


def test_parameters_with_a_value_per_row_are_cut_by_group() -> None:
    data = without(rows(6), "y_score", "sample_weight")
    amount = np.random.default_rng(1).integers(1, 9, len(data["y_true"]))

    def cost(y_true: Any, y_pred: Any, *, amount: Any, factor: float = 1, names: Any = ()) -> float:
        assert len(amount) == len(y_true) == len(y_pred)
        assert list(names) == ["x", "y"]
        return factor * float(np.sum(amount * (y_true != y_pred)))

    expected = [
        3 * amount[(data["sensitive_features"] == g) & (data["y_true"] != data["y_pred"])].sum()
        for g in "abc"
    ]
    for values in (amount, amount.tolist(), tuple(amount), pd.Series(amount), pl.Series(amount)):
        params = {"amount": values, "factor": 3, "names": ["x", "y"]}
        table = group_metrics(**data, metrics=cost, metric_params={"cost": params})
        assert table.values["cost"].tolist() == expected
        assert table.overall["cost"] == sum(expected)
    with pytest.raises(ValueError, match=r"metric_params\['cost'\]\['amount'\] has 5 values where 300 rows"):
        group_metrics(**data, metrics=cost, metric_params={"cost": {"amount": amount[:5]}})
    with pytest.raises(
        ValueError, match=r"metric_params names 'costs', which is none of the functions: cost"
    ):
        group_metrics(**data, metrics=cost, metric_params={"costs": {}})
    with pytest.raises(ValueError, match="'accuracy', which is none of the functions: cost"):
        group_metrics(**data, metrics=["accuracy", cost], metric_params={"accuracy": {"amount": amount}})
    with pytest.raises(TypeError, match="unexpected keyword argument 'sums'"):
        group_metrics(**data, metrics=cost, metric_params={"cost": {"sums": 1}})


def test_weights_are_never_dropped() -> None:
    data = without(rows(7), "y_score")

    def plain(y_true: Any, y_pred: Any, **options: Any) -> float:
        return float(np.mean(y_true == y_pred))

    with pytest.raises(ValueError, match="'plain' has no parameter sample_weight, so that it would drop"):
        group_metrics(**data, metrics=["accuracy", plain])
    own = group_metrics(
        **without(data, "sample_weight"),
        metrics=skm.accuracy_score,
        metric_params={"accuracy_score": {"sample_weight": data["sample_weight"]}},
    )
    np.testing.assert_allclose(
        own.values["accuracy_score"], group_metrics(**data, metrics="accuracy").rates["accuracy"]
    )
    part = functools.partial(skm.fbeta_score, beta=2)
    np.testing.assert_allclose(
        group_metrics(**data, metrics=part).values["fbeta_score"],
        group_metrics(**data, metrics="f2").rates["f2"],
    )


def test_with_a_positive_label_functions_get_1_and_0() -> None:
    data = rows(8)
    names = np.array(["no", "yes"])
    text = data | {"y_true": names[data["y_true"]], "y_pred": names[data["y_pred"]]}
    functions = {"auc": skm.roc_auc_score, "precision": skm.precision_score, "selected": "selection_rate"}
    ours = group_metrics(**text, metrics=functions, pos_label="yes")
    assert str(ours) == str(group_metrics(**data, metrics=functions))
    other = group_metrics(**text, metrics={"precision": skm.precision_score}, pos_label="no")
    assert other.values["precision"][0] == pytest.approx(
        group_metrics(**without(data, "y_score"), metrics="npv").rates["negative_predictive_value"][0]
    )
    with pytest.raises(ValueError, match="pos_label='maybe' never occurs"):
        group_metrics(**text, metrics=functions, pos_label="maybe")
    with pytest.raises(ValueError, match="pos_label=1 is not a valid label") as caught:
        group_metrics(**without(text, "y_score"), metrics=skm.precision_score)
    assert caught.value.__notes__ == [
        "This was raised by the metric 'precision_score', measured on all rows."
    ]


def test_functions_of_many_classes_and_of_numbers_work_too() -> None:
    rng = np.random.default_rng(9)
    y, p, group = rng.integers(0, 3, 120), rng.integers(0, 3, 120), rng.choice(list("ab"), 120)
    table = group_metrics(
        y, p, metrics=functools.partial(skm.f1_score, average="macro"), sensitive_features=group
    )
    for g, value in zip("ab", table.values["f1_score"], strict=True):
        assert value == pytest.approx(skm.f1_score(y[group == g], p[group == g], average="macro"))
    amounts = rng.normal(size=120)
    table = group_metrics(
        y, amounts, metrics=[skm.mean_absolute_error, skm.r2_score], sensitive_features=group
    )
    assert table.values["r2_score"][1] == pytest.approx(skm.r2_score(y[group == "b"], amounts[group == "b"]))
    assert np.isnan(table.ratio("r2_score"))  # negative
    proba = rng.dirichlet(np.ones(3), 120)
    table = group_metrics(y, y_score=proba, metrics=skm.log_loss, sensitive_features=group)
    assert table.values["log_loss"][0] == pytest.approx(skm.log_loss(y[group == "a"], proba[group == "a"]))


# --- groups that lack a class -------------------------------------------------------------------------


def test_a_function_that_a_group_does_not_have_is_nan_and_the_group_is_named() -> None:
    y, score, group = [0, 1, 0, 1, 1, 1], [0.1, 0.9, 0.8, 0.2, 0.3, 0.4], list("aabbcc")
    with pytest.warns(UserWarning, match=r"roc_auc_score cannot be measured for: c \(.*[Oo]nly one class"):
        table = group_metrics(y, y_score=score, metrics=skm.roc_auc_score, sensitive_features=group)
    np.testing.assert_array_equal(table.values["roc_auc_score"], [1, 0, np.nan])
    assert table.difference("roc_auc_score") == 1
    assert table.lowest("roc_auc_score") == ("b", 0)
    with pytest.warns(UserWarning, match="cannot be measured for: a, b"):
        nothing = group_metrics([0, 0, 1], [0, 1, 0], metrics=uneasy, sensitive_features=["a", "b", "c"])
    assert np.isnan(nothing.difference("uneasy"))
    assert nothing.highest("uneasy") == ("c", 1)
    with pytest.warns(UserWarning, match="cannot be measured for: a, b, c"):
        nobody = group_metrics([0, 0, 1], [0, 1, 0], metrics=never_of_one, sensitive_features=["a", "b", "c"])
    assert nobody.lowest("never_of_one").group is None
    assert "-" in str(nobody)
    assert np.isnan(nobody.ratio("never_of_one"))


def uneasy(y_true: Any, y_pred: Any) -> float:
    if not np.any(y_true):
        raise ValueError("no positives here")
    return 1.0


def never_of_one(y_true: Any, y_pred: Any) -> float:
    return float("nan") if len(y_true) == 1 else 1.0


def test_precision_where_nobody_is_selected_is_not_a_silent_zero() -> None:
    """fairlearn passes on scikit-learn's 0, and its warning names no group."""
    y, p, group = [1, 0, 1, 0], [1, 1, 0, 0], list("aabb")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        frame = fairlearn.MetricFrame(
            metrics=skm.precision_score, y_true=y, y_pred=p, sensitive_features=group
        )
    assert frame.by_group["b"] == 0
    with pytest.warns(UserWarning, match=r"precision_score cannot be measured for: b \(Precision is ill-def"):
        table = group_metrics(y, p, metrics=skm.precision_score, sensitive_features=group)
    np.testing.assert_array_equal(table.values["precision_score"], [0.5, np.nan])
    asked = group_metrics(
        y,
        p,
        metrics=skm.precision_score,
        sensitive_features=group,
        metric_params={"precision_score": {"zero_division": 0}},
    )
    assert asked.values["precision_score"].tolist() == [0.5, 0]


def test_a_group_without_a_class_does_not_leave_it_out_of_a_mean_over_classes() -> None:
    y, p, group = [0, 1, 2, 0, 1, 1], [0, 1, 2, 0, 1, 1], list("aaabbb")
    macro = functools.partial(skm.f1_score, average="macro")
    assert skm.f1_score(y[3:], p[3:], average="macro") == 1  # of two classes, beside one of three
    with pytest.warns(UserWarning, match="f1_score cannot be measured for: b"):
        table = group_metrics(y, p, metrics=macro, sensitive_features=group)
    assert table.values["f1_score"][0] == 1
    options = {"zero_division": 0}
    table = group_metrics(y, p, metrics=macro, sensitive_features=group, metric_params={"f1_score": options})
    assert table.values["f1_score"].tolist() == pytest.approx([1, 2 / 3])
    weighted = functools.partial(skm.f1_score, average="weighted")  # where an absent class weighs nothing
    assert group_metrics(y, p, metrics=weighted, sensitive_features=group).values["f1_score"].tolist() == [
        1,
        1,
    ]


def test_log_loss_knows_all_labels_in_a_group_that_has_one() -> None:
    y, score, group = [0, 1, 1, 1], [0.5, 0.5, 0.5, 0.25], list("aabb")
    table = group_metrics(y, y_score=score, metrics=skm.log_loss, sensitive_features=group)
    assert table.values["log_loss"].tolist() == pytest.approx([np.log(2), (np.log(2) + np.log(4)) / 2])


def test_other_warnings_name_the_group_and_other_errors_bear_a_note() -> None:
    def chatty(y_true: Any, y_pred: Any) -> float:
        if len(y_true) == 3:
            warnings.warn("three are few", RuntimeWarning, stacklevel=2)
        if len(y_true) == 1:
            raise KeyError("one")
        return 0.5

    with pytest.warns(RuntimeWarning, match="chatty warns in group b: three are few"):
        group_metrics([1] * 5, [1] * 5, metrics=chatty, sensitive_features=list("aabbb"))
    with pytest.raises(KeyError) as caught:
        group_metrics(
            [1] * 3, [1] * 3, metrics={"c": lambda y, p: chatty(y[1:], p)}, sensitive_features=[0, 0, 1]
        )
    assert "metric 'c' in group 0" in caught.value.__notes__[0]
    with pytest.warns(RuntimeWarning, match="chatty warns over all rows and in group 0: three are few"):
        group_metrics([1] * 3, [1] * 3, metrics=chatty, sensitive_features=[0] * 3)


# --- the bootstrap ------------------------------------------------------------------------------------


def by_hand(data: dict[str, Any], function: Any, n_resamples: int, seed: int) -> dict[str, Any]:
    """Resample the rows of every group, and all of them together, with loops."""
    rng = np.random.default_rng(seed)
    y, p, group = data["y_true"], data["y_pred"], data["sensitive_features"]
    drawn: dict[str, list[float]] = {name: [] for name in [*np.unique(group).tolist(), "overall"]}
    for _ in range(n_resamples):
        taken = []
        for name in np.unique(group).tolist():
            own = np.flatnonzero(group == name)
            chosen = rng.choice(own, len(own))
            drawn[name].append(function(y[chosen], p[chosen]))
            taken.append(chosen)
        every = np.concatenate(taken)
        drawn["overall"].append(function(y[every], p[every]))
    return {name: np.array(values) for name, values in drawn.items()}


def f1(y_true: Any, y_pred: Any) -> float:
    return float(2 * np.sum(y_true * y_pred) / (np.sum(y_true) + np.sum(y_pred)))


def test_intervals_are_those_of_a_bootstrap_by_hand() -> None:
    data = without(rows(10, n=400), "y_score", "sample_weight")
    table = group_metrics(**data, metrics={"f1": f1}, n_resamples=1500, random_state=0, confidence=0.9)
    drawn = by_hand(data, f1, 1500, seed=1)
    low, high = table.intervals["f1"]
    for g, name in enumerate("abc"):
        expected = np.quantile(drawn[name], [0.05, 0.95])
        assert [low[g], high[g]] == pytest.approx(expected, abs=0.012)
    assert table.overall_intervals["f1"] == pytest.approx(
        np.quantile(drawn["overall"], [0.05, 0.95]), abs=0.008
    )
    gaps = {(g, h): drawn[g] - drawn[h] for g, h in ("ab", "ac", "bc")}
    values = dict(zip("abc", table.values["f1"], strict=True))
    farthest = np.max([abs(d - (values[g] - values[h])) / d.std() for (g, h), d in gaps.items()], axis=0)
    reach = np.quantile(farthest, 0.9)
    ends = {(g, h): abs(values[g] - values[h]) for g, h in gaps}
    highest = max(ends[pair] + reach * gaps[pair].std() for pair in gaps)
    lowest = max(0, *(ends[pair] - reach * gaps[pair].std() for pair in gaps))
    assert table.difference_interval("f1") == pytest.approx((lowest, highest), abs=0.015)
    few, same = (group_metrics(**data, metrics={"f1": f1}, n_resamples=20, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(few.intervals["f1"], same.intervals["f1"])
    assert "90% intervals by 1,500 resamples of every group" in str(table)


def test_intervals_of_the_difference_cover_parity() -> None:
    """Percentiles of max - min of the resamples hold it in almost no data of equal groups."""
    rng = np.random.default_rng(12)
    covered, percentile = 0, 0
    for trial in range(40):
        right, group = rng.random(240) < 0.7, np.repeat(range(4), 60)
        table = group_metrics(
            np.ones(240), right, metrics={"m": mean_of_predictions}, sensitive_features=group,
            n_resamples=100, random_state=trial,
        )  # fmt: skip
        covered += table.difference_interval("m")[0] == 0
        spread = np.ptp(table.replicates["m"], axis=0)
        percentile += np.quantile(spread, 0.025) <= 0
    assert covered >= 36
    assert percentile == 0


def mean_of_predictions(y_true: Any, y_pred: Any) -> float:
    return float(np.mean(y_pred))


def test_a_bootstrap_says_what_it_cannot_know() -> None:
    y = np.array([0, 1] * 20 + [1, 0, 0])
    p = np.array([0, 1, 1, 0] * 10 + [1, 0, 0])
    group = np.array(["big"] * 40 + ["tiny"] * 3)
    auc = {"auc": skm.roc_auc_score}
    with pytest.warns(UserWarning, match="auc") as caught:
        table = group_metrics(
            y, y_score=p, metrics=auc, sensitive_features=group, n_resamples=99, random_state=0
        )
    said = " ".join(str(warning.message) for warning in caught)
    assert "of the resamples of tiny: too few rows to resample" in said
    assert "auc does not vary in the resamples of tiny" in said
    low, high = table.intervals["auc"]
    assert np.isnan([low[1], high[1]]).all()
    assert low[0] < table.values["auc"][0] < high[0]
    assert np.isnan(table.difference_interval("auc")).all()
    with pytest.raises(ValueError, match="There are no intervals: ask group_metrics"):
        group_metrics(y, p, metrics=skm.accuracy_score, sensitive_features=group).difference_interval(
            "accuracy_score"
        )


# --- the result ---------------------------------------------------------------------------------------


def test_the_result_is_a_table_a_frame_and_plain_data() -> None:
    data = without(rows(12, n=60), "y_score", "sample_weight")
    group = pd.Series(data["sensitive_features"])
    table = group_metrics(
        **data | {"sensitive_features": group},
        metrics={"accuracy": skm.accuracy_score, "selected": "selection_rate"},
        n_resamples=20,
        random_state=0,
    )
    frame = table.frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame["group"].tolist() == ["a", "b", "c", "overall"]
    assert frame["accuracy"].tolist() == pytest.approx([*table.values["accuracy"], table.overall["accuracy"]])
    assert {"accuracy_low", "accuracy_high", "selected", "n"} <= set(frame.columns)
    record = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    assert record["values"]["accuracy"] == pytest.approx(table.values["accuracy"].tolist())
    assert "replicates" not in record
    assert record["intervals"]["accuracy"][0] == pytest.approx(table.intervals["accuracy"][0].tolist())
    assert repr(table) == str(table)
    assert "<table>" in table._repr_html_()
    assert str(pickle.loads(pickle.dumps(table))) == str(table)
    lines = table.disparities().frame("polars")
    assert lines["metric"].to_list() == ["accuracy", "selected"]
    assert lines["difference_low"][0] == table.difference_interval("accuracy")[0]
    with pytest.raises(ValueError, match="read-only"):
        table.values["accuracy"][0] = 1
    assert table.few.tolist() == [True, True, True]
    assert "* fewer than 30 rows" in str(table)


def test_tables_of_rates_answer_the_same_questions() -> None:
    data = without(rows(13), "y_score")
    rates = group_metrics(**data, metrics={"tpr": "recall", "sel": "selection_rate"})
    assert isinstance(rates, GroupMetrics)
    assert list(rates.rates) == ["tpr", "sel"]
    values = rates.rates["tpr"]
    assert rates.difference("tpr") == pytest.approx(np.ptp(values))
    assert rates.ratio("tpr") == pytest.approx(values.min() / values.max())
    assert rates.lowest("tpr") == (rates.groups[values.argmin()], values.min())
    assert rates.highest("tpr") == (rates.groups[values.argmax()], values.max())
    with pytest.raises(ValueError, match="'auc' is not in this table, which has: tpr, sel"):
        rates.difference("auc")
    by = group_metrics(**data, metrics="accuracy", strata=data["y_pred"])
    assert by.difference("accuracy").shape == (2,)
    with pytest.raises(ValueError, match="The table has strata"):
        by.lowest("accuracy")


def test_what_cannot_be_asked_is_an_error() -> None:
    y, p, group = [1, 0, 1, 0], [1, 1, 0, 0], list("aabb")
    two = {"sensitive_features": group}
    table = group_metrics(y, p, metrics=skm.accuracy_score, **two)
    for ask, message in (
        (lambda: table.difference("auc"), "'auc' is not in this table, which has: accuracy_score"),
        (lambda: table.difference("accuracy_score", method="to_all"), "method must be one of"),
        (lambda: table.ratio("accuracy_score", method="to_reference"), "needs reference="),
        (lambda: table.ratio("accuracy_score", reference="a"), "names a group for method="),
        (lambda: table.ratio("accuracy_score", method="to_reference", reference="A"), "Did you mean 'a'"),
        (lambda: group_metrics(None, p, metrics=skm.accuracy_score, **two), "y_true is None"),
        (lambda: group_metrics(y, metrics=skm.accuracy_score, **two), "need y_pred or y_score"),
        (lambda: group_metrics(y, metrics="accuracy", **two), "give y_pred"),
        (lambda: group_metrics(y, y_score=p, metrics=["accuracy", skm.roc_auc_score], **two), "give y_pred"),
        (lambda: group_metrics(y, p, y_score=p, **two), "y_score is for functions"),
        (lambda: group_metrics(y, p, n_resamples=9, **two), "n_resamples is for functions"),
        (lambda: group_metrics(y, p, metric_params={}, **two), "metric_params is for functions"),
        (lambda: group_metrics(y, p, metrics=skm.f1_score, strata=y, **two), "further column of"),
        (lambda: group_metrics(y, p, metrics=[skm.f1_score, skm.f1_score], **two), "A dict names them"),
        (lambda: group_metrics(y, p, metrics=skm.f1_score, sensitive_features=[1]), "1 rows where 4"),
        (lambda: group_metrics(y, p[:3], metrics=skm.f1_score, **two), "inconsistent numbers of samples"),
    ):
        with pytest.raises(ValueError, match=message):
            ask()
    with pytest.raises(TypeError, match=r"'confusion_matrix' must return one number; .* shape \(2, 2\)"):
        group_metrics(y, p, metrics=skm.confusion_matrix, **two)
    with pytest.raises(TypeError, match="A metric is the name of a rate, a Rate or a function; got 3"):
        group_metrics(y, p, metrics=[3], **two)  # type: ignore[list-item]
    for value in (None, "0.5", 1j):
        with pytest.raises(TypeError, match=rf"'f' must return one number; it returned {value!r}"):
            group_metrics(y, p, metrics={"f": lambda y, p, value=value: value}, **two)
    for scorer in (skm.make_scorer(skm.f1_score), skm.get_scorer("roc_auc")):
        with pytest.raises(TypeError, match="is a scorer, which is called with an estimator and X"):
            group_metrics(y, p, metrics={"f1": scorer}, **two)


def test_a_type_checker_knows_which_table_comes() -> None:
    def cost(y: Any, p: Any) -> float:
        return float(np.mean(np.asarray(y) != np.asarray(p)))

    y, p, group = [1, 0, 1, 0], [1, 1, 0, 0], list("aabb")
    mixed = group_metrics(y, p, metrics={"accuracy": "accuracy", "cost": cost}, sensitive_features=group)
    assert isinstance(assert_type(mixed, GroupFunctionMetrics), GroupFunctionMetrics)
    listed = group_metrics(y, p, metrics=["accuracy", cost], sensitive_features=group)
    assert isinstance(assert_type(listed, GroupFunctionMetrics), GroupFunctionMetrics)
    named = group_metrics(y, p, metrics={"right": "accuracy"}, sensitive_features=group)
    assert isinstance(assert_type(named, GroupMetrics), GroupMetrics)


def test_numbers_of_other_types_are_numbers() -> None:
    y, p = [1, 0, 1, 0], [1, 1, 0, 0]
    for value in (Decimal("0.5"), Fraction(1, 2), np.float32(0.5), np.array([0.5]), [0.5]):
        table = group_metrics(
            y, p, metrics={"f": lambda y, p, value=value: value}, sensitive_features=list("aabb")
        )
        assert table.values["f"].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("name", ["group", "n", "f1_low", "f1_high", "f1_rows"])
def test_no_metric_takes_the_name_of_another_column(name: str) -> None:
    y, p = [1, 0, 1, 0], [1, 1, 0, 0]
    for metric in ("accuracy", skm.accuracy_score):
        with pytest.raises(ValueError, match="Each column of the table needs a name of its own"):
            group_metrics(y, p, metrics={"f1": "f1", name: metric}, sensitive_features=list("aabb"))
    rates = [Rate("f1", "tp", "n"), Rate(name, "tp", "n")]
    with pytest.raises(ValueError, match="Each column of the table needs a name of its own"):
        GroupMetrics(GroupCounts.from_predictions(y, p, sensitive_features=list("aabb")), rates)


def test_a_dict_names_columns_by_text() -> None:
    with pytest.raises(TypeError, match="names the columns by text; got the name 1"):
        group_metrics(
            [1, 0],
            [1, 0],
            metrics={1: skm.accuracy_score},  # type: ignore[dict-item]
            sensitive_features=list("ab"),
        )


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("confidence", 7, "confidence must lie between 0 and 1"),
        ("confidence", "high", "confidence must lie between 0 and 1"),
        ("n_resamples", -3, "n_resamples must be a whole number, 0 or more; got -3"),
        ("n_resamples", 2.5, "n_resamples must be a whole number, 0 or more; got 2.5"),
    ],
)
def test_options_are_checked_before_anything_is_measured(option: str, value: Any, message: str) -> None:
    def never(y: Any, p: Any) -> float:
        raise AssertionError("measured")

    with pytest.raises(ValueError, match=message):
        group_metrics([1, 0], [1, 0], metrics=never, sensitive_features=list("ab"), **{option: value})


def test_a_random_state_of_any_kind_draws_and_repeats_itself() -> None:
    data = without(rows(0), "y_score", "sample_weight")
    ask = functools.partial(group_metrics, **data, metrics=skm.f1_score, n_resamples=20)
    for make in (int, np.random.default_rng, np.random.RandomState):
        first, again = (ask(random_state=make(3)).replicates["f1_score"] for _ in range(2))
        assert np.array_equal(first, again)
    state = np.random.RandomState(3)  # a state that is used twice goes on
    assert not np.array_equal(*(ask(random_state=state).replicates["f1_score"] for _ in range(2)))


def test_the_record_has_the_disparities_that_are_printed() -> None:
    table = group_metrics(
        [1, 2, 3, 4],
        [1, 2, 4, 6],
        metrics={"mae": skm.mean_absolute_error},
        sensitive_features=list("aabb"),
    )
    # The errors of a are 0 and 0, those of b 1 and 2.
    assert table.to_dict()["disparities"] == {
        "metric": ["mae"],
        "difference": [1.5],
        "ratio": [0.0],
        "lowest": ["a"],
        "highest": ["b"],
    }


def test_rows_that_pandas_has_in_another_order_are_refused() -> None:
    y = pd.Series([1, 0, 1, 0])
    with pytest.raises(ValueError, match="in another order"):
        group_metrics(y, y[::-1], metrics=skm.accuracy_score, sensitive_features=[0, 0, 1, 1])


def test_a_constraint_is_answered_with_its_rates():
    with pytest.raises(TypeError, match=r"'equal_opportunity' is a constraint.*'true_positive_rate' agree"):
        group_metrics([1, 0], [1, 0], sensitive_features=["a", "b"], metrics=CONSTRAINTS["equal_opportunity"])
    with pytest.raises(TypeError, match=r"agrees between groups: Constraint\('recall_of_mine', rate\)"):
        get_constraint(Rate("recall_of_mine", "tp", "tp+fn"))
