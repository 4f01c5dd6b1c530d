"""Batches of rows in memory, and which parameters of a loader they take."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from scipy import sparse
from torch.utils.data import Subset

from fairsk.neural._cross_fitted import FoldOrder

__all__ = ["Batches", "base_and_rows", "check_loader_params", "densified", "free_memory", "takes_parameter"]

#: Parameters of torch's ``DataLoader`` that say how rows are fetched one by one, and the values that ask for
#: nothing.
_FETCHING: dict[str, Any] = {
    "batch_sampler": None,
    "collate_fn": None,
    "in_order": True,
    "multiprocessing_context": None,
    "num_workers": 0,
    "persistent_workers": False,
    "pin_memory": False,
    "pin_memory_device": "",
    "prefetch_factor": None,
    "timeout": 0,
    "worker_init_fn": None,
}
#: What would change the number or the order of predictions: they go through ``iterator_valid``, too.
_CHANGES_ROWS = ("shuffle", "drop_last", "sampler", "batch_sampler")
#: Rows move to an accelerator if they take no more than this part of what is free there: the rest is for the
#: outputs of layers and for what training has to remember of each row.
_MAX_PART = 0.5
#: The rows on each device by the dataset that has them, so that the parts of a split share one copy.
_ON_DEVICES: WeakKeyDictionary[Any, dict[torch.device, tuple[Any, Any]]] = WeakKeyDictionary()


def _map(function: Callable[[Any], Any], data: Any) -> Any:
    """Apply a function to an array, or to each array of a dict."""
    if isinstance(data, Mapping):
        return {key: function(value) for key, value in data.items()}
    return function(data)


def _take(rows: slice | torch.Tensor, data: Any) -> torch.Tensor:
    """Return these rows; those of a sparse matrix as a CSR tensor, or dense where they are no fractions."""
    if sparse.issparse(data):
        part = data[rows if isinstance(rows, slice) else rows.cpu().numpy()]
        return _csr_tensor(part) if part.dtype.kind == "f" else torch.from_numpy(part.toarray())
    if isinstance(rows, slice):
        return data[rows].clone()  # nets may work in place
    return data.index_select(0, rows)  # faster than data[rows]


def _load(values: Any) -> Any:
    """Return an array as a tensor, or a sparse matrix by rows, of the same memory where that is possible."""
    if sparse.issparse(values):
        return _csr(values)
    if isinstance(values, np.ndarray) and (not values.flags.writeable or min(values.strides, default=0) < 0):
        values = values.copy()  # torch takes neither read-only arrays nor reversed ones
    return torch.as_tensor(values)


def _arrays(data: Any) -> list[Any]:
    return list(data.values()) if isinstance(data, Mapping) else [data]


def free_memory(device: torch.device) -> int:
    """Return how many bytes are free on an accelerator; none, where torch does not tell."""
    tell = getattr(getattr(torch, device.type, None), "mem_get_info", None)
    return 0 if tell is None else int(tell(device)[0])


def _csr(matrix: Any) -> Any:
    """Return a sparse matrix as torch takes it: CSR, each entry once, the columns of a row in order."""
    rows = matrix.tocsr()
    if not rows.has_canonical_format:
        rows = rows.copy()  # it may be the user's
        rows.sum_duplicates()
    return rows


def _csr_tensor(matrix: Any) -> torch.Tensor:
    _silence_beta_notice()
    return _new_csr_tensor(matrix.indptr, matrix.indices, matrix.data, matrix.shape)


def _new_csr_tensor(indptr: Any, indices: Any, values: Any, shape: tuple[int, int]) -> torch.Tensor:
    crow, col, entries = (torch.from_numpy(each) for each in (indptr, indices, values))
    return torch.sparse_csr_tensor(crow, col, entries, size=shape, check_invariants=False)


@cache
def _silence_beta_notice() -> None:
    """Let torch say, once and to nobody, that CSR tensors are in beta state."""
    none = np.zeros(0, np.int32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _new_csr_tensor(np.zeros(2, np.int32), none, none.astype(np.float32), (1, 1))


def densified(X: Any, device: Any) -> Any:
    """Return the inputs of a module with CSR tensors made dense, on the device that they are needed on."""

    def dense(values: Any) -> Any:
        is_sparse = getattr(values, "layout", None) is torch.sparse_csr
        return values.to(device).to_dense() if is_sparse else values

    return _map(dense, X)


def base_and_rows(dataset: Any) -> tuple[Any, torch.Tensor | None]:
    """Return the dataset that subsets, possibly nested, are made of, and the numbers of their rows in it."""
    rows: torch.Tensor | None = None
    while isinstance(dataset, Subset):
        outer = torch.as_tensor(np.asarray(dataset.indices))
        rows, dataset = (outer if rows is None else outer[rows]), dataset.dataset
    return dataset, rows


class Batches:
    """Iterate over the batches of a skorch dataset, each taken with one indexing operation.

    A ``DataLoader`` fetches the rows of a batch one at a time, which for rows in memory costs more than
    training a small net on them. Give this class to a net as ``iterator_train`` and ``iterator_valid``.

    Parameters
    ----------
    dataset : skorch.dataset.Dataset, or a torch Subset of one
        Holds ``X`` and ``y`` as arrays, sparse matrices, tensors, or dicts of these. Of a sparse matrix of
        fractions a batch is a CSR tensor, of any other a dense one.
    batch_size : int, default=128
        Rows per batch, at most. Batches are as many as that takes, and of equal size but for a row: a last
        batch of what is left, perhaps a single row, would be a step into chance.
    shuffle : bool, default=False
        Whether to draw a new order for every epoch.
    sampler : iterable of int, optional
        Draws the rows of every epoch instead, such as torch's ``WeightedRandomSampler``.
    drop_last : bool, default=False
        Whether all batches have exactly ``batch_size`` rows, and what is left over is not seen.
    generator : torch.Generator, optional
        Draws the order; without it, torch's global generator does.

    Raises
    ------
    ValueError
        If ``drop_last`` leaves no batch, both ``shuffle`` and ``sampler`` are given, or the sampler draws a
        row that there is not.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch.dataset import Dataset
    >>> from fairsk.neural._batches import Batches
    >>> data = Dataset(np.arange(5.0), {"y": np.arange(5), "group": np.array([0, 1, 0, 1, 0])})
    >>> [target["group"].tolist() for _, target in Batches(data, batch_size=2)]
    [[0], [1, 0], [1, 0]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 128,
        shuffle: bool = False,
        sampler: Any = None,
        drop_last: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        base, self.rows = base_and_rows(dataset)
        self.n_samples = len(base) if self.rows is None else len(self.rows)
        self.X = _map(_load, base.X)
        # Without a target (prediction) skorch expects a placeholder of the same length.
        self.y = torch.zeros(len(base)) if base.y is None else _map(_load, base.y)
        self.dataset, self.device = base, torch.device("cpu")
        self.batch_size, self.shuffle, self.sampler = batch_size, shuffle, sampler
        self.drop_last, self.generator = drop_last, generator
        if sampler is not None and shuffle:
            raise ValueError("Give a sampler or shuffle=True, not both: either one says in which order.")
        if drop_last and not len(self):
            raise ValueError(
                f"drop_last=True leaves no batch: {self._n_drawn} rows are less than batch_size={batch_size}."
            )

    def on(self, device: Any) -> Batches:
        """Move the rows to a device, if it is another one and they fit there; else batches go, one by one.

        Parameters
        ----------
        device : str, torch.device or None
            Where the net is; None where something else places the batches.

        Returns
        -------
        Batches
            Itself.
        """
        arrays = [*_arrays(self.X), *_arrays(self.y)]
        device = self.device if device is None else torch.device(device)
        if any(not isinstance(each, torch.Tensor) or each.device.type == device.type for each in arrays):
            return self
        on_devices = _ON_DEVICES.setdefault(self.dataset, {})
        if device not in on_devices:
            if sum(each.nbytes for each in arrays) > _MAX_PART * free_memory(device):
                return self
            on_devices[device] = tuple(
                _map(lambda values: values.to(device), data) for data in (self.X, self.y)
            )
        self.X, self.y = on_devices[device]
        self.device, self.rows = device, None if self.rows is None else self.rows.to(device)
        return self

    @property
    def _n_drawn(self) -> int:
        return self.n_samples if self.sampler is None else len(self.sampler)

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        n = self._n_drawn
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Yield X and y of each batch."""
        order = self._order()
        for position in range(len(self)):
            rows = self._rows(position)
            yield self._take(rows if order is None else order[rows])

    def _order(self) -> torch.Tensor | None:
        """Return the numbers of the rows of an epoch in the dataset, or None if they are all, in order."""
        if self.sampler is None and not self.shuffle:
            return self.rows
        # A generator of the user's draws where it is; all of an order goes to the device at once.
        where = self.device if self.generator is None else self.generator.device
        if self.sampler is None:
            order = torch.randperm(self.n_samples, generator=self.generator, device=where)
        elif isinstance(self.sampler, FoldOrder):
            order = self.sampler.training(self.generator)
        else:
            order = torch.as_tensor(list(self.sampler))
            self._check_drawn(order)
        order = order.to(self.device)
        return order if self.rows is None else self.rows.index_select(0, order)

    def _check_drawn(self, order: torch.Tensor) -> None:
        if len(order) and not 0 <= int(order.min()) <= int(order.max()) < self.n_samples:
            raise ValueError(
                f"The sampler draws rows up to {int(order.max())}, but {self.n_samples} rows are trained on, "
                "numbered from 0 (early_stopping, and a train_split, hold out others)."
            )

    def _rows(self, position: int) -> slice:
        if self.drop_last:
            return slice(self.batch_size * position, self.batch_size * (position + 1))
        # Cross-fitted nets go by the place in a batch: it has whole lines of the order, which has no others.
        line = self.sampler.n_folds if isinstance(self.sampler, FoldOrder) else 1
        n = self._n_drawn // line
        return slice(line * (n * position // len(self)), line * (n * (position + 1) // len(self)))

    def take(self, rows: slice | torch.Tensor) -> tuple[Any, Any]:
        """Return X and y of these rows."""
        return self._take(rows if self.rows is None else self.rows[rows])

    def _take(self, rows: slice | torch.Tensor) -> tuple[Any, Any]:
        return _map(partial(_take, rows), self.X), _map(partial(_take, rows), self.y)


def takes_parameter(maker: Callable[..., Any], name: str) -> bool:
    """Whether a class or function takes a parameter of that name; True where it does not tell."""
    try:
        accepted = inspect.signature(maker).parameters.values()
    except (TypeError, ValueError):  # written in C
        return True
    return any(each.kind is each.VAR_KEYWORD or each.name == name for each in accepted)


def check_loader_params(params: Mapping[str, Any], iterator: str, *, in_memory: bool) -> list[str]:
    """Return which parameters of one of a net's iterators ask for nothing; refuse those that are not heard.

    Parameters
    ----------
    params : mapping
        The user's parameters of the net, such as ``"iterator_train__drop_last"``.
    iterator : {"iterator_train", "iterator_valid"}
        Which iterator.
    in_memory : bool
        Whether it is :class:`Batches`, not a class of the user's.

    Raises
    ------
    ValueError
        If a parameter is about rows that are fetched one by one, unknown, or would change the predictions.
    """
    given = {name.partition("__")[2]: name for name in params if name.startswith(f"{iterator}__")}
    for name in given.keys() & set(_CHANGES_ROWS) if iterator == "iterator_valid" else ():
        if params[given[name]] not in (None, False):
            raise ValueError(
                f"net_params has {given[name]!r}, but predictions go through iterator_valid as well, one per "
                "row and in the order of the rows: leave it out."
            )
    if not in_memory:
        return []
    heard = [name for name in inspect.signature(Batches).parameters if name != "dataset"]
    for name, full_name in given.items():
        if name in heard:
            continue
        if name not in _FETCHING:
            raise ValueError(
                f"net_params has {full_name!r}, which is no parameter of a loader. Its batches take: "
                f"{', '.join(heard)}; with {iterator}=torch.utils.data.DataLoader, they take what that does."
            )
        if params[full_name] != _FETCHING[name]:
            raise ValueError(
                f"net_params has {full_name!r}, which is about rows that are fetched one by one. Here they "
                "are in memory, and a batch is taken in one piece, which is faster: leave it out, or have "
                f"torch fetch them, net_params={{'{iterator}': torch.utils.data.DataLoader}}."
            )
    return [given[name] for name in given.keys() & _FETCHING.keys()]
