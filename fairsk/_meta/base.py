"""MetaClassifier and MetaRegressor: an estimator around another one that knows which column is sensitive."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from fairsk._core.amounts import amounts_column
from fairsk._core.columns import (
    SensitiveColumns,
    column_keys,
    drop_columns,
    refuse_shuffled,
    selects_by_position,
    sensitive_columns,
)
from fairsk._core.validation import check_weights
from fairsk._sklearn.accuracy import accuracy
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.routing import RESPONSES, asks_for, call
from fairsk._sklearn.rows import refuse_dataset

__all__ = ["MetaClassifier", "MetaRegressor"]


#: What errors of scikit-learn, pandas, polars and NumPy say that are about a column that is not there.
_NO_SUCH_COLUMN = re.compile(
    r"columns? (is|are) missing|not in index|not a column|index .*out of (bounds|range)"
    r"|all features must be in|number of (features|columns)|\d features?\b|n_features",
    re.IGNORECASE,
)


def _may_lack_a_column(error: BaseException, selector: Any) -> bool:
    """Whether an error, or what caused it, names a selected column or speaks of missing ones."""
    names = [key for key in column_keys(selector) or [] if isinstance(key, str)]
    cause: BaseException | None = error
    while cause is not None:
        text = str(cause)
        if _NO_SUCH_COLUMN.search(text):
            return True
        if any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in names):
            return True
        cause = cause.__cause__
    return False


def _offers(method: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        return self._has_response(method)

    return check


class _SensitiveMetaEstimator(MetaEstimatorMixin, BaseEstimator):
    """An estimator around another one that sees raw X and knows which column is sensitive.

    The values of the attribute come from the method's argument, else from the column; they are handed on to
    inner steps that ask for them.

    Subclasses have the parameters ``estimator`` and ``sensitive_features``; in ``fit`` they set
    ``estimator_`` and call ``_remember_columns``. They may override ``_inner_X`` (what the inner estimator
    sees of X), or ``_has_response`` and ``_respond`` (which response methods there are, and what they
    return) with ``_asked_for`` (what the inner one is asked for that). Every estimator derives from one of
    the two classes below directly.
    """

    estimator: Any
    sensitive_features: Any
    estimator_: Any
    _rest_shape: tuple[int, ...]
    _sensitive_names: tuple[str, ...]
    _sensitive_by_position: bool
    #: The methods that return something for each row.
    _responses: tuple[str, ...] = ("predict",)

    __metadata_request__fit = {"sensitive_features": True}
    # To predict, the wrapper itself has no use for the values; the router below asks if the inner one does.
    __metadata_request__predict = {"sensitive_features": False}
    __metadata_request__score = {"sensitive_features": False}

    def _sensitive(self, X: Any, values: Any, *, predicting: bool = False) -> SensitiveColumns:
        """Return the attribute of rows after ``fit``, its columns in the order of ``fit``."""
        refuse_dataset(X)
        if predicting and values is None and self.sensitive_features is None:
            raise ValueError(
                f"{type(self).__name__} needs the groups to predict. Name the column in its constructor, "
                "sensitive_features='sex', or pass the values to this method. In cross-validation "
                "scikit-learn's own scorers cannot pass them on: use the column, or fairsk's scorers with "
                "metadata routing enabled, such as make_group_scorer('accuracy', comparison='overall'). "
                "After a search, call best_estimator_.predict(X, sensitive_features=...)."
            )
        sensitive = sensitive_columns(X, self.sensitive_features, values, n_samples=num_samples(X))
        # A position means another column where the columns of X stand in another order than in fit.
        return sensitive.in_order(
            self._sensitive_names, strict=self._sensitive_by_position and values is None
        )

    def _remember_columns(self, names: tuple[str, ...], values: Any) -> None:
        """Keep, at the end of ``fit``, how the sensitive columns are called: later ones are matched by name.

        Parameters
        ----------
        names : tuple of str
            The names.
        values : array-like or None
            What was passed to ``fit``; None where the columns are those of X.
        """
        self._sensitive_names = names
        self._sensitive_by_position = selects_by_position(self.sensitive_features, values)

    # --- without the sensitive column -----------------------------------------------------------------

    def _take_out_column(self, X: Any) -> Any:
        """Return training rows without the sensitive column; a callable names none."""
        rest = drop_columns(X, self.sensitive_features)
        self._rest_shape = getattr(rest, "shape", ())[1:]
        return rest

    def _without_column(self, X: Any) -> Any:
        """Return rows to predict without the sensitive column, which may be absent already.

        The number of columns decides whether it is there. X with as many columns as were left in ``fit`` is
        taken for X without the sensitive column and passed on as it is; from any other X the column is
        dropped. For a frame that is safe: the inner estimator compares the names. An array has no names: one
        with that number of columns is always taken for the other features in their order, so the sensitive
        column stands in its place there, or it is what is left out. If any other column is left out instead,
        nothing can tell. Without a shape (a dict of arrays) the column is dropped if it is there.
        """
        present = getattr(X, "shape", ())[1:] != self._rest_shape
        if present and self._sensitive_by_position:
            self._sensitive(X, None)  # refuses a frame in which the position means another column
        return drop_columns(X, self.sensitive_features) if present else X

    @contextmanager
    def _explaining_the_missing_column(self, dropped: bool, otherwise: str = "") -> Iterator[None]:
        """Add to an error about a missing column that the sensitive one was taken out of X, if it was."""
        try:
            yield
        except Exception as error:
            if dropped and _may_lack_a_column(error, self.sensitive_features):
                error.add_note(
                    f"{type(self).__name__} had taken the sensitive column ({self.sensitive_features!r}) out "
                    f"of X before: take it out of the inner transformers too{otherwise}."
                )
            raise

    def _inner_X(self, X: Any) -> Any:
        """Return what the inner estimator sees of X."""
        return X

    # --- responses --------------------------------------------------------------------------------------

    def _has_response(self, method: str) -> bool:
        """Whether there is a response method of this name, before ``fit`` or after it."""
        getattr(getattr(self, "estimator_", self.estimator), method)  # its AttributeError says what lacks it
        return True

    def _asked_for(self, method: str) -> str:
        """Return the response method that the inner estimator is asked for, to make a response."""
        return method

    def _respond(self, method: str, X: Any, values: Any) -> Any:
        """Call a response method of the inner estimator, with the attribute only if it asks for it."""
        check_is_fitted(self)
        refuse_dataset(X)
        has_groups = values is not None or self.sensitive_features is not None
        if has_groups and asks_for(self.estimator_, method, "sensitive_features"):
            values = self._sensitive(X, values).to_metadata()
        return call(self.estimator_, method, self._inner_X(X), sensitive_features=values)

    @available_if(_offers("predict"))
    def predict(self, X: Any, sensitive_features: Any = None) -> NDArray[Any]:
        """Predict the class, or the amount, of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.

        Returns
        -------
        array of shape (n_samples,)
            Class labels, or amounts.
        """
        return self._respond("predict", X, sensitive_features)

    def get_metadata_routing(self) -> MetadataRouter:
        """Say which metadata this estimator uses and passes on (scikit-learn's metadata routing).

        Returns
        -------
        MetadataRouter
            The requests of this estimator, of its splitter if it has one, and of the inner estimator.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        for method in self._responses:
            mapping.add(caller=method, callee=self._asked_for(method))
        mapping.add(caller="score", callee=self._asked_for("predict"))
        # The owner only shows in messages; scikit-learn 1.6 copies it, so it is not the (fitted) estimator.
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        if hasattr(self, "cv"):
            to_split = MethodMapping().add(caller="fit", callee="split")
            router.add(splitter=self.cv, method_mapping=to_split)
        return router.add(estimator=self.estimator, method_mapping=mapping)

    def _copy_feature_record(self) -> None:
        """Take over what the inner estimator recorded of the columns it was fitted on."""
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
            elif hasattr(self, name):
                delattr(self, name)


class MetaClassifier(ClassifierMixin, _SensitiveMetaEstimator):
    """A classifier around another one that knows which column is sensitive.

    Subclasses say by ``_binary_only`` that they take two classes.
    """

    _binary_only = False
    _responses = RESPONSES

    __metadata_request__predict_proba = {"sensitive_features": False}
    __metadata_request__predict_log_proba = {"sensitive_features": False}
    __metadata_request__decision_function = {"sensitive_features": False}

    @available_if(_offers("predict_proba"))
    def predict_proba(self, X: Any, sensitive_features: Any = None) -> NDArray[Any]:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.

        Returns
        -------
        array of shape (n_samples, n_classes)
            Probabilities, in the order of ``classes_``.
        """
        return self._respond("predict_proba", X, sensitive_features)

    @available_if(_offers("predict_log_proba"))
    def predict_log_proba(self, X: Any, sensitive_features: Any = None) -> NDArray[Any]:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.

        Returns
        -------
        array of shape (n_samples, n_classes)
            Logarithms, in the order of ``classes_``.
        """
        return self._respond("predict_log_proba", X, sensitive_features)

    @available_if(_offers("decision_function"))
    def decision_function(self, X: Any, sensitive_features: Any = None) -> NDArray[Any]:
        """Return the decision score of each row, or of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_classes)
            Decision scores; of two classes those of the second.
        """
        return self._respond("decision_function", X, sensitive_features)

    def score(self, X: Any, y: Any, sensitive_features: Any = None, sample_weight: Any = None) -> float:
        """Return the accuracy of ``predict`` on X and y.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,)
            Their labels.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row, for ``predict``.
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
        refuse_shuffled(X=X, y=y, sensitive_features=sensitive_features, sample_weight=sample_weight)
        predicted = self.predict(X, sensitive_features=sensitive_features)
        return accuracy(y, predicted, getattr(self, "classes_", None), sample_weight)

    @property
    def classes_(self) -> NDArray[Any]:
        """The class labels."""
        return self.estimator_.classes_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags = inner.input_tags
        tags.classifier_tags = inner.classifier_tags or tags.classifier_tags
        if self._binary_only:
            tags.classifier_tags.multi_class = False
        return tags


class MetaRegressor(RegressorMixin, _SensitiveMetaEstimator):
    """A regressor around another one that knows which column is sensitive."""

    def score(self, X: Any, y: Any, sensitive_features: Any = None, sample_weight: Any = None) -> float:
        """Return the coefficient of determination (R squared) of ``predict`` on X and y.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,)
            Their amounts.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row, for ``predict``.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row.

        Returns
        -------
        float
            One minus the squared error of the predictions, as a share of that of the mean amount.

        Raises
        ------
        ValueError
            If amounts are missing, infinite, no numbers, or not one per row; or if weights are negative, not
            finite, all zero, or not one per row; or if pandas indexes are in different orders.
        """
        refuse_shuffled(X=X, y=y, sensitive_features=sensitive_features, sample_weight=sample_weight)
        predicted = self.predict(X, sensitive_features=sensitive_features)
        weights = check_weights(sample_weight, len(predicted))
        return float(r2_score(amounts_column("y", y), predicted, sample_weight=weights))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags = inner.input_tags
        tags.regressor_tags = inner.regressor_tags or tags.regressor_tags
        return tags
