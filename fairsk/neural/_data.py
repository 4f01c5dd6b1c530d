"""Data of a net: inputs checked and cast, labels encoded, batches, and rows held out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data
from skorch.helper import SliceDict
from torch.utils.data import Subset

from fairsk._core.columns import drop_columns, refuse_shuffled, sensitive_columns
from fairsk._core.groups import Grouping, encode_groups, encode_known_groups
from fairsk._core.messages import list_labels, list_texts, show
from fairsk._core.typing import Floats
from fairsk._core.validation import check_weights
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.rows import check_rows

__all__ = [
    "HOLD_OUT_FROM",
    "INPUT_ATTRIBUTES",
    "Batches",
    "Dtype",
    "Holdout",
    "InputSpec",
    "NetData",
    "Stream",
    "as_rows",
    "balance_classes",
    "check_inputs",
    "encode_labels",
    "read_training_data",
    "without_sensitive",
]

#: What an array of inputs is cast to.
Dtype: TypeAlias = Literal["float32", "float64", "int64"]

#: The fitted attributes that say what inputs look like.
INPUT_ATTRIBUTES = ("n_features_in_", "feature_names_in_", "input_names_")
#: One row in so many is held out; by default, if there are at least so many rows.
_HELD_OUT, HOLD_OUT_FROM = 10, 10_000


def as_rows(X: Any) -> Any:
    """Return X as something that has rows: a mapping of arrays becomes one dict of them, sliced together.

    Tensors become arrays, wherever they are, and of whatever precision.

    Raises
    ------
    ValueError
        If a mapping is empty, or its entries have different lengths.
    """
    if not isinstance(X, Mapping) or sparse.issparse(X):  # a dok_matrix is a dict, too
        return _from_tensor(X)
    entries = {str(name): _as_entry(name, values) for name, values in X.items()}
    if not entries:
        raise ValueError("X is an empty dict: give at least one array of inputs.")
    lengths = {name: values.shape[0] for name, values in entries.items()}
    if len(set(lengths.values())) > 1:
        each = list_texts(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"The entries of X have different numbers of rows: {each}.")
    return SliceDict(**entries)


def _from_tensor(values: Any) -> Any:
    if not isinstance(values, torch.Tensor):
        return values
    values = values.detach().cpu()
    return (values.float() if values.dtype is torch.bfloat16 else values).numpy()  # NumPy has no bfloat16


def _as_entry(name: Any, values: Any) -> Any:
    array = values.tocsr() if sparse.issparse(values) else np.asarray(_from_tensor(values))
    if not array.ndim:
        raise ValueError(f"The entry {name!r} of X must have one value per row, got {show(values)}.")
    return array


@dataclass(frozen=True)
class InputSpec:
    """What is fed to a net, as the parameters of the estimator say.

    Attributes
    ----------
    sensitive_features, keep_sensitive
        As in :class:`fairsk.FairClassifier`.
    dtype : {"float32", "float64", "int64"}
        What an array is cast to. In a dict, numbers with fractions are cast to it (to float32, if it is of
        whole numbers), whole numbers to int64, and booleans are left.
    any_shape : bool
        Whether rows may have more dimensions than one.
    """

    sensitive_features: Any
    keep_sensitive: bool
    dtype: Dtype
    any_shape: bool


def check_inputs(
    X: Any, spec: InputSpec, seen: Mapping[str, Any] | None = None
) -> tuple[Any, dict[str, Any]]:
    """Return what the net is fed, and the fitted attributes that say what it looks like.

    Parameters
    ----------
    X : array-like, sparse matrix, or SliceDict
        The rows.
    spec : InputSpec
        What they are made into.
    seen : mapping, optional
        The attributes of an earlier call, with which these rows are compared.
    """
    if not isinstance(X, Mapping) or sparse.issparse(X):
        if seen is not None and "input_names_" in seen:
            names = list_texts(seen["input_names_"])
            raise ValueError(
                f"The net was fitted with a dict of {names}, and needs the same now; got {type(X)}."
            )
        return _check_array(X, spec, seen)
    if seen is not None and set(X) != set(seen.get("input_names_", ())):
        fitted = seen.get("input_names_")
        expected = "an array" if fitted is None else f"the entries {list_texts(fitted)}"
        raise ValueError(f"The net was fitted with {expected}; X has the entries {list_texts(X)}.")
    if not len(X):
        raise ValueError("Found X with 0 rows while a minimum of 1 is required.")
    floats = "float32" if spec.dtype == "int64" else spec.dtype
    attributes = {"input_names_": tuple(X)} if seen is None else dict(seen)
    return {name: _cast(name, values, floats) for name, values in X.items()}, attributes


def _check_array(X: Any, spec: InputSpec, seen: Mapping[str, Any] | None) -> tuple[Any, dict[str, Any]]:
    # scikit-learn records names and numbers of columns on an estimator, whose class its messages name.
    recorder = type("FairClassifier", (BaseEstimator,), {})()
    for name, value in (seen or {}).items():
        setattr(recorder, name, value)
    array = validate_data(
        recorder,
        X,
        dtype="numeric" if spec.dtype == "int64" else spec.dtype,
        accept_sparse="csr",
        allow_nd=spec.any_shape,
        reset=seen is None,
    )
    attributes = {name: vars(recorder)[name] for name in INPUT_ATTRIBUTES if name in vars(recorder)}
    return _as_integers(array) if spec.dtype == "int64" else array, attributes


def _as_integers(values: Any) -> Any:
    whole = values.astype(np.int64)
    if values.dtype.kind == "f" and abs(values - whole).max() > 0:
        raise ValueError("dtype='int64' is for whole numbers, such as token ids, but X has fractions.")
    return whole


def _cast(name: str, values: Any, floats: str) -> Any:
    kind = values.dtype.kind
    if kind == "b":
        return values
    if kind in "iu" and not sparse.issparse(values):
        return values.astype(np.int64, copy=False)
    if kind not in "fiu":
        raise ValueError(f"The entry {name!r} of X must hold numbers, not {values.dtype}: encode it first.")
    stored: NDArray[Any] = values.data if sparse.issparse(values) else values
    if not np.isfinite(stored).all():
        raise ValueError(f"The entry {name!r} of X contains NaN or infinite values: impute or drop them.")
    return values.astype(floats, copy=False)


def encode_labels(
    y: NDArray[Any], classes: ArrayLike | None = None
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the classes, and the index of each row's; by default the classes are those of the rows.

    Raises
    ------
    ValueError
        If there is one class only, or a label is not one of the classes.
    """
    check_classification_targets(y)
    labels = np.unique(y if classes is None else np.asarray(classes))
    if len(labels) == 1:
        raise ValueError(
            f"A classifier needs two classes to tell apart; y has one class only: {show(labels[0])}."
        )
    new = np.setdiff1d(y, labels)
    if len(new):
        raise ValueError(
            f"y has the label {show(new[0])}, which is not one of the classes {list_labels(labels)}: "
            "name all of them in the first call of partial_fit, classes=."
        )
    return labels, np.searchsorted(labels, y).astype(np.int64)


