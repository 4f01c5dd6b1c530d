"""Strata of a net: groups are compared within each, and predictions need none."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.dataset import Dataset
from skorch.helper import SliceDict, predefined_split
from torch import nn

from fairsk import FairClassifier, FairLoss, SensitiveRouter
from fairsk.neural import BoundedLoss
from fairsk.neural._comparisons import GroupComparison

FIXED = {"max_epochs": 4, "batch_size": 50, "penalty_weight": 1.0, "random_state": 0}


def make_rows(n=900, seed=0):
    """Return X, labels, groups a and b, and departments: b leads in art, and a in law, by as much."""
    rng = np.random.default_rng(seed)
    group, department = rng.choice(["a", "b"], n), rng.choice(["art", "law"], n)
    lead = np.where(department == "art", 1.0, -1.0) * (group == "b")
    X = np.column_stack([rng.normal(size=n) + lead, rng.normal(size=n), department == "art"])
    return X, (X[:, 0] + X[:, 1] + rng.normal(size=n) > 0).astype(int), group, department


def fit(data=None, **params):
    X, y, group, department = make_rows() if data is None else data
    return FairClassifier(**params).fit(X, y, sensitive_features=group, strata=department)


def gaps(predicted, group, strata):
    """Return the gap of the selection rates of two groups in every stratum, counted by pandas."""
    rates = pd.Series(predicted).groupby([np.asarray(strata), np.asarray(group)]).mean().unstack()
    return (rates["a"] - rates["b"]).abs().to_dict()


# --- what is held ---------------------------------------------------------------------------------------


def test_the_bound_is_held_in_every_stratum():
    X, y, group, department = make_rows()
    plain = FairClassifier(max_difference=0.1, bound_on="training", random_state=0).fit(
        X, y, sensitive_features=group
    )
    assert min(gaps(plain.predict(X), group, department).values()) > 0.2  # they cancel out
    classifier = fit(max_difference=0.1, bound_on="training", random_state=0)
    found = gaps(classifier.predict(X), group, department)
    assert max(found.values()) <= 0.1
    assert classifier.score(X, y) > 0.65
    assert classifier.strata_ == ("art", "law")
    report = classifier.report_
    assert report.disparity == pytest.approx(max(found.values()))
    [part] = report.worst
    assert part.stratum == max(found, key=found.get)
    assert f"largest within a stratum: {part.stratum}" in str(report)
    assert {each.stratum: each.disparity for each in report.within} == pytest.approx(found)
    assert f"{part.stratum}: demographic_parity difference" in str(report)
    low, high = report.interval
    assert low <= report.disparity <= high
    assert (
        json.loads(json.dumps(report.to_dict(), allow_nan=False))["constraints"][0]["stratum"] == part.stratum
    )
    assert report.counts_by_group.n.tolist() == [np.sum(group == "a"), np.sum(group == "b")]
    names = set(classifier.history_[-1]["multipliers"])
    assert names == {"selection_rate, art", "selection_rate, law"}


def test_a_ratio_is_held_in_every_stratum():
    classifier = fit(min_ratio=0.75, random_state=0)
    assert {each.stratum: each.disparity >= 0.75 for each in classifier.report_.within} == {
        "art": True,
        "law": True,
    }


def test_the_warning_of_a_bound_that_is_missed_names_the_stratum():
    message = r"did not learn from it, in the stratum (art|law) is"
    with pytest.warns(UserWarning, match=message):
        fit(max_difference=0.001, max_epochs=2, batch_size=16, random_state=0)


def test_one_stratum_is_none():
    X, y, group, _ = make_rows()
    params = {"max_difference": 0.1, "random_state": 0, "max_epochs": 30, "dtype": "float64"}
    whole = FairClassifier(**params).fit(X, y, sensitive_features=group)
    one = FairClassifier(**params).fit(X, y, sensitive_features=group, strata=np.zeros(len(y), int))
    assert np.allclose(one.predict_proba(X), whole.predict_proba(X), atol=1e-9)
    assert one.report_.disparity == whole.report_.disparity


def test_strata_come_with_classes_and_separate_columns():
    X, y, group, department = make_rows()
    labels = np.where(X[:, 1] > 0.8, 2, y)
    other = np.where(np.random.default_rng(3).random(len(y)) < 0.5, "u", "v")
    classifier = FairClassifier(combine="separate", **FIXED).fit(
        X, labels, sensitive_features=np.column_stack([group, other]), strata=department
    )
    reports = [classifier.report_, *classifier.report_.others]
    predicted = classifier.predict(X)
    for report in reports:
        values = group if report.column == "sensitive_features[0]" else np.where(other == "u", "a", "b")
        found = gaps(predicted == report.pos_label, values, department)
        assert report.disparity == pytest.approx(max(found.values()))
    assert len(reports) == 6  # three classes, two columns


# --- small cells ----------------------------------------------------------------------------------------


def test_groups_that_are_small_in_a_stratum_take_no_part_there():
    X, y, group, department = make_rows()
    department = department.astype("<U8")
    department[:70] = "zoo"
    group[:60], group[60:70] = "a", "b"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        classifier = fit((X, y, group, department), max_difference=0.1, bound_on="training", random_state=0)
    said = [str(each.message) for each in caught]
    assert any("b in zoo (10 for selection_rate). Training passes over" in each for each in said)
    assert any(
        "Fewer than two groups can be compared under demographic_parity (zoo)" in each for each in said
    )
    assert sum("zoo" in each for each in said) == 2
    found = gaps(classifier.predict(X), group, department)
    assert classifier.report_.disparity == pytest.approx(max(found["art"], found["law"]))
    assert classifier.report_.disparity <= 0.1
    assert classifier.report_.exempt == ()  # both are covered somewhere


def test_a_rate_that_no_stratum_has_in_two_groups_is_refused():
    X, y, group, department = make_rows()
    nested = [f"{each} of {who}" for who, each in zip(group, department, strict=True)]
    with pytest.raises(ValueError, match="two groups of one stratum, so fewer than two groups are left"):
        fit((X, y, group, nested), max_difference=0.1)


# --- where the values come from -------------------------------------------------------------------------


def test_strata_are_named_or_passed_and_are_not_seen_by_the_net():
    X, y, group, department = make_rows()
    frame = pd.DataFrame(X, columns=list("uvw"))
    full = frame.assign(sex=group, department=department)
    passed = FairClassifier(**FIXED).fit(frame, y, sensitive_features=group, strata=department)
    named = FairClassifier(sensitive_features="sex", strata="department", **FIXED).fit(full, y)
    assert named.n_features_in_ == 3
    expected = passed.predict_proba(frame)
    for rows in (full, frame, full.drop(columns="sex"), full.drop(columns="department")):
        assert np.array_equal(named.predict_proba(rows), expected)
    by_call = FairClassifier(strata=lambda X: department, **FIXED).fit(frame, y, sensitive_features=group)
    assert np.array_equal(by_call.predict_proba(frame), expected)
    overridden = FairClassifier(sensitive_features="sex", strata="department", **FIXED)
    overridden.fit(full.assign(department="x"), y, strata=department)
    assert np.array_equal(overridden.predict_proba(frame), expected)
    coded = np.column_stack([X, group == "b", department == "law"]).astype(float)
    numbered = FairClassifier(sensitive_features=3, strata=4, **FIXED).fit(coded, y)
    assert np.array_equal(numbered.predict_proba(coded), expected)
    assert np.array_equal(numbered.predict_proba(X), expected)
    entries = {"X": X, "department": department}

    class Entry(nn.Linear):
        def forward(self, X):
            return super().forward(X)

    of_dict = FairClassifier(Entry(3, 2), strata="department", **FIXED)
    of_dict.fit(SliceDict(**entries), y, sensitive_features=group)
    assert of_dict.input_names_ == ("X",)
    assert of_dict.strata_ == ("art", "law")


def test_several_columns_make_strata_of_their_combinations():
    X, y, group, department = make_rows()
    half = np.arange(len(y)) % 2
    both = np.column_stack([department.astype(object), half])
    classifier = fit((X, y, group, both), **FIXED)
    assert classifier.strata_ == (("art", 0), ("art", 1), ("law", 0), ("law", 1))


def test_strata_reach_the_last_step_of_a_pipeline(routing):
    X, y, group, department = make_rows()
    prefix = "" if routing else "fairclassifier__"
    given = {f"{prefix}sensitive_features": group, f"{prefix}strata": department}
    pipeline = make_pipeline(StandardScaler(), FairClassifier(**FIXED)).fit(X, y, **given)
    assert pipeline[-1].strata_ == ("art", "law")


@pytest.mark.parametrize(
    ("strata", "message"),
    [
        (np.zeros(5), "strata has 5 rows where 900 are expected"),
        (np.full(900, None), "column of strata 'strata' is missing"),
        (np.random.default_rng(0).random(900), "column of strata 'strata' looks continuous"),
    ],
)
def test_strata_that_are_none_are_refused(strata, message):
    X, y, group, _ = make_rows()
    with pytest.raises(ValueError, match=message):
        fit((X, y, group, strata), **FIXED)


def test_a_column_of_strata_that_there_is_not_is_named():
    X, y, group, department = make_rows()
    frame = pd.DataFrame(X, columns=list("uvw")).assign(department=department)
    with pytest.raises(ValueError, match=r"The column of strata 'departement' is not in X.*'department'"):
        FairClassifier(strata="departement", **FIXED).fit(frame, y, sensitive_features=group)


def test_rows_of_ones_own_have_strata():
    X, y, group, department = make_rows(300, seed=1)
    target = {"y": y, "sensitive_features": group, "strata": department}
    split = predefined_split(Dataset(X, target))
    classifier = fit(net_params={"train_split": split}, **FIXED)
    kept = classifier.history_[classifier.best_epoch_ - 1]
    found = gaps(classifier.predict(X), group, department)
    assert kept["valid_disparity"] == pytest.approx(max(found.values()))
    del target["strata"]
    with pytest.raises(ValueError, match="it has no 'strata'"):
        fit(net_params={"train_split": predefined_split(Dataset(X, target))}, **FIXED)


# --- going on -------------------------------------------------------------------------------------------


def test_later_calls_have_the_strata_of_the_first():
    X, y, group, department = make_rows()
    classifier = FairClassifier(batch_size=100, random_state=0)
    given = {"sensitive_features": group, "strata": department}
    classifier.partial_fit(X, y, **given).partial_fit(X[:50], y[:50], **{k: v[:50] for k, v in given.items()})
    assert classifier.n_iter_ == 2
    with pytest.raises(ValueError, match="had no rows of the strata zoo"):
        classifier.partial_fit(X, y, sensitive_features=group, strata=np.full(len(y), "zoo"))
    with pytest.raises(ValueError, match="had strata, and this one has none"):
        classifier.partial_fit(X, y, sensitive_features=group)
    with pytest.raises(ValueError, match=r"strata_ changed from \['art', 'law'\] to None"):
        classifier.set_params(warm_start=True).fit(X, y, sensitive_features=group)


# --- the losses -----------------------------------------------------------------------------------------


def within(n_strata, n_groups=2):
    """Compare groups within strata, whose cells are numbered group by group."""
    cells = np.arange(n_groups * n_strata)
    return [
        GroupComparison(1, tuple(np.where(cells % n_strata == s, cells // n_strata, -1).tolist()), stratum=s)
        for s in range(n_strata)
    ]


@pytest.mark.parametrize("penalty", ["squared_gap", "ermi", "hsic", "wasserstein", "covariance"])
def test_a_penalty_is_the_mean_over_the_strata(penalty):
    rng = np.random.default_rng(0)
    logits = torch.tensor(rng.normal(size=(300, 2)))
    y, group, stratum = (torch.tensor(rng.integers(0, k, 300)) for k in (2, 2, 3))
    loss = FairLoss(penalty=penalty, comparisons=within(3), n_groups=6).eval()
    plain = FairLoss(penalty=penalty).eval()
    cross_entropy = nn.functional.cross_entropy
    task = cross_entropy(logits, y)
    parts = []
    for s in range(3):
        rows = stratum == s
        target = {"y": y[rows], "group": group[rows]}
        parts.append(plain(logits[rows], target) - cross_entropy(logits[rows], y[rows]))
    value = loss(logits, {"y": y, "group": group * 3 + stratum}) - task
    assert float(value) == pytest.approx(float(sum(parts)) / 3, rel=1e-6)


def test_a_group_of_a_stratum_is_pushed_as_one_of_an_intersection():
    """The same violation in a half of the rows is pushed less than in all of them: by the root of a half."""
    tables = torch.tensor([[20.0, 30.0], [0.0, 0.0], [0.0, 0.0], [30.0, 20.0]]).double().expand(2, 4, 2)
    forces = []
    for n in (1, 2):
        loss = BoundedLoss(max_difference=0.1, comparisons=within(n))
        loss.update_multipliers(tables[:n], 0.0)
        forces.append(loss.forces[0, 0, :2].numpy())
    # The stiffness, sqrt(share), times a violation by the variance of a rate of .5; windows differ little.
    violation = [0.2 - (1 - 0.02 * np.log2(2 * n)) * 0.1 for n in (1, 2)]
    expected = [np.sqrt(0.5 / n) / 0.25 * violation[n - 1] / 2 for n in (1, 2)]
    for force, size in zip(forces, expected, strict=True):
        assert force == pytest.approx([-size, size])


@pytest.mark.parametrize("inside", [None, "department"], ids=["router alone", "net as well"])
def test_a_router_hands_the_column_of_strata_to_a_net_last_in_a_pipeline(inside, routing):
    X, y, group, department = make_rows(n=300)
    frame = pd.DataFrame(X[:, :2], columns=["x", "z"]).assign(group=group, department=department)
    scale = make_column_transformer((StandardScaler(), ["x", "z"]))
    net = FairClassifier(strata=inside, **FIXED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SensitiveRouter(make_pipeline(scale, net), sensitive_features="group", strata="department")
        routed = model.fit(frame, y)
        direct = FairClassifier(**FIXED).fit(
            scale.fit_transform(frame).astype(np.float32), y, sensitive_features=group, strata=department
        )
    assert routed.estimator_[-1].strata_ == ("art", "law")
    np.testing.assert_array_equal(
        routed.predict_proba(frame.drop(columns="group")), direct.predict_proba(scale.transform(frame))
    )
