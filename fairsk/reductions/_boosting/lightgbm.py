"""LightGBM classifiers as boosters of folds."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse, isspmatrix
from sklearn.base import clone
from sklearn.utils import check_array

from fairsk._core.messages import list_labels, list_texts, show
from fairsk._core.typing import Floats, Ints
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.rows import check_same_features
from fairsk.reductions._boosting.settings import Settings

__all__ = ["LightGBMBackend", "LightGBMModel"]

# Parameters that are read here, by all names that LightGBM has for them.
_ROUNDS = (
    "num_iterations",
    "num_iteration",
    "n_iter",
    "num_tree",
    "num_trees",
    "num_round",
    "num_rounds",
    "nrounds",
    "num_boost_round",
    "max_iter",
    "n_estimators",  # the last: LightGBM's wrapper gives way to any other name
)
_PATIENCE = ("early_stopping_round", "early_stopping_rounds", "early_stopping", "n_iter_no_change")
_OBJECTIVE = ("objective", "objective_type", "app", "application", "loss")
_BOOSTING = ("boosting", "boosting_type", "boost")
_THREADS = ("num_threads", "num_thread", "nthread", "nthreads", "n_jobs")
_VERBOSITY = ("verbosity", "verbose")
_METRIC = ("metric", "metrics", "metric_types")
_UNBALANCE = ("is_unbalance", "unbalance", "unbalanced_sets")
#: What ``boosting_type`` may be.
_ADDING_TREES = ("gbdt", "gbrt", "goss")
#: Bagging by label needs LightGBM's own objective, which alone knows labels.
_BAGGING_BY_LABEL = (
    *("pos_bagging_fraction", "pos_sub_row", "pos_subsample", "pos_bagging"),
    *("neg_bagging_fraction", "neg_sub_row", "neg_subsample", "neg_bagging"),
)
_OTHERS_READ = ("class_weight", "importance_type", "scale_pos_weight", "boost_from_average", "sigmoid")
#: How the types of columns begin that are no numbers.
_NOT_NUMBERS = ("cat", "enum", "str", "utf8", "large_str", "dictionary")

#: What LightGBM's fit takes, and why this does not.
_FIT_PARAMS = ("feature_name", "categorical_feature", "callbacks")
_REFUSED_FIT_PARAMS = {
    "init_score": "predictions would not have it",
    "init_model": "the folds' rows would be known to it",
    "group": "it is for ranking",
}
#: What scikit-learn calls the number and the names of columns.
_FEATURES = ("n_features_in_", "feature_names_in_")


class LightGBMBackend:
    """The boosters of a ``lightgbm.LGBMClassifier``, with all its parameters.

    The weights of classes (``class_weight``, ``is_unbalance``, ``scale_pos_weight``) multiply the weights of
    rows in training, and only there: errors and rates are those of rows as ``sample_weight`` has them.
    Boosters are silent unless the estimator sets its verbosity, for there is one per fold.

    Parameters
    ----------
    estimator, X, actual, weights, fit_params, classes, random_state
        As :class:`~fairsk.reductions._boosting.booster.Backend` has them. LightGBM has a seed of its own, so
        ``random_state`` is not looked at.
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        actual: Floats,
        weights: Floats,
        fit_params: Mapping[str, Any],
        *,
        classes: tuple[Any, Any] = (0, 1),
        random_state: Any = None,
    ) -> None:
        refusal = self.refusal(estimator)
        if refusal is not None:
            raise ValueError(refusal)
        self.settings(estimator, fit_params)  # refuses what cannot be had
        params = clone(estimator).get_params()  # a clone: to draw a seed would change the user's generator
        labels = actual.astype(np.intp)
        class_weights, factors = _class_weights(params, actual, classes), _label_factors(params, actual)
        self.actual, self.weights = actual, weights * class_weights[labels]
        self.factors = factors[labels]
        self.offset = float(np.log(np.divide(*(class_weights * factors)[::-1])))
        check_same_features(self, X, reset=True)
        self.starts_at_prior = bool(params.get("boost_from_average", True))
        self.n_threads = _n_threads(_first(params, _THREADS, None))
        self.params = _training_params(params, self.n_threads)
        self.dataset = (
            _library()
            .Dataset(
                _as_taken(X),
                label=actual,
                params=self.params,
                feature_name=fit_params.get("feature_name", "auto"),
                categorical_feature=fit_params.get("categorical_feature", "auto"),
            )
            .construct()
        )

    @classmethod
    def accepts(cls, estimator: Any) -> bool:
        """Tell whether the estimator is an ``LGBMClassifier``, whose ``fit`` no subclass has replaced."""
        lightgbm = sys.modules.get("lightgbm")  # whoever has an estimator of it has imported it
        classifier = getattr(lightgbm, "LGBMClassifier", None)
        return (
            classifier is not None
            and isinstance(estimator, classifier)
            and type(estimator).fit is classifier.fit
        )

    @classmethod
    def refusal(cls, estimator: Any) -> str | None:
        """Tell why the estimator cannot be boosted under a bound, as a sentence; None if it can."""
        params = estimator.get_params(deep=False)
        boosting = [params[name] for name in _BOOSTING if params.get(name) not in (None, *_ADDING_TREES)]
        objective = [params[name] for name in _OBJECTIVE if params.get(name) not in (None, "binary")]
        by_label = [name for name in _BAGGING_BY_LABEL if params.get(name, 1.0) != 1.0]
        if boosting:
            return (
                f"boosting_type={show(boosting[0])} cannot be boosted under a bound, for its trees change "
                "after they were grown, or do not add up; use 'gbdt', or engine='reduction'."
            )
        if objective:
            return (
                f"objective={show(objective[0])} cannot be boosted under a bound, which has a gradient of "
                "its own, that of 'binary' with prices; leave objective out, or use engine='reduction'."
            )
        if by_label or params.get("sigmoid", 1.0) != 1.0:
            names = list_texts(by_label or ["sigmoid"])
            return (
                f"{names} cannot be had under a bound: only LightGBM's own objective reads it. Leave it out, "
                "or use engine='reduction'."
            )
        return None

    @classmethod
    def settings(cls, estimator: Any, fit_params: Mapping[str, Any]) -> Settings:
        """Return the number of rounds, the learning rate and the patience; refuse what cannot be had."""
        params, fit_params = estimator.get_params(deep=False), dict(fit_params)
        patience = _patience(params, fit_params.pop("callbacks", None))
        _refuse_fit_params(fit_params)
        n_rounds = int(_first(params, _ROUNDS, 100))
        if n_rounds < 1:
            raise ValueError(f"n_estimators must be at least 1 to be boosted under a bound; got {n_rounds}.")
        return Settings(n_rounds, float(params.get("learning_rate") or 0.1), patience)

    def fold(self, train: Ints, test: Ints, *, X_test: Any = None) -> LightGBMFold | ConstantFold:
        """Return the booster of a fold, at the prior's log odds: no tree yet.

        Parameters
        ----------
        train : array of shape (n_train,)
            The rows to train on.
        test : array of shape (n_test,)
            The rows to score.
        X_test : array-like of shape (n_test, n_features), optional
            The rows to score where they are none of X, as in a pipeline, whose X are those of one fold.
        """
        if not any(map(self.dataset.feature_num_bin, range(self.dataset.num_feature()))):
            n_test = len(test) if X_test is None else num_samples(X_test)
            return ConstantFold(self, len(train), n_test, self.start(train))
        return LightGBMFold(self, np.asarray(train), np.asarray(test), X_test)

    def start(self, rows: Ints) -> float:
        """Return the log odds from which LightGBM starts: it knows weights of rows there, not of labels."""
        if not self.starts_at_prior:
            return 0.0
        positive, total = self.weights[rows] @ self.actual[rows], self.weights[rows].sum()
        return float(np.log(positive / (total - positive)))

    def others(self, X: Any, start: float) -> Any:
        """Return rows that are not those of the backend, in its bins."""
        scores = np.full(num_samples(X), start)
        return self.dataset.create_valid(_as_taken(X), init_score=scores, params=self.params)

    def subset(self, rows: Ints, start: float) -> Any:
        """Return some rows, sorted by position, as they are in bins already."""
        taken = self.dataset.subset([])
        taken.used_indices = rows.astype(np.int32)  # as a list, as subset() has it, a million rows take 40 MB
        taken.construct().set_init_score(np.full(len(rows), start))
        taken.used_indices = taken.init_score = None  # LightGBM has both
        return taken