def balance_classes(
    class_weight: Any, classes: NDArray[Any], labels: NDArray[np.int64], weight: NDArray[Any] | None
) -> Floats | None:
    """Return what each class counts in the task loss, None for one each.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, or they are zero for all rows.
    """
    if class_weight is None:
        return None
    if class_weight == "balanced":  # of weighted rows, which scikit-learn would need as rows
        mass = np.bincount(labels, weight, len(classes))
        return np.divide(mass.sum() / len(mass), mass, out=np.ones(len(mass)), where=mass > 0)
    weights = compute_class_weight(class_weight, classes=classes, y=classes)
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights[labels].any()):
        raise ValueError(
            f"class_weight must be finite, not negative, and not zero for all rows; got {class_weight}."
        )
    return weights


def _map(function: Callable[[Any], Any], data: Any) -> Any:
    """Apply a function to an array, or to each array of a dict."""
    if isinstance(data, Mapping):
        return {key: function(value) for key, value in data.items()}
    return function(data)


def _take(rows: slice | torch.Tensor, data: Any) -> torch.Tensor:
    """Return these rows; of a sparse matrix, a dense batch of them, so that it never becomes dense whole."""
    if sparse.issparse(data):
        return torch.from_numpy(data[rows if isinstance(rows, slice) else rows.numpy()].toarray())
    if isinstance(rows, slice):
        return data[rows].clone()  # nets may work in place
    return data.index_select(0, rows)  # faster than data[rows]


