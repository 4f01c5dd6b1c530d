"""Repair of scores: ScoreRepair gives every group the same distribution, their Wasserstein barycentre."""

from __future__ import annotations

from functools import partial
from numbers import Real
from typing import Any, Self, cast

from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from fairsk._core.policy import UnknownGroup
from fairsk._core.typing import Floats, Ints
from fairsk._meta.base import MetaClassifier
from fairsk._meta.cross_fit import OutOfFold, check_training_data, cross_fit
from fairsk._meta.groupwise import GROUPWISE_PARAMETERS, group_codes
from fairsk._meta.inner import check_scored
from fairsk._sklearn.compat import Interval, fit_context
from fairsk._sklearn.routing import ResponseMethod, positive_scores, response_of
from fairsk.calibration._barycenter import Barycenter, learn_barycenter
from fairsk.calibration._mapper import Output, as_response, offers_response

__all__ = ["ScoreRepair"]


class ScoreRepair(MetaClassifier):
    r"""Give every group the same distribution of scores: their Wasserstein barycentre.

    Each score is replaced by the score that stands at the same rank in the average of all groups. Any
    threshold that is set later selects the same share of every group. Within a group the order of the rows
    stays the same.

    Parameters
    ----------
    estimator : classifier
        A binary classifier or pipeline with ``predict_proba`` or ``decision_function``; it is cloned.
        Wrap a fitted one in :class:`sklearn.frozen.FrozenEstimator`: then all rows passed to ``fit`` serve
        to learn the repair, and must be other rows than it was trained on.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X; a list makes an intersection; a callable of X returns the values.
        Values passed to a method override it.
    strength : float in [0, 1], default=1.0
        How far scores move: 0 leaves them as they are, 1 makes the groups alike, .5 halves the distances
        between their distributions. It is read at prediction, so it can be set without a new fit.
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
        or use the rank among all rows. It warns if no row of several has a known group, or values are
        of another type (text, numbers) than in ``fit``.
    pos_label : label, optional
        The positive class; by default the second of the two.
    random_state : int, RandomState instance or None, default=None
        Shuffles the rows before they are split, if given.
    n_jobs : int or None, default=None
        How many folds to fit at a time.

    Attributes
    ----------
    quantiles_ : dict
        For each group the quantiles of its scores (of the positive class), at the levels 0, .001, ..., 1.
    barycenter_ : array of shape (1001,)
        The quantiles that all groups get: the average of theirs, weighted by ``shares_``.
    overall_quantiles_ : array of shape (1001,)
        The quantiles of all rows together, for unknown groups.
    shares_ : dict
        For each group its share of the (weighted) rows.
    groups_ : tuple
        The groups, sorted; tuples of values for an intersection.
    estimator_ : classifier
        The fitted classifier.
    classes_ : array of shape (2,)
        The labels.

    Raises
    ------
    ValueError
        If labels are not binary, the sensitive column is missing or has missing values, or a group is
        unknown at prediction.

    Warns
    -----
    UserWarning
        If there is only one group, or no held-out row with a weight belongs to a group.

    See Also
    --------
    GroupCalibratedClassifier : Make probabilities right in every group instead.
    GroupThresholdOptimizer : Decide by a threshold per group, under a bound.
    fairsk.metrics.score_metrics : Measure how far the distributions of scores lie apart.

    Notes
    -----
    With :math:`F_g` the distribution function, :math:`Q_g` the quantile function and :math:`p_g` the share
    of group :math:`g`, and :math:`\lambda` the strength, a score :math:`s` of that group becomes

    .. math:: (1 - \lambda) s + \lambda \bar Q(F_g(s)), \qquad \bar Q(u) = \sum_g p_g Q_g(u).

    Of all maps to one distribution this one moves scores least, in squared distance on average [1]_ [2]_;
    Wasserstein-1 distances lead to similar maps for classifiers [3]_. A strength below 1 is a partial repair
    along the straight line, as in [4]_.

    *Resolution.* Quantile functions are kept at 1001 levels and are linear between them, so parity holds up
    to .001 on the rows that they were learned on, and up to sampling error on others. A score that many
    rows share stands in the middle of their ranks: tied rows cannot be separated and stay tied, and parity
    then holds up to the share of the largest tie.

    *Order.* Within a group the map never falls, and it rises wherever the barycentre does. Scores beyond
    those of ``fit`` keep their order: probabilities are stretched linearly to 0 and 1, decision scores
    continue with slope 1.

    *Outputs.* Repaired probabilities come out of ``predict_proba``, repaired decision scores out of
    ``decision_function``; the other one of the two is not offered. Repaired probabilities are in general not
    calibrated: equal scores in groups with unequal base rates cannot be.

    References
    ----------
    .. [1] Chzhen, Denis, Hebiri, Oneto & Pontil, Fair Regression with Wasserstein Barycenters, NeurIPS 2020.
    .. [2] Le Gouic, Loubes & Rigollet, Projection to Fairness in Statistical Learning, arXiv:2005.11720.
    .. [3] Jiang, Pacchiano, Stepleton, Jiang & Chiappa, Wasserstein Fair Classification, UAI 2019.
    .. [4] Feldman, Friedler, Moeller, Scheidegger & Venkatasubramanian, Certifying and Removing Disparate
       Impact, KDD 2015.

    Examples
    --------
    >>> from fairsk import ScoreRepair
    >>> from fairsk.datasets import load_german_credit
    >>> from fairsk.metrics import demographic_parity_difference
    >>> from sklearn.compose import make_column_selector, make_column_transformer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import OneHotEncoder, StandardScaler
    >>> X, y = load_german_credit(return_X_y=True)
    >>> numbers = make_column_selector(dtype_include="number")
    >>> prepare = make_column_transformer((StandardScaler(), numbers), remainder=OneHotEncoder())
    >>> model = make_pipeline(prepare, LogisticRegression())
    >>> repaired = ScoreRepair(model, sensitive_features="sex")
    >>> for estimator in (model, repaired):
    ...     scores = estimator.fit(X, y).predict_proba(X)[:, 1]
    ...     gaps = [
    ...         demographic_parity_difference(y == "good", scores >= t, sensitive_features=X["sex"])
    ...         for t in (0.5, 0.6, 0.7, 0.8)]
    ...     print([round(gap, 2) for gap in gaps])
    [0.12, 0.11, 0.1, 0.09]
    [0.0, 0.01, 0.01, 0.0]
    """

    _binary_only = True
    _response: Any  # the method of the fitted classifier that its scores come from

    # Every response depends on the group, so all of them ask for it.
    __metadata_request__predict = {"sensitive_features": True}
    __metadata_request__predict_proba = {"sensitive_features": True}
    __metadata_request__predict_log_proba = {"sensitive_features": True}
    __metadata_request__decision_function = {"sensitive_features": True}
    __metadata_request__score = {"sensitive_features": True}

    _parameter_constraints = {
        **GROUPWISE_PARAMETERS,
        "strength": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        sensitive_features: Any = None,
        strength: float = 1.0,
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
        self.strength = strength
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
        """Learn the quantiles on out-of-fold scores and refit the classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, passed on as they are.
        y : array-like of shape (n_samples,)
            Labels; two classes.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, for the classifier (unless its request for weights is False) and for the
            quantiles.
        **fit_params
            Passed on to the classifier's ``fit``, values per row split with the rows; what the splitter asks
            for, such as ``groups``, goes to it.

        Returns
        -------
        ScoreRepair
            The fitted meta-estimator.
        """
        check_scored(self, self.response_method, "PredictionRepair repairs what a regressor predicts.")
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
        )
        out_of_fold = cross_fit(
            self.estimator,
            training,
            partial(positive_scores, response_method=self.response_method, positive=training.positive),
            cv=self.cv,
            refit=self.refit,
            random_state=self.random_state,
            n_jobs=self.n_jobs,
        )
        self.groups_ = training.groups.labels
        self._positive = training.positive
        self._response = response_of(out_of_fold.estimator, self.response_method)
        self._learn(out_of_fold.present())
        self.estimator_ = out_of_fold.estimator
        self._copy_feature_record()
        self._remember_columns(training.groups.names, sensitive_features)
        return self

    def _learn(self, out_of_fold: OutOfFold) -> None:
        """Learn the quantiles of every group and of all rows, and the average of the groups' quantiles."""
        learned = learn_barycenter(out_of_fold.scores, out_of_fold.groups, out_of_fold.mass)
        self.shares_, self.quantiles_ = learned.shares, learned.quantiles
        self.overall_quantiles_, self.barycenter_ = learned.overall, learned.target
        learned.warn_of_groups("scores")

    def _map(self, scores: Floats, codes: Ints) -> Floats:
        """Return repaired scores of the positive class; the code -1 stands for unknown groups."""
        learned = Barycenter(self.shares_, self.quantiles_, self.overall_quantiles_, self.barycenter_)
        return learned.moved(scores, codes, self.strength, bounded=self._response == "predict_proba")

    @property
    def _output(self) -> Output:
        """What the repaired scores are, before ``fit`` or after it."""
        fitted = hasattr(self, "estimator_")
        return cast(Output, self._response if fitted else response_of(self.estimator, self.response_method))

    def _has_response(self, method: str) -> bool:
        return offers_response(method, self._output)

    def _respond(self, method: str, X: Any, values: Any) -> NDArray[Any]:
        """Map the scores of the inner estimator, and make the response of them."""
        check_is_fitted(self)
        sensitive = self._sensitive(X, values, predicting=True)
        # Before the estimator sees them: what it says of groups that it does not know is of no help.
        codes = group_codes(sensitive, self.groups_, self.unknown_group)
        scores = positive_scores(self.estimator_, X, self._response, self._positive, sensitive.to_metadata())
        mapped = self._map(scores, codes)
        return as_response(method, mapped, self._output, self.classes_, self._positive)
