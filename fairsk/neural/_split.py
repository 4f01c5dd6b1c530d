"""Splits into rows that a net is trained on and rows that are held out, of its own or of the user's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from skorch.dataset import Dataset
from torch.utils.data import Subset

from fairsk.neural._batches import base_and_rows
from fairsk.neural._data import NetData, read_own_rows

__all__ = ["HOLD_OUT_FROM", "Holdout", "UserSplit", "has_own_rows", "rows_left_out"]

#: One row in so many is held out; by default, if there are at least so many rows.
_HELD_OUT, HOLD_OUT_FROM = 10, 10_000

_EXPECTED = (
    "train_split returns the dataset that it is given, or a torch Subset of it, to train on, and rows to "
    "validate on: None, another Subset, or skorch.dataset.Dataset(X, {'y': labels, 'sensitive_features': "
    "values}) with rows of your own"
)


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


class UserSplit:
    """A user's ``train_split``, which may hold rows out or bring rows of its own to validate on.

    Rows of its own are read as ``fit`` reads rows. Their target has no ``"row"``: no bound covers them.

    Parameters
    ----------
    split : callable
        Called with the dataset, and with the labels of its rows.
    data : NetData
        The rows of ``fit``.
    dtype : type
        That of the weights.
    """

    def __init__(self, split: Callable[..., Any], data: NetData, dtype: type[np.floating[Any]]) -> None:
        if not callable(split):
            raise TypeError(
                f"train_split must be a function of the dataset and the labels, got {type(split).__name__}. "
                "For rows of your own to validate on, X and y, it is predefined_split(Dataset(X, y)) of "
                "skorch.helper and skorch.dataset; for a part of the rows of fit, skorch's ValidSplit."
            )
        self.split, self.data, self.dtype = split, data, dtype

    def __call__(self, dataset: Any, y: Any) -> tuple[Any, Any]:
        """Return the rows to train on, and those to validate on or None."""
        parts = self.split(dataset, self.data.classes[self.data.labels])
        if not isinstance(parts, tuple | list) or len(parts) != 2:
            raise ValueError(f"{_EXPECTED}; it returned {type(parts).__name__}.")
        trained, held_out = parts
        if base_and_rows(trained)[0] is not dataset:
            raise ValueError(f"{_EXPECTED}; to train on, it returned {type(trained).__name__} of other rows.")
        if held_out is None or base_and_rows(held_out)[0] is dataset:
            return trained, held_out
        own, rows = base_and_rows(held_out)
        if not hasattr(own, "X") or getattr(own, "y", None) is None:
            without = " without y" if hasattr(own, "X") else ""
            raise ValueError(f"{_EXPECTED}; to validate on, it returned {type(own).__name__}{without}.")
        with _messages_of_own_rows():
            X, target = read_own_rows(own.X, own.y, self.data, self.dtype)
        read = Dataset(X, target)
        return trained, read if rows is None else Subset(read, rows.tolist())


@contextmanager
def _messages_of_own_rows() -> Iterator[None]:
    """Let errors about rows that a user brings say that it is these, not the rows of ``fit``."""
    try:
        yield
    except (ValueError, TypeError) as error:
        message = str(error)
        if "train_split" in message or "to validate on" in message:  # it says so already
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"In the rows that train_split brings to validate on: {message} They must be as the net sees X: "
            "inside a pipeline, transformed by the steps before it."
        ) from error


def has_own_rows(dataset: Any) -> bool:
    """Whether these are rows that a user brought to validate on, in a training that numbers those of fit."""
    target = base_and_rows(dataset)[0].y
    return not (isinstance(target, Mapping) and "row" in target)


def rows_left_out(datasets: list[Any]) -> Subset[Any] | None:
    """Return the rows that are in none of some parts of a dataset; None if there are none."""
    base, _ = base_and_rows(datasets[0])
    left_out = torch.ones(len(base), dtype=torch.bool)
    for dataset in datasets:
        rows = base_and_rows(dataset)[1]
        left_out[slice(None) if rows is None else rows] = False
    return Subset(base, left_out.nonzero().squeeze(1).tolist()) if left_out.any() else None
