"""Erasure: equal to independent computations, exact whatever the metric, and the same from any batches."""

from __future__ import annotations

import itertools
import json

import fairlearn
import numpy as np
import pytest
from fairlearn.preprocessing import CorrelationRemover
from scipy import linalg, optimize
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from fairsk.datasets import load_adult
from fairsk.repair import ConceptEraser, FeatureMoments

#: Of few features, many tests take all directions out on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:All .* directions of the features")

METRICS = [
    ("covariance", "auto"),
    ("covariance", 0),
    ("covariance", 0.5),
    ("covariance", 1),
    ("diagonal", 0),
    ("identity", 0),
]
VARIANTS = list(itertools.product([False, True], [False, True]))  # within_label, preserve_label


def rows(n=600, d=12, seed=0, groups="abc", shares=(0.6, 0.35, 0.05), labels=3, scaled=True):
    """Return features whose means go with group and label, in units that differ unless not ``scaled``."""
    rng = np.random.default_rng(seed)
    group, label = rng.choice(list(groups), n, p=shares), rng.integers(0, labels, n)
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) / np.sqrt(d)
    X += rng.normal(size=(len(groups), d))[np.unique(group, return_inverse=True)[1]]
    X += rng.normal(size=(labels, d))[label]
    return ((X + 5) * 10.0 ** rng.integers(-3, 4, d) if scaled else X), group, label


def largest_gap(X, group, *, within=None, weights=None, scale=1.0):
    """Return the largest difference between means of groups (within labels), by brute force."""
    weights = np.ones(len(X)) if weights is None else weights
    gaps = [0.0]
    for label in [None] if within is None else np.unique(within):
        there = np.ones(len(X), bool) if label is None else within == label
        means = [
            np.average(X[there & (group == g)], axis=0, weights=weights[there & (group == g)])
            for g in np.unique(group[there])
        ]
        gaps.append(np.max(np.ptp(means, axis=0) / scale))
    return max(gaps)


# --- exactness ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("within", "preserve"), VARIANTS)
@pytest.mark.parametrize(("metric", "shrinkage"), METRICS)
@pytest.mark.parametrize("shape", [(600, 12), (60, 90)])
def test_means_of_groups_are_equal_for_every_metric(shape, metric, shrinkage, within, preserve):
    X, group, label = rows(*shape)
    eraser = ConceptEraser(
        metric=metric, shrinkage=shrinkage, within_label=within, preserve_label=preserve
    ).fit(X, label, sensitive_features=group)
    erased, scale = eraser.transform(X), X.std(0)
    assert largest_gap(X, group, within=label if within else None, scale=scale) > 0.5
    assert largest_gap(erased, group, within=label if within else None, scale=scale) <= 1e-12
    np.testing.assert_allclose(erased.mean(0), X.mean(0), atol=1e-12 * np.abs(X).max())
    assert eraser.rank_ <= (len(set(group)) - 1) * (len(set(label)) if within else 1)
    if preserve:
        indicators = np.eye(3)[label] - np.eye(3)[label].mean(0)
        kept = (X - X.mean(0)).T @ indicators / scale[:, None] / len(X)
        np.testing.assert_allclose(
            (erased - X.mean(0)).T @ indicators / scale[:, None] / len(X), kept, atol=1e-11
        )


def test_a_linear_probe_finds_no_more_than_a_constant():
    X, group, _ = rows(scaled=False)
    erased = ConceptEraser().fit_transform(X, sensitive_features=group)
    shares = np.unique(group, return_counts=True)[1] / len(group)
    probe = LogisticRegression(C=1e6, max_iter=10_000, tol=1e-8)
    entropy = -np.sum(shares * np.log(shares))
    assert log_loss(group, probe.fit(X, group).predict_proba(X)) < 0.7 * entropy
    assert log_loss(group, probe.fit(erased, group).predict_proba(erased)) == pytest.approx(entropy, abs=1e-6)


@pytest.mark.parametrize(
    "probe",
    [LinearSVC(C=10, loss="hinge", max_iter=100_000, tol=1e-8), RidgeClassifier(1e-8)],
    ids=["hinge", "squared"],
)
def test_linear_probes_of_other_losses_are_constant(probe):
    X, group, _ = rows(scaled=False)
    erased = ConceptEraser().fit_transform(X, sensitive_features=group)
    share = np.mean(group == "a")
    assert probe.fit(X, group).score(X, group) > share + 0.1
    assert probe.fit(erased, group).score(erased, group) == pytest.approx(share)


