"""Pipelines that end in a booster: transformers fitted per fold, to the rows that the fold is trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from fairsk._core.messages import show
from fairsk._core.typing import Floats, Ints
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.routing import asks_for, fit_weighted, metadata_for
from fairsk._sklearn.rows import take_fit_params, take_rows
from fairsk.reductions._boosting.booster import Backend, FoldBooster, Loss, Model, find_backend
from fairsk.reductions._boosting.settings import Settings, draw_seed

__all__ = ["StagedAbsolute", "StagedBackend", "StagedFold", "StagedModel", "StagedSquared"]


class StagedBackend:
    """The boosters of a pipeline, also a nested one, whose last step is a booster.

    Parameters
    ----------
    estimator : Pipeline
        It is cloned for every fold.
    X : array-like of shape (n_samples, n_features)
        All training rows, as the first transformer takes them.
    actual : array of shape (n_samples,)
        1 for rows with the second label, and 0; or amounts.
    weights : array of shape (n_samples,)
        The weight of each row; those transformers get it that ask for ``sample_weight``.
    fit_params : mapping
        What the user passes on to the pipeline's ``fit``; and ``sensitive_features``, if a step asks for it.
    classes : tuple of two labels
        What 0 and 1 stand for, which transformers see.
    random_state : int, RandomState instance or None
        The seed where the booster has none of its own.

    Raises
    ------
    ValueError
        If there is a :meth:`refusal`.
    """

    #: What is made least of amounts; None for labels.
    loss: ClassVar[Loss | None] = None

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
        self._pipeline, self._X, self._actual, self._weights = estimator, X, actual, weights
        self._classes = classes
        self._values = fit_params.get("sensitive_features")
        self._fit_params = {name: v for name, v in fit_params.items() if name != "sensitive_features"}
        self._seed = draw_seed(random_state)
        self._stages: list[_FittedStages] = []

    @classmethod
    def accepts(cls, estimator: Any) -> bool:
        """Tell whether the estimator is a pipeline that ends in a booster, and no step draws rows."""
        if not isinstance(estimator, Pipeline) or not estimator.steps:
            return False
        if any(hasattr(step, "fit_resample") for _, step in _transformers(estimator)):
            return False  # prices belong to rows, which must stay what they are
        return find_backend(_booster(estimator), cls.loss) is not None

    @classmethod
    def refusal(cls, estimator: Any) -> str | None:
        """Tell why the estimator cannot be boosted under a bound, as a sentence; None if it can."""
        for name, step in _transformers(estimator):
            if asks_for(step, "transform", "sensitive_features"):
                return (
                    f"The step {show(name)} asks for sensitive_features in transform, but predictions are "
                    "made without them. Take the request back, "
                    "set_transform_request(sensitive_features=False)."
                )
        booster = _booster(estimator)
        return cls._backend(booster).refusal(booster)

    @classmethod
    def settings(cls, estimator: Any, fit_params: Mapping[str, Any]) -> Settings:
        """Return what the booster's parameters say of its rounds."""
        booster = _booster(estimator)
        prefix = "".join(f"{name}__" for name in _path(estimator))
        received = {
            name.removeprefix(prefix): value for name, value in fit_params.items() if name.startswith(prefix)
        }
        return cls._backend(booster).settings(booster, received | metadata_for(booster, "fit", fit_params))

    @classmethod
    def _backend(cls, booster: Any) -> type[Backend]:
        backend = find_backend(booster, cls.loss)
        assert backend is not None  # the pipeline was accepted
        return backend

    def _targets(self, rows: Ints) -> NDArray[Any]:
        """Return what transformers see of some rows: their labels, or amounts."""
        actual = self._actual[rows]
        return actual if self.loss else np.asarray(self._classes)[actual.astype(np.intp)]

    def fold(self, train: Ints, test: Ints) -> StagedFold:
        """Fit the transformers to the rows of a fold; return its booster.

        They are fitted once: a fold's booster is asked for again, to grow without prices, and for other
        bounds.
        """
        stages = next((each for each in self._stages if np.array_equal(each.train, train)), None)
        if stages is None:
            stages = self._fit_stages(train)
            self._stages.append(stages)
        return stages.fold(take_rows(self._X, test))

    def _fit_stages(self, train: Ints) -> _FittedStages:
        fitted = _fit_transformers(
            self._pipeline,
            take_rows(self._X, train),
            self._targets(train),
            self._weights[train],
            take_rows(self._values, train),
            take_fit_params(self._fit_params, train, num_samples(self._X)),
        )
        booster = _booster(self._pipeline)
        backend = self._backend(booster)(
            booster,
            fitted.X,
            self._actual[train],
            self._weights[train],
            fitted.fit_params,
            classes=self._classes,
            random_state=self._seed,
        )
        return _FittedStages(train, fitted.transformers, backend)


