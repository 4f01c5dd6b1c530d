"""Thresholds from counts alone: those of the rows where bins are fine; an honest bound where they are not."""

from __future__ import annotations

import datetime
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.frozen import FrozenEstimator
from toy_data import ScoreColumn

from fairsk import Constraint, GroupThresholdOptimizer, Rate
from fairsk.metrics import GroupCounts, ScoreHistograms
from fairsk.rates import CONSTRAINTS, RATES
from fairsk.thresholds import thresholds_from_histograms


def make_rows(seed, n=2000, n_groups=3):
    rng = np.random.default_rng(seed)
    group = rng.integers(0, n_groups, n)
    score = rng.beta(2 + 0.7 * group, 3)
    return score, (rng.random(n) < score).astype(int), np.array(list("abcde"))[group]


def fit_rows(score, label, group, **params):
    X = score.reshape(-1, 1)
    model = GroupThresholdOptimizer(FrozenEstimator(ScoreColumn().fit(X, label)), **params)
    return model.fit(X, label, sensitive_features=group)


def histograms(score, label, group, n_bins, **given):
    edges = np.quantile(score, np.linspace(0, 1, n_bins + 1)[1:-1])
    return ScoreHistograms.from_scores(label, score, sensitive_features=group, edges=edges, **given)


@pytest.mark.parametrize("policy", ["threshold", "randomized"])
@pytest.mark.parametrize("constraint", ["demographic_parity", "equalized_odds"])
def test_an_edge_between_every_two_scores_gives_the_same_as_the_rows(constraint, policy):
    score, label, group = make_rows(0, n=600)
    levels = np.unique(score)
    table = ScoreHistograms.from_scores(
        label, score, sensitive_features=group, edges=(levels[1:] + levels[:-1]) / 2
    )
    params = {"constraint": constraint, "max_difference": 0.03, "policy": policy}
    found, rows = thresholds_from_histograms(table, **params), fit_rows(score, label, group, **params)
    assert found.report.value == pytest.approx(rows.report_.value)
    assert found.report.disparity == pytest.approx(rows.report_.disparity)
    assert found.overall_threshold == pytest.approx(rows.overall_threshold_)


@pytest.mark.parametrize("seed", range(24))
def test_the_bound_on_the_loss_holds_and_is_of_use(seed):
    """Against the optimum on the rows, for differences, ratios, several rates and objectives."""
    score, label, group = make_rows(seed)
    rules = [
        {"constraint": "demographic_parity", "max_difference": 0.02},
        {"constraint": "equal_opportunity", "min_ratio": 0.9},
        {"constraint": "equalized_odds", "max_difference": 0.05},
        {"constraint": "predictive_parity", "max_difference": 0.05},
        {"constraint": "demographic_parity", "max_difference": 0.05, "objective": "f1"},
        {"constraint": "error_rate_parity", "max_difference": 0.03, "capacity": 0.3},
    ]
    params = rules[seed % len(rules)] | {"policy": "threshold"}
    n_bins = [30, 120][seed % 2]
    table = histograms(score, label, group, n_bins)
    report = thresholds_from_histograms(table, **params).report
    best = fit_rows(score, label, group, **params).report_.value
    assert report.value <= best + 1e-12
    assert best <= report.value + report.binning_loss + 1e-9
    assert report.binning_loss < 4 / n_bins
    assert "between the edges at most" in str(report)


