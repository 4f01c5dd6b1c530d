"""Bounds on rows while they are held out: which replica learned from which row, and what new rows get."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from skorch import NeuralNet
from skorch.dataset import ValidSplit
from skorch.hf import AccelerateMixin
from torch import nn
from torch.utils.data import DataLoader, Subset

from fairsk import FairClassifier
from fairsk.metrics import GroupCounts, disparity

FEW = {"max_epochs": 2, "batch_size": 51, "random_state": 0}  # an odd size, which becomes an even one
BOUND_MAY_BE_MISSED = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def make_rows(n=203, seed=0):
    """Return X, whose first column is the number of the row, y, and groups a, b, c."""
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    X = rng.normal(size=(n, 4)) + 0.8 * (group[:, None] == "b") * [0, 1, 0, 0]
    y = (X[:, 1] + X[:, 2] + rng.normal(size=n) > 0.4).astype(int)
    X[:, 0] = np.arange(n)
    return X, y, group


def fit(data=None, **params):
    X, y, group = make_rows() if data is None else data
    return FairClassifier(**params).fit(X, y, sensitive_features=group)


class Learned(nn.Module):
    """Knows the numbers of the rows that it was trained on; the numbers are no feature."""

    def __init__(self):
        super().__init__()
        self.layer, self.rows = nn.Linear(3, 2), set()

    def forward(self, X):
        if self.training:
            self.rows.update(X[:, 0].int().tolist())
        return self.layer(X[:, 1:])


class AcceleratedNet(AccelerateMixin, NeuralNet):
    pass


# --- no row is decided about by a net that learned from it ------------------------------------------------


def once(classifier, X, y, group):
    return classifier.fit(X, y, sensitive_features=group)


def again(classifier, X, y, group):
    once(classifier, X, y, group)
    return classifier.set_params(warm_start=True, random_state=7).fit(X, y, sensitive_features=group)


def in_parts(classifier, X, y, group):
    for _ in range(2):
        for part in np.array_split(np.arange(len(y)), 2):  # each with some rows of every group
            classifier.partial_fit(X[part], y[part], sensitive_features=group[part])
    return classifier


@BOUND_MAY_BE_MISSED
@pytest.mark.parametrize(
    ("train", "params"),
    [
        (once, {}),
        (once, {"batch_size": -1}),
        (once, {"batch_size": 1, "max_epochs": 1}),
        (once, {"early_stopping": True}),
        (once, {"net_params": {"iterator_train": DataLoader}}),
        (once, {"net_params": {"iterator_train__drop_last": True}}),
        (once, {"net_params": {"iterator_train": DataLoader, "iterator_train__batch_size": 33}}),
        (once, {"net_params": {"train_split": ValidSplit(4, stratified=False)}}),
        (again, {}),
        (again, {"early_stopping": True, "net_params": {"iterator_train": DataLoader}}),
    ],
    ids=[
        "all defaults",
        "one batch",
        "batches of one row",
        "a tenth held out",
        "fetched one by one",
        "whole batches only",
        "fetched in odd batches",
        "a split of one's own",
        "again",
        "again, a tenth held out",
    ],
)
def test_every_row_is_decided_about_by_the_replica_that_did_not_learn_from_it(train, params):
    X, y, group = make_rows()
    classifier = train(FairClassifier(Learned, **{**FEW, **params}), X, y, group)
    module = classifier.net_.module_
    first, second = (replica.rows for replica in module.replicas)
    assert not first & second
    held_out = set(range(len(y))) - first - second
    if params in ({}, {"batch_size": -1}):
        assert not held_out
    elif "early_stopping" in params:
        assert len(held_out) == 20
    with torch.no_grad():
        rows = torch.tensor(X, dtype=torch.float32)
        by_first, by_second, by_both = (
            logits.argmax(1).numpy()
            for logits in (module.replicas[0](rows), module.replicas[1](rows), module.eval()(rows))
        )
    assert np.array_equal(classifier.predict(X), by_both)
    is_in = [np.isin(np.arange(len(y)), list(each)) for each in (first, second)]
    decided = np.select(is_in, [by_second, by_first], by_both)
    if not held_out or "early_stopping" in params or "train_split" in params.get("net_params", {}):
        expected = GroupCounts.from_predictions(y, decided, sensitive_features=group, pos_label=1)
        assert classifier.report_.counts.cells["tp"].tolist() == expected.cells["tp"].tolist()
        assert classifier.report_.counts.cells["fp"].tolist() == expected.cells["fp"].tolist()
        kept = classifier.history_[classifier.best_epoch_ - 1]
        of_compared = expected.compare("demographic_parity")
        assert classifier.report_.disparity == pytest.approx(of_compared)
        if not held_out:
            assert kept["disparity"] == pytest.approx(of_compared)


@BOUND_MAY_BE_MISSED
def test_accelerated_replicas_leave_out_their_rows():
    accelerate = pytest.importorskip("accelerate")
    net_params = {"net": AcceleratedNet, "accelerator": accelerate.Accelerator(cpu=True)}
    X, y, group = make_rows()
    module = again(FairClassifier(Learned, net_params=net_params, **FEW), X, y, group).net_.module_
    first, second = (replica.rows for replica in module.replicas)
    assert len(first | second) == 203
    assert not first & second


@BOUND_MAY_BE_MISSED
def test_rows_that_come_in_parts_again_and_again_are_left_out_by_the_same_replica():
    X, y, group = make_rows()
    module = in_parts(FairClassifier(Learned, min_group_size=1, **FEW), X, y, group).net_.module_
    first, second = (replica.rows for replica in module.replicas)
    assert len(first | second) > 200
    assert not first & second


# --- what new rows get ------------------------------------------------------------------------------------


def rare_positives(n, rng):
    """Return rows of four groups, of which later ones look more positive, and as few of each are."""
    order = rng.permutation(n)
    code, nth = order % 4, order // 4
    y = (nth < 0.06 * n / 4).astype(int)
    X = rng.normal(size=(n, 20))  # of these twelve are noise, to be learned by heart
    X[:, :5] += ((3 * y + np.linspace(-1, 1, 4)[code]) / np.sqrt(5))[:, None]
    X[:, 5:8] += np.random.default_rng(0).normal(scale=0.7, size=(4, 3))[code]
    return X.astype(np.float32), y, code


def test_new_rows_meet_the_bound_more_closely():
    rng = np.random.default_rng(3)
    X, y, code = rare_positives(2000, rng)
    new_X, new_y, new_code = rare_positives(100_000, rng)
    gaps = {}
    for bound_on in ("training", "held_out"):
        classifier = FairClassifier(
            constraint="equal_opportunity", max_difference=0.05, bound_on=bound_on, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of what training rows meet, and of what they say
            classifier.fit(X, y, sensitive_features=code)
        gaps[bound_on] = disparity(
            new_y, classifier.predict(new_X), sensitive_features=new_code, constraint="equal_opportunity"
        )
    assert gaps["held_out"] < 0.6 * gaps["training"]


# --- going on ---------------------------------------------------------------------------------------------


@BOUND_MAY_BE_MISSED
@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({}, {"bound_on": "training"}),
        ({"bound_on": "training"}, {"bound_on": "held_out"}),
        ({"penalty_weight": 1.0}, {"penalty_weight": None}),
    ],
    ids=str,
)
def test_another_kind_of_bound_is_refused_where_a_net_goes_on(first, then):
    X, y, group = make_rows()
    classifier = fit((X, y, group), warm_start=True, **FEW, **first)
    expected = classifier.predict_proba(X)
    classifier.set_params(**then)
    message = f"not trained with bound_on={classifier.bound_on!r}. Fit with warm_start=False"
    for call in (classifier.fit, classifier.partial_fit):
        with pytest.raises(ValueError, match=message):
            call(X, y, sensitive_features=group)
    assert np.array_equal(classifier.predict_proba(X), expected)


@BOUND_MAY_BE_MISSED
@pytest.mark.parametrize("change", [{"penalty_weight": 1.0}, {"min_group_size": 150}], ids=str)
@pytest.mark.parametrize("partial", [False, True])
def test_replicas_go_on_without_a_bound(change, partial):
    X, y, group = make_rows()
    classifier = fit((X, y, group), module=Learned, warm_start=True, **FEW).set_params(**change)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # nothing is left to compare
        getattr(classifier, "partial_fit" if partial else "fit")(X, y, sensitive_features=group)
    first, second = (replica.rows for replica in classifier.net_.module_.replicas)
    assert not first & second


# --- what is not left to the user -------------------------------------------------------------------------


class Whole:
    """A loader that knows nothing but its rows."""

    def __init__(self, dataset, batch_size):
        self.dataset = dataset

    def __len__(self):
        return 1

    def __iter__(self):
        return iter(DataLoader(self.dataset, batch_size=len(self.dataset)))


@BOUND_MAY_BE_MISSED
@pytest.mark.parametrize(
    ("net_params", "message"),
    [
        ({"iterator_train__sampler": [1, 0]}, "'iterator_train__sampler', but with bound_on='held_out'"),
        ({"iterator_train__shuffle": False}, "'iterator_train__shuffle', but with bound_on='held_out'"),
        ({"iterator_train": Whole}, "'iterator_train' that takes no sampler.*or set bound_on='training'"),
    ],
    ids=str,
)
def test_the_order_of_rows_is_not_left_to_the_user(net_params, message):
    with pytest.raises(ValueError, match=message):
        fit(net_params=net_params, **FEW)
    assert fit(net_params=net_params, bound_on="training", **FEW).n_iter_ == 2


@BOUND_MAY_BE_MISSED
def test_a_generator_of_the_users_draws_the_order():
    X, *_ = make_rows()

    def scores(seed):
        generator = torch.Generator().manual_seed(seed)
        return fit(net_params={"iterator_train__generator": generator}, **FEW).predict_proba(X)

    first, again, other = map(scores, (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@BOUND_MAY_BE_MISSED
def test_rows_that_come_twice_are_refused():
    def twice(dataset, y):
        return Subset(dataset, [*range(len(dataset)), 5]), None

    with pytest.raises(ValueError, match=r"more than once.*sample_weight"):
        fit(net_params={"train_split": twice}, **FEW)
    assert fit(net_params={"train_split": twice}, bound_on="training", **FEW).n_iter_ == 2


@BOUND_MAY_BE_MISSED
@pytest.mark.parametrize("batch_size", ["auto", -1])
def test_all_of_an_odd_number_of_rows_make_a_whole_batch(batch_size):
    net_params = {"iterator_train__drop_last": True, "callbacks__history__keep_batches": True}
    net = fit(batch_size=batch_size, net_params=net_params)
    assert net.net_.history[0, "batches", :, "train_batch_size"] == [202]


@BOUND_MAY_BE_MISSED
def test_a_module_that_returns_a_tuple_while_it_trains_is_refused():
    class Several(nn.Linear):
        def forward(self, X):
            logits = super().forward(X)
            return (logits, X) if self.training else logits

    with pytest.raises(ValueError, match=r"must return logits of shape .* it returned tuple"):
        fit(module=Several(4, 2), **FEW)
