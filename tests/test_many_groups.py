"""Many groups: distances without a loop over all pairs, tables that are cut, and messages that stay short."""

from __future__ import annotations

import time
import warnings
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import mean_absolute_error

from fairsk.metrics import (
    GroupCounts,
    abroca,
    abroca_test,
    disparity,
    group_metrics,
    ks_distance,
    multiclass_disparity,
    score_metrics,
    wasserstein_distance,
)
from fairsk.metrics._scores import abroca as abroca_module
from fairsk.metrics._scores import pairs
from fairsk.rates import CONSTRAINTS
from fairsk.statistics import contrasts, difference_interval, smallest_detectable, verdict


def scored_groups(n_groups: int, ties: bool, seed: int = 0, rows: int = 12) -> dict[str, Any]:
    """Return labels, scores and groups; every group has both labels."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(n_groups), rows)
    score = rng.lognormal(group / n_groups / 3, 1.0)
    y = rng.random(len(group)) < 0.5
    y[::rows], y[1::rows] = True, False
    return {
        "y_true": y.astype(int),
        "y_score": np.round(score) if ties else score,
        "sensitive_features": group.astype(str),
    }


def share_at_least(scores: Any, weights: Any, thresholds: Any) -> Any:
    return np.array([weights[scores >= t].sum() / weights.sum() for t in thresholds])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 5), st.booleans(), st.integers(1, 3)),
        min_size=2,
        max_size=25,
    ),
    st.sampled_from([None, "positives"]),
)
def test_ks_is_the_largest_over_pairs_and_thresholds(rows: list[Any], given: Any) -> None:
    score, group, y, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    group = group.astype(int)
    kept = np.ones(len(y), dtype=bool) if given is None else y == 1
    measured = np.unique(group[kept])
    thresholds = np.unique(score)
    curves = {
        g: share_at_least(score[kept & (group == g)], weight[kept & (group == g)], thresholds)
        for g in measured
    }
    options: dict[str, Any] = {"sensitive_features": group, "sample_weight": weight}
    options |= {} if given is None else {"y_true": y.astype(int), "given": given}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of groups without positives
        between = ks_distance(score, **options)
        overall = ks_distance(score, method="to_overall", **options)
        reference = ks_distance(score, reference=group[0], **options)
    if len(measured) < 2:
        assert np.isnan([between, overall, reference]).all()
        return
    assert between == pytest.approx(
        max(np.abs(curves[a] - curves[b]).max() for a, b in combinations(measured, 2))
    )
    all_rows = share_at_least(score[kept], weight[kept], thresholds)
    assert overall == pytest.approx(max(np.abs(curves[g] - all_rows).max() for g in measured))
    if group[0] in measured:
        gaps = [np.abs(curves[g] - curves[group[0]]).max() for g in measured if g != group[0]]
        assert reference == pytest.approx(max(gaps))
    else:
        assert np.isnan(reference)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_distances_of_many_groups_are_the_largest_over_all_pairs(ties: bool, seed: int) -> None:
    rows = scored_groups(25, ties, seed)  # 300 pairs: most are struck out without being compared
    scores = {
        g: rows["y_score"][rows["sensitive_features"] == g] for g in np.unique(rows["sensitive_features"])
    }
    of_scores = {"y_score": rows["y_score"], "sensitive_features": rows["sensitive_features"]}
    expected = [stats.wasserstein_distance(scores[a], scores[b]) for a, b in combinations(scores, 2)]
    assert wasserstein_distance(**of_scores) == pytest.approx(max(expected))
    expected = [stats.wasserstein_distance(scores[g], rows["y_score"]) for g in scores]
    assert wasserstein_distance(**of_scores, method="to_overall") == pytest.approx(max(expected))
    expected = []
    for pair in combinations(scores, 2):
        part = np.isin(rows["sensitive_features"], pair)
        expected.append(abroca(**{name: values[part] for name, values in rows.items()}))
    assert abroca(**rows) == pytest.approx(max(expected))
    table = score_metrics(**rows, confidence=None)
    assert table.abroca(method="to_reference", reference="3") == abroca(**rows, reference="3")
    assert table.wasserstein_distance(method="to_overall") == wasserstein_distance(
        **of_scores, method="to_overall"
    )
    assert table.ks_distance(method="to_overall") == ks_distance(**of_scores, method="to_overall")


def test_the_area_to_all_rows_is_that_of_two_groups_of_which_one_is_all_rows() -> None:
    rows = scored_groups(3, ties=False)
    doubled = {name: np.concatenate([values, values]) for name, values in rows.items()}
    doubled["sensitive_features"][len(rows["y_true"]) :] = "all"
    assert abroca(**rows, method="to_overall") == pytest.approx(abroca(**doubled, reference="all"))


def test_a_long_wait_is_announced_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = scored_groups(25, ties=False)
    usual = (
        abroca(**rows),
        wasserstein_distance(rows["y_score"], sensitive_features=rows["sensitive_features"]),
    )
    monkeypatch.setattr(pairs, "_PATIENCE", 0.0)
    monkeypatch.setattr(pairs, "_BINS", (2,))  # so rough that little is struck out
    monkeypatch.setattr(pairs, "_TIMED", 2)
    with pytest.warns(UserWarning, match=r"abroca compares up to .* one by one.*reference=.*to_overall"):
        assert abroca(**rows) == usual[0]
    with pytest.warns(UserWarning, match="wasserstein_distance compares up to"):
        found = wasserstein_distance(rows["y_score"], sensitive_features=rows["sensitive_features"])
    assert found == usual[1]
    monkeypatch.undo()
    monkeypatch.setattr(abroca_module, "LONG_TEST", 0.0)
    with pytest.warns(UserWarning, match="abroca_test takes about .* seconds for 5 permutations"):
        abroca_test(**scored_groups(2, ties=False), n_resamples=5, random_state=0)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"method": "to_reference"}, "needs reference=, one of the groups"),
        ({"method": "to_overall", "reference": "1"}, "names a group for"),
        ({"method": "to_rest"}, "method must be one of"),
    ],
)
def test_a_method_and_its_reference_belong_together(options: dict[str, Any], match: str) -> None:
    rows = scored_groups(3, ties=False)
    with pytest.raises(ValueError, match=match):
        abroca(**rows, **options)
    with pytest.raises(ValueError, match=match):
        ks_distance(rows["y_score"], sensitive_features=rows["sensitive_features"], **options)


def test_hundreds_of_groups_take_no_minutes() -> None:
    rng = np.random.default_rng(0)
    group, score = rng.integers(0, 400, 20_000).astype(str), rng.random(20_000)
    y, predicted = (rng.random(20_000) < score).astype(int), (score > 0.5).astype(int)
    start = time.process_time()
    counts = GroupCounts.from_predictions(y, predicted, sensitive_features=group)
    values = [counts.compare(name) for name in CONSTRAINTS if name != "treatment_equality"]
    ks_distance(score, sensitive_features=group)
    wasserstein_distance(score, sensitive_features=group)
    result = contrasts(counts, "selection_rate")
    judged = verdict(counts, "demographic_parity", max_difference=0.1)
    text = str(judged), str(judged.pairs), str(result), result._repr_html_()
    assert time.process_time() - start < 8
    assert len(values) == len(CONSTRAINTS) - 1
    assert judged.value == counts.compare("demographic_parity")
    assert (judged.low, judged.high) == difference_interval(counts, "demographic_parity")
    for table in text[1:]:
        assert "... and 79,600 more lines, which .frame() has" in table
    assert len(text[1].splitlines()) == 2 + 200 + 2
    assert len(result.frame()) == 79_800


def test_messages_that_list_groups_stay_short() -> None:
    rng = np.random.default_rng(0)
    n = 500
    group = np.char.add("a group with a long name ", rng.integers(0, 250, n).astype(str))
    y, p = rng.integers(0, 2, n), rng.integers(0, 2, n)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        disparity(y, p, constraint="equalized_odds", sensitive_features=group)
        disparity(y, p, constraint="equalized_odds", sensitive_features=y, strata=group)
        multiclass_disparity(group, group, sensitive_features=y, constraint="equalized_odds")
        counts = GroupCounts.from_predictions(y, p, sensitive_features=group)
        text = str(verdict(counts, "equalized_odds", max_difference=0.1))
    assert len(told) > 4
    assert max(len(str(warning.message)) for warning in told) < 2000
    assert len(text) < 5000


@pytest.mark.parametrize("comparison", ["difference", "ratio"])
def test_the_smallest_detectable_disparity_is_that_of_the_pair_where_it_is_largest(comparison: Any) -> None:
    n = np.array([200, 200, 310, 400, 400, 4000, 310])
    selected = n // 3
    nobody = np.zeros(7)
    counts = GroupCounts(
        list("abcdefg"), {"tp": nobody, "fn": nobody, "fp": selected, "tn": n - selected}, labelled=False
    )
    of_pairs = [
        smallest_detectable(counts, "demographic_parity", groups=pair, comparison=comparison)
        for pair in combinations("abcdefg", 2)
    ]
    worst = max(of_pairs) if comparison == "difference" else min(of_pairs)
    assert 0 < worst < 1
    assert smallest_detectable(counts, "demographic_parity", comparison=comparison) == pytest.approx(worst)


def test_the_interval_of_a_function_over_many_groups_equals_one_with_all_pairs_in_memory() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.random(200), rng.random(200)
    table = group_metrics(
        y,
        p,
        metrics=mean_absolute_error,
        sensitive_features=np.repeat(list("abcde"), 40),
        n_resamples=50,
        random_state=0,
    )
    values, draws = table.values["mean_absolute_error"], table.replicates["mean_absolute_error"]
    first, second = np.triu_indices(5, 1)
    gaps, gap = draws[first] - draws[second], values[first] - values[second]
    spread = gaps.std(1)
    furthest = np.sort((np.abs(gaps - gap[:, None]) / spread[:, None]).max(0))
    half = furthest[min(int(np.ceil(51 * 0.95)) - 1, 49)] * spread
    low = np.maximum(0, np.maximum(gap - half, -(gap + half))).max()
    high = np.maximum(np.abs(gap - half), np.abs(gap + half)).max()
    assert table.difference_interval("mean_absolute_error") == pytest.approx((low, high))
