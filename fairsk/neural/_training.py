"""The skorch net that a FairClassifier trains: its module, batches, schedule, callbacks and parameters."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNet, NeuralNetClassifier
from skorch.callbacks import LRScheduler
from skorch.dataset import Dataset
from skorch.hf import AccelerateMixin
from skorch.utils import noop
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from fairsk._core.bounds import BoundedConstraint
from fairsk._core.warnings import warn_user
from fairsk.neural._bounded_loss import HoldBound
from fairsk.neural._callbacks import Progress
from fairsk.neural._data import HOLD_OUT_FROM, Batches, Holdout
from fairsk.neural._evaluation import LARGE_BATCH
from fairsk.neural._loss import MEMORY
from fairsk.neural._module import MLP

if TYPE_CHECKING:
    from fairsk.neural._classifier import FairClassifier

__all__ = ["assemble", "carry_over", "check_linear", "check_logits_of", "rows_at_once", "uncompiled"]

#: "auto" batches: all rows, up to so many; else about this many batches per epoch, within these sizes.
_FULL_BATCH, _BATCHES_PER_EPOCH, _SMALLEST_BATCH, _LARGEST_BATCH = 1024, 40, 128, 2048
#: ... or of as few rows as this, if the number of epochs is given and allows few steps else.
_FEWEST_ROWS = 16
#: "auto" epochs: this many for each bound (they may pull against each other, and a compromise takes time), or
#: as many as make enough steps. With few steps a net learns next to nothing.
_EPOCHS, _ENOUGH_STEPS, _ENOUGH_STEPS_FULL, _FEW_STEPS = 25, 600, 250, 100
#: How much more rows than it is trained on at once a net of the user's predicts for at once.
_MORE_TO_PREDICT = 4
#: The learning rate falls along a cosine to this part of its start, so that the noise of batches settles and
#: the bound is met closely; where all rows are one batch, there is none, and steps stay long enough.
_FINAL_LR, _FINAL_LR_FULL = 0.02, 0.3
#: Rows that a module is tried on before it is trained.
_TRIED = 64


@dataclass(frozen=True)
class _Plan:
    """How the rows are gone through."""

    n_samples: int
    hold_out: bool
    batch_size: int
    n_epochs: int

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.n_samples / self.batch_size)

    @property
    def n_steps(self) -> int:
        return self.steps_per_epoch * self.n_epochs


def assemble(
    classifier: FairClassifier,
    n: int,
    criterion: dict[str, Any],
    limits: Sequence[BoundedConstraint],
    *,
    held: bool,
    seed: int,
    before: FairClassifier | None = None,
    once: bool = False,
) -> tuple[NeuralNet, Progress]:
    """Return a net that is ready to be initialized; nothing of the user's is used but copies.

    Parameters
    ----------
    classifier : FairClassifier
        Whose parameters the net follows, and what is known of its data.
    n : int
        Rows.
    criterion : dict
        The loss and its parameters, in skorch's terms.
    limits : sequence of BoundedConstraint
        What disparities are recorded, and bounded if ``held``.
    held : bool
        Whether the loss holds bounds.
    seed : int
        Decides which rows are held out.
    before : FairClassifier, optional
        Whose module is trained further.
    once : bool, default=False
        Whether the net sees the rows once, and will see others later.

    Returns
    -------
    skorch.NeuralNet
        The net.
    Progress
        Its callback that keeps the records.
    """
    plan = _plan(classifier, n, once, len(limits) if held else 1)
    if held and before is None and not once and plan.n_steps < _FEW_STEPS:
        warn_user(
            f"batch_size={classifier.batch_size} and max_epochs={classifier.max_epochs} make only "
            f"{plan.n_steps} steps for {plan.n_samples} rows: too few to train well under a bound. Raise "
            "max_epochs, lower batch_size, or leave them at 'auto'.",
            ConvergenceWarning,
        )
    if not held and not once:
        # The running sums remember one epoch, at most what the default remembers (and partial_fit does).
        criterion = {**criterion, "criterion__memory": min(1 - 1 / plan.steps_per_epoch, MEMORY)}
    theirs = _own_params(classifier, before)
    make_net = theirs.pop("net", NeuralNet)
    accelerated = inspect.isclass(make_net) and issubclass(make_net, AccelerateMixin)
    if inspect.isclass(make_net) and issubclass(make_net, NeuralNetClassifier):
        theirs = {"callbacks__valid_acc": None, **theirs}  # scores bare labels, not a target with groups
    if not classifier.verbose and not any(name.startswith("callbacks__print_log") for name in theirs):
        # It formats what it does not print; an accelerated net prints nonetheless, but for a sink.
        quiet = {"callbacks__print_log__sink": noop} if accelerated else {"callbacks__print_log": None}
        theirs = {**quiet, **theirs}
    at_once = rows_at_once(classifier, plan.batch_size)
    hold = HoldBound(plan.n_epochs) if held else None
    progress = Progress(limits, plan.n_epochs, hold, at_once)
    callbacks = copy.deepcopy(list(classifier.callbacks or []))
    own: list[Any] = [hold] if hold is not None else []
    if not once and not any(issubclass(_kind(each), LRScheduler) for each in callbacks):
        own.append(("lr_decay", _decay(classifier.lr, plan)))
    params = {
        **_module(classifier, before),
        **criterion,
        "optimizer": classifier.optimizer or torch.optim.Adam,
        "lr": classifier.lr,
        "max_epochs": 1 if once else plan.n_epochs,
        "batch_size": plan.batch_size,
        "iterator_train__shuffle": True,
        "iterator_valid__batch_size": at_once,
        # An accelerator places the batches of a DataLoader only.
        **({} if accelerated else {"iterator_train": Batches, "iterator_valid": Batches}),
        "train_split": Holdout(seed) if plan.hold_out else None,
        "callbacks": [*own, progress, *callbacks],
        "device": None if accelerated else classifier.device,
        "verbose": classifier.verbose,
    }
    return make_net(**{**params, **theirs}), progress


def _plan(classifier: FairClassifier, n: int, once: bool, n_bounds: int) -> _Plan:
    """Return the rows to train on, the batch size and the number of epochs for so many rows."""
    asked = classifier.early_stopping
    hold_out = not once and (n >= HOLD_OUT_FROM if isinstance(asked, str) else asked)
    if hold_out:
        n = Holdout.n_trained(n)
    fixed = None if isinstance(classifier.max_epochs, str) else classifier.max_epochs
    if isinstance(classifier.batch_size, str):
        per_epoch = 1 if n <= _FULL_BATCH else _BATCHES_PER_EPOCH
        if fixed is not None:  # few epochs need many steps each
            per_epoch = max(per_epoch, math.ceil(_ENOUGH_STEPS_FULL / fixed))
        smallest = _SMALLEST_BATCH if fixed is None else _FEWEST_ROWS
        batch_size = int(np.clip(math.ceil(n / per_epoch), min(n, smallest), _LARGEST_BATCH))
    else:
        batch_size = n if classifier.batch_size == -1 else classifier.batch_size
    steps_per_epoch = math.ceil(n / batch_size)
    steps = _ENOUGH_STEPS if steps_per_epoch > 1 else _ENOUGH_STEPS_FULL
    enough = max(_EPOCHS * n_bounds, math.ceil(steps / steps_per_epoch))
    return _Plan(n, hold_out, batch_size, fixed or enough)


def _own_params(classifier: FairClassifier, before: FairClassifier | None) -> dict[str, Any]:
    """Return copies of the user's own parameters of the net, if they contradict nothing."""
    given = classifier.net_params or {}
    params = copy.deepcopy({name: value for name, value in given.items() if name != "accelerator"})
    if "accelerator" in given:  # holds the devices, of which there are no copies
        params["accelerator"] = given["accelerator"]
    for name in params.keys() & {"criterion", *classifier.get_params(deep=False)}:
        raise ValueError(
            f"net_params has {name!r}, which FairClassifier decides"
            + ("." if name == "criterion" else f": give {name}= to it instead.")
        )
    if before is not None:  # the module is there already
        return {name: value for name, value in params.items() if not name.startswith("module__")}
    if isinstance(classifier.module, nn.Module) and any(name.startswith("module__") for name in params):
        raise ValueError(
            "net_params has module__ parameters, but module is an instance, made already: give its "
            "class, or make it with these parameters."
        )
    return params


