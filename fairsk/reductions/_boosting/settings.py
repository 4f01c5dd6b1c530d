"""Parameters of a booster that the engine reads before any tree is grown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fairsk._core.typing import RandomStateLike
from fairsk._meta.cross_fit import TrainingData
from fairsk._sklearn.routing import asks_for

__all__ = ["Settings", "draw_seed", "passed_on"]


@dataclass(frozen=True)
class Settings:
    """What the parameters of a booster say of its rounds.

    Parameters
    ----------
    n_rounds : int
        How many trees they ask for.
    learning_rate : float
        By how much each tree is shrunk.
    patience : int or None
        After how many rounds without a better held-out error to stop, if the user asked for that.
    shares_draws : bool
        Whether boosters of one process draw from one stream, as those of XGBoost do: then folds grow one
        after another, or what a fold draws would depend on the others.
    """

    n_rounds: int
    learning_rate: float
    patience: int | None
    shares_draws: bool = False


def passed_on(estimator: Any, training: TrainingData) -> dict[str, Any]:
    """Return what is passed on to the estimator's ``fit``."""
    fit_params = dict(training.fit_params)
    if asks_for(estimator, "fit", "sensitive_features"):  # a transformer that learns from groups
        fit_params["sensitive_features"] = training.values
    return fit_params


def draw_seed(random_state: RandomStateLike) -> int | None:
    """Return a seed for all folds alike: a number itself, one drawn from a generator, None for None."""
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(np.iinfo(np.int32).max))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(np.iinfo(np.int32).max))
    return None if random_state is None else int(random_state)
