"""What the two have in common: a classifier that sends scores through a map per group."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from fairsk._meta.groupwise import GroupwiseClassifier, OutOfFold
from fairsk._sklearn.compat import HasMethods, fit_context
from fairsk._sklearn.routing import positive_scores, response_of

__all__ = ["ScoreMapper"]

Floats = NDArray[np.float64]


def _offers(method: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        return self._offered() == method

    return check


class ScoreMapper(GroupwiseClassifier, ABC):
    """A classifier that sends the scores of another one through a map per group.

    Subclasses learn their maps in ``_learn`` and apply them in ``_map``; ``_offered`` says what the mapped
    scores are.
    """

    _response: Any  # the method of the fitted classifier that its scores come from

    # Every response depends on the group, so all of them ask for it.
    __metadata_request__predict = {"sensitive_features": True}
    __metadata_request__predict_proba = {"sensitive_features": True}
    __metadata_request__predict_log_proba = {"sensitive_features": True}
    __metadata_request__decision_function = {"sensitive_features": True}
    __metadata_request__score = {"sensitive_features": True}

    _parameter_constraints: dict[str, Any] = {
        "estimator": [HasMethods(["fit", "predict_proba"]), HasMethods(["fit", "decision_function"])],
        **GroupwiseClassifier._groupwise_constraints,
    }

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
            Labels; two classes.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, for the classifier and for the maps.
        **fit_params
            Passed on to the classifier's ``fit``; values per row are split with the rows.

        Returns
        -------
        estimator
            The fitted meta-estimator.
        """
        given = self._training_rows(X, y, sensitive_features, sample_weight, fit_params)
        fitted, unseen = self._fit_out_of_fold(given)
        self.groups_ = given.groups.labels
        self._response = response_of(fitted, self.response_method)
        self._learn(unseen.present())
        self.estimator_ = fitted
        self._positive = given.positive
        self._copy_feature_record()
        return self

    @abstractmethod
    def _learn(self, unseen: OutOfFold) -> None:
        """Learn a map for every group in ``groups_``, and one for all rows."""

    @abstractmethod
    def _map(self, scores: Floats, codes: NDArray[np.intp]) -> Floats:
        """Map scores of the positive class; the code -1 stands for unknown groups."""

    @abstractmethod
    def _offered(self) -> str | None:
        """Return the response method that the mapped scores make."""

    def _mapped(self, X: Any, values: Any) -> Floats:
        check_is_fitted(self)
        sensitive = self._sensitive(X, values, predicting=True)
        scores = positive_scores(self.estimator_, X, self._response, self._positive, sensitive.to_metadata())
        return self._map(scores, self._known_codes(sensitive))

    def predict(self, X: Any, sensitive_features: Any = None) -> NDArray[Any]:
        """Predict the class of each row: the more probable one, or that on its side of a decision of 0.

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
        if self._offered() == "decision_function":
            second = self.decision_function(X, sensitive_features) > 0
        else:
            second = self.predict_proba(X, sensitive_features).argmax(axis=1) == 1
        return self.classes_[second.astype(int)]

    @available_if(_offers("predict_proba"))
    def predict_proba(self, X: Any, sensitive_features: Any = None) -> Floats:
        """Return the mapped probability of each class; the parameters are those of ``predict``.

        Returns
        -------
        array of shape (n_samples, 2)
            Probabilities, in the order of ``classes_``.
        """
        chance = self._mapped(X, sensitive_features)
        columns = [1 - chance, chance]
        return np.column_stack(columns if self._positive_is_second() else columns[::-1])

    @available_if(_offers("predict_proba"))
    def predict_log_proba(self, X: Any, sensitive_features: Any = None) -> Floats:
        """Return the logarithm of ``predict_proba``; the parameters are those of ``predict``."""
        with np.errstate(divide="ignore"):  # the logarithm of 0 is minus infinity
            return np.log(self.predict_proba(X, sensitive_features))

    @available_if(_offers("decision_function"))
    def decision_function(self, X: Any, sensitive_features: Any = None) -> Floats:
        """Return the mapped decision scores, of the second class; the parameters are those of ``predict``."""
        decisions = self._mapped(X, sensitive_features)
        return decisions if self._positive_is_second() else -decisions

    def _positive_is_second(self) -> bool:
        return self.classes_.tolist()[1] == self._positive
