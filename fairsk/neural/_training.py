"""Training of a net: its plan, the skorch net that is built from the plan, and the result."""

from __future__ import annotations

import copy
import inspect
import math
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from skorch import NeuralNet, NeuralNetClassifier
from skorch.callbacks import EarlyStopping, LRScheduler
from skorch.dataset import Dataset
from skorch.exceptions import SkorchException
from skorch.hf import AccelerateMixin
from skorch.utils import noop
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from fairsk._core.bounds import BoundedConstraint
from fairsk._core.messages import list_texts
from fairsk._core.typing import Ints
from fairsk._core.warnings import warn_user
from fairsk.neural._batches import Batches, check_loader_params, takes_parameter
from fairsk.neural._bounded_loss import BoundedLoss
from fairsk.neural._callbacks import EpochRecorder, MultiplierUpdate
from fairsk.neural._comparisons import GroupComparison, compared_classes
from fairsk.neural._cross_fitted import CrossFitted, Replicate
from fairsk.neural._data import Dtype, NetData, balance_classes
from fairsk.neural._decisions import out_of_fold_classes
from fairsk.neural._evaluation import LARGE_BATCH, predict_classes
from fairsk.neural._loss import MEMORY, FairLoss
from fairsk.neural._margins import Margins
from fairsk.neural._module import MLP, uncompiled
from fairsk.neural._net import LabelledNet, labelled_net, score_with_groups
from fairsk.neural._penalties import PenaltyLike
from fairsk.neural._split import HOLD_OUT_FROM, Holdout, UserSplit

__all__ = [
    "DEFAULTS",
    "BoundOn",
    "Defaults",
    "Schedule",
    "TrainingPlan",
    "TrainingResult",
    "build_net",
    "early_end",
    "train",
]

#: On which rows a bound is held: those trained on, or rows while they are held out.
BoundOn: TypeAlias = Literal["training", "held_out"]

#: torch has one random state for all threads, so only one of them at a time may seed it.
_SEEDING = threading.RLock()


@dataclass(frozen=True)
class Defaults:
    """How batches and epochs follow from the number of rows, and what else of a training has a number.

    Each has a test in ``tests/test_bounded_loss.py``.

    Parameters
    ----------
    full_batch : int
        Up to so many rows make one batch: a step over them costs little more than one over a part.
    batches_per_epoch, min_batch_size, max_batch_size : int
        More rows make about this many batches, within these sizes: steps enough to learn by and to follow a
        bound, each of rows enough to be worth its overhead and to hold some of every group.
    min_batch_size_in_few_epochs : int
        ... or batches of as few rows as this, if the number of epochs is given and allows few steps else.
    epochs : int
        This many epochs for each bound: several may pull against each other, and a compromise takes time.
    min_steps, min_full_steps : int
        ... or as many as make this many steps (of parts of the rows; of all rows): with few steps a net
        learns next to nothing, however often it sees the rows.
    few_steps : int
        Under a bound, fewer steps than this are warned about.
    final_lr, full_final_lr : float
        The learning rate falls along a cosine to this part of its start, so that the noise of batches settles
        and the bound is met closely; where all rows are one batch there is none, and steps stay long enough.
    late_part : float
        Under a bound, the best epoch is one of this part of the training, at its end: before, the learning
        rate is high, and bounds are met by chance or by predicting next to nothing.
    weight_scale : float
        The default net's weights are held as by a normal prior of this standard deviation, whose force in the
        mean loss, ``1 / (n * weight_scale**2)``, fades as rows get more: a few hundred are learned by heart
        else, and a bound that is held on these says little about others. Biases are free, so that a
        rare class stays rare.
    predicted_per_trained : int
        A module of the user's predicts for this many times the rows of a batch at once, for without gradients
        they need less memory.
    tried_rows : int
        A module is tried on this many rows before it is trained, enough to tell probabilities from logits.
    n_folds : int
        With a bound on rows held out, how many replicas of the module are trained, each on the rows of all
        folds but its own. Two take the least time, to train and to predict, and more do not bring unseen gaps
        down further (``benchmarks/net_unseen.py``).
    """

    full_batch: int = 1024
    batches_per_epoch: int = 40
    min_batch_size: int = 128
    max_batch_size: int = 2048
    min_batch_size_in_few_epochs: int = 16
    epochs: int = 25
    min_steps: int = 600
    min_full_steps: int = 250
    few_steps: int = 100
    final_lr: float = 0.02
    full_final_lr: float = 0.3
    late_part: float = 0.25
    weight_scale: float = 0.5
    predicted_per_trained: int = 4
    tried_rows: int = 64
    n_folds: int = 2


