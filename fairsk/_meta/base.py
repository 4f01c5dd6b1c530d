"""What the meta-estimators share: a classifier around another one that knows which column is sensitive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from fairsk._core.columns import SensitiveColumns, drop_columns, sensitive_columns
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.routing import RESPONSES, asks_for, call

__all__ = ["MetaClassifier"]


def _inner_has(method: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return check


class MetaClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """A classifier around another one that sees raw X and knows which column is sensitive.

    Subclasses have the parameters ``estimator`` and ``sensitive_features`` and set ``estimator_`` in
    ``fit``. The values of the attribute come from the method's argument, else from the column; they are
    handed on to inner steps that ask for them.
    """

    estimator: Any
    sensitive_features: Any
    estimator_: Any
    _rest_shape: tuple[int, ...]

    __metadata_request__fit = {"sensitive_features": True}
    # To predict, the wrapper itself has no use for the values; the router below asks if the inner one does.
    __metadata_request__predict = {"sensitive_features": False}
    __metadata_request__predict_proba = {"sensitive_features": False}
    __metadata_request__predict_log_proba = {"sensitive_features": False}
    __metadata_request__decision_function = {"sensitive_features": False}
    __metadata_request__score = {"sensitive_features": False}

    def _sensitive(self, X: Any, values: Any, *, predicting: bool = False) -> SensitiveColumns:
        if predicting and values is None and self.sensitive_features is None:
            raise ValueError(
                f"{type(self).__name__} needs the groups to predict. Name the column in its constructor, "
                "sensitive_features='sex', or pass the values to this method. In cross-validation "
                "scikit-learn's own scorers cannot pass them on: use the column, or fairsk's scorers with "
                "metadata routing enabled, such as make_group_scorer('accuracy', comparison='overall'). "
                "After a search, call best_estimator_.predict(X, sensitive_features=...)."
            )
        return sensitive_columns(X, self.sensitive_features, values, n_samples=num_samples(X))

    # --- without the sensitive column -----------------------------------------------------------------

    def _take_out_column(self, X: Any) -> Any:
        """Return training rows without the sensitive column; a callable names none."""
        rest = drop_columns(X, self.sensitive_features)
        self._rest_shape = getattr(rest, "shape", ())[1:]
        return rest

    def _without_column(self, X: Any) -> Any:
        """Return rows to predict without the sensitive column, which may be absent already."""
        present = getattr(X, "shape", ())[1:] != self._rest_shape
        return drop_columns(X, self.sensitive_features) if present else X

    @contextmanager
    def _explaining_the_missing_column(self, taken_out: bool, otherwise: str = "") -> Iterator[None]:
        """Add to an error inside that the sensitive column had been taken out of X, if it was."""
        try:
            yield
        except Exception as error:
            if taken_out:
                error.add_note(
                    f"{type(self).__name__} had taken the sensitive column ({self.sensitive_features!r}) out "
                    f"of X before: take it out of the inner transformers too{otherwise}."
                )
            raise

    def _inner_X(self, X: Any) -> Any:
        """Return what the inner estimator sees of X."""
        return X

    def _respond(self, method: str, X: Any, values: Any) -> Any:
        """Call a response method of the inner estimator, with the attribute only if it asks for it."""
        check_is_fitted(self)
        known = values is not None or self.sensitive_features is not None
        if known and asks_for(self.estimator_, method, "sensitive_features"):
            values = self._sensitive(X, values).to_metadata()
        return call(self.estimator_, method, self._inner_X(X), sensitive_features=values)

    @available_if(_inner_has("predict"))
    def predict(self, X: Any, sensitive_features: Any = None) -> NDArray[Any]:
        """Predict the class of each row.

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
        """
        return self._respond("predict", X, sensitive_features)

    @available_if(_inner_has("predict_proba"))
    def predict_proba(self, X: Any, sensitive_features: Any = None) -> NDArray[Any]:
        """Return the inner estimator's class probabilities; the parameters are those of ``predict``."""
        return self._respond("predict_proba", X, sensitive_features)

    @available_if(_inner_has("predict_log_proba"))
    def predict_log_proba(self, X: Any, sensitive_features: Any = None) -> NDArray[Any]:
        """Return the logarithm of the class probabilities; the parameters are those of ``predict``."""
        return self._respond("predict_log_proba", X, sensitive_features)

    @available_if(_inner_has("decision_function"))
    def decision_function(self, X: Any, sensitive_features: Any = None) -> NDArray[Any]:
        """Return the inner estimator's decision scores; the parameters are those of ``predict``."""
        return self._respond("decision_function", X, sensitive_features)

    def score(self, X: Any, y: Any, sensitive_features: Any = None, sample_weight: Any = None) -> float:
        """Return the accuracy of ``predict`` on X and y; ``sensitive_features`` is handed to it."""
        predicted = self.predict(X, sensitive_features=sensitive_features)
        return float(np.average(np.asarray(predicted) == np.asarray(y), weights=sample_weight))

    @property
    def classes_(self) -> NDArray[Any]:
        """The class labels."""
        return self.estimator_.classes_

    def get_metadata_routing(self) -> MetadataRouter:
        """Say which metadata this estimator uses and passes on (scikit-learn's metadata routing)."""
        mapping = MethodMapping().add(caller="fit", callee="fit").add(caller="score", callee="predict")
        for method in RESPONSES:
            mapping.add(caller=method, callee=method)
        # The owner only shows in messages; scikit-learn 1.6 copies it, so it is not the (fitted) estimator.
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        return router.add(estimator=self.estimator, method_mapping=mapping)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags = inner.input_tags
        tags.classifier_tags = inner.classifier_tags or tags.classifier_tags
        return tags

    def _copy_feature_record(self) -> None:
        """Take over what the inner estimator recorded of the columns it was fitted on."""
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
            elif hasattr(self, name):
                delattr(self, name)
