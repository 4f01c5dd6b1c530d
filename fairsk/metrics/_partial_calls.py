"""Metrics on a part of the rows: NaN where one of scikit-learn's functions is not defined there.

A group may have one label, one row, or nobody who is selected. scikit-learn then warns and returns a number
of its choice, returns minus infinity, or raises. None of these is a score that could be compared with that
of another group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["UndefinedMetricError", "call_where_defined", "innermost"]

#: Scores of how much better predictions are than the best constant one, which is perfect where the target is
#: constant. scikit-learn says 0, 1, minus infinity, or a huge number, for rounding.
_OF_VARIATION = (
    "d2_absolute_error_score",
    "d2_brier_score",
    "d2_log_loss_score",
    "d2_pinball_score",
    "d2_tweedie_score",
    "explained_variance_score",
    "matthews_corrcoef",
    "r2_score",
)


class UndefinedMetricError(ValueError):
    """A metric is not defined on some rows, of which scikit-learn does not warn."""


def innermost(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function inside of any ``functools.partial``."""
    while isinstance(function, partial):
        function = function.func
    return function


def call_where_defined(
    function: Callable[..., Any], y_true: NDArray[Any], response: NDArray[Any], /, **options: Any
) -> Any:
    """Call a metric; where one of scikit-learn's is not defined, say so by an error.

    Parameters
    ----------
    function : callable
        A metric of labels and predictions or scores. One that is not scikit-learn's is called as it is.
    y_true : array of shape (n_samples,)
        Labels, or targets of any kind.
    response : array of shape (n_samples,) or (n_samples, n_classes)
        Predictions or scores.
    **options
        Its other arguments.

    Returns
    -------
    value
        What the function returns.

    Raises
    ------
    UndefinedMetricError
        If the metric is not defined on these rows, and says so nowhere or by an infinite value. Its own
        ``UndefinedMetricWarning`` is left to the caller.
    """
    inner = innermost(function)
    if not (inner.__module__ or "").startswith("sklearn."):
        return function(y_true, response, **options)
    reason = _reason_undefined(inner.__name__, y_true, response, options)
    if reason is not None:
        raise UndefinedMetricError(reason)
    with np.errstate(divide="ignore", invalid="ignore"):  # what comes of it is looked at
        value = function(y_true, response, **options)
    if np.size(value) == 1 and np.isinf(np.asarray(value, dtype=float)).all():
        raise UndefinedMetricError("it is infinite")
    return value


def _reason_undefined(
    name: str, y_true: NDArray[Any], response: NDArray[Any], options: Mapping[str, Any]
) -> str | None:
    """Say why a metric is not defined on some rows, where scikit-learn would return a number all the same."""
    if np.ndim(y_true) != 1:
        return None
    if name in _OF_VARIATION and len(np.unique(y_true)) < 2:
        return "all rows have the same label or target"
    n_columns = response.shape[1] if np.ndim(response) == 2 else 1
    if name == "average_precision_score" and n_columns == 1:
        return None if np.any(y_true == options.get("pos_label", 1)) else "there are no positives"
    if name == "roc_auc_score" and n_columns > 2 and len(np.unique(y_true)) < n_columns:
        return "there are no rows of some classes"  # a mean over the others would compare other things
    return None
