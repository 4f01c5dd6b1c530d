"""GroupThresholdOptimizer: the estimator around the search for the best thresholds."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from fairsk._core.columns import SensitiveColumns
from fairsk._core.messages import list_labels
from fairsk._core.policy import UnknownGroup
from fairsk._core.results import library_of
from fairsk._core.strata import read_strata, refuse_groups_as_strata
from fairsk._core.typing import Floats, Ints
from fairsk._held_out.objective import ObjectiveLike
from fairsk._held_out.report import MeasuredOn
from fairsk._held_out.safety_margin import MarginLike
from fairsk._meta.base import MetaClassifier
from fairsk._meta.cross_fit import OutOfFold, TrainingData, check_training_data, cross_fit, split_rows
from fairsk._meta.groupwise import GROUPWISE_PARAMETERS, group_codes
from fairsk._meta.inner import check_scored
from fairsk._sklearn.compat import HasMethods, fit_context, num_samples
from fairsk._sklearn.routing import ScoreMethod
from fairsk._sklearn.rows import check_same_features
from fairsk.rates import Constraint, Rate
from fairsk.thresholds._blind import check_blind_models, cross_fit_blind
from fairsk.thresholds._classes.path import ClassParetoPath
from fairsk.thresholds._classes.report import ClassThresholdReport
from fairsk.thresholds._classes.scale import choose_scale
from fairsk.thresholds._classes.several import SeveralClasses
from fairsk.thresholds._classes.spec import ClassSpec
from fairsk.thresholds._path import ParetoPath
from fairsk.thresholds._report import ThresholdReport
from fairsk.thresholds._rules import DecidedRows
from fairsk.thresholds._spec import SPEC_PARAMETERS, Policy, ThresholdSpec, options
from fairsk.thresholds._two_classes import TwoClasses

__all__ = ["GroupThresholdOptimizer"]

_FOR_REGRESSORS = (
    "To decide between two classes by a threshold on what it predicts, set response_method='predict'. If y "
    "holds amounts, ConstrainedRegressor holds a bound on them, and PredictionRepair makes groups alike."
)

#: How decisions are chosen.
Decisions: TypeAlias = TwoClasses | SeveralClasses


class GroupThresholdOptimizer(MetaClassifier):
    r"""Pick a threshold per group: the best ones under a bound on the disparity, exactly.

    The scores of the wrapped classifier are thresholded differently in each group. The thresholds
    maximise the objective among all those that keep the disparity within the bound, on pooled
    out-of-fold scores; the classifier is then refitted on all rows. Of three and more classes each has an
    offset per group, and the class of the greatest score plus offset is decided: a bound then holds for each
    class against the rest, or for each grade or a better one.

    Parameters
    ----------
    estimator : classifier, or regressor
        A classifier or pipeline with ``predict_proba`` or ``decision_function``; it is cloned.
        Wrap a fitted one in :class:`sklearn.frozen.FrozenEstimator`: then all rows passed to ``fit`` serve
        to choose the thresholds, and must be other rows than it was trained on. For a regressor set
        ``response_method="predict"``.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X; a list makes an intersection; a callable of X returns the values.
        Values passed to a method override it.
    strata : str, int, list of these, or callable, optional
        The column of X within whose values groups are compared, named as the sensitive one. Each group still
        has one threshold, but the bounds hold within every stratum in which two groups can be measured
        (``min_group_size`` rows each), and not over all rows. Values passed to ``fit`` override it.
        Predictions need no strata.
    constraint : str, Constraint or list of these, default="demographic_parity"
        Which rates should agree: a name out of :data:`fairsk.rates.CONSTRAINTS`, or your own. Several hold
        at once.
    max_difference : float, list, or None
        Bound on the largest difference of each rate between groups; a list has an entry for each
        constraint. Of ``max_difference`` and ``min_ratio`` each constraint has one; with neither given,
        ``max_difference`` is .05; infinity is no bound.
    min_ratio : float in [0, 1], list, or None
        Bound on the smallest ratio of each rate between groups, such as .8 for the four-fifths rule. With
        two constraints, one of either kind: ``max_difference=[0.05, None], min_ratio=[None, 0.8]``.
    objective : str, Rate, dict or callable, default="accuracy"
        What to maximise over all rows: ``"accuracy"``, ``"balanced_accuracy"``, ``"youden"``, any rate such
        as ``"f1"``, ``"f0.5"``, ``"precision"``, ``"recall"`` or your own; what a row in each cell is worth
        (costs are negative), such as ``{"fn": -5, "fp": -1}``; or a function of the cells, a dict with the
        entries tp, fp, fn, tn, where greater is better. All but the last are maximised exactly. With
        ``worst_group_`` before a name, such as ``"worst_group_accuracy"``, it is that of the group which is
        worst off, among the groups with ``min_group_size`` rows to measure it on that are not exempt; among
        equals, the choice with the best value over all rows is taken. Of several classes: ``"accuracy"``,
        ``"balanced_accuracy"`` (the mean recall of the classes), or a dict of what a row of a label is worth
        with a decision, such as ``{("poor", "good"): -5, ("good", "poor"): -1}``.
    min_rates : dict, optional
        What rates must at least be in every group, such as ``{"true_positive_rate": 0.7}``; groups with
        fewer than ``min_group_size`` rows for such a rate are passed over. Of several classes they hold for
        each class (or grade or better) that ``pos_label`` names.
    capacity : float in (0, 1] or dict, optional
        The largest share of all rows that may be selected. Of several classes a dict, such as
        ``{"gold": 0.2}``; a number is enough where ``pos_label`` names one.
    level_up : bool or float, default=False
        Whether no group's threshold may be stricter than the one that all rows alike would have
        (``overall_threshold_``), or than this number, say the threshold in use today. For two classes.
    policy : {"auto", "threshold", "randomized", "blind"}, default="auto"
        ``"threshold"``: one threshold per group. ``"randomized"``: a mixture of thresholds per group, which
        can reach more when the bound is tight; it decides by a hash of the score, so that ``predict`` gives
        the same answer every time, for any subset of rows; it is open to constraints whose rates have
        fixed denominators. ``"auto"`` mixes only if that gains more than .005 of the objective, or if the
        bound cannot be met without. ``"blind"``: no thresholds per group, for those who may not use the
        attribute at prediction: a second model learns each row's probabilities of belonging to the groups,
        and rows are selected by these and the score. Neither model sees the column that
        ``sensitive_features`` names then; with a callable, or values passed to ``fit``, see to it that X
        does not hold it.
    group_estimator : classifier, optional
        With ``policy="blind"``, what learns the probabilities of the groups (``predict_proba``); by default a
        clone of ``estimator``.
    cv : int, float, splitter or None, default=5
        Number of folds for the out-of-fold scores, stratified by group and label; a float for one split
        with that share of test rows; or any splitter (a row that it scores more than once counts once, with
        the mean of its scores). None means 5.
    refit : bool, default=True
        Whether to refit the classifier on all rows. False needs a ``cv`` with one split, and keeps that
        split's classifier.
    response_method : {"auto", "predict_proba", "decision_function", "predict"}, default="auto"
        Where scores come from; ``"auto"`` takes the first of the next two that the classifier has.
        ``"predict"`` thresholds what a regressor predicts, where the higher number speaks for the positive
        label: it is fitted to 1 for the positive label and 0 for the other; one in ``FrozenEstimator``, such
        as a model of amounts, is used as it is. ``policy="blind"`` needs a ``group_estimator`` then, and
        predictions that are chances.
    min_group_size : int, default=30
        A group with fewer rows than this in the denominator of a rate (such as positives for the true
        positive rate) is exempt: nothing reliable could be said about it. It gets the overall threshold,
        a warning names it, and ``report_`` lists it. Of several attributes, a combination of values with
        fewer rows borrows what it lacks from the groups of its single values, where these have enough rows:
        its threshold holds the bound with these expected rows, a warning names it, and ``report_.borrowed``
        says from which. A blind policy, which knows no groups at prediction, lets none borrow.
    margin : {"1se"} or float in [0, 1), default=0
        How far to tighten the bounds so that unseen rows meet them: not at all, until each group's rate keeps
        one standard error away from either end of the window that the bound allows (``"1se"``), or as many as
        it takes for this confidence, for all pairs of groups and all rates at once (such as .95). A group
        with too few rows for that gets the widest margin that fits: asking for more never gives less. A
        warning names these groups, and ``report_.margins`` says how wide.
    unknown_group : {"error", "overall"}, default="error"
        What ``predict`` does with groups that did not occur in ``fit``, and with missing ones: refuse, or
        use the overall threshold. It warns if no row of several has a known group, or values are
        of another type (text, numbers) than in ``fit``.
    pos_label : label or list of labels, optional
        The positive class; by default the second of the two. Of several classes, those that are bounded, each
        against the rest; by default all.
    grades : sequence of labels, optional
        All classes from the worst to the best, if they have an order: the bound then holds for each grade or
        a better one, from the second worst on. Of two classes the better one is the positive class.
    random_state : int, RandomState instance or None, default=None
        Shuffles the rows before they are split, if given.
    n_jobs : int or None, default=None
        How many folds to fit at a time.

    Attributes
    ----------
    thresholds_ : dict
        For each group its threshold: rows with a score of at least this are positive. For mixtures, a
        list of (threshold, probability) pairs. Empty for a blind policy, and for several classes.
    overall_threshold_ : float
        The best threshold for all rows alike, without a bound: for the objective, whatever it is. For two
        classes.
    offsets_ : dict
        For three and more classes: of each group an array of shape (n_classes,), in the order of
        ``classes_``, which is added to the scores of its rows. For mixtures, a list of (offsets, probability)
        pairs. Empty for a blind policy, and for two classes.
    overall_offsets_ : array of shape (n_classes,)
        The best offsets for all rows alike, without a bound; for three and more classes. Rows of unknown
        groups, and of those that are exempt, have them.
    groups_ : tuple
        The groups, sorted; tuples of values for an intersection.
    strata_ : tuple or None
        The strata, sorted; None without.
    report_ : ThresholdReport or ClassThresholdReport
        What the thresholds (or offsets) achieve on the rows they were chosen on. Print it, or its
        ``summary()`` in plain sentences.
    estimator_ : classifier
        The fitted classifier.
    group_estimator_ : classifier
        With ``policy="blind"``, the fitted model of the groups; its classes are positions in ``groups_``.
    classes_ : array of shape (n_classes,)
        The labels.

    Raises
    ------
    ValueError
        If the bound cannot be met (the message says what can), a parameter is not open to several classes,
        the sensitive column is missing or has missing values, or a group is unknown at prediction.

    Warns
    -----
    UserWarning
        If a group is exempt or borrows rows, fewer than two groups can be compared, a group has less than the
        margin asked for, or (without a margin) the 95% interval of a disparity passes its bound by more than
        the bound allows.

    See Also
    --------
    fairsk.thresholds.thresholds_from_histograms : The same from counts per bin of scores.
    fairsk.FairClassifier : Holds a bound in training, without the attribute at prediction.
    fairsk.ScoreRepair : Repairs scores, for thresholds that others set.
    fairsk.plotting.ThresholdDisplay : Draws every group's ROC curve and its threshold.
    sklearn.model_selection.TunedThresholdClassifierCV : One threshold for all rows, without a bound.

    Notes
    -----
    With :math:`u_g(\tau)` the utility and :math:`r_g(\tau)` the rate of group :math:`g` at threshold
    :math:`\tau`, one rate is solved exactly by

    .. math:: \max_t \sum_g \max_\tau \{u_g(\tau) : t \le r_g(\tau) \le t + \varepsilon\},

    over all observed rates :math:`t`: one sort, a sliding window and a range maximum, for any number of
    groups; only those :math:`t` are looked at for which the concave envelopes of the points :math:`(r_g,
    u_g)` leave room. Several rates (equalized odds, a list of constraints) or a capacity take a linear
    program over the thresholds, solved by column generation, for mixtures [1]_; its dual values bound a
    branch-and-bound search for single thresholds. Ratios such as F1 are maximised by Dinkelbach's iteration
    around either [2]_. The worst group's rate takes one of the observed values: the greatest is found by
    bisection, each step of which asks whether any thresholds with at least that rate in every group meet the
    bounds; for mixtures it is one more variable of the linear program. ``report_.optimality_gap`` is the
    distance to the optimum of the linear program.

    **Several classes.** With scores :math:`s_k` and offsets :math:`b_{gk}` a row of group :math:`g` gets

    .. math:: \operatorname{argmax}_k \; s_k(x) + b_{gk}.

    Offsets are added to probabilities where all bounded rates depend on decisions alone (selection rates),
    for there a bound puts a price on each decision; else to their logarithms, for a price on decisions of one
    label multiplies its probability [3]_; and to decision scores as they are. With two classes the
    difference of the offsets is a threshold. The linear program over mixtures of offsets is solved by column
    generation, and single offsets are searched among and around its columns; ``report_.optimality_gap`` is
    the distance to its optimum, and ``report_.gap_is_proven`` says whether all offsets were looked at. A
    blind policy adds to what each class is worth a price per group, rate and class, weighted by the row's
    probabilities of belonging to the groups. Strata, ``level_up`` and small intersections that borrow rows
    are for two classes.

    The optimum is one of rules that threshold the given score. For constraints on error rates no other use of
    score and group does better if the score is calibrated; under predictive parity other rules can.

    The thresholds are chosen on out-of-fold scores and applied to those of the refitted classifier, whose
    scale may differ a little if it is not calibrated.

    ``predict_proba`` and ``decision_function`` are those of the classifier, before any threshold. The
    ``decision_function`` over a regressor is what it predicts (with the sign turned, where the positive label
    is the first of the two).

    References
    ----------
    .. [1] Hardt, Price & Srebro, Equality of Opportunity in Supervised Learning, NeurIPS 2016.
    .. [2] Dinkelbach, On Nonlinear Fractional Programming, Management Science 13, 1967.
    .. [3] Xian & Zhao, A Unified Post-Processing Framework for Group Fairness in Classification, 2024.

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
    ...     make_pipeline(prepare, LogisticRegression()), sensitive_features="sex", max_difference=0.1)
    >>> model = model.fit(X, y)
    >>> sorted(model.thresholds_)
    ['female', 'male']
    >>> model.report_.disparity <= 0.1
    True
    """

    report_: ThresholdReport | ClassThresholdReport
    strata_: tuple[Hashable, ...] | None
    _fitted_policy: Any  # it says whether it is blind, and decides by scores and groups, or by X

    __metadata_request__fit = {"strata": True}
    __metadata_request__predict = {"sensitive_features": True}
    __metadata_request__score = {"sensitive_features": True}

    _parameter_constraints = {
        **GROUPWISE_PARAMETERS,
        **SPEC_PARAMETERS,
        "strata": "no_validation",  # as sensitive_features
        "grades": ["array-like", None],
        "policy": [options(Policy)],
        "group_estimator": [HasMethods(["fit", "predict_proba"]), None],
        "response_method": [options(ScoreMethod)],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        sensitive_features: Any = None,
        strata: Any = None,
        constraint: str | Constraint | Sequence[str | Constraint] = "demographic_parity",
        max_difference: float | Sequence[float | None] | None = None,
        min_ratio: float | Sequence[float | None] | None = None,
        objective: ObjectiveLike = "accuracy",
        min_rates: Mapping[str | Rate, float] | None = None,
        capacity: float | None = None,
        level_up: bool | float = False,
        policy: Policy = "auto",
        group_estimator: Any = None,
        cv: Any = 5,
        refit: bool = True,
        response_method: ScoreMethod = "auto",
        min_group_size: int = 30,
        margin: MarginLike = 0.0,
        unknown_group: UnknownGroup = "error",
        pos_label: Any = None,
        grades: Sequence[Any] | None = None,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.sensitive_features = sensitive_features
        self.strata = strata
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
        self.grades = grades
        self.random_state = random_state
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sensitive_features: Any = None,
        sample_weight: ArrayLike | None = None,
        strata: Any = None,
        **fit_params: Any,
    ) -> Self:
        """Choose the thresholds on out-of-fold scores and refit the classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, passed on as they are.
        y : array-like of shape (n_samples,)
            Labels, of two classes or more.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, for the classifier (unless its request for weights is False) and for the
            thresholds.
        strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The stratum of each row; overrides the column.
        **fit_params
            Passed on to the classifier's ``fit``, values per row split with the rows; what the splitter asks
            for, such as ``groups``, goes to it.

        Returns
        -------
        GroupThresholdOptimizer
            The fitted meta-estimator.
        """
        check_scored(self, self.response_method, _FOR_REGRESSORS)
        training = self._training_data(X, y, sensitive_features, sample_weight, strata, fit_params)
        decisions = self._decisions(training)
        by = read_strata(training.X, self.strata, strata, n_samples=num_samples(training.X))
        decisions.refuse(by)
        if by is not None:
            refuse_groups_as_strata(training.groups, by)
        if self.policy == "blind":
            check_blind_models(self.estimator, self.group_estimator, self.response_method)
            scored = self._score_blind(training, decisions)
            self._fitted_policy, report = decisions.blind(*scored, self._measured_on)
        else:
            out_of_fold = self._score(training, decisions)
            self._fitted_policy, report = decisions.by_group(out_of_fold, by, self._measured_on)
        self.estimator_ = self._fitted_policy.estimator
        if self.policy != "blind":  # the classifier saw X as it came
            self._copy_feature_record()
        self.report_ = replace(report, library=library_of(X, sensitive_features))
        self.groups_, self.strata_ = self.report_.groups, None if by is None else by.labels
        self.thresholds_ = dict(getattr(report, "thresholds", {}))
        self.offsets_ = dict(getattr(report, "offsets", {}))
        self._remember_columns(training.groups.names, sensitive_features)
        return self

    @fit_context(prefer_skip_nested_validation=False)
    def pareto_path(
        self,
        X: Any,
        y: ArrayLike,
        sensitive_features: Any = None,
        sample_weight: ArrayLike | None = None,
        strata: Any = None,
        *,
        n_points: int = 50,
        **fit_params: Any,
    ) -> ParetoPath | ClassParetoPath:
        """Follow the best single thresholds from parity to where the bound no longer matters.

        The scores are computed and sorted once, as ``fit`` does it; the optimizer itself is not changed,
        and need not be fitted. The bound and the margin among its parameters are not used.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, as for ``fit``.
        y : array-like of shape (n_samples,)
            Labels, of two classes or more.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, for the classifier (unless its request for weights is False) and for the
            thresholds.
        strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The stratum of each row; overrides the column.
        n_points : int, default=50
            How many bounds to try.
        **fit_params
            Passed on to the classifier's ``fit``, values per row split with the rows; what the splitter asks
            for, such as ``groups``, goes to it.

        Returns
        -------
        ParetoPath or ClassParetoPath
            The objective and the disparity at each bound, and the thresholds or offsets.

        Raises
        ------
        ValueError
            If there are several constraints, or fewer than two groups that can be compared.
        """
        if n_points < 2:
            raise ValueError(f"n_points must be at least 2, got {n_points}.")
        if self.policy == "blind":
            raise ValueError("A path follows thresholds per group, which policy='blind' has none of.")
        check_scored(self, self.response_method, _FOR_REGRESSORS)
        training = self._training_data(X, y, sensitive_features, sample_weight, strata, fit_params)
        decisions = self._decisions(training)
        by = read_strata(training.X, self.strata, strata, n_samples=num_samples(training.X))
        decisions.refuse(by)
        path = decisions.path(self._score(training, decisions, scores_only=True), by, n_points)
        return replace(path, library=library_of(X, sensitive_features))

    def predict(self, X: Any, sensitive_features: Any = None) -> NDArray[Any]:
        """Predict the class of each row by the threshold, or the offsets, of its group.

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
        policy = self._fitted_policy
        if policy.is_blind:
            return policy.predict(self._inner_X(X))
        sensitive = self._sensitive(X, sensitive_features, predicting=True)
        return policy.predict(*self._scores_and_codes(X, sensitive))

    def decided_rows(self, X: Any, sensitive_features: Any = None) -> DecidedRows:
        """Return the score of each row, its group, and its probability to be selected.

        The probability is 0 or 1, but for mixtures, whose decisions ``predict`` makes by a hash of the score:
        expected rates follow from it, without the noise of that.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.

        Returns
        -------
        DecidedRows
            Arrays of shape (n_samples,): ``scores``, ``codes`` and ``selection_probability``. Of several
            classes scores and probabilities have a column per class, in the order of ``classes_``.

        Raises
        ------
        ValueError
            If a group did not occur in ``fit`` or is missing, unless ``unknown_group="overall"``.

        See Also
        --------
        fairsk.plotting.ThresholdDisplay : Draws them.
        """
        check_is_fitted(self)
        policy, sensitive = self._fitted_policy, self._sensitive(X, sensitive_features)
        scores, codes = self._scores_and_codes(X, sensitive)
        if policy.is_mixed:
            probability = policy.selection_probability(scores, codes)
        else:
            probability = policy.certain(self.predict(X, sensitive_features=sensitive_features))
        return DecidedRows(sensitive.names, codes, scores, probability)

    @property
    def classes_(self) -> NDArray[Any]:
        """The class labels."""
        model = self.estimator_
        return model.classes_ if hasattr(model, "classes_") else self._fitted_policy.classes

    def _has_response(self, method: str) -> bool:
        return (self._regresses and method == "decision_function") or super()._has_response(method)

    def _asked_for(self, method: str) -> str:
        return "predict" if self._regresses else method

    def _respond(self, method: str, X: Any, values: Any) -> Any:
        """Call a response method of the classifier; of a regressor there are its predictions."""
        if not self._regresses:
            return super()._respond(method, X, values)
        predicted = super()._respond("predict", X, values)
        return predicted if self.classes_.tolist()[1] == self.report_.pos_label else -predicted

    @property
    def group_estimator_(self) -> Any:
        """With ``policy="blind"``, the fitted model of the groups."""
        policy = getattr(self, "_fitted_policy", None)
        if policy is None or not policy.is_blind:
            raise AttributeError("There is a group_estimator_ after fit with policy='blind' only.")
        return policy.group_estimator

    @property
    def overall_threshold_(self) -> float:
        """The best threshold for all rows alike, without a bound; of two classes only."""
        return self._of_policy("overall_threshold", "overall_threshold_ is that of two classes")

    @property
    def overall_offsets_(self) -> Floats:
        """The best offset of each class for all rows alike, without a bound; of several classes only."""
        return self._of_policy("overall_offsets", "overall_offsets_ are those of three and more classes")

    def _of_policy(self, name: str, meaning: str) -> Any:
        """Return what the fitted policy knows; say which ones do where it does not."""
        if not hasattr(getattr(self, "_fitted_policy", None), name):
            raise AttributeError(f"{meaning}, after fit.")
        return getattr(self._fitted_policy, name)

    def _decisions(self, training: TrainingData) -> Decisions:
        """Return how decisions between the classes are chosen, by what the parameters ask for."""
        asked = {name: getattr(self, name) for name in ("policy", *SPEC_PARAMETERS)}
        if len(training.classes) == 2:
            classes = np.array(training.classes, dtype=training.labels.dtype)
            return TwoClasses(ThresholdSpec.from_parameters(**asked), training.positive, classes)
        if self.response_method == "predict":
            raise ValueError(
                "response_method='predict' thresholds one number per row, which tells two classes apart; "
                f"y has {len(training.classes)}: {list_labels(training.classes)}. Use a classifier, or make "
                "them two."
            )
        spec = ClassSpec.from_parameters(training.classes, self.pos_label, self.grades, **asked)
        method = "predict_proba" if self.policy == "blind" else self.response_method
        return SeveralClasses(spec, choose_scale(self.estimator, method, spec.rates, self.policy))

    def _training_data(
        self,
        X: Any,
        y: Any,
        sensitive_features: Any,
        sample_weight: Any,
        strata: Any,
        fit_params: dict[str, Any],
    ) -> TrainingData:
        """Return the arguments of ``fit``, validated."""
        return check_training_data(
            X,
            y,
            selector=self.sensitive_features,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            strata=strata,
            pos_label=self.pos_label,
            fit_params=fit_params,
            estimator=self.estimator,
            cv=self.cv,
            several_classes=True,
            grades=self.grades,
        )

    def _score(self, training: TrainingData, decisions: Decisions, *, scores_only: bool = False) -> OutOfFold:
        """Return the fitted classifier, and scores of models that did not see the rows."""
        return cross_fit(
            self.estimator,
            training,
            decisions.respond(self.response_method),
            cv=self.cv,
            scores_only=scores_only,
            **self._fit_options,
        )

    def _score_blind(self, training: TrainingData, decisions: Decisions) -> tuple[OutOfFold, OutOfFold]:
        """Return the same of the classifier and of a model of the groups, neither of which sees these."""
        check_same_features(self, training.X, reset=True)
        splits = split_rows(training, self.cv, self.random_state)  # of all of X, as the splitter may need it
        X = self._take_out_column(training.X)
        with self._explaining_the_missing_column(X is not training.X):
            return cross_fit_blind(
                self.estimator,
                self.group_estimator,
                replace(training, X=X),
                decisions.respond("predict" if self._regresses else "predict_proba"),
                splits=splits,
                min_group_size=self.min_group_size,
                **self._fit_options,
            )

    @property
    def _fit_options(self) -> dict[str, Any]:
        """What all fits of inner models have in common."""
        return {
            "refit": self.refit,
            "regress": self._regresses,
            "random_state": self.random_state,
            "n_jobs": self.n_jobs,
        }

    @property
    def _regresses(self) -> bool:
        """Whether it is the predictions of a regressor that are thresholded."""
        return self.response_method == "predict"

    @property
    def _measured_on(self) -> MeasuredOn:
        """The rows that thresholds are chosen on: all of them if the classifier was fitted to others."""
        return "held out" if isinstance(self.estimator, FrozenEstimator) else "out of fold"

    def _inner_X(self, X: Any) -> Any:
        """Return X without the sensitive column if the policy may not look at it."""
        return self._without_column(X) if self._fitted_policy.is_blind else X

    def _scores_and_codes(self, X: Any, sensitive: SensitiveColumns) -> tuple[Floats, Ints]:
        """Return the score of every row, and the position of its group, -1 if that is unknown."""
        # Before the estimator sees them: what it says of groups that it does not know is of no help.
        codes = group_codes(sensitive, self.groups_, self.unknown_group)
        values = sensitive.to_metadata()
        return self._fitted_policy.score(self._inner_X(X), self.response_method, values), codes
