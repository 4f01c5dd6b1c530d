"""The skorch net of a classifier: it predicts labels, and callbacks see labels where the loss has a target.

The target that the loss gets is a dict of the numbers of classes and groups. Callbacks of the user's, and
scikit-learn's scorers in them, get what skorch hands to them anywhere else: the labels.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from skorch import NeuralNet
from skorch.callbacks import (
    BatchScoring,
    Callback,
    EpochScoring,
    EpochTimer,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
)
from skorch.dataset import Dataset, get_len
from torch.utils.data import Subset

from fairsk._core.groups import Grouping
from fairsk.neural._batches import Batches, base_and_rows, densified
from fairsk.neural._callbacks import EpochRecorder, MultiplierUpdate
from fairsk.neural._cross_fitted import CrossFitted, FoldOrder, name_in_replica
from fairsk.neural._module import uncompiled
from fairsk.scoring._sensitive_scorer import SensitiveScorer

__all__ = ["LabelledNet", "labelled_net", "score_with_groups"]

#: Callbacks that work on the target, or do not look at it.
_TAKE_TARGETS = (MultiplierUpdate, EpochRecorder)
#: What goes over batches, and what is told of each.
_PER_BATCH = ("run_single_epoch", "on_batch_begin", "on_grad_computed", "on_batch_end")
_LOOK_AT_NOTHING = (EpochTimer, LRScheduler, PassthroughScoring, PrintLog)


class LabelledNet(ClassifierMixin):
    """What makes a net of skorch's a classifier of labels; mixed into its class by :func:`labelled_net`.

    Attributes
    ----------
    labels_ : array of shape (n_classes,)
        The labels, by the number of the class.
    """

    labels_: NDArray[Any]
    base_net: type[NeuralNet]
    #: The folds of the rows, while a cross-fitted net trains.
    fold_order_: FoldOrder | None = None

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels, by the number of the class."""
        return self.labels_

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the label that is predicted for each row.

        Parameters
        ----------
        X : array-like, dict of arrays or dataset
            Rows, as the module takes them.

        Returns
        -------
        array of shape (n_samples,)
            Labels.
        """
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """Return an iterator over batches, of rows that are where the net is if they fit there.

        Parameters
        ----------
        dataset : torch Dataset
            The rows.
        training : bool, default=False
            Whether they are trained on.

        Returns
        -------
        iterable
            The batches.
        """
        if training and isinstance(uncompiled(self.module_), CrossFitted) and self.fold_order_ is None:
            self._draw_folds(dataset)
        iterator = super().get_iterator(dataset, training=training)
        return iterator.on(self.device) if isinstance(iterator, Batches) else iterator

    def _draw_folds(self, dataset: Any) -> None:
        """Divide the rows to train on into folds; what goes over them goes in an order that follows these."""
        module: Any = uncompiled(self.module_)
        base, rows = base_and_rows(dataset)
        cells = len(self.labels_) * np.asarray(base.y["group"]) + np.asarray(base.y["y"])
        cells = cells if rows is None else cells[rows]
        self.fold_order_ = FoldOrder(cells, module.n_folds, module.seed, rows)
        self.iterator_train__sampler = self.fold_order_

    def get_all_learnable_params(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """Return all parameters by their names, as they are in the user's module.

        Patterns of names, in groups of the optimizer and in callbacks that freeze parts, then mean the
        parameters of every replica.

        Returns
        -------
        iterator of (str, torch.nn.Parameter)
            Names, which all replicas share, and parameters.
        """
        for name, parameter in super().get_all_learnable_params():
            yield name_in_replica(name), parameter

    def drop_folds(self) -> None:
        """Forget the folds of the rows that were trained on."""
        if self.fold_order_ is not None:
            del self.fold_order_, self.iterator_train__sampler

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **fit_params: Any
    ) -> None:
        """Go over the batches once, and read their losses at the end: reading one waits for a device.

        Where callbacks of the user's look at batches, or their net goes over them in its own way, it is done
        as skorch does.

        Parameters
        ----------
        iterator : iterable or None
            The batches.
        training : bool
            Whether they are trained on.
        prefix : str
            What the records of the loss are named by.
        step_fn : callable
            What is done with every batch.
        **fit_params : object
            Passed on to it.
        """
        if iterator is None or self._shows_batches():
            super().run_single_epoch(
                iterator, training=training, prefix=prefix, step_fn=step_fn, **fit_params
            )
            return
        history, losses = self.history, []
        try:
            for batch in iterator:
                self.notify("on_batch_begin", batch=batch, training=training)
                step = step_fn(batch, **fit_params)
                losses.append(step["loss"].detach().reshape(()))
                history.record_batch(f"{prefix}_batch_size", get_len(batch[0]))
                self.notify("on_batch_end", batch=batch, training=training, **step)
        finally:
            records = history[-1]["batches"][-len(losses) :]
            for record, loss in zip(records, torch.stack(losses).tolist() if losses else [], strict=False):
                record[f"{prefix}_loss"] = loss
        history.record(f"{prefix}_batch_count", len(losses))

    def _shows_batches(self) -> bool:
        """Whether someone may look at the record of a batch while an epoch runs."""
        own = any(getattr(self.base_net, name) is not getattr(NeuralNet, name) for name in _PER_BATCH)
        return own or any(
            not _takes_target(callback) and any(_overrides(callback, name) for name in _PER_BATCH[1:])
            for _, callback in self.callbacks_
        )

    def infer(self, x: Any, **fit_params: Any) -> Any:
        """Return what the module makes of a batch; sparse rows it gets dense, unless it takes sparse ones.

        Parameters
        ----------
        x : tensor or dict of tensors
            The inputs.
        **fit_params : object
            Further ones, as in skorch.
        """
        if not getattr(self.module_, "takes_sparse", False):
            x = densified(x, self.device)
        return super().infer(x, **fit_params)

    def notify(self, method_name: str, **given: Any) -> None:
        """Call a method of all callbacks, with labels for those of the user's.

        Parameters
        ----------
        method_name : str
            The method.
        **given : object
            What it is called with: ``X`` and ``y``, or ``batch``, or the datasets.
        """
        getattr(self, method_name)(self, **given)
        labelled = None
        for _, callback in self.callbacks_:
            if _takes_target(callback) or not _overrides(callback, method_name):
                getattr(callback, method_name)(self, **given)
                continue
            if labelled is None:
                labelled = given | {
                    name: _with_labels(value, self.classes_, is_batch=name == "batch")
                    for name, value in given.items()
                    if name in ("y", "batch", "dataset_train", "dataset_valid")
                }
            getattr(callback, method_name)(self, **labelled)

    def __reduce__(self) -> tuple[Any, ...]:
        # The class is made where it is needed; pickle would look for it by name.
        return _new_net, (self.base_net,), self.__getstate__()


def labelled_net(base: type[NeuralNet]) -> type[Any]:
    """Return a class of nets that predicts labels, and shows them to callbacks.

    Parameters
    ----------
    base : type
        A class of skorch's, or derived from one.
    """
    given: Any = base
    return given if issubclass(base, LabelledNet) else _mixed(given)


@functools.cache
def _mixed(base: Any) -> type[Any]:
    names = {"base_net": base, "__module__": base.__module__, "__doc__": base.__doc__}
    return type(base.__name__, (LabelledNet, base), names)


def _new_net(base: type[NeuralNet]) -> Any:
    cls: Any = labelled_net(base)
    return cls.__new__(cls)


def _takes_target(callback: Any) -> bool:
    return isinstance(callback, _TAKE_TARGETS) or isinstance(
        getattr(callback, "scoring", None), _ScoreOfGroups
    )


def _overrides(callback: Any, method_name: str) -> bool:
    kind = type(callback)
    return kind not in _LOOK_AT_NOTHING and getattr(kind, method_name, None) is not getattr(
        Callback, method_name, None
    )


def _with_labels(value: Any, classes: NDArray[Any], *, is_batch: bool) -> Any:
    """Return a target, a batch or a dataset with labels in the place of the target of the loss."""
    if is_batch:
        X, y = value
        return (X, _labels_of(y, classes)) if isinstance(y, Mapping) else value
    if isinstance(value, Mapping):
        return classes[np.asarray(value["y"])]
    base, rows = base_and_rows(value)
    if not isinstance(getattr(base, "y", None), Mapping):
        return value
    labelled = Dataset(base.X, classes[np.asarray(base.y["y"])])
    return labelled if rows is None else Subset(labelled, rows.tolist())


def _labels_of(target: Mapping[str, torch.Tensor], classes: NDArray[Any]) -> Any:
    """Return the labels of a batch: a tensor of numbers, or an array where labels are no numbers."""
    numbers = target["y"]
    if classes.dtype.kind in "biuf":
        return torch.as_tensor(classes, device=numbers.device)[numbers]
    return classes[numbers.cpu().numpy()]


# --- scores that need the groups ------------------------------------------------------------------------


def score_with_groups(callback: Any, classes: NDArray[Any], groups: Grouping, n_strata: int) -> Any:
    """Return a callback, changed if it scores with one of this package's scorers: that gets the groups.

    Parameters
    ----------
    callback : Callback
        A copy that may be changed; any other than skorch's ``EpochScoring`` and ``BatchScoring`` stays as
        it is.
    classes : array of shape (n_classes,)
        The labels.
    groups : Grouping
        What the numbers of groups in a target stand for.
    n_strata : int
        How many numbers a group has, one in each stratum.
    """
    scorer = getattr(callback, "scoring", None)
    if isinstance(callback, EpochScoring | BatchScoring) and isinstance(scorer, SensitiveScorer):
        callback.scoring = _ScoreOfGroups(scorer, classes, groups.names, groups.labels, n_strata)
        callback.target_extractor = _numbers
        if callback.name is None:
            callback.name = repr(scorer)
    return callback


def _numbers(target: Mapping[str, Any]) -> NDArray[Any]:
    """Return the numbers of class and group of each row, of shape (n_samples, 2)."""
    return np.column_stack([np.asarray(torch.as_tensor(target[name]).cpu()) for name in ("y", "group")])


class _ScoreOfGroups:
    """A scorer of this package as a function of a net, rows and the numbers of their classes and groups."""

    def __init__(
        self,
        scorer: SensitiveScorer,
        classes: NDArray[Any],
        names: Sequence[str],
        labels: Sequence[Any],
        n_strata: int,
    ) -> None:
        self.scorer, self.classes, self.n_strata = scorer, classes, n_strata
        self.values = np.empty((len(labels), len(names)), dtype=object)
        for row, label in zip(self.values, labels, strict=True):
            row[:] = label if isinstance(label, tuple) else [label]

    def __call__(self, net: Any, X: Any, numbers: NDArray[Any]) -> float:
        of_rows = self.values[numbers[:, 1] // self.n_strata]
        return self.scorer(net, X, self.classes[numbers[:, 0]], sensitive_features=of_rows)