@dataclass(frozen=True)
class NetData:
    """Rows to train on, checked and encoded.

    Attributes
    ----------
    X : array, sparse matrix or dict of arrays
        What the net is fed.
    inputs : dict
        The fitted attributes that say what it looks like.
    classes : array of shape (n_classes,)
        The classes.
    labels : array of int of shape (n_samples,)
        The index of each row's class.
    groups : Grouping
        The group of each row.
    weight : array of shape (n_samples,) or None
        The weight of each row.
    """

    X: Any
    inputs: dict[str, Any]
    classes: NDArray[Any]
    labels: NDArray[np.int64]
    groups: Grouping
    weight: Floats | None

    def target(self, dtype: type[np.floating[Any]], *, with_rows: bool) -> dict[str, NDArray[Any]]:
        """Return the target of the loss; with the number of each row, if decisions must be told apart."""
        target: dict[str, NDArray[Any]] = {"y": self.labels, "group": self.groups.codes.astype(np.int64)}
        if self.weight is not None:  # with a mean of one, so that only their proportions matter
            target["weight"] = (self.weight / self.weight.mean()).astype(dtype)
        if with_rows:
            target["row"] = np.arange(len(self.labels))
        return target


@dataclass(frozen=True)
class Stream:
    """What the first call of ``partial_fit`` saw, and later calls must agree with.

    Attributes
    ----------
    inputs : dict
        The fitted attributes that say what inputs look like.
    classes : array of shape (n_classes,)
        The classes.
    groups : tuple of labels
        The groups of the rows.
    """

    inputs: dict[str, Any]
    classes: NDArray[Any]
    groups: tuple[Hashable, ...]


def read_training_data(
    X: Any,
    y: Any,
    sensitive_features: Any,
    sample_weight: Any,
    *,
    spec: InputSpec,
    classes: ArrayLike | None,
    stream: Stream | None = None,
    names: tuple[str, ...] | None = None,
) -> NetData:
    """Return the rows to train on, checked and encoded, without those of weight zero.

    Parameters
    ----------
    X, y, sensitive_features, sample_weight
        As in ``FairClassifier.fit``.
    spec : InputSpec
        What the net is fed.
    classes : array-like of shape (n_classes,), optional
        All classes; by default those of y.
    stream : Stream, optional
        In a later call of ``partial_fit``, what classes, groups and inputs must be.
    names : tuple of str, optional
        What the sensitive columns were called when training began.

    Raises
    ------
    ValueError
        If rows are not what they must be, or not what they were.
    """
    refuse_shuffled(X=X, y=y, sensitive_features=sensitive_features, sample_weight=sample_weight)
    X, y = check_rows(as_rows(X), y)
    selector = spec.sensitive_features
    sensitive = sensitive_columns(X, selector, sensitive_features, n_samples=num_samples(X))
    if names is not None:
        sensitive = sensitive.in_order(names)
    has_values = sensitive_features is not None
    X = without_sensitive(X, selector, keep=spec.keep_sensitive, has_values=has_values)
    X, inputs = check_inputs(X, spec, None if stream is None else stream.inputs)
    weight = check_weights(sample_weight, len(y))
    if weight is not None and not weight.all():
        rows = np.flatnonzero(weight)  # a row of weight zero is a row that is not there
        X = {name: each[rows] for name, each in X.items()} if isinstance(X, Mapping) else X[rows]
        y, sensitive, weight = y[rows], sensitive.take(rows), weight[rows]
    all_classes, labels = encode_labels(y, classes if stream is None else stream.classes)
    if classes is not None and not np.array_equal(np.unique(classes), all_classes):
        raise ValueError(
            f"classes are {np.unique(classes).tolist()} now, but were {all_classes.tolist()} in the first "
            "call."
        )
    if stream is None:
        groups = encode_groups(sensitive)
    else:
        groups = encode_known_groups(sensitive, stream.groups, during="partial_fit")
    return NetData(X, inputs, all_classes, labels, groups, weight)


def without_sensitive(X: Any, selector: Any, *, keep: bool, has_values: bool = False) -> Any:
    """Return what the net sees of X: all but the sensitive columns, unless the user keeps them.

    If the groups came apart from X (``has_values``), it need not have these columns.
    """
    if keep:
        return X
    try:
        rest = as_rows(drop_columns(X, selector))
    except ValueError:
        if has_values:
            return X
        raise
    if getattr(rest, "shape", ())[1:] == (0,) and not isinstance(rest, Mapping):
        raise ValueError("X has no columns but the sensitive ones, and the net does not see these.")
    return rest