def test_more_bins_lose_less():
    score, label, group = make_rows(1, n=20_000)
    losses = [
        thresholds_from_histograms(
            histograms(score, label, group, n), max_difference=0.02
        ).report.binning_loss
        for n in (20, 100, 500, 2000)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.002


def test_the_result_prints_its_report_and_is_a_record():
    score, label, group = make_rows(2)
    found = thresholds_from_histograms(histograms(score, label, group, 100), max_difference=0.02)
    assert repr(found) == str(found.report)
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert record["overall_threshold"] == found.overall_threshold
    assert record["report"]["measured_on"] == "held out"
    assert record["report"]["binning_loss"] == found.report.binning_loss
    assert record["thresholds"] == dict(found.thresholds)


def test_the_thresholds_do_to_the_rows_what_the_report_says():
    score, label, group = make_rows(2)
    found = thresholds_from_histograms(histograms(score, label, group, 100), max_difference=0.02)
    selected = score >= np.array([found.thresholds[g] for g in group])
    counts = GroupCounts.from_predictions(label, selected.astype(int), sensitive_features=group)
    assert counts == found.report.counts
    assert counts.compare("demographic_parity") == pytest.approx(found.report.disparity)


def test_tables_of_shards_add_up_to_that_of_all_rows():
    score, label, group = make_rows(3)
    edges = np.linspace(0, 1, 51)[1:-1]
    weights = np.random.default_rng(0).random(len(score))

    def table(rows):
        return ScoreHistograms.from_scores(
            label[rows], score[rows], sensitive_features=group[rows], edges=edges, sample_weight=weights[rows]
        )

    parts = [table(group != "c"), table(group == "c")]
    whole = table(slice(None))
    total = sum(parts)
    assert total.groups == whole.groups
    np.testing.assert_allclose(total.positives, whole.positives)
    np.testing.assert_allclose(total.negatives, whole.negatives)


def test_bins_are_those_of_digitize():
    score = np.array([0.1, 0.5, 0.50001, 0.9, 0.2])
    table = ScoreHistograms.from_scores(
        [1, 1, 0, 1, 0], score, sensitive_features=["a"] * 5, edges=[0.2, 0.5]
    )
    expected = np.bincount(np.digitize(score, [0.2, 0.5]), minlength=3)
    np.testing.assert_array_equal((table.positives + table.negatives)[0], expected)


def test_equal_bins_are_those_of_digitize_and_end_with_one():
    score = np.append(np.random.default_rng(0).random(1000), [0, 0.25, np.nextafter(0.25, 0), 1, 0.75])
    label = np.arange(len(score)) % 2
    table = ScoreHistograms.from_scores(label, score, sensitive_features=["a"] * len(score), bins=16)
    edges = np.arange(1, 16) / 16
    np.testing.assert_array_equal(table.edges, edges)
    given = ScoreHistograms.from_scores(label, score, sensitive_features=["a"] * len(score), edges=edges)
    assert table == given
    counted = np.bincount(np.digitize(score, edges), minlength=16)
    np.testing.assert_array_equal((table.positives + table.negatives)[0], counted)
    assert ScoreHistograms.from_scores(label, score, sensitive_features=label).positives.shape == (2, 1024)


@pytest.mark.parametrize("bins", [0, 1, 3, 1000, -2, 16.0, "many"])
def test_bins_are_a_power_of_two(bins):
    with pytest.raises(ValueError, match=r"bins must be a power of two, such as 1024, got"):
        ScoreHistograms.from_scores([0, 1], [0.1, 0.2], sensitive_features=["a", "b"], bins=bins)


def test_equal_bins_take_scores_from_zero_to_one():
    with pytest.raises(ValueError, match="not from 0 to 1 in 2 of 3 rows"):
        ScoreHistograms.from_scores([0, 1, 1], [-0.1, 0.2, 1.01], sensitive_features=["a"] * 3)


def make_table(seed, n=500, **given):
    score, label, group = make_rows(seed, n)
    weights = np.random.default_rng(seed).integers(0, 4, n)
    table = ScoreHistograms.from_scores(
        label, score, sensitive_features=group, bins=32, sample_weight=weights, **given
    )
    return table, (score, label, group, weights)


def test_squares_and_score_sums_are_those_of_the_rows():
    table, (score, label, group, weights) = make_table(0)
    place = np.minimum((score * 32).astype(int), 31)
    for i, name in enumerate(table.groups):
        for b in range(32):
            rows = (group == name) & (place == b)
            assert table.positives[i, b] == weights[rows & (label == 1)].sum()
            assert table.squares["positives"][i, b] == (weights[rows & (label == 1)] ** 2).sum()
            assert table.squares["negatives"][i, b] == (weights[rows & (label == 0)] ** 2).sum()
            assert table.score_sums[i, b] == pytest.approx((weights * score)[rows].sum())
    plain = ScoreHistograms(["a"], [0.5], [[1, 2]], [[3, 4]])
    assert plain.squares["negatives"].tolist() == [[3, 4]]
    assert plain.score_sums is None


def test_weights_count_as_so_many_rows():
    table, (score, label, group, weights) = make_table(1)
    score, label, group = (np.repeat(values, weights) for values in (score, label, group))
    repeated = ScoreHistograms.from_scores(label, score, sensitive_features=group, bins=32)
    np.testing.assert_array_equal(table.positives, repeated.positives)
    np.testing.assert_array_equal(table.negatives, repeated.negatives)
    np.testing.assert_allclose(table.score_sums, repeated.score_sums)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=60, max_size=60), st.permutations(range(60)))
