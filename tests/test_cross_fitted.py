"""Cross-fitted nets: which replica learns from which row, and which decides about it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from skorch.callbacks import Freezer
from torch import nn

from fairsk import FairClassifier
from fairsk.neural._cross_fitted import CrossFitted, FoldOrder, Replicate
from fairsk.neural._module import MLP


class Named(nn.Module):
    """Returns its number for every row, whatever the row."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = number

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return torch.full((len(X), 2), float(self.number))


def cells_of(n_samples: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 4, n_samples)


@pytest.mark.parametrize("n_folds", [2, 3, 5])
@pytest.mark.parametrize("n_samples", [40, 43, 61])
def test_no_replica_learns_from_the_rows_it_decides_about(n_folds, n_samples):
    torch.manual_seed(0)
    order = FoldOrder(cells_of(n_samples), n_folds, seed=1)
    learned = [set() for _ in range(n_folds)]
    for _ in range(40):
        rows = list(order)
        assert len(rows) == len(order) == len(set(rows)) == n_samples // n_folds * n_folds
        for place, row in enumerate(rows):
            learned[place % n_folds].add(row)
    rows = order.out_of_fold().tolist()
    assert sorted(rows) == list(range(n_samples))
    for place, row in enumerate(rows):
        for k in range(n_folds):
            assert (row in learned[k]) == (k != place % n_folds)


def test_folds_hold_equally_many_rows_of_every_cell():
    cells = np.repeat([0, 1, 2], [40, 12, 7])
    order = FoldOrder(cells, n_folds=4, seed=0)
    counts = np.array([np.bincount(cells[fold.numpy()], minlength=3) for fold in order.folds])
    assert np.ptp(counts, axis=0).max() <= 1


def test_every_batch_has_equally_many_rows_of_every_fold():
    order = FoldOrder(cells_of(400), n_folds=4, seed=0)
    fold_of = np.empty(400, dtype=int)
    for k, rows in enumerate(order.folds):
        fold_of[rows.numpy()] = k
    for batch in order.training().split(40):
        assert np.bincount(fold_of[batch.numpy()]).tolist() == [10, 10, 10, 10]


def test_rows_go_to_the_replica_of_their_place():
    net = CrossFitted([Named(k) for k in range(4)], seed=0)
    X = torch.zeros(10, 3)
    net.train()
    assert net(X)[:, 0].tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    net.eval()
    assert net(X)[:, 0].tolist() == [1.5] * 10  # the mean of all
    with net.out_of_fold():
        assert net(X)[:, 0].tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert net(X)[:, 0].tolist() == [1.5] * 10


def test_named_inputs_are_divided_alike():
    class Difference(nn.Module):
        def forward(self, ids, mask):
            return torch.stack([ids[:, 0] - mask[:, 0], ids[:, 0]], 1)

    net = CrossFitted([Difference() for _ in range(3)], seed=0).train()
    ids, mask = torch.arange(7.0)[:, None], 2 * torch.arange(7.0)[:, None]
    assert net(ids=ids, mask=mask)[:, 0].tolist() == [0, -1, -2, -3, -4, -5, -6]


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta state")
def test_sparse_rows_are_divided_as_dense_ones():
    X = torch.from_numpy(np.random.default_rng(0).integers(0, 3, (11, 5)).astype(np.float32))
    torch.manual_seed(0)
    net = CrossFitted([MLP(5, hidden_layer_sizes=(3,)) for _ in range(3)], seed=0).train()
    assert net.takes_sparse
    assert torch.allclose(net(X.to_sparse_csr()), net(X), atol=1e-6)


def test_a_replica_learns_as_from_the_mean_of_its_own_rows():
    rng = np.random.default_rng(0)
    X, y = torch.tensor(rng.normal(size=(12, 2))), torch.tensor(rng.integers(0, 2, 12))
    module = nn.Linear(2, 2).double()
    net = CrossFitted([module, nn.Linear(2, 2).double(), nn.Linear(2, 2).double()], seed=0).train()
    logits = net(X)
    assert torch.equal(logits[::3], module(X[::3]))
    nn.functional.cross_entropy(logits, y).backward()
    alone = nn.Linear(2, 2).double()
    alone.load_state_dict(module.state_dict())
    nn.functional.cross_entropy(alone(X[::3]), y[::3]).backward()
    assert torch.allclose(module.weight.grad, alone.weight.grad, rtol=1e-12)