def _kind(callback: Any) -> type:
    """Return the class of a callback, which may come with a name, and as a class."""
    if isinstance(callback, tuple):
        callback = callback[1]
    return callback if inspect.isclass(callback) else type(callback)


def _decay(lr: float, plan: _Plan) -> LRScheduler:
    few = plan.n_epochs < _EPOCHS
    return LRScheduler(
        CosineAnnealingLR,
        T_max=plan.n_epochs * (plan.steps_per_epoch if few else 1),
        eta_min=(_FINAL_LR if plan.steps_per_epoch > 1 else _FINAL_LR_FULL) * lr,
        step_every="batch" if few else "epoch",  # with many epochs, once in each is fine enough
        event_name=None,
    )


def _module(classifier: FairClassifier, before: FairClassifier | None) -> dict[str, Any]:
    """Return the module, or its class with the parameters that it takes."""
    if before is not None:
        return {"module": uncompiled(before.net_.module_)}
    if isinstance(classifier.module, nn.Module):
        return {"module": copy.deepcopy(classifier.module)}
    if classifier.module is None and classifier.dtype == "int64":
        raise ValueError(
            "dtype='int64' is for modules that take token ids; the default net takes numbers: leave it "
            "at 'float32', or give a module."
        )
    module = MLP if classifier.module is None else classifier.module
    offered: dict[str, Any] = {
        "n_classes": len(classifier.classes_),
        "hidden_layer_sizes": tuple(classifier.hidden_layer_sizes),
    }
    if hasattr(classifier, "n_features_in_"):
        offered["n_features"] = classifier.n_features_in_
    elif classifier.module is None:
        raise ValueError("X is a dict, which the default net cannot take: give a module that does.")
    accepted = inspect.signature(module).parameters.values()
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted)
    names = offered if takes_any else offered.keys() & {parameter.name for parameter in accepted}
    return {"module": module, **{f"module__{name}": offered[name] for name in names}}