DEFAULTS = Defaults()


@dataclass(frozen=True)
class Schedule:
    """How the rows are gone through."""

    n_trained: int
    hold_out: bool
    batch_size: int
    n_epochs: int
    drop_last: bool = False

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches."""
        if self.drop_last:
            return max(1, self.n_trained // self.batch_size)
        return math.ceil(self.n_trained / self.batch_size)

    @property
    def n_steps(self) -> int:
        """The number of steps of the whole training."""
        return self.steps_per_epoch * self.n_epochs


#: Parameters of the loss that follow from the data.
_CRITERION = frozenset({"comparisons", "n_classes", "n_groups", "n_updates"})
#: Parameters of the estimator that the plan has under the same name.
_TAKEN_OVER = (
    "bound_on",
    "module",
    "hidden_layer_sizes",
    "dtype",
    "device",
    "optimizer",
    "lr",
    "max_epochs",
    "batch_size",
    "early_stopping",
    "verbose",
)


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that a training follows: parameters of the estimator, and facts about its data.

    Parameters
    ----------
    n_samples, n_classes : int
        Rows and classes.
    n_counted : float
        How many rows these stand for, by whole weights.
    n_features : int or None
        Columns, if the inputs are an array.
    bounds : sequence of BoundedConstraint
        What disparities are recorded, and bounded if ``is_bounded``.
    is_bounded : bool
        Whether the loss holds bounds, rather than adds a penalty.
    bound_on : {"training", "held_out"}
        On the decisions about which rows.
    margins : Margins
        How far rates are to stay from the ends of what bounds allow.
    comparisons : sequence of GroupComparison
        Which groups are compared, in which class.
    class_weight : tensor or None
        What each class counts in the task loss.
    penalty, penalty_weight
        The penalty, and its weight.
    module, hidden_layer_sizes, dtype, device, optimizer, lr, max_epochs, batch_size
        As in the estimator.
    early_stopping, callbacks, verbose, net_params
        As in the estimator.
    reserved : frozenset of str
        Its other parameters, which ``net_params`` may not have.
    is_partial : bool
        Whether the net sees the rows once, and will see others later.
    had_replicas : bool
        Whether the net that is trained further, if there is one, has replicas: it keeps them.
    seeds : (int, int)
        Decide which rows are held out, and how the net is trained.
    """

    n_samples: int
    n_classes: int
    n_counted: float
    n_features: int | None
    bounds: tuple[BoundedConstraint, ...]
    is_bounded: bool
    bound_on: BoundOn
    margins: Margins
    comparisons: tuple[GroupComparison, ...]
    class_weight: torch.Tensor | None
    penalty: PenaltyLike
    penalty_weight: float
    module: Any
    hidden_layer_sizes: Sequence[int]
    dtype: Dtype
    device: Any
    optimizer: Any
    lr: float
    max_epochs: int | Literal["auto"]
    batch_size: int | Literal["auto"]
    early_stopping: bool | Literal["auto"]
    callbacks: Sequence[Any]
    verbose: int
    net_params: Mapping[str, Any]
    reserved: frozenset[str]
    is_partial: bool
    had_replicas: bool
    seeds: tuple[int, int]

    @classmethod
    def of(
        cls,
        params: Mapping[str, Any],
        data: NetData,
        bounds: tuple[BoundedConstraint, ...],
        comparisons: tuple[GroupComparison, ...],
        *,
        is_partial: bool,
        previous: NeuralNet | None = None,
    ) -> TrainingPlan:
        """Make the plan of the parameters of a FairClassifier and of its data.

        Without comparisons there is nothing to hold, and nothing to weigh with a penalty.
        """
        class_weight = balance_classes(params["class_weight"], data.classes, data.labels, data.weight)
        dtype = torch.float64 if params["dtype"] == "float64" else torch.float32
        seeds = check_random_state(params["random_state"]).randint(np.iinfo(np.int32).max, size=2)
        if not comparisons:
            comparable = compared_classes(data.classes, params["pos_label"])
            placeholders = GroupComparison.all_groups(data.n_cells, comparable)
        return cls(
            n_samples=len(data.labels),
            n_classes=len(data.classes),
            n_counted=data.n_counted,
            n_features=data.inputs.get("n_features_in_"),
            bounds=bounds,
            is_bounded=params["penalty_weight"] is None and bool(comparisons),
            comparisons=comparisons or placeholders,
            margins=Margins.of(params["margin"], bounds, comparisons),
            class_weight=None if class_weight is None else torch.as_tensor(class_weight, dtype=dtype),
            penalty=params["penalty"],
            penalty_weight=(params["penalty_weight"] or 0.0) if comparisons else 0.0,
            callbacks=params["callbacks"] or [],
            net_params=params["net_params"] or {},
            reserved=frozenset(params),
            is_partial=is_partial,
            had_replicas=previous is not None and isinstance(uncompiled(previous.module_), CrossFitted),
            seeds=(int(seeds[0]), int(seeds[1])),
            **{name: params[name] for name in _TAKEN_OVER},
        )

    @property
    def is_cross_fitted(self) -> bool:
        """Whether replicas of the module are trained, each of which leaves out a part of the rows."""
        return self.had_replicas or (self.is_bounded and self.bound_on == "held_out")

    @property
    def n_learned(self) -> float:
        """How many rows the net learns from, or each of its replicas; whole weights are numbers of rows."""
        n = self.n_counted * self.schedule.n_trained / self.n_samples
        return n * (1 - 1 / DEFAULTS.n_folds) if self.is_cross_fitted else n

    @property
    def float_dtype(self) -> torch.dtype:
        """The precision of the net."""
        return torch.float64 if self.dtype == "float64" else torch.float32

    @property
    def weight_dtype(self) -> type[np.floating[Any]]:
        """The precision of weights."""
        return np.float64 if self.float_dtype is torch.float64 else np.float32

    @property
    def rows_at_once(self) -> int:
        """How many rows to predict for at once; a large net may not have room for very many."""
        if self.module is None:
            return LARGE_BATCH
        return min(DEFAULTS.predicted_per_trained * self.schedule.batch_size, LARGE_BATCH)

    @property
    def schedule(self) -> Schedule:
        """The rows to train on, the batch size and the number of epochs."""
        n, by_size = self.n_samples, self.n_samples >= HOLD_OUT_FROM
        if self.is_cross_fitted:  # no replica learns from all rows as it is
            by_size = False
        hold_out = by_size if self.early_stopping == "auto" else self.early_stopping
        if self.is_partial or "train_split" in self.net_params:  # a split of the user's takes its place
            hold_out = False
        if hold_out:
            n = Holdout.n_trained(n)
        if self.is_cross_fitted:  # an epoch has equally many rows of every fold
            n = max(n - n % DEFAULTS.n_folds, DEFAULTS.n_folds)
        n_epochs = None if self.max_epochs == "auto" else self.max_epochs
        batch_size = self._batch_size(n, n_epochs)
        steps_per_epoch = math.ceil(n / batch_size)
        if n_epochs is None:
            steps = DEFAULTS.min_steps if steps_per_epoch > 1 else DEFAULTS.min_full_steps
            n_bounds = len(self.bounds) if self.is_bounded else 1
            n_epochs = max(DEFAULTS.epochs * n_bounds, math.ceil(steps / steps_per_epoch))
        if self.is_cross_fitted:
            batch_size = math.ceil(batch_size / DEFAULTS.n_folds) * DEFAULTS.n_folds
        drop_last = bool(self.net_params.get("iterator_train__drop_last"))
        return Schedule(n, bool(hold_out), batch_size, n_epochs, drop_last)

    def _batch_size(self, n: int, n_epochs: int | None) -> int:
        given = self.net_params.get("iterator_train__batch_size", self.batch_size)
        if given != "auto":
            return n if given == -1 else given
        per_epoch = 1 if n <= DEFAULTS.full_batch else DEFAULTS.batches_per_epoch
        smallest = DEFAULTS.min_batch_size
        if n_epochs is not None:  # few epochs need many steps each
            per_epoch = max(per_epoch, math.ceil(DEFAULTS.min_full_steps / n_epochs))
            smallest = DEFAULTS.min_batch_size_in_few_epochs
        return int(np.clip(math.ceil(n / per_epoch), min(n, smallest), DEFAULTS.max_batch_size))


