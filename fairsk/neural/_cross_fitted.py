"""Cross-fitting inside a net: replicas of a module, each of which never learns from one fold of the rows.

Every row belongs to a fold, and a replica learns from the rows of all folds but its own. So its decisions
about these are decisions about rows not trained on, and the rates of all rows are known in this way while the
net trains. It stays one module with one optimizer and one loss: to which replica a row goes follows from its
place in the batch, and :class:`FoldOrder` brings the rows into that order.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from fairsk._core.typing import Ints

__all__ = ["CrossFitted", "FoldOrder", "Replicate", "name_in_replica"]

#: What the name of a parameter begins with in a cross-fitted module, compiled or not.
_OF_REPLICA = re.compile(r"^(_orig_mod\.)?replicas\.\d+\.")


class CrossFitted(nn.Module):
    """Replicas of a module: new rows get the mean of their logits.

    While it trains, and out of fold, the row at place i of a batch goes to the replica ``i % n_folds``:
    :class:`FoldOrder` sees to it that it is a row that this replica learns from, or one of its own fold. So
    an epoch of training costs what one of a single module does.

    Parameters
    ----------
    replicas : sequence of torch.nn.Module
        The modules, one for each fold.
    seed : int
        Decides which row is in which fold, so that a training that goes on leaves out the same rows.
    """

    fold_seed: torch.Tensor

    def __init__(self, replicas: Sequence[nn.Module], seed: int) -> None:
        super().__init__()
        self.replicas = nn.ModuleList(replicas)
        # With the weights, so that whoever loads them goes on to leave out the same rows.
        self.register_buffer("fold_seed", torch.tensor(seed))
        self._is_out_of_fold = False

    @property
    def n_folds(self) -> int:
        """How many folds there are, one for each replica."""
        return len(self.replicas)

    @property
    def seed(self) -> int:
        """What decides which row is in which fold."""
        return int(self.fold_seed)

    @property
    def takes_sparse(self) -> bool:
        """Whether the module takes sparse rows as CSR tensors."""
        return bool(getattr(self.replicas[0], "takes_sparse", False))

    @contextmanager
    def out_of_fold(self) -> Iterator[None]:
        """Decide inside the block about each row by the replica that leaves out its fold."""
        self._is_out_of_fold = True
        try:
            yield
        finally:
            self._is_out_of_fold = False

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the logits of each row, of shape (n_samples, n_classes).

        What the module returns instead of a tensor is returned as it is, for the loss to refuse.
        """
        if self.training or self._is_out_of_fold:
            return self._by_place(args, kwargs)
        *others, last = self.replicas
        logits = []
        for replica in others:  # which may work in place
            of_replica = replica(*map(torch.clone, args), **{k: each.clone() for k, each in kwargs.items()})
            if not isinstance(of_replica, torch.Tensor):
                return of_replica
            logits.append(of_replica)
        return sum(logits, start=last(*args, **kwargs)) / self.n_folds

    def _by_place(self, args: Any, kwargs: Any) -> Any:
        n = self.n_folds
        n_samples = len((*args, *kwargs.values())[0])
        logits = []
        for k, replica in enumerate(self.replicas[:n_samples]):  # not every module takes a batch of no rows
            of_replica = replica(
                *(_every(each, k, n) for each in args),
                **{name: _every(each, k, n) for name, each in kwargs.items()},
            )
            if not isinstance(of_replica, torch.Tensor):
                return of_replica
            logits.append(of_replica)
        n_lines = n_samples // n
        lines = torch.stack([of_replica[:n_lines] for of_replica in logits], 1).flatten(0, 1)
        by_place = torch.cat([lines, *(of_replica[n_lines:] for of_replica in logits)])
        if by_place.requires_grad:
            # The loss is a mean over the batch, of which a replica has one row in n: it learns as from a mean
            # over these alone, so that a learning rate or a weight decay means what it does for one net.
            by_place.register_hook(lambda gradient: n * gradient)
        return by_place


def name_in_replica(name: str) -> str:
    """Return how a parameter of a cross-fitted module is called in each of its replicas."""
    return _OF_REPLICA.sub("", name)


def _every(rows: torch.Tensor, start: int, step: int) -> torch.Tensor:
    """Return copies of the rows at places start, start + step, ..., also of a CSR tensor, without slices.

    Nets may work in place, and autograd takes a change of one part of the batch for one of all parts.
    """
    if rows.layout is not torch.sparse_csr:
        return rows[start::step].clone()
    offsets = rows.crow_indices()
    starts, ends = offsets[:-1][start::step], offsets[1:][start::step]
    lengths = ends - starts
    new_offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0, dtype=offsets.dtype)])
    first_entries = (starts - new_offsets[:-1]).repeat_interleave(lengths)
    entries = torch.arange(len(first_entries), device=first_entries.device) + first_entries
    return torch.sparse_csr_tensor(
        new_offsets,
        rows.col_indices()[entries],
        rows.values()[entries],
        size=(len(starts), rows.shape[1]),
        check_invariants=False,
    )