def test_no_replica_gets_a_batch_of_no_rows():
    class SomeRows(nn.Module):
        def forward(self, X):
            assert len(X)
            return X[:, :2]

    net = CrossFitted([SomeRows() for _ in range(4)], seed=0)
    for n in (1, 3, 5):
        X = torch.arange(3.0 * n).view(n, 3)
        assert torch.equal(net.train()(X), X[:, :2])


def test_the_folds_come_with_the_weights():
    old, new = (CrossFitted([nn.Linear(2, 2), nn.Linear(2, 2)], seed=seed) for seed in (5, 6))
    new.load_state_dict(old.state_dict())
    assert new.seed == 5


def test_an_instance_is_copied_and_a_class_is_called_for_every_replica():
    given = nn.Linear(2, 2)
    copies = Replicate(given, n_folds=3, seed=0)()
    assert all(torch.equal(each.weight, given.weight) for each in copies.replicas)
    assert len({each.weight.data_ptr() for each in (*copies.replicas, given)}) == 4
    made = Replicate(nn.Linear, n_folds=3, seed=0)(in_features=2, out_features=2)
    assert not torch.equal(made.replicas[0].weight, made.replicas[1].weight)


class InPlace(nn.Module):
    """Changes the rows that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return self.layer(X.mul_(2))


@pytest.mark.parametrize("keeps_all", [False, True])
def test_replicas_have_no_weights_in_common(keeps_all):
    encoder = nn.Linear(3, 4)
    whole = nn.Sequential(encoder, nn.Linear(4, 2))
    first, second = Replicate(
        lambda: whole if keeps_all else nn.Sequential(encoder, nn.Linear(4, 2)), n_folds=2, seed=0
    )().replicas
    assert not {id(each) for each in first.parameters()} & {id(each) for each in second.parameters()}
    assert torch.equal(first[0].weight, encoder.weight)
    assert torch.equal(second[0].weight, encoder.weight)
    assert torch.equal(first[1].weight, second[1].weight) == keeps_all


def test_modules_may_work_in_place():
    torch.manual_seed(0)
    net = CrossFitted([InPlace(), InPlace()], seed=0)
    X = torch.randn(8, 3)
    first, second = (replica.layer(2 * X) for replica in net.replicas)
    expected = torch.stack([first[::2], second[1::2]], 1).flatten(0, 1)
    rows = X.clone()
    logits = net(rows)
    logits.sum().backward()  # autograd refuses where a row of one replica is changed by another
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(net.eval()(X), (first + second) / 2)


def test_fewer_rows_than_folds():
    with pytest.raises(ValueError, match=r"n_samples = 3\): too few. Give more rows at once"):
        FoldOrder(np.zeros(3, dtype=int), n_folds=4, seed=0)


def test_patterns_of_names_are_those_of_the_users_module():
    """Groups of the optimizer and callbacks find a parameter by its name, in every replica."""
    rng = np.random.default_rng(0)
    X, y, group = rng.normal(size=(90, 2)), rng.integers(0, 2, 90), rng.integers(0, 2, 90)
    net = FairClassifier(
        nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2)),
        bound_on="held_out",
        max_epochs=100,
        callbacks=[Freezer("0.*")],
        net_params={"optimizer__param_groups": [("2.*", {"weight_decay": 0.1})]},
        random_state=0,
    )
    start = net.module[0].weight.detach().clone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the bound, which labels at random say nothing of
        fitted = net.fit(X, y, sensitive_features=group).net_
    for replica in fitted.module_.replicas:
        assert torch.equal(replica[0].weight, start)
        assert not torch.equal(replica[2].weight, net.module[2].weight)
    decayed, _ = fitted.optimizer_.param_groups
    assert (decayed["weight_decay"], len(decayed["params"])) == (0.1, 4)
