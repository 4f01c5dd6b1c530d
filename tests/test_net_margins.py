"""Margins of nets under bounds, and the warning where rows known by heart meet a bound."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy.stats import norm

from fairsk import FairClassifier
from fairsk._core.bounds import bounded_constraints
from fairsk.neural import BoundedLoss
from fairsk.neural._comparisons import GroupComparison
from fairsk.neural._margins import Margins

#: tp, fp, fn, tn of two groups: 30 of 100 and 90 of 200 are selected.
CELLS = np.array([[20.0, 60.0], [10.0, 30.0], [30.0, 40.0], [40.0, 70.0]])
TWO = (GroupComparison(1, (0, 1)),)


def make_rows(n=1500, seed=0):
    """Return rows whose groups differ, of labels that are not all predictable."""
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b"], n, p=[0.3, 0.7])
    X = rng.normal(size=(n, 4)) + 0.8 * (group == "a")[:, None]
    return X, (X[:, :2].sum(axis=1) + rng.normal(size=n) > 1).astype(int), group


def distances_of(margin, constraint="demographic_parity", squares=CELLS, **bound):
    bounds = bounded_constraints(constraint, bound.get("max_difference"), bound.get("min_ratio"))
    loss = BoundedLoss(constraint, **bound)
    return Margins.of(margin, bounds, TWO).distances(loss.rate_bounds, [CELLS], [squares])[0].numpy()


def test_distances_are_standard_errors_of_the_common_rate():
    pooled = 120 / 300
    errors = np.sqrt(pooled * (1 - pooled) / np.array([100, 200]))
    np.testing.assert_allclose(distances_of("1se", max_difference=0.2), [errors], rtol=1e-9)
    # Ordered pairs: of two groups either one may have the greater rate.
    np.testing.assert_allclose(
        distances_of(0.9, max_difference=0.5), [norm.ppf(1 - 0.1 / 2) * errors], rtol=1e-9
    )


def test_distances_under_a_ratio_are_of_logarithms():
    pooled = 120 / 300
    errors = np.sqrt((1 - pooled) / pooled / np.array([100, 200]))
    np.testing.assert_allclose(distances_of("1se", min_ratio=0.5), [errors], rtol=1e-9)


def test_distances_of_given_labels_count_the_rows_with_the_label():
    pooled = 80 / 150
    errors = np.sqrt(pooled * (1 - pooled) / np.array([50, 100]))
    found = distances_of("1se", "equal_opportunity", max_difference=0.3)
    np.testing.assert_allclose(found, [errors], rtol=1e-9)


def test_a_distance_is_at_most_half_the_window():
    assert distances_of("1se", max_difference=0.05).tolist() == [[0.025, 0.025]]
    assert distances_of("1se", max_difference=0.0).tolist() == [[0.0, 0.0]]  # parity: on the rows seen


def test_rows_that_weigh_more_are_fewer():
    once, twice = (distances_of("1se", max_difference=0.9, squares=n * CELLS) for n in (1, 2))
    np.testing.assert_allclose(twice, np.sqrt(2) * once, rtol=1e-9)


def test_the_window_of_a_group_is_narrower_by_its_distance():
    loss = BoundedLoss(max_difference=0.2)
    tables = torch.from_numpy(CELLS)[None]  # rates of .30 and .45
    assert loss.excess(tables) == pytest.approx(0.15 - 0.2)
    loss.update_multipliers(tables, 0.01)
    assert not loss.forces.any()
    loss.distances.copy_(torch.tensor([[[0.06, 0.02]]]))
    assert loss.excess(tables) == pytest.approx(0.15 + 0.06 + 0.02 - 0.2)
    loss.update_multipliers(tables, 0.01)
    assert loss.forces[0, 0, 0] < 0 < loss.forces[0, 0, 1]


@pytest.mark.parametrize("bound_on", ["training", "held_out"])
def test_a_margin_keeps_its_standard_errors_from_the_bound(bound_on):
    X, y, group = make_rows()
    net = FairClassifier(max_difference=0.12, margin="1se", bound_on=bound_on, random_state=0)
    report = net.fit(X, y, sensitive_features=group).report_
    assert (report.margin, report.margins, report.margin_asked) == (1.0, {}, "1se")
    pooled = report.counts.overall().rate("selection_rate")[0]
    errors = np.sqrt(pooled * (1 - pooled) / report.counts.n)
    assert report.disparity + errors.sum() <= 0.12
    assert "kept by all groups" in str(report)


def test_a_group_with_too_few_rows_has_what_fits():
    X, y, group = make_rows(700)
    net = FairClassifier(max_difference=0.04, margin=0.95, random_state=0)
    with pytest.warns(UserWarning, match=r"Too few rows to keep margin=0\.95 .* for: a, b") as caught:
        net.fit(X, y, sensitive_features=group)
    assert len(caught) == 1
    assert 0 < net.report_.margins["a"] < net.report_.margins["b"] < net.report_.margin


def test_a_margin_within_strata():
    X, y, group = make_rows(2400)
    stratum = np.random.default_rng(1).choice(["x", "y"], len(y))
    net = FairClassifier(max_difference=0.3, margin=0.9, max_epochs=20, random_state=0)
    report = net.fit(X, y, sensitive_features=group, strata=stratum).report_
    # A confidence for both strata at once: each may fail in one case of twenty.
    assert report.margin == pytest.approx(norm.ppf(1 - 0.05 / 2))
    assert not report.margins


def test_a_margin_where_nothing_is_compared():
    X, y, _ = make_rows(n=100)
    with pytest.warns(UserWarning, match="one group"):
        net = FairClassifier(margin=0.9, max_epochs=1).fit(X, y, sensitive_features=np.full(100, "a"))
    assert np.isnan(net.report_.disparity)


@pytest.mark.parametrize("margin", [0, 0.9])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # few steps
def test_a_bound_that_allows_anything(margin):
    X, y, group = make_rows(n=300)
    net = FairClassifier(min_ratio=0.0, margin=margin, max_epochs=2, random_state=0)
    net.fit(X, y, sensitive_features=group)
    assert net.report_.binding.bound == 0
    assert [each["fairness"] for each in net.history_] == [0.0, 0.0]


def test_a_penalty_without_a_weight_is_not_ignored():
    X, y, group = make_rows(200)
    with pytest.raises(ValueError, match="penalty='hsic' takes effect with a penalty_weight only"):
        FairClassifier(penalty="hsic").fit(X, y, sensitive_features=group)


def test_no_margin_with_a_penalty():
    X, y, group = make_rows(200)
    with pytest.raises(ValueError, match="margin='1se' tightens a bound; penalty_weight holds none"):
        FairClassifier(margin="1se", penalty_weight=1.0).fit(X, y, sensitive_features=group)


# --- rows known by heart ----------------------------------------------------------------------------------


def rows_to_memorise(n=300):
    rng = np.random.default_rng(0)
    group = rng.choice(["a", "b"], n)
    return rng.normal(size=(n, 60)), rng.integers(0, 2, n), group


def test_a_bound_met_by_memory_is_warned_about():
    X, y, group = rows_to_memorise()
    net = FairClassifier(
        constraint="equal_opportunity",
        bound_on="training",
        random_state=0,
        net_params={"optimizer__weight_decay": 0.0},
    )
    with pytest.warns(UserWarning, match=r"hardly any training row is decided wrongly \(0\.0% are\)"):
        net.fit(X, y, sensitive_features=group)


def test_no_such_warning_where_rows_are_held_out_or_not_all_right():
    X, y, group = rows_to_memorise()
    held_out = FairClassifier(constraint="equal_opportunity", max_difference=0.2, random_state=0)
    noisy, labels, groups = make_rows(600)
    training = FairClassifier(constraint="equal_opportunity", bound_on="training", random_state=0)
    # Groups that have equal rates, which errors in both directions keep as they are.
    alike = noisy, labels, np.random.default_rng(5).permutation(groups)
    wide = [
        FairClassifier(bound_on="training", max_epochs=100, random_state=0, **bound)
        for bound in ({"max_difference": 0.1}, {"min_ratio": 0.8})
    ]
    pairs = [(held_out, (X, y, group)), (training, (noisy, labels, groups)), *((net, alike) for net in wide)]
    for net, rows in pairs:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            net.fit(*rows[:2], sensitive_features=rows[2])
        assert not [each for each in caught if "decided wrongly" in str(each.message)]