class LightGBMFold:
    """The booster of one fold.

    LightGBM keeps the scores of training and validation rows up to date as trees are added, from the bins;
    they are read by way of evaluation functions. To predict each new tree would take several times as long.
    """

    def __init__(self, backend: LightGBMBackend, train: Ints, test: Ints, X_test: Any = None) -> None:
        self._rows, self._order = _sorted_rows(train)
        self._test_rows, self._test_order = _sorted_rows(test)
        weights = backend.weights[self._rows] * backend.factors[self._rows]
        self._weights = None if (weights == 1).all() else weights.astype(np.float32)
        self._start = backend.start(self._rows)
        self._offset = backend.offset
        self._n_threads = backend.n_threads
        self._features = {name: value for name, value in vars(backend).items() if name in _FEATURES}
        self._booster = _library().Booster(backend.params, backend.subset(self._rows, self._start))
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

    def __init__(self, backend: LightGBMBackend, n_train: int, n_test: int, start: float) -> None:
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
        scores = self.booster.predict(_as_taken(X), raw_score=True, num_threads=self.n_threads)
        return self.start + np.asarray(scores, dtype=float)


def _library() -> Any:
    """Return LightGBM, which is there where an estimator of it is."""
    import lightgbm

    return lightgbm


def _first(params: Mapping[str, Any], names: Iterable[str], otherwise: Any) -> Any:
    """Return the value of the first of some names of a parameter that is set."""
    return next((params[name] for name in names if params.get(name) is not None), otherwise)


