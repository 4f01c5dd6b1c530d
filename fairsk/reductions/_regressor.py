"""ConstrainedRegressor: any regressor under a bound, which needs the attribute in ``fit`` only."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from fairsk._core.groups import list_groups
from fairsk._core.progress import progress_bar
from fairsk._core.results import library_of
from fairsk._core.warnings import warn_user
from fairsk._held_out.safety_margin import KeptMargin, MarginLike, SafetyMargin
from fairsk._meta.base import MetaRegressor
from fairsk._sklearn.compat import HasMethods, Interval, StrOptions, fit_context
from fairsk._sklearn.rows import refuse_dataset
from fairsk.rates import Constraint, MeanRate
from fairsk.reductions._amounts.engines import choose_amount_engine
from fairsk.reductions._amounts.history import amount_records
from fairsk.reductions._amounts.inputs import pose_amounts, read_amounts_to_train
from fairsk.reductions._amounts.model import BoundedAmounts
from fairsk.reductions._amounts.report import AmountReport, measure_amounts
from fairsk.reductions._amounts.spec import read_spec
from fairsk.reductions._engines import Engine

__all__ = ["ConstrainedRegressor"]


class ConstrainedRegressor(MetaRegressor):
    r"""Fit any regressor under a bound on groups' mean predictions or losses; predictions need no attribute.

    For those who may use the attribute to learn and to check, but not to predict: wages, premiums, loan
    sizes. Prices on predictions, one per group and bounded mean, are raised until the means of rows that the
    models did *not* see lie within the bound, at the least mean loss.

    Parameters
    ----------
    estimator : regressor
        A regressor or pipeline with ``predict``; it is cloned.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X, which no model sees (see ``keep_sensitive``); a list makes an intersection;
        a callable of X returns the values. Values passed to ``fit`` override it; see to it that X does not
        hold them then.
    constraint : str, MeanRate or Constraint, default="mean_parity"
        What is bounded. ``"mean_parity"``: the mean predictions of groups differ by at most
        ``max_difference``; ``"mean_error_parity"``: their mean errors do; ``"error_parity"``: their mean
        losses do; ``"bounded_group_loss"``: the mean loss of every group is at most ``max_loss``. Or another
        name out of :data:`fairsk.rates.AMOUNT_CONSTRAINTS`, or means of your own.
    max_difference : float, optional
        Bound on the largest difference of each mean between groups, in the unit of that mean. There is no
        default, for amounts have a unit.
    max_loss : float, optional
        Bound on the mean loss of every group, in the unit of the loss: of the squared one, that of y squared.
    loss : {"squared", "absolute"} or MeanRate, default="squared"
        What is least over all rows; a loss of your own has factors for ``over``, ``under`` or
        ``squared_error``. It should be the one that the estimator makes least.
    engine : {"auto", "boosting", "reduction"}, default="auto"
        ``"boosting"`` is for LGBMRegressor and XGBRegressor, alone or at the end of a pipeline: the prices
        are in the gradient, and follow the held-out means from round to round. ``"reduction"`` is for any
        other regressor: it is fitted again for each set of prices. ``"auto"`` takes boosting where that is
        possible; ``engine_`` says which.
    cv : int, splitter or None, default=5
        Number of folds, stratified by group, or any splitter. Each row is predicted by models that were
        fitted without it; the fold models predict together. None means 5.
    margin : {"1se"} or float in [0, 1), default=0
        How far to tighten the bound so that new rows meet it: not at all, until each group's mean keeps one
        standard error away from the end of what the bound allows (``"1se"``), or as many as it takes for this
        confidence, for all statements at once (such as .95). Where less can be kept, a warning names the
        groups.
    max_models : int, default=8
        How many sets of prices the reduction fits to, at most.
    min_group_size : int, default=30
        A group with fewer held-out rows than this is exempt: nothing reliable could be said about it. A
        warning names it, and ``report_`` lists it.
    keep_sensitive : bool, default=False
        Whether the models see the sensitive column of X as a feature, which predictions need then.
    verbose : int, default=0
        Whether to show on standard error how far a fit is.
    random_state : int, RandomState instance or None, default=None
        Shuffles the rows before they are split, if given, and draws rows for an estimator that takes no
        weights.
    n_jobs : int or None, default=None
        How many folds to fit at a time.

    Attributes
    ----------
    estimator_ : BoundedAmounts
        The fold models, which predict together.
    engine_ : {"boosting", "reduction"}
        The engine that was taken.
    report_ : AmountReport
        What is achieved on training rows, each predicted by models that did not see it. Print it, or its
        ``summary()`` in plain sentences.
    history_ : list of dict
        A record per round of boosting, or per model of the reduction: of held-out rows ``valid_loss`` and
        ``valid_disparity`` (what is bounded); the ``multipliers`` of every mean, by group; and the ``weight``
        of the round or model in what predicts.
    groups_ : tuple
        The groups, sorted; tuples of values for an intersection.

    Raises
    ------
    ValueError
        If the bound is missing, or the constraint has another one; if amounts are missing or infinite, the
        sensitive column is missing or has missing values, the estimator is a classifier or fitted already
        (frozen), or the engine is not open to it.

    Warns
    -----
    UserWarning
        If a group is exempt, too few can be measured, the bound is not met on held-out rows, a group has less
        than the margin asked for, or (without a margin) the 95% interval of what is bounded ends beyond twice
        the bound.

    See Also
    --------
    fairsk.PredictionRepair : Equal distributions of predictions, by a map of them.
    fairsk.ConstrainedClassifier : The same for decisions.
    fairsk.rates.get_amount_constraint : The constraints on amounts.

    Notes
    -----
    With multipliers :math:`\lambda_{jg}` of the bounded means :math:`m_{jg}`, and :math:`p_g` the share of
    group :math:`g`, the Lagrangian is a sum over rows,

    .. math:: \sum_i w_i \Big[ \ell(f_i, y_i) + \sum_j \frac{\lambda_{j g_i}}{p_{g_i}} m_j(f_i, y_i) \Big].

    A price on predictions is a shift of targets: with the squared loss, ``(f - y)^2 + c f`` is
    ``(f - (y - c / 2))^2`` up to a constant. So under equal means the best prediction is
    :math:`E(y|x) - \sum_g \lambda_g P(g|x) / (2 p_g)` [1]_. A regressor that is linear in its targets, or
    that learns conditional means, needs one model per group but one beside its own: which combination of
    them is best is a small convex program on held-out predictions, exact for all prices at once. A price on a
    loss is weight, :math:`1 + \lambda_g / p_g` for the rows of a group [2]_; models of the prices that the
    program asks for are added until another one is not worth its fits. Their average has at most the
    loss that a random choice among them has, for losses are convex.

    Prices are tried on one split before the others are fitted, where that has ``min_group_size`` rows of
    every group. With ``"error_parity"`` the program is not convex: it is started from each model.

    References
    ----------
    .. [1] Calders, Karim, Kamiran, Ali & Zhang, Controlling Attribute Effect in Linear Regression, ICDM 2013.
    .. [2] Agarwal, Dudik & Wu, Fair Regression: Quantitative Definitions and Reduction-Based Algorithms,
       ICML 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk import ConstrainedRegressor
    >>> from sklearn.linear_model import LinearRegression
    >>> rng = np.random.default_rng(0)
    >>> woman = rng.integers(0, 2, 2000)
    >>> hours = rng.normal(40 - 6 * woman, 5)
    >>> X, wage = np.column_stack([hours, woman]), 20 * hours + rng.normal(0, 100, 2000)
    >>> model = ConstrainedRegressor(LinearRegression(), sensitive_features=1, max_difference=60).fit(X, wage)
    >>> model.engine_, model.report_.disparity <= 60
    ('reduction', True)
    >>> model.predict(X[:, :1]).shape
    (2000,)
    """

    report_: AmountReport
    engine_: Literal["boosting", "reduction"]
    history_: list[dict[str, Any]]
    estimator_: BoundedAmounts

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "predict"])],
        "sensitive_features": "no_validation",  # fairsk._core.columns.column_keys says what it can be
        "constraint": [str, Constraint, MeanRate],
        "max_difference": [Interval(Real, 0, np.inf, closed="both"), None],
        "max_loss": [Interval(Real, 0, np.inf, closed="both"), None],
        "loss": [StrOptions({"squared", "absolute"}), MeanRate],
        "engine": [StrOptions({"auto", "boosting", "reduction"})],
        "cv": "no_validation",  # scikit-learn's check_cv says what it can be
        "margin": [StrOptions({"1se"}), Interval(Real, 0, 1, closed="left")],
        "max_models": [Interval(Integral, 1, None, closed="left")],
        "min_group_size": [Interval(Integral, 1, None, closed="left")],
        "keep_sensitive": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        sensitive_features: Any = None,
        constraint: str | Constraint | MeanRate = "mean_parity",
        max_difference: float | None = None,
        max_loss: float | None = None,
        loss: Literal["squared", "absolute"] | MeanRate = "squared",
        engine: Engine = "auto",
        cv: Any = 5,
        margin: MarginLike = 0.0,
        max_models: int = 8,
        min_group_size: int = 30,
        keep_sensitive: bool = False,
        verbose: int = 0,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.sensitive_features = sensitive_features
        self.constraint = constraint
        self.max_difference = max_difference
        self.max_loss = max_loss
        self.loss = loss
        self.engine = engine
        self.cv = cv
        self.margin = margin
        self.max_models = max_models
        self.min_group_size = min_group_size
        self.keep_sensitive = keep_sensitive
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
        **fit_params: Any,
    ) -> Self:
        """Fit the fold models under the bound.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, passed on as they are, but for the sensitive column.
        y : array-like of shape (n_samples,)
            Amounts.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, in the loss and in the means.
        **fit_params
            Passed on to the regressor's ``fit``, values per row split with the rows; what the splitter asks
            for, such as ``groups``, goes to it.

        Returns
        -------
        ConstrainedRegressor
            The fitted meta-estimator.
        """
        spec = read_spec(self.constraint, self.loss, self.max_difference, self.max_loss)
        training = read_amounts_to_train(self, spec, X, y, sensitive_features, sample_weight, fit_params)
        solve, engine, reason = choose_amount_engine(
            self.estimator,
            self.engine,
            spec.loss,
            max_models=self.max_models,
            min_group_size=self.min_group_size,
        )
        problem, margin = pose_amounts(self, spec, training)
        with (
            progress_bar(type(self).__name__, verbose=self.verbose) as report_progress,
            self._explaining_the_missing_column(not self.keep_sensitive, ", or set keep_sensitive=True"),
        ):
            solution = solve(replace(problem, report_progress=report_progress))
            report_progress(1, 1)  # engines may stop early
        self.estimator_ = BoundedAmounts(solution.predictor)
        self.engine_ = engine
        self.groups_ = training.groups.labels
        unit: Literal["round", "model"] = "round" if engine == "boosting" else "model"
        self.history_ = amount_records(solution.history, margin.rows, unit=unit)
        kept = margin.kept(solution.predictions, solution.distances)
        report = measure_amounts(
            problem, spec, solution, kept, margin_asked=self.margin, engine=engine, reason=reason
        )
        self.report_ = replace(report, library=library_of(X, sensitive_features))
        self._remember_columns(training.groups.names, sensitive_features)
        self._warn(kept, margin.n_errors)
        return self

    def _warn(self, kept: KeptMargin, n_errors: float) -> None:
        """Warn if the bound is missed, has less than the margin asked for, or is little sure."""
        report = self.report_
        SafetyMargin((), n_errors, self.margin).warn_of_less(kept, "models")
        if report.violation > 0:
            warn_user(
                f"No model was found whose held-out predictions meet the bound on {report.constraint.name} "
                f"(the least that was found is {report.disparity:.6g}, and at most {report.bound:.6g} was "
                "asked for). What helps: a looser bound, more rows, coarser groups, or a learner that can "
                "give up accuracy in more ways."
            )
        elif not self.margin and report.is_far:
            far = list_groups(label for label in report.groups if label not in report.exempt)
            warn_user(
                f"These rows say little about the bound on {report.constraint.name} for {far}: the 95% "
                "interval of what is bounded ends beyond twice the bound, so new rows may pass it. "
                "report_.interval says how far. What helps: more rows, margin='1se' or a confidence, coarser "
                "groups or a greater min_group_size, or a looser bound."
            )

    # --- responses ------------------------------------------------------------------------------------------

    def _inner_X(self, X: Any) -> Any:
        """Return X without the sensitive column, unless the models see it."""
        return X if self.keep_sensitive else self._without_column(X)

    def _has_response(self, method: str) -> bool:
        """Whether there is a response method."""
        return method == "predict"

    def _respond(self, method: str, X: Any, values: Any) -> Any:
        """Predict by the fold models; the attribute takes no part."""
        check_is_fitted(self)
        refuse_dataset(X)
        return self.estimator_.predict(self._inner_X(X))
