"""Which engine fits an estimator under a bound, and why that one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeAlias

from fairsk._sklearn.routing import ResponseMethod
from fairsk.reductions._boosting.booster import find_backend
from fairsk.reductions._boosting.engine import boost_under_bound
from fairsk.reductions._problem import Problem, Solution
from fairsk.reductions._reduction.engine import reduce_under_bound

__all__ = ["Engine", "choose_engine"]

Engine: TypeAlias = Literal["auto", "boosting", "reduction"]


def choose_engine(
    estimator: Any, engine: Engine, *, max_models: int, response_method: ResponseMethod
) -> tuple[Callable[[Problem], Solution], Literal["boosting", "reduction"], str]:
    """Return the engine that fits, its name, and why it was taken.

    Raises
    ------
    ValueError
        If boosting is asked for, and the estimator is no booster.
    """
    backend = find_backend(estimator)
    if engine == "boosting" and backend is None:
        raise ValueError(
            "engine='boosting' is for LGBMClassifier and XGBClassifier, alone or as the last step of a "
            f"pipeline; the estimator is a {type(estimator).__name__}. Use engine='reduction', or "
            "'auto'."
        )
    refusal = None if backend is None else backend.refusal(estimator)
    if engine == "boosting" and refusal is not None:
        raise ValueError(f"engine='boosting' is not open to this estimator: {refusal}")
    if backend is not None and refusal is None and engine != "reduction":
        reason = "as asked for" if engine == "boosting" else "the estimator can be boosted under a bound"
        return boost_under_bound, "boosting", reason
    reason = "as asked for" if engine == "reduction" else (refusal or "open to any classifier")
    reduce = partial(reduce_under_bound, max_models=max_models, response_method=response_method)
    return reduce, "reduction", reason