def test_one_split_may_find_the_group_in_erased_features():
    """Why the promise is one of convex losses: means are equal, and medians are not."""
    group = np.repeat([0, 1], 1000)
    x = np.where(group == 1, 0.3, np.tile([-1.0, -1, -1, 9], 500))
    both = np.column_stack([x, np.where(group == 1, 0.0, np.tile([1.0, 1, -1, -1], 500))])
    erased = ConceptEraser().fit_transform(both, sensitive_features=group)
    assert largest_gap(erased, group) <= 1e-12
    assert DecisionTreeClassifier(max_depth=1).fit(erased, group).score(erased, group) > 0.7


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("params", [{}, {"shrinkage": 0}, {"metric": "identity"}, {"aware": True}], ids=str)
def test_a_column_that_is_the_group_leaves_no_rounding_behind(params, dtype):
    """A scaler would raise a difference in the last digit to a standard deviation, and a probe read it."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        group = rng.random(3000) < 0.4
        itself = (group - group.mean()) / group.std()
        for X in (itself[:, None], np.column_stack([rng.normal(group, size=(4, 3000)).T, itself])):
            erased = ConceptEraser(**params).fit_transform(X.astype(dtype), sensitive_features=group)
            scaled = StandardScaler().fit_transform(erased)
            assert erased.dtype == dtype
            found = LogisticRegression().fit(scaled, group).score(scaled, group)
            assert found <= 0.005 + np.mean(~group)  # a probe has a digit or two of its own


def test_a_measurement_that_is_the_attribute_up_to_rounding_is_gone():
    age = np.random.default_rng(0).normal(40, 10, 600)
    X = np.column_stack([1e4 + age, np.random.default_rng(1).normal(size=600)]).astype(np.float32)
    for params in ({"shrinkage": 0}, {"aware": True}):
        erased = ConceptEraser(continuous=True, **params).fit_transform(X, sensitive_features=age)
        assert np.ptp(erased[:, 0]) == 0 < np.ptp(erased[:, 1])


def test_features_of_mere_rounding_stay_where_nothing_is_told():
    X = rows(scaled=False)[0]
    digits = np.random.default_rng(1).integers(0, 20, len(X))
    both = np.c_[X, 1 + digits * np.finfo(float).eps]
    with pytest.warns(UserWarning, match="only one group"):
        same = ConceptEraser().fit_transform(both, sensitive_features=np.full(len(X), "a"))
    np.testing.assert_array_equal(same, both)


def test_what_is_left_of_a_feature_that_is_nearly_the_group_stays():
    rng = np.random.default_rng(0)
    group = rng.random(3000) < 0.4
    more = rng.normal(size=3000)
    X = np.column_stack([more, group + 1e-3 * rng.normal(size=3000)])
    erased = ConceptEraser(metric="identity", aware=True).fit_transform(X, sensitive_features=group)
    np.testing.assert_allclose(erased[:, 1].std(), 1e-3, rtol=0.05)


def test_the_change_is_the_least_that_erases():
    """Of all affine maps without covariance with the groups, found numerically."""
    X, group, _ = rows(300, 3, scaled=False)
    deviations = X - X.mean(0)
    covariance = deviations.T @ deviations / len(X)
    indicators = (group[:, None] == np.array(list("ab"))) * 1.0
    crossed = deviations.T @ (indicators - indicators.mean(0)) / len(X)

    def change(P):  # mean squared length of (P - 1) (x - mean)
        moved = P.reshape(3, 3) - np.eye(3)
        return np.trace(moved @ covariance @ moved.T)

    found = optimize.minimize(
        change,
        np.zeros(9),
        constraints={"type": "eq", "fun": lambda P: (P.reshape(3, 3) @ crossed).ravel()},
        options={"maxiter": 500, "ftol": 1e-14},
    )
    erased = ConceptEraser(shrinkage=0).fit_transform(X, sensitive_features=group)
    assert found.success
    assert np.mean(np.sum((erased - X) ** 2, axis=1)) == pytest.approx(found.fun, rel=1e-6)


def test_equals_leace_by_its_whitening():
    X, group, _ = rows(scaled=False)
    deviations = X - X.mean(0)
    indicators = (group[:, None] == np.unique(group)) * 1.0
    whitening = linalg.inv(linalg.sqrtm(deviations.T @ deviations / len(X)).real)
    crossed = whitening @ deviations.T @ (indicators - indicators.mean(0))
    projector = crossed @ linalg.pinv(crossed, rtol=1e-10)
    expected = X - deviations @ (linalg.inv(whitening) @ projector @ whitening).T
    erased = ConceptEraser(shrinkage=0).fit_transform(X, sensitive_features=group)
    np.testing.assert_allclose(erased, expected, atol=1e-9)


def test_identity_takes_out_the_directions_between_means():
    X, group, _ = rows(scaled=False)
    offsets = np.stack([X[group == g].mean(0) - X.mean(0) for g in np.unique(group)], axis=1)
    basis = linalg.orth(offsets, rcond=1e-10)
    expected = X - (X - X.mean(0)) @ basis @ basis.T
    np.testing.assert_allclose(
        ConceptEraser(metric="identity").fit_transform(X, sensitive_features=group), expected, atol=1e-10
    )


def test_full_shrinkage_is_the_diagonal_metric_and_auto_the_formula():
    X, group, _ = rows()
    one = ConceptEraser(shrinkage=1).fit_transform(X, sensitive_features=group)
    two = ConceptEraser(metric="diagonal").fit_transform(X, sensitive_features=group)
    np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-9)
    # Chen et al., equation 23, written out for the correlations.
    C = np.corrcoef(X.T)
    n, p, squares = len(X), len(C), np.trace(C @ C)
    expected = ((1 - 2 / p) * squares + p**2) / ((n + 1 - 2 / p) * (squares - p**2 / p))
    assert ConceptEraser().fit(X, sensitive_features=group).shrinkage_ == pytest.approx(expected)
    assert ConceptEraser(metric="identity").fit(X, sensitive_features=group).shrinkage_ is None


def test_units_do_not_matter():
    X, group, label = rows(scaled=False)
    units = 10.0 ** np.arange(-6, 6)
    for params in ({}, {"within_label": True}, {"metric": "diagonal"}, {"preserve_label": True}):
        plain = ConceptEraser(**params).fit_transform(X, label, sensitive_features=group)
        scaled = ConceptEraser(**params).fit_transform(X * units + 7, label, sensitive_features=group)
        np.testing.assert_allclose((scaled - 7) / units, plain, atol=1e-7)


def test_any_change_of_coordinates_commutes_without_shrinkage():
    X, group, _ = rows(scaled=False)
    R = np.random.default_rng(1).normal(size=(12, 12))
    eraser = ConceptEraser(shrinkage=0)
    expected = eraser.fit_transform(X, sensitive_features=group) @ R + 3
    np.testing.assert_allclose(eraser.fit_transform(X @ R + 3, sensitive_features=group), expected, atol=1e-8)


def test_regressions_on_erased_features_do_not_depend_on_the_metric():
    X, group, label = rows(scaled=False)
    fitted = []
    for metric, shrinkage in METRICS:
        eraser = ConceptEraser(metric=metric, shrinkage=shrinkage)
        erased = eraser.fit_transform(X, sensitive_features=group)
        centred = erased - erased.mean(0)
        # Erased features are collinear: values of rounding are no direction.
        fitted.append(centred @ np.linalg.lstsq(centred, label - label.mean(), rcond=1e-8)[0])
    np.testing.assert_allclose(fitted, np.broadcast_to(fitted[0], np.shape(fitted)), atol=1e-8)


def test_erasing_twice_is_erasing_once_and_a_second_eraser_keeps_what_the_first_did():
    X, group, _ = rows()
    other = np.random.default_rng(1).choice(["x", "y"], len(X))
    X = X + (other == "x")[:, None] * X.std(0)
    for dtype in (np.float64, np.float32):
        once = ConceptEraser().fit_transform(X.astype(dtype), sensitive_features=group)
        again = ConceptEraser().fit(once, sensitive_features=group)
        assert again.rank_ == 0
        np.testing.assert_array_equal(again.transform(once), once)
    once = ConceptEraser().fit_transform(X, sensitive_features=group)
    both = ConceptEraser().fit_transform(once, sensitive_features=other)
    assert largest_gap(both, group, scale=X.std(0)) <= 1e-12
    assert largest_gap(both, other, scale=X.std(0)) <= 1e-12


def test_an_aware_second_eraser_may_undo_what_the_first_did():
    """As the docstring says: it subtracts means of a group that goes with the first one."""
    X, group, _ = rows()
    other = np.where(np.random.default_rng(1).random(len(X)) < 0.7, group == "a", group != "a")
    X = X + other[:, None] * X.std(0)
    once = ConceptEraser().fit_transform(X, sensitive_features=group)
    both = ConceptEraser(aware=True).fit_transform(once, sensitive_features=other)
    assert largest_gap(both, other, scale=X.std(0)) <= 1e-12
    assert largest_gap(both, group, scale=X.std(0)) > 0.1


def test_no_direction_of_rounding_is_taken_out_of_many_rows():
    """Sums of indicators over many rows are rounded more than single values are."""
    X = load_adult(return_X_y=True)[0].iloc[:15_000]
    words = X.select_dtypes(exclude="number").drop(columns="sex")
    indicators = OneHotEncoder(sparse_output=False).fit_transform(words)
    weights = np.full(len(X), 1 / len(X))
    for options in ({}, {"sample_weight": weights}):
        eraser = ConceptEraser().fit(indicators, sensitive_features=X["sex"], **options)
        assert eraser.rank_ == 1  # two groups differ in one direction
    once = eraser.transform(indicators)
    np.testing.assert_array_equal(ConceptEraser().fit_transform(once, sensitive_features=X["sex"]), once)


def test_rare_groups_are_erased():
    rng = np.random.default_rng(0)
    n, d = 20_000, 20
    rare = rng.random(2 * n) < 0.003
    X = rng.normal(size=(2 * n, d)) + rare[:, None] * np.r_[2.0, np.zeros(d - 1)]
    fit, new = slice(0, n), slice(n, None)
    erased = ConceptEraser().fit(X[fit], sensitive_features=rare[fit]).transform(X)
    assert largest_gap(erased[fit], rare[fit]) <= 1e-12
    aucs = []
    for features in (X, erased):
        probe = LogisticRegression(class_weight="balanced").fit(features[fit], rare[fit])
        aucs.append(roc_auc_score(rare[new], probe.decision_function(features[new])))
    assert aucs[0] > 0.85
    assert aucs[1] < 0.56  # 60 rare rows on either side: the standard error of an AUC is .037


@pytest.mark.parametrize("follows", [False, True], ids=["by chance", "with the group"])
def test_a_feature_of_mere_rounding_hides_nothing_in_the_others(follows):
    """Such as the sum of shares: 1 but for some last digits, a standard deviation in which 1 is huge."""
    X, group, _ = rows(scaled=False)
    digits = np.random.default_rng(1).integers(0, 20, len(X)) + 20 * ((group == "c") & follows)
    both = np.c_[X, 1 + digits * np.finfo(float).eps]
    eraser = ConceptEraser().fit(both, sensitive_features=group)
    assert eraser.rank_ == 2
    assert largest_gap(eraser.transform(both)[:, :-1], group, scale=X.std(0)) <= 1e-12


# --- sums ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("within", [False, True])
def test_streams_weights_and_sums_in_any_order_are_one_fit(within, continuous):
    X, group, label = rows(scaled=False)
    rng = np.random.default_rng(1)
    attribute = rng.normal(40, 12, len(X)) + X[:, 0] if continuous else group
    weights = rng.integers(0, 4, len(X))
    params = {"within_label": within, "continuous": continuous}
    whole = ConceptEraser(**params).fit(X, label, sensitive_features=attribute, sample_weight=weights)
    expected = whole.transform(X)
    tolerance = {"atol": 1e-12, "rtol": 1e-12}

    often = np.repeat(np.arange(len(X)), weights)
    repeated = ConceptEraser(**params).fit(X[often], label[often], sensitive_features=attribute[often])
    np.testing.assert_allclose(repeated.transform(X), expected, **tolerance)

    # Sorted by group and label: some batches lack groups, and some labels.
    order = np.lexsort([label, group])
    stream, tables = ConceptEraser(**params), []
    for batch in np.array_split(order, 7):
        given = {"sensitive_features": attribute[batch], "sample_weight": weights[batch]}
        if not weights[batch].any():
            continue
        stream.partial_fit(X[batch], label[batch], **given)
        tables.append(_table(params, X[batch], label[batch], **given))
    np.testing.assert_allclose(stream.transform(X), expected, **tolerance)
    for tables_in_order in (tables, tables[::-1], [tables[i] for i in (3, 0, 6, 2, 5, 1, 4)]):
        states = json.loads(json.dumps([table.to_state() for table in tables_in_order]))
        merged = sum(map(FeatureMoments.from_state, states))
        fitted = ConceptEraser(**params).fit_moments(merged)
        np.testing.assert_allclose(fitted.transform(X), expected, **tolerance)
        np.testing.assert_allclose(merged.scatter, whole.moments_.scatter, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_attributes_that_are_constant_up_to_rounding_tell_nothing(weighted):
    X, _, label = rows(scaled=False)
    rng = np.random.default_rng(1)
    weights = rng.random(len(X)) if weighted else np.ones(len(X))
    varies = rng.normal(size=len(X)) + X[:, 0]
    constant = np.full(len(X), 0.3)
    in_label = np.where(label == 0, 7.3, varies)  # constant in one label of three
    for within, attribute, rank in [
        (False, constant, 0),
        (False, np.column_stack([constant, varies]), 1),
        (True, in_label, 2),
    ]:
        params = {"continuous": True, "within_label": within}
        whole = ConceptEraser(**params).fit(X, label, sensitive_features=attribute, sample_weight=weights)
        stream = ConceptEraser(**params)
        for batch in np.array_split(np.arange(len(X)), 7):
            given = {"sensitive_features": attribute[batch], "sample_weight": weights[batch]}
            stream.partial_fit(X[batch], label[batch], **given)
        assert whole.rank_ == stream.rank_ == rank
        np.testing.assert_allclose(stream.transform(X), whole.transform(X), atol=1e-12)


def test_weights_that_sum_to_one_count_as_rows():
    """Else every table would seem to be of one row, and correlations would all be shrunk to 0."""
    X, group, label = rows(scaled=False)
    plain = ConceptEraser(within_label=True).fit(X, label, sensitive_features=group)
    shares = np.full(len(X), 1 / len(X))
    weighted = ConceptEraser(within_label=True).fit(X, label, sensitive_features=group, sample_weight=shares)
    assert 0 < plain.shrinkage_ < 0.1
    assert weighted.shrinkage_ == pytest.approx(plain.shrinkage_, rel=1e-9)
    np.testing.assert_allclose(weighted.erased_.before["labels"], plain.erased_.before["labels"], atol=1e-12)
    stream = ConceptEraser(within_label=True)
    for batch in np.array_split(np.arange(len(X)), 3):
        given = {"sensitive_features": group[batch], "sample_weight": shares[batch]}
        stream.partial_fit(X[batch], label[batch], **given)
    assert stream.shrinkage_ == pytest.approx(plain.shrinkage_, rel=1e-9)


@pytest.mark.parametrize("weight", [1e-12, 1e20])
def test_small_differences_are_erased_whatever_the_scale_of_weights(weight):
    X, group, _ = rows(scaled=False)
    X = ConceptEraser().fit_transform(X, sensitive_features=group) + 1e-6 * (group == "a")[:, None]
    weights = np.full(len(X), weight)
    eraser = ConceptEraser().fit(X, sensitive_features=group, sample_weight=weights)
    assert largest_gap(X, group) > 5e-7
    assert largest_gap(eraser.transform(X), group) <= 1e-12


def test_a_batch_that_is_refused_does_not_count():
    X, group, label = rows(scaled=False)
    few = [np.flatnonzero((group == g) & (label == c))[0] for g, c in (("a", 0), ("b", 1))]
    stream = ConceptEraser(preserve_label=True)
    with pytest.raises(ValueError, match="preserve_label=True cannot be met"):
        stream.partial_fit(X[few], label[few], sensitive_features=group[few])
    stream.partial_fit(X, label, sensitive_features=group)
    assert stream.moments_.n == len(X)


def _table(params, X, y, **given):
    """Return the moments of a batch, which may be one of a single group."""
    return ConceptEraser(**params).partial_fit(X, y, **given).moments_


def test_moments_of_another_site_erase_features_alone():
    X, group, _ = rows(200, 4)
    both = np.c_[group == "a", X]
    there = ConceptEraser(sensitive_features=0).fit(both)
    here = ConceptEraser(sensitive_features=0).fit_moments(there.moments_)
    for features in (X, both):
        np.testing.assert_allclose(here.transform(features), there.transform(both), rtol=1e-12)
    assert here.n_features_in_ == len(here.get_feature_names_out()) == 4
    with pytest.raises(ValueError, match="5 features"):
        here.transform(np.c_[both, both[:, 0]])
    with pytest.raises(ValueError, match="3 features"):
        here.transform(X[:, 1:])


@pytest.mark.parametrize(
    "damage",
    [
        {"mean": [float("nan")] * 4},
        {"mean": [0.0] * 1_000_000},  # the matrix of which no memory holds
        {"scatter": [-1.0] * 10},
        {"label_weights": [1.0]},
        {"label_weights": [-1.0, 200.0, 1.0]},
        {"label_sums": [[0.0] * 4]},
        {"precision": float("nan")},
        {"weight_squares": 0},
        {"labels": [1, 1, 2]},
        {"names": "group"},
        {"features": ["a"]},
        {"groups": ["a", "a", "b"]},
        {"groups": ["a"]},
        {"weights": [[1.0, 2.0]]},
        {"weights": [[1.0] * 3] * 3},
        {"sums": [[0.0] * 4] * 3},
        {"kind": ["GroupMoments"]},
    ],
    ids=lambda damage: next(iter(damage)),
)
def test_damaged_states_are_refused(damage):
    X, group, label = rows(200, 4)
    state = ConceptEraser(within_label=True).fit(X, label, sensitive_features=group).moments_.to_state()
    assert FeatureMoments.from_state(state).to_state() == state
    with pytest.raises(ValueError, match=r"no state that FeatureMoments\.to_state wrote") as refused:
        FeatureMoments.from_state(state | damage)
    assert len(str(refused.value)) < 300


def test_damaged_states_of_a_continuous_attribute_are_refused():
    X, _, _ = rows(200, 4)
    state = ConceptEraser(continuous=True).fit(X, sensitive_features=X[:, 0]).moments_.to_state()
    assert FeatureMoments.from_state(state).to_state() == state
    for damage in ({"products": [[1.0]]}, {"cross": [[[0.0] * 3]]}, {"value_mean": [float("inf")]}):
        with pytest.raises(ValueError, match=r"no state that FeatureMoments\.to_state wrote"):
            FeatureMoments.from_state(state | damage)


def test_labels_that_are_written_alike_are_shown_apart():
    X, group, label = rows(200, 4)
    there, here = (
        ConceptEraser(within_label=True).fit(X, labels, sensitive_features=group).moments_
        for labels in (label, label.astype(str))
    )
    shown = str(there + here)
    for name in ("n of 0", "n of '0'", "n of 2", "n of '2'"):
        assert name in shown


def test_moments_are_sums_over_rows():
    X, group, label = rows(200, 4)
    moments = ConceptEraser(within_label=True).fit(X, label, sensitive_features=group).moments_
    deviations = X - X.mean(0)
    np.testing.assert_allclose(moments.mean, X.mean(0))
    np.testing.assert_allclose(moments.scatter, deviations.T @ deviations, rtol=1e-12)
    for i, g in enumerate("abc"):
        for j in range(3):
            cell = (group == g) & (label == j)
            assert moments.weights[i, j] == cell.sum()
            np.testing.assert_allclose(moments.sums[i, j], deviations[cell].sum(0), atol=1e-9)


def test_features_far_from_zero_keep_their_digits():
    X, group, _ = rows(scaled=False)
    far = X + 1e8
    expected = ConceptEraser().fit_transform(X, sensitive_features=group)
    erased = ConceptEraser().fit_transform(far, sensitive_features=group)
    np.testing.assert_allclose(erased - 1e8, expected, atol=1e-6)  # 1e8 has eight digits after the point


def test_single_precision_stays_and_statistics_are_in_double():
    X, group, _ = rows(scaled=False)
    eraser = ConceptEraser().fit(X.astype(np.float32), sensitive_features=group)
    erased = eraser.transform(X.astype(np.float32))
    assert erased.dtype == np.float32
    assert eraser.mean_.dtype == eraser.left_.dtype == np.float64
    assert largest_gap(erased.astype(float), group) < 1e-5
    np.testing.assert_allclose(erased, ConceptEraser().fit_transform(X, sensitive_features=group), atol=1e-4)


# --- variants -----------------------------------------------------------------------------------------------


#: It used one mean for all sensitive columns together in 0.13.
centres_each_column = pytest.mark.skipif(
    tuple(map(int, fairlearn.__version__.split(".")[:2])) < (0, 15),
    reason="CorrelationRemover centred all sensitive columns by one mean",
)


@centres_each_column
def test_aware_is_the_correlation_remover_of_fairlearn():
    X, group, _ = rows()
    indicators = (group[:, None] == np.array(list("ab"))) * 1.0
    new, new_group, _ = rows(seed=0, n=700)
    new_indicators = (new_group[:, None] == np.array(list("ab"))) * 1.0
    remover = CorrelationRemover(sensitive_feature_ids=[0, 1]).fit(np.c_[indicators, X])
    eraser = ConceptEraser(aware=True).fit(X, sensitive_features=group)
    for features, who, columns in ((X, group, indicators), (new, new_group, new_indicators)):
        np.testing.assert_allclose(
            eraser.transform(features, sensitive_features=who),
            remover.transform(np.c_[columns, features]),
            rtol=1e-9,
            atol=1e-9 * X.std(0).max(),
        )


@centres_each_column
def test_aware_and_continuous_is_the_correlation_remover_of_fairlearn():
    X, _, _ = rows(scaled=False)
    ages = np.random.default_rng(1).normal(40, 10, (len(X), 2)) + X[:, :2]
    eraser = ConceptEraser(aware=True, continuous=True)
    expected = CorrelationRemover(sensitive_feature_ids=[0, 1]).fit_transform(np.c_[ages, X])
    np.testing.assert_allclose(eraser.fit_transform(X, sensitive_features=ages), expected, atol=1e-9)


@pytest.mark.parametrize("within", [False, True])
def test_a_continuous_attribute_is_uncorrelated_afterwards(within):
    X, _, label = rows(scaled=False)
    rng = np.random.default_rng(1)
    age = 1.7e9 + 1e6 * (rng.normal(size=len(X)) + X[:, 0] + label)
    income = rng.exponential(size=len(X)) * (1 + label) + X[:, 1]
    attributes = np.column_stack([age, income, np.full(len(X), 3.0), 2 * income - 1])
    eraser = ConceptEraser(continuous=True, within_label=within)
    erased = eraser.fit_transform(X, label, sensitive_features=attributes)
    for there in [label == c for c in range(3)] if within else [np.ones(len(X), bool)]:
        # From the times themselves a float keeps seven digits of the deviations.
        assert np.abs(np.corrcoef(erased[there].T, age[there])[-1, :-1]).max() < 1e-7
        assert np.abs(np.corrcoef(erased[there].T, income[there])[-1, :-1]).max() < 1e-10
    assert eraser.rank_ == (6 if within else 2)
    assert not hasattr(eraser, "groups_")


def test_an_intersection_is_erased_and_with_it_each_attribute():
    X, group, _ = rows()
    other = np.random.default_rng(1).choice(["x", "y"], len(X))
    X = X + ((other == "x") & (group == "a"))[:, None] * X.std(0)
    erased = ConceptEraser().fit_transform(X, sensitive_features=np.column_stack([group, other]))
    both = np.char.add(group.astype(str), other)
    for who in (both, group, other):
        assert largest_gap(erased, who, scale=X.std(0)) <= 1e-12


def test_labels_that_go_with_the_groups_cannot_be_preserved():
    X, group, _ = rows(groups="ab", shares=(0.5, 0.5), scaled=False)
    with pytest.raises(ValueError, match=r"preserve_label=True cannot be met.* a, b apart"):
        ConceptEraser(preserve_label=True).fit(X, group == "a", sensitive_features=group)
    ConceptEraser(preserve_label=True, within_label=True).fit(X, group == "a", sensitive_features=group)


def test_within_labels_helps_equalized_odds_on_adult():
    X, y = load_adult(return_X_y=True)
    X = X.iloc[:12_000]
    sex, label = X["sex"].to_numpy(), y.to_numpy()[:12_000] == ">50K"
    numbers = X.select_dtypes("number").to_numpy(float)
    gaps = {}
    for name, params in {"raw": None, "parity": {}, "odds": {"within_label": True}}.items():
        features = numbers
        if params is not None:
            features = ConceptEraser(**params).fit_transform(numbers, label, sensitive_features=sex)
        scores = LinearRegression().fit(features, label).predict(features)
        gaps[name] = [
            abs(np.subtract(*[scores[(sex == s) & there].mean() for s in ("Male", "Female")]))
            for there in (label, np.ones(len(label), bool))
        ]
    assert gaps["odds"][0] < 1e-10 < gaps["raw"][0]  # mean scores of the positive rows
    assert gaps["parity"][1] < 1e-10 < gaps["odds"][1] < gaps["raw"][1]  # of all rows


# --- the report ---------------------------------------------------------------------------------------------


def test_the_report_says_what_was_told_and_how_much_was_changed():
    X, group, label = rows(scaled=False)
    eraser = ConceptEraser(shrinkage=0).fit(X, sensitive_features=group)
    erased, report = eraser.transform(X), eraser.erased_
    edits = np.sqrt(np.mean((erased - X) ** 2, axis=0)) / X.std(0)
    np.testing.assert_allclose(report.feature_edits, edits, rtol=1e-9)
    assert report.edit == pytest.approx(np.sqrt(np.mean(edits**2)))
    assert report.rank == eraser.rank_ == 2
    # Two groups: the canonical correlation is the multiple correlation of the indicator with the features.
    two = group == "a"
    told = ConceptEraser().fit(X, sensitive_features=two).erased_
    multiple = np.sqrt(LinearRegression().fit(X, two).score(X, two))
    assert told.before["groups"].max() == pytest.approx(multiple, rel=1e-9)
    assert told.smallest == ("False", np.sum(~two))
    assert told.after["groups"].max() < 1e-10
    kept = ConceptEraser(within_label=True).fit(X, label, sensitive_features=group).erased_
    assert kept.after["groups within labels"].max() < 1e-10 < kept.after["groups"].max()
    aware = ConceptEraser(aware=True).fit(X, sensitive_features=group)
    moved = aware.transform(X, sensitive_features=group) - X
    assert aware.erased_.edit == pytest.approx(np.sqrt(np.mean(moved**2 / X.var(0))))
    assert aware.erased_.after["groups"].max() < 1e-10


@pytest.mark.parametrize("params", [{}, {"metric": "identity"}, {"aware": True}], ids=str)
def test_the_report_says_what_is_left_of_the_label(params):
    """Multiple correlations by least squares; erased features have much less variance than before."""
    rng = np.random.default_rng(0)
    group, label = rng.integers(0, 2, (2, 4000))
    X = rng.normal(size=(4000, 1)) + rng.normal(size=(4000, 3))
    X[:, 0] += label + group
    X[:, 2] += group
    moments = ConceptEraser(within_label=True).fit(X, label, sensitive_features=group).moments_
    eraser = ConceptEraser(**params).fit_moments(moments)
    told = eraser.erased_
    after = eraser.transform(X, sensitive_features=group)
    for features, said in ((X, told.before["labels"]), (after, told.after["labels"])):
        centred, wanted = features - features.mean(0), label - label.mean()
        fitted = centred @ np.linalg.lstsq(centred, wanted, rcond=1e-9)[0]
        correlation = np.sqrt(fitted @ fitted / (wanted @ wanted))
        assert correlation > 0.3
        assert said.max() == pytest.approx(correlation, abs=0.002)  # shrunk a little


@pytest.mark.filterwarnings("default:All .* directions of the features")
def test_a_warning_says_if_nothing_is_left_to_learn_from():
    X = load_adult(return_X_y=True)[0].iloc[:2000][["age", "education-num", "hours-per-week"]]
    with pytest.warns(UserWarning, match="distinct numbers"), pytest.warns(UserWarning, match="All 2 dir"):
        ConceptEraser(sensitive_features="age").fit(X)
    erased = ConceptEraser(sensitive_features="age", continuous=True).fit(X).erased_  # says nothing
    assert erased.rank == 1
