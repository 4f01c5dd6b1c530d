"""GroupThresholdOptimizer: the estimator around the search for the best thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from fairsk._held_out.objective import ObjectiveLike
from fairsk._held_out.safety_margin import MarginLike
from fairsk._meta.groupwise import GroupwiseClassifier, OutOfFold, TrainingRows
from fairsk._sklearn.compat import HasMethods, StrOptions, fit_context, num_samples
from fairsk._sklearn.routing import call, positive_scores
from fairsk._sklearn.rows import check_same_features
from fairsk.rates import Constraint, Rate
from fairsk.thresholds._choose import choose_blind, choose_rules
from fairsk.thresholds._group_curves import Evidence
from fairsk.thresholds._path import ParetoPath, trace_path
from fairsk.thresholds._rules import Rule, row_uniforms
from fairsk.thresholds._spec import WISH_CONSTRAINTS, Wishes

__all__ = ["GroupThresholdOptimizer"]


class GroupThresholdOptimizer(GroupwiseClassifier):
    r"""Pick a threshold per group: the best ones under a bound on the disparity, exactly.

    The scores of the wrapped classifier are thresholded differently in each group. The thresholds
    maximise the objective among all those that keep the disparity within the bound, on pooled
    out-of-fold scores; the classifier is then refitted on all rows.

    Parameters
    ----------
    estimator : classifier
        A binary classifier or pipeline with ``predict_proba`` or ``decision_function``; it is cloned.
        Wrap a fitted one in :class:`sklearn.frozen.FrozenEstimator`: then all rows passed to ``fit`` serve
        to choose the thresholds, and must be other rows than it was trained on.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X; a list makes an intersection; a callable of X returns the values.
        Values passed to a method override it.
    constraint : str, Constraint or list of these, default="demographic_parity"
        Which rates should agree: a name out of :data:`fairsk.rates.CONSTRAINTS`, or your own. Several hold
        at once.
    max_difference : float, list, or None
        Bound on the largest difference of each rate between groups; a list has an entry for each
        constraint. Of ``max_difference`` and ``min_ratio`` each constraint has one; with neither given,
        ``max_difference`` is .05.
    min_ratio : float in [0, 1], list, or None
        Bound on the smallest ratio of each rate between groups, such as .8 for the four-fifths rule. With
        two constraints, one of either kind: ``max_difference=[0.05, None], min_ratio=[None, 0.8]``.
    objective : str, Rate, dict or callable, default="accuracy"
        What to maximise over all rows: ``"accuracy"``, ``"balanced_accuracy"``, ``"youden"``, any rate such
        as ``"f1"``, ``"f0.5"``, ``"precision"``, ``"recall"`` or your own; what a row in each cell is worth
        (costs are negative), such as ``{"fn": -5, "fp": -1}``; or a function of the cells, a dict with the
        entries tp, fp, fn, tn, where greater is better. All but the last are maximised exactly.
    min_rates : dict, optional
        What rates must at least be in every group, such as ``{"true_positive_rate": 0.7}``; groups with
        fewer than ``min_group_size`` rows for such a rate are passed over.
    capacity : float in (0, 1], optional
        The largest share of all rows that may be selected.
    level_up : bool or float, default=False
        Whether no group's threshold may be stricter than the one that all rows alike would have
        (``overall_threshold_``), or than this number, say the threshold in use today.
    policy : {"auto", "threshold", "randomized", "blind"}, default="auto"
        ``"threshold"``: one threshold per group. ``"randomized"``: a mixture of thresholds per group, which
        can reach more when the bound is tight; it decides by a hash of the score, so that ``predict`` gives
        the same answer every time, for any subset of rows; it is open to constraints whose rates have
        fixed denominators. ``"auto"`` mixes only if that gains more than .005 of the objective, or if the
        bound cannot be met without. ``"blind"``: no thresholds per group, for those who may not use the
        attribute at prediction: a second model learns each row's chances of belonging to the groups, and
        rows are selected by these and the score. Neither model sees the column that ``sensitive_features``
        names then; with a callable, or values passed to ``fit``, see to it that X does not hold it.
    group_estimator : classifier, optional
        With ``policy="blind"``, what learns the chances of the groups (``predict_proba``); by default a
        clone of ``estimator``.
    cv : int, float, splitter or None, default=5
        Number of folds for the out-of-fold scores, stratified by group and label; a float for one split
        with that share of test rows; or any splitter. None means 5.
    refit : bool, default=True
        Whether to refit the classifier on all rows. False needs a ``cv`` with one split, and keeps that
        split's classifier.
    response_method : {"auto", "predict_proba", "decision_function"}, default="auto"
        Where scores come from; ``"auto"`` takes the first of the two that the classifier has.
    min_group_size : int, default=30
        A group with fewer rows than this in the denominator of a rate (such as positives for the true
        positive rate) is exempt: nothing reliable could be said about it. It gets the overall threshold,
        a warning names it, and ``report_`` lists it.
    margin : {"1se"} or float in [0, 1), default=0
        How far to tighten the bounds so that unseen rows meet them: not at all, by one standard error of the
        disparity (``"1se"``), or so far that they hold with this confidence, for all pairs of groups at once
        (such as .95).
    unknown_group : {"error", "overall"}, default="error"
        What ``predict`` does with groups that did not occur in ``fit``, and with missing ones: refuse, or
        use the overall threshold.
    pos_label : label, optional
        The positive class; by default the second of the two.
    random_state : int, RandomState instance or None, default=None
        Shuffles the rows before they are split, if given.
    n_jobs : int or None, default=None
        How many folds to fit at a time.

    Attributes
    ----------
    thresholds_ : dict
        For each group its threshold: rows with a score of at least this are positive. For mixtures, a
        list of (threshold, probability) pairs. Empty for a blind policy.
    overall_threshold_ : float
        The best threshold for all rows alike, without a bound.
    groups_ : tuple
        The groups, sorted; tuples of values for an intersection.
    report_ : ThresholdReport
        What the thresholds achieve on the rows they were chosen on. Print it.
    estimator_ : classifier
        The fitted classifier.
    group_estimator_ : classifier
        With ``policy="blind"``, the fitted model of the groups; its classes are positions in ``groups_``.
    classes_ : array of shape (2,)
        The labels.

    Raises
    ------
    ValueError
        If the bound cannot be met (the message says what can), labels are not binary, the sensitive
        column is missing or has missing values, or a group is unknown at prediction.

    Warns
    -----
    UserWarning
        If a group is exempt, or fewer than two groups can be compared.

    Notes
    -----
    With :math:`u_g(\tau)` the utility and :math:`r_g(\tau)` the rate of group :math:`g` at threshold
    :math:`\tau`, one rate is solved exactly by

    .. math:: \max_t \sum_g \max_\tau \{u_g(\tau) : t \le r_g(\tau) \le t + \varepsilon\},

    over all observed rates :math:`t`: one sort, a sliding window and a range maximum, for any number of
    groups; only those :math:`t` are looked at for which the concave envelopes of the points :math:`(r_g,
    u_g)` leave room. Several rates (equalized odds, a list of constraints) or a capacity take a linear
    program over the thresholds, solved by column generation, for mixtures [1]_; its prices bound a
    branch-and-bound search for single thresholds. Ratios such as F1 are maximised by Dinkelbach's iteration
    around either [2]_. ``report_.optimality_gap`` is the distance to the optimum of the linear program.

    The optimum is one of rules that threshold the given score. For constraints on error rates no other use of
    score and group does better if the score is calibrated; under predictive parity other rules can.

    The thresholds are chosen on out-of-fold scores and applied to those of the refitted classifier, whose
    scale may differ a little if it is not calibrated.

    ``predict_proba`` and ``decision_function`` are those of the classifier, before any threshold.

    References
    ----------
    .. [1] Hardt, Price & Srebro, Equality of Opportunity in Supervised Learning, NeurIPS 2016.
    .. [2] Dinkelbach, On Nonlinear Fractional Programming, Management Science 13, 1967.

    Examples
    --------
    >>> from fairsk import GroupThresholdOptimizer
    >>> from fairsk.datasets import load_german_credit
    >>> from fairsk.metrics import demographic_parity_difference
    >>> from sklearn.compose import make_column_selector, make_column_transformer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import OneHotEncoder, StandardScaler
    >>> X, y = load_german_credit(return_X_y=True)
    >>> numbers = make_column_selector(dtype_include="number")
    >>> prepare = make_column_transformer((StandardScaler(), numbers), remainder=OneHotEncoder())
    >>> model = GroupThresholdOptimizer(
    ...     make_pipeline(prepare, LogisticRegression()), sensitive_features="sex", max_difference=0.01)
    >>> model = model.fit(X, y)
    >>> sorted(model.thresholds_)
    ['female', 'male']
    >>> model.report_.disparity <= 0.01
    True
    """

    __metadata_request__predict = {"sensitive_features": True}
    __metadata_request__score = {"sensitive_features": True}

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "predict_proba"]), HasMethods(["fit", "decision_function"])],
        **GroupwiseClassifier._groupwise_constraints,
        **WISH_CONSTRAINTS,
        "policy": [StrOptions({"auto", "threshold", "randomized", "blind"})],
        "group_estimator": [HasMethods(["fit", "predict_proba"]), None],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        sensitive_features: Any = None,
        constraint: str | Constraint | Sequence[str | Constraint] = "demographic_parity",
        max_difference: float | Sequence[float | None] | None = None,
        min_ratio: float | Sequence[float | None] | None = None,
        objective: ObjectiveLike = "accuracy",
        min_rates: Mapping[str | Rate, float] | None = None,
        capacity: float | None = None,
        level_up: bool | float = False,
        policy: str = "auto",
        group_estimator: Any = None,
        cv: Any = 5,
        refit: bool = True,
        response_method: str = "auto",
        min_group_size: int = 30,
        margin: MarginLike = 0.0,
        unknown_group: str = "error",
        pos_label: Any = None,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.sensitive_features = sensitive_features
        self.constraint = constraint
        self.max_difference = max_difference
        self.min_ratio = min_ratio
        self.objective = objective
        self.min_rates = min_rates
        self.capacity = capacity
        self.level_up = level_up
        self.policy = policy
        self.group_estimator = group_estimator
        self.cv = cv
        self.refit = refit
        self.response_method = response_method
        self.min_group_size = min_group_size
        self.margin = margin
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
        """Choose the thresholds on out-of-fold scores and refit the classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, passed on as they are.
        y : array-like of shape (n_samples,)
            Labels; two classes.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, for the classifier and for the thresholds.
        **fit_params
            Passed on to the classifier's ``fit``; values per row are split with the rows.

        Returns
        -------
        GroupThresholdOptimizer
            The fitted meta-estimator.
        """
        wishes = self._wishes()
        given = self._training_rows(X, y, sensitive_features, sample_weight, fit_params)
        for name in ("group_estimator_", "_rule", "_rest_shape", "_rules"):  # of an earlier fit
            if hasattr(self, name):
                delattr(self, name)
        if self.policy == "blind":
            return self._fit_blind(given, wishes)
        self.estimator_, unseen = self._fit_out_of_fold(given)
        evidence = _evidence(unseen)
        chosen = choose_rules(evidence, wishes, given.positive, stacklevel=4)
        self.groups_ = evidence.labels
        self.overall_threshold_ = float(chosen.overall.thresholds[0])
        self.thresholds_ = dict(chosen.report.thresholds)
        self.report_ = chosen.report
        self._rules = chosen.rules
        self._positive = given.positive
        self._copy_feature_record()
        return self

    def _fit_blind(self, given: TrainingRows, wishes: Wishes) -> Self:
        """Fit the classifier and a model of the groups, neither of which sees the attribute, and a rule."""
        if self.response_method == "decision_function" or not hasattr(self.estimator, "predict_proba"):
            raise ValueError(
                "policy='blind' weighs chances: the estimator needs predict_proba, and response_method must "
                "not be 'decision_function'. Wrap it in sklearn.calibration.CalibratedClassifierCV."
            )
        if isinstance(self.group_estimator, FrozenEstimator):
            raise ValueError("group_estimator learns the groups of these rows: it must not be a prefit one.")
        check_same_features(self, given.X, reset=True)
        X = given.X
        given = replace(given, X=self._take_out_column(X))
        inner = self.group_estimator
        if inner is None:
            inner = (
                self.estimator.estimator if isinstance(self.estimator, FrozenEstimator) else self.estimator
            )
        if (given.groups.sums() >= self.min_group_size).sum() < 2:  # no groups that could be compared
            inner = DummyClassifier()
        with self._explaining_the_missing_column(given.X is not X):
            splits = self._splits(given)  # the same for both
            self.estimator_, unseen = self._fit_out_of_fold(given, blind=True, splits=splits)
            respond = partial(_group_chances, n_groups=len(given.groups.labels))
            # What the user passes on to fit is meant for the classifier.
            own = given if inner is self.estimator else replace(given, fit_params={})
            self.group_estimator_, rows, chances = self._cross_fit(
                inner, own, given.groups.codes, respond, splits
            )
        if isinstance(self.estimator, FrozenEstimator):
            unseen = unseen.take(rows)
        if unseen.weights is not None:
            chances = chances[unseen.weights > 0]  # of the rows that are present
        self._rule, self.report_, self.groups_, self.overall_threshold_ = choose_blind(
            unseen.present(), chances, wishes, given.positive, stacklevel=5
        )
        self.thresholds_ = {}
        self._positive = given.positive
        return self

    @fit_context(prefer_skip_nested_validation=False)
    def pareto_path(
        self,
        X: Any,
        y: ArrayLike,
        sensitive_features: Any = None,
        sample_weight: ArrayLike | None = None,
        *,
        n_points: int = 50,
        **fit_params: Any,
    ) -> ParetoPath:
        """Follow the best single thresholds from parity to where the bound no longer matters.

        The scores are computed and sorted once, as ``fit`` does it; the optimizer itself is not changed,
        and need not be fitted. The bound and the margin among its parameters are not used.

        Parameters
        ----------
        X, y, sensitive_features, sample_weight, **fit_params
            As in ``fit``.
        n_points : int, default=50
            How many bounds to try.

        Returns
        -------
        ParetoPath
            The objective and the disparity at each bound, and the thresholds.

        Raises
        ------
        ValueError
            If there are several constraints, or fewer than two groups that can be compared.
        """
        if n_points < 2:
            raise ValueError(f"n_points must be at least 2, got {n_points}.")
        if self.policy == "blind":
            raise ValueError("A path follows thresholds per group, which policy='blind' has none of.")
        given = self._training_rows(X, y, sensitive_features, sample_weight, fit_params)
        unseen = self._fit_out_of_fold(given, keep=False)[1]
        return trace_path(_evidence(unseen), self._wishes(), n_points, stacklevel=4)

    def predict(self, X: Any, sensitive_features: Any = None) -> NDArray[Any]:
        """Predict the class of each row by the threshold of its group.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.

        Returns
        -------
        array of shape (n_samples,)
            Class labels.

        Raises
        ------
        ValueError
            If a group did not occur in ``fit`` or is missing, unless ``unknown_group="overall"``.
        """
        check_is_fitted(self)
        if self.report_.policy == "blind":
            X = self._without_column(X)
            scores = positive_scores(self.estimator_, X, self.response_method, self._positive)
            chances = _group_chances(self.group_estimator_, X, None, n_groups=len(self.groups_))
            return self._as_labels(self._rule.margin(scores, chances) > 0, self._positive)
        sensitive = self._sensitive(X, sensitive_features, predicting=True)
        scores = positive_scores(
            self.estimator_, X, self.response_method, self._positive, sensitive.to_metadata()
        )
        codes = self._known_codes(sensitive)
        chance = Rule.single(self.overall_threshold_).chance(scores)
        for code, rule in enumerate(self._rules):
            own = codes == code
            chance[own] = rule.chance(scores[own])
        selected = chance > (row_uniforms(scores) if self.report_.policy == "randomized" else 0.5)
        return self._as_labels(selected, self._positive)

    def _wishes(self) -> Wishes:
        """Return what the parameters ask of the thresholds."""
        return Wishes.of(
            self.constraint,
            self.max_difference,
            self.min_ratio,
            objective=self.objective,
            min_rates=self.min_rates,
            capacity=self.capacity,
            level_up=self.level_up,
            policy=self.policy,
            margin=self.margin,
            min_group_size=self.min_group_size,
        )

    def _inner_X(self, X: Any) -> Any:
        """Return X without the sensitive column if the policy may not look at it."""
        return self._without_column(X) if self.report_.policy == "blind" else X


def _evidence(unseen: OutOfFold) -> Evidence:
    rows = unseen.present()
    return Evidence.of_rows(rows.scores, rows.actual, rows.groups, rows.weights)


def _group_chances(model: Any, X: Any, values: Any, *, n_groups: int) -> NDArray[np.float64]:
    """Return each row's chance to belong to each group; 0 for groups that the model has not seen."""
    chances = np.zeros((num_samples(X), n_groups))
    chances[:, model.classes_] = call(model, "predict_proba", X)
    return chances