def rows_at_once(classifier: FairClassifier, batch_size: int) -> int:
    """Return how many rows to predict for at once; a large net may not have room for very many."""
    return LARGE_BATCH if classifier.module is None else min(_MORE_TO_PREDICT * batch_size, LARGE_BATCH)


def uncompiled(module: nn.Module) -> nn.Module:
    """Return the module that torch.compile wrapped, or the module itself."""
    return getattr(module, "_orig_mod", module)


def carry_over(old: NeuralNet, new: NeuralNet, *, with_optimizer: bool) -> None:
    """Let a loss of the same kind go on from its multipliers or running sums, and perhaps the optimizer."""
    state = old.criterion_.state_dict()
    alike = type(old.criterion_) is type(new.criterion_) and old.criterion_.aims == new.criterion_.aims
    if alike and all(
        name in state and state[name].shape == value.shape
        for name, value in new.criterion_.state_dict().items()
    ):
        new.criterion_.load_state_dict(state)
    if with_optimizer and type(old.optimizer_) is type(new.optimizer_):
        rates = [group["lr"] for group in new.optimizer_.param_groups]
        new.optimizer_.load_state_dict(copy.deepcopy(old.optimizer_.state_dict()))
        for group, lr in zip(new.optimizer_.param_groups, rates, strict=True):
            group["lr"] = lr


@torch.no_grad()
def check_logits_of(net: NeuralNet, dataset: Dataset) -> None:
    """Refuse a module that returns probabilities; it would train, but never be sure of anything."""
    batch = Batches(dataset).take(slice(0, _TRIED))
    found = net.evaluation_step(batch)
    logits = net.criterion_.checked(found, batch[1]).float()
    near = max(1e-4, torch.finfo(found.dtype).eps)
    varies = len(logits) == 1 or bool((logits != logits[0]).any())  # else they may be biases that add up to 1
    if varies and bool((logits >= 0).all()) and bool(((logits.sum(1) - 1).abs() < near).all()):
        raise ValueError(
            "The module returns probabilities: numbers from 0 to 1 that add up to 1 in each row. It must "
            "return logits, of which the loss makes probabilities: leave out its last softmax."
        )


@torch.no_grad()
def check_linear(net: NeuralNet, X: Any) -> None:
    """Refuse a net whose logits are no linear function of the features."""
    linear = False
    if not isinstance(X, Mapping) and X.dtype.kind == "f":
        rows = X[:_TRIED].toarray() if hasattr(X, "toarray") else X[:_TRIED]
        one, other = rows, rows[::-1].copy()
        logits = [
            net.evaluation_step((torch.as_tensor(each), None)).double()
            for each in (one, other, one + other, 0 * one)
        ]
        linear = torch.allclose(logits[0] + logits[1], logits[2] + logits[3], rtol=1e-3, atol=1e-4)
    if not linear:
        raise ValueError(
            "penalty='covariance' lowers the disparity of linear nets only, and this one is not: it would "
            "move rows that are far from any decision. Set hidden_layer_sizes=(), or take another penalty."
        )