@dataclass(frozen=True)
class TrainingResult:
    """What a training leaves behind: the net, the records of its epochs, and its decisions about all rows."""

    net: NeuralNet
    records: list[dict[str, Any]]
    best_epoch: int
    predicted: Ints


def train(plan: TrainingPlan, data: NetData, previous: NeuralNet | None = None) -> TrainingResult:
    """Train a net, perhaps the previous one further; if that fails, the previous one stays as it was.

    Parameters
    ----------
    plan : TrainingPlan
        What is trained, and how.
    data : NetData
        The rows.
    previous : NeuralNet, optional
        The net whose module is trained further.
    """
    _refuse_other_module(plan, previous)
    net, recorder = build_net(plan, data, previous)
    dataset = Dataset(data.X, data.target(plan.weight_dtype, with_rows=plan.is_bounded))
    with _weights_kept_on_error(previous), _seeded(plan.seeds[1], torch.device(plan.device)):
        net.initialize()
        net.criterion_ = uncompiled(net.criterion_)  # changes too much from step to step
        for part in (net.module_, net.criterion_):
            part.to(plan.float_dtype)
        net.criterion_.codes_are_known = True
        if previous is None:
            _refuse_probabilities(net, dataset)
        else:
            _carry_over(previous, net, with_optimizer=plan.is_partial)
        if (
            isinstance(net.criterion_, FairLoss)
            and plan.penalty_weight
            and net.criterion_.penalty.linear_only
        ):
            _refuse_nonlinear(net, data.X)
        with _explaining_unknown_measures(net):
            net.partial_fit(dataset.X, dataset.y)
        if isinstance(net.train_split, UserSplit):  # it holds the rows
            net.train_split = None
        predicted = predict_classes(net, dataset, plan.rows_at_once)
        if plan.is_cross_fitted:
            rows, held_out = out_of_fold_classes(net, dataset, plan.rows_at_once)
            predicted[rows] = held_out
            net.drop_folds()
    return TrainingResult(net, recorder.records_, recorder.best_epoch_, predicted)


