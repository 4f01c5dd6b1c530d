"""The default net: a multilayer perceptron."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from numbers import Integral

import torch
from torch import nn

__all__ = ["MLP"]


class MLP(nn.Module):
    """Fully connected layers with ReLU between them; returns logits.

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
        return self.layers(X)
