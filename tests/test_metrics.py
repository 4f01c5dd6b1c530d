from __future__ import annotations

import inspect
import json
import pickle
from typing import Any

import fairlearn.metrics as fairlearn
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as skm
from toy_data import columns_of

from fairsk import Constraint, Rate, metrics
from fairsk._core.histograms import ScoreHistograms
from fairsk.metrics import (
    GroupCounts,
    GroupMetrics,
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equalized_odds_difference,
    group_metrics,
)
from fairsk.metrics._decisions import named
from fairsk.rates import CONSTRAINTS, RATES, get_constraint
from fairsk.statistics import difference_interval, rate_intervals, ratio_interval

#: Constraints, and the functions of rows that fairlearn needs to compute their disparities.
RATES_OF = {
    "demographic_parity": [fairlearn.selection_rate],
    "equal_opportunity": [fairlearn.true_positive_rate],
    "predictive_equality": [fairlearn.false_positive_rate],
    "equalized_odds": [fairlearn.true_positive_rate, fairlearn.false_positive_rate],
    "false_negative_parity": [fairlearn.false_negative_rate],
    "accuracy_parity": [skm.accuracy_score],
    "predictive_parity": [skm.precision_score],
    "f1_parity": [skm.f1_score],
}
METHODS = ["between_groups", "to_overall"]
#: What the metrics with a name of their own measure.
NAMED = {
    "demographic_parity_difference": ("demographic_parity", "difference"),
    "demographic_parity_ratio": ("demographic_parity", "ratio"),
    "disparate_impact_ratio": ("disparate_impact", "ratio"),
    "equal_opportunity_difference": ("equal_opportunity", "difference"),
    "equal_opportunity_ratio": ("equal_opportunity", "ratio"),
    "equalized_odds_difference": ("equalized_odds", "difference"),
    "equalized_odds_ratio": ("equalized_odds", "ratio"),
    "error_rate_difference": ("error_rate_parity", "difference"),
    "error_rate_ratio": ("error_rate_parity", "ratio"),
    "predictive_equality_difference": ("predictive_equality", "difference"),
    "predictive_equality_ratio": ("predictive_equality", "ratio"),
    "predictive_parity_difference": ("predictive_parity", "difference"),
    "predictive_parity_ratio": ("predictive_parity", "ratio"),
}


def rows(seed: int, n: int = 300, n_groups: int = 4) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    group = rng.integers(0, n_groups, n)
    y = rng.random(n) < 0.3 + 0.1 * group
    p = rng.random(n) < np.where(y, 0.7, 0.3) - 0.05 * group
    names = np.array(["a", "b", "c", "d"])
    return {
        "y_true": y.astype(int),
        "y_pred": p.astype(int),
        "sensitive_features": names[group],
        "sample_weight": rng.random(n) + 0.1,
    }


@pytest.mark.parametrize("name", RATES_OF)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_disparities_equal_fairlearns(name: str, method: Any, weighted: bool, seed: int) -> None:
    data = rows(seed)
    weight = data["sample_weight"] if weighted else np.ones_like(data["sample_weight"])
    frame = fairlearn.MetricFrame(
        metrics={rate.__name__: rate for rate in RATES_OF[name]},
        y_true=data["y_true"],
        y_pred=data["y_pred"],
        sensitive_features=data["sensitive_features"],
        sample_params={rate.__name__: {"sample_weight": weight} for rate in RATES_OF[name]},
    )
    data["sample_weight"] = weight if weighted else None
    difference = metrics.disparity(**data, constraint=name, method=method)
    ratio = metrics.disparity(**data, constraint=name, comparison="ratio", method=method)
    assert difference == pytest.approx(frame.difference(method=method).max())
    assert ratio == pytest.approx(frame.ratio(method=method).min())