def _refuse_other_module(plan: TrainingPlan, previous: NeuralNet | None) -> None:
    """Refuse to hold a bound with a net that has replicas where none are needed, or none where they are."""
    if previous is None or not plan.is_bounded:
        return
    if plan.had_replicas != (plan.bound_on == "held_out"):
        raise ValueError(
            f"Training goes on with the net of the last fit, which was not trained with "
            f"bound_on={plan.bound_on!r}. Fit with warm_start=False."
        )


def early_end(plan: TrainingPlan, n_epochs: int) -> str:
    """Say what ended a training before its last epoch; an empty text if nothing did."""
    planned = plan.schedule.n_epochs
    if n_epochs >= planned:
        return ""
    stops = [
        _class_of(each).__name__ for each in plan.callbacks if issubclass(_class_of(each), EarlyStopping)
    ]
    who = f"the callback {stops[0]}" if stops else "a callback or an interrupt"
    return f"Training was ended by {who} after {n_epochs} of {planned} epochs."


def build_net(
    plan: TrainingPlan, data: NetData, previous: NeuralNet | None = None
) -> tuple[NeuralNet, EpochRecorder]:
    """Return a net that is ready to be initialized; nothing of the user's is used but copies.

    Parameters
    ----------
    plan : TrainingPlan
        What the net follows.
    data : NetData
        The rows, for a split of the user's and for what callbacks see.
    previous : NeuralNet, optional
        The net whose module is trained further.

    Returns
    -------
    skorch.NeuralNet
        The net.
    EpochRecorder
        Its callback that keeps the records.
    """
    schedule = plan.schedule
    if plan.is_bounded and previous is None and not plan.is_partial and schedule.n_steps < DEFAULTS.few_steps:
        warn_user(
            f"batch_size={plan.batch_size} and max_epochs={plan.max_epochs} make only {schedule.n_steps} "
            f"steps for {schedule.n_trained} rows: too few to train well under a bound. Raise max_epochs, "
            "lower batch_size, or leave them at 'auto'.",
            ConvergenceWarning,
        )
    params = _user_params(plan, previous)
    make_net = params.pop("net", NeuralNet)
    if params.get("train_split") is not None:
        params["train_split"] = UserSplit(params["train_split"], data, plan.weight_dtype)
    accelerated = inspect.isclass(make_net) and issubclass(make_net, AccelerateMixin)
    if inspect.isclass(make_net) and issubclass(make_net, NeuralNetClassifier):
        params = {"callbacks__valid_acc": None, **params}  # scores bare labels, not a target with groups
    if not plan.verbose and not any(name.startswith("callbacks__print_log") for name in params):
        # It formats what it does not print; an accelerated net prints nonetheless, but for a sink.
        quiet = {"callbacks__print_log__sink": noop} if accelerated else {"callbacks__print_log": None}
        params = {**quiet, **params}
    update = None
    if plan.is_bounded:
        margins = plan.margins if plan.margins.is_asked_for else None
        update = MultiplierUpdate(schedule.n_epochs, margins, DEFAULTS.late_part)
    recorder = EpochRecorder(plan.bounds, schedule.n_epochs, update, plan.rows_at_once, DEFAULTS.late_part)
    defaults = {
        **_module(plan, previous),
        **_criterion(plan),
        **_optimizer(plan, params),
        "lr": plan.lr,
        "max_epochs": 1 if plan.is_partial else schedule.n_epochs,
        "batch_size": schedule.batch_size,
        **_iterators(plan, params, accelerated=accelerated),
        "train_split": Holdout(_split_seed(plan, previous)) if schedule.hold_out else None,
        "callbacks": _callbacks(plan, data, update, recorder),
        "device": None if accelerated else plan.device,
        "verbose": plan.verbose,
    }
    if inspect.isclass(make_net):
        make_net = labelled_net(make_net)
    net = make_net(**{**defaults, **params})
    _refuse_unknown_callbacks(net, params)
    if not isinstance(net, LabelledNet):  # a function made it
        net.__class__ = labelled_net(type(net))
    net.labels_ = data.classes
    return net, recorder


