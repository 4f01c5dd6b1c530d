"""ConstrainedClassifier: any classifier under a bound, which needs the attribute in ``fit`` only."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from fairsk._core.bounds import Bound, BoundedConstraint, bounded_constraints
from fairsk._core.groups import Grouping
from fairsk._core.progress import progress_bar
from fairsk._core.results import library_of
from fairsk._held_out.safety_margin import MarginLike
from fairsk._meta.base import MetaClassifier
from fairsk._meta.cross_fit import TrainingData
from fairsk._sklearn.compat import HasMethods, Interval, StrOptions, fit_context
from fairsk._sklearn.routing import ResponseMethod, response_of
from fairsk._sklearn.rows import refuse_dataset
from fairsk.rates import Constraint
from fairsk.reductions._bounded_model import BoundedModel
from fairsk.reductions._engines import Engine, choose_engine
from fairsk.reductions._history import history_records
from fairsk.reductions._inputs import pose_problem, read_training_data
from fairsk.reductions._path import ConstrainedPath, path_bounds, trace_path
from fairsk.reductions._problem import Problem, Solution, Start
from fairsk.reductions._report import ConstrainedReport, measure_solution
from fairsk.reductions._warnings import warn_of_limits

__all__ = ["ConstrainedClassifier"]


class ConstrainedClassifier(MetaClassifier):
    r"""Fit any classifier under a bound on a disparity; predictions do not need the attribute.

    For those who may use the attribute to learn and to check, but not to decide. Prices on decisions, one per
    group and bounded rate, are raised until the rates of rows that the models did *not* see lie within the
    bound. So it is held on new rows, where bounds on the rates of training rows fail: trees learn their
    training rows by heart.

    Parameters
    ----------
    estimator : classifier
        A binary classifier or pipeline with ``predict_proba`` or ``decision_function``; it is cloned.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X, which no model sees (see ``keep_sensitive``); a list makes an intersection;
        a callable of X returns the values. Values passed to ``fit`` override it; see to it that X does not
        hold them then.
    strata : str, int, list of these, or callable, optional
        The column of X within whose values groups are compared, named as the sensitive one; models see it.
        The bound then holds within every stratum that has two large enough groups. Values passed to ``fit``
        override it. Predictions need no strata.
    constraint : str, Constraint or list of these, default="demographic_parity"
        Which rates should agree: a name out of :data:`fairsk.rates.CONSTRAINTS`, or your own. Several hold at
        once. ``engine="reduction"`` takes rates with fixed denominators only.
    max_difference : float, list, or None
        Bound on the largest difference of each rate between groups; a list has an entry for each constraint.
        Of ``max_difference`` and ``min_ratio`` each constraint has one; with neither given,
        ``max_difference`` is .05.
    min_ratio : float in [0, 1], list, or None
        Bound on the smallest ratio of each rate between groups, such as .8 for the four-fifths rule.
    margin : {"1se"} or float in [0, 1), default=0
        How far to tighten the bounds so that new rows meet them: not at all, until each group's rate keeps
        one standard error away from either end of the window that the bound allows (``"1se"``), or as many
        as it takes for this confidence, for all pairs of groups and all rates at once (such as .95). A group
        with too few rows for that gets the widest margin that fits, and a warning names it; none is kept that
        costs more than half of what is gained over one decision for all.
    engine : {"auto", "boosting", "reduction"}, default="auto"
        ``"boosting"`` is for LGBMClassifier and XGBClassifier, alone or at the end of a pipeline: the prices
        are in the gradient, and follow the held-out rates from round to round. ``"reduction"`` is for any
        other classifier: it is fitted again for each set of prices, to weighted rows. ``"auto"`` takes
        boosting where that is possible; ``engine_`` says which.
    cv : int, splitter or None, default=5
        Number of folds, stratified by group and label, or any splitter. Each row is scored by models that
        were fitted without it; the fold models predict together. None means 5.
    max_models : int, default=8
        How many sets of prices the reduction tries, at most.
    min_group_size : int, default=30
        A group with fewer rows than this in the denominator of a rate (such as positives for the true
        positive rate) is exempt: nothing reliable could be said about it. A warning names it, and
        ``report_`` lists it.
    response_method : {"auto", "predict_proba", "decision_function"}, default="auto"
        Where the reduction's scores come from; ``"auto"`` takes the first of the two that there is.
    keep_sensitive : bool, default=False
        Whether the models see the sensitive column of X as a feature, which predictions need then.
    pos_label : label, optional
        The positive class; by default the second of the two.
    verbose : int, default=0
        Whether to show on standard error how far a fit is.
    random_state : int, RandomState instance or None, default=None
        Shuffles the rows before they are split, if given, and draws rows for an estimator that takes no
        weights.
    n_jobs : int or None, default=None
        How many folds to fit at a time.

    Attributes
    ----------
    estimator_ : BoundedModel
        The fold models, and the threshold of their average.
    threshold_ : float
        Rows whose average score is at least this are positive.
    engine_ : {"boosting", "reduction"}
        The engine that was taken.
    report_ : ConstrainedReport
        What is achieved on training rows, each decided by models that did not see it. Print it, or its
        ``summary()`` in plain sentences.
    history_ : list of dict
        A record per round of boosting, or per model of the reduction, as that of a net is: of held-out rows
        ``valid_acc`` and ``valid_bounded_acc`` (at even odds, and at the best threshold under the bound),
        ``valid_disparity`` and ``valid_disparities``; the ``multipliers`` of every rate; and the ``weight``
        of the round or model in what decides.
    groups_ : tuple
        The groups, sorted; tuples of values for an intersection.
    strata_ : tuple or None
        The strata, sorted; None without.
    classes_ : array of shape (2,)
        The labels.

    Raises
    ------
    ValueError
        If labels are not binary, the sensitive column is missing or has missing values, the estimator is
        fitted already (frozen), or the engine is not open to it or to a rate.

    Warns
    -----
    UserWarning
        If a group is exempt, fewer than two groups can be compared, the bound is not met on held-out rows, a
        group has less than the margin asked for, or (without a margin) the 95% interval of a disparity passes
        its bound by more than the bound allows.

    See Also
    --------
    fairsk.GroupThresholdOptimizer : Thresholds per group, where the attribute may be used to decide.
    fairsk.FairClassifier : A net that holds a bound in training.
    fairsk.ReweightedClassifier : Fair weights without a bound.

    Notes
    -----
    With multipliers :math:`\lambda_{jg}` of the bounded rates :math:`r_{jg}`, the Lagrangian of the mean
    error is minimised, :math:`\mathrm{err} + \sum_{jg} \lambda_{jg} r_{jg}`. To select row :math:`i` costs

    .. math:: c_i = n \sum_j \lambda_{j g_i} \, \partial r_{j g_i} / \partial d_i,

    in errors, with :math:`d_i` the decision. Boosting adds :math:`2 c_i p_i (1 - p_i)` to the gradient of the
    cross-entropy: then a log odds of 0 decides as the price asks. After each round :math:`\lambda` goes half
    the way to what would bring the rates of held-out rows into the windows that the bounds allow, if these
    answer as foreseen: hard rates as values, soft ones as gradient, as in [2]_ and [3]_, but of rows that the
    trees did not see. The reduction [1]_ fits to costs as weighted rows; its
    multipliers are the dual values of a linear program over all models and thresholds found so far. At the
    end one threshold is chosen, exactly, on held-out scores.

    The decision scores of ``decision_function`` are taken from the threshold, and ``predict_proba`` moves log
    odds by it, so that 0 and .5 decide: probabilities are not calibrated.

    References
    ----------
    .. [1] Agarwal, Beygelzimer, Dudik, Langford & Wallach, A Reductions Approach to Fair Classification,
       ICML 2018.
    .. [2] Cotter et al., Optimization with Non-Differentiable Constraints, JMLR 20, 2019.
    .. [3] Cruz, Belem, Bravo, Saleiro & Bizarro, FairGBM: Gradient Boosting with Fairness Constraints,
       ICLR 2023.

    Examples
    --------
    >>> from fairsk import ConstrainedClassifier
    >>> from fairsk.datasets import load_german_credit
    >>> from sklearn.compose import make_column_selector, make_column_transformer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import OneHotEncoder, StandardScaler
    >>> X, y = load_german_credit(return_X_y=True)
    >>> numbers = make_column_selector(dtype_include="number")
    >>> prepare = make_column_transformer((StandardScaler(), numbers), remainder=OneHotEncoder())
    >>> model = ConstrainedClassifier(
    ...     make_pipeline(prepare, LogisticRegression()), sensitive_features="sex", max_difference=0.1)
    >>> model = model.fit(X, y)
    >>> model.engine_, model.report_.disparity <= 0.1
    ('reduction', True)
    >>> model.predict(X.drop(columns="sex")).shape
    (1000,)
    """

    report_: ConstrainedReport
    strata_: tuple[Hashable, ...] | None
    engine_: Literal["boosting", "reduction"]
    threshold_: float
    history_: list[dict[str, Any]]
    estimator_: BoundedModel
    _binary_only = True

    __metadata_request__fit = {"strata": True}

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "predict"])],
        "sensitive_features": "no_validation",  # fairsk._core.columns.column_keys says what it can be
        "strata": "no_validation",
        "constraint": [str, Constraint, list, tuple],
        "max_difference": [Interval(Real, 0, np.inf, closed="both"), list, tuple, None],
        "min_ratio": [Interval(Real, 0, 1, closed="both"), list, tuple, None],
        "margin": [StrOptions({"1se"}), Interval(Real, 0, 1, closed="left")],
        "engine": [StrOptions({"auto", "boosting", "reduction"})],
        "cv": "no_validation",  # scikit-learn's check_cv says what it can be
        "max_models": [Interval(Integral, 1, None, closed="left")],
        "min_group_size": [Interval(Integral, 1, None, closed="left")],
        "response_method": [StrOptions({"auto", "predict_proba", "decision_function"})],
        "keep_sensitive": ["boolean"],
        "pos_label": "no_validation",  # one of the classes
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
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
        margin: MarginLike = 0.0,
        engine: Engine = "auto",
        cv: Any = 5,
        max_models: int = 8,
        min_group_size: int = 30,
        response_method: ResponseMethod = "auto",
        keep_sensitive: bool = False,
        pos_label: Any = None,
        verbose: int = 0,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.sensitive_features = sensitive_features
        self.strata = strata
        self.constraint = constraint
        self.max_difference = max_difference
        self.min_ratio = min_ratio
        self.margin = margin
        self.engine = engine
        self.cv = cv
        self.max_models = max_models
        self.min_group_size = min_group_size
        self.response_method = response_method
        self.keep_sensitive = keep_sensitive
        self.pos_label = pos_label
        self.verbose = verbose
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
        """Fit the fold models under the bound, and choose the threshold on held-out rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, passed on as they are, but for the sensitive column.
        y : array-like of shape (n_samples,)
            Labels; two classes.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, in the errors and in the rates.
        strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The stratum of each row; overrides the column.
        **fit_params
            Passed on to the classifier's ``fit``, values per row split with the rows; what the splitter asks
            for, such as ``groups``, goes to it.

        Returns
        -------
        ConstrainedClassifier
            The fitted meta-estimator.
        """
        constraints = self._constraints()
        training, by = read_training_data(self, X, y, sensitive_features, sample_weight, strata, fit_params)
        problem, by = pose_problem(self, training, by, constraints)
        with progress_bar(type(self).__name__, verbose=self.verbose) as report_progress:
            solution = self._solve(replace(problem, report_progress=report_progress), by, constraints)
        self._remember_columns(training.groups.names, sensitive_features)
        self.report_ = replace(self.report_, library=library_of(X, sensitive_features))
        problem.margin.warn_of_less(solution.margin)
        warn_of_limits(self.report_, has_margin=bool(self.margin))
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
        bounds: Sequence[float] | None = None,
        n_points: int = 5,
        **fit_params: Any,
    ) -> ConstrainedPath:
        """Fit a model under each of several bounds, and show what each costs.

        Boosting finds under each bound what ``fit`` does, but what depends on no bound is done once: rows are
        put into bins, and where prices come after boosting, trees are grown. The reduction goes from the
        loosest bound to the tightest, and models that were fitted under one serve the next, so that a path
        has about half as many fits. This classifier itself is not changed, and need not be fitted; the bound
        among its parameters says only whether it is the difference or the ratio.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, as for ``fit``.
        y : array-like of shape (n_samples,)
            Labels; two classes.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, in the errors and in the rates.
        strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The stratum of each row; overrides the column.
        bounds : sequence of float, optional
            The bounds to fit under. By default ``n_points`` in equal steps between parity, which is left out,
            and what there is without a bound.
        n_points : int, default=5
            How many bounds there are then.
        **fit_params
            As in ``fit``.

        Returns
        -------
        ConstrainedPath
            The held-out accuracy and disparity at each bound, and the fitted models.

        Raises
        ------
        ValueError
            If there are several constraints, or fewer than two groups that can be compared, or bounds are out
            of range.

        Notes
        -----
        What a fit would warn of, a bound that is missed or rows that say little about it, stands in the
        path's ``disparity``, ``low`` and ``high`` instead.
        """
        constraints = self._constraints()
        if len(constraints) != 1:
            raise ValueError("A path varies the bound of one constraint: give one, not a list.")
        (bounded,) = constraints
        comparison = bounded.bound.comparison
        asked = path_bounds(bounded.constraint, comparison, bounds, n_points)
        blank = clone(self)  # this one is not changed
        training, by = read_training_data(blank, X, y, sensitive_features, sample_weight, strata, fit_params)
        problem, by = pose_problem(blank, training, by, constraints)
        if not problem.rows.windows:
            raise ValueError("There is no trade-off to follow: fewer than two groups can be compared.")
        blank._remember_columns(training.groups.names, sensitive_features)
        library, n_fits, fitted = library_of(X, sensitive_features), len(asked or range(n_points)), 0

        with progress_bar(f"{type(self).__name__}.pareto_path", verbose=self.verbose) as report_progress:

            def fit_under(bound: Bound, start: Start | None) -> tuple[Any, Start]:
                nonlocal fitted
                model = copy.deepcopy(blank).set_params(
                    max_difference=bound.difference, min_ratio=bound.ratio
                )
                each = (BoundedConstraint(bounded.constraint, bound),)
                before = fitted
                solution = model._solve(
                    replace(
                        problem.under(each),
                        start=start,
                        report_progress=lambda done, of: report_progress(before * of + done, n_fits * of),
                    ),
                    by,
                    each,
                )
                fitted += 1
                model.report_ = replace(model.report_, library=library)
                return model, Start(solution.multipliers, solution.seen)

            return trace_path(
                fit_under,
                bounded.constraint,
                comparison,
                bounds=asked,
                n_points=n_points,
                library=library,
            )

    def _solve(
        self, problem: Problem, by: Grouping | None, constraints: tuple[BoundedConstraint, ...]
    ) -> Solution:
        """Fit under the bounds, and keep all that a fitted classifier has."""
        solve, engine, reason = choose_engine(
            self.estimator, self.engine, max_models=self.max_models, response_method=self.response_method
        )
        with self._explaining_the_missing_column(not self.keep_sensitive, ", or set keep_sensitive=True"):
            solution = solve(problem)
        problem.report_progress(1, 1)  # engines may stop early
        self._remember(problem.training, solution)
        self.engine_ = engine
        self.report_ = measure_solution(
            problem, by, constraints, solution, margin_asked=self.margin, engine=engine, reason=reason
        )
        labels = None if by is None else by.labels
        self.history_ = history_records(
            solution.history,
            problem.rows,
            constraints,
            unit="round" if engine == "boosting" else "model",
            strata=labels,
        )
        self.groups_, self.strata_ = problem.training.groups.labels, labels
        return solution

    def _constraints(self) -> tuple[BoundedConstraint, ...]:
        """Return the bounds that are asked for."""
        return bounded_constraints(self.constraint, self.max_difference, self.min_ratio, unbounded=True)

    def _remember(self, training: TrainingData, solution: Solution) -> None:
        """Keep the models and the threshold."""
        classes = np.array(training.classes)
        positive = training.classes.index(training.positive)
        self.threshold_ = solution.threshold
        self.estimator_ = BoundedModel(solution.scorer, solution.threshold, classes, positive, solution.scale)

    # --- responses ------------------------------------------------------------------------------------------

    def _inner_X(self, X: Any) -> Any:
        """Return X without the sensitive column, unless the models see it."""
        return X if self.keep_sensitive else self._without_column(X)

    def _has_response(self, method: str) -> bool:
        """Whether there is a response method: probabilities do not follow from other decision scores."""
        if method == "predict":
            return True
        if hasattr(self, "estimator_"):
            has_chances = self.estimator_.scale != "other"
        else:
            has_chances = response_of(self.estimator, self.response_method) == "predict_proba"
        if method == "decision_function" or has_chances:
            return True
        raise AttributeError(
            f"{type(self.estimator).__name__} has decision scores only, of which no probability follows: use "
            "decision_function."
        )

    def _respond(self, method: str, X: Any, values: Any) -> Any:
        """Decide by the fold models and the threshold; the attribute takes no part."""
        check_is_fitted(self)
        refuse_dataset(X)
        inner_X = self._inner_X(X)
        if method == "predict_log_proba":
            with np.errstate(divide="ignore"):
                return np.log(self.estimator_.predict_proba(inner_X))
        return getattr(self.estimator_, method)(inner_X)
