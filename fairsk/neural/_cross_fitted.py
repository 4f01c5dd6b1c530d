"""Cross-fitting inside a net: replicas of a module, each of which never learns from some folds of the rows.

Every row belongs to a fold. A replica learns from rows of other folds only, so the decisions of those that
did not learn from a row are decisions about a row not trained on; the rates of all rows can be known in this
way while the net trains. It stays one module with one optimizer and one loss: which replica a row goes to
follows from its place in the batch, and :class:`FoldOrder` brings rows into that order.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from fairsk._core.typing import Ints

__all__ = ["CrossFitted", "FoldOrder", "Replicate"]


class CrossFitted(nn.Module):
    """Replicas of a module: new rows get the mean of their logits.

    While it trains, and out of fold, the row at place i of a batch is one of the fold ``i % n_folds``, for
    which :class:`FoldOrder` sees:

    - in training it goes to the replica ``i % n_folds`` (FoldOrder puts a row there that this replica may
      learn from), so an epoch costs what one of a single module does;
    - out of fold, its logits are the mean over the replicas that do not learn from its fold: those of the
      numbers ``fold, fold - 1, ...``, as many as ``n_left_out``.

    Parameters
    ----------
    replicas : sequence of torch.nn.Module
        The modules, one for each fold.
    n_left_out : int
        From how many folds each replica does not learn: its own, and the next ones.
    seed : int
        Decides which row is in which fold, so that a training that goes on leaves out the same rows.
    """

    def __init__(self, replicas: list[nn.Module], n_left_out: int, seed: int) -> None:
        super().__init__()
        self.replicas = nn.ModuleList(replicas)
        self.n_left_out, self.seed = n_left_out, seed
        self._is_out_of_fold = False

    @property
    def n_folds(self) -> int:
        """How many folds there are, one for each replica."""
        return len(self.replicas)

    @contextmanager
    def out_of_fold(self) -> Iterator[None]:
        """Decide inside the block about rows of the folds by those replicas that do not learn from them."""
        self._is_out_of_fold = True
        try:
            yield
        finally:
            self._is_out_of_fold = False

    def forward(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Return the logits of each row, of shape (n_samples, n_classes)."""
        if self._is_out_of_fold:
            return self._by_folds(args, kwargs, self.n_left_out)
        if self.training:
            return self._by_folds(args, kwargs, 1)
        total = self.replicas[0](*args, **kwargs)
        for replica in self.replicas[1:]:
            total = total + replica(*args, **kwargs)
        return total / self.n_folds

    def _by_folds(self, args: Any, kwargs: Any, n_each: int) -> torch.Tensor:
        """Return for the rows at places k, k + n_folds, ... the mean of the replicas k, k - 1, ..."""
        n = self.n_folds
        of_fold = []
        for k in range(n):
            rows, named = [each[k::n] for each in args], {name: each[k::n] for name, each in kwargs.items()}
            logits = [self.replicas[(k - j) % n](*rows, **named) for j in range(n_each)]
            of_fold.append(sum(logits[1:], start=logits[0]) / n_each)
        n_whole = len(of_fold[-1])
        whole = torch.stack([logits[:n_whole] for logits in of_fold], 1).flatten(0, 1)
        return torch.cat([whole, *(logits[n_whole:] for logits in of_fold)])


@dataclass(frozen=True)
class Replicate:
    """What makes the replicas of a module: skorch calls it with the parameters of the module.

    Parameters
    ----------
    module : class, callable or instance of torch.nn.Module
        The module; an instance is copied, so that all replicas begin with its weights.
    n_folds, n_left_out, seed : int
        As in :class:`CrossFitted`.
    """

    module: Any
    n_folds: int
    n_left_out: int
    seed: int

    def __call__(self, **params: Any) -> CrossFitted:
        if isinstance(self.module, nn.Module):
            replicas = [copy.deepcopy(self.module) for _ in range(self.n_folds)]
        else:
            replicas = [self.module(**params) for _ in range(self.n_folds)]
        return CrossFitted(replicas, self.n_left_out, self.seed)


class FoldOrder:
    """The order in which a cross-fitted net goes over rows: a sampler of their numbers.

    The folds hold equally many rows of every group and label, up to one.

    Parameters
    ----------
    cells : array of int of shape (n_samples,)
        The number of each row's group and label.
    n_folds, n_left_out, seed : int
        As in :class:`CrossFitted`.
    """

    def __init__(self, cells: Ints, n_folds: int, n_left_out: int, seed: int) -> None:
        if len(cells) < n_folds:
            raise ValueError(
                f"bound_on='held_out' trains {n_folds} replicas of the net, each on other rows, and got "
                f"{len(cells)} rows (n_samples = {len(cells)}): too few. Set bound_on='training'."
            )
        rng = np.random.default_rng(seed)
        order = torch.from_numpy(np.lexsort((rng.permutation(len(cells)), cells)))
        self.n_samples, self.n_left_out = len(cells), n_left_out
        #: The numbers of the rows of every fold.
        self.folds = [order[k::n_folds] for k in range(n_folds)]

    @property
    def n_folds(self) -> int:
        """How many folds there are."""
        return len(self.folds)

    def __len__(self) -> int:
        """Return how many rows an epoch has: equally many of every fold, so that a few may be left out."""
        return self.n_folds * len(self.folds[-1])

    def __iter__(self) -> Iterator[int]:
        """Draw the rows of an epoch: at every place one from which the replica there may learn."""
        return iter(self.training().tolist())

    def training(self) -> torch.Tensor:
        """Draw the order of an epoch: every row goes to one of the replicas that may learn from it."""
        table = torch.stack([rows[: len(self.folds[-1])] for rows in self._shuffled()], 1)
        # In each line all replicas get a row, and all folds give one: replica k gets that of the fold
        # k + n_left_out or a later one, up to the one before its own, in turn.
        n = self.n_folds
        turn = torch.arange(len(table))[:, None] % (n - self.n_left_out)
        return table.gather(1, (torch.arange(n) + self.n_left_out + turn) % n).flatten()

    def out_of_fold(self) -> torch.Tensor:
        """Draw an order of all rows, in which every row is at a place of its fold."""
        folds = self._shuffled()
        n_lines = len(folds[-1])
        table = torch.stack([rows[:n_lines] for rows in folds], 1)
        return torch.cat([table.flatten(), *(rows[n_lines:] for rows in folds)])

    def _shuffled(self) -> list[torch.Tensor]:
        return [rows[torch.randperm(len(rows))] for rows in self.folds]
