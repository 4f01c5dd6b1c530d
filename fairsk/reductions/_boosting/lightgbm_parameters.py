"""Parameters of LightGBM's estimators as boosters of folds read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from joblib import cpu_count

from fairsk._core.messages import list_texts, show
from fairsk._core.typing import Floats
from fairsk.reductions._boosting.settings import Settings

__all__ = [
    "class_weights",
    "label_factors",
    "number_of_threads",
    "read_settings",
    "refusal_of_parameters",
    "training_parameters",
]

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

#: What LightGBM's fit takes, and why this does not.
_FIT_PARAMS = ("feature_name", "categorical_feature", "callbacks")
_REFUSED_FIT_PARAMS = {
    "init_score": "predictions would not have it",
    "init_model": "the folds' rows would be known to it",
    "group": "it is for ranking",
}


def refusal_of_parameters(params: Mapping[str, Any], objectives: Sequence[str]) -> str | None:
    """Tell which parameters cannot be had under a bound, and why, as a sentence; None if all can.

    Parameters
    ----------
    params : mapping
        The parameters of the estimator.
    objectives : sequence of str
        The objectives whose gradient is that of the engine, the best known name first.
    """
    boosting = [params[name] for name in _BOOSTING if params.get(name) not in (None, *_ADDING_TREES)]
    objective = [params[name] for name in _OBJECTIVE if params.get(name) not in (None, *objectives)]
    by_label = [name for name in _BAGGING_BY_LABEL if params.get(name, 1.0) != 1.0]
    if boosting:
        return (
            f"boosting_type={show(boosting[0])} cannot be boosted under a bound, for its trees change "
            "after they were grown, or do not add up; use 'gbdt', or engine='reduction'."
        )
    if objective:
        return (
            f"objective={show(objective[0])} cannot be boosted under a bound, which has a gradient of "
            f"its own, that of {objectives[0]!r} with prices; leave objective out, or use engine='reduction'."
        )
    if by_label or params.get("sigmoid", 1.0) != 1.0:
        names = list_texts(by_label or ["sigmoid"])
        return (
            f"{names} cannot be had under a bound: only LightGBM's own objective reads it. Leave it out, "
            "or use engine='reduction'."
        )
    return None


def read_settings(params: Mapping[str, Any], fit_params: Mapping[str, Any], name: str) -> Settings:
    """Return the number of rounds, the learning rate and the patience; refuse what cannot be had.

    Parameters
    ----------
    params : mapping
        The parameters of the estimator.
    fit_params : mapping
        What the user passes to its ``fit``.
    name : str
        The name of its class, for messages.
    """
    fit_params = dict(fit_params)
    patience = _patience(params, fit_params.pop("callbacks", None))
    _refuse_fit_params(fit_params, name)
    n_rounds = int(_first(params, _ROUNDS, 100))
    if n_rounds < 1:
        raise ValueError(f"n_estimators must be at least 1 to be boosted under a bound; got {n_rounds}.")
    return Settings(n_rounds, float(params.get("learning_rate") or 0.1), patience)


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


def _refuse_fit_params(fit_params: Mapping[str, Any], estimator: str) -> None:
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
                f"early_stopping_round on the {estimator}, or pass callbacks=[lightgbm.early_stopping(20)]."
            )
        if name in _REFUSED_FIT_PARAMS:
            raise ValueError(
                f"{name} cannot be passed to boosting under a bound: {_REFUSED_FIT_PARAMS[name]}. Leave it "
                "out, or use engine='reduction'."
            )
        if name not in _FIT_PARAMS:
            raise TypeError(
                f"fit got an unexpected argument {name!r}; of those of {estimator}.fit it takes "
                f"{list_texts(_FIT_PARAMS)}."
            )


def class_weights(params: Mapping[str, Any], actual: Floats, classes: tuple[Any, Any]) -> Floats:
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


def label_factors(params: Mapping[str, Any], actual: Floats) -> Floats:
    """Return what LightGBM's binary objective multiplies derivatives of negatives and positives by."""
    factors = np.array([1.0, float(params.get("scale_pos_weight") or 1.0)])
    if _first(params, _UNBALANCE, False):
        counts = _label_counts(actual)
        factors *= counts.max() / counts
    return factors


def _label_counts(actual: Floats) -> Floats:
    """Return how many negatives and positives there are."""
    return np.array([len(actual) - actual.sum(), actual.sum()])


def number_of_threads(params: Mapping[str, Any]) -> int:
    """Return the number of threads, as LightGBM's wrapper reads ``n_jobs``."""
    n_jobs = _first(params, _THREADS, None)
    if n_jobs is None:
        return int(cpu_count(only_physical_cores=True))
    return int(n_jobs) if n_jobs >= 0 else max(cpu_count() + 1 + int(n_jobs), 1)


def training_parameters(params: Mapping[str, Any], n_threads: int) -> dict[str, Any]:
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
