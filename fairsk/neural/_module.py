"""The default net: a multilayer perceptron."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from numbers import Integral

import torch
from torch import nn
from torch.nn import functional

__all__ = ["MLP", "sparse_linear", "uncompiled"]


def sparse_linear(X: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """Return ``X @ weight.T + bias`` for rows of which few entries are not zero.

    Parameters
    ----------
    X : CSR tensor of shape (n_samples, n_features)
        The rows; no gradient is for them.
    weight : tensor of shape (n_out, n_features)
        As in ``torch.nn.Linear``.
    bias : tensor of shape (n_out,), optional
        Likewise.

    Returns
    -------
    tensor of shape (n_samples, n_out)
        What a linear layer returns for the dense rows.
    """
    # A product of CSR tensors needs MKL to be trained through; a sum of weighted embeddings, one for each
    # entry, is the same product on every platform, and as fast.
    sums = functional.embedding_bag(
        X.col_indices(),
        weight.t(),
        X.crow_indices(),
        mode="sum",
        per_sample_weights=X.values(),
        include_last_offset=True,
    )
    return sums if bias is None else sums + bias


class MLP(nn.Module):
    """Fully connected layers with ReLU between them; returns logits.

    Rows may be a dense tensor, or a CSR tensor, which does not become dense.

    Parameters
    ----------
    n_features : int
        Columns of X.
    n_classes : int, default=2
        Logits per row.
    hidden_layer_sizes : sequence of int, default=(64,)
        Width of each hidden layer; empty for logistic regression.

    Raises
    ------
    ValueError
        If a width is not positive.

    Examples
    --------
    >>> import torch
    >>> from fairsk.neural._module import MLP
    >>> MLP(n_features=3)(torch.zeros(5, 3)).shape
    torch.Size([5, 2])
    """

    #: Sparse rows come as CSR tensors, not dense ones.
    takes_sparse = True

    def __init__(
        self, n_features: int, n_classes: int = 2, hidden_layer_sizes: Sequence[int] = (64,)
    ) -> None:
        super().__init__()
        if any(not isinstance(width, Integral) or width < 1 for width in hidden_layer_sizes):
            raise ValueError(
                f"hidden_layer_sizes must be positive whole numbers, got {tuple(hidden_layer_sizes)}."
            )
        *widths, last = itertools.pairwise((n_features, *hidden_layer_sizes, n_classes))
        hidden = [layer for width in widths for layer in (nn.Linear(*width), nn.ReLU())]
        self.layers = nn.Sequential(*hidden, nn.Linear(*last))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the logits of each row, of shape (n_samples, n_classes)."""
        if X.layout is not torch.sparse_csr:
            return self.layers(X)
        first, *others = self.layers
        hidden = sparse_linear(X, *first.parameters())
        for layer in others:
            hidden = layer(hidden)
        return hidden


def uncompiled(module: nn.Module) -> nn.Module:
    """Return the module that torch.compile wrapped, or the module itself."""
    return getattr(module, "_orig_mod", module)
