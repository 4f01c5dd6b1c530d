"""Data of a net: inputs checked and cast, labels, groups and strata encoded."""

from __future__ import annotations

import datetime
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data
from skorch.helper import SliceDataset, SliceDict

from fairsk._core.columns import SensitiveColumns, drop_columns, has_named, refuse_shuffled, sensitive_columns
from fairsk._core.groups import Grouping, encode_groups, encode_known_groups, list_groups
from fairsk._core.messages import list_labels, list_texts, show
from fairsk._core.policy import During, refuse_unknown
from fairsk._core.strata import messages_of_strata, refuse_groups_as_strata, strata_columns
from fairsk._core.typing import Floats
from fairsk._core.validation import check_weights
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.rows import check_rows, refuse_dataset

__all__ = [
    "INPUT_ATTRIBUTES",
    "Dtype",
    "InputSpec",
    "NetData",
    "Stream",
    "as_rows",
    "balance_classes",
    "check_inputs",
    "encode_labels",
    "prediction_inputs",
    "read_own_rows",
    "read_training_data",
]

#: What an array of inputs is cast to.
Dtype: TypeAlias = Literal["float32", "float64", "int64"]

#: The fitted attributes that say what inputs look like.
INPUT_ATTRIBUTES = ("n_features_in_", "feature_names_in_", "input_names_")


def as_rows(X: Any) -> Any:
    """Return X as something that has rows: a mapping of arrays becomes one dict of them, sliced together.

    Tensors become arrays, wherever they are, and of whatever precision.

    Raises
    ------
    TypeError
        If X is a dataset or a loader of torch.
    ValueError
        If a mapping is empty, or its entries have different lengths.
    """
    if not isinstance(X, Mapping) or sparse.issparse(X):  # a dok_matrix is a dict, too
        return _as_array_like(X)
    entries = {str(name): _as_entry(name, values) for name, values in X.items()}
    if not entries:
        raise ValueError("X is an empty dict: give at least one array of inputs.")
    lengths = {name: values.shape[0] for name, values in entries.items()}
    if len(set(lengths.values())) > 1:
        each = list_texts(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"The entries of X have different numbers of rows: {each}.")
    return SliceDict(**entries)


def _as_array_like(X: Any) -> Any:
    """Return rows that are no mapping, tensors among them as arrays."""
    if isinstance(X, SliceDataset):  # skorch's way to make rows of a dataset for scikit-learn
        return np.asarray(X)
    refuse_dataset(X)
    if isinstance(X, list | tuple) and any(isinstance(row, torch.Tensor) for row in X):
        return [_from_tensor(row) for row in X]
    return _from_tensor(X)


