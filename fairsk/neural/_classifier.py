"""FairClassifier: a scikit-learn classifier that trains a net to be fair."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet
from skorch.dataset import Dataset

from fairsk._core.bounds import Bound, BoundedConstraint, bounded_constraints, list_constraints
from fairsk._core.columns import drop_columns, sensitive_columns
from fairsk._core.groups import encode_groups, list_groups
from fairsk._core.validation import check_weights
from fairsk._core.warnings import warn_user
from fairsk._sklearn.compat import Interval, StrOptions, fit_context, num_samples
from fairsk._sklearn.rows import check_rows
from fairsk.neural._bounded_loss import BoundedLoss
from fairsk.neural._comparisons import list_comparisons, list_families
from fairsk.neural._confusion import Comparison, log_probabilities
from fairsk.neural._evaluation import Standing, evaluate, excess, foremost
from fairsk.neural._inputs import check_inputs, rows_of
from fairsk.neural._loss import FairLoss
from fairsk.neural._penalties import get_penalty
from fairsk.neural._training import (
    assemble,
    carry_over,
    check_linear,
    check_logits_of,
    rows_at_once,
    uncompiled,
)
from fairsk.rates import Constraint

__all__ = ["FairClassifier"]

#: torch has one random state for all threads, so only one of them at a time may seed it.
_SEEDING = threading.RLock()


class FairClassifier(ClassifierMixin, BaseEstimator):
    r"""Train a neural net under a bound on its disparity, or with a penalty on it.

    The disparity is that of the predictions for the training rows, counted as a metric would count them.
    The sensitive attribute is needed in ``fit`` only: predictions do not use it.

    Parameters
    ----------
    module : class, callable or instance of torch.nn.Module, optional
        The net, which returns logits of shape (n_samples, n_classes). A class (or function) is called with
        those of ``n_features``, ``n_classes`` and ``hidden_layer_sizes`` that its signature accepts, and
        with the ``module__`` parameters in ``net_params``; an instance is copied in ``fit``. By default a
        multilayer perceptron.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X; a list takes several; a callable of X returns the values. Values
        passed to ``fit`` override it.
    combine : {"intersection", "margins"}, default="intersection"
        Of several sensitive columns, whether the groups are those of their intersection, or whether those of
        each column are compared by themselves.
    constraint : str, Constraint or list of these, default="demographic_parity"
        The rates that should agree between groups. Of two classes the second is the positive one; of more,
        the rates of each class against the rest should agree.
    max_difference : float, list, or None
        Hold the constraint's difference at or below this; of several constraints, a number for all or a list
        with one for each. At most one of ``max_difference``, ``min_ratio`` and ``penalty_weight`` is given;
        with none of them ``max_difference`` is 0.05.
    min_ratio : float in [0, 1], list, or None
        Hold the constraint's ratio at or above this. With two constraints, one of either kind:
        ``max_difference=[0.05, None], min_ratio=[None, 0.8]``.
    penalty_weight : float, optional
        Instead of holding a bound, train on ``task loss + penalty_weight * penalty``.
    penalty : str or callable, default="squared_gap"
        What ``penalty_weight`` weighs, if it is given: ``"squared_gap"``, ``"absolute_gap"``, ``"ermi"``,
        ``"mutual_information"``, ``"kl_projection"``, ``"hsic"``, ``"mmd"``, ``"wasserstein"``,
        ``"covariance"`` (linear nets only), or a function of probabilities, labels and groups; see
        :class:`FairLoss`.
    keep_sensitive : bool, default=False
        Whether the net sees the sensitive column of X, which must then be numeric.
    min_group_size : int, default=30
        A group with fewer rows than this in the denominator of a rate (such as positives for the true
        positive rate) takes no part in comparisons: nothing reliable could be said about it. A warning
        names it.
    class_weight : dict, "balanced" or None, default=None
        What errors on each class count in the task loss. The rates do not know of it.
    hidden_layer_sizes : sequence of int, default=(64,)
        Widths of the hidden layers; empty for logistic regression.
    lr : float, default=0.002
        Learning rate at the start; it falls along a cosine to a fiftieth of this (to three tenths, if all
        rows are one batch), unless ``callbacks`` has an ``LRScheduler``.
    max_epochs : int or "auto", default="auto"
        How often the net sees every row; ``"auto"`` is 25 times for each constraint that is held, or as often
        as 600 steps take (250, if all rows are one batch).
    batch_size : int or "auto", default="auto"
        Rows per step, at most; -1 for all of them. ``"auto"`` takes all of up to 1024 rows, and else makes
        about 40 steps per epoch, of 128 to 2048 rows.
    optimizer : torch.optim.Optimizer class, optional
        By default Adam.
    callbacks : list of skorch callbacks, optional
        Called during training, on copies. They can monitor what ``history_`` has.
    early_stopping : bool or "auto", default="auto"
        Whether to hold out a tenth of the rows, stratified by group and label, and keep the epoch that is
        best on them: by task loss among the late epochs that meet the bound, or by the total loss with a
        penalty. ``"auto"`` does so from 10,000 rows on. Training goes on to its end; with a penalty, skorch's
        ``EarlyStopping`` as a callback may end it, but under a bound it would do so before that is met.
    dtype : {"float32", "float64", "int64"}, default="float32"
        What an array X is cast to: ``"float64"`` trains in double precision, ``"int64"`` is for token ids.
        In a dict, fractions are cast to it and whole numbers to int64.
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
        ``{"module__dropout": 0.1}`` or ``{"compile": True}``. The entry ``"net"`` names another class of
        net, such as one with skorch's ``AccelerateMixin``.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained net.
    classes_ : array of shape (n_classes,)
        The labels; the second of two is the positive one, whose prediction counts as being selected.
    groups_ : tuple
        The groups seen in ``fit``, sorted; tuples of values for an intersection; (column, value) if the
        margins of several columns are compared.
    bounds_ : dict of str to float
        The bound on each constraint that training held; empty with a penalty.
    comparison_ : {"difference", "ratio"} or dict
        What is bounded (and what disparities are); by constraint, if they differ.
    training_disparity_ : float
        The disparity of the predictions for the rows of the last fit, held out or not; of several, the one
        farthest beyond its bound or closest to it. NaN if there was nothing to compare.
    training_disparities_ : dict of str to float
        The disparity for each constraint; of more than two classes, of the worst one.
    history_ : list of dict
        For every epoch ``task_loss``, ``fairness`` (the fairness term), ``loss`` (their sum), ``disparity``,
        ``disparities`` (by constraint) and, if a bound is held, ``multipliers`` (the pull on each group's
        rates; the higher, the more the bound costs); with the prefix ``valid_`` what rows held out have of
        these. With a penalty, training rows are measured while the net goes over them.
    n_iter_ : int
        How many epochs were trained.
    best_epoch_ : int
        The epoch whose weights were kept, counted from 1.
    n_features_in_ : int
        Number of columns that the net sees, if X is an array.
    feature_names_in_ : array of shape (n_features_in_,)
        Their names, if X has text names.
    input_names_ : tuple of str
        The entries of X, if it is a dict.

    Raises
    ------
    ValueError
        If parameters contradict each other, a name is unknown, y has one class, a label was not there
        when training began, or the constraint cannot be measured in two groups.
    RuntimeError
        If the training diverges.

    Warns
    -----
    UserWarning
        If there is one group only, or groups have too few rows to measure a rate on.
    ConvergenceWarning
        If the bound is not met, or met by predicting the same class for every row.

    Notes
    -----
    The bound is held by an augmented Lagrangian whose violations are counted on hard predictions for the
    training rows, and whose gradients are those of soft rates [1]_ [2]_; see
    :class:`fairsk.neural._bounded_loss.BoundedLoss`. For other rows the disparity differs by chance, the more
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
    __metadata_request__partial_fit = {"sensitive_features": True}

    net_: NeuralNet
    history_: list[dict[str, Any]]
    classes_: NDArray[Any]
    groups_: tuple[Hashable, ...]
    n_iter_: int
    n_features_in_: int
    _subgroups: tuple[Hashable, ...]
    _comparable: bool

    _parameter_constraints: dict[str, list[Any] | str] = {
        "module": [callable, None],
        "sensitive_features": "no_validation",  # fairsk._core.groups says what it can be
        "combine": [StrOptions({"intersection", "margins"})],
        "constraint": "no_validation",  # fairsk.rates says what there is
        "max_difference": [Interval(Real, 0, None, closed="left"), list, tuple, None],
        "min_ratio": [Interval(Real, 0, 1, closed="both"), list, tuple, None],
        "penalty_weight": [Interval(Real, 0, None, closed="left"), None],
        "penalty": [str, callable],
        "keep_sensitive": ["boolean"],
        "min_group_size": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
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
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "dtype": [StrOptions({"float32", "float64", "int64"})],
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
        combine: str = "intersection",
        constraint: str | Constraint | Sequence[str | Constraint] = "demographic_parity",
        max_difference: float | Sequence[float | None] | None = None,
        min_ratio: float | Sequence[float | None] | None = None,
        penalty_weight: float | None = None,
        penalty: Any = "squared_gap",
        keep_sensitive: bool = False,
        min_group_size: int = 30,
        class_weight: Any = None,
        hidden_layer_sizes: Sequence[int] = (64,),
        lr: float = 0.002,
        max_epochs: int | str = "auto",
        batch_size: int | str = "auto",
        optimizer: Any = None,
        callbacks: list[Any] | None = None,
        early_stopping: bool | str = "auto",
        dtype: str = "float32",
        device: Any = "cpu",
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        net_params: dict[str, Any] | None = None,
    ) -> None:
        self.module = module
        self.sensitive_features = sensitive_features
        self.combine = combine
        self.constraint = constraint
        self.max_difference = max_difference
        self.min_ratio = min_ratio
        self.penalty_weight = penalty_weight
        self.penalty = penalty
        self.keep_sensitive = keep_sensitive
        self.min_group_size = min_group_size
        self.class_weight = class_weight
        self.hidden_layer_sizes = hidden_layer_sizes
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.callbacks = callbacks
        self.early_stopping = early_stopping
        self.dtype = dtype
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
        X : array-like of shape (n_samples, n_features), or dict of arrays
            Numeric features, dense or sparse, best of similar scale, and possibly the sensitive column, of
            any type. Last in a pipeline that does not pass the column through, the net gets the values from
            :class:`SensitiveRouter`. For a module of your own also arrays of more dimensions, token ids
            (with ``dtype="int64"``), or a dict of arrays, which the module gets by name.
        y : array-like of shape (n_samples,)
            Labels of two classes or more.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column, which is dropped all the same.
        sample_weight : array-like of shape (n_samples,), optional
            Weights, not negative; they count in the task loss and in the rates.

        Returns
        -------
        FairClassifier
            The fitted classifier.
        """
        before = copy.copy(self) if self.warm_start and hasattr(self, "net_") else None
        return self._go_on(before, X, y, sensitive_features, sample_weight)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: ArrayLike | None = None,
        sensitive_features: Any = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train the net on some rows for one epoch, from where it stands.

        The learning rate stays at ``lr``, no rows are held out, and bounds are approached over many calls,
        each of as many steps as it has batches: give many rows at once, or a small ``batch_size``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or dict of arrays
            Some rows; the first call must have some of every group.
        y : array-like of shape (n_samples,)
            Their labels.
        classes : array-like of shape (n_classes,), optional
            All labels that will come, for the first call; if it is left out, those of the first call.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            Weights, not negative.

        Returns
        -------
        FairClassifier
            The classifier.
        """
        before = copy.copy(self) if hasattr(self, "net_") else None
        return self._go_on(before, X, y, sensitive_features, sample_weight, once=True, classes=classes)

    def _go_on(self, before: FairClassifier | None, *data: Any, **options: Any) -> Self:
        """Train, perhaps on from before; what cannot go on leaves the classifier as it was."""
        weights = {} if before is None else copy.deepcopy(before.net_.module_.state_dict())
        try:
            return self._train(before, *data, **options)
        except Exception:
            if before is not None:
                before.net_.module_.load_state_dict(weights)  # which the new net has trained
                self.__dict__ = before.__dict__
            raise

    def _train(
        self,
        before: FairClassifier | None,
        X: Any,
        y: Any,
        sensitive_features: Any,
        sample_weight: Any,
        *,
        once: bool = False,
        classes: Any = None,
    ) -> Self:
        limits, held = self._limits()
        X, y = check_rows(rows_of(X), y)
        sensitive = sensitive_columns(
            X, self.sensitive_features, sensitive_features, n_samples=num_samples(X)
        )
        X = self._without_sensitive(X, values_given=sensitive_features is not None)
        X = self._inputs(X, reset=not once or before is None)
        weights = check_weights(sample_weight, len(y))
        if weights is not None and not weights.all():
            rows = np.flatnonzero(weights)  # a row of weight zero is a row that is not there
            X = {name: each[rows] for name, each in X.items()} if isinstance(X, Mapping) else X[rows]
            y, sensitive, weights = y[rows], sensitive.take(rows), weights[rows]
        self.classes_, labels = _encode_labels(y, before.classes_ if once and before is not None else classes)
        if classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes are {np.unique(classes).tolist()} now, but were {self.classes_.tolist()} in the "
                "first call."
            )
        known = before._subgroups if once and before is not None else None
        groups = encode_groups(sensitive, known)
        if known is not None and (groups.codes < 0).any():
            strange = [each for each in encode_groups(sensitive).labels if each not in known]
            raise ValueError(
                f"The first call of partial_fit had no rows of {list_groups(strange)}: give it some rows of "
                "every group (of several columns, of every combination), or fit anew."
            )
        families = list_families(groups, self.combine)
        self._subgroups = groups.labels
        self.groups_ = (
            groups.labels
            if len(families) == 1
            else tuple((column, value) for column, values, _ in families for value in values)
        )
        if before is not None:
            self._check_continues(before)
        target = {"y": labels, "group": groups.codes.astype(np.int64)}
        if weights is not None:  # with a mean of one, so that only their proportions matter
            target["weight"] = (weights / weights.mean()).astype(self._float)
        if once and before is not None:
            comparisons = before.net_.criterion_.comparisons
            comparable = before._comparable
        else:
            comparisons = list_comparisons(
                families, groups, labels, self.classes_, limits, self.min_group_size
            )
            comparable = bool(comparisons)
            comparisons = comparisons or Comparison.all_groups(len(groups.labels), len(self.classes_))
        held, self._comparable = held and comparable, comparable
        if held:  # whoever looks at decisions must know whose they are
            target["row"] = np.arange(len(y))
        criterion = self._criterion(limits, held, comparisons, target)
        if not comparable:
            criterion["criterion__penalty_weight"] = 0.0

        random_state = check_random_state(self.random_state)
        seeds = random_state.randint(np.iinfo(np.int32).max, size=2).tolist()
        net, progress = assemble(
            self, len(y), criterion, limits, held=held, seed=seeds[0], before=before, once=once
        )
        dataset = Dataset(X, target)
        with _seeded(seeds[1], torch.device(self.device)):
            net.initialize()
            net.criterion_ = uncompiled(net.criterion_)  # changes too much from step to step
            for part in (net.module_, net.criterion_):
                part.to(getattr(torch, self._float))
            if before is None:
                check_logits_of(net, dataset)
            else:
                carry_over(before.net_, net, with_optimizer=once)
            if criterion.get("criterion__penalty_weight") and net.criterion_.penalty.linear_only:
                check_linear(net, X)
            net.partial_fit(X, target)

        self.net_ = net
        n_before = before.n_iter_ if before is not None else 0
        for record in progress.records_:
            record["epoch"] += n_before
        self.history_ = [*(before.history_ if before is not None else []), *progress.records_]
        self.n_iter_ = len(self.history_)
        self.best_epoch_ = n_before + progress.best_epoch_
        self.bounds_ = {limit.constraint.name: limit.bound.value for limit in limits} if held else {}
        kinds = {limit.constraint.name: limit.bound.comparison for limit in limits}
        self.comparison_ = kinds if len(set(kinds.values())) > 1 else limits[0].bound.comparison
        standing = evaluate(net, dataset, rows_at_once(self, net.batch_size))
        self.training_disparities_ = (
            standing.disparities(limits) if comparable else dict.fromkeys(kinds, math.nan)
        )
        self.training_disparity_ = foremost(limits, list(self.training_disparities_.values()))
        if held and not once:
            self._judge(limits, standing)
        return self

    def _limits(self) -> tuple[tuple[BoundedConstraint, ...], bool]:
        """Return the constraints with their bounds, and whether these are to be held."""
        names = [each.name for each in list_constraints(self.constraint)]
        if len(set(names)) < len(names):
            raise ValueError(
                f"constraint names {max(names, key=names.count)} twice, and disparities are told apart by "
                "name: give the second another one, Constraint(name, rates)."
            )
        get_penalty(self.penalty)  # a name that there is not is an error, needed or not
        if self.penalty_weight is None:
            return bounded_constraints(self.constraint, self.max_difference, self.min_ratio), True
        given = [name for name in ("max_difference", "min_ratio") if getattr(self, name) is not None]
        if given:
            raise ValueError(
                f"Give one of max_difference, min_ratio and penalty_weight, not {given[0]} and "
                "penalty_weight: the first two are bounds that training holds, the third is the fixed weight "
                "of a penalty."
            )
        unbounded = Bound(difference=math.inf)
        return tuple(BoundedConstraint(each, unbounded) for each in list_constraints(self.constraint)), False

    @property
    def _float(self) -> str:
        return "float64" if self.dtype == "float64" else "float32"

    def _inputs(self, X: Any, *, reset: bool) -> Any:
        """Return what the net is fed."""
        return check_inputs(self, X, dtype=self.dtype, reset=reset, any_shape=self.module is not None)

    def _criterion(
        self,
        limits: tuple[BoundedConstraint, ...],
        held: bool,
        comparisons: tuple[Comparison, ...],
        target: dict[str, NDArray[Any]],
    ) -> dict[str, Any]:
        """Return the loss and its parameters, in skorch's terms."""
        shared = {
            "criterion__comparisons": comparisons,
            "criterion__n_classes": len(self.classes_),
            "criterion__class_weight": self._class_weights(target),
        }
        if held:
            return {**shared, "criterion": BoundedLoss, "criterion__limits": limits}
        return {
            **shared,
            "criterion": FairLoss,
            "criterion__constraint": [limit.constraint for limit in limits],
            "criterion__penalty_weight": self.penalty_weight or 0.0,
            "criterion__penalty": self.penalty,
        }

    def _class_weights(self, target: dict[str, NDArray[Any]]) -> torch.Tensor | None:
        """Return what each class counts in the task loss."""
        if self.class_weight is None:
            return None
        if self.class_weight == "balanced":  # of weighted rows, which scikit-learn would need as rows
            mass = np.bincount(target["y"], target.get("weight"), len(self.classes_))
            weights = np.divide(mass.sum() / len(mass), mass, out=np.ones(len(mass)), where=mass > 0)
        else:
            weights = compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_)
            if not (np.isfinite(weights).all() and (weights >= 0).all() and weights[target["y"]].any()):
                raise ValueError(
                    "class_weight must be finite, not negative, and not zero for all rows; got "
                    f"{self.class_weight}."
                )
        return torch.as_tensor(weights, dtype=getattr(torch, self._float))

    def _without_sensitive(self, X: Any, *, values_given: bool = False) -> Any:
        """Return what the net sees of X: all but the sensitive column, unless the user keeps it."""
        if self.keep_sensitive:
            return X
        try:
            kept = rows_of(drop_columns(X, self.sensitive_features))
        except ValueError:
            if values_given:  # the values came by themselves, so X need not have the column
                return X
            raise
        if getattr(kept, "shape", ())[1:] == (0,) and not isinstance(kept, Mapping):
            raise ValueError("X has no columns but the sensitive ones, and the net does not see these.")
        return kept

    def _check_continues(self, before: FairClassifier) -> None:
        """Refuse to go on with data of another kind."""
        for name in ("n_features_in_", "input_names_", "classes_", "groups_"):
            old, new = getattr(before, name, None), getattr(self, name, None)
            if not np.array_equal(old, new):  # type: ignore[arg-type]
                raise ValueError(
                    f"Training goes on with the net of the last fit, but {name} changed from {old} to "
                    f"{new}. Fit with warm_start=False."
                )

    def _judge(self, limits: tuple[BoundedConstraint, ...], standing: Standing) -> None:
        """Warn if the final predictions do not have what was asked for."""
        missed = []
        for limit in limits:
            disparity = self.training_disparities_[limit.constraint.name]
            if excess(limit.bound, disparity):
                word = "most" if limit.bound.comparison == "difference" else "least"
                missed.append(
                    f"The {limit.constraint.name} {limit.bound.comparison} of the training rows is "
                    f"{disparity:.5g}; it should be at {word} {limit.bound}."
                )
        if missed:
            advice = "Train longer (max_epochs), loosen the bound or merge small groups."
            warn_user(" ".join([*missed, advice]), ConvergenceWarning)
        elif len(self.classes_) == 2 and standing.selected in (0.0, 1.0):
            warn_user(
                f"The bound is met by predicting {self.classes_.tolist()[int(standing.selected)]!r} for "
                "every training row. Loosen it, train longer (max_epochs) or merge small groups.",
                ConvergenceWarning,
            )

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or dict of arrays
            Rows, with or without the sensitive column, which is not used.

        Returns
        -------
        array of shape (n_samples, n_classes)
            Probabilities, in the order of ``classes_``.
        """
        check_is_fitted(self)
        X = rows_of(X)
        seen = (getattr(self, "n_features_in_", None),)
        columns = np.shape(X)[1:] if isinstance(X, (list, tuple)) else getattr(X, "shape", (0, 0))[1:]
        if hasattr(self, "input_names_") or columns != seen:
            X = self._without_sensitive(X)
        logits = self.net_.forward(self._inputs(X, reset=False))
        return np.ascontiguousarray(log_probabilities(logits.double()).exp().numpy())

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the class of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or dict of arrays
            Rows, with or without the sensitive column, which is not used.

        Returns
        -------
        array of shape (n_samples,)
            Class labels.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _encode_labels(y: NDArray[Any], classes: Any = None) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the classes, and the position of each row's."""
    check_classification_targets(y)
    known = np.unique(y if classes is None else np.asarray(classes))
    if len(known) == 1:
        raise ValueError(
            f"A classifier needs two classes to tell apart; y has one class only: {known.tolist()[0]!r}."
        )
    strange = np.setdiff1d(y, known)
    if len(strange):
        raise ValueError(
            f"y has the label {strange.tolist()[0]!r}, which is not one of the classes {known.tolist()}: "
            "name all of them in the first call of partial_fit, classes=."
        )
    return known, np.searchsorted(known, y).astype(np.int64)


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch inside the block, which other threads wait for, and put its random state back afterwards."""
    on_cpu = device.type == "cpu"
    devices = [] if on_cpu else [device if device.index is not None else torch.device(device.type, 0)]
    with _SEEDING, torch.random.fork_rng(devices, device_type="cuda" if on_cpu else device.type):
        torch.manual_seed(seed)
        yield
