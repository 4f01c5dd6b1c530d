"""LightGBM's boosters of folds, and rows as LightGBM takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse, isspmatrix
from sklearn.utils import check_array

from fairsk._core.messages import list_labels
from fairsk._core.typing import Floats, Ints
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.rows import check_same_features

if TYPE_CHECKING:
    from fairsk.reductions._boosting.lightgbm import LightGBMBoosters

__all__ = ["ConstantFold", "LightGBMFold", "LightGBMModel", "as_taken", "library"]

#: How the types of columns begin that are no numbers.
_NOT_NUMBERS = ("cat", "enum", "str", "utf8", "large_str", "dictionary")
#: What scikit-learn calls the number and the names of columns.
_FEATURES = ("n_features_in_", "feature_names_in_")


class LightGBMFold:
    """The booster of one fold.

    LightGBM keeps the scores of training and validation rows up to date as trees are added, from the bins;
    they are read by way of evaluation functions. To predict each new tree would take several times as long.
    """

    def __init__(self, backend: LightGBMBoosters, train: Ints, test: Ints, X_test: Any = None) -> None:
        self._rows, self._order = _sorted_rows(train)
        self._test_rows, self._test_order = _sorted_rows(test)
        weights = backend.weights[self._rows] * backend.factors[self._rows]
        self._weights = None if (weights == 1).all() else weights.astype(np.float32)
        self._start = backend.start(self._rows)
        self._offset = backend.offset
        self._n_threads = backend.n_threads
        self._features = {name: value for name, value in vars(backend).items() if name in _FEATURES}
        self._booster = library().Booster(backend.params, backend.subset(self._rows, self._start))
        start = self._start - self._offset
        if X_test is None:
            held_out = backend.subset(self._test_rows, start)
        else:
            held_out, self._test_order = backend.others(X_test, start), None
        self._booster.add_valid(held_out, "held out")
        self._n_trees = [self._booster.current_iteration()]

    @property
    def train_scores(self) -> Floats:
        """The log odds of the rows it is trained on, in the order of ``train``."""
        return _in_order(_read_scores(self._booster.eval_train), self._order)

    @property
    def test_scores(self) -> Floats:
        """The log odds of the rows it does not see, in the order of ``test``, without weights of classes."""
        return _in_order(_read_scores(self._booster.eval_valid), self._test_order)

    def step(self, gradient: NDArray[Any], hessian: NDArray[Any]) -> None:
        """Grow one more tree by derivatives per row trained on; weights of rows are multiplied in here."""
        if self._order is not None:
            gradient, hessian = gradient[self._order], hessian[self._order]
        if self._weights is not None:
            gradient, hessian = gradient * self._weights, hessian * self._weights
        self._booster.update(fobj=lambda scores, dataset: (gradient, hessian))
        # Where no split gains anything, there is no new tree.
        self._n_trees.append(self._booster.current_iteration())

    def finish(self, n_rounds: int) -> LightGBMModel:
        """Return what predicts with the trees of the first rounds, on the scale of ``test_scores``."""
        n_trees = self._n_trees[n_rounds]
        text = self._booster.model_to_string(num_iteration=n_trees) if n_trees else None
        return LightGBMModel(text, self._start - self._offset, self._n_threads, self._features)


class ConstantFold:
    """The booster of a fold whose rows no column can split: all have the prior's log odds.

    So LightGBM has it by its own gradient; by others it refuses such rows.
    """

    def __init__(self, backend: LightGBMBoosters, n_train: int, n_test: int, start: float) -> None:
        self.train_scores = np.full(n_train, start)
        self.test_scores = np.full(n_test, start - backend.offset)
        self._model = LightGBMModel(None, start - backend.offset, backend.n_threads)

    def step(self, gradient: NDArray[Any], hessian: NDArray[Any]) -> None:
        """Grow no tree."""

    def finish(self, n_rounds: int) -> LightGBMModel:
        """Return what predicts the same for all rows."""
        return self._model


class LightGBMModel:
    """A fitted booster of one fold, which can be pickled and holds no rows.

    Parameters
    ----------
    text : str or None
        The trees as LightGBM writes them; None if there are none.
    start : float
        The log odds without trees.
    n_threads : int
        How many threads predict.
    features : mapping
        The number and the names of the columns, by scikit-learn's attributes.
    """

    def __init__(
        self, text: str | None, start: float, n_threads: int, features: Mapping[str, Any] | None = None
    ) -> None:
        import lightgbm

        for name, value in (features or {}).items():
            setattr(self, name, value)
        self.booster = None if text is None else lightgbm.Booster(model_str=text)
        self.start = start
        self.n_threads = n_threads

    def raw_scores(self, X: Any) -> Floats:
        """Return the log odds of each row, of shape (n_samples,)."""
        if hasattr(self, "n_features_in_"):
            check_same_features(self, X, reset=False)  # LightGBM takes columns by position, whatever they are
        if self.booster is None:
            return np.full(num_samples(X), self.start)
        scores = self.booster.predict(as_taken(X), raw_score=True, num_threads=self.n_threads)
        return self.start + np.asarray(scores, dtype=float)


def library() -> Any:
    """Return LightGBM, which is there where an estimator of it is."""
    import lightgbm

    return lightgbm


def as_taken(X: Any) -> Any:
    """Return rows as LightGBM takes them: pandas frames as they are, with their categories; others as arrays.

    This is what LightGBM's own wrapper does.
    """
    kind = _library_of(X)
    if kind == "pandas":
        return X
    if kind in ("polars", "pyarrow"):
        _refuse_texts(X)
        if _takes_frames():
            return X
    X = check_array(X, accept_sparse=("csr", "csc"), ensure_all_finite=False)
    # LightGBM warns of sparse arrays, and predicts with matrices only.
    return csr_matrix(X) if issparse(X) and not isspmatrix(X) else X


def _refuse_texts(X: Any) -> None:
    """Refuse frames of polars and pyarrow with columns of categories: they end the process in LightGBM 4.7.

    Raises
    ------
    ValueError
        If there are any, or texts.
    """
    if hasattr(X, "schema") and hasattr(X.schema, "types"):
        kinds = dict(zip(X.schema.names, X.schema.types, strict=True))
    else:
        kinds = dict(zip(X.columns, X.dtypes, strict=True))
    others = [name for name, kind in kinds.items() if str(kind).lower().startswith(_NOT_NUMBERS)]
    if others:
        raise ValueError(
            f"LightGBM takes categories from pandas frames only, and X is a frame of {_library_of(X)} with "
            f"categories or texts in {list_labels(others)}. Pass X.to_pandas() with category dtypes for them."
        )


def _library_of(X: Any) -> str:
    return str(type(X).__module__.split(".")[0])


def _takes_frames() -> bool:
    """Tell whether this LightGBM takes frames of any library."""
    major, minor = library().__version__.split(".")[:2]
    return (int(major), int(minor)) >= (4, 7)


def _sorted_rows(rows: Ints) -> tuple[Ints, Ints | None]:
    """Return rows sorted by position, as LightGBM needs them, and their order; None if they are already."""
    if (rows[1:] >= rows[:-1]).all():
        return rows, None
    order = np.argsort(rows, kind="stable")
    return rows[order], order


def _in_order(scores: Floats, order: Ints | None) -> Floats:
    """Return scores of sorted rows in the order in which they were given."""
    if order is None:
        return scores
    given = np.empty_like(scores)
    given[order] = scores
    return given


def _read_scores(evaluate: Any) -> Floats:
    """Return the scores that LightGBM hands to an evaluation function."""
    seen: list[Floats] = []

    def read(scores: Floats, dataset: Any) -> tuple[str, float, bool]:
        seen.append(scores)
        return "scores", 0.0, True

    evaluate(feval=read)
    return seen[0]
