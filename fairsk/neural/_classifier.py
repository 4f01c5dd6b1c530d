"""FairClassifier: a scikit-learn classifier that trains a net under a bound on its disparity."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet

from fairsk._core.bounds import Bound, BoundedConstraint, bounded_constraints, list_constraints
from fairsk._core.columns import drop_columns, sensitive_columns
from fairsk._core.groups import Grouping, encode_groups, list_groups
from fairsk._core.validation import check_weights
from fairsk._sklearn.compat import Interval, StrOptions, fit_context, num_samples
from fairsk._sklearn.rows import check_rows
from fairsk.neural._comparisons import (
    Combine,
    GroupComparison,
    compared_classes,
    list_comparisons,
    list_families,
)
from fairsk.neural._confusion import log_probabilities
from fairsk.neural._data import (
    INPUT_ATTRIBUTES,
    Dtype,
    as_rows,
    balance_classes,
    check_inputs,
    encode_labels,
    take_samples,
)
from fairsk.neural._evaluation import binding, warn_of_violations
from fairsk.neural._penalties import PenaltyFunction, get_penalty
from fairsk.neural._training import TrainingPlan, TrainingResult, train
from fairsk.rates import Constraint

__all__ = ["FairClassifier"]


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
    best_epoch_: int
    n_features_in_: int
    #: The groups of the rows (with margins, ``groups_`` has those of the columns), and how they are compared.
    _row_groups: tuple[Hashable, ...]
    _comparisons: tuple[GroupComparison, ...]

    _parameter_constraints: dict[str, list[Any] | str] = {
        "module": [callable, None],
        "sensitive_features": "no_validation",  # fairsk._core.groups says what it can be
        "combine": [StrOptions({"intersection", "margins"})],
        "constraint": "no_validation",  # fairsk.rates says what there is
        "max_difference": [Interval(Real, 0, None, closed="left"), list, tuple, None],
        "min_ratio": [Interval(Real, 0, 1, closed="both"), list, tuple, None],
        "penalty_weight": [Interval(Real, 0, None, closed="left"), None],
        "penalty": [str, callable],
        "pos_label": "no_validation",  # one of the classes
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
        combine: Combine = "intersection",
        constraint: str | Constraint | Sequence[str | Constraint] = "demographic_parity",
        max_difference: float | Sequence[float | None] | None = None,
        min_ratio: float | Sequence[float | None] | None = None,
        penalty_weight: float | None = None,
        penalty: str | PenaltyFunction = "squared_gap",
        pos_label: Any = None,
        keep_sensitive: bool = False,
        min_group_size: int = 30,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        hidden_layer_sizes: Sequence[int] = (64,),
        lr: float = 0.002,
        max_epochs: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] = "auto",
        optimizer: Callable[..., torch.optim.Optimizer] | None = None,
        callbacks: Sequence[Any] | None = None,
        early_stopping: bool | Literal["auto"] = "auto",
        dtype: Dtype = "float32",
        device: str | torch.device = "cpu",
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
        net_params: Mapping[str, Any] | None = None,
    ) -> None:
        self.module = module
        self.sensitive_features = sensitive_features
        self.combine = combine
        self.constraint = constraint
        self.max_difference = max_difference
        self.min_ratio = min_ratio
        self.penalty_weight = penalty_weight
        self.penalty = penalty
        self.pos_label = pos_label
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
        continues = self.warm_start and hasattr(self, "net_")
        return self._train(X, y, sensitive_features, sample_weight, continues=continues)

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
        continues = hasattr(self, "net_")
        return self._train(
            X, y, sensitive_features, sample_weight, continues=continues, is_partial=True, classes=classes
        )

    def _train(
        self,
        X: Any,
        y: Any,
        sensitive_features: Any,
        sample_weight: Any,
        *,
        continues: bool,
        is_partial: bool = False,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Train a net, perhaps the one of the last fit further; what fails leaves the classifier as it was."""
        bounds, is_bounded = self._bounds()
        streams = continues and is_partial  # classes, groups and comparisons are those of the first call
        data = self._read(X, y, sensitive_features, sample_weight, classes, streams=streams)
        if continues:
            self._refuse_changes(data)
        comparisons = self._comparisons if streams else self._compare(data, bounds)
        is_bounded = is_bounded and bool(comparisons)
        plan = self._plan(data, bounds, comparisons, is_bounded=is_bounded, is_partial=is_partial)
        target = data.target(with_rows=is_bounded)
        result = train(plan, data.X, target, self.net_ if continues else None)
        self._keep(data, comparisons, result, continues=continues)
        self._measure(bounds, result, is_bounded=is_bounded)
        if is_bounded and not is_partial:
            warn_of_violations(bounds, result.sums, self.classes_, comparisons[0].class_index)
        return self

    def _bounds(self) -> tuple[tuple[BoundedConstraint, ...], bool]:
        """Return the constraints with their bounds, and whether these are to be held."""
        names = [each.name for each in list_constraints(self.constraint)]
        if len(set(names)) < len(names):
            raise ValueError(
                f"constraint names {max(names, key=names.count)} twice, and disparities are told apart by "
                "name: give the second another one, Constraint(name, rates)."
            )
        get_penalty(self.penalty)  # an unknown name is an error, needed or not
        if self.penalty_weight is None:
            return bounded_constraints(self.constraint, self.max_difference, self.min_ratio), True
        others = [name for name in ("max_difference", "min_ratio") if getattr(self, name) is not None]
        if others:
            raise ValueError(
                f"Give one of max_difference, min_ratio and penalty_weight, not {others[0]} and "
                "penalty_weight: the first two are bounds that training holds, the third is the fixed weight "
                "of a penalty."
            )
        unbounded = Bound(difference=math.inf)
        return tuple(BoundedConstraint(each, unbounded) for each in list_constraints(self.constraint)), False

    def _read(
        self,
        X: Any,
        y: Any,
        sensitive_features: Any,
        sample_weight: Any,
        classes: ArrayLike | None,
        *,
        streams: bool,
    ) -> _TrainingData:
        """Return the rows to train on, checked and encoded, without those of weight zero."""
        X, y = check_rows(as_rows(X), y)
        sensitive = sensitive_columns(
            X, self.sensitive_features, sensitive_features, n_samples=num_samples(X)
        )
        X = self._without_sensitive(X, has_values=sensitive_features is not None)
        recorder = copy.copy(
            self
        )  # scikit-learn records what X looks like before all else is known to be right
        X = check_inputs(recorder, X, dtype=self.dtype, reset=not streams, any_shape=self.module is not None)
        weight = check_weights(sample_weight, len(y))
        if weight is not None and not weight.all():
            rows = np.flatnonzero(weight)  # a row of weight zero is a row that is not there
            X, y, sensitive, weight = take_samples(X, rows), y[rows], sensitive.take(rows), weight[rows]
        labels_seen, labels = encode_labels(y, self.classes_ if streams else classes)
        if classes is not None and not np.array_equal(np.unique(classes), labels_seen):
            raise ValueError(
                f"classes are {np.unique(classes).tolist()} now, but were {labels_seen.tolist()} in the first "
                "call."
            )
        groups = encode_groups(sensitive, self._row_groups if streams else None)
        if (groups.codes < 0).any():
            new = [each for each in encode_groups(sensitive).labels if each not in groups.labels]
            raise ValueError(
                f"The first call of partial_fit had no rows of {list_groups(new)}: give it some rows of every "
                "group (of several columns, of every combination), or fit anew."
            )
        inputs = {name: vars(recorder)[name] for name in INPUT_ATTRIBUTES if name in vars(recorder)}
        return _TrainingData(X, inputs, labels_seen, labels, groups, weight, self.dtype == "float64")

    def _refuse_changes(self, data: _TrainingData) -> None:
        """Refuse to train the net of the last fit further on data of another kind."""
        changed = {**data.inputs, "classes_": data.classes, "groups_": self._group_names(data.groups)}
        for name in ("n_features_in_", "input_names_", "classes_", "groups_"):
            old, new = getattr(self, name, None), changed.get(name)
            if not np.array_equal(old, new):  # type: ignore[arg-type]
                raise ValueError(
                    f"Training goes on with the net of the last fit, but {name} changed from {old} to "
                    f"{new}. Fit with warm_start=False."
                )

    def _group_names(self, groups: Grouping) -> tuple[Hashable, ...]:
        """Return the groups that are compared: of several margins, with the column."""
        families = list_families(groups, self.combine)
        if len(families) == 1:
            return groups.labels
        return tuple((family.column, value) for family in families for value in family.groups)

    def _compare(
        self, data: _TrainingData, bounds: Sequence[BoundedConstraint]
    ) -> tuple[GroupComparison, ...]:
        """Return which groups are compared in which class; none, if there is nothing to compare."""
        return list_comparisons(
            list_families(data.groups, self.combine),
            data.groups,
            data.labels,
            data.classes,
            compared_classes(data.classes, self.pos_label),
            bounds,
            self.min_group_size,
        )

    def _plan(
        self,
        data: _TrainingData,
        bounds: tuple[BoundedConstraint, ...],
        comparisons: tuple[GroupComparison, ...],
        *,
        is_bounded: bool,
        is_partial: bool,
    ) -> TrainingPlan:
        """Return everything that the training follows."""
        class_weight = balance_classes(self.class_weight, data.classes, data.labels, data.weight)
        dtype = torch.float64 if self.dtype == "float64" else torch.float32
        seeds = check_random_state(self.random_state).randint(np.iinfo(np.int32).max, size=2)
        compared = compared_classes(data.classes, self.pos_label)
        return TrainingPlan(
            n_samples=len(data.labels),
            n_classes=len(data.classes),
            n_features=data.inputs.get("n_features_in_"),
            bounds=bounds,
            is_bounded=is_bounded,
            comparisons=comparisons or GroupComparison.all_groups(len(data.groups.labels), compared),
            class_weight=None if class_weight is None else torch.as_tensor(class_weight, dtype=dtype),
            penalty=self.penalty,
            penalty_weight=(self.penalty_weight or 0.0) if comparisons else 0.0,
            module=self.module,
            hidden_layer_sizes=self.hidden_layer_sizes,
            dtype=self.dtype,
            device=self.device,
            optimizer=self.optimizer,
            lr=self.lr,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            early_stopping=self.early_stopping,
            callbacks=self.callbacks or [],
            verbose=self.verbose,
            net_params=self.net_params or {},
            reserved=frozenset(self.get_params(deep=False)),
            is_partial=is_partial,
            seeds=(int(seeds[0]), int(seeds[1])),
        )

    def _keep(
        self,
        data: _TrainingData,
        comparisons: tuple[GroupComparison, ...],
        result: TrainingResult,
        *,
        continues: bool,
    ) -> None:
        """Set the fitted attributes; nothing can fail any more."""
        earlier = self.history_ if continues else []
        for record in result.records:
            record["epoch"] += len(earlier)
        for name in INPUT_ATTRIBUTES:
            vars(self).pop(name, None)
        vars(self).update(data.inputs)
        self.net_, self.classes_ = result.net, data.classes
        self._row_groups, self._comparisons = data.groups.labels, comparisons
        self.groups_ = self._group_names(data.groups)
        self.history_ = [*earlier, *result.records]
        self.n_iter_ = len(self.history_)
        self.best_epoch_ = len(earlier) + result.best_epoch

    def _measure(
        self, bounds: tuple[BoundedConstraint, ...], result: TrainingResult, *, is_bounded: bool
    ) -> None:
        self.bounds_ = {each.constraint.name: each.bound.value for each in bounds} if is_bounded else {}
        kinds = {each.constraint.name: each.bound.comparison for each in bounds}
        self.comparison_ = kinds if len(set(kinds.values())) > 1 else bounds[0].bound.comparison
        self.training_disparities_ = (
            result.sums.disparities(bounds) if self._comparisons else dict.fromkeys(kinds, math.nan)
        )
        self.training_disparity_ = binding(bounds, list(self.training_disparities_.values()))

    def _without_sensitive(self, X: Any, *, has_values: bool = False) -> Any:
        """Return what the net sees of X: all but the sensitive column, unless the user keeps it."""
        if self.keep_sensitive:
            return X
        try:
            rest = as_rows(drop_columns(X, self.sensitive_features))
        except ValueError:
            if has_values:  # they came apart from X, which need not have the column
                return X
            raise
        if getattr(rest, "shape", ())[1:] == (0,) and not isinstance(rest, Mapping):
            raise ValueError("X has no columns but the sensitive ones, and the net does not see these.")
        return rest

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
        X = as_rows(X)
        # An array with as many columns as the net was trained on is taken for one without the sensitive column.
        columns = np.shape(X)[1:] if isinstance(X, (list, tuple)) else getattr(X, "shape", (0, 0))[1:]
        if hasattr(self, "input_names_") or columns != (getattr(self, "n_features_in_", None),):
            X = self._without_sensitive(X)
        inputs = check_inputs(self, X, dtype=self.dtype, reset=False, any_shape=self.module is not None)
        logits = self.net_.forward(inputs)
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


