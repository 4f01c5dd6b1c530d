"""What is bounded of amounts, and how: the parameters of a regressor under a bound, read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fairsk._core.messages import did_you_mean, show
from fairsk.rates import (
    AMOUNT_CONSTRAINTS,
    AMOUNT_RATES,
    CONSTRAINTS,
    Constraint,
    MeanRate,
    get_amount_constraint,
)
from fairsk.reductions._amounts.rows import AmountBound

__all__ = ["AmountSpec", "read_spec"]

#: The losses by the names that users type.
_LOSSES = {"squared": "mean_squared_error", "absolute": "mean_absolute_error"}
#: What bounds the greatest loss instead of a difference.
_CEILING = "bounded_group_loss"


@dataclass(frozen=True)
class AmountSpec:
    """What is made least, and under which bound.

    Parameters
    ----------
    loss : MeanRate
        What is least.
    constraint : Constraint
        Whose means are bounded.
    bound : AmountBound or None
        How; None where it was not given.
    """

    loss: MeanRate
    constraint: Constraint
    bound: AmountBound | None

    @property
    def missing(self) -> str:
        """The parameter that gives the bound."""
        return "max_loss" if self.constraint.name == _CEILING else "max_difference"


def read_spec(
    constraint: Any, loss: str | MeanRate, max_difference: float | None, max_loss: float | None
) -> AmountSpec:
    """Read what is bounded and how.

    Raises
    ------
    ValueError
        If the constraint is unknown or about decisions, or has the other one's bound, or both; if a mean
        does not depend on predictions; or if the loss is none.
    """
    least = AMOUNT_RATES[_LOSSES[loss]] if isinstance(loss, str) else loss
    _check_loss(least)
    if max_difference is not None and max_loss is not None:
        raise ValueError("Give max_difference or max_loss, not both.")
    if isinstance(constraint, str) and constraint == _CEILING:
        if max_difference is not None:
            raise ValueError(
                f"{_CEILING!r} bounds the loss of every group: give max_loss, in the unit of the loss. To "
                "bound how far the losses of groups lie apart, use constraint='error_parity'."
            )
        bounded = Constraint(_CEILING, least)
        return AmountSpec(least, bounded, None if max_loss is None else AmountBound("worst_group", max_loss))
    if isinstance(constraint, str) and constraint == "error_parity":
        bounded = Constraint("error_parity", least)  # of whichever loss is made least
    else:
        _refuse_unknown(constraint)
        bounded = get_amount_constraint(constraint)
        _check_moved(bounded)
    if max_loss is not None:
        if isinstance(constraint, str) or not all(_is_loss(rate) for rate in bounded.rates):
            raise ValueError(
                f"max_loss is for constraint={_CEILING!r}, or a Constraint of losses of your own; "
                f"{bounded.name!r} is bounded by max_difference."
            )
        return AmountSpec(least, bounded, AmountBound("worst_group", max_loss))
    return AmountSpec(
        least, bounded, None if max_difference is None else AmountBound("difference", max_difference)
    )


def _check_moved(bounded: Constraint) -> None:
    """Refuse means that are the same whatever is predicted, such as that of the targets."""
    predictions = np.array([-2.0, -1.0, 1.0, 2.0])
    for rate in bounded.rates:
        if not np.any(rate.slope(predictions, 0 * predictions)):
            raise ValueError(
                f"{show(rate.name)} is the same whatever is predicted, so that no model can keep a bound on "
                f"it: {show(rate.of)}. Bound a mean of predictions, of errors or of losses."
            )


def _refuse_unknown(constraint: Any) -> None:
    """Refuse a name that is none, with all that are open here; the ceiling is no constraint elsewhere."""
    known = [*AMOUNT_CONSTRAINTS, _CEILING]
    if isinstance(constraint, str) and constraint not in known and constraint not in CONSTRAINTS:
        raise ValueError(
            f"Unknown constraint {show(constraint)}.{did_you_mean(constraint, known)} Built in: "
            f"{', '.join(known)}."
        )


def _is_loss(rate: MeanRate) -> bool:
    return rate.lower_is_better and not rate.can_be_negative


def _check_loss(loss: MeanRate) -> None:
    """Refuse what cannot be made least: it must cost something to be off, on either side."""
    over = float(loss(_OFF_BY_ONE | {"over": 1.0}))
    under = float(loss(_OFF_BY_ONE | {"under": 1.0}))
    if not _is_loss(loss) or loss.root or min(over, under) <= 0:
        raise ValueError(
            f"{show(loss.name)} is no loss that can be made least: give loss='squared', 'absolute', or a "
            "MeanRate of over, under and squared_error with positive factors on both sides, and without a "
            "root, such as MeanRate('cost', '4*under+over', lower_is_better=True)."
        )


#: The moments of one row whose prediction is off by one, but for the side.
_OFF_BY_ONE = {"n": 1.0, "prediction": 0.0, "target": 0.0, "over": 0.0, "under": 0.0, "squared_error": 1.0}
