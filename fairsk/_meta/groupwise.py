"""Groupwise classifiers: group codes at prediction, and the parameters that these classifiers share."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fairsk._core.columns import SensitiveColumns
from fairsk._core.groups import encode_known_groups
from fairsk._core.policy import UnknownGroup
from fairsk._meta.base import MetaClassifier
from fairsk._meta.cross_fit import OutOfFold, Splits, TrainingData, check_training_data, cross_fit, split_rows
from fairsk._sklearn.compat import HasMethods, Interval, StrOptions
from fairsk._sklearn.routing import ResponseMethod, positive_scores

__all__ = [
    "GROUPWISE_PARAMETERS",
    "GroupwiseClassifier",
    "OutOfFold",
    "TrainingRows",
    "as_labels",
    "group_codes",
]

TrainingRows = TrainingData

#: What scikit-learn checks of the parameters that these classifiers share (``_parameter_constraints``).
GROUPWISE_PARAMETERS: dict[str, Any] = {
    "estimator": [HasMethods(["fit", "predict_proba"]), HasMethods(["fit", "decision_function"])],
    "sensitive_features": [str, int, list, tuple, callable, None],
    "cv": ["cv_object", Interval(Real, 0, 1, closed="neither")],
    "refit": ["boolean"],
    "response_method": [StrOptions(set(get_args(ResponseMethod)))],
    "unknown_group": [StrOptions(set(get_args(UnknownGroup)))],
    "pos_label": "no_validation",
    "random_state": ["random_state"],
    "n_jobs": [Integral, None],
}


def group_codes(
    sensitive: SensitiveColumns, groups: Sequence[Hashable], unknown_group: UnknownGroup
) -> NDArray[np.intp]:
    """Return each row's position among the groups of ``fit``, -1 for unknown groups if they are accepted.

    Parameters
    ----------
    sensitive : SensitiveColumns
        The attribute of the rows to predict.
    groups : sequence of labels
        The fitted estimator's ``groups_``.
    unknown_group : {"error", "overall"}
        The estimator's parameter; :mod:`fairsk._core.policy` says what it means.

    Returns
    -------
    integer array of shape (n_samples,)
        The codes.

    Raises
    ------
    ValueError
        If a group is unknown or missing, unless ``unknown_group`` is "overall".
    """
    return encode_known_groups(sensitive, groups, unknown_group).codes


def as_labels(selected: NDArray[np.bool_], classes: NDArray[Any], positive: Any) -> NDArray[Any]:
    """Return the class of each row: the positive one for the selected rows."""
    negative = classes[classes != positive][0]
    return np.where(selected, positive, negative).astype(classes.dtype)


class GroupwiseClassifier(MetaClassifier):
    """A base class for GroupThresholdOptimizer, until it calls the functions itself."""

    _binary_only = True
    _groupwise_constraints = {k: v for k, v in GROUPWISE_PARAMETERS.items() if k != "estimator"}
    cv: Any
    refit: bool
    response_method: Any
    unknown_group: Any
    pos_label: Any
    random_state: Any
    n_jobs: int | None
    groups_: tuple[Any, ...]

    def _training_rows(
        self, X: Any, y: Any, sensitive_features: Any, sample_weight: Any, fit_params: dict[str, Any]
    ) -> TrainingData:
        return check_training_data(
            X,
            y,
            selector=self.sensitive_features,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            pos_label=self.pos_label,
            fit_params=fit_params,
        )

    def _options(self) -> dict[str, Any]:
        return {"refit": self.refit, "random_state": self.random_state, "n_jobs": self.n_jobs}

    def _fit_out_of_fold(
        self, training: TrainingData, *, blind: bool = False, keep: bool = True, splits: Splits | None = None
    ) -> tuple[Any, OutOfFold]:
        respond = partial(positive_scores, response_method=self.response_method, positive=training.positive)
        cv = self.cv if splits is None else splits
        out_of_fold = cross_fit(
            self.estimator,
            training,
            respond,
            cv=cv,
            scores_only=not keep,
            share_groups=not blind,
            **self._options(),
        )
        return out_of_fold.estimator, out_of_fold

    def _cross_fit(
        self, estimator: Any, training: TrainingData, target: Any, respond: Any, splits: Splits
    ) -> tuple[Any, Any, Any]:
        def keyword(model: Any, X: Any, sensitive_features: Any) -> Any:
            return respond(model, X, sensitive_features)

        out_of_fold = cross_fit(estimator, training, keyword, target=target, cv=splits, **self._options())
        return out_of_fold.estimator, out_of_fold.rows, out_of_fold.scores

    def _splits(self, training: TrainingData) -> Splits:
        return split_rows(training, self.cv, self.random_state)

    def _known_codes(self, sensitive: SensitiveColumns) -> NDArray[np.intp]:
        return group_codes(sensitive, self.groups_, self.unknown_group)

    def _as_labels(self, selected: NDArray[np.bool_], positive: Any) -> NDArray[Any]:
        return as_labels(selected, self.classes_, positive)
