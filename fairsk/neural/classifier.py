"""FairClassifier: a scikit-learn classifier that trains a net to be fair."""

from __future__ import annotations

import copy
import inspect
import math
import threading
import warnings
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch import NeuralNet
from skorch.callbacks import LRScheduler
from skorch.dataset import Dataset
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from fairsk._sklearn import Interval, StrOptions, check_rows, fit_context, n_rows
from fairsk.counts import check_weights
from fairsk.groups import Grouping, drop_columns, encode_groups, format_group, sensitive_columns
from fairsk.neural.batching import Batches, Holdout
from fairsk.neural.lagrangian import Bound, BoundedLoss, HoldBound
from fairsk.neural.loss import MEMORY, FairLoss
from fairsk.neural.module import MLP
from fairsk.neural.penalties import PENALTIES
from fairsk.neural.progress import LARGE_BATCH, Progress, Standing, evaluate
from fairsk.rates import CELLS, Constraint, get_constraint

__all__ = ["FairClassifier"]

_DEFAULT_MAX_DIFFERENCE = 0.05
#: "auto" batches: about this many per epoch, within these sizes.
_BATCHES_PER_EPOCH, _SMALLEST_BATCH, _LARGEST_BATCH = 40, 16, 2048
#: "auto" epochs: this many, or as many as make enough steps. With few steps a net learns next to nothing.
_EPOCHS, _ENOUGH_STEPS, _FEW_STEPS = 25, 300, 100
#: torch has one random state for all threads, so only one of them at a time may seed it.
_SEEDING = threading.RLock()
#: The learning rate falls along a cosine to this part of its start, so that the bound is met closely.
_FINAL_LR = 0.02