def _split_seed(plan: TrainingPlan, previous: NeuralNet | None) -> int:
    """Return what decides which rows are held out: other ones would be divided into other folds."""
    if previous is None or not plan.had_replicas:
        return plan.seeds[0]
    cross_fitted: Any = uncompiled(previous.module_)
    return int(cross_fitted.seed)


def _refuse_unknown_callbacks(net: NeuralNet, params: Mapping[str, Any]) -> None:
    """Refuse parameters of callbacks that there are not, which skorch passes over."""
    names = [name for name, _ in net._uniquely_named_callbacks()]
    for given in params:
        prefix, _, rest = given.partition("__")
        if prefix == "callbacks" and not any(rest == name or rest.startswith(f"{name}__") for name in names):
            raise ValueError(
                f"net_params has {given!r}, but no callback of that name; there are: {list_texts(names)}. A "
                "pair gives a callback a name: callbacks=[('schedule', LRScheduler())]."
            )


def _iterators(plan: TrainingPlan, params: dict[str, Any], *, accelerated: bool) -> dict[str, Any]:
    """Return the loaders with their parameters, and take those of the user's that ask for nothing out."""
    # An accelerator places the batches of a DataLoader only.
    iterators: dict[str, Any] = {}
    if not accelerated:
        iterators = {"iterator_train": Batches, "iterator_valid": Batches}
    for name in ("iterator_train", "iterator_valid"):
        in_memory = not accelerated and params.get(name, Batches) is Batches
        for idle in check_loader_params(params, name, in_memory=in_memory):
            del params[idle]
    loader = params.get("iterator_train", Batches)
    ordered = any(params.get(f"iterator_train__{name}") is not None for name in ("sampler", "batch_sampler"))
    if plan.is_cross_fitted:
        _refuse_own_order(params, loader)
        if "iterator_train__batch_size" in params:
            params["iterator_train__batch_size"] = plan.schedule.batch_size
    elif not ordered and takes_parameter(loader, "shuffle"):
        iterators["iterator_train__shuffle"] = True
    return {**iterators, "iterator_valid__batch_size": plan.rows_at_once}