@pytest.mark.parametrize(
    "name",
    [
        f"{stem}_{comparison}"
        for stem in ("demographic_parity", "equal_opportunity", "equalized_odds")
        for comparison in ("difference", "ratio")
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_metrics_of_the_same_name_take_fairlearns_arguments(name: str, method: Any) -> None:
    data = rows(5)
    assert getattr(metrics, name)(**data, method=method) == pytest.approx(
        getattr(fairlearn, name)(**data, method=method)
    )


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize(
    "options", [{}, {"method": "to_overall"}, {"method": "to_reference", "reference": "b"}]
)
@pytest.mark.parametrize("stratified", [False, True])
def test_every_named_metric_is_the_disparity_of_its_constraint(
    name: str, options: Any, stratified: bool
) -> None:
    constraint, comparison = NAMED[name]
    data = rows(1)
    if stratified:
        data["strata"] = np.arange(len(data["y_true"])) % 3
    value = getattr(metrics, name)(**data, **options)
    assert value == metrics.disparity(**data, constraint=constraint, comparison=comparison, **options)
    assert 0 < value < 1


def test_the_named_metrics_are_those_that_are_listed() -> None:
    averages = {"average_odds_difference", "average_odds_ratio"}
    assert {*NAMED} | averages == set(named.__all__)
    assert {*NAMED} | averages < set(metrics.__all__)
    assert metrics.__all__[0] == "disparity"
    for name in named.__all__:
        signature = inspect.signature(getattr(metrics, name))
        others = inspect.signature(metrics.demographic_parity_difference)
        assert list(signature.parameters) == list(others.parameters)
        assert all(signature.parameters[p].default == others.parameters[p].default for p in others.parameters)


@pytest.mark.parametrize("comparison", ["difference", "ratio", "worst_group"])
def test_a_constraint_of_ones_own_is_measured_as_by_hand(comparison: Any) -> None:
    data = rows(7)
    own = Constraint("fdr_parity", Rate("false_discovery_rate", "fp", "tp+fp", lower_is_better=True))
    shares = {}
    for group in "abcd":
        these = (data["sensitive_features"] == group) & (data["y_pred"] == 1)
        shares[group] = np.average(1 - data["y_true"][these], weights=data["sample_weight"][these])
    low, high = min(shares.values()), max(shares.values())
    expected = {"difference": high - low, "ratio": low / high, "worst_group": high}[comparison]
    value = metrics.disparity(**data, constraint=own, comparison=comparison)
    assert isinstance(value, float)
    assert value == pytest.approx(expected)
    against_b = max(abs(share - shares["b"]) for share in shares.values())
    assert metrics.disparity(**data, constraint=own, method="to_reference", reference="b") == pytest.approx(
        against_b
    )


def test_a_disparity_of_an_unknown_constraint_suggests_a_known_one() -> None:
    with pytest.raises(ValueError, match="Did you mean 'f1_parity'"):
        metrics.disparity([1, 0], [1, 0], constraint="f1_party", sensitive_features=[0, 1])
    groups: Any = {"sensitive_features": [0, 1]}
    with pytest.raises(ValueError, match="comparison must be one of 'difference', 'ratio', 'worst_group'"):
        metrics.disparity([1, 1], [1, 1], constraint="f1_parity", comparison="gap", **groups)


@pytest.mark.parametrize(
    ("n", "selected", "ratio"),
    [
        ((100, 100), (50, 40), 0.8),
        ((10, 20), (3, 9), 2 / 3),
        ((10, 10, 10), (5, 2, 4), 0.4),
        ((5, 5), (0, 0), 1),
    ],
)
def test_disparate_impact_divides_the_lowest_by_the_highest_selection_rate(
    n: Any, selected: Any, ratio: float
) -> None:
    group = np.repeat(np.arange(len(n)), n)
    p = np.concatenate([np.arange(size) < chosen for size, chosen in zip(n, selected, strict=True)])
    assert metrics.disparate_impact_ratio(None, p, sensitive_features=group) == pytest.approx(ratio)
    for reference in range(len(n)):  # the smaller over the larger rate, so never above 1
        rates = np.array(selected) / np.array(n)
        pairs = [1 if r == s == 0 else min(r, s) / max(r, s) for r in rates for s in [rates[reference]]]
        assert metrics.disparate_impact_ratio(
            None, p, sensitive_features=group, method="to_reference", reference=reference
        ) == pytest.approx(min(pairs))


def test_disparate_impact_is_another_name_of_demographic_parity() -> None:
    for name in ("disparate_impact", "statistical_parity"):
        assert get_constraint(name) is CONSTRAINTS["demographic_parity"]
        with pytest.raises(ValueError, match=r"is a criterion, not a rate: .* 'selection_rate' agree"):
            group_metrics([0, 1], [1, 0], sensitive_features=[0, 1], metrics=name)


@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_of_selection_need_no_labels(weighted: bool) -> None:
    data = rows(8)
    if not weighted:
        del data["sample_weight"]
    bare = data | {"y_true": None}
    strata = {"strata": np.arange(len(data["y_pred"])) % 2}
    for measure in (
        metrics.demographic_parity_difference,
        metrics.demographic_parity_ratio,
        metrics.disparate_impact_ratio,
        lambda **d: metrics.disparity(**d, constraint="demographic_parity", comparison="worst_group"),
        lambda **d: metrics.worst_group(**d, rate="selection_rate").value,
        lambda **d: metrics.best_group(**d, rate="selection_rate").value,
    ):
        assert measure(**bare) == pytest.approx(measure(**data), rel=1e-12)
    for measure in (metrics.demographic_parity_difference, metrics.disparate_impact_ratio):
        assert measure(**bare, **strata) == pytest.approx(measure(**data, **strata), rel=1e-12)
    ours = group_metrics(**bare)
    assert str(ours) == str(group_metrics(**data, metrics="selection_rate"))
    assert str(metrics.conditional_demographic_disparity(**bare, **strata)) == str(
        metrics.conditional_demographic_disparity(**data, **strata)
    )
    assert str(metrics.mantel_haenszel_odds_ratio(**bare, **strata, reference="a")) == str(
        metrics.mantel_haenszel_odds_ratio(**data, **strata, reference="a")
    )


def test_metrics_of_labels_without_labels_are_errors() -> None:
    bare = rows(8) | {"y_true": None}
    selection = ("demographic_parity", "disparate_impact")
    others = [name for name, (constraint, _) in NAMED.items() if constraint not in selection]
    for name in [*others, "average_odds_ratio", "worst_group", "best_group"]:
        with pytest.raises(ValueError, match="depends on the labels"):
            getattr(metrics, name)(**bare)
    with pytest.raises(TypeError, match="needs y_true and y_pred, or benefits="):
        metrics.generalized_entropy(**bare)
    for name in CONSTRAINTS.keys() - {"demographic_parity"}:
        with pytest.raises(ValueError, match="depends on the labels, and there are none"):
            metrics.disparity(**bare, constraint=name)
    with pytest.raises(ValueError, match="accuracy depends on the labels"):
        group_metrics(**bare, metrics=["selection_rate", "accuracy"])
    counts = GroupCounts.from_predictions(**bare)
    for measure in (
        lambda: metrics.GeneralizedEntropy.from_counts(counts),
        lambda: metrics.DifferentialFairness.from_counts(counts, labels=True),
        lambda: GroupMetrics(counts),
    ):
        with pytest.raises(ValueError, match="depends on the labels"):
            measure()


@pytest.mark.parametrize("name", metrics.__all__)
def test_every_public_name_is_documented_and_picklable(name: str) -> None:
    thing = getattr(metrics, name)
    assert thing.__name__ == name
    assert pickle.loads(pickle.dumps(thing)) is thing
    is_result = isinstance(thing, type)
    assert "Parameters\n" in thing.__doc__ or (is_result and "Attributes\n" in thing.__doc__)
    assert is_result or "Examples\n" in thing.__doc__


@given(st.permutations(range(12)), st.permutations(["x", "y", "z"]))
def test_disparities_know_neither_the_order_of_rows_nor_the_names_of_groups(
    order: list[int], names: list[str]
) -> None:
    y, p = np.array([1, 0] * 6), np.array([1, 1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1])
    group = np.repeat([0, 1, 2], 4)
    renamed = np.array(names)[group]
    for metric in (demographic_parity_difference, equalized_odds_difference, demographic_parity_ratio):
        value = metric(y, p, sensitive_features=group)
        assert metric(y[order], p[order], sensitive_features=renamed[order]) == value


def test_a_reference_group_is_compared_with_the_others() -> None:
    data = rows(2)
    rates = group_metrics(**data).rates["selection_rate"]
    value = demographic_parity_difference(**data, method="to_reference", reference="b")
    assert value == pytest.approx(max(abs(rates - rates[1])))


# --- where fairlearn 0.15 goes wrong ------------------------------------------------------------------


def test_a_group_without_positives_has_no_true_positive_rate() -> None:
    """fairlearn takes it for a rate of 0, so that the difference is 1."""
    y, p, group = [1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 1, 0], list("aabbcc")
    assert fairlearn.equal_opportunity_difference(y, p, sensitive_features=group) == 1
    with pytest.warns(UserWarning, match="true_positive_rate cannot be measured for: c"):
        assert equal_opportunity_difference(y, p, sensitive_features=group) == 0.5


def test_an_attribute_called_y_true_does_not_replace_the_labels() -> None:
    """In fairlearn it does."""
    y, p = [1, 0, 1, 0], [1, 0, 0, 0]
    for name in ("y_true", "y_pred", "tp", "n", "group"):
        group = pd.DataFrame({name: [0, 0, 1, 1]})
        assert metrics.error_rate_difference(y, p, sensitive_features=group) == 0.5


def test_text_labels_are_never_a_silent_parity() -> None:
    """fairlearn reports a difference of 0 for any labels other than 0 and 1."""
    y, p, group = ["no", "yes"] * 4, ["yes"] * 4 + ["no"] * 4, list("aaaabbbb")
    assert fairlearn.demographic_parity_difference(y, p, sensitive_features=group) == 0
    with pytest.raises(ValueError, match="name the positive one with pos_label"):
        demographic_parity_difference(y, p, sensitive_features=group)
    assert demographic_parity_difference(y, p, sensitive_features=group, pos_label="yes") == 1


def test_many_classes_are_never_a_silent_parity() -> None:
    y, p, group = [2, 3, 2, 4], [2, 2, 3, 3], list("aabb")
    assert fairlearn.demographic_parity_difference(y, p, sensitive_features=group) == 0
    with pytest.raises(ValueError, match="name the positive one with pos_label"):
        demographic_parity_difference(y, p, sensitive_features=group)
    assert demographic_parity_difference(y, p, sensitive_features=group, pos_label=3) == 1


def test_an_impact_ratio_without_positives_is_a_ratio() -> None:
    """jurity's disparate impact returns a count when a group has no positives."""
    y, group = [1, 1, 1, 0, 0], list("aaabb")
    assert demographic_parity_ratio(y, y, sensitive_features=group) == 0


# --- the table ----------------------------------------------------------------------------------------


def test_the_table_holds_each_groups_rates_and_the_overall_ones() -> None:
    data = rows(3)
    table = group_metrics(**data, metrics=RATES)
    assert table.groups == ("a", "b", "c", "d")
    y, p, weight = data["y_true"], data["y_pred"], data["sample_weight"]
    for i, group in enumerate(table.groups):
        these = data["sensitive_features"] == group
        assert table.n[i] == pytest.approx(weight[these].sum())
        assert table.rates["accuracy"][i] == pytest.approx(
            np.average(y[these] == p[these], weights=weight[these])
        )
        assert table.rates["selection_rate"][i] == pytest.approx(np.average(p[these], weights=weight[these]))
    assert table.overall["n"] == pytest.approx(weight.sum())
    assert table.overall["error_rate"] == pytest.approx(np.average(y != p, weights=weight))
    assert list(table.rates) == list(RATES)


def test_the_table_takes_one_rate_or_ones_own() -> None:
    data = rows(3)
    own = Rate("wrongly_selected", "fp", "n")
    assert list(group_metrics(**data, metrics="accuracy").rates) == ["accuracy"]
    assert list(group_metrics(**data, metrics=own).rates) == ["wrongly_selected"]
    with pytest.raises(ValueError, match="Did you mean 'accuracy'"):
        group_metrics(**data, metrics=["acuracy"])
    for clash in ([own, Rate("wrongly_selected", "fp", "fp+tn")], [Rate("n", "tp", "n")]):
        with pytest.raises(ValueError, match="needs a name of its own"):
            group_metrics(**data, metrics=clash)


def test_the_table_prints_sizes_rates_and_what_is_not_defined() -> None:
    y, p, groups = [0, 0, 1, 1, 0], [1, 0, 1, 1, 0], [("a", 1)] * 2 + [("b", 2)] * 2 + [("c", 3)]
    rates = ["true_positive_rate", "error_rate"]
    with pytest.warns(UserWarning, match="true_positive_rate cannot be measured for: a & 1, c & 3"):
        table = group_metrics(
            y, p, sensitive_features=groups, metrics=rates, confidence=None, min_group_size=2
        )
    assert str(table).splitlines() == [
        "group    n  true_positive_rate  error_rate",
        "------------------------------------------",
        "a & 1    2                   -      0.500",
        "b & 2    2               1.000      0.000",
        "c & 3    1                   -      0.000*",
        "overall  5               1.000      0.200",
        "* measured on fewer than 2 rows",
        "",
        "rate                difference  ratio  lowest  highest",
        "------------------------------------------------------",
        "true_positive_rate           -      -  -       -",
        "error_rate               0.500  0.000  b & 2   a & 1",
    ]
    weighted = group_metrics(y, p, sensitive_features=groups, metrics=[], sample_weight=[0.25, 1, 1, 1, 1])
    assert str(weighted).splitlines()[2] == "a & 1    1.2"


def test_rates_come_with_wilson_and_disparities_with_simultaneous_intervals() -> None:
    data = rows(4)
    table = group_metrics(**data, confidence=0.9)
    counts = metrics.GroupCounts.from_predictions(**data)
    for name, values in table.rates.items():
        low, high = rate_intervals(counts, name, 0.9)
        frame = table.frame("polars")
        assert frame[f"{name}_low"].to_list()[:-1] == low.tolist()
        assert frame[f"{name}_high"].to_list()[:-1] == high.tolist()
        whole = rate_intervals(counts.overall(), name, 0.9)
        assert (frame[f"{name}_low"][-1], frame[f"{name}_high"][-1]) == (whole[0][0], whole[1][0])
        assert (low <= values).all()
        assert (values <= high).all()
    for line in table.disparities().frame("polars").iter_rows(named=True):
        one = Constraint("one", line["rate"])
        assert line["difference"] == counts.compare(one)
        assert (line["difference_low"], line["difference_high"]) == difference_interval(counts, one, 0.9)
        assert line["ratio"] == counts.compare(one, "ratio")
        assert (line["ratio_low"], line["ratio_high"]) == ratio_interval(counts, one, 0.9)
        values = dict(zip(counts.groups, counts.rate(line["rate"]), strict=True))
        assert values[line["lowest"]] == min(values.values())
        assert values[line["highest"]] == max(values.values())


def test_a_rate_that_can_be_negative_has_no_ratio() -> None:
    net = Rate("net", "tp-fp", "n")
    table = group_metrics(**rows(4), metrics=net)
    assert np.isnan(table.disparities().columns["ratio"]).all()
    assert table.disparities().columns["difference"][0] > 0


def test_strata_break_the_table_down() -> None:
    data = rows(6)
    stratum = np.random.default_rng(60).choice(["s", "t"], len(data["y_true"]))
    table = group_metrics(**data, strata=stratum, metrics="accuracy")
    frame = table.frame("polars")
    assert frame["stratum"].to_list() == ["s"] * 5 + ["t"] * 5
    for label in ("s", "t"):
        inside = {key: values[stratum == label] for key, values in data.items()}
        alone = group_metrics(**inside, metrics="accuracy")
        ours = frame.filter(pl.col("stratum") == label).drop("stratum")
        for name, column in columns_of(alone).items():
            if name == "group":
                assert ours[name].to_list() == column
            else:
                np.testing.assert_allclose(ours[name], column)
        differences = table.disparities().frame("polars").filter(pl.col("stratum") == label)
        assert differences.drop("stratum").to_dicts() == alone.disparities().frame("polars").to_dicts()


def test_few_rows_are_marked_by_their_effective_number() -> None:
    y = np.ones(40, dtype=int)
    weight = np.where(np.arange(40) < 20, 1.0, 0.01)
    table = group_metrics(y, y, sensitive_features=["a"] * 40, metrics="recall", sample_weight=weight)
    assert table.few["true_positive_rate"].tolist() == [True]
    assert "measured on fewer than 30 rows" in str(table)
    assert not group_metrics(y, y, sensitive_features=["a"] * 40, metrics="f1").few["f1"].any()
    assert group_metrics(y[:29], y[:29], sensitive_features=["a"] * 29, metrics="f1").few["f1"].all()
    wrong = GroupCounts(["a"], {"tp": [0], "fp": [40], "fn": [0], "tn": [0]})
    worth = Rate("worth", "2*tp+fp", "3*tp+2*fp")  # its denominator counts rows more than once
    assert not GroupMetrics(wrong, ["f1", worth]).few["f1"].any()
    assert not GroupMetrics(wrong, worth).few["worth"].any()


def test_confidence_is_written_as_it_is() -> None:
    data = rows(5)
    for confidence, told in ((0.995, "99.5%"), (0.57, "57%")):
        assert f"{told} intervals" in str(group_metrics(**data, metrics="accuracy", confidence=confidence))


def test_the_frame_says_on_how_many_rows_a_rate_is_measured() -> None:
    table = group_metrics([1, 1, 0, 0], [1, 0, 0, 0], sensitive_features=["a", "a", "a", "b"], metrics="fpr")
    assert table.frame("polars")["false_positive_rate_rows"].to_list() == [1, 1, 2]


def test_a_group_called_overall_is_not_mistaken_for_all_rows() -> None:
    table = group_metrics([1, 0, 1], [1, 0, 1], sensitive_features=["overall", "a", "a"], metrics="accuracy")
    assert columns_of(table)["group"] == ["a", "overall", "all rows"]


SHUFFLED = [
    lambda y, p, s: demographic_parity_difference(y, p, sensitive_features=s),
    lambda y, p, s: group_metrics(y, p, sensitive_features=s),
    lambda y, p, s: metrics.generalized_entropy(y, p, sensitive_features=s, alpha=1),
    lambda y, p, s: metrics.generalized_entropy(benefits=p, sensitive_features=s, sample_weight=y),
    lambda y, p, s: metrics.differential_fairness(y, p, sensitive_features=s),
    lambda y, p, s: metrics.multiclass_disparity(y, p, sensitive_features=s),
    lambda y, p, s: metrics.regression_metrics(y, p, sensitive_features=s),
    lambda y, p, s: metrics.score_metrics(y, p, sensitive_features=s),
    lambda y, p, s: metrics.auc_difference(y, p, sensitive_features=s),
    lambda y, p, s: metrics.ks_distance(p, sensitive_features=s, sample_weight=y),
    lambda y, p, s: GroupCounts.from_probabilities(y, p, sensitive_features=s),
    lambda y, p, s: ScoreHistograms.from_scores(y, p, sensitive_features=s),
    lambda y, p, s: metrics.conditional_demographic_disparity(y, p, sensitive_features=[0, 1] * 20, strata=s),
    lambda y, p, s: (
        metrics.consistency(pd.DataFrame({"y": y}), p) + metrics.consistency(pd.DataFrame({"s": s}), p)
    ),
]


@pytest.mark.parametrize("metric", SHUFFLED)
def test_rows_that_pandas_has_in_another_order_are_refused(metric: Any) -> None:
    """fairlearn matches them by position."""
    rng = np.random.default_rng(0)
    index = rng.permutation(40)
    data = [pd.Series(rng.integers(0, 2, 40), index=index) for _ in range(3)]
    metric(*data)
    for i in range(3):
        shuffled = [part.sort_index() if i == j else part for j, part in enumerate(data)]
        with pytest.raises(ValueError, match="in another order, but values are matched to rows by position"):
            metric(*shuffled)
    metric(*(part.to_numpy() for part in data))


def test_functions_take_values_and_say_so() -> None:
    with pytest.raises(TypeError, match="sensitive_features takes values, one per row"):
        group_metrics([0, 1], [1, 0], sensitive_features="sex")
    with pytest.raises(TypeError, match="strata takes values, one per row"):
        group_metrics([0, 1], [1, 0], sensitive_features=[0, 1], strata="department")
    with pytest.raises(ValueError, match="strata has 1 rows where 2 are expected"):
        group_metrics([0, 1], [1, 0], sensitive_features=[0, 1], strata=[0])
    with pytest.raises(ValueError, match=r"'equalized_odds' is a criterion, not a rate: .* and 'false_pos"):
        group_metrics([0, 1], [1, 0], sensitive_features=[0, 1], metrics="equalized_odds")
    with pytest.raises(ValueError, match=r"Did you mean \('a', 1\)\?"):
        demographic_parity_difference(
            [0, 1], [1, 0], sensitive_features=[("a", 1), ("b", 2)], method="to_reference", reference="a & 1"
        )
    with pytest.raises(ValueError, match="y_score must hold a number per row"):
        metrics.score_metrics(["x", "y"], ["x", "y"], sensitive_features=[0, 1], pos_label="x")


@pytest.mark.parametrize(
    "metric", [demographic_parity_difference, group_metrics, metrics.differential_fairness]
)
def test_a_label_that_is_misspelt_is_no_other_label(metric: Any) -> None:
    """The test rows of Adult, as published, have ">50K." where those for training have ">50K"."""
    y, groups = ["<=50K", ">50K", "<=50K", ">50K"], ["a", "a", "b", "b"]
    positive = {} if metric is metrics.differential_fairness else {"pos_label": ">50K"}
    for wrong in (">50K.", " >50K", "50K"):
        predicted = [label if label == "<=50K" else wrong for label in y]
        with pytest.raises(
            ValueError, match=r"y_pred holds .*which y_true does not have|written in two ways"
        ):
            metric(y, predicted, sensitive_features=groups, **positive)
    with pytest.raises(ValueError, match=r"'>50K' and '>50K\.' look like one, written in two ways"):
        metric([*y, ">50K."], [*y, ">50K"], sensitive_features=[*groups, "a"], **positive)


def test_weighted_tables_say_so_and_long_lists_are_cut() -> None:
    y = [1, 0] * 20
    groups = [0, 0, 1, 1] * 10
    assert "sums of weights" in str(group_metrics(y, y, sensitive_features=groups, sample_weight=[2.0] * 40))
    assert "sums of weights" not in str(group_metrics(y, y, sensitive_features=groups))
    with pytest.warns(UserWarning, match="a24, a25, a26 and 10 more"):
        group_metrics(
            [1] * 30 + [0] * 30, [1] * 60, sensitive_features=[f"a{i % 60}" for i in range(60)], metrics="fpr"
        )
    with pytest.raises(ValueError, match=r"pass the columns: X\[\['race', 'sex'\]\]"):
        group_metrics(y, y, sensitive_features=["race", "sex"])
    with pytest.raises(ValueError, match="sample_weight must hold a number per row"):
        group_metrics(y, y, sensitive_features=y, sample_weight="weight")


def test_counts_show_their_cells() -> None:
    counts = GroupCounts.from_predictions([1, 0], [1, 1], sensitive_features=["a", "<b>"], strata=["s", "t"])
    assert str(counts).splitlines()[0].split() == ["stratum", "group", "tp", "fp", "fn", "tn"]
    assert counts.frame("polars")["tp"].to_list() == [0, 1, 0, 0]
    assert "<b>" not in counts._repr_html_()


def test_a_frame_comes_in_the_library_of_the_data() -> None:
    y, groups = [1, 0, 1, 0], {"sex": ["a", "b", "b", "a"]}
    for kind in (pd.DataFrame, pl.DataFrame, pa.table):
        frame = kind(groups)
        made = group_metrics(y, y, sensitive_features=frame).frame()
        assert isinstance(made, type(frame))
    assert isinstance(group_metrics(y, y, sensitive_features=pl.Series(groups["sex"])).frame(), pl.DataFrame)
    assert isinstance(group_metrics(pl.Series(y), y, sensitive_features=groups["sex"]).frame(), pl.DataFrame)
    with pytest.raises(ValueError, match="backend must be one of"):
        group_metrics(y, y, sensitive_features=groups["sex"]).frame("excel")  # type: ignore[arg-type]


HOSTILE = "<script>alert('x')</script> & \x1b[31m\n\u202e"


def test_names_of_groups_and_rates_cannot_break_out_of_the_page_or_terminal() -> None:
    y, p, groups = [1, 0, 1, 0], [1, 1, 0, 0], [HOSTILE, HOSTILE, "b", "b"]
    table = group_metrics(y, p, sensitive_features=groups, metrics=Rate(HOSTILE + "%", "tp", "n"))
    page = table._repr_html_()
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; ") == 4
    for shown in (page, str(table)):
        assert not {"\x1b", "\u202e"} & set(shown)
    assert len(str(table).splitlines()) == 11
    assert page.count("<tr>") == 6
    assert columns_of(table)["group"][0] == HOSTILE  # the data are as they were given


@pytest.mark.parametrize(
    ("backend", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("pyarrow", pa.Table)]
)
def test_the_table_becomes_a_frame_of_any_library(backend: Any, kind: type) -> None:
    with pytest.warns(UserWarning, match="true_positive_rate cannot be measured for: 1"):
        table = group_metrics(
            [0, 0, 1, 1],
            [1, 0, 1, 1],
            sensitive_features=[1, 1, 2, 2],
            metrics=["selection_rate", "true_positive_rate"],
        )
    frame = table.frame(backend)
    assert isinstance(frame, kind)
    assert list(frame.column_names if backend == "pyarrow" else frame.columns) == list(columns_of(table))
    assert np.asarray(frame["group"]).tolist() == ["1", "2", "overall"]
    np.testing.assert_array_equal(np.asarray(frame["true_positive_rate"]), [np.nan, 1, 1])


def test_the_table_is_plain_data() -> None:
    table = group_metrics([1, 0, 1, 0], [1, 0, 1, 1], sensitive_features=["a", "a", "b", "b"])
    record = table.to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["rates"]["selection_rate"] == [0.5, 1.0]
    assert record["disparities"]["difference"][0] == 0.5
    assert record["counts"]["cells"]["tp"] == [1, 1]
    assert record["measured_rates"][0] == "selection_rate"
    assert repr(table) == str(table)
    assert pickle.loads(pickle.dumps(table)).to_dict() == table.to_dict()
