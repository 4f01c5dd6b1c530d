"""Rows of any container: indexing and validation of X and y, as scikit-learn does it, without conversion."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from sklearn.utils import assert_all_finite, indexable
from sklearn.utils.multiclass import check_classification_targets

from fairsk._core.amounts import amounts_column
from fairsk._core.columns import pyarrow_rows, refuse_repeated_names, refuse_shuffled
from fairsk._core.labels import target_column
from fairsk._core.messages import list_labels
from fairsk._core.typing import Floats, Ints
from fairsk._sklearn.compat import check_feature_names, check_n_features, num_samples, safe_indexing

__all__ = [
    "check_amount_rows",
    "check_rows",
    "check_same_features",
    "refuse_dataset",
    "take_fit_params",
    "take_rows",
]


def take_rows(data: Any, rows: Ints) -> Any:
    """Index the rows of an array, frame, list or sparse matrix; None stays None."""
    if data is None:
        return None
    taken = pyarrow_rows(data, rows)  # scikit-learn 1.6 cannot index these
    return safe_indexing(data, rows) if taken is None else taken


def check_rows(X: Any, y: Any, **per_row: Any) -> tuple[Any, NDArray[Any]]:
    """Return X made indexable but not converted, and the labels as a 1-D array without missing ones.

    Parameters
    ----------
    X, y : array-like
        Rows and their labels.
    **per_row : array-like or None
        What else comes with a value per row, by name: its pandas index must not be theirs in another order.

    Raises
    ------
    ValueError
        If there are no rows, their numbers differ, y holds no labels, or pandas indexes are in different
        orders.
    TypeError
        If X is a dataset or a loader of torch.
    """
    refuse_dataset(X)
    refuse_shuffled(X=X, y=y, **per_row)
    labels = target_column("y", y, warn=True)
    if labels.dtype.kind == "f":
        assert_all_finite(labels, input_name="y")
    if labels.dtype.kind == "O":
        _refuse_mixed(labels)
    if labels.dtype.kind not in "biu":  # whole numbers always are classes; to look at all of them takes time
        check_classification_targets(labels)
    X, labels = indexable(X, labels)
    if num_samples(X) == 0:
        raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
    return X, labels


def check_amount_rows(X: Any, y: Any, **per_row: Any) -> tuple[Any, Floats]:
    """Return X made indexable but not converted, and amounts as a 1-D array of finite floats.

    Parameters
    ----------
    X, y : array-like
        Rows and their amounts.
    **per_row : array-like or None
        What else comes with a value per row, by name: its pandas index must not be theirs in another order.

    Raises
    ------
    ValueError
        If there are no rows, their numbers differ, an amount is missing, infinite or no number, or pandas
        indexes are in different orders.
    TypeError
        If X is a dataset or a loader of torch.
    """
    refuse_dataset(X)
    refuse_shuffled(X=X, y=y, **per_row)
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    X, amounts = indexable(X, amounts_column("y", y, warn=True))
    return X, amounts


def refuse_dataset(X: Any) -> None:
    """Refuse a dataset or a loader of torch, told by the names of its classes: torch need not be there.

    Raises
    ------
    TypeError
        If X is one.
    """
    bases = {each.__name__ for each in type(X).__mro__ if each.__module__.startswith("torch.utils.data")}
    if bases & {"Dataset", "IterableDataset", "DataLoader"}:
        kind = "DataLoader" if "DataLoader" in bases else "Dataset"
        raise TypeError(
            f"X is a torch {kind} ({type(X).__name__}), but scikit-learn's tools and groups need rows: pass "
            "the arrays or tensors in it, X and y apart (of a TensorDataset, dataset.tensors; of a skorch "
            "Dataset, dataset.X and dataset.y), several inputs as a dict of arrays. Rows that a net is "
            "to validate on may be a Dataset: net_params={'train_split': predefined_split(...)}."
        )


def _refuse_mixed(labels: NDArray[Any]) -> None:
    """Refuse labels that cannot be sorted, such as texts beside numbers."""
    distinct = set(labels.tolist())
    if len({isinstance(label, str) for label in distinct}) > 1:
        raise ValueError(
            f"y has labels of different kinds, text and others: {list_labels(sorted(distinct, key=repr))}. "
            "Make them one kind."
        )


def check_same_features(estimator: Any, X: Any, *, reset: bool) -> None:
    """Record, or compare with the record, the number and names of the columns of X; texts have none."""
    if hasattr(X, "shape") and len(X.shape) == 2:
        refuse_repeated_names(X)  # before scikit-learn's error, which does not say what to do
        check_feature_names(estimator, X, reset=reset)
        check_n_features(estimator, X, reset=reset)


def take_fit_params(params: dict[str, Any], rows: Ints, length: int) -> dict[str, Any]:
    """Index the rows of those fit parameters that have one value per row."""

    def take(value: Any) -> Any:
        try:
            return take_rows(value, rows) if num_samples(value) == length else value
        except TypeError:  # a scalar parameter
            return value

    return {name: take(value) for name, value in params.items()}