def _patience(params: Mapping[str, Any], callbacks: Any) -> int | None:
    """Return after how many rounds without gain to stop: by a parameter or ``lightgbm.early_stopping``."""
    patience = _first(params, _PATIENCE, None)
    for callback in callbacks or ():
        if not hasattr(callback, "stopping_rounds"):
            raise ValueError(
                f"callbacks may hold lightgbm.early_stopping only, got {show(callback)}: the boosters of all "
                "folds grow in lockstep, and history_ has a record of each round."
            )
        patience = callback.stopping_rounds
    return int(patience) if patience and patience > 0 else None


def _refuse_fit_params(fit_params: Mapping[str, Any]) -> None:
    """Refuse arguments of ``fit`` that cannot be had, with the reason.

    Raises
    ------
    ValueError
        If LightGBM takes them, and boosting under a bound does not.
    TypeError
        If LightGBM takes no such arguments.
    """
    for name in fit_params:
        if name.startswith("eval_"):
            raise ValueError(
                f"{name} is not needed: rows held out of each fold are there to judge by. To stop early, set "
                "early_stopping_round on the LGBMClassifier, or pass callbacks=[lightgbm.early_stopping(20)]."
            )
        if name in _REFUSED_FIT_PARAMS:
            raise ValueError(
                f"{name} cannot be passed to boosting under a bound: {_REFUSED_FIT_PARAMS[name]}. Leave it "
                "out, or use engine='reduction'."
            )
        if name not in _FIT_PARAMS:
            raise TypeError(
                f"fit got an unexpected argument {name!r}; of those of LGBMClassifier.fit it takes "
                f"{list_texts(_FIT_PARAMS)}."
            )


def _class_weights(params: Mapping[str, Any], actual: Floats, classes: tuple[Any, Any]) -> Floats:
    """Return what ``class_weight`` multiplies the weight of a negative and of a positive row by."""
    class_weight = params.get("class_weight")
    if class_weight is None:
        return np.ones(2)
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(f"class_weight is 'balanced' or a dict of labels; got {show(class_weight)}.")
        return len(actual) / (2 * _label_counts(actual))
    weights = np.array([float(class_weight.get(label, 1.0)) for label in classes])
    if not (weights > 0).all():
        raise ValueError(
            "class_weight must leave both labels a weight above 0 to be boosted under a bound; got "
            f"{show(class_weight)}."
        )
    return weights


def _label_factors(params: Mapping[str, Any], actual: Floats) -> Floats:
    """Return what LightGBM's binary objective multiplies derivatives of negatives and positives by."""
    factors = np.array([1.0, float(params.get("scale_pos_weight") or 1.0)])
    if _first(params, _UNBALANCE, False):
        counts = _label_counts(actual)
        factors *= counts.max() / counts
    return factors


def _label_counts(actual: Floats) -> Floats:
    """Return how many negatives and positives there are."""
    return np.array([len(actual) - actual.sum(), actual.sum()])


def _n_threads(n_jobs: int | None) -> int:
    """Return the number of threads, as LightGBM's wrapper reads ``n_jobs``."""
    if n_jobs is None:
        return int(cpu_count(only_physical_cores=True))
    return int(n_jobs) if n_jobs >= 0 else max(cpu_count() + 1 + int(n_jobs), 1)


def _training_params(params: Mapping[str, Any], n_threads: int) -> dict[str, Any]:
    """Return what a booster gets: all that the user has set, without what is done here."""
    read = {*_ROUNDS, *_PATIENCE, *_OBJECTIVE, *_THREADS, *_METRIC, *_UNBALANCE, *_OTHERS_READ}
    kept = {name: value for name, value in params.items() if name not in read and value is not None}
    seed = kept.get("random_state")
    if isinstance(seed, np.random.RandomState):
        kept["random_state"] = seed.randint(np.iinfo(np.int32).max)
    elif isinstance(seed, np.random.Generator):
        kept["random_state"] = int(seed.integers(np.iinfo(np.int32).max))
    if not any(name in kept for name in _VERBOSITY):
        kept["verbosity"] = -1
    return kept | {"objective": "none", "metric": "none", "num_threads": n_threads}


def _as_taken(X: Any) -> Any:
    """Return rows as LightGBM takes them: pandas frames as they are, with their categories; others as arrays.

    This is what LightGBM's own wrapper does.
    """
    library = _library_of(X)
    if library == "pandas":
        return X
    if library in ("polars", "pyarrow"):
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
    major, minor = _library().__version__.split(".")[:2]
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
