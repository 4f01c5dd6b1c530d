"""Routing of the sensitive column, and of strata: SensitiveRouter reads them from raw X."""

from __future__ import annotations

from typing import Any, Self

from numpy.typing import ArrayLike
from sklearn.base import clone

from fairsk._core.columns import SensitiveColumns, advising, sensitive_columns
from fairsk._core.groups import encode_groups
from fairsk._core.strata import messages_of_strata, strata_columns
from fairsk._core.validation import check_weights
from fairsk._meta.base import MetaClassifier
from fairsk._meta.inner import refuse_regressor
from fairsk._sklearn.compat import HasMethods, fit_context, num_samples
from fairsk._sklearn.routing import asks_for, fit_weighted
from fairsk._sklearn.rows import check_rows, check_same_features

__all__ = ["SensitiveRouter"]

#: Which estimators of fairsk ask for what the router hands on.
_THAT_COMPARES = {
    "sensitive_features": "",
    "strata": " that compares groups within strata (FairClassifier, GroupThresholdOptimizer)",
}


class SensitiveRouter(MetaClassifier):
    """Read the sensitive column of the raw X and hand its values to every inner step that asks.

    Steps that ask, at fit or at prediction, are those that request ``sensitive_features`` in
    scikit-learn's metadata routing, as all of fairsk's estimators do by default. They are reached through
    nested pipelines, with metadata routing off or on. So no step has to pass the column through. Strata, if
    there are any, reach the steps that request ``strata`` in the same way, at fit.

    Parameters
    ----------
    estimator : classifier
        The classifier or pipeline to fit; it is cloned.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X; a list makes an intersection; a callable of X returns the values.
        Values passed to a method override it.
    strata : str, int, list of these, or callable, optional
        The column of X within whose values inner steps compare groups (a :class:`FairClassifier` or a
        :class:`GroupThresholdOptimizer`), named as the sensitive one. It stays in X; what inner steps make of
        it they decide. Values passed to ``fit`` override it. Predictions need no strata.
    keep_sensitive : bool, default=False
        Whether the inner estimator sees the sensitive columns of X. If not, X may lack them at prediction,
        unless a step asks for them there: an X with as many columns as the inner estimator was fitted on is
        then taken for one without them. In an array the sensitive columns must be the ones that are left out,
        for it has no names to check. A callable names no column, so all of X is kept.

    Attributes
    ----------
    estimator_ : classifier
        The fitted classifier.
    classes_ : array of shape (n_classes,)
        The labels.
    n_features_in_ : int
        Number of columns of the raw X.
    feature_names_in_ : array of shape (n_features_in_,)
        Their names, if X has text names.

    Raises
    ------
    ValueError
        If the sensitive column, or that of strata, is missing or has missing values, no inner step asks
        for it, or the inner estimator only transforms.

    See Also
    --------
    FairClassifier : The net that asks for the sensitive values in ``fit``.
    ReweightedClassifier : Fair weights for a pipeline that it wraps, or for a step inside a router.
    GroupThresholdOptimizer : A threshold per group, for a pipeline that it wraps.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk import FairClassifier, SensitiveRouter
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = make_classification(random_state=0)
    >>> X[:, 0] = X[:, 0] > 0  # the sensitive column
    >>> net = FairClassifier(max_difference=0.1, random_state=0)
    >>> model = SensitiveRouter(make_pipeline(StandardScaler(), net), sensitive_features=0)
    >>> model.fit(X, y).predict(X).shape
    (100,)
    """

    __metadata_request__fit = {"strata": True}

    _parameter_constraints = {
        "estimator": [HasMethods(["fit"])],
        "sensitive_features": "no_validation",  # fairsk._core.columns.column_keys says what it can be
        "strata": "no_validation",  # as sensitive_features
        "keep_sensitive": ["boolean"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        sensitive_features: Any = None,
        strata: Any = None,
        keep_sensitive: bool = False,
    ) -> None:
        self.estimator = estimator
        self.sensitive_features = sensitive_features
        self.strata = strata
        self.keep_sensitive = keep_sensitive

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
        """Fit the inner estimator, handing the sensitive values to every step that asks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,)
            Labels.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            Weights, delivered to the last step of nested pipelines.
        strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The stratum of each row; overrides the column.
        **fit_params
            Passed on to the inner estimator's ``fit``.

        Returns
        -------
        SensitiveRouter
            The fitted meta-estimator.
        """
        refuse_regressor(
            self,
            "ConstrainedRegressor and PredictionRepair read the column themselves: name it there, and put "
            "the pipeline inside, ConstrainedRegressor(make_pipeline(...), sensitive_features='sex'). So "
            "does ConceptEraser(sensitive_features='sex'); or pass the values to the pipeline, "
            "fit(X, y, sensitive_features=values), with metadata routing enabled.",
        )
        X, labels = check_rows(
            X,
            y,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            strata=strata,
            **fit_params,
        )
        check_same_features(self, X, reset=True)
        self._refuse_transformer()
        self._refuse_if_nobody_asks("sensitive_features")
        with advising("If an earlier step left it out: put SensitiveRouter around that step, too."):
            sensitive = sensitive_columns(
                X, self.sensitive_features, sensitive_features, n_samples=num_samples(X)
            )
        encode_groups(sensitive)  # a missing value fails here, under its column's name
        if (by := self._strata(X, strata)) is not None:
            fit_params["strata"] = by
        weights = check_weights(sample_weight, num_samples(X))
        inner_X = X if self.keep_sensitive else self._take_out_column(X)
        with self._explaining_the_missing_column(inner_X is not X, ", or set keep_sensitive=True"):
            self.estimator_ = fit_weighted(
                clone(self.estimator),
                inner_X,
                labels,
                weights,
                sensitive_features=sensitive.to_metadata(),
                **fit_params,
            )
        self._remember_columns(sensitive.names, sensitive_features)
        return self

    def _refuse_transformer(self) -> None:
        """Refuse an inner estimator that transforms and predicts nothing."""
        if hasattr(self.estimator, "transform") and not hasattr(self.estimator, "predict"):
            kind = type(self.estimator).__name__
            raise ValueError(
                f"SensitiveRouter({kind}) has nothing to predict with: put a classifier behind the "
                "transformers, make_pipeline(..., classifier). Without one, name the column in the "
                "transformer that reads it, ConceptEraser(sensitive_features='sex'), or pass the values to "
                "the pipeline, fit(X, y, sensitive_features=values), with metadata routing enabled."
            )

    def _refuse_if_nobody_asks(self, name: str) -> None:
        """Refuse an inner estimator no step of which asks for these values in ``fit``."""
        if not asks_for(self.estimator, "fit", name):
            raise ValueError(
                f"No step inside SensitiveRouter({type(self.estimator).__name__}) asks for {name} in fit. "
                f"Wrap a pipeline that holds a fairsk estimator{_THAT_COMPARES[name]}, or request it with "
                f"set_fit_request({name}=True) on your own."
            )

    def _strata(self, X: Any, values: Any) -> Any:
        """Return the strata as inner steps get them; None without any.

        Raises
        ------
        ValueError
            If their column is missing or has missing values, or no inner step asks for them.
        """
        columns = strata_columns(X, self.strata, values, n_samples=num_samples(X))
        if columns is None:
            return None
        self._refuse_if_nobody_asks("strata")
        with messages_of_strata():
            encode_groups(columns)  # a missing value fails here, under its column's name
        return columns.to_metadata()

    def _sensitive(self, X: Any, values: Any, *, predicting: bool = False) -> SensitiveColumns:
        with advising(
            "A step inside SensitiveRouter needs the group of every row to predict, too: give X with the "
            "column, as in fit, or pass the values, sensitive_features=. ConceptEraser needs none there."
        ):
            return super()._sensitive(X, values, predicting=predicting)

    def _inner_X(self, X: Any) -> Any:
        """Return X without the sensitive column, which may be absent already, unless it is kept."""
        return X if self.keep_sensitive else self._without_column(X)