class StagedSquared(StagedBackend):
    """The boosters of a pipeline that ends in a regressor, under the squared loss."""

    loss = "squared"


class StagedAbsolute(StagedBackend):
    """The boosters of a pipeline that ends in a regressor, under the absolute loss."""

    loss = "absolute"


@dataclass(frozen=True)
class _FittedStages:
    """Transformers that were fitted to some rows, and the backend of these rows as they return them."""

    train: Ints
    transformers: Sequence[Any]
    backend: Backend

    def fold(self, X_test: Any) -> StagedFold:
        """Return a booster that is trained on all of the rows, and scores others."""
        rows = np.arange(len(self.train))
        X_test = _transform(self.transformers, X_test)
        return StagedFold(self.backend.fold(rows, rows[:0], X_test=X_test), self.transformers)


@dataclass(frozen=True)
class StagedFold:
    """The booster of one fold, over transformers that were fitted to the rows it is trained on.

    Parameters
    ----------
    booster : FoldBooster
        The booster of transformed rows.
    transformers : sequence of transformer
        The fitted transformers, in order.
    """

    booster: FoldBooster
    transformers: Sequence[Any]

    @property
    def train_scores(self) -> Floats:
        """The scores of the rows it is trained on."""
        return self.booster.train_scores

    @property
    def test_scores(self) -> Floats:
        """The scores of the rows it does not see."""
        return self.booster.test_scores

    def step(self, gradient: NDArray[Any], hessian: NDArray[Any]) -> None:
        """Grow one more tree by derivatives per row trained on."""
        self.booster.step(gradient, hessian)

    def finish(self, n_rounds: int) -> StagedModel:
        """Return what predicts with the transformers and the first rounds."""
        return StagedModel(self.transformers, self.booster.finish(n_rounds))


@dataclass(frozen=True)
class StagedModel:
    """Fitted transformers and the booster after them.

    Parameters
    ----------
    transformers : sequence of transformer
        The fitted transformers, in order.
    booster : Model
        What scores transformed rows.
    """

    transformers: Sequence[Any]
    booster: Model

    def raw_scores(self, X: Any) -> Floats:
        """Return the score of each row, of shape (n_samples,)."""
        return self.booster.raw_scores(_transform(self.transformers, X))


@dataclass(frozen=True)
class _Fitted:
    """Fitted transformers, and what the step after them is given in ``fit``."""

    transformers: Sequence[Any]
    X: Any
    fit_params: Mapping[str, Any]


def _fit_transformers(
    pipeline: Pipeline,
    X: Any,
    targets: NDArray[Any],
    weights: Floats,
    values: Any,
    fit_params: Mapping[str, Any],
) -> _Fitted:
    """Fit a clone of a pipeline whose booster does not learn, but only takes down what it is given.

    So scikit-learn itself hands metadata and fit parameters to the steps, through nested pipelines and in
    either routing mode.
    """
    pipeline = clone(pipeline)
    received: dict[str, Any] = {}

    def take_down(X: Any, y: Any, **params: Any) -> None:
        received.update(X=X, fit_params={k: v for k, v in params.items() if k != "sample_weight"})

    # On this clone only; its class still says what it requests.
    _booster(pipeline).fit = take_down
    # The booster's backend has the weights already; through a pipeline they would need routing.
    asked = any(asks_for(step, "fit", "sample_weight") for _, step in _transformers(pipeline))
    asked = asked and bool((weights != 1).any())
    fit_weighted(pipeline, X, targets, weights if asked else None, sensitive_features=values, **fit_params)
    if num_samples(received["X"]) != len(targets):
        raise ValueError(
            f"The transformers of {type(pipeline).__name__} return {num_samples(received['X'])} rows for "
            f"{len(targets)}: boosting under a bound needs every row. Set engine='reduction'."
        )
    return _Fitted(tuple(step for _, step in _transformers(pipeline)), received["X"], received["fit_params"])


def _transform(transformers: Sequence[Any], X: Any) -> Any:
    """Return rows as the booster sees them."""
    for transformer in transformers:
        X = transformer.transform(X)
    return X


def _transformers(pipeline: Pipeline) -> Iterator[tuple[str, Any]]:
    """Yield the steps before the booster by their names, those of nested pipelines at the end included."""
    *head, (_, last) = pipeline.steps
    for name, step in head:
        if step is not None and step != "passthrough":
            yield name, step
    if isinstance(last, Pipeline):
        yield from _transformers(last)


def _path(pipeline: Any) -> list[str]:
    """Return the names of the last steps, down to the booster."""
    if not isinstance(pipeline, Pipeline):
        return []
    name, last = pipeline.steps[-1]
    return [name, *_path(last)]


def _booster(estimator: Any) -> Any:
    """Return the last step, through nested pipelines."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator
