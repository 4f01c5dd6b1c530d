"""Repair of predicted amounts: PredictionRepair gives every group the same distribution of predictions."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from fairsk._core.groups import list_groups
from fairsk._core.policy import UnknownGroup
from fairsk._core.results import library_of
from fairsk._core.typing import Floats
from fairsk._core.warnings import warn_user
from fairsk._meta.base import MetaRegressor
from fairsk._meta.cross_fit import (
    Fold,
    TrainingData,
    check_amounts_to_train,
    fit_folds,
    pool_folds,
    split_rows,
)
from fairsk._meta.groupwise import GROUPWISE_PARAMETERS, group_chances, group_codes
from fairsk._meta.inner import refuse_classifier
from fairsk._sklearn.compat import HasMethods, Interval, StrOptions, fit_context
from fairsk._sklearn.routing import predicted_amounts
from fairsk._sklearn.rows import check_same_features
from fairsk.calibration._barycenter import Barycenter, learn_barycenter
from fairsk.calibration._equal_levels import EqualLevels, fit_equal_levels
from fairsk.calibration._fold_models import FoldGroupModels, FoldRegressors
from fairsk.calibration._repair_report import (
    PredictionRepairReport,
    RepairPolicy,
    chance_distance,
    report_repair,
)

__all__ = ["PredictionRepair"]

#: What either policy learns, and the other one has not.
_LEARNED = {
    "aware": ("quantiles_", "barycenter_", "overall_quantiles_", "_barycenters"),
    "blind": ("group_estimator_", "levels_", "prices_", "_equal_levels"),
}


class PredictionRepair(MetaRegressor):
    r"""Give every group the same distribution of predicted amounts, at the least change of predictions.

    A regressor of wages, loan sizes or premiums is kept, and its predictions are moved. Where the group is
    known (``policy="aware"``), each becomes the amount that stands at the same rank in the average of all
    groups, their Wasserstein barycentre. Where the group may not be used (``policy="blind"``), a model of
    the groups' chances takes its place. The models of the folds predict together: each has a repair of its
    own, learned on the rows that it had not seen, and the mean of their repaired predictions is predicted.

    Parameters
    ----------
    estimator : regressor
        A regressor or pipeline with ``predict``; it is cloned. Wrap a fitted one in
        :class:`sklearn.frozen.FrozenEstimator`: then all rows passed to ``fit`` serve to learn the repair,
        and must be other rows than it was trained on.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X; a list makes an intersection; a callable of X returns the values.
        Values passed to a method override it.
    strength : float in [0, 1], default=1.0
        How far predictions move: 0 leaves them as they are, 1 makes the groups alike, .5 goes half of the
        way. It is read at prediction, so it can be set without a new fit.
    policy : {"aware", "blind"}, default="aware"
        Whether the group is known at prediction, and used. ``"blind"``: the group of new rows is not looked
        at; a second model learns each row's probabilities of belonging to the groups, and a prediction
        becomes one that depends on it and on these. Neither model sees the column that
        ``sensitive_features`` names then; with a callable, or values passed to ``fit``, see to it that X
        does not hold it.
    group_estimator : classifier, optional
        With ``policy="blind"``, what learns the probabilities of the groups (``predict_proba``); it must be
        given, since a regressor is no model of groups. Equality is as good as these probabilities are
        calibrated.
    cv : int, float, splitter or None, default=5
        Number of folds, stratified by group, each of which makes a model; a float for one split with that
        share of test rows, and one model; or any splitter. None means 5.
    unknown_group : {"error", "overall"}, default="error"
        With ``policy="aware"``, what to do at prediction with groups that did not occur in ``fit``, and with
        missing ones: refuse, or use the rank among all rows. It warns if no row of several has a known
        group, or values are of another type (text, numbers) than in ``fit``.
    random_state : int, RandomState instance or None, default=None
        Shuffles the rows before they are split, if given.
    n_jobs : int or None, default=None
        How many folds to fit at a time.

    Attributes
    ----------
    report_ : PredictionRepairReport
        How far the groups lie apart before and after, and the errors, on out-of-fold rows. Print it.
    quantiles_ : dict
        Of an aware repair, for each group the quantiles of its predictions by each model, of shape
        (n_models, 1001): at the levels 0, .001, ..., 1, of the rows that the model had not seen.
    barycenter_ : array of shape (n_models, 1001)
        Of an aware repair, the quantiles that all groups get: the average of theirs, weighted by
        ``shares_``.
    overall_quantiles_ : array of shape (n_models, 1001)
        Of an aware repair, the quantiles of all rows together, for unknown groups.
    levels_ : list of array of shape (n_levels,)
        Of a blind repair, for each model the amounts that predictions are weighed between.
    prices_ : dict
        Of a blind repair, for each group the prices of these levels: an array for each model.
    group_estimator_ : object
        Of a blind repair, the models of the groups: ``models``, whose classes are positions in ``groups_``,
        and ``predict_proba``, the mean of theirs.
    shares_ : dict
        For each group its share of the (weighted) rows; of a blind repair its mean probability.
    groups_ : tuple
        The groups, sorted; tuples of values for an intersection.
    estimator_ : object
        The fitted regressors: ``models``, one for each fold, and ``predict``, the mean of what they predict
        without a repair.

    Raises
    ------
    ValueError
        If the estimator is a classifier, amounts are missing or no finite numbers, the sensitive column is
        missing or has missing values, a group is unknown at prediction, or a blind repair lacks its
        ``group_estimator``.

    Warns
    -----
    UserWarning
        If there is only one group, or no held-out row with a weight belongs to a group; or if a blind repair
        leaves groups further apart than chance explains.

    See Also
    --------
    ScoreRepair : The same for scores of classifiers.
    fairsk.metrics.regression_metrics : Measure errors and distances of groups.

    Notes
    -----
    *Aware.* With :math:`F_g` the distribution function, :math:`Q_g` the quantile function and :math:`p_g` the
    share of group :math:`g`, and :math:`\lambda` the strength, a prediction :math:`f` of that group becomes

    .. math:: (1 - \lambda) f + \lambda \bar Q(F_g(f)), \qquad \bar Q(u) = \sum_g p_g Q_g(u).

    If :math:`f` is the conditional mean given the features and the group, this has the least squared error of
    all predictions that are distributed equally in all groups [1]_ [2]_. Quantiles are kept at 1001 levels,
    predictions that many rows share stay tied, and those beyond the range of ``fit`` continue with slope 1.

    *Folds.* What is learned of one model holds for that one: a model that is fitted again on all rows has its
    predictions elsewhere, above all one of trees. So nothing is fitted again. With the model :math:`f_k` of
    each fold come the quantiles of its predictions of the rows of that fold, which it had not seen, and

    .. math:: (1 - \lambda) \frac1K \sum_k f_k + \lambda \frac1K \sum_k \bar Q_k(F_{kg}(f_k))

    is predicted. A group of which a fold has no row gets, for the model of that fold, the quantiles of its
    predictions by the other models.

    *Sampling.* The quantiles of a group of m rows are known up to about :math:`1/\sqrt m` in rank. In the
    population two groups lie further apart than :math:`1.36 \sqrt{1/m_a + 1/m_b}` with probability .05
    (Kolmogorov-Smirnov), so for .01 it takes 37,000 rows of each. A test on new rows adds their own noise:
    with 50,000 new rows per group, .01 is kept with probability .95 if 143,000 of each were learned from.
    That is so of one model. The mean of several is about as equal as if all rows had been those of one, if
    the models agree, and less if they do not, however many rows there are: ``report_.ks_limit`` leaves room
    for that, which :class:`fairsk.calibration.PredictionRepairReport` puts in figures.

    *Blind.* Predictions are spread over 64 levels :math:`z_j`, such that each level is as frequent in every
    group as in all rows, by the chances :math:`P_g(x)` of the groups, and squared moves are least [3]_ [4]_:

    .. math:: \min_\pi \sum_{ij} \pi_{ij} (z_j - f_i)^2 \quad \text{with} \quad
       \sum_i \pi_{ij} \left(P_g(x_i) / p_g - 1\right) = 0 \text{ for all } j, g.

    The dual prices :math:`\lambda_{jg}` are found by Newton's method on its smoothed dual. A row then moves
    to the mean of the levels, weighted by the softmin of
    :math:`(z_j - f)^2 + \sum_g \lambda_{jg} (P_g(x) / p_g - 1)`. That is deterministic, and continuous in
    :math:`f` and in the chances. Distributions are equal if the chances are right: among rows of the same
    :math:`f` and the same :math:`P`, as many belong to each group as :math:`P` says. ``report_`` measures the
    true groups. If they lie further apart than chance explains, ``fit`` warns: calibrate the model of the
    groups, or take one that learns more.

    References
    ----------
    .. [1] Chzhen, Denis, Hebiri, Oneto & Pontil, Fair Regression with Wasserstein Barycenters, NeurIPS 2020.
    .. [2] Le Gouic, Loubes & Rigollet, Projection to Fairness in Statistical Learning, arXiv:2005.11720.
    .. [3] Agarwal, Dudik & Wu, Fair Regression: Quantitative Definitions and Reduction-Based Algorithms,
       ICML 2019.
    .. [4] Taturyan, Chzhen & Hebiri, Regression under Demographic Parity Constraints via Unlabeled
       Post-Processing, NeurIPS 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk import PredictionRepair
    >>> from fairsk.metrics import ks_distance
    >>> from sklearn.linear_model import LinearRegression
    >>> rng = np.random.default_rng(0)
    >>> woman = rng.integers(0, 2, 2000)
    >>> hours = rng.normal(40 - 6 * woman, 5)
    >>> X, wage = np.column_stack([hours, woman]), 20 * hours + rng.normal(0, 100, 2000)
    >>> model = PredictionRepair(LinearRegression(), sensitive_features=1).fit(X, wage)
    >>> for predicted in (model.estimator_.predict(X), model.predict(X)):
    ...     print(round(ks_distance(predicted, sensitive_features=woman), 2))
    0.44
    0.01
    """

    report_: PredictionRepairReport
    _barycenters: list[Barycenter]
    _equal_levels: list[EqualLevels]

    __metadata_request__predict = {"sensitive_features": True}
    __metadata_request__score = {"sensitive_features": True}

    _parameter_constraints = {
        **{
            name: GROUPWISE_PARAMETERS[name]
            for name in (
                "estimator",
                "sensitive_features",
                "cv",
                "unknown_group",
                "random_state",
                "n_jobs",
            )
        },
        "strength": [Interval(Real, 0, 1, closed="both")],
        "policy": [StrOptions(set(get_args(RepairPolicy)))],
        "group_estimator": [HasMethods(["fit", "predict_proba"]), None],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        sensitive_features: Any = None,
        strength: float = 1.0,
        policy: RepairPolicy = "aware",
        group_estimator: Any = None,
        cv: Any = 5,
        unknown_group: UnknownGroup = "error",
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.sensitive_features = sensitive_features
        self.strength = strength
        self.policy = policy
        self.group_estimator = group_estimator
        self.cv = cv
        self.unknown_group = unknown_group
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
        """Fit the regressor on each fold, and learn its repair on the rows that it did not see.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, passed on as they are.
        y : array-like of shape (n_samples,)
            Amounts.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, for the regressor (unless its request for weights is False) and for the
            repair.
        **fit_params
            Passed on to the regressor's ``fit``, values per row split with the rows; what the splitter asks
            for, such as ``groups``, goes to it.

        Returns
        -------
        PredictionRepair
            The fitted meta-estimator.
        """
        self._check_models()
        training = check_amounts_to_train(
            X,
            y,
            selector=self.sensitive_features,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            fit_params=fit_params,
            estimator=self.estimator,
            cv=self.cv,
        )
        for name in {*_LEARNED["aware"], *_LEARNED["blind"]} & set(vars(self)):
            delattr(self, name)  # of an earlier fit, by another policy
        self.groups_ = training.groups.labels
        library = library_of(X, sensitive_features)
        (self._fit_blind if self.policy == "blind" else self._fit_aware)(training, library)
        self._remember_columns(training.groups.names, sensitive_features)
        return self

    def _check_models(self) -> None:
        """Refuse a classifier, and models of the groups that cannot be used."""
        refuse_classifier(self, "ScoreRepair repairs its scores.")
        if self.policy != "blind":
            if self.group_estimator is not None:
                raise ValueError(
                    "group_estimator is for policy='blind' only: policy='aware' reads the groups themselves."
                )
            return
        if self.group_estimator is None:
            raise ValueError(
                "policy='blind' needs group_estimator: a classifier with predict_proba that learns the "
                "groups from X without the sensitive column, such as LogisticRegression() behind the same "
                "transformers as the regressor."
            )
        if isinstance(self.group_estimator, FrozenEstimator):
            raise ValueError("group_estimator learns the groups of these rows: it must not be a prefit one.")

    # --- what is learned --------------------------------------------------------------------------------

    def _fit_aware(self, training: TrainingData, library: Any) -> None:
        """Learn the barycentre of the groups, for each model."""
        folds = fit_folds(self.estimator, training, predicted_amounts, cv=self.cv, **self._fit_options)
        folds = _with_weight(folds, training)
        self.estimator_ = FoldRegressors(tuple(fold.model for fold in folds))
        self._copy_feature_record()
        rows = pool_folds(folds, training)
        pooled = learn_barycenter(rows.scores, rows.groups, rows.mass)
        learned, repaired = [], []
        for fold in folds:
            groups, weights = training.groups.take(fold.rows), _weights(training, fold)
            learned.append(learn_barycenter(fold.scores, groups, weights, pooled=pooled))
            repaired.append(learned[-1].moved(fold.scores, groups.codes, self.strength, bounded=False))
        self._barycenters = learned
        self.shares_ = pooled.shares
        self.quantiles_ = {
            label: np.array([one.quantiles[label] for one in learned]) for label in self.groups_
        }
        self.overall_quantiles_ = np.array([one.overall for one in learned])
        self.barycenter_ = np.array([one.target for one in learned])
        self._report(training, folds, repaired, library)
        pooled.warn_of_groups("predictions")

    def _fit_blind(self, training: TrainingData, library: Any) -> None:
        """Fit regressors and models of the groups, blind to the attribute, and the prices for each pair."""
        check_same_features(self, training.X, reset=True)
        splits = split_rows(training, self.cv, self.random_state)  # of all of X, as the splitter may need it
        X, n_groups = self._take_out_column(training.X), len(self.groups_)
        options = {"cv": splits, "share_groups": False, **self._fit_options}
        with self._explaining_the_missing_column(X is not training.X):
            folds = fit_folds(self.estimator, replace(training, X=X), predicted_amounts, **options)
            guessed = []
            if n_groups > 1:  # or nobody needs to be guessed
                guessed = fit_folds(
                    self.group_estimator,
                    # What the user passes on to fit is meant for the regressor.
                    replace(training, X=X, fit_params={}),
                    partial(group_chances, n_groups=n_groups),
                    target=training.groups.codes,
                    **options,
                )
        regressors = _with_weight(folds, training)
        if guessed and isinstance(self.estimator, FrozenEstimator):
            # It has predicted all rows, in their order; each model of the groups has some.
            folds = [replace(fold, scores=folds[0].scores[fold.rows]) for fold in guessed]
        folds, guessed = _with_weight(folds, training), _with_weight(guessed, training)
        self.estimator_ = FoldRegressors(tuple(fold.model for fold in regressors))
        self.group_estimator_ = FoldGroupModels(tuple(fold.model for fold in guessed), n_groups)
        chances = [fold.scores for fold in guessed] or [np.ones((len(fold.rows), 1)) for fold in folds]
        learned, repaired = [], []
        for fold, chance in zip(folds, chances, strict=True):
            learned.append(fit_equal_levels(fold.scores, chance, _weights(training, fold)))
            repaired.append(learned[-1].moved(fold.scores, chance, self.strength))
        self._equal_levels = learned
        self.levels_ = [one.levels for one in learned]
        masses = [_weights(training, fold).sum() for fold in folds]
        shares = np.average([one.shares for one in learned], axis=0, weights=masses)
        self.shares_ = dict(zip(self.groups_, shares.tolist(), strict=True))
        self.prices_ = {
            label: [one.prices[:, code] for one in learned] for code, label in enumerate(self.groups_)
        }
        self._report(training, folds, repaired, library)
        self._warn_of_distances()

    def _report(
        self, training: TrainingData, folds: list[Fold], repaired: list[Floats], library: Any
    ) -> None:
        """Measure the repair on the rows that it was learned on, each by the models that had not seen it."""
        both = [
            replace(fold, scores=np.column_stack([fold.scores, after]))
            for fold, after in zip(folds, repaired, strict=True)
        ]
        rows = pool_folds(both, training)
        before, after = rows.scores.T
        self.report_ = report_repair(
            rows.labels,
            before,
            after,
            rows.groups,
            rows.weights,
            policy=self.policy,
            strength=float(self.strength),
            measured_on="out of fold" if len(folds) > 1 else "held out",
            models=[
                (moved, training.groups.take(fold.rows), _weights(training, fold))
                for fold, moved in zip(folds, repaired, strict=True)
            ],
            library=library,
        )

    def _warn_of_distances(self) -> None:
        """Warn if a blind repair leaves groups further apart than chance explains."""
        report = self.report_
        if len(self.groups_) == 1:
            warn_user(
                f"There is only one group, {list_groups(self.groups_)}: its predictions stay as they are. "
                "Check that sensitive_features names the right column."
            )
            return
        present = report.before.n > 0
        expected = chance_distance(report.before.effective_rows()[present])
        if self.strength == 1 and report.ks_after > expected:
            warn_user(
                f"After the blind repair two groups lie {report.ks_after:.3f} apart (Kolmogorov-Smirnov, "
                f"before {report.ks_before:.3f}), and chance alone explains {expected:.3f}: the chances of "
                f"group_estimator ({type(self.group_estimator).__name__}) are not right. Calibrate it "
                "(sklearn.calibration.CalibratedClassifierCV), or let it learn more of X."
            )

    # --- predictions ------------------------------------------------------------------------------------

    def _inner_X(self, X: Any) -> Any:
        """Return X without the sensitive column if the policy may not look at it."""
        return self._without_column(X) if hasattr(self, "prices_") else X

    def _respond(self, method: str, X: Any, values: Any) -> NDArray[Any]:
        """Return the mean of the repaired predictions of the models."""
        check_is_fitted(self)
        if hasattr(self, "prices_"):
            return self._blind_predictions(self._inner_X(X))
        sensitive = self._sensitive(X, values, predicting=True)
        # Before the estimator sees them: what it says of groups that it does not know is of no help.
        codes = group_codes(sensitive, self.groups_, self.unknown_group)
        predictions = self.estimator_.predictions(X, sensitive.to_metadata())
        pairs = zip(self._barycenters, predictions, strict=True)
        return np.mean(
            [learned.moved(predicted, codes, self.strength, bounded=False) for learned, predicted in pairs],
            axis=0,
        )

    def _blind_predictions(self, rest: Any) -> Floats:
        """Return the mean of the repaired predictions of rows without the sensitive column."""
        if len(self.groups_) == 1:
            return self.estimator_.predict(rest)
        predictions, chances = self.estimator_.predictions(rest), self.group_estimator_.chances(rest)
        if len(predictions) == 1:  # a prefit regressor, with every model of the groups
            predictions *= len(chances)
        models = zip(self._equal_levels, predictions, chances, strict=True)
        return np.mean(
            [learned.moved(predicted, chance, self.strength) for learned, predicted, chance in models],
            axis=0,
        )

    @property
    def _fit_options(self) -> dict[str, Any]:
        """What all fits of inner models have in common."""
        return {"random_state": self.random_state, "n_jobs": self.n_jobs}


def _weights(training: TrainingData, fold: Fold) -> Floats:
    """Return the weights of the rows that a model has scored, 1 without weights."""
    return np.ones(len(fold.rows)) if training.weights is None else training.weights[fold.rows]


def _with_weight(folds: list[Fold], training: TrainingData) -> list[Fold]:
    """Return folds of the rows that have a weight, without those that have none."""
    if training.weights is None or training.weights.all():
        return folds
    taken = [fold.take(np.flatnonzero(training.weights[fold.rows])) for fold in folds]
    kept = [fold for fold in taken if len(fold.rows)]
    if folds and not kept:
        raise ValueError("No held-out row has a weight above 0: there is nothing to learn the repair on.")
    return kept