def _refuse_own_order(params: Mapping[str, Any], loader: Any) -> None:
    """Refuse an order of the user's where a replica of the net follows from the place of a row."""
    if not takes_parameter(loader, "sampler"):
        raise ValueError(
            "net_params has an 'iterator_train' that takes no sampler, but with bound_on='held_out' one "
            "decides which replica of the net learns from each row: leave it out, take torch's DataLoader, "
            "or set bound_on='training'."
        )
    for name in ("iterator_train__sampler", "iterator_train__batch_sampler", "iterator_train__shuffle"):
        if params.get(name) is not None:
            raise ValueError(
                f"net_params has {name!r}, but with bound_on='held_out' the order of rows decides which "
                "replica of the net learns from each: leave it out, or set bound_on='training'."
            )


def _user_params(plan: TrainingPlan, previous: NeuralNet | None) -> dict[str, Any]:
    """Return copies of the user's own parameters of the net, if they contradict nothing."""
    params = copy.deepcopy({name: value for name, value in plan.net_params.items() if name != "accelerator"})
    if "accelerator" in plan.net_params:  # holds the devices, of which there are no copies
        params["accelerator"] = plan.net_params["accelerator"]
    for name in sorted(params):
        own = name.removeprefix("criterion__")
        if name == "criterion" or (own != name and own in _CRITERION - plan.reserved):
            raise ValueError(f"net_params has {name!r}, which FairClassifier decides.")
        if own in plan.reserved:
            raise ValueError(
                f"net_params has {name!r}, which FairClassifier decides: give {own}= to it instead."
            )
    if previous is not None:  # the module is there already
        return {name: value for name, value in params.items() if not name.startswith("module__")}
    if isinstance(plan.module, nn.Module) and any(name.startswith("module__") for name in params):
        raise ValueError(
            "net_params has module__ parameters, but module is an instance, made already: give its "
            "class, or make it with these parameters."
        )
    return params


def _module(plan: TrainingPlan, previous: NeuralNet | None) -> dict[str, Any]:
    """Return the module or what makes it, with the parameters that it takes."""
    if previous is not None:
        return {"module": uncompiled(previous.module_)}
    params = _module_params(plan)
    if plan.is_cross_fitted:
        params["module"] = Replicate(params["module"], DEFAULTS.n_folds, plan.seeds[0])
    return params


def _module_params(plan: TrainingPlan) -> dict[str, Any]:
    if isinstance(plan.module, nn.Module):
        return {"module": copy.deepcopy(plan.module)}
    if plan.module is None and plan.dtype == "int64":
        raise ValueError(
            "dtype='int64' is for modules that take token ids; the default net takes numbers: leave it "
            "at 'float32', or give a module."
        )
    module = MLP if plan.module is None else plan.module
    offered: dict[str, Any] = {
        "n_classes": plan.n_classes,
        "hidden_layer_sizes": tuple(plan.hidden_layer_sizes),
    }
    if plan.n_features is not None:
        offered["n_features"] = plan.n_features
    elif plan.module is None:
        raise ValueError("X is a dict, which the default net cannot take: give a module that does.")
    accepted = inspect.signature(module).parameters.values()
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted)
    names = offered if takes_any else offered.keys() & {parameter.name for parameter in accepted}
    return {"module": module, **{f"module__{name}": offered[name] for name in names}}