class FairClassifier(ClassifierMixin, BaseEstimator):
    r"""Train a neural net for a binary task under a bound on its disparity, or with a penalty on it.

    The disparity is that of the predictions for the training rows, counted as a metric would count them.
    The sensitive attribute is needed in ``fit`` only: predictions do not use it.

    Parameters
    ----------
    module : class, callable or instance of torch.nn.Module, optional
        The net, which returns logits of shape (n_rows, 2). A class (or function) is called with those of
        ``n_features``, ``n_classes`` and ``hidden_layer_sizes`` that its signature accepts; an instance is
        copied in ``fit``. By default a multilayer perceptron.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X; a list makes an intersection; a callable of X returns the values. Values
        passed to ``fit`` override it.
    constraint : str or Constraint, default="demographic_parity"
        The rates that should agree between groups.
    max_difference : float, optional
        Hold the constraint's difference at or below this. At most one of ``max_difference``, ``min_ratio``
        and ``penalty_weight`` is given; with none of them ``max_difference`` is 0.05.
    min_ratio : float, optional
        Hold the constraint's ratio at or above this, in (0, 1].
    penalty_weight : float, optional
        Instead of holding a bound, train on ``task loss + penalty_weight * penalty``.
    penalty : {"squared_gap", "absolute_gap"} or callable, default="squared_gap"
        What ``penalty_weight`` weighs; see :class:`FairLoss`.
    keep_sensitive : bool, default=False
        Whether the net sees the sensitive column of X, which must then be numeric.
    hidden_layer_sizes : sequence of int, default=(64,)
        Widths of the hidden layers; empty for logistic regression.
    lr : float, default=0.002
        Learning rate at the start; it falls along a cosine to a fiftieth of this.
    max_epochs : int or "auto", default="auto"
        How often the net sees every row; ``"auto"`` is 25 times, or as often as 300 steps take.
    batch_size : int or "auto", default="auto"
        Rows per step; -1 for all of them. ``"auto"`` makes about 40 steps per epoch, with 16 to 2048 rows.
    optimizer : torch.optim.Optimizer class, optional
        By default Adam.
    callbacks : list of skorch callbacks, optional
        Called during training, on copies.
    early_stopping : bool, default=False
        Hold out a tenth of the rows, stratified by group and label, and keep the epoch that is best on
        them: by task loss among the epochs that meet the bound, or by the total loss with a penalty.
    device : str or torch.device, default="cpu"
        Where to train and predict.
    random_state : int, RandomState instance or None, default=None
        Seeds initial weights and the order of rows. Global random states are left as they are.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the weights of the last one.
    verbose : int, default=0
        Whether to print the loss of every epoch.
    net_params : dict, optional
        Further parameters of the ``skorch.NeuralNet``, such as ``{"optimizer__weight_decay": 1e-4}``,
        ``{"module__dropout": 0.1}`` or ``{"callbacks__lr_decay": None}``.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained net.
    classes_ : array of shape (2,)
        The labels; the second is the positive one, whose prediction counts as being selected.
    groups_ : tuple
        The groups seen in ``fit``, sorted; tuples of values for an intersection.
    training_disparity_ : float
        The constraint's difference (its ratio, if ``min_ratio`` is given) for the rows given to ``fit``.
    history_ : list of dict
        One record per epoch, for the rows trained on: ``task_loss``, ``fairness`` (the fairness term),
        ``loss`` (their sum), ``disparity`` and, if a bound is held, ``multipliers`` (the pull on each group's
        rates; the higher, the more the bound costs).
    n_iter_ : int
        How many epochs were trained.
    n_features_in_ : int
        Number of columns that the net sees.
    feature_names_in_ : array of shape (n_features_in_,)
        Their names, if X has text names.

    Raises
    ------
    ValueError
        If parameters contradict each other, a name is unknown, y does not have two classes, or the constraint
        cannot be measured in two groups.
    RuntimeError
        If the training diverges.

    Warns
    -----
    UserWarning
        If there is one group only, or groups have nothing to measure a rate on.
    ConvergenceWarning
        If the bound is not met, or met by predicting the same class for every row.

    Notes
    -----
    The bound is held by an augmented Lagrangian whose violations are counted on hard predictions for the
    training rows, and whose gradients are those of soft rates [1]_ [2]_; see
    :class:`fairsk.neural.lagrangian.BoundedLoss`. For other rows the disparity differs by chance, the more
    so the smaller the groups are.

    References
    ----------
    .. [1] Cotter et al., Training Well-Generalizing Classifiers for Fairness Metrics and Other
       Data-Dependent Constraints, ICML 2019.
    .. [2] Nocedal & Wright, Numerical Optimization, 2006, chapter 17.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk import FairClassifier
    >>> rng = np.random.default_rng(0)
    >>> group = rng.choice(["a", "b"], size=600)
    >>> X = rng.normal(size=(600, 2)) + 0.8 * (group == "a")[:, None]
    >>> y = (X.sum(axis=1) + rng.normal(size=600) > 1).astype(int)
    >>> fair = FairClassifier(max_difference=0.1, random_state=0).fit(X, y, sensitive_features=group)
    >>> bool(fair.training_disparity_ <= 0.1)
    True
    >>> fair.predict(X[:3]).shape
    (3,)
    """

    __metadata_request__fit = {"sensitive_features": True}

    net_: NeuralNet
    history_: list[dict[str, Any]]
    classes_: NDArray[Any]
    groups_: tuple[Hashable, ...]
    n_features_in_: int

    _parameter_constraints: dict[str, list[Any] | str] = {
        "module": [callable, None],
        "sensitive_features": "no_validation",  # fairsk.groups says what it can be
        "constraint": "no_validation",  # fairsk.rates says what there is
        "max_difference": [Interval(Real, 0, None, closed="left"), None],
        "min_ratio": [Interval(Real, 0, 1, closed="right"), None],
        "penalty_weight": [Interval(Real, 0, None, closed="left"), None],
        "penalty": [StrOptions(set(PENALTIES)), callable],
        "keep_sensitive": ["boolean"],
        "hidden_layer_sizes": ["array-like"],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "max_epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Integral, -1, 0, closed="left"),  # -1: all rows at once
            StrOptions({"auto"}),
        ],
        "optimizer": [callable, None],
        "callbacks": [list, tuple, None],
        "early_stopping": ["boolean"],
        "device": [str, torch.device],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "net_params": [dict, None],
    }

    def __init__(
        self,
        module: Any = None,
        *,
        sensitive_features: Any = None,
        constraint: str | Constraint = "demographic_parity",
        max_difference: float | None = None,
        min_ratio: float | None = None,
        penalty_weight: float | None = None,
        penalty: Any = "squared_gap",
        keep_sensitive: bool = False,
        hidden_layer_sizes: Sequence[int] = (64,),
        lr: float = 0.002,
        max_epochs: int | str = "auto",
        batch_size: int | str = "auto",
        optimizer: Any = None,
        callbacks: list[Any] | None = None,
        early_stopping: bool = False,
        device: Any = "cpu",
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        net_params: dict[str, Any] | None = None,
    ) -> None:
        self.module = module
        self.sensitive_features = sensitive_features
        self.constraint = constraint
        self.max_difference = max_difference
        self.min_ratio = min_ratio
        self.penalty_weight = penalty_weight
        self.penalty = penalty
        self.keep_sensitive = keep_sensitive
        self.hidden_layer_sizes = hidden_layer_sizes
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.callbacks = callbacks
        self.early_stopping = early_stopping
        self.device = device
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.net_params = net_params

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sensitive_features: Any = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train the net.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Numeric features, dense or sparse, best of similar scale, and possibly the sensitive column, of
            any type. Last in a pipeline that does not pass the column through, the net gets the values from
            :class:`SensitiveRouter`.
        y : array-like of shape (n_rows,)
            Labels of two classes.
        sensitive_features : array-like of shape (n_rows,) or (n_rows, n_columns), optional
            The group of each row; overrides the column, which is dropped all the same.
        sample_weight : array-like of shape (n_rows,), optional
            Weights, not negative; they count in the task loss and in the rates.

        Returns
        -------
        FairClassifier
            The fitted classifier.
        """
        bound = self._bound()
        X, y = check_rows(X, y)
        sensitive = sensitive_columns(X, self.sensitive_features, sensitive_features, n_rows=n_rows(X))
        X = self._without_sensitive(X, values_given=sensitive_features is not None)
        before = copy.copy(self) if self.warm_start and hasattr(self, "net_") else None
        X, y = validate_data(self, X, y, dtype=np.float32, accept_sparse="csr")
        weights = check_weights(sample_weight, len(y))
        if weights is not None:
            rows = np.flatnonzero(weights)  # a row of weight zero is a row that is not there
            X, y, sensitive, weights = X[rows], y[rows], sensitive.take(rows), weights[rows]
        self.classes_, labels = _binary_classes(y)
        groups = encode_groups(sensitive)
        self.groups_ = groups.labels
        target = {"y": labels, "group": groups.codes.astype(np.int64), "weight": _unit_mean(weights, len(y))}
        if before is not None:
            self._check_continues(before)
        criterion = self._criterion(bound, _warn_unmeasurable(bound.constraint, groups, labels))
        progress = Progress(bound, held=criterion["criterion"] is BoundedLoss)

        random_state = check_random_state(self.random_state)
        seeds = random_state.randint(np.iinfo(np.int32).max, size=2).tolist()
        net = self._net(len(y), criterion, progress, seeds[0], before)
        with _seeded(seeds[1], torch.device(self.device)):
            net.initialize()
            if before is not None:
                _carry_over(before.net_.criterion_, net.criterion_)
            net.partial_fit(X, target)

        self.net_ = net
        self.history_ = [*(before.history_ if before is not None else []), *progress.records_]
        self.n_iter_ = len(self.history_)
        self.training_disparity_ = self._judge(progress, evaluate(net, Dataset(X, target)))
        return self

    def _bound(self) -> Bound:
        """Return the bound that is asked for; with a penalty, an infinite one, which is no bound."""
        constraint = get_constraint(self.constraint)
        given = {
            name: value
            for name in ("max_difference", "min_ratio", "penalty_weight")
            if (value := getattr(self, name)) is not None
        }
        if len(given) > 1:
            raise ValueError(
                f"Give one of max_difference, min_ratio and penalty_weight, not {' and '.join(given)}: the "
                "first two are bounds that training holds, the third is the fixed weight of a penalty."
            )
        if "min_ratio" in given:
            return Bound(constraint, "ratio", given["min_ratio"])
        default = math.inf if given else _DEFAULT_MAX_DIFFERENCE
        if "max_difference" in given:
            constraint.check_max_difference(given["max_difference"])
        return Bound(constraint, "difference", given.get("max_difference", default))

    def _criterion(self, bound: Bound, comparable: bool) -> dict[str, Any]:
        """Return the loss and its parameters, in skorch's terms."""
        n_groups = len(self.groups_)
        if comparable and math.isfinite(bound.limit):
            return {"criterion": BoundedLoss, "criterion__bound": bound, "criterion__n_groups": n_groups}
        return {
            "criterion": FairLoss,
            "criterion__constraint": bound.constraint,
            "criterion__n_groups": n_groups,
            "criterion__penalty_weight": (self.penalty_weight or 0.0) if comparable else 0.0,
            "criterion__penalty": self.penalty,
        }

    def _net(
        self, n: int, criterion: dict[str, Any], progress: Progress, seed: int, before: FairClassifier | None
    ) -> NeuralNet:
        """Return a net that is ready to be initialized; nothing of the user's is used but copies."""
        batch_size, steps_per_epoch, max_epochs = self._schedule(n)
        if progress.held and before is None and steps_per_epoch * max_epochs < _FEW_STEPS:
            warnings.warn(
                f"batch_size={self.batch_size} and max_epochs={self.max_epochs} make only "
                f"{steps_per_epoch * max_epochs} steps for {n} rows: too few to train well under a bound. "
                "Raise max_epochs, lower batch_size, or leave them at 'auto'.",
                ConvergenceWarning,
                stacklevel=4,
            )
        if not progress.held:
            # The running rates remember one epoch, at most what the default remembers.
            criterion = {**criterion, "criterion__memory": min(1 - 1 / steps_per_epoch, MEMORY)}
        own = [HoldBound()] if progress.held else []
        decay = LRScheduler(CosineAnnealingLR, T_max=max_epochs, eta_min=_FINAL_LR * self.lr)
        params = {
            **self._module(before),
            **criterion,
            "optimizer": self.optimizer or torch.optim.Adam,
            "lr": self.lr,
            "max_epochs": max_epochs,
            "batch_size": batch_size,
            "iterator_train": Batches,
            "iterator_train__shuffle": True,
            "iterator_valid": Batches,
            "iterator_valid__batch_size": LARGE_BATCH,
            "train_split": Holdout(seed) if self.early_stopping else None,
            "callbacks": [*own, ("lr_decay", decay), progress, *copy.deepcopy(list(self.callbacks or []))],
            "device": self.device,
            "verbose": self.verbose,
        }
        extra = copy.deepcopy(self.net_params or {})
        if before is not None:  # the module is there already
            extra = {name: value for name, value in extra.items() if not name.startswith("module__")}
        return NeuralNet(**{**params, **extra})

    def _schedule(self, n: int) -> tuple[int, int, int]:
        """Return the batch size, the steps per epoch and the number of epochs for so many rows."""
        if isinstance(self.batch_size, str):
            batch_size = int(np.clip(n // _BATCHES_PER_EPOCH, _SMALLEST_BATCH, _LARGEST_BATCH))
        else:
            batch_size = n if self.batch_size == -1 else self.batch_size
        steps_per_epoch = math.ceil(n / batch_size)
        if isinstance(self.max_epochs, str):
            return batch_size, steps_per_epoch, max(_EPOCHS, math.ceil(_ENOUGH_STEPS / steps_per_epoch))
        return batch_size, steps_per_epoch, self.max_epochs

    def _module(self, before: FairClassifier | None) -> dict[str, Any]:
        """Return the module, or its class with the parameters that it takes."""
        if before is not None:
            return {"module": before.net_.module_}
        if isinstance(self.module, nn.Module):
            return {"module": copy.deepcopy(self.module)}
        module = MLP if self.module is None else self.module
        offered = {
            "n_features": self.n_features_in_,
            "n_classes": len(self.classes_),
            "hidden_layer_sizes": tuple(self.hidden_layer_sizes),
        }
        accepted = inspect.signature(module).parameters.values()
        takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted)
        names = offered if takes_any else offered.keys() & {parameter.name for parameter in accepted}
        return {"module": module, **{f"module__{name}": offered[name] for name in names}}

    def _without_sensitive(self, X: Any, *, values_given: bool = False) -> Any:
        """Return what the net sees of X: all but the sensitive column, unless the user keeps it."""
        if self.keep_sensitive:
            return X
        try:
            return drop_columns(X, self.sensitive_features)
        except ValueError:
            if values_given:  # the values came by themselves, so X need not have the column
                return X
            raise

    def _check_continues(self, before: FairClassifier) -> None:
        """Refuse a warm start on data of another kind."""
        for name in ("n_features_in_", "classes_", "groups_"):
            old, new = getattr(before, name), getattr(self, name)
            if not np.array_equal(old, new):
                raise ValueError(
                    f"warm_start goes on with the net of the last fit, but {name} changed from {old} to "
                    f"{new}. Fit with warm_start=False."
                )

    def _judge(self, progress: Progress, standing: Standing) -> float:
        """Return the disparity of the final predictions, and warn if it is not what was asked for."""
        bound, disparity = progress.bound, progress.disparity(standing)
        selected = float(standing.hard[:2].sum() / standing.hard.sum())
        if progress.held and bound.excess(disparity):
            name, word = (
                ("max_difference", "at most")
                if bound.comparison == "difference"
                else ("min_ratio", "at least")
            )
            warnings.warn(
                f"The {bound.constraint.name} {bound.comparison} of the training rows is {disparity:.5g}; it "
                f"should be {word} {name}={bound.limit}. Train longer (max_epochs), loosen the bound or "
                "merge small groups.",
                ConvergenceWarning,
                stacklevel=4,
            )
        elif progress.held and selected in (0.0, 1.0):
            warnings.warn(
                f"The bound is met by predicting {self.classes_.tolist()[int(selected)]!r} for every "
                "training row. Loosen it, train longer (max_epochs) or merge small groups.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return disparity

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows, with or without the sensitive column, which is not used.

        Returns
        -------
        array of shape (n_rows, 2)
            Probabilities, in the order of ``classes_``.
        """
        check_is_fitted(self)
        if getattr(X, "shape", (0, 0))[1:] != (self.n_features_in_,):  # otherwise the column was left out
            X = self._without_sensitive(X)
        X = validate_data(self, X, dtype=np.float32, accept_sparse="csr", reset=False)
        return self.net_.forward(X).double().softmax(1).numpy()

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the class of each row.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows, with or without the sensitive column, which is not used.

        Returns
        -------
        array of shape (n_rows,)
            Class labels.
        """
        negative, positive = self.predict_proba(X).T
        return self.classes_[(positive > negative).astype(int)]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.sparse = True
        return tags


def _binary_classes(y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the two classes, and the position of each row's."""
    check_classification_targets(y)
    classes, labels = np.unique(y, return_inverse=True)
    if len(classes) == 1:
        raise ValueError(
            f"A classifier needs two classes to tell apart; y has one class only: {classes.tolist()[0]!r}."
        )
    if len(classes) > 2:
        raise ValueError(
            f"Only binary classification is supported. The type of the target is {type_of_target(y)}: y has "
            f"{len(classes)} classes."
        )
    return classes, labels.astype(np.int64)


def _unit_mean(weights: NDArray[np.float64] | None, n: int) -> NDArray[np.float32]:
    """Return the weights in single precision with a mean of one, so that only their proportions matter."""
    return np.ones(n, np.float32) if weights is None else (weights / weights.mean()).astype(np.float32)


def _warn_unmeasurable(constraint: Constraint, groups: Grouping, labels: NDArray[np.int64]) -> bool:
    """Return whether there are groups to compare; name those in which a rate cannot be measured.

    That is so if the rate has no denominator even for predictions of one half everywhere.
    """
    if len(groups.labels) == 1:
        warnings.warn(
            f"All rows are of one group, {format_group(groups.labels[0])}: there is nothing to compare, and "
            "the net is trained without regard to fairness.",
            UserWarning,
            stacklevel=4,
        )
        return False
    positive, negative = groups.sums(labels) / 2, groups.sums(1 - labels) / 2
    cells = dict(zip(CELLS, (positive, negative, positive, negative), strict=True))
    for rate in constraint.rates:
        empty = rate.support(cells) == 0
        named = ", ".join(format_group(g) for g, none in zip(groups.labels, empty, strict=True) if none)
        if len(groups.labels) - empty.sum() < 2:
            raise ValueError(
                f"{constraint.name} compares nothing: {rate.name} (with the denominator {rate.denominator}) "
                f"cannot be measured for {named}, so fewer than two groups are left. Choose another "
                "constraint or merge groups."
            )
        if named:
            warnings.warn(
                f"{rate.name} cannot be measured for: {named} (its denominator, {rate.denominator}, is empty "
                "there). Training passes over them.",
                UserWarning,
                stacklevel=4,
            )
    return True


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch inside the block, which other threads wait for, and put its random state back afterwards."""
    on_cpu = device.type == "cpu"
    devices = [] if on_cpu else [device if device.index is not None else torch.device(device.type, 0)]
    with _SEEDING, torch.random.fork_rng(devices, device_type="cuda" if on_cpu else device.type):
        torch.manual_seed(seed)
        yield


def _carry_over(old: nn.Module, new: nn.Module) -> None:
    """Let a loss go on from the multipliers or running rates of one of its kind."""
    state = old.state_dict()
    if type(old) is type(new) and all(
        name in state and state[name].shape == value.shape for name, value in new.state_dict().items()
    ):
        new.load_state_dict(state)