@dataclass(frozen=True)
class Replicate:
    """What makes the replicas of a module: skorch calls it with the parameters of the module.

    Parameters
    ----------
    module : class, callable or instance of torch.nn.Module
        The module; an instance is copied, so that all replicas begin with its weights. So is what a callable
        returns, if it has weights in common each time, such as those of an encoder that it was given.
    n_folds, seed : int
        As in :class:`CrossFitted`.
    """

    module: Any
    n_folds: int
    seed: int

    def __call__(self, **params: Any) -> CrossFitted:
        if isinstance(self.module, nn.Module):
            return CrossFitted([copy.deepcopy(self.module) for _ in range(self.n_folds)], self.seed)
        replicas = [self.module(**params) for _ in range(self.n_folds)]
        weights = [{id(each) for each in replica.parameters()} for replica in replicas]
        if len(set().union(*weights)) < sum(map(len, weights)):  # by these, each would learn from all rows
            replicas = [copy.deepcopy(replica) for replica in replicas]
        return CrossFitted(replicas, self.seed)


class FoldOrder:
    """The order in which a cross-fitted net goes over rows: a sampler of their places in a dataset.

    The folds have equally many rows of every group and label, up to one.

    Parameters
    ----------
    cells : array of int of shape (n_samples,)
        The number of each row's group and label.
    n_folds, seed : int
        As in :class:`CrossFitted`.
    rows : tensor of int of shape (n_samples,), optional
        The numbers of the rows, if the dataset is a part of another one.
    """

    def __init__(self, cells: Ints, n_folds: int, seed: int, rows: torch.Tensor | None = None) -> None:
        if len(cells) < n_folds:
            raise ValueError(
                f"bound_on='held_out' trains {n_folds} replicas of the net, each on other rows, and got "
                f"{len(cells)} rows (n_samples = {len(cells)}): too few. Give more rows at once, or set "
                "bound_on='training'."
            )
        if rows is not None and len(rows.unique()) < len(rows):
            raise ValueError(
                "train_split returns rows more than once, but with bound_on='held_out' no row may be in two "
                "folds. Give each once, with a sample_weight if it counts more, or set bound_on='training'."
            )
        rng = np.random.default_rng(seed)
        # Cells in the order in which they first occur: by their numbers, which follow the names of groups and
        # labels, other names would bring rows into other folds.
        _, first, cell = np.unique(cells, return_index=True, return_inverse=True)
        order = torch.from_numpy(np.lexsort((rng.permutation(len(cells)), first[cell])))
        self.rows = rows
        #: The places of the rows of every fold; the last has the fewest.
        self.folds = [order[k::n_folds] for k in range(n_folds)]

    @property
    def n_folds(self) -> int:
        """How many folds there are."""
        return len(self.folds)

    @property
    def _n_lines(self) -> int:
        return len(self.folds[-1])

    def __len__(self) -> int:
        """Return how many rows an epoch has: equally many of every fold, and perhaps a few are left out."""
        return self.n_folds * self._n_lines

    def __iter__(self) -> Iterator[int]:
        """Draw the rows of an epoch."""
        return iter(self.training().tolist())

    def training(self, generator: torch.Generator | None = None) -> torch.Tensor:
        """Draw the order of an epoch: at every place a row from which the replica there learns.

        Without a generator, torch's global one draws.
        """
        n, folds = self.n_folds, self._shuffled(generator)
        table = torch.stack([rows[: self._n_lines] for rows in folds], 1)
        # In each line all replicas get a row, and all folds give one: replica k gets that of the fold k + 1,
        # or a later one, up to the one before its own, in turn.
        turn = torch.arange(self._n_lines)[:, None] % (n - 1)
        return table.gather(1, (torch.arange(n) + 1 + turn) % n).flatten()

    def out_of_fold(self) -> torch.Tensor:
        """Draw an order of all rows, in which every row is at a place of its fold."""
        folds = self._shuffled()
        table = torch.stack([rows[: self._n_lines] for rows in folds], 1)
        return torch.cat([table.flatten(), *(rows[self._n_lines :] for rows in folds)])

    def _shuffled(self, generator: torch.Generator | None = None) -> list[torch.Tensor]:
        if generator is None:
            return [rows[torch.randperm(len(rows))] for rows in self.folds]
        # One of the user's draws where it is.
        where = generator.device
        return [
            rows[torch.randperm(len(rows), generator=generator, device=where).cpu()] for rows in self.folds
        ]
