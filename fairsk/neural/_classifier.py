"""FairClassifier: a scikit-learn classifier that trains a net under a bound on its disparity."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Literal, Self, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from skorch import NeuralNet

from fairsk._core.columns import refuse_shuffled
from fairsk._core.messages import list_labels
from fairsk._core.results import library_of
from fairsk._core.typing import Floats
from fairsk._held_out.safety_margin import MarginLike
from fairsk._sklearn.accuracy import accuracy
from fairsk._sklearn.compat import Interval, StrOptions, fit_context
from fairsk.neural._comparisons import Combine, GroupComparison, GroupComparisons, training_bounds
from fairsk.neural._confusion import log_probabilities
from fairsk.neural._data import (
    INPUT_ATTRIBUTES,
    Dtype,
    InputSpec,
    NetData,
    Stream,
    prediction_inputs,
    read_training_data,
)
from fairsk.neural._evaluation import TrainingReport, training_report, warn_of_violations
from fairsk.neural._nested import check_prefixes, is_nested, nested_params, with_nested
from fairsk.neural._penalties import PenaltyLike
from fairsk.neural._training import BoundOn, TrainingPlan, early_end, train
from fairsk.rates import Constraint

__all__ = ["FairClassifier"]


def _abridged(value: Any) -> str:
    """Write a fitted attribute for a message: of a sequence, the first entries."""
    if isinstance(value, tuple | np.ndarray):
        return f"[{list_labels(value)}]"
    return str(value)


class FairClassifier(ClassifierMixin, BaseEstimator):
    r"""Train a neural net under a bound on its disparity, or with a penalty on it.

    The disparity is that of decisions, counted as a metric would count them; by default of decisions about
    rows while they are held out. The sensitive attribute is needed in ``fit`` only: predictions do not use
    it.

    Parameters
    ----------
    module : class, callable or instance of torch.nn.Module, optional
        The net, which returns logits of shape (n_samples, n_classes). A class (or function) is called with
        those of ``n_features``, ``n_classes`` and ``hidden_layer_sizes`` that its signature accepts, and
        with the ``module__`` parameters in ``net_params``; an instance is copied in ``fit``. By default a
        multilayer perceptron. Sparse rows come to it in dense batches, unless it has an attribute
        ``takes_sparse`` that is true, as the default has: then as CSR tensors.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X; a list takes several; a callable of X returns the values. Values
        passed to ``fit`` override it.
    strata : str, int, list of these, or callable, optional
        The column of X within whose values groups are compared, named as the sensitive one; the net does not
        see it, unless a callable returns it. Values passed to ``fit`` override it. The bound then holds
        within every stratum that has two large enough groups; a penalty is the mean over these strata.
        Predictions need no strata.
    combine : {"intersection", "separate"}, default="intersection"
        Of several sensitive columns, whether the groups are those of their intersection, or whether those of
        each column are compared by themselves.
    constraint : str, Constraint or list of these, default="demographic_parity"
        The rates that should agree between groups.
    max_difference : float, list, or None
        Hold the constraint's difference at or below this; of several constraints, a number for all or a list
        with one for each. At most one of ``max_difference``, ``min_ratio`` and ``penalty_weight`` is given;
        with none of them ``max_difference`` is 0.05.
    min_ratio : float in [0, 1], list, or None
        Hold the constraint's ratio at or above this. With two constraints, one of either kind:
        ``max_difference=[0.05, None], min_ratio=[None, 0.8]``.
    bound_on : {"training", "held_out"}, default="held_out"
        The rows on which the bound is held. ``"held_out"`` trains two replicas of the net at once, each on
        half of the rows; the bound is held on what each decides about the other half, and new rows get the
        mean of both. So new rows meet it as closely as rows that training did not see can tell.
        ``"training"`` trains one net on all rows and holds the bound on its decisions about them. Not used
        with a penalty.
    margin : {"1se"} or float in [0, 1), default=0
        How far to tighten the bound so that new rows meet it: not at all, until each group's rate keeps one
        standard error away from either end of the window that the bound allows (``"1se"``), or as many as it
        takes for this confidence, for all pairs of groups and all rates at once (such as .95). A group with
        too few rows for that gets the widest margin that fits, and a warning names it.
    penalty_weight : float, optional
        Instead of holding a bound, train on ``task loss + penalty_weight * penalty``.
    penalty : str or callable, default="squared_gap"
        What ``penalty_weight`` weighs, if it is given: ``"squared_gap"``, ``"absolute_gap"``, ``"ermi"``,
        ``"mutual_information"``, ``"kl_projection"``, ``"hsic"``, ``"mmd"``, ``"wasserstein"``,
        ``"covariance"`` (linear nets only), or a function of probabilities, labels and groups; see
        :class:`FairLoss`.
    pos_label : label, optional
        The class whose rates should agree between groups, against the rest. By default the second of two
        classes; of more, the rates of each against the rest should agree.
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
        about 40 steps per epoch, of 128 to 2048 rows. If ``max_epochs`` is given and these would be fewer
        than 250 steps in all, steps are of fewer rows, down to 16.
    optimizer : torch.optim.Optimizer class, optional
        By default Adam; for the default net with a weight decay that fades as rows get more, unless
        ``net_params`` has ``"optimizer__weight_decay"``, which can be 0.
    callbacks : list of skorch callbacks, optional
        Called during training, on copies. They can monitor what ``history_`` has.
    early_stopping : bool or "auto", default="auto"
        Whether to hold out a tenth of the rows, stratified by group and label, and keep the epoch that is
        best on them: by task loss among the late epochs that meet the bound, or by the total loss with a
        penalty. ``"auto"`` does so from 10,000 rows on, but with a bound on rows held out, where each row
        tells of the replica that does not learn from it. Training goes on to its end; with a penalty,
        skorch's ``EarlyStopping`` as a callback may end it, but under a bound it would do so before that is
        met.
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
        net, such as one with skorch's ``AccelerateMixin``; ``"train_split"`` says which rows are held out, or
        brings others to validate on. Those with ``__`` can be set, and searched over, by their own names:
        ``set_params(module__dropout=0.1)``. They win over what this class would say otherwise.

    Attributes
    ----------
    net_ : skorch.NeuralNet
        The trained net. Its history has the records of all batches, not of each epoch's last one only, with
        ``net_params={"callbacks__history__keep_batches": True}``.
    report_ : TrainingReport
        What is achieved on the rows of the last fit: the disparity under each constraint, its bound (infinite
        with a penalty) and interval, the counts of every group, and which groups are too small or uncertain;
        print it. With ``bound_on="held_out"`` each row is decided about by the replica that did not learn
        from it (``measured_on`` is ``"out of fold"``), else by the net. Of several constraints,
        ``report_.disparity`` is that of the one that is farthest beyond its bound or closest to it; of more
        than two classes, and of columns compared separately, the report is about the class and the column
        where that is so. NaN if there is nothing to compare.
    classes_ : array of shape (n_classes,)
        The labels.
    groups_ : tuple
        The groups seen in ``fit``, sorted; tuples of values for an intersection; (column, value) if
        several columns are compared separately.
    strata_ : tuple or None
        The strata seen in ``fit``, sorted; None if groups are compared over all rows.
    history_ : list of dict
        For every epoch ``task_loss``, ``fairness`` (the fairness term), ``loss`` (their sum), ``acc`` (the
        accuracy), ``disparity``, ``disparities`` (by constraint) and, if a bound is held, ``multipliers`` (of
        each group's rates, positive where they are lowered; the larger, the more the bound costs); with the
        prefix ``valid_`` what rows to validate on have of these. They are of the rows and decisions that
        ``report_`` is about; in the last quarter of the epochs under a bound, one of which is kept, decided
        at the end of the epoch, and else in its course.
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
        If parameters contradict each other, a name is unknown, y has one class, or not ``pos_label``, a label
        was not there when training began, or the constraint cannot be measured in two groups.
    RuntimeError
        If the training diverges.

    Warns
    -----
    UserWarning
        If there is one group only, or groups have too few rows to measure a rate on; if they have too few for
        the margin or, without one, the 95% interval of a disparity passes its bound far; or if a bound on
        training rows is met because hardly any of them is decided wrongly, as by a net that knows them by
        heart.
    ConvergenceWarning
        If the bound is not met, or met by predicting the same class for every row.

    See Also
    --------
    FairLoss : The loss with a penalty, for a skorch net of your own.
    GroupThresholdOptimizer : Holds bounds by a threshold per group, for any classifier.
    SensitiveRouter : Hands the sensitive column to the last step of a pipeline.
    fairsk.plotting.TrainingDisplay : Draws the history.

    Notes
    -----
    The bound is held by an augmented Lagrangian whose violations are counted on hard decisions, and whose
    gradients are those of soft rates [1]_ [2]_ (docs/nets.md). A net learns some of its rows by heart, and
    the rates of these say little of others: so decisions are counted that replicas of the net make about
    rows they do not learn from, as in cross-fitting [3]_. How near new rows come to the bound is then a
    matter of chance alone, the more so the smaller the groups are; ``margin`` makes room for it.

    References
    ----------
    .. [1] Cotter et al., Training Well-Generalizing Classifiers for Fairness Metrics and Other
       Data-Dependent Constraints, ICML 2019.
    .. [2] Nocedal & Wright, Numerical Optimization, 2006, chapter 17.
    .. [3] Chernozhukov et al., Double/Debiased Machine Learning for Treatment and Structural Parameters, The
       Econometrics Journal 21(1), 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk import FairClassifier
    >>> rng = np.random.default_rng(0)
    >>> group = rng.choice(["a", "b"], size=600)
    >>> X = rng.normal(size=(600, 2)) + 0.8 * (group == "a")[:, None]
    >>> y = (X.sum(axis=1) + rng.normal(size=600) > 1).astype(int)
    >>> fair = FairClassifier(max_difference=0.1, random_state=0).fit(X, y, sensitive_features=group)
    >>> bool(fair.report_.disparity <= 0.1)
    True
    >>> fair.predict(X[:3]).shape
    (3,)
    """

    __metadata_request__fit = {"sensitive_features": True, "strata": True}
    __metadata_request__partial_fit = {"sensitive_features": True, "strata": True}

    net_: NeuralNet
    report_: TrainingReport
    history_: list[dict[str, Any]]
    classes_: NDArray[Any]
    groups_: tuple[Hashable, ...]
    strata_: tuple[Hashable, ...] | None
    n_iter_: int
    best_epoch_: int
    n_features_in_: int
    #: The groups of the rows (``groups_`` has those of separate columns), and how they are compared.
    _row_groups: tuple[Hashable, ...]
    _sensitive_names: tuple[str, ...]
    _strata_names: tuple[str, ...]
    _comparisons: tuple[GroupComparison, ...]

    _parameter_constraints: dict[str, list[Any] | str] = {
        "module": [callable, None],
        "sensitive_features": "no_validation",  # fairsk._core.columns.column_keys says what it can be
        "strata": "no_validation",
        "combine": [StrOptions(set(get_args(Combine)))],
        "constraint": "no_validation",  # fairsk.rates says what there is
        "max_difference": [Interval(Real, 0, None, closed="left"), list, tuple, None],
        "min_ratio": [Interval(Real, 0, 1, closed="both"), list, tuple, None],
        "bound_on": [StrOptions(set(get_args(BoundOn)))],
        "margin": [StrOptions({"1se"}), Interval(Real, 0, 1, closed="left")],
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
        "dtype": [StrOptions(set(get_args(Dtype)))],
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
        strata: Any = None,
        combine: Combine = "intersection",
        constraint: str | Constraint | Sequence[str | Constraint] = "demographic_parity",
        max_difference: float | Sequence[float | None] | None = None,
        min_ratio: float | Sequence[float | None] | None = None,
        bound_on: BoundOn = "held_out",
        margin: MarginLike = 0.0,
        penalty_weight: float | None = None,
        penalty: PenaltyLike = "squared_gap",
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
        self.strata = strata
        self.combine = combine
        self.constraint = constraint
        self.max_difference = max_difference
        self.min_ratio = min_ratio
        self.bound_on = bound_on
        self.margin = margin
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
        strata: Any = None,
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
            Weights, not negative; they count in the task loss and in the rates. Only their proportions
            matter, but for the weight decay of the default net, where whole weights are numbers of rows.
        strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The stratum of each row; overrides the column, which is dropped all the same.

        Returns
        -------
        FairClassifier
            The fitted classifier.
        """
        previous = self if self.warm_start and hasattr(self, "net_") else None
        return self._train(previous, X, y, sensitive_features, sample_weight, strata)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: ArrayLike | None = None,
        sensitive_features: Any = None,
        sample_weight: ArrayLike | None = None,
        strata: Any = None,
    ) -> Self:
        """Train the net on some rows for one epoch, from where it stands.

        The learning rate stays at ``lr``, no rows are held out (but by your own ``train_split``), and bounds
        are approached over many calls, each of as many steps as it has batches: give many rows at once, or a
        small ``batch_size``.

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
        strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The stratum of each row; overrides the column. The first call must have some of each.

        Returns
        -------
        FairClassifier
            The classifier.
        """
        previous = self if hasattr(self, "net_") else None
        return self._train(
            previous, X, y, sensitive_features, sample_weight, strata, is_partial=True, classes=classes
        )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include nested ones, such as ``module__dropout``, that ``net_params`` has.

        Returns
        -------
        dict of str to value
            Parameters by name.
        """
        params = super().get_params(deep=deep)
        return {**params, **nested_params(self.net_params)} if deep else params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of the net by skorch's names among them: ``module__dropout=0.1``.

        Parameters
        ----------
        **params : value
            Parameters by name. Nested ones go into a copy of ``net_params``.

        Returns
        -------
        FairClassifier
            The classifier.

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        own = {name: value for name, value in params.items() if not is_nested(name)}
        check_prefixes(list(own), self._get_param_names())
        super().set_params(**own)
        self.net_params = with_nested(
            self.net_params, {name: value for name, value in params.items() if is_nested(name)}
        )
        return self

    def _train(
        self,
        previous: FairClassifier | None,
        X: Any,
        y: Any,
        sensitive_features: Any,
        sample_weight: Any,
        strata: Any,
        *,
        is_partial: bool = False,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Train a net, perhaps the previous one further; what fails leaves the classifier as it was."""
        bounds = training_bounds(
            self.constraint, self.max_difference, self.min_ratio, self.penalty_weight, self.penalty
        )
        if self.margin and self.penalty_weight is not None:
            raise ValueError(
                f"margin={self.margin!r} tightens a bound; penalty_weight holds none: leave one of them out."
            )
        # A stream has the classes, groups and comparisons of the first call of partial_fit.
        is_stream = is_partial and previous is not None
        stream = None
        if is_stream:
            stream = Stream(
                self._seen_inputs, self.classes_, self._row_groups, self.strata_, self._strata_names
            )
        data = read_training_data(
            X,
            y,
            sensitive_features,
            sample_weight,
            strata,
            spec=self._input_spec,
            classes=classes,
            stream=stream,
            names=None if previous is None else previous._sensitive_names,
        )
        compared = GroupComparisons.of(data.groups, data.classes, self.combine, self.pos_label, data.strata)
        strata_labels = None if data.strata is None else data.strata.labels
        if previous is not None:
            previous._refuse_changes(data, compared.groups, strata_labels)
        comparisons = self._comparisons if is_stream else None
        if comparisons is None:
            comparisons = compared.large_enough(data.labels, bounds, self.min_group_size)
        net = None if previous is None else previous.net_
        params = self.get_params(deep=False)
        plan = TrainingPlan.of(params, data, bounds, comparisons, is_partial=is_partial, previous=net)
        result = train(plan, data, net)
        report = training_report(
            result.predicted,
            data,
            bounds,
            compared,
            comparisons,
            plan.margins,
            "out of fold" if plan.is_cross_fitted else "training",
        )

        earlier = [] if previous is None else previous.history_
        for record in result.records:
            record["epoch"] += len(earlier)
        for name in INPUT_ATTRIBUTES:
            if name in data.inputs:
                setattr(self, name, data.inputs[name])
            elif hasattr(self, name):  # of an earlier fit to another kind of inputs
                delattr(self, name)
        self.net_ = result.net
        self.report_ = replace(report, library=library_of(X, sensitive_features))
        self.classes_, self.groups_, self.strata_ = data.classes, compared.groups, strata_labels
        self._row_groups, self._comparisons = data.groups.labels, comparisons
        self._sensitive_names = data.groups.names
        self._strata_names = () if data.strata is None else data.strata.names
        self.history_ = [*earlier, *result.records]
        self.n_iter_, self.best_epoch_ = len(self.history_), len(earlier) + result.best_epoch
        if plan.is_bounded and not is_partial:
            ended = early_end(plan, len(result.records))
            warn_of_violations(report, data.classes, plan.margins, len(result.records), ended)
        return self

    @property
    def _input_spec(self) -> InputSpec:
        """What the net is fed, by the parameters."""
        return InputSpec(
            self.sensitive_features,
            self.strata,
            self.keep_sensitive,
            self.dtype,
            any_shape=self.module is not None,
        )

    @property
    def _seen_inputs(self) -> dict[str, Any]:
        """The fitted attributes that say what inputs look like."""
        return {name: getattr(self, name) for name in INPUT_ATTRIBUTES if hasattr(self, name)}

    def _refuse_changes(
        self, data: NetData, groups: tuple[Hashable, ...], strata: tuple[Hashable, ...] | None
    ) -> None:
        """Refuse to train the net of the last fit further on data of another kind."""
        now = {**data.inputs, "classes_": data.classes, "groups_": groups, "strata_": strata}
        for name in ("n_features_in_", "input_names_", "classes_", "groups_", "strata_"):
            old, new = getattr(self, name, None), now.get(name)
            if not np.array_equal(old, new):  # type: ignore[arg-type]
                raise ValueError(
                    f"Training goes on with the net of the last fit, but {name} changed from "
                    f"{_abridged(old)} to {_abridged(new)}. Fit with warm_start=False."
                )

    def predict_proba(self, X: Any) -> Floats:
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
        logits = self.net_.forward(prediction_inputs(X, self._input_spec, self._seen_inputs))
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

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy of ``predict`` on X and y.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or dict of arrays
            Rows, with or without the sensitive column, which is not used.
        y : array-like of shape (n_samples,)
            Their labels.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row.

        Returns
        -------
        float
            The share of rows, by weight, whose label is predicted.

        Raises
        ------
        ValueError
            If labels are missing, of another kind than those of ``fit``, or not one per row; or if weights
            are negative, not finite, all zero, or not one per row; or if pandas indexes are in different
            orders.
        """
        refuse_shuffled(X=X, y=y, sample_weight=sample_weight)
        return accuracy(y, self.predict(X), self.classes_, sample_weight)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