def test_tables_add_up_in_any_order_to_the_table_of_all_rows(shards, order):
    score, label, group = make_rows(7, n=60)
    score = np.round(score * 64) / 64  # sums of these are exact
    shards, order = np.array(shards), np.array(order)

    def table(rows):
        return ScoreHistograms.from_scores(label[rows], score[rows], sensitive_features=group[rows], bins=16)

    parts = [table(shards == shard) for shard in np.unique(shards)]
    whole = table(order)
    assert sum(parts) == sum(reversed(parts)) == whole
    assert parts[0] + sum(parts[1:]) == whole if len(parts) > 1 else True
    renamed = ScoreHistograms.from_scores(
        label, score, sensitive_features=np.char.add("group ", group), bins=16
    )
    np.testing.assert_array_equal(renamed.positives, whole.positives)
    np.testing.assert_array_equal(renamed.score_sums, whole.score_sums)


def test_squares_add_up_and_score_sums_that_one_table_lacks_are_not_known():
    one, two = make_table(2)[0], make_table(3)[0]
    total = one + two
    np.testing.assert_allclose(
        total.squares["positives"], one.squares["positives"] + two.squares["positives"]
    )
    np.testing.assert_allclose(total.score_sums, one.score_sums + two.score_sums)
    without = ScoreHistograms(two.groups, two.edges, two.positives, two.negatives, names=two.names)
    assert (one + without).score_sums is None
    assert one != without
    assert one != "a table"


def test_a_day_with_one_label_alone_adds_up_but_has_no_thresholds():
    day = ScoreHistograms.from_scores([0, 0], [0.2, 0.7], sensitive_features=["a", "b"], bins=4)
    assert (day + day).negatives.sum() == 4
    with pytest.raises(ValueError, match="one class"):
        thresholds_from_histograms(day)


def test_a_table_survives_json_and_pickle():
    for table in (make_table(4)[0], ScoreHistograms([("a", 1), ("b", 2)], [0.5], [[1, 2]] * 2, [[3, 4]] * 2)):
        read = ScoreHistograms.from_state(json.loads(json.dumps(table.to_state(), allow_nan=False)))
        assert read == table
        assert read.groups == table.groups
        assert pickle.loads(pickle.dumps(table)) == table


def test_tables_of_groups_that_do_not_fit_into_json_can_be_compared():
    groups = [datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)]
    table = ScoreHistograms.from_scores([1, 0], [0.2, 0.7], sensitive_features=groups, bins=4)
    nothing = np.zeros((2, 4))
    assert table == table + ScoreHistograms(groups, table.edges, nothing, nothing, score_sums=nothing)
    assert table != table + table
    assert table != ScoreHistograms(groups, table.edges, table.positives, table.negatives)


def test_arrays_that_change_later_do_not_change_a_table():
    counts, edges = np.ones((2, 2)), np.array([0.5])
    table = ScoreHistograms(["a", "b"], edges, counts, counts, score_sums=counts)
    counts[:], edges[:] = 9, 0.1
    assert table == ScoreHistograms(["a", "b"], [0.5], *np.ones((2, 2, 2)), score_sums=np.ones((2, 2)))


def test_rows_that_weigh_alike_are_no_more_rows_than_without_weights():
    score, label, group = make_rows(3, 300)
    group[:20] = "d"
    found = []
    for weights in (None, np.full(300, 7.0)):
        table = histograms(score, label, group, 20, sample_weight=weights)
        with pytest.warns(UserWarning, match=r"Fewer than min_group_size=60 rows to measure in: d \(20 "):
            found.append(thresholds_from_histograms(table, max_difference=0.1, min_group_size=60))
    one, seven = found
    assert seven.thresholds == one.thresholds
    assert seven.report.interval == pytest.approx(one.report.interval)


@pytest.mark.parametrize("threshold", [1 / 32, 0.5, 31 / 32, -np.inf, np.inf])
def test_counts_at_an_edge_are_those_of_the_rows(threshold):
    table, (score, label, group, weights) = make_table(5)
    expected = GroupCounts.from_predictions(
        label, score >= threshold, sensitive_features=group, sample_weight=weights
    )
    assert table.counts_at(threshold) == expected


def test_every_group_may_have_its_own_threshold():
    table, (score, label, group, weights) = make_table(6)
    own = {name: (i + 8) / 32 for i, name in enumerate(table.groups)}
    expected = GroupCounts.from_predictions(
        label, score >= np.array([own[g] for g in group]), sensitive_features=group, sample_weight=weights
    )
    assert table.counts_at(own) == expected
    found = thresholds_from_histograms(table, max_difference=0.05, policy="threshold")
    assert table.counts_at(found.thresholds).compare("demographic_parity") == pytest.approx(
        found.report.disparity
    )
    with pytest.raises(ValueError, match=r"there is none for \['b', 'c'\]"):
        table.counts_at({"a": 0.5})


