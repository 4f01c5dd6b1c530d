"""Selection without labels: ``y_true=None`` counts decisions, and a rate that needs labels is an error."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairsk import Constraint, Rate, statistics
from fairsk.metrics import GroupCounts
from fairsk.rates import RATES

NEEDING = [name for name, rate in RATES.items() if name != "selection_rate"]


def test_only_the_selection_rate_needs_no_labels() -> None:
    assert [name for name, rate in RATES.items() if not rate.needs_labels] == ["selection_rate"]
    assert not Rate("rejected", "fn+tn", "n").needs_labels
    assert Rate("accepted_twice", "tp+2*fp", "n").needs_labels
    assert Rate("of_the_positive", "tp+fp", "tp+fn").needs_labels


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("labels", [0, 1, 2])
def test_counts_without_labels_select_as_with_any_labels(labels: int, weighted: bool) -> None:
    rng = np.random.default_rng(labels)
    p, group, stratum = rng.integers(0, 2, 90), rng.choice(list("abc"), 90), rng.choice(list("xy"), 90)
    y = [np.zeros(90, dtype=int), np.ones(90, dtype=int), rng.integers(0, 2, 90)][labels]
    options: Any = {"sensitive_features": group, "sample_weight": rng.random(90) if weighted else None}
    for more in ({}, {"strata": stratum}):
        bare = GroupCounts.from_predictions(None, p, **options, **more)
        full = GroupCounts.from_predictions(y, p, **options, **more)
        assert not bare.labelled
        assert full.labelled
        np.testing.assert_allclose(bare.rate("selection_rate"), full.rate("selection_rate"), rtol=1e-12)
        np.testing.assert_allclose(bare.n, full.n, rtol=1e-12)
        for comparison in ("difference", "ratio", "worst_group"):
            np.testing.assert_allclose(
                bare.compare("demographic_parity", comparison), full.compare("disparate_impact", comparison)
            )
    soft = GroupCounts.from_probabilities(None, p * 0.5, **options)
    full = GroupCounts.from_probabilities(y, p * 0.5, **options)
    np.testing.assert_allclose(soft.rate("selection_rate"), full.rate("selection_rate"), rtol=1e-12)
    assert not soft.labelled


@pytest.mark.parametrize("rate", NEEDING)
def test_a_rate_of_labels_is_an_error_without_them(rate: str) -> None:
    counts = GroupCounts.from_predictions(None, [1, 0, 1, 0], sensitive_features=list("aabb"))
    parts = [counts, counts.overall(), counts + counts, counts.marginal("sensitive_features")]
    parts.append(GroupCounts.from_state(json.loads(json.dumps(counts.to_state()))))
    by = GroupCounts.from_predictions(None, [1, 0], sensitive_features=list("ab"), strata=list("xx"))
    parts += [by, by.stratum("x")]
    for table in parts:
        assert not table.labelled
        with pytest.raises(ValueError, match=f"{rate} depends on the labels, and there are none"):
            table.rate(rate)
        with pytest.raises(ValueError, match="y_true is None"):
            table.compare(Constraint("own", rate))
    one_of_two = Constraint("own", ["selection_rate", rate])
    with pytest.raises(ValueError, match=f"{rate} depends on the labels"):
        counts.compare(one_of_two)


def test_statistics_of_selection_need_no_labels_and_others_are_errors() -> None:
    p, group = np.repeat([1, 0, 1, 0], [30, 20, 15, 35]), np.repeat(["a", "b"], 50)
    bare = GroupCounts.from_predictions(None, p, sensitive_features=group)
    full = GroupCounts.from_predictions(1 - p, p, sensitive_features=group)
    functions: list[Any] = [
        statistics.rate_standard_errors,
        statistics.rate_intervals,
        statistics.difference_interval,
        statistics.ratio_interval,
        statistics.smallest_detectable,
        statistics.contrasts,
        statistics.omnibus_test,
        lambda counts, rate: statistics.max_z_test(counts, rate, random_state=0),
        statistics.shrunken_rates,
        lambda counts, rate: statistics.noise_floor(counts, rate, random_state=0),
        lambda counts, rate: statistics.verdict(counts, rate, max_difference=0.1),
        lambda counts, rate: statistics.verdict(counts, rate, min_ratio=0.8),
        lambda counts, rate: statistics.two_group_test(counts, rate, groups=("a", "b")),
    ]
    for function in functions:
        assert str(function(bare, "selection_rate")) == str(function(full, "selection_rate"))
        for rate in NEEDING:
            with pytest.raises(ValueError, match="depends on the labels"):
                function(bare, rate)
    drawn = statistics.bootstrap(bare, "selection_rate", n_resamples=50, random_state=0)
    assert drawn.estimate.tolist() == [0.6, 0.3]
    for statistic in ("accuracy", "equalized_odds"):
        with pytest.raises(ValueError, match="depends on the labels"):
            statistics.bootstrap(bare, statistic, confidence=None)
    with pytest.raises(ValueError, match="A function of the cells needs labels"):
        statistics.bootstrap(bare, lambda cells: cells["tp"])


def test_tables_with_and_without_labels_do_not_add_up() -> None:
    bare = GroupCounts.from_predictions(None, [1, 0], sensitive_features=list("ab"))
    full = GroupCounts.from_predictions([1, 0], [1, 0], sensitive_features=list("ab"))
    with pytest.raises(ValueError, match="do not add up"):
        bare + full
    assert bare != GroupCounts.from_predictions([0, 0], [1, 0], sensitive_features=list("ab"))
    assert str(bare).splitlines()[0].split() == ["group", "selected", "rejected"]
    with pytest.raises(ValueError, match="have no tp and fn"):
        GroupCounts(["a"], {"tp": [1], "fp": [0], "fn": [0], "tn": [0]}, labelled=False)
    assert not GroupCounts.from_frame(
        pd.DataFrame({"p": [1, 0], "g": ["a", "b"]}), y_pred="p", sensitive_features="g"
    ).labelled
    with pytest.raises(ValueError, match="y_pred is empty"):
        GroupCounts.from_predictions(None, [], sensitive_features=[])
    with pytest.raises(ValueError, match="name the positive one with pos_label"):
        GroupCounts.from_predictions(None, ["yes", "no"], sensitive_features=[0, 1])