class Batches:
    """Iterate over the batches of a skorch dataset, each taken with one indexing operation.

    A ``DataLoader`` fetches the rows of a batch one at a time, which for rows in memory costs more than
    training a small net on them. Give this class to a net as ``iterator_train`` and ``iterator_valid``.

    Parameters
    ----------
    dataset : skorch.dataset.Dataset, or a torch Subset of one
        Holds ``X`` and ``y`` as arrays, sparse matrices, tensors, or dicts of these.
    batch_size : int, default=128
        Rows per batch, at most. Batches are as many as that takes, and of equal size but for a row: a last
        batch of what is left, perhaps a single row, would be a step into chance.
    shuffle : bool, default=False
        Whether to draw a new order for every epoch.
    generator : torch.Generator, optional
        Draws the order; without it, torch's global generator does.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch.dataset import Dataset
    >>> from fairsk.neural._data import Batches
    >>> data = Dataset(np.arange(5.0), {"y": np.arange(5), "group": np.array([0, 1, 0, 1, 0])})
    >>> [target["group"].tolist() for _, target in Batches(data, batch_size=2)]
    [[0], [1, 0], [1, 0]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 128,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        rows: torch.Tensor | None = None
        while isinstance(dataset, Subset):  # what a validation split makes of a dataset, possibly nested
            outer = torch.as_tensor(np.asarray(dataset.indices))
            rows, dataset = (outer if rows is None else outer[rows]), dataset.dataset

        def load(values: Any) -> Any:
            if sparse.issparse(values):
                return values.tocsr() if rows is None else values.tocsr()[rows.numpy()]
            if isinstance(values, np.ndarray) and (
                not values.flags.writeable or min(values.strides, default=0) < 0
            ):
                values = values.copy()  # torch takes neither read-only arrays nor reversed ones
            return torch.as_tensor(values) if rows is None else torch.as_tensor(values)[rows]

        self.n_samples = len(dataset) if rows is None else len(rows)
        self.X = _map(load, dataset.X)
        # Without a target (prediction) skorch expects a placeholder of the same length.
        self.y = torch.zeros(self.n_samples) if dataset.y is None else _map(load, dataset.y)
        self.batch_size, self.shuffle, self.generator = batch_size, shuffle, generator

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        return -(-self.n_samples // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Yield X and y of each batch."""
        if not self.shuffle:
            yield from (self.take(self._rows(position)) for position in range(len(self)))
            return
        order = torch.randperm(self.n_samples, generator=self.generator)
        for position in range(len(self)):
            yield self.take(order[self._rows(position)])

    def _rows(self, position: int) -> slice:
        return slice(self.n_samples * position // len(self), self.n_samples * (position + 1) // len(self))

    def take(self, rows: slice | torch.Tensor) -> tuple[Any, Any]:
        """Return X and y of these rows."""
        return _map(partial(_take, rows), self.X), _map(partial(_take, rows), self.y)


class Holdout:
    """Hold out a tenth of the rows of every (group, label) cell: a ``train_split`` for skorch."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    @staticmethod
    def n_trained(n: int) -> int:
        """Return how many of so many rows are left to train on."""
        return n - (n + _HELD_OUT // 2 - 1) // _HELD_OUT

    def __call__(self, dataset: Any, y: Any) -> tuple[Subset[Any], Subset[Any]]:
        """Return the rows to train on and the rows held out."""
        if len(dataset) < _HELD_OUT:
            raise ValueError(
                f"early_stopping holds out a tenth of the rows and needs at least {_HELD_OUT}, got "
                f"{len(dataset)} rows (n_samples = {len(dataset)})."
            )
        label = np.asarray(y["y"])
        cell = (label.max() + 1) * np.asarray(y["group"]) + label
        order = np.lexsort((np.random.default_rng(self.seed).permutation(len(cell)), cell))
        held_out = np.arange(len(cell)) % _HELD_OUT == _HELD_OUT // 2
        return Subset(dataset, order[~held_out]), Subset(dataset, order[held_out])
