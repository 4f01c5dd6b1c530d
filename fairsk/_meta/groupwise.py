"""Groupwise estimators: groups at prediction, or their chances, and the parameters that these share."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from numbers import Integral, Real
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fairsk._core.columns import SensitiveColumns
from fairsk._core.groups import encode_known_groups
from fairsk._core.policy import UnknownGroup
from fairsk._core.typing import Bools, Floats, Ints
from fairsk._sklearn.compat import HasMethods, Interval, StrOptions, num_samples
from fairsk._sklearn.routing import ResponseMethod, call

__all__ = ["GROUPWISE_PARAMETERS", "as_labels", "group_chances", "group_codes"]

#: What scikit-learn checks of the parameters that these classifiers share (``_parameter_constraints``).
GROUPWISE_PARAMETERS: dict[str, Any] = {
    # fairsk._meta.inner says which of these an estimator needs, by what is asked of it.
    "estimator": [HasMethods(["fit", each]) for each in ("predict", "predict_proba", "decision_function")],
    "sensitive_features": "no_validation",  # fairsk._core.columns.column_keys says what it can be
    "cv": ["cv_object", Interval(Real, 0, 1, closed="neither")],
    "refit": ["boolean"],
    "response_method": [StrOptions(set(get_args(ResponseMethod)))],
    "unknown_group": [StrOptions(set(get_args(UnknownGroup)))],
    "pos_label": "no_validation",
    "random_state": ["random_state"],
    "n_jobs": [Integral, None],
}


def group_codes(sensitive: SensitiveColumns, groups: Sequence[Hashable], unknown_group: UnknownGroup) -> Ints:
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


def group_chances(model: Any, X: Any, *, n_groups: int, sensitive_features: Any = None) -> Floats:
    """Return each row's chance to belong to each group; 0 for groups that the model has not seen.

    Cross-fitting hands every scorer the ``sensitive_features``; here nothing may follow from them.

    Parameters
    ----------
    model : fitted classifier
        What learned the groups: its classes are their positions.
    X : array-like
        Rows.
    n_groups : int
        How many groups there are.
    sensitive_features : array-like, optional
        Not used.

    Returns
    -------
    array of shape (n_samples, n_groups)
        The chances.
    """
    chances = np.zeros((num_samples(X), n_groups))
    chances[:, model.classes_] = call(model, "predict_proba", X)
    return chances


def as_labels(selected: Bools, classes: NDArray[Any], positive: Any) -> NDArray[Any]:
    """Return the class of each row: the positive one for the selected rows."""
    negative = classes[classes != positive][0]
    return np.where(selected, positive, negative).astype(classes.dtype)
