"""Which rows go where: batches, each taken with one indexing operation, and rows held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch.utils.data import Subset

__all__ = ["HOLD_OUT_FROM", "Batches", "Holdout"]

#: One row in so many is held out; by default, if there are at least so many rows.
_HELD_OUT, HOLD_OUT_FROM = 10, 10_000


def _map(function: Callable[[Any], Any], data: Any) -> Any:
    """Apply a function to an array, or to each array of a dict."""
    if isinstance(data, Mapping):
        return {key: function(value) for key, value in data.items()}
    return function(data)


def _take(rows: slice | torch.Tensor, data: Any) -> torch.Tensor:
    """Return these rows; of a sparse matrix, a dense batch of them, so that it never becomes dense whole."""
    if sparse.issparse(data):
        return torch.from_numpy(data[rows if isinstance(rows, slice) else rows.numpy()].toarray())
    if isinstance(rows, slice):
        return data[rows].clone()  # nets may work in place
    return data.index_select(0, rows)  # faster than data[rows]


class Batches:
    """Iterate over the batches of a skorch dataset, each taken with one indexing operation.

    A ``DataLoader`` fetches the rows of a batch one at a time, which for rows in memory costs more than
    training a small net on them. Give this class to a net as ``iterator_train`` and ``iterator_valid``.

    Parameters
    ----------
    dataset : skorch.dataset.Dataset, or a torch Subset of one
        Holds ``X`` and ``y`` as arrays, sparse matrices, tensors, or dicts of these.
    batch_size : int, default=128
        Rows per batch, at most. Batches are as many as that takes, and of equal size but for a row: a last
        batch of what is left, perhaps a single row, would be a step into chance.
    shuffle : bool, default=False
        Whether to draw a new order for every epoch.
    generator : torch.Generator, optional
        Draws the order; without it, torch's global generator does.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch.dataset import Dataset
    >>> from fairsk.neural._data import Batches
    >>> data = Dataset(np.arange(5.0), {"y": np.arange(5), "group": np.array([0, 1, 0, 1, 0])})
    >>> [target["group"].tolist() for _, target in Batches(data, batch_size=2)]
    [[0], [1, 0], [1, 0]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 128,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        rows: torch.Tensor | None = None
        while isinstance(dataset, Subset):  # what a validation split makes of a dataset, possibly nested
            outer = torch.as_tensor(np.asarray(dataset.indices))
            rows, dataset = (outer if rows is None else outer[rows]), dataset.dataset

        def load(values: Any) -> Any:
            if sparse.issparse(values):
                return values.tocsr() if rows is None else values.tocsr()[rows.numpy()]
            if isinstance(values, np.ndarray) and (
                not values.flags.writeable or min(values.strides, default=0) < 0
            ):
                values = values.copy()  # torch takes neither read-only arrays nor reversed ones
            return torch.as_tensor(values) if rows is None else torch.as_tensor(values)[rows]

        self.n_samples = len(dataset) if rows is None else len(rows)
        self.X = _map(load, dataset.X)
        # Without a target (prediction) skorch expects a placeholder of the same length.
        self.y = torch.zeros(self.n_samples) if dataset.y is None else _map(load, dataset.y)
        self.batch_size, self.shuffle, self.generator = batch_size, shuffle, generator

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        return -(-self.n_samples // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Yield X and y of each batch."""
        if not self.shuffle:
            yield from (self.take(self._rows(position)) for position in range(len(self)))
            return
        order = torch.randperm(self.n_samples, generator=self.generator)
        for position in range(len(self)):
            yield self.take(order[self._rows(position)])

    def _rows(self, position: int) -> slice:
        return slice(self.n_samples * position // len(self), self.n_samples * (position + 1) // len(self))

    def take(self, rows: slice | torch.Tensor) -> tuple[Any, Any]:
        """Return X and y of these rows."""
        return _map(partial(_take, rows), self.X), _map(partial(_take, rows), self.y)


class Holdout:
    """Hold out a tenth of the rows of every (group, label) cell: a ``train_split`` for skorch."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    @staticmethod
    def n_trained(n: int) -> int:
        """Return how many of so many rows are left to train on."""
        return n - (n + _HELD_OUT // 2 - 1) // _HELD_OUT

    def __call__(self, dataset: Any, y: Any) -> tuple[Subset[Any], Subset[Any]]:
        """Return the rows to train on and the rows held out."""
        if len(dataset) < _HELD_OUT:
            raise ValueError(
                f"early_stopping holds out a tenth of the rows and needs at least {_HELD_OUT}, got "
                f"{len(dataset)} rows (n_samples = {len(dataset)})."
            )
        label = np.asarray(y["y"])
        cell = (label.max() + 1) * np.asarray(y["group"]) + label
        order = np.lexsort((np.random.default_rng(self.seed).permutation(len(cell)), cell))
        held_out = np.arange(len(cell)) % _HELD_OUT == _HELD_OUT // 2
        return Subset(dataset, order[~held_out]), Subset(dataset, order[held_out])
