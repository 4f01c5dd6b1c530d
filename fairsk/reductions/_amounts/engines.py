"""Which engine fits a regressor under a bound, and why that one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from fairsk.rates import MeanRate
from fairsk.reductions._amounts.engine import reduce_amounts
from fairsk.reductions._amounts.problem import AmountProblem, AmountSolution
from fairsk.reductions._boosting.amount_costs import loss_of
from fairsk.reductions._boosting.amount_engine import boost_amounts_under_bound
from fairsk.reductions._boosting.booster import find_backend
from fairsk.reductions._engines import Engine

__all__ = ["choose_amount_engine"]


def choose_amount_engine(
    estimator: Any, engine: Engine, loss: MeanRate, *, max_models: int, min_group_size: int
) -> tuple[Callable[[AmountProblem], AmountSolution], Literal["boosting", "reduction"], str]:
    """Return the engine that fits, its name, and why it was taken.

    Raises
    ------
    ValueError
        If boosting is asked for, and the estimator is no booster, or has another loss.
    """
    backend, refusal = None, None
    try:
        backend = find_backend(estimator, loss_of(loss))
    except ValueError as error:
        refusal = str(error)
    if engine == "boosting" and backend is None and refusal is None:
        raise ValueError(
            "engine='boosting' is for LGBMRegressor and XGBRegressor, alone or as the last step of a "
            f"pipeline; the estimator is a {type(estimator).__name__}. Use engine='reduction', or 'auto'."
        )
    refusal = refusal if backend is None else backend.refusal(estimator)
    if engine == "boosting" and refusal is not None:
        raise ValueError(f"engine='boosting' is not open to this estimator: {refusal}")
    if backend is not None and refusal is None and engine != "reduction":
        reason = "as asked for" if engine == "boosting" else "the estimator can be boosted under a bound"
        return boost_amounts_under_bound, "boosting", reason
    is_booster = refusal is not None and backend is not None
    reason = (refusal or "") if is_booster else "open to any regressor"
    reason = "as asked for" if engine == "reduction" else reason
    return partial(reduce_amounts, max_models=max_models, min_group_size=min_group_size), "reduction", reason