def _from_tensor(values: Any) -> Any:
    if not isinstance(values, torch.Tensor):
        return values
    values = values.detach().cpu()
    if values.layout is not torch.strided:
        values = values.to_dense()
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
    sensitive_features, strata, keep_sensitive
        As in :class:`fairsk.FairClassifier`.
    dtype : {"float32", "float64", "int64"}
        What an array is cast to. In a dict, numbers with fractions are cast to it (to float32, if it is of
        whole numbers), whole numbers to int64, and booleans are left.
    any_shape : bool
        Whether rows may have more dimensions than one.
    """

    sensitive_features: Any
    strata: Any
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
    try:
        array = validate_data(
            recorder,
            X,
            dtype="numeric" if spec.dtype == "int64" else spec.dtype,
            accept_sparse="csr",
            allow_nd=spec.any_shape,
            reset=seen is None,
        )
    except (TypeError, ValueError):
        _refuse_text(X)
        raise
    attributes = {name: vars(recorder)[name] for name in INPUT_ATTRIBUTES if name in vars(recorder)}
    return _as_integers(array) if spec.dtype == "int64" else array, attributes


def _refuse_text(X: Any) -> None:
    """Refuse columns of text or dates, in words that say what to do with them."""
    if sparse.issparse(X):
        return
    values = np.asarray(X, dtype=object)
    if values.ndim == 1:
        text = next((value for value in values if isinstance(value, str | bytes)), None)
        if text is not None:
            raise ValueError(
                f"X holds texts, such as {show(text)}, and the net takes numbers: put a step before "
                "it that makes numbers of them, make_pipeline(TfidfVectorizer(), net), or pass token ids "
                "with dtype='int64'."
            )
        return
    names = getattr(X, "column_names", getattr(X, "columns", None))  # the former are those of pyarrow
    names = range(values.shape[1]) if names is None or callable(names) else list(names)
    for name, column in zip(names, np.moveaxis(values, 1, 0), strict=False):
        for value in column.ravel():
            if isinstance(value, str | bytes | datetime.date | datetime.timedelta | np.datetime64):
                if isinstance(value, str | bytes) and _is_number(value):
                    continue
                what = "text" if isinstance(value, str | bytes) else "dates or times"
                raise ValueError(
                    f"The column {show(name)} of X holds {what}, such as {show(value)}, and "
                    "the net takes numbers: put a step before it that makes numbers of the column, such as a "
                    "ColumnTransformer with OneHotEncoder, or drop it."
                )


def _is_number(text: Any) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


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
    strata : Grouping or None
        The stratum of each row, if groups are compared within strata.
    weight : array of shape (n_samples,) or None
        The weight of each row.
    spec : InputSpec
        What the inputs were made by.
    """

    X: Any
    inputs: dict[str, Any]
    classes: NDArray[Any]
    labels: NDArray[np.int64]
    groups: Grouping
    strata: Grouping | None
    weight: Floats | None
    spec: InputSpec

    @property
    def cells(self) -> NDArray[np.int64]:
        """The number of each row's group, or of its group and stratum: what the loss calls its group."""
        codes = self.groups.codes.astype(np.int64)
        return codes if self.strata is None else codes * len(self.strata.labels) + self.strata.codes

    @property
    def n_cells(self) -> int:
        """How many of these numbers there are."""
        return len(self.groups.labels) * (1 if self.strata is None else len(self.strata.labels))

    @property
    def n_counted(self) -> float:
        """How many rows these stand for: whole weights count rows, others have proportions only."""
        if self.weight is None or (self.weight % 1).any():
            return float(len(self.labels))
        return float(self.weight.sum())

    def target(self, dtype: type[np.floating[Any]], *, with_rows: bool) -> dict[str, NDArray[Any]]:
        """Return the target of the loss; with the number of each row, if decisions must be told apart."""
        target: dict[str, NDArray[Any]] = {"y": self.labels, "group": self.cells}
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
    strata : tuple of labels or None
        Their strata.
    strata_names : tuple of str
        What the columns of these were called.
    """

    inputs: dict[str, Any]
    classes: NDArray[Any]
    groups: tuple[Hashable, ...]
    strata: tuple[Hashable, ...] | None
    strata_names: tuple[str, ...]


def read_training_data(
    X: Any,
    y: Any,
    sensitive_features: Any,
    sample_weight: Any,
    strata: Any = None,
    *,
    spec: InputSpec,
    classes: ArrayLike | None,
    stream: Stream | None = None,
    names: tuple[str, ...] | None = None,
) -> NetData:
    """Return the rows to train on, checked and encoded, without those of weight zero.

    Parameters
    ----------
    X, y, sensitive_features, sample_weight, strata
        As in ``FairClassifier.fit``.
    spec : InputSpec
        What the net is fed.
    classes : array-like of shape (n_classes,), optional
        All classes; by default those of y.
    stream : Stream, optional
        In a later call of ``partial_fit``, what classes, groups, strata and inputs must be.
    names : tuple of str, optional
        What the sensitive columns were called when training began.

    Raises
    ------
    ValueError
        If rows are not what they must be, or not what they were.
    """
    refuse_shuffled(
        X=X, y=y, sensitive_features=sensitive_features, strata=strata, sample_weight=sample_weight
    )
    X, y = check_rows(as_rows(X), y)
    n_samples = num_samples(X)
    sensitive = sensitive_columns(X, spec.sensitive_features, sensitive_features, n_samples=n_samples)
    if names is not None:
        sensitive = sensitive.in_order(names)
    by = strata_columns(X, spec.strata, strata, n_samples=n_samples)
    X = _net_columns(X, spec, groups_given=sensitive_features is not None, strata_given=strata is not None)
    X, inputs = check_inputs(X, spec, None if stream is None else stream.inputs)
    weight = check_weights(sample_weight, len(y))
    if weight is not None and not weight.all():
        rows = np.flatnonzero(weight)  # a row of weight zero is a row that is not there
        X = {name: each[rows] for name, each in X.items()} if isinstance(X, Mapping) else X[rows]
        y, sensitive, weight = y[rows], sensitive.take(rows), weight[rows]
        by = None if by is None else by.take(rows)
    all_classes, labels = encode_labels(y, classes if stream is None else stream.classes)
    if classes is not None and not np.array_equal(np.unique(classes), all_classes):
        raise ValueError(
            f"classes are [{list_labels(np.unique(classes))}] now, but were [{list_labels(all_classes)}] in "
            "the first call."
        )
    if stream is None:
        groups, cells = encode_groups(sensitive), None
        if by is not None:
            with messages_of_strata():
                cells = encode_groups(by)
            refuse_groups_as_strata(groups, cells)
    else:
        groups = encode_known_groups(sensitive, stream.groups, during="partial_fit")
        if (by is None) != (stream.strata is None):
            raise ValueError(
                f"The first call of partial_fit had {'no ' if stream.strata is None else ''}strata, and this "
                f"one has {'none' if by is None else 'some'}: give strata in every call or in none."
            )
        cells = None
        if by is not None and stream.strata is not None:
            cells = _known_strata(by, stream.strata_names, stream.strata, "partial_fit")
    return NetData(X, inputs, all_classes, labels, groups, cells, weight, spec)


def _known_strata(
    columns: SensitiveColumns, names: tuple[str, ...], labels: tuple[Hashable, ...], during: During
) -> Grouping:
    """Assign rows to the strata that training began with."""
    with messages_of_strata():
        grouping = encode_groups(columns.in_order(names), labels)
        unknown = np.flatnonzero(grouping.codes < 0)
        if len(unknown):
            new = encode_groups(columns.take(unknown)).labels
            refuse_unknown(during, f"the strata {list_groups(new)}", len(unknown), len(grouping.codes))
    return grouping


_OWN_ROWS = (
    "Rows of your own to validate on are a Dataset(X, y) as fit takes X and y, if the constructor names the "
    "sensitive column of X, or Dataset(X, {'y': labels, 'sensitive_features': values}), with 'strata' and "
    "'sample_weight' if there are any"
)


def read_own_rows(X: Any, y: Any, data: NetData, dtype: type[np.floating[Any]]) -> tuple[Any, dict[str, Any]]:
    """Return rows of a user's to validate on, as the net takes them, and their target.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), or dict of arrays
        As ``fit`` takes it.
    y : array-like of shape (n_samples,), or dict of such
        The labels; or ``"y"`` and ``"sensitive_features"``, perhaps ``"strata"`` and ``"sample_weight"``; or
        the target of a :class:`fairsk.FairLoss`, with numbers of classes and groups.
    data : NetData
        The rows of fit.
    dtype : type
        That of the weights.

    Raises
    ------
    ValueError
        If something is missing, or a label, group or stratum did not occur in fit.
    """
    spec, given = data.spec, dict(y) if isinstance(y, Mapping) else {"y": y}
    if set(given) <= {"y", "group", "weight"} and {"y", "group"} <= set(given) and data.strata is None:
        given = _from_numbers(given, data)
    unknown = set(given) - {"y", "sensitive_features", "strata", "sample_weight"}
    if unknown or "y" not in given:
        entry = f"it has {list_labels(sorted(map(str, unknown)))}" if unknown else "it has no 'y'"
        raise ValueError(f"{_OWN_ROWS}; {entry}.")
    for name, selector, needed in (
        ("sensitive_features", spec.sensitive_features, True),
        ("strata", spec.strata, data.strata is not None),
    ):
        if needed and selector is None and given.get(name) is None:
            raise ValueError(f"{_OWN_ROWS}; it has no {name!r}.")
    per_row = {name: given.get(name) for name in ("sensitive_features", "strata", "sample_weight")}
    X, labels = check_rows(as_rows(X), given["y"], **per_row)
    n_samples = num_samples(X)
    sensitive = sensitive_columns(
        X, spec.sensitive_features, given.get("sensitive_features"), n_samples=n_samples
    )
    sensitive = sensitive.in_order(data.groups.names)
    groups = encode_known_groups(sensitive, data.groups.labels, during="train_split")
    strata = None
    by = strata_columns(X, spec.strata, given.get("strata"), n_samples=n_samples)
    if by is not None and data.strata is not None:
        strata = _known_strata(by, data.strata.names, data.strata.labels, "train_split")
    new = np.setdiff1d(labels, data.classes)
    if len(new):
        raise ValueError(
            f"The rows that train_split brings have the label {show(new.tolist()[0])}, which is not "
            f"one of the classes [{list_labels(data.classes)}]."
        )
    index = np.searchsorted(data.classes, labels).astype(np.int64)
    weight = check_weights(given.get("sample_weight"), n_samples)
    inputs = prediction_inputs(X, spec, data.inputs)
    rows = NetData(inputs, data.inputs, data.classes, index, groups, strata, weight, spec)
    return inputs, rows.target(dtype, with_rows=False)


def _from_numbers(target: dict[str, Any], data: NetData) -> dict[str, Any]:
    """Return what the numbers in the target of a loss stand for."""
    decoded: dict[str, Any] = {"sample_weight": target.get("weight")}
    labels = np.empty(len(data.groups.labels), dtype=object)
    labels[:] = data.groups.labels
    for name, values, meaning in (("y", data.classes, "y"), ("group", labels, "sensitive_features")):
        numbers = column_or_1d(_from_tensor(target[name]))
        if numbers.dtype.kind not in "iu" or not (numbers >= 0).all() or (numbers >= len(values)).any():
            raise ValueError(
                f"{_OWN_ROWS}; as the target of FairLoss, its {name!r} holds whole numbers from 0 to "
                f"{len(values) - 1}."
            )
        decoded[meaning] = values[numbers]
    if isinstance(data.groups.labels[0], tuple):
        decoded["sensitive_features"] = np.array(decoded["sensitive_features"].tolist(), dtype=object)
    return decoded


def prediction_inputs(X: Any, spec: InputSpec, seen: Mapping[str, Any]) -> Any:
    """Return what the net is fed to predict, checked against what it was trained on.

    Parameters
    ----------
    X : array-like, sparse matrix or dict of arrays
        Rows, with or without the columns that the net does not see.
    spec : InputSpec
        What the net is fed.
    seen : mapping
        The fitted attributes that say what inputs look like.
    """
    X = as_rows(X)
    # What has as many columns as the net was trained on does not have the sensitive one, but for a frame that
    # has it by name, and lacks a feature.
    named = (
        not spec.keep_sensitive
        and spec.sensitive_features is not None
        and has_named(X, spec.sensitive_features)
    )
    columns = np.shape(X)[1:] if isinstance(X, (list, tuple)) else getattr(X, "shape", (0, 0))[1:]
    if named or "input_names_" in seen or columns != (seen.get("n_features_in_"),):
        X = _net_columns(X, spec)
    return check_inputs(X, spec, seen)[0]


def _net_columns(X: Any, spec: InputSpec, *, groups_given: bool = False, strata_given: bool = False) -> Any:
    """Return what the net sees of X: all but the columns of groups, unless the user keeps them, and strata.

    If their values came apart from X, it need not have these columns.
    """
    keys: list[Any] = []
    groups = None if spec.keep_sensitive else spec.sensitive_features
    for selector, is_given in ((groups, groups_given), (spec.strata, strata_given)):
        if selector is None or callable(selector):
            continue
        part = list(selector) if isinstance(selector, list | tuple | np.ndarray) else [selector]
        if is_given:
            try:
                drop_columns(X, part)
            except ValueError:  # they are not there
                continue
        keys += part
    if not keys:
        return X
    rest = as_rows(drop_columns(X, keys))
    if getattr(rest, "shape", ())[1:] == (0,) and not isinstance(rest, Mapping):
        raise ValueError("X has no columns but the sensitive ones, and the net does not see these.")
    return rest
