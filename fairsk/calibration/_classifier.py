"""Calibration per group: GroupCalibratedClassifier, with shrinkage towards the map of all rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from numbers import Real
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit
from sklearn.utils.validation import check_is_fitted

from fairsk._core.groups import list_groups
from fairsk._core.messages import show
from fairsk._core.policy import UnknownGroup
from fairsk._core.typing import Bools, Floats, Ints
from fairsk._core.warnings import warn_user
from fairsk._meta.base import MetaClassifier
from fairsk._meta.cross_fit import OutOfFold, check_training_data, cross_fit
from fairsk._meta.groupwise import GROUPWISE_PARAMETERS, group_codes
from fairsk._meta.inner import check_scored
from fairsk._sklearn.compat import Interval, StrOptions, fit_context
from fairsk._sklearn.routing import ResponseMethod, class_scores, positive_scores, response_of
from fairsk.calibration._mapper import as_response, offers_response
from fairsk.calibration._maps import CalibrationMap, Method, fit_map

__all__ = ["GroupCalibratedClassifier"]

_FOR_REGRESSORS = (
    "PredictionRepair makes what it predicts alike in all groups, and ConstrainedRegressor holds a bound on "
    "how far its errors differ."
)
#: A group with fewer (effective) rows gets the map of all rows.
_MIN_ROWS = 10
#: Probabilities are cut off this far away from 0 and 1, where log-odds are infinite.
_MIN_PROBABILITY = 1e-6


class GroupCalibratedClassifier(MetaClassifier):
    r"""Calibrate probabilities in every group, small groups with the help of all rows.

    Of the rows with a calibrated probability of .7, 70 % are positive: in every group, not only on average
    over all of them. Each group's map is mixed with the map of all rows, the more so the smaller the group.
    Of several classes that holds for the probability of each.

    Parameters
    ----------
    estimator : classifier
        A classifier or pipeline with ``predict_proba`` or ``decision_function``; it is cloned.
        Wrap a fitted one in :class:`sklearn.frozen.FrozenEstimator`: then all rows passed to ``fit`` serve
        to learn the maps, and must be other rows than it was trained on.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X; a list makes an intersection; a callable of X returns the values.
        Values passed to a method override it.
    method : {"isotonic", "sigmoid", "temperature"}, default="isotonic"
        The kind of map: any rising one, which takes a few hundred rows per group; Platt's sigmoid with a
        slope and an intercept; or a temperature alone, which corrects confidence but not a group's base rate,
        and changes no prediction. Of three classes and more, one temperature serves all of them; the other
        two kinds are a map per class against the rest, whose probabilities are divided by their sum. Take one
        of the last two for several classes with fewer than some thousand rows per group (see Notes).
    shrinkage : float in [0, inf), default=50.0
        How many rows the map of all rows counts for: a group with that many rows gets the mean of its own
        map and that one. 0 is no help from other groups.
    cv : int, float, splitter or None, default=5
        Number of folds for the out-of-fold scores, stratified by group and label; a float for one split
        with that share of test rows; or any splitter (a row that it scores more than once counts once, with
        the mean of its scores). None means 5.
    refit : bool, default=True
        Whether to refit the classifier on all rows. False needs a ``cv`` with one split, and keeps that
        split's classifier.
    response_method : {"auto", "predict_proba", "decision_function"}, default="auto"
        Where scores come from; ``"auto"`` takes the first of the two that the classifier has.
    unknown_group : {"error", "overall"}, default="error"
        What to do at prediction with groups that did not occur in ``fit``, and with missing ones: refuse,
        or use the map of all rows. It warns if no row of several has a known group, or values are
        of another type (text, numbers) than in ``fit``.
    pos_label : label, optional
        The positive one of two classes; by default the second. Of more classes none is singled out.
    random_state : int, RandomState instance or None, default=None
        Shuffles the rows before they are split, if given.
    n_jobs : int or None, default=None
        How many folds to fit at a time.

    Attributes
    ----------
    maps_ : dict
        For each group its own map, before it is mixed: an :class:`~fairsk.calibration.IsotonicMap`,
        :class:`~fairsk.calibration.SigmoidMap` or :class:`~fairsk.calibration.TemperatureMap`; of three
        classes and more a :class:`~fairsk.calibration.OneVsRestMap` or a ``TemperatureMap``.
    overall_map_ : IsotonicMap, SigmoidMap, TemperatureMap or OneVsRestMap
        The map of all rows together.
    own_weights_ : dict
        For each group the weight of its own map; the rest is that of the overall map.
    groups_ : tuple
        The groups, sorted; tuples of values for an intersection.
    estimator_ : classifier
        The fitted classifier.
    classes_ : array of shape (n_classes,)
        The labels.

    Raises
    ------
    ValueError
        If y has one class only, ``pos_label`` names one of more than two classes, the sensitive column is
        missing or has missing values, or a group is unknown at prediction.

    Warns
    -----
    UserWarning
        If a group has fewer than 10 rows or only one label: it gets the map of all rows.

    See Also
    --------
    ScoreRepair : Give every group the same distribution of scores instead.
    GroupThresholdOptimizer : Decide by a threshold per group.
    fairsk.metrics.score_metrics : Measure calibration in every group.
    sklearn.calibration.CalibratedClassifierCV : One map for all rows.

    Notes
    -----
    With :math:`m_g` the map of group :math:`g`, :math:`m` that of all rows and :math:`k` the shrinkage, a
    score :math:`s` becomes the probability

    .. math:: w_g m_g(s) + (1 - w_g) m(s), \qquad w_g = \frac{n_g}{n_g + k},

    the weight of credibility theory [1]_. With sample weights :math:`n_g` is Kish's effective number of rows,
    :math:`(\sum w)^2 / \sum w^2`, also where rows are counted for Platt's targets: only the ratios of weights
    matter.

    The maps are isotonic regression [2]_, Platt's sigmoid with his targets [3]_, or temperature scaling [4]_.
    Isotonic maps read scores as they are; the other two read log-odds: the logit of probabilities, cut off
    1e-6 away from 0 and 1, and decision scores as they are. The inverse of a temperature is sought between
    exp(-10) and exp(10).

    *Several classes.* The temperature :math:`T` of a group turns log-probabilities (or decision scores)
    :math:`z_c` into :math:`e^{z_c / T} / \sum_k e^{z_k / T}`, and has the least log loss. The maps of a class
    against the rest [2]_ are each fitted by itself, as for two classes; where all of them say 0, the classes
    are equally probable. A class that no row of a group has is impossible by the group's own isotonic map,
    and nearly so by its sigmoid; the map of all rows leaves it some probability.

    An isotonic map says 0 below the lowest score of the class that it has seen, which costs much log loss
    where the class then occurs. In a simulation of three classes and two groups, whose scores were off by a
    slope and a shift, 200 rows per group gave some class probability 0 in a third of new rows, and a log loss
    of .89, against .71 of the temperature and .67 of the sigmoid; 1,000 rows gave .73, .74 and .68. Few rows
    per class and group, or probabilities that go on into logarithms or costs, are a reason for
    ``"temperature"``, which never says 0 and keeps the order of the classes, or for ``"sigmoid"``, if base
    rates are wrong too.

    *The default shrinkage* was chosen by simulation: groups of 10 to 3,000 rows beside 6,000 others, true
    log-odds :math:`a_g z + b_g` with :math:`\log a_g` and :math:`b_g` normal with standard deviations of
    .25 h and .5 h, averaged over h = 0, .5, 1 and 2. Of 0, 5, 10, 20, 30, 50, 75, 100 and more, 50 has the
    least mean squared error of the probabilities for isotonic maps (.0064, against .0168 without shrinkage
    and .0130 for the overall map alone) and for temperatures; sigmoids are best at 20, where the error is
    9 % lower than at 50. With three classes it is the same. Where groups differ little, more is better; where
    they differ much, less.

    Calibration in every group and equal error rates exclude each other where base rates differ [5]_.

    References
    ----------
    .. [1] Bühlmann, Experience Rating and Credibility, ASTIN Bulletin 4, 1967.
    .. [2] Zadrozny & Elkan, Transforming Classifier Scores into Accurate Multiclass Probability Estimates,
       KDD 2002.
    .. [3] Platt, Probabilistic Outputs for Support Vector Machines and Comparisons to Regularized Likelihood
       Methods, in Advances in Large Margin Classifiers, 1999.
    .. [4] Guo, Pleiss, Sun & Weinberger, On Calibration of Modern Neural Networks, ICML 2017.
    .. [5] Pleiss, Raghavan, Wu, Kleinberg & Weinberger, On Fairness and Calibration, NeurIPS 2017.

    Examples
    --------
    A model that gives both groups the same probabilities, where the positives are 20 % and 80 %:

    >>> import numpy as np
    >>> from fairsk import GroupCalibratedClassifier
    >>> from sklearn.dummy import DummyClassifier
    >>> group = np.repeat([0, 1], 500)
    >>> y = np.tile([0, 0, 0, 0, 1], 200) ^ group
    >>> model = GroupCalibratedClassifier(DummyClassifier(), sensitive_features=0)
    >>> model = model.fit(group.reshape(-1, 1), y)
    >>> model.predict_proba([[0], [1]])[:, 1].round(2)
    array([0.23, 0.77])
    >>> model.set_params(shrinkage=0).fit(group.reshape(-1, 1), y).predict_proba([[0], [1]])[:, 1].round(2)
    array([0.2, 0.8])
    """

    _response: Any  # the method of the fitted classifier that its scores come from

    # Every response depends on the group, so all of them ask for it.
    __metadata_request__predict = {"sensitive_features": True}
    __metadata_request__predict_proba = {"sensitive_features": True}
    __metadata_request__predict_log_proba = {"sensitive_features": True}
    __metadata_request__decision_function = {"sensitive_features": True}
    __metadata_request__score = {"sensitive_features": True}

    _parameter_constraints = {
        **GROUPWISE_PARAMETERS,
        "method": [StrOptions(set(get_args(Method)))],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        sensitive_features: Any = None,
        method: Method = "isotonic",
        shrinkage: float = 50.0,
        cv: Any = 5,
        refit: bool = True,
        response_method: ResponseMethod = "auto",
        unknown_group: UnknownGroup = "error",
        pos_label: Any = None,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.sensitive_features = sensitive_features
        self.method = method
        self.shrinkage = shrinkage
        self.cv = cv
        self.refit = refit
        self.response_method = response_method
        self.unknown_group = unknown_group
        self.pos_label = pos_label
        self.random_state = random_state
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sensitive_features: Any = None,
        sample_weight: ArrayLike | None = None,
        **fit_params: Any,
    ) -> Self:
        """Learn the maps on out-of-fold scores and refit the classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, passed on as they are.
        y : array-like of shape (n_samples,)
            Labels; two classes or more.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, for the classifier (unless its request for weights is False) and for the
            maps.
        **fit_params
            Passed on to the classifier's ``fit``, values per row split with the rows; what the splitter asks
            for, such as ``groups``, goes to it.

        Returns
        -------
        GroupCalibratedClassifier
            The fitted meta-estimator.
        """
        check_scored(self, self.response_method, _FOR_REGRESSORS)
        training = check_training_data(
            X,
            y,
            selector=self.sensitive_features,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            pos_label=self.pos_label,
            fit_params=fit_params,
            estimator=self.estimator,
            cv=self.cv,
            several_classes=True,
        )
        self._classes, self._positive = training.classes, training.positive
        if self._positive is None and self.pos_label is not None:
            raise ValueError(
                f"y has {len(training.classes)} classes, each of which is calibrated, and pos_label="
                f"{show(self.pos_label)} names the positive one of two: leave it out."
            )
        out_of_fold = cross_fit(
            self.estimator,
            training,
            self._scoring(self.response_method),
            cv=self.cv,
            refit=self.refit,
            random_state=self.random_state,
            n_jobs=self.n_jobs,
        )
        self.groups_ = training.groups.labels
        self._response = response_of(out_of_fold.estimator, self.response_method)
        self._learn(out_of_fold.present())
        self.estimator_ = out_of_fold.estimator
        self._copy_feature_record()
        self._remember_columns(training.groups.names, sensitive_features)
        return self

    def _learn(self, out_of_fold: OutOfFold) -> None:
        """Learn the map of all rows, and one for every group that is large enough."""
        labels, codes, weights = out_of_fold.labels, out_of_fold.groups.codes, out_of_fold.mass
        actual = self._actual(labels)
        self._reads_logarithms = self._response == "predict_proba" and self.method != "isotonic"
        scores = self._inputs(out_of_fold.scores)
        self.overall_map_: CalibrationMap = fit_map(self.method, scores, actual, _effective(weights))
        self.maps_: dict[Hashable, CalibrationMap] = {}
        self.own_weights_: dict[Hashable, float] = {}
        small = []
        for code, label in enumerate(self.groups_):
            in_group = codes == code
            effective = _effective(weights[in_group])
            size = float(effective.sum())
            # A sum of equal weights can miss the number of rows by a rounding error.
            if size < _MIN_ROWS - 1e-9 or len(np.unique(labels[in_group])) < 2:
                small.append(label)
                self.maps_[label], self.own_weights_[label] = self.overall_map_, 0.0
            else:
                self.maps_[label] = fit_map(self.method, scores[in_group], actual[in_group], effective)
                self.own_weights_[label] = size / (size + float(self.shrinkage))
        if small:
            warn_user(
                f"Fewer than {_MIN_ROWS} rows, or only one label, in: {list_groups(small)}. These groups "
                "get the map of all rows; merge small groups of sensitive_features for one of their own."
            )

    def _scoring(self, response_method: Any) -> Callable[..., Floats]:
        """Return what reads scores off a fitted classifier: of the positive class, or of each."""
        if self._positive is None:
            return partial(class_scores, response_method=response_method, classes=self._classes)
        return partial(positive_scores, response_method=response_method, positive=self._positive)

    def _actual(self, labels: NDArray[Any]) -> Bools:
        """Return which rows are positive, or of each class."""
        if self._positive is None:
            return labels[:, None] == np.array(self._classes)
        return labels == self._positive

    def _map(self, scores: Floats, codes: Ints) -> Floats:
        """Return probabilities of the positive class, or of each; the code -1 stands for unknown groups."""
        scores = self._inputs(scores)
        probabilities = self.overall_map_(scores)
        for code, label in enumerate(self.groups_):
            in_group = codes == code
            weight, group_map = self.own_weights_[label], self.maps_[label]
            mixed = weight * group_map(scores[in_group]) + (1 - weight) * probabilities[in_group]
            probabilities[in_group] = mixed
        return np.clip(probabilities, 0, 1)  # a mixture can leave the range by a rounding error

    def _inputs(self, scores: Floats) -> Floats:
        """Return what the maps read of scores."""
        if not self._reads_logarithms:
            return scores
        if self._positive is None and self.method == "temperature":
            return np.log(np.clip(scores, _MIN_PROBABILITY, 1))
        return logit(np.clip(scores, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY))

    def _has_response(self, method: str) -> bool:
        return offers_response(method, "predict_proba")

    def _respond(self, method: str, X: Any, values: Any) -> NDArray[Any]:
        """Map the scores of the inner estimator, and make the response of them."""
        check_is_fitted(self)
        sensitive = self._sensitive(X, values, predicting=True)
        # Before the estimator sees them: what it says of groups that it does not know is of no help.
        codes = group_codes(sensitive, self.groups_, self.unknown_group)
        scores = self._scoring(self._response)(self.estimator_, X, sensitive_features=sensitive.to_metadata())
        mapped = self._map(scores, codes)
        if self._positive is None:  # the classifier may have its classes in an order of its own
            mapped = mapped[:, [self._classes.index(label) for label in self.classes_.tolist()]]
        return as_response(method, mapped, "predict_proba", self.classes_, self._positive)


def _effective(weights: Floats) -> Floats:
    """Return weights scaled to add up to Kish's effective number of rows."""
    return weights * (weights.sum() / (weights @ weights)) if len(weights) else weights