@pytest.mark.parametrize(
    ("threshold", "nearest"),
    [(0.3, "0.25 and 0.5"), (0.0, "0.25 and 0.5"), (0.9, "0.5 and 0.75"), (np.nan, "0.5 and 0.75")],
)
def test_a_threshold_between_edges_is_refused_with_its_neighbours(threshold, nearest):
    table = ScoreHistograms(["a"], [0.25, 0.5, 0.75], [[1, 2, 3, 4]], [[4, 3, 2, 1]])
    with pytest.raises(ValueError, match=f"is not an edge.* The nearest edges are {nearest}"):
        table.counts_at(threshold)
    with pytest.raises(ValueError, match=r"The nearest edges are 0\.5\."):
        ScoreHistograms(["a"], [0.5], [[1, 2]], [[4, 3]]).counts_at(threshold)


def test_levelling_up_takes_edges_only():
    score, label, group = make_rows(4)
    found = thresholds_from_histograms(
        histograms(score, label, group, 50), max_difference=0.02, level_up=0.4, policy="threshold"
    )
    assert all(threshold <= 0.4 for threshold in found.thresholds.values())
    assert found.report.binning_loss >= 0


def test_where_no_bound_on_the_loss_is_known_it_is_none():
    score, label, group = make_rows(5)
    table = histograms(score, label, group, 40)
    free = thresholds_from_histograms(
        table, max_difference=0.1, objective=lambda cells: cells["tp"] - cells["fp"]
    )
    assert free.report.binning_loss is None
    odds = Constraint("odds", [Rate("odds", "2*fn", "fp")])  # not within 0 and 1
    assert thresholds_from_histograms(table, constraint=odds, max_difference=5.0).report.binning_loss is None
    assert "treatment_equality" in CONSTRAINTS
    assert "precision" in RATES


@pytest.mark.parametrize(
    ("edges", "positives", "message"),
    [
        ([0.5, 0.4], [[1, 2, 3]], "rising scores"),
        ([], [[1]], "rising scores"),
        ([np.nan], [[1, 2]], "rising scores"),
        ([0.5], [[1, 2, 3]], "one bin more than edges"),
        ([0.5], [[1, -2]], "not negative"),
        ([0.5], [[1, np.inf]], "finite"),
    ],
)
def test_tables_that_cannot_be_are_refused(edges, positives, message):
    with pytest.raises(ValueError, match=message):
        ScoreHistograms(["a"], edges, positives, np.abs(np.nan_to_num(positives, posinf=1.0)))


def test_other_bad_input_is_refused():
    with pytest.raises(ValueError, match="listed twice"):
        ScoreHistograms(["a", "a"], [0.5], [[1, 1]] * 2, [[1, 1]] * 2)
    with pytest.raises(ValueError, match="squares must hold positives and negatives; got tp"):
        ScoreHistograms(["a"], [0.5], [[1, 1]], [[1, 1]], squares={"tp": [[1, 1]]})
    with pytest.raises(ValueError, match="score_sums must be finite"):
        ScoreHistograms(["a"], [0.5], [[1, 1]], [[1, 1]], score_sums=[[1, np.nan]])
    with pytest.raises(ValueError, match=r"must have the shape \(1, 2\)"):
        ScoreHistograms(["a"], [0.5], [[1, 1]], [[1, 1]], score_sums=[1, 1])
    one, other = (ScoreHistograms(["a"], [edge], [[1, 1]], [[1, 1]]) for edge in (0.4, 0.5))
    with pytest.raises(ValueError, match="the same edges"):
        one + other
    with pytest.raises(TypeError):
        one + 3
    with pytest.raises(ValueError, match="finite scores"):
        ScoreHistograms.from_scores([0, 1], [0.1, np.nan], sensitive_features=["a", "b"], edges=[0.5])
    with pytest.raises(ValueError, match="'policy' parameter"):
        thresholds_from_histograms(one, policy="blind")


def test_a_gap_to_a_value_that_is_not_there_is_not_claimed():
    table = ScoreHistograms(["a", "b"], [0.5], [[30, 20], [30, 0]], [[40, 10], [40, 30]])
    report = thresholds_from_histograms(
        table, objective="precision", capacity=0.1, max_difference=0.2, policy="threshold"
    ).report
    assert np.isnan(report.value)
    assert report.optimality_gap is None
    assert report.binning_loss is None