@dataclass(frozen=True)
class _TrainingData:
    """Rows to train on, checked and encoded.

    Attributes
    ----------
    X : array, sparse matrix or dict of arrays
        What the net is fed.
    inputs : dict
        The fitted attributes that say what it looks like.
    classes : array of shape (n_classes,)
        The classes.
    labels : array of int of shape (n_samples,)
        The index of each row's class.
    groups : Grouping
        The group of each row.
    weight : array of shape (n_samples,) or None
        The weight of each row.
    is_double : bool
        Whether the net trains in double precision.
    """

    X: Any
    inputs: dict[str, Any]
    classes: NDArray[Any]
    labels: NDArray[np.int64]
    groups: Grouping
    weight: NDArray[np.float64] | None
    is_double: bool

    def target(self, *, with_rows: bool) -> dict[str, NDArray[Any]]:
        """Return the target of the loss; with the number of each row, if decisions must be told apart."""
        target: dict[str, NDArray[Any]] = {"y": self.labels, "group": self.groups.codes.astype(np.int64)}
        if self.weight is not None:  # with a mean of one, so that only their proportions matter
            scaled = self.weight / self.weight.mean()
            target["weight"] = scaled.astype(np.float64 if self.is_double else np.float32)
        if with_rows:
            target["row"] = np.arange(len(self.labels))
        return target