def _fused(plan: TrainingPlan, params: Mapping[str, Any]) -> dict[str, Any]:
    """Let Adam step in one operation, where torch can: one by one they are a tenth of a small net's step."""
    if any(f"optimizer__{name}" in params for name in ("fused", "foreach", "capturable", "differentiable")):
        return {}
    try:
        torch.optim.Adam([torch.zeros(1, dtype=plan.float_dtype, device=plan.device)], fused=True)
    except RuntimeError:  # torch 2.3 has it on fewer devices
        return {}
    return {"optimizer__fused": True}


def _optimizer(plan: TrainingPlan, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the optimizer, with weight decay for the default net unless the user has a say in it.

    A module of the user's may have been trained before, and is left to its own weights.
    """
    if plan.optimizer is not None:
        return {"optimizer": plan.optimizer}
    adam: dict[str, Any] = {"optimizer": torch.optim.Adam}
    if plan.module is not None:
        return adam
    adam |= _fused(plan, params)
    if "optimizer__param_groups" in params:
        return adam
    if (
        "optimizer__weight_decay" in params
    ):  # of the same groups, so that one optimizer can go on from another
        return {**adam, "optimizer__param_groups": [("*bias", {})]}
    # How many rows a stream will have is not known.
    decay = 0.0 if plan.is_partial else 1 / (plan.n_learned * DEFAULTS.weight_scale**2)
    return {
        **adam,
        "optimizer__weight_decay": decay,
        "optimizer__param_groups": [("*bias", {"weight_decay": 0.0})],
    }


def _criterion(plan: TrainingPlan) -> dict[str, Any]:
    """Return the loss and its parameters, in skorch's terms."""
    criterion: dict[str, Any] = {
        "criterion__comparisons": plan.comparisons,
        "criterion__n_classes": plan.n_classes,
        "criterion__class_weight": plan.class_weight,
    }
    criterion["criterion__constraint"] = [bounded.constraint for bounded in plan.bounds]
    if plan.is_bounded:
        return {
            **criterion,
            "criterion": BoundedLoss,
            "criterion__max_difference": [bounded.bound.difference for bounded in plan.bounds],
            "criterion__min_ratio": [bounded.bound.ratio for bounded in plan.bounds],
        }
    criterion |= {
        "criterion": FairLoss,
        "criterion__penalty_weight": plan.penalty_weight,
        "criterion__penalty": plan.penalty,
    }
    if not plan.is_partial:
        # The running sums remember one epoch, at most what the default remembers (and partial_fit does).
        criterion["criterion__memory"] = min(1 - 1 / plan.schedule.steps_per_epoch, MEMORY)
    return criterion


def _callbacks(
    plan: TrainingPlan, data: NetData, update: MultiplierUpdate | None, recorder: EpochRecorder
) -> list[Any]:
    """Return the callbacks, ours before the user's, which may monitor what ours record."""
    callbacks = copy.deepcopy(list(plan.callbacks))
    n_strata = 1 if data.strata is None else len(data.strata.labels)
    for callback in callbacks:
        one = callback[1] if isinstance(callback, tuple | list) else callback
        score_with_groups(one, data.classes, data.groups, n_strata)
    ours: list[Any] = [] if update is None else [update]
    if not plan.is_partial and not any(issubclass(_class_of(each), LRScheduler) for each in callbacks):
        ours.append(("lr_decay", _lr_decay(plan)))
    return [*ours, ("history", recorder), *callbacks]


def _class_of(callback: Any) -> type:
    """Return the class of a callback, which may come with a name, and as a class."""
    if isinstance(callback, tuple | list):
        callback = callback[1]
    return callback if inspect.isclass(callback) else type(callback)


def _lr_decay(plan: TrainingPlan) -> LRScheduler:
    schedule = plan.schedule
    few = schedule.n_epochs < DEFAULTS.epochs
    final = DEFAULTS.final_lr if schedule.steps_per_epoch > 1 else DEFAULTS.full_final_lr
    return LRScheduler(
        CosineAnnealingLR,
        T_max=schedule.n_epochs * (schedule.steps_per_epoch if few else 1),
        eta_min=final * plan.net_params.get("optimizer__lr", plan.lr),
        step_every="batch" if few else "epoch",  # with many epochs, once in each is fine enough
        event_name=None,
    )


@contextmanager
def _weights_kept_on_error(net: NeuralNet | None) -> Iterator[None]:
    """Put back the weights of a net's module, which another net trains further, if that fails."""
    weights = {} if net is None else copy.deepcopy(net.module_.state_dict())
    try:
        yield
    except Exception:
        if net is not None:
            net.module_.load_state_dict(weights)
        raise


#: What skorch's callbacks say of a measure that no epoch has.
_NOT_IN_HISTORY = re.compile(r"'(\w+)' was not found in history")


@contextmanager
def _explaining_unknown_measures(net: NeuralNet) -> Iterator[None]:
    """Say of a measure that a callback monitors, and that there is not, where it would come from."""
    try:
        yield
    except (KeyError, ValueError, SkorchException) as error:
        found = _NOT_IN_HISTORY.search(str(error))
        if found is None:
            raise
        name, last = found.group(1), dict(net.history[-1]) if net.history else {}
        names = sorted(each for each, value in last.items() if isinstance(value, float))
        advice = f"there are: {list_texts(names, 20)}."
        if name.startswith("valid_") and not any(each.startswith("valid_") for each in last):
            advice = (
                "there are no rows to validate on: give early_stopping=True, which holds a tenth out, or "
                "net_params={'train_split': ...}; or monitor a measure of the rows trained on, such as 'acc'."
            )
        raise ValueError(
            f"A callback monitors {name!r}, which the history does not have: {advice}"
        ) from error


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch inside the block, which other threads wait for, and put its random state back afterwards."""
    on_cpu = device.type == "cpu"
    devices = [] if on_cpu else [device if device.index is not None else torch.device(device.type, 0)]
    with _SEEDING, torch.random.fork_rng(devices, device_type="cuda" if on_cpu else device.type):
        torch.manual_seed(seed)
        yield


def _carry_over(old: NeuralNet, new: NeuralNet, *, with_optimizer: bool) -> None:
    """Let a loss of the same type go on from its multipliers or running sums, and perhaps the optimizer."""
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
def _refuse_probabilities(net: NeuralNet, dataset: Dataset) -> None:
    """Refuse a module that returns probabilities; it would train, but never be sure of anything."""
    batch = Batches(dataset).take(slice(0, DEFAULTS.tried_rows))
    outputs = net.evaluation_step(batch)
    logits = net.criterion_.checked(outputs, batch[1]).float()
    near = max(1e-4, torch.finfo(outputs.dtype).eps)
    varies = len(logits) == 1 or bool((logits != logits[0]).any())  # else they may be biases that add up to 1
    if varies and bool((logits >= 0).all()) and bool(((logits.sum(1) - 1).abs() < near).all()):
        raise ValueError(
            "The module returns probabilities: numbers from 0 to 1 that add up to 1 in each row. It must "
            "return logits, of which the loss makes probabilities: leave out its last softmax."
        )


@torch.no_grad()
def _refuse_nonlinear(net: NeuralNet, X: Any) -> None:
    """Refuse a net whose logits are no linear function of the features, for a penalty that needs one."""
    linear = False
    if not isinstance(X, Mapping) and X.dtype.kind == "f":
        rows = X[: DEFAULTS.tried_rows]
        rows = rows.toarray() if hasattr(rows, "toarray") else rows
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
