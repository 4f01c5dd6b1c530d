"""Sparse rows of a net: batches, the product of the first layer, and modules that take dense rows only."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from scipy import sparse
from skorch import NeuralNet
from skorch.dataset import Dataset
from torch import nn
from torch.nn import functional

from fairsk import FairClassifier
from fairsk.neural._batches import Batches
from fairsk.neural._module import MLP, sparse_linear

QUICK = {"max_epochs": 2, "batch_size": 40, "penalty_weight": 1.0, "random_state": 0}


def make_texts(n=120, n_words=50, dtype=np.float64):
    """Return rows of few entries, one of them empty, labels and groups."""
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(n, n_words)) * (rng.random((n, n_words)) < 0.1)
    dense[5] = 0
    return sparse.csr_array(dense.astype(dtype)), (dense[:, :9].sum(1) > 0).astype(int), rng.integers(0, 2, n)


def csr_tensor(rows):
    [(batch, _)] = Batches(Dataset(rows, None), batch_size=rows.shape[0])
    return batch


@pytest.mark.parametrize("with_bias", [False, True])
def test_the_sparse_product_and_its_gradients_are_those_of_a_linear_layer(with_bias):
    rows, _, _ = make_texts(n=9, n_words=5)
    dense, X = torch.from_numpy(rows.toarray()), csr_tensor(rows)
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(5, 3, bias=with_bias, dtype=torch.float64)
    to_scalar = torch.randn(9, 3, dtype=torch.float64, generator=generator)
    results = []
    for product in (
        sparse_linear(X, layer.weight, layer.bias),
        functional.linear(dense, *layer.parameters()),
    ):
        gradients = torch.autograd.grad((product.tanh() * to_scalar).sum(), list(layer.parameters()))
        results.append([product.detach(), *gradients])
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-14)
    assert torch.autograd.gradcheck(lambda weight: sparse_linear(X, weight), (layer.weight,))


@pytest.mark.parametrize("widths", [(), (4,), (4, 3)])
def test_the_default_net_takes_sparse_rows(widths):
    rows, _, _ = make_texts(dtype=np.float32)
    net = MLP(50, 3, widths)
    torch.testing.assert_close(net(csr_tensor(rows)), net(torch.from_numpy(rows.toarray())))


def test_batches_of_sparse_rows_are_csr_tensors():
    rows, _, _ = make_texts(n=7)
    batches = [X for X, _ in Batches(Dataset(rows, None), batch_size=4)]
    assert [X.layout for X in batches] == [torch.sparse_csr] * 2
    np.testing.assert_array_equal(torch.cat([X.to_dense() for X in batches]).numpy(), rows.toarray())
    some = Batches(torch.utils.data.Subset(Dataset(rows, None), [6, 0, 2]), batch_size=3)
    [(X, _)] = some
    np.testing.assert_array_equal(X.to_dense().numpy(), rows.toarray()[[6, 0, 2]])
    X, _ = some.take(torch.tensor([2, 1]))
    np.testing.assert_array_equal(X.to_dense().numpy(), rows.toarray()[[2, 0]])


def test_batches_leave_the_matrix_as_it_is_and_take_read_only_ones():
    twice = sparse.csr_array(([1.0, 2.0, 4.0], [1, 0, 1], [0, 3]), shape=(1, 2))  # unsorted, and one twice
    for array in (twice.data, twice.indices, twice.indptr):
        array.setflags(write=False)
    X = csr_tensor(twice)
    assert X.col_indices().tolist() == [0, 1]
    assert X.values().tolist() == [2.0, 5.0]
    assert twice.data.tolist() == [1.0, 2.0, 4.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        once = sparse.csr_array(np.eye(3))
        for array in (once.data, once.indices, once.indptr):
            array.setflags(write=False)
        X = csr_tensor(once)
    X.values().mul_(2)  # nets may work in place
    assert once.data.tolist() == [1.0, 1.0, 1.0]


def test_sparse_rows_of_no_fractions_come_dense():
    rows = sparse.csr_array(np.array([[0, 3], [1, 0]]))
    for kind in (np.int64, bool):
        X = csr_tensor(rows.astype(kind))
        np.testing.assert_array_equal(X.numpy(), rows.toarray().astype(kind))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # few steps
@pytest.mark.parametrize(
    "params", [{}, {"penalty_weight": None, "max_difference": 0.5}], ids=["penalty", "bound"]
)
def test_the_default_net_makes_no_sparse_row_dense(params, monkeypatch):
    X, y, group = make_texts()

    def refuse(*args, **kwargs):
        raise AssertionError("sparse rows were made dense")

    net = FairClassifier(**{**QUICK, **params}, early_stopping=True)
    with monkeypatch.context() as patched:
        patched.setattr(torch.Tensor, "to_dense", refuse)
        patched.setattr(sparse.csr_array, "toarray", refuse)
        net.fit(X, y, sensitive_features=group)
        probabilities = net.predict_proba(X)
    expected = FairClassifier(**{**QUICK, **params}, early_stopping=True)
    expected.fit(X.toarray(), y, sensitive_features=group)
    np.testing.assert_allclose(probabilities, expected.predict_proba(X.toarray()), rtol=1e-3)


class Seen(nn.Linear):
    """A linear net that notes the layouts of its inputs."""

    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes)
        self.layouts = set()

    def forward(self, X):
        self.layouts.add(X.layout)
        return (
            sparse_linear(X, self.weight, self.bias) if X.layout is torch.sparse_csr else super().forward(X)
        )


class SeenSparse(Seen):
    takes_sparse = True


@pytest.mark.parametrize("net", [None, NeuralNet, partial(NeuralNet)], ids=["default", "class", "function"])
@pytest.mark.parametrize(("module", "layout"), [(Seen, torch.strided), (SeenSparse, torch.sparse_csr)])
def test_a_module_gets_dense_rows_unless_it_says_that_it_takes_sparse_ones(module, layout, net):
    X, y, group = make_texts()
    net_params = None if net is None else {"net": net}
    fitted = FairClassifier(module, **QUICK, net_params=net_params).fit(X, y, sensitive_features=group)
    fitted.predict(X)
    assert fitted.net_.module_.layouts == {layout}
    expected = FairClassifier(module, **QUICK).fit(X.toarray(), y, sensitive_features=group)
    np.testing.assert_allclose(fitted.predict_proba(X), expected.predict_proba(X.toarray()), rtol=1e-3)


class Entries(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.rest = nn.Linear(50, 2), nn.Linear(1, 2)

    def forward(self, words, rest):
        assert words.layout is torch.strided
        return self.words(words) + self.rest(rest)


def test_a_sparse_entry_of_a_dict_comes_dense():
    X, y, group = make_texts()
    rest = np.ones((len(y), 1), np.float32)
    fitted = FairClassifier(Entries, **QUICK).fit({"words": X, "rest": rest}, y, sensitive_features=group)
    dense = FairClassifier(Entries, **QUICK)
    dense.fit({"words": X.toarray(), "rest": rest}, y, sensitive_features=group)
    np.testing.assert_allclose(
        fitted.predict_proba({"words": X, "rest": rest}),
        dense.predict_proba({"words": X.toarray(), "rest": rest}),
        rtol=1e-5,
    )
